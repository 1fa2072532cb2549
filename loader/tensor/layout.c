/* The table of layouts. */
#include "loader/tensor/layout.h"

#define LAYOUT_ROW(id, name, rank, torch, whose, ...) {name, rank, torch, whose, {__VA_ARGS__}},
static const LayoutInfo table[] = {LAYOUTS(LAYOUT_ROW)};
#undef LAYOUT_ROW

const LayoutInfo *layout_info(Layout layout)
{
    return &table[layout < LAYOUT_COUNT ? layout : LAYOUT_NATIVE];
}

/* Depthwise kernels are M filters for each of I channels; in PyTorch these are I·M groups of one
 * channel. The product cannot wrap: the tensor's size was checked. */
void layout_turn(Layout layout, const int64_t *dims, int64_t *out)
{
    const LayoutInfo *info = layout_info(layout);
    for (unsigned i = 0; i < info->rank; i++) out[i] = dims[info->order[i]];
    if (layout != LAYOUT_HWIM) return;
    out[0] *= out[1];
    out[1] = 1;
}

const char *layout_name(Layout layout)
{
    return layout_info(layout)->name;
}
