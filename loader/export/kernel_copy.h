/* KernelCopy: a range of one file into another without the bytes ever coming here. */
#ifndef LOADER_EXPORT_KERNEL_COPY_H
#define LOADER_EXPORT_KERNEL_COPY_H

#include <stdbool.h>
#include <stdint.h>

enum { KERNEL_COPY_MIN = 64 << 10 };     /* below, a system call costs more than the copy */

/* Bytes [offset, offset+n) of `from` to `at` in `to`. Whole blocks are shared where both places lie
 * alike in theirs and the file system clones; where it lies on another machine, that one is asked
 * to copy the rest. *done receives how many bytes there are now, from `at` on: fewer than n where
 * neither can be done, or `from` became shorter: the caller reads and writes the rest, which also
 * gives the right error. False, with errno, only where writing itself failed: no room. From any
 * thread. */
bool kernel_copy(int from, uint64_t offset, int to, uint64_t at, uint64_t n, uint64_t *done);

/* The same of whole blocks, up to the end of `from`, cloned or not at all: false, with errno. */
bool kernel_clone(int from, uint64_t offset, int to, uint64_t at, uint64_t n);

#endif
