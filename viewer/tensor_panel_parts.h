/* What the files of the tensor panel share: tensor_panel.c keeps it, tensor_summary.c and
 * tensor_map.c draw. */
#ifndef VIEWER_TENSOR_PANEL_PARTS_H
#define VIEWER_TENSOR_PANEL_PARTS_H

#include "viewer/tensor_panel.h"
#include "viewer/tensor_sides.h"

typedef struct TensorPanel {
    Panel panel;
    const View *view;            /* borrowed: the ledger, and Values */
    char *name;                  /* owned: the tensor's key */
    TensorSides sides;           /* of the ledger that is there; count 0: none any more */
    ValueSide side;              /* on show */
    TensorPage page;
    bool by_size;                /* see tensor_panel_turn_scale */
    bool sorted, peak;
    int row_axis, column_axis;   /* -1: a vector, or less */
    int64_t index[TENSOR_RANK_MAX];  /* of the other axes */
    int64_t row, column;         /* the cursor; of a vector `column` is the element, row 0 */
    int64_t top, left;           /* first element on show; of a vector the first cell's, and 0 */
    int64_t zoom;                /* elements of a cell */
    int cells_x, cells_y;        /* cells on show as drawn last; at least 1 */
    int cells_from_x, cells_from_y, cell_width;  /* where they are in the box, in columns */
    int64_t line, lines;         /* ROWS: first line on show, and how many there are */
} TensorPanel;

/* Its sizes; false when they are not known. */
bool tensor_panel_dims(const TensorPanel *panel, const int64_t **dims, unsigned *rank);

void tensor_draw_summary(TensorPanel *panel, Screen *screen, Box box);
void tensor_draw_rows(TensorPanel *panel, Screen *screen, Box box);
/* Heat map, numbers and difference. */
void tensor_draw_map(TensorPanel *panel, Screen *screen, Box box);

#endif
