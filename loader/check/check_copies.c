/* Values that are there twice: under two names (tied, no fault), or in two places, which for layers
 * of one stack means that one was copied over another. */
#include "loader/check/checks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"

enum { VALUES_MIN = 16 };        /* fewer may be equal by chance, or by design */

/* -- Tied ------------------------------------------------------------------------------ */

/* For qsort_r over subjects' numbers: the same bytes together, in the order of the file. */
static int compare_firsts(const void *a, const void *b, void *context)
{
    const Subject *subjects = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    uint32_t x = subjects[i].first, y = subjects[k].first;
    if (x != y) return x < y ? -1 : 1;
    return (i > k) - (i < k);
}

/* Sorted by their first, the names of one storage stand together. Tensors without elements share
 * an empty storage by chance. */
static void check_tied(const Audit *audit, const Part *part)
{
    size_t count = part->to - part->from;
    uint32_t *order = mem_alloc((count + 1) * sizeof *order);
    const char **names = mem_alloc((count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) order[i] = (uint32_t)(part->from + i);
    qsort_r(order, count, sizeof *order, compare_firsts, audit->subjects);
    for (size_t i = 0, end; i < count; i = end) {
        uint32_t first = audit->subjects[order[i]].first;
        size_t n = 0;
        for (end = i; end < count && audit->subjects[order[end]].first == first; end++)
            names[n++] = audit->subjects[order[end]].name;
        if (n > 1 && tensor_count(audit->subjects[order[i]].tensor))
            check_report_add_all(audit->report, FINDING_NOTE, "tied", "tied tensors", names, n,
                                 NULL, "%zu names share one storage", n);
    }
    free(order);
    free(names);
}

/* -- Copies ---------------------------------------------------------------------------- */

/* A learned tensor that is neither constant nor tiny. Buffers that are computed are equal in every
 * layer, biases may all be 0, and norms all 1: they tell nothing. */
static bool is_telling(const Audit *audit, const Part *part, size_t i)
{
    const Subject *subject = &audit->subjects[i];
    if (!audit_is_judged(audit, part, i) || subject->role != ROLE_WEIGHT) return false;
    const Measure *m = &subject->sweep->measure;
    return m->count >= VALUES_MIN && m->min < m->max;
}

/* For qsort_r over subjects' numbers: equal contents together, in the order of the file. */
static int compare_content(const void *a, const void *b, void *context)
{
    const Subject *subjects = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    uint64_t x = subjects[i].sweep->hash, y = subjects[k].sweep->hash;
    if (x != y) return x < y ? -1 : 1;
    DType first = subjects[i].tensor->dtype, second = subjects[k].tensor->dtype;
    if (first != second) return first < second ? -1 : 1;
    return (i > k) - (i < k);
}

/* The hash alone could meet by chance among a million tensors; with the sums it cannot. */
static bool same_content(const Subject *x, const Subject *y)
{
    return x->sweep->hash == y->sweep->hash && x->tensor->dtype == y->tensor->dtype &&
           same_dims(x->tensor->dims, x->tensor->rank, y->tensor->dims, y->tensor->rank) &&
           memcmp(&x->sweep->measure, &y->sweep->measure, sizeof(Measure)) == 0;
}

/* A run of digits; returns its length. */
static size_t read_number(const char *text, uint64_t *number)
{
    size_t n = 0;
    for (*number = 0; is_digit(text[n]) && n < 9; n++)
        *number = *number * 10 + (uint64_t)(text[n] - '0');
    return n;
}

/* Whether two names differ in one number only, and by how much ("layers.12.fc", "layers.8.fc"). */
static bool same_but_number(const char *a, const char *b, int64_t *apart)
{
    bool differs = false;
    while (*a && *b) {
        uint64_t x, y;
        size_t n = read_number(a, &x), m = read_number(b, &y);
        if (n && m) {
            if (x != y && differs) return false;
            if (x != y) *apart = (int64_t)x - (int64_t)y;
            differs = differs || x != y;
            a += n;
            b += m;
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return differs && *a == *b;
}

/* One that has the same content as an earlier one. Of two places in a stack of layers that is a
 * fault; of others (embedding and head) it is a tie that the format could not keep. How far apart
 * the layers are is said, and not which they are, so that whole blocks fold into one finding. */
static void report_copy(const Audit *audit, const Subject *original, const Subject *copy)
{
    int64_t apart;
    if (same_but_number(copy->tensor->name, original->tensor->name, &apart)) {
        check_report_add(audit->report, FINDING_WARNING, "duplicate-layer",
                         "layers with the values of another", copy->name,
                         "one was copied over the other, or both still are what they started "
                         "from; compare with the model that was trained",
                         "the same values as the layer numbered %" PRId64 " %s", apart > 0 ? apart
                         : -apart, apart > 0 ? "lower" : "higher");
        return;
    }
    char bytes[32];
    show_bytes(tensor_bytes(copy->tensor), bytes);
    const char *names[] = {original->name, copy->name};
    check_report_add_all(audit->report, FINDING_NOTE, "copy", "values stored twice", names, 2,
                         "if they are meant to be one, say so: tie(\"COPY\", \"ORIGINAL\")",
                         "%s of equal values that do not share storage", bytes);
}

/* Every copy is compared with the first of its kind, so that k equal layers are k - 1 remarks. */
static void check_equals(const Audit *audit, const Part *part)
{
    uint32_t *order = mem_alloc((part->to - part->from + 1) * sizeof *order);
    size_t count = 0;
    for (size_t i = part->from; i < part->to; i++)
        if (is_telling(audit, part, i)) order[count++] = (uint32_t)i;
    qsort_r(order, count, sizeof *order, compare_content, audit->subjects);
    for (size_t i = 0, end; i < count; i = end) {
        const Subject *original = &audit->subjects[order[i]];
        for (end = i + 1; end < count && same_content(original, &audit->subjects[order[end]]);
             end++)
            report_copy(audit, original, &audit->subjects[order[end]]);
    }
    free(order);
}

/* Each part by itself: between model and ema equal values are to be expected. */
void check_copies(const Audit *audit)
{
    for (size_t p = 0; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        if (part->repeats || part->container->optimizer) continue;
        check_equals(audit, part);
        check_tied(audit, part);
    }
}
