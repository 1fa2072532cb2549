/* tenon SOURCE [TARGET]: the viewer, or its report where there is no terminal. */
#include <stdio.h>
#include <unistd.h>

#include "repl/command.h"
#include "repl/init_file.h"
#include "repl/interactive.h"
#include "repl/session_file.h"

/* A saved session is gone on with text by text; rules of the command line come before them. */
static Session *open_session(const Invocation *invocation, Arena *arena, Error *err)
{
    SessionRecord record = {0};
    const char *first = invocation->operands[0];
    SessionOptions options = {.source = first,
                              .target = invocation->operands[1],
                              .rules = invocation->rules,
                              .rule_count = invocation->rule_count,
                              .seed = invocation->seed};
    if (invocation->operand_count == 1 && session_file_is(first)) {
        if (!session_file_read(first, arena, &record, err)) return NULL;
        options.file = first;
        options.source = record.source;
        options.target = record.target;
        options.texts = record.texts;
        options.text_count = record.text_count;
        if (!invocation->set[OPT_SEED]) options.seed = record.seed;
    }
    return session_new(&options, err);
}

/* The session is the viewer's to change; rules are read from its files again while it runs. */
static int open_viewer(const Invocation *invocation)
{
    Error err = {0};
    Arena *arena = arena_new();
    Text notes = {0};
    init_configure(&notes);
    Session *session = open_session(invocation, arena, &err);
    arena_free(arena);
    InteractiveOptions how = {.no_color = invocation->set[OPT_NO_COLOR],
                              .notes = text_string(&notes)};
    int status = session ? interactive_run(session, &how) : complain(&err);
    session_free(session);
    text_done(&notes);
    return status;
}

/* Standard output decides, as with ls(1): in a pipe there is nobody to press keys. */
int command_view(const Invocation *invocation)
{
    if (isatty(STDOUT_FILENO) && !invocation->set[OPT_JSON] && !invocation->set[OPT_QUIET])
        return open_viewer(invocation);
    /* one checkpoint is listed; two are compared, and rules are applied, as a report */
    bool single = invocation->operand_count == 1 && !invocation->rule_count &&
                  !session_file_is(invocation->operands[0]);
    return single ? command_ls(invocation) : command_align(invocation);
}
