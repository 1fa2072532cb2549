/* Which tensor goes into which shard, the shards of a task, and the index. */
#include "loader/export/shards.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/json.h"
#include "loader/core/map.h"
#include "loader/export/file_export.h"
#include "loader/export/identity_map.h"

enum { SHARDS_MAX = 99999 };     /* five digits */

/* An output that is being written in shards. */
typedef struct Shards {
    const Writer *writer;        /* borrowed, as all that follows */
    const Plan *plan;
    const ExportOptions *options;
    ExportResult *result;
    uint32_t *shard_of;          /* [plan->count], owned; from 0 */
    uint32_t *place_of;          /* [plan->count], owned: among the entries of its shard */
    size_t count;
    uint64_t values;             /* bytes of values in all of them */
    uint64_t done;               /* bytes of values in those that were written */
    uint64_t running;            /* of the one that is being written, in all */
    Arena *arena;                /* owned: names */
    const char **paths;          /* [count] */
    const char *index;           /* its path */
} Shards;

/* ---- who is in which ---- */

/* The storage that a .pth holds whole for the entry, or its first tie; NULL: its own values. */
static const void *storage_of(const Shards *shards, const PlanEntry *entry)
{
    const Tensor *tensor = plan_unchanged(entry);
    if (!shards->writer->shares || !tensor || !tensor->storage || !tensor->storage->source)
        return NULL;
    const bool whole = tensor_bytes(tensor) == tensor->storage->bytes;
    return shards->plan->compact && !whole ? NULL : tensor->storage;
}

/* The shard in which the entry must be, since what it shares is there: -1 = any. */
static int64_t bound_to(const Shards *shards, const IdentityMap *storages, const PlanEntry *entry)
{
    const void *storage = storage_of(shards, entry);
    if (storage) {
        const uint32_t known = identity_get(storages, storage);
        return known == IDENTITY_NONE ? -1 : (int64_t)known;
    }
    if (!shards->writer->shares || entry->alias < 0) return -1;
    return (int64_t)shards->shard_of[entry->alias];
}

static void share_out(Shards *shards)
{
    const Plan *plan = shards->plan;
    IdentityMap storages = {0};
    uint64_t filled = 0;
    uint32_t shard = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        const int64_t bound = bound_to(shards, &storages, entry);
        if (bound >= 0) {
            shards->shard_of[i] = (uint32_t)bound;
            continue;
        }
        const void *storage = storage_of(shards, entry);
        const uint64_t bytes = storage ? ((const Storage *)storage)->bytes
                                       : plan_entry_bytes(entry);
        if (filled && (bytes > plan->shard_size || filled > plan->shard_size - bytes)) {
            shard++;
            filled = 0;
        }
        if (storage) identity_set(&storages, storage, shard);
        shards->shard_of[i] = shard;
        filled += bytes;
        shards->values += bytes;
    }
    identity_done(&storages);
    shards->count = shard + 1u;
}

static void count_places(Shards *shards)
{
    uint32_t *counts = mem_alloc(shards->count * sizeof *counts);
    for (size_t i = 0; i < shards->plan->count; i++)
        shards->place_of[i] = counts[shards->shard_of[i]]++;
    free(counts);
}

/* "dir/model.safetensors" → "dir/model-00001-of-00003.safetensors". */
static void name_shards(Shards *shards, const char *path)
{
    const char *base = path_base(path), *dot = strchr(base, '.');
    while (dot && !writer_has_suffix(shards->writer, dot)) dot = strchr(dot + 1, '.');
    const char *suffix = dot ? dot : base + strlen(base);
    shards->paths = arena_alloc(shards->arena, shards->count * sizeof *shards->paths);
    shards->index = arena_printf(shards->arena, "%s.index.json", path);
    for (size_t i = 0; i < shards->count; i++)
        shards->paths[i] = arena_printf(shards->arena, "%.*s-%05zu-of-%05zu%s",
                                        (int)(suffix - path), path, i + 1, shards->count, suffix);
    if (shards->count == 1) shards->paths[0] = path;
}

