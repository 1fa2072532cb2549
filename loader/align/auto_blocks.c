/* Blocks that may have moved: where two rows of numbered blocks do not reach equally far, equal
 * numbers are other blocks when the one that is missing stood before them, and the rest was
 * numbered anew. The shapes below each number tell which block is which, where they tell it;
 * whatever else of such rows was paired does not hold, and it is asked, once a row. Names that are
 * the same on both sides hold, unless the shapes fit better in another way. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_blocks.h"

static int compare_links(const void *x, const void *y)
{
    const Link *a = x, *b = y;
    for (int s = 0; s < 2; s++)
        if (a->row[s] != b->row[s]) return a->row[s] < b->row[s] ? -1 : 1;
    if (a->number[0] != b->number[0]) return a->number[0] < b->number[0] ? -1 : 1;
    if (a->votes != b->votes) return a->votes > b->votes ? -1 : 1;
    return a->number[1] < b->number[1] ? -1 : a->number[1] > b->number[1];
}

/* ---- what the blocks look like ---- */

static int compare_blocks(const void *x, const void *y)
{
    const Block *a = x, *b = y;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int compare_shapes(const void *x, const void *y)
{
    const ShapeOf *a = x, *b = y;
    if (a->block != b->block) return a->block < b->block ? -1 : 1;
    return a->shape < b->shape ? -1 : a->shape > b->shape;
}

/* The block of a place, made when it is new. */
static uint32_t block_at(Blocks *blocks, int s, Table *known, const Place *place)
{
    const uint64_t key = place_key(place->row, place->number);
    bool fresh;
    const uint32_t at = *table_add(known, key, (uint32_t)blocks->block_count[s], &fresh);
    if (fresh) {
        blocks->blocks[s] = mem_grow(blocks->blocks[s], &blocks->block_room[s],
                                     blocks->block_count[s] + 1, sizeof(Block));
        blocks->blocks[s][blocks->block_count[s]++] =
            (Block){.row = place->row, .number = place->number};
    }
    blocks->blocks[s][at].units++;
    return at;
}

/* All shapes below the blocks of suspects that the other side has. */
static void list_below(Blocks *blocks, int s, const Table *there)
{
    const Side *side = &blocks->a->side[s];
    Table rows = {.arena = blocks->a->arena}, known = rows;
    for (size_t i = 0; i < blocks->link_count; i++)
        table_add(&rows, blocks->links[i].row[s], 1, NULL);
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        Place places[SLOTS_MAX];
        const size_t n = places_of(blocks->a, side, unit, places);
        for (size_t k = 0; k < n; k++) {
            if (!table_find(&rows, places[k].row)) continue;
            const uint32_t block = block_at(blocks, s, &known, &places[k]);
            if (!table_find(there, unit->shape)) continue;
            blocks->shapes[s] = mem_grow(blocks->shapes[s], &blocks->shape_room[s],
                                         blocks->shape_count[s] + 1, sizeof(ShapeOf));
            blocks->shapes[s][blocks->shape_count[s]++] = (ShapeOf){block, unit->shape};
        }
    }
}

static void list_blocks(Blocks *blocks, int s, const Table *there)
{
    list_below(blocks, s, there);
    const size_t n = blocks->shape_count[s];
    uint64_t *shapes = arena_alloc(blocks->a->arena, (n + 1) * sizeof *shapes);
    if (n) qsort(blocks->shapes[s], n, sizeof(ShapeOf), compare_shapes);
    for (size_t i = 0; i < n; i++) {
        Block *block = &blocks->blocks[s][blocks->shapes[s][i].block];
        shapes[i] = blocks->shapes[s][i].shape;
        if (!block->count++) block->shapes = &shapes[i];
    }
    if (blocks->block_count[s])
        qsort(blocks->blocks[s], blocks->block_count[s], sizeof(Block), compare_blocks);
}

static const Block *row_of(const Blocks *blocks, int s, uint64_t row, size_t *count)
{
    const Block *list = blocks->blocks[s];
    size_t low = 0, high = blocks->block_count[s];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (list[middle].row < row) low = middle + 1;
        else high = middle;
    }
    *count = 0;
    while (low + *count < blocks->block_count[s] && list[low + *count].row == row) (*count)++;
    return list + low;
}

/* The same row, with a block without units for each number that is left out, unless most are. */
static const Block *with_holes(const Blocks *blocks, const Block *row, size_t *count)
{
    const uint64_t name = row->row;
    const int64_t first = row->number, reach = row[*count - 1].number - first;
    if (reach < (int64_t)*count || reach >= (int64_t)*count * 2) return row;
    Block *whole = arena_alloc(blocks->a->arena, ((size_t)reach + 1) * sizeof *whole);
    for (int64_t n = 0; n <= reach; n++) {
        const bool there = row->number == first + n;
        whole[n] = there ? *row++ : (Block){.row = name, .number = first + n};
    }
    *count = (size_t)reach + 1;
    return whole;
}

