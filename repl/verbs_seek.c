/* Verbs that look for something: a key, a text, a problem, a state. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

/* By whole key, of either side; for a source key, the row of the first target that took it. Looked
 * at from the first row on: a jump that is typed can wait for a million comparisons. */
bool verb_goto(Ui *ui, const char *argument, Error *err)
{
    for (uint32_t i = 0; i < ui->rows->count; i++) {
        const Binding *binding = rows_binding(ui->rows, i);
        const SourceUse *use = rows_use(ui->rows, i);
        bool here = (binding && strcmp(binding->name, argument) == 0) ||
                    (use && strcmp(use->tensor->name, argument) == 0);
        for (uint32_t k = 0; !here && binding && k < binding->source_count; k++)
            here = strcmp(binding->sources[k]->name, argument) == 0;
        if (!here) continue;
        view_goto(&ui->view, i);
        return true;
    }
    return error_set(err, ERR_NOT_FOUND, "no key '%s'", argument);
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
    return error_set(err, ERR_NOT_FOUND, "no key holds '%s'", text_string(&ui->search.text));
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
 * the best one all again. The states of the topmost rows are those of everything below them, so
 * `end` steps from one to the next and nothing else is looked at. */
static unsigned next_filter(const RowModel *rows)
{
    unsigned present = 0;
    for (uint32_t i = 0; i < rows->count; i = rows->rows[i].end) present |= rows->rows[i].states;
    if (rows->filter == STATE_ALL && present & STATE_PROBLEM) return STATE_PROBLEM;
    int state = ROW_STATE_COUNT - 1;
    if (rows->filter != STATE_ALL && rows->filter != STATE_PROBLEM)
        state = (int)state_worst(rows->filter & STATE_ALL) - 1;
    while (state >= 0 && !(present & 1u << state)) state--;
    return state >= 0 ? 1u << state : STATE_ALL;
}

/* Without a word, the next state that would show something. The cursor stays on its row where that
 * is shown, else goes to the row that comes before it. */
bool verb_filter(Ui *ui, const char *argument, Error *err)
{
    unsigned filter = *argument ? state_mask_of(argument) : next_filter(ui->rows);
    if (!filter)
        return error_set(err, ERR_USAGE, "'%s' is no state; help lists them", argument);
    uint32_t row = view_row(&ui->view);
    rows_set_filter(ui->rows, filter);
    ui->view.cursor = row == ROW_NONE ? 0 : rows_visible_at(ui->rows, row);
    return true;
}
