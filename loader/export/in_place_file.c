/* One file: which of the two ways, and what goes before and after. */
#include "loader/export/in_place_file.h"

#include <string.h>

#include "loader/export/in_place_header.h"
#include "loader/export/in_place_zip.h"
#include "loader/export/journal.h"
#include "loader/format/format.h"

static bool is_zip(const Checkpoint *checkpoint)
{
    return strcmp(checkpoint_format(checkpoint), "torch-zip") == 0;
}

bool in_place_file_check(const Checkpoint *checkpoint, Error *err)
{
    const char *format = checkpoint_format(checkpoint);
    if (is_zip(checkpoint) || strcmp(format, "safetensors") == 0 || strcmp(format, "gguf") == 0)
        return true;
    return error_set(err, ERR_UNSUPPORTED, "%s: is %s, and in place only PyTorch's zips, "
                     "safetensors and GGUF are renamed; write another file with -o",
                     checkpoint_path(checkpoint), format);
}

/* What was opened a while ago is what is locked now. */
static bool check_again(const EditFile *file, const Renames *renames, Error *err)
{
    Checkpoint *now = checkpoint_open(file->path, err);
    const Container *container =
        now ? checkpoint_find_container(now, renames->plan->container) : NULL;
    bool good = container && renames_check(renames, container->dict, file->path, err);
    if (now && !container)
        error_set(err, ERR_IO, "%s: was changed by somebody else meanwhile", file->path);
    checkpoint_unref(now);
    return good;
}

/* The file is locked; what a kill has left of an earlier change is settled first. */
static bool rename_locked(EditFile *file, const Renames *renames, Error *err)
{
    const bool zip = is_zip(renames->plan->source);
    Text what = {0};
    bool healed;
    bool good = zip ? in_place_zip_heal(file, &healed, err)
                    : in_place_header_recover(file, &what, err);
    text_done(&what);
    if (!good || !check_again(file, renames, err)) return false;
    if (!renames_any(renames)) return true;
    return zip ? in_place_zip_rename(file, renames, err)
               : in_place_header_rename(file, renames, err);
}

bool in_place_file_rename(const Plan *plan, const char *path, uint64_t *bytes, Error *err)
{
    Renames renames;
    EditFile file;
    if (!renames_find(plan, &renames, err))
        return error_prefix(err, "%s", path);
    bool good = edit_open(&file, path, err);
    if (good) {
        good = rename_locked(&file, &renames, err);
        *bytes = file.size;
        edit_close(&file);
    }
    renames_done(&renames);
    return good;
}

/* By its first bytes: which of the two ways it would have been changed in. */
static bool begins_as_zip(const EditFile *file)
{
    char head[2];
    return file->size >= sizeof head && edit_read(file, 0, head, sizeof head, NULL) &&
           memcmp(head, "PK", sizeof head) == 0;
}

/* What was interrupted half-way is taken back with it, and counts as taken back. */
static bool undo_locked(EditFile *file, bool *done, Error *err)
{
    if (journal_is_there(file->path) || !begins_as_zip(file))
        return in_place_header_undo(file, done, err);
    return in_place_zip_heal(file, done, err) && (*done || in_place_zip_undo(file, done, err));
}

bool in_place_file_undo(const char *path, Error *err)
{
    EditFile file;
    bool done = false;
    if (!edit_open(&file, path, err)) return false;
    bool good = undo_locked(&file, &done, err);
    edit_close(&file);
    if (good && !done)
        return error_set(err, ERR_NOT_FOUND, "%s: there is nothing to take back: it was not "
                         "changed in place", path);
    return good;
}

/* Zips are good at every moment, but may have a tail that nobody needs. */
bool in_place_file_recover(const char *path, Text *what, Error *err)
{
    EditFile file;
    bool done;
    if (!edit_open(&file, path, err)) return false;
    bool good = !journal_is_there(path) && begins_as_zip(&file)
                    ? in_place_zip_heal(&file, &done, err)
                    : in_place_header_recover(&file, what, err);
    edit_close(&file);
    return good;
}
