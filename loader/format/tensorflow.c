/* TensorFlow checkpoints: an index with its shards, or the folder around them.
 *
 * The container "" has every entry under its key; "named" the model's variables under readable
 * names, "ema" their moving averages, and "optimizer" slots, counters and metrics. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/crc32c.h"
#include "loader/format/fault.h"
#include "loader/format/leveldb.h"
#include "loader/format/tensorflow.h"
#include "loader/tensor/check_run.h"

/* Bytes read at a time; of the file `checkpoint`, whose first line names the latest. */
enum { CHECK_BLOCK = 1 << 20, STATE_BYTES = 16 << 10 };
/* DataType of what holds no plain values. */
enum { STRING = 7, RESOURCE = 20, VARIANT = 21 };

/* -- CRCs, on demand ------------------------------------------------------------------- */

/* The bytes of a tensor, and the CRC that the index has of them. */
typedef struct StoredCrc {
    const char *tensor;      /* key; in the checkpoint's arena */
    ByteSource *source;      /* the shard; owned by the checkpoint */
    uint64_t offset, size;   /* bytes of it */
    uint32_t crc;            /* unmasked */
} StoredCrc;

typedef struct StoredCrcs {
    StoredCrc *crcs;         /* [count] in the arena */
    size_t count;
} StoredCrcs;

/* Streamed: a tensor may be larger than memory. */
static bool compute_crc(const StoredCrc *stored, unsigned char *block, const CheckRun *run,
                        uint32_t *crc, Error *err)
{
    *crc = 0;
    for (uint64_t done = 0; done < stored->size;) {
        uint64_t left = stored->size - done;
        size_t n = left < CHECK_BLOCK ? (size_t)left : CHECK_BLOCK;
        if (!source_read(stored->source, stored->offset + done, block, n, err)) return false;
        *crc = crc32c_add(*crc, block, n);
        done += n;
        if (!check_run_step(run, n, err)) return false;
    }
    return true;
}

/* CheckpointCheck: reads every value once. */
static bool check_crcs(Checkpoint *checkpoint, void *context, const struct CheckRun *run,
                       Error *err)
{
    const StoredCrcs *stored = context;
    unsigned char *block = mem_alloc(CHECK_BLOCK);
    bool fine = true;
    for (size_t i = 0; fine && i < stored->count; i++) {
        uint32_t crc;
        fine = compute_crc(&stored->crcs[i], block, run, &crc, err);
        if (fine && crc != stored->crcs[i].crc)
            checkpoint_find(checkpoint, FINDING_ERROR, "crc", stored->crcs[i].tensor,
                            "the shard is damaged, or of another checkpoint: fetch it again",
                            "its bytes have the CRC-32C %08" PRIx32 ", the index says %08" PRIx32,
                            crc, stored->crcs[i].crc);
    }
    free(block);
    return fine;
}

/* Texts have a CRC of another kind, of lengths and bytes. */
static void collect_crcs(Bundle *bundle)
{
    StoredCrcs *stored = arena_alloc(bundle->arena, sizeof *stored);
    stored->crcs = arena_alloc(bundle->arena, bundle->count * sizeof *stored->crcs);
    for (size_t i = 0; i < bundle->count; i++) {
        const BundleEntry *entry = bundle->entries[i];
        ByteSource *shard = entry->shard < bundle->shard_count ? bundle->shards[entry->shard]
                                                               : NULL;
        bool inside = shard && entry->offset <= shard->size &&
                      entry->size <= shard->size - entry->offset;
        bool plain = entry->dtype < RESOURCE ? entry->dtype != STRING : entry->dtype > VARIANT;
        if (!inside || !plain || !entry->has_crc || entry->slice_count) continue;
        stored->crcs[stored->count++] = (StoredCrc){entry->key, shard, entry->offset, entry->size,
                                                    crc32c_unmask(entry->crc)};
    }
    checkpoint_add_check(bundle->checkpoint, check_crcs, stored);
}

/* -- Containers ------------------------------------------------------------------------ */

/* What the bundle becomes: everything, and its parts by what they are for. */
typedef struct Listing {
    StateDict *raw;
    StateDict *parts[VARIABLE_NONE];     /* by VariableKind */
} Listing;

static const char *const part_names[] = {
    [VARIABLE_MODEL] = "named", [VARIABLE_EMA] = "ema", [VARIABLE_STATE] = "optimizer"};

