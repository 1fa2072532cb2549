/* Words in common: rules that differ in one word, on both sides the same, become one rule with
 * alternatives.
 *
 *   …attn.q_proj.weight -> …attn.wq.weight,  …k_proj… -> …wk…     …{p:q|k}_proj… -> …w{p}…
 *
 * What such a rule catches is exactly what its parts caught. Whole segments come first, then words
 * between underscores. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_parts.h"
#include "loader/align/rule_lex.h"

enum {
    RULES_MAX = 20000,           /* beyond, nobody reads them, and they are left as they are */
    WORDS_LISTED = 24,           /* of one side */
    ALIKE_MAX = 12,              /* alternatives of one rule */
    PLACES_MAX = 3,              /* where a word may stand in a side, from the right */
    HOLE = '\x01'
};

/* A run of bytes of a side. */
typedef struct Word {
    const char *text;
    size_t length;
} Word;

/* Rules that are equal but for a word. */
typedef struct Alike {
    const char *const *sides;    /* with HOLE in the word's place */
    uint32_t *rules;             /* [count] owned, growing: indexes of the list */
    Word *words;                 /* [count] owned, growing */
    size_t count, rule_room, word_room;
    size_t number;
} Alike;

typedef struct AlikeList {
    Alike *items;                /* owned, growing */
    size_t count, room;
    NameMap index;
} AlikeList;

static bool parts_words(char c, bool within)
{
    return c == '.' || c == '/' || (within && (c == '_' || c == '{' || c == '}'));
}

/* Whether all are bytes of words and not all digits: such alternatives need no quotes. */
static bool is_plain(const char *text, size_t n)
{
    bool letters = false;
    for (size_t i = 0; i < n; i++) {
        if (!is_word_byte(text[i])) return false;
        letters = letters || !is_digit(text[i]);
    }
    return letters;
}

/* Behind the quotes or braces that begin here; the end where they stay open. */
static const char *skip_closed(const char *at)
{
    const char *end = at + strlen(at);
    const char *behind = *at == '"' ? skip_quoted(at, end) : skip_braced(at, end);
    return behind ? behind : end;
}

/* The words of a side, outside braces and quotes. `within`: parts of segments count. */
static size_t list_words(const char *side, bool within, Word out[WORDS_LISTED])
{
    size_t count = 0;
    for (const char *at = side; *at && count < WORDS_LISTED;) {
        if (*at == '"' || *at == '{') {
            at = skip_closed(at);
            continue;
        }
        size_t n = 0;
        while (at[n] && at[n] != '"' && at[n] != '{' && !parts_words(at[n], within)) n++;
        bool whole = (at == side || parts_words(at[-1], within)) &&
                     (!at[n] || parts_words(at[n], within));
        if (n && whole && is_plain(at, n)) out[count++] = (Word){at, n};
        at += n;
        if (*at && *at != '"' && *at != '{') at++;
    }
    return count;
}

/* The place-th place from the right where the word stands in a side, outside braces and quotes;
 * with `within` it may be glued to other letters at one end. NULL: there is none. */
static const char *find_word(const char *side, const Word *word, bool within, size_t place)
{
    const char *found[WORDS_LISTED];
    size_t count = 0;
    for (const char *at = side; *at && count < WORDS_LISTED;) {
        if (*at == '"' || *at == '{') {
            at = skip_closed(at);
            continue;
        }
        if (strncmp(at, word->text, word->length) == 0) {
            bool left = at == side || parts_words(at[-1], within);
            char next = at[word->length];
            bool right = !next || parts_words(next, within);
            if (within ? left || right : left && right) found[count++] = at;
        }
        at++;
    }
    return place < count ? found[count - 1 - place] : NULL;
}

/* The side with something else in the word's place. */
static const char *replace(Arena *arena, const char *side, const char *at, size_t length,
                           const char *by)
{
    return arena_printf(arena, "%.*s%s%s", (int)(at - side), side, by, at + length);
}

/* The sides with a hole for the word; NULL when one of them has it not. */
static const char **make_holes(Inducer *inducer, const Made *made, const Word *word, bool within,
                               size_t place)
{
    static const char hole[] = {HOLE, '\0'};
    size_t sides = made->list_count + made->target_count;
    const char **out = arena_alloc(inducer->scratch, sides * sizeof *out);
    for (size_t i = 0; i < sides; i++) {
        const char *at = i ? find_word(made->sides[i], word, within, place) : word->text;
        if (!at) return NULL;
        out[i] = replace(inducer->scratch, made->sides[i], at, word->length, hole);
    }
    return out;
}

static void note_alike(Inducer *inducer, AlikeList *alike, const Made *made, uint32_t index,
                       const char **sides, const Word *word)
{
    Text key = {0};
    text_addf(&key, "%u %zu", made->ops, made->list_count);
    for (size_t i = 0; i < made->list_count; i++) text_add(&key, made->keep[i] ? " &" : " ");
    for (size_t i = 0; i < made->list_count + made->target_count; i++)
        text_addf(&key, "\n%s", sides[i]);
    uint32_t at = map_get(&alike->index, text_string(&key));
    if (at == MAP_NONE) {
        at = (uint32_t)alike->count;
        alike->items = mem_grow(alike->items, &alike->room, alike->count + 1,
                                sizeof *alike->items);
        alike->items[alike->count++] = (Alike){.sides = sides, .number = at};
        map_set(&alike->index, arena_strdup(inducer->scratch, text_string(&key)), at);
    }
    text_done(&key);
    Alike *one = &alike->items[at];
    one->rules = mem_grow(one->rules, &one->rule_room, one->count + 1, sizeof *one->rules);
    one->words = mem_grow(one->words, &one->word_room, one->count + 1, sizeof *one->words);
    one->rules[one->count] = index;
    one->words[one->count++] = *word;
}

