/* The events of a JSON document as text: a line each, held names with their bytes in hex, and where
 * that is asked for the token's first byte and the one behind it. */
#ifndef TESTS_JSON_SAY_H
#define TESTS_JSON_SAY_H

#include <inttypes.h>

#include "loader/core/json.h"

typedef struct Saying {
    Text *out;                   /* borrowed */
    JsonReader *reader;          /* owned */
    bool places;                 /* are said too */
} Saying;

static inline bool say_bytes(Saying *saying, const char *what, const char *bytes, size_t n)
{
    Text *out = saying->out;
    text_add(out, what);
    for (size_t i = 0; i < n; i++) text_addf(out, "%02x", (unsigned char)bytes[i]);
    if (saying->places)
        text_addf(out, " %" PRIu64 "-%" PRIu64, json_reader_token(saying->reader),
                  json_reader_position(saying->reader));
    text_add(out, "\n");
    return true;
}

static inline bool say_null(void *saying)
{
    return say_bytes(saying, "null", "", 0);
}

static inline bool say_boolean(void *saying, bool value)
{
    return say_bytes(saying, value ? "true" : "false", "", 0);
}

static inline bool say_number(void *saying, const char *text, size_t n)
{
    return say_bytes(saying, "number ", text, n);
}

static inline bool say_string(void *saying, const char *text, size_t n)
{
    return say_bytes(saying, "string ", text, n);
}

static inline bool say_key(void *saying, const char *text, size_t n)
{
    return say_bytes(saying, "key ", text, n);
}

static inline bool say_start_map(void *saying)
{
    return say_bytes(saying, "{", "", 0);
}

static inline bool say_end_map(void *saying)
{
    return say_bytes(saying, "}", "", 0);
}

static inline bool say_start_list(void *saying)
{
    return say_bytes(saying, "[", "", 0);
}

static inline bool say_end_list(void *saying)
{
    return say_bytes(saying, "]", "", 0);
}

/* Reads a document in pieces of `step` bytes; what it says goes to `out`, before an error too. */
static inline bool say_document(const char *bytes, size_t n, size_t step, bool places, Text *out,
                                Error *err)
{
    static const JsonEvents say = {say_null,      say_boolean, say_number,     say_string,
                                   say_start_map, say_key,     say_end_map,    say_start_list,
                                   say_end_list};
    Saying saying = {.out = out, .places = places};
    JsonReader *reader = saying.reader = json_reader_new(&say, &saying, "doc");
    bool fine = true;
    for (size_t at = 0; fine && at < n; at += step)
        fine = json_reader_feed(reader, bytes + at, n - at < step ? n - at : step, err);
    fine = fine && json_reader_finish(reader, err);
    json_reader_free(reader);
    return fine;
}

#endif
