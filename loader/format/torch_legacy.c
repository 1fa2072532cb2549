/* The stream that torch.save wrote from 0.1.10 to 1.5, and still writes on request
 * (torch/serialization.py, _legacy_save).
 *
 *   pickle: the magic number 0x1950a86a20f9469cfc6c
 *   pickle: the protocol version, 1001
 *   pickle: {'little_endian': …, …}; of no use, the values are little-endian on every machine
 *   pickle: the object; tensors refer to storages by key
 *   pickle: the list of the keys
 *   for each key in that order: i64 number of elements | the elements
 *
 * How long an element is, only the object says. */
#include <inttypes.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/core/little.h"
#include "loader/format/pickle.h"
#include "loader/format/torch.h"

/* The second pickle; bytes of a key that an error shows. */
enum { PROTOCOL_VERSION = 1001, KEY_SHOWN = 128 };

/* 0x1950a86a20f9469cfc6c as LONG1 has it, lowest byte first, and as LONG has it, in decimal. */
static const unsigned char magic_number[10] = {0x6C, 0xFC, 0x9C, 0x46, 0xF9,
                                               0x20, 0x6A, 0xA8, 0x50, 0x19};
static const char magic_text[] = "L119547037146038801333356L\n";

/* --- what it is, by its first bytes --------------------------------------------------- */

/* [PROTO v] [FRAME length] LONG1 10 bytes; or the text form of protocols 0 and 1. */
static bool is_stream(const unsigned char *head, size_t n)
{
    const unsigned char *end = head + n;
    if (n >= sizeof magic_text - 1 && memcmp(head, magic_text, sizeof magic_text - 1) == 0)
        return true;
    if (end - head >= 2 && head[0] == 0x80) head += 2;
    if (end - head >= 9 && head[0] == 0x95) head += 9;
    return (size_t)(end - head) >= 2 + sizeof magic_number && head[0] == 0x8A && head[1] == 10 &&
           memcmp(head + 2, magic_number, sizeof magic_number) == 0;
}

static Sniff sniff_legacy(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)source;
    return is_stream(head, n) ? SNIFF_YES : SNIFF_NO;
}

/* --- the pickles ---------------------------------------------------------------------- */

/* The next pickle of the stream; *at moves behind it. */
static Object *next_pickle(Arena *arena, ByteSource *source, uint64_t *at, Error *err)
{
    uint64_t used;
    Object *object = pickle_read(arena, source, *at, &used, err);
    if (object) *at += used;
    return object;
}

/* The magic number, the protocol version and the system's facts. */
static bool read_preamble(ByteSource *source, uint64_t *at, Error *err)
{
    Arena *arena = arena_new();
    const Object *magic = next_pickle(arena, source, at, err);
    const Object *version = magic ? next_pickle(arena, source, at, err) : NULL;
    bool fine = version && version->kind == OBJ_INT && version->integer == PROTOCOL_VERSION;
    if (version && !fine) {
        Text what = {0};
        object_show(version, &what);
        fault_file(err, ERR_UNSUPPORTED, source->name,
                   "its protocol version is %s; only %d is known", text_string(&what),
                   PROTOCOL_VERSION);
        text_done(&what);
    }
    fine = fine && next_pickle(arena, source, at, err);
    arena_free(arena);
    return fine;
}

/* --- the storages behind them --------------------------------------------------------- */

/* "FILE: storage 'KEY' WHAT"; always false. */
static bool fault_storage(const TorchFile *file, const TorchStorage *storage, Error *err,
                          ErrorCode code, const char *what)
{
    Text key = {0};
    fault_quote(storage->key, strlen(storage->key), KEY_SHOWN, &key);
    fault_file(err, code, file->name, "storage '%s' %s", text_string(&key), what);
    text_done(&key);
    return false;
}

static void note_size(TorchFile *file, const TorchStorage *storage, uint64_t numel, uint64_t at)
{
    Text key = {0};
    fault_quote(storage->key, strlen(storage->key), KEY_SHOWN, &key);
    torch_find(file, FINDING_ERROR, "storage-size", storage->key, NULL,
               "storage '%s' has %" PRIu64 " elements at byte %" PRIu64 ", the pickle claims %"
               PRIu64, text_string(&key), numel, at, storage->numel);
    text_done(&key);
}

