/* JSON documents in a ByteSource: streamed in pieces, and told apart by their top-level keys. */
#ifndef LOADER_FORMAT_JSON_SOURCE_H
#define LOADER_FORMAT_JSON_SOURCE_H

#include "loader/core/json.h"
#include "loader/source/source.h"

/* Feeds bytes [from, to) and finishes the document. Positions in errors are the source's. */
bool json_feed_source(JsonReader *reader, ByteSource *source, uint64_t from, uint64_t to,
                      Error *err);

/* Where the text of a text file starts: behind a UTF-8 byte order mark, if there is one. */
size_t text_start(const unsigned char *head, size_t n);

typedef enum JsonKind {
    JSON_NONE,       /* does not begin with '{' (after white space) */
    JSON_BROKEN,     /* begins so, and is malformed before any key that tells */
    JSON_OTHER,      /* an object without those keys */
    JSON_SCHEMA,     /* has "tensors" */
    JSON_INDEX       /* has "weight_map" */
} JsonKind;

/* Reads as far as the first key that tells, and never beyond LIMIT_INDEX_BYTES. `keys` (may be
 * NULL) receives the other top-level keys, for people; `err` why a document is broken. */
JsonKind json_source_kind(ByteSource *source, const unsigned char *head, size_t n, Text *keys,
                          Error *err);

#endif
