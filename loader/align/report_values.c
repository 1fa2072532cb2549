/* What comparing the numbers of loaded pairs has found: a section of the text, and the members
 * "values" of the JSON, whose numbers are said at put_pair and report_json_values. */
#include <math.h>

#include "loader/align/report_parts.h"

/* ---- text ---- */

/* " at [3, 17]": the element's index along every axis; nothing for a scalar. */
static void add_index(const Binding *binding, const Comparison *pair, Text *line)
{
    int64_t index[TENSOR_RANK_MAX];
    const Tensor *target = binding->target;
    uint64_t at = pair->at;
    /* complex numbers are compared as two each */
    if (dtype_component(pair->b) != pair->b) at /= 2;
    for (unsigned i = target->rank; i--;) {
        uint64_t size = (uint64_t)target->dims[i];
        index[i] = (int64_t)(at % size);
        at /= size;
    }
    if (!target->rank) return;
    text_add(line, " at [");
    for (unsigned i = 0; i < target->rank; i++)
        text_addf(line, "%s%lld", i ? ", " : "", (long long)index[i]);
    text_addc(line, ']');
}

/* "head.fc.weight   max 0.0123 at [3, 17] (0.5 → 0.5123)   12 of 204800 differ   cosine 0.9998" */
static void add_pair(Reporter *reporter, const Binding *binding, const Comparison *pair)
{
    Text *line = &reporter->page.line;
    text_addf(line, "    %s", report_name(reporter, binding->name));
    page_pad(&reporter->page, 36);
    if (pair->verdict == VERDICT_UNREAD) {
        text_addf(line, "not compared: %s", pair->why);
        page_end_line(&reporter->page, LINE_GROUP);
        return;
    }
    text_addf(line, "max %.3g", pair->max_abs);
    if (pair->max_abs > 0) {
        add_index(binding, pair, line);
        text_addf(line, " (%.6g → %.6g)", pair->a_at, pair->b_at);
    }
    text_addf(line, "   %llu of %llu %s", (unsigned long long)pair->unequal,
              (unsigned long long)pair->count,
              pair->verdict == VERDICT_CLOSE ? "differ, within tolerance" : "differ");
    if (pair->nan_alone)
        text_addf(line, "   NaN on one side: %llu", (unsigned long long)pair->nan_alone);
    if (!isnan(pair->cosine)) text_addf(line, "   cosine %.6g", pair->cosine);
    page_end_line(&reporter->page, LINE_GROUP);
}

/* "Values   315 equal   2 equal up to cast   1 differs" */
static void add_verdicts(Reporter *reporter)
{
    static const char *const words[] = {[VERDICT_EQUAL] = "equal",
                                        [VERDICT_CAST] = "equal up to cast",
                                        [VERDICT_CLOSE] = "within tolerance",
                                        [VERDICT_DIFFERS] = "differ",
                                        [VERDICT_UNREAD] = "not compared"};
    const ValueReport *values = reporter->options->values;
    Text *line = &reporter->page.line;
    size_t pairs = values->count - values->verdict[VERDICT_NONE];
    text_addf(line, "  Values   of %zu pair%s", pairs, pairs == 1 ? "" : "s");
    for (int i = VERDICT_EQUAL; i < VERDICT_COUNT; i++)
        if (values->verdict[i])
            text_addf(line, "   %zu %s%s", values->verdict[i], words[i],
                      i == VERDICT_DIFFERS && values->verdict[i] == 1 ? "s" : "");
    page_end_line(&reporter->page, LINE_HEAD);
}

void report_values(Reporter *reporter)
{
    const ValueReport *values = reporter->options->values;
    if (!values) return;
    page_section(&reporter->page, true);
    add_verdicts(reporter);
    for (size_t i = 0; i < values->worst_count; i++) {
        uint32_t index = values->worst[i];
        add_pair(reporter, align_binding(reporter->alignment, index), &values->pairs[index]);
    }
    if (values->worst_count > 1)
        page_line(&reporter->page, LINE_TAIL, "    the worst first; tolerance: %g · |target| + %g",
                  values->tolerance.relative, values->tolerance.absolute);
}

/* ---- JSON ---- */

/* {"verdict":"differs","source_dtype":"f32","target_dtype":"f32","count":6,"unequal":1,"outside":1,
 *  "nan":0,"nan_alone":0,"max_abs":0.5,"at":3,"source":1.5,"target":1,"max_rel":0.5,
 *  "mean_abs":0.1,"distance":0.2,"cosine":0.99}; "at" counts elements row-major, and is null with
 * "source" and "target" where none differ, as is "cosine" where it has no meaning; of UNREAD only
 * "verdict" and "why" are there. */
static void put_pair(const Comparison *pair, JsonWriter *writer)
{
    json_map(writer);
    json_put_text(writer, "verdict", verdict_word(pair->verdict));
    if (pair->verdict == VERDICT_UNREAD) {
        json_put_text(writer, "why", pair->why);
        json_end(writer);
        return;
    }
    json_put_text(writer, "source_dtype", dtype_name(pair->a));
    json_put_text(writer, "target_dtype", dtype_name(pair->b));
    json_put_uint(writer, "count", pair->count);
    json_put_uint(writer, "unequal", pair->unequal);
    json_put_uint(writer, "outside", pair->outside);
    json_put_uint(writer, "nan", pair->nan);
    json_put_uint(writer, "nan_alone", pair->nan_alone);
    json_put_float(writer, "max_abs", pair->max_abs);
    if (pair->max_abs > 0) {
        json_put_uint(writer, "at", pair->at);
        json_put_float(writer, "source", pair->a_at);
        json_put_float(writer, "target", pair->b_at);
    } else {
        json_put_text(writer, "at", NULL);
        json_put_text(writer, "source", NULL);
        json_put_text(writer, "target", NULL);
    }
    json_put_float(writer, "max_rel", pair->max_rel);
    json_put_float(writer, "mean_abs", pair->mean_abs);
    json_put_float(writer, "distance", pair->distance);
    if (isnan(pair->cosine)) json_put_text(writer, "cosine", NULL);
    else json_put_float(writer, "cosine", pair->cosine);
    json_end(writer);
}

void report_json_pair(const ValueReport *values, size_t binding, JsonWriter *writer)
{
    if (!values || values->pairs[binding].verdict == VERDICT_NONE) return;
    json_key(writer, "values");
    put_pair(&values->pairs[binding], writer);
}

/* {"rtol":1e-05,"atol":1e-08,"compared":318,"equal":315,"cast":2,"close":0,"differs":1,"unread":0,
 *  "max_abs":0.5,"max_abs_target":"fc.weight","worst":["fc.weight"]} */
void report_json_values(const Alignment *alignment, const ValueReport *values, JsonWriter *writer)
{
    if (!values) return;
    json_key(writer, "values");
    json_map(writer);
    json_put_float(writer, "rtol", values->tolerance.relative);
    json_put_float(writer, "atol", values->tolerance.absolute);
    json_put_uint(writer, "compared", values->count - values->verdict[VERDICT_NONE]);
    for (int i = VERDICT_EQUAL; i < VERDICT_COUNT; i++)
        json_put_uint(writer, verdict_word((Verdict)i), values->verdict[i]);
    json_put_float(writer, "max_abs", values->max_abs);
    json_put_text(writer, "max_abs_target",
                  values->max_abs > 0 ? align_binding(alignment, values->max_at)->name : NULL);
    json_key(writer, "worst");
    json_list(writer);
    for (size_t i = 0; i < values->worst_count; i++)
        json_string(writer, align_binding(alignment, values->worst[i])->name);
    json_end(writer);
    json_end(writer);
}