/* Without a graph, or with one that cannot be read, names come from the keys. */
static void read_names(Bundle *bundle, TrackedNames *names)
{
    uint32_t at = map_get(&bundle->index, "_CHECKPOINTABLE_OBJECT_GRAPH");
    if (at == MAP_NONE) return;
    const BundleEntry *entry = bundle->entries[at];
    ByteSource *shard = entry->dtype == STRING && !entry->slice_count
                            ? bundle_shard(bundle, entry) : NULL;
    Error inner = {0};
    if (!shard || entry->offset > shard->size || entry->size > shard->size - entry->offset ||
        tracked_read(shard, entry->offset, entry->size, bundle->arena, names, &inner))
        return;
    tracked_done(names);
    *names = (TrackedNames){0};
    checkpoint_find(bundle->checkpoint, FINDING_WARNING, "names", entry->key, NULL,
                    "the object graph cannot be read, so names come from the keys: %s",
                    inner.text);
}

/* Two variables of one name (Keras 3 calls many just "kernel") are told apart by their keys. */
static void add_part(Bundle *bundle, const Tensor *tensor, const char *name, StateDict *part)
{
    static const TrackedNames none = {0};
    VariableKind ignored;
    Tensor named = *tensor;
    named.name = name;
    if (dict_add(part, &named)) return;
    named.name = variable_name(&none, tensor->name, bundle->arena, &ignored);
    if (dict_add(part, &named)) return;
    named.name = tensor->name;
    dict_add(part, &named);
}

static bool list_entries(Bundle *bundle, const TrackedNames *names, Listing *listing)
{
    VariableKind kind;
    for (size_t i = 0; i < bundle->count; i++) {
        Tensor tensor;
        if (bundle_is_slice(bundle->entries[i])) continue;
        if (!bundle_tensor(bundle, bundle->entries[i], &tensor)) return false;
        const char *name = variable_name(names, tensor.name, bundle->arena, &kind);
        bool weight = kind == VARIABLE_MODEL || kind == VARIABLE_EMA;
        if (weight) tensor.layout = variable_layout(name, tensor.rank);
        dict_add(listing->raw, &tensor);
        if (kind != VARIABLE_NONE) add_part(bundle, &tensor, name, listing->parts[kind]);
    }
    return true;
}

/* Pieces without a variable: the index was written by something that lost its place. */
static void report_strays(const Bundle *bundle)
{
    size_t strays = 0;
    for (size_t i = 0; i < bundle->count; i++)
        strays += bundle_is_slice(bundle->entries[i]) && !bundle->entries[i]->used;
    if (strays)
        checkpoint_find(bundle->checkpoint, FINDING_WARNING, "slices", NULL, NULL,
                        "%zu piece(s) in the index belong to no variable and are not shown",
                        strays);
}

/* Parts without a tensor are not offered. */
static void add_containers(Bundle *bundle, const Listing *listing)
{
    checkpoint_add_container(bundle->checkpoint, "", dict_ref(listing->raw), 0, false);
    for (size_t i = 0; i < countof(part_names); i++)
        if (dict_count(listing->parts[i]))
            checkpoint_add_container(bundle->checkpoint, part_names[i],
                                     dict_ref(listing->parts[i]), 0, i == VARIABLE_STATE);
}

/* Reads the index at `source`; its shards are PREFIX.data-… below context->folder. */
static Checkpoint *open_bundle(OpenContext *context, ByteSource *source, const char *prefix,
                               Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "tensorflow", source);
    Bundle bundle = {.context = context, .checkpoint = checkpoint, .file = source->name,
                     .arena = checkpoint_arena(checkpoint), .err = err};
    TrackedNames names = {0};
    Listing listing = {dict_new(), {dict_new(), dict_new(), dict_new()}};
    bundle.prefix = arena_strdup(bundle.arena, prefix);
    bool fine = bundle_read_index(&bundle, source);
    if (fine) read_names(&bundle, &names);
    fine = fine && list_entries(&bundle, &names, &listing);
    if (fine) {
        dict_set_ordered(listing.raw, false);
        for (size_t i = 0; i < countof(part_names); i++)
            dict_set_ordered(listing.parts[i], false);
        collect_crcs(&bundle);
        report_strays(&bundle);
        add_containers(&bundle, &listing);
    } else {
        checkpoint_unref(checkpoint);
    }
    dict_unref(listing.raw);
    for (size_t i = 0; i < countof(part_names); i++) dict_unref(listing.parts[i]);
    tracked_done(&names);
    bundle_done(&bundle);
    return fine ? checkpoint : NULL;
}

/* -- The index as a file --------------------------------------------------------------- */

static Checkpoint *open_index(OpenContext *context, ByteSource *source, Error *err)
{
    const char *name = path_base(source->name);
    size_t n = strlen(name), suffix = strlen(".index");
    char *prefix = mem_strdup(name);
    if (has_suffix(name, ".index")) prefix[n - suffix] = '\0';
    Checkpoint *checkpoint = open_bundle(context, source, prefix, err);
    free(prefix);
    return checkpoint;
}

static Sniff sniff_index(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)head;
    (void)n;
    return level_is_table(source) ? SNIFF_YES : SNIFF_NO;
}

