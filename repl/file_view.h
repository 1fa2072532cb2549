/* What a file says of itself: its format, metadata, parts, and what stands beside the weights. */
#ifndef REPL_FILE_VIEW_H
#define REPL_FILE_VIEW_H

#include "loader/core/value.h"
#include "loader/tensor/checkpoint.h"
#include "repl/tree_lines.h"

/* `dict` is the one that is aligned. */
void file_view_lines(const Checkpoint *checkpoint, const StateDict *dict, TreeLines *lines);
/* {path, format, bytes, metadata = {…}, files = {{name, bytes}}, entries = {epoch = 12, …},
 * versions = {…}}; files, entries and versions (PyTorch's `_metadata`) where there are any. */
Value *file_view_value(Arena *arena, const Checkpoint *checkpoint, const StateDict *dict);

#endif
