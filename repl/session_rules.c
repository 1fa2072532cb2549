/* What a session consists of, and its changes: every one makes a state of its own, so that undo
 * needs to know nothing of what was done. States are small: their texts are shared. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/align/rule_lex.h"
#include "loader/export/atomic.h"
#include "loader/format/format.h"
#include "loader/source/file_text.h"
#include "loader/source/url.h"
#include "repl/session_parts.h"

/* ---- texts ---- */

RulesText *session_new_text(Session *session, RulesKind kind, const char *name, const char *text,
                            size_t n)
{
    RulesText *rules = mem_alloc(sizeof *rules);
    char *copy = mem_alloc(n + 1);
    if (n) memcpy(copy, text, n);
    copy[n] = '\0';
    *rules = (RulesText){.kind = kind, .name = arena_strdup(session->arena, name), .text = copy,
                         .length = n};
    session->texts = mem_grow(session->texts, &session->text_room, session->text_count + 1,
                              sizeof(RulesText *));
    session->texts[session->text_count++] = rules;
    return rules;
}

/* Time and size are what session_rules_changed compares with. A pipe says all at once: its text is
 * kept as code that was typed is. */
bool session_read_again(RulesText *rules, Error *err)
{
    struct stat info;
    bool known = stat(rules->name, &info) == 0;   /* before the read: a later edit shows */
    size_t n;
    char *text = file_text_given(rules->name, RULES_BYTES_MAX, &n, err);
    if (!text) return false;
    if (known && !S_ISREG(info.st_mode)) rules->kind = RULES_CODE;
    if (known) {
        rules->changed = info.st_mtim;
        rules->size = info.st_size;
    }
    free(rules->text);
    rules->text = text;
    rules->length = n;
    return true;
}

/* --preset NAME is the statement preset "NAME"; NAME{option=…} has options. Quotes in a name would
 * end it: the statement refuses such a name, whatever becomes of them. */
static RulesText *read_preset(Session *session, const char *text)
{
    Text code = {0};
    const size_t n = strcspn(text, "{");
    text_add(&code, "preset \"");
    for (size_t i = 0; i < n; i++)
        if (text[i] != '"' && text[i] != '\\' && text[i] != '\n') text_addc(&code, text[i]);
    text_addf(&code, "\"%s", text + n);
    const char *name = arena_printf(session->arena, "--preset %.*s", (int)n, text);
    RulesText *rules = session_new_text(session, RULES_PRESET, name, text_string(&code),
                                        code.length);
    text_done(&code);
    return rules;
}

RulesText *session_read_text(Session *session, const RulesArgument *argument,
                             const char *code_name, Error *err)
{
    const char *text = argument->text;
    switch (argument->kind) {
    case RULES_PRESET: return read_preset(session, text);
    case RULES_CODE: return session_new_text(session, RULES_CODE, code_name, text, strlen(text));
    case RULES_AUTO: return session_new_text(session, RULES_AUTO, "--auto", text, strlen(text));
    case RULES_LINE: return session_new_text(session, RULES_LINE, "", text, strlen(text));
    case RULES_FILE: break;
    }
    RulesText *rules = session_new_text(session, RULES_FILE, text, "", 0);
    return session_read_again(rules, err) ? rules : NULL;
}

size_t session_text_count(const Session *session)
{
    return session_now(session)->count;
}

bool session_text(const Session *session, size_t index, SessionText *out)
{
    const SessionState *state = session_now(session);
    if (index >= state->count) return false;
    const RulesText *text = state->items[index].text;
    *out = (SessionText){text->kind, text->kind == RULES_LINE ? ":" : text->name, text->text,
                         text->length, state->items[index].off};
    return true;
}

/* By time and size; a file that is gone counts as unchanged, since editors save by renaming. */
bool session_rules_changed(Session *session)
{
    const SessionState *state = session_now(session);
    for (size_t i = 0; i < state->count; i++) {
        const RulesText *rules = state->items[i].text;
        struct stat info;
        if (rules->kind == RULES_FILE && !state->items[i].off && stat(rules->name, &info) == 0 &&
            (info.st_size != rules->size || info.st_mtim.tv_sec != rules->changed.tv_sec ||
             info.st_mtim.tv_nsec != rules->changed.tv_nsec))
            return true;
    }
    return false;
}

/* ---- states ---- */

static void free_state(SessionState *state)
{
    session_files_unref(state->files);
    free(state->items);
    for (int side = 0; side < 2; side++) free(state->marks[side].keys);
    free(state);
}

