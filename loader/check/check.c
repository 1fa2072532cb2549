/* The order of things: the values first, since their CRCs save the container's checks most of their
 * reading; the container's findings come first in the report, since nothing that is said of values
 * counts when the file is damaged. */
#include "loader/check/check.h"

#include "loader/check/checks.h"
#include "loader/check/crc_book.h"
#include "loader/source/remote.h"

/* How far everything is; the context of every step. */
typedef struct Course {
    const CheckOptions *options;
    uint64_t done, total;        /* bytes */
    const CrcBook *book;         /* NULL until values were swept */
} Course;

/* A SweepStep. */
static bool step(void *context, uint64_t bytes, Error *err)
{
    Course *course = context;
    course->done += bytes;
    if (course->done > course->total) course->total = course->done;
    const CheckOptions *options = course->options;
    if (!options->progress || options->progress(options->context, course->done, course->total))
        return true;
    return error_set(err, ERR_CANCELLED, "%s: stopped", options->file);
}

/* CheckRun's three questions, each answered by the course. */
static bool run_step(const CheckRun *run, uint64_t bytes, Error *err)
{
    return step(run->context, bytes, err);
}

static bool run_known(const CheckRun *run, const ByteSource *source, uint64_t from, uint64_t *size,
                      uint32_t *crc)
{
    const Course *course = run->context;
    return crc_book_known(course->book, source, from, size, crc);
}

static uint64_t run_unknown(const CheckRun *run, const ByteSource *source, uint64_t from,
                            uint64_t size)
{
    const Course *course = run->context;
    return crc_book_unknown(course->book, source, from, size);
}

/* The format's own checks. One that fails to read is a finding, as the rest can still be told; only
 * a wish to stop ends it all, and a network that fails, which says nothing of the file. */
static bool check_container(const Audit *audit, Course *course, Error *err)
{
    CrcBook *book = crc_book_new(audit);
    course->book = book;
    const CheckRun run = {run_step, run_known, run_unknown, course};
    Error why = {0};
    bool fine = checkpoint_run_checks(audit->checkpoint, &run, &why);
    crc_book_free(book);
    if (fine) return true;
    if (why.code == ERR_CANCELLED || why.code == ERR_NETWORK) {
        if (err) *err = why;
        return false;
    }
    checkpoint_find(audit->checkpoint, FINDING_ERROR, "unreadable", NULL,
                    "the file is damaged; fetch it again", "%s", why.text);
    return true;
}

/* What formats have found, when opening and just now. It has no head, by which the report tells it
 * from what was found in weights. */
static void take_findings(const Checkpoint *checkpoint, CheckReport *report)
{
    for (size_t i = 0; i < checkpoint_finding_count(checkpoint); i++) {
        const Finding *one = checkpoint_finding(checkpoint, i);
        check_report_add(report, one->level, one->kind, NULL, one->tensor, one->remedy, "%s",
                         one->what);
    }
}

/* A file may well hold a number or a list of texts, but who checks it looks for weights. A part
 * that was named is what the user knows it to be. */
static void note_empty(const Audit *audit, const CheckOptions *options)
{
    if (!options->others || (options->chosen && dict_count(options->chosen->dict))) return;
    Text what = {0};
    checkpoint_show_empty(audit->checkpoint, &what);
    check_report_add(audit->report, FINDING_NOTE, "empty", NULL, NULL, NULL, "%s",
                     text_string(&what));
    text_done(&what);
}

/* One tensor, under a name of its own. */
static void count_subject(const Audit *audit, size_t i, CheckTotals *totals)
{
    const Subject *subject = &audit->subjects[i];
    totals->tensors++;
    if (!subject->sweep) {
        totals->unread++;
    } else if (subject->first == i) {
        totals->values += tensor_count(subject->tensor);
        totals->bytes += tensor_bytes(subject->tensor);
    }
}

/* Names are counted as the user sees them, bytes as they lie in the file. What a part repeats of
 * parts before it (dicts that were offered joined) is counted once. */
static void count(const Audit *audit, CheckTotals *totals)
{
    *totals = (CheckTotals){0};
    for (size_t p = 0; p < audit->part_count; p++)
        for (size_t i = audit->parts[p].from; i < audit->parts[p].to; i++)
            if (audit->subjects[i].first >= audit->parts[p].from) count_subject(audit, i, totals);
}

/* Everything, in the order in which findings of one level stand in the report. */
static bool run_all(Audit *audit, Course *course, Error *err)
{
    bool crc = checkpoint_wants_crc(audit->checkpoint);
    if (!audit_sweep(audit, crc, step, course, err)) return false;
    if (!check_container(audit, course, err)) return false;
    take_findings(audit->checkpoint, audit->report);
    note_empty(audit, course->options);
    audit_report_unread(audit);
    check_values(audit);
    check_norms(audit);
    check_untrained(audit);
    check_types(audit);
    check_names(audit);
    check_model(audit);
    check_storages(audit);
    if (!check_rivals(audit, step, course, err)) return false;
    check_copies(audit);
    return true;
}

/* A file without tensors still has a container: an empty part stands for its weights. */
CheckReport *check_run(Checkpoint *checkpoint, const CheckOptions *options, CheckTotals *totals,
                       Error *err)
{
    CheckReport *report = check_report_new();
    StateDict *none = dict_new();
    const Container empty = {.path = "", .dict = none};
    Audit audit;
    Course course = {.options = options};
    audit_init(&audit, checkpoint, options->file, options->chosen ? options->chosen : &empty,
               options->others, report);
    course.total = audit_bytes(&audit) + check_rivals_bytes(&audit);
    unsigned long before = remote_failures();
    bool fine = run_all(&audit, &course, err) && !remote_failed_since(before, err);
    count(&audit, totals);
    audit_done(&audit);
    dict_unref(none);
    if (fine) {
        check_report_fold(report);
        return report;
    }
    check_report_free(report);
    return NULL;
}
