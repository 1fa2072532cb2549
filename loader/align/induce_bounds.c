/* Bounds: what a rule must say of its numbers so that it catches its own keys and no other.
 *
 * `layers.{i}.w` of which only layers 0 to 3 are wanted, and 4 is there, has to be
 * `layers.{i:0-3}.w`. Where numbers that are wanted and numbers that are not lie among each other,
 * alternatives name them; where no number tells them apart, the part must be divided. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_divide.h"

/* ---- keys that might be caught ---- */

/* Whether the rest of a kin behind a head is what the tail takes. */
static bool tail_takes(const Kin *kin, const Head *head, Tail tail)
{
    const char *rest = kin->text + head->length;
    switch (tail) {
    case TAIL_NONE: return !*rest;
    case TAIL_SEGMENT: return *rest && !strchr(rest, '.');
    case TAIL_RUN: return true;
    }
    return false;
}

/* Whose key it is, as seen from a list of the form. */
static Near look_at(const Divider *divider, uint32_t list, uint32_t key)
{
    const Inducer *inducer = divider->inducer;
    Near near = {key, NONE, NONE};
    bool ours = false;
    for (uint32_t next = inducer->first_use[key]; next; next = inducer->uses[next - 1].next) {
        const Use *use = &inducer->uses[next - 1];
        const Pair *pair = &inducer->pairs[use->pair];
        uint32_t row = inducer->row_of[use->pair];
        ours = ours || row != NONE;
        if (row != NONE && use->list == list) near.row = row;
        if (pair->state == PAIR_PLAIN) near.group = pair->group;
    }
    if (ours || !divider->excepted) near.group = NONE;
    return near;
}

static void add_kin(Divider *divider, uint32_t list, const Kin *kin)
{
    NearList *near = &divider->near[list];
    near->items = mem_grow(near->items, &near->room, near->count + kin->key_count,
                           sizeof *near->items);
    for (size_t i = 0; i < kin->key_count; i++)
        near->items[near->count++] = look_at(divider, list, kin->keys[i]);
}

/* `a.**` takes "a" as well. */
static void add_bare(Divider *divider, uint32_t list, const Head *head)
{
    NameTable *names = &divider->inducer->names;
    if (divider->form->tail != TAIL_RUN || !head->length || head->text[head->length - 1] != '.')
        return;
    const char *text = arena_strndup(divider->inducer->scratch, head->text, head->length - 1);
    uint32_t kin = map_get(&names->marked, text);
    if (kin != MAP_NONE) add_kin(divider, list, &names->kins[kin]);
}

void near_collect(Divider *divider)
{
    const NameTable *names = &divider->inducer->names;
    for (uint32_t i = 0; i < divider->form->list_count; i++) {
        const Head *head = &divider->form->sources[i];
        if (head->literal) continue;
        size_t at, behind;
        names_range(names, head, &at, &behind);
        for (; at < behind; at++) {
            const Kin *kin = &names->kins[names->sorted[at]];
            if (!kin->literal && tail_takes(kin, head, divider->form->tail))
                add_kin(divider, i, kin);
        }
        add_bare(divider, i, head);
    }
}

/* ---- numbers of a part ---- */

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static size_t sort_once(int64_t *values, size_t n)
{
    size_t count = 0;
    qsort(values, n, sizeof *values, compare_numbers);
    for (size_t i = 0; i < n; i++)
        if (!i || values[i] != values[count - 1]) values[count++] = values[i];
    return count;
}

