/* From a Plan to its file. */
#include "loader/export/plan_json.h"

#include <stdlib.h>
#include <string.h>

#include "loader/export/atomic.h"
#include "loader/export/metadata.h"
#include "loader/export/plan_optimizer.h"
#include "loader/format/graph.h"
#include "loader/format/format.h"
#include "loader/source/url.h"

/* ---- paths ---- */

/* How many bytes two absolute folders have in common, in whole parts. */
static size_t shared_parts(const char *a, const char *b)
{
    size_t shared = 0, i = 0;
    for (; a[i] && a[i] == b[i]; i++)
        if (a[i] == '/') shared = i;
    bool ends = (!a[i] || a[i] == '/') && (!b[i] || b[i] == '/');
    return ends ? i : shared;
}

/* /a/b to /a/c/d is "../c/d/": out of what is not shared, and into the rest. */
static void add_way(Text *out, const char *from, const char *to)
{
    size_t shared = shared_parts(from, to);
    for (const char *p = from + shared; *p; p++)
        if (*p == '/' ? p[1] != '\0' : p == from + shared) text_add(out, "../");
    to += shared + (to[shared] == '/');
    if (*to) text_addf(out, "%s/", to);
}

/* Folders are resolved, so that ".." means the same for everybody; the name may be a link. */
const char *plan_relative(Arena *arena, const char *plan, const char *path)
{
    size_t n = strlen(path);
    if (url_is(path)) return NULL;
    while (n > 1 && path[n - 1] == '/') n--;
    path = arena_strndup(arena, path, n);
    const char *base = path_base(path);
    if (path[0] == '/') return path;
    char *here = path_folder(plan), *there = path_folder(path);
    char *from = realpath(here, NULL), *to = realpath(there, NULL);
    const char *name = path;
    if (from && to && strcmp(base, "..") != 0 && strcmp(base, ".") != 0) {
        Text way = {0};
        add_way(&way, from, to);
        text_add(&way, base);
        name = text_keep(&way, arena);
    } else {
        char *whole = realpath(path, NULL);
        if (whole) name = arena_strdup(arena, whole);
        free(whole);
    }
    free(here);
    free(there);
    free(from);
    free(to);
    return name;
}

/* ---- the end of a plan ---- */

static void put_source(const PlanSource *source, size_t number, JsonWriter *writer)
{
    bool known = source->print.sha256[0];
    json_map(writer);
    json_put_text(writer, "path", source->path);
    json_key(writer, "size");
    if (known) json_uint(writer, source->print.size);
    else json_null(writer);
    json_put_text(writer, "header_sha256", known ? source->print.sha256 : NULL);
    json_put_text(writer, "side", source->target ? "target" : "source");
    json_put_text(writer, "container", source->container);
    if (source->numbered) json_put_uint(writer, "number", number);
    json_end(writer);
}

static void put_metadata(const PlanTail *tail, JsonWriter *writer)
{
    json_key(writer, "metadata");
    json_map(writer);
    json_key(writer, "safetensors");
    json_map(writer);
    for (size_t i = 0; i < tail->metadata_count; i++)
        json_put_text(writer, tail->metadata[i].key, tail->metadata[i].value);
    json_end(writer);
    json_key(writer, "torch");
    if (tail->carried) json_string(writer, "source");
    else if (tail->torch_metadata) metadata_write_json(tail->torch_metadata, writer);
    else json_null(writer);
    json_end(writer);
}

static void put_metas(const PlanTail *tail, JsonWriter *writer)
{
    json_key(writer, "meta");
    if (!tail->meta_count) {
        json_null(writer);
        return;
    }
    Arena *arena = arena_new();
    json_map(writer);
    for (size_t i = 0; i < tail->meta_count; i++) {
        const PlanMeta *meta = &tail->metas[i];
        json_key(writer, meta->key);
        if (meta->path) {
            json_string(writer, meta->path);
            continue;
        }
        Object *dict = object_new(arena, OBJ_DICT);
        object_push(arena, dict, object_str(arena, meta->key));
        object_push(arena, dict, (Object *)meta->object);
        metadata_write_json(dict, writer);
    }
    json_end(writer);
    arena_free(arena);
}

static void put_shards(const PlanTail *tail, JsonWriter *writer)
{
    json_key(writer, "shards");
    if (!tail->shard_size) {
        json_null(writer);
        return;
    }
    json_map(writer);
    json_put_uint(writer, "size", tail->shard_size);
    json_end(writer);
}

void plan_put_tail(const PlanTail *tail, JsonWriter *writer)
{
    json_key(writer, "plan");
    json_map(writer);
    json_key(writer, "sources");
    json_list(writer);
    for (size_t i = 0; i < tail->source_count; i++) put_source(&tail->sources[i], i, writer);
    json_end(writer);
    json_key(writer, "output");
    json_map(writer);
    json_put_text(writer, "format", tail->format);
    put_shards(tail, writer);
    json_put_bool(writer, "whole", tail->whole);
    put_metadata(tail, writer);
    json_put_text(writer, "under", tail->under);
    json_put_bool(writer, "compact", tail->compact);
    put_metas(tail, writer);
    json_key(writer, "groups");
    if (tail->groups) groups_json(tail->groups, writer);
    else json_null(writer);
    json_key(writer, "optimizer_state");
    if (tail->optimizer) plan_put_optimizer(tail->optimizer, writer);
    else json_null(writer);
    json_end(writer);
    json_end(writer);
}

/* ---- a plan of an alignment ---- */

