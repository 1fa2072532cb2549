/* TensorPanel: the values of one tensor: statistics, a heat map, numbers, norms of rows, and how
 * far both sides are apart. Only what is on the screen is read, by a job. */
#ifndef VIEWER_TENSOR_PANEL_H
#define VIEWER_TENSOR_PANEL_H

#include "viewer/view.h"

/* id, word, what it shows */
#define TENSOR_PAGES(X)                                                      \
    X(TENSOR_SUMMARY, "summary", "statistics, histogram and quantiles")      \
    X(TENSOR_HEAT, "heat", "a matrix of it in shades")                       \
    X(TENSOR_NUMBERS, "numbers", "a matrix of it in numbers")                \
    X(TENSOR_ROWS, "rows", "the norm of each row")                           \
    X(TENSOR_DIFFERENCE, "difference", "what goes in less what is there")

#define TENSOR_PAGE_ENUM(id, word, what) id,
typedef enum TensorPage { TENSOR_PAGES(TENSOR_PAGE_ENUM) TENSOR_PAGE_COUNT } TensorPage;
#undef TENSOR_PAGE_ENUM

/* "heat": what the page is called. */
const char *tensor_page_word(TensorPage page);

/* Of the binding or, where the ledger has none of that name, the source tensor. The view is
 * borrowed and has values; NULL: there is no such tensor, or no side of it has values (err says
 * which). */
Panel *tensor_panel_new(const View *view, const char *name, Error *err);
bool tensor_panel_is(const Panel *panel);

void tensor_panel_show(Panel *panel, TensorPage page);
TensorPage tensor_panel_page(const Panel *panel);
/* The next side that has values. */
void tensor_panel_turn_side(Panel *panel);
/* Elements of a cell, times or divided by 2. */
void tensor_panel_zoom(Panel *panel, bool in);
/* Another pair of axes as rows and columns: the next one, or those; false: there are none such. */
bool tensor_panel_axes(Panel *panel, int rows, int columns);
void tensor_panel_next_axes(Panel *panel);
/* Moves along the axes that are neither: the last of them first, as an odometer does. */
void tensor_panel_slice(Panel *panel, long delta);
/* Histograms and shades by size instead of in proportion; norms by size instead of in order; the
 * largest of a cell instead of its mean; and back. */
void tensor_panel_turn_scale(Panel *panel);
void tensor_panel_turn_order(Panel *panel);
void tensor_panel_turn_peak(Panel *panel);

#endif
