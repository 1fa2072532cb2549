#include "repl/file_stamps.h"

#include <stdlib.h>
#include <string.h>

#include "loader/format/format.h"

/* What cannot be looked at now will not be looked at. Takes the path over. */
static void add(FileStamps *stamps, char *path)
{
    struct stat now;
    if (!path || stat(path, &now) != 0) {
        free(path);
        return;
    }
    stamps->items = mem_grow(stamps->items, &stamps->room, stamps->count + 1,
                             sizeof *stamps->items);
    stamps->items[stamps->count++] = (FileStamp){path, now};
}

void file_stamps_begin(FileStamps *stamps, const char *path)
{
    add(stamps, mem_strdup(path));
}

/* Shards have names in their folder; a rank's may lack its suffix, and then goes by its folder. */
void file_stamps_add(FileStamps *stamps, const char *path, const Checkpoint *opened)
{
    struct stat status;
    if (stat(path, &status) != 0) return;
    const bool is_folder = S_ISDIR(status.st_mode);
    char *folder = is_folder ? mem_strdup(path) : path_folder(path);
    if (is_folder) add(stamps, checkpoint_place(path, NULL));
    for (size_t i = 0; i < checkpoint_file_count(opened); i++) {
        Text name = {0};
        text_addf(&name, "%s/%s", folder, checkpoint_file(opened, i)->name);
        add(stamps, name.bytes);
    }
    free(folder);
}

void file_stamps_copy(FileStamps *to, const FileStamps *from)
{
    file_stamps_done(to);
    for (size_t i = 0; i < from->count; i++) {
        to->items = mem_grow(to->items, &to->room, to->count + 1, sizeof *to->items);
        to->items[to->count++] = (FileStamp){mem_strdup(from->items[i].path), from->items[i].was};
    }
}

/* A folder's time is that of any file in it, also of the reports of whoever trains. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    if (a->st_dev != b->st_dev || a->st_ino != b->st_ino) return false;
    return S_ISDIR(a->st_mode) ||
           (a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
            a->st_mtim.tv_nsec == b->st_mtim.tv_nsec);
}

bool file_stamps_changed(const FileStamps *stamps)
{
    struct stat now;
    for (size_t i = 0; i < stamps->count; i++)
        if (stat(stamps->items[i].path, &now) == 0 && !is_same(&now, &stamps->items[i].was))
            return true;
    return false;
}

void file_stamps_done(FileStamps *stamps)
{
    for (size_t i = 0; i < stamps->count; i++) free(stamps->items[i].path);
    free(stamps->items);
    *stamps = (FileStamps){0};
}
