/* Keras, and HDF5 of anybody: what an HDF5 file's groups mean.
 *
 *   .h5 (legacy)    [model_weights/] has layer_names; each LAYER has weight_names, which are paths
 *                   of datasets below it: keys are LAYER/WEIGHT. Attributes that are too long for
 *                   HDF5 are cut into layer_names0, layer_names1 … Beside it: optimizer_weights,
 *                   model_config (JSON), backend, keras_version
 *   .weights.h5     …/vars/0, 1 … in the order of each layer's variables: keys are the path with
 *                   the variable's name in place of vars/N, where its class is known
 *   .keras          a zip of config.json and model.weights.h5
 *   others          every dataset of numbers under its path (h5py, MATLAB 7.3, Caffe's HDF5)
 *
 * Sources: keras/src/legacy/saving/legacy_h5_format.py, keras/src/saving/saving_lib.py. */
#include "loader/format/keras.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/hdf5.h"
#include "loader/format/kernels.h"
#include "loader/format/keras_classes.h"

enum { MISSING_MAX = 20 };       /* findings about absent weights; the rest is counted */

typedef struct Keras {
    Hdf5 *hdf5;                  /* borrowed */
    Checkpoint *checkpoint;      /* being filled; borrowed */
    const KerasLayers *layers;   /* of the configuration; may be empty */
    bool channels_first;         /* Keras 1 on Theano: convolution kernels are OIHW */
    bool *used;                  /* [hdf5->count]: listed already, or no weight; owned */
    size_t missing;
    size_t others;               /* datasets without numbers */
    const Hdf5Object *other;     /* the first of them; NULL: none */
    Error *err;                  /* the caller's */
} Keras;

/* "a/b", or "b" below the root; in the file's arena. */
static const char *join(const Keras *keras, const char *group, const char *name)
{
    return *group ? arena_printf(keras->hdf5->arena, "%s/%s", group, name)
                  : arena_strdup(keras->hdf5->arena, name);
}

/* Whether a path is this group or lies below it. */
static bool is_below(const char *path, const char *group)
{
    size_t n = strlen(group);
    return !n || (strncmp(path, group, n) == 0 && (path[n] == '/' || !path[n]));
}

/* The part of a path before its last n bytes' '/', and how long it is: in "a/b/kernel", for the
 * length of "a/b", it is "b". */
static const char *last_part(const char *path, size_t end, size_t *n)
{
    size_t start = end;
    while (start && path[start - 1] != '/') start--;
    *n = end - start;
    return path + start;
}

static bool add(Keras *keras, StateDict *dict, const Hdf5Object *object, const char *name,
                Layout layout)
{
    bool twice;
    if (!hdf5_add_tensor(keras->hdf5, keras->checkpoint, dict, object, name, layout, &twice,
                         keras->err))
        return false;
    keras->used[object - keras->hdf5->objects] = true;
    if (!twice) return true;
    Text shown = {0};
    fault_quote(name, strlen(name), 120, &shown);
    checkpoint_find(keras->checkpoint, FINDING_ERROR, "duplicate", name, NULL,
                    "two weights are called '%s'; the first one is listed", text_string(&shown));
    text_done(&shown);
    return true;
}

/* -- Legacy ---------------------------------------------------------------------------- */

/* A text attribute that may have been cut into NAME0, NAME1 …: calls `each` with every value. */
static bool for_each_name(Keras *keras, const Hdf5Object *object, const char *attribute,
                          bool (*each)(Keras *keras, const char *value, void *context),
                          void *context)
{
    const Hdf5Attribute *one = hdf5_attribute(object, attribute);
    bool cut = !one;
    for (unsigned piece = 0; cut || one; piece++) {
        if (cut) {
            char name[64];
            snprintf(name, sizeof name, "%s%u", attribute, piece);
            one = hdf5_attribute(object, name);
            if (!one) return true;
        }
        for (uint32_t i = 0; i < one->count; i++)
            if (!each(keras, one->values[i], context)) return false;
        if (!cut) return true;
    }
    return true;
}

static bool has_names(const Hdf5Object *object, const char *attribute)
{
    char first[64];
    snprintf(first, sizeof first, "%s0", attribute);
    return hdf5_attribute(object, attribute) || hdf5_attribute(object, first);
}

