/* TorchScript of PyTorch 1.0 to 1.3 (caffe2/proto/torch.proto as JSON; read by
 * torch/csrc/jit/serialization/import_legacy.cpp):
 *
 *   archive/model.json       {"protoVersion", "mainModule": M, "tensors": [T]}
 *   archive/tensors/N        the storages
 *   archive/attributes.pkl   a list or tuple of values that attributes refer to by number
 *   archive/code/…, libs/…   of no use here
 *
 *   T = {"dims", "offset", "strides", "requiresGrad", "dataType": "FLOAT", "data": {"key":
 *        "tensors/0"}, "device", "isQuantized", "scale", "zeroPoint"}; 64-bit numbers are text
 *   M = {"name", "submodules": [M], "parameters": [{"isBuffer", "tensorId", "name"}], "attributes":
 *        [{"type", "name", "id"}], "getStateAttributeId"}
 *
 * Containers: "" the parameters and buffers, "attributes" other tensors that modules keep. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/torch_code.h"
#include "loader/format/torch_json.h"

/* A module whose submodules are being walked. */
typedef struct OldLevel {
    const Value *modules;        /* the list, or NULL */
    size_t next;
    size_t prefix;               /* length of the prefix of this module's names */
} OldLevel;

typedef struct OldScript {
    TorchArchive *archive;       /* borrowed */
    TorchFile file;              /* of attributes.pkl; its allowance pays for the walk */
    Tensor *table;               /* the tensors, in the checkpoint's arena; names are "" */
    size_t count;
    StateDict *state, *attributes;   /* being filled; borrowed */
    OldLevel *levels;            /* owned */
    size_t depth, room;
    Text name;                   /* owned */
    size_t left_out;             /* modules below the limit of depth */
    Error *err;                  /* the caller's */
} OldScript;

/* --- the table ------------------------------------------------------------------------ */

/* caffe2.TensorProto.DataType, of which these stand for PyTorch's types. */
static DType read_dtype(const char *name)
{
    static const struct { const char *name; DType dtype; } types[] = {
        {"FLOAT", DT_F32},   {"DOUBLE", DT_F64}, {"FLOAT16", DT_F16}, {"BFLOAT16", DT_BF16},
        {"INT64", DT_I64},   {"INT32", DT_I32},  {"INT16", DT_I16},   {"INT8", DT_I8},
        {"UINT8", DT_U8},    {"BYTE", DT_U8},    {"BOOL", DT_BOOL}};
    for (size_t i = 0; i < countof(types); i++)
        if (strcmp(name, types[i].name) == 0) return types[i].dtype;
    return DT_UNKNOWN;
}

/* A quantized type is the plain one with the name of its numbers. */
static void set_quantized(OldScript *script, const Value *from, Tensor *tensor)
{
    Arena *arena = checkpoint_arena(script->archive->checkpoint);
    const Value *scale = value_get(from, "scale");
    Encoding encoding = {.opaque = true, .note = "quantized per tensor"};
    if (scale && scale->kind == VALUE_FLOAT)
        encoding.note = arena_printf(arena, "quantized per tensor, scale %.6g, zero point %s",
                                     scale->number, value_get_string(from, "zeroPoint", "0"));
    tensor->dtype = tensor->dtype == DT_I8 ? DT_QINT8 : tensor->dtype == DT_I32 ? DT_QINT32
                                                                               : DT_QUINT8;
    tensor->encoding = arena_copy(arena, &encoding, sizeof encoding);
}

static bool is_true(const Value *value)
{
    return value && value->kind == VALUE_BOOL && value->boolean;
}

static bool read_tensor(OldScript *script, JsonStorages *storages, const Value *from, size_t index)
{
    Arena *arena = checkpoint_arena(script->archive->checkpoint);
    Tensor *tensor = &script->table[index];
    const char *type = value_get_string(from, "dataType", "");
    const char *key = value_get_string(value_get(from, "data"), "key", NULL);
    *tensor = (Tensor){.name = "", .identity = tensor, .dtype = read_dtype(type)};
    if (!key) return error_set(script->err, ERR_FORMAT, "it names no record");
    if (tensor->dtype == DT_UNKNOWN) {
        Text shown = {0};
        fault_quote(type, strlen(type), 40, &shown);
        error_set(script->err, ERR_FORMAT, "its type '%s' is not known", text_string(&shown));
        text_done(&shown);
        return false;
    }
    if (!torch_json_shape(tensor, value_get(from, "dims"), value_get(from, "strides"),
                          value_get(from, "offset"), arena, script->err))
        return false;
    if (script->archive->big_endian && dtype_size(tensor->dtype) > 1)
        tensor->encoding = arena_copy(arena, &(Encoding){.big_endian = true}, sizeof(Encoding));
    if (is_true(value_get(from, "isQuantized"))) set_quantized(script, from, tensor);
    tensor->storage = json_storages_get(storages, key, script->err);
    return tensor->storage && tensor_check(tensor, script->err);
}

