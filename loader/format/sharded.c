/* Sharded models: an index.json that says in which file of its folder each tensor lies.
 *
 *   {"metadata":{"total_size":123},
 *    "weight_map":{"tensor":"model-00001-of-00002.safetensors", …}}
 *
 * transformers and huggingface_hub write it. The shards are safetensors or torch files. Their
 * names are not trusted: they must be plain names with the index's own extension. The state
 * dict is the union, in the order of weight_map. Where no shard is there at all, the index is a
 * schema of names. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/format/json_source.h"
#include "loader/format/schema.h"

enum { NAMES_SHOWN = 3 };    /* of shards or tensors in a message; the rest is counted */

/* What the next value is, told by the key that stands before it. */
typedef enum Slot {
    SLOT_ROOT, SLOT_METADATA, SLOT_TOTAL, SLOT_MAP, SLOT_SHARD,
    SLOT_IGNORED             /* of a key that is not ours: whatever it is */
} Slot;

/* Which object the keys of the innermost level belong to. */
typedef enum Keys { KEYS_ROOT, KEYS_METADATA, KEYS_MAP } Keys;

/* One file that weight_map names. */
typedef struct Shard {
    const char *name;        /* in the arena */
    Checkpoint *checkpoint;  /* a reference; NULL until opened */
    const StateDict *dict;   /* its weights; borrowed from the checkpoint */
    const Storage **storages;    /* old index → the union's record; owned */
    size_t storage_count;    /* one more than the highest index of its storages */
} Shard;

/* One pair of weight_map. */
typedef struct Entry {
    const char *tensor;      /* in the arena */
    uint32_t shard;          /* index of Index.shards */
} Entry;

typedef struct Index {
    ByteSource *source;      /* borrowed */
    JsonReader *json;        /* valid while the document is read */
    Error *err;              /* the caller's */
    Arena *arena;            /* owned: all names */
    Slot slot;               /* of the next value */
    Keys keys;               /* of the innermost object that is not ignored */
    unsigned ignored;        /* open levels of a value that is ignored */
    bool has_map, has_total; /* weight_map, metadata.total_size were seen */
    double total;            /* metadata.total_size; older files have it as a float */
    Entry *entries;          /* owned, in the order of weight_map */
    size_t entry_count, entry_room;
    Shard *shards;           /* owned, in order of first use */
    size_t shard_count, shard_room;
    NameMap shard_index;     /* name → index of shards */
} Index;

/* -- The index's JSON ------------------------------------------------------------------ */

/* Names the index and the byte behind what is wrong; always false. */
static bool refuse(Index *index, const char *what)
{
    return fault_file(index->err, ERR_FORMAT, index->source->name, "%s (byte %" PRIu64 ")", what,
                      json_reader_position(index->json));
}

/* The value in this slot has another type than an index gives it. */
static bool refuse_type(Index *index)
{
    static const char *const wanted[] = {
        [SLOT_ROOT] = "an index must be a JSON object",
        [SLOT_METADATA] = "'metadata' must be an object",
        [SLOT_TOTAL] = "'total_size' must be a number",
        [SLOT_MAP] = "'weight_map' must be an object",
        [SLOT_SHARD] = "'weight_map' must give a file name for each tensor",
        [SLOT_IGNORED] = "",
    };
    return refuse(index, wanted[index->slot]);
}

static bool read_null(void *context)
{
    Index *index = context;
    return index->slot == SLOT_IGNORED || index->slot == SLOT_METADATA ||
           index->slot == SLOT_TOTAL || refuse_type(index);
}

static bool read_boolean(void *context, bool value)
{
    (void)value;
    Index *index = context;
    return index->slot == SLOT_IGNORED || refuse_type(index);
}

/* total_size serves a warning only; a literal of 64 characters or more counts as 0. */
static bool read_number(void *context, const char *text, size_t n)
{
    Index *index = context;
    if (index->slot == SLOT_IGNORED) return true;
    if (index->slot != SLOT_TOTAL) return refuse_type(index);
    char digits[64] = "";
    if (n < sizeof digits) memcpy(digits, text, n);
    index->total = strtod(digits, NULL);
    index->has_total = true;
    return true;
}

