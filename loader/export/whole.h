/* Whole: the rest of a source checkpoint, made fit for a file that torch.load(weights_only=True)
 * takes: epoch, optimizer, scheduler and whatever else stood beside the weights.
 *
 * The object tree is copied into one of plain parts, node for node, so that what was shared stays
 * shared. What PyTorch's list does not allow becomes its plain content where that says the same
 * (a Namespace the dict of its attributes, a module its state dict), and is left out otherwise;
 * either way a note says so. */
#ifndef LOADER_EXPORT_WHOLE_H
#define LOADER_EXPORT_WHOLE_H

#include "loader/align/report.h"
#include "loader/export/whole_optimizer.h"

enum { WHOLE_NOTES_MAX = 10000 };    /* further ones are counted */

typedef struct Whole {
    /* The new tree. Kinds are those of object.h; a CALL's callable is on PyTorch's list; a TENSOR's
     * `tensor` is the source's. Nodes lie in the arena or are the source's own. */
    Object *root;
    Object *slot;            /* where the state dict goes: an OrderedDict, whose map has the entries
                                that were beside the tensors; NULL: the tree has it all */
    WholeValue *values;      /* [value_count]: tensors of the tree that are computed */
    size_t value_count;
    ReportLoss *notes;       /* what was not carried as it is; in the arena, in the tree's order */
    size_t note_count, note_room;
    size_t notes_left_out;   /* beyond WHOLE_NOTES_MAX */
} Whole;

/* Copies the tree of a checkpoint around the node that `container` lists. NULL, with an error, when
 * the state dict stands in something that cannot be carried. A checkpoint without a tree, or a
 * container without a node in it, gives a Whole of the slot alone. `unchanged`: every tensor of the
 * container is written as it is under its own name; dicts that were only joined for the listing (an
 * optimizer's state) then stay what they were. `optimizer` (may be NULL): what stands in the place
 * of the source's. */
const Whole *whole_new(Arena *arena, const Checkpoint *source, const Container *container,
                       bool unchanged, const OptimizerMove *optimizer, Error *err);

#endif
