/* The formats: the one place that knows them all. Content decides, never the extension. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/format/fault.h"
#include "loader/format/folder.h"
#include "loader/format/format.h"
#include "loader/format/refusal.h"
#include "loader/source/remote_place.h"
#include "loader/source/open_ahead.h"
#include "loader/source/remote.h"
#include "loader/source/remote_open.h"

/* What sniffing sees of a file; the longest name that file systems allow. */
enum { HEAD_BYTES = 4096, NAME_BYTES_MAX = 255 };

/* In the order in which they are asked: magic numbers first, structure next, text last. The
 * last four are text and hold none. */
static const Format *const formats[] = {
    &format_zip,
    &format_torch_legacy,
    &format_safetensors,
    &format_torch_tar,
    &format_npy,
    &format_gguf,
    &format_tensorflow,
    &format_onnx,
    &format_caffe,
    &format_pickle,
    &format_mxnet,
    &format_flax,
    &format_hdf5,
    &format_sharded,
    &format_schema_json,
    &format_failed_load,
    &format_schema_text,
};
enum { BINARY_FORMATS = countof(formats) - 4 };

/* Folders that are one checkpoint, in the order in which they are asked. */
static const FolderFormat *const folder_formats[] = {
    &format_dcp,        &format_dcp_safetensors, &format_universal, &format_deepspeed,
    &format_pipeline,   &format_cache,           &format_megatron,  &format_meta,
    &format_accelerate, &format_fsdp,            &folder_gguf_split, &folder_tensorflow,
    &format_run,
};

static Checkpoint *open_folder(const char *path, unsigned depth, Error *err);
static OpenContext make_context(const char *shown, const char *folder, unsigned depth);

/* -- Bytes ----------------------------------------------------------------------------- */

/* The first format that is sure of the bytes; NULL if none, and then *possible is the first that
 * thinks it possible, or NULL. Each is asked once: some read more than the head. */
static const Format *find_format(ByteSource *source, const unsigned char *head, size_t n,
                                 const Format **possible)
{
    *possible = NULL;
    for (size_t i = 0; i < countof(formats); i++) {
        Sniff answer = formats[i]->sniff(source, head, n);
        if (answer == SNIFF_YES) return formats[i];
        if (answer == SNIFF_MAYBE && !*possible) *possible = formats[i];
    }
    return NULL;
}

/* What was opened, unless a limit kept parts of it out: then none of it is given. */
static Checkpoint *within_limits(Checkpoint *checkpoint, Error *err)
{
    Error most = {0};
    if (!checkpoint || checkpoint_check_limits(checkpoint, &most)) return checkpoint;
    fault_file(err, ERR_LIMIT, checkpoint_path(checkpoint), "%s", most.text);
    checkpoint_unref(checkpoint);
    return NULL;
}

/* Who opens a source: the first format that is sure; if none is, whatever the file is known to
 * be instead decides; only then a format that thinks it possible. The other way round a text
 * listing, which thinks any text possible, would have to explain web pages. */
static Checkpoint *open_bytes(OpenContext *context, ByteSource *source, Error *err)
{
    unsigned char head[HEAD_BYTES];
    size_t n = source->size < sizeof head ? (size_t)source->size : sizeof head;
    if (!n) {
        fault_file(err, ERR_FORMAT, source->name,
                   "the file is empty (0 bytes): it was never written; save or download it again");
        return NULL;
    }
    if (!source_read(source, 0, head, n, err)) return NULL;
    const Format *possible, *format = find_format(source, head, n, &possible);
    if (!format && refusal_explain(source, head, n, err)) return NULL;
    if (!format) format = possible;
    if (format) return within_limits(format->open(context, source, err), err);
    refusal_unknown(source, head, n, err);
    return NULL;
}

/* Without a folder there are no inner files: has_inner and open_inner refuse every name. */
Checkpoint *checkpoint_open_source(ByteSource *source, Error *err)
{
    OpenContext context = make_context(source->name, NULL, 0);
    return open_bytes(&context, source, err);
}

/* -- Files ----------------------------------------------------------------------------- */

