/* Verbs about the values of one tensor. */
#include "repl/verb_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/tensor_panel.h"

/* The panel on show, if it is one of values. */
static Panel *find_panel(Ui *ui, Error *err)
{
    if (tensor_panel_is(ui->view.panel)) return ui->view.panel;
    error_set(err, ERR_USAGE, "no tensor's values are on show; v shows them");
    return NULL;
}

/* The key of the row under the cursor as tensor_panel_new looks it up; NULL for a module. */
static const char *name_of_row(const Ui *ui)
{
    uint32_t row = view_row(&ui->view);
    if (row == ROW_NONE) return NULL;
    const Binding *binding = rows_binding(ui->rows, row);
    const SourceUse *use = rows_use(ui->rows, row);
    return binding ? binding->name : use ? use->tensor->name : NULL;
}

/* v. A tensor whose values are on show already is left as it is. */
bool verb_values(Ui *ui, const char *argument, Error *err)
{
    const char *name = *argument ? argument : name_of_row(ui);
    if (!name) return error_set(err, ERR_USAGE, "a module has no values; choose a tensor in it");
    if (!*argument && tensor_panel_is(ui->view.panel)) return true;
    Panel *panel = tensor_panel_new(&ui->view, name, err);
    if (!panel) return false;
    ui_leave(ui);
    view_push_panel(&ui->view, panel);
    return true;
}

bool verb_values_page(Ui *ui, const char *argument, Error *err)
{
    Panel *panel = find_panel(ui, err);
    if (!panel) return false;
    if (!*argument) {
        tensor_panel_show(panel, (TensorPage)((tensor_panel_page(panel) + 1) % TENSOR_PAGE_COUNT));
        return true;
    }
    for (unsigned i = 0; i < TENSOR_PAGE_COUNT; i++) {
        if (strcmp(argument, tensor_page_word((TensorPage)i)) != 0) continue;
        tensor_panel_show(panel, (TensorPage)i);
        return true;
    }
    return error_set(err, ERR_USAGE, "'%s' is no page: summary heat numbers rows difference",
                     argument);
}

bool verb_values_side(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Panel *panel = find_panel(ui, err);
    if (panel) tensor_panel_turn_side(panel);
    return panel != NULL;
}

bool verb_zoom(Ui *ui, const char *argument, Error *err)
{
    bool in = strcmp(argument, "in") == 0;
    if (!in && strcmp(argument, "out") != 0)
        return error_set(err, ERR_USAGE, "values-zoom in, or values-zoom out");
    Panel *panel = find_panel(ui, err);
    if (panel) tensor_panel_zoom(panel, in);
    return panel != NULL;
}

bool verb_slice(Ui *ui, const char *argument, Error *err)
{
    char *end;
    long n = *argument ? strtol(argument, &end, 10) : 1;
    if (*argument && (*end || n < -1000000000 || n > 1000000000))
        return error_set(err, ERR_USAGE, "'%s' is no number of slices", argument);
    Panel *panel = find_panel(ui, err);
    if (panel) tensor_panel_slice(panel, n);
    return panel != NULL;
}

bool verb_axes(Ui *ui, const char *argument, Error *err)
{
    int rows, columns;
    char more;
    Panel *panel = find_panel(ui, err);
    if (!panel) return false;
    if (!*argument) {
        tensor_panel_next_axes(panel);
        return true;
    }
    if (sscanf(argument, "%d %d %c", &rows, &columns, &more) != 2 ||
        !tensor_panel_axes(panel, rows, columns))
        return error_set(err, ERR_USAGE, "'%s' is no pair of its axes, as 0 1", argument);
    return true;
}

bool verb_scale(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Panel *panel = find_panel(ui, err);
    if (panel) tensor_panel_turn_scale(panel);
    return panel != NULL;
}

bool verb_sort_rows(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Panel *panel = find_panel(ui, err);
    if (panel) tensor_panel_turn_order(panel);
    return panel != NULL;
}

bool verb_peak(Ui *ui, const char *argument, Error *err)
{
    (void)argument;
    Panel *panel = find_panel(ui, err);
    if (panel) tensor_panel_turn_peak(panel);
    return panel != NULL;
}
