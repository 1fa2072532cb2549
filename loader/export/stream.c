/* Copying and computing the values of plan entries piece by piece. */
#include "loader/export/stream.h"

#include <stdlib.h>

#include <zlib.h>

enum {
    BUFFER_DEFAULT = 16 << 20,
    BUFFER_MIN = 64,             /* four of the largest elements */
    PIECE = 16 << 20             /* bytes that are copied between two calls of progress */
};

void stream_init(Stream *stream, AtomicFile *file, const Plan *plan, const ExportOptions *options)
{
    size_t room = options->buffer ? options->buffer : BUFFER_DEFAULT;
    *stream = (Stream){
        .file = file,
        .room = room < BUFFER_MIN ? BUFFER_MIN : room,
        .progress = options->progress,
        .context = options->progress_context,
        .entries = plan->entries,
        .entry_count = plan->count,
        .losses = options->losses,
    };
}

void stream_done(Stream *stream)
{
    free(stream->buffer);
    *stream = (Stream){0};
}

/* Counts n bytes; false when the user wants to stop. */
static bool report(Stream *stream, uint64_t n, Error *err)
{
    stream->done += n;
    if (!stream->progress || stream->progress(stream->context, stream->done, stream->total))
        return true;
    return error_set(err, ERR_CANCELLED, "stopped; nothing was written");
}

/* A range in pieces small enough that progress moves and Ctrl-C is heard. */
static bool copy_pieces(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n,
                        uint32_t *crc, Error *err)
{
    while (n) {
        uint64_t piece = n < PIECE ? n : PIECE;
        if (!atomic_copy(stream->file, source, offset, piece, crc, err)) return false;
        if (!report(stream, piece, err)) return false;
        offset += piece;
        n -= piece;
    }
    return true;
}

/* The waiting range is forgotten first: it is not to be tried again after an error. */
bool stream_flush(Stream *stream, Error *err)
{
    ByteSource *source = stream->source;
    stream->source = NULL;
    return !source || copy_pieces(stream, source, stream->offset, stream->waiting, NULL, err);
}

bool stream_range(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err)
{
    if (n == 0) return true;
    if (crc) return copy_pieces(stream, source, offset, n, crc, err);
    if (stream->source == source && offset == stream->offset + stream->waiting) {
        stream->waiting += n;
        return true;
    }
    if (!stream_flush(stream, err)) return false;
    stream->source = source;
    stream->offset = offset;
    stream->waiting = n;
    return true;
}

/* Memory that was never written is saved as bools too: a byte of 2 is true to one kernel of PyTorch
 * and neither true nor false to another. */
bool stream_bools(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err)
{
    if (!stream_flush(stream, err)) return false;
    if (!stream->buffer) stream->buffer = mem_alloc(stream->room);
    while (n) {
        size_t piece = n < stream->room ? (size_t)n : stream->room;
        if (!source_read(source, offset, stream->buffer, piece, err)) return false;
        for (size_t i = 0; i < piece; i++) stream->buffer[i] = stream->buffer[i] != 0;
        if (crc) *crc = (uint32_t)crc32_z(*crc, stream->buffer, piece);
        if (!atomic_write(stream->file, stream->buffer, piece, err)) return false;
        if (!report(stream, piece, err)) return false;
        offset += piece;
        n -= piece;
    }
    return true;
}

/* A walk over the boxes of a result, in row-major order: whole behind `axis`, `rows` of it at
 * a time, one index at a time before it. */
typedef struct Boxes {
    const PlanEntry *entry;
    unsigned axis;
    int64_t rows;
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
} Boxes;

