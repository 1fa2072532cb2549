/* What is under way beside the keys, in the order of its weight: ledgers that the session's changes
 * ask for, what was typed meanwhile, the preview of a line, choices for a row. Only one of them
 * runs; what is no longer wanted is told to stop, and its end is not waited for. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "repl/induced.h"
#include "repl/preview.h"
#include "repl/rule_edits.h"
#include "repl/rules_panel.h"
#include "repl/verbs.h"

/* How long the first ledger is waited for, so that little files begin with their rows and not with
 * their names; of how many tensors files are little. */
enum { FIRST_MS = 30, LITTLE = 5000 };

/* ---- what is to be done ---- */

/* The old rows stay on show: what is open in them is copied now, and compared in the end. */
static Work *ledger_work(Ui *ui, WorkKind kind)
{
    Work *work = work_new(kind, session_snapshot(ui->session), ui->alignment);
    work->rows = ui->rows;
    work->open = ui->rows ? rows_copy_chosen(ui->rows) : NULL;
    work->lines = (size_t)view_page(&ui->view, &ui->screen);
    work->compare = kind == WORK_ALIGN && ui->back == BACK_ON_CHANGE;
    if (kind == WORK_ALIGN && ui->kept && ui->kept_version == session_rules_version(ui->session))
        work->after = align_ref(ui->kept);
    return work;
}

static Work *tidy_work(Ui *ui)
{
    Work *work = work_new(WORK_TIDY, NULL, NULL);
    work->before = ui->old_alignment;
    work->old = ui->old_rows;
    work->after = ui->outdated;
    ui->old_alignment = ui->outdated = NULL;
    ui->old_rows = NULL;
    return work;
}

static Work *question_work(Ui *ui)
{
    const UiQuestion *question = &ui->question;
    Work *work = work_new(question->kind, session_snapshot(ui->session), ui->alignment);
    work->key = question->key ? mem_strdup(question->key) : NULL;
    work->source = question->source;
    work->number = question->number;
    return work;
}

static void forget_question(Ui *ui)
{
    free(ui->question.key);
    ui->question = (UiQuestion){.asked = false};
}

/* Whether it is still to be answered: of other rules it would be another question. */
static bool is_asked(Ui *ui)
{
    const bool other = ui->question.version != session_rules_version(ui->session);
    if (ui->question.asked && other) forget_question(ui);
    return ui->question.asked;
}

static Work *next_work(Ui *ui)
{
    if (ui->align_due) {
        ui->align_due = false;
        return ledger_work(ui, WORK_ALIGN);
    }
    if (ui->apply) {
        Work *work = ledger_work(ui, WORK_APPLY);
        work->line = mem_strdup(ui->apply);
        return work;
    }
    if (ui->old_rows || ui->old_alignment || ui->outdated) return tidy_work(ui);
    if (!ui->rows) return NULL;
    if (is_asked(ui)) return question_work(ui);
    Work *preview = ui->mode == UI_PROMPT && ui->preview_due ? preview_begin(ui) : NULL;
    if (preview) return preview;
    return ui_choices_due(ui) ? ui_choices_begin(ui) : NULL;
}

static bool is_for_ledger(const Work *work)
{
    return work->kind == WORK_ALIGN || work->kind == WORK_APPLY;
}

/* Whether what runs is no longer wanted, or what came is wanted more. */
static bool is_in_the_way(const Ui *ui)
{
    bool typed = ui->mode == UI_PROMPT && ui->preview_due;
    bool changes = ui->align_due || ui->apply;
    switch (ui->work->kind) {
    case WORK_ALIGN: case WORK_APPLY: return ui->align_due;
    case WORK_PREVIEW: return changes || typed || ui->mode != UI_PROMPT;
    case WORK_CHOICES: return changes || typed || ui->question.asked;
    case WORK_BISECT: case WORK_INDUCE: case WORK_WITHOUT: return changes;
    case WORK_TIDY: return false;
    }
    return false;
}

static void cancel(Ui *ui)
{
    work_cancel(ui->work);
    ui->stale = true;
}

/* ---- what came of it ---- */

static void forget_kept(Ui *ui)
{
    align_unref(ui->outdated);           /* two before there was time: seldom */
    ui->outdated = ui->kept;
    ui->kept = NULL;
}

/* For undo: what is on show will be what was before. */
static void keep_shown(Ui *ui)
{
    forget_kept(ui);
    if (!ui->alignment || !ui->shown_whole) return;
    ui->kept = align_ref(ui->alignment);
    ui->kept_version = ui->shown_version;
}

