/* The form of a plan: which members there must be, of which kind, and what may not be. */
#include "loader/export/plan_file.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/map.h"
#include "loader/export/metadata.h"
#include "loader/source/file_text.h"

enum { PATH_BYTES_MAX = 4096 };

/* What reports say and nobody reads here. */
static const char *const unread[] = {"summary", "steps",      "ops",        "how",     "confidence",
                                     "ties",    "collisions", "rule_notes", "suggest", "nearest",
                                     "rules",   "optimizer",  NULL};

enum { METAS_MAX = 4096 };       /* entries beside the tensors; each is looked for */

/* What is being read. */
typedef struct Parser {
    PlanFile *file;              /* borrowed */
    Error *err;
} Parser;

bool plan_file_prefix(const PlanFile *file, const char *name, Error *err)
{
    Text shown = {0};
    show_short(name, 200, &shown);
    error_prefix(err, "%s: tensor '%s'", file->path, text_string(&shown));
    text_done(&shown);
    return false;
}

static bool refuse(const Parser *parser, const char *what)
{
    return error_set(parser->err, ERR_FORMAT, "%s: is no plan that can be used: %s; tenon align "
                     "--plan writes one", parser->file->path, what);
}

/* ---- members ---- */

static const Value *get_kind(const Value *map, const char *key, ValueKind kind)
{
    const Value *value = value_get(map, key);
    return value && value->kind == kind ? value : NULL;
}

/* NULL where the member is missing or no text: also for null. */
static const char *get_text(const Value *map, const char *key)
{
    const Value *value = get_kind(map, key, VALUE_STRING);
    return value ? value->string : NULL;
}

static bool get_bool(const Value *map, const char *key)
{
    const Value *value = get_kind(map, key, VALUE_BOOL);
    return value && value->boolean;
}

/* A list of sizes, or nothing; false when it is something else. */
static bool get_shape(const Parser *parser, const Value *map, const int64_t **dims, uint8_t *rank)
{
    const Value *list = value_get(map, "shape");
    if (!list || list->kind == VALUE_NULL) return true;
    if (list->kind != VALUE_LIST || list->list.count > TENSOR_RANK_MAX) return false;
    int64_t *sizes = arena_alloc(parser->file->arena, (list->list.count + 1) * sizeof *sizes);
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *size = list->list.items[i].value;
        if (size->kind != VALUE_INT || size->integer < 0) return false;
        sizes[i] = size->integer;
    }
    *dims = sizes;
    *rank = (uint8_t)list->list.count;
    return true;
}

/* The same for a dtype's name. */
static bool get_dtype(const Value *map, DType *dtype)
{
    const Value *name = value_get(map, "dtype");
    *dtype = DT_UNKNOWN;
    if (!name || name->kind == VALUE_NULL) return true;
    if (name->kind == VALUE_STRING) *dtype = dtype_from_name(name->string);
    return *dtype != DT_UNKNOWN;
}

/* ---- sources ---- */

static bool is_hash(const char *text)
{
    return strlen(text) == CHECKSUM_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == CHECKSUM_TEXT - 1;
}

/* A name with a scheme is nothing that a plan may have fetched. */
static bool read_path(const Parser *parser, const Value *item, PlanSource *source)
{
    source->path = get_text(item, "path");
    if (!source->path) return true;
    if (!source->path[0] || strlen(source->path) > PATH_BYTES_MAX)
        return refuse(parser, "a source has no path");
    if (strstr(source->path, "://"))
        return refuse(parser, "a source is a URL, which only the command line may name (--source)");
    for (const char *p = source->path; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p == 0x7F || (unsigned char)*p == 0xC0)
            return refuse(parser, "a source's path has control characters");
    return true;
}

static bool read_source(const Parser *parser, const Value *item, PlanSource *source)
{
    const char *side = get_text(item, "side"), *hash = get_text(item, "header_sha256");
    const Value *size = get_kind(item, "size", VALUE_INT);
    if (item->kind != VALUE_MAP || !read_path(parser, item, source))
        return item->kind == VALUE_MAP ? false : refuse(parser, "a source is no object");
    source->container = get_text(item, "container");
    source->target = side && strcmp(side, "target") == 0;
    source->numbered = value_get(item, "number") != NULL;
    if (!hash) return true;
    if (!is_hash(hash) || !size || size->integer < 0)
        return refuse(parser, "a source has a header_sha256 that is none, or no size");
    source->print.size = (uint64_t)size->integer;
    memcpy(source->print.sha256, hash, CHECKSUM_TEXT);
    return true;
}

