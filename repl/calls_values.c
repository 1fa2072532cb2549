/* Functions of the prompt about the numbers in tensors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/compare.h"
#include "loader/align/profile.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"
#include "repl/columns.h"

static void put_number(Arena *arena, Value *map, const char *key, bool known, double number)
{
    value_put(arena, map, key, known ? value_float(arena, number) : value_null(arena));
}

static void put_count(Arena *arena, Value *map, const char *key, uint64_t count)
{
    value_put(arena, map, key, value_int(arena, (int64_t)count));
}

/* ---- where they are ---- */

/* The values of a key: the source's own where it has the key, else the target's. */
static const Expr *find_values(const Alignment *alignment, Arena *arena, const char *key,
                               const char *side, Error *err)
{
    const Tensor *source = dict_find(align_source_dict(alignment), key);
    const Tensor *target =
        align_target(alignment) ? dict_find(align_target(alignment), key) : NULL;
    const Binding *binding = align_find(alignment, key);
    if (side && strcmp(side, "value") == 0) {
        const Expr *value = binding ? align_value(binding) : NULL;
        if (!value) error_set(err, ERR_NOT_FOUND, "'%.200s' gets no value", key);
        return value;
    }
    if (side && strcmp(side, "source") != 0) source = NULL;
    if (side && strcmp(side, "target") != 0) target = NULL;
    if (source) return expr_source(arena, source);
    if (target) return expr_target(arena, target);
    error_set(err, ERR_NOT_FOUND, "there is no '%.200s' in the %s", key,
              side ? side : "source, and none in the target");
    return NULL;
}

static bool is_side(const char *side, Error *err)
{
    return !side || strcmp(side, "source") == 0 || strcmp(side, "target") == 0 ||
           strcmp(side, "value") == 0 ||
           error_set(err, ERR_USAGE, "'%.60s' is none of source, target and value", side);
}

/* The first argument. */
static bool take_key(const Value *arguments, const char *form, const char **key, Error *err)
{
    *key = NULL;
    return call_text(arguments, 0, "a key", key, err) &&
           (*key || error_set(err, ERR_USAGE, "it takes a key: %s \"conv1.weight\"", form));
}

/* ---- statistics ---- */

static Value *make_stats(Arena *arena, const Stats *stats)
{
    Value *map = value_map(arena);
    const bool known = stats->finite > 0;
    put_count(arena, map, "count", stats->count);
    put_number(arena, map, "min", known, stats->min);
    put_number(arena, map, "max", known, stats->max);
    put_number(arena, map, "mean", known, stats->mean);
    put_number(arena, map, "std", known, stats->std);
    put_count(arena, map, "nan", stats->nan);
    put_count(arena, map, "inf", stats->inf);
    put_count(arena, map, "zeros", stats->zeros);
    return map;
}

/* quantiles = {["0.01"] = …}, histogram = {counts by equal steps from min to max}, norms = {of the
 * rows, or of so many in a row}. */
static void add_profile(Arena *arena, Value *map, const Profile *profile)
{
    Value *quantiles = value_map(arena), *bins = value_list(arena), *norms = value_list(arena);
    for (unsigned i = 0; profile->stats.finite && i < PROFILE_QUANTILES; i++)
        put_number(arena, quantiles, arena_printf(arena, "%g", profile_quantile(i)), true,
                   profile->quantiles[i]);
    for (unsigned i = 0; i < PROFILE_BINS; i++)
        value_push(arena, bins, value_int(arena, (int64_t)profile->bins[i]));
    for (uint32_t i = 0; i < profile->row_count; i++)
        value_push(arena, norms, value_float(arena, (double)profile->norms[i]));
    value_put(arena, map, "quantiles", quantiles);
    value_put(arena, map, "histogram", bins);
    value_put(arena, map, "norms", norms);
}

/* A ProfileStep. */
static bool step_values(void *context, uint64_t done, uint64_t total, Error *err)
{
    return call_step(context, done, total) || error_set(err, ERR_CANCELLED, "interrupted");
}

