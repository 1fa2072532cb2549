/* The shards one by one, under the journal of their index. */
#include "loader/export/in_place_index.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"
#include "loader/core/limits.h"
#include "loader/core/map.h"
#include "loader/export/in_place_file.h"
#include "loader/export/journal.h"
#include "loader/export/renames.h"
#include "loader/format/format.h"

/* An index's text, read. */
typedef struct Shards {
    Arena *arena;                /* owned */
    const Value *root;           /* all of it */
    const Value *map;            /* weight_map: {tensor: file} */
    NameMap tensors;             /* tensor → its item of `map` */
    const char **files;          /* [count], each once; owned */
    size_t count, room;
} Shards;

bool in_place_is_index(const char *path)
{
    return has_suffix(path, ".index.json");
}

/* ---- the index ---- */

static bool is_listed(const Shards *shards, const char *file)
{
    for (size_t i = shards->count; i-- > 0;)
        if (strcmp(shards->files[i], file) == 0) return true;
    return false;
}

static bool read_map(Shards *shards)
{
    const Value *map = shards->map;
    if (!map || map->kind != VALUE_MAP) return false;
    for (size_t i = 0; i < map->list.count; i++) {
        const Value *file = map->list.items[i].value;
        if (file->kind != VALUE_STRING || strchr(file->string, '/') || file->string[0] == '.')
            return false;
        map_set(&shards->tensors, map->list.items[i].key, (uint32_t)i);
        if (is_listed(shards, file->string)) continue;
        shards->files = mem_grow(shards->files, &shards->room, shards->count + 1,
                                 sizeof *shards->files);
        shards->files[shards->count++] = file->string;
    }
    return true;
}

/* shards_done is due whatever comes of it. */
static bool read_index(const Text *text, const char *path, Shards *shards, Error *err)
{
    *shards = (Shards){.arena = arena_new()};
    map_init(&shards->tensors);
    shards->root = json_parse(shards->arena, text_string(text), text->length, path,
                              (size_t)limit(LIMIT_ENTRIES), err);
    if (!shards->root) return false;
    shards->map = value_get(shards->root, "weight_map");
    return read_map(shards) ||
           error_set(err, ERR_FORMAT, "%s: its weight_map is not what an index has", path);
}

static void shards_done(Shards *shards)
{
    map_done(&shards->tensors);
    free(shards->files);
    arena_free(shards->arena);
}

/* The file of a tensor; NULL: the index has no such tensor. */
static const char *file_of(const Shards *shards, const char *tensor)
{
    const uint32_t index = map_get(&shards->tensors, tensor);
    return index == MAP_NONE ? NULL : shards->map->list.items[index].value->string;
}

static char *shard_path(const EditFile *index, const char *file)
{
    const char *base = path_base(index->path);
    Text path = {0};
    text_addf(&path, "%.*s%s", (int)(base - index->path), index->path, file);
    return path.bytes;
}

/* The index with other names, everything else as it was; as transformers write it. */
static bool make_index(const Shards *shards, const Renames *renames, Text *out, Error *err)
{
    Value *map = value_map(shards->arena);
    for (size_t i = 0; i < dict_count(renames->dict); i++) {
        const char *old = dict_at(renames->dict, i)->name, *file = file_of(shards, old);
        if (!file)
            return error_set(err, ERR_FORMAT, "a shard has tensors that the index does not list; "
                             "write another model with -o");
        value_put(shards->arena, map, renames->entries[i]->name,
                  value_string(shards->arena, file));
    }
    JsonWriter *writer = json_writer_new(out, true);
    json_map(writer);
    for (size_t i = 0; i < shards->root->list.count; i++) {
        const ValueItem *item = &shards->root->list.items[i];
        json_key(writer, item->key);
        json_value(writer, item->value == shards->map ? map : item->value);
    }
    json_end(writer);
    json_writer_free(writer);
    text_addc(out, '\n');
    return true;
}

/* Overwrites the index, and ends it there. */
static bool put_index(EditFile *file, const Text *text, Error *err)
{
    return edit_write(file, 0, text->bytes, text->length, err) &&
           (file->size == text->length || edit_cut(file, text->length, err));
}

static bool slurp_index(const EditFile *file, Text *out, Error *err)
{
    if (file->size > limit(LIMIT_INDEX_BYTES))
        return error_set(err, ERR_LIMIT, "%s: is too long for an index", file->path);
    char *bytes = mem_alloc((size_t)file->size + 1);
    bool good = edit_read(file, 0, bytes, (size_t)file->size, err);
    if (good) text_addn(out, bytes, (size_t)file->size);
    free(bytes);
    return good;
}

static bool is_text(const EditFile *file, const Text *text)
{
    Text now = {0};
    const bool same = file->size == text->length && slurp_index(file, &now, NULL) &&
                      memcmp(text_string(&now), text_string(text), text->length) == 0;
    text_done(&now);
    return same;
}

/* ---- one shard ---- */

/* What names a shard's tensors get. */
static const char *find_name(void *context, const char *name)
{
    const Renames *renames = context;
    const Tensor *tensor = dict_find(renames->dict, name);
    return tensor ? renames->entries[dict_index(renames->dict, tensor)]->name : name;
}

