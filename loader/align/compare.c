/* Boxes of both sides are read, and looked at in batches that stay in the cache. Batches of equal
 * bytes, which is most of them, are told by memcmp and only measured. */
#include "loader/align/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/crew.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

enum {
    BOX_BYTES = 2 << 20,         /* of either side, read at a time */
    BATCH = 2048                 /* numbers at a time: 16 KiB of doubles for each side */
};

const char *verdict_word(Verdict verdict)
{
#define VERDICT_WORD(id, word) word,
    static const char *const words[] = {VERDICTS(VERDICT_WORD)};
#undef VERDICT_WORD
    return words[verdict];
}

/* Binary digits of a float; 0 for all other types. */
static unsigned float_digits(DType dtype)
{
    switch (dtype) {
    case DT_F64: return 53;
    case DT_F32: return 24;
    case DT_F16: return 11;
    case DT_BF16: return 8;
    case DT_F8_E4M3: case DT_F8_E4M3FNUZ: return 4;
    case DT_F8_E5M2: case DT_F8_E5M2FNUZ: return 3;
    case DT_F8_E8M0: return 1;
    default: return 0;
    }
}

/* What both are cast to before they are called equal: of two floats the one with fewer digits, of a
 * float and an integer the float, of two integers one that holds both. */
static DType coarser(DType a, DType b)
{
    unsigned x = float_digits(a), y = float_digits(b);
    if (a == b) return a;
    if (x && y) return x < y ? a : b;
    if (x || y) return x ? a : b;
    return a == DT_U64 || b == DT_U64 ? DT_F64 : DT_I64;
}

/* The sums of one pair. */
typedef struct Scale {
    Comparison *result;          /* being filled */
    Tolerance tolerance;
    bool equality;               /* it is all that is asked for */
    DType a, b, common;          /* dtypes of components, and what both are cast to */
    double aa, bb, ab, dd;       /* sums of a·a, b·b, a·b and (a - b)² where neither is NaN */
    double sum_abs;              /* of |a - b| */
} Scale;

/* Whether x and y, both cast, are the same number; NaN is one. */
static bool is_same(double x, double y)
{
    return x == y || (isnan(x) && isnan(y));
}

static void add_pair(Scale *scale, double a, double b, uint64_t at)
{
    Comparison *result = scale->result;
    double apart = a == b ? 0 : fabs(a - b);
    scale->aa += a * a;
    scale->bb += b * b;
    scale->ab += a * b;
    if (apart == 0) return;
    scale->dd += apart * apart;
    scale->sum_abs += apart;
    if (apart > result->max_abs) {
        result->max_abs = apart;
        result->at = at;
        result->a_at = a;
        result->b_at = b;
    }
    if (b != 0 && apart / fabs(b) > result->max_rel) result->max_rel = apart / fabs(b);
    /* an infinite tolerance, which an infinite b makes, must not hold a finite a */
    if (isinf(apart) || apart > scale->tolerance.absolute + scale->tolerance.relative * fabs(b))
        result->outside++;
}

/* Integers that doubles round are compared as they are. `same` receives 1 where the numbers are
 * equal up to cast. */
static void find_same(const Scale *scale, const unsigned char *a, const unsigned char *b, size_t n,
                      unsigned char *same)
{
    union {
        double numbers[BATCH];
        int64_t integers[BATCH];
        unsigned char bytes[BATCH * sizeof(double)];
    } x, y, raw;
    bool whole = scale->common == DT_I64 || scale->common == DT_U64;
    unsigned char *to = whole ? x.bytes : raw.bytes;
    dtype_convert(scale->a, a, scale->common, to, n);
    if (!whole) dtype_to_doubles(scale->common, raw.bytes, x.numbers, n);
    to = whole ? y.bytes : raw.bytes;
    dtype_convert(scale->b, b, scale->common, to, n);
    if (!whole) dtype_to_doubles(scale->common, raw.bytes, y.numbers, n);
    for (size_t i = 0; i < n; i++)
        same[i] = whole ? x.integers[i] == y.integers[i] : is_same(x.numbers[i], y.numbers[i]);
}