static bool lay_out(Shards *shards, const char *path, Error *err)
{
    const size_t count = shards->plan->count;
    shards->arena = arena_new();
    shards->shard_of = mem_alloc((count + 1) * sizeof *shards->shard_of);
    shards->place_of = mem_alloc((count + 1) * sizeof *shards->place_of);
    share_out(shards);
    if (shards->count > SHARDS_MAX)
        return error_set(err, ERR_LIMIT, "%s: would be %zu shards, and their names count to %d; "
                         "make them larger", path, shards->count, SHARDS_MAX);
    count_places(shards);
    name_shards(shards, path);
    shards->result->shards = shards->count;
    return true;
}

static void done(Shards *shards)
{
    free(shards->shard_of);
    free(shards->place_of);
    arena_free(shards->arena);
}

/* ---- one shard ---- */

/* Progress of a shard as that of all. */
static bool step(void *context, uint64_t now, uint64_t total)
{
    Shards *shards = context;
    shards->running = total;
    return shards->options->progress(shards->options->progress_context, shards->done + now,
                                     shards->values);
}

/* The part of the plan that is the shard's; its entries are the caller's to free. */
static Plan cut_plan(const Shards *shards, uint32_t shard)
{
    Plan part = *shards->plan;
    part.count = 0;
    part.shard_size = 0;
    part.entries = mem_alloc((shards->plan->count + 1) * sizeof *part.entries);
    for (size_t i = 0; i < shards->plan->count; i++) {
        if (shards->shard_of[i] != shard) continue;
        PlanEntry *entry = &part.entries[part.count++];
        *entry = shards->plan->entries[i];
        if (entry->alias < 0) continue;
        const bool here = shards->shard_of[entry->alias] == shard;
        entry->alias = here ? (int64_t)shards->place_of[entry->alias] : -1;
    }
    return part;
}

static void take_losses(Shards *shards, uint32_t shard, const CastLosses *losses)
{
    for (size_t i = 0; i < shards->plan->count; i++)
        if (shards->shard_of[i] == shard)
            shards->options->losses[i] = losses[shards->place_of[i]];
}

static bool write_shard(Shards *shards, uint32_t shard, Error *err)
{
    Plan part = cut_plan(shards, shard);
    ExportOptions options = *shards->options;
    options.force |= options.resume;
    if (options.progress) options.progress = step;
    options.progress_context = shards;
    if (options.losses) options.losses = mem_alloc((part.count + 1) * sizeof *options.losses);
    shards->running = 0;
    ExportResult result = {0};
    bool good = protect_source(shards->plan, shards->paths[shard], err) &&
                file_export(shards->writer, &part, shards->paths[shard], &options, &result, err);
    if (good && options.losses) take_losses(shards, shard, options.losses);
    shards->done += shards->running;
    shards->result->bytes += result.bytes;
    shards->result->cloned += result.cloned;
    shards->result->shards_written += good;
    free(options.losses);
    free(part.entries);
    return good;
}

/* ---- records of what is done ---- */

/* ".SHARD.tenon-done" beside the shard; free() it. */
static char *record_path(const char *path)
{
    const char *base = path_base(path);
    Text text = {0};
    text_addf(&text, "%.*s.%s.tenon-done", (int)(base - path), path, base);
    return text.bytes;
}

/* What a record of the shard says: the plan, and how large the file is. */
static bool describe(const Shards *shards, uint32_t shard, Text *text)
{
    struct stat info;
    if (stat(shards->paths[shard], &info) != 0 || !S_ISREG(info.st_mode)) return false;
    text_addf(text, "tenon 1 %s %zu %" PRId64 "\n", shards->options->identity, (size_t)shard + 1,
              (int64_t)info.st_size);
    return true;
}

