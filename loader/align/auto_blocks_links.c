/* Which block was paired with which, by the numbers of all names; and which rows of blocks are
 * looked at closer, since their numbers do not tell it, or what stands below says otherwise. */
#include "loader/align/auto_blocks.h"

enum { NAMES_MAX = 4 };      /* numbers glued to a word that are rather names: norm1, norm2 */

size_t places_of(const Auto *a, const Side *side, const Unit *unit, Place *out)
{
    const NameParts parts = words_parts(a->words, main_tensor(side, unit)->name);
    const char *end = parts.path + parts.path_length;
    size_t n = 0;
    for (const char *at = parts.path; at < end && n < SLOTS_MAX;) {
        int64_t number = 0;
        const size_t digits = is_digit(*at) ? name_number(at, end, &number) : 0;
        if (digits)
            out[n++] = (Place){hash_text(71, parts.path, (size_t)(at - parts.path)), number,
                               parts.path, parts.path_length, (size_t)(at - parts.path), digits,
                               at > parts.path && !is_separator(at[-1])};
        at += digits;
        while (!digits && at < end && is_digit(*at)) at++;   /* too long for a number */
        while (at < end && !is_digit(*at)) at++;
    }
    return n;
}

void list_ranges(Blocks *blocks, int s)
{
    const Side *side = &blocks->a->side[s];
    Ranges *ranges = &blocks->ranges[s];
    for (uint32_t i = 0; i < side->unit_count; i++) {
        Place places[SLOTS_MAX];
        const size_t n = places_of(blocks->a, side, &side->units[i], places);
        const bool common = table_find(&blocks->shapes_there[!s], side->units[i].shape);
        for (size_t k = 0; k < n; k++) {
            bool fresh;
            const int64_t number = places[k].number;
            if (common)
                *table_add(&blocks->below[s], place_key(places[k].row, number), 0, NULL) +=
                    (uint32_t)hash_mix(131, side->units[i].shape);
            const uint32_t at =
                *table_add(&ranges->rows, places[k].row, (uint32_t)ranges->count, &fresh);
            if (fresh) {
                ranges->list = mem_grow(ranges->list, &ranges->room, ranges->count + 1,
                                        sizeof *ranges->list);
                ranges->list[ranges->count++] = (Range){number, number};
            }
            if (number < ranges->list[at].low) ranges->list[at].low = number;
            if (number > ranges->list[at].high) ranges->list[at].high = number;
        }
    }
}

static Range range_of(const Blocks *blocks, int s, uint64_t row)
{
    return blocks->ranges[s].list[*table_find(&blocks->ranges[s].rows, row)];
}

/* Numbers of rows that reach equally far tell which block is which: from the first on, or from the
 * last where one counts the other way. */
static bool is_told(const Blocks *blocks, const Place *s, const Place *t)
{
    const Range x = range_of(blocks, 0, s->row), y = range_of(blocks, 1, t->row);
    if (x.high - x.low != y.high - y.low) return false;
    return s->number - x.low == t->number - y.low || s->number - x.low == y.high - t->number;
}

/* Whether the same stands below two numbers of two rows. */
static bool same_below(const Blocks *blocks, uint64_t source, int64_t m, uint64_t target, int64_t n)
{
    const uint32_t here = table_count(&blocks->below[0], place_key(source, m));
    return here && here == table_count(&blocks->below[1], place_key(target, n));
}

/* Stages are counted from either end, where one side counts them in a word and the other does not,
 * also in rows that reach equally far: whether not what was paired looks the same, but what stands
 * there in the other direction. */
static bool is_turned(const Blocks *blocks, const Place *s, const Place *t)
{
    const Range x = range_of(blocks, 0, s->row), y = range_of(blocks, 1, t->row);
    const int64_t place = s->number - x.low, mirrored = y.high - place;
    const int64_t other = t->number == y.low + place ? mirrored : y.low + place;
    return s->glued != t->glued && x.high > x.low && t->number != other &&
           !same_below(blocks, s->row, s->number, t->row, t->number) &&
           same_below(blocks, s->row, s->number, t->row, other);
}

static bool is_name(const Blocks *blocks, int s, const Place *place)
{
    const Range range = range_of(blocks, s, place->row);
    return place->glued && range.high - range.low < NAMES_MAX;
}

uint64_t link_key(const Place *s, const Place *t)
{
    return hash_mix(hash_mix(rows_key(s->row, t->row), (uint64_t)s->number), (uint64_t)t->number);
}

static void add_link(Blocks *blocks, const Place *s, const Place *t, bool named)
{
    bool fresh;
    const uint32_t at =
        *table_add(&blocks->known, link_key(s, t), (uint32_t)blocks->link_count, &fresh);
    if (fresh) {
        blocks->links = mem_grow(blocks->links, &blocks->link_room, blocks->link_count + 1,
                                 sizeof *blocks->links);
        blocks->links[blocks->link_count++] =
            (Link){{s->row, t->row}, {s->number, t->number}, 0, 0, {*s, *t}};
    }
    blocks->links[at].votes++;
    blocks->links[at].named += named;
}

/* Numbers of a few, glued to a word, that are no names all the same: as many on both sides, and
 * what stands below them tells them apart. */
static bool are_told_below(const Blocks *blocks, const Place *s, const Place *t)
{
    const Range x = range_of(blocks, 0, s->row), y = range_of(blocks, 1, t->row);
    return s->glued != t->glued && x.high - x.low == y.high - y.low &&
           !same_below(blocks, s->row, x.low, t->row, y.low) &&
           same_below(blocks, s->row, x.low, t->row, y.high);
}

/* Rows become suspects by pairs that no numbers tell. */
static void suspect(Blocks *blocks, const Place *p, size_t m, const Place *q, size_t n)
{
    bool told[2][SLOTS_MAX] = {{false}};
    for (size_t j = 0; j < m * n; j++)
        if (is_told(blocks, &p[j / n], &q[j % n])) {
            told[0][j / n] = told[1][j % n] = true;
            if (is_turned(blocks, &p[j / n], &q[j % n]))
                table_add(&blocks->suspects, rows_key(p[j / n].row, q[j % n].row), 1, NULL);
        }
    for (size_t j = 0; j < m * n; j++)
        if (!told[0][j / n] && !told[1][j % n] &&
            ((!is_name(blocks, 0, &p[j / n]) && !is_name(blocks, 1, &q[j % n])) ||
             are_told_below(blocks, &p[j / n], &q[j % n])))
            table_add(&blocks->suspects, rows_key(p[j / n].row, q[j % n].row), 1, NULL);
}

void list_links(Blocks *blocks, bool first)
{
    const Auto *a = blocks->a;
    const Side *x = &a->side[0], *y = &a->side[1];
    Place p[SLOTS_MAX], q[SLOTS_MAX];
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const Unit *u = &x->units[i];
        if (u->mate == NONE) continue;
        const Unit *v = &y->units[u->mate];
        const size_t m = places_of(a, x, u, p), n = places_of(a, y, v, q);
        if (first) suspect(blocks, p, m, q, n);
        for (size_t j = 0; j < m * n && !first; j++)
            if (table_find(&blocks->suspects, rows_key(p[j / n].row, q[j % n].row)))
                add_link(blocks, &p[j / n], &q[j % n], u->path == v->path);
    }
}
