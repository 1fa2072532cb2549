/* Expressions of plans read again (expr_json.c has their spelling). A plan is anybody's: the
 * constructors check shapes, dtypes, depth and size as they do for rules, and what they are given
 * is checked here. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/expr.h"
#include "loader/align/fill.h"

/* One list under way: its name is known, `next` is the place of the argument to be read. */
typedef struct Reader {
    Arena *arena;
    const StateDict *source, *target;    /* what leaves name; either may be NULL */
    const Value *list;
    const char *name;            /* of the operation: item 0 */
    size_t next;
    Error *err;
} Reader;

static const Expr *read_list(const Reader *outer, const Value *list);

/* ---- arguments ---- */

static bool refuse(const Reader *reader, const char *what)
{
    return error_set(reader->err, ERR_FORMAT, "%s: argument %zu %s", reader->name, reader->next,
                     what);
}

/* The next item; NULL, with an error, behind the last. */
static const Value *take(Reader *reader)
{
    if (reader->next < reader->list->list.count)
        return reader->list->list.items[reader->next++].value;
    error_set(reader->err, ERR_FORMAT, "%s: has %zu arguments, more are needed", reader->name,
              reader->list->list.count - 1);
    return NULL;
}

static bool take_int(Reader *reader, int64_t *out)
{
    const Value *value = take(reader);
    if (!value) return false;
    if (value->kind != VALUE_INT) return refuse(reader, "is no whole number");
    *out = value->integer;
    return true;
}

/* Axes are small; what is far from any is no axis, whatever the constructor would say. */
static bool take_axis(Reader *reader, int *axis)
{
    int64_t value = 0;
    if (!take_int(reader, &value)) return false;
    if (value < 0 || value > TENSOR_RANK_MAX) return refuse(reader, "is no axis");
    *axis = (int)value;
    return true;
}

/* A number, or one of the three that JSON has no word for. */
static bool read_number(const Value *value, double *out)
{
    switch (value ? value->kind : VALUE_NULL) {
    case VALUE_INT: *out = (double)value->integer; return true;
    case VALUE_FLOAT: *out = value->number; return true;
    case VALUE_STRING:
        if (strcmp(value->string, "nan") == 0) *out = (double)NAN;
        else if (strcmp(value->string, "inf") == 0) *out = (double)INFINITY;
        else if (strcmp(value->string, "-inf") == 0) *out = -(double)INFINITY;
        else return false;
        return true;
    default: return false;
    }
}

static bool take_number(Reader *reader, double *out)
{
    const Value *value = take(reader);
    return value && (read_number(value, out) || refuse(reader, "is no number"));
}

static const char *take_string(Reader *reader)
{
    const Value *value = take(reader);
    if (value && value->kind == VALUE_STRING) return value->string;
    if (value) refuse(reader, "is no text");
    return NULL;
}

/* Whole numbers, in memory of the arena; *n receives how many. */
static int64_t *read_ints(const Reader *reader, const Value *list, size_t *n)
{
    if (list && list->kind == VALUE_LIST) {
        int64_t *ints = arena_alloc(reader->arena, (list->list.count + 1) * sizeof *ints);
        size_t i = 0;
        for (; i < list->list.count && list->list.items[i].value->kind == VALUE_INT; i++)
            ints[i] = list->list.items[i].value->integer;
        *n = i;
        if (i == list->list.count) return ints;
    }
    refuse(reader, "is no list of whole numbers");
    return NULL;
}

static int64_t *take_ints(Reader *reader, size_t *n)
{
    const Value *value = take(reader);
    return value ? read_ints(reader, value, n) : NULL;
}

static bool is_shape(const Reader *reader, const int64_t *dims, size_t n)
{
    bool fine = n <= TENSOR_RANK_MAX;
    for (size_t i = 0; fine && i < n; i++) fine = dims[i] >= 0;
    return fine || refuse(reader, "is no shape");
}

static bool take_dtype(Reader *reader, DType *dtype)
{
    const char *name = take_string(reader);
    if (!name) return false;
    *dtype = dtype_from_name(name);
    return *dtype != DT_UNKNOWN || refuse(reader, "is no dtype");
}

