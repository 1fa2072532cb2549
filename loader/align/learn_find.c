/* Where parts of tensors come from: rows (indexes of an axis) of the sources are looked up by
 * their fingerprints. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"

enum {
    KEYS_MAX = 4 << 20,          /* rows that are looked up; of more only every n-th is kept */
    COMMON = 64,                 /* rows with one fingerprint: more say nothing */
    LOOKUPS = 4096,              /* rows of an axis of a target that are looked up */
    CANDIDATES_MAX = 256         /* axes of sources that a target may be made of */
};

static int compare_keys(const void *a, const void *b)
{
    const RowKey *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->print != y->print) return x->print < y->print ? -1 : 1;
    if (x->axis != y->axis) return x->axis < y->axis ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* A product of the hash, since sums of a few hashes are even half of the time. */
static bool is_kept(uint64_t hash, uint64_t mask)
{
    return ((hash * UINT64_C(0x9E3779B97F4A7C15)) >> 40 & mask) == 0;
}

void rows_index(const Prints *prints, RowIndex *index)
{
    uint64_t total = 0;
    size_t room = 0;
    *index = (RowIndex){.mask = 0};
    for (size_t i = 0; i < prints->count; i++)
        for (unsigned k = 0; k < prints->items[i].rank && k < PRINT_RANK; k++)
            if (prints->items[i].rows[k]) total += (uint64_t)prints->items[i].dims[k];
    while (total / (index->mask + 1) > KEYS_MAX) index->mask = 2 * index->mask + 1;
    for (size_t i = 0; i < prints->count; i++) {
        const Print *print = &prints->items[i];
        for (unsigned k = 0; !print->flat && k < print->rank && k < PRINT_RANK; k++) {
            for (int64_t j = 0; print->rows[k] && j < print->dims[k]; j++) {
                if (!is_kept(print->rows[k][j], index->mask)) continue;
                index->keys = mem_grow(index->keys, &room, index->count + 1,
                                       sizeof *index->keys);
                index->keys[index->count++] = (RowKey){print->rows[k][j], (uint32_t)i,
                                                       (uint32_t)j, (uint8_t)k};
            }
        }
    }
    if (index->count) qsort(index->keys, index->count, sizeof *index->keys, compare_keys);
}

void rows_done(RowIndex *index)
{
    free(index->keys);
}

/* ---- candidates ---- */

/* An axis of a source that shares rows with the target's. */
typedef struct Candidate {
    uint32_t print;
    uint8_t axis;
    uint32_t hits;
} Candidate;

typedef struct Search {
    Arena *arena;
    const Prints *sources;
    const RowIndex *index;
    const Print *target;
    unsigned axis;               /* of the target */
    Candidate *list;             /* [count] of CANDIDATES_MAX; owned */
    size_t count;
} Search;

static void add_hit(Search *search, const RowKey *key)
{
    for (size_t i = search->count; i--;) {
        Candidate *one = &search->list[i];
        if (one->print != key->print || one->axis != key->axis) continue;
        one->hits++;
        return;
    }
    if (search->count < CANDIDATES_MAX)
        search->list[search->count++] = (Candidate){key->print, key->axis, 1};
}

static int compare_hits(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    if (x->hits != y->hits) return x->hits > y->hits ? -1 : 1;
    return x->print < y->print ? -1 : x->print > y->print;
}

static size_t first_key(const RowIndex *index, uint64_t hash)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->keys[middle].hash < hash) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void find_candidates(Search *search)
{
    const uint64_t *rows = search->target->rows[search->axis];
    int64_t size = search->target->dims[search->axis], step = size / LOOKUPS + 1;
    /* at full rate when few rows are in the index, else they would miss each other */
    if (search->index->mask) step = 1;
    search->count = 0;
    for (int64_t i = 0; i < size; i += step) {
        if (!is_kept(rows[i], search->index->mask)) continue;
        size_t at = first_key(search->index, rows[i]), n = 0;
        while (at + n < search->index->count && search->index->keys[at + n].hash == rows[i] &&
               n <= COMMON)
            n++;
        if (n > COMMON) continue;
        for (size_t k = 0; k < n; k++) add_hit(search, &search->index->keys[at + k]);
    }
    qsort(search->list, search->count, sizeof *search->list, compare_hits);
}

/* Whether the axes beside the two that are matched have equal sizes; the ops that bring the
 * source's axes into the target's order. */
static bool turn_axes(Arena *arena, const Print *from, unsigned a, const Print *to, unsigned b,
                      Chain *turn)
{
    *turn = (Chain){.count = 0};
    if (from->rank != to->rank) return false;
    int64_t list[PRINT_RANK];
    unsigned next = 0;
    bool moved = false;
    for (unsigned k = 0; k < to->rank; k++) {
        if (k != b && next == a) next++;
        list[k] = k == b ? (int64_t)a : (int64_t)next++;
        if (k != b && from->dims[list[k]] != to->dims[k]) return false;
        moved |= list[k] != (int64_t)k;
    }
    if (!moved) return true;
    if (to->rank == 2) return chain_add(turn, (Op){.kind = OP_T});
    return chain_add(turn, (Op){.kind = OP_PERMUTE, .list_count = to->rank,
                                .list = arena_copy(arena, list, to->rank * sizeof *list)});
}

