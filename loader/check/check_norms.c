/* Norms: their parts are found by name, and judged together. A scale of 1 and a shift of 0 are what
 * every norm starts from, and what some keep; so a whole model must have them to be suspected. */
#include "loader/check/checks.h"

#include <inttypes.h>
#include <stdlib.h>

#include "loader/core/map.h"

enum { NORMS_MIN = 4 };          /* fewer say nothing about a model */

/* The parts of one module; NULL where it has none. */
typedef struct Norm {
    const Subject *weight, *bias, *mean, *variance, *batches;
} Norm;

/* Whether every value is this one: nothing is below it, and nothing above. */
static bool is_all(const Subject *subject, double value)
{
    if (!subject || !subject->sweep) return false;
    const Measure *m = &subject->sweep->measure;
    return measure_finite(m) == m->count && m->count && m->min >= value && m->max <= value;
}

/* Where a part of a norm is noted; NULL for roles that no norm has. */
static const Subject **slot_of(Norm *norm, Role role)
{
    switch (role) {
    case ROLE_WEIGHT: return &norm->weight;
    case ROLE_BIAS: return &norm->bias;
    case ROLE_MEAN: return &norm->mean;
    case ROLE_VARIANCE: return &norm->variance;
    case ROLE_BATCHES: return &norm->batches;
    default: return NULL;
    }
}

/* Groups the subjects of a part by module, which is their name without its last part. Modules that
 * are no norms (a Linear has weight and bias too) are among them; is_norm tells. */
static size_t find_norms(const Audit *audit, const Part *part, Norm *norms)
{
    Arena *arena = arena_new();
    NameMap modules = {0};
    size_t count = 0;
    for (size_t i = part->from; i < part->to; i++) {
        const Subject *subject = &audit->subjects[i];
        const char *name = subject->tensor->name;
        if (!slot_of(&norms[0], subject->role)) continue;
        const char *module = arena_strndup(arena, name, role_module(name));
        uint32_t number = map_get(&modules, module);
        if (number == MAP_NONE) {
            number = (uint32_t)count++;
            norms[number] = (Norm){0};
            map_set(&modules, module, number);
        }
        *slot_of(&norms[number], subject->role) = subject;
    }
    map_done(&modules);
    arena_free(arena);
    return count;
}

/* A module is a norm when it keeps statistics, or when its weight has one axis and its name says
 * so. */
static bool is_norm(const Norm *norm)
{
    if (norm->mean && norm->variance) return true;
    const Subject *weight = norm->weight;
    return weight && weight->tensor->rank == 1 && weight->sweep &&
           (role_has_word(weight->name, "norm") || role_has_word(weight->name, "bn") ||
            role_has_word(weight->name, "ln"));
}

/* As nn.BatchNorm makes it. One batch in train() mode moves both. */
static bool is_fresh_batchnorm(const Norm *norm)
{
    return is_all(norm->mean, 0) && is_all(norm->variance, 1);
}

/* Scale 1 and shift 0, or none. */
static bool is_plain(const Norm *norm)
{
    return (!norm->weight || is_all(norm->weight, 1)) && (!norm->bias || is_all(norm->bias, 0));
}

/* Whether no batch norm of the part has statistics, and all have a scale or shift that moved:
 * Caffe's models, as Detectron has them, keep the statistics in there. */
static bool is_absorbed(const Norm *norms, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!norms[i].mean || !norms[i].variance) continue;
        if (!is_fresh_batchnorm(&norms[i]) || is_plain(&norms[i])) return false;
        found++;
    }
    return found > 1;
}

/* Variances below zero give NaN; those at zero belong to channels that were always the same. */
static void check_variance(const Audit *audit, const Norm *norm)
{
    if (!norm->variance || !norm->variance->sweep) return;
    const Measure *m = &norm->variance->sweep->measure;
    if (measure_finite(m) && m->min < 0)
        check_report_add(audit->report, FINDING_WARNING, "negative-variance",
                         "variances below zero", norm->variance->name,
                         "BatchNorm takes its square root: the outputs will be NaN; run some "
                         "batches in train() mode, or take another checkpoint",
                         "the least is %.4g", m->min);
    else if (m->zeros && m->zeros < m->count)
        check_report_add(audit->report, FINDING_NOTE, "zero-variance", "channels without variance",
                         norm->variance->name, NULL,
                         "%" PRIu64 " of %" PRIu64 " variances are 0: these channels never changed",
                         m->zeros, m->count);
}

/* Files of PyTorch before 0.4.1 have no counter, and tools that convert them add one of 0: the
 * statistics are good all the same, so that is a note. */
static void check_batchnorm(const Audit *audit, const Norm *norm, bool absorbed)
{
    check_variance(audit, norm);
    if (!norm->mean || !norm->variance) return;
    if (absorbed) {
        check_report_add(audit->report, FINDING_NOTE, "untrained-batchnorm",
                         "batch norms that never saw a batch", norm->mean->name, NULL,
                         "running_mean is all 0 and running_var all 1 in the whole model, but "
                         "scale and shift are not: they have absorbed the statistics, or those are "
                         "lost");
        return;
    }
    if (is_fresh_batchnorm(norm)) {
        check_report_add(audit->report, FINDING_WARNING, "untrained-batchnorm",
                         "batch norms that never saw a batch", norm->mean->name,
                         "the layer was made anew, or its statistics were not saved; check that "
                         "the file holds what was trained",
                         "running_mean is all 0 and running_var all 1");
        return;
    }
    if (is_all(norm->batches, 0))
        check_report_add(audit->report, FINDING_NOTE, "batches-zero",
                         "batch norms that count no batch", norm->batches->name, NULL,
                         "it is 0 though the statistics moved: converted from a file without it");
}

/* All scales 1 and all shifts 0 in a whole model, whose statistics moved or which has none. One
 * norm that moved clears all; batch norms that are fresh altogether were told of above. */
static void check_affine(const Audit *audit, const Norm *norms, size_t count)
{
    const char **names = mem_alloc((count + 1) * sizeof *names);
    size_t found = 0, moved = 0;
    for (size_t i = 0; i < count; i++) {
        const Norm *norm = &norms[i];
        if (!is_norm(norm) || !norm->weight || !norm->weight->sweep) continue;
        if (!is_plain(norm) || (norm->mean && is_fresh_batchnorm(norm))) moved++;
        else names[found++] = norm->weight->name;
    }
    if (found >= NORMS_MIN && !moved)
        check_report_add_all(audit->report, FINDING_WARNING, "untrained-norms",
                             "norms that were never trained", names, found,
                             "a trained model moves them: check that training, and loading before "
                             "it, went as meant",
                             "all %zu norms have weights of 1%s", found, " and biases of 0");
    free(names);
}

/* Each part by itself: model and ema have the same module names. */
void check_norms(const Audit *audit)
{
    for (size_t p = 0; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        if (part->repeats || part->container->optimizer) continue;
        Norm *norms = mem_alloc((part->to - part->from + 1) * sizeof *norms);
        size_t count = find_norms(audit, part, norms);
        bool absorbed = is_absorbed(norms, count);
        for (size_t i = 0; i < count; i++)
            if (is_norm(&norms[i])) check_batchnorm(audit, &norms[i], absorbed);
        check_affine(audit, norms, count);
        free(norms);
    }
}
