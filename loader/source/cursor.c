/* A buffer that is filled where the next small read begins. What is larger than it is read
 * beside it. */
#include "loader/source/cursor.h"

#include <inttypes.h>
#include <string.h>

#include "loader/core/little.h"

void cursor_init(Cursor *cursor, ByteSource *source, uint64_t at)
{
    cursor->source = source;
    cursor->at = at;
    cursor->from = 0;
    cursor->held = 0;
}

uint64_t cursor_left(const Cursor *cursor)
{
    return cursor->at < cursor->source->size ? cursor->source->size - cursor->at : 0;
}

/* One wording for all that end too early. */
static bool refuse_end(const Cursor *cursor, uint64_t n, Error *err)
{
    return error_set(err, ERR_FORMAT,
                     "%s: is cut short: %" PRIu64 " bytes are needed at byte %" PRIu64
                     ", and %" PRIu64 " are left; fetch it again",
                     cursor->source->name, n, cursor->at, cursor_left(cursor));
}

/* Fills the buffer from the cursor on. */
static bool fill(Cursor *cursor, Error *err)
{
    uint64_t left = cursor_left(cursor);
    size_t n = left < sizeof cursor->buffer ? (size_t)left : sizeof cursor->buffer;
    cursor->held = 0;
    if (!source_read(cursor->source, cursor->at, cursor->buffer, n, err)) return false;
    cursor->from = cursor->at;
    cursor->held = n;
    return true;
}

bool cursor_read(Cursor *cursor, void *out, size_t n, Error *err)
{
    if (n > cursor_left(cursor)) return refuse_end(cursor, n, err);
    if (n > sizeof cursor->buffer) {
        if (!source_read(cursor->source, cursor->at, out, n, err)) return false;
    } else {
        bool inside = cursor->at >= cursor->from && cursor->at - cursor->from <= cursor->held &&
                      n <= cursor->held - (size_t)(cursor->at - cursor->from);
        if (!inside && !fill(cursor, err)) return false;
        memcpy(out, cursor->buffer + (cursor->at - cursor->from), n);
    }
    cursor->at += n;
    return true;
}

bool cursor_little(Cursor *cursor, size_t width, uint64_t *out, Error *err)
{
    unsigned char bytes[sizeof *out];
    if (!cursor_read(cursor, bytes, width, err)) return false;
    *out = little_read(bytes, width);
    return true;
}

bool cursor_big(Cursor *cursor, size_t width, uint64_t *out, Error *err)
{
    unsigned char bytes[sizeof *out];
    if (!cursor_read(cursor, bytes, width, err)) return false;
    *out = 0;
    for (size_t i = 0; i < width; i++) *out = *out << 8 | bytes[i];
    return true;
}

bool cursor_skip(Cursor *cursor, uint64_t n, Error *err)
{
    if (n > cursor_left(cursor)) return refuse_end(cursor, n, err);
    cursor->at += n;
    return true;
}
