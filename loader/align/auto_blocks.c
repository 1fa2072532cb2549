/* Blocks that have moved: where a row of numbered blocks is longer on one side, equal numbers are
 * other blocks when the one that is missing stood before them, and the rest was numbered anew. The
 * shapes below each number tell: if the rows fit better in another way than in the one in which
 * they were paired, none of their pairs holds, not even those of equal names, and it is asked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { BLOCKS_MAX = 1024 };  /* of one row that are compared */

/* One number of a name, and what stands before it: the blocks it counts. */
typedef struct Place {
    uint64_t row;
    int64_t number;
    const char *path;        /* the name without its role */
    size_t length, before, digits;   /* of it, up to the number, of that */
} Place;

/* Block n of one row is block m of another, by so many pairs. */
typedef struct Link {
    uint64_t row[2];
    int64_t number[2];
    uint32_t votes;
    Place place[2];          /* in a name of each side */
} Link;

/* What stands below one number of a row, all shapes that the other side has as well. */
typedef struct Block {
    uint64_t row;
    int64_t number;
    uint64_t look, kinds;    /* of all shapes; of the kinds of shapes */
} Block;

/* Rows that fit better otherwise. */
typedef struct Moved {
    Place place[2];          /* in a name of each side */
    int64_t number[2];       /* two blocks that would be one, or are by an answer */
    bool answered;
    const Block *row[2];
    size_t count[2];
    const char **keys;       /* [key_count] owned, growing: what is taken back of the target */
    size_t key_count, key_room;
} Moved;

typedef struct Blocks {
    Auto *a;
    Table suspects;          /* pairs of rows that are looked at */
    Table known;             /* link → index in links */
    Link *links;             /* [link_count] owned, growing */
    size_t link_count, link_room;
    Block *blocks[2];        /* [block_count] owned, growing; by row and number */
    size_t block_count[2], block_room[2];
    Table shapes[2];         /* shapes that a side has */
    Moved *moved;            /* [moved_count] owned, growing */
    size_t moved_count, moved_room;
} Blocks;

static size_t places_of(const Auto *a, const Side *side, const Unit *unit, Place *out)
{
    const NameParts parts = words_parts(a->words, main_tensor(side, unit)->name);
    const char *end = parts.path + parts.path_length;
    size_t n = 0;
    for (const char *at = parts.path; at < end && n < SLOTS_MAX;) {
        int64_t number = 0;
        const size_t digits = is_digit(*at) ? name_number(at, end, &number) : 0;
        if (digits)
            out[n++] = (Place){hash_text(71, parts.path, (size_t)(at - parts.path)), number,
                               parts.path, parts.path_length, (size_t)(at - parts.path), digits};
        at += digits;
        while (!digits && at < end && is_digit(*at)) at++;   /* too long for a number */
        while (at < end && !is_digit(*at)) at++;
    }
    return n;
}

/* ---- which block was paired with which ---- */

static uint64_t rows_key(uint64_t source, uint64_t target)
{
    return hash_mix(hash_mix(83, source), target);
}

static void add_link(Blocks *blocks, const Place *s, const Place *t)
{
    const uint64_t key = hash_mix(hash_mix(hash_mix(s->row, t->row), (uint64_t)s->number),
                                  (uint64_t)t->number);
    bool fresh;
    const uint32_t at = *table_add(&blocks->known, key, (uint32_t)blocks->link_count, &fresh);
    if (fresh) {
        blocks->links = mem_grow(blocks->links, &blocks->link_room, blocks->link_count + 1,
                                 sizeof *blocks->links);
        blocks->links[blocks->link_count++] =
            (Link){{s->row, t->row}, {s->number, t->number}, 0, {*s, *t}};
    }
    blocks->links[at].votes++;
}

/* Rows of one length that reach equally far have no block that the other lacks. */
static bool is_even(const Auto *a, const Template *s, const Template *t)
{
    if (s->count != t->count) return false;
    const Counting x = counting_of(&a->side[0], s), y = counting_of(&a->side[1], t);
    return x.hash == y.hash;
}

/* What is known of a template of the source and the mate that was last asked about. */
typedef struct Evenness {
    uint32_t mate;           /* 1 + template of the target; 0: nothing was asked */
    bool even;
} Evenness;

