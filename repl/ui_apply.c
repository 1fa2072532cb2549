/* Lines that change the session: one that was typed, and the choices for a row. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
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

/* A line of rules: it was tried first, so that a wrong one leaves no trace. What the try gave is
 * shown as it is, which saves running everything a second time. */
bool ui_applied(Ui *ui, Work *work, const char *line, Error *err)
{
    if (!work->after) {   /* there is only one line, and it is in sight */
        return error_set(err, work->problem.code, "%s",
                         behind_place(ui->session, work->problem.text));
    }
    const Changes *changes = &work->changes;
    const bool idle = changes_are_none(changes);
    if (*session_output(ui->session)) {
        show_output(ui, session_output(ui->session));
        if (idle) {   /* a question, not a rule */
            align_unref(work->after);
            work->after = NULL;
            return true;
        }
    }
    Text effect = {0};
    changes_show(changes, &effect);
    session_add_line(ui->session, line);
    if (ui->mode != UI_ASK)              /* the question stands there */
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

/* What is numbered on the screen, for a digit that comes while the next line is being tried. */
static void keep_lines(Ui *ui)
{
    const Trials *trials = &ui->choices.trials;
    for (size_t i = 0; i < CHOICES_SHOWN_MAX; i++) {
        free(ui->choice_lines[i]);
        ui->choice_lines[i] = i < trials->count ? mem_strdup(trials->items[i].proposal->line)
                                                : NULL;
    }
}

/* The detail shows three, which is what its lines have room for. The key is copied: choices belong
 * to a thread as soon as it goes on with them. */
void ui_choices_end(Ui *ui)
{
    enum { SHOWN = 3 };
    text_clear(&ui->view.tries);
    choices_show(&ui->choices, SHOWN, CHOICE_GAP, &ui->view.tries);
    keep_lines(ui);
    free(ui->tried);
    ui->tried = ui->choices.target ? mem_strdup(ui->choices.target) : NULL;
    ui->view.tries_for = ui->tried;
}

/* A row that was asked about goes on being looked at when the cursor has left it. */
bool ui_choices_due(const Ui *ui)
{
    if (ui->work && ui->work->kind == WORK_CHOICES) return true;
    if (ui->asking)
        return clock_work_ms() < ui->asked_until &&
               (!choices_are_for(&ui->choices, ui->alignment, ui->asked) ||
                choices_due(&ui->choices, true));
    const Binding *binding = ui->mode == UI_LIST && ui->rows ? open_binding(ui) : NULL;
    if (!binding || ui->rules_failed || !choices_is_small(ui->alignment)) return false;
    return !choices_are_for(&ui->choices, ui->alignment, binding) ||
           choices_due(&ui->choices, false);
}

Work *ui_choices_begin(Ui *ui)
{
    Work *work = work_new(WORK_CHOICES, session_snapshot(ui->session), ui->alignment);
    work->choices = &ui->choices;
    work->binding = ui->asking ? ui->asked : open_binding(ui);
    return work;
}

void ui_choices_all(Ui *ui)
{
    enum { ASKED_MS = 3000 };
    ui->asking = true;
    ui->asked = open_binding(ui);
    ui->asked_until = clock_work_ms() + ASKED_MS;
    view_say(&ui->view, STYLE_DIM, "trying what would settle it …  Esc shows what was found");
}

/* The page of lines that were tried for all that is open, or for the row that was asked about. */
static const char proposals_title[] = "proposals";

/* The line that was tried as such a number, for the rules as they are; NULL: there is none. */
static const char *tried_line(const Ui *ui, size_t number)
{
    const Trials *trials = &ui->choices.trials;
    bool current = ui->choices.made && ui->choices.alignment == ui->alignment;
    return current && number && number <= trials->count
               ? trials->items[number - 1].proposal->line : NULL;
}

/* A page, since the detail has room for three; digits work on it as well. Who has gone on to
 * something else meanwhile is left alone. */
void ui_choices_tell(Ui *ui)
{
    const size_t number = ui->choice_wanted;
    ui->asking = false;
    ui->choice_wanted = 0;
    if (ui->mode != UI_LIST) return;
    if (tried_line(ui, number)) {
        Error err = {0};
        char *line = mem_strdup(tried_line(ui, number));   /* applying it makes others */
        if (!ui_apply_line(ui, line, &err)) view_notice(&ui->view, STYLE_ERROR, "error", err.text);
        free(line);
        return;
    }
    Text text = {0};
    choices_tell(&ui->choices, &text);
    text_clear(&ui->view.message);
    if (text.length) view_push_panel(&ui->view, page_new(proposals_title, text_string(&text)));
    else if (ui->rows && !ui->rows->problems)
        view_say(&ui->view, STYLE_DIM, "nothing is open");
    else view_notice(&ui->view, STYLE_ERROR, "error", "nothing is known that would settle it");
    text_done(&text);
}

/* Whether the detail shows lines for the row under the cursor. */
static bool is_told(const Ui *ui)
{
    const Binding *binding = open_binding(ui);
    return !ui->asking && binding && ui->view.tries_for &&
           strcmp(binding->name, ui->view.tries_for) == 0;
}

/* Whether what is known of the row is on show: in the detail, or on a page of its own. */
static bool detail_is_shown(const Ui *ui)
{
    const char *page = ui->view.panel ? page_title(ui->view.panel) : NULL;
    Text title = {0}, words = {0};
    if (!ui->view.panel) return true;
    view_detail(&ui->view, &title, &words);
    bool same = page && strcmp(page, text_string(&title)) == 0;
    text_done(&title);
    text_done(&words);
    return same;
}

/* Whether the lines that were tried last are numbered on the screen: on the page that was asked
 * for, or with the row that they are for. A digit applies nothing that nobody sees. */
static bool is_shown(const Ui *ui)
{
    const Binding *binding = open_binding(ui);
    const char *page = ui->view.panel ? page_title(ui->view.panel) : NULL;
    if (page && strcmp(page, proposals_title) == 0) return true;
    return binding && ui->choices.target && strcmp(binding->name, ui->choices.target) == 0 &&
           detail_is_shown(ui);
}

const char *ui_choice(const Ui *ui, size_t number)
{
    if (!number || number > CHOICES_SHOWN_MAX) return NULL;
    if (ui->work && ui->work->kind == WORK_CHOICES)
        return is_told(ui) && detail_is_shown(ui) ? ui->choice_lines[number - 1] : NULL;
    return is_shown(ui) ? tried_line(ui, number) : NULL;
}
