/* The judge's work: what there is to judge, sorted by shape; each shape by itself, so that the
 * samples of one shape alone are in memory; then the roles of vectors. */
#include "loader/align/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_rule.h"
#include "loader/align/auto_table.h"
#include "loader/align/compare.h"
#include "loader/align/draft_parts.h"
#include "loader/align/judge_parts.h"
#include "loader/check/role.h"
#include "loader/tensor/values.h"

const char *judge_name(const Judge *judge, const char *name)
{
    Text text = {0};
    text_addc(&text, '\'');
    name_show(name, &text);
    text_addc(&text, '\'');
    return text_keep(&text, judge->arena);
}

/* A target has one veto at most: the first, which the stronger evidence makes. */
void judge_add(Judge *judge, Slot *slot, Veto veto)
{
    if (slot->decided) return;
    slot->decided = true;
    judge->vetoes = mem_grow(judge->vetoes, &judge->veto_room, judge->veto_count + 1,
                             sizeof *judge->vetoes);
    const char **names[] = {&veto.target, &veto.given, &veto.source, &veto.held, &veto.rival};
    for (size_t i = 0; i < countof(names); i++)     /* they outlive the files */
        if (*names[i]) *names[i] = arena_strdup(judge->arena, *names[i]);
    judge->vetoes[judge->veto_count++] = veto;
}

/* ---- what there is to judge ---- */

static bool is_number(const Tensor *tensor)
{
    if (!tensor->storage || !tensor->storage->source || !tensor->dims || !tensor->rank)
        return false;
    const DType dtype = tensor_value_dtype(tensor, NULL);
    return dtype != DT_UNKNOWN && dtype_info(dtype)->kind == CLASS_FLOAT &&
           tensor_count(tensor) > 1;
}

/* Whether --say has paired them: who answers a question is not asked it again. */
static bool is_said(const AutoRule *rule, const Binding *binding)
{
    for (size_t i = 0; i < rule->options.answer_count; i++) {
        const AutoAnswer *answer = &rule->options.answers[i];
        if (!answer->target || !*answer->target || !strstr(binding->name, answer->target)) continue;
        for (uint32_t k = 0; k < binding->source_count; k++)
            if (strstr(binding->sources[k]->name, answer->source)) return true;
    }
    return false;
}

/* What was found without a rule, under another name or in another order. */
static bool is_proposed(const Binding *binding)
{
    if (binding->status != BIND_LOADED || binding->partial || !binding->expr) return false;
    return binding->how == HOW_AUTO || binding->how == HOW_SUFFIX || binding->how == HOW_ORDER ||
           binding->how == HOW_SHAPE;
}

/* A target that nothing was found for, though it may have been asked about. */
static bool is_wanting(const Binding *binding)
{
    return binding->status == BIND_MISSING ||
           (binding->status == BIND_AMBIGUOUS && binding->doubt);
}

static void add_slot(Judge *judge, const Slot *slot)
{
    judge->slots = mem_grow(judge->slots, &judge->room, judge->count + 1, sizeof *judge->slots);
    judge->slots[judge->count++] = *slot;
}

/* Whether a bundle, or match{}, makes of one tensor one target: such pairs can be taken apart. */
static bool *list_singles(const Judge *judge)
{
    const Alignment *alignment = judge->alignment;
    bool *single = mem_alloc(alignment->count + 1);
    const Bundle *bundles = alignment->bundles;
    uint32_t *places = align_index_targets(alignment, bundles, alignment->bundle_count);
    const uint32_t *place = places;
    for (size_t i = 0; i < alignment->bundle_count; place += bundles[i++].target_count)
        if (bundles[i].target_count == 1 && bundles[i].source_count == 1 &&
            bundles[i].sources[0].count == 1 && *place != MAP_NONE)
            single[*place] = true;
    free(places);
    for (size_t i = 0; alignment->matches && i < alignment->count; i++)
        if (alignment->matches[i].rule && alignment->matches[i].key != MAP_NONE) single[i] = true;
    return single;
}

static void list_targets(Judge *judge, const AutoRule *rule)
{
    const Alignment *alignment = judge->alignment;
    bool *single = list_singles(judge);
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        const bool proposed = is_proposed(binding) && !is_said(rule, binding);
        const Tensor *target = binding->target;
        if ((!proposed && !is_wanting(binding)) || !target->dims || !target->rank) continue;
        Slot slot = {.binding = (uint32_t)i, .target = target, .dims = target->dims,
                     .rank = target->rank, .own = NAN};
        if (proposed) {
            slot.value = compare_uncast(binding);
            slot.source = binding->source_count == 1 ? binding->sources[0] : NULL;
            slot.single = single[i] && slot.source;
            if (slot.value->unknown ||
                !same_dims(slot.value->dims, slot.value->rank, target->dims, target->rank))
                continue;
        }
        if (!is_number(target) && !(proposed && target->rank == 1)) continue;
        if (proposed && !expr_has_data(slot.value, NULL)) continue;
        add_slot(judge, &slot);
    }
    free(single);
}

