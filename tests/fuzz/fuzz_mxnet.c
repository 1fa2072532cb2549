/* Any bytes as an MXNet .params file: opened, or refused with an error; what opens can be read. */
#include "tests/fuzz/open.h"

static void must_read(const Tensor *tensor, bool read)
{
    if (tensor->storage && !read) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_bytes_as(&format_mxnet, data, size, must_read);
    return 0;
}
