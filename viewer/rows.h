/* RowModel: the paired list. Target tensors in target order with their sources level beside
 * them, source tensors without a target in their own places, modules that fold, and runs of
 * equal blocks that fold into one row. It knows no screen.
 *
 * Rows stand in one array in reading order; a closed row hides those up to its `end`. What is
 * visible is a list of indexes, made anew when something opens or closes, so that drawing costs
 * the height of the screen whatever the model holds. Sorting makes another array. */
#ifndef VIEWER_ROWS_H
#define VIEWER_ROWS_H

#include "loader/align/align.h"
#include "viewer/name_test.h"
#include "viewer/row_filter.h"
#include "viewer/row_order.h"
#include "viewer/state.h"

enum { ROW_NONE = 0xFFFFFFFFu, STATES_BLOCK = 64 };

typedef enum Side { SIDE_SOURCE, SIDE_TARGET, SIDE_COUNT } Side;

typedef struct RowSide {
    const char *path;        /* a text that begins with the row's whole path; NULL: empty place */
    uint32_t from, to;       /* path[0, to) is the row's path, path[from, to) what it shows */
} RowSide;

typedef struct Row {
    RowSide side[SIDE_COUNT];
    const char *odd;         /* runs with exceptions: the numbers of the blocks that differ from
                                the others, "7,9-10"; else NULL */
    uint32_t parent;         /* row above it in the tree; ROW_NONE */
    uint32_t item;           /* tensors: the binding's index or, without target side, the
                                SourceUse's; ROW_NONE for modules and runs */
    uint32_t members;        /* runs: how many blocks, exceptions included; else 0 */
    uint32_t loaded, targets, sources;   /* tensors at or below it */
    uint8_t depth[SIDE_COUNT];
} Row;

enum { SURE_ONE = 1000000 };
#define SURE_NONE UINT32_MAX

/* What the list is made of. It stands by itself, since one key makes a list of a million rows. */
typedef struct RowSpan {
    uint32_t end;            /* first row after those below it */
    uint16_t states;         /* mask of RowStates at or below it, STATE_PROBLEM, STATE_GUESS */
    bool opens;              /* it does when all are opened: a module, or a run with exceptions; of
                                the others a run has rows below it, and a tensor none */
} RowSpan;

typedef struct RowModel {
    Alignment *alignment;    /* kept alive; names are its */
    Arena *arena;            /* texts of runs */
    Row *rows;               /* owned, [count] */
    RowSpan *spans;          /* owned, [count] */
    size_t count, room;
    size_t problems;         /* tensors with STATE_PROBLEM */
    size_t tensors;          /* rows that are tensors */
    bool renamed;            /* a source tensor that nothing took has another name by now */
    unsigned states;         /* of all of them together */
    size_t dtypes[DTYPE_COUNT];  /* how many of them have which dtype */
    uint64_t *bytes;         /* owned, [count]: of the values at or below a row, the target's where
                                there is one; 0 where that is not known */
    uint32_t *sure;          /* owned, [count]: the least confidence at or below a row, in parts of
                                SURE_ONE; SURE_NONE: nothing is loaded there. NULL unless the rows
                                are sorted by it */
    uint32_t *built;         /* owned, [count]: a row's index in target order; NULL while the rows
                                are in that order */
    RowOrder order;
    struct RowSort *sorting; /* owned: another order is being made; NULL */
    uint8_t *open;           /* owned, [count] */
    uint8_t *marks;          /* owned, [count]: a Change at or below, for the preview; NULL: none */
    uint32_t *visible;       /* owned, [visible_count] rows on show, in order */
    size_t visible_count;
    uint16_t *visible_states;    /* owned: of each STATES_BLOCK of them, the states together */
    uint32_t *row_of_binding, *row_of_use;   /* owned; ROW_NONE where a use has no row */
    RowFilter filter;        /* owned: what is on show */
    uint8_t *pass;           /* owned, [count]: the filter lets it or something below it through;
                                NULL where the states say so */
    uint32_t filter_next;    /* the row at which the next look of the filter begins */
    size_t passed;           /* tensors that the filter has let through so far */
    uint8_t *before_filter;  /* owned: what was open before the filter; NULL while there is none */
} RowModel;

