/* Verbs that look for something: a key, a text, a problem, a state. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

/* By whole key, of either side; for a source key, the row of the first target that took it. */
bool verb_goto(Ui *ui, const char *argument, Error *err)
{
    uint32_t row = rows_find(ui->rows, argument);
    if (row == ROW_NONE) return error_set(err, ERR_NOT_FOUND, "no key '%s'", argument);
    view_goto(&ui->view, row);
    return true;
}

/* With a text the search runs at once, and the prompt is open to go on typing. */
bool verb_search(Ui *ui, const char *argument, Error *err)
{
    (void)err;
    ui_open_search(ui, argument);
    return true;
}

/* Goes round at the ends, unlike problems: ui_search_jump says which of how many the hit is, so
 * that a user sees when it began again. */
static bool jump_hit(Ui *ui, int direction, Error *err)
{
    if (!ui->search.text.length)
        return error_set(err, ERR_USAGE, "nothing was searched for yet; / searches");
    if (ui_search_jump(ui, direction)) return true;
    if (ui->search.problem.code != ERR_NONE)
        return error_set(err, ui->search.problem.code, "%s", ui->search.problem.text);
    return error_set(err, ERR_NOT_FOUND, "no key fits '%s'", text_string(&ui->search.text));
}

bool verb_next_hit(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    return jump_hit(ui, +1, err);
}

bool verb_previous_hit(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    return jump_hit(ui, -1, err);
}

/* At the end it says so instead of going round: the user wants to know when all are seen. The row
 * under the cursor does not count, also where it is a problem itself. */
static bool jump_problem(Ui *ui, int direction)
{
    uint32_t from = view_row(&ui->view);
    uint32_t found = rows_next_problem(ui->rows, from == ROW_NONE ? 0 : from, direction);
    if (found != ROW_NONE) view_goto(&ui->view, found);
    else view_say(&ui->view, STYLE_PLAIN, direction > 0 ? "no problem below" : "no problem above");
    return true;
}

bool verb_next_problem(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    return jump_problem(ui, +1);
}

bool verb_previous_problem(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    return jump_problem(ui, -1);
}

/* The next filter that would show something: all, problems, then the states, worst first; behind
 * the best one all again. */
static const char *next_filter(const RowModel *rows)
{
    const RowFilter *filter = &rows->filter;
    if (!filter->text && rows->states & STATE_PROBLEM) return "problems";
    int state = ROW_STATE_COUNT - 1;
    if (filter->text && row_filter_is_states(filter) && filter->states & STATE_ALL)
        state = (int)state_worst(filter->states & STATE_ALL) - 1;
    while (state >= 0 && !(rows->states & 1u << state)) state--;
    return state >= 0 ? state_info((RowState)state)->word : "all";
}

/* Without a word, the next state that would show something. */
bool verb_filter(Ui *ui, const char *argument, Error *err)
{
    return ui_filter(ui, *argument ? argument : next_filter(ui->rows), err);
}

/* As & in less; what is on is there to be gone on with. */
bool verb_narrow(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Text line = {0};
    const char *words = ui->rows->filter.text;
    text_addf(&line, "filter %s%s", words ? words : "", words ? " " : "");
    ui_prompt(ui, text_string(&line));
    text_done(&line);
    return true;
}

/* Without a word, the next order. */
bool verb_sort(Ui *ui, const char *argument, Error *err)
{
    RowOrder order = (RowOrder)((rows_order(ui->rows) + 1) % ROW_ORDER_COUNT);
    if (*argument) order = row_order_of(argument);
    if (order == ROW_ORDER_COUNT)
        return error_set(err, ERR_USAGE, "'%s' is no order; help lists them", argument);
    ui_sort(ui, order);
    view_say(&ui->view, STYLE_PLAIN, "sorted: %s", row_order_help(order));
    return true;
}
