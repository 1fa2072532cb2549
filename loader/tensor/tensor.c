/* Tensor records: their arithmetic, what is asked of them before they are believed, and how
 * their values are read: whole runs where strides allow, dense spans that are gathered in
 * memory where they do not, and single runs only where a span would be mostly gaps. */
#include "loader/tensor/tensor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"
#include "loader/core/text.h"
#include "loader/tensor/dequant.h"
#include "loader/tensor/strided.h"

_Static_assert((int)TENSOR_RANK_MAX == (int)STRIDED_RANK_MAX, "boxes of every tensor");

/* A tensor with gaps is read in spans as long as a span costs less than its single reads. */
enum {
    SPAN_MAX = 4 << 20,   /* bytes of storage held at a time */
    READ_COST = 4096      /* a read of its own costs about as much as reading that many bytes */
};

/* -- Arithmetic ------------------------------------------------------------------------ */

/* Cannot wrap: tensor_check has multiplied the same sizes, zeros counted as 1, within 63 bits. */
uint64_t tensor_count(const Tensor *tensor)
{
    if (!tensor->dims) return 0;
    uint64_t count = 1;
    for (unsigned i = 0; i < tensor->rank; i++) count *= (uint64_t)tensor->dims[i];
    return count;
}

uint64_t tensor_bytes(const Tensor *tensor)
{
    uint64_t bytes;
    return dtype_bytes(tensor->dtype, tensor_count(tensor), &bytes) ? bytes : 0;
}

/* Without elements there is nothing that could lie apart. */
bool tensor_is_contiguous(const Tensor *tensor)
{
    if (!tensor->strides || !tensor->dims) return true;
    for (unsigned i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] == 0) return true;
    return strided_is_packed(tensor->dims, tensor->rank, tensor->strides);
}

void contiguous_strides(const int64_t *dims, unsigned rank, int64_t *strides)
{
    strided_pack(dims, rank, strides);
}

bool strides_are_plain(const int64_t *dims, const int64_t *strides, unsigned rank)
{
    uint64_t expected = 1;
    for (unsigned i = rank; i-- > 0;) {
        if (dims[i] < 0 || strides[i] < 0 || (uint64_t)strides[i] != expected) return false;
        if (!sum_mul(expected, dims[i] ? (uint64_t)dims[i] : 1, &expected)) return false;
    }
    return true;
}

/* Unknown shapes equal only each other. */
bool same_dims(const int64_t *a, unsigned a_rank, const int64_t *b, unsigned b_rank)
{
    if (!a || !b) return a == b;
    return a_rank == b_rank && (a_rank == 0 || memcmp(a, b, a_rank * sizeof *a) == 0);
}

/* -- Before a tensor is believed ------------------------------------------------------- */