/* Takes its own reference of the alignment. Everything is closed. */
RowModel *rows_new(Alignment *alignment);
void rows_free(RowModel *model);

bool row_is_tensor(const Row *row);
/* A run of blocks that are all equal: one of them says all there is to know. */
bool row_is_run(const Row *row);
const Binding *rows_binding(const RowModel *model, uint32_t row);   /* NULL: none of its own */
const SourceUse *rows_use(const RowModel *model, uint32_t row);     /* NULL: not a stray */
/* The tensor whose bytes, dtype and shape count for a row of a tensor; NULL: a binding without
 * target and source. */
const Tensor *rows_tensor(const RowModel *model, uint32_t row);
/* Appends what the row shows on a side ("fc.weight"), or its whole path. */
void rows_label(const RowModel *model, uint32_t row, Side side, Text *out);
void rows_path(const RowModel *model, uint32_t row, Side side, Text *out);
/* The one state all its tensors share, or (closed) the worst of them; false: say nothing. */
bool rows_state(const RowModel *model, uint32_t row, RowState *state);
/* Whether a key of the row, of either side, fits: of a merged tensor any of its sources. False in
 * *fits for modules. False, with the error set: the test takes too long. */
bool rows_name_fits(const RowModel *model, uint32_t row, const NameTest *test, bool *fits,
                    Error *err);
/* Whether there is no target, and rules have changed nothing yet: one side says it all. */
bool rows_is_listing(const RowModel *model);

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
/* The states of the visible rows [from, to) that say one: what is inside open modules is said by
 * their own rows. */
unsigned rows_visible_states(const RowModel *model, size_t from, size_t to);
/* The row of a key, by target, then by source; ROW_NONE when there is none. */
uint32_t rows_find(const RowModel *model, const char *key);
/* The next tensor with a problem in direction +1 or -1, ROW_NONE when there is none. */
uint32_t rows_next_problem(const RowModel *model, uint32_t from, int direction);
/* The row in this model for what `row` shows in another one; the nearest above if it is gone. */
uint32_t rows_same(const RowModel *model, const RowModel *other, uint32_t row);
/* Whether a row is a block, or a run of blocks, that is an exception of the run around it. */
bool rows_is_exception(const RowModel *model, uint32_t row);
/* What tells it from the others: "attn.w f32 3 exact, else f32 2 exact". */
void rows_tell_exception(const RowModel *model, uint32_t row, Text *out);

/* Shows only what the filter lets through; takes it over (NULL: everything). Matches are opened
 * to, but not inside runs. A filter that has to look at every tensor begins with the first few,
 * and goes on in steps. */
void rows_set_filter(RowModel *model, RowFilter *filter);
bool rows_filter_due(const RowModel *model);
/* Whether the filter lets a row through, or something below it. */
bool rows_passes(const RowModel *model, uint32_t row);
/* One step more, of a few milliseconds. False: a regex of it takes too long; nothing further is
 * let through. */
bool rows_filter_step(RowModel *model, Error *err);
/* Sorts. Many rows are sorted on a thread, and stand as before until rows_sort_take. */
void rows_sort(RowModel *model, RowOrder order);
/* Puts rows that were sorted meanwhile in place: true, and *row (may be ROW_NONE) is then the new
 * index of what it was the index of. Other indexes of rows are no longer valid. */
bool rows_sort_take(RowModel *model, uint32_t *row);
/* Stops, and forgets what was sorted so far. */
void rows_sort_cancel(RowModel *model);
/* The order the rows are in, or will be in once they are sorted. */
RowOrder rows_order(const RowModel *model);

/* For the parts of the model: builds the array (rows_new calls it), lists what is visible. */
void rows_build(RowModel *model);
void rows_list(RowModel *model);

#endif