/* ---- how they were paired ---- */

/* Blocks are more than single layers. */
static bool are_blocks(const Block *row, size_t n)
{
    size_t units = 0;
    for (size_t i = 0; i < n; i++) units += row[i].units;
    return units >= 2 * n;
}

/* One row lacks a block or a few of the other; the rest of it is no part of something longer. */
static bool are_alike(size_t m, size_t n)
{
    const size_t more = m > n ? m : n, fewer = m < n ? m : n;
    return more - fewer <= 1 || (more - fewer) * 4 <= more;
}

/* Fills in how two rows were paired, block by block as most pairs say. */
static void read_mates(const Link *links, size_t n, Rows *rows)
{
    bool taken[BLOCKS_MAX] = {false};
    size_t rises = 0, falls = 0, before = SIZE_MAX, votes = 0, named = 0;
    for (size_t i = 0, at = 0; i < rows->count[0]; i++) {
        rows->mate[i] = SIZE_MAX;
        while (at < n && links[at].number[0] < rows->row[0][i].number) at++;
        if (at == n || links[at].number[0] != rows->row[0][i].number) continue;
        const bool torn = at + 1 < n && links[at + 1].number[0] == links[at].number[0] &&
                          links[at + 1].votes * 2 > links[at].votes;
        size_t j = 0;
        while (j < rows->count[1] && rows->row[1][j].number != links[at].number[1]) j++;
        if (j == rows->count[1]) continue;
        rows->mixed = rows->mixed || torn || taken[j];
        rows->paired[0]++;
        rows->paired[1] += !taken[j];
        taken[j] = true;
        rows->mate[i] = j;
        votes += links[at].votes;
        named += links[at].named;
        if (before != SIZE_MAX) *(j > before ? &rises : &falls) += 1;
        before = j;
    }
    rows->falls = falls > rises;
    rows->mixed = rows->mixed || (rises && falls);
    rows->named = named * 2 >= votes;
}

/* Whether two rows are such of which one may have lost a few blocks. Where they were not paired one
 * to one and in one order, most of both must be paired: else one of them counts something else. */
static bool read_rows(const Blocks *blocks, const Link *links, size_t n, Rows *rows)
{
    rows->mixed = rows->single = false;
    rows->stages = links->place[0].glued != links->place[1].glued;
    for (int s = 0; s < 2; s++) {
        rows->row[s] = row_of(blocks, s, links->row[s], &rows->count[s]);
        rows->single = rows->single || !are_blocks(rows->row[s], rows->count[s]);
        rows->paired[s] = 0;
    }
    for (int s = 0; s < 2; s++) {
        if (!rows->single) rows->row[s] = with_holes(blocks, rows->row[s], &rows->count[s]);
        if (rows->count[s] < 2 || rows->count[s] > BLOCKS_MAX) return false;
    }
    if (!are_alike(rows->count[0], rows->count[1])) return false;
    blocks_trim(rows);
    read_mates(links, n, rows);
    if (!rows->mixed) return rows->paired[0] > 1 || rows->named;
    return !rows->single && rows->paired[0] * 2 >= rows->count[0] &&
           rows->paired[1] * 2 >= rows->count[1];
}

/* ---- what is taken back ---- */

/* The places in which two units stand in moved rows; false: they stand in none. */
static bool find_moved(const Auto *a, uint32_t u, uint32_t v, Place *s, Place *t)
{
    Place p[SLOTS_MAX], q[SLOTS_MAX];
    const size_t m = places_of(a, &a->side[0], &a->side[0].units[u], p);
    const size_t n = places_of(a, &a->side[1], &a->side[1].units[v], q);
    for (size_t j = 0; j < m * n; j++) {
        if (!table_find(&a->moved, rows_key(p[j / n].row, q[j % n].row))) continue;
        *s = p[j / n];
        *t = q[j % n];
        if (!table_find(&a->moved, link_key(s, t))) return true;
    }
    return false;
}

bool blocks_moved(const Auto *a, uint32_t u, uint32_t v)
{
    Place s, t;
    return a->moved.count && find_moved(a, u, v, &s, &t);
}