bool call_values(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    const char *key, *side = NULL;
    Numbers numbers;
    if (!call_takes(arguments, 2, err) || !take_key(arguments, "values", &key, err) ||
        !call_text(arguments, 1, "\"source\", \"target\" or \"value\"", &side, err) ||
        !is_side(side, err))
        return false;
    Alignment *alignment = console_ledger(console, err);
    if (!alignment) return false;
    const Expr *expr = find_values(alignment, arena, key, side, err);
    CallWork work = {console, key};
    Profile *profile = arena_alloc(arena, sizeof *profile);
    bool ok = expr && numbers_of(arena, expr, NULL, &numbers, err) &&
              profile_make(&numbers, step_values, &work, profile, err);
    if (ok) {
        Value *list = value_list(arena), *stats = make_stats(arena, &profile->stats);
        value_push(arena, list, stats);
        columns_show(list, "", &answer->shown);
        add_profile(arena, stats, profile);
        answer->value = stats;
    }
    align_unref(alignment);
    return ok;
}

/* ---- the numbers themselves ---- */

enum { NUMBERS_MAX = 100000, NUMBERS_SHOWN = 8 };

/* A box of an expression, by axis. */
typedef struct NumberBox {
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    uint64_t count;
} NumberBox;

/* One field of the options: whole numbers, one for each axis. */
static bool take_axes(const Value *options, const char *name, unsigned rank, int64_t *axes,
                      Error *err)
{
    const Value *list = options ? value_get(options, name) : NULL;
    if (!list) return true;
    if (list->kind != VALUE_LIST || list->list.count != rank)
        return error_set(err, ERR_USAGE, "%s has to be a list of %u numbers, one for each axis",
                         name, rank);
    for (unsigned i = 0; i < rank; i++) {
        if (list->list.items[i].value->kind != VALUE_INT)
            return error_set(err, ERR_USAGE, "%s has to be whole numbers", name);
        axes[i] = list->list.items[i].value->integer;
    }
    return true;
}

/* By default the first few along each axis, or what is left of it behind `from`. */
static bool take_box(const Value *options, const Expr *e, NumberBox *box, Error *err)
{
    *box = (NumberBox){.count = 1};
    if (!take_axes(options, "from", e->rank, box->from, err)) return false;
    for (unsigned i = 0; i < e->rank; i++) {
        const int64_t left = e->dims[i] - box->from[i];
        if (box->from[i] < 0 || left < 0)
            return error_set(err, ERR_USAGE, "from lies outside of the tensor in dim %u", i);
        box->size[i] = left < NUMBERS_SHOWN ? left : NUMBERS_SHOWN;
    }
    if (!take_axes(options, "size", e->rank, box->size, err)) return false;
    for (unsigned i = 0; i < e->rank; i++) {
        if (box->size[i] < 0 || box->size[i] > e->dims[i] - box->from[i])
            return error_set(err, ERR_USAGE, "size reaches out of the tensor in dim %u", i);
        if (box->size[i] && box->count > NUMBERS_MAX / (uint64_t)box->size[i])
            return error_set(err, ERR_LIMIT, "that is more than %d numbers", NUMBERS_MAX);
        box->count *= (uint64_t)box->size[i];
    }
    return true;
}

/* Lists in lists, as the axes are; *numbers goes on. A complex number is {real, imaginary}. */
static Value *nest(Arena *arena, const NumberBox *box, unsigned axis, unsigned rank,
                   unsigned parts, const double **numbers)
{
    if (axis == rank && parts == 1) return value_float(arena, *(*numbers)++);
    Value *list = value_list(arena);
    const int64_t n = axis == rank ? parts : box->size[axis];
    for (int64_t i = 0; i < n; i++)
        value_push(arena, list, axis == rank ? value_float(arena, *(*numbers)++)
                                             : nest(arena, box, axis + 1, rank, parts, numbers));
    return list;
}

