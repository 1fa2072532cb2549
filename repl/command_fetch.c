/* tenon fetch: a remote file, or what of a remote folder is a checkpoint, downloaded, verified, and
 * put where it is looked for. */
#include "repl/command.h"

#include <stdio.h>
#include <unistd.h>

#include "loader/format/folder_fetch.h"
#include "loader/source/fetch_folder.h"
#include "repl/answer.h"
#include "repl/interrupt.h"
#include "repl/progress.h"

static void put_file(JsonWriter *json, const Fetched *fetched)
{
    json_put_text(json, "path", fetched->path);
    json_put_uint(json, "bytes", fetched->size);
    json_put_text(json, "sha256", fetched->sha256);
    json_put_text(json, "verified", fetched->verified);
    json_put_bool(json, "there", fetched->there);
}

/* Of a folder all files; NULL: of a file itself. */
static void print_json(const Fetched *fetched, const FetchedFolder *folder, const char *url)
{
    Text out = {0};
    JsonWriter *json = answer_begin(&out);
    json_put_text(json, "url", url);
    if (folder) {
        json_put_text(json, "path", folder->path);
        json_put_uint(json, "bytes", folder->size);
        json_key(json, "files");
        json_list(json);
        for (size_t i = 0; i < folder->count; i++) {
            json_map(json);
            put_file(json, &folder->files[i]);
            json_end(json);
        }
        json_end(json);
    } else {
        put_file(json, fetched);
    }
    answer_print(json, EXIT_COMPLETE, &out);
}

static void print_text(const Fetched *fetched)
{
    char size[32];
    Text path = {0};
    name_show(fetched->path, &path);
    show_bytes(fetched->size, size);
    printf("%s   %s%s\n", text_string(&path), size, fetched->there ? "   was there already" : "");
    printf("sha256 %s%s%s\n", fetched->sha256, fetched->verified ? ", as says " : "",
           fetched->verified ? fetched->verified : "");
    text_done(&path);
}

static void print_folder(const FetchedFolder *folder)
{
    char size[32];
    Text path = {0};
    for (size_t i = 0; i < folder->count; i++) {
        const Fetched *file = &folder->files[i];
        text_clear(&path);
        name_show(file->path, &path);
        show_bytes(file->size, size);
        printf("%s   %s   sha256 %s%s%s%s\n", text_string(&path), size, file->sha256,
               file->verified ? ", as says " : "", file->verified ? file->verified : "",
               file->there ? "   was there already" : "");
    }
    text_clear(&path);
    name_show(folder->path, &path);
    show_bytes(folder->size, size);
    printf("%s   %zu file%s   %s\n", text_string(&path), folder->count,
           folder->count == 1 ? "" : "s", size);
    text_done(&path);
}

/* A whole folder: what of it is its checkpoint. */
static bool run_folder(const Invocation *invocation, Arena *arena, const FetchOptions *options,
                       FetchedFolder *out, Error *err)
{
    const char *name = invocation->operands[0];
    const bool all = invocation->set[OPT_EVERYTHING];
    RemoteFolder folder;
    const size_t *chosen;
    size_t count;
    return remote_folder_list(arena, name, true, &folder, err) &&
           folder_choose_files(arena, &folder, all, &chosen, &count, err) &&
           fetch_folder(arena, name, &folder, chosen, count, options, out, err);
}

int command_fetch(const Invocation *invocation)
{
    Error err = {0};
    Progress progress;
    Fetched fetched;
    FetchedFolder folder;
    Arena *arena = arena_new();
    const char *url = url_shown(arena, invocation->operands[0]);
    const bool whole = remote_folder_is(invocation->operands[0]);
    interrupt_watch();
    progress_start(&progress, url, isatty(STDERR_FILENO) && !invocation->set[OPT_QUIET]);
    const FetchOptions options = {.out = invocation->value[OPT_OUT],
                                  .force = invocation->set[OPT_FORCE],
                                  .progress = progress_step, .context = &progress};
    bool fine = whole ? run_folder(invocation, arena, &options, &folder, &err)
                      : fetch_file(arena, invocation->operands[0], &options, &fetched, &err);
    progress_end(&progress);
    if (fine && invocation->set[OPT_JSON]) print_json(&fetched, whole ? &folder : NULL, url);
    else if (fine && invocation->set[OPT_QUIET]) puts(whole ? folder.path : fetched.path);
    else if (fine && whole) print_folder(&folder);
    else if (fine) print_text(&fetched);
    arena_free(arena);
    return fine ? EXIT_COMPLETE : complain(&err);
}
