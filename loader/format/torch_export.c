/* What torch.export.save writes (.pt2; torch/export/pt2_archive/_package.py, archive version 0):
 *
 *   archive/archive_format                               "pt2"
 *   archive/models/NAME.json                             the graph; of no use here
 *   archive/data/weights/NAME_weights_config.json        {"config": {fqn: {…}}}
 *   archive/data/weights/weight_0 …                      the bytes of each storage, whole
 *   archive/data/constants/NAME_constants_config.json    the same for constants (tensor_0 …)
 *   archive/data/sample_inputs/NAME.pt                   torch.save of the inputs
 *   archive/data/aotinductor/NAME/…                      compiled code (AOTInductor), with
 *   archive/data/aotinductor/NAME/weights_config.json    {fqn: [file, shape, stride, offset]}
 *
 * A fqn's entry: {"path_name", "is_param", "use_pickle", "tensor_meta": {"dtype", "sizes",
 * "strides", "storage_offset", "layout", "requires_grad"}}; with use_pickle, and in AOTInductor
 * packages, the file is a torch.save of one tensor. Until 2.8 weights and constants were one
 * torch.save each (NAME.pt), and until 2.7 the archive had serialized_state_dict.pt at its top.
 *
 * A model alone gives the containers "", "constants" and "sample_inputs"; of several, each gives
 * NAME, NAME::constants and so on. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/torch_json.h"

typedef struct Export {
    TorchArchive archive;
    OpenContext *context;        /* for torch.save files inside */
    JsonStorages storages;
    NameMap pickled;             /* record of a torch.save → index of tensors */
    Tensor *tensors;             /* the one tensor of each; owned */
    size_t inner, room;          /* of tensors; their storages are numbered behind the others */
    uint64_t total;              /* tensors of inner files, against LIMIT_TENSORS */
    const char *model;           /* the one under way */
    const char *path;            /* of its weights: "" or its name */
    Error *err;                  /* the caller's */
} Export;

/* The numbers of torch.export's ScalarType (torch/_export/serde/schema.py). */
static DType read_dtype(const Value *meta)
{
    static const DType types[] = {
        [1] = DT_U8,    [2] = DT_I8,     [3] = DT_I16,        [4] = DT_I32,      [5] = DT_I64,
        [6] = DT_F16,   [7] = DT_F32,    [8] = DT_F64,        [9] = DT_C32,      [10] = DT_C64,
        [11] = DT_C128, [12] = DT_BOOL,  [13] = DT_BF16,      [28] = DT_U16,     [29] = DT_F8_E4M3,
        [30] = DT_F8_E5M2, [31] = DT_F8_E4M3FNUZ, [32] = DT_F8_E5M2FNUZ, [33] = DT_F8_E8M0,
        [34] = DT_U32,  [35] = DT_U64};
    int64_t number = value_get_int(meta, "dtype", 0);
    bool known = number > 0 && number < (int64_t)countof(types) &&
                 (number <= 13 || number >= 28);
    return known ? types[number] : DT_UNKNOWN;
}

static bool fault_entry(const Export *export, const char *fqn)
{
    if (!export->err) return false;
    const Error what = *export->err;
    return fault_tensor(export->err, what.code, export->archive.file, fqn, "%s", what.text);
}

/* --- entries -------------------------------------------------------------------------- */

/* A tensor whose elements cannot be read as numbers: what they are. */
static const Encoding *opaque(Export *export, const char *note)
{
    const Encoding encoding = {.opaque = true, .note = note};
    return arena_copy(checkpoint_arena(export->archive.checkpoint), &encoding, sizeof encoding);
}

static const Encoding *byte_order(Export *export, DType dtype)
{
    const Encoding encoding = {.big_endian = true};
    if (!export->archive.big_endian || dtype_size(dtype) < 2) return NULL;
    return arena_copy(checkpoint_arena(export->archive.checkpoint), &encoding, sizeof encoding);
}

/* The bytes of a whole storage, of which the tensor is a part. Fake tensors have none. */
static bool read_raw(Export *export, const char *record, const Value *meta, Tensor *tensor)
{
    enum { STRIDED = 7 };
    tensor->dtype = read_dtype(meta);
    if (!torch_json_shape(tensor, value_get(meta, "sizes"), value_get(meta, "strides"),
                          value_get(meta, "storage_offset"),
                          checkpoint_arena(export->archive.checkpoint), export->err))
        return false;
    Storage *storage = json_storages_get(&export->storages, record, export->err);
    if (!storage) return false;
    tensor->storage = storage->bytes || !tensor_count(tensor) ? storage : NULL;
    tensor->encoding = byte_order(export, tensor->dtype);
    if (value_get_int(meta, "layout", STRIDED) != STRIDED)
        tensor->encoding = opaque(export, "sparse");
    if (tensor->dtype == DT_UNKNOWN)
        tensor->encoding = opaque(export, "elements of a type that is not known");
    return tensor_check(tensor, export->err);
}

