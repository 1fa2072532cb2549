/* Which tensors there are, which of them are the same bytes under several names, and their values,
 * read by a few threads that take one tensor after the other. */
#include "loader/check/audit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/job.h"
#include "loader/core/text.h"

enum { THREADS_MAX = 8 };
static const uint64_t PER_THREAD = 16 << 20;     /* bytes that make another thread worth while */

/* -- Subjects -------------------------------------------------------------------------- */

/* Tensors of the same bytes, read the same way, are neighbours in this order; of equals the one
 * that was listed first leads. */
static int compare_views(const void *a, const void *b, void *context)
{
    const Subject *subjects = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    const Tensor *x = subjects[i].tensor, *y = subjects[k].tensor;
    if (x->storage != y->storage)
        return (uintptr_t)x->storage < (uintptr_t)y->storage ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->dtype != y->dtype) return x->dtype < y->dtype ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    for (unsigned d = 0; x->dims && y->dims && d < x->rank; d++)
        if (x->dims[d] != y->dims[d]) return x->dims[d] < y->dims[d] ? -1 : 1;
    bool xs = !tensor_is_contiguous(x), ys = !tensor_is_contiguous(y);
    if (xs != ys) return xs < ys ? -1 : 1;
    for (unsigned d = 0; xs && d < x->rank; d++)
        if (x->strides[d] != y->strides[d]) return x->strides[d] < y->strides[d] ? -1 : 1;
    return (i > k) - (i < k);
}

/* Views without bytes are nobody's copy. Strides are compared only where there are gaps or turned
 * axes: a contiguous tensor may have them or not. */
static bool same_view(const Subject *subjects, uint32_t i, uint32_t k)
{
    const Tensor *x = subjects[i].tensor, *y = subjects[k].tensor;
    if (!x->storage || x->storage != y->storage || x->offset != y->offset ||
        x->dtype != y->dtype || x->encoding != y->encoding ||
        !same_dims(x->dims, x->rank, y->dims, y->rank))
        return false;
    if (tensor_is_contiguous(x) && tensor_is_contiguous(y)) return true;
    return x->strides && y->strides &&
           memcmp(x->strides, y->strides, x->rank * sizeof *x->strides) == 0;
}

/* Sorting by views instead of comparing all pairs: a file may have a million tensors. */
static void find_firsts(Audit *audit)
{
    uint32_t *order = mem_alloc((audit->count + 1) * sizeof *order);
    for (uint32_t i = 0; i < audit->count; i++) order[i] = i;
    qsort_r(order, audit->count, sizeof *order, compare_views, audit->subjects);
    for (size_t i = 0; i < audit->count; i++) {
        Subject *subject = &audit->subjects[order[i]];
        bool again = i && same_view(audit->subjects, order[i - 1], order[i]);
        subject->first = again ? audit->subjects[order[i - 1]].first : order[i];
    }
    free(order);
}

/* A tensor of the chosen part keeps its name; others are said with their part. */
static const char *subject_name(const Audit *audit, const Part *part, const Tensor *tensor)
{
    if (part == audit->parts || !*part->container->path) return tensor->name;
    return arena_printf(check_report_arena(audit->report), "%s::%s", part->container->path,
                        tensor->name);
}

/* There is room: audit_init has counted. */
static void add_part(Audit *audit, const Container *container)
{
    Part *part = &audit->parts[audit->part_count++];
    *part = (Part){container, audit->count, audit->count + dict_count(container->dict), false};
    for (size_t i = 0; i < dict_count(container->dict); i++) {
        const Tensor *tensor = dict_at(container->dict, i);
        audit->subjects[audit->count++] =
            (Subject){.tensor = tensor, .name = subject_name(audit, part, tensor),
                      .role = role_of(tensor->name)};
    }
}

/* A dict that was joined from others, or is there under two paths, shows nothing new. */
static void find_repeats(Audit *audit)
{
    for (size_t p = 0; p < audit->part_count; p++) {
        Part *part = &audit->parts[p];
        size_t again = 0;
        for (size_t i = part->from; i < part->to; i++)
            again += audit->subjects[i].first < part->from;
        part->repeats = p && again * 2 >= part->to - part->from;
    }
}

