/* TorchScript: what torch.jit.save writes (torch/csrc/jit/serialization/export_module.cpp), PyTorch
 * 1.4 to today; also for the lite interpreter.
 *
 *   archive/data.pkl            the module, a tree of objects of classes __torch__.…
 *   archive/data/KEY            its storages
 *   archive/constants.pkl       a tuple of the tensors that the code uses
 *   archive/constants/KEY       theirs
 *   archive/code/__torch__/….py the classes, deflated
 *   archive/bytecode.pkl …      of no use here
 *
 * An object's state is the dict of its attributes, in the order of declaration, or what its
 * __getstate__ gave (packed parameters). Three containers come of it:
 *
 *   ""           the parameters and buffers, under the names of the module's state_dict()
 *   attributes   other tensors that objects keep
 *   constants    those of constants.pkl */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/graph.h"
#include "loader/format/torch_code.h"

/* A place whose inner places are being walked. */
typedef struct ScriptLevel {
    const Object *items;     /* a DICT, LIST or TUPLE */
    size_t next;             /* its next item */
    size_t prefix;           /* length of the prefix of its names */
    bool weights;            /* tensors in lists here are weights: a __getstate__ gave them */
} ScriptLevel;

typedef struct ScriptWalk {
    const ScriptLists *lists;
    TorchFile *file;         /* of the lists */
    ScriptLevel *levels;     /* owned */
    size_t depth, room;      /* places under way; room for */
    Text name;               /* the prefix, and behind it the name under way; owned */
    Error *err;              /* the caller's */
} ScriptWalk;

/* --- the walk ------------------------------------------------------------------------- */

static void cut_name(ScriptWalk *walk, size_t length)
{
    walk->name.length = length;
    if (walk->name.bytes) walk->name.bytes[length] = '\0';
}

/* Appends the name of item `index` of a place: its key in a dict, its number in a sequence. */
static const Object *name_item(ScriptWalk *walk, const Object *items, size_t index)
{
    if (items->kind == OBJ_DICT) {
        key_name(items->list.items[index], &walk->name);
        return items->list.items[index + 1];
    }
    text_addf(&walk->name, "%zu", index);
    return items->list.items[index];
}

/* A tensor under the name under way. What requires a gradient is a parameter, where the class does
 * not say better. */
static bool list_tensor(ScriptWalk *walk, const Tensor *tensor, CodeRole role)
{
    StateDict *dict = role == ROLE_ATTRIBUTE ? walk->lists->attributes : walk->lists->state;
    Tensor copy = *tensor;
    if (role != ROLE_UNKNOWN) copy.parameter = role == ROLE_PARAMETER;
    const char *name =
        arena_strndup(dict_arena(dict), text_string(&walk->name), walk->name.length);
    return torch_list_tensor(walk->file, dict, name, &copy, walk->err);
}

/* Lists the tensors of a place, and leaves the places in it to be walked. `class` NULL: those of a
 * sequence or of an object of unknown class, all of which have the same role. */
static bool enter(ScriptWalk *walk, const Object *items, const CodeClass *class, CodeRole role)
{
    size_t prefix = walk->name.length, step = items->kind == OBJ_DICT ? 2 : 1;
    if (walk->depth >= limit(LIMIT_MODULE_DEPTH)) {
        walk->file->too_deep++;
        return true;
    }
    if (!torch_spend(walk->file, prefix + items->list.count, walk->err)) return false;
    for (size_t i = 0; i + step <= items->list.count; i += step) {
        const Object *value = name_item(walk, items, i);
        bool fine = value->kind != OBJ_TENSOR ||
                    list_tensor(walk, value->tensor,
                                class ? code_class_role(class, walk->name.bytes + prefix) : role);
        cut_name(walk, prefix);
        if (!fine) return false;
    }
    walk->levels = mem_grow(walk->levels, &walk->room, walk->depth + 1, sizeof *walk->levels);
    walk->levels[walk->depth++] =
        (ScriptLevel){items, 0, prefix, !class && role != ROLE_ATTRIBUTE};
    return true;
}

/* An object: its attributes, or what its __getstate__ gave, which stands for weights. */
static bool enter_object(ScriptWalk *walk, const Object *object)
{
    const Object *state = object->call->state, *attributes = object_as_dict(state);
    const CodeClass *class = NULL;
    if (!state) return true;
    if (state->kind == OBJ_TENSOR) {
        text_add(&walk->name, "0");
        return list_tensor(walk, state->tensor, ROLE_UNKNOWN);
    }
    if (!attributes) {
        const Object *items = object_as_sequence(state);
        return !items || enter(walk, items, NULL, ROLE_UNKNOWN);
    }
    if (walk->lists->code &&
        !torch_code_class(walk->lists->code, object->call->callable, &class, walk->err))
        return false;
    return enter(walk, attributes, class, ROLE_UNKNOWN);
}

/* One item of the innermost place, or its end. An object that stands in two places is listed in
 * both, as state_dict() does; the depth and the allowance end one inside itself. */
