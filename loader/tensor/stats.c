/* Statistics in one pass: boxes of bytes are read, hashed, turned into doubles in batches, and
 * each batch is merged into the running moments. Memory does not depend on the tensor's size. */
#include "loader/tensor/stats.h"

#include <math.h>
#include <stdlib.h>

#include <zlib.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

enum {
    BOX_BYTES = 4 << 20,   /* read at a time */
    BATCH = 4096           /* numbers at a time: 32 KiB of doubles, on the stack */
};

/* Running moments over batches (Chan, Golub, LeVeque 1979): *m2 is the sum of the squared
 * distances from the mean so far, and std is sqrt(m2 / n). A plain sum of squares would lose
 * the deviation of values far from zero. */
static void merge_batch(Stats *stats, double *m2, const double *values, size_t n)
{
    double sum = 0, batch_m2 = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) batch_m2 += (values[i] - mean) * (values[i] - mean);
    double before = (double)stats->finite, all = before + (double)n, delta = mean - stats->mean;
    stats->mean += delta * (double)n / all;
    *m2 += batch_m2 + delta * delta * before * (double)n / all;
    stats->finite += n;
}

size_t stats_add(Stats *stats, double *m2, double *values, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        double value = values[i];
        if (isnan(value)) stats->nan++;
        else if (isinf(value)) stats->inf++;
        else values[kept++] = value;
        if (value == 0) stats->zeros++;
    }
    stats->count += n;
    if (!kept) return 0;
    if (!stats->finite) stats->min = stats->max = values[0];
    for (size_t i = 0; i < kept; i++) {
        if (values[i] < stats->min) stats->min = values[i];
        if (values[i] > stats->max) stats->max = values[i];
    }
    merge_batch(stats, m2, values, kept);
    return kept;
}

/* `count` elements, read as numbers of their component's type: complex ones are two each. */
static void count_box(Stats *stats, double *m2, DType dtype, const unsigned char *bytes,
                      uint64_t count)
{
    double values[BATCH];
    DType part = dtype_component(dtype);
    unsigned size = dtype_size(part);
    for (uint64_t left = count * (dtype_size(dtype) / size); left;) {
        size_t n = left < BATCH ? (size_t)left : BATCH;
        dtype_to_doubles(part, bytes, values, n);
        stats_add(stats, m2, values, n);
        bytes += n * size;
        left -= n;
    }
}

/* The CRC of what is stored, where elements are no whole bytes: such tensors lie in one run. */
static bool hash_stored(const Tensor *tensor, unsigned char *buffer, size_t room, uint32_t *crc,
                        Error *err)
{
    const Storage *storage = tensor->storage;
    uint64_t at = storage->offset + tensor->offset, left = tensor_bytes(tensor);
    if (!storage->source) return error_set(err, ERR_NOT_FOUND, "has no values");
    while (left) {
        size_t n = left < room ? (size_t)left : room;
        if (!source_read(storage->source, at, buffer, n, err)) return false;
        *crc = (uint32_t)crc32(*crc, buffer, (unsigned)n);
        at += n;
        left -= n;
    }
    return true;
}

/* A box of elements as they are stored, hashed, and then of the numbers that they mean, counted.
 * These are mostly the same; `bytes` has room for either. */
static bool read_box(const Tensor *tensor, const BoxWalk *walk, unsigned char *bytes, Stats *stats,
                     double *m2, Error *err)
{
    uint64_t count = box_count(walk);
    unsigned size = dtype_size(tensor->dtype);
    DType dtype = tensor_value_dtype(tensor, NULL);
    if (size) {
        if (!tensor_read(tensor, walk->from, walk->size, bytes, err)) return false;
        stats->crc = (uint32_t)crc32(stats->crc, bytes, (unsigned)(count * size));
    }
    if (dtype != tensor->dtype &&
        !tensor_read_values(tensor, walk->from, walk->size, bytes, NULL, err))
        return false;
    count_box(stats, m2, dtype, bytes, count);
    return true;
}

/* Boxes come in row-major order, so the running CRC is that of the packed values. */
bool tensor_stats(const Tensor *tensor, Stats *stats, Error *err)
{
    DType dtype = tensor_value_dtype(tensor, NULL);
    /* crc32 of nothing is the value to start from */
    *stats = (Stats){.crc = (uint32_t)crc32(0, NULL, 0)};
    if (dtype == DT_UNKNOWN || !tensor->storage)
        return error_set(err, ERR_UNSUPPORTED, "%s values cannot be read as numbers",
                         dtype_name(tensor->dtype));
    if (!tensor_check_repeats(tensor, err)) return false;
    BoxWalk walk;
    if (!box_first(&walk, tensor->dims, tensor->rank, BOX_BYTES / dtype_size(dtype))) return true;
    /* an element as it is stored is no larger than its value */
    size_t room = (size_t)box_count(&walk) * dtype_size(dtype);
    unsigned char *bytes = mem_alloc(room);
    double m2 = 0;   /* see merge_batch */
    bool ok = dtype_size(tensor->dtype) || hash_stored(tensor, bytes, room, &stats->crc, err);
    if (ok)
        do ok = read_box(tensor, &walk, bytes, stats, &m2, err);
        while (ok && box_next(&walk));
    free(bytes);
    if (stats->finite) stats->std = sqrt(m2 / (double)stats->finite);
    return ok;
}
