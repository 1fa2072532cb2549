/* Script: a sandbox, the words of the rule language in it, and the chunks that run there.
 *
 * Everything that a chunk does happens under one pcall in script_run; statements call the draft
 * from there, and the draft calls back through script_protect. So Lua errors unwind Lua's own
 * frames only, and what C owns is freed by whoever made it. */
#include "scripting/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"

enum { SHOWN_MAX = 44 };             /* Lua cuts a chunk's name at 60 bytes, ":LINE" included */

/* Under pcall: memory may be out already. Statements, ops and facts are globals of their names;
 * a script may set them otherwise, which harms nobody but itself. */
static int open_words(lua_State *L)
{
    statements_open(L);
    ops_open(L);
    tensors_open(L);
    facts_open(L);
    functions_open(L);
    host_open(script_of(L));
    return 0;
}

/* A text of its own, in place of the one before. */
static void take_text(char **slot, const char *text)
{
    free(*slot);
    *slot = text ? mem_strdup(text) : NULL;
}

static void set_paths(Script *script, const ScriptOptions *options)
{
    take_text(&script->folders[0], options->json_folder);
    take_text(&script->folders[1], options->json_folder2);
    take_text(&script->source_path, options->source_path);
    take_text(&script->source_name, options->source_name);
    take_text(&script->model, options->model);
    take_text(&script->log, options->log);
    take_text(&script->lexicon_path, options->lexicon_path);
}

/* A limit that the caller gave is kept to; only the defaults grow with the source. */
static void set_limits(Script *script, const ScriptOptions *options)
{
    Sandbox *sandbox = &script->sandbox;
    sandbox->limit = options && options->instructions ? options->instructions : SCRIPT_INSTRUCTIONS;
    if (options && options->patience) sandbox->limit *= options->patience;
    sandbox->left = sandbox->limit;
    sandbox->memory_limit = options && options->memory ? options->memory : SCRIPT_MEMORY;
    script->grows = !options || (!options->instructions && !options->memory);
    sandbox->interrupt = options ? options->interrupt : NULL;
    script->functions = options ? options->functions : NULL;
    if (options) set_paths(script, options);
}

/* Cannot fail: what keeps it from running is said by the first chunk. */
Script *script_new(Draft *draft, const ScriptOptions *options)
{
    Script *script = mem_alloc(sizeof *script);
    script->draft = draft;
    script->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    script->arena_seen = arena_bytes(draft_arena(draft));
    set_limits(script, options);
    script->L = sandbox_open(&script->sandbox);
    script->current = script->L;
    if (!script->L) return script;   /* memory below what Lua itself needs: chunks will say so */
    script->sandbox.running = script->L;
    lua_pushcfunction(script->L, open_words);
    if (lua_pcall(script->L, 0, 0, 0) != LUA_OK) {
        lua_close(script->L);
        script->L = NULL;
    }
    return script;
}

/* Names of chunks stay behind in the draft's arena, where steps point to them. */
void script_free(Script *script)
{
    if (!script) return;
    if (script->L) lua_close(script->L);
    if (script->locale) freelocale(script->locale);
    for (size_t i = 0; i < script->chunk_count; i++) free((char *)script->chunks[i].text);
    for (size_t i = 0; i < countof(script->folders); i++) free(script->folders[i]);
    free(script->chunks);
    free(script->source_path);
    free(script->source_name);
    free(script->log);
    free(script->model);
    free(script->lexicon_path);
    free(script->scope);
    text_done(&script->output);
    text_done(&script->scratch);
    free(script);
}

/* A copy whose line ends are \n, as Lua reads them in long strings: rule text is found again in
 * it, and its lines counted. \r\n, \n\r and a lone \r are one end each. The caller frees. */
static char *copy_text(const char *text, size_t n, size_t *length)
{
    char *copy = mem_alloc(n + 1);
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        const bool end = text[i] == '\r' || text[i] == '\n';
        copy[out++] = text[i] == '\r' ? '\n' : text[i];
        if (end && i + 1 < n && text[i + 1] != text[i] &&
            (text[i + 1] == '\r' || text[i + 1] == '\n'))
            i++;
    }
    *length = out;
    return copy;
}

/* Texts are kept: a function that an earlier chunk defined may call rules with one of its
 * literals later. */
