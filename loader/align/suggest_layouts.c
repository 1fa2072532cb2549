/* Caution where shapes cannot tell: a kernel that its format says is stored in another order of
 * axes, taken as it is by a target that looks the same either way.
 *
 *   dense/kernel 512×512, stored IO  →  fc.weight 512×512      loaded, and perhaps turned */
#include "loader/align/family.h"
#include "loader/align/suggest.h"
#include "loader/tensor/layout.h"

/* Whether the value went in with the axes of its origin, which are not the target's. Where the
 * target's format tells the same order (TensorFlow to TensorFlow) all is well. */
static bool is_doubtful(const Alignment *alignment, const Binding *binding)
{
    const Expr *value = binding->expr;
    if (binding->status != BIND_LOADED || !value || !value->layout) return false;
    const Tensor *target = dict_find(alignment->target, binding->name);
    return target && target->layout != value->layout;
}

/* The rule for one of them, and for those that differ from it in numbers alone. */
static const char *turning_rule(Alignment *alignment, const char *name)
{
    FamilyName family = {0};
    family_split(name, &family);
    const char *text = family.count ? text_string(&family.text) : name;
    const char *line = suggest_op(alignment->arena, text, family.count > 0, "", "to_torch");
    family_done(&family);
    return line;
}

void suggest_layouts(Alignment *alignment)
{
    enum { SHOWN = 3 };
    Text names = {0};
    const Binding *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (!is_doubtful(alignment, binding)) continue;
        if (!first) first = binding;
        if (count < SHOWN) text_addf(&names, "%s%s", count ? ", " : "", binding->name);
        count++;
    }
    if (first) {
        const LayoutInfo *layout = layout_info((Layout)first->expr->layout);
        if (count > SHOWN) text_addf(&names, " and %zu more", count - SHOWN);
        draft_note(alignment->draft, NOTE_INFO, (Origin){0},
                   "Axes (caution)   %s\nstored as %s (%s) and taken as they are: their shape is "
                   "the same either way.\nPyTorch's order is %s.  To turn them:   %s",
                   text_string(&names), layout->name, layout->whose, layout->torch,
                   turning_rule(alignment, first->name));
    }
    text_done(&names);
}
