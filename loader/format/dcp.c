/* Folders of torch.distributed.checkpoint (DCP), which FSDP and torchtitan write too.
 *
 *   .metadata           a pickle: shapes, chunks, and where each chunk lies (dcp_metadata.c)
 *   __RANK_N.distcp     torch.save files, one after the other: a chunk, or an object, each
 *
 * A tensor is put together from its chunks when it is read (loader/source/boxes.h). The tree is the
 * state dict as it was before it was flattened, so containers are those of any torch file.
 * Source: torch/distributed/checkpoint/{filesystem,metadata,default_planner}.py. */
#include "loader/format/dcp.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/format/fault.h"
#include "loader/format/folder.h"
#include "loader/format/parts.h"
#include "loader/format/torch.h"
#include "loader/source/boxes.h"

enum {
    OBJECTS_MAX = 1000,      /* objects that are opened to be shown; the rest are only named, and
                                no tensor depends on it */
    NAMES_SHOWN = 3          /* of files in an error */
};

typedef struct Reader {
    OpenContext *context;    /* borrowed */
    Checkpoint *checkpoint;  /* being filled; borrowed */
    Arena *arena;            /* the checkpoint's */
    const char *name;        /* of .metadata, for errors */
    DcpMetadata metadata;    /* in an arena that is given up at the end */
    NameMap index;           /* file name → index of files */
    ByteSource **files;      /* [file_count] a reference each; owned; NULL: not there */
    const char **names;      /* [file_count] owned array */
    size_t file_count, file_room, name_room;
    size_t absent;           /* files that are not there */
    Parts parts;             /* numbers of storages */
    size_t opened;           /* objects that were opened */
    Error *err;
} Reader;

/* -- Files ----------------------------------------------------------------------------- */

/* Opens the file of a place, once. A name that leads out of the folder is an error, one that is
 * not there is counted. */
static bool add_file(Reader *reader, const DcpPlace *place)
{
    char more[LIMIT_TEXT];
    if (!place || map_get(&reader->index, place->file) != MAP_NONE) return true;
    if (reader->file_count >= limit(LIMIT_SHARDS))
        return fault_file(reader->err, ERR_LIMIT, reader->name, "its files are %s",
                          limit_text(LIMIT_SHARDS, more));
    ByteSource *file = NULL;
    if (reader->context->has_inner(reader->context, place->file) ||
        !inner_path_is_safe(place->file)) {
        file = reader->context->inner_source(reader->context, place->file, reader->err);
        if (!file) return false;
    }
    reader->absent += file == NULL;
    reader->files = mem_grow(reader->files, &reader->file_room, reader->file_count + 1,
                             sizeof *reader->files);
    reader->names = mem_grow(reader->names, &reader->name_room, reader->file_count + 1,
                             sizeof *reader->names);
    reader->names[reader->file_count] = place->file;
    reader->files[reader->file_count] = file;
    map_set(&reader->index, place->file, (uint32_t)reader->file_count++);
    return true;
}

/* What was sent through a compressor is refused by its name: its bytes are no torch.save file. */
static bool check_transform(Reader *reader, const DcpEntry *entry, const DcpPlace *place)
{
    if (!place || !place->transform) return true;
    Text shown = {0};
    fault_quote(place->transform, strlen(place->transform), 60, &shown);
    fault_tensor(reader->err, ERR_UNSUPPORTED, reader->name, entry->name,
                 "its bytes went through '%s' (transform_descriptors) when they were written, "
                 "which is not supported; load the checkpoint with the same extension and save it "
                 "without", text_string(&shown));
    text_done(&shown);
    return false;
}

static bool add_files(Reader *reader)
{
    for (size_t i = 0; i < reader->metadata.count; i++) {
        const DcpEntry *entry = &reader->metadata.entries[i];
        if (!check_transform(reader, entry, entry->place) || !add_file(reader, entry->place))
            return false;
        for (size_t j = 0; j < entry->chunk_count; j++)
            if (!check_transform(reader, entry, entry->chunks[j].place) ||
                !add_file(reader, entry->chunks[j].place))
                return false;
    }
    return true;
}

/* Without any of its files a checkpoint is still a schema; with some of them it would be a model
 * with holes. */