/* The numbers that a variable has in the part. */
static void list_values(Divider *divider, Variable *variable, const uint32_t *rows, size_t n)
{
    const Inducer *inducer = divider->inducer;
    size_t total = 0, room = n;
    if (variable->values) return;
    for (size_t i = 0; variable->gathered && i < n; i++)
        room += inducer->pairs[divider->form->pairs[rows[i]]].lists[variable->list].count;
    int64_t *values = arena_alloc(inducer->scratch, (room + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        const PairList *list = &inducer->pairs[divider->form->pairs[rows[i]]]
                                    .lists[variable->gathered ? variable->list : divider->base];
        size_t keys = variable->gathered ? list->count : 1;
        for (size_t j = 0; j < keys; j++)
            values[total++] = key_number(inducer, list->keys[j], variable->column);
    }
    variable->values = values;
    variable->count = sort_once(values, total);
}

static bool has_value(const Variable *variable, int64_t value)
{
    return bsearch(&value, variable->values, variable->count, sizeof value, compare_numbers);
}

/* Gathered numbers that are not 0 … n-1 have to be said: the engine asks for them otherwise. */
static bool has_holes(const Divider *divider, const Variable *variable, const uint32_t *rows,
                      size_t n)
{
    const Inducer *inducer = divider->inducer;
    for (size_t i = 0; i < n; i++) {
        const PairList *list =
            &inducer->pairs[divider->form->pairs[rows[i]]].lists[variable->list];
        int64_t *values = arena_alloc(inducer->scratch, list->count * sizeof *values);
        for (size_t j = 0; j < list->count; j++)
            values[j] = key_number(inducer, list->keys[j], variable->column);
        size_t count = sort_once(values, list->count);
        if (values[0] != 0 || values[count - 1] != (int64_t)count - 1) return true;
    }
    return false;
}

/* ---- catching ---- */

/* The variable in a column of a list, also where it follows from the base list's; NULL: it is a
 * constant there, *value. */
static Variable *variable_at(Divider *divider, uint32_t list, unsigned column, int64_t *value)
{
    int index = divider->variable_of[list * FAMILY_NUMBERS_MAX + column];
    if (index < 0) {
        const Formula *formula = &divider->formulas[-index - 2];
        *value = formula->c;
        if (formula->kind == FORMULA_CONST) return NULL;
        index = (int)formula->x;
    }
    Variable *variable = &divider->variables[index];
    *value = variable->value;
    return variable->constant ? NULL : variable;
}

/* Whether the pattern of a list, as it is bounded now, fits the key. */
static bool catches(Divider *divider, uint32_t list, uint32_t key)
{
    for (unsigned c = 0; c < divider->form->sources[list].columns; c++) {
        int64_t value, number = key_number(divider->inducer, key, c);
        const Variable *variable = variable_at(divider, list, c, &value);
        if (!variable && number != value) return false;
        if (variable && variable->bounded && !has_value(variable, number)) return false;
    }
    return true;
}

/* A key that is caught and must not be. */
typedef struct Bad {
    uint32_t list, key;
} Bad;

typedef struct BadList {
    Bad *items;                  /* owned, growing */
    size_t count, room;
} BadList;

static void except(Exceptions *excepted, uint32_t group)
{
    if (excepted->marked[group]) return;
    excepted->marked[group] = true;
    excepted->list = mem_grow(excepted->list, &excepted->room, excepted->count + 1,
                              sizeof *excepted->list);
    excepted->list[excepted->count++] = group;
}

/* What the rule would catch besides its own; marks groups that may be caught. */
static void find_bad(Divider *divider, BadList *bad, bool mark)
{
    bad->count = 0;
    for (uint32_t l = 0; l < divider->form->list_count; l++)
        for (size_t i = 0; i < divider->near[l].count; i++) {
            const Near *near = &divider->near[l].items[i];
            divider->work++;
            if (near->row != NONE && divider->part_of[near->row] == divider->part) continue;
            if (!catches(divider, l, near->key)) continue;
            if (near->group != NONE) {
                if (mark) except(divider->excepted, near->group);
                continue;
            }
            bad->items = mem_grow(bad->items, &bad->room, bad->count + 1, sizeof *bad->items);
            bad->items[bad->count++] = (Bad){l, near->key};
        }
}

/* How many of the bad keys a bound on the variable would keep out. */
static size_t count_kept_out(Divider *divider, const BadList *bad, const Variable *variable)
{
    size_t count = 0;
    for (size_t i = 0; i < bad->count; i++)
        for (unsigned c = 0; c < divider->form->sources[bad->items[i].list].columns; c++) {
            int64_t value;
            if (variable_at(divider, bad->items[i].list, c, &value) != variable) continue;
            if (has_value(variable, key_number(divider->inducer, bad->items[i].key, c))) continue;
            count++;
            break;
        }
    return count;
}

/* Bounds the variable that keeps out most; false when none keeps out any. */
static bool bound_one(Divider *divider, const BadList *bad, const uint32_t *rows, size_t n)
{
    Variable *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < divider->variable_count; i++) {
        Variable *variable = &divider->variables[i];
        if (variable->constant || variable->bounded) continue;
        list_values(divider, variable, rows, n);
        size_t count = count_kept_out(divider, bad, variable);
        if (count > most) most = count, best = variable;
    }
    if (best) best->bounded = true;
    return best != NULL;
}

