/* fold_bn: a batch norm that follows a layer becomes part of it. In eval() it is
 *
 *   y = (x - mean) / √(var + eps) · γ + β
 *
 * over the layer's outputs; so the layer's weight takes γ/√(var+eps), and its bias the rest. As
 * torch.nn.utils.fusion.fuse_conv_bn_weights. */
#include <string.h>

#include "loader/align/draft_fuse_parts.h"

/* One layer and the norm behind it; MAP_NONE for what is not there. */
typedef struct Fold {
    const char *layer, *norm;            /* paths with their dots */
    uint32_t weight, bias;               /* keys of the layer */
    uint32_t gamma, beta, mean, var, counter;    /* keys of the norm */
} Fold;

/* A key's value in `dtype`. */
static const Expr *take(Fuser *fuser, uint32_t key, DType dtype, Error *err)
{
    const Expr *value = fuser_value(fuser, key, err);
    return value ? expr_cast(fuser->draft->arena, value, dtype, err) : NULL;
}

/* γ / √(var + eps), one number an output, in `dtype`. */
static const Expr *make_scale(Fuser *fuser, const Fold *fold, double eps, DType dtype, Error *err)
{
    Arena *arena = fuser->draft->arena;
    const Expr *var = take(fuser, fold->var, dtype, err);
    const Expr *shifted = var ? expr_shift(arena, var, eps, err) : NULL;
    const Expr *root = shifted ? expr_sqrt(arena, shifted, err) : NULL;
    if (!root) return NULL;
    const Expr *gamma;
    if (fold->gamma != MAP_NONE) {
        gamma = take(fuser, fold->gamma, dtype, err);
    } else {                             /* affine=False */
        const Fill one = {.kind = FILL_CONST, .a = 1, .key = ""};
        gamma = expr_fill_with(arena, &one, dtype, root->dims, root->rank, err);
    }
    return gamma ? expr_quotient(arena, gamma, root, err) : NULL;
}

/* weight · scale along the axis of the outputs. */
static const Expr *make_weight(Arena *arena, const Expr *weight, const Expr *scale, int axis,
                               Error *err)
{
    int64_t dims[TENSOR_RANK_MAX];
    for (int i = 0; i < weight->rank; i++) dims[i] = i == axis ? scale->dims[0] : 1;
    const Expr *wide = expr_reshape(arena, scale, dims, weight->rank, err);
    return wide ? expr_product(arena, weight, wide, err) : NULL;
}

/* (bias - mean) · scale + β. */
static const Expr *make_bias(Fuser *fuser, const Fold *fold, const Expr *scale, DType dtype,
                             Error *err)
{
    Arena *arena = fuser->draft->arena;
    const Expr *mean = take(fuser, fold->mean, dtype, err);
    const Expr *sum = mean ? expr_mul(arena, mean, -1, err) : NULL;
    if (sum && fold->bias != MAP_NONE) {
        const Expr *bias = take(fuser, fold->bias, dtype, err);
        sum = bias ? expr_add(arena, bias, sum, err) : NULL;
    }
    if (sum) sum = expr_product(arena, sum, scale, err);
    if (sum && fold->beta != MAP_NONE) {
        const Expr *beta = take(fuser, fold->beta, dtype, err);
        sum = beta ? expr_add(arena, sum, beta, err) : NULL;
    }
    return sum;
}

/* The norm has one number for every output of the layer. */
static bool check_sizes(Fuser *fuser, const Fold *fold, const Expr *weight, int axis, Error *err)
{
    const Expr *var = fuser_value(fuser, fold->var, err);
    if (!var) return false;
    if (weight->unknown || var->unknown)
        return error_set(err, ERR_SHAPE, "the shapes have to be known");
    if (var->rank == 1 && axis < weight->rank && var->dims[0] == weight->dims[axis]) return true;
    return error_set(err, ERR_SHAPE, "'%s' has %lld numbers and the weight %lld outputs along axis "
                     "%d", show_name(fuser->draft, fuser->draft->keys[fold->var].name),
                     var->rank == 1 ? (long long)var->dims[0] : -1LL,
                     axis < weight->rank ? (long long)weight->dims[axis] : -1LL, axis);
}