static SessionState *copy_state(const SessionState *state)
{
    SessionState *copy = mem_alloc(sizeof *copy);
    *copy = *state;
    copy->items = mem_alloc((state->count + 1) * sizeof *copy->items);
    if (state->count) memcpy(copy->items, state->items, state->count * sizeof *copy->items);
    for (int side = 0; side < 2; side++) {
        size_t n = state->marks[side].count;
        copy->marks[side].keys = mem_alloc((n + 1) * sizeof(char *));
        if (n) memcpy(copy->marks[side].keys, state->marks[side].keys, n * sizeof(char *));
    }
    if (copy->files) copy->files->refs++;
    return copy;
}

static void forget_undone(Session *session)
{
    while (session->state_count > session->at + 1)
        free_state(session->states[--session->state_count]);
}

static void push_state(Session *session, SessionState *state)
{
    session->states = mem_grow(session->states, &session->state_room, session->state_count + 1,
                               sizeof(SessionState *));
    session->at = session->state_count++;
    session->states[session->at] = state;
}

void session_begin(Session *session)
{
    const SessionState nothing = {.what = ""};
    push_state(session, copy_state(&nothing));
}

static SessionState *push_copy(Session *session, const char *what)
{
    forget_undone(session);
    SessionState *state = copy_state(session_now(session));
    state->what = arena_strdup(session->arena, what);
    push_state(session, state);
    return state;
}

/* A new state, which is now the present one: a copy of the one before, to be changed. What was
 * undone is forgotten. `what` is copied. Keys may have other names behind it, so that no mark
 * stays. */
static SessionState *session_change(Session *session, const char *what)
{
    SessionState *state = push_copy(session, what);
    state->rules_version = ++session->version;
    for (int side = 0; side < 2; side++) state->marks[side].count = 0;
    return state;
}

void session_append(SessionState *state, RulesText *text, bool off)
{
    state->items = mem_realloc(state->items, (state->count + 1) * sizeof *state->items);
    state->items[state->count++] = (RuleItem){text, off};
}

/* Forgets all states but the present one, whose rules count as saved. */
static void session_restart(Session *session)
{
    forget_undone(session);
    SessionState *state = session->states[session->at];
    for (size_t i = 0; i < session->at; i++) free_state(session->states[i]);
    session->states[0] = state;
    session->state_count = 1;
    session->at = 0;
    session->saved = state->rules_version;
}

void session_free_states(Session *session)
{
    for (size_t i = 0; i < session->state_count; i++) free_state(session->states[i]);
    free(session->states);
    for (size_t i = 0; i < session->text_count; i++) {
        free(session->texts[i]->text);
        free(session->texts[i]);
    }
    free(session->texts);
}

const char *session_undo_what(const Session *session)
{
    return session->at ? session_now(session)->what : NULL;
}

const char *session_redo_what(const Session *session)
{
    return session->at + 1 < session->state_count ? session->states[session->at + 1]->what : NULL;
}

bool session_undo(Session *session)
{
    if (!session->at) return false;
    session->at--;
    return true;
}

void session_take_back(Session *session)
{
    if (session_undo(session)) forget_undone(session);
}

bool session_redo(Session *session)
{
    if (session->at + 1 == session->state_count) return false;
    session->at++;
    return true;
}

unsigned session_rules_version(const Session *session)
{
    return session_now(session)->rules_version;
}

/* Undoing back to the saved state makes the session saved again. */
bool session_is_saved(const Session *session)
{
    return session_now(session)->rules_version == session->saved;
}

/* ---- changes ---- */

static bool is_line(const RuleItem *item)
{
    return item->text->kind == RULES_LINE && !item->off;
}

size_t session_line_count(const Session *session)
{
    const SessionState *state = session_now(session);
    size_t count = 0;
    for (size_t i = 0; i < state->count; i++) count += is_line(&state->items[i]);
    return count;
}

const char *session_line(const Session *session, size_t index)
{
    const SessionState *state = session_now(session);
    for (size_t i = 0; i < state->count; i++)
        if (is_line(&state->items[i]) && !index--) return state->items[i].text->text;
    return NULL;
}

static RulesText *new_line(Session *session, const char *line)
{
    return session_new_text(session, RULES_LINE, "", line, strlen(line));
}

void session_add_line(Session *session, const char *line)
{
    session_append(session_change(session, line), new_line(session, line), false);
}