/* A torch.save of one tensor, opened as the file that it is. Its storage gets a number of its
 * own. */
static bool open_pickled(Export *export, const char *record, Tensor *tensor)
{
    TorchArchive *archive = &export->archive;
    const ZipMember *member = torch_archive_find(archive, record);
    if (!member)
        return error_set(export->err, ERR_FORMAT,
                         "it should be the record '%s', which is not in the file", record);
    ByteSource *source = zip_open_member(archive->zip, member, export->err);
    Checkpoint *inner =
        source ? export->context->open_bytes(export->context, source, export->err) : NULL;
    source_unref(source);
    zip_verify_read(archive->verify, member);
    if (!inner ||
        !zip_count_inner(inner, record, &export->total, archive->file, export->err))
        return false;
    const Container *one = checkpoint_choose(inner, NULL, NULL);
    bool fine = one && dict_count(one->dict) == 1;
    if (fine) {
        *tensor = *dict_at(one->dict, 0);
        if (tensor->storage) {
            Storage *copy = arena_copy(checkpoint_arena(archive->checkpoint), tensor->storage,
                                       sizeof *copy);
            copy->index = (uint32_t)(zip_count(archive->zip) + export->inner);
            tensor->storage = copy;
        }
    }
    checkpoint_keep(archive->checkpoint, inner, record);
    return fine || error_set(export->err, ERR_FORMAT, "its pickle is not one tensor");
}

/* The same, opened once for all that refer to it; `record` must live as long as the export. */
static bool read_pickled(Export *export, const char *record, Tensor *tensor)
{
    uint32_t index = map_get(&export->pickled, record);
    if (index == MAP_NONE) {
        if (!open_pickled(export, record, tensor)) return false;
        index = (uint32_t)export->inner++;
        export->tensors = mem_grow(export->tensors, &export->room, export->inner,
                                   sizeof *export->tensors);
        export->tensors[index] = *tensor;
        map_set(&export->pickled, record, index);
    }
    *tensor = export->tensors[index];
    return true;
}

/* One entry of a config. Objects that are no tensors (custom_obj_0) are left out. */
static bool read_entry(Export *export, const char *folder, const ValueItem *item, StateDict *dict)
{
    const Value *meta = value_get(item->value, "tensor_meta"),
                *pickled = value_get(item->value, "use_pickle"),
                *param = value_get(item->value, "is_param");
    const char *file = value_get_string(item->value, "path_name", NULL);
    bool use_pickle = pickled && pickled->kind == VALUE_BOOL && pickled->boolean;
    if (!file) {
        error_set(export->err, ERR_FORMAT, "its entry has no \"path_name\"");
        return fault_entry(export, item->key);
    }
    if (!meta || meta->kind != VALUE_MAP) return true;
    const char *record =
        arena_printf(checkpoint_arena(export->archive.checkpoint), "%s%s", folder, file);
    Tensor tensor = {.name = "", .dtype = DT_UNKNOWN};
    if (use_pickle ? !read_pickled(export, record, &tensor)
                   : !read_raw(export, record, meta, &tensor))
        return fault_entry(export, item->key);
    tensor.name = arena_strdup(dict_arena(dict), item->key);
    tensor.identity = NULL;
    tensor.parameter = param && param->kind == VALUE_BOOL && param->boolean;
    dict_add(dict, &tensor);
    return true;
}

/* {"config": {fqn: entry}} */
static bool read_config(Export *export, const char *folder, const char *record, StateDict *dict)
{
    const Value *config = torch_json_record(&export->archive, record, export->err);
    if (!config) return false;
    const Value *entries = value_get(config, "config");
    if (!entries || entries->kind != VALUE_MAP)
        return fault_file(export->err, ERR_FORMAT, export->archive.file,
                          "%s has no map \"config\"", record);
    for (size_t i = 0; i < entries->list.count; i++)
        if (!read_entry(export, folder, &entries->list.items[i], dict)) return false;
    return true;
}

/* {fqn: [file, shape, stride, offset]}, of a compiled model whose weights lie beside its code. The
 * file is a torch.save of the whole storage. */
