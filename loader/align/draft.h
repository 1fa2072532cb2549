/* Draft: the keys of the source as they stand between two statements of a rule script.
 *
 * Statements act when they are executed, on the names as they are then. Each one changes names
 * and expressions, leaves a Step behind, and ends with unique names: keys that would become
 * one name are recorded as a collision, which nothing can be written over. When the script is
 * done, align_finish (align.h) turns the Draft into an Alignment. */
#ifndef LOADER_ALIGN_DRAFT_H
#define LOADER_ALIGN_DRAFT_H

#include "loader/align/later.h"
#include "loader/align/rule.h"
#include "loader/tensor/checkpoint.h"

/* One change to one key: what `steps`, provenance, hits per rule and bisect are made of.
 * Steps form a tree through `before` (several where tensors were merged). */
typedef struct Step {
    Origin origin;
    const char *what;        /* the statement or rule, short: `strip "module."`; NULL: from and to
                                say all of it */
    const char *from, *to;   /* names before and after; to NULL = dropped */
    const char *ops;         /* "split(3)[1]"; NULL when no op was applied */
    uint32_t before_count;
    bool aside;              /* to is NULL: not dropped, but left unused (a preset passed it by) */
    const struct Step *before[];     /* [before_count]; mostly one, and steps are many */
} Step;

typedef struct DraftKey {
    const char *name;
    const Expr *expr;        /* NULL when the key stands for a collision */
    const Expr *last;        /* of a collision: what collide="last" would take; else NULL */
    const Step *step;        /* newest; NULL = untouched. A collision's has one `before` for
                                each key that met and had a history */
    uint32_t collision;      /* 1 + index of the collision it stands for; 0 = none. Keys made
                                of such a key by later rules stand for it as well */
} DraftKey;

/* Two or more keys that became one name. Nothing stops there: the key goes on, standing for
 * the collision, so that one run reports everything; but nothing can be written over it. */
typedef struct Collision {
    const char *name;             /* the name they met under */
    const char *const *sources;   /* the names that met, as they stood before the statement */
    size_t source_count;
    const Tensor *const *tensors; /* every source tensor behind them, in that order */
    size_t tensor_count;
    size_t last_tensor;           /* where the tensors of the last comer begin */
    Origin origin;
    const char *what;
} Collision;

/* TRAP: what a preset's system does without a word, or otherwise than one would think. */
typedef enum NoteLevel { NOTE_INFO, NOTE_TRAP, NOTE_ERROR } NoteLevel;
typedef struct RuleNote {
    NoteLevel level;         /* ERROR: nothing is written; exit 2 (1 of expect) */
    Origin origin;
    const char *text;        /* one line or several, safe to print */
    bool differs;            /* ERROR: the rules are fine and the files differ: exit 1 */
    bool remark;             /* INFO: of automatic alignment, and no fault of a rule */
} RuleNote;

typedef enum ShapePolicy { SHAPE_ERROR, SHAPE_SKIP, SHAPE_FIT } ShapePolicy;
typedef enum DTypePolicy { DTYPE_CAST, DTYPE_SKIP, DTYPE_ERROR, DTYPE_FORCE } DTypePolicy;
typedef enum MissingPolicy { MISSING_ERROR, MISSING_KEEP, MISSING_INIT } MissingPolicy;
typedef enum UnusedPolicy { UNUSED_WARN, UNUSED_ERROR, UNUSED_IGNORE } UnusedPolicy;
typedef enum ReusePolicy { REUSE_ERROR, REUSE_ALL, REUSE_ONCE } ReusePolicy;
typedef enum CollidePolicy { COLLIDE_ERROR, COLLIDE_LAST } CollidePolicy;

/* What `policy{…}` decides; zeros are the defaults. */
typedef struct Policy {
    ShapePolicy shape;       /* a value of another shape than the target's */
    DTypePolicy dtype;       /* of another dtype */
    MissingPolicy missing;   /* a target that got no value */
    UnusedPolicy unused;     /* a source tensor that went nowhere */
    ReusePolicy reuse;       /* one tensor for several names */
    CollidePolicy collide;   /* several tensors for one name */
} Policy;

/* What `expect{…}` turns into silence. */
typedef struct Expect {
    Origin origin;
    const Pattern **missing, **unused, **shape, **dtype;
    size_t missing_count, unused_count, shape_count, dtype_count;
    int64_t loaded;          /* -1: not said */
} Expect;

/* `fill("PATTERN", op)`, or a rule without a left side. */
typedef struct FillRule {
    Origin origin;
    const Pattern *pattern;  /* over target keys */
    Op op;                   /* zeros … xavier */
    uint64_t hits;           /* targets it filled, or tried to */
} FillRule;

