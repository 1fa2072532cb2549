/* A box is walked in pieces. Of each, the blocks that it touches are read as they are stored,
 * turned into f32 where they belong if the piece cuts none of them, and beside if it does. */
#include "loader/tensor/values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/core/text.h"
#include "loader/tensor/box.h"
#include "loader/tensor/dequant.h"
#include "loader/tensor/strided.h"

/* Elements at a time, whole blocks counted: 256 KiB of numbers stay in the second-level cache. */
enum { PIECE = 1 << 16 };

/* A call under way: memory that its pieces share. */
typedef struct Work {
    const Tensor *tensor;        /* borrowed */
    unsigned char *raw;          /* what is stored; owned */
    size_t raw_room;
    float *row;                  /* a row with its cut blocks; owned */
    size_t row_room;
    double *scales;              /* of a Quantizer's axis; owned */
    double *zero_points;
    size_t channel_room;         /* of both */
    uint64_t *counted;           /* bytes are only counted, nothing is read; NULL: they are read */
    Error *err;
} Work;

/* A packed box of the tensor, or of another one that it needs, as it is stored. */
static bool fetch(const Work *work, const Tensor *tensor, const int64_t *from, const int64_t *size,
                  void *out)
{
    if (!work->counted) return tensor_read(tensor, from, size, out, work->err);
    *work->counted += tensor_reads(tensor, from, size, NULL).bytes;
    return true;
}

/* PyTorch's quantized types are integers until a Quantizer says more. */
DType tensor_value_dtype(const Tensor *tensor, const char **why)
{
    const Encoding *encoding = tensor->encoding;
    const char *problem = NULL, *ignored;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    if (!why) why = &ignored;
    if (encoding && encoding->opaque)
        problem = encoding->note ? encoding->note : "no plain numbers";
    else if (info->kind == CLASS_OTHER) problem = "of no known dtype";
    else if (dtype_of_values(tensor->dtype) == DT_UNKNOWN)
        problem = "packed, 6 bits a value, in a way that no format defines";
    else if (info->kind == CLASS_QUANT && info->torch_storage &&
             !(encoding && encoding->quantizer))
        problem = "quantized, without its scale";
    *why = problem;
    return problem ? DT_UNKNOWN : dtype_of_values(tensor->dtype);
}

/* Grows to the largest piece, and stays: contents need not be kept. */
static void *make_room(void *array, size_t *room, size_t want, size_t size)
{
    if (want <= *room) return array;
    *room = want;
    return mem_realloc(array, want * size);
}

static size_t count_box(const int64_t *size, unsigned rank)
{
    size_t count = 1;
    for (unsigned i = 0; i < rank; i++) count *= (size_t)size[i];
    return count;
}

/* -- Quantizers ------------------------------------------------------------------------ */

/* n numbers of a Quantizer's tensor from `first` on, as doubles: they hold zero points exactly as
 * far as f32 does, which is what PyTorch makes of them. */
static bool read_channels(const Work *work, const Tensor *tensor, int64_t first, int64_t n,
                          double *out)
{
    unsigned char *raw = mem_realloc(NULL, (size_t)n * (dtype_size(tensor->dtype) + 1));
    bool ok = fetch(work, tensor, &first, &n, raw);
    if (ok && !work->counted) dtype_to_doubles(tensor->dtype, raw, out, (size_t)n);
    free(raw);
    return ok;
}

/* PyTorch computes: one scale for all in f32, the difference as a 32-bit integer (fbgemm's
 * Dequantize); a scale a channel in f64, the difference in f32; and everything in f32 where zero
 * points are floats (QuantizedOpKernels.cpp). */
static void scale_channel(const Quantizer *quantizer, double scale, double zero, const int32_t *in,
                          float *out, size_t n)
{
    float narrow = (float)scale, zero_narrow = (float)zero;
    if (!quantizer->scales) {
        uint32_t point = (uint32_t)quantizer->zero_point;
        for (size_t i = 0; i < n; i++) out[i] = narrow * (float)(int32_t)((uint32_t)in[i] - point);
    } else if (quantizer->zero_points->dtype == DT_F32) {
        for (size_t i = 0; i < n; i++) out[i] = ((float)in[i] - zero_narrow) * narrow;
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(scale * (double)((float)in[i] - zero_narrow));
    }
}

/* The integers of a packed box become numbers. */
static bool scale_box(Work *work, const int64_t *from, const int64_t *size, const int32_t *in,
                      float *out)
{
    const Quantizer *quantizer = work->tensor->encoding->quantizer;
    unsigned rank = work->tensor->rank;
    size_t count = count_box(size, rank), inner = 1;
    if (!quantizer->scales) {
        if (!work->counted) scale_channel(quantizer, quantizer->scale, 0, in, out, count);
        return true;
    }
    unsigned axis = (unsigned)quantizer->axis;
    size_t channels = (size_t)size[axis], room = work->channel_room;
    for (unsigned i = axis + 1; i < rank; i++) inner *= (size_t)size[i];
    work->scales = make_room(work->scales, &room, channels, sizeof *work->scales);
    work->zero_points = make_room(work->zero_points, &work->channel_room, channels,
                                  sizeof *work->zero_points);
    if (!read_channels(work, quantizer->scales, from[axis], size[axis], work->scales) ||
        !read_channels(work, quantizer->zero_points, from[axis], size[axis], work->zero_points))
        return false;
    if (work->counted) return true;
    for (size_t i = 0; i < count; i += inner) {
        size_t channel = i / inner % channels;
        scale_channel(quantizer, work->scales[channel], work->zero_points[channel], in + i, out + i,
                      inner);
    }
    return true;
}

