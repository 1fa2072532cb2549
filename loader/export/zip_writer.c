/* Records, directory and end of a zip in PyTorch's layout, one behind the other. */
#include "loader/export/zip_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/crc.h"
#include "loader/core/memory.h"
#include "loader/export/zip_record.h"
#include "loader/source/checksum.h"

/* A record, and what is still to come of it. */
typedef struct Record {
    ZipRecord zip;
    const uint32_t *later;   /* where the CRC will stand; NULL: it is known */
    uint64_t descriptor;     /* where the descriptor begins; valid with `later` */
} Record;

struct ZipWriter {
    AtomicFile *file;        /* borrowed */
    char *prefix;            /* "archive/" */
    Arena *names;            /* owned: of the records */
    Record *records;         /* owned; in file order */
    size_t count, room;
    uint64_t payload;        /* where the payload of the open record begins */
};

ZipWriter *zip_writer_new(AtomicFile *file, const char *prefix)
{
    ZipWriter *writer = mem_alloc(sizeof *writer);
    Text name = {0};
    text_addf(&name, "%s%s", prefix, prefix[0] ? "/" : "");
    writer->file = file;
    writer->names = arena_new();
    writer->prefix = mem_strdup(text_string(&name));
    text_done(&name);
    return writer;
}

void zip_writer_free(ZipWriter *writer)
{
    if (!writer) return;
    arena_free(writer->names);
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

bool zip_writer_begin(ZipWriter *writer, const char *name, uint64_t size, Error *err)
{
    Text out = {0};
    writer->records = mem_grow(writer->records, &writer->room, writer->count + 1,
                               sizeof *writer->records);
    Record *record = &writer->records[writer->count++];
    *record = (Record){.zip = {.prefix = writer->prefix, .size = size,
                               .name = arena_strdup(writer->names, name),
                               .header = atomic_position(writer->file)}};
    zip_put_local(&record->zip, &out);
    if (!send(writer, &out, err)) return false;
    writer->payload = atomic_position(writer->file);
    return true;
}

/* The open record, all of whose payload must be there. */
static Record *close_record(ZipWriter *writer, Error *err)
{
    Record *record = &writer->records[writer->count - 1];
    const uint64_t written = atomic_position(writer->file) - writer->payload;
    if (written == record->zip.size) return record;
    error_set(err, ERR_INTERNAL, "%s%s: %" PRIu64 " bytes announced, %" PRIu64 " written",
              writer->prefix, record->zip.name, record->zip.size, written);
    return NULL;
}

bool zip_writer_end(ZipWriter *writer, uint32_t crc, Error *err)
{
    Text out = {0};
    Record *record = close_record(writer, err);
    if (!record) return false;
    record->zip.crc = crc;
    zip_put_descriptor(&record->zip, &out);
    return send(writer, &out, err);
}

bool zip_writer_end_later(ZipWriter *writer, const uint32_t *crc, Error *err)
{
    Text out = {0};
    Record *record = close_record(writer, err);
    if (!record) return false;
    record->later = crc;
    record->descriptor = atomic_position(writer->file);
    zip_put_descriptor(&record->zip, &out);
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
        record->zip.crc = *record->later;
        record->later = NULL;
        zip_put_descriptor(&record->zip, &out);
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
    Checksum *sum = checksum_new(CHECKSUM_SHA256);
    unsigned char digest[CHECKSUM_BYTES];
    uint64_t halves[2] = {0};
    for (size_t i = 0; i < writer->count; i++) {
        const Record *record = &writer->records[i];
        char line[16];
        snprintf(line, sizeof line, " %08" PRIx32 "\n", record->zip.crc);
        checksum_add(sum, record->zip.name, strlen(record->zip.name));
        checksum_add(sum, line, strlen(line));
    }
    checksum_end_bytes(sum, digest);
    for (unsigned i = 0; i < 16; i++) halves[i / 8] = halves[i / 8] << 8 | digest[i];
    snprintf(digits, 41, "%020" PRIu64 "%020" PRIu64, halves[0], halves[1]);
}

bool zip_writer_finish(ZipWriter *writer, Error *err)
{
    uint64_t start = atomic_position(writer->file);
    for (size_t i = 0; i < writer->count; i++) {
        Text entry = {0};
        zip_put_entry(&writer->records[i].zip, &entry);
        if (!send(writer, &entry, err)) return false;
    }
    Text end = {0};
    zip_put_ends(writer->count, start, atomic_position(writer->file), &end);
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
