/* A thread with a socket. What the child asks is as little to be believed as what it answers. */
#include "loader/source/feeder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/core/clock.h"
#include "loader/core/job.h"
#include "loader/core/memory.h"
#include "loader/core/write_all.h"

enum {
    STEP = 256 << 10,            /* bytes that are sent at a time */
    HINT_BYTES = 4096,           /* that are fetched ahead for a hint, at least */
    HINTS_TOTAL = 1 << 18,       /* of one child; later ones are not heeded */
    WAIT = 24 * 3600 * 1000      /* milliseconds: more than any read takes, whose own limits hold */
};

struct Feeder {
    ByteSource *source;      /* a reference */
    int own, other;          /* ends of the socket; the child's is closed here once it has it */
    Child *child;            /* borrowed */
    pthread_t thread;
    bool started;
    size_t hints;            /* that came so far */
    Error err;               /* of the read that failed */
};

/* A child that is gone is no reason to die. */
static bool send_all(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = send(fd, (const char *)bytes + done, n - done, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        done += (size_t)put;
    }
    return true;
}

static bool answer(Feeder *feeder, uint64_t offset, uint64_t n, unsigned char *step)
{
    uint64_t size = feeder->source->size;
    if (offset > size || n > size - offset) return false;
    while (n) {
        size_t here = n < STEP ? (size_t)n : STEP;
        int64_t start = clock_ms();
        child_give_time(feeder->child, WAIT);
        bool fine = source_read(feeder->source, offset, step, here, &feeder->err);
        child_give_time(feeder->child, clock_ms() - start - WAIT);
        if (!fine || !send_all(feeder->own, step, here)) return false;
        offset += here;
        n -= here;
    }
    return true;
}

/* `room` has FEEDER_HINTS numbers. */
static bool take_hints(Feeder *feeder, uint64_t count, uint64_t *room)
{
    const uint64_t size = feeder->source->size;
    if (count > FEEDER_HINTS || !read_all(feeder->own, room, (size_t)count * sizeof *room))
        return false;
    for (size_t i = 0; i < count && feeder->hints < HINTS_TOTAL; i++, feeder->hints++) {
        if (room[i] >= size) continue;
        uint64_t left = size - room[i];
        source_want(feeder->source, room[i], left < HINT_BYTES ? left : HINT_BYTES);
    }
    return true;
}

static void *serve(void *context)
{
    Feeder *feeder = context;
    unsigned char *step = mem_alloc(STEP);
    uint64_t asked[2], *hints = mem_alloc(FEEDER_HINTS * sizeof *hints);
    while (read_all(feeder->own, asked, sizeof asked) &&
           (asked[0] == FEEDER_HINT ? take_hints(feeder, asked[1], hints)
                                    : answer(feeder, asked[0], asked[1], step)))
        continue;
    free(hints);
    shutdown(feeder->own, SHUT_RDWR);
    free(step);
    return NULL;
}

Feeder *feeder_new(ByteSource *source, Error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        error_errno(err, "%s: cannot make a socket", source->name);
        return NULL;
    }
    Feeder *feeder = mem_alloc(sizeof *feeder);
    *feeder = (Feeder){.source = source_ref(source), .own = ends[0], .other = ends[1]};
    return feeder;
}

int feeder_file(const Feeder *feeder)
{
    return feeder->other;
}

bool feeder_start(Feeder *feeder, Child *child, Error *err)
{
    close(feeder->other);        /* the child's alone now: its end is seen */
    feeder->other = -1;
    feeder->child = child;
    feeder->started = job_thread(&feeder->thread, serve, feeder);
    return feeder->started ||
           error_set(err, ERR_IO, "%s: cannot start a thread to read it", feeder->source->name);
}

bool feeder_end(Feeder *feeder, Error *err)
{
    if (!feeder) return true;
    if (feeder->started) pthread_join(feeder->thread, NULL);
    close(feeder->own);
    if (feeder->other >= 0) close(feeder->other);
    bool fine = feeder->err.code == ERR_NONE;
    if (!fine && err) *err = feeder->err;
    source_unref(feeder->source);
    free(feeder);
    return fine;
}

bool feeder_ask(uint64_t offset, void *out, size_t n)
{
    const uint64_t asked[2] = {offset, n};
    return write_all(CHILD_FILE, asked, sizeof asked) && read_all(CHILD_FILE, out, n);
}

bool feeder_hint(const uint64_t *offsets, size_t count)
{
    const uint64_t head[2] = {FEEDER_HINT, count};
    return write_all(CHILD_FILE, head, sizeof head) &&
           write_all(CHILD_FILE, offsets, count * sizeof *offsets);
}
