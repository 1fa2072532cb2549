/* Storages that tensors use little of. torch.save writes the whole storage of a slice, so that one
 * row of a table may cost all of it. */
#include "loader/check/checks.h"

#include <stdlib.h>

#include "loader/core/text.h"

static const uint64_t WASTE_MIN = 64 << 10;      /* bytes; less is not worth a word */

/* For qsort_r over subjects' numbers: by storage, then in the order of the file. */
static int compare_storages(const void *a, const void *b, void *context)
{
    const Subject *subjects = context;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    uintptr_t x = (uintptr_t)subjects[i].tensor->storage;
    uintptr_t y = (uintptr_t)subjects[k].tensor->storage;
    if (x != y) return x < y ? -1 : 1;
    return (i > k) - (i < k);
}

/* Half of the storage, and more than a trifle, belongs to no tensor that is listed. Views that
 * overlap are counted in full, which errs towards silence; the same view under two names is counted
 * once. */
static void check_storage(const Audit *audit, const uint32_t *views, size_t count)
{
    const Storage *storage = audit->subjects[views[0]].tensor->storage;
    uint64_t used = 0;
    const char **names = mem_alloc(count * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const Subject *subject = &audit->subjects[views[i]];
        if (subject->first != views[i]) continue;
        used += tensor_bytes(subject->tensor);
        names[n++] = subject->name;
    }
    if (n && used < storage->bytes / 2 && storage->bytes - used >= WASTE_MIN) {
        char some[32], all[32], saved[32];
        show_bytes(used, some);
        show_bytes(storage->bytes, all);
        show_bytes(storage->bytes - used, saved);
        check_report_add_all(audit->report, FINDING_WARNING, "large-storage",
                             "tensors that drag a large storage along", names, n,
                             audit_command(audit, "rewrite it", "--compact "),
                             "%s of a storage of %s; --compact saves %s", some, all, saved);
    }
    free(names);
}

/* Over all parts: a storage of which model has one half and ema the other is well used. What opaque
 * tensors need of theirs is not known. */
void check_storages(const Audit *audit)
{
    uint32_t *order = mem_alloc((audit->count + 1) * sizeof *order);
    size_t count = 0;
    for (uint32_t i = 0; i < audit->count; i++) {
        const Tensor *tensor = audit->subjects[i].tensor;
        bool opaque = tensor->encoding && tensor->encoding->opaque;
        if (tensor->storage && !opaque) order[count++] = i;
    }
    qsort_r(order, count, sizeof *order, compare_storages, audit->subjects);
    for (size_t i = 0, end; i < count; i = end) {
        const Storage *storage = audit->subjects[order[i]].tensor->storage;
        for (end = i + 1; end < count && audit->subjects[order[end]].tensor->storage == storage;)
            end++;
        check_storage(audit, order + i, end - i);
    }
    free(order);
}