/* Everything the two have goes into the weight, whose place is the weight's, and the bias. */
static bool fuse(Fuser *fuser, const Fold *fold, const FoldOptions *options, Error *err)
{
    Arena *arena = fuser->draft->arena;
    const int axis = options->transposed ? 1 : 0;
    const Expr *own = fuser_value(fuser, fold->weight, err);
    if (!own || !fuser_float(own, err) || !check_sizes(fuser, fold, own, axis, err)) return false;
    const DType dtype = own->dtype == DT_F64 ? DT_F64 : DT_F32;
    const Expr *weight = expr_cast(arena, own, dtype, err);
    const Expr *scale = weight ? make_scale(fuser, fold, options->eps, dtype, err) : NULL;
    if (!scale) return false;
    Fusion fusion = {.keys = {fold->weight}, .count = 1, .ops = "fold_bn"};
    const uint32_t rest[] = {fold->gamma, fold->var, fold->beta, fold->mean, fold->bias};
    for (size_t i = 0; i < 2; i++)
        if (rest[i] != MAP_NONE) fusion.keys[fusion.count++] = rest[i];
    fusion.name = fuser->draft->keys[fold->weight].name;
    fusion.expr = make_weight(arena, weight, scale, axis, err);
    if (fusion.expr) fusion.expr = expr_cast(arena, fusion.expr, own->dtype, err);
    if (!fusion.expr) return false;
    fuser_add(fuser, &fusion);
    for (size_t i = 2; i < countof(rest); i++)
        if (rest[i] != MAP_NONE) fusion.keys[fusion.count++] = rest[i];
    fusion.name = arena_printf(arena, "%sbias", fold->layer);
    fusion.expr = make_bias(fuser, fold, scale, dtype, err);
    if (fusion.expr) fusion.expr = expr_cast(arena, fusion.expr, own->dtype, err);
    if (!fusion.expr) return false;
    fuser_add(fuser, &fusion);
    if (fold->counter != MAP_NONE) fuser_drop(fuser, fold->counter);
    return true;
}

/* The keys of a layer's norm; false where there is no norm of that name. */
static bool find_norm(const Fuser *fuser, Fold *fold)
{
    fold->bias = fuser_find(fuser, "%sbias", fold->layer);
    fold->gamma = fuser_find(fuser, "%sweight", fold->norm);
    fold->beta = fuser_find(fuser, "%sbias", fold->norm);
    fold->mean = fuser_find(fuser, "%srunning_mean", fold->norm);
    fold->var = fuser_find(fuser, "%srunning_var", fold->norm);
    fold->counter = fuser_find(fuser, "%snum_batches_tracked", fold->norm);
    return fold->mean != MAP_NONE && fold->var != MAP_NONE;
}

static const char *key_at(const void *draft, size_t index)
{
    return ((const Draft *)draft)->keys[index].name;
}

/* No layer has its norm: always false. `norm` is the path of one that was looked for. */
static bool refuse(Fuser *fuser, const FoldOptions *options, const char *norm, Error *err)
{
    const Draft *draft = fuser->draft;
    if (!norm)
        return error_set(err, ERR_RULE, "fold_bn: no key is %s.weight; top levels here: %s",
                         pattern_text(options->layers), list_top_levels(fuser->draft));
    const char *wanted = arena_printf(draft->arena, "%srunning_var", norm);
    const char *nearest = fuser_nearest(wanted, key_at, draft, draft->count);
    return error_set(err, ERR_RULE, "fold_bn: no layer that fits %s has its norm: there is no "
                     "'%s'%s%s%s", pattern_text(options->layers),
                     show_name(fuser->draft, wanted), nearest ? "; the nearest key is '" : "",
                     nearest ? show_name(fuser->draft, nearest) : "", nearest ? "'" : "");
}

/* One key that may be a layer's weight. *looked receives the norm that it would need. */
static bool visit(Fuser *fuser, const FoldOptions *options, uint32_t key, const char **looked,
                  size_t *without, Error *err)
{
    Draft *draft = fuser->draft;
    const char *name = draft->keys[key].name;
    Captures captures;
    size_t parent;
    if (!fuser_leaf(name, "weight", &parent) || !parent) return true;
    if (!fuser_fits(options->layers, name, parent, &captures)) return true;
    const Expr *value = key_value(&draft->keys[key]);
    if (value && !value->unknown && value->rank < 2) return true;      /* a norm's own */
    Text path = {0};
    bool good = template_expand(options->norms, &captures, &path, err);
    Fold fold = {.weight = key, .layer = arena_strndup(draft->arena, name, parent)};
    if (good) fold.norm = *looked = arena_printf(draft->arena, "%s.", text_string(&path));
    text_done(&path);
    if (!good) return false;
    if (!find_norm(fuser, &fold)) {
        ++*without;
        return true;
    }
    return fuse(fuser, &fold, options, err) ||
           error_prefix(err, "fold_bn: '%s'", show_name(draft, name));
}

bool draft_fold_bn(Draft *draft, Origin origin, const FoldOptions *options, Error *err)
{
    Fuser fuser;
    const char *looked = NULL;
    size_t without = 0;
    if (!fuser_begin(&fuser, draft, origin, "fold_bn", err)) return false;
    bool good = true;
    for (size_t i = 0; good && i < draft->count; i++)
        good = visit(&fuser, options, (uint32_t)i, &looked, &without, err);
    if (good && !fuser.count) good = refuse(&fuser, options, looked, err);
    if (good && without)
        draft_note(draft, NOTE_INFO, origin, "fold_bn: %zu layer%s without a norm of that name "
                   "stay%s as %s", without, without == 1 ? "" : "s", without == 1 ? "s" : "",
                   without == 1 ? "it is" : "they are");
    if (good) fuser_finish(&fuser);
    else fuser_abandon(&fuser);
    return good;
}