static void find_missing(Keras *keras, const char *what, const char *path)
{
    if (keras->missing++ >= MISSING_MAX) return;
    Text shown = {0};
    fault_quote(path, strlen(path), 120, &shown);
    checkpoint_find(keras->checkpoint, FINDING_ERROR, "missing", path,
                    "the file is incomplete; save or fetch it again",
                    "%s '%s' is named, but not in the file", what, text_string(&shown));
    text_done(&shown);
}

/* The class of the layer that a weight belongs to: of the inner one, where models are nested. */
static const KerasClass *class_of(const Keras *keras, const char *key)
{
    size_t n, leaf;
    const char *end = strrchr(key, '/');
    if (!end) return NULL;
    const char *inner = last_part(key, (size_t)(end - key), &n);
    const KerasClass *class = keras_layer_class(keras->layers, inner, n);
    if (class) return class;
    leaf = strcspn(key, "/");
    return keras_layer_class(keras->layers, key, leaf);
}

/* The name of a variable: what stands behind the last '/', ":0" aside. */
static void variable_name(const char *key, char out[64])
{
    const char *leaf = strrchr(key, '/');
    leaf = leaf ? leaf + 1 : key;
    snprintf(out, 64, "%.*s", (int)strcspn(leaf, ":"), leaf);
}

static Layout layout_of(const Keras *keras, const KerasClass *class, const char *key, unsigned rank)
{
    char variable[64];
    Layout layout;
    variable_name(key, variable);
    if (class && keras_class_layout(class, variable, rank, &layout)) return layout;
    layout = kernel_layout(key, rank);
    return keras->channels_first && rank > 2 ? LAYOUT_NATIVE : layout;
}

/* A layer whose weights are being listed. */
typedef struct Layer {
    StateDict *dict;
    const char *group;           /* path of its group */
    const char *prefix;          /* of the keys; "": none */
    const Hdf5Object *weights[2];    /* the first two of them */
    size_t count;                /* of them all */
} Layer;

static bool look_at_weight(Keras *keras, const char *name, void *context)
{
    Layer *layer = context;
    if (layer->count < 2)
        layer->weights[layer->count] = hdf5_find(keras->hdf5, join(keras, layer->group, name));
    layer->count++;
    return true;
}

/* Keras 1 gave weights whatever name their initializer had. A layer of two, the second of which is
 * as long as the last dimension of the first, has a kernel and a bias. */
static bool is_kernel(const Layer *layer, const Hdf5Object *object)
{
    const Hdf5Object *bias = layer->weights[1];
    return layer->count == 2 && object == layer->weights[0] && bias && object->rank >= 2 &&
           bias->rank == 1 && bias->dims[0] == object->dims[object->rank - 1];
}

static bool list_weight(Keras *keras, const char *name, void *context)
{
    const Layer *layer = context;
    const char *path = join(keras, layer->group, name), *key = join(keras, layer->prefix, name);
    const Hdf5Object *object = hdf5_find(keras->hdf5, path);
    if (!object || !object->dataset) {
        find_missing(keras, "the weight", path);
        return true;
    }
    Layout layout = layout_of(keras, class_of(keras, key), key, object->rank);
    if (layout == LAYOUT_NATIVE && is_kernel(layer, object) && !strstr(name, "kernel") &&
        !keras->channels_first)
        layout = kernel_of_rank(object->rank);
    return add(keras, layer->dict, object, key, layout);
}

/* What the walk over layer_names needs. */
typedef struct Legacy {
    StateDict *dict;
    const char *root;            /* "model_weights" or "" */
} Legacy;

static bool list_layer(Keras *keras, const char *name, void *context)
{
    const Legacy *legacy = context;
    Layer layer = {.dict = legacy->dict, .group = join(keras, legacy->root, name), .prefix = name};
    const Hdf5Object *group = hdf5_find(keras->hdf5, layer.group);
    if (group)
        return for_each_name(keras, group, "weight_names", look_at_weight, &layer) &&
               for_each_name(keras, group, "weight_names", list_weight, &layer);
    find_missing(keras, "the layer", layer.group);
    return true;
}

