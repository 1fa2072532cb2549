/* DeepSpeed's folders. Two levels: the run's, whose file `latest` names the other one, and that:
 *
 *   mp_rank_00_model_states.pt                       weights of a model-parallel rank; stage ≤ 2
 *   zero_pp_rank_1_mp_rank_00_model_states.pt        stage 3: shapes alone, one per rank
 *   [bf16_|fp16_]zero_pp_rank_1_mp_rank_00_optim_states.pt   partitions of the optimizer
 *   layer_03-model_00-model_states.pt                pipelines: one layer
 *   layer_2_expert_5_mp_rank_00_model_states.pt      mixtures of experts: one expert
 *
 * ZeRO's partitions are merged into 32-bit weights (deepspeed_merge.c). Layers and experts are
 * joined as they were saved. Each model-parallel rank is a part of its own: how its tensors were
 * cut is not said, but rules can merge them. Source: deepspeed/runtime/{engine,pipe/module}.py. */
#include "loader/format/deepspeed.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/format/fault.h"
#include "loader/format/folder.h"

/* What a file of the folder is, told by its name. */
typedef enum Kind { KIND_OTHER, KIND_OPTIM, KIND_MODEL, KIND_LAYER, KIND_EXPERT } Kind;

/* A file, and the model-parallel rank that it belongs to, as its name has it ("00"). */
typedef struct File {
    const char *name;        /* borrowed from the folder */
    Kind kind;
    const char *rank;        /* in the reader's arena; "" when the name has none */
} File;

typedef struct Reader {
    OpenContext *context;    /* borrowed */
    const Folder *folder;    /* borrowed */
    Checkpoint *checkpoint;  /* being filled */
    Arena *arena;            /* owned */
    Parts parts;
    File *files;             /* [count] owned, in the order of the folder */
    size_t count;
    const char **ranks;      /* [rank_count] the different ranks; owned */
    size_t rank_count;
    Error *err;
} Reader;

/* -- Names ----------------------------------------------------------------------------- */

static Kind kind_of(const char *name)
{
    if (has_suffix(name, "_optim_states.pt")) return KIND_OPTIM;
    if (!has_suffix(name, "model_states.pt")) return KIND_OTHER;
    if (strstr(name, "expert_") && strstr(name, "_mp_rank_")) return KIND_EXPERT;
    return has_prefix(name, "layer_") ? KIND_LAYER : KIND_MODEL;
}

/* The digits behind "mp_rank_", or behind the "-model_" of a layer. */
static const char *rank_of(Arena *arena, const char *name, Kind kind)
{
    const char *mark = kind == KIND_LAYER ? "-model_" : "mp_rank_", *at = strstr(name, mark);
    if (!at) return "";
    at += strlen(mark);
    size_t n = 0;
    while (is_digit(at[n])) n++;
    return arena_strndup(arena, at, n);
}

static void sort_files(Reader *reader)
{
    NameMap seen;
    map_init(&seen);
    reader->files = mem_alloc((reader->folder->count + 1) * sizeof *reader->files);
    reader->ranks = mem_alloc((reader->folder->count + 1) * sizeof *reader->ranks);
    for (size_t i = 0; i < reader->folder->count; i++) {
        const char *name = reader->folder->names[i];
        File file = {.name = name, .kind = kind_of(name)};
        if (file.kind == KIND_OTHER) continue;
        file.rank = rank_of(reader->arena, name, file.kind);
        reader->files[reader->count++] = file;
        if (map_set(&seen, file.rank, 0) == MAP_NONE)
            reader->ranks[reader->rank_count++] = file.rank;
    }
    map_done(&seen);
}

/* The names of one kind and rank, in order; their number. */
static size_t pick_files(const Reader *reader, Kind kind, const char *rank, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < reader->count; i++)
        if (reader->files[i].kind == kind && strcmp(reader->files[i].rank, rank) == 0)
            names[count++] = reader->files[i].name;
    return count;
}

