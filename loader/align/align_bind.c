/* Binding: every target gets its state. In this order: keep_target, the key of the same name (or
 * the one that match{} found), fill, a storage shared with a target that got its value,
 * policy{missing=…}. */
#include "loader/align/align_parts.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/shape_diff.h"

typedef struct Binder {
    Alignment *alignment;        /* being made */
    Arena *arena;                /* the alignment's */
    FillRule *fills;             /* the draft's, [fill_count]; hits are counted in them */
    KeepTarget *keeps;           /* the same, [keep_count] */
    size_t fill_count, keep_count;
    const Tensor **leaves;       /* the sources of the expression at hand, each once */
    size_t leaf_count, leaf_room;
    uint32_t *stamps, stamp;     /* [use_count]: equal to stamp = is among leaves */
    const Tensor *opaque;        /* a leaf whose elements are no numbers */
    bool misshapen;              /* the key at hand was refused for its shape */
} Binder;

/* The dims of a scalar: NULL would mean that the shape is not known. */
static const int64_t no_dims[1];

/* Called for each tensor that an expression is made of: lists the sources, each once. */
static void take_leaf(const Tensor *tensor, void *context)
{
    Binder *binder = context;
    if (tensor->encoding && tensor->encoding->opaque) binder->opaque = tensor;
    uint32_t index = align_source_index(binder->alignment, tensor);
    if (index == MAP_NONE) return;
    if (binder->stamps[index] == binder->stamp) return;
    binder->stamps[index] = binder->stamp;
    binder->leaves = mem_grow(binder->leaves, &binder->leaf_room, binder->leaf_count + 1,
                              sizeof *binder->leaves);
    binder->leaves[binder->leaf_count++] = tensor;
}

/* Sets leaves[] and `opaque` for one expression. The stamp saves clearing a mark per source. */
static void gather_leaves(Binder *binder, const Expr *expr)
{
    binder->leaf_count = 0;
    binder->opaque = NULL;
    binder->stamp++;
    expr_leaves(expr, take_leaf, binder);
}

/* What the binding is made of, or what was offered to it. Nearly always that is one tensor: then
 * the list is the place where the ledger of sources has it. */
static void set_sources(Binder *binder, Binding *binding, const Expr *expr)
{
    const Alignment *alignment = binder->alignment;
    gather_leaves(binder, expr);
    binding->source_count = (uint32_t)binder->leaf_count;
    if (binder->leaf_count == 1)
        binding->sources = &alignment->uses[align_source_index(alignment, *binder->leaves)].tensor;
    else if (binder->leaf_count)
        binding->sources = arena_copy(binder->arena, binder->leaves,
                                      binder->leaf_count * sizeof *binder->leaves);
}

/* Reasons add up: "100 of 200 rows; f16 → f32, cast". */
static void add_reason(Binder *binder, Binding *binding, const char *reason)
{
    binding->reason = binding->reason
                          ? arena_printf(binder->arena, "%s; %s", binding->reason, reason)
                          : reason;
}

const Expr *align_own(const Alignment *alignment, const Tensor *target)
{
    if (!target || !target->storage || !target->dims) return NULL;
    if (target->encoding && target->encoding->opaque) return NULL;
    const Expr *own = expr_target(alignment->arena, target);
    return expr_has_data(own, NULL) ? own : NULL;
}

static const Expr *own_value(const Binder *binder, const Tensor *target)
{
    return align_own(binder->alignment, target);
}

/* The target's value stays; what was offered (or NULL) is remembered. */
static void keep_value(Binding *binding, const Expr *offered, const char *reason)
{
    binding->status = BIND_KEPT;
    binding->how = HOW_POLICY;
    binding->expr = binding->own;
    binding->offered = offered;
    binding->reason = reason;
}

/* The offered value does not go in: an open state, or kept where policy skips such. A key without
 * target is never kept, since there is nothing to keep. */
static void refuse(Binder *binder, Binding *binding, BindStatus status, const Expr *offered,
                   const char *reason)
{
    bool skip = status == BIND_SHAPE ? binder->alignment->policy.shape == SHAPE_SKIP
                                     : binder->alignment->policy.dtype == DTYPE_SKIP;
    binding->own = own_value(binder, binding->target);
    binder->misshapen = status == BIND_SHAPE;
    if (skip && binding->target) {
        keep_value(binding, offered, reason);
        return;
    }
    binding->status = status;
    binding->expr = offered;
    binding->reason = reason;
}

