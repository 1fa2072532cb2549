/* Any bytes as one of the zips of PyTorch that torch.save did not write: TorchScript, new and old,
 * torch.export, torch.package, a zip of files.
 *
 * "PK…" is a zip as it is. Else the first byte chooses a kind, whose records are the pieces of the
 * rest, cut at FF FE: so the fuzzer need not learn to write directories. */
#include "tests/fuzz/open.h"
#include "tests/unit/zip_maker.h"

enum { PIECES = 5, KINDS = 5 };

static const char *const names[KINDS][PIECES] = {
    {"m/data.pkl", "m/constants.pkl", "m/code/__torch__.py", "m/data/0", "m/constants/0"},
    {"o/model.json", "o/attributes.pkl", "o/tensors/0", "o/tensors/1", "o/version"},
    {"p/archive_format", "p/data/weights/m_weights_config.json", "p/data/weights/weight_0",
     "p/models/m.json", "p/data/aotinductor/m/weights_config.json"},
    {"p/.data/extern_modules", "p/m/a.pkl", "p/.data/0.storage", "p/m/b.pkl", "p/version"},
    {"a.pth", "b.bin", "c", "d/e.safetensors", "model.json"},
};

/* A zip of the pieces; those that are not there have no record. */
static void make_pieces(Text *out, const char *const *record, const uint8_t *data, size_t size)
{
    Record records[PIECES];
    size_t count = 0;
    for (size_t at = 0; count < PIECES && at < size; count++) {
        size_t end = at;
        while (end < size && !(data[end] == 0xFF && end + 1 < size && data[end + 1] == 0xFE)) end++;
        records[count] = (Record){record[count], data + at, end - at};
        at = end + 2;
    }
    make_zip(out, records, count);
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
    make_pieces(&zip, names[data[0] % KINDS], data + 1, size - 1);
    try_open(zip.bytes, zip.length);
    text_done(&zip);
    return 0;
}
