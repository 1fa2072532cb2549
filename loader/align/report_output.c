/* What was written, at the end of every report. */
#include <inttypes.h>

#include "loader/align/report.h"
#include "loader/align/report_page.h"

/* ---- text ---- */

static void add_name(const char *name, Text *out)
{
    Text shown = {0};
    name_show(name, &shown);
    text_add(out, text_string(&shown));
    text_done(&shown);
}

/* What --whole holds otherwise than the source, or not at all. */
static void add_losses(const ReportOutput *output, bool verbose, Text *out)
{
    size_t shown = verbose ? SIZE_MAX : PAGE_LINES;
    text_addf(out, "with the rest of the source");
    if (!output->loss_count) text_add(out, ", all of it\n");
    else text_addf(out, ", but for %zu part%s:\n", output->loss_count,
                   output->loss_count == 1 ? "" : "s");
    for (size_t i = 0; i < output->loss_count && i < shown; i++) {
        const ReportLoss *loss = &output->losses[i];
        text_add(out, "  ");
        add_name(loss->path[0] ? loss->path : "(top level)", out);
        text_add(out, ": ");
        add_name(loss->what, out);
        text_addf(out, ", %s%s\n", loss->became ? "now " : "left out",
                  loss->became ? loss->became : "");
    }
    if (output->loss_count > shown)
        text_addf(out, "  and %zu more (-v lists them)\n", output->loss_count - shown);
}

/* The casts of one pair of dtypes, in how many tensors. */
typedef struct CastSum {
    CastLoss loss;
    size_t tensors;
} CastSum;

/* Adds a cast to the sum of its pair; there are few pairs, and one too many is not summed. */
static void add_cast(CastSum *sums, size_t room, size_t *count, const CastLoss *loss)
{
    size_t i = 0;
    while (i < *count && (sums[i].loss.from != loss->from || sums[i].loss.to != loss->to)) i++;
    if (i == room) return;
    if (i == *count) sums[(*count)++] = (CastSum){.tensors = 0};
    cast_loss_sum(&sums[i].loss, loss);
    sums[i].tensors++;
}

/* A line for each tensor whose values a cast has changed, and the sum of each pair of dtypes. */
static void add_casts(const ReportOutput *output, Text *out)
{
    CastSum sums[32];
    size_t count = 0;
    char text[160];
    for (size_t i = 0; i < output->cast_count; i++) {
        const ReportCast *cast = &output->casts[i];
        add_cast(sums, countof(sums), &count, &cast->loss);
        if (!cast->loss.changed) continue;
        cast_loss_show(&cast->loss, text);
        text_add(out, "  ");
        add_name(cast->target, out);
        text_addf(out, "  %s → %s  %s\n", dtype_name(cast->loss.from),
                  dtype_name(cast->loss.to), text);
    }
    for (size_t i = 0; i < count; i++) {
        cast_loss_show(&sums[i].loss, text);
        text_addf(out, "cast %s → %s in %zu tensor%s: %s\n", dtype_name(sums[i].loss.from),
                  dtype_name(sums[i].loss.to), sums[i].tensors, sums[i].tensors == 1 ? "" : "s",
                  text);
    }
}

/* The index is named, since that is what is opened. */
static void add_shards(const ReportOutput *output, const char *bytes, Text *out)
{
    text_addf(out, "written %zu of %zu shards  %s\n", output->shards_written, output->shards,
              bytes);
    text_add(out, output->waiting ? "the index comes with the last shard: " : "index ");
    add_name(output->path, out);
    if (!output->waiting) text_addf(out, ".index.json  %zu tensors", output->tensors);
    text_addc(out, '\n');
}

/* The sum is there when it was asked for. */
void report_output_text(const ReportOutput *output, bool verbose, Text *out)
{
    char bytes[32];
    show_bytes(output->bytes, bytes);
    if (output->shards) {
        add_shards(output, bytes, out);
    } else if (output->in_place) {
        text_add(out, output->unchanged ? "nothing to rename in place: " : "renamed in place: ");
        add_name(output->path, out);
        text_addf(out, "  %zu tensors%s\n", output->tensors,
                  output->unchanged ? "" : "  (tenon undo takes it back)");
    } else {
        text_add(out, "written ");
        add_name(output->path, out);
        text_addf(out, "  %zu tensors  %s\n", output->tensors, bytes);
    }
    if (output->sha256) text_addf(out, "sha256 %s\n", output->sha256);
    if (output->whole) add_losses(output, verbose, out);
    if (output->groups) {
        text_add(out, "written ");
        add_name(output->path, out);
        text_add(out, ".groups.{json,py}\n");
    }
    if (verbose && output->casts) add_casts(output, out);
}

