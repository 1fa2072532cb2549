/* The parent's side: starts the child, parses what it answers, and fetches values that only the
 * library can read, when they are first asked for. */
#include "loader/format/hdf5.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/format/fault.h"
#include "loader/format/hdf5_child.h"
#include "loader/source/feeder.h"
#include "loader/source/spool.h"

enum {
    STEP = 64 << 10,             /* bytes that are read from the pipe at a time */
    SECOND_BYTES = 1 << 30,      /* of values: what LIMIT_CHILD_SECONDS is given for again */
    STORED_LEAST = 4096          /* what a dataset counts as, at the least, for LIMIT_ZIP_RATIO */
};

/* -- What the child wrote -------------------------------------------------------------- */

/* The answer, as it is taken apart. */
typedef struct Reply {
    const unsigned char *at, *end;   /* of the record under way */
    bool good;                       /* nothing was missing so far */
} Reply;

/* An unsigned number, little-endian; 0 and no longer good when the record ends too early. */
static uint64_t take(Reply *reply, size_t width)
{
    if ((size_t)(reply->end - reply->at) < width) {
        reply->good = false;
        return 0;
    }
    uint64_t value = little_read(reply->at, width);
    reply->at += width;
    return value;
}

static const char *take_name(Reply *reply, Arena *arena, uint64_t n)
{
    if ((uint64_t)(reply->end - reply->at) < n) {
        reply->good = false;
        return "";
    }
    const char *name = name_hold(arena, reply->at, (size_t)n);
    reply->at += n;
    return name;
}

/* The same path twice is nonsense: a walk visits every object once. */
static bool read_object(Hdf5 *hdf5, Reply *reply)
{
    uint64_t kind = take(reply, 1);
    const char *path = take_name(reply, hdf5->arena, (uint64_t)(reply->end - reply->at));
    if (!reply->good || map_set(&hdf5->index, path, (uint32_t)hdf5->count) != MAP_NONE)
        return false;
    hdf5->objects = mem_grow(hdf5->objects, &hdf5->room, hdf5->count + 1, sizeof *hdf5->objects);
    hdf5->objects[hdf5->count++] = (Hdf5Object){
        .path = path, .dataset = kind == 1, .broken = kind == 2, .place = HDF5_CLOSED,
        .dtype = DT_UNKNOWN, .note = ""};
    return true;
}

/* Every value takes the four bytes of its length at least, which bounds the array. */
static bool read_attribute(Hdf5 *hdf5, Hdf5Object *object, Reply *reply)
{
    const char *name = take_name(reply, hdf5->arena, take(reply, 2));
    uint64_t count = take(reply, 4);
    if (!reply->good || count > (uint64_t)(reply->end - reply->at) / 4) return false;
    const char **values = arena_alloc(hdf5->arena, (size_t)count * sizeof *values);
    for (uint64_t i = 0; i < count; i++)
        values[i] = take_name(reply, hdf5->arena, take(reply, 4));
    Hdf5Attribute *attribute = arena_alloc(hdf5->arena, sizeof *attribute);
    *attribute = (Hdf5Attribute){name, values, (uint32_t)count, NULL, object->attributes};
    object->attributes = attribute;
    return reply->good && reply->at == reply->end;
}

static Object *make_number(Arena *arena, unsigned char type, uint64_t bits)
{
    double wide;
    memcpy(&wide, &bits, sizeof wide);
    switch (type) {
    case 'i': return object_int(arena, (int64_t)bits);
    case 'u': return object_uint(arena, bits);
    case 'f': return object_float32(arena, (float)wide);
    case 'd': return object_float(arena, wide);
    case 'b': return object_bool(arena, bits != 0);
    default: return NULL;
    }
}

