/* Base 64 and decimal numbers, as hexadecimal digits. */
#include "loader/source/told_sum.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

enum { BASE64_MAX = 44 };        /* characters of 32 bytes */

/* n characters that stand for as many bytes as the kind has, and not for one bit more. */
static bool take_base64(ToldSum *told, ChecksumKind kind, const char *text, size_t n)
{
    unsigned char digest[BASE64_MAX / 4 * 3];
    char again[BASE64_MAX + 1];
    const size_t bytes = checksum_bytes(kind);
    if (n != (bytes + 2) / 3 * 4 ||
        EVP_DecodeBlock(digest, (const unsigned char *)text, (int)n) < 0)
        return false;
    EVP_EncodeBlock((unsigned char *)again, digest, (int)bytes);
    if (strncmp(again, text, n) != 0) return false;
    told->kind = kind;
    checksum_show(digest, bytes, told->text);
    return true;
}

static bool take_text(ToldSum *told, ChecksumKind kind, const char *text)
{
    return text && take_base64(told, kind, text, strlen(text));
}

/* What stands behind NAME= in a list with commas. */
static bool take_named(ToldSum *told, ChecksumKind kind, const char *list, const char *name)
{
    for (const char *at = list; at && *at; at += strcspn(at, ",")) {
        at += strspn(at, ", ");
        if (!has_prefix(at, name)) continue;
        const char *value = at + strlen(name);
        if (take_base64(told, kind, value, strcspn(value, ", "))) return true;
    }
    return false;
}

static bool take_decimal(ToldSum *told, ChecksumKind kind, const char *text)
{
    uint64_t crc;
    if (!text || !parse_digits(text, strlen(text), &crc)) return false;
    told->kind = kind;
    snprintf(told->text, sizeof told->text, "%016llx", (unsigned long long)crc);
    return true;
}

/* Of a range S3 tells nothing, or what is of the range. */
static bool find_amazon(const HttpHead *head, ToldSum *told)
{
    if (head->status != 200 || (head->amz_type && strcmp(head->amz_type, "FULL_OBJECT") != 0))
        return false;
    return take_text(told, CHECKSUM_SHA256, head->amz_sha256) ||
           take_text(told, CHECKSUM_CRC64_NVME, head->amz_crc64) ||
           take_text(told, CHECKSUM_CRC32, head->amz_crc32) ||
           take_text(told, CHECKSUM_CRC32C, head->amz_crc32c) ||
           take_text(told, CHECKSUM_SHA1, head->amz_sha1);
}

/* Google stores a file gzipped and may send it so: the hash is of what is stored. An object that
 * was composed of others has no MD5. */
static bool find_google(const HttpHead *head, ToldSum *told)
{
    if (head->google_encoding && strcmp(head->google_encoding, "identity") != 0) return false;
    return take_named(told, CHECKSUM_MD5, head->google_hash, "md5=") ||
           take_named(told, CHECKSUM_CRC32C, head->google_hash, "crc32c=");
}

bool told_sum_find(const HttpHead *head, ToldSum *told)
{
    return find_amazon(head, told) || take_decimal(told, CHECKSUM_CRC64_XZ, head->oss_crc64) ||
           find_google(head, told) ||
           (head->status == 200 && take_text(told, CHECKSUM_MD5, head->content_md5));
}

void told_sum_write(const ToldSum *told, Text *out)
{
    text_addf(out, "%s %s", checksum_word(told->kind), told->text);
}

bool told_sum_read(const char *line, size_t n, ToldSum *told)
{
    for (ChecksumKind kind = 0; kind < CHECKSUM_KINDS; kind++) {
        const char *word = checksum_word(kind);
        const size_t length = strlen(word), digits = 2 * checksum_bytes(kind);
        if (n != length + 1 + digits || memcmp(line, word, length) != 0 || line[length] != ' ')
            continue;
        if (strspn(line + length + 1, "0123456789abcdef") < digits) return false;
        told->kind = kind;
        memcpy(told->text, line + length + 1, digits);
        told->text[digits] = '\0';
        return true;
    }
    return false;
}
