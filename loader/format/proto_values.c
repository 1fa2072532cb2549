/* Decoding of repeated fields: runs of equal spacing are found by counting, varints by marks. */
#include "loader/format/proto_values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"

/* Varints between two marks; bytes of strided fields that are read at a time. */
enum { MARK_STEP = 1024, STRIDE_BLOCK = 16 << 10 };

struct ProtoRun {
    uint64_t first;          /* number of its first element in the whole */
    uint64_t count;          /* elements */
    uint64_t at, end;        /* bytes, from the first value to behind the last */
    unsigned gap;            /* bytes of the tag before each value but the first; 0: packed */
};

typedef struct ValuesSource {
    ByteSource base;
    ProtoValues values;      /* owned */
    ByteSource *inner;       /* a reference */
} ValuesSource;

void proto_values_init(ProtoValues *values, unsigned stored, unsigned width)
{
    *values = (ProtoValues){.stored = stored, .width = width};
}

void proto_values_done(ProtoValues *values)
{
    free(values->runs);
    free(values->marks);
    *values = (ProtoValues){0};
}

/* -- Collecting ------------------------------------------------------------------------ */

/* Where the varint with the number `count` starts. */
static void add_mark(ProtoValues *values, uint64_t at)
{
    if (values->count % MARK_STEP) return;
    values->marks = mem_grow(values->marks, &values->mark_room, values->mark_count + 1,
                             sizeof *values->marks);
    values->marks[values->mark_count++] = at;
}

/* A run costs more than the few bytes of a field that begins one, so their number is limited. */
static bool add_run(ProtoReader *reader, ProtoValues *values, const ProtoField *field, unsigned gap)
{
    char more[LIMIT_TEXT];
    if (values->run_count >= limit(LIMIT_ENTRIES))
        return proto_fail(reader, ERR_LIMIT, field->where, "numbers in more pieces, %s",
                          limit_text(LIMIT_ENTRIES, more));
    values->runs = mem_grow(values->runs, &values->run_room, values->run_count + 1,
                            sizeof *values->runs);
    values->runs[values->run_count++] = (ProtoRun){
        .first = values->count, .at = field->bytes.at, .end = field->bytes.end, .gap = gap};
    return true;
}

/* A field of its own: it continues the run of those before it when nothing lies between. */
static bool add_single(ProtoReader *reader, ProtoValues *values, const ProtoField *field)
{
    unsigned tag = (unsigned)(field->bytes.at - field->where);
    ProtoRun *last = values->run_count ? &values->runs[values->run_count - 1] : NULL;
    if (!last || last->gap != tag || last->end != field->where) {
        if (!add_run(reader, values, field, tag)) return false;
        last = &values->runs[values->run_count - 1];
    }
    if (!values->stored) add_mark(values, field->bytes.at);
    last->end = field->bytes.end;
    last->count++;
    values->count++;
    return true;
}

/* Counting means reading: nothing tells how many varints some bytes are. */
static bool add_packed_varints(ProtoReader *reader, ProtoValues *values, ProtoRun *run)
{
    ProtoSpan span = {run->at, run->end};
    while (span.at < span.end) {
        uint64_t number;
        add_mark(values, span.at);
        if (!proto_varint(reader, &span, &number)) return false;
        run->count++;
        values->count++;
    }
    return true;
}

bool proto_values_add(ProtoReader *reader, ProtoValues *values, const ProtoField *field)
{
    ProtoType single = values->stored == 8   ? PROTO_FIXED64
                       : values->stored == 4 ? PROTO_FIXED32
                                             : PROTO_VARINT;
    if (field->type == single) return add_single(reader, values, field);
    if (field->type != PROTO_BYTES)
        return proto_fail(reader, ERR_FORMAT, field->where,
                          "the numbers of field %" PRIu32 " have the type %u", field->number,
                          (unsigned)field->type);
    uint64_t length = field->bytes.end - field->bytes.at;
    if (!length) return true;
    if (values->stored && length % values->stored)
        return proto_fail(reader, ERR_FORMAT, field->where,
                          "field %" PRIu32 " has %" PRIu64 " bytes, which hold no whole number of "
                          "%u-byte values", field->number, length, values->stored);
    if (!add_run(reader, values, field, 0)) return false;
    ProtoRun *run = &values->runs[values->run_count - 1];
    if (!values->stored) return add_packed_varints(reader, values, run);
    run->count = length / values->stored;
    values->count += run->count;
    return true;
}

/* One number in a field of its own lies in the file as a packed run of one would. */
bool proto_values_plain(const ProtoValues *values, uint64_t *at)
{
    if (!values->stored || values->run_count != 1) return false;
    const ProtoRun *run = &values->runs[0];
    if (run->gap && run->count > 1) return false;
    *at = run->at;
    return true;
}

/* -- Reading --------------------------------------------------------------------------- */

