/* Which format, and what goes before and after. */
#include "loader/export/in_place.h"

#include <string.h>
#include <sys/stat.h>

#include "loader/export/in_place_zip.h"
#include "loader/format/format.h"

bool in_place_check(const Checkpoint *checkpoint, Error *err)
{
    size_t several;
    const char *format = checkpoint_format(checkpoint);
    checkpoint_specs(checkpoint, &several);
    if (several || checkpoint_file_count(checkpoint))
        return error_set(err, ERR_UNSUPPORTED, "%s: is several files, which are not renamed in "
                         "place; write others with -o", checkpoint_path(checkpoint));
    if (strcmp(format, "torch-zip") == 0) return true;
    return error_set(err, ERR_UNSUPPORTED, "%s: is %s, and in place only PyTorch's zips are "
                     "renamed; write another file with -o", checkpoint_path(checkpoint), format);
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

bool in_place_rename(const Plan *plan, ExportResult *result, Error *err)
{
    Renames renames;
    EditFile file;
    bool healed;
    *result = (ExportResult){.tensors = plan->count, .format = checkpoint_format(plan->source)};
    if (!in_place_check(plan->source, err)) return false;
    if (!renames_find(plan, &renames, err))
        return error_prefix(err, "%s", checkpoint_path(plan->source));
    bool good = edit_open(&file, checkpoint_path(plan->source), err);
    if (good) {
        good = in_place_zip_heal(&file, &healed, err) && check_again(&file, &renames, err) &&
               (!renames_any(&renames) || in_place_zip_rename(&file, &renames, err));
        result->bytes = file.size;
        edit_close(&file);
    }
    renames_done(&renames);
    return good;
}

bool in_place_undo(const char *path, Error *err)
{
    EditFile file;
    bool done = false, healed = false;
    if (!edit_open(&file, path, err)) return false;
    bool good = in_place_zip_heal(&file, &healed, err) &&
                (healed || in_place_zip_undo(&file, &done, err));
    edit_close(&file);
    if (good && !done && !healed)
        return error_set(err, ERR_NOT_FOUND, "%s: there is nothing to take back: it was not "
                         "changed in place", path);
    return good;
}
