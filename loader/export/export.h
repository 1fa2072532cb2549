/* Export: an Alignment becomes a file, whole or not at all.
 *
 * A Plan lists the outputs in file order, each with its Expr; a Writer streams them to a
 * sibling temporary file, which is synced and renamed into place. Memory is bounded by the
 * buffer whatever the tensors' sizes. */
#ifndef LOADER_EXPORT_EXPORT_H
#define LOADER_EXPORT_EXPORT_H

#include "loader/align/report.h"
#include "loader/export/options.h"
#include "loader/export/plan.h"

/* Writes the plan to `path`: refuses an existing path without force, and the source file
 * itself always. On any error nothing is left behind under either name. */
bool export_write(const Plan *plan, const char *path, const ExportOptions *options,
                  ExportResult *result, Error *err);
/* What reports say of it. Borrows from all three; `whole` may be NULL. */
ReportOutput export_output(const char *path, const ExportResult *result, const Whole *whole);
/* What can be told of a path before anything is read: no such format, a file that is there, no
 * such folder, one that nothing can be created in, and the source's own file (NULL = none). Said
 * early it spares the reading; export_write asks again. */
bool export_check(const char *path, const char *source, const ExportOptions *options, bool whole,
                  Error *err);
/* "pth", "safetensors" or "npz" for .pth .pt .bin .ckpt .pth.tar .safetensors .npz, else NULL. */
const char *export_format_of(const char *path);

#endif
