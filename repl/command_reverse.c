/* tenon reverse: the inverse of a plan, and what has none. */
#include "repl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/report_page.h"
#include "loader/core/fold.h"
#include "loader/core/map.h"
#include "loader/export/atomic.h"
#include "loader/export/plan_reverse.h"
#include "loader/format/format.h"
#include "repl/answer.h"

/* One run of the command. */
typedef struct Run {
    const Invocation *invocation;    /* borrowed */
    const char *out;             /* the inverse's path */
    PlanFile *file;              /* owned */
    PlanInverse inverse;         /* owned */
    bool stopped;                /* by losses, without --lossy */
    Arena *arena;                /* owned */
    const char **outs;           /* [out_count] what is written: the inverse, or one for each file
                                    of the source; in the arena */
    size_t out_count;
} Run;

/* ---- JSON ---- */

static void put_remarks(const Run *run, const char *key, bool lost, JsonWriter *writer)
{
    json_key(writer, key);
    json_list(writer);
    for (size_t i = 0; i < run->inverse.remark_count; i++) {
        const PlanRemark *remark = &run->inverse.remarks[i];
        if (remark->lost != lost) continue;
        json_map(writer);
        json_put_text(writer, "source", remark->name);
        json_put_text(writer, "rule", remark->rule);
        json_put_text(writer, "reason", remark->why);
        json_end(writer);
    }
    json_end(writer);
}

/* {"version":1, "tool":…, "plan":…, "tensors":58, "back":56, "lost":[{"source","rule","reason"}],
 *  "rounded":[…], "output":PLAN2|null, "exit":0} */
static void add_json(const Run *run, int status, Text *out)
{
    JsonWriter *writer = answer_begin_tool(out);
    json_put_text(writer, "plan", run->file->path);
    json_put_uint(writer, "tensors", run->file->tensor_count);
    json_put_uint(writer, "back", plan_inverse_back(&run->inverse));
    put_remarks(run, "lost", true, writer);
    put_remarks(run, "rounded", false, writer);
    json_put_text(writer, "output", run->stopped ? NULL : run->outs[0]);
    if (run->out_count > 1) {
        json_key(writer, "outputs");
        json_list(writer);
        for (size_t i = 0; !run->stopped && i < run->out_count; i++)
            json_string(writer, run->outs[i]);
        json_end(writer);
    }
    answer_end(writer, status, out);
}

/* ---- text ---- */

static const char *show(Arena *arena, const char *name)
{
    Text shown = {0};
    name_show(name, &shown);
    return text_keep(&shown, arena);
}

/* Remarks of one kind; those that say the same of the same rule may share a line. */
static void add_remarks(const Run *run, Page *page, bool lost, const char *head)
{
    const PlanInverse *inverse = &run->inverse;
    size_t n = 0;
    const char **names = mem_alloc((inverse->remark_count + 1) * sizeof *names);
    const PlanRemark **kept = mem_alloc((inverse->remark_count + 1) * sizeof *kept);
    uint32_t *classes = mem_alloc((inverse->remark_count + 1) * sizeof *classes);
    NameMap known;
    map_init(&known);
    for (size_t i = 0; i < inverse->remark_count; i++) {
        const PlanRemark *remark = &inverse->remarks[i];
        if (remark->lost != lost) continue;
        const char *line = arena_printf(page->arena, "%s%s%s%s", remark->why,
                                        remark->rule ? "   (" : "",
                                        remark->rule ? remark->rule : "", remark->rule ? ")" : "");
        uint32_t number = map_get(&known, line);
        if (number == MAP_NONE) map_set(&known, line, number = (uint32_t)known.count);
        names[n] = remark->name;
        classes[n] = number;
        kept[n++] = remark;
    }
    Folded *folds = NULL;
    size_t count = n ? fold_names(page->arena, names, classes, n, &folds) : 0;
    if (n) {
        page_section(page, false);
        page_line(page, LINE_HEAD, "  %s (%zu)", head, n);
    }
    for (size_t i = 0; i < count; i++) {
        const PlanRemark *remark = kept[folds[i].members[0]];
        const char *rule = remark->rule ? show(page->arena, remark->rule) : NULL;
        page_line(page, LINE_GROUP, "  %5zu  %-30s  %s%s%s%s", folds[i].count,
                  show(page->arena, folds[i].text), show(page->arena, remark->why),
                  rule ? "   (" : "", rule ? rule : "", rule ? ")" : "");
    }
    map_done(&known);
    free(names);
    free(kept);
    free(classes);
}

