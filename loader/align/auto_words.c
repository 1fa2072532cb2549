/* Names as words: words cut, phrases of the lexicon found. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_words.h"

/* Words of a phrase; digits of a number; letters of a phrase that may be made of others ("qkv");
 * words of a name that may be known as fused, the last ones. */
enum { PHRASE_WORDS = 5, DIGITS_MAX = 15, FUSED_MAX = 4, FUSED_WORDS = 12 };

static void add_phrase(Words *words, const char *text, uint32_t meaning)
{
    bool fresh;
    uint32_t *index = table_add(&words->phrases, hash_letters(0, text, strlen(text)),
                                (uint32_t)words->count, &fresh);
    if (fresh) {
        words->list = mem_grow(words->list, &words->room, words->count + 1, sizeof *words->list);
        words->list[words->count++] = (Phrase){{meaning, NONE, NONE, NONE}};
        return;
    }
    uint32_t *meanings = words->list[*index].meaning;
    for (int i = 0; i < MEANINGS && meanings[i] != meaning; i++)
        if (meanings[i] == NONE) {
            meanings[i] = meaning;
            return;
        }
}

/* The two words that a phrase is made of, if neither means what all of it does: attn_norm. */
static Spoken words_of(const Words *words, const char *text, uint32_t set)
{
    for (const char *at = text; *at; at++) {
        if (is_letter(*at) || is_digit(*at)) continue;
        const uint32_t *head =
            table_find(&words->phrases, hash_letters(0, text, (size_t)(at - text)));
        const uint32_t *tail = table_find(&words->phrases, hash_letters(0, at, strlen(at)));
        if (!head || !tail) continue;
        const Spoken two = {words->list[*head].meaning[0], words->list[*tail].meaning[0]};
        if (two.module != set && two.layer != set) return two;
    }
    return (Spoken){NONE, NONE};
}

/* How most phrases of each set that are made of two words are; those of one phrase say nothing. */
static void find_spoken(Words *words)
{
    const Lexicon *lexicon = words->lexicon;
    const size_t meanings = lexicon->count + words->count + 1;   /* with those of fused parts */
    words->spoken = arena_alloc(words->arena, meanings * sizeof *words->spoken);
    for (size_t i = lexicon->count; i < meanings; i++) words->spoken[i] = (Spoken){NONE, NONE};
    for (size_t i = 0; i < lexicon->count; i++) {
        uint32_t votes = 0, all = 0;
        Spoken most = {NONE, NONE};
        for (size_t j = 0; j < lexicon->sets[i].count; j++) {
            const Spoken two = words_of(words, lexicon->sets[i].phrases[j], (uint32_t)i);
            if (two.module == NONE) continue;
            all++;
            if (!votes) most = two;
            if (two.module == most.module && two.layer == most.layer) votes++;
            else votes--;
        }
        words->spoken[i] = all > 1 && votes ? most : (Spoken){NONE, NONE};
    }
}

/* Phrases of fused names. What their parts are called is a phrase of the lexicon as well. */
static void add_fused(Words *words, const Lexicon *lexicon)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < lexicon->fused_count; i++) count += lexicon->fused[i].names.count;
    words->lines = arena_alloc(words->arena, (count + 1) * sizeof *words->lines);
    for (size_t i = 0; i < lexicon->fused_count; i++) {
        const LexiconFused *fused = &lexicon->fused[i];
        for (size_t j = 0; j < fused->names.count; j++) {
            const char *text = fused->names.phrases[j];
            uint32_t *first =
                table_add(&words->fused, hash_letters(0, text, strlen(text)), 0, NULL);
            words->lines[n++] = (FusedLine){fused, *first};
            *first = (uint32_t)n;
        }
        for (size_t j = 0; j < fused->part_count; j++) {
            const char *text = fused->parts[j];
            if (!table_find(&words->phrases, hash_letters(0, text, strlen(text))))
                add_phrase(words, text, (uint32_t)(lexicon->count + words->count));
        }
    }
}

static void add_wrappers(Words *words, const Lexicon *lexicon)
{
    words->wrapper_count = lexicon->wrapper_count;
    words->wrappers =
        arena_alloc(words->arena, (words->wrapper_count + 1) * sizeof *words->wrappers);
    for (size_t i = 0; i < words->wrapper_count; i++) {
        const char *text = lexicon->wrappers[i];
        while (is_separator(*text)) text++;
        words->wrappers[i] = (Wrapper){text, strlen(text)};
    }
}

