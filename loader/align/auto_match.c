/* Pairing templates: class by class the best assignment, in rounds that learn from each other. */
#include <string.h>

#include "loader/align/auto_parts.h"

/* From which margin a pair is likely, and from which it may teach others. */
static const double LIKELY = 0.05, TEACHES = 0.1;
/* What an order that contradicts the names takes from the margin. */
static const double CROSSED = 0.25;
/* The margin of what is only likely. */
static const double HABIT = 0.15;

ClassList classes_list(Auto *a, const Side *side)
{
    ClassList list = {arena_alloc(a->arena, (a->class_count + 2) * sizeof(uint32_t)),
                      arena_alloc(a->arena, (side->template_count + 1) * sizeof(uint32_t))};
    for (size_t i = 0; i < side->template_count; i++)
        if (!side->templates[i].dead) list.first[side->templates[i].class + 1]++;
    for (size_t i = 0; i < a->class_count; i++) list.first[i + 1] += list.first[i];
    uint32_t *at = arena_copy(a->arena, list.first, (a->class_count + 1) * sizeof *at);
    for (uint32_t i = 0; i < side->template_count; i++)
        if (!side->templates[i].dead) list.templates[at[side->templates[i].class]++] = i;
    return list;
}

/* How much it says that two templates have the same shapes: a lone vector says next to nothing,
 * a row of matrices that no other template has says a lot. */
static double uniqueness(const Side *side, const Template *t, size_t rows, size_t columns)
{
    const Unit *unit = &side->units[side->order[t->first]];
    int64_t sizes[8];
    const AutoTensor *tensor = main_tensor(side, unit);
    if (side->shapeless || !tensor->dims) return 0.2;
    unsigned dense = shape_dense(tensor, sizes);
    double alone = rows == 1 && columns == 1 ? 1 : 0.6;
    if (dense >= 2) return alone;
    return t->count > 1 ? 0.6 * alone : dense ? 0.2 : 0.1;
}

/* Whether units of two templates are known to be pairs: 1; that they are not: −1; else 0. */
static int known_pair(const Auto *a, const Template *s, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    for (uint32_t k = 0; k < s->count && s->known; k++) {
        const Unit *u = &x->units[x->order[s->first + k]];
        if (u->fixed && u->mate != NONE && &y->templates[y->units[u->mate].template] == t) return 1;
    }
    return s->known || t->known ? -1 : 0;
}

/* A lone tensor of no known role against a unit in which several have the main one's shape: it may
 * be the weight or the bias. */
static bool is_unclear(const Side *x, const Unit *u, const Side *y, const Unit *v)
{
    if (u->count > 1 || x->role_of[x->members[u->first]] != ROLE_SELF || x->shapeless) return false;
    for (uint32_t i = 1; i < v->count; i++)
        if (shape_canonical(&y->given->tensors[y->members[v->first + i]]) == v->shape) return true;
    return false;
}

static bool members_unclear(const Auto *a, const Template *s, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    const Unit *u = &x->units[x->order[s->first]], *v = &y->units[y->order[t->first]];
    return is_unclear(x, u, y, v) || is_unclear(y, v, x, u);
}

/* Words that are parts of a whole on a side, and those that its names end in. */
static void list_parts(Auto *a)
{
    for (int s = 0; s < 2; s++) {
        const Side *side = &a->side[s];
        a->parts[s] = a->endings[s] = (Table){.arena = a->arena};
        for (size_t i = 0; i < side->template_count; i++) {
            const Template *t = &side->templates[i];
            const Token *last = t->token_count && !t->group ? template_last_word(t) : NULL;
            Token made[PARTS_MAX];
            if (!last || !a->options->lexicon) continue;
            table_add(&a->endings[s], token_key(last), 1, NULL);
            const size_t n = words_parts_of(a->words, last, made, PARTS_MAX);
            for (size_t k = 0; k < n; k++) table_add(&a->parts[s], token_key(&made[k]), 1, NULL);
        }
    }
}

/* A part of what the other side has only as a whole, q where there is qkv, is nothing else
 * there. */
static bool is_part_of_whole(const Auto *a, int other, const Template *whole,
                             const Template *part)
{
    const Token *word = template_last_word(part), *own = template_last_word(whole);
    if (!word || part->group || whole->group) return false;
    const uint64_t key = token_key(word);
    return table_find(&a->parts[other], key) && !table_find(&a->endings[other], key) &&
           !(own && token_same(word, own));
}

