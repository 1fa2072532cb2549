/* The file .metadata of torch.distributed.checkpoint (torch/distributed/checkpoint/metadata.py,
 * filesystem.py): a plain pickle of protocol 2 to 5 without persistent ids.
 *
 *   Metadata
 *     state_dict_metadata  {flat name: TensorStorageMetadata | BytesStorageMetadata}
 *       TensorStorageMetadata: properties (a tuple whose first item is the dtype), size,
 *                              chunks [ChunkStorageMetadata: offsets, sizes]
 *     planner_data         {flat name: path}, a path being a tuple of text and list indices
 *     storage_data         {MetadataIndex: fqn, offset → _StorageInfo: relative_path, offset,
 *                           length[, transform_descriptors]}
 *
 * Classes are told by their own names alone: their modules moved (torch.distributed._shard.…
 * until 2.0, and TensorProperties until 2.2). Objects are NEWOBJ and BUILD; none is made here. */
#include "loader/format/dcp.h"

#include <inttypes.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/format/fault.h"
#include "loader/format/pickle.h"
#include "loader/format/torch.h"
#include "loader/format/torch_build.h"

typedef struct Reader {
    Arena *arena;            /* borrowed */
    const char *file;        /* for errors */
    uint64_t left;           /* of the allowance */
    NameMap places;          /* "0,4:name" of storage_data → index of infos */
    const Object **infos;    /* _StorageInfo nodes, in the arena */
    Text key;                /* scratch; owned */
    Error *err;
} Reader;

/* Whatever is repeated by memo is paid for, so that few bytes cannot ask for much work. */
static bool spend(Reader *reader, uint64_t bytes)
{
    if (bytes <= reader->left) {
        reader->left -= bytes;
        return true;
    }
    char more[LIMIT_TEXT];
    return fault_file(reader->err, ERR_LIMIT, reader->file, "the same parts are repeated so often "
                      "that the bytes that reading them takes, besides %" PRIu64 " for each byte "
                      "of the file, are %s", 2 * limit(LIMIT_LISTING_RATIO),
                      limit_text(LIMIT_LISTING_BYTES, more));
}

/* An instance of a class of torch.distributed of that name. */
static bool is_a(const Object *node, const char *class)
{
    if (!node || node->kind != OBJ_CALL) return false;
    const Object *callable = node->call->callable;
    return callable->kind == OBJ_GLOBAL && strcmp(callable->global.name, class) == 0 &&
           has_prefix(callable->global.module, "torch.distributed");
}

/* An attribute of an instance; NULL: it has none of that name, or it is None. */
static const Object *attribute(const Object *node, const char *name)
{
    const Object *value = object_get(torch_attributes(node), name);
    return value && value->kind != OBJ_NONE ? value : NULL;
}

/* A count of bytes; false unless it is an integer from 0 on. */
static bool read_count(const Object *node, uint64_t *count)
{
    if (!node || node->kind != OBJ_INT || node->integer < 0) return false;
    *count = (uint64_t)node->integer;
    return true;
}

/* "tensor 'NAME': its chunk's size …", with the error of torch_read_sizes behind it. */
static bool fault_entry(Reader *reader, const char *name)
{
    if (!reader->err) return false;
    const Error what = *reader->err;
    return fault_tensor(reader->err, what.code, reader->file, name, "%s", what.text);
}

/* -- Places ---------------------------------------------------------------------------- */

/* The key of a place: the indices, ':', the name. No two places share one. */
static bool make_key(Reader *reader, const char *name, const int64_t *from, unsigned rank)
{
    text_clear(&reader->key);
    for (unsigned i = 0; i < rank; i++)
        text_addf(&reader->key, "%s%" PRId64, i ? "," : "", from[i]);
    text_addf(&reader->key, ":%s", name);
    return spend(reader, reader->key.length + sizeof(DcpPlace));
}

/* One pair of storage_data. */
static bool add_place(Reader *reader, const Object *index, const Object *info, uint32_t number)
{
    const Object *name = attribute(index, "fqn"), *offset = attribute(index, "offset");
    int64_t from[TENSOR_RANK_MAX];
    unsigned rank = 0;
    if (!is_a(index, "MetadataIndex") || !name || name->kind != OBJ_STR)
        return fault_file(reader->err, ERR_FORMAT, reader->file,
                          "a key of its storage_data is no MetadataIndex");
    if (offset && !torch_read_sizes(offset, "offset in storage_data", from, &rank, reader->err))
        return fault_entry(reader, name->bytes.text);
    if (!make_key(reader, name->bytes.text, from, rank)) return false;
    reader->infos[number] = info;
    map_set(&reader->places, arena_strdup(reader->arena, text_string(&reader->key)), number);
    return true;
}

