/* How the ranks of a folder were cut, for `tenon ls`. */
#ifndef REPL_CUT_LIST_H
#define REPL_CUT_LIST_H

#include "loader/core/json.h"
#include "loader/tensor/checkpoint.h"

/* Lines for people, below a listing of all ranks: which tensors every rank has whole, and along
 * which dimension rules can join the others. Nothing for what has no ranks. */
void cut_list_print(const Checkpoint *checkpoint, Arena *arena);
/* The key "cuts": a list of {"key", "kind", "dim", "sure", "shape"}, the shape as joined, null
 * where it is not known. Nothing for what has no ranks. */
void cut_list_json(const Checkpoint *checkpoint, Arena *arena, JsonWriter *json);

#endif
