/* Any bytes as a TensorFlow index, whose shards are the input itself. Since CRCs would stop nearly
 * every mutation, the first byte says what the rest is: 0 an index as it is; 1 the content of its
 * data block, 2 the same compressed with Snappy, around which a table is made here. */
#include "proto_open.h"

#include "loader/core/text.h"
#include "loader/format/crc32c.h"

/* Appends a block with what stands behind it. */
static void put_block(Text *file, const void *bytes, size_t n, char compression)
{
    size_t at = file->length;
    text_addn(file, bytes, n);
    text_addc(file, compression);
    uint32_t crc = crc32c_add(0, file->bytes + at, n + 1);
    crc = (crc >> 15 | crc << 17) + 0xA282EAD8u;
    for (int i = 0; i < 4; i++) text_addc(file, (char)(crc >> 8 * i & 0xFF));
}

static void put_varint(Text *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) text_addc(out, (char)((value & 0x7F) | 0x80));
    text_addc(out, (char)value);
}

/* Data block, index block of one entry, footer. */
static void make_table(Text *file, const uint8_t *data, size_t size, char compression)
{
    Text index = {0}, handle = {0};
    put_varint(&handle, 0);
    put_varint(&handle, size);
    text_addn(&index, "\0\1", 2);
    put_varint(&index, handle.length);
    text_addc(&index, '\xFF');
    text_addn(&index, handle.bytes, handle.length);
    text_addn(&index, "\0\0\0\0\1\0\0\0", 8);
    put_block(file, data, size, compression);
    size_t at = file->length;
    put_block(file, index.bytes, index.length, 0);
    size_t footer = file->length;
    text_addn(file, "\0\0", 2);
    put_varint(file, at);
    put_varint(file, index.length);
    while (file->length < footer + 40) text_addc(file, '\0');
    text_addn(file, "\x57\xFB\x80\x8B\x24\x75\x47\xDB", 8);
    text_done(&index);
    text_done(&handle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    Text file = {0};
    if (data[0] == 1 || data[0] == 2) make_table(&file, data + 1, size - 1, (char)(data[0] - 1));
    else text_addn(&file, data + 1, size - 1);
    fuzz_open(&format_tensorflow, (const uint8_t *)text_string(&file), file.length, data, size);
    text_done(&file);
    return 0;
}
