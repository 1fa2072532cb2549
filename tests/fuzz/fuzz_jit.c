/* Any bytes as one of the zips of PyTorch that torch.save did not write: TorchScript, new and old,
 * torch.export, torch.package, a zip of files.
 *
 * "PK…" is a zip as it is. Else the first byte chooses a kind, whose records are the pieces of the
 * rest, cut at FF FE: so the fuzzer need not learn to write directories. */
#include <string.h>

#include "loader/core/text.h"
#include "tests/fuzz/open.h"

enum { PIECES = 5, KINDS = 5 };

static const char *const names[KINDS][PIECES] = {
    {"m/data.pkl", "m/constants.pkl", "m/code/__torch__.py", "m/data/0", "m/constants/0"},
    {"o/model.json", "o/attributes.pkl", "o/tensors/0", "o/tensors/1", "o/version"},
    {"p/archive_format", "p/data/weights/m_weights_config.json", "p/data/weights/weight_0",
     "p/models/m.json", "p/data/aotinductor/m/weights_config.json"},
    {"p/.data/extern_modules", "p/m/a.pkl", "p/.data/0.storage", "p/m/b.pkl", "p/version"},
    {"a.pth", "b.bin", "c", "d/e.safetensors", "model.json"},
};

static void put(Text *out, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8) text_addc(out, (char)(value & 0xFF));
}

static void put_headers(Text *out, bool directory, const char *name, size_t n, uint64_t header)
{
    put(out, directory ? 0x02014b50 : 0x04034b50, 4);
    put(out, 0, directory ? 12 : 10);
    put(out, 0, 4);
    put(out, n, 4);
    put(out, n, 4);
    put(out, strlen(name), 2);
    put(out, 0, directory ? 12 : 2);
    if (directory) put(out, header, 4);
    text_add(out, name);
}

/* A stored zip of the pieces; those that are not there have no record. */
static void make_zip(Text *out, const char *const *record, const uint8_t *data, size_t size)
{
    Text directory = {0};
    size_t count = 0;
    for (size_t at = 0; count < PIECES && at < size; count++) {
        size_t end = at;
        while (end < size && !(data[end] == 0xFF && end + 1 < size && data[end + 1] == 0xFE)) end++;
        put_headers(&directory, true, record[count], end - at, out->length);
        put_headers(out, false, record[count], end - at, 0);
        text_addn(out, data + at, end - at);
        at = end + 2;
    }
    uint64_t start = out->length;
    text_addn(out, text_string(&directory), directory.length);
    put(out, 0x06054b50, 4);
    put(out, 0, 4);
    put(out, count, 2);
    put(out, count, 2);
    put(out, directory.length, 4);
    put(out, start, 4);
    put(out, 0, 2);
    text_done(&directory);
}

static void try_open(const void *bytes, size_t size)
{
    ByteSource *source = source_from_memory(bytes, size, "fuzz");
    open_as(&format_zip, source);
    source_unref(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    if (data[0] == 'P') {
        try_open(data, size);
        return 0;
    }
    Text zip = {0};
    make_zip(&zip, names[data[0] % KINDS], data + 1, size - 1);
    try_open(zip.bytes, zip.length);
    text_done(&zip);
    return 0;
}
