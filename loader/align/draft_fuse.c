/* What the fusing statements share, and the two norms of a weight. */
#include "loader/align/draft_fuse.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_fuse_parts.h"

/* ---- collecting ---- */

bool fuser_begin(Fuser *fuser, Draft *draft, Origin origin, const char *what, Error *err)
{
    *fuser = (Fuser){.draft = draft, .origin = origin, .what = what};
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    fuser->consumed = mem_alloc((draft->count + 1) * sizeof *fuser->consumed);
    fuser->dropped = mem_alloc((draft->count + 1) * sizeof *fuser->dropped);
    return true;
}

void fuser_abandon(Fuser *fuser)
{
    free(fuser->items);
    free(fuser->consumed);
    free(fuser->dropped);
}

void fuser_add(Fuser *fuser, const Fusion *fusion)
{
    fuser->items = mem_grow(fuser->items, &fuser->room, fuser->count + 1, sizeof *fuser->items);
    fuser->items[fuser->count++] = *fusion;
    for (size_t i = 0; i < fusion->count; i++) fuser->consumed[fusion->keys[i]] = true;
}

void fuser_drop(Fuser *fuser, uint32_t key)
{
    fuser->dropped[key] = true;
}

/* By place; those of one place stay in their order, since their addresses ascend. */
static int compare_places(const void *a, const void *b)
{
    const Fusion *const *x = a, *const *y = b;
    const uint32_t first = (*x)->keys[0], second = (*y)->keys[0];
    if (first != second) return first < second ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

/* The new key has the histories of all that it is made of. */
static void add_fusion(Edit *edit, const Fuser *fuser, const Fusion *fusion)
{
    Draft *draft = fuser->draft;
    const DraftKey *first = &draft->keys[fusion->keys[0]];
    const Step *before[FUSION_KEYS];
    for (size_t i = 0; i < fusion->count; i++) before[i] = draft->keys[fusion->keys[i]].step;
    DraftKey key = {.name = fusion->name, .expr = fusion->expr};
    key.step = step_new(draft, fuser->origin, fuser->what, first->name, fusion->name, fusion->ops,
                        before, fusion->count);
    edit_add(edit, key, first->name);
}

/* A result stands where the first of its keys stood. */
void fuser_finish(Fuser *fuser)
{
    Edit edit;
    Draft *draft = fuser->draft;
    const Fusion **order = mem_alloc((fuser->count + 1) * sizeof *order);
    for (size_t i = 0; i < fuser->count; i++) order[i] = &fuser->items[i];
    if (fuser->count) qsort(order, fuser->count, sizeof *order, compare_places);
    edit_begin(&edit, draft, fuser->origin, fuser->what);
    size_t next = 0;
    for (size_t i = 0; i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        while (next < fuser->count && order[next]->keys[0] == i)
            add_fusion(&edit, fuser, order[next++]);
        if (fuser->dropped[i]) edit_drop(&edit, key, fuser->origin, fuser->what);
        else if (!fuser->consumed[i]) edit_keep(&edit, key);
    }
    edit_finish(&edit);
    free(order);
    fuser_abandon(fuser);
}

/* ---- keys ---- */

uint32_t fuser_find(const Fuser *fuser, const char *format, ...)
{
    Text name = {0};
    va_list args;
    va_start(args, format);
    text_addv(&name, format, args);
    va_end(args);
    const DraftKey *key = draft_find(fuser->draft, text_string(&name));
    text_done(&name);
    return key ? (uint32_t)(key - fuser->draft->keys) : MAP_NONE;
}

const Expr *fuser_value(const Fuser *fuser, uint32_t key, Error *err)
{
    const DraftKey *one = &fuser->draft->keys[key];
    if (!one->expr)
        error_set(err, ERR_RULE, "'%s' stands for several keys that became one name",
                  show_name(fuser->draft, one->name));
    return one->expr;
}

bool fuser_float(const Expr *e, Error *err)
{
    if (e->dtype == DT_UNKNOWN || dtype_info(e->dtype)->kind == CLASS_FLOAT) return true;
    return error_set(err, ERR_SHAPE, "no arithmetic on %s; cast it to a float type first",
                     dtype_name(e->dtype));
}

bool fuser_leaf(const char *name, const char *leaf, size_t *parent)
{
    const size_t n = strlen(name), m = strlen(leaf);
    if (n < m || strcmp(name + n - m, leaf) != 0) return false;
    *parent = n - m;
    return n == m || name[n - m - 1] == '.';
}

bool fuser_fits(const Pattern *modules, const char *name, size_t parent, Captures *captures)
{
    return pattern_fits(modules, name, parent ? parent - 1 : 0, captures);
}

/* Bytes that two names share at the front and, behind that, at the back. */
static size_t likeness(const char *a, const char *b)
{
    size_t front = 0, back = 0;
    const size_t n = strlen(a), m = strlen(b), least = n < m ? n : m;
    while (front < least && a[front] == b[front]) front++;
    while (back + front < least && a[n - 1 - back] == b[m - 1 - back]) back++;
    return front + back;
}

/* At least half of the name has to be there. */
const char *fuser_nearest(const char *name, const char *(*at)(const void *list, size_t index),
                          const void *list, size_t count)
{
    size_t best = strlen(name) / 2;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t alike = likeness(name, at(list, i));
        if (alike <= best) continue;
        best = alike;
        nearest = at(list, i);
    }
    return nearest;
}