/* Whether a file has these bytes. */
static bool holds(const char *path, const Text *bytes)
{
    size_t n = 0;
    ByteSource *source = source_open_file(path, NULL);
    char *there = source ? source_slurp(source, bytes->length, &n, NULL) : NULL;
    const bool same = there && n == bytes->length && memcmp(there, bytes->bytes, n) == 0;
    source_unref(source);
    free(there);
    return same;
}

/* Whether the shard is there and the same plan wrote it. */
static bool is_done(const Shards *shards, uint32_t shard)
{
    Text wanted = {0};
    char *path = record_path(shards->paths[shard]);
    const bool same = describe(shards, shard, &wanted) && holds(path, &wanted);
    free(path);
    text_done(&wanted);
    return same;
}

/* Into a file of a fixed name, so that a kill leaves no more than that. Nothing is cut off first:
 * two who write the same do each other no harm. */
static bool write_bytes(const char *path, const Text *bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) return false;
    const bool good =
        pwrite(fd, bytes->bytes, bytes->length, 0) == (ssize_t)bytes->length &&
        ftruncate(fd, (off_t)bytes->length) == 0 && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

/* A record that is not whole is none: the shard is then made again. */
static bool note_done(const Shards *shards, uint32_t shard, Error *err)
{
    Text text = {0};
    char *path = record_path(shards->paths[shard]);
    bool good = describe(shards, shard, &text) && write_bytes(path, &text);
    if (!good) error_errno(err, "%s: cannot write", path);
    free(path);
    text_done(&text);
    return good;
}

static void forget_records(const Shards *shards)
{
    for (size_t i = 0; i < shards->count; i++) {
        char *path = record_path(shards->paths[i]);
        unlink(path);
        free(path);
    }
}

/* The folder is opened first: on a network that asks the server again who is there, where single
 * names may be remembered as absent. */
static bool all_done(const Shards *shards)
{
    char *folder = path_folder(shards->index);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd >= 0) close(fd);
    for (uint32_t i = 0; i < shards->count; i++)
        if (!is_done(shards, i)) return false;
    return true;
}

/* ---- the index ---- */

static int compare_entries(const void *a, const void *b)
{
    const PlanEntry *one = *(const PlanEntry *const *)a, *two = *(const PlanEntry *const *)b;
    return strcmp(one->name, two->name);
}