const Chunk *script_add_chunk(Script *script, const char *text, size_t n, const char *name)
{
    Arena *arena = draft_arena(script->draft);
    const size_t length = strlen(name);
    Chunk chunk = {.name = arena_strdup(arena, name)};
    chunk.shown = length <= SHOWN_MAX ? chunk.name
                                      : arena_printf(arena, "...%s", name + length - SHOWN_MAX + 3);
    chunk.text = copy_text(text, n, &chunk.n);
    script->chunks = mem_grow(script->chunks, &script->chunk_room, script->chunk_count + 1,
                              sizeof *script->chunks);
    script->chunks[script->chunk_count] = chunk;
    return &script->chunks[script->chunk_count++];
}

/* A first line that begins with # is for the system, as in lua itself. Returns the bytes to leave
 * out; the newline stays, so that lines keep their numbers. */
static size_t skip_shebang(const Chunk *chunk)
{
    const char *end =
        chunk->n && chunk->text[0] == '#' ? memchr(chunk->text, '\n', chunk->n) : NULL;
    return end ? (size_t)(end - chunk->text) : chunk->n && chunk->text[0] == '#' ? chunk->n : 0;
}

/* What script_run hands through lua_pcall, which takes no context but Lua values. */
typedef struct Running {
    const Chunk *chunk;      /* owned by the script */
    const char *options;     /* the fields of the chunk's argument, as Lua; NULL: none */
} Running;

/* Pushes the table of options: a chunk of its own, which sees the globals as any other does. Raises
 * what is wrong with them. */
static void push_options(lua_State *L, const char *options)
{
    lua_pushfstring(L, "{%s}", options);
    size_t n;
    const char *table = lua_tolstring(L, -1, &n);
    if (sandbox_load(L, "return ", table, n, "=options") != LUA_OK) sandbox_rethrow(L);
    lua_call(L, 0, 1);
    lua_remove(L, -2);
}

/* Runs under pcall; an error of the compiler is raised on. At the prompt a text is tried as an
 * expression first and as it stands, so that #src is a length there and no line for the system. */
static int run_protected(lua_State *L)
{
    const Running *running = lua_touserdata(L, 1);
    const Chunk *chunk = running->chunk;
    const size_t skip = skip_shebang(chunk);
    lua_settop(L, 0);
    lua_pushfstring(L, "=%s", chunk->shown);
    const char *name = lua_tostring(L, 1);
    const bool prompt = chunk_is_typed(chunk);
    int status = LUA_ERRSYNTAX;
    if (prompt) status = sandbox_load(L, "return ", chunk->text, chunk->n, name);
    if (status != LUA_OK)
        status = sandbox_load(L, "", chunk->text + skip, chunk->n - skip, name);
    if (status != LUA_OK) return sandbox_rethrow(L);
    const int before = lua_gettop(L);
    if (running->options) push_options(L, running->options);
    lua_call(L, running->options ? 1 : 0, LUA_MULTRET);
    preset_flush(L);
    if (lua_gettop(L) < before) return 0;
    if (prompt) show_values(L, before, lua_gettop(L));
    else print_values(L, before, lua_gettop(L));
    return 0;
}

/* Every chunk has its own output; globals stay. The message handler is C: it also runs inside
 * the hook, where no script code may. */
bool script_run_with(Script *script, const char *text, size_t n, const char *name,
                     const char *options, Error *err)
{
    Running running = {script_add_chunk(script, text, n, name), options};
    lua_State *L = script->L;
    text_clear(&script->output);
    script->output_cut = false;
    if (!L)
        return error_set(err, ERR_LIMIT, "%s:1: the memory limit is below what Lua needs", name);
    if (script->sandbox.stop == STOP_INTERRUPT) script->sandbox.stop = STOP_NONE;
    if (script->sandbox.stop) {
        snprintf(script->sandbox.place, sizeof script->sandbox.place, "%s:1", running.chunk->shown);
        message_take(script, LUA_ERRRUN, 0, err);
        return false;
    }
    script->busy = NULL;
    script->pending = NULL;
    script->running = script->chunk_count - 1;
    script->current = script->sandbox.running = L;
    script->error.text[0] = '\0';
    lua_settop(L, 0);
    sandbox_resume(&script->sandbox, L);
    snprintf(script->sandbox.place, sizeof script->sandbox.place, "%s:1", running.chunk->shown);
    lua_pushcfunction(L, message_note_place);
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, &running);
    const locale_t before = script->locale ? uselocale(script->locale) : (locale_t)0;
    const int status = lua_pcall(L, 1, 0, 1);
    script->current = script->sandbox.running = L;
    if (status != LUA_OK) message_take(script, status, -1, err);
    if (script->locale) uselocale(before);
    lua_settop(L, 0);
    return status == LUA_OK;
}

