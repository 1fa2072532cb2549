/* The heads of rule files: what they say is read here and nothing of it believed before it was
 * looked at, since a user's file may hold anything. And the bundled files by name. */
#include "scripting/pack.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"

enum { NAMES_MAX = 20000, CASES_MAX = 100, AXES_MAX = 8, NAME_BYTES = 1 << 24 };

/* A head while it is read. */
typedef struct Reading {
    Arena *arena;
    const char *name;            /* of the file, for errors */
    int line;                    /* counted from 1 */
    PackHead *head;
    PackCase *one;               /* the case that is open; NULL before the first */
    bool after;                  /* its @gives has been seen */
    bool open;                   /* lines of tensors may follow */
    Error *err;
} Reading;

/* Always false. */
static bool blame(const Reading *reading, const char *what, const char *text)
{
    return error_set(reading->err, ERR_RULE, "%s:%d: %s '%.80s'", reading->name, reading->line,
                     what, text);
}

/* ---- lines ---- */

/* The next word of a line that is cut up; NULL at its end. */
static char *next_word(char **at)
{
    while (**at == ' ' || **at == '\t') ++*at;
    if (!**at) return NULL;
    char *word = *at;
    *at += strcspn(*at, " \t");
    if (**at) *(*at)++ = '\0';
    return word;
}

/* "2,3" as dims; at most eight, none negative. */
static bool take_dims(const Reading *reading, const char *text, const int64_t **dims,
                      size_t *rank)
{
    int64_t *out = arena_alloc(reading->arena, AXES_MAX * sizeof *out);
    const char *at = text;
    *rank = 0;
    for (;;) {
        const size_t n = strspn(at, "0123456789");
        uint64_t size;
        if (!n || n > 9 || *rank == AXES_MAX || !parse_digits(at, n, &size))
            return blame(reading, "expected a shape such as 2,3, not", text);
        out[(*rank)++] = (int64_t)size;
        at += n;
        if (!*at) break;
        if (*at++ != ',') return blame(reading, "expected a shape such as 2,3, not", text);
    }
    *dims = out;
    return true;
}

/* The keys that a folded one stands for. */
static size_t unfold(const Reading *reading, const char *text, const char ***names)
{
    size_t count = fold_expand(reading->arena, text, NAME_BYTES, names);
    if (count > NAMES_MAX) count = 0;
    if (!count) blame(reading, "these are no keys, or too many:", text);
    return count;
}

/* What stands behind `<-`: keys joined by +, each perhaps folded. Every pattern gives each of the
 * `count` targets its share: of 8 keys for 2 targets four each, in order; of 2 keys for 6 targets
 * one to each three. */
static bool take_sources(Reading *reading, char **at, PackTensor *tensors, size_t count)
{
    size_t total = 0, room = 0;
    const char ***lists = NULL;
    size_t *counts = arena_alloc(reading->arena, AXES_MAX * 4 * sizeof *counts);
    bool ok = true;
    for (char *word; ok && (word = next_word(at));) {
        if (strcmp(word, "+") == 0) continue;
        lists = mem_grow(lists, &room, total + 1, sizeof *lists);
        ok = total < AXES_MAX * 4 || blame(reading, "too many patterns before", word);
        if (!ok) break;
        counts[total] = unfold(reading, word, &lists[total]);
        ok = counts[total] > 0;
        if (ok && counts[total] % count && count % counts[total])
            ok = blame(reading, "the numbers of keys left and right do not fit at", word);
        total++;
    }
    if (ok && !total) ok = blame(reading, "no key behind", "<-");
    for (size_t i = 0; ok && i < count; i++) {
        const char **from = NULL;
        size_t n = 0, from_room = 0;
        for (size_t k = 0; k < total; k++) {
            const size_t each = counts[k] < count ? 1 : counts[k] / count;
            const size_t first = counts[k] < count ? i / (count / counts[k]) : i * each;
            from = mem_grow(from, &from_room, n + each, sizeof *from);
            for (size_t j = 0; j < each; j++) from[n++] = lists[k][first + j];
        }
        tensors[i].from = arena_copy(reading->arena, from, n * sizeof *from);
        tensors[i].from_count = n;
        free(from);
    }
    free(lists);
    return ok;
}

/* Whether the word is a layout's name: HWIO. */
static bool is_layout(const char *word, Layout *layout)
{
    for (Layout one = LAYOUT_NATIVE + 1; one < LAYOUT_COUNT; one++) {
        if (strcmp(layout_name(one), word) != 0) continue;
        *layout = one;
        return true;
    }
    return false;
}

