/* What equal values leave open, automatic alignment decides, where it does: norms that were never
 * trained hold the same numbers throughout, and stacks of them as well. What the values have shown
 * stands fast for it, and what it finds is verified like everything. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto.h"
#include "loader/align/learn_parts.h"
#include "loader/core/map.h"

/* What is handed to it. */
typedef struct Asking {
    Learner *learner;
    AutoTensor *sides[2];        /* owned, all tensors */
    AutoAnchor *anchors;         /* owned, growing */
    size_t anchor_count, anchor_room;
    NameMap computed;            /* modules of the target with numbers that no source has */
} Asking;

static const int64_t no_dims[1] = {0};       /* of scalars, whose shape is known all the same */

static AutoTensor *list_tensors(const StateDict *dict)
{
    AutoTensor *list = mem_alloc((dict_count(dict) + 1) * sizeof *list);
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        list[i] = (AutoTensor){tensor->name, tensor->rank ? tensor->dims : no_dims, tensor->rank,
                               tensor->dtype};
        if (!tensor->dims && tensor->rank) list[i].rank = 0, list[i].dims = NULL;
    }
    return list;
}

static void add_anchor(Asking *asking, const char *source, const char *target)
{
    const Checker *checker = &asking->learner->checker;
    asking->anchors = mem_grow(asking->anchors, &asking->anchor_room, asking->anchor_count + 1,
                               sizeof *asking->anchors);
    asking->anchors[asking->anchor_count++] =
        (AutoAnchor){(uint32_t)dict_index(checker->old, dict_find(checker->old, source)),
                     (uint32_t)dict_index(checker->now, dict_find(checker->now, target))};
}

/* A source of several targets goes to each, and several sources of one to that. */
static void add_anchors(Asking *asking, const Bundle *bundle)
{
    size_t at = 0;
    for (size_t i = 0; i < bundle->source_count; i++)
        for (size_t k = 0; k < bundle->sources[i].count; k++, at++) {
            const char *source = bundle->sources[i].names[k];
            const bool single = bundle->source_count == 1 && bundle->sources[0].count == 1;
            for (size_t t = 0; single && t < bundle->target_count; t++)
                add_anchor(asking, source, bundle->targets[t]);
            if (!single)
                add_anchor(asking, source, bundle->targets[at < bundle->target_count ? at : 0]);
        }
}

/* Whether some source holds the values of one that is open: else there is nothing to tell apart. */
static bool has_equals(Learner *learner)
{
    uint32_t print;
    for (size_t i = 0; i < learner->b.wholes; i++)
        if (is_open(learner, i) &&
            (learner->b.items[i].flat || whole_candidates(learner, i, &print, 1)))
            return true;
    return false;
}

/* The bytes of a name before its last segment. */
static size_t module_of(const char *name)
{
    size_t n = strlen(name);
    while (n && name[n - 1] != '.' && name[n - 1] != '/') n--;
    return n;
}

/* Where the weight was computed of several tensors, a bias of zeros was as well: that another one
 * is zero, too, says nothing of a model that was trained. */
static void list_computed(Asking *asking, Arena *scratch)
{
    Learner *learner = asking->learner;
    uint32_t print;
    map_init(&asking->computed);
    for (size_t i = 0; i < learner->b.wholes; i++) {
        const Print *to = &learner->b.items[i];
        if (!is_open(learner, i) || to->flat || whole_candidates(learner, i, &print, 1)) continue;
        const char *name = to->tensor->name;
        map_set(&asking->computed, arena_strndup(scratch, name, module_of(name)), 1);
    }
}

static bool is_computed(const Asking *asking, Arena *scratch, const char *name)
{
    return asking->computed.count &&
           map_get(&asking->computed, arena_strndup(scratch, name, module_of(name))) != MAP_NONE;
}

/* What it takes from sources that are used already may be right, but then the values say so. */
static bool is_offered(const Asking *asking, Arena *scratch, const Bundle *bundle)
{
    const Learner *learner = asking->learner;
    const Checker *checker = &learner->checker;
    for (size_t i = 0; i < bundle->target_count; i++) {
        const Tensor *target = dict_find(checker->now, bundle->targets[i]);
        if (!is_open(learner, dict_index(checker->now, target)) ||
            is_computed(asking, scratch, target->name))
            return false;
    }
    for (size_t i = 0; i < bundle->source_count; i++)
        for (size_t k = 0; k < bundle->sources[i].count; k++) {
            const Tensor *source = dict_find(checker->old, bundle->sources[i].names[k]);
            const size_t print = dict_index(checker->old, source);
            if (learner->used[print] || learner->a.why[print]) return false;
        }
    return bundle->op_count <= CHAIN_MAX;
}

static bool take(const Asking *asking, Arena *scratch, const Bundle *bundle)
{
    Learner *learner = asking->learner;
    Chain chain = {.count = bundle->op_count};
    if (!is_offered(asking, scratch, bundle)) return false;
    for (size_t i = 0; i < bundle->op_count; i++) chain.ops[i] = bundle->ops[i];
    if (!offer(learner, bundle->sources, bundle->source_count, bundle->targets,
               bundle->target_count, &chain))
        return false;
    learner->named += bundle->target_count;
    return true;
}

bool learn_matched(Learner *learner)
{
    const Checker *checker = &learner->checker;
    if (!learner->lexicon || !has_equals(learner)) return false;
    Asking asking = {.learner = learner,
                     .sides = {list_tensors(checker->old), list_tensors(checker->now)}};
    for (size_t i = 0; i < learner->bundle_count; i++) add_anchors(&asking, &learner->bundles[i]);
    const AutoSide old = {asking.sides[0], dict_count(checker->old),
                          !dict_is_ordered(checker->old)};
    const AutoSide now = {asking.sides[1], dict_count(checker->now),
                          !dict_is_ordered(checker->now)};
    const AutoOptions options = {.lexicon = learner->lexicon, .anchors = asking.anchors,
                                 .anchor_count = asking.anchor_count, .accept = 0.20f,
                                 .answers = checker->options->answers,
                                 .answer_count = checker->options->answer_count};
    const AutoResult *result = auto_align(learner->arena, &old, &now, &options, learner->err);
    bool any = false;
    Arena *scratch = arena_new();
    learner->failed = !result;
    list_computed(&asking, scratch);
    for (size_t i = 0; result && i < result->bundle_count && !learner->failed; i++)
        any |= take(&asking, scratch, &result->bundles[i]);
    map_done(&asking.computed);
    arena_free(scratch);
    free(asking.sides[0]);
    free(asking.sides[1]);
    free(asking.anchors);
    return any;
}