Words *words_new(Arena *arena, const Lexicon *lexicon, bool no_lexicon)
{
    Words *words = arena_alloc(arena, sizeof *words);
    words->arena = arena;
    words->lexicon = lexicon;
    words->phrases.arena = words->roles.arena = words->fused.arena = words->letters.arena = arena;
    if (!lexicon) return words;
    add_wrappers(words, lexicon);
    for (size_t i = 0; i < lexicon->count && !no_lexicon; i++)
        for (size_t j = 0; j < lexicon->sets[i].count; j++)
            add_phrase(words, lexicon->sets[i].phrases[j], (uint32_t)i);
    if (!no_lexicon) add_fused(words, lexicon);
    for (size_t i = 0; i < lexicon->role_count && i < 0x3FFF; i++)
        for (size_t j = 0; j < lexicon->roles[i].count; j++) {
            const char *text = lexicon->roles[i].phrases[j];
            table_add(&words->roles, hash_letters(0, text, strlen(text)),
                      (uint32_t)((i + 1) << 1 | (j == 0)), NULL);
        }
    Phrase *list = arena_alloc(arena, (words->count + 1) * sizeof *list);
    for (size_t i = 0; i < words->count; i++) list[i] = words->list[i];
    free(words->list);
    words->list = list;
    if (!no_lexicon) find_spoken(words);
    return words;
}

size_t name_number(const char *at, const char *end, int64_t *value)
{
    size_t n = 0;
    *value = 0;
    while (at + n < end && is_digit(at[n])) {
        if (n < DIGITS_MAX) *value = *value * 10 + (at[n] - '0');
        n++;
    }
    return n > DIGITS_MAX ? 0 : n;
}

/* ---- words ---- */

/* One word while a name is cut. */
typedef struct Piece {
    const char *at;
    size_t length;
    bool is_number, is_break;
    char last;               /* of a number that is counted from 0: the digit behind the last; 0 */
    bool ends, begins;       /* the last of its segment, the first */
    uint8_t slot;            /* of a number */
} Piece;

/* The word that begins at `at`: letters up to a change to upper case, or digits. */
static size_t word_length(const char *at, const char *end)
{
    size_t n = 1;
    if (is_digit(*at)) {
        while (at + n < end && is_digit(at[n])) n++;
        return n;
    }
    while (at + n < end && is_letter(at[n])) {
        bool upper = at[n] >= 'A' && at[n] <= 'Z', before = at[n - 1] >= 'a' && at[n - 1] <= 'z';
        if (upper && before) break;
        n++;
    }
    return n;
}

/* The pieces of a name, the last `room` of them (a ring). Returns how many there were. */
static size_t cut_pieces(const char *text, size_t n, Numbering numbering, Piece *pieces,
                         size_t room)
{
    const char *begin = text, *end = text + n;
    size_t count = 0;
    unsigned slot = 0;
    while (text < end) {
        if (!is_letter(*text) && !is_digit(*text)) {
            text++;
            continue;
        }
        Piece *piece = &pieces[count++ % room];
        *piece = (Piece){.at = text, .length = word_length(text, end),
                         .begins = text == begin || is_separator(text[-1])};
        if (is_digit(*text)) {
            int64_t value;
            bool counts = name_number(text, end, &value) && slot < SLOTS_MAX;
            piece->is_number = counts && (numbering.literal >> slot & 1);
            piece->is_break = counts && !piece->is_number;
            if (counts && numbering.low && !numbering.low[slot] && numbering.high[slot] < 9)
                piece->last = (char)('1' + numbering.high[slot]);
            piece->slot = (uint8_t)slot;
            slot += counts;
        }
        text += piece->length;
        piece->ends = text == end || is_separator(*text);
    }
    return count;
}

/* The hash of a phrase with one more piece. The lexicon counts norm1 and norm2: where a name begins
 * at 0, as no phrase does, and goes as far as one does, LayerNorm_0 and LayerNorm_1 are these. */
static uint64_t add_piece(const Words *words, uint64_t hash, const Piece *piece)
{
    if (piece->last && piece->length == 1 &&
        !table_find(&words->phrases, hash_letters(hash, "0", 1)) &&
        table_find(&words->phrases, hash_letters(hash, &piece->last, 1))) {
        const char next = (char)(*piece->at + 1);
        return hash_letters(hash, &next, 1);
    }
    return hash_letters(hash, piece->at, piece->length);
}

/* The longest phrase that begins with a piece; how many pieces it takes, 0 = none. One that goes on
 * in the next segment takes all of that: attn.norm is none in attn.norm_q. */