/* Datasets of numbers below the root that no layer names. */
static void find_unreferenced(Keras *keras, const char *root)
{
    size_t count = 0;
    const char *first = NULL;
    for (size_t i = 0; i < keras->hdf5->count; i++) {
        const Hdf5Object *object = &keras->hdf5->objects[i];
        if (keras->used[i] || !hdf5_is_tensor(object) || !is_below(object->path, root)) continue;
        if (!count++) first = object->path;
    }
    if (!count) return;
    Text shown = {0};
    fault_quote(first, strlen(first), 120, &shown);
    checkpoint_find(keras->checkpoint, FINDING_WARNING, "unreferenced", first, NULL,
                    "%zu dataset%s of no layer left out: '%s'%s", count,
                    count > 1 ? "s" : "", text_string(&shown), count > 1 ? " …" : "");
    text_done(&shown);
}

/* An optimizer's weights have a container of their own; NULL dict: there are none. */
static bool list_optimizer(Keras *keras)
{
    const Hdf5Object *group = hdf5_find(keras->hdf5, "optimizer_weights");
    if (!group || !has_names(group, "weight_names")) return true;
    Layer layer = {.dict = dict_new(), .group = group->path, .prefix = ""};
    bool fine = for_each_name(keras, group, "weight_names", list_weight, &layer);
    if (fine && dict_count(layer.dict))
        checkpoint_add_container(keras->checkpoint, "optimizer_weights", dict_ref(layer.dict), 0,
                                 true);
    dict_unref(layer.dict);
    return fine;
}

/* Kernels of Keras 1 were OIHW on Theano. Keras 2 wrote HWIO there too, but turned by 180 degrees,
 * since Theano convolves where TensorFlow correlates. */
static void look_at_backend(Keras *keras, const Hdf5Object *group)
{
    bool theano = hdf5_says(group, "backend", "theano") ||
                  hdf5_says(group, "image_data_format", "channels_first") ||
                  hdf5_says(group, "image_dim_ordering", "th");
    const Hdf5Attribute *version = hdf5_attribute(group, "keras_version");
    bool first = !version || !version->count || version->values[0][0] == '1';
    keras->channels_first = theano && first;
    if (theano)
        checkpoint_find(keras->checkpoint, FINDING_WARNING, "theano", NULL,
                        "turn kernels by flip on both axes of the image",
                        "saved with Theano, whose convolutions turn kernels by 180 degrees%s",
                        first ? "; they are OIHW" : "");
}

static bool list_legacy(Keras *keras, const char *root, StateDict *dict)
{
    const Hdf5Object *group = hdf5_find(keras->hdf5, root);
    Legacy legacy = {dict, root};
    static const char top_name[] = "top_level_model_weights";
    Layer top = {.dict = dict, .group = join(keras, root, top_name), .prefix = top_name};
    const Hdf5Object *top_group = hdf5_find(keras->hdf5, top.group);
    look_at_backend(keras, group);
    if (!for_each_name(keras, group, "layer_names", list_layer, &legacy) ||
        (top_group && !for_each_name(keras, top_group, "weight_names", list_weight, &top)) ||
        !list_optimizer(keras))
        return false;
    if (keras->missing > MISSING_MAX)
        checkpoint_find(keras->checkpoint, FINDING_ERROR, "missing", NULL, NULL,
                        "and %zu more are missing", keras->missing - MISSING_MAX);
    find_unreferenced(keras, root);
    return true;
}

/* -- Keras 3 --------------------------------------------------------------------------- */

/* "…/vars/12": the length of what stands before "/vars" (or 0), and the number. */
static bool split_variable(const char *path, size_t *owner, uint64_t *number)
{
    const char *slash = strrchr(path, '/'), *digits = slash ? slash + 1 : NULL;
    if (!slash || !is_digit(*digits) || strlen(digits) > 9) return false;
    *number = strtoull(digits, (char **)&digits, 10);
    size_t n = (size_t)(slash - path);
    if (*digits || n < 4 || memcmp(slash - 4, "vars", 4) != 0 || (n > 4 && slash[-5] != '/'))
        return false;
    *owner = n > 4 ? n - 5 : 0;
    return true;
}