static double score_pair(const Auto *a, const Template *s, const Template *t, const Scale *scale)
{
    int known = known_pair(a, s, t);
    if (known) return known > 0 ? 1.5 : 0;
    int answer = a->options->answer_count ? answer_of(a, s, t) : 0;
    if (answer < 0) return 0;
    if (!answer && (is_part_of_whole(a, 0, s, t) || is_part_of_whole(a, 1, t, s))) return 0;
    return score_templates(a, s, t, scale) + answer;
}

/* Whether all templates of a list have one shape, and not only the same sizes. */
static bool all_same(const Side *side, const uint32_t *list, size_t n)
{
    const uint32_t unit = side->order[side->templates[*list].first];
    const AutoTensor *first = main_tensor(side, &side->units[unit]);
    for (size_t i = 1; i < n; i++) {
        const Template *t = &side->templates[list[i]];
        const Unit *other = &side->units[side->order[t->first]];
        if (!shape_same(first, main_tensor(side, other))) return false;
    }
    return true;
}

static size_t count_with(const Side *side, const uint32_t *list, size_t n, const Token *word)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += template_tells(&side->templates[list[i]], word);
    return count;
}

/* The letter of a token that is nothing else, if it may count: a … h; 0. */
static char letter_of(const Token *token)
{
    if (token->is_number || token->length != 1) return 0;
    const char c = (char)(*token->text | 0x20);
    return c >= 'a' && c <= 'h' ? c : 0;
}

/* Of two streams of one width, context_block and x_block here, ff_context and ff there, the word
 * tells which is which, in whatever order they stand. */
static void find_telling(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t,
                         size_t columns, Scale *scale)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    if (rows < 2 || columns < 2 || rows > RIVALS_MAX || columns > RIVALS_MAX) return;
    for (size_t i = 0; i < rows; i++) {
        const Template *template = &x->templates[s[i]];
        for (size_t k = 0; k < template->token_count; k++) {
            const Token *word = &template->tokens[k];
            const bool counts = template->letters.count && letter_of(word);     /* as numbers do */
            bool known = !token_stands_alone(word) || counts || scale->telling_count == TELLING_MAX;
            for (size_t j = 0; j < scale->telling_count && !known; j++)
                known = token_same(scale->telling[j], word);
            const size_t n = known ? 0 : count_with(x, s, rows, word);
            if (n && n < rows && n < columns && count_with(y, t, columns, word) == n)
                scale->telling[scale->telling_count++] = word;
        }
    }
}

static size_t count_segment(const Side *side, const uint32_t *list, size_t n, uint64_t segment)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += template_has_segment(&side->templates[list[i]], segment);
    return count;
}

static void find_segments(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t,
                          size_t columns, Scale *scale)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    if (rows < 2 || columns < 2 || rows > RIVALS_MAX || columns > RIVALS_MAX) return;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < SEGMENTS_MAX; k++) {
            const uint64_t segment = x->templates[s[i]].segments[k];
            bool known = !segment || scale->segment_count == TELLING_MAX;
            for (size_t j = 0; j < scale->segment_count && !known; j++)
                known = scale->segments[j] == segment;
            const size_t n = known ? 0 : count_segment(x, s, rows, segment);
            if (n && n < rows && n < columns && count_segment(y, t, columns, segment) == n)
                scale->segments[scale->segment_count++] = segment;
        }
}

static Scale scale_of(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t,
                      size_t columns)
{
    double weight[2] = {0, 0};
    for (size_t i = 0; i < rows; i++)
        weight[0] += score_weight(a, 0, &a->side[0].templates[s[i]]) / (double)rows;
    for (size_t j = 0; j < columns; j++)
        weight[1] += score_weight(a, 1, &a->side[1].templates[t[j]]) / (double)columns;
    const Side *side = &a->side[0];
    const bool even =
        rows == columns && all_same(side, s, rows) && all_same(&a->side[1], t, columns);
    Scale scale = {.unique = uniqueness(side, &side->templates[s[0]], rows, columns),
                   .order = rows == columns ? 1 : 0.4, .weight = weight[0] + weight[1],
                   .even = even, .way = way_of_class(a, s, rows, t, columns)};
    find_telling(a, s, rows, t, columns, &scale);
    find_segments(a, s, rows, t, columns, &scale);
    return scale;
}

/* ---- siblings ---- */

static int64_t literal_at(const Side *side, const Template *t, unsigned slot)
{
    return side->numbers[side->units[side->order[t->first]].numbers + slot];
}

