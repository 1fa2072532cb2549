/* Window: a matrix of cells of a tensor, each an element or the mean of a square of them. Read in
 * pieces of bounded size, whatever the zoom. */
#ifndef VIEWER_TENSOR_WINDOW_H
#define VIEWER_TENSOR_WINDOW_H

#include "loader/align/profile.h"

/* A tensor as a file has it, or what an expression makes: one of the two is set. */
typedef struct ValueOf {
    const Tensor *tensor;        /* borrowed from a checkpoint */
    const Expr *expr;            /* borrowed from the ledger */
} ValueOf;

/* A part of a tensor, in cells. Axes of -1: a vector (or a scalar), whose cells stand in lines of
 * `columns`, from the cell row * columns on. */
typedef struct Window {
    ValueOf a, b;                /* b: what is taken from it; neither: nothing */
    int row_axis, column_axis;
    int64_t index[TENSOR_RANK_MAX];  /* of the other axes */
    int64_t row, column;         /* first element along each; of a vector the first line, and 0 */
    int64_t zoom;                /* elements of a cell, along both axes */
    int rows, columns;           /* cells */
    bool peak;                   /* the largest in size instead of the mean */
} Window;

enum { CELL_THERE = 1, CELL_NAN = 2, CELL_INFINITE = 4 };   /* some element of it is */
enum { WINDOW_CELLS = 1 << 17 };    /* more are never asked for */

typedef struct WindowCells {
    Window window;               /* what they are of */
    double *values;              /* owned, [rows * columns]: of the finite elements */
    uint8_t *flags;              /* owned, likewise: CELL_… */
} WindowCells;

/* cells->window says what; values and flags are zeroed and have room. `step` is asked after each
 * piece. */
bool window_read(const Numbers *numbers, WindowCells *cells, ProfileStep *step, void *context,
                 Error *err);
/* Whether two are of the same elements. */
bool window_same(const Window *a, const Window *b);

#endif
