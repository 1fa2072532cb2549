/* A line is tried, and what it gave is shown as it is. */
#include "repl/apply.h"

#include "repl/preview.h"

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

/* A line of rules: tried first, so that a wrong one leaves no trace. What the try gave is shown as
 * it is, which saves running everything a second time. */
bool ui_apply_line(Ui *ui, const char *line, Error *err)
{
    Error problem = {0};
    Alignment *after = session_try(ui->session, line, &problem);
    if (!after) {   /* there is only one line, and it is in sight */
        const char *text = problem.text;
        return error_set(err, problem.code, "%s", text + (has_prefix(text, "::1: ") ? 5 : 0));
    }
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
