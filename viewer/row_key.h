/* What a rule would call the tensor of a row. */
#ifndef VIEWER_ROW_KEY_H
#define VIEWER_ROW_KEY_H

#include "viewer/rows.h"

/* Of the target side its key; of the source side the name that the rules have left it: of several
 * sources, that of what they became. NULL for modules and empty places, for what was dropped, and
 * on the target side without a target. Borrowed from the alignment. */
const char *row_key(const RowModel *model, uint32_t row, Side side);
/* The name by which rules could still take what nothing took. */
const char *row_stray_key(const SourceUse *use);
/* Hands on how the last segment of a word goes on in keys, the target's and those of the source
 * that nothing took: the first n bytes of a key, with the border behind the segment. The same may
 * come several times. Costs what lies on the way to them, not what the model holds, but where rules
 * gave strays other names. */
void row_key_offers(const RowModel *model, const char *word,
                    void (*offer)(void *context, const char *key, size_t n), void *context);

#endif
