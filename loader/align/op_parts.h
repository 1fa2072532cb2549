/* What the files of Op share; for op_*.c only. */
#ifndef LOADER_ALIGN_OP_PARTS_H
#define LOADER_ALIGN_OP_PARTS_H

#include "loader/align/op.h"

/* "split(3): " and what is wrong. Always false. The op is spelled as in the rule, which the caller
 * puts before it. */
bool op_refuse(const Op *op, Error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "squeeze(0): 3×4: " and why. Always NULL. */
const Expr *op_refuse_shape(const Op *op, const Expr *e, const char *why, Error *err);
/* Makes op->axis positive; any axis is fine while the shape is unknown. False: there is none. */
bool op_axis(const Op *op, const Expr *e, int *axis, Error *err);

/* Each makes one tensor of one. */
const Expr *op_apply_ein(const Op *op, Arena *arena, const Expr *e, Error *err);
const Expr *op_apply_roll(const Op *op, Arena *arena, const Expr *e, Error *err);
const Expr *op_apply_swap_halves(const Op *op, Arena *arena, const Expr *e, Error *err);
const Expr *op_apply_tile(const Op *op, Arena *arena, const Expr *e, Error *err);
const Expr *op_apply_in_chans(const Op *op, Arena *arena, const Expr *e, Error *err);
const Expr *op_apply_pad(const Op *op, const OpContext *context, const Expr *e, Error *err);
const Expr *op_apply_fit(const Op *op, const OpContext *context, const Expr *e, Error *err);
const Expr *op_apply_resample(const Op *op, const OpContext *context, const Expr *e, Error *err);

#endif
