/* Veto: what the values of both sides say against a pair that was found without a rule, as an order
 * to whoever carries pairs out. It is data alone: judge.h finds it, align_veto.c follows it.
 *
 * A ledger is made, judged, and made again with the vetoes, so that fills, ties, policy and expect
 * see what is left as if it had been found so. */
#ifndef LOADER_ALIGN_VETO_H
#define LOADER_ALIGN_VETO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Veto {
    const char *target;          /* the target key that is to get something else, or nothing */
    /* What it gets, one of these; none of them: it is left open, and is a question. */
    const char *given;           /* what was proposed for this target key */
    const char *source;          /* this tensor of the source file, which was in no pair */
    bool turn;                   /* what was proposed for itself, its two axes exchanged */
    int64_t pairs, halves;       /* the same with rope_pairs(n) or rope_halves(n) behind it */
    /* Of a question: */
    const char *held;            /* the source tensor that was proposed; NULL: there was none */
    const char *rival;           /* the source tensor that the values speak for; NULL: none */
    float for_held, for_rival;   /* how far their values agree with the target's, 0 … 1 */
    const char *why;             /* for people: "its values are those of 'k.weight' (0.998), not of
                                    'q.weight' (0.01)" */
} Veto;

/* Whether it gives its target something: then it is no question. */
static inline bool veto_settles(const Veto *veto)
{
    return veto->given || veto->source || veto->turn || veto->pairs || veto->halves;
}

/* All of them; lists and texts are borrowed. */
typedef struct Vetoes {
    const Veto *items;           /* [count] each target once */
    size_t count;
} Vetoes;

#endif