static bool read_compiled(Export *export, const char *record, StateDict *dict)
{
    const Value *config = torch_json_record(&export->archive, record, export->err);
    if (!config) return false;
    for (size_t i = 0; config->kind == VALUE_MAP && i < config->list.count; i++) {
        const ValueItem *item = &config->list.items[i];
        const Value *entry = item->value;
        bool sound = entry->kind == VALUE_LIST && entry->list.count >= 4 &&
                     entry->list.items[0].value->kind == VALUE_STRING;
        Tensor tensor = {.name = "", .dtype = DT_UNKNOWN};
        if (!sound)
            error_set(export->err, ERR_FORMAT, "its entry is no [file, shape, stride, offset]");
        sound = sound &&
                read_pickled(export, arena_printf(checkpoint_arena(export->archive.checkpoint),
                                                  "data/weights/%s",
                                                  entry->list.items[0].value->string), &tensor) &&
                torch_json_shape(&tensor, entry->list.items[1].value, entry->list.items[2].value,
                                 entry->list.items[3].value, dict_arena(dict), export->err) &&
                tensor_check(&tensor, export->err);
        if (!sound) return fault_entry(export, item->key);
        tensor.name = arena_strdup(dict_arena(dict), item->key);
        tensor.identity = NULL;
        dict_add(dict, &tensor);
    }
    return true;
}

/* --- parts ---------------------------------------------------------------------------- */

/* "data/weights/NAME_weights_config.json", in the checkpoint's arena. */
static const char *record_of(const Export *export, const char *before, const char *after)
{
    return arena_printf(checkpoint_arena(export->archive.checkpoint), "%s%s%s", before,
                        export->model, after);
}

/* "", "constants"; of a model that is one of several "NAME", "NAME::constants". */
static const char *part_path(const Export *export, const char *part)
{
    return arena_printf(checkpoint_arena(export->archive.checkpoint), "%s%s%s", export->path,
                        *export->path && *part ? "::" : "", part);
}

/* A torch.save inside, whose containers are offered. A part that cannot be read is only noted where
 * it is not what the file is for. */
static bool adopt_file(Export *export, const char *record, const char *path, bool needed)
{
    TorchArchive *archive = &export->archive;
    Error reason = {0};
    const ZipMember *member = torch_archive_find(archive, record);
    ByteSource *source = zip_open_member(archive->zip, member, &reason);
    Checkpoint *inner =
        source ? export->context->open_bytes(export->context, source, &reason) : NULL;
    source_unref(source);
    if (member) zip_verify_read(archive->verify, member);
    if (inner) {
        if (!zip_count_inner(inner, path, &export->total, archive->file, export->err))
            return false;
        checkpoint_adopt(archive->checkpoint, inner, path);
        return true;
    }
    if (needed && export->err) *export->err = reason;
    if (!needed)
        checkpoint_find(archive->checkpoint, FINDING_WARNING, "inner-file", record, NULL,
                        "%s", reason.text);
    return !needed;
}

/* Weights or constants: by their config, or as one torch.save. */
static bool read_part(Export *export, const char *folder, const char *config_end, const char *part)
{
    Checkpoint *checkpoint = export->archive.checkpoint;
    const char *config = record_of(export, folder, config_end),
               *saved = record_of(export, folder, ".pt");
    if (torch_archive_find(&export->archive, saved))
        return adopt_file(export, saved, part_path(export, part), !*part);
    if (!torch_archive_find(&export->archive, config)) return true;
    StateDict *dict = dict_new();
    bool fine = read_config(export, folder, config, dict);
    if (fine && (!*part || dict_count(dict)))
        checkpoint_add_container(checkpoint, part_path(export, part), dict, 0, false);
    else dict_unref(dict);
    return fine;
}

static bool read_code(Export *export)
{
    const char *config = record_of(export, "data/aotinductor/", "/weights_config.json");
    if (!torch_archive_find(&export->archive, config)) return true;
    StateDict *dict = dict_new();
    bool fine = read_compiled(export, config, dict);
    if (fine && dict_count(dict))
        checkpoint_add_container(export->archive.checkpoint, part_path(export, "aotinductor"), dict,
                                 0, false);
    else dict_unref(dict);
    return fine;
}

static bool read_model(Export *export, const char *model, bool alone)
{
    export->model = model;
    export->path = alone ? "" : model;
    const char *inputs = record_of(export, "data/sample_inputs/", ".pt");
    return read_part(export, "data/weights/", "_weights_config.json", "") &&
           read_part(export, "data/constants/", "_constants_config.json", "constants") &&
           read_code(export) &&
           (!torch_archive_find(&export->archive, inputs) ||
            adopt_file(export, inputs, part_path(export, "sample_inputs"), false));
}

/* --- models --------------------------------------------------------------------------- */