/* Hands the ledger over. Modules that were opened or closed meanwhile are so in the new rows. */
static void take_ledger(Ui *ui, Work *work)
{
    Alignment *alignment = work->after;
    RowModel *rows = work->made;
    work->after = NULL;
    work->made = NULL;
    if (work->rows && work->rows == ui->rows) rows_open_since(rows, ui->rows, work->open);
    keep_shown(ui);
    ui_show_rows(ui, alignment, rows);
    ui->shown_version = session_rules_version(ui->session);
    ui->shown_whole = !work->failed;
}

static void forget_then(Ui *ui)
{
    free(ui->then.text);
    ui->then = (UiThen){.number = 0};
    ui->back = BACK_NEVER;
}

/* Whether what came of the session's last change lets it stay; else why not. */
static bool is_kept(const Work *work, UiBack back, Error *err)
{
    if (!work->after || (work->failed && back >= BACK_ON_ERROR)) {
        if (err) *err = work->problem;
        return false;
    }
    return back != BACK_ON_CHANGE || rule_split_stays(&work->changes, err);
}

/* Marks that were made meanwhile are changes of the session too, and go with it. */
static void take_back(Ui *ui)
{
    const unsigned version = session_rules_version(ui->session);
    while (session_undo_what(ui->session) && session_rules_version(ui->session) == version)
        session_take_back(ui->session);
    ui_refresh(ui);                  /* the title names what was opened, which is gone */
}

static bool end_align(Ui *ui, Work *work, Error *err)
{
    const UiBack back = ui->back;
    ui->back = BACK_NEVER;
    if (!is_kept(work, back, err)) {
        if (back && ui->then.text && err) error_prefix(err, "%s", ui->then.text);
        forget_then(ui);
        if (back) take_back(ui);
        return false;
    }
    ui->rules_failed = work->failed;
    take_ledger(ui, work);
    if (work->failed)
        view_notice(&ui->view, STYLE_ERROR, "error in the rules", work->problem.text);
    const UiThen then = ui->then;        /* what it runs may align again */
    ui->then = (UiThen){.number = 0};
    if (then.run) then.run(ui, then.number, then.text);
    free(then.text);
    return true;
}

/* `*line` receives the one that failed, to be freed. */
static bool end_apply(Ui *ui, Work *work, char **line, Error *err)
{
    char *applied = ui->apply;
    ui->apply = NULL;
    if (ui_applied(ui, work, applied, err)) {
        if (work->after) take_ledger(ui, work);
        free(applied);
        return true;
    }
    *line = applied;
    return false;
}

static void end_question(Ui *ui, const Work *work)
{
    if (!is_asked(ui)) return;
    forget_question(ui);
    if (work->failed) view_notice(&ui->view, STYLE_SHAPE, "no answer", work->problem.text);
    else if (work->kind == WORK_BISECT) rules_panel_show(ui, &work->culprit);
    else if (work->kind == WORK_WITHOUT) rules_panel_leave_out(ui, work->number, &work->changes);
    else induced_take(ui, work->number, &work->marks);
}

/* Whatever the session learned from it is given back first. */
static bool end_work(Ui *ui, char **line, Error *err)
{
    Work *work = ui->work;
    bool stale = ui->stale, good = true;
    ui->work = NULL;
    ui->stale = false;
    if (work->snapshot) session_give_back(ui->session, work->snapshot);
    work->snapshot = NULL;
    if (!stale) {
        switch (work->kind) {
        case WORK_ALIGN: good = end_align(ui, work, err); break;
        case WORK_APPLY: good = end_apply(ui, work, line, err); break;
        case WORK_PREVIEW: preview_end(ui, work); break;
        case WORK_CHOICES: ui_choices_end(ui); break;
        case WORK_BISECT: case WORK_INDUCE: case WORK_WITHOUT: end_question(ui, work); break;
        case WORK_TIDY: break;
        }
    }
    work_free(work);
    return good;
}

static void begin_work(Ui *ui)
{
    ui->work = next_work(ui);
    if (ui->work) work_start(ui->work);
}

/* One look. False: the ledger that was waited for could not be had; `*line` as in end_apply. */
static bool look(Ui *ui, char **line, Error *err)
{
    bool good = true;
    if (ui->work && !ui->stale && is_in_the_way(ui)) cancel(ui);
    if (ui->work && work_is_over(ui->work)) good = end_work(ui, line, err);
    if (ui->work || !good) return good;
    begin_work(ui);
    return true;
}

/* ---- asking for it ---- */

static bool is_making_ledger(const Ui *ui)
{
    bool runs = ui->work && !ui->stale && is_for_ledger(ui->work);
    return runs || ui->align_due || ui->apply;
}

