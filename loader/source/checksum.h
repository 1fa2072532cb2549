/* Checksums by which downloads are known: SHA-256, and git's hash of a file. */
#ifndef LOADER_SOURCE_CHECKSUM_H
#define LOADER_SOURCE_CHECKSUM_H

#include "loader/source/source.h"

enum { CHECKSUM_TEXT = 65 };     /* the longest one in hexadecimal digits, with its NUL */

typedef struct Checksum Checksum;

Checksum *checksum_new(void);                    /* SHA-256 */
Checksum *checksum_new_md5(void);                /* what stores tell: against accidents, no more */
/* SHA-1 over "blob SIZE\0" and the bytes: what git calls a file of that content. */
Checksum *checksum_new_git(uint64_t size);
void checksum_add(Checksum *sum, const void *bytes, size_t n);
/* Hexadecimal digits, lower case; frees it. */
void checksum_end(Checksum *sum, char text[CHECKSUM_TEXT]);
void checksum_free(Checksum *sum);           /* one that is not wanted any more; NULL is fine */
/* Git's hash, and the SHA-256, of a whole source. */
bool checksum_git(ByteSource *source, char text[CHECKSUM_TEXT], Error *err);
bool checksum_source(ByteSource *source, char text[CHECKSUM_TEXT], Error *err);

#endif
