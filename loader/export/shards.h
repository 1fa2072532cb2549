/* Shards: an output in several files of bounded size, and the index that says which tensor lies in
 * which, as transformers write and read them.
 *
 *   model.safetensors  →  model-00001-of-00003.safetensors …, model.safetensors.index.json
 *
 * Tensors are shared out in the order of the output, a new shard begun where the next one would be
 * too much; one that is larger than a shard has its own, and what shares a storage stays together.
 * The plan alone decides, so tasks that know nothing of each other write shards of one output. A
 * single shard has the output's own name and no index. Layout: huggingface_hub,
 * serialization/_base.py, split_state_dict_into_shards_factory. */
#ifndef LOADER_EXPORT_SHARDS_H
#define LOADER_EXPORT_SHARDS_H

#include "loader/export/writer.h"

/* Writes all shards of plan->shard_size and then the index; or those of options->task, and the
 * index when all are there. Shards that are there stay with options->resume if a record beside them
 * (".SHARD.tenon-done") says that the same plan wrote them; records go when the index is there. */
bool shards_export(const Writer *writer, const Plan *plan, const char *path,
                   const ExportOptions *options, ExportResult *result, Error *err);

#endif
