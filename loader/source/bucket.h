/* Bucket: what a folder of an object store holds (S3, OSS and Google's store answer alike:
 * ListObjectsV2). */
#ifndef LOADER_SOURCE_BUCKET_H
#define LOADER_SOURCE_BUCKET_H

#include "loader/source/ask.h"
#include "loader/source/remote_file.h"

/* All objects below SCHEME://BUCKET/[PREFIX/], in the order of their names; list and names in the
 * arena. More than LIMIT_FOLDER_FILES are an error. */
bool bucket_list(Arena *arena, const char *name, const RemoteFile **files, size_t *count,
                 Error *err);

/* One answer: adds its objects, whose keys begin with `prefix`. *token: where the next one begins;
 * NULL: it is the last. False, with an error without the place's name, for what is no answer. */
typedef struct BucketPage {
    RemoteFile *files;       /* owned; names in the arena */
    size_t count, room;
    size_t seen;             /* objects, those that stand for folders among them */
    const char *token;       /* in the arena */
} BucketPage;

bool bucket_read(Arena *arena, const char *text, const char *prefix, BucketPage *page, Error *err);

#endif
