/* Folding. A name is cut into tokens: segments at '.' and '/', and inside a segment runs of
 * digits and the rest. Names of one class and one skeleton (same kinds and separators) are
 * rows of a table; rows that are equal but for one column become one row whose column holds
 * the set of both. Only whole products ever merge, so nothing is named that is not there.
 * The column that joins the most rows goes first.
 *
 *   a.0.q  a.0.k  a.1.q  a.1.k   →  a.0.{k,q}  a.1.{k,q}   →  a.{0-1}.{k,q}
 *   a.0.q  a.0.k  a.1.q          →  a.0.{k,q}  a.1.q       (a.{0-1}.{k,q} would name a.1.k) */
#include "loader/core/fold.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"

enum {
    COLUMNS_MAX = 32,            /* tokens of a name; the rest of it is one token */
    SKELETON_MAX = 128,          /* bytes of a skeleton: a name may be all dots */
    DIGITS_MAX = 18
};

static const uint32_t NOBODY = MAP_NONE;

typedef struct Word {
    const char *text;            /* in the scratch arena */
    int64_t number;              /* -1: no number */
} Word;

/* Ids below word_count are sets of that one word; the others follow in `sets`. */
typedef struct Set {
    const uint32_t *words;       /* [count], sorted */
    size_t count;
} Set;

typedef struct Row {
    uint32_t *sets;              /* [width of the skeleton] */
    uint64_t hash;               /* sum of mix(column, set): a column is taken out by minus */
    uint32_t first, last;        /* its names: a list through Folder.next */
    uint32_t skeleton, class;
} Row;

typedef struct Folder {
    Arena *arena;                /* scratch */
    NameMap word_ids, skeleton_ids, set_ids;
    Word *words;
    size_t word_count, word_room;
    const char **skeletons;      /* "w.n.wn": kinds of tokens with their separators */
    size_t skeleton_count, skeleton_room;
    Set *sets;
    size_t set_count, set_room;
    uint32_t *next;              /* [n] */
    uint32_t *table;             /* hash table of row numbers, reused */
    uint32_t *leader, *link;     /* [n] of the merge that is going on */
} Folder;

/* ---- cutting names ---- */

/* Length of a number as patterns know it (no leading zero, at most 18 digits); else 0. */
static size_t number_length(const char *text)
{
    size_t n = 0;
    while (is_digit(text[n])) n++;
    return n > DIGITS_MAX || (n > 1 && text[0] == '0') ? 0 : n;
}

/* The number of a token; equal tokens have equal numbers, whichever column they stand in. */
static uint32_t intern_word(Folder *folder, const Text *token, bool number)
{
    const char *text = text_string(token);
    uint32_t id = map_get(&folder->word_ids, text);
    if (id != MAP_NONE) return id;
    id = (uint32_t)folder->word_count;
    folder->words = mem_grow(folder->words, &folder->word_room, folder->word_count + 1,
                             sizeof(Word));
    const char *copy = arena_strndup(folder->arena, text, token->length);
    folder->words[folder->word_count++] = (Word){copy, number ? strtoll(copy, NULL, 10) : -1};
    map_set(&folder->word_ids, copy, id);
    return id;
}

/* The number of a skeleton; its text is copied when it is new. "a.0.q" has "w.n.w", as has
 * "layers.11.bias": only these can share a line. */
static uint32_t intern_skeleton(Folder *folder, const char *text)
{
    uint32_t id = map_get(&folder->skeleton_ids, text);
    if (id != MAP_NONE) return id;
    id = (uint32_t)folder->skeleton_count;
    folder->skeletons = mem_grow(folder->skeletons, &folder->skeleton_room, id + 1,
                                 sizeof(char *));
    folder->skeletons[folder->skeleton_count++] = arena_strdup(folder->arena, text);
    map_set(&folder->skeleton_ids, folder->skeletons[id], id);
    return id;
}

