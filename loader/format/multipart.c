/* Folders whose model lies in several parts, each of which is offered as containers of its name:
 *
 *   pipeline     model_index.json, unet/, vae/, text_encoder/ …              (diffusers)
 *   megatron     latest_checkpointed_iteration.txt → iter_0000100/,
 *                mp_rank_00/ or mp_rank_00_000/ → model_optim_rng.pt         (Megatron-LM)
 *   meta         consolidated.00.pth, consolidated.01.pth …                  (Llama)
 *   accelerate   model.safetensors, model_1.safetensors …                    (save_state)
 *   fsdp         pytorch_model_fsdp_0/, or pytorch_model_fsdp_rank0.bin …
 *   hf-cache     snapshots/REVISION/                                         (huggingface_hub)
 *   run          checkpoint-500/, checkpoint-1000/ …                         (HF Trainer)
 *
 * How the ranks of one model were cut is not said in any of them, so nothing is merged; but all
 * parts are offered joined as well, under names PART.NAME, where rules can merge them.
 * A folder with one part only is that part. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"
#include "loader/format/fault.h"
#include "loader/format/folder.h"
#include "loader/format/parts.h"

/* Fixed: pipelines have a dozen parts, and a tag is a folder's name. */
enum { INDEX_VALUES_MAX = 100000, NAMES_SHOWN = 8 };

/* A part: what it is called, and where it lies in the folder. */
typedef struct Piece {
    const char *name, *path; /* in the arena of the list */
} Piece;

typedef struct Pieces {
    Arena *arena;            /* owned */
    Piece *list;             /* owned */
    size_t count, room;
} Pieces;

static void add_piece(Pieces *pieces, const char *name, const char *path)
{
    pieces->list =
        mem_grow(pieces->list, &pieces->room, pieces->count + 1, sizeof *pieces->list);
    pieces->list[pieces->count++] = (Piece){name, path};
}

static void free_pieces(Pieces *pieces)
{
    free(pieces->list);
    arena_free(pieces->arena);
}

/* -- Names with a number --------------------------------------------------------------- */

/* Whether a name is PREFIX, digits, SUFFIX; *number receives them. */
static bool match_number(const char *name, const char *prefix, const char *suffix, unsigned *number)
{
    if (!has_prefix(name, prefix)) return false;
    const char *at = name + strlen(prefix);
    unsigned value = 0, digits = 0;
    for (; is_digit(*at) && digits < 9; at++, digits++) value = value * 10 + (unsigned)(*at - '0');
    if (!digits || strcmp(at, suffix) != 0) return false;
    *number = value;
    return true;
}

/* Entries of such names, each a part called by the name without its extension. */
static void pick_numbered(Pieces *pieces, const Folder *folder, const char *prefix,
                          const char *suffix)
{
    unsigned number;
    for (size_t i = 0; i < folder->count; i++) {
        const char *name = folder->names[i];
        if (!match_number(name, prefix, suffix, &number)) continue;
        add_piece(pieces, arena_strndup(pieces->arena, name, strlen(name) - strlen(suffix)), name);
    }
}

static size_t count_numbered(const Folder *folder, const char *prefix, const char *suffix)
{
    size_t count = 0;
    unsigned number;
    for (size_t i = 0; i < folder->count; i++)
        count += match_number(folder->names[i], prefix, suffix, &number);
    return count;
}

/* Ranks are counted from 0 without gaps; one that lacks is named. Those behind the last one cannot
 * be known. */
static void find_gaps(Checkpoint *whole, const Folder *folder, const char *prefix,
                      const char *suffix)
{
    unsigned next = 0, number;
    for (size_t i = 0; i < folder->count; i++) {
        if (!match_number(folder->names[i], prefix, suffix, &number)) continue;
        if (number > next)
            checkpoint_find(whole, FINDING_ERROR, "missing", NULL, "fetch the missing files",
                            "the part with number %u (before %s) is not there", next,
                            folder->names[i]);
        next = number + 1;
    }
}

