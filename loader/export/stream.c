/* Small values at once, large ones by several threads that share out the pieces of all tasks. */
#include "loader/export/stream.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/crc.h"
#include "loader/core/job.h"
#include "loader/source/zip.h"

enum {
    BUFFER_DEFAULT = 64 << 20,
    BUFFER_MIN = 64,             /* four of the largest elements, for each thread */
    LARGE = 64 << 10,            /* bytes: below, a thread would wait longer than it works */
    STRETCH = 256 << 20,         /* bytes that are copied between two marks of what is done */
    THREADS_DEFAULT = 8          /* more do not make a disk faster, and share the buffer */
};

/* What this process may run on. */
static unsigned count_cores(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    return 2;
}

size_t stream_room(const ExportOptions *options, unsigned *threads)
{
    const unsigned cores = count_cores();
    const unsigned usual = cores < THREADS_DEFAULT ? cores : THREADS_DEFAULT;
    *threads = options->threads ? options->threads : usual;
    const size_t room = (options->buffer ? options->buffer : BUFFER_DEFAULT) / *threads;
    return room < BUFFER_MIN ? BUFFER_MIN : room;
}

void stream_init(Stream *stream, AtomicFile *file, const Plan *plan, const ExportOptions *options)
{
    unsigned threads;
    const size_t room = stream_room(options, &threads);
    *stream = (Stream){
        .file = file,
        .threads = threads,
        .room = room,
        .progress = options->progress,
        .context = options->progress_context,
        .entries = plan->entries,
        .entry_count = plan->count,
        .losses = options->losses,
        .resume = options->resume,
    };
    pthread_mutex_init(&stream->lock, NULL);
    pthread_mutex_init(&stream->one_by_one, NULL);
}

void stream_done(Stream *stream)
{
    for (size_t i = 0; i < stream->task_count; i++) task_done(&stream->tasks[i]);
    pthread_mutex_destroy(&stream->lock);
    pthread_mutex_destroy(&stream->one_by_one);
    free(stream->tasks);
    free(stream->small);
    *stream = (Stream){0};
}

bool stream_defers(uint64_t bytes)
{
    return bytes >= LARGE;
}

/* Counts n bytes; false when the user wants to stop. */
static bool report(Stream *stream, uint64_t n, Error *err)
{
    stream->done += n;
    if (!stream->progress || stream->progress(stream->context, stream->done, stream->total))
        return true;
    return error_set(err, ERR_CANCELLED, stream->resume ? "stopped; --resume goes on from here"
                                                        : "stopped; the output was not written");
}

/* Leaves room for what a task will fill. */
static bool defer(Stream *stream, Task task, Error *err)
{
    task.at = atomic_position(stream->file);
    if (!task_init(&task, stream->room, err)) return false;
    stream->tasks = mem_grow(stream->tasks, &stream->task_room, stream->task_count + 1,
                             sizeof *stream->tasks);
    stream->tasks[stream->task_count++] = task;
    return atomic_skip(stream->file, task.bytes, err);
}

/* ---- what is small ---- */

static unsigned char *small_buffer(Stream *stream)
{
    if (!stream->small) stream->small = mem_alloc(LARGE);
    return stream->small;
}

static bool send_small(Stream *stream, size_t n, uint32_t *crc, Error *err)
{
    if (crc) *crc = crc_add(*crc, stream->small, n);
    return atomic_write(stream->file, stream->small, n, err) && report(stream, n, err);
}

static bool copy_small(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n,
                       uint32_t *crc, Error *err)
{
    return atomic_copy(stream->file, source, offset, n, crc, err) && report(stream, n, err);
}

/* ---- where the values of an entry come from ---- */

/* What the container says of a whole member. */
static bool claims_crc(ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc)
{
    return offset == 0 && n == source->size && zip_member_crc(source, crc);
}

static bool copy_range(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n,
                       uint32_t *crc, Error *err)
{
    if (!stream_defers(n)) return copy_small(stream, source, offset, n, crc, err);
    for (uint64_t done = 0, piece; done < n; done += piece) {
        piece = crc || n - done < STRETCH ? n - done : STRETCH;
        if (!defer(stream, (Task){.kind = TASK_RANGE, .bytes = piece, .source = source,
                                  .offset = offset + done, .crc = crc}, err))
            return false;
    }
    return true;
}

/* The waiting range is forgotten first: it is not to be tried again after an error. */
bool stream_flush(Stream *stream, Error *err)
{
    ByteSource *source = stream->source;
    stream->source = NULL;
    return !source || copy_range(stream, source, stream->offset, stream->waiting, NULL, err);
}

