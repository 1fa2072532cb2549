/* Layers that still hold what a framework starts from. A uniform start is told by its edge: no
 * value lies beyond the bound, and one lies close to it, which training does not leave so. A normal
 * start has no edge; it is told only in large tensors, or by a bias that is still exactly zero.
 *
 * Bounds and deviations are those of torch.nn.init:
 *   Linear, Conv             uniform within 1/√fan_in (kaiming_uniform, a = √5), bias likewise
 *   RNN, LSTM, GRU           uniform within 1/√hidden, all of it
 *   xavier_uniform           uniform within √(6/(fan_in + fan_out)); attention's in_proj_weight
 *   kaiming_uniform          uniform within √(6/fan_in)
 *   kaiming_normal, fan_out  normal, √(2/fan_out); the convolutions of torchvision's ResNets
 *   Embedding                normal, 1
 *   BERT, GPT, ViT           normal (cut at ±2 or nowhere), 0.02; bias 0 */
#include "loader/check/checks.h"

#include <math.h>
#include <string.h>

#include "loader/core/text.h"

/* Fewest values of a uniform and of a normal tensor; of a normal one whose bias is zero; from which
 * on nothing but the start looks so. */
enum { UNIFORM_MIN = 128, NORMAL_MIN = 10000, NORMAL_BIASED_MIN = 512, CERTAIN_MIN = 1000 };
/* Standard errors that a moment may be off. */
static const double ERRORS = 4;

/* A way to start. */
typedef struct Start {
    bool uniform;
    double scale;                /* the bound; the deviation of a normal one */
    bool needs_zero_bias;        /* it is nothing special without a bias of exactly 0 */
    bool weak;                   /* much training leaves it nearly so: said as a note when nothing
                                    else in the model looks untrained */
    const char *what;            /* "1/√fan_in, as nn.Linear and nn.Conv start" */
} Start;

/* How far rounding to the type can carry a value over the bound. */
static double rounding(DType dtype)
{
    switch (dtype) {
    case DT_F64:
    case DT_F32: return 1e-6;
    case DT_F16: return 0x1p-10;
    default: return 0x1p-7;
    }
}

static bool fits_uniform(const Measure *m, double bound, double slack)
{
    double n = (double)m->count, root = sqrt(n), variance = m->sum2 / n;
    double edge = fmax(m->max, -m->min), inner = fmin(m->max, -m->min);
    return edge <= bound * (1 + slack) && inner >= bound * (1 - 20 / n - slack) &&
           fabs(variance * 3 / (bound * bound) - 1) <= ERRORS * 0.9 / root + slack &&
           fabs(measure_mean(m)) <= ERRORS * bound / root &&
           fabs(measure_kurtosis(m) - 1.8) <= ERRORS * 1.5 / root + slack;
}

/* Standard errors: of the deviation 1/√(2n), of the mean 1/√n, of the kurtosis √(24/n). A cut at
 * two deviations (trunc_normal_ of older code) would show in all of them and is not looked for. */
static bool fits_normal(const Measure *m, double scale, double slack)
{
    double n = (double)m->count;
    return fabs(measure_std(m) / scale - 1) <= ERRORS / sqrt(2 * n) + slack &&
           fabs(measure_mean(m)) <= ERRORS * scale / sqrt(n) &&
           fabs(measure_kurtosis(m) - 3) <= ERRORS * sqrt(24 / n) + slack;
}

/* The starts that a tensor of this shape and name may have; returns how many. */
static size_t list_starts(const Subject *subject, Start starts[8])
{
    const Tensor *tensor = subject->tensor;
    double out = (double)tensor->dims[0], in = (double)tensor->dims[1], area = 1;
    for (unsigned i = 2; i < tensor->rank; i++) area *= (double)tensor->dims[i];
    size_t count = 0;
    if (role_leaf(tensor->name)[0] == 'w' && role_has_word(tensor->name, "weight_ih")) {
        static const double gates[] = {4, 3, 1};
        for (size_t i = 0; i < countof(gates); i++)
            starts[count++] = (Start){true, sqrt(gates[i] / out), false, false,
                                      "1/√hidden, as recurrent layers start"};
    } else {
        starts[count++] = (Start){true, 1 / sqrt(in * area), false, false,
                                  "1/√fan_in, as nn.Linear and nn.Conv start"};
    }
    starts[count++] = (Start){true, sqrt(6 / ((in + out) * area)), false, false,
                              "√(6/(fan_in + fan_out)), as xavier_uniform starts"};
    starts[count++] = (Start){true, sqrt(6 / (in * area)), false, false,
                              "√(6/fan_in), as kaiming_uniform starts"};
    if (tensor->rank > 2)
        starts[count++] = (Start){false, sqrt(2 / (out * area)), false, false,
                                  "√(2/fan_out), as kaiming_normal starts"};
    else
        starts[count++] = (Start){false, 1, false, true, "1, as nn.Embedding starts"};
    starts[count++] = (Start){false, 0.02, true, false, "0.02, as BERT, GPT and ViT start"};
    return count;
}