/* Tensors that share a record share its storage. */
static bool read_table(OldScript *script, const Value *tensors)
{
    size_t count = tensors && tensors->kind == VALUE_LIST ? tensors->list.count : 0;
    JsonStorages storages;
    bool fine = true;
    script->table = arena_alloc(checkpoint_arena(script->archive->checkpoint),
                                (count + 1) * sizeof *script->table);
    script->count = count;
    json_storages_init(&storages, script->archive);
    for (size_t i = 0; fine && i < count; i++) {
        fine = read_tensor(script, &storages, tensors->list.items[i].value, i);
        if (fine || !script->err) continue;
        const Error what = *script->err;
        fault_file(script->err, what.code, script->archive->file, "tensor %zu of model.json: %s", i,
                   what.text);
    }
    json_storages_done(&storages);
    return fine;
}

/* --- the walk ------------------------------------------------------------------------- */

/* Appends a module's or a tensor's name; false, with an error, when it has none. */
static bool add_name(OldScript *script, const Value *from)
{
    const char *name = value_get_string(from, "name", NULL);
    if (!name)
        return fault_file(script->err, ERR_FORMAT, script->archive->file,
                          "a part of model.json below '%.80s' has no name",
                          text_string(&script->name));
    text_add(&script->name, name);
    return true;
}

static void cut_name(OldScript *script, size_t length)
{
    script->name.length = length;
    if (script->name.bytes) script->name.bytes[length] = '\0';
}

/* A parameter or buffer: tensor `tensorId` of the table. */
static bool list_parameter(OldScript *script, const Value *from)
{
    uint64_t id;
    Error reason = {0};
    if (!add_name(script, from)) return false;
    if (!torch_json_offset(value_get(from, "tensorId"), "tensorId", &id, &reason) ||
        id >= script->count)
        return fault_tensor(script->err, ERR_FORMAT, script->archive->file,
                            text_string(&script->name),
                            "its tensorId is none of the %zu tensors of model.json", script->count);
    Tensor tensor = script->table[id];
    tensor.parameter = !is_true(value_get(from, "isBuffer"));
    return torch_list_tensor(&script->file, script->state,
                             arena_strndup(dict_arena(script->state), script->name.bytes,
                                           script->name.length),
                             &tensor, script->err);
}

/* Value `id` of attributes.pkl; NULL when there is none (-1: the attribute has no value). */
static const Object *pickled(const OldScript *script, const Value *id)
{
    const Object *values = object_as_sequence(script->file.root);
    uint64_t index;
    if (!id || !values || !torch_json_offset(id, "id", &index, NULL)) return NULL;
    return index < values->list.count ? values->list.items[index] : NULL;
}

/* A buffer is an attribute too, in some versions. */
static bool list_attribute(OldScript *script, const Value *from)
{
    const Object *value = pickled(script, value_get(from, "id"));
    if (!add_name(script, from)) return false;
    if (!value || dict_find(script->state, text_string(&script->name))) return true;
    const ScriptLists lists = {&script->file, NULL, script->state, script->attributes};
    return script_list(&lists, value, text_string(&script->name), ROLE_ATTRIBUTE, script->err);
}

/* All entries of one of a module's lists; `list` gets them with the prefix before them. */
static bool list_all(OldScript *script, const Value *module, const char *key,
                     bool (*list)(OldScript *script, const Value *from))
{
    const Value *entries = value_get(module, key);
    size_t prefix = script->name.length;
    for (size_t i = 0; entries && entries->kind == VALUE_LIST && i < entries->list.count; i++) {
        bool fine = torch_spend(&script->file, prefix + 1, script->err) &&
                    list(script, entries->list.items[i].value);
        cut_name(script, prefix);
        if (!fine) return false;
    }
    return true;
}

/* What the module itself has; its submodules are left to be walked. A module with a __getstate__
 * has what that gave instead of attributes. */