/* Whether two templates differ in one literal number alone. */
static bool are_siblings(const Side *side, const Template *a, const Template *b, unsigned slot)
{
    if (a->coarse != b->coarse || a->literal != b->literal || a->group != b->group) return false;
    for (unsigned i = 0; i < side->coarse[a->coarse].slot_count; i++)
        if (i != slot && a->literal >> i & 1 && literal_at(side, a, i) != literal_at(side, b, i))
            return false;
    return true;
}

static Rank rank_by(const Side *side, const Template *t, const uint32_t *list, size_t n,
                    unsigned slot)
{
    Rank rank = {.slot = (uint8_t)slot};
    for (size_t j = 0; j < n; j++) {
        const Template *other = &side->templates[list[j]];
        if (!are_siblings(side, t, other, slot)) continue;
        rank.count++;
        rank.place += literal_at(side, other, slot) < literal_at(side, t, slot);
    }
    return rank;
}

/* Its ranks among templates of the class that differ in one of its last numbers. */
static void rank_template(Side *side, Template *t, const uint32_t *list, size_t n)
{
    t->rank_count = 0;
    t->kin = 0;
    for (size_t j = 0; j < n; j++) t->kin += side->templates[list[j]].coarse == t->coarse;
    for (unsigned slot = side->coarse[t->coarse].slot_count; slot-- && t->rank_count < RANKS_MAX;) {
        if (!(t->literal >> slot & 1)) continue;
        Rank rank = rank_by(side, t, list, n, slot);
        if (rank.count > 1) t->ranks[t->rank_count++] = rank;
    }
}

/* The letter in which alone a name differs from another, and that of the other; 0: it is not so. */
static char only_letter(const Template *a, const Template *b, char *other)
{
    char found = 0;
    if (a->token_count != b->token_count || a->coarse == b->coarse) return 0;
    for (size_t i = 0; i < a->token_count; i++) {
        if (a->tokens[i].word == b->tokens[i].word) continue;
        const char p = letter_of(&a->tokens[i]), q = letter_of(&b->tokens[i]);
        if (found || !p || !q) return 0;
        found = p;
        *other = q;
    }
    return found;
}

/* Letters count as numbers do, where they follow one another: unit/a, unit/b, unit/c. */
static void rank_letters(const Side *side, Template *t, const uint32_t *list, size_t n)
{
    uint32_t seen = 0;
    Rank rank = {.count = 1};
    for (size_t j = 0; j < n; j++) {
        char other = 0;
        const char own = only_letter(t, &side->templates[list[j]], &other);
        if (!own) continue;
        seen |= 1u << (own - 'a') | 1u << (other - 'a');
        rank.place += other < own;
        rank.count++;
    }
    while (seen && !(seen & 1)) seen >>= 1;
    const bool follow = seen == (1u << rank.count) - 1;      /* none twice, none left out */
    t->letters = rank.count > 1 && follow ? rank : (Rank){0};
}

static uint32_t members_of(const Side *side, const Template *t)
{
    return side->units[side->order[t->first]].count;
}

static void rank_siblings(Side *side, const uint32_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Template *t = &side->templates[list[i]];
        rank_template(side, t, list, n);
        rank_letters(side, t, list, n);
        t->place = t->alike = 0;
        for (size_t j = 0; j < n; j++) {
            const Template *other = &side->templates[list[j]];
            if (members_of(side, other) != members_of(side, t)) continue;
            t->place += other->position < t->position;
            t->alike++;
        }
    }
}

double match_scores(Auto *a, const uint32_t *s, size_t rows, const uint32_t *t, size_t columns,
                    double *scores)
{
    Scale scale = scale_of(a, s, rows, t, columns);
    double best = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            double *score = &scores[i * columns + j];
            *score = score_pair(a, &a->side[0].templates[s[i]], &a->side[1].templates[t[j]],
                                &scale);
            if (*score > best) best = *score;
        }
    return best;
}

/* Whether a lone unit of a class stands among siblings of which one has no mate. taken [n] */
static bool beside_hole(const Side *side, const Template *t, const uint32_t *list, size_t n,
                        const bool *taken)
{
    for (size_t i = 0; i < n && t->rank_count; i++)
        if (!taken[i] && are_siblings(side, t, &side->templates[list[i]], t->ranks[0].slot))
            return true;
    return false;
}

/* Blocks that are told by their place alone, features.9 in blocks.3.1: where one is missing, it may
 * be each of them. Equal numbers hold them in place. */
