/* Two ledgers of the same files, binding by binding. Equal is what takes the same sources in the
 * same way; the expressions themselves are not compared node by node, a preview has no time for
 * that. */
#include "viewer/change.h"

#include <stdlib.h>
#include <string.h>

/* Kept is not loaded: policy gave up on it. */
static bool has_value(const Binding *binding)
{
    return binding->status == BIND_LOADED || binding->status == BIND_TIED ||
           binding->status == BIND_FILLED;
}

/* Of the expressions only the outermost kind is looked at: |> T added to a line is a change, and
 * split(3) made split(4) shows by the shapes. */
static bool same_value(const Binding *a, const Binding *b)
{
    if (a->status != b->status || a->source_count != b->source_count) return false;
    if (!a->expr != !b->expr || (a->expr && a->expr->kind != b->expr->kind)) return false;
    for (uint32_t i = 0; i < a->source_count; i++)
        if (a->sources[i] != b->sources[i]) return false;
    return same_dims(a->dims, a->rank, b->dims, b->rank) && a->dtype == b->dtype;
}

/* What the change means for whoever wants the target loaded. */
static Change compare(const Binding *before, const Binding *after)
{
    if (!after) return CHANGE_OTHER;   /* without a target: it got another name */
    if (has_value(before) && !has_value(after)) return CHANGE_BREAK;
    if (!has_value(before) && has_value(after)) return CHANGE_LOAD;
    return same_value(before, after) ? CHANGE_NONE : CHANGE_OTHER;
}

/* The binding of the same name; nearly always at the same index, since a target's bindings stand
 * in its own order whatever the rules. NULL: only without a target. */
static const Binding *find_same(const Alignment *after, const char *name, size_t index)
{
    const Binding *binding = index < align_count(after) ? align_binding(after, index) : NULL;
    if (binding && strcmp(binding->name, name) == 0) return binding;
    return align_find(after, name);
}

/* Uses are compared by index, which means the same tensor only in the same dict: a line with
 * `unwrap` may have chosen another, and then nothing is said of them. */
void changes_init(Changes *changes, const Alignment *before, const Alignment *after)
{
    size_t n = align_count(before), m = align_use_count(before);
    *changes = (Changes){.bindings = mem_alloc(n + 1), .uses = mem_alloc(m + 1),
                         .has_target = align_target(before) != NULL};
    size_t counts[] = {0, 0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        const Binding *binding = align_binding(before, i);
        Change change = compare(binding, find_same(after, binding->name, i));
        changes->bindings[i] = (uint8_t)change;
        counts[change]++;
    }
    changes->other = counts[CHANGE_OTHER];
    changes->load = counts[CHANGE_LOAD];
    changes->broken = counts[CHANGE_BREAK];
    if (align_source_dict(before) == align_source_dict(after)) {
        for (size_t i = 0; i < m; i++) {
            UseStatus was = align_use(before, i)->status, is = align_use(after, i)->status;
            changes->uses[i] = was == is ? CHANGE_NONE : CHANGE_OTHER;
            changes->dropped += is == USE_DROPPED && was != USE_DROPPED;
        }
    }
    size_t was = align_collision_count(before), is = align_collision_count(after);
    changes->collisions = is > was ? is - was : 0;
}

void changes_done(Changes *changes)
{
    free(changes->bindings);
    free(changes->uses);
    *changes = (Changes){0};
}

bool changes_are_none(const Changes *changes)
{
    return !changes->load && !changes->broken && !changes->other && !changes->dropped &&
           !changes->collisions;
}

/* Without a target nothing can fail to load: names are what changes. */
void changes_show(const Changes *changes, Text *out)
{
    if (changes->has_target)
        text_addf(out, "load %zu, break %zu", changes->load, changes->broken);
    else
        text_addf(out, "rename %zu", changes->other);
    if (changes->has_target && changes->other) text_addf(out, ", change %zu", changes->other);
    if (changes->dropped) text_addf(out, ", drop %zu", changes->dropped);
    if (changes->collisions)
        text_addf(out, ", %zu collision%s", changes->collisions,
                  changes->collisions == 1 ? "" : "s");
}

/* From the last row to the first, so that modules get the greatest change below them. */
void changes_mark(RowModel *model, const Changes *changes)
{
    free(model->marks);
    model->marks = NULL;
    if (!changes) return;
    model->marks = mem_alloc(model->count + 1);
    for (uint32_t i = (uint32_t)model->count; i-- > 0;) {
        const Row *row = &model->rows[i];
        uint8_t mark = model->marks[i];
        if (row_is_tensor(row))
            mark = row->side[SIDE_TARGET].path ? changes->bindings[row->item]
                                               : changes->uses[row->item];
        model->marks[i] = mark;
        if (row->parent != ROW_NONE && mark > model->marks[row->parent])
            model->marks[row->parent] = mark;
    }
}
