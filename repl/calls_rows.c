/* Functions of the prompt that are about rows: listing those that a filter lets through, pairing
 * keys by hand, going on from the pairs. */
#include <string.h>

#include "loader/align/align_marks.h"
#include "loader/align/pattern.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"
#include "repl/columns.h"
#include "repl/object_value.h"
#include "repl/pairing.h"
#include "repl/session_marks.h"
#include "viewer/row_key.h"

/* ---- listing ---- */

static Value *make_name(Arena *arena, const char *name)
{
    return name ? value_string(arena, name) : value_null(arena);
}

/* A row of the viewer: the target's type where there is one. */
static Value *make_row(Arena *arena, const RowModel *rows, uint32_t index)
{
    const Row *row = &rows->rows[index];
    const Binding *binding = rows_binding(rows, index);
    const Tensor *tensor = rows_tensor(rows, index);
    Value *map = value_map(arena);
    const DType dtype = binding ? binding->dtype : tensor->dtype;
    const RowState state = state_worst(rows->spans[index].states & STATE_ALL);
    value_put(arena, map, "state", value_string(arena, state_info(state)->word));
    value_put(arena, map, "dtype", make_name(arena, dtype == DT_UNKNOWN ? NULL
                                                                        : dtype_name(dtype)));
    value_put(arena, map, "shape", binding ? shape_value(arena, binding->dims, binding->rank)
                                           : shape_value(arena, tensor->dims, tensor->rank));
    value_put(arena, map, "bytes", value_int(arena, (int64_t)rows->bytes[index]));
    value_put(arena, map, "confidence", binding && row->loaded
                  ? value_float(arena, (double)binding->confidence) : value_null(arena));
    value_put(arena, map, "target", make_name(arena, binding && binding->target ? binding->name
                                                                                : NULL));
    value_put(arena, map, "source", make_name(arena, row_key(rows, index, SIDE_SOURCE)));
    return map;
}

/* The filter of the viewer, to its end. */
static bool filter_rows(RowModel *rows, const char *words, Error *err)
{
    RowFilter filter;
    if (!row_filter_parse(&filter, words, err)) return false;
    rows_set_filter(rows, &filter);
    while (rows_filter_due(rows))
        if (!rows_filter_step(rows, err)) return false;
    return true;
}

bool call_rows(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    const char *words = "all";
    if (!call_takes(arguments, 1, err) ||
        !call_text(arguments, 0, "words of a filter", &words, err))
        return false;
    Alignment *alignment = console_ledger(console, err);
    if (!alignment) return false;
    RowModel *rows = rows_new(alignment);
    bool ok = filter_rows(rows, words, err);
    Value *list = value_list(arena);
    for (uint32_t i = 0; ok && i < rows->count; i++)
        if (row_is_tensor(&rows->rows[i]) && rows_passes(rows, i))
            value_push(arena, list, make_row(arena, rows, i));
    if (ok) columns_show(list, "none", &answer->shown);
    answer->value = list;
    rows_free(rows);
    align_unref(alignment);
    return ok;
}

/* ---- pairing ---- */

/* A key, or a list of keys. */
static bool take_keys(const Value *arguments, int side, Arena *arena, PairingKeys *keys, Error *err)
{
    const Value *value = call_argument(arguments, (size_t)side);
    const size_t n = value && value->kind == VALUE_LIST ? value->list.count : 1;
    const char **list = arena_alloc(arena, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const Value *key = value && value->kind == VALUE_LIST ? value->list.items[i].value : value;
        if (!key || key->kind != VALUE_STRING)
            return error_set(err, ERR_USAGE, "it is called as mark(\"source\", \"target\"); one of "
                             "the two may be a list of keys");
        list[i] = key->string;
    }
    keys->keys[side] = list;
    keys->counts[side] = n;
    return true;
}

static bool apply_line(Console *console, const char *line, ScriptAnswer *answer, Error *err)
{
    bool ok = console_add_line(console, line, err);
    if (ok) text_addf(&answer->shown, "applied (%s): %s\n", text_string(&console->said), line);
    text_clear(&console->said);
    return ok;
}

bool call_mark(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    PairingKeys keys;
    MarkLine line;
    if (!call_takes(arguments, 2, err) || !take_keys(arguments, 0, arena, &keys, err) ||
        !take_keys(arguments, 1, arena, &keys, err))
        return false;
    Alignment *alignment = console_ledger(console, err);
    bool ok = alignment && pairing_line(alignment, &keys, arena, &line, err);
    align_unref(alignment);
    if (ok && !line.sure)
        return error_set(err, ERR_RULE, "the shapes do not say how; go on with the op that makes "
                         "the one of the other, in apply(\"%s … ]]\")", line.line);
    return ok && apply_line(console, line.line, answer, err);
}

