/* Functions of the prompt that change the session. */
#include <inttypes.h>
#include <string.h>

#include "loader/align/suggest.h"
#include "loader/source/url.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"

/* ---- lines ---- */

bool call_needs_lines(const Console *console, Error *err)
{
    return !console_has_loose(console) ||
           error_set(err, ERR_RULE, "statements have run that are no lines of the session; a "
                     "script that gives its rules to apply() can call it");
}

bool call_apply(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
              Error *err)
{
    (void)arena;
    if (!arguments->list.count) return error_set(err, ERR_USAGE, "it takes a line of rules");
    for (size_t i = 0; i < arguments->list.count; i++) {
        const char *line = NULL;
        if (!call_text(arguments, i, "a line of rules", &line, err)) return false;
        if (!line) return error_set(err, ERR_USAGE, "argument %zu is nil", i + 1);
        if (!console_add_line(console, line, err)) return false;
        text_addf(&answer->shown, "applied (%s): %s\n", text_string(&console->said), line);
    }
    text_clear(&console->said);
    return true;
}

/* Whether a field can be written without brackets. */
static bool is_word(const char *key)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    return *key && strspn(key, letters) == strlen(key);
}

/* A value as Lua spells it. */
static void add_lua(const Value *value, Text *out)
{
    char number[32];
    switch (value->kind) {
    case VALUE_NULL: text_add(out, "nil"); return;
    case VALUE_BOOL: text_add(out, value->boolean ? "true" : "false"); return;
    case VALUE_INT: text_addf(out, "%lld", (long long)value->integer); return;
    case VALUE_FLOAT:
        show_float(value->number, number);
        text_add(out, number);
        return;
    case VALUE_STRING: lua_quote(value->string, strlen(value->string), out); return;
    case VALUE_LIST: case VALUE_MAP: break;
    }
    text_addc(out, '{');
    for (size_t i = 0; i < value->list.count; i++) {
        const ValueItem *item = &value->list.items[i];
        if (i) text_add(out, ", ");
        if (item->key && is_word(item->key)) text_addf(out, "%s=", item->key);
        else if (item->key) {
            text_addc(out, '[');
            lua_quote(item->key, strlen(item->key), out);
            text_add(out, "]=");
        }
        add_lua(item->value, out);
    }
    text_addc(out, '}');
}

bool call_align(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                Error *err)
{
    (void)arena;
    const Value *options = call_argument(arguments, 0);
    if (!call_takes(arguments, 1, err)) return false;
    if (options && options->kind != VALUE_MAP && options->kind != VALUE_LIST)
        return error_set(err, ERR_USAGE, "it takes what auto{…} takes");
    Text line = {0};
    text_add(&line, "auto");
    if (options) add_lua(options, &line);
    else text_add(&line, "{}");
    bool ok = console_add_line(console, text_string(&line), err);
    if (ok) text_addf(&answer->shown, "applied (%s): %s\n", text_string(&console->said),
                      text_string(&line));
    text_clear(&console->said);
    text_done(&line);
    return ok;
}

bool call_lines(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                Error *err)
{
    if (!call_takes(arguments, 0, err)) return false;
    const Session *session = console->session;
    Value *list = value_list(arena);
    for (size_t i = 0; i < session_line_count(session); i++) {
        value_push(arena, list, value_string(arena, session_line(session, i)));
        text_addf(&answer->shown, "%s\n", session_line(session, i));
    }
    if (!answer->shown.length) text_add(&answer->shown, "none\n");
    answer->value = list;
    return true;
}

/* A count of 1 or more; 1 when none is given. */
static bool take_count(const Value *arguments, int64_t *count, Error *err)
{
    const Value *value = call_argument(arguments, 0);
    *count = 1;
    if (!call_takes(arguments, 1, err)) return false;
    if (!value) return true;
    if (value->kind != VALUE_INT || value->integer < 1)
        return error_set(err, ERR_USAGE, "it takes a number of lines");
    *count = value->integer;
    return true;
}

/* Steps until there are no more, but one at least; says what each has moved. */
static bool step(Console *console, const Value *arguments, bool back, ScriptAnswer *answer,
                 Error *err)
{
    int64_t wanted, done = 0;
    Session *session = console->session;
    if (!take_count(arguments, &wanted, err) || !call_needs_lines(console, err)) return false;
    for (; done < wanted; done++) {
        const char *what = back ? session_undo_what(session) : session_redo_what(session);
        if (!what) break;
        text_addf(&answer->shown, "%s: %s\n", back ? "undone" : "redone", what);
        if (back) session_undo(session);
        else session_redo(session);
    }
    if (!done)
        return error_set(err, ERR_USAGE, "there is nothing to %s", back ? "undo" : "redo");
    return console_rebuild(console, err);
}