/* A line for each row of the last axis. */
static void show_numbers(const double *numbers, const NumberBox *box, unsigned rank,
                         unsigned parts, Text *out)
{
    const uint64_t row = (rank ? (uint64_t)box->size[rank - 1] : 1) * parts;
    for (uint64_t i = 0; i < box->count * parts; i++)
        text_addf(out, "%12.5g%s", numbers[i], (i + 1) % row ? " " : "\n");
    if (!box->count) text_add(out, "no elements\n");
}

static bool read_box(Arena *arena, const Numbers *numbers, const NumberBox *box,
                     ScriptAnswer *answer, Error *err)
{
    const unsigned rank = numbers->a->rank;
    double *read = mem_alloc((box->count + 1) * numbers->parts * sizeof *read);
    ExprMemo *memo = expr_memo_new();
    bool ok = !box->count || numbers_read(numbers, box->from, box->size, memo, read, err);
    if (ok) {
        const double *next = read;
        answer->value = nest(arena, box, 0, rank, numbers->parts, &next);
        if (rank) show_numbers(read, box, rank, numbers->parts, &answer->shown);
    }
    expr_memo_free(memo);
    free(read);
    return ok;
}

bool call_numbers(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                  Error *err)
{
    const Value *options = call_argument(arguments, 1);
    const char *key, *side = NULL;
    Numbers numbers;
    NumberBox box;
    if (!call_takes(arguments, 2, err) || !take_key(arguments, "numbers", &key, err)) return false;
    if (options && options->kind != VALUE_MAP)
        return error_set(err, ERR_USAGE, "the options have to be a table");
    if (options) side = value_get_string(options, "side", NULL);
    if (!is_side(side, err)) return false;
    Alignment *alignment = console_ledger(console, err);
    if (!alignment) return false;
    const Expr *expr = find_values(alignment, arena, key, side, err);
    bool ok = expr && numbers_of(arena, expr, NULL, &numbers, err) &&
              take_box(options, numbers.a, &box, err) &&
              read_box(arena, &numbers, &box, answer, err);
    align_unref(alignment);
    return ok;
}

/* ---- the difference ---- */

static Value *make_comparison(Arena *arena, const Comparison *pair)
{
    Value *map = value_map(arena);
    value_put(arena, map, "verdict", value_string(arena, verdict_word(pair->verdict)));
    put_count(arena, map, "count", pair->count);
    put_count(arena, map, "unequal", pair->unequal);
    put_number(arena, map, "max_abs", true, pair->max_abs);
    if (pair->max_abs > 0) put_count(arena, map, "at", pair->at);
    put_number(arena, map, "max_rel", true, pair->max_rel);
    put_number(arena, map, "mean_abs", true, pair->mean_abs);
    put_number(arena, map, "distance", true, pair->distance);
    put_number(arena, map, "cosine", !isnan(pair->cosine), pair->cosine);
    put_count(arena, map, "nan_alone", pair->nan_alone);
    return map;
}

bool call_difference(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                     Error *err)
{
    const char *key;
    if (!call_takes(arguments, 1, err) || !take_key(arguments, "difference", &key, err))
        return false;
    Alignment *alignment = console_ledger(console, err);
    const Binding *binding = alignment ? align_find(alignment, key) : NULL;
    bool ok = binding && binding->expr && binding->target;
    if (ok) {
        CallWork work = {console, key};
        const CompareOptions options = {.tolerance = {1e-5, 1e-8}, .progress = call_step,
                                        .context = &work};
        uint64_t done = 0, total = tensor_bytes(binding->target) * 2;
        Comparison pair;
        ok = compare_values(arena, compare_uncast(binding), binding->target, &options, &done, total,
                            &pair, err);
        if (ok && pair.verdict == VERDICT_UNREAD)
            ok = error_set(err, ERR_NOT_FOUND, "'%.200s': %s", key, pair.why);
        if (ok) {
            Value *list = value_list(arena);
            answer->value = make_comparison(arena, &pair);
            value_push(arena, list, (Value *)answer->value);
            columns_show(list, "", &answer->shown);
        }
    } else if (alignment) {
        error_set(err, ERR_NOT_FOUND, "'%.200s' is no target that gets a value", key);
    }
    align_unref(alignment);
    return ok;
}
