/* Sources that were opened before somebody asked for them, by their names; of the whole process. */
#ifndef LOADER_SOURCE_OPENED_H
#define LOADER_SOURCE_OPENED_H

#include "loader/source/source.h"

/* Takes over the reference; `note` is a literal. */
void opened_put(const char *name, ByteSource *source, const char *note);
bool opened_has(const char *name);
/* Gives the reference away; NULL: there is none. */
ByteSource *opened_take(const char *name, const char **note);
void opened_clear(void);

#endif
