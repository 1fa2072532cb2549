/* Other shapes and dtypes, with their choices: rows of a classifier or a vocabulary, grids of
 * positions, tables of windows, patch kernels, input channels. The choices for one problem follow
 * one another, the usual one first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"
#include "loader/align/report_parts.h"
#include "loader/align/shape_diff.h"

enum { PREFIX_TOKENS_MAX = 6, SIDE_MIN = 3, PATCH_SIDE_MAX = 64 };

/* One binding of another shape, and what is proposed for it and its like. */
typedef struct Misfit {
    Proposer *proposer;
    const Binding *binding;
    const char *scope;           /* a pattern for it and its like: "head.*", quoted */
    ShapeDiff diff;
    const int64_t *from, *to;    /* the shapes; the rank of `to` is the binding's */
} Misfit;

static void add(const Misfit *misfit, ProposalKind kind, ProposalCost cost, const char *line,
                const char *why)
{
    proposal_add(misfit->proposer->list,
                 (Proposal){.kind = kind, .cost = cost, .line = line, .why = why, .known = true,
                            .target = misfit->binding->name});
}

/* `rules [[ SCOPE -> SCOPE |> OP ]]` */
static const char *op_line(const Misfit *misfit, const char *op)
{
    return propose_rules(misfit->proposer, "%s -> %s |> %s", misfit->scope, misfit->scope, op);
}

/* What the report's suggestion is written for: what stands left of its arrow. NULL without one. */
static const char *scope_of_line(Proposer *proposer, const char *line)
{
    const char *start = line && has_prefix(line, "rules [") ? strchr(line + 7, '[') : NULL;
    const char *arrow = start ? strstr(start, " -> ") : NULL;
    return arrow ? arena_strndup(proposer->arena, start + 2, (size_t)(arrow - start - 2)) : NULL;
}

/* `fill("SCOPE", op)` */
static const char *fill_line(const Misfit *misfit, const char *op)
{
    Proposer *proposer = misfit->proposer;
    return arena_printf(proposer->arena, "fill(%s, %s)",
                        propose_lua(proposer, misfit->scope, strlen(misfit->scope)), op);
}

static const char *keep_line(const Misfit *misfit)
{
    Proposer *proposer = misfit->proposer;
    return arena_printf(proposer->arena, "keep_target %s",
                        propose_lua(proposer, misfit->scope, strlen(misfit->scope)));
}

/* What is left when nothing of the source can be used. */
static void propose_new(const Misfit *misfit, const char *op)
{
    add(misfit, PROPOSE_FILL, COST_MADE_UP, fill_line(misfit, op),
        "Made anew, to be trained.");
    add(misfit, PROPOSE_FILL, COST_MADE_UP, keep_line(misfit),
        "Stays as the model has it.");
}

/* ---- rows ---- */

/* Detectors put the background behind the classes: it must stay last. */
static bool may_have_background(const char *name)
{
    static const char *const words[] = {"fc_cls", "cls_score", "class_embed", "bbox_head.cls"};
    for (size_t i = 0; i < countof(words); i++)
        if (strstr(name, words[i])) return true;
    return false;
}

static void propose_classes(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    long long from = (long long)misfit->from[0], to = (long long)misfit->to[0];
    const char *fit = misfit->binding->suggest ? misfit->binding->suggest
                                               : op_line(misfit, to > from ? "fit(0, zeros)"
                                                                           : "fit(0)");
    bool background = may_have_background(misfit->binding->name) && from > 1 && to > 1;
    if (background) {
        const char *grow =
            to > from ? arena_printf(arena, "t:slice(0, 0, %lld):pad(0, %lld)",
                                     from - 1, to - 1)
                      : arena_printf(arena, "t:slice(0, 0, %lld)", to - 1);
        add(misfit, PROPOSE_ROWS, COST_PART,
            op_line(misfit, arena_printf(arena, "function(t) return %s:cat(0, t:slice(0, %lld)) "
                                         "end", grow, from - 1)),
            arena_printf(arena, "%lld classes → %lld, where the last row is the background: it "
                         "stays last.", from, to));
    }
    add(misfit, PROPOSE_ROWS, COST_PART, fit,
        arena_printf(arena, "%lld classes → %lld: the first %lld rows are taken. Right only where "
                     "the classes are the same ones.", from, to, from < to ? from : to));
    propose_new(misfit, "kaiming()");
}

