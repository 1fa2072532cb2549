/* What a press does depends on the mode; what is done between presses, on what is due: a search
 * that has not seen everything, work that has ended, a look at the rules files. The screen is drawn
 * when no press is waiting, so that a held key or a pasted line does not draw every step. */
#include "repl/interactive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "repl/call_list.h"
#include "repl/complete.h"
#include "repl/hint.h"
#include "repl/history_file.h"
#include "repl/keys.h"
#include "repl/preview.h"
#include "repl/verbs.h"
#include "viewer/terminal.h"

/* How often rules files are looked at while nothing happens: a look is one stat a file. How often
 * what is under way beside the keys is looked at. How long the cursor has to rest before lines are
 * tried for its row. */
enum { LOOK_AT_FILES_MS = 1000, WORK_MS = 5, REST_MS = 80 };

/* While there are but names nothing moves by itself but a percentage: it is drawn that often. */
enum { NAMES_MS = 30 };

/* An error is shown, and is gone with the next key. Verbs that succeed say so themselves, where
 * there is anything to say. */
static void run_verb(Ui *ui, const char *line)
{
    Error err = {0};
    if (ui_must_wait(ui, line, false)) ui_queue(ui, line);
    else if (!verb_run(ui, line, &err)) view_notice(&ui->view, STYLE_ERROR, "error", err.text);
}

/* For the arrows, and for all prompts to come. Where it cannot be kept, nothing is lost that the
 * user would be stopped for. */
static void remember(Ui *ui, const char *line)
{
    history_add(&ui->lines, line);
    if (ui->history) history_file_add(ui->history, line, &(Error){0});
}

/* What was typed is carried out; a line that fails stays, to be corrected. A verb wins over a
 * statement of its name; verb_find tells them apart. The line is copied, since leaving the prompt
 * or a verb may change it. */
static void enter_line(Ui *ui)
{
    char *line = mem_strdup(text_string(&ui->line.text));
    const char *argument;
    Error err = {0};
    remember(ui, line);
    bool ok = true;
    if (!line[strspn(line, " ")]) {
        ui_leave(ui);
    } else if (ui_must_wait(ui, line, true)) {
        ui_leave(ui);
        ui_queue(ui, line);
    } else if (verb_find(line, &argument)) {
        ui_leave(ui);   /* a verb may open something itself */
        ok = verb_run(ui, line, &err);
    } else if ((ok = ui_run_line(ui, line, &err))) {
        if (ui->mode == UI_PROMPT) ui_leave(ui);   /* a function may have asked something */
    }
    if (!ok) {
        if (ui->mode == UI_LIST) ui_prompt(ui, line);
        view_notice(&ui->view, STYLE_ERROR, "error", err.text);
    }
    free(line);
}

/* What goes on from the cursor is put there; what it may be is shown. */
static void complete_line(Ui *ui)
{
    Line *line = &ui->line;
    const CompleteFrom from = {.alignment = ui->alignment, .rows = ui->rows, .verbs = true,
                               .calls = call_table()->words, .call_count = call_table()->count};
    Text word = {0}, choices = {0};
    size_t at = complete_at(&from, text_string(&line->text), line->cursor, &word, &choices);
    if (word.length) line_replace(line, at, line->cursor, text_string(&word));
    if (choices.length)
        view_notice(&ui->view, STYLE_PLAIN, "completions", text_string(&choices));
    text_done(&word);
    text_done(&choices);
}

/* PgUp and PgDn look at the list meanwhile; Backspace on nothing leaves, as in vim. */
static void press_in_prompt(Ui *ui, Press press)
{
    bool empty = !ui->line.text.length;
    if (press_is_cancel(press) || (empty && press.kind == PRESS_BACKSPACE)) {
        ui_leave(ui);
    } else if (press.kind == PRESS_ENTER) {
        enter_line(ui);
    } else if (press.kind == PRESS_PAGE_UP || press.kind == PRESS_PAGE_DOWN) {
        run_verb(ui, key_line(press, NULL));
    } else if (press.kind == PRESS_TAB) {
        complete_line(ui);
        preview_age(ui);
    } else if (line_press(&ui->line, press)) {
        preview_age(ui);
    }
}

/* Every change searches anew; leaving without Enter forgets the search. */
static void press_in_search(Ui *ui, Press press)
{
    const char *text = text_string(&ui->line.text);
    if (press_is_cancel(press) || (!*text && press.kind == PRESS_BACKSPACE)) {
        ui_search(ui, "");
        ui_leave(ui);
    } else if (press.kind == PRESS_ENTER) {
        history_add(&ui->searches, text);
        ui_search_enter(ui);
        ui_leave(ui);
    } else if (line_press(&ui->line, press)) {
        ui_search(ui, text_string(&ui->line.text));
    }
}

/* Anything but y is a no. */
static void press_in_question(Ui *ui, Press press)
{
    char *yes = ui->yes;
    ui->yes = NULL;
    ui_leave(ui);
    text_clear(&ui->view.message);
    if (press.kind == PRESS_CHAR && (press.code == 'y' || press.code == 'Y')) run_verb(ui, yes);
    else view_say(&ui->view, STYLE_PLAIN, "not done");
    free(yes);
}

