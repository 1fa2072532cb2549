/* Numbers and tensors as PyTorch's JSON has them (torch.export, TorchScript before 1.4). */
#ifndef LOADER_FORMAT_TORCH_JSON_H
#define LOADER_FORMAT_TORCH_JSON_H

#include "loader/core/value.h"
#include "loader/format/torch_archive.h"

/* A JSON record of the archive; NULL with an error when it is missing or malformed. */
const Value *torch_json_record(const TorchArchive *archive, const char *record, Error *err);
/* One such integer, from 0 on; an absent one is 0. */
bool torch_json_offset(const Value *value, const char *what, uint64_t *out, Error *err);
/* Sets dims, strides and offset (in bytes, from one in elements) of a tensor whose dtype is set. */
bool torch_json_shape(Tensor *tensor, const Value *sizes, const Value *strides,
                      const Value *offset, Arena *arena, Error *err);

/* The storages of an archive by record: records that several tensors name are one storage. */
typedef struct JsonStorages {
    TorchArchive *archive;       /* borrowed */
    NameMap index;               /* record → index of items */
    Storage **items;             /* owned array, records in the checkpoint's arena */
    size_t count, room;
} JsonStorages;

void json_storages_init(JsonStorages *storages, TorchArchive *archive);
void json_storages_done(JsonStorages *storages);
/* NULL, with an error without the file's name, when the record is not there. `record` must live as
 * long as the storages. */
Storage *json_storages_get(JsonStorages *storages, const char *record, Error *err);

#endif
