/* Where AWS's own tools look for keys: the environment, then the profiles in ~/.aws. */
#ifndef LOADER_SOURCE_AWS_KEYS_H
#define LOADER_SOURCE_AWS_KEYS_H

#include "loader/source/sigv4.h"

/* One file of profiles: "[name]" or "[profile name]", then "key = value" lines. The value in the
 * arena; NULL when the profile or the key is not there. */
const char *aws_profile_value(Arena *arena, const char *text, const char *profile,
                              const char *key);

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else those of the profile that
 * AWS_PROFILE names (default "default") in AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE. Keys
 * without an id when there are none, as for a public bucket. *endpoint is AWS_ENDPOINT_URL_S3,
 * AWS_ENDPOINT_URL or the profile's endpoint_url; NULL: Amazon's own. A profile that AWS_PROFILE
 * names and that is in neither file is an error. */
bool aws_keys_find(Arena *arena, AwsKeys *keys, const char **endpoint, Error *err);

#endif
