/* A chunk of a tensor in a .distcp file: the bytes of a complete torch.save zip of one tensor.
 *
 * A checkpoint may have a hundred thousand of them, so one is opened when its first value is asked
 * for, and all that is kept of it is where its bytes are: a zip's directory would be a thousand
 * times as large. Only values that do not lie there one after the other (a tensor that was saved
 * transposed, another byte order) keep theirs open. */
#include "loader/format/dcp.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "loader/tensor/packed.h"

typedef struct Chunk {
    ByteSource base;         /* its name is that of `file` */
    ByteSource *file;        /* a reference */
    uint64_t offset, length; /* of its torch.save file there */
    OpenContext context;     /* to open it; names are those of `file` */
    DType dtype;
    unsigned rank;
    pthread_mutex_t lock;    /* of what follows */
    ByteSource *values;      /* a reference; NULL until the first read */
    uint64_t at;             /* where the chunk's first byte is in `values` */
    int64_t dims[];          /* [rank] */
} Chunk;

/* One torch.save file may be whatever opens; the window keeps it from reading beyond. */
Checkpoint *dcp_open_window(OpenContext *context, ByteSource *file, uint64_t offset,
                            uint64_t length, Error *err)
{
    Text name = {0};
    text_addf(&name, "%s@%" PRIu64, file->name, offset);
    ByteSource *window = source_window(file, offset, length, text_string(&name), err);
    text_done(&name);
    if (!window) return NULL;
    Checkpoint *checkpoint = context->open_bytes(context, window, err);
    source_unref(window);
    return checkpoint;
}

/* The one tensor of a file that torch.save(tensor) wrote: NULL, with an error, if there is none or
 * it is not the one that .metadata describes. */
static const Tensor *find_tensor(const Chunk *chunk, const Checkpoint *checkpoint, Error *err)
{
    const Container *top = checkpoint_find_container(checkpoint, "");
    const Tensor *tensor = top ? dict_find(top->dict, "") : NULL;
    if (!tensor || !tensor->storage || !tensor->storage->source) {
        error_set(err, ERR_FORMAT, "%s: at byte %" PRIu64 " there should be a chunk of a tensor, "
                  "and is none", chunk->file->name, chunk->offset);
        return NULL;
    }
    if (tensor->dtype == chunk->dtype &&
        same_dims(tensor->dims, tensor->rank, chunk->dims, chunk->rank))
        return tensor;
    Text is = {0}, wanted = {0};
    show_shape(tensor->dims, tensor->rank, &is);
    show_shape(chunk->dims, chunk->rank, &wanted);
    error_set(err, ERR_FORMAT, "%s: the chunk at byte %" PRIu64 " is %s %s, .metadata says %s %s",
              chunk->file->name, chunk->offset, dtype_name(tensor->dtype), text_string(&is),
              dtype_name(chunk->dtype), text_string(&wanted));
    text_done(&is);
    text_done(&wanted);
    return NULL;
}

/* Whether the tensor's bytes are a run of the file, and where: both are located, and the distance
 * is taken. */
static bool find_run(const Chunk *chunk, const Tensor *tensor, uint64_t *at)
{
    int fd, base_fd;
    uint64_t where, base;
    if (tensor->encoding || !tensor_is_contiguous(tensor) || !chunk->base.size) return false;
    if (!source_locate(tensor->storage->source, tensor->storage->offset + tensor->offset,
                       chunk->base.size, &fd, &where) ||
        !source_locate(chunk->file, 0, chunk->file->size, &base_fd, &base) || fd != base_fd ||
        where < base)
        return false;
    *at = where - base;
    return *at <= chunk->file->size && chunk->base.size <= chunk->file->size - *at;
}

/* For packed_source, which knows no types. */
static void release_checkpoint(void *checkpoint)
{
    checkpoint_unref(checkpoint);
}

/* Under the lock. A failure is not kept, so it is met again. */
static bool resolve(Chunk *chunk, Error *err)
{
    if (chunk->values) return true;
    Checkpoint *checkpoint =
        dcp_open_window(&chunk->context, chunk->file, chunk->offset, chunk->length, err);
    if (!checkpoint) return false;
    const Tensor *tensor = find_tensor(chunk, checkpoint, err);
    if (tensor && find_run(chunk, tensor, &chunk->at))
        chunk->values = source_ref(chunk->file);
    else if (tensor)
        chunk->values = packed_source(tensor, chunk->dtype, chunk->file->name,
                                      checkpoint_ref(checkpoint), release_checkpoint, err);
    checkpoint_unref(checkpoint);
    return chunk->values != NULL;
}

static ByteSource *find_values(Chunk *chunk, Error *err)
{
    pthread_mutex_lock(&chunk->lock);
    bool fine = resolve(chunk, err);
    pthread_mutex_unlock(&chunk->lock);
    return fine ? chunk->values : NULL;
}

static bool read_chunk(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    Chunk *chunk = (Chunk *)source;
    ByteSource *values = find_values(chunk, err);
    return values && source_read(values, chunk->at + offset, out, n, err);
}

static bool locate_chunk(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    Chunk *chunk = (Chunk *)source;
    ByteSource *values = find_values(chunk, NULL);
    return values && source_locate(values, chunk->at + offset, n, fd, where);
}

static void close_chunk(ByteSource *source)
{
    Chunk *chunk = (Chunk *)source;
    source_unref(chunk->values);
    source_unref(chunk->file);
    pthread_mutex_destroy(&chunk->lock);
    free(chunk);
}

ByteSource *dcp_chunk_source(const OpenContext *context, ByteSource *file, const DcpPlace *place,
                             DType dtype, const int64_t *dims, unsigned rank, Error *err)
{
    static const ByteSourceOps ops = {read_chunk, locate_chunk, close_chunk, NULL};
    uint64_t bytes = dtype_size(dtype);
    if (place->offset > file->size || place->length > file->size - place->offset) {
        error_set(err, ERR_FORMAT, "its chunk is bytes %" PRIu64 " to %" PRIu64 " of %s, which has "
                  "%" PRIu64 "; the file was cut short: fetch it again", place->offset,
                  place->offset + place->length, file->name, file->size);
        return NULL;
    }
    for (unsigned i = 0; i < rank; i++)
        if (dims[i] < 0 || !sum_mul(bytes, (uint64_t)dims[i], &bytes) || bytes > INT64_MAX) {
            error_set(err, ERR_FORMAT, "a chunk of it has more bytes than 63 bits can count");
            return NULL;
        }
    Chunk *chunk = mem_alloc(sizeof *chunk + rank * sizeof *dims);
    chunk->base = (ByteSource){.ops = &ops, .name = file->name, .size = bytes};
    atomic_init(&chunk->base.refs, 1);
    chunk->file = source_ref(file);
    chunk->offset = place->offset;
    chunk->length = place->length;
    chunk->context = *context;
    chunk->context.path = file->name;
    chunk->context.folder = NULL;
    chunk->dtype = dtype;
    chunk->rank = rank;
    if (rank) memcpy(chunk->dims, dims, rank * sizeof *dims);
    pthread_mutex_init(&chunk->lock, NULL);
    return &chunk->base;
}
