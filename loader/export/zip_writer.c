/* Records, directory and end of a zip in PyTorch's layout.
 *
 * Versions, times, disks and attributes are 0 throughout, so the bytes depend on names and
 * content alone. Readers that trust .format_version compute where storages lie without reading
 * headers (torch/serialization.py, _get_offset): descriptors and padding must be exactly these. */
#include "loader/export/zip_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "loader/core/crc.h"
#include "loader/core/memory.h"

enum {
    FLAG_UTF8 = 0x0800, FLAG_DESCRIPTOR = 0x0008,
    FULL16 = 0xFFFF
};
static const uint64_t FULL32 = 0xFFFFFFFF;   /* from here on a size or offset needs zip64 */

/* What the directory will say of a record. */
typedef struct Record {
    char *name;              /* without the prefix; owned */
    uint64_t header;         /* where its local header begins */
    uint64_t size;           /* of the payload, in bytes */
    uint32_t crc;            /* of the payload, once it is written */
    const uint32_t *later;   /* where the CRC will stand; NULL: it is known */
    uint64_t descriptor;     /* where the descriptor begins; valid with `later` */
} Record;

struct ZipWriter {
    AtomicFile *file;        /* borrowed */
    char *prefix;            /* "archive/" */
    Record *records;         /* owned; in file order */
    size_t count, room;
    uint64_t payload;        /* where the payload of the open record begins */
};

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

ZipWriter *zip_writer_new(AtomicFile *file, const char *prefix)
{
    ZipWriter *writer = mem_alloc(sizeof *writer);
    Text name = {0};
    text_addf(&name, "%s%s", prefix, prefix[0] ? "/" : "");
    writer->file = file;
    writer->prefix = mem_strdup(text_string(&name));
    text_done(&name);
    return writer;
}

void zip_writer_free(ZipWriter *writer)
{
    if (!writer) return;
    for (size_t i = 0; i < writer->count; i++) free(writer->records[i].name);
    free(writer->records);
    free(writer->prefix);
    free(writer);
}

/* Writes a text and frees it. */
static bool send(ZipWriter *writer, Text *out, Error *err)
{
    bool good = atomic_write(writer->file, text_string(out), out->length, err);
    text_done(out);
    return good;
}

/* The zip64 extra field, empty when nothing is that big. A local header gives the compressed
 * size as 0, and the header's own offset, which no standard asks for: so does miniz. */
static void put_zip64(Text *out, const Record *record, bool local)
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
static unsigned flags_of(const Record *record)
{
    return FLAG_UTF8 | (record->size ? FLAG_DESCRIPTOR : 0u);
}

/* The padding fills what is missing to the next multiple of 64 behind the field's own 4 bytes. */
static void put_local_header(const ZipWriter *writer, const Record *record, Text *out)
{
    Text zip64 = {0};
    put_zip64(&zip64, record, true);
    size_t name = strlen(writer->prefix) + strlen(record->name);
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
    text_add(out, writer->prefix);
    text_add(out, record->name);
    text_addn(out, text_string(&zip64), zip64.length);
    text_addn(out, "FB", 2);
    put16(out, pad);
    while (pad--) text_addc(out, 'Z');
    text_done(&zip64);
}

bool zip_writer_begin(ZipWriter *writer, const char *name, uint64_t size, Error *err)
{
    Text out = {0};
    writer->records = mem_grow(writer->records, &writer->room, writer->count + 1,
                               sizeof *writer->records);
    Record *record = &writer->records[writer->count++];
    *record = (Record){mem_strdup(name), atomic_position(writer->file), size, 0, NULL, 0};
    put_local_header(writer, record, &out);
    if (!send(writer, &out, err)) return false;
    writer->payload = atomic_position(writer->file);
    return true;
}

/* The open record, all of whose payload must be there. */
static Record *close_record(ZipWriter *writer, Error *err)
{
    Record *record = &writer->records[writer->count - 1];
    const uint64_t written = atomic_position(writer->file) - writer->payload;
    if (written == record->size) return record;
    error_set(err, ERR_INTERNAL, "%s%s: %" PRIu64 " bytes announced, %" PRIu64 " written",
              writer->prefix, record->name, record->size, written);
    return NULL;
}

