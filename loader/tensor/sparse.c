/* At the first read the indices become runs: so many values, from a place in the values to a place
 * in the whole. They are sorted, equal places are added up, and a read copies those that it
 * touches. Memory grows with what is stored, never with the whole, and only while it is read. */
#include "loader/tensor/sparse.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"

/* A run of values that lie together both in the values and in the whole. */
typedef struct Run {
    uint64_t to, from;       /* both in runs */
} Run;

typedef struct SparseSource {
    ByteSource base;
    char *name;              /* also base.name; owned */
    Sparse sparse;
    pthread_mutex_t lock;    /* over what follows */
    bool ready;
    uint64_t run_bytes;      /* of one run */
    Run *runs;               /* [count], sorted, none twice; owned */
    size_t count;
    unsigned char *values;   /* owned */
} SparseSource;

static bool is_blocked(SparseLayout layout)
{
    return layout == SPARSE_BSR || layout == SPARSE_BSC;
}

static bool is_by_column(SparseLayout layout)
{
    return layout == SPARSE_CSC || layout == SPARSE_BSC;
}

/* --- shapes --------------------------------------------------------------------------- */

static bool has_dims(const Tensor *tensor, unsigned from, const int64_t *dims, unsigned count)
{
    return tensor->rank == from + count && same_dims(tensor->dims + from, count, dims, count);
}

static bool check_coo(const Sparse *s, Error *err)
{
    const Tensor *indices = s->indices, *values = s->values;
    bool fine = indices->rank == 2 && values->rank >= 1 && indices->dims[1] == values->dims[0] &&
                indices->dims[0] >= 0 && indices->dims[0] <= s->rank;
    unsigned sparse_dims = fine ? (unsigned)indices->dims[0] : 0;
    fine = fine && has_dims(values, 1, s->dims + sparse_dims, s->rank - sparse_dims);
    return fine || error_set(err, ERR_FORMAT, "its indices, values and size do not go together");
}

/* Batch dims come first in all of them; a block divides rows and columns. */
static bool check_compressed(const Sparse *s, Error *err)
{
    const Tensor *values = s->values;
    unsigned batch = s->indices->rank ? s->indices->rank - 1u : 0;
    unsigned block = is_blocked(s->layout) ? 2 : 0;
    bool fine = s->indices->rank && s->plain->rank == batch + 1 && s->rank >= batch + 2 &&
                values->rank == s->rank - 1 + block &&
                same_dims(s->indices->dims, batch, s->dims, batch) &&
                same_dims(s->plain->dims, batch, s->dims, batch) &&
                same_dims(values->dims, batch + 1, s->plain->dims, batch + 1);
    if (fine) {
        const int64_t *size = s->dims + batch, *of = values->dims + batch + 1;
        int64_t high = block ? of[0] : 1, wide = block ? of[1] : 1;
        fine = high > 0 && wide > 0 && size[0] % high == 0 && size[1] % wide == 0 &&
               has_dims(values, batch + 1 + block, size + 2, s->rank - batch - 2);
        int64_t lines = !fine ? 0 : is_by_column(s->layout) ? size[1] / wide : size[0] / high;
        fine = fine && s->indices->dims[batch] - 1 == lines;
    }
    return fine || error_set(err, ERR_FORMAT, "its indices, values and size do not go together");
}

bool sparse_check(const Sparse *s, Error *err)
{
    const Tensor *parts[] = {s->indices, s->plain, s->values};
    for (size_t i = 0; i < countof(parts); i++)
        for (unsigned k = 0; parts[i] && k < parts[i]->rank; k++)
            if (parts[i]->dims[k] < 0)
                return error_set(err, ERR_FORMAT, "a part of it has a negative size");
    for (unsigned k = 0; k < s->rank; k++)
        if (s->dims[k] < 0) return error_set(err, ERR_FORMAT, "its size[%u] is negative", k);
    return s->layout == SPARSE_COO ? check_coo(s, err) : check_compressed(s, err);
}

uint64_t sparse_stored(const Sparse *s)
{
    return s->layout == SPARSE_COO ? (uint64_t)s->values->dims[0] : tensor_count(s->plain);
}