/* Words that were added stand behind the others, so the common rows are the first ones. */
static void propose_vocabulary(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    long long from = (long long)misfit->from[0], to = (long long)misfit->to[0];
    if (to < from) {
        add(misfit, PROPOSE_ROWS, COST_PART, op_line(misfit, "fit(0)"),
            arena_printf(arena, "A vocabulary of %lld, the model's has %lld: the last %lld rows "
                         "(added or padding) are left out.", from, to, from - to));
    } else {
        add(misfit, PROPOSE_ROWS, COST_PART,
            op_line(misfit, arena_printf(arena, "pad(0, %lld, mean)", to)),
            arena_printf(arena, "A vocabulary of %lld, the model's has %lld: %lld new rows begin "
                         "at the mean.", from, to, to - from));
        add(misfit, PROPOSE_ROWS, COST_PART, op_line(misfit, "fit(0, zeros)"),
            arena_printf(arena, "%lld new rows begin at zero.", to - from));
        add(misfit, PROPOSE_ROWS, COST_PART, op_line(misfit, "fit(0, normal(0.02))"),
            arena_printf(arena, "%lld new rows are drawn as most models draw them.", to - from));
    }
    propose_new(misfit, "normal(0.02)");
}

/* ---- grids ---- */

/* The side of a square of n; 0 when n is none. */
static int64_t square_side(int64_t n)
{
    if (n < SIDE_MIN * SIDE_MIN) return 0;
    int64_t side = (int64_t)llround(sqrt((double)n));
    return side <= INT32_MAX && side * side == n ? side : 0;
}

/* Rows that stand before the grid on both sides, so that both are square: 577 = 24² + 1 and
 * 197 = 14² + 1. -1 when there is no such number. */
static int64_t prefix_tokens(int64_t from, int64_t to)
{
    static const int likely[PREFIX_TOKENS_MAX] = {1, 0, 2, 5, 4, 3};
    for (size_t i = 0; i < PREFIX_TOKENS_MAX; i++)
        if (square_side(from - likely[i]) && square_side(to - likely[i])) return likely[i];
    return -1;
}

static void propose_positions(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    unsigned axis = misfit->diff.axis;
    int64_t from = misfit->from[axis], to = misfit->to[axis], tokens = prefix_tokens(from, to);
    if (tokens >= 0) {
        long long old = (long long)square_side(from - tokens),
                  new = (long long)square_side(to - tokens);
        add(misfit, PROPOSE_POSITIONS, COST_PART,
            op_line(misfit, tokens == 1 ? "pos_embed()"
                                        : arena_printf(arena, "pos_embed{prefix=%lld}",
                                                       (long long)tokens)),
            arena_printf(arena, "%lld = %lld² + %lld and %lld = %lld² + %lld: a grid of positions, "
                         "resampled as timm does.", (long long)from, old, (long long)tokens,
                         (long long)to, new, (long long)tokens));
    } else if (misfit->binding->suggest) {
        add(misfit, PROPOSE_POSITIONS, COST_PART, misfit->binding->suggest,
            arena_printf(arena, "%lld positions → %lld, no grid: the common ones are taken.",
                         (long long)from, (long long)to));
    }
    propose_new(misfit, "normal(0.02)");
}

/* The window whose offsets a table of n rows has, (2w-1)², with up to 3 rows behind it (BEiT);
 * 0 when there is none. */
static int64_t window_of(int64_t n, int64_t extra)
{
    int64_t side = square_side(n - extra);
    return side % 2 ? (side + 1) / 2 : 0;
}

