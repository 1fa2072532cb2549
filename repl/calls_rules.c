/* Functions of the prompt about the texts of the rules: what each does, and changes of them. Each
 * change is one step for undo. */
#include <stdio.h>
#include <string.h>

#include "loader/core/fold.h"
#include "repl/bisect.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"
#include "repl/rule_edits.h"
#include "repl/rule_hits.h"
#include "repl/session_file.h"
#include "viewer/change.h"

/* The first argument: the number of a text, from 1. */
static bool take_text(const Console *console, const Value *arguments, size_t *index, Error *err)
{
    const Value *number = call_argument(arguments, 0);
    const size_t count = session_text_count(console->session);
    if (!number || number->kind != VALUE_INT)
        return error_set(err, ERR_USAGE, "it takes the number of a rules text; rule_list() has "
                         "them");
    if (number->integer < 1 || (uint64_t)number->integer > count)
        return error_set(err, ERR_USAGE, "there is no rules text %lld; rule_list() has them",
                         (long long)number->integer);
    *index = (size_t)number->integer - 1;
    return true;
}

/* ---- what there is ---- */

static Value *make_text(Arena *arena, const SessionText *text, size_t number, size_t rows)
{
    Value *map = value_map(arena);
    const bool line = text->kind == RULES_LINE;
    value_put(arena, map, "number", value_int(arena, (int64_t)number));
    value_put(arena, map, "name", line ? value_null(arena) : value_string(arena, text->name));
    value_put(arena, map, "on", value_bool(arena, !text->off));
    value_put(arena, map, "rows", value_int(arena, (int64_t)rows));
    value_put(arena, map, "text",
              value_string(arena, arena_strndup(arena, text->text, text->length)));
    return map;
}

/* "2  off  3 rows  fix.lua", or the line itself; of several lines the first. */
static void show_text(const SessionText *text, size_t number, size_t rows, Text *out)
{
    const char *name = text->kind == RULES_LINE ? text->text : text->name;
    char count[32];
    snprintf(count, sizeof count, "%zu row%s", rows, rows == 1 ? "" : "s");
    text_addf(out, "%3zu  %-3s  %-10s  ", number, text->off ? "off" : "on", count);
    const size_t n = strcspn(name, "\n");
    Text first = {0};
    text_addn(&first, name, n);
    name_show(text_string(&first), out);
    text_add(out, name[n] ? " …\n" : "\n");
    text_done(&first);
}

bool call_rule_list(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                    Error *err)
{
    SessionText text;
    Alignment *alignment = call_takes(arguments, 0, err) ? console_ledger(console, err) : NULL;
    if (!alignment) return false;
    RuleHits *hits = rule_hits_new(console->session, alignment);
    Value *list = value_list(arena);
    for (size_t i = 0; session_text(console->session, i, &text); i++) {
        const size_t rows = rule_hits_count(hits, i, 0);
        value_push(arena, list, make_text(arena, &text, i + 1, rows));
        show_text(&text, i + 1, rows, &answer->shown);
    }
    if (!list->list.count) text_add(&answer->shown, "no rules\n");
    answer->value = list;
    rule_hits_free(hits);
    align_unref(alignment);
    return true;
}

/* A text, and a line of it if there is a second number. */
bool call_rule_rows(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                    Error *err)
{
    size_t index;
    const Value *line = call_argument(arguments, 1);
    if (!call_takes(arguments, 2, err) || !take_text(console, arguments, &index, err)) return false;
    if (line && (line->kind != VALUE_INT || line->integer < 1))
        return error_set(err, ERR_USAGE, "the second argument has to be the number of a line");
    Alignment *alignment = console_ledger(console, err);
    if (!alignment) return false;
    const char *const *names;
    Folded *folded;
    const size_t n = rule_hits_names(console->session, alignment, index,
                                     line ? (size_t)line->integer : 0, arena, &names);
    const size_t lines = fold_names(arena, names, NULL, n, &folded);
    Value *list = value_list(arena);
    for (size_t i = 0; i < n; i++) value_push(arena, list, value_string(arena, names[i]));
    for (size_t i = 0; i < lines; i++) {
        text_addf(&answer->shown, "%6zu  ", folded[i].count);
        name_show(folded[i].text, &answer->shown);
        text_addc(&answer->shown, '\n');
    }
    if (!n) text_add(&answer->shown, "none\n");
    answer->value = list;
    align_unref(alignment);
    return true;
}

static Value *make_changes(Arena *arena, const Changes *changes)
{
    const struct { const char *name; size_t count; } counts[] = {
        {"load", changes->load}, {"break", changes->broken}, {"change", changes->other},
        {"drop", changes->dropped}, {"collide", changes->collisions},
    };
    Value *map = value_map(arena);
    for (size_t i = 0; i < countof(counts); i++)
        value_put(arena, map, counts[i].name, value_int(arena, (int64_t)counts[i].count));
    return map;
}

bool call_rule_without(Console *console, const Value *arguments, Arena *arena,
                       ScriptAnswer *answer, Error *err)
{
    size_t index;
    bool failed;
    if (!call_takes(arguments, 1, err) || !take_text(console, arguments, &index, err) ||
        !call_needs_lines(console, err))
        return false;
    Snapshot *snapshot = session_snapshot(console->session);
    Alignment *before = snapshot_align(snapshot, &(SnapshotRun){.part = NULL}, &failed, err);
    Alignment *after = before ? snapshot_try(snapshot, &(SnapshotRun){.without = index + 1}, err)
                              : NULL;
    session_give_back(console->session, snapshot);
    if (after) {
        Changes changes;
        changes_init(&changes, before, after);
        answer->value = make_changes(arena, &changes);
        text_add(&answer->shown, "would ");
        changes_show(&changes, &answer->shown);
        text_addc(&answer->shown, '\n');
        changes_done(&changes);
    }
    align_unref(before);
    align_unref(after);
    return after != NULL;
}