/* Entries stand in the ledger's order, which is that of the plan: one place moves along. */
typedef struct Saver {
    const Plan *plan;            /* borrowed */
    size_t next;                 /* the entry that is looked for */
    PlanTail tail;
} Saver;

static void put_entry(void *context, const Binding *binding, JsonWriter *writer)
{
    Saver *saver = context;
    if (saver->next == saver->plan->count) return;
    const PlanEntry *entry = &saver->plan->entries[saver->next];
    if (entry->name != binding->name) return;
    saver->next++;
    json_key(writer, "expr");
    expr_write_json(entry->expr, writer);
    if (entry->alias >= 0)
        json_put_text(writer, "alias", saver->plan->entries[entry->alias].name);
}

static void put_end(void *context, JsonWriter *writer)
{
    plan_put_tail(&((const Saver *)context)->tail, writer);
}

/* Whether some value is the target's own, or partly. */
static bool needs_target(const Expr *e)
{
    bool needs = e->kind == EX_TARGET;
    for (uint32_t i = 0; !needs && i < e->count; i++) needs = needs_target(e->from[i]);
    return needs;
}

/* One of several files that are the source; the container is what the rules named. */
static bool find_part(const Plan *plan, const char *path, const char *spec, PlanSource *source,
                      Error *err)
{
    const char *file;
    *source = (PlanSource){.numbered = true};
    checkpoint_spec(plan->arena, spec, &file, &source->container);
    source->path = plan_relative(plan->arena, path, file);
    Checkpoint *one = checkpoint_open(file, err);
    const Container *container =
        !one ? NULL : source->container ? checkpoint_find_container(one, source->container)
                                        : checkpoint_choose_weights(one, NULL, err);
    bool fine = container && fingerprint_make(one, container->dict, &source->print, err);
    checkpoint_unref(one);
    return fine;
}

/* The source's file, or files. */
static bool find_parts(const Plan *plan, const char *path, PlanTail *tail, PlanSource **sources,
                       Error *err)
{
    size_t n;
    const char *const *specs = checkpoint_specs(plan->source, &n);
    PlanSource *list = *sources = arena_alloc(plan->arena, (n + 2) * sizeof *list);
    tail->sources = list;
    tail->source_count = n ? n : 1;
    for (size_t i = 0; i < n; i++)
        if (!find_part(plan, path, specs[i], &list[i], err)) return false;
    if (n) return true;
    list[0] = (PlanSource){.container = plan->container};
    list[0].path = plan_relative(plan->arena, path, checkpoint_path(plan->source));
    return fingerprint_make(plan->source, plan->source_dict, &list[0].print, err);
}

/* The source, and the target when values of it are kept. */
static bool find_sources(const Plan *plan, const char *path, const PlanSave *save, PlanTail *tail,
                         Error *err)
{
    bool target = false;
    PlanSource *sources;
    for (size_t i = 0; !target && i < plan->count; i++)
        target = needs_target(plan->entries[i].expr);
    if (!find_parts(plan, path, tail, &sources, err)) return false;
    if (!target) return true;
    if (!save->target)
        return error_set(err, ERR_INTERNAL, "values of a target without a file");
    PlanSource *last = &sources[tail->source_count++];
    *last = (PlanSource){.target = true, .container = save->target_container};
    last->path = plan_relative(plan->arena, path, checkpoint_path(save->target));
    return fingerprint_make(save->target, plan->target_dict, &last->print, err);
}

/* What a meta statement kept is found again by its path; what it said itself is written. Of a node
 * that stands in several places any path will do. */
static void find_metas(const Plan *plan, PlanTail *tail)
{
    const Object *root = checkpoint_root(plan->source);
    const size_t n = plan->later->meta_count;
    PlanMeta *metas = arena_alloc(plan->arena, (n + 1) * sizeof *metas);
    for (size_t i = 0; i < n; i++) {
        const MetaRule *rule = &plan->later->metas[i];
        metas[i] = (PlanMeta){.key = rule->key, .object = rule->object};
    }
    for (uint8_t seen = 1; n && root && seen < 2; seen--) {
        Graph graph;
        Text path = {0};
        graph_init(&graph, (Object *)root, seen);
        for (const Object *node; (node = graph_next(&graph));)
            for (size_t i = 0; seen && i < n; i++) {
                if (metas[i].object != node || metas[i].path) continue;
                text_clear(&path);
                graph_path(&graph, &path);
                metas[i].path = arena_strdup(plan->arena, text_string(&path));
                if (path_find(root, metas[i].path) != node) metas[i].path = NULL;
            }
        text_done(&path);
        graph_done(&graph);
    }
    tail->metas = metas;
    tail->meta_count = n;
}

bool plan_save(const Plan *plan, const char *path, const PlanSave *save, Error *err)
{
    Saver saver = {.plan = plan, .tail = {.format = save->format, .under = save->under,
                                          .whole = plan->whole != NULL,
                                          .compact = plan->compact,
                                          .shard_size = plan->shard_size, .carried = plan->carried,
                                          .metadata = plan->metadata,
                                          .metadata_count = plan->metadata_count,
                                          .torch_metadata = plan->torch_metadata}};
    if (plan->whole) saver.tail.optimizer = plan->optimizer;
    find_metas(plan, &saver.tail);
    saver.tail.groups = align_groups(plan->alignment);
    if (!find_sources(plan, path, save, &saver.tail, err)) return false;
    ReportPlan extra = {put_entry, put_end, &saver};
    ReportOptions options = *save->report;
    options.plan = &extra;
    Text json = {0};
    report_json(plan->alignment, &options, &json);
    bool fine = atomic_write_file(path, save->force, &json, err);
    text_done(&json);
    return fine;
}