bool call_undo(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    (void)arena;
    return step(console, arguments, true, answer, err);
}

bool call_redo(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    (void)arena;
    return step(console, arguments, false, answer, err);
}

/* Aligning is what reads the files again. */
bool call_reload(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    (void)arena, (void)answer;
    bool failed = false;
    if (!call_takes(arguments, 0, err) || !call_needs_lines(console, err)) return false;
    Alignment *alignment = session_align(console->session, &failed, err);
    align_unref(alignment);
    return alignment && !failed && console_rebuild(console, err);
}

bool call_save(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    (void)arena;
    const char *path = NULL;
    size_t n = session_line_count(console->session);
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a path", &path, err))
        return false;
    if (!path) return error_set(err, ERR_USAGE, "it takes a path: save \"rules.lua\"");
    if (!n) return error_set(err, ERR_USAGE, "this session has no lines to save");
    if (!session_save_lines(console->session, path, err)) return false;
    text_addf(&answer->shown, "saved %zu line%s to %s\n", n, n == 1 ? "" : "s", path);
    return true;
}

/* ---- files ---- */

static bool open_path(Console *console, int side, const char *path, ScriptAnswer *answer,
                      Error *err)
{
    Session *session = console->session;
    if (console->options.open) {
        console->options.open(console->options.context, side, path);
        return true;
    }
    if (!session_open_side(session, side, path, NULL, err)) return false;
    const Checkpoint *opened = side ? session_target_checkpoint(session) : session_source(session);
    url_hide(path, &answer->shown);
    text_addf(&answer->shown, "   %s\n", checkpoint_format(opened));
    return console_rebuild(console, err);
}

static bool open_side(Console *console, int side, const Value *arguments, ScriptAnswer *answer,
                      Error *err)
{
    const char *path = NULL;
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a path", &path, err))
        return false;
    if (!path) return error_set(err, ERR_USAGE, "it takes the name of a checkpoint");
    return open_path(console, side, path, answer, err);
}

bool call_reopen(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    Session *session = console->session;
    const bool changed[] = {session_side_changed(session, 0), session_side_changed(session, 1)};
    (void)arena;
    if (!call_takes(arguments, 0, err)) return false;
    if (changed[0] && !open_path(console, 0, session_source_path(session), answer, err))
        return false;
    if (changed[1] && !open_path(console, 1, session_target_path(session), answer, err))
        return false;
    return changed[0] || changed[1] ||
           error_set(err, ERR_USAGE, "no file has changed on disk since it was opened");
}

bool call_open_source(Console *console, const Value *arguments, Arena *arena,
                      ScriptAnswer *answer, Error *err)
{
    (void)arena;
    return open_side(console, 0, arguments, answer, err);
}

bool call_open_target(Console *console, const Value *arguments, Arena *arena,
                      ScriptAnswer *answer, Error *err)
{
    (void)arena;
    return open_side(console, 1, arguments, answer, err);
}

bool call_verb(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    (void)arena, (void)answer;
    const char *line = NULL;
    if (!call_takes(arguments, 1, err) || !call_text(arguments, 0, "a verb line", &line, err))
        return false;
    if (!line) return error_set(err, ERR_USAGE, "it takes a verb line: verb \"goto fc.weight\"");
    if (!console->options.verb)
        return error_set(err, ERR_USAGE, "there is no viewer here; tenon SOURCE TARGET opens it");
    return console->options.verb(console->options.context, line, err);
}

bool call_exit(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    (void)arena;
    const Value *status = call_argument(arguments, 0);
    if (!call_takes(arguments, 1, err)) return false;
    bool plain = !status || status->kind == VALUE_BOOL ||
                 (status->kind == VALUE_INT && status->integer >= 0 && status->integer <= 255);
    if (!plain) return error_set(err, ERR_USAGE, "the status has to be 0 to 255");
    console->status = !status ? 0 : status->kind == VALUE_BOOL ? !status->boolean
                                                               : (int)status->integer;
    console->exits = answer->stop = true;
    return true;
}
