/* JSON out: a writer that appends to a Text, compact or laid out as Python's indent=2.
 *
 * Only the innermost level needs a state ("is anything in it?"): when it is closed, the level
 * outside has at least this one item. So one flag serves all levels. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"
#include "loader/core/json_string.h"

struct JsonWriter {
    Text *out;               /* borrowed */
    char *ends;              /* owned: for each open level, the bracket that closes it */
    size_t depth, room;      /* levels that are open; room of `ends` */
    bool pretty;             /* a line an item; else no white space at all */
    bool empty;              /* nothing stands yet in the innermost level */
    bool after_key;          /* a key was written: its value follows on the same line */
};

JsonWriter *json_writer_new(Text *out, bool pretty)
{
    JsonWriter *writer = mem_alloc(sizeof *writer);
    writer->out = out;
    writer->pretty = pretty;
    writer->empty = true;
    return writer;
}

void json_writer_free(JsonWriter *writer)
{
    if (!writer) return;
    free(writer->ends);
    free(writer);
}

/* A new line with the indentation of this depth; not before the document's very first item. */
static void break_line(JsonWriter *writer)
{
    if (!writer->pretty || (!writer->depth && writer->empty)) return;
    text_addc(writer->out, '\n');
    for (size_t i = 0; i < writer->depth; i++) text_addn(writer->out, "  ", 2);
}

/* What stands between the last thing written and a new item. Every value and every key begins
 * with it; a value behind its key needs nothing more. */
static void begin_item(JsonWriter *writer)
{
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (!writer->empty) text_addc(writer->out, ',');
    break_line(writer);
    writer->empty = false;
}

/* Remembers the bracket that will close the level, so json_end serves maps and lists. */
static void open_level(JsonWriter *writer, char start, char end)
{
    begin_item(writer);
    text_addc(writer->out, start);
    writer->ends = mem_grow(writer->ends, &writer->room, writer->depth + 1, 1);
    writer->ends[writer->depth++] = end;
    writer->empty = true;
}

void json_map(JsonWriter *writer)
{
    open_level(writer, '{', '}');
}

void json_list(JsonWriter *writer)
{
    open_level(writer, '[', ']');
}

/* An empty level is closed on its own line: {} and [], as Python writes them. */
void json_end(JsonWriter *writer)
{
    bool empty = writer->empty;
    char end = writer->ends[--writer->depth];
    writer->empty = false;
    if (!empty) break_line(writer);
    text_addc(writer->out, end);
}

/* Nearly every text is plain, and goes in as it is; `after` stands behind it. */
static void add_quoted(Text *out, const char *name, const char *after)
{
    const size_t n = strlen(name);
    if (!json_is_plain(name, n)) {
        text_addc(out, '"');
        json_escape(name, out);
    } else {
        text_more(out, n + 2);
        out->bytes[out->length++] = '"';
        memcpy(out->bytes + out->length, name, n);
        out->length += n;
    }
    text_addc(out, '"');
    while (*after) text_addc(out, *after++);
}

void json_key(JsonWriter *writer, const char *name)
{
    begin_item(writer);
    add_quoted(writer->out, name, writer->pretty ? ": " : ":");
    writer->after_key = true;
}

void json_string(JsonWriter *writer, const char *name)
{
    begin_item(writer);
    add_quoted(writer->out, name, "");
}

/* By hand: a listing of 100,000 tensors writes half a million numbers. Digits are made from the
 * last one on; 20 of them and a sign are the most that 64 bits need. */
static void add_number(JsonWriter *writer, bool negative, uint64_t value)
{
    char digits[24], *first = digits + sizeof digits;
    do *--first = (char)('0' + value % 10);
    while (value /= 10);
    if (negative) *--first = '-';
    begin_item(writer);
    text_addn(writer->out, first, (size_t)(digits + sizeof digits - first));
}

