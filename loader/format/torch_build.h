/* Build: a tensor that is being made out of a call, and what the files that make tensors ask of
 * each other: torch_rebuild.c (plain ones) and torch_parts.c (those made of other tensors). */
#ifndef LOADER_FORMAT_TORCH_BUILD_H
#define LOADER_FORMAT_TORCH_BUILD_H

#include "loader/format/torch.h"

typedef struct Build {
    TorchFile *file;             /* borrowed */
    const Object *args;          /* a TUPLE; at least as many as the table says */
    const Object *type_state;    /* of _rebuild_from_type_v2: the attributes; or NULL */
    Tensor tensor;               /* as far as it is made; dims and strides in the file's arena */
    Encoding encoding;           /* its own; shared and attached at the end */
    StateDict *parts;            /* what it is made of, or NULL; the checkpoint's */
    uint64_t view_end;           /* of the view that it lies in, in the storage; 0: in no view */
    bool settled;                /* the encoding says the byte order, not the file */
    bool unknown;                /* not a tensor after all: the call stays as it is */
    Error *err;                  /* the caller's */
} Build;

/* NULL when there are fewer: arguments were added over the years. */
const Object *build_arg(const Build *b, size_t index);
/* The caller puts file and tensor before it; always false. */
bool build_refuse(Build *b, const char *what);
/* Shown, never loaded; the note, in the file's arena, says why. */
void build_opaque(Build *b, const char *note);
/* The tensor's dims and, where they say more than "contiguous", its strides, in elements. NULL for
 * `stride`: the function has none. */
bool build_shape(Build *b, const Object *size, const Object *stride);
/* torch.float8_e4m3fn and the like; DT_UNKNOWN. */
DType build_dtype(const Object *node);

/* Makers (torch_parts.c); their arguments stand above each. */
bool build_sparse(Build *b);
bool build_nested(Build *b);
bool build_jagged(Build *b);
bool build_wrapper(Build *b);
bool build_device(Build *b);

#endif
