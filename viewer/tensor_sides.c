/* The words follow the expression, not the rule: what is said is what will be done. */
#include "viewer/tensor_sides.h"

#include <math.h>
#include <string.h>

enum { STEPS_TOLD = 12, OPERANDS_TOLD = 4, BARS = 16 };

const char *const bar_glyphs[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

const char *value_side_name(ValueSide side)
{
    static const char *const names[] = {"source", "made", "target"};
    return names[side];
}

bool value_is(ValueOf of)
{
    return of.tensor || of.expr;
}

void value_type(ValueOf of, DType *dtype, const int64_t **dims, unsigned *rank)
{
    *dtype = of.tensor ? of.tensor->dtype : of.expr->dtype;
    *dims = of.tensor ? of.tensor->dims : of.expr->dims;
    *rank = of.tensor ? of.tensor->rank : of.expr->rank;
}

static bool has_bytes(const Tensor *tensor)
{
    return tensor && tensor->storage && tensor->storage->source;
}

static void add_side(TensorSides *sides, ValueSide side, ValueOf of)
{
    sides->of[side] = of;
    sides->count++;
}

/* A target's own value is no value made, and a tensor that is copied is the source's. */
void tensor_sides_of_binding(TensorSides *sides, const Binding *binding)
{
    *sides = (TensorSides){.name = binding->name};
    const Tensor *source = binding->source_count == 1 ? binding->sources[0] : NULL;
    const Expr *e = binding->offered ? binding->offered : binding->expr;
    if (has_bytes(source)) add_side(sides, VALUE_SOURCE, (ValueOf){.tensor = source});
    bool own = e && (e->kind == EX_TARGET || (e->kind == EX_SOURCE && e->tensor == source));
    if (e && !own && !e->unknown && expr_has_data(e, NULL))
        add_side(sides, VALUE_MADE, (ValueOf){.expr = e});
    if (has_bytes(binding->target))
        add_side(sides, VALUE_TARGET, (ValueOf){.tensor = binding->target});
}

void tensor_sides_of_tensor(TensorSides *sides, const Tensor *tensor)
{
    *sides = (TensorSides){.name = tensor->name};
    if (has_bytes(tensor)) add_side(sides, VALUE_SOURCE, (ValueOf){.tensor = tensor});
}

bool tensor_sides_pair(const TensorSides *sides, ValueOf *a, ValueOf *b)
{
    *a = value_is(sides->of[VALUE_MADE]) ? sides->of[VALUE_MADE] : sides->of[VALUE_SOURCE];
    *b = sides->of[VALUE_TARGET];
    return value_is(*a) && value_is(*b);
}

/* Bars of eight heights; a blank would be a place to cut the line. Neighbours are summed up. */
static void tell_bars(const double bins[PROFILE_BINS], Text *out)
{
    double sums[BARS] = {0}, most = 0;
    for (int i = 0; i < PROFILE_BINS; i++) sums[i * BARS / PROFILE_BINS] += bins[i];
    for (int i = 0; i < BARS; i++) most = fmax(most, sums[i]);
    for (int i = 0; i < BARS; i++) {
        double height = most > 0 ? sums[i] / most * 8 : 0;
        text_add(out, bar_glyphs[height < 1 ? 0 : height > 7.999 ? 7 : (int)height]);
    }
}

static void add_odd(Text *out, const char *name, uint64_t count)
{
    if (count) text_addf(out, "  %s %llu", name, (unsigned long long)count);
}

static void tell_numbers(const Profile *profile, Text *out)
{
    const Stats *stats = &profile->stats;
    if (stats->finite)
        text_addf(out, "mean %.3g  std %.3g  min %.3g  max %.3g", stats->mean, stats->std,
                  stats->min, stats->max);
    else text_add(out, stats->count ? "no finite value" : "no elements");
    add_odd(out, "nan", stats->nan);
    add_odd(out, "inf", stats->inf);
    if (stats->zeros && stats->zeros == stats->count) text_add(out, "  all zeros");
    else if (stats->zeros * 100 > stats->count)
        text_addf(out, "  zeros %.0f %%", 100 * (double)stats->zeros / (double)stats->count);
}

/* Bars of several sides come first, so that they stand one above the other. */
static void tell_profile(const Profile *profile, const ValueAxis *axis, bool several, Text *out)
{
    double bins[PROFILE_BINS];
    const bool bars = profile->stats.finite && axis->high > axis->low;
    value_axis_bins(axis, profile, false, bins);
    if (several && bars) {
        text_add(out, "│");
        tell_bars(bins, out);
        text_add(out, "│ ");
    }
    tell_numbers(profile, out);
    if (several || !bars) return;
    text_add(out, "  ");
    tell_bars(bins, out);
}

void tell_waiting(const Values *values, const char *why, Text *out)
{
    uint64_t done, total;
    text_add(out, why ? why : "reading…");
    if (!why && values_progress(values, &done, &total))
        text_addf(out, " %.0f %%", 100 * (double)done / (double)total);
}

ValueAxis tensor_sides_axis(const TensorSides *sides, Values *values)
{
    ValueAxis axis = {.sides = 0};
    for (unsigned side = 0; side < VALUE_SIDES; side++) {
        const char *why;
        if (!value_is(sides->of[side])) continue;
        const Profile *profile = values_profile(values, sides->of[side], &why);
        if (profile) value_axis_add(&axis, profile);
    }
    return axis;
}

void tensor_sides_tell(const TensorSides *sides, Values *values, Text *out)
{
    const ValueAxis axis = tensor_sides_axis(sides, values);
    for (unsigned side = 0; side < VALUE_SIDES; side++) {
        const char *why;
        if (!value_is(sides->of[side])) continue;
        const Profile *profile = values_profile(values, sides->of[side], &why);
        text_addf(out, "%-6s  ", value_side_name((ValueSide)side));
        if (profile) tell_profile(profile, &axis, sides->count > 1, out);
        else tell_waiting(values, why, out);
        text_addc(out, '\n');
    }
}

/* An equal part of the whole is what split makes. */
static void tell_slice(const Expr *e, Text *out)
{
    int64_t from = e->slice.from, to = e->slice.to, n = to - from;
    const Expr *whole = e->from[0];
    int64_t all = whole->dims ? whole->dims[e->slice.axis] : 0;
    if (n > 0 && all % n == 0 && from % n == 0) {
        text_addf(out, "split(%lld)[%lld]", (long long)(all / n), (long long)(from / n));
        if (e->slice.axis) text_addf(out, " of dim %d", e->slice.axis);
    } else {
        text_addf(out, "dim %d %lld:%lld", e->slice.axis, (long long)from, (long long)to);
    }
}

static void tell_order(const Expr *e, Text *out)
{
    if (e->rank == 2) {
        text_add(out, "T");
        return;
    }
    text_add(out, "permute(");
    for (unsigned i = 0; i < e->rank; i++) text_addf(out, "%s%d", i ? "," : "", e->order[i]);
    text_addc(out, ')');
}

static void tell_op(const Expr *e, Text *out)
{
    switch (e->kind) {
    case EX_SLICE: tell_slice(e, out); break;
    case EX_PERMUTE: tell_order(e, out); break;
    case EX_CAST: text_addf(out, "cast(%s)", dtype_name(e->dtype)); break;
    case EX_CAT: case EX_STACK: case EX_MEAN: case EX_SUM:
        text_addf(out, "%s(%d)", expr_kind_name(e->kind), e->axis); break;
    case EX_MUL: case EX_SHIFT:
        text_addf(out, "%s(%g)", expr_kind_name(e->kind), e->constant); break;
    default: text_add(out, expr_kind_name(e->kind)); break;
    }
}

/* Whose values an operand has, where that is not the source. */
static const char *owner_of(const Expr *e)
{
    while (e->count == 1) e = e->from[0];
    return e->kind == EX_TARGET ? "own " : e->kind == EX_FILL ? "filled " : "";
}

static void tell_type(const Expr *e, Text *out)
{
    text_addf(out, "%s ", dtype_name(e->dtype));
    show_shape(e->dims, e->rank, out);
}

static bool are_alike(const Expr *a, const Expr *b)
{
    return a->dtype == b->dtype && same_dims(a->dims, a->rank, b->dims, b->rank) &&
           owner_of(a) == owner_of(b);
}

/* "3 of f32 6×6", "f32 100×16, own f32 100×16": equal neighbours are counted. */
static void tell_operands(const Expr *e, Text *out)
{
    uint32_t told = 0;
    for (uint32_t i = 0, n; i < e->count; i += n) {
        for (n = 1; i + n < e->count && are_alike(e->from[i], e->from[i + n]);) n++;
        if (i) text_add(out, ", ");
        if (told++ == OPERANDS_TOLD) {
            text_addf(out, "and %u more", e->count - i);
            return;
        }
        if (n > 1) text_addf(out, "%u of ", n);
        text_add(out, owner_of(e->from[i]));
        tell_type(e->from[i], out);
    }
}

/* The chain begins with what it is made of. */
void tell_pipeline(const Expr *e, Text *out)
{
    const Expr *chain[STEPS_TOLD];
    size_t n = 0;
    for (; e->count == 1 && n < STEPS_TOLD; e = e->from[0]) chain[n++] = e;
    if (e->count > 1 && n < STEPS_TOLD) {
        chain[n++] = e;
        tell_operands(e, out);
    } else if (n || e->kind == EX_FILL) {
        tell_type(e, out);
    }
    for (DType before = e->dtype; n-- > 0;) {
        text_add(out, " → ");
        tell_op(chain[n], out);
        text_add(out, " → ");
        if (chain[n]->dtype != before) text_addf(out, "%s ", dtype_name(chain[n]->dtype));
        before = chain[n]->dtype;
        show_shape(chain[n]->dims, chain[n]->rank, out);
    }
}
