/* Tells the sources of a plan what of them will be read, in the order in which its output is
 * written: one that lies on a server then fetches that, together, and nothing else. */
#ifndef LOADER_EXPORT_PLAN_WANT_H
#define LOADER_EXPORT_PLAN_WANT_H

#include "loader/export/plan.h"

void plan_want(const Plan *plan);

#endif