/* Where its neighbours are; a signature in a URL's query is the one file's alone. malloc'd. */
static char *folder_of(const char *path)
{
    char *plain = mem_strdup(path);
    if (url_is_web(path)) plain[strcspn(plain, "?#")] = '\0';
    char *folder = path_folder(plain);
    free(plain);
    return folder;
}

/* Opens the file at `path`; `shown` is what the user named. */
static Checkpoint *open_file(const char *path, const char *shown, unsigned depth, Error *err)
{
    const char *note;
    ByteSource *source = source_open(path, &note, err);
    if (!source) return NULL;
    char *folder = folder_of(path);
    OpenContext context = make_context(shown, folder, depth);
    Checkpoint *checkpoint = open_bytes(&context, source, err);
    if (checkpoint) checkpoint_set_opened(checkpoint, source);
    if (checkpoint && note)
        checkpoint_find(checkpoint, FINDING_NOTE, "remote", NULL, NULL, "%s", note);
    free(folder);
    source_unref(source);
    return checkpoint;
}

/* What a file says may only name its neighbours. A backslash is a separator on other systems,
 * from which the file may come; C0 80 is a NUL in a held name, at which C's functions would
 * stop. */
bool inner_name_is_safe(const char *name)
{
    size_t n = strlen(name);
    if (!n || n > NAME_BYTES_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F || *p == '/' || *p == '\\') return false;
    return !strstr(name, "\xC0\x80");
}

bool inner_path_is_safe(const char *path)
{
    char part[NAME_BYTES_MAX + 1];
    for (;;) {
        size_t n = strcspn(path, "/");
        if (n > NAME_BYTES_MAX) return false;
        memcpy(part, path, n);
        part[n] = '\0';
        if (!inner_name_is_safe(part)) return false;
        if (!path[n]) return true;
        path += n + 1;
    }
}

/* malloc'd. The root's own slash is not doubled. */
static char *inner_path(const OpenContext *context, const char *name)
{
    Text path = {0};
    text_addf(&path, "%s/%s", strcmp(context->folder, "/") == 0 ? "" : context->folder, name);
    return path.bytes;
}

/* Whether there is a folder, and the name may lie below it; the error says that it may not. */
static bool check_inner(const OpenContext *context, const char *name, Error *err)
{
    if (context->folder && inner_path_is_safe(name)) return true;
    Text shown = {0};
    fault_quote(name, strlen(name), 120, &shown);
    fault_file(err, ERR_FORMAT, context->path, "'%s' is no name of a file in its folder",
               text_string(&shown));
    text_done(&shown);
    return false;
}

/* The depth bounds what an index that names itself can do. */
static bool check_depth(const OpenContext *context, Error *err)
{
    char more[LIMIT_TEXT];
    if (context->depth + 1 <= limit(LIMIT_INNER_DEPTH)) return true;
    return fault_file(err, ERR_LIMIT, context->path, "files inside files, to a depth %s",
                      limit_text(LIMIT_INNER_DEPTH, more));
}

/* OpenContext.has_inner. Whether the file can be opened is another question, asked later. */
static bool has_inner(const OpenContext *context, const char *name)
{
    if (!context->folder || !inner_path_is_safe(name)) return false;
    char *path = inner_path(context, name);
    bool there = source_is_there(path);
    free(path);
    return there;
}

/* OpenContext.open_inner */
static Checkpoint *open_inner(OpenContext *context, const char *name, Error *err)
{
    if (!check_inner(context, name, err) || !check_depth(context, err)) return NULL;
    char *path = inner_path(context, name);
    Checkpoint *checkpoint = source_is_folder(path)
                                 ? open_folder(path, context->depth + 1, err)
                                 : open_file(path, path, context->depth + 1, err);
    free(path);
    return checkpoint;
}

/* OpenContext.inner_source */
static ByteSource *inner_source(const OpenContext *context, const char *name, Error *err)
{
    if (!check_inner(context, name, err)) return NULL;
    char *path = inner_path(context, name);
    ByteSource *source = source_open(path, NULL, err);
    free(path);
    return source;
}

/* OpenContext.list_inner */
static bool list_inner(const OpenContext *context, const char *name, Arena *arena, Folder *folder,
                       Error *err)
{
    if (*name ? !check_inner(context, name, err) : !context->folder) return false;
    char *path = *name ? inner_path(context, name) : mem_strdup(context->folder);
    bool fine = folder_read(arena, path, folder, err);
    free(path);
    return fine;
}

