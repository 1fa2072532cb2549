/* Feeders: a child without a file gets the bytes that it asks for, while its parent reads what it
 * answers; several at once, and when the source, the child or what it asks for is no good. Under
 * clang's ThreadSanitizer too (tests/README.md). */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/core/memory.h"
#include "loader/source/feeder.h"

enum { SIZE = 3 << 20, BAD = 2 << 20, ASKED = 40, LONGEST = 300000, CHILDREN = 4 };

/* Byte i is a mix of i, and those from BAD on cannot be read where `context` says so. */
typedef struct Pattern {
    ByteSource base;
    bool bad;
} Pattern;

static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)(i * 0x9E3779B1u >> 13);
}

static bool read_pattern(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    if (((Pattern *)source)->bad && offset + n > BAD)
        return error_set(err, ERR_NETWORK, "the server is gone");
    for (size_t i = 0; i < n; i++) ((unsigned char *)out)[i] = byte_at(offset + i);
    return true;
}

/* What was said to be wanted, by the feeder's thread, which has ended when this is looked at. */
static uint64_t wanted[8][2];
static size_t want_count;

static void want_pattern(ByteSource *source, uint64_t offset, uint64_t n)
{
    (void)source;
    if (want_count < 8) {
        wanted[want_count][0] = offset;
        wanted[want_count][1] = n;
    }
    want_count++;
}

static void close_pattern(ByteSource *source)
{
    free(source);
}

static ByteSource *pattern(bool bad)
{
    static const ByteSourceOps ops = {read_pattern, NULL, close_pattern, want_pattern};
    Pattern *source = mem_alloc(sizeof *source);
    source->base.ops = &ops;
    source->base.name = "pattern";
    source->base.size = SIZE;
    source->bad = bad;
    atomic_init(&source->base.refs, 1);
    return &source->base;
}

/* The same ranges for who asks and who checks. */
static void range(unsigned seed, unsigned i, uint64_t *offset, uint64_t *n)
{
    const uint64_t mixed = (seed * 977u + i * 131u + 7u) * UINT64_C(0x9E3779B97F4A7C15);
    *n = 1 + (mixed >> 20) % LONGEST;
    *offset = (mixed >> 40) % (SIZE - *n);
}

static unsigned char bytes[LONGEST];     /* the child's own copy of the memory */

static void ask_all(void *context)
{
    for (unsigned i = 0; i < ASKED; i++) {
        uint64_t offset, n;
        range(*(unsigned *)context, i, &offset, &n);
        if (!feeder_ask(offset, bytes, (size_t)n)) _exit(7);
        child_write(bytes, (size_t)n);
    }
}

static void ask_beyond(void *context)
{
    (void)context;
    child_write(feeder_ask(SIZE - 1, bytes, 2) ? "Y" : "N", 1);
}

static void ask_bad(void *context)
{
    (void)context;
    child_write(feeder_ask(BAD - 10, bytes, 20) ? "Y" : "N", 1);
}

/* Between two questions, which are answered as without it. */
static void hint(void *context)
{
    const uint64_t offsets[] = {7, SIZE, UINT64_MAX, SIZE - 1, 100000};
    (void)context;
    bool fine = feeder_ask(1, bytes, 1) && feeder_hint(offsets, 5) && feeder_hint(NULL, 0) &&
                feeder_ask(2, bytes + 1, 1);
    child_write(fine && bytes[0] == byte_at(1) && bytes[1] == byte_at(2) ? "Y" : "N", 1);
}

/* More at once than is allowed; more in all than is heeded; fewer than were announced. */
static void hint_much(void *context)
{
    const uint64_t head[2] = {FEEDER_HINT, FEEDER_HINTS + 1};
    (void)context;
    bool fine = write(CHILD_FILE, head, sizeof head) == sizeof head && feeder_ask(0, bytes, 1);
    child_write(fine ? "Y" : "N", 1);
}

static void hint_long(void *context)
{
    static uint64_t offsets[FEEDER_HINTS];
    bool fine = true;
    (void)context;
    for (int i = 0; fine && i < 100; i++) fine = feeder_hint(offsets, FEEDER_HINTS);
    child_write(fine && feeder_ask(0, bytes, 1) ? "Y" : "N", 1);
}