static bool is_zero(const Subject *bias)
{
    return bias && bias->sweep && bias->sweep->measure.zeros == bias->sweep->measure.count;
}

/* The bias must not have been trained either: within the bound, or still 0. */
static bool fits(const Subject *subject, const Subject *bias, const Start *start)
{
    const Measure *m = &subject->sweep->measure;
    double slack = rounding(subject->tensor->dtype);
    uint64_t least = start->uniform ? UNIFORM_MIN : NORMAL_MIN;
    if (start->needs_zero_bias && is_zero(bias)) least = NORMAL_BIASED_MIN;
    if (m->count < least) return false;
    if (!(start->uniform ? fits_uniform(m, start->scale, slack)
                         : fits_normal(m, start->scale, slack)))
        return false;
    if (!bias || !bias->sweep || is_zero(bias)) return true;
    const Measure *b = &bias->sweep->measure;
    return start->uniform && fmax(b->max, -b->min) <= start->scale * (1 + slack);
}

/* What can be judged: a matrix of floats without NaN, in PyTorch's order of axes. */
static bool is_candidate(const Audit *audit, const Part *part, size_t i)
{
    const Subject *subject = &audit->subjects[i];
    const Tensor *tensor = subject->tensor;
    return audit_is_judged(audit, part, i) && tensor->rank >= 2 && !tensor->layout &&
           subject->role == ROLE_WEIGHT && dtype_info(tensor->dtype)->kind == CLASS_FLOAT &&
           dtype_size(tensor->dtype) >= 2 &&
           measure_finite(&subject->sweep->measure) == subject->sweep->measure.count &&
           subject->sweep->measure.count >= UNIFORM_MIN;
}

/* "fc.bias" beside "fc.weight"; NULL if none. */
static const Subject *find_bias(const Audit *audit, const Part *part, const Subject *weight)
{
    const char *name = weight->tensor->name, *leaf = role_leaf(name);
    Text other = {0};
    text_addn(&other, name, (size_t)(leaf - name));
    const char *word = strstr(leaf, "weight");
    if (word) text_addf(&other, "%.*sbias%s", (int)(word - leaf), leaf, word + 6);
    else text_add(&other, "bias");
    const Tensor *found = dict_find(part->container->dict, text_string(&other));
    text_done(&other);
    return found ? &audit->subjects[part->from + dict_index(part->container->dict, found)] : NULL;
}

static void report_start(const Audit *audit, const Subject *subject, const Start *start,
                         FindingLevel level)
{
    uint64_t n = subject->sweep->measure.count;
    const char *sure = n >= CERTAIN_MIN ? "near certain" : "likely";
    check_report_add(audit->report, level, "untrained", "layers as they are before training",
                     subject->name,
                     start->weak ? "a table of which few rows were met looks so too; if all were, "
                                   "take it from a checkpoint that has it"
                                 : "it was made anew, hardly trained, or not loaded when this was "
                                   "saved: take it from a checkpoint that has it, or train it",
                     "%s %s (%s)",
                     start->uniform ? "uniform within" : "normal with deviation", start->what,
                     start->weak ? "likely" : sure);
}

/* The start that the subject still has; false when it has none. */
static bool find_start(const Audit *audit, const Part *part, size_t i, Start *start)
{
    if (!is_candidate(audit, part, i)) return false;
    const Subject *subject = &audit->subjects[i], *bias = find_bias(audit, part, subject);
    Start starts[8];
    size_t count = list_starts(subject, starts);
    for (size_t k = 0; k < count; k++) {
        if (!fits(subject, bias, &starts[k])) continue;
        *start = starts[k];
        return true;
    }
    return false;
}

/* An embedding moves little by little, and only where its words come up: with deviation 1 after
 * thousands of steps. What the rest of the model says decides what it is worth. */
void check_untrained(const Audit *audit)
{
    for (size_t p = 0; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        Start start;
        size_t strong = 0;
        if (part->repeats) continue;
        for (size_t i = part->from; i < part->to; i++) {
            if (!find_start(audit, part, i, &start) || start.weak) continue;
            report_start(audit, &audit->subjects[i], &start, FINDING_WARNING);
            strong++;
        }
        for (size_t i = part->from; i < part->to; i++)
            if (find_start(audit, part, i, &start) && start.weak)
                report_start(audit, &audit->subjects[i], &start,
                             strong ? FINDING_WARNING : FINDING_NOTE);
    }
}
