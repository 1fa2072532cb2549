/* What is said of the whole: what came off, what was not looked at, and whether the two are the
 * same architecture in different sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"
#include "loader/core/text.h"

/* Families of targets that have the words of a source's family: of another length or other
 * sizes, or the same. In tensors of the target. */
typedef struct SizeVotes {
    size_t other, same;
} SizeVotes;

static uint64_t hash_tokens(const Template *t)
{
    uint64_t hash = hash_mix(41, t->rank);
    for (size_t i = 0; i < t->token_count; i++) hash = hash_mix(hash, token_key(&t->tokens[i]));
    return hash;
}

/* Rows of one shape throughout have a length; others are compared by their words. */
static uint64_t hash_depth(const Side *side, const Template *t)
{
    uint64_t shape = side->units[side->order[t->first]].shape;
    for (uint32_t k = 1; k < t->count; k++)
        if (side->units[side->order[t->first + k]].shape != shape) return 0;
    return hash_mix(hash_mix(43, shape), t->rank);
}

/* More than a block or two are missing. */
static bool differs_much(uint32_t a, uint32_t b)
{
    uint32_t more = a > b ? a : b, less = a > b ? b : a;
    return more >= 4 && (more - less) * 7 > more;
}

/* Of a source that has its shape and its length: where one is, size is not what is missing. */
static uint64_t hash_row(uint64_t depth, const Template *t)
{
    return hash_mix(hash_mix(47, depth), t->count);
}

bool notes_another_size(const Auto *a)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    Table words = {.arena = a->arena}, depths = {.arena = a->arena}, rows = {.arena = a->arena};
    SizeVotes votes = {0, 0};
    for (uint32_t i = 0; i < x->template_count; i++) {
        const Template *s = &x->templates[i];
        if (s->dead || s->mate != NONE || x->shapeless) continue;
        table_add(&words, hash_tokens(s), i, NULL);
        uint64_t depth = hash_depth(x, s);
        if (depth) table_add(&rows, hash_row(depth, s), 0, NULL);
        if (depth && s->count > 1) table_add(&depths, depth, s->count, NULL);
    }
    for (size_t j = 0; j < y->template_count; j++) {
        const Template *t = &y->templates[j];
        if (t->dead) continue;
        if (t->mate != NONE) {
            votes.same += t->count;
            continue;
        }
        const uint64_t shape = hash_depth(y, t);
        if (shape && table_find(&rows, hash_row(shape, t))) {
            votes.same += t->count;
            continue;
        }
        const uint32_t *i = table_find(&words, hash_tokens(t));
        const Template *s = i ? &x->templates[*i] : NULL;
        const uint32_t *depth = table_find(&depths, shape);
        bool wider = s && s->count == t->count && t->count > 1 && s->sequence != t->sequence;
        bool longer = (s && differs_much(s->count, t->count)) ||
                      (depth && differs_much(*depth, t->count));
        if (wider || longer) votes.other += t->count;
    }
    return votes.other > 8 && votes.other > votes.same;
}

static void add_note(Auto *a, AutoResult *result, size_t *room, const char *text)
{
    const char **list = mem_grow((void *)(uintptr_t)result->notes, room, result->note_count + 1,
                                 sizeof *list);
    list[result->note_count++] = arena_strdup(a->out, text);
    result->notes = list;
}

/* Square kernels that are bound by name as they are, though the others of their family are
 * transposed: names alone cannot know. */
static size_t count_stale(const Auto *a)
{
    const AutoOptions *options = a->options;
    size_t n = 0;
    for (size_t i = 0; i < options->anchor_count; i++) {
        AutoAnchor anchor = options->anchors[i];
        if (anchor.source >= a->side[0].given->count || anchor.target >= a->side[1].given->count)
            continue;
        const AutoTensor *s = &a->side[0].given->tensors[anchor.source];
        const AutoTensor *t = &a->side[1].given->tensors[anchor.target];
        n += s->dims && t->dims && s->rank == 2 && s->dims[0] == s->dims[1] && s->dims[0] > 1 &&
             shape_same(s, t) && auto_layout_follow(a, anchor.source, anchor.target, 2) == TURN_T &&
             a->options->assume == AUTO_LAYOUT_OPEN;
    }
    return n;
}

/* Rows that have a partner of another length. */
static size_t count_longer(const Auto *a)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    size_t n = 0;
    for (size_t i = 0; i < x->template_count; i++) {
        const Template *s = &x->templates[i];
        if (s->dead || s->group || s->mate == NONE) continue;
        n += s->count != y->templates[s->mate].count && !y->templates[s->mate].group;
    }
    return n;
}

