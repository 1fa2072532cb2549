/* A folder's model, found in three steps: by a name that libraries give it, by an index, and at
 * last by looking into every file. What is no model's folder is told by what it holds. */
#include "loader/format/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"

/* Documented limits: a folder beyond them is no model's. */
enum {
    ENTRIES_MAX = 100000,    /* entries that are read */
    LOOKED_AT_MAX = 1000,    /* files that are opened to see what they are */
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
};

/* Folders that hold something else, by a file or folder in them. In this order: a DeepSpeed
 * folder may well have a "checkpoint" in it. */
static const struct { const char *entry, *text; } other_folders[] = {
    {".metadata", "a checkpoint of torch.distributed (DCP); not supported yet"},
    {"latest", "a DeepSpeed checkpoint; not supported yet (zero_to_fp32.py in it makes one file)"},
    {"latest_checkpointed_iteration.txt", "a Megatron checkpoint; not supported yet"},
    {"saved_model.pb", "a TensorFlow SavedModel; not supported yet"},
    {"checkpoint", "a folder of TensorFlow checkpoints; not supported yet"},
    {"model_index.json", "a pipeline of several models; name one of its folders (unet, vae …)"},
    {"snapshots", "a folder of the Hugging Face cache; name a folder in its 'snapshots'"},
};

/* The entries of a folder, sorted as people sort. */
typedef struct Entries {
    const char **names;      /* owned; strings in the arena */
    size_t count, room;      /* of names */
} Entries;

static int compare_names(const void *a, const void *b)
{
    return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that what is chosen and what is listed does not depend on the file system. */
static bool read_entries(Arena *arena, const char *folder, Entries *entries, Error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return fault_file(err, ERR_IO, folder, "%s", strerror(errno));
    const struct dirent *entry;
    while ((entry = readdir(dir)) && entries->count < ENTRIES_MAX) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        entries->names = mem_grow(entries->names, &entries->room, entries->count + 1,
                                  sizeof *entries->names);
        entries->names[entries->count++] = arena_strdup(arena, entry->d_name);
    }
    closedir(dir);
    if (entries->count)
        qsort(entries->names, entries->count, sizeof *entries->names, compare_names);
    return true;
}

static bool has_entry(const Entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->names[i], name) == 0) return true;
    return false;
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
static bool refuse_none(const char *folder, const Entries *entries, Error *err)
{
    for (size_t i = 0; i < countof(other_folders); i++)
        if (has_entry(entries, other_folders[i].entry))
            return fault_file(err, ERR_UNSUPPORTED, folder, "%s", other_folders[i].text);
    Text names = {0};
    list_names(entries->names, entries->count, &names);
    fault_file(err, ERR_NOT_FOUND, folder,
               "a folder without a model: it has no model.safetensors, pytorch_model.bin, "
               "*.index.json or other checkpoint; %s%s",
               entries->count ? "there are: " : "it is empty", text_string(&names));
    text_done(&names);
    return false;
}

/* Without a usual name: an index, else whatever is a checkpoint by its content. */
static void search(Arena *arena, const char *folder, const Entries *entries,
                   bool (*is_checkpoint)(const char *path), FolderModel *model)
{
    for (size_t i = 0; i < entries->count; i++)
        if (is_index_name(entries->names[i])) add_choice(model, entries->names[i]);
    if (model->count) return;
    for (size_t i = 0; i < entries->count && i < LOOKED_AT_MAX; i++)
        if (is_checkpoint_file(arena, folder, entries->names[i], is_checkpoint))
            add_choice(model, entries->names[i]);
}

/* Several usual names are copies of one model, the best first; several others are a question that
 * only the user can answer. */
bool folder_find(Arena *arena, const char *folder, bool (*is_checkpoint)(const char *path),
                 FolderModel *model, Error *err)
{
    Entries entries = {0};
    *model = (FolderModel){0};
    bool fine = read_entries(arena, folder, &entries, err);
    for (size_t i = 0; fine && i < countof(usual_names); i++)
        if (has_entry(&entries, usual_names[i])) add_choice(model, usual_names[i]);
    if (fine && !model->count) {
        search(arena, folder, &entries, is_checkpoint, model);
        if (!model->count) fine = refuse_none(folder, &entries, err);
        else if (model->count > 1) fine = refuse_several(folder, model, err);
    }
    free(entries.names);
    return fine;
}
