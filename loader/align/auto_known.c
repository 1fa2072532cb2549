/* What needs no thought: pairs that are bound already, and names that are the same. */
#include <string.h>

#include "loader/align/auto_parts.h"

/* Two units for good. */
static void fix(Auto *a, uint32_t u, uint32_t v)
{
    Unit *x = &a->side[0].units[u], *y = &a->side[1].units[v];
    if (x->fixed || y->fixed) return;
    x->fixed = y->fixed = true;
    x->mate = v;
    y->mate = u;
    x->margin = y->margin = 1;
}

/* A unit that went somewhere in parts, or came together from several: no candidate, and no pair. */
static void close_unit(Unit *unit)
{
    if (!unit->fixed) unit->mate = NONE;
    unit->fixed = true;
}

static void take_anchors(Auto *a)
{
    const AutoOptions *options = a->options;
    Side *x = &a->side[0], *y = &a->side[1];
    for (size_t i = 0; i < options->anchor_count; i++) {
        AutoAnchor anchor = options->anchors[i];
        if (anchor.source >= x->given->count || anchor.target >= y->given->count) continue;
        uint32_t u = x->unit_of[anchor.source], v = y->unit_of[anchor.target];
        x->bound[anchor.source] = y->bound[anchor.target] = true;
        if (x->units[u].shape == y->units[v].shape) fix(a, u, v);
    }
    for (size_t i = 0; i < options->anchor_count; i++) {
        AutoAnchor anchor = options->anchors[i];
        if (anchor.source >= x->given->count || anchor.target >= y->given->count) continue;
        Unit *u = &x->units[x->unit_of[anchor.source]], *v = &y->units[y->unit_of[anchor.target]];
        if (main_tensor(x, u) == &x->given->tensors[anchor.source]) close_unit(u);
        if (main_tensor(y, v) == &y->given->tensors[anchor.target]) close_unit(v);
    }
}

static void take_names(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    for (uint32_t v = 0; v < y->unit_count; v++) {
        const uint32_t ahead = v + TABLE_AHEAD;
        if (ahead < y->unit_count) table_expect(&x->paths, y->units[ahead].path);
        const uint32_t *u = table_find(&x->paths, y->units[v].path);
        if (u && x->units[*u].shape == y->units[v].shape && !y->units[v].doubted) fix(a, *u, v);
    }
}

/* ---- equal names that may mean another layer ---- */

/* layers.0, layers.1, layers.2 of one side, and proj_in, layers.0, proj_out of the other: where the
 * same layers are counted otherwise, an equal number says nothing. Seen from what has no namesake:
 * one more of the row here, and there, beside the row, one of its looks under another name. */
typedef struct Renamed {
    Auto *a;
    Table rows_rest[2];      /* row → its units without namesake */
    Table rest[2];           /* row and look → the same of one look */
    Table beside[2];         /* path and look → units below it without namesake */
    Table rows;              /* row and look of those that are in doubt → question */
    Table around;            /* path and look around them → question */
} Renamed;

static uint32_t namesake(const Auto *a, int side, uint32_t unit)
{
    const Side *own = &a->side[side], *other = &a->side[!side];
    const uint32_t *found = table_find(&other->paths, own->units[unit].path);
    return found && other->units[*found].shape == own->units[unit].shape ? *found : NONE;
}

/* What a name that ends in a number is counted by: the hash of all before it; 0: it does not. */
static uint64_t row_of(const Auto *a, const Side *side, const Unit *unit)
{
    if (!side->coarse[unit->coarse].numbered) return 0;
    const NameParts parts = words_parts(a->words, main_tensor(side, unit)->name);
    size_t n = parts.path_length;
    while (n && is_digit(parts.path[n - 1])) n--;
    return hash_text(89, parts.path, n);
}

/* The path beside which a row lies: that of the layer which has it. */
static uint64_t home_of(const Side *side, const Unit *unit)
{
    const Coarse *coarse = &side->coarse[unit->coarse];
    const bool glued = coarse->slot_count && coarse->glued >> (coarse->slot_count - 1) & 1;
    return unit->up[glued ? 0 : 1];
}

static void count_rest(Renamed *renamed, int s)
{
    const Auto *a = renamed->a;
    const Side *side = &a->side[s];
    renamed->rows_rest[s] = renamed->rest[s] = renamed->beside[s] = (Table){.arena = a->arena};
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        if (unit->fixed || namesake(a, s, i) != NONE) continue;
        const uint64_t row = row_of(a, side, unit);
        if (row) {
            (*table_add(&renamed->rows_rest[s], row, 0, NULL))++;
            (*table_add(&renamed->rest[s], hash_mix(row, unit->shape), 0, NULL))++;
        }
        for (int k = 0; k < 2; k++)
            if (!k || unit->up[1] != unit->up[0])
                (*table_add(&renamed->beside[s], hash_mix(unit->up[k], unit->shape), 0, NULL))++;
    }
}

