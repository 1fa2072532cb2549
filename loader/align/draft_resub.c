/* The statement resub: regular expressions over every key, as mmengine's revise_keys. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/regex.h"
#include "loader/align/rule_lex.h"

/* `resub "^module\."`: what steps and errors call a pair. */
static const char *show_pair(Draft *draft, const Resub *pair)
{
    Text shown = {0};
    text_add(&shown, "resub \"");
    show_short(pair->pattern, 200, &shown);
    text_addc(&shown, '"');
    return text_keep(&shown, draft->arena);
}

/* One pair, compiled. */
typedef struct Compiled {
    Regex *regex;                /* owned */
    const char *what;
    uint64_t count;
    bool hit;
} Compiled;

static void free_compiled(Compiled *compiled, size_t n)
{
    for (size_t i = 0; i < n; i++) regex_free(compiled[i].regex);
    free(compiled);
}

/* One pair over one key: *key becomes what it is then. A match that gives the same name again is
 * no change. */
static bool apply_pair(Draft *draft, Origin origin, Compiled *pair, DraftKey *key, Text *name,
                       Error *err)
{
    bool changed;
    text_clear(name);
    if (!regex_replace(pair->regex, key->name, pair->count, name, &changed, err))
        return error_prefix(err, "%s: '%s'", pair->what, show_name(draft, key->name));
    if (!changed) return true;
    pair->hit = true;
    if (strcmp(text_string(name), key->name) == 0) return true;
    if (!name->length)
        return error_set(err, ERR_RULE, "%s leaves '%s' with an empty name", pair->what,
                         show_name(draft, key->name));
    const char *to = arena_strndup(draft->arena, name->bytes, name->length);
    key->step = step_new(draft, origin, pair->what, key->name, to, NULL, &key->step, 1);
    key->name = to;
    return draft_affords(draft, err);
}

/* Key by key through all the pairs. */
static bool apply_all(Edit *edit, Compiled *compiled, size_t n, Error *err)
{
    Draft *draft = edit->draft;
    Text name = {0};
    bool good = true;
    for (size_t i = 0; good && i < draft->count; i++) {
        DraftKey key = draft->keys[i];
        for (size_t j = 0; good && j < n; j++)
            good = apply_pair(draft, edit->origin, &compiled[j], &key, &name, err);
        if (key.name == draft->keys[i].name) edit_keep(edit, &key);
        else edit_add(edit, key, draft->keys[i].name);
    }
    text_done(&name);
    return good;
}

/* All of them are compiled before the first key is looked at. */
bool draft_resub(Draft *draft, Origin origin, const Resub *pairs, size_t n, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    Compiled *compiled = mem_alloc((n + 1) * sizeof *compiled);
    Edit edit;
    bool good = true;
    edit_begin(&edit, draft, origin, n == 1 ? show_pair(draft, &pairs[0]) : "resub");
    for (size_t i = 0; good && i < n; i++) {
        compiled[i].what = show_pair(draft, &pairs[i]);
        compiled[i].count = pairs[i].count;
        compiled[i].regex = regex_new(pairs[i].pattern, pairs[i].replacement, err);
        good = compiled[i].regex || error_prefix(err, "%s", compiled[i].what);
    }
    good = good && apply_all(&edit, compiled, n, err);
    for (size_t i = 0; good && i < n; i++)
        if (!compiled[i].hit)
            draft_note(draft, NOTE_INFO, origin, "%s: fits in no key", compiled[i].what);
    free_compiled(compiled, n);
    if (good) edit_finish(&edit);
    else edit_abandon(&edit);
    return good;
}
