/* Session, rows and view in step: after each change the ledger is made anew, the rows from it,
 * and what was open, under the cursor, filtered and searched for is carried over. */
#include "repl/ui.h"

#include <stdlib.h>
#include <string.h>

#include "repl/keys.h"
#include "viewer/name_list.h"
#include "viewer/signals.h"

enum { SEARCH_STEP = 20000 };        /* rows between two looks at the keys */

/* The title's texts; borrowed from session and alignment, so it is set anew whenever one of them
 * changes. Of several rules files the last is named: it is the one that is edited. */
static void set_title(Ui *ui, const char *container, const StateDict *source)
{
    ViewTitle *title = &ui->view.title;
    StateDict *target = session_target(ui->session);
    *title = (ViewTitle){.rules_failed = ui->rules_failed, .percent = -1};
    title->source = (ViewFile){checkpoint_path(session_source(ui->session)), container,
                               dict_count(source), dict_bytes(source)};
    if (target)
        title->target = (ViewFile){checkpoint_path(session_target_checkpoint(ui->session)),
                                   session_target_container(ui->session), dict_count(target),
                                   dict_bytes(target)};
    const char *const *files;
    size_t n = session_rule_files(ui->session, &files);
    title->rules = n ? path_base(files[n - 1]) : NULL;
    if (ui->alignment)
        title->notes = align_note_count(ui->alignment) + align_collision_count(ui->alignment);
    title->lines = session_is_saved(ui->session) ? 0 : session_line_count(ui->session);
}

/* What a user should know before anything is done. One line only: a choice among several dicts
 * outweighs warnings, which `notes` lists in full. */
static void greet(Ui *ui)
{
    size_t warnings = checkpoint_finding_count(session_source(ui->session));
    size_t rivals = align_rivals(ui->alignment);
    if (rivals)
        view_say(&ui->view, STYLE_SHAPE, "%zu other dict%s in the file would fit as well: c "
                 "chooses", rivals, rivals == 1 ? "" : "s");
    else if (warnings)
        view_say(&ui->view, STYLE_SHAPE, "%s",
                 checkpoint_finding(session_source(ui->session), 0)->what);
}

/* The old rows are needed until the new ones know what was open; then rows go before the ledger
 * they point into, both when there is time for it. A search that was on begins again, since its
 * hits are row numbers of the old model; its text is copied, being the finder's own, which is
 * cleared first. */
void ui_show_rows(Ui *ui, Alignment *alignment, RowModel *rows)
{
    ui->view.tries_for = NULL;
    ui->asking = false;
    ui->choice_wanted = 0;
    values_show(ui->values, alignment);
    if (ui->rows) ui_carry_list(rows, ui->rows);
    view_set_rows(&ui->view, rows);
    rows_free(ui->old_rows);
    align_unref(ui->old_alignment);
    ui->old_rows = ui->rows;
    ui->old_alignment = ui->alignment;
    ui->rows = rows;
    ui->alignment = alignment;
    if (ui->search.text.length) {
        char *text = mem_strdup(text_string(&ui->search.text));
        finder_start(&ui->search, text);
        free(text);
    }
    if (ui->search_open) {               /* one that is being typed goes on from here */
        free(ui->search_open);
        ui->search_open = rows_copy_open(rows);
        ui->search_from = view_row(&ui->view) == ROW_NONE ? 0 : view_row(&ui->view);
    }
    if (!ui->old_rows) view_close_panels(&ui->view);     /* of names */
    ui_refresh(ui);
    if (!ui->old_rows) greet(ui);
}

void ui_refresh(Ui *ui)
{
    set_title(ui, align_container(ui->alignment), align_source_dict(ui->alignment));
    for (int side = 0; side < SIDE_COUNT; side++) {
        ViewMarks *marks = &ui->view.marks[side];
        marks->count = session_marked(ui->session, side, &marks->keys);
    }
    panel_refresh(ui->view.panel);
}