typedef struct KeepTarget {
    Origin origin;
    const Pattern *pattern;  /* over target keys */
    uint64_t hits;           /* targets it kept */
} KeepTarget;

/* How an optimizer's numbers get their names: by the names in the file, else by order; or one way
 * only. */
typedef enum OptimizerIds { IDS_EITHER, IDS_ORDER, IDS_NAMES } OptimizerIds;

/* `optimizer{…}`: its state follows the weights (optimizer.h). */
typedef struct OptimizerRule {
    Origin origin;
    const char *from;        /* where it stands in the source: "optimizer", "optimizer_states[0]" */
    OptimizerIds ids;
    bool complete;           /* new="error": every parameter must get its state */
    bool one_group;          /* all parameters in one group, with the first one's options */
    const char *const *params;   /* [param_count] the source's parameters in the optimizer's order;
                                    NULL = that of definition */
    size_t param_count;
    const char *const *order;    /* [order_count] the target's parameters in their order; NULL =
                                    as the target has them */
    size_t order_count;
} OptimizerRule;

typedef struct Draft Draft;

/* `source` and `target` stay borrowed. `inside` is FILE::PATH's PATH or NULL. `target` may be
 * NULL (every key that is left is its own target). */
Draft *draft_new(Checkpoint *source, const char *inside, StateDict *target, uint64_t seed);
void draft_free(Draft *draft);
/* The same draft once more, to be changed or finished while the first one goes on. It borrows what
 * the first one has made: it must be gone before that is. */
Draft *draft_copy(const Draft *draft);
Arena *draft_arena(Draft *draft);
/* Asked whenever a statement that renames a key line by line has made a name in the arena; false
 * ends the statement (ERR_LIMIT). NULL, as at first: it may make any. */
typedef bool DraftAfford(void *host);
void draft_set_afford(Draft *draft, DraftAfford *afford, void *host);
StateDict *draft_target(const Draft *draft);
/* Another source takes the place of the one that the draft was made with, whole; takes over the
 * reference, also when it fails: after a statement that has changed keys, or an unwrap. */
bool draft_set_source(Draft *draft, Checkpoint *source, Error *err);

/* Makes sure a container is chosen (FILE::PATH, else checkpoint_choose) and its keys are there;
 * every statement but unwrap calls it. */
bool draft_ready(Draft *draft, Error *err);
/* The chosen container's dict and path; only after draft_ready. */
StateDict *draft_source(const Draft *draft);
const char *draft_container(const Draft *draft);
/* What stands at a path of the source's object tree ("epoch", "args.lr"), or in the metadata of a
 * format without one ("general.architecture", the whole key); NULL: nothing. */
const Object *draft_fact(Draft *draft, const char *path);
/* The same with an error that lists what is there. */
const Object *draft_object(Draft *draft, const char *path, Error *err);
/* Whether the source has a tree, so that paths have parts. */
bool draft_has_tree(const Draft *draft);
/* How many rivals checkpoint_choose saw; 0 when the user or a rule chose. */
size_t draft_rivals(const Draft *draft);

size_t draft_count(const Draft *draft);
const DraftKey *draft_at(const Draft *draft, size_t index);
const DraftKey *draft_find(const Draft *draft, const char *name);
/* The same for many names: indexes for draft_at, MAP_NONE. */
void draft_find_many(const Draft *draft, const char *const *names, size_t n, uint32_t *indexes);
/* Makes the index of names that draft_find makes when it is first asked: threads may ask then. */
void draft_index(Draft *draft);

/* Statements. Errors do not carry the origin: the caller that knows it prepends "fix.lua:3";
 * but those of draft_sub and draft_rules begin with the "FILE:LINE: " of the line of rule text
 * that is meant. What hit nothing becomes a note (tenon-rules(5)). A collision is no
 * error of the statement: it is recorded, see draft_collision. */
bool draft_unwrap(Draft *draft, Origin origin, const char *const *names, size_t n,
                  bool first_only, Error *err);
bool draft_strip(Draft *draft, Origin origin, const char *const *prefixes, size_t n, bool again,
                 bool all, Error *err);
bool draft_keep(Draft *draft, Origin origin, const char *prefix, Error *err);
bool draft_prefix(Draft *draft, Origin origin, const char *prefix, Error *err);
bool draft_seg(Draft *draft, Origin origin, const char *const *segments, size_t n, Error *err);
bool draft_sub(Draft *draft, const SubBlock *block, Error *err);
/* One pair of re.sub, see regex.h. */
typedef struct Resub {
    const char *pattern, *replacement;
    uint64_t count;              /* of matches in a name; 0 = all */
} Resub;
/* Each over every key, in order: the second sees what the first has made. */
bool draft_resub(Draft *draft, Origin origin, const Resub *pairs, size_t n, Error *err);
/* `call` runs Lua functions that stand as ops (OpContext.call). */
bool draft_rules(Draft *draft, const RuleBlock *block,
                 bool (*call)(void *host, const Op *op, const OpContext *context,
                              RuleValue *value, Error *err),
                 void *host, Error *err);

