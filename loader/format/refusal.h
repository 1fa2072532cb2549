/* Refusals: what a file is that tenon does not read, and what to do about it. */
#ifndef LOADER_FORMAT_REFUSAL_H
#define LOADER_FORMAT_REFUSAL_H

#include "loader/core/error.h"
#include "loader/source/source.h"

/* `head` are the first n bytes (up to 4096). True, with the error set, when the file is
 * recognised as something that is no checkpoint or no supported one. */
bool refusal_explain(ByteSource *source, const unsigned char *head, size_t n, Error *err);

/* The error for a file that nobody recognised: shows its first bytes. Returns false. */
bool refusal_unknown(ByteSource *source, const unsigned char *head, size_t n, Error *err);

#endif