static void hint_half(void *context)
{
    const uint64_t head[3] = {FEEDER_HINT, 2, 5};
    (void)context;
    if (write(CHILD_FILE, head, sizeof head) == sizeof head) child_write("D", 1);
    _exit(3);
}

/* Leaves the feeder in the middle of an answer. */
static void ask_and_die(void *context)
{
    const uint64_t asked[2] = {0, SIZE};
    (void)context;
    if (write(CHILD_FILE, asked, sizeof asked) == sizeof asked) child_write("D", 1);
    _exit(3);
}

/* Starts `run` over the source, which it takes over. */
static Feeder *start(ByteSource *source, Child *child, void (*run)(void *), void *context)
{
    Error err = {0};
    Feeder *feeder = feeder_new(source, &err);
    source_unref(source);
    if (!feeder || !child_start(child, feeder_file(feeder), run, context, 120, "x", &err) ||
        !feeder_start(feeder, child, &err))
        abort();
    return feeder;
}

/* What went wrong in a thread, where cmocka must not be asked. */
static const char *feed(unsigned seed)
{
    Child child;
    Error err = {0};
    const char *wrong = NULL;
    unsigned char *got = mem_alloc(LONGEST);
    Feeder *feeder = start(pattern(false), &child, ask_all, &seed);
    for (unsigned i = 0; !wrong && i < ASKED; i++) {
        uint64_t offset, n;
        range(seed, i, &offset, &n);
        for (size_t done = 0, here; !wrong && done < n; done += here)
            if (!child_read(&child, got + done, (size_t)n - done, &here, &err) || !here)
                wrong = "it ended too early";
        for (size_t k = 0; !wrong && k < n; k++)
            if (got[k] != byte_at(offset + k)) wrong = "other bytes";
    }
    size_t more = 1;             /* its end is waited for: child_end would kill it */
    if (!wrong && (!child_read(&child, got, 1, &more, &err) || more)) wrong = "it goes on";
    free(got);
    if (child_end(&child) != 0 && !wrong) wrong = "it did not end well";
    return feeder_end(feeder, &err) || wrong ? wrong : "its feeder failed";
}

static void *feed_one(void *context)
{
    return (void *)feed((unsigned)(uintptr_t)context);
}

static void test_several_at_once(void **state)
{
    (void)state;
    pthread_t threads[CHILDREN];
    for (uintptr_t i = 0; i < CHILDREN; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, feed_one, (void *)i), 0);
    for (int i = 0; i < CHILDREN; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        if (wrong) fail_msg("%s", (const char *)wrong);
    }
}

/* The one letter that the child says. */
static char say(bool bad, void (*run)(void *), bool *fed, Error *err)
{
    Child child;
    char letter = 0;
    size_t got = 0;
    Feeder *feeder = start(pattern(bad), &child, run, NULL);
    assert_true(child_read(&child, &letter, 1, &got, err));
    child_end(&child);
    *fed = feeder_end(feeder, err);
    return letter;
}

static void test_what_is_refused(void **state)
{
    (void)state;
    bool fed;
    Error err = {0};
    assert_int_equal(say(false, ask_beyond, &fed, &err), 'N');
    assert_true(fed);
    assert_int_equal(say(true, ask_bad, &fed, &err), 'N');
    assert_false(fed);
    assert_string_equal(err.text, "the server is gone");
}

static void test_hints(void **state)
{
    (void)state;
    bool fed;
    Error err = {0};
    want_count = 0;
    assert_int_equal(say(false, hint, &fed, &err), 'Y');
    assert_true(fed);
    assert_int_equal(want_count, 3);
    const uint64_t expected[3][2] = {{7, 4096}, {SIZE - 1, 1}, {100000, 4096}};
    assert_memory_equal(wanted, expected, sizeof expected);
    want_count = 0;
    assert_int_equal(say(false, hint_much, &fed, &err), 'N');
    assert_int_equal(say(false, hint_half, &fed, &err), 'D');
    assert_true(fed);
    assert_int_equal(want_count, 0);
    assert_int_equal(say(false, hint_long, &fed, &err), 'Y');
    assert_int_equal(want_count, 1 << 18);
}

static void test_a_child_that_dies(void **state)
{
    (void)state;
    bool fed;
    Error err = {0};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(say(false, ask_and_die, &fed, &err), 'D');
        assert_true(fed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_a_child_that_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
