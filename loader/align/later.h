/* Later: the statements of a rule script whose effect is at the end, when every key has its
 * name. The Draft records them in the order of the script; align_finish carries them out. */
#ifndef LOADER_ALIGN_LATER_H
#define LOADER_ALIGN_LATER_H

#include "loader/align/rule.h"
#include "loader/core/value.h"
#include "loader/tensor/object.h"

typedef enum MatchKind { MATCH_SUFFIX, MATCH_ORDER, MATCH_SHAPE } MatchKind;

/* Whether the shapes of a key and a target count when they are paired. */
typedef enum MatchShape {
    MATCH_ANY_SHAPE,         /* no: the ledger looks at them afterwards */
    MATCH_SAME_SHAPE,        /* they must be equal; an unknown one fits anything */
    MATCH_SAME_COUNT         /* as many elements; the key is reshaped */
} MatchShape;

/* What a key is for that several targets choose. */
typedef enum MatchReuse {
    MATCH_REUSE_POLICY,      /* as policy{reuse=…} says in the end */
    MATCH_REUSE_ERROR,       /* if several of them have its shape: all of those are ambiguous */
    MATCH_REUSE_ALL,         /* all of them take it */
    MATCH_REUSE_ONCE         /* the first in the order of the alphabet takes it, whatever its
                                shape; the others get nothing */
} MatchReuse;

/* `match{…}`: pairs keys with targets by something else than equal names. A target that gets
 * no key is missing, also where a key has its name, unless `rest`. */
typedef struct MatchRule {
    Origin origin;
    const char *what;        /* the statement, short: `match{"suffix"}` */
    MatchKind kind;
    MatchShape shape;        /* of SUFFIX: keys of another shape are no candidates; of ORDER */
    MatchReuse reuse;        /* of SUFFIX */
    bool segments;           /* of SUFFIX: a suffix begins behind a dot (or is the whole name) */
    bool name;               /* of ORDER: names must agree, too */
    bool all;                /* of ORDER: the first pair that does not agree is an error */
    bool rest;               /* keys that have their target's name go there first */
    const Pattern *within[2];   /* of SHAPE: over whole names of keys and of targets; equal
                                captures make a group; NULL = all is one group */
    int64_t count;           /* how many pairs there have to be; -1: not said */
} MatchRule;

/* `tie("lm_head.weight", "model.embed_tokens.weight")`: two names of one tensor. */
typedef struct TieRule {
    Origin origin;
    const Pattern *alias, *owner;          /* over whole names */
    const Template *alias_name;            /* from what the owner's pattern captures */
    const Template *owner_name;            /* from what the alias's captures */
    uint64_t hits;                         /* pairs that were found */
} TieRule;

/* `alias("https://host/models/", "/data/models/")`: checkpoints whose names begin so lie there. */
typedef struct AliasRule {
    const char *prefix, *folder;
} AliasRule;

/* Whole-name patterns of a statement. */
typedef struct Patterns {
    const Pattern *const *list;  /* [count] */
    size_t count;
} Patterns;

/* `freeze "backbone.**"`: parameters that are not to be trained. */
typedef struct FreezeRule {
    Origin origin;
    Patterns what, except;
    bool loaded;                 /* only those that got their value from the source */
    uint64_t hits;
} FreezeRule;

/* `group("head.**", {lr=1e-2})`: parameters with options of their own for the optimizer. */
typedef struct GroupRule {
    Origin origin;
    Patterns what;               /* none: options of what is in no other group */
    const Value *options;        /* a MAP: numbers, booleans, texts, lists of numbers */
    uint64_t hits;
} GroupRule;

/* `meta{format="pt"}`, `meta.keep("epoch")`: what an output holds beside its tensors. */
typedef struct MetaRule {
    Origin origin;
    const char *key;
    const Object *object;        /* plain data: numbers, text, lists and dicts of these; the
                                    source's own, or in the draft's arena */
} MetaRule;

/* `buffers{"**.inv_freq"}`: tensors that are no parameters. */
typedef struct BufferRule {
    Origin origin;
    Patterns what;
    bool only;                   /* those that are known by their names are parameters, too */
} BufferRule;

struct Alignment;

/* Who waits for the ledger: asked between the steps of align_finish, `done` of `total`; false ends
 * it (ERR_CANCELLED). */
typedef struct AlignWatch {
    bool (*go_on)(void *context, uint64_t done, uint64_t total);     /* NULL: nobody asks */
    void *context;
    /* All is settled but what is suggested, which another thread looks for meanwhile: `suggest`,
     * `nearest` and `turned` must not be looked at. NULL: nobody wants to know. */
    void (*settled)(void *context, struct Alignment *alignment);
    bool counts;                 /* states are all that is wanted: nothing is suggested */
} AlignWatch;

/* All of them; zeros are none. Lists are owned, growing. */
typedef struct Later {
    MatchRule *matches;
    size_t match_count, match_room;
    FreezeRule *freezes;
    size_t freeze_count, freeze_room;
    GroupRule *groups;
    size_t group_count, group_room;
    BufferRule *buffers;
    size_t buffer_count, buffer_room;
    MetaRule *metas;
    size_t meta_count, meta_room;
    AliasRule *aliases;
    size_t alias_count, alias_room;
    TieRule *ties;
    size_t tie_count, tie_room;
    const struct AutoRule *automatic;    /* what auto{…} says (auto_rule.h), several put together;
                                            in the draft's arena; NULL: there is none */
    const struct Vetoes *vetoes;     /* what the values say against what it finds (veto.h);
                                        borrowed; NULL: nothing */
    const AlignWatch *watch;         /* borrowed; NULL: nobody asks */
} Later;

void later_done(Later *later);
/* The record is copied; what it points to must live as long as the draft. */
void later_match(Later *later, const MatchRule *rule);
void later_tie(Later *later, const TieRule *rule);
void later_freeze(Later *later, const FreezeRule *rule);
void later_group(Later *later, const GroupRule *rule);
void later_buffers(Later *later, const BufferRule *rule);
/* A later one of the same key takes the place of the earlier one. */
void later_meta(Later *later, const MetaRule *rule);
/* The entry of that key; NULL = none. */
const MetaRule *later_find_meta(const Later *later, const char *key);
void later_alias(Later *later, const AliasRule *rule);
/* Where the checkpoint of that name lies, in the arena: the longest prefix counts. NULL when there
 * is no alias for it, and with an error when what follows the prefix is no path below a folder. */
const char *later_find_alias(const Later *later, Arena *arena, const char *name, Error *err);

#endif