/* -- Opening all parts ----------------------------------------------------------------- */

/* One part alone is the whole. `optional`: a part that does not open is a finding, as long as
 * another does. */
static Checkpoint *open_pieces(OpenContext *context, const Folder *folder, const char *format,
                               Pieces *pieces, bool optional, Error *err)
{
    if (pieces->count == 1) return context->open_inner(context, pieces->list[0].path, err);
    Checkpoint *whole = checkpoint_new(context->path, format);
    Parts parts = {.joined = dict_new()};
    size_t opened = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        const Piece *piece = &pieces->list[i];
        Error what = {0};
        Checkpoint *part = context->open_inner(context, piece->path, &what);
        if (part) {
            parts_add(&parts, whole, piece->name, part, false);
            opened++;
            continue;
        }
        if (err) *err = what;
        if (!optional) break;
        checkpoint_find(whole, FINDING_ERROR, "part", NULL, NULL, "%s: %s", piece->name, what.text);
    }
    parts_finish(&parts, whole);
    if (opened == pieces->count || (optional && opened)) {
        folder_note_state(folder, whole);
        return whole;
    }
    checkpoint_unref(whole);
    return NULL;
}

/* "a, b, c and 4 more" */
static void list_pieces(const Pieces *pieces, Text *out)
{
    for (size_t i = 0; i < pieces->count && i < NAMES_SHOWN; i++) {
        if (i) text_add(out, ", ");
        fault_quote(pieces->list[i].path, strlen(pieces->list[i].path), 80, out);
    }
    if (pieces->count > NAMES_SHOWN) text_addf(out, " and %zu more", pieces->count - NAMES_SHOWN);
}

/* Other checkpoints, not other parts: only the user can say which. Always NULL. */
static Checkpoint *refuse_choice(const Folder *folder, const Pieces *pieces, const char *what,
                                 Error *err)
{
    Text names = {0};
    list_pieces(pieces, &names);
    fault_file(err, ERR_NOT_FOUND, folder->path, "%s; name one of them: %s", what,
               text_string(&names));
    text_done(&names);
    return NULL;
}

/* -- diffusers ------------------------------------------------------------------------- */

/* Folders that hold weights; schedulers, tokenizers and the like hold none. */
static bool pick_components(OpenContext *context, const Folder *folder, Pieces *pieces)
{
    for (size_t i = 0; i < folder->count; i++) {
        Folder inner;
        Error ignored;
        const char *name = folder->names[i];
        if (!context->list_inner(context, name, pieces->arena, &inner, &ignored)) continue;
        if (folder_looks_like_model(&inner)) add_piece(pieces, name, name);
    }
    return pieces->count > 0;
}

/* {"_class_name": …, "unet": ["diffusers", "UNet2DConditionModel"], "image_encoder": [null, null]}:
 * a part that is named, and of which there is no folder, is missing. */
static bool check_components(OpenContext *context, const Folder *folder, Checkpoint *whole,
                             Arena *arena, Error *err)
{
    ByteSource *source = context->inner_source(context, "model_index.json", err);
    size_t n = 0;
    char *text = source ? source_slurp_limited(source, LIMIT_INDEX_BYTES, &n, err) : NULL;
    const Value *index =
        text ? json_parse(arena, text, n, source->name, INDEX_VALUES_MAX, err) : NULL;
    for (size_t i = 0; index && index->kind == VALUE_MAP && i < index->list.count; i++) {
        const char *name = index->list.items[i].key;
        const Value *value = index->list.items[i].value;
        if (value->kind != VALUE_LIST || !value->list.count || name[0] == '_' ||
            value->list.items[0].value->kind != VALUE_STRING || folder_has(folder, name))
            continue;
        Text shown = {0};
        fault_quote(name, strlen(name), 80, &shown);
        checkpoint_find(whole, FINDING_WARNING, "missing", NULL, "fetch that folder too",
                        "model_index.json names a part '%s', which is not there",
                        text_string(&shown));
        text_done(&shown);
    }
    free(text);
    source_unref(source);
    return index != NULL;
}

