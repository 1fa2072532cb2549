/* What stands beside what is known: the bias of a weight whose origin is found comes from the bias
 * of that weight's source, by the same ops. And what names decide among equal values. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"

enum { CANDIDATES = 64 };

/* Bytes of a name before its last word: "fc.", "in_proj_". */
static size_t stem_of(const char *name)
{
    size_t n = strlen(name);
    while (n && name[n - 1] != '.' && name[n - 1] != '/' && name[n - 1] != '_') n--;
    return n;
}

static const Tensor *find_kin(const StateDict *dict, const char *name, const char *leaf)
{
    Text text = {0};
    text_addn(&text, name, stem_of(name));
    text_add(&text, leaf);
    const Tensor *tensor = dict_find(dict, text_string(&text));
    text_done(&text);
    return tensor;
}

/* The ops for a vector beside the matrix that they were found for: what exchanges axes falls away,
 * and the one axis is 0. False when nothing changes. */
static bool reduce_chain(Arena *arena, const Bundle *bundle, Chain *chain)
{
    bool changed = false;
    *chain = (Chain){.count = 0};
    for (size_t i = 0; i < bundle->op_count; i++) {
        Op op = bundle->ops[i];
        if (op.kind == OP_T || op.kind == OP_PERMUTE || op.kind == OP_SQUEEZE ||
            op.kind == OP_UNSQUEEZE || op.kind == OP_RESHAPE) {
            changed = true;
            continue;
        }
        bool stacks = op.kind == OP_STACK || op.kind == OP_UNSTACK;
        const int axis = i && blocks_opened(&bundle->ops[i - 1]);    /* that of the blocks is 0 */
        if (op.has_axis && op.axis > axis && !stacks) {
            op.axis = axis;
            changed = true;
        }
        if (op.kind == OP_EIN) {   /* "(h c) v -> (c h) v" without the v */
            Text text = {0};
            for (const char *at = op.text; *at; at++) {
                bool other = *at >= 'u' && *at <= 'z';
                if (!other && !(*at == ' ' && at[1] >= 'u' && at[1] <= 'z')) text_addc(&text, *at);
                else changed = true;
            }
            const char *start = text_string(&text);
            while (*start == ' ') start++;
            op.text = arena_strdup(arena, start);
            text_done(&text);
        }
        chain_add(chain, op);
    }
    return changed;
}

/* Bundle `like` with other leaves on both sides; `from` is the leaf of the sources. */
static bool offer_kin(Learner *learner, const Bundle *like, const char *from, const char *to)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < like->source_count; i++) total += like->sources[i].count;
    const char **names = mem_alloc((total + 1) * sizeof *names);
    const char **targets = mem_alloc((like->target_count + 1) * sizeof *targets);
    NameList *lists = mem_alloc((like->source_count + 1) * sizeof *lists);
    bool there = true;
    for (size_t i = 0; there && i < like->source_count; i++) {
        lists[i] = (NameList){names + at, like->sources[i].count};
        for (size_t k = 0; there && k < like->sources[i].count; k++) {
            const Tensor *kin = find_kin(learner->checker.old, like->sources[i].names[k], from);
            there = kin != NULL;
            if (there) names[at++] = kin->name;
        }
    }
    for (size_t i = 0; there && i < like->target_count; i++) {
        const Tensor *kin = find_kin(learner->checker.now, like->targets[i], to);
        there = kin && is_open(learner, dict_index(learner->checker.now, kin));
        if (there) targets[i] = kin->name;
    }
    bool good = false;
    if (there) {
        Chain chain = {.count = like->op_count}, reduced;
        memcpy(chain.ops, like->ops, like->op_count * sizeof(Op));
        bool other = reduce_chain(learner->arena, like, &reduced);
        good = offer(learner, lists, like->source_count, targets, like->target_count, &chain) ||
               (other && offer(learner, lists, like->source_count, targets, like->target_count,
                               &reduced));
    }
    free(names);
    free(targets);
    free(lists);
    return good;
}

static const char *const leaves[] = {"weight", "bias", "kernel", "scale", "gamma", "beta", "b", "w",
                                     "running_mean", "running_var"};

/* The leaves of the sources that are tried: the target's own first. */
static bool offer_leaves(Learner *learner, const Bundle *like, const char *leaf)
{
    const char *source = like->sources[0].names[0];
    if (strcmp(source + stem_of(source), leaf) != 0 && offer_kin(learner, like, leaf, leaf))
        return true;
    for (size_t i = 0; i < countof(leaves); i++)
        if (strcmp(leaves[i], leaf) != 0 && strcmp(source + stem_of(source), leaves[i]) != 0 &&
            offer_kin(learner, like, leaves[i], leaf))
            return true;
    return false;
}

bool learn_kin(Learner *learner)
{
    bool any = false;
    for (size_t i = 0; i < learner->bundle_count && !learner->failed; i++) {
        const Bundle like = learner->bundles[i];   /* the list grows */
        if (!like.op_count || like.op_count > CHAIN_MAX) continue;
        for (size_t k = 0; k < countof(leaves); k++) {
            const Tensor *kin = find_kin(learner->checker.now, like.targets[0], leaves[k]);
            if (kin && is_open(learner, dict_index(learner->checker.now, kin)))
                any |= offer_leaves(learner, &like, leaves[k]);
        }
    }
    return any;
}

/* ---- names ---- */

/* Candidates without those that another target was made of, as long as there are others. */
static size_t drop_used(const Learner *learner, bool flat, uint32_t *prints, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!learner->used[prints[i]]) {
            uint32_t swap = prints[kept];
            prints[kept++] = prints[i];
            prints[i] = swap;
        }
    return kept || flat ? kept : n;
}

static bool learn_by_name(Learner *learner, size_t target)
{
    const Print *to = &learner->b.items[target];
    uint32_t prints[CANDIDATES];
    const char *names[CANDIDATES];
    size_t all = whole_candidates(learner, target, prints, CANDIDATES);
    size_t n = all < CANDIDATES ? all : CANDIDATES;
    /* of very many only the one of the same name can be told */
    const Tensor *same = dict_find(learner->checker.old, to->tensor->name);
    if (all > CANDIDATES && !same) return false;
    n = drop_used(learner, to->flat, prints, n);
    for (size_t i = 0; i < n; i++) names[i] = source_name(learner, prints[i]);
    int best = book_choose(learner->book, to->tensor->name, names, n);
    if (same && !learner->used[dict_index(learner->checker.old, same)]) {
        for (size_t i = 0; i < n && all <= CANDIDATES; i++)
            if (names[i] == same->name) best = (int)i;
        if (all > CANDIDATES) {
            prints[0] = (uint32_t)dict_index(learner->checker.old, same);
            best = 0;
        }
    }
    Chain chain;
    if (best < 0 ||
        !print_describe(learner->arena, &learner->a.items[prints[best]], to, &chain))
        return false;
    const char *source = source_name(learner, prints[best]);
    return offer(learner, &(NameList){&source, 1}, 1, &to->tensor->name, 1, &chain);
}

bool learn_named(Learner *learner)
{
    bool any = false;
    for (size_t i = 0; i < learner->b.wholes; i++)
        if (is_open(learner, i)) any |= learn_by_name(learner, i);
    return any;
}
