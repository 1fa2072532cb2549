/* From a plan's file to a Plan: its sources opened, its expressions over their tensors. */
#include "loader/export/plan_open.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/export/pickle_writer.h"
#include "loader/export/plan_optimizer.h"
#include "loader/format/format.h"
#include "loader/format/graph.h"

/* ---- sources ---- */

/* A path that is relative counts from the plan's folder. */
static char *find_path(const PlanFile *file, const PlanSource *source, const char *given)
{
    if (given) return mem_strdup(given);
    const char *own = source->path ? source->path : "";
    if (!own[0] || own[0] == '/') return mem_strdup(own);
    char *folder = path_folder(file->path);
    Text path = {0};
    if (strcmp(folder, ".") != 0) text_addf(&path, "%s/", folder);
    text_add(&path, own);
    free(folder);
    return path.bytes;
}

/* Another file of that name, or the same one after it was changed. */
static bool check_print(const PlanFile *file, const PlanSource *source,
                        const Checkpoint *checkpoint, const StateDict *dict, Error *err)
{
    Fingerprint print;
    const char *path = checkpoint_path(checkpoint);      /* of a URL what is shown of it */
    const char *option = source->target ? "--target" : "--source";
    if (!source->print.sha256[0]) return true;
    if (!fingerprint_make(checkpoint, dict, &print, err)) return false;
    if (print.size != source->print.size)
        return error_set(err, ERR_FORMAT, "%s: is not the file that %s was made for: it has %"
                         PRIu64 " bytes, that one had %" PRIu64 "; name the right one with %s "
                         "FILE, or make the plan again", path, file->path, print.size,
                         source->print.size, option);
    if (strcmp(print.sha256, source->print.sha256) == 0) return true;
    return error_set(err, ERR_FORMAT, "%s: is not the file that %s was made for: as large, but its "
                     "header_sha256 begins with %.12s, not %.12s; name the right one with %s FILE, "
                     "or make the plan again", path, file->path, print.sha256,
                     source->print.sha256, option);
}

/* The dict in a checkpoint that values are taken from; one that the plan does not name is the one
 * that holds the weights. */
static const Container *find_dict(const PlanFile *file, const PlanSource *source,
                                  const Checkpoint *checkpoint, Error *err)
{
    if (!source->container) return checkpoint_choose_weights(checkpoint, NULL, err);
    const Container *container = checkpoint_find_container(checkpoint, source->container);
    if (container) return container;
    Text shown = {0};
    show_short(source->container, 200, &shown);
    error_set(err, ERR_NOT_FOUND, "%s: holds no dict of tensors at '%s', where %s has its; it is "
              "another file", checkpoint_path(checkpoint), text_string(&shown),
              file->path);
    text_done(&shown);
    return NULL;
}

