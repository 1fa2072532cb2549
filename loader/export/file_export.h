/* FileExport: a plan written to one file. */
#ifndef LOADER_EXPORT_FILE_EXPORT_H
#define LOADER_EXPORT_FILE_EXPORT_H

#include "loader/export/writer.h"

/* Whether both paths are the same file now: a link or another spelling counts. */
bool is_same_file(const char *one, const char *other);
/* Sets the error that `path` is the source itself. Returns false. */
bool refuse_source(const char *path, Error *err);
/* Refuses a path that is one of the files which the plan's values come from. */
bool protect_source(const Plan *plan, const char *path, Error *err);
/* From the temporary file to the rename; on any error the file is gone. Adds its size to
 * result->bytes. */
bool file_export(const Writer *writer, const Plan *plan, const char *path,
                 const ExportOptions *options, ExportResult *result, Error *err);

#endif
