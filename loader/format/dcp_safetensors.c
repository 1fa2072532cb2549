/* Folders of torch.distributed.checkpoint's HuggingFaceStorageWriter with save_distributed: there
 * is no .metadata, and every rank's file holds its own part of a tensor under the tensor's name.
 *
 *   shard-00001-model-00001-of-00001.safetensors, shard-00002-… one for each rank, with
 *   "__metadata__":{"DCP_SHARDING_INFO":"{\"NAME\":{\"saved_offsets\":[0,4]}}", …}
 *
 * A tensor is as large as its parts reach. Without DCP_SHARDING_INFO a part begins at 0. Source:
 * torch/distributed/checkpoint/{hf_storage,_hf_utils}.py. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"
#include "loader/core/map.h"
#include "loader/format/fault.h"
#include "loader/format/parts.h"
#include "loader/source/boxes.h"

/* A part of a tensor, in the order in which files and tensors are met. */
typedef struct Piece {
    const Tensor *tensor;    /* of a shard; borrowed */
    size_t shard;            /* whose it is */
    const int64_t *from;     /* [rank] its first index in the whole; in the arena */
    uint32_t next;           /* index of the tensor's next piece; MAP_NONE: the last */
} Piece;

/* A tensor that is put together. */
typedef struct Whole {
    uint32_t first, last;    /* indices of its pieces */
    size_t count;            /* of them */
} Whole;

typedef struct Reader {
    OpenContext *context;    /* borrowed */
    Checkpoint *checkpoint;  /* being filled */
    StateDict *dict;         /* handed over at the end */
    Arena *arena;            /* the dict's */
    Arena *scratch;          /* JSON; given up at the end */
    Part *shards;            /* [shard_count] owned */
    size_t shard_count;
    Parts parts;
    NameMap index;           /* name → index of wholes */
    Piece *pieces;           /* owned */
    size_t piece_count, piece_room;
    Whole *wholes;           /* owned */
    size_t whole_count, whole_room;
    Error *err;
} Reader;

/* -- DCP_SHARDING_INFO ----------------------------------------------------------------- */

/* saved_offsets of one tensor; absent: zeros. */
static bool read_offsets(Reader *reader, const char *file, const Tensor *tensor, const Value *info,
                         int64_t *from)
{
    const Value *list = value_get(info, "saved_offsets");
    memset(from, 0, (tensor->rank ? tensor->rank : 1) * sizeof *from);
    if (!info) return true;
    bool fine = list && list->kind == VALUE_LIST && list->list.count == tensor->rank;
    for (size_t i = 0; fine && i < tensor->rank; i++) {
        const Value *one = list->list.items[i].value;
        fine = one->kind == VALUE_INT && one->integer >= 0 &&
               one->integer <= INT64_MAX - tensor->dims[i];
        if (fine) from[i] = one->integer;
    }
    return fine || fault_tensor(reader->err, ERR_FORMAT, file, tensor->name,
                                "its saved_offsets in DCP_SHARDING_INFO are no %u integers from 0 "
                                "on", tensor->rank);
}

/* The JSON in a shard's metadata as a map of names; empty when there is none. */
static bool read_info(Reader *reader, const char *file, const StateDict *dict, const Value **info,
                      NameMap *names)
{
    const char *text = dict_metadata_find(dict, "DCP_SHARDING_INFO");
    *info = NULL;
    if (!text || !*text) return true;
    *info = json_parse(reader->scratch, text, strlen(text), file, (size_t)limit(LIMIT_ENTRIES),
                       reader->err);
    if (!*info) return false;
    if ((*info)->kind != VALUE_MAP)
        return fault_file(reader->err, ERR_FORMAT, file, "its DCP_SHARDING_INFO is no JSON object");
    for (size_t i = 0; i < (*info)->list.count; i++)
        map_set(names, (*info)->list.items[i].key, (uint32_t)i);
    return true;
}

/* -- Pieces ---------------------------------------------------------------------------- */

