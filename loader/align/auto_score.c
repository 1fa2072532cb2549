/* Evidence that two templates are the same: shapes, place in the file, names, what is around. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_words.h"

/* Neighbours that are looked at on each side. */
enum { WINDOW = 5 };

/* What found pairs teach. Keys are hashes of words or of paths, one of each side. */
struct Learned {
    Table together;          /* word and word: pairs that have both */
    Table words[2];          /* word: pairs that have it */
    Table under;             /* ancestor and ancestor: pairs below them */
    Table size[2];           /* ancestor: templates below it */
    uint32_t *row[2];        /* [row_count] templates in the order of the file */
    uint32_t row_count[2];
    double templates[2];     /* how many there are */
};

uint64_t token_key(const Token *token)
{
    return token->meaning[0] == NONE ? hash_mix(token->word, 77) : hash_mix(token->meaning[0], 78);
}

static double weight_of(const Auto *a, int s, const Token *token)
{
    const uint32_t *count = table_find(&a->side[s].word_counts, token_key(token));
    double n = a->learned->templates[s], df = count ? *count : 1;
    return log(1 + n / df) * (token->is_number ? 0.6 : 1);
}

/* ---- counting ---- */

static void count_words(Auto *a, Side *side, const Template *t)
{
    for (size_t i = 0; i < t->token_count; i++) {
        bool again = false;
        for (size_t j = 0; j < i && !again; j++)
            again = token_key(&t->tokens[i]) == token_key(&t->tokens[j]);
        if (!again) (*table_add(&side->word_counts, token_key(&t->tokens[i]), 0, NULL))++;
    }
    for (size_t i = 0; i <= UP_MAX; i++)
        if (t->up[i]) (*table_add(&a->learned->size[!side->is_source], t->up[i], 0, NULL))++;
}

typedef struct Place {
    uint32_t position, template;
} Place;

static int compare_places(const void *x, const void *y)
{
    const Place *a = x, *b = y;
    return a->position < b->position ? -1 : a->position > b->position;
}

/* Templates with partners, in the order of the file. */
static void make_row(Auto *a, int s, const bool *shared)
{
    Side *side = &a->side[s];
    Place *places = arena_alloc(a->arena, (side->template_count + 1) * sizeof *places);
    size_t n = 0;
    for (uint32_t i = 0; i < side->template_count; i++) {
        const Template *t = &side->templates[i];
        if (!t->dead && shared[t->class]) places[n++] = (Place){t->position, i};
    }
    qsort(places, n, sizeof *places, compare_places);
    a->learned->row[s] = arena_alloc(a->arena, (n + 1) * sizeof(uint32_t));
    a->learned->row_count[s] = (uint32_t)n;
    for (uint32_t i = 0; i < n; i++) {
        Template *t = &side->templates[places[i].template];
        t->position = i;
        a->learned->row[s][i] = places[i].template;
    }
}

void score_start(Auto *a)
{
    Learned *learned = arena_alloc(a->arena, sizeof *learned);
    a->learned = learned;
    bool *has[2];
    for (int s = 0; s < 2; s++) {
        Side *side = &a->side[s];
        has[s] = arena_alloc(a->arena, (a->class_count + 1) * sizeof(bool));
        side->word_counts = (Table){.arena = a->arena};
        learned->size[s] = (Table){.arena = a->arena};
        for (size_t i = 0; i < side->template_count; i++) {
            Template *t = &side->templates[i];
            if (t->dead) continue;
            template_words(a, side, t);
            count_words(a, side, t);
            has[s][t->class] = true;
            learned->templates[s]++;
        }
    }
    for (size_t i = 0; i < a->class_count; i++) has[0][i] = has[0][i] && has[1][i];
    for (int s = 0; s < 2; s++) make_row(a, s, has[0]);
}

/* ---- learning ---- */

