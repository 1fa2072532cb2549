/* The one file that knows curses. It keeps a copy of what is on the terminal and hands curses
 * the cells that changed; curses sends the least it can for them.
 *
 * Resizing is curses' own handler, which only notes it; what curses does for Ctrl-Z in its handler
 * may come in the middle of a refresh, and is done here between two keys instead. Other signals are
 * presses (signals.h), and come before keys: who hangs up does not wait for the queue. */
#include "viewer/terminal.h"

#include <curses.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "viewer/palette.h"
#include "viewer/signals.h"

/* Numbers of our own behind those of curses. */
enum { KEY_PASTE = KEY_MAX + 1, KEY_PASTED };

typedef struct TerminalState {
    SCREEN *curses;              /* owned; deleted by terminal_close */
    Cell *shown;                 /* [rows * columns] what the terminal holds; owned */
    int columns, rows;
    attr_t looks[STYLE_COUNT];   /* with their colours */
    short pairs[STYLE_COUNT];    /* curses' numbers of colour pairs; 0 = the terminal's own */
    SignalsBefore before;        /* to be put back */
} TerminalState;

/* Our looks are curses' attributes under names that need no curses. */
static attr_t look_attributes(int look)
{
    attr_t attributes = A_NORMAL;
    if (look & LOOK_BOLD) attributes |= A_BOLD;
    if (look & LOOK_DIM) attributes |= A_DIM;
    if (look & LOOK_UNDERLINE) attributes |= A_UNDERLINE;
    if (look & LOOK_REVERSE) attributes |= A_REVERSE;
    return attributes;
}

/* A pair of curses; a colour of red, green and blue needs the call for large numbers. */
static void set_pair(short pair, int colour)
{
#if defined(NCURSES_EXT_COLORS) && NCURSES_EXT_COLORS
    init_extended_pair(pair, colour, -1);
#else
    init_pair(pair, (short)colour, -1);
#endif
}

/* A terminal without colours, or a user without liking for them, gets looks alone. Backgrounds
 * stay the terminal's own (-1), which may be light or dark. */
static void set_styles(TerminalState *state, bool mono)
{
    bool colours = !mono && has_colors() && start_color() == OK;
    if (colours) use_default_colors();
    for (short i = 0; i < STYLE_COUNT; i++) {
        const int colour = colours ? palette_colour((Style)i, COLORS) : -1;
        state->looks[i] = look_attributes(palette_look((Style)i, colours));
        state->pairs[i] = 0;
        if (colour < 0) continue;
        state->pairs[i] = (short)(i + 1);
        set_pair(state->pairs[i], colour);
    }
}

/* ---- pastes between marks ---- */

static void send_marking(bool on)
{
    ssize_t sent = write(STDOUT_FILENO, on ? "\033[?2004h" : "\033[?2004l", 8);
    (void)sent;                          /* a terminal that is gone is noticed elsewhere */
}

/* Whether a pasted text comes between marks. Terminals that know a mouse know this, or take no
 * notice; others could print it. */
static void mark_pastes(bool on)
{
    const char *mouse = tigetstr("kmous");
    if (!mouse || mouse == (const char *)-1) return;
    send_marking(on);
    define_key("\033[200~", KEY_PASTE);
    define_key("\033[201~", KEY_PASTED);
}

/* ---- Ctrl-Z ---- */

static volatile sig_atomic_t stopping;   /* Ctrl-Z was pressed */

static void note_stop(int number)
{
    (void)number;
    stopping = 1;
}

/* While the screen is ours Ctrl-Z is noted, else it stops us at once, as it does an editor that
 * runs in our place. Where it was ignored before we came, there is no shell to go back to. Curses
 * must find it noted: else it takes it over, and ignores it for as long as it draws. */
