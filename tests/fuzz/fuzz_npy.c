/* Any bytes as a .npy file, or a zip of them: opened, or refused with an error. */
#include "tests/fuzz/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ByteSource *source = source_from_memory(data, size, "fuzz.npy");
    if (format_zip.sniff(source, data, size) != SNIFF_NO) open_as(&format_zip, source);
    else open_as(&format_npy, source);
    source_unref(source);
    return 0;
}