/* A new reference to one source's checkpoint, which is the file that the plan means. */
static Checkpoint *open_source(const PlanFile *file, const PlanSource *source, const char *given,
                               Error *err)
{
    if (!given && !source->path) {
        error_set(err, ERR_USAGE, "%s: does not say which file its %s is; name it with %s FILE",
                  file->path, source->target ? "target" : "source",
                  source->target ? "--target" : "--source");
        return NULL;
    }
    char *path = find_path(file, source, given);
    Checkpoint *checkpoint = checkpoint_open(path, err);
    const Container *found = checkpoint ? find_dict(file, source, checkpoint, err) : NULL;
    bool fine = found && check_print(file, source, checkpoint, found->dict, err);
    free(path);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* ---- entries ---- */

/* What the plan says of the entry is what its expression gives. */
static bool check_result(const PlanFileEntry *entry, const Expr *expr, Error *err)
{
    if (expr->unknown) return error_set(err, ERR_SHAPE, "its shape cannot be told");
    if (entry->dtype != DT_UNKNOWN && entry->dtype != expr->dtype)
        return error_set(err, ERR_SHAPE, "its expression gives %s, the plan says %s",
                         dtype_name(expr->dtype), dtype_name(entry->dtype));
    if (!entry->dims || same_dims(entry->dims, entry->rank, expr->dims, expr->rank)) return true;
    Text gives = {0}, says = {0};
    show_shape(expr->dims, expr->rank, &gives);
    show_shape(entry->dims, entry->rank, &says);
    error_set(err, ERR_SHAPE, "its expression gives %s, the plan says %s", text_string(&gives),
              text_string(&says));
    text_done(&gives);
    text_done(&says);
    return false;
}

/* Ties have the value of the first of them: a storage has one. */
static bool add_entry(Plan *plan, const PlanFile *file, const PlanFileEntry *entry, Error *err)
{
    const Expr *expr =
        entry->alias >= 0 ? plan->entries[entry->alias].expr
                          : expr_read_json(plan->arena, entry->expr, plan->source_dict,
                                           plan->target_dict, err);
    if (!expr || !check_result(entry, expr, err)) return plan_file_prefix(file, entry->name, err);
    const char *name = entry->name;
    const Tensor *own = plan->target_dict ? dict_find(plan->target_dict, name) : NULL;
    if (!plan_check_value(plan, name, own, expr, err)) return error_prefix(err, "%s", file->path);
    PlanEntry *to = &plan->entries[plan->count++];
    *to = (PlanEntry){.name = name, .expr = expr, .dims = expr->dims, .dtype = expr->dtype,
                      .rank = expr->rank, .alias = entry->alias};
    if (entry->kept) return true;
    const char **sources = arena_alloc(plan->arena, (entry->source_count + 1) * sizeof *sources);
    for (uint32_t i = 0; i < entry->source_count; i++) {
        const Tensor *tensor = dict_find_spelt(plan->source_dict, entry->sources[i]);
        sources[i] = tensor ? tensor->name : entry->sources[i];
    }
    to->sources = sources;
    to->source_count = entry->source_count;
    return true;
}

static bool add_entries(Plan *plan, const PlanFile *file, Error *err)
{
    plan->entries = mem_alloc((file->entry_count + 1) * sizeof *plan->entries);
    for (size_t i = 0; i < file->entry_count; i++)
        if (!add_entry(plan, file, &file->entries[i], err)) return false;
    return true;
}

/* What meta statements said, and what they kept of the source. */
static bool take_metas(Plan *plan, const PlanFile *file, Error *err)
{
    const PlanTail *tail = &file->tail;
    Later *later = arena_alloc(plan->arena, sizeof *later);
    later->metas = arena_alloc(plan->arena, (tail->meta_count + 1) * sizeof *later->metas);
    later->meta_count = tail->meta_count;
    plan->later = later;
    for (size_t i = 0; i < tail->meta_count; i++) {
        const PlanMeta *meta = &tail->metas[i];
        const Object *root = checkpoint_root(plan->source);
        const Object *object = !meta->path ? meta->object
                               : root ? path_find(root, meta->path) : NULL;
        later->metas[i] = (MetaRule){.key = meta->key, .object = object};
        if (object && (!meta->path || pickle_object_is_plain(object))) continue;
        Text shown = {0};
        name_show(meta->path ? meta->path : meta->key, &shown);
        error_set(err, ERR_NOT_FOUND, "%s: what it keeps of the source, '%.200s', is not there, or "
                  "no plain data", file->path, text_string(&shown));
        text_done(&shown);
        return false;
    }
    return true;
}

static void take_output(Plan *plan, const PlanFile *file)
{
    const PlanTail *tail = &file->tail;
    plan->compact = tail->compact;
    plan->shard_size = tail->shard_size;
    plan->metadata = tail->metadata;
    plan->metadata_count = tail->metadata_count;
    plan->torch_metadata = tail->torch_metadata;
    if (tail->carried) plan_carry_metadata(plan);
}

static bool take_optimizer(Plan *plan, const PlanFile *file, Error *err)
{
    if (!file->optimizer || !file->tail.whole) return true;
    return plan_read_optimizer(plan, file->optimizer, err) || error_prefix(err, "%s", file->path);
}

/* References of its own, as plan_free gives them back. */
static bool take_sides(Plan *plan, const PlanFile *file, Checkpoint *source, Checkpoint *target,
                       Error *err)
{
    const PlanSource *first = &file->sources[0], *last = plan_file_target(file);
    const Container *from = first->numbered ? checkpoint_choose_weights(source, NULL, err)
                                            : find_dict(file, first, source, err);
    const Container *kept = target && from ? find_dict(file, last, target, err) : NULL;
    if (!from || (target && !kept)) return false;
    plan->source = checkpoint_ref(source);
    plan->source_dict = dict_ref(from->dict);
    plan->container = from->path;
    if (!target) return true;
    plan->target = checkpoint_ref(target);
    plan->target_dict = dict_ref(kept->dict);
    return true;
}

Plan *plan_open_over(const PlanFile *file, Checkpoint *source, Checkpoint *target, Error *err)
{
    static const Later nothing;
    Plan *plan = mem_alloc(sizeof *plan);
    plan->arena = arena_new();
    plan->later = &nothing;
    if (!plan_file_target(file)) target = NULL;
    if (take_sides(plan, file, source, target, err) && take_metas(plan, file, err) &&
        add_entries(plan, file, err)) {
        take_output(plan, file);
        if (take_optimizer(plan, file, err) && (!file->tail.whole || plan_add_whole(plan, err)))
            return plan;
    }
    plan_free(plan);
    return NULL;
}

/* Each of several files is the one that is meant; then all of them as one. */
static Checkpoint *open_parts(const PlanFile *file, const char *given, Error *err)
{
    Arena *arena = arena_new();
    const char **specs = arena_alloc(arena, file->source_count * sizeof *specs);
    size_t n = 0;
    bool fine = !given || error_set(err, ERR_USAGE, "%s: its source is several files, which must "
                                    "be where it says; --source names one", file->path);
    for (; fine && n < file->source_count && file->sources[n].numbered; n++) {
        const PlanSource *source = &file->sources[n];
        Checkpoint *one = open_source(file, source, NULL, err);
        fine = one != NULL;
        checkpoint_unref(one);
        char *path = find_path(file, source, NULL);
        specs[n] = source->container ? arena_printf(arena, "%s::%s", path, source->container)
                                     : arena_strdup(arena, path);
        free(path);
    }
    Checkpoint *whole = fine ? checkpoint_open_several(specs, n, err) : NULL;
    arena_free(arena);
    return whole;
}

Plan *plan_open(const PlanFile *file, const PlanGiven *given, Error *err)
{
    static const PlanGiven nothing;
    if (!given) given = &nothing;
    const PlanSource *kept = plan_file_target(file);
    Checkpoint *source = file->sources[0].numbered
                             ? open_parts(file, given->source, err)
                             : open_source(file, &file->sources[0], given->source, err);
    Checkpoint *target = source && kept ? open_source(file, kept, given->target, err) : NULL;
    Plan *plan = source && (target || !kept) ? plan_open_over(file, source, target, err) : NULL;
    checkpoint_unref(source);
    checkpoint_unref(target);
    return plan;
}
