/* The events of a JSON document as text: a line each, held names with their bytes in hex. */
#ifndef TESTS_JSON_SAY_H
#define TESTS_JSON_SAY_H

#include "loader/core/json.h"

static inline bool say_bytes(Text *out, const char *what, const char *bytes, size_t n)
{
    text_add(out, what);
    for (size_t i = 0; i < n; i++) text_addf(out, "%02x", (unsigned char)bytes[i]);
    text_add(out, "\n");
    return true;
}

static inline bool say_null(void *out)
{
    return say_bytes(out, "null", "", 0);
}

static inline bool say_boolean(void *out, bool value)
{
    return say_bytes(out, value ? "true" : "false", "", 0);
}

static inline bool say_number(void *out, const char *text, size_t n)
{
    return say_bytes(out, "number ", text, n);
}

static inline bool say_string(void *out, const char *text, size_t n)
{
    return say_bytes(out, "string ", text, n);
}

static inline bool say_key(void *out, const char *text, size_t n)
{
    return say_bytes(out, "key ", text, n);
}

static inline bool say_start_map(void *out)
{
    return say_bytes(out, "{", "", 0);
}

static inline bool say_end_map(void *out)
{
    return say_bytes(out, "}", "", 0);
}

static inline bool say_start_list(void *out)
{
    return say_bytes(out, "[", "", 0);
}

static inline bool say_end_list(void *out)
{
    return say_bytes(out, "]", "", 0);
}

/* Reads a document in pieces of `step` bytes; what it says goes to `out`, before an error too. */
static inline bool say_document(const char *bytes, size_t n, size_t step, Text *out, Error *err)
{
    static const JsonEvents say = {say_null,      say_boolean, say_number,     say_string,
                                   say_start_map, say_key,     say_end_map,    say_start_list,
                                   say_end_list};
    JsonReader *reader = json_reader_new(&say, out, "doc");
    bool fine = true;
    for (size_t at = 0; fine && at < n; at += step)
        fine = json_reader_feed(reader, bytes + at, n - at < step ? n - at : step, err);
    fine = fine && json_reader_finish(reader, err);
    json_reader_free(reader);
    return fine;
}

#endif