/* One number, or a list; of a long list only how long it is. */
static bool read_numbers(Hdf5 *hdf5, Hdf5Object *object, Reply *reply)
{
    const char *name = take_name(reply, hdf5->arena, take(reply, 2));
    unsigned char type = (unsigned char)take(reply, 1);
    bool list = take(reply, 1) != 0;
    uint64_t count = take(reply, 8), given = (uint64_t)(reply->end - reply->at) / 8;
    if (!reply->good || (!list && count != 1) || given != (count < 64 ? count : 64)) return false;
    Object *numbers = object_new(hdf5->arena, OBJ_LIST);
    for (uint64_t i = 0; i < given; i++) {
        Object *number = make_number(hdf5->arena, type, take(reply, 8));
        if (!number) return false;
        object_push(hdf5->arena, numbers, number);
    }
    if (given < count) numbers = object_far_list(hdf5->arena, count, "numbers");
    Hdf5Attribute *attribute = arena_alloc(hdf5->arena, sizeof *attribute);
    *attribute = (Hdf5Attribute){name, NULL, 0, list ? numbers : numbers->list.items[0],
                                 object->attributes};
    object->attributes = attribute;
    return reply->good && reply->at == reply->end;
}

/* The values' bytes; false when sizes are negative or multiply beyond 63 bits. */
static bool measure(Hdf5Object *object)
{
    uint64_t bytes = dtype_size(object->dtype);
    for (unsigned i = 0; i < object->rank; i++)
        if (object->dims[i] < 0 || !sum_mul(bytes, (uint64_t)object->dims[i], &bytes)) return false;
    object->bytes = bytes;
    return bytes <= INT64_MAX;
}

static bool read_details(Hdf5 *hdf5, Hdf5Object *object, Reply *reply)
{
    object->big_endian = take(reply, 1) != 0;
    uint64_t place = take(reply, 1);
    object->offset = take(reply, 8);
    object->stored = take(reply, 8);
    object->rank = (uint8_t)take(reply, 1);
    if (!reply->good || object->rank > TENSOR_RANK_MAX) return false;
    int64_t *dims = arena_alloc(hdf5->arena, object->rank * sizeof *dims);
    for (unsigned i = 0; i < object->rank; i++) dims[i] = (int64_t)take(reply, 8);
    object->dims = dims;
    object->dtype = dtype_from_name(take_name(reply, hdf5->arena, take(reply, 1)));
    object->note = take_name(reply, hdf5->arena, (uint64_t)(reply->end - reply->at));
    if (!reply->good || !measure(object)) return false;
    if (place == 'X' || !dtype_size(object->dtype)) return true;
    object->place = place == 'W' ? HDF5_WINDOW : HDF5_READ;
    if (place != 'W' || !object->bytes) return place == 'W' || place == 'R';
    uint64_t end;
    return sum_add(object->offset, object->bytes, &end) && end <= hdf5->file->size;
}

static bool refuse_reply(const Hdf5 *hdf5, const unsigned char *at, const unsigned char *start,
                         Error *err)
{
    return fault_file(err, ERR_FORMAT, hdf5->file->name,
                      "HDF5: what libhdf5 says of it contradicts itself (byte %zu of its answer, "
                      "object %zu); the file is damaged, or made to do harm",
                      (size_t)(at - start), hdf5->count);
}

/* One record. *ended: it was the last one. */
static bool read_record(Hdf5 *hdf5, unsigned char kind, Reply *reply, bool *ended, Error *err)
{
    Hdf5Object *object = hdf5->count ? &hdf5->objects[hdf5->count - 1] : NULL;
    switch (kind) {
    case 'O': return read_object(hdf5, reply);
    case 'A': return object && read_attribute(hdf5, object, reply);
    case 'N': return object && read_numbers(hdf5, object, reply);
    case 'D':
        return object && object->dataset && !object->dims && read_details(hdf5, object, reply);
    case 'F': return object && (object->broken = true);
    case 'Z': *ended = true; return true;
    case 'L':
    case 'E': {
        Text text = {0};
        char more[LIMIT_TEXT];
        fault_quote((const char *)reply->at, (size_t)(reply->end - reply->at), 300, &text);
        if (kind == 'L')
            fault_file(err, ERR_LIMIT, hdf5->file->name, "HDF5: the bytes of attribute '%s' are %s",
                       text_string(&text), limit_text(LIMIT_INDEX_BYTES, more));
        else
            fault_file(err, ERR_FORMAT, hdf5->file->name,
                       "HDF5: %s; the file is damaged or cut short: fetch it again",
                       text_string(&text));
        text_done(&text);
        return false;
    }
    default: return false;
    }
}