static void watch_stop(bool ours)
{
    struct sigaction action;
    sigaction(SIGTSTP, NULL, &action);
    if (action.sa_handler == SIG_IGN) return;
    action = (struct sigaction){.sa_handler = ours ? note_stop : SIG_DFL};   /* no SA_RESTART */
    sigemptyset(&action.sa_mask);
    sigaction(SIGTSTP, &action, NULL);
}

/* Wheels are buttons 4 and 5; the fifth is missing from old curses. A release ends a drag and does
 * nothing else, or each click would come twice. */
static Press mouse_press(void)
{
    MEVENT event;
    if (getmouse(&event) != OK) return (Press){.kind = PRESS_OTHER};
#ifdef BUTTON5_PRESSED
    if (event.bstate & BUTTON5_PRESSED) return (Press){.kind = PRESS_WHEEL_DOWN};
#endif
    if (event.bstate & BUTTON4_PRESSED) return (Press){.kind = PRESS_WHEEL_UP};
    Press press = {.kind = PRESS_OTHER, .x = event.x, .y = event.y};
    if (event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)) press.kind = PRESS_CLICK;
    else if (event.bstate & BUTTON1_RELEASED) press.kind = PRESS_RELEASE;
    else if (event.bstate & REPORT_MOUSE_POSITION) press.kind = PRESS_DRAG;
    return press;
}

/* Keys that send sequences, as terminfo told curses; there is no telling a key from its number
 * otherwise. */
static Press function_press(wint_t key)
{
    switch (key) {
    case KEY_UP: return (Press){.kind = PRESS_UP};
    case KEY_DOWN: return (Press){.kind = PRESS_DOWN};
    case KEY_LEFT: return (Press){.kind = PRESS_LEFT};
    case KEY_RIGHT: return (Press){.kind = PRESS_RIGHT};
    case KEY_PPAGE: return (Press){.kind = PRESS_PAGE_UP};
    case KEY_NPAGE: return (Press){.kind = PRESS_PAGE_DOWN};
    case KEY_HOME: return (Press){.kind = PRESS_HOME};
    case KEY_END: return (Press){.kind = PRESS_END};
    case KEY_ENTER: return (Press){.kind = PRESS_ENTER};
    case KEY_BTAB: return (Press){.kind = PRESS_BACK_TAB};
    case KEY_BACKSPACE: return (Press){.kind = PRESS_BACKSPACE};
    case KEY_DC: return (Press){.kind = PRESS_DELETE};
    case KEY_RESIZE: return (Press){.kind = PRESS_RESIZE};
    case KEY_MOUSE: return mouse_press();
    case KEY_PASTE: return (Press){.kind = PRESS_PASTE};
    case KEY_PASTED: return (Press){.kind = PRESS_PASTED};
    default: return (Press){.kind = PRESS_OTHER};
    }
}

/* Control characters as the keys that send them. */
static Press character_press(wint_t c)
{
    if (c == '\r' || c == '\n') return (Press){.kind = PRESS_ENTER};
    if (c == '\t') return (Press){.kind = PRESS_TAB};
    if (c == 0x1B) return (Press){.kind = PRESS_ESCAPE};
    if (c == 0x7F || c == '\b') return (Press){.kind = PRESS_BACKSPACE};
    if (c >= 1 && c <= 26) return (Press){.kind = PRESS_CTRL, .code = 'A' + (uint32_t)c - 1};
    if (c < 0x20) return (Press){.kind = PRESS_OTHER};
    return (Press){.kind = PRESS_CHAR, .code = (uint32_t)c};
}

/* What curses has already, without waiting. */
static bool take_key(Press *press)
{
    wint_t c;
    int kind = wget_wch(stdscr, &c);
    if (kind == ERR) return false;
    *press = kind == KEY_CODE_YES ? function_press(c) : character_press(c);
    return true;
}

/* Zeroed cells equal none that is drawn: all of them will be sent. */
static void forget_shown(TerminalState *state, int columns, int rows)
{
    free(state->shown);
    state->columns = columns;
    state->rows = rows;
    state->shown = mem_alloc((size_t)columns * (size_t)rows * sizeof(Cell));
}