static void list_sources(Judge *judge)
{
    for (size_t i = 0; i < judge->alignment->use_count; i++) {
        const SourceUse *use = &judge->alignment->uses[i];
        if (use->status != USE_UNUSED || !is_number(use->tensor)) continue;
        add_slot(judge, &(Slot){.binding = UINT32_MAX, .source = use->tensor, .own = NAN,
                                .dims = use->tensor->dims, .rank = use->tensor->rank});
    }
}

static int compare_shapes(const Slot *a, const Slot *b)
{
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    for (unsigned k = 0; k < a->rank; k++)
        if (a->dims[k] != b->dims[k]) return a->dims[k] < b->dims[k] ? -1 : 1;
    return 0;
}

static int compare_slots(const void *left, const void *right)
{
    const Slot *a = left, *b = right;
    const int order = compare_shapes(a, b);
    if (order) return order;
    if (a->binding != b->binding) return a->binding < b->binding ? -1 : 1;
    return a->source == b->source ? 0 : (uintptr_t)a->source < (uintptr_t)b->source ? -1 : 1;
}

/* ---- the whole ---- */

static bool judge_shapes(Judge *judge)
{
    for (size_t from = 0, to; from < judge->count; from = to) {
        for (to = from + 1; to < judge->count; to++)
            if (compare_shapes(&judge->slots[from], &judge->slots[to]) != 0) break;
        if (!judge_class(judge, from, to)) return false;
    }
    return true;
}

/* Behind a URL every sample is a request. */
static bool is_far(const Alignment *alignment)
{
    const Checkpoint *source = alignment->checkpoint;
    return strstr(checkpoint_path(source), "://") != NULL;
}

const Judgement *judge_alignment(Arena *arena, const Alignment *alignment,
                                 const atomic_bool *interrupt, Error *err)
{
    const AutoRule *rule = draft_later(alignment->draft)->automatic;
    Judgement *judgement = arena_alloc(arena, sizeof *judgement);
    Judge judge = {.arena = arena, .scratch = arena_new(), .alignment = alignment,
                   .interrupt = interrupt, .judgement = judgement, .err = err};
    bool good = true;
    *judgement = (Judgement){.judged = 0};
    judge.agree = arena_alloc(arena, (alignment->count + 1) * sizeof *judge.agree);
    for (size_t i = 0; i < alignment->count; i++) judge.agree[i] = NAN;
    judgement->agree = judge.agree;
    if (rule && !rule->no_values && alignment->target && !is_far(alignment)) {
        judge.lexicon = rule->options.lexicon;
        list_targets(&judge, rule);
        list_sources(&judge);
        if (judge.count) qsort(judge.slots, judge.count, sizeof *judge.slots, compare_slots);
        good = judge_shapes(&judge) && judge_roles(&judge);
    }
    judgement->vetoes = (Vetoes){arena_copy(arena, judge.vetoes,
                                            judge.veto_count * sizeof *judge.vetoes),
                                 judge.veto_count};
    free(judge.slots);
    free(judge.vetoes);
    arena_free(judge.scratch);
    return good ? judgement : NULL;
}

static uint64_t hash_name(uint64_t seed, const char *name)
{
    return hash_text(seed, name, strlen(name));
}

uint64_t judge_proposals(const Alignment *alignment)
{
    uint64_t hash = alignment->count;
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        const bool wanting = is_wanting(binding);
        if (!is_proposed(binding) && !wanting) continue;
        const char *what = binding->step ? binding->step->what : NULL;
        hash = hash_name(hash_mix(hash, wanting), binding->name);
        if (what) hash = hash_name(hash, what);
        for (uint32_t k = 0; k < binding->source_count; k++)
            hash = hash_name(hash, binding->sources[k]->name);
    }
    return hash;
}

/* ---- what is said ---- */

/* How many targets got something else, and how many nothing; an example of either. */
typedef struct Outcome {
    size_t given, open;
    const Veto *first_given, *first_open;
} Outcome;

static Outcome sum_up(const Vetoes *vetoes)
{
    Outcome outcome = {0};
    for (size_t i = 0; i < vetoes->count; i++) {
        const Veto *veto = &vetoes->items[i];
        if (veto_settles(veto)) {
            if (!outcome.given++) outcome.first_given = veto;
        } else {
            if (!outcome.open++) outcome.first_open = veto;
        }
    }
    return outcome;
}

static void remark(Alignment *alignment, const Veto *veto, size_t n, const char *what)
{
    Text name = {0};
    name_show(veto->target, &name);
    draft_remark(alignment->draft, draft_later(alignment->draft)->automatic->origin,
                 arena_printf(alignment->arena, "values: %zu target%s %s; %s: %s", n,
                              n == 1 ? "" : "s", what, text_string(&name), veto->why));
    text_done(&name);
}