/* The unit of a side that stands where another does, under another number; NONE. */
static uint32_t moved_to(const Auto *a, int side, const Place *place, int64_t number)
{
    char *name = arena_printf(a->arena, "%.*s%0*" PRId64 "%.*s", (int)place->before, place->path,
                              (int)place->digits, number,
                              (int)(place->length - place->before - place->digits),
                              place->path + place->before + place->digits);
    const uint32_t *v = table_find(&a->side[side].paths, path_hash(name, strlen(name)));
    return v ? *v : NONE;
}

/* One pair that does not hold. */
typedef struct Undone {
    uint32_t source, target;
    Place from, to;
    Moved *moved;
} Undone;

/* Both units are in no pair from now on, and nobody's candidates. */
static void undo(Auto *a, const Undone *one)
{
    Unit *u = &a->side[0].units[one->source], *v = &a->side[1].units[one->target];
    if (u->mate == one->target) u->mate = v->mate = NONE;
    u->fixed = v->fixed = true;
}

/* The number of a block of one side in moved rows. */
static uint64_t sure_key(uint64_t rows, int side, int64_t number)
{
    return hash_mix(hash_mix(rows, side ? 0x7222 : 0x5111), (uint64_t)number);
}

/* Which number a block of one side has on the other, by the shapes or by an answer; false: nothing
 * says. */
static bool tell_number(const Auto *a, const Undone *one, int side, int64_t *number)
{
    const Moved *moved = one->moved;
    const int64_t own = side ? one->to.number : one->from.number;
    const uint64_t rows = rows_key(one->from.row, one->to.row);
    const uint32_t *sure = table_find(&a->moved, sure_key(rows, side, own));
    *number = sure ? (int64_t)*sure : own + moved->number[!side] - moved->number[side];
    return sure || moved->answered;
}

/* Pairs two units of which the shapes or an answer say that they are one. */
static void redo_units(Auto *a, uint32_t source, uint32_t target)
{
    if (source == NONE || target == NONE) return;
    Unit *u = &a->side[0].units[source], *v = &a->side[1].units[target];
    if (u->mate != NONE || v->mate != NONE || u->shape != v->shape) return;
    u->mate = target;
    v->mate = source;
    u->fixed = v->fixed = true;
    u->margin = v->margin = 1;
}

/* The source of a pair that does not hold has another target, and its target another source. */
static void redo(Auto *a, const Undone *one)
{
    int64_t number;
    if (tell_number(a, one, 0, &number))
        redo_units(a, one->source, moved_to(a, 1, &one->to, number));
    if (tell_number(a, one, 1, &number))
        redo_units(a, moved_to(a, 0, &one->from, number), one->target);
}

/* Keys of the target that have no pair any more: of the question, and those whose names must not
 * bind either. */
static void withhold(Blocks *blocks, const Undone *one)
{
    Auto *a = blocks->a;
    const Side *y = &a->side[1];
    const Unit *v = &y->units[one->target];
    Moved *moved = one->moved;
    for (uint32_t i = 0; v->mate == NONE && i < v->count; i++) {
        const uint32_t tensor = y->members[v->first + i];
        a->withheld[tensor] = true;
        a->withheld_count++;
        if (moved->answered || !moved->doubtful) continue;
        moved->keys = mem_grow(moved->keys, &moved->key_room, moved->key_count + 1,
                               sizeof *moved->keys);
        moved->keys[moved->key_count++] = y->given->tensors[tensor].name;
    }
}

/* Pairs within moved rows, and units of equal names that were in no pair. */
static Undone *list_undone(Blocks *blocks, size_t *count)
{
    const Auto *a = blocks->a;
    const Side *x = &a->side[0], *y = &a->side[1];
    Undone *list = NULL;
    size_t room = 0;
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const uint32_t *same = table_find(&y->paths, x->units[i].path);
        Undone one = {.source = i, .target = x->units[i].mate};
        if (one.target == NONE && same && y->units[*same].mate == NONE) one.target = *same;
        if (one.target == NONE || !find_moved(a, i, one.target, &one.from, &one.to)) continue;
        one.moved = &blocks->moved[*table_find(&a->moved, rows_key(one.from.row, one.to.row))];
        list = mem_grow(list, &room, *count + 1, sizeof *list);
        list[(*count)++] = one;
    }
    return list;
}

static void take_back(Blocks *blocks)
{
    size_t count = 0;
    Undone *list = list_undone(blocks, &count);
    for (size_t i = 0; i < count; i++) undo(blocks->a, &list[i]);
    for (size_t i = 0; i < count; i++) redo(blocks->a, &list[i]);
    for (size_t i = 0; i < count; i++) withhold(blocks, &list[i]);
    free(list);
}

/* ---- the whole ---- */

