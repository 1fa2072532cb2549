/* What strangers say of places: the first line as a URL, the second as a redirect from it and as a
 * name of the hub, all lines as a response's header, a file of profiles and a bucket's listing.
 * Whatever is believed must hold together, and what is shown must hold no secret. */
#include <stdlib.h>
#include <string.h>

#include "loader/source/aws_keys.h"
#include "loader/source/bucket.h"
#include "loader/source/http_head.h"
#include "loader/source/hub_name.h"
#include "loader/source/told_sum.h"
#include "loader/source/torch_hub.h"

/* What was parsed is written so that it means the same. */
static void check_url(Arena *arena, const char *text, const char *location)
{
    Url url, again;
    Error err = {0};
    const char *shown = url_shown(arena, text);
    if (url_is(text) && !url_has_scheme(text, "hf") && strpbrk(shown, "?#")) abort();
    torch_hub_file_name(arena, text);
    if (!url_parse(arena, text, &url, &err)) {
        if (err.code == ERR_NONE) abort();
        return;
    }
    const char *written = url_text(arena, &url);
    if (!url_parse(arena, written, &again, NULL) || !url_same_origin(&url, &again) ||
        strcmp(url.path, again.path) != 0 || strcmp(written, url_text(arena, &again)) != 0)
        abort();
    url_is_loopback(&url);
    const char *joined = url_join(arena, &url, location, &err);
    if (joined && !url_parse(arena, joined, &again, NULL)) abort();
}

static bool climbs(const char *path)
{
    return has_prefix(path, "../") || strstr(path, "/../") || has_suffix(path, "/..");
}

static void check_hub(Arena *arena, const char *text)
{
    HubName name, again;
    if (!hub_name_parse(arena, text, &name, NULL)) return;
    if (climbs(name.file) || climbs(name.revision) || name.file[0] == '/') abort();
    if (!hub_name_parse(arena, hub_spell(arena, &name), &again, NULL) ||
        strcmp(name.repo, again.repo) != 0 || strcmp(name.revision, again.revision) != 0 ||
        strcmp(name.file, again.file) != 0)
        abort();
}

static void check_head(const char *text)
{
    HttpHead head = {0};
    while (*text) {
        size_t n = strcspn(text, "\n");
        http_head_line(&head, text, n);
        text += n + (text[n] == '\n');
    }
    bool part = head.has_range && !head.unsatisfied && !head.wrong;
    if (part && (head.to < head.from || (head.has_total && head.to >= head.total))) abort();
    if (head.etag && !head.wrong && strpbrk(head.etag, "\r\n\x01")) abort();
    ToldSum told, again;
    Text line = {0};
    if (told_sum_find(&head, &told)) {
        told_sum_write(&told, &line);
        if (!told_sum_read(text_string(&line), line.length, &again) || again.kind != told.kind ||
            strcmp(again.text, told.text) != 0)
            abort();
    }
    text_done(&line);
    http_head_done(&head);
}

static void check_listing(Arena *arena, const char *text)
{
    BucketPage page = {0};
    if (bucket_read(arena, text, "", &page, NULL))
        for (size_t i = 0; i < page.count; i++)
            if (!*page.files[i].name || has_suffix(page.files[i].name, "/")) abort();
    free(page.files);
}

/* What was hidden stays as it is. */
static void check_hidden(const char *text)
{
    Text once = {0}, twice = {0};
    url_hide(text, &once);
    url_hide(text_string(&once), &twice);
    if (strcmp(text_string(&once), text_string(&twice)) != 0) abort();
    text_done(&once);
    text_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new();
    const char *text = arena_strndup(arena, (const char *)data, size);
    size_t n = strcspn(text, "\n");
    const char *first = arena_strndup(arena, text, n), *rest = text + n + (text[n] == '\n');
    const char *second = arena_strndup(arena, rest, strcspn(rest, "\n"));
    check_url(arena, first, second);
    check_hub(arena, second);
    check_head(text);
    check_listing(arena, text);
    check_hidden(text);
    const char *key = torch_hub_hash(arena, second);
    aws_profile_value(arena, text, "default", key ? key : "region");
    aws_profile_value(arena, text, first, NULL);
    arena_free(arena);
    return 0;
}