/* KEY [DTYPE] [LAYOUT] [SHAPE] [<- KEY [+ KEY] …] */
static bool take_tensors(Reading *reading, char *at)
{
    static const int64_t none[1];            /* a scalar has sizes, none of them */
    PackTensor tensor = {.dtype = DT_F32, .dims = none, .line = reading->line};
    char *const key = next_word(&at), *word = next_word(&at);
    if (word && dtype_from_name(word) != DT_UNKNOWN) {
        tensor.dtype = dtype_from_name(word);
        word = next_word(&at);
    }
    if (word && is_layout(word, &tensor.layout)) word = next_word(&at);
    if (word && strcmp(word, "<-") != 0) {
        size_t rank;
        if (!take_dims(reading, word, &tensor.dims, &rank)) return false;
        tensor.rank = (uint8_t)rank;
        if (tensor.layout && layout_info(tensor.layout)->rank != rank)
            return blame(reading, "another number of axes than its layout has:", word);
        word = next_word(&at);
    }
    const char **names;
    const size_t count = unfold(reading, key, &names);
    if (!count) return false;
    PackTensors *list = reading->after ? &reading->one->after : &reading->one->before;
    if (list->count + count > NAMES_MAX) return blame(reading, "too many keys before", key);
    PackTensor *items = arena_alloc(reading->arena, (list->count + count) * sizeof *items);
    if (list->count) memcpy(items, list->items, list->count * sizeof *items);
    PackTensor *added = items + list->count;
    for (size_t i = 0; i < count; i++) {
        added[i] = tensor;
        added[i].name = names[i];
        added[i].from = &names[i];
        added[i].from_count = 1;
    }
    list->items = items;
    list->count += count;
    if (!word) return true;
    if (strcmp(word, "<-") != 0 || !reading->after)
        return blame(reading, "unexpected in a line of a tensor:", word);
    return take_sources(reading, &at, added, count);
}

/* "KEY[1,0]": cuts the key off and reads the indices, of which a scalar has none. */
static bool take_element(const Reading *reading, char *word, const char **key,
                         const int64_t **index, size_t *rank)
{
    char *open = strrchr(word, '[');
    const size_t n = strlen(word);
    if (!open || word[n - 1] != ']') return blame(reading, "expected KEY[index,…], not", word);
    word[n - 1] = *open = '\0';
    *key = arena_strdup(reading->arena, word);
    *rank = 0;
    return !open[1] || take_dims(reading, open + 1, index, rank);
}

/* KEY[1,0] = KEY[2,0] */
static bool take_same(Reading *reading, char *at)
{
    PackCase *one = reading->one;
    char *target = next_word(&at), *sign = next_word(&at), *source = next_word(&at);
    if (!source || strcmp(sign, "=") != 0 || next_word(&at))
        return blame(reading, "expected KEY[…] = KEY[…] behind", "@same");
    PackSame same = {.line = reading->line};
    if (!take_element(reading, target, &same.target, &same.at, &same.rank) ||
        !take_element(reading, source, &same.source, &same.from, &same.source_rank))
        return false;
    PackSame *items = arena_alloc(reading->arena, (one->same_count + 1) * sizeof *items);
    if (one->same_count) memcpy(items, one->same, one->same_count * sizeof *items);
    items[one->same_count++] = same;
    one->same = items;
    return true;
}

/* A new case is open; the ones before stay where they are read. */
static bool begin_case(Reading *reading, const char *options)
{
    PackHead *head = reading->head;
    if (head->count == CASES_MAX) return blame(reading, "too many cases before", options);
    if (!head->cases) head->cases = arena_alloc(reading->arena, CASES_MAX * sizeof *head->cases);
    reading->one = &head->cases[head->count++];
    *reading->one = (PackCase){.options = arena_strdup(reading->arena, options),
                               .line = reading->line};
    reading->after = false;
    reading->open = true;
    return true;
}

/* A line that begins with @. */
static bool take_word(Reading *reading, char *at)
{
    char *const word = next_word(&at);
    while (*at == ' ') at++;
    if (strcmp(word, "@case") == 0) return begin_case(reading, at);
    if (strcmp(word, "@reverse") == 0) {
        reading->head->reverse = true;
        reading->open = false;
        return true;
    }
    if (!reading->one) return blame(reading, "a @case must come before", word);
    reading->open = strcmp(word, "@gives") == 0;
    if (reading->open) {
        reading->after = true;
        return true;
    }
    if (strcmp(word, "@same") == 0) return take_same(reading, at);
    if (strcmp(word, "@oneway") != 0)
        return blame(reading, "@case, @gives, @same, @oneway and @reverse are known, not", word);
    return reading->one->oneway = true;
}

