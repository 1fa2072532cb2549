/* Atomic files: whole or not there, whatever stands in the way. */
#include "tests/unit/own_folder.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include "loader/core/memory.h"
#include "loader/export/atomic.h"

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *path, const char *text)
{
    char bytes[256] = "";
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s is not there", path);
    bytes[fread(bytes, 1, sizeof bytes - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(bytes, text);
}

static void expect_no_temporaries(void)
{
    char command[300];
    snprintf(command, sizeof command, "test -z \"$(find '%s' -name '*.tmp')\"", folder);
    assert_int_equal(system(command), 0);
}

/* What atomic_check foretells is what comes, to the letter. */
static bool write_text(const char *path, bool force, const char *text, Error *err)
{
    Error foretold = {0};
    bool hopeful = atomic_check(path, force, &foretold);
    AtomicFile *file = atomic_open(path, force, err);
    assert_int_equal(hopeful, file != NULL);
    if (!file) {
        assert_string_equal(foretold.text, err->text);
        return false;
    }
    assert_true(atomic_write(file, text, strlen(text), err));
    return atomic_commit(file, NULL, err);
}

static void test_new_file(void **state)
{
    Error err = {0};
    struct stat info;
    (void)state;
    mode_t old = umask(027);
    assert_true(write_text(in_folder("new"), false, "hello", &err));
    umask(old);
    expect_file(in_folder("new"), "hello");
    assert_int_equal(stat(in_folder("new"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    expect_no_temporaries();
}

static void test_existing_file(void **state)
{
    Error err = {0};
    struct stat info;
    (void)state;
    put_file(in_folder("old"), "before");
    assert_int_equal(chmod(in_folder("old"), 0600), 0);
    assert_false(write_text(in_folder("old"), false, "after", &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_error_has(err, "--force");
    expect_file(in_folder("old"), "before");
    assert_true(write_text(in_folder("old"), true, "after", &err));
    expect_file(in_folder("old"), "after");
    assert_int_equal(stat(in_folder("old"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);   /* a secret stays one */
    expect_no_temporaries();
}

/* Somebody else makes the file while we write: theirs is not lost. */
static void test_race(void **state)
{
    Error err = {0};
    (void)state;
    AtomicFile *file = atomic_open(in_folder("race"), false, &err);
    assert_non_null(file);
    assert_true(atomic_write(file, "ours", 4, &err));
    put_file(in_folder("race"), "theirs");
    assert_false(atomic_commit(file, NULL, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    expect_file(in_folder("race"), "theirs");
    expect_no_temporaries();
}

static void test_discard(void **state)
{
    Error err = {0};
    (void)state;
    AtomicFile *file = atomic_open(in_folder("never"), false, &err);
    assert_non_null(file);
    assert_true(atomic_write(file, "x", 1, &err));
    atomic_discard(file);
    atomic_discard(NULL);
    assert_int_not_equal(access(in_folder("never"), F_OK), 0);
    expect_no_temporaries();
}

static void test_links(void **state)
{
    Error err = {0};
    char target[300];
    (void)state;
    put_file(in_folder("real"), "before");
    assert_int_equal(symlink("real", in_folder("link")), 0);
    assert_true(write_text(in_folder("link"), true, "after", &err));
    expect_file(in_folder("real"), "after");
    ssize_t n = readlink(in_folder("link"), target, sizeof target);
    assert_int_equal(n, 4);   /* still a link */
    assert_int_equal(symlink("not-yet", in_folder("dangling")), 0);
    assert_true(write_text(in_folder("dangling"), false, "now", &err));
    expect_file(in_folder("not-yet"), "now");
    assert_int_equal(symlink("loop", in_folder("loop")), 0);
    assert_false(write_text(in_folder("loop"), false, "x", &err));
    assert_error_has(err, "symbolic links");
}

static void test_bad_places(void **state)
{
    Error err = {0};
    (void)state;
    assert_false(write_text(in_folder("missing/file"), false, "x", &err));
    assert_error_has(err, "does not exist");
    assert_false(write_text(folder, true, "x", &err));
    assert_error_has(err, "is a folder");
    assert_false(write_text("/dev/null", true, "x", &err));
    assert_error_has(err, "device");
    put_file(in_folder("plain"), "");
    assert_false(write_text(in_folder("plain/file"), false, "x", &err));
    assert_int_equal(err.code, ERR_IO);
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_true(write_text(in_folder(name), false, "long", &err));
}

static void test_unwritable_folder(void **state)
{
    Error err = {0};
    (void)state;
    if (geteuid() == 0) skip();   /* root writes everywhere */
    assert_int_equal(mkdir(in_folder("closed"), 0500), 0);
    assert_false(write_text(in_folder("closed/file"), false, "x", &err));
    assert_error_has(err, "cannot create a file");
}

static void test_no_room(void **state)
{
    Error err = {0};
    (void)state;
    AtomicFile *file = atomic_open(in_folder("huge"), false, &err);
    assert_non_null(file);
    assert_false(atomic_reserve(file, UINT64_C(1) << 62, &err));
    assert_error_has(err, "no room");
    assert_error_has(err, "are free");
    atomic_discard(file);
    expect_no_temporaries();
}

/* A file system of 1 MiB that only this process sees: as root, or as root of a namespace. */
static bool mount_small_disk(const char *path)
{
    char map[64];
    int n = snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    if (geteuid() == 0) {
        if (unshare(CLONE_NEWNS) != 0) return false;
    } else {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
        int fd = open("/proc/self/uid_map", O_WRONLY);
        if (fd < 0 || write(fd, map, (size_t)n) != n) return false;
        close(fd);
    }
    return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0;
}

/* Fills the disk without having announced it; the exit status is the result. */
static int fill_small_disk(const char *path)
{
    Error err = {0};
    char bytes[4096] = {1};
    char name[700];
    if (!mount_small_disk(path)) return 77;
    snprintf(name, sizeof name, "%s/out.pth", path);
    AtomicFile *file = atomic_open(name, false, &err);
    if (!file) return 2;
    bool full = false;
    for (int i = 0; i < 2048 && !full; i++) full = !atomic_write(file, bytes, sizeof bytes, &err);
    if (!full || !strstr(err.text, "the disk is full") || !strstr(err.text, "out.pth")) return 3;
    atomic_discard(file);
    char command[800];
    snprintf(command, sizeof command, "test -z \"$(ls -A '%s')\"", path);
    return system(command) == 0 ? 0 : 4;
}

static void test_full_disk(void **state)
{
    int status;
    (void)state;
    assert_int_equal(mkdir(in_folder("disk"), 0700), 0);
    pid_t child = fork();
    if (child == 0) _exit(fill_small_disk(in_folder("disk")));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();   /* not allowed to mount */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- content ---- */

static unsigned char *make_bytes(size_t n)
{
    unsigned char *bytes = mem_alloc(n);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
    return bytes;
}

/* Small writes, ranges with and without CRC and big writes in one file, in their order. */
static void test_copies(void **state)
{
    enum { SIZE = 5 << 20 };
    Error err = {0};
    uint32_t crc = 0;
    size_t n;
    (void)state;
    unsigned char *bytes = make_bytes(SIZE);
    FILE *out = fopen(in_folder("source"), "w");
    assert_int_equal(fwrite(bytes, 1, SIZE, out), SIZE);
    fclose(out);
    ByteSource *source = source_open_file(in_folder("source"), &err);
    AtomicFile *file = atomic_open(in_folder("copy"), false, &err);
    assert_non_null(file);
    assert_true(atomic_reserve(file, SIZE + 100, &err));
    assert_true(atomic_write(file, bytes, 10, &err));
    assert_true(atomic_copy(file, source, 10, 2 << 20, NULL, &err));
    assert_true(atomic_copy(file, source, 10 + (2 << 20), 100, NULL, &err));
    assert_int_equal(atomic_position(file), 110 + (2 << 20));
    assert_true(atomic_copy(file, source, 110 + (2 << 20), 1 << 20, &crc, &err));
    assert_true(atomic_copy(file, source, 110 + (3 << 20), 7, &crc, &err));
    assert_int_equal(crc, crc32_z(0, bytes + 110 + (2 << 20), (1 << 20) + 7));
    size_t rest = 117 + (3 << 20);
    assert_true(atomic_write(file, bytes + rest, SIZE - rest, &err));
    assert_true(atomic_commit(file, NULL, &err));
    source_unref(source);

    source = source_open_file(in_folder("copy"), &err);
    char *copy = source_slurp(source, SIZE + 1000, &n, &err);
    assert_int_equal(n, SIZE);
    assert_memory_equal(copy, bytes, SIZE);
    source_unref(source);
    free(copy);
    free(bytes);
}

static void test_hash(void **state)
{
    Error err = {0};
    char hex[65];
    (void)state;
    ByteSource *source = source_from_memory("bc", 2, "memory");
    AtomicFile *file = atomic_open(in_folder("hashed"), false, &err);
    atomic_hash(file);
    assert_true(atomic_write(file, "a", 1, &err));
    assert_true(atomic_copy(file, source, 0, 2, NULL, &err));
    assert_true(atomic_commit(file, hex, &err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    source_unref(source);
}

/* A source that becomes shorter gives its own error, and no file. */
static void test_shrinking_source(void **state)
{
    Error err = {0};
    (void)state;
    unsigned char *bytes = make_bytes(1 << 20);
    FILE *out = fopen(in_folder("shrinks"), "w");
    assert_int_equal(fwrite(bytes, 1, 1 << 20, out), 1 << 20);
    fclose(out);
    ByteSource *source = source_open_file(in_folder("shrinks"), &err);
    assert_int_equal(truncate(in_folder("shrinks"), 1000), 0);
    AtomicFile *file = atomic_open(in_folder("short"), false, &err);
    assert_false(atomic_copy(file, source, 0, 1 << 20, NULL, &err));
    assert_error_has(err, "shorter");
    atomic_discard(file);
    source_unref(source);
    free(bytes);
    expect_no_temporaries();
}

/* Ends by a signal that no checker of memory comes between. */
static void remove_and_die(int number)
{
    (void)number;
    atomic_discard_all();
    kill(getpid(), SIGKILL);
}

static void test_signal(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        Error err = {0};
        signal(SIGINT, remove_and_die);
        AtomicFile *one = atomic_open(in_folder("one"), false, &err);
        AtomicFile *two = atomic_open(in_folder("two"), false, &err);
        if (one && two) raise(SIGINT);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    expect_no_temporaries();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_file),    cmocka_unit_test(test_existing_file),
        cmocka_unit_test(test_race),        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_links),       cmocka_unit_test(test_bad_places),
        cmocka_unit_test(test_unwritable_folder), cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_copies),
        cmocka_unit_test(test_hash),        cmocka_unit_test(test_shrinking_source),
        cmocka_unit_test(test_signal),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
