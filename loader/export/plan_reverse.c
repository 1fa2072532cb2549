/* Working out the inverse of a plan, and writing it as a plan. */
#include "loader/export/plan_reverse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- working it out ---- */

static void remark(PlanInverse *inverse, const char *name, const char *why, const char *rule,
                   bool lost)
{
    inverse->remarks[inverse->remark_count++] = (PlanRemark){name, why, rule, lost};
    inverse->losses += lost;
}

/* The rule of the entry that an output is of. */
static const char *rule_of(const PlanInverse *inverse, const Tensor *output)
{
    return output ? inverse->file->entries[output - inverse->outputs].rule : NULL;
}

/* What the ledger knows of a tensor that went nowhere, "dropped by fix.lua:3", comes first. */
static void settle(PlanInverse *inverse, const Reverse *reverse, size_t index)
{
    const PlanFileTensor *tensor = &inverse->file->tensors[index];
    const Tensor *leaf = dict_at(inverse->schema.source, index);
    ReverseAnswer answer = leaf->dims ? reverse_find(reverse, leaf) : (ReverseAnswer){0};
    const char *rule = rule_of(inverse, answer.by);
    inverse->exprs[index] = answer.expr;
    if (answer.expr && answer.rounded)
        remark(inverse, tensor->name, "comes back to within rounding", rule, false);
    if (answer.expr) return;
    const char *why = answer.loss ? answer.loss
                      : !tensor->used && tensor->reason ? tensor->reason
                                                        : "nothing of it is in the output";
    remark(inverse, tensor->name, why, rule, true);
}

/* Outputs as tensors of a source that is still to be opened. Ties are one: the first serves. */
static void add_outputs(PlanInverse *inverse, Reverse *reverse)
{
    const PlanFile *file = inverse->file;
    inverse->outputs =
        arena_alloc(inverse->schema.arena, (file->entry_count + 1) * sizeof *inverse->outputs);
    for (size_t i = 0; i < file->entry_count; i++) {
        const Expr *e = inverse->schema.exprs[i];
        inverse->outputs[i] = (Tensor){.name = file->entries[i].name, .dims = e->dims,
                                       .rank = e->rank, .dtype = e->dtype};
        if (file->entries[i].alias < 0) reverse_add(reverse, &inverse->outputs[i], e);
    }
}

/* Whether the output's optimizer numbers its parameters as the target has them. */
static bool moves_optimizer(const PlanFile *file)
{
    return file->tail.whole && file->optimizer;
}

size_t plan_inverse_back(const PlanInverse *inverse)
{
    return inverse->file->tensor_count - (inverse->losses - inverse->optimizer.losses);
}

size_t plan_inverse_parts(const PlanInverse *inverse)
{
    const PlanFile *file = inverse->file;
    return file->source_count - (plan_file_target(file) != NULL);
}

/* The name of a tensor of the source in its own file; NULL: it is of another part. */
static const char *own_name(const PlanInverse *inverse, size_t index)
{
    const char *name = inverse->file->tensors[index].name, *colon = strchr(name, ':');
    uint64_t number;
    if (!inverse->several) return name;
    if (!colon || !parse_digits(name, (size_t)(colon - name), &number)) return NULL;
    return number == inverse->part ? colon + 1 : NULL;
}

/* What is to be said of the optimizer stands behind what is said of the tensors. */
static bool add_optimizer(PlanInverse *inverse, Error *err)
{
    OptimizerInverse *optimizer = &inverse->optimizer;
    Arena *arena = inverse->schema.arena;
    if (!plan_inverse_optimizer(inverse->file, &inverse->schema, inverse->exprs, optimizer, err))
        return false;
    const PlanRemark *tensors = inverse->remarks;
    const size_t n = inverse->remark_count, more = optimizer->remark_count;
    inverse->remarks = arena_alloc(arena, (n + more + 1) * sizeof *inverse->remarks);
    memcpy(inverse->remarks, tensors, n * sizeof *tensors);
    memcpy(inverse->remarks + n, optimizer->remarks, more * sizeof *tensors);
    inverse->remark_count += more;
    inverse->losses += optimizer->losses;
    return true;
}

bool plan_inverse_make(PlanInverse *inverse, const PlanFile *file, Error *err)
{
    *inverse = (PlanInverse){.file = file, .several = file->sources[0].numbered};
    if (!plan_schema_read(&inverse->schema, file, err)) return false;
    Arena *arena = inverse->schema.arena;
    Reverse *reverse = reverse_new(arena);
    add_outputs(inverse, reverse);
    bool fine = reverse_run(reverse, err) || error_prefix(err, "%s", file->path);
    inverse->exprs = arena_alloc(arena, (file->tensor_count + 1) * sizeof *inverse->exprs);
    inverse->remarks = arena_alloc(arena, (file->tensor_count + 1) * sizeof *inverse->remarks);
    for (size_t i = 0; fine && i < file->tensor_count; i++) settle(inverse, reverse, i);
    if (moves_optimizer(file)) fine = fine && add_optimizer(inverse, err);
    reverse_free(reverse);
    if (!fine) plan_inverse_done(inverse);
    return fine;
}

