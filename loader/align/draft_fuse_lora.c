/* lora: adapters are merged into the weights that they belong to.
 *
 *   spelling            pair                              alpha          module
 *   PEFT                M.lora_A[.NAME].weight, lora_B    configuration  base_model.model.M
 *   PEFT, embeddings    M.lora_embedding_A[.NAME], …_B    configuration  base_model.model.M
 *   diffusers           M.lora.down.weight, lora.up       -              M
 *   kohya, LoCon        M.lora_down.weight, lora_up       M.alpha        lora_unet_ M with _ for .
 *                       and M.lora_mid.weight
 *
 * A module is looked for by its own name and by its name with every dot an underscore, alone and
 * behind any path; two that fit are an error. Source: peft tuners/lora/layer.py get_delta_weight,
 * peft utils/save_and_load.py, kohya-ss sd-scripts networks/merge_lora.py, lycoris locon.py. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_fuse_parts.h"

static const char peft_prefix[] = "base_model.model.";

/* The ends of a pair's keys, in front of ".weight" and an adapter's name. */
typedef struct Spelling {
    const char *down, *up;
    bool embedding;              /* the pair is of a table: (B·A)ᵀ, and its keys have no .weight */
} Spelling;

static const Spelling spellings[] = {
    {".lora_A", ".lora_B", false},
    {".lora_embedding_A", ".lora_embedding_B", true},
    {".lora.down", ".lora.up", false},
    {".lora_down", ".lora_up", false},
};

/* Adapters of other kinds, and what they are called. */
static const struct { const char *mark, *what; } refused[] = {
    {".lora_magnitude_vector", "DoRA (use_dora)"}, {".dora_scale", "DoRA"},
    {".hada_w1_a", "LoHa"}, {".lokr_w1", "LoKr"}, {".lokr_w1_a", "LoKr"},
    {".oft_blocks", "OFT"}, {".lora_B.bias", "a LoRA with biases of its own (lora_bias)"},
    {".vera_lambda_b", "VeRA"}, {".ia3_l", "IA3"}, {".boft_R", "BOFT"},
};

/* A name a base weight is known by. */
typedef struct Base {
    const char *flat;            /* its module with underscores for dots; in the arena */
    const char *name;            /* of the weight: "…to_q.weight" */
    uint32_t key;                /* in the draft; MAP_NONE: the target's own */
    const Tensor *target;        /* then; else NULL */
} Base;

typedef struct Lora {
    Fuser fuser;
    const LoraOptions *options;
    Base *bases;                 /* owned, growing */
    size_t base_count, base_room;
    NameMap names;               /* name of a weight → its base */
    NameMap flats;               /* flat name → its base, or BASE_TWICE */
    NameMap ends;                /* what stands in one behind an underscore, likewise */
    NameMap merged;              /* names of weights that have their adapter */
    bool *adapter;               /* owned, [keys]: belongs to the adapter */
    bool from_target;            /* a base was the target's own */
} Lora;

enum { BASE_TWICE = UINT32_MAX - 1 };

/* ---- bases ---- */

static const char *base_name(const void *list, size_t index)
{
    return ((const Base *)list)[index].name;
}

static void add_base(Lora *lora, const char *name, uint32_t key, const Tensor *target)
{
    size_t parent;
    Arena *arena = lora->fuser.draft->arena;
    if (!fuser_leaf(name, "weight", &parent) || !parent) return;
    const char *plain = strstr(name, ".base_layer.weight");
    if (plain) parent = (size_t)(plain - name) + 1;
    if (has_prefix(name, peft_prefix) && plain) {
        name += sizeof peft_prefix - 1;
        parent -= sizeof peft_prefix - 1;
    }
    char *flat = arena_strndup(arena, name, parent - 1);
    for (char *at = flat; *at; at++)
        if (*at == '.') *at = '_';
    name = arena_printf(arena, "%.*sweight", (int)parent, name);
    if (map_get(&lora->names, name) != MAP_NONE) return;   /* the source's before the target's */
    lora->bases = mem_grow(lora->bases, &lora->base_room, lora->base_count + 1,
                           sizeof *lora->bases);
    map_set(&lora->names, name, (uint32_t)lora->base_count);
    lora->bases[lora->base_count++] = (Base){flat, name, key, target};
}

/* The base, or BASE_TWICE where the name was there before. */
static void index_name(NameMap *map, const char *name, uint32_t base)
{
    map_set(map, name, map_get(map, name) == MAP_NONE ? base : BASE_TWICE);
}