/* A descriptor takes 24 bytes as soon as size or offset needs zip64, be the record ever so
 * small. */
static void put_descriptor(const Record *record, Text *out)
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

bool zip_writer_end(ZipWriter *writer, uint32_t crc, Error *err)
{
    Text out = {0};
    Record *record = close_record(writer, err);
    if (!record) return false;
    record->crc = crc;
    put_descriptor(record, &out);
    return send(writer, &out, err);
}

bool zip_writer_end_later(ZipWriter *writer, const uint32_t *crc, Error *err)
{
    Text out = {0};
    Record *record = close_record(writer, err);
    if (!record) return false;
    record->later = crc;
    record->descriptor = atomic_position(writer->file);
    put_descriptor(record, &out);
    const uint64_t n = out.length;
    text_done(&out);
    return atomic_skip(writer->file, n, err);
}

bool zip_writer_settle(ZipWriter *writer, Error *err)
{
    bool good = true;
    for (size_t i = 0; good && i < writer->count; i++) {
        Record *record = &writer->records[i];
        Text out = {0};
        if (!record->later) continue;
        record->crc = *record->later;
        record->later = NULL;
        put_descriptor(record, &out);
        good = atomic_write_at(writer->file, record->descriptor, out.bytes, out.length, err);
        text_done(&out);
    }
    return good;
}

bool zip_writer_record(ZipWriter *writer, const char *name, const void *bytes, size_t n,
                       Error *err)
{
    uint32_t crc = crc_add(0, bytes, n);
    return zip_writer_begin(writer, name, n, err) && atomic_write(writer->file, bytes, n, err) &&
           zip_writer_end(writer, crc, err);
}

/* The first 16 bytes of a SHA-256 as two numbers of 20 digits, as PyTorch prints its two hashes. */
void zip_writer_digits(const ZipWriter *writer, char digits[41])
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    uint64_t halves[2] = {0};
    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) abort();
    for (size_t i = 0; i < writer->count; i++) {
        const Record *record = &writer->records[i];
        char line[16];
        snprintf(line, sizeof line, " %08" PRIx32 "\n", record->crc);
        EVP_DigestUpdate(hash, record->name, strlen(record->name));
        EVP_DigestUpdate(hash, line, strlen(line));
    }
    EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    for (unsigned i = 0; i < 16; i++) halves[i / 8] = halves[i / 8] << 8 | digest[i];
    snprintf(digits, 41, "%020" PRIu64 "%020" PRIu64, halves[0], halves[1]);
}

static void put_directory_entry(const ZipWriter *writer, const Record *record, Text *out)
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
    put16(out, (unsigned)(strlen(writer->prefix) + strlen(record->name)));
    put16(out, (unsigned)zip64.length);
    put16(out, 0);                       /* comment */
    put16(out, 0);                       /* disk */
    put16(out, 0);                       /* internal attributes */
    put32(out, 0);                       /* external attributes */
    put32(out, at_most(record->header, FULL32));
    text_add(out, writer->prefix);
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

static void put_end(uint64_t count, uint64_t start, uint64_t end, Text *out)
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

bool zip_writer_finish(ZipWriter *writer, Error *err)
{
    uint64_t start = atomic_position(writer->file);
    for (size_t i = 0; i < writer->count; i++) {
        Text entry = {0};
        put_directory_entry(writer, &writer->records[i], &entry);
        if (!send(writer, &entry, err)) return false;
    }
    Text end = {0};
    put_end(writer->count, start, atomic_position(writer->file), &end);
    return send(writer, &end, err);
}

/* Both kinds of slashes count, and only the last suffix goes: PyTorch's basename(). */
void zip_archive_name(const char *path, Text *out)
{
    const char *start = path, *end;
    for (const char *p = path; *p; p++) {
        if (*p == '/' || *p == '\\') start = p + 1;
        if ((unsigned char)*p < 0x80) continue;
        text_add(out, "archive");
        return;
    }
    end = strrchr(start, '.');
    if (!end) end = start + strlen(start);
    if (end == start) text_add(out, "archive");
    else text_addn(out, start, (size_t)(end - start));
}
