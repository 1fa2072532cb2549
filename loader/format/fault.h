/* Faults: what formats say of a file, always in one form: "FILE: tensor 'NAME': what …".
 *
 * Names and text that come from a file are shown escaped and shortened, so that a hostile
 * name can neither move the cursor nor push the point of the message out of it. */
#ifndef LOADER_FORMAT_FAULT_H
#define LOADER_FORMAT_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/core/error.h"
#include "loader/core/text.h"

/* Both set `err` and return false. */
bool fault_file(Error *err, ErrorCode code, const char *file, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool fault_tensor(Error *err, ErrorCode code, const char *file, const char *tensor,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Appends at most `limit` of n bytes, escaped for people, and "…" where more was left out. */
void fault_quote(const char *bytes, size_t n, size_t limit, Text *out);

#endif
