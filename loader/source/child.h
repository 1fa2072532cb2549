/* Child: a process of our own that does what might crash, hang or be taken over, and answers
 * through a pipe.
 *
 * It is forked, never executed anew. It keeps one descriptor of the file it works on, and the
 * pipe; everything else is closed, and the standard streams lead nowhere. It cannot open, create
 * or lengthen files, cannot start programs, and has limits of memory and time. Where the system
 * has seccomp (Linux on x86-64 and AArch64), the kernel also refuses every call that reading,
 * answering and asking for memory do not need.
 *
 * What it writes is as little to be believed as the file itself.
 *
 * Threads: the child of a process with threads may only do what the system promises after fork;
 * glibc and musl promise malloc, and `run` must use nothing else that could have been locked by
 * another thread (no stdio, no locks of ours). A sanitizer promises no malloc: child_beside. */
#ifndef LOADER_SOURCE_CHILD_H
#define LOADER_SOURCE_CHILD_H

#include <sys/types.h>

#include "loader/source/source.h"

enum { CHILD_FILE = 3, CHILD_PIPE = 4 };     /* the child's descriptors */

typedef struct Child {
    pid_t pid;
    int pipe;                /* read end; owned */
    atomic_int_least64_t deadline;   /* of the whole, in milliseconds of the monotonic clock */
    uint64_t seconds;        /* how many it was given, for the error */
    const char *what;        /* for errors; borrowed */
} Child;

/* Whether a child may be forked while other threads ask for memory, so that files may be opened
 * beside each other. */
bool child_beside(void);
/* Forks. The child calls run(context) with CHILD_FILE (a duplicate of `file`, which may be a
 * socket) and CHILD_PIPE open,
 * and ends when it returns. `what` is what errors begin with: the file. `seconds` bounds the
 * processor's time and, from now on, the clock's. */
bool child_start(Child *child, int file, void (*run)(void *context), void *context,
                 uint64_t seconds, const char *what, Error *err);
/* The next bytes that it wrote, at most `room`, at least one; *got = 0: it has ended its answer.
 * An error when its time is over (it is killed). */
bool child_read(Child *child, void *out, size_t room, size_t *got, Error *err);
/* Gives it so many milliseconds more by the clock, from any thread. */
void child_give_time(Child *child, int64_t milliseconds);
/* Kills it, if it still runs, and forgets it. Returns how it ended: 0 well, else a signal's number
 * or, negative, its exit status. */
int child_end(Child *child);

/* For `run`: writes everything, or ends the process. */
void child_write(const void *bytes, size_t n);

#endif