static bool index_places(Reader *reader, const Object *dict)
{
    if (!dict)
        return fault_file(reader->err, ERR_FORMAT, reader->file,
                          "it has no storage_data that says where the values are");
    size_t count = dict->list.count / 2;
    if (!spend(reader, count * sizeof *reader->infos)) return false;
    reader->infos = arena_alloc(reader->arena, (count + 1) * sizeof *reader->infos);
    for (size_t i = 0; i < count; i++)
        if (!add_place(reader, dict->list.items[2 * i], dict->list.items[2 * i + 1], (uint32_t)i))
            return false;
    return true;
}

/* The name of what the bytes were sent through ("zstd"); NULL: they are as torch.save wrote. */
static const char *transform_name(const Reader *reader, const Object *info)
{
    const Object *list = object_as_sequence(attribute(info, "transform_descriptors"));
    if (!list || !list->list.count) return NULL;
    const Object *first = list->list.items[0];
    return first->kind == OBJ_STR ? first->bytes.text
                                  : arena_strdup(reader->arena, "an unnamed transform");
}

/* The place of what make_key named last; *place stays NULL when storage_data lacks it. */
static bool find_place(Reader *reader, const char *name, const DcpPlace **place)
{
    uint32_t number = map_get(&reader->places, text_string(&reader->key));
    if (number == MAP_NONE) return true;
    const Object *info = reader->infos[number], *file = attribute(info, "relative_path");
    DcpPlace found = {.transform = transform_name(reader, info)};
    if (!is_a(info, "_StorageInfo") || !file || file->kind != OBJ_STR ||
        !read_count(attribute(info, "offset"), &found.offset) ||
        !read_count(attribute(info, "length"), &found.length))
        return fault_tensor(reader->err, ERR_FORMAT, reader->file, name,
                            "its storage_data is no _StorageInfo with a path, an offset and a "
                            "length");
    found.file = file->bytes.text;
    *place = arena_copy(reader->arena, &found, sizeof found);
    return true;
}

/* -- Entries --------------------------------------------------------------------------- */

/* The dtype stands first in the tuple that TensorProperties gives as its state. */
static DType read_properties(const Object *properties)
{
    if (!is_a(properties, "TensorProperties") || !properties->call->state) return DT_UNKNOWN;
    const Object *state = properties->call->state;
    if (state->kind == OBJ_TUPLE && state->list.count)
        return build_dtype(state->list.items[0]);
    return build_dtype(object_get(state, "dtype"));
}

static bool read_chunk(Reader *reader, const DcpEntry *entry, const Object *node, DcpChunk *chunk)
{
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    unsigned rank = 0, sizes = 0;
    const Object *offsets = attribute(node, "offsets"), *extent = attribute(node, "sizes");
    if (!is_a(node, "ChunkStorageMetadata") || !offsets || !extent)
        return fault_tensor(reader->err, ERR_FORMAT, reader->file, entry->name,
                            "a chunk of it is no ChunkStorageMetadata with offsets and sizes");
    if (!torch_read_sizes(offsets, "chunk's offset", from, &rank, reader->err) ||
        !torch_read_sizes(extent, "chunk's size", size, &sizes, reader->err))
        return fault_entry(reader, entry->name);
    if (rank != entry->rank || sizes != entry->rank)
        return fault_tensor(reader->err, ERR_FORMAT, reader->file, entry->name,
                            "it has %u dimensions, a chunk of it has %u offsets and %u sizes",
                            entry->rank, rank, sizes);
    chunk->from = arena_copy(reader->arena, from, rank * sizeof *from);
    chunk->size = arena_copy(reader->arena, size, rank * sizeof *size);
    return make_key(reader, entry->name, from, rank) &&
           find_place(reader, entry->name, &chunk->place);
}

