/* Integers come in three spellings: protobuf's JSON writes 64-bit ones as text, torch.export wraps
 * those that might have been symbols. */
#include "loader/format/torch_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"

/* A value takes much more memory than the bytes that it was deflated to: as many are taken as the
 * bytes in the file account for. */
enum { JSON_VALUES_MIN = 65536, JSON_VALUES_RATIO = 8 };

const Value *torch_json_record(const TorchArchive *archive, const char *record, Error *err)
{
    size_t n;
    char *text = torch_archive_text(archive, record, &n, err);
    if (!text) return NULL;
    const ZipMember *member = torch_archive_find(archive, record);
    uint64_t values = JSON_VALUES_MIN + JSON_VALUES_RATIO * member->stored_size;
    if (values > limit(LIMIT_ENTRIES)) values = limit(LIMIT_ENTRIES);
    char *what = arena_printf(checkpoint_arena(archive->checkpoint), "%s::%s%s", archive->file,
                              archive->prefix, record);
    const Value *value = json_parse(checkpoint_arena(archive->checkpoint), text, n, what,
                                    (size_t)values, err);
    free(text);
    return value;
}

/* False when the value is none of the three. */
static bool read_integer(const Value *value, int64_t *out)
{
    if (value && value->kind == VALUE_MAP) value = value_get(value, "as_int");
    if (!value) return false;
    if (value->kind == VALUE_INT) {
        *out = value->integer;
        return true;
    }
    if (value->kind != VALUE_STRING || !(is_digit(*value->string) || *value->string == '-'))
        return false;
    char *end;
    errno = 0;
    *out = strtoll(value->string, &end, 10);
    return !*end && !errno;
}

/* A list of integers, each a number, a text of digits (protobuf), or {"as_int": number}, at most
 * TENSOR_RANK_MAX. `what` names it in the error, which has no file before it. */
static bool torch_json_sizes(const Value *list, const char *what, int64_t *out, unsigned *rank,
                             Error *err)
{
    *rank = 0;
    if (!list) return true;          /* protobuf leaves out what is empty */
    if (list->kind != VALUE_LIST) return error_set(err, ERR_FORMAT, "its %s is no list", what);
    if (list->list.count > TENSOR_RANK_MAX)
        return error_set(err, ERR_LIMIT, "%zu dimensions, more than the limit of %d",
                         list->list.count, TENSOR_RANK_MAX);
    for (size_t i = 0; i < list->list.count; i++)
        if (!read_integer(list->list.items[i].value, &out[i]))
            return error_set(err, ERR_FORMAT, "its %s[%zu] is no 64-bit integer", what, i);
    *rank = (unsigned)list->list.count;
    return true;
}

bool torch_json_offset(const Value *value, const char *what, uint64_t *out, Error *err)
{
    int64_t number = 0;
    if (value && (!read_integer(value, &number) || number < 0))
        return error_set(err, ERR_FORMAT, "its %s is no integer from 0 on", what);
    *out = (uint64_t)number;
    return true;
}

/* Strides that say no more than "contiguous" are kept all the same: they cost little here. */
bool torch_json_shape(Tensor *tensor, const Value *sizes, const Value *strides,
                      const Value *offset, Arena *arena, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX], steps[TENSOR_RANK_MAX];
    unsigned rank, step_rank;
    uint64_t elements = 0;
    if (!torch_json_sizes(sizes, "sizes", dims, &rank, err) ||
        !torch_json_sizes(strides, "strides", steps, &step_rank, err) ||
        !torch_json_offset(offset, "storage_offset", &elements, err))
        return false;
    if (rank != step_rank)
        return error_set(err, ERR_FORMAT, "it has %u sizes, but %u strides", rank, step_rank);
    if (!sum_mul(elements, dtype_size(tensor->dtype), &tensor->offset))
        return error_set(err, ERR_FORMAT, "its storage offset is beyond what 64 bits can address");
    tensor->rank = (uint8_t)rank;
    tensor->dims = arena_copy(arena, dims, rank * sizeof *dims);
    tensor->strides = arena_copy(arena, steps, rank * sizeof *steps);
    return true;
}

/* --- storages ------------------------------------------------------------------------- */

void json_storages_init(JsonStorages *storages, TorchArchive *archive)
{
    *storages = (JsonStorages){.archive = archive};
    map_init(&storages->index);
}

void json_storages_done(JsonStorages *storages)
{
    map_done(&storages->index);
    free(storages->items);
}

Storage *json_storages_get(JsonStorages *storages, const char *record, Error *err)
{
    uint32_t index = map_get(&storages->index, record);
    if (index != MAP_NONE) return storages->items[index];
    Storage *storage = torch_archive_storage(storages->archive, record, err);
    if (!storage) return NULL;
    storage->index = (uint32_t)storages->count;
    storages->items =
        mem_grow(storages->items, &storages->room, storages->count + 1, sizeof *storages->items);
    map_set(&storages->index, record, (uint32_t)storages->count);
    storages->items[storages->count++] = storage;
    return storage;
}
