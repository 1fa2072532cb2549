/* Alignment: the ledger. A Binding for every target tensor, a SourceUse for every source
 * tensor; nothing is in two states and nothing is in none. Immutable once made.
 *
 * Comparing is aligning with no rules: the same engine and the same ledger stand behind diff,
 * align, the viewer and the prompt. */
#ifndef LOADER_ALIGN_ALIGN_H
#define LOADER_ALIGN_ALIGN_H

#include "loader/align/draft.h"

/* status, its word in JSON and reports */
#define BIND_STATUSES(X)                                                                \
    X(BIND_LOADED, "loaded") X(BIND_TIED, "tied") X(BIND_FILLED, "filled")              \
    X(BIND_KEPT, "kept") X(BIND_SHAPE, "shape") X(BIND_DTYPE, "dtype")                  \
    X(BIND_MISSING, "missing") X(BIND_AMBIGUOUS, "ambiguous")
#define USE_STATUSES(X) X(USE_USED, "used") X(USE_DROPPED, "dropped") X(USE_UNUSED, "unused")
#define HOWS(X)                                                                         \
    X(HOW_NONE, NULL) X(HOW_EXACT, "exact") X(HOW_RULE, "rule") X(HOW_PRESET, "preset") \
    X(HOW_SUFFIX, "suffix") X(HOW_ORDER, "order") X(HOW_SHAPE, "shape")                 \
    X(HOW_AUTO, "auto") X(HOW_LEARNED, "learned") X(HOW_HAND, "hand") X(HOW_TIE, "tie") \
    X(HOW_FILL, "fill") X(HOW_POLICY, "policy")

#define WORD_ENUM(id, word) id,
typedef enum __attribute__((packed)) BindStatus {
    BIND_STATUSES(WORD_ENUM) BIND_STATUS_COUNT
} BindStatus;
typedef enum __attribute__((packed)) UseStatus {
    USE_STATUSES(WORD_ENUM) USE_STATUS_COUNT
} UseStatus;
typedef enum __attribute__((packed)) How { HOWS(WORD_ENUM) HOW_COUNT } How;
#undef WORD_ENUM

const char *bind_word(BindStatus status);
const char *use_word(UseStatus status);
const char *how_word(How how);               /* NULL for HOW_NONE */

/* Targets that automatic alignment leaves open, and what would settle them. */
typedef struct Doubt {
    const char *const *sources;  /* [source_count] the candidates, folded as in reports */
    size_t source_count;
    const char *const *targets;  /* [target_count] likewise */
    size_t target_count;
    const float *scores;         /* [source_count × target_count], row by row; 0 = impossible */
    bool together;               /* all of one side lie in the one of the other; how, is asked */
    size_t tensors;              /* targets that an answer settles */
    const char *ask;             /* the question, as --say is given: "attention.output=?" */
    const char *say;             /* a whole answer, the likelier one; NULL */
    const char *why;             /* what the values say against a pair that was found; NULL: they
                                    are not what makes it */
    bool settled;                /* the values have settled some target of it */
    bool likely;                 /* one pair that --accept likely takes */
    bool open;                   /* some target of it is ambiguous and not covered */
} Doubt;

