/* libcrypto's digests and CRCs, in hexadecimal: of a CRC the highest digit first. */
#include "loader/source/checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "loader/core/crc.h"
#include "loader/core/crc_sliced.h"
#include "loader/core/memory.h"

enum { PIECE = 1 << 20 };

struct Checksum {
    ChecksumKind kind;
    EVP_MD_CTX *digest;          /* owned; NULL: it is a CRC */
    uint64_t crc;
};

static const struct {
    const char *word;
    size_t bytes;
} kinds[] = {
#define CHECKSUM_ROW(kind, word, bytes) [kind] = {word, bytes},
    CHECKSUMS(CHECKSUM_ROW)
#undef CHECKSUM_ROW
};

const char *checksum_word(ChecksumKind kind)
{
    return kinds[kind].word;
}

size_t checksum_bytes(ChecksumKind kind)
{
    return kinds[kind].bytes;
}

/* NULL: it is none. */
static const EVP_MD *find_digest(ChecksumKind kind)
{
    switch (kind) {
    case CHECKSUM_SHA256: return EVP_sha256();
    case CHECKSUM_SHA1: return EVP_sha1();
    case CHECKSUM_MD5: return EVP_md5();
    default: return NULL;
    }
}

Checksum *checksum_new(ChecksumKind kind)
{
    Checksum *sum = mem_alloc(sizeof *sum);
    const EVP_MD *digest = find_digest(kind);
    *sum = (Checksum){.kind = kind};
    if (!digest) return sum;
    sum->digest = EVP_MD_CTX_new();
    if (!sum->digest || EVP_DigestInit_ex(sum->digest, digest, NULL) != 1) abort();
    return sum;
}

Checksum *checksum_new_git(uint64_t size)
{
    char head[32];
    Checksum *sum = checksum_new(CHECKSUM_SHA1);
    int n = snprintf(head, sizeof head, "blob %" PRIu64, size);
    checksum_add(sum, head, (size_t)n + 1);
    return sum;
}

void checksum_add(Checksum *sum, const void *bytes, size_t n)
{
    switch (sum->kind) {
    case CHECKSUM_CRC32: sum->crc = crc_add((uint32_t)sum->crc, bytes, n); break;
    case CHECKSUM_CRC32C: sum->crc = crc_sliced_add(CRC_32C, sum->crc, bytes, n); break;
    case CHECKSUM_CRC64_NVME: sum->crc = crc_sliced_add(CRC_64_NVME, sum->crc, bytes, n); break;
    case CHECKSUM_CRC64_XZ: sum->crc = crc_sliced_add(CRC_64_XZ, sum->crc, bytes, n); break;
    default: EVP_DigestUpdate(sum->digest, bytes, n);
    }
}

void checksum_end_bytes(Checksum *sum, unsigned char digest[CHECKSUM_BYTES])
{
    const size_t n = kinds[sum->kind].bytes;
    if (sum->digest) EVP_DigestFinal_ex(sum->digest, digest, NULL);
    for (size_t i = 0; !sum->digest && i < n; i++)
        digest[i] = (unsigned char)(sum->crc >> 8 * (n - 1 - i));
    checksum_free(sum);
}

void checksum_end(Checksum *sum, char text[CHECKSUM_TEXT])
{
    unsigned char digest[CHECKSUM_BYTES];
    const size_t n = kinds[sum->kind].bytes;
    checksum_end_bytes(sum, digest);
    checksum_show(digest, n, text);
}

void checksum_show(const unsigned char *digest, size_t n, char text[CHECKSUM_TEXT])
{
    for (size_t i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

void checksum_free(Checksum *sum)
{
    if (sum) EVP_MD_CTX_free(sum->digest);
    free(sum);
}

void checksum_of(const void *bytes, size_t n, char text[CHECKSUM_TEXT])
{
    Checksum *sum = checksum_new(CHECKSUM_SHA256);
    checksum_add(sum, bytes, n);
    checksum_end(sum, text);
}

/* Takes over the sum. */
static bool add_source(Checksum *sum, ByteSource *source, char text[CHECKSUM_TEXT], Error *err)
{
    unsigned char *bytes = mem_alloc(PIECE);
    bool fine = true;
    for (uint64_t at = 0; fine && at < source->size;) {
        size_t n = source->size - at < PIECE ? (size_t)(source->size - at) : PIECE;
        fine = source_read(source, at, bytes, n, err);
        if (fine) checksum_add(sum, bytes, n);
        at += n;
    }
    free(bytes);
    if (fine) checksum_end(sum, text);
    else checksum_free(sum);
    return fine;
}

bool checksum_source(ByteSource *source, char text[CHECKSUM_TEXT], Error *err)
{
    return add_source(checksum_new(CHECKSUM_SHA256), source, text, err);
}

bool checksum_git(ByteSource *source, char text[CHECKSUM_TEXT], Error *err)
{
    return add_source(checksum_new_git(source->size), source, text, err);
}
