/* One file, or an index and its shards. */
#include "loader/export/in_place.h"

#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/export/in_place_file.h"
#include "loader/export/in_place_index.h"
#include "loader/export/journal.h"

/* A model in shards that was named by its index. */
static bool is_sharded(const Checkpoint *checkpoint)
{
    return has_suffix(checkpoint_format(checkpoint), "-sharded") &&
           in_place_is_index(checkpoint_path(checkpoint));
}

bool in_place_check(const Checkpoint *checkpoint, Error *err)
{
    size_t several;
    checkpoint_specs(checkpoint, &several);
    if (!several && is_sharded(checkpoint)) return true;
    if (!several && !checkpoint_file_count(checkpoint)) return in_place_file_check(checkpoint, err);
    return error_set(err, ERR_UNSUPPORTED, "%s: is several files; in place a model in shards is "
                     "renamed by its index.json, and others are not: write them with -o",
                     checkpoint_path(checkpoint));
}

bool in_place_rename(const Plan *plan, ExportResult *result, Error *err)
{
    *result = (ExportResult){.tensors = plan->count, .format = checkpoint_format(plan->source),
                             .bytes = checkpoint_file_bytes(plan->source)};
    if (!in_place_check(plan->source, err)) return false;
    if (!is_sharded(plan->source)) return in_place_file_rename(plan, &result->bytes, err);
    return in_place_index_rename(plan, err) ||
           error_prefix(err, "%s", checkpoint_path(plan->source));
}

bool in_place_undo(const char *path, Error *err)
{
    bool done;
    if (!in_place_is_index(path)) return in_place_file_undo(path, err);
    if (!in_place_index_undo(path, &done, err)) return false;
    return done || error_set(err, ERR_NOT_FOUND, "%s: there is nothing to take back: it was not "
                             "changed in place", path);
}

/* Most files have no journal, or one of what is done, and are not even opened: they may be
 * anybody's, and many may read them at once. */
static bool recover_one(const char *path, Text *what, Error *err)
{
    if (!journal_is_unfinished(path)) return true;
    return in_place_is_index(path) ? in_place_index_recover(path, what, err)
                                   : in_place_file_recover(path, what, err);
}

/* The indexes in a folder. */
static bool recover_folder(const char *path, Text *what, Error *err)
{
    glob_t found;
    Text pattern = {0};
    bool good = true;
    for (const char *p = path; *p; p++) {
        if (strchr("*?[\\", *p)) text_addc(&pattern, '\\');
        text_addc(&pattern, *p);
    }
    text_add(&pattern, "/*.index.json");
    if (glob(text_string(&pattern), GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; good && i < found.gl_pathc; i++)
            good = recover_one(found.gl_pathv[i], what, err);
        globfree(&found);
    }
    text_done(&pattern);
    return good;
}

bool in_place_recover(const char *path, Text *what, Error *err)
{
    struct stat info;
    Text nobody = {0};
    if (stat(path, &info) != 0) return true;
    bool good = S_ISDIR(info.st_mode) ? recover_folder(path, what ? what : &nobody, err)
              : S_ISREG(info.st_mode) ? recover_one(path, what ? what : &nobody, err) : true;
    text_done(&nobody);
    return good;
}
