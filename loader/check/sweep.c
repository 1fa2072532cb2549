/* A tensor comes in boxes of a few MB, row-major. Each box is still in the cache while its hashes,
 * its numbers, its rows and its columns are looked at. Rows and columns cost next to nothing in a
 * healthy tensor: a row is alive at its first number, and columns are no longer looked at once all
 * have been seen alive. */
#include "loader/check/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

/* Fixed: they bound the memory of each thread, and only larger rows are not looked at. */
enum {
    BOX_BYTES = 1 << 20,         /* read at a time */
    BATCH = 2048,                /* numbers converted at a time */
    ROW_MAX = 1 << 20,           /* bytes of a row that is compared with the one before it */
    COLUMNS_MAX = 1 << 18        /* elements of a row in which columns are looked for */
};

typedef struct Work {
    const Tensor *tensor;        /* borrowed */
    Sweep *sweep;                /* being filled */
    SweepWish wish;
    DType dtype;                 /* of the values: the tensor's, or f32 where it is quantized */
    DType part;                  /* of a component; `dtype` where it is not complex */
    size_t width, element;       /* bytes of a component, and of an element */
    uint64_t row;                /* elements of a row (an index of axis 0); 0: no rows to look at */
    uint64_t at;                 /* elements seen so far */
    bool alive;                  /* the row under way has a number that is not 0 */
    unsigned char *seen;         /* [row × element] columns: all bits seen so far; owned; NULL when
                                    there is nothing to look for, or all are alive */
    unsigned char *before;       /* [row × element] the row before the one under way; owned */
    bool has_before;
} Work;

/* -- Hash ------------------------------------------------------------------------------ */

static uint64_t turn(uint64_t value)
{
    return value << 31 | value >> 33;
}

/* Eight lanes over 64 bytes at a time. Not for enemies: a made-up collision only makes a false
 * remark. */
static uint64_t hash_bytes(uint64_t seed, const unsigned char *bytes, size_t n)
{
    enum { LANES = 8, WORD = 8 };
    const uint64_t prime = 0x9E3779B185EBCA87u, other = 0xC2B2AE3D27D4EB4Fu;
    uint64_t lanes[LANES], words[LANES];
    for (unsigned k = 0; k < LANES; k++) lanes[k] = seed + k * other;
    for (; n >= sizeof words; n -= sizeof words, bytes += sizeof words) {
        memcpy(words, bytes, sizeof words);
        for (unsigned k = 0; k < LANES; k++) lanes[k] = turn(lanes[k] ^ words[k]) * prime;
    }
    memset(words, 0, sizeof words);
    memcpy(words, bytes, n);
    for (unsigned k = 0; k < LANES; k++) lanes[k] = turn(lanes[k] ^ words[k]) * prime;
    uint64_t hash = seed ^ n;
    for (unsigned k = 0; k < LANES; k++) {
        hash = turn(hash ^ lanes[k]) * other;
        hash ^= hash >> 29;
    }
    return hash;
}

/* -- Rows and columns ------------------------------------------------------------------ */

static void add_index(SweepRanges **list, uint64_t index)
{
    if (!*list) *list = mem_alloc(sizeof **list);
    SweepRanges *ranges = *list;
    uint64_t last = ranges->ranges - 1;
    ranges->count++;
    if (ranges->ranges && last < SWEEP_RANGES && ranges->to[last] + 1 == index) {
        ranges->to[last] = index;
        return;
    }
    if (ranges->ranges < SWEEP_RANGES)
        ranges->from[ranges->ranges] = ranges->to[ranges->ranges] = index;
    ranges->ranges++;
}

/* Whether a component is not zero: the sign bit, the top one of the last byte, does not count. */
static bool is_alive(const unsigned char *component, size_t width)
{
    unsigned bits = component[width - 1] & 0x7F;
    for (size_t i = 0; i + 1 < width; i++) bits |= component[i];
    return bits != 0;
}

static bool has_life(const unsigned char *bytes, size_t n, size_t width)
{
    for (size_t i = 0; i < n; i += width)
        if (is_alive(bytes + i, width)) return true;
    return false;
}

/* Collects the bits of a run of columns; `column` is its first one's byte. */
static void see_columns(Work *work, const unsigned char *bytes, size_t n, size_t column)
{
    unsigned char *seen = work->seen + column;
    for (size_t i = 0; i < n; i++) seen[i] |= bytes[i];
}

