/* tenon align and tenon diff: the ledger as a report, and the aligned checkpoint. */
#include "repl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/align/report.h"
#include "loader/export/export.h"
#include "loader/export/groups_file.h"
#include "loader/export/in_place.h"
#include "loader/export/plan_cost.h"
#include "loader/export/plan_json.h"
#include "loader/format/format.h"
#include "repl/emit_rules.h"
#include "repl/interrupt.h"
#include "repl/log_lines.h"
#include "repl/progress.h"
#include "repl/resume.h"
#include "repl/session_report.h"

/* One run of the command: what was asked, and what came of it so far. */
typedef struct Run {
    const Invocation *invocation;    /* borrowed */
    Session *session;            /* owned by command_align */
    Alignment *alignment;        /* a reference; NULL until it is made */
    Plan *plan;                  /* owned; NULL until something is to be written */
    const char *out;             /* the output's path; NULL = report only */
    Arena *names;                /* owned: of an output that gets its name late */
    bool failed;                 /* a rule script stopped with an error */
    ExportResult result;         /* of the output, when it is written */
    bool written;                /* the output is there, whole */
    const char *in_place;        /* the file that was renamed; NULL: none was */
    CastLosses *losses;          /* owned; [plan->count]; NULL: nobody wants to know */
    ReportPass *passes;          /* owned; [pass_count] of the plan; NULL: all fits the buffer */
    size_t pass_count;
    bool planned;                /* the plan is */
    bool emitted;                /* the rules are */
    size_t emitted_rules;        /* lines of rule text that were added to them */
    Tolerance tolerance;         /* of --values */
    Arena *arena;                /* of values; owned; NULL until something is compared */
    const ValueReport *values;   /* in it; NULL: not asked for */
} Run;

/* Rivals (model beside ema) are listed; only writing has to be told which one is meant. */
static bool settle_container(const Run *run, Error *err)
{
    if (!align_rivals(run->alignment)) return true;
    const Checkpoint *source = align_source(run->alignment);
    Text list = {0};
    for (size_t i = 0; i < checkpoint_container_count(source); i++) {
        const Container *one = checkpoint_container(source, i);
        if (!align_would_do(run->alignment, one)) continue;
        text_addf(&list, "%s%s::%s (%zu tensors)", list.length ? ", " : "",
                  checkpoint_path(source), one->path, dict_count(one->dict));
    }
    error_set(err, ERR_USAGE, "%s: several dicts in it could be meant: %s; name one",
              checkpoint_path(source), text_string(&list));
    text_done(&list);
    return false;
}

/* What the command line says of the output. */
static ExportOptions export_options(const Invocation *invocation)
{
    return (ExportOptions){.format = invocation->value[OPT_TO],
                           .under = invocation->value[OPT_UNDER],
                           .compact = invocation->set[OPT_COMPACT],
                           .force = invocation->set[OPT_FORCE],
                           .sha256 = invocation->set[OPT_SHA256],
                           .buffer = (size_t)invocation->buffer,
                           .threads = (unsigned)invocation->threads};
}

