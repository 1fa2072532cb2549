/* What tenon reads in the headers of safetensors files, for headers.py.
 *
 *   json_headers FILE     FILE: u32 n, u32 m, little-endian, n bytes of a header; and so on
 *
 * Each is a file with m bytes behind its header. Of each there is a line a tensor and one a pair of
 * metadata, names with their bytes in hex, and then a line "fine" or "refused: WHY". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/format/format.h"

static void say_hex(const char *name)
{
    for (; *name; name++) printf("%02x", (unsigned char)*name);
}

static void say_tensor(const Tensor *tensor, uint64_t data)
{
    say_hex(tensor->name);
    printf(" %s", dtype_name(tensor->dtype));
    for (unsigned i = 0; i < tensor->rank; i++) printf("%s%" PRId64, i ? "," : " ", tensor->dims[i]);
    printf(" at %" PRIu64 "+%" PRIu64 "\n", tensor->storage->offset - data, tensor->storage->bytes);
}

static void say_file(const unsigned char *file, size_t n, uint64_t data)
{
    Error err = {0};
    OpenContext context = {.path = "x.safetensors"};
    ByteSource *source = source_from_memory(file, n, "x.safetensors");
    Checkpoint *checkpoint = format_safetensors.open(&context, source, &err);
    if (checkpoint) {
        const StateDict *dict = checkpoint_container(checkpoint, 0)->dict;
        for (size_t i = 0; i < dict_count(dict); i++) say_tensor(dict_at(dict, i), data);
        for (size_t i = 0; i < dict_metadata_count(dict); i++) {
            const MetadataItem item = dict_metadata(dict, i);
            printf("= ");
            say_hex(item.key);
            printf(" ");
            say_hex(item.value);
            printf("\n");
        }
    }
    if (checkpoint) printf("fine\n");
    else printf("refused: %s\n", err.text);
    checkpoint_unref(checkpoint);
    source_unref(source);
}

int main(int count, char **arguments)
{
    enum { LENGTH = 8 };
    FILE *from = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!from) return 2;
    unsigned char sizes[8];
    while (fread(sizes, sizeof sizes, 1, from) == 1) {
        size_t n = (size_t)little_read(sizes, 4), m = (size_t)little_read(sizes + 4, 4);
        unsigned char *file = mem_alloc(LENGTH + n + m);
        memcpy(file, sizes, 4);
        if (n && fread(file + LENGTH, n, 1, from) != 1) return 2;
        say_file(file, LENGTH + n + m, LENGTH + n);
        free(file);
    }
    return fclose(from) == 0 ? 0 : 2;
}
