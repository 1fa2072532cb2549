/* Filters and sorts of a long list go on while no key comes. */
#include "repl/ui.h"

#include <stdlib.h>
#include <string.h>

/* The cursor stays on its row where that is shown, else goes to the row that comes before it. */
bool ui_filter(Ui *ui, const char *words, Error *err)
{
    RowFilter filter;
    if (!row_filter_parse(&filter, words, err)) return false;
    uint32_t row = view_row(&ui->view);
    rows_set_filter(ui->rows, filter.text ? &filter : NULL);
    ui->view.cursor = row == ROW_NONE ? 0 : rows_visible_at(ui->rows, row);
    return true;
}

/* A search's hits are indexes of rows: it begins again. Its text is copied, being the finder's own,
 * which is cleared first. */
static void search_again(Ui *ui)
{
    char *text = mem_strdup(text_string(&ui->search.text));
    finder_start(&ui->search, text);
    free(text);
}

/* Work that is under way may read the rows, which then stay as they are; and while a search is
 * typed it is known which were open before it. */
static bool may_move(const Ui *ui)
{
    return ui->mode != UI_SEARCH && !(ui->work && ui->work->rows);
}

/* Few rows are sorted on the spot. */
void ui_sort(Ui *ui, RowOrder order)
{
    rows_sort(ui->rows, order);
    if (may_move(ui) && view_take_sorted(&ui->view)) search_again(ui);
}

void ui_carry_list(RowModel *rows, const RowModel *old)
{
    RowFilter filter;
    uint32_t none = ROW_NONE;
    if (old->filter.text && row_filter_parse(&filter, old->filter.text, NULL))
        rows_set_filter(rows, &filter);
    rows_sort(rows, rows_order(old));
    rows_sort_take(rows, &none);
}

bool ui_list_due(const Ui *ui)
{
    return ui->rows && (rows_filter_due(ui->rows) || (ui->rows->sorting && may_move(ui)));
}

void ui_list_step(Ui *ui)
{
    Error err = {0};
    if (rows_filter_due(ui->rows)) {
        uint32_t row = view_row(&ui->view);
        if (!rows_filter_step(ui->rows, &err))
            view_notice(&ui->view, STYLE_ERROR, "error", err.text);
        ui->view.cursor = row == ROW_NONE ? 0 : rows_visible_at(ui->rows, row);
    } else if (view_take_sorted(&ui->view)) {
        search_again(ui);
    }
}
