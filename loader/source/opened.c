/* A list: it is short, and empty most of the time. */
#include "loader/source/opened.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

typedef struct Opened {
    char *name;              /* owned */
    ByteSource *source;      /* a reference */
    const char *note;
    struct Opened *next;
} Opened;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Opened *list;         /* of the process: whoever opens a source knows its name alone */

void opened_put(const char *name, ByteSource *source, const char *note)
{
    Opened *one = mem_alloc(sizeof *one);
    *one = (Opened){mem_strdup(name), source, note, NULL};
    pthread_mutex_lock(&lock);
    one->next = list;
    list = one;
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static Opened **find(const char *name)
{
    Opened **at = &list;
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

bool opened_has(const char *name)
{
    pthread_mutex_lock(&lock);
    bool has = *find(name) != NULL;
    pthread_mutex_unlock(&lock);
    return has;
}

ByteSource *opened_take(const char *name, const char **note)
{
    pthread_mutex_lock(&lock);
    Opened **at = find(name), *one = *at;
    if (one) *at = one->next;
    pthread_mutex_unlock(&lock);
    if (!one) return NULL;
    ByteSource *source = one->source;
    if (note) *note = one->note;
    free(one->name);
    free(one);
    return source;
}

void opened_clear(void)
{
    pthread_mutex_lock(&lock);
    Opened *one = list;
    list = NULL;
    pthread_mutex_unlock(&lock);
    while (one) {
        Opened *next = one->next;
        source_unref(one->source);
        free(one->name);
        free(one);
        one = next;
    }
}