/* "shape [2,3] f32" in front of what is wrong with it. */
static bool refuse(const Tensor *tensor, Error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool refuse(const Tensor *tensor, Error *err, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_add(&text, "shape [");
    for (unsigned i = 0; i < tensor->rank && i < TENSOR_RANK_MAX; i++)
        text_addf(&text, "%s%" PRId64, i ? "," : "", tensor->dims[i]);
    text_addf(&text, "] %s ", dtype_name(tensor->dtype));
    text_addv(&text, format, args);
    va_end(args);
    error_set(err, ERR_FORMAT, "%s", text_string(&text));
    text_done(&text);
    return false;
}

/* Dims and strides are no less than 0, and the sizes, zeros aside, multiply to what 63 bits can
 * count in bytes: later arithmetic over them cannot wrap. Packed and blocked elements count four
 * bytes each, which is what they are read as. */
static bool check_shape(const Tensor *tensor, Error *err)
{
    uint64_t bytes = dtype_size(tensor->dtype) ? dtype_size(tensor->dtype) : 4;
    for (unsigned i = 0; i < tensor->rank; i++) {
        int64_t dim = tensor->dims[i];
        if (dim < 0) return refuse(tensor, err, "has a negative size in dim %u", i);
        if (!sum_mul(bytes, dim ? (uint64_t)dim : 1, &bytes) || bytes > INT64_MAX)
            return refuse(tensor, err, "has more bytes than 63 bits can count");
        if (tensor->strides && tensor->strides[i] < 0)
            return refuse(tensor, err, "has stride %" PRId64 " in dim %u, which is negative",
                          tensor->strides[i], i);
    }
    return true;
}

/* Packed: bytes that belong to several elements cannot be strided over. */
static bool check_blocks(const Tensor *tensor, Error *err)
{
    unsigned block = dtype_info(tensor->dtype)->block;
    if (tensor_is_contiguous(tensor) && tensor_count(tensor) % block == 0) return true;
    if (dtype_info(tensor->dtype)->bits)
        return refuse(tensor, err, "is packed, but does not fill whole bytes one after the other");
    return refuse(tensor, err, "does not fill whole blocks of %u elements one after the other",
                  block);
}

/* A scale and a zero point for every index of an axis that is there. */
static bool check_quantizer(const Tensor *tensor, Error *err)
{
    const Quantizer *quantizer = tensor->encoding ? tensor->encoding->quantizer : NULL;
    if (!quantizer || !quantizer->scales) return true;
    if (quantizer->axis < 0 || quantizer->axis >= tensor->rank)
        return refuse(tensor, err, "is quantized along dim %d, which is not there",
                      quantizer->axis);
    const Tensor *parts[] = {quantizer->scales, quantizer->zero_points};
    for (size_t i = 0; i < countof(parts); i++)
        if (!parts[i] || !parts[i]->dims || parts[i]->rank != 1 || !parts[i]->storage ||
            parts[i]->dims[0] != tensor->dims[quantizer->axis])
            return refuse(tensor, err, "is quantized along dim %d, but has no %s for each index",
                          quantizer->axis, i ? "zero point" : "scale");
    return true;
}

/* The bytes from the start of the storage to the end of the last element; false on overflow. The
 * last element is the one with the largest index along every axis: no stride is negative. */
static bool find_end(const Tensor *tensor, uint64_t *end)
{
    uint64_t last = 0, step, bytes;
    if (!tensor->strides) {
        last = tensor_count(tensor) - 1;
    } else {
        for (unsigned i = 0; i < tensor->rank; i++)
            if (!sum_mul((uint64_t)tensor->dims[i] - 1, (uint64_t)tensor->strides[i], &step) ||
                !sum_add(last, step, &last))
                return false;
    }
    return sum_add(last, 1, &last) && dtype_bytes(tensor->dtype, last, &bytes) &&
           sum_add(tensor->offset, bytes, end);
}

/* In the order in which each step is safe: the rank before the arrays are walked, the shape
 * before its product is used, the extent last. */
bool tensor_check(const Tensor *tensor, Error *err)
{
    uint64_t end;
    if (tensor->rank > TENSOR_RANK_MAX)
        return error_set(err, ERR_LIMIT, "%u dimensions, more than the limit of %d", tensor->rank,
                         TENSOR_RANK_MAX);
    if (!tensor->dims) return true;
    if (!check_shape(tensor, err)) return false;
    bool opaque = tensor->encoding && tensor->encoding->opaque;
    unsigned block = dtype_info(tensor->dtype)->block;
    if (!tensor->storage || opaque || !block) return true;
    if (!check_quantizer(tensor, err)) return false;
    if (tensor_count(tensor) == 0) return true;
    if (block > 1 && !check_blocks(tensor, err)) return false;
    if (!find_end(tensor, &end))
        return refuse(tensor, err, "at byte %" PRIu64 " ends beyond what 64 bits can address",
                      tensor->offset);
    if (end <= tensor->storage->bytes) return true;
    if (tensor->offset == 0 && tensor_is_contiguous(tensor))
        return refuse(tensor, err, "needs %" PRIu64 " bytes, the storage has %" PRIu64, end,
                      tensor->storage->bytes);
    return refuse(tensor, err, "at byte %" PRIu64 " reaches to byte %" PRIu64
                  ", the storage has %" PRIu64, tensor->offset, end, tensor->storage->bytes);
}

/* -- Reading --------------------------------------------------------------------------- */

/* One tensor_read under way. */
typedef struct Reader {
    ByteSource *source;      /* of the tensor's storage; borrowed */
    size_t element;          /* bytes of one */
    unsigned char *scratch;  /* SPAN_MAX bytes at most; owned */
    size_t scratch_room;     /* bytes; grows to the largest span so far */
    Error *err;
} Reader;

/* What a set of axes takes to read: the bytes between first and last, the bytes wanted, and
 * the runs these are scattered over. */
typedef struct Extent {
    uint64_t span, data, runs;
} Extent;

/* Axes of stride 0 repeat what is read once, so they cost nothing. */
static Extent measure(const StridedAxis *axes, unsigned count, size_t element)
{
    Extent extent = {element, element, 1};
    for (unsigned i = 0; i < count; i++) {
        if (axes[i].in == 0) continue;
        extent.span += (uint64_t)(axes[i].size - 1) * (uint64_t)axes[i].in * element;
        extent.data *= (uint64_t)axes[i].size;
        if (axes[i].in != 1) extent.runs *= (uint64_t)axes[i].size;
    }
    return extent;
}

/* Whether reading the gaps too is cheaper than a read for every run. */
static bool is_worth_a_span(Extent extent)
{
    return extent.span <= SPAN_MAX && extent.span <= 4 * extent.data + extent.runs * READ_COST;
}

static void grow_scratch(Reader *reader, uint64_t span)
{
    if (span <= reader->scratch_room) return;
    reader->scratch = mem_realloc(reader->scratch, (size_t)span);
    reader->scratch_room = (size_t)span;
}

/* Reads everything from the first to the last byte, and picks the elements out of it. */
static bool gather_span(Reader *reader, const StridedAxis *axes, unsigned count, uint64_t at,
                        uint64_t span, unsigned char *out)
{
    grow_scratch(reader, span);
    if (!source_read(reader->source, at, reader->scratch, (size_t)span, reader->err)) return false;
    strided_copy(axes, count, reader->element, reader->scratch, out);
    return true;
}

/* One run of bytes on both sides. */
static bool is_run(const StridedAxis *axes, unsigned count)
{
    return count == 0 || (count == 1 && axes[0].in == 1 && axes[0].out == 1);
}

/* How axes are read that are no run and no span worth reading: cut along the one with the
 * largest stride, into pieces that are worth it, else into single indices, each of which has an
 * axis less. */
typedef struct Cut {
    StridedAxis piece[TENSOR_RANK_MAX];
    unsigned count;          /* of the axes of a piece */
    unsigned axis;           /* that is cut */
    int64_t step;            /* indices of it in a piece */
} Cut;

static void cut_axes(const StridedAxis *axes, unsigned count, size_t element, Cut *cut)
{
    cut->axis = 0;
    cut->count = count;
    for (unsigned i = 1; i < count; i++)
        if (axes[i].in > axes[cut->axis].in) cut->axis = i;
    /* `rest`: the span of one index along the cut axis; `step`: how many indices fit SPAN_MAX */
    StridedAxis *piece = cut->piece, axis = axes[cut->axis];
    memcpy(piece, axes, count * sizeof *axes);
    piece[cut->axis].size = 1;
    uint64_t rest = measure(piece, count, element).span;
    uint64_t stride = (uint64_t)axis.in * element;
    cut->step = rest <= SPAN_MAX ? (int64_t)((SPAN_MAX - rest) / stride) + 1 : 1;
    if (cut->step > axis.size) cut->step = axis.size;
    piece[cut->axis].size = cut->step;
    if (cut->step > 1 && is_worth_a_span(measure(piece, count, element))) return;
    cut->step = 1;
    memmove(piece + cut->axis, axes + cut->axis + 1, (--cut->count - cut->axis) * sizeof *axes);
}

/* Runs too far apart for a span, which are scattered in the output: as many as fit are read one
 * behind the other, so that they are scattered in tiles. */
static bool gather_runs(Reader *reader, StridedAxis apart, StridedAxis run, uint64_t at,
                        unsigned char *out)
{
    const uint64_t bytes = (uint64_t)run.size * reader->element;
    const int64_t most = (int64_t)(SPAN_MAX / bytes), element = (int64_t)reader->element;
    grow_scratch(reader, (uint64_t)(most < apart.size ? most : apart.size) * bytes);
    for (int64_t i = 0; i < apart.size; i += most) {
        const int64_t n = apart.size - i < most ? apart.size - i : most;
        for (int64_t k = 0; k < n; k++)
            if (!source_read(reader->source, at + (uint64_t)((i + k) * apart.in * element),
                             reader->scratch + (uint64_t)k * bytes, (size_t)bytes, reader->err))
                return false;
        const StridedAxis axes[2] = {{n, run.size, apart.out}, run};
        strided_copy(axes, 2, reader->element, reader->scratch, out + i * apart.out * element);
    }
    return true;
}

/* Reads the axes from byte `at` on; the recursion is no deeper than the rank. */
static bool read_axes(Reader *reader, const StridedAxis *axes, unsigned count, uint64_t at,
                      unsigned char *out)
{
    Extent extent = measure(axes, count, reader->element);
    if (is_run(axes, count))
        return source_read(reader->source, at, out, (size_t)extent.data, reader->err);
    if (is_worth_a_span(extent)) return gather_span(reader, axes, count, at, extent.span, out);
    Cut cut;
    cut_axes(axes, count, reader->element, &cut);
    const StridedAxis axis = axes[cut.axis];
    const bool scattered = cut.step == 1 && cut.count == 1 && cut.piece[0].in == 1 &&
                           cut.piece[0].out != 1;
    if (scattered && measure(cut.piece, 1, reader->element).span <= SPAN_MAX)
        return gather_runs(reader, axis, cut.piece[0], at, out);
    const int64_t element = (int64_t)reader->element;
    for (int64_t i = 0; i < axis.size; i += cut.step) {
        if (cut.step > 1 && axis.size - i < cut.step) cut.piece[cut.axis].size = axis.size - i;
        if (!read_axes(reader, cut.piece, cut.count, at + (uint64_t)(i * axis.in * element),
                       out + i * axis.out * element))
            return false;
    }
    return true;
}

/* How many bytes that asks for. */
static uint64_t count_axes(const StridedAxis *axes, unsigned count, size_t element)
{
    const Extent extent = measure(axes, count, element);
    if (is_run(axes, count)) return extent.data;
    if (is_worth_a_span(extent)) return extent.span;
    Cut cut;
    cut_axes(axes, count, element, &cut);
    const int64_t size = axes[cut.axis].size;
    uint64_t bytes = (uint64_t)(size / cut.step) * count_axes(cut.piece, cut.count, element);
    if (size % cut.step == 0) return bytes;
    cut.piece[cut.axis].size = size % cut.step;
    return bytes + count_axes(cut.piece, cut.count, element);
}

/* -- Decoding, in place, over packed bytes --------------------------------------------- */

/* Turns the bytes of every component round: big-endian to little-endian. */
static void swap_components(unsigned char *bytes, size_t n, size_t width)
{
    for (unsigned char *end = bytes + n; bytes < end; bytes += width)
        for (size_t i = 0; i < width / 2; i++) {
            unsigned char byte = bytes[i];
            bytes[i] = bytes[width - 1 - i];
            bytes[width - 1 - i] = byte;
        }
}

/* Flips the sign of every `step`-th component from `first` on: the top bit of its last byte. */
static void flip_signs(unsigned char *bytes, size_t n, size_t width, size_t first, size_t step)
{
    for (size_t i = first * width + width - 1; i < n; i += step * width) bytes[i] ^= 0x80;
}

/* Two's complement of any width: all bits turned, plus one. */
static void negate_integers(unsigned char *bytes, size_t n, size_t width)
{
    for (unsigned char *end = bytes + n; bytes < end; bytes += width) {
        unsigned carry = 1;
        for (size_t i = 0; i < width; i++) {
            carry += (unsigned char)~bytes[i];
            bytes[i] = (unsigned char)carry;
            carry >>= 8;
        }
    }
}

/* The sign bit alone is NaN in these, and zero has none. */
static void negate_fnuz(unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] & 0x7F) bytes[i] ^= 0x80;
}

