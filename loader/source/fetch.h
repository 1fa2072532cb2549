/* Fetch: a remote file becomes one on this disk, where whoever looks for it finds it: in the cache
 * of huggingface_hub or of torch.hub, in the current folder, or where the user says. */
#ifndef LOADER_SOURCE_FETCH_H
#define LOADER_SOURCE_FETCH_H

#include "loader/source/download.h"

typedef struct FetchOptions {
    const char *out;             /* NULL: a cache's place, else the URL's last part, here */
    bool force;                  /* replace what is there */
    bool keep;                   /* what is there and is the same is no error with `out` either */
    const uint64_t *size;        /* what it must have; NULL: not known */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
} FetchOptions;

typedef struct Fetched {
    const char *path;            /* in the arena */
    uint64_t size;
    char sha256[CHECKSUM_TEXT];
    const char *verified;        /* what it was compared with, for people: "the hub's SHA-256"; in
                                    the arena, or a literal; NULL: nothing is known */
    bool there;                  /* it was there already, and is the same */
} Fetched;

bool fetch_file(Arena *arena, const char *name, const FetchOptions *options, Fetched *out,
                Error *err);

#endif
