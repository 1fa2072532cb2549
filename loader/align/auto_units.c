/* Reading a side: names become units with members, and coarse names. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { VALUES_MAX = 4 };

/* What is only needed while a side is read. */
typedef struct Reader {
    Auto *a;
    Side *side;
    Table coarse;
    const char *above;       /* [above_length] the path above the last unit; NULL: there was none */
    size_t above_length;
    size_t unit_room, coarse_room, number_room, number_count;
    struct SlotValues {
        int64_t value[SLOTS_MAX][VALUES_MAX];
        uint8_t count[SLOTS_MAX];    /* VALUES_MAX + 1: more */
    } *values;               /* [coarse] */
    size_t value_room;
} Reader;

/* Remembers a value of a slot, until there are more than a few. */
static void note_value(struct SlotValues *values, unsigned slot, int64_t value)
{
    uint8_t n = values->count[slot];
    if (n > VALUES_MAX) return;
    for (uint8_t i = 0; i < n; i++)
        if (values->value[slot][i] == value) return;
    if (n < VALUES_MAX) values->value[slot][n] = value;
    values->count[slot] = n + 1;
}

/* The letters that end at `at`. */
static uint64_t word_before(const char *path, const char *at)
{
    const char *begin = at;
    while (begin > path && is_separator(begin[-1])) begin--;
    const char *end = begin;
    while (begin > path && !is_separator(begin[-1]) && !is_digit(begin[-1])) begin--;
    return hash_text(13, begin, (size_t)(end - begin));
}

/* A path's numbers, and the hash of what is left of it. */
typedef struct PathScan {
    uint64_t coarse, block, before[SLOTS_MAX], axis[SLOTS_MAX];
    int64_t numbers[SLOTS_MAX];
    uint8_t count, glued;
    bool numbered;
} PathScan;

/* Whether a number is a segment of its own, blocks.0.conv; also in a path that is written as one
 * word, down_blocks_0_attentions_1_conv, which has several such numbers. */
static bool is_alone(const char *at, size_t digits, const char *path, const char *end, bool joined)
{
    const bool before = at == path || is_separator(at[-1]) || (joined && at[-1] == '_');
    const char *behind = at + digits;
    return before && (behind == end || is_separator(*behind) || (joined && *behind == '_'));
}

/* Whether underscores join the segments of a path. */
static bool is_joined(const char *path, const char *end)
{
    size_t numbers = 0;
    for (const char *at = path; at < end; at++) {
        if (is_separator(*at) && at + 1 < end && is_digit(at[1])) return false;
        if (*at != '_' || at + 1 == end || !is_digit(at[1])) continue;
        while (at + 1 < end && is_digit(at[1])) at++;
        numbers += at + 1 < end && at[1] == '_';
    }
    return numbers > 1;
}

static void scan_path(const char *path, size_t n, PathScan *out)
{
    const char *end = path + n, *text = path;
    const bool joined = is_joined(path, end);
    bool counted = false;            /* a number that is a segment of its own */
    *out = (PathScan){.coarse = 7};
    for (const char *at = path; at < end;) {
        int64_t value;
        size_t digits = is_digit(*at) && out->count < SLOTS_MAX ? name_number(at, end, &value) : 0;
        if (!digits) {
            while (at < end && is_digit(*at)) at++;
            while (at < end && !is_digit(*at)) at++;
            continue;
        }
        bool alone = is_alone(at, digits, path, end, joined);
        if (!alone) out->glued |= (uint8_t)(1u << out->count);
        if (!out->count || (alone && !counted))
            out->block = hash_text(9, path, (size_t)(at - path) + digits);
        counted = counted || alone;
        out->before[out->count] = word_before(path, at);
        out->numbers[out->count] = value;
        out->numbered = at + digits == end;
        out->coarse = hash_mix(hash_text(out->coarse, text, (size_t)(at - text)), 11);
        out->axis[out->count++] = out->coarse;
        at += digits;
        text = at;
    }
    out->coarse = hash_text(out->coarse, text, (size_t)(end - text));
}