/* Which dict of the source is meant rules may say later; its own choice is shown until then. */
static void show_names(Ui *ui)
{
    const Container *chosen = checkpoint_choose(session_source(ui->session), NULL, NULL);
    if (!chosen) return;
    set_title(ui, chosen->path, chosen->dict);
    view_push_panel(&ui->view, name_list_new(chosen->dict, session_target(ui->session)));
}

/* The screen's size is needed first: it says how much to open. Until the first ledger is there, the
 * names of both sides are all there is to show. */
bool ui_init(Ui *ui, Session *session, Terminal *terminal, long moment, long first, Error *err)
{
    *ui = (Ui){.session = session, .terminal = terminal, .moment = moment, .first = first,
                .view = {.side = SIDE_TARGET, .key_for = key_for}};
    ui->values = ui->view.values = values_new();
    ui_resize(ui);
    if (!ui_align(ui, err)) return false;
    if (!ui->rows) show_names(ui);
    return true;
}

void ui_done(Ui *ui)
{
    ui_halt(ui);
    ui_open_done(ui);
    view_done(&ui->view);
    values_free(ui->values);
    rows_free(ui->rows);
    align_unref(ui->alignment);
    rows_free(ui->old_rows);
    align_unref(ui->old_alignment);
    align_unref(ui->kept);
    align_unref(ui->outdated);
    line_done(&ui->line);
    history_done(&ui->lines);
    history_done(&ui->searches);
    finder_done(&ui->search);
    screen_done(&ui->screen);
    free(ui->search_open);
    free(ui->yes);
    free(ui->output.path);
    free(ui->output.format);
    free(ui->output.under);
    free(ui->tried);
    for (size_t i = 0; i < countof(ui->choice_lines); i++) free(ui->choice_lines[i]);
    free(ui->apply);
    free(ui->question.key);
    free(ui->then.text);
    for (size_t i = 0; i < ui->queue_count; i++) free(ui->queue[i]);
    free(ui->queue);
    ui_close_console(ui);
    text_done(&ui->paste);
    typed_ahead_done(&ui->ahead);
    choices_done(&ui->choices);
}

/* The next frame is drawn for the new size. */
void ui_resize(Ui *ui)
{
    int columns, rows;
    ui->terminal->ops->size(ui->terminal->state, &columns, &rows);
    screen_resize(&ui->screen, columns, rows, ui->terminal->ascii);
}

/* How far a search has come, in words: "3 of 17", "17 hits" off a hit, "…" while it goes on. */
static void show_search(Ui *ui)
{
    const Finder *finder = &ui->search;
    size_t rank = finder_rank(finder, view_row(&ui->view));
    Text *aside = &ui->view.aside;
    text_clear(aside);
    if (!finder->text.length) return;
    if (finder->problem.code != ERR_NONE) text_addf(aside, "%s", finder->problem.text);
    else if (finder->count && rank) text_addf(aside, "%zu of %zu", rank, finder->count);
    else if (finder->count) text_addf(aside, "%zu hits", finder->count);
    else if (finder->done) text_add(aside, "not found");
    if (!finder->done) text_add(aside, " …");
}

/* One frame: everything is drawn, what changed is sent. What the view borrows (line, label, search)
 * is set here, from the mode, so that no change of mode can leave it behind. */
void ui_draw(Ui *ui)
{
    View *view = &ui->view;
    bool typing = ui->mode == UI_PROMPT || ui->mode == UI_SEARCH;
    view->line = typing ? &ui->line : NULL;
    view->label = ui->mode == UI_SEARCH ? "/" : ":";
    view->search = ui->search.text.length ? &ui->search : NULL;
    if (ui->mode == UI_SEARCH) show_search(ui);
    view_draw(view, &ui->screen);
    const TerminalOps *ops = ui->terminal->ops;
    if (ops->tell) ops->tell(ui->terminal->state, view);
    else ops->flush(ui->terminal->state, &ui->screen);
}