void audit_init(Audit *audit, Checkpoint *checkpoint, const char *file, const Container *chosen,
                bool all, CheckReport *report)
{
    size_t containers = checkpoint_container_count(checkpoint), count = dict_count(chosen->dict);
    *audit = (Audit){.checkpoint = checkpoint, .file = file, .report = report};
    for (size_t i = 0; all && i < containers; i++)
        count += dict_count(checkpoint_container(checkpoint, i)->dict);
    audit->subjects = mem_alloc((count + 1) * sizeof *audit->subjects);
    audit->sweeps = mem_alloc((count + 1) * sizeof *audit->sweeps);
    audit->parts = mem_alloc((containers + 1) * sizeof *audit->parts);
    add_part(audit, chosen);
    for (size_t i = 0; all && i < containers; i++)
        if (checkpoint_container(checkpoint, i) != chosen)
            add_part(audit, checkpoint_container(checkpoint, i));
    find_firsts(audit);
    find_repeats(audit);
}

void audit_done(Audit *audit)
{
    for (size_t i = 0; i < audit->count; i++) sweep_done(&audit->sweeps[i]);
    free(audit->subjects);
    free(audit->sweeps);
    free(audit->parts);
}

/* -- Reading --------------------------------------------------------------------------- */

/* What the threads share. */
typedef struct Crew {
    Audit *audit;
    bool crc;
    SweepStep *step;
    void *context;
    pthread_mutex_t lock;        /* around everything below, `step`, and the report */
    size_t next;                 /* subject to be taken next */
    bool stopped;                /* the user asked to, or the network failed; `why` says so */
    Error why;
} Crew;

/* A SweepStep that lets one thread at a time speak, and tells the others to stop. */
static bool step_together(void *context, uint64_t bytes, Error *err)
{
    Crew *crew = context;
    pthread_mutex_lock(&crew->lock);
    if (!crew->stopped && crew->step && !crew->step(crew->context, bytes, &crew->why))
        crew->stopped = true;
    bool go_on = !crew->stopped;
    if (!go_on) *err = crew->why;
    pthread_mutex_unlock(&crew->lock);
    return go_on;
}

/* The next subject to read, or `count`. */
static size_t take_subject(Crew *crew)
{
    const Audit *audit = crew->audit;
    pthread_mutex_lock(&crew->lock);
    size_t i = crew->stopped ? audit->count : crew->next;
    while (i < audit->count && audit->subjects[i].first != i) i++;
    crew->next = i + 1;
    pthread_mutex_unlock(&crew->lock);
    return i;
}

/* The error's text is kept for the report, which is written when all threads are done. */
static void note_unread(Crew *crew, Subject *subject, const Error *why)
{
    pthread_mutex_lock(&crew->lock);
    if (why->code == ERR_NETWORK && !crew->stopped) {
        crew->stopped = true;
        crew->why = *why;
    }
    subject->problem = why->code;
    subject->why = arena_strdup(check_report_arena(crew->audit->report), why->text);
    pthread_mutex_unlock(&crew->lock);
}

/* What each thread does until nothing is left: it takes a tensor, reads all of it, takes the next.
 * Each writes only to the sweep and the subject that it took. Bools are normalised on reading, so a
 * CRC of them would say nothing about the file. */
static void *work(void *context)
{
    Crew *crew = context;
    Audit *audit = crew->audit;
    for (size_t i; (i = take_subject(crew)) < audit->count;) {
        Subject *subject = &audit->subjects[i];
        Error why = {0};
        SweepWish wish = {crew->crc && subject->tensor->dtype != DT_BOOL,
                          subject->role == ROLE_BATCHES || subject->role == ROLE_INTEGERS};
        if (sweep_tensor(subject->tensor, wish, step_together, crew, &audit->sweeps[i], &why))
            subject->sweep = &audit->sweeps[i];
        else
            note_unread(crew, subject, &why);
    }
    return NULL;
}

/* An estimate: views of one storage are counted each. */
uint64_t audit_bytes(const Audit *audit)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < audit->count; i++)
        if (audit->subjects[i].first == i && audit->subjects[i].tensor->storage)
            bytes += tensor_bytes(audit->subjects[i].tensor);
    return bytes;
}

/* One thread a processor, and none for a few MB. */
static size_t count_threads(const Audit *audit)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t most = audit_bytes(audit) / PER_THREAD + 1;
    if (most > THREADS_MAX) most = THREADS_MAX;
    return processors > 0 && most > (uint64_t)processors ? (size_t)processors : (size_t)most;
}

