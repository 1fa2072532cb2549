/* Keys in Python text: split at their numbers, and spelled so that nothing in them can end the
 * literal that they stand in. */
#include <inttypes.h>
#include <string.h>

#include "loader/export/emit_code.h"

const char *emit_local(int local)
{
    static const char *const names[] = {"e", "f", "g", "h"};
    return names[local % (int)countof(names)];
}

/* Runs of digits without leading zeros, at most nine long: "007" is text. */
static size_t number_at(const char *p, const char *start)
{
    size_t n = 0;
    if (p > start && is_digit(p[-1])) return 0;
    while (is_digit(p[n])) n++;
    return n > 9 || (n > 1 && *p == '0') ? 0 : n;
}

void emit_split(Arena *arena, const char *name, EmitKey *out)
{
    const char *part = name;
    *out = (EmitKey){0};
    for (const char *p = name; *p && out->count < KEY_NUMBERS_MAX;) {
        size_t n = number_at(p, name);
        if (!n) {
            p++;
            continue;
        }
        int64_t value = 0;
        for (size_t i = 0; i < n; i++) value = value * 10 + (p[i] - '0');
        out->parts[out->count] = arena_strndup(arena, part, (size_t)(p - part));
        out->numbers[out->count++] = (KeyNumber){value, -1};
        part = p += n;
    }
    out->parts[out->count] = arena_strdup(arena, part);
}

/* Each part with its length before it. */
void emit_key_signature(const EmitKey *key, Text *out)
{
    for (size_t i = 0; i <= key->count; i++) {
        text_addf(out, "%zu:%s", strlen(key->parts[i]), key->parts[i]);
        if (i == key->count) break;
        if (key->numbers[i].local >= 0)
            text_addf(out, "<%d+%" PRId64 ">", key->numbers[i].local, key->numbers[i].value);
        else text_add(out, "<>");
    }
    text_addc(out, ';');
}

/* Bytes of a held name as the inside of a Python literal between double quotes; `format`: braces
 * are doubled. ASCII, without control characters. A byte that is no UTF-8 is what Python's
 * surrogateescape makes of it. */
static void emit_escape(const char *name, bool format, Text *out)
{
    const char *end = name + strlen(name);
    for (const char *p = name; p < end;) {
        uint32_t code = utf8_next(&p, end);
        if (code == '"' || code == '\\') text_addf(out, "\\%c", (char)code);
        else if (format && (code == '{' || code == '}'))
            text_addf(out, "%c%c", (char)code, (char)code);
        else if (code >= ' ' && code < 0x7F) text_addc(out, (char)code);
        else if (code < 0x100) text_addf(out, "\\x%02x", (unsigned)code);
        else if (code < 0x10000) text_addf(out, "\\u%04x", (unsigned)code);
        else text_addf(out, "\\U%08x", (unsigned)code);
    }
}

/* A number of a comprehension: its variable, and what is added to it. */
static void add_local(const KeyNumber *number, Text *out)
{
    const char *name = emit_local(number->local);
    if (number->value) text_addf(out, "{%s + %" PRId64 "}", name, number->value);
    else text_addf(out, "{%s}", name);
}

/* Whether it must be an f-string. */
static bool is_format(const EmitKey *key, const char *const *free_numbers)
{
    size_t at = 0;
    for (size_t i = 0; i < key->count; i++)
        if (key->numbers[i].local >= 0 || (free_numbers && free_numbers[at++])) return true;
    return false;
}

size_t emit_key_literal(const EmitKey *key, const char *const *free_numbers, Text *out)
{
    bool format = is_format(key, free_numbers);
    size_t taken = 0;
    text_add(out, format ? "f\"" : "\"");
    for (size_t i = 0; i <= key->count; i++) {
        emit_escape(key->parts[i], format, out);
        if (i == key->count) break;
        const KeyNumber *number = &key->numbers[i];
        if (number->local >= 0) {
            add_local(number, out);
            continue;
        }
        const char *expression = free_numbers ? free_numbers[taken] : NULL;
        taken++;
        if (expression) text_addf(out, "{%s}", expression);
        else text_addf(out, "%" PRId64, number->value);
    }
    text_addc(out, '"');
    return taken;
}
