/* One script that lives on, and the session whose lines it keeps in step with. */
#include "repl/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/source/file_text.h"
#include "repl/interrupt.h"
#include "repl/user_files.h"
#include "viewer/change.h"

enum {
    PATIENCE = 100,                      /* times the instructions of a rule script: minutes */
    INIT_BYTES_MAX = 1 << 20             /* of init.lua */
};

/* Of ScriptFunctions. Rules have to come to the same everywhere, so they have none of these. */
static bool call_row(void *context, size_t index, const Value *arguments, Arena *arena,
                 ScriptAnswer *answer, Error *err)
{
    Console *console = context;
    if (console->replaying)
        return error_set(err, ERR_RULE, "rules cannot call it; it is for the prompt and tenon run");
    console->called = true;
    return console->options.calls->functions[index](console, arguments, arena, answer, err);
}

/* Of ScriptFunctions. */
static void print_on(void *context, const char *text, size_t n)
{
    const Console *console = context;
    console->options.print(console->options.context, text, n);
}

/* Of ScriptFunctions. */
static bool allow_statement(void *context, const char *statement, Error *err)
{
    const Console *console = context;
    return !console->starting ||
           error_set(err, ERR_RULE, "%s: init.lua changes no rules", statement);
}

/* ---- the object ---- */

Console *console_new(Session *session, const ConsoleOptions *options)
{
    Console *console = mem_alloc(sizeof *console);
    console->session = session;
    console->options = *options;
    console->functions = (ScriptFunctions){.words = options->calls->words,
                                           .count = options->calls->count,
                                           .call = call_row, .allow = allow_statement,
                                           .context = console};
    if (console->options.print) console->functions.print = print_on;
    return console;
}

/* The script before its draft, to which its chunks' names belong. */
void console_free(Console *console)
{
    if (!console) return;
    align_unref(console->alignment);
    script_free(console->script);
    draft_free(console->draft);
    snapshot_free(console->base);
    judge_book_done(&console->judged);
    text_done(&console->said);
    if (!console->options.lent) session_free(console->session);
    free(console);
}

const char *console_output(const Console *console)
{
    return console->script ? script_output(console->script) : "";
}

void console_forget(Console *console)
{
    align_unref(console->alignment);
    console->alignment = NULL;
    console->settled = SIZE_MAX;
}

/* ---- running ---- */

/* A text, from within another one or by itself. */
static bool run_text(Console *console, const char *text, size_t n, const char *name, Error *err)
{
    if (console->running) return script_run_inside(console->script, text, n, name, err);
    return script_run(console->script, text, n, name, err);
}

/* Everything that the session is made of, up to the first that fails. What it prints was seen when
 * it was entered. */
static bool run_session(Console *console, Error *err)
{
    SessionText text;
    bool ok = true;
    console->replaying = true;
    for (size_t i = 0; ok && snapshot_text(console->base, i, &text); i++)
        if (!text.off) ok = run_text(console, text.text, text.length, text.name, err);
    console->replaying = false;
    console->settled = script_statements(console->script);
    return ok;
}

/* init.lua, when the script is new: what it defines stands there for every input. */
static void run_init(Console *console)
{
    Arena *arena = arena_new();
    const char *path = user_config_file(arena, "init.lua");
    size_t n;
    const bool there = path && access(path, F_OK) == 0;
    char *text = there ? file_text(path, INIT_BYTES_MAX, &n, &console->init) : NULL;
    console->starting = true;
    if (text) script_run(console->script, text, n, path, &console->init);
    console->starting = false;
    script_renew(console->script);
    free(text);
    arena_free(arena);
}

/* The script outlives its drafts; a draft, what it was made on. */
bool console_rebuild(Console *console, Error *err)
{
    Snapshot *base = session_copy(console->session);
    Draft *draft = snapshot_draft(base);
    ScriptOptions options = snapshot_script_options(base);
    options.functions = &console->functions;
    options.patience = console->options.patience ? console->options.patience : PATIENCE;
    const bool fresh = !console->script;
    if (fresh) console->script = script_new(draft, &options);
    else script_use(console->script, draft, &options);
    draft_free(console->draft);
    snapshot_free(console->base);
    console->draft = draft;
    console->base = base;
    align_unref(console->alignment);
    console->alignment = NULL;
    if (fresh) run_init(console);
    return run_session(console, err);
}

bool console_start(Console *console, Error *err)
{
    return console_rebuild(console, err);
}

bool console_has_loose(const Console *console)
{
    return script_statements(console->script) != console->settled;
}

/* The draft is there and in step with the session. A rules file in error is no reason to run
 * nothing: what stood before it did run. */
static bool prepare(Console *console, Error *err)
{
    if (console->script && console->settled != SIZE_MAX) return true;
    return console_rebuild(console, err);
}