/* torch's neg bit, which any type may have. */
static bool negate(DType dtype, unsigned char *bytes, size_t n, Error *err)
{
    const DTypeInfo *info = dtype_info(dtype);
    size_t width = info->bits / 8;
    if (info->kind == CLASS_COMPLEX) flip_signs(bytes, n, width / 2, 0, 1);
    else if (dtype == DT_F8_E4M3FNUZ || dtype == DT_F8_E5M2FNUZ) negate_fnuz(bytes, n);
    else if (info->kind == CLASS_FLOAT && dtype != DT_F8_E8M0) flip_signs(bytes, n, width, 0, 1);
    else if (info->kind == CLASS_INT || info->kind == CLASS_UINT) negate_integers(bytes, n, width);
    else return error_set(err, ERR_UNSUPPORTED, "values of type %s cannot be negated", info->name);
    return true;
}

/* Whether stored bytes differ from the elements that they mean. */
static bool needs_decoding(const Tensor *tensor)
{
    const Encoding *e = tensor->encoding;
    return tensor->dtype == DT_BOOL || (e && (e->big_endian || e->conjugate || e->negate));
}

/* In place, over n packed bytes. */
static bool decode(const Tensor *tensor, unsigned char *bytes, size_t n, Error *err)
{
    const Encoding none = {0}, *e = tensor->encoding ? tensor->encoding : &none;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    bool complex = info->kind == CLASS_COMPLEX;
    size_t width = dtype_size(tensor->dtype);
    size_t component = complex ? width / 2 : width;
    if (e->big_endian && component > 1) swap_components(bytes, n, component);
    if (e->big_endian && !width && !dequant_swap(tensor->dtype, bytes, n / info->block_bytes))
        return error_set(err, ERR_UNSUPPORTED, "%s values of big-endian files are not read: how "
                         "their blocks are turned round is nowhere defined", info->name);
    if (e->conjugate && complex) flip_signs(bytes, n, component, 1, 2);
    if (e->negate && !negate(tensor->dtype, bytes, n, err)) return false;
    if (tensor->dtype == DT_BOOL)
        for (size_t i = 0; i < n; i++) bytes[i] = bytes[i] != 0;
    return true;
}