/* Every end of a flat name that begins behind an underscore can be what an adapter calls it: of
 * "unet_down_blocks_0" also "down_blocks_0", "blocks_0" and "0". */
static void index_flats(Lora *lora)
{
    for (size_t i = 0; i < lora->base_count; i++) {
        const char *flat = lora->bases[i].flat;
        index_name(&lora->flats, flat, (uint32_t)i);
        for (const char *at = flat; (at = strchr(at, '_')); )
            index_name(&lora->ends, ++at, (uint32_t)i);
    }
}

/* Whether a key is a part of the adapter, of whatever kind. */
static bool is_adapter_key(const char *name)
{
    return strstr(name, ".lora_") || strstr(name, ".lora.") || has_prefix(name, "lora_");
}

static void list_bases(Lora *lora)
{
    Draft *draft = lora->fuser.draft;
    for (size_t i = 0; i < draft->count; i++) {
        const char *name = draft->keys[i].name;
        lora->adapter[i] = is_adapter_key(name);
        if (!lora->adapter[i] && draft->keys[i].expr &&
            (!has_prefix(name, peft_prefix) || strstr(name, ".base_layer.")))
            add_base(lora, name, (uint32_t)i, NULL);
    }
    for (size_t i = 0; draft->target && i < dict_count(draft->target); i++) {
        const Tensor *tensor = dict_at(draft->target, i);
        add_base(lora, tensor->name, MAP_NONE, tensor);
    }
    index_flats(lora);
}

/* ---- modules ---- */

/* Always NULL. */
static const Base *refuse_module(Lora *lora, const char *module, Error *err)
{
    Draft *draft = lora->fuser.draft;
    const char *weight = arena_printf(draft->arena, "%s.weight", module);
    const char *nearest = fuser_nearest(weight, base_name, lora->bases, lora->base_count);
    error_set(err, ERR_RULE, "lora: '%s' belongs to no weight of the %s%s%s%s",
              show_name(draft, module), draft->target ? "source or the target" : "source",
              nearest ? "; the nearest is '" : lora->base_count ? "" : ", which has none",
              nearest ? show_name(draft, nearest) : "", nearest ? "'" : "");
    return NULL;
}

/* Two bases whose flat names end in "_FLAT", or are it; below `place` if there is one. */
static const Base *find_two(const Lora *lora, const char *flat, const char *place,
                            const Base **second)
{
    const Base *found = NULL;
    *second = NULL;
    for (size_t i = 0; i < lora->base_count && !*second; i++) {
        const Base *base = &lora->bases[i];
        const size_t n = strlen(base->flat), m = strlen(flat);
        if (place && !has_prefix(base->name, place)) continue;
        if (n < m || strcmp(base->flat + n - m, flat) != 0) continue;
        if (n > m && base->flat[n - m - 1] != '_') continue;
        if (found) *second = base;
        else found = base;
    }
    return found;
}

/* The only base that a flat name can mean: one of that name, else one that ends in it. `module` is
 * what errors call it. */
static const Base *find_flat(Lora *lora, const char *module, const char *flat, const char *place,
                             Error *err)
{
    const Base *second = NULL, *first;
    uint32_t index = place ? BASE_TWICE : map_get(&lora->flats, flat);
    if (index == MAP_NONE) index = map_get(&lora->ends, flat);
    if (index == MAP_NONE) return refuse_module(lora, module, err);
    if (index != BASE_TWICE) return &lora->bases[index];
    first = find_two(lora, flat, place, &second);
    if (!first) return refuse_module(lora, module, err);
    if (!second) return first;
    error_set(err, ERR_RULE, "lora: '%s' may be '%s' or '%s'; say which, as in "
              "places={lora_te1_=\"text_encoder.\"}", show_name(lora->fuser.draft, module),
              show_name(lora->fuser.draft, first->name),
              show_name(lora->fuser.draft, second->name));
    return NULL;
}

/* kohya's names: a prefix that says which network, and a module without dots. */
static const Base *find_kohya(Lora *lora, const char *module, Error *err)
{
    static const char *const known[] = {"lora_unet_", "lora_te_", "lora_te1_", "lora_te2_",
                                        "lora_te3_", "lora_transformer_", "lora_prior_unet_"};
    const char *flat = NULL, *place = NULL;
    for (size_t i = 0; i < lora->options->place_count && !flat; i++) {
        const LoraPlace *one = &lora->options->places[i];
        if (!has_prefix(module, one->flat)) continue;
        flat = module + strlen(one->flat);
        place = one->path;
    }
    for (size_t i = 0; i < countof(known) && !flat; i++)
        if (has_prefix(module, known[i])) flat = module + strlen(known[i]);
    return find_flat(lora, module, flat ? flat : module, place, err);
}

