/* The state of the source's optimizer as it stands in the file, for people: which parameter has
 * which. What rules make of it is loader/align/optimizer.h's. */
#ifndef REPL_OPTIMIZER_VIEW_H
#define REPL_OPTIMIZER_VIEW_H

#include "loader/align/align.h"
#include "loader/core/value.h"
#include "repl/tree_lines.h"

typedef struct OptimizerEntry {
    const Object *id;            /* its number, or name */
    const Tensor *param;         /* which weight that is; NULL: nothing tells */
    const Object *state;         /* NULL: it was never stepped */
    bool fits;                   /* its moments have the weight's shape, as far as is known */
} OptimizerEntry;

typedef struct OptimizerGroup {
    const Object *options;       /* a DICT, "params" in it */
    OptimizerEntry *entries;     /* [count] */
    size_t count, with_state;
    bool stepped;                /* the first has a step: `step` */
    double step;
} OptimizerGroup;

typedef struct OptimizerView {
    const char *path;            /* where it stands: "optimizer_states[0]" */
    OptimizerGroup *groups;      /* [count] */
    size_t count;
    bool sure;                   /* the file tells which number is which weight */
} OptimizerView;

/* Reads it; all lies in the arena, or is the checkpoint's. False: the source holds none. */
bool optimizer_view_read(Arena *arena, const Alignment *alignment, OptimizerView *out, Error *err);
void optimizer_view_lines(const OptimizerView *view, TreeLines *lines);
/* {path, sure, groups = {{lr = 0.1, …, params = {{id, name, fits, state = {step = 100, …}}}}}} */
Value *optimizer_view_value(Arena *arena, const OptimizerView *view);

#endif