/* Whatever was typed or asked is put away; marks of a preview with it. The one way out of
 * every mode, and the first step into each: no two of them are ever on. */
void ui_leave(Ui *ui)
{
    ui->mode = UI_LIST;
    ui->preview_due = false;
    changes_mark(ui->rows, NULL);
    text_clear(&ui->view.aside);
    free(ui->yes);
    ui->yes = NULL;
    free(ui->search_open);
    ui->search_open = NULL;
}

/* The text is there to be gone on with; its preview is due at once. */
void ui_prompt(Ui *ui, const char *text)
{
    ui_leave(ui);
    ui->mode = UI_PROMPT;
    ui->preview_due = true;
    line_start(&ui->line, &ui->lines, text);
}

/* Both texts are copied. The question stands in the message line; `yes` is a verb line, so that
 * what was asked about and what is done are the same thing. */
void ui_ask(Ui *ui, const char *question, const char *yes)
{
    ui_leave(ui);
    ui->mode = UI_ASK;
    ui->yes = mem_strdup(yes);
    view_say(&ui->view, STYLE_KEY, "%s", question);
}

/* The first hit from where the search began; what earlier hits had opened is closed again. */
static void jump_to_first(Ui *ui)
{
    uint32_t hit = finder_next(&ui->search, ui->search_from, +1, true);
    if (ui->search_open) rows_restore_open(ui->rows, ui->search_open);
    view_goto(&ui->view, hit != ROW_NONE ? hit : ui->search_from);
}

/* Where the cursor was and what was open are remembered, since hits move one and open the other
 * while the text is typed. */
void ui_open_search(Ui *ui, const char *text)
{
    uint32_t row = view_row(&ui->view);
    ui_leave(ui);
    ui->mode = UI_SEARCH;
    ui->search_from = row == ROW_NONE ? 0 : row;
    ui->search_open = rows_copy_open(ui->rows);
    line_start(&ui->line, &ui->searches, text);
    ui_search(ui, text);
}

/* One step is made at once: on most models it is the whole search, and no "…" is ever seen. */
void ui_search(Ui *ui, const char *text)
{
    finder_start(&ui->search, text);
    ui_search_on(ui);
}

/* The first hit is jumped to as soon as it is known, and not again while the rest is counted. */
void ui_search_on(Ui *ui)
{
    bool found = finder_next(&ui->search, ui->search_from, +1, true) != ROW_NONE;
    finder_step(&ui->search, ui->rows, SEARCH_STEP);
    if (ui->mode == UI_SEARCH && (!found || ui->search.done)) jump_to_first(ui);
}

/* The next hit, which a nearer one may still come before among the rows that were not looked at:
 * who asks for it by a key waits for those. What is typed ahead then works on the same row on every
 * machine. */
static uint32_t find_hit(Ui *ui, uint32_t from, int direction, bool inclusive)
{
    const Finder *search = &ui->search;
    for (;;) {
        const uint32_t hit = finder_next(search, from, direction, inclusive);
        const bool ahead = hit != ROW_NONE && (hit > from || (hit == from && inclusive));
        const bool behind = hit < from && search->next > from;
        if (search->done || signals_are_waiting() || (direction > 0 ? ahead : behind)) return hit;
        finder_step(&ui->search, ui->rows, SEARCH_STEP);
    }
}

void ui_search_enter(Ui *ui)
{
    if (ui->search.done) return;         /* its hit was gone to */
    find_hit(ui, ui->search_from, +1, true);
    jump_to_first(ui);
}

/* False when there is no hit at all. */
bool ui_search_jump(Ui *ui, int direction)
{
    uint32_t from = view_row(&ui->view);
    uint32_t hit = find_hit(ui, from == ROW_NONE ? 0 : from, direction, false);
    if (hit == ROW_NONE) return false;
    view_goto(&ui->view, hit);
    show_search(ui);
    view_say(&ui->view, STYLE_HIT, "/%s  %s", text_string(&ui->search.text),
             text_string(&ui->view.aside));
    return true;
}
