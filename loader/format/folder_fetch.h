/* FolderFetch: which files of a folder on a server are its checkpoint, and what belongs to it. */
#ifndef LOADER_FORMAT_FOLDER_FETCH_H
#define LOADER_FORMAT_FOLDER_FETCH_H

#include "loader/core/error.h"
#include "loader/core/memory.h"
#include "loader/source/remote_folder.h"

/* The model that opening the folder would take, with all of its shards, and the small files that
 * programs read beside it (configuration, tokenizer, code); neither other copies of it (of another
 * framework, of another precision) nor pictures and the like. Of a pipeline (model_index.json) the
 * models of all its parts. `all`: everything. Indexes in `folder->files`, ascending, in the arena.
 *
 * False, with an error, when several files may be meant, when shards are missing, or a name could
 * lead out of the folder that it is put into. */
bool folder_choose_files(Arena *arena, const RemoteFolder *folder, bool all, const size_t **chosen,
                         size_t *count, Error *err);

#endif
