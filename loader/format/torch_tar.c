/* The tar that torch.save wrote before 0.1.10 (torch/serialization.py, legacy_load). Four members,
 * in any order, uncompressed:
 *
 *   sys_info    a pickle; of no use
 *   storages    pickle: N; N times { pickle: (key, location, storage class) | i64 elements | the
 *               elements }; pickle: [(key, root key, offset, elements), …], storages that are views
 *   tensors     pickle: N; N times { pickle: (key, storage key, tensor class) | i32 rank | i32 |
 *               i64 sizes[rank] | i64 strides[rank] | i64 offset }
 *   pickle      the object; a persistent id is a tensor's key, or a class with its source text
 *
 *   tar: blocks of 512 bytes; a header has the name at 0, the size in octal at 124, the sum of its
 *   bytes (with blanks in the sum's own place) at 148, the kind at 156; the content follows.
 *
 * Imitations of it have no member `tensors`, no list of views, and storages that are plain tuples
 * in the object; they are read as well. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/core/little.h"
#include "loader/format/pickle.h"
#include "loader/format/torch.h"

/* Fixed: PyTorch wrote four members. */
enum { TAR_BLOCK = 512, TAR_MEMBERS_MAX = 64 };

typedef struct Member {
    uint64_t offset, size;   /* of its content */
    bool there;
} Member;

typedef struct Members {
    Member pickle, tensors, storages;
} Members;

/* What a key stands for: a storage, or a piece of one. */
typedef struct TarStorage {
    const TorchStorage *storage;
    uint64_t offset, bytes;      /* of the piece in the storage */
} TarStorage;

typedef struct TorchTar {
    TorchFile *file;             /* borrowed */
    ByteSource *source;          /* borrowed */
    Arena *scratch;              /* for the small pickles between the values; owned */
    TarStorage *storages;        /* owned */
    size_t storage_count, storage_room;
    NameMap storage_keys;        /* key → index of `storages` */
    const Tensor **tensors;      /* owned; records in the file's arena */
    size_t tensor_count, tensor_room;
    NameMap tensor_keys;         /* key → index of `tensors` */
    uint64_t at, end;            /* the next byte of the member under way, and its end */
    Error *err;                  /* the caller's */
} TorchTar;

/* --- the tar -------------------------------------------------------------------------- */

/* Octal digits, blanks before and behind; false when there are others. */
static bool read_octal(const unsigned char *field, size_t n, uint64_t *value)
{
    size_t i = 0;
    *value = 0;
    while (i < n && field[i] == ' ') i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    return i == n || field[i] == ' ' || field[i] == '\0';
}

