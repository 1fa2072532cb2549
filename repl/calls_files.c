/* Functions of the prompt about what is in the files besides the weights. */
#include <string.h>

#include "repl/call_list.h"
#include "repl/calls_parts.h"
#include "repl/columns.h"
#include "repl/file_view.h"
#include "repl/object_list.h"
#include "repl/optimizer_view.h"

/* One argument at most, "source" (the default) or "target", of which there has to be one. */
bool call_side(const Console *console, const Value *arguments, bool *target, Error *err)
{
    const char *side = "source";
    if (!call_takes(arguments, 1, err) ||
        !call_text(arguments, 0, "\"source\" or \"target\"", &side, err))
        return false;
    *target = strcmp(side, "target") == 0;
    if (!*target && strcmp(side, "source") != 0)
        return error_set(err, ERR_USAGE, "'%.60s' is neither source nor target", side);
    return !*target || session_target_checkpoint(console->session) ||
           error_set(err, ERR_USAGE, "there is no target");
}

static Checkpoint *checkpoint_of(const Console *console, bool target)
{
    return target ? session_target_checkpoint(console->session) : session_source(console->session);
}

bool call_metadata(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                   Error *err)
{
    bool target;
    Alignment *alignment = call_side(console, arguments, &target, err)
                               ? console_ledger(console, err) : NULL;
    if (!alignment) return false;
    const StateDict *dict = target ? align_target(alignment) : align_source_dict(alignment);
    TreeLines lines = {.text = &answer->shown};
    file_view_lines(checkpoint_of(console, target), dict, &lines);
    tree_end(&lines);
    answer->value = file_view_value(arena, checkpoint_of(console, target), dict);
    align_unref(alignment);
    return true;
}

/* As `ls --all` has it, and with --json. */
bool call_objects(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                  Error *err)
{
    enum { VALUES_MAX = 64 << 20 };      /* of our own JSON */
    bool target;
    if (!call_side(console, arguments, &target, err)) return false;
    const Checkpoint *checkpoint = checkpoint_of(console, target);
    Text out = {0};
    JsonWriter *json = json_writer_new(&out, false);
    json_map(json);
    object_list_json(checkpoint, json);
    json_end(json);
    json_writer_free(json);
    const Value *all = json_parse(arena, text_string(&out), out.length, "objects", VALUES_MAX, err);
    text_done(&out);
    answer->value = all ? value_get(all, "objects") : NULL;
    if (all) object_list_text(checkpoint, &answer->shown);
    return all != NULL;
}

bool call_optimizer_state(Console *console, const Value *arguments, Arena *arena,
                          ScriptAnswer *answer, Error *err)
{
    OptimizerView view;
    Alignment *alignment = call_takes(arguments, 0, err) ? console_ledger(console, err) : NULL;
    bool ok = alignment && optimizer_view_read(arena, alignment, &view, err);
    if (ok) {
        TreeLines lines = {.text = &answer->shown};
        optimizer_view_lines(&view, &lines);
        tree_end(&lines);
        answer->value = optimizer_view_value(arena, &view);
    }
    align_unref(alignment);
    return ok;
}

static void add_containers(const Alignment *alignment, const Session *session, bool target,
                           Arena *arena, Value *list)
{
    const Checkpoint *checkpoint = target ? session_target_checkpoint(session)
                                          : session_source(session);
    const char *chosen = target ? session_target_container(session) : align_container(alignment);
    for (size_t i = 0; checkpoint && i < checkpoint_container_count(checkpoint); i++) {
        const Container *one = checkpoint_container(checkpoint, i);
        Value *map = value_map(arena);
        value_put(arena, map, "side", value_string(arena, target ? "target" : "source"));
        value_put(arena, map, "path", value_string(arena, one->path));
        value_put(arena, map, "tensors", value_int(arena, (int64_t)dict_count(one->dict)));
        value_put(arena, map, "bytes", value_int(arena, (int64_t)dict_bytes(one->dict)));
        value_put(arena, map, "chosen", value_bool(arena, strcmp(one->path, chosen) == 0));
        value_push(arena, list, map);
    }
}

bool call_containers(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                     Error *err)
{
    Alignment *alignment = call_takes(arguments, 0, err) ? console_ledger(console, err) : NULL;
    if (!alignment) return false;
    Value *list = value_list(arena);
    add_containers(alignment, console->session, false, arena, list);
    add_containers(alignment, console->session, true, arena, list);
    answer->value = list;
    columns_show(list, "no dict of tensors", &answer->shown);
    align_unref(alignment);
    return true;
}