static bool is_little(const Ui *ui)
{
    const StateDict *target = session_target(ui->session);
    size_t n = target ? dict_count(target) : 0;
    const Checkpoint *source = session_source(ui->session);
    for (size_t i = 0; i < checkpoint_container_count(source); i++)
        n += dict_count(checkpoint_container(source, i)->dict);
    return n <= LITTLE;
}

/* Looks for a moment whether what was just asked for is there. */
static bool look_for(Ui *ui, long milliseconds, Error *err)
{
    char *line = NULL;
    bool good = true;
    const int64_t start = clock_ms();
    const long moment = ui->rows ? ui->moment : ui->first;
    if (moment) milliseconds = moment;
    else if (!is_little(ui)) milliseconds = 0;
    for (long left = milliseconds; good && left >= 0 &&
                                   (is_making_ledger(ui) || ui->question.asked);
         left = milliseconds - (long)(clock_ms() - start)) {
        good = look(ui, &line, err);
        if (good && ui->work) work_wait(ui->work, left);
    }
    free(line);
    return good;
}

/* What shows the session's rules goes by them at once, and by the ledger when it is there. */
static bool begin_align(Ui *ui, Error *err)
{
    ui->align_due = true;
    bool good = look_for(ui, ui->rows ? UI_MOMENT_MS : FIRST_MS, err);
    if (ui->rows && is_making_ledger(ui)) ui_refresh(ui);
    return good;
}

/* Rules files may say something else than they did. */
bool ui_align(Ui *ui, Error *err)
{
    forget_kept(ui);
    forget_then(ui);
    return session_read_rules(ui->session, err) && begin_align(ui, err);
}

bool ui_align_again(Ui *ui, Error *err)
{
    if (session_rules_changed(ui->session)) return ui_align(ui, err);
    forget_then(ui);
    return begin_align(ui, err);
}

bool ui_align_or_back(Ui *ui, UiBack when, Error *err)
{
    forget_kept(ui);
    forget_then(ui);
    if (!session_read_rules(ui->session, err)) {
        session_take_back(ui->session);
        return false;
    }
    ui->back = when;
    return begin_align(ui, err);
}

bool ui_align_then(Ui *ui, void (*run)(Ui *ui, size_t number, const char *text), size_t number,
                   const char *text, Error *err)
{
    forget_kept(ui);
    forget_then(ui);
    if (!session_read_rules(ui->session, err)) return false;
    ui->then = (UiThen){run, number, mem_strdup(text)};
    return begin_align(ui, err);
}

void ui_then(Ui *ui, void (*run)(Ui *ui, size_t number, const char *text), size_t number,
             const char *text)
{
    if (!is_making_ledger(ui)) {
        run(ui, number, text);
        return;
    }
    free(ui->then.text);
    ui->then = (UiThen){run, number, mem_strdup(text)};
}