static bool has_kind(const Reader *reader, Kind kind)
{
    for (size_t i = 0; i < reader->count; i++)
        if (reader->files[i].kind == kind) return true;
    return false;
}

/* -- One model-parallel rank ----------------------------------------------------------- */

bool deepspeed_open(OpenContext *context, Checkpoint *whole, const char *name, Part *part,
                    Error *err)
{
    Checkpoint *checkpoint = context->open_inner(context, name, err);
    if (!checkpoint) return false;
    part_init(part, checkpoint);
    part_keep(part, whole);
    part_findings(part, name, whole);
    checkpoint_set_file_bytes(whole, checkpoint_file_bytes(whole) +
                                         checkpoint_file_bytes(checkpoint));
    return true;
}

/* Appends the tensors of a dict under PREFIX and their names. A name that is there already stays
 * as it is; that two files claim it is a finding, one for each file. */
static void append(Reader *reader, Part *part, const StateDict *from, const char *prefix,
                   StateDict *dict)
{
    const char *twice = NULL;
    size_t count = 0;
    for (size_t i = 0; i < dict_count(from); i++) {
        Tensor tensor = part_tensor(&reader->parts, part, dict_at(from, i), dict_arena(dict));
        if (*prefix) tensor.name = arena_printf(dict_arena(dict), "%s%s", prefix, tensor.name);
        if (!dict_add(dict, &tensor) && !count++) twice = tensor.name;
    }
    if (count)
        checkpoint_find(reader->checkpoint, FINDING_ERROR, "duplicate", twice, NULL,
                        "%s: %zu of its tensors are in another file too; those were taken",
                        checkpoint_path(part->checkpoint), count);
}

StateDict *deepspeed_module(Parts *parts, Part *part)
{
    const Container *module = checkpoint_find_container(part->checkpoint, "module");
    if (!module) return NULL;
    StateDict *dict = dict_new();
    for (size_t i = 0; i < dict_count(module->dict); i++) {
        const Tensor tensor =
            part_tensor(parts, part, dict_at(module->dict, i), dict_arena(dict));
        dict_add(dict, &tensor);
    }
    dict_set_torch_metadata(dict, dict_torch_metadata(module->dict));
    dict_set_ordered(dict, true);
    return dict;
}

/* Opens a file and appends what it holds as weights. */
static bool append_file(Reader *reader, const char *name, const char *prefix, StateDict *dict)
{
    Part part;
    if (!deepspeed_open(reader->context, reader->checkpoint, name, &part, reader->err))
        return false;
    part_name(&part, reader->checkpoint, name);
    const Container *module = checkpoint_find_container(part.checkpoint, "module");
    if (!module) module = checkpoint_find_container(part.checkpoint, "");
    if (module) append(reader, &part, module->dict, prefix, dict);
    part_done(&part);
    return true;
}

/* "layer_03-model_00-…" is module 3 of the pipeline, whose state dict has names "3.NAME". */
static const char *layer_prefix(Arena *arena, const char *name)
{
    const char *digits = name + strlen("layer_");
    while (*digits == '0' && is_digit(digits[1])) digits++;
    size_t n = 0;
    while (is_digit(digits[n])) n++;
    return arena_printf(arena, "%.*s.", (int)n, digits);
}

/* Files of one kind and rank, joined. */
static bool append_kind(Reader *reader, Kind kind, const char *rank, StateDict *dict)
{
    const char **names = mem_alloc((reader->count + 1) * sizeof *names);
    size_t count = pick_files(reader, kind, rank, names);
    bool fine = true;
    for (size_t i = 0; fine && i < count; i++) {
        const char *prefix =
            kind == KIND_LAYER ? layer_prefix(reader->arena, names[i]) : "";
        fine = append_file(reader, names[i], prefix, dict);
    }
    free(names);
    return fine;
}

