/* The table of ops, and how reports spell one: as rule text does, without what is default and
 * with long lists cut. Steps, the ledger's "ops" and the origin of a rule made of parts use it.
 *
 *   {OP_SPLIT, number 3}              split(3)
 *   {OP_FIT, axis 0, rest FIT_MEAN}   fit(0,mean) */
#include "loader/align/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[OP_KIND_COUNT] = {
#define OP_NAME(id, name, args, help) [id] = name,
    OPS(OP_NAME)
#undef OP_NAME
};

/* As rules spell it; the ops table of the header is the only place where it stands. */
const char *op_name(OpKind kind)
{
    return names[kind];
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

/* Items between commas; of more than `most` only the beginning and the length. Sizes and axes are
 * short; chosen indices may be thousands. */
static void show_list(const int64_t *list, size_t count, size_t most, Text *out)
{
    for (size_t i = 0; i < count && i < most; i++)
        text_addf(out, "%s%" PRId64, i ? "," : "", list[i]);
    if (count > most) text_addf(out, ",… %zu in all", count);
}

/* split(3), split(3,1), split{4,2}, split({4,2},1), split(). Axis 0 is the default and not
 * said; a single table needs no parentheses in Lua. */
static void show_split(const Op *op, size_t most, Text *out)
{
    bool axis = op->has_axis && op->axis != 0;
    text_add(out, op->list_count && !axis ? "{" : "(");
    if (op->list_count && axis) text_addc(out, '{');
    if (op->list_count) show_list(op->list, op->list_count, most, out);
    else if (op->has_number) text_addf(out, "%" PRId64, op->number);
    if (op->list_count) text_addc(out, '}');
    if (axis && !op->list_count && !op->has_number) text_add(out, "nil");
    if (axis) text_addf(out, ",%d", op->axis);
    if (!op->list_count || axis) text_addc(out, ')');
}

/* fit(0), fit(0,mean), pad(0,100), pad(0,100,normal(0.02)). The rest is said unless it is what is
 * meant without a word: the target's for fit, zeros for pad. */
static void show_fit(const Op *op, Text *out)
{
    static const char *const words[] = {
        [FIT_TARGET] = ",target", [FIT_ZEROS] = ",zeros", [FIT_MEAN] = ",mean",
        [FIT_NORMAL] = ",normal(", [FIT_CONST] = ",const(",
    };
    text_addf(out, "(%d", op->axis);
    if (op->kind == OP_PAD) text_addf(out, ",%" PRId64, op->number);
    if (op->rest != (op->kind == OP_PAD ? FIT_ZEROS : FIT_TARGET)) text_add(out, words[op->rest]);
    if (op->rest == FIT_NORMAL || op->rest == FIT_CONST) {
        show_number(op->real, out);
        text_addc(out, ')');
    }
    text_addc(out, ')');
}

/* ein("(h c) k -> (c h) k",{c=3}). */
static void show_ein(const Op *op, Text *out)
{
    text_addf(out, "(\"%s\"", op->text);
    for (size_t i = 0; i < op->size_count; i++)
        text_addf(out, "%s%s=%" PRId64, i ? "," : ",{", op->sizes[i].name, op->sizes[i].size);
    text_add(out, op->size_count ? "})" : ")");
}

/* "{prefix=0,new={24,24}}", "()" when nothing is said. */
static void show_resample(const Op *op, Text *out)
{
    const Fit *fit = &op->fit;
    const char *mark = "{";
    if (op->kind == OP_POS_EMBED && fit->extra != 1) {
        text_addf(out, "%sprefix=%" PRId64, mark, fit->extra);
        mark = ",";
    }
    if (op->kind == OP_REL_POS_BIAS && fit->extra >= 0) {
        text_addf(out, "%sextra=%" PRId64, mark, fit->extra);
        mark = ",";
    }
    if (op->kind == OP_REL_POS_BIAS && fit->resample != RESAMPLE_GEOMETRIC) {
        text_addf(out, "%smode=\"%s\"", mark,
                  fit->resample == RESAMPLE_GEOMETRIC_LINEAR ? "linear"
                                                             : resample_name(fit->resample));
        mark = ",";
    }
    if (fit->old[0]) {
        text_addf(out, "%sold={%" PRId64 ",%" PRId64 "}", mark, fit->old[0], fit->old[1]);
        mark = ",";
    }
    if (fit->grid[0]) {
        text_addf(out, "%snew={%" PRId64 ",%" PRId64 "}", mark, fit->grid[0], fit->grid[1]);
        mark = ",";
    }
    text_add(out, *mark == '{' ? "()" : "}");
}

/* kaiming{mode="fan_out",gain=1}: the members that are no defaults. */
static void show_fan(const Op *op, Text *out)
{
    const Fill *fill = &op->fill;
    const char *mark = "{";
    if (op->kind == OP_KAIMING && fill->fan_out) {
        text_addf(out, "%smode=\"fan_out\"", mark);
        mark = ",";
    }
    if (fill->kind == FILL_KAIMING_UNIFORM || fill->kind == FILL_XAVIER_UNIFORM) {
        text_addf(out, "%sdist=\"uniform\"", mark);
        mark = ",";
    }
    if (fill->a != 0) {
        text_addf(out, "%sgain=", mark);
        show_number(fill->a, out);
        mark = ",";
    }
    text_add(out, *mark == '{' ? "()" : "}");
}

/* zeros(), const(0.1), normal(0.02), uniform(-1,1); no defaults. A
 * mean of 0 is not said either. */
static void show_fill(const Op *op, Text *out)
{
    const Fill *fill = &op->fill;
    text_addc(out, '(');
    if (op->kind != OP_ZEROS && !(op->kind == OP_NORMAL && fill->a == 0)) {
        show_number(fill->a, out);
        if (op->kind != OP_CONST) text_addc(out, ',');
    }
    if (op->kind == OP_NORMAL || op->kind == OP_UNIFORM) show_number(fill->b, out);
    text_addc(out, ')');
}

/* slice(0,1,-1), pick(1,{2,1,0}), roll(0,-1). What they share is the axis, which always stands. */
static void show_along(const Op *op, size_t most, Text *out)
{
    text_addf(out, "(%d", op->axis);
    if (op->kind == OP_PICK) {
        text_add(out, ",{");
        show_list(op->list, op->list_count, most, out);
        text_addc(out, '}');
    } else {
        text_addf(out, ",%" PRId64, op->number);
    }
    if (op->kind == OP_SLICE && op->has_to) text_addf(out, ",%" PRId64, op->to);
    text_addc(out, ')');
}

/* The switch takes the ops that have a form of their own; what is left has one argument, or a
 * list, or an axis that may be missing: squeeze(). */
static void show_op(const Op *op, size_t most, Text *out)
{
    const bool written = op->kind == OP_FUNCTION && op->text;
    text_add(out, written ? op->text : op_name(op->kind));
    switch (op->kind) {
    case OP_T:
    case OP_TO_TORCH:
    case OP_COPY:
    case OP_SQRT:
    case OP_MATMUL:
    case OP_CONV_MSRA:
    case OP_FUNCTION: return;
    case OP_SPLIT: show_split(op, most, out); return;
    case OP_EIN: show_ein(op, out); return;
    case OP_POS_EMBED:
    case OP_PATCH_EMBED:
    case OP_REL_POS_BIAS: show_resample(op, out); return;
    case OP_PAD:
    case OP_FIT: show_fit(op, out); return;
    case OP_SLICE:
    case OP_PICK:
    case OP_TILE:
    case OP_ROLL: show_along(op, most, out); return;
    case OP_CAST: text_addf(out, "(\"%s\")", dtype_name(op->dtype)); return;
    case OP_ZEROS:
    case OP_CONST:
    case OP_NORMAL:
    case OP_UNIFORM: show_fill(op, out); return;
    case OP_KAIMING:
    case OP_XAVIER: show_fan(op, out); return;
    default: break;
    }
    text_addc(out, '(');
    if (op->kind == OP_PERMUTE || op->kind == OP_RESHAPE)
        show_list(op->list, op->list_count, most, out);
    else if (op->kind == OP_MUL || op->kind == OP_ADD || op->kind == OP_PRIOR_BIAS)
        show_number(op->real, out);
    else if (op->kind == OP_ROPE_PAIRS || op->kind == OP_ROPE_HALVES || op->kind == OP_IN_CHANS)
        text_addf(out, "%" PRId64, op->number);
    else if (op->has_axis) text_addf(out, "%d", op->axis);
    text_addc(out, ')');
}

void op_show(const Op *op, Text *out)
{
    enum { SHOWN = 16 };             /* items of a list */
    show_op(op, SHOWN, out);
}

/* What people need not read, whoever reads the text again does: long lists, and that holes are
 * allowed. */
void op_write(const Op *op, Text *out)
{
    bool joins = op->kind == OP_STACK || op->kind == OP_CAT;
    if (joins && op->gaps) text_addf(out, "%s{%d, gaps=true}", op_name(op->kind), op->axis);
    else show_op(op, SIZE_MAX, out);
}