void session_swap_lines(Session *session, bool (*leave)(const char *line), const char *line,
                        const char *what)
{
    SessionState *state = session_change(session, what);
    size_t kept = 0;
    for (size_t i = 0; i < state->count; i++)
        if (!is_line(&state->items[i]) || !leave(state->items[i].text->text))
            state->items[kept++] = state->items[i];
    state->count = kept;
    if (line) session_append(state, new_line(session, line), false);
}

/* "off: strip "module."", of a text its first line. */
static SessionState *change_item(Session *session, const char *how, size_t index)
{
    const RulesText *text = session_now(session)->items[index].text;
    const char *name = text->kind == RULES_LINE ? text->text : text->name;
    Text what = {0};
    text_addf(&what, "%s: %.*s", how, (int)strcspn(name, "\n"), name);
    SessionState *state = session_change(session, text_string(&what));
    text_done(&what);
    return state;
}

void session_turn(Session *session, size_t index, bool off)
{
    change_item(session, off ? "off" : "on", index)->items[index].off = off;
}

void session_move(Session *session, size_t index, size_t to)
{
    RuleItem *items = change_item(session, "moved", index)->items, item = items[index];
    for (; index < to; index++) items[index] = items[index + 1];
    for (; index > to; index--) items[index] = items[index - 1];
    items[to] = item;
}

void session_remove(Session *session, size_t index)
{
    SessionState *state = change_item(session, "deleted", index);
    state->count--;
    for (; index < state->count; index++) state->items[index] = state->items[index + 1];
}

/* Without white space at the ends; empty where there are but comments. */
static RulesText *part_of(Session *session, const char *from, const char *to)
{
    trim(&from, &to);
    for (const char *p = from; p < to;) {
        if (to - p < 2 || p[0] != '-' || p[1] != '-')
            return session_new_text(session, RULES_LINE, "", from, (size_t)(to - from));
        const char *end = memchr(p, '\n', (size_t)(to - p));
        p = skip_space(end ? end : to, to);
    }
    return NULL;
}

void session_split(Session *session, size_t index, const size_t *ends, size_t count)
{
    const SessionState *old = session_now(session);
    const RulesText *text = old->items[index].text;
    SessionState *state = change_item(session, "taken apart", index);
    const bool off = state->items[index].off;
    const size_t behind = state->count - index - 1;
    state->items = mem_realloc(state->items, (state->count + count + 1) * sizeof *state->items);
    RuleItem *rest = &state->items[index + count];
    memmove(rest, &state->items[index + 1], behind * sizeof *rest);
    state->count = index;
    for (size_t i = 0; i < count; i++) {
        RulesText *part = part_of(session, text->text + (i ? ends[i - 1] : 0),
                                  text->text + ends[i]);
        if (part) state->items[state->count++] = (RuleItem){part, off};
    }
    memmove(&state->items[state->count], rest, behind * sizeof *rest);
    state->count += behind;
}

void session_rewrite(Session *session, size_t index, const char *text)
{
    const RulesText *old = session_now(session)->items[index].text;
    RulesText *new = session_new_text(session, old->kind, old->name, text, strlen(text));
    change_item(session, "edited", index)->items[index].text = new;
}

/* A file of which another part is meant is open already. One that no format knew is opened again:
 * it may know it now. */
static bool is_open(Session *session, int side, const char *file)
{
    const SessionFiles *old = session_now(session)->files;
    const char *was = side ? old->target_file : old->source_file;
    if (!was || (!side && old->unopened.code)) return false;
    if (file_stamps_changed(&old->stamps[side])) return false;   /* what is open is an older one */
    return strcmp(url_shown(session->arena, file), url_shown(session->arena, was)) == 0;
}

bool session_side_file(Session *session, int side, const char *path, const char **file, Error *err)
{
    const char *inside;
    if (!session_split_name(session, path, file, &inside, err)) return false;
    if (is_open(session, side, *file)) *file = NULL;
    return true;
}

