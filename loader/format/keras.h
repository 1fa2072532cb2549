/* Keras: what an HDF5 file's groups mean, for whoever has listed it (a file, a zip, a test). */
#ifndef LOADER_FORMAT_KERAS_H
#define LOADER_FORMAT_KERAS_H

#include "loader/format/hdf5.h"

/* The checkpoint behind a listing, which stays the caller's (hdf5_done). `kind` names the format;
 * NULL: as it is found. `config`: the model's configuration in JSON; NULL: the file's own. NULL
 * when there are no weights, or a tensor is impossible. */
Checkpoint *keras_from_hdf5(OpenContext *context, Hdf5 *hdf5, const char *kind, const char *config,
                            size_t config_bytes, Error *err);
/* A configuration that cannot be read only costs layouts: a finding. */
void keras_find_unconfigured(Checkpoint *checkpoint, const Error *why);

#endif