static bool asked_even(const Auto *a, Evenness *known, uint32_t s, uint32_t t)
{
    const Template *source = &a->side[0].templates[s], *target = &a->side[1].templates[t];
    if (known[s].mate != t + 1) known[s] = (Evenness){t + 1, is_even(a, source, target)};
    return known[s].even;
}

/* Rows that pairs lead from one to the other. With `uneven` only those of uneven templates, which
 * become suspects; else the pairs of all suspects. */
static void list_links(Blocks *blocks, bool uneven)
{
    const Auto *a = blocks->a;
    const Side *x = &a->side[0], *y = &a->side[1];
    Place p[SLOTS_MAX], q[SLOTS_MAX];
    Arena *arena = arena_new();
    Evenness *known = arena_alloc(arena, (x->template_count + 1) * sizeof *known);
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const Unit *u = &x->units[i];
        if (u->mate == NONE) continue;
        const Unit *v = &y->units[u->mate];
        if (uneven && asked_even(a, known, u->template, v->template)) continue;
        const size_t m = places_of(a, x, u, p), n = places_of(a, y, v, q);
        for (size_t j = 0; j < m * n; j++) {
            const uint64_t key = rows_key(p[j / n].row, q[j % n].row);
            if (uneven) table_add(&blocks->suspects, key, 1, NULL);
            else if (table_find(&blocks->suspects, key)) add_link(blocks, &p[j / n], &q[j % n]);
        }
    }
    arena_free(arena);
}

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