static void learn_pair(Learned *learned, const Template *s, const Template *t)
{
    for (size_t i = 0; i < s->token_count; i++)
        (*table_add(&learned->words[0], token_key(&s->tokens[i]), 0, NULL))++;
    for (size_t j = 0; j < t->token_count; j++)
        (*table_add(&learned->words[1], token_key(&t->tokens[j]), 0, NULL))++;
    for (size_t i = 0; i < s->token_count; i++)
        for (size_t j = 0; j < t->token_count; j++)
            (*table_add(&learned->together,
                        hash_mix(token_key(&s->tokens[i]), token_key(&t->tokens[j])), 0, NULL))++;
    for (size_t i = 0; i <= UP_MAX; i++)
        for (size_t j = 0; j <= UP_MAX; j++)
            if (s->up[i] && t->up[j])
                (*table_add(&learned->under, hash_mix(s->up[i], t->up[j]), 0, NULL))++;
}

void score_learn(Auto *a)
{
    Learned *learned = a->learned;
    learned->together = learned->under = (Table){.arena = a->arena};
    learned->words[0] = learned->words[1] = (Table){.arena = a->arena};
    for (size_t i = 0; i < a->side[0].template_count; i++) {
        const Template *s = &a->side[0].templates[i];
        if (!s->dead && s->mate != NONE) learn_pair(learned, s, &a->side[1].templates[s->mate]);
    }
}

static double look_up(const Table *table, uint64_t key)
{
    const uint32_t *number = table_find(table, key);
    return number ? *number : 0;
}

static bool has_word(const Template *t, uint64_t key)
{
    for (size_t i = 0; i < t->token_count; i++)
        if (token_key(&t->tokens[i]) == key) return true;
    return false;
}

static bool is_under(const Template *t, uint64_t up)
{
    for (size_t i = 0; i <= UP_MAX; i++)
        if (t->up[i] == up) return true;
    return false;
}

/* What two templates are paired with now. A pair is judged by what the others teach, so what
 * these two taught is taken back while they are looked at. */
typedef struct Mates {
    const Template *of_source, *of_target;   /* NULL; of_target also when it is the source itself */
} Mates;

static Mates mates_of(const Auto *a, const Template *s, const Template *t)
{
    Mates mates = {NULL, NULL};
    if (s->mate != NONE) mates.of_source = &a->side[1].templates[s->mate];
    if (t->mate != NONE) mates.of_target = &a->side[0].templates[t->mate];
    if (mates.of_target == s) mates.of_target = NULL;
    return mates;
}

/* How surely a word of the source is one of the target. */
static double translate(const Learned *learned, uint64_t x, uint64_t y, const Mates *mates)
{
    double together = look_up(&learned->together, hash_mix(x, y));
    if (together <= 0) return 0;
    double p = look_up(&learned->words[0], x), q = look_up(&learned->words[1], y);
    if (mates->of_source) {
        bool also = has_word(mates->of_source, y);
        p--;
        q -= also;
        together -= also;
    }
    if (mates->of_target) {
        bool also = has_word(mates->of_target, x);
        q--;
        p -= also;
        together -= also;
    }
    if (together <= 0 || p <= 0 || q <= 0) return 0;
    return together / sqrt(p * q) * together / (together + 1);
}

/* ---- names ---- */

bool token_same(const Token *a, const Token *b)
{
    if (a->word == b->word) return true;
    for (int i = 0; i < MEANINGS && a->meaning[i] != NONE; i++)
        for (int j = 0; j < MEANINGS && b->meaning[j] != NONE; j++)
            if (a->meaning[i] == b->meaning[j]) return true;
    return false;
}

/* Numbers count from where their names begin to: Conv_0, 1, 2 are conv1, 2, 3. */
static bool same_number(const Auto *a, const Template *s, const Token *x, const Template *t,
                        const Token *y)
{
    const Coarse *p = &a->side[0].coarse[s->coarse], *q = &a->side[1].coarse[t->coarse];
    const int64_t *m = a->side[0].numbers + a->side[0].units[a->side[0].order[s->first]].numbers;
    const int64_t *n = a->side[1].numbers + a->side[1].units[a->side[1].order[t->first]].numbers;
    const unsigned i = x->slot, j = y->slot;
    if (i >= p->slot_count || j >= q->slot_count || p->low[i] == q->low[j] ||
        p->high[i] - p->low[i] != q->high[j] - q->low[j])
        return x->word == y->word;
    return m[i] - p->low[i] == n[j] - q->low[j];
}

