/* Any bytes as Flax's MessagePack: opened, or refused with an error; what opens can be read. */
#include <stdlib.h>

#include "loader/format/format.h"

static void read_all(const StateDict *dict)
{
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        if (tensor->encoding && tensor->encoding->opaque) continue;
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
    Sniff sniff = format_flax.sniff(source, data, size < 4096 ? size : 4096);
    Checkpoint *checkpoint = format_flax.open(&context, source, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    if (checkpoint && sniff == SNIFF_MAYBE && size < 1000) abort();
    for (size_t i = 0; checkpoint && i < checkpoint_container_count(checkpoint); i++)
        read_all(checkpoint_container(checkpoint, i)->dict);
    checkpoint_unref(checkpoint);
    source_unref(source);
    return 0;
}