static void list_blocks(Blocks *blocks, int s)
{
    const Side *side = &blocks->a->side[s];
    Table rows = {.arena = blocks->a->arena}, known = rows, kinds = rows;
    for (size_t i = 0; i < blocks->link_count; i++)
        table_add(&rows, blocks->links[i].row[s], 1, NULL);
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        Place places[SLOTS_MAX];
        const size_t n = places_of(blocks->a, side, unit, places);
        const bool common = table_find(&blocks->shapes[!s], unit->shape);
        for (size_t k = 0; k < n; k++) {
            if (!table_find(&rows, places[k].row)) continue;
            const uint64_t key = hash_mix(places[k].row, (uint64_t)places[k].number);
            bool fresh, new_kind;
            const uint32_t at =
                *table_add(&known, key, (uint32_t)blocks->block_count[s], &fresh);
            if (fresh) {
                blocks->blocks[s] = mem_grow(blocks->blocks[s], &blocks->block_room[s],
                                             blocks->block_count[s] + 1, sizeof(Block));
                blocks->blocks[s][blocks->block_count[s]++] =
                    (Block){places[k].row, places[k].number, 0, 0};
            }
            if (!common) continue;
            table_add(&kinds, hash_mix(key, unit->shape), 1, &new_kind);
            blocks->blocks[s][at].look += hash_mix(73, unit->shape);
            if (new_kind) blocks->blocks[s][at].kinds += hash_mix(79, unit->shape);
        }
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

/* ---- whether they fit better otherwise ---- */

/* Both rows, and how they were paired. */
typedef struct Rows {
    const Block *row[2];
    size_t count[2];
    size_t mate[BLOCKS_MAX];     /* [count[0]] place in the other row; SIZE_MAX: none */
    bool falls;                  /* the last of one was paired with the first of the other */
} Rows;

static bool same_look(const Rows *rows, size_t i, size_t j, bool kinds)
{
    const Block *a = &rows->row[0][i], *b = &rows->row[1][j];
    return kinds ? a->kinds == b->kinds : a->look == b->look;
}

/* As many as can be paired in one order, and a pair of them. */
static size_t fit_best(const Rows *rows, bool kinds, int64_t number[2])
{
    const size_t m = rows->count[0], n = rows->count[1];
    uint32_t *best = mem_alloc((m + 1) * (n + 1) * sizeof *best);
    for (size_t i = 0; i < (m + 1) * (n + 1); i++) best[i] = 0;
    for (size_t i = m; i-- > 0;)
        for (size_t j = n; j-- > 0;) {
            const uint32_t skip = best[(i + 1) * (n + 1) + j], pass = best[i * (n + 1) + j + 1];
            uint32_t most = skip > pass ? skip : pass;
            const size_t other = rows->falls ? n - 1 - j : j;
            if (same_look(rows, i, other, kinds) && best[(i + 1) * (n + 1) + j + 1] + 1 > most)
                most = best[(i + 1) * (n + 1) + j + 1] + 1;
            best[i * (n + 1) + j] = most;
        }
    const size_t all = best[0];
    bool found = false;
    for (size_t i = 0, j = 0; i < m && j < n && !found;) {
        const size_t other = rows->falls ? n - 1 - j : j;
        const uint32_t here = best[i * (n + 1) + j];
        if (same_look(rows, i, other, kinds) && best[(i + 1) * (n + 1) + j + 1] + 1 == here) {
            number[0] = rows->row[0][i].number;
            number[1] = rows->row[1][other].number;
            found = rows->mate[i] != other;
            i++;
            j++;
        } else if (best[(i + 1) * (n + 1) + j] == here) {
            i++;
        } else {
            j++;
        }
    }
    free(best);
    return all;
}

static size_t fit_now(const Rows *rows, bool kinds)
{
    size_t n = 0;
    for (size_t i = 0; i < rows->count[0]; i++)
        n += rows->mate[i] != SIZE_MAX && same_look(rows, i, rows->mate[i], kinds);
    return n;
}

/* One row lacks a block or a few of the other; the rest of it is no part of something longer. */
static bool are_alike(size_t m, size_t n)
{
    const size_t more = m > n ? m : n, fewer = m < n ? m : n;
    return more - fewer <= 1 || (more - fewer) * 4 <= more;
}

/* Fills in how two rows were paired. False: it is no pairing of blocks, or both reach equally far,
 * or too many are in them. */
static bool read_rows(const Blocks *blocks, const Link *links, size_t n, Rows *rows)
{
    for (int s = 0; s < 2; s++) {
        rows->row[s] = row_of(blocks, s, links->row[s], &rows->count[s]);
        if (rows->count[s] > BLOCKS_MAX) return false;
    }
    if (!are_alike(rows->count[0], rows->count[1])) return false;
    bool taken[BLOCKS_MAX] = {false};
    size_t paired = 0, rises = 0, falls = 0, before = SIZE_MAX;
    for (size_t i = 0, at = 0; i < rows->count[0]; i++) {
        rows->mate[i] = SIZE_MAX;
        while (at < n && links[at].number[0] < rows->row[0][i].number) at++;
        if (at == n || links[at].number[0] != rows->row[0][i].number) continue;
        if (at + 1 < n && links[at + 1].number[0] == links[at].number[0] &&
            links[at + 1].votes * 2 > links[at].votes)
            return false;
        size_t j = 0;
        while (rows->row[1][j].number != links[at].number[1]) j++;
        if (taken[j]) return false;
        taken[j] = true;
        rows->mate[i] = j;
        paired++;
        if (before != SIZE_MAX) *(j > before ? &rises : &falls) += 1;
        before = j;
    }
    rows->falls = falls > rises;
    const size_t last = rows->count[0] - 1, end = rows->count[1] - 1;
    const bool ends = rows->falls ? rows->mate[0] == end && rows->mate[last] == 0
                                  : rows->mate[0] == 0 && rows->mate[last] == end;
    return paired > 1 && !(rises && falls) && !ends;
}

/* ---- what is taken back ---- */

/* The moved rows that two units stand in, and the places in which they do; NULL. */
static const Moved *find_moved(const Blocks *blocks, uint32_t u, uint32_t v, Place *s, Place *t)
{
    const Auto *a = blocks->a;
    Place p[SLOTS_MAX], q[SLOTS_MAX];
    const size_t m = places_of(a, &a->side[0], &a->side[0].units[u], p);
    const size_t n = places_of(a, &a->side[1], &a->side[1].units[v], q);
    for (size_t j = 0; j < m * n; j++) {
        const uint32_t *at = table_find(&a->moved, rows_key(p[j / n].row, q[j % n].row));
        if (!at) continue;
        *s = p[j / n];
        *t = q[j % n];
        return &blocks->moved[*at];
    }
    return NULL;
}

/* The unit of the target that stands where another does, under another number; NONE. */
static uint32_t moved_to(const Auto *a, const Place *place, int64_t number)
{
    char *name = arena_printf(a->arena, "%.*s%" PRId64 "%.*s", (int)place->before, place->path,
                              number, (int)(place->length - place->before - place->digits),
                              place->path + place->before + place->digits);
    const uint32_t *v = table_find(&a->side[1].paths, path_hash(name, strlen(name)));
    return v ? *v : NONE;
}

/* One pair that does not hold. */
typedef struct Undone {
    uint32_t source, target;
    Place from, to;
    const Moved *moved;
} Undone;

/* Both units are in no pair from now on, and nobody's candidates. */
static void undo(Auto *a, const Undone *one)
{
    Unit *u = &a->side[0].units[one->source], *v = &a->side[1].units[one->target];
    u->mate = v->mate = NONE;
    u->fixed = v->fixed = true;
}

static void redo(Auto *a, const Undone *one)
{
    const Moved *moved = one->moved;
    const int64_t number = one->from.number + moved->number[1] - moved->number[0];
    const uint32_t v = moved_to(a, &one->to, number);
    Unit *u = &a->side[0].units[one->source], *w = v == NONE ? NULL : &a->side[1].units[v];
    if (!w || w->mate != NONE || u->mate != NONE || w->shape != u->shape) return;
    u->mate = v;
    w->mate = one->source;
    u->fixed = w->fixed = true;
    u->margin = w->margin = u->score = w->score = 1;
}

/* Keys of the target that have no pair any more: of the question, and those whose names must not
 * bind either. */
static void withhold(Blocks *blocks, const Undone *one)
{
    Auto *a = blocks->a;
    const Side *y = &a->side[1];
    const Unit *v = &y->units[one->target];
    Moved *moved = &blocks->moved[one->moved - blocks->moved];
    for (uint32_t i = 0; v->mate == NONE && i < v->count; i++) {
        const uint32_t tensor = y->members[v->first + i];
        a->withheld[tensor] = true;
        a->withheld_count++;
        if (moved->answered) continue;
        moved->keys = mem_grow(moved->keys, &moved->key_room, moved->key_count + 1,
                               sizeof *moved->keys);
        moved->keys[moved->key_count++] = y->given->tensors[tensor].name;
    }
}

/* Pairs within moved rows, and units of equal names that were in no pair. */
static Undone *list_undone(Blocks *blocks, size_t *count)
{
    const Side *x = &blocks->a->side[0], *y = &blocks->a->side[1];
    Undone *list = NULL;
    size_t room = 0;
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const uint32_t *same = table_find(&y->paths, x->units[i].path);
        Undone one = {.source = i, .target = x->units[i].mate};
        if (one.target == NONE && same && y->units[*same].mate == NONE) one.target = *same;
        if (one.target == NONE) continue;
        one.moved = find_moved(blocks, i, one.target, &one.from, &one.to);
        if (!one.moved) continue;
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
    for (size_t i = 0; i < count; i++)
        if (list[i].moved->answered) redo(blocks->a, &list[i]);
    for (size_t i = 0; i < count; i++) withhold(blocks, &list[i]);
    free(list);
}

bool blocks_moved(const Auto *a, uint32_t u, uint32_t v)
{
    const Blocks blocks = {.a = (Auto *)(uintptr_t)a};
    Place s, t;
    return a->moved.count && find_moved(&blocks, u, v, &s, &t);
}

/* ---- the question ---- */

/* A name as far as its number, and a number. */
static const char *block_text(const Auto *a, const Place *place, int64_t number)
{
    return arena_printf(a->out, "%.*s%" PRId64, (int)place->before, place->path, number);
}

/* "layer3.{0-4}" */
static const char *row_text(const Auto *a, const Moved *moved, int s)
{
    const Block *row = moved->row[s];
    return arena_printf(a->out, "%.*s{%" PRId64 "-%" PRId64 "}", (int)moved->place[s].before,
                        moved->place[s].path, row[0].number, row[moved->count[s] - 1].number);
}

static void hear_answer(const Auto *a, Moved *moved)
{
    const AutoOptions *options = a->options;
    for (size_t i = 0; i < options->answer_count; i++) {
        const char *text[2] = {options->answers[i].source, options->answers[i].target};
        int64_t number[2];
        bool fits = true;
        for (int s = 0; s < 2 && fits; s++) {
            const Place *place = &moved->place[s];
            fits = text[s] && strncmp(text[s], place->path, place->before) == 0;
            if (!fits) break;
            const char *digits = text[s] + place->before;
            const size_t n = name_number(digits, digits + strlen(digits), &number[s]);
            fits = n && !digits[n];
        }
        if (!fits) continue;
        moved->answered = true;
        moved->number[0] = number[0];
        moved->number[1] = number[1];
    }
}

static void close_moved(Auto *a, Moved *moved)
{
    AutoTie *tie = &a->asked[a->asked_count];
    const char **names = arena_alloc(a->out, 2 * sizeof *names);
    float *score = arena_alloc(a->out, sizeof *score);
    names[0] = row_text(a, moved, 0);
    names[1] = row_text(a, moved, 1);
    *score = 0.5f;
    *tie = (AutoTie){.sources = names, .source_count = 1, .targets = names + 1, .target_count = 1,
                     .scores = score, .tensors = moved->key_count, .key_count = moved->key_count};
    const char *block = block_text(a, &moved->place[0], moved->number[0]);
    tie->ask = arena_printf(a->out, "%s=?", block);
    tie->say = arena_printf(a->out, "%s=%s", block,
                            block_text(a, &moved->place[1], moved->number[1]));
    tie->keys = arena_copy(a->out, moved->keys, moved->key_count * sizeof *moved->keys);
    if (moved->key_count) a->asked_count++;
    free(moved->keys);
}

/* ---- the whole ---- */

static void check_links(Blocks *blocks, const Link *links, size_t n)
{
    Rows *rows = arena_alloc(blocks->a->arena, sizeof *rows);
    if (!read_rows(blocks, links, n, rows)) return;
    Moved moved = {.place = {links->place[0], links->place[1]},
                   .row = {rows->row[0], rows->row[1]},
                   .count = {rows->count[0], rows->count[1]}};
    size_t best = fit_best(rows, false, moved.number);
    const bool kinds = !best;
    if (kinds) best = fit_best(rows, true, moved.number);
    const size_t fewer = rows->count[0] < rows->count[1] ? rows->count[0] : rows->count[1];
    if (best <= fit_now(rows, kinds) || best * 4 < fewer * 3) return;
    hear_answer(blocks->a, &moved);
    table_add(&blocks->a->moved, rows_key(links->row[0], links->row[1]),
              (uint32_t)blocks->moved_count, NULL);
    blocks->moved = mem_grow(blocks->moved, &blocks->moved_room, blocks->moved_count + 1,
                             sizeof *blocks->moved);
    blocks->moved[blocks->moved_count++] = moved;
}

static void list_shapes(Blocks *blocks, int s)
{
    const Side *side = &blocks->a->side[s];
    blocks->shapes[s] = (Table){.arena = blocks->a->arena};
    for (uint32_t i = 0; i < side->unit_count; i++)
        table_add(&blocks->shapes[s], side->units[i].shape, 1, NULL);
}

static void check_moved(Blocks *blocks)
{
    qsort(blocks->links, blocks->link_count, sizeof *blocks->links, compare_links);
    for (int s = 0; s < 2; s++) list_shapes(blocks, s);
    for (int s = 0; s < 2; s++) list_blocks(blocks, s);
    for (size_t from = 0, to; from < blocks->link_count && !blocks->a->stopped; from = to) {
        const Link *links = blocks->links;
        for (to = from + 1; to < blocks->link_count; to++)
            if (links[to].row[0] != links[from].row[0] || links[to].row[1] != links[from].row[1])
                break;
        check_links(blocks, links + from, to - from);
        auto_pause(blocks->a);
    }
}

void check_blocks(Auto *a)
{
    Blocks blocks = {.a = a, .known.arena = a->arena, .suspects.arena = a->arena};
    a->moved = (Table){.arena = a->arena};
    if (a->side[0].shapeless) return;
    list_links(&blocks, true);
    if (blocks.suspects.count) list_links(&blocks, false);
    if (blocks.link_count) check_moved(&blocks);
    if (blocks.moved_count) take_back(&blocks);
    a->asked = arena_alloc(a->arena, (blocks.moved_count + 1) * sizeof *a->asked);
    for (size_t i = 0; i < blocks.moved_count; i++) close_moved(a, &blocks.moved[i]);
    free(blocks.links);
    for (int s = 0; s < 2; s++) free(blocks.blocks[s]);
    free(blocks.moved);
}
