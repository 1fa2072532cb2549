/* The statements of the rule language: each takes its arguments and calls the draft. Lua errors
 * are raised in run_statement alone, when no C frame below owns anything.
 *
 * What a statement costs is charged before it runs, by the number of keys and of lines, since
 * the hook cannot look in while C works. What it makes in the draft's arena counts against the
 * memory limit afterwards. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"
#include "scripting/statements.h"
#include "scripting/words.h"

typedef struct Statement {
    const char *name;                        /* the global it is known by */
    bool (*run)(Call *call, Error *err);     /* the error may lack its place */
} Statement;

static const Statement statements[] = {
#define STATEMENT_ROW(name, args, help) {#name, run_##name},
    STATEMENTS(STATEMENT_ROW)
#undef STATEMENT_ROW
    {"meta.keep", run_meta_keep},
};

/* A source's size is known when its container is: then default limits grow with it. */
static void grow_limits(Script *script)
{
    const uint64_t keys = draft_count(script->draft);
    if (!script->grows || !keys) return;
    Sandbox *sandbox = &script->sandbox;
    script->grows = false;
    sandbox->limit += keys * SCRIPT_INSTRUCTIONS_PER_TENSOR;
    sandbox->left += keys * SCRIPT_INSTRUCTIONS_PER_TENSOR;
    sandbox->memory_limit += keys * SCRIPT_MEMORY_PER_TENSOR;
}

/* Called after everything that makes names or expressions. */
bool script_account(Script *script)
{
    grow_limits(script);
    const size_t bytes = arena_bytes(draft_arena(script->draft));
    const size_t grown = bytes - script->arena_seen;
    script->arena_seen = bytes;
    if (!sandbox_hold(&script->sandbox, grown)) return false;
    script->arena_held += grown;
    return true;
}

/* For the draft: names are accounted for while a statement makes them. */
static bool afford(void *host)
{
    return script_account(host);
}

/* The draft is in the middle of a change while it calls back. */
static bool is_allowed(const Script *script, const char *name, Error *err)
{
    if (!script->busy) return true;
    return error_set(err, ERR_RULE, "%s cannot be called while %s runs", name, script->busy);
}

/* The one door into the statements. Errors leave through it as Lua errors, after everything that
 * a statement held was released; the place is the statement's unless a line of its rule text is
 * to blame. */
static int run_statement(lua_State *L)
{
    const Statement *const statement = &statements[lua_tointeger(L, lua_upvalueindex(1))];
    Script *script = script_of(L);
    Call call = {.script = script, .L = L, .name = statement->name};
    preset_flush(L);
    Error *err = &script->error;
    sandbox_charge(L, 2 * draft_count(script->draft) + 100);
    place_find(script, L, &call.origin, &call.chunk);
    bool ok = is_allowed(script, statement->name, err) &&
              functions_allow(script, statement->name, err);
    if (ok) {
        lua_State *const before = script->current;
        script->current = L;
        draft_set_afford(script->draft, afford, script);
        ok = statement->run(&call, err);
        draft_set_afford(script->draft, NULL, NULL);
        script->current = before;
        script_account(script);
        sandbox_mark(&script->sandbox);
        script->statements++;
    }
    sandbox_check(L);
    if (ok && call.flush) preset_flush(L);
    if (ok) return call.results;
    if (!message_has_place(script, err->text))
        error_prefix(err, "%s:%d", call.origin.file, call.origin.line);
    message_drop_repeat(err->text);
    return sandbox_raise_plain(L, err->text);
}

/* The two forms differ: unwrap("a", "b") goes down into each, unwrap{"a", "b"} into the first. */
bool run_unwrap(Call *call, Error *err)
{
    const char *const *names;
    size_t n;
    const bool table = lua_type(call->L, 1) == LUA_TTABLE;
    if (!check_fields(call, 1, NULL, 0, err) || !take_names(call, 1, &names, &n, err)) return false;
    return draft_unwrap(call->script->draft, call->origin, names, n, table, err);
}

/* strip "a." once, strip{"a.", again=true} until none fits, strip{"a.", all=true} all or none. */
bool run_strip(Call *call, Error *err)
{
    static const char *const fields[] = {"again", "all"};
    const char *const *names;
    size_t n;
    bool again, all;
    if (!check_fields(call, 1, fields, countof(fields), err) ||
        !take_names(call, 1, &names, &n, err) || !take_flag(call, 1, "again", &again, err) ||
        !take_flag(call, 1, "all", &all, err))
        return false;
    return draft_strip(call->script->draft, call->origin, names, n, again, all, err);
}

/* The draft adds the dot and refuses an empty result. */
bool run_keep(Call *call, Error *err)
{
    const char *prefix = check_count(call, 1, err) ? take_name(call, 1, err) : NULL;
    return prefix && draft_keep(call->script->draft, call->origin, prefix, err);
}

