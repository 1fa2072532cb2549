/* From the ledger's statuses to what a row says. The ledger tells what became of a tensor; a row
 * also tells whether it kept its name and its dtype. */
#include "viewer/state.h"

#include <string.h>

#define ROW_STATE_INFO(id, word, glyph, style, help) {word, glyph, style, help},
static const RowStateInfo infos[] = {ROW_STATES(ROW_STATE_INFO)};
#undef ROW_STATE_INFO

const RowStateInfo *state_info(RowState state)
{
    return &infos[state];
}

/* Whether the one tensor that was taken came with another dtype. */
static bool is_cast(const Binding *binding)
{
    if (binding->source_count != 1) return false;
    DType from = binding->sources[0]->dtype;
    return from != DT_UNKNOWN && binding->dtype != DT_UNKNOWN && from != binding->dtype;
}

/* Same name and no op: exact. A cast is said before a new name, because it can lose digits. */
static RowState loaded_state(const Binding *binding)
{
    if (is_cast(binding)) return ROW_CAST;
    bool same = binding->source_count == 1 && binding->expr && expr_as_source(binding->expr) &&
                strcmp(binding->sources[0]->name, binding->name) == 0;
    return same ? ROW_EXACT : ROW_RENAMED;
}

/* Every status has its state, so that the counts line and the rows agree. A loaded one has three,
 * which differ in how much was done to it. */
RowState state_of_binding(const Binding *binding)
{
    switch (binding->status) {
    case BIND_LOADED: return loaded_state(binding);
    case BIND_TIED: return ROW_TIED;
    case BIND_FILLED: return ROW_FILLED;
    case BIND_KEPT: return ROW_KEPT;
    case BIND_SHAPE: return ROW_SHAPE;
    case BIND_DTYPE: return ROW_DTYPE;
    case BIND_MISSING: return ROW_MISSING;
    default: return ROW_AMBIGUOUS;
    }
}

/* Used sources have no row of their own: they stand beside their target, and its state counts. */
RowState state_of_use(const SourceUse *use)
{
    return use->status == USE_DROPPED ? ROW_DROPPED : ROW_UNUSED;
}

RowState state_worst(unsigned mask)
{
    RowState worst = ROW_EXACT;
    for (unsigned state = 0; state < ROW_STATE_COUNT; state++)
        if (mask & 1u << state) worst = (RowState)state;
    return worst;
}

/* Only what writing would refuse: dropped, unused and kept are decisions, not problems. In the
 * order of the table everything behind ROW_UNUSED is such. */
bool state_is_problem(const Binding *binding)
{
    return state_of_binding(binding) > ROW_UNUSED && !binding->covered;
}

bool state_use_is_problem(const SourceUse *use, const Policy *policy)
{
    return use->status == USE_UNUSED && !use->covered && policy->unused == UNUSED_ERROR;
}

const char *const state_groups[] = {"all", "problems", "loaded", "guessed", NULL};

/* The words are those of the table, and those of the groups. */
unsigned state_mask_of(const char *word)
{
    static const unsigned masks[] = {STATE_ALL, STATE_PROBLEM, STATE_LOADED, STATE_GUESS};
    for (size_t i = 0; state_groups[i]; i++)
        if (strcmp(word, state_groups[i]) == 0) return masks[i];
    for (unsigned state = 0; state < ROW_STATE_COUNT; state++)
        if (strcmp(word, infos[state].word) == 0) return 1u << state;
    return 0;
}