/* A module by its own name, without PEFT's wrapper; or as kohya spells it; or as the end of a
 * longer one. */
static const Base *find_base(Lora *lora, const char *module, Error *err)
{
    const char *plain = has_prefix(module, peft_prefix) ? module + sizeof peft_prefix - 1 : module;
    Arena *arena = lora->fuser.draft->arena;
    const uint32_t index = map_get(&lora->names, arena_printf(arena, "%s.weight", plain));
    if (index != MAP_NONE) return &lora->bases[index];
    if (!strchr(plain, '.')) return find_kohya(lora, plain, err);
    char *flat = arena_strdup(arena, plain);
    for (char *at = flat; *at; at++)
        if (*at == '.') *at = '_';
    return find_flat(lora, plain, flat, NULL, err);
}

/* ---- deltas ---- */

/* One pair, with what goes with it. */
typedef struct Pair {
    const char *module;          /* as the adapter has it */
    const Spelling *spelling;
    uint32_t down, up, mid, alpha;       /* MAP_NONE: not there */
} Pair;

static const char *shape_text(Lora *lora, const Expr *e)
{
    Text text = {0};
    show_shape(e->dims, e->rank, &text);
    return text_keep(&text, lora->fuser.draft->arena);
}

/* "lora: 'down' 4×16 and 'up' 32×8 …". Always NULL. */
static const Expr *refuse_shapes(Lora *lora, const Pair *pair, const Expr *down, const Expr *up,
                                 const char *why, Error *err)
{
    Draft *draft = lora->fuser.draft;
    error_set(err, ERR_SHAPE, "lora: '%s' %s and '%s' %s %s",
              show_name(draft, draft->keys[pair->down].name), shape_text(lora, down),
              show_name(draft, draft->keys[pair->up].name), shape_text(lora, up), why);
    return NULL;
}

/* up · mid · down of LoCon's decomposed convolutions: einsum "n m k l, i n, m j -> i j k l". */
static const Expr *join_mid(Arena *arena, const Expr *up, const Expr *mid, const Expr *down,
                            Error *err)
{
    const int64_t out = up->dims[0], in = down->dims[1], r = mid->dims[1];
    const int64_t area = mid->dims[2] * mid->dims[3];
    static const int swap[] = {0, 2, 1};
    const Expr *flat = expr_reshape(arena, mid, (const int64_t[]){mid->dims[0], r * area}, 2, err);
    const Expr *e = flat ? expr_matmul(arena, up, flat, err) : NULL;
    if (e) e = expr_reshape(arena, e, (const int64_t[]){out, r, area}, 3, err);
    if (e) e = expr_permute(arena, e, swap, 3, err);
    if (e) e = expr_reshape(arena, e, (const int64_t[]){out * area, r}, 2, err);
    if (e) e = expr_matmul(arena, e, down, err);
    if (e) e = expr_reshape(arena, e, (const int64_t[]){out, area, in}, 3, err);
    if (e) e = expr_permute(arena, e, swap, 3, err);
    if (!e) return NULL;
    return expr_reshape(arena, e, (const int64_t[]){out, in, mid->dims[2], mid->dims[3]}, 4, err);
}

/* B·A in the shape that its parts give: a matrix, or a convolution when A is one. */
static const Expr *multiply(Lora *lora, const Pair *pair, const Expr *down, const Expr *mid,
                            const Expr *up, Error *err)
{
    Arena *arena = lora->fuser.draft->arena;
    if (down->unknown || up->unknown || (mid && mid->unknown))
        return refuse_shapes(lora, pair, down, up, "have to be known", err);
    int64_t out = 1;
    for (int i = 2; i < up->rank; i++) out *= up->dims[i];
    if (down->rank < 2 || down->rank != up->rank || out != 1 ||
        (mid ? mid->rank != 4 || mid->dims[0] != up->dims[1] || mid->dims[1] != down->dims[0]
             : up->dims[1] != down->dims[0]))
        return refuse_shapes(lora, pair, down, up, "have no rank in common", err);
    const Expr *b = expr_reshape(arena, up, (const int64_t[]){up->dims[0], up->dims[1]}, 2, err);
    const Expr *a = b ? expr_reshape(arena, down, (const int64_t[]){down->dims[0], -1}, 2, err)
                      : NULL;
    if (!a) return NULL;
    if (mid) return join_mid(arena, b, mid, a, err);
    const Expr *product = expr_matmul(arena, b, a, err);
    if (!product || down->rank == 2) return product;
    int64_t dims[TENSOR_RANK_MAX];
    memcpy(dims, down->dims, (size_t)down->rank * sizeof *dims);
    dims[0] = up->dims[0];
    return expr_reshape(arena, product, dims, down->rank, err);
}

