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
#include "loader/format/parts.h"
#include "loader/format/schema.h"
#include "loader/tensor/glimpse.h"

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
    Part part;               /* its checkpoint is NULL until opened */
    const StateDict *dict;   /* its weights; borrowed from the checkpoint */
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
    NameMap held;            /* tensor → the shard that has it; empty until asked for */
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
        glimpse_add(index->entries[index->entry_count - 1].tensor, NULL, 0);
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
    Glimpse *glimpse = glimpse_set(NULL);        /* which has seen them */
    bool fine = true;
    for (size_t i = 0; fine && i < index->entry_count; i++) {
        const SchemaTensor tensor = {.name = index->entries[i].tensor, .dtype = DT_UNKNOWN,
                                     .unit = "in weight_map"};
        fine = schema_add(dict, &tensor, index->source->name, index->err);
    }
    glimpse_set(glimpse);
    if (!fine) {
        dict_unref(dict);
        return NULL;
    }
    dict_set_ordered(dict, false);
    Checkpoint *checkpoint = schema_checkpoint(context, dict);
    checkpoint_find(checkpoint, FINDING_WARNING, "missing", NULL, "fetch the shards too",
                    "none of the %zu shards is there: only the names are known",
                    index->shard_count);
    return checkpoint;
}

/* -- The union ------------------------------------------------------------------------- */

/* Opens a shard. Errors tell of the shard, and so begin with the index that led to it. */
static bool open_shard(Index *index, OpenContext *context, Shard *shard)
{
    Checkpoint *checkpoint = context->open_inner(context, shard->name, index->err);
    if (!checkpoint) return error_prefix(index->err, "%s", index->source->name);
    part_init(&shard->part, checkpoint);
    const char *format = checkpoint_format(checkpoint);
    if (strcmp(format, "safetensors") != 0 && !has_prefix(format, "torch-"))
        return fault_file(index->err, ERR_FORMAT, index->source->name,
                          "shard '%s' is no safetensors or torch file, but: %s", shard->name,
                          format);
    const Container *weights = checkpoint_choose(checkpoint, NULL, index->err);
    if (!weights) return error_prefix(index->err, "%s", index->source->name);
    shard->dict = weights->dict;
    return true;
}

/* The first few of some names, and how many there are. */
typedef struct Names {
    Text text;               /* owned */
    size_t count;
    const char *first;       /* borrowed; NULL: none */
} Names;

static void add_name(Names *names, const char *name)
{
    if (!names->count) names->first = name;
    if (names->count++ >= NAMES_SHOWN) return;
    if (names->count > 1) text_add(&names->text, ", ");
    fault_quote(name, strlen(name), 80, &names->text);
}

/* A finding about the index, if there are such names: "SHARD: 2 tensor(s) WHAT: a, b". */
static void tell_names(Names *names, Checkpoint *checkpoint, FindingLevel level, const char *shard,
                       const char *what, const char *remedy)
{
    if (names->count)
        checkpoint_find(checkpoint, level, "index", names->count == 1 ? names->first : NULL,
                        remedy, "%s: %zu tensor(s) %s: %s%s", shard, names->count, what,
                        text_string(&names->text), names->count > NAMES_SHOWN ? " …" : "");
    text_done(&names->text);
}

/* A tensor that weight_map misplaces, in another shard; NULL if none has it. What all shards hold
 * is noted when it is first asked, so that a wrong index of a million names takes no longer. */
static Shard *find_elsewhere(Index *index, const char *tensor)
{
    if (!index->held.count)
        for (size_t i = 0; i < index->shard_count; i++)
            for (size_t j = 0; j < dict_count(index->shards[i].dict); j++)
                map_set(&index->held, dict_at(index->shards[i].dict, j)->name, (uint32_t)i);
    uint32_t shard = map_get(&index->held, tensor);
    return shard == MAP_NONE ? NULL : &index->shards[shard];
}

/* The union while it is made. */
typedef struct Union {
    Checkpoint *checkpoint;
    StateDict *dict;         /* handed over to the checkpoint at the end */
    Parts parts;
    uint64_t bytes;          /* each storage counted once, by the first tensor that shows it, as
                                transformers counts total_size */
    Names lost, moved;       /* tensors that are in no shard; in another one than the map says */
} Union;

