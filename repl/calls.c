/* Functions of the prompt that ask: they change nothing, and give tables that show as reports or
 * as columns. */
#include <string.h>

#include "loader/check/check.h"
#include "loader/core/clock.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"
#include "repl/columns.h"
#include "repl/choices.h"
#include "repl/help.h"
#include "repl/interrupt.h"
#include "repl/object_value.h"
#include "repl/proposals.h"
#include "repl/session_report.h"

enum { REPORT_VALUES_MAX = 64 << 20 };   /* of our own JSON: about ten million tensors */

/* ---- arguments ---- */

bool call_takes(const Value *arguments, size_t most, Error *err)
{
    if (arguments->list.count <= most) return true;
    if (!most) return error_set(err, ERR_USAGE, "it takes no argument");
    return error_set(err, ERR_USAGE, "it takes at most %zu argument%s, got %zu", most,
                     most == 1 ? "" : "s", arguments->list.count);
}

const Value *call_argument(const Value *arguments, size_t index)
{
    return index < arguments->list.count ? arguments->list.items[index].value : NULL;
}

bool call_step(void *work, uint64_t done, uint64_t total)
{
    const CallWork *what = work;
    const ConsoleOptions *options = &what->console->options;
    return !options->progress || options->progress(options->context, what->what, done, total);
}

bool call_text(const Value *arguments, size_t index, const char *what, const char **text,
               Error *err)
{
    const Value *value = call_argument(arguments, index);
    if (!value || value->kind == VALUE_NULL) return true;
    if (value->kind != VALUE_STRING)
        return error_set(err, ERR_USAGE, "argument %zu has to be %s", index + 1, what);
    *text = value->string;
    return true;
}

/* ---- the ledger ---- */

/* The report is both: the object of --json as a table, and the text that it shows as. */
static bool answer_report(Console *console, Alignment *alignment, Arena *arena,
                          ScriptAnswer *answer, Error *err)
{
    ReportOptions options;
    session_report(console->session, &options);
    options.exit = align_exit(alignment);
    Text json = {0};
    report_json(alignment, &options, &json);
    answer->value = json_parse(arena, text_string(&json), json.length, "report",
                               REPORT_VALUES_MAX, err);
    text_done(&json);
    report_text(alignment, &options, &answer->shown);
    return answer->value != NULL;
}

bool call_report(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    Alignment *alignment = call_takes(arguments, 0, err) ? console_ledger(console, err) : NULL;
    bool ok = alignment && answer_report(console, alignment, arena, answer, err);
    align_unref(alignment);
    return ok;
}

bool call_diff(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    Alignment *alignment = call_takes(arguments, 0, err)
                               ? align_finish(snapshot_draft(console->base), err) : NULL;
    bool ok = alignment && answer_report(console, alignment, arena, answer, err);
    align_unref(alignment);
    return ok;
}

static bool is_open(const Binding *binding)
{
    return !binding->covered &&
           (binding->status == BIND_SHAPE || binding->status == BIND_DTYPE ||
            binding->status == BIND_MISSING || binding->status == BIND_AMBIGUOUS);
}

static Value *make_text(Arena *arena, const char *text)
{
    return text ? value_string(arena, text) : value_null(arena);
}

static Value *make_problem(Arena *arena, const Binding *binding)
{
    Value *map = value_map(arena);
    value_put(arena, map, "status", value_string(arena, bind_word(binding->status)));
    value_put(arena, map, "target", value_string(arena, binding->name));
    value_put(arena, map, "shape", shape_value(arena, binding->dims, binding->rank));
    value_put(arena, map, "source",
              make_text(arena, binding->source_count ? binding->sources[0]->name : NULL));
    value_put(arena, map, "reason", make_text(arena, binding->reason));
    value_put(arena, map, "suggest", make_text(arena, binding->suggest));
    return map;
}

/* *status stays BIND_STATUS_COUNT for all problems. */
static bool take_status(const Value *arguments, BindStatus *status, Error *err)
{
    const char *word = NULL;
    *status = BIND_STATUS_COUNT;
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a state", &word, err))
        return false;
    if (!word) return true;
    for (int i = 0; i < BIND_STATUS_COUNT; i++)
        if (strcmp(word, bind_word((BindStatus)i)) == 0) *status = (BindStatus)i;
    return *status != BIND_STATUS_COUNT ||
           error_set(err, ERR_USAGE, "'%s' is no state; there are loaded tied filled kept shape "
                     "dtype missing ambiguous", word);
}