static Sniff sniff_pipeline(const Folder *folder)
{
    return folder_has(folder, "model_index.json") && !folder_has_model(folder) ? SNIFF_YES
                                                                               : SNIFF_NO;
}

static Checkpoint *open_pipeline(OpenContext *context, const Folder *folder, Error *err)
{
    Pieces pieces = {.arena = arena_new()};
    Checkpoint *whole = NULL;
    if (pick_components(context, folder, &pieces))
        whole = open_pieces(context, folder, "pipeline", &pieces, true, err);
    else
        fault_file(err, ERR_NOT_FOUND, folder->path, "a pipeline (model_index.json) of which no "
                   "part with weights is there; fetch its folders (unet, vae …) too");
    if (whole && !check_components(context, folder, whole, pieces.arena, err)) {
        checkpoint_unref(whole);
        whole = NULL;
    }
    free_pieces(&pieces);
    return whole;
}

const FolderFormat format_pipeline = {"pipeline", "pipelines of diffusers (model_index.json)",
                                      sniff_pipeline, open_pipeline};

/* -- Megatron -------------------------------------------------------------------------- */

/* "mp_rank_00", "mp_rank_00_001": tensor rank, pipeline rank. */
static bool is_rank_folder(const char *name)
{
    return has_prefix(name, "mp_rank_") && is_digit(name[strlen("mp_rank_")]) &&
           !strchr(name, '.');
}

static size_t count_rank_folders(const Folder *folder)
{
    size_t count = 0;
    for (size_t i = 0; i < folder->count; i++) count += is_rank_folder(folder->names[i]);
    return count;
}

/* "100" → iter_0000100; "release" is a folder of that name. */
static Checkpoint *open_iteration(OpenContext *context, const Folder *folder, Error *err)
{
    char *text = folder_read_tag(context, "latest_checkpointed_iteration.txt", err);
    if (!text) return NULL;
    Text name = {0};
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (is_digit(text[0]) && !*end) text_addf(&name, "iter_%07lu", number);
    else text_add(&name, text);
    free(text);
    Checkpoint *checkpoint = NULL;
    if (inner_name_is_safe(text_string(&name)) && !folder_has(folder, text_string(&name)))
        fault_file(err, ERR_NOT_FOUND, folder->path, "latest_checkpointed_iteration.txt leads to "
                   "'%s', which is not there; fetch it, or name the folder that you mean",
                   text_string(&name));
    else checkpoint = context->open_inner(context, text_string(&name), err);
    text_done(&name);
    return checkpoint;
}

/* The file of a rank that holds its model; NULL: none of those names is there. */
static const char *find_rank_file(OpenContext *context, Arena *arena, const char *rank)
{
    static const char *const names[] = {"model_optim_rng.pt", "model_rng.pt",
                                        "model_weights.ckpt", "model.pt"};
    for (size_t i = 0; i < countof(names); i++) {
        const char *path = arena_printf(arena, "%s/%s", rank, names[i]);
        if (context->has_inner(context, path)) return path;
    }
    return NULL;
}

static Checkpoint *open_megatron(OpenContext *context, const Folder *folder, Error *err)
{
    if (!count_rank_folders(folder)) return open_iteration(context, folder, err);
    Pieces pieces = {.arena = arena_new()};
    Checkpoint *whole = NULL;
    const char *empty = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        const char *name = folder->names[i];
        if (!is_rank_folder(name)) continue;
        const char *path = find_rank_file(context, pieces.arena, name);
        if (path) add_piece(&pieces, name, path);
        else if (!empty) empty = name;
    }
    if (empty)
        fault_file(err, ERR_NOT_FOUND, folder->path,
                   "its part %s holds no model_optim_rng.pt; fetch it too", empty);
    else whole = open_pieces(context, folder, "megatron", &pieces, false, err);
    if (whole && pieces.count > 1) find_gaps(whole, folder, "mp_rank_", "");
    free_pieces(&pieces);
    return whole;
}