static uint32_t add_coarse(Reader *reader, const PathScan *scan)
{
    Side *side = reader->side;
    bool fresh;
    uint32_t index = *table_add(&reader->coarse, scan->coarse, side->coarse_count, &fresh);
    if (fresh) {
        side->coarse = mem_grow(side->coarse, &reader->coarse_room, side->coarse_count + 1,
                                sizeof *side->coarse);
        reader->values = mem_grow(reader->values, &reader->value_room, side->coarse_count + 1,
                                  sizeof *reader->values);
        memset(&reader->values[side->coarse_count], 0, sizeof *reader->values);
        side->coarse[side->coarse_count++] =
            (Coarse){.hash = scan->coarse, .slot_count = scan->count, .glued = scan->glued,
                     .numbered = scan->numbered};
        Coarse *added = &side->coarse[side->coarse_count - 1];
        memcpy(added->before, scan->before, sizeof scan->before);
        memcpy(added->axis, scan->axis, sizeof scan->axis);
        memcpy(added->low, scan->numbers, sizeof scan->numbers);
        memcpy(added->high, scan->numbers, sizeof scan->numbers);
    }
    Coarse *coarse = &side->coarse[index];
    for (unsigned i = 0; i < scan->count; i++) {
        note_value(&reader->values[index], i, scan->numbers[i]);
        if (scan->numbers[i] < coarse->low[i]) coarse->low[i] = scan->numbers[i];
        if (scan->numbers[i] > coarse->high[i]) coarse->high[i] = scan->numbers[i];
    }
    return index;
}

uint64_t path_hash(const char *path, size_t n)
{
    return hash_text(5, path, n);
}

uint64_t path_root(void)
{
    return hash_text(3, "", 0);
}

/* How far a path goes that lies above one of n bytes. */
static size_t length_above(const char *path, size_t n)
{
    while (n && !is_separator(path[n - 1])) n--;
    return n ? n - 1 : 0;
}

/* The paths above the last unit, the nearest first; where there are none, the root. Mostly they are
 * those of the unit before it. */
static void hash_above(Reader *reader, const char *path, size_t n)
{
    Unit *unit = &reader->side->units[reader->side->unit_count - 1];
    size_t end = length_above(path, n);
    if (reader->above && end == reader->above_length && !memcmp(path, reader->above, end)) {
        memcpy(unit->up, unit[-1].up, sizeof unit->up);
        return;
    }
    reader->above = path;
    reader->above_length = end;
    for (unsigned i = 0; i < UP_MAX; i++, end = length_above(path, end))
        unit->up[i] = hash_text(3, path, end);
}

static uint32_t add_unit(Reader *reader, const NameParts *parts, uint64_t path, uint32_t tensor)
{
    Side *side = reader->side;
    bool fresh;
    uint32_t index = *table_add(&side->paths, path, side->unit_count, &fresh);
    if (!fresh) return index;
    PathScan scan;
    scan_path(parts->path, parts->path_length, &scan);
    side->units = mem_grow(side->units, &reader->unit_room, side->unit_count + 1,
                           sizeof *side->units);
    side->numbers = mem_grow(side->numbers, &reader->number_room,
                             reader->number_count + scan.count + 1, sizeof *side->numbers);
    Unit *unit = &side->units[side->unit_count++];
    *unit = (Unit){.path = path, .block = scan.count ? scan.block : path, .position = tensor,
                   .coarse = add_coarse(reader, &scan),
                   .numbers = (uint32_t)reader->number_count, .template = NONE, .mate = NONE,
                   .beside = NONE};
    for (unsigned i = 0; i < scan.count; i++)
        side->numbers[reader->number_count + i] = scan.numbers[i];
    reader->number_count += scan.count;
    hash_above(reader, parts->path, parts->path_length);
    return index;
}

/* The member that stands for its unit: of most dimensions, then the lowest role. */
static bool stands_before(const Side *side, uint32_t a, uint32_t b)
{
    const AutoTensor *x = &side->given->tensors[a], *y = &side->given->tensors[b];
    unsigned p = x->dims ? x->rank : 0, q = y->dims ? y->rank : 0;
    if (p != q) return p > q;
    return side->role_of[a] < side->role_of[b];
}