static bool same_parts(const LexiconFused *x, const LexiconFused *y)
{
    if (!x->part_count || !y->part_count) return true;
    bool same = x->part_count == y->part_count;
    for (size_t i = 0; i < x->part_count && same; i++)
        same = strcmp(x->parts[i], y->parts[i]) == 0;
    return same;
}

/* Whether two fused tensors that are paired whole, query_key_value and c_attn, may have their rows
 * in different orders: the lexicon knows several for one of them, or another one. */
static bool may_lie_otherwise(const Auto *a, const Template *s, const Template *t)
{
    enum { LINES = 4 };
    const LexiconFused *lines[2][LINES];
    const Template *both[] = {s, t};
    size_t n[2];
    NameParts parts[2];
    for (int k = 0; k < 2; k++) {
        const Side *side = &a->side[k];
        parts[k] = words_parts(a->words,
                               main_tensor(side, &side->units[side->order[both[k]->first]])->name);
        n[k] = words_fused(a->words, parts[k].path, parts[k].path_length, lines[k], LINES);
        if (!n[k]) return false;
    }
    const Token *x = template_last_word(s), *y = template_last_word(t);
    if (x && y && x->word == y->word) return false;
    return n[0] > 1 || n[1] > 1 || lines[0][0]->turns != lines[1][0]->turns ||
           !same_parts(lines[0][0], lines[1][0]);
}

static void note_fused(Auto *a, AutoResult *result, size_t *room)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    const Template *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < x->template_count; i++) {
        const Template *s = &x->templates[i];
        if (s->dead || s->group || s->mate == NONE || y->templates[s->mate].group) continue;
        if (!may_lie_otherwise(a, s, &y->templates[s->mate])) continue;
        if (!first) first = s;
        n += s->count;
    }
    if (!first) return;
    const Unit *u = &x->units[x->order[first->first]];
    if (u->mate == NONE) return;
    Text text = {0};
    text_addf(&text, "%zu fused layer%s taken whole (", n, n == 1 ? " is" : "s are");
    name_show(main_tensor(x, u)->name, &text);
    text_add(&text, " and ");
    name_show(main_tensor(y, &y->units[u->mate])->name, &text);
    text_add(&text, "); whether their rows stand in one order on both sides, part behind part or "
                    "head by head, shows in no shape");
    add_note(a, result, room, text_string(&text));
    text_done(&text);
}

void notes_collect(Auto *a, AutoResult *result)
{
    size_t room = 0;
    static const char *const whose[] = {"source", "target"};
    for (int s = 0; s < 2; s++) {
        const Side *side = &a->side[s];
        char text[160];
        if (side->wrapped) {
            snprintf(text, sizeof text, "%zu names of the %s stand in a wrapper, which says "
                     "nothing", side->wrapped, whose[s]);
            add_note(a, result, &room, text);
        }
        if (!side->ordered && !a->options->no_order && side->given->count > 2) {
            snprintf(text, sizeof text, "the order of the %s is not that of definition: it is not "
                     "looked at", whose[s]);
            add_note(a, result, &room, text);
        }
    }
    char text[200];
    if (a->turned) {
        snprintf(text, sizeof text, "%zu kernels lie the other way round: they are transposed",
                 a->turned);
        add_note(a, result, &room, text);
    }
    if (a->open) {
        snprintf(text, sizeof text, "%zu square kernels fit as they are and transposed, and "
                 "nothing says which: --assume torch, tf or flax", a->open);
        add_note(a, result, &room, text);
    }
    note_fused(a, result, &room);
    size_t longer = count_longer(a);
    if (longer) {
        snprintf(text, sizeof text, "%zu famil%s more blocks on one side than on the other: blocks "
                 "of equal numbers are paired", longer, longer == 1 ? "y has" : "ies have");
        add_note(a, result, &room, text);
    }
    size_t stale = count_stale(a);
    if (stale) {
        snprintf(text, sizeof text, "%zu square kernels have the names of their targets and are "
                 "taken as they are, but the others of their family are transposed", stale);
        add_note(a, result, &room, text);
    }
    if (result->another_size)
        add_note(a, result, &room, "this is another size of the same architecture: its tensors do "
                 "not fit, and none is cut or stretched");
    const char **list = arena_alloc(a->out, (result->note_count + 1) * sizeof *list);
    for (size_t i = 0; i < result->note_count; i++) list[i] = result->notes[i];
    free((void *)(uintptr_t)result->notes);
    result->notes = list;
}
