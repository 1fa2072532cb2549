/* match{}: which key a target gets, where that is not told by an equal name.
 *
 * Two ways stand here, and match_shape.c has the third:
 *
 *   suffix   a target takes the key whose name is the longest suffix of its own. Target
 *            `backbone.body.conv1.weight` and the keys `conv1.weight` and `weight`: the first.
 *   order    the first open target takes the first open key, the second the second …, where
 *            they agree; the shorter list ends it. */
#include "loader/align/match.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/pattern_nodes.h"

/* ---- pairs ---- */

bool match_wants(const Matcher *matcher, size_t target)
{
    return matcher->alignment->matches[target].key == MAP_NONE;
}

bool match_has(const Matcher *matcher, size_t key)
{
    return !matcher->taken[key];
}

const Expr *match_value(const Matcher *matcher, size_t key)
{
    return key_value(draft_at(matcher->draft, key));
}

bool match_same_shape(const Expr *value, const Tensor *target)
{
    if (!value || value->unknown || !target->dims) return true;
    return same_dims(value->dims, value->rank, target->dims, target->rank);
}

void match_pair(Matcher *matcher, size_t target, size_t key)
{
    Alignment *alignment = matcher->alignment;
    alignment->matches[target].key = (uint32_t)key;
    alignment->matches[target].rule = matcher->rule;
    matcher->taken[key] = true;
    matcher->pairs++;
}

/* The open key of that name; MAP_NONE if there is none. */
static size_t find_key(const Matcher *matcher, const char *name)
{
    const DraftKey *key = draft_find(matcher->draft, name);
    size_t index = key ? (size_t)(key - draft_at(matcher->draft, 0)) : MAP_NONE;
    return key && match_has(matcher, index) ? index : MAP_NONE;
}

/* Pairs what has one name, as without a match{}; such pairs have no rule. Of equal shape alone
 * where shapes are what is matched. */
static void pair_names(Matcher *matcher, bool same_shape)
{
    const MatchRule *rule = matcher->rule;
    size_t pairs = matcher->pairs;
    matcher->rule = NULL;
    for (size_t i = 0; i < matcher->alignment->count; i++) {
        const Tensor *target = dict_at(matcher->alignment->target, i);
        size_t key = match_wants(matcher, i) ? find_key(matcher, target->name) : MAP_NONE;
        if (key == MAP_NONE) continue;
        if (same_shape && !match_same_shape(match_value(matcher, key), target)) continue;
        match_pair(matcher, i, key);
    }
    matcher->rule = rule;
    matcher->pairs = pairs;
}

/* ---- suffix ---- */

/* A target and the key it chose. */
typedef struct Chosen {
    const char *name;            /* the target's */
    size_t target, key;          /* key MAP_NONE: there is none for it */
} Chosen;

/* The key that is the longest suffix of the name, the whole name being the longest of all. One
 * look-up for every place where a suffix may begin. */
static size_t find_suffix(const Matcher *matcher, const Tensor *target)
{
    const MatchRule *rule = matcher->rule;
    for (const char *suffix = target->name; *suffix; suffix++) {
        if (rule->segments && suffix != target->name && !is_border(suffix[-1])) continue;
        size_t key = find_key(matcher, suffix);
        if (key == MAP_NONE) continue;
        if (rule->shape == MATCH_ANY_SHAPE || match_same_shape(match_value(matcher, key), target))
            return key;
    }
    return MAP_NONE;
}

/* As bytes, which for UTF-8 is the order of code points, and so Python's. */
static int compare_names(const void *a, const void *b)
{
    return strcmp(((const Chosen *)a)->name, ((const Chosen *)b)->name);
}

/* What reuse the statement asks for, or the policy. */
static MatchReuse find_reuse(const Matcher *matcher)
{
    if (matcher->rule->reuse != MATCH_REUSE_POLICY) return matcher->rule->reuse;
    switch (matcher->alignment->policy.reuse) {
    case REUSE_ALL: return MATCH_REUSE_ALL;
    case REUSE_ONCE: return MATCH_REUSE_ONCE;
    default: return MATCH_REUSE_ERROR;
    }
}

/* Whether the value that was chosen has the target's shape. */
static bool choice_fits(const Matcher *matcher, const Chosen *choice)
{
    return match_same_shape(match_value(matcher, choice->key),
                            dict_at(matcher->alignment->target, choice->target));
}

/* first[key] = the first choice that fits it, second[key] another one: the key is ambiguous.
 * Targets of another shape do not count: what is theirs in the end is the wrong shape. */