/* How many variables stand beside this one; they are numbered without gaps. */
static size_t count_variables(const Keras *keras, const char *path, size_t owner)
{
    Text text = {0};
    size_t count = 0;
    do {
        text_clear(&text);
        text_addf(&text, "%.*s%svars/%zu", (int)owner, path, owner ? "/" : "", count);
    } while (hdf5_find(keras->hdf5, text.bytes) && ++count < 64);
    text_done(&text);
    return count;
}

/* By the configuration, then by the owner's place in the tree, then by the name that Keras 3 put
 * beside its variables. */
static const KerasClass *owner_class(const Keras *keras, const char *path, size_t owner)
{
    Text text = {0};
    text_addf(&text, "%.*s%svars", (int)owner, path, owner ? "/" : "");
    const Hdf5Attribute *name = hdf5_attribute(hdf5_find(keras->hdf5, text.bytes), "name");
    text_done(&text);
    const char *own = name && name->count == 1 ? name->values[0] : "";
    const KerasClass *class = keras_layer_class(keras->layers, own, strlen(own));
    size_t n;
    const char *part = last_part(path, owner, &n);
    if (!class) class = keras_class_named(part, n);
    if (!class) class = keras_class_named(own, strlen(own));
    return class;
}

/* The key of a variable, and its layout: the path as it is when its class is not known. */
static const char *variable_key(const Keras *keras, const Hdf5Object *object, Layout *layout)
{
    size_t owner;
    uint64_t number;
    *layout = LAYOUT_NATIVE;
    if (!split_variable(object->path, &owner, &number)) return object->path;
    const KerasClass *class = owner_class(keras, object->path, owner);
    const char *name = NULL;
    if (class) name = keras_variable(class, number, count_variables(keras, object->path, owner));
    /* A kernel has two dimensions at least, so a layer of the user's own is told apart. */
    if (!name || (strstr(name, "kernel") && object->rank < 2)) return object->path;
    const char *key = arena_printf(keras->hdf5->arena, "%.*s%s%s", (int)owner, object->path,
                                   owner ? "/" : "", name);
    if (hdf5_find(keras->hdf5, key)) return object->path;
    *layout = layout_of(keras, class, key, object->rank);
    return key;
}

/* -- All of them ----------------------------------------------------------------------- */

static int compare_objects(const void *left, const void *right)
{
    const Hdf5Object *const *a = left, *const *b = right;
    return natural_compare((*a)->path, (*b)->path);
}

/* Every dataset of numbers under its path; `variables`: those of Keras 3 under their names. */
static bool list_datasets(Keras *keras, bool variables, StateDict *dict, StateDict *optimizer)
{
    const Hdf5Object **sorted = mem_alloc((keras->hdf5->count + 1) * sizeof *sorted);
    size_t count = 0;
    for (size_t i = 0; i < keras->hdf5->count; i++) {
        const Hdf5Object *object = &keras->hdf5->objects[i];
        if (hdf5_is_tensor(object)) sorted[count++] = object;
        else if (object->dataset && !keras->others++) keras->other = object;
    }
    qsort(sorted, count, sizeof *sorted, compare_objects);
    bool fine = true;
    for (size_t i = 0; fine && i < count; i++) {
        Layout layout = LAYOUT_NATIVE;
        const char *key = sorted[i]->path;
        bool optimizers = variables && is_below(key, "optimizer");
        if (optimizers) key += strlen("optimizer") + (key[strlen("optimizer")] == '/');
        else if (variables) key = variable_key(keras, sorted[i], &layout);
        fine = add(keras, optimizers ? optimizer : dict, sorted[i], key, layout);
    }
    free(sorted);
    return fine;
}

static bool has_variables(const Hdf5 *hdf5)
{
    size_t owner;
    uint64_t number;
    for (size_t i = 0; i < hdf5->count; i++)
        if (hdf5->objects[i].dataset && split_variable(hdf5->objects[i].path, &owner, &number))
            return true;
    return false;
}

