/* ZipRecord: the bytes that PyTorch's writer (miniz, patched) puts around a record's payload, and
 * at the end of a zip; zip_writer.h has the layout. */
#ifndef LOADER_EXPORT_ZIP_RECORD_H
#define LOADER_EXPORT_ZIP_RECORD_H

#include "loader/core/text.h"

enum { ZIP_ALIGNMENT = 64, ZIP_ENDS = 98 };  /* of payloads; bytes of all end records */

typedef struct ZipRecord {
    const char *prefix;      /* "archive/" */
    const char *name;        /* without the prefix */
    uint64_t header;         /* where its local header begins */
    uint64_t size;           /* of the payload, in bytes */
    uint32_t crc;            /* of the payload, once it is known */
} ZipRecord;

/* All append to `out`. The local header, padded so that the payload begins at a multiple of 64. */
void zip_put_local(const ZipRecord *record, Text *out);
/* What stands behind the payload; nothing when that is empty. */
void zip_put_descriptor(const ZipRecord *record, Text *out);
/* Its entry in the directory. */
void zip_put_entry(const ZipRecord *record, Text *out);
/* The end records of a directory of `count` entries at bytes start … end. */
void zip_put_ends(uint64_t count, uint64_t start, uint64_t end, Text *out);

#endif