/* ---- spelling ---- */

/* Numbers of near keys in a variable's columns, ascending: what a range must not span. */
static int64_t *list_foreign(Divider *divider, const Variable *variable, size_t *count)
{
    size_t room = 0;
    for (uint32_t l = 0; l < divider->form->list_count; l++)
        room += divider->near[l].count * divider->form->sources[l].columns;
    int64_t *values = mem_alloc((room + 1) * sizeof *values);
    *count = 0;
    for (uint32_t l = 0; l < divider->form->list_count; l++)
        for (unsigned c = 0; c < divider->form->sources[l].columns; c++) {
            int64_t value;
            if (variable_at(divider, l, c, &value) != variable) continue;
            for (size_t i = 0; i < divider->near[l].count; i++) {
                int64_t number = key_number(divider->inducer, divider->near[l].items[i].key, c);
                if (!has_value(variable, number)) values[(*count)++] = number;
            }
        }
    *count = sort_once(values, *count);
    return values;
}

/* Whether a foreign number lies between two of the part. `at` moves along with them. */
static bool lies_between(const int64_t *foreign, size_t count, size_t *at, int64_t low,
                         int64_t high)
{
    while (*at < count && foreign[*at] < low) ++*at;
    return *at < count && foreign[*at] < high;
}

/* "0-3|7|9": runs between which other keys lie. Two numbers are no range. */
static size_t spell(Divider *divider, Variable *variable)
{
    size_t foreign_count, at = 0, pieces = 0;
    int64_t *foreign = list_foreign(divider, variable, &foreign_count);
    Text text = {0};
    for (size_t i = 0, j; i < variable->count; i = j) {
        for (j = i + 1; j < variable->count &&
                        !lies_between(foreign, foreign_count, &at, variable->values[j - 1],
                                      variable->values[j]);)
            j++;
        bool range = j - i > 2;
        text_addf(&text, "%s%" PRId64, i ? "|" : "", variable->values[i]);
        if (j - i > 1)
            text_addf(&text, "%s%" PRId64, range ? "-" : "|", variable->values[j - 1]);
        pieces += j - i == 2 ? 2 : 1;
    }
    variable->choices = text_keep(&text, divider->inducer->scratch);
    free(foreign);
    return pieces;
}

bool part_bound(Divider *divider, const uint32_t *rows, size_t n)
{
    BadList bad = {0};
    for (size_t i = 0; i < divider->variable_count; i++) {
        Variable *variable = &divider->variables[i];
        variable->bounded = false;
        variable->choices = NULL;
        variable->values = NULL;
        if (!variable->gathered || !has_holes(divider, variable, rows, n)) continue;
        list_values(divider, variable, rows, n);
        variable->bounded = true;
    }
    bool good = true;
    for (find_bad(divider, &bad, false); good && bad.count; find_bad(divider, &bad, false))
        good = bound_one(divider, &bad, rows, n);
    if (good && divider->excepted) find_bad(divider, &bad, true);
    free(bad.items);
    for (size_t i = 0; good && i < divider->variable_count; i++)
        if (divider->variables[i].bounded && spell(divider, &divider->variables[i]) >
                                                 ALTERNATIVES_MAX && n > 1)
            good = false;
    return good;
}
