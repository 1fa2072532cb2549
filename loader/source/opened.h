/* What the process knows of names: sources that were opened before somebody asked for them, and the
 * secrets of URLs that are shown without. */
#ifndef LOADER_SOURCE_OPENED_H
#define LOADER_SOURCE_OPENED_H

#include "loader/core/memory.h"
#include "loader/source/source.h"

/* Takes over the reference; `note` is a literal. */
void opened_put(const char *name, ByteSource *source, const char *note);
bool opened_has(const char *name);
/* Gives the reference away; NULL: there is none. */
ByteSource *opened_take(const char *name, const char **note);
void opened_clear(void);

/* Remembers a URL that has a user or a query by what is shown of it, which is all that a report, or
 * a checkpoint's path, has. */
void opened_remember(const char *shown, const char *name);
/* The URL that was remembered by that name, in the arena; else the name itself. */
const char *opened_full(Arena *arena, const char *name);

#endif
