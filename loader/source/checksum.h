/* Checksums by which downloads are known: digests, CRCs of object stores, git's hash of a file. */
#ifndef LOADER_SOURCE_CHECKSUM_H
#define LOADER_SOURCE_CHECKSUM_H

#include "loader/source/source.h"

enum { CHECKSUM_TEXT = 65 };     /* the longest one in hexadecimal digits, with its NUL */

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
/* Hexadecimal digits, lower case; frees it. */
void checksum_end(Checksum *sum, char text[CHECKSUM_TEXT]);
/* The same of bytes as servers send them: n of them, as many as a kind has. */
void checksum_show(const unsigned char *digest, size_t n, char text[CHECKSUM_TEXT]);
void checksum_free(Checksum *sum);           /* one that is not wanted any more; NULL is fine */
/* Git's hash, and the SHA-256, of a whole source. */
bool checksum_git(ByteSource *source, char text[CHECKSUM_TEXT], Error *err);
bool checksum_source(ByteSource *source, char text[CHECKSUM_TEXT], Error *err);

#endif
