/* tenon apply: a plan carried out over its sources. */
#include "repl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/align/report.h"
#include "loader/export/export.h"
#include "loader/export/groups_file.h"
#include "loader/export/plan_cost.h"
#include "loader/export/plan_open.h"
#include "loader/source/checksum.h"
#include "repl/answer.h"
#include "repl/interrupt.h"
#include "repl/progress.h"

/* One run of the command. */
typedef struct Run {
    const Invocation *invocation;    /* borrowed */
    PlanFile *file;              /* owned */
    Plan *plan;                  /* owned */
    const char *out;             /* the output's path */
    ReportPass *passes;          /* owned; [pass_count]; NULL: all fits the buffer */
    size_t pass_count;
    ExportResult result;
    char identity[CHECKSUM_TEXT];    /* of the plan and what is asked of it */
} Run;

/* --to, else the output's name, else what the plan says. */
static const char *choose_format(const Run *run)
{
    const char *to = run->invocation->value[OPT_TO];
    if (to) return to;
    return export_format_of(run->out) ? NULL : run->file->tail.format;
}

/* What the command line and the plan say of the output. */
static ExportOptions export_options(const Run *run)
{
    const char *under = run->invocation->value[OPT_UNDER];
    return (ExportOptions){.format = choose_format(run),
                           .under = under ? under : run->file->tail.under,
                           .force = run->invocation->set[OPT_FORCE],
                           .sha256 = run->invocation->set[OPT_SHA256],
                           .buffer = (size_t)run->invocation->buffer,
                           .threads = (unsigned)run->invocation->threads,
                           .task = (unsigned)run->invocation->task,
                           .tasks = (unsigned)run->invocation->tasks,
                           .resume = run->invocation->set[OPT_RESUME],
                           .identity = run->identity};
}

/* What was begun is gone on with only if all of this is the same. */
static void identify(Run *run)
{
    Text all = {0};
    const char *format = choose_format(run), *under = run->invocation->value[OPT_UNDER];
    text_addf(&all, "tenon " TENON_VERSION "\n%s\n%s\n%s\n%s\n", run->file->sha256,
              format ? format : "", under ? under : "", path_base(run->out));
    checksum_of(all.bytes, all.length, run->identity);
    text_done(&all);
}

/* --task is for plans in shards. */
static bool check_task(const Run *run, Error *err)
{
    if (!run->invocation->tasks || run->file->tail.shard_size) return true;
    return error_set(err, ERR_USAGE, "%s: --task: the plan is for one file; align --shard-size "
                     "makes one for several", run->file->path);
}

/* An output that cannot be is told before the sources are opened. */
static bool open_plan(Run *run, Error *err)
{
    const Invocation *invocation = run->invocation;
    PlanGiven given = {invocation->value[OPT_SOURCE], invocation->value[OPT_TARGET]};
    run->file = plan_file_read(invocation->operands[0], err);
    if (!run->file || !check_task(run, err)) return false;
    identify(run);
    ExportOptions options = export_options(run);
    if (!export_check(run->out, NULL, &options, run->file->tail.whole, err)) return false;
    run->plan = plan_open(run->file, &given, err);
    if (run->plan) run->passes = plan_passes(run->plan, &options, &run->pass_count);
    return run->plan != NULL;
}

static bool write_output(Run *run, Error *err)
{
    Progress progress;
    ExportOptions options = export_options(run);
    progress_start(&progress, run->out, isatty(STDERR_FILENO) && !run->invocation->set[OPT_QUIET]);
    options.progress = progress_step;
    options.progress_context = &progress;
    const ParamGroups *groups = run->file->tail.groups;
    const bool again = options.force || options.resume || options.tasks;
    GroupsFiles *files = groups ? groups_files_write(groups, run->out, again, err) : NULL;
    bool written = (!groups || files) &&
                   export_write(run->plan, run->out, &options, &run->result, err);
    progress_end(&progress);
    if (!files) return written;
    if (written && !run->result.waiting) return groups_files_commit(files, err);
    groups_files_discard(files);
    return written;
}

/* {"version":1, "tool":…, "plan":…, "source":…, "target":…, "output":{…}, "exit":0} */
static void add_json(const Run *run, const ReportOutput *output, Text *out)
{
    JsonWriter *writer = answer_begin_tool(out);
    const Plan *plan = run->plan;
    json_put_text(writer, "plan", run->file->path);
    json_put_text(writer, "source", checkpoint_path(plan->source));
    json_key(writer, "target");
    if (plan->target) json_string(writer, checkpoint_path(plan->target));
    else json_null(writer);
    report_output_json(output, writer);
    report_passes_json(run->passes, run->pass_count, writer);
    answer_end(writer, EXIT_COMPLETE, out);
}

static void print_report(const Run *run)
{
    const Invocation *invocation = run->invocation;
    const ReportOutput output = export_output(run->out, &run->result, run->plan->whole);
    Text out = {0};
    if (invocation->set[OPT_JSON]) add_json(run, &output, &out);
    else if (!invocation->set[OPT_QUIET]) {
        report_output_text(&output, invocation->set[OPT_VERBOSE], &out);
        report_passes_text(run->passes, run->pass_count, invocation->set[OPT_VERBOSE], &out);
    }
    fwrite(text_string(&out), 1, out.length, stdout);
    text_done(&out);
    bool talk = !invocation->set[OPT_JSON] && !invocation->set[OPT_QUIET];
    if (run->result.cloned && talk)
        printf("note: %zu tied tensor%s written as copies; %s cannot share memory\n",
               run->result.cloned, run->result.cloned == 1 ? " is" : "s are",
               run->result.format);
}

/* Nothing is written unless everything fits: sources, shapes, format. */
int command_apply(const Invocation *invocation)
{
    Error err = {0};
    Run run = {.invocation = invocation, .out = invocation->value[OPT_OUT]};
    if (!run.out) {
        error_set(&err, ERR_USAGE, "apply needs -o OUT, the file to write");
        return complain(&err);
    }
    interrupt_watch();
    bool written = open_plan(&run, &err) && write_output(&run, &err);
    if (written) print_report(&run);
    int status = written ? EXIT_COMPLETE : complain(&err);
    free(run.passes);
    plan_free(run.plan);
    plan_file_free(run.file);
    return status;
}
