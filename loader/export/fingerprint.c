/* Pieces of a file, and of storages in other files, into one hash. */
#include "loader/export/fingerprint.h"

#include <stdlib.h>

#include "loader/source/remote_open.h"

enum {
    WHOLE = 384 << 10, END = 64 << 10,   /* bytes */
    PIECES = 64, PIECE = 4 << 10,
    STORAGES = 256, STORAGE_END = 256
};

static void add_number(Checksum *sum, uint64_t number)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> 8 * i);
    checksum_add(sum, bytes, sizeof bytes);
}

/* n is at most WHOLE. */
static bool add_range(Checksum *sum, ByteSource *source, uint64_t offset, uint64_t n,
                      Error *err)
{
    unsigned char *bytes = mem_alloc((size_t)n + 1);
    bool fine = source_read(source, offset, bytes, (size_t)n, err);
    if (fine) checksum_add(sum, bytes, (size_t)n);
    free(bytes);
    return fine;
}

/* Of the middle of a large file 64 pieces: the i-th begins i/64 of the way in. */
static bool add_file(Checksum *sum, ByteSource *file, Error *err)
{
    uint64_t size = file->size;
    add_number(sum, size);
    if (size <= WHOLE) return add_range(sum, file, 0, size, err);
    if (!add_range(sum, file, 0, END, err)) return false;
    uint64_t middle = size - 2 * END - PIECE;
    for (uint64_t i = 0; i < PIECES; i++) source_want(file, END + middle / PIECES * i, PIECE);
    for (uint64_t i = 0; i < PIECES; i++)
        if (!add_range(sum, file, END + middle / PIECES * i, PIECE, err)) return false;
    return add_range(sum, file, size - END, END, err);
}

static bool add_storage(Checksum *sum, const Storage *storage, Error *err)
{
    if (!storage || !storage->source) return true;
    uint64_t n = storage->bytes < STORAGE_END ? storage->bytes : STORAGE_END;
    return add_range(sum, storage->source, storage->offset, n, err) &&
           add_range(sum, storage->source, storage->offset + storage->bytes - n, n, err);
}

static void want_storage(const Storage *storage)
{
    if (!storage || !storage->source) return;
    uint64_t n = storage->bytes < STORAGE_END ? storage->bytes : STORAGE_END;
    source_want(storage->source, storage->offset, n);
    source_want(storage->source, storage->offset + storage->bytes - n, n);
}

static bool add_storages(Checksum *sum, const StateDict *dict, Error *err)
{
    size_t count = dict_count(dict), chosen = count < STORAGES ? count : STORAGES;
    add_number(sum, count);
    for (size_t i = 0; i < count; i++) {
        const Storage *storage = dict_at(dict, i)->storage;
        add_number(sum, storage ? storage->bytes : 0);
    }
    for (size_t i = 0; i < chosen; i++) want_storage(dict_at(dict, count / chosen * i)->storage);
    for (size_t i = 0; i < chosen; i++)
        if (!add_storage(sum, dict_at(dict, count / chosen * i)->storage, err)) return false;
    return true;
}

/* A file that is all of its checkpoint is told by its own bytes; an index is, and by what the
 * shards hold. */
bool fingerprint_make(const Checkpoint *checkpoint, const StateDict *dict, Fingerprint *out,
                      Error *err)
{
    const bool folder = source_is_folder(checkpoint_path(checkpoint));
    ByteSource *file = folder ? NULL : checkpoint_opened(checkpoint);
    uint64_t own = file ? file->size : 0;
    bool fine = true;
    out->size = checkpoint_file_bytes(checkpoint);
    if (!out->size) out->size = own;
    Checksum *sum = checksum_new(CHECKSUM_SHA256);
    checksum_add(sum, "tenon 1\n", 8);
    if (file) fine = add_file(sum, file, err);
    if (fine && (!file || out->size != own)) fine = add_storages(sum, dict, err);
    checksum_end(sum, out->sha256);
    return fine;
}
