/* tenon check: everything that is wrong with a checkpoint, and everything suspicious in its
 * weights, as a report or as JSON. */
#include "repl/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loader/align/report_page.h"
#include "loader/check/check.h"
#include "loader/format/format.h"
#include "loader/source/url.h"
#include "repl/answer.h"
#include "repl/interrupt.h"
#include "repl/progress.h"

/* One run of the command. */
typedef struct Run {
    const Invocation *invocation;    /* borrowed */
    const char *path;            /* as the user gave it */
    Checkpoint *checkpoint;      /* a reference */
    const Container *chosen;     /* borrowed from it; NULL: no tensors in it */
    CheckReport *report;         /* owned */
    CheckTotals totals;
    int status;
} Run;

static const char *const level_names[] = {
    [FINDING_NOTE] = "note", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"};

/* -- JSON: one object, on whose fields and order programs rely -------------------------- */

static void write_finding(JsonWriter *json, const CheckFinding *finding)
{
    json_map(json);
    json_put_text(json, "level", level_names[finding->level]);
    json_put_text(json, "kind", finding->kind);
    json_put_text(json, "tensor", finding->tensor);
    json_put_text(json, "what", finding->what);
    json_put_text(json, "remedy", finding->remedy);
    json_put_uint(json, "count", finding->count);
    json_put_names(json, "tensors", finding->tensors, finding->count);
    json_end(json);
}

/* `exit` is in it, as in the JSON of align: the file may outlive the status. */
static void print_json(const Run *run)
{
    Text out = {0};
    JsonWriter *json = answer_begin(&out);
    json_put_text(json, "path", run->path);
    json_put_text(json, "format", checkpoint_format(run->checkpoint));
    json_key(json, "findings");
    json_list(json);
    for (size_t i = 0; i < check_report_count(run->report); i++)
        write_finding(json, check_report_at(run->report, i));
    json_end(json);
    json_key(json, "checked");
    json_map(json);
    json_put_text(json, "container", run->chosen ? run->chosen->path : NULL);
    json_put_uint(json, "tensors", run->totals.tensors);
    json_put_uint(json, "unread", run->totals.unread);
    json_put_uint(json, "values", run->totals.values);
    json_put_uint(json, "bytes", run->totals.bytes);
    json_end(json);
    answer_print(json, run->status, &out);
}

/* -- Text ------------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* "head.fc.weight   every value is 0", the names escaped and, when they are many, counted. */
static void add_subject(Page *page, const CheckFinding *finding)
{
    enum { WIDEST = 400 };
    text_add(&page->line, "    ");
    if (finding->tensor) {
        Text name = {0};
        name_show(finding->tensor, &name);
        text_addn(&page->line, text_string(&name), name.length < WIDEST ? name.length : WIDEST);
        if (name.length > WIDEST) text_add(&page->line, "…");
        text_done(&name);
        if (finding->count > 1) text_addf(&page->line, "   ×%zu", finding->count);
        text_add(&page->line, "   ");
    }
    Text what = {0};
    name_show(finding->what, &what);
    text_add(&page->line, text_string(&what));
    text_done(&what);
    page_end_line(page, LINE_GROUP);
}

/* All findings of a level and kind, from `first` on; returns the first one behind them. What to do
 * is said once where it is the same for all. */
static size_t add_section(Page *page, const CheckReport *report, size_t first)
{
    const CheckFinding *head = check_report_at(report, first);
    const char *told = NULL;
    page_section(page, head->level == FINDING_ERROR);
    page_line(page, LINE_HEAD, "  %s   %s%s%s", level_names[head->level], head->kind,
              head->head ? "   " : "", head->head ? head->head : "");
    size_t i = first;
    for (; i < check_report_count(report); i++) {
        const CheckFinding *one = check_report_at(report, i);
        if (one->level != head->level || strcmp(one->kind, head->kind) != 0) break;
        if (i > first && told && !same_text(told, one->remedy))
            page_line(page, LINE_TAIL, "      → %s", told);
        add_subject(page, one);
        told = one->remedy;
    }
    if (told) page_line(page, LINE_TAIL, "      → %s", told);
    return i;
}

/* The kinds that tell of the file rather than of its weights have no head (check.c). */
static bool is_container_sound(const CheckReport *report)
{
    for (size_t i = 0; i < check_report_count(report); i++) {
        const CheckFinding *one = check_report_at(report, i);
        if (!one->head && one->level > FINDING_NOTE) return false;
    }
    return true;
}

/* The counterpart: what has a head is about weights. */
static bool are_weights_sound(const CheckReport *report)
{
    for (size_t i = 0; i < check_report_count(report); i++) {
        const CheckFinding *one = check_report_at(report, i);
        if (one->head && one->level > FINDING_NOTE) return false;
    }
    return true;
}

static void add_count(Text *line, size_t count, const char *what)
{
    text_addf(line, "%s%zu %s%s", line->length ? ", " : "", count, what, count == 1 ? "" : "s");
}

/* What was looked at, and how much was found. */
static void add_summary(Page *page, const Run *run)
{
    char bytes[32];
    const CheckTotals *totals = &run->totals;
    const CheckReport *report = run->report;
    size_t read = totals->tensors - totals->unread;
    page_section(page, true);
    show_bytes(totals->bytes, bytes);
    if (is_container_sound(report)) page_line(page, LINE_HEAD, "  container ok");
    if (totals->tensors)
        text_addf(&page->line, "  weights: %zu tensor%s read (%s)", read, read == 1 ? "" : "s",
                  bytes);
    else text_add(&page->line, "  weights: none");
    if (totals->unread) text_addf(&page->line, ", %zu without readable values", totals->unread);
    if (totals->tensors && are_weights_sound(report))
        text_add(&page->line, ", nothing suspicious");
    page_end_line(page, LINE_HEAD);
    if (!check_report_count(report)) return;
    Text counts = {0};
    add_count(&counts, check_report_level(report, FINDING_ERROR), "error");
    add_count(&counts, check_report_level(report, FINDING_WARNING), "warning");
    add_count(&counts, check_report_level(report, FINDING_NOTE), "note");
    page_line(page, LINE_HEAD, "  %s", text_string(&counts));
    text_done(&counts);
}

/* A head line, a section for each kind, and what was looked at; cut to 20 lines without -v. */
static void print_text(const Run *run)
{
    Text out = {0};
    Page page = {.arena = arena_new()};
    name_show(run->path, &page.line);
    text_addf(&page.line, "   %s", checkpoint_format(run->checkpoint));
    if (run->chosen && run->chosen->path[0]) {
        text_add(&page.line, "   ");
        name_show(run->chosen->path, &page.line);
    }
    page_end_line(&page, LINE_HEAD);
    for (size_t i = 0; i < check_report_count(run->report);)
        i = add_section(&page, run->report, i);
    add_summary(&page, run);
    page_write(&page, run->invocation->set[OPT_VERBOSE], 0, &out);
    fwrite(out.bytes, 1, out.length, stdout);
    text_done(&out);
    arena_free(page.arena);
}

/* -- The whole ------------------------------------------------------------------------- */

/* FILE or FILE::PATH. A part that is named is looked at alone; a file without tensors still has a
 * container to check. */
static bool open_checkpoint(Run *run, Arena *arena, const char **inside, Error *err)
{
    const char *file;
    checkpoint_spec(arena, run->invocation->operands[0], &file, inside);
    run->checkpoint = checkpoint_open(file, err);
    if (!run->checkpoint) return false;
    if (!*inside) {
        run->chosen = checkpoint_choose(run->checkpoint, NULL, NULL);
        return true;
    }
    run->chosen = checkpoint_find_container(run->checkpoint, *inside);
    return run->chosen || error_set(err, ERR_NOT_FOUND, "%s: no dict of tensors at '%s'; tenon ls "
                                    "--all shows what it holds", url_shown(arena, file), *inside);
}

/* Errors are the container's; warnings count only when the user is strict. */
static int judge(const Run *run)
{
    if (check_report_level(run->report, FINDING_ERROR)) return EXIT_DIFFERS;
    bool warned = check_report_level(run->report, FINDING_WARNING) > 0;
    return warned && run->invocation->set[OPT_STRICT] ? EXIT_DIFFERS : EXIT_COMPLETE;
}

/* The bar is drawn where standard error is a terminal, and wiped before the report. */
static bool check(Run *run, Error *err)
{
    Arena *arena = arena_new();
    const char *inside = NULL;
    Progress progress;
    bool fine = open_checkpoint(run, arena, &inside, err);
    if (fine) {
        bool shown = isatty(STDERR_FILENO) && !run->invocation->set[OPT_QUIET];
        progress_start(&progress, run->path, shown);
        const CheckOptions options = {run->path, run->chosen, inside == NULL, progress_step,
                                      &progress};
        run->report = check_run(run->checkpoint, &options, &run->totals, err);
        progress_end(&progress);
    }
    arena_free(arena);
    return run->report != NULL;
}

/* tenon check CHECKPOINT */
int command_check(const Invocation *invocation)
{
    Error err = {0};
    Arena *arena = arena_new();
    Run run = {.invocation = invocation, .path = url_shown(arena, invocation->operands[0])};
    interrupt_watch();
    if (check(&run, &err)) {
        run.status = judge(&run);
        if (invocation->set[OPT_JSON]) print_json(&run);
        else if (!invocation->set[OPT_QUIET]) print_text(&run);
    } else {
        run.status = complain(&err);
    }
    check_report_free(run.report);
    checkpoint_unref(run.checkpoint);
    arena_free(arena);
    return run.status;
}