/* ---- what the two norms have in common ---- */

/* "weight_norm": the key and what is missing beside it, or wrong with it. Always false. */
static bool blame_key(Fuser *fuser, uint32_t key, Error *err)
{
    const char *name = show_name(fuser->draft, fuser->draft->keys[key].name);
    error_prefix(err, "%s: '%s'", fuser->what, name);
    return false;
}

/* Says that a statement changed nothing. */
static void note_idle(const Fuser *fuser, const NormOptions *options, const char *leaf)
{
    if (fuser->count) return;
    draft_note(fuser->draft, NOTE_INFO, fuser->origin,
               "%s: no module that fits %s has a %s%s; top levels here: %s", fuser->what,
               pattern_text(options->modules), options->parameter, leaf,
               list_top_levels(fuser->draft));
}

/* How one module of either spelling becomes its weight: `first` is the key that stands for it,
 * `parent` bytes of its name are the module. *doubtful is set when the result is one of several. */
typedef bool FuseModule(Fuser *fuser, const NormOptions *options, uint32_t first, size_t parent,
                        bool parametrized, bool *doubtful, Error *err);

/* A norm by the names of those keys: "weight_g", or "parametrizations.weight.original0". */
typedef struct Norm {
    const char *what;            /* the statement */
    const char *leaf, *original; /* "_g", "original0" */
    FuseModule *fuse;
} Norm;

static bool fuse_norms(Draft *draft, Origin origin, const NormOptions *options, const Norm *norm,
                       bool *doubtful, Error *err)
{
    Fuser fuser;
    Captures captures;
    if (!fuser_begin(&fuser, draft, origin, norm->what, err)) return false;
    const char *old = arena_printf(draft->arena, "%s%s", options->parameter, norm->leaf);
    const char *new = arena_printf(draft->arena, "parametrizations.%s.%s", options->parameter,
                                   norm->original);
    bool good = true;
    for (size_t i = 0; good && i < draft->count; i++) {
        const char *name = draft->keys[i].name;
        size_t parent;
        const bool parametrized = fuser_leaf(name, new, &parent);
        if (!parametrized && !fuser_leaf(name, old, &parent)) continue;
        if (fuser_fits(options->modules, name, parent, &captures))
            good = norm->fuse(&fuser, options, (uint32_t)i, parent, parametrized, doubtful, err);
    }
    if (good) note_idle(&fuser, options, norm->leaf);
    if (good) fuser_finish(&fuser);
    else fuser_abandon(&fuser);
    return good;
}

/* ---- weight norm ---- */

/* Always NULL. */
static const Expr *refuse_dim(const Expr *v, const Expr *other, const char *what, int dim,
                              Error *err)
{
    Text text = {0};
    show_shape(other->dims, other->rank, &text);
    text_add(&text, " and v ");
    show_shape(v->dims, v->rank, &text);
    if (dim == FUSE_DIM_FOUND) text_add(&text, ", for no axis");
    else text_addf(&text, ", for axis %d", dim);
    error_set(err, ERR_SHAPE, "%s %s do not fit each other", what, text_string(&text));
    text_done(&text);
    return NULL;
}

/* The axis along which g is as long as v, when it is 1 along all others; AXIS_NONE for a single
 * number. *fits is false where there is none. */