/* Also where another program wrote over the screen: curses has to be told that its own picture of
 * the terminal is as wrong as ours. */
static void repaint(void *context)
{
    TerminalState *state = context;
    forget_shown(state, state->columns, state->rows);
    clearok(stdscr, TRUE);
}

static void give_screen(void)
{
    watch_stop(false);
    mark_pastes(false);
    endwin();
}

/* Curses takes the terminal's modes back with its first refresh. Who sees the screen may paste, and
 * press Ctrl-Z: both are ours before. */
static void take_screen(void *context)
{
    watch_stop(true);
    mark_pastes(true);
    repaint(context);
    refresh();
}

/* An editor's signals are its own. */
static void suspend(void *context)
{
    const TerminalState *state = context;
    signals_restore(&state->before);
    give_screen();
}

static void resume(void *context)
{
    TerminalState *state = context;
    signals_watch(&state->before);
    take_screen(context);
}

/* Stops the process, as the shell expects it, and goes on when the shell says so: with a screen
 * that may have another size. */
static bool take_stop(void *context, Press *press)
{
    if (!stopping) return false;
    stopping = 0;
    give_screen();
    raise(SIGTSTP);
    take_screen(context);
    *press = (Press){.kind = PRESS_RESIZE};
    return true;
}

/* Curses may hold bytes that poll() cannot see, so it is asked first. A signal ends poll(), and is
 * asked for again. A terminal that is gone is readable for ever, without a key: PRESS_CLOSE then,
 * or the program would turn in circles. */
static bool read_press(void *context, int timeout_ms, Press *press)
{
    if (signals_take(press) || take_stop(context, press) || take_key(press)) return true;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = poll(&input, 1, timeout_ms);
    if (signals_take(press) || take_stop(context, press) || take_key(press)) return true;
    bool gone = ready > 0 && input.revents & (POLLHUP | POLLERR | POLLNVAL);
    if (gone) {
        signals_end();
        *press = (Press){.kind = PRESS_CLOSE, .code = SIGHUP};
    }
    return gone;
}

static void get_size(void *context, int *columns, int *rows)
{
    (void)context;
    getmaxyx(stdscr, *rows, *columns);
}

static bool same_cell(const Cell *a, const Cell *b)
{
    return a->code == b->code && a->style == b->style && a->width == b->width &&
           memcmp(a->marks, b->marks, sizeof a->marks) == 0;
}

/* One cell to curses, in the colours of its style. The right half of a wide character is none of
 * ours to send: curses knows that it is there. */
static void show_cell(const TerminalState *state, int x, int y, const Cell *cell)
{
    unsigned style = cell->style & STYLE_MASK;
    attr_t look = state->looks[style < STYLE_COUNT ? style : STYLE_PLAIN];
    if (cell->style & STYLE_REVERSED) look |= A_REVERSE;
    if (cell->style & STYLE_BOLDER) look |= A_BOLD;
    /* Where the C library counts a character's columns otherwise than we do, curses would
     * shift the rest of the line: such a character is shown as question marks. */
    bool agreed = wcwidth((wchar_t)cell->code) == cell->width;
    wchar_t text[CELL_MARKS + 2] = {agreed ? (wchar_t)cell->code : L'?'};
    for (int i = 0; agreed && i < CELL_MARKS && cell->marks[i]; i++)
        if (wcwidth((wchar_t)cell->marks[i]) == 0) text[i + 1] = (wchar_t)cell->marks[i];
        else break;
    cchar_t wide;
    short pair = state->pairs[style < STYLE_COUNT ? style : STYLE_PLAIN];
    if (setcchar(&wide, text, look, pair, NULL) != OK) return;
    mvadd_wch(y, x, &wide);
    if (!agreed && cell->width == 2) mvadd_wch(y, x + 1, &wide);
}

/* Curses finds the cheapest way to send what changed; the cells spare it the looking. After a
 * change of size nothing on the terminal is certain, so all of it is sent. */
