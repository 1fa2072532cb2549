/* Completion at a prompt, by what is in front of the cursor; and the file of entries that all
 * prompts share. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "repl/call_list.h"
#include "repl/complete.h"
#include "repl/history_file.h"
#include "repl/interrupt.h"
#include "repl/line_reader.h"
#include "tests/unit/scripts.h"

/* What the word before the cursor becomes, "" when there is nothing, and what is shown. */
static void assert_completes_from(const CompleteFrom *from, const char *text, const char *wanted,
                                  const char *shown)
{
    Text word = {0}, choices = {0}, whole = {0};
    size_t at = complete_at(from, text, strlen(text), &word, &choices);
    assert_true(at <= strlen(text));
    text_addn(&whole, text, word.length ? at : strlen(text));
    text_add(&whole, text_string(&word));
    assert_string_equal(text_string(&whole), wanted);
    if (!strstr(text_string(&choices), shown))
        fail_msg("%s shows '%s'", text, text_string(&choices));
    if (!*shown && choices.length) fail_msg("%s shows '%s'", text, text_string(&choices));
    text_done(&word);
    text_done(&choices);
    text_done(&whole);
}

static CompleteFrom prompt_of(const Alignment *alignment, bool verbs)
{
    return (CompleteFrom){.alignment = alignment, .verbs = verbs, .calls = call_table()->words,
                          .call_count = call_table()->count};
}

static void assert_completes(const Alignment *alignment, const char *text, const char *wanted,
                             const char *shown)
{
    const CompleteFrom from = prompt_of(alignment, false);
    assert_completes_from(&from, text, wanted, shown);
}

/* In the viewer verbs come first, and each knows what it takes. */
static void test_verb_completion(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "m.layer1.a;m.layer2.a", "layer1.a;head.w", NULL);
    bench_finish(&bench);
    const CompleteFrom viewer = prompt_of(bench.alignment, true);
    assert_completes_from(&viewer, "divi", "divider", "");
    assert_completes_from(&viewer, "divider l", "divider left", "");
    assert_completes_from(&viewer, "divider ", "divider ", "left  right");
    assert_completes_from(&viewer, "side t", "side target", "");
    assert_completes_from(&viewer, "align ", "align likely", "");
    assert_completes_from(&viewer, "coverage b", "coverage bytes", "");
    assert_completes_from(&viewer, "values-page d", "values-page difference", "");
    assert_completes_from(&viewer, "rule-move ", "rule-move ", "down  up");
    assert_completes_from(&viewer, "export o", "export omit-kept", "");
    assert_completes_from(&viewer, "export path tests/data/dem", "export path tests/data/demo/", "");
    assert_completes_from(&viewer, "export whole ", "export whole ", "");
    assert_completes_from(&viewer, "sort con", "sort confidence", "");
    assert_completes_from(&viewer, "filter mis", "filter missing", "");
    assert_completes_from(&viewer, "goto hea", "goto head.", "");
    assert_completes_from(&viewer, "help fold-", "help fold-all", "");
    assert_completes_from(&viewer, "apply stri", "apply strip", "cuts a prefix off");
    assert_completes_from(&viewer, "undo ", "undo ", "");
    bench_close(&bench);
}

static void test_completion(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "m.layer1.a;m.layer1.b;m.layer2.a", "layer1.a;layer1.b;head.w", NULL);
    bench_finish(&bench);
    const Alignment *keys = bench.alignment;
    assert_completes(keys, "stri", "strip", "cuts a prefix off");
    assert_completes(keys, "repo", "report", "the report of what is loaded");
    assert_completes(keys, "open_", "open_", "open_source  open_target");
    assert_completes(keys, "strip \"m.lay", "strip \"m.layer", "layer1.  layer2.");
    assert_completes(keys, "values('hea", "values('head.", "");
    assert_completes(keys, "policy{mis", "policy{missing=", "");
    assert_completes(keys, "policy{missing=\"keep\", sh", "policy{missing=\"keep\", shape=", "");
    assert_completes(keys, "write(\"x.pth\", {om", "write(\"x.pth\", {omit_kept=", "");
    assert_completes(keys, "write(\"x)y\", {om", "write(\"x)y\", {omit_kept=", "");
    assert_completes(keys, "open_source(\"tests/data/demo/pre",
                     "open_source(\"tests/data/demo/pretrain.pth", "");
    assert_completes(keys, "save \"tests/data/dem", "save \"tests/data/demo/", "");
    assert_completes(keys, "rules [[ m.layer1.", "rules [[ m.layer1.", "a  b");
    assert_completes(keys, "rules [[ a -> b |> spl", "rules [[ a -> b |> split", "{sizes}");
    assert_completes(keys, "split(", "split(", "split n | {sizes}");
    assert_completes(keys, "check \"ta", "check \"target", "");
    assert_completes(keys, "values('head.w', 'va", "values('head.w', 'value", "");
    assert_completes(keys, "help \"repo", "help \"report", "the report of what is");
    assert_completes(keys, "problems \"mis", "problems \"missing", "");
    assert_completes(keys, "preset \"llama_hf_to_m", "preset \"llama_hf_to_meta", "");
    assert_completes(keys, "preset \"llama_m", "preset \"llama_meta_to_hf", "");
    assert_completes(keys, "nothing_like_it", "nothing_like_it", "");
    assert_completes(NULL, "strip \"m", "strip \"m", "");
    assert_completes(keys, "", "", "strip");
    assert_completes(keys, "))}}\"\\", "))}}\"\\", "head.");
    bench_close(&bench);
}