static const Expr *take_operand(Reader *reader)
{
    const Value *value = take(reader);
    return value ? read_list(reader, value) : NULL;
}

/* ---- operations ---- */

static const Expr *read_leaf(Reader *reader, bool target)
{
    const StateDict *dict = target ? reader->target : reader->source;
    const char *name = take_string(reader);
    const Tensor *tensor = name && dict ? dict_find_spelt(dict, name) : NULL;
    if (!name) return NULL;
    if (tensor)
        return target ? expr_target(reader->arena, tensor) : expr_source(reader->arena, tensor);
    Text shown = {0};
    show_short(name, 200, &shown);
    error_set(reader->err, ERR_NOT_FOUND, "the %s has no tensor '%s'",
              target ? "target" : "source", text_string(&shown));
    text_done(&shown);
    return NULL;
}

/* All that is left are operands. */
static const Expr *read_join(Reader *reader, bool stack)
{
    int axis = 0;
    if (!take_axis(reader, &axis)) return NULL;
    size_t n = reader->list->list.count - reader->next, i = 0;
    const Expr **parts = mem_alloc((n + 1) * sizeof *parts), *joined = NULL;
    while (i < n && (parts[i] = take_operand(reader))) i++;
    if (i == n)
        joined = stack ? expr_stack(reader->arena, axis, parts, n, reader->err)
                       : expr_cat(reader->arena, axis, parts, n, reader->err);
    free(parts);
    return joined;
}

static const Expr *read_slice(Reader *reader)
{
    int axis = 0;
    int64_t from = 0, to = 0;
    if (!take_axis(reader, &axis) || !take_int(reader, &from) || !take_int(reader, &to))
        return NULL;
    if (from < 0 || to < from || to == INT64_MAX) {
        refuse(reader, "ends before it begins");
        return NULL;
    }
    const Expr *e = take_operand(reader);
    return e ? expr_slice(reader->arena, e, axis, from, to, reader->err) : NULL;
}

static const Expr *read_pick(Reader *reader)
{
    int axis = 0;
    size_t n = 0;
    const int64_t *index = take_axis(reader, &axis) ? take_ints(reader, &n) : NULL;
    const Expr *e = index ? take_operand(reader) : NULL;
    return e ? expr_pick(reader->arena, e, axis, index, n, reader->err) : NULL;
}

static const Expr *read_permute(Reader *reader)
{
    int order[TENSOR_RANK_MAX];
    size_t n = 0;
    const int64_t *given = take_ints(reader, &n);
    if (!given || !is_shape(reader, given, n)) return NULL;
    for (size_t i = 0; i < n; i++) order[i] = given[i] < TENSOR_RANK_MAX ? (int)given[i] : -1;
    for (size_t i = 0; i < n; i++)
        if (order[i] < 0) {
            refuse(reader, "is no order of axes");
            return NULL;
        }
    const Expr *e = take_operand(reader);
    return e ? expr_permute(reader->arena, e, order, n, reader->err) : NULL;
}

static const Expr *read_reshape(Reader *reader)
{
    size_t n = 0;
    const int64_t *dims = take_ints(reader, &n);
    if (!dims || !is_shape(reader, dims, n)) return NULL;
    const Expr *e = take_operand(reader);
    return e ? expr_reshape(reader->arena, e, dims, n, reader->err) : NULL;
}

static const Expr *read_cast(Reader *reader)
{
    DType dtype = DT_UNKNOWN;
    const Expr *e = take_dtype(reader, &dtype) ? take_operand(reader) : NULL;
    return e ? expr_cast(reader->arena, e, dtype, reader->err) : NULL;
}

static const Expr *read_constant(Reader *reader, bool multiply)
{
    double constant = 0;
    const Expr *e = take_number(reader, &constant) ? take_operand(reader) : NULL;
    if (!e) return NULL;
    return multiply ? expr_mul(reader->arena, e, constant, reader->err)
                    : expr_shift(reader->arena, e, constant, reader->err);
}