static bool may_slip(const Auto *a, const Template *s, const Template *t)
{
    if (s->count > 1 || t->count > 1 || !s->rank_count || !t->rank_count) return false;
    return literal_at(&a->side[0], s, s->ranks[0].slot) !=
           literal_at(&a->side[1], t, t->ranks[0].slot);
}

/* Among several of one shape in the same place of both files another stands where this one does,
 * and the last words of the two do not mean the same: k, v, q for q, k, v. */
static bool crosses(const Side *side, const Template *s, uint32_t target)
{
    if (s->abreast == NONE || s->abreast == target) return false;
    const Token *p = template_last_word(s), *q = template_last_word(&side->templates[target]);
    return !p || !q || !token_same(p, q);
}

/* What that takes from the margin: also all that the words had added which tell the two apart. */
static double crossing(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t,
                       size_t columns, const Template *x)
{
    const Scale scale = scale_of(a, s, rows, t, columns);
    return CROSSED + 2 * score_told(x, &a->side[1].templates[x->abreast], &scale);
}

/* The letters of a word that ends in a number, w of w1; 0: it is none. */
static size_t numbered_stem(const Token *word)
{
    size_t n = word ? word->length : 0;
    while (n && is_digit(word->text[n - 1])) n--;
    return n && n < word->length ? n : 0;
}

static bool same_stem(const Token *x, const Token *y)
{
    const size_t n = numbered_stem(x);
    return n && n == numbered_stem(y) && memcmp(x->text, y->text, n) == 0;
}

/* A numbered word of one side that shapes contradict: the lexicon has it for a word of the other,
 * and its kernel lies otherwise. Then it knows none of those that are numbered alike: where w2 is
 * not what goes down, w1 need not be the gate; unless an answer says of one what it is. out [2], by
 * side; NULL: there is none. */
static void find_misnamed(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t,
                          size_t columns, const Token **out)
{
    const Way way = way_of_class(a, s, rows, t, columns);
    bool answered = false;
    out[0] = out[1] = NULL;
    for (size_t k = 0; k < rows * columns && way != WAY_OPEN; k++) {
        const Template *x = &a->side[0].templates[s[k / columns]];
        const Template *y = &a->side[1].templates[t[k % columns]];
        const Token *p = template_last_word(x), *q = template_last_word(y);
        if (!p || !q) continue;
        answered = answered || ((numbered_stem(p) || numbered_stem(q)) && answer_of(a, x, y) > 0);
        if (p->word == q->word || !token_same(p, q) || !way_differs(a, x, y, way)) continue;
        if (numbered_stem(p)) out[0] = p;
        if (numbered_stem(q)) out[1] = q;
    }
    if (answered) out[0] = out[1] = NULL;
}

/* Whether only the lexicon says that two are one, of words that it does not know here. */
static bool is_misnamed(const Template *s, const Template *t, const Token *const misnamed[2])
{
    const Token *p = template_last_word(s), *q = template_last_word(t);
    if (!p || !q || p->word == q->word) return false;
    return (misnamed[0] && same_stem(p, misnamed[0])) || (misnamed[1] && same_stem(q, misnamed[1]));
}

/* Whether the last word of a name speaks of a module, as encoder_attn_layer_norm does. */
static bool speaks_of(const Auto *a, const Template *t, const char *module)
{
    Token word;
    const Token *last = template_last_word(t);
    if (!last || last->module == NONE || !words_token(a->words, module, &word)) return false;
    for (int i = 0; i < MEANINGS && word.meaning[i] != NONE; i++)
        if (word.meaning[i] == last->module) return true;
    return false;
}

/* Which of its norms a layer with two attentions calls norm1 is the habit of its author: where no
 * order shows it, that is no more than likely. t [columns] */
static bool is_habit(const Auto *a, const Template *x, const Template *y, const uint32_t *t,
                     size_t columns)
{
    const Token *p = template_last_word(x), *q = template_last_word(y);
    if (a->side[0].ordered && a->side[1].ordered) return false;
    if (!p || !q || p->word == q->word || !numbered_stem(p)) return false;
    if (speaks_of(a, y, "cross_attn")) return true;
    for (size_t j = 0; j < columns && speaks_of(a, y, "attn"); j++) {
        const Template *other = &a->side[1].templates[t[j]];
        if (other->up[0] == y->up[0] && speaks_of(a, other, "cross_attn")) return true;
    }
    return false;
}

