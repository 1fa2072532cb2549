/* TensorSides: what stands behind a row of the list as values: the source's tensor, what the rules
 * make of it, the target's own; and these in words. */
#ifndef VIEWER_TENSOR_SIDES_H
#define VIEWER_TENSOR_SIDES_H

#include "viewer/cell.h"
#include "viewer/rows.h"
#include "viewer/tensor_values.h"
#include "viewer/value_axis.h"

typedef enum ValueSide { VALUE_SOURCE, VALUE_MADE, VALUE_TARGET, VALUE_SIDES } ValueSide;

typedef struct TensorSides {
    const char *name;            /* of the target, or of a source tensor without one; borrowed */
    ValueOf of[VALUE_SIDES];     /* neither member: there is none, or the same as the source */
    unsigned count;              /* how many there are */
} TensorSides;

/* "source", "made", "target". */
const char *value_side_name(ValueSide side);
bool value_is(ValueOf of);       /* whether there is one */
/* Shape and dtype; dims NULL: not known. */
void value_type(ValueOf of, DType *dtype, const int64_t **dims, unsigned *rank);

/* Of a target, and of a source tensor that has none. */
void tensor_sides_of_binding(TensorSides *sides, const Binding *binding);
void tensor_sides_of_tensor(TensorSides *sides, const Tensor *tensor);
/* The two that are compared: what goes into the target, and what that holds. False: there are not
 * both. */
bool tensor_sides_pair(const TensorSides *sides, ValueOf *a, ValueOf *b);

/* The axis of all sides that are known. */
ValueAxis tensor_sides_axis(const TensorSides *sides, Values *values);
/* A line for each side: "source  mean 2.1e-05  std 0.031  min -0.29  max 0.31  ▁▂▅▇█▇▅▂▁"; each
 * ends with '\n'. Where there are several, the bars come first, between two lines, and have one
 * axis from the least number of all to the greatest. */
void tensor_sides_tell(const TensorSides *sides, Values *values, Text *out);
/* In place of what is not known: `why`, or NULL: "reading… 34 %". */
void tell_waiting(const Values *values, const char *why, Text *out);
/* "f32 2304×768 → split(3)[1] → 768×768 → T → 768×768"; nothing when nothing is done. */
void tell_pipeline(const Expr *e, Text *out);
/* Eight glyphs, the lowest first. */
extern const char *const bar_glyphs[8];

#endif