/* Numbers are compared from the end: the last of one with the last of the other. */
static double match_numbers(const Auto *a, const Template *s, const Template *t, bool *used)
{
    size_t i = s->token_count, j = t->token_count;
    double sum = 0;
    for (;;) {
        while (i && !s->tokens[i - 1].is_number) i--;
        while (j && !t->tokens[j - 1].is_number) j--;
        if (!i || !j) return sum;
        i--;
        j--;
        if (!same_number(a, s, &s->tokens[i], t, &t->tokens[j])) continue;
        used[i] = true;
        used[WORDS_MAX + j] = true;
        sum += fmin(weight_of(a, 0, &s->tokens[i]), weight_of(a, 1, &t->tokens[j]));
    }
}

static bool means(const Token *token, uint32_t meaning)
{
    for (int i = 0; i < MEANINGS && meaning != NONE; i++)
        if (token->meaning[i] == meaning) return true;
    return false;
}

/* The word of a name that means something and has no partner; NONE. */
static size_t find_meaning(const Template *t, const bool *used, uint32_t meaning)
{
    for (size_t i = 0; i < t->token_count; i++)
        if (!used[i] && means(&t->tokens[i], meaning)) return i;
    return NONE;
}

/* A phrase of one name that the other says in two words: the norm in self_attn is the
 * input_layernorm, which is attention_norm as well. */
static double match_spoken(const Auto *a, int side, const Template *plain, const Template *telling,
                           bool *used_plain, bool *used_telling)
{
    double sum = 0;
    for (size_t j = 0; j < telling->token_count; j++) {
        const Token *phrase = &telling->tokens[j];
        if (used_telling[j] || phrase->module == NONE) continue;
        const size_t module = find_meaning(plain, used_plain, phrase->module);
        const size_t layer = find_meaning(plain, used_plain, phrase->layer);
        if (module == NONE || layer == NONE || module == layer) continue;
        used_plain[module] = used_plain[layer] = used_telling[j] = true;
        sum += 0.4 * fmin(weight_of(a, side, &plain->tokens[module]) +
                          weight_of(a, side, &plain->tokens[layer]), weight_of(a, !side, phrase));
    }
    return sum;
}

/* Words of which not both are in the lexicon, one the other cut short. */
static double match_alike(const Auto *a, const Template *s, const Template *t, bool *used)
{
    double sum = 0;
    for (size_t i = 0; i < s->token_count; i++)
        for (size_t j = 0; j < t->token_count && !used[i]; j++) {
            if (used[WORDS_MAX + j] || !words_alike(&s->tokens[i], &t->tokens[j])) continue;
            if (s->tokens[i].meaning[0] != NONE && t->tokens[j].meaning[0] != NONE) continue;
            used[i] = used[WORDS_MAX + j] = true;
            sum += 0.7 * fmin(weight_of(a, 0, &s->tokens[i]), weight_of(a, 1, &t->tokens[j]));
        }
    return sum;
}

/* Words that only mean the same say less where one is common: or norm would go to final_layer_norm,
 * which is rare, rather than to norm. */
static double same_weight(const Auto *a, const Token *x, const Token *y)
{
    const double p = weight_of(a, 0, x), q = weight_of(a, 1, y);
    return x->word == y->word ? (p + q) / 2 : (fmin(p, q) + (p + q) / 2) / 2;
}

/* Words that both have, then what was learned. used[] marks both sides' tokens. */
static double match_words(const Auto *a, const Template *s, const Template *t, bool *used)
{
    Mates mates = mates_of(a, s, t);
    double sum = 0;
    for (size_t i = 0; i < s->token_count; i++)
        for (size_t j = 0; j < t->token_count && !used[i]; j++) {
            if (used[WORDS_MAX + j] || s->tokens[i].is_number || t->tokens[j].is_number ||
                !token_same(&s->tokens[i], &t->tokens[j]))
                continue;
            used[i] = used[WORDS_MAX + j] = true;
            sum += same_weight(a, &s->tokens[i], &t->tokens[j]);
        }
    for (size_t i = 0; i < s->token_count; i++) {
        double best = 0.3;
        size_t which = NONE;
        for (size_t j = 0; j < t->token_count && !used[i]; j++) {
            if (used[WORDS_MAX + j]) continue;
            double p = translate(a->learned, token_key(&s->tokens[i]), token_key(&t->tokens[j]),
                                 &mates);
            if (p <= best) continue;
            best = p;
            which = j;
        }
        if (which == NONE) continue;
        used[i] = used[WORDS_MAX + which] = true;
        sum += 0.8 * best * fmin(weight_of(a, 0, &s->tokens[i]),
                                 weight_of(a, 1, &t->tokens[which]));
    }
    sum += match_spoken(a, 0, s, t, used, used + WORDS_MAX);
    sum += match_spoken(a, 1, t, s, used + WORDS_MAX, used);
    return sum + match_alike(a, s, t, used);
}