/* Turned and reshaped to the base's: tables and Conv1D are in×out, 1×1 convolutions may stand for
 * matrices. */
static const Expr *fit_base(Lora *lora, const Pair *pair, const Expr *delta, const Expr *base,
                            const Expr *down, const Expr *up, Error *err)
{
    Arena *arena = lora->fuser.draft->arena;
    const bool turned = pair->spelling->embedding ||
                        (lora->options->fan_in_fan_out && base->rank == 2 && delta->rank == 2);
    if (turned) delta = expr_transpose(arena, delta, err);
    if (!delta) return NULL;
    bool same = delta->rank >= 2 && base->rank >= 2;
    for (int i = 0; same && i < (delta->rank > base->rank ? delta->rank : base->rank); i++) {
        const int64_t size = i < delta->rank ? delta->dims[i] : 1;
        same = size == (i < base->rank ? base->dims[i] : 1);
    }
    if (same) return expr_reshape(arena, delta, base->dims, base->rank, err);
    Text why = {0};
    text_addf(&why, "do not give the shape %s of their base%s", shape_text(lora, base),
              base->rank == 2 && delta->rank == 2 && delta->dims[0] == base->dims[1] &&
                      delta->dims[1] == base->dims[0]
                  ? turned ? " (is fan_in_fan_out right?)" : "; fan_in_fan_out=true turns them"
                  : "");
    refuse_shapes(lora, pair, down, up, text_string(&why), err);
    text_done(&why);
    return NULL;
}

/* The alpha of a module without one in the file. */
static double alpha_of(const LoraOptions *options, const char *module)
{
    for (size_t i = 0; i < options->alpha_count; i++) {
        const size_t n = strlen(module), m = strlen(options->alphas[i].name);
        if (n < m || strcmp(module + n - m, options->alphas[i].name) != 0) continue;
        if (n == m || module[n - m - 1] == '.') return options->alphas[i].alpha;
    }
    return options->alpha;
}

/* delta · scale · alpha/rank. An alpha in the file is a tensor, whose value only export knows. */
static const Expr *scale_delta(Lora *lora, const Pair *pair, const Expr *delta, int64_t rank,
                               Error *err)
{
    const LoraOptions *options = lora->options;
    Arena *arena = lora->fuser.draft->arena;
    const double divisor = options->rslora ? sqrt((double)rank) : (double)rank;
    if (pair->alpha == MAP_NONE) {
        const double alpha = alpha_of(options, pair->module);
        if (isnan(alpha) && has_prefix(pair->module, peft_prefix)) {
            error_set(err, ERR_RULE, "lora: the alpha of PEFT's adapters is not in the file: give "
                      "alpha=, or put adapter_config.json beside it");
            return NULL;
        }
        const double factor = options->scale * (isnan(alpha) ? 1 : alpha / divisor);
        return factor == 1 ? delta : expr_mul(arena, delta, factor, err);
    }
    const Expr *alpha = fuser_value(&lora->fuser, pair->alpha, err);
    if (alpha && (alpha->unknown || alpha->rank > 1 || (alpha->rank == 1 && alpha->dims[0] != 1))) {
        error_set(err, ERR_SHAPE, "lora: '%s' is no single number",
                  lora->fuser.draft->keys[pair->alpha].name);
        return NULL;
    }
    if (alpha) alpha = expr_reshape(arena, alpha, NULL, 0, err);
    if (alpha) alpha = expr_cast(arena, alpha, delta->dtype, err);
    if (alpha) alpha = expr_mul(arena, alpha, options->scale / divisor, err);
    return alpha ? expr_product(arena, delta, alpha, err) : NULL;
}

