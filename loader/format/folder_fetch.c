/* Names alone decide, as far as they can; an index is read, since it says which its shards are. */
#include "loader/format/folder_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/folder.h"
#include "loader/source/remote_open.h"

enum { SMALL_BYTES = 64 << 20, SHOWN = 4 };

/* Suffixes of checkpoints that have no usual name, and of what programs read beside a model. */
static const char *const model_suffixes[] = {
    ".safetensors", ".bin",  ".pth",  ".pt",      ".ckpt",      ".gguf", ".h5",     ".keras",
    ".npz",         ".onnx", ".pkl",  ".msgpack", ".pdparams",  ".params", ".caffemodel",
};
static const char *const small_suffixes[] = {
    ".json", ".txt", ".model", ".jinja", ".yaml", ".yml", ".tiktoken", ".py",
};

/* One folder of the listing. */
typedef struct Place {
    const char *path;        /* "unet"; "" for the top; in the arena */
    const char **names;      /* [count] of the files in it */
    size_t *files;           /* [count] their indexes */
    size_t count, room;
    size_t model_count;      /* files that may be its model; 0: it has none */
    const char *model[FOLDER_CHOICES_MAX];   /* of which the first is taken, or all of a set */
    bool set;                /* they are parts of one model */
} Place;

typedef struct Choice {
    Arena *arena;            /* borrowed */
    const RemoteFolder *folder;
    Place *places;           /* owned, as are names and files in them; the top is the first */
    size_t place_count, place_room;
    NameMap place_index;     /* path → index of places */
    bool *chosen;            /* [folder->count]; owned */
    Error *err;
} Choice;

static bool has_suffix_of(const char *name, const char *const *suffixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_suffix(name, suffixes[i])) return true;
    return false;
}

/* ---- folders of the listing ---- */

static Place *add_place(Choice *choice, const char *path, size_t n)
{
    const char *name = arena_strndup(choice->arena, path, n);
    if (!map_add(&choice->place_index, name, (uint32_t)choice->place_count))
        return &choice->places[map_get(&choice->place_index, name)];
    choice->places = mem_grow(choice->places, &choice->place_room, choice->place_count + 1,
                              sizeof *choice->places);
    Place *place = &choice->places[choice->place_count++];
    *place = (Place){.path = name};
    return place;
}

static void sort_into_places(Choice *choice)
{
    add_place(choice, "", 0);
    for (size_t i = 0; i < choice->folder->count; i++) {
        const char *path = choice->folder->files[i].name, *slash = strrchr(path, '/');
        Place *place = add_place(choice, path, slash ? (size_t)(slash - path) : 0);
        size_t room = place->room;
        place->names = mem_grow(place->names, &room, place->count + 1, sizeof *place->names);
        place->files = mem_grow(place->files, &place->room, place->count + 1,
                                sizeof *place->files);
        place->names[place->count] = slash ? slash + 1 : path;
        place->files[place->count++] = i;
    }
}

/* ---- a folder's model ---- */

static bool never(const char *path)
{
    (void)path;
    return false;
}

/* How much of two names must agree for the files to be parts of one model: "x-00001-of-00003.gguf",
 * and Llama's "consolidated.00.pth". */
static size_t stem_length(const char *name)
{
    const char *of = strstr(name, "-of-");
    if (has_prefix(name, "consolidated.")) return strlen("consolidated.");
    if (!of) return strlen(name) + 1;
    while (of > name && is_digit(of[-1])) of--;
    return (size_t)(of - name);
}

/* Whatever looks like a checkpoint; parts of one are a set. */
static void find_unusual(Place *place)
{
    place->set = true;
    for (size_t i = 0; i < place->count; i++) {
        const char *name = place->names[i];
        if (!has_suffix_of(name, model_suffixes, countof(model_suffixes))) continue;
        if (place->model_count) {
            size_t n = stem_length(place->model[0]);
            place->set = place->set && stem_length(name) == n &&
                         strncmp(name, place->model[0], n) == 0;
        }
        if (place->model_count < FOLDER_CHOICES_MAX) place->model[place->model_count] = name;
        place->model_count++;
    }
}

static void find_model(const Choice *choice, Place *place)
{
    const Folder folder = {choice->folder->base, place->names, place->count};
    FolderModel model;
    bool one = folder_find(choice->arena, &folder, never, &model, NULL);
    place->model_count = one ? 1 : model.count;
    for (size_t i = 0; i < place->model_count && i < FOLDER_CHOICES_MAX; i++)
        place->model[i] = model.names[i];
    if (!place->model_count) find_unusual(place);
}

/* ---- what is chosen ---- */

static const char *where(const Choice *choice, const Place *place)
{
    return *place->path ? arena_printf(choice->arena, "%s/%s", choice->folder->base, place->path)
                        : choice->folder->base;
}

static bool choose_name(Choice *choice, const Place *place, const char *name)
{
    for (size_t i = 0; i < place->count; i++) {
        if (strcmp(place->names[i], name) != 0) continue;
        choice->chosen[place->files[i]] = true;
        return true;
    }
    return false;
}

