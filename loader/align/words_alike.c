/* Words are compared as they stand in the name: nothing is copied. */
#include "loader/align/words_alike.h"

#include <string.h>

static bool is_border(char c, bool words)
{
    return c == '.' || c == '/' || (words && c == '_');
}

bool word_next(const char **at, bool words, Word *word)
{
    while (**at && is_border(**at, words)) (*at)++;
    word->text = *at;
    while (**at && !is_border(**at, words)) (*at)++;
    word->n = (size_t)(*at - word->text);
    return word->n > 0;
}

static bool is_passed(char c)
{
    return c == '_' || c == '-' || c == ' ';
}

/* Letters and digits alone count. */
static bool same_letters(const char *a, size_t n, const char *b, size_t m)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < n && is_passed(a[i])) i++;
        while (j < m && is_passed(b[j])) j++;
        if (i == n || j == m) return i == n && j == m;
        if ((a[i] | 32) != (b[j] | 32)) return false;
        i++, j++;
    }
}

bool word_same(Word a, Word b)
{
    return same_letters(a.text, a.n, b.text, b.n);
}

bool word_is(Word word, const char *text)
{
    return same_letters(word.text, word.n, text, strlen(text));
}

static bool is_phrase(const LexiconSet *set, Word word)
{
    for (size_t i = 0; i < set->count; i++)
        if (word_is(word, set->phrases[i])) return true;
    return false;
}

bool word_means(const Lexicon *lexicon, Word a, Word b)
{
    if (word_same(a, b)) return true;
    for (size_t i = 0; lexicon && i < lexicon->count; i++)
        if (is_phrase(&lexicon->sets[i], a) && is_phrase(&lexicon->sets[i], b)) return true;
    for (size_t i = 0; lexicon && i < lexicon->role_count; i++)
        if (is_phrase(&lexicon->roles[i], a) && is_phrase(&lexicon->roles[i], b)) return true;
    return false;
}
