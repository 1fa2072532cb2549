/* What the tests of plans share: a session over two files and rules, its plan written to a scratch
 * folder, and the plan read again. */
#ifndef TESTS_UNIT_PLANS_H
#define TESTS_UNIT_PLANS_H

#include <sys/stat.h>

#include "loader/export/plan_open.h"
#include "repl/session.h"
#include "tests/unit/export_help.h"

/* What is aligned, and how it is written. */
typedef struct Job {
    const char *source, *target, *code;  /* target and code may be NULL */
    PlanOptions plan;
    ExportOptions options;
} Job;

static inline Job a_job(const char *source, const char *target, const char *code)
{
    return (Job){.source = source, .target = target, .code = code};
}

static inline Session *open_session(const Job *job, Alignment **alignment)
{
    Error err = {0};
    bool failed = false;
    RulesArgument rules = {RULES_CODE, job->code};
    SessionOptions options = {.source = job->source, .target = job->target, .rules = &rules,
                              .rule_count = job->code ? 1 : 0};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    *alignment = session_align(session, &failed, &err);
    if (!*alignment || failed) fail_msg("%s", err.text);
    return session;
}

/* Writes p.json, and the output into folder/a when it is wanted. */
static inline void write_job(const Job *job, const char *out)
{
    Error err = {0};
    Alignment *alignment;
    Session *session = open_session(job, &alignment);
    Plan *plan = plan_new(alignment, &job->plan, &err);
    if (!plan) fail_msg("%s", err.text);
    ExportOptions options = job->options;
    options.force = true;
    ReportOptions report = {.source_path = job->source, .target_path = job->target};
    PlanSave save = {.report = &report,
                     .target = session_target_checkpoint(session),
                     .target_container = session_target_container(session),
                     .under = job->options.under,
                     .force = true};
    if (!plan_save(plan, in_folder("p.json"), &save, &err)) fail_msg("%s", err.text);
    if (out && !export_write(plan, out, &options, NULL, &err)) fail_msg("%s", err.text);
    plan_free(plan);
    align_unref(alignment);
    session_free(session);
}

/* A plan's file, carried out. */
static inline void apply_plan(const char *path, const PlanGiven *given, const char *out)
{
    Error err = {0};
    PlanFile *file = plan_file_read(path, &err);
    Plan *plan = file ? plan_open(file, given, &err) : NULL;
    if (!plan) fail_msg("%s", err.text);
    ExportOptions options = {.under = file->tail.under, .force = true};
    if (!export_write(plan, out, &options, NULL, &err)) fail_msg("%s", err.text);
    plan_free(plan);
    plan_file_free(file);
}

#endif