static void add_piece(Reader *reader, const Tensor *tensor, size_t shard, const int64_t *from)
{
    uint32_t number = (uint32_t)reader->piece_count;
    reader->pieces = mem_grow(reader->pieces, &reader->piece_room, reader->piece_count + 1,
                              sizeof *reader->pieces);
    reader->pieces[reader->piece_count++] =
        (Piece){tensor, shard, arena_copy(reader->arena, from, tensor->rank * sizeof *from),
                MAP_NONE};
    uint32_t found = map_get(&reader->index, tensor->name);
    if (found != MAP_NONE) {
        Whole *whole = &reader->wholes[found];
        reader->pieces[whole->last].next = number;
        whole->last = number;
        whole->count++;
        return;
    }
    reader->wholes = mem_grow(reader->wholes, &reader->whole_room, reader->whole_count + 1,
                              sizeof *reader->wholes);
    map_set(&reader->index, tensor->name, (uint32_t)reader->whole_count);
    reader->wholes[reader->whole_count++] = (Whole){number, number, 1};
}

static bool add_tensors(Reader *reader, const char *file, size_t shard, const StateDict *dict,
                        const Value *info, const NameMap *names)
{
    int64_t from[TENSOR_RANK_MAX];
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        uint32_t at = info ? map_get(names, tensor->name) : MAP_NONE;
        if (info && at == MAP_NONE)
            return fault_tensor(reader->err, ERR_FORMAT, file, tensor->name,
                                "DCP_SHARDING_INFO does not say where this part of it belongs");
        if (!read_offsets(reader, file, tensor, info ? info->list.items[at].value : NULL, from))
            return false;
        add_piece(reader, tensor, shard, from);
    }
    return true;
}

static bool add_shard(Reader *reader, const char *name)
{
    Checkpoint *checkpoint = reader->context->open_inner(reader->context, name, reader->err);
    if (!checkpoint) return error_prefix(reader->err, "%s", reader->context->path);
    const char *file = checkpoint_path(checkpoint);
    size_t shard = reader->shard_count++;
    part_init(&reader->shards[shard], checkpoint);
    part_keep(&reader->shards[shard], reader->checkpoint);
    part_findings(&reader->shards[shard], name, reader->checkpoint);
    checkpoint_set_file_bytes(reader->checkpoint, checkpoint_file_bytes(reader->checkpoint) +
                                                      checkpoint_file_bytes(checkpoint));
    const Container *top = checkpoint_find_container(checkpoint, "");
    if (!top || strcmp(checkpoint_format(checkpoint), "safetensors") != 0)
        return fault_file(reader->err, ERR_FORMAT, file, "it is no safetensors file, but: %s",
                          checkpoint_format(checkpoint));
    const Value *info;
    NameMap names;
    map_init(&names);
    bool fine = read_info(reader, file, top->dict, &info, &names) &&
                add_tensors(reader, file, shard, top->dict, info, &names);
    map_done(&names);
    return fine;
}

/* -- Wholes ---------------------------------------------------------------------------- */

/* The sizes to which the pieces reach; false when they differ in dtype or rank. */
static bool measure(Reader *reader, const Whole *whole, int64_t *dims)
{
    const Tensor *first = reader->pieces[whole->first].tensor;
    memset(dims, 0, TENSOR_RANK_MAX * sizeof *dims);
    for (uint32_t i = whole->first; i != MAP_NONE; i = reader->pieces[i].next) {
        const Piece *piece = &reader->pieces[i];
        if (piece->tensor->dtype != first->dtype || piece->tensor->rank != first->rank)
            return fault_tensor(reader->err, ERR_FORMAT, reader->context->path, first->name,
                                "its parts are of different dtypes or ranks");
        for (unsigned k = 0; k < first->rank; k++)
            if (piece->from[k] + piece->tensor->dims[k] > dims[k])
                dims[k] = piece->from[k] + piece->tensor->dims[k];
    }
    return true;
}

/* The pieces as boxes around one source; NULL, with a finding, when they do not fit. */
static ByteSource *join_pieces(Reader *reader, const Whole *whole, const int64_t *dims)
{
    const Tensor *first = reader->pieces[whole->first].tensor;
    SourceBox *boxes = mem_alloc(whole->count * sizeof *boxes);
    size_t count = 0;
    for (uint32_t i = whole->first; i != MAP_NONE; i = reader->pieces[i].next) {
        const Piece *piece = &reader->pieces[i];
        const Storage *storage = piece->tensor->storage;
        boxes[count++] = (SourceBox){storage->source, storage->offset + piece->tensor->offset,
                                     piece->from, piece->tensor->dims};
    }
    BoxFault fault;
    Error what = {0};
    ByteSource *source = source_boxes(dims, first->rank, dtype_size(first->dtype), boxes, count,
                                      reader->context->path, &fault, &what);
    free(boxes);
    if (!source)
        checkpoint_find(reader->checkpoint, FINDING_ERROR,
                        fault == BOXES_OVERLAP ? "overlap" : "hole", first->name,
                        "fetch all shards of the checkpoint", "%s", what.text);
    return source;
}

