/* How parts lie in one tensor: the rows of q, then those of k and v; or in turns, head by head.
 * Shapes are the same for all of it. An answer says it, or the lexicon, where its lines about a
 * name leave one way; else it is asked, and nothing is joined or taken apart. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { KNOWN_MAX = 8, ANSWER_NAMES = 64 };

/* ---- answers ---- */

static const char *skip_spaces(const char *text)
{
    while (*text == ' ') text++;
    return text;
}

/* "16*(" in front; where the parts begin. NULL: a number without the rest. */
static const char *read_turns(const char *text, Sum *out, bool *inside)
{
    int64_t turns;
    out->turns = 1;
    text = skip_spaces(text);
    const size_t digits = name_number(text, text + strlen(text), &turns);
    const char *at = skip_spaces(text + digits);
    if (!digits || *at != '*') return text;
    at = skip_spaces(at + 1);
    out->turns = turns;
    *inside = true;
    return turns > 0 && *at == '(' ? at + 1 : NULL;
}

bool sum_read(Arena *arena, const char *text, Sum *out)
{
    *out = (Sum){.turns = 1};
    if (!text || !strchr(text, '+')) return false;
    bool inside = false;
    const char *at = read_turns(text, out, &inside);
    if (!at) return false;
    const char *end = at + strlen(at);
    while (end > at && end[-1] == ' ') end--;
    if (inside && (end == at || *--end != ')')) return false;
    while (at <= end) {
        const char *from = skip_spaces(at), *to = memchr(at, '+', (size_t)(end - at));
        at = to ? to + 1 : end + 1;
        if (!to) to = end;
        while (to > from && to[-1] == ' ') to--;
        if (to <= from || out->count == PARTS_MAX) return false;
        out->parts[out->count++] = arena_strndup(arena, from, (size_t)(to - from));
    }
    return out->count > 1;
}

static bool is_below(const Template *t, uint64_t path)
{
    for (int i = 0; i < UP_MAX; i++)
        if (t->up[i] == path) return true;
    return false;
}

static bool is_free(const Side *side, const Template *t)
{
    return !t->dead && !t->group && !side->units[side->order[t->first]].fixed;
}

/* The only template below a path whose name holds a text. */
static uint32_t find_below(const Side *side, const uint32_t *list, size_t n, uint64_t path)
{
    uint32_t found = NONE;
    for (size_t i = 0; i < n; i++) {
        if (!is_free(side, &side->templates[list[i]])) continue;
        if (!is_below(&side->templates[list[i]], path)) continue;
        if (found != NONE) return NONE;
        found = list[i];
    }
    return found;
}

/* What an answer names of one side. */
typedef struct Heard {
    uint32_t list[PARTS_MAX][ANSWER_NAMES];
    size_t count[PARTS_MAX];
} Heard;

static void hear_parts(Auto *a, Side *side, const Sum *sum, Heard *heard)
{
    *heard = (Heard){.count = {0}};
    for (size_t p = 0; p < sum->count; p++)
        for (uint32_t i = 0; i < side->template_count; i++) {
            Template *t = &side->templates[i];
            if (!is_free(side, t) || !template_holds(side, t, sum->parts[p])) continue;
            template_words(a, side, t);
            if (heard->count[p] < ANSWER_NAMES) heard->list[p][heard->count[p]++] = i;
        }
}

static bool try_answer(Auto *a, const Group *group, int64_t first)
{
    Group plain = *group, stacked = *group;
    if (group_try(a, &plain)) return true;
    stacked.stacked = first;
    return first > 1 && first < NONE && group_try(a, &stacked);
}

