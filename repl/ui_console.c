/* Lines after ":" that are no rules: they run at a prompt that lives as long as the viewer, on its
 * session. Rules go their own way (ui_work.c), since these are tried beside the keys. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "loader/core/job.h"
#include "repl/call_list.h"
#include "repl/fault.h"
#include "repl/interrupt.h"
#include "repl/ui.h"
#include "repl/verbs.h"

enum {
    NOTICE_LINES = 6,            /* what is longer is a page */
    LOOK_MS = 5,                 /* between two looks at whether a line has run */
    MOMENT_MS = 100,             /* in which it may, without being seen to */
    BAR_MS = 100,                /* between two bars */
    PROGRESS_BYTES = 200         /* of what is shown of a name */
};

/* By its first word. What is assigned, asked or called is no rule, even where rules come of it. */
static bool is_rule(const char *line)
{
    line += strspn(line, " ");
    const size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    const char *rest = line + n + strspn(line + n, " ");
    return script_has_statement(line, n) && *rest && strchr("\"'[{(.", *rest);
}

/* A file that a line wants to be opened behind it. */
typedef struct LaterOpen {
    int side;
    char *path;                  /* owned */
} LaterOpen;

/* A line that runs on a thread of its own: Lua, and what its functions read, while the user looks
 * on and may stop it. Verbs that it asks for are run by the thread of the screen. */
typedef struct ConsoleRun {
    Ui *ui;
    Console *console;
    const char *line;
    pthread_t screen;            /* the thread that waits */
    Arena *arena;                /* owned: what keep_texts copies */
    bool ok;
    Error problem;
    LaterOpen *later;            /* owned, [later_count]; the line's thread's until it has run */
    size_t later_count, later_room;
    pthread_mutex_t lock;        /* of all below */
    pthread_cond_t answered;
    const char *verb;            /* asked for; NULL: none is */
    bool verb_ok;
    Error verb_problem;
    char what[PROGRESS_BYTES];   /* what is read, and how far it is */
    uint64_t done, total;
} ConsoleRun;

/* Of ConsoleOptions. */
static bool run_verb(void *context, const char *line, Error *err)
{
    const Ui *ui = context;
    ConsoleRun *run = ui->console_run;
    if (pthread_equal(pthread_self(), run->screen)) return verb_run(run->ui, line, err);
    pthread_mutex_lock(&run->lock);
    run->verb = line;
    while (run->verb) pthread_cond_wait(&run->answered, &run->lock);
    const bool ok = run->verb_ok;
    if (!ok && err) *err = run->verb_problem;
    pthread_mutex_unlock(&run->lock);
    return ok;
}

/* Of ConsoleOptions. */
static bool note_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    const Ui *ui = context;
    ConsoleRun *run = ui->console_run;
    pthread_mutex_lock(&run->lock);
    snprintf(run->what, sizeof run->what, "%s", what);
    run->done = done;
    run->total = total;
    pthread_mutex_unlock(&run->lock);
    return !*interrupt_flag();
}

/* Of ConsoleOptions. The queue and the message are the screen's: what is asked for is noted. */
static void open_later(void *context, int side, const char *path)
{
    const Ui *ui = context;
    ConsoleRun *run = ui->console_run;
    run->later = mem_grow(run->later, &run->later_room, run->later_count + 1, sizeof *run->later);
    run->later[run->later_count++] = (LaterOpen){side, mem_strdup(path)};
}

static void open_now(ConsoleRun *run)
{
    for (size_t i = 0; i < run->later_count; i++) {
        ui_open_later(run->ui, run->later[i].side, run->later[i].path);
        free(run->later[i].path);
    }
    free(run->later);
}

static ViewFile keep_file(Arena *arena, ViewFile file)
{
    if (file.name) file.name = arena_strdup(arena, file.name);
    if (file.container) file.container = arena_strdup(arena, file.container);
    return file;
}

/* The session, from which the view borrows these, is the other thread's while that runs. All else
 * that is drawn is the ledger's, which nobody changes. */
static void keep_texts(ConsoleRun *run)
{
    View *view = &run->ui->view;
    ViewTitle *title = &view->title;
    title->source = keep_file(run->arena, title->source);
    title->target = keep_file(run->arena, title->target);
    if (title->rules) title->rules = arena_strdup(run->arena, title->rules);
    for (int side = 0; side < SIDE_COUNT; side++) {
        ViewMarks *marks = &view->marks[side];
        const char **keys = arena_alloc(run->arena, (marks->count + 1) * sizeof *keys);
        for (size_t i = 0; i < marks->count; i++)
            keys[i] = arena_strdup(run->arena, marks->keys[i]);
        marks->keys = keys;
    }
}

/* A verb that waits is run; the other thread touches nothing meanwhile. */
static void answer(ConsoleRun *run)
{
    pthread_mutex_lock(&run->lock);
    const char *verb = run->verb;
    pthread_mutex_unlock(&run->lock);
    if (!verb) return;
    Error problem = {0};
    const bool ok = verb_run(run->ui, verb, &problem);
    keep_texts(run);
    pthread_mutex_lock(&run->lock);
    run->verb = NULL;
    run->verb_ok = ok;
    run->verb_problem = problem;
    pthread_cond_signal(&run->answered);
    pthread_mutex_unlock(&run->lock);
}