static bool check_files(Reader *reader)
{
    if (!reader->absent || reader->absent == reader->file_count) return true;
    Text names = {0};
    size_t shown = 0;
    for (size_t i = 0; i < reader->file_count && shown < NAMES_SHOWN; i++) {
        if (reader->files[i]) continue;
        if (shown++) text_add(&names, ", ");
        fault_quote(reader->names[i], strlen(reader->names[i]), 80, &names);
    }
    if (reader->absent > shown) text_addf(&names, " and %zu more", reader->absent - shown);
    fault_file(reader->err, ERR_NOT_FOUND, reader->context->path,
               "%zu of its %zu files are not there: %s; fetch them too", reader->absent,
               reader->file_count, text_string(&names));
    text_done(&names);
    return false;
}

/* NULL: it is not there, or not said. */
static ByteSource *file_of(const Reader *reader, const DcpPlace *place)
{
    uint32_t index = place ? map_get(&reader->index, place->file) : MAP_NONE;
    return index == MAP_NONE ? NULL : reader->files[index];
}

/* -- Tensors --------------------------------------------------------------------------- */

/* An error of a source that is made, as the tensor's. */
static bool fault_entry(const Reader *reader, const DcpEntry *entry, const Error *what)
{
    return fault_tensor(reader->err, what->code, reader->name, entry->name, "%s", what->text);
}

/* Chunks that do not make the tensor: it is listed, and cannot be read. */
static void set_broken(Reader *reader, const DcpEntry *entry, Tensor *tensor, BoxFault fault,
                       const char *what)
{
    static const char *const kinds[] = {
        [BOXES_FIT] = "hole", [BOXES_OUTSIDE] = "outside", [BOXES_OVERLAP] = "overlap",
        [BOXES_HOLE] = "hole", [BOXES_TOO_MANY] = "overlap",
    };
    Encoding *encoding = arena_alloc(reader->arena, sizeof *encoding);
    encoding->opaque = true;
    encoding->note = "its chunks do not make the whole of it";
    tensor->encoding = encoding;
    checkpoint_find(reader->checkpoint, FINDING_ERROR, kinds[fault], entry->name,
                    "save the checkpoint again, or fetch it anew", "%s", what);
}

/* A source for each chunk. False: an error, or *missing chunks have no place. */
static bool open_chunks(Reader *reader, const DcpEntry *entry, SourceBox *boxes, size_t *missing)
{
    for (size_t i = 0; i < entry->chunk_count; i++) {
        const DcpChunk *chunk = &entry->chunks[i];
        ByteSource *file = file_of(reader, chunk->place);
        *missing += file == NULL;
        if (!file) continue;
        Error what = {0};
        boxes[i] = (SourceBox){.from = chunk->from, .size = chunk->size};
        boxes[i].source = dcp_chunk_source(reader->context, file, chunk->place, entry->dtype,
                                           chunk->size, entry->rank, &what);
        if (!boxes[i].source) return fault_entry(reader, entry, &what);
    }
    return true;
}

/* One chunk that is all of the tensor needs no boxes around it. */
static bool is_whole(const DcpEntry *entry)
{
    if (entry->chunk_count != 1) return false;
    for (unsigned k = 0; k < entry->rank; k++)
        if (entry->chunks[0].from[k]) return false;
    return same_dims(entry->chunks[0].size, entry->rank, entry->dims, entry->rank);
}

/* The tensor's values, or a finding that says why there are none. */
static bool open_values(Reader *reader, const DcpEntry *entry, Tensor *tensor, ByteSource **source)
{
    SourceBox *boxes = mem_alloc((entry->chunk_count + 1) * sizeof *boxes);
    size_t missing = 0;
    BoxFault fault = BOXES_FIT;
    Error what = {0};
    Text name = {0};
    text_addf(&name, "%s: tensor '", reader->context->path);
    name_show(entry->name, &name);
    text_add(&name, "'");
    bool fine = open_chunks(reader, entry, boxes, &missing);
    if (fine && missing) {
        error_set(&what, ERR_FORMAT, "%s: storage_data does not say where %zu of its %zu chunks "
                  "lie", text_string(&name), missing, entry->chunk_count);
        set_broken(reader, entry, tensor, BOXES_HOLE, what.text);
    } else if (fine && is_whole(entry)) {
        *source = source_ref(boxes[0].source);
    } else if (fine) {
        *source = source_boxes(entry->dims, entry->rank, dtype_size(entry->dtype), boxes,
                               entry->chunk_count, text_string(&name), &fault, &what);
        if (!*source) set_broken(reader, entry, tensor, fault, what.text);
    }
    for (size_t i = 0; i < entry->chunk_count; i++) source_unref(boxes[i].source);
    text_done(&name);
    free(boxes);
    return fine;
}