bool call_bisect(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    const char *key = NULL;
    Culprit culprit;
    SessionText text;
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a key", &key, err) ||
        !call_needs_lines(console, err))
        return false;
    if (!key) return error_set(err, ERR_USAGE, "it takes a key: bisect \"conv1.weight\"");
    Alignment *alignment = console_ledger(console, err);
    if (!alignment) return false;
    const bool source = !align_find(alignment, key);
    align_unref(alignment);
    Snapshot *snapshot = session_snapshot(console->session);
    bool ok = bisect_row(snapshot, &(SnapshotRun){.part = NULL}, key, source, &culprit, err);
    session_give_back(console->session, snapshot);
    if (!ok) return false;
    session_text(console->session, culprit.text, &text);
    Value *map = value_map(arena);
    value_put(arena, map, "number", value_int(arena, (int64_t)culprit.text + 1));
    value_put(arena, map, "line", value_int(arena, (int64_t)culprit.line));
    value_put(arena, map, "broke", value_bool(arena, culprit.broke));
    value_put(arena, map, "runs", value_int(arena, (int64_t)culprit.runs));
    answer->value = map;
    if (text.kind == RULES_LINE) text_addf(&answer->shown, "line %zu", culprit.text + 1);
    else text_addf(&answer->shown, "%s:%zu", text.name, culprit.line);
    text_addf(&answer->shown, " %s (%zu runs)\n", culprit.broke ? "broke it" : "made it so",
              culprit.runs);
    return true;
}

/* ---- changes ---- */

/* Of functions that change a text: its number, and the session has nothing but lines. */
static bool take_change(const Console *console, const Value *arguments, size_t most, size_t *index,
                        Error *err)
{
    return call_takes(arguments, most, err) && take_text(console, arguments, index, err) &&
           call_needs_lines(console, err);
}

/* Says what was done, as undo will name it, and lets the ledger be made anew. */
static bool tell_change(Console *console, ScriptAnswer *answer, Error *err)
{
    text_addf(&answer->shown, "%s\n", session_undo_what(console->session));
    return console_rebuild(console, err);
}

bool call_rule_toggle(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                      Error *err)
{
    (void)arena;
    size_t index;
    SessionText text;
    if (!take_change(console, arguments, 1, &index, err)) return false;
    session_text(console->session, index, &text);
    session_turn(console->session, index, !text.off);
    return tell_change(console, answer, err);
}

bool call_rule_move(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                    Error *err)
{
    (void)arena;
    size_t index;
    const char *where = NULL;
    if (!take_change(console, arguments, 2, &index, err) ||
        !call_text(arguments, 1, "\"up\" or \"down\"", &where, err))
        return false;
    const bool up = where && strcmp(where, "up") == 0;
    if (!up && !(where && strcmp(where, "down") == 0))
        return error_set(err, ERR_USAGE, "it is called as rule_move(number, \"up\" | \"down\")");
    if (up ? index == 0 : index + 1 == session_text_count(console->session))
        return error_set(err, ERR_USAGE, up ? "it is the first" : "it is the last");
    session_move(console->session, index, up ? index - 1 : index + 1);
    return tell_change(console, answer, err);
}

bool call_rule_delete(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                      Error *err)
{
    (void)arena;
    size_t index;
    if (!take_change(console, arguments, 1, &index, err)) return false;
    session_remove(console->session, index);
    return tell_change(console, answer, err);
}

bool call_rule_edit(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                    Error *err)
{
    (void)arena, (void)answer;
    size_t index;
    const char *text = NULL;
    if (!take_change(console, arguments, 2, &index, err) ||
        !call_text(arguments, 1, "text", &text, err))
        return false;
    if (!text) return error_set(err, ERR_USAGE, "it is called as rule_edit(number, \"text\")");
    return rule_rewrite(console->session, index, text, err) && console_rebuild(console, err);
}

bool call_rule_split(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                     Error *err)
{
    (void)arena, (void)answer;
    size_t index;
    if (!take_change(console, arguments, 1, &index, err)) return false;
    Alignment *alignment = console_ledger(console, err);
    if (!alignment) return false;
    bool ok = rule_split(console->session, alignment, index, err);
    align_unref(alignment);
    return ok && console_rebuild(console, err);
}

bool call_save_session(Console *console, const Value *arguments, Arena *arena,
                       ScriptAnswer *answer, Error *err)
{
    (void)arena;
    const char *path = session_file(console->session);
    const Value *force = call_argument(arguments, 1);
    if (!call_takes(arguments, 2, err) || !call_text(arguments, 0, "a path", &path, err) ||
        !call_needs_lines(console, err))
        return false;
    if (force && force->kind != VALUE_BOOL)
        return error_set(err, ERR_USAGE, "the second argument has to be true or false");
    if (!path) return error_set(err, ERR_USAGE, "it takes a path: save_session \"session.lua\"");
    Alignment *alignment = console_ledger(console, err);
    bool ok = alignment && session_save(console->session, alignment, path,
                                        force && force->boolean, err);
    align_unref(alignment);
    if (ok) text_addf(&answer->shown, "saved the session: tenon %s goes on with it\n", path);
    return ok;
}