/* All columns are alive: nothing is left to be found. Asked after 1, 2, 4, 8 … rows. */
static void stop_columns(Work *work, uint64_t rows)
{
    if (rows & (rows - 1)) return;
    size_t n = (size_t)work->row * work->element;
    for (size_t i = 0; i < n; i += work->width)
        if (!is_alive(work->seen + i, work->width)) return;
    free(work->seen);
    work->seen = NULL;
}

/* Compares a whole row with the one before it, which stands right before it or was kept. */
static void see_tail(Work *work, const unsigned char *row, const unsigned char *box)
{
    size_t n = (size_t)work->row * work->element;
    const unsigned char *before = (size_t)(row - box) >= n ? row - n : work->before;
    bool equal = (before != work->before || work->has_before) && memcmp(before, row, n) == 0;
    work->sweep->tail = equal ? work->sweep->tail + 1 : 1;
}

/* The rows, and parts of rows, of a box. */
static void see_rows(Work *work, const unsigned char *box, uint64_t count)
{
    for (uint64_t i = 0; i < count;) {
        uint64_t in_row = work->at % work->row, left = work->row - in_row;
        uint64_t n = count - i < left ? count - i : left;
        const unsigned char *bytes = box + i * work->element;
        size_t length = (size_t)n * work->element;
        if (!work->alive) work->alive = has_life(bytes, length, work->width);
        if (work->seen) see_columns(work, bytes, length, (size_t)in_row * work->element);
        if (work->before && n == work->row) see_tail(work, bytes, box);
        i += n;
        work->at += n;
        if (work->at % work->row) continue;
        uint64_t row = work->at / work->row;
        if (!work->alive) add_index(&work->sweep->rows, row - 1);
        if (work->seen) stop_columns(work, row);
        work->alive = false;
    }
    size_t n = (size_t)work->row * work->element;
    if (!work->before || count < work->row) return;
    memcpy(work->before, box + (count - work->row) * work->element, n);
    work->has_before = true;
}

/* A channel (an index of axis 1) is dead when all its columns are. */
static void find_columns(Work *work)
{
    if (!work->seen) return;
    const Tensor *tensor = work->tensor;
    uint64_t channels = (uint64_t)tensor->dims[1];
    size_t bytes = (size_t)(work->row / channels) * work->element;
    for (uint64_t i = 0; i < channels; i++)
        if (!has_life(work->seen + i * bytes, bytes, work->width))
            add_index(&work->sweep->columns, i);
}

/* All rows are dead, or all columns: that is a tensor of zeros, which is said otherwise. */
static void forget_all(SweepRanges **ranges, uint64_t all)
{
    if (!*ranges || (*ranges)->count < all) return;
    free(*ranges);
    *ranges = NULL;
}

/* -- Numbers --------------------------------------------------------------------------- */

/* The least normal number of a type: half of those below it are not told apart any more. */
static double least_normal(DType dtype)
{
    switch (dtype) {
    case DT_F64: return 0x1p-1022;
    case DT_F32:
    case DT_BF16: return 0x1p-126;
    case DT_F16: return 0x1p-14;
    default: return 0;
    }
}

static void see_whole(Work *work, const double *numbers, size_t n)
{
    for (size_t i = 0; work->sweep->whole && i < n; i++)
        work->sweep->whole = numbers[i] == floor(numbers[i]);
}

/* `count` components. f32 is measured where it lies; smaller floats go through it, since it holds
 * them exactly, and everything else through f64. */
static void see_numbers(Work *work, const unsigned char *bytes, uint64_t count)
{
    Measure *measure = &work->sweep->measure;
    double least = least_normal(work->part), wide[BATCH];
    float narrow[BATCH];
    bool small = dtype_info(work->part)->kind == CLASS_FLOAT && work->part != DT_F64;
    for (size_t n; count; bytes += n * work->width, count -= n) {
        n = count < BATCH ? (size_t)count : BATCH;
        if (!small || work->wish.whole) dtype_to_doubles(work->part, bytes, wide, n);
        if (work->wish.whole) see_whole(work, wide, n);
        if (!small) {
            measure_doubles(measure, wide, n, least);
            continue;
        }
        const float *floats = narrow;
        if (work->part == DT_F32) floats = (const float *)(const void *)bytes;
        else dtype_convert(work->part, bytes, DT_F32, narrow, n);
        measure_floats(measure, floats, n, (float)least);
    }
}

