/* Folders: which file of a folder is its model. */
#ifndef LOADER_FORMAT_FOLDER_H
#define LOADER_FORMAT_FOLDER_H

#include "loader/format/format.h"

enum { FOLDER_CHOICES_MAX = 16 };    /* names that are kept, to be shown; others are counted */

/* Names of files in the folder that are its model, the best first: an index before a single
 * file, safetensors before torch. All but the first are other copies of the same weights. */
typedef struct FolderModel {
    const char *names[FOLDER_CHOICES_MAX];   /* in the arena */
    size_t count;            /* of all that were found; beyond the limit names are not kept */
    bool several;            /* they are no copies of one model, but variants of it (fp16 …) */
} FolderModel;

/* Reads the names of a folder's entries, sorted; names and list in the arena. */
bool folder_read(Arena *arena, const char *path, Folder *folder, Error *err);
/* What a small file of it says, a folder's name or a number, less the white space behind it; free()
 * it. NULL, with an error. */
char *folder_read_tag(const OpenContext *context, const char *name, Error *err);

/* False, with an error that says what was looked for and what is there, when there is no model
 * or when several files are equally good. `is_checkpoint` looks into a file; it is asked only
 * when no usual name is there. */
bool folder_find(Arena *arena, const Folder *folder, bool (*is_checkpoint)(const char *path),
                 FolderModel *model, Error *err);

/* Whether folder_find would probably find a model, by names alone. */
bool folder_looks_like_model(const Folder *folder);
/* Says which files of training state (optimizer, scheduler, generators …) lie beside the model;
 * they are never taken for it. */
void folder_note_state(const Folder *folder, Checkpoint *checkpoint);

#endif
