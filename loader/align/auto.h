/* Automatic alignment: which tensor of a target is which of a source, found from names, shapes,
 * order and structure alone; and where these do not decide, the question that would.
 *
 * It never guesses silently: what comes out is bundles that are accepted, bundles that are only
 * likely, and ties. The evidence is general (templates of names, classes of shape sequences,
 * words, order, context): no architecture stands in it. Words that mean the same are data, a
 * Lexicon. Pure: it reads no values, no files, no clock; the same input gives the same output.
 *
 * Units: margins and scores are sums of weighted evidence, 0 … 1. */
#ifndef LOADER_ALIGN_AUTO_H
#define LOADER_ALIGN_AUTO_H

#include "loader/align/bundle.h"

/* One tensor, as far as alignment looks at it. Borrowed. */
typedef struct AutoTensor {
    const char *name;
    const int64_t *dims;         /* [rank]; NULL: the shape is not known */
    uint8_t rank;
    DType dtype;
} AutoTensor;

typedef struct AutoSide {
    const AutoTensor *tensors;   /* [count], in the order of the file */
    size_t count;
    bool alphabetical;           /* its format sorts: the order says nothing. Sides that look sorted
                                    or shuffled are found out without it */
} AutoSide;

/* Phrases that mean the same in names: "input_layernorm" and "attention_norm". A phrase is
 * words joined by spaces; a set of them is one meaning. */
typedef struct LexiconSet {
    const char *const *phrases;  /* [count] */
    size_t count;
    const char *from;            /* provenance; NULL */
} LexiconSet;

/* What lies in a tensor whose name ends in one of these phrases, and how: all of the first part,
 * then all of the second; or in turns, each with its share of every part. */
enum { TURNS_HEADS = 0, TURNS_ROWS = -1 };
typedef struct LexiconFused {
    LexiconSet names;
    const char *const *parts;    /* [part_count] in the order in which they lie; none: as the name
                                    has them */
    size_t part_count;
    int64_t turns;               /* 1: one behind the other; TURNS_HEADS: head by head, or group by
                                    group where there are fewer of the last; TURNS_ROWS: row by
                                    row */
    bool last;                   /* only where they lie along the last axis */
} LexiconFused;

typedef struct Lexicon {
    const LexiconSet *sets;      /* [count] meanings in general: words at any place */
    size_t count;
    const LexiconFused *fused;   /* [fused_count] what several lines say of one name is not known */
    size_t fused_count;
    const LexiconSet *roles;     /* [role_count] the last segment: weight kernel gamma … */
    size_t role_count;
    const char *const *wrappers; /* [wrapper_count] "module", "_orig_mod" … */
    size_t wrapper_count;
} Lexicon;

/* `--say "A=B"`: what holds A in a source's name is what holds B in a target's; whole segments or
 * words. B NULL or "": A has no partner. "A=B+C": A is made of B and C, one behind the other, and
 * "A=16*(B+C)" in 16 turns; "A+B=C" likewise. */
typedef struct AutoAnswer {
    const char *source, *target;
} AutoAnswer;

/* A pair that is bound already (by name, by a rule, by hand): evidence for the others, and no
 * candidate. Both tensors stand in the sides like any other, so that families stay whole. A source
 * or a target may stand in several (a split, a stack). */
typedef struct AutoAnchor {
    uint32_t source, target;     /* indices into the sides; those outside are passed over */
} AutoAnchor;

typedef enum AutoLayout {
    AUTO_LAYOUT_OPEN, AUTO_LAYOUT_TORCH, AUTO_LAYOUT_TF, AUTO_LAYOUT_FLAX
} AutoLayout;

typedef struct AutoOptions {
    const Lexicon *lexicon;      /* NULL: names are compared as they are */
    const AutoAnswer *answers;   /* [answer_count] */
    size_t answer_count;
    const AutoAnchor *anchors;   /* [anchor_count]; what is in none is found here, equal names with
                                    shapes that fit first */
    size_t anchor_count;
    AutoLayout assume;           /* of the source: how its kernels lie where shapes do not tell */
    float accept;                /* margin from which a pair is taken: 0.20; 0.05 with "likely" */
    bool no_order, no_lexicon, no_context;   /* evidence that is not looked at: ablations */
    bool (*cancelled)(void *context);        /* asked now and then; NULL = never */
    void *context;
} AutoOptions;

/* What cannot be told apart: the candidates, and the question that settles them all. */
typedef struct AutoTie {
    const char *const *sources;  /* [source_count] templates as people read them:
                                    "encoder.layer.{0-11}.attention.output.LayerNorm.*" */
    size_t source_count;
    const char *const *targets;  /* [target_count] likewise */
    size_t target_count;
    const float *scores;         /* [source_count × target_count], row by row; 0 = impossible */
    bool together;               /* all of one side lie in the one of the other; how, is asked */
    size_t tensors;              /* targets that an answer settles */
    const char *ask;             /* "attention.output.LayerNorm=?": what --say is given */
    const char *say;             /* a whole answer, the likelier one: what people can copy; NULL:
                                    none is */
    const char *const *keys;     /* [key_count] every target key of it */
    size_t key_count;
} AutoTie;

typedef struct AutoResult {
    Bundle *bundles;             /* [bundle_count] accepted, in the target's order; the caller's to
                                    change */
    size_t bundle_count;
    Bundle *likely;              /* [likely_count] margin of at least 0.05, but below `accept` */
    size_t likely_count;
    const uint32_t *withheld;    /* [withheld_count] targets whose own names are no evidence: what
                                    has the name in the source may be another layer */
    size_t withheld_count;
    const AutoTie *ties;         /* [tie_count] the one that settles most comes first */
    size_t tie_count;
    const char *const *notes;    /* [note_count] what was done for all of it: wrappers taken off,
                                    kernels transposed, order not looked at */
    size_t note_count;
    bool another_size;           /* the same architecture in another size: nothing was patched */
} AutoResult;

/* Everything of the result lies in `arena` (names borrowed from the sides). Targets that are in no
 * bundle have no partner, or are in a tie. NULL with ERR_CANCELLED when it was. */
const AutoResult *auto_align(Arena *arena, const AutoSide *source, const AutoSide *target,
                             const AutoOptions *options, Error *err);

#endif