static bool read_tensor(Reader *reader, const Object *node, DcpEntry *entry)
{
    int64_t dims[TENSOR_RANK_MAX];
    const Object *size = attribute(node, "size");
    const Object *list = object_as_sequence(attribute(node, "chunks"));
    entry->tensor = true;
    entry->dtype = read_properties(attribute(node, "properties"));
    if (!size || !list)
        return fault_tensor(reader->err, ERR_FORMAT, reader->file, entry->name,
                            "its TensorStorageMetadata has no size or no chunks");
    if (!torch_read_sizes(size, "size", dims, &entry->rank, reader->err))
        return fault_entry(reader, entry->name);
    entry->dims = arena_copy(reader->arena, dims, entry->rank * sizeof *dims);
    size_t count = list->list.count;
    if (!spend(reader, count * (sizeof(DcpChunk) + 2 * entry->rank * sizeof *dims))) return false;
    DcpChunk *chunks = arena_alloc(reader->arena, (count + 1) * sizeof *chunks);
    entry->chunks = chunks;
    entry->chunk_count = count;
    for (size_t i = 0; i < count; i++)
        if (!read_chunk(reader, entry, list->list.items[i], &chunks[i])) return false;
    return true;
}

/* A kind of entry that is not known here is counted, and left out. */
static bool read_entry(Reader *reader, const Object *key, const Object *node, DcpMetadata *out)
{
    if (key->kind != OBJ_STR)
        return fault_file(reader->err, ERR_FORMAT, reader->file,
                          "a key of its state_dict_metadata is no text");
    DcpEntry entry = {.name = key->bytes.text, .dtype = DT_UNKNOWN};
    if (is_a(node, "TensorStorageMetadata")) {
        if (!read_tensor(reader, node, &entry)) return false;
    } else if (is_a(node, "BytesStorageMetadata")) {
        if (!make_key(reader, entry.name, NULL, 0) ||
            !find_place(reader, entry.name, &entry.place))
            return false;
    } else {
        if (!out->unknown++) out->first_unknown = entry.name;
        return true;
    }
    out->entries[out->count++] = entry;
    return true;
}

/* What walking along a path costs: its texts and steps, which a file may share between paths. */
static bool spend_path(Reader *reader, const Object *path)
{
    uint64_t bytes = path->list.count * sizeof(Object);
    for (size_t i = 0; i < path->list.count; i++)
        if (path->list.items[i]->kind == OBJ_STR) bytes += path->list.items[i]->bytes.n;
    return spend(reader, bytes);
}

/* planner_data gives each flat name the keys that lead to it. */
static bool read_paths(Reader *reader, const Object *planner, DcpMetadata *out)
{
    const Object *dict = object_as_dict(planner);
    if (!dict) return true;
    NameMap names;
    map_init(&names);
    for (size_t i = 0; i < out->count; i++) map_set(&names, out->entries[i].name, (uint32_t)i);
    bool fine = true;
    for (size_t i = 0; fine && i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i], *path = dict->list.items[i + 1];
        if (key->kind != OBJ_STR) continue;
        fine = spend(reader, key->bytes.n);
        uint32_t index = map_get(&names, key->bytes.text);
        if (!fine || index == MAP_NONE || path->kind != OBJ_TUPLE) continue;
        fine = spend_path(reader, path);
        out->entries[index].path = path;
    }
    map_done(&names);
    return fine;
}

static bool read_entries(Reader *reader, const Object *root, DcpMetadata *out)
{
    const Object *dict = object_as_dict(attribute(root, "state_dict_metadata"));
    if (!is_a(root, "Metadata") || !dict)
        return fault_file(reader->err, ERR_FORMAT, reader->file,
                          "it holds no Metadata of torch.distributed.checkpoint");
    if (!index_places(reader, object_as_dict(attribute(root, "storage_data")))) return false;
    size_t count = dict->list.count / 2;
    char more[LIMIT_TEXT];
    if (count > limit(LIMIT_TENSORS))
        return fault_file(reader->err, ERR_LIMIT, reader->file, "it has %zu tensors and objects, "
                          "%s", count, limit_text(LIMIT_TENSORS, more));
    out->entries = arena_alloc(reader->arena, (count + 1) * sizeof *out->entries);
    for (size_t i = 0; i < count; i++)
        if (!read_entry(reader, dict->list.items[2 * i], dict->list.items[2 * i + 1], out))
            return false;
    return read_paths(reader, attribute(root, "planner_data"), out);
}

bool dcp_metadata_read(Arena *arena, ByteSource *source, DcpMetadata *metadata, Error *err)
{
    Reader reader = {.arena = arena, .file = source->name, .err = err};
    *metadata = (DcpMetadata){0};
    const Object *root = pickle_read(arena, source, 0, NULL, err);
    if (!root) return false;
    reader.left = limit_allowance(2 * source->size);   /* a chunk has few bytes, but many records */
    map_init(&reader.places);
    bool fine = read_entries(&reader, root, metadata);
    map_done(&reader.places);
    text_done(&reader.key);
    return fine;
}
