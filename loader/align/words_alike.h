/* Words of names, and which of them mean the same, for whoever tells of pairs or judges them. The
 * engine (auto.h) has its own, made for speed. */
#ifndef LOADER_ALIGN_WORDS_ALIKE_H
#define LOADER_ALIGN_WORDS_ALIKE_H

#include "loader/align/auto.h"

/* A part of a name between dots and slashes, or underscores as well; borrowed. */
typedef struct Word {
    const char *text;
    size_t n;
} Word;

/* The next part behind *at, which moves on; false at the end. Whole segments, or words. */
bool word_next(const char **at, bool words, Word *word);
/* Case, underscores, dashes and blanks do not count: "q_proj" is "QProj". */
bool word_same(Word a, Word b);
bool word_is(Word word, const char *text);
/* The same word, or two spellings of one meaning or role of the lexicon (NULL: none). */
bool word_means(const Lexicon *lexicon, Word a, Word b);

#endif
