/* Verbs that move the cursor, and open and close modules. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

/* The N of "up 3"; 1 when there is none. The bound keeps sums of it and a row within a long of 32
 * bits. */
static bool read_count(const char *argument, long *count, Error *err)
{
    char *end;
    *count = *argument ? strtol(argument, &end, 10) : 1;
    if (*argument && (*end || *count < 1 || *count > 1000000000))
        return error_set(err, ERR_USAGE, "'%s' is no number of rows", argument);
    return true;
}

/* Whatever moves, moves in the panel that is on show, if one is. */
static bool move_panel(Ui *ui, PanelMove move, long n)
{
    if (!ui->view.panel) return false;
    panel_move(ui->view.panel, move, n);
    return true;
}

/* Rows on show count, not rows of the model: what is folded away is one step. */
bool verb_up(Ui *ui, const char *argument, Error *err)
{
    long count;
    if (!read_count(argument, &count, err)) return false;
    if (!move_panel(ui, PANEL_ROWS, -count)) view_move(&ui->view, -count);
    return true;
}

bool verb_down(Ui *ui, const char *argument, Error *err)
{
    long count;
    if (!read_count(argument, &count, err)) return false;
    if (!move_panel(ui, PANEL_ROWS, count)) view_move(&ui->view, count);
    return true;
}

/* A page is one row less than the list is high: the row that was first is still there, as last. */
bool verb_page_up(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    if (!move_panel(ui, PANEL_PAGES, -1)) view_move(&ui->view, 1 - ui->view.page);
    return true;
}

bool verb_page_down(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    if (!move_panel(ui, PANEL_PAGES, 1)) view_move(&ui->view, ui->view.page - 1);
    return true;
}

/* The cursor is set, and the next frame scrolls to it. */
bool verb_top(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    if (!move_panel(ui, PANEL_END, -1)) ui->view.cursor = 0;
    return true;
}

/* view_move stops at the last row. */
bool verb_bottom(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    if (!move_panel(ui, PANEL_END, 1))
        view_move(&ui->view, (long)ui->rows->visible_count);
    return true;
}

/* A tensor opens as its values, if it has some. */
bool verb_fold(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    if (move_panel(ui, PANEL_FOLD, 1)) return true;
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE) return true;
    if (row_is_tensor(&ui->rows->rows[row])) verb_values(ui, argument, NULL);
    else rows_set_open(ui->rows, row, !ui->rows->open[row]);
    return true;
}

/* Right arrow, as in a file tree: opens what is closed, goes to the first row inside what is open,
 * which is the next one on show. On a tensor, and in an empty list, nothing happens. */
bool verb_in(Ui *ui, const char *argument, Error *err)
{
    if (move_panel(ui, PANEL_COLUMNS, 1)) return true;
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE || row_is_tensor(&ui->rows->rows[row])) return true;
    if (!ui->rows->open[row]) return verb_fold(ui, argument, err);
    view_move(&ui->view, 1);
    return true;
}

/* Left arrow: closes a panel that has nothing to its left; in the list it closes a module, and on
 * what is closed (or a tensor) goes up to the module around it. At the top nothing happens. */
bool verb_out(Ui *ui, const char *argument, Error *err)
{
    if (ui->view.panel) {
        if (!panel_move(ui->view.panel, PANEL_COLUMNS, -1)) view_pop_panel(&ui->view);
        return true;
    }
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE) return true;
    if (ui->rows->open[row]) return verb_fold(ui, argument, err);
    if (ui->rows->rows[row].parent != ROW_NONE)
        view_goto(&ui->view, ui->rows->rows[row].parent);
    return true;
}

/* Which side's key and detail are shown; the list itself shows both. Without an argument the
 * other one. */
bool verb_side(Ui *ui, const char *argument, Error *err)
{
    if (!*argument) ui->view.side = ui->view.side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
    else if (strcmp(argument, "source") == 0) ui->view.side = SIDE_SOURCE;
    else if (strcmp(argument, "target") == 0) ui->view.side = SIDE_TARGET;
    else return error_set(err, ERR_USAGE, "the sides are source and target");
    return true;
}

/* Four columns are enough for a name to be read, and few enough to stop where one wants to. */
bool verb_divider(Ui *ui, const char *argument, Error *err)
{
    enum { DIVIDER_STEP = 4 };
    uint64_t percent;
    if (!*argument) ui->view.divide = 0;
    else if (strcmp(argument, "left") == 0)
        view_move_divider(&ui->view, &ui->screen, -DIVIDER_STEP);
    else if (strcmp(argument, "right") == 0)
        view_move_divider(&ui->view, &ui->screen, DIVIDER_STEP);
    else if (parse_digits(argument, strlen(argument), &percent) && percent && percent < 100)
        ui->view.divide = (int)percent * 10;
    else return error_set(err, ERR_USAGE, "the divider goes left, right, or to 1 … 99 percent");
    return true;
}

/* Without a word the next one. */
bool verb_coverage(Ui *ui, const char *argument, Error *err)
{
    static const char *const words[COVERAGE_COUNT] = {"values", "bytes", "tensors"};
    int i = 0;
    while (*argument && i < COVERAGE_COUNT && strcmp(argument, words[i]) != 0) i++;
    if (i == COVERAGE_COUNT)
        return error_set(err, ERR_USAGE, "the coverage is of values, bytes or tensors");
    ui->view.coverage = *argument ? (Coverage)i
                                  : (Coverage)((ui->view.coverage + 1) % COVERAGE_COUNT);
    return true;
}

/* Opens or closes everything; the cursor stays on what it was on, or what hides it now: after
 * closing, that is the row at the very top of its branch. */
static void open_all(Ui *ui, bool open)
{
    uint32_t row = view_row(&ui->view);
    rows_open_all(ui->rows, open);
    while (!open && row != ROW_NONE && ui->rows->rows[row].parent != ROW_NONE)
        row = ui->rows->rows[row].parent;
    if (row != ROW_NONE) ui->view.cursor = rows_visible_at(ui->rows, row);
}

/* z and Z; a filter's choice of rows stays as it is. */
bool verb_fold_all(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    open_all(ui, false);
    return true;
}

bool verb_unfold_all(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    open_all(ui, true);
    return true;
}
