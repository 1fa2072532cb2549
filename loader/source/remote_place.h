/* RemotePlace: what a name like s3://BUCKET/KEY means: an http or https URL, and what its server is
 * to be shown. The one place that knows the schemes. */
#ifndef LOADER_SOURCE_REMOTE_PLACE_H
#define LOADER_SOURCE_REMOTE_PLACE_H

#include "loader/source/hub_name.h"
#include "loader/source/sigv4.h"

typedef struct RemotePlace {
    Arena *arena;            /* owned; all strings */
    const char *shown;       /* what the user named, without secrets: for errors and reports */
    const char *url;         /* where to ask */
    const char *token;       /* "Authorization: Bearer TOKEN"; NULL: none */
    bool asks_sum;           /* S3: a checksum of the file is told to those that ask for it */
    const char *service;     /* what requests are signed for ("s3"); NULL: they are not signed */
    AwsKeys keys;
    const char *object;      /* "BUCKET/KEY", encoded, where the URL's host names the region */
    const char *query;       /* of a bucket that is listed; NULL: none */
    const char *access;      /* what may help when access is refused */
} RemotePlace;

/* Whether a name is one that this file understands, file:// among them. */
bool remote_place_is_known(const char *name);
/* The path of a file:// URL, in the arena; NULL, with an error, when it names another machine. */
const char *remote_place_file_path(Arena *arena, const char *name, Error *err);
/* Of anything but file://. Nothing is asked yet. */
bool remote_place_find(RemotePlace *place, const char *name, Error *err);
/* Whether a name is a folder of a bucket: SCHEME://BUCKET/[PREFIX/]. */
bool remote_place_is_bucket_folder(const char *name);
/* The listing of such a folder: its URL is ListObjectsV2's, from where a listing before it ended
 * (`token`; NULL: from the start). */
bool remote_place_find_listing(RemotePlace *place, const char *name, const char *token,
                               Error *err);
/* The bucket turned out to be in another region of Amazon's; false: it is no such place, or the
 * region is none or the same. */
bool remote_place_move(RemotePlace *place, const char *region);
void remote_place_done(RemotePlace *place);

/* Whether anything may be sent to this URL: https, or http within this machine. http elsewhere
 * only when remote_place_allow_http was called; secrets never. The error is without the place's
 * name. */
bool remote_place_check_url(const Url *url, bool secret, Error *err);
/* --allow-http: for the whole process, before anything is opened. */
void remote_place_allow_http(void);

#endif
