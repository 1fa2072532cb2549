/* The statements match{…}, which pairs keys and targets where their names differ, and tie. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/statements.h"

/* What each kind takes, in the order of MatchKind. */
typedef struct MatchForm {
    const char *name;
    const char *const *fields;
    size_t count;
} MatchForm;

static const char *const suffix_fields[] = {"once", "reuse", "boundary", "shape", "rest", "count"};
static const char *const order_fields[] = {"name", "shape", "all", "rest", "count"};
static const char *const shape_fields[] = {"within", "count"};

static const MatchForm forms[] = {
    {"suffix", suffix_fields, countof(suffix_fields)},
    {"order", order_fields, countof(order_fields)},
    {"shape", shape_fields, countof(shape_fields)},
};

/* The list part: one word of the table above. */
static bool take_kind(Call *call, MatchRule *rule, Error *err)
{
    lua_State *L = call->L;
    if (!check_count(call, 1, err)) return false;
    if (lua_type(L, 1) != LUA_TTABLE)
        return expected(call, 1, "{\"suffix\", …}, {\"order\", …} or {\"shape\", …}", err);
    if (lua_rawlen(L, 1) != 1 || lua_rawgeti(L, 1, 1) != LUA_TSTRING)
        return error_set(err, ERR_RULE,
                         "match: one of \"suffix\", \"order\" and \"shape\" comes first");
    const char *kind = lua_tostring(L, -1);
    for (size_t i = 0; i < countof(forms); i++) {
        if (strcmp(kind, forms[i].name) != 0) continue;
        rule->kind = (MatchKind)i;
        return check_fields(call, 1, forms[i].fields, forms[i].count, err);
    }
    return error_set(err, ERR_RULE, "match: \"%.60s\" is none of \"suffix\", \"order\", \"shape\"",
                     kind);
}

/* Of order, besides true and false, "count": as many elements. */
static bool take_shape(Call *call, MatchRule *rule, Error *err)
{
    lua_State *L = call->L;
    bool same;
    lua_pushliteral(L, "shape");
    lua_rawget(L, 1);
    if (rule->kind == MATCH_ORDER && lua_type(L, -1) == LUA_TSTRING) {
        rule->shape = MATCH_SAME_COUNT;
        return strcmp(lua_tostring(L, -1), "count") == 0 ||
               error_set(err, ERR_RULE, "match: shape must be true, false or \"count\"");
    }
    if (!take_flag(call, 1, "shape", &same, err)) return false;
    rule->shape = same ? MATCH_SAME_SHAPE : MATCH_ANY_SHAPE;
    return true;
}

/* `once=true` and `reuse="once"` say the same. */
static bool take_suffix(Call *call, MatchRule *rule, Error *err)
{
    static const char *const boundaries[] = {"segment", "character"};
    static const char *const reuses[] = {"error", "all", "once"};
    int boundary = 0, reuse = -1;
    bool once;
    if (!take_flag(call, 1, "once", &once, err) ||
        !take_word(call, "boundary", boundaries, countof(boundaries), &boundary, err) ||
        !take_word(call, "reuse", reuses, countof(reuses), &reuse, err))
        return false;
    if (once && reuse >= 0 && reuse != 2)
        return error_set(err, ERR_RULE, "match: once=true and reuse=\"%s\" contradict each other",
                         reuses[reuse]);
    rule->segments = boundary == 0;
    rule->reuse = once ? MATCH_REUSE_ONCE : (MatchReuse)(reuse + 1);
    return true;
}

/* A run of segments anywhere in a name. */
static bool take_group(Call *call, const char *text, const Pattern **pattern, Error *err)
{
    Arena *arena = draft_arena(call->script->draft);
    Text whole = {0};
    text_addf(&whole, "**.%s.**", text);
    *pattern = compile_pattern(call, arena_strdup(arena, text_string(&whole)), err);
    text_done(&whole);
    return *pattern != NULL;
}

