/* One export from start to end: the right writer, what must not be overwritten, file or files. */
#include "loader/export/export.h"

#include "loader/export/file_export.h"
#include "loader/export/shards.h"

const char *export_format_of(const char *path)
{
    const Writer *writer = writer_by_suffix(path);
    return writer ? writer->name : NULL;
}

/* --whole needs a format that holds more than tensors. */
static bool check_whole(const Writer *writer, const char *path, bool whole, Error *err)
{
    if (!whole || writer->objects) return true;
    return error_set(err, ERR_USAGE, "%s: --whole carries more than tensors, and %s holds nothing "
                     "else; write .pth", path, writer->format);
}

bool export_check(const char *path, const char *source, const ExportOptions *options, bool whole,
                  Error *err)
{
    const Writer *writer = writer_choose(path, options, err);
    if (!writer || !check_whole(writer, path, whole, err)) return false;
    if (source && is_same_file(path, source)) return refuse_source(path, err);
    return atomic_check(path, options->force, err);
}

/* All that can be refused is refused before a file is made. */
bool export_write(const Plan *plan, const char *path, const ExportOptions *options,
                  ExportResult *result, Error *err)
{
    static const ExportOptions defaults;
    ExportResult none;
    if (!options) options = &defaults;
    if (!result) result = &none;
    const Writer *writer = writer_choose(path, options, err);
    *result = (ExportResult){.tensors = plan->count};
    if (!writer) return false;
    result->format = writer->format;
    if (!check_whole(writer, path, plan->whole != NULL, err)) return false;
    if (!protect_source(plan, path, err)) return false;
    if (!writer->check(plan, options, err)) return error_prefix(err, "%s", path);
    return plan->shard_size ? shards_export(writer, plan, path, options, result, err)
                            : file_export(writer, plan, path, options, result, err);
}

ReportOutput export_output(const char *path, const ExportResult *result, const Whole *whole)
{
    return (ReportOutput){.path = path,
                          .format = result->format,
                          .tensors = result->tensors,
                          .bytes = result->bytes,
                          .shards = result->shards,
                          .shards_written = result->shards_written,
                          .waiting = result->waiting,
                          .sha256 = result->sha256[0] ? result->sha256 : NULL,
                          .whole = whole != NULL,
                          .losses = whole ? whole->notes : NULL,
                          .loss_count = whole ? whole->note_count : 0};
}
