/* What a rule would call the tensor of a row. */
#ifndef VIEWER_ROW_KEY_H
#define VIEWER_ROW_KEY_H

#include "viewer/rows.h"

/* Of the target side its key; of the source side the name that the rules have left it: of several
 * sources, that of what they became. NULL for modules and empty places, for what was dropped, and
 * on the target side without a target. Borrowed from the alignment. */
const char *row_key(const RowModel *model, uint32_t row, Side side);

#endif
