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
    x->margin = y->margin = x->score = y->score = 1;
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
        if (u && x->units[*u].shape == y->units[v].shape) fix(a, *u, v);
    }
}

void known_take(Auto *a)
{
    for (int s = 0; s < 2; s++) {
        a->side[s].bound = arena_alloc(a->arena, a->side[s].given->count + 1);
        a->side[s].taken = arena_alloc(a->arena, a->side[s].given->count + 1);
    }
    take_anchors(a);
    take_names(a);
}
