/* Other shapes and dtypes, with their choices: rows of a classifier or a vocabulary, grids of
 * positions, tables of windows, patch kernels, input channels. The choices for one problem follow
 * one another, the usual one first. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/grid.h"
#include "loader/align/proposal_parts.h"
#include "loader/align/report_parts.h"
#include "loader/align/shape_diff.h"
#include "loader/align/suggest.h"

enum { PATCH_SIDE_MAX = 64 };

/* One binding of another shape, and what is proposed for it and its like. */
typedef struct Misfit {
    Proposer *proposer;
    const Binding *binding;
    const char *scope;           /* a pattern for it and its like: "head.*", quoted */
    const char *made;            /* of those alone that have another shape: to be made anew */
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
                        propose_lua(proposer, misfit->made, strlen(misfit->made)), op);
}

static const char *keep_line(const Misfit *misfit)
{
    Proposer *proposer = misfit->proposer;
    return arena_printf(proposer->arena, "keep_target %s",
                        propose_lua(proposer, misfit->made, strlen(misfit->made)));
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

/* Whether the boxes beside the scores, "bbox_pred" for "cls_score", are four a row: then every row
 * is a class, and the background is the first one (torchvision's). */
static bool has_box_for_each(const Misfit *misfit)
{
    static const char scores[] = "cls_score";
    const Binding *binding = misfit->binding;
    const char *at = strstr(binding->name, scores);
    if (!at) return false;
    const char *name = arena_printf(misfit->proposer->arena, "%.*sbbox_pred%s",
                                    (int)(at - binding->name), binding->name,
                                    at + strlen(scores));
    const Binding *boxes = align_find(misfit->proposer->alignment, name);
    return boxes && boxes->dims && boxes->rank && boxes->dims[0] == 4 * misfit->to[0];
}

/* Detectors put the background behind the classes: it must stay last. */
static bool may_have_background(const Misfit *misfit)
{
    static const char *const words[] = {"fc_cls", "cls_score", "class_embed", "bbox_head.cls"};
    for (size_t i = 0; i < countof(words); i++)
        if (strstr(misfit->binding->name, words[i])) return !has_box_for_each(misfit);
    return false;
}

static void propose_classes(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    long long from = (long long)misfit->from[0], to = (long long)misfit->to[0];
    const char *fit = misfit->binding->suggest ? misfit->binding->suggest
                                               : op_line(misfit, to > from ? "fit(0, zeros)"
                                                                           : "fit(0)");
    bool background = may_have_background(misfit) && from > 1 && to > 1;
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

/* "197 = 14² + 1 and 577 = 24² + 1". */
static const char *show_grids(const Misfit *misfit)
{
    unsigned axis = misfit->binding->rank - 2;
    int64_t from = misfit->from[axis], to = misfit->to[axis];
    long long tokens = (long long)grid_tokens(from, to);
    return arena_printf(misfit->proposer->arena, "%lld = %lld² + %lld and %lld = %lld² + %lld",
                        (long long)from, (long long)grid_side(from - tokens), tokens,
                        (long long)to, (long long)grid_side(to - tokens), tokens);
}

static void propose_positions(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    const Binding *binding = misfit->binding;
    const char *op = grid_op(arena, binding->name, misfit->from, misfit->to, binding->rank);
    unsigned axis = misfit->diff.axis;
    if (op) {
        const char *grids =
            binding->rank < 4 ? show_grids(misfit)
                              : arena_printf(arena, "%lld×%lld places for %lld×%lld",
                                             (long long)misfit->from[1],
                                             (long long)misfit->from[2],
                                             (long long)misfit->to[1], (long long)misfit->to[2]);
        add(misfit, PROPOSE_POSITIONS, COST_PART, op_line(misfit, op),
            arena_printf(arena, "%s: a grid of positions, resampled as timm does.", grids));
    } else if (binding->suggest) {
        add(misfit, PROPOSE_POSITIONS, COST_PART, binding->suggest,
            arena_printf(arena, "%lld positions → %lld, no grid: the common ones are taken.",
                         (long long)misfit->from[axis], (long long)misfit->to[axis]));
    }
    propose_new(misfit, "normal(0.02)");
}

static const char *explain_window(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    int64_t from = misfit->from[0], to = misfit->to[0];
    const bool along = grid_is_along_axis(misfit->binding->name);
    const int64_t extra = along ? -1 : grid_extra(from, to);
    if (along && from < to)
        return arena_printf(arena, "Offsets -%lld … %lld for -%lld … %lld: drawn out over the "
                            "larger window, near ones by less, as timm does with tables of two "
                            "axes.",
                            (long long)from / 2, (long long)from / 2, (long long)to / 2,
                            (long long)to / 2);
    if (extra < 0)
        return arena_printf(arena, "Offsets -%lld … %lld for -%lld … %lld: the middle ones, which "
                            "both have.", (long long)from / 2, (long long)from / 2,
                            (long long)to / 2, (long long)to / 2);
    long long old = (long long)grid_window(from, extra), new = (long long)grid_window(to, extra);
    const char *rows = extra ? " + 3" : "";
    return arena_printf(arena, "%lld = (2·%lld-1)²%s and %lld = (2·%lld-1)²%s: the table of a "
                        "window of %lld for one of %lld, resampled as BEiT does.", (long long)from,
                        old, rows, (long long)to, new, rows, old, new);
}

static void propose_window(const Misfit *misfit)
{
    const Binding *binding = misfit->binding;
    const char *op = grid_op(misfit->proposer->arena, binding->name, misfit->from, misfit->to,
                             binding->rank);
    if (op) add(misfit, PROPOSE_WINDOW, COST_PART, op_line(misfit, op), explain_window(misfit));
    propose_new(misfit, "normal(0.02)");
}

/* ---- what the code makes anew ---- */

static void propose_buffer(const Misfit *misfit, const BufferCause *buffer)
{
    Proposer *proposer = misfit->proposer;
    const char *line = suggest_own(proposer->arena, buffer->leaf);
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

static void propose_channels(const Misfit *misfit)
{
    Arena *arena = misfit->proposer->arena;
    long long from = (long long)misfit->from[1], to = (long long)misfit->to[1];
    if (from == 3 || from == 1)
        add(misfit, PROPOSE_CHANNELS, COST_PART,
            op_line(misfit, suggest_channels(arena, from, to)),
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
                                  suggest_channels(arena, from[2], to[1]));
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
            : cause == CAUSE_INNER ? "The common part is taken. The layer lies inside the model: "
                                     "what its other rows fed is lost."
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

static bool is_misfit(const Binding *binding)
{
    return (binding->status == BIND_SHAPE || binding->status == BIND_DTYPE) && !binding->covered;
}

/* Whether a pattern is for misfits alone. */
static bool is_for_misfits(const Proposer *proposer, const char *scope)
{
    Error ignored = {0};
    Captures captures;
    Pattern *pattern = pattern_compile(proposer->arena, scope, strlen(scope), &ignored);
    for (size_t i = 0; pattern && i < proposer->alignment->count; i++) {
        const Binding *binding = &proposer->alignment->bindings[i];
        if (!is_misfit(binding) && pattern_match(pattern, binding->name, &captures)) return false;
    }
    return pattern != NULL;
}

/* An op may be for a whole module where the others survive it (fit); to make anew, or to keep, are
 * only those that differ: the widest of the pattern, the family and the name. */
static const char *scope_of_made(Proposer *proposer, const Binding *binding, const char *scope)
{
    if (is_for_misfits(proposer, scope)) return scope;
    FamilyName family = {0};
    Text text = {0};
    family_split(binding->name, &family);
    family_rule(text_string(&family.text), NULL, &text);
    family_done(&family);
    const char *wide = text_keep(&text, proposer->arena);
    if (is_for_misfits(proposer, wide)) return wide;
    return propose_quoted(proposer, binding->name, strlen(binding->name));
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
                           .made = scope_of_made(proposer, binding, scope),
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
