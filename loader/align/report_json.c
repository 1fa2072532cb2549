/* The JSON report: one object on one line, its members always in this order. An entry is
 * said in full at put_entry.
 *
 *   {"version":1, "tool":…, "source":{…}, "target":{…}|null, "rules":[{"file":…}], "summary":{…},
 *    "entries":[…], "source_entries":[…], "ties":[…], "collisions":[…], "rule_notes":[…],
 *    "optimizer":{…}|null, ["values":{…},] "output":{…}|null, ["log":"…",] "exit":0} */
#include <math.h>
#include <stdlib.h>

#include "loader/align/report_parts.h"
#include "loader/tensor/layout.h"

/* ---- members of one kind ---- */

/* "fix.lua:3", or null; "auto" for what automatic alignment did. */
static void put_origin(JsonWriter *writer, const char *key, const Origin *origin)
{
    json_key(writer, key);
    if (!origin || !origin->file) {
        json_null(writer);
        return;
    }
    Text text = {0};
    text_add(&text, origin->file);
    if (origin->line) text_addf(&text, ":%d", origin->line);
    json_string(writer, text_string(&text));
    text_done(&text);
}

/* null while unknown. The member is called "dtype" wherever one stands. */
static void put_dtype(JsonWriter *writer, DType dtype)
{
    json_put_text(writer, "dtype", dtype == DT_UNKNOWN ? NULL : dtype_name(dtype));
}

/* ---- before the ledger ---- */

/* "source" and "target"; bytes are those of the tensors. With no container "" stands, which is
 * how a path spells the root. */
static void put_side(JsonWriter *writer, const char *path, const char *format,
                     const char *container, const StateDict *dict)
{
    json_map(writer);
    json_put_text(writer, "path", path);
    json_put_text(writer, "format", format);
    json_put_text(writer, "container", container ? container : "");
    json_put_uint(writer, "tensors", dict_count(dict));
    json_put_uint(writer, "bytes", dict_bytes(dict));
    json_end(writer);
}

/* Everything before the ledger. "version" is that of this layout, "tool" that of the program. */
static void put_head(const Alignment *alignment, const ReportOptions *options, JsonWriter *writer)
{
    const Checkpoint *source = align_source(alignment);
    json_put_uint(writer, "version", 1);
    json_put_text(writer, "tool", "tenon " TENON_VERSION);
    json_key(writer, "source");
    put_side(writer, options->source_path, checkpoint_format(source), align_container(alignment),
             align_source_dict(alignment));
    json_key(writer, "target");
    if (align_target(alignment))
        put_side(writer, options->target_path, options->target_format, options->target_container,
                 align_target(alignment));
    else
        json_null(writer);
    json_key(writer, "rules");
    json_list(writer);
    for (size_t i = 0; i < options->rule_count; i++) {
        json_map(writer);
        json_put_text(writer, "file", options->rule_files[i]);
        json_end(writer);
    }
    json_end(writer);
}

/* A count for every state, named as the state is, in the order of the tables in align.h. */
static void put_summary(const Alignment *alignment, JsonWriter *writer)
{
    const Summary *summary = align_summary(alignment);
    json_key(writer, "summary");
    json_map(writer);
    for (int i = 0; i < BIND_STATUS_COUNT; i++)
        json_put_uint(writer, bind_word((BindStatus)i), summary->bind[i]);
    for (int i = 0; i < USE_STATUS_COUNT; i++)
        json_put_uint(writer, use_word((UseStatus)i), summary->use[i]);
    json_put_uint(writer, "collision", summary->collisions);
    json_put_uint(writer, "values_loaded", summary->values_loaded);
    json_put_uint(writer, "values_target", summary->values_target);
    json_end(writer);
}

/* ---- entries ---- */

/* Every step of the history, oldest first. 32 of them without asking for memory: a history is
 * rarely longer. */
