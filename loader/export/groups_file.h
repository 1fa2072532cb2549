/* GroupsFile: the parameter groups of an output, as OUT.groups.json for programs and OUT.groups.py
 * for PyTorch: a dict of names, and a function that makes of them what an optimizer takes. */
#ifndef LOADER_EXPORT_GROUPS_FILE_H
#define LOADER_EXPORT_GROUPS_FILE_H

#include "loader/align/groups.h"

typedef struct GroupsFiles GroupsFiles;

/* Both files beside `out`, as temporary ones: neither is there before the commit. Without `force`
 * an existing one is ERR_EXISTS. NULL with an error. */
GroupsFiles *groups_files_write(const ParamGroups *groups, const char *out, bool force,
                                Error *err);
/* The output is there: they become what they are called. Frees, whatever happens. */
bool groups_files_commit(GroupsFiles *files, Error *err);
void groups_files_discard(GroupsFiles *files);           /* NULL is fine */

#endif