static bool share_words(const Template *x, const Template *y)
{
    for (size_t i = 0; i < x->token_count; i++)
        if (!x->tokens[i].is_number && template_has(y, &x->tokens[i])) return true;
    return false;
}

/* Rows of as many numbers that go over others of them: blocks 0 and 1 of a layer there, layers 0
 * and 1 of a block here. Shapes that come in the same order are no more than likely then, where no
 * word says it. */
static bool counts_across(const Auto *a, const Template *x, const Template *y)
{
    if (share_words(x, y)) return false;
    const Counting p = counting_of(&a->side[0], x), q = counting_of(&a->side[1], y);
    if (p.count < 2 || p.count != q.count) return false;
    if (a->side[0].coarse[x->coarse].slot_count != a->side[1].coarse[y->coarse].slot_count)
        return false;
    return memcmp(p.slot, q.slot, p.count) != 0;
}

static void match_class(Auto *a, const uint32_t *s, size_t rows, const uint32_t *t, size_t columns,
                        bool last)
{
    Side *source = &a->side[0], *target = &a->side[1];
    double *scores = arena_alloc(a->arena, rows * columns * sizeof *scores);
    double *margin = arena_alloc(a->arena, rows * sizeof *margin);
    uint32_t *mate = arena_alloc(a->arena, rows * sizeof *mate);
    rank_siblings(source, s, rows);
    rank_siblings(target, t, columns);
    match_scores(a, s, rows, t, columns, scores);
    assign_best(scores, rows, columns, mate, margin);
    bool *from = arena_alloc(a->arena, rows * sizeof *from);
    bool *to = arena_alloc(a->arena, columns * sizeof *to);
    for (size_t i = 0; i < rows; i++)
        if (mate[i] != NONE) from[i] = to[mate[i]] = true;
    const Token *misnamed[2];
    find_misnamed(a, s, rows, t, columns, misnamed);
    for (size_t j = 0; j < columns; j++) target->templates[t[j]].mate = NONE;
    for (size_t i = 0; i < rows; i++) {
        Template *x = &source->templates[s[i]];
        x->mate = NONE;
        if (mate[i] == NONE) continue;
        Template *y = &target->templates[t[mate[i]]];
        if (crosses(target, x, t[mate[i]])) margin[i] -= crossing(a, s, rows, t, columns, x);
        if (margin[i] > HABIT && (is_habit(a, x, y, t, columns) || counts_across(a, x, y)))
            margin[i] = HABIT;
        if (margin[i] < (last ? LIKELY : TEACHES)) continue;
        if (members_unclear(a, x, y) || is_misnamed(x, y, misnamed)) continue;
        if (may_slip(a, x, y) && (beside_hole(source, x, s, rows, from) ||
                                  beside_hole(target, y, t, columns, to)))
            continue;
        x->mate = t[mate[i]];
        y->mate = s[i];
        x->margin = y->margin = (float)margin[i];
    }
}

/* Whether a class is weighed at all: it has both sides, is not too large, and the work that is
 * allowed for all classes is not used up. Names that nobody gave in earnest get no answer. */
static bool is_affordable(size_t rows, size_t columns, uint64_t *work)
{
    if (!rows || !columns || rows > CLASS_MAX || columns > CLASS_MAX) return false;
    uint64_t n = rows > columns ? rows : columns, cost = n * n * n;
    if (*work + cost > WORK_MAX) return false;
    *work += cost;
    return true;
}

static void mark_known(Side *side)
{
    for (size_t i = 0; i < side->template_count; i++) {
        Template *t = &side->templates[i];
        for (uint32_t k = 0; k < t->count && !t->known; k++)
            t->known = side->units[side->order[t->first + k]].fixed;
    }
}

void match_templates(Auto *a)
{
    for (int s = 0; s < 2; s++) mark_known(&a->side[s]);
    ClassList source = classes_list(a, &a->side[0]), target = classes_list(a, &a->side[1]);
    score_start(a);
    list_parts(a);
    walk_sides(a);
    ways_count(a, &source, &target);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t work = 0;
        score_learn(a);
        for (size_t c = 0; c < a->class_count && !a->stopped; c++) {
            size_t rows = source.first[c + 1] - source.first[c];
            size_t columns = target.first[c + 1] - target.first[c];
            if (!is_affordable(rows, columns, &work)) continue;
            auto_pause(a);
            match_class(a, source.templates + source.first[c], rows,
                        target.templates + target.first[c], columns, round == ROUNDS - 1);
        }
    }
}
