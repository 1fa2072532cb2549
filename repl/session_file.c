/* Writing a session down, and reading it. A file that was changed by hand is read as well as it can
 * be: what is no comment of ours is Lua, and belongs to the text that it stands in. */
#include "repl/session_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/rule_lex.h"
#include "loader/align/suggest.h"
#include "loader/export/atomic.h"
#include "loader/format/format.h"
#include "loader/source/file_text.h"
#include "repl/emit_rules.h"
#include "repl/session_parts.h"
#include "scripting/script.h"

static const char title[] = "-- tenon session 1 ";
static const char apart_begin[] = "do (function()\n", apart_end[] = "\nend)() end\n";
static const char value_begin[] = "do (function() return\n";

/* id, its word */
#define RULES_WORDS(X)                                                                       \
    X(RULES_FILE, "file") X(RULES_CODE, "code") X(RULES_PRESET, "preset") X(RULES_AUTO, "auto") \
    X(RULES_LINE, "line")

static const char *kind_word(RulesKind kind)
{
#define WORD_CASE(id, word) case id: return word;
    switch (kind) { RULES_WORDS(WORD_CASE) }
#undef WORD_CASE
    return "code";
}

/* ---- writing ---- */

static bool holds(const SessionText *text, const Text *part)
{
    for (size_t at = 0; at + part->length <= text->length; at++)
        if (memcmp(text->text + at, part->bytes, part->length) == 0) return true;
    return false;
}

/* "--==": as many signs as make it a part of no text. */
static void make_marker(const Session *session, Text *marker)
{
    text_add(marker, "--=");
    SessionText text;
    for (size_t i = 0; session_text(session, i, &text); i++)
        while (holds(&text, marker)) text_addc(marker, '=');
}

/* A path as it is found from the file's folder: where that is not the current one, the whole of it.
 * What is no file here is a URL, or an alias. */
static void add_path(const char *spec, bool moved, Text *out)
{
    Arena *arena = arena_new();
    const char *file, *inside;
    char whole[PATH_MAX];
    checkpoint_spec(arena, spec, &file, &inside);
    Text text = {0};
    text_add(&text, moved && *file != '/' && realpath(file, whole) ? whole : file);
    if (inside) text_addf(&text, "::%s", inside);
    lua_quote(text_string(&text), text.length, out);
    text_done(&text);
    arena_free(arena);
}

/* For a shell. */
static void add_word(const char *word, Text *out)
{
    text_addc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'') text_add(out, "'\\''");
        else text_addc(out, *word);
    }
    text_addc(out, '\'');
}

/* A word with a line end in it would end the comment. */
static void add_command(const Session *session, const char *path, Text *out)
{
    Text command = {0};
    text_add(&command, "-- Without the viewer: tenon align ");
    add_word(session_source_path(session), &command);
    text_addc(&command, ' ');
    if (session_target_path(session)) add_word(session_target_path(session), &command);
    if (session_seed(session))
        text_addf(&command, " --seed %llu", (unsigned long long)session_seed(session));
    text_add(&command, " -r ");
    add_word(path, &command);
    text_add(&command, " -o OUT");
    for (size_t i = 0; i < command.length; i++)
        if ((unsigned char)command.bytes[i] < ' ') command.length = i;
    text_addn(out, command.bytes, command.length);
    text_addc(out, '\n');
    text_done(&command);
}

static void add_head(const Session *session, const char *path, const Text *marker, Text *out)
{
    char *folder = path_folder(path);
    bool moved = strcmp(folder, ".") != 0;
    text_addf(out, "%s%s\n-- source: ", title, text_string(marker) + 2);
    add_path(session_source_path(session), moved, out);
    if (session_target_path(session)) {
        text_add(out, "\n-- target: ");
        add_path(session_target_path(session), moved, out);
    }
    if (session_seed(session))
        text_addf(out, "\n-- seed: %llu", (unsigned long long)session_seed(session));
    text_add(out, "\n-- tenon FILE goes on with it, where FILE is this one.\n");
    add_command(session, path, out);
    free(folder);
}

/* Inside a comment that it does not end. */
static void add_off(const SessionText *text, Text *out)
{
    Text level = {0}, close = {0};
    text_add(&close, "]]");
    while (holds(text, &close)) {
        text_addc(&level, '=');
        text_clear(&close);
        text_addf(&close, "]%s]", text_string(&level));
    }
    text_addf(out, "--[%s[\n", text_string(&level));
    text_addn(out, text->text, text->length);
    text_addf(out, "\n%s\n", text_string(&close));
    text_done(&level);
    text_done(&close);
}

