/* The fusing statements: weight_norm, spectral_norm, fold_bn and lora take their arguments here. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "loader/align/draft_fuse.h"
#include "loader/core/json.h"
#include "loader/format/format.h"
#include "loader/source/file_text.h"
#include "scripting/script_state.h"
#include "scripting/statements.h"

enum { CONFIG_VALUES_MAX = 1 << 16, CONFIG_BYTES_MAX = 4 << 20 };

/* ---- options ---- */

/* A number under `field` of the table at `index`; *number stays when there is none. */
static bool take_number(Call *call, int index, const char *field, double *number, Error *err)
{
    lua_State *L = call->L;
    if (lua_type(L, index) != LUA_TTABLE) return true;
    lua_pushstring(L, field);
    const int kind = lua_rawget(L, index);
    if (kind == LUA_TNUMBER) *number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (kind == LUA_TNIL || kind == LUA_TNUMBER) return true;
    return error_set(err, ERR_RULE, "%s: %s must be a number", call->name, field);
}

/* The same for whole numbers. */
static bool take_integer(Call *call, int index, const char *field, int *number, Error *err)
{
    double value = NAN;
    if (!take_number(call, index, field, &value, err)) return false;
    if (isnan(value)) return true;
    if (value != floor(value) || fabs(value) > 1e6)
        return error_set(err, ERR_RULE, "%s: %s must be a whole number", call->name, field);
    *number = (int)value;
    return true;
}

/* Like take_flag, but what stood there stays when the field is absent. */
static bool take_choice(Call *call, int index, const char *field, bool *flag, Error *err)
{
    bool given;
    if (lua_type(call->L, index) != LUA_TTABLE) return true;
    lua_pushstring(call->L, field);
    const bool absent = lua_rawget(call->L, index) == LUA_TNIL;
    lua_pop(call->L, 1);
    if (absent) return true;
    if (!take_flag(call, index, field, &given, err)) return false;
    *flag = given;
    return true;
}

/* A pattern that is tried on every key, and charged for it. */
static const Pattern *take_pattern(Call *call, int index, const char *fallback, Error *err)
{
    const char *text = fallback;
    if (!text || lua_type(call->L, index) == LUA_TSTRING) text = take_name(call, index, err);
    if (!text) return NULL;
    Draft *draft = call->script->draft;
    if (!sandbox_spend(&call->script->sandbox, 4 * draft_count(draft))) {
        error_set(err, ERR_LIMIT, "over the limit");
        return NULL;
    }
    const Pattern *pattern = pattern_compile(draft_arena(draft), text, strlen(text), err);
    if (!pattern) error_prefix(err, "%s", call->name);
    return pattern;
}

/* ---- norms ---- */

/* ("modules", {dim=, name=}), each of which may be left out. */
static bool take_norm(Call *call, NormOptions *options, Error *err)
{
    static const char *const fields[] = {"dim", "name"};
    const int table = lua_type(call->L, 1) == LUA_TTABLE ? 1 : 2;
    *options = (NormOptions){.parameter = "weight", .dim = FUSE_DIM_FOUND};
    if (!check_count(call, table, err) || !check_fields(call, table, fields, 2, err) ||
        !take_integer(call, table, "dim", &options->dim, err))
        return false;
    if (!lua_isnoneornil(call->L, table) && lua_type(call->L, table) != LUA_TTABLE)
        return expected(call, table, "{dim=…, name=…}", err);
    if (lua_type(call->L, table) == LUA_TTABLE) {
        lua_pushliteral(call->L, "name");
        if (lua_rawget(call->L, table) != LUA_TNIL &&
            !(options->parameter = take_name(call, -1, err)))
            return false;
    }
    const bool given = table == 2 && !lua_isnoneornil(call->L, 1);
    options->modules = take_pattern(call, 1, given ? NULL : "**", err);
    return options->modules != NULL;
}

bool run_weight_norm(Call *call, Error *err)
{
    NormOptions options;
    return take_norm(call, &options, err) &&
           draft_weight_norm(call->script->draft, call->origin, &options, err);
}