/* The parts of an answer for one whole, below each path that has them all, and has each once. */
static void gather_heard(Auto *a, const Heard *heard, const Sum *sum, Group group)
{
    const Side *side = &a->side[group.side], *other = &a->side[!group.side];
    const Template *whole = &other->templates[group.fused];
    const AutoTensor *tensor = main_tensor(other, &other->units[other->order[whole->first]]);
    const int64_t first = tensor->dims && tensor->rank > 1 ? tensor->dims[0] : 0;
    group.count = (uint8_t)sum->count;
    group.turns = sum->turns;
    for (size_t i = 0; i < heard->count[0]; i++)
        for (int level = 0; level < UP_MAX; level++) {
            if (!is_free(side, &side->templates[heard->list[0][i]])) break;
            const uint64_t path = side->templates[heard->list[0][i]].up[level];
            bool all = true;
            for (size_t p = 0; p < sum->count && all; p++) {
                group.parts[p] = find_below(side, heard->list[p], heard->count[p], path);
                all = group.parts[p] != NONE;
                for (size_t q = 0; q < p && all; q++) all = group.parts[q] != group.parts[p];
            }
            if (all && try_answer(a, &group, first)) break;
        }
}

/* Every whole whose name holds a text. */
static void hear_whole(Auto *a, const Sum *sum, const char *whole, Group group)
{
    Side *other = &a->side[!group.side];
    const size_t count = other->template_count;
    Heard *heard = arena_alloc(a->arena, sizeof *heard);
    hear_parts(a, &a->side[group.side], sum, heard);
    for (uint32_t k = 0; k < count; k++) {
        if (!is_free(other, &other->templates[k])) continue;
        if (!template_holds(other, &other->templates[k], whole)) continue;
        template_words(a, other, &other->templates[k]);
        group.fused = k;
        gather_heard(a, heard, sum, group);
    }
}

void glue_hear(Auto *a)
{
    const AutoOptions *options = a->options;
    for (size_t i = 0; i < options->answer_count; i++)
        for (int s = 0; s < 2; s++) {        /* the side of the parts */
            const AutoAnswer *answer = &options->answers[i];
            const char *parts = s ? answer->target : answer->source;
            const char *whole = s ? answer->source : answer->target;
            Sum sum;
            if (!whole || !*whole || !sum_read(a->arena, parts, &sum)) continue;
            hear_whole(a, &sum, whole, (Group){.side = (uint8_t)s, .answer = (uint32_t)i + 1});
        }
}

/* ---- what the lexicon knows ---- */

static NameParts parts_of(const Auto *a, const Side *side, const Template *t)
{
    return words_parts(a->words, main_tensor(side, &side->units[side->order[t->first]])->name);
}

size_t glue_known(const Auto *a, const Side *side, const Template *whole, const LexiconFused **out,
                  size_t room)
{
    const NameParts parts = parts_of(a, side, whole);
    return words_fused(a->words, parts.path, parts.path_length, out, room);
}

/* The parts of a group in the order of a line; false when they are others. */
static bool put_in_order(const Auto *a, const Group *group, const LexiconFused *known,
                         uint32_t out[PARTS_MAX])
{
    const Side *side = &a->side[group->side];
    memcpy(out, group->parts, sizeof group->parts);
    if (!known->part_count) return true;
    if (known->part_count != group->count) return false;
    for (size_t i = 0; i < known->part_count; i++) {
        Token token;
        out[i] = NONE;
        if (!words_token(a->words, known->parts[i], &token)) return false;
        for (size_t p = 0; p < group->count; p++) {
            const Token *last = template_last_word(&side->templates[group->parts[p]]);
            if (last && token_same(last, &token)) out[i] = group->parts[p];
        }
        for (size_t k = 0; k < i; k++)
            if (out[k] == out[i]) return false;
        if (out[i] == NONE) return false;
    }
    return true;
}

static int64_t least_of(const int64_t *sizes, size_t n)
{
    int64_t least = sizes[0];
    for (size_t p = 1; p < n; p++)
        if (sizes[p] < least) least = sizes[p];
    return least;
}

static bool divides(int64_t size, const int64_t *sizes, size_t n)
{
    for (size_t p = 0; p < n; p++)
        if (sizes[p] % size) return false;
    return true;
}

/* A norm of queries or of keys that stands beside the parts or the whole has the size of a head: it
 * says nothing where it is as wide as all of them. 0. */
