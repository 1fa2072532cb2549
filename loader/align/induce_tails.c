/* Heads in common: groups whose sources and targets end in the same words become one rule with a
 * star, where it catches nothing else.
 *
 *   module.conv1.weight -> conv1.weight, module.fc.bias -> fc.bias …      module.** -> **
 *
 * The heads that most groups have in common are tried first. What such a rule would catch besides
 * must be said by rules that stand before it; a key that nobody wants must not be caught. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_parts.h"

enum { LONG_NAME = 2000, EXCEPTIONS_FEW = 8 };

/* Groups with equal heads. */
typedef struct Candidate {
    Form form;                   /* heads and tail; pairs are gathered when it is tried */
    uint32_t *groups;            /* [count] owned, growing */
    size_t count, room;
    size_t pairs;                /* bundles of them */
    size_t number;               /* as it was found: what is left to decide where all is equal */
} Candidate;

typedef struct Candidates {
    Candidate *items;            /* owned, growing */
    size_t count, room;
    NameMap index;               /* heads as text → items */
} Candidates;

/* ---- where a group may be cut ---- */

/* How many numbers at the end are the same in all names of a bundle, for all of a group. */
static unsigned count_identical(const Inducer *inducer, const Form *form)
{
    unsigned same = form->sources[0].columns;
    const int64_t *values = inducer->names.values;
    for (size_t i = 0; same && i < form->count; i++) {
        const Pair *pair = &inducer->pairs[form->pairs[i]];
        const SplitName *first = &inducer->keys[pair->lists[0].keys[0]];
        const int64_t *end = values + first->at + form->sources[0].columns;
        for (size_t s = 1; s < form->list_count + form->target_count; s++) {
            bool target = s >= form->list_count;
            size_t side = target ? s - form->list_count : s;
            const SplitName *name = target ? &pair->targets[side]
                                           : &inducer->keys[pair->lists[side].keys[0]];
            unsigned columns = target ? form->targets[side].columns : form->sources[side].columns;
            const int64_t *other = values + name->at + columns;
            unsigned n = 0;
            while (n < same && n < columns && end[-(int)n - 1] == other[-(int)n - 1]) n++;
            same = n;
        }
    }
    return same;
}

/* Whether a name may be cut behind its first n bytes. */
static bool may_cut(const Head *head, size_t n)
{
    return n == 0 || head->text[n - 1] == '.' || head->text[n - 1] == '/';
}

/* Whether all names end in that tail, which can be cut off; it is not gathered or counted. */
static bool ends_alike(const Form *form, const char *tail, size_t n, unsigned columns)
{
    for (size_t s = 0; s < form->list_count + form->target_count; s++) {
        bool target = s >= form->list_count;
        const Head *head = target ? &form->targets[s - form->list_count] : &form->sources[s];
        uint32_t taken = target ? form->counted : form->gathered[s];
        if (head->literal || head->length < n || head->columns < columns) return false;
        if (memcmp(head->text + head->length - n, tail, n) != 0) return false;
        if (!may_cut(head, head->length - n)) return false;
        if (taken >> (head->columns - columns)) return false;
    }
    return true;
}

static unsigned count_marks(const char *text, size_t n)
{
    unsigned count = 0;
    for (size_t i = 0; i < n; i++) count += text[i] == FAMILY_MARK;
    return count;
}

static Head cut_head(const Head *head, size_t n, unsigned columns)
{
    return (Head){head->text, head->length - n, head->columns - columns, false};
}

/* The form without its last n bytes. */
static Form cut_form(Arena *arena, const Form *form, size_t n, unsigned columns, Tail tail)
{
    Head *sources = arena_alloc(arena, form->list_count * sizeof *sources);
    Head *targets = arena_alloc(arena, form->target_count * sizeof *targets);
    for (size_t i = 0; i < form->list_count; i++)
        sources[i] = cut_head(&form->sources[i], n, columns);
    for (size_t i = 0; i < form->target_count; i++)
        targets[i] = cut_head(&form->targets[i], n, columns);
    Form cut = *form;
    cut.sources = sources;
    cut.targets = targets;
    cut.tail = tail;
    cut.pairs = NULL;
    cut.count = 0;
    return cut;
}