bool run_spectral_norm(Call *call, Error *err)
{
    NormOptions options;
    return take_norm(call, &options, err) &&
           draft_spectral_norm(call->script->draft, call->origin, &options, err);
}

/* ---- fold_bn ---- */

/* The second pattern names, in the captures of the first; its expressions are Lua, hence busy. */
bool run_fold_bn(Call *call, Error *err)
{
    static const char *const fields[] = {"eps", "transposed"};
    Script *script = call->script;
    FoldOptions options = {.eps = 1e-5};
    host_begin(call->L);
    if (!check_count(call, 3, err) || !check_fields(call, 3, fields, 2, err) ||
        !take_number(call, 3, "eps", &options.eps, err) ||
        !take_flag(call, 3, "transposed", &options.transposed, err))
        return false;
    if (!(options.eps >= 0)) return error_set(err, ERR_RULE, "fold_bn: eps must be 0 or more");
    const char *norms = take_name(call, 2, err);
    options.layers = norms ? take_pattern(call, 1, NULL, err) : NULL;
    if (!options.layers) return false;
    const TemplateScope scope = {&options.layers, 1, NULL};
    options.norms = template_compile(draft_arena(script->draft), norms, strlen(norms), &scope,
                                     &script->host.expressions, err);
    if (!options.norms) return error_prefix(err, "fold_bn");
    script->busy = "fold_bn";
    const bool ok = draft_fold_bn(script->draft, call->origin, &options, err);
    script->busy = NULL;
    return ok;
}

/* ---- lora ---- */

/* A number of PEFT's configuration; *number stays where it has none. */
static void config_number(const Value *config, const char *field, double *number)
{
    const Value *value = value_get(config, field);
    if (value && value->kind == VALUE_INT) *number = (double)value->integer;
    if (value && value->kind == VALUE_FLOAT) *number = value->number;
}

static bool config_flag(const Value *config, const char *field)
{
    const Value *value = value_get(config, field);
    return value && value->kind == VALUE_BOOL && value->boolean;
}

/* alpha_pattern: names, or regular expressions, of which only names are understood. */
static bool take_alphas(Call *call, const Value *config, LoraOptions *options, Error *err)
{
    const Value *list = value_get(config, "alpha_pattern");
    if (!list || list->kind != VALUE_MAP || !list->list.count) return true;
    Arena *arena = draft_arena(call->script->draft);
    LoraAlpha *alphas = arena_alloc(arena, list->list.count * sizeof *alphas);
    for (size_t i = 0; i < list->list.count; i++) {
        const char *name = list->list.items[i].key;
        const Value *value = list->list.items[i].value;
        if (strpbrk(name, "*+?^$[](){}|\\") ||
            (value->kind != VALUE_INT && value->kind != VALUE_FLOAT))
            return error_set(err, ERR_UNSUPPORTED, "lora: adapter_config.json: alpha_pattern holds "
                             "'%.80s', which is not understood", name);
        alphas[i].name = arena_strdup(arena, name);
        alphas[i].alpha = value->kind == VALUE_INT ? (double)value->integer : value->number;
    }
    options->alphas = alphas;
    options->alpha_count = list->list.count;
    return true;
}

/* What PEFT's configuration says; what we do not merge is refused by its name. */
static bool use_config(Call *call, const Value *config, LoraOptions *options, Error *err)
{
    const char *type = value_get_string(config, "peft_type", "LORA");
    double rank = 0;
    if (strcmp(type, "LORA") != 0)
        return error_set(err, ERR_UNSUPPORTED, "lora: adapter_config.json is of %.40s", type);
    if (config_flag(config, "use_dora"))
        return error_set(err, ERR_UNSUPPORTED, "lora: adapter_config.json has use_dora, which is "
                         "not merged here");
    config_number(config, "lora_alpha", &options->alpha);
    config_number(config, "r", &rank);
    const Value *ranks = value_get(config, "rank_pattern");
    const bool uniform = !ranks || ranks->kind != VALUE_MAP || !ranks->list.count;
    options->rank = uniform && rank >= 1 && rank < 1e6 ? (int64_t)rank : 0;
    options->rslora = config_flag(config, "use_rslora");
    options->fan_in_fan_out = config_flag(config, "fan_in_fan_out");
    return take_alphas(call, config, options, err);
}

