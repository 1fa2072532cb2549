/* The object tree of a checkpoint, one node a line: `tenon ls --all`. */
#ifndef REPL_OBJECT_LIST_H
#define REPL_OBJECT_LIST_H

#include "loader/core/json.h"
#include "loader/tensor/checkpoint.h"

/* Every node once, depth first; a node that the file shares is named again, not repeated. */
void object_list_print(const Checkpoint *checkpoint);
/* The key "objects" with a list of {"path","value"}. */
void object_list_json(const Checkpoint *checkpoint, JsonWriter *json);

#endif
