/* tie("alias", "owner"): two targets are one tensor. Whichever of the two got a value gives it to
 * the other; where both did, the owner's counts, and what the alias was offered stays unused. */
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/draft_parts.h"

/* States in which there is a value to give. */
static bool has_value(const Binding *binding)
{
    switch (binding->status) {
    case BIND_LOADED: case BIND_TIED: case BIND_FILLED: return true;
    case BIND_KEPT: return binding->own != NULL;
    default: return false;
    }
}

/* Tensors that are one have one shape and one dtype. */
static bool can_be_one(const Binding *a, const Binding *b)
{
    if (a->dtype != b->dtype && a->dtype != DT_UNKNOWN && b->dtype != DT_UNKNOWN) return false;
    return !a->dims || !b->dims || same_dims(a->dims, a->rank, b->dims, b->rank);
}

/* Whether the alias's own source is the same memory as the owner's: it is used, then, too. */
static bool is_one_already(const Binding *alias, const Binding *owner)
{
    if (alias->status != BIND_LOADED || owner->status != BIND_LOADED) return false;
    const Tensor *a = expr_as_source(alias->expr), *b = expr_as_source(owner->expr);
    return a && b && a->storage && a->dims && b->dims && tie_same_view(a, b);
}

/* What a binding has of its own stays: name, target, dtype. */
static void take_over(const TieRule *rule, Binding *to, const Binding *from)
{
    bool loaded = from->status == BIND_LOADED;
    bool same = is_one_already(to, from);
    to->status = loaded ? BIND_TIED : from->status;
    to->how = HOW_TIE;
    to->expr = from->expr;
    to->own = loaded ? to->own : from->own;
    to->offered = NULL;
    if (!same) {
        to->sources = from->sources;
        to->source_count = from->source_count;
        to->step = from->step;
    }
    to->origin = loaded ? NULL : &rule->origin;
    to->op = from->op;
    to->cast = from->cast;
    to->reason = loaded ? NULL : from->reason;
    to->suggest = NULL;
    to->partial = from->partial;
    to->tied_to = from;
    if (to->dtype == DT_UNKNOWN) to->dtype = from->dtype;
    if (!to->dims) {
        to->dims = from->dims;
        to->rank = from->rank;
    }
}

/* The owner's value for the alias, or the alias's where the owner has none. */
static void tie_pair(Alignment *alignment, TieRule *rule, Binding *alias, Binding *owner)
{
    /* Bindings of this alignment, which is being made. */
    Binding *from = (Binding *)tie_root(owner), *to = (Binding *)tie_root(alias);
    rule->hits++;
    if (from == to) return;
    if (!has_value(from)) {
        Binding *other = from;
        from = to;
        to = other;
    }
    if (!has_value(from)) return;
    if (can_be_one(from, to)) {
        take_over(rule, to, from);
        return;
    }
    draft_note(alignment->draft, NOTE_ERROR, rule->origin,
               "tie: '%s' and '%s' differ in shape or dtype",
               show_name(alignment->draft, alias->name), show_name(alignment->draft, owner->name));
}

/* The binding of the owner that the alias's captures lead to; NULL = there is none. */
static Binding *find_owner(Alignment *alignment, const TieRule *rule, const Captures *captures)
{
    Text name = {0};
    Error err = {0};
    uint32_t index = MAP_NONE;
    if (template_expand(rule->owner_name, captures, &name, &err))
        index = align_index(alignment, text_string(&name));
    text_done(&name);
    return index == MAP_NONE ? NULL : &alignment->bindings[index];
}

/* Names of patterns without a wildcard are looked up, others are tried on every target. */
void tie_by_rules(Alignment *alignment)
{
    Later *later = draft_later(alignment->draft);
    for (size_t i = 0; i < later->tie_count; i++) {
        TieRule *rule = &later->ties[i];
        for (size_t j = 0; j < alignment->count; j++) {
            Binding *alias = &alignment->bindings[j];
            Captures captures;
            if (!pattern_match(rule->alias, alias->name, &captures)) continue;
            Binding *owner = find_owner(alignment, rule, &captures);
            if (owner && owner != alias) tie_pair(alignment, rule, alias, owner);
        }
    }
}

/* A statement that tied nothing is probably misspelt. */
void tie_notes(Alignment *alignment)
{
    const Later *later = draft_later(alignment->draft);
    for (size_t i = 0; i < later->tie_count; i++)
        if (!later->ties[i].hits)
            draft_note(alignment->draft, NOTE_INFO, later->ties[i].origin,
                       "tie(\"%s\", \"%s\"): there are no two such names",
                       pattern_text(later->ties[i].alias), pattern_text(later->ties[i].owner));
}
