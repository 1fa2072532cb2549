/* The thread reads the ledger on show and its rows, neither of which changes while it runs, and
 * what is open from a copy. Freeing a million rows takes longer than a key may: what was made in
 * vain is freed here too. */
#include "repl/work.h"

#include <stdlib.h>

Work *work_new(WorkKind kind, Snapshot *snapshot, Alignment *before)
{
    Work *work = mem_alloc(sizeof *work);
    work->kind = kind;
    work->snapshot = snapshot;
    work->before = before ? align_ref(before) : NULL;
    return work;
}

/* What the watch of a ledger goes by. */
typedef struct Listener {
    Work *work;
    Job *job;
} Listener;

static bool go_on(void *context, uint64_t done, uint64_t total)
{
    const Listener *listener = context;
    return job_step(listener->job, done, total, NULL);
}

/* The rows for a ledger, with what is open in those on show. */
static void make_rows(Work *work, Alignment *alignment)
{
    rows_free(work->made);
    work->made = rows_new(alignment);
    if (work->rows) rows_open_as(work->made, work->rows, work->open);
    else rows_open_some(work->made, work->lines);
}

/* Of what was found without a rule, values may still change the states. */
static void make_rows_beside(void *context, Alignment *alignment)
{
    const Listener *listener = context;
    if (!align_is_automatic(alignment)) make_rows(listener->work, alignment);
}

/* Those that were made beside may be there already. */
static void end_rows(Work *work)
{
    if (!work->made || work->made->alignment != work->after) make_rows(work, work->after);
}

static void align(Work *work, const SnapshotRun *run)
{
    if (!work->after)
        work->after = snapshot_align(work->snapshot, run, &work->failed, &work->problem);
    if (!work->after) return;
    if (work->compare && !work->failed) changes_init(&work->changes, work->before, work->after);
    end_rows(work);
}

static void apply(Work *work, const SnapshotRun *run)
{
    work->after = snapshot_try(work->snapshot, run, &work->problem);
    if (!work->after) return;
    changes_init(&work->changes, work->before, work->after);
    end_rows(work);
}

/* The ledger itself is not shown: it goes as soon as it has been compared. */
static void preview(Work *work, const SnapshotRun *run)
{
    Alignment *after = snapshot_try(work->snapshot, run, &work->problem);
    if (!after) return;
    changes_init(&work->changes, work->before, after);
    align_unref(after);
}

static void look_for_choices(Work *work, const SnapshotRun *run)
{
    if (choices_are_for(work->choices, work->before, work->binding))
        choices_step(work->choices, work->snapshot, run);
    else choices_start(work->choices, work->before, work->binding);
}

static void bisect(Work *work, const SnapshotRun *run)
{
    work->failed = !bisect_row(work->snapshot, run, work->key, work->source, &work->culprit,
                               &work->problem);
}

static void induce(Work *work, const SnapshotRun *run)
{
    work->arena = arena_new();
    work->failed = !session_marks(work->snapshot, run, work->arena, &work->marks, &work->problem);
}

static void leave_out(Work *work, const SnapshotRun *run)
{
    SnapshotRun less = *run;
    less.without = work->number;
    Alignment *after = snapshot_try(work->snapshot, &less, &work->problem);
    work->failed = !after;
    if (after) changes_init(&work->changes, work->before, after);
    align_unref(after);
}

static bool run_work(Job *job, void *context, Error *err)
{
    Work *work = context;
    const bool counts = work->kind == WORK_PREVIEW || work->kind == WORK_CHOICES;
    const bool rows = work->kind == WORK_ALIGN || work->kind == WORK_APPLY;
    Listener listener = {work, job};
    const AlignWatch watch = {.go_on = go_on, .context = &listener, .counts = counts,
                              .settled = rows ? make_rows_beside : NULL};
    const SnapshotRun run = {.extra = work->line, .interrupt = job_flag(job), .watch = &watch,
                             .halt = work->kind == WORK_ALIGN ? &work->halted : NULL};
    switch (work->kind) {
    case WORK_ALIGN: align(work, &run); break;
    case WORK_APPLY: apply(work, &run); break;
    case WORK_PREVIEW: preview(work, &run); break;
    case WORK_CHOICES: look_for_choices(work, &run); break;
    case WORK_BISECT: bisect(work, &run); break;
    case WORK_INDUCE: induce(work, &run); break;
    case WORK_WITHOUT: leave_out(work, &run); break;
    case WORK_TIDY:
        rows_free(work->old);
        work->old = NULL;
        align_unref(work->before);
        align_unref(work->after);
        work->before = work->after = NULL;
        break;
    }
    return job_step(job, 1, 1, err);
}

void work_start(Work *work)
{
    work->job = job_start(run_work, work);
}

bool work_is_over(const Work *work)
{
    return job_poll(work->job, NULL, NULL);
}

bool work_wait(const Work *work, long milliseconds)
{
    return job_wait(work->job, milliseconds);
}

int work_percent(const Work *work)
{
    uint64_t done, total;
    job_poll(work->job, &done, &total);
    return total ? (int)(done * 100 / total) : -1;
}

void work_cancel(Work *work)
{
    work_halt(work);
    job_cancel(work->job);
}

void work_halt(Work *work)
{
    atomic_store_explicit(&work->halted, true, memory_order_relaxed);
}

void work_free(Work *work)
{
    if (!work) return;
    work_halt(work);
    job_free(work->job, NULL);
    snapshot_free(work->snapshot);
    free(work->line);
    free(work->key);
    free(work->open);
    rows_free(work->old);
    rows_free(work->made);
    changes_done(&work->changes);
    align_unref(work->marks.alignment);
    arena_free(work->arena);
    align_unref(work->before);
    align_unref(work->after);
    free(work);
}