/* Phrases of the lexicon on both sides that found no partner speak against the pair. */
static double conflict_of(const Auto *a, const Template *s, const Template *t, const bool *used)
{
    double left = 0, right = 0;
    for (size_t i = 0; i < s->token_count; i++)
        if (!used[i] && s->tokens[i].meaning[0] != NONE) left += weight_of(a, 0, &s->tokens[i]);
    for (size_t j = 0; j < t->token_count; j++)
        if (!used[WORDS_MAX + j] && t->tokens[j].meaning[0] != NONE)
            right += weight_of(a, 1, &t->tokens[j]);
    return fmin(left, right);
}

bool score_conflicts(const Auto *a, const Template *s, const Template *t)
{
    bool used[2 * WORDS_MAX] = {false};
    match_numbers(a, s, t, used);
    match_words(a, s, t, used);
    return conflict_of(a, s, t, used) > 0;
}

double score_weight(const Auto *a, int side, const Template *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->token_count; i++) sum += weight_of(a, side, &t->tokens[i]);
    return sum;
}

double score_names(const Auto *a, const Template *s, const Template *t, double all)
{
    bool used[2 * WORDS_MAX] = {false};
    if (all <= 0) return 0;
    double sum = match_numbers(a, s, t, used);
    sum += match_words(a, s, t, used);
    return fmin((2 * sum - conflict_of(a, s, t, used)) / all, 1);
}

/* ---- the rest ---- */

/* Classes that stand before (step −1) or behind both, as far as they are the same. */
static unsigned same_way(const Auto *a, const Template *s, const Template *t, int step)
{
    const Learned *learned = a->learned;
    unsigned n = 0;
    int64_t p = s->position, q = t->position;
    while (n < WINDOW) {
        p += step;
        q += step;
        bool out = p < 0 || p >= learned->row_count[0];
        bool beyond = q < 0 || q >= learned->row_count[1];
        if (out || beyond) return out && beyond ? WINDOW : n;
        if (a->side[0].templates[learned->row[0][p]].class !=
            a->side[1].templates[learned->row[1][q]].class)
            return n;
        n++;
    }
    return n;
}

/* A template beside another of its class: which is which cannot be seen from where they stand.
 * But numbers in one name, layers.0 and layers.1, count. */
static bool stands_in_run(const Auto *a, int side, const Template *t)
{
    const uint32_t *row = a->learned->row[side];
    const Template *list = a->side[side].templates;
    uint32_t p = t->position;
    for (int step = -1; step <= 1; step += 2) {
        if ((!p && step < 0) || p + (uint32_t)step >= a->learned->row_count[side]) continue;
        const Template *other = &list[row[p + (uint32_t)step]];
        if (other->class == t->class && other->coarse != t->coarse) return true;
    }
    return false;
}

static double score_order(const Auto *a, const Template *s, const Template *t, double trust)
{
    if (s->lead != NONE || t->led > 0)
        return s->lead != NONE && &a->side[1].templates[s->lead] == t ? s->led : 0;
    if (!a->side[0].ordered || !a->side[1].ordered || !a->in_step) return 0;
    if (s->count == 1 && s->kin > 1) return 0;
    if (stands_in_run(a, 0, s) || stands_in_run(a, 1, t)) return 0;
    unsigned left = same_way(a, s, t, -1), right = same_way(a, s, t, 1);
    return left && right ? trust * (left + right) / (2.0 * WINDOW) : 0;
}

