/* Pieces of a file, and of storages in other files, into one hash. */
#include "loader/export/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "loader/source/remote_open.h"

enum {
    WHOLE = 384 << 10, END = 64 << 10,   /* bytes */
    PIECES = 64, PIECE = 4 << 10,
    STORAGES = 256, STORAGE_END = 256
};

static EVP_MD_CTX *start(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) abort();
    EVP_DigestUpdate(hash, "tenon 1\n", 8);
    return hash;
}

static void finish(EVP_MD_CTX *hash, char hex[FINGERPRINT_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(hash, digest, &n);
    for (unsigned i = 0; i < n && i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(hash);
}

static void add_number(EVP_MD_CTX *hash, uint64_t number)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> 8 * i);
    EVP_DigestUpdate(hash, bytes, sizeof bytes);
}

/* n is at most WHOLE. */
static bool add_range(EVP_MD_CTX *hash, ByteSource *source, uint64_t offset, uint64_t n,
                      Error *err)
{
    unsigned char *bytes = mem_alloc((size_t)n + 1);
    bool fine = source_read(source, offset, bytes, (size_t)n, err);
    if (fine) EVP_DigestUpdate(hash, bytes, (size_t)n);
    free(bytes);
    return fine;
}

/* Of the middle of a large file 64 pieces: the i-th begins i/64 of the way in. */
static bool add_file(EVP_MD_CTX *hash, ByteSource *file, Error *err)
{
    uint64_t size = file->size;
    add_number(hash, size);
    if (size <= WHOLE) return add_range(hash, file, 0, size, err);
    if (!add_range(hash, file, 0, END, err)) return false;
    uint64_t middle = size - 2 * END - PIECE;
    for (uint64_t i = 0; i < PIECES; i++) source_want(file, END + middle / PIECES * i, PIECE);
    for (uint64_t i = 0; i < PIECES; i++)
        if (!add_range(hash, file, END + middle / PIECES * i, PIECE, err)) return false;
    return add_range(hash, file, size - END, END, err);
}

static bool add_storage(EVP_MD_CTX *hash, const Storage *storage, Error *err)
{
    if (!storage || !storage->source) return true;
    uint64_t n = storage->bytes < STORAGE_END ? storage->bytes : STORAGE_END;
    return add_range(hash, storage->source, storage->offset, n, err) &&
           add_range(hash, storage->source, storage->offset + storage->bytes - n, n, err);
}

static void want_storage(const Storage *storage)
{
    if (!storage || !storage->source) return;
    uint64_t n = storage->bytes < STORAGE_END ? storage->bytes : STORAGE_END;
    source_want(storage->source, storage->offset, n);
    source_want(storage->source, storage->offset + storage->bytes - n, n);
}

static bool add_storages(EVP_MD_CTX *hash, const StateDict *dict, Error *err)
{
    size_t count = dict_count(dict), chosen = count < STORAGES ? count : STORAGES;
    add_number(hash, count);
    for (size_t i = 0; i < count; i++) {
        const Storage *storage = dict_at(dict, i)->storage;
        add_number(hash, storage ? storage->bytes : 0);
    }
    for (size_t i = 0; i < chosen; i++) want_storage(dict_at(dict, count / chosen * i)->storage);
    for (size_t i = 0; i < chosen; i++)
        if (!add_storage(hash, dict_at(dict, count / chosen * i)->storage, err)) return false;
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
    EVP_MD_CTX *hash = start();
    if (file) fine = add_file(hash, file, err);
    if (fine && (!file || out->size != own)) fine = add_storages(hash, dict, err);
    finish(hash, out->sha256);
    return fine;
}