/* The row of a pair is known as moved, and of its blocks those that the shapes tell; what they tell
 * against names that are the same is asked. */
static void add_moved(Blocks *blocks, const Link *link, const Rows *rows, const Laid *laid)
{
    Auto *a = blocks->a;
    Moved moved = {.place = {link->place[0], link->place[1]}};
    const uint64_t key = rows_key(link->row[0], link->row[1]);
    for (int s = 0; s < 2; s++) {
        moved.low[s] = rows->row[s][0].number;
        moved.high[s] = rows->row[s][rows->count[s] - 1].number;
        moved.number[s] = moved.low[s];
    }
    for (size_t i = 0; i < rows->count[0]; i++) {
        Place s = link->place[0], t = link->place[1];
        s.number = rows->row[0][i].number;
        if (laid->sure[i] != SIZE_MAX && (!rows->named || laid->sure[i] == rows->mate[i])) {
            t.number = rows->row[1][laid->sure[i]].number;
            table_add(&a->moved, link_key(&s, &t), 1, NULL);
            table_add(&a->moved, sure_key(key, 0, s.number), (uint32_t)t.number, NULL);
            table_add(&a->moved, sure_key(key, 1, t.number), (uint32_t)s.number, NULL);
        } else if (!moved.doubtful && laid->likely[i] != SIZE_MAX) {
            moved.number[0] = s.number;
            moved.number[1] = rows->row[1][laid->likely[i]].number;
            moved.doubtful = true;
        }
    }
    blocks_hear(a, &moved);
    table_add(&a->moved, key, (uint32_t)blocks->moved_count, NULL);
    blocks->moved = mem_grow(blocks->moved, &blocks->moved_room, blocks->moved_count + 1,
                             sizeof *blocks->moved);
    blocks->moved[blocks->moved_count++] = moved;
}

static void check_links(Blocks *blocks, const Link *links, size_t n, Rows *rows, Laid *laid)
{
    if (!read_rows(blocks, links, n, rows)) return;
    blocks_fit(rows, laid);
    if ((rows->named || rows->single) && laid->as_paired) return;
    for (size_t i = 0; i < rows->count[0]; i++) {
        if (rows->mate[i] == SIZE_MAX || laid->sure[i] == rows->mate[i]) continue;
        add_moved(blocks, links, rows, laid);
        return;
    }
}

static Table shapes_of(const Auto *a, int s)
{
    const Side *side = &a->side[s];
    Table shapes = {.arena = a->arena};
    for (uint32_t i = 0; i < side->unit_count; i++)
        table_add(&shapes, side->units[i].shape, 1, NULL);
    return shapes;
}

static void check_suspects(Blocks *blocks)
{
    Auto *a = blocks->a;
    qsort(blocks->links, blocks->link_count, sizeof *blocks->links, compare_links);
    for (int s = 0; s < 2; s++) list_blocks(blocks, s, &blocks->shapes_there[!s]);
    Rows *rows = arena_alloc(a->arena, sizeof *rows);
    Laid *laid = arena_alloc(a->arena, sizeof *laid);
    for (size_t from = 0, to; from < blocks->link_count && !a->stopped; from = to) {
        const Link *links = blocks->links;
        for (to = from + 1; to < blocks->link_count; to++)
            if (links[to].row[0] != links[from].row[0] || links[to].row[1] != links[from].row[1])
                break;
        check_links(blocks, links + from, to - from, rows, laid);
        auto_pause(a);
    }
}

void check_blocks(Auto *a)
{
    Blocks blocks = {.a = a, .known.arena = a->arena, .suspects.arena = a->arena};
    a->moved = (Table){.arena = a->arena};
    if (a->side[0].shapeless) return;
    for (int s = 0; s < 2; s++) {
        blocks.shapes_there[s] = shapes_of(a, s);
        blocks.below[s] = (Table){0};
    }
    for (int s = 0; s < 2; s++) list_ranges(&blocks, s);
    list_links(&blocks, true);
    if (blocks.suspects.count) list_links(&blocks, false);
    if (blocks.link_count) check_suspects(&blocks);
    if (blocks.moved_count) take_back(&blocks);
    a->asked = arena_alloc(a->arena, (blocks.moved_count + 1) * sizeof *a->asked);
    for (size_t i = 0; i < blocks.moved_count; i++) blocks_ask(a, &blocks.moved[i]);
    free(blocks.links);
    for (int s = 0; s < 2; s++) {
        free(blocks.blocks[s]);
        free(blocks.shapes[s]);
        free(blocks.ranges[s].list);
        table_done(&blocks.ranges[s].rows);
        table_done(&blocks.below[s]);
    }
    free(blocks.moved);
}
