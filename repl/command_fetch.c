/* tenon fetch: a remote file, downloaded, verified, and put where it is looked for. */
#include "repl/command.h"

#include <stdio.h>
#include <unistd.h>

#include "loader/core/json.h"
#include "loader/source/fetch.h"
#include "repl/interrupt.h"
#include "repl/progress.h"

static void print_json(const Fetched *fetched, const char *url)
{
    Text out = {0};
    JsonWriter *json = json_writer_new(&out, false);
    json_map(json);
    json_put_uint(json, "version", 1);
    json_put_text(json, "url", url);
    json_put_text(json, "path", fetched->path);
    json_put_uint(json, "bytes", fetched->size);
    json_put_text(json, "sha256", fetched->sha256);
    json_put_text(json, "verified", fetched->verified);
    json_key(json, "there");
    json_bool(json, fetched->there);
    json_put_uint(json, "exit", EXIT_COMPLETE);
    json_end(json);
    json_writer_free(json);
    puts(text_string(&out));
    text_done(&out);
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

int command_fetch(const Invocation *invocation)
{
    Error err = {0};
    Progress progress;
    Fetched fetched;
    Arena *arena = arena_new();
    const char *url = url_shown(arena, invocation->operands[0]);
    interrupt_watch();
    progress_start(&progress, url, isatty(STDERR_FILENO) && !invocation->set[OPT_QUIET]);
    const FetchOptions options = {.out = invocation->value[OPT_OUT],
                                  .force = invocation->set[OPT_FORCE],
                                  .progress = progress_step, .context = &progress};
    bool fine = fetch_file(arena, invocation->operands[0], &options, &fetched, &err);
    progress_end(&progress);
    if (fine && invocation->set[OPT_JSON]) print_json(&fetched, url);
    else if (fine && invocation->set[OPT_QUIET]) puts(fetched.path);
    else if (fine) print_text(&fetched);
    arena_free(arena);
    return fine ? EXIT_COMPLETE : complain(&err);
}
