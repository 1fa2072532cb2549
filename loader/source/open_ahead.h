/* Many remote files are opened beside each other before one after the other is wanted: the shards
 * of a model are a hundred, and each costs two or three answers of its server. */
#ifndef LOADER_SOURCE_OPEN_AHEAD_H
#define LOADER_SOURCE_OPEN_AHEAD_H

#include "loader/source/source.h"

/* Opens those that can be had, for source_open and source_is_there to find. Which cannot is found
 * out again, and told, by whoever opens them. */
void source_open_ahead(const char *const *names, size_t count);
/* Closes those that nobody took. */
void source_forget_ahead(void);

#endif
