/* One job at a time, for the first of what is wanted: the window on show, then profiles in the
 * order in which they were asked for, then differences. Everything that a job touches is its own,
 * or immutable: expressions are made before it starts, and the ledger is kept alive. What is no
 * longer wanted is told to stop; nobody waits until it has read what it is reading. */
#include "viewer/tensor_values.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/job.h"
#include "viewer/tensor_window.h"

enum { KEPT = 256, WANTED = 8 };     /* results that are kept; things that are wanted at a time */

typedef enum TaskKind { TASK_PROFILE, TASK_COMPARE, TASK_WINDOW } TaskKind;

/* What is to be read, or being read. */
typedef struct Task {
    TaskKind kind;
    ValueOf a, b;
    Window window;               /* WINDOW only */
} Task;

/* What came of it: one of the three, or `problem`. */
typedef struct Result {
    Task task;
    Profile *profile;            /* owned */
    Comparison *comparison;      /* owned */
    char *problem;               /* owned; NULL: it went well */
    uint64_t used;               /* when it was asked for last */
} Result;

/* The job's own. */
typedef struct Work {
    Alignment *alignment;        /* a reference: what the task names is its */
    Task task;
    Arena *arena;                /* owned: expressions over what the task names */
    Numbers numbers;
    const Expr *expr;            /* COMPARE */
    Job *job;                    /* while it runs, for steps */
    Profile *profile;            /* owned until the result takes it */
    Comparison *comparison;      /* likewise */
    WindowCells cells;           /* likewise */
} Work;

struct Values {
    Alignment *alignment;        /* a reference; NULL at first */
    Task wanted[WANTED];
    size_t wanted_count;
    Result kept[KEPT];           /* [kept_count] */
    size_t kept_count;
    uint64_t now;                /* counts questions */
    WindowCells shown;           /* the window that was read last; values NULL: none */
    Window failed;               /* the window of which `problem` tells */
    char *problem;               /* owned; NULL: none failed */
    Job *job;                    /* owned; NULL: none runs */
    Work *work;                  /* owned, with it */
    bool stopping;               /* it was told to stop: nothing is wanted of it */
};

static bool same_task(const Task *a, const Task *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == TASK_WINDOW) return window_same(&a->window, &b->window);
    return a->a.tensor == b->a.tensor && a->a.expr == b->a.expr && a->b.tensor == b->b.tensor &&
           a->b.expr == b->b.expr;
}

static void free_cells(WindowCells *cells)
{
    free(cells->values);
    free(cells->flags);
    *cells = (WindowCells){0};
}

static void free_result(Result *result)
{
    free(result->profile);
    free(result->comparison);
    free(result->problem);
}

static void free_work(Work *work)
{
    if (!work) return;
    align_unref(work->alignment);
    arena_free(work->arena);
    free(work->profile);
    free(work->comparison);
    free_cells(&work->cells);
    free(work);
}

/* Whatever runs will end, and what it finds will be thrown away. */
static void stop(Values *values)
{
    if (!values->job) return;
    job_cancel(values->job);
    values->stopping = true;
}

/* Waits for the end of what was told to stop. */
static void clear(Values *values)
{
    job_free(values->job, NULL);
    free_work(values->work);
    values->job = NULL;
    values->work = NULL;
    values->stopping = false;
}

Values *values_new(void)
{
    return mem_alloc(sizeof(Values));
}

static void forget(Values *values, bool all)
{
    size_t left = 0;
    for (size_t i = 0; i < values->kept_count; i++) {
        Result *result = &values->kept[i];
        if (all || result->task.a.expr || result->task.b.expr) free_result(result);
        else values->kept[left++] = *result;
    }
    values->kept_count = left;
    free_cells(&values->shown);
    free(values->problem);
    values->problem = NULL;
}

void values_free(Values *values)
{
    if (!values) return;
    clear(values);
    forget(values, true);
    align_unref(values->alignment);
    free(values);
}

/* Addresses of expressions may come again in another ledger, those of tensors only with other
 * files; the old ledger is kept until this is told. */
void values_show(Values *values, Alignment *alignment)
{
    Alignment *old = values->alignment;
    bool others = !old || align_source_dict(old) != align_source_dict(alignment) ||
                  align_target(old) != align_target(alignment);
    stop(values);
    values->wanted_count = 0;
    forget(values, others);
    values->alignment = align_ref(alignment);
    align_unref(old);
}

void values_begin(Values *values)
{
    values->wanted_count = 0;
}

/* ---- asking ---- */

static void want(Values *values, const Task *task)
{
    if (values->wanted_count < WANTED) values->wanted[values->wanted_count++] = *task;
}

static Result *find(Values *values, const Task *task)
{
    for (size_t i = 0; i < values->kept_count; i++) {
        if (!same_task(&values->kept[i].task, task)) continue;
        values->kept[i].used = ++values->now;
        return &values->kept[i];
    }
    want(values, task);
    return NULL;
}

const Profile *values_profile(Values *values, ValueOf of, const char **why)
{
    const Task task = {.kind = TASK_PROFILE, .a = of};
    const Result *result = find(values, &task);
    *why = result ? result->problem : NULL;
    return result ? result->profile : NULL;
}

const Comparison *values_compare(Values *values, ValueOf a, ValueOf b, const char **why)
{
    const Task task = {.kind = TASK_COMPARE, .a = a, .b = b};
    const Result *result = find(values, &task);
    *why = result ? result->problem : NULL;
    return result ? result->comparison : NULL;
}