/* The configured rank holds where the file has no other rule (rank_pattern is not looked at). */
static bool check_rank(Lora *lora, const Pair *pair, int64_t rank, Error *err)
{
    const int64_t want = lora->options->rank;
    if (!want || want == rank) return true;
    return error_set(err, ERR_SHAPE, "lora: '%s' has rank %lld, the configuration says %lld",
                     show_name(lora->fuser.draft, lora->fuser.draft->keys[pair->down].name),
                     (long long)rank, (long long)want);
}

/* One pair, or several of one base (which add up in the order of the file): `sum` is what the base
 * is so far. */
static const Expr *merge_pair(Lora *lora, const Pair *pair, const Expr *base, DType dtype,
                              Error *err)
{
    Fuser *fuser = &lora->fuser;
    Arena *arena = fuser->draft->arena;
    const uint32_t keys[] = {pair->down, pair->up, pair->mid};
    const Expr *values[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        if (keys[i] == MAP_NONE) continue;
        values[i] = fuser_value(fuser, keys[i], err);
        if (values[i]) values[i] = expr_cast(arena, values[i], dtype, err);
        if (!values[i]) return NULL;
    }
    const Expr *delta = multiply(lora, pair, values[0], values[2], values[1], err);
    if (!delta || !check_rank(lora, pair, values[0]->dims[0], err)) return NULL;
    delta = fit_base(lora, pair, delta, base, values[0], values[1], err);
    if (delta) delta = scale_delta(lora, pair, delta, values[0]->dims[0], err);
    return delta ? expr_add(arena, base, delta, err) : NULL;
}

/* ---- pairs ---- */

/* The module and spelling of a key that is the down half of a pair; the rest behind the mark, an
 * adapter's name and ".weight", comes back in *rest. */
static bool read_down(Lora *lora, const char *name, Pair *pair, const char **rest)
{
    for (size_t i = 0; i < countof(spellings); i++) {
        const char *mark = strstr(name, spellings[i].down);
        const char *behind = mark ? mark + strlen(spellings[i].down) : NULL;
        if (!mark || (*behind && *behind != '.')) continue;
        if (!spellings[i].embedding && !has_suffix(behind, ".weight")) continue;
        pair->module = arena_strndup(lora->fuser.draft->arena, name, (size_t)(mark - name));
        pair->spelling = &spellings[i];
        *rest = behind;
        return true;
    }
    return false;
}

/* What belongs to the down half at `key`. */
static bool read_pair(Lora *lora, uint32_t key, Pair *pair, Error *err)
{
    const char *name = lora->fuser.draft->keys[key].name, *rest;
    *pair = (Pair){.down = key};
    read_down(lora, name, pair, &rest);
    pair->up = fuser_find(&lora->fuser, "%s%s%s", pair->module, pair->spelling->up, rest);
    pair->mid = fuser_find(&lora->fuser, "%s.lora_mid.weight", pair->module);
    pair->alpha = fuser_find(&lora->fuser, "%s.alpha", pair->module);
    return pair->up != MAP_NONE ||
           error_set(err, ERR_RULE, "lora: '%s' has no '%s%s%s' beside it",
                     show_name(lora->fuser.draft, name), pair->module, pair->spelling->up, rest);
}

/* Adapters that are none of ours are refused by name; nothing of them is merged halfway. */
static bool refuse_kinds(Lora *lora, Error *err)
{
    const Draft *draft = lora->fuser.draft;
    for (size_t i = 0; i < draft->count; i++)
        for (size_t k = 0; k < countof(refused); k++)
            if (strstr(draft->keys[i].name, refused[k].mark))
                return error_set(err, ERR_UNSUPPORTED, "lora: '%s' is of %s, which is not merged "
                                 "here", show_name(lora->fuser.draft, draft->keys[i].name),
                                 refused[k].what);
    return true;
}

