/* View: the whole screen: title, counts, the paired list, the detail of the row under the
 * cursor, and the line at the bottom. It draws into a Screen and knows neither the session nor
 * a terminal.
 *
 *   title          files, containers, tensors, bytes, rules
 *   counts         the ledger in numbers
 *   coverage       how much of the target is loaded, as bars (on a high screen)
 *   ┌ source ─┬───┬ target ─┐
 *   │ …       │ = │ …       │   list
 *   ├ key ────┴───┴─────────┤
 *   │ …                     │   detail, or a notice
 *   └ prompt or message ────┘ */
#ifndef VIEWER_VIEW_H
#define VIEWER_VIEW_H

#include "viewer/cell.h"
#include "viewer/line.h"
#include "viewer/panel.h"
#include "viewer/rows.h"
#include "viewer/finder.h"

/* The smallest screen on which something can be shown. */
enum { VIEW_COLUMNS_MIN = 40, VIEW_ROWS_MIN = 10 };

typedef struct ViewFile {
    const char *name, *container;    /* borrowed; container "" = the root */
    size_t tensors;
    uint64_t bytes;
} ViewFile;

typedef struct ViewTitle {
    ViewFile source, target;         /* target.name NULL: there is none */
    const char *rules;               /* "fix.lua"; NULL: no rules */
    bool rules_failed;
    size_t lines;                    /* of the session, not saved */
    size_t notes;                    /* of the rules, and collisions */
    const char *busy;                /* what is under way, a literal; NULL: nothing */
    int percent;                     /* of it; -1: not known */
    bool opening;                    /* nothing is known yet of the files but their names */
} ViewTitle;

/* Keys that are marked, as row_key tells them, and modules as "PATH.**". */
typedef struct ViewMarks {
    const char *const *keys;         /* borrowed; [count] */
    size_t count;
} ViewMarks;

/* Between two lines of View.tries. */
#define CHOICE_GAP "    "

/* What the coverage bar is of where there is room for one. */
typedef enum Coverage {
    COVERAGE_VALUES, COVERAGE_BYTES, COVERAGE_TENSORS, COVERAGE_COUNT
} Coverage;

typedef struct View {
    RowModel *rows;                  /* borrowed; NULL while a panel is all there is */
    size_t cursor, top;              /* indexes into rows->visible */
    Side side;
    int divide;                      /* thousandths of the width for the source; 0: one half */
    bool dragging;                   /* the divider, by the mouse … */
    int grip;                        /* … that many columns right of its middle */
    Coverage coverage;
    ViewTitle title;
    const Finder *search;            /* borrowed; hits are shown */
    ViewMarks marks[SIDE_COUNT];
    Line *line;                      /* borrowed: what is being typed; NULL: nothing */
    const char *label;               /* before it: ":" or "/" */
    Text aside;                      /* right of it: the preview's or the search's counts */
    bool aside_old;                  /* it is about an earlier state of the line */
    Text message;                    /* at the bottom while nothing is typed */
    Style message_style;
    Text hint;                       /* there without a message: keys that go on, a line each */
    /* The key that runs a verb line in a panel (NULL: the list), as the user has bound it; NULL:
     * none does. Where it is NULL itself, no keys are told of. */
    const char *(*key_for)(const char *line, const char *panel);
    const char *notice_title;        /* instead of the detail; NULL: none */
    Style notice_style;
    Text notice;
    const char *tries_for;           /* borrowed: the target key that `tries` is for; NULL */
    Text tries;                      /* what would settle it, numbered, CHOICE_GAP between them; ""
                                        while nothing is known */
    struct Values *values;           /* borrowed (tensor_values.h); NULL: no values are shown */
    Panel *panel;                    /* owned: covers the list; NULL: nothing does */
    int page;                        /* rows of the list as drawn last */
} View;

void view_done(View *view);
/* Draws everything; moves `top` so that the cursor is on show. */
void view_draw(View *view, Screen *screen);

/* Rows of the list on a screen of that size. */
int view_page(const View *view, const Screen *screen);
/* The row under the cursor; ROW_NONE in an empty list. */
uint32_t view_row(const View *view);
void view_move(View *view, long delta);
/* Puts the cursor on a row, opening what hides it. */
void view_goto(View *view, uint32_t row);
/* Other rows: keeps the cursor on what it was on. */
void view_set_rows(View *view, RowModel *rows);
/* The place in the list that was clicked, or that a place on its map stands for; false when it was
 * none. */
bool view_find(const View *view, const Screen *screen, int x, int y, size_t *visible, Side *side);
/* Takes hold of the divider between the sides; false when that is no place of it. Then it follows
 * the mouse, until the button is let go. */
bool view_grip(View *view, const Screen *screen, int x, int y);
void view_drag(View *view, const Screen *screen, int x, bool release);
/* Puts the divider's middle at a column; each side keeps a few. */
void view_divide(View *view, const Screen *screen, int x);
/* Moves it by so many columns. */
void view_move_divider(View *view, const Screen *screen, int columns);
/* Takes over rows that were sorted meanwhile; true when there were some: other indexes of rows than
 * the cursor's are no longer valid. */
bool view_take_sorted(View *view);

/* Appends what stands below the list, in full: the row's name and words, or the notice's. */
void view_detail(const View *view, Text *title, Text *text);
/* The key that runs a verb line in what is on show; in a panel Esc leaves, too. NULL: none does. */
const char *view_key(const View *view, const char *line);
/* "{fold} chooses  {quit} closes" with the keys: "Enter chooses  q closes". Pieces stand two blanks
 * apart; one with a key that nothing is bound to is left out. */
void view_hint(const View *view, const char *hint, Text *out);

void view_say(View *view, Style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void view_notice(View *view, Style style, const char *title, const char *text);
void view_clear_notice(View *view);
/* Puts a panel upon what is on show; takes it over. */
void view_push_panel(View *view, Panel *panel);
/* Closes the topmost panel, or all. */
void view_pop_panel(View *view);
void view_close_panels(View *view);

#endif
