/* What an inverse of a plan has to say of a tensor of the source, or of its optimizer. */
#ifndef LOADER_EXPORT_PLAN_REMARK_H
#define LOADER_EXPORT_PLAN_REMARK_H

#include <stdbool.h>

/* Lost, or only rounded. */
typedef struct PlanRemark {
    const char *name;            /* of the source tensor; a place in the optimizer */
    const char *why;             /* "mean(0) has no inverse" */
    const char *rule;            /* "fix.lua:3"; NULL = not known */
    bool lost;
} PlanRemark;

#endif