static void refuse_ambiguous(Matcher *matcher, const Chosen *choices, size_t n)
{
    size_t keys = draft_count(matcher->draft);
    uint32_t *first = mem_alloc((keys + 1) * sizeof *first);
    bool *several = mem_alloc((keys + 1) * sizeof *several);
    for (size_t i = 0; i < n; i++) {
        const Chosen *choice = &choices[i];
        if (choice->key == MAP_NONE || !choice_fits(matcher, choice)) continue;
        if (!first[choice->key]) {
            first[choice->key] = (uint32_t)i + 1;
            continue;
        }
        if (!several[choice->key])
            draft_note(matcher->draft, NOTE_ERROR, matcher->rule->origin,
                       "%s: '%s' fits at least two targets, '%s' and '%s'; say reuse=\"all\" or "
                       "once=true", matcher->rule->what,
                       show_name(matcher->draft, draft_at(matcher->draft, choice->key)->name),
                       show_name(matcher->draft, choices[first[choice->key] - 1].name),
                       show_name(matcher->draft, choice->name));
        several[choice->key] = true;
    }
    for (size_t i = 0; i < n; i++)
        if (choices[i].key != MAP_NONE && several[choices[i].key] &&
            choice_fits(matcher, &choices[i]))
            matcher->alignment->matches[choices[i].target].ambiguous = true;
    free(first);
    free(several);
}

/* Every target chooses before any is served: one key may be the choice of several. They are
 * served in the order of the alphabet, in which `once` gives a key to the first, whatever its
 * shape. */
static void match_by_suffix(Matcher *matcher)
{
    Alignment *alignment = matcher->alignment;
    Chosen *choices = mem_alloc((alignment->count + 1) * sizeof *choices);
    size_t n = 0;
    for (size_t i = 0; i < alignment->count; i++) {
        const Tensor *target = dict_at(alignment->target, i);
        if (match_wants(matcher, i))
            choices[n++] = (Chosen){target->name, i, find_suffix(matcher, target)};
    }
    qsort(choices, n, sizeof *choices, compare_names);
    MatchReuse reuse = find_reuse(matcher);
    if (reuse == MATCH_REUSE_ERROR) refuse_ambiguous(matcher, choices, n);
    for (size_t i = 0; i < n; i++) {
        if (choices[i].key == MAP_NONE) continue;
        if (reuse == MATCH_REUSE_ONCE && !match_has(matcher, choices[i].key)) continue;
        match_pair(matcher, choices[i].target, choices[i].key);
    }
    free(choices);
}

/* ---- order ---- */

/* Elements of a value and of a target; equal where one is not known. */
static bool same_count(const Expr *value, const Tensor *target)
{
    uint64_t count = 1;
    if (!value || value->unknown || !target->dims) return true;
    for (unsigned i = 0; i < value->rank; i++)
        if (!sum_mul(count, (uint64_t)value->dims[i], &count)) return false;
    return count == tensor_count(target);
}

static bool pair_agrees(const Matcher *matcher, size_t index, size_t key)
{
    const Tensor *target = dict_at(matcher->alignment->target, index);
    const Expr *value = match_value(matcher, key);
    if (matcher->rule->name && strcmp(draft_at(matcher->draft, key)->name, target->name) != 0)
        return false;
    if (matcher->rule->shape == MATCH_SAME_COUNT) return same_count(value, target);
    return matcher->rule->shape == MATCH_ANY_SHAPE || match_same_shape(value, target);
}

/* "conv.weight 4×3": a key or a target for a note. */
static const char *show_side(Matcher *matcher, const char *name, bool known, const int64_t *dims,
                             unsigned rank)
{
    Text text = {0};
    text_addf(&text, "'%s' ", show_name(matcher->draft, name));
    show_shape(known ? dims : NULL, rank, &text);
    return text_keep(&text, matcher->alignment->arena);
}

/* The pair that all=true does not forgive; `place` counts from 1. */
static void refuse_pair(Matcher *matcher, size_t place, size_t index, size_t key)
{
    static const int64_t scalar[1];
    const Tensor *target = dict_at(matcher->alignment->target, index);
    const Expr *value = match_value(matcher, key);
    const char *have = show_side(matcher, draft_at(matcher->draft, key)->name,
                                 value && !value->unknown,
                                 value && value->rank ? value->dims : scalar,
                                 value ? value->rank : 0);
    draft_note(matcher->draft, NOTE_ERROR, matcher->rule->origin,
               "%s: place %zu: %s of the source and %s of the target do not agree",
               matcher->rule->what, place, have,
               show_side(matcher, target->name, target->dims != NULL, target->dims, target->rank));
}

/* A file whose keys stand in the order of the alphabet has lost that of the model. */
static void note_alphabet(Matcher *matcher)
{
    bool source = dict_is_ordered(matcher->alignment->source);
    if (matcher->rule->name || (source && dict_is_ordered(matcher->alignment->target))) return;
    draft_note(matcher->draft, NOTE_INFO, matcher->rule->origin,
               "%s: the keys of the %s stand in the order of the alphabet, not in that of the "
               "model", matcher->rule->what, source ? "target" : "source");
}

