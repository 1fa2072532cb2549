/* DeepSpeed's universal checkpoints, which ds_to_universal.py makes of ZeRO's partitions: every
 * parameter whole, in a folder of its own:
 *
 *   zero/NAME/fp32.pt             torch.save of {"param": tensor, "cat_dim": 0 …}, or of a tensor
 *   zero/NAME/exp_avg.pt, …       states of the optimizer, likewise; step.pt may be a number
 *   zero/optimizer_state.pt       groups of the optimizer
 *   mp_rank_00_model_states.pt    as before the conversion: "module" still has the buffers
 *
 * and beside the folder a file `latest_universal` with its name. The weights are the container "",
 * in the order of "module" where it is there; each state of the optimizer is one of its name.
 * Source: deepspeed/checkpoint/ds_to_universal.py. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/deepspeed.h"
#include "loader/format/fault.h"

enum { STATES_MAX = 16 };        /* kinds of states; fixed: Adam has three */

/* What lies in files of one name, over all parameters. */
typedef struct State {
    const char *name;        /* "fp32", "exp_avg" */
    StateDict *dict;         /* owned until it is added */
} State;

typedef struct Reader {
    OpenContext *context;    /* borrowed */
    Checkpoint *checkpoint;  /* being filled */
    Arena *arena;            /* owned */
    Parts parts;
    Folder zero;             /* the folders of the parameters */
    State states[STATES_MAX];
    size_t state_count;
    size_t bare;             /* parameters without fp32.pt */
    const char *first_bare;
    Error *err;
} Reader;

/* The tensor that a file holds; NULL when it holds something else. */
static const Tensor *find_param(const Checkpoint *checkpoint)
{
    const Object *root = checkpoint_root(checkpoint);
    const Object *param = root && root->kind == OBJ_TENSOR ? root : object_get(root, "param");
    return param && param->kind == OBJ_TENSOR ? param->tensor : NULL;
}

/* NULL: there are more kinds than fit. */
static State *state_of(Reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->state_count; i++)
        if (strcmp(reader->states[i].name, name) == 0) return &reader->states[i];
    if (reader->state_count == STATES_MAX) return NULL;
    State *state = &reader->states[reader->state_count++];
    *state = (State){arena_strdup(reader->arena, name), dict_new()};
    return state;
}

/* zero/NAME/STATE.pt: adds its tensor to those of the state. A step that is a number is none. */
static bool add_file(Reader *reader, const char *name, const char *file)
{
    const char *path = arena_printf(reader->arena, "zero/%s/%s", name, file);
    const char *kind = arena_strndup(reader->arena, file, strlen(file) - strlen(".pt"));
    Part part;
    if (!deepspeed_open(reader->context, reader->checkpoint, path, &part, reader->err))
        return false;
    const Tensor *param = find_param(part.checkpoint);
    State *state = param ? state_of(reader, kind) : NULL;
    bool fine = true;
    if (!param && strcmp(kind, "fp32") == 0)
        fine = fault_file(reader->err, ERR_FORMAT, checkpoint_path(part.checkpoint),
                          "it holds no tensor, nor one as 'param': it is no part of a universal "
                          "checkpoint");
    if (state) {
        Arena *arena = dict_arena(state->dict);
        Tensor tensor = part_tensor(&reader->parts, &part, param, arena);
        tensor.name = arena_strdup(arena, name);
        dict_add(state->dict, &tensor);
    }
    part_done(&part);
    return fine;
}

/* All files of one parameter. What is no .pt file is no state. */
static bool add_param(Reader *reader, const char *name)
{
    Arena *arena = arena_new();
    Folder folder;
    const char *path = arena_printf(arena, "zero/%s", name);
    bool fine = reader->context->list_inner(reader->context, path, arena, &folder, reader->err);
    if (fine && !folder_has(&folder, "fp32.pt") && !reader->bare++) reader->first_bare = name;
    for (size_t i = 0; fine && i < folder.count; i++)
        if (has_suffix(folder.names[i], ".pt")) fine = add_file(reader, name, folder.names[i]);
    arena_free(arena);
    return fine;
}

/* The entries of zero/ that are folders: parameters. */
static bool add_params(Reader *reader)
{
    char more[LIMIT_TEXT];
    if (reader->zero.count > limit(LIMIT_SHARDS))
        return fault_file(reader->err, ERR_LIMIT, reader->context->path, "its parameters are %s",
                          limit_text(LIMIT_SHARDS, more));
    for (size_t i = 0; i < reader->zero.count; i++) {
        const char *name = reader->zero.names[i];
        if (!has_suffix(name, ".pt") && !add_param(reader, name)) return false;
    }
    return true;
}

/* -- What the model's own file has besides --------------------------------------------- */

