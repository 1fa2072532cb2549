/* Whether the sources of a rule are whole, before any data is read: said as people would.
 *
 *   model.layers.3: w1 has experts 0-7, w3 has experts 0-6 (7 is not in the file)
 *   model.layers.3: w1 has experts 0-2, 4-7 (3 is not in the file; gaps=true allows holes) */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/gather.h"
#include "loader/align/rule_lex.h"

/* ---- words ---- */

/* Where a group is: what its first star caught, else its first right-hand name. In
 * `layers.*.experts.{e}.w1 -> layers.*.w1` that is the layer's number. */
static const char *show_place(const Gather *gather, const Group *group)
{
    for (size_t i = 0; i < gather->variable_count; i++) {
        const Variable *variable = &gather->variables[i];
        if (!variable->star || !variable->used) continue;
        for (size_t j = 0; j < gather->rule->source_count; j++) {
            if (!gather->sources[j].has[i] || !group->lists[j].count) continue;
            const char *text = group->lists[j].items[0]->values[i].text;
            if (text && *text) return show_name(gather->run->draft, text);
        }
    }
    return show_name(gather->run->draft, group->names[0]);
}

/* The first segment in which a source's pattern differs from another's: "w1".
 * `*.experts.{e}.w1` and `*.experts.{e}.w3` differ in w1 and w3; a lone source needs no name. */
static const char *show_source(const Gather *gather, size_t source)
{
    const RuleSource *sources = gather->rule->sources;
    const char *text = pattern_text(sources[source].pattern);
    if (gather->rule->source_count < 2) return "";
    const char *other = pattern_text(sources[source ? 0 : 1].pattern);
    for (;;) {
        size_t n = strcspn(text, "."), m = strcspn(other, ".");
        if (n != m || memcmp(text, other, n) != 0)
            return show_name(gather->run->draft, arena_strndup(gather->run->scratch, text, n));
        if (!text[n] || !other[m]) return text;
        text += n + 1;
        other += m + 1;
    }
}

/* What a capture counts: the plain segment before it ("experts"), else its own name. */
static const char *show_variable(const Gather *gather, size_t source, size_t index)
{
    const Variable *variable = &gather->variables[index];
    if (!variable->name) return variable->star ? "*" : variable->choices;
    Arena *arena = gather->run->scratch;
    const char *text = pattern_text(gather->rule->sources[source].pattern);
    const char *brace = strstr(text, arena_printf(arena, ".{%s", variable->name));
    const char *start = brace;
    while (start && start > text && is_word_byte(start[-1])) start--;
    if (start == brace || !brace) return arena_printf(arena, "{%s}", variable->name);
    return arena_strndup(arena, start, (size_t)(brace - start));
}

/* ---- sets of values ---- */

/* For qsort. */
static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Digits as {i} has them, of a star as well. */
static bool read_number(const ItemValue *value, int64_t *number)
{
    *number = value->number;
    if (value->numeric) return true;
    const char *at = value->text;
    if (!at || !*at || (*at == '0' && at[1]) || strlen(at) > NUMBER_DIGITS_MAX) return false;
    for (*number = 0; *at; at++) {
        if (!is_digit(*at)) return false;
        *number = *number * 10 + (*at - '0');
    }
    return true;
}

/* The distinct numbers of a variable in a list, ascending; NULL when some are names. In the
 * scratch arena. */
static int64_t *list_numbers(const Gather *gather, const ItemList *list, size_t index,
                             size_t *count)
{
    int64_t *numbers = arena_alloc(gather->run->scratch, (list->count + 1) * sizeof *numbers);
    for (size_t i = 0; i < list->count; i++)
        if (!read_number(&list->items[i]->values[index], &numbers[i])) return NULL;
    qsort(numbers, list->count, sizeof *numbers, compare_numbers);
    *count = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!i || numbers[i] != numbers[*count - 1]) numbers[(*count)++] = numbers[i];
    return numbers;
}

/* How many different values a variable has in a list. A value that is absent counts as one; the
 * '=' keeps it apart from an empty text. */