const WindowCells *values_window(Values *values, const Window *window, const char **why)
{
    const Task task = {.kind = TASK_WINDOW, .a = window->a, .b = window->b, .window = *window};
    *why = values->problem && window_same(&values->failed, window) ? values->problem : NULL;
    bool there = values->shown.values && window_same(&values->shown.window, window);
    if (!there && !*why) want(values, &task);
    return values->shown.values ? &values->shown : NULL;
}

/* ---- reading ---- */

static bool tell_step(void *context, uint64_t done, uint64_t total, Error *err)
{
    return job_step(context, done, total, err);
}

/* Compare's question has no error of its own. */
static bool tell_compare(void *context, uint64_t done, uint64_t total)
{
    return job_step(context, done, total, NULL);
}

static bool run(Job *job, void *context, Error *err)
{
    Work *work = context;
    uint64_t done = 0, total = 0;
    const CompareOptions options = {.progress = tell_compare, .context = job};
    switch (work->task.kind) {
    case TASK_PROFILE:
        return profile_make(&work->numbers, tell_step, job, work->profile, err);
    case TASK_WINDOW:
        return window_read(&work->numbers, &work->cells, tell_step, job, err);
    case TASK_COMPARE:
        total = 2 * tensor_count(work->task.b.tensor) * work->numbers.width;
        return compare_values(work->arena, work->expr, work->task.b.tensor, &options, &done, total,
                              work->comparison, err);
    }
    return false;
}

static const Expr *expr_of(Arena *arena, ValueOf of)
{
    return of.expr ? of.expr : of.tensor ? expr_source(arena, of.tensor) : NULL;
}

/* A result is put in the place of the one that was not asked for the longest. */
static Result *make_room(Values *values)
{
    if (values->kept_count < KEPT) return &values->kept[values->kept_count++];
    Result *oldest = &values->kept[0];
    for (size_t i = 1; i < KEPT; i++)
        if (values->kept[i].used < oldest->used) oldest = &values->kept[i];
    free_result(oldest);
    return oldest;
}

/* Takes what the work has found, or why it has not. */
static void keep(Values *values, Work *work, const Error *err)
{
    bool failed = err->code != ERR_NONE;
    if (work->task.kind == TASK_WINDOW) {
        free(values->problem);
        values->problem = failed ? mem_strdup(err->text) : NULL;
        values->failed = work->task.window;
        if (failed) return;
        free_cells(&values->shown);
        values->shown = work->cells;
        work->cells = (WindowCells){0};
        return;
    }
    Result *result = make_room(values);
    *result = (Result){.task = work->task, .used = ++values->now};
    if (failed) {
        result->problem = mem_strdup(err->text);
        return;
    }
    result->profile = work->profile;
    result->comparison = work->comparison;
    work->profile = NULL;
    work->comparison = NULL;
}

/* Memory for what it will find, and expressions, are made here, by the thread that owns the ledger.
 * A wish that cannot be met at all is answered at once. */
static void start(Values *values, const Task *task)
{
    Error err = {0};
    Work *work = mem_alloc(sizeof *work);
    *work = (Work){.alignment = align_ref(values->alignment), .task = *task,
                   .arena = arena_new()};
    const Expr *a = expr_of(work->arena, task->a), *b = expr_of(work->arena, task->b);
    work->expr = a;
    bool ok = a ? numbers_of(work->arena, a, b, &work->numbers, &err)
                : error_set(&err, ERR_NOT_FOUND, "has no values");
    if (ok && task->kind == TASK_PROFILE) work->profile = mem_alloc(sizeof(Profile));
    if (ok && task->kind == TASK_COMPARE) work->comparison = mem_alloc(sizeof(Comparison));
    if (ok && task->kind == TASK_WINDOW) {
        size_t n = (size_t)task->window.rows * (size_t)task->window.columns;
        work->cells = (WindowCells){task->window, mem_alloc(n * sizeof(double)), mem_alloc(n)};
    }
    if (!ok) {
        keep(values, work, &err);
        free_work(work);
        return;
    }
    values->work = work;
    values->job = job_start(run, work);
}

bool values_due(const Values *values)
{
    return values->job || values->wanted_count;
}

/* What is no longer wanted is stopped; it is begun anew should it be wanted again. */
void values_step(Values *values)
{
    if (values->job && !values->stopping) {
        bool wanted = false;
        for (size_t i = 0; i < values->wanted_count; i++)
            wanted = wanted || same_task(&values->wanted[i], &values->work->task);
        if (!wanted) stop(values);
    }
    if (values->job && !job_poll(values->job, NULL, NULL)) return;
    if (values->stopping) clear(values);
    if (values->job) {
        Error err = {0};
        job_free(values->job, &err);
        values->job = NULL;
        keep(values, values->work, &err);
        free_work(values->work);
        values->work = NULL;
        values->wanted_count = 0;    /* the next frame asks again */
        return;
    }
    const Task *first = NULL;
    for (size_t i = 0; i < values->wanted_count; i++) {
        const Task *task = &values->wanted[i];
        if (!first || (task->kind == TASK_WINDOW && first->kind != TASK_WINDOW)) first = task;
    }
    if (first) start(values, first);
}

bool values_progress(const Values *values, uint64_t *done, uint64_t *total)
{
    return values->job && !values->stopping && !job_poll(values->job, done, total) && *total;
}