/* How many bytes of `at` make the next token, and whether it is a number. */
static size_t token_length(const char *at, bool is_last, bool *number)
{
    size_t n = is_last ? 0 : number_length(at);
    *number = n > 0;
    if (n) return n;
    if (is_last) return strlen(at);
    while (is_digit(at[n])) n++;         /* 007 is part of a word */
    while (at[n] && at[n] != '.' && at[n] != '/' && !is_digit(at[n])) n++;
    while (is_digit(at[n]) && !number_length(at + n)) {
        while (is_digit(at[n])) n++;
        while (at[n] && at[n] != '.' && at[n] != '/' && !is_digit(at[n])) n++;
    }
    return n;
}

/* Cuts `name` into words; ids go to columns[], the skeleton's text to `skeleton`. */
static size_t cut_name(Folder *folder, const char *name, uint32_t columns[COLUMNS_MAX],
                       Text *token, Text *skeleton)
{
    size_t width = 0;
    text_clear(skeleton);
    while (*name) {
        bool is_last = width == COLUMNS_MAX - 1 || skeleton->length >= SKELETON_MAX;
        if (!is_last && (*name == '.' || *name == '/')) {
            text_addc(skeleton, *name++);
            continue;
        }
        bool number = false;
        size_t n = token_length(name, is_last, &number);
        text_clear(token);
        text_addn(token, name, n);
        text_addc(skeleton, number ? 'n' : 'w');
        columns[width++] = intern_word(folder, token, number);
        name += n;
    }
    return width;
}