/* Buffers, and parameters that were not trained. Stage 3 leaves empty tensors where others were. */
static bool is_kept(const Object *root, const Tensor *tensor)
{
    const Object *buffers = object_as_sequence(object_get(root, "buffer_names"));
    for (size_t i = 0; buffers && i < buffers->list.count; i++) {
        const Object *name = buffers->list.items[i];
        if (name->kind == OBJ_STR && strcmp(name->bytes.text, tensor->name) == 0) return true;
    }
    return tensor_count(tensor) > 0;
}

/* In the order of the module: its parameters from `fp32`, everything else from the file. */
static StateDict *merge_module(Reader *reader, Part *part, const Container *module,
                               const StateDict *fp32)
{
    const Object *root = checkpoint_root(part->checkpoint);
    StateDict *dict = dict_new();
    for (size_t i = 0; i < dict_count(module->dict); i++) {
        const Tensor *own = dict_at(module->dict, i), *full = dict_find(fp32, own->name);
        if (!full && !is_kept(root, own)) continue;
        Tensor tensor = full ? *full : part_tensor(&reader->parts, part, own, dict_arena(dict));
        tensor.name = arena_strdup(dict_arena(dict), own->name);
        dict_add(dict, &tensor);
    }
    dict_set_torch_metadata(dict, dict_torch_metadata(module->dict));
    for (size_t i = 0; i < dict_count(fp32); i++) {
        Tensor tensor = *dict_at(fp32, i);
        tensor.name = arena_strdup(dict_arena(dict), tensor.name);
        dict_add(dict, &tensor);
    }
    return dict;
}

/* The file of the first model-parallel rank; NULL: there is none. */
static const char *find_model(const Folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        if (has_prefix(folder->names[i], "mp_rank_") &&
            has_suffix(folder->names[i], "_model_states.pt"))
            return folder->names[i];
    return NULL;
}

/* For dict_own, which knows no types: storages of `fp32` lie in its arena. */
static void release_dict(void *dict)
{
    dict_unref(dict);
}

/* The weights: with what else the model's file holds, where it is there. */
static bool add_weights(Reader *reader, const Folder *folder, StateDict *fp32)
{
    const char *model = find_model(folder);
    StateDict *dict = NULL;
    Part part;
    if (model && !deepspeed_open(reader->context, reader->checkpoint, model, &part, reader->err))
        return false;
    const Container *module =
        model ? checkpoint_find_container(part.checkpoint, "module") : NULL;
    if (module) dict = merge_module(reader, &part, module, fp32);
    if (model) part_done(&part);
    if (dict) dict_own(dict, dict_ref(fp32), release_dict);
    dict_set_ordered(dict ? dict : fp32, dict != NULL);
    checkpoint_add_container(reader->checkpoint, "", dict ? dict : dict_ref(fp32), 0, false);
    return true;
}

/* -- The folder ------------------------------------------------------------------------ */

static bool fill(Reader *reader, const Folder *folder)
{
    if (!reader->context->list_inner(reader->context, "zero", reader->arena, &reader->zero,
                                     reader->err) ||
        !add_params(reader))
        return false;
    State *fp32 = state_of(reader, "fp32");
    if (!fp32 || !dict_count(fp32->dict))
        return fault_file(reader->err, ERR_NOT_FOUND, folder->path, "a universal checkpoint of "
                          "DeepSpeed (zero/) without any NAME/fp32.pt; fetch its folders too");
    if (reader->bare) {
        Text shown = {0};
        fault_quote(reader->first_bare, strlen(reader->first_bare), 120, &shown);
        checkpoint_find(reader->checkpoint, FINDING_ERROR, "missing", NULL, "fetch them too",
                        "zero/ has %zu parameter(s) without fp32.pt, such as '%s'", reader->bare,
                        text_string(&shown));
        text_done(&shown);
    }
    if (!add_weights(reader, folder, fp32->dict)) return false;
    for (size_t i = 0; i < reader->state_count; i++) {
        State *state = &reader->states[i];
        if (state == fp32) continue;
        dict_set_ordered(state->dict, false);
        checkpoint_add_container(reader->checkpoint, state->name, dict_ref(state->dict), 0, true);
    }
    return true;
}

static Checkpoint *open_universal(OpenContext *context, const Folder *folder, Error *err)
{
    Reader reader = {.context = context, .arena = arena_new(), .err = err};
    reader.checkpoint = checkpoint_new(context->path, "deepspeed-universal");
    bool fine = fill(&reader, folder);
    for (size_t i = 0; i < reader.state_count; i++) dict_unref(reader.states[i].dict);
    arena_free(reader.arena);
    if (fine) return reader.checkpoint;
    checkpoint_unref(reader.checkpoint);
    return NULL;
}

/* ds_to_universal.py copies the model's files along; a folder `zero` alone may be anybody's. */
static Sniff sniff_universal(const Folder *folder)
{
    if (!folder_has(folder, "zero")) return SNIFF_NO;
    return find_model(folder) ? SNIFF_YES : SNIFF_MAYBE;
}

const FolderFormat format_universal = {"deepspeed-universal",
                                       "DeepSpeed, universal (zero/NAME/fp32.pt)", sniff_universal,
                                       open_universal};
