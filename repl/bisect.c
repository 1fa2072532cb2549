#include "repl/bisect.h"

#include <stdlib.h>
#include <string.h>

#include "repl/statement_ends.h"

/* What became of the row with a part of the rules. */
typedef struct Sight {
    bool fine;                   /* it has a value; a source tensor: it is used */
    uint64_t what;               /* equal: the same came of it */
} Sight;

typedef struct Bisect {
    Snapshot *snapshot;
    const SnapshotRun *run;
    bool stopped;                /* it was interrupted */
    const char *key;
    bool source;
    Sight end;                   /* with all rules */
    size_t runs;
} Bisect;

static uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    while (n--) hash = (hash ^ *p++) * 1099511628211u;
    return hash;
}

static Sight see_target(const Binding *binding)
{
    Sight sight = {.what = 14695981039346656037u};
    sight.fine = binding->status <= BIND_FILLED;
    sight.what = mix(sight.what, &binding->status, sizeof binding->status);
    for (uint32_t i = 0; i < binding->source_count; i++) {
        const char *name = binding->sources[i]->name;
        sight.what = mix(sight.what, name, strlen(name) + 1);
    }
    const char *ops = binding->step ? binding->step->ops : NULL;
    if (ops) sight.what = mix(sight.what, ops, strlen(ops));
    if (binding->op) sight.what = mix(sight.what, binding->op, strlen(binding->op));
    return sight;
}

/* Rules that fail leave nothing of use. */
static Sight see(Bisect *bisect, Alignment *alignment)
{
    Sight sight = {0};
    if (!alignment) return sight;
    const Binding *binding = bisect->source ? NULL : align_find(alignment, bisect->key);
    const SourceUse *use = bisect->source ? align_find_use(alignment, bisect->key) : NULL;
    if (binding) sight = see_target(binding);
    if (use) sight = (Sight){use->status == USE_USED, (uint64_t)use->status + 1};
    align_unref(alignment);
    return sight;
}

/* ---- places between statements ---- */

/* Everything before it has run. */
typedef struct Point {
    size_t text, bytes;          /* all texts before that one, and so much of it */
    size_t line;                 /* that begins there, from 1 */
} Point;

typedef struct Points {
    Point *list;                 /* owned, [count] */
    size_t count, room;
} Points;

static void add_point(Points *points, size_t text, size_t bytes, size_t line)
{
    points->list = mem_grow(points->list, &points->room, points->count + 1, sizeof(Point));
    points->list[points->count++] = (Point){text, bytes, line};
}

static void add_points(Points *points, size_t index, const SessionText *text)
{
    size_t n, *ends = statement_ends(text->text, text->length, &n), at = 0, line = 1;
    add_point(points, index, 0, 1);
    for (size_t i = 0; i + 1 < n; i++) {
        for (; at < ends[i]; at++) line += text->text[at] == '\n';
        add_point(points, index, ends[i], line);
    }
    free(ends);
}

/* The first is before all rules, the last behind them. */
static void find_points(const Snapshot *snapshot, Points *points)
{
    SessionText text;
    size_t n = 0;
    for (; snapshot_text(snapshot, n, &text); n++)
        if (!text.off) add_points(points, n, &text);
    add_point(points, n, 0, 1);
}

static Alignment *align_at(Bisect *bisect, const Point *point)
{
    Error err = {0};
    const SnapshotPart part = {point->text, point->bytes};
    SnapshotRun run = *bisect->run;
    run.part = &part;
    if (bisect->stopped) return NULL;
    bisect->runs++;
    Alignment *alignment = snapshot_try(bisect->snapshot, &run, &err);
    bisect->stopped = err.code == ERR_CANCELLED;
    return alignment;
}

/* Whether the culprit has run: the row is as at the end. */
static bool is_done(Bisect *bisect, const Point *point)
{
    Sight sight = see(bisect, align_at(bisect, point));
    return bisect->end.fine ? sight.what == bisect->end.what : !sight.fine;
}

/* A point at which the row is not yet what it is. When it is so at the beginning and at the end,
 * some place between has to be found: by halves, then quarters, and so on. */
