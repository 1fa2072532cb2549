/* Meta: what meta{…} and meta.keep(…) put beside the tensors of an output. */
#ifndef LOADER_EXPORT_META_H
#define LOADER_EXPORT_META_H

#include "loader/export/whole.h"

/* As Python's str() has it: text, numbers, True, None; false for what is no single value. */
bool meta_text(const Object *object, Text *out);

/* The tree {KEY: state dict, entries …}: `key` NULL stands for "state_dict". */
const Whole *meta_tree(Arena *arena, const Later *later, const char *key);
/* The entries in the tree of --whole: at its top, which has to be a dict; beside the state dict
 * where that is the top itself. */
bool meta_add(Arena *arena, const Later *later, Whole *whole, Error *err);

#endif