/* ---- rows of one source ---- */

static bool find_in_one(Search *search, const Candidate *one, Found *found)
{
    const Print *from = &search->sources->items[one->print], *to = search->target;
    int64_t size = to->dims[search->axis];
    if (from->dims[one->axis] <= size ||
        !turn_axes(search->arena, from, one->axis, to, search->axis, &found->turn))
        return false;
    int64_t *rows = mem_alloc((size_t)(size + 1) * sizeof *rows);
    bool fits = axis_match(from->rows[one->axis], from->dims[one->axis], to->rows[search->axis],
                           size, rows);
    if (fits) {
        found->kind = FOUND_PART;
        found->axis = (uint8_t)search->axis;
        found->size = size;
        found->total = from->dims[one->axis];
        found->rows = arena_copy(search->arena, rows, (size_t)size * sizeof *rows);
        found->prints = arena_copy(search->arena, &one->print, sizeof one->print);
        found->print_count = 1;
    }
    free(rows);
    return fits;
}

/* ---- several sources joined ---- */

/* A source all of whose rows are in the target, at `at`. */
typedef struct Piece {
    uint32_t print;
    int64_t size, *at;           /* owned */
} Piece;

static int compare_pieces(const void *a, const void *b)
{
    const Piece *x = a, *y = b;
    return x->at[0] < y->at[0] ? -1 : x->at[0] > y->at[0];
}

/* Adds a candidate when none of its rows is taken. */
static bool take_piece(Search *search, const Candidate *one, bool *taken, Piece *piece)
{
    const Print *from = &search->sources->items[one->print], *to = search->target;
    int64_t size = from->dims[one->axis], total = to->dims[search->axis];
    if (size >= total) return false;
    int64_t *at = mem_alloc((size_t)(size + 1) * sizeof *at);
    bool fits = axis_match(to->rows[search->axis], total, from->rows[one->axis], size, at);
    for (int64_t i = 0; fits && i < size; i++) fits = !taken[at[i]];
    if (!fits) {
        free(at);
        return false;
    }
    for (int64_t i = 0; i < size; i++) taken[at[i]] = true;
    *piece = (Piece){one->print, size, at};
    return true;
}

/* The pieces in order of their first rows, and where each row of the target is among all theirs. */
static void join_pieces(Search *search, Piece *pieces, size_t count, Found *found)
{
    int64_t total = search->target->dims[search->axis], base = 0;
    qsort(pieces, count, sizeof *pieces, compare_pieces);
    found->kind = FOUND_CAT;
    found->axis = (uint8_t)search->axis;
    found->size = total;
    found->rows = arena_alloc(search->arena, (size_t)(total + 1) * sizeof *found->rows);
    found->prints = arena_alloc(search->arena, (count + 1) * sizeof *found->prints);
    found->print_count = count;
    for (size_t i = 0; i < count; i++) {
        found->prints[i] = pieces[i].print;
        for (int64_t k = 0; k < pieces[i].size; k++) found->rows[pieces[i].at[k]] = base + k;
        base += pieces[i].size;
    }
}

/* All pieces lie alike: with the axis and the turn of the first one. */
static bool find_in_many(Search *search, Found *found)
{
    int64_t total = search->target->dims[search->axis], covered = 0;
    bool *taken = mem_alloc((size_t)total + 1);
    Piece *pieces = mem_alloc((search->count + 1) * sizeof *pieces);
    size_t count = 0;
    for (size_t i = 0; i < search->count && covered < total; i++) {
        const Candidate *one = &search->list[i];
        Chain turn;
        if (search->sources->items[one->print].slice >= 0) continue;
        if (!turn_axes(search->arena, &search->sources->items[one->print], one->axis,
                       search->target, search->axis, &turn) ||
            (count && !chain_equal(&turn, &found->turn)) ||
            !take_piece(search, one, taken, &pieces[count]))
            continue;
        found->turn = turn;
        covered += pieces[count++].size;
    }
    bool whole = covered == total && count > 1;
    if (whole) join_pieces(search, pieces, count, found);
    for (size_t i = 0; i < count; i++) free(pieces[i].at);
    free(pieces);
    free(taken);
    return whole;
}

bool find_part(Arena *arena, const Prints *sources, const RowIndex *index, const Print *target,
               Found *found)
{
    Search search = {.arena = arena, .sources = sources, .index = index, .target = target};
    *found = (Found){.kind = FOUND_NOTHING};
    if (target->flat || target->rank > PRINT_RANK) return false;
    search.list = mem_alloc(CANDIDATES_MAX * sizeof *search.list);
    bool done = false;
    for (unsigned k = 0; !done && k < target->rank; k++) {
        if (!target->rows[k]) continue;
        search.axis = k;
        find_candidates(&search);
        for (size_t i = 0; !done && i < search.count && i < 8; i++)
            done = find_in_one(&search, &search.list[i], found);
        if (!done && search.count > 1) done = find_in_many(&search, found);
    }
    free(search.list);
    return done;
}
