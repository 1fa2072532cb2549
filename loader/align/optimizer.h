/* Optimizer: the state of the source's optimizer, moved along with the weights (tenon-rules(5)).
 *
 * PyTorch keeps that state by number, state = {0: {'step', 'exp_avg', …}, …}, and the numbers stand
 * in param_groups[g]['params'] in the order in which the parameters were given; nothing in the file
 * or in load_state_dict checks that they mean the same parameters (torch/optim/optimizer.py). Here
 * every number gets its name back, and every moment must have its parameter's shape.
 *
 * What happens to a weight happens to its moments: moving elements is right for both; a weight
 * times c has gradients over c, so the first moment is divided by c and the second by c². Where
 * nothing so simple is right, a parameter starts fresh, and the report says why. */
#ifndef LOADER_ALIGN_OPTIMIZER_H
#define LOADER_ALIGN_OPTIMIZER_H

#include "loader/align/align.h"

/* One member of a parameter's new state. */
typedef struct OptimizerValue {
    const Object *key;           /* of the source: 'exp_avg' */
    const Expr *expr;            /* its tensor; NULL: `value` is it */
    const Object *value;         /* of the source: a number, None, a tensor taken as it is */
} OptimizerValue;

/* A parameter of the target, in its order: its number is its index. */
typedef struct OptimizerParam {
    const Binding *binding;
    const OptimizerValue *values;    /* [count] */
    size_t count;
    uint32_t group;
    const Object *id;            /* the source's, of the first parameter that it is made of: members
                                    that are no moments are that one's; valid with state */
    const char *fresh;           /* why it has no state; NULL: it has */
} OptimizerParam;

/* A parameter of the source. */
typedef struct SourceParam {
    const Tensor *tensor;        /* of the source's state dict */
    const Object *id;            /* its number, or name */
    const Object *state;         /* a DICT; NULL: it was never stepped */
    uint32_t group;
} SourceParam;

/* What optimizer{…} comes to, once the bindings are closed; in the alignment's arena. A few numbers
 * (steps) were read from the source. */
typedef struct OptimizerMove {
    const OptimizerRule *rule;
    const Object *node;          /* the source's: {'state', 'param_groups'} */
    const Object *const *groups; /* [group_count], the source's: where options come from */
    size_t group_count;
    const Value *const *options; /* [group_count]: what group(…) changes in each, or NULL; NULL
                                    without such statements */
    OptimizerParam *params;      /* [count] */
    size_t count, carried;       /* carried: with state */
    bool named;                  /* the source numbers parameters by name: so does the output */
    const SourceParam *source;   /* [source_count], in the order of their numbers; NULL: not
                                    known */
    const Object *const *source_groups;  /* [source_group_count], valid with `source` */
    size_t source_count, source_group_count;
    bool left_out;               /* nothing takes its place; only `node` is valid */
} OptimizerMove;

/* What plans and errors call the state of a parameter, or with `key` a member of it: its path in
 * the source, "optimizer.state[0].exp_avg". In the arena. */
const char *optimizer_state_path(Arena *arena, const char *from, const Object *id,
                                 const char *key);

/* ---- the inside: optimizer_source.c reads, optimizer.c moves ---- */

typedef struct SourceOptimizer {
    const Object *node;
    const Object **groups;       /* [group_count], DICTs; in the arena, as are params */
    size_t group_count;
    SourceParam *params;         /* [count], in the groups' order */
    size_t count;
    bool named;                  /* ids are names */
} SourceOptimizer;

bool optimizer_read(const Alignment *alignment, const OptimizerRule *rule, SourceOptimizer *out,
                    Error *err);
/* Whether a state dict's entry is a buffer, which no optimizer has: by its name, or by
 * `buffers`. */
bool optimizer_is_buffer(const Alignment *alignment, const char *name);
/* Whether a binding is one parameter with an earlier one. [align_count], owned by the caller. */
bool *optimizer_tied(const Alignment *alignment);
/* Whether a member of the state has an element for each of the parameter's, by its key. */
bool optimizer_is_moment(const Object *key);
/* Whether a member of its state takes the way of the weight: a tensor of the weight's shape. */
bool optimizer_moves(const SourceParam *param, const Object *key, const Object *value);
/* For tensors that are the same view of one storage, the index of the first one; else its own. [n],
 * owned by the caller. */
uint32_t *optimizer_aliases(const Tensor *const *tensors, size_t n);

#endif
