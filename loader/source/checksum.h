/* Checksums: digests by which files, plans and downloads are known, CRCs of object stores, the hash
 * that git knows a file by. */
#ifndef LOADER_SOURCE_CHECKSUM_H
#define LOADER_SOURCE_CHECKSUM_H

#include "loader/source/source.h"

enum {
    CHECKSUM_BYTES = 32,                     /* of the longest one */
    CHECKSUM_TEXT = 2 * CHECKSUM_BYTES + 1   /* in hexadecimal digits, with its NUL */
};

/* kind, for people, bytes. All but the first are told by stores: against accidents, no more. */
#define CHECKSUMS(X)                             \
    X(CHECKSUM_SHA256, "SHA-256", 32)            \
    X(CHECKSUM_CRC64_NVME, "CRC-64/NVME", 8)     \
    X(CHECKSUM_CRC64_XZ, "CRC-64", 8)            \
    X(CHECKSUM_CRC32, "CRC-32", 4)               \
    X(CHECKSUM_SHA1, "SHA-1", 20)                \
    X(CHECKSUM_MD5, "MD5", 16)                   \
    X(CHECKSUM_CRC32C, "CRC-32C", 4)

typedef enum ChecksumKind {
#define CHECKSUM_NAME(kind, word, bytes) kind,
    CHECKSUMS(CHECKSUM_NAME)
#undef CHECKSUM_NAME
    CHECKSUM_KINDS
} ChecksumKind;

typedef struct Checksum Checksum;

const char *checksum_word(ChecksumKind kind);    /* "SHA-256" */
size_t checksum_bytes(ChecksumKind kind);
Checksum *checksum_new(ChecksumKind kind);
/* SHA-1 over "blob SIZE\0" and the bytes: what git calls a file of that content. */
Checksum *checksum_new_git(uint64_t size);
void checksum_add(Checksum *sum, const void *bytes, size_t n);
/* As many bytes as its kind has, of a CRC the highest first; frees it. */
void checksum_end_bytes(Checksum *sum, unsigned char digest[CHECKSUM_BYTES]);
/* Hexadecimal digits, lower case; frees it. */
void checksum_end(Checksum *sum, char text[CHECKSUM_TEXT]);
/* The same of n bytes of a digest. */
void checksum_show(const unsigned char *digest, size_t n, char text[CHECKSUM_TEXT]);
void checksum_free(Checksum *sum);           /* one that is not wanted any more; NULL is fine */
/* The SHA-256 of n bytes. */
void checksum_of(const void *bytes, size_t n, char text[CHECKSUM_TEXT]);
/* Git's hash, and the SHA-256, of a whole source. */
bool checksum_git(ByteSource *source, char text[CHECKSUM_TEXT], Error *err);
bool checksum_source(ByteSource *source, char text[CHECKSUM_TEXT], Error *err);

#endif