/* Whether one side has more of a row, and the other something else beside it that looks so. */
static bool counts_otherwise(const Renamed *renamed, uint64_t row, uint64_t home, uint64_t look)
{
    for (int s = 0; s < 2; s++) {
        const uint32_t around = table_count(&renamed->beside[!s], hash_mix(home, look));
        if (table_count(&renamed->rows_rest[s], row) &&
            around > table_count(&renamed->rest[!s], hash_mix(row, look)))
            return true;
    }
    return false;
}

static void find_rows(Renamed *renamed)
{
    const Auto *a = renamed->a;
    const Side *y = &a->side[1];
    renamed->rows = renamed->around = (Table){.arena = a->arena};
    for (uint32_t v = 0; v < y->unit_count; v++) {
        const Unit *unit = &y->units[v];
        if (unit->fixed || namesake(a, 1, v) == NONE) continue;
        const uint64_t row = row_of(a, y, unit), home = home_of(y, unit);
        if (!row || !counts_otherwise(renamed, row, home, unit->shape)) continue;
        table_add(&renamed->rows, hash_mix(row, unit->shape), unit->coarse, NULL);
        table_add(&renamed->around, hash_mix(home, unit->shape), unit->coarse, NULL);
    }
}

/* The question that a unit belongs to: the coarse name of a row of the target; NONE. */
static uint32_t question_of(const Renamed *renamed, int s, uint32_t i)
{
    const Auto *a = renamed->a;
    const Unit *unit = &a->side[s].units[i];
    const uint64_t row = row_of(a, &a->side[s], unit);
    const uint32_t *found = row ? table_find(&renamed->rows, hash_mix(row, unit->shape)) : NULL;
    for (int k = 0; k < 2 && !found && namesake(a, s, i) == NONE; k++)
        found = table_find(&renamed->around, hash_mix(unit->up[k], unit->shape));
    return found ? *found : NONE;
}

static void list_renamed(Renamed *renamed)
{
    Auto *a = renamed->a;
    for (int s = 0; s < 2; s++)
        for (uint32_t i = 0; i < a->side[s].unit_count; i++) {
            if (a->side[s].units[i].fixed) continue;
            const uint32_t question = question_of(renamed, s, i);
            if (question == NONE) continue;
            a->renamed = mem_grow(a->renamed, &a->renamed_room, a->renamed_count + 1,
                                  sizeof *a->renamed);
            a->renamed[a->renamed_count++] = (InDoubt){question, i, (uint8_t)s};
        }
}

/* Whether an answer speaks of two of those in one question: then it is weighed. */
static bool is_answered(const Auto *a, uint32_t question)
{
    for (size_t i = 0; i < a->options->answer_count; i++) {
        const AutoAnswer *answer = &a->options->answers[i];
        bool heard[2] = {false, !answer->target || !*answer->target};
        for (size_t k = 0; k < a->renamed_count; k++) {
            const InDoubt *one = &a->renamed[k];
            const Side *side = &a->side[one->side];
            const char *text = one->side ? answer->target : answer->source;
            if (one->question == question && text)
                heard[one->side] = heard[one->side] ||
                    name_holds(main_tensor(side, &side->units[one->unit])->name, text);
        }
        if (heard[0] && heard[1]) return true;
    }
    return false;
}

static void withhold(Auto *a, uint32_t v)
{
    const Side *y = &a->side[1];
    const Unit *unit = &y->units[v];
    for (uint32_t i = 0; i < unit->count; i++) {
        a->withheld[y->members[unit->first + i]] = true;
        a->withheld_count++;
    }
}

/* All of them are nobody's candidates; with an answer they are, but their names say no more than
 * other names do. */
static void doubt_names(Auto *a)
{
    Renamed renamed = {.a = a};
    bool any = false;
    for (uint32_t v = 0; v < a->side[1].unit_count && !any; v++) any = namesake(a, 1, v) != NONE;
    if (!any || a->side[0].shapeless) return;
    for (int s = 0; s < 2; s++) count_rest(&renamed, s);
    find_rows(&renamed);
    if (renamed.rows.count) list_renamed(&renamed);
    for (size_t i = 0; i < a->renamed_count; i++) {
        const InDoubt *one = &a->renamed[i];
        a->side[one->side].units[one->unit].doubted = true;
        if (!is_answered(a, one->question)) close_unit(&a->side[one->side].units[one->unit]);
        if (one->side) withhold(a, one->unit);
    }
}

void known_take(Auto *a)
{
    for (int s = 0; s < 2; s++) {
        a->side[s].bound = arena_alloc(a->arena, a->side[s].given->count + 1);
        a->side[s].taken = arena_alloc(a->arena, a->side[s].given->count + 1);
    }
    a->withheld = arena_alloc(a->arena, a->side[1].given->count + 1);
    take_anchors(a);
    doubt_names(a);
    take_names(a);
}