static size_t count_distinct(const Gather *gather, const ItemList *list, size_t index)
{
    NameMap seen;
    map_init(&seen);
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i]->values[index].text;
        map_set(&seen, text ? arena_printf(gather->run->scratch, "=%s", text) : "", 0);
    }
    size_t count = seen.count;
    map_done(&seen);
    return count;
}

/* "0-3, 5-7", or names as they are; shortened. Eight pieces at most. */
static const char *show_values(const Gather *gather, const ItemList *list, size_t index)
{
    enum { SHOWN = 8 };
    size_t count, shown = 0;
    const int64_t *numbers = list_numbers(gather, list, index, &count);
    Text out = {0};
    for (size_t i = 0; numbers && i < count && shown < SHOWN; shown++) {
        size_t j = i;
        while (j + 1 < count && numbers[j + 1] == numbers[j] + 1) j++;
        text_addf(&out, "%s%" PRId64, i ? ", " : "", numbers[i]);
        if (j > i) text_addf(&out, "-%" PRId64, numbers[j]);
        i = j + 1;
    }
    for (size_t i = 0; !numbers && i < list->count && shown < SHOWN; i++, shown++) {
        if (i) text_add(&out, ", ");
        const char *text = list->items[i]->values[index].text;
        show_short(text ? text : "-", 40, &out);
    }
    if (shown == SHOWN) text_add(&out, " …");
    return text_keep(&out, gather->run->scratch);
}

/* ---- the checks ---- */

/* A group in which one of the sources has no key is not whole. */
static bool check_present(const Gather *gather, const Group *group, Error *err)
{
    for (size_t i = 0; i < gather->rule->source_count; i++)
        if (!group->lists[i].count)
            return error_set(err, ERR_RULE, "%s: nothing fits %s, which belongs to it",
                             show_place(gather, group),
                             show_name(gather->run->draft,
                                       pattern_text(gather->rule->sources[i].pattern)));
    return true;
}

/* What an item has in the variables that both sources have. Lengths go before the texts, so
 * that equal strings mean equal values. */
static const char *common_text(const Gather *gather, const Item *item, size_t a, size_t b)
{
    Text out = {0};
    for (size_t i = 0; i < gather->variable_count; i++) {
        if (!gather->sources[a].has[i] || !gather->sources[b].has[i]) continue;
        const char *text = item->values[i].text;
        if (text) text_addf(&out, "%zu:%s", strlen(text), text);
        else text_addc(&out, '-');
    }
    return text_keep(&out, gather->run->scratch);
}

/* An item of `a` that has no partner in `b`; NULL when all have one. A set of the others'
 * values, then one look-up an item: linear in both lists. */
static const Item *find_lonely(const Gather *gather, const Group *group, size_t a, size_t b)
{
    NameMap there;
    map_init(&there);
    for (size_t i = 0; i < group->lists[b].count; i++)
        map_set(&there, common_text(gather, group->lists[b].items[i], a, b), 0);
    const Item *lonely = NULL;
    for (size_t i = 0; !lonely && i < group->lists[a].count; i++) {
        const Item *item = group->lists[a].items[i];
        if (map_get(&there, common_text(gather, item, a, b)) == MAP_NONE) lonely = item;
    }
    map_done(&there);
    return lonely;
}

/* The variable to talk about: the first that both have and whose values differ among items.
 * Searched from the end, what is not on the right side is found first: the expert, not the
 * layer. */
static size_t telling_variable(const Gather *gather, const Group *group, size_t a, size_t b)
{
    size_t any = 0;
    for (size_t i = gather->variable_count; i--;) {
        if (!gather->sources[a].has[i] || !gather->sources[b].has[i]) continue;
        any = i;
        if (!gather->variables[i].used || count_distinct(gather, &group->lists[a], i) > 1) break;
    }
    return any;
}

