/* A plan as a Python function that needs nothing but PyTorch: `convert(sd)` takes the source's
 * state dict and returns the target's. Entries that are alike but for numbers in their names become
 * one line in a loop. Names are anybody's: they stand in the text as escaped ASCII. */
#ifndef LOADER_EXPORT_PLAN_EMIT_H
#define LOADER_EXPORT_PLAN_EMIT_H

#include "loader/export/plan_schema.h"

/* Fails, naming the tensor, where PyTorch has no such operation or dtype (ERR_UNSUPPORTED). */
bool plan_emit_python(const PlanFile *file, Text *out, Error *err);

#endif
