/* A rename that replaces nothing: no file, no folder, no link that leads nowhere. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/rename_new.h"
#include "tests/unit/own_folder.h"

static void make(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static void refuses(const char *to, int number)
{
    errno = 0;
    assert_false(rename_new(in_folder("from"), to));
    assert_int_equal(errno, number);
    assert_true(is_there(in_folder("from")));
}

static void test_rename_new(void **state)
{
    (void)state;
    make(in_folder("from"));
    make(in_folder("file"));
    assert_int_equal(mkdir(in_folder("dir"), 0777), 0);
    assert_int_equal(symlink("nowhere", in_folder("link")), 0);
    refuses(in_folder("file"), EEXIST);
    refuses(in_folder("dir"), EEXIST);
    refuses(in_folder("link"), EEXIST);
    refuses(in_folder("no/such/folder"), ENOENT);
    assert_true(rename_new(in_folder("from"), in_folder("to")));
    assert_true(is_there(in_folder("to")) && !is_there(in_folder("from")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rename_new)};
    return cmocka_run_group_tests_name("rename_new", tests, enter_folder, remove_folder);
}
