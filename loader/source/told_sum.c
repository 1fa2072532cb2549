/* Base 64 and decimal numbers, as hexadecimal digits. */
#include "loader/source/told_sum.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

/* Characters of 32 bytes; S3's limit. */
enum { BASE64_MAX = 44, PARTS_MAX = 10000 };

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
    told->parts = 0;
    checksum_show(digest, bytes, told->text);
    return true;
}

static bool take_text(ToldSum *told, ChecksumKind kind, const char *text)
{
    return text && take_base64(told, kind, text, strlen(text));
}

/* The number behind a dash. */
static bool take_count(ToldSum *told, const char *dash, size_t n)
{
    uint64_t count;
    if (n < 2 || *dash != '-' || !parse_digits(dash + 1, n - 1, &count) || !count ||
        count > PARTS_MAX)
        return false;
    told->parts = (unsigned)count;
    return true;
}

static bool take_parts(ToldSum *told, ChecksumKind kind, const char *text)
{
    const size_t n = text ? strcspn(text, "-") : 0;
    ToldSum of_parts;
    if (!text || !take_base64(&of_parts, kind, text, n) ||
        !take_count(&of_parts, text + n, strlen(text + n)))
        return false;
    *told = of_parts;
    return true;
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
    told->parts = 0;
    snprintf(told->text, sizeof told->text, "%016llx", (unsigned long long)crc);
    return true;
}

/* A CRC-64 is always of the whole. */
static bool find_composite(const HttpHead *head, ToldSum *told)
{
    return take_parts(told, CHECKSUM_SHA256, head->amz_sha256) ||
           take_parts(told, CHECKSUM_CRC32, head->amz_crc32) ||
           take_parts(told, CHECKSUM_CRC32C, head->amz_crc32c) ||
           take_parts(told, CHECKSUM_SHA1, head->amz_sha1);
}

/* Of a range S3 tells nothing, or what is of the range. */
static bool find_amazon(const HttpHead *head, ToldSum *told)
{
    const char *type = head->amz_type;
    if (head->status != 200) return false;
    if (type && strcmp(type, "COMPOSITE") == 0) return find_composite(head, told);
    if (type && strcmp(type, "FULL_OBJECT") != 0) return false;
    if (!type && find_composite(head, told)) return true;
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
    if (told->parts) text_addf(out, "-%u", told->parts);
}

bool told_sum_read(const char *line, size_t n, ToldSum *told)
{
    for (ChecksumKind kind = 0; kind < CHECKSUM_KINDS; kind++) {
        const char *word = checksum_word(kind);
        const size_t length = strlen(word), digits = 2 * checksum_bytes(kind);
        const size_t whole = length + 1 + digits;
        if (n < whole || memcmp(line, word, length) != 0 || line[length] != ' ') continue;
        if (strspn(line + length + 1, "0123456789abcdef") < digits) continue;
        ToldSum of_parts = {.parts = 0};
        if (n > whole && !take_count(&of_parts, line + whole, n - whole)) continue;
        told->parts = of_parts.parts;
        told->kind = kind;
        memcpy(told->text, line + length + 1, digits);
        told->text[digits] = '\0';
        return true;
    }
    return false;
}
