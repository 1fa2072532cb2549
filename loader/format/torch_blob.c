/* Bytes that a pickle holds: where the values of an array lie. Python wrote them in many ways; most
 * lie raw in the file, and stay there.
 *
 *   protocol 3 and later    BINBYTES, BYTEARRAY8 …                      raw
 *   Python 2                BINSTRING                                   raw
 *   Python 3, protocol 1-2  _codecs.encode(BINUNICODE, 'latin1')        UTF-8, decoded on reading
 *   protocol 0              STRING, _codecs.encode(UNICODE, 'latin1')   escaped: decoded now
 *   inside other objects    bytearray(bytes), bytes() */
#include <inttypes.h>
#include <string.h>

#include "loader/format/pickle.h"
#include "loader/format/torch.h"
#include "loader/source/latin1.h"

/* About what a source takes in memory beside its bytes. */
enum { SOURCE_COST = 512 };

/* Bytes of a raw text that is held: a NUL is C0 80 then, which nothing else in it is. */
static uint64_t raw_length(const Object *text)
{
    uint64_t n = text->bytes.n;
    for (size_t i = 0; i + 1 < text->bytes.n; i++)
        if (memcmp(text->bytes.text + i, "\xC0\x80", 2) == 0) n--;
    return n;
}

/* A node whose bytes lie raw in the pickle. */
static bool find_raw(TorchFile *file, Object *node, TorchBlob *blob)
{
    bool far = node->kind == OBJ_FAR && node->call_kind != FAR_TEXT;
    bool near = (node->kind == OBJ_BYTES || node->kind == OBJ_BYTEARRAY || node->kind == OBJ_STR) &&
                node->bytes.at;
    if (!far && !near) return false;
    if (far) node->far.taken = true;
    blob->source = file->pickle;
    blob->offset = far ? node->far.at : node->bytes.at;
    blob->bytes = far ? node->far.n : node->kind == OBJ_STR ? raw_length(node) : node->bytes.n;
    return true;
}

/* The checkpoint keeps what was made; it is paid for, since a memo repeats nodes for two bytes. */
static bool keep(TorchFile *file, ByteSource *source, uint64_t cost, TorchBlob *blob, Error *err)
{
    if (!source) return false;
    *blob = (TorchBlob){source, 0, source->size};
    checkpoint_own_source(file->checkpoint, source);
    return torch_spend(file, cost + SOURCE_COST, err);
}

/* Characters that are bytes, out of a text in memory. False when one is none. */
static bool decode_near(const Object *text, Text *out)
{
    const char *p = text->bytes.text, *end = p + text->bytes.n;
    while (p < end) {
        uint32_t code = utf8_next(&p, end);
        if (code > 0xFF) return false;
        text_addc(out, (char)code);
    }
    return true;
}

/* What protocol 0 escaped. */
static bool copy_near(TorchFile *file, const Object *node, bool encoded, TorchBlob *blob,
                      Error *err)
{
    Text bytes = {0};
    bool fine = true;
    if (encoded) fine = decode_near(node, &bytes);
    else if (node->kind == OBJ_STR) name_bytes(node->bytes.text, &bytes);
    else text_addn(&bytes, node->bytes.text, node->bytes.n);
    if (!fine) error_set(err, ERR_FORMAT, "its text stands for bytes, but has other characters");
    fine = fine && torch_spend(file, bytes.length, err) &&
           keep(file, source_from_memory(text_string(&bytes), bytes.length, file->name), 0, blob,
                err);
    text_done(&bytes);
    return fine;
}

/* Text that stands for bytes. How many is known for certain only by reading it, so a text that is
 * far is believed to be as many as are wanted. */
static bool find_encoded(TorchFile *file, Object *text, uint64_t wanted, TorchBlob *blob,
                         Error *err)
{
    if (text->kind == OBJ_FAR) {
        text->far.taken = true;
        return keep(file, source_latin1(file->pickle, text->far.at, text->far.n, wanted, err), 0,
                    blob, err);
    }
    if (!text->bytes.at) return copy_near(file, text, true, blob, err);
    uint64_t length = raw_length(text), count = 0;
    for (const char *p = text->bytes.text, *end = p + text->bytes.n; p < end; count++)
        if (utf8_next(&p, end) > 0xFF)
            return error_set(err, ERR_FORMAT,
                             "its text stands for bytes, but has other characters");
    if (!count) {
        *blob = (TorchBlob){file->pickle, 0, 0};
        return true;
    }
    return keep(file, source_latin1(file->pickle, text->bytes.at, length, count, err), length, blob,
                err);
}

static bool is_text(const Object *node)
{
    return node->kind == OBJ_STR || (node->kind == OBJ_FAR && node->call_kind == FAR_TEXT);
}

/* "bytes(…)" in a call is looked at once more, no deeper: nobody writes them inside each other. */
bool torch_find_blob(TorchFile *file, Object *node, uint64_t wanted, TorchBlob *blob, bool *found,
                     Error *err)
{
    *found = file->pickle != NULL;
    if (!*found) return true;
    bool near = node->kind == OBJ_STR || node->kind == OBJ_BYTES;
    if (!torch_spend(file, near ? node->bytes.n : 1, err)) return false;
    if (!file->pickle_kept) checkpoint_own_source(file->checkpoint, source_ref(file->pickle));
    file->pickle_kept = true;
    bool made = object_is_call(node, "builtins", "bytearray");
    if (made || object_is_call(node, "builtins", "bytes")) {
        *blob = (TorchBlob){file->pickle, 0, 0};
        if (!node->call->args->list.count) return true;
        Object *inner = node->call->args->list.items[0];
        if (node->call->args->list.count == 2 && is_text(inner))
            return find_encoded(file, inner, wanted, blob, err);
        node = inner;
    }
    if (object_is_call(node, "_codecs", "encode") && node->call->args->list.count &&
        is_text(node->call->args->list.items[0]))
        return find_encoded(file, node->call->args->list.items[0], wanted, blob, err);
    if (find_raw(file, node, blob)) return true;
    *found = node->kind == OBJ_BYTES || node->kind == OBJ_BYTEARRAY || node->kind == OBJ_STR;
    return !*found || copy_near(file, node, false, blob, err);
}

/* --- what is no array's -------------------------------------------------------------- */

bool torch_note_far(TorchFile *file, Object *node)
{
    file->far = mem_grow(file->far, &file->far_room, file->far_count + 1, sizeof *file->far);
    file->far[file->far_count++] = node;
    return true;
}

bool torch_hold_far(TorchFile *file, Error *err)
{
    for (size_t i = 0; file->pickle && i < file->far_count; i++) {
        Object *node = file->far[i];
        if (node->kind == OBJ_FAR && !node->far.taken &&
            !pickle_hold(file->arena, file->pickle, node, err))
            return error_prefix(err, "%s", file->name);
    }
    file->far_count = 0;
    return true;
}