/* --- reading the parts ---------------------------------------------------------------- */

/* All indices of a part as 64-bit numbers; malloc'd. The memory was counted. */
static int64_t *read_indices(const Tensor *tensor, Error *err)
{
    uint64_t count = tensor_count(tensor);
    if (tensor->dtype != DT_I64 && tensor->dtype != DT_I32) {
        error_set(err, ERR_FORMAT, "its indices are %s, no i64 or i32", dtype_name(tensor->dtype));
        return NULL;
    }
    void *raw = mem_alloc((size_t)tensor_bytes(tensor) + 1);
    if (!tensor_read(tensor, NULL, NULL, raw, err)) {
        free(raw);
        return NULL;
    }
    if (tensor->dtype == DT_I64) return raw;
    int64_t *wide = mem_alloc((size_t)count * sizeof *wide + 1);
    dtype_convert(DT_I32, raw, DT_I64, wide, (size_t)count);
    free(raw);
    return wide;
}

/* Parts of tensors are checked here, once all bytes of the file have been found. */
static bool check_parts(const SparseSource *source, uint64_t runs, Error *err)
{
    const Tensor *parts[] = {source->sparse.indices, source->sparse.plain, source->sparse.values};
    uint64_t memory;
    char more[LIMIT_TEXT];
    bool counted = sum_mul(runs, 2 * sizeof(Run), &memory);
    for (size_t i = 0; i < countof(parts); i++) {
        if (!parts[i]) continue;
        if (!tensor_check(parts[i], err)) return false;
        if (!parts[i]->storage || !dtype_size(parts[i]->dtype))
            return error_set(err, ERR_FORMAT, "a part of it has no values");
        counted = counted && sum_add(memory, 2 * tensor_bytes(parts[i]), &memory);
    }
    if (counted && memory <= limit(LIMIT_SPARSE_BYTES)) return true;
    return error_set(err, ERR_LIMIT, "indices and values need %" PRIu64 " bytes of memory, %s",
                     memory, limit_text(LIMIT_SPARSE_BYTES, more));
}

/* COO: column i of the indices is the place of value i. */
static bool place_coo(SparseSource *source, Error *err)
{
    const Sparse *s = &source->sparse;
    uint64_t n = (uint64_t)s->values->dims[0];
    unsigned depth = (unsigned)s->indices->dims[0];
    int64_t *indices = read_indices(s->indices, err);
    bool fine = indices != NULL;
    for (uint64_t i = 0; fine && i < n; i++) {
        uint64_t to = 0;
        for (unsigned k = 0; fine && k < depth; k++) {
            int64_t index = indices[k * n + i];
            fine = index >= 0 && index < s->dims[k];
            if (!fine)
                error_set(err, ERR_FORMAT,
                          "its index %" PRId64 " of dim %u lies outside of %" PRId64,
                          index, k, s->dims[k]);
            else to = to * (uint64_t)s->dims[k] + (uint64_t)index;
        }
        source->runs[source->count++] = (Run){to, i};
    }
    free(indices);
    return fine;
}

/* What place_line needs of one matrix of the batch. */
typedef struct Matrix {
    int64_t high, wide;          /* of a block; 1 without blocks */
    int64_t lines, across;       /* blocks along the compressed dim, and along the other */
    const int64_t *starts, *plain;   /* [lines + 1] and [n] of this matrix */
    uint64_t index, n;           /* which matrix; entries in each */
} Matrix;

/* The blocks of one row (or column) of blocks; each gives a run for each of its rows. */
static bool place_line(SparseSource *source, const Matrix *m, int64_t line, Error *err)
{
    bool by_column = is_by_column(source->sparse.layout);
    uint64_t rows = (uint64_t)(by_column ? m->across : m->lines) * (uint64_t)m->high;
    uint64_t columns = (uint64_t)(by_column ? m->lines : m->across);
    for (int64_t e = m->starts[line]; e < m->starts[line + 1]; e++) {
        int64_t other = m->plain[e];
        if (other < 0 || other >= m->across)
            return error_set(err, ERR_FORMAT,
                             "its plain index %" PRId64 " lies outside of %" PRId64,
                             other, m->across);
        uint64_t row = (uint64_t)(by_column ? other : line) * (uint64_t)m->high;
        uint64_t column = (uint64_t)(by_column ? line : other);
        uint64_t entry = m->index * m->n + (uint64_t)e;
        for (uint64_t i = 0; i < (uint64_t)m->high; i++)
            source->runs[source->count++] =
                (Run){(m->index * rows + row + i) * columns + column,
                      entry * (uint64_t)m->high + i};
    }
    return true;
}

