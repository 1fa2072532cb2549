/* A walk over keys and tensors whose bytes are copied, but for the names. */
#include "loader/format/gguf_names.h"

#include <inttypes.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/core/memory.h"

enum {
    COUNTS = 24,                 /* magic, version, both counts */
    NAME_BYTES_MAX = 63,         /* GGML's */
    RANK_MAX = 32,
    TYPE_STRING = 8, TYPE_ARRAY = 9, TYPE_COUNT = 13,
    ALIGNMENT_DEFAULT = 32
};

static const char padding_key[] = "tenon.padding";

/* Bytes of a value of each type; 0 for strings and arrays, which say their own. */
static const unsigned char type_bytes[TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct Walk {
    const unsigned char *bytes;  /* borrowed */
    size_t n, at;
    uint64_t tensors, keys, alignment;
} Walk;

static bool skip(Walk *walk, uint64_t n)
{
    if (n > walk->n - walk->at) return false;
    walk->at += (size_t)n;
    return true;
}

static bool take(Walk *walk, size_t n, uint64_t *out)
{
    const size_t at = walk->at;
    if (!skip(walk, n)) return false;
    *out = little_read(walk->bytes + at, n);
    return true;
}

static bool take_string(Walk *walk, const char **text, size_t *n)
{
    uint64_t length;
    if (!take(walk, 8, &length)) return false;
    *text = (const char *)walk->bytes + walk->at;
    *n = (size_t)length;
    return skip(walk, length);
}

static bool skip_items(Walk *walk, uint64_t type, uint64_t count)
{
    const char *text;
    size_t n;
    uint64_t bytes;
    if (type >= TYPE_COUNT || type == TYPE_ARRAY) return false;
    if (type != TYPE_STRING)
        return sum_mul(count, type_bytes[type], &bytes) && skip(walk, bytes);
    for (uint64_t i = 0; i < count; i++)
        if (!take_string(walk, &text, &n)) return false;
    return true;
}

/* One key; *padding: it is the one that was put in to fill up. */
static bool skip_key(Walk *walk, bool *padding)
{
    static const char alignment[] = "general.alignment";
    const char *key;
    size_t n;
    uint64_t type, count = 1;
    if (!take_string(walk, &key, &n) || !take(walk, 4, &type)) return false;
    *padding = n == strlen(padding_key) && memcmp(key, padding_key, n) == 0;
    if (n == strlen(alignment) && memcmp(key, alignment, n) == 0 && type == 4 &&
        walk->n - walk->at >= 4)
        walk->alignment = little_read(walk->bytes + walk->at, 4);
    if (type == TYPE_ARRAY && (!take(walk, 4, &type) || !take(walk, 8, &count))) return false;
    return skip_items(walk, type, count);
}

/* Behind the name: rank, sizes, type, offset. */
static bool skip_tensor(Walk *walk)
{
    uint64_t rank;
    return take(walk, 4, &rank) && rank <= RANK_MAX && skip(walk, 8 * rank + 4 + 8);
}

static bool start(Walk *walk, const unsigned char *bytes, size_t n)
{
    *walk = (Walk){.bytes = bytes, .n = n, .alignment = ALIGNMENT_DEFAULT};
    uint64_t magic, version;
    return take(walk, 4, &magic) && take(walk, 4, &version) && magic == 0x46554747 &&
           (version == 2 || version == 3) && take(walk, 8, &walk->tensors) &&
           take(walk, 8, &walk->keys);
}

static size_t align(uint64_t n, uint64_t alignment)
{
    return (size_t)((n + alignment - 1) / alignment * alignment);
}

size_t gguf_header_length(const unsigned char *bytes, size_t n)
{
    Walk walk;
    const char *name;
    size_t length;
    bool padding, fine = start(&walk, bytes, n);
    for (uint64_t i = 0; fine && i < walk.keys; i++) fine = skip_key(&walk, &padding);
    for (uint64_t i = 0; fine && i < walk.tensors; i++)
        fine = take_string(&walk, &name, &length) && skip_tensor(&walk);
    const size_t whole = fine && walk.alignment ? align(walk.at, walk.alignment) : 0;
    return whole <= n ? whole : 0;
}

static void put_number(uint64_t value, size_t n, Text *out)
{
    for (size_t i = 0; i < n; i++) text_addc(out, (char)(value >> 8 * i & 0xFF));
}

static void put_padding(size_t blanks, Text *out)
{
    put_number(strlen(padding_key), 8, out);
    text_add(out, padding_key);
    put_number(TYPE_STRING, 4, out);
    put_number(blanks, 8, out);
    for (size_t i = 0; i < blanks; i++) text_addc(out, ' ');
}

static bool put_tensor(Walk *walk, GgufNewName *name, void *context, Text *out, Error *err)
{
    const char *old;
    size_t n;
    Text bytes = {0};
    Arena *arena = arena_new();
    bool fine = take_string(walk, &old, &n);
    const size_t from = walk->at;
    fine = fine && skip_tensor(walk);
    if (fine) name_bytes(name(context, name_hold(arena, old, n)), &bytes);
    if (!fine) {
        error_set(err, ERR_FORMAT, "its header is not what it was a moment ago");
    } else if (bytes.length > NAME_BYTES_MAX) {
        fine = error_set(err, ERR_UNSUPPORTED, "the name '%.80s' has %zu bytes, and GGML reads at "
                         "most %d", text_string(&bytes), bytes.length, NAME_BYTES_MAX);
    } else {
        put_number(bytes.length, 8, out);
        text_addn(out, text_string(&bytes), bytes.length);
        text_addn(out, (const char *)walk->bytes + from, walk->at - from);
    }
    text_done(&bytes);
    arena_free(arena);
    return fine;
}

/* The keys but for an old padding, and the tensors: into a text each. *count: of keys. */
static bool copy_parts(Walk *walk, GgufNewName *name, void *context, Text *keys, uint64_t *count,
                       Text *tensors, Error *err)
{
    *count = 0;
    for (uint64_t i = 0; i < walk->keys; i++) {
        const size_t from = walk->at;
        bool padding;
        if (!skip_key(walk, &padding))
            return error_set(err, ERR_FORMAT, "its header is not what it was a moment ago");
        if (padding) continue;
        text_addn(keys, (const char *)walk->bytes + from, walk->at - from);
        ++*count;
    }
    for (uint64_t i = 0; i < walk->tensors; i++)
        if (!put_tensor(walk, name, context, tensors, err)) return false;
    return true;
}

/* Without a key to fill up where the alignment alone gives that length. */
bool gguf_rename(const unsigned char *header, size_t n, GgufNewName *name, void *context,
                 size_t step, Text *out, Error *err)
{
    const size_t least = 8 + strlen(padding_key) + 4 + 8;
    Walk walk;
    Text keys = {0}, tensors = {0};
    uint64_t count;
    bool fine = start(&walk, header, n) &&
                copy_parts(&walk, name, context, &keys, &count, &tensors, err);
    if (fine) {
        const size_t bare = COUNTS + keys.length + tensors.length, begun = out->length;
        size_t whole = n;
        while (whole != align(bare, walk.alignment) && whole < bare + least) whole += step;
        const bool filled = whole != align(bare, walk.alignment);
        text_addn(out, (const char *)header, 16);
        put_number(count + filled, 8, out);
        text_addn(out, text_string(&keys), keys.length);
        if (filled) put_padding(whole - bare - least, out);
        text_addn(out, text_string(&tensors), tensors.length);
        while (out->length - begun < whole) text_addc(out, '\0');
    }
    text_done(&keys);
    text_done(&tensors);
    return fine;
}
