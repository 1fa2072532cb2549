/* FileStamps: what the files of a checkpoint looked like when they were opened, to see that they
 * have been written since. What lies on a server has none. */
#ifndef REPL_FILE_STAMPS_H
#define REPL_FILE_STAMPS_H

#include <sys/stat.h>

#include "loader/tensor/checkpoint.h"

typedef struct FileStamp {
    char *path;              /* owned */
    struct stat was;
} FileStamp;

typedef struct FileStamps {
    FileStamp *items;        /* owned, [count] */
    size_t count, room;
} FileStamps;

/* The file or folder that is about to be opened; then a write during the opening shows, too. */
void file_stamps_begin(FileStamps *stamps, const char *path);
/* What else it turned out to consist of: the file that a folder stands for, shards. */
void file_stamps_add(FileStamps *stamps, const char *path, const Checkpoint *opened);
void file_stamps_copy(FileStamps *to, const FileStamps *from);
/* Whether one of them was replaced or written to. One that is gone counts as unchanged: what is
 * open can still be read, and whoever writes it anew will be noticed. */
bool file_stamps_changed(const FileStamps *stamps);
void file_stamps_done(FileStamps *stamps);

#endif