/* Members of each unit in a row, the main one first. */
static void sort_members(Side *side)
{
    size_t n = side->given->count;
    side->members = arena_alloc(side->arena, (n + 1) * sizeof *side->members);
    for (size_t i = 0; i < n; i++) side->units[side->unit_of[i]].count++;
    uint32_t at = 0;
    for (uint32_t i = 0; i < side->unit_count; i++) {
        side->units[i].first = at;
        at += side->units[i].count;
        side->units[i].count = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        Unit *unit = &side->units[side->unit_of[i]];
        uint32_t *members = side->members + unit->first;
        members[unit->count++] = i;
        if (stands_before(side, i, members[0])) {
            members[unit->count - 1] = members[0];
            members[0] = i;
        }
    }
    for (uint32_t i = 0; i < side->unit_count; i++) {
        Unit *unit = &side->units[i];
        unit->shape = side->shapeless ? 1 : shape_canonical(main_tensor(side, unit));
    }
}

/* Names that count the same blocks get the range of them all. */
static void share_ranges(Side *side)
{
    Table axes = {.arena = side->arena};
    struct Range {
        int64_t low, high;
    } *ranges = NULL;
    size_t room = 0, count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < side->coarse_count; i++) {
            Coarse *coarse = &side->coarse[i];
            for (unsigned s = 0; s < coarse->slot_count; s++) {
                bool fresh;
                const uint32_t at = *table_add(&axes, coarse->axis[s], (uint32_t)count, &fresh);
                if (fresh) {
                    ranges = mem_grow(ranges, &room, count + 1, sizeof *ranges);
                    ranges[count++] = (struct Range){coarse->low[s], coarse->high[s]};
                }
                struct Range *range = &ranges[at];
                if (coarse->low[s] < range->low) range->low = coarse->low[s];
                if (coarse->high[s] > range->high) range->high = coarse->high[s];
                if (!pass) continue;
                coarse->low[s] = range->low;
                coarse->high[s] = range->high;
            }
        }
    free(ranges);
}

static void close_reader(Reader *reader)
{
    Side *side = reader->side;
    for (uint32_t i = 0; i < side->coarse_count; i++)
        for (unsigned s = 0; s < side->coarse[i].slot_count; s++)
            if (reader->values[i].count[s] <= VALUES_MAX)
                side->coarse[i].few |= (uint8_t)(1u << s);
    share_ranges(side);
    free(reader->values);
}

/* Signs that a file is in the order of definition, and signs that it is not. */
typedef struct OrderSigns {
    size_t good, bad;
} OrderSigns;

/* The members of a unit stand together. */
static void see_members(const Side *side, OrderSigns *signs)
{
    for (size_t i = 1; i < side->given->count; i++) {
        if (side->units[side->unit_of[i]].position == i) continue;
        bool together = side->unit_of[i] == side->unit_of[i - 1];
        *(together ? &signs->good : &signs->bad) += 1;
    }
}

/* The first number in which two units of one coarse name differ. */
static unsigned first_difference(const Side *side, const Unit *a, const Unit *b)
{
    const int64_t *x = side->numbers + a->numbers, *y = side->numbers + b->numbers;
    unsigned slot = 0;
    while (slot + 1u < side->coarse[a->coarse].slot_count && x[slot] == y[slot]) slot++;
    return slot;
}

/* Block 1 stands before block 2; where all of a name stand the other way round, decoder4 before
 * decoder3, that is an order as well. */
