/* Remarks become findings: those of one kind that say the same of tensors whose names fold are one.
 * What is said is the class under which names may share a line, so nothing is blurred. */
#include "loader/check/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/fold.h"
#include "loader/core/map.h"
#include "loader/core/text.h"

typedef struct Remark {
    CheckFinding finding;        /* tensor, not tensors; or tensors, not tensor */
    uint32_t kind;               /* number of the kind, in the order of their coming */
    uint32_t class;              /* number of what is said: kind, level, what, remedy */
    uint32_t order;              /* its place among all */
} Remark;

struct CheckReport {
    Arena *arena;                /* texts and lists; owned */
    Remark *remarks;             /* owned */
    size_t count, room;
    NameMap kinds, classes, seen;    /* names in the arena */
    CheckFinding *findings;      /* in the arena; NULL until folded */
    size_t finding_count;
};

/* The maps are empty as zeros. */
CheckReport *check_report_new(void)
{
    CheckReport *report = mem_alloc(sizeof *report);
    report->arena = arena_new();
    return report;
}

void check_report_free(CheckReport *report)
{
    if (!report) return;
    map_done(&report->kinds);
    map_done(&report->classes);
    map_done(&report->seen);
    free(report->remarks);
    arena_free(report->arena);
    free(report);
}

Arena *check_report_arena(CheckReport *report)
{
    return report->arena;
}

/* The number of a text, new ones numbered on. */
static uint32_t number_of(CheckReport *report, NameMap *map, const char *text)
{
    uint32_t number = map_get(map, text);
    if (number != MAP_NONE) return number;
    number = (uint32_t)map->count;
    map_set(map, arena_strdup(report->arena, text), number);
    return number;
}

/* Whether a kind was remarked on of this tensor before; the file counts for each text. */
static bool is_known(CheckReport *report, const CheckFinding *finding)
{
    Text key = {0};
    text_addf(&key, "%s\n%s", finding->kind, finding->tensor ? finding->tensor : "");
    if (!finding->tensor) text_addf(&key, "\n%s", finding->what);
    size_t before = report->seen.count;
    bool known = number_of(report, &report->seen, text_string(&key)) < before;
    text_done(&key);
    return known;
}

/* Kinds keep the order in which they came up: whoever adds first is told first. */
static void add_remark(CheckReport *report, const CheckFinding *finding)
{
    Text class = {0};
    text_addf(&class, "%s\n%d\n%s\n%s", finding->kind, (int)finding->level, finding->what,
              finding->remedy ? finding->remedy : "");
    report->remarks = mem_grow(report->remarks, &report->room, report->count + 1,
                               sizeof *report->remarks);
    report->remarks[report->count] =
        (Remark){*finding, number_of(report, &report->kinds, finding->kind),
                 number_of(report, &report->classes, text_string(&class)),
                 (uint32_t)report->count};
    report->count++;
    text_done(&class);
}

/* What is said, in the arena. */
static const char *format_what(CheckReport *report, const char *format, va_list args)
{
    Text what = {0};
    text_addv(&what, format, args);
    return text_keep(&what, report->arena);
}

void check_report_add(CheckReport *report, FindingLevel level, const char *kind, const char *head,
                      const char *tensor, const char *remedy, const char *format, ...)
{
    CheckFinding finding = {.level = level, .kind = kind, .head = head, .tensor = tensor,
                            .remedy = remedy, .count = tensor != NULL};
    va_list args;
    va_start(args, format);
    finding.what = format_what(report, format, args);
    va_end(args);
    if (!is_known(report, &finding)) add_remark(report, &finding);
}

/* Lists are taken as they are: who makes one has seen to it that it is made once. */
void check_report_add_all(CheckReport *report, FindingLevel level, const char *kind,
                          const char *head, const char *const *tensors, size_t count,
                          const char *remedy, const char *format, ...)
{
    CheckFinding finding = {.level = level, .kind = kind, .head = head, .remedy = remedy,
                            .count = count};
    va_list args;
    va_start(args, format);
    finding.what = format_what(report, format, args);
    va_end(args);
    finding.tensors = arena_copy(report->arena, tensors, count * sizeof *tensors);
    add_remark(report, &finding);
}

/* -- Folding --------------------------------------------------------------------------- */