static void add_batch(Scale *scale, const unsigned char *a, const unsigned char *b, size_t n,
                      uint64_t at)
{
    double x[BATCH], y[BATCH];
    unsigned char same[BATCH];
    Comparison *result = scale->result;
    bool identical = scale->a == scale->b && memcmp(a, b, n * dtype_size(scale->a)) == 0;
    if (!identical) find_same(scale, a, b, n, same);
    if (scale->equality) {
        for (size_t i = 0; i < n && !identical; i++) result->unequal += !same[i];
        result->count += n;
        return;
    }
    dtype_to_doubles(scale->a, a, x, n);
    if (!identical) dtype_to_doubles(scale->b, b, y, n);
    for (size_t i = 0; i < n; i++) {
        double one = x[i], other = identical ? one : y[i];
        bool nan = isnan(one), nan_too = isnan(other);
        if (!identical && !same[i]) result->unequal++;
        result->nan += nan && nan_too;
        result->nan_alone += nan != nan_too;
        if (nan != nan_too) result->outside++;
        if (!nan && !nan_too) add_pair(scale, one, other, at + i);
    }
    result->count += n;
}

/* A box of either side; complex elements are two numbers. */
static void add_box(Scale *scale, const unsigned char *a, const unsigned char *b, uint64_t count)
{
    size_t a_size = dtype_size(scale->a), b_size = dtype_size(scale->b);
    for (uint64_t done = 0; done < count;) {
        size_t n = count - done < BATCH ? (size_t)(count - done) : BATCH;
        add_batch(scale, a + done * a_size, b + done * b_size, n, scale->result->count);
        done += n;
    }
}

static void close_scale(const Scale *scale)
{
    Comparison *result = scale->result;
    double lengths = sqrt(scale->aa) * sqrt(scale->bb);
    uint64_t numbers = result->count - result->nan - result->nan_alone;
    result->mean_abs = numbers ? scale->sum_abs / (double)numbers : 0;
    result->cosine = lengths > 0 && isfinite(lengths) ? scale->ab / lengths : NAN;
    if (result->cosine > 1) result->cosine = 1;
    if (result->cosine < -1) result->cosine = -1;
    result->distance = scale->dd == 0 ? 0 : scale->bb == 0 ? INFINITY : sqrt(scale->dd / scale->bb);
    if (isnan(result->distance)) result->distance = INFINITY;
    if (result->unequal)
        result->verdict = result->outside || scale->equality ? VERDICT_DIFFERS : VERDICT_CLOSE;
    else
        result->verdict = result->a == result->b ? VERDICT_EQUAL : VERDICT_CAST;
}

/* ---- one pair ---- */

/* The leaf that cannot be read to its end. */
static void check_leaf(const Tensor *tensor, void *context)
{
    Error *err = context;
    if (err->code == ERR_NONE && tensor->storage && tensor->dims) tensor_check_repeats(tensor, err);
}

static bool set_unread(Arena *arena, Comparison *result, const char *why)
{
    result->verdict = VERDICT_UNREAD;
    result->why = arena_strdup(arena, why);
    return true;
}

const Expr *compare_numbers(Arena *arena, const Expr *e, Error *why)
{
    *why = (Error){0};
    DType own = dtype_of_values(e->dtype);
    if (own == DT_UNKNOWN) {
        error_set(why, ERR_UNSUPPORTED, "is no number");
        return NULL;
    }
    expr_leaves(e, check_leaf, why);
    if (why->code != ERR_NONE) return NULL;
    return own == e->dtype ? e : expr_cast(arena, e, own, why);
}

/* `e` as numbers beside the target's, or NULL and the reason. */
static const Expr *as_numbers(Arena *arena, const Expr *e, const Tensor *target, Error *why)
{
    const Tensor *empty = NULL;
    const char *text = "has no values";
    *why = (Error){0};
    if (!expr_has_data(e, &empty) || !target->storage || !target->storage->source) {
        error_set(why, ERR_NOT_FOUND, "no values on %s side",
                  target->storage && target->storage->source ? "the source's" : "the target's");
        return NULL;
    }
    if (tensor_value_dtype(target, &text) == DT_UNKNOWN) {
        error_set(why, ERR_UNSUPPORTED, "%s", text);
        return NULL;
    }
    check_leaf(target, why);
    return why->code == ERR_NONE ? compare_numbers(arena, e, why) : NULL;
}

