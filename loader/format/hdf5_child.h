/* What libhdf5 is asked to do, and always in a child process (source/child.h): it is not safe on
 * hostile files. This header knows nothing of the library, and nothing but hdf5_child*.c does.
 *
 * What the child writes is a row of records, little-endian:
 *
 *   u8 kind | u32 n | n bytes
 *
 *   'O'  u8 0 for a group, 1 for a dataset, 2 for what cannot be opened | its path, "" for the root
 *   'A'  u16 n, name | u32 count | count × (u32 n, text)      a text attribute of the object
 *   'N'  u16 n, name | u8 type | u8 1 for a list | u64 count | the first 64 of count × u64
 *        a numeric one; type: 'i' 'u' integers, 'f' f64 that were f32 or less, 'd' f64, 'b' bools
 *   'D'  u8 big-endian | u8 place | u64 offset | u64 bytes in the file | u8 rank | rank × u64 size
 *        | u8 n, dtype by its name in dtype.h | note            the details of the dataset
 *   'V'  values, as they are in the file                       of the dataset that was asked for
 *   'F'                                                        not all of the object could be read
 *   'L'  name                                                  a text attribute that is too long
 *   'E'  text                                                  why file or values cannot be read
 *   'Z'                                                        the end; what follows is ignored
 *
 * place: 'W' the values are one window of the file at `offset`; 'R' they must be read by the
 * library (chunks, compression, fill values); 'X' they cannot be read, `note` says why. */
#ifndef LOADER_FORMAT_HDF5_CHILD_H
#define LOADER_FORMAT_HDF5_CHILD_H

#include <stdbool.h>
#include <stdint.h>

/* For child_start. The file is CHILD_FILE, from byte `base` on, `size` bytes long; or is asked for
 * through it (source/feeder.h). */
typedef struct Hdf5Task {
    uint64_t base, size;
    bool fed;                /* it is asked for; `base` is 0 */
    const char *path;        /* NULL: list everything; else write the values of this dataset */
    uint64_t bytes;          /* of these values: not one more is written */
} Hdf5Task;

/* Whether tenon was built with libhdf5. */
bool hdf5_is_built(void);
/* Does what the Hdf5Task says and ends the process. */
void hdf5_run(void *context);

#endif
