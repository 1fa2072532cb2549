/* "Optimizer": what became of its state, in the text and in the JSON. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/optimizer.h"
#include "loader/align/report_parts.h"

/* "; 2 start fresh: head.fc.{bias,weight} (not loaded)": folded by their reasons. */
static void add_fresh(Reporter *reporter, const OptimizerMove *move)
{
    size_t fresh = move->count - move->carried, count = 0;
    const char **names = mem_alloc((fresh + 1) * sizeof *names);
    const char **reasons = mem_alloc((fresh + 1) * sizeof *reasons);
    for (size_t i = 0; i < move->count; i++) {
        if (!move->params[i].fresh) continue;
        names[count] = move->params[i].binding->name;
        reasons[count++] = move->params[i].fresh;
    }
    NameLine *bundles;
    size_t lines = report_bundle(reporter, names, reasons, count, &bundles);
    for (size_t i = 0; i < lines; i++)
        page_line(&reporter->page, LINE_GROUP, "%7zu  %s   fresh: %s", bundles[i].count,
                  bundles[i].name, reasons[bundles[i].members[0]]);
    free(names);
    free(reasons);
}

void report_optimizer(Reporter *reporter)
{
    const OptimizerMove *move = align_optimizer(reporter->alignment);
    if (!move) return;
    const ReportOutput *output = reporter->options->output;
    size_t fresh = move->count - move->carried;
    page_section(&reporter->page, false);
    text_addf(&reporter->page.line, "  Optimizer   state of %zu of %zu parameters carried over",
              move->carried, move->count);
    if (fresh) text_addf(&reporter->page.line, "; %zu start%s fresh", fresh, fresh == 1 ? "s" : "");
    text_addf(&reporter->page.line, "; ids %s in target order",
              move->named ? "are names," : "renumbered");
    if (output && !output->whole) text_add(&reporter->page.line, "; not written (--whole does)");
    page_end_line(&reporter->page, LINE_HEAD);
    if (fresh) add_fresh(reporter, move);
}

/* {"from":"optimizer","parameters":161,"carried":159,"groups":2,"fresh":[{"target":…,"reason"
 * :…}]} */
void report_json_optimizer(const Alignment *alignment, JsonWriter *writer)
{
    const OptimizerMove *move = align_optimizer(alignment);
    json_key(writer, "optimizer");
    if (!move) {
        json_null(writer);
        return;
    }
    json_map(writer);
    json_put_text(writer, "from", move->rule->from);
    json_put_uint(writer, "parameters", move->count);
    json_put_uint(writer, "carried", move->carried);
    json_put_uint(writer, "groups", move->group_count);
    json_key(writer, "fresh");
    json_list(writer);
    for (size_t i = 0; i < move->count; i++) {
        if (!move->params[i].fresh) continue;
        json_map(writer);
        json_put_text(writer, "target", move->params[i].binding->name);
        json_put_text(writer, "reason", move->params[i].fresh);
        json_end(writer);
    }
    json_end(writer);
    json_end(writer);
}
