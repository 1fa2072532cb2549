/* tie() without a target: each alias becomes a key of its own, with its owner's value. What the
 * ledger makes of them is align_tie_rules.c's business. */
#include <string.h>

#include "loader/align/draft_parts.h"

/* The alias of one key, if the rule has one for it and no key has that name. */
static bool add_alias(Edit *edit, const TieRule *rule, const DraftKey *key, Error *err)
{
    Draft *draft = edit->draft;
    Captures captures;
    Text name = {0};
    if (!pattern_match(rule->owner, key->name, &captures)) return true;
    if (!template_expand(rule->alias_name, &captures, &name, err)) {
        text_done(&name);
        return false;
    }
    if (name.length && !draft_find(draft, text_string(&name))) {
        DraftKey made = *key;
        made.name = arena_strdup(draft->arena, text_string(&name));
        made.step = step_new(draft, rule->origin, edit->what, key->name, made.name, NULL,
                             &key->step, 1);
        edit_add(edit, made, key->name);
    }
    text_done(&name);
    return true;
}

/* One Edit a rule: a later rule finds the aliases of earlier ones. Called more than once, it finds
 * the second time that all are there. */
bool tie_keys(Draft *draft, Error *err)
{
    for (size_t i = 0; i < draft->later.tie_count; i++) {
        const TieRule *rule = &draft->later.ties[i];
        Edit edit;
        bool good = true;
        edit_begin(&edit, draft, rule->origin,
                   arena_printf(draft->arena, "tie(\"%s\", \"%s\")", pattern_text(rule->alias),
                                pattern_text(rule->owner)));
        for (size_t j = 0; j < draft->count; j++) edit_keep(&edit, &draft->keys[j]);
        for (size_t j = 0; good && j < draft->count; j++)
            good = add_alias(&edit, rule, &draft->keys[j], err);
        if (good) edit_finish(&edit);
        else edit_abandon(&edit);
        if (!good) return error_prefix(err, "%s:%d", rule->origin.file, rule->origin.line);
    }
    return true;
}