/* Takes over one reference of `file`. */
static void init(Hdf5 *hdf5, ByteSource *file)
{
    *hdf5 = (Hdf5){.file = file, .arena = arena_new()};
    map_init(&hdf5->index);
}

/* All records up to the end's. */
static bool parse(Hdf5 *hdf5, const void *answer, size_t n, Error *err)
{
    const unsigned char *start = answer, *at = start, *end = start + n;
    Error why = {0};
    char more[LIMIT_TEXT];
    for (bool ended = false; !ended;) {
        Reply head = {at, end, true};
        unsigned char kind = (unsigned char)take(&head, 1);
        uint64_t length = take(&head, 4);
        if (!head.good || length > (uint64_t)(end - head.at))
            return fault_file(err, ERR_FORMAT, hdf5->file->name,
                              "HDF5: libhdf5 stopped in the middle of it, at object %zu; the file "
                              "is damaged, or made to do harm", hdf5->count);
        Reply reply = {head.at, head.at + length, true};
        if (!read_record(hdf5, kind, &reply, &ended, &why)) {
            if (why.code == ERR_NONE) return refuse_reply(hdf5, at, start, err);
            if (err) *err = why;
            return false;
        }
        if (hdf5->count > limit(LIMIT_TENSORS))
            return fault_file(err, ERR_LIMIT, hdf5->file->name, "HDF5: its objects are %s",
                              limit_text(LIMIT_TENSORS, more));
        at = reply.end;
    }
    return true;
}

bool hdf5_parse(Hdf5 *hdf5, ByteSource *file, const void *answer, size_t n, Error *err)
{
    init(hdf5, source_ref(file));
    return parse(hdf5, answer, n, err);
}

void hdf5_done(Hdf5 *hdf5)
{
    free(hdf5->objects);
    map_done(&hdf5->index);
    if (!hdf5->kept) {
        source_unref(hdf5->file);
        arena_free(hdf5->arena);
    }
    *hdf5 = (Hdf5){0};
}

/* For checkpoint_own, which knows no types. */
static void release_arena(void *arena)
{
    arena_free(arena);
}

void hdf5_keep(Hdf5 *hdf5, Checkpoint *checkpoint)
{
    checkpoint_own_source(checkpoint, hdf5->file);
    checkpoint_own(checkpoint, hdf5->arena, release_arena);
    hdf5->kept = true;
}

/* -- The child ------------------------------------------------------------------------- */

/* Its answer, in malloc'd memory. */
static unsigned char *read_answer(Child *child, size_t *n, Error *err)
{
    unsigned char *answer = NULL;
    size_t room = 0, got;
    char more[LIMIT_TEXT];
    for (*n = 0;; *n += got) {
        answer = mem_grow(answer, &room, *n + STEP, 1);
        if (!child_read(child, answer + *n, STEP, &got, err)) break;
        if (!got) return answer;
        if (*n + got <= limit(LIMIT_INDEX_BYTES)) continue;
        fault_file(err, ERR_LIMIT, child->what, "HDF5: names and attributes take %s",
                   limit_text(LIMIT_INDEX_BYTES, more));
        break;
    }
    free(answer);
    return NULL;
}

/* How a child ended that did not end well. Killed: by the kernel, whose limit of time it met, or by
 * us, who did not believe it any longer. */