bool call_problems(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                   Error *err)
{
    BindStatus status;
    Alignment *alignment = take_status(arguments, &status, err) ? console_ledger(console, err)
                                                                : NULL;
    if (!alignment) return false;
    Value *list = value_list(arena);
    for (size_t i = 0; i < align_count(alignment); i++) {
        const Binding *binding = align_binding(alignment, i);
        if (status == BIND_STATUS_COUNT ? is_open(binding) : binding->status == status)
            value_push(arena, list, make_problem(arena, binding));
    }
    answer->value = list;
    columns_show(list, "none", &answer->shown);
    align_unref(alignment);
    return true;
}

bool call_notes(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                Error *err)
{
    (void)arena;
    Alignment *alignment = call_takes(arguments, 0, err) ? console_ledger(console, err) : NULL;
    if (!alignment) return false;
    help_notes(console->session, alignment, &answer->shown);
    if (!answer->shown.length) text_add(&answer->shown, "no notes\n");
    align_unref(alignment);
    return true;
}

/* ---- proposals ---- */

static Value *make_proposal(Arena *arena, const Trial *trial)
{
    Value *map = value_map(arena);
    value_put(arena, map, "settles", value_int(arena, (int64_t)trial->targets));
    value_put(arena, map, "breaks", value_int(arena, (int64_t)trial->breaks));
    value_put(arena, map, "line", value_string(arena, trial->proposal->line));
    value_put(arena, map, "why", value_string(arena, trial->proposal->why));
    return map;
}

/* Tries what there is for one target, or for anything. */
static void try_all(Console *console, Alignment *alignment, const Binding *binding, Arena *arena,
                    Value *found)
{
    enum { WAIT_MS = 10000 };
    Choices choices = {0};
    choices_start(&choices, alignment, binding);
    Snapshot *snapshot = session_snapshot(console->session);
    const SnapshotRun run = {.interrupt = interrupt_flag()};
    const int64_t end = clock_work_ms() + WAIT_MS;
    while (choices_due(&choices, true) && clock_work_ms() < end && !*interrupt_flag())
        choices_step(&choices, snapshot, &run);
    session_give_back(console->session, snapshot);
    for (size_t i = 0; i < choices.trials.count; i++)
        value_push(arena, found, make_proposal(arena, &choices.trials.items[i]));
    choices_done(&choices);
}

bool call_proposals(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                    Error *err)
{
    const char *key = NULL;
    bool failed;
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a key", &key, err) ||
        !call_needs_lines(console, err))
        return false;
    Alignment *alignment = session_align(console->session, &failed, err);
    const Binding *binding = alignment && key ? align_find(alignment, key) : NULL;
    if (!alignment) return false;
    if (key && !binding) {
        align_unref(alignment);
        return error_set(err, ERR_NOT_FOUND, "there is no target '%.200s'", key);
    }
    Value *found = value_list(arena);
    try_all(console, alignment, binding, arena, found);
    answer->value = found;
    columns_show(found, "nothing is known that would settle it", &answer->shown);
    align_unref(alignment);
    return true;
}

/* ---- check ---- */

static Value *make_finding(Arena *arena, const CheckFinding *finding)
{
    static const char *const levels[] = {
        [FINDING_NOTE] = "note", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"};
    Value *map = value_map(arena);
    value_put(arena, map, "level", value_string(arena, levels[finding->level]));
    value_put(arena, map, "kind", value_string(arena, finding->kind));
    value_put(arena, map, "tensor", make_text(arena, finding->tensor));
    value_put(arena, map, "what", value_string(arena, finding->what));
    value_put(arena, map, "remedy", make_text(arena, finding->remedy));
    return map;
}

bool call_check(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                Error *err)
{
    bool target;
    if (!call_side(console, arguments, &target, err)) return false;
    const Session *session = console->session;
    Checkpoint *checkpoint = target ? session_target_checkpoint(session) : session_source(session);
    const char *path = target ? session_target_path(session) : session_source_path(session);
    CallWork work = {console, path};
    CheckTotals totals;
    const CheckOptions options = {path, checkpoint_choose(checkpoint, NULL, NULL), true,
                                  call_step, &work};
    CheckReport *report = check_run(checkpoint, &options, &totals, err);
    if (!report) return false;
    Value *list = value_list(arena);
    for (size_t i = 0; i < check_report_count(report); i++)
        value_push(arena, list, make_finding(arena, check_report_at(report, i)));
    check_report_free(report);
    answer->value = list;
    columns_show(list, "nothing is wrong, and nothing suspicious", &answer->shown);
    return true;
}