/* Heads, ops and tail as one text: lengths stand before texts, so that equal means equal. */
static void write_heads(const Form *form, size_t n, Tail tail, Text *out)
{
    text_clear(out);
    text_addf(out, "%d %u %x", tail, form->ops, form->counted);
    for (size_t i = 0; i < form->list_count; i++) {
        size_t length = form->sources[i].length - n;
        text_addf(out, " %x%s %zu:", form->gathered[i], form->keep[i] ? "&" : "", length);
        text_addn(out, form->sources[i].text, length);
    }
    text_add(out, "->");
    for (size_t i = 0; i < form->target_count; i++) {
        size_t length = form->targets[i].length - n;
        text_addf(out, " %zu:", length);
        text_addn(out, form->targets[i].text, length);
    }
}

static void add_candidate(Inducer *inducer, Candidates *candidates, uint32_t index, size_t n,
                          unsigned columns, Tail tail, Text *key)
{
    const Form *form = &inducer->groups[index].form;
    write_heads(form, n, tail, key);
    uint32_t at = map_get(&candidates->index, text_string(key));
    if (at == MAP_NONE) {
        at = (uint32_t)candidates->count;
        candidates->items = mem_grow(candidates->items, &candidates->room, candidates->count + 1,
                                     sizeof *candidates->items);
        candidates->items[at] =
            (Candidate){.form = cut_form(inducer->scratch, form, n, columns, tail), .number = at};
        candidates->count++;
        map_set(&candidates->index, arena_strdup(inducer->scratch, text_string(key)), at);
    }
    Candidate *candidate = &candidates->items[at];
    candidate->groups = mem_grow(candidate->groups, &candidate->room, candidate->count + 1,
                                 sizeof *candidate->groups);
    candidate->groups[candidate->count++] = index;
    candidate->pairs += form->count;
}

/* Every cut of a group, from the shortest tail on. A tail of one segment may be taken by either
 * star. */
static void cut_group(Inducer *inducer, Candidates *candidates, uint32_t index, Text *key)
{
    const Form *form = &inducer->groups[index].form;
    const Head *first = &form->sources[0];
    if (first->literal || first->length > LONG_NAME) return;
    unsigned same = count_identical(inducer, form);
    size_t cuts = 0;
    for (size_t n = 1; n <= first->length && cuts < CUTS_MAX; n++) {
        if (!may_cut(first, first->length - n)) continue;
        const char *tail = first->text + first->length - n;
        unsigned columns = count_marks(tail, n);
        if (columns > same || !ends_alike(form, tail, n, columns)) return;
        cuts++;
        if (!memchr(tail, '.', n))
            add_candidate(inducer, candidates, index, n, columns, TAIL_SEGMENT, key);
        add_candidate(inducer, candidates, index, n, columns, TAIL_RUN, key);
    }
}

/* ---- trying ---- */

/* Most groups first; then most bundles, then the shorter star, then the longer head. */
static int compare_candidates(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    if (x->pairs != y->pairs) return x->pairs > y->pairs ? -1 : 1;
    if (x->form.tail != y->form.tail) return x->form.tail < y->form.tail ? -1 : 1;
    size_t m = x->form.sources[0].length, n = y->form.sources[0].length;
    if (m != n) return m > n ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Takes out the groups that other rules say by now, or that must stand before a rule at the end;
 * *rules receives how many rules the others come to by themselves. */
static void keep_open(const Inducer *inducer, Candidate *candidate, size_t *rules)
{
    size_t count = 0;
    *rules = 0;
    for (size_t i = 0; i < candidate->count; i++) {
        const Group *group = &inducer->groups[candidate->groups[i]];
        if (group->covered) continue;
        candidate->groups[count++] = candidate->groups[i];
        *rules += group->made.count;
    }
    candidate->count = count;
}

/* Whether so many other kins lie below the heads that a star cannot be meant. */
static bool is_crowded(const Inducer *inducer, const Candidate *candidate)
{
    for (size_t i = 0; i < candidate->form.list_count; i++) {
        size_t first, behind;
        names_range(&inducer->names, &candidate->form.sources[i], &first, &behind);
        if (behind - first > 2 * candidate->count + EXCEPTIONS_FEW) return true;
    }
    return false;
}

static int compare_indexes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void gather_pairs(const Inducer *inducer, Candidate *candidate)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < candidate->count; i++)
        total += inducer->groups[candidate->groups[i]].form.count;
    candidate->form.pairs = mem_alloc((total + 1) * sizeof *candidate->form.pairs);
    for (size_t i = 0; i < candidate->count; i++) {
        const Form *form = &inducer->groups[candidate->groups[i]].form;
        memcpy(candidate->form.pairs + at, form->pairs, form->count * sizeof *form->pairs);
        at += form->count;
    }
    candidate->form.count = total;
    qsort(candidate->form.pairs, total, sizeof *candidate->form.pairs, compare_indexes);
}

