/* What the values say is done: bundles are exchanged, turned or left out before they are carried
 * out, so that nothing behind auto{} can tell that they were not found so. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align_doubt.h"
#include "loader/align/draft_parts.h"

typedef struct Vetoer {
    const Alignment *alignment;
    Arena *arena;                /* the alignment's */
    const Bundle *before;        /* [count] owned: as they were found */
    Bundle *bundles;             /* [count] the caller's; no target: to be left out */
    size_t count, total;         /* found; with those that were added */
    NameMap targets;             /* target → index of `before` */
    NameMap keys;                /* tensor of the source file → index of its key; filled when it
                                    is asked for */
    bool keys_listed;
} Vetoer;

static const Bundle *found_for(const Vetoer *vetoer, const char *target)
{
    const uint32_t index = target ? map_get(&vetoer->targets, target) : MAP_NONE;
    return index == MAP_NONE ? NULL : &vetoer->before[index];
}

static bool is_single(const Bundle *bundle)
{
    return bundle && bundle->target_count == 1 && bundle->source_count == 1 &&
           bundle->sources[0].count == 1;
}

/* Each tensor once: by the first of its keys. */
static void list_keys(Vetoer *vetoer)
{
    const Draft *draft = vetoer->alignment->draft;
    vetoer->keys_listed = true;
    for (size_t i = 0; i < draft_count(draft); i++) {
        const DraftKey *key = draft_at(draft, i);
        if (!key->expr || key->collision || key->expr->kind != EX_SOURCE) continue;
        const char *name = key->expr->tensor->name;
        if (map_get(&vetoer->keys, name) == MAP_NONE) map_set(&vetoer->keys, name, (uint32_t)i);
    }
}

/* The key that stands for a tensor of the source file, as it is named now; NULL: none does. */
static const char *key_of(Vetoer *vetoer, const char *source)
{
    if (!vetoer->keys_listed) list_keys(vetoer);
    const uint32_t index = map_get(&vetoer->keys, source);
    return index == MAP_NONE ? NULL : draft_at(vetoer->alignment->draft, index)->name;
}

/* `more` behind the ops of a bundle; the same twice is nothing, where it exchanges two axes. */
static void add_op(const Vetoer *vetoer, Bundle *bundle, Op more)
{
    const size_t n = bundle->op_count;
    if (more.kind == OP_T && n && bundle->ops[n - 1].kind == OP_T) {
        bundle->op_count--;
        return;
    }
    Op *ops = arena_alloc(vetoer->arena, (n + 1) * sizeof *ops);
    if (n) memcpy(ops, bundle->ops, n * sizeof *ops);
    ops[n] = more;
    bundle->ops = ops;
    bundle->op_count = n + 1;
}

static Bundle from_key(const Vetoer *vetoer, const char *key, const char *const *target)
{
    const char **name = arena_alloc(vetoer->arena, sizeof *name);
    NameList *list = arena_alloc(vetoer->arena, sizeof *list);
    *name = key;
    *list = (NameList){name, 1};
    return (Bundle){.sources = list, .source_count = 1, .targets = target, .target_count = 1};
}

/* The bundle that makes a target as its veto says. False: it is left open. */
static bool settle(Vetoer *vetoer, const Veto *veto, const Bundle *found, Bundle *made)
{
    const Bundle *other = found_for(vetoer, veto->given);
    const char *const *target = found ? found->targets : NULL;
    if (found && !is_single(found)) return false;
    if (!found) {
        const char **name = arena_alloc(vetoer->arena, sizeof *name);
        *name = dict_find(vetoer->alignment->target, veto->target)->name;
        target = name;
    }
    if (veto->given) {
        if (!is_single(other)) return false;
        *made = *other;
        made->targets = target;
    } else if (veto->source) {
        const char *key = key_of(vetoer, veto->source);
        if (!key) return false;
        *made = from_key(vetoer, key, target);
    } else if (found && (veto->turn || veto->pairs || veto->halves)) {
        *made = *found;
        add_op(vetoer, made,
               veto->turn ? (Op){.kind = OP_T}
                          : (Op){.kind = veto->pairs ? OP_ROPE_PAIRS : OP_ROPE_HALVES,
                                 .has_number = true,
                                 .number = veto->pairs ? veto->pairs : veto->halves});
    } else {
        return false;
    }
    made->confidence = veto->for_rival > 0.5f ? veto->for_rival : 0.99f;
    made->why = arena_printf(vetoer->arena, "values: %s", veto->why);
    return true;
}

/* A target of several that one bundle makes takes the others with it. */
static void follow(Vetoer *vetoer, const Veto *veto)
{
    const Bundle *found = found_for(vetoer, veto->target);
    Bundle made;
    if (settle(vetoer, veto, found, &made)) {
        const uint32_t at = align_index(vetoer->alignment, veto->target);
        const uint32_t doubt = vetoer->alignment->doubt_of[at];
        if (doubt) vetoer->alignment->doubts[doubt - 1].settled = true;
        if (found) vetoer->bundles[found - vetoer->before] = made;
        else vetoer->bundles[vetoer->total++] = made;
    } else if (found) {
        vetoer->bundles[found - vetoer->before].target_count = 0;
    }
}

