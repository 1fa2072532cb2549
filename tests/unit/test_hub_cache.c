/* The hub's cache, written by many threads of many processes at once: each of them must succeed,
 * whoever reads meanwhile finds whole files alone, and nothing else is left. */
#include "tests/unit/scratch_folder.h"

#include <pthread.h>
#include <sys/wait.h>

#include "loader/source/file_text.h"
#include "loader/source/hub_cache.h"

#define COMMIT "0123456789012345678901234567890123456789"
#define ETAG   "abcdefabcdefabcdefabcdefabcdefabcdefabcd"

enum { PROCESSES = 3, THREADS = 6, ROUNDS = 60 };

/* Whether there is nothing yet, or all of it. */
static bool reads_whole(const char *path, const char *expected)
{
    size_t n;
    char *text = file_text(path, 4096, &n, NULL);
    bool whole = !text || strcmp(text, expected) == 0;
    free(text);
    return whole;
}

/* What each thread does: what a fetch of one file does, over and over. NULL: all of it went well. */
static void *fill_cache(void *context)
{
    const char *cache = context;
    Arena *arena = arena_new();
    Error err = {0};
    HubName name;
    const HubFile file = {.commit = COMMIT, .etag = ETAG};
    bool fine = hub_name_parse(arena, "hf://org/model/sub/x.bin", &name, &err);
    const char *ref = arena_printf(arena, "%s/models--org--model/refs/main", cache);
    for (int round = 0; fine && round < ROUNDS; round++)
        fine = hub_cache_note(arena, &name, COMMIT, &err) && reads_whole(ref, COMMIT) &&
               hub_cache_link(arena, &name, &file, &err) && reads_whole(ref, COMMIT);
    if (!fine) fprintf(stderr, "# %s\n", err.code ? err.text : "half a file was read");
    arena_free(arena);
    return fine ? NULL : context;
}

static bool fill_in_threads(char *cache)
{
    pthread_t threads[THREADS];
    bool fine = true;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, fill_cache, cache) != 0) abort();
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        fine = fine && !failed;
    }
    return fine;
}

static void test_many_writers(void **state)
{
    char *cache = *state;
    pid_t children[PROCESSES];
    setenv("HF_HUB_CACHE", cache, 1);
    write_text(state, "models--org--model/blobs/" ETAG, "x");
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) _exit(fill_in_threads(cache) ? 0 : 1);
        assert_true(children[i] > 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_true(reads_whole(path_of(state, "models--org--model/refs/main"), COMMIT));
    assert_true(reads_whole(path_of(state, "models--org--model/snapshots/" COMMIT "/sub/x.bin"),
                            "x"));
    Text command = {0};
    text_addf(&command, "test -z \"$(find '%s' -name '*.tmp')\"", cache);
    assert_int_equal(system(text_string(&command)), 0);
    text_done(&command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_writers, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