bool compare_values(Arena *arena, const Expr *e, const Tensor *target,
                    const CompareOptions *options, uint64_t *done, uint64_t total,
                    Comparison *result, Error *err)
{
    Error why;
    BoxWalk walk;
    *result = (Comparison){.verdict = VERDICT_EQUAL, .cosine = NAN};
    const Expr *numbers = as_numbers(arena, e, target, &why);
    if (!numbers) return set_unread(arena, result, why.text);
    if (numbers->unknown || !same_dims(numbers->dims, numbers->rank, target->dims, target->rank))
        return set_unread(arena, result, "the shapes differ");
    result->a = numbers->dtype;
    result->b = tensor_value_dtype(target, NULL);
    Scale scale = {.result = result, .tolerance = options->tolerance,
                   .equality = options->equality,
                   .a = dtype_component(result->a), .b = dtype_component(result->b)};
    unsigned parts = dtype_size(result->a) / dtype_size(scale.a);
    if (parts != dtype_size(result->b) / dtype_size(scale.b))
        return set_unread(arena, result, "complex and real numbers");
    scale.common = coarser(scale.a, scale.b);
    unsigned a_size = dtype_size(result->a), b_size = dtype_size(result->b);
    unsigned widest = a_size > b_size ? a_size : b_size;
    if (!box_first(&walk, target->dims, target->rank, BOX_BYTES / widest)) return true;
    size_t room = (size_t)box_count(&walk);
    unsigned char *a = mem_alloc(room * a_size), *b = mem_alloc(room * b_size);
    ExprMemo *memo = expr_memo_new();
    bool good;
    do {
        uint64_t count = box_count(&walk);
        good = expr_fill_measured(numbers, walk.from, walk.size, a, memo, NULL, err) &&
               tensor_read_values(target, walk.from, walk.size, b, NULL, err);
        if (!good) break;
        add_box(&scale, a, b, count * parts);
        *done += count * (a_size + b_size);
        if (options->progress && !options->progress(options->context, *done, total))
            good = error_set(err, ERR_CANCELLED, "interrupted");
    } while (good && !(options->equality && result->unequal) && box_next(&walk));
    expr_memo_free(memo);
    free(a);
    free(b);
    close_scale(&scale);
    return good;
}

/* ---- a ledger ---- */

const Expr *compare_uncast(const Binding *binding)
{
    const Expr *e = binding->expr;
    return binding->cast && e->kind == EX_CAST && !e->rounding ? e->from[0] : e;
}

static bool is_pair(const Binding *binding)
{
    return binding->expr && binding->target && align_is_loaded(binding);
}

static bool is_same_memory(const Tensor *a, const Tensor *b)
{
    if (a == b) return true;
    return a->storage && b->storage && a->storage->source == b->storage->source &&
           a->storage->offset + a->offset == b->storage->offset + b->offset &&
           a->dtype == b->dtype && tensor_is_contiguous(a) && tensor_is_contiguous(b) &&
           a->encoding == b->encoding && same_dims(a->dims, a->rank, b->dims, b->rank);
}

/* Whether a tied pair is the same two runs of bytes as the one that it is tied to. */
static bool repeats(const Binding *binding)
{
    const Binding *first = binding->tied_to;
    if (!first || !is_pair(first) || !is_same_memory(binding->target, first->target)) return false;
    const Tensor *a = expr_as_source(compare_uncast(binding));
    const Tensor *b = expr_as_source(compare_uncast(first));
    return a && b && is_same_memory(a, b);
}

static uint64_t pair_bytes(const Binding *binding)
{
    uint64_t count = tensor_count(binding->target);
    DType a = dtype_of_values(compare_uncast(binding)->dtype);
    DType b = dtype_of_values(binding->target->dtype);
    return count * (dtype_size(a) + dtype_size(b));
}

/* For sorting: what is worse comes first; what is equally bad stays in target order. */
typedef struct Ranked {
    const Comparison *pair;
    uint32_t index;
} Ranked;

