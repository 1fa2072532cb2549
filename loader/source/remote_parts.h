/* What remote.c (reading) and remote_ahead.c (fetching what will be read) share. */
#ifndef LOADER_SOURCE_REMOTE_PARTS_H
#define LOADER_SOURCE_REMOTE_PARTS_H

#include <pthread.h>

#include "loader/source/ask.h"
#include "loader/source/block_cache.h"
#include "loader/source/source.h"

enum {
    HELPERS = 8,                     /* threads of one source that fetch ahead, each its request */
    HELPERS_MAX = 32,                /* of the process */
    FLYING_MAX = 64,                 /* requests of one source at a time */
    PIECE_FIRST = 32, PIECE_MAX = 256,   /* blocks of one request: 1 MiB at first, 8 MiB */
    GAP_BLOCKS = 2,                  /* that are fetched too, rather than asked around */
    NEAR_BLOCKS = 8,                 /* that reading on from front to back may pass over */
    AHEAD_FIRST = 2, AHEAD_MAX = 512,    /* blocks ahead of reading from front to back */
    WINDOW_MAX = 2048,               /* blocks that may lie unread: 64 MiB */
    TAIL_BLOCKS = 3                  /* of a file's end, where directories are, at once */
};

/* Blocks, `end` excluded. */
typedef struct Run {
    uint64_t first, end;
} Run;

/* A range that was said to be wanted. */
typedef struct Want {
    Run run;
    uint64_t before;                 /* blocks of all wants before it: the place in reading order */
} Want;

/* A request on its way. */
typedef struct Flight {
    enum { FLIGHT_NONE, FLIGHT_UP, FLIGHT_FAILED } state;
    Run run;                         /* what is still to come of it */
    char *why;                       /* of one that failed, for whoever reads there next; owned */
} Flight;

typedef struct Remote {
    ByteSource base;
    RemotePlace place;               /* owned; base.name is its `shown` */
    Arena *arena;                    /* owned: the next two */
    RemoteVersion version;
    const char *landed;              /* the URL that gives the bytes; under the lock */
    uint64_t owner, blocks;          /* in the cache; of the whole file */
    uint64_t window;                 /* blocks that may lie unread, in the cache */

    pthread_mutex_t lock;            /* over all below; not held while a server is asked */
    pthread_cond_t changed;          /* a block came, a flight ended, reading went on */
    Flight flights[FLYING_MAX];
    Want *wants;                     /* owned, in the order of reading */
    size_t want_count, want_room;
    size_t read_want;                /* where reading is in them … */
    uint64_t read_at;                /* … and the place in their order that it came to */
    size_t ahead_want;               /* where fetching ahead is in them: nothing before it is … */
    uint64_t ahead_block;            /* … left to be fetched, nor before this block in it */
    uint64_t piece;                  /* blocks of the next request ahead */
    uint64_t next, ahead;            /* block that reading on would come to; blocks fetched ahead */
    pthread_t helpers[HELPERS];
    enum { HELPER_NONE, HELPER_RUNS, HELPER_ENDED } helper_states[HELPERS];
    bool broken;                     /* a helper failed: no more of them until a read succeeds */
    atomic_bool closing;
} Remote;

/* ---- with the lock ---- */

/* The flight that has a block, or had it and failed; NULL: none. */
Flight *remote_flight(Remote *remote, uint64_t block);
/* Notes that a run is asked for now; NULL: there are too many. */
Flight *remote_take_off(Remote *remote, Run run);
/* Neither there nor on its way. */
bool remote_is_missing(Remote *remote, uint64_t block);
/* Whether a block is wanted: then *run is from it on what is wanted behind it too, as far as it is
 * missing, up to a request's size. */
bool remote_run_wanted(Remote *remote, uint64_t block, Run *run);
/* Forgets one that failed; its reason goes to err. */
void remote_land_failed(Flight *flight, Error *err);
/* Reading is at a block: whoever waits to fetch ahead may go on. */
void remote_read_at(Remote *remote, uint64_t block);
/* Whether there is something to be fetched ahead, and room for half of a window. */
bool remote_is_behind(const Remote *remote);
/* Starts those that are missing, when there is something for them; whether any runs. */
bool remote_start_helpers(Remote *remote);

/* ---- without ---- */

/* Asks for the run of a flight, and keeps its blocks as they come. Those that are also in
 * [offset, offset + n) go to `out` (NULL: nobody reads), *got in one piece from its start. Ends the
 * flight; one of a helper that fails stays, with its error. */
bool remote_fetch(Remote *remote, Flight *flight, uint64_t offset, unsigned char *out, size_t n,
                  size_t *got, Error *err);
/* Stops and joins all helpers. */
void remote_stop_helpers(Remote *remote);
uint64_t remote_block_end(const Remote *remote, uint64_t block);

#endif
