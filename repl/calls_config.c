/* Functions for init.lua: keys, colours, limits. */
#include <inttypes.h>

#include "loader/core/limits.h"
#include "repl/call_list.h"
#include "repl/calls_parts.h"
#include "repl/keys.h"
#include "repl/verbs.h"
#include "viewer/linear.h"
#include "viewer/palette.h"

/* Texts that all have to be there. */
static bool take_texts(const Value *arguments, size_t n, const char *form, const char **texts,
                       Error *err)
{
    if (!call_takes(arguments, n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        texts[i] = NULL;
        if (!call_text(arguments, i, "text", &texts[i], err)) return false;
        if (!texts[i]) return error_set(err, ERR_USAGE, "it is called as %s", form);
    }
    return true;
}

bool call_bind(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
               Error *err)
{
    (void)console, (void)arena, (void)answer;
    const char *texts[3], *argument;
    if (!take_texts(arguments, 3, "bind(\"panel\", \"key\", \"verb line\")", texts, err))
        return false;
    if (*texts[2] && !verb_find(texts[2], &argument))
        return error_set(err, ERR_USAGE, "'%.60s' is no verb; ? in the viewer lists them",
                         texts[2]);
    return key_bind(texts[0], texts[1], texts[2], err);
}

bool call_colour(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    (void)console, (void)arena, (void)answer;
    const char *texts[2];
    return take_texts(arguments, 2, "colour(\"state\", \"colour\")", texts, err) &&
           palette_set(texts[0], texts[1], err);
}

/* Files that are open were read by the limits of then: it comes first, or not at all. When
 * init.lua runs again, for what else it defines, nothing is left to be set. */
bool call_limit(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                Error *err)
{
    (void)answer;
    const char *name = NULL;
    const Value *amount = call_argument(arguments, 1);
    if (!call_takes(arguments, 2, err) || !call_text(arguments, 0, "a limit's name", &name, err))
        return false;
    const bool number = amount && amount->kind == VALUE_INT && amount->integer >= 0;
    const bool text = amount && amount->kind == VALUE_STRING;
    if (!name || !(number || text))
        return error_set(err, ERR_USAGE, "it is called as limit(\"name\", number)");
    if (!console->starting)
        return error_set(err, ERR_USAGE, "limits are set before files are opened: in init.lua, or "
                         "with --limit %.60s=N", name);
    if (!console->options.configures) return true;
    return limit_prefer(number ? arena_printf(arena, "%s=%" PRId64, name, amount->integer)
                               : arena_printf(arena, "%s=%s", name, amount->string), err);
}

bool call_linear(Console *console, const Value *arguments, Arena *arena, ScriptAnswer *answer,
                 Error *err)
{
    (void)console, (void)arena, (void)answer;
    const Value *wanted = call_argument(arguments, 0);
    if (!call_takes(arguments, 1, err)) return false;
    if (!wanted || wanted->kind != VALUE_BOOL)
        return error_set(err, ERR_USAGE, "it takes true or false");
    linear_prefer(wanted->boolean);
    return true;
}