/* ---- the key of the same name ---- */

/* Resolves a fit now that the target is known; the reason says what part of it was taken. */
static const Expr *fit_with(Binder *binder, Binding *binding, const Expr *expr, Error *err)
{
    char rows[64] = "";
    const Expr *fitted = expr_fit_to(binder->arena, expr, binding->target, rows, err);
    if (!fitted) return NULL;
    if (*rows) add_reason(binder, binding, arena_strdup(binder->arena, rows));
    binding->partial = *rows && expr->fit->how <= FIT_PAD;
    return fitted;
}

/* PyTorch itself loads one element into a 0-dim tensor. [1] for [] and [] for [1]; more axes
 * are another shape. */
static bool is_one_element(const Expr *expr, const Tensor *target)
{
    return expr->rank + target->rank == 1 && (expr->rank ? expr->dims : target->dims)[0] == 1;
}

/* policy{shape="fit"}: the overlap, where exactly one axis differs. The error is set when that is
 * so and the rest still has no values. */
static const Expr *fit_by_policy(Binder *binder, Binding *binding, const Expr *expr,
                                 const ShapeDiff *diff, Error *err)
{
    if (binder->alignment->policy.shape != SHAPE_FIT || diff->kind != SHAPES_ONE_AXIS) return NULL;
    const Expr *fit = expr_fit(binder->arena, expr, (int)diff->axis, FIT_TARGET, 0, err);
    if (fit) fit = fit_with(binder, binding, fit, err);
    if (!fit) return NULL;
    binding->how = HOW_POLICY;
    binding->op = arena_printf(binder->arena, "fit(%u)", diff->axis);
    return fit;
}

/* "fix.lua:3: " before what an op that waited for its target says: the line of the statement that
 * applied ops, and not of one that only renamed the key afterwards. */
static const char *place_reason(Binder *binder, const Binding *binding, const char *reason)
{
    const Step *step = binding->step;
    while (step && !step->ops && step->before_count == 1) step = step->before[0];
    if (!step || !step->ops || !step->origin.file) return arena_strdup(binder->arena, reason);
    return arena_printf(binder->arena, "%s:%d: %s", step->origin.file, step->origin.line, reason);
}

/* The value in the target's shape; NULL when it was refused (and the binding says why). A FIT
 * is resolved first, then the shapes are compared. Only two differences are mended without
 * being asked for by a rule: one element against none, and what policy{shape="fit"} allows. */
static const Expr *settle_shape(Binder *binder, Binding *binding, const Expr *expr)
{
    Error err = {0};
    const Tensor *target = binding->target;
    const Expr *fitted = expr->unknown ? fit_with(binder, binding, expr, &err) : expr;
    if (!fitted) {
        refuse(binder, binding, BIND_SHAPE, expr, place_reason(binder, binding, err.text));
        return NULL;
    }
    if (fitted->unknown || !target->dims) return fitted;
    ShapeDiff diff = shape_diff(fitted->dims, fitted->rank, target->dims, target->rank);
    if (diff.kind == SHAPES_EQUAL) return fitted;
    const Expr *mended = NULL;
    if (is_one_element(fitted, target)) {
        mended = expr_reshape(binder->arena, fitted, target->dims, target->rank, NULL);
        if (mended) add_reason(binder, binding, "one element, another rank");
    } else {
        mended = fit_by_policy(binder, binding, fitted, &diff, &err);
    }
    if (!mended)
        refuse(binder, binding, BIND_SHAPE, expr,
               *err.text ? arena_strdup(binder->arena, err.text)
                         : shape_diff_reason(binder->arena, &diff, fitted->rank));
    return mended;
}

/* The value in the target's dtype; NULL when it was refused. By default only those casts are made
 * that dtype_casts_silently allows; others want policy{dtype="force"}. */
