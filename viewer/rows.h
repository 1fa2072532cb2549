/* RowModel: the paired list. Target tensors in target order with their sources level beside
 * them, source tensors without a target in their own places, modules that fold, and runs of
 * equal blocks that fold into one row. It knows no screen.
 *
 * Rows stand in one array in reading order; a closed row hides those up to its `end`. What is
 * visible is a list of indexes, made anew when something opens or closes, so that drawing costs
 * the height of the screen whatever the model holds. */
#ifndef VIEWER_ROWS_H
#define VIEWER_ROWS_H

#include "loader/align/align.h"
#include "viewer/state.h"

enum { ROW_NONE = 0xFFFFFFFFu };

typedef enum Side { SIDE_SOURCE, SIDE_TARGET, SIDE_COUNT } Side;

typedef struct RowSide {
    const char *path;        /* a text that begins with the row's whole path; NULL: empty place */
    uint32_t from, to;       /* path[0, to) is the row's path, path[from, to) what it shows */
} RowSide;

typedef struct Row {
    RowSide side[SIDE_COUNT];
    uint32_t parent;         /* row above it in the tree; ROW_NONE */
    uint32_t end;            /* first row after those below it */
    uint32_t item;           /* tensors: the binding's index or, without target side, the
                                SourceUse's; ROW_NONE for modules and runs */
    uint32_t members;        /* runs: how many equal blocks; else 0 */
    uint32_t loaded, targets, sources;   /* tensors at or below it */
    uint16_t states;         /* mask of RowStates at or below it, and STATE_PROBLEM */
    uint8_t depth[SIDE_COUNT];
} Row;

typedef struct RowModel {
    Alignment *alignment;    /* kept alive; names are its */
    Arena *arena;            /* texts of runs */
    Row *rows;               /* owned, [count] */
    size_t count, room;
    size_t problems;         /* tensors with STATE_PROBLEM */
    uint8_t *open;           /* owned, [count] */
    uint8_t *marks;          /* owned, [count]: a Change at or below, for the preview; NULL: none */
    uint32_t *visible;       /* owned, [visible_count] rows on show, in order */
    size_t visible_count;
    uint32_t *row_of_binding, *row_of_use;   /* owned; ROW_NONE where a use has no row */
    unsigned filter;         /* states on show */
    uint8_t *before_filter;  /* owned: what was open before the filter; NULL while there is none */
} RowModel;

/* Takes its own reference of the alignment. Everything is closed. */
RowModel *rows_new(Alignment *alignment);
void rows_free(RowModel *model);

bool row_is_tensor(const Row *row);
const Binding *rows_binding(const RowModel *model, uint32_t row);   /* NULL: none of its own */
const SourceUse *rows_use(const RowModel *model, uint32_t row);     /* NULL: not a stray */
/* Appends what the row shows on a side ("fc.weight"), or its whole path. */
void rows_label(const RowModel *model, uint32_t row, Side side, Text *out);
void rows_path(const RowModel *model, uint32_t row, Side side, Text *out);
/* The one state all its tensors share, or (closed) the worst of them; false: say nothing. */
bool rows_state(const RowModel *model, uint32_t row, RowState *state);

void rows_set_open(RowModel *model, uint32_t row, bool open);
void rows_open_all(RowModel *model, bool open);   /* runs stay closed when all is opened */
/* A first view of at most `lines` rows: opens what leads to problems among tensors that are
 * fine, then one level of the rest. */
void rows_open_some(RowModel *model, size_t lines);
/* What is open, to be restored later; the caller frees. */
uint8_t *rows_copy_open(const RowModel *model);
void rows_restore_open(RowModel *model, const uint8_t *copy);
void rows_reveal(RowModel *model, uint32_t row);  /* opens what is above it */
/* What is open, but for what a filter has opened; the caller frees. */
uint8_t *rows_copy_chosen(const RowModel *model);
/* Opens what was open in another model of the same files; or what `open`, a copy that
 * rows_copy_chosen made, says was. Of the other one only what never changes is read then. */
void rows_open_like(RowModel *model, const RowModel *other);
void rows_open_as(RowModel *model, const RowModel *other, const uint8_t *open);
/* Opens and closes what was opened and closed in the other one since `open` was copied. */
void rows_open_since(RowModel *model, const RowModel *other, const uint8_t *open);

/* Where a row is in `visible`; hidden ones give the row that hides them. */
size_t rows_visible_at(const RowModel *model, uint32_t row);
/* Shows only rows with one of these states; matches are opened to, but not inside runs. */
void rows_set_filter(RowModel *model, unsigned states);
/* The next tensor with a problem in direction +1 or -1, ROW_NONE when there is none. */
uint32_t rows_next_problem(const RowModel *model, uint32_t from, int direction);
/* The row in this model for what `row` shows in another one; the nearest above if it is gone. */
uint32_t rows_same(const RowModel *model, const RowModel *other, uint32_t row);

/* Builds the array; rows_new calls it. */
void rows_build(RowModel *model);

#endif