/* Which kind of file it is, by what its groups say. */
static const char *find_kind(const Hdf5 *hdf5, const char **root)
{
    *root = "model_weights";
    if (has_names(hdf5_find(hdf5, *root), "layer_names")) return "keras-h5";
    *root = "";
    if (has_names(hdf5_find(hdf5, *root), "layer_names")) return "keras-h5";
    return has_variables(hdf5) ? "keras-weights" : "hdf5";
}

/* How many objects libhdf5 could not open, or not all of; *first is the path of the first. */
static size_t count_broken(const Hdf5 *hdf5, const char **first)
{
    size_t count = 0;
    for (size_t i = 0; i < hdf5->count; i++)
        if (hdf5->objects[i].broken && !count++) *first = hdf5->objects[i].path;
    return count;
}

/* Nothing was found; the damage of the file, if there is any, is the likelier reason. */
static bool refuse_empty(Keras *keras, bool legacy)
{
    const char *first = NULL, *file = keras->hdf5->file->name;
    size_t broken = count_broken(keras->hdf5, &first);
    if (broken)
        return fault_file(keras->err, ERR_FORMAT, file,
                          "HDF5: libhdf5 cannot open %zu of the %zu objects in it, and no weights "
                          "are in the others; the file is damaged: fetch it again", broken,
                          keras->hdf5->count);
    return fault_file(keras->err, ERR_NOT_FOUND, file,
                      "HDF5: there are no weights in it: %zu groups and datasets, none of "
                      "numbers%s", keras->hdf5->count, legacy ? " that a layer names" : "");
}

/* A text, a number, or a list of either; a long text is counted, and a long list. */
static const Object *attribute_value(Arena *arena, const Hdf5Attribute *one)
{
    enum { TEXT_KEPT = 4096, ITEMS_KEPT = 64 };
    if (one->numbers) return one->numbers;
    if (one->count > ITEMS_KEPT) return object_far_list(arena, one->count, "strings");
    Object *list = object_new(arena, OBJ_LIST);
    for (uint32_t i = 0; i < one->count; i++) {
        size_t n = strlen(one->values[i]);
        object_push(arena, list, n <= TEXT_KEPT ? object_str(arena, one->values[i])
                                                : object_far_text(arena, n));
    }
    return one->count == 1 ? list->list.items[0] : list;
}

/* What the file says of itself: keras_version, backend, training_config. Not what lists the layers,
 * which the names of the tensors tell. */
static void add_attributes(const Keras *keras, const char *group, StateDict *dict)
{
    const Hdf5Object *object = hdf5_find(keras->hdf5, group);
    for (const Hdf5Attribute *one = object ? object->attributes : NULL; one; one = one->next) {
        /* Keras says some at the top and in the group */
        bool layers = has_prefix(one->name, "layer_names") || has_prefix(one->name, "weight_names");
        if (layers || dict_metadata_find(dict, one->name)) continue;
        dict_add_metadata_object(dict, one->name, attribute_value(dict_arena(dict), one));
    }
}

/* Labels and records beside the weights. */
static void find_others(const Keras *keras)
{
    const char *path = keras->other->path;
    Text shown = {0};
    fault_quote(path, strlen(path), 120, &shown);
    checkpoint_find(keras->checkpoint, FINDING_NOTE, "object", path, NULL,
                    "%zu dataset%s without numbers left out: '%s'%s%s", keras->others,
                    keras->others > 1 ? "s" : "", text_string(&shown),
                    keras->other->dtype == DT_STRING ? " holds text" : "",
                    keras->others > 1 ? " …" : "");
    text_done(&shown);
}

static bool fill(Keras *keras, const char *kind, const char *root)
{
    StateDict *dict = dict_new(), *optimizer = dict_new();
    bool legacy = strcmp(kind, "keras-h5") == 0, variables = strcmp(kind, "keras-weights") == 0;
    dict_set_ordered(dict, legacy);
    bool fine = legacy ? list_legacy(keras, root, dict)
                       : list_datasets(keras, variables, dict, optimizer);
    if (fine && !dict_count(dict) && !dict_count(optimizer)) fine = refuse_empty(keras, legacy);
    if (fine) add_attributes(keras, "", dict);
    if (fine && *root) add_attributes(keras, root, dict);
    if (fine && dict_count(dict))
        checkpoint_add_container(keras->checkpoint, "", dict_ref(dict), 0, false);
    if (fine && keras->others) find_others(keras);
    if (fine && dict_count(optimizer))
        checkpoint_add_container(keras->checkpoint, "optimizer", dict_ref(optimizer), 0, true);
    dict_unref(dict);
    dict_unref(optimizer);
    return fine;
}