/* The side that stays is not opened again. */
bool session_open_side(Session *session, int side, const char *path, const SessionOpener *opener,
                       Error *err)
{
    const SessionFiles *old = session_now(session)->files;
    const char *file;
    SessionOptions options = {.source = side ? old->source_path : path,
                              .target = side ? path : old->target_path,
                              .source_opened = old->unopened.code ? NULL : old->source,
                              .target_opened = old->target_checkpoint,
                              .opener = opener};
    if (!session_side_file(session, side, path, &file, err)) return false;
    if (file && side) options.target_opened = NULL;
    if (file && !side) options.source_opened = NULL;
    SessionFiles *files = session_open_files(session, &options, err);
    if (!files) return false;
    for (int i = 0; i < 2; i++)
        if (!files->stamps[i].count) file_stamps_copy(&files->stamps[i], &old->stamps[i]);
    SessionState *state = session_change(session, side ? "another target" : "another source");
    session_files_unref(state->files);
    state->files = files;
    judge_book_done(&session->judged);
    return true;
}

/* Marks are no rules: what is aligned stays the same. */
void session_mark(Session *session, int side, const char *key)
{
    const KeyMarks *old = &session_now(session)->marks[side];
    size_t at = 0;
    while (at < old->count && strcmp(old->keys[at], key) != 0) at++;
    const bool marked = at < old->count;
    SessionState *state = push_copy(session, marked ? "unmarked" : "marked");
    KeyMarks *marks = &state->marks[side];
    if (marked) {
        marks->count--;
        for (; at < marks->count; at++) marks->keys[at] = marks->keys[at + 1];
        return;
    }
    marks->keys[marks->count++] = arena_strdup(session->arena, key);   /* copied with room for it */
}

void session_unmark_all(Session *session)
{
    SessionState *state = push_copy(session, "unmarked");
    for (int side = 0; side < 2; side++) state->marks[side].count = 0;
}

size_t session_marked(const Session *session, int side, const char *const **keys)
{
    const KeyMarks *marks = &session_now(session)->marks[side];
    *keys = (const char *const *)marks->keys;
    return marks->count;
}

/* ---- lines into a file ---- */

/* Where the lines would run when they stood at the end of the file. SIZE_MAX: it is no text of the
 * session, and will be its last. */
static size_t find_file(const SessionState *state, const char *path)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->items[i].text->kind == RULES_FILE &&
            strcmp(state->items[i].text->name, path) == 0)
            return i;
    return SIZE_MAX;
}

/* The lines have to come last: behind the file, and with nothing between. */
static bool check_order(const SessionState *state, const char *path, Error *err)
{
    size_t file = find_file(state, path);
    bool lines = false;
    for (size_t i = 0; i < state->count; i++) {
        const RuleItem *item = &state->items[i];
        if (item->off) continue;
        bool other = !is_line(item) && (lines || (file != SIZE_MAX && i > file));
        if (other || (is_line(item) && file != SIZE_MAX && i < file))
            return error_set(err, ERR_USAGE, "%s: the lines would run at another place than now; "
                             "save-session writes all rules in their order", path);
        lines = lines || is_line(item);
    }
    if (file != SIZE_MAX && state->items[file].off)
        return error_set(err, ERR_USAGE, "%s: it is turned off, and the lines would be", path);
    return true;
}

/* The file as it is on disk, a newline where its last line lacks one, and the lines behind it,
 * written whole and renamed. A file that is not there begins empty. */
static bool write_lines(const SessionState *state, const char *path, Error *err)
{
    Text text = {0};
    bool ok = true;
    if (access(path, F_OK) == 0) {
        size_t n = 0;
        char *old = file_text(path, RULES_BYTES_MAX, &n, err);
        ok = old != NULL;
        if (old) text_addn(&text, old, n);
        if (n && old[n - 1] != '\n') text_addc(&text, '\n');
        free(old);
    }
    for (size_t i = 0; i < state->count; i++)
        if (is_line(&state->items[i])) text_addf(&text, "%s\n", state->items[i].text->text);
    ok = ok && atomic_write_file(path, true, &text, err);
    text_done(&text);
    return ok;
}

/* The file gets the lines and the session forgets them, so that they do not run twice. */
bool session_save_lines(Session *session, const char *path, Error *err)
{
    const SessionState *old = session_now(session);
    if (!check_order(old, path, err) || !write_lines(old, path, err)) return false;
    SessionState *state = session_change(session, "saved");
    size_t kept = 0, file = find_file(state, path);
    RulesText *text = file != SIZE_MAX ? state->items[file].text : NULL;
    for (size_t i = 0; i < state->count; i++)
        if (!is_line(&state->items[i])) state->items[kept++] = state->items[i];
    state->count = kept;
    if (!text) session_append(state, text = session_new_text(session, RULES_FILE, path, "", 0),
                              false);
    session_restart(session);
    return session_read_again(text, err);
}
