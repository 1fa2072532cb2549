/* PickleBlob: the bytes that a node of a pickle holds, as a source that can be read like a file. */
#ifndef LOADER_FORMAT_PICKLE_BLOB_H
#define LOADER_FORMAT_PICKLE_BLOB_H

#include "loader/source/source.h"
#include "loader/tensor/object.h"

/* `blob` is a STR, BYTES, BYTEARRAY or FAR node of the pickle that was read from `pickle`. The new
 * reference is the caller's; NULL when the node holds no bytes (text beyond Latin-1, or too much of
 * it), or they cannot be read. */
ByteSource *pickle_blob_source(ByteSource *pickle, const Object *blob, const char *name);
/* Whether that is because it holds more text than LIMIT_BLOB_BYTES. */
bool pickle_blob_too_long(const Object *blob);

#endif
