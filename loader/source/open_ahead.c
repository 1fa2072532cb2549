/* Threads that take the next name until there is none. */
#include "loader/source/open_ahead.h"

#include <pthread.h>

#include "loader/core/job.h"
#include "loader/source/opened.h"
#include "loader/source/remote_open.h"

enum { OPENERS = 8 };

typedef struct Round {
    const char *const *names;    /* borrowed */
    size_t count;
    atomic_size_t next;          /* the first that nobody has taken */
} Round;

static void *open_some(void *argument)
{
    Round *round = argument;
    for (;;) {
        size_t i = atomic_fetch_add(&round->next, 1);
        if (i >= round->count || job_is_stopped()) return NULL;
        const char *note;
        ByteSource *source = source_open(round->names[i], &note, NULL);
        if (source) opened_put(round->names[i], source, note);
    }
}

void source_open_ahead(const char *const *names, size_t count)
{
    Round round = {.names = names, .count = count};
    pthread_t threads[OPENERS];
    size_t running = 0;
    while (running < OPENERS && running < count &&
           job_thread(&threads[running], open_some, &round))
        running++;
    while (running) pthread_join(threads[--running], NULL);
}

void source_forget_ahead(void)
{
    opened_clear();
}