static int compare_worse(const void *left, const void *right)
{
    const Ranked *a = left, *b = right;
    if (a->pair->verdict != b->pair->verdict) return a->pair->verdict > b->pair->verdict ? -1 : 1;
    if (!a->pair->nan_alone != !b->pair->nan_alone) return a->pair->nan_alone ? -1 : 1;
    if (a->pair->distance > b->pair->distance) return -1;
    if (a->pair->distance < b->pair->distance) return 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void rank_pairs(Arena *arena, ValueReport *report)
{
    Ranked *ranked = mem_alloc((report->count + 1) * sizeof *ranked);
    size_t n = 0;
    for (size_t i = 0; i < report->count; i++)
        if (report->pairs[i].verdict > VERDICT_CAST)
            ranked[n++] = (Ranked){&report->pairs[i], (uint32_t)i};
    qsort(ranked, n, sizeof *ranked, compare_worse);
    uint32_t *worst = arena_alloc(arena, (n + 1) * sizeof *worst);
    for (size_t i = 0; i < n; i++) worst[i] = ranked[i].index;
    report->worst = worst;
    report->worst_count = n;
    free(ranked);
}

/* What the threads share, and what each pair tells of. */
typedef struct Work {
    const Alignment *alignment;
    const CompareOptions *options;
    Comparison *pairs;
} Work;

typedef struct Share {
    Crew *crew;
    uint64_t told;               /* bytes of this pair that were told */
} Share;

static bool tell(void *context, uint64_t done, uint64_t total)
{
    Share *share = context;
    Error stopped;
    (void)total;
    const uint64_t more = done - share->told;
    share->told = done;
    return crew_step(share->crew, more, &stopped);
}

/* `why` is moved to the report's arena when all are done. */
static bool compare_one(Crew *crew, void *context, size_t index, Error *err)
{
    const Work *work = context;
    const Binding *binding = align_binding(work->alignment, index);
    if (!is_pair(binding) || repeats(binding)) return true;
    Share share = {crew, 0};
    CompareOptions options = *work->options;
    options.progress = tell;
    options.context = &share;
    uint64_t done = 0;
    Arena *scratch = arena_new();
    Comparison *pair = &work->pairs[index];
    const bool good = compare_values(scratch, compare_uncast(binding), binding->target, &options,
                                     &done, 0, pair, err);
    if (pair->why) pair->why = mem_strdup(pair->why);
    arena_free(scratch);
    return good;
}

static bool compare_all(Arena *arena, Work *work, size_t count, Error *err)
{
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < count; i++) {
        const Binding *binding = align_binding(work->alignment, i);
        if (is_pair(binding) && !repeats(binding)) total += pair_bytes(binding);
    }
    const CrewTask task = {.count = count, .bytes = total, .work = compare_one,
                           .context = work, .progress = work->options->progress,
                           .listener = work->options->context, .done = &done, .total = total};
    const bool good = crew_run(&task, err);
    for (size_t i = 0; i < count; i++) {
        char *why = (char *)work->pairs[i].why;
        if (!why) continue;
        work->pairs[i].why = arena_strdup(arena, why);
        free(why);
    }
    return good;
}

const ValueReport *compare_alignment(Arena *arena, const Alignment *alignment,
                                     const CompareOptions *options, Error *err)
{
    size_t count = align_count(alignment);
    ValueReport *report = arena_alloc(arena, sizeof *report);
    Comparison *pairs = arena_alloc(arena, (count + 1) * sizeof *pairs);
    *report = (ValueReport){.tolerance = options->tolerance, .pairs = pairs, .count = count};
    Work work = {alignment, options, pairs};
    if (!compare_all(arena, &work, count, err)) return NULL;
    for (size_t i = 0; i < count; i++) {
        const Binding *binding = align_binding(alignment, i);
        if (is_pair(binding) && repeats(binding)) {
            const Binding *first = binding->tied_to;
            while (repeats(first)) first = first->tied_to;
            /* bindings stand in one array, in target order */
            pairs[i] = pairs[first - align_binding(alignment, 0)];
        }
        report->verdict[pairs[i].verdict]++;
        if (pairs[i].verdict != VERDICT_DIFFERS && pairs[i].verdict != VERDICT_CLOSE) continue;
        if (pairs[i].max_abs <= report->max_abs) continue;
        report->max_abs = pairs[i].max_abs;
        report->max_at = (uint32_t)i;
    }
    rank_pairs(arena, report);
    return report;
}