/* Packed and blocked elements that do not end with their row: only runs that start and end with
 * a block. */
static bool read_packed(const Tensor *tensor, const StridedAxis *axes, unsigned count,
                        uint64_t first, void *out, Error *err)
{
    const DTypeInfo *info = dtype_info(tensor->dtype);
    uint64_t n = count ? (uint64_t)axes[0].size : 1;
    if (count > 1 || (count && (axes[0].in != 1 || axes[0].out != 1)) || first % info->block ||
        n % info->block)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s values are packed and can only be copied in whole %s", info->name,
                         info->bits ? "bytes" : "blocks");
    const Storage *storage = tensor->storage;
    return source_read(storage->source, storage->offset + tensor->offset +
                       first / info->block * info->block_bytes, out,
                       (size_t)(n / info->block * info->block_bytes), err);
}

/* What a read needs, and that the box lies inside. An empty box needs no bytes. */
static bool check_readable(const Tensor *tensor, const int64_t *from, const int64_t *size,
                           Error *err)
{
    if (tensor->encoding && tensor->encoding->opaque)
        return error_set(err, ERR_UNSUPPORTED, "cannot be read as plain numbers (%s)",
                         tensor->encoding->note ? tensor->encoding->note : "unknown layout");
    if (!tensor->dims || !dtype_info(tensor->dtype)->block)
        return error_set(err, ERR_NOT_FOUND, "has no values: shape or dtype is unknown");
    for (unsigned i = 0; i < tensor->rank; i++)
        if (from[i] < 0 || size[i] < 0 || from[i] > tensor->dims[i] - size[i])
            return error_set(err, ERR_INTERNAL, "box outside the tensor in dim %u", i);
    for (unsigned i = 0; i < tensor->rank; i++)
        if (size[i] == 0) return true;
    if (!tensor->storage || !tensor->storage->source)
        return error_set(err, ERR_NOT_FOUND, "has no values (a schema, or on the meta device)");
    return true;
}

