/* tenon run and tenon repl: Lua with everything that tenon does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/align/suggest.h"
#include "loader/source/file_text.h"
#include "repl/call_list.h"
#include "repl/command.h"
#include "repl/console.h"
#include "repl/fault.h"
#include "repl/init_file.h"
#include "repl/interrupt.h"
#include "repl/print_safely.h"
#include "repl/progress.h"
#include "repl/prompt.h"

enum { SCRIPT_BYTES_MAX = 16 << 20 };

/* Where a console's output and progress go. */
typedef struct Outside {
    Progress progress;
    const char *what;            /* that the progress is of; NULL: nothing is under way */
    bool quiet;
} Outside;

/* Of ConsoleOptions: a bar on standard error, wiped before anything is printed. */
static bool show_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    Outside *outside = context;
    if (outside->what != what) {
        progress_start(&outside->progress, what, isatty(STDERR_FILENO) && !outside->quiet);
        outside->what = what;
    }
    bool on = progress_step(&outside->progress, done, total);
    if (done >= total || !on) {
        progress_end(&outside->progress);
        outside->what = NULL;
    }
    return on;
}

static void print_out(void *context, const char *text, size_t n)
{
    (void)context;
    print_safely(stdout, text, n);
}

/* The text of a stream, up to the limit. */
static bool read_all(FILE *stream, const char *name, Text *text, Error *err)
{
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, stream)) > 0) {
        text_addn(text, piece, n);
        if (text->length > SCRIPT_BYTES_MAX)
            return error_set(err, ERR_LIMIT, "%s: is longer than %d MiB", name,
                             SCRIPT_BYTES_MAX >> 20);
    }
    return !ferror(stream) || error_errno(err, "%s", name);
}

/* init.lua; what is wrong with it is only told. */
static void configure(void)
{
    Text notes = {0};
    init_configure(&notes);
    if (notes.length) fputs("tenon: ", stderr);
    print_safely(stderr, text_string(&notes), notes.length);
    text_done(&notes);
}

/* What happened, on standard error; the exit status. What was printed comes before it. */
static int complain_of(const Error *err, const char *name, const char *text)
{
    Text shown = {0};
    fault_show(err, name, text, &shown);
    fflush(stdout);
    fputs("tenon: ", stderr);
    print_safely(stderr, text_string(&shown), shown.length);
    text_done(&shown);
    return *interrupt_flag() ? EXIT_INTERRUPTED : EXIT_TROUBLE;
}

/* Runs a text by itself. An expression is shown, as the prompt would. */
static int run_text(Console *console, const Text *text, const char *name)
{
    Error err = {0};
    bool ok = console_run(console, text_string(text), text->length, name, &err);
    if (ok) return EXIT_COMPLETE;
    return console->exits ? console->status : complain_of(&err, name, text_string(text));
}

/* ---- tenon run ---- */

/* arg, as lua(1) has it. */
static void set_arguments(Console *console, const Invocation *invocation)
{
    Text code = {0};
    text_add(&code, "arg = {[0]=");
    for (size_t i = 0; i < invocation->operand_count; i++) {
        if (i) text_add(&code, ", ");
        lua_quote(invocation->operands[i], strlen(invocation->operands[i]), &code);
    }
    text_addc(&code, '}');
    console_run(console, text_string(&code), code.length, "arguments", &(Error){0});
    text_done(&code);
}

static bool read_script(const char *path, Text *text, Error *err)
{
    size_t n;
    char *bytes = file_text_given(path, SCRIPT_BYTES_MAX, &n, err);
    if (!bytes) return false;
    text_addn(text, bytes, n);
    free(bytes);
    return true;
}

int command_run(const Invocation *invocation)
{
    Error err = {0};
    const char *path = invocation->operands[0];
    Text text = {0};
    Outside outside = {.quiet = invocation->set[OPT_QUIET]};
    interrupt_watch();
    if (!read_script(path, &text, &err)) return complain(&err);
    configure();
    Session *session = session_new(&(SessionOptions){.source = NULL}, &err);
    ConsoleOptions options = {.calls = call_table(), .print = print_out,
                              .progress = show_progress, .context = &outside};
    Console *console = console_new(session, &options);
    set_arguments(console, invocation);
    int status = run_text(console, &text, path);
    console_free(console);
    text_done(&text);
    return status;
}

/* ---- tenon repl ---- */

/* On a terminal; output is kept, to be shown page by page. */
static int run_prompt(Session *session, Outside *outside)
{
    Error err = {0};
    ConsoleOptions options = {.calls = call_table(), .progress = show_progress,
                              .context = outside};
    Console *console = console_new(session, &options);
    if (!console_start(console, &err)) complain_of(&err, NULL, "");
    int status = prompt_run(console);
    console_free(console);
    return status;
}

/* Without a terminal standard input is a script. */
static int run_input(Session *session, Outside *outside)
{
    Error err = {0};
    Text text = {0};
    ConsoleOptions options = {.calls = call_table(), .print = print_out,
                              .progress = show_progress, .context = outside};
    Console *console = console_new(session, &options);
    int status = EXIT_COMPLETE;
    if (!console_start(console, &err)) status = complain_of(&err, NULL, "");
    else if (!read_all(stdin, "standard input", &text, &err)) status = complain(&err);
    else status = run_text(console, &text, "stdin");
    console_free(console);
    text_done(&text);
    return status;
}

int command_repl(const Invocation *invocation)
{
    Error err = {0};
    Outside outside = {.quiet = invocation->set[OPT_QUIET]};
    SessionOptions options = {.source = invocation->operands[0],
                              .target = invocation->operands[1],
                              .rules = invocation->rules,
                              .rule_count = invocation->rule_count,
                              .seed = invocation->seed};
    interrupt_watch();
    configure();
    Session *session = session_new(&options, &err);
    if (!session) return complain(&err);
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? run_prompt(session, &outside)
                                                         : run_input(session, &outside);
}