static bool is_folder(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Before anything is read: whoever waited for a large checkpoint must not learn then that its
 * output has no folder. */
static bool check_output(const Run *run, Error *err)
{
    if (!run->out || (is_folder(run->out) && run->invocation->rule_count)) return true;
    const char *file, *inside;
    Arena *arena = arena_new();
    ExportOptions options = export_options(run->invocation);
    checkpoint_spec(arena, run->invocation->operands[0], &file, &inside);
    bool good = export_check(run->out, file, &options, run->invocation->set[OPT_WHOLE], err);
    arena_free(arena);
    return good;
}

/* --in-place writes names and nothing else. */
static bool check_in_place(const Invocation *invocation, Error *err)
{
    static const OptionId others[] = {OPT_OUT,       OPT_TO,      OPT_UNDER,      OPT_WHOLE,
                                      OPT_OMIT_KEPT, OPT_COMPACT, OPT_SHARD_SIZE, OPT_SHA256};
    for (size_t i = 0; invocation->set[OPT_IN_PLACE] && i < countof(others); i++)
        if (invocation->set[others[i]])
            return error_set(err, ERR_USAGE, "--in-place changes names in SOURCE and writes "
                             "nothing else; %s does not go with it", option_name(others[i]));
    return true;
}

/* In a folder the output gets the name that a preset's system would give it. */
static bool name_output(Run *run, Error *err)
{
    const char *name = align_saved_name(run->alignment);
    if (!is_folder(run->out)) return true;
    if (!name)
        return error_set(err, ERR_EXISTS, "%s: is a folder; name a file in it (no preset says "
                         "what it would call it)", run->out);
    const char *slash = has_suffix(run->out, "/") ? "" : "/";
    run->out = arena_printf(run->names, "%s%s%s", run->out, slash, name);
    return check_output(run, err);
}

/* The format stands in it when it is known: --to, or the output's name. */
static bool save_plan(Run *run, Error *err)
{
    const Invocation *invocation = run->invocation;
    const char *path = invocation->value[OPT_PLAN], *format = invocation->value[OPT_TO];
    ReportOptions report;
    if (!path) return true;
    if (!format && run->out) format = export_format_of(run->out);
    session_report(run->session, &report);
    report.passes = run->passes;
    report.pass_count = run->pass_count;
    PlanSave save = {.report = &report,
                     .target = session_target_checkpoint(run->session),
                     .target_container = session_target_container(run->session),
                     .format = format,
                     .under = invocation->value[OPT_UNDER],
                     .force = invocation->set[OPT_FORCE]};
    return run->planned = plan_save(run->plan, path, &save, err);
}

/* Whether every tensor of the plan has the name that it has in the source. */
static bool changes_nothing(const Plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const Tensor *tensor = expr_as_source(plan->entries[i].expr);
        if (!tensor || strcmp(tensor->name, plan->entries[i].name) != 0) return false;
    }
    return true;
}

/* Names alone, in the source's own file. A torch zip has one pickle for all of it. */
static bool rename_in_place(Run *run, Error *err)
{
    const Checkpoint *source = align_source(run->alignment);
    const PlanOptions options = {.whole = strcmp(checkpoint_format(source), "torch-zip") == 0};
    if (!in_place_check(source, err)) return false;
    run->plan = plan_new(run->alignment, &options, err);
    if (!run->plan || !save_plan(run, err)) return false;
    run->written = in_place_rename(run->plan, &run->result, err);
    if (run->written) run->in_place = checkpoint_path(source);
    return run->written;
}

/* Plan, then file. A progress bar goes to standard error, where it cannot mix with the report. */
static bool write_output(Run *run, Error *err)
{
    const Invocation *invocation = run->invocation;
    PlanOptions plan_options = {.omit_kept = invocation->set[OPT_OMIT_KEPT],
                                .compact = invocation->set[OPT_COMPACT],
                                .whole = invocation->set[OPT_WHOLE],
                                .shard_size = invocation->shard_size};
    ExportOptions options = export_options(invocation);
    run->plan = plan_new(run->alignment, &plan_options, err);
    if (!run->plan) return false;
    run->passes = plan_passes(run->plan, &options, &run->pass_count);
    if (!save_plan(run, err)) return false;
    if (!run->out) return true;
    if (invocation->set[OPT_VERBOSE] || invocation->set[OPT_JSON])
        run->losses = mem_alloc((run->plan->count + 1) * sizeof *run->losses);
    Progress progress;
    progress_start(&progress, run->out, isatty(STDERR_FILENO) && !invocation->set[OPT_QUIET]);
    options.progress = progress_step;
    options.progress_context = &progress;
    options.losses = run->losses;
    run->written = export_write(run->plan, run->out, &options, &run->result, err);
    progress_end(&progress);
    return run->written;
}

/* The output, and beside it what freeze and group say: these are complete before the output is
 * begun, and there only when it is. */
