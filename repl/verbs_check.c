/* check: what `tenon check` finds, as a list from which one goes to the tensors. The file is opened
 * once more for it: checking adds findings to a checkpoint, and that of the session is read
 * meanwhile. */
#include "repl/verb_list.h"

#include <stdlib.h>
#include <string.h>

#include "loader/check/check.h"
#include "loader/core/job.h"
#include "loader/format/format.h"
#include "viewer/outline.h"

enum { NAMES_SHOWN = 1000 };     /* tensors below one finding */

/* What the panel owns. */
typedef struct Checking {
    Ui *ui;                      /* borrowed */
    Panel *panel;                /* borrowed: the one that owns this */
    char *path;                  /* owned: of the source, and of the part in it */
    char *container;
    Job *job;                    /* owned; NULL once it has ended */
    CheckReport *report;         /* owned; the job's until then */
    Checkpoint *checkpoint;      /* a reference; likewise */
    CheckTotals totals;
    const char **names;          /* owned, [name_count]: of the items; borrowed from the report */
    size_t name_count, name_room;
} Checking;

static bool tell(void *context, uint64_t done, uint64_t total)
{
    return job_step(context, done, total, NULL);
}

static bool run(Job *job, void *context, Error *err)
{
    Checking *checking = context;
    checking->checkpoint = checkpoint_open(checking->path, err);
    if (!checking->checkpoint) return false;
    const Container *chosen = checkpoint_find_container(checking->checkpoint, checking->container);
    const CheckOptions options = {checking->path, chosen, true, tell, job};
    checking->report = check_run(checking->checkpoint, &options, &checking->totals, err);
    return checking->report != NULL;
}

static uint32_t add_name(Checking *checking, const char *name)
{
    checking->names = mem_grow(checking->names, &checking->name_room, checking->name_count + 1,
                               sizeof *checking->names);
    checking->names[checking->name_count] = name;
    return (uint32_t)checking->name_count++;
}

/* The finding, what to do, and the tensors that it is about. */
static void add_finding(Checking *checking, const CheckFinding *finding)
{
    static const char *const signs[] = {"i", "!", "✗"};
    static const Style styles[] = {STYLE_DIM, STYLE_SHAPE, STYLE_ERROR};
    Text text = {0};
    text_add(&text, finding->kind);
    if (finding->tensor) text_addf(&text, "  %s", finding->tensor);
    text_addf(&text, "  %s", finding->what);
    const char *first = finding->count ? finding->tensors[0] : "";
    OutlineLine line = {.sign = signs[finding->level],
                        .sign_style = (uint8_t)styles[finding->level],
                        .text = text_string(&text), .closed = true,
                        .item = add_name(checking, first)};
    outline_add(checking->panel, &line);
    text_done(&text);
    if (finding->remedy) {
        line = (OutlineLine){.text = finding->remedy, .style = STYLE_KEY, .depth = 1,
                             .item = add_name(checking, "")};
        outline_add(checking->panel, &line);
    }
    for (size_t i = 0; i < finding->count && i < NAMES_SHOWN; i++) {
        line = (OutlineLine){.text = finding->tensors[i], .depth = 1,
                             .item = add_name(checking, finding->tensors[i])};
        outline_add(checking->panel, &line);
    }
}

static void say(Checking *checking, Style style, const char *text)
{
    checking->name_count = 0;
    const OutlineLine line = {.text = text, .style = (uint8_t)style,
                              .item = add_name(checking, "")};
    outline_clear(checking->panel);
    outline_add(checking->panel, &line);
}

static void show_report(Checking *checking)
{
    char bytes[32];
    Text text = {0};
    size_t n = check_report_count(checking->report);
    show_bytes(checking->totals.bytes, bytes);
    text_addf(&text, "%zu tensors, %s read: %s", checking->totals.tensors, bytes,
              n ? "" : "nothing suspicious");
    if (n) text_addf(&text, "%zu errors, %zu warnings, %zu notes",
                     check_report_level(checking->report, FINDING_ERROR),
                     check_report_level(checking->report, FINDING_WARNING),
                     check_report_level(checking->report, FINDING_NOTE));
    say(checking, STYLE_TITLE, text_string(&text));
    text_done(&text);
    for (size_t i = 0; i < n; i++) add_finding(checking, check_report_at(checking->report, i));
}

/* The report is only touched once the job has ended. */
static void poll_check(Panel *panel, void *owner)
{
    Checking *checking = owner;
    uint64_t done, total;
    if (!job_poll(checking->job, &done, &total)) {
        Text text = {0};
        text_addf(&text, "reading… %.0f %%", total ? 100 * (double)done / (double)total : 0);
        say(checking, STYLE_DIM, text_string(&text));
        text_done(&text);
        return;
    }
    Error err = {0};
    bool good = job_free(checking->job, &err);
    checking->job = NULL;
    panel->busy = false;
    if (good) show_report(checking);
    else say(checking, STYLE_ERROR, err.text);
}

/* Goes to the tensor; a part's name stands before those that are not of the chosen one, and these
 * have no row. The panel is gone afterwards. */
static void enter_check(Panel *panel, void *owner)
{
    Checking *checking = owner;
    uint32_t item = outline_item(panel);
    Ui *ui = checking->ui;
    if (item >= checking->name_count || !*checking->names[item]) return;
    Error err = {0};
    char *name = mem_strdup(checking->names[item]);
    view_close_panels(&ui->view);
    if (!verb_goto(ui, name, &err)) view_notice(&ui->view, STYLE_ERROR, "error", err.text);
    free(name);
}

static void free_check(void *owner)
{
    Checking *checking = owner;
    job_free(checking->job, NULL);
    check_report_free(checking->report);
    checkpoint_unref(checking->checkpoint);
    free(checking->names);
    free(checking->path);
    free(checking->container);
    free(checking);
}

bool verb_check(Ui *ui, const char *argument, Error *err)
{
    (void)argument, (void)err;
    Checking *checking = mem_alloc(sizeof *checking);
    *checking = (Checking){.ui = ui,
                           .path = mem_strdup(checkpoint_path(session_source(ui->session))),
                           .container = mem_strdup(align_container(ui->alignment))};
    const OutlineOptions options = {.name = "findings", .title = "check of the source",
                                    .hint = "{fold} goes to the tensor  {quit} closes",
                                    .owner = checking, .poll = poll_check, .enter = enter_check,
                                    .free = free_check};
    checking->panel = outline_new(&options);
    checking->panel->busy = true;
    say(checking, STYLE_DIM, "reading…");
    ui_leave(ui);
    view_push_panel(&ui->view, checking->panel);
    checking->job = job_start(run, checking);
    return true;
}