static bool add_whole(Reader *reader, const Whole *whole)
{
    const Piece *first = &reader->pieces[whole->first];
    int64_t dims[TENSOR_RANK_MAX];
    if (!measure(reader, whole, dims)) return false;
    Tensor tensor = part_tensor(&reader->parts, &reader->shards[first->shard], first->tensor,
                                reader->arena);
    if (whole->count > 1 || !same_dims(dims, tensor.rank, tensor.dims, tensor.rank)) {
        Storage *storage = arena_copy(reader->arena, tensor.storage, sizeof *storage);
        Encoding *encoding = arena_alloc(reader->arena, sizeof *encoding);
        tensor.dims = arena_copy(reader->arena, dims, tensor.rank * sizeof *dims);
        tensor.offset = storage->offset = storage->bytes = 0;
        storage->dtype = tensor.dtype;
        storage->index = reader->parts.storages++;
        *encoding = (Encoding){.opaque = true, .note = "its parts do not make the whole of it"};
        storage->source = join_pieces(reader, whole, dims);
        if (storage->source) checkpoint_own_source(reader->checkpoint, storage->source);
        if (storage->source) storage->bytes = storage->source->size;
        else tensor.encoding = encoding;
        tensor.storage = storage;
    }
    Error what = {0};
    if (!tensor_check(&tensor, &what))
        return fault_tensor(reader->err, what.code, reader->context->path, tensor.name, "%s",
                            what.text);
    dict_add(reader->dict, &tensor);
    return true;
}

/* -- The folder ------------------------------------------------------------------------ */

/* "shard-00001-model-00001-of-00001.safetensors" */
static bool is_shard(const char *name)
{
    return has_prefix(name, "shard-") && strstr(name, "-model-") && strstr(name, "-of-") &&
           has_suffix(name, ".safetensors");
}

static Sniff sniff_folder(const Folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        if (is_shard(folder->names[i])) return SNIFF_YES;
    return SNIFF_NO;
}

static bool fill(Reader *reader, const Folder *folder)
{
    char more[LIMIT_TEXT];
    reader->shards = mem_alloc(folder->count * sizeof *reader->shards);
    if (folder->count > limit(LIMIT_SHARDS))
        return fault_file(reader->err, ERR_LIMIT, folder->path, "its files are %s",
                          limit_text(LIMIT_SHARDS, more));
    for (size_t i = 0; i < folder->count; i++)
        if (is_shard(folder->names[i]) && !add_shard(reader, folder->names[i])) return false;
    for (size_t i = 0; i < reader->whole_count; i++)
        if (!add_whole(reader, &reader->wholes[i])) return false;
    return true;
}

static Checkpoint *open_folder(OpenContext *context, const Folder *folder, Error *err)
{
    Reader reader = {.context = context, .dict = dict_new(), .scratch = arena_new(), .err = err};
    reader.checkpoint = checkpoint_new(context->path, "dcp-safetensors");
    reader.arena = dict_arena(reader.dict);
    map_init(&reader.index);
    bool fine = fill(&reader, folder);
    dict_set_ordered(reader.dict, false);
    checkpoint_add_container(reader.checkpoint, "", reader.dict, 0, false);
    for (size_t i = 0; i < reader.shard_count; i++) part_done(&reader.shards[i]);
    map_done(&reader.index);
    free(reader.shards);
    free(reader.pieces);
    free(reader.wholes);
    arena_free(reader.scratch);
    if (fine) return reader.checkpoint;
    checkpoint_unref(reader.checkpoint);
    return NULL;
}

const FolderFormat format_dcp_safetensors = {
    "dcp-safetensors", "torch.distributed.checkpoint in safetensors", sniff_folder, open_folder};