/* One line without its "--". The first one of the file says what it is. */
static bool take_line(Reading *reading, char *line)
{
    while (*line == ' ' || *line == '\t') line++;
    if (reading->line == 1) {
        const char *colon = strstr(line, ": ");
        reading->head->summary = arena_strdup(reading->arena, colon ? colon + 2 : line);
        return true;
    }
    if (*line == '@') return take_word(reading, line);
    if (!*line) reading->open = false;
    return !reading->open || take_tensors(reading, line);
}

/* The head ends at the first line that is no comment. */
bool pack_read(Arena *arena, const char *text, size_t n, const char *name, PackHead *head,
               Error *err)
{
    Reading reading = {.arena = arena, .name = name, .head = head, .err = err};
    *head = (PackHead){.summary = ""};
    for (size_t at = 0; at + 2 <= n && text[at] == '-' && text[at + 1] == '-';) {
        const char *end = memchr(text + at, '\n', n - at);
        const size_t length = end ? (size_t)(end - text) - at : n - at;
        char *line = arena_strndup(arena, text + at + 2, length - 2);
        const size_t cut = strlen(line);
        if (cut && line[cut - 1] == '\r') line[cut - 1] = '\0';
        reading.line++;
        if (!take_line(&reading, line)) return false;
        at += length + 1;
        if (!end) break;
    }
    return true;
}

/* ---- the bundled ones ---- */

/* Whether a bundled text says that it goes back. Only heads hold such a line. */
static bool goes_back(const BundledRules *pack)
{
    return strstr(pack->text, "\n-- @reverse\n") != NULL;
}

/* FAMILY_X_to_Y with X and Y changed over: X is one word, and Y what is left. */
static const char *turn_name(Arena *arena, const char *name)
{
    const char *middle = strstr(name, "_to_"), *from = middle;
    if (!middle) return NULL;
    while (from > name && from[-1] != '_') from--;
    return arena_printf(arena, "%.*s%s_to_%.*s", (int)(from - name), name, middle + 4,
                        (int)(middle - from), from);
}

const char *pack_reverse_name(Arena *arena, const BundledRules *pack)
{
    return goes_back(pack) ? turn_name(arena, pack->name) : NULL;
}

bool pack_has_option(const BundledRules *pack, const char *name)
{
    const size_t n = strlen(name);
    if (strcmp(name, "reverse") == 0) return goes_back(pack);
    for (const char *at = pack->text; n && (at = strstr(at, "o.")); at += 2) {
        const bool starts = at == pack->text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
        const char next = starts && strncmp(at + 2, name, n) == 0 ? at[2 + n] : 'x';
        if (!isalnum((unsigned char)next) && next != '_') return true;
    }
    return false;
}

/* Letters that two names share at the front and, behind that, at the back. */
static size_t likeness(const char *a, const char *b)
{
    size_t front = 0, back = 0;
    const size_t n = strlen(a), m = strlen(b);
    while (front < n && front < m && a[front] == b[front]) front++;
    while (back + front < n && back + front < m && a[n - 1 - back] == b[m - 1 - back]) back++;
    return front + back;
}

/* Always NULL. */
static const BundledRules *refuse_name(const char *name, Error *err)
{
    const BundledRules *nearest = NULL;
    size_t best = 2;
    for (const BundledRules *one = bundled_rules; one->name; one++) {
        if (one->kind == BUNDLED_SHARED || likeness(name, one->name) <= best) continue;
        best = likeness(name, one->name);
        nearest = one;
    }
    error_set(err, ERR_NOT_FOUND, "no bundled rules '%.80s'%s%s%s; tenon rules lists them", name,
              nearest ? "; did you mean '" : "", nearest ? nearest->name : "",
              nearest ? "'?" : "");
    return NULL;
}

const BundledRules *pack_find(const char *name, bool *reverse, Error *err)
{
    const BundledRules *found = NULL;
    Arena *arena = arena_new();
    if (reverse) *reverse = false;
    for (const BundledRules *one = bundled_rules; one->name && !found; one++)
        if (one->kind != BUNDLED_SHARED && strcmp(one->name, name) == 0) found = one;
    for (const BundledRules *one = bundled_rules; one->name && !found; one++) {
        const char *turned = pack_reverse_name(arena, one);
        if (!turned || strcmp(turned, name) != 0) continue;
        found = one;
        if (reverse) *reverse = true;
    }
    arena_free(arena);
    return found ? found : refuse_name(name, err);
}
