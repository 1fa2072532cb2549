/* The table of layouts. */
#include "loader/tensor/layout.h"

#define LAYOUT_ROW(id, name, rank, torch, whose, ...) {name, rank, torch, whose, {__VA_ARGS__}},
static const LayoutInfo table[] = {LAYOUTS(LAYOUT_ROW)};
#undef LAYOUT_ROW

const LayoutInfo *layout_info(Layout layout)
{
    return &table[layout < LAYOUT_COUNT ? layout : LAYOUT_NATIVE];
}

const char *layout_name(Layout layout)
{
    return layout_info(layout)->name;
}