static void say_end(const char *file, int ended, Error *err)
{
    static const char harm[] = "the file is damaged, or made to do harm";
    static const char memory[] = "or needs more memory (--limit child-memory=N gives it more)";
    if (ended == SIGKILL)
        fault_file(err, ERR_FORMAT, file,
                   "HDF5: libhdf5 did not come to an end with it (--limit child-seconds=N gives it "
                   "more time); %s", harm);
    else if (ended > 0)
        fault_file(err, ERR_FORMAT, file, "HDF5: libhdf5 crashed on it (signal %d), in a process "
                   "of its own; %s, %s", ended, harm, memory);
    else
        fault_file(err, ERR_FORMAT, file, "HDF5: the process that reads it gave up (status %d); "
                   "%s, %s", -ended, harm, memory);
}

/* A child that works on a file: with a descriptor of it, or where there is none (a server, memory),
 * fed by `*feeder`; else NULL. */
static bool start_child(Child *child, ByteSource *file, Hdf5Task *task, uint64_t seconds,
                        const char *what, Feeder **feeder, Error *err)
{
    int fd;
    *feeder = NULL;
    task->size = file->size;
    task->fed = !source_locate(file, 0, file->size, &fd, &task->base);
    if (task->fed && !(*feeder = feeder_new(file, err))) return false;
    if (task->fed) fd = feeder_file(*feeder);
    bool fine = child_start(child, fd, hdf5_run, task, seconds, what, err);
    if (fine && task->fed && !feeder_start(*feeder, child, err)) {
        child_end(child);
        fine = false;
    }
    if (fine) return true;
    feeder_end(*feeder, NULL);
    return false;
}

/* How it ended; what it made of bytes that did not come is nothing: false, with the error. */
static bool end_child(Child *child, Feeder *feeder, int *ended, Error *err)
{
    *ended = child_end(child);
    return feeder_end(feeder, err);
}

static bool run_list(Hdf5 *hdf5, Error *err)
{
    ByteSource *file = hdf5->file;
    Hdf5Task task = {0};
    Child child;
    Feeder *feeder;
    int ended;
    size_t n = 0;
    if (!start_child(&child, file, &task, limit(LIMIT_CHILD_SECONDS), file->name, &feeder, err))
        return false;
    unsigned char *answer = read_answer(&child, &n, err);
    bool fed = end_child(&child, feeder, &ended, err);
    bool fine = fed && answer && parse(hdf5, answer, n, err);
    /* An answer that is whole is taken, however its process ended: a crash while the library
     * cleans up does not count. */
    if (fed && answer && !fine && ended) say_end(file->name, ended, err);
    free(answer);
    return fine;
}

bool hdf5_list(Hdf5 *hdf5, ByteSource *source, Error *err)
{
    init(hdf5, source_ref(source));
    if (!hdf5_is_built())
        return fault_file(err, ERR_UNSUPPORTED, source->name,
                          "an HDF5 file (Keras .h5, .keras …), and this tenon was built without "
                          "libhdf5; install it (Debian: libhdf5-dev) and run make clean all");
    return run_list(hdf5, err);
}

/* -- Values that only the library can read --------------------------------------------- */

typedef struct ValueSource {
    ByteSource base;
    char *name;                  /* also base.name; owned */
    char *path;                  /* of the dataset; owned */
    ByteSource *file;            /* a reference */
    uint64_t stored;             /* what the file holds for them */
    pthread_mutex_t lock;        /* of `values` */
    ByteSource *values;          /* a reference; NULL until the first read */
} ValueSource;

/* A chunk of zeros inflates to a thousand times its size, and a dataset that was never written
 * takes no bytes at all: what it may claim is bounded as a zip's members are. */
static bool check_ratio(const ValueSource *source, Error *err)
{
    uint64_t most, least = source->stored > STORED_LEAST ? source->stored : STORED_LEAST;
    char more[LIMIT_TEXT];
    if (!sum_mul(least, limit(LIMIT_ZIP_RATIO), &most) || source->base.size <= most) return true;
    return error_set(err, ERR_LIMIT, "%s: %" PRIu64 " bytes of values, of which the file holds %"
                     PRIu64 " (compressed or never written), %s", source->name, source->base.size,
                     source->stored, limit_text(LIMIT_ZIP_RATIO, more));
}

