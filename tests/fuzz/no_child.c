/* Linked into every libFuzzer target in place of hdf5_list: an HDF5 file is one whose child said
 * nothing. A copy of a sanitized process takes a millisecond, and what it does is seen by nobody;
 * fuzz_hdf5 is for what a child says. */
#include "loader/format/hdf5.h"

bool __wrap_hdf5_list(Hdf5 *hdf5, ByteSource *source, Error *err);
bool __wrap_hdf5_list(Hdf5 *hdf5, ByteSource *source, Error *err)
{
    return hdf5_parse(hdf5, source, "", 0, err);
}
