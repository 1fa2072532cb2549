/* Each tensor of the source once, as it is. */
#include "loader/export/renames.h"

#include <stdlib.h>
#include <string.h>

/* Sets "tensor 'NAME' WHAT, …". */
static bool refuse(const char *name, const char *what, Error *err)
{
    Text shown = {0};
    show_short(name, 200, &shown);
    error_set(err, ERR_UNSUPPORTED, "tensor '%s' %s, and in place only names can change; write "
              "another file with -o", text_string(&shown), what);
    text_done(&shown);
    return false;
}

/* The source tensor that an entry is under another name. */
static const Tensor *find_source(const Plan *plan, const PlanEntry *entry, Error *err)
{
    const Tensor *tensor = plan_unchanged(entry);
    if (entry->expr->kind == EX_TARGET) {
        refuse(entry->name, "has the target's own value", err);
        return NULL;
    }
    const bool own = tensor && dict_find(plan->source_dict, tensor->name) == tensor;
    if (!own) refuse(entry->name, "is computed (an op, a cast or another byte order)", err);
    return own ? tensor : NULL;
}

static bool fill(const Plan *plan, Renames *renames, Error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        const Tensor *tensor = find_source(plan, entry, err);
        if (!tensor) return false;
        const size_t at = dict_index(plan->source_dict, tensor);
        if (renames->entries[at]) return refuse(tensor->name, "is written under two names", err);
        renames->entries[at] = entry;
    }
    for (size_t i = 0; i < dict_count(plan->source_dict); i++)
        if (!renames->entries[i])
            return refuse(dict_at(plan->source_dict, i)->name, "is left out", err);
    return true;
}

bool renames_find(const Plan *plan, Renames *renames, Error *err)
{
    *renames = (Renames){.plan = plan, .dict = plan->source_dict};
    renames->entries = mem_alloc((dict_count(plan->source_dict) + 1) * sizeof *renames->entries);
    if (fill(plan, renames, err)) return true;
    renames_done(renames);
    return false;
}

void renames_done(Renames *renames)
{
    free(renames->entries);
    *renames = (Renames){0};
}

bool renames_any(const Renames *renames)
{
    for (size_t i = 0; i < dict_count(renames->dict); i++)
        if (strcmp(dict_at(renames->dict, i)->name, renames->entries[i]->name) != 0) return true;
    return false;
}

static bool is_same_place(const Tensor *a, const Tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->offset == b->offset &&
           same_dims(a->dims, a->rank, b->dims, b->rank) && a->storage && b->storage &&
           a->storage->bytes == b->storage->bytes && a->storage->offset == b->storage->offset;
}

bool renames_check(const Renames *renames, const StateDict *now, const char *path, Error *err)
{
    bool same = dict_count(now) == dict_count(renames->dict);
    for (size_t i = 0; same && i < dict_count(now); i++)
        same = is_same_place(dict_at(now, i), dict_at(renames->dict, i));
    return same || error_set(err, ERR_IO, "%s: was changed by somebody else meanwhile; look at it "
                             "again", path);
}
