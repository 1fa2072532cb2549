/* Positions under another name and for another grid. Neither shape nor place tells which table is
 * meant; that either side has only one does. */
#include <string.h>

#include "loader/align/grid.h"
#include "loader/align/proposal_parts.h"

/* A table of positions that no key has the name of. */
static bool is_wanted(const Binding *binding)
{
    return binding->status == BIND_MISSING && !binding->covered && binding->dims &&
           binding->rank && grid_is_positions(binding->name);
}

static bool is_only_one_wanted(const Alignment *alignment)
{
    size_t count = 0;
    for (size_t i = 0; i < alignment->count; i++) count += is_wanted(&alignment->bindings[i]);
    return count == 1;
}

/* The one table of positions that no target takes; NULL: there is none, or more than one. */
static const DraftKey *find_spare(const Alignment *alignment)
{
    const DraftKey *found = NULL;
    for (size_t i = 0; i < draft_count(alignment->draft); i++) {
        const DraftKey *key = draft_at(alignment->draft, i);
        if (!key->expr || key->expr->unknown || key->collision || match_target(alignment, i) ||
            !grid_is_positions(key->name))
            continue;
        if (found) return NULL;
        found = key;
    }
    return found;
}

void propose_places_of(Proposer *proposer, const Binding *binding)
{
    const Alignment *alignment = proposer->alignment;
    if (!is_wanted(binding) || !is_only_one_wanted(alignment)) return;
    const DraftKey *key = find_spare(alignment);
    const Expr *expr = key ? key->expr : NULL;
    if (!expr || expr->rank != binding->rank ||
        same_dims(expr->dims, expr->rank, binding->dims, binding->rank))
        return;
    const char *op = grid_op(proposer->arena, binding->name, expr->dims, binding->dims,
                             binding->rank);
    if (!op) return;
    const char *line = propose_rules(proposer, "%s -> %s |> %s",
                                     propose_quoted(proposer, key->name, strlen(key->name)),
                                     propose_quoted(proposer, binding->name,
                                                    strlen(binding->name)), op);
    proposal_add(proposer->list,
                 (Proposal){.kind = PROPOSE_POSITIONS, .cost = COST_PART, .line = line,
                            .known = true, .target = binding->name,
                            .why = "The positions under another name, and a grid of another size: "
                                   "resampled as timm does."});
}

void propose_places(Proposer *proposer)
{
    for (size_t i = 0; i < proposer->missing.count; i++)
        if (grid_is_positions(proposer->missing.names[i])) {
            propose_places_of(proposer,
                              align_find(proposer->alignment, proposer->missing.names[i]));
            return;
        }
}
