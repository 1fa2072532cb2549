/* A trial costs as much as applying the line: on a large model none is made unasked. */
#include "repl/choices.h"

#include <stdlib.h>
#include <string.h>

enum {
    EAGER_KEYS_MAX = 20000,      /* source and target tensors up to which it is tried unasked */
    FOUND_ENOUGH = 3,            /* lines that the detail shows */
    TRIALS_EAGER = 24            /* made unasked for one row */
};

static void forget_target(Choices *choices)
{
    trials_done(&choices->trials);
    if (choices->made) proposals_done(&choices->own);
    choices->own = (ProposalList){0};
    arena_free(choices->own_arena);
    choices->own_arena = NULL;
    free(choices->target);
    choices->target = NULL;
    choices->next = 0;
}

static void forget(Choices *choices)
{
    if (!choices->alignment) return;
    forget_target(choices);
    if (choices->made) proposals_done(&choices->all);
    arena_free(choices->arena);
    align_unref(choices->alignment);
    *choices = (Choices){0};
}

void choices_done(Choices *choices)
{
    forget(choices);
}

/* What changes names helps a target without a source, what changes shapes one with the wrong
 * source. */
static bool may_help(const Proposal *proposal, const Binding *binding)
{
    bool shape = proposal->kind >= PROPOSE_LAYOUT && proposal->kind <= PROPOSE_CHANNELS;
    if (!binding) return true;
    if (binding->status == BIND_MISSING) return !shape && proposal->kind != PROPOSE_DROP;
    return shape || proposal->kind == PROPOSE_BUFFER || proposal->kind == PROPOSE_CONTAINER ||
           proposal->kind == PROPOSE_FILL || proposal->kind == PROPOSE_POLICY;
}

/* The binding's own choices come first: they are for it and its like alone. */
static void list_own(Choices *choices, const Binding *binding)
{
    choices->own_arena = arena_new();
    proposals_init(&choices->own, choices->own_arena);
    if (binding) proposals_for(&choices->own, choices->alignment, binding);
    for (size_t i = 0; i < choices->all.count; i++)
        if (choices->all.items[i].line && may_help(&choices->all.items[i], binding))
            proposal_add(&choices->own, choices->all.items[i]);
}

bool choices_is_small(const Alignment *alignment)
{
    return align_count(alignment) + align_use_count(alignment) <= EAGER_KEYS_MAX;
}

bool choices_are_for(const Choices *choices, const Alignment *alignment, const Binding *binding)
{
    if (!choices->made || choices->alignment != alignment) return false;
    if (!binding || !choices->target) return !binding && !choices->target;
    return strcmp(binding->name, choices->target) == 0;
}

void choices_start(Choices *choices, Alignment *alignment, const Binding *binding)
{
    const char *target = binding ? binding->name : NULL;
    if (choices_are_for(choices, alignment, binding)) return;
    bool same = choices->alignment == alignment;
    if (!same) {
        forget(choices);
        choices->alignment = align_ref(alignment);
        choices->arena = arena_new();
        proposals_init(&choices->all, choices->arena);
        proposals_find(&choices->all, alignment);
        proposals_add_auto(&choices->all, alignment);
        if (choices_is_small(alignment)) proposals_add_packs(&choices->all, alignment);
    } else {
        forget_target(choices);
    }
    choices->made = true;
    choices->target = target ? mem_strdup(target) : NULL;
    list_own(choices, binding);
}

bool choices_due(const Choices *choices, bool all)
{
    if (!choices->made || choices->next >= choices->own.count) return false;
    return all || (choices->next < TRIALS_EAGER && choices->trials.count < FOUND_ENOUGH);
}

void choices_step(Choices *choices, Snapshot *snapshot, const SnapshotRun *run)
{
    if (choices->next >= choices->own.count) return;
    const TrialOptions options = {.target = choices->target, .interrupt = run->interrupt,
                                  .watch = run->watch};
    Trial trial;
    bool helps = trial_run(&trial, snapshot, choices->alignment,
                           &choices->own.items[choices->next++], &options);
    align_unref(trial.after);
    trial.after = NULL;
    bool stopped = run->interrupt && *run->interrupt;
    if (stopped) choices->next--;        /* to be tried again */
    if (helps && !stopped) trials_add(&choices->trials, &trial);
    else trial_done(&trial);
}

/* "+56" settles so many, "-2" breaks so many. A name that leads to a source of another shape is a
 * step that settles nothing yet. */
static void add_effect(const Trial *trial, Text *out)
{
    if (trial->targets) text_addf(out, "  +%zu", trial->targets);
    else text_add(out, "  finds its source");
    if (trial->breaks) text_addf(out, " -%zu", trial->breaks);
}

void choices_show(const Choices *choices, size_t most, const char *gap, Text *out)
{
    for (size_t i = 0; i < choices->trials.count && i < most; i++) {
        const Trial *trial = &choices->trials.items[i];
        text_addf(out, "%s%zu %s", i ? gap : "", i + 1, trial->proposal->line);
        add_effect(trial, out);
    }
}

void choices_tell(const Choices *choices, Text *out)
{
    for (size_t i = 0; i < choices->trials.count && i < CHOICES_SHOWN_MAX; i++) {
        const Trial *trial = &choices->trials.items[i];
        text_addf(out, "%zu  %s\n   would %s %zu, break %zu.  %s\n", i + 1,
                  trial->proposal->line,
                  trial->targets ? "settle" : "find its source, settle", trial->targets,
                  trial->breaks, trial->proposal->why);
    }
    if (choices->next < choices->own.count)
        text_addf(out, "(%zu more lines were not tried)\n", choices->own.count - choices->next);
}