static void see_numbers(const Side *side, OrderSigns *signs)
{
    for (uint32_t i = 0, to; i < side->unit_count; i = to) {
        const uint32_t coarse = side->units[side->order[i]].coarse;
        uint32_t rises[SLOTS_MAX] = {0}, falls[SLOTS_MAX] = {0};
        for (to = i + 1; to < side->unit_count; to++) {
            const Unit *a = &side->units[side->order[to - 1]], *b = &side->units[side->order[to]];
            if (b->coarse != coarse) break;
            const unsigned slot = first_difference(side, a, b);
            const bool less = side->numbers[a->numbers + slot] < side->numbers[b->numbers + slot];
            const bool before = a->position < b->position;
            rises[slot] += less == before;
            falls[slot] += less != before;
        }
        for (unsigned s = 0; s < SLOTS_MAX; s++) {
            const bool backwards = falls[s] > 1 && falls[s] > rises[s];
            signs->good += backwards ? falls[s] : rises[s];
            signs->bad += backwards ? rises[s] : falls[s];
        }
    }
}

/* What lies under one parent stands together: parents come again no more than a few times. */
static void see_parents(const Side *side, OrderSigns *signs)
{
    Table parents = {.arena = arena_new()};
    size_t runs = 0;
    for (size_t i = 0; i < side->unit_count; i++) {
        table_add(&parents, side->units[i].up[0], 1, NULL);
        runs += i == 0 || side->units[i].up[0] != side->units[i - 1].up[0];
    }
    if (parents.count * 3 <= side->unit_count)
        *(runs <= parents.count * 3 ? &signs->good : &signs->bad) += side->unit_count;
    arena_free(parents.arena);
}

/* Whether the order of the file can be the order of definition: not sorted by name, not mixed. */
static bool looks_ordered(const Side *side)
{
    size_t sorted = 0, n = side->given->count;
    for (size_t i = 1; i < n; i++)
        sorted += strcmp(side->given->tensors[i - 1].name, side->given->tensors[i].name) <= 0;
    if (n > 2 && sorted == n - 1) return false;
    OrderSigns members = {0, 0}, numbers = {0, 0}, parents = {0, 0};
    see_members(side, &members);
    see_numbers(side, &numbers);
    see_parents(side, &parents);
    return members.good >= members.bad * 4 && numbers.good >= numbers.bad * 9 && !parents.bad &&
           members.good + numbers.good + parents.good;
}

void side_see_order(Auto *a, Side *side)
{
    side->ordered = !side->given->alphabetical && !a->options->no_order && looks_ordered(side);
}

/* A few names: their paths are sent for together. */
static void read_names(Reader *reader, uint32_t from)
{
    Side *side = reader->side;
    const size_t left = side->given->count - from, n = left < TABLE_AHEAD ? left : TABLE_AHEAD;
    NameParts parts[TABLE_AHEAD];
    uint64_t paths[TABLE_AHEAD];
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = words_parts(reader->a->words, side->given->tensors[from + i].name);
        paths[i] = path_hash(parts[i].path, parts[i].path_length);
        table_expect(&side->paths, paths[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        side->role_of[from + i] = parts[i].role;
        side->wrapped += parts[i].wrapped;
        side->unit_of[from + i] = add_unit(reader, &parts[i], paths[i], from + i);
    }
}

void side_read(Auto *a, Side *side, const AutoSide *given)
{
    side->given = given;
    side->unit_of = arena_alloc(side->arena, (given->count + 1) * sizeof *side->unit_of);
    side->role_of = arena_alloc(side->arena, (given->count + 1) * sizeof *side->role_of);
    Reader reader = {.a = a, .side = side, .coarse.arena = side->arena};
    table_reserve(&side->paths, given->count / 2);   /* most layers have two tensors, or more */
    for (uint32_t i = 0; i < given->count; i += TABLE_AHEAD) read_names(&reader, i);
    close_reader(&reader);
    sort_members(side);
}

void side_done(Side *side)
{
    table_done(&side->paths);
    free(side->coarse);
    free(side->units);
    free(side->numbers);
    free(side->templates);
}

Table units_alone(const Auto *a, const Side *side)
{
    Table alone = {.arena = a->arena};
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const AutoTensor *main = main_tensor(side, &side->units[i]);
        int64_t sizes[8];
        bool fresh;
        if (!main->dims || shape_dense(main, sizes) < 2) continue;
        uint32_t *at = table_add(&alone, side->units[i].shape, i + 1, &fresh);
        if (!fresh) *at = 0;
    }
    return alone;
}
