/* Groups: tensors that lie side by side in one (q, k, v in qkv), or one upon the other (experts).
 *
 * Found before pairs are: a template without partner whose name says what it is made of, and
 * templates of the other side with these names under one parent whose sizes add up to it. The
 * order of the parts comes from the name of the whole, never from the order of a file; without
 * names there is no group. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

/* Templates of a side by parent and last word. */
typedef struct PartIndex {
    Table by_word;           /* parent and word -> 1 + template; 0: several */
    Table parents;           /* last word -> where its parents begin in list */
    struct ParentLink {
        uint64_t parent;
        uint32_t next;       /* NONE: the last */
    } *list;
    size_t count, room;
} PartIndex;

enum {
    KNOWN_MAX = 8,           /* lines of the lexicon about one name */
    FOUND_MAX = 64           /* parents whose parts fit one whole */
};

const Token *template_last_word(const Template *t)
{
    for (size_t i = t->word_count; i--;)
        if (!t->tokens[i].is_number) return &t->tokens[i];
    return NULL;
}

/* Each spelling and each meaning of a word is a key of its own. */
static size_t word_keys(const Token *token, uint64_t keys[MEANINGS + 1])
{
    size_t n = 0;
    keys[n++] = hash_mix(token->word, 77);
    for (int i = 0; i < MEANINGS && token->meaning[i] != NONE; i++)
        keys[n++] = hash_mix(token->meaning[i], 78);
    return n;
}

/* What stands beside the last word of a part, to_q and add_q_proj in one parent: the parts of one
 * whole have it in common. */
static uint64_t frame_of(const Template *t, uint64_t parent)
{
    const Token *last = template_last_word(t);
    uint64_t hash = hash_mix(parent, 79);
    for (size_t i = 0; i < t->token_count; i++)
        if (&t->tokens[i] != last) hash = hash_mix(hash, token_key(&t->tokens[i]));
    return hash;
}

/* The parent of a part: above the number that a stack counts, too. */
static void index_part(PartIndex *index, const Template *t, uint32_t number, uint64_t parent)
{
    uint64_t keys[MEANINGS + 1];
    const Token *word = template_last_word(t);
    size_t n = word ? word_keys(word, keys) : 0;
    for (size_t i = 0; i < n; i++) {
        bool fresh;
        uint32_t *at = table_add(&index->by_word, hash_mix(parent, keys[i]), number + 1, &fresh);
        if (!fresh) {
            if (*at != number + 1) *at = 0;
            continue;
        }
        uint32_t *head = table_add(&index->parents, keys[i], NONE, NULL);
        index->list = mem_grow(index->list, &index->room, index->count + 1, sizeof *index->list);
        index->list[index->count] = (struct ParentLink){parent, *head};
        *head = (uint32_t)index->count++;
    }
}

/* By the paths above the parts; `level` 1: those above these. */
static PartIndex make_index(Auto *a, Side *side, int level)
{
    PartIndex index = {.by_word.arena = a->arena, .parents.arena = a->arena};
    for (uint32_t i = 0; i < side->template_count; i++) {
        Template *t = &side->templates[i];
        if (t->dead || side->units[side->order[t->first]].fixed) continue;
        template_words(a, side, t);
        if (!level) index_part(&index, t, i, frame_of(t, t->up[0]));
        index_part(&index, t, i, t->up[0]);
        if (level && t->up[1] != t->up[0]) index_part(&index, t, i, t->up[1]);
    }
    return index;
}

/* ---- shapes ---- */

static const AutoTensor *first_main(const Side *side, const Template *t)
{
    return main_tensor(side, &side->units[side->order[t->first]]);
}

bool group_joins(const AutoTensor *whole, const AutoTensor *const *parts, const Group *group)
{
    unsigned rank = whole->rank;
    const int64_t *dims = whole->dims;
    if (!dims || !rank) return false;
    if (group->stacked) {
        if (dims[0] != group->stacked) return false;
        dims++;
        rank--;
    }
    int64_t sizes[PARTS_MAX];
    return shape_joins(dims, rank, parts, group->count, false, sizes) >= 0 ||
           shape_joins(dims, rank, parts, group->count, true, sizes) >= 0;
}

static bool fits_rows(const Auto *a, const Group *group)
{
    const Side *x = &a->side[!group->side], *y = &a->side[group->side];
    const Template *whole = &x->templates[group->fused];
    uint32_t each = group->stacked ? (uint32_t)group->stacked : 1;
    for (size_t p = 0; p < group->count; p++)
        if (y->templates[group->parts[p]].count != (uint64_t)whole->count * each) return false;
    for (uint32_t k = 0; k < whole->count; k++)
        for (uint32_t e = 0; e < each; e++) {
            const AutoTensor *parts[PARTS_MAX];
            for (size_t p = 0; p < group->count; p++)
                parts[p] = main_tensor(y, &y->units[y->order[y->templates[group->parts[p]].first +
                                                             k * each + e]]);
            const Unit *unit = &x->units[x->order[whole->first + k]];
            if (!group_joins(main_tensor(x, unit), parts, group)) return false;
        }
    return true;
}

