/* Any bytes as Flax's MessagePack: opened, or refused with an error; what opens can be read. */
#include "tests/fuzz/open.h"

static void must_read(const Tensor *tensor, bool read)
{
    if (!read && !(tensor->encoding && tensor->encoding->opaque)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    ByteSource *source = source_from_memory(data, size, "fuzz");
    format_flax.sniff(source, data, size < 4096 ? size : 4096);
    Checkpoint *checkpoint = format_flax.open(&context, source, &err);
    read_opened(checkpoint, &err, must_read);
    source_unref(source);
    return 0;
}
