/* What was computed of several tensors: weights of a direction and a length (weight norm), and
 * convolutions into which the batch norm behind them was folded. Such numbers are in no source, so
 * names say which tensors belong together, a few numbers which of them make a target, and all of
 * them, up to rounding, whether that is so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/compare.h"
#include "loader/align/learn_parts.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

enum { GLANCE = 512, ROWS = 4, PAIRS_MAX = 1 << 18 };

/* The first numbers of a tensor, as far as they are in its first row. */
typedef struct Glance {
    double x[GLANCE];
    size_t n;
} Glance;

static const double near = 1e-3;     /* of a few numbers: how far they may be apart */
static const double epsilons[] = {1e-5, 1e-3, 1e-6, 1e-12};

static bool is_float(const Tensor *tensor)
{
    const DType dtype = tensor_value_dtype(tensor, NULL);
    return dtype != DT_UNKNOWN && dtype_info(dtype)->kind == CLASS_FLOAT;
}

/* The first numbers of the first `rows` rows. */
static bool read_first(Learner *learner, const Expr *e, int64_t rows, Glance *glance)
{
    Arena *scratch = arena_new();
    BoxWalk walk;
    Error why = {0};
    glance->n = 0;
    e = compare_numbers(scratch, e, &why);
    if (e && e->rank && e->dims[0] > rows) e = expr_slice(scratch, e, 0, 0, rows, &why);
    if (e && box_first(&walk, e->dims, e->rank, GLANCE)) {
        const size_t n = (size_t)box_count(&walk);
        unsigned char *bytes = mem_alloc(n * dtype_size(e->dtype));
        learner->failed = !expr_fill(e, walk.from, walk.size, bytes, learner->err);
        if (!learner->failed) dtype_to_doubles(e->dtype, bytes, glance->x, n);
        glance->n = learner->failed ? 0 : n;
        free(bytes);
    }
    arena_free(scratch);
    return glance->n > 0;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= near * fmax(fabs(a), fabs(b));
}

/* The number that all of x are multiplied by in y; NAN: there is none. */
static double ratio_of(const Glance *x, const Glance *y)
{
    double ratio = NAN;
    if (x->n != y->n) return NAN;
    for (size_t i = 0; i < x->n; i++) {
        if (fabs(x->x[i]) < 1e-6) continue;
        const double one = y->x[i] / x->x[i];
        if (!isnan(ratio) && !is_near(one, ratio)) return NAN;
        if (isnan(ratio)) ratio = one;
    }
    return ratio;
}

/* `name` with another end; NULL: there is none such. */
static const Tensor *with_end(const StateDict *dict, const char *name, const char *end,
                              const char *other)
{
    if (!has_suffix(name, end)) return NULL;
    Text text = {0};
    text_addn(&text, name, strlen(name) - strlen(end));
    text_add(&text, other);
    const Tensor *tensor = dict_find(dict, text_string(&text));
    text_done(&text);
    return tensor;
}

/* Sources, one a list, and what is computed of them. */
static bool offer_computed(Learner *learner, const char *const *names, size_t n, const Print *to,
                           const Each *made, const char *text)
{
    NameList lists[EACH_MAX];
    Chain chain = {.count = 0};
    for (size_t i = 0; i < n; i++) lists[i] = (NameList){&names[i], 1};
    const Each *each = arena_copy(learner->arena, made, sizeof *made);
    each_keep(learner, each, arena_strdup(learner->arena, text), &chain);
    return offer_close(learner, lists, n, &to->tensor->name, 1, &chain);
}

/* ---- weight norm ---- */

static const char *const lengths[] = {"weight_g", "parametrizations.weight.original0"};
static const char *const directions[] = {"weight_v", "parametrizations.weight.original1"};