static void propose_window(const Misfit *misfit)
{
    int64_t from = misfit->from[0], to = misfit->to[0], extra = 0;
    while (extra <= 3 && !(window_of(from, extra) && window_of(to, extra))) extra += 3;
    if (misfit->diff.kind == SHAPES_ONE_AXIS && misfit->diff.axis == 0 && extra <= 3)
        add(misfit, PROPOSE_WINDOW, COST_PART, op_line(misfit, "rel_pos_bias()"),
            arena_printf(misfit->proposer->arena,
                         "%lld = (2·%lld-1)²%s and %lld = (2·%lld-1)²%s: the table of a window of "
                         "%lld for one of %lld, resampled as BEiT does.", (long long)from,
                         (long long)window_of(from, extra), extra ? " + 3" : "", (long long)to,
                         (long long)window_of(to, extra), extra ? " + 3" : "",
                         (long long)window_of(from, extra), (long long)window_of(to, extra)));
    propose_new(misfit, "normal(0.02)");
}

/* ---- what the code makes anew ---- */

static void propose_buffer(const Misfit *misfit, const BufferCause *buffer)
{
    Proposer *proposer = misfit->proposer;
    const char *scope =
        arena_printf(proposer->arena, "**.%s", propose_quoted(proposer, buffer->leaf,
                                                              strlen(buffer->leaf)));
    const char *line =
        arena_printf(proposer->arena, "%s keep_target %s", propose_rules(proposer, "%s ->", scope),
                     propose_lua(proposer, scope, strlen(scope)));
    add(misfit, PROPOSE_BUFFER, COST_BUFFERS, line,
        arena_printf(proposer->arena, "%s: %s. The model's own is right.", buffer->leaf,
                     buffer->what));
}

/* ---- kernels ---- */

/* Kernels of patches differ in their two sides only. */
static bool is_patch(const Misfit *misfit)
{
    const Expr *offer = align_offer(misfit->binding);
    const int64_t *from = misfit->from, *to = misfit->to;
    return misfit->binding->rank == 4 && offer->rank == 4 && from[0] == to[0] &&
           from[1] == to[1] && from[0] > 1 && from[2] == from[3] && to[2] == to[3] &&
           from[2] <= PATCH_SIDE_MAX && to[2] <= PATCH_SIDE_MAX &&
           !has_suffix(misfit->binding->name, "bias");
}

static void propose_patch(const Misfit *misfit)
{
    add(misfit, PROPOSE_PATCH, COST_PART, op_line(misfit, "patch_embed()"),
        arena_printf(misfit->proposer->arena, "Kernels of %lld×%lld for %lld×%lld: resized so that "
                     "patches of the new size give what the old gave (FlexiViT).",
                     (long long)misfit->from[2], (long long)misfit->from[3],
                     (long long)misfit->to[2], (long long)misfit->to[3]));
    propose_new(misfit, "kaiming()");
}

/* timm's way for three channels, its sum for one; one channel is shared among the new ones. */
static const char *channels_op(Arena *arena, int64_t from, int64_t to)
{
    if (from == 3) return arena_printf(arena, "in_chans(%lld)", (long long)to);
    if (from == 1)
        return arena_printf(arena, "tile(1, %lld), mul(1/%lld)", (long long)to, (long long)to);
    return "fit(1, zeros)";
}

static void propose_channels(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    long long from = (long long)misfit->from[1], to = (long long)misfit->to[1];
    if (from == 3 || from == 1)
        add(misfit, PROPOSE_CHANNELS, COST_PART,
            op_line(misfit, channels_op(arena, from, to)),
            arena_printf(arena, "%lld input channels → %lld: %s, so that the layer gives what it "
                         "gave.", from, to, to == 1 ? "their sum" : "repeated and scaled"));
    add(misfit, PROPOSE_CHANNELS, COST_PART,
        op_line(misfit, to > from ? "fit(1, zeros)" : "fit(1)"),
        to > from ? arena_printf(arena, "The first %lld channels as they are; the new ones add "
                                 "nothing until they are trained.", from)
                  : arena_printf(arena, "The first %lld channels.", to));
    propose_new(misfit, "kaiming()");
}

