/* ZipWriter: a zip file as PyTorch's own writer (miniz, patched) makes it, byte for byte.
 *
 *   local header 30 | PREFIX/NAME | [zip64 extra] | "FB" u16 pad, pad × 'Z' | payload
 *   [descriptor 16 or 24]                                 only behind payloads that are not empty
 *   … one such a record … | central directory | zip64 end record 56 | locator 20 | end 22
 *
 * Append-only: sizes and CRC stand in the descriptor and in the directory. The extra field FB
 * pads so that every payload starts at a multiple of 64. Layout: PyTorch's miniz, as
 * caffe2/serialize/inline_container.cc uses it; zip: APPNOTE.TXT 4.3. */
#ifndef LOADER_EXPORT_ZIP_WRITER_H
#define LOADER_EXPORT_ZIP_WRITER_H

#include "loader/core/text.h"
#include "loader/export/atomic.h"

typedef struct ZipWriter ZipWriter;

/* Writes into `file`, which stays the caller's. `prefix` is the archive name, copied; "" for
 * members without a folder. `count`: how many records are to be expected. */
ZipWriter *zip_writer_new(AtomicFile *file, const char *prefix, size_t count);
void zip_writer_free(ZipWriter *writer);     /* NULL is fine */

/* Begins a record of `size` bytes; the caller then appends exactly so many to the file. */
bool zip_writer_begin(ZipWriter *writer, const char *name, uint64_t size, Error *err);
/* Ends it; `crc` is the CRC-32 of what was appended. */
bool zip_writer_end(ZipWriter *writer, uint32_t crc, Error *err);
/* Ends a record whose CRC comes later: room is left for it, and it is *crc when zip_writer_settle
 * is called. */
bool zip_writer_end_later(ZipWriter *writer, const uint32_t *crc, Error *err);
/* Writes what was left of all of them; nothing that depends on CRCs may be asked before. */
bool zip_writer_settle(ZipWriter *writer, Error *err);
/* A whole record. */
bool zip_writer_record(ZipWriter *writer, const char *name, const void *bytes, size_t n,
                       Error *err);
/* 40 decimal digits that depend on the names and CRCs of all records so far: what PyTorch
 * calls the serialization id. Its own function hangs on libstdc++; nobody checks it. */
void zip_writer_digits(const ZipWriter *writer, char digits[41]);
/* The directory and the end records. */
bool zip_writer_finish(ZipWriter *writer, Error *err);

/* The archive name for a path: its last component without the last suffix; "archive" where
 * PyTorch cannot use that (a path that is not ASCII, a name that is only a suffix). */
void zip_archive_name(const char *path, Text *out);

#endif