/* Beside the source, or beside one of several files that are it. */
static const char *find_config(Call *call, const char *name, char path[], Error *err)
{
    Draft *draft = call->script->draft;
    const char *found = file_beside(call->script, name, path, err);
    size_t n;
    const char *const *specs = checkpoint_specs(draft_checkpoint(draft), &n);
    for (size_t i = 0; !found && err->code == ERR_NOT_FOUND && i < n; i++) {
        const char *file, *inside;
        checkpoint_spec(draft_arena(draft), specs[i], &file, &inside);
        char *folder = path_folder(file);
        found = file_inside(folder, name, path, err);
        free(folder);
    }
    return found;
}

/* adapter_config.json, where there is one; nothing of it stays but what is copied. */
static bool read_config(Call *call, LoraOptions *options, Error *err)
{
    static const char name[] = "adapter_config.json";
    size_t n;
    char path[PATH_MAX];
    if (!find_config(call, name, path, err)) {
        if (err->code != ERR_NOT_FOUND) return error_prefix(err, "lora");
        *err = (Error){0};
        return true;
    }
    char *text = file_text(path, CONFIG_BYTES_MAX, &n, err);
    if (!text) return error_prefix(err, "lora");
    Arena *arena = arena_new();
    const Value *config = json_parse(arena, text, n, name, CONFIG_VALUES_MAX, err);
    free(text);
    const bool ok = config && use_config(call, config, options, err);
    arena_free(arena);
    return ok;
}

/* places={lora_te1_="text_encoder.", …} */
static bool take_places(Call *call, LoraOptions *options, Error *err)
{
    lua_State *L = call->L;
    lua_pushliteral(L, "places");
    const int kind = lua_rawget(L, 1);
    if (kind == LUA_TNIL) return true;
    if (kind != LUA_TTABLE) return expected(call, -1, "places={lora_te_=\"path.\"}", err);
    const int table = lua_gettop(L);
    size_t room = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) room++;
    LoraPlace *places = arena_alloc(draft_arena(call->script->draft), (room + 1) * sizeof *places);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        LoraPlace *one = &places[options->place_count++];
        if (!(one->flat = take_name(call, -2, err)) || !(one->path = take_name(call, -1, err)))
            return error_prefix(err, "lora: places");
    }
    options->places = places;
    return true;
}

/* The options win over the configuration. */
bool run_lora(Call *call, Error *err)
{
    static const char *const fields[] = {"scale", "alpha", "rank", "rslora", "fan_in_fan_out",
                                         "places"};
    LoraOptions options = {.scale = 1, .alpha = NAN};
    Draft *draft = call->script->draft;
    int rank = 0;
    if (!check_count(call, 1, err)) return false;
    if (!lua_isnoneornil(call->L, 1) && lua_type(call->L, 1) != LUA_TTABLE)
        return expected(call, 1, "{scale=…, …}", err);
    if (!check_fields(call, 1, fields, countof(fields), err) || !read_config(call, &options, err) ||
        !take_number(call, 1, "scale", &options.scale, err) ||
        !take_number(call, 1, "alpha", &options.alpha, err) ||
        !take_integer(call, 1, "rank", &rank, err) ||
        !take_choice(call, 1, "rslora", &options.rslora, err) ||
        !take_choice(call, 1, "fan_in_fan_out", &options.fan_in_fan_out, err))
        return false;
    if (lua_type(call->L, 1) == LUA_TTABLE && !take_places(call, &options, err)) return false;
    if (rank) options.rank = rank;
    const StateDict *target = draft_target(draft);
    const uint64_t keys = draft_count(draft) + (target ? dict_count(target) : 0);
    if (!sandbox_spend(&call->script->sandbox, 20 * keys))
        return error_set(err, ERR_LIMIT, "over the limit");
    return draft_lora(draft, call->origin, &options, err);
}
