/* Storages inside plain pickles: pickle.dump(tensor), which torch.save did not see, writes each
 * storage as torch.storage._load_from_bytes(b'…'): a whole legacy stream, of that storage alone.
 * Its five small pickles are read; the elements stay where they are. */
#include <inttypes.h>

#include "loader/format/pickle.h"
#include "loader/core/little.h"
#include "loader/format/torch.h"

/* Bytes that the five pickles of a stream may take together: PyTorch's take about 300. The same
 * stream may be named again and again for a few bytes each, so what it makes is paid for. */
enum { PICKLES_BYTES_MAX = 4096 };

/* The fourth pickle of the stream and the elements behind the fifth. */
typedef struct Stream {
    Object *object;
    uint64_t numel, at;          /* elements, and the byte at which they begin */
} Stream;

/* Magic number, version, system, object, keys. */
static bool read_pickles(Arena *arena, ByteSource *head, Stream *stream, Error *err)
{
    enum { OBJECT = 3, PICKLES = 5 };
    for (int i = 0; i < PICKLES; i++) {
        uint64_t used;
        Object *object = pickle_read(arena, head, stream->at, &used, err);
        if (!object) return false;
        stream->at += used;
        if (i == OBJECT) stream->object = object;
    }
    return true;
}

/* The pickles, then i64 elements. */
static bool read_stream(TorchFile *file, ByteSource *source, Stream *stream, Error *err)
{
    unsigned char count[8];
    uint64_t n = source->size < PICKLES_BYTES_MAX ? source->size : PICKLES_BYTES_MAX;
    ByteSource *head = source_window(source, 0, n, NULL, err);
    if (!head) return false;
    size_t before = arena_bytes(file->arena);
    bool fine = read_pickles(file->arena, head, stream, err);
    source_unref(head);
    if (!fine || !torch_spend(file, arena_bytes(file->arena) - before, err)) return false;
    if (!source_read(source, stream->at, count, sizeof count, err)) return false;
    stream->at += sizeof count;
    stream->numel = little_read(count, sizeof count);
    return true;
}

/* What the storage's bytes are: as many as its class and its number of elements need. */
static bool fill_storage(TorchFile *file, const Stream *stream, ByteSource *source,
                         TorchStorage *storage, Error *err)
{
    if (!torch_is_storage(stream->object) || stream->object->list.items[0]->list.count < 5)
        return error_set(err, ERR_FORMAT, "its storage is a stream of something else");
    const Object *id = stream->object->list.items[0];
    if (!torch_storage_class(file, id->list.items[1], &storage->storage->dtype,
                             &storage->width, err))
        return false;
    storage->key = "";
    storage->numel = stream->numel;
    if (!sum_mul(stream->numel, storage->width, &storage->claimed) ||
        storage->claimed > source->size - stream->at)
        return error_set(err, ERR_FORMAT, "its storage claims %" PRIu64 " elements of %u bytes, "
                         "of which %" PRIu64 " bytes are there", stream->numel, storage->width,
                         source->size - stream->at);
    storage->storage->source = source;
    storage->storage->offset = stream->at;
    storage->storage->bytes = storage->claimed;
    storage->storage->index = file->storages_met++;
    return true;
}

/* The last one is kept by its node: tensors that share it share the node. */
bool torch_use_loaded(TorchFile *file, Object *call, TorchStorageUse *use, Error *err)
{
    const Object *args = call->call->args;
    const TorchStorage *known = call->loaded;
    if (known) {
        *use = (TorchStorageUse){known, known->storage->dtype, 0, 0};
        return true;
    }
    TorchBlob blob;
    bool found = false;
    if (args->list.count == 1 &&
        !torch_find_blob(file, args->list.items[0], 0, &blob, &found, err))
        return false;
    if (!found) return error_set(err, ERR_FORMAT, "its storage is not given as bytes");
    ByteSource *window = source_window(blob.source, blob.offset, blob.bytes, NULL, err);
    if (!window) return false;
    checkpoint_own_source(file->checkpoint, window);
    TorchStorage *storage = arena_alloc(file->arena, sizeof *storage);
    storage->storage = arena_alloc(file->arena, sizeof *storage->storage);
    Stream stream = {0};
    if (!torch_spend(file, sizeof *storage + TORCH_KEY_MAX, err) ||
        !read_stream(file, window, &stream, err) ||
        !fill_storage(file, &stream, window, storage, err))
        return false;
    call->loaded = storage;
    *use = (TorchStorageUse){storage, storage->storage->dtype, 0, 0};
    return true;
}
