/* NameList: the tensors of both files as they stand there, side by side and not yet paired: what is
 * to be seen before the first ledger is there. A panel. */
#ifndef VIEWER_NAME_LIST_H
#define VIEWER_NAME_LIST_H

#include "loader/tensor/dict.h"
#include "loader/tensor/glimpse.h"
#include "viewer/panel.h"

/* Either may be NULL; both stay borrowed. */
Panel *name_list_new(const StateDict *source, const StateDict *target);
/* The same of files that are still being read: what was read so far. */
Panel *name_list_of_glimpses(const Glimpse *source, const Glimpse *target);
/* The first line on show. */
size_t name_list_top(const Panel *panel);

#endif