/* ---- each by its cause ---- */

/* TensorFlow's kernels, height × width × in × out, for another number of input channels. */
static bool propose_hwio(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    const Expr *offer = align_offer(misfit->binding);
    const int64_t *from = misfit->from, *to = misfit->to;
    if (misfit->binding->rank != 4 || offer->rank != 4 || from[3] != to[0] || from[0] != to[2] ||
        from[1] != to[3] || from[2] == to[1])
        return false;
    const char *op = arena_printf(arena, "permute(3, 2, 0, 1), %s",
                                  channels_op(arena, from[2], to[1]));
    add(misfit, PROPOSE_CHANNELS, COST_PART, op_line(misfit, op),
        arena_printf(arena, "A kernel as TensorFlow lays it (height, width, in, out), and %lld "
                     "input channels for %lld.", (long long)from[2], (long long)to[1]));
    return true;
}

static void propose_other(const Misfit *misfit, ShapeCause cause)
{
    if (cause == CAUSE_OTHER && propose_hwio(misfit)) return;
    const char *line = misfit->binding->suggest;
    bool moved = cause == CAUSE_LAYOUT || cause == CAUSE_ORDER || cause == CAUSE_CUT;
    bool lossless = moved && line && !strstr(line, "fit(");
    if (line)
        add(misfit, moved ? PROPOSE_LAYOUT : PROPOSE_ROWS, lossless ? COST_NONE : COST_PART, line,
            cause == CAUSE_LAYOUT  ? "The format tells that the axes stand in another order."
            : cause == CAUSE_ORDER ? "The axes stand in another order."
            : cause == CAUSE_CUT   ? "As many numbers, cut into other axes."
                                   : "The common part is taken.");
    if (!lossless) propose_new(misfit, misfit->binding->rank > 1 ? "kaiming()" : "zeros()");
}

static void propose_misfit(const Misfit *misfit)
{
    Reporter reporter = {.alignment = misfit->proposer->alignment,
                         .arena = misfit->proposer->arena};
    const Binding *binding = misfit->binding;
    ShapeCause cause = report_shape_cause(&reporter, binding);
    if (cause == CAUSE_SIZE) return;     /* proposal_rest.c says so once */
    if (cause == CAUSE_BUFFER) propose_buffer(misfit, report_buffer(binding->name, binding->rank));
    else if (cause == CAUSE_WINDOW) propose_window(misfit);
    else if (cause == CAUSE_POSITIONS) propose_positions(misfit);
    else if (is_patch(misfit)) propose_patch(misfit);
    else if (cause == CAUSE_CHANNELS) propose_channels(misfit);
    else if (cause == CAUSE_VOCABULARY && misfit->diff.axis == 0) propose_vocabulary(misfit);
    else if (cause == CAUSE_CLASSES) propose_classes(misfit);
    else propose_other(misfit, cause);
}

static void propose_dtype(Proposer *proposer, const Binding *binding)
{
    if (binding->suggest)
        proposal_add(proposer->list,
                     (Proposal){.kind = PROPOSE_DTYPE, .cost = COST_PART, .line = binding->suggest,
                                .why = "The dtypes differ; this cast can lose values.",
                                .target = binding->name, .known = true});
    proposal_add(proposer->list,
                 (Proposal){.kind = PROPOSE_DTYPE, .cost = COST_PART,
                            .line = "policy{dtype=\"force\"}", .target = binding->name,
                            .why = "Casts whatever the loss, which the report measures.",
                            .known = true});
}

