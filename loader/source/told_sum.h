/* The checksum that a store tells of a file along with its bytes.
 *
 *   x-goog-hash: crc32c=BASE64,md5=BASE64         Google's, of the whole
 *   x-oss-hash-crc64ecma: DECIMAL                 OSS, of the whole
 *   x-amz-checksum-NAME: BASE64                   S3, when it is asked for, of the whole; or
 *                        BASE64-COUNT             of the checksums of the parts in which it was
 *                                                 uploaded (part_sums.h); x-amz-checksum-type says
 *                                                 which, FULL_OBJECT or COMPOSITE
 *   Content-MD5: BASE64                           others, of this body (RFC 1864) */
#ifndef LOADER_SOURCE_TOLD_SUM_H
#define LOADER_SOURCE_TOLD_SUM_H

#include "loader/source/checksum.h"
#include "loader/source/http_head.h"

typedef struct ToldSum {
    ChecksumKind kind;
    char text[CHECKSUM_TEXT];    /* as checksum_end writes it; "": nothing is told */
    unsigned parts;              /* whose checksums it is of; 0: of the whole */
} ToldSum;

/* Of the whole file. What cannot be read is not told; false, and *told as it was, when nothing
 * is. */
bool told_sum_find(const HttpHead *head, ToldSum *told);
/* "CRC-32C 01234567", or with "-17" behind it of 17 parts, as a line that told_sum_read reads;
 * false for what is none. */
void told_sum_write(const ToldSum *told, Text *out);
bool told_sum_read(const char *line, size_t n, ToldSum *told);

#endif
