/* The inside of the judge: samples of values (judge_sample.c), which of a class belong together
 * (judge_class.c), what a role forbids (judge_roles.c), what names say of a rival
 * (judge_names.c). */
#ifndef LOADER_ALIGN_JUDGE_PARTS_H
#define LOADER_ALIGN_JUDGE_PARTS_H

#include "loader/align/align_parts.h"
#include "loader/align/auto.h"
#include "loader/align/judge.h"

enum {
    SAMPLE_MOST = 4096,          /* numbers of a tensor that are looked at */
    SAMPLE_FEW = 1024,           /* the same in large classes */
    CLASS_LARGE = 512,           /* tensors of one shape from which it is large */
    SAMPLE_GLANCE = 64,          /* the same before two of a large class are compared closely */
    CLASS_MOST = 16384           /* a class of more is not looked at */
};

/* Numbers of one tensor, less their mean, and divided by their length, so that the product of two
 * is their correlation. */
typedef struct Sample {
    float *x;                    /* [n] owned; NULL: not read, or nothing to go by */
    uint32_t n;
    float *glance;               /* [SAMPLE_GLANCE] behind x: one of so many of them, likewise
                                    normalised; all 0: n is less, or they are constant */
    bool read;                   /* it was tried */
    bool constant;               /* all numbers are equal */
} Sample;

/* A target and what is proposed for it; or a source that is in no pair. */
typedef struct Slot {
    uint32_t binding;            /* index; UINT32_MAX: none, it is a source alone */
    const Tensor *target;        /* NULL: a source alone */
    const Expr *value;           /* what is proposed, before casts; NULL: the target wants one */
    const Tensor *source;        /* the tensor that it is made of alone; NULL: of several */
    const int64_t *dims;         /* [rank] of the target, or of the source alone */
    uint8_t rank;
    bool single;                 /* the pair is one tensor to one */
    Sample held, given;          /* of the target; of what is proposed */
    float own;                   /* their correlation; NAN: unknown */
    bool decided;                /* there is a veto */
} Slot;

typedef struct Judge {
    Arena *arena;                /* of the result */
    Arena *scratch;
    const Alignment *alignment;
    const Lexicon *lexicon;      /* of auto{}; NULL */
    const atomic_bool *interrupt;
    Slot *slots;                 /* owned, [count] by shape, then in the target's order; sources
                                    alone last */
    size_t count, room;
    Veto *vetoes;                /* owned, growing */
    size_t veto_count, veto_room;
    float *agree;                /* [targets] in the arena */
    Judgement *judgement;
    Error *err;
} Judge;

/* ---- samples ---- */

/* The numbers of `e` at the places that tensors of its shape are looked at, at most `most` of them;
 * once. What cannot be read as numbers leaves x NULL; false on read errors. */
bool sample_read(Judge *judge, const Expr *e, uint32_t most, Sample *sample);
void sample_done(Sample *sample);
/* Correlation; NAN where one of them says nothing. */
double sample_agree(const Sample *a, const Sample *b);
/* The same of a few numbers; 1 where there are no more than that. */
double sample_glance(const Sample *a, const Sample *b);
/* The same with the axes of `b` exchanged: of square matrices, whose places are square. */
double sample_agree_turned(const Sample *a, const Sample *b, const int64_t *dims, unsigned rank,
                           uint32_t most);
/* How many standard errors a correlation of n numbers is from nothing. */
double sample_errors(double correlation, uint32_t n);

/* ---- judges ---- */

/* The slots [from, to) have one shape. */
bool judge_class(Judge *judge, size_t from, size_t to);
bool judge_roles(Judge *judge);
/* Whether the names say more for `held` becoming the target than for `rival`: a word that only the
 * one has and the target, too. */
bool names_speak(const Judge *judge, const char *held, const char *rival, const char *target);
/* Whether a name is that of a query or a key of attention: "wq", "k_proj", "attn.query". */
bool names_rotary(const char *name);
/* Whether two such names have the part in common that says so: not "attn.wq" and "attn.q_proj". */
bool names_rotary_alike(const char *a, const char *b);
/* Whether one of these words (NULL ends them) is a part of the name, in any case. */
bool names_have(const char *name, const char *const *words);
void judge_add(Judge *judge, Slot *slot, Veto veto);
/* "'layers.0.q.weight'", in the arena. */
const char *judge_name(const Judge *judge, const char *name);

#endif