/* The sign is taken off unsigned: INT64_MIN has no positive counterpart. */
void json_int(JsonWriter *writer, int64_t value)
{
    add_number(writer, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_uint(JsonWriter *writer, uint64_t value)
{
    add_number(writer, false, value);
}

/* NaN and the infinities have words of their own, which Python's json reads and JSON itself does
 * not know. */
void json_float(JsonWriter *writer, double value)
{
    begin_item(writer);
    if (isnan(value) || isinf(value)) {
        text_add(writer->out, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    char digits[32];
    show_float(value, digits);
    text_add(writer->out, digits);
}

void json_bool(JsonWriter *writer, bool value)
{
    begin_item(writer);
    text_add(writer->out, value ? "true" : "false");
}

void json_null(JsonWriter *writer)
{
    begin_item(writer);
    text_add(writer->out, "null");
}

void json_shape(JsonWriter *writer, const int64_t *dims, unsigned rank)
{
    if (!dims) {
        json_null(writer);
        return;
    }
    json_list(writer);
    for (unsigned i = 0; i < rank; i++) json_int(writer, dims[i]);
    json_end(writer);
}

/* A list or map, which json_value writes itself, never comes here. */
static void write_scalar(JsonWriter *writer, const Value *value)
{
    switch (value->kind) {
    case VALUE_BOOL: json_bool(writer, value->boolean); break;
    case VALUE_INT: json_int(writer, value->integer); break;
    case VALUE_FLOAT: json_float(writer, value->number); break;
    case VALUE_STRING: json_string(writer, value->string); break;
    case VALUE_NULL:
    case VALUE_LIST:
    case VALUE_MAP: json_null(writer); break;
    }
}

/* A list or map that is being written, and its next item. */
typedef struct Place {
    /* LIST or MAP; borrowed */
    const Value *value;
    size_t next;             /* index of the item to be written next */
} Place;

/* With a stack of its own: a Value made by a script may be nested deeper than C's stack. Each
 * round writes one value or opens one level, closes the levels that are complete, and takes the
 * next item of the one that is not. */
void json_value(JsonWriter *writer, const Value *value)
{
    Place *places = NULL;
    size_t depth = 0, room = 0;
    for (;;) {
        if (value->kind == VALUE_LIST || value->kind == VALUE_MAP) {
            if (value->kind == VALUE_LIST) json_list(writer);
            else json_map(writer);
            places = mem_grow(places, &room, depth + 1, sizeof *places);
            places[depth++] = (Place){value, 0};
        } else {
            write_scalar(writer, value);
        }
        while (depth && places[depth - 1].next == places[depth - 1].value->list.count) {
            json_end(writer);
            depth--;
        }
        if (!depth) break;
        Place *place = &places[depth - 1];
        const ValueItem *item = &place->value->list.items[place->next++];
        if (place->value->kind == VALUE_MAP) json_key(writer, item->key);
        value = item->value;
    }
    free(places);
}

/* The letter after the backslash for characters that have a short escape, else 0. */
static char short_escape(uint32_t c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

/* Runs of bytes that need no escape are added as one piece: `plain` is where the current run
 * starts. utf8_next gives surrogates and stray bytes as U+D800..DFFF, which \u can spell. */
void json_escape(const char *name, Text *out)
{
    const char *plain = name, *p = name, *end = name + strlen(name);
    while (p < end) {
        if (*p >= 0x20 && *p != '"' && *p != '\\') {
            p++;
            continue;
        }
        const char *start = p;
        uint32_t c = utf8_next(&p, end);
        char letter = short_escape(c);
        if (!letter && c >= 0x20 && (c < 0xD800 || c > 0xDFFF)) continue;
        text_addn(out, plain, (size_t)(start - plain));
        if (letter) text_addn(out, (char[]){'\\', letter}, 2);
        else text_addf(out, "\\u%04" PRIx32, c);
        plain = p;
    }
    text_addn(out, plain, (size_t)(end - plain));
}

void json_put_text(JsonWriter *writer, const char *key, const char *text)
{
    json_key(writer, key);
    if (text) json_string(writer, text);
    else json_null(writer);
}

void json_put_uint(JsonWriter *writer, const char *key, uint64_t value)
{
    json_key(writer, key);
    json_uint(writer, value);
}

void json_put_float(JsonWriter *writer, const char *key, double value)
{
    json_key(writer, key);
    json_float(writer, value);
}

void json_put_bool(JsonWriter *writer, const char *key, bool value)
{
    json_key(writer, key);
    json_bool(writer, value);
}

void json_put_shape(JsonWriter *writer, const char *key, const int64_t *dims, unsigned rank)
{
    json_key(writer, key);
    json_shape(writer, dims, rank);
}

void json_put_names(JsonWriter *writer, const char *key, const char *const *names, size_t n)
{
    json_key(writer, key);
    json_list(writer);
    for (size_t i = 0; i < n; i++) json_string(writer, names[i]);
    json_end(writer);
}
