/* What stands between the quotes of a JSON string. */
#ifndef LOADER_CORE_JSON_STRING_H
#define LOADER_CORE_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/core/text.h"

/* Whether all bytes are ASCII and stand for themselves between quotes: no backslash, no quote,
 * nothing below 0x20. */
bool json_is_plain(const char *text, size_t n);

/* Checks that *text is UTF-8 without control characters, and decodes its escapes: into `out`, which
 * *text and *n name afterwards, when there are any. No backslash may be its last byte but behind
 * another. NULL, or what is wrong with the byte *bad. */
const char *json_decode(const char **text, size_t *n, Text *out, size_t *bad);

#endif
