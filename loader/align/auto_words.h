/* What the files share that cut names: auto_words.c and auto_names.c. */
#ifndef LOADER_ALIGN_AUTO_WORDS_H
#define LOADER_ALIGN_AUTO_WORDS_H

#include "loader/align/auto_parts.h"

typedef struct Phrase {
    uint32_t meaning[MEANINGS];
} Phrase;

/* Two meanings whose words a phrase is made of; NONE. */
typedef struct Spoken {
    uint32_t module, layer;
} Spoken;

/* A line of the lexicon that knows a fused name, and the next one of the same phrase. */
typedef struct FusedLine {
    const LexiconFused *fused;
    uint32_t next;           /* 1 + its index; 0: the last */
} FusedLine;

/* A wrapper as a segment of a name: ATTRIBUTES of ".ATTRIBUTES". */
typedef struct Wrapper {
    const char *text;
    size_t length;
} Wrapper;

struct Words {
    Arena *arena;
    const Lexicon *lexicon;  /* NULL: none */
    Wrapper *wrappers;       /* [wrapper_count] */
    size_t wrapper_count;
    Table phrases;           /* letters of a phrase, without its spaces -> index in list */
    Phrase *list;
    size_t count, room;
    Spoken *spoken;          /* [meanings] how most phrases of a set are made of two others */
    Table fused;             /* letters of a phrase -> 1 + where its lines begin in lines */
    FusedLine *lines;
    Table roles;             /* the same of roles -> role << 1 | first of its set */
    Table letters;           /* what stands before the last letter of names, att.x_ of att.x_w ->
                                the letters, a bit each */
};

/* Lower case, for ASCII. */
static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* Letters and digits of a text, in lower case: "layer_norm", "LayerNorm" and "layer norm" have
 * the same. */
static inline uint64_t hash_letters(uint64_t seed, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_letter(text[i]) || is_digit(text[i]))
            seed = hash_mix(seed, (unsigned char)lower(text[i]));
    return seed;
}

#endif
