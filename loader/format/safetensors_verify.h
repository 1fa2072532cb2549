/* What is odd about a safetensors file that can be read all the same; told when somebody asks. */
#ifndef LOADER_FORMAT_SAFETENSORS_VERIFY_H
#define LOADER_FORMAT_SAFETENSORS_VERIFY_H

#include "loader/tensor/checkpoint.h"

/* Registers the check: metadata, order, alignment. `data` is where the tensors' bytes start. */
void safetensors_verify(Checkpoint *checkpoint, const StateDict *dict, uint64_t data);

#endif
