/* The inside of an Alignment, for the files that make one: align.c (the object), align_bind.c
 * (every target's state), align_match.c (which key a target gets), align_auto.c
 * (what is found without a rule), align_tie.c (targets that
 * share memory), align_close.c (sources, expect, sums), optimizer.c (what follows the weights),
 * suggest.c (what would help). */
#ifndef LOADER_ALIGN_ALIGN_PARTS_H
#define LOADER_ALIGN_ALIGN_PARTS_H

#include <stdatomic.h>

#include "loader/align/align.h"

/* What match{} decided for a target. */
typedef struct Match {
    uint32_t key;                /* index of a key of the draft; MAP_NONE = it gets none */
    const MatchRule *rule;       /* what paired them; NULL: they have the same name */
    bool ambiguous;              /* the key is for several targets, and none may have it */
} Match;

struct Alignment {
    atomic_uint refs;            /* holders; the last one frees */
    Draft *draft;                /* owned */
    Arena *arena;                /* the draft's */
    Checkpoint *checkpoint;      /* one reference */
    StateDict *source;           /* of the chosen container; lives as long as the checkpoint */
    StateDict *target;           /* one reference; NULL without a target */
    Policy policy;               /* the draft's, as it was when it was closed */
    Match *matches;              /* owned, [count]; NULL: names alone bind */
    uint32_t *match_of_key;      /* owned, [keys of the draft], with matches: the first target,
                                    in target order, that the key was paired with */
    uint32_t *same_key;          /* owned, [count], where names alone bind: the key of a target's
                                    name; MAP_NONE. NULL until pair_same */
    uint32_t *same_target;       /* owned, [keys of the draft], with it: the target of a key's */
    Binding *bindings;           /* owned, [count] */
    size_t count;
    SourceUse *uses;             /* owned, [use_count], in source order */
    size_t use_count;
    uint32_t *use_start;         /* owned, [use_count + 1]: where a source's run begins in … */
    uint32_t *use_list;          /* owned: … this list of bindings */
    Summary summary;
    size_t rule_errors;          /* error notes that stood before expect was looked at */
    bool unexpected;             /* expect{} was not met */
    const struct ParamGroups *groups;    /* in the arena; NULL: nothing is said about them */
    const struct OptimizerMove *optimizer;   /* what optimizer{…} comes to; NULL: there is none */
    const struct Bundle *bundles;    /* in the arena, [bundle_count]: what auto{} carried out */
    size_t bundle_count;
    const char **withheld;       /* in the arena, [withheld_count]: keys that auto{} set aside, for
                                    their names may be those of other layers */
    size_t withheld_count;
    float *sure;                 /* owned, [count], with auto{}: the confidence of what it bound; 0:
                                    it did not */
    const char **why;            /* owned, [count], with auto{}: what that rests on; NULL */
    float *agree;                /* owned, [count]; correlation of the target's values with what it
                                    gets; NAN: not known. NULL: values were not looked at */
    Doubt *doubts;               /* in the arena, [doubt_count] */
    size_t doubt_count;
    uint32_t *doubt_of;          /* owned, [count], with auto{}: 1 + index of doubts; 0 = none */
    bool automatic;              /* auto{} was asked for */
    const char *const *asked;    /* in the arena, [asked_count]: all keys as they were named when
                                    auto{} looked at them */
    size_t asked_count;
    bool another_size;           /* shapes differ as those of another architecture size do */
};

/* Index of the binding of a target key; MAP_NONE. */
uint32_t align_index(const Alignment *alignment, const char *name);
/* The same of every target of `n` bundles, all in a row. The caller frees it. */
uint32_t *align_index_targets(const Alignment *alignment, const struct Bundle *bundles, size_t n);
/* Carries out match{…}, in the order of the script. */
void match_all(Alignment *alignment);
/* Pairs equal names, where names alone bind: once for all who ask later. */
void pair_same(Alignment *alignment);
/* The key that the index-th target gets; NULL = none. */
const DraftKey *match_key(const Alignment *alignment, size_t index);
/* The target that the index-th key goes to, or the first of several; NULL = none. */
const Binding *match_target(const Alignment *alignment, size_t key);

/* The value that the target file itself has for a tensor; NULL for schemas and opaque ones. */
const Expr *align_own(const Alignment *alignment, const Tensor *target);
/* Carries out auto{…}: bundles become keys of the draft. False when it was interrupted. */
bool auto_all(Alignment *alignment, Error *err);
/* Makes suggestions right for keys that auto{…} has taken a wrapper off. After suggest_all. */
void auto_suggest(Alignment *alignment);
/* Targets in doubt that have no value become ambiguous; those that have one are no longer. */
void auto_mark(Alignment *alignment);

/* Sets status, value and reason of every binding. */
void bind_all(Alignment *alignment);

/* Gives targets that got nothing the value of one whose storage they share (tied), and makes
 * filled ones that share a storage take the same fill. */
void tie_missing(Alignment *alignment);
void tie_fills(Alignment *alignment);
/* Carries out tie(…). Called again when policy has given values to what was missing. */
void tie_by_rules(Alignment *alignment);
/* Says what tie(…) could not do. */
void tie_notes(Alignment *alignment);
/* A note where names that are one tensor of the target get different ones of the source. */
void tie_note_apart(Alignment *alignment);

/* What became of every source tensor. */
void close_uses(Alignment *alignment);

/* What freeze and group say of the target's parameters. */
void close_groups(Alignment *alignment);

/* What the draft's optimizer statement comes to; an error of it becomes a note. After
 * close_uses. */
void close_optimizer(Alignment *alignment);

/* Whether expect{} was met; what it covers. */
void close_expect(Alignment *alignment);
void close_summary(Alignment *alignment);

/* Nearest names and suggested rules, for what is open. */
void suggest_all(Alignment *alignment);

/* The binding whose value it shares in the end: itself when it is not tied. */
static inline const Binding *tie_root(const Binding *binding)
{
    while (binding->tied_to) binding = binding->tied_to;
    return binding;
}

/* Whether two tensors are the same elements of one storage. */
bool tie_same_view(const Tensor *a, const Tensor *b);
/* An order in which such ones are neighbours; for any two tensors. */
int tie_compare(const Tensor *a, const Tensor *b);

/* Whether a whole-key pattern fits, when nobody asks for captures. */
bool name_fits(const Pattern *pattern, const char *name);

/* Index of a tensor of the source, MAP_NONE for a tensor that is not one. */
uint32_t align_source_index(const Alignment *alignment, const Tensor *tensor);

/* Whether a binding is a difference that stands in the way of writing. */
static inline bool bind_is_open(BindStatus status)
{
    return status == BIND_SHAPE || status == BIND_DTYPE || status == BIND_MISSING ||
           status == BIND_AMBIGUOUS;
}

/* A rule as a line of Lua: `rules [[ … ]]`, with brackets that the text does not close. */
const char *suggest_line(Arena *arena, const char *rule);

#endif