static void put_steps(const Binding *binding, JsonWriter *writer)
{
    const Step *few[32], **steps = few;
    size_t count = align_steps(binding, few, countof(few));
    if (count > countof(few)) {
        steps = mem_alloc(count * sizeof *steps);
        align_steps(binding, steps, count);
    }
    json_key(writer, "steps");
    json_list(writer);
    for (size_t i = 0; i < count; i++) {
        json_map(writer);
        put_origin(writer, "rule", align_step_origin(steps[i]));
        json_put_text(writer, "from", steps[i]->from);
        json_put_text(writer, "to", steps[i]->to);
        json_end(writer);
    }
    json_end(writer);
    if (steps != few) free(steps);
}

/* A float as people would write it: 0.52, not 0.5199999809265137. */
static double round_score(float score)
{
    return (double)(int)(score * 1000 + 0.5f) / 1000;
}

/* "agree":0.998, the correlation of the values of both sides; left out where it is not known. */
static void put_agreement(double agree, JsonWriter *writer)
{
    if (isnan(agree)) return;
    json_put_float(writer, "agree", round(agree * 1000) / 1000);
}

/* One target. Fields that have nothing to say are null; reason and suggest are left out. Plans say
 * more behind.
 *
 *   {"target":"fc.w", "status":"loaded", "sources":["module.fc.w"], "ops":["T"], "how":"rule",
 *    "rule":"fix.lua:2", "steps":[{"rule":…, "from":…, "to":…}], "confidence":1,
 *    "source_shape":[2048,100], "shape":[100,2048], "dtype":"f32"} */
static void put_entry(const Alignment *alignment, size_t index, const ReportOptions *options,
                      JsonWriter *writer)
{
    const Binding *binding = align_binding(alignment, index);
    const ReportPlan *plan = options->plan;
    const Expr *offer = align_offer(binding);
    json_map(writer);
    json_put_text(writer, "target", binding->name);
    json_put_text(writer, "status", bind_word(binding->status));
    json_key(writer, "sources");
    json_list(writer);
    for (uint32_t i = 0; i < binding->source_count; i++)
        json_string(writer, binding->sources[i]->name);
    json_end(writer);
    json_key(writer, "ops");
    align_ops(binding, writer);
    json_put_text(writer, "how", how_word(binding->how));
    put_origin(writer, "rule", binding->origin ? binding->origin
                               : binding->step ? align_step_origin(binding->step)
                                               : NULL);
    put_steps(binding, writer);
    json_put_float(writer, "confidence", round_score(binding->confidence));
    if (binding->why) json_put_text(writer, "why", binding->why);
    put_agreement(align_agreement(alignment, index), writer);
    if (offer)
        json_put_shape(writer, "source_shape", offer->unknown ? NULL : offer->dims, offer->rank);
    if (offer && offer->layout)
        json_put_text(writer, "source_layout", layout_name((Layout)offer->layout));
    json_put_shape(writer, "shape", binding->dims, binding->rank);
    put_dtype(writer, binding->dtype);
    if (binding->reason) json_put_text(writer, "reason", binding->reason);
    if (binding->suggest) json_put_text(writer, "suggest", binding->suggest);
    report_json_pair(options->values, index, writer);
    if (plan) plan->put_entry(plan->context, binding, writer);
    json_end(writer);
}

/* The ledger itself: targets in target order, sources in file order. `sources` of the one and
 * `source` of the other are names as in the file. */
static void put_entries(const Alignment *alignment, const ReportOptions *options,
                        JsonWriter *writer)
{
    json_key(writer, "entries");
    json_list(writer);
    for (size_t i = 0; i < align_count(alignment); i++)
        put_entry(alignment, i, options, writer);
    json_end(writer);
    json_key(writer, "source_entries");
    json_list(writer);
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        json_map(writer);
        json_put_text(writer, "source", use->tensor->name);
        json_put_text(writer, "status", use_word(use->status));
        json_put_shape(writer, "shape", use->tensor->dims, use->tensor->rank);
        put_dtype(writer, use->tensor->dtype);
        if (use->reason) json_put_text(writer, "reason", use->reason);
        json_put_text(writer, "nearest", use->nearest);
        json_end(writer);
    }
    json_end(writer);
}

