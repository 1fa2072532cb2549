/* Names as evidence among sources that hold the same numbers: pairs that are sure already say which
 * modules belong together, and how their leaves are called. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"
#include "loader/core/map.h"
#include "loader/core/text.h"

enum { LEVELS = 6, NAME_LOOKED_AT = 1024 };

struct NameBook {
    Arena *arena;                /* owned; of the keys */
    NameMap seen;                /* "kind source > target" → 1 */
};

NameBook *book_new(void)
{
    NameBook *book = mem_alloc(sizeof *book);
    book->arena = arena_new();
    map_init(&book->seen);
    return book;
}

void book_free(NameBook *book)
{
    if (!book) return;
    map_done(&book->seen);
    arena_free(book->arena);
    free(book);
}

/* The length of a name without its last `up` segments; 0 when it has no more. */
static size_t ancestor(const char *name, unsigned up)
{
    size_t n = strnlen(name, NAME_LOOKED_AT);
    while (up-- && n) {
        do n--;
        while (n && name[n] != '.' && name[n] != '/');
    }
    return n;
}

/* With every number as '#'. */
static void add_template(const char *name, size_t n, Text *text)
{
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)name[i])) text_addc(text, name[i]);
        else if (!i || !isdigit((unsigned char)name[i - 1])) text_addc(text, '#');
    }
}

/* The key under which two names are noted: 'M' modules `up` levels above, 'T' their templates, 'L'
 * leaves. "" where one has none. */
static void spell(char kind, const char *source, const char *target, unsigned up, Text *text)
{
    size_t a = ancestor(source, up), b = ancestor(target, up);
    text_clear(text);
    if (!a || !b) return;
    text_addc(text, kind);
    if (kind == 'L') {
        size_t p = ancestor(source, 1), q = ancestor(target, 1);
        text_addn(text, source + p, a - p);
        text_addc(text, '\x01');
        text_addn(text, target + q, b - q);
    } else if (kind == 'T') {
        add_template(source, a, text);
        text_addc(text, '\x01');
        add_template(target, b, text);
    } else {
        text_addn(text, source, a);
        text_addc(text, '\x01');
        text_addn(text, target, b);
    }
}

static void note(NameBook *book, const Text *text)
{
    if (!text->length || map_get(&book->seen, text_string(text)) != MAP_NONE) return;
    map_set(&book->seen, arena_strdup(book->arena, text_string(text)), 1);
}

void book_add(NameBook *book, const char *source, const char *target)
{
    Text text = {0};
    for (unsigned up = 1; up < LEVELS; up++) {
        spell('M', source, target, up, &text);
        note(book, &text);
    }
    spell('T', source, target, 0, &text);
    note(book, &text);
    spell('T', source, target, 1, &text);
    note(book, &text);
    spell('L', source, target, 0, &text);
    note(book, &text);
    text_done(&text);
}

static bool knows(const NameBook *book, char kind, const char *source, const char *target,
                  unsigned up, Text *text)
{
    spell(kind, source, target, up, text);
    return text->length && map_get(&book->seen, text_string(text)) != MAP_NONE;
}

/* Whether the numbers in two names are the same, one after the other. */
static bool same_numbers(const char *a, const char *b)
{
    for (;;) {
        while (*a && !isdigit((unsigned char)*a)) a++;
        while (*b && !isdigit((unsigned char)*b)) b++;
        if (!*a || !*b) return !*a && !*b;
        while (isdigit((unsigned char)*a) && *a == *b) a++, b++;
        if (isdigit((unsigned char)*a) || isdigit((unsigned char)*b)) return false;
    }
}

/* How many whole segments two names end in alike. */
static int same_tail(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int count = 0;
    while (n && m && a[n - 1] == b[m - 1]) {
        n--;
        m--;
        count += a[n] == '.' || a[n] == '/';
    }
    return n && m ? count : count + 1;
}

/* The nearest module that is known counts most, more than numbers that are the same, which layers
 * that are counted otherwise may have in common with another's: a block of many layers holds
 * several norms. */
static int score(const NameBook *book, const char *source, const char *target, Text *text)
{
    int sum = 0, tail = same_tail(source, target);
    if (strcmp(source, target) == 0) return 1000;
    for (unsigned up = 1; up < LEVELS; up++)
        if (knows(book, 'M', source, target, up, text)) sum += 640 >> up;
    if (knows(book, 'T', source, target, 0, text) && same_numbers(source, target)) sum += 60;
    if (knows(book, 'T', source, target, 1, text) && same_numbers(source, target)) sum += 12;
    if (knows(book, 'L', source, target, 0, text)) sum += 6;
    return sum + 4 * (tail < 4 ? tail : 4) + (same_numbers(source, target) ? 2 : 0);
}

int book_choose(const NameBook *book, const char *target, const char *const *candidates, size_t n)
{
    enum { LEAST = 8, MARGIN = 3 };
    int best = -1, first = -1, second = -1;
    Text text = {0};
    for (size_t i = 0; i < n; i++) {
        int sum = score(book, candidates[i], target, &text);
        if (sum > first) {
            second = first;
            first = sum;
            best = (int)i;
        } else if (sum > second) {
            second = sum;
        }
    }
    text_done(&text);
    return first >= LEAST && first - second >= MARGIN ? best : -1;
}