const Format format_tensorflow = {"tensorflow", "TensorFlow checkpoint (.index)", sniff_index,
                                  open_index};

/* -- Folders --------------------------------------------------------------------------- */

/* An index below the folder, with its shards beside it. */
static Checkpoint *open_prefix(OpenContext *context, const char *prefix, Error *err)
{
    Text name = {0};
    text_addf(&name, "%s.index", prefix);
    ByteSource *source = context->inner_source(context, text_string(&name), err);
    Checkpoint *checkpoint = source ? open_bundle(context, source, prefix, err) : NULL;
    source_unref(source);
    text_done(&name);
    return checkpoint;
}

/* The last part of the path in `model_checkpoint_path: "…"`: the folder may have been moved. */
static const char *parse_state(Arena *arena, const char *text)
{
    static const char key[] = "model_checkpoint_path:";
    while (text && !has_prefix(text, key)) {
        text = strchr(text, '\n');
        if (text) text++;
    }
    if (!text) return NULL;
    const char *from = strchr(text, '"'), *to = from ? strpbrk(from + 1, "\"\n") : NULL;
    if (!to || *to != '"') return NULL;
    return path_base(arena_strndup(arena, from + 1, (size_t)(to - from - 1)));
}

/* What the file `checkpoint` calls the latest one; NULL when there is none, or it is not there. */
static const char *find_latest(const OpenContext *context, Arena *arena)
{
    ByteSource *source = context->has_inner(context, "checkpoint")
                             ? context->inner_source(context, "checkpoint", NULL) : NULL;
    char text[STATE_BYTES + 1];
    size_t n = source && source->size < STATE_BYTES ? (size_t)source->size : STATE_BYTES;
    bool fine = source && source_read(source, 0, text, n, NULL);
    source_unref(source);
    text[fine ? n : 0] = '\0';
    const char *name = parse_state(arena, text);
    if (!name) return NULL;
    const char *index = arena_printf(arena, "%s.index", name);
    return context->has_inner(context, index) ? name : NULL;
}

/* How many indexes of checkpoints the folder has; *last is the prefix of the last of them. */
static size_t count_indexes(const Folder *folder, Arena *arena, const char **last)
{
    size_t count = 0;
    for (size_t i = 0; i < folder->count; i++) {
        const char *name = folder->names[i];
        if (!has_suffix(name, ".index")) continue;
        count++;
        *last = arena_strndup(arena, name, strlen(name) - strlen(".index"));
    }
    return count;
}

/* A SavedModel has its values in variables/; a training folder has checkpoints, of which the file
 * `checkpoint` names the latest. */
static Checkpoint *open_tensorflow_folder(OpenContext *context, const Folder *folder, Error *err)
{
    if (folder_has(folder, "saved_model.pb") || folder_has(folder, "variables")) {
        if (context->has_inner(context, "variables/variables.index"))
            return open_prefix(context, "variables/variables", err);
        fault_file(err, ERR_NOT_FOUND, folder->path, "%s has no variables/variables.index: its "
                   "weights are not there, or inside its graph",
                   folder_has(folder, "saved_model.pb") ? "a TensorFlow SavedModel, which"
                                                        : "a folder that");
        return NULL;
    }
    Arena *arena = arena_new();
    const char *last = NULL, *latest = find_latest(context, arena);
    size_t count = count_indexes(folder, arena, &last);
    Checkpoint *checkpoint = NULL;
    if (!latest && count != 1)
        fault_file(err, ERR_NOT_FOUND, folder->path, "%zu TensorFlow checkpoints in it may be "
                   "meant; name one of its .index files", count);
    else
        checkpoint = open_prefix(context, latest ? latest : last, err);
    if (checkpoint && count > 1)
        checkpoint_find(checkpoint, FINDING_NOTE, "copies", NULL,
                        "for another one, name its .index file",
                        "the folder holds %zu checkpoints; %s, the latest, was taken", count,
                        latest);
    arena_free(arena);
    return checkpoint;
}

/* Folders of the Hugging Face hub keep a TensorFlow copy beside the one that everybody means. */
static Sniff sniff_folder(const Folder *folder)
{
    const char *last;
    if (folder_has(folder, "model.safetensors") || folder_has(folder, "pytorch_model.bin"))
        return SNIFF_NO;
    if (folder_has(folder, "saved_model.pb")) return SNIFF_YES;
    Arena *arena = arena_new();
    size_t count = count_indexes(folder, arena, &last);
    arena_free(arena);
    if (!count) return folder_has(folder, "variables") ? SNIFF_MAYBE : SNIFF_NO;
    return folder_has(folder, "checkpoint") ? SNIFF_YES : SNIFF_MAYBE;
}

const FolderFormat folder_tensorflow = {"tensorflow", "TensorFlow SavedModel or checkpoints",
                                        sniff_folder, open_tensorflow_folder};
