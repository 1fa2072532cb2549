/* Parts that could be meant instead of the chosen one: the same names and shapes (model beside
 * ema). How far they are apart says whether the choice matters. */
#include "loader/check/checks.h"

#include <math.h>
#include <stdlib.h>

#include "loader/core/text.h"
#include "loader/tensor/box.h"

enum { BOX_VALUES = 1 << 17, BATCH = 2048 };     /* values read, and compared, at a time */

/* Sums over all values of two parts. */
typedef struct Distance {
    double difference2, a2, b2, product;     /* of squares, and of a·b */
    double largest;                          /* difference of two values */
    uint64_t values;
} Distance;

/* Whether two parts are two copies of one model: each name of the one is in the other with the same
 * shape. The counts are compared first, which settles nearly every case. */
static bool is_rival(const Part *chosen, const Part *other)
{
    const StateDict *a = chosen->container->dict, *b = other->container->dict;
    if (other->repeats || other->container->optimizer || dict_count(a) != dict_count(b) ||
        chosen == other || !dict_count(a))
        return false;
    for (size_t i = 0; i < dict_count(a); i++) {
        const Tensor *x = dict_at(a, i), *y = dict_find(b, x->name);
        if (!y || !same_dims(x->dims, x->rank, y->dims, y->rank)) return false;
    }
    return true;
}

/* Floats that were read without trouble on both sides. */
static const Subject *find_counterpart(const Audit *audit, const Part *other,
                                       const Subject *subject)
{
    const Tensor *tensor = dict_find(other->container->dict, subject->tensor->name);
    size_t i = other->from + dict_index(other->container->dict, tensor);
    const Subject *found = &audit->subjects[i];
    bool floats = dtype_info(subject->tensor->dtype)->kind == CLASS_FLOAT &&
                  dtype_info(tensor->dtype)->kind == CLASS_FLOAT;
    return floats && subject->sweep && found->sweep ? found : NULL;
}

/* Pairs with a NaN on either side are left out: they are told of elsewhere, and would make every
 * sum NaN. */
static void add_values(Distance *distance, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) continue;
        double difference = a[i] - b[i];
        distance->difference2 += difference * difference;
        distance->a2 += a[i] * a[i];
        distance->b2 += b[i] * b[i];
        distance->product += a[i] * b[i];
        if (fabs(difference) > distance->largest) distance->largest = fabs(difference);
    }
    distance->values += n;
}

/* The two may have different types: a model in bf16 beside its average in f32. */
static void add_box(Distance *distance, const Tensor *x, const unsigned char *a, const Tensor *y,
                    const unsigned char *b, uint64_t count)
{
    double left[BATCH], right[BATCH];
    while (count) {
        size_t n = count < BATCH ? (size_t)count : BATCH;
        dtype_to_doubles(x->dtype, a, left, n);
        dtype_to_doubles(y->dtype, b, right, n);
        add_values(distance, left, right, n);
        a += n * dtype_size(x->dtype);
        b += n * dtype_size(y->dtype);
        count -= n;
    }
}

/* Both are read box by box, in the same boxes. */
static bool compare(const Tensor *x, const Tensor *y, Distance *distance, SweepStep *step,
                    void *context, Error *err)
{
    BoxWalk walk;
    if (!box_first(&walk, x->dims, x->rank, BOX_VALUES)) return true;
    size_t room = (size_t)box_count(&walk);
    unsigned char *a = mem_alloc(room * dtype_size(x->dtype));
    unsigned char *b = mem_alloc(room * dtype_size(y->dtype));
    bool ok;
    do {
        uint64_t count = box_count(&walk);
        ok = tensor_read(x, walk.from, walk.size, a, err) &&
             tensor_read(y, walk.from, walk.size, b, err);
        if (ok) add_box(distance, x, a, y, b, count);
        ok = ok && (!step || step(context, count * (dtype_size(x->dtype) + dtype_size(y->dtype)),
                                  err));
    } while (ok && box_next(&walk));
    free(a);
    free(b);
    return ok;
}

/* Relative to the chosen one: |a - b| / |a| over all values of all tensors together. */
static void report_rival(const Audit *audit, const Part *other, const Distance *distance)
{
    const Container *chosen = audit->parts[0].container;
    CheckReport *report = audit->report;
    Text name = {0}, mine = {0};
    name_show(*other->container->path ? other->container->path : "(top level)", &name);
    name_show(*chosen->path ? chosen->path : "(top level)", &mine);
    const char *remedy = arena_printf(check_report_arena(report), "say which one is meant: %s::%s",
                                      audit->file, *other->container->path ? text_string(&name)
                                                                           : text_string(&mine));
    double length = sqrt(distance->a2), both = sqrt(distance->a2 * distance->b2);
    if (distance->difference2 <= 0)
        check_report_add(report, FINDING_NOTE, "rival", "parts that could be meant as well", NULL,
                         remedy, "%s has the names, shapes and values of %s", text_string(&name),
                         text_string(&mine));
    else
        check_report_add(report, FINDING_NOTE, "rival", "parts that could be meant as well", NULL,
                         remedy, "%s has the names and shapes of %s: relative distance %.3g, "
                         "largest difference %.3g, cosine %.6f", text_string(&name),
                         text_string(&mine), length > 0 ? sqrt(distance->difference2) / length : 0,
                         distance->largest, both > 0 ? distance->product / both : 0);
    text_done(&name);
    text_done(&mine);
}

/* All tensors of one pair of parts. */
static bool measure_rival(const Audit *audit, const Part *other, SweepStep *step, void *context,
                          Error *err)
{
    Distance distance = {0};
    const Part *chosen = &audit->parts[0];
    for (size_t i = chosen->from; i < chosen->to; i++) {
        const Subject *a = &audit->subjects[i], *b = find_counterpart(audit, other, a);
        if (b && !compare(a->tensor, b->tensor, &distance, step, context, err)) return false;
    }
    report_rival(audit, other, &distance);
    return true;
}

bool check_rivals(const Audit *audit, SweepStep *step, void *context, Error *err)
{
    for (size_t p = 1; p < audit->part_count; p++)
        if (is_rival(&audit->parts[0], &audit->parts[p]) &&
            !measure_rival(audit, &audit->parts[p], step, context, err))
            return false;
    return true;
}

uint64_t check_rivals_bytes(const Audit *audit)
{
    uint64_t bytes = 0;
    for (size_t p = 1; p < audit->part_count; p++)
        if (is_rival(&audit->parts[0], &audit->parts[p]))
            bytes += dict_bytes(audit->parts[0].container->dict) +
                     dict_bytes(audit->parts[p].container->dict);
    return bytes;
}