/* An index brings its shards, all of which must be there. */
static bool choose_shards(Choice *choice, const Place *place, const char *index)
{
    const char *const *names = NULL;
    size_t count = 0;
    const char *url = arena_printf(choice->arena, "%s/%s", where(choice, place), index);
    ByteSource *source = source_open(url, NULL, choice->err);
    bool fine = source && sharded_files(choice->arena, source, &names, &count, choice->err);
    source_unref(source);
    for (size_t i = 0; fine && i < count; i++)
        if (!choose_name(choice, place, names[i]))
            fine = error_set(choice->err, ERR_NOT_FOUND, "%.300s: its shard %.200s is not beside "
                             "it", url, names[i]);
    return fine;
}

static bool refuse_several(const Choice *choice, const Place *place)
{
    Text names = {0};
    for (size_t i = 0; i < place->model_count && i < SHOWN; i++) {
        text_add(&names, i ? ", " : "");
        fault_quote(place->model[i], strlen(place->model[i]), 60, &names);
    }
    fault_file(choice->err, ERR_NOT_FOUND, where(choice, place), "%zu files in it may be meant; "
               "name one of them, or --all: %s%s", place->model_count, text_string(&names),
               place->model_count > SHOWN ? " …" : "");
    text_done(&names);
    return false;
}

static bool choose_model(Choice *choice, const Place *place)
{
    if (!place->model_count) return true;
    if (place->model_count > 1 && !place->set) return refuse_several(choice, place);
    for (size_t i = 0; i < place->count; i++)
        for (size_t k = 0; k < place->model_count && k < FOLDER_CHOICES_MAX; k++) {
            bool part = place->set && has_suffix_of(place->names[i], model_suffixes,
                                                    countof(model_suffixes));
            if (part || strcmp(place->names[i], place->model[k]) == 0)
                choice->chosen[place->files[i]] = true;
        }
    const char *first = place->model[0];
    return !strstr(first, ".index.") || choose_shards(choice, place, first);
}

static void choose_small(Choice *choice, const Place *place)
{
    for (size_t i = 0; i < place->count; i++) {
        const char *name = place->names[i];
        const RemoteFile *file = &choice->folder->files[place->files[i]];
        if (has_suffix_of(name, small_suffixes, countof(small_suffixes)) &&
            !strstr(name, ".index.") && (!file->has_size || file->size <= SMALL_BYTES))
            choice->chosen[place->files[i]] = true;
    }
}

static void choose_all(Choice *choice)
{
    for (size_t i = 0; i < choice->folder->count; i++) choice->chosen[i] = true;
}

/* The top's model, else that of the one folder that has one; of a pipeline all of them. A folder of
 * which nothing is known (shards of a training framework) is one checkpoint. */
static bool choose(Choice *choice)
{
    const Place *only = NULL, *top = choice->places;
    size_t models = 0;
    for (size_t i = 0; i < choice->place_count; i++) {
        find_model(choice, &choice->places[i]);
        models += choice->places[i].model_count > 0;
        if (choice->places[i].model_count) only = &choice->places[i];
    }
    const Folder names = {choice->folder->base, top->names, top->count};
    if (!models) {
        choose_all(choice);
        return true;
    }
    if (!top->model_count && folder_has(&names, "model_index.json")) {
        bool fine = true;
        for (size_t i = 0; fine && i < choice->place_count; i++) {
            choose_small(choice, &choice->places[i]);
            fine = choose_model(choice, &choice->places[i]);
        }
        return fine;
    }
    if (!top->model_count && models > 1)
        return fault_file(choice->err, ERR_NOT_FOUND, choice->folder->base, "%zu folders in it "
                          "have a model; name a file, or --all", models);
    choose_small(choice, top);
    if (top->model_count) return choose_model(choice, top);
    choose_small(choice, only);
    return choose_model(choice, only);
}

/* What is written below a folder stays below it. */
static bool check_names(const Choice *choice)
{
    for (size_t i = 0; i < choice->folder->count; i++) {
        const char *name = choice->folder->files[i].name;
        if (!choice->chosen[i] || inner_path_is_safe(name)) continue;
        Text shown = {0};
        fault_quote(name, strlen(name), 120, &shown);
        fault_file(choice->err, ERR_FORMAT, choice->folder->base, "'%s' is no name of a file in a "
                   "folder", text_string(&shown));
        text_done(&shown);
        return false;
    }
    return true;
}

bool folder_choose_files(Arena *arena, const RemoteFolder *folder, bool all, const size_t **chosen,
                         size_t *count, Error *err)
{
    Choice choice = {.arena = arena, .folder = folder, .err = err};
    choice.chosen = mem_alloc(folder->count + 1);
    map_init(&choice.place_index);
    if (all) choose_all(&choice);
    else sort_into_places(&choice);
    bool fine = (all || choose(&choice)) && check_names(&choice);
    size_t *list = arena_alloc(arena, (folder->count + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; i < folder->count; i++)
        if (choice.chosen[i]) list[(*count)++] = i;
    *chosen = list;
    for (size_t i = 0; i < choice.place_count; i++) {
        free(choice.places[i].names);
        free(choice.places[i].files);
    }
    free(choice.places);
    map_done(&choice.place_index);
    free(choice.chosen);
    return fine;
}
