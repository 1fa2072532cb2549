/* Files and folders for the scan of globals: every file of a folder is looked at, a checkpoint or
 * not. */
#include "loader/format/globals_scan.h"

#include <sys/stat.h>

#include "loader/core/limits.h"
#include "loader/source/directory.h"
#include "loader/source/remote.h"
#include "loader/source/remote_open.h"
#include "loader/source/url.h"

/* Files in a folder, and in the folders below it as deep as files may lie inside files. What is no
 * regular file is passed over; what could not be looked at says so. */
static bool scan_folder(GlobalScan *scan, const char *path, unsigned depth, Error *err)
{
    const char *const *names;
    size_t count;
    char more[LIMIT_TEXT];
    if (!directory_read(scan->arena, path, &names, &count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        const char *inner = arena_printf(scan->arena, "%s/%s", path, names[i]);
        struct stat info;
        Error own = {0};
        if (lstat(inner, &info) != 0) continue;
        if (S_ISDIR(info.st_mode) && depth < limit(LIMIT_INNER_DEPTH)) {
            if (!scan_folder(scan, inner, depth + 1, err)) return false;
            continue;
        }
        ByteSource *source = NULL;
        if (S_ISDIR(info.st_mode))
            error_set(&own, ERR_LIMIT, "%s: folders inside folders, to a depth %s", inner,
                      limit_text(LIMIT_INNER_DEPTH, more));
        else if (stat(inner, &info) == 0 && S_ISREG(info.st_mode))
            source = source_open_file(inner, &own);
        if (source) {
            scan_file(scan, source, inner);
        } else if (own.text[0]) {
            scan_unread(scan, inner, own.text);
        }
        source_unref(source);
    }
    return true;
}

bool scan_path(GlobalScan *scan, const char *path, Error *err)
{
    struct stat info;
    bool fine = true;
    unsigned long before = remote_failures();
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        fine = scan_folder(scan, path, 0, err);
    } else {
        ByteSource *source = source_open(path, NULL, err);
        fine = source != NULL;
        if (source) scan_file(scan, source, url_shown(scan->arena, path));
        source_unref(source);
    }
    scan_sort(scan);
    return fine && !remote_failed_since(before, err);
}
