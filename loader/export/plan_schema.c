/* Expressions over tensors that are only described. */
#include "loader/export/plan_schema.h"

/* Names and dims are the file's, and checked as those of any file. */
static bool add_tensor(StateDict *dict, const char *name, const int64_t *dims, uint8_t rank,
                       DType dtype, Error *err)
{
    Tensor tensor = {.name = name, .dims = dims, .rank = rank, .dtype = dtype};
    return tensor_check(&tensor, err) && (dict_add(dict, &tensor) || true);
}

/* What fits a kept value is a tensor of the entry's own shape: the target's. */
static bool add_tensors(PlanSchema *schema, const PlanFile *file, Error *err)
{
    for (size_t i = 0; i < file->tensor_count; i++) {
        const PlanFileTensor *one = &file->tensors[i];
        if (!add_tensor(schema->source, one->name, one->dims, one->rank, one->dtype, err))
            return plan_file_prefix(file, one->name, err);
    }
    for (size_t i = 0; i < file->entry_count; i++) {
        const PlanFileEntry *one = &file->entries[i];
        if (!add_tensor(schema->target, one->name, one->dims, one->rank, one->dtype, err))
            return plan_file_prefix(file, one->name, err);
    }
    return true;
}

static void see_unknown(const Tensor *tensor, void *unknown)
{
    if (!tensor->dims || tensor->dtype == DT_UNKNOWN) *(bool *)unknown = true;
}

static const Expr *read_entry(PlanSchema *schema, const PlanFileEntry *entry, Error *err)
{
    if (entry->alias >= 0) return schema->exprs[entry->alias];
    const Expr *e = expr_read_json(schema->arena, entry->expr, schema->source, schema->target, err);
    bool unknown = e && e->unknown;
    if (e) expr_leaves(e, see_unknown, &unknown);
    if (unknown) {
        error_set(err, ERR_SHAPE, "the plan does not say shape and dtype of what it is made of");
        return NULL;
    }
    bool same = !e || !entry->dims || same_dims(entry->dims, entry->rank, e->dims, e->rank);
    if (!same || (e && entry->dtype != DT_UNKNOWN && entry->dtype != e->dtype)) {
        error_set(err, ERR_SHAPE, "its expression gives another shape or dtype than the plan says");
        return NULL;
    }
    return e;
}

bool plan_schema_read(PlanSchema *schema, const PlanFile *file, Error *err)
{
    *schema = (PlanSchema){.arena = arena_new(), .source = dict_new(), .target = dict_new()};
    schema->exprs = arena_alloc(schema->arena, (file->entry_count + 1) * sizeof *schema->exprs);
    if (!add_tensors(schema, file, err)) {
        plan_schema_done(schema);
        return false;
    }
    for (size_t i = 0; i < file->entry_count; i++) {
        schema->exprs[i] = read_entry(schema, &file->entries[i], err);
        if (schema->exprs[i]) continue;
        plan_file_prefix(file, file->entries[i].name, err);
        plan_schema_done(schema);
        return false;
    }
    return true;
}

void plan_schema_done(PlanSchema *schema)
{
    dict_unref(schema->source);
    dict_unref(schema->target);
    arena_free(schema->arena);
    *schema = (PlanSchema){0};
}