/* Starts rise from 0 to n, so that all lines together have n entries: no more than `runs` holds. */
static bool place_matrix(SparseSource *source, const Matrix *m, Error *err)
{
    if (m->starts[0] != 0 || m->starts[m->lines] != (int64_t)m->n)
        return error_set(err, ERR_FORMAT, "its compressed indices do not go from 0 to %" PRIu64,
                         m->n);
    for (int64_t line = 0; line < m->lines; line++)
        if (m->starts[line] > m->starts[line + 1] || m->starts[line] < 0 ||
            m->starts[line + 1] > (int64_t)m->n)
            return error_set(err, ERR_FORMAT, "its compressed indices do not rise at %" PRId64,
                             line);
    for (int64_t line = 0; line < m->lines; line++)
        if (!place_line(source, m, line, err)) return false;
    return true;
}

static bool place_compressed(SparseSource *source, Error *err)
{
    const Sparse *s = &source->sparse;
    unsigned batch = s->indices->rank - 1u;
    const int64_t *size = s->dims + batch, *of = s->values->dims + batch + 1;
    Matrix m = {.high = 1, .wide = 1, .n = (uint64_t)s->plain->dims[batch]};
    if (is_blocked(s->layout)) m.high = of[0], m.wide = of[1];
    m.lines = s->indices->dims[batch] - 1;
    m.across = is_by_column(s->layout) ? size[0] / m.high : size[1] / m.wide;
    uint64_t count = 1;
    for (unsigned i = 0; i < batch; i++) count *= (uint64_t)s->dims[i];
    int64_t *starts = read_indices(s->indices, err);
    int64_t *plain = starts ? read_indices(s->plain, err) : NULL;
    bool fine = plain != NULL;
    for (; fine && m.index < count; m.index++) {
        m.starts = starts + m.index * (uint64_t)(m.lines + 1);
        m.plain = plain + m.index * m.n;
        fine = place_matrix(source, &m, err);
    }
    free(starts);
    free(plain);
    return fine;
}

/* --- equal places --------------------------------------------------------------------- */

