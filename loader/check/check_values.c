/* What is odd about one tensor, told by its own values. */
#include "loader/check/checks.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loader/core/text.h"

/* Values from which on a tensor is a weight that can be judged, and one of them an outlier; rows
 * from which on one is a table of embeddings; equal rows that make padding; outputs, fewer of
 * which may leave inputs alone. */
enum { VALUES_MIN = 16, OTHERS_MIN = 64, EMBEDDING_ROWS = 256, TAIL_MIN = 2, OUTPUTS_MIN = 8 };

/* How many times the typical size a value must have to be called an outlier; the share of numbers
 * that a type can hardly tell apart. */
static const double OUTLIER = 1e4, TINY_SHARE = 0.01;
/* The share of dead channels that is no accident. Weight decay takes those behind a dead ReLU to
 * 1e-8 and less, which is zero once the file is cast to f16: a tenth of a first layer is usual. Of
 * the depthwise convolutions of trained MobileNets a quarter may be so. */
static const double DEAD_SHARE = 0.125, DEAD_DEPTHWISE = 0.34;
/* The largest number of f16. */
static const double F16_MAX = 65504;

/* Weights proper: what has rows and columns. Vectors are biases, scales, tables of anything. */
static bool is_matrix(const Subject *subject)
{
    return subject->tensor->rank >= 2 &&
           dtype_info(subject->tensor->dtype)->kind == CLASS_FLOAT;
}

/* -- NaN and zeros --------------------------------------------------------------------- */

/* Masks hold -inf on purpose. */
static void check_finite(const Audit *audit, const Subject *subject)
{
    const Measure *m = &subject->sweep->measure;
    uint64_t inf = subject->role == ROLE_BUFFER ? 0 : m->inf;
    if (!m->nan && !inf) return;
    Text what = {0};
    if (m->nan) text_addf(&what, "%" PRIu64 " NaN", m->nan);
    if (inf) text_addf(&what, "%s%" PRIu64 " infinite", m->nan ? " and " : "", inf);
    text_addf(&what, " of %" PRIu64 " values", m->count);
    check_report_add(audit->report, FINDING_WARNING, "nan", "NaN or infinite values",
                     subject->name,
                     audit_remedy(audit, "take an earlier checkpoint, or leave the tensor out",
                                  "rules [[ \1 -> ]]"),
                     "%s", text_string(&what));
    text_done(&what);
}

/* A weight of zeros only. Biases, buffers and single numbers are often zero. */
static bool check_zeros(const Audit *audit, const Subject *subject)
{
    const Measure *m = &subject->sweep->measure;
    bool weight = is_matrix(subject) || (subject->role == ROLE_WEIGHT &&
                                         dtype_info(subject->tensor->dtype)->kind == CLASS_FLOAT);
    if (m->zeros != m->count || m->count < VALUES_MIN || !weight ||
        subject->role == ROLE_BUFFER || subject->role == ROLE_BIAS)
        return false;
    bool adapter = role_has_word(subject->name, "lora_B") ||
                   role_has_word(subject->name, "lora_up");
    check_report_add(audit->report, FINDING_WARNING, "all-zero", "weights that are all zero",
                     subject->name,
                     adapter ? "an adapter like this changes nothing: it was never trained"
                             : "check that the right file was saved; training starts such weights "
                               "at 0 only where it moves them",
                     "every value is 0");
    return true;
}

/* Only what is called a weight or a bias: tables and buffers may well be constant. */
static void check_constant(const Audit *audit, const Subject *subject)
{
    const Measure *m = &subject->sweep->measure;
    if (!is_matrix(subject) || subject->role == ROLE_BUFFER || m->count < VALUES_MIN ||
        m->min < m->max || measure_finite(m) != m->count || m->zeros)
        return;
    if (subject->role != ROLE_WEIGHT && subject->role != ROLE_BIAS) return;
    check_report_add(audit->report, FINDING_WARNING, "constant", "weights that are constant",
                     subject->name, "it was set, not trained; check where it comes from",
                     "every value is %g", m->min);
}

/* -- Rows and channels ----------------------------------------------------------------- */

/* Tables of embeddings: their padding row is zero by design. */
static bool is_embedding(const Subject *subject)
{
    const Tensor *tensor = subject->tensor;
    return tensor->rank == 2 && (strcasestr(subject->name, "emb") != NULL ||
                                 (tensor->dims[0] >= EMBEDDING_ROWS &&
                                  tensor->dims[0] > 4 * tensor->dims[1]));
}

/* Some dead channels are in most trained networks, above all behind a ReLU; many of them are no
 * accident. */
static void report_dead(const Audit *audit, const Subject *subject, const char *kind,
                        const char *head, const char *remedy, const char *axis,
                        const SweepRanges *ranges, uint64_t all)
{
    const Tensor *tensor = subject->tensor;
    bool depthwise = tensor->rank >= 3 && tensor->dims[1] == 1;
    double share = depthwise ? DEAD_DEPTHWISE : DEAD_SHARE;
    bool many = ranges->count >= 2 && (double)ranges->count >= share * (double)all;
    Text what = {0};
    text_addf(&what, "%s%s ", axis, ranges->count == 1 ? "" : "s");
    audit_add_ranges(ranges, all, &what);
    text_add(&what, ranges->count == 1 ? " is zero" : " are zero");
    check_report_add(audit->report, many ? FINDING_WARNING : FINDING_NOTE, kind, head,
                     subject->name, remedy, "%s", text_string(&what));
    text_done(&what);
}

