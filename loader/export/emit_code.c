/* Expressions in Python: every value is something that a method or an index may follow. */
#include "loader/export/emit_code.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/fill.h"

enum { FOLD_LEAST = 3, RUN_LEAST = 4 };  /* operands, and indices, that are worth a range */

void emit_code_done(EmitCode *code)
{
    free(code->items);
    code->items = NULL;
    code->count = code->room = 0;
}

static void add_item(EmitCode *code, EmitItem item)
{
    code->items = mem_grow(code->items, &code->room, code->count + 1, sizeof *code->items);
    code->items[code->count++] = item;
}

void emit_text(EmitCode *code, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    add_item(code, (EmitItem){arena_strdup(code->arena, text_string(&text)), NULL});
    text_done(&text);
}

void emit_key(EmitCode *code, const char *name)
{
    EmitKey *key = arena_alloc(code->arena, sizeof *key);
    emit_split(code->arena, name, key);
    add_item(code, (EmitItem){NULL, key});
}

/* ---- numbers, shapes, dtypes ---- */

static bool emit_dtype(EmitCode *code, DType dtype, Error *err)
{
    const DTypeInfo *info = dtype_info(dtype);
    if (!info->torch || info->kind == CLASS_QUANT || !dtype_size(dtype))
        return error_set(err, ERR_UNSUPPORTED, "PyTorch cannot convert to or from %s; cast it in "
                         "tenon, with align -o", dtype_name(dtype));
    emit_text(code, "torch.%s", info->torch);
    return true;
}

