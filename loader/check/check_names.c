/* What names alone tell. */
#include "loader/check/checks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/core/text.h"

enum { NAME_BYTES_SANE = 1024 };     /* the longest of real models have about 200 */

/* thop's profiler registers total_ops and total_params as buffers of every module that it looks at,
 * and a state dict saved afterwards has them. All are one remark: there are hundreds in a model. */
static void check_counters(const Audit *audit, const Part *part)
{
    const char **names = mem_alloc((part->to - part->from + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = part->from; i < part->to; i++)
        if (audit->subjects[i].role == ROLE_COUNTER) names[count++] = audit->subjects[i].name;
    if (count)
        check_report_add_all(audit->report, FINDING_WARNING, "profiler", "a profiler's counters",
                             names, count,
                             audit_remedy(audit, "drop them",
                                          "rules [[ **.total_ops -> ; **.total_params -> ]]"),
                             "%zu counters that thop left in the model: load_state_dict calls them "
                             "unexpected", count);
    free(names);
}

/* "model_ema" in "model_ema.x": the first part, when it speaks of an average. Its length, or 0. */
static size_t average_prefix(const char *name)
{
    size_t n = strcspn(name, "./");
    if (!name[n] || n >= 64) return 0;
    char part[64];
    memcpy(part, name, n);
    part[n] = '\0';
    return role_has_word(part, "ema") || role_has_word(part, "swa") ? n : 0;
}

/* A running average in the same dict as what it averages (model_ema.* of latent diffusion). A dict
 * that is nothing but an average is what it is, and is not remarked on. */
static void check_averages(const Audit *audit, const Part *part)
{
    const char **names = mem_alloc((part->to - part->from + 1) * sizeof *names);
    size_t count = 0, prefix = 0;
    for (size_t i = part->from; i < part->to; i++) {
        size_t n = average_prefix(audit->subjects[i].tensor->name);
        if (!n) continue;
        prefix = n;
        names[count++] = audit->subjects[i].name;
    }
    if (count > 1 && count < part->to - part->from)
        check_report_add_all(audit->report, FINDING_NOTE, "average", "a running average inside",
                             names, count, "keep only one of the two: keep \"PREFIX.\", or "
                             "PREFIX.** -> to drop it",
                             "%zu tensors below '%.*s' average the other %zu", count, (int)prefix,
                             names[0], part->to - part->from - count);
    free(names);
}

/* ASCII only: which letters are one in other alphabets depends on who is asked. */
static const char *lower(Arena *arena, const char *name)
{
    char *copy = arena_strdup(arena, name);
    for (char *p = copy; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + ('a' - 'A'));
    return copy;
}

/* Linear: folded names are looked up, not compared with each other. */
static void check_case(const Audit *audit, const Part *part)
{
    Arena *arena = arena_new();
    NameMap seen = {0};
    for (size_t i = part->from; i < part->to; i++) {
        const Subject *subject = &audit->subjects[i];
        const char *key = lower(arena, subject->tensor->name);
        uint32_t before = map_get(&seen, key);
        if (before == MAP_NONE) {
            map_set(&seen, key, (uint32_t)i);
            continue;
        }
        const char *names[] = {audit->subjects[before].name, subject->name};
        check_report_add_all(audit->report, FINDING_NOTE, "key-case",
                             "names that differ only in case", names, 2, NULL,
                             "tools that store a tensor as a file may keep one of them only");
    }
    map_done(&seen);
    arena_free(arena);
}

/* C0 80 is how a NUL is held in a name (text.h). Such names are kept and can be renamed; they are
 * only a trap for whatever prints or splits them. */
static void check_name(const Audit *audit, const Subject *subject)
{
    const char *name = subject->tensor->name;
    bool control = strstr(name, "\xC0\x80") != NULL;
    for (const char *p = name; *p; p++) control = control || (unsigned char)*p < 0x20 || *p == 0x7F;
    if (control)
        check_report_add(audit->report, FINDING_WARNING, "odd-name", "names with odd characters",
                         subject->name, "rename it by a rule, in which \"\\x0a\" means a byte",
                         "control characters in a name");
    else if (!name_is_text(name))
        check_report_add(audit->report, FINDING_WARNING, "odd-name", "names with odd characters",
                         subject->name, "rename it by a rule",
                         "bytes that are no UTF-8: safetensors and JSON cannot hold them");
    if (strlen(name) > NAME_BYTES_SANE)
        check_report_add(audit->report, FINDING_WARNING, "long-name", "very long names",
                         subject->name, NULL, "%zu bytes", strlen(name));
}

/* Training state beside the weights, which a release does not need. Adam keeps two numbers for each
 * weight, so it is often most of the file. */
static void check_optimizer(const Audit *audit)
{
    uint64_t state = 0;
    size_t tensors = 0;
    for (size_t p = 1; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        if (!part->container->optimizer) continue;
        for (size_t i = part->from; i < part->to; i++) {
            if (audit->subjects[i].first != i) continue;
            state += tensor_bytes(audit->subjects[i].tensor);
            tensors++;
        }
    }
    char bytes[32];
    show_bytes(state, bytes);
    if (tensors)
        check_report_add(audit->report, FINDING_NOTE, "optimizer", "optimizer state", NULL,
                         audit_command(audit, "to keep the weights alone", ""),
                         "%s in %zu tensor%s", bytes, tensors, tensors == 1 ? "" : "s");
}

/* Optimizer state has names of its own, which nobody chose. */
void check_names(const Audit *audit)
{
    for (size_t p = 0; p < audit->part_count; p++) {
        const Part *part = &audit->parts[p];
        if (part->repeats || part->container->optimizer) continue;
        for (size_t i = part->from; i < part->to; i++)
            check_name(audit, &audit->subjects[i]);
        check_counters(audit, part);
        check_averages(audit, part);
        check_case(audit, part);
    }
    check_optimizer(audit);
}
