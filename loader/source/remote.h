/* Remote: a ByteSource over ranges of a file on a server.
 *
 * A read asks for whole blocks, and threads of the source's own for what was said to be wanted next
 * (source_want), in requests beside each other, within a window; without a word, for more and more
 * ahead as long as reading goes on from front to back. Blocks are kept in block_cache.h's file. A
 * read can be cancelled, as http.h has it. */
#ifndef LOADER_SOURCE_REMOTE_H
#define LOADER_SOURCE_REMOTE_H

#include "loader/source/ask.h"
#include "loader/source/source.h"

enum { REMOTE_HEAD = 128 << 10 };    /* bytes that the first question asks for */

/* What the first question told. Takes over the place; `landed` is the URL that answered, `head` the
 * first n bytes. */
ByteSource *remote_new(RemotePlace *place, const char *landed, const RemoteVersion *version,
                       const void *head, size_t n);

/* How many reads of the process have failed because of the network. What goes on after a read that
 * failed, since of a damaged file there is still something to tell, would say that the file is
 * damaged: whoever calls it asks before and after. */
unsigned long remote_failures(void);
/* Whether there were more since; the error is that of the last one. */
bool remote_failed_since(unsigned long before, Error *err);

#endif