/* Worst first; kinds together, in the order of their coming. */
static int compare_remarks(const void *a, const void *b)
{
    const Remark *x = a, *y = b;
    if (x->finding.level != y->finding.level) return x->finding.level > y->finding.level ? -1 : 1;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* "a.{0-3}.weight, b.bias": the names of a list, folded. */
static const char *fold_list(CheckReport *report, const char *const *names, size_t count)
{
    Arena *scratch = arena_new();
    Folded *folded;
    size_t lines = fold_names(scratch, names, NULL, count, &folded);
    Text text = {0};
    for (size_t i = 0; i < lines; i++) text_addf(&text, "%s%s", i ? ", " : "", folded[i].text);
    const char *copy = text_keep(&text, report->arena);
    arena_free(scratch);
    return copy;
}

/* Whether folded names mean themselves as a pattern, inside rules [[ … ]] inside a shell's quotes.
 * A part other than the chosen one ("ema::x") is no key of what would be aligned. */
static bool is_pattern(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./-{},";
    return *text && !text[strspn(text, plain)] && !strstr(text, "--");
}

/* Puts the names in, wherever they are asked for. NULL where they cannot stand in a rule. */
static const char *fill_remedy(CheckReport *report, const CheckFinding *finding)
{
    const char *at = finding->remedy;
    if (!at || !strchr(at, CHECK_KEYS)) return at;
    if (!finding->tensor || !is_pattern(finding->tensor)) return NULL;
    Text text = {0};
    for (; *at; at++) {
        if (*at == CHECK_KEYS) text_add(&text, finding->tensor);
        else text_addc(&text, *at);
    }
    return text_keep(&text, report->arena);
}

static void keep(CheckReport *report, const CheckFinding *finding)
{
    CheckFinding *own = &report->findings[report->finding_count++];
    *own = *finding;
    own->remedy = fill_remedy(report, finding);
}

/* The remarks of one kind and level about single tensors. */
/* They share a line when their class is the same and their names fold; else each has its own. */
static void fold_group(CheckReport *report, const Remark *remarks, size_t n)
{
    const char **names = mem_alloc(n * sizeof *names);
    uint32_t *classes = mem_alloc(n * sizeof *classes);
    for (size_t i = 0; i < n; i++) {
        names[i] = remarks[i].finding.tensor;
        classes[i] = remarks[i].class;
    }
    Folded *folded;
    size_t lines = fold_names(report->arena, names, classes, n, &folded);
    for (size_t i = 0; i < lines; i++) {
        CheckFinding finding = remarks[folded[i].members[0]].finding;
        const char **tensors = arena_alloc(report->arena, folded[i].count * sizeof *tensors);
        for (size_t k = 0; k < folded[i].count; k++) tensors[k] = names[folded[i].members[k]];
        finding.tensor = folded[i].text;
        finding.tensors = tensors;
        finding.count = folded[i].count;
        keep(report, &finding);
    }
    free(names);
    free(classes);
}

/* One that has its list, or none, already. */
static void fold_single(CheckReport *report, const Remark *remark)
{
    CheckFinding finding = remark->finding;
    if (finding.tensors) finding.tensor = fold_list(report, finding.tensors, finding.count);
    keep(report, &finding);
}

/* Lists and the file as a whole are not folded with others. */
static bool is_about_one(const Remark *remark)
{
    return remark->finding.tensor != NULL;
}

/* A finding for each remark at most, so the array is as long as there are remarks. */
void check_report_fold(CheckReport *report)
{
    const Remark *remarks = report->remarks;
    if (report->count) qsort(report->remarks, report->count, sizeof *remarks, compare_remarks);
    report->findings = arena_alloc(report->arena,
                                   (report->count + 1) * sizeof *report->findings);
    for (size_t i = 0, end; i < report->count; i = end) {
        end = i + 1;
        if (!is_about_one(&remarks[i])) {
            fold_single(report, &remarks[i]);
            continue;
        }
        while (end < report->count && is_about_one(&remarks[end]) &&
               remarks[end].kind == remarks[i].kind &&
               remarks[end].finding.level == remarks[i].finding.level)
            end++;
        fold_group(report, remarks + i, end - i);
    }
}

size_t check_report_count(const CheckReport *report)
{
    return report->finding_count;
}

const CheckFinding *check_report_at(const CheckReport *report, size_t index)
{
    return &report->findings[index];
}

size_t check_report_level(const CheckReport *report, FindingLevel level)
{
    size_t count = 0;
    for (size_t i = 0; i < report->finding_count; i++) count += report->findings[i].level == level;
    return count;
}