static bool write_all(Run *run, Error *err)
{
    if (run->invocation->set[OPT_IN_PLACE]) return rename_in_place(run, err);
    const ParamGroups *groups = run->out ? align_groups(run->alignment) : NULL;
    GroupsFiles *files = NULL;
    if (groups && !(files = groups_files_write(groups, run->out, run->invocation->set[OPT_FORCE],
                                               err)))
        return false;
    bool written = write_output(run, err);
    if (written && files) return groups_files_commit(files, err);
    groups_files_discard(files);
    return written;
}

/* What was measured, as a list; the caller frees it. */
static ReportCast *list_casts(const Run *run, size_t *count)
{
    *count = 0;
    if (!run->losses) return NULL;
    ReportCast *casts = mem_alloc((run->plan->count * CAST_PAIRS + 1) * sizeof *casts);
    for (size_t i = 0; i < run->plan->count; i++)
        for (size_t k = 0; k < run->losses[i].count; k++)
            casts[(*count)++] = (ReportCast){run->plan->entries[i].name, run->losses[i].pairs[k]};
    return casts;
}

/* Bytes as they are, since scripts compare them; but a key that holds what moves a cursor is
 * escaped for a terminal. */
static void print_lines(const Text *lines)
{
    const bool terminal = isatty(STDOUT_FILENO);
    for (size_t i = 0; i < lines->length; i++) {
        const unsigned char c = (unsigned char)lines->bytes[i];
        const bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7F;
        if (terminal && control) printf("\\x%02x", c);
        else putchar(c);
    }
}

/* --log: the lines stand alone before the report. That their order was inferred is told beside
 * them: with --quiet, where nothing else may be on standard output, on standard error. */
static void print_log(const Run *run, const Text *lines, bool inferred)
{
    static const char note[] = "order inferred: the target has no _metadata, so the order of its "
                               "modules is that of its keys\n";
    const bool quiet = run->invocation->set[OPT_QUIET];
    print_lines(lines);
    if (!inferred) return;
    fflush(stdout);
    fputs(note, quiet ? stderr : stdout);
}

/* Whatever is still open: the rules are what is known by now. */
static bool save_rules(Run *run, Error *err)
{
    const char *path = run->invocation->value[OPT_EMIT_RULES];
    if (!path) return true;
    run->emitted = emit_rules(run->session, run->alignment, path, run->invocation->set[OPT_FORCE],
                              &run->emitted_rules, err);
    return run->emitted;
}

/* The report to standard output, as JSON or as text: --quiet leaves out the text only. The status
 * is in the JSON, so it must be settled before. */
static void print_report(const Run *run, int status)
{
    const Invocation *invocation = run->invocation;
    ReportOutput output = export_output(run->in_place ? run->in_place : run->out, &run->result,
                                        run->plan ? run->plan->whole : NULL);
    ReportCast *casts = list_casts(run, &output.cast_count);
    output.casts = casts;
    output.in_place = run->in_place != NULL;
    output.unchanged = run->in_place && changes_nothing(run->plan);
    output.groups = align_groups(run->alignment) != NULL;
    ReportOptions options;
    session_report(run->session, &options);
    options.verbose = invocation->set[OPT_VERBOSE];
    options.writing = run->out || run->invocation->set[OPT_IN_PLACE];
    options.values = run->values;
    options.passes = run->passes;
    options.pass_count = run->pass_count;
    options.output = run->written ? &output : NULL;
    options.exit = status;
    Text out = {0}, lines = {0};
    bool inferred = false;
    if (invocation->set[OPT_LOG])
        log_lines(invocation->value[OPT_LOG], invocation->value[OPT_CLASS], run->session,
                  run->alignment, &lines, &inferred);
    if (invocation->set[OPT_LOG]) options.log = text_string(&lines);
    if (invocation->set[OPT_LOG] && !invocation->set[OPT_JSON]) print_log(run, &lines, inferred);
    if (invocation->set[OPT_JSON]) report_json(run->alignment, &options, &out);
    else if (!invocation->set[OPT_QUIET]) report_text(run->alignment, &options, &out);
    fwrite(text_string(&out), 1, out.length, stdout);
    if (out.length && out.bytes[out.length - 1] != '\n') putchar('\n');
    text_done(&out);
    free(casts);
    text_done(&lines);
    bool talk = !invocation->set[OPT_JSON] && !invocation->set[OPT_QUIET];
    if (run->planned && talk)
        printf("%splan %s  %zu tensors\n", run->out ? "" : "\n", invocation->value[OPT_PLAN],
               run->plan->count);
    if (run->emitted && talk)
        printf("%srules %s  %zu lines for what was found\n",
               run->out || run->planned ? "" : "\n", invocation->value[OPT_EMIT_RULES],
               run->emitted_rules);
    if (run->written && run->result.cloned && talk)
        printf("note: %zu tied tensor%s written as copies; %s cannot share memory\n",
               run->result.cloned, run->result.cloned == 1 ? " is" : "s are",
               run->result.format);
}

