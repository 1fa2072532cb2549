/* NameList: the tensors of both files as they stand there, side by side and not yet paired: what is
 * to be seen before the first ledger is there. A panel. */
#ifndef VIEWER_NAME_LIST_H
#define VIEWER_NAME_LIST_H

#include "loader/tensor/dict.h"
#include "viewer/panel.h"

/* Either may be NULL; both stay borrowed. */
Panel *name_list_new(const StateDict *source, const StateDict *target);
extern const PanelOps name_list_ops;

#endif
