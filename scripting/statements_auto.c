/* The statement auto{…}: what automatic alignment is asked, recorded here and carried out when
 * every key has its name. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "loader/align/auto_rule.h"
#include "scripting/lexicon.h"
#include "scripting/statements.h"

/* What was said so far, or what holds when nothing was. */
static AutoRule begin_rule(const Call *call)
{
    const AutoRule *before = draft_later(call->script->draft)->automatic;
    if (before) return *before;
    return (AutoRule){.origin = call->origin, .options = {.accept = AUTO_SURE}};
}

/* A flag of the table at 1 that says what is looked at; *off stays as it is when it is absent. */
static bool take_evidence(Call *call, const char *field, bool *off, Error *err)
{
    lua_State *L = call->L;
    bool on;
    lua_pushstring(L, field);
    const int kind = lua_rawget(L, 1);
    lua_pop(L, 1);
    if (kind == LUA_TNIL) return true;
    if (!take_flag(call, 1, field, &on, err)) return false;
    *off = !on;
    return true;
}

/* ---- say ---- */

/* Every name is looked at for each of them. */
enum { ANSWERS_MAX = 256 };

typedef struct Answers {
    AutoAnswer *items;           /* in the arena */
    size_t count, room;
} Answers;

static void add_answer(Call *call, Answers *answers, const char *source, const char *target)
{
    Arena *arena = draft_arena(call->script->draft);
    if (answers->count == answers->room) {
        AutoAnswer *larger = arena_alloc(arena, (2 * answers->room + 8) * sizeof *larger);
        if (answers->count) memcpy(larger, answers->items, answers->count * sizeof *larger);
        answers->items = larger;
        answers->room = 2 * answers->room + 8;
    }
    answers->items[answers->count++] = (AutoAnswer){source, target};
}

/* "A=B" of a list; "A=" has no partner. The first = divides, as in what reports print. */
static bool take_pair(Call *call, Answers *answers, Error *err)
{
    const char *text = take_name(call, -1, err), *equals = text ? strchr(text, '=') : NULL;
    if (!text) return error_prefix(err, "say");
    if (!equals || equals == text)
        return error_set(err, ERR_RULE, "auto: say: '%.80s' is no \"SOURCE=TARGET\"", text);
    if (strcmp(equals, "=?") == 0 || strncmp(text, "?=", 2) == 0)
        return error_set(err, ERR_RULE, "auto: say: '%.80s': the question mark stands for an "
                         "answer", text);
    add_answer(call, answers, arena_strndup(draft_arena(call->script->draft), text,
                                            (size_t)(equals - text)), equals + 1);
    return true;
}

/* ["A"]="B" of a table; false for B: no partner. */
static bool take_field(Call *call, Answers *answers, Error *err)
{
    const char *source = take_name(call, -2, err), *target = "";
    const bool none = lua_isboolean(call->L, -1) && !lua_toboolean(call->L, -1);
    if (source && !none) target = take_name(call, -1, err);
    if (!source || !target) return error_prefix(err, "say");
    if (!*source) return error_set(err, ERR_RULE, "auto: say: an answer about nothing");
    add_answer(call, answers, source, target);
    return true;
}

/* Lua goes through a table in an order of its own; the same script must give the same plan. */
static int compare_answers(const void *a, const void *b)
{
    const AutoAnswer *x = a, *y = b;
    const int order = strcmp(x->source, y->source);
    return order ? order : strcmp(x->target, y->target);
}

/* One text, a list of texts, a table, or list and table in one. They stand behind earlier ones. */
static bool take_answers(Call *call, AutoRule *rule, Error *err)
{
    lua_State *L = call->L;
    Answers answers = {0};
    lua_pushliteral(L, "say");
    const int kind = lua_rawget(L, 1);
    if (kind == LUA_TNIL) return true;
    for (size_t i = 0; i < rule->options.answer_count; i++)
        add_answer(call, &answers, rule->options.answers[i].source,
                   rule->options.answers[i].target);
    const size_t before = answers.count;
    if (kind == LUA_TSTRING) {
        if (!take_pair(call, &answers, err)) return false;
    } else if (kind != LUA_TTABLE) {
        return expected(call, -1, "say={[\"SOURCE\"]=\"TARGET\"}", err);
    } else {
        const int table = lua_gettop(L);
        const size_t listed = lua_rawlen(L, table);
        for (size_t i = 1; i <= listed; i++, lua_pop(L, 1)) {
            lua_rawgeti(L, table, (lua_Integer)i);
            if (!take_pair(call, &answers, err)) return false;
        }
        for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
            if (!lua_isinteger(L, -2) && !take_field(call, &answers, err)) return false;
        if (answers.count > before + listed)
            qsort(answers.items + before + listed, answers.count - before - listed,
                  sizeof *answers.items, compare_answers);
    }
    if (answers.count > ANSWERS_MAX)
        return error_set(err, ERR_LIMIT, "auto: say: more than %d answers", ANSWERS_MAX);
    rule->options.answers = answers.items;
    rule->options.answer_count = answers.count;
    return true;
}

/* ---- the statement ---- */

/* Once a script: a user's file is read by the first auto{} that may use it. */
static bool take_lexicon(Call *call, AutoRule *rule, Error *err)
{
    bool found;
    if (rule->options.lexicon) return true;
    rule->options.lexicon =
        lexicon_load(draft_arena(call->script->draft), call->script->lexicon_path, &found, err);
    if (!rule->options.lexicon) return false;
    if (found)
        rule->lexicon_path =
            arena_strdup(draft_arena(call->script->draft), call->script->lexicon_path);
    return true;
}

/* What looking at one name may cost, in lines of rule text. */
enum { NAME_COST = 100 };

bool run_auto(Call *call, Error *err)
{
    static const char *const fields[] = {"accept", "say", "assume", "order", "lexicon", "context",
                                        "values"};
    static const char *const accepts[] = {"sure", "likely"};
    static const char *const layouts[] = {"torch", "tf", "flax"};
    Draft *draft = call->script->draft;
    AutoRule rule = begin_rule(call);
    int accept = -1, layout = -1;
    if (!check_count(call, 1, err)) return false;
    if (lua_gettop(call->L) == 0) lua_newtable(call->L);
    if (lua_type(call->L, 1) != LUA_TTABLE || lua_rawlen(call->L, 1))
        return expected(call, 1, "auto{accept=, say=, assume=, …}", err);
    if (!check_fields(call, 1, fields, countof(fields), err) ||
        !take_word(call, "accept", accepts, countof(accepts), &accept, err) ||
        !take_word(call, "assume", layouts, countof(layouts), &layout, err) ||
        !take_evidence(call, "order", &rule.options.no_order, err) ||
        !take_evidence(call, "lexicon", &rule.options.no_lexicon, err) ||
        !take_evidence(call, "context", &rule.options.no_context, err) ||
        !take_evidence(call, "values", &rule.no_values, err) ||
        !take_answers(call, &rule, err) || !take_lexicon(call, &rule, err))
        return false;
    if (accept >= 0) rule.options.accept = accept ? AUTO_LIKELY : AUTO_SURE;
    if (layout >= 0) rule.options.assume = (AutoLayout)(layout + 1);
    if (!draft_target(draft))
        return error_set(err, ERR_RULE, "auto: there is no target to align with");
    if (!charge_lines(call, NAME_COST)) return error_set(err, ERR_LIMIT, "over the limit");
    rule.interrupt = call->script->sandbox.interrupt;
    draft_later(draft)->automatic = arena_copy(draft_arena(draft), &rule, sizeof rule);
    return true;
}
