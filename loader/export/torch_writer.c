/* The .pth writer: what torch.save of PyTorch 2.13 writes for the same state dict.
 *
 *   PREFIX/data.pkl             the pickle: OrderedDict of name → _rebuild_tensor_v2 or _v3
 *   PREFIX/.format_version      1
 *   PREFIX/.storage_alignment   64
 *   PREFIX/byteorder            little
 *   PREFIX/data/0, data/1 …     storages, in the order in which the pickle first names them
 *   PREFIX/version              3
 *   PREFIX/.data/serialization_id
 *
 * An unchanged tensor keeps its storage whole, its offset and its strides; tensors that share
 * a storage go on sharing it, and what was one Python object is one object again. A computed
 * tensor is contiguous in a storage of its own. Parameters become plain tensors, each its own
 * object, as state_dict() makes them. Big-endian, conjugate and negative tensors count as
 * computed: their plain values are written. Layout: torch/serialization.py, _save;
 * torch/_utils.py; caffe2/serialize/inline_container.cc. */
#include <stdio.h>
#include <stdlib.h>

#include "loader/core/crc.h"
#include "loader/export/torch_layout.h"
#include "loader/export/torch_whole.h"
#include "loader/export/writer.h"
#include "loader/export/zip_writer.h"

enum { RECORDS = 8 };            /* of the archive at most, besides the storages */

static bool check(const Plan *plan, const ExportOptions *options, Error *err)
{
    if (options->under && plan->whole)
        return error_set(err, ERR_USAGE, "--whole puts the state dict back where it was in the "
                         "source, so --under cannot put it elsewhere; leave one of them out");
    for (size_t i = 0; i < plan->count; i++)
        if (!layout_check_entry(&plan->entries[i], err)) return false;
    return true;
}

/* What the file will have, known before anything is written. */
typedef struct Measure {
    uint64_t pickle, cells;      /* bytes of the pickle, and of all storages */
    size_t count;                /* of storages */
} Measure;

static uint64_t sum_cells(const TorchLayout *layout)
{
    uint64_t total = 0;
    for (size_t i = 0; i < layout->count; i++) total += layout_cell_bytes(&layout->cells[i]);
    return total;
}

static bool count_only(void *context, const void *bytes, size_t n)
{
    (void)context, (void)bytes, (void)n;
    return true;
}

/* A record's header says how long it is, and the pickle of very many tensors would take more memory
 * than all else of them: it is put together twice, and kept neither time. */
static bool measure(const Plan *plan, const ExportOptions *options, Measure *sizes, Error *err)
{
    TorchLayout layout;
    layout_init(&layout, plan, plan->compact || options->compact);
    pickle_writer_stream(layout.pickle, count_only, NULL);
    const bool good = layout_put_file(&layout, options->under, err) &&
                      pickle_writer_finish(layout.pickle, &sizes->pickle);
    sizes->cells = sum_cells(&layout);
    sizes->count = layout.count;
    layout_done(&layout);
    return good;
}

/* Where the pieces of the pickle go. */
typedef struct PickleRecord {
    AtomicFile *file;            /* borrowed */
    Error *err;                  /* the caller's */
    uint32_t crc;
} PickleRecord;

static bool take_piece(void *context, const void *bytes, size_t n)
{
    PickleRecord *record = context;
    record->crc = crc_add(record->crc, bytes, n);
    return atomic_write(record->file, bytes, n, record->err);
}

static bool write_pickle(TorchLayout *layout, ZipWriter *zip, Stream *stream, const char *under,
                         uint64_t size, Error *err)
{
    PickleRecord record = {.file = stream->file, .err = err};
    uint64_t sent;
    pickle_writer_stream(layout->pickle, take_piece, &record);
    return zip_writer_begin(zip, "data.pkl", size, err) && layout_put_file(layout, under, err) &&
           pickle_writer_finish(layout->pickle, &sent) && zip_writer_end(zip, record.crc, err);
}

/* One data/N record; *crc stays where it is. */
static bool write_cell(ZipWriter *zip, Stream *stream, const TorchLayout *layout, size_t index,
                       uint32_t *crc, Error *err)
{
    char key[CELL_KEY], name[CELL_KEY + 8];
    const Cell *cell = &layout->cells[index];
    const Storage *kept = cell->kept;
    const uint64_t bytes = layout_cell_bytes(cell);
    snprintf(name, sizeof name, "data/%s", layout_key(layout, index, key));
    if (!zip_writer_begin(zip, name, bytes, err)) return false;
    bool good = kept ? (cell->dtype == DT_BOOL ? stream_bools : stream_range)(
                           stream, kept->source, kept->offset, kept->bytes, crc, err)
                     : stream_entry(stream, cell->entry, crc, err);
    if (!good) return false;
    return stream_defers(bytes) ? zip_writer_end_later(zip, crc, err)
                                      : zip_writer_end(zip, *crc, err);
}

/* All of them, with their CRCs. */
static bool write_cells(const TorchLayout *layout, ZipWriter *zip, Stream *stream, Error *err)
{
    uint32_t *crcs = mem_alloc((layout->count + 1) * sizeof *crcs);
    bool good = true;
    for (size_t i = 0; good && i < layout->count; i++)
        good = write_cell(zip, stream, layout, i, &crcs[i], err);
    good = good && stream_run(stream, err) && zip_writer_settle(zip, err);
    free(crcs);
    return good;
}

/* All records in the order of PyTorch 2.13. */
static bool write_records(TorchLayout *layout, ZipWriter *zip, Stream *stream, const char *under,
                          uint64_t pickle, Error *err)
{
    char digits[41];
    if (!write_pickle(layout, zip, stream, under, pickle, err) ||
        !zip_writer_record(zip, ".format_version", "1", 1, err) ||
        !zip_writer_record(zip, ".storage_alignment", "64", 2, err) ||
        !zip_writer_record(zip, "byteorder", "little", 6, err))
        return false;
    if (!write_cells(layout, zip, stream, err)) return false;
    if (!zip_writer_record(zip, "version", "3\n", 2, err)) return false;
    zip_writer_digits(zip, digits);
    return zip_writer_record(zip, ".data/serialization_id", digits, 40, err) &&
           zip_writer_finish(zip, err);
}

static bool write_file(const Plan *plan, Stream *stream, const char *path,
                       const ExportOptions *options, ExportResult *result, Error *err)
{
    Measure sizes = {0};
    Text prefix = {0};
    (void)result;
    if (!measure(plan, options, &sizes, err)) return false;
    stream->total = sizes.cells;
    const uint64_t overhead = sizes.pickle + 256 * (sizes.count + RECORDS);
    if (!atomic_reserve(stream->file, stream->total + overhead, err)) return false;
    TorchLayout layout;
    layout_init(&layout, plan, plan->compact || options->compact);
    layout_expect(&layout, sizes.count);
    zip_archive_name(path, &prefix);
    ZipWriter *zip = zip_writer_new(stream->file, prefix.bytes, sizes.count + RECORDS);
    bool good = write_records(&layout, zip, stream, options->under, sizes.pickle, err);
    zip_writer_free(zip);
    text_done(&prefix);
    layout_done(&layout);
    return good;
}

const Writer torch_writer = {
    .name = "pth",
    .format = "torch-zip",
    .suffixes = ".pth .pt .bin .ckpt .pth.tar",
    .objects = true,
    .shards = true,
    .shares = true,
    .check = check,
    .write = write_file,
};