/* From which numbers two rows count, slot by slot of the first. */
static void count_from(const Coarse *x, const Counting *by, const Coarse *y, const Counting *of,
                       int64_t low[SLOTS_MAX], int64_t other[SLOTS_MAX])
{
    for (unsigned i = 0; i < by->count; i++) {
        const unsigned p = by->slot[i], q = of->slot[i];
        const bool equally_far = x->high[p] - x->low[p] == y->high[q] - y->low[q];
        low[i] = equally_far ? x->low[p] : by->low[i];
        other[i] = equally_far ? y->low[q] : of->low[i];
    }
}

/* Whether the k-th whole has the number of its parts, each counted from where all begin that counts
 * the same blocks: of rows that both lack a block the k-th may be another one. Where those do not
 * reach equally far, and more than blocks is counted, each row is counted from its own first. */
static bool same_blocks(const Auto *a, const Group *group)
{
    const Side *x = &a->side[!group->side], *y = &a->side[group->side];
    const Template *whole = &x->templates[group->fused];
    const Counting by = counting_of(x, whole);
    const uint32_t each = group->stacked ? (uint32_t)group->stacked : 1;
    for (uint32_t p = 0; p < group->count; p++) {
        const Template *part = &y->templates[group->parts[p]];
        const Counting of = counting_of(y, part);
        if (of.count != by.count + (group->stacked ? 1 : 0)) continue;
        int64_t low[SLOTS_MAX], other[SLOTS_MAX];
        count_from(&x->coarse[whole->coarse], &by, &y->coarse[part->coarse], &of, low, other);
        for (uint32_t k = 0; k < whole->count; k++) {
            const int64_t *m = x->numbers + x->units[x->order[whole->first + k]].numbers;
            const int64_t *n = y->numbers + y->units[y->order[part->first + k * each]].numbers;
            for (unsigned i = 0; i < by.count; i++)
                if (m[by.slot[i]] - low[i] != n[of.slot[i]] - other[i])
                    return false;
        }
    }
    return true;
}

/* ---- finding ---- */

/* What the lexicon says lies in a whole. */
static size_t list_known(const Auto *a, const Side *side, const Template *whole, Token *out,
                         size_t room)
{
    const LexiconFused *known[KNOWN_MAX];
    size_t count = glue_known(a, side, whole, known, KNOWN_MAX), n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < known[i]->part_count && n < room; k++)
            n += words_token(a->words, known[i]->parts[k], out + n);
    return n;
}

/* What a whole is made of, by its name: the words of it, fused ones taken apart. */
static size_t list_elements(const Auto *a, const Template *whole, Token *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < whole->token_count && n + PARTS_MAX < room; i++) {
        const Token *token = &whole->tokens[i];
        if (token->is_number) continue;
        size_t made = a->options->lexicon ? words_parts_of(a->words, token, out + n, PARTS_MAX) : 0;
        if (!made) out[n] = *token;
        n += made ? made : 1;
    }
    return n;
}

/* The last free number of a part counts what is stacked: whole rows of `stacked` units. One that is
 * fixed behind it, experts.0 in layers.#, would be stacked the wrong way. */
bool group_counts(const Side *side, const Template *t, int64_t stacked)
{
    unsigned slots = side->coarse[t->coarse].slot_count, last = slots;
    for (unsigned i = 0; i < slots; i++) {
        if (!(t->literal >> i & 1)) last = i;
        else if (last < slots && !(side->coarse[t->coarse].glued >> i & 1)) return false;
    }
    if (last == slots || t->count % stacked) return false;
    for (uint32_t k = 0; k < t->count; k++) {
        const Unit *unit = &side->units[side->order[t->first + k]];
        const Unit *before = &side->units[side->order[t->first + k - k % stacked]];
        int64_t number = side->numbers[unit->numbers + last];
        if (number != side->numbers[before->numbers + last] + (int64_t)(k % stacked)) return false;
    }
    return true;
}

/* What is looked for: the parts of one whole, all of each row or, with holes, most of it. */
typedef struct Search {
    const PartIndex *index;
    const Token *elements;   /* [count] */
    size_t count;
    bool holes;
    Group found[FOUND_MAX];  /* [found_count] what fits, none twice */
    size_t found_count;
} Search;