/* Whether it can stand among others as it is: its names are global, and it goes on to its end. */
static bool is_plain(const SessionText *text)
{
    static const char *const words[] = {"local", "return", "goto"};
    for (size_t i = 0; i < countof(words); i++)
        if (has_word(text->text, text->length, words[i])) return false;
    return text->kind != RULES_FILE;
}

/* Whether it is statements; what is typed may be a value as well, which no script can say. */
static bool is_statements(const SessionText *text)
{
    Text code = {0};
    bool incomplete;
    Error ignored = {0};
    text_add(&code, "do end\n");
    text_addn(&code, text->text, text->length);
    bool statements = script_parses(code.bytes, code.length, &incomplete, &ignored);
    text_done(&code);
    return statements;
}

/* The first line of a file may be for the system. */
static void add_text(const SessionText *text, Text *out)
{
    const char *begin = !is_statements(text) && text->kind == RULES_LINE ? value_begin
                        : is_plain(text)                                 ? ""
                                                                         : apart_begin;
    text_add(out, begin);
    if (text->length && *text->text == '#' && text->kind != RULES_LINE) text_add(out, "--");
    text_addn(out, text->text, text->length);
    text_add(out, *begin ? apart_end : "\n");
}

static void add_texts(const Session *session, const Text *marker, Text *out)
{
    SessionText text;
    for (size_t i = 0; session_text(session, i, &text); i++) {
        text_addf(out, "\n%s %s%s", text_string(marker), text.off ? "off " : "",
                  kind_word(text.kind));
        if (text.kind != RULES_LINE) {
            text_addc(out, ' ');
            lua_quote(text.name, strlen(text.name), out);
        }
        text_addc(out, '\n');
        if (text.off) add_off(&text, out);
        else add_text(&text, out);
    }
}

bool session_save(Session *session, const Alignment *alignment, const char *path, bool force,
                  Error *err)
{
    Text marker = {0}, text = {0};
    make_marker(session, &marker);
    add_head(session, path, &marker, &text);
    add_texts(session, &marker, &text);
    force = force || (session->file && strcmp(session->file, path) == 0);
    bool ok = atomic_check(path, force, err) &&
              (!alignment || emit_check(session, alignment, path, text_string(&text), err)) &&
              atomic_write_file(path, force, &text, err);
    text_done(&marker);
    text_done(&text);
    if (!ok) return false;
    session->file = arena_strdup(session->arena, path);
    session->saved = session_rules_version(session);
    return true;
}

/* ---- reading ---- */

bool session_file_is(const char *path)
{
    char begin[sizeof title - 1];
    ByteSource *file = source_open_file(path, NULL);
    bool is = file && file->size >= sizeof begin &&
              source_read(file, 0, begin, sizeof begin, NULL) &&
              memcmp(begin, title, sizeof begin) == 0;
    source_unref(file);
    return is;
}

typedef struct Reading {
    Arena *arena;
    const char *at, *end;        /* what is left */
    const char *path;            /* of the file */
    const char *marker;          /* "--=" */
    SessionRecord *record;
    size_t room;
} Reading;

/* The next line without its end, and moves behind it. */
static const char *next_line(Reading *reading, size_t *n)
{
    const char *line = reading->at;
    const char *stop = memchr(line, '\n', (size_t)(reading->end - line));
    *n = (size_t)((stop ? stop : reading->end) - line);
    reading->at = stop ? stop + 1 : reading->end;
    return line;
}

/* What stands quoted behind a word of a line; NULL: nothing does. */
static const char *read_name(Reading *reading, const char *line, size_t n)
{
    const char *quote = memchr(line, '"', n), *end = line + n;
    Text text = {0};
    if (!quote || !read_quoted(quote, end, &text, NULL)) {
        text_done(&text);
        return NULL;
    }
    return text_keep(&text, reading->arena);
}

/* From the folder of the session's file, where something lies there under that name. */
static const char *find_path(Reading *reading, const char *spec)
{
    char *folder = path_folder(reading->path);
    struct stat status;
    const char *file, *inside, *there = spec;
    if (strcmp(folder, ".") != 0 && *spec != '/') {
        const char *joined = arena_printf(reading->arena, "%s/%s", folder, spec);
        checkpoint_spec(reading->arena, joined, &file, &inside);
        if (stat(file, &status) == 0) there = joined;
    }
    free(folder);
    return there;
}

static bool begins(const char *line, size_t n, const char *with)
{
    size_t m = strlen(with);
    return n >= m && memcmp(line, with, m) == 0;
}

static void read_head_line(Reading *reading, const char *line, size_t n)
{
    static const char source[] = "-- source: ", target[] = "-- target: ", seed[] = "-- seed: ";
    SessionRecord *record = reading->record;
    const char *name = read_name(reading, line, n);
    if (begins(line, n, source) && name) record->source = find_path(reading, name);
    if (begins(line, n, target) && name) record->target = find_path(reading, name);
    if (begins(line, n, seed)) {
        size_t m = sizeof seed - 1;
        parse_digits(line + m, n - m, &record->seed);
    }
}