/* Whether the box consists of whole blocks along the rows: then the blocks are elements, of which
 * the last axis has the fewer. Strides of `out` must be those of whole blocks too. */
static bool is_blocked(const Tensor *tensor, const int64_t *from, const int64_t *size,
                       const int64_t *out_strides)
{
    int64_t block = dtype_info(tensor->dtype)->block;
    unsigned last = tensor->rank - 1u;
    if (!tensor->rank || tensor->dims[last] % block || from[last] % block || size[last] % block)
        return false;
    for (unsigned i = 0; out_strides && i < last; i++)
        if (out_strides[i] % block) return false;
    return !out_strides || out_strides[last] == 1;
}

/* The same box with blocks for elements. */
typedef struct BlockGrid {
    int64_t dims[TENSOR_RANK_MAX], from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX],
        out_strides[TENSOR_RANK_MAX];
} BlockGrid;

static void make_grid(BlockGrid *grid, const Tensor *tensor, const int64_t *from,
                      const int64_t *size, const int64_t *out_strides)
{
    int64_t block = dtype_info(tensor->dtype)->block;
    unsigned last = tensor->rank - 1u;
    for (unsigned i = 0; i <= last; i++) {
        int64_t unit = i == last ? block : 1;
        grid->dims[i] = tensor->dims[i] / unit;
        grid->from[i] = from[i] / unit;
        grid->size[i] = size[i] / unit;
        if (out_strides) grid->out_strides[i] = i == last ? 1 : out_strides[i] / block;
    }
}

