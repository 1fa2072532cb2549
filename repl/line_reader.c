#include "repl/line_reader.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "repl/interrupt.h"
#include "repl/pager.h"
#include "repl/print_safely.h"

enum { ENTRIES_MAX = 2000 };

struct LineReader {
    EditLine *edit;              /* owned, like the next */
    History *entries;            /* libedit's */
    LineReaderOptions options;
    const char *prompt;          /* of the line that is being read */
};

static char *show_prompt(EditLine *edit)
{
    LineReader *reader = NULL;
    el_get(edit, EL_CLIENTDATA, &reader);
    return (char *)reader->prompt;
}

/* Where a line of n bytes is to end: at most `columns` characters, back to a blank if there is
 * one. */
static size_t line_end(const char *text, size_t n, size_t columns)
{
    size_t at = 0, blank = 0;
    for (size_t used = 0; at < n; at++) {
        if (text[at] == ' ') blank = at;
        used += ((unsigned char)text[at] & 0xC0) != 0x80;
        if (used > columns) return blank ? blank : at;
    }
    return n;
}

/* No name is cut where the terminal ends; keys may hold anything. */
static void print_wrapped(const char *text, size_t columns)
{
    while (*text) {
        const size_t n = strcspn(text, "\n"), end = line_end(text, n, columns);
        print_safely(stdout, text, end);
        putchar('\n');
        text += end;
        if (end < n) text += strspn(text, " ");
        else text += *text == '\n';
    }
}

/* Below the line, which libedit then draws anew. */
static void show_choices(const Text *choices)
{
    if (!choices->length) return;
    putchar('\n');
    print_wrapped(text_string(choices), pager_columns());
    fflush(stdout);
}

/* Of EL_ADDFN. What is behind the cursor stays. */
static unsigned char complete(EditLine *edit, wint_t key)
{
    (void)key;
    LineReader *reader = NULL;
    el_get(edit, EL_CLIENTDATA, &reader);
    const LineInfo *info = el_line(edit);
    const size_t cursor = (size_t)(info->cursor - info->buffer);
    Text text = {0}, word = {0}, choices = {0};
    text_addn(&text, info->buffer, cursor);
    const size_t at = reader->options.complete(reader->options.context, text_string(&text), cursor,
                                               &word, &choices);
    /* the word goes on from what is there: only the rest is put in */
    const size_t there = cursor - at;
    if (word.length > there) el_insertstr(edit, word.bytes + there);
    show_choices(&choices);
    const bool shown = choices.length > 0, more = word.length > there;
    text_done(&text);
    text_done(&word);
    text_done(&choices);
    return shown ? CC_REDISPLAY : more ? CC_REFRESH : CC_REFRESH_BEEP;
}

/* One entry is one call: libedit splits nothing. */
void line_reader_remember(LineReader *reader, const char *entry)
{
    HistEvent event;
    if (entry[strspn(entry, " \t\n")]) history(reader->entries, &event, H_ENTER, entry);
}

/* What has become of the terminal since it was looked at last. */
static volatile sig_atomic_t resized, stopping, resumed;

static void note_terminal(int signal_number)
{
    if (signal_number == SIGWINCH) resized = true;
    else if (signal_number == SIGTSTP) stopping = true;
    else resumed = true;
}