static void add_text(const Run *run, Text *out)
{
    Page page = {.arena = arena_new()};
    page_line(&page, LINE_HEAD, "%zu of %zu tensors come back", plan_inverse_back(&run->inverse),
              run->file->tensor_count);
    add_remarks(run, &page, true, "Lost");
    add_remarks(run, &page, false, "Rounded");
    page_write(&page, run->invocation->set[OPT_VERBOSE], 2, out);
    if (run->stopped) text_add(out, "\nnothing written; --lossy leaves out what is lost\n");
    else text_addc(out, '\n');
    for (size_t i = 0; !run->stopped && i < run->out_count; i++)
        text_addf(out, "written %s%s\n", show(page.arena, run->outs[i]),
                  run->out_count == 1
                      ? ""
                      : arena_printf(page.arena, "   for %s",
                                     show(page.arena, run->file->sources[i].path)));
    arena_free(page.arena);
}

static void print_report(const Run *run, int status)
{
    Text out = {0};
    if (run->invocation->set[OPT_JSON]) add_json(run, status, &out);
    else if (!run->invocation->set[OPT_QUIET]) add_text(run, &out);
    fwrite(text_string(&out), 1, out.length, stdout);
    text_done(&out);
}

/* ---- the command ---- */

/* PLAN2, or of several files "back.0.json", "back.1.json" …: one plan writes one file. */
static void name_outputs(Run *run)
{
    const size_t n = run->inverse.several ? plan_inverse_parts(&run->inverse) : 1;
    const char *base = path_base(run->out), *dot = strrchr(base, '.');
    run->outs = arena_alloc(run->arena, n * sizeof *run->outs);
    run->out_count = n;
    if (!dot || dot == base) dot = base + strlen(base);
    for (size_t i = 0; i < n; i++)
        run->outs[i] = !run->inverse.several
                           ? run->out
                           : arena_printf(run->arena, "%.*s.%zu%s", (int)(dot - run->out),
                                          run->out, i, dot);
}

static bool write_one(const Run *run, const char *path, Checkpoint *output, Error *err)
{
    Text text = {0};
    bool fine = plan_inverse_json(&run->inverse, path, output, &text, err) &&
                atomic_write_file(path, run->invocation->set[OPT_FORCE], &text, err);
    text_done(&text);
    return fine;
}

static bool write_inverse(Run *run, Error *err)
{
    const char *path = run->invocation->value[OPT_SOURCE];
    Checkpoint *output = path ? checkpoint_open(path, err) : NULL;
    bool fine = output || !path;
    for (size_t i = 0; fine && i < run->out_count; i++) {
        run->inverse.part = i;
        fine = write_one(run, run->outs[i], output, err);
    }
    checkpoint_unref(output);
    return fine;
}

/* Losses end it with 1, as differences do that nobody has settled. */
int command_reverse(const Invocation *invocation)
{
    Error err = {0};
    Run run = {.invocation = invocation, .out = invocation->value[OPT_OUT]};
    if (!run.out) {
        error_set(&err, ERR_USAGE, "reverse needs -o PLAN2, the plan to write");
        return complain(&err);
    }
    run.file = plan_file_read(invocation->operands[0], &err);
    if (!run.file || !plan_inverse_make(&run.inverse, run.file, &err)) {
        plan_file_free(run.file);
        return complain(&err);
    }
    run.arena = arena_new();
    name_outputs(&run);
    run.stopped = run.inverse.losses && !invocation->set[OPT_LOSSY];
    int status = run.stopped ? EXIT_DIFFERS : EXIT_COMPLETE;
    if (!run.stopped && !write_inverse(&run, &err)) status = complain(&err);
    else print_report(&run, status);
    plan_inverse_done(&run.inverse);
    plan_file_free(run.file);
    arena_free(run.arena);
    return status;
}
