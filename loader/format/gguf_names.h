/* The header of a GGUF file with other names for its tensors. */
#ifndef LOADER_FORMAT_GGUF_NAMES_H
#define LOADER_FORMAT_GGUF_NAMES_H

#include "loader/core/error.h"
#include "loader/core/text.h"

/* The new name of a tensor (both held names). */
typedef const char *GgufNewName(void *context, const char *name);

/* How long the header of the file is that begins with these n bytes, up to its first value; 0 when
 * it is longer than that, or is not one of a little-endian GGUF 2 or 3. */
size_t gguf_header_length(const unsigned char *bytes, size_t n);
/* Appends to `out` the header with other names, as long as the old one or longer by a multiple of
 * `step`: what is left is filled by a key "tenon.padding" of blanks, which replaces one that is
 * there. Refuses names of more than 63 bytes, as GGML does. */
bool gguf_rename(const unsigned char *header, size_t n, GgufNewName *name, void *context,
                 size_t step, Text *out, Error *err);

#endif
