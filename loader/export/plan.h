/* Plan: what is written, in order, and how each value comes about; made from an Alignment, with
 * nothing left to decide. */
#ifndef LOADER_EXPORT_PLAN_H
#define LOADER_EXPORT_PLAN_H

#include "loader/align/align.h"
#include "loader/export/whole.h"

/* One tensor of the output. Names, dims and expressions are borrowed from alignment or arena. */
typedef struct PlanEntry {
    const char *name;            /* a held name (text.h) */
    const Expr *expr;            /* final: cast to the output's dtype */
    const int64_t *dims;         /* [rank] */
    DType dtype;
    uint8_t rank;
    uint32_t source_count;
    int64_t alias;               /* index of an earlier entry with the same values that shares
                                    storage (tied, computed once); -1 = none */
    const char *const *sources;  /* [source_count] names of the source tensors that its value is of,
                                    for `_metadata`; none for kept ones */
} PlanEntry;

typedef struct Plan {
    Arena *arena;                /* what was made for the plan; owned */
    Alignment *alignment;        /* kept alive; NULL: the plan was read from a file */
    const Later *later;          /* what meta statements say: the alignment's; never NULL */
    Checkpoint *source;          /* where the values come from; a reference */
    StateDict *source_dict;      /* the dict of it that SOURCE leaves stand in; a reference */
    const char *container;       /* the dict's path in the source */
    StateDict *target_dict;      /* the dict of TARGET leaves; a reference; NULL = no target */
    Checkpoint *target;          /* what it lies in, where that is not kept alive otherwise */
    PlanEntry *entries;          /* owned; in the order of the output */
    size_t count;
    const MetadataItem *metadata;    /* for `__metadata__`; sorted by key */
    size_t metadata_count;
    const Object *torch_metadata;    /* `_metadata` for .pth; NULL: none */
    bool carried;                /* that it is the source's, under the names of the output */
    bool compact;                /* PlanOptions.compact */
    uint64_t shard_size;         /* PlanOptions.shard_size */
    const OptimizerMove *optimizer;  /* what becomes of an optimizer's state; NULL: nothing */
    StateDict *moments;          /* what the expressions of a move that was read from a file are of;
                                    a reference; NULL = none */
    const Whole *whole;          /* the rest of the source; NULL without PlanOptions.whole */
} Plan;

typedef struct PlanOptions {
    bool omit_kept;              /* leave out kept tensors that have no data */
    bool compact;                /* views become storages of their own */
    bool whole;                  /* the rest of the source goes into the output */
    uint64_t shard_size;         /* bytes of values in a file (shards.h); 0 = one holds all */
} PlanOptions;

/* Lists the outputs in target order. Refuses what has no value, naming the first and the way
 * out: open entries, schema sources, kept tensors without data (but omit_kept), tensors that
 * are no plain numbers (ERR_SHAPE, ERR_UNSUPPORTED); and what must not be decided here:
 * collisions, rule errors (ERR_RULE), rival containers (ERR_USAGE). A difference that expect{}
 * covers is written with the target's own value, or left out where the target has none. */
Plan *plan_new(Alignment *alignment, const PlanOptions *options, Error *err);
void plan_free(Plan *plan);              /* NULL is fine */
/* The new name of a tensor (both held names). */
typedef const char *PlanNewName(void *context, const char *name);
/* A plan that gives every tensor of a container of the source the name that `name` says, which must
 * live as long as the plan, and does nothing else. */
Plan *plan_of_names(Checkpoint *source, const Container *container, PlanNewName *name,
                    void *context);
/* For those who make a plan otherwise. Finds the source's `_metadata` for the names of the entries,
 * which are complete. */
void plan_carry_metadata(Plan *plan);
/* Whether every number that a value is made of is there and can be written; `target` is the entry's
 * own tensor, or NULL. */
bool plan_check_value(const Plan *plan, const char *name, const Tensor *target, const Expr *value,
                      Error *err);
/* Adds the rest of the source. */
bool plan_add_whole(Plan *plan, Error *err);
/* The tensor whose stored bytes are the entry's values, when nothing is to be computed: no op,
 * no cast, and stored as little-endian numbers without conjugate or negative bits; else NULL.
 * It may be strided. */
const Tensor *plan_unchanged(const PlanEntry *entry);
/* Bytes of the entry's values, packed. */
uint64_t plan_entry_bytes(const PlanEntry *entry);
/* Puts "tensor 'NAME'" in front of the error. Returns false. */
bool plan_entry_prefix(const PlanEntry *entry, Error *err);

#endif