/* OpenContext.open_ahead */
static void open_ahead(const OpenContext *context, const char *const *names, size_t n)
{
    if (!context->folder || !url_is(context->folder)) return;
    const char **paths = mem_alloc((n + 1) * sizeof *paths);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (inner_path_is_safe(names[i])) paths[count++] = inner_path(context, names[i]);
    if (n) source_open_ahead(paths, count);
    else source_forget_ahead();
    while (count) free((char *)paths[--count]);
    free(paths);
}

/* OpenContext.open_bytes */
static Checkpoint *open_inner_bytes(OpenContext *context, ByteSource *source, Error *err)
{
    if (!check_depth(context, err)) return NULL;
    OpenContext inner = make_context(source->name, NULL, context->depth + 1);
    return open_bytes(&inner, source, err);
}

static OpenContext make_context(const char *shown, const char *folder, unsigned depth)
{
    return (OpenContext){shown, folder, depth, open_inner, inner_source, has_inner, list_inner,
                         open_ahead, open_inner_bytes};
}

/* -- Paths ----------------------------------------------------------------------------- */

/* For folder_find: only by formats that are sure of it. A text that may be a listing, which a
 * README may be, does not make a folder's model. */
static bool is_checkpoint(const char *path)
{
    unsigned char head[HEAD_BYTES];
    ByteSource *source = source_open(path, NULL, NULL);
    if (!source) return false;
    size_t n = source->size < sizeof head ? (size_t)source->size : sizeof head;
    bool found = false;
    if (source_read(source, 0, head, n, NULL))
        for (size_t i = 0; i < BINARY_FORMATS; i++)
            found = found || formats[i]->sniff(source, head, n) == SNIFF_YES;
    source_unref(source);
    return found;
}

/* Opens the best file of the folder. An index whose shards are all absent gives only names, so
 * another copy of the model is better, where there is one. */
static Checkpoint *open_choice(const Folder *folder, const FolderModel *model, unsigned depth,
                               Error *err)
{
    Checkpoint *names_only = NULL;
    const OpenContext context = {.folder = folder->path};
    for (size_t i = 0; i < model->count; i++) {
        char *path = inner_path(&context, model->names[i]);
        Checkpoint *checkpoint = open_file(path, folder->path, depth, err);
        free(path);
        if (checkpoint && strcmp(checkpoint_format(checkpoint), "schema") == 0) {
            if (names_only) checkpoint_unref(checkpoint);
            else names_only = checkpoint;
            continue;
        }
        if (checkpoint && model->count > 1)
            checkpoint_find(checkpoint, FINDING_NOTE, "copies", NULL, NULL,
                            "the folder holds %zu copies of a model; %s was taken", model->count,
                            model->names[i]);
        if (checkpoint) folder_note_state(folder, checkpoint);
        checkpoint_unref(names_only);
        return checkpoint;
    }
    return names_only;
}

/* The first kind of folder that says `wanted`; NULL if none. */
static const FolderFormat *find_folder_format(const Folder *folder, Sniff wanted)
{
    for (size_t i = 0; i < countof(folder_formats); i++)
        if (folder_formats[i]->sniff(folder) == wanted) return folder_formats[i];
    return NULL;
}

/* Slashes at the end are dropped, so that paths below are shown without "//". A folder of a known
 * kind is opened as such; else it holds a model in a file, or may be of a kind after all. */
static Checkpoint *open_folder(const char *path, unsigned depth, Error *err)
{
    Arena *arena = arena_new();
    FolderModel model;
    Folder folder;
    Checkpoint *checkpoint = NULL;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    const char *name = arena_strndup(arena, path, n);
    if (folder_read(arena, name, &folder, err)) {
        OpenContext context = make_context(name, name, depth);
        const FolderFormat *format = find_folder_format(&folder, SNIFF_YES);
        if (!format && folder_find(arena, &folder, is_checkpoint, &model, err))
            checkpoint = open_choice(&folder, &model, depth, err);
        else if (!format) format = find_folder_format(&folder, SNIFF_MAYBE);
        if (format) checkpoint = within_limits(format->open(&context, &folder, err), err);
    }
    arena_free(arena);
    return checkpoint;
}