/* What becomes of one target tensor. Strings and lists lie in the alignment's arena. */
typedef struct Binding {
    const char *name;            /* the target key */
    const Tensor *target;        /* NULL without a target: the key is its own */
    const Expr *expr;            /* what it gets: LOADED TIED FILLED, and KEPT with data;
                                    for SHAPE and DTYPE what was offered; else NULL */
    const Expr *offered;         /* the source value that was not taken (KEPT by shape policy,
                                    FILLED over a wrong shape); NULL otherwise */
    const Expr *own;             /* the target's own value, for open and kept ones; NULL = it
                                    has no data */
    const Step *step;            /* newest step of the name's history; NULL = none */
    const Origin *origin;        /* the fill() or keep_target that closed it; NULL = none */
    const char *op;              /* what closing it applied: "kaiming()", "fit(0)"; NULL */
    const char *cast;            /* "cast(f32)" when the dtype was changed by policy; NULL */
    const Tensor *const *sources;   /* [source_count] as they stand in the source file; what was
                                       offered for KEPT and FILLED ones */
    uint32_t source_count;
    BindStatus status;           /* the one state it is in */
    How how;                     /* what settled it; HOW_NONE = nothing did */
    bool partial;                /* a fit took the overlap only; the reason says how much */
    bool covered;                /* by expect: does not stand in the way of writing */
    bool turned;                 /* its format tells that the offer's axes stand in another order,
                                    and suggest begins by turning them */
    uint8_t rank;
    DType dtype;                 /* of the result: the target's, or its own */
    float confidence;            /* 1 unless it was guessed */
    const int64_t *dims;         /* [rank]; NULL = unknown */
    const char *why;             /* of what was found without a rule: what it rests on; NULL */
    const char *reason;          /* "dim 0", "f16 → f32", "100 of 200 rows"…; NULL = none */
    const char *suggest;         /* a rule line that would settle it; NULL = none */
    const struct Binding *tied_to;   /* TIED, and FILLED or KEPT like another one: the binding
                                    that it shares storage with; NULL = none */
    const Doubt *doubt;          /* AMBIGUOUS (or settled otherwise) for want of an answer; NULL */
} Binding;

/* What became of one tensor of the source. */
typedef struct SourceUse {
    const Tensor *tensor;        /* name as in the source file */
    UseStatus status;            /* the one state it is in */
    bool covered;                /* by expect or policy unused="ignore" */
    const char *reason;          /* "offered to head.fc.weight: shape"; NULL = none */
    const Binding *offered_to;   /* the binding that did not take it; NULL = none */
    const char *nearest;         /* a target key that may be meant; NULL = none */
    const Step *step;            /* its last step, the one that dropped it; NULL = none */
} SourceUse;

/* The sums over the ledger. */
typedef struct Summary {
    size_t bind[BIND_STATUS_COUNT], use[USE_STATUS_COUNT];   /* how many in each state */
    size_t collisions;           /* names under which keys met */
    uint64_t values_loaded, values_target, bytes_loaded, bytes_target;   /* loaded + tied */
} Summary;

typedef struct Alignment Alignment;

/* Closes the draft: match{}, auto{}, names, keep_target, fills, ties of the target, policy and
 * expect, in this order. A target in doubt (auto{}) is like a missing one for fills, ties and
 * policy; where none of them gives it a value it is AMBIGUOUS, and expect{missing=…} covers it.
 * The Alignment takes the draft over (and frees it, also when it fails); source and target are
 * ref'd. Fails only on an unmet condition that is no ledger state (no
 * container), or when it was interrupted (auto{}, or the draft's AlignWatch).
 *
 * Once an expect{} is there, the ledger must be what it says: a difference that it does not
 * name (unused tensors among them), a pattern that covers nothing and another number of loaded
 * tensors leave an error note and make the exit status 1. What was offered to a covered target
 * is covered with it. Patterns of `unused` are tried on the name as it stands at the end and on
 * the name in the file. */
Alignment *align_finish(Draft *draft, Error *err);
Alignment *align_ref(Alignment *alignment);
void align_unref(Alignment *alignment);

size_t align_count(const Alignment *alignment);                     /* targets */
const Binding *align_binding(const Alignment *alignment, size_t index);
const Binding *align_find(const Alignment *alignment, const char *target);
size_t align_use_count(const Alignment *alignment);                 /* sources */
const SourceUse *align_use(const Alignment *alignment, size_t index);
const SourceUse *align_find_use(const Alignment *alignment, const char *source);
const Summary *align_summary(const Alignment *alignment);
size_t align_collision_count(const Alignment *alignment);
const Collision *align_collision(const Alignment *alignment, size_t index);
size_t align_note_count(const Alignment *alignment);
const RuleNote *align_note(const Alignment *alignment, size_t index);
/* The doubts of automatic alignment, the one that settles most first. */
size_t align_doubt_count(const Alignment *alignment);
const Doubt *align_doubt(const Alignment *alignment, size_t index);
/* Keys that it set aside, since they have the name of a target but may be another layer. */
const char *const *align_withheld(const Alignment *alignment, size_t *count);
/* How far the values of the index-th target agree with what it gets: their correlation, or NAN
 * where that was not looked at, or one of them is constant. judge_close (judge.h) notes it. */