static bool refuse_shard_name(Index *index, const char *name)
{
    Text shown = {0};
    fault_quote(name, strlen(name), 120, &shown);
    fault_file(index->err, ERR_FORMAT, index->source->name,
               "'%s' is no name of a shard in the index's own folder (byte %" PRIu64 ")",
               text_string(&shown), json_reader_position(index->json));
    text_done(&shown);
    return false;
}

/* The value of the pair under way. A name is checked when it is met first. */
static bool read_shard(Index *index, const char *text, size_t n)
{
    const char *name = arena_strndup(index->arena, text, n);
    uint32_t shard = map_get(&index->shard_index, name);
    if (shard == MAP_NONE) {
        if (!inner_name_is_safe(name)) return refuse_shard_name(index, name);
        char more[LIMIT_TEXT];
        if (index->shard_count >= limit(LIMIT_SHARDS))
            return fault_file(index->err, ERR_LIMIT, index->source->name, "its shards are %s",
                              limit_text(LIMIT_SHARDS, more));
        shard = (uint32_t)index->shard_count++;
        index->shards = mem_grow(index->shards, &index->shard_room, index->shard_count,
                                 sizeof *index->shards);
        index->shards[shard] = (Shard){.name = name};
        map_set(&index->shard_index, name, shard);
    }
    index->entries[index->entry_count - 1].shard = shard;
    return true;
}

static bool read_string(void *context, const char *text, size_t n)
{
    Index *index = context;
    if (index->slot == SLOT_IGNORED) return true;
    return index->slot == SLOT_SHARD ? read_shard(index, text, n) : refuse_type(index);
}

static bool read_start_map(void *context)
{
    Index *index = context;
    switch (index->slot) {
    case SLOT_ROOT: return true;
    case SLOT_METADATA: index->keys = KEYS_METADATA; return true;
    case SLOT_MAP: index->keys = KEYS_MAP; return true;
    case SLOT_IGNORED: index->ignored++; return true;
    default: return refuse_type(index);
    }
}

static bool read_start_list(void *context)
{
    Index *index = context;
    if (index->slot != SLOT_IGNORED) return refuse_type(index);
    index->ignored++;
    return true;
}

/* Only lists that are ignored were let in. */
static bool read_end_list(void *context)
{
    ((Index *)context)->ignored--;
    return true;
}