static void flush_screen(void *context, const Screen *screen)
{
    TerminalState *state = context;
    if (screen->columns != state->columns || screen->rows != state->rows) {
        forget_shown(state, screen->columns, screen->rows);
        erase();
    }
    size_t n = (size_t)screen->columns * (size_t)screen->rows;
    for (size_t i = 0; i < n; i++) {
        if (same_cell(&screen->cells[i], &state->shown[i])) continue;
        state->shown[i] = screen->cells[i];
        int x = (int)(i % (size_t)screen->columns), y = (int)(i / (size_t)screen->columns);
        if (screen->cells[i].width) show_cell(state, x, y, &screen->cells[i]);
    }
    curs_set(screen->cursor_x >= 0);
    if (screen->cursor_x >= 0) move(screen->cursor_y, screen->cursor_x);
    refresh();
}

static const TerminalOps curses_ops = {
    .read = read_press, .size = get_size, .flush = flush_screen,
    .repaint = repaint, .suspend = suspend, .resume = resume,
};

/* Curses on standard input and output; NULL where it would have nothing to hold on to. */
static SCREEN *start_curses(Error *err)
{
    const char *name = getenv("TERM");
    const char *advice = "`tenon --linear` shows the same as lines of text, `tenon align` and "
                         "`tenon diff` report, or set TERM";
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        error_set(err, ERR_USAGE, "the viewer needs a terminal; use `tenon align` or "
                  "`tenon diff` for a report");
        return NULL;
    }
    SCREEN *curses = name && *name ? newterm(NULL, stdout, stdin) : NULL;
    if (!curses) {
        error_set(err, ERR_USAGE, "the terminal TERM=%s is not known here; %s",
                  name ? name : "", advice);
        return NULL;
    }
    const char *move_cursor = tigetstr("cup");
    if (move_cursor && move_cursor != (const char *)-1) return curses;
    endwin();                    /* newterm has changed its modes already */
    delscreen(curses);
    error_set(err, ERR_USAGE, "the viewer needs a terminal that can move its cursor, and "
              "TERM=%s cannot; %s", name, advice);
    return NULL;
}

/* Keys at once, unechoed, with Ctrl-C and Ctrl-Z left to their signals. 50 ms decide whether an
 * ESC begins a sequence or is the key: enough for a slow line, too short to be felt. A click is
 * told at once instead of waiting for a second one. Movement with the button down is told by
 * terminals whose description turns it on; the others say where it was let go, and that is enough:
 * a mode that curses does not know would still be on after Ctrl-Z. */
static void set_modes(void)
{
    cbreak();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(50);
    mouseinterval(0);
    mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_RELEASED | BUTTON4_PRESSED |
              REPORT_MOUSE_POSITION
#ifdef BUTTON5_PRESSED
              | BUTTON5_PRESSED
#endif
              , NULL);
}

/* UTF-8 is what the locale says; without it nothing but ASCII is sent. */
bool terminal_open(Terminal *terminal, bool mono, Error *err)
{
    *terminal = (Terminal){0};
    watch_stop(true);
    SCREEN *curses = start_curses(err);
    if (!curses) {
        watch_stop(false);
        return false;
    }
    TerminalState *state = mem_alloc(sizeof *state);
    state->curses = curses;
    const char *plain = getenv("NO_COLOR");
    set_styles(state, mono || (plain && *plain));
    set_modes();
    mark_pastes(true);
    signals_watch(&state->before);
    *terminal = (Terminal){&curses_ops, state, strcmp(nl_langinfo(CODESET), "UTF-8") != 0};
    return true;
}

/* The terminal's modes first, then what is ours; a terminal that was never opened is left alone. */
void terminal_close(Terminal *terminal)
{
    TerminalState *state = terminal->state;
    if (!state) return;
    give_screen();
    delscreen(state->curses);
    signals_restore(&state->before);
    free(state->shown);
    free(state);
    *terminal = (Terminal){0};
}
