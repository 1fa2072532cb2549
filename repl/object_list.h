/* The object tree of a checkpoint, one node a line: `tenon ls --all`. */
#ifndef REPL_OBJECT_LIST_H
#define REPL_OBJECT_LIST_H

#include "loader/core/json.h"
#include "loader/tensor/checkpoint.h"

/* Every node once, depth first; a node that the file shares is named again, with the path where
 * it was shown ("= same as …"), and so is one that contains itself. What lies deeper than
 * LIMIT_DEPTH, or behind the first LIMIT_OBJECTS nodes, is not shown; a last line says how much.
 * A format without objects lists its metadata and its tensors. */
void object_list_print(const Checkpoint *checkpoint);
/* The same, appended to a text. */
void object_list_text(const Checkpoint *checkpoint, Text *out);
/* The key "objects" with a list of objects (tenon(1), JSON), and "objects_cut" with the numbers
 * of nodes that were not shown: {"deeper","more"}. */
void object_list_json(const Checkpoint *checkpoint, JsonWriter *json);

#endif