/* ---- rules and output ---- */

/* What automatic alignment leaves to the user: candidates as folded names, a row of scores for each
 * source, how many targets an answer settles. With "waived" nothing of it stands in the way. */
static void put_ties(const Alignment *alignment, JsonWriter *writer)
{
    json_key(writer, "ties");
    json_list(writer);
    for (size_t i = 0; i < align_doubt_count(alignment); i++) {
        const Doubt *doubt = align_doubt(alignment, i);
        json_map(writer);
        json_put_names(writer, "sources", doubt->sources, doubt->source_count);
        json_put_names(writer, "targets", doubt->targets, doubt->target_count);
        json_key(writer, "scores");
        json_list(writer);
        for (size_t j = 0; j < doubt->source_count; j++) {
            json_list(writer);
            for (size_t k = 0; k < doubt->target_count; k++)
                json_float(writer, round_score(doubt->scores[j * doubt->target_count + k]));
            json_end(writer);
        }
        json_end(writer);
        json_put_uint(writer, "tensors", doubt->tensors);
        json_put_text(writer, "ask", doubt->ask);
        json_put_text(writer, "say", doubt->say);
        if (doubt->why) json_put_text(writer, "why", doubt->why);
        json_put_bool(writer, "likely", doubt->likely);
        json_put_bool(writer, "waived", !doubt->open);
        json_end(writer);
    }
    json_end(writer);
}

/* Collisions and notes, in the order in which they were made. Both lists are there when they
 * are empty, too; "after" is the statement or rule that made keys meet. */
static void put_problems(const Alignment *alignment, JsonWriter *writer)
{
    json_key(writer, "collisions");
    json_list(writer);
    for (size_t i = 0; i < align_collision_count(alignment); i++) {
        const Collision *collision = align_collision(alignment, i);
        json_map(writer);
        json_put_text(writer, "name", collision->name);
        json_key(writer, "sources");
        json_list(writer);
        for (size_t j = 0; j < collision->source_count; j++)
            json_string(writer, collision->sources[j]);
        json_end(writer);
        put_origin(writer, "rule", &collision->origin);
        json_put_text(writer, "after", collision->what);
        json_end(writer);
    }
    json_end(writer);
    json_key(writer, "rule_notes");
    json_list(writer);
    for (size_t i = 0; i < align_note_count(alignment); i++) {
        const RuleNote *note = align_note(alignment, i);
        json_map(writer);
        json_put_text(writer, "level", note->level == NOTE_ERROR ? "error" : "note");
        put_origin(writer, "rule", &note->origin);
        json_put_text(writer, "text", note->text);
        json_end(writer);
    }
    json_end(writer);
}

/* One object and a newline. */
void report_json(const Alignment *alignment, const ReportOptions *options, Text *out)
{
    JsonWriter *writer = json_writer_new(out, false);
    json_map(writer);
    put_head(alignment, options, writer);
    put_summary(alignment, writer);
    put_entries(alignment, options, writer);
    put_ties(alignment, writer);
    put_problems(alignment, writer);
    report_json_optimizer(alignment, writer);
    report_json_groups(alignment, writer);
    report_json_values(alignment, options->values, writer);
    report_output_json(options->output, writer);
    report_passes_json(options->passes, options->pass_count, writer);
    if (options->log) json_put_text(writer, "log", options->log);
    json_key(writer, "exit");
    json_int(writer, options->exit);
    if (options->plan) options->plan->put_end(options->plan->context, writer);
    json_end(writer);
    json_writer_free(writer);
    text_addc(out, '\n');
}