/* A tensor as .metadata describes it, with a storage of its own. */
static bool make_tensor(Reader *reader, const DcpEntry *entry, Tensor *tensor)
{
    Storage *storage = arena_alloc(reader->arena, sizeof *storage);
    *tensor = (Tensor){.name = "", .dtype = entry->dtype, .rank = (uint8_t)entry->rank};
    tensor->dims = arena_copy(reader->arena, entry->dims, entry->rank * sizeof *entry->dims);
    Error what = {0};
    if (!tensor_check(tensor, &what)) return fault_entry(reader, entry, &what);
    if (reader->absent) return true;
    storage->dtype = entry->dtype;
    storage->index = reader->parts.storages++;
    tensor->storage = storage;
    if (!dtype_size(entry->dtype)) {
        Encoding *encoding = arena_alloc(reader->arena, sizeof *encoding);
        *encoding = (Encoding){.opaque = true, .note = "elements of a type that is not known"};
        tensor->encoding = encoding;
        return true;
    }
    if (!open_values(reader, entry, tensor, &storage->source)) return false;
    if (!storage->source) return true;
    checkpoint_own_source(reader->checkpoint, storage->source);
    storage->bytes = storage->source->size;
    return tensor_check(tensor, &what) || fault_entry(reader, entry, &what);
}

/* As torch's reader leaves them: a TENSOR node with the call that it came from. */
static Object *tensor_node(Reader *reader, const Tensor *tensor)
{
    Arena *arena = reader->arena;
    Object *node = object_new(arena, OBJ_TENSOR), *callable = object_new(arena, OBJ_GLOBAL);
    callable->global.module = "torch._utils";
    callable->global.name = "_rebuild_tensor_v2";
    node->call = arena_alloc(arena, sizeof *node->call);
    node->call->callable = callable;
    node->call->args = object_new(arena, OBJ_TUPLE);
    Tensor *copy = arena_copy(arena, tensor, sizeof *tensor);
    copy->identity = node;
    node->tensor = copy;
    return node;
}

/* -- Objects --------------------------------------------------------------------------- */

/* What stands for an object that is not opened. */
static Object *unopened(Reader *reader)
{
    Object *node = object_new(reader->arena, OBJ_GLOBAL);
    node->global.module = "torch.distributed.checkpoint.metadata";
    node->global.name = "BytesStorageMetadata";
    return node;
}

/* A node without children and without a checkpoint behind it; NULL: it has some. */
static Object *copy_scalar(Reader *reader, const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_FLOAT: {
        Object *copy = arena_copy(reader->arena, node, sizeof *node);
        copy->mark = 0;
        return copy;
    }
    case OBJ_STR: return object_str(reader->arena, node->bytes.text);
    default: return NULL;
    }
}

/* The root of an opened object, which the checkpoint keeps open unless it is a number or a text:
 * there may be thousands of those. */
static Object *adopt_object(Reader *reader, Checkpoint *opened)
{
    Object *root = (Object *)checkpoint_root(opened);
    Object *copy = root ? copy_scalar(reader, root) : unopened(reader);
    if (copy) {
        checkpoint_unref(opened);
        return copy;
    }
    Part part;
    part_init(&part, opened);
    part_tree(&reader->parts, &part, root, reader->arena);
    part_keep(&part, reader->checkpoint);
    part_done(&part);
    return root;
}

/* An object that cannot be read is no reason to refuse the tensors. */
static Object *make_object(Reader *reader, const DcpEntry *entry)
{
    ByteSource *file = file_of(reader, entry->place);
    if (!file || reader->opened >= OBJECTS_MAX) return unopened(reader);
    reader->opened++;
    Error what = {0};
    Checkpoint *opened = dcp_open_window(reader->context, file, entry->place->offset,
                                         entry->place->length, &what);
    if (opened) return adopt_object(reader, opened);
    checkpoint_find(reader->checkpoint, FINDING_ERROR, "object", entry->name, NULL, "%s",
                    what.text);
    return unopened(reader);
}

/* -- The whole ------------------------------------------------------------------------- */

