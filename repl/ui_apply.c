/* Lines that change the session: one that was typed, and the choices for a row. */
#include <string.h>

#include "repl/ui.h"

/* What a line printed; the values of one expression stand apart by tabs. */
static void show_output(Ui *ui, const char *output)
{
    Text shown = {0};
    for (; *output; output++) {
        if (*output == '\t') text_add(&shown, "   ");
        else text_addc(&shown, *output);
    }
    view_notice(&ui->view, STYLE_PLAIN, "value", text_string(&shown));
    text_done(&shown);
}

/* An error without the place, where that is the line that was tried: it is in sight. */
static const char *behind_place(const Session *session, const char *text)
{
    Text place = {0};
    text_addf(&place, ":%zu:1: ", session_text_count(session) + 1);
    if (has_prefix(text, text_string(&place))) text += place.length;
    text_done(&place);
    return text;
}

/* A line of rules: tried first, so that a wrong one leaves no trace. What the try gave is shown as
 * it is, which saves running everything a second time. */
bool ui_apply_line(Ui *ui, const char *line, Error *err)
{
    Error problem = {0};
    Alignment *after = session_try(ui->session, line, &problem);
    if (!after)
        return error_set(err, problem.code, "%s", behind_place(ui->session, problem.text));
    Changes changes;
    Text effect = {0};
    changes_init(&changes, ui->alignment, after);
    changes_show(&changes, &effect);
    bool idle = !changes.load && !changes.broken && !changes.other && !changes.dropped &&
                !changes.collisions;
    changes_done(&changes);
    if (*session_output(ui->session)) {
        show_output(ui, session_output(ui->session));
        if (idle) {   /* a question, not a rule */
            text_done(&effect);
            align_unref(after);
            return true;
        }
    }
    session_add_line(ui->session, line);
    ui_show(ui, after);
    view_say(&ui->view, STYLE_PLAIN, "applied (%s): %s", text_string(&effect), line);
    text_done(&effect);
    return true;
}

/* The open target under the cursor; NULL where there is none. */
static const Binding *open_binding(const Ui *ui)
{
    uint32_t row = view_row(&ui->view);
    const Binding *binding = row == ROW_NONE ? NULL : rows_binding(ui->rows, row);
    bool open = binding && (binding->status == BIND_MISSING || binding->status == BIND_SHAPE ||
                            binding->status == BIND_DTYPE);
    return open && !binding->covered ? binding : NULL;
}

/* The detail shows three, which is what its lines have room for. */
static void show_choices(Ui *ui)
{
    enum { SHOWN = 3 };
    text_clear(&ui->view.tries);
    choices_show(&ui->choices, SHOWN, &ui->view.tries);
    ui->view.tries_for = ui->choices.target;
}

/* Whether the choices are those of the row under the cursor. */
static bool is_begun(const Ui *ui, const Binding *binding)
{
    const Choices *choices = &ui->choices;
    return choices->made && choices->alignment == ui->alignment && choices->target &&
           strcmp(choices->target, binding->name) == 0;
}

bool ui_choices_due(const Ui *ui)
{
    const Binding *binding = ui->mode == UI_LIST ? open_binding(ui) : NULL;
    if (!binding || ui->rules_failed || !choices_is_small(ui->alignment)) return false;
    return !is_begun(ui, binding) || choices_due(&ui->choices);
}

/* To begin with a row is a step of its own: a key that comes meanwhile waits no longer. */
void ui_choices_step(Ui *ui)
{
    const Binding *binding = open_binding(ui);
    bool begun = is_begun(ui, binding);
    ui->view.tries_for = NULL;
    if (begun) choices_step(&ui->choices, ui->session);
    else choices_start(&ui->choices, ui->alignment, binding);
    show_choices(ui);
}

/* A user who asks can wait, but not for long: what was not tried is said. */
void ui_choices_all(Ui *ui)
{
    enum { WAIT_MS = 3000 };
    ui->view.tries_for = NULL;
    choices_start(&ui->choices, ui->alignment, open_binding(ui));
    choices_finish(&ui->choices, ui->session, WAIT_MS);
    show_choices(ui);
}

const char *ui_choice(const Ui *ui, size_t number)
{
    const Trials *trials = &ui->choices.trials;
    bool current = ui->choices.made && ui->choices.alignment == ui->alignment;
    return current && number && number <= trials->count
               ? trials->items[number - 1].proposal->line : NULL;
}