/* Keys sorted, two blanks, a newline: transformers, save_pretrained. */
static void make_index(const Shards *shards, Text *out)
{
    const Plan *plan = shards->plan;
    const PlanEntry **sorted = mem_alloc((plan->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < plan->count; i++) sorted[i] = &plan->entries[i];
    qsort(sorted, plan->count, sizeof *sorted, compare_entries);
    JsonWriter *writer = json_writer_new(out, true);
    json_map(writer);
    json_key(writer, "metadata");
    json_map(writer);
    json_put_uint(writer, "total_size", shards->values);
    json_end(writer);
    json_key(writer, "weight_map");
    json_map(writer);
    for (size_t i = 0; i < plan->count; i++) {
        json_put_text(writer, sorted[i]->name,
                      path_base(shards->paths[shards->shard_of[sorted[i] - plan->entries]]));
    }
    json_end(writer);
    json_end(writer);
    json_writer_free(writer);
    text_addc(out, '\n');
    free(sorted);
}

/* An index of another output would be false of the shards that come: it goes first, if it may. One
 * that will be right stays for tasks, which cannot tell whether others are done. */
static bool clear_index(const Shards *shards, const Text *index, Error *err)
{
    const ExportOptions *options = shards->options;
    if (access(shards->index, F_OK) != 0) return true;
    if (!protect_source(shards->plan, shards->index, err)) return false;
    if ((options->resume || options->tasks) && holds(shards->index, index)) return true;
    if (!options->force && !options->resume)
        return error_set(err, ERR_EXISTS, "%s: is there already; --force replaces it",
                         shards->index);
    return unlink(shards->index) == 0 || errno == ENOENT ||
           error_errno(err, "%s: is of another output, and cannot be removed", shards->index);
}

/* ---- all of them ---- */

/* Without a record nobody goes on from shards that are there: an output that fails leaves none. */
static void take_back(const Shards *shards, size_t end)
{
    for (size_t i = 0; i < end; i++) unlink(shards->paths[i]);
}

/* The shards of one task, or of all. */
static bool write_shards(Shards *shards, Error *err)
{
    const ExportOptions *options = shards->options;
    const bool records = options->resume || options->tasks;
    const size_t first = options->tasks ? options->task - 1 : 0;
    const size_t stride = options->tasks ? options->tasks : 1;
    for (size_t i = first; i < shards->count; i += stride)
        if (!atomic_check(shards->paths[i], options->force || options->resume, err)) return false;
    for (size_t i = first; i < shards->count; i += stride) {
        const uint32_t shard = (uint32_t)i;
        if (options->resume && is_done(shards, shard)) continue;
        if (!write_shard(shards, shard, err) || (records && !note_done(shards, shard, err))) {
            if (!records) take_back(shards, i);
            return false;
        }
    }
    return true;
}

/* The index is there for good before it is told, and before the records go. */
static void sync_folder(const Shards *shards)
{
    char *folder = path_folder(shards->index);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return;
    (void)fsync(fd);             /* some file systems cannot, and say so */
    close(fd);
}

/* Several tasks may see at once that all is there; whose rename comes second finds nothing left to
 * rename, and the index in place. */
static bool write_index(const Shards *shards, const Text *index, Error *err)
{
    const char *base = path_base(shards->index);
    const char *sibling = arena_printf(shards->arena, "%.*s.%s.tenon-new",
                                       (int)(base - shards->index), shards->index, base);
    if (write_bytes(sibling, index) && (rename(sibling, shards->index) == 0 ||
                                        (errno == ENOENT && holds(shards->index, index))))
        return true;
    return error_errno(err, "%s: cannot write", shards->index);
}

/* Where the index says the same, the shards that were just written are in it already. */
static bool finish(Shards *shards, const Text *index, Error *err)
{
    const bool records = shards->options->resume || shards->options->tasks;
    const bool there = access(shards->index, F_OK) == 0;
    if (records && !there && !all_done(shards)) {
        shards->result->waiting = true;
        return true;
    }
    if (!there && !write_index(shards, index, err)) return false;
    sync_folder(shards);
    if (records) forget_records(shards);
    return true;
}

/* Shards hold tensors and nothing else. */
static bool check(const Shards *shards, const char *path, Error *err)
{
    const ExportOptions *options = shards->options;
    if (!shards->writer->shards)
        return error_set(err, ERR_USAGE, "%s: --shard-size: no program reads %s in shards; write "
                         ".safetensors or .pth", path, shards->writer->format);
    if (shards->plan->whole || options->under ||
        (shards->writer->objects && shards->plan->later->meta_count))
        return error_set(err, ERR_USAGE, "%s: --shard-size: shards hold tensors alone, so --whole, "
                         "--under and meta do not go with it", path);
    return !options->sha256 || error_set(err, ERR_USAGE, "%s: --sha256 is of one file; sha256sum "
                                         "tells those of shards", path);
}

bool shards_export(const Writer *writer, const Plan *plan, const char *path,
                   const ExportOptions *options, ExportResult *result, Error *err)
{
    Shards shards = {.writer = writer, .plan = plan, .options = options, .result = result};
    Text index = {0};
    bool good = check(&shards, path, err) && lay_out(&shards, path, err);
    if (good && shards.count == 1) {
        good = (options->tasks && options->task > 1) || write_shard(&shards, 0, err);
        result->shards = 0;
    } else if (good) {
        make_index(&shards, &index);
        good = clear_index(&shards, &index, err) && write_shards(&shards, err) &&
               finish(&shards, &index, err);
    }
    text_done(&index);
    done(&shards);
    return good;
}