/* Puts a merged weight where its base stood; of one that is the target's, where the pair stood. */
static bool add_merged(Lora *lora, const Pair *pair, Error *err)
{
    Fuser *fuser = &lora->fuser;
    Arena *arena = fuser->draft->arena;
    const Base *base = find_base(lora, pair->module, err);
    if (!base) return false;
    if (map_set(&lora->merged, base->name, 0) != MAP_NONE)
        return error_set(err, ERR_RULE, "lora: '%s' gets a second adapter from '%s'; merge one, "
                         "and then the other", base->name, pair->module);
    const Expr *own = base->key == MAP_NONE ? expr_target(arena, base->target)
                                            : fuser_value(fuser, base->key, err);
    if (!own) return false;
    if (!fuser_float(own, err)) return error_prefix(err, "lora: '%s'", base->name);
    if (own->unknown)
        return error_set(err, ERR_SHAPE, "lora: the shape of '%s' has to be known", base->name);
    const DType dtype = own->dtype == DT_F64 ? DT_F64 : DT_F32;
    Fusion fusion = {.name = base->name, .ops = "lora"};
    const uint32_t keys[] = {base->key, pair->down, pair->up, pair->mid, pair->alpha};
    for (size_t i = 0; i < countof(keys); i++)
        if (keys[i] != MAP_NONE) fusion.keys[fusion.count++] = keys[i];
    const Expr *wide = expr_cast(arena, own, dtype, err);
    const Expr *sum = wide ? merge_pair(lora, pair, wide, dtype, err) : NULL;
    fusion.expr = sum ? expr_cast(arena, sum, own->dtype, err) : NULL;
    if (!fusion.expr) return false;
    lora->from_target = lora->from_target || base->key == MAP_NONE;
    fuser_add(fuser, &fusion);
    return true;
}

/* What is left of an adapter: modules that were saved whole take the place of the base's, parts of
 * PEFT's own wrapping go, and everything else is an error. */
static bool settle_rest(Lora *lora, Error *err)
{
    Fuser *fuser = &lora->fuser;
    Draft *draft = fuser->draft;
    for (size_t i = 0; i < draft->count; i++) {
        const char *name = draft->keys[i].name;
        if (fuser->consumed[i]) continue;
        if (lora->adapter[i])
            return error_set(err, ERR_RULE, "lora: '%s' belongs to no pair",
                             show_name(draft, name));
        const char *saved = strstr(name, ".modules_to_save."), *behind;
        const char *own = strstr(name, ".original_module.");
        const char *layer = strstr(name, ".base_layer.");
        if (!has_prefix(name, peft_prefix) && !saved && !own && !layer) continue;
        const char *plain = has_prefix(name, peft_prefix) ? name + sizeof peft_prefix - 1 : name;
        if (own) {
            fuser_drop(fuser, (uint32_t)i);
            continue;
        }
        Fusion fusion = {.keys = {(uint32_t)i}, .count = 1, .ops = "lora", .name = plain,
                         .expr = fuser_value(fuser, (uint32_t)i, err)};
        if (!fusion.expr) return false;
        if (saved) {                     /* .modules_to_save.NAME.weight */
            behind = strchr(saved + sizeof ".modules_to_save." - 1, '.');
            fusion.name = arena_printf(draft->arena, "%.*s%s", (int)(saved - plain), plain,
                                       behind ? behind : "");
        } else if (layer) {
            fusion.name = arena_printf(draft->arena, "%.*s.%s", (int)(layer - plain), plain,
                                       layer + sizeof ".base_layer." - 1);
        }
        fuser_add(fuser, &fusion);
    }
    return true;
}

static bool merge_all(Lora *lora, Error *err)
{
    Draft *draft = lora->fuser.draft;
    size_t pairs = 0;
    if (!refuse_kinds(lora, err)) return false;
    for (size_t i = 0; i < draft->count; i++) {
        Pair pair = {0};
        const char *rest;
        if (!read_down(lora, draft->keys[i].name, &pair, &rest)) continue;
        pairs++;
        if (!read_pair(lora, (uint32_t)i, &pair, err) || !add_merged(lora, &pair, err))
            return false;
    }
    if (!pairs)
        return error_set(err, ERR_RULE, "lora: no pair of an adapter in the source; top levels "
                         "here: %s", list_top_levels(draft));
    return settle_rest(lora, err);
}

bool draft_lora(Draft *draft, Origin origin, const LoraOptions *options, Error *err)
{
    Lora lora = {.options = options};
    if (!fuser_begin(&lora.fuser, draft, origin, "lora", err)) return false;
    lora.adapter = mem_alloc((draft->count + 1) * sizeof *lora.adapter);
    map_init(&lora.names);
    map_init(&lora.flats);
    map_init(&lora.ends);
    map_init(&lora.merged);
    list_bases(&lora);
    const bool good = merge_all(&lora, err);
    if (good && lora.from_target && draft->policy.missing == MISSING_ERROR)
        draft->policy.missing = MISSING_KEEP;
    if (good) fuser_finish(&lora.fuser);
    else fuser_abandon(&lora.fuser);
    map_done(&lora.names);
    map_done(&lora.flats);
    map_done(&lora.ends);
    map_done(&lora.merged);
    free(lora.adapter);
    free(lora.bases);
    return good;
}