static Sniff sniff_megatron(const Folder *folder)
{
    return folder_has(folder, "latest_checkpointed_iteration.txt") || count_rank_folders(folder)
               ? SNIFF_YES
               : SNIFF_NO;
}

const FolderFormat format_megatron = {"megatron", "Megatron-LM (iter_*/mp_rank_*)", sniff_megatron,
                                      open_megatron};

/* -- Files with a number --------------------------------------------------------------- */

/* A kind of folder with several files or folders of one name with a number in it. */
typedef struct Series {
    const char *prefix, *suffix;
    size_t least;            /* so many of them make such a folder */
    const char *note, *remedy;   /* what to say of the parts, and to do; NULL: nothing */
} Series;

static const Series meta_series = {
    "consolidated.", ".pth", 2,
    "each part is one model-parallel rank; how its tensors were cut is not said",
    "merge them by rules: cat(0) or cat(1)"};
static const Series fsdp_folders = {"pytorch_model_fsdp_", "", 1, NULL, NULL};
static const Series fsdp_ranks = {
    "pytorch_model_fsdp_rank", ".bin", 1,
    "each part is one rank's share of flattened parameters (flat_param); the shapes that they were "
    "flattened from are not in the files",
    "say them in rules: reshape"};

static Checkpoint *open_series(OpenContext *context, const Folder *folder, const char *format,
                               const Series *series, Error *err)
{
    Pieces pieces = {.arena = arena_new()};
    pick_numbered(&pieces, folder, series->prefix, series->suffix);
    Checkpoint *whole = open_pieces(context, folder, format, &pieces, false, err);
    if (whole && pieces.count > 1) find_gaps(whole, folder, series->prefix, series->suffix);
    if (whole && series->note)
        checkpoint_find(whole, FINDING_NOTE, "part", NULL, series->remedy, "%s", series->note);
    if (whole && pieces.count == 1) folder_note_state(folder, whole);
    free_pieces(&pieces);
    return whole;
}

static Sniff sniff_meta(const Folder *folder)
{
    return !folder_has_model(folder) && count_numbered(folder, meta_series.prefix,
                                                       meta_series.suffix) >= meta_series.least
               ? SNIFF_YES
               : SNIFF_NO;
}

static Checkpoint *open_meta(OpenContext *context, const Folder *folder, Error *err)
{
    return open_series(context, folder, "meta", &meta_series, err);
}

const FolderFormat format_meta = {"meta", "Llama in parts (consolidated.00.pth …)", sniff_meta,
                                  open_meta};

static Sniff sniff_fsdp(const Folder *folder)
{
    if (folder_has_model(folder)) return SNIFF_NO;
    return count_numbered(folder, fsdp_folders.prefix, fsdp_folders.suffix) ||
                   count_numbered(folder, fsdp_ranks.prefix, fsdp_ranks.suffix)
               ? SNIFF_YES
               : SNIFF_NO;
}

static Checkpoint *open_fsdp(OpenContext *context, const Folder *folder, Error *err)
{
    bool folders = count_numbered(folder, fsdp_folders.prefix, fsdp_folders.suffix) > 0;
    return open_series(context, folder, "fsdp", folders ? &fsdp_folders : &fsdp_ranks, err);
}

const FolderFormat format_fsdp = {"fsdp", "FSDP folders of accelerate and HF Trainer", sniff_fsdp,
                                  open_fsdp};

/* -- accelerate ------------------------------------------------------------------------ */