/* `scope`: what is like it as well; NULL: it alone, or what the report's suggestion is for. */
static void propose_for(Proposer *proposer, const Binding *binding, const char *scope)
{
    if (!scope) scope = scope_of_line(proposer, binding->suggest);
    if (!scope) scope = propose_quoted(proposer, binding->name, strlen(binding->name));
    if (binding->status == BIND_DTYPE) propose_dtype(proposer, binding);
    if (binding->status != BIND_SHAPE || !align_is_misshapen(binding)) return;
    const Expr *offer = align_offer(binding);
    const Misfit misfit = {.proposer = proposer, .binding = binding,
                           .scope = scope,
                           .diff = shape_diff(offer->dims, offer->rank, binding->dims,
                                              binding->rank),
                           .from = offer->dims, .to = binding->dims};
    propose_misfit(&misfit);
}

void propose_shape_of(Proposer *proposer, const Binding *binding)
{
    propose_for(proposer, binding, NULL);
}

/* Targets that are alike up to numbers. */
typedef struct Kind {
    const char *family;
    const Binding *first;        /* the first misfit; NULL: none */
    size_t count;
    bool mixed;                  /* not all are misfits, or not of the same two shapes */
} Kind;

static bool is_misfit(const Binding *binding)
{
    return (binding->status == BIND_SHAPE || binding->status == BIND_DTYPE) && !binding->covered;
}

static bool same_misfit(const Binding *a, const Binding *b)
{
    const Expr *x = align_offer(a), *y = align_offer(b);
    return a->status == b->status && x && y && same_dims(x->dims, x->rank, y->dims, y->rank) &&
           same_dims(a->dims, a->rank, b->dims, b->rank);
}

static Kind *list_kinds(Proposer *proposer, NameMap *names)
{
    const Alignment *alignment = proposer->alignment;
    Kind *kinds = NULL;
    size_t count = 0, room = 0;
    FamilyName family = {0};
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        family_split(binding->name, &family);
        uint32_t index = map_get(names, text_string(&family.text));
        if (index == MAP_NONE) {
            index = (uint32_t)count;
            kinds = mem_grow(kinds, &room, count + 1, sizeof *kinds);
            kinds[count++] = (Kind){arena_strdup(proposer->arena, text_string(&family.text)),
                                    NULL, 0, false};
            map_set(names, kinds[index].family, index);
        }
        Kind *kind = &kinds[index];
        kind->count++;
        if (!is_misfit(binding)) kind->mixed = true;
        else if (!kind->first) kind->first = binding;
        else if (!same_misfit(kind->first, binding)) kind->mixed = true;
    }
    family_done(&family);
    return kinds;
}

/* The family's pattern where all of it are misfits of the same kind, else NULL. */
static const char *scope_of_kind(Proposer *proposer, const Kind *kind)
{
    Text text = {0};
    if (kind->mixed || kind->count < 2 || !strchr(kind->family, FAMILY_MARK)) return NULL;
    family_rule(kind->family, NULL, &text);
    return text_keep(&text, proposer->arena);
}

/* Once for all that one rule is for. */
void propose_shapes(Proposer *proposer)
{
    const Alignment *alignment = proposer->alignment;
    const Summary *summary = align_summary(alignment);
    if (!summary->bind[BIND_SHAPE] && !summary->bind[BIND_DTYPE]) return;
    NameMap names, scopes;
    map_init(&names);
    map_init(&scopes);
    Kind *kinds = list_kinds(proposer, &names);
    FamilyName family = {0};
    for (size_t i = 0; i < alignment->count && proposer->list->count < PROPOSALS_MAX; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (!is_misfit(binding)) continue;
        family_split(binding->name, &family);
        const Kind *kind = &kinds[map_get(&names, text_string(&family.text))];
        const char *scope = scope_of_line(proposer, binding->suggest);
        if (!scope) scope = scope_of_kind(proposer, kind);
        if (!scope) scope = propose_quoted(proposer, binding->name, strlen(binding->name));
        if (map_set(&scopes, scope, 1) == MAP_NONE) propose_for(proposer, binding, scope);
    }
    free(kinds);
    family_done(&family);
    map_done(&names);
    map_done(&scopes);
}