static const Expr *settle_dtype(Binder *binder, Binding *binding, const Expr *expr,
                                const Expr *offered)
{
    DType from = offered->dtype, to = binding->target->dtype;   /* a fit may have cast it */
    if (from == to || from == DT_UNKNOWN || to == DT_UNKNOWN) return expr;
    DTypePolicy policy = binder->alignment->policy.dtype;
    bool allowed = policy == DTYPE_FORCE ||
                   (policy == DTYPE_CAST && dtype_casts_silently(from, to));
    const Expr *cast = allowed ? expr_cast(binder->arena, expr, to, NULL) : NULL;
    const char *pair = arena_printf(binder->arena, "%s → %s", dtype_name(from), dtype_name(to));
    if (!cast) {
        refuse(binder, binding, BIND_DTYPE, offered, pair);
        return NULL;
    }
    add_reason(binder, binding, arena_printf(binder->arena, "%s, cast", pair));
    binding->cast = arena_printf(binder->arena, "cast(%s)", dtype_name(to));
    return cast;
}

/* What the target does not say (schemas) the source says. */
static void take_shape(Binding *binding, const Expr *expr)
{
    if (binding->dtype == DT_UNKNOWN) binding->dtype = expr->dtype;
    if (binding->dims || expr->unknown) return;
    binding->dims = expr->rank ? expr->dims : no_dims;
    binding->rank = expr->rank;
}

/* The key stands for several: nothing is loaded, and every one of them is named. */
static void bind_collision(Binder *binder, Binding *binding, const DraftKey *key)
{
    const Collision *collision = draft_collision(binder->alignment->draft, key->collision - 1);
    binding->status = BIND_AMBIGUOUS;
    binding->sources = collision->tensors;
    binding->source_count = (uint32_t)collision->tensor_count;
    binding->own = own_value(binder, binding->target);
    binding->reason = "collision";
}

/* The fit that waits for its target somewhere down a chain of ops, or NULL. */
static const Expr *find_fit(const Expr *expr)
{
    while (expr->kind != EX_FIT && expr->count == 1) expr = expr->from[0];
    return expr->kind == EX_FIT ? expr : NULL;
}

/* Who gave the key its name and value. Steps of a preset say so in their origin. */
static How how_of(const DraftKey *key)
{
    if (!key->step) return HOW_EXACT;
    if (origin_is_auto(key->step->origin)) return HOW_AUTO;
    return origin_is_bundled(key->step->origin) ? HOW_PRESET : HOW_RULE;
}

/* Of what was found without a rule. */
static void set_confidence(const Binder *binder, Binding *binding)
{
    const Alignment *alignment = binder->alignment;
    const size_t at = (size_t)(binding - alignment->bindings);
    if (alignment->sure) binding->confidence = alignment->sure[at];
    if (alignment->why) binding->why = alignment->why[at];
}

/* A target, or without one a key, and the value that goes by its name. With fit(0) a
 * 100×2048 f16 `fc.weight` for a target of 200×2048 f32 ends as LOADED, partial, and its reason is
 * "100 of 200 rows; f16 → f32, cast". */
static void bind_key(Binder *binder, Binding *binding, const DraftKey *key)
{
    binding->step = key->step;
    if (key->collision || !key->expr) {
        bind_collision(binder, binding, key);
        return;
    }
    const Expr *expr = key->expr;
    set_sources(binder, binding, expr);
    if (binder->opaque) {
        const char *note = binder->opaque->encoding->note;
        refuse(binder, binding, BIND_DTYPE, expr, note ? note : "its elements are no numbers");
    } else if (binding->target) {
        expr = settle_shape(binder, binding, expr);
        if (expr) expr = settle_dtype(binder, binding, expr, key->expr);
        if (expr) {
            binding->status = BIND_LOADED;
            binding->expr = expr;
            if (!binding->how) binding->how = how_of(key);
            if (binding->how == HOW_AUTO) set_confidence(binder, binding);
        }
    } else if (find_fit(expr)) {
        refuse(binder, binding, BIND_SHAPE, expr,
               arena_printf(binder->arena, "%s needs a target%s",
                            fit_name(find_fit(expr)->fit->how),
                            find_fit(expr)->fit->how > FIT_PAD ? ", or new={height, width}" : ""));
    } else {
        binding->status = BIND_LOADED;
        binding->expr = expr;
        binding->how = how_of(key);
    }
    if (binding->status == BIND_LOADED || !binding->target) take_shape(binding, key->expr);
}

/* ---- match{} ---- */

/* The key is for several targets, and reuse="error" lets none have it. */
static void bind_ambiguous(Binder *binder, Binding *binding, const DraftKey *key)
{
    set_sources(binder, binding, key->expr);
    binding->step = key->step;
    binding->status = BIND_AMBIGUOUS;
    binding->own = own_value(binder, binding->target);
    binding->reason = "its source fits several targets";
}

