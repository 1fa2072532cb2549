/* Bytes that lie in memory, in the file, or in text of which each character is a byte. */
#include "loader/format/pickle_blob.h"

#include <stdlib.h>

#include "loader/core/limits.h"
#include "loader/core/text.h"

/* Latin-1 text as the bytes that it stands for in protocol 2. NULL: it stands for none. */
static ByteSource *latin_source(const char *text, size_t n, const char *name)
{
    Text bytes = {0};
    const char *p = text, *end = p + n;
    bool latin = true;
    while (latin && p < end) {
        uint32_t code = utf8_next(&p, end);
        latin = code < 256;
        text_addc(&bytes, (char)code);
    }
    ByteSource *source =
        latin ? source_from_memory(text_string(&bytes), bytes.length, name) : NULL;
    text_done(&bytes);
    return source;
}

/* What was left in the file: bytes are a part of it; text is read and turned into bytes. */
static ByteSource *far_source(ByteSource *pickle, const Object *far, const char *name)
{
    ByteSource *window = source_window(pickle, far->far.at, far->far.n, name, NULL);
    if (far->call_kind != FAR_TEXT || !window) return window;
    size_t n;
    char *text = source_slurp_limited(window, LIMIT_BLOB_BYTES, &n, NULL);
    ByteSource *bytes = text ? latin_source(text, n, name) : NULL;
    free(text);
    source_unref(window);
    return bytes;
}

bool pickle_blob_too_long(const Object *blob)
{
    return blob->kind == OBJ_FAR && blob->call_kind == FAR_TEXT &&
           blob->far.n > limit(LIMIT_BLOB_BYTES);
}

ByteSource *pickle_blob_source(ByteSource *pickle, const Object *blob, const char *name)
{
    if (blob->kind == OBJ_FAR) return far_source(pickle, blob, name);
    if (blob->kind == OBJ_STR) return latin_source(blob->bytes.text, blob->bytes.n, name);
    return source_from_memory(blob->bytes.text, blob->bytes.n, name);
}
