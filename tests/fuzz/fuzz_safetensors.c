/* Any bytes as a safetensors file: opened, or refused with an error; what opens can be read. */
#include "tests/fuzz/open.h"

static void check_storage(const Tensor *tensor, bool read)
{
    (void)read;
    bool known = tensor->dtype != DT_UNKNOWN;    /* else its bytes are whatever the file says */
    if (known && tensor->storage->bytes != tensor_bytes(tensor)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_bytes_as(&format_safetensors, data, size, check_storage);
    return 0;
}
