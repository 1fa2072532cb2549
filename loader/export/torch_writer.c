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

#include "loader/export/torch_layout.h"
#include "loader/export/torch_whole.h"
#include "loader/export/writer.h"
#include "loader/export/zip_writer.h"

static bool check(const Plan *plan, const ExportOptions *options, Error *err)
{
    if (options->under && plan->whole)
        return error_set(err, ERR_USAGE, "--whole puts the state dict back where it was in the "
                         "source, so --under cannot put it elsewhere; leave one of them out");
    for (size_t i = 0; i < plan->count; i++)
        if (!layout_check_entry(&plan->entries[i], err)) return false;
    return true;
}

static uint64_t sum_cells(const TorchLayout *layout)
{
    uint64_t total = 0;
    for (size_t i = 0; i < layout->count; i++) total += layout->cells[i].bytes;
    return total;
}

/* One data/N record; *crc stays where it is. */
static bool write_cell(ZipWriter *zip, Stream *stream, const Cell *cell, uint32_t *crc, Error *err)
{
    char name[32];
    const Storage *kept = cell->kept;
    snprintf(name, sizeof name, "data/%s", cell->key);
    if (!zip_writer_begin(zip, name, cell->bytes, err)) return false;
    bool good = kept ? (cell->dtype == DT_BOOL ? stream_bools : stream_range)(
                           stream, kept->source, kept->offset, kept->bytes, crc, err)
                     : stream_entry(stream, cell->entry, crc, err);
    if (!good) return false;
    return stream_defers(cell->bytes) ? zip_writer_end_later(zip, crc, err)
                                      : zip_writer_end(zip, *crc, err);
}

/* All of them, with their CRCs. */
static bool write_cells(const TorchLayout *layout, ZipWriter *zip, Stream *stream, Error *err)
{
    uint32_t *crcs = mem_alloc((layout->count + 1) * sizeof *crcs);
    bool good = true;
    for (size_t i = 0; good && i < layout->count; i++)
        good = write_cell(zip, stream, &layout->cells[i], &crcs[i], err);
    good = good && stream_run(stream, err) && zip_writer_settle(zip, err);
    free(crcs);
    return good;
}

/* All records in the order of PyTorch 2.13. */
static bool write_records(const TorchLayout *layout, ZipWriter *zip, Stream *stream, Error *err)
{
    char digits[41];
    const Text *pickle = pickle_writer_bytes(layout->pickle);
    if (!zip_writer_record(zip, "data.pkl", pickle->bytes, pickle->length, err) ||
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
    TorchLayout layout;
    Text prefix = {0};
    (void)result;
    layout_init(&layout, plan, plan->compact || options->compact);
    if (!layout_put_file(&layout, options->under, err)) {
        layout_done(&layout);
        return false;
    }
    stream->total = sum_cells(&layout);
    uint64_t overhead = pickle_writer_bytes(layout.pickle)->length + 256 * (layout.count + 8);
    zip_archive_name(path, &prefix);
    ZipWriter *zip = zip_writer_new(stream->file, prefix.bytes);
    bool good = atomic_reserve(stream->file, stream->total + overhead, err) &&
                write_records(&layout, zip, stream, err);
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
