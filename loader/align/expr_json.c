/* Expressions as plans spell them: name, arguments, operands.
 *
 *   ["cat",0,["src","a"],["src","b"]]
 *   ["permute",[1,0],["src","fc.w"]]
 *   ["slice",0,0,100,["src","head.w"]]
 *   ["fill","zeros",{"dtype":"f32","shape":[10],"key":"head.b","seed":0}]
 *
 * A fill says dtype, shape and key too, since a plan must give the same numbers without the
 * target at hand. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loader/align/expr.h"
#include "loader/align/fill.h"

static const char *const kind_names[EXPR_KIND_COUNT] = {
#define EXPR_NAME(kind, name, meaning) [kind] = name,
    EXPR_KINDS(EXPR_NAME)
#undef EXPR_NAME
};

const char *expr_kind_name(ExprKind kind)
{
    return kind_names[kind];
}

ExprKind expr_kind_of(const char *name)
{
    int kind = 0;
    while (kind < EXPR_KIND_COUNT && strcmp(kind_names[kind], name) != 0) kind++;
    return (ExprKind)kind;
}

/* JSON has no word for three of them, so these are text. */
static void write_constant(JsonWriter *writer, double value)
{
    if (isfinite(value)) json_float(writer, value);
    else json_string(writer, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
}

/* Members of the map that says how a fill was made. */
static void write_number(JsonWriter *writer, const char *key, double value)
{
    json_key(writer, key);
    write_constant(writer, value);
}

/* Most readers of JSON hold whole numbers up to 63 bits; larger seeds are text. */
static void write_seed(JsonWriter *writer, uint64_t seed)
{
    char digits[24];
    json_key(writer, "seed");
    snprintf(digits, sizeof digits, "%" PRIu64, seed);
    if (seed > INT64_MAX) json_string(writer, digits);
    else json_uint(writer, seed);
}

/* Two numbers mean different things from kind to kind, so they are written under their names. */
static void write_fill(const Expr *e, JsonWriter *writer)
{
    const Fill *fill = e->fill;
    json_string(writer, fill_name(fill->kind));
    json_map(writer);
    if (fill->kind == FILL_CONST) write_number(writer, "value", fill->a);
    if (fill->kind == FILL_NORMAL) {
        write_number(writer, "mean", fill->a);
        write_number(writer, "std", fill->b);
    }
    if (fill->kind == FILL_UNIFORM) {
        write_number(writer, "low", fill->a);
        write_number(writer, "high", fill->b);
    }
    if (fill->kind == FILL_KAIMING_NORMAL || fill->kind == FILL_KAIMING_UNIFORM)
        json_put_text(writer, "mode", fill->fan_out ? "fan_out" : "fan_in");
    if (fill_needs_fans(fill->kind) && fill->a != 0) write_number(writer, "gain", fill->a);
    if (fill_needs_fans(fill->kind))
        json_put_text(writer, "dist", fill_is_uniform(fill->kind) ? "uniform" : "normal");
    json_put_text(writer, "dtype", dtype_name(e->dtype));
    json_put_shape(writer, "shape", e->dims, e->rank);
    json_put_text(writer, "key", fill->key);
    write_seed(writer, fill->seed);
    json_end(writer);
}

/* Plans hold none (expr_fit_to has resolved them); a report of what was offered may. */
static void write_fit(const Expr *e, JsonWriter *writer)
{
    static const char *const rests[] = {"target", "zeros", "mean", "normal", "const"};
    if (e->fit->how != FIT_OVERLAP) json_string(writer, fit_name(e->fit->how));
    if (e->fit->how > FIT_PAD) return;
    json_int(writer, e->fit->axis);
    json_string(writer, rests[e->fit->rest]);
    if (e->fit->rest == FIT_NORMAL || e->fit->rest == FIT_CONST) json_float(writer, e->fit->value);
}

/* A bound that only the unknown shape would tell is null. */
static void write_bound(JsonWriter *writer, int64_t bound)
{
    if (bound == INT64_MIN || bound == INT64_MAX) json_null(writer);
    else json_int(writer, bound);
}

static void write_order(const Expr *e, JsonWriter *writer)
{
    json_list(writer);
    for (unsigned i = 0; i < e->rank; i++) json_int(writer, e->order[i]);
    json_end(writer);
}

/* Indices are written one by one: no run of them is abbreviated. */
static void write_pick(const Expr *e, JsonWriter *writer)
{
    json_int(writer, e->pick.axis);
    json_list(writer);
    for (int64_t i = 0; i < e->pick.count; i++) json_int(writer, e->pick.index[i]);
    json_end(writer);
}

/* What stands between the name of a node and its operands. */
static void write_arguments(const Expr *e, JsonWriter *writer)
{
    switch (e->kind) {
    case EX_SOURCE:
    case EX_TARGET: json_string(writer, e->tensor->name); break;
    case EX_CAT:
    case EX_STACK:
    case EX_SUM:
    case EX_MEAN: json_int(writer, e->axis); break;
    case EX_NORM:
        if (e->axis == AXIS_NONE) json_null(writer);
        else json_int(writer, e->axis);
        break;
    case EX_RESIZE:
        json_int(writer, e->resize->axis);
        json_string(writer, resample_name(e->resize->how));
        json_shape(writer, e->resize->in, e->resize->count);
        json_shape(writer, e->resize->out, e->resize->count);
        break;
    case EX_SLICE:
        json_int(writer, e->slice.axis);
        write_bound(writer, e->slice.from);
        write_bound(writer, e->slice.to);
        break;
    case EX_PICK: write_pick(e, writer); break;
    case EX_PERMUTE: write_order(e, writer); break;
    case EX_RESHAPE: json_shape(writer, e->dims, e->rank); break;
    case EX_CAST: json_string(writer, dtype_name(e->dtype)); break;
    case EX_MUL:
    case EX_SHIFT: write_constant(writer, e->constant); break;
    case EX_REPEAT:
        json_int(writer, e->repeat.axis);
        json_int(writer, e->repeat.times);
        break;
    case EX_FILL: write_fill(e, writer); break;
    case EX_FIT: write_fit(e, writer); break;
    default: break;
    }
}

/* The recursion is as deep as the tree, which EXPR_DEPTH_MAX bounds. */
void expr_write_json(const Expr *e, JsonWriter *writer)
{
    json_list(writer);
    json_string(writer, kind_names[e->kind]);
    write_arguments(e, writer);
    for (uint32_t i = 0; i < e->count; i++) expr_write_json(e->from[i], writer);
    json_end(writer);
}