/* On a page of text any key closes that does not move; a digit applies what a page of proposals
 * numbers. Other panels say that the key is the list's. It goes by verb lines and not by keys, so
 * that a key bound otherwise does here what it does in the list. */
static void press_in_panel(Ui *ui, Press press)
{
    const Panel *panel = ui->view.panel;
    const char *line = press_is_cancel(press) ? "close" : key_line(press, panel->ops->name);
    if (line && !strcmp(line, "quit")) line = "close";   /* what is on top */
    const char *argument;
    const Verb *verb = line ? verb_find(line, &argument) : NULL;
    bool page = panel->ops == &page_ops;
    if (press.kind == PRESS_CLICK) {
        int top = ui->screen.rows - 1 - panel->height;
        if (panel->ops->click && press.y >= top && press.y < ui->screen.rows - 1)
            panel->ops->click(ui->view.panel, press.x - 2, press.y - top);
    } else if (verb && (verb->where == VERB_MOVE || !strcmp(line, "redraw"))) {
        run_verb(ui, line);
    } else if (page) {
        if (line && has_prefix(line, "try ")) run_verb(ui, line);
        else view_pop_panel(&ui->view);
    } else if (verb && (verb->where == VERB_ANY || key_is_for(press, panel->ops->name))) {
        run_verb(ui, line);
    } else {
        view_say(&ui->view, STYLE_PLAIN, "%s closes %s", view_key(&ui->view, "quit"),
                 panel->ops->name);
    }
}

/* A click goes there; on the row that is there already it opens or closes. So two clicks open a
 * module, and no clock has to tell a double click. On the divider it takes hold of that. */
static void click(Ui *ui, Press press)
{
    size_t at;
    Side side;
    if (view_grip(&ui->view, &ui->screen, press.x, press.y)) return;
    if (!view_find(&ui->view, &ui->screen, press.x, press.y, &at, &side)) return;
    bool again = ui->view.cursor == at;
    ui->view.cursor = at;
    ui->view.side = side;
    if (again) run_verb(ui, "fold");
}

/* Every key clears the notice and message of the one before. Ctrl-C does not end the program: lines
 * may not be saved, and q asks about them. */
static void press_in_list(Ui *ui, Press press)
{
    const char *line = key_line(press, NULL);
    const bool whole = (!ui->view.panel || ui->view.notice_title) && line &&
                       strcmp(line, "detail") == 0;
    if (whole) run_verb(ui, line);       /* of what is on show, be it a notice */
    view_clear_notice(&ui->view);
    text_clear(&ui->view.message);
    if (whole) return;
    if (ui->view.panel) {
        press_in_panel(ui, press);
        return;
    }
    if (press_is_cancel(press) && ui_stop(ui)) return;
    if (press.kind == PRESS_CLICK) click(ui, press);
    else if (line) run_verb(ui, line);
    else if (press.kind == PRESS_CTRL && press.code == 'C')
        view_say(&ui->view, STYLE_PLAIN, "%s quits", key_of("quit") ? key_of("quit") : ":quit");
}

/* Names are all there is: they can be moved through, and left. */
static void press_in_names(Ui *ui, Press press)
{
    Text told = {0};
    switch (typed_ahead_press(&ui->ahead, press, ui->view.panel)) {
    case AHEAD_QUIT: run_verb(ui, "quit"); break;
    case AHEAD_CANCEL: ui_stop(ui); break;
    case AHEAD_CHANGED:
        typed_ahead_tell(&ui->ahead, &told);
        view_say(&ui->view, STYLE_DIM, "%s", text_string(&told));
        break;
    case AHEAD_MOVED: case AHEAD_NOTHING: break;
    }
    text_done(&told);
}

/* Size and end come before any mode. An end by a signal exits as a shell reports it, with 128 and
 * the signal's number; there is nobody to ask about lines that are not saved (command_view.c writes
 * them down). */
static void handle(Ui *ui, Press press)
{
    if (press.kind == PRESS_CLOSE) {
        ui->quit = true;
        ui->status = press.code ? 128 + (int)press.code : 0;
        return;
    }
    if (press.kind == PRESS_RESIZE) {
        ui_resize(ui);
        return;
    }
    if (!ui->rows) {
        press_in_names(ui, press);
        return;
    }
    if (ui_paste(ui, press)) return;
    if (press.kind == PRESS_DRAG || press.kind == PRESS_RELEASE) {
        view_drag(&ui->view, &ui->screen, press.x, press.kind == PRESS_RELEASE);
        return;
    }
    switch (ui->mode) {
    case UI_LIST: press_in_list(ui, press); break;
    case UI_PROMPT:
        view_clear_notice(&ui->view);
        press_in_prompt(ui, press);
        break;
    case UI_SEARCH: press_in_search(ui, press); break;
    case UI_ASK: press_in_question(ui, press); break;
    }
}