/* "reshape(3,8)", as rules would have said it. */
static const char *show_reshape(Binder *binder, const Tensor *target)
{
    Text text = {0};
    text_add(&text, "reshape(");
    for (unsigned i = 0; i < target->rank; i++)
        text_addf(&text, "%s%lld", i ? "," : "", (long long)target->dims[i]);
    text_addc(&text, ')');
    return text_keep(&text, binder->arena);
}

/* The key gets the target's name, as by a rule, and its shape where the elements alone count. A
 * source whose shape is not known goes as it is. */
static void bind_match(Binder *binder, Binding *binding, const DraftKey *key, const Match *match)
{
    static const How hows[] = {HOW_SUFFIX, HOW_ORDER, HOW_SHAPE};
    DraftKey made = *key;
    const char *ops = NULL;
    const Tensor *target = binding->target;
    if (match->ambiguous && key->expr) {
        bind_ambiguous(binder, binding, key);
        return;
    }
    if (match->rule->shape == MATCH_SAME_COUNT && key->expr && !key->expr->unknown &&
        target->dims &&
        !same_dims(key->expr->dims, key->expr->rank, target->dims, target->rank)) {
        const Expr *shaped =
            expr_reshape(binder->arena, key->expr, target->dims, target->rank, NULL);
        if (shaped) made.expr = shaped;
        if (shaped) ops = show_reshape(binder, target);
    }
    if (ops || strcmp(key->name, binding->name) != 0)
        made.step = step_new(binder->alignment->draft, match->rule->origin, match->rule->what,
                             key->name, binding->name, ops, &key->step, 1);
    bind_key(binder, binding, &made);
    if (binding->how == HOW_EXACT || binding->how == HOW_RULE)
        binding->how = hows[match->rule->kind];
}

/* ---- fills ---- */

/* Gives the target a made-up value; one that cannot be filled keeps its state and says why. */
static void fill_with(Binder *binder, Binding *binding, const Op *op, const char *reason)
{
    Error err = {0};
    const char *note = NULL;
    const Expr *expr = fill_for_target(binder->arena, op, draft_seed(binder->alignment->draft),
                                       binding->target, &note, &err);
    if (!expr) {
        binding->reason = arena_strdup(binder->arena, err.text);
        return;
    }
    Text text = {0};
    op_show(op, &text);
    binding->offered = binding->expr;
    binding->expr = expr;
    binding->status = BIND_FILLED;
    binding->how = HOW_FILL;
    binding->op = arena_strdup(binder->arena, text_string(&text));
    bool zeroed = (op->kind == OP_KAIMING || op->kind == OP_XAVIER) && binding->rank < 2;
    binding->reason = zeroed ? arena_printf(binder->arena, "%u-D: zeros under %s", binding->rank,
                                            op_name(op->kind))
                      : note ? note
                             : reason;
    text_done(&text);
}

/* The first fill() whose pattern fits: a later one finds the target filled. */
static void fill_by_rule(Binder *binder, Binding *binding)
{
    for (size_t i = 0; i < binder->fill_count; i++) {
        FillRule *fill = &binder->fills[i];
        if (!name_fits(fill->pattern, binding->name)) continue;
        fill->hits++;
        binding->origin = &fill->origin;
        fill_with(binder, binding, &fill->op, NULL);
        return;
    }
}

/* policy{missing="init"}: what a fresh layer holds, told by the last segment of the name alone.
 * `bn.weight` [64] becomes ones as `bn.running_var` does, every `bias` and running_mean zeros,
 * any other float kaiming_uniform; other dtypes stay missing, and say why. */
static void fill_by_policy(Binder *binder, Binding *binding)
{
    const char *dot = strrchr(binding->name, '.'), *leaf = dot ? dot + 1 : binding->name;
    bool flat = binding->rank <= 1;
    Op op = {.kind = OP_CONST, .fill = {.kind = FILL_CONST}};
    if (strcmp(leaf, "running_var") == 0 || (flat && strcmp(leaf, "weight") == 0)) {
        op.real = op.fill.a = 1;
    } else if (strcmp(leaf, "bias") == 0 || strcmp(leaf, "running_mean") == 0 ||
               strcmp(leaf, "num_batches_tracked") == 0) {
        op.kind = OP_ZEROS;
        op.fill.kind = FILL_ZEROS;
    } else if (dtype_info(binding->dtype)->kind == CLASS_FLOAT) {
        op.kind = OP_KAIMING;
        op.fill.kind = FILL_KAIMING_UNIFORM;
    } else {
        binding->reason = arena_printf(binder->arena, "no initialisation is known for %s",
                                       dtype_name(binding->dtype));
        return;
    }
    fill_with(binder, binding, &op, "policy missing=\"init\"");
}

