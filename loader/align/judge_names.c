/* What names say of two rivals for one target. */
#include <string.h>
#include <strings.h>

#include "loader/align/judge_parts.h"

/* A part of a name between dots, slashes and underscores. */
typedef struct Word {
    const char *text;
    size_t n;
} Word;

static bool is_border(char c, bool words)
{
    return c == '.' || c == '/' || (words && c == '_');
}

/* The next part at *at; false at the end. Whole segments, or words. */
static bool next_word(const char **at, bool words, Word *word)
{
    while (**at && is_border(**at, words)) (*at)++;
    word->text = *at;
    while (**at && !is_border(**at, words)) (*at)++;
    word->n = (size_t)(*at - word->text);
    return word->n > 0;
}

/* Letters and digits alone count: "q_proj" is "QProj". */
static bool same_letters(const char *a, size_t n, const char *b, size_t m)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < n && strchr("_- ", a[i])) i++;
        while (j < m && strchr("_- ", b[j])) j++;
        if (i == n || j == m) return i == n && j == m;
        if ((a[i] | 32) != (b[j] | 32)) return false;
        i++, j++;
    }
}

static bool is_phrase(const LexiconSet *set, Word word)
{
    for (size_t i = 0; i < set->count; i++)
        if (same_letters(set->phrases[i], strlen(set->phrases[i]), word.text, word.n)) return true;
    return false;
}

/* The same word, or two spellings of one meaning. */
static bool same_meaning(const Lexicon *lexicon, Word a, Word b)
{
    if (same_letters(a.text, a.n, b.text, b.n)) return true;
    for (size_t i = 0; lexicon && i < lexicon->count; i++)
        if (is_phrase(&lexicon->sets[i], a) && is_phrase(&lexicon->sets[i], b)) return true;
    for (size_t i = 0; lexicon && i < lexicon->role_count; i++)
        if (is_phrase(&lexicon->roles[i], a) && is_phrase(&lexicon->roles[i], b)) return true;
    return false;
}

static bool has_meaning(const Lexicon *lexicon, const char *name, bool words, Word wanted)
{
    Word word;
    while (next_word(&name, words, &word))
        if (same_meaning(lexicon, word, wanted)) return true;
    return false;
}

/* How many parts of `name` are not in `other`, and are in the target. */
static int count_own(const Lexicon *lexicon, const char *name, const char *other,
                     const char *target, bool words)
{
    int count = 0;
    Word word;
    while (next_word(&name, words, &word))
        count += !has_meaning(NULL, other, words, word) &&
                 has_meaning(lexicon, target, words, word);
    return count;
}

bool names_speak(const Judge *judge, const char *held, const char *rival, const char *target)
{
    for (int words = 0; words < 2; words++) {
        const int own = count_own(judge->lexicon, held, rival, target, words);
        if (own > count_own(judge->lexicon, rival, held, target, words)) return true;
    }
    return false;
}

bool names_rotary(const char *name)
{
    static const char *const spellings[] = {"q", "k", "wq", "wk", "query", "key"};
    Word word;
    while (next_word(&name, true, &word))
        for (size_t i = 0; i < countof(spellings); i++)
            if (same_letters(spellings[i], strlen(spellings[i]), word.text, word.n)) return true;
    return false;
}