/* Rows at the end that are all alike are room for words that the vocabulary has not. */
static uint64_t padding_rows(const Subject *subject)
{
    const Sweep *sweep = subject->sweep;
    uint64_t rows = (uint64_t)subject->tensor->dims[0];
    return is_embedding(subject) && sweep->tail >= TAIL_MIN && sweep->tail < rows ? sweep->tail : 0;
}

/* Said as a note: such rows are made on purpose, but who loads them into a model with the right
 * vocabulary wants to know their number. */
static void check_padding(const Audit *audit, const Subject *subject, uint64_t padding)
{
    uint64_t rows = (uint64_t)subject->tensor->dims[0];
    check_report_add(audit->report, FINDING_NOTE, "padding-rows", "rows beyond the vocabulary",
                     subject->name, NULL, "the last %" PRIu64 " of %" PRIu64 " rows are all the "
                     "same: room beyond a vocabulary of %" PRIu64, padding, rows, rows - padding);
}

/* Zero rows that stand at the end as padding are said as such. */
static bool is_only_padding(const SweepRanges *rows, uint64_t padding)
{
    return rows->count == padding && rows->ranges == 1;
}

/* A single zero row in a table of embeddings is its padding_idx. */
static void check_rows(const Audit *audit, const Subject *subject)
{
    const Sweep *sweep = subject->sweep;
    const Tensor *tensor = subject->tensor;
    if (!is_matrix(subject) || tensor->dims[0] == 0) return;
    uint64_t padding = padding_rows(subject);
    if (padding) check_padding(audit, subject, padding);
    if (subject->role != ROLE_WEIGHT) return;
    bool expected = sweep->rows && is_embedding(subject) && sweep->rows->count == 1;
    if (sweep->rows && !expected && !(padding && is_only_padding(sweep->rows, padding)))
        report_dead(audit, subject, "dead-rows", "outputs without any weight",
                    "these outputs are their bias alone: pruned, or never reached by training",
                    "row", sweep->rows, (uint64_t)tensor->dims[0]);
    if (sweep->columns && !is_embedding(subject) && tensor->dims[0] >= OUTPUTS_MIN)
        report_dead(audit, subject, "dead-columns", "inputs without any weight",
                    "these inputs are ignored: pruned, or nothing ever came in on them", "channel",
                    sweep->columns, (uint64_t)tensor->dims[1]);
}

/* -- Sizes ----------------------------------------------------------------------------- */

/* Whether the largest value is the largest that f16 has: one that did not fit. */
static bool is_cut(const Subject *subject)
{
    const Measure *m = &subject->sweep->measure;
    return subject->tensor->dtype == DT_F16 && measure_finite(m) &&
           (m->max >= F16_MAX || m->min <= -F16_MAX);
}

/* Measured against the mean size of all others: with it among them, the largest of n values could
 * never be more than n times the mean. */
static void check_outliers(const Audit *audit, const Subject *subject)
{
    const Measure *m = &subject->sweep->measure;
    double n = (double)(measure_finite(m) - m->zeros), most = fmax(fabs(m->min), fabs(m->max));
    double typical = n > 1 ? fmax(measure_typical(m) * n - most, 0) / (n - 1) : 0;
    if (!is_matrix(subject) || subject->role == ROLE_BUFFER || n < OTHERS_MIN ||
        is_cut(subject) || !(most > OUTLIER * typical))
        return;
    check_report_add(audit->report, FINDING_WARNING, "outlier", "extreme values", subject->name,
                     "a value like this is seldom trained: compare with another checkpoint, and "
                     "with what wrote this one",
                     "the largest is %.4g, %.3g times the mean size of %.3g", most,
                     most / fmax(typical, DBL_MIN), typical);
}

/* Small weights of f16 are below its least normal number as a rule, and lose nothing that matters:
 * subnormals are told of in f32 and bf16 only. */
static void check_type_limits(const Audit *audit, const Subject *subject)
{
    const Measure *m = &subject->sweep->measure;
    DType dtype = subject->tensor->dtype;
    if (subject->role == ROLE_BUFFER || !measure_finite(m)) return;
    if (is_cut(subject))
        check_report_add(audit->report, FINDING_WARNING, "f16-limit",
                         "values at the limit of f16", subject->name,
                         "the value did not fit when it was cast; cast again from the original, to "
                         "bf16 or f32",
                         "its largest value is %.0f, where f16 ends",
                         fmax(fabs(m->min), fabs(m->max)));
    double share = (double)m->tiny / (double)m->count;
    if ((dtype == DT_F32 || dtype == DT_BF16) && m->count >= 1000 && share > TINY_SHARE)
        check_report_add(audit->report, FINDING_NOTE, "subnormal", "subnormal numbers",
                         subject->name, "they cost some processors dearly; zeros would do as well",
                         "%.0f %% of its values are below the least normal number of %s",
                         share * 100, dtype_name(dtype));
}

/* Of optimizer state too. First, since nothing else that is said of a tensor counts then. */
static void check_all_finite(const Audit *audit)
{
    for (size_t i = 0; i < audit->count; i++) {
        const Subject *subject = &audit->subjects[i];
        if (subject->sweep && subject->sweep->numbers && subject->first == i)
            check_finite(audit, subject);
    }
}

/* A tensor of zeros would be dead in every other way too: that is said once. */
void check_values(const Audit *audit)
{
    check_all_finite(audit);
    for (size_t p = 0; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        for (size_t i = part->from; i < part->to; i++) {
            const Subject *subject = &audit->subjects[i];
            if (!audit_is_judged(audit, part, i) || !subject->sweep->measure.count) continue;
            if (check_zeros(audit, subject)) continue;
            check_constant(audit, subject);
            check_rows(audit, subject);
            check_outliers(audit, subject);
            check_type_limits(audit, subject);
        }
    }
}