/* Every way to put a hole into a rule. */
static void find_holes(Inducer *inducer, AlikeList *alike, const MadeList *list, uint32_t index,
                       bool within)
{
    const Made *made = list->items[index];
    Word words[WORDS_LISTED];
    size_t count = list_words(made->sides[0], within, words);
    for (size_t i = 0; i < count; i++)
        for (size_t place = 0; place < PLACES_MAX; place++) {
            const char **sides = make_holes(inducer, made, &words[i], within, place);
            if (!sides) break;
            note_alike(inducer, alike, made, index, sides, &words[i]);
        }
}

/* ---- merging ---- */

static int compare_alike(const void *a, const void *b)
{
    const Alike *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* A name that no brace of the sides begins with; 0: all are taken. */
static char free_name(const Alike *alike, size_t sides)
{
    static const char names[] = "pqrst";
    for (const char *name = names; *name; name++) {
        char brace[] = {'{', *name, '\0'};
        bool taken = false;
        for (size_t i = 0; i < sides; i++) taken = taken || strstr(alike->sides[i], brace);
        if (!taken) return *name;
    }
    return 0;
}

/* Bundles of several rules, ascending. */
static int compare_indexes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static const uint32_t *join_pairs(Arena *arena, const Made *const *parts, size_t n, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < n; i++) *count += parts[i]->pair_count;
    uint32_t *pairs = arena_alloc(arena, *count * sizeof *pairs);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(pairs + at, parts[i]->pairs, parts[i]->pair_count * sizeof *pairs);
        at += parts[i]->pair_count;
    }
    qsort(pairs, *count, sizeof *pairs, compare_indexes);
    return pairs;
}

/* One rule of several: the word's place holds {p:a|b} on the left and {p} on the right. */
static const Made *merge(Inducer *inducer, const Alike *alike, const Made *const *parts,
                         const Word *words, size_t n, char name)
{
    Arena *arena = inducer->scratch;
    Made made = *parts[0];
    size_t sides = made.list_count + made.target_count;
    Text choices = {0};
    text_addf(&choices, "{%c:", name);
    for (size_t i = 0; i < n; i++)
        text_addf(&choices, "%s%.*s", i ? "|" : "", (int)words[i].length, words[i].text);
    text_addc(&choices, '}');
    const char *again = arena_printf(arena, "{%c}", name);
    const char **texts = arena_alloc(arena, sides * sizeof *texts);
    for (size_t i = 0; i < sides; i++)
        texts[i] = replace(arena, alike->sides[i], strchr(alike->sides[i], HOLE), 1,
                           i < made.list_count ? text_string(&choices) : again);
    text_done(&choices);
    made.sides = texts;
    made.pairs = join_pairs(arena, parts, n, &made.pair_count);
    made.finer = arena_copy(arena, parts, n * sizeof *parts);
    made.finer_count = n;
    made.literal = false;
    return arena_copy(arena, &made, sizeof made);
}

/* What is left of rules that are alike, those that others have taken put aside; each word once. */
static size_t list_parts(const MadeList *list, const Alike *alike, const bool *taken,
                         const Made **parts, Word *words)
{
    size_t count = 0;
    for (size_t i = 0; i < alike->count; i++) {
        if (taken[alike->rules[i]]) continue;
        const Word *word = &alike->words[i];
        bool known = false;
        for (size_t j = 0; j < count && !known; j++)
            known = words[j].length == word->length &&
                    memcmp(words[j].text, word->text, word->length) == 0;
        if (known) continue;
        parts[count] = list->items[alike->rules[i]];
        words[count++] = *word;
        if (count == ALIKE_MAX) break;
    }
    return count;
}

/* One round: each rule goes into one other at most. */
static bool merge_round(Inducer *inducer, MadeList *list, bool within)
{
    AlikeList alike = {0};
    MadeList out = {0};
    map_init(&alike.index);
    bool *taken = mem_alloc(list->count + 1), changed = false;
    for (uint32_t i = 0; i < list->count; i++)
        if (!list->items[i]->order) find_holes(inducer, &alike, list, i, within);
    if (alike.count) qsort(alike.items, alike.count, sizeof *alike.items, compare_alike);
    for (size_t i = 0; i < alike.count; i++) {
        const Made *parts[ALIKE_MAX];
        Word words[ALIKE_MAX];
        const Alike *one = &alike.items[i];
        size_t n = one->count < 2 ? 0 : list_parts(list, one, taken, parts, words);
        char name = n < 2 ? 0 : free_name(one, parts[0]->list_count + parts[0]->target_count);
        if (!name) continue;
        for (size_t j = 0; j < one->count; j++)
            for (size_t k = 0; k < n; k++)
                if (list->items[one->rules[j]] == parts[k]) taken[one->rules[j]] = true;
        made_add(&out, merge(inducer, one, parts, words, n, name));
        changed = true;
    }
    for (size_t i = 0; i < list->count; i++)
        if (!taken[i]) made_add(&out, list->items[i]);
    for (size_t i = 0; i < alike.count; i++) {
        free(alike.items[i].rules);
        free(alike.items[i].words);
    }
    free(alike.items);
    map_done(&alike.index);
    free(taken);
    free(list->items);
    *list = out;
    return changed;
}

/* Twice each: a second word of a rule may differ as well. */
void merge_words(Inducer *inducer, MadeList *list)
{
    if (list->count > RULES_MAX) return;
    for (int round = 0; round < 4; round++) merge_round(inducer, list, round > 1);
}
