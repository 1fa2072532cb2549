/* What is put of a record and of the end, byte by byte.
 *
 * Versions, times, disks and attributes are 0 throughout, so the bytes depend on names and
 * content alone. Readers that trust .format_version compute where storages lie without reading
 * headers (torch/serialization.py, _get_offset): descriptors and padding must be exactly these. */
#include "loader/export/zip_record.h"

#include <string.h>

enum {
    FLAG_UTF8 = 0x0800, FLAG_DESCRIPTOR = 0x0008,
    FULL16 = 0xFFFF
};
static const uint64_t FULL32 = 0xFFFFFFFF;   /* from here on a size or offset needs zip64 */

static void put16(Text *out, unsigned value)
{
    text_addc(out, (char)(value & 0xFF));
    text_addc(out, (char)(value >> 8 & 0xFF));
}

static void put32(Text *out, uint64_t value)
{
    put16(out, (unsigned)(value & 0xFFFF));
    put16(out, (unsigned)(value >> 16 & 0xFFFF));
}

static void put64(Text *out, uint64_t value)
{
    put32(out, value & FULL32);
    put32(out, value >> 32);
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

/* The zip64 extra field, empty when nothing is that big. A local header gives the compressed
 * size as 0, and the header's own offset, which no standard asks for: so does miniz. */
static void put_zip64(Text *out, const ZipRecord *record, bool local)
{
    bool big = record->size >= FULL32, far = record->header >= FULL32;
    if (!big && !far) return;
    put16(out, 1);
    put16(out, (big ? 16u : 0u) + (far ? 8u : 0u));
    if (big) {
        put64(out, record->size);
        put64(out, local ? 0 : record->size);
    }
    if (far) put64(out, record->header);
}

/* Names are UTF-8; the descriptor is announced for every record that has one. */
static unsigned flags_of(const ZipRecord *record)
{
    return FLAG_UTF8 | (record->size ? FLAG_DESCRIPTOR : 0u);
}

/* The padding fills what is missing to the next multiple of 64 behind the field's own 4 bytes. */
void zip_put_local(const ZipRecord *record, Text *out)
{
    Text zip64 = {0};
    put_zip64(&zip64, record, true);
    size_t name = strlen(record->prefix) + strlen(record->name);
    uint64_t start = record->header + 30 + name + zip64.length + 4;
    unsigned pad = (unsigned)(-start & (ZIP_ALIGNMENT - 1));
    put32(out, 0x04034B50);
    put16(out, 0);                       /* version needed */
    put16(out, flags_of(record));
    put16(out, 0);                       /* stored */
    put32(out, 0);                       /* no time, no date */
    put32(out, 0);                       /* CRC and sizes come later */
    put32(out, 0);
    put32(out, 0);
    put16(out, (unsigned)name);
    put16(out, (unsigned)zip64.length + 4 + pad);
    text_add(out, record->prefix);
    text_add(out, record->name);
    text_addn(out, text_string(&zip64), zip64.length);
    text_addn(out, "FB", 2);
    put16(out, pad);
    while (pad--) text_addc(out, 'Z');
    text_done(&zip64);
}

/* A descriptor takes 24 bytes as soon as size or offset needs zip64, be the record ever so
 * small. */
void zip_put_descriptor(const ZipRecord *record, Text *out)
{
    if (record->size == 0) return;
    put32(out, 0x08074B50);
    put32(out, record->crc);
    if (record->size >= FULL32 || record->header >= FULL32) {
        put64(out, record->size);
        put64(out, record->size);
    } else {
        put32(out, record->size);
        put32(out, record->size);
    }
}

void zip_put_entry(const ZipRecord *record, Text *out)
{
    Text zip64 = {0};
    put_zip64(&zip64, record, false);
    put32(out, 0x02014B50);
    put16(out, 0);                       /* version made by */
    put16(out, 0);                       /* version needed */
    put16(out, flags_of(record));
    put16(out, 0);                       /* stored */
    put32(out, 0);                       /* no time, no date */
    put32(out, record->crc);
    put32(out, at_most(record->size, FULL32));
    put32(out, at_most(record->size, FULL32));
    put16(out, (unsigned)(strlen(record->prefix) + strlen(record->name)));
    put16(out, (unsigned)zip64.length);
    put16(out, 0);                       /* comment */
    put16(out, 0);                       /* disk */
    put16(out, 0);                       /* internal attributes */
    put32(out, 0);                       /* external attributes */
    put32(out, at_most(record->header, FULL32));
    text_add(out, record->prefix);
    text_add(out, record->name);
    text_addn(out, text_string(&zip64), zip64.length);
    text_done(&zip64);
}

/* Both ends are always written, the zip64 one first, small as the file may be; only an empty zip
 * has none of the kind, since NumPy knows it by its first bytes. */
static void put_zip64_end(uint64_t count, uint64_t start, uint64_t end, Text *out)
{
    if (!count) return;
    put32(out, 0x06064B50);
    put64(out, 44);
    put16(out, 0x031E);                  /* made by: Unix, 3.0 */
    put16(out, 0x002D);                  /* needs 4.5 */
    put32(out, 0);
    put32(out, 0);
    put64(out, count);
    put64(out, count);
    put64(out, end - start);
    put64(out, start);
    put32(out, 0x07064B50);
    put32(out, 0);
    put64(out, end);
    put32(out, 1);
}

void zip_put_ends(uint64_t count, uint64_t start, uint64_t end, Text *out)
{
    put_zip64_end(count, start, end, out);
    put32(out, 0x06054B50);
    put32(out, 0);
    put16(out, (unsigned)at_most(count, FULL16));
    put16(out, (unsigned)at_most(count, FULL16));
    put32(out, at_most(end - start, FULL32));
    put32(out, at_most(start, FULL32));
    put16(out, 0);
}
