/* Npy: one array of NumPy in a file of its own, or in a zip of such files.
 *
 *    0 "\x93NUMPY" | 6 u8 major | 7 u8 minor | u16 length (version 1) or u32 (2, 3)
 *      length bytes: a dict of Python as text, padded with blanks, '\n' at the end
 *      {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 *      the elements, in the order of the first or of the last index; or, where descr is 'O', a
 *      pickle of the array
 *
 * Keys stand in any order; Python 2 wrote sizes as 3L. Text is Latin-1, in version 3 UTF-8.
 * Source: numpy/lib/format.py. */
#ifndef LOADER_FORMAT_NPY_H
#define LOADER_FORMAT_NPY_H

#include "loader/format/torch.h"

/* Fixed: only a header of records, which are refused, is longer. */
enum { NPY_HEADER_MAX = 65536, NPY_HEAD_MAX = NPY_HEADER_MAX + 12 };

typedef struct Npy {
    DType dtype;
    bool big_endian;
    bool objects;            /* a pickle stands where the elements should */
    bool fortran;            /* the first index is the fastest */
    bool foreign;            /* why it was refused: elements that are no numbers */
    int64_t dims[TENSOR_RANK_MAX];
    unsigned rank;
    uint64_t offset;         /* of the elements in the file */
    uint64_t bytes;          /* that the elements need; 0 for objects */
} Npy;

/* Reads the header out of the first n bytes of `size` (n is size, or at least NPY_HEAD_MAX). Errors
 * begin with `file`. Refuses elements that hold no numbers, by their name. */
bool npy_read_header(const unsigned char *head, size_t n, uint64_t size, const char *file, Npy *npy,
                     Error *err);
/* The node of the array: a TENSOR whose values lie in `source` (the checkpoint's), or what a
 * pickle says, interpreted. */
Object *npy_make_node(TorchFile *file, const Npy *npy, ByteSource *source, Error *err);

#endif
