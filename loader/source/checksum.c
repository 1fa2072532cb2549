/* libcrypto's digests, in hexadecimal. */
#include "loader/source/checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "loader/core/memory.h"

enum { PIECE = 1 << 20 };

struct Checksum {
    EVP_MD_CTX *digest;      /* owned */
};

static Checksum *start(const EVP_MD *kind)
{
    Checksum *sum = mem_alloc(sizeof *sum);
    sum->digest = EVP_MD_CTX_new();
    if (!sum->digest || EVP_DigestInit_ex(sum->digest, kind, NULL) != 1) abort();
    return sum;
}

Checksum *checksum_new(void)
{
    return start(EVP_sha256());
}

Checksum *checksum_new_git(uint64_t size)
{
    char head[32];
    Checksum *sum = start(EVP_sha1());
    int n = snprintf(head, sizeof head, "blob %" PRIu64, size);
    checksum_add(sum, head, (size_t)n + 1);
    return sum;
}

Checksum *checksum_new_md5(void)
{
    return start(EVP_md5());
}

void checksum_add(Checksum *sum, const void *bytes, size_t n)
{
    EVP_DigestUpdate(sum->digest, bytes, n);
}

void checksum_end(Checksum *sum, char text[CHECKSUM_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(sum->digest, digest, &n);
    for (unsigned i = 0; i < n && i < CHECKSUM_TEXT / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    checksum_free(sum);
}

void checksum_free(Checksum *sum)
{
    if (sum) EVP_MD_CTX_free(sum->digest);
    free(sum);
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
    return add_source(checksum_new(), source, text, err);
}

bool checksum_git(ByteSource *source, char text[CHECKSUM_TEXT], Error *err)
{
    return add_source(checksum_new_git(source->size), source, text, err);
}