/* Whether a row has as many units as are needed, or nearly. */
static bool has_count(const Template *t, uint64_t count, bool holes)
{
    const uint64_t more = t->count > count ? t->count : count;
    return holes ? (2 * more - t->count - count) * 4 <= more : t->count == count;
}

/* The parts of a whole under one parent, in the order of the whole's words. */
static bool gather_parts(const Auto *a, const Search *search, uint64_t parent, uint64_t count,
                         Group *group)
{
    const Token *elements = search->elements;
    const Side *side = &a->side[group->side];
    group->count = 0;
    for (size_t i = 0; i < search->count; i++) {
        uint64_t keys[MEANINGS + 1];
        size_t key_count = word_keys(&elements[i], keys);
        uint32_t found = 0;
        for (size_t k = 0; k < key_count && !found; k++) {
            const uint32_t *at = table_find(&search->index->by_word, hash_mix(parent, keys[k]));
            if (at) found = *at;
        }
        if (!found || side->templates[found - 1].dead) continue;
        if (!has_count(&side->templates[found - 1], count, search->holes)) continue;
        if (group->stacked && !group_counts(side, &side->templates[found - 1], group->stacked))
            continue;
        bool again = false;
        for (size_t p = 0; p < group->count; p++) again = again || group->parts[p] == found - 1;
        if (again) continue;
        if (group->count == PARTS_MAX) return false;
        group->parts[group->count++] = found - 1;
    }
    return group->count > (group->stacked ? 0 : 1);
}

/* Stands for the parts among the templates of their side. */
static void add_virtual(Auto *a, Group *group)
{
    Side *side = &a->side[group->side];
    const Template *whole = &a->side[!group->side].templates[group->fused];
    const Template part = side->templates[group->parts[0]];
    group->virtual = (uint32_t)side->template_count;
    Template *t = template_add(side, part.first, part.count, part.literal);
    t->group = (uint32_t)a->group_count + 1;
    t->sequence = whole->sequence;
    t->mirrored = whole->mirrored;
    t->position = part.position;
    memcpy(t->up, part.up, sizeof t->up);
    Token tokens[WORDS_MAX];
    size_t n = 0;
    const Token *last = group->count > 1 ? template_last_word(whole) : NULL;
    for (size_t i = 0; i < part.word_count; i++)
        if (!last || &part.tokens[i] != template_last_word(&part)) tokens[n++] = part.tokens[i];
    if (last && n < WORDS_MAX) tokens[n++] = *last;
    t->word_count = (uint8_t)n;
    for (size_t i = part.word_count; i < part.token_count && n < WORDS_MAX; i++)
        tokens[n++] = part.tokens[i];
    t->tokens = arena_copy(a->arena, tokens, n * sizeof *tokens);
    t->token_count = (uint8_t)n;
    for (uint32_t k = 0; k < part.count; k++)
        side->units[side->order[part.first + k]].template = group->parts[0];
    for (size_t p = 0; p < group->count; p++)
        side->templates[group->parts[p]].dead = side->templates[group->parts[p]].in_group = true;
    a->groups = mem_grow(a->groups, &a->group_room, a->group_count + 1, sizeof *a->groups);
    a->groups[a->group_count++] = *group;
}

bool group_fits(const Auto *a, const Group *group)
{
    return fits_rows(a, group) && same_blocks(a, group);
}

bool group_try(Auto *a, Group *group)
{
    if (!group_fits(a, group)) return false;
    add_virtual(a, group);
    return true;
}

/* Whether two groups have the same parts. */
static bool same_parts(const Group *a, const Group *b)
{
    return a->count == b->count && a->stacked == b->stacked &&
           memcmp(a->parts, b->parts, a->count * sizeof *a->parts) == 0;
}

static bool try_parent(const Auto *a, Search *search, uint64_t parent, Group *group)
{
    const Template *whole = &a->side[!group->side].templates[group->fused];
    uint64_t count = whole->count * (uint64_t)(group->stacked ? group->stacked : 1);
    if (count >= NONE || !gather_parts(a, search, parent, count, group)) return false;
    for (size_t i = 0; i < search->found_count; i++)
        if (same_parts(&search->found[i], group)) return true;
    if (!(search->holes ? group_has_holes(a, group) : group_fits(a, group))) return false;
    if (search->found_count < FOUND_MAX) search->found[search->found_count++] = *group;
    return true;
}