/* The kind and name that a marker's line says. What it does not say right is code. */
static SessionText read_marker(Reading *reading, const char *line, size_t n)
{
    SessionText text = {.kind = RULES_CODE, .name = read_name(reading, line, n)};
    if (!text.name) text.name = reading->path;
    const char *end = line + n, *at = skip_space(line + strlen(reading->marker), end);
    if (begins(at, (size_t)(end - at), "off ")) {
        text.off = true;
        at = skip_space(at + 4, end);
    }
#define WORD_KIND(id, word) if (begins(at, (size_t)(end - at), word)) text.kind = id;
    RULES_WORDS(WORD_KIND)
#undef WORD_KIND
    if (text.kind == RULES_FILE) text.kind = RULES_CODE;     /* it stands here now */
    return text;
}

/* Takes off what was put around a text; false where it is not there. */
static bool unwrap(const char **text, size_t *n, const char *begin, const char *end)
{
    size_t m = strlen(begin), k = strlen(end);
    if (*n < m + k || memcmp(*text, begin, m) != 0 || memcmp(*text + *n - k, end, k) != 0)
        return false;
    *text += m;
    *n -= m + k;
    return true;
}

static void unwrap_off(const char **text, size_t *n)
{
    size_t signs = *n > 3 ? strspn(*text + 3, "=") : 0;
    Text open = {0}, close = {0};
    text_addf(&open, "--[%.*s[\n", (int)signs, *text + 3);
    text_addf(&close, "\n]%.*s]\n", (int)signs, *text + 3);
    unwrap(text, n, text_string(&open), text_string(&close));
    text_done(&open);
    text_done(&close);
}

/* The bytes between two markers, the last of them the empty line before the second. */
static void take_text(Reading *reading, SessionText text, const char *bytes, size_t n)
{
    SessionRecord *record = reading->record;
    if (n && bytes[n - 1] == '\n') n--;
    if (text.off) unwrap_off(&bytes, &n);
    else if (!unwrap(&bytes, &n, value_begin, apart_end) &&
             !unwrap(&bytes, &n, apart_begin, apart_end) && n && bytes[n - 1] == '\n') n--;
    if (!n) return;
    text.text = arena_strndup(reading->arena, bytes, n);
    text.length = n;
    record->texts = mem_grow(record->texts, &reading->room, record->text_count + 1, sizeof text);
    record->texts[record->text_count++] = text;
}

/* Comments up to the first marker; what else stands there is code. */
static void read_head(Reading *reading)
{
    size_t n;
    const char *line = next_line(reading, &n);
    size_t signs = n > sizeof title - 1 ? strspn(line + sizeof title - 1, "=") : 0;
    reading->marker = arena_printf(reading->arena, "--%.*s", signs ? (int)signs : 1,
                                   signs ? line + sizeof title - 1 : "=");
    while (reading->at < reading->end) {
        const char *begin = reading->at;
        line = next_line(reading, &n);
        if (begins(line, n, "-- ")) read_head_line(reading, line, n);
        if (!n || begins(line, n, "-- ")) continue;
        reading->at = begin;
        return;
    }
}

static void read_texts(Reading *reading)
{
    SessionText text = {.kind = RULES_CODE, .name = reading->path};
    const char *from = reading->at;
    while (reading->at < reading->end) {
        size_t n;
        const char *line = next_line(reading, &n);
        if (!begins(line, n, reading->marker)) continue;
        take_text(reading, text, from, (size_t)(line - from));
        text = read_marker(reading, line, n);
        from = reading->at;
    }
    /* behind the last there is no marker, and no empty line before it */
    const char *rest = arena_printf(reading->arena, "%.*s\n", (int)(reading->end - from), from);
    take_text(reading, text, rest, strlen(rest));
}

bool session_file_read(const char *path, Arena *arena, SessionRecord *out, Error *err)
{
    size_t n;
    char *text = file_text(path, RULES_BYTES_MAX, &n, err);
    if (!text) return false;
    Reading reading = {.arena = arena, .at = text, .end = text + n, .path = path, .record = out};
    *out = (SessionRecord){0};
    read_head(&reading);
    read_texts(&reading);
    SessionText *texts = out->texts;
    if (texts) out->texts = arena_copy(arena, texts, out->text_count * sizeof *texts);
    free(texts);
    free(text);
    if (out->source) return true;
    return error_set(err, ERR_FORMAT, "%s: is a session without a source (its line '-- source:')",
                     path);
}