/* How often a name is captured by the pattern. */
static bool captures_name(const Pattern *pattern, const char *name)
{
    const char *names[CAPTURES_MAX];
    const size_t n = pattern_names(pattern, names);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* Both patterns must capture the same names: a group is what has equal captures. */
static bool check_groups(const MatchRule *rule, Error *err)
{
    const char *names[CAPTURES_MAX];
    size_t n = pattern_names(rule->within[0], names), m;
    for (size_t i = 0; i < n; i++)
        if (!captures_name(rule->within[1], names[i]))
            return error_set(err, ERR_RULE, "match: within: {%s} is captured on one side only",
                             names[i]);
    m = pattern_names(rule->within[1], names);
    for (size_t i = 0; i < m; i++)
        if (!captures_name(rule->within[0], names[i]))
            return error_set(err, ERR_RULE, "match: within: {%s} is captured on one side only",
                             names[i]);
    return pattern_stars(rule->within[0]) == pattern_stars(rule->within[1]) ||
           error_set(err, ERR_RULE, "match: within: the two patterns have not as many stars");
}

/* One pattern for both sides, or {of the keys, of the targets}. */
static bool take_within(Call *call, MatchRule *rule, Error *err)
{
    const char *const *texts;
    size_t n;
    lua_pushliteral(call->L, "within");
    lua_rawget(call->L, 1);
    if (!take_list(call, -1, &texts, &n, err)) return error_prefix(err, "within");
    if (!n) return true;
    if (n > 2)
        return error_set(err, ERR_RULE, "match: within takes a pattern, or one for the keys and "
                         "one for the targets");
    for (size_t i = 0; i < 2; i++)
        if (!take_group(call, texts[i < n ? i : 0], &rule->within[i], err)) return false;
    return check_groups(rule, err);
}

/* `match{"suffix", once=true, boundary="character"}` as reports show it: the options that are
 * not as they are without being said. */
static const char *show_match(Call *call, const MatchRule *rule)
{
    static const char *const reuses[] = {"", ", reuse=\"error\"", ", reuse=\"all\"", ", once=true"};
    static const char *const shapes[] = {"", ", shape=true", ", shape=\"count\""};
    Text out = {0};
    text_addf(&out, "match{\"%s\"", forms[rule->kind].name);
    if (rule->kind == MATCH_SUFFIX) text_add(&out, reuses[rule->reuse]);
    if (rule->kind == MATCH_SUFFIX && !rule->segments) text_add(&out, ", boundary=\"character\"");
    if (rule->name) text_add(&out, ", name=true");
    if (rule->kind != MATCH_SHAPE) text_add(&out, shapes[rule->shape]);
    if (rule->all) text_add(&out, ", all=true");
    if (rule->rest) text_add(&out, ", rest=true");
    if (rule->within[0]) text_add(&out, ", within=…");
    text_addc(&out, '}');
    const char *shown = arena_strdup(draft_arena(call->script->draft), text_string(&out));
    text_done(&out);
    return shown;
}

/* What pairing one name may cost, in lines of rule text: a look-up for each of its suffixes. */
enum { NAME_COST = 50 };

/* Recorded here, carried out when every key has its name. */
bool run_match(Call *call, Error *err)
{
    Draft *draft = call->script->draft;
    MatchRule rule = {.origin = call->origin, .count = -1};
    if (!take_kind(call, &rule, err) || !take_whole(call, "count", &rule.count, err)) return false;
    if (rule.kind != MATCH_SHAPE && !take_shape(call, &rule, err)) return false;
    if (rule.kind == MATCH_SUFFIX && !take_suffix(call, &rule, err)) return false;
    if (rule.kind == MATCH_SHAPE && !take_within(call, &rule, err)) return false;
    if (!take_flag(call, 1, "name", &rule.name, err) ||
        !take_flag(call, 1, "all", &rule.all, err) || !take_flag(call, 1, "rest", &rule.rest, err))
        return false;
    if (!draft_target(draft))
        return error_set(err, ERR_RULE, "match: there is no target to match with");
    if (!charge_lines(call, NAME_COST)) return error_set(err, ERR_LIMIT, "over the limit");
    rule.what = show_match(call, &rule);
    later_match(draft_later(draft), &rule);
    return true;
}

/* ---- tie ---- */

/* One name from what the other's pattern captures. Expressions that need Lua are refused: Lua is
 * gone when they would be asked. */
static const Template *compile_name(Call *call, const char *text, const Pattern *from, Error *err)
{
    const TemplateScope scope = {.sources = &from, .source_count = 1};
    const Template *name = template_compile(draft_arena(call->script->draft), text, strlen(text),
                                            &scope, NULL, err);
    if (!name) error_prefix(err, "tie: %s", text);
    return name;
}

/* Either name must follow from the other. */
bool run_tie(Call *call, Error *err)
{
    TieRule rule = {.origin = call->origin};
    const char *alias = check_count(call, 2, err) ? take_name(call, 1, err) : NULL;
    const char *owner = alias ? take_name(call, 2, err) : NULL;
    if (!owner) return false;
    if (strcmp(alias, owner) == 0)
        return error_set(err, ERR_RULE, "tie: the two names are the same");
    if (!(rule.alias = compile_pattern(call, alias, err)) ||
        !(rule.owner = compile_pattern(call, owner, err)) ||
        !(rule.alias_name = compile_name(call, alias, rule.owner, err)) ||
        !(rule.owner_name = compile_name(call, owner, rule.alias, err)))
        return false;
    later_tie(draft_later(call->script->draft), &rule);
    return true;
}