/* The ledger's own reason for status 2, for standard error. A collision outweighs notes: it is told
 * where there is one, and of several the first. */
static void explain_trouble(const Alignment *alignment, Error *err)
{
    for (size_t i = 0; i < align_note_count(alignment); i++) {
        const RuleNote *note = align_note(alignment, i);
        if (note->level != NOTE_ERROR) continue;
        error_set(err, ERR_RULE, "%s", note->text);
        bool placed = !note->origin.file || has_prefix(note->text, note->origin.file);
        if (!placed) error_prefix(err, "%s:%d", note->origin.file, note->origin.line);
    }
    if (!align_collision_count(alignment)) return;
    const Collision *first = align_collision(alignment, 0);
    Text name = {0};
    name_show(first->name, &name);
    error_set(err, ERR_RULE, "%s:%d: %zu source tensors get the name '%s' (%s)%s",
              first->origin.file, first->origin.line, first->source_count, text_string(&name),
              first->what,
              align_collision_count(alignment) > 1 ? ", and other names collide too" : "");
    text_done(&name);
}

/* What the rules printed goes to standard error, so that the report stays alone; a script cannot
 * send a terminal anything but text. */
static void print_printed(const Session *session)
{
    Text line = {0}, shown = {0};
    for (const char *at = session_output(session); *at;) {
        size_t n = strcspn(at, "\n");
        text_clear(&line);
        text_clear(&shown);
        for (size_t i = 0; i < n; i++) {   /* print() parts its values by tabs */
            if (at[i] == '\t') text_add(&line, "  ");
            else text_addc(&line, at[i]);
        }
        name_show(text_string(&line), &shown);
        fprintf(stderr, "%s\n", text_string(&shown));
        at += n + (at[n] == '\n');
    }
    text_done(&line);
    text_done(&shown);
}

/* A tolerance of the command line; `usual` where it is not given. */
static bool take_number(const Invocation *invocation, OptionId id, const char *name, double usual,
                        double *number, Error *err)
{
    char *end;
    const char *text = invocation->value[id];
    *number = usual;
    if (!invocation->set[id]) return true;
    *number = strtod(text, &end);
    if (*text && !*end && *number >= 0) return true;
    return error_set(err, ERR_USAGE, "%s: '%s' is no number of at least 0", name, text);
}

static bool take_tolerance(const Invocation *invocation, Tolerance *tolerance, Error *err)
{
    bool values = invocation->set[OPT_VALUES];
    if (!values && (invocation->set[OPT_RTOL] || invocation->set[OPT_ATOL]))
        return error_set(err, ERR_USAGE, "--rtol and --atol go with --values");
    /* those of torch.allclose */
    return take_number(invocation, OPT_RTOL, "--rtol", 1e-5, &tolerance->relative, err) &&
           take_number(invocation, OPT_ATOL, "--atol", 1e-8, &tolerance->absolute, err);
}

/* --values: the numbers of what was loaded. Any that differ are a difference that remains; where
 * the user has said a tolerance, what is within it is none. */