static int64_t head_beside(const Auto *a, int s, const Template *t, int64_t least)
{
    static const char *const norms[] = {"q_norm", "k_norm"};
    const Side *side = &a->side[s];
    int64_t size = 0;
    for (size_t n = 0; n < countof(norms); n++) {
        Token token;
        if (!words_token(a->words, norms[n], &token)) continue;
        for (uint32_t i = 0; i < side->template_count; i++) {
            const Template *other = &side->templates[i];
            const AutoTensor *norm = main_tensor(side, &side->units[side->order[other->first]]);
            if (other->group || !other->tokens || other->up[0] != t->up[0]) continue;
            const Token *last = template_last_word(other);
            if (!last || token.meaning[0] == NONE || !token_same(last, &token)) continue;
            if (!norm->dims || norm->rank != 1 || norm->dims[0] >= least) return 0;
            if (size && size != norm->dims[0]) return 0;
            size = norm->dims[0];
        }
    }
    return size;
}

/* The heads of the parts that have an axis of their own for them. */
static int64_t head_seen(const Auto *a, const Group *group)
{
    const Side *side = &a->side[group->side];
    int64_t size = 0;
    for (size_t p = 0; side->views && p < group->count; p++) {
        const Unit *unit = &side->units[side->order[side->templates[group->parts[p]].first]];
        const View *view = side->views[side->members[unit->first]];
        if (!view || view->moves) return 0;
        const int64_t own = view->dims[view->joined + 1];
        if (size && size != own) return 0;
        size = own;
    }
    return size;
}

static int64_t count_heads(const Auto *a, const Group *group, const int64_t *sizes)
{
    const int64_t least = least_of(sizes, group->count);
    int64_t head = head_seen(a, group);
    for (int s = 0; s < 2 && !head; s++) {
        const Side *side = &a->side[s];
        const uint32_t beside = s == group->side ? group->parts[0] : group->fused;
        head = head_beside(a, s, &side->templates[beside], least);
    }
    return head && divides(head, sizes, group->count) ? least / head : 0;
}

/* The turns that a line of the lexicon says; 0: it does not say how many. */
static int64_t turns_of(const Auto *a, const Group *group, const LexiconFused *known,
                        const int64_t *sizes)
{
    const int64_t least = least_of(sizes, group->count);
    switch (known->turns) {
    case TURNS_HEADS: return count_heads(a, group, sizes);
    case TURNS_ROWS: return least > 0 && divides(least, sizes, group->count) ? least : 0;
    default: return known->turns;
    }
}

int64_t glue_turns(Auto *a, Group *group, const int64_t *sizes, bool last)
{
    const LexiconFused *known[KNOWN_MAX];
    const Side *side = &a->side[!group->side];
    if (group->answer) return group->turns;
    if (group->count == 1) return 1;
    const size_t count =
        glue_known(a, side, &side->templates[group->fused], known, KNOWN_MAX);
    uint32_t order[PARTS_MAX];
    int64_t turns = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t own[PARTS_MAX];
        if ((known[i]->last && !last) || !put_in_order(a, group, known[i], own)) continue;
        const int64_t said = turns_of(a, group, known[i], sizes);
        if (!said || (turns && (turns != said || memcmp(order, own, sizeof own) != 0))) return 0;
        memcpy(order, own, sizeof own);
        turns = said;
    }
    if (turns) memcpy(group->parts, order, sizeof order);
    return turns;
}

/* ---- questions ---- */

/* A number of turns that people may mean: heads of 128 rows in wide models, else of 64. */
static int64_t propose_turns(const Auto *a, const Group *group, const int64_t *sizes)
{
    enum { LARGE = 128, SMALL = 64, WIDE = 2560 };
    const LexiconFused *known[KNOWN_MAX];
    const Side *side = &a->side[!group->side];
    const size_t count =
        glue_known(a, side, &side->templates[group->fused], known, KNOWN_MAX);
    const int64_t least = least_of(sizes, group->count);
    bool heads = false;
    for (size_t i = 0; i < count; i++) heads = heads || known[i]->turns == TURNS_HEADS;
    if (!heads) return 1;
    int64_t head = count_heads(a, group, sizes);
    if (head) return head;
    head = sizes[0] >= WIDE && divides(LARGE, sizes, group->count) ? LARGE : SMALL;
    return divides(head, sizes, group->count) ? least / head : 1;
}