double align_agreement(const Alignment *alignment, size_t index);
/* Whether auto{} was asked for. */
bool align_is_automatic(const Alignment *alignment);
/* The bindings a source tensor went into: indexes into align_binding, in order. */
const uint32_t *align_uses_of(const Alignment *alignment, size_t source, size_t *count);
Checkpoint *align_source(const Alignment *alignment);
StateDict *align_source_dict(const Alignment *alignment);
const char *align_container(const Alignment *alignment);
/* How many names of the target a dict has, before all rules; 0 without a target. */
size_t align_names_in(const Alignment *alignment, const StateDict *dict);
/* Whether a part of the file would do as well as the one that was taken, by these names. */
bool align_would_do(const Alignment *alignment, const Container *one);
/* How many would, where the user did not choose: who writes must be told which one is meant. */
size_t align_rivals(const Alignment *alignment);
StateDict *align_target(const Alignment *alignment);                /* NULL without a target */
const Policy *align_policy(const Alignment *alignment);
uint64_t align_seed(const Alignment *alignment);     /* of fills */
/* What the optimizer statement comes to (optimizer.h); NULL without one, or when it is in error. */
const struct OptimizerMove *align_optimizer(const Alignment *alignment);
/* What statements left for whoever writes: meta. */
const Later *align_later(const Alignment *alignment);
/* What freeze and group come to (groups.h); NULL without either. */
const struct ParamGroups *align_groups(const Alignment *alignment);
/* Whether the shapes differ as those of one architecture in two sizes do: no rule helps. */
bool align_is_another_size(const Alignment *alignment);
const Origin *align_step_origin(const Step *step);

/* The messages that presets have left, in their order. */
/* What a preset's system would call the output: a name, no path; NULL: none says. */
const char *align_saved_name(const Alignment *alignment);
size_t align_saying_count(const Alignment *alignment);
const Saying *align_saying(const Alignment *alignment, size_t index);

/* What a written file holds under this name: the value bound to it; where expect covers an open
 * binding, the target's own value; NULL where there is none (open, or kept without data). */
const Expr *align_value(const Binding *binding);

/* The source value that was offered and not taken (SHAPE, DTYPE, or KEPT and FILLED over it);
 * of a fit that could not be, what was to be fitted. NULL = nothing was offered. */
const Expr *align_offer(const Binding *binding);
/* Whether two known shapes differ: SHAPE, or KEPT because of policy{shape="skip"}. */
bool align_is_misshapen(const Binding *binding);
/* Whether no source has the name: MISSING, or KEPT because of policy{missing="keep"}. */
bool align_is_missing(const Binding *binding);
/* Whether its value comes from the source: LOADED or TIED. */
bool align_is_loaded(const Binding *binding);

/* The exit status (tenon(1)) of what the ledger says: 0 complete, 1 differences remain, 2 a rule is
 * in error (collision, error note), 3 ties remain, whatever other differences there are beside
 * them: an answer may settle those as well. */
int align_exit(const Alignment *alignment);

/* Rows that say what a binding went through, oldest first: fills steps[] up to n, returns how
 * many there are. Merged tensors' histories follow one another, each step once. */
size_t align_steps(const Binding *binding, const Step **steps, size_t n);
/* "split(3)[1]" for every op the binding went through, oldest first, joined for people. */
void align_ops(const Binding *binding, JsonWriter *writer);

#endif
