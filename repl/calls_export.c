/* Functions of the prompt that write the aligned checkpoint, and that tell what it would take. */
#include <string.h>

#include "loader/export/export.h"
#include "loader/export/plan_cost.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"

/* The options of write, by the names that the command line has for them. */
typedef struct WriteOptions {
    PlanOptions plan;
    ExportOptions export;
} WriteOptions;

static bool take_flag(const Value *value, const char *name, bool *flag, Error *err)
{
    if (value->kind != VALUE_BOOL)
        return error_set(err, ERR_USAGE, "%s has to be true or false", name);
    *flag = value->boolean;
    return true;
}

/* 5000000000, or "5GB". */
static bool take_size(const Value *value, uint64_t *size, Error *err)
{
    if (value->kind == VALUE_INT && value->integer > 0) {
        *size = (uint64_t)value->integer;
        return true;
    }
    if (value->kind == VALUE_STRING && parse_bytes(value->string, size) && *size &&
        *size <= INT64_MAX)
        return true;
    return error_set(err, ERR_USAGE, "shard_size has to be a size, such as \"5GB\"");
}

static bool take_write_option(WriteOptions *options, const char *name, const Value *value,
                              Error *err)
{
    const struct { const char *name; bool *flag; } flags[] = {
        {"whole", &options->plan.whole}, {"omit_kept", &options->plan.omit_kept},
        {"compact", &options->plan.compact}, {"force", &options->export.force},
        {"sha256", &options->export.sha256},
    };
    for (size_t i = 0; i < countof(flags); i++)
        if (strcmp(name, flags[i].name) == 0) return take_flag(value, name, flags[i].flag, err);
    if (strcmp(name, "shard_size") == 0) return take_size(value, &options->plan.shard_size, err);
    const char **text = strcmp(name, "to") == 0 ? &options->export.format
                        : strcmp(name, "under") == 0 ? &options->export.under : NULL;
    if (!text)
        return error_set(err, ERR_USAGE, "there is no option '%.60s'; there are to, under, whole, "
                         "omit_kept, compact, shard_size, force, sha256", name);
    if (value->kind != VALUE_STRING) return error_set(err, ERR_USAGE, "%s has to be text", name);
    *text = value->string;
    return true;
}

static bool take_write_options(const Value *given, WriteOptions *options, Error *err)
{
    if (!given || given->kind == VALUE_NULL) return true;
    if (given->kind != VALUE_MAP)
        return error_set(err, ERR_USAGE, "the options have to be a table");
    for (size_t i = 0; i < given->list.count; i++)
        if (!take_write_option(options, given->list.items[i].key, given->list.items[i].value, err))
            return false;
    options->export.compact = options->plan.compact;
    return true;
}

static Value *make_result(Arena *arena, const char *path, const ExportResult *result)
{
    Value *map = value_map(arena);
    value_put(arena, map, "path", value_string(arena, path));
    value_put(arena, map, "format", value_string(arena, result->format));
    value_put(arena, map, "tensors", value_int(arena, (int64_t)result->tensors));
    value_put(arena, map, "bytes", value_int(arena, (int64_t)result->bytes));
    if (result->sha256[0])
        value_put(arena, map, "sha256", value_string(arena, result->sha256));
    return map;
}

static bool write_plan(Console *console, Alignment *alignment, const char *path,
                       WriteOptions *options, ExportResult *result, Error *err)
{
    CallWork work = {console, path};
    options->export.progress = call_step;
    options->export.progress_context = &work;
    Plan *plan = plan_new(alignment, &options->plan, err);
    bool ok = plan && export_write(plan, path, &options->export, result, err);
    plan_free(plan);
    return ok;
}

/* As align -o does: nothing is written while anything is open. */
bool call_write(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                Error *err)
{
    const char *path = NULL;
    WriteOptions options = {0};
    ExportResult result = {0};
    if (!call_takes(arguments, 2, err) || !call_text(arguments, 0, "a path", &path, err) ||
        !take_write_options(call_argument(arguments, 1), &options, err))
        return false;
    if (!path) return error_set(err, ERR_USAGE, "it takes a path: write \"aligned.pth\"");
    Alignment *alignment = console_ledger(console, err);
    bool ok = alignment && write_plan(console, alignment, path, &options, &result, err);
    align_unref(alignment);
    if (!ok) return false;
    answer->value = make_result(arena, path, &result);
    char bytes[32];
    show_bytes(result.bytes, bytes);
    text_addf(&answer->shown, "written %s  %zu tensors  %s", path, result.tensors, bytes);
    if (result.cloned) text_addf(&answer->shown, "  (%zu tied, written as copies)", result.cloned);
    return true;
}

bool call_cost(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    WriteOptions options = {0};
    if (!call_takes(arguments, 1, err) ||
        !take_write_options(call_argument(arguments, 0), &options, err))
        return false;
    Alignment *alignment = console_ledger(console, err);
    Plan *plan = alignment ? plan_new(alignment, &options.plan, err) : NULL;
    if (plan) {
        const PlanCost cost = plan_cost(plan, &options.export);
        const struct { const char *name; uint64_t count; } counts[] = {
            {"tensors", plan->count}, {"copied", cost.copied}, {"computed", cost.computed},
            {"filled", cost.filled}, {"tied", cost.tied}, {"read", cost.read},
            {"written", cost.written},
        };
        Value *map = value_map(arena);
        for (size_t i = 0; i < countof(counts); i++)
            value_put(arena, map, counts[i].name, value_int(arena, (int64_t)counts[i].count));
        answer->value = map;
        char read[32], written[32];
        show_bytes(cost.read, read);
        show_bytes(cost.written, written);
        text_addf(&answer->shown, "%zu tensors: %zu copied as they are, %zu computed, %zu filled, "
                  "%zu tied\nreads %s, writes %s of values\n", plan->count, cost.copied,
                  cost.computed, cost.filled, cost.tied, read, written);
    }
    const bool ok = plan != NULL;
    plan_free(plan);
    align_unref(alignment);
    return ok;
}