bool script_run(Script *script, const char *text, size_t n, const char *name, Error *err)
{
    return script_run_with(script, text, n, name, NULL, err);
}

/* What is on the stack of the running chunk stays; the chunk that called goes on. */
bool script_run_inside(Script *script, const char *text, size_t n, const char *name, Error *err)
{
    Running running = {script_add_chunk(script, text, n, name), NULL};
    lua_State *L = script->current;
    const size_t before = script->running;
    if (!L || !lua_checkstack(L, 8)) return error_set(err, ERR_LIMIT, "the Lua stack is full");
    const int top = lua_gettop(L);
    script->running = script->chunk_count - 1;
    lua_pushcfunction(L, message_note_place);
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, &running);
    const int status = lua_pcall(L, 1, 0, top + 1);
    script->running = before;
    script->current = L;
    if (status != LUA_OK) message_take(script, status, -1, err);
    lua_settop(L, top);
    return status == LUA_OK;
}

const char *script_output(const Script *script)
{
    return text_string(&script->output);
}

void script_renew(Script *script)
{
    script->sandbox.left = script->sandbox.limit;
    script->sandbox.stop = STOP_NONE;
}

size_t script_statements(const Script *script)
{
    return script->statements;
}

/* Under pcall: a global is made, which takes memory. */
static int change_draft(lua_State *L)
{
    facts_set_target(L);
    return 0;
}

/* Names of chunks lie in the arena of the draft whose steps point to them. */
void script_use(Script *script, Draft *draft, const ScriptOptions *options)
{
    Arena *arena = draft_arena(draft);
    set_paths(script, options);
    script->sandbox.memory -= script->arena_held;
    script->arena_held = 0;
    script->draft = draft;
    script->era++;
    script->arena_seen = arena_bytes(arena);
    for (size_t i = 0; i < script->chunk_count; i++) {
        Chunk *chunk = &script->chunks[i];
        const bool whole = chunk->shown == chunk->name;
        chunk->name = arena_strdup(arena, chunk->name);
        chunk->shown = whole ? chunk->name : arena_strdup(arena, chunk->shown);
    }
    lua_State *L = script->current;
    if (!L) return;
    lua_pushcfunction(L, change_draft);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* Whether the message on top says that the text ended too early. */
static bool ends_early(lua_State *L)
{
    size_t n;
    const char *message = lua_tolstring(L, -1, &n);
    return message && n >= 5 && strcmp(message + n - 5, "<eof>") == 0;
}

/* In a state of its own, so that nothing is left behind by a line that is still being typed. */
bool script_parses(const char *text, size_t n, bool *incomplete, Error *err)
{
    Sandbox sandbox = {.limit = SCRIPT_INSTRUCTIONS, .left = SCRIPT_INSTRUCTIONS,
                       .memory_limit = SCRIPT_MEMORY};
    lua_State *L = sandbox_open(&sandbox);
    *incomplete = false;
    if (!L) return error_set(err, ERR_LIMIT, "out of memory");
    char *line = mem_alloc(n + 2);         /* more input would come on a line of its own */
    memcpy(line, text, n);
    line[n] = '\n';
    int status = sandbox_load(L, "return ", line, n + 1, "=:");
    if (status != LUA_OK) status = sandbox_load(L, "", line, n + 1, "=:");
    free(line);
    *incomplete = status == LUA_ERRSYNTAX && ends_early(L);
    if (status != LUA_OK) {
        const char *message = lua_tostring(L, -1);
        error_set(err, ERR_RULE, "%s", message ? message : ":1: the text is too long to parse");
    }
    lua_close(L);
    return status == LUA_OK;
}