/* A read under way: bytes [offset, offset + n) of the whole go to `out`. */
typedef struct Want {
    uint64_t offset;
    size_t n;
    unsigned width;          /* of an element */
    unsigned char *out;
} Want;

/* Puts what is wanted of the element with that number. */
static void put(const Want *want, uint64_t index, const unsigned char *value)
{
    uint64_t at = index * want->width;
    if (at >= want->offset && at + want->width <= want->offset + want->n) {
        memcpy(want->out + (at - want->offset), value, want->width);
        return;
    }
    for (unsigned i = 0; i < want->width; i++)
        if (at + i >= want->offset && at + i < want->offset + want->n)
            want->out[at + i - want->offset] = value[i];
}

/* The run that holds an element, which is inside the whole. */
static size_t find_run(const ProtoValues *values, uint64_t index)
{
    size_t low = 0, high = values->run_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (values->runs[middle].first <= index) low = middle;
        else high = middle;
    }
    return low;
}

/* Elements [from, to) of a run whose values lie a tag apart: read with the tags, in blocks. */
static bool read_strided(ValuesSource *source, const ProtoRun *run, uint64_t from, uint64_t to,
                         const Want *want, Error *err)
{
    unsigned char block[STRIDE_BLOCK];
    unsigned stored = source->values.stored, step = stored + run->gap;
    while (from < to) {
        uint64_t fit = (STRIDE_BLOCK - stored) / step + 1;
        uint64_t n = to - from < fit ? to - from : fit;
        uint64_t at = run->at + (from - run->first) * step;
        if (!source_read(source->inner, at, block, (size_t)((n - 1) * step + stored), err))
            return false;
        for (uint64_t i = 0; i < n; i++) put(want, from + i, block + i * step);
        from += n;
    }
    return true;
}

/* Numbers of fixed width: packed runs are read straight to where they go. */
static bool read_fixed(ValuesSource *source, const Want *want, Error *err)
{
    const ProtoValues *values = &source->values;
    uint64_t first = want->offset / want->width, end = want->offset + want->n;
    for (size_t i = find_run(values, first); i < values->run_count; i++) {
        const ProtoRun *run = &values->runs[i];
        uint64_t begin = run->first * want->width, stop = (run->first + run->count) * want->width;
        if (begin >= end) break;
        uint64_t from = begin > want->offset ? begin : want->offset, to = stop < end ? stop : end;
        if (run->gap) {
            if (!read_strided(source, run, from / want->width,
                              (to + want->width - 1) / want->width, want, err))
                return false;
        } else if (!source_read(source->inner, run->at + (from - begin),
                                want->out + (from - want->offset), (size_t)(to - from), err)) {
            return false;
        }
    }
    return true;
}

/* From the mark before the first element on, varint by varint, over the tags between them. */
static bool read_varints(ValuesSource *source, const Want *want, Error *err)
{
    const ProtoValues *values = &source->values;
    uint64_t first = want->offset / want->width;
    uint64_t last = (want->offset + want->n - 1) / want->width;
    uint64_t index = first - first % MARK_STEP, number;
    size_t run = find_run(values, index);
    ProtoSpan span = {values->marks[index / MARK_STEP], values->runs[run].end};
    ProtoReader reader;
    proto_init(&reader, source->inner, err);
    bool fine = true;
    while (fine && index <= last) {
        if (span.at >= span.end) {
            run++;
            span = (ProtoSpan){values->runs[run].at, values->runs[run].end};
        }
        fine = proto_varint(&reader, &span, &number);
        unsigned char bytes[8];
        for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(number >> 8 * i);
        if (fine && index >= first) put(want, index, bytes);
        index++;
        if (span.at < span.end) span.at += values->runs[run].gap;
    }
    proto_done(&reader);
    return fine;
}

static bool read_values(ByteSource *base, uint64_t offset, void *out, size_t n, Error *err)
{
    ValuesSource *source = (ValuesSource *)base;
    const Want want = {offset, n, source->values.width, out};
    return source->values.stored ? read_fixed(source, &want, err)
                                 : read_varints(source, &want, err);
}

static void close_values(ByteSource *base)
{
    ValuesSource *source = (ValuesSource *)base;
    proto_values_done(&source->values);
    source_unref(source->inner);
    free(source);
}

/* No locate: the bytes lie nowhere as they are given out. The name is the inner source's. */
ByteSource *proto_values_source(ProtoValues *values, ByteSource *source)
{
    static const ByteSourceOps ops = {read_values, NULL, close_values, NULL};
    ValuesSource *made = mem_alloc(sizeof *made);
    made->base.ops = &ops;
    made->base.name = source->name;
    made->base.refs = 1;
    made->base.size = values->count * values->width;
    made->values = *values;
    made->inner = source_ref(source);
    *values = (ProtoValues){0};
    return &made->base;
}
