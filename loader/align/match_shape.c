/* match{"shape"}: keys and targets of one shape, in order, group by group. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/match.h"

/* A key or a target that takes part. */
typedef struct Member {
    const char *group;           /* "i=3 | 64×3×7×7": its captures and its shape */
    size_t index;                /* in the draft, or in the target */
} Member;

typedef struct Members {
    Member *items;               /* owned, growing */
    size_t count, room;
} Members;

/* Captures by name, so that two patterns may have them in another order. */
static int compare_captures(const void *a, const void *b)
{
    const Capture *x = *(const Capture *const *)a, *y = *(const Capture *const *)b;
    if (!x->name || !y->name) return (x->name != NULL) - (y->name != NULL);
    return strcmp(x->name, y->name);
}

/* "i=3": what the pattern captures of the name, in `out`; false when the name is in no group.
 * The stars at either end are the statement's own, and say nothing. */
static bool show_captures(const Pattern *pattern, const char *name, Text *out)
{
    Captures captures;
    const Capture *sorted[CAPTURES_MAX];
    text_clear(out);
    if (!pattern) return true;
    if (!pattern_match(pattern, name, &captures)) return false;
    for (size_t i = 0; i < captures.named_count; i++) sorted[i] = &captures.named[i];
    qsort(sorted, captures.named_count, sizeof *sorted, compare_captures);
    for (size_t i = 0; i < captures.named_count; i++) {
        text_addf(out, "%s%s=", out->length ? ", " : "", sorted[i]->name ? sorted[i]->name : "");
        text_addn(out, sorted[i]->text, sorted[i]->length);
    }
    for (size_t i = 1; i + 1 < captures.star_count; i++) {
        text_add(out, out->length ? ", *=" : "*=");
        if (captures.stars[i].text)
            text_addn(out, captures.stars[i].text, captures.stars[i].length);
    }
    return true;
}

static void add_member(Matcher *matcher, Members *members, Text *group, const int64_t *dims,
                       unsigned rank, size_t index)
{
    if (group->length) text_add(group, " | ");
    show_shape(dims, rank, group);
    members->items =
        mem_grow(members->items, &members->room, members->count + 1, sizeof *members->items);
    members->items[members->count++] =
        (Member){arena_strdup(matcher->alignment->arena, text_string(group)), index};
}

/* By group, then in the order in which they stand. */
static int compare_members(const void *a, const void *b)
{
    const Member *x = a, *y = b;
    int order = strcmp(x->group, y->group);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* What is open, of known shape and in a group, sorted. */
static Members list_keys(Matcher *matcher)
{
    static const int64_t scalar[1];
    Members members = {0};
    Text group = {0};
    for (size_t i = 0; i < draft_count(matcher->draft); i++) {
        const Expr *value = match_value(matcher, i);
        if (!match_has(matcher, i) || !value || value->unknown) continue;
        if (show_captures(matcher->rule->within[0], draft_at(matcher->draft, i)->name, &group))
            add_member(matcher, &members, &group, value->rank ? value->dims : scalar, value->rank,
                       i);
    }
    text_done(&group);
    if (members.count) qsort(members.items, members.count, sizeof(Member), compare_members);
    return members;
}

/* The same of the targets. */
static Members list_targets(Matcher *matcher)
{
    Members members = {0};
    Text group = {0};
    for (size_t i = 0; i < matcher->alignment->count; i++) {
        const Tensor *target = dict_at(matcher->alignment->target, i);
        if (!match_wants(matcher, i) || !target->dims) continue;
        if (show_captures(matcher->rule->within[1], target->name, &group))
            add_member(matcher, &members, &group, target->dims, target->rank, i);
    }
    text_done(&group);
    if (members.count) qsort(members.items, members.count, sizeof(Member), compare_members);
    return members;
}

/* How many from `start` on are in the same group. */
static size_t run_length(const Members *members, size_t start)
{
    size_t end = start;
    while (end < members->count &&
           strcmp(members->items[end].group, members->items[start].group) == 0)
        end++;
    return end - start;
}

/* What could not be paired, a line a group, and only so many. */
typedef struct Refusals {
    Text text;
    size_t count;
} Refusals;

static void refuse_run(Matcher *matcher, Refusals *refusals, const char *group, size_t keys,
                       size_t targets, const char *why)
{
    enum { SHOWN = 4 };
    if (refusals->count++ >= SHOWN) return;
    text_addf(&refusals->text, "%s%s: %zu key%s, %zu target%s%s", refusals->count > 1 ? "; " : "",
              show_name(matcher->draft, group), keys, keys == 1 ? "" : "s", targets,
              targets == 1 ? "" : "s", why);
}

/* Several of one shape can only be told apart by their order, which a file in the order of the
 * alphabet has lost. */
static void pair_run(Matcher *matcher, Refusals *refusals, const Member *keys, size_t key_count,
                     const Member *targets, size_t target_count)
{
    bool ordered = dict_is_ordered(matcher->alignment->source) &&
                   dict_is_ordered(matcher->alignment->target);
    if (key_count != target_count)
        refuse_run(matcher, refusals, keys->group, key_count, target_count, "");
    else if (key_count > 1 && !ordered)
        refuse_run(matcher, refusals, keys->group, key_count, target_count,
                   " in the order of the alphabet");
    else
        for (size_t i = 0; i < key_count; i++)
            match_pair(matcher, targets[i].index, keys[i].index);
}

/* The two sorted lists are walked together; groups that only one side has are passed by. */
void match_by_shape(Matcher *matcher)
{
    Members keys = list_keys(matcher), targets = list_targets(matcher);
    Refusals refusals = {0};
    for (size_t i = 0, j = 0; i < keys.count && j < targets.count;) {
        int order = strcmp(keys.items[i].group, targets.items[j].group);
        size_t key_run = run_length(&keys, i), target_run = run_length(&targets, j);
        if (order == 0)
            pair_run(matcher, &refusals, &keys.items[i], key_run, &targets.items[j], target_run);
        if (order <= 0) i += key_run;
        if (order >= 0) j += target_run;
    }
    if (refusals.count)
        draft_note(matcher->draft, NOTE_INFO, matcher->rule->origin, "%s pairs nothing in %zu "
                   "group%s: %s%s", matcher->rule->what, refusals.count,
                   refusals.count == 1 ? "" : "s", text_string(&refusals.text),
                   refusals.count > 4 ? "; …" : "");
    text_done(&refusals.text);
    free(keys.items);
    free(targets.items);
}