static size_t find_phrase(const Words *words, const Piece *pieces, size_t count, Token *token)
{
    uint64_t hash = 0;
    size_t best = 0;
    bool crossed = false;
    for (size_t i = 0; i < count && i < PHRASE_WORDS && !pieces[i].is_break; i++) {
        hash = add_piece(words, hash, &pieces[i]);
        crossed = crossed || (i && pieces[i].begins);
        const uint32_t *index = table_find(&words->phrases, hash);
        if (!index || (crossed && !pieces[i].ends)) continue;
        best = i + 1;
        token->word = hash;
        memcpy(token->meaning, words->list[*index].meaning, sizeof token->meaning);
    }
    return best;
}

/* block_007 is block 7. */
static Piece without_zeros(Piece piece)
{
    while (piece.length > 1 && *piece.at == '0') {
        piece.at++;
        piece.length--;
    }
    return piece;
}

static bool share_meaning(const uint32_t *a, const uint32_t *b)
{
    for (int i = 0; i < MEANINGS && a[i] != NONE; i++)
        for (int j = 0; j < MEANINGS && b[j] != NONE; j++)
            if (a[i] == b[j]) return true;
    return false;
}

/* Whether the first has all the meanings of the second. */
static bool means_all(const uint32_t *a, const uint32_t *b)
{
    for (int j = 0; j < MEANINGS && b[j] != NONE; j++) {
        const uint32_t one[MEANINGS] = {b[j], NONE, NONE, NONE};
        if (!share_meaning(a, one)) return false;
    }
    return true;
}

/* A phrase that is a word and another that alone means all that the phrase means, as attn_k is k:
 * how many pieces the first has, and what it is; 0: the phrase is no two. A user may have said
 * more of attn_k than of k. */
static size_t split_phrase(const Words *words, const Piece *pieces, size_t n, const Token *whole,
                           Token *first)
{
    for (size_t k = 1; k < n; k++) {
        uint64_t head = 0, tail = 0;
        for (size_t i = 0; i < k; i++) head = add_piece(words, head, &pieces[i]);
        for (size_t i = k; i < n; i++) tail = add_piece(words, tail, &pieces[i]);
        const uint32_t *p = table_find(&words->phrases, head);
        const uint32_t *q = table_find(&words->phrases, tail);
        if (!p || !q || !means_all(words->list[*q].meaning, whole->meaning) ||
            share_meaning(words->list[*p].meaning, whole->meaning))
            continue;
        first->word = head;
        memcpy(first->meaning, words->list[*p].meaning, sizeof first->meaning);
        return k;
    }
    return 0;
}

/* What the whole means beside its last word: a user's word for attn_q, which is q. */
static void add_meanings(const uint32_t *more, uint32_t *meanings)
{
    for (int i = 0; i < MEANINGS && more[i] != NONE; i++)
        for (int k = 0; k < MEANINGS && meanings[k] != more[i]; k++)
            if (meanings[k] == NONE) {
                meanings[k] = more[i];
                break;
            }
}

size_t words_cut(const Words *words, const char *text, size_t n, Numbering numbering, Token *out,
                 size_t room)
{
    Piece ring[WORDS_MAX], pieces[WORDS_MAX];
    size_t total = cut_pieces(text, n, numbering, ring, WORDS_MAX), made = 0;
    size_t count = total < WORDS_MAX ? total : WORDS_MAX;
    for (size_t i = 0; i < count; i++) pieces[i] = ring[(total - count + i) % WORDS_MAX];
    Token whole = {.meaning = {NONE, NONE, NONE, NONE}};
    for (size_t i = 0, tail = 0; i < count && made < room;) {
        if (pieces[i].is_break) {
            i++;
            continue;
        }
        Token token = {.meaning = {NONE, NONE, NONE, NONE}};
        size_t taken = find_phrase(words, pieces + i, count - i, &token);
        if (tail && tail == i) add_meanings(whole.meaning, token.meaning);
        if (taken > 1) whole = token;
        const size_t head = taken > 1 ? split_phrase(words, pieces + i, taken, &whole, &token) : 0;
        tail = head ? i + head : 0;
        if (head) taken = head;
        if (!taken) {
            const Piece piece = pieces[i].is_number ? without_zeros(pieces[i]) : pieces[i];
            token.word = hash_letters(0, piece.at, piece.length);
            token.is_number = piece.is_number;
            token.slot = piece.slot;
            taken = 1;
        }
        token.module = token.layer = NONE;
        for (int k = 0; k < MEANINGS && token.meaning[k] != NONE && token.module == NONE; k++) {
            token.module = words->spoken[token.meaning[k]].module;
            token.layer = words->spoken[token.meaning[k]].layer;
        }
        const char *end = pieces[i + taken - 1].at + pieces[i + taken - 1].length;
        token.text = pieces[i].at;
        token.length = end - token.text < 256 ? (uint8_t)(end - token.text) : 0;
        out[made++] = token;
        i += taken;
    }
    return made;
}