bool stream_range(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err)
{
    uint32_t claimed;
    if (n == 0) return true;
    if (crc && claims_crc(source, offset, n, &claimed)) {
        *crc = crc_join(*crc, claimed, n);
        return copy_range(stream, source, offset, n, NULL, err);
    }
    if (crc) return copy_range(stream, source, offset, n, crc, err);
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

bool stream_bools(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err)
{
    if (!stream_flush(stream, err)) return false;
    if (stream_defers(n))
        return defer(stream, (Task){.kind = TASK_BOOLS, .bytes = n, .source = source,
                                    .offset = offset, .crc = crc}, err);
    unsigned char *bytes = small_buffer(stream);
    if (!source_read(source, offset, bytes, (size_t)n, err)) return false;
    for (size_t i = 0; i < n; i++) bytes[i] = bytes[i] != 0;
    return send_small(stream, (size_t)n, crc, err);
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

static bool compute_entry(Stream *stream, const PlanEntry *entry, uint32_t *crc, Error *err)
{
    const uint64_t n = plan_entry_bytes(entry);
    for (unsigned i = 0; i < entry->rank; i++)
        if (entry->dims[i] == 0) return true;
    if (stream_defers(n))
        return defer(stream, (Task){.kind = TASK_VALUES, .bytes = n, .entry = entry, .crc = crc},
                     err);
    ExprMemo *memo = expr_memo_new();
    const int64_t none[TENSOR_RANK_MAX] = {0};
    bool fine = expr_fill_measured(entry->expr, none, entry->dims, small_buffer(stream), memo,
                                   find_losses(stream, entry), err) ||
                plan_entry_prefix(entry, err);
    expr_memo_free(memo);
    return fine && send_small(stream, (size_t)n, crc, err);
}

bool stream_copies(const PlanEntry *entry)
{
    const Tensor *tensor = plan_unchanged(entry);
    return tensor && tensor->storage && tensor_is_contiguous(tensor);
}

bool stream_count_reads(const PlanEntry *entry, size_t room, ExprReads *reads, uint64_t *pieces,
                        Error *err)
{
    const uint64_t bytes = plan_entry_bytes(entry);
    Task task = {.kind = TASK_VALUES, .bytes = bytes, .entry = entry};
    *pieces = bytes != 0;
    if (bytes == 0) return true;
    if (!task_init(&task, stream_defers(bytes) ? room : LARGE, err)) return false;
    task.together = task.together || !stream_defers(bytes);
    *pieces = task.count;
    const bool fine = task_count_reads(&task, reads, err);
    task_done(&task);
    return fine;
}

bool stream_entry(Stream *stream, const PlanEntry *entry, uint32_t *crc, Error *err)
{
    const Tensor *tensor = plan_unchanged(entry);
    if (!stream_copies(entry))
        return stream_flush(stream, err) && compute_entry(stream, entry, crc, err);
    return (entry->dtype == DT_BOOL ? stream_bools : stream_range)(
        stream, tensor->storage->source, tensor->storage->offset + tensor->offset,
        tensor_bytes(tensor), crc, err);
}

/* ---- what is large ---- */

/* A thread's own things. */
typedef struct Worker {
    Stream *stream;
    unsigned char *buffer;       /* [stream->room] */
    CastLosses losses;           /* of the pieces of one task that were not yet added */
} Worker;

/* The next piece, or all pieces of a task that shares sums: its first one and how many. NULL: there
 * is no more, or something failed, and what comes behind it does not matter. Behind the lock. */
static Task *take_pieces(Stream *stream, uint64_t *first, uint64_t *count)
{
    while (stream->next < stream->task_count &&
           stream->tasks[stream->next].next == stream->tasks[stream->next].count)
        stream->next++;
    if (stream->next == stream->task_count || stream->failed) return NULL;
    Task *task = &stream->tasks[stream->next];
    *first = task->next;
    *count = task->together ? task->count : 1;
    task->next += *count;
    return task;
}

/* Of casts that several threads made, in an order that does not tell which came first. */
static void add_losses(CastLosses *sum, const CastLosses *more)
{
    for (size_t i = 0; i < more->count; i++) {
        const CastLoss *one = &more->pairs[i];
        size_t at = 0;
        while (at < sum->count && (sum->pairs[at].from < one->from ||
               (sum->pairs[at].from == one->from && sum->pairs[at].to < one->to))) at++;
        bool same = at < sum->count && sum->pairs[at].from == one->from &&
                    sum->pairs[at].to == one->to;
        if (!same && sum->count == CAST_PAIRS) at = CAST_PAIRS - 1;
        else if (!same) {
            memmove(sum->pairs + at + 1, sum->pairs + at, (sum->count - at) * sizeof *sum->pairs);
            sum->pairs[at] = (CastLoss){0};
            sum->count++;
        }
        cast_loss_sum(&sum->pairs[at], one);
    }
}

/* A task whose pieces are all there. */
static bool finish_task(Stream *stream, size_t number, Error *err)
{
    const Task *task = &stream->tasks[number];
    const uint32_t sum = task_sum(task);
    task_settle(task, sum);
    return atomic_note_done(stream->file, number, sum, task->bytes, err);
}

/* Behind the lock: counts what is done, or keeps the error of the first place. */
static void note_piece(Worker *worker, Task *task, uint64_t piece, bool made, Error *err)
{
    Stream *stream = worker->stream;
    const size_t number = (size_t)(task - stream->tasks);
    CastLosses *losses = task->entry ? find_losses(stream, task->entry) : NULL;
    if (made && losses) add_losses(losses, &worker->losses);
    if (made) made = report(stream, task_piece_bytes(task, piece), err);
    if (made && --task->left == 0) made = finish_task(stream, number, err);
    if (made) return;
    if (stream->failed && (number > stream->failed_task ||
                           (number == stream->failed_task && piece > stream->failed_piece)))
        return;
    stream->failed = true;
    stream->failed_task = number;
    stream->failed_piece = piece;
    stream->error = *err;
}

/* Pieces that share sums are made one behind the other, and no other thread makes such ones
 * meanwhile: the sums take memory that is not of the buffer. */
static void make_pieces(Worker *worker, Task *task, uint64_t first, uint64_t count)
{
    Stream *stream = worker->stream;
    const bool measured = task->entry && find_losses(stream, task->entry);
    ExprMemo *memo = NULL;
    if (task->together) {
        pthread_mutex_lock(&stream->one_by_one);
        memo = expr_memo_new();
    }
    bool made = true;
    for (uint64_t i = first; made && i < first + count; i++) {
        Error err = {0};
        worker->losses.count = 0;
        made = task_make(task, i, stream->file, worker->buffer, stream->room, memo,
                         measured ? &worker->losses : NULL, &err);
        pthread_mutex_lock(&stream->lock);
        note_piece(worker, task, i, made, &err);
        made = made && !stream->failed;
        pthread_mutex_unlock(&stream->lock);
    }
    expr_memo_free(memo);
    if (task->together) pthread_mutex_unlock(&stream->one_by_one);
}

static void *work(void *context)
{
    Worker worker = {.stream = context};
    Stream *stream = worker.stream;
    uint64_t first, count;
    worker.buffer = mem_realloc(NULL, stream->room);     /* pages that are not used cost nothing */
    for (;;) {
        pthread_mutex_lock(&stream->lock);
        Task *task = take_pieces(stream, &first, &count);
        pthread_mutex_unlock(&stream->lock);
        if (!task) break;
        make_pieces(&worker, task, first, count);
    }
    free(worker.buffer);
    return NULL;
}

/* What an earlier run has done, before it was killed. */
static bool skip_done(Stream *stream, Error *err)
{
    for (size_t i = 0; i < stream->task_count; i++) {
        Task *task = &stream->tasks[i];
        uint32_t sum;
        if (!atomic_is_done(stream->file, i, task->at + task->bytes, &sum)) continue;
        task->next = task->count;
        task->left = 0;
        task_settle(task, sum);
        if (!report(stream, task->bytes, err)) return false;
    }
    return true;
}

/* Where no more threads can be had, those that there are do all of it. */
bool stream_run(Stream *stream, Error *err)
{
    pthread_t threads[THREADS_MAX];
    unsigned started = 0;
    uint64_t pieces = 0;
    if (!stream_flush(stream, err) || !skip_done(stream, err)) return false;
    for (size_t i = 0; i < stream->task_count; i++) pieces += stream->tasks[i].left;
    while (started + 1 < stream->threads && started + 1 < pieces &&
           job_thread(&threads[started], work, stream))
        started++;
    work(stream);
    while (started) pthread_join(threads[--started], NULL);
    if (!stream->failed) return true;
    *err = stream->error;
    return false;
}