/* What one column adds to the hash of its row (the finaliser of splitmix64). */
static uint64_t mix(size_t column, uint32_t set)
{
    uint64_t h = ((uint64_t)column << 32 | set) + 0x9E3779B97F4A7C15u;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

/* A row of one name, every column a set of one word. */
static void make_row(Folder *folder, Row *row, const char *name, uint32_t index, uint32_t class,
                     Text *token, Text *skeleton)
{
    uint32_t columns[COLUMNS_MAX];
    size_t width = cut_name(folder, name, columns, token, skeleton);
    row->sets = arena_copy(folder->arena, columns, width * sizeof(uint32_t));
    for (size_t i = 0; i < width; i++) row->hash += mix(i, columns[i]);
    row->first = row->last = index;
    row->skeleton = intern_skeleton(folder, text_string(skeleton));
    row->class = class;
    folder->next[index] = NOBODY;
}

static size_t skeleton_width(const char *skeleton)
{
    size_t width = 0;
    for (; *skeleton; skeleton++) width += *skeleton == 'w' || *skeleton == 'n';
    return width;
}

/* ---- merging rows ---- */

/* The words of a set; for a set of one the id itself is the list. */
static Set set_of(const Folder *folder, const uint32_t *id)
{
    if (*id < folder->word_count) return (Set){id, 1};
    return folder->sets[*id - folder->word_count];
}

/* Numbers by value, words by bytes. */
static int compare_words(const void *a, const void *b, void *context)
{
    const Folder *folder = context;
    const Word *x = &folder->words[*(const uint32_t *)a], *y = &folder->words[*(const uint32_t *)b];
    if (x->number >= 0 && y->number >= 0) return (x->number > y->number) - (x->number < y->number);
    return strcmp(x->text, y->text);
}

/* The set of sorted words: a new id, or the one it has. */
static uint32_t intern_set(Folder *folder, const uint32_t *words, size_t count)
{
    if (count == 1) return words[0];
    Text key = {0};
    text_addn(&key, "", 0);
    for (size_t i = 0; i < count; i++) text_addf(&key, "%x,", words[i]);
    uint32_t id = map_get(&folder->set_ids, text_string(&key));
    if (id == MAP_NONE) {
        id = (uint32_t)(folder->word_count + folder->set_count);
        folder->sets = mem_grow(folder->sets, &folder->set_room, folder->set_count + 1,
                                sizeof(Set));
        folder->sets[folder->set_count++] =
            (Set){arena_copy(folder->arena, words, count * sizeof(uint32_t)), count};
        map_set(&folder->set_ids, arena_strdup(folder->arena, text_string(&key)), id);
    }
    text_done(&key);
    return id;
}

/* Hashes may collide: what merges is compared. */
static bool rows_equal_but(const Row *a, const Row *b, size_t width, size_t column)
{
    for (size_t i = 0; i < width; i++)
        if (i != column && a->sets[i] != b->sets[i]) return false;
    return true;
}

/* Finds for every row the first one that differs from it in `column` at most (leader[]), and
 * returns how many such first rows there are. One pass over a hash table of the rows without
 * that column: O(n × width). */
static size_t find_leaders(Folder *folder, const Row *rows, size_t n, size_t width, size_t column)
{
    size_t room = 16, leaders = 0;
    while (room < n * 2) room *= 2;
    memset(folder->table, 0xFF, room * sizeof(uint32_t));
    for (uint32_t i = 0; i < n; i++) {
        size_t slot = (rows[i].hash - mix(column, rows[i].sets[column])) & (room - 1);
        while (folder->table[slot] != NOBODY &&
               !rows_equal_but(&rows[folder->table[slot]], &rows[i], width, column))
            slot = (slot + 1) & (room - 1);
        if (folder->table[slot] == NOBODY) {
            folder->table[slot] = i;
            leaders++;
        }
        folder->leader[i] = folder->table[slot];
    }
    return leaders;
}

/* Gives `row` the union of what its followers (a list through link[]) hold in `column`. */
static void unite(Folder *folder, Row *rows, uint32_t row, size_t column, uint32_t *buffer)
{
    size_t count = 0, kept = 0;
    for (uint32_t i = row; i != NOBODY; i = folder->link[i]) {
        Set set = set_of(folder, &rows[i].sets[column]);
        memcpy(buffer + count, set.words, set.count * sizeof(uint32_t));
        count += set.count;
        if (i == row) continue;
        folder->next[rows[row].last] = rows[i].first;
        rows[row].last = rows[i].last;
    }
    qsort_r(buffer, count, sizeof(uint32_t), compare_words, folder);
    for (size_t i = 0; i < count; i++)
        if (!kept || buffer[kept - 1] != buffer[i]) buffer[kept++] = buffer[i];
    rows[row].hash -= mix(column, rows[row].sets[column]);
    rows[row].sets[column] = intern_set(folder, buffer, kept);
    rows[row].hash += mix(column, rows[row].sets[column]);
}

/* Joins all rows that differ in `column` only; returns how many are left. Leaders keep the
 * order of their rows. */
static size_t merge_column(Folder *folder, Row *rows, size_t n, size_t width, size_t column)
{
    size_t words = 0, left = 0;
    find_leaders(folder, rows, n, width, column);
    for (size_t i = 0; i < n; i++) {
        words += set_of(folder, &rows[i].sets[column]).count;
        folder->link[i] = NOBODY;
    }
    uint32_t *tail = mem_alloc((n + words) * sizeof(uint32_t)), *buffer = tail + n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = folder->leader[i];
        if (first != i) folder->link[tail[first]] = i;
        tail[first] = i;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (folder->leader[i] != i) continue;
        if (folder->link[i] != NOBODY) unite(folder, rows, i, column, buffer);
    }
    for (uint32_t i = 0; i < n; i++)
        if (folder->leader[i] == i) rows[left++] = rows[i];
    free(tail);
    return left;
}

/* Folds the rows of one class and skeleton; returns how many are left. Greedy: each round takes
 * the column that leaves the fewest rows. */
