/* Errors are written into the caller's struct, of fixed size: an error can be told when memory
 * is short, needs no freeing, and may be overwritten by the next try. Longer texts are cut. */
#include "loader/core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that was cut must not end inside a UTF-8 sequence: from its end, up to three tail bytes
 * (10xxxxxx) back to the lead byte, which says how many should have followed. */
static void trim_partial_character(char *text)
{
    size_t n = strlen(text), back = 0;
    while (back < 3 && n > back && ((unsigned char)text[n - 1 - back] & 0xC0) == 0x80) back++;
    if (n <= back) return;
    unsigned char lead = (unsigned char)text[n - 1 - back];
    /* bytes of the whole sequence, by its lead byte: 11110xxx, 1110xxxx, 110xxxxx, 0xxxxxxx */
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (lead >= 0xC0 && back + 1 < want) text[n - 1 - back] = '\0';
}

/* Arguments may not point into err->text, which is being overwritten. */
bool error_set(Error *err, ErrorCode code, const char *format, ...)
{
    if (!err) return false;
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    trim_partial_character(err->text);
    return false;
}

/* The old text may stand among the arguments, so both halves are put together beside it. What
 * does not fit is lost at the end: the place, which stands in front, is worth more. */
bool error_prefix(Error *err, const char *format, ...)
{
    if (!err) return false;
    char before[sizeof err->text], joined[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(before, sizeof before, format, args);
    va_end(args);
    const char *parts[] = {before, ": ", err->text};
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(parts[i]), room = sizeof joined - 1 - used;
        memcpy(joined + used, parts[i], n < room ? n : room);
        used += n < room ? n : room;
    }
    joined[used] = '\0';
    memcpy(err->text, joined, used + 1);
    trim_partial_character(err->text);
    return false;
}

/* errno is taken down before anything else can change it. */
bool error_errno(Error *err, const char *format, ...)
{
    int number = errno;
    if (!err) return false;
    va_list args;
    va_start(args, format);
    err->code = ERR_IO;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(number));
    trim_partial_character(err->text);
    return false;
}
