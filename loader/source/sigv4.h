/* AWS Signature Version 4, for requests without a body: what S3 and whatever speaks like it want to
 * see of a key without being shown it. The secret never leaves this file. */
#ifndef LOADER_SOURCE_SIGV4_H
#define LOADER_SOURCE_SIGV4_H

#include <time.h>

#include "loader/source/url.h"

typedef struct AwsKeys {
    const char *id, *secret; /* NULL: no keys, so that nothing is signed */
    const char *session;     /* the token that goes with keys that were lent; NULL: none */
    const char *region;      /* "eu-west-1" */
} AwsKeys;

typedef struct SigV4 {
    const AwsKeys *keys;
    const char *service;     /* "s3" */
    const char *method;      /* "GET" */
    const Url *url;          /* its path is percent-encoded, once */
    time_t now;
    /* Lines that are signed too, "name:value" with the name in lower case, in any order. */
    const char *const *lines;
    size_t line_count;
} SigV4;

enum { SIGV4_LINES = 4 };

/* The headers to be sent besides `lines`, "Name: value" in the arena; their number. */
size_t sigv4_sign(Arena *arena, const SigV4 *request, const char *headers[SIGV4_LINES]);

#endif
