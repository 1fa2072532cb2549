/* Any bytes as a Caffe model. */
#include "proto_open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_open(&format_caffe, data, size, data, size);
    return 0;
}