/* One pair of weight_map. */
static bool join_tensor(Index *index, Union *whole, const Entry *entry)
{
    Shard *shard = &index->shards[entry->shard];
    const Tensor *found = dict_find(shard->dict, entry->tensor);
    if (!found && (shard = find_elsewhere(index, entry->tensor))) {
        found = dict_find(shard->dict, entry->tensor);
        add_name(&whole->moved, entry->tensor);
    }
    if (!found) {
        add_name(&whole->lost, entry->tensor);
        return true;
    }
    uint32_t before = whole->parts.storages;
    const Tensor tensor = part_tensor(&whole->parts, &shard->part, found, dict_arena(whole->dict));
    if (whole->parts.storages != before) whole->bytes += tensor_bytes(found);
    return dict_add(whole->dict, &tensor) ||
           fault_tensor(index->err, ERR_FORMAT, index->source->name, entry->tensor,
                        "stands twice in weight_map");
}

/* An index of which no shard has a tensor is another model's. */
static bool join_tensors(Index *index, Union *whole)
{
    for (size_t i = 0; i < index->entry_count; i++)
        if (!join_tensor(index, whole, &index->entries[i])) return false;
    if (dict_count(whole->dict)) return true;
    return fault_tensor(index->err, ERR_FORMAT, index->source->name, index->entries[0].tensor,
                        "weight_map places it in %s, which does not hold it, nor any other; the "
                        "index and its shards are not of the same model",
                        index->shards[index->entries[0].shard].name);
}

/* Tensors that lie in a shard and that weight_map does not place there. */
static void find_unlisted(const Shard *shard, const StateDict *dict, Checkpoint *checkpoint)
{
    Names names = {0};
    for (size_t i = 0; i < dict_count(shard->dict); i++) {
        const Tensor *tensor = dict_at(shard->dict, i), *listed = dict_find(dict, tensor->name);
        if (!listed || listed->name != tensor->name) add_name(&names, tensor->name);
    }
    tell_names(&names, checkpoint, FINDING_WARNING, shard->name,
               "are not in the index and were left out", NULL);
}

/* Readers of the field take `format` of the first shard for all of them. */
static void compare_metadata(const Index *index, Checkpoint *checkpoint)
{
    const char *first = dict_metadata_find(index->shards[0].dict, "format");
    for (size_t i = 1; i < index->shard_count; i++) {
        const char *other = dict_metadata_find(index->shards[i].dict, "format");
        if (!first == !other && (!first || strcmp(first, other) == 0)) continue;
        checkpoint_find(checkpoint, FINDING_WARNING, "metadata", NULL, NULL,
                        "%s: its metadata 'format' is not that of %s; the shards were written "
                        "apart", index->shards[i].name, index->shards[0].name);
        return;
    }
}

/* Whether the names are in the alphabet's order, which says nothing about definition. */
static bool is_sorted(const Index *index)
{
    for (size_t i = 1; i < index->entry_count; i++)
        if (strcmp(index->entries[i - 1].tensor, index->entries[i].tensor) > 0) return false;
    return true;
}

/* What the index and its shards say of each other. */
static void find_odd(Index *index, Union *whole)
{
    static const char *const remedy = "fetch the index and all shards of one revision";
    Checkpoint *checkpoint = whole->checkpoint;
    tell_names(&whole->lost, checkpoint, FINDING_ERROR, path_base(index->source->name),
               "in weight_map are in no shard and were left out", remedy);
    tell_names(&whole->moved, checkpoint, FINDING_ERROR, path_base(index->source->name),
               "lie in another shard than weight_map says", remedy);
    for (size_t i = 0; i < index->shard_count; i++) {
        part_findings(&index->shards[i].part, index->shards[i].name, checkpoint);
        find_unlisted(&index->shards[i], whole->dict, checkpoint);
    }
    compare_metadata(index, checkpoint);
    if (index->has_total && index->total != (double)whole->bytes &&
        index->total != (double)dict_bytes(whole->dict))
        checkpoint_find(checkpoint, FINDING_WARNING, "index", NULL, NULL,
                        "the index says total_size %.0f, its tensors have %" PRIu64 " bytes",
                        index->total, whole->bytes);
}

/* Hands the shards and the dict over to the checkpoint. */
static void finish_union(Index *index, Union *whole, bool torch)
{
    const StateDict *first = index->shards[0].dict;
    uint64_t file_bytes = 0;
    for (size_t i = 0; i < index->shard_count; i++) {
        file_bytes += checkpoint_file_bytes(index->shards[i].part.checkpoint);
        part_keep(&index->shards[i].part, whole->checkpoint);
    }
    dict_copy_metadata(whole->dict, first);
    dict_set_ordered(whole->dict, torch && !is_sorted(index));
    checkpoint_set_file_bytes(whole->checkpoint, file_bytes);
    checkpoint_add_container(whole->checkpoint, "", whole->dict, 0, false);
}

