/* The .npz writer: what numpy.savez writes, read by numpy.load.
 *
 *   NAME.npy   93 'NUMPY' 1 0 | u16 length of the rest of the header | a Python dict literal,
 *              blanks, a newline, so that 64 divides where the values begin | the values, row-major
 *   …          one such member for each tensor, stored, under its name
 *
 * The zip is laid out as the .pth writer's, so values begin at multiples of 64 in the file too.
 * NumPy has no bf16 and no f8: ml_dtypes would write them as raw bytes ('<V2') that numpy.load
 * gives back without their type, so they are refused; as f32 they lose nothing. What shares memory
 * is written as often as it has names. Layout: numpy/lib/_format_impl.py, version 1.0. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/crc.h"
#include "loader/export/writer.h"
#include "loader/export/zip_writer.h"

enum { NAME_MAX_BYTES = 65000, HEADER_ALIGNMENT = 64 };   /* a zip counts a name in 16 bits */

static bool refuse_name(const PlanEntry *entry, const char *what, Error *err)
{
    error_set(err, ERR_UNSUPPORTED, "its name %s; rename it with a rule", what);
    return plan_entry_prefix(entry, err);
}

static bool check(const Plan *plan, const ExportOptions *options, Error *err)
{
    if (options->under)
        return error_set(err, ERR_USAGE, "--under nests dicts, and .npz holds one flat list of "
                         "arrays; leave it out, or write .pth");
    if (plan->later->meta_count)
        return error_set(err, ERR_UNSUPPORTED, "meta: .npz holds nothing but arrays; write .pth or "
                         ".safetensors");
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        if (!dtype_info(entry->dtype)->numpy)
            return writer_refuse_dtype(entry, ".npz", ".safetensors", err);
        if (!name_is_text(entry->name))
            return refuse_name(entry, "is no text that a zip can hold", err);
        if (strlen(entry->name) > NAME_MAX_BYTES)
            return refuse_name(entry, "is longer than a zip can hold", err);
    }
    return true;
}

/* Magic, version, length and dict; the values begin right behind. Single bytes have no order. */
static void put_header(const PlanEntry *entry, Text *out)
{
    Text dict = {0};
    char order = dtype_size(entry->dtype) > 1 ? '<' : '|';
    text_addf(&dict, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order,
              dtype_info(entry->dtype)->numpy);
    for (unsigned i = 0; i < entry->rank; i++)
        text_addf(&dict, "%s%lld", i ? ", " : "", (long long)entry->dims[i]);
    text_addf(&dict, "%s), }", entry->rank == 1 ? "," : "");
    size_t pad = HEADER_ALIGNMENT - (10 + dict.length) % HEADER_ALIGNMENT;
    while (--pad) text_addc(&dict, ' ');
    text_addc(&dict, '\n');
    text_addn(out, "\x93NUMPY\x01\x00", 8);
    text_addc(out, (char)(dict.length & 0xFF));
    text_addc(out, (char)(dict.length >> 8));
    text_addn(out, dict.bytes, dict.length);
    text_done(&dict);
}

/* One member; *crc stays where it is. The bytes of the name are those of the tensor's, C0 80 turned
 * back into NUL. */
static bool write_entry(ZipWriter *zip, Stream *stream, const PlanEntry *entry, uint32_t *crc,
                        Error *err)
{
    Text header = {0}, name = {0};
    put_header(entry, &header);
    name_bytes(entry->name, &name);
    text_add(&name, ".npy");
    const uint64_t bytes = plan_entry_bytes(entry);
    *crc = crc_add(0, header.bytes, header.length);
    bool good = zip_writer_begin(zip, text_string(&name),
                                 header.length + bytes, err) &&
                atomic_write(stream->file, header.bytes, header.length, err) &&
                stream_entry(stream, entry, crc, err) &&
                (stream_defers(bytes) ? zip_writer_end_later(zip, crc, err)
                                      : zip_writer_end(zip, *crc, err));
    text_done(&header);
    text_done(&name);
    return good;
}

static bool write_file(const Plan *plan, Stream *stream, const char *path,
                       const ExportOptions *options, ExportResult *result, Error *err)
{
    enum { OVERHEAD = 512 };     /* headers and directory, about, for each member */
    (void)path;
    (void)options;
    for (size_t i = 0; i < plan->count; i++) {
        stream->total += plan_entry_bytes(&plan->entries[i]);
        result->cloned += plan->entries[i].alias >= 0;
    }
    ZipWriter *zip = zip_writer_new(stream->file, "", plan->count);
    uint32_t *crcs = mem_alloc((plan->count + 1) * sizeof *crcs);
    bool good = atomic_reserve(stream->file, stream->total + OVERHEAD * (plan->count + 1), err);
    for (size_t i = 0; good && i < plan->count; i++)
        good = write_entry(zip, stream, &plan->entries[i], &crcs[i], err);
    good = good && stream_run(stream, err) && zip_writer_settle(zip, err) &&
           zip_writer_finish(zip, err);
    zip_writer_free(zip);
    free(crcs);
    return good;
}

const Writer npz_writer = {
    .name = "npz",
    .format = "npz",
    .suffixes = ".npz",
    .check = check,
    .write = write_file,
};