/* One storage at *at. A file that was cut short leaves the last ones with fewer bytes, or none;
 * whether a tensor needs them is asked later. */
static bool place_storage(TorchFile *file, TorchStorage *storage, ByteSource *source, uint64_t *at,
                          Error *err)
{
    unsigned char header[8];
    uint64_t numel, bytes;
    storage->storage->source = source;
    storage->storage->bytes = 0;
    if (source->size - *at < sizeof header) {
        storage->storage->offset = *at = source->size;
        return true;
    }
    if (!source_read(source, *at, header, sizeof header, err)) return false;
    numel = little_read(header, sizeof header);
    *at += sizeof header;
    if (!storage->width)
        return fault_storage(file, storage, err, ERR_UNSUPPORTED,
                             "is of a class whose element size is not known");
    if (numel > INT64_MAX || !sum_mul(numel, storage->width, &bytes))
        return fault_storage(file, storage, err, ERR_FORMAT,
                             "has a size that 63 bits cannot count");
    if (numel != storage->numel) note_size(file, storage, numel, *at - sizeof header);
    uint64_t left = source->size - *at, there = bytes < left ? bytes : left;
    storage->storage->offset = *at;
    storage->storage->bytes = there < storage->claimed ? there : storage->claimed;
    *at += there;
    return true;
}

/* Walks the data section from `at`. The list and the object must name the same storages, each
 * once: a storage that is skipped would move all that follow. `absent` serves as the tick. */
static bool place_storages(TorchFile *file, const Object *keys, ByteSource *source, uint64_t at,
                           Error *err)
{
    const Object *list = object_as_sequence(keys);
    if (!list)
        return fault_file(err, ERR_FORMAT, file->name, "its fifth pickle is no list of storages");
    for (size_t i = 0; i < file->storage_count; i++) file->storages[i]->absent = true;
    for (size_t i = 0; i < list->list.count; i++) {
        const char *key = torch_key_text(file->arena, list->list.items[i]);
        TorchStorage *storage = key ? torch_storage(file, key) : NULL;
        if (!storage || !storage->absent)
            return fault_file(err, ERR_FORMAT, file->name,
                              "its list of storages has an entry (%zu) "
                              "that %s",
                              i, storage ? "stands there twice" : "no tensor refers to");
        storage->absent = false;
        if (!place_storage(file, storage, source, &at, err)) return false;
    }
    for (size_t i = 0; i < file->storage_count; i++)
        if (file->storages[i]->absent)
            return fault_storage(file, file->storages[i], err, ERR_FORMAT,
                                 "is referred to, but not in the file's list of storages");
    if (at < source->size)
        torch_find(file, FINDING_WARNING, "trailing", NULL, NULL,
                   "%" PRIu64 " bytes follow the last storage; nothing refers to them",
                   source->size - at);
    return true;
}

/* --- the whole ------------------------------------------------------------------------ */

/* The pickles in their order. The object is interpreted before the storages are looked for, since
 * only its references say how long an element of each is. */
static bool fill(Checkpoint *checkpoint, ByteSource *source, Error *err)
{
    uint64_t at = 0;
    if (!read_preamble(source, &at, err)) return false;
    uint64_t start = at;
    Object *root = next_pickle(checkpoint_arena(checkpoint), source, &at, err);
    if (!root) return false;
    TorchFile file;
    torch_init(&file, checkpoint, source->name, root, at - start);
    file.pickle = source;
    file.remedy = "the file is damaged or was cut short; fetch it again";
    Arena *arena = arena_new();
    bool fine = torch_interpret(&file, err);
    const Object *keys = fine ? next_pickle(arena, source, &at, err) : NULL;
    fine = keys && place_storages(&file, keys, source, at, err) && torch_finish(&file, err);
    arena_free(arena);
    torch_done(&file);
    return fine;
}

static Checkpoint *open_legacy(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "torch-legacy", source);
    if (fill(checkpoint, source, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

const Format format_torch_legacy = {
    "torch-legacy", "PyTorch before 1.6 (or _use_new_zipfile_serialization=False)", sniff_legacy,
    open_legacy};