static size_t fold_rows(Folder *folder, Row *rows, size_t n)
{
    size_t varying[COLUMNS_MAX], count = 0;
    size_t width = skeleton_width(folder->skeletons[rows[0].skeleton]);
    for (size_t column = 0; column < width; column++)
        for (size_t i = 1; i < n; i++)
            if (rows[i].sets[column] != rows[0].sets[column]) {
                varying[count++] = column;
                break;
            }
    /* Each round costs a pass for every column that varies; a bound keeps a made-up list
     * from needing as many rounds as rows. What is not merged then is still exact. */
    for (size_t round = 0; round < 4 * count && n > 1; round++) {
        size_t best = 0, fewest = n;
        for (size_t i = count; i-- > 0;) {
            size_t left = find_leaders(folder, rows, n, width, varying[i]);
            if (left >= fewest) continue;
            fewest = left;
            best = varying[i];
        }
        if (fewest == n) break;
        n = merge_column(folder, rows, n, width, best);
    }
    return n;
}

/* ---- what a row is as text ---- */

/* Escapes what expansion would take for a brace, a separator or (inside braces) a range. */
static void add_literal(Text *out, const char *text, size_t n, bool inside)
{
    bool range = inside && fold_is_range(text) && !text[n];
    for (size_t i = 0; i < n; i++) {
        if (strchr("{}\\", text[i]) || (inside && text[i] == ',') || (range && text[i] == '-'))
            text_addc(out, '\\');
        text_addc(out, text[i]);
    }
}

/* "0-31", "0-2,7": runs of two and more as ranges. */
static void add_numbers(const Folder *folder, const Set *set, Text *out)
{
    for (size_t i = 0, run; i < set->count; i += run) {
        int64_t from = folder->words[set->words[i]].number;
        run = 1;
        while (i + run < set->count &&
               folder->words[set->words[i + run]].number == from + (int64_t)run)
            run++;
        if (i) text_addc(out, ',');
        if (run > 1)
            text_addf(out, "%lld-%lld", (long long)from, (long long)from + (long long)run - 1);
        else
            text_addf(out, "%lld", (long long)from);
    }
}

/* Where a word may be cut in two for the eye: q_proj, k_proj. */
static bool is_border(char c)
{
    return c == '_' || c == '-' || c == ':';
}

/* The longest beginning (ending) that all words share, up to and with a '_' or the like, and
 * that leaves something of each: q_proj, k_proj give {k,q} and "_proj". */
static void find_common(const Folder *folder, const Set *set, size_t *head, size_t *tail)
{
    const char *first = folder->words[set->words[0]].text;
    size_t n = strlen(first), shortest = n;
    *head = *tail = n;
    for (size_t i = 1; i < set->count; i++) {
        const char *word = folder->words[set->words[i]].text;
        size_t length = strlen(word), same = 0;
        if (length < shortest) shortest = length;
        while (same < *head && word[same] == first[same]) same++;
        *head = same;
        same = 0;
        while (same < *tail && same < length && word[length - 1 - same] == first[n - 1 - same])
            same++;
        *tail = same;
    }
    while (*head && (*head >= shortest || !is_border(first[*head - 1]))) --*head;
    while (*tail && (*tail + *head >= shortest || !is_border(first[n - *tail]))) --*tail;
}

/* "{k,q,v}_proj". */
static void add_words(const Folder *folder, const Set *set, Text *out)
{
    size_t head, tail;
    find_common(folder, set, &head, &tail);
    const char *first = folder->words[set->words[0]].text;
    add_literal(out, first, head, false);
    text_addc(out, '{');
    for (size_t i = 0; i < set->count; i++) {
        const char *word = folder->words[set->words[i]].text;
        if (i) text_addc(out, ',');
        /* The tail's '-' must not make a range of what is left: cut it off before looking. */
        char *middle = arena_strndup(folder->arena, word + head, strlen(word) - head - tail);
        add_literal(out, middle, strlen(middle), true);
    }
    text_addc(out, '}');
    add_literal(out, first + strlen(first) - tail, tail, false);
}