static bool next_item(ScriptWalk *walk)
{
    ScriptLevel *level = &walk->levels[walk->depth - 1];
    size_t step = level->items->kind == OBJ_DICT ? 2 : 1;
    cut_name(walk, level->prefix);
    if (level->next + step > level->items->list.count) {
        walk->depth--;
        return true;
    }
    const Object *value = name_item(walk, level->items, level->next);
    bool weights = level->weights;
    level->next += step;
    if (!torch_spend(walk->file, 1, walk->err)) return false;
    text_addc(&walk->name, '.');
    const Object *items = object_as_dict(value);
    if (!items) items = object_as_sequence(value);
    if (items) return enter(walk, items, NULL, weights ? ROLE_UNKNOWN : ROLE_ATTRIBUTE);
    return value->kind != OBJ_CALL || enter_object(walk, value);
}

bool script_list(const ScriptLists *lists, const Object *node, const char *prefix, CodeRole role,
                 Error *err)
{
    ScriptWalk walk = {.lists = lists, .file = lists->file, .err = err};
    bool fine = true;
    text_add(&walk.name, prefix);
    if (node->kind == OBJ_TENSOR) {
        fine = list_tensor(&walk, node->tensor, role);
    } else {
        const Object *items = object_as_dict(node);
        if (!items) items = object_as_sequence(node);
        if (*prefix) text_addc(&walk.name, '.');
        if (items) fine = enter(&walk, items, NULL, role);
        else if (node->kind == OBJ_CALL) fine = enter_object(&walk, node);
    }
    while (fine && walk.depth) fine = next_item(&walk);
    free(walk.levels);
    text_done(&walk.name);
    return fine || error_prefix(err, "%s", lists->file->name);
}

/* --- containers ----------------------------------------------------------------------- */

/* Takes over the dict; one without tensors is offered only as the state dict itself. */
static void offer(Checkpoint *checkpoint, const char *path, StateDict *dict)
{
    if (*path && !dict_count(dict)) dict_unref(dict);
    else checkpoint_add_container(checkpoint, path, dict, 0, false);
}

/* The places are named after the classes' own lines; without them a guess is made, and said. */
static void note_unknown(TorchFile *file, const TorchCode *code)
{
    if (code->unknown)
        torch_find(file, FINDING_WARNING, "code", NULL, NULL,
                   "%zu classes have no source in the file; which of their tensors are parameters "
                   "and which are buffers is told by requires_grad", code->unknown);
}

/* A dict at the root is no module but what torch.save would have written. */
static bool list_module(TorchArchive *archive, TorchFile *file, Error *err)
{
    if (file->root->kind != OBJ_CALL || object_as_dict(file->root))
        return torch_list_containers(file, err);
    TorchCode code;
    const ScriptLists lists = {file, &code, dict_new(), dict_new()};
    torch_code_init(&code, archive);
    bool fine = script_list(&lists, file->root, "", ROLE_UNKNOWN, err);
    if (fine) note_unknown(file, &code);
    torch_code_done(&code);
    offer(archive->checkpoint, "", lists.state);
    offer(archive->checkpoint, "attributes", lists.attributes);
    return fine;
}

static bool list_constants(TorchArchive *archive, TorchFile *file, Error *err)
{
    StateDict *dict = dict_new();
    const ScriptLists lists = {file, NULL, dict, dict};
    bool fine = script_list(&lists, file->root, "", ROLE_UNKNOWN, err);
    offer(archive->checkpoint, "constants", dict);
    return fine;
}

/* One pickle with its storages. The lite interpreter keeps what constants and data share among the
 * constants. */
static bool read_pickle(TorchArchive *archive, const char *record, TorchRecords records,
                        bool (*list)(TorchArchive *archive, TorchFile *file, Error *err),
                        Error *err)
{
    TorchFile file = {0};
    bool fine = torch_archive_load(archive, record, &records, &file, err) &&
                torch_check(&file, err) && list(archive, &file, err);
    if (fine) torch_conclude(&file);
    torch_done(&file);
    return fine;
}

/* The constants come last, but the tree that is shown is the module's. */
static bool fill(TorchArchive *archive, Error *err)
{
    const TorchRecords data = {.folder = "data/", .other = "constants/", .suffix = ""},
                       constants = {.folder = "constants/", .other = "data/", .suffix = ""};
    if (!torch_archive_begin(archive, "constants.pkl", err) ||
        !read_pickle(archive, "data.pkl", data, list_module, err))
        return false;
    Object *root = (Object *)(uintptr_t)checkpoint_root(archive->checkpoint);
    bool fine = read_pickle(archive, "constants.pkl", constants, list_constants, err);
    checkpoint_set_root(archive->checkpoint, root);
    if (fine) torch_archive_end(archive);
    return fine;
}

static Checkpoint *open_script(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    TorchArchive archive;
    Checkpoint *checkpoint = torch_archive_new(&archive, context, source, zip, "torch-script");
    if (fill(&archive, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* As torch.load tells it; deeper only where the archive itself lies deeper. */
static bool is_script(const Zip *zip)
{
    return zip_has_member(zip, "constants.pkl") ||
           (!zip_has_member(zip, "data.pkl") && zip_has_file(zip, "constants.pkl"));
}

const ZipKind zip_script = {"torch-script", is_script, open_script};
