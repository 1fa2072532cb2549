/* JSON in and out: a stream of events, a tree of Values, and a writer.
 *
 * Strings are held names (text.h). A lone \udcXX escape, which is how reports spell a byte
 * that is no UTF-8, becomes that byte again; other lone surrogates stay surrogates. */
#ifndef LOADER_CORE_JSON_H
#define LOADER_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "loader/core/error.h"
#include "loader/core/text.h"
#include "loader/core/value.h"

/* Events of one document, in order. A handler that returns false (having set its error)
 * stops the parse; one that is NULL lets its events pass. Strings are not NUL-terminated and
 * are borrowed for the call. */
typedef struct JsonEvents {
    bool (*null)(void *context);
    bool (*boolean)(void *context, bool value);
    /* The literal's text: an integer that does not fit i64 is not lost. */
    bool (*number)(void *context, const char *text, size_t n);
    bool (*string)(void *context, const char *text, size_t n);
    bool (*start_map)(void *context);
    bool (*map_key)(void *context, const char *text, size_t n);
    bool (*end_map)(void *context);
    bool (*start_list)(void *context);
    bool (*end_list)(void *context);
} JsonEvents;

enum { JSON_DEPTH = 128 };   /* nesting limit of every document */

/* A push parser: feed pieces, then finish. `what` names the document in errors, which say
 * the byte. JSON text may be followed by white space only. A token that the end of a piece cuts
 * is kept until the rest comes. */
typedef struct JsonReader JsonReader;
JsonReader *json_reader_new(const JsonEvents *events, void *context, const char *what);
/* Counts positions from `position` instead of 0, for a document inside a file. */
void json_reader_start_at(JsonReader *reader, uint64_t position);
bool json_reader_feed(JsonReader *reader, const void *bytes, size_t n, Error *err);
bool json_reader_finish(JsonReader *reader, Error *err);
/* Bytes consumed so far; in a handler, the byte after the token it is called for. */
uint64_t json_reader_position(const JsonReader *reader);
/* Where that token begins: of a string, its opening quote. */
uint64_t json_reader_token(const JsonReader *reader);
void json_reader_free(JsonReader *reader);

/* A whole document as a Value in `arena`; NULL and an error when it is malformed or holds
 * more than `limit` values. Duplicate keys are an error. */
Value *json_parse(Arena *arena, const char *text, size_t n, const char *what, size_t limit,
                  Error *err);

/* The same without the members of those names (NULL-terminated list) of the first three levels,
 * whose values are only checked: of a long document whoever reads it may need a small part. */
Value *json_parse_without(Arena *arena, const char *text, size_t n, const char *what,
                          const char *const *skipped, size_t limit, Error *err);

/* A writer that appends to a Text. Commas, quotes and indentation are its business. */
typedef struct JsonWriter JsonWriter;
JsonWriter *json_writer_new(Text *out, bool pretty);   /* pretty: indent 2, as Python's */
void json_writer_free(JsonWriter *writer);
void json_map(JsonWriter *writer);
void json_list(JsonWriter *writer);
void json_end(JsonWriter *writer);                      /* closes the innermost */
void json_key(JsonWriter *writer, const char *name);
void json_string(JsonWriter *writer, const char *name); /* a held name */
void json_int(JsonWriter *writer, int64_t value);
void json_uint(JsonWriter *writer, uint64_t value);
void json_float(JsonWriter *writer, double value);      /* shortest that reads back; NaN,
                                                           Infinity as Python spells them */
void json_bool(JsonWriter *writer, bool value);
void json_null(JsonWriter *writer);
void json_shape(JsonWriter *writer, const int64_t *dims, unsigned rank); /* null if dims NULL */
void json_value(JsonWriter *writer, const Value *value);
/* A member of a map. NULL is null: the member is there all the same, and readers need not look for
 * it. */
void json_put_text(JsonWriter *writer, const char *key, const char *text);
void json_put_uint(JsonWriter *writer, const char *key, uint64_t value);
void json_put_float(JsonWriter *writer, const char *key, double value);
void json_put_bool(JsonWriter *writer, const char *key, bool value);
/* [200,2048]; [] for a scalar, null where dims is. */
void json_put_shape(JsonWriter *writer, const char *key, const int64_t *dims, unsigned rank);
void json_put_names(JsonWriter *writer, const char *key, const char *const *names, size_t n);

/* JSON string escaping alone, without the quotes: as serde_json does it (\" \\ \b \f \n \r
 * \t, \u00xx below 0x20, the rest raw); bytes that are no UTF-8 as \udcXX. */
void json_escape(const char *name, Text *out);

#endif