/* Of two tensors. */
static const Expr *read_pair(Reader *reader, ExprKind kind)
{
    const Expr *a = take_operand(reader), *b = a ? take_operand(reader) : NULL;
    if (!b) return NULL;
    switch (kind) {
    case EX_ADD: return expr_add(reader->arena, a, b, reader->err);
    case EX_PRODUCT: return expr_product(reader->arena, a, b, reader->err);
    case EX_QUOTIENT: return expr_quotient(reader->arena, a, b, reader->err);
    default: return expr_matmul(reader->arena, a, b, reader->err);
    }
}

static const Expr *read_reduction(Reader *reader, ExprKind kind)
{
    int axis = AXIS_NONE;
    const Value *first = reader->next < reader->list->list.count
                             ? reader->list->list.items[reader->next].value : NULL;
    if (kind == EX_NORM && first && first->kind == VALUE_NULL) reader->next++;
    else if (!take_axis(reader, &axis)) return NULL;
    const Expr *e = take_operand(reader);
    if (!e) return NULL;
    switch (kind) {
    case EX_MEAN: return expr_mean(reader->arena, e, axis, reader->err);
    case EX_SUM: return expr_sum(reader->arena, e, axis, reader->err);
    default: return expr_norm(reader->arena, e, axis, reader->err);
    }
}

static const Expr *read_sqrt(Reader *reader)
{
    const Expr *e = take_operand(reader);
    return e ? expr_sqrt(reader->arena, e, reader->err) : NULL;
}

static const Expr *read_resize(Reader *reader)
{
    int axis = 0;
    size_t in_count = 0, out_count = 0;
    const char *name = take_axis(reader, &axis) ? take_string(reader) : NULL;
    if (!name) return NULL;
    ResampleHow how = resample_from_name(name);
    if (how == RESAMPLE_HOW_COUNT) {
        refuse(reader, "is no way to resample");
        return NULL;
    }
    const int64_t *in = take_ints(reader, &in_count);
    const int64_t *out = in ? take_ints(reader, &out_count) : NULL;
    if (!out) return NULL;
    if (in_count != out_count || in_count < 1 || in_count > 2) {
        refuse(reader, "is not one or two sizes, as many as before");
        return NULL;
    }
    const Expr *e = take_operand(reader);
    return e ? expr_resize(reader->arena, e, axis, how, in, out, in_count, reader->err) : NULL;
}

static const Expr *read_repeat(Reader *reader)
{
    int axis = 0;
    int64_t times = 0;
    if (!take_axis(reader, &axis) || !take_int(reader, &times)) return NULL;
    const Expr *e = take_operand(reader);
    return e ? expr_repeat(reader->arena, e, axis, times, reader->err) : NULL;
}

/* ---- fills ---- */

/* The kind of that name; kaiming and xavier have two, which "dist" tells apart. */
static FillKind find_fill(const char *name, const Value *options)
{
    const char *dist = value_get_string(options, "dist", "");
    for (int kind = 0; kind < FILL_KIND_COUNT; kind++) {
        if (strcmp(fill_name((FillKind)kind), name) != 0) continue;
        if (!fill_needs_fans((FillKind)kind)) return (FillKind)kind;
        const char *own = fill_is_uniform((FillKind)kind) ? "uniform" : "normal";
        if (strcmp(own, dist) == 0) return (FillKind)kind;
    }
    return FILL_KIND_COUNT;
}

/* Beyond what a JSON reader's whole numbers hold, seeds are text. */
static bool read_seed(const Value *value, uint64_t *seed)
{
    if (value && value->kind == VALUE_INT && value->integer >= 0) {
        *seed = (uint64_t)value->integer;
        return true;
    }
    return value && value->kind == VALUE_STRING &&
           parse_digits(value->string, strlen(value->string), seed);
}

/* The two numbers of a kind stand under their names. */
static bool read_spread(const Value *options, Fill *fill)
{
    switch (fill->kind) {
    case FILL_CONST: return read_number(value_get(options, "value"), &fill->a);
    case FILL_NORMAL:
        return read_number(value_get(options, "mean"), &fill->a) &&
               read_number(value_get(options, "std"), &fill->b);
    case FILL_UNIFORM:
        return read_number(value_get(options, "low"), &fill->a) &&
               read_number(value_get(options, "high"), &fill->b);
    case FILL_KAIMING_NORMAL:
    case FILL_KAIMING_UNIFORM: {
        const char *mode = value_get_string(options, "mode", "");
        fill->fan_out = strcmp(mode, "fan_out") == 0;
        return fill->fan_out || strcmp(mode, "fan_in") == 0;
    }
    default: return true;
    }
}

