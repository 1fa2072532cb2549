/* What names say of two rivals for one target. */
#include "loader/align/judge_parts.h"
#include "loader/align/words_alike.h"

static bool has_meaning(const Lexicon *lexicon, const char *name, bool words, Word wanted)
{
    Word word;
    while (word_next(&name, words, &word))
        if (word_means(lexicon, word, wanted)) return true;
    return false;
}

/* How many parts of `name` are not in `other`, and are in the target. */
static int count_own(const Lexicon *lexicon, const char *name, const char *other,
                     const char *target, bool words)
{
    int count = 0;
    Word word;
    while (word_next(&name, words, &word))
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

/* Asked of every name of a file: most words are told from the listed ones by their first letter,
 * both cases of which are one number. Blanks and dashes before it do not count. */
bool names_have(const char *name, const char *const *words)
{
    enum { LETTER = 31 };
    Word word;
    while (word_next(&name, true, &word)) {
        const bool passes = *word.text == ' ' || *word.text == '-';
        for (size_t i = 0; words[i]; i++)
            if ((passes || !((*word.text ^ *words[i]) & LETTER)) && word_is(word, words[i]))
                return true;
    }
    return false;
}

static const char *const rotary[] = {"q", "k", "wq", "wk", "query", "key", NULL};

bool names_rotary(const char *name)
{
    return names_have(name, rotary);
}

/* The first segment that has such a word; n is 0 where there is none. */
static Word find_rotary(const char *name)
{
    Word segment, word;
    while (word_next(&name, false, &segment)) {
        const char *at = segment.text;
        while (at < segment.text + segment.n && word_next(&at, true, &word) &&
               word.text < segment.text + segment.n)
            for (size_t i = 0; rotary[i]; i++)
                if (word_is(word, rotary[i])) return segment;
    }
    return (Word){name, 0};
}

bool names_rotary_alike(const char *a, const char *b)
{
    const Word x = find_rotary(a), y = find_rotary(b);
    return word_same(x, y);
}