static bool learn_weight_norm(Learner *learner, size_t index, Glance *few)
{
    const Tensor *length = learner->a.items[index].tensor, *direction = NULL;
    for (size_t i = 0; !direction && i < countof(lengths); i++)
        direction = with_end(learner->checker.old, length->name, lengths[i], directions[i]);
    if (!direction || length->rank != direction->rank || !is_float(length) || !is_float(direction))
        return false;
    Each each = {.kind = EACH_WEIGHT_NORM, .count = 2};
    for (unsigned k = 0; k < length->rank; k++)
        if (length->dims[k] > 1) each.axis = k;
    Arena *scratch = arena_new();
    const Expr *sources[] = {expr_source(scratch, length), expr_source(scratch, direction)};
    const Expr *made = each_compute(scratch, &each, sources, NULL);
    bool found = false;
    if (made && read_first(learner, made, 1, &few[0])) {
        const char *names[] = {length->name, direction->name};
        char text[96];
        snprintf(text, sizeof text, "function(g, v) return v * (g / v:norm(%u)) end", each.axis);
        for (size_t i = 0; i < learner->b.wholes && !found && !learner->failed; i++) {
            const Print *to = &learner->b.items[i];
            if (!is_open(learner, i) || !is_float(to->tensor) ||
                !same_dims(to->dims, to->rank, direction->dims, direction->rank) ||
                !read_first(learner, expr_target(scratch, to->tensor), 1, &few[1]) ||
                !is_near(ratio_of(&few[0], &few[1]), 1))
                continue;
            found = offer_computed(learner, names, countof(names), to, &each, text);
        }
    }
    arena_free(scratch);
    return found;
}

/* ---- batch norms ---- */

typedef struct Norm {
    const Tensor *weight, *bias, *mean, *variance;
    Glance g, v;                 /* first numbers of weight and variance */
} Norm;

static Norm *list_norms(Learner *learner, size_t *count)
{
    const StateDict *old = learner->checker.old;
    Norm *norms = NULL;
    size_t room = 0;
    *count = 0;
    for (size_t i = 0; i < learner->a.wholes && !learner->failed; i++) {
        const char *name = learner->a.items[i].tensor->name, *end = "running_var";
        Norm norm = {.variance = learner->a.items[i].tensor,
                     .weight = with_end(old, name, end, "weight"),
                     .bias = with_end(old, name, end, "bias"),
                     .mean = with_end(old, name, end, "running_mean")};
        if (!norm.weight || !norm.bias || !norm.mean || learner->a.why[i] || norm.mean->rank != 1 ||
            !is_float(norm.weight) || !is_float(norm.variance))
            continue;
        Arena *scratch = arena_new();
        if (read_first(learner, expr_source(scratch, norm.weight), ROWS, &norm.g) &&
            read_first(learner, expr_source(scratch, norm.variance), ROWS, &norm.v)) {
            norms = mem_grow(norms, &room, *count + 1, sizeof *norms);
            norms[(*count)++] = norm;
        }
        arena_free(scratch);
    }
    return norms;
}

/* "(v + 1e-05):sqrt()" */
static void add_deviation(double eps, Text *text)
{
    char shown[32];
    show_float(eps, shown);
    text_addf(text, "(v + %s):sqrt()", shown);
}

/* What the bias of the layer became, or was made of. */
static void learn_folded_bias(Learner *learner, const Norm *norm, double eps, const Tensor *layer,
                              const Print *to)
{
    const Tensor *bias = with_end(learner->checker.now, to->tensor->name, "weight", "bias");
    const Tensor *own = with_end(learner->checker.old, layer->name, "weight", "bias");
    if (!bias || !is_open(learner, dict_index(learner->checker.now, bias))) return;
    const char *names[] = {norm->bias->name, norm->mean->name, norm->weight->name,
                           norm->variance->name, own ? own->name : NULL};
    const Each each = {.kind = EACH_FOLDED_BIAS, .count = own ? 5 : 4, .eps = eps};
    Text text = {0};
    text_addf(&text, "function(b, m, g, v%s) return b %s * g / ", own ? ", c" : "",
              own ? "+ (c - m)" : "- m");
    add_deviation(eps, &text);
    text_add(&text, " end");
    offer_computed(learner, names, each.count,
                   &learner->b.items[dict_index(learner->checker.now, bias)], &each,
                   text_string(&text));
    text_done(&text);
}