/* `each`: for every key in order, `visit` says what becomes of it. */
typedef struct EachResult {
    bool unchanged, drop;
    struct { const char *name; const Expr *expr; } items[16];   /* expr NULL: the key's own */
    size_t count;
} EachResult;
bool draft_each(Draft *draft, Origin origin,
                bool (*visit)(void *context, const DraftKey *key, EachResult *result, Error *err),
                void *context, Error *err);

/* What presets do: all keys at once, each to the names that are given for it. Names that meet are a
 * collision, as anywhere. */
typedef struct Assign {
    size_t key;                  /* index of a key (draft_at) */
    const char *name;            /* what it becomes; in the arena */
    const Expr *expr;            /* its value then; NULL = the key's own */
    const char *ops;             /* how that came about; NULL */
} Assign;
/* A key that is in no assignment is dropped, or, with aside, left unused under no name. `what`
 * stands in the steps; `rest`, when not NULL, in those of such keys. */
bool draft_assign(Draft *draft, Origin origin, const char *what, const Assign *list, size_t n,
                  bool aside, const char *rest, Error *err);
/* The dict that a script which goes down into `names` comes to, each where it is a key of the
 * dict before it, as Python would see it: its entries, what is no tensor included. The draft then
 * has the keys of that dict; where it holds no tensors of its own, those it would have chosen.
 * After a statement that chose or changed keys it is those keys, and nothing is gone down into.
 * names NULL: the dict that the draft chooses by itself.
 * *path receives where it came to. */
struct LoadItem;
bool draft_open(Draft *draft, const char *const *names, size_t n, struct LoadItem **items,
                size_t *count, const char **path, Error *err);

/* The object that the source's file, or the PATH of FILE::PATH, holds; NULL: it has no tree. */
const Object *draft_root(Draft *draft);

/* A message of another system, for --log; both are copied. */
typedef struct Saying {
    const char *system;          /* "essmc2"; "": the name of a preset that was called */
    const char *text;            /* without a newline that is not its own */
} Saying;
void draft_say(Draft *draft, const char *system, const char *text);
size_t draft_saying_count(const Draft *draft);
const Saying *draft_saying(const Draft *draft, size_t index);
/* The name that a system gives the file which it saves from here; copied, no path. */
void draft_set_saved_name(Draft *draft, const char *name);
const char *draft_saved_name(const Draft *draft);                /* NULL: none said one */
/* An error note of a system that would have raised: exit 1. */
void draft_differs(Draft *draft, Origin origin, const char *text);

void draft_fill(Draft *draft, const FillRule *fill);             /* copied */
void draft_keep_target(Draft *draft, Origin origin, const Pattern *pattern);
Policy *draft_policy(Draft *draft);                              /* to be changed in place */
void draft_expect(Draft *draft, const Expect *expect);           /* copied; adds up */
/* Copied; a second one replaces the first. */
void draft_set_optimizer(Draft *draft, const OptimizerRule *rule);
const OptimizerRule *draft_optimizer(const Draft *draft);        /* NULL: none */
Later *draft_later(Draft *draft);                                /* to be added to */
void draft_note(Draft *draft, NoteLevel level, Origin origin, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What automatic alignment has to say of the whole. */
void draft_remark(Draft *draft, Origin origin, const char *text);

/* The script is done: makes sure of the container and lets a policy{collide="last"} that came
 * late settle the collisions before it (the loser is dropped, with a Step that says so).
 * align_finish calls it before it looks at anything below. May be called again. */
bool draft_close(Draft *draft, Error *err);

/* What the statements left behind, in their order. Arrays are borrowed until the next
 * statement; `hits` are the caller's to count. */
size_t draft_collision_count(const Draft *draft);
const Collision *draft_collision(const Draft *draft, size_t index);
size_t draft_note_count(const Draft *draft);
const RuleNote *draft_note_at(const Draft *draft, size_t index);
FillRule *draft_fills(Draft *draft, size_t *count);
KeepTarget *draft_keep_targets(Draft *draft, size_t *count);
const Expect *draft_expects(const Draft *draft, size_t *count);
uint64_t draft_seed(const Draft *draft);
Checkpoint *draft_checkpoint(const Draft *draft);
/* The newest step that dropped a key made of the index-th tensor of draft_source; NULL if
 * none did. The tensor may still live on under another key (copy, `&`, split): whoever asks
 * looks for a living use first. */
const Step *draft_dropped(const Draft *draft, size_t index);

#endif
