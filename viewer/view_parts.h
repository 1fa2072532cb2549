/* The parts of the View: panes, each drawn into its box. */
#ifndef VIEWER_VIEW_PARTS_H
#define VIEWER_VIEW_PARTS_H

#include "viewer/view.h"

typedef struct Panes {
    int columns, rows;               /* of the screen, borders included */
    bool listing;                    /* one side, the target's, over the whole width */
    int coverage_y;                  /* a line for its bars; 0: they are in the line of counts */
    int list_y, list_height;         /* rows only; its border is above list_y */
    int side_x[SIDE_COUNT], side_width[SIDE_COUNT];      /* without borders; 0: not shown */
    int middle_x;                    /* three columns */
    int detail_y, detail_height;     /* detail_y is the border above; height 0: no detail */
    int bottom_y;
} Panes;

void pane_draw_title(const View *view, Screen *screen);
void pane_draw_counts(const View *view, const Panes *panes, Screen *screen);
void pane_draw_list(const View *view, const Panes *panes, Screen *screen);
void pane_draw_detail(const View *view, const Panes *panes, Screen *screen);
void pane_draw_bottom(const View *view, const Panes *panes, Screen *screen);

#endif
