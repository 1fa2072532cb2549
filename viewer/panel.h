/* Panel: what takes the place of the list and the detail: a page of text, the rules, a tensor's
 * values. Panels lie upon each other; the topmost is on show, and gets what moves. A panel draws
 * inside its frame and knows neither keys nor the session: verbs act on it (repl/), bound to keys
 * under its name. */
#ifndef VIEWER_PANEL_H
#define VIEWER_PANEL_H

#include "viewer/cell.h"

typedef enum PanelMove {
    PANEL_ROWS,                      /* `n` rows down; negative: up */
    PANEL_PAGES,                     /* `n` pages */
    PANEL_END,                       /* to the last row (n > 0) or the first */
    PANEL_COLUMNS,                   /* into (n > 0) or out of what is under the cursor */
    PANEL_FOLD                       /* opens or closes it, or does what Enter stands for */
} PanelMove;

typedef struct Panel Panel;

typedef struct PanelOps {
    const char *name;                /* a literal: what keys are bound for, and help speaks of */
    const char *hint;                /* at the bottom while nothing is typed, as view_hint takes
                                        it: "{quit} closes" */
    /* What the frame says: the title, and at the right where the panel is ("21-40 of 97"). */
    void (*head)(const Panel *panel, Text *title, Text *place);
    /* Draws into the box, which is cleared; every frame. */
    void (*draw)(Panel *panel, Screen *screen, Box box);
    /* False: it does not move so. NULL: it never moves. */
    bool (*move)(Panel *panel, PanelMove move, long n);
    /* A click into the box, from its corner; NULL: nothing happens. */
    void (*click)(Panel *panel, int x, int y);
    /* The ledger, or the files, are others now; NULL: it does not matter. What it shows must not
     * outlive this. */
    void (*refresh)(Panel *panel);
    /* While it is busy and no key comes: looks whether what it waits for is there. NULL: never. */
    void (*poll)(Panel *panel);
    void (*free)(Panel *panel);
} PanelOps;

/* The beginning of every panel. */
struct Panel {
    const PanelOps *ops;
    Panel *below;                    /* owned: what is on show again when this one closes */
    int height;                      /* rows of the box as drawn last */
    bool busy;                       /* work goes on for it: `poll` is to be called */
};

/* Draws the frame at `y`, to the bottom row `end` (exclusive), and the panel in it. */
void panel_draw(Panel *panel, Screen *screen, int y, int end);
bool panel_move(Panel *panel, PanelMove move, long n);
/* Tells it and all below it that the ledger is another one. */
void panel_refresh(Panel *panel);
/* Closes the topmost; returns what is on show then, NULL for the list. */
Panel *panel_close(Panel *panel);
void panel_close_all(Panel *panel);

/* A page of text, of lines that end with '\n'; long ones are wrapped. Both texts are copied. */
Panel *page_new(const char *title, const char *text);
extern const PanelOps page_ops;
/* Its title, borrowed; NULL: the panel is no page. */
const char *page_title(const Panel *panel);

#endif