/* Begins the walk with boxes of at most `room` elements. */
static void start_boxes(Boxes *boxes, const PlanEntry *entry, uint64_t room)
{
    uint64_t block = 1;   /* elements of one index of the axis */
    *boxes = (Boxes){.entry = entry, .rows = 1};
    for (unsigned i = entry->rank; i-- > 0;) {
        uint64_t dim = (uint64_t)entry->dims[i];
        boxes->axis = i;
        boxes->rows = entry->dims[i];
        if (dim > room / block) {
            boxes->rows = (int64_t)(room / block);
            break;
        }
        block *= dim;
    }
    for (unsigned i = 0; i < entry->rank; i++)
        boxes->size[i] = i < boxes->axis ? 1 : i == boxes->axis ? boxes->rows : entry->dims[i];
}

/* Moves on; false behind the last box. */
static bool next_box(Boxes *boxes)
{
    const PlanEntry *entry = boxes->entry;
    if (entry->rank == 0) return false;
    unsigned i = boxes->axis;
    boxes->from[i] += boxes->size[i];
    while (boxes->from[i] == entry->dims[i]) {
        if (i == 0) return false;
        boxes->from[i--] = 0;
        boxes->from[i]++;
    }
    int64_t left = entry->dims[boxes->axis] - boxes->from[boxes->axis];
    boxes->size[boxes->axis] = left < boxes->rows ? left : boxes->rows;
    return true;
}

/* Where the losses of an entry are counted. NULL also for one that is not the plan's own: a tensor
 * of the rest of the checkpoint. Compared as integers, since C orders pointers within an array
 * only. */
static CastLosses *find_losses(const Stream *stream, const PlanEntry *entry)
{
    const uintptr_t first = (uintptr_t)stream->entries, at = (uintptr_t)entry;
    if (!stream->losses || at < first) return NULL;
    const size_t index = (at - first) / sizeof *entry;
    return index < stream->entry_count ? &stream->losses[index] : NULL;
}

/* Fills the buffer with one box and sends it off. */
static bool compute_box(Stream *stream, const Boxes *boxes, ExprMemo *memo, uint32_t *crc,
                        Error *err)
{
    const PlanEntry *entry = boxes->entry;
    uint64_t count = 1, bytes;
    for (unsigned i = 0; i < entry->rank; i++) count *= (uint64_t)boxes->size[i];
    if (!dtype_bytes(entry->dtype, count, &bytes))
        return error_set(err, ERR_UNSUPPORTED, "packed %s values do not fill whole bytes where "
                         "they must be cut", dtype_name(entry->dtype));
    CastLosses *losses = find_losses(stream, entry);
    if (!expr_fill_measured(entry->expr, boxes->from, boxes->size, stream->buffer, memo, losses,
                            err))
        return plan_entry_prefix(entry, err);
    if (crc) *crc = (uint32_t)crc32_z(*crc, stream->buffer, (size_t)bytes);
    return atomic_write(stream->file, stream->buffer, (size_t)bytes, err) &&
           report(stream, bytes, err);
}

/* Boxes follow one another in row-major order, so the file is written front to back. */
static bool compute_entry(Stream *stream, const PlanEntry *entry, uint32_t *crc, Error *err)
{
    Boxes boxes;
    for (unsigned i = 0; i < entry->rank; i++)
        if (entry->dims[i] == 0) return true;
    if (!stream->buffer) stream->buffer = mem_alloc(stream->room);
    const DTypeInfo *info = dtype_info(entry->dtype);
    start_boxes(&boxes, entry, (uint64_t)stream->room / info->block_bytes * info->block);
    ExprMemo *memo = expr_memo_new();
    bool fine;
    do fine = compute_box(stream, &boxes, memo, crc, err);
    while (fine && next_box(&boxes));
    expr_memo_free(memo);
    return fine;
}

bool stream_entry(Stream *stream, const PlanEntry *entry, uint32_t *crc, Error *err)
{
    const Tensor *tensor = plan_unchanged(entry);
    if (!tensor || !tensor->storage || !tensor_is_contiguous(tensor))
        return stream_flush(stream, err) && compute_entry(stream, entry, crc, err);
    return (entry->dtype == DT_BOOL ? stream_bools : stream_range)(
        stream, tensor->storage->source, tensor->storage->offset + tensor->offset,
        tensor_bytes(tensor), crc, err);
}