static bool make_values(Reader *reader, Object **values)
{
    for (size_t i = 0; i < reader->metadata.count; i++) {
        const DcpEntry *entry = &reader->metadata.entries[i];
        Tensor tensor;
        if (!entry->tensor) {
            values[i] = make_object(reader, entry);
            continue;
        }
        if (!make_tensor(reader, entry, &tensor)) return false;
        values[i] = tensor_node(reader, &tensor);
    }
    return true;
}

/* Containers as in any torch file. The tensors were checked when they were made. */
static bool list_containers(Reader *reader, Object *root, uint64_t metadata_bytes)
{
    TorchFile file;
    torch_init(&file, reader->checkpoint, reader->name, root, metadata_bytes);
    bool fine = torch_finish(&file, reader->err);
    torch_done(&file);
    return fine;
}

static void say_what_is_odd(Reader *reader, size_t odd)
{
    Checkpoint *checkpoint = reader->checkpoint;
    if (reader->absent)
        checkpoint_find(checkpoint, FINDING_WARNING, "missing", NULL,
                        "to read values, fetch the .distcp files too",
                        "none of its %zu data files is there: only names, dtypes and shapes are "
                        "known", reader->file_count);
    if (odd)
        checkpoint_find(checkpoint, FINDING_WARNING, "path", NULL, NULL, "planner_data puts %zu "
                        "entries where another stands; they have their flat names", odd);
    if (reader->metadata.unknown) {
        Text name = {0};
        name_show(reader->metadata.first_unknown, &name);
        checkpoint_find(checkpoint, FINDING_WARNING, "object", NULL, NULL, "%zu entries are of a "
                        "kind that is not known and were left out, such as '%.80s'",
                        reader->metadata.unknown, text_string(&name));
        text_done(&name);
    }
    if (reader->opened == OBJECTS_MAX)
        checkpoint_find(checkpoint, FINDING_NOTE, "object", NULL, NULL,
                        "it has more than %d objects; only the first ones are shown", OBJECTS_MAX);
}

static bool fill(Reader *reader, uint64_t metadata_bytes)
{
    if (!add_files(reader) || !check_files(reader)) return false;
    uint64_t bytes = metadata_bytes;
    for (size_t i = 0; i < reader->file_count; i++)
        if (reader->files[i] && !sum_add(bytes, reader->files[i]->size, &bytes)) bytes = 0;
    Object **values = mem_alloc((reader->metadata.count + 1) * sizeof *values);
    size_t odd = 0;
    bool fine = make_values(reader, values);
    Object *root = fine ? dcp_tree(reader->arena, &reader->metadata, values, &odd) : NULL;
    free(values);
    if (!fine || !list_containers(reader, root, metadata_bytes)) return false;
    checkpoint_set_file_bytes(reader->checkpoint, bytes);
    say_what_is_odd(reader, odd);
    return true;
}

Checkpoint *dcp_open(OpenContext *context, ByteSource *metadata, Error *err)
{
    Arena *arena = arena_new();
    Reader reader = {.context = context, .name = metadata->name, .err = err};
    reader.checkpoint = checkpoint_new(context->path, "dcp");
    reader.arena = checkpoint_arena(reader.checkpoint);
    map_init(&reader.index);
    bool fine = dcp_metadata_read(arena, metadata, &reader.metadata, err) &&
                fill(&reader, metadata->size);
    for (size_t i = 0; i < reader.file_count; i++) source_unref(reader.files[i]);
    map_done(&reader.index);
    free(reader.files);
    free(reader.names);
    arena_free(arena);
    if (fine) return reader.checkpoint;
    checkpoint_unref(reader.checkpoint);
    return NULL;
}

static Sniff sniff_dcp(const Folder *folder)
{
    return folder_has(folder, ".metadata") ? SNIFF_YES : SNIFF_NO;
}

static Checkpoint *open_dcp(OpenContext *context, const Folder *folder, Error *err)
{
    ByteSource *metadata = context->inner_source(context, ".metadata", err);
    if (!metadata) return NULL;
    Checkpoint *checkpoint = dcp_open(context, metadata, err);
    source_unref(metadata);
    if (checkpoint) folder_note_state(folder, checkpoint);
    return checkpoint;
}

const FolderFormat format_dcp = {"dcp", "torch.distributed.checkpoint (DCP, FSDP)", sniff_dcp,
                                 open_dcp};