/* The skeleton with each column filled in; the counter is that of the first numeric brace. */
static void show_row(const Folder *folder, const Row *row, Arena *arena, Folded *folded, Text *out)
{
    const uint32_t *id = row->sets;
    text_clear(out);
    for (const char *c = folder->skeletons[row->skeleton]; *c; c++) {
        if (*c == '.' || *c == '/') {
            text_addc(out, *c);
            continue;
        }
        Set set = set_of(folder, id++);
        const char *word = folder->words[set.words[0]].text;
        if (set.count == 1) {
            add_literal(out, word, strlen(word), false);
        } else if (*c == 'n') {
            text_addc(out, '{');
            add_numbers(folder, &set, out);
            text_addc(out, '}');
            if (!folded->counter) folded->counter = arena_printf(arena, "×%zu", set.count);
        } else {
            add_words(folder, &set, out);
        }
    }
    folded->text = arena_strndup(arena, text_string(out), out->length);
}

/* ---- the whole ---- */

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Rows that may merge stand together, in input order. */
static int compare_rows(const void *a, const void *b)
{
    const Row *x = a, *y = b;
    if (x->skeleton != y->skeleton) return x->skeleton < y->skeleton ? -1 : 1;
    if (x->class != y->class) return x->class < y->class ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* Lines come in the order of their first names. */
static int compare_folded(const void *a, const void *b)
{
    const Folded *x = a, *y = b;
    return (x->members[0] > y->members[0]) - (x->members[0] < y->members[0]);
}

/* The list of names that a row collected, in input order. */
static void take_members(const Folder *folder, const Row *row, Arena *arena, Folded *folded)
{
    size_t count = 0;
    for (uint32_t i = row->first; i != NOBODY; i = folder->next[i]) count++;
    uint32_t *members = arena_alloc(arena, count * sizeof(uint32_t));
    count = 0;
    for (uint32_t i = row->first; i != NOBODY; i = folder->next[i]) members[count++] = i;
    qsort(members, count, sizeof(uint32_t), compare_numbers);
    folded->members = members;
    folded->count = count;
}

/* Folds group by group; the rows that are left close ranks at the front. */
static size_t fold_all(Folder *folder, Row *rows, size_t n)
{
    size_t left = 0, end;
    qsort(rows, n, sizeof(Row), compare_rows);
    for (size_t start = 0; start < n; start = end) {
        for (end = start + 1; end < n && rows[end].skeleton == rows[start].skeleton &&
                              rows[end].class == rows[start].class;)
            end++;
        size_t kept = fold_rows(folder, rows + start, end - start);
        memmove(rows + left, rows + start, kept * sizeof(Row));
        left += kept;
    }
    return left;
}

static void free_folder(Folder *folder)
{
    map_done(&folder->word_ids);
    map_done(&folder->skeleton_ids);
    map_done(&folder->set_ids);
    free(folder->words);
    free(folder->skeletons);
    free(folder->sets);
    arena_free(folder->arena);
}

size_t fold_names(Arena *arena, const char *const *names, const uint32_t *classes, size_t n,
                  Folded **out)
{
    *out = arena_alloc(arena, (n ? n : 1) * sizeof(Folded));
    if (!n) return 0;
    Folder folder = {.arena = arena_new()};
    Row *rows = mem_alloc(n * sizeof(Row));
    Text token = {0}, skeleton = {0};
    folder.next = arena_alloc(folder.arena, n * sizeof(uint32_t));
    folder.leader = arena_alloc(folder.arena, n * sizeof(uint32_t));
    folder.link = arena_alloc(folder.arena, n * sizeof(uint32_t));
    folder.table = arena_alloc(folder.arena, (n * 4 + 16) * sizeof(uint32_t));
    for (size_t i = 0; i < n; i++)
        make_row(&folder, &rows[i], names[i], (uint32_t)i, classes ? classes[i] : 0, &token,
                 &skeleton);
    size_t count = fold_all(&folder, rows, n);
    for (size_t i = 0; i < count; i++) {
        take_members(&folder, &rows[i], arena, &(*out)[i]);
        show_row(&folder, &rows[i], arena, &(*out)[i], &skeleton);
    }
    qsort(*out, count, sizeof(Folded), compare_folded);
    text_done(&token);
    text_done(&skeleton);
    free(rows);
    free_folder(&folder);
    return count;
}