void report_passes_text(const ReportPass *passes, size_t count, bool verbose, Text *out)
{
    const size_t shown = verbose || count < PAGE_LINES ? count : PAGE_LINES;
    char bytes[32];
    if (!count) return;
    text_addf(out, "%zu tensor%s larger than the buffer (--buffer), and made in pieces:\n", count,
              count == 1 ? " is" : "s are");
    for (size_t i = 0; i < shown; i++) {
        const ReportPass *pass = &passes[i];
        show_bytes(pass->read, bytes);
        text_add(out, "  ");
        add_name(pass->target, out);
        text_addf(out, ": %" PRIu64 " pieces, %.3g pass%s over its source, %s read\n", pass->pieces,
                  pass->passes, pass->passes == 1 ? "" : "es", bytes);
    }
    if (shown < count) text_addf(out, "  and %zu more (-v lists them)\n", count - shown);
}

/* ---- JSON ---- */

void report_passes_json(const ReportPass *passes, size_t count, JsonWriter *writer)
{
    if (!count) return;
    json_key(writer, "passes");
    json_list(writer);
    for (size_t i = 0; i < count; i++) {
        json_map(writer);
        json_put_text(writer, "target", passes[i].target);
        json_put_uint(writer, "pieces", passes[i].pieces);
        json_put_uint(writer, "read", passes[i].read);
        json_put_float(writer, "passes", passes[i].passes);
        json_end(writer);
    }
    json_end(writer);
}

/* What --whole could not carry as it was. */
static void put_losses(const ReportOutput *output, JsonWriter *writer)
{
    json_key(writer, "not_carried");
    json_list(writer);
    for (size_t i = 0; i < output->loss_count; i++) {
        json_map(writer);
        json_put_text(writer, "path", output->losses[i].path);
        json_put_text(writer, "what", output->losses[i].what);
        json_put_text(writer, "became", output->losses[i].became);
        json_end(writer);
    }
    json_end(writer);
}

/* What each cast lost, in figures. "infinite" and "nan" are among the changed, and not in
 * "max_error". */
static void put_casts(const ReportOutput *output, JsonWriter *writer)
{
    json_key(writer, "casts");
    json_list(writer);
    for (size_t i = 0; i < output->cast_count; i++) {
        const CastLoss *loss = &output->casts[i].loss;
        json_map(writer);
        json_put_text(writer, "target", output->casts[i].target);
        json_put_text(writer, "from", dtype_name(loss->from));
        json_put_text(writer, "to", dtype_name(loss->to));
        json_put_uint(writer, "values", loss->values);
        json_put_uint(writer, "changed", loss->changed);
        json_put_uint(writer, "infinite", loss->infinite);
        json_put_uint(writer, "nan", loss->nans);
        json_put_float(writer, "max_error", loss->max_error);
        json_end(writer);
    }
    json_end(writer);
}

/* null when nothing was written, for whatever reason; "exit" tells. */
void report_output_json(const ReportOutput *output, JsonWriter *writer)
{
    json_key(writer, "output");
    if (!output) {
        json_null(writer);
        return;
    }
    json_map(writer);
    json_put_text(writer, "path", output->path);
    json_put_text(writer, "format", output->format);
    json_put_uint(writer, "tensors", output->tensors);
    json_put_uint(writer, "bytes", output->bytes);
    json_put_text(writer, "sha256", output->sha256);
    if (output->in_place) json_put_bool(writer, "in_place", true);
    if (output->shards) {
        json_put_uint(writer, "shards", output->shards);
        json_put_uint(writer, "shards_written", output->shards_written);
        json_put_bool(writer, "index", !output->waiting);
    }
    if (output->whole) put_losses(output, writer);
    if (output->casts) put_casts(output, writer);
    json_end(writer);
}
