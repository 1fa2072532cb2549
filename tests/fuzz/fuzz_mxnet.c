/* Any bytes as an MXNet .params file: opened, or refused with an error; what opens can be read. */
#include <stdlib.h>

#include "loader/format/format.h"

static void read_all(const StateDict *dict)
{
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        if (!tensor->storage) continue;
        void *values = mem_alloc((size_t)tensor_bytes(tensor) + 1);
        if (!tensor_read(tensor, NULL, NULL, values, NULL)) abort();
        free(values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Checkpoint *checkpoint = format_mxnet.open(&context, source, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    if (checkpoint) read_all(checkpoint_find_container(checkpoint, "")->dict);
    checkpoint_unref(checkpoint);
    source_unref(source);
    return 0;
}
