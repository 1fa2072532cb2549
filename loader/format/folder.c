/* A folder's model, found in three steps: by a name that libraries give it, by an index, and at
 * last by looking into every file. What is no model's folder is told by what it holds. */
#include "loader/format/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"
#include "loader/source/directory.h"

/* Fixed: a folder beyond them is no model's, and its file can be named. */
enum {
    LOOKED_AT_MAX = 1000,    /* files that are opened to see what they are */
    VARIANT_MAX = 40,        /* bytes of a variant's name */
    NAMES_SHOWN = 8          /* in an error */
};

/* What the field's libraries call a model (transformers, diffusers, PEFT), in order of
 * preference. */
static const char *const usual_names[] = {
    "model.safetensors.index.json", "model.safetensors",
    "pytorch_model.bin.index.json", "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin.index.json", "diffusion_pytorch_model.bin",
    "adapter_model.safetensors", "adapter_model.bin",
    "flax_model.msgpack", "diffusion_flax_model.msgpack", "tf_model.h5", "model.weights.h5",
};

static const char orbax_text[] =
    "an Orbax checkpoint (OCDBT or zarr), which is not read; in Python: restore it with "
    "orbax.checkpoint and write flax.serialization.to_bytes(tree) to a .msgpack file";

/* What training leaves beside the weights (transformers' Trainer, accelerate, DeepSpeed, Lightning,
 * Megatron): PREFIX, digits and underscores, SUFFIX. Never a model, whatever such a file holds. */
static const struct { const char *prefix, *suffix; } state_names[] = {
    {"optimizer", ".pt"},      {"optimizer", ".bin"},     {"optimizer_", ""},
    {"scheduler", ".pt"},      {"scheduler", ".bin"},     {"scaler", ".pt"},
    {"rng_state", ".pth"},     {"random_states_", ".pkl"}, {"training_args", ".bin"},
    {"sampler", ".bin"},       {"dl_state_dict", ".bin"}, {"custom_checkpoint_", ".pkl"},
    {"global_step", ""},       {"meta.pt", ""},           {"common.pt", ""},
};

/* Folders that hold something else, by a file or folder in them. */
static const struct { const char *entry, *text; } other_folders[] = {
    {"checkpoint", "a folder of TensorFlow checkpoints whose .index files are not there"},
    {"manifest.ocdbt", orbax_text},
    {"_CHECKPOINT_METADATA", orbax_text},
    {"_METADATA", orbax_text},
};

bool folder_read(Arena *arena, const char *path, Folder *folder, Error *err)
{
    folder->path = arena_strdup(arena, path);
    return directory_read(arena, path, &folder->names, &folder->count, err);
}

char *folder_read_tag(const OpenContext *context, const char *name, Error *err)
{
    enum { TAG_BYTES_MAX = 255 };    /* fixed: it holds a folder's name */
    ByteSource *source = context->inner_source(context, name, err);
    size_t n = 0;
    char *text = source ? source_slurp(source, TAG_BYTES_MAX, &n, err) : NULL;
    source_unref(source);
    while (text && n && strchr(" \t\r\n", text[n - 1])) text[--n] = '\0';
    return text;
}

bool folder_has(const Folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->names[i], name) == 0) return true;
    return false;
}

bool folder_has_model(const Folder *folder)
{
    for (size_t i = 0; i < countof(usual_names); i++)
        if (folder_has(folder, usual_names[i])) return true;
    return false;
}

static bool is_state(const char *name)
{
    for (size_t i = 0; i < countof(state_names); i++) {
        if (!has_prefix(name, state_names[i].prefix)) continue;
        const char *rest = name + strlen(state_names[i].prefix);
        rest += strspn(rest, "0123456789_");
        if (strcmp(rest, state_names[i].suffix) == 0) return true;
    }
    return false;
}

/* Whether a name is a usual one with a variant before its last extension; a plain word. */
static bool match_variant(const char *name, const char *usual, char variant[VARIANT_MAX + 1])
{
    const char *dot = strrchr(usual, '.');
    size_t head = (size_t)(dot - usual) + 1, n = strlen(name), tail = strlen(dot);
    if (n <= head + tail || strncmp(name, usual, head) != 0 || strcmp(name + n - tail, dot) != 0)
        return false;
    size_t length = n - head - tail;
    if (length > VARIANT_MAX || memchr(name + head, '.', length) ||
        strstr(name, "-of-"))
        return false;
    memcpy(variant, name + head, length);
    variant[length] = '\0';
    return true;
}

/* Counts all of them, keeps the first FOLDER_CHOICES_MAX. */
static void add_choice(FolderModel *model, const char *name)
{
    if (model->count < FOLDER_CHOICES_MAX) model->names[model->count] = name;
    model->count++;
}

/* "x.index.json", and with a variant "x.index.fp16.json". */
static bool is_index_name(const char *name)
{
    return has_suffix(name, ".json") && strstr(name, ".index.");
}

