/* Writing and reading all of it: calls that take only a part, or that a signal interrupts, go on.
 * Nothing but the call itself is made, so that a confined child may use them. */
#ifndef LOADER_CORE_WRITE_ALL_H
#define LOADER_CORE_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* n bytes; false: errno says why not. */
bool write_all(int fd, const void *bytes, size_t n);
bool pwrite_all(int fd, const void *bytes, size_t n, off_t at);
/* n bytes; false where they end before, too, and errno is 0 then. */
bool read_all(int fd, void *out, size_t n);
bool pread_all(int fd, void *out, size_t n, off_t at);

#endif
