/* DeepSpeed: what the files of the reader of its folders ask of each other. */
#ifndef LOADER_FORMAT_DEEPSPEED_H
#define LOADER_FORMAT_DEEPSPEED_H

#include "loader/format/parts.h"

/* The files of one model-parallel rank, sorted as people sort: rank 2 before rank 10. */
typedef struct ZeroFiles {
    const char *const *models;   /* [model_count] …_model_states.pt; stage 3 has one per rank */
    size_t model_count;
    const char *const *optims;   /* [optim_count] …_optim_states.pt, one per data-parallel rank */
    size_t optim_count;
} ZeroFiles;

/* The weights of a model-parallel rank in full 32-bit precision, put together from the partitions
 * of the optimizer as zero_to_fp32.py does it; values are read where they lie. The files are kept
 * open by `whole`. *half (may be NULL) receives the 16-bit weights as they were saved (stages 1
 * and 2), or NULL. Both dicts are the caller's. NULL: an error that names the files that are
 * missing or do not agree. */
StateDict *zero_merge(OpenContext *context, Checkpoint *whole, Parts *parts,
                      const ZeroFiles *files, StateDict **half, Error *err);

/* Opens an inner file as a part that `whole` keeps, its findings and bytes counted. */
bool deepspeed_open(OpenContext *context, Checkpoint *whole, const char *name, Part *part,
                    Error *err);

/* The tensors under the key "module" of a model_states file. A new dict; without tensors NULL. */
StateDict *deepspeed_module(Parts *parts, Part *part);

#endif
