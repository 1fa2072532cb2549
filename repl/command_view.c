/* tenon SOURCE [TARGET]: the viewer, or its report where there is no terminal. */
#include <stdio.h>
#include <unistd.h>

#include "repl/command.h"
#include "repl/history_file.h"
#include "repl/init_file.h"
#include "repl/interactive.h"
#include "repl/opening_screen.h"
#include "repl/recovery.h"
#include "repl/session_file.h"
#include "viewer/linear.h"
#include "viewer/terminal.h"

/* A saved session is gone on with text by text; rules of the command line come before them. */
static Session *open_session(const Invocation *invocation, const SessionOpener *opener,
                             Arena *arena, Error *err)
{
    SessionRecord record = {0};
    const char *first = invocation->operands[0];
    SessionOptions options = {.source = first,
                              .target = invocation->operands[1],
                              .rules = invocation->rules,
                              .rule_count = invocation->rule_count,
                              .seed = invocation->seed,
                              .opener = opener};
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

/* A signal has ended the viewer: there was nobody to ask. */
static void save_what_is_left(Session *session, Arena *arena)
{
    Error err = {0};
    const char *path;
    if (!recovery_save(session, false, arena, &path, &err))
        fprintf(stderr, "tenon: the session's lines are lost: %s\n", err.text);
    else if (path)
        fprintf(stderr, "tenon: the lines of this session are in %s\n", path);
}

/* The session is the viewer's to change; rules are read from its files again while it runs. Who
 * left before there was one knows why there is none. */
static int open_viewer(const Invocation *invocation)
{
    Error err = {0};
    Arena *arena = arena_new();
    Text notes = {0};
    Terminal linear = {0};
    const bool speak = invocation->set[OPT_LINEAR] || linear_is_preferred();
    init_configure(&notes);
    if (speak) linear_open(&linear, stdin, stdout);
    OpeningScreen screen = {.terminal = speak ? &linear : NULL,
                            .no_color = invocation->set[OPT_NO_COLOR]};
    Session *session = open_session(invocation, &(SessionOpener){opening_screen_run, &screen},
                                    arena, &err);
    const char *left = session ? recovery_find(arena) : NULL;
    if (left)
        text_addf(&notes, "a session was cut short; tenon %s goes on with it\n", left);
    const InteractiveOptions how = {.no_color = screen.no_color, .notes = text_string(&notes),
                                    .history = history_file_path(arena),
                                    .terminal = speak ? &linear : NULL, .opened = &screen.own,
                                    .ahead = &screen.ahead, .names_top = screen.top};
    int status = screen.status;
    if (session) status = interactive_run(session, &how);
    else terminal_close(&screen.own);
    if (!session && !screen.left) status = complain(&err);
    linear_close(&linear);
    typed_ahead_done(&screen.ahead);
    if (session && status > 128) save_what_is_left(session, arena);
    session_free(session);
    text_done(&notes);
    arena_free(arena);
    return status;
}

/* Standard output decides, as with ls(1): in a pipe there is nobody to press keys. */
int command_view(const Invocation *invocation)
{
    if (invocation->set[OPT_LINEAR]) return open_viewer(invocation);
    if (isatty(STDOUT_FILENO) && !invocation->set[OPT_JSON] && !invocation->set[OPT_QUIET])
        return open_viewer(invocation);
    /* one checkpoint is listed; two are compared, and rules are applied, as a report */
    bool single = invocation->operand_count == 1 && !invocation->rule_count &&
                  !session_file_is(invocation->operands[0]);
    return single ? command_ls(invocation) : command_align(invocation);
}