/* Layers, or the model without its experts and its experts, as they were saved. */
static StateDict *join_saved(Reader *reader, const char *rank)
{
    StateDict *dict = dict_new();
    bool layers = has_kind(reader, KIND_LAYER) && !has_kind(reader, KIND_EXPERT);
    bool fine = layers ? append_kind(reader, KIND_LAYER, rank, dict)
                       : append_kind(reader, KIND_MODEL, rank, dict) &&
                             append_kind(reader, KIND_EXPERT, rank, dict);
    dict_set_ordered(dict, true);
    if (fine) return dict;
    dict_unref(dict);
    return NULL;
}

static StateDict *merge_rank(Reader *reader, const char *rank, StateDict **half)
{
    const char **models = mem_alloc((reader->count + 1) * sizeof *models);
    const char **optims = mem_alloc((reader->count + 1) * sizeof *optims);
    const ZeroFiles files = {models, pick_files(reader, KIND_MODEL, rank, models), optims,
                             pick_files(reader, KIND_OPTIM, rank, optims)};
    StateDict *dict = zero_merge(reader->context, reader->checkpoint, &reader->parts, &files, half,
                                 reader->err);
    free(models);
    free(optims);
    return dict;
}

/* -- The folder of a tag --------------------------------------------------------------- */

/* The weights of one rank: merged, or as they were saved. */
static bool add_rank(Reader *reader, const char *rank, bool merged)
{
    StateDict *half = NULL;
    StateDict *dict = merged ? merge_rank(reader, rank, &half) : join_saved(reader, rank);
    if (!dict) return false;
    bool single = reader->rank_count == 1;
    Text name = {0};
    if (!single) text_addf(&name, *rank ? "mp_rank_%s" : "mp_rank", rank);
    checkpoint_add_container(reader->checkpoint, text_string(&name), dict, 0, false);
    parts_join(&reader->parts, reader->checkpoint, text_string(&name), dict);
    if (half) {
        text_add(&name, single ? "module" : ".module");
        checkpoint_add_container(reader->checkpoint, text_string(&name), half, 0, false);
    }
    text_done(&name);
    return true;
}

/* Stage 3 keeps no whole weights beside the optimizer's partitions. */
static bool check_partitions(Reader *reader)
{
    bool optims = has_kind(reader, KIND_OPTIM);
    for (size_t i = 0; i < reader->count; i++)
        if (!optims && reader->files[i].kind == KIND_MODEL &&
            strstr(reader->files[i].name, "zero_pp_rank_"))
            return fault_file(reader->err, ERR_NOT_FOUND, reader->folder->path, "ZeRO stage 3 has "
                              "its weights in *_optim_states.pt, which are not there; fetch them");
    return true;
}

static void add_remarks(Reader *reader, bool merged)
{
    Checkpoint *checkpoint = reader->checkpoint;
    size_t optims = 0;
    for (size_t i = 0; i < reader->count; i++) optims += reader->files[i].kind == KIND_OPTIM;
    if (merged)
        checkpoint_find(checkpoint, FINDING_NOTE, "part", NULL, NULL, "merged from the partitions "
                        "of %zu ranks, in the optimizer's precision; the 16-bit weights%s", optims,
                        checkpoint_find_container(checkpoint, "module")
                            ? " are the part 'module'" : " are not kept whole by this stage");
    else if (optims)
        checkpoint_find(checkpoint, FINDING_NOTE, "part", NULL, NULL, "the weights are as they "
                        "were saved; the optimizer's states in %zu *_optim_states.pt are not "
                        "merged", optims);
    if (reader->rank_count > 1)
        checkpoint_find(checkpoint, FINDING_NOTE, "part", NULL,
                        "merge them by rules: cat(0) or cat(1)",
                        "%zu model-parallel ranks, each a part of its own; how their tensors were "
                        "cut is not said", reader->rank_count);
}