/* In step: a place where the two do not agree is passed by on both sides. */
static void match_by_order(Matcher *matcher)
{
    size_t targets = matcher->alignment->count, keys = draft_count(matcher->draft);
    note_alphabet(matcher);
    for (size_t i = 0, j = 0, place = 1;; i++, j++, place++) {
        while (i < targets && !match_wants(matcher, i)) i++;
        while (j < keys && !match_has(matcher, j)) j++;
        if (i >= targets || j >= keys) return;
        if (pair_agrees(matcher, i, j)) {
            match_pair(matcher, i, j);
        } else if (matcher->rule->all) {
            refuse_pair(matcher, place, i, j);
            return;
        }
    }
}

/* ---- the whole ---- */

/* One statement. A rule that pairs nothing is probably misspelt; another number of pairs than it
 * was told is an error. */
static void run_rule(Matcher *matcher, const MatchRule *rule)
{
    matcher->rule = rule;
    matcher->pairs = 0;
    if (rule->rest || rule->kind == MATCH_SHAPE) pair_names(matcher, rule->kind == MATCH_SHAPE);
    if (rule->kind == MATCH_SUFFIX) match_by_suffix(matcher);
    else if (rule->kind == MATCH_ORDER) match_by_order(matcher);
    else match_by_shape(matcher);
    if (rule->count >= 0 && (uint64_t)rule->count != matcher->pairs)
        draft_note(matcher->draft, NOTE_ERROR, rule->origin, "%s: pairs %zu, not %lld",
                   rule->what, matcher->pairs, (long long)rule->count);
    else if (!matcher->pairs && rule->count < 0)
        draft_note(matcher->draft, NOTE_INFO, rule->origin, "%s: pairs nothing", rule->what);
}

/* For every key the first of its targets. */
static void index_keys(Alignment *alignment)
{
    size_t keys = draft_count(alignment->draft);
    alignment->match_of_key = mem_alloc((keys + 1) * sizeof *alignment->match_of_key);
    for (size_t i = 0; i < keys; i++) alignment->match_of_key[i] = MAP_NONE;
    for (size_t i = alignment->count; i-- > 0;)
        if (alignment->matches[i].key != MAP_NONE)
            alignment->match_of_key[alignment->matches[i].key] = (uint32_t)i;
}

/* Equal names bind what is left only where no statement has taken that over. */
void match_all(Alignment *alignment)
{
    const Later *later = draft_later(alignment->draft);
    if (!later->match_count || !alignment->target) return;
    Matcher matcher = {.alignment = alignment, .draft = alignment->draft};
    matcher.taken = mem_alloc((draft_count(alignment->draft) + 1) * sizeof *matcher.taken);
    alignment->matches = mem_alloc((alignment->count + 1) * sizeof *alignment->matches);
    for (size_t i = 0; i < alignment->count; i++) alignment->matches[i].key = MAP_NONE;
    bool names = true;
    for (size_t i = 0; i < later->match_count; i++) {
        run_rule(&matcher, &later->matches[i]);
        names = names && (later->matches[i].rest || later->matches[i].kind == MATCH_SHAPE);
    }
    if (names) pair_names(&matcher, false);
    index_keys(alignment);
    free(matcher.taken);
}

/* Without a target keys are their own. */
void pair_same(Alignment *alignment)
{
    const size_t n = alignment->count, keys = draft_count(alignment->draft);
    if (alignment->matches || !alignment->target) return;
    const char **names = mem_alloc((n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++) names[i] = dict_at(alignment->target, i)->name;
    alignment->same_key = mem_alloc((n + 1) * sizeof *alignment->same_key);
    alignment->same_target = mem_alloc((keys + 1) * sizeof *alignment->same_target);
    draft_find_many(alignment->draft, names, n, alignment->same_key);
    for (size_t i = 0; i < keys; i++) alignment->same_target[i] = MAP_NONE;
    for (size_t i = 0; i < n; i++)
        if (alignment->same_key[i] != MAP_NONE)
            alignment->same_target[alignment->same_key[i]] = (uint32_t)i;
    free(names);
}

const DraftKey *match_key(const Alignment *alignment, size_t index)
{
    if (!alignment->target) return draft_at(alignment->draft, index);
    if (!alignment->matches && !alignment->same_key)
        return draft_find(alignment->draft, dict_at(alignment->target, index)->name);
    uint32_t key = alignment->matches ? alignment->matches[index].key : alignment->same_key[index];
    return key == MAP_NONE ? NULL : draft_at(alignment->draft, key);
}

const Binding *match_target(const Alignment *alignment, size_t key)
{
    if (!alignment->target) return &alignment->bindings[key];
    if (!alignment->matches && !alignment->same_target)
        return align_find(alignment, draft_at(alignment->draft, key)->name);
    uint32_t target = alignment->matches ? alignment->match_of_key[key]
                                         : alignment->same_target[key];
    return target == MAP_NONE ? NULL : &alignment->bindings[target];
}