/* What a second model of save_state is called, and the first: in order of preference. */
static const struct { const char *first, *prefix, *suffix; } accelerate_names[] = {
    {"model.safetensors", "model_", ".safetensors"},
    {"model.safetensors.index.json", "model_", ".safetensors.index.json"},
    {"pytorch_model.bin", "pytorch_model_", ".bin"},
    {"pytorch_model.bin.index.json", "pytorch_model_", ".bin.index.json"},
};

static Sniff sniff_accelerate(const Folder *folder)
{
    for (size_t i = 0; i < countof(accelerate_names); i++)
        if (folder_has(folder, accelerate_names[i].first) &&
            count_numbered(folder, accelerate_names[i].prefix, accelerate_names[i].suffix))
            return SNIFF_YES;
    return SNIFF_NO;
}

static Checkpoint *open_accelerate(OpenContext *context, const Folder *folder, Error *err)
{
    Pieces pieces = {.arena = arena_new()};
    for (size_t i = 0; i < countof(accelerate_names); i++) {
        const char *first = accelerate_names[i].first, *suffix = accelerate_names[i].suffix;
        if (folder_has(folder, first) && !pieces.count)
            add_piece(&pieces, arena_strndup(pieces.arena, first, strlen(first) - strlen(suffix)),
                      first);
        pick_numbered(&pieces, folder, accelerate_names[i].prefix, suffix);
    }
    Checkpoint *whole = open_pieces(context, folder, "accelerate", &pieces, false, err);
    free_pieces(&pieces);
    return whole;
}

const FolderFormat format_accelerate = {"accelerate", "several models of accelerate's save_state",
                                        sniff_accelerate, open_accelerate};

/* -- Folders of checkpoints ------------------------------------------------------------ */

static Sniff sniff_cache(const Folder *folder)
{
    if (!folder_has(folder, "snapshots")) return SNIFF_NO;
    return folder_has(folder, "refs") || folder_has(folder, "blobs") ? SNIFF_YES : SNIFF_MAYBE;
}

static Checkpoint *open_cache(OpenContext *context, const Folder *folder, Error *err)
{
    Pieces pieces = {.arena = arena_new()};
    Folder inner;
    Checkpoint *checkpoint = NULL;
    if (context->list_inner(context, "snapshots", pieces.arena, &inner, err)) {
        for (size_t i = 0; i < inner.count; i++)
            add_piece(&pieces, inner.names[i],
                      arena_printf(pieces.arena, "snapshots/%s", inner.names[i]));
        if (pieces.count == 1)
            checkpoint = context->open_inner(context, pieces.list[0].path, err);
        else if (pieces.count)
            refuse_choice(folder, &pieces, "a folder of the Hugging Face cache with several "
                          "revisions", err);
        else
            fault_file(err, ERR_NOT_FOUND, folder->path, "a folder of the Hugging Face cache "
                       "without a revision in 'snapshots'; download the model");
    }
    free_pieces(&pieces);
    return checkpoint;
}

const FolderFormat format_cache = {"hf-cache", "the cache of huggingface_hub (snapshots/)",
                                   sniff_cache, open_cache};

static Sniff sniff_run(const Folder *folder)
{
    return count_numbered(folder, "checkpoint-", "") ? SNIFF_MAYBE : SNIFF_NO;
}

static Checkpoint *open_run(OpenContext *context, const Folder *folder, Error *err)
{
    Pieces pieces = {.arena = arena_new()};
    Checkpoint *checkpoint = NULL;
    pick_numbered(&pieces, folder, "checkpoint-", "");
    if (pieces.count == 1) checkpoint = context->open_inner(context, pieces.list[0].path, err);
    else refuse_choice(folder, &pieces, "the folder of a training run with several checkpoints",
                       err);
    free_pieces(&pieces);
    return checkpoint;
}

const FolderFormat format_run = {"run", "training runs of HF Trainer (checkpoint-N)", sniff_run,
                                 open_run};