void plan_inverse_done(PlanInverse *inverse)
{
    plan_schema_done(&inverse->schema);
    *inverse = (PlanInverse){0};
}

/* ---- as a plan ---- */

static void put_tensor(JsonWriter *writer, const int64_t *dims, unsigned rank, DType dtype)
{
    json_put_shape(writer, "shape", dims, rank);
    json_put_text(writer, "dtype", dtype == DT_UNKNOWN ? NULL : dtype_name(dtype));
}

/* Which outputs the inverse reads: [entry_count]. */
typedef struct Reads {
    const PlanInverse *inverse;
    bool *used;                  /* owned by the caller */
    JsonWriter *names;           /* receives the leaves of one expression; NULL: none */
} Reads;

static void see_leaf(const Tensor *tensor, void *context)
{
    Reads *reads = context;
    reads->used[tensor - reads->inverse->outputs] = true;
    if (reads->names) json_string(reads->names, tensor->name);
}

static void put_head(const PlanInverse *inverse, const Checkpoint *output, const char *container,
                     JsonWriter *writer)
{
    uint64_t bytes = 0, one;
    for (size_t i = 0; i < inverse->file->entry_count; i++) {
        const Tensor *tensor = &inverse->outputs[i];
        if (dtype_bytes(tensor->dtype, tensor_count(tensor), &one)) bytes += one;
    }
    json_put_uint(writer, "version", 1);
    json_put_text(writer, "tool", "tenon " TENON_VERSION);
    json_key(writer, "source");
    json_map(writer);
    json_put_text(writer, "path", output ? checkpoint_path(output) : NULL);
    json_put_text(writer, "format", output ? checkpoint_format(output) : NULL);
    json_put_text(writer, "container", container);
    json_put_uint(writer, "tensors", inverse->file->entry_count);
    json_put_uint(writer, "bytes", bytes);
    json_end(writer);
    json_put_text(writer, "target", NULL);
    json_key(writer, "rules");
    json_list(writer);
    json_end(writer);
}

/* Everything that comes back counts as loaded; nothing is in another state. */
static void put_summary(const PlanInverse *inverse, const Reads *reads, JsonWriter *writer)
{
    static const char *const none[] = {"tied",    "filled",  "kept",     "shape",
                                       "dtype",   "missing", "ambiguous"};
    uint64_t loaded = 0, values = 0, used = 0;
    for (size_t i = 0; i < inverse->file->tensor_count; i++) {
        if (!inverse->exprs[i] || !own_name(inverse, i)) continue;
        loaded++;
        values += tensor_count(dict_at(inverse->schema.source, i));
    }
    for (size_t i = 0; i < inverse->file->entry_count; i++) used += reads->used[i];
    json_key(writer, "summary");
    json_map(writer);
    json_put_uint(writer, "loaded", loaded);
    for (size_t i = 0; i < countof(none); i++) json_put_uint(writer, none[i], 0);
    json_put_uint(writer, "used", used);
    json_put_uint(writer, "dropped", 0);
    json_put_uint(writer, "unused", inverse->file->entry_count - used);
    json_put_uint(writer, "collision", 0);
    json_put_uint(writer, "values_loaded", values);
    json_put_uint(writer, "values_target", values);
    json_end(writer);
}

static void put_entry(const PlanInverse *inverse, Reads *reads, size_t index, JsonWriter *writer)
{
    const Expr *e = inverse->exprs[index];
    const char *name = own_name(inverse, index);
    bool same = e->kind == EX_SOURCE && strcmp(e->tensor->name, name) == 0;
    json_map(writer);
    json_put_text(writer, "target", name);
    json_put_text(writer, "status", "loaded");
    json_key(writer, "sources");
    json_list(writer);
    reads->names = writer;
    expr_leaves(e, see_leaf, reads);
    json_end(writer);
    json_key(writer, "ops");
    json_list(writer);
    json_end(writer);
    json_put_text(writer, "how", same ? "exact" : "rule");
    json_put_text(writer, "rule", NULL);
    json_key(writer, "steps");
    json_list(writer);
    json_end(writer);
    json_put_float(writer, "confidence", 1);
    put_tensor(writer, e->dims, e->rank, e->dtype);
    json_key(writer, "expr");
    expr_write_json(e, writer);
    json_end(writer);
}