/* Whether every item of `a` finds one in `b` that agrees in what both capture. */
static bool check_partners(const Gather *gather, const Group *group, size_t a, size_t b, Error *err)
{
    const Item *lonely = find_lonely(gather, group, a, b);
    if (!lonely) return true;
    size_t index = telling_variable(gather, group, a, b);
    const char *what = show_variable(gather, a, index), *text = lonely->values[index].text;
    return error_set(err, ERR_RULE, "%s: %s has %s %s, %s has %s (%s is not in the file)",
                     show_place(gather, group), show_source(gather, a), what,
                     show_values(gather, &group->lists[a], index), show_source(gather, b),
                     show_values(gather, &group->lists[b], index),
                     show_name(gather->run->draft, text ? text : "-"));
}

/* Each against the first, in both directions: then all have the same. */
static bool check_same(const Gather *gather, const Group *group, Error *err)
{
    for (size_t i = 1; i < gather->rule->source_count; i++)
        if (!check_partners(gather, group, 0, i, err) || !check_partners(gather, group, i, 0, err))
            return false;
    return true;
}

/* Whether a variable of the source is gathered and has to be without holes. */
static bool is_counted(const Gather *gather, size_t source, size_t index)
{
    const Variable *variable = &gather->variables[index];
    return gather->sources[source].has[index] && !variable->used && !variable->choices;
}

/* 0 … n-1 without holes; names are not counted. Sorted and distinct, number i must stand at i. */
static bool check_numbers(const Gather *gather, const Group *group, size_t source, size_t index,
                          Error *err)
{
    const ItemList *list = &group->lists[source];
    size_t count;
    const int64_t *numbers = list_numbers(gather, list, index, &count);
    if (!numbers) return true;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == (int64_t)i) continue;
        const char *label = show_source(gather, source);
        return error_set(err, ERR_RULE, "%s: %s%s%s %s (%zu is not in the file; gaps=true allows "
                         "holes)", show_place(gather, group), label, *label ? " has " : "",
                         show_variable(gather, source, index), show_values(gather, list, index), i);
    }
    return true;
}

/* Two captures that are gathered together must fill their grid. 4 layers by 8 experts are 32
 * keys: with 31 there is a hole, although neither 0-3 nor 0-7 shows one. Variables that are all
 * names have no grid to fill. */
static bool check_grid(const Gather *gather, const Group *group, size_t source, Error *err)
{
    const ItemList *list = &group->lists[source];
    size_t variables = 0, numeric = 0;
    uint64_t grid = 1;
    Text what = {0};
    for (size_t i = 0; i < gather->variable_count; i++) {
        int64_t number;
        if (!gather->sources[source].has[i] || gather->variables[i].used) continue;
        variables++;
        numeric += read_number(&list->items[0]->values[i], &number);
        size_t distinct = count_distinct(gather, list, i);
        text_addf(&what, "%s%zu %s", variables > 1 ? " × " : "", distinct,
                  show_variable(gather, source, i));
        if (!sum_mul(grid, distinct, &grid)) grid = UINT64_MAX;
    }
    const Pattern *pattern = gather->rule->sources[source].pattern;
    bool whole = variables < 2 || !numeric || grid == list->count;
    if (!whole)
        error_set(err, ERR_RULE, "%s: %s has %zu key%s, but %s are %" PRIu64 " (gaps=true allows "
                  "holes)", show_place(gather, group),
                  show_name(gather->run->draft, pattern_text(pattern)), list->count,
                  list->count == 1 ? "" : "s", text_string(&what), grid);
    text_done(&what);
    return whole;
}

/* stack(0, gaps=true), cat(0, gaps=true). */
static bool allows_gaps(const Rule *rule)
{
    for (size_t i = 0; i < rule->op_count; i++)
        if (rule->ops[i].gaps) return true;
    return false;
}

/* What every list must have comes before what is within one. */
bool check_group(const Gather *gather, const Group *group, Error *err)
{
    const Rule *rule = gather->rule;
    if (!check_present(gather, group, err) || !check_same(gather, group, err)) return false;
    if (allows_gaps(rule)) return true;
    for (size_t i = 0; i < rule->source_count; i++) {
        for (size_t j = 0; j < gather->variable_count; j++)
            if (is_counted(gather, i, j) && !check_numbers(gather, group, i, j, err)) return false;
        if (!check_grid(gather, group, i, err)) return false;
    }
    return true;
}