/* ---- words cut short ---- */

static bool is_vowel(char c)
{
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

/* The letters of one word in lower case, without vowels behind the first: returns how many. */
static size_t skeleton(const Token *token, bool vowels, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < token->length; i++) {
        const char c = lower(token->text[i]);
        if (!is_letter(c) || n == room) return 0;
        if (!n || vowels || !is_vowel(c)) out[n++] = c;
    }
    return n;
}

static bool begins_with(const Token *whole, const Token *cut, bool vowels)
{
    enum { LETTERS = 24, LEAST = 3 };
    char x[LETTERS], y[LETTERS];
    const size_t n = skeleton(whole, vowels, x, LETTERS), m = skeleton(cut, vowels, y, LETTERS);
    /* attn is all consonants of attention's first half; a word with vowels is cut behind one */
    if (!vowels && m != cut->length) return false;
    return m >= LEAST && m <= n && memcmp(x, y, m) == 0;
}

bool words_alike(const Token *a, const Token *b)
{
    if (a->is_number || b->is_number || !a->length || !b->length) return false;
    const Token *whole = a->length >= b->length ? a : b, *cut = whole == a ? b : a;
    return begins_with(whole, cut, true) || begins_with(whole, cut, false);
}

/* ---- fused phrases ---- */

static bool is_set(const Token *token, uint32_t set)
{
    for (int i = 0; i < MEANINGS; i++)
        if (token->meaning[i] == set) return true;
    return false;
}

/* Cuts a text, letters only, into phrases of other sets, short ones first: "qkv". */
static size_t cut_letters(const Words *words, const char *text, size_t n, uint32_t set, Token *out,
                          size_t room)
{
    size_t made = 0;
    for (size_t from = 0; from < n;) {
        size_t length = 1;
        for (; from + length <= n; length++) {
            const uint32_t *index = table_find(&words->phrases,
                                               hash_letters(0, text + from, length));
            if (!index || made == room) continue;
            Token token = {.word = hash_letters(0, text + from, length)};
            memcpy(token.meaning, words->list[*index].meaning, sizeof token.meaning);
            if (is_set(&token, set)) continue;
            out[made++] = token;
            break;
        }
        if (from + length > n) return 0;
        from += length;
    }
    return made;
}

size_t words_parts_of(const Words *words, const Token *token, Token *out, size_t room)
{
    for (int i = 0; i < MEANINGS && token->meaning[i] != NONE; i++) {
        if (token->meaning[i] >= words->lexicon->count) continue;
        const LexiconSet *set = &words->lexicon->sets[token->meaning[i]];
        size_t n = strlen(set->phrases[0]);
        if (n > FUSED_MAX) continue;
        size_t made = cut_letters(words, set->phrases[0], n, token->meaning[i], out, room);
        if (made > 1) return made;
    }
    return 0;
}

/* A number that is a segment of its own says nothing of what lies in a tensor. */
static bool is_place(const Piece *piece)
{
    return piece->begins && piece->ends && is_digit(*piece->at);
}

size_t words_fused(const Words *words, const char *path, size_t n, const LexiconFused **out,
                   size_t room)
{
    Piece ring[FUSED_WORDS], pieces[FUSED_WORDS];
    if (!words->fused.count) return 0;
    const size_t total = cut_pieces(path, n, (Numbering){.literal = 0xFF}, ring, FUSED_WORDS);
    const size_t count = total < FUSED_WORDS ? total : FUSED_WORDS;
    for (size_t i = 0; i < count; i++) pieces[i] = ring[(total - count + i) % FUSED_WORDS];
    for (size_t from = 0; from < count; from++) {
        uint64_t hash = 0;
        if (is_place(&pieces[from])) continue;
        for (size_t i = from; i < count; i++)
            if (!is_place(&pieces[i])) hash = hash_letters(hash, pieces[i].at, pieces[i].length);
        const uint32_t *first = table_find(&words->fused, hash);
        size_t found = 0;
        for (uint32_t at = first ? *first : 0; at && found < room; at = words->lines[at - 1].next)
            out[found++] = words->lines[at - 1].fused;
        if (found) return found;
    }
    return 0;
}