/* Exactly n bytes; *ended: there are none any more. */
static bool read_exactly(Child *child, void *out, size_t n, bool *ended, Error *err)
{
    size_t got = 1;
    for (size_t done = 0; done < n && got; done += got)
        if (!child_read(child, (char *)out + done, n - done, &got, err)) return false;
    *ended = !got;
    return true;
}

/* A record of n bytes: values go to the spool, step by step. */
static bool spool_record(Child *child, Spool *spool, uint64_t n, unsigned char *step, bool *ended,
                         Error *err)
{
    while (n && !*ended) {
        size_t here = n < STEP ? (size_t)n : STEP;
        if (!read_exactly(child, step, here, ended, err)) return false;
        if (!*ended && !spool_add(spool, step, here, err)) return false;
        n -= here;
    }
    return true;
}

/* The library's reason, shortened. */
static bool refuse_values(Child *child, uint64_t n, unsigned char *step, bool *ended, Error *err)
{
    size_t shown = n < 300 ? (size_t)n : 300;
    Text text = {0};
    if (!read_exactly(child, step, shown, ended, err)) return false;
    fault_quote((const char *)step, *ended ? 0 : shown, shown, &text);
    fault_file(err, ERR_FORMAT, child->what, "HDF5: %s", text_string(&text));
    text_done(&text);
    return false;
}

/* Records until the end's. *ended: the child was gone before it. */
static bool fill_spool(Child *child, Spool *spool, bool *ended, Error *err)
{
    unsigned char *step = mem_alloc(STEP), head[5];
    bool fine = true, whole = false;
    *ended = false;
    while (fine && !whole && !*ended) {
        fine = read_exactly(child, head, sizeof head, ended, err);
        if (!fine || *ended) break;
        uint64_t n = (uint64_t)head[1] | (uint64_t)head[2] << 8 | (uint64_t)head[3] << 16 |
                     (uint64_t)head[4] << 24;
        if (head[0] == 'V') fine = spool_record(child, spool, n, step, ended, err);
        else if (head[0] == 'E') fine = refuse_values(child, n, step, ended, err);
        else if (head[0] == 'Z') whole = true;
        else fine = fault_file(err, ERR_FORMAT, child->what, "HDF5: what libhdf5 answers makes no "
                               "sense; the file is damaged, or made to do harm");
    }
    free(step);
    return fine;
}

/* A child writes the values, which are kept from then on. */
static ByteSource *fetch(const ValueSource *source, Error *err)
{
    Hdf5Task task = {.path = source->path, .bytes = source->base.size};
    Child child;
    Feeder *feeder;
    uint64_t seconds;
    int ended;
    if (!sum_mul(limit(LIMIT_CHILD_SECONDS), 1 + source->base.size / SECOND_BYTES, &seconds))
        seconds = UINT64_MAX;
    if (!check_ratio(source, err)) return NULL;
    Spool *spool = spool_new(source->base.size, source->name, err);
    if (!spool) return NULL;
    if (!start_child(&child, source->file, &task, seconds, source->name, &feeder, err)) {
        spool_free(spool);
        return NULL;
    }
    bool gone;
    bool fine = fill_spool(&child, spool, &gone, err);
    bool fed = end_child(&child, feeder, &ended, err);
    if (fed && fine && gone) say_end(source->name, ended, err);
    if (!fed || !fine || gone) {
        spool_free(spool);
        return NULL;
    }
    return spool_finish(spool, err);
}

static ByteSource *resolve(ValueSource *source, Error *err)
{
    pthread_mutex_lock(&source->lock);
    if (!source->values) source->values = fetch(source, err);
    pthread_mutex_unlock(&source->lock);
    return source->values;
}

static bool read_values(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    ByteSource *values = resolve((ValueSource *)source, err);
    return values && source_read(values, offset, out, n, err);
}

