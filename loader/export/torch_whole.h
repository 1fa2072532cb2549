/* The pickle of a Whole: its tree around the plan's state dict, in protocol 2 and with nothing that
 * PyTorch's restricted unpickler refuses. */
#ifndef LOADER_EXPORT_TORCH_WHOLE_H
#define LOADER_EXPORT_TORCH_WHOLE_H

#include "loader/export/torch_layout.h"
#include "loader/export/whole.h"

/* Puts everything but STOP. Fails when a tuple, a set or the arguments of a call contain themselves
 * (such a pickle needs opcodes that weights_only refuses). Not recursive on the tree's depth. */
bool layout_put_whole(TorchLayout *layout, const Whole *whole, Error *err);
/* The whole pickle of a file, and with it the storages in their order: the plan's state dict, with
 * the rest of the source or below the key `under` (NULL: flat). */
bool layout_put_file(TorchLayout *layout, const char *under, Error *err);

#endif