static bool enter(OldScript *script, const Value *module)
{
    const Object *state = pickled(script, value_get(module, "getStateAttributeId"));
    const ScriptLists lists = {&script->file, NULL, script->state, script->attributes};
    size_t prefix = script->name.length;
    if (script->depth >= limit(LIMIT_MODULE_DEPTH)) {
        script->left_out++;
        return true;
    }
    if (!list_all(script, module, "parameters", list_parameter) ||
        !list_all(script, module, "attributes", list_attribute))
        return false;
    if (state) {
        cut_name(script, prefix ? prefix - 1 : 0);
        if (!script_list(&lists, state, text_string(&script->name), ROLE_UNKNOWN, script->err))
            return false;
        if (prefix) text_addc(&script->name, '.');
    }
    const Value *modules = value_get(module, "submodules");
    script->levels =
        mem_grow(script->levels, &script->room, script->depth + 1, sizeof *script->levels);
    script->levels[script->depth++] =
        (OldLevel){modules && modules->kind == VALUE_LIST ? modules : NULL, 0, prefix};
    return true;
}

/* One submodule of the innermost module, or its end. */
static bool next_module(OldScript *script)
{
    OldLevel *level = &script->levels[script->depth - 1];
    cut_name(script, level->prefix);
    if (!level->modules || level->next >= level->modules->list.count) {
        script->depth--;
        return true;
    }
    const Value *module = level->modules->list.items[level->next++].value;
    if (!torch_spend(&script->file, script->name.length + 1, script->err) ||
        !add_name(script, module))
        return false;
    text_addc(&script->name, '.');
    return enter(script, module);
}

/* --- the whole ------------------------------------------------------------------------ */

/* attributes.pkl, which was written from version 2 on, refers to tensors by their number. */
static bool read_attributes(OldScript *script, TorchRecords *records)
{
    TorchArchive *archive = script->archive;
    records->table = script->table;
    records->table_count = script->count;
    if (torch_archive_find(archive, "attributes.pkl"))
        return torch_archive_load(archive, "attributes.pkl", records, &script->file, script->err) &&
               torch_check(&script->file, script->err);
    torch_init(&script->file, archive->checkpoint, archive->file,
               object_new(checkpoint_arena(archive->checkpoint), OBJ_NONE), 0);
    return true;
}

static bool walk(OldScript *script, const Value *model)
{
    const Value *main_module = value_get(model, "mainModule");
    if (!main_module || main_module->kind != VALUE_MAP)
        return fault_file(script->err, ERR_FORMAT, script->archive->file,
                          "model.json has no \"mainModule\"");
    bool fine = enter(script, main_module);
    while (fine && script->depth) fine = next_module(script);
    free(script->levels);
    text_done(&script->name);
    script->file.too_deep += script->left_out;
    return fine;
}

static bool fill(OldScript *script)
{
    TorchRecords records = {.folder = "tensors/", .suffix = ""};
    Checkpoint *checkpoint = script->archive->checkpoint;
    if (!torch_archive_begin(script->archive, "model.json", script->err)) return false;
    const Value *model = torch_json_record(script->archive, "model.json", script->err);
    if (!model || !read_table(script, value_get(model, "tensors")) ||
        !read_attributes(script, &records) || !walk(script, model))
        return false;
    torch_conclude(&script->file);
    torch_archive_end(script->archive);
    checkpoint_add_container(checkpoint, "", dict_ref(script->state), 0, false);
    if (dict_count(script->attributes))
        checkpoint_add_container(checkpoint, "attributes", dict_ref(script->attributes), 0, false);
    return true;
}

static Checkpoint *open_old(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    TorchArchive archive;
    Checkpoint *checkpoint = torch_archive_new(&archive, context, source, zip, "torch-script");
    OldScript script = {.archive = &archive, .state = dict_new(), .attributes = dict_new(),
                        .err = err};
    bool fine = fill(&script);
    dict_unref(script.state);
    dict_unref(script.attributes);
    torch_done(&script.file);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* torch.jit.load goes by model.json alone; a Keras or other zip may have one too. */
static bool is_old(const Zip *zip)
{
    bool tensors = false;
    for (size_t i = 0; i < zip_count(zip) && !tensors; i++)
        tensors = strstr(zip_member(zip, i)->name, "/tensors/") != NULL;
    return zip_has_member(zip, "model.json") &&
           (tensors || zip_has_member(zip, "attributes.pkl") || zip_has_member(zip, "version"));
}

const ZipKind zip_script_old = {"torch-script", is_old, open_old};