/* "q_proj+k_proj+v_proj", "16*(q_proj+k_proj+v_proj)" */
static const char *sum_text(Auto *a, const Group *group, int64_t turns)
{
    Text text = {0};
    if (turns > 1) text_addf(&text, "%" PRId64 "*(", turns);
    for (size_t p = 0; p < group->count; p++)
        text_addf(&text, "%s%s", p ? "+" : "",
                  question_tell(a, &a->side[group->side], group->parts, group->count, p));
    if (turns > 1) text_addc(&text, ')');
    return text_keep(&text, a->out);
}

/* One question about a group; its proposal is what is likeliest. */
static void add_question(Auto *a, const Group *group, int64_t turns)
{
    const Side *parts = &a->side[group->side], *other = &a->side[!group->side];
    const char **names[2] = {arena_alloc(a->out, PARTS_MAX * sizeof(char *)),
                             arena_alloc(a->out, sizeof(char *))};
    for (size_t p = 0; p < group->count; p++)
        names[0][p] = question_text(a, parts, &parts->templates[group->parts[p]]);
    names[1][0] = question_text(a, other, &other->templates[group->fused]);
    float *scores = arena_alloc(a->out, group->count * sizeof *scores);
    for (size_t p = 0; p < group->count; p++) scores[p] = 0.5f;
    AutoTie tie = {.scores = scores, .together = true};
    const bool splits = group->side;
    tie.sources = names[splits];
    tie.targets = names[!splits];
    tie.source_count = splits ? 1 : group->count;
    tie.target_count = splits ? group->count : 1;
    const char *whole = question_tell(a, other, &group->fused, 1, 0);
    const char *sum = sum_text(a, group, turns);
    tie.ask = arena_printf(a->out, splits ? "%s=?" : "?=%s", whole);
    tie.say = splits ? arena_printf(a->out, "%s=%s", whole, sum)
                     : arena_printf(a->out, "%s=%s", sum, whole);
    question_keys(a, splits ? group->parts : &group->fused, tie.target_count, &tie);
    a->unsettled = mem_grow(a->unsettled, &a->unsettled_room, a->unsettled_count + 1,
                            sizeof *a->unsettled);
    a->unsettled[a->unsettled_count++] = tie;
}

void glue_ask(Auto *a, const Group *group, const int64_t *sizes)
{
    add_question(a, group, propose_turns(a, group, sizes));
}

/* ---- what no name says ---- */

/* Templates without partner below one path, and a whole of the other side that some of them may
 * make up. */
typedef struct Proposal {
    Group group;
    size_t found;            /* how many ways there are */
} Proposal;

/* Choices that are tried in all: names that nobody gave in earnest get no proposal. */
enum { CHOICES_MAX = 1 << 20 };

/* A row as it was before it was split for want of a partner. */
static bool is_left(const Side *side, const Template *t)
{
    if (t->piece || t->in_group || t->group) return false;
    for (uint32_t k = 0; k < t->count; k++) {
        const Unit *unit = &side->units[side->order[t->first + k]];
        const Template *now = &side->templates[unit->template];
        if (unit->fixed || unit->mate != NONE || now->mate != NONE || now->in_group) return false;
    }
    const AutoTensor *main = main_tensor(side, &side->units[side->order[t->first]]);
    return main->dims && main->rank > 1;
}

