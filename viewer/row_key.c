#include "viewer/row_key.h"

#include "loader/align/align_marks.h"

const char *row_key(const RowModel *model, uint32_t row, Side side)
{
    const Binding *binding = rows_binding(model, row);
    const SourceUse *use = rows_use(model, row);
    if (side == SIDE_TARGET) return binding && binding->target ? binding->name : NULL;
    if (use) return align_key_name(model->alignment, use->tensor, use->step);
    if (!binding || !binding->source_count) return NULL;
    return align_key_name(model->alignment, binding->sources[0], binding->step);
}
