/* Cursor: reads a source from front to back in small steps, through a buffer, and skips what is
 * not wanted. For formats whose records stand among the values that they describe. */
#ifndef LOADER_SOURCE_CURSOR_H
#define LOADER_SOURCE_CURSOR_H

#include "loader/source/source.h"

enum { CURSOR_BUFFER = 2048 };

typedef struct Cursor {
    ByteSource *source;      /* borrowed */
    uint64_t at;             /* the next byte to be read, from the start of the source */
    uint64_t from;           /* where the buffered bytes stand */
    size_t held;             /* how many of them there are */
    unsigned char buffer[CURSOR_BUFFER];
} Cursor;

void cursor_init(Cursor *cursor, ByteSource *source, uint64_t at);
/* Bytes from here to the end of the source. */
uint64_t cursor_left(const Cursor *cursor);
/* Exactly n bytes; an error, and nothing moved, when fewer are left. */
bool cursor_read(Cursor *cursor, void *out, size_t n, Error *err);
/* An unsigned number of 1 to 8 bytes. */
bool cursor_little(Cursor *cursor, size_t width, uint64_t *out, Error *err);
bool cursor_big(Cursor *cursor, size_t width, uint64_t *out, Error *err);
/* Moves over n bytes, which must be there. */
bool cursor_skip(Cursor *cursor, uint64_t n, Error *err);

#endif