static int compare_runs(const void *a, const void *b)
{
    const Run *x = a, *y = b;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* to[i] += from[i], rounded after each step as PyTorch does; integers wrap, truth is "or". The
 * components of complex numbers are added one by one. */
static void add_values(DType dtype, unsigned char *to, const unsigned char *from, uint64_t count)
{
    if (dtype_info(dtype)->kind == CLASS_COMPLEX) count *= 2;
    dtype = dtype_component(dtype);
    unsigned width = dtype_size(dtype);
    DTypeClass kind = dtype_info(dtype)->kind;
    for (uint64_t i = 0; i < count; i++, to += width, from += width) {
        if (kind == CLASS_FLOAT) {
            double a, b;
            dtype_to_doubles(dtype, to, &a, 1);
            dtype_to_doubles(dtype, from, &b, 1);
            a += b;
            dtype_convert(DT_F64, &a, dtype, to, 1);
        } else if (kind == CLASS_BOOL) {
            *to = *to || *from;
        } else {
            unsigned carry = 0;
            for (unsigned k = 0; k < width; k++) {
                carry += (unsigned)to[k] + from[k];
                to[k] = (unsigned char)carry;
                carry >>= 8;
            }
        }
    }
}

static void add_up(SparseSource *source)
{
    const Tensor *values = source->sparse.values;
    uint64_t count = source->run_bytes / dtype_size(values->dtype);
    size_t kept = 0;
    for (size_t i = 0; i < source->count; i++) {
        Run *run = &source->runs[i], *last = kept ? &source->runs[kept - 1] : NULL;
        if (last && last->to == run->to)
            add_values(values->dtype, source->values + last->from * source->run_bytes,
                       source->values + run->from * source->run_bytes, count);
        else source->runs[kept++] = *run;
    }
    source->count = kept;
}

/* --- the source ----------------------------------------------------------------------- */

/* Elements of a run: what follows the last dim that is indexed, and a block's width. */
static uint64_t run_length(const Sparse *s)
{
    unsigned first = s->layout == SPARSE_COO ? 1 : s->indices->rank;
    uint64_t length = 1;
    if (is_blocked(s->layout)) first++;
    for (unsigned i = first; i < s->values->rank; i++) length *= (uint64_t)s->values->dims[i];
    return length;
}

static void unload(SparseSource *source)
{
    free(source->runs);
    free(source->values);
    source->runs = NULL;
    source->values = NULL;
    source->ready = false;
}

static bool load(SparseSource *source, Error *err)
{
    const Sparse *s = &source->sparse;
    uint64_t length = tensor_count(s->values) ? run_length(s) : 1;
    uint64_t runs = tensor_count(s->values) / length;
    if (!check_parts(source, runs, err)) return false;
    source->run_bytes = length * dtype_size(s->values->dtype);
    source->runs = mem_alloc((size_t)runs * sizeof *source->runs + 1);
    source->values = mem_alloc((size_t)tensor_bytes(s->values) + 1);
    source->count = 0;
    bool fine = !runs || (tensor_read(s->values, NULL, NULL, source->values, err) &&
                          (s->layout == SPARSE_COO ? place_coo(source, err)
                                                   : place_compressed(source, err)));
    if (fine) {
        qsort(source->runs, source->count, sizeof *source->runs, compare_runs);
        add_up(source);
        source->ready = true;
        return true;
    }
    unload(source);
    return false;
}

/* The first run that ends behind byte `offset`. */
static size_t find_run(const SparseSource *source, uint64_t offset)
{
    size_t low = 0, high = source->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((source->runs[middle].to + 1) * source->run_bytes <= offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Copies the range out of what is loaded. */
static void copy_runs(const SparseSource *source, uint64_t offset, void *out, size_t n)
{
    memset(out, 0, n);
    uint64_t size = source->run_bytes;
    for (size_t i = find_run(source, offset); i < source->count; i++) {
        uint64_t start = source->runs[i].to * size;
        if (start >= offset + n) break;
        uint64_t from = start < offset ? offset : start;
        uint64_t end = start + size < offset + n ? start + size : offset + n;
        memcpy((unsigned char *)out + (from - offset),
               source->values + source->runs[i].from * size + (from - start), (size_t)(end - from));
    }
}

/* Whoever reads to the end is done with it: a file may have thousands of such tensors, and only
 * the one under way should take memory. */
static bool read_sparse(ByteSource *base, uint64_t offset, void *out, size_t n, Error *err)
{
    SparseSource *source = (SparseSource *)base;
    pthread_mutex_lock(&source->lock);
    bool fine = source->ready || load(source, err);
    if (fine) copy_runs(source, offset, out, n);
    if (fine && offset + n == base->size) unload(source);
    pthread_mutex_unlock(&source->lock);
    return fine;
}

static void close_sparse(ByteSource *base)
{
    SparseSource *source = (SparseSource *)base;
    pthread_mutex_destroy(&source->lock);
    unload(source);
    free(source->name);
    free(source);
}

ByteSource *sparse_source(const Sparse *sparse, uint64_t bytes, const char *name)
{
    static const ByteSourceOps ops = {read_sparse, NULL, close_sparse, NULL};
    SparseSource *source = mem_alloc(sizeof *source);
    source->name = mem_strdup(name);
    source->sparse = *sparse;
    source->base = (ByteSource){.ops = &ops, .name = source->name, .size = bytes};
    atomic_init(&source->base.refs, 1);
    pthread_mutex_init(&source->lock, NULL);
    return &source->base;
}