/* The model that a record belongs to, or NULL: models/NAME.json, or a folder of compiled code. */
static const char *model_of(const Export *export, const ZipMember *member)
{
    static const char models[] = "models/", code[] = "data/aotinductor/";
    Arena *arena = checkpoint_arena(export->archive.checkpoint);
    const char *name = member->name, *prefix = export->archive.prefix;
    if (!has_prefix(name, prefix)) return NULL;
    name += strlen(prefix);
    if (has_prefix(name, models) && has_suffix(name, ".json"))
        return arena_strndup(arena, name + strlen(models),
                             strlen(name) - strlen(models) - strlen(".json"));
    const char *slash = has_prefix(name, code) ? strchr(name + strlen(code), '/') : NULL;
    return slash ? arena_strndup(arena, name + strlen(code), (size_t)(slash - name) - strlen(code))
                 : NULL;
}

/* The names of all models, each once, in an array that the caller frees. */
static const char **list_models(const Export *export, size_t *count)
{
    NameMap seen;
    const char **models = mem_alloc(zip_count(export->archive.zip) * sizeof *models);
    *count = 0;
    map_init(&seen);
    for (size_t i = 0; i < zip_count(export->archive.zip); i++) {
        const char *model = model_of(export, zip_member(export->archive.zip, i));
        if (model && map_set(&seen, model, 1) == MAP_NONE) models[(*count)++] = model;
    }
    map_done(&seen);
    return models;
}

static bool read_models(Export *export)
{
    size_t count;
    const char **models = list_models(export, &count);
    bool fine = true;
    for (size_t i = 0; fine && i < count; i++)
        fine = read_model(export, models[i], count == 1);
    free(models);
    if (fine && !checkpoint_container_count(export->archive.checkpoint))
        return fault_file(export->err, ERR_UNSUPPORTED, export->archive.file,
                          "is a package of compiled code (AOTInductor) whose weights are inside "
                          "the code, where they cannot be read; use the model that it was made "
                          "from");
    return fine;
}

/* Until PyTorch 2.7: torch.save files at the top. */
static bool read_old(Export *export)
{
    const char *const *part;
    static const char *const parts[][2] = {{"serialized_state_dict.pt", ""},
                                           {"serialized_state_dict.json", ""},
                                           {"serialized_constants.pt", "constants"},
                                           {"serialized_constants.json", "constants"},
                                           {"serialized_example_inputs.pt", "sample_inputs"}};
    for (size_t i = 0; i < countof(parts); i++) {
        part = parts[i];
        if (torch_archive_find(&export->archive, part[0]) &&
            !adopt_file(export, part[0], part[1], !*part[1]))
            return false;
    }
    return true;
}

/* A later version may lay things out otherwise, or not. */
static bool check_format(TorchArchive *archive, Error *err)
{
    char format[TORCH_SMALL_MAX + 1], version[TORCH_SMALL_MAX + 1];
    bool found;
    if (!torch_archive_small(archive, "archive_format", format, &found, err)) return false;
    if (strcmp(format, "pt2") != 0)
        return fault_file(err, ERR_UNSUPPORTED, archive->file,
                          "its archive_format is not \"pt2\", the only one that is known");
    if (!torch_archive_small(archive, "archive_version", version, &found, err)) return false;
    if (found && strcmp(version, "0") != 0)
        checkpoint_find(archive->checkpoint, FINDING_WARNING, "version", NULL, NULL,
                        "its archive_version is not 0, the only one that is known; what is listed "
                        "may not be all");
    return true;
}

static bool is_old(const Zip *zip)
{
    return zip_has_member(zip, "serialized_state_dict.pt") ||
           zip_has_member(zip, "serialized_state_dict.json");
}

/* The old archive was written by Python's zipfile, without a folder. */
static bool fill(Export *export)
{
    TorchArchive *archive = &export->archive;
    if (!zip_has_file(archive->zip, "archive_format")) {
        archive->prefix = zip_find(archive->zip, "serialized_exported_program.json")
                              ? "" : zip_prefix(archive->zip);
        return read_old(export);
    }
    return torch_archive_begin(archive, "archive_format", export->err) &&
           check_format(archive, export->err) && read_models(export);
}

static Checkpoint *open_export(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    Export export = {.context = context, .err = err};
    Checkpoint *checkpoint =
        torch_archive_new(&export.archive, context, source, zip, "torch-export");
    json_storages_init(&export.storages, &export.archive);
    map_init(&export.pickled);
    bool fine = fill(&export);
    json_storages_done(&export.storages);
    map_done(&export.pickled);
    free(export.tensors);
    if (fine) {
        torch_archive_end(&export.archive);
        return checkpoint;
    }
    checkpoint_unref(checkpoint);
    return NULL;
}

/* With a data.pkl PyTorch would load it as what torch.save wrote, whatever else is in it. */
static bool is_export(const Zip *zip)
{
    return !zip_has_member(zip, "data.pkl") && (zip_has_file(zip, "archive_format") || is_old(zip));
}

const ZipKind zip_export = {"torch-export", is_export, open_export};