/* First the source, which is one file or several that are numbered, then perhaps the target. */
static bool read_sources(const Parser *parser, const Value *list)
{
    PlanFile *file = parser->file;
    size_t n = list ? list->list.count : 0;
    if (!n) return refuse(parser, "\"sources\" of its \"plan\" are missing");
    if (n > limit(LIMIT_SHARDS)) return refuse(parser, "it has too many \"sources\"");
    file->source_count = n;
    file->sources = arena_alloc(file->arena, n * sizeof *file->sources);
    for (size_t i = 0; i < n; i++) {
        PlanSource *source = &file->sources[i];
        if (!read_source(parser, list->list.items[i].value, source)) return false;
        bool last = source->target && i > 0 && i + 1 == n && !source->numbered;
        bool one = !source->target && (i == 0 || (source->numbered && file->sources[0].numbered));
        if (!last && !one)
            return refuse(parser, "its \"sources\" are not first the source, then the target");
    }
    return true;
}

const PlanSource *plan_file_target(const PlanFile *file)
{
    const PlanSource *last = &file->sources[file->source_count - 1];
    return last->target ? last : NULL;
}

/* ---- the output ---- */

static int compare_items(const void *a, const void *b)
{
    const MetadataItem *one = a, *two = b;
    return strcmp(one->key, two->key);
}

/* Texts under texts, by name: as they are written. */
static bool read_items(const Parser *parser, const Value *map)
{
    PlanFile *file = parser->file;
    if (!map) return true;
    MetadataItem *items = arena_alloc(file->arena, (map->list.count + 1) * sizeof *items);
    for (size_t i = 0; i < map->list.count; i++) {
        const ValueItem *item = &map->list.items[i];
        if (item->value->kind != VALUE_STRING || !name_is_text(item->key) ||
            !name_is_text(item->value->string))
            return refuse(parser, "\"metadata\" for safetensors holds what is no text");
        items[i] = (MetadataItem){item->key, item->value->string};
    }
    qsort(items, map->list.count, sizeof *items, compare_items);
    file->tail.metadata = items;
    file->tail.metadata_count = map->list.count;
    return true;
}

static bool read_metadata(const Parser *parser, const Value *map)
{
    PlanTail *tail = &parser->file->tail;
    const Value *torch = value_get(map, "torch");
    if (!read_items(parser, get_kind(map, "safetensors", VALUE_MAP))) return false;
    if (!torch || torch->kind == VALUE_NULL) return true;
    tail->carried = torch->kind == VALUE_STRING && strcmp(torch->string, "source") == 0;
    if (tail->carried) return true;
    tail->torch_metadata = metadata_read_json(parser->file->arena, torch, parser->err);
    return tail->torch_metadata || error_prefix(parser->err, "%s", parser->file->path);
}

/* Keys with paths, or with nodes of a dict of one value. */
static bool read_metas(const Parser *parser, const Value *map)
{
    PlanFile *file = parser->file;
    const size_t n = map ? map->list.count : 0;
    if (n > METAS_MAX) return refuse(parser, "it has too many \"meta\"");
    PlanMeta *metas = arena_alloc(file->arena, (n + 1) * sizeof *metas);
    for (size_t i = 0; i < n; i++) {
        const ValueItem *item = &map->list.items[i];
        metas[i].key = item->key;
        if (item->value->kind == VALUE_STRING) {
            metas[i].path = item->value->string;
            continue;
        }
        const Object *dict = metadata_read_json(file->arena, item->value, parser->err);
        const Object *items = dict ? object_as_dict(dict) : NULL;
        if (!dict) return error_prefix(parser->err, "%s", file->path);
        if (items->list.count != 2) return refuse(parser, "an entry of \"meta\" is no value");
        metas[i].object = items->list.items[1];
    }
    file->tail.metas = metas;
    file->tail.meta_count = n;
    return true;
}