/* exit() ends a text as an error would, but is none. */
static bool run_prepared(Console *console, const char *text, size_t n, const char *name,
                         Error *err)
{
    script_renew(console->script);
    console->called = console->exits = false;
    console->running = true;
    bool ok = script_run(console->script, text, n, name, err);
    console->running = false;
    if (console->exits && err) *err = (Error){0};
    return ok && !console->exits;
}

bool console_run(Console *console, const char *text, size_t n, const char *name, Error *err)
{
    return prepare(console, err) && run_prepared(console, text, n, name, err);
}

/* ---- the ledger ---- */

/* As the session aligns: where values contradict what was found, it is found again. */
Alignment *console_ledger(Console *console, Error *err)
{
    const Judgement *judgement = NULL;
    Alignment *alignment = align_finish(draft_copy(console->draft), err);
    if (!alignment || !align_is_automatic(alignment)) return alignment;
    bool asked = judge_book_ask(&console->judged, alignment, false, interrupt_flag(), &judgement,
                                err);
    const bool follow = asked && judgement && judgement->vetoes.count;
    if (follow || !asked) {
        align_unref(alignment);
        alignment = NULL;
    }
    if (follow) {
        Draft *copy = draft_copy(console->draft);
        draft_later(copy)->vetoes = &judgement->vetoes;
        alignment = align_finish(copy, err);
    }
    if (alignment && judgement) judge_close(alignment, judgement, follow);
    return alignment;
}

/* ---- what is entered ---- */

/* What the line changes, in words, for people. */
static void say_change(Console *console, const Alignment *before, const Alignment *after)
{
    Changes changes;
    changes_init(&changes, before, after);
    changes_show(&changes, &console->said);
    changes_done(&changes);
}

Alignment *console_alignment(Console *console)
{
    bool failed;
    if (!console->alignment)
        console->alignment = session_align(console->session, &failed, &(Error){0});
    return console->alignment;
}

/* The line has run here; now by itself, behind the session's others. */
static bool keep_line(Console *console, const char *line, Error *err)
{
    Alignment *before = console_alignment(console);
    Alignment *after = session_try(console->session, line, err);
    if (!after) return false;
    session_add_line(console->session, line);
    text_clear(&console->said);
    if (before) say_change(console, before, after);
    align_unref(before);
    console->alignment = after;
    console->settled = script_statements(console->script);
    return true;
}

/* What errors call the next input: a line by the number that it would have. */
static const char *next_name(const Console *console, char name[32])
{
    snprintf(name, 32, ":%zu", session_text_count(console->session) + 1);
    return name;
}

/* "NAME:1: " of a line that is the only one there is. */
static void drop_place(Error *err, const char *name)
{
    char place[48];
    snprintf(place, sizeof place, "%s:1: ", name);
    const size_t n = strlen(place);
    if (has_prefix(err->text, place)) memmove(err->text, err->text + n, strlen(err->text + n) + 1);
}

/* Runs inside the text that asked for it; when it fails, what it did is taken back. */
bool console_add_line(Console *console, const char *line, Error *err)
{
    if (console_has_loose(console))
        return error_set(err, ERR_RULE, "statements have run that are no lines of the session; "
                         "give them to apply() as well");
    char name[32];
    console->replaying = true;
    bool ok = script_run_inside(console->script, line, strlen(line), next_name(console, name), err);
    console->replaying = false;
    if (ok && keep_line(console, line, err)) return true;
    drop_place(err, name);
    console_rebuild(console, &(Error){0});
    return false;
}

/* Whether an input that ran no statement is one all the same: `heads = 32` and functions, which
 * later lines may need. What was shown was asked for; what called a function is no rule. */
static bool is_definition(const Console *console, const char *text)
{
    return !console->called && !*console_output(console) && text[strspn(text, " \t\n;")];
}

/* An input that fails leaves nothing behind, and neither does one that does something else by
 * itself than here, where variables may hold what no line has set. */
bool console_enter(Console *console, const char *text, Error *err)
{
    text_clear(&console->said);
    if (!prepare(console, err)) console->settled = script_statements(console->script);
    char name[32];
    bool ok = run_prepared(console, text, strlen(text), next_name(console, name), err);
    if (!ok) {
        if (console_has_loose(console)) console_rebuild(console, &(Error){0});
        return false;
    }
    if (!console_has_loose(console)) {
        if (is_definition(console, text)) keep_line(console, text, &(Error){0});
        text_clear(&console->said);
        return true;
    }
    Error alone = {0};
    if (console->called)
        error_set(&alone, ERR_RULE, "it changes the rules and calls functions of the prompt; give "
                  "what changes the rules as an input of its own");
    else if (keep_line(console, text, &alone))
        return true;
    console_rebuild(console, &(Error){0});
    return error_set(err, ERR_RULE, "not applied: by itself, as a line of a script, it fails: %s",
                     alone.text);
}