/* Schemas have no values, which is no fault; that a tensor was on the meta device, or is only not
 * known how to be read, is a note; what should be readable is an error of the file. */
void audit_report_unread(const Audit *audit)
{
    for (size_t i = 0; i < audit->count; i++) {
        const Subject *subject = &audit->subjects[i];
        bool known = subject->problem == ERR_UNSUPPORTED || subject->problem == ERR_LIMIT;
        const Encoding *encoding = subject->tensor->encoding;
        if (!subject->why) continue;
        if (subject->problem == ERR_NOT_FOUND && encoding && encoding->note)
            check_report_add(audit->report, FINDING_NOTE, "unread", "values not looked at",
                             subject->name, "save the model with its weights in memory", "%s",
                             encoding->note);
        else if (subject->problem == ERR_NOT_FOUND) continue;
        else if (known)
            check_report_add(audit->report, FINDING_NOTE, "unread", "values not looked at",
                             subject->name, NULL, "%s", subject->why);
        else
            check_report_add(audit->report, FINDING_ERROR, "unreadable",
                             "values that cannot be read", subject->name,
                             "the file is damaged; fetch it again", "%s", subject->why);
    }
}

/* The calling thread works too; one that cannot be started is done without. */
bool audit_sweep(Audit *audit, bool crc, SweepStep *step, void *context, Error *err)
{
    Crew crew = {.audit = audit, .crc = crc, .step = step, .context = context};
    pthread_t threads[THREADS_MAX];
    size_t wanted = count_threads(audit) - 1, started = 0;
    pthread_mutex_init(&crew.lock, NULL);
    while (started < wanted && job_thread(&threads[started], work, &crew)) started++;
    work(&crew);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crew.lock);
    for (size_t i = 0; i < audit->count; i++)
        audit->subjects[i].sweep = audit->subjects[audit->subjects[i].first].sweep;
    if (crew.stopped && err) *err = crew.why;
    return !crew.stopped;
}

/* -- For checks ------------------------------------------------------------------------ */

/* Optimizer state has the shapes of weights and none of their habits. */
bool audit_is_judged(const Audit *audit, const Part *part, size_t i)
{
    const Subject *subject = &audit->subjects[i];
    return !part->container->optimizer && subject->sweep && subject->sweep->numbers &&
           subject->first == i;
}

/* What a shell takes as it is; everything else is put between quotes. */
static void add_quoted(Text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-+/:,@%=";
    if (*word && !word[strspn(word, plain)]) {
        text_add(out, word);
        return;
    }
    text_addc(out, '\'');
    for (const char *p = word; *p; p++) {
        if (*p == '\'') text_add(out, "'\\''");
        else text_addc(out, *p);
    }
    text_addc(out, '\'');
}

/* A line that a shell takes as it stands, but for OUT, which the user must choose. */
const char *audit_command(const Audit *audit, const char *what, const char *options)
{
    Text line = {0};
    text_addf(&line, "%s: tenon align ", what);
    add_quoted(&line, audit->file);
    text_addf(&line, " %s-o OUT", options);
    const char *copy = arena_strdup(check_report_arena(audit->report), text_string(&line));
    text_done(&line);
    return copy;
}

const char *audit_remedy(const Audit *audit, const char *what, const char *code)
{
    Text options = {0};
    text_addf(&options, "-e '%s' ", code);
    const char *line = audit_command(audit, what, text_string(&options));
    text_done(&options);
    return line;
}

/* Few enough to be read; the counts tell the rest. */
void audit_add_ranges(const SweepRanges *ranges, uint64_t all, Text *out)
{
    enum { SHOWN = 6 };
    for (uint64_t i = 0; i < ranges->ranges && i < SHOWN; i++) {
        if (i) text_add(out, ", ");
        text_addf(out, "%" PRIu64, ranges->from[i]);
        if (ranges->to[i] > ranges->from[i]) text_addf(out, "-%" PRIu64, ranges->to[i]);
    }
    if (ranges->ranges > SHOWN) text_add(out, " …");
    text_addf(out, " (%" PRIu64 " of %" PRIu64 ")", ranges->count, all);
}