static double score_context(const Auto *a, const Template *s, const Template *t)
{
    if (a->options->no_context) return 0;
    const Learned *learned = a->learned;
    Mates mates = mates_of(a, s, t);
    double best = 0;
    for (size_t i = 0; i <= UP_MAX; i++)
        for (size_t j = 0; j <= UP_MAX; j++) {
            if (!s->up[i] || !t->up[j]) continue;
            double both = look_up(&learned->under, hash_mix(s->up[i], t->up[j]));
            if (mates.of_source) both -= is_under(mates.of_source, t->up[j]);
            if (mates.of_target) both -= is_under(mates.of_target, s->up[i]);
            double p = look_up(&learned->size[0], s->up[i]) - 1;
            double q = look_up(&learned->size[1], t->up[j]) - 1;
            if (both <= 0 || p + q - both <= 0) continue;
            double score = both / (p + q - both);
            if (score > best) best = score;
        }
    return best;
}

/* Members in common, and whether the shapes are the same as they stand. */
static double score_signature(const Auto *a, const Template *s, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    const Unit *u = &x->units[x->order[s->first]], *v = &y->units[y->order[t->first]];
    unsigned common = 0;
    for (uint32_t i = 0; i < u->count; i++)
        for (uint32_t j = 0; j < v->count; j++)
            common += x->role_of[x->members[u->first + i]] == y->role_of[y->members[v->first + j]];
    double roles = 2.0 * common / (u->count + v->count);
    if (u->count == 1 && v->count == 1) roles = 1;
    double shapes = shape_same(main_tensor(x, u), main_tensor(y, v)) ? 1
                    : s->sequence == t->sequence ? 0.7 : 0.4;
    return roles * 0.5 + shapes * 0.5;
}

/* Whether the name of siblings goes on beyond them within its class, in another block: there are
 * more than all their numbers make together. */
static bool goes_on(const Template *t)
{
    uint32_t siblings = 1;
    for (size_t i = 0; i < t->rank_count; i++) siblings *= t->ranks[i].count;
    return t->kin > siblings;
}

/* The rank of a template that counts what a rank of another counts: behind the same word, else the
 * last of those that are behind no word of the other. NULL. */
static const Rank *same_rank(const Auto *a, const Template *s, const Template *t, size_t i)
{
    const uint64_t *x = a->side[0].coarse[s->coarse].before;
    const uint64_t *y = a->side[1].coarse[t->coarse].before;
    const Rank *last = NULL;
    for (size_t j = 0; j < t->rank_count; j++) {
        if (x[s->ranks[i].slot] == y[t->ranks[j].slot]) return &t->ranks[j];
        bool elsewhere = false;
        for (size_t k = 0; k < s->rank_count; k++)
            elsewhere = elsewhere || x[s->ranks[k].slot] == y[t->ranks[j].slot];
        if (!elsewhere && !last) last = &t->ranks[j];
    }
    return last;
}

/* The place that the numbers of its name give a template among all that are alike; NONE. */
static uint32_t counted_place(const Template *t)
{
    for (size_t i = 0; i < t->rank_count; i++)
        if (t->ranks[i].count == t->alike) return t->ranks[i].place;
    return NONE;
}

/* What one side counts the other writes in that order, where its file is in order: norm1 and norm2
 * are the norm of the attention and that of the output, if that is the order of these. */
static bool counted_as_written(const Auto *a, const Template *s, const Template *t)
{
    const uint32_t from = counted_place(s), to = counted_place(t);
    if (s->group || t->group || s->alike != t->alike) return false;
    if ((from == NONE) == (to == NONE)) return false;
    if (from == NONE) return a->side[0].ordered && s->place == to;
    return a->side[1].ordered && t->place == from;
}

/* b and c of one side, norm2 and norm3 of the other. */
static bool same_letter(const Template *lettered, const Template *numbered)
{
    if (!lettered->letters.count || numbered->letters.count || lettered->rank_count) return false;
    for (size_t i = 0; i < numbered->rank_count; i++)
        if (numbered->ranks[i].count == lettered->letters.count)
            return numbered->ranks[i].place == lettered->letters.place;
    return false;
}