static bool rename_shard(const EditFile *index, const char *file, const Renames *renames,
                         Error *err)
{
    uint64_t bytes;
    char *path = shard_path(index, file);
    Checkpoint *shard = checkpoint_open(path, err);
    const Container *container = shard ? checkpoint_choose_weights(shard, NULL, err) : NULL;
    Plan *plan = container ? plan_of_names(shard, container, find_name, (void *)renames) : NULL;
    bool good = plan && in_place_file_check(shard, err) &&
                (strcmp(checkpoint_format(shard), "torch-zip") != 0 || plan_add_whole(plan, err)) &&
                in_place_file_rename(plan, path, &bytes, err);
    plan_free(plan);
    checkpoint_unref(shard);
    free(path);
    return good;
}

/* Whether the shard's tensors are those that an index lists for it, but for what neither it nor the
 * `other` lists. *fine: the shard could be read. */
static bool has_names(const char *path, const char *file, const Shards *shards,
                      const Shards *other, bool *fine, Error *err)
{
    Checkpoint *shard = checkpoint_open(path, err);
    const Container *container = shard ? checkpoint_choose_weights(shard, NULL, err) : NULL;
    bool same = container != NULL;
    *fine = same;
    for (size_t i = 0; same && i < dict_count(container->dict); i++) {
        const char *name = dict_at(container->dict, i)->name, *listed = file_of(shards, name);
        same = listed ? strcmp(listed, file) == 0 : !file_of(other, name);
    }
    checkpoint_unref(shard);
    return same;
}

/* A shard with the new names gets the old ones back; one that has them stays. */
static bool restore_shard(const EditFile *index, const char *file, const Shards *before,
                          const Shards *after, Error *err)
{
    bool fine;
    Text what = {0};
    char *path = shard_path(index, file);
    bool good = in_place_file_recover(path, &what, err);
    text_done(&what);
    if (good && !has_names(path, file, before, after, &fine, err)) {
        good = fine;
        if (good && !has_names(path, file, after, before, &fine, err) && fine)
            good = error_set(err, ERR_FORMAT, "%s: has neither the names from before the change "
                             "nor those from after it; somebody else has changed it", path);
        good = good && fine && in_place_file_undo(path, err);
    }
    free(path);
    return good;
}

static bool restore_shards(const EditFile *index, const Journal *journal, Error *err)
{
    Shards before, after;
    bool good = read_index(&journal->before, index->path, &before, err);
    good = read_index(&journal->after, index->path, &after, good ? err : NULL) && good;
    for (size_t i = 0; good && i < before.count; i++)
        good = restore_shard(index, before.files[i], &before, &after, err);
    shards_done(&before);
    shards_done(&after);
    return good;
}

static bool go_back(EditFile *index, const Journal *journal, Error *err)
{
    return restore_shards(index, journal, err) && put_index(index, &journal->before, err) &&
           journal_remove(index, err);
}

/* ---- the whole ---- */

static bool rename_all(EditFile *index, const Shards *shards, const Renames *renames,
                       const Journal *journal, Error *err)
{
    bool good = journal_write(index, journal, err);
    if (!good) return false;
    for (size_t i = 0; good && i < shards->count; i++)
        good = rename_shard(index, shards->files[i], renames, err);
    good = good && put_index(index, &journal->after, err) && journal_set(index, JOURNAL_DONE, err);
    if (!good) (void)go_back(index, journal, NULL);
    return good;
}

bool in_place_index_rename(const Plan *plan, const char *path, Error *err)
{
    Renames renames;
    EditFile index;
    Shards shards;
    if (!renames_find(plan, &renames, err)) return false;
    bool good = edit_open(&index, path, err);
    if (good) {
        Journal journal = {.state = JOURNAL_BEGUN, .size = index.size};
        good = slurp_index(&index, &journal.before, err);
        good = read_index(&journal.before, index.path, &shards, good ? err : NULL) && good &&
               make_index(&shards, &renames, &journal.after, err);
        if (good && renames_any(&renames))
            good = rename_all(&index, &shards, &renames, &journal, err);
        shards_done(&shards);
        journal_done(&journal);
        edit_close(&index);
    }
    renames_done(&renames);
    return good;
}

bool in_place_index_undo(const char *path, bool *done, Error *err)
{
    EditFile index;
    Journal journal;
    if (!edit_open(&index, path, err)) return false;
    bool good = journal_read(&index, &journal, done, err);
    if (good && *done) {
        good = journal.state != JOURNAL_DONE || is_text(&index, &journal.after) ||
               error_set(err, ERR_FORMAT, "%s: was changed since its names were; it is left as it "
                         "is", path);
        good = good && journal_set(&index, JOURNAL_BACK, err) && go_back(&index, &journal, err);
    }
    journal_done(&journal);
    edit_close(&index);
    return good;
}

static bool settle(EditFile *index, const Journal *journal, Text *what, Error *err)
{
    const bool begun = journal->state == JOURNAL_BEGUN;
    if (begun && !is_text(index, &journal->before)) {
        text_addf(what, "%s: a change of its names that was interrupted is now complete; tenon "
                  "undo takes it back", index->path);
        return put_index(index, &journal->after, err) && journal_set(index, JOURNAL_DONE, err);
    }
    text_addf(what, "%s: a change of its names that was interrupted is taken back", index->path);
    return go_back(index, journal, err);
}

bool in_place_index_recover(const char *path, Text *what, Error *err)
{
    EditFile index;
    Journal journal;
    bool there;
    if (!edit_open(&index, path, err)) return false;
    bool good = journal_read(&index, &journal, &there, err);
    if (good && there && journal.state != JOURNAL_DONE)
        good = settle(&index, &journal, what, err);
    journal_done(&journal);
    edit_close(&index);
    return good;
}