/* Why stat refused `path`, told by errno, which is still stat's. */
static bool explain_absence(const char *path, Error *err)
{
    struct stat info;
    char target[1024];
    ssize_t n;
    if (errno != ENOENT && errno != ENOTDIR)
        return fault_file(err, ERR_IO, path, "%s", strerror(errno));
    if (url_is(path))
        return fault_file(err, ERR_UNSUPPORTED, path, "URLs of this kind cannot be read; those of "
                          "https, http, hf, s3, oss, gs and file can");
    if (lstat(path, &info) == 0 && (n = readlink(path, target, sizeof target)) > 0) {
        Text shown = {0};
        fault_quote(target, (size_t)n, 300, &shown);
        fault_file(err, ERR_NOT_FOUND, path, "a symbolic link to '%s', which is not there",
                   text_string(&shown));
        text_done(&shown);
        return false;
    }
    return fault_file(err, ERR_NOT_FOUND, path, "there is no such file or folder");
}

/* A URL is shown without what may be secret in it; errors about a repository name the commit that
 * was taken. */
static Checkpoint *open_place(const char *name, Error *err)
{
    Arena *arena = arena_new();
    Checkpoint *checkpoint = NULL;
    if (!source_is_folder(name)) {
        checkpoint = open_file(name, url_shown(arena, name), 0, err);
    } else {
        const char *folder = source_folder(arena, name, err);
        if (folder) checkpoint = open_folder(folder, 0, err);
    }
    arena_free(arena);
    return checkpoint;
}

/* What a format made of a file of which some bytes could not be had is not given: it would be taken
 * for all of it. */
static Checkpoint *open_known(const char *name, Error *err)
{
    unsigned long before = remote_failures();
    Checkpoint *checkpoint = open_place(name, err);
    if (!remote_failed_since(before, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* stat follows links, so a folder may be one. */
Checkpoint *checkpoint_open(const char *path, Error *err)
{
    struct stat info;
    if (remote_place_is_known(path)) return open_known(path, err);
    if (stat(path, &info) != 0) {
        explain_absence(path, err);
        return NULL;
    }
    return S_ISDIR(info.st_mode) ? open_folder(path, 0, err) : open_file(path, path, 0, err);
}

char *checkpoint_place(const char *path, Error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return mem_strdup(path);
    Arena *arena = arena_new();
    FolderModel model;
    Folder folder;
    char *place = NULL;
    if (folder_read(arena, path, &folder, err)) {
        const OpenContext context = {.folder = path};
        if (find_folder_format(&folder, SNIFF_YES))
            fault_file(err, ERR_UNSUPPORTED, path, "all of the folder is one checkpoint");
        else if (!folder_find(arena, &folder, is_checkpoint, &model, err)) place = NULL;
        else if (model.count == 1) place = inner_path(&context, model.names[0]);
        else fault_file(err, ERR_UNSUPPORTED, path, "holds %zu copies of a model, the first of "
                        "them %s; name the file that is meant", model.count, model.names[0]);
    }
    arena_free(arena);
    return place;
}

/* Where "::" may begin: behind a URL's host, which may be [::1]. */
static const char *spec_start(const char *spec)
{
    const char *host = url_is(spec) ? strstr(spec, "://") + 3 : spec;
    return url_is(spec) ? host + strcspn(host, "/") : spec;
}

/* A file may have "::" in its name, so a spec that exists as a whole is not split. Of several
 * places the last one counts whose left side exists; if none does, the first one, for the error. */
void checkpoint_spec(Arena *arena, const char *spec, const char **file, const char **inside)
{
    const char *split = NULL;
    if (access(spec, F_OK) != 0)
        for (const char *p = strstr(spec_start(spec), "::"); p; p = strstr(p + 1, "::")) {
            const char *left = arena_strndup(arena, spec, (size_t)(p - spec));
            if (!split || access(left, F_OK) == 0) split = p;
        }
    *file = arena_strndup(arena, spec, split ? (size_t)(split - spec) : strlen(spec));
    *inside = split ? arena_strdup(arena, split + 2) : NULL;
}
