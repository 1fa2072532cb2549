/* Schemas: state dicts without data. What the readers of their spellings share. */
#ifndef LOADER_FORMAT_SCHEMA_H
#define LOADER_FORMAT_SCHEMA_H

#include "loader/format/format.h"

/* One tensor of a schema, as far as it is said. */
typedef struct SchemaTensor {
    const char *name;            /* borrowed; copied by schema_add */
    DType dtype;                 /* DT_UNKNOWN: not said */
    bool has_shape;              /* false: not known */
    unsigned rank;               /* sizes in dims; without has_shape of no meaning */
    int64_t dims[TENSOR_RANK_MAX];   /* [rank], row-major */
    const char *unit;            /* where it stands, for errors: "line", "byte" … */
    uint64_t place;              /* and which; 0: `unit` says it all */
} SchemaTensor;

/* Adds a tensor without data. Refuses a name that is there already and a shape that
 * tensor_check does not believe. */
bool schema_add(StateDict *dict, const SchemaTensor *tensor, const char *file, Error *err);

/* By its name here, in PyTorch or in safetensors; "?" and "" are DT_UNKNOWN. False: no dtype. */
bool schema_dtype(const char *name, DType *dtype);

/* A checkpoint of the format "schema" around `dict`, whose reference it takes over. */
Checkpoint *schema_checkpoint(const OpenContext *context, StateDict *dict);

#endif
