/* What can be seen of a state dict while its pickle is being read. */
#ifndef LOADER_FORMAT_PICKLE_GLIMPSE_H
#define LOADER_FORMAT_PICKLE_GLIMPSE_H

#include "loader/format/pickle_machine.h"

/* Items (key, value, key, value …) that were put into a dict: shows those that look like tensors to
 * whoever looks on. */
void pickle_glimpse(const Machine *m, Object *const *items, size_t count);

#endif
