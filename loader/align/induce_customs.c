/* Customs: how a number of the target follows from a number of the source everywhere in a model.
 *
 * `input_blocks.{i}.0.op` shows 3, 6, 9 -> 0, 1, 2, its neighbours 1, 2, 4, 5 … -> 0, 0, 1, 1 …:
 * alone the one is (i-1)//3 and the others as well i//3. Taken together, by the names before the
 * two numbers, only (i-1)//3 is left, and all of them are written so. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_parts.h"

enum {
    COMBINATIONS_MAX = 16,       /* of one group */
    SEEN_MAX = 1 << 22           /* of all */
};

/* The names before a number of the source and one of the target. */
static void write_place(const Head *source, unsigned x, const Head *target, unsigned y, Text *out)
{
    text_clear(out);
    const Head *heads[] = {source, target};
    unsigned columns[] = {x, y};
    for (int i = 0; i < 2; i++) {
        const char *at = heads[i]->text;
        for (unsigned c = 0; c <= columns[i]; c++) at = strchr(at, FAMILY_MARK) + 1;
        text_addn(out, heads[i]->text, (size_t)(at - heads[i]->text));
        text_addc(out, '\n');
    }
}

static Custom *find_custom(Inducer *inducer, const char *place)
{
    Customs *customs = &inducer->customs;
    uint32_t at = map_get(&customs->index, place);
    if (at == MAP_NONE) {
        at = (uint32_t)customs->count;
        customs->items = mem_grow(customs->items, &customs->room, customs->count + 1,
                                  sizeof *customs->items);
        customs->items[customs->count++] = (Custom){0};
        map_set(&customs->index, arena_strdup(inducer->scratch, place), at);
    }
    return &customs->items[at];
}

static void see(Customs *customs, Custom *custom, int64_t x, int64_t y)
{
    size_t n = custom->count;
    if (n && custom->seen[n - 1].x == x && custom->seen[n - 1].y == y) return;
    if (customs->seen == SEEN_MAX) return;
    customs->seen++;
    custom->seen = mem_grow(custom->seen, &custom->room, n + 1, sizeof *custom->seen);
    custom->seen[custom->count++] = (SeenPair){x, y};
}

static void see_group(Inducer *inducer, const Form *form, Text *place)
{
    size_t combinations = 0;
    for (size_t t = 0; t < form->target_count; t++)
        for (unsigned y = 0; y < form->targets[t].columns; y++)
            for (unsigned x = 0; x < form->sources[0].columns; x++) {
                if (form->gathered[0] >> x & 1 || ++combinations > COMBINATIONS_MAX) continue;
                write_place(&form->sources[0], x, &form->targets[t], y, place);
                Custom *custom = find_custom(inducer, text_string(place));
                for (size_t i = 0; i < form->count; i++) {
                    const Pair *pair = &inducer->pairs[form->pairs[i]];
                    const int64_t *values = inducer->names.values;
                    see(&inducer->customs, custom,
                        values[inducer->keys[pair->lists[0].keys[0]].at + x],
                        values[pair->targets[t].at + y]);
                }
            }
}

static int compare_seen(const void *a, const void *b)
{
    const SeenPair *p = a, *q = b;
    if (p->x != q->x) return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* One formula for all that was seen; a number with two partners has none. */
static void settle(Custom *custom)
{
    size_t count = 0;
    if (!custom->count) return;
    qsort(custom->seen, custom->count, sizeof *custom->seen, compare_seen);
    for (size_t i = 0; i < custom->count; i++) {
        if (count && custom->seen[count - 1].x == custom->seen[i].x) {
            if (custom->seen[count - 1].y != custom->seen[i].y) return;
            continue;
        }
        custom->seen[count++] = custom->seen[i];
    }
    if (count < 2) return;
    static const Hints none = {0};
    Matrix matrix = {mem_alloc(2 * count * sizeof *matrix.cells), 2, 1};
    uint32_t *rows = mem_alloc(count * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (uint32_t)i;
        matrix.cells[2 * i] = custom->seen[i].x;
        matrix.cells[2 * i + 1] = custom->seen[i].y;
    }
    custom->known = formula_solve(&matrix, rows, count, 1, 0, false, &none, &none,
                                  &custom->formula) &&
                    custom->formula.kind != FORMULA_CONST;
    free(matrix.cells);
    free(rows);
}

void customs_learn(Inducer *inducer)
{
    Text place = {0};
    map_init(&inducer->customs.index);
    for (size_t i = 0; i < inducer->group_count; i++)
        see_group(inducer, &inducer->groups[i].form, &place);
    for (size_t i = 0; i < inducer->customs.count; i++) {
        Custom *custom = &inducer->customs.items[i];
        settle(custom);
        free(custom->seen);
        custom->seen = NULL;
    }
    text_done(&place);
}

void customs_find(const Inducer *inducer, const Head *source, unsigned x, unsigned variable,
                  const Head *target, unsigned y, Hints *out)
{
    Text place = {0};
    write_place(source, x, target, y, &place);
    uint32_t at = map_get(&inducer->customs.index, text_string(&place));
    text_done(&place);
    if (at == MAP_NONE || !inducer->customs.items[at].known) return;
    if (out->count == countof(out->list)) return;
    out->list[out->count] = inducer->customs.items[at].formula;
    out->list[out->count++].x = variable;
}

void customs_done(Customs *customs)
{
    for (size_t i = 0; i < customs->count; i++) free(customs->items[i].seen);
    free(customs->items);
    map_done(&customs->index);
}