static int find_dim(const Expr *g, const Expr *v, bool *fits)
{
    int dim = AXIS_NONE;
    *fits = g->rank == 0 || g->rank == v->rank;
    for (int i = 0; *fits && i < g->rank; i++) {
        if (g->dims[i] == 1) continue;
        if (dim != AXIS_NONE || g->dims[i] != v->dims[i]) *fits = false;
        dim = i;
    }
    return dim;
}

/* v · (g / ‖v‖), the norm over all axes but one. torch._weight_norm; over all with one g, which is
 * what dim=None and an axis of size 1 come to. */
static const Expr *make_weight(Arena *arena, const Expr *g, const Expr *v, int dim, Error *err)
{
    if (g->unknown || v->unknown) {
        error_set(err, ERR_SHAPE, "the shapes of g and v have to be known");
        return NULL;
    }
    bool fits;
    const int found = find_dim(g, v, &fits);
    const int wanted = dim < 0 && dim != FUSE_DIM_FOUND ? dim + v->rank : dim;
    const bool free = found == AXIS_NONE;
    if (!fits) return refuse_dim(v, g, "g", dim, err);
    if (wanted != FUSE_DIM_FOUND && !free && found != wanted)
        return refuse_dim(v, g, "g", dim, err);
    if (wanted != FUSE_DIM_FOUND && free && g->rank &&
        (wanted < 0 || wanted >= v->rank || v->dims[wanted] != 1))
        return refuse_dim(v, g, "g", dim, err);
    const Expr *norm = expr_norm(arena, v, found, err);
    const Expr *ratio = norm ? expr_quotient(arena, g, norm, err) : NULL;
    return ratio ? expr_product(arena, v, ratio, err) : NULL;
}

/* `first` is the module's g. */
static bool fuse_weight(Fuser *fuser, const NormOptions *options, uint32_t first, size_t parent,
                        bool parametrized, bool *doubtful, Error *err)
{
    (void)doubtful;              /* g and v leave no doubt */
    Draft *draft = fuser->draft;
    const char *name = draft->keys[first].name, *parameter = options->parameter;
    const int length = (int)parent;
    const uint32_t second =
        parametrized ? fuser_find(fuser, "%.*sparametrizations.%s.original1", length, name,
                                  parameter)
                     : fuser_find(fuser, "%.*s%s_v", length, name, parameter);
    if (second == MAP_NONE) {
        error_set(err, ERR_RULE, "has no %s beside it", parametrized ? "original1" : "…_v");
        return blame_key(fuser, first, err);
    }
    const Expr *g = fuser_value(fuser, first, err);
    const Expr *v = g ? fuser_value(fuser, second, err) : NULL;
    Fusion fusion = {.keys = {first, second}, .count = 2, .ops = fuser->what};
    fusion.expr = v ? make_weight(draft->arena, g, v, options->dim, err) : NULL;
    if (!fusion.expr) return blame_key(fuser, first, err);
    fusion.name = arena_printf(draft->arena, "%.*s%s", length, name, parameter);
    fuser_add(fuser, &fusion);
    return true;
}

bool draft_weight_norm(Draft *draft, Origin origin, const NormOptions *options, Error *err)
{
    static const Norm norm = {"weight_norm", "_g", "original0", fuse_weight};
    return fuse_norms(draft, origin, options, &norm, NULL, err);
}

/* ---- spectral norm ---- */

/* W as a matrix, with `dim` first and everything else behind it. */
static const Expr *make_matrix(Arena *arena, const Expr *w, int dim, Error *err)
{
    int order[TENSOR_RANK_MAX];
    order[0] = dim;
    for (int i = 0, at = 1; i < w->rank; i++)
        if (i != dim) order[at++] = i;
    const Expr *turned = expr_permute(arena, w, order, w->rank, err);
    if (!turned) return NULL;
    return expr_reshape(arena, turned, (const int64_t[]){w->dims[dim], -1}, 2, err);
}