/* A folder of its own; the path of the history in it. */
static char *make_folder(char folder[64])
{
    snprintf(folder, 64, "/tmp/tenon-history.XXXXXX");
    assert_non_null(mkdtemp(folder));
    Text path = {0};
    text_addf(&path, "%s/deep/er/history", folder);
    return path.bytes;
}

static void remove_folder(const char *folder)
{
    Text command = {0};
    text_addf(&command, "rm -rf '%s'", folder);
    assert_int_equal(system(text_string(&command)), 0);
    text_done(&command);
}

static void add(const char *path, const char *entry)
{
    Error err = {0};
    if (!history_file_add(path, entry, &err)) fail_msg("%s", err.text);
}

static void test_history(void **state)
{
    (void)state;
    char folder[64];
    char *path = make_folder(folder);
    Error err = {0};
    History read = {0};
    struct stat info;
    assert_true(history_file_read(path, &read, &err));
    assert_int_equal(read.count, 0);
    add(path, "one");
    add(path, "for i = 1, 2 do\n  print('\\n')\nend");
    add(path, "  \n ");
    add(path, "back\\slash\\");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(history_file_read(path, &read, &err));
    assert_int_equal(read.count, 3);
    assert_string_equal(read.lines[1], "for i = 1, 2 do\n  print('\\n')\nend");
    assert_string_equal(read.lines[2], "back\\slash\\");
    history_done(&read);
    FILE *hostile = fopen(path, "a");
    fputs("\x1b[2J\\\x1bred\x07\n\\", hostile);
    fclose(hostile);
    assert_true(history_file_read(path, &read, &err));
    assert_string_equal(read.lines[3], "[2Jred");
    history_done(&read);
    remove_folder(folder);
    free(path);
}

/* Of several writers every entry is there, whole, and each one's stand in their order. */
static void test_history_of_several(void **state)
{
    (void)state;
    enum { WRITERS = 4, ENTRIES = 50 };
    char folder[64];
    char *path = make_folder(folder);
    for (int k = 0; k < WRITERS; k++) {
        if (fork() != 0) continue;
        char entry[64];
        bool ok = true;
        for (int i = 0; ok && i < ENTRIES; i++) {
            snprintf(entry, sizeof entry, "writer %d entry %d", k, i);
            ok = history_file_add(path, entry, &(Error){0});
        }
        _exit(ok ? 0 : 1);
    }
    for (int k = 0; k < WRITERS; k++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    History read = {0};
    int next[WRITERS] = {0};
    assert_true(history_file_read(path, &read, &(Error){0}));
    assert_int_equal(read.count, WRITERS * ENTRIES);
    for (size_t i = 0; i < read.count; i++) {
        int writer, entry;
        assert_int_equal(sscanf(read.lines[i], "writer %d entry %d", &writer, &entry), 2);
        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(entry, next[writer]++);
    }
    history_done(&read);
    remove_folder(folder);
    free(path);
}

static void test_history_is_bounded(void **state)
{
    (void)state;
    char folder[64], entry[HISTORY_ENTRY_MAX + 2];
    char *path = make_folder(folder);
    struct stat info;
    memset(entry, 'x', sizeof entry);
    entry[sizeof entry - 1] = '\0';
    add(path, entry);
    assert_int_not_equal(stat(path, &info), 0);      /* too long to be kept */
    entry[HISTORY_ENTRY_MAX] = '\0';
    for (int i = 0; i < 200; i++) {
        char number[16];
        snprintf(number, sizeof number, "%06d", i);
        memcpy(entry, number, 6);
        add(path, entry);
    }
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_size <= HISTORY_BYTES_MAX);
    History read = {0};
    assert_true(history_file_read(path, &read, &(Error){0}));
    assert_true(read.count > 20);
    assert_memory_equal(read.lines[read.count - 1], "000199", 6);
    for (size_t i = 0; i < read.count; i++)
        assert_int_equal(strlen(read.lines[i]), HISTORY_ENTRY_MAX);
    history_done(&read);
    remove_folder(folder);
    free(path);
}

/* On a terminal where a line was typed: what a Ctrl-C makes of the read that comes after it, and that
 * the read after that has the line. */
static int read_after_interrupt(const char *terminal)
{
    const int fd = open(terminal, O_RDWR);
    Text line = {0};
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) return 2;
    setenv("TERM", "xterm", 1);
    setlocale(LC_ALL, "C.UTF-8");
    alarm(120);                          /* a read that waits for a key ends so */
    LineReader *reader = line_reader_new(&(LineReaderOptions){0});
    interrupt_raise();
    if (!reader || line_reader_read(reader, "> ", &line) != LINE_INTERRUPTED) return 3;
    interrupt_reset();
    if (line_reader_read(reader, "> ", &line) != LINE_READ) return 4;
    return strcmp(text_string(&line), "n = \"\xC3\xA9\"") == 0 ? 0 : 5;
}

static void test_early_interrupt(void **state)
{
    (void)state;
    static const char typed[] = "n = \"\xC3\xA9\"\n";
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    const char *name = ptsname(terminal);
    assert_int_equal(write(terminal, typed, strlen(typed)), strlen(typed));
    const pid_t child = fork();
    if (child == 0) _exit(read_after_interrupt(name));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("ended with %#x", status);
    close(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_verb_completion),         cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_of_several), cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_early_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
