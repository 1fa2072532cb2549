/* What the files of the child that calls libhdf5 share. For hdf5_child*.c only, and only where
 * there is libhdf5. */
#ifndef LOADER_FORMAT_HDF5_CHILD_PARTS_H
#define LOADER_FORMAT_HDF5_CHILD_PARTS_H

/* The interface of 1.10, which later versions keep. */
#define H5_USE_110_API
#include <hdf5.h>

#include "loader/core/text.h"

/* One record of what hdf5_child.h describes; NULL: without a payload. */
void hdf5_send(char kind, const Text *payload);
/* `width` bytes, the lowest first. */
void hdf5_add_little(Text *text, uint64_t value, unsigned width);
/* Whether it is h5py's bool: an enumeration of FALSE and TRUE over one byte. */
bool hdf5_is_bool(hid_t type);
/* For H5Aiterate2: the attribute of that name, if it is text or numbers. */
herr_t hdf5_send_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context);

#endif
