/* Memory that goes back to the system, where pages are larger than here: nothing goes that is in use.
 * The system's own functions are stood in for. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/core/memory.h"
#include "tests/unit/test.h"

enum { LARGE_PAGE = 1 << 16, MEMORY = 1 << 20 };

static uintptr_t from, to;           /* what was given back last; 0, 0: nothing */

static bool asking;                  /* else it is the libraries that ask */

int getpagesize(void)
{
    return LARGE_PAGE;
}

int madvise(void *memory, size_t bytes, int advice)
{
    if (!asking) return (int)syscall(SYS_madvise, memory, bytes, advice);
    if (advice != MADV_DONTNEED) return 0;
    assert_int_equal((uintptr_t)memory % LARGE_PAGE, 0);
    from = (uintptr_t)memory;
    to = from + (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    return 0;
}

/* All of it that the system would take lies within what was offered. */
static void offer(unsigned char *memory, size_t bytes)
{
    from = to = 0;
    asking = true;
    arena_discard(memory, bytes);
    asking = false;
    if (!from) return;
    assert_in_range(from, (uintptr_t)memory, (uintptr_t)memory + bytes);
    assert_in_range(to, from, (uintptr_t)memory + bytes);
}

static void test_whole_pages(void **state)
{
    (void)state;
    unsigned char *memory = aligned_alloc(LARGE_PAGE, MEMORY);
    assert_non_null(memory);
    for (size_t begin = 0; begin < 2 * LARGE_PAGE; begin += 4096)
        for (size_t end = begin; end <= MEMORY; end += 4096 + 512)
            offer(memory + begin, end - begin);
    offer(memory, MEMORY);
    assert_int_equal(to - from, MEMORY);
    offer(memory + 16, LARGE_PAGE);
    assert_int_equal(from, 0);
    free(memory);
}

/* What an arena has left begins anywhere and ends with its block. */
static void test_trim(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    unsigned char *first = arena_alloc(arena, 4 << 20);
    from = to = 0;
    asking = true;
    arena_trim(arena);
    assert_int_equal(from, 0);
    unsigned char *last = arena_alloc(arena, 100);
    arena_trim(arena);
    asking = false;
    assert_true(from >= (uintptr_t)last + 100);
    assert_true(last < first || last >= first + (4 << 20));
    arena_free(arena);
}

/* A size that nothing can hold ends the program; it must not wrap round to a small one. */
static void test_no_such_size(void **state)
{
    (void)state;
    for (size_t less = 32; less < 8 << 20; less *= 4) {
        int status;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            close(STDERR_FILENO);
            signal(SIGABRT, SIG_DFL);
            arena_alloc(arena_new(), SIZE_MAX - less);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_pages),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_no_such_size),
    };
    return cmocka_run_group_tests_name("memory_pages", tests, NULL, NULL);
}
