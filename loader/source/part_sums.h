/* PartSums: what S3 tells of a file that was uploaded in parts is the checksum of the checksums of
 * its parts, and how many there were: "BASE64-N". How large they were it tells to those that ask
 * for a part by its number:
 *
 *   HEAD /BUCKET/KEY?partNumber=1   206, Content-Range: bytes 0-8388607/TOTAL
 *
 * Nearly all who upload make all parts but the last as large as the first. So the first is asked
 * for, and the others only where a sum over such parts is another than was told. */
#ifndef LOADER_SOURCE_PART_SUMS_H
#define LOADER_SOURCE_PART_SUMS_H

#include "loader/source/ask.h"
#include "loader/source/told_sum.h"

/* A file that came, and what was told of it. */
typedef struct PartSums {
    RemotePlace *place;      /* borrowed, as is all below */
    const char *url;         /* where it came from */
    const char *etag;        /* of which version; NULL: not known */
    int fd;
    uint64_t size;           /* bytes */
    const ToldSum *told;     /* of told->parts parts */
} PartSums;

typedef enum PartVerdict {
    PARTS_UNKNOWN,           /* the server does not say how large they were */
    PARTS_SAME, PARTS_DIFFER
} PartVerdict;

/* `is` receives the sum that the file has. False when it cannot be read, or was stopped. */
bool part_sums_check(const PartSums *file, PartVerdict *verdict, char is[CHECKSUM_TEXT],
                     Error *err);

#endif