/* qint8, quint8 and qint32 become 32-bit integers; n of them lie at `raw`. */
static void widen_integers(DType dtype, const unsigned char *raw, int32_t *out, size_t n)
{
    DType plain = dtype == DT_QINT8 ? DT_I8 : dtype == DT_QUINT8 ? DT_U8 : DT_I32;
    dtype_convert(plain, raw, DT_I32, out, n);
}

/* A piece of what has an integer per element: read by any strides, since elements are whole
 * bytes. */
static bool read_integers(Work *work, const int64_t *from, const int64_t *size, float *out)
{
    const Tensor *tensor = work->tensor;
    size_t n = count_box(size, tensor->rank), width = dtype_size(tensor->dtype);
    work->raw = make_room(work->raw, &work->raw_room, n * width, 1);
    if (!fetch(work, tensor, from, size, work->raw)) return false;
    int32_t *integers = mem_realloc(NULL, n * sizeof *integers);
    if (!work->counted) widen_integers(tensor->dtype, work->raw, integers, n);
    bool ok = scale_box(work, from, size, integers, out);
    free(integers);
    return ok;
}

/* -- Blocks ---------------------------------------------------------------------------- */

/* A piece whose rows lie in whole blocks: these are read, from block `low` to block `high` of each
 * row, and what is wanted of them is put into `out`. */
static bool read_rows(Work *work, const int64_t *from, const int64_t *size, float *out)
{
    const Tensor *tensor = work->tensor;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    unsigned last = tensor->rank - 1u;
    int64_t block = info->block, low = from[last] / block;
    int64_t high = (from[last] + size[last] + block - 1) / block;
    int64_t whole_from[TENSOR_RANK_MAX], whole_size[TENSOR_RANK_MAX];
    memcpy(whole_from, from, tensor->rank * sizeof *from);
    memcpy(whole_size, size, tensor->rank * sizeof *size);
    whole_from[last] = low * block;
    whole_size[last] = (high - low) * block;
    size_t rows = count_box(size, last), each = (size_t)(high - low);
    work->raw = make_room(work->raw, &work->raw_room, rows * each * info->block_bytes, 1);
    if (!fetch(work, tensor, whole_from, whole_size, work->raw)) return false;
    if (work->counted) return true;
    if (whole_size[last] == size[last]) {
        dequant_blocks(tensor->dtype, work->raw, rows * each, out);
        return true;
    }
    work->row = make_room(work->row, &work->row_room, each * info->block, sizeof *work->row);
    for (size_t i = 0; i < rows; i++, out += size[last]) {
        dequant_blocks(tensor->dtype, work->raw + i * each * info->block_bytes, each, work->row);
        memcpy(out, work->row + (from[last] - whole_from[last]),
               (size_t)size[last] * sizeof *out);
    }
    return true;
}

/* Rows that do not end with a block (5×4 nibbles do, 4×5 do not): each is a run of all elements as
 * one row. */
static bool read_runs(Work *work, const int64_t *from, const int64_t *size, float *out)
{
    const Tensor *tensor = work->tensor;
    int64_t strides[TENSOR_RANK_MAX], index[TENSOR_RANK_MAX] = {0};
    int64_t all = (int64_t)tensor_count(tensor), first = 0;
    unsigned last = tensor->rank - 1u, i;
    Tensor flat = *tensor;
    flat.dims = &all;
    flat.strides = NULL;
    flat.rank = 1;
    contiguous_strides(tensor->dims, tensor->rank, strides);
    for (i = 0; i <= last; i++) first += from[i] * strides[i];
    work->tensor = &flat;
    bool ok;
    do {
        int64_t at = first;
        for (i = 0; i < last; i++) at += index[i] * strides[i];
        ok = read_rows(work, &at, &size[last], out);
        out += size[last];
        for (i = last; i > 0 && ++index[i - 1] == size[i - 1]; i--) index[i - 1] = 0;
    } while (ok && i > 0);
    work->tensor = tensor;
    return ok;
}