/* They are left out, and said. */
static void find_broken(const Hdf5 *hdf5, Checkpoint *checkpoint)
{
    const char *first = NULL;
    size_t count = count_broken(hdf5, &first);
    if (!count) return;
    Text shown = {0};
    fault_quote(first, strlen(first), 120, &shown);
    checkpoint_find(checkpoint, FINDING_ERROR, "damaged", first,
                    "the file is damaged, or needs a newer libhdf5",
                    "libhdf5 cannot open %zu of the objects in it: '%s'%s", count,
                    text_string(&shown), count > 1 ? " …" : "");
    text_done(&shown);
}

void keras_find_unconfigured(Checkpoint *checkpoint, const Error *why)
{
    checkpoint_find(checkpoint, FINDING_WARNING, "metadata", NULL,
                    "rules have to say which kernels are to be turned (to_torch, permute)",
                    "its configuration, which tells the layouts, cannot be read: %s", why->text);
}

/* The configuration that a legacy file carries. One that cannot be read only costs layouts. */
static void read_model_config(const Hdf5 *hdf5, Checkpoint *checkpoint, KerasLayers *layers)
{
    Error why;
    const Hdf5Attribute *config = hdf5_attribute(hdf5_find(hdf5, ""), "model_config");
    const char *json = config && config->count == 1 ? config->values[0] : "{}";
    if (!keras_layers_read(layers, hdf5->arena, json, strlen(json), "model_config", &why))
        keras_find_unconfigured(checkpoint, &why);
}

Checkpoint *keras_from_hdf5(OpenContext *context, Hdf5 *hdf5, const char *kind, const char *config,
                            size_t config_bytes, Error *err)
{
    const char *root, *found = find_kind(hdf5, &root);
    Checkpoint *checkpoint = checkpoint_new(context->path, kind ? kind : found);
    KerasLayers layers;
    Error why;
    checkpoint_set_file_bytes(checkpoint, hdf5->file->size);
    hdf5_keep(hdf5, checkpoint);
    find_broken(hdf5, checkpoint);
    if (!config) read_model_config(hdf5, checkpoint, &layers);
    else if (!keras_layers_read(&layers, hdf5->arena, config, config_bytes, "config.json", &why))
        keras_find_unconfigured(checkpoint, &why);
    Keras keras = {.hdf5 = hdf5, .checkpoint = checkpoint, .layers = &layers, .err = err,
                   .used = mem_alloc(hdf5->count + 1)};
    bool fine = fill(&keras, found, root);
    free(keras.used);
    keras_layers_done(&layers);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* -- The format ------------------------------------------------------------------------ */

static Checkpoint *open_hdf5(OpenContext *context, ByteSource *source, Error *err)
{
    Hdf5 hdf5;
    Checkpoint *checkpoint = NULL;
    if (hdf5_list(&hdf5, source, err))
        checkpoint = keras_from_hdf5(context, &hdf5, NULL, NULL, 0, err);
    hdf5_done(&hdf5);
    return checkpoint;
}

/* At 0, 512, 1024 and every doubling: as the library looks for it. */
static Sniff sniff_hdf5(ByteSource *source, const unsigned char *head, size_t n)
{
    static const unsigned char magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    unsigned char bytes[sizeof magic];
    for (uint64_t at = 0; at + sizeof magic <= source->size; at = at ? at * 2 : 512) {
        const unsigned char *here = at + sizeof magic <= n ? head + at : bytes;
        if (here == bytes && !source_read(source, at, bytes, sizeof bytes, NULL)) return SNIFF_NO;
        if (memcmp(here, magic, sizeof magic) == 0) return SNIFF_YES;
        if (at > INT64_MAX / 4) break;
    }
    return SNIFF_NO;
}

const Format format_hdf5 = {"hdf5", "HDF5: Keras .h5 and .weights.h5, and others", sniff_hdf5,
                            open_hdf5};
