/* Folding, the way back: the names that a folded text stands for.
 *
 *   a.{0-1}.{k,q}  →  a.0.k  a.0.q  a.1.k  a.1.q */
#include "loader/core/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS_MAX = 18,
    EXPAND_MAX = 1 << 18         /* names that fold_expand is willing to make */
};

/* Both ends within an int64_t; "3-" and "a-b" are words. */
bool fold_is_range(const char *text)
{
    size_t from = strspn(text, "0123456789");
    if (!from || from > DIGITS_MAX || text[from] != '-') return false;
    size_t to = strspn(text + from + 1, "0123456789");
    return to && to <= DIGITS_MAX && !text[from + 1 + to];
}

/* One alternative of a brace, or a literal between braces, unescaped into `out`; stops before
 * an unescaped byte of `stops`. */
static const char *read_literal(const char *at, const char *stops, Text *out)
{
    for (; *at && !strchr(stops, *at); at++) {
        if (*at == '\\' && at[1]) at++;
        text_addc(out, *at);
    }
    return at;
}

typedef struct Choices {
    char **items;                /* owned, growing; the texts lie in the arena */
    size_t count, room;
    uint64_t most;               /* of them; more are refused */
} Choices;

/* False when it grows beyond what anybody wants expanded. */
static bool add_choice(Arena *arena, Choices *choices, const char *text)
{
    if (choices->count >= choices->most) return false;
    choices->items = mem_grow(choices->items, &choices->room, choices->count + 1, sizeof(char *));
    choices->items[choices->count++] = arena_strdup(arena, text);
    return true;
}

/* "0-31": as many numbers. */
static bool add_range(Arena *arena, Choices *choices, const char *text)
{
    char *end, number[24];
    long long from = strtoll(text, &end, 10), to = strtoll(end + 1, NULL, 10);
    for (; from <= to; from++) {
        snprintf(number, sizeof number, "%lld", from);
        if (!add_choice(arena, choices, number)) return false;
    }
    return true;
}

/* What stands between '{' and '}'; NULL when the brace is not closed or names too much. Where a
 * byte is escaped the piece is a word, even if it reads like a range: fold_names has escaped it
 * for that. */
static const char *read_brace(Arena *arena, const char *at, Choices *choices)
{
    Text piece = {0};
    bool good = true;
    do {
        const char *start = ++at;
        text_clear(&piece);
        at = read_literal(at, ",}", &piece);
        bool plain = !memchr(start, '\\', (size_t)(at - start));
        const char *text = text_string(&piece);
        good = plain && fold_is_range(text) ? add_range(arena, choices, text)
                                       : add_choice(arena, choices, text);
    } while (good && *at == ',');
    text_done(&piece);
    return good && *at == '}' ? at + 1 : NULL;
}

/* Every name so far with every choice behind it. The product is checked before anything is made
 * of it: ten braces of a hundred choices fit on one line. */
static bool multiply(Arena *arena, Choices *names, const Choices *choices)
{
    Choices longer = {.most = names->most};
    uint64_t total;
    if (!sum_mul(names->count, choices->count, &total) || total > names->most)
        return false;
    longer.items = mem_grow(NULL, &longer.room, total ? (size_t)total : 1, sizeof(char *));
    for (size_t i = 0; i < names->count; i++)
        for (size_t j = 0; j < choices->count; j++)
            longer.items[longer.count++] =
                arena_printf(arena, "%s%s", names->items[i], choices->items[j]);
    free(names->items);
    *names = longer;
    return true;
}

/* Literals are braces with one choice: the names are the product of all of them. As soon as one
 * of them is refused there are no names at all. */
size_t fold_expand(Arena *arena, const char *text, uint64_t most, const char ***names)
{
    most /= strlen(text) + 1;
    if (most > EXPAND_MAX) most = EXPAND_MAX;
    Choices all = {.most = most};
    bool good = add_choice(arena, &all, "");
    while (good && *text) {
        Choices choices = {.most = most};
        if (*text == '{') {
            text = read_brace(arena, text, &choices);
            good = text != NULL;
        } else {
            Text literal = {0};
            text = read_literal(text, "{", &literal);
            good = add_choice(arena, &choices, text_string(&literal));
            text_done(&literal);
        }
        good = good && multiply(arena, &all, &choices);
        free(choices.items);
    }
    size_t count = good ? all.count : 0;
    *names = arena_copy(arena, all.items, count * sizeof(char *));
    free(all.items);
    return count;
}