/* Experts and layers have partitions that belong to other groups of ranks, so they are taken as
 * they were saved. */
static bool fill(Reader *reader)
{
    sort_files(reader);
    if (!check_partitions(reader)) return false;
    bool merged = has_kind(reader, KIND_OPTIM) && !has_kind(reader, KIND_LAYER) &&
                  !has_kind(reader, KIND_EXPERT);
    if (reader->rank_count > 1) reader->parts.joined = dict_new();
    for (size_t i = 0; i < reader->rank_count; i++) {
        /* a pipeline's mp_rank files, which hold no weights, may count other ranks than layers */
        const char **names = mem_alloc((reader->count + 1) * sizeof *names);
        bool layers = has_kind(reader, KIND_LAYER) && !has_kind(reader, KIND_EXPERT);
        bool any = !layers || pick_files(reader, KIND_LAYER, reader->ranks[i], names);
        free(names);
        if (any && !add_rank(reader, reader->ranks[i], merged)) return false;
    }
    if (reader->parts.joined) parts_finish(&reader->parts, reader->checkpoint);
    add_remarks(reader, merged);
    return true;
}

static Checkpoint *open_tag(OpenContext *context, const Folder *folder, Error *err)
{
    Reader reader = {.context = context, .folder = folder, .arena = arena_new(), .err = err};
    reader.checkpoint = checkpoint_new(context->path, "deepspeed");
    bool fine = fill(&reader);
    dict_unref(reader.parts.joined);     /* of a merge that failed */
    free(reader.files);
    free(reader.ranks);
    arena_free(reader.arena);
    if (fine) return reader.checkpoint;
    checkpoint_unref(reader.checkpoint);
    return NULL;
}

/* -- The folder of a run --------------------------------------------------------------- */

/* A link to the newest checkpoint, as other trainers leave it, may be called so too. */
static bool latest_is_folder(OpenContext *context)
{
    Arena *arena = arena_new();
    Folder inner;
    bool is_folder = context->list_inner(context, "latest", arena, &inner, NULL);
    arena_free(arena);
    return is_folder;
}

static Checkpoint *open_run(OpenContext *context, const Folder *folder, Error *err)
{
    if (latest_is_folder(context)) return context->open_inner(context, "latest", err);
    const char *latest = folder_has(folder, "latest") ? "latest" : "latest_universal";
    char *tag = folder_read_tag(context, latest, err);
    if (!tag) return NULL;
    Checkpoint *checkpoint = NULL;
    if (inner_name_is_safe(tag) && !folder_has(folder, tag)) {
        Text shown = {0};
        fault_quote(tag, strlen(tag), 80, &shown);
        fault_file(err, ERR_NOT_FOUND, folder->path, "its file '%s' names '%s', which is not "
                   "there; fetch it, or name the folder that you mean", latest,
                   text_string(&shown));
        text_done(&shown);
    } else {
        checkpoint = context->open_inner(context, tag, err);
    }
    free(tag);
    return checkpoint;
}

static bool has_states(const Folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        if (kind_of(folder->names[i]) != KIND_OTHER) return true;
    return false;
}

/* A run of HF's Trainer has whole weights beside DeepSpeed's, and "latest" is a frequent name: a
 * model in the folder itself is asked for first. */
static Sniff sniff_folder(const Folder *folder)
{
    if (has_states(folder)) return SNIFF_YES;
    return folder_has(folder, "latest") || folder_has(folder, "latest_universal") ? SNIFF_MAYBE
                                                                                   : SNIFF_NO;
}

static Checkpoint *open_folder(OpenContext *context, const Folder *folder, Error *err)
{
    return has_states(folder) ? open_tag(context, folder, err) : open_run(context, folder, err);
}

const FolderFormat format_deepspeed = {"deepspeed", "DeepSpeed (ZeRO 1 to 3, pipelines, experts)",
                                       sniff_folder, open_folder};
