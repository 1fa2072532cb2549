/* Schemes become URLs; nothing goes over the network here. */
#include "loader/source/remote_place.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source/aws_keys.h"

static bool http_allowed;    /* as the user said, once, for the whole process */

void remote_place_allow_http(void)
{
    http_allowed = true;
}

static const char *const schemes[] = {"file", "http", "https", "hf", "s3", "oss", "gs"};

bool remote_place_is_known(const char *name)
{
    for (size_t i = 0; i < countof(schemes); i++)
        if (url_has_scheme(name, schemes[i])) return true;
    return false;
}

const char *remote_place_file_path(Arena *arena, const char *name, Error *err)
{
    Url url;
    Text path = {0};
    if (!url_parse(arena, name, &url, err)) return NULL;
    bool here = !*url.host || strcmp(url.host, "localhost") == 0;
    bool fine = here && *url.path && !url.port && !url.user && url_decode(url.path, &path);
    const char *kept = text_keep(&path, arena);
    if (fine) return kept;
    error_set(err, ERR_USAGE, "%.300s: %s; write file:///PATH", url_shown(arena, name),
              here ? "names no path" : "names a file of another machine");
    return NULL;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool remote_place_is_bucket_folder(const char *name)
{
    bool bucket = url_has_scheme(name, "s3") || url_has_scheme(name, "oss") ||
                  url_has_scheme(name, "gs");
    return bucket && has_suffix(name, "/");
}

/* Parameters in the order of their names, as they are signed. A folder of 1,000 objects and more
 * comes in several answers; names are encoded, since XML cannot hold all of them. */
static const char *listing_query(RemotePlace *place, const char *prefix, const char *token)
{
    Text query = {0};
    if (token) {
        text_add(&query, "continuation-token=");
        url_encode(token, false, &query);
        text_addc(&query, '&');
    }
    text_add(&query, "encoding-type=url&list-type=2&prefix=");
    url_encode(prefix, false, &query);
    return text_keep(&query, place->arena);
}

/* An object in a bucket: SCHEME://BUCKET/KEY; where it is a listing, the bucket itself. The key is
 * taken as it stands, as AWS's own tools do: a '%' or a '?' in it means itself. */
static bool split_object(RemotePlace *place, const char *name, const char **bucket,
                         const char **key, Error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
    Text encoded = {0};
    const char *from = strstr(name, "://") + 3;
    size_t n = strcspn(from, "/"), scheme = (size_t)(from - name);
    bool named = n && strspn(from, allowed) >= n;
    if (named && place->query) {
        *bucket = arena_strndup(place->arena, from, n);
        *key = "/";
        return true;
    }
    if (!named || strlen(from) < n + 2)
        return error_set(err, ERR_USAGE, "%.300s: names no object; write %.*sBUCKET/KEY",
                         place->shown, (int)scheme, name);
    if (has_suffix(from, "/"))
        return error_set(err, ERR_USAGE, "%.300s: is a folder, not a file", place->shown);
    *bucket = arena_strndup(place->arena, from, n);
    url_encode(from + n, true, &encoded);
    *key = text_keep(&encoded, place->arena);
    return true;
}

/* Where an endpoint has a name, the bucket is put before it; where it is an address, or a port was
 * given, as with stores of one's own, behind it. */
static const char *endpoint_url(RemotePlace *place, const char *endpoint, const char *bucket,
                                const char *key, bool by_path, Error *err)
{
    Url url;
    if (!url_is(endpoint)) endpoint = arena_printf(place->arena, "https://%s", endpoint);
    if (!url_parse(place->arena, endpoint, &url, err)) return NULL;
    size_t n = strlen(url.path);
    while (n && url.path[n - 1] == '/') n--;
    const char *base = arena_strndup(place->arena, url.path, n);
    if (url.port || url_is_loopback(&url) || strspn(url.host, "0123456789.") == strlen(url.host))
        by_path = true;
    url.query = place->query;
    if (!by_path) url.host = arena_printf(place->arena, "%s.%s", bucket, url.host);
    url.path = by_path ? arena_printf(place->arena, "%s/%s%s", base, bucket, key)
                       : arena_printf(place->arena, "%s%s", base, key);
    return url_text(place->arena, &url);
}

/* A bucket with a dot in its name has no certificate below s3.REGION.amazonaws.com. */
static void place_in_region(RemotePlace *place)
{
    const char *slash = strchr(place->object, '/');
    int bucket = (int)(slash - place->object);
    bool china = has_prefix(place->keys.region, "cn-");
    const char *host = arena_printf(place->arena, "s3.%s.amazonaws.com%s", place->keys.region,
                                    china ? ".cn" : "");
    const char *mark = place->query ? "?" : "", *query = place->query ? place->query : "";
    if (memchr(place->object, '.', (size_t)bucket))
        place->url = arena_printf(place->arena, "https://%s/%s%s%s", host, place->object, mark,
                                  query);
    else
        place->url = arena_printf(place->arena, "https://%.*s.%s%s%s%s", bucket, place->object,
                                  host, slash, mark, query);
}

static bool is_region(const char *region)
{
    size_t n = strlen(region);
    return n && n < 40 && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

bool remote_place_move(RemotePlace *place, const char *region)
{
    if (!place->service || !region || !is_region(region) ||
        strcmp(region, place->keys.region) == 0)
        return false;
    place->keys.region = arena_strdup(place->arena, region);
    if (place->object) place_in_region(place);
    return true;
}

static bool find_s3(RemotePlace *place, const char *name, Error *err)
{
    const char *bucket, *key, *endpoint;
    if (!split_object(place, name, &bucket, &key, err)) return false;
    if (!aws_keys_find(place->arena, &place->keys, &endpoint, err))
        return error_prefix(err, "%.300s", place->shown);
    if (!is_region(place->keys.region))
        return error_set(err, ERR_USAGE, "%.300s: AWS_REGION is no region", place->shown);
    place->asks_sum = true;
    place->service = place->keys.id ? "s3" : NULL;
    place->access = place->keys.id ? "the keys have no right to read it"
                                   : "there are no keys: set AWS_ACCESS_KEY_ID and "
                                     "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";
    if (endpoint) {
        place->url = endpoint_url(place, endpoint, bucket, key, true, err);
        return place->url != NULL;
    }
    place->object = arena_printf(place->arena, "%s%s", bucket, key);
    place_in_region(place);
    return true;
}

/* "oss-cn-hangzhou" of oss-cn-hangzhou.aliyuncs.com. */
static const char *oss_region(RemotePlace *place, const char *endpoint)
{
    const char *host = strstr(endpoint, "://");
    host = host ? host + 3 : endpoint;
    const char *region = environment("OSS_REGION");
    return region ? region : arena_strndup(place->arena, host, strcspn(host, ".:/"));
}

static bool find_oss(RemotePlace *place, const char *name, Error *err)
{
    const char *bucket, *key, *endpoint = environment("OSS_ENDPOINT");
    if (!split_object(place, name, &bucket, &key, err)) return false;
    if (!endpoint)
        return error_set(err, ERR_USAGE, "%.300s: set OSS_ENDPOINT (oss-REGION.aliyuncs.com)",
                         place->shown);
    place->keys = (AwsKeys){environment("OSS_ACCESS_KEY_ID"), environment("OSS_ACCESS_KEY_SECRET"),
                            environment("OSS_SESSION_TOKEN"), oss_region(place, endpoint)};
    place->service = place->keys.id && place->keys.secret ? "s3" : NULL;
    place->access = place->service ? "the keys have no right to read it"
                                   : "there are no keys: set OSS_ACCESS_KEY_ID and "
                                     "OSS_ACCESS_KEY_SECRET";
    place->url = endpoint_url(place, endpoint, bucket, key, false, err);
    return place->url != NULL;
}

static bool find_gs(RemotePlace *place, const char *name, Error *err)
{
    const char *bucket, *key, *endpoint = environment("STORAGE_EMULATOR_HOST");
    if (!split_object(place, name, &bucket, &key, err)) return false;
    place->access = "only public objects of gs:// can be read; a signed https:// URL works too";
    place->url = endpoint_url(place, endpoint ? endpoint : "https://storage.googleapis.com",
                              bucket, key, true, err);
    return place->url != NULL;
}

static bool find_hub(RemotePlace *place, const char *name, Error *err)
{
    HubName hub;
    if (!hub_name_parse(place->arena, name, &hub, err)) return false;
    place->token = hub_token(place->arena);
    place->access = place->token ? "the token has no right to read it; a gated repository has its "
                                   "terms accepted on its page"
                                 : "set HF_TOKEN, or write a token with `hf auth login`";
    place->url = *hub.file ? hub_file_url(place->arena, &hub) : hub_repo_url(place->arena, &hub);
    return true;
}

static bool find(RemotePlace *place, const char *name, Error *err)
{
    Url url;
    if (url_has_scheme(name, "hf")) return find_hub(place, name, err);
    if (url_has_scheme(name, "s3")) return find_s3(place, name, err);
    if (url_has_scheme(name, "oss")) return find_oss(place, name, err);
    if (url_has_scheme(name, "gs")) return find_gs(place, name, err);
    if (!url_parse(place->arena, name, &url, err)) return false;
    if (!*url.host) return error_set(err, ERR_USAGE, "%.300s: names no host", place->shown);
    place->access = url.query ? "a signed URL may have expired; get a new one"
                              : "it may need a signed URL";
    place->url = url_text(place->arena, &url);
    return true;
}

/* What is set in a new place stays; without its URL it is done with. */
static bool finish(RemotePlace *place, const char *name, Error *err)
{
    Url url;
    place->shown = url_shown(place->arena, name);
    bool fine = find(place, name, err) && url_parse(place->arena, place->url, &url, err) &&
                (remote_place_check_url(&url, place->token != NULL, err) ||
                 error_prefix(err, "%.300s", place->shown));
    if (!fine) remote_place_done(place);
    return fine;
}

bool remote_place_find(RemotePlace *place, const char *name, Error *err)
{
    *place = (RemotePlace){.arena = arena_new()};
    return finish(place, name, err);
}

bool remote_place_find_listing(RemotePlace *place, const char *name, const char *token, Error *err)
{
    const char *rest = strstr(name, "://") + 3;
    *place = (RemotePlace){.arena = arena_new()};
    rest += strcspn(rest, "/");
    place->query = listing_query(place, *rest ? rest + 1 : "", token);
    return finish(place, name, err);
}

void remote_place_done(RemotePlace *place)
{
    arena_free(place->arena);
    *place = (RemotePlace){0};
}

bool remote_place_check_url(const Url *url, bool secret, Error *err)
{
    if (strcmp(url->scheme, "https") == 0) return true;
    if (strcmp(url->scheme, "http") != 0)
        return error_set(err, ERR_UNSUPPORTED, "leads to %s://, which is not followed",
                         url->scheme);
    if (url_is_loopback(url)) return true;
    if (!http_allowed)
        return error_set(err, ERR_UNSUPPORTED, "http:// can be read and changed by anybody on the "
                         "way; use https://, or --allow-http if you know the way");
    if (!secret && !url->user) return true;
    return error_set(err, ERR_UNSUPPORTED, "a token or a password is not sent over http://; use "
                     "https://");
}