/* What is ignored from the start stays so: where Ctrl-Z is, there is no shell to go back to. */
static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action;
    sigaction(signal_number, NULL, &action);
    if (action.sa_handler == SIG_IGN) return;
    action = (struct sigaction){.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

/* The shell gets its terminal as it was; we go on here when it wants us again. */
static void stop(EditLine *edit)
{
    el_set(edit, EL_PREP_TERM, 0);
    handle(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    handle(SIGTSTP, note_terminal);
    stopping = false;
    resumed = true;
}

/* The line is drawn anew over itself. */
static void follow_terminal(EditLine *edit)
{
    if (stopping) stop(edit);
    if (!resized && !resumed) return;
    if (resumed) el_set(edit, EL_PREP_TERM, 1);
    if (resized) el_resize(edit);
    resized = resumed = false;
    putchar('\r');
    el_wset(edit, EL_REFRESH);
}

/* Whether there is a key to read, and no signal before it. Signals are let through while we wait
 * and nowhere else: one that came between a look at the flags and the wait would else wait for the
 * next key, and take it into a line that is to be dropped. */
static bool wait_for_key(EditLine *edit)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT};
    sigset_t held, before;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&held, signals[i]);
    while (true) {
        follow_terminal(edit);
        pthread_sigmask(SIG_BLOCK, &held, &before);
        int n = 0;
        if (!*interrupt_flag() && !resized && !stopping && !resumed)
            n = ppoll(&(struct pollfd){STDIN_FILENO, POLLIN, 0}, 1, NULL, &before);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (*interrupt_flag()) return false;
        if (n > 0) return true;
    }
}

/* Of EL_GETCFN. */
static int read_key(EditLine *edit, wchar_t *key)
{
    if (!wait_for_key(edit)) {
        *key = L'\0';
        errno = EINTR;
        return -1;
    }
    el_wset(edit, EL_GETCFN, EL_BUILTIN_GETCFN);
    const int n = el_wgetc(edit, key), number = errno;
    el_wset(edit, EL_GETCFN, read_key);
    errno = number;
    return n;
}

/* Emacs' keys, as readline has them; the user's own ~/.editrc wins. libedit's handlers of signals
 * stay off: they draw in the handler, and tell nobody before the next key. */
LineReader *line_reader_new(const LineReaderOptions *options)
{
    HistEvent event;
    LineReader *reader = mem_alloc(sizeof *reader);
    reader->options = *options;
    reader->prompt = "";
    reader->entries = history_init();
    reader->edit = el_init("tenon", stdin, stdout, stderr);
    if (!reader->edit || !reader->entries) {
        line_reader_free(reader);
        return NULL;
    }
    history(reader->entries, &event, H_SETSIZE, ENTRIES_MAX);
    history(reader->entries, &event, H_SETUNIQUE, 1);
    el_set(reader->edit, EL_CLIENTDATA, reader);
    el_set(reader->edit, EL_PROMPT, show_prompt);
    el_set(reader->edit, EL_EDITOR, "emacs");
    el_set(reader->edit, EL_HIST, history, reader->entries);
    el_wset(reader->edit, EL_GETCFN, read_key);
    /* its narrow sister loses both texts */
    el_wset(reader->edit, EL_ADDFN, L"tenon-complete", L"completes the word", complete);
    el_set(reader->edit, EL_BIND, "^I", "tenon-complete", NULL);
    el_set(reader->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(reader->edit, NULL);
    handle(SIGWINCH, note_terminal);
    return reader;
}

void line_reader_free(LineReader *reader)
{
    if (!reader) return;
    handle(SIGWINCH, SIG_DFL);
    if (reader->edit) el_end(reader->edit);
    if (reader->entries) history_end(reader->entries);
    free(reader);
}

LineResult line_reader_read(LineReader *reader, const char *prompt, Text *line)
{
    int n = 0;
    text_clear(line);
    reader->prompt = prompt;
    handle(SIGTSTP, note_terminal);
    handle(SIGCONT, note_terminal);
    const char *typed = el_gets(reader->edit, &n);
    handle(SIGTSTP, SIG_DFL);
    handle(SIGCONT, SIG_DFL);
    if (!typed || n <= 0) {
        const bool interrupted = n < 0 && *interrupt_flag();
        el_reset(reader->edit);
        return interrupted ? LINE_INTERRUPTED : LINE_END;
    }
    while (n && (typed[n - 1] == '\n' || typed[n - 1] == '\r')) n--;
    text_addn(line, typed, (size_t)n);
    return LINE_READ;
}