static void put_entries(const PlanInverse *inverse, Reads *reads, JsonWriter *writer)
{
    json_key(writer, "entries");
    json_list(writer);
    for (size_t i = 0; i < inverse->file->tensor_count; i++)
        if (inverse->exprs[i] && own_name(inverse, i)) put_entry(inverse, reads, i, writer);
    json_end(writer);
    json_key(writer, "source_entries");
    json_list(writer);
    for (size_t i = 0; i < inverse->file->entry_count; i++) {
        const Tensor *tensor = &inverse->outputs[i];
        json_map(writer);
        json_put_text(writer, "source", tensor->name);
        json_put_text(writer, "status", reads->used[i] ? "used" : "unused");
        put_tensor(writer, tensor->dims, tensor->rank, tensor->dtype);
        json_put_text(writer, "nearest", NULL);
        json_end(writer);
    }
    json_end(writer);
}

static void put_list(JsonWriter *writer, const char *key)
{
    json_key(writer, key);
    json_list(writer);
    json_end(writer);
}

/* What is lost stands among the notes. */
static void put_notes(const PlanInverse *inverse, JsonWriter *writer)
{
    put_list(writer, "ties");
    put_list(writer, "collisions");
    json_key(writer, "rule_notes");
    json_list(writer);
    for (size_t i = 0; i < inverse->remark_count; i++) {
        const PlanRemark *remark = &inverse->remarks[i];
        Text text = {0};
        name_show(remark->name, &text);
        text_addf(&text, ": %s%s", remark->why, remark->lost ? "; left out" : "");
        json_map(writer);
        json_put_text(writer, "level", "note");
        json_put_text(writer, "rule", remark->rule);
        json_put_text(writer, "text", text_string(&text));
        json_end(writer);
        text_done(&text);
    }
    json_end(writer);
    json_put_text(writer, "optimizer", NULL);
    json_put_text(writer, "output", NULL);
    json_key(writer, "exit");
    json_int(writer, 0);
}

/* ---- the file that the plan wrote ---- */

/* It has every tensor that is read, of the dtype and shape that the plan gave it. */
static bool check_output(const PlanInverse *inverse, const bool *used, const Checkpoint *output,
                         const StateDict *dict, Error *err)
{
    for (size_t i = 0; i < inverse->file->entry_count; i++) {
        const Tensor *want = &inverse->outputs[i], *have = dict_find_spelt(dict, want->name);
        if (!used[i] || (have && have->dtype == want->dtype &&
                         same_dims(have->dims, have->rank, want->dims, want->rank)))
            continue;
        Text shown = {0};
        show_short(want->name, 200, &shown);
        error_set(err, ERR_SHAPE, "%s: is not what %s wrote: it has no tensor '%s' of the dtype "
                  "and shape that the plan gives it", checkpoint_path(output), inverse->file->path,
                  text_string(&shown));
        text_done(&shown);
        return false;
    }
    return true;
}

/* "pth" for what reports call torch-zip: the writer's name, where there is one. */
static const char *format_before(const PlanInverse *inverse)
{
    const char *format = inverse->file->source_format;
    if (!format) return NULL;
    if (has_prefix(format, "torch")) return "pth";
    if (has_prefix(format, "safetensors")) return "safetensors";
    return has_prefix(format, "npz") ? "npz" : NULL;
}

/* What the inverse stands on, and what it writes: the `__metadata__` that went along goes back, and
 * so does `_metadata`. */
static bool fill_tail(const PlanInverse *inverse, const char *path, Checkpoint *output,
                      const bool *used, PlanSource *source, PlanTail *tail, Error *err)
{
    const PlanTail *forward = &inverse->file->tail;
    *source = (PlanSource){0};
    *tail = (PlanTail){.sources = source, .source_count = 1, .format = format_before(inverse),
                       .whole = forward->whole, .metadata = forward->metadata,
                       .metadata_count = forward->metadata_count, .carried = true,
                       .optimizer = inverse->optimizer.move};
    if (!output) return true;
    const Container *container = checkpoint_choose_weights(output, NULL, err);
    if (!container || !check_output(inverse, used, output, container->dict, err)) return false;
    source->container = container->path;
    source->path = plan_relative(inverse->schema.arena, path, checkpoint_path(output));
    return fingerprint_make(output, container->dict, &source->print, err);
}

bool plan_inverse_json(const PlanInverse *inverse, const char *path, Checkpoint *output, Text *out,
                       Error *err)
{
    PlanSource source;
    PlanTail tail;
    Reads reads = {inverse, mem_alloc(inverse->file->entry_count + 1), NULL};
    for (size_t i = 0; i < inverse->file->tensor_count; i++)
        if (inverse->exprs[i] && own_name(inverse, i))
            expr_leaves(inverse->exprs[i], see_leaf, &reads);
    bool fine = fill_tail(inverse, path, output, reads.used, &source, &tail, err);
    if (fine) {
        JsonWriter *writer = json_writer_new(out, false);
        json_map(writer);
        put_head(inverse, output, source.container, writer);
        put_summary(inverse, &reads, writer);
        put_entries(inverse, &reads, writer);
        put_notes(inverse, writer);
        plan_put_tail(&tail, writer);
        json_end(writer);
        json_writer_free(writer);
        text_addc(out, '\n');
    }
    free(reads.used);
    return fine;
}