/* Siblings that differ in their numbers alone, norm1 and norm2, have an order of their own,
 * whatever that of the file is: mlp.0 and mlp.3 are fc1 and fc2. But where one side has more, and
 * its name goes on beyond the siblings, one of the others has a hole: ranks slip behind it. */
static double score_rank(const Auto *a, const Template *s, const Template *t, const Scale *scale)
{
    if (scale->order < 1 && s->kin != t->kin && goes_on(s) != goes_on(t)) return 0;
    for (size_t i = 0; i < s->rank_count; i++) {
        const Rank *other = same_rank(a, s, t, i);
        if (other && other->count == s->ranks[i].count)
            return other->place == s->ranks[i].place;
    }
    if (same_letter(s, t) || same_letter(t, s)) return 1;
    return scale->even && counted_as_written(a, s, t);
}

/* Whether vectors of the same role have other sizes: the bias of a layer is as long as it is wide,
 * however its kernel lies. */
static bool members_differ(const Auto *a, const Template *s, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    uint32_t k = 0;      /* of rows of which a block is missing the first two may be strangers */
    while (k < s->count && k < t->count &&
           x->units[x->order[s->first + k]].shape != y->units[y->order[t->first + k]].shape)
        k++;
    if (k == s->count || k == t->count) k = 0;
    const Unit *u = &x->units[x->order[s->first + k]], *v = &y->units[y->order[t->first + k]];
    for (uint32_t i = 1; i < u->count && !x->shapeless; i++)
        for (uint32_t j = 1; j < v->count; j++) {
            const uint32_t p = x->members[u->first + i], q = y->members[v->first + j];
            if (x->role_of[p] != y->role_of[q]) continue;
            const AutoTensor *one = &x->given->tensors[p], *other = &y->given->tensors[q];
            if (one->dims && other->dims && one->rank == 1 && other->rank == 1 &&
                one->dims[0] != other->dims[0])
                return true;
        }
    return false;
}

bool template_has(const Template *t, const Token *word)
{
    for (size_t i = 0; i < t->token_count; i++)
        if (!t->tokens[i].is_number && token_same(&t->tokens[i], word)) return true;
    return false;
}

bool template_has_segment(const Template *t, uint64_t segment)
{
    for (size_t i = 0; i < SEGMENTS_MAX; i++)
        if (t->segments[i] == segment) return true;
    return false;
}

bool token_stands_alone(const Token *token)
{
    return !token->is_number && token->length && !is_letter(token->text[token->length]);
}

bool template_tells(const Template *t, const Token *word)
{
    for (size_t i = 0; i < t->token_count; i++)
        if (token_stands_alone(&t->tokens[i]) && token_same(&t->tokens[i], word)) return true;
    return false;
}

/* Whether a segment of several words that tells the candidates apart stands in one name only:
 * token_to_image and image_to_token have the same words. */
static bool segments_tell(const Template *s, const Template *t, const Scale *scale)
{
    for (size_t i = 0; i < scale->segment_count; i++)
        if (template_has_segment(s, scale->segments[i]) !=
            template_has_segment(t, scale->segments[i]))
            return true;
    return false;
}

/* Whether a word that tells the candidates apart stands in one name only. */
static bool tells_apart(const Template *s, const Template *t, const Scale *scale)
{
    for (size_t i = 0; i < scale->telling_count; i++)
        if (template_tells(s, scale->telling[i]) != template_tells(t, scale->telling[i]))
            return true;
    return false;
}

double score_told(const Template *s, const Template *t, const Scale *scale)
{
    return (tells_apart(s, t, scale) ? 0.1 : 0) + (segments_tell(s, t, scale) ? 0.15 : 0);
}

double score_templates(const Auto *a, const Template *s, const Template *t, const Scale *scale)
{
    const double told = score_told(s, t, scale);
    const double order = told > 0 ? 0 : score_order(a, s, t, scale->order);
    const double less =
        way_differs(a, s, t, scale->way) ? 0.6 : members_differ(a, s, t) ? 0.3 : 0;
    return -less - told + 0.25 * scale->unique * score_signature(a, s, t) +
           0.25 * order + 0.12 * score_rank(a, s, t, scale) +
           0.45 * score_names(a, s, t, scale->weight) + 0.25 * score_context(a, s, t);
}
