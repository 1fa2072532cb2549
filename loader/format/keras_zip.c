/* .keras: what Keras 3 saves of a whole model, as a zip.
 *
 *   metadata.json       versions and date
 *   config.json         the model's layers: {"class_name", "config": {"name", …}}
 *   model.weights.h5    the weights (keras.c), stored as they are; some writers deflate them
 *
 * Source: keras/src/saving/saving_lib.py. */
#include <stdlib.h>

#include "loader/format/fault.h"
#include "loader/format/keras.h"
#include "loader/format/zip_kind.h"

static const char weights_name[] = "model.weights.h5", config_name[] = "config.json";

static bool is_keras(const Zip *zip)
{
    return zip_has_member(zip, weights_name) && zip_has_member(zip, config_name);
}

/* The configuration in malloc'd memory. */
static char *read_config(Zip *zip, size_t *n, Error *err)
{
    const ZipMember *member = zip_find_in(zip, zip_prefix(zip), config_name);
    ByteSource *source = member ? zip_open_member(zip, member, err) : NULL;
    if (!source) return NULL;
    char *text = source_slurp_limited(source, LIMIT_INDEX_BYTES, n, err);
    source_unref(source);
    return text;
}

/* A configuration that cannot be read costs names and layouts, not the weights. */
static Checkpoint *open_keras(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    const ZipMember *member = zip_find_in(zip, zip_prefix(zip), weights_name);
    if (!member) {
        fault_file(err, ERR_FORMAT, source->name, "Keras: %s is not where config.json is",
                   weights_name);
        return NULL;
    }
    ByteSource *weights = zip_open_member(zip, member, err);
    if (!weights) return NULL;
    Hdf5 hdf5;
    Error why;
    Checkpoint *checkpoint = NULL;
    if (hdf5_list(&hdf5, weights, err)) {
        size_t n = 0;
        char *config = read_config(zip, &n, &why);
        checkpoint = keras_from_hdf5(context, &hdf5, "keras", config ? config : "{}",
                                     config ? n : 2, err);
        if (checkpoint) {
            checkpoint_own_source(checkpoint, source_ref(source));
            checkpoint_set_file_bytes(checkpoint, source->size);
            if (!config)
                keras_find_unconfigured(checkpoint, &why);
        }
        free(config);
    }
    hdf5_done(&hdf5);
    source_unref(weights);
    return checkpoint;
}

const ZipKind zip_keras = {"keras", is_keras, open_keras};
