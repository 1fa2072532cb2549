/* What a plan's file itself says of the tensors that it stands on: names, shapes and dtypes, enough
 * to read its expressions without opening anything. */
#ifndef LOADER_EXPORT_PLAN_SCHEMA_H
#define LOADER_EXPORT_PLAN_SCHEMA_H

#include "loader/export/plan_file.h"

typedef struct PlanSchema {
    Arena *arena;                /* owned; of the expressions */
    StateDict *source, *target;  /* references; tensors without data */
    const Expr **exprs;          /* [entry_count] of the file, in the arena; an alias has the
                                    expression of the entry that it names */
} PlanSchema;

/* Reads all expressions. The file must outlive the schema. */
bool plan_schema_read(PlanSchema *schema, const PlanFile *file, Error *err);
void plan_schema_done(PlanSchema *schema);

#endif