static bool locate_values(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    ByteSource *values = resolve((ValueSource *)source, NULL);
    return values && source_locate(values, offset, n, fd, where);
}

static void close_values(ByteSource *source)
{
    ValueSource *own = (ValueSource *)source;
    source_unref(own->values);
    source_unref(own->file);
    pthread_mutex_destroy(&own->lock);
    free(own->name);
    free(own->path);
    free(own);
}

/* The path as the library knows it: held names have C0 80 for a NUL, which no path has. */
static ByteSource *value_source(const Hdf5 *hdf5, const Hdf5Object *object)
{
    static const ByteSourceOps ops = {read_values, locate_values, close_values, NULL};
    ValueSource *source = mem_alloc(sizeof *source);
    Text name = {0};
    text_addf(&name, "%s::", hdf5->file->name);
    name_show(object->path, &name);
    source->name = name.bytes;
    source->path = mem_strdup(object->path);
    source->file = source_ref(hdf5->file);
    source->stored = object->stored;
    pthread_mutex_init(&source->lock, NULL);
    source->base = (ByteSource){.ops = &ops, .name = source->name, .size = object->bytes};
    atomic_init(&source->base.refs, 1);
    return &source->base;
}

/* -- Looking things up ----------------------------------------------------------------- */

const Hdf5Object *hdf5_find(const Hdf5 *hdf5, const char *path)
{
    uint32_t index = map_get(&hdf5->index, path);
    return index == MAP_NONE ? NULL : &hdf5->objects[index];
}

const Hdf5Attribute *hdf5_attribute(const Hdf5Object *object, const char *name)
{
    const Hdf5Attribute *one = object ? object->attributes : NULL;
    while (one && strcmp(one->name, name) != 0) one = one->next;
    return one;
}

bool hdf5_says(const Hdf5Object *object, const char *name, const char *value)
{
    const Hdf5Attribute *attribute = hdf5_attribute(object, name);
    return attribute && attribute->count == 1 && strcmp(attribute->values[0], value) == 0;
}

bool hdf5_is_tensor(const Hdf5Object *object)
{
    return object->dataset && object->dtype != DT_UNKNOWN && object->dtype != DT_STRING;
}

/* Big-endian values, and those that cannot be read; NULL for plain ones. */
static const Encoding *encoding_of(Hdf5 *hdf5, const Hdf5Object *object)
{
    bool closed = object->place == HDF5_CLOSED;
    if (!closed && !object->big_endian) return NULL;
    Encoding *encoding = arena_alloc(hdf5->arena, sizeof *encoding);
    *encoding = (Encoding){.big_endian = object->big_endian, .opaque = closed,
                           .note = closed ? object->note : NULL};
    return encoding;
}

bool hdf5_add_tensor(Hdf5 *hdf5, Checkpoint *checkpoint, StateDict *dict, const Hdf5Object *object,
                     const char *name, Layout layout, bool *twice, Error *err)
{
    Storage *storage = arena_alloc(hdf5->arena, sizeof *storage);
    *storage = (Storage){.source = hdf5->file, .bytes = object->bytes, .dtype = object->dtype,
                         .index = (uint32_t)(object - hdf5->objects)};
    if (object->place == HDF5_CLOSED) storage->source = NULL;
    if (object->place == HDF5_WINDOW && object->bytes) storage->offset = object->offset;
    if (object->place == HDF5_READ && object->bytes) {
        storage->source = value_source(hdf5, object);
        checkpoint_own_source(checkpoint, storage->source);
    }
    const Tensor tensor = {.name = name,
                           .dims = object->dims,
                           .rank = object->rank,
                           .dtype = object->dtype,
                           .storage = storage,
                           .encoding = encoding_of(hdf5, object),
                           .layout = (uint8_t)layout};
    Error inner;
    if (!tensor_check(&tensor, &inner))
        return fault_tensor(err, inner.code, hdf5->file->name, name, "%s", inner.text);
    *twice = !dict_add(dict, &tensor);
    return true;
}