/* A box as it lies in the storage. */
typedef struct StoredBox {
    StridedAxis axes[TENSOR_RANK_MAX];
    unsigned count;
    uint64_t first;          /* elements before it, or blocks where `blocked` */
    bool blocked;            /* whole blocks are the elements */
} StoredBox;

static void store_box(const Tensor *tensor, const int64_t *from, const int64_t *size,
                      const int64_t *out_strides, StoredBox *box)
{
    int64_t packed[TENSOR_RANK_MAX];
    const int64_t *strides = tensor->strides, *dims = tensor->dims;
    BlockGrid grid;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    box->blocked = info->block > 1 && is_blocked(tensor, from, size, out_strides);
    if (box->blocked) {
        make_grid(&grid, tensor, from, size, out_strides);
        dims = grid.dims;
        from = grid.from;
        size = grid.size;
        if (out_strides) out_strides = grid.out_strides;
    }
    if (!strides || info->block > 1) {   /* blocks lie one after the other */
        contiguous_strides(dims, tensor->rank, packed);
        strides = packed;
    }
    box->first = 0;
    for (unsigned i = 0; i < tensor->rank; i++)
        box->first += (uint64_t)from[i] * (uint64_t)strides[i];
    box->count = strided_axes(size, tensor->rank, strides, out_strides, box->axes);
}

