/* The table of ops, and how reports spell one: as rule text does, without what is default and
 * with long lists cut. Steps, the ledger's "ops" and the origin of a rule made of parts use it.
 *
 *   {OP_SPLIT, number 3}              split(3)
 *   {OP_FIT, axis 0, rest FIT_MEAN}   fit(0,mean) */
#include "loader/align/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name, *args, *help;
} ops[OP_KIND_COUNT] = {
#define OP_ROW(id, name, args, help) [id] = {name, args, help},
    OPS(OP_ROW)
#undef OP_ROW
};

/* As rules spell it; the ops table of the header is the only place where it stands. */
const char *op_name(OpKind kind)
{
    return ops[kind].name;
}

/* For help and the manual; the parser of arguments is the scripting floor's. */
const char *op_args(OpKind kind)
{
    return ops[kind].args;
}

const char *op_help(OpKind kind)
{
    return ops[kind].help;
}

/* The shortest digits that read back as the same number. 0.1 is "0.1" and not
 * 0.10000000000000001; 17 digits are enough for any double. */
static void show_number(double value, Text *out)
{
    char digits[32];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    text_add(out, digits);
}

/* Items between commas; of long lists only the beginning and the length. Sizes and axes are
 * short; chosen indices may be thousands. */
static void show_list(const int64_t *list, size_t count, Text *out)
{
    enum { SHOWN = 16 };
    for (size_t i = 0; i < count && i < SHOWN; i++)
        text_addf(out, "%s%" PRId64, i ? "," : "", list[i]);
    if (count > SHOWN) text_addf(out, ",… %zu in all", count);
}

/* split(3), split(3,1), split{4,2}, split({4,2},1), split(). Axis 0 is the default and not
 * said; a single table needs no parentheses in Lua. */
static void show_split(const Op *op, Text *out)
{
    bool axis = op->has_axis && op->axis != 0;
    text_add(out, op->list_count && !axis ? "{" : "(");
    if (op->list_count && axis) text_addc(out, '{');
    if (op->list_count) show_list(op->list, op->list_count, out);
    else if (op->has_number) text_addf(out, "%" PRId64, op->number);
    if (op->list_count) text_addc(out, '}');
    if (axis && !op->list_count && !op->has_number) text_add(out, "nil");
    if (axis) text_addf(out, ",%d", op->axis);
    if (!op->list_count || axis) text_addc(out, ')');
}

/* fit(0), fit(0,mean), fit(0,normal(0.02)). The rest is said unless it is the target's. */
static void show_fit(const Op *op, Text *out)
{
    text_addf(out, "(%d", op->axis);
    if (op->rest == FIT_ZEROS) text_add(out, ",zeros");
    if (op->rest == FIT_MEAN) text_add(out, ",mean");
    if (op->rest == FIT_NORMAL) {
        text_add(out, ",normal(");
        show_number(op->real, out);
        text_addc(out, ')');
    }
    text_addc(out, ')');
}

/* zeros(), const(0.1), normal(0.02), uniform(-1,1), kaiming{mode="fan_out"}; no defaults. A
 * mean of 0 is not said either. */
static void show_fill(const Op *op, Text *out)
{
    const Fill *fill = &op->fill;
    bool uniform = fill->kind == FILL_KAIMING_UNIFORM || fill->kind == FILL_XAVIER_UNIFORM;
    bool fan_out = op->kind == OP_KAIMING && fill->fan_out;
    if (op->kind == OP_KAIMING || op->kind == OP_XAVIER) {
        text_add(out, fan_out || uniform ? "{" : "()");
        if (fan_out) text_add(out, "mode=\"fan_out\"");
        if (fan_out && uniform) text_add(out, ",");
        if (uniform) text_add(out, "dist=\"uniform\"");
        if (fan_out || uniform) text_addc(out, '}');
        return;
    }
    text_addc(out, '(');
    if (op->kind != OP_ZEROS && !(op->kind == OP_NORMAL && fill->a == 0)) {
        show_number(fill->a, out);
        if (op->kind != OP_CONST) text_addc(out, ',');
    }
    if (op->kind == OP_NORMAL || op->kind == OP_UNIFORM) show_number(fill->b, out);
    text_addc(out, ')');
}

/* slice(0,1,-1), pick(1,{2,1,0}), roll(0,-1). What they share is the axis, which always stands. */
static void show_along(const Op *op, Text *out)
{
    text_addf(out, "(%d", op->axis);
    if (op->kind == OP_PICK) {
        text_add(out, ",{");
        show_list(op->list, op->list_count, out);
        text_addc(out, '}');
    } else {
        text_addf(out, ",%" PRId64, op->number);
    }
    if (op->kind == OP_SLICE && op->has_to) text_addf(out, ",%" PRId64, op->to);
    text_addc(out, ')');
}

/* The switch takes the ops that have a form of their own; what is left has one argument, or a
 * list, or an axis that may be missing: squeeze(). */
void op_show(const Op *op, Text *out)
{
    text_add(out, op_name(op->kind));
    switch (op->kind) {
    case OP_T:
    case OP_TO_TORCH:
    case OP_COPY:
    case OP_FUNCTION: return;
    case OP_SPLIT: show_split(op, out); return;
    case OP_FIT: show_fit(op, out); return;
    case OP_SLICE:
    case OP_PICK:
    case OP_ROLL: show_along(op, out); return;
    case OP_CAST: text_addf(out, "(\"%s\")", dtype_name(op->dtype)); return;
    case OP_ZEROS:
    case OP_CONST:
    case OP_NORMAL:
    case OP_UNIFORM:
    case OP_KAIMING:
    case OP_XAVIER: show_fill(op, out); return;
    default: break;
    }
    text_addc(out, '(');
    if (op->kind == OP_PERMUTE || op->kind == OP_RESHAPE) show_list(op->list, op->list_count, out);
    else if (op->kind == OP_MUL || op->kind == OP_ADD) show_number(op->real, out);
    else if (op->kind == OP_ROPE_PAIRS || op->kind == OP_ROPE_HALVES)
        text_addf(out, "%" PRId64, op->number);
    else if (op->has_axis) text_addf(out, "%d", op->axis);
    text_addc(out, ')');
}
