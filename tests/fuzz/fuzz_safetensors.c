/* Any bytes as a safetensors file: opened, or refused with an error; what opens can be read. */
#include "tests/fuzz/open.h"

static void check_storage(const Tensor *tensor, bool read)
{
    (void)read;
    if (tensor->storage->bytes != tensor_bytes(tensor)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_bytes_as(&format_safetensors, data, size, check_storage);
    return 0;
}