/* Parts for one whole, under every parent. */
static void try_parents(const Auto *a, int s, uint32_t number, Search *search)
{
    const AutoTensor *tensor = first_main(&a->side[s], &a->side[s].templates[number]);
    int64_t first = tensor->dims && tensor->rank > 1 ? tensor->dims[0] : 0;
    for (size_t i = 0; i < search->count; i++) {
        uint64_t keys[MEANINGS + 1];
        size_t key_count = word_keys(&search->elements[i], keys);
        for (size_t k = 0; k < key_count; k++) {
            const uint32_t *head = table_find(&search->index->parents, keys[k]);
            uint32_t at = head ? *head : NONE;
            for (int tries = 0; at != NONE && tries < 64; tries++) {
                Group group = {.side = (uint8_t)!s, .fused = number};
                const struct ParentLink *link = &search->index->list[at];
                if (!try_parent(a, search, link->parent, &group) && first > 1 && first < NONE) {
                    group.stacked = first;
                    try_parent(a, search, link->parent, &group);
                }
                at = link->next;
            }
        }
    }
}

/* How many words before the last the names of a whole and of its parts have in common. */
static size_t count_common(const Auto *a, const Group *group)
{
    const Template *whole = &a->side[!group->side].templates[group->fused];
    const Template *part = &a->side[group->side].templates[group->parts[0]];
    const Token *last = template_last_word(whole), *own = template_last_word(part);
    size_t common = 0;
    for (size_t i = 0; i < whole->token_count; i++) {
        bool found = &whole->tokens[i] == last || whole->tokens[i].is_number;
        for (size_t j = 0; j < part->token_count && !found; j++) {
            found = &part->tokens[j] != own && token_same(&whole->tokens[i], &part->tokens[j]);
            common += found;
        }
    }
    return common;
}

/* Of several parents that fit only those stay whose names have most in common with the whole: what
 * belongs to cross_attn must not become part of another's. */
static void keep_nearest(const Auto *a, Search *search)
{
    size_t most = 0, n = 0;
    for (size_t i = 0; i < search->found_count; i++) {
        const size_t common = count_common(a, &search->found[i]);
        if (common > most) most = common;
    }
    for (size_t i = 0; i < search->found_count; i++)
        if (count_common(a, &search->found[i]) == most) search->found[n++] = search->found[i];
    search->found_count = n;
}

static bool has_dead_part(const Side *side, const Group *group)
{
    for (size_t p = 0; p < group->count; p++)
        if (side->templates[group->parts[p]].dead) return true;
    return false;
}

/* All parts of a row, or, where nothing has them, those of the only row that has most of them.
 * Every parent that fits is a candidate; which it is, the rounds decide. */
static bool find_parts(Auto *a, int s, uint32_t number, const PartIndex *index,
                       const Token *elements, size_t n)
{
    Search search = {.index = index, .elements = elements, .count = n};
    try_parents(a, s, number, &search);
    keep_nearest(a, &search);
    for (size_t i = 0; i < search.found_count; i++)
        if (!has_dead_part(&a->side[!s], &search.found[i])) add_virtual(a, &search.found[i]);
    if (search.found_count || a->side[s].templates[number].count < 2) return search.found_count > 0;
    search.holes = true;
    try_parents(a, s, number, &search);
    keep_nearest(a, &search);
    if (search.found_count != 1) return false;
    group_carve(a, search.found);
    return group_try(a, search.found);
}

/* What the lexicon says lies in a tensor may lie one level further down: attn.to_q beside proj_mlp.
 * The index of that is made when it is needed. */
static void find_for(Auto *a, int s, uint32_t number, const PartIndex *index, PartIndex *wide)
{
    Token elements[WORDS_MAX + PARTS_MAX];
    Side *side = &a->side[s];
    template_words(a, side, &side->templates[number]);
    size_t n = list_known(a, side, &side->templates[number], elements, WORDS_MAX);
    if (!n) {
        n = list_elements(a, &side->templates[number], elements, countof(elements));
        find_parts(a, s, number, index, elements, n);
        return;
    }
    if (find_parts(a, s, number, index, elements, n)) return;
    if (!wide->by_word.arena) *wide = make_index(a, &a->side[!s], 1);
    find_parts(a, s, number, wide, elements, n);
}

void groups_find(Auto *a)
{
    glue_hear(a);
    for (int s = 0; s < 2; s++) {
        Side *side = &a->side[s], *other = &a->side[!s];
        Table there = {.arena = a->arena};
        for (size_t i = 0; i < other->template_count; i++)
            if (!other->templates[i].dead) table_add(&there, other->templates[i].sequence, 1, NULL);
        PartIndex index = make_index(a, other, 0), wide = {0};
        size_t n = side->template_count;
        for (uint32_t i = 0; i < n; i++) {
            const Template *t = &side->templates[i];
            if (t->dead || t->group || side->units[side->order[t->first]].fixed) continue;
            if (!table_find(&there, t->sequence)) find_for(a, s, i, &index, &wide);
        }
        free(index.list);
        free(wide.list);
    }
}