/* Whether the groups that would be caught besides can stand before: none of them is said by a rule
 * at the end. */
static bool may_except(const Inducer *inducer, const Exceptions *excepted)
{
    for (size_t i = 0; i < excepted->count; i++) {
        const Group *group = &inducer->groups[excepted->list[i]];
        if (group->covered && group->order) return false;
    }
    return true;
}

/* Rules with exceptions stand at the end, the last found first: what it excepts is not among those
 * found earlier, and what they except may be in it. */
static void accept(Inducer *inducer, const Candidate *candidate, const MadeList *made,
                   size_t exceptions)
{
    uint32_t order = exceptions ? UINT32_MAX - ++inducer->orders : 0;
    MadeList finer = {0};
    for (size_t i = 0; i < candidate->count; i++) {
        Group *group = &inducer->groups[candidate->groups[i]];
        group->covered = true;
        group->order = order;
        for (size_t j = 0; j < group->made.count; j++) made_add(&finer, group->made.items[j]);
    }
    const Made *const *list = arena_copy(inducer->scratch, finer.items,
                                         finer.count * sizeof *finer.items);
    for (size_t i = 0; i < made->count; i++) {
        Made one = *made->items[i];
        one.order = order;
        /* The first has all of the finer ones: where one of them fails, all are replaced. */
        one.finer = list;
        one.finer_count = finer.count;
        made_add(&inducer->made, arena_copy(inducer->scratch, &one, sizeof one));
    }
    free(finer.items);
}

static void try_candidate(Inducer *inducer, Candidate *candidate, Exceptions *excepted)
{
    size_t rules;
    keep_open(inducer, candidate, &rules);
    if (candidate->count < 2 || rules < 2 || is_crowded(inducer, candidate)) return;
    gather_pairs(inducer, candidate);
    MadeList made = {0};
    if (form_divide(inducer, &candidate->form, rules - 1, excepted, &made) &&
        excepted->count <= candidate->count && may_except(inducer, excepted))
        accept(inducer, candidate, &made, excepted->count);
    for (size_t i = 0; i < excepted->count; i++) excepted->marked[excepted->list[i]] = false;
    excepted->count = 0;
    free(made.items);
    free(candidate->form.pairs);
}

void merge_tails(Inducer *inducer)
{
    Candidates candidates = {0};
    Exceptions excepted = {.marked = mem_alloc(inducer->group_count + 1)};
    Text key = {0};
    map_init(&candidates.index);
    for (uint32_t i = 0; i < inducer->group_count; i++)
        cut_group(inducer, &candidates, i, &key);
    if (candidates.count)
        qsort(candidates.items, candidates.count, sizeof *candidates.items, compare_candidates);
    for (size_t i = 0; i < candidates.count; i++)
        if (candidates.items[i].count > 1) try_candidate(inducer, &candidates.items[i], &excepted);
    for (size_t i = 0; i < candidates.count; i++) free(candidates.items[i].groups);
    for (uint32_t i = 0; i < inducer->group_count; i++) {
        const Group *group = &inducer->groups[i];
        for (size_t j = 0; !group->covered && j < group->made.count; j++)
            made_add(&inducer->made, group->made.items[j]);
    }
    map_done(&candidates.index);
    free(excepted.marked);
    free(excepted.list);
    free(candidates.items);
    text_done(&key);
}
