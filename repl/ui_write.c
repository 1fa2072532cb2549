/* Writing from the viewer: a plan, its export, and a bar while it runs. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "loader/export/export.h"
#include "repl/ui.h"

/* Ten bars a second: more would be seen by nobody, and each is a frame. */
enum { BAR_CELLS = 20, BAR_INTERVAL_MS = 100 };

/* Columns of a screen from which on a bar has room for the name of what it is of. */
enum { NAMED_COLUMNS = 100 };

/* What export_write hands to show_progress. */
typedef struct Writing {
    Ui *ui;
    const char *path;            /* as it was typed, for the bar; borrowed */
    int64_t last;                /* when the bar was drawn, as clock_ms says */
} Writing;

void ui_say_bar(Ui *ui, const char *doing, const char *what, uint64_t done, uint64_t total)
{
    Text bar = {0};
    double share = total ? (double)done / (double)total : 1;
    for (int i = 0; i < BAR_CELLS; i++)
        text_add(&bar, i < (int)(share * BAR_CELLS) ? "█" : "░");
    char bytes[32];
    show_bytes(done, bytes);
    const bool wide = ui->screen.columns >= NAMED_COLUMNS;
    view_say(&ui->view, STYLE_TITLE, "%s %s%s%s %.0f %%  %s  (Esc stops)", doing,
             wide ? what : "", wide ? " " : "", text_string(&bar), share * 100, bytes);
    text_done(&bar);
}

/* How far it is, drawn, ten times a second at most; false when the user wants to stop what is under
 * way. Keys are read here because nobody else does while the work runs; all but those that stop it
 * are dropped, or they would act afterwards on a list that the user was not looking at. */
static bool ui_progress(Ui *ui, const char *doing, const char *what, int64_t *last, uint64_t done,
                        uint64_t total)
{
    if (clock_ms() - *last < BAR_INTERVAL_MS) return true;
    *last = clock_ms();
    ui_say_bar(ui, doing, what, done, total);
    ui_draw(ui);
    Press press;
    while (ui->terminal->ops->read(ui->terminal->state, 0, &press)) {
        if (press_is_cancel(press)) return false;
        if (press.kind == PRESS_RESIZE) ui_resize(ui);
        if (press.kind != PRESS_CLOSE) continue;
        ui->quit = true;
        ui->status = 128 + (int)press.code;
        return false;
    }
    return true;
}

/* An ExportProgress. */
static bool show_progress(void *context, uint64_t done, uint64_t total)
{
    Writing *writing = context;
    return ui_progress(writing->ui, "writing", writing->path, &writing->last, done, total);
}

/* "~/x.pth" as a shell would read it; the caller frees. */
static char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    if (!home || !has_prefix(path, "~/")) return mem_strdup(path);
    Text text = {0};
    text_addf(&text, "%s%s", home, path + 1);
    return text.bytes;
}

/* The last line of a report, in short: "written x.pth  320 tensors  97.8 MiB". */
static void say_written(Ui *ui, const char *path, const ExportResult *result)
{
    char bytes[32];
    show_bytes(result->bytes, bytes);
    view_say(&ui->view, STYLE_RENAMED, "written %s  %zu tensors  %s", path, result->tensors,
             bytes);
    if (result->shards) text_addf(&ui->view.message, "  %zu shards", result->shards);
    if (result->cloned)
        text_addf(&ui->view.message, "  (%zu tied, written as copies)", result->cloned);
}

/* Whatever goes wrong, neither a part of the file nor a temporary one is left. */
bool ui_write(Ui *ui, const UiExport *output, bool force, Error *err)
{
    char *file = expand_home(output->path);
    Writing writing = {.ui = ui, .path = output->path, .last = clock_ms()};
    ExportOptions options = {.format = output->format, .under = output->under, .force = force,
                             .progress = show_progress, .progress_context = &writing};
    const PlanOptions plan_options = {.whole = output->whole, .omit_kept = output->omit_kept,
                                      .shard_size = output->shard_size};
    ExportResult result = {0};
    Plan *plan = plan_new(ui->alignment, &plan_options, err);
    bool ok = plan && export_write(plan, file, &options, &result, err);
    if (ok) say_written(ui, output->path, &result);
    else view_say(&ui->view, STYLE_PLAIN, "nothing written");
    plan_free(plan);
    free(file);
    return ok;
}

/* Without a choice a name in the source's format, where that is one that can be written: the suffix
 * decides. */
const char *ui_output_path(const Ui *ui)
{
    const char *format = checkpoint_format(session_source(ui->session));
    if (ui->output.path) return ui->output.path;
    return strcmp(format, "safetensors") == 0 ? "aligned.safetensors" : "aligned.pth";
}

bool ui_ask_to_replace(Ui *ui, const Error *problem, const char *verb, const char *path)
{
    if (problem->code != ERR_EXISTS) return false;
    Text yes = {0}, question = {0};
    text_addf(&yes, "%s! %s", verb, path);
    text_addf(&question, "%s exists: replace it? y/n", path);
    ui_ask(ui, text_string(&question), text_string(&yes));
    text_done(&yes);
    text_done(&question);
    return true;
}