/* A piece, packed. Integers that are packed and quantized are exact in f32. */
static bool read_piece(Work *work, const int64_t *from, const int64_t *size, float *out)
{
    const Tensor *tensor = work->tensor;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    if (info->block == 1) return read_integers(work, from, size, out);
    bool rows = tensor->dims[tensor->rank - 1] % info->block == 0;
    if (!(rows ? read_rows : read_runs)(work, from, size, out)) return false;
    if (!info->torch_storage) return true;
    size_t n = count_box(size, tensor->rank);
    int32_t *integers = mem_realloc(NULL, n * sizeof *integers);
    for (size_t i = 0; !work->counted && i < n; i++) integers[i] = (int32_t)out[i];
    bool ok = scale_box(work, from, size, integers, out);
    free(integers);
    return ok;
}

/* How many elements a piece may have, so that its whole blocks are about PIECE: a column costs a
 * block for each of its elements. */
static uint64_t limit_piece(const Tensor *tensor, const int64_t *size)
{
    uint64_t block = dtype_info(tensor->dtype)->block;
    uint64_t length = tensor->rank ? (uint64_t)size[tensor->rank - 1] : 1;
    return block == 1 || length >= block ? PIECE : PIECE * length / block + 1;
}

/* All pieces, in row-major order, so that a packed output is filled from front to back. */
static bool read_pieces(Work *work, const int64_t *from, const int64_t *size, float *out,
                        const int64_t *out_strides)
{
    unsigned rank = work->tensor->rank;
    bool packed = strided_is_packed(size, rank, out_strides), ok;
    BoxWalk walk;
    if (!box_first(&walk, size, rank, limit_piece(work->tensor, size))) return true;
    float *beside = packed ? NULL : mem_realloc(NULL, (size_t)box_count(&walk) * sizeof *beside);
    do {
        int64_t at[TENSOR_RANK_MAX], offset = 0;
        for (unsigned i = 0; i < rank; i++) {
            at[i] = from[i] + walk.from[i];
            if (!packed) offset += walk.from[i] * out_strides[i];
        }
        ok = read_piece(work, at, walk.size, packed ? out : beside);
        if (packed) out += box_count(&walk);
        else if (ok && !work->counted)
            strided_move(walk.size, rank, sizeof *out, beside, NULL, out + offset, out_strides);
    } while (ok && box_next(&walk));
    free(beside);
    return ok;
}

static void work_done(Work *work)
{
    free(work->raw);
    free(work->row);
    free(work->scales);
    free(work->zero_points);
}

/* -- The entrance ---------------------------------------------------------------------- */

/* Boxes are checked by tensor_read, but for empty ones, which never come so far. */
bool tensor_read_values(const Tensor *tensor, const int64_t *from, const int64_t *size, void *out,
                        const int64_t *out_strides, Error *err)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    const char *why;
    if (dtype_info(tensor->dtype)->kind != CLASS_QUANT)
        return tensor_read_strided(tensor, from, size, out, out_strides, err);
    if (tensor_value_dtype(tensor, &why) == DT_UNKNOWN) {
        Text name = {0};
        if (tensor->name) name_show(tensor->name, &name);
        error_set(err, ERR_UNSUPPORTED, "tensor '%s': cannot be read as numbers (%s)",
                  text_string(&name), why);
        text_done(&name);
        return false;
    }
    if (!tensor->dims || !tensor->storage || !tensor->storage->source)
        return tensor_read(tensor, from, size, out, err);   /* says what is missing */
    Work work = {.tensor = tensor, .err = err};
    const bool ok = read_pieces(&work, from ? from : zeros, size ? size : tensor->dims, out,
                                out_strides);
    work_done(&work);
    return ok;
}

/* What is quantized is read in pieces of whole rows, all of which lie between the box's first row
 * and its last one. */
TensorReads tensor_value_reads(const Tensor *tensor, const int64_t *from, const int64_t *size,
                               void *out, const int64_t *out_strides)
{
    if (dtype_info(tensor->dtype)->kind != CLASS_QUANT)
        return tensor_reads(tensor, from, size, out_strides);
    if (tensor_value_dtype(tensor, NULL) == DT_UNKNOWN || !tensor->dims || !tensor->storage)
        return (TensorReads){0};
    const uint64_t all = tensor_bytes(tensor), rows = tensor->rank ? (uint64_t)tensor->dims[0] : 1;
    const uint64_t row = all / rows, first = tensor->rank ? (uint64_t)from[0] : 0;
    TensorReads reads = {.at = tensor->offset + row * first,
                         .span = row * (tensor->rank ? (uint64_t)size[0] : 1)};
    Error ignored;
    Work work = {.tensor = tensor, .counted = &reads.bytes, .err = &ignored};
    (void)read_pieces(&work, from, size, out, out_strides);
    work_done(&work);
    return reads;
}

bool tensor_check_repeats(const Tensor *tensor, Error *err)
{
    char more[LIMIT_TEXT];
    uint64_t all = tensor_bytes(tensor);
    if (all <= limit(LIMIT_EXPANDED_BYTES) || all <= tensor->storage->bytes) return true;
    return error_set(err, ERR_LIMIT, "its %" PRIu64 " bytes of values repeat the %" PRIu64
                     " of its storage, %s", all, tensor->storage->bytes,
                     limit_text(LIMIT_EXPANDED_BYTES, more));
}
