/* A terminal whose keys are lines: each line becomes the presses that the loop would have got for
 * it. It speaks when nothing is under way, and only then waits for the next line. */
#include "viewer/linear.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "viewer/linear_tell.h"
#include "viewer/signals.h"

enum {
    COLUMNS = 100, ROWS = 40,        /* of the screen that nobody sees */
    BUSY_MS = 500,                   /* a wait that is shorter says that something is under way */
    LIST_ROWS = 20                   /* that `list` says */
};

typedef struct Linear {
    FILE *in, *out;
    const View *view;                /* borrowed: as it was shown last; NULL: never */
    Press *queue;                    /* owned; [next, count) are to come */
    size_t count, room, next;
    Text line;                       /* what is being read */
    Text said, row;                  /* what was said last */
    const Panel *panel;              /* the one whose text was said; only compared */
    size_t loaded;                   /* targets, as they were told */
    bool greeted;                    /* it was told how to go on */
    bool answered;                   /* nothing was entered since it spoke */
    bool ended;                      /* there are no more lines; q was pressed */
    SignalsBefore before;            /* to be put back */
} Linear;

static bool is_preferred;

bool linear_is_preferred(void)
{
    return is_preferred;
}

void linear_prefer(bool preferred)
{
    is_preferred = preferred;
}

static void press(Linear *linear, Press press)
{
    linear->queue = mem_grow(linear->queue, &linear->room, linear->count + 1,
                             sizeof *linear->queue);
    linear->queue[linear->count++] = press;
}

static void press_kind(Linear *linear, PressKind kind)
{
    press(linear, (Press){.kind = kind});
}

static void press_text(Linear *linear, const char *text)
{
    for (const char *p = text, *end = text + strlen(text); p < end;)
        press(linear, (Press){.kind = PRESS_CHAR, .code = utf8_next(&p, end)});
}

/* ---- speaking ---- */

static void say(Linear *linear, const Text *text)
{
    fwrite(text_string(text), 1, text->length, linear->out);
}

/* Messages may hold a name as a file has it. */
static void add_shown(const char *text, Text *out)
{
    Text line = {0};
    for (; *text; text += *text == '\n') {
        const size_t n = strcspn(text, "\n");
        text_clear(&line);
        text_addn(&line, text, n);
        name_show(text_string(&line), out);
        text_addc(out, '\n');
        text += n;
    }
    text_done(&line);
}

/* The message, a notice, and a panel that was not said yet or shows something else. */
static void say_news(Linear *linear, const View *view)
{
    Text text = {0};
    if (view->notice_title) {
        text_addf(&text, "%s: ", view->notice_title);
        add_shown(text_string(&view->notice), &text);
    }
    if (view->message.length) add_shown(text_string(&view->message), &text);
    if (view->panel) tell_panel(view->panel, &text);
    if (view->line) {
        text_addf(&text, "type, Esc, or Enter for: %s", view->label);
        add_shown(text_string(&view->line->text), &text);
    }
    const bool same = text.length == linear->said.length &&
                      strcmp(text_string(&text), text_string(&linear->said)) == 0;
    if (!same || !linear->answered) say(linear, &text);
    text_done(&linear->said);
    linear->said = text;
}

/* The row where it is another one, or something else became of it. */
static void say_row(Linear *linear, const View *view, bool again)
{
    Text text = {0};
    tell_row(view, view->cursor, &text);
    if (again || strcmp(text_string(&text), text_string(&linear->row)) != 0) say(linear, &text);
    text_done(&linear->row);
    linear->row = text;
}

/* The counts first, and whenever they have changed. */
static void say_counts(Linear *linear, const View *view)
{
    const Summary *summary = view->rows ? align_summary(view->rows->alignment) : NULL;
    const size_t loaded = summary ? summary->bind[BIND_LOADED] + 1 : 0;
    Text text = {0};
    if (loaded != linear->loaded) tell_counts(view, &text);
    linear->loaded = loaded;
    say(linear, &text);
    text_done(&text);
}

/* How to go on. A verb by its name does where it has no key. */
static void greet(const Linear *linear, const View *view)
{
    static const char *const lines[] = {"next-problem", "help", "quit"};
    const char *keys[countof(lines)];
    for (size_t i = 0; i < countof(lines); i++) {
        const char *key = view_key(view, lines[i]);
        keys[i] = key ? key : lines[i];
    }
    fprintf(linear->out, "a line is a key, a verb or Lua: %s goes to the next problem, list says "
            "rows, %s says all, %s quits\n", keys[0], keys[1], keys[2]);
}

static void speak(Linear *linear)
{
    const View *view = linear->view;
    if (!view) return;
    say_counts(linear, view);
    if (!linear->greeted && view->rows)
        greet(linear, view);
    linear->greeted = linear->greeted || view->rows;
    say_news(linear, view);
    if (view->panel || view->line) text_clear(&linear->row);     /* it is news when they close */
    else say_row(linear, view, false);
    if (!linear->answered) fputs("> ", linear->out);
    fflush(linear->out);
    linear->answered = true;
}

