/* HttpHead: what the lines before a response's body say. Lines come from a stranger: what is not
 * as RFC 9110 has it makes the whole response one that is not believed. */
#ifndef LOADER_SOURCE_HTTP_HEAD_H
#define LOADER_SOURCE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/text.h"

enum { HTTP_HEAD_BYTES = 64 << 10 };     /* of all lines together */

/* Lines that are kept as they stand: member, name in lower case. */
#define HTTP_TEXTS(X)                                                                     \
    X(etag, "etag")                         /* with its quotes, and W/ where it is weak */ \
    X(modified, "last-modified")                                                          \
    X(location, "location")                                                               \
    X(encoding, "content-encoding")                                                       \
    X(commit, "x-repo-commit")              /* the hub: what the revision is */           \
    X(linked_etag, "x-linked-etag")         /* the hub: of the file behind the redirect */ \
    X(linked_size, "x-linked-size")                                                       \
    X(error_code, "x-error-code")           /* the hub: GatedRepo … */                    \
    X(error_message, "x-error-message")                                                   \
    X(region, "x-amz-bucket-region")        /* S3: where the bucket is instead */         \
    X(retry_after, "retry-after")                                                         \
    X(google_hash, "x-goog-hash")           /* of the whole: "crc32c=…,md5=…" */          \
    X(google_encoding, "x-goog-stored-content-encoding")    /* of what it is the hash of */ \
    X(content_md5, "content-md5")           /* of this body, in base 64 */                \
    X(amz_type, "x-amz-checksum-type")      /* FULL_OBJECT, or COMPOSITE of its parts' */ \
    X(amz_sha256, "x-amz-checksum-sha256")  /* of the object, in base 64 */               \
    X(amz_sha1, "x-amz-checksum-sha1")                                                    \
    X(amz_crc64, "x-amz-checksum-crc64nvme")                                              \
    X(amz_crc32, "x-amz-checksum-crc32")                                                  \
    X(amz_crc32c, "x-amz-checksum-crc32c")                                                \
    X(oss_crc64, "x-oss-hash-crc64ecma")    /* of the whole, as a decimal number */

typedef struct HttpHead {
    unsigned status;             /* 206; 0 while there was no status line */
    bool has_length, has_range;
    bool has_total;              /* Content-Range says how large the whole is, and not '*' */
    bool unsatisfied;            /* Content-Range has that alone: it answers a range beyond it */
    uint64_t length;             /* Content-Length */
    uint64_t from, to, total;    /* Content-Range; `to` is the last byte of it */
#define HTTP_MEMBER(member, name) const char *member;
    HTTP_TEXTS(HTTP_MEMBER)      /* in the arena; NULL: it did not say */
#undef HTTP_MEMBER
    Arena *arena;                /* owned */
    size_t bytes;                /* of lines so far */
    const char *wrong;           /* what makes it unbelievable; a literal; NULL: nothing */
} HttpHead;

/* One line, with or without its end. A status line begins anew: of several heads (100 Continue
 * before 200 OK) the last one counts. */
void http_head_line(HttpHead *head, const char *line, size_t n);
void http_head_done(HttpHead *head);     /* frees, leaves it empty */
/* The tag without quotes and W/, in `arena`; NULL for NULL. */
const char *http_etag(Arena *arena, const char *etag);
/* Whether equal tags mean equal bytes, so that it may stand in If-Range. */
bool http_etag_is_strong(const char *etag);

#endif
