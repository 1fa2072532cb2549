/* Feeder: bytes of a source for a child (child.h) that has no descriptor of it: one that lies on a
 * server, or in memory. What the child gets as CHILD_FILE is a socket, through which it asks:
 *
 *   u64 offset | u64 n                      →   n bytes     numbers as the machine has them
 *   u64 FEEDER_HINT | u64 n | n × u64       →   nothing     it will ask at these offsets soon
 *
 * A thread answers, from ranges of the source; what cannot be read ends the conversation. */
#ifndef LOADER_SOURCE_FEEDER_H
#define LOADER_SOURCE_FEEDER_H

#include "loader/source/child.h"

#define FEEDER_HINT UINT64_MAX
enum { FEEDER_HINTS = 4096 };    /* at once */

typedef struct Feeder Feeder;

/* Keeps a reference. NULL, with an error, where no socket can be had. */
Feeder *feeder_new(ByteSource *source, Error *err);
/* For child_start, which duplicates it. */
int feeder_file(const Feeder *feeder);
/* Once the child was started: answers it from now on. The time that it waits for the source is not
 * the child's own, and is given to it again. */
bool feeder_start(Feeder *feeder, Child *child, Error *err);
/* Once the child has ended: false, with its error, when a read of the source had failed. Frees it.
 * NULL is fine, and true. */
bool feeder_end(Feeder *feeder, Error *err);

/* For the child: exactly n bytes; false: there are none. */
bool feeder_ask(uint64_t offset, void *out, size_t n);
/* For the child: it will ask for a little there, in this order, and a server may be asked for all
 * of it at once. No more than FEEDER_HINTS. */
bool feeder_hint(const uint64_t *offsets, size_t count);

#endif