bool ui_apply_line(Ui *ui, const char *line, Error *err)
{
    if (ui_is_settling(ui)) {
        ui_queue(ui, line);
        return true;
    }
    ui->apply = mem_strdup(line);
    return look_for(ui, UI_MOMENT_MS, err);
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* Lines that are typed are done in their order; a key waits only for what it would write or throw
 * away. While the ledger alone is made anew, undo and redo begin it once more. */
bool ui_must_wait(const Ui *ui, const char *line, bool typed)
{
    static const char *const never[] = {"quit!", "help", "redraw"};
    static const char *const final[] = {"write", "write!", "save", "save-session",
                                        "save-session!", "export", "export!", "reload", "edit",
                                        "induce"};
    static const char *const back[] = {"undo", "redo"};
    const char *argument;
    const Verb *verb = verb_find(line, &argument);
    bool applying = ui->apply || ui->queue_count, settling = applying || ui_is_settling(ui);
    if (!verb) return settling;
    if (strcmp(verb->name, "quit") == 0) return ui->queue_count > 0;   /* a save that waits */
    if (typed) return settling && !is_one_of(verb->name, never, countof(never));
    if (is_one_of(verb->name, back, countof(back))) return applying;
    return settling && is_one_of(verb->name, final, countof(final));
}

void ui_queue(Ui *ui, const char *line)
{
    ui->queue = mem_grow(ui->queue, &ui->queue_room, ui->queue_count + 1, sizeof *ui->queue);
    ui->queue[ui->queue_count++] = mem_strdup(line);
    view_say(&ui->view, STYLE_DIM, "waits: %s", line);
}

static bool is_question(const Work *work)
{
    return work->kind == WORK_BISECT || work->kind == WORK_INDUCE || work->kind == WORK_WITHOUT;
}

void ui_question(Ui *ui, const UiQuestion *question)
{
    char *key = question->key ? mem_strdup(question->key) : NULL;
    forget_question(ui);
    ui->question = *question;
    ui->question.key = key;
    ui->question.asked = true;
    ui->question.version = session_rules_version(ui->session);
    if (ui->work && is_question(ui->work)) cancel(ui);
    if (!is_making_ledger(ui)) look_for(ui, UI_MOMENT_MS, NULL);
}

bool ui_is_settling(const Ui *ui)
{
    return is_making_ledger(ui) || ui->opening.files;
}

bool ui_is_working(const Ui *ui)
{
    return ui->work || ui->queue_count || ui->align_due || ui->apply || ui->question.asked ||
           ui->old_rows || ui->old_alignment || ui->outdated || ui->asking || ui->opening.files ||
           (ui->mode == UI_PROMPT && ui->preview_due);
}

/* ---- going on ---- */

/* The first of what waits. Verbs may open a mode of their own: they wait for the list. */
static void take_queued(Ui *ui)
{
    const char *argument;
    if (!ui->queue_count || ui_is_settling(ui)) return;
    bool verb = verb_find(ui->queue[0], &argument) != NULL;
    if (verb && ui->mode != UI_LIST) return;
    char *line = ui->queue[0];
    memmove(ui->queue, ui->queue + 1, --ui->queue_count * sizeof *ui->queue);
    Error err = {0};
    text_clear(&ui->view.message);
    if (!(verb ? verb_run(ui, line, &err) : ui_run_line(ui, line, &err)))
        view_notice(&ui->view, STYLE_ERROR, "error", err.text);
    free(line);
}

/* A line that fails stands in the prompt again, to be corrected, unless something else is being
 * typed. Before the first ledger nothing is on show, and there is nothing to stay for. */
static void tell_failure(Ui *ui, const char *line, const Error *err)
{
    if (!ui->rows) {
        ui->trouble = *err;
        ui->quit = true;
        ui->status = 2;
        return;
    }
    if (line && ui->mode == UI_LIST && !ui->view.panel) ui_prompt(ui, line);
    view_notice(&ui->view, STYLE_ERROR, line ? "error" : "error in the rules", err->text);
}

void ui_work_on(Ui *ui)
{
    Error err = {0};
    char *line = NULL;
    if (!look(ui, &line, &err) || !ui_open_on(ui, &line, &err)) tell_failure(ui, line, &err);
    free(line);
    take_queued(ui);
    if (ui->asking && !ui_choices_due(ui)) ui_choices_tell(ui);
    bool felt = is_making_ledger(ui);
    ui->view.title.busy = felt ? "aligning…" : ui->opening.files ? "opening…"
                          : ui->question.asked ? "working…" : NULL;
    ui->view.title.percent = felt && ui->work ? work_percent(ui->work) : -1;
}

/* Of a ledger that cannot be done without, since the session has changed already: only its scripts
 * stop. */
static bool halt_scripts(Ui *ui)
{
    if (!ui->work && ui->align_due) begin_work(ui);
    if (!ui->work || ui->stale || ui->work->kind != WORK_ALIGN) return false;
    work_halt(ui->work);
    return true;
}

/* What waits goes first, the last one of it; then the line that is being applied. */
bool ui_stop(Ui *ui)
{
    if (ui->asking) {                    /* what was found so far is told */
        ui->asked_until = 0;
        if (ui->work && ui->work->kind == WORK_CHOICES) cancel(ui);
        return true;
    }
    if (ui->queue_count) {
        char *last = ui->queue[--ui->queue_count];
        view_say(&ui->view, STYLE_PLAIN, "not done: %s", last);
        free(last);
        return true;
    }
    if (!ui->apply && ui_open_stop(ui)) return true;
    if (ui->question.asked && !ui->apply) {
        view_say(&ui->view, STYLE_PLAIN, "stopped");
        forget_question(ui);
        if (ui->work && is_question(ui->work)) cancel(ui);
        return true;
    }
    if (!ui->apply) return halt_scripts(ui);
    view_say(&ui->view, STYLE_PLAIN, "stopped: %s", ui->apply);
    free(ui->apply);
    ui->apply = NULL;
    if (ui->work && ui->work->kind == WORK_APPLY) cancel(ui);
    return true;
}

/* A ledger that was being made is due again. */
void ui_halt(Ui *ui)
{
    if (!ui->work) return;
    if (!ui->stale && ui->work->kind == WORK_ALIGN) ui->align_due = true;
    cancel(ui);
    while (!work_wait(ui->work, 1000)) continue;     /* its snapshot is its own until then */
    end_work(ui, NULL, NULL);
}
