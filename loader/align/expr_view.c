/* Views: offsets, sizes and strides of a chain of moves, without touching a byte. */
#include "loader/align/expr_view.h"

#include <string.h>

/* The tensor itself, with strides written out. A schema of unknown shape has nothing to look
 * at. */
static bool view_leaf(const Expr *e, View *view)
{
    const Tensor *tensor = e->tensor;
    if (e->unknown) return false;
    view->tensor = *tensor;
    view->tensor.dims = view->dims;
    view->tensor.strides = view->strides;
    memcpy(view->dims, tensor->dims, tensor->rank * sizeof *view->dims);
    if (tensor->strides)
        memcpy(view->strides, tensor->strides, tensor->rank * sizeof *view->strides);
    else
        contiguous_strides(tensor->dims, tensor->rank, view->strides);
    return true;
}

/* Packed and blocked elements can only be cut where a block begins. Rows 2 … of 5×6 nibbles begin
 * 12 elements on: byte 6. */
static bool view_slice(const Expr *e, View *view)
{
    int axis = e->slice.axis;
    const DTypeInfo *info = dtype_info(e->dtype);
    uint64_t skipped = (uint64_t)e->slice.from * (uint64_t)view->strides[axis];
    if (!info->block || skipped % info->block) return false;
    view->dims[axis] = e->dims[axis];
    view->tensor.offset += skipped / info->block * info->block_bytes;
    return true;
}

/* No element moves; what is nearest in storage stands on another axis. */
static void view_permute(const Expr *e, View *view)
{
    int64_t dims[TENSOR_RANK_MAX], strides[TENSOR_RANK_MAX];
    memcpy(dims, view->dims, sizeof dims);
    memcpy(strides, view->strides, sizeof strides);
    for (unsigned i = 0; i < e->rank; i++) {
        view->dims[i] = dims[e->order[i]];
        view->strides[i] = strides[e->order[i]];
    }
}

/* Groups of old axes that run on are cut up into new ones; a new axis that would lie across two
 * groups cannot be viewed. As at::detail::computeStride of PyTorch. */
static bool view_reshape(const Expr *e, View *view)
{
    int64_t strides[TENSOR_RANK_MAX], old_count = 1, new_count = 1;
    const int64_t *old = view->dims;
    int at = e->rank - 1, rank = view->tensor.rank;
    for (unsigned i = 0; i < e->rank; i++)
        if (e->dims[i] == 0) return false;
    for (unsigned i = 0; i < e->rank; i++) strides[i] = 1;   /* for a scalar of old */
    int64_t step = rank ? view->strides[rank - 1] : 1;   /* of the group's innermost axis */
    for (int i = rank - 1; i >= 0; i--) {
        old_count *= old[i];
        if (i > 0 && (old[i - 1] == 1 || view->strides[i - 1] == old_count * step)) continue;
        for (; at >= 0 && (new_count < old_count || e->dims[at] == 1); at--) {
            strides[at] = new_count * step;
            new_count *= e->dims[at];
        }
        if (new_count != old_count) return false;
        if (i > 0) step = view->strides[i - 1];
        old_count = new_count = 1;
    }
    memcpy(view->strides, strides, e->rank * sizeof *strides);
    memcpy(view->dims, e->dims, e->rank * sizeof *e->dims);
    view->tensor.rank = e->rank;
    return true;
}

/* From the leaf outwards. The recursion is as deep as the expression (EXPR_DEPTH_MAX). When it
 * fails `view` holds nothing of use. Strides over packed elements would count parts of bytes. */
bool view_of(const Expr *e, View *view)
{
    switch (e->kind) {
    case EX_SOURCE:
    case EX_TARGET: return view_leaf(e, view);
    case EX_SLICE: return view_of(e->from[0], view) && view_slice(e, view);
    case EX_RESHAPE: return view_of(e->from[0], view) && view_reshape(e, view);
    case EX_PERMUTE:
        if (!dtype_size(e->dtype) || !view_of(e->from[0], view)) return false;
        view_permute(e, view);
        return true;
    default: return false;
    }
}

/* Of packed elements whatever is no longer one run of blocks, or lost its quantizer's axis, is no
 * copy; of all others any view is. */
bool expr_is_copy(const Expr *e)
{
    View view;
    if (dtype_size(e->dtype)) return true;
    return dtype_info(e->dtype)->block && view_of(e, &view) && tensor_is_contiguous(&view.tensor) &&
           tensor_count(&view.tensor) % dtype_info(e->dtype)->block == 0;
}
