/* Children: what they write comes back; what they may not do fails; whatever becomes of them is an
 * error and never a hang. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/source/child.h"
#include "loader/source/spool.h"

static int open_file(void)
{
    int fd = open("tests/data/mxnet/list.params", O_RDONLY);
    assert_true(fd >= 0);
    return fd;
}

/* Runs and collects at most 64 bytes. Returns how it ended. */
static int run(void (*what)(void *), void *context, char out[64], size_t *n)
{
    Child child;
    Error err = {0};
    size_t got = 1;
    int fd = open_file();
    assert_true(child_start(&child, fd, what, context, 20, "x", &err));
    for (*n = 0; got && *n < 64; *n += got)
        if (!child_read(&child, out + *n, 64 - *n, &got, &err)) fail_msg("%s", err.text);
    close(fd);
    return child_end(&child);
}

static void answer(void *context)
{
    char bytes[4];
    if (pread(CHILD_FILE, bytes, 2, 0) != 2) _exit(9);
    memcpy(bytes + 2, context, 2);
    child_write(bytes, 4);
}

static void test_reads_and_answers(void **state)
{
    (void)state;
    char out[64];
    size_t n;
    assert_int_equal(run(answer, "ok", out, &n), 0);
    assert_int_equal(n, 4);
    assert_memory_equal(out, "\x12\x01ok", 4);
}

/* One letter for each thing that a taken-over child would try: '-' when it was refused. */
static void try_everything(void *context)
{
    (void)context;
    char out[8];
    out[0] = open("/etc/passwd", O_RDONLY) < 0 ? '-' : 'o';
    out[1] = open("/tmp/tenon-child-was-here", O_WRONLY | O_CREAT, 0600) < 0 ? '-' : 'c';
    out[2] = socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? '-' : 's';
    out[3] = write(CHILD_FILE, "x", 1) < 0 ? '-' : 'w';
    out[4] = dup(CHILD_FILE) < 0 ? '-' : 'd';
    out[5] = read(0, out + 7, 1) == 0 ? '-' : 'i';
    out[6] = fcntl(10, F_GETFD) < 0 ? '-' : 'f';
    child_write(out, 7);
}

static void test_may_do_nothing_else(void **state)
{
    (void)state;
    char out[64];
    size_t n;
    int far = fcntl(0, F_DUPFD, 10);
    run(try_everything, NULL, out, &n);
    if (far >= 0) close(far);
    assert_int_equal(n, 7);
    assert_memory_equal(out, "-------", 7);
}

static void crash(void *context)
{
    child_write("abc", 3);
    raise(*(int *)context);
    _exit(3);
}

/* seccomp refuses even raise(), so the child goes on to its exit there. */
static void test_crash_is_told(void **state)
{
    (void)state;
    char out[64];
    size_t n;
    int signal = SIGKILL;
    int ended = run(crash, &signal, out, &n);
    assert_int_equal(n, 3);
    assert_true(ended == SIGKILL || ended == -3);
}

static void fault(void *context)
{
    (void)context;
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    child_write("abc", 3);
    *(volatile char *)page = 1;
}

static void test_fault_is_told(void **state)
{
    (void)state;
    char out[64];
    size_t n;
    assert_int_not_equal(run(fault, NULL, out, &n), 0);
    assert_int_equal(n, 3);
}

static void status_seven(void *context)
{
    (void)context;
    _exit(7);
}

static void test_status_is_told(void **state)
{
    (void)state;
    char out[64];
    size_t n;
    assert_int_equal(run(status_seven, NULL, out, &n), -7);
}

/* Waits for itself, which takes no processor's time: that has a limit of its own. */
static void hang(void *context)
{
    (void)context;
    child_write("a", 1);
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

static void test_hang_ends_with_its_time(void **state)
{
    (void)state;
    Child child;
    Error err = {0};
    char out[64];
    size_t got;
    int fd = open_file();
    assert_true(child_start(&child, fd, hang, NULL, 1, "x.h5", &err));
    assert_true(child_read(&child, out, sizeof out, &got, &err));
    assert_int_equal(got, 1);
    while (child_read(&child, out, sizeof out, &got, &err)) assert_int_not_equal(got, 0);
    assert_error_has(err, "x.h5: reading it takes longer than 1 seconds");
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_not_equal(child_end(&child), 0);
    close(fd);
}

#if !defined(__SANITIZE_ADDRESS__)
static void hoard(void *context)
{
    (void)context;
    for (int i = 0; i < 64; i++) {
        char *more = malloc(256u << 20);
        if (!more) {
            child_write("no", 2);
            _exit(0);
        }
        *(volatile char *)more = 1;
    }
    child_write("yes", 3);
}
#endif

static void test_memory_is_limited(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip();
#else
    char out[64];
    size_t n;
    if (getenv("LD_PRELOAD")) skip();
    assert_int_equal(run(hoard, NULL, out, &n), 0);
    assert_int_equal(n, 2);
#endif
}

/* -- Spools ---------------------------------------------------------------------------- */

static void test_spool_in_memory_and_in_a_file(void **state)
{
    (void)state;
    for (int file = 0; file < 2; file++) {
        Error err = {0};
        char out[6] = "", *zeros = mem_alloc(SPOOL_MEMORY_MAX);
        int fd;
        uint64_t where, rest = file ? SPOOL_MEMORY_MAX : 0;
        Spool *spool = spool_new(5 + rest, "x", &err);
        assert_true(spool_add(spool, "he", 2, &err) && spool_add(spool, "llo", 3, &err));
        assert_true(spool_add(spool, zeros, rest, &err));
        ByteSource *source = spool_finish(spool, &err);
        assert_true(source_read(source, 1, out, 4, &err));
        assert_string_equal(out, "ello");
        assert_int_equal(source_locate(source, 0, 5, &fd, &where), file);
        source_unref(source);
        free(zeros);
    }
}

static void test_spool_holds_to_its_size(void **state)
{
    (void)state;
    Error err = {0};
    Spool *spool = spool_new(3, "x", &err);
    assert_false(spool_add(spool, "four", 4, &err));
    assert_error_has(err, "x: has more than the 3 bytes that it claims");
    assert_true(spool_add(spool, "ab", 2, &err));
    assert_null(spool_finish(spool, &err));
    assert_error_has(err, "x: has only 2 of the 3 bytes that it claims");
    spool_free(spool_new(3, "x", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_and_answers),
        cmocka_unit_test(test_may_do_nothing_else),
        cmocka_unit_test(test_crash_is_told),
        cmocka_unit_test(test_fault_is_told),
        cmocka_unit_test(test_status_is_told),
        cmocka_unit_test(test_hang_ends_with_its_time),
        cmocka_unit_test(test_memory_is_limited),
        cmocka_unit_test(test_spool_in_memory_and_in_a_file),
        cmocka_unit_test(test_spool_holds_to_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