size_t veto_bundles(const Alignment *alignment, const Vetoes *vetoes, Bundle *bundles, size_t n)
{
    Vetoer vetoer = {.alignment = alignment, .arena = alignment->arena, .bundles = bundles,
                     .count = n, .total = n};
    Bundle *before = mem_alloc((n + 1) * sizeof *before);
    size_t kept = 0;
    memcpy(before, bundles, n * sizeof *before);
    vetoer.before = before;
    map_init(&vetoer.targets);
    map_init(&vetoer.keys);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < before[i].target_count; k++)
            map_set(&vetoer.targets, before[i].targets[k], (uint32_t)i);
    for (size_t i = 0; i < vetoes->count; i++)
        if (align_index(alignment, vetoes->items[i].target) != MAP_NONE)
            follow(&vetoer, &vetoes->items[i]);
    for (size_t i = 0; i < vetoer.total; i++)
        if (bundles[i].target_count) bundles[kept++] = bundles[i];
    map_done(&vetoer.targets);
    map_done(&vetoer.keys);
    free(before);
    return kept;
}

/* ---- match{} ---- */

void veto_matches(Alignment *alignment, const Vetoes *vetoes)
{
    if (!alignment->matches || !vetoes) return;
    Match *before = mem_alloc((alignment->count + 1) * sizeof *before);
    memcpy(before, alignment->matches, alignment->count * sizeof *before);
    for (size_t i = 0; i < vetoes->count; i++) {
        const Veto *veto = &vetoes->items[i];
        const uint32_t at = align_index(alignment, veto->target);
        if (at == MAP_NONE || !before[at].rule || before[at].key == MAP_NONE) continue;
        const uint32_t other = veto->given ? align_index(alignment, veto->given) : MAP_NONE;
        const bool taken = other != MAP_NONE && before[other].rule;
        alignment->matches[at].key = taken ? before[other].key : MAP_NONE;
        if (!taken) alignment->matches[at].rule = NULL;
    }
    free(before);
}

/* ---- questions ---- */

/* Vetoes of one question: of one family of targets, and of what was proposed for it. */
typedef struct Question {
    const char **held, **rivals, **targets;      /* owned, growing */
    size_t held_count, rival_count, target_count, held_room, rival_room, target_room;
    const Veto *first;
} Question;

static void add_name(Arena *arena, const char ***names, size_t *count, size_t *room,
                     const char *name)
{
    if (!name) return;
    *names = mem_grow(*names, room, *count + 1, sizeof **names);
    (*names)[(*count)++] = arena_strdup(arena, name);
}

static void close_question(Alignment *alignment, Question *question)
{
    Arena *arena = alignment->arena;
    Doubt *doubt = doubt_add(alignment);
    const Veto *first = question->first;
    size_t held, rivals;
    const char *const *a = doubt_fold(arena, question->held, question->held_count, &held);
    const char *const *b = doubt_fold(arena, question->rivals, question->rival_count, &rivals);
    const char **sources = arena_alloc(arena, (held + rivals + 1) * sizeof *sources);
    for (size_t i = 0; i < held; i++) sources[i] = a[i];
    for (size_t i = 0; i < rivals; i++) sources[held + i] = b[i];
    doubt->sources = sources;
    doubt->source_count = held + rivals;
    doubt->targets =
        doubt_fold(arena, question->targets, question->target_count, &doubt->target_count);
    float *scores = arena_alloc(arena, (doubt->source_count * doubt->target_count + 1) *
                                           sizeof *scores);
    for (size_t i = 0; i < doubt->source_count * doubt->target_count; i++) {
        const float agree = i < held * doubt->target_count ? first->for_held : first->for_rival;
        scores[i] = agree > 0.01f ? agree : 0.01f;
    }
    doubt->scores = scores;
    doubt->tensors = question->target_count;
    doubt->why = arena_strdup(arena, first->why);
    const char *source = first->rival ? first->rival : first->held;
    const char *target = doubt_words(arena, arena_strdup(arena, first->target));
    doubt->ask = source ? arena_printf(arena, "%s=%s",
                                       doubt_words(arena, arena_strdup(arena, source)), target)
                        : arena_printf(arena, "?=%s", target);
    doubt->say = source ? doubt->ask : NULL;
    for (size_t i = 0; i < question->target_count; i++)
        doubt_target(alignment, question->targets[i], doubt);
    free(question->held);
    free(question->rivals);
    free(question->targets);
}

void veto_doubts(Alignment *alignment, const Vetoes *vetoes)
{
    if (!vetoes) return;
    Question *questions = mem_alloc((vetoes->count + 1) * sizeof *questions);
    size_t count = 0;
    NameMap known;
    map_init(&known);
    for (size_t i = 0; i < vetoes->count; i++) {
        const Veto *veto = &vetoes->items[i];
        if (veto_settles(veto)) continue;
        if (align_index(alignment, veto->target) == MAP_NONE) continue;
        Question *one = &questions[doubt_number(alignment->arena, &known,
                                                veto->held ? veto->held : "", veto->target,
                                                &count)];
        if (!one->first) one->first = veto;
        const size_t at = align_index(alignment, veto->target);
        add_name(alignment->arena, &one->held, &one->held_count, &one->held_room, veto->held);
        add_name(alignment->arena, &one->rivals, &one->rival_count, &one->rival_room, veto->rival);
        add_name(alignment->arena, &one->targets, &one->target_count, &one->target_room,
                 dict_at(alignment->target, at)->name);
    }
    for (size_t i = 0; i < count; i++) close_question(alignment, &questions[i]);
    map_done(&known);
    free(questions);
}