static bool read_shards(const Parser *parser, const Value *shards)
{
    if (!shards || shards->kind == VALUE_NULL) return true;
    const int64_t size = shards->kind == VALUE_MAP ? value_get_int(shards, "size", 0) : 0;
    parser->file->tail.shard_size = (uint64_t)size;
    return size > 0 || refuse(parser, "its \"shards\" have no \"size\"");
}

static bool read_output(const Parser *parser, const Value *map)
{
    PlanTail *tail = &parser->file->tail;
    if (!map) return refuse(parser, "its \"plan\" has no \"output\"");
    if (!read_shards(parser, value_get(map, "shards"))) return false;
    tail->format = get_text(map, "format");
    tail->under = get_text(map, "under");
    tail->whole = get_bool(map, "whole");
    tail->compact = get_bool(map, "compact");
    if (!read_metadata(parser, get_kind(map, "metadata", VALUE_MAP)) ||
        !read_metas(parser, get_kind(map, "meta", VALUE_MAP)))
        return false;
    const Value *groups = get_kind(map, "groups", VALUE_MAP);
    parser->file->optimizer = get_kind(map, "optimizer_state", VALUE_MAP);
    if (parser->file->optimizer && !get_text(parser->file->optimizer, "path"))
        return refuse(parser, "its \"optimizer_state\" has no \"path\"");
    tail->groups = groups ? groups_read(parser->file->arena, groups) : NULL;
    return !groups || tail->groups || refuse(parser, "its \"groups\" are no parameter groups");
}

/* ---- entries ---- */

static bool read_names(const Parser *parser, const Value *list, PlanFileEntry *entry)
{
    size_t n = list ? list->list.count : 0;
    const char **names = arena_alloc(parser->file->arena, (n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++) {
        if (list->list.items[i].value->kind != VALUE_STRING) return false;
        names[i] = list->list.items[i].value->string;
    }
    entry->sources = names;
    entry->source_count = (uint32_t)n;
    return true;
}

/* An entry without "expr" is not written; *written tells. */
static bool read_entry(const Parser *parser, const Value *item, PlanFileEntry *entry, bool *written)
{
    const char *status = get_text(item, "status");
    *entry = (PlanFileEntry){.name = get_text(item, "target"), .alias = -1};
    if (item->kind != VALUE_MAP || !entry->name)
        return refuse(parser, "an entry has no \"target\"");
    entry->expr = value_get(item, "expr");
    *written = entry->expr != NULL;
    entry->kept = status && strcmp(status, "kept") == 0;
    entry->rule = get_text(item, "rule");
    bool fine = get_shape(parser, item, &entry->dims, &entry->rank) &&
                get_dtype(item, &entry->dtype) &&
                read_names(parser, get_kind(item, "sources", VALUE_LIST), entry);
    if (fine) return true;
    error_set(parser->err, ERR_FORMAT, "\"shape\", \"dtype\" or \"sources\" are not what they are "
              "in plans");
    return plan_file_prefix(parser->file, entry->name, parser->err);
}

/* Storage is shared with an entry that stands earlier: the first of its ties. */
static bool settle_alias(const Parser *parser, const Value *item, const NameMap *names,
                         PlanFileEntry *entry)
{
    const char *alias = get_text(item, "alias");
    if (!alias) return true;
    uint32_t index = map_get(names, alias);
    if (index == MAP_NONE) {
        error_set(parser->err, ERR_FORMAT, "\"alias\" names no earlier entry");
        return plan_file_prefix(parser->file, entry->name, parser->err);
    }
    const PlanFileEntry *first = &parser->file->entries[index];
    entry->alias = first->alias >= 0 ? first->alias : (int64_t)index;
    return true;
}

static bool read_entries(const Parser *parser, const Value *list, NameMap *names)
{
    PlanFile *file = parser->file;
    if (!list) return refuse(parser, "it has no \"entries\"");
    file->entries = arena_alloc(file->arena, (list->list.count + 1) * sizeof *file->entries);
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *item = list->list.items[i].value;
        PlanFileEntry *entry = &file->entries[file->entry_count];
        bool written = false;
        if (!read_entry(parser, item, entry, &written)) return false;
        if (!written) continue;
        if (!settle_alias(parser, item, names, entry)) return false;
        if (map_set(names, entry->name, (uint32_t)file->entry_count) != MAP_NONE) {
            error_set(parser->err, ERR_FORMAT, "stands twice among the entries");
            return plan_file_prefix(file, entry->name, parser->err);
        }
        file->entry_count++;
    }
    return true;
}

