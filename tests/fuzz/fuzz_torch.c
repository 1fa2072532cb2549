/* Any bytes as a file of PyTorch, zip or legacy, or as a plain pickle: opened, or refused with an
 * error; of what opens, every tensor can be asked for values. */
#include "tests/fuzz/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ByteSource *source = source_from_memory(data, size, "fuzz");
    if (format_zip.sniff(source, data, size) != SNIFF_NO) open_as(&format_zip, source);
    else if (format_torch_legacy.sniff(source, data, size) != SNIFF_NO)
        open_as(&format_torch_legacy, source);
    else open_as(&format_pickle, source);
    source_unref(source);
    return 0;
}