static bool is_alike(const Glance *a, const Glance *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!is_near(a->x[i], b->x[i])) return false;
    return a->n == b->n;
}

/* Norms that hold the same, as fresh ones do: which of them was folded, no number tells. */
static bool has_twin(Learner *learner, const Norm *norms, size_t count, size_t index,
                     const Print *to)
{
    size_t twin = 0;
    const Norm *norm = &norms[index];
    while (twin < count && (twin == index || !is_alike(&norms[twin].g, &norm->g) ||
                            !is_alike(&norms[twin].v, &norm->v) ||
                            norms[twin].mean->dims[0] != norm->mean->dims[0]))
        twin++;
    if (twin == count) return false;
    Text text = {0};
    text_add(&text, "a norm was folded into it, and several hold the same: ");
    name_show(norm->weight->name, &text);
    text_add(&text, ", ");
    name_show(norms[twin].weight->name, &text);
    learner->targets[dict_index(learner->checker.now, to->tensor)].why =
        text_keep(&text, learner->arena);
    return true;
}

/* The layer that the target's first row is a multiple of, and the norm that says by how much. */
static bool learn_folded(Learner *learner, const Norm *norms, size_t count, double ratio,
                         const Print *from, const Print *to)
{
    for (size_t i = 0; i < count; i++) {
        const Norm *norm = &norms[i];
        for (size_t k = 0; k < countof(epsilons) && norm->mean->dims[0] == from->dims[0]; k++) {
            if (!is_near(norm->g.x[0] / sqrt(norm->v.x[0] + epsilons[k]), ratio)) continue;
            if (has_twin(learner, norms, count, i, to)) return false;
            const Each each = {.kind = EACH_FOLDED, .count = 3, .eps = epsilons[k]};
            const char *names[] = {from->tensor->name, norm->weight->name, norm->variance->name};
            Text text = {0};
            text_add(&text, "function(w, g, v) return w * (g / ");
            add_deviation(epsilons[k], &text);
            text_add(&text, "):reshape(-1");
            for (unsigned axis = 1; axis < from->rank; axis++) text_add(&text, ", 1");
            text_add(&text, ") end");
            const bool good = offer_computed(learner, names, 3, to, &each, text_string(&text));
            text_done(&text);
            if (good) learn_folded_bias(learner, norm, epsilons[k], from->tensor, to);
            if (good || learner->failed) return good;
        }
    }
    return false;
}

static bool learn_norms(Learner *learner, Glance *few)
{
    size_t count, pairs = 0;
    bool any = false;
    Norm *norms = list_norms(learner, &count);
    for (size_t i = 0; count && i < learner->b.wholes && !learner->failed; i++) {
        const Print *to = &learner->b.items[i];
        Arena *scratch = arena_new();
        if (is_open(learner, i) && to->rank > 1 && is_float(to->tensor) &&
            read_first(learner, expr_target(scratch, to->tensor), 1, &few[0]))
            for (size_t k = 0; k < learner->a.wholes && is_open(learner, i); k++) {
                const Print *from = &learner->a.items[k];
                if (learner->used[k] || learner->a.why[k] || pairs++ >= PAIRS_MAX ||
                    !same_dims(from->dims, from->rank, to->dims, to->rank) ||
                    !is_float(from->tensor) ||
                    !read_first(learner, expr_source(scratch, from->tensor), 1, &few[1]))
                    continue;
                const double ratio = ratio_of(&few[1], &few[0]);
                if (!isnan(ratio)) any |= learn_folded(learner, norms, count, ratio, from, to);
            }
        arena_free(scratch);
    }
    free(norms);
    return any;
}

bool learn_computed(Learner *learner)
{
    bool any = false;
    Glance *few = mem_alloc(2 * sizeof *few);
    for (size_t i = 0; i < learner->a.wholes && !learner->failed; i++)
        if (!learner->a.why[i]) any |= learn_weight_norm(learner, i, few);
    any |= learn_norms(learner, few);
    free(few);
    return any;
}