/* As Python reads it back. */
static void emit_number(EmitCode *code, double value)
{
    char digits[32];
    if (isfinite(value)) {
        show_float(value, digits);
        emit_text(code, "%s", digits);
    } else {
        emit_text(code, "float(\"%s\")", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    }
}

static void emit_shape(EmitCode *code, const int64_t *dims, unsigned rank)
{
    for (unsigned i = 0; i < rank; i++)
        emit_text(code, "%s%" PRId64, i ? ", " : "", dims[i]);
}

/* Of the indices from `from` on, how many go by one step, which is not 0. */
static int64_t find_run(const int64_t *index, int64_t from, int64_t count, int64_t *step)
{
    int64_t n = 1;
    if (from + 1 >= count) return 1;
    *step = index[from + 1] - index[from];
    while (*step && from + n < count && index[from + n] - index[from + n - 1] == *step) n++;
    return n;
}

/* [2, 1, 0], or with ranges: [*range(1, 81), 0]. */
static void emit_indices(EmitCode *code, const int64_t *index, int64_t count)
{
    Text text = {0};
    for (int64_t i = 0, n; i < count; i += n) {
        int64_t step = 0;
        n = find_run(index, i, count, &step);
        if (i) text_add(&text, ", ");
        if (n < RUN_LEAST) {
            text_addf(&text, "%" PRId64, index[i]);
            n = 1;
            continue;
        }
        text_addf(&text, "*range(%" PRId64 ", %" PRId64, index[i], index[i] + n * step);
        if (step != 1) text_addf(&text, ", %" PRId64, step);
        text_addc(&text, ')');
    }
    add_item(code, (EmitItem){arena_strdup(code->arena, text_string(&text)), NULL});
    text_done(&text);
}

/* ---- comprehensions ---- */

/* Whether operand k of `n` is like operand 0 but for numbers in its keys that are k more. */
static bool is_next(const EmitCode *first, const EmitCode *other, int64_t k)
{
    if (first->count != other->count) return false;
    for (size_t i = 0; i < first->count; i++) {
        const EmitItem *a = &first->items[i], *b = &other->items[i];
        if (!a->text != !b->text || (a->text && strcmp(a->text, b->text) != 0)) return false;
        if (a->text) continue;
        if (a->key->count != b->key->count) return false;
        for (size_t p = 0; p <= a->key->count; p++)
            if (strcmp(a->key->parts[p], b->key->parts[p]) != 0) return false;
        for (size_t p = 0; p < a->key->count; p++) {
            const KeyNumber *x = &a->key->numbers[p], *y = &b->key->numbers[p];
            if (x->local != y->local) return false;
            if (x->value != y->value && (x->local >= 0 || y->value != x->value + k)) return false;
        }
    }
    return true;
}

/* Numbers of operand 0 that are one more in operand 1 become the variable's; those of the others
 * must go on in the same way. */
static bool can_fold(const EmitCode *parts, size_t n)
{
    bool varies = false;
    for (size_t k = 1; k < n; k++)
        if (!is_next(&parts[0], &parts[k], (int64_t)k)) return false;
    for (size_t i = 0; i < parts[0].count; i++) {
        const EmitKey *key = parts[0].items[i].key;
        for (size_t p = 0; key && p < key->count; p++) {
            bool moves = parts[1].items[i].key->numbers[p].value != key->numbers[p].value;
            varies = varies || moves;
            for (size_t k = 2; k < n; k++)
                if (moves != (parts[k].items[i].key->numbers[p].value != key->numbers[p].value))
                    return false;
        }
    }
    return varies;
}

static void bind_local(const EmitCode *first, const EmitCode *second, int local)
{
    for (size_t i = 0; i < first->count; i++) {
        EmitKey *key = first->items[i].key;
        for (size_t p = 0; key && p < key->count; p++)
            if (second->items[i].key->numbers[p].value != key->numbers[p].value)
                key->numbers[p].local = local;
    }
}

static void append(EmitCode *code, const EmitCode *part)
{
    for (size_t i = 0; i < part->count; i++) add_item(code, part->items[i]);
    code->random = code->random || part->random;
    code->resize = code->resize || part->resize;
    code->patch = code->patch || part->patch;
    code->geometric = code->geometric || part->geometric;
    code->target = code->target || part->target;
}

/* [a, b, c], or where they are alike [… for e in range(8)]. */
static bool emit_operands(EmitCode *code, const Expr *e, Error *err)
{
    EmitCode *parts = mem_alloc((e->count + 1) * sizeof *parts);
    bool fine = true;
    size_t items = 0;
    for (uint32_t i = 0; fine && i < e->count; i++) {
        parts[i] = (EmitCode){.arena = code->arena, .locals = code->locals + 1};
        fine = emit_expr(&parts[i], e->from[i], err);
        items += parts[i].count;
        if (fine && items > EMIT_ITEMS_MAX)
            fine = error_set(err, ERR_LIMIT, "is too long an expression to be written out");
    }
    bool fold = fine && e->count >= FOLD_LEAST && code->locals < 4 && can_fold(parts, e->count);
    if (fold) bind_local(&parts[0], &parts[1], (int)code->locals);
    emit_text(code, "[");
    for (uint32_t i = 0; fine && i < (fold ? 1 : e->count); i++) {
        if (i) emit_text(code, ", ");
        append(code, &parts[i]);
    }
    if (fold) emit_text(code, " for %s in range(%u)", emit_local((int)code->locals), e->count);
    emit_text(code, "]");
    for (uint32_t i = 0; i < e->count; i++) emit_code_done(&parts[i]);
    free(parts);
    return fine;
}

/* ---- operations ---- */

static bool emit_join(EmitCode *code, const Expr *e, Error *err)
{
    emit_text(code, e->kind == EX_CAT ? "torch.cat(" : "torch.stack(");
    bool fine = emit_operands(code, e, err);
    emit_text(code, e->axis ? ", %d)" : ")", e->axis);
    return fine;
}

/* "[", ":, " for each axis before. */
static void open_index(EmitCode *code, int axis)
{
    emit_text(code, "[");
    for (int i = 0; i < axis; i++) emit_text(code, ":, ");
}

static bool emit_order(EmitCode *code, const Expr *e)
{
    if (e->rank == 2) {
        emit_text(code, ".t()");
        return true;
    }
    emit_text(code, ".permute(");
    for (unsigned i = 0; i < e->rank; i++) emit_text(code, "%s%d", i ? ", " : "", e->order[i]);
    emit_text(code, ")");
    return true;
}

/* What PyTorch has quantized itself; GGML's blocks and packed integers it does not know. */
static bool is_quantized(DType dtype)
{
    const DTypeInfo *info = dtype_info(dtype);
    return info->kind == CLASS_QUANT && info->torch_storage && has_prefix(info->torch_storage, "Q");
}

static bool emit_cast(EmitCode *code, const Expr *e, Error *err)
{
    DType from = e->from[0]->dtype;
    bool quantized = is_quantized(from);
    if (quantized) emit_text(code, ".dequantize()");
    if (quantized && e->dtype == DT_F32) return true;
    if (!quantized &&
        (dtype_info(from)->kind == CLASS_QUANT || (!dtype_size(from) && from != DT_UNKNOWN)))
        return error_set(err, ERR_UNSUPPORTED, "PyTorch cannot convert to or from %s; cast it in "
                         "tenon, with align -o", dtype_name(from));
    emit_text(code, ".to(");
    if (!emit_dtype(code, e->dtype, err)) return false;
    emit_text(code, ")");
    return true;
}

/* What is done to one operand, behind it. */
static bool emit_behind(EmitCode *code, const Expr *e, Error *err)
{
    switch (e->kind) {
    case EX_SLICE:
        open_index(code, e->slice.axis);
        emit_text(code, "%" PRId64 ":%" PRId64 "]", e->slice.from, e->slice.to);
        return true;
    case EX_PICK:
        open_index(code, e->pick.axis);
        emit_text(code, "[");
        emit_indices(code, e->pick.index, e->pick.count);
        emit_text(code, "]]");
        return true;
    case EX_PERMUTE: return emit_order(code, e);
    case EX_RESHAPE:
        emit_text(code, e->rank ? ".reshape(" : ".reshape(()");
        emit_shape(code, e->dims, e->rank);
        emit_text(code, ")");
        return true;
    case EX_REPEAT:
        emit_text(code, ".repeat(");
        for (int i = 0; i < e->rank; i++)
            emit_text(code, "%s%" PRId64, i ? ", " : "",
                      i == e->repeat.axis ? e->repeat.times : (int64_t)1);
        emit_text(code, ")");
        return true;
    case EX_SQRT: emit_text(code, ".sqrt()"); return true;
    default: return emit_cast(code, e, err);
    }
}

/* (a + b), (a * 0.5). */
static bool emit_infix(EmitCode *code, const Expr *e, const char *sign, Error *err)
{
    emit_text(code, "(");
    if (!emit_expr(code, e->from[0], err)) return false;
    emit_text(code, " %s ", sign);
    if (e->count == 2) {
        if (!emit_expr(code, e->from[1], err)) return false;
    } else {
        emit_number(code, e->constant);
    }
    emit_text(code, ")");
    return true;
}

/* Sums in double, rounded once, as tenon's. */
static bool emit_reduction(EmitCode *code, const Expr *e, Error *err)
{
    const Expr *operand = e->from[0];
    if (!emit_expr(code, operand, err)) return false;
    emit_text(code, ".double()");
    if (e->kind == EX_NORM && operand->rank <= (e->axis != AXIS_NONE)) {
        emit_text(code, ".abs()");   /* of nothing but the axis that stays */
    } else if (e->kind == EX_NORM) {
        emit_text(code, ".pow(2).sum((");
        for (int i = 0; i < operand->rank; i++)
            if (i != e->axis) emit_text(code, "%d, ", i);
        emit_text(code, "), keepdim=True).sqrt()");
    } else {
        emit_text(code, "%s(%d, keepdim=True)", e->kind == EX_MEAN ? ".mean" : ".sum", e->axis);
    }
    emit_text(code, ".to(");
    if (!emit_dtype(code, e->dtype, err)) return false;
    emit_text(code, ")");
    return true;
}

static bool emit_matmul(EmitCode *code, const Expr *e, Error *err)
{
    emit_text(code, "(");
    if (!emit_expr(code, e->from[0], err)) return false;
    emit_text(code, ".double() @ ");
    if (!emit_expr(code, e->from[1], err)) return false;
    emit_text(code, ".double()).to(");
    if (!emit_dtype(code, e->dtype, err)) return false;
    emit_text(code, ")");
    return true;
}

/* Bicubic ones have a function in PyTorch; the others are matrices, of which the code makes those
 * of the sides. */
static bool emit_resize(EmitCode *code, const Expr *e, Error *err)
{
    static const char *const matrices[RESAMPLE_HOW_COUNT] = {
        [RESAMPLE_PATCH] = "_patch", [RESAMPLE_GEOMETRIC] = "_geometric",
        [RESAMPLE_GEOMETRIC_LINEAR] = "_straight"};
    const char *matrix = matrices[e->resize->how];
    bool two = e->resize->count == 2, smooth = e->resize->how == RESAMPLE_BICUBIC_AA;
    code->resize = code->resize || !matrix;
    code->patch = code->patch || e->resize->how == RESAMPLE_PATCH;
    code->geometric = code->geometric || (matrix && e->resize->how != RESAMPLE_PATCH);
    emit_text(code, matrix ? "_weigh(" : "_resize(");
    if (!emit_expr(code, e->from[0], err)) return false;
    emit_text(code, ", %d, (%" PRId64 ", %" PRId64 "), (%" PRId64 ", %" PRId64 "), %s)",
              e->resize->axis, e->resize->in[0], two ? e->resize->in[1] : (int64_t)1,
              e->resize->out[0], two ? e->resize->out[1] : (int64_t)1,
              matrix ? matrix : smooth ? "True" : "False");
    return true;
}

/* ---- fills ---- */

/* torch.nn.init's functions, with its own generator. */
static void emit_random(EmitCode *code, const Expr *e)
{
    static const char *const names[FILL_KIND_COUNT] = {
        [FILL_NORMAL] = "normal_", [FILL_UNIFORM] = "uniform_",
        [FILL_KAIMING_NORMAL] = "kaiming_normal_", [FILL_KAIMING_UNIFORM] = "kaiming_uniform_",
        [FILL_XAVIER_NORMAL] = "xavier_normal_", [FILL_XAVIER_UNIFORM] = "xavier_uniform_"};
    const Fill *fill = e->fill;
    code->random = true;
    emit_text(code, "torch.nn.init.%s(torch.empty(", names[fill->kind]);
    emit_text(code, "(");
    emit_shape(code, e->dims, e->rank);
    emit_text(code, e->rank == 1 ? ",))" : "))");
    if (fill->kind == FILL_NORMAL || fill->kind == FILL_UNIFORM) {
        emit_text(code, ", ");
        emit_number(code, fill->a);
        emit_text(code, ", ");
        emit_number(code, fill->b);
    }
    if (fill->kind == FILL_KAIMING_NORMAL || fill->kind == FILL_KAIMING_UNIFORM)
        emit_text(code, ", mode=\"%s\", nonlinearity=\"relu\"",
                  fill->fan_out ? "fan_out" : "fan_in");
    emit_text(code, ", generator=random)");
}

static bool emit_fill(EmitCode *code, const Expr *e, Error *err)
{
    bool constant = e->fill->kind == FILL_ZEROS || e->fill->kind == FILL_CONST;
    if (!constant) {
        emit_random(code, e);
        if (e->dtype == DT_F32) return true;
        emit_text(code, ".to(");
        if (!emit_dtype(code, e->dtype, err)) return false;
        emit_text(code, ")");
        return true;
    }
    emit_text(code, e->fill->kind == FILL_ZEROS ? "torch.zeros((" : "torch.full((");
    emit_shape(code, e->dims, e->rank);
    emit_text(code, e->rank == 1 ? ",)" : ")");
    if (e->fill->kind == FILL_CONST) {
        emit_text(code, ", ");
        emit_number(code, e->fill->a);
    }
    emit_text(code, ", dtype=");
    if (!emit_dtype(code, e->dtype, err)) return false;
    emit_text(code, ")");
    return true;
}

/* The recursion is as deep as the expression (EXPR_DEPTH_MAX). */
bool emit_expr(EmitCode *code, const Expr *e, Error *err)
{
    if (code->count > EMIT_ITEMS_MAX)
        return error_set(err, ERR_LIMIT, "is too long an expression to be written out");
    switch (e->kind) {
    case EX_SOURCE: case EX_TARGET:
        code->target = code->target || e->kind == EX_TARGET;
        emit_text(code, e->kind == EX_TARGET ? "target[" : "sd[");
        emit_key(code, e->tensor->name);
        emit_text(code, "]");
        return true;
    case EX_CAT: case EX_STACK: return emit_join(code, e, err);
    case EX_ADD: case EX_SHIFT: return emit_infix(code, e, "+", err);
    case EX_MUL: case EX_PRODUCT: return emit_infix(code, e, "*", err);
    case EX_QUOTIENT: return emit_infix(code, e, "/", err);
    case EX_MEAN: case EX_SUM: case EX_NORM: return emit_reduction(code, e, err);
    case EX_MATMUL: return emit_matmul(code, e, err);
    case EX_RESIZE: return emit_resize(code, e, err);
    case EX_FILL: return emit_fill(code, e, err);
    case EX_FIT: return error_set(err, ERR_INTERNAL, "a fit that was not resolved");
    default: return emit_expr(code, e->from[0], err) && emit_behind(code, e, err);
    }
}