static bool read_tensors(const Parser *parser, const Value *list, NameMap *names)
{
    PlanFile *file = parser->file;
    size_t n = list ? list->list.count : 0;
    file->tensors = arena_alloc(file->arena, (n + 1) * sizeof *file->tensors);
    for (size_t i = 0; i < n; i++) {
        const Value *item = list->list.items[i].value;
        PlanFileTensor *tensor = &file->tensors[i];
        const char *status = get_text(item, "status");
        tensor->name = get_text(item, "source");
        tensor->reason = get_text(item, "reason");
        tensor->used = status && strcmp(status, "used") == 0;
        if (!tensor->name) return refuse(parser, "an element of \"source_entries\" has no name");
        bool fine = get_shape(parser, item, &tensor->dims, &tensor->rank) &&
                    get_dtype(item, &tensor->dtype);
        if (fine && map_set(names, tensor->name, 0) == MAP_NONE) continue;
        error_set(parser->err, ERR_FORMAT, "%s",
                  fine ? "stands twice in \"source_entries\""
                       : "\"shape\" or \"dtype\" are not what they are in plans");
        return plan_file_prefix(file, tensor->name, parser->err);
    }
    file->tensor_count = n;
    return true;
}

/* ---- the file ---- */

static bool read_all(const Parser *parser, const Value *root)
{
    PlanFile *file = parser->file;
    const Value *plan = get_kind(root, "plan", VALUE_MAP);
    if (root->kind != VALUE_MAP || !plan)
        return refuse(parser, "it has no \"plan\" (a report of --json is none)");
    if (value_get_int(root, "version", 0) != 1)
        return refuse(parser, "its \"version\" is not 1");
    NameMap entries, tensors;
    map_init(&entries);
    map_init(&tensors);
    bool fine = read_sources(parser, get_kind(plan, "sources", VALUE_LIST)) &&
                read_output(parser, get_kind(plan, "output", VALUE_MAP)) &&
                read_entries(parser, get_kind(root, "entries", VALUE_LIST), &entries) &&
                read_tensors(parser, get_kind(root, "source_entries", VALUE_LIST), &tensors);
    map_done(&entries);
    map_done(&tensors);
    file->tail.sources = file->sources;
    file->tail.source_count = file->source_count;
    file->source_format = get_text(get_kind(root, "source", VALUE_MAP), "format");
    return fine;
}

/* Rules and checkpoints are no malformed plans, but none. */
static bool begins_as_plan(const Parser *parser, const char *text, size_t n)
{
    while (n && strchr(" \t\r\n", *text) && *text) text++, n--;
    return !n || *text == '{' || *text == '[' || refuse(parser, "it is no JSON");
}

PlanFile *plan_file_parse(const char *text, size_t n, const char *path, Error *err)
{
    Arena *arena = arena_new();
    PlanFile *file = arena_alloc(arena, sizeof *file);
    file->arena = arena;
    checksum_of(text, n, file->sha256);
    file->path = arena_strdup(arena, path);
    Parser parser = {file, err};
    const Value *root = NULL;
    if (begins_as_plan(&parser, text, n))
        root = json_parse_without(arena, text, n, path, unread, (size_t)limit(LIMIT_ENTRIES), err);
    if (root && read_all(&parser, root)) return file;
    plan_file_free(file);
    return NULL;
}

PlanFile *plan_file_read(const char *path, Error *err)
{
    size_t n;
    char *text = file_text_given(path, (size_t)limit(LIMIT_INDEX_BYTES), &n, err);
    if (!text) return NULL;
    PlanFile *file = plan_file_parse(text, n, path, err);
    free(text);
    return file;
}

void plan_file_free(PlanFile *file)
{
    if (file) arena_free(file->arena);
}
