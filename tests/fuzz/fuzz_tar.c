/* Any bytes as a tar of PyTorch before 0.1.10. What a fuzzer cannot guess is the sum over a
 * header, so it is put right where a header may stand. */
#include "tests/fuzz/open.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 512 };

/* Rewrites the sum of a header that has a name and a kind. */
static void mend(uint8_t *header)
{
    unsigned sum = 0;
    if (!header[0] || memcmp(header + 257, "ustar", 5) != 0) return;
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum & 0777777);
    header[155] = ' ';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_alloc(size + 1);
    memcpy(copy, data, size);
    for (size_t at = 0; at + BLOCK <= size; at += BLOCK) mend(copy + at);
    ByteSource *source = source_from_memory(copy, size, "fuzz.tar");
    open_as(&format_torch_tar, source);
    source_unref(source);
    free(copy);
    return 0;
}