/* W / (uᵀ W v), the value in eval(); torch.nn.utils.spectral_norm, compute_weight. */
static const Expr *make_spectral(Arena *arena, const Expr *w, const Expr *u, const Expr *v,
                                 int dim, Error *err)
{
    const Expr *matrix = make_matrix(arena, w, dim, err);
    const Expr *row = matrix ? expr_reshape(arena, u, (const int64_t[]){1, -1}, 2, err) : NULL;
    const Expr *column = row ? expr_reshape(arena, v, (const int64_t[]){-1, 1}, 2, err) : NULL;
    const Expr *wv = column ? expr_matmul(arena, matrix, column, err) : NULL;
    const Expr *sigma = wv ? expr_matmul(arena, row, wv, err) : NULL;
    if (sigma) sigma = expr_reshape(arena, sigma, NULL, 0, err);
    return sigma ? expr_quotient(arena, w, sigma, err) : NULL;
}

/* The axis that u is as long as, and v as all others together: the given one, else 0 if it fits,
 * else the first. -1 when none does. *more says that another would fit as well. */
static int find_axis(const Expr *w, const Expr *u, const Expr *v, int dim, bool *more)
{
    int found = -1;
    *more = false;
    if (w->unknown || u->unknown || v->unknown || u->rank != 1 || v->rank != 1) return -1;
    uint64_t all = 1;
    for (int i = 0; i < w->rank; i++) all *= (uint64_t)w->dims[i];
    const int wanted = dim < 0 && dim != FUSE_DIM_FOUND ? dim + w->rank : dim;
    for (int i = 0; i < w->rank; i++) {
        const bool fits = u->dims[0] == w->dims[i] && w->dims[i] &&
                          (uint64_t)v->dims[0] == all / (uint64_t)w->dims[i];
        if (!fits || (wanted != FUSE_DIM_FOUND && wanted != i)) continue;
        if (found < 0) found = i;
        else *more = true;
    }
    return found;
}

/* The values of one module, in the order W, u, v. */
static bool find_three(Fuser *fuser, const NormOptions *options, const char *name, size_t parent,
                       bool parametrized, Fusion *fusion, const Expr *values[3], Error *err)
{
    static const char *const old[] = {"u", "v"};
    for (size_t i = 0; i < 2; i++) {
        const uint32_t key =
            parametrized ? fuser_find(fuser, "%.*sparametrizations.%s.0._%s", (int)parent, name,
                                      options->parameter, old[i])
                         : fuser_find(fuser, "%.*s%s_%s", (int)parent, name, options->parameter,
                                      old[i]);
        if (key == MAP_NONE)
            return error_set(err, ERR_RULE, "has no _%s beside it: %s", old[i],
                             parametrized ? "another parametrization"
                                          : "written before PyTorch 1.1; load and save it there");
        fusion->keys[fusion->count++] = key;
    }
    for (size_t i = 0; i < 3; i++)
        if (!(values[i] = fuser_value(fuser, fusion->keys[i], err))) return false;
    return true;
}

static bool fuse_spectral(Fuser *fuser, const NormOptions *options, uint32_t first, size_t parent,
                          bool parametrized, bool *doubtful, Error *err)
{
    Draft *draft = fuser->draft;
    const char *name = draft->keys[first].name;
    Fusion fusion = {.keys = {first}, .count = 1, .ops = fuser->what};
    const Expr *values[3];
    if (!find_three(fuser, options, name, parent, parametrized, &fusion, values, err))
        return blame_key(fuser, first, err);
    bool more;
    const int dim = find_axis(values[0], values[1], values[2], options->dim, &more);
    if (dim < 0) {
        error_set(err, ERR_SHAPE, "its u and v fit no axis of it%s",
                  options->dim == FUSE_DIM_FOUND ? "" : " that is given as dim");
        return blame_key(fuser, first, err);
    }
    *doubtful = *doubtful || more;
    fusion.expr = make_spectral(draft->arena, values[0], values[1], values[2], dim, err);
    if (!fusion.expr) return blame_key(fuser, first, err);
    fusion.name = arena_printf(draft->arena, "%.*s%s", (int)parent, name, options->parameter);
    fuser_add(fuser, &fusion);
    return true;
}

bool draft_spectral_norm(Draft *draft, Origin origin, const NormOptions *options, Error *err)
{
    static const Norm norm = {"spectral_norm", "_orig", "original", fuse_spectral};
    bool doubtful = false;
    const bool good = fuse_norms(draft, origin, options, &norm, &doubtful, err);
    if (good && doubtful)
        draft_note(draft, NOTE_INFO, origin, "spectral_norm: u fits several axes of some weights; "
                   "the first is taken, and transposed convolutions need dim=1");
    return good;
}
