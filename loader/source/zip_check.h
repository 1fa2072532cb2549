/* What is odd about a zip that can be read all the same: where other readers may see another
 * archive than we do. That is how a file shows a scanner one pickle and PyTorch another. */
#ifndef LOADER_SOURCE_ZIP_CHECK_H
#define LOADER_SOURCE_ZIP_CHECK_H

#include "loader/source/zip.h"

typedef struct ZipOddity {
    const char *kind;        /* constant: "case", "local-header", "overlap", "trailing" */
    bool wrong;              /* it contradicts itself; else only unusual */
    const char *member;      /* held name; NULL: the file as a whole */
    const char *what;        /* one line; borrowed for the call */
} ZipOddity;

typedef void ZipOddityFound(void *context, const ZipOddity *oddity);

/* Names that differ only in case (`caseless`: to their reader they are one), bytes behind the end
 * record, local headers that say something else than the directory, data that overlap. The local
 * headers are read, one small read each, and only where that is cheap: in files at hand with at
 * most 20,000 members. */
void zip_check(Zip *zip, bool caseless, ZipOddityFound *found, void *context);

/* Whether the content of a member, opened as `source`, has the CRC-32 that the directory claims;
 * reads all of it. A claim of 0 means "not computed" (torch.serialization.set_crc32_options) and is
 * taken. False without an error: it has not. */
bool zip_check_crc(ByteSource *source, const ZipMember *member, Error *err);

#endif