/* ---- the whole ---- */

/* keep_target comes before everything, also before a source that would fit. */
static bool keep_by_rule(Binder *binder, Binding *binding, const DraftKey *key)
{
    for (size_t i = 0; i < binder->keep_count; i++) {
        if (!name_fits(binder->keeps[i].pattern, binding->name)) continue;
        binder->keeps[i].hits++;
        if (key && key->expr) set_sources(binder, binding, key->expr);
        binding->own = own_value(binder, binding->target);
        keep_value(binding, key ? key->expr : NULL, "keep_target");
        binding->origin = &binder->keeps[i].origin;
        return true;
    }
    return false;
}

/* The first part of the order above, for one target; ties and policy follow when all of them are
 * bound. A fill() also mends a target that was refused for its shape, never one that fits. */
static void bind_target(Binder *binder, size_t index)
{
    Binding *binding = &binder->alignment->bindings[index];
    const Match *match = binder->alignment->matches ? &binder->alignment->matches[index] : NULL;
    const DraftKey *key = match_key(binder->alignment, index);
    if (keep_by_rule(binder, binding, key)) return;
    binder->misshapen = false;
    if (key && match && match->rule) bind_match(binder, binding, key, match);
    else if (key) bind_key(binder, binding, key);
    if (!key || binder->misshapen) fill_by_rule(binder, binding);
}

/* policy{missing=…} for what neither a source, nor a fill, nor a tie has given a value. */
static void settle_missing(Binder *binder)
{
    Alignment *alignment = binder->alignment;
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        if (binding->status != BIND_MISSING) continue;
        binding->own = own_value(binder, binding->target);
        if (alignment->policy.missing == MISSING_KEEP)
            keep_value(binding, NULL, "missing in the source");
        else if (alignment->policy.missing == MISSING_INIT)
            fill_by_policy(binder, binding);
    }
}

/* A statement that did nothing is probably misspelt. */
static void note_idle(Binder *binder)
{
    Draft *draft = binder->alignment->draft;
    for (size_t i = 0; i < binder->fill_count; i++)
        if (!binder->fills[i].hits)
            draft_note(draft, NOTE_INFO, binder->fills[i].origin,
                       "fill \"%s\": no target of that name is missing or differs in shape",
                       pattern_text(binder->fills[i].pattern));
    for (size_t i = 0; i < binder->keep_count; i++)
        if (!binder->keeps[i].hits)
            draft_note(draft, NOTE_INFO, binder->keeps[i].origin,
                       "keep_target \"%s\": the target has no such key",
                       pattern_text(binder->keeps[i].pattern));
}

/* Ties come before policy: a target that shares storage with a loaded one is not missing. The
 * ties of fills come last, when policy has filled as well. */
void bind_all(Alignment *alignment)
{
    Binder binder = {.alignment = alignment, .arena = alignment->arena};
    binder.fills = draft_fills(alignment->draft, &binder.fill_count);
    binder.keeps = draft_keep_targets(alignment->draft, &binder.keep_count);
    binder.stamps = mem_alloc((alignment->use_count + 1) * sizeof *binder.stamps);
    for (size_t i = 0; i < alignment->count; i++) {
        if (alignment->target)
            bind_target(&binder, i);
        else
            bind_key(&binder, &alignment->bindings[i], draft_at(alignment->draft, i));
    }
    if (alignment->target) {
        tie_by_rules(alignment);
        tie_missing(alignment);
        settle_missing(&binder);
        tie_fills(alignment);
    }
    tie_by_rules(alignment);
    if (alignment->doubt_of) auto_mark(alignment);
    tie_notes(alignment);
    if (alignment->target) tie_note_apart(alignment);
    note_idle(&binder);
    free(binder.leaves);
    free(binder.stamps);
}
