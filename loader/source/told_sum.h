/* The checksum that a store tells of a file along with its bytes.
 *
 *   x-goog-hash: crc32c=BASE64,md5=BASE64         Google's, of the whole
 *   x-oss-hash-crc64ecma: DECIMAL                 OSS, of the whole
 *   x-amz-checksum-NAME: BASE64                   S3, when it is asked for, of the whole; where
 *                                                 x-amz-checksum-type is COMPOSITE it is one of
 *                                                 the parts' checksums (BASE64-COUNT): no use
 *   Content-MD5: BASE64                           others, of this body (RFC 1864) */
#ifndef LOADER_SOURCE_TOLD_SUM_H
#define LOADER_SOURCE_TOLD_SUM_H

#include "loader/source/checksum.h"
#include "loader/source/http_head.h"

typedef struct ToldSum {
    ChecksumKind kind;
    char text[CHECKSUM_TEXT];    /* as checksum_end writes it; "": nothing is told */
} ToldSum;

/* Of the whole file. What cannot be read is not told; false, and *told as it was, when nothing
 * is. */
bool told_sum_find(const HttpHead *head, ToldSum *told);
/* "CRC-32C 01234567", as a line that told_sum_read reads; false for what is none. */
void told_sum_write(const ToldSum *told, Text *out);
bool told_sum_read(const char *line, size_t n, ToldSum *told);

#endif
