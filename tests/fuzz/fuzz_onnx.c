/* Any bytes as an ONNX model, whose external data is the model itself. */
#include "proto_open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_open(&format_onnx, data, size, data, size);
    return 0;
}