static bool compare(Run *run, int *status, Error *err)
{
    const Invocation *invocation = run->invocation;
    CompareOptions options = {.progress = progress_step, .tolerance = run->tolerance};
    Progress progress;
    if (!invocation->set[OPT_VALUES]) return true;
    bool tolerated = invocation->set[OPT_RTOL] || invocation->set[OPT_ATOL];
    interrupt_watch();
    progress_start(&progress, session_source_path(run->session),
                   isatty(STDERR_FILENO) && !invocation->set[OPT_QUIET]);
    options.context = &progress;
    run->arena = arena_new();
    run->values = compare_alignment(run->arena, run->alignment, &options, err);
    progress_end(&progress);
    if (!run->values) return false;
    const size_t *verdict = run->values->verdict;
    bool differs = verdict[VERDICT_DIFFERS] || verdict[VERDICT_UNREAD] ||
                   (verdict[VERDICT_CLOSE] && !tolerated);
    if (*status == EXIT_COMPLETE && differs) *status = EXIT_DIFFERS;
    return true;
}

/* Aligns, writes when everything is settled, reports; gives the exit status. The report comes also
 * when writing failed, since it says what would have been written; it is flushed before the error,
 * so that the two streams read in order on a terminal. */
static int finish(Run *run, Error *err)
{
    run->alignment = session_align(run->session, &run->failed, err);
    print_printed(run->session);
    if (!run->alignment) return complain(err);
    int status = run->failed ? EXIT_TROUBLE : align_exit(run->alignment);
    bool trouble = status == EXIT_TROUBLE;
    /* a script that failed has set err already */
    if (trouble && !run->failed) explain_trouble(run->alignment, err);
    if (!trouble && !save_rules(run, err)) {
        trouble = true;
        status = EXIT_TROUBLE;
    }
    const bool *set = run->invocation->set;
    if (status == EXIT_COMPLETE && (run->out || set[OPT_PLAN] || set[OPT_IN_PLACE]) &&
        !(settle_container(run, err) && name_output(run, err) && write_all(run, err))) {
        trouble = true;
        status = error_exit(err);
    }
    if (!trouble && !compare(run, &status, err)) {
        trouble = true;
        status = error_exit(err);
    }
    print_report(run, status);
    fflush(stdout);
    if (trouble) complain(err);
    free(run->losses);
    free(run->passes);
    plan_free(run->plan);
    arena_free(run->arena);
    align_unref(run->alignment);
    return status;
}

/* Ctrl-C is watched only while something may be written: else ending at once leaves nothing
 * behind. */
static int align_operands(const Invocation *invocation)
{
    Error err = {0};
    Run run = {.invocation = invocation, .out = invocation->value[OPT_OUT]};
    SessionOptions options = {.source = invocation->operands[0],
                              .target = invocation->operands[1],
                              .rules = invocation->rules,
                              .rule_count = invocation->rule_count,
                              .seed = invocation->seed,
                              .model = invocation->value[OPT_CLASS]};
    if (invocation->set[OPT_LOG]) options.log_preset = log_preset(invocation->value[OPT_LOG]);
    if (!take_tolerance(invocation, &run.tolerance, &err) || !check_in_place(invocation, &err) ||
        !check_output(&run, &err))
        return complain(&err);
    run.names = arena_new();
    if (run.out || invocation->set[OPT_PLAN]) interrupt_watch();
    if (!invocation->set[OPT_LOG] || log_find(invocation->value[OPT_LOG], &err))
        run.session = session_new(&options, &err);
    int status = run.session ? finish(&run, &err) : complain(&err);
    session_free(run.session);
    arena_free(run.names);
    return status;
}

/* tenon align, and tenon diff, whose table row allows neither rules nor output. */
int command_align(const Invocation *invocation)
{
    Error err = {0};
    Invocation resumed = *invocation;
    Arena *arena = arena_new();
    int status = resume_operands(&resumed, arena, &err) ? align_operands(&resumed)
                                                        : complain(&err);
    arena_free(arena);
    return status;
}
