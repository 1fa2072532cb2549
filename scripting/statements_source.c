/* The statements source(…) and alias(…): which files the keys come from. */
#include <limits.h>
#include <string.h>

#include "loader/format/format.h"
#include "loader/source/url.h"
#include "scripting/statements.h"

/* Instructions that opening a file counts for: a script can open the same ones over and over. */
enum { OPEN_COST = 1000000 };

/* Where a file lies: as an alias says, else confined as json is. What stands behind "::" is no part
 * of the file's path. */
static const char *locate(Call *call, const char *name, Error *err)
{
    Script *script = call->script;
    Arena *arena = draft_arena(script->draft);
    char path[PATH_MAX];
    Error none = {0};
    const char *aliased = later_find_alias(draft_later(script->draft), arena, name, &none);
    if (aliased) return aliased;
    if (none.code) {
        if (err) *err = none;
        return NULL;
    }
    if (file_resolve(script, name, strlen(name), path, err)) return arena_strdup(arena, path);
    const char *inside = strstr(name, "::");
    for (const char *next = inside; next; next = strstr(next + 1, "::")) inside = next;
    if (!inside || (err && err->code != ERR_NOT_FOUND)) return NULL;
    const char *file = arena_strndup(arena, name, (size_t)(inside - name));
    if (!file_resolve(script, file, strlen(file), path, err)) return NULL;
    return arena_printf(arena, "%s%s", path, inside);
}

/* One file or several: the names of the i-th, counted from 0, begin with "i:". */
bool run_source(Call *call, Error *err)
{
    Draft *draft = call->script->draft;
    const char *const *names;
    size_t n;
    if (!check_fields(call, 1, NULL, 0, err) || !take_names(call, 1, &names, &n, err)) return false;
    const char **specs = arena_alloc(draft_arena(draft), n * sizeof *specs);
    for (size_t i = 0; i < n; i++)
        if (!(specs[i] = locate(call, names[i], err))) return error_prefix(err, "%s", call->name);
    if (!sandbox_spend(&call->script->sandbox, n * OPEN_COST))
        return error_set(err, ERR_LIMIT, "over the limit");
    Checkpoint *source = checkpoint_open_several(specs, n, err);
    return source && draft_set_source(draft, source, err);
}

/* Both are kept as they are; what follows the prefix is looked at when a name is. */
bool run_alias(Call *call, Error *err)
{
    AliasRule rule = {0};
    rule.prefix = check_count(call, 2, err) ? take_name(call, 1, err) : NULL;
    rule.folder = rule.prefix ? take_name(call, 2, err) : NULL;
    if (!rule.folder) return false;
    if (!*rule.prefix || !*rule.folder)
        return error_set(err, ERR_RULE, "alias: neither the prefix nor the folder may be empty");
    if (url_is(rule.folder))
        return error_set(err, ERR_RULE, "alias: '%.200s' is a URL, which only the command line may "
                         "name", url_shown(draft_arena(call->script->draft), rule.folder));
    later_alias(draft_later(call->script->draft), &rule);
    return true;
}