static bool find_before(Bisect *bisect, const Points *points, size_t *before)
{
    enum { TRIES_MAX = 200 };
    size_t last = points->count - 1, step = 1, tries = 0;
    *before = 0;
    if (!is_done(bisect, &points->list[0])) return true;
    while (step < last) step *= 2;
    for (; step > 1; step /= 2)
        for (size_t at = step / 2; at < last && tries++ < TRIES_MAX; at += step)
            if (!is_done(bisect, &points->list[at])) {
                *before = at;
                return true;
            }
    return false;
}

/* ---- the line ---- */

/* The line in which a statement begins that stands behind a point. */
static size_t first_line(const SessionText *text, const Point *point)
{
    size_t line = point->line;
    for (size_t at = point->bytes; at < text->length; at++) {
        char c = text->text[at];
        bool comment = c == '-' && at + 1 < text->length && text->text[at + 1] == '-';
        if (comment) while (at + 1 < text->length && text->text[at + 1] != '\n') at++;
        else if (c == '\n') line++;
        else if (c != ' ' && c != '\t' && c != '\r') break;
    }
    return line;
}

/* What the target was made of before the culprit; in the arena. NULL: of nothing. */
static const char *source_before(Bisect *bisect, const Point *point, Arena *arena)
{
    if (bisect->source) return bisect->key;
    Alignment *alignment = align_at(bisect, point);
    const Binding *binding = alignment ? align_find(alignment, bisect->key) : NULL;
    const char *name = binding && binding->source_count
                           ? arena_strdup(arena, binding->sources[0]->name) : NULL;
    align_unref(alignment);
    return name;
}

static bool is_inside(const Step *step, size_t from, size_t to)
{
    const Origin *origin = step ? align_step_origin(step) : NULL;
    return origin && origin->line >= 0 && (size_t)origin->line >= from &&
           (size_t)origin->line < to;
}

/* A block of rules is one statement; the ledger tells the line of it: where what the target was
 * made of went, or else what it is made of now. */
static size_t rule_line(Bisect *bisect, const Point *before, const Point *behind, size_t from)
{
    Arena *arena = arena_new();
    const char *was = source_before(bisect, before, arena);
    Alignment *alignment = align_at(bisect, behind);
    const Binding *binding =
        alignment && !bisect->source ? align_find(alignment, bisect->key) : NULL;
    const SourceUse *use = alignment && was ? align_find_use(alignment, was) : NULL;
    size_t to = behind->text == before->text ? behind->line : SIZE_MAX, line = from;
    if (use && is_inside(use->step, from, to))
        line = (size_t)align_step_origin(use->step)->line;
    else if (binding && is_inside(binding->step, from, to))
        line = (size_t)align_step_origin(binding->step)->line;
    align_unref(alignment);
    arena_free(arena);
    return line;
}

static bool search(Bisect *bisect, const Points *points, Culprit *out, Error *err)
{
    size_t low, high = points->count - 1;
    bisect->end = see(bisect, align_at(bisect, &points->list[high]));
    if (!find_before(bisect, points, &low))
        return error_set(err, ERR_NOT_FOUND, bisect->end.fine
                         ? "no rule has made it so" : "no rule broke it: it never had a value");
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (is_done(bisect, &points->list[middle])) high = middle;
        else low = middle;
    }
    const Point *point = &points->list[low];
    SessionText text;
    if (bisect->stopped) return false;   /* at any point, and the last lies behind all texts */
    if (!snapshot_text(bisect->snapshot, point->text, &text))
        return error_set(err, ERR_NOT_FOUND, "no rule has made it so");
    size_t line = first_line(&text, point);
    *out = (Culprit){.text = point->text, .broke = !bisect->end.fine};
    out->line = rule_line(bisect, point, &points->list[high], line);
    out->runs = bisect->runs;
    return true;
}

bool bisect_row(Snapshot *snapshot, const SnapshotRun *run, const char *key, bool source,
                Culprit *out, Error *err)
{
    Bisect bisect = {.snapshot = snapshot, .run = run, .key = key, .source = source};
    Points points = {0};
    find_points(snapshot, &points);
    bool found = search(&bisect, &points, out, err);
    free(points.list);
    if (bisect.stopped) return error_set(err, ERR_CANCELLED, "stopped");
    return found;
}
