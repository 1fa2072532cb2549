/* The profiles are INI files: no quotes, no escapes; ';' and '#' begin comments at the start of a
 * line, or behind a blank. Indented lines belong to the key above ("s3 =") and are passed over. */
#include "loader/source/aws_keys.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source/file_text.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
    return p;
}

static const char *trim(const char *from, const char *end)
{
    while (end > from && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) end--;
    return end;
}

static bool spells(const char *from, const char *end, const char *word)
{
    return (size_t)(end - from) == strlen(word) && memcmp(from, word, strlen(word)) == 0;
}

/* "[NAME]" or "[profile NAME]" */
static bool is_section(const char *line, const char *end, const char *profile)
{
    const char *from = skip_blanks(line + 1, end), *close = memchr(from, ']', (size_t)(end - from));
    if (!close) return false;
    const char *to = trim(from, close);
    if (spells(from, to, profile)) return true;
    if (to - from < 8 || memcmp(from, "profile", 7) != 0 || (from[7] != ' ' && from[7] != '\t'))
        return false;
    return spells(skip_blanks(from + 7, to), to, profile);
}

static const char *value_end(const char *from, const char *end)
{
    for (const char *p = from; p < end; p++)
        if ((*p == '#' || *p == ';') && p > from && (p[-1] == ' ' || p[-1] == '\t'))
            return trim(from, p);
    return trim(from, end);
}

/* With a key of NULL: "" when the profile is there. */
const char *aws_profile_value(Arena *arena, const char *text, const char *profile, const char *key)
{
    bool inside = false;
    for (const char *line = text; *line;) {
        const char *end = line + strcspn(line, "\n"), *next = *end ? end + 1 : end;
        const char *equals = memchr(line, '=', (size_t)(end - line));
        if (*line == '[') {
            inside = is_section(line, end, profile);
            if (inside && !key) return "";
        } else if (inside && key && equals && spells(line, trim(line, equals), key)) {
            const char *from = skip_blanks(equals + 1, end);
            return arena_strndup(arena, from, (size_t)(value_end(from, end) - from));
        }
        line = next;
    }
    return NULL;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* A file of profiles; "" when there is none. */
static const char *read_profiles(Arena *arena, const char *variable, const char *name)
{
    const char *path = environment(variable), *home = environment("HOME");
    if (!path && !home) return "";
    size_t n;
    char *text = file_text(path ? path : arena_printf(arena, "%s/.aws/%s", home, name),
                           FILE_BYTES_MAX, &n, NULL);
    const char *kept = text ? arena_strdup(arena, text) : "";
    free(text);
    return kept;
}

typedef struct Profiles {
    Arena *arena;
    const char *texts[2];        /* credentials before config, as the tools have it */
    const char *name;
} Profiles;

static const char *look_up(const Profiles *profiles, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; !value && i < countof(profiles->texts); i++)
        value = aws_profile_value(profiles->arena, profiles->texts[i], profiles->name, key);
    return value;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
    return a ? a : b ? b : c;
}

bool aws_keys_find(Arena *arena, AwsKeys *keys, const char **endpoint, Error *err)
{
    const char *named = environment("AWS_PROFILE");
    const Profiles profiles = {
        .arena = arena,
        .texts = {read_profiles(arena, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                  read_profiles(arena, "AWS_CONFIG_FILE", "config")},
        .name = named ? named : "default"};
    if (named && !look_up(&profiles, NULL))
        return error_set(err, ERR_NOT_FOUND, "AWS_PROFILE: there is no profile '%.100s' in "
                         "~/.aws/credentials or ~/.aws/config", named);
    *keys = (AwsKeys){.id = environment("AWS_ACCESS_KEY_ID"),
                      .secret = environment("AWS_SECRET_ACCESS_KEY"),
                      .session = environment("AWS_SESSION_TOKEN")};
    if (!keys->id || !keys->secret)
        *keys = (AwsKeys){.id = look_up(&profiles, "aws_access_key_id"),
                          .secret = look_up(&profiles, "aws_secret_access_key"),
                          .session = look_up(&profiles, "aws_session_token")};
    if (!keys->id || !keys->secret) keys->id = keys->secret = keys->session = NULL;
    keys->region = first_of(environment("AWS_REGION"), environment("AWS_DEFAULT_REGION"),
                            first_of(look_up(&profiles, "region"), "us-east-1", NULL));
    *endpoint = first_of(environment("AWS_ENDPOINT_URL_S3"), environment("AWS_ENDPOINT_URL"),
                         look_up(&profiles, "endpoint_url"));
    return true;
}