static void say_rows(Linear *linear, const char *count)
{
    uint64_t n = LIST_ROWS;
    Text text = {0};
    const View *view = linear->view;
    if (*count) parse_digits(count, strlen(count), &n);
    const size_t all = view->rows ? view->rows->visible_count : 0;
    for (size_t i = view->cursor; i < all && i - view->cursor < n; i++) tell_row(view, i, &text);
    say(linear, &text);
    text_done(&text);
}

/* ---- listening ---- */

/* A line while something is being typed already takes its place; an empty one enters it, and Esc
 * leaves it. */
static void take_typed(Linear *linear, const char *line)
{
    if (strcmp(line, "Esc") == 0) {
        press_kind(linear, PRESS_ESCAPE);
        return;
    }
    if (*line) press(linear, (Press){.kind = PRESS_CTRL, .code = 'U'});
    press_text(linear, line);
    press_kind(linear, PRESS_ENTER);
}

/* What is ours and no press. */
static bool take_own(Linear *linear, const char *line)
{
    const bool list = strcmp(line, "list") == 0 || has_prefix(line, "list ");
    if (!list && strcmp(line, "row") != 0) return false;
    if (list) say_rows(linear, line + strlen("list") + strspn(line + strlen("list"), " "));
    else say_row(linear, linear->view, true);
    return true;
}

/* Pages lie over the list and take any key: they have been said. */
static void take_line(Linear *linear, const char *line)
{
    Press key;
    const View *view = linear->view;
    linear->answered = false;
    if (view->line) {
        take_typed(linear, line);
        return;
    }
    if (view->panel && view->panel->ops == &page_ops) press_kind(linear, PRESS_ESCAPE);
    if (take_own(linear, line)) return;
    if (!*line) press_kind(linear, PRESS_DOWN);
    else if (press_parse(line, &key)) press(linear, key);
    else {
        const bool search = *line == '/';
        press(linear, (Press){.kind = PRESS_CHAR, .code = search ? '/' : ':'});
        press_text(linear, line + (*line == ':' || search));
        press_kind(linear, PRESS_ENTER);
    }
}

/* The end is q; where that asks something, nobody is there to answer. */
static void take_end(Linear *linear)
{
    if (linear->ended) {
        press(linear, (Press){.kind = PRESS_CLOSE, .code = 1});
        return;
    }
    linear->ended = true;
    press_kind(linear, PRESS_ESCAPE);
    press(linear, (Press){.kind = PRESS_CHAR, .code = 'q'});
}

/* Waits for a line, for so long; true when there is something to do. */
static bool listen(Linear *linear, int timeout_ms)
{
    struct pollfd input = {.fd = fileno(linear->in), .events = POLLIN};
    if (poll(&input, 1, timeout_ms) <= 0) return false;
    for (char c;;) {
        const ssize_t n = read(input.fd, &c, 1);
        if (n < 0 && errno == EINTR && !signals_are_waiting()) continue;
        if (n <= 0) {
            take_end(linear);
            return true;
        }
        if (c == '\n') break;
        if (c != '\r') text_addc(&linear->line, c);
    }
    char *line = mem_strdup(text_string(&linear->line));
    text_clear(&linear->line);
    for (size_t n = strlen(line); n && line[n - 1] == ' ';) line[--n] = '\0';
    take_line(linear, line + strspn(line, " "));
    free(line);
    return true;
}

/* ---- the terminal ---- */

static bool read_press(void *state, int timeout_ms, Press *out)
{
    Linear *linear = state;
    if (signals_take(out)) return true;
    if (linear->next == linear->count) {
        linear->next = linear->count = 0;
        if (timeout_ms > BUSY_MS) speak(linear);
        const bool idle = timeout_ms > BUSY_MS && linear->view;
        if (!idle) {
            poll(NULL, 0, timeout_ms);
            return false;
        }
        if (!listen(linear, timeout_ms)) return signals_take(out);
    }
    if (linear->next == linear->count) return false;
    *out = linear->queue[linear->next++];
    return true;
}

static void get_size(void *state, int *columns, int *rows)
{
    (void)state;
    *columns = COLUMNS;
    *rows = ROWS;
}

static void tell(void *state, const struct View *view)
{
    ((Linear *)state)->view = view;
}

static void do_nothing(void *state)
{
    fflush(((Linear *)state)->out);
}

static const TerminalOps linear_ops = {
    .read = read_press, .size = get_size, .tell = tell,
    .repaint = do_nothing, .suspend = do_nothing, .resume = do_nothing,
};

void linear_open(Terminal *terminal, FILE *in, FILE *out)
{
    Linear *linear = mem_alloc(sizeof *linear);
    *linear = (Linear){.in = in, .out = out};
    signals_watch(&linear->before);
    *terminal = (Terminal){&linear_ops, linear, false};
}

void linear_close(Terminal *terminal)
{
    Linear *linear = terminal->state;
    if (!linear) return;
    signals_restore(&linear->before);
    free(linear->queue);
    text_done(&linear->line);
    text_done(&linear->said);
    text_done(&linear->row);
    free(linear);
    *terminal = (Terminal){0};
}