static bool is_header(const unsigned char *header)
{
    uint64_t wanted, sum = 0;
    if (!header[0] || !read_octal(header + 148, 8, &wanted)) return false;
    for (size_t i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : header[i];
    return sum == wanted;
}

static Member *find_slot(Members *members, const unsigned char *header)
{
    const char *name = (const char *)header;
    bool plain = header[156] == '0' || header[156] == '\0';
    if (!memchr(name, '\0', 100) || !plain) return NULL;
    if (has_prefix(name, "./")) name += 2;
    return strcmp(name, "pickle") == 0     ? &members->pickle
           : strcmp(name, "tensors") == 0  ? &members->tensors
           : strcmp(name, "storages") == 0 ? &members->storages
                                           : NULL;
}

/* The first of equal names counts. Only sizes that the file can hold are followed. */
static bool find_members(ByteSource *source, Members *members)
{
    unsigned char header[TAR_BLOCK];
    uint64_t at = 0, size;
    *members = (Members){0};
    for (int i = 0; i < TAR_MEMBERS_MAX && source->size - at >= TAR_BLOCK; i++) {
        if (!source_read(source, at, header, TAR_BLOCK, NULL) || !is_header(header) ||
            !read_octal(header + 124, 12, &size))
            break;
        at += TAR_BLOCK;
        Member *slot = find_slot(members, header);
        uint64_t left = source->size - at;
        if (slot && !slot->there) *slot = (Member){at, size < left ? size : left, true};
        if (size > left - left % TAR_BLOCK) break;
        at += (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    }
    return members->pickle.there && members->storages.there;
}

/* Any tar begins with such a header, so its members are looked for. */
static Sniff sniff_tar(ByteSource *source, const unsigned char *head, size_t n)
{
    Members members;
    bool is_tar = n >= TAR_BLOCK && is_header(head) && find_members(source, &members);
    return is_tar ? SNIFF_YES : SNIFF_NO;
}

/* --- the members ---------------------------------------------------------------------- */

/* Always false. */
static bool refuse(const TorchTar *tar, const char *what)
{
    return fault_file(tar->err, ERR_FORMAT, tar->file->name,
                      "%s (byte %" PRIu64 "); the file is damaged or was cut short", what, tar->at);
}

/* The next pickle of the member under way; it may not reach beyond the member. */
static Object *next_pickle(TorchTar *tar)
{
    uint64_t used;
    Object *object = pickle_read(tar->scratch, tar->source, tar->at, &used, tar->err);
    if (!object) return NULL;
    if (used > tar->end - tar->at) {
        refuse(tar, "a pickle goes on behind the member that it is in");
        return NULL;
    }
    tar->at += used;
    return object;
}

static bool next_number(TorchTar *tar, unsigned width, int64_t *number)
{
    unsigned char bytes[8];
    if (tar->end - tar->at < width) return refuse(tar, "a member ends in the middle of a number");
    if (!source_read(tar->source, tar->at, bytes, width, tar->err)) return false;
    uint64_t value = little_read(bytes, width);
    tar->at += width;
    *number = width == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
    return true;
}

/* How many entries a member has. */
static bool next_count(TorchTar *tar, const Member *member, int64_t *count)
{
    tar->at = member->offset;
    tar->end = member->offset + member->size;
    const Object *number = next_pickle(tar);
    if (!number) return false;
    *count = number->kind == OBJ_INT ? number->integer : -1;
    return *count >= 0 || refuse(tar, "a member does not begin with the number of its entries");
}

/* A tuple of `count` items, the first of which is a key. */
static Object *const *next_entry(TorchTar *tar, size_t count, const char **key)
{
    const Object *entry = next_pickle(tar);
    if (!entry) return NULL;
    bool tuple = entry->kind == OBJ_TUPLE && entry->list.count == count;
    *key = tuple ? torch_key_text(tar->file->arena, entry->list.items[0]) : NULL;
    if (*key) return entry->list.items;
    refuse(tar, "an entry has other fields than it should");
    return NULL;
}

static bool add_piece(TorchTar *tar, const char *key, const TarStorage *piece)
{
    tar->storages = mem_grow(tar->storages, &tar->storage_room, tar->storage_count + 1,
                             sizeof *tar->storages);
    tar->storages[tar->storage_count] = *piece;
    if (map_set(&tar->storage_keys, key, (uint32_t)tar->storage_count++) == MAP_NONE) return true;
    return refuse(tar, "a storage's key stands there twice");
}

static const TarStorage *find_piece(const TorchTar *tar, const Object *key)
{
    const char *text = torch_key_text(tar->file->arena, key);
    uint32_t index = text ? map_get(&tar->storage_keys, text) : MAP_NONE;
    return index == MAP_NONE ? NULL : &tar->storages[index];
}

/* One storage, whose elements follow its entry. */
static bool read_storage(TorchTar *tar)
{
    const char *key;
    Object *const *field = next_entry(tar, 3, &key);
    TorchStorage *storage;
    int64_t numel = 0;
    if (!field || !next_number(tar, 8, &numel)) return false;
    if (numel < 0) return refuse(tar, "a storage has a negative number of elements");
    if (strlen(key) > TORCH_KEY_MAX) return refuse(tar, "a storage's key is too long");
    if (!torch_add_storage(tar->file, arena_strdup(tar->file->arena, key), field[2],
                           (uint64_t)numel, &storage, tar->err))
        return error_prefix(tar->err, "%s", tar->file->name);
    if (!storage->width) return refuse(tar, "a storage's elements are of no known size");
    if (storage->claimed > tar->end - tar->at)
        return refuse(tar, "a storage has fewer bytes than it claims");
    storage->storage->source = tar->source;
    storage->storage->offset = tar->at;
    tar->at += storage->claimed;
    const TarStorage piece = {storage, 0, storage->claimed};
    return add_piece(tar, storage->key, &piece);
}

/* (key, root key, offset, elements) */
static bool read_view(TorchTar *tar, const Object *view)
{
    Object *const *field = view->list.items;
    if (view->kind != OBJ_TUPLE || view->list.count != 4 || field[2]->kind != OBJ_INT ||
        field[3]->kind != OBJ_INT || field[2]->integer < 0 || field[3]->integer < 0)
        return refuse(tar, "a view has other fields than it should");
    const char *key = torch_key_text(tar->file->arena, field[0]);
    const TarStorage *root = find_piece(tar, field[1]);
    if (!key || !root) return refuse(tar, "a view is of a storage that is not there");
    uint64_t width = root->storage->width, from = (uint64_t)field[2]->integer;
    uint64_t count = (uint64_t)field[3]->integer, room = root->bytes / width;
    if (from > room || count > room - from)
        return refuse(tar, "a view lies outside of its storage");
    const TarStorage piece = {root->storage, root->offset + from * width, count * width};
    return add_piece(tar, arena_strdup(tar->file->arena, key), &piece);
}

/* Imitations end without the list of views. */
static bool read_storages(TorchTar *tar, const Member *member)
{
    int64_t count = 0;
    if (!next_count(tar, member, &count)) return false;
    for (; count > 0; count--)
        if (!read_storage(tar)) return false;
    if (tar->at == tar->end) return true;
    const Object *views = next_pickle(tar), *list = views ? object_as_sequence(views) : NULL;
    if (!views) return false;
    if (!list) return refuse(tar, "the views of storages are no list");
    for (size_t i = 0; i < list->list.count; i++)
        if (!read_view(tar, list->list.items[i])) return false;
    return true;
}

/* Sizes or strides. */
static const int64_t *read_numbers(TorchTar *tar, unsigned rank)
{
    int64_t numbers[TENSOR_RANK_MAX];
    for (unsigned i = 0; i < rank; i++)
        if (!next_number(tar, 8, &numbers[i])) return NULL;
    return arena_copy(tar->file->arena, numbers, rank * sizeof *numbers);
}

/* A piece ends before its storage may, so the piece is asked, too, when the tensor is. */
static bool check_piece(const TorchTar *tar, const Tensor *tensor, const TarStorage *piece)
{
    Storage own = *tensor->storage;
    Tensor alone = *tensor;
    own.bytes = piece->offset + piece->bytes;
    alone.storage = &own;
    return tensor_check(&alone, tar->err) ||
           error_prefix(tar->err, "%s: a tensor", tar->file->name);
}

static bool read_tensor(TorchTar *tar)
{
    const char *key;
    int64_t rank = 0, unused = 0, offset = 0;
    Object *const *field = next_entry(tar, 3, &key);
    if (!field || !next_number(tar, 4, &rank) || !next_number(tar, 4, &unused)) return false;
    if (rank < 0 || rank > TENSOR_RANK_MAX)
        return refuse(tar, "a tensor has a number of dimensions that cannot be");
    const TarStorage *piece = find_piece(tar, field[1]);
    Tensor tensor = {.name = "", .rank = (uint8_t)rank};
    tensor.dims = read_numbers(tar, tensor.rank);
    tensor.strides = tensor.dims ? read_numbers(tar, tensor.rank) : NULL;
    if (!tensor.strides || !next_number(tar, 8, &offset)) return false;
    if (!rank) tensor.strides = NULL;
    if (!piece) return refuse(tar, "a tensor is in a storage that is not there");
    tensor.dtype = piece->storage->storage->dtype;
    tensor.storage = piece->storage->storage;
    uint64_t bytes;
    if (offset < 0 || !sum_mul((uint64_t)offset, piece->storage->width, &bytes) ||
        !sum_add(bytes, piece->offset, &tensor.offset))
        return refuse(tar, "a tensor begins at an offset that cannot be");
    if (!check_piece(tar, &tensor, piece)) return false;
    tar->tensors =
        mem_grow(tar->tensors, &tar->tensor_room, tar->tensor_count + 1, sizeof *tar->tensors);
    tar->tensors[tar->tensor_count] = arena_copy(tar->file->arena, &tensor, sizeof tensor);
    if (map_set(&tar->tensor_keys, arena_strdup(tar->file->arena, key),
                (uint32_t)tar->tensor_count++) == MAP_NONE)
        return true;
    return refuse(tar, "a tensor's key stands there twice");
}

static bool read_tensors(TorchTar *tar, const Member *member)
{
    int64_t count = 0;
    if (!member->there) return true;
    if (!next_count(tar, member, &count)) return false;
    for (; count > 0; count--)
        if (!read_tensor(tar)) return false;
    return true;
}

/* --- the object ----------------------------------------------------------------------- */

/* TorchFile.resolve: an id that is a tensor's key makes the node that tensor. Others (a storage by
 * itself, a class) stay what they are. */
static bool resolve(TorchFile *file, Object *node, Error *err)
{
    (void)err;
    const TorchTar *tar = file->context;
    const char *key = torch_key_text(file->arena, node->list.items[0]);
    uint32_t index = key ? map_get(&tar->tensor_keys, key) : MAP_NONE;
    if (index == MAP_NONE) return true;
    Tensor tensor = *tar->tensors[index];
    tensor.identity = tar->tensors[index];
    node->kind = OBJ_TENSOR;
    node->call = NULL;
    node->parts = NULL;
    node->tensor = arena_copy(file->arena, &tensor, sizeof tensor);
    return true;
}

/* TorchFile.find: all storages were there before the object was. */
static bool find_nothing(TorchFile *file, TorchStorage *storage, Error *err)
{
    (void)file;
    (void)storage;
    return error_set(err, ERR_FORMAT, "its storage is not in the file");
}

static bool read_members(TorchTar *tar, const Members *members, Object **root)
{
    tar->at = members->pickle.offset;
    tar->end = tar->at + members->pickle.size;
    *root = pickle_read(tar->file->arena, tar->source, tar->at, NULL, tar->err);
    return *root && read_storages(tar, &members->storages) && read_tensors(tar, &members->tensors);
}

static bool fill(Checkpoint *checkpoint, ByteSource *source, Error *err)
{
    Members members;
    TorchFile file;
    Object *none = object_new(checkpoint_arena(checkpoint), OBJ_NONE);
    if (!find_members(source, &members))
        return fault_file(err, ERR_FORMAT, source->name,
                          "is a tar without the members 'pickle' and "
                          "'storages'; unpack it first: tar xf FILE");
    torch_init(&file, checkpoint, source->name, none, members.pickle.size);
    TorchTar tar = {.file = &file, .source = source, .scratch = arena_new(), .err = err};
    map_init(&tar.storage_keys);
    map_init(&tar.tensor_keys);
    bool fine = read_members(&tar, &members, &file.root);
    if (fine) {
        checkpoint_set_root(checkpoint, file.root);
        file.context = &tar;
        file.find = find_nothing;
        file.resolve = resolve;
        file.tuple_ids = !members.tensors.there;
        file.pickle = source;
        fine = torch_interpret(&file, err) && torch_finish(&file, err);
    }
    map_done(&tar.storage_keys);
    map_done(&tar.tensor_keys);
    free(tar.storages);
    free(tar.tensors);
    arena_free(tar.scratch);
    torch_done(&file);
    return fine;
}

static Checkpoint *open_tar(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "torch-tar", source);
    if (fill(checkpoint, source, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

const Format format_torch_tar = {"torch-tar", "PyTorch before 0.1.10 (a tar)", sniff_tar, open_tar};
