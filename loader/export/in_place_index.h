/* Sharded models in place: each shard that has a name that changes, then their index.
 *
 * A journal beside the index (journal.h; "before" and "after" are all of it) is there before the
 * first shard is touched. A kill before the index is written has the shards that were done taken
 * back; one after that has it completed. */
#ifndef LOADER_EXPORT_IN_PLACE_INDEX_H
#define LOADER_EXPORT_IN_PLACE_INDEX_H

#include "loader/core/text.h"
#include "loader/export/plan.h"

/* By its name: "….index.json". */
bool in_place_is_index(const char *path);
/* The source of the plan is the index at `path` with its shards. On failure all of them are as
 * before. */
bool in_place_index_rename(const Plan *plan, const char *path, Error *err);
/* *done: there was something to take back. */
bool in_place_index_undo(const char *path, bool *done, Error *err);
bool in_place_index_recover(const char *path, Text *what, Error *err);

#endif