/* Regular files only: looking into a pipe would wait for it. */
static bool is_checkpoint_file(Arena *arena, const char *folder, const char *name,
                               bool (*is_checkpoint)(const char *path))
{
    struct stat info;
    const char *path = arena_printf(arena, "%s/%s", folder, name);
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && is_checkpoint(path);
}

/* "a, b, c and 4 more". */
static void list_names(const char *const *names, size_t count, Text *out)
{
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
        if (i) text_add(out, ", ");
        fault_quote(names[i], strlen(names[i]), 60, out);
    }
    if (count > NAMES_SHOWN) text_addf(out, " and %zu more", count - NAMES_SHOWN);
}

/* Names like "model-00001-of-00002.safetensors" want another answer: their index is missing. */
static bool refuse_several(const char *folder, const FolderModel *model, Error *err)
{
    Text names = {0};
    size_t held = model->count < FOLDER_CHOICES_MAX ? model->count : FOLDER_CHOICES_MAX;
    list_names(model->names, held, &names);
    bool shards = strstr(model->names[0], "-of-") && !is_index_name(model->names[0]);
    fault_file(err, ERR_NOT_FOUND, folder, "%zu files in it may be meant; %s: %s%s", model->count,
               shards ? "they look like shards: fetch their index.json too, or name one of them"
                      : "name one of them",
               text_string(&names), model->count > held ? " …" : "");
    text_done(&names);
    return false;
}

/* The folder of something else that is known by name, or what is there instead of a model. */
static bool refuse_none(const Folder *folder, Error *err)
{
    for (size_t i = 0; i < countof(other_folders); i++)
        if (folder_has(folder, other_folders[i].entry))
            return fault_file(err, ERR_UNSUPPORTED, folder->path, "%s", other_folders[i].text);
    Text names = {0};
    list_names(folder->names, folder->count, &names);
    fault_file(err, ERR_NOT_FOUND, folder->path,
               "a folder without a model: it has no model.safetensors, pytorch_model.bin, "
               "*.index.json or other checkpoint; %s%s",
               folder->count ? "there are: " : "it is empty", text_string(&names));
    text_done(&names);
    return false;
}

/* Without a usual name: an index, else whatever is a checkpoint by its content. */
static void search(Arena *arena, const Folder *folder, bool (*is_checkpoint)(const char *path),
                   FolderModel *model)
{
    for (size_t i = 0; i < folder->count; i++)
        if (is_index_name(folder->names[i])) add_choice(model, folder->names[i]);
    if (model->count) return;
    for (size_t i = 0; i < folder->count && i < LOOKED_AT_MAX; i++)
        if (!is_state(folder->names[i]) &&
            is_checkpoint_file(arena, folder->path, folder->names[i], is_checkpoint))
            add_choice(model, folder->names[i]);
}

/* The names of one variant ("fp16" of model.fp16.safetensors) are copies of one model, the best
 * first; of several variants all are named. */
static void search_variants(const Folder *folder, FolderModel *model)
{
    char variant[VARIANT_MAX + 1], first[VARIANT_MAX + 1] = "";
    for (size_t i = 0; i < countof(usual_names); i++)
        for (size_t j = 0; j < folder->count; j++) {
            if (!match_variant(folder->names[j], usual_names[i], variant)) continue;
            if (!first[0]) memcpy(first, variant, sizeof first);
            if (strcmp(first, variant) != 0) model->several = true;
            add_choice(model, folder->names[j]);
        }
}

/* Several usual names are copies of one model, the best first; several others are a question that
 * only the user can answer. */
bool folder_find(Arena *arena, const Folder *folder, bool (*is_checkpoint)(const char *path),
                 FolderModel *model, Error *err)
{
    *model = (FolderModel){0};
    for (size_t i = 0; i < countof(usual_names); i++)
        if (folder_has(folder, usual_names[i])) add_choice(model, usual_names[i]);
    if (model->count) return true;
    search_variants(folder, model);
    if (model->count) return !model->several || refuse_several(folder->path, model, err);
    search(arena, folder, is_checkpoint, model);
    if (!model->count) return refuse_none(folder, err);
    return model->count == 1 || refuse_several(folder->path, model, err);
}

/* Without opening anything. */
bool folder_looks_like_model(const Folder *folder)
{
    FolderModel model = {0};
    if (folder_has_model(folder)) return true;
    search_variants(folder, &model);
    for (size_t i = 0; i < folder->count && !model.count; i++)
        if (is_index_name(folder->names[i]) || has_suffix(folder->names[i], ".safetensors"))
            add_choice(&model, folder->names[i]);
    return model.count > 0;
}

void folder_note_state(const Folder *folder, Checkpoint *checkpoint)
{
    const char **names = mem_alloc((folder->count + 1) * sizeof *names);
    size_t count = 0;
    Text text = {0};
    for (size_t i = 0; i < folder->count; i++)
        if (is_state(folder->names[i])) names[count++] = folder->names[i];
    list_names(names, count, &text);
    if (count)
        checkpoint_find(checkpoint, FINDING_NOTE, "beside", NULL, NULL,
                        "beside the weights, to be opened by name: %s",
                        text_string(&text));
    text_done(&text);
    free(names);
}
