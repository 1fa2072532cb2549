/* Whether a layer whose rows differ in number lies inside the model. Nobody swaps the head there:
 * another number of rows is another width, and the first rows of it are no answer.
 *
 *   layers.1.linear1.weight   layers.0.linear1.weight has the old shape, and fits
 *   0.weight 32×8 → 48×8      1.weight (a norm) is 32 → 48, or 3.weight takes 32 or 48
 *   bn1.running_mean          a layer of vectors alone scales what others make */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/report_parts.h"

/* Of a list of heads one alone may have got another number of classes: heads.1.fc.weight. */
static bool is_named_head(const char *name)
{
    static const char *const words[] = {"head", "cls", "class", "pred", "logit"};
    for (size_t i = 0; i < countof(words); i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

/* The same layer of a block beside: a number in the name, one less or one more. The last number
 * before the leaf is none of a block: heads.1.weight stands in a list of heads. */
static bool has_sound_twin(const Reporter *reporter, const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    if (is_named_head(binding->name)) return false;
    const char *name = binding->name, *leaf = strrchr(name, '.');
    for (const char *dot = strchr(name, '.'), *from = name; dot && dot != leaf;
         from = dot + 1, dot = strchr(from, '.')) {
        char *end;
        const long number = strtol(from, &end, 10);
        if (end != dot || from == end || number < 0 || number == LONG_MAX) continue;
        if (dot + 1 + strcspn(dot + 1, ".") > leaf) continue;
        for (int step = -1; step <= 1; step += 2) {
            const Binding *twin = align_find(reporter->alignment,
                                             arena_printf(reporter->arena, "%.*s%ld%s",
                                                          (int)(from - name), name,
                                                          number + step, dot));
            if (twin && align_is_loaded(twin) && twin->dims &&
                same_dims(offer->dims, offer->rank, twin->dims, twin->rank))
                return true;
        }
    }
    return false;
}

/* Whether `next` takes or scales what a layer of `from` or `to` rows makes. -1: it tells nothing,
 * look further. */
static int takes_output(const Binding *next, int64_t from, int64_t to)
{
    if (!next->dims || next->rank == 0) return -1;
    const unsigned axis = next->rank > 1;
    const int64_t size = next->dims[axis];
    if (align_is_loaded(next))
        return size > 1 && (size == from || size == to) ? 1 : axis ? 0 : -1;
    const Expr *offer = report_is_misshapen(next) ? align_offer(next) : NULL;
    if (!offer || offer->rank != next->rank) return axis ? 0 : -1;
    return size == to && offer->dims[axis] == from ? 1 : axis ? 0 : -1;
}

/* The layer behind, in a target that has an order. */
static bool feeds_a_layer(const Reporter *reporter, const Binding *binding)
{
    enum { LOOKED_AT = 12 };
    const StateDict *target = align_target(reporter->alignment);
    const char *dot = strrchr(binding->name, '.');
    if (!target || !dict_is_ordered(target) || !dot) return false;
    const size_t own = (size_t)(dot - binding->name) + 1;
    const size_t first = (size_t)(binding - align_binding(reporter->alignment, 0)) + 1;
    for (size_t i = first; i < align_count(reporter->alignment) && i < first + LOOKED_AT; i++) {
        const Binding *next = align_binding(reporter->alignment, i);
        if (strncmp(next->name, binding->name, own) == 0) continue;
        const int takes = takes_output(next, align_offer(binding)->dims[0], binding->dims[0]);
        if (takes >= 0) return takes;
    }
    return false;
}

/* fc.bias is the classifier's also where a rule has settled fc.weight. */
static bool has_settled_matrix(const Reporter *reporter, const Binding *binding)
{
    const Binding *matrix = report_weight_beside(reporter, binding);
    if (!matrix || matrix->rank < 2 || !matrix->dims) return false;
    return !align_is_loaded(matrix) || matrix->partial || matrix->source_count != 1 ||
           matrix->sources[0]->rank != matrix->rank ||
           matrix->sources[0]->dims[0] != matrix->dims[0];
}

bool report_is_inner(const Reporter *reporter, const Binding *binding)
{
    if (binding->rank < 2) return !has_settled_matrix(reporter, binding);
    return has_sound_twin(reporter, binding) || feeds_a_layer(reporter, binding);
}