/* A pair made by hand goes with its line; of others the key gets another name. */
bool call_unmatch(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                  Error *err)
{
    const char *target = NULL;
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a key", &target, err) ||
        !call_needs_lines(console, err))
        return false;
    if (!target) return error_set(err, ERR_USAGE, "it takes a key of the target");
    const size_t text = pairing_find(console->session, target);
    if (text != SIZE_MAX) {
        session_remove(console->session, text);
        text_addf(&answer->shown, "%s\n", session_undo_what(console->session));
        return console_rebuild(console, err);
    }
    Alignment *alignment = console_ledger(console, err);
    const Binding *binding = alignment ? align_find(alignment, target) : NULL;
    const char *line = NULL;
    if (binding && binding->target && binding->source_count) {
        const char *key = align_key_name(alignment, binding->sources[0], binding->step);
        if (key) line = pairing_apart(alignment, binding, key, arena);
        else error_set(err, ERR_RULE, "no rule can undo it; rule_toggle() turns off what made it");
    } else if (alignment) {
        error_set(err, ERR_NOT_FOUND, "'%.200s' is no pair", target);
    }
    align_unref(alignment);
    return line && apply_line(console, line, answer, err);
}

/* A key, or a module's as "head.**"; a pattern of the side that has it. */
bool call_ignore(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    const char *pattern = NULL, *side = "target";
    if (!call_takes(arguments, 2, err) || !call_text(arguments, 0, "a pattern", &pattern, err) ||
        !call_text(arguments, 1, "\"source\" or \"target\"", &side, err))
        return false;
    const bool target = strcmp(side, "target") == 0;
    if (!pattern || (!target && strcmp(side, "source") != 0))
        return error_set(err, ERR_USAGE, "it is called as ignore(\"pattern\", \"source\" | "
                         "\"target\")");
    return apply_line(console, pairing_ignore(target, pattern, arena), answer, err);
}

/* ---- going on from pairs ---- */

static Value *make_induced(Arena *arena, const MarkProposal *proposal)
{
    Value *map = value_map(arena);
    value_put(arena, map, "loads", value_int(arena, (int64_t)proposal->loads));
    value_put(arena, map, "misses", value_int(arena, (int64_t)proposal->misses));
    value_put(arena, map, "breaks", value_int(arena, (int64_t)proposal->breaks));
    value_put(arena, map, "problem", make_name(arena, proposal->problem));
    value_put(arena, map, "text", value_string(arena, proposal->text));
    return map;
}

static void show_induced(const MarkResult *result, Text *out)
{
    for (size_t i = 0; i < result->count; i++) {
        const MarkProposal *proposal = &result->proposals[i];
        text_addf(out, "%zu  %zu target%s", i + 1, proposal->loads,
                  proposal->loads == 1 ? "" : "s");
        if (i + 1 == result->count) text_add(out, ", the marks alone");
        if (proposal->problem) text_addf(out, "; left out: %s", proposal->problem);
        text_addc(out, '\n');
        for (const char *p = proposal->text; *p;) {
            size_t n = strcspn(p, "\n");
            text_addf(out, "   %.*s\n", (int)n, p);
            p += n + (p[n] == '\n');
        }
    }
    if (result->ask) text_addf(out, "goes nowhere yet: %s\n", result->ask);
}

/* In place of the marks; the trailing line end is none of the line's. */
static bool keep_induced(Console *console, const MarkProposal *proposal, Arena *arena,
                         ScriptAnswer *answer, Error *err)
{
    size_t n = strlen(proposal->text);
    while (n && proposal->text[n - 1] == '\n') n--;
    const char *what = arena_printf(arena, "induced: %zu target%s", proposal->loads,
                                    proposal->loads == 1 ? "" : "s");
    session_swap_lines(console->session, session_line_is_mark,
                       arena_strndup(arena, proposal->text, n), what);
    text_addf(&answer->shown, "%s\n", what);
    if (console_rebuild(console, err)) return true;
    session_take_back(console->session);
    console_rebuild(console, &(Error){0});
    return false;
}

bool call_induce(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    const Value *number = call_argument(arguments, 0);
    SessionMarks marks;
    if (!call_takes(arguments, 1, err) || !call_needs_lines(console, err)) return false;
    if (number && (number->kind != VALUE_INT || number->integer < 1))
        return error_set(err, ERR_USAGE, "it takes the number of a proposal, or nothing");
    Snapshot *snapshot = session_snapshot(console->session);
    bool ok = session_marks(snapshot, &(SnapshotRun){.part = NULL}, arena, &marks, err);
    session_give_back(console->session, snapshot);
    if (!ok) return false;
    if (number && (uint64_t)number->integer > marks.result->count) {
        ok = error_set(err, ERR_USAGE, "there is no proposal %lld; induce() lists them",
                       (long long)number->integer);
    } else if (number) {
        ok = keep_induced(console, &marks.result->proposals[number->integer - 1], arena, answer,
                          err);
    } else {
        Value *list = value_list(arena);
        for (size_t i = 0; i < marks.result->count; i++)
            value_push(arena, list, make_induced(arena, &marks.result->proposals[i]));
        answer->value = list;
        show_induced(marks.result, &answer->shown);
    }
    align_unref(marks.alignment);
    return ok;
}
