/* Records, directory and end of a zip in PyTorch's layout, one behind the other. */
#include "loader/export/zip_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/crc.h"
#include "loader/core/memory.h"
#include "loader/export/zip_record.h"

/* A record, and what is still to come of it. There may be a million of them. */
typedef struct Record {
    const char *name;        /* without the prefix */
    uint64_t header;         /* where its local header begins */
    uint64_t size;           /* of the payload, in bytes */
    const uint32_t *later;   /* where the CRC will stand; NULL: it is known */
    uint32_t crc;            /* of the payload, once it is known */
    uint32_t local;          /* bytes of its local header */
} Record;

struct ZipWriter {
    AtomicFile *file;        /* borrowed */
    char *prefix;            /* "archive/" */
    Arena *names;            /* owned: of the records */
    Record *records;         /* owned; in file order */
    size_t count, room;
};

ZipWriter *zip_writer_new(AtomicFile *file, const char *prefix, size_t count)
{
    ZipWriter *writer = mem_alloc(sizeof *writer);
    Text name = {0};
    writer->records = mem_alloc(count * sizeof *writer->records);
    writer->room = count;
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

/* As zip_record.h takes it. */
static ZipRecord show_record(const ZipWriter *writer, const Record *record)
{
    return (ZipRecord){writer->prefix, record->name, record->header, record->size, record->crc};
}

bool zip_writer_begin(ZipWriter *writer, const char *name, uint64_t size, Error *err)
{
    Text out = {0};
    writer->records = mem_grow(writer->records, &writer->room, writer->count + 1,
                               sizeof *writer->records);
    Record *record = &writer->records[writer->count++];
    *record = (Record){.name = arena_strdup(writer->names, name), .size = size,
                       .header = atomic_position(writer->file)};
    const ZipRecord shown = show_record(writer, record);
    zip_put_local(&shown, &out);
    record->local = (uint32_t)out.length;
    return send(writer, &out, err);
}

/* Where the payload ends. */
static uint64_t find_end(const Record *record)
{
    return record->header + record->local + record->size;
}

/* The open record, all of whose payload must be there. */
static Record *close_record(ZipWriter *writer, Error *err)
{
    Record *record = &writer->records[writer->count - 1];
    const uint64_t at = atomic_position(writer->file);
    if (at == find_end(record)) return record;
    error_set(err, ERR_INTERNAL, "%s%s: %" PRIu64 " bytes announced, %" PRIu64 " written",
              writer->prefix, record->name, record->size, at - record->header - record->local);
    return NULL;
}

bool zip_writer_end(ZipWriter *writer, uint32_t crc, Error *err)
{
    Text out = {0};
    Record *record = close_record(writer, err);
    if (!record) return false;
    record->crc = crc;
    const ZipRecord shown = show_record(writer, record);
    zip_put_descriptor(&shown, &out);
    return send(writer, &out, err);
}

bool zip_writer_end_later(ZipWriter *writer, const uint32_t *crc, Error *err)
{
    Text out = {0};
    Record *record = close_record(writer, err);
    if (!record) return false;
    record->later = crc;
    const ZipRecord shown = show_record(writer, record);
    zip_put_descriptor(&shown, &out);
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
        const ZipRecord shown = show_record(writer, record);
        zip_put_descriptor(&shown, &out);
        good = atomic_write_at(writer->file, find_end(record), out.bytes, out.length, err);
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

/* FNV-1a, of 64 bits. */
static uint64_t fold(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ byte[i]) * 0x100000001B3;
    return hash;
}

/* One of the names and one of the CRCs, as PyTorch has two; two files are to be told apart, and
 * nobody is to be kept from making them alike. */
void zip_writer_digits(const ZipWriter *writer, char digits[41])
{
    uint64_t names = 0xCBF29CE484222325, crcs = names;
    for (size_t i = 0; i < writer->count; i++) {
        const Record *record = &writer->records[i];
        const unsigned char crc[] = {(unsigned char)record->crc, (unsigned char)(record->crc >> 8),
                                     (unsigned char)(record->crc >> 16),
                                     (unsigned char)(record->crc >> 24)};
        names = fold(names, record->name, strlen(record->name) + 1);
        crcs = fold(crcs, crc, sizeof crc);
    }
    snprintf(digits, 41, "%020" PRIu64 "%020" PRIu64, names, crcs);
}

bool zip_writer_finish(ZipWriter *writer, Error *err)
{
    uint64_t start = atomic_position(writer->file);
    for (size_t i = 0; i < writer->count; i++) {
        Text entry = {0};
        const ZipRecord shown = show_record(writer, &writer->records[i]);
        zip_put_entry(&shown, &entry);
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
