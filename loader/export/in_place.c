/* One file, or an index and its shards. */
#include "loader/export/in_place.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/export/in_place_file.h"
#include "loader/export/in_place_index.h"
#include "loader/export/journal.h"
#include "loader/format/format.h"

/* Sets the error. */
static bool refuse_several(const Checkpoint *checkpoint, Error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "%s: is several files; in place a model in shards is "
                     "renamed that has an index.json, and others are not: write them with -o",
                     checkpoint_path(checkpoint));
}

bool in_place_check(const Checkpoint *checkpoint, Error *err)
{
    size_t several;
    const bool sharded = has_suffix(checkpoint_format(checkpoint), "-sharded");
    checkpoint_specs(checkpoint, &several);
    if (several || (checkpoint_file_count(checkpoint) && !sharded))
        return refuse_several(checkpoint, err);
    if (!sharded && !in_place_file_check(checkpoint, err)) return false;
    char *place = checkpoint_place(checkpoint_path(checkpoint), err);
    bool good = place != NULL;
    if (good && sharded != in_place_is_index(place)) good = refuse_several(checkpoint, err);
    free(place);
    return good;
}

bool in_place_rename(const Plan *plan, ExportResult *result, Error *err)
{
    *result = (ExportResult){.tensors = plan->count, .format = checkpoint_format(plan->source),
                             .bytes = checkpoint_file_bytes(plan->source)};
    if (!in_place_check(plan->source, err)) return false;
    char *place = checkpoint_place(checkpoint_path(plan->source), err);
    bool good = place != NULL;
    if (good && in_place_is_index(place))
        good = in_place_index_rename(plan, place, err) || error_prefix(err, "%s", place);
    else if (good) good = in_place_file_rename(plan, place, &result->bytes, err);
    free(place);
    return good;
}

static bool undo_place(const char *path, Error *err)
{
    bool done;
    if (!in_place_is_index(path)) return in_place_file_undo(path, err);
    if (!in_place_index_undo(path, &done, err)) return false;
    return done || error_set(err, ERR_NOT_FOUND, "%s: there is nothing to take back: it was not "
                             "changed in place", path);
}

bool in_place_undo(const char *path, Error *err)
{
    char *place = checkpoint_place(path, err);
    const bool good = place && undo_place(place, err);
    free(place);
    return good;
}

/* Most files have no journal, or one of what is done, and are not even opened: they may be
 * anybody's, and many may read them at once. */
static bool recover_one(const char *path, Text *what, Error *err)
{
    if (!journal_is_unfinished(path)) return true;
    return in_place_is_index(path) ? in_place_index_recover(path, what, err)
                                   : in_place_file_recover(path, what, err);
}

/* A model in one file of a folder. What is no such folder is not our business here. */
static bool recover_file(const char *folder, Text *what, Error *err)
{
    char *place = checkpoint_place(folder, NULL);
    const bool good = !place || in_place_is_index(place) || recover_one(place, what, err);
    free(place);
    return good;
}

/* The indexes in a folder, which need not be what it would be opened by. */
static bool recover_indexes(const char *path, Text *what, Error *err)
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
    if (!what) what = &nobody;
    bool good = true;
    if (S_ISDIR(info.st_mode))
        good = recover_indexes(path, what, err) && recover_file(path, what, err);
    else if (S_ISREG(info.st_mode)) good = recover_one(path, what, err);
    text_done(&nobody);
    return good;
}
