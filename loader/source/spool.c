/* A source that is written once, from its start to its end, and then only read. */
#include "loader/source/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/memory.h"
#include "loader/core/write_all.h"

struct Spool {
    ByteSource base;         /* what it becomes; base.size is what is wanted */
    char *name;              /* also base.name; owned */
    FILE *file;              /* owned; only its descriptor is used; NULL: in memory */
    unsigned char *memory;   /* [base.size]; owned; NULL: in the file */
    uint64_t done;           /* bytes so far */
};

/* As read_file in source.c: no position is kept, so that threads may read at once. */
static bool read_spool(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    Spool *spool = (Spool *)source;
    if (spool->memory) {
        memcpy(out, spool->memory + offset, n);
        return true;
    }
    return pread_all(fileno(spool->file), out, n, (off_t)offset) ||
           error_errno(err, "%s: cannot read its temporary copy", source->name);
}

static bool locate_spool(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    Spool *spool = (Spool *)source;
    (void)n;
    if (!spool->file) return false;
    *fd = fileno(spool->file);
    *where = offset;
    return true;
}

static void close_spool(ByteSource *source)
{
    spool_free((Spool *)source);
}

void spool_free(Spool *spool)
{
    if (!spool) return;
    if (spool->file) fclose(spool->file);
    free(spool->memory);
    free(spool->name);
    free(spool);
}

Spool *spool_new(uint64_t size, const char *name, Error *err)
{
    static const ByteSourceOps ops = {read_spool, locate_spool, close_spool, NULL};
    bool in_memory = size <= SPOOL_MEMORY_MAX;
    FILE *stream = in_memory ? NULL : tmpfile();
    if (!in_memory && !stream) {
        error_errno(err, "%s: cannot make a temporary file for it (set TMPDIR)", name);
        return NULL;
    }
    Spool *spool = mem_alloc(sizeof *spool);
    spool->file = stream;
    if (in_memory) spool->memory = mem_alloc(size ? (size_t)size : 1);
    spool->name = mem_strdup(name);
    spool->base = (ByteSource){.ops = &ops, .name = spool->name, .size = size};
    atomic_init(&spool->base.refs, 1);
    return spool;
}

bool spool_add(Spool *spool, const void *bytes, size_t n, Error *err)
{
    if (n > spool->base.size - spool->done)
        return error_set(err, ERR_FORMAT, "%s: has more than the %" PRIu64 " bytes that it claims",
                         spool->name, spool->base.size);
    if (spool->memory) memcpy(spool->memory + spool->done, bytes, n);
    else if (!write_all(fileno(spool->file), bytes, n))
        return error_errno(err, "%s: cannot keep its temporary copy (set TMPDIR)", spool->name);
    spool->done += n;
    return true;
}

ByteSource *spool_finish(Spool *spool, Error *err)
{
    if (spool->done == spool->base.size) return &spool->base;
    error_set(err, ERR_FORMAT, "%s: has only %" PRIu64 " of the %" PRIu64 " bytes that it claims",
              spool->name, spool->done, spool->base.size);
    spool_free(spool);
    return NULL;
}
