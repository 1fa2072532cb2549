/* Lists: they are short, and empty most of the time. */
#include "loader/source/opened.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>


typedef struct Opened {
    char *name;              /* owned */
    ByteSource *source;      /* a reference */
    const char *note;
    struct Opened *next;
} Opened;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Opened *list;         /* of the process: whoever opens a source knows its name alone */

/* A URL by what is shown of it. */
typedef struct Secret {
    char *shown, *name;      /* owned */
    struct Secret *next;
} Secret;

static Secret *secrets;      /* likewise; for as long as the process lives */

/* Under the lock; NULL: there is none. */
static Secret *find_secret(const char *shown)
{
    Secret *one = secrets;
    while (one && strcmp(one->shown, shown) != 0) one = one->next;
    return one;
}

void opened_remember(const char *shown, const char *name)
{
    pthread_mutex_lock(&lock);
    Secret *one = find_secret(shown);
    if (!one) {
        one = mem_alloc(sizeof *one);
        one->shown = mem_strdup(shown);
        one->next = secrets;
        secrets = one;
    }
    free(one->name);
    one->name = mem_strdup(name);
    pthread_mutex_unlock(&lock);
}

const char *opened_full(Arena *arena, const char *name)
{
    pthread_mutex_lock(&lock);
    const Secret *one = find_secret(name);
    const char *full = one ? arena_strdup(arena, one->name) : name;
    pthread_mutex_unlock(&lock);
    return full;
}

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
