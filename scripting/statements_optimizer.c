/* The optimizer statement. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"
#include "scripting/statements.h"

/* A field of the table at 1: text, or nil. NULL with the error set when it is something else. */
static const char *take_text_field(Call *call, const char *field, const char *absent, Error *err)
{
    lua_pushstring(call->L, field);
    if (lua_rawget(call->L, 1) == LUA_TNIL) return absent;
    const char *text = take_name(call, lua_gettop(call->L), err);
    if (!text) error_prefix(err, "%s", field);
    return text;
}

/* A field that is one of two words; *second says which. */
static bool take_word_field(Call *call, const char *field, const char *a, const char *b,
                            bool *given, bool *second, Error *err)
{
    const char *word = take_text_field(call, field, "", err);
    if (!word) return false;
    *given = *word;
    *second = strcmp(word, b) == 0;
    if (!*word || *second || strcmp(word, a) == 0) return true;
    return error_set(err, ERR_RULE, "optimizer: %s cannot be \"%.60s\"; it is \"%s\" or \"%s\"",
                     field, word, a, b);
}

/* A field that is a list of names; NULL where it is absent. */
static bool take_list_field(Call *call, const char *field, const char *const **names, size_t *n,
                            Error *err)
{
    lua_pushstring(call->L, field);
    lua_rawget(call->L, 1);
    if (!take_list(call, lua_gettop(call->L), names, n, err)) return error_prefix(err, "%s", field);
    if (!*n) *names = NULL;
    return true;
}

/* optimizer{from="optimizer", ids="order", params={…}, new="fresh", groups="keep", order={…}}; all
 * may be left out. What it does is decided when the ledger is closed. */
bool run_optimizer(Call *call, Error *err)
{
    static const char *const fields[] = {"from", "ids", "params", "new", "groups",
                                         "order"};
    OptimizerRule rule = {.origin = call->origin};
    bool ids, names, given;
    if (!check_count(call, 1, err)) return false;
    if (lua_type(call->L, 1) != LUA_TTABLE)
        return expected(call, 1, "{from=\"optimizer\", …}", err);
    if (!check_fields(call, 1, fields, countof(fields), err)) return false;
    if (lua_rawlen(call->L, 1))
        return error_set(err, ERR_RULE, "optimizer: every value needs its field, as in "
                         "from=\"optimizer\"");
    if (!(rule.from = take_text_field(call, "from", "optimizer", err)) ||
        !take_word_field(call, "ids", "order", "names", &ids, &names, err) ||
        !take_word_field(call, "new", "fresh", "error", &given, &rule.complete, err) ||
        !take_word_field(call, "groups", "keep", "one", &given, &rule.one_group, err))
        return false;
    rule.ids = !ids ? IDS_EITHER : names ? IDS_NAMES : IDS_ORDER;
    if (!take_list_field(call, "params", &rule.params, &rule.param_count, err) ||
        !take_list_field(call, "order", &rule.order, &rule.order_count, err))
        return false;
    draft_set_optimizer(call->script->draft, &rule);
    return true;
}
