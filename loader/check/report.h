/* CheckReport: what a check has found, first as single remarks, then alike ones folded into one
 * finding with exactly the tensors that it is about. */
#ifndef LOADER_CHECK_REPORT_H
#define LOADER_CHECK_REPORT_H

#include "loader/core/memory.h"
#include "loader/tensor/checkpoint.h"

/* One finding: about one tensor, many, or the file. */
typedef struct CheckFinding {
    FindingLevel level;
    const char *kind;            /* a word for programs; tenon(1) lists them */
    const char *head;            /* what all findings of the kind are about; NULL: `what` says it */
    const char *tensor;          /* the tensors' names, folded; NULL: the file */
    const char *what;            /* one line, with numbers */
    const char *remedy;          /* what to do; NULL: nothing, or `what` says it */
    const char *const *tensors;  /* [count] held names; a part that is not the chosen one is named
                                    before it: "ema::fc.weight" */
    size_t count;                /* tensors; 0 when it is about the file */
} CheckFinding;

typedef struct CheckReport CheckReport;

/* In a remedy: the folded names of the tensors, which are a pattern of the rule language. A remedy
 * whose names cannot stand there is left out. */
enum { CHECK_KEYS = 1 };         /* a character */

CheckReport *check_report_new(void);
void check_report_free(CheckReport *report);     /* NULL is fine */
/* For names and texts that are handed to check_report_add. */
Arena *check_report_arena(CheckReport *report);

/* A remark. `kind` and `head` are constants, `remedy` and `tensor` are borrowed from what lives as
 * long as the report (its arena); what is formatted is copied. Of several remarks of one kind on
 * the same tensor the first is kept. */
void check_report_add(CheckReport *report, FindingLevel level, const char *kind, const char *head,
                      const char *tensor, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* One remark about many tensors, which need not be alike; the list is copied, the names are not. */
void check_report_add_all(CheckReport *report, FindingLevel level, const char *kind,
                          const char *head, const char *const *tensors, size_t count,
                          const char *remedy, const char *format, ...)
    __attribute__((format(printf, 8, 9)));

/* Folds the remarks: worst first, then by kind in the order in which kinds came up. Nothing may be
 * added afterwards. */
void check_report_fold(CheckReport *report);
size_t check_report_count(const CheckReport *report);
const CheckFinding *check_report_at(const CheckReport *report, size_t index);
/* How many findings of a level there are. */
size_t check_report_level(const CheckReport *report, FindingLevel level);

#endif