/* Everything but decoding; `out` is strided. The box is not empty. */
static bool read_box(const Tensor *tensor, const int64_t *from, const int64_t *size,
                     unsigned char *out, const int64_t *out_strides, Error *err)
{
    StoredBox box;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    store_box(tensor, from, size, out_strides, &box);
    if (info->block > 1 && !box.blocked)
        return read_packed(tensor, box.axes, box.count, box.first, out, err);
    /* tensor_check() has made sure that none of these sums wraps. */
    Reader reader = {tensor->storage->source, info->block_bytes, NULL, 0, err};
    uint64_t at = tensor->storage->offset + tensor->offset + box.first * reader.element;
    bool ok = read_axes(&reader, box.axes, box.count, at, out);
    free(reader.scratch);
    return ok;
}

/* Decoding works on packed bytes; a scattered box that needs it is read beside and moved. Blocks
 * that need it come packed, or not at all. */
static bool read_decoded(const Tensor *tensor, const int64_t *from, const int64_t *size,
                         void *out, const int64_t *out_strides, Error *err)
{
    uint64_t bytes = 1;
    for (unsigned i = 0; i < tensor->rank; i++) bytes *= (uint64_t)size[i];
    bool whole = dtype_bytes(tensor->dtype, bytes, &bytes);
    if (!needs_decoding(tensor) || !whole)
        return read_box(tensor, from, size, out, out_strides, err);
    if (strided_is_packed(size, tensor->rank, out_strides))
        return read_box(tensor, from, size, out, NULL, err) &&
               decode(tensor, out, (size_t)bytes, err);
    if (!dtype_size(tensor->dtype))
        return error_set(err, ERR_UNSUPPORTED, "%s values are packed and can only be copied in "
                         "whole blocks", dtype_name(tensor->dtype));
    unsigned char *box = mem_realloc(NULL, (size_t)bytes);
    bool ok = read_box(tensor, from, size, box, NULL, err) &&
              decode(tensor, box, (size_t)bytes, err);
    if (ok)
        strided_move(size, tensor->rank, dtype_size(tensor->dtype), box, NULL, out, out_strides);
    free(box);
    return ok;
}

/* The box is checked whatever it holds; an empty one then needs no bytes, and no storage. The
 * name goes in front of every error, once, here. */
bool tensor_read_strided(const Tensor *tensor, const int64_t *from, const int64_t *size,
                         void *out, const int64_t *out_strides, Error *err)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    if (!from) from = zeros;
    if (!size) size = tensor->dims;
    bool ok = check_readable(tensor, from, size, err), empty = false;
    for (unsigned i = 0; ok && i < tensor->rank; i++) empty = empty || size[i] == 0;
    if (ok && !empty) ok = read_decoded(tensor, from, size, out, out_strides, err);
    if (ok || !tensor->name) return ok;
    Text name = {0};
    name_show(tensor->name, &name);
    error_prefix(err, "tensor '%s'", text_string(&name));
    text_done(&name);
    return false;
}

/* What needs decoding comes packed. */
TensorReads tensor_reads(const Tensor *tensor, const int64_t *from, const int64_t *size,
                         const int64_t *out_strides)
{
    StoredBox box;
    const DTypeInfo *info = dtype_info(tensor->dtype);
    uint64_t count = 1, bytes;
    for (unsigned i = 0; i < tensor->rank; i++) count *= (uint64_t)size[i];
    if (!tensor->storage || !info->block || count == 0) return (TensorReads){0};
    const bool whole = dtype_bytes(tensor->dtype, count, &bytes);
    if (whole && needs_decoding(tensor)) out_strides = NULL;
    store_box(tensor, from, size, out_strides, &box);
    if (info->block > 1 && !box.blocked)
        return (TensorReads){tensor->offset + box.first / info->block * info->block_bytes,
                             whole ? bytes : 0, whole ? bytes : 0};
    return (TensorReads){tensor->offset + box.first * info->block_bytes,
                         measure(box.axes, box.count, info->block_bytes).span,
                         count_axes(box.axes, box.count, info->block_bytes)};
}

bool tensor_read(const Tensor *tensor, const int64_t *from, const int64_t *size, void *out,
                 Error *err)
{
    return tensor_read_strided(tensor, from, size, out, NULL, err);
}