/* Literal text; nothing is added between it and the key. */
bool run_prefix(Call *call, Error *err)
{
    const char *prefix = check_count(call, 1, err) ? take_name(call, 1, err) : NULL;
    return prefix && draft_prefix(call->script->draft, call->origin, prefix, err);
}

/* Whole segments only, at any depth: seg "module" makes "a.module.b" "a.b", and leaves
 * "a.module1.b". */
bool run_seg(Call *call, Error *err)
{
    const char *const *names;
    size_t n;
    if (!check_fields(call, 1, NULL, 0, err) || !take_names(call, 1, &names, &n, err)) return false;
    return draft_seg(call->script->draft, call->origin, names, n, err);
}

/* What matching may cost: lines times keys. */
bool charge_lines(Call *call, size_t lines)
{
    if (!draft_ready(call->script->draft, &(Error){0})) return true;   /* the statement says it */
    grow_limits(call->script);
    return sandbox_spend(&call->script->sandbox, lines * draft_count(call->script->draft));
}

/* The text of a `sub` or `rules` statement. Spends what looking at it costs. */
static const char *take_rule_text(Call *call, size_t *n, Error *err)
{
    if (!check_count(call, 1, err)) return NULL;
    if (lua_type(call->L, 1) != LUA_TSTRING) {
        expected(call, 1, "rule text in [[ … ]]", err);
        return NULL;
    }
    host_begin(call->L);
    const char *text = lua_tolstring(call->L, 1, n);
    sandbox_spend(&call->script->sandbox, *n + (call->chunk ? call->chunk->n / 16 : 0));
    return text;
}

/* Its expressions call back into Lua, hence busy. */
bool run_sub(Call *call, Error *err)
{
    size_t n;
    SubBlock block;
    Draft *draft = call->script->draft;
    const char *text = take_rule_text(call, &n, err);
    if (!text || !sub_parse(draft_arena(draft), text, n, place_of_text(call, text, n),
                            &call->script->host, &block, err))
        return false;
    if (!charge_lines(call, block.count)) return error_set(err, ERR_LIMIT, "over the limit");
    call->script->busy = "sub";
    const bool ok = draft_sub(draft, &block, err);
    call->script->busy = NULL;
    return ok;
}

/* How many lines have to be tried on every key: literal ones are looked up. */
static size_t count_wild(const RuleBlock *block)
{
    size_t wild = 0;
    const char *names[CAPTURES_MAX];
    for (size_t i = 0; i < block->count; i++)
        for (size_t k = 0; k < block->rules[i].source_count; k++) {
            const Pattern *pattern = block->rules[i].sources[k].pattern;
            wild += pattern_stars(pattern) + (pattern_names(pattern, names) > 0);
        }
    return wild;
}

/* For rules and rule. `busy` is reset on every way out, since callbacks never jump across. */
bool apply_rules(Call *call, const RuleBlock *block, Error *err)
{
    Script *script = call->script;
    if (!charge_lines(call, count_wild(block))) return error_set(err, ERR_LIMIT, "over the limit");
    script->busy = call->name;
    const bool ok = draft_rules(script->draft, block, host_call, script, err);
    script->busy = NULL;
    return ok;
}

/* Compiling comes first as a whole: a block with a bad line changes nothing. */
bool run_rules(Call *call, Error *err)
{
    size_t n;
    RuleBlock block;
    const char *text = take_rule_text(call, &n, err);
    if (!text || !rules_parse(draft_arena(call->script->draft), text, n,
                              place_of_text(call, text, n), &call->script->host, &block, err))
        return false;
    return apply_rules(call, &block, err);
}

/* A table that is called as a statement: the table itself is no argument of it. */
static int call_table(lua_State *L)
{
    lua_remove(L, 1);
    return run_statement(L);
}

/* `meta` is a statement with another one in it: a table that can be called. On the stack stands
 * the closure of meta.keep, the last in the table. */
static void open_meta(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, "keep");
    lua_createtable(L, 0, 2);
    for (size_t i = 0; i < countof(statements); i++) {
        if (strcmp(statements[i].name, "meta") != 0) continue;
        lua_pushinteger(L, (lua_Integer)i);
        lua_pushcclosure(L, call_table, 1);
    }
    lua_setfield(L, -2, "__call");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");      /* nobody else calls call_table */
    lua_setmetatable(L, -2);
    lua_setglobal(L, "meta");
}

void statement_push(lua_State *L, const char *name)
{
    size_t i = 0;
    while (strcmp(statements[i].name, name) != 0) i++;
    lua_pushinteger(L, (lua_Integer)i);
    lua_pushcclosure(L, run_statement, 1);
}

/* Each is a closure over its number in the table. */
void statements_open(lua_State *L)
{
    for (size_t i = 0; i < countof(statements); i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_pushcclosure(L, run_statement, 1);
        if (strcmp(statements[i].name, "meta.keep") == 0) open_meta(L);
        else lua_setglobal(L, statements[i].name);
    }
}