static void remark_agreement(Alignment *alignment, const Judgement *judgement)
{
    if (!judgement->judged) return;
    const Origin origin = draft_later(alignment->draft)->automatic->origin;
    if (judgement->agreed)
        draft_remark(alignment->draft, origin,
                     arena_printf(alignment->arena, "values: %zu of %zu pairs that were compared "
                                  "agree", judgement->agreed, judgement->judged));
    else if (!judgement->vetoes.count)
        draft_remark(alignment->draft, origin,
                     arena_printf(alignment->arena, "values tell nothing: none of %zu pairs "
                                  "agrees, as when the target is new", judgement->judged));
}

/* What the vetoes came to, and how far what they gave agrees. */
static void remark_vetoes(Alignment *alignment, const Vetoes *vetoes)
{
    const Outcome outcome = sum_up(vetoes);
    for (size_t i = 0; i < vetoes->count; i++) {
        const uint32_t at = align_index(alignment, vetoes->items[i].target);
        if (at != MAP_NONE)
            alignment->agree[at] = vetoes->items[i].for_rival > 0 &&
                                           alignment->bindings[at].status == BIND_LOADED
                                       ? vetoes->items[i].for_rival
                                       : NAN;
    }
    if (outcome.given)
        remark(alignment, outcome.first_given, outcome.given, outcome.given == 1
               ? "gets what the values say" : "get what the values say");
    if (outcome.open)
        remark(alignment, outcome.first_open, outcome.open, outcome.open == 1
               ? "is left open" : "are left open");
}

/* Words of names that tell of positions which are added, and of what norms are called. */
#define POSITION_WORDS "position", "positions", "pos", "positional", "wpe", "relative", "alibi"
#define NORM_WORDS "norm", "layernorm", "ln", "norm1", "norm2", "ln1", "ln2", "bn", "gn"
static const char *const position_words[] = {POSITION_WORDS, NULL};
static const char *const telling_words[] = {POSITION_WORDS, NORM_WORDS, NULL};

/* Whether names show that heads cannot be rotary: positions are added, or norms have shifts. */
static bool is_unrotated(const StateDict *dict)
{
    for (size_t i = 0; i < dict_count(dict); i++) {
        const char *name = dict_at(dict, i)->name;
        if (!names_have(name, telling_words)) continue;
        if (names_have(name, position_words) || role_of(name) == ROLE_BIAS) return true;
    }
    return false;
}

/* A tensor that goes as it is, or of two axes that are exchanged: no op has moved its rows. */
static bool is_plain(const Expr *e)
{
    while (e && (e->kind == EX_CAST || e->kind == EX_PERMUTE)) e = e->from[0];
    return e && e->kind == EX_SOURCE;
}

const Binding *judge_find_rows(const Alignment *alignment, size_t *count)
{
    const Binding *first = NULL;
    *count = 0;
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        const bool matrix = binding->rank == 2 || !binding->dims;
        if (binding->status != BIND_LOADED || !matrix || binding->source_count != 1) continue;
        const char *source = binding->sources[0]->name;
        if (!names_rotary(source) || !names_rotary(binding->name)) continue;
        if (names_rotary_alike(source, binding->name) || !is_plain(binding->expr)) continue;
        if (alignment->agree && (double)alignment->agree[i] >= 0.9) continue;
        if (!(*count)++) first = binding;
    }
    if (!first || is_unrotated(alignment->source)) return NULL;
    return alignment->target && is_unrotated(alignment->target) ? NULL : first;
}

static void remark_rows(Alignment *alignment)
{
    size_t count;
    const Binding *first = judge_find_rows(alignment, &count);
    if (!first) return;
    Text names = {0};
    name_show(first->sources[0]->name, &names);
    text_add(&names, " and ");
    name_show(first->name, &names);
    draft_remark(alignment->draft, draft_later(alignment->draft)->automatic->origin,
                 arena_printf(alignment->arena, "%zu queries and keys were paired by name (%s); "
                              "whether the rows of rotary heads stand in one order on both sides, "
                              "in pairs or in halves, shows in no name and no shape: if not, "
                              "rope_pairs(heads) or rope_halves(heads)", count,
                              text_string(&names)));
    text_done(&names);
}

void judge_close(Alignment *alignment, const Judgement *judgement, bool followed)
{
    const Vetoes *vetoes = &judgement->vetoes;
    alignment->agree = mem_alloc((alignment->count + 1) * sizeof *alignment->agree);
    memcpy(alignment->agree, judgement->agree, alignment->count * sizeof *alignment->agree);
    remark_agreement(alignment, judgement);
    if (followed) remark_vetoes(alignment, vetoes);
    remark_rows(alignment);
}