static void show_run(ConsoleRun *run)
{
    Ui *ui = run->ui;
    pthread_mutex_lock(&run->lock);
    if (run->total) ui_say_bar(ui, "reading", run->what, run->done, run->total);
    else view_say(&ui->view, STYLE_TITLE, "running…  (Esc stops)");
    pthread_mutex_unlock(&run->lock);
    ui->view.line = NULL;
    view_draw(&ui->view, &ui->screen);
    if (!ui->terminal->ops->tell) ui->terminal->ops->flush(ui->terminal->state, &ui->screen);
}

/* All keys but those that stop it are dropped, as ui_progress does. */
static void look_at_keys(ConsoleRun *run, Job *job)
{
    Ui *ui = run->ui;
    Press press;
    while (ui->terminal->ops->read(ui->terminal->state, 0, &press)) {
        if (press.kind == PRESS_RESIZE) ui_resize(ui);
        if (press.kind == PRESS_CLOSE) {
            ui->quit = true;
            ui->status = 128 + (int)press.code;
        }
        if (press.kind == PRESS_CLOSE || press_is_cancel(press)) {
            interrupt_raise();
            job_cancel(job);
        }
    }
}

static bool run_job(Job *job, void *context, Error *err)
{
    ConsoleRun *run = context;
    (void)job, (void)err;
    run->ok = console_enter(run->console, run->line, &run->problem);
    return true;
}

/* What is done within a moment is never seen to run, and keys that were typed ahead stay. */
static void wait_for(ConsoleRun *run, Job *job)
{
    const long moment = run->ui->moment > MOMENT_MS ? run->ui->moment : MOMENT_MS;
    const int64_t began = clock_ms();
    int64_t shown = 0;
    while (!job_wait(job, LOOK_MS)) {
        answer(run);
        if (clock_ms() - began < moment) continue;
        look_at_keys(run, job);
        if (clock_ms() - shown < BAR_MS) continue;
        shown = clock_ms();
        show_run(run);
    }
    if (shown) text_clear(&run->ui->view.message);
}

/* Whether it came to its end; *problem says why not. */
static bool run_line(Ui *ui, Console *console, const char *line, Error *problem)
{
    ConsoleRun run = {.ui = ui, .console = console, .line = line, .screen = pthread_self(),
                      .lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER,
                      .arena = arena_new()};
    keep_texts(&run);
    ui->console_run = &run;
    Job *job = job_start(run_job, &run);
    wait_for(&run, job);
    job_free(job, NULL);
    ui->console_run = NULL;
    open_now(&run);
    ui_refresh(ui);
    arena_free(run.arena);
    pthread_cond_destroy(&run.answered);
    pthread_mutex_destroy(&run.lock);
    interrupt_reset();
    *problem = run.problem;
    return run.ok;
}

void ui_close_console(Ui *ui)
{
    console_free(ui->console);
    ui->console = NULL;
}

static Console *open_console(Ui *ui)
{
    if (ui->console && ui->console_rules != session_rules_version(ui->session))
        console_forget(ui->console);
    if (!ui->console)
        ui->console = console_new(ui->session, &(ConsoleOptions){
            .calls = call_table(), .lent = true, .verb = run_verb,
            .progress = note_progress, .open = open_later, .context = ui});
    return ui->console;
}

/* The values of one expression stand apart by tabs. */
static void show_output(Ui *ui, const char *output)
{
    Text shown = {0};
    size_t lines = 0;
    for (; *output; output++) {
        lines += *output == '\n';
        if (*output == '\t') text_add(&shown, "   ");
        else text_addc(&shown, *output);
    }
    if (shown.length && lines <= NOTICE_LINES)
        view_notice(&ui->view, STYLE_PLAIN, "value", text_string(&shown));
    else if (shown.length)
        view_push_panel(&ui->view, page_new("value", text_string(&shown)));
    text_done(&shown);
}

/* exit() is q: lines that are not saved are asked about. */
static bool leave(Ui *ui, Error *err)
{
    ui_leave(ui);
    if (session_is_saved(ui->session)) ui->status = ui->console->status;
    return verb_run(ui, "quit", err);
}

bool ui_run_line(Ui *ui, const char *line, Error *err)
{
    if (is_rule(line)) return ui_apply_line(ui, line, err);
    if (ui_is_settling(ui)) {
        ui_queue(ui, line);
        return true;
    }
    Console *console = open_console(ui);
    const unsigned before = session_rules_version(ui->session);
    Error problem = {0};
    bool ok = run_line(ui, console, line, &problem);
    ui->console_rules = session_rules_version(ui->session);
    if (ok && console->said.length)
        view_say(&ui->view, STYLE_PLAIN, "applied (%s): %s", text_string(&console->said), line);
    if (ui->mode == UI_PROMPT) ui_leave(ui);
    show_output(ui, console_output(console));
    if (before != ui->console_rules && !ui_align(ui, err)) return false;
    if (console->exits) return leave(ui, err);
    if (ok) return true;
    Text shown = {0};
    fault_show(&problem, NULL, line, &shown);
    if (shown.length) shown.bytes[--shown.length] = '\0';
    error_set(err, problem.code, "%s", text_string(&shown));
    text_done(&shown);
    return false;
}
