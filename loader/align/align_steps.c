/* Provenance: the steps and ops that a binding went through, oldest first. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align.h"

/* A set of steps that were seen: histories of merged tensors share their past. */
typedef struct StepSet {
    const Step **slots;          /* owned, [room]; NULL = free */
    size_t room, count;          /* room is a power of two */
} StepSet;

/* False when the step was there already. Open addressing, never more than half full. The low
 * bits of an address are the same in all of them, hence the shift; the multiplication spreads
 * the rest. */
static bool add_to_set(StepSet *set, const Step *step)
{
    if ((set->count + 1) * 2 > set->room) {
        StepSet bigger = {.room = set->room ? set->room * 2 : 64};
        bigger.slots = mem_alloc(bigger.room * sizeof *bigger.slots);
        for (size_t i = 0; i < set->room; i++)
            if (set->slots[i]) add_to_set(&bigger, set->slots[i]);
        free(set->slots);
        *set = bigger;
    }
    size_t slot = ((uintptr_t)step >> 4) * 0x9E3779B97F4A7C15u >> 20 & (set->room - 1);
    while (set->slots[slot] && set->slots[slot] != step) slot = (slot + 1) & (set->room - 1);
    if (set->slots[slot]) return false;
    set->slots[slot] = step;
    set->count++;
    return true;
}

typedef struct Visit {
    const Step *step;
    uint32_t next;               /* of its `before` that is to be visited */
} Visit;

/* Depth first with a stack of its own: a script may have made a history of any length. A step
 * is written when all of its `before` are: oldest first, each once, in time linear in the tree.
 * Counts all of them, writes the first n. */
static size_t walk_tree(const Step *last, const Step **steps, size_t n)
{
    StepSet seen = {0};
    Visit *stack = NULL;
    size_t depth = 0, room = 0, count = 0;
    add_to_set(&seen, last);
    stack = mem_grow(stack, &room, 1, sizeof *stack);
    stack[depth++] = (Visit){last, 0};
    while (depth) {
        Visit *top = &stack[depth - 1];
        if (top->next == top->step->before_count) {
            if (count < n) steps[count] = top->step;
            count++;
            depth--;
            continue;
        }
        const Step *before = top->step->before[top->next++];
        if (!before || !add_to_set(&seen, before)) continue;
        stack = mem_grow(stack, &room, depth + 1, sizeof *stack);
        stack[depth++] = (Visit){before, 0};
    }
    free(seen.slots);
    free(stack);
    return count;
}

/* Nearly every history is a chain, which needs neither a stack nor a set. After
 * `strip "module."` and a rule the newest step is the rule's, and steps[] are {strip, rule}. */
size_t align_steps(const Binding *binding, const Step **steps, size_t n)
{
    size_t length = 0;
    for (const Step *step = binding->step; step;
         step = step->before_count ? step->before[0] : NULL) {
        if (step->before_count > 1) return walk_tree(binding->step, steps, n);
        length++;
    }
    const Step *step = binding->step;
    for (size_t i = length; i-- > 0; step = step->before_count ? step->before[0] : NULL)
        if (i < n) steps[i] = step;
    return length;
}

/* The ops of one step, "T, cast("f16")", one by one: a comma inside brackets or quotes parts
 * nothing. For this step "T" and "cast("f16")" are written. */
static void add_ops(JsonWriter *writer, const char *ops)
{
    Text one = {0};
    int depth = 0;
    bool quoted = false;
    for (const char *p = ops; *p; p++) {
        if (*p == '"') quoted = !quoted;
        if (!quoted && strchr("([{", *p)) depth++;
        if (!quoted && strchr(")]}", *p)) depth--;
        if (depth || quoted || strncmp(p, ", ", 2) != 0) {
            text_addc(&one, *p);
            continue;
        }
        json_string(writer, text_string(&one));
        text_clear(&one);
        p++;
    }
    json_string(writer, text_string(&one));
    text_done(&one);
}

/* The ops of the steps, then what closing the binding applied: in this order they act on
 * values. */
void align_ops(const Binding *binding, JsonWriter *writer)
{
    const Step *few[32], **steps = few;
    size_t count = align_steps(binding, few, countof(few));
    if (count > countof(few)) {
        steps = mem_alloc(count * sizeof *steps);
        align_steps(binding, steps, count);
    }
    json_list(writer);
    for (size_t i = 0; i < count; i++)
        if (steps[i]->ops) add_ops(writer, steps[i]->ops);
    if (binding->op) json_string(writer, binding->op);
    if (binding->cast) json_string(writer, binding->cast);
    json_end(writer);
    if (steps != few) free(steps);
}

/* NULL where no line of a script stands behind the step. */
const Origin *align_step_origin(const Step *step)
{
    return step->origin.file ? &step->origin : NULL;
}