static const Expr *read_fill(Reader *reader)
{
    const char *name = take_string(reader);
    const Value *options = name ? take(reader) : NULL;
    if (!options) return NULL;
    Fill fill = {.kind = find_fill(name, options)};
    const char *dtype = value_get_string(options, "dtype", NULL);
    fill.key = value_get_string(options, "key", NULL);
    bool fine = fill.kind != FILL_KIND_COUNT && dtype && fill.key &&
                dtype_from_name(dtype) != DT_UNKNOWN &&
                read_seed(value_get(options, "seed"), &fill.seed) && read_spread(options, &fill);
    size_t n = 0;
    const int64_t *dims = fine ? read_ints(reader, value_get(options, "shape"), &n) : NULL;
    if (!fine) refuse(reader, "is no fill with dtype, shape, key, seed and its own numbers");
    if (!dims || !is_shape(reader, dims, n)) return NULL;
    return expr_fill_with(reader->arena, &fill, dtype_from_name(dtype), dims, n, reader->err);
}

/* ---- lists ---- */

static const Expr *read_kind(Reader *reader, ExprKind kind)
{
    switch (kind) {
    case EX_SOURCE: return read_leaf(reader, false);
    case EX_TARGET: return read_leaf(reader, true);
    case EX_CAT: return read_join(reader, false);
    case EX_STACK: return read_join(reader, true);
    case EX_SLICE: return read_slice(reader);
    case EX_PICK: return read_pick(reader);
    case EX_PERMUTE: return read_permute(reader);
    case EX_RESHAPE: return read_reshape(reader);
    case EX_CAST: return read_cast(reader);
    case EX_MUL: return read_constant(reader, true);
    case EX_SHIFT: return read_constant(reader, false);
    case EX_ADD:
    case EX_PRODUCT:
    case EX_QUOTIENT:
    case EX_MATMUL: return read_pair(reader, kind);
    case EX_MEAN:
    case EX_SUM:
    case EX_NORM: return read_reduction(reader, kind);
    case EX_SQRT: return read_sqrt(reader);
    case EX_RESIZE: return read_resize(reader);
    case EX_REPEAT: return read_repeat(reader);
    case EX_FILL: return read_fill(reader);
    default: break;
    }
    error_set(reader->err, ERR_FORMAT, "%s: stands in no plan: its shape is not settled",
              reader->name);
    return NULL;
}

/* JSON_DEPTH bounds the recursion, and the constructors count. */
static const Expr *read_list(const Reader *outer, const Value *list)
{
    Reader reader = *outer;
    if (list->kind != VALUE_LIST || !list->list.count ||
        list->list.items[0].value->kind != VALUE_STRING) {
        error_set(reader.err, ERR_FORMAT, "no operation: that is a list which begins with a name");
        return NULL;
    }
    reader.list = list;
    reader.name = list->list.items[0].value->string;
    reader.next = 1;
    ExprKind kind = expr_kind_of(reader.name);
    if (kind == EXPR_KIND_COUNT) {
        Text shown = {0};
        name_show(reader.name, &shown);
        error_set(reader.err, ERR_FORMAT, "unknown operation '%.60s'; was the plan made by a newer "
                  "tenon?", text_string(&shown));
        text_done(&shown);
        return NULL;
    }
    const Expr *e = read_kind(&reader, kind);
    if (e && reader.next < list->list.count) {
        error_set(reader.err, ERR_FORMAT, "%s: takes %zu arguments, not %zu", reader.name,
                  reader.next - 1, list->list.count - 1);
        return NULL;
    }
    return e;
}

const Expr *expr_read_json(Arena *arena, const Value *value, const StateDict *source,
                           const StateDict *target, Error *err)
{
    Reader reader = {.arena = arena, .source = source, .target = target, .err = err};
    return read_list(&reader, value);
}