/* Their names were seen in the index already. */
static bool open_each(Index *index, OpenContext *context)
{
    bool fine = true;
    for (size_t i = 0; fine && i < index->shard_count; i++) {
        Glimpse *glimpse = glimpse_set(NULL);
        fine = open_shard(index, context, &index->shards[i]);
        glimpse_set(glimpse);
        glimpse_step(i + 1, index->shard_count);
    }
    return fine;
}

/* All shards are open at once: the union's tensors read from them. */
static Checkpoint *open_shards(Index *index, OpenContext *context)
{
    if (!open_each(index, context)) return NULL;
    bool torch = has_prefix(checkpoint_format(index->shards[0].part.checkpoint), "torch-");
    Union whole = {.dict = dict_new()};
    whole.checkpoint =
        checkpoint_new(context->path, torch ? "torch-sharded" : "safetensors-sharded");
    for (size_t i = 0; i < index->shard_count; i++)
        part_name(&index->shards[i].part, whole.checkpoint, index->shards[i].name);
    if (join_tensors(index, &whole)) {
        find_odd(index, &whole);
        finish_union(index, &whole, torch);
        return whole.checkpoint;
    }
    text_done(&whole.lost.text);
    text_done(&whole.moved.text);
    dict_unref(whole.dict);
    checkpoint_unref(whole.checkpoint);
    return NULL;
}

static void open_ahead(const Index *index, const OpenContext *context)
{
    if (!context->open_ahead) return;
    const char **names = mem_alloc((index->shard_count + 1) * sizeof *names);
    for (size_t i = 0; i < index->shard_count; i++) names[i] = index->shards[i].name;
    context->open_ahead(context, names, index->shard_count);
    free(names);
}

/* No shard there: a schema. Some there: an error, since a model with holes would only look like
 * one that does not fit. */
static Checkpoint *open_indexed(Index *index, OpenContext *context)
{
    if (!read_index(index) || !check_extensions(index)) return NULL;
    Text names = {0};
    Checkpoint *checkpoint = NULL;
    open_ahead(index, context);
    size_t absent = list_absent(index, context, &names);
    if (absent == index->shard_count)
        checkpoint = make_schema(index, context);
    else if (absent)
        fault_file(index->err, ERR_NOT_FOUND, index->source->name,
                   "%zu of %zu shards are not in its folder: %s; fetch them too", absent,
                   index->shard_count, text_string(&names));
    else
        checkpoint = open_shards(index, context);
    if (context->open_ahead) context->open_ahead(context, NULL, 0);
    text_done(&names);
    return checkpoint;
}

static void free_index(Index *index)
{
    for (size_t i = 0; i < index->shard_count; i++) part_done(&index->shards[i].part);
    map_done(&index->shard_index);
    map_done(&index->held);
    free(index->shards);
    free(index->entries);
    arena_free(index->arena);
}

/* The checkpoint keeps references of its own to the shards; those of the index go here. */
static Checkpoint *open_sharded(OpenContext *context, ByteSource *source, Error *err)
{
    Index index = {.source = source, .err = err, .arena = arena_new()};
    Checkpoint *checkpoint = open_indexed(&index, context);
    free_index(&index);
    return checkpoint;
}

bool sharded_files(Arena *arena, ByteSource *source, const char *const **names, size_t *count,
                   Error *err)
{
    Index index = {.source = source, .err = err, .arena = arena_new()};
    bool fine = read_index(&index) && check_extensions(&index);
    const char **list = arena_alloc(arena, (index.shard_count + 1) * sizeof *list);
    for (size_t i = 0; i < index.shard_count; i++)
        list[i] = arena_strdup(arena, index.shards[i].name);
    *names = list;
    *count = index.shard_count;
    free_index(&index);
    return fine;
}

static Sniff sniff_sharded(ByteSource *source, const unsigned char *head, size_t n)
{
    Error ignored;
    JsonKind kind = json_source_kind(source, head, n, NULL, &ignored);
    return kind == JSON_INDEX ? SNIFF_YES : SNIFF_NO;
}

const Format format_sharded = {"sharded", "sharded model (index.json)", sniff_sharded,
                               open_sharded};