/* Nothing is opened by itself: what is being written is no checkpoint yet. */
static void look_at_checkpoints(Ui *ui)
{
    static const char *const sides[] = {"source", "target"};
    const char *key = key_of("reopen");
    for (int side = 0; side < 2; side++) {
        const bool before = ui->changed[side];
        ui->changed[side] = session_side_changed(ui->session, side);
        if (ui->changed[side] && !before)
            view_say(&ui->view, STYLE_SHAPE, "the %s has changed on disk: %s opens it again",
                     sides[side], key ? key : ":reopen");
    }
}

/* A rules file that was saved in another window takes effect by itself. */
static void look_at_files(Ui *ui)
{
    look_at_checkpoints(ui);
    if (!session_rules_changed(ui->session)) return;
    Error err = {0};
    if (!ui_align(ui, &err)) view_notice(&ui->view, STYLE_ERROR, "error in the rules", err.text);
    else if (!ui->rules_failed) view_say(&ui->view, STYLE_PLAIN, "the rules changed: read again");
}

/* What is done while no key comes. A search goes on by itself; all else by threads, of which is
 * looked what they have come to. patience() says how soon. */
static void idle(Ui *ui)
{
    Panel *panel = ui->view.panel;
    bool working = ui_is_working(ui) || ui_choices_due(ui);
    ui_paste_late(ui);
    if (values_due(ui->values)) values_step(ui->values);
    if (panel && panel->busy && panel->ops->poll) panel->ops->poll(panel);
    if (working) ui_work_on(ui);
    if (!ui->search.done && ui->search.text.length) ui_search_on(ui);
    else if (ui_list_due(ui)) ui_list_step(ui);
    else if (!working && ui->rows) look_at_files(ui);
}

/* How long to wait for a key before something else is done, in milliseconds. */
static int patience(const Ui *ui)
{
    if (!ui->search.done && ui->search.text.length) return 0;
    if (ui->rows && rows_filter_due(ui->rows)) return 0;
    bool busy = values_due(ui->values) || (ui->view.panel && ui->view.panel->busy);
    if (busy || ui_is_working(ui) || ui_list_due(ui)) return WORK_MS;
    return ui_choices_due(ui) ? REST_MS : LOOK_AT_FILES_MS;
}

/* What the view says of keys goes by their table as it is now. */
static void draw(Ui *ui)
{
    text_clear(&ui->view.hint);
    hint_show(ui, &ui->view.hint);
    ui_draw(ui);
}

/* What was typed before there were rows comes before what is typed now. */
static bool next_press(Ui *ui, int timeout_ms, Press *press)
{
    const Terminal *terminal = ui->terminal;
    if (ui->rows && typed_ahead_next(&ui->ahead, press)) return true;
    return terminal->ops->read(terminal->state, timeout_ms, press);
}

/* Keys that are waiting are taken before the next frame is drawn. */
static void run_loop(Ui *ui, const InteractiveOptions *options)
{
    int64_t drawn = 0;
    bool pressed = true;
    while (!ui->quit) {
        if (options->watch && ui->alignment) options->watch(options->watch_context, ui->alignment);
        if (ui->rows || pressed || clock_ms() - drawn >= NAMES_MS) {
            draw(ui);
            drawn = clock_ms();
        }
        Press press;
        if (!(pressed = next_press(ui, patience(ui), &press))) {
            idle(ui);
            continue;
        }
        do handle(ui, press);
        while (!ui->quit && next_press(ui, 0, &press));
    }
}

/* What the screen of opening leaves: where it was in the names, and what was typed. */
static void go_on_with(Ui *ui, const InteractiveOptions *options)
{
    if (!ui->rows && ui->view.panel)
        panel_move(ui->view.panel, PANEL_ROWS, (long)options->names_top);
    if (!options->ahead) return;
    ui->ahead = *options->ahead;
    *options->ahead = (TypedAhead){.next = 0};
}

/* The exit status: 2 when there was nothing to show, else what the user interface left, which is 0
 * unless a signal ended it. */
static int show(Session *session, Terminal *terminal, const InteractiveOptions *options,
                Error *err)
{
    Ui ui;
    int status = 2;
    if (ui_init(&ui, session, terminal, options->moment, options->first, err)) {
        if (options->notes && *options->notes)
            view_notice(&ui.view, STYLE_ERROR, "to know first", options->notes);
        ui.history = options->history;
        if (ui.history) history_file_read(ui.history, &ui.lines, &(Error){0});
        go_on_with(&ui, options);
        run_loop(&ui, options);
        status = ui.status;
        if (ui.trouble.code && err) *err = ui.trouble;
    }
    ui_done(&ui);
    return status;
}

/* Errors are printed when the terminal is a terminal again. */
int interactive_run(Session *session, const InteractiveOptions *options)
{
    Error err = {0};
    Terminal own = options->opened ? *options->opened : (Terminal){0};
    Terminal *terminal = options->terminal ? options->terminal : &own;
    int status = 2;
    if (terminal->ops || terminal_open(&own, options->no_color, &err))
        status = show(session, terminal, options, &err);
    terminal_close(&own);
    if (err.code != ERR_NONE) fprintf(stderr, "tenon: %s\n", err.text);
    return status;
}