/* Every choice of two to four of a list. */
static void try_choices(const Auto *a, const uint32_t *list, size_t n, Proposal *proposal,
                        size_t *tried)
{
    enum { MOST = 4 };
    Group group = proposal->group;
    for (unsigned bits = 3; bits < 1u << n; bits++) {
        group.count = 0;
        for (unsigned i = 0; i < n; i++)
            if (bits >> i & 1 && group.count <= MOST) group.parts[group.count++] = list[i];
        if (group.count < 2 || group.count > MOST || ++*tried > CHOICES_MAX) continue;
        if (!group_fits(a, &group)) continue;
        if (!proposal->found++) proposal->group = group;
    }
}

/* The parts in an order that some line of the lexicon has for such parts; else in the file's. */
static void order_parts(const Auto *a, Group *group)
{
    const Lexicon *lexicon = a->options->lexicon;
    for (size_t i = 0; lexicon && i < lexicon->fused_count; i++) {
        uint32_t order[PARTS_MAX];
        if (!lexicon->fused[i].part_count || !put_in_order(a, group, &lexicon->fused[i], order))
            continue;
        memcpy(group->parts, order, sizeof order);
        return;
    }
}

/* Templates that are left, of one side, by the path above them. */
typedef struct Left {
    Table paths;             /* path → 1 + the first of list */
    struct LeftLink {
        uint32_t template, next;
    } *list;                 /* [templates] */
    uint64_t *keys;          /* [key_count] the paths */
    size_t key_count;
} Left;

static Left list_left(Auto *a, Side *side)
{
    Left left = {.paths.arena = a->arena};
    left.list = arena_alloc(a->arena, (side->template_count + 1) * sizeof *left.list);
    left.keys = arena_alloc(a->arena, (side->template_count + 1) * sizeof *left.keys);
    uint32_t n = 0;
    for (uint32_t i = (uint32_t)side->template_count; i--;) {
        Template *t = &side->templates[i];
        bool fresh;
        if (!is_left(side, t)) continue;
        template_words(a, side, t);
        const uint64_t key = hash_mix(t->up[0], t->count);
        uint32_t *first = table_add(&left.paths, key, 0, &fresh);
        if (fresh) left.keys[left.key_count++] = key;
        left.list[n] = (struct LeftLink){i, *first};
        *first = ++n;
    }
    return left;
}

/* The ways in which a whole may be made up, below all paths. */
static Proposal propose_for(const Auto *a, int s, uint32_t whole, const Left *left, size_t *tried)
{
    enum { MOST = 8, PATHS = 64 };
    Proposal proposal = {.group = {.side = (uint8_t)!s, .fused = whole}};
    for (size_t k = 0; k < left->key_count && k < PATHS && *tried <= CHOICES_MAX; k++) {
        uint32_t list[MOST];
        size_t n = 0;
        uint32_t at = *table_find(&left->paths, left->keys[k]);
        for (; at && n < MOST; at = left->list[at - 1].next)
            list[n++] = left->list[at - 1].template;
        if (!at) try_choices(a, list, n, &proposal, tried);
    }
    return proposal;
}

/* Whether no other whole may be made up of the same parts. */
static bool is_only(const Proposal *all, size_t n, size_t i)
{
    for (size_t k = 0; k < n; k++)
        for (size_t p = 0; k != i && p < all[k].group.count; p++)
            for (size_t q = 0; q < all[i].group.count; q++)
                if (all[k].group.parts[p] == all[i].group.parts[q]) return false;
    return true;
}

void glue_propose(Auto *a)
{
    enum { MOST = 32 };
    for (int s = 0; s < 2 && !a->side[0].shapeless; s++) {
        const Side *side = &a->side[s];
        const Left left = list_left(a, &a->side[!s]);
        Proposal all[MOST];
        size_t n = 0, tried = 0;
        for (uint32_t i = 0; i < side->template_count && n < MOST && left.key_count; i++) {
            if (!is_left(side, &side->templates[i])) continue;
            all[n] = propose_for(a, s, i, &left, &tried);
            n += all[n].found > 0;
        }
        for (size_t i = 0; i < n && tried <= CHOICES_MAX; i++) {
            if (all[i].found > 1 || !is_only(all, n, i)) continue;
            order_parts(a, &all[i].group);
            add_question(a, &all[i].group, 1);
        }
    }
}
