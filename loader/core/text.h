/* Text: a growing byte buffer, and what names and numbers look like to people.
 *
 * Names (keys) are NUL-terminated bytes, nearly always UTF-8. Three oddities are kept:
 *   - a NUL inside a key is held as C0 80 (never valid UTF-8), so C strings suffice;
 *   - Python's lone surrogates are held as their 3-byte form (ED A0..BF xx);
 *   - bytes that are no UTF-8 (Python 2 keys) are held as they are. */
#ifndef LOADER_CORE_TEXT_H
#define LOADER_CORE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/memory.h"

typedef struct Text {
    char *bytes;         /* owned; NUL after the last byte once anything was added */
    size_t length, room;
} Text;

void text_done(Text *text);                                   /* frees, leaves it empty */
/* Moves it into the arena as a string, up to a NUL inside, and leaves it empty. */
char *text_keep(Text *text, Arena *arena);
void text_clear(Text *text);                                  /* empties, keeps the room */
void text_add(Text *text, const char *string);
void text_addn(Text *text, const void *bytes, size_t n);
void text_more(Text *text, size_t n);   /* room for n bytes and the NUL behind what there is */
static inline void text_addc(Text *text, char c)
{
    if (text->room - text->length < 2) text_more(text, 1);
    text->bytes[text->length++] = c;
    text->bytes[text->length] = '\0';
}
void text_addf(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_addv(Text *text, const char *format, va_list args);
/* The bytes as a string, "" while empty; borrowed until the next change. */
const char *text_string(const Text *text);
/* How many bytes to show where `limit` are allowed: no more, and no part of a character. */
size_t text_cut(const Text *text, size_t limit);

/* Decodes one character at *p (p < end). Returns its code point and moves *p behind it;
 * 3-byte surrogates decode as such; a byte that is no UTF-8 gives 0xDC00 + byte (Python's
 * surrogateescape) and moves one; C0 80 gives 0. */
uint32_t utf8_next(const char **p, const char *end);
/* Appends one code point (surrogates in 3-byte form). */
void utf8_add(Text *text, uint32_t code);
/* Whether n bytes are strictly valid UTF-8 (no surrogates, no C0 80). */
bool utf8_valid(const char *bytes, size_t n);
/* The same, and which byte is the first that does not fit; n where the text ends in a sequence. */
bool utf8_check(const char *bytes, size_t n, size_t *bad);

/* Holds n raw bytes as a name: a NUL becomes C0 80. Memory from the arena. */
const char *name_hold(Arena *arena, const void *bytes, size_t n);
/* The raw bytes of a name, C0 80 turned back into NUL, appended to `out`. */
void name_bytes(const char *name, Text *out);
/* Whether the name can be written as UTF-8 text (JSON, safetensors). */
bool name_is_text(const char *name);
/* The name for people: control characters as \n or \x1b, lone surrogates and stray bytes
 * as \udcXX, what cannot be seen or turns the direction as \u200b or \U000e0041, everything
 * else as it is. Safe to print on a terminal. */
void name_show(const char *name, Text *out);
/* The same, cut behind `limit` bytes at the most, with "…" then: for errors, whose end must be
 * seen. */
void show_short(const char *name, size_t limit, Text *out);

/* "95.1 MB", decimal units as disks and hubs count; "640 B" below 1 kB. */
void show_bytes(uint64_t bytes, char out[32]);
/* "5GB", "64MiB", "300kB", "1000": a whole number and a unit, case ignored; false otherwise. */
bool parse_bytes(const char *text, uint64_t *out);
/* "23.6 M" for 23561205; plain digits below 10000. */
void show_count(uint64_t count, char out[32]);
/* As Python prints a float: 0.1, 1e-05, 3.0, inf, nan; the fewest digits that give it back. */
void show_float(double value, char out[32]);
/* "200×2048", "scalar" for rank 0, "?" where dims is NULL. */
void show_shape(const int64_t *dims, unsigned rank, Text *out);

/* Orders names as people do: runs of digits by value ("layer.2" before "layer.10"). */
int natural_compare(const char *a, const char *b);
/* The same for texts of n and m bytes. */
int natural_compare_n(const char *a, size_t n, const char *b, size_t m);
/* ASCII only, whatever the locale: keys are no prose. */
static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
/* n digits and nothing else, as a number of 64 bits; false otherwise. */
bool parse_digits(const char *text, size_t n, uint64_t *out);
/* The last part of a path, borrowed; a folder's closing slash is no part. */
const char *path_base(const char *path);
/* The folder a path lies in: "." for a bare name, "/" at the root. free() it. */
char *path_folder(const char *path);
bool has_prefix(const char *text, const char *prefix);
bool has_suffix(const char *text, const char *suffix);

#endif
