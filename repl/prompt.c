/* Inputs are read line by line until they are whole, run, and what they came to is shown. */
#include "repl/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repl/call_list.h"
#include "repl/complete.h"
#include "repl/fault.h"
#include "repl/history_file.h"
#include "repl/interrupt.h"
#include "repl/line_reader.h"
#include "repl/pager.h"
#include "repl/print_safely.h"
#include "repl/recovery.h"

typedef struct Prompt {
    Console *console;            /* borrowed */
    LineReader *reader;          /* owned */
    Arena *arena;
    const char *history;         /* the file's path; NULL: there is no home */
    bool history_failed;         /* it was said why */
    Text input, line;            /* what was entered so far; the line that was read last */
} Prompt;

static void print_error(const Error *err, const char *text)
{
    Text shown = {0};
    fault_show(err, NULL, text, &shown);
    fflush(stdout);
    fputs("tenon: ", stderr);
    print_safely(stderr, text_string(&shown), shown.length);
    text_done(&shown);
}

/* Of LineReaderOptions. In the second line of an input words stand inside what the first began. */
static size_t complete(void *context, const char *text, size_t cursor, Text *word, Text *choices)
{
    Prompt *prompt = context;
    const CompleteFrom from = {.alignment = console_alignment(prompt->console),
                               .calls = call_table()->words, .call_count = call_table()->count};
    Text whole = {0};
    text_add(&whole, text_string(&prompt->input));
    const size_t before = whole.length;
    text_addn(&whole, text, cursor);
    size_t at = complete_at(&from, text_string(&whole), whole.length, word, choices);
    text_done(&whole);
    return at > before ? at - before : 0;
}

static void open_history(Prompt *prompt)
{
    History entries = {0};
    Error err = {0};
    prompt->history = history_file_path(prompt->arena);
    if (prompt->history && !history_file_read(prompt->history, &entries, &err))
        fprintf(stderr, "tenon: %s\n", err.text);
    for (size_t i = 0; i < entries.count; i++)
        line_reader_remember(prompt->reader, entries.lines[i]);
    history_done(&entries);
}

static void remember(Prompt *prompt, const char *entry)
{
    Error err = {0};
    line_reader_remember(prompt->reader, entry);
    if (!prompt->history || prompt->history_failed ||
        history_file_add(prompt->history, entry, &err))
        return;
    prompt->history_failed = true;
    fprintf(stderr, "tenon: the history is not kept: %s\n", err.text);
}

/* What was printed, and what the rules came to. */
static void run_input(Prompt *prompt)
{
    Console *console = prompt->console;
    const char *input = text_string(&prompt->input);
    Error err = {0};
    bool ok = console_enter(console, input, &err);
    const char *output = console_output(console);
    pager_show(output, strlen(output));
    if (!ok && !console->exits) print_error(&err, input);
    if (ok && console->said.length) printf("applied (%s)\n", text_string(&console->said));
}

/* True when there is more to come. A text that is wrong is whole: running it says so. */
static bool is_incomplete(const Text *input)
{
    bool incomplete;
    Error ignored;
    script_parses(text_string(input), input->length, &incomplete, &ignored);
    return incomplete;
}

/* One more line of an input. */
static void take_line(Prompt *prompt)
{
    if (prompt->input.length) text_addc(&prompt->input, '\n');
    text_add(&prompt->input, text_string(&prompt->line));
    if (is_incomplete(&prompt->input)) return;
    if (prompt->input.bytes && prompt->input.bytes[strspn(prompt->input.bytes, " \t\n")]) {
        remember(prompt, text_string(&prompt->input));
        run_input(prompt);
    }
    text_clear(&prompt->input);
}

/* Lines that are not saved are written down, whatever ends the prompt. */
static void leave(Prompt *prompt)
{
    const char *path;
    Error err = {0};
    bool told = !interrupt_end();
    if (!recovery_save(prompt->console->session, told, prompt->arena, &path, &err))
        fprintf(stderr, "tenon: the session's lines are lost: %s\n", err.text);
    else if (path)
        fprintf(stderr, "the lines of this session were not saved; they are in %s\n", path);
}

static void greet(Prompt *prompt)
{
    const char *left = recovery_find(prompt->arena);
    printf("tenon %s   help() lists what there is, Tab completes, Ctrl-D ends\n", TENON_VERSION);
    if (left)
        printf("a session was cut short; its lines are in %s\n", left);
}

static void read_inputs(Prompt *prompt)
{
    while (!interrupt_end() && !prompt->console->exits) {
        const bool more = prompt->input.length > 0;
        LineResult result = line_reader_read(prompt->reader, more ? "    .. " : "tenon> ",
                                             &prompt->line);
        if (result == LINE_END && !more) {
            putchar('\n');
            return;
        }
        if (result == LINE_READ) {
            take_line(prompt);
        } else {
            text_clear(&prompt->input);
            putchar('\n');
        }
        interrupt_reset();
    }
}

int prompt_run(Console *console)
{
    Prompt prompt = {.console = console, .arena = arena_new()};
    prompt.reader = line_reader_new(&(LineReaderOptions){complete, &prompt});
    interrupt_watch_end();
    if (prompt.reader) {
        greet(&prompt);
        open_history(&prompt);
        read_inputs(&prompt);
        leave(&prompt);
    }
    const int end = interrupt_end();
    line_reader_free(prompt.reader);
    text_done(&prompt.input);
    text_done(&prompt.line);
    arena_free(prompt.arena);
    return end ? 128 + end : console->status;
}
