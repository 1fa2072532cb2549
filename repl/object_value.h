/* What a checkpoint holds beside tensors, as a Value for scripts. */
#ifndef REPL_OBJECT_VALUE_H
#define REPL_OBJECT_VALUE_H

#include "loader/core/value.h"
#include "loader/tensor/object.h"

/* Numbers and text are themselves, lists and dicts of them tables (keys as text), tensors
 * {dtype, shape}; anything else, and what lies too deep or behind the first 100,000 nodes, is the
 * text that describes it. `nodes` counts them over several calls; begin with 0. */
Value *object_value(Arena *arena, const Object *object, size_t *nodes);
/* {64, 3, 7, 7}; null where the shape is not known. */
Value *shape_value(Arena *arena, const int64_t *dims, unsigned rank);

#endif
