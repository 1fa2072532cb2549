/* Tensor and Storage: records about numbers, never the numbers.
 *
 * Shapes are row-major at the door: a format that counts its dimensions the other way turns
 * them round itself. A million Tensors must fit, so a record is small and borrows what it
 * points to from the arena of the StateDict it stands in. */
#ifndef LOADER_TENSOR_TENSOR_H
#define LOADER_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"
#include "loader/source/source.h"
#include "loader/tensor/dtype.h"

enum { TENSOR_RANK_MAX = 32 };   /* documented limit; PyTorch's own is 64, NumPy's 32 */

/* A run of bytes that tensors look into. Tensors with the same Storage share memory. */
typedef struct Storage {
    ByteSource *source;   /* borrowed from the checkpoint; NULL: there are no bytes */
    uint64_t offset;      /* where the storage starts in its source */
    uint64_t bytes;       /* its length */
    DType dtype;          /* of the storage class; DT_U8 for untyped ones */
    uint32_t index;       /* its number in the checkpoint, in order of first use */
} Storage;

typedef struct Tensor Tensor;

/* How integers that PyTorch quantized become numbers: scale · (integer - zero point). */
typedef struct Quantizer {
    double scale;                /* of the whole tensor; where `scales` is NULL */
    int64_t zero_point;
    /* [dims[axis]] each, one per index of `axis`: f64 and i64, or both f32; NULL: one for all. In
     * the arena that the tensor is in; tensor_check sees that they are there. */
    const Tensor *scales, *zero_points;
    int axis;
} Quantizer;

/* How stored bytes become elements, where it is not "little-endian, one after the other". */
typedef struct Encoding {
    bool big_endian;      /* elements (of complex: components) are stored big-endian */
    bool conjugate;       /* the imaginary parts are to be negated on reading */
    bool negate;          /* the values are to be negated on reading */
    bool opaque;          /* the elements cannot be read as numbers (sparse, nested …): shown,
                             never loaded */
    const char *note;     /* for people: "quantized per tensor, scale 0.1, zero point 3" */
    const Quantizer *quantizer;  /* values.h applies it; NULL: none. Elements are the integers */
} Encoding;

struct Tensor {
    const char *name;           /* held name; its key in the StateDict */
    const int64_t *dims;        /* [rank], row-major; NULL = shape unknown (schemas only) */
    const int64_t *strides;     /* [rank], in elements; NULL = contiguous */
    const Storage *storage;     /* NULL = no data (schemas, meta tensors) */
    uint64_t offset;            /* of element 0 from the start of the storage, in bytes */
    const Encoding *encoding;   /* NULL = raw little-endian */
    const void *identity;       /* the Python object it came from: equal = the same object */
    DType dtype;
    uint8_t rank;
    uint8_t layout;             /* Layout (layout.h): the order of its dims, where not PyTorch's */
    bool parameter;             /* nn.Parameter, or requires_grad, which is not kept: detached */
};

/* Number of elements; 1 for rank 0; 0 when the shape is unknown. The reader of the file has
 * checked that it does not overflow. */
uint64_t tensor_count(const Tensor *tensor);
/* Bytes of the values, packed; 0 when shape or dtype is unknown. */
uint64_t tensor_bytes(const Tensor *tensor);
/* Whether the elements lie one after the other in row-major order (dims of size 1 ignored). */
bool tensor_is_contiguous(const Tensor *tensor);
/* Row-major strides, in elements, for dims; a size of 0 counts as 1, as in PyTorch. */
void contiguous_strides(const int64_t *dims, unsigned rank, int64_t *strides);
/* Whether strides are these, those of sizes of 1 as well: NULL can stand for them. */
bool strides_are_plain(const int64_t *dims, const int64_t *strides, unsigned rank);
bool same_dims(const int64_t *a, unsigned a_rank, const int64_t *b, unsigned b_rank);

/* What every reader must ask before it believes a tensor: rank, sizes and strides that are not
 * negative, bytes (zero sizes counted as 1) within 63 bits, and the last element inside the
 * storage, unless it is opaque. Packed and blocked elements must lie one after the other and fill
 * whole blocks; a quantizer must have a number for each index. The error says which of them failed,
 * with the numbers; the caller puts file and tensor before it. */
bool tensor_check(const Tensor *tensor, Error *err);

/* Reads the box [from, from+size) of the tensor, row-major, decoded (byte order, conj, neg) in
 * the tensor's dtype, into `out` (product of sizes elements). NULL from/size = all of it.
 * Booleans come as 0 or 1, whatever byte is stored. Bytes are read in runs as long as strides
 * allow; no value is kept. Packed and blocked types come as they are stored and can only be read
 * in whole blocks (values.h reads any box of them as numbers). Errors begin with "tensor 'NAME':
 * ". */
bool tensor_read(const Tensor *tensor, const int64_t *from, const int64_t *size, void *out,
                 Error *err);
/* The same, scattered: index i of the box lies out_strides[0]·i[0] + … elements behind `out`.
 * NULL = row-major, packed. */
bool tensor_read_strided(const Tensor *tensor, const int64_t *from, const int64_t *size,
                         void *out, const int64_t *out_strides, Error *err);
/* What reading a box of it asks of the storage. */
typedef struct TensorReads {
    uint64_t at, span;       /* bytes of the storage from the first one to the last one */
    uint64_t bytes;          /* that are asked for, gaps that are read along included */
} TensorReads;

/* The same box and strides as tensor_read_strided, without reading; neither may be NULL but
 * `out_strides`. All 0 for what has no values. */
TensorReads tensor_reads(const Tensor *tensor, const int64_t *from, const int64_t *size,
                         const int64_t *out_strides);

#endif