/* -- The whole ------------------------------------------------------------------------- */

/* Whether there is anything to read, and an end to it; as what, in *dtype. */
static bool check_readable(const Tensor *tensor, DType *dtype, Error *err)
{
    const char *why = NULL;
    if (!tensor->storage || !tensor->dims)
        return error_set(err, ERR_NOT_FOUND, "has no values");
    if (tensor->encoding && tensor->encoding->opaque)
        return error_set(err, ERR_UNSUPPORTED, "%s", tensor->encoding->note
                         ? tensor->encoding->note : "cannot be read as plain values");
    *dtype = tensor_value_dtype(tensor, &why);
    if (!dtype_size(*dtype))
        return error_set(err, ERR_UNSUPPORTED, "%s %s", dtype_name(tensor->dtype),
                         why ? why : "is not read as numbers");
    return tensor_check_repeats(tensor, err);
}

/* What will be looked for in a tensor of this shape. */
static void begin(Work *work)
{
    const Tensor *tensor = work->tensor;
    DTypeClass kind = dtype_info(work->dtype)->kind;
    Sweep *sweep = work->sweep;
    work->part = dtype_component(work->dtype);
    work->element = dtype_size(work->dtype);
    work->width = dtype_size(work->part);
    sweep->numbers = kind != CLASS_OTHER;
    sweep->whole = work->wish.whole;
    sweep->tail = 1;
    if (tensor->rank < 2 || (kind != CLASS_FLOAT && kind != CLASS_COMPLEX)) return;
    work->row = tensor_count(tensor) / (uint64_t)tensor->dims[0];
    size_t bytes = (size_t)(work->row * work->element);
    if (tensor->dims[1] > 1 && work->row <= COLUMNS_MAX) work->seen = mem_alloc(bytes);
    if (tensor->rank == 2 && bytes <= ROW_MAX) work->before = mem_alloc(bytes);
}

/* One box, while it is warm. */
static void see_box(Work *work, const unsigned char *box, uint64_t count)
{
    Sweep *sweep = work->sweep;
    size_t n = (size_t)(count * work->element);
    if (work->wish.crc) sweep->crc = (uint32_t)crc32(sweep->crc, box, (uInt)n);
    sweep->hash = hash_bytes(sweep->hash, box, n);
    if (!sweep->numbers) return;
    see_numbers(work, box, count * (work->element / work->width));
    if (work->row) see_rows(work, box, count);
}

bool sweep_tensor(const Tensor *tensor, SweepWish wish, SweepStep *step, void *context,
                  Sweep *sweep, Error *err)
{
    Work work = {.tensor = tensor, .sweep = sweep, .wish = wish};
    BoxWalk walk;
    *sweep = (Sweep){.crc = wish.crc ? (uint32_t)crc32(0, NULL, 0) : 0};
    if (!check_readable(tensor, &work.dtype, err)) return false;
    if (!box_first(&walk, tensor->dims, tensor->rank, BOX_BYTES / dtype_size(work.dtype))) {
        sweep->numbers = dtype_info(work.dtype)->kind != CLASS_OTHER;
        return true;
    }
    begin(&work);
    unsigned char *box = mem_alloc((size_t)box_count(&walk) * work.element);
    double stored = (double)tensor_bytes(tensor) / (double)tensor_count(tensor);
    bool ok;
    do {
        uint64_t count = box_count(&walk);
        ok = tensor_read_values(tensor, walk.from, walk.size, box, NULL, err);
        if (ok) see_box(&work, box, count);
        ok = ok && (!step || step(context, (uint64_t)((double)count * stored), err));
    } while (ok && box_next(&walk));
    if (ok && work.row) {
        find_columns(&work);
        forget_all(&sweep->rows, (uint64_t)tensor->dims[0]);
        forget_all(&sweep->columns, (uint64_t)tensor->dims[1]);
    }
    free(box);
    free(work.seen);
    free(work.before);
    if (!ok) sweep_done(sweep);
    return ok;
}

void sweep_done(Sweep *sweep)
{
    free(sweep->rows);
    free(sweep->columns);
    sweep->rows = sweep->columns = NULL;
}