/* Objects that are read stand at the top only, so the keys behind one are the top's again. */
static bool read_end_map(void *context)
{
    Index *index = context;
    if (index->ignored) index->ignored--;
    else index->keys = KEYS_ROOT;
    return true;
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* A tensor twice is found when the union is made; here it would take an index of its own. */
static bool read_key(void *context, const char *text, size_t n)
{
    Index *index = context;
    if (index->ignored) return true;
    if (index->keys == KEYS_MAP) {
        char more[LIMIT_TEXT];
        if (index->entry_count >= limit(LIMIT_TENSORS))
            return fault_file(index->err, ERR_LIMIT, index->source->name, "its tensors are %s",
                              limit_text(LIMIT_TENSORS, more));
        index->slot = SLOT_SHARD;
        index->entries = mem_grow(index->entries, &index->entry_room, index->entry_count + 1,
                                  sizeof *index->entries);
        index->entries[index->entry_count++] =
            (Entry){.tensor = arena_strndup(index->arena, text, n)};
        return true;
    }
    index->slot = SLOT_IGNORED;
    if (index->keys == KEYS_METADATA) {
        if (is_word(text, n, "total_size")) index->slot = SLOT_TOTAL;
    } else if (is_word(text, n, "metadata")) {
        index->slot = SLOT_METADATA;
    } else if (is_word(text, n, "weight_map")) {
        index->slot = SLOT_MAP;
        if (index->has_map) return refuse(index, "'weight_map' stands twice");
        index->has_map = true;
    }
    return true;
}

static bool read_index(Index *index)
{
    static const JsonEvents events = {
        read_null, read_boolean, read_number,     read_string,   read_start_map,
        read_key,  read_end_map, read_start_list, read_end_list,
    };
    ByteSource *source = index->source;
    unsigned char head[3];
    size_t n = source->size < sizeof head ? (size_t)source->size : sizeof head;
    char more[LIMIT_TEXT];
    if (source->size > limit(LIMIT_INDEX_BYTES))
        return fault_file(index->err, ERR_LIMIT, source->name, "the index has %" PRIu64
                          " bytes, %s", source->size, limit_text(LIMIT_INDEX_BYTES, more));
    if (!source_read(source, 0, head, n, index->err)) return false;
    index->json = json_reader_new(&events, index, source->name);
    bool fine = json_feed_source(index->json, source, text_start(head, n), source->size,
                                 index->err);
    if (fine && !index->entry_count) fine = refuse(index, "its weight_map names no tensor");
    json_reader_free(index->json);
    return fine;
}

/* -- Which shards are there ------------------------------------------------------------ */

/* The extension that shards must have: the index's own, before ".index"; "" if it has none. */
static const char *index_extension(const char *path)
{
    static const char *const extensions[] = {".safetensors", ".bin", ".pth", ".pt", ".ckpt"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < countof(extensions); i++) {
        const char *found = strstr(name, extensions[i]);
        if (found && found[strlen(extensions[i])] == '.') return extensions[i];
    }
    return "";
}

/* An index of safetensors must not lead to pickles: who downloads the one does not expect the
 * other. */
static bool check_extensions(const Index *index)
{
    const char *extension = index_extension(index->source->name);
    for (size_t i = 0; i < index->shard_count; i++) {
        if (has_suffix(index->shards[i].name, extension)) continue;
        Text shown = {0};
        fault_quote(index->shards[i].name, strlen(index->shards[i].name), 120, &shown);
        fault_file(index->err, ERR_FORMAT, index->source->name,
                   "shard '%s' does not end in %s, as those of this index must",
                   text_string(&shown), extension);
        text_done(&shown);
        return false;
    }
    return true;
}

/* "a, b, c and 4 more" of the shards that are absent; their number. */
static size_t list_absent(const Index *index, const OpenContext *context, Text *out)
{
    size_t absent = 0;
    for (size_t i = 0; i < index->shard_count; i++) {
        const char *name = index->shards[i].name;
        if (context->has_inner && context->has_inner(context, name)) continue;
        if (absent++ >= NAMES_SHOWN) continue;
        if (absent > 1) text_add(out, ", ");
        fault_quote(name, strlen(name), 80, out);
    }
    if (absent > NAMES_SHOWN) text_addf(out, " and %zu more", absent - NAMES_SHOWN);
    return absent;
}

/* Names only: dtypes and shapes are in the shards, and no shard is there. */
static Checkpoint *make_schema(const Index *index, const OpenContext *context)
{
    StateDict *dict = dict_new();
    for (size_t i = 0; i < index->entry_count; i++) {
        const SchemaTensor tensor = {.name = index->entries[i].tensor, .dtype = DT_UNKNOWN};
        if (!schema_add(dict, &tensor, index->source->name, "in weight_map", index->err)) {
            dict_unref(dict);
            return NULL;
        }
    }
    dict_set_ordered(dict, false);
    Checkpoint *checkpoint = schema_checkpoint(context, dict);
    checkpoint_warn(checkpoint, "none of the %zu shards is there: only the names are known",
                    index->shard_count);
    return checkpoint;
}

/* -- The union ------------------------------------------------------------------------- */

/* Opens a shard and makes room to renumber its storages. Errors tell of the shard, and so begin
 * with the index that led to it. */
static bool open_shard(Index *index, OpenContext *context, Shard *shard)
{
    shard->checkpoint = context->open_inner(context, shard->name, index->err);
    if (!shard->checkpoint) return error_prefix(index->err, "%s", index->source->name);
    const char *format = checkpoint_format(shard->checkpoint);
    if (strcmp(format, "safetensors") != 0 && !has_prefix(format, "torch-"))
        return fault_file(index->err, ERR_FORMAT, index->source->name,
                          "shard '%s' is no safetensors or torch file, but: %s", shard->name,
                          format);
    const Container *weights = checkpoint_choose(shard->checkpoint, NULL, index->err);
    if (!weights) return error_prefix(index->err, "%s", index->source->name);
    shard->dict = weights->dict;
    for (size_t i = 0; i < dict_count(shard->dict); i++) {
        const Storage *storage = dict_at(shard->dict, i)->storage;
        if (storage && storage->index >= shard->storage_count)
            shard->storage_count = (size_t)storage->index + 1;
    }
    shard->storages = mem_alloc(shard->storage_count * sizeof *shard->storages);
    return true;
}

/* The union's record of a storage: storages are numbered through all shards. */
static const Storage *join_storage(Shard *shard, const Storage *storage, Arena *arena,
                                   uint32_t *count)
{
    if (!storage) return NULL;
    const Storage **slot = &shard->storages[storage->index];
    if (!*slot) {
        Storage *copy = arena_copy(arena, storage, sizeof *storage);
        copy->index = (*count)++;
        *slot = copy;
    }
    return *slot;
}

/* Fills the union. *bytes counts each storage once, by the first tensor that shows it, as
 * transformers counts total_size. */
static bool join_tensors(Index *index, StateDict *dict, uint64_t *bytes)
{
    uint32_t storages = 0;
    const char *file = index->source->name;
    for (size_t i = 0; i < index->entry_count; i++) {
        const Entry *entry = &index->entries[i];
        Shard *shard = &index->shards[entry->shard];
        const Tensor *found = dict_find(shard->dict, entry->tensor);
        if (!found)
            return fault_tensor(index->err, ERR_FORMAT, file, entry->tensor,
                                "weight_map places it in %s, which does not hold it; the index "
                                "and its shards are not of the same model", shard->name);
        Tensor tensor = *found;
        uint32_t before = storages;
        tensor.storage = join_storage(shard, found->storage, dict_arena(dict), &storages);
        if (storages != before) *bytes += tensor_bytes(found);
        if (!dict_add(dict, &tensor))
            return fault_tensor(index->err, ERR_FORMAT, file, entry->tensor,
                                "stands twice in weight_map");
    }
    return true;
}

/* Tensors that lie in a shard and that weight_map does not place there. */
static void warn_unlisted(const Shard *shard, const StateDict *dict, Checkpoint *checkpoint)
{
    size_t count = 0;
    Text names = {0};
    for (size_t i = 0; i < dict_count(shard->dict); i++) {
        const Tensor *tensor = dict_at(shard->dict, i), *listed = dict_find(dict, tensor->name);
        if (listed && listed->name == tensor->name) continue;
        if (count++ >= NAMES_SHOWN) continue;
        if (count > 1) text_add(&names, ", ");
        fault_quote(tensor->name, strlen(tensor->name), 80, &names);
    }
    if (count)
        checkpoint_warn(checkpoint,
                        "%s: %zu tensor(s) are not in the index and were left out: %s%s",
                        shard->name, count, text_string(&names), count > NAMES_SHOWN ? " …" : "");
    text_done(&names);
}

/* Whether the names are in the alphabet's order, which says nothing about definition. */
static bool is_sorted(const Index *index)
{
    for (size_t i = 1; i < index->entry_count; i++)
        if (strcmp(index->entries[i - 1].tensor, index->entries[i].tensor) > 0) return false;
    return true;
}

/* For checkpoint_own, which knows no types. */
static void release_checkpoint(void *checkpoint)
{
    checkpoint_unref(checkpoint);
}

/* Hands the shards over to the checkpoint around `dict`, and says what is odd about them. */
static Checkpoint *make_checkpoint(Index *index, const OpenContext *context, StateDict *dict,
                                   uint64_t bytes)
{
    const StateDict *first = index->shards[0].dict;
    bool torch = has_prefix(checkpoint_format(index->shards[0].checkpoint), "torch-");
    Checkpoint *checkpoint =
        checkpoint_new(context->path, torch ? "torch-sharded" : "safetensors-sharded");
    uint64_t file_bytes = 0;
    for (size_t i = 0; i < index->shard_count; i++) {
        Shard *shard = &index->shards[i];
        file_bytes += checkpoint_file_bytes(shard->checkpoint);
        for (size_t j = 0; j < checkpoint_finding_count(shard->checkpoint); j++) {
            const Finding *one = checkpoint_finding(shard->checkpoint, j);
            checkpoint_find(checkpoint, one->level, one->kind, one->tensor, one->remedy, "%s: %s",
                            shard->name, one->what);
        }
        warn_unlisted(shard, dict, checkpoint);
        checkpoint_add_inner_checks(checkpoint, shard->checkpoint, shard->name);
        checkpoint_own(checkpoint, checkpoint_ref(shard->checkpoint), release_checkpoint);
    }
    if (index->has_total && index->total != (double)bytes &&
        index->total != (double)dict_bytes(dict))
        checkpoint_warn(checkpoint, "the index says total_size %.0f, its tensors have %" PRIu64
                        " bytes", index->total, bytes);
    for (size_t i = 0; i < dict_metadata_count(first); i++)
        dict_add_metadata(dict, dict_metadata(first, i).key, dict_metadata(first, i).value);
    dict_set_ordered(dict, torch && !is_sorted(index));
    checkpoint_set_file_bytes(checkpoint, file_bytes);
    checkpoint_add_container(checkpoint, "", dict, 0, false);
    return checkpoint;
}

/* All shards are open at once: the union's tensors read from them. */
static Checkpoint *open_shards(Index *index, OpenContext *context)
{
    for (size_t i = 0; i < index->shard_count; i++)
        if (!open_shard(index, context, &index->shards[i])) return NULL;
    StateDict *dict = dict_new();
    uint64_t bytes = 0;
    if (join_tensors(index, dict, &bytes)) return make_checkpoint(index, context, dict, bytes);
    dict_unref(dict);
    return NULL;
}

/* No shard there: a schema. Some there: an error, since a model with holes would only look like
 * one that does not fit. */
static Checkpoint *open_indexed(Index *index, OpenContext *context)
{
    if (!read_index(index) || !check_extensions(index)) return NULL;
    Text names = {0};
    Checkpoint *checkpoint = NULL;
    size_t absent = list_absent(index, context, &names);
    if (absent == index->shard_count)
        checkpoint = make_schema(index, context);
    else if (absent)
        fault_file(index->err, ERR_NOT_FOUND, index->source->name,
                   "%zu of %zu shards are not in its folder: %s; fetch them too", absent,
                   index->shard_count, text_string(&names));
    else
        checkpoint = open_shards(index, context);
    text_done(&names);
    return checkpoint;
}

/* The checkpoint keeps references of its own to the shards; those of the index go here. */
static Checkpoint *open_sharded(OpenContext *context, ByteSource *source, Error *err)
{
    Index index = {.source = source, .err = err, .arena = arena_new()};
    Checkpoint *checkpoint = open_indexed(&index, context);
    for (size_t i = 0; i < index.shard_count; i++) {
        checkpoint_unref(index.shards[i].checkpoint);
        free(index.shards[i].storages);
    }
    map_done(&index.shard_index);
    free(index.shards);
    free(index.entries);
    arena_free(index.arena);
    return checkpoint;
}

static Sniff sniff_sharded(ByteSource *source, const unsigned char *head, size_t n)
{
    Error ignored;
    JsonKind kind = json_source_kind(source, head, n, NULL, &ignored);
    return kind == JSON_INDEX ? SNIFF_YES : SNIFF_NO;
}

const Format format_sharded = {"sharded", "sharded model (index.json)", sniff_sharded,
                               open_sharded};
