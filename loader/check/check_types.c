/* Element types: integers that became floats, and islands of another float type. */
#include "loader/check/checks.h"

#include <inttypes.h>
#include <stdlib.h>

#include "loader/core/text.h"

/* An island is at most one tensor in so many. */
enum { ISLAND_SHARE = 10, TENSORS_MIN = 8 };

/* Half-precision casts and averaging take everything for a weight. The least and largest value tell
 * which it was. */
static void check_integers(const Audit *audit, const Subject *subject)
{
    if (subject->role != ROLE_BATCHES && subject->role != ROLE_INTEGERS) return;
    if (dtype_info(subject->tensor->dtype)->kind != CLASS_FLOAT) return;
    const Measure *m = &subject->sweep->measure;
    const char *dtype = dtype_name(subject->tensor->dtype), *remedy =
        audit_remedy(audit, "cast it back, or drop it where the model makes it itself",
                     "rules [[ \1 -> \1 |> cast(\"i64\") ]]");
    if (subject->sweep->whole)
        check_report_add(audit->report, FINDING_WARNING, "integer-as-float",
                         "integers stored as floats", subject->name, remedy,
                         "whole numbers, but in %s", dtype);
    else if (m->count == 1)
        check_report_add(audit->report, FINDING_WARNING, "integer-as-float",
                         "integers stored as floats", subject->name, remedy,
                         "%g in %s: averaged with others as if it were a weight", m->min, dtype);
    else
        check_report_add(audit->report, FINDING_WARNING, "integer-as-float",
                         "integers stored as floats", subject->name, remedy,
                         "fractions from %g to %g in %s: averaged with others as if it were a "
                         "weight", m->min, m->max, dtype);
}

/* Tensors that make a model's type: floats of at least 16 bits and at least one axis. */
static bool counts(const Subject *subject)
{
    const Tensor *tensor = subject->tensor;
    return tensor->rank && dtype_info(tensor->dtype)->kind == CLASS_FLOAT &&
           dtype_size(tensor->dtype) >= 2 && subject->role != ROLE_BATCHES &&
           subject->role != ROLE_INTEGERS && subject->role != ROLE_COUNTER;
}

/* The type that nearly all tensors have; DT_UNKNOWN when there is none. By tensors, not by values:
 * one large embedding must not outvote all layers. */
static DType find_rule(const Audit *audit, const Part *part)
{
    size_t tensors[DTYPE_COUNT] = {0}, all = 0;
    DType most = DT_UNKNOWN;
    for (size_t i = part->from; i < part->to; i++) {
        if (!counts(&audit->subjects[i])) continue;
        DType dtype = audit->subjects[i].tensor->dtype;
        all++;
        tensors[dtype]++;
        if (most == DT_UNKNOWN || tensors[dtype] > tensors[most]) most = dtype;
    }
    if (all < TENSORS_MIN || (all - tensors[most]) * ISLAND_SHARE > all) return DT_UNKNOWN;
    return most;
}

/* Half-precision models that keep some tensors in f32 do so on purpose. */
static bool is_on_purpose(const Subject *subject, DType rule)
{
    bool half = rule == DT_F16 || rule == DT_BF16;
    return subject->role == ROLE_BUFFER ||
           (half && (subject->tensor->dtype == DT_F32 || role_is_kept_wide(subject->name)));
}

/* What is kept wide on purpose is one note; what is not is a remark each, with the cast that would
 * undo it. */
static void check_islands(const Audit *audit, const Part *part)
{
    DType rule = find_rule(audit, part);
    if (rule == DT_UNKNOWN) return;
    const char **kept = mem_alloc((part->to - part->from + 1) * sizeof *kept);
    size_t count = 0;
    for (size_t i = part->from; i < part->to; i++) {
        const Subject *subject = &audit->subjects[i];
        if (!counts(subject) || subject->tensor->dtype == rule) continue;
        if (is_on_purpose(subject, rule)) {
            kept[count++] = subject->name;
            continue;
        }
        Text code = {0};
        text_addf(&code, "rules [[ \1 -> \1 |> cast(\"%s\") ]]", dtype_name(rule));
        check_report_add(audit->report, FINDING_WARNING, "dtype-island",
                         "tensors of another type than the rest", subject->name,
                         audit_remedy(audit, "if that was not meant", text_string(&code)),
                         "%s among %s", dtype_name(subject->tensor->dtype), dtype_name(rule));
        text_done(&code);
    }
    if (count)
        check_report_add_all(audit->report, FINDING_NOTE, "kept-wide", "tensors kept in their type",
                             kept, count, NULL, "%zu tensor%s kept in another type than %s, as is "
                             "usual for them", count, count == 1 ? " is" : "s are",
                             dtype_name(rule));
    free(kept);
}

void check_types(const Audit *audit)
{
    for (size_t p = 0; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        if (part->repeats || part->container->optimizer) continue;
        for (size_t i = part->from; i < part->to; i++)
            if (audit_is_judged(audit, part, i)) check_integers(audit, &audit->subjects[i]);
        check_islands(audit, part);
    }
}
