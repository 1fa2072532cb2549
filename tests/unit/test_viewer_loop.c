/* The loop without a terminal: the round trip of a user, with files that change outside. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/format/format.h"
#include "repl/interactive.h"
#include "repl/keys.h"
#include "repl/session_file.h"
#include "tests/unit/fake_terminal.h"

static char folder[256], before[1024];
static bool hasty;               /* no ledger comes with the frame of its key */
static bool names_first;         /* nor does the first one come with the first frame */
static FakeTerminal fake;
static Alignment *shown[8];      /* the ledgers that were on show, in their order; references */
static size_t shown_count;

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

/* A safetensors file with real values: module.a.weight [2,2], module.fc.weight [1,2], f32. */
static void write_source(void)
{
    static const char header[] =
        "{\"module.a.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"module.fc.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[16,24]}}";
    unsigned char bytes[8 + sizeof header - 1 + 24] = {0};
    size_t n = sizeof header - 1;
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(n >> 8 * i);
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < 24; i++) bytes[8 + n + i] = (unsigned char)i;
    write_file("old.safetensors", bytes, sizeof bytes);
}

static int enter(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tenon-loop.XXXXXX", base ? base : "/tmp");
    if (!getcwd(before, sizeof before) || !mkdtemp(folder) || chdir(folder) != 0) return -1;
    write_source();
    write_text("net.txt", "a.weight (2, 2)\nfc.weight (2, 2)\n");
    fake_init(&fake, 100, 30, false);
    return 0;
}

static int enter_hasty(void **state)
{
    int status = enter(state);
    hasty = true;
    return status;
}

/* InteractiveOptions.watch. */
static void note_shown(void *context, const Alignment *alignment)
{
    (void)context;
    const bool same = shown_count && shown[shown_count - 1] == alignment;
    if (!same && shown_count < countof(shown))
        shown[shown_count++] = align_ref((Alignment *)alignment);
}

static int leave(void **state)
{
    char command[300];
    (void)state;
    hasty = names_first = false;
    while (shown_count) align_unref(shown[--shown_count]);
    fake_done(&fake);
    key_reset();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir(before) != 0 || system(command) != 0;
}

static void run_with(const char *target, const char *rules, int status)
{
    Error err = {0};
    RulesArgument argument = {RULES_FILE, rules};
    SessionOptions options = {.source = "old.safetensors", .target = target,
                              .rules = &argument, .rule_count = rules != NULL};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    InteractiveOptions how = {.terminal = &fake.terminal, .moment = hasty ? -1 : FAKE_MOMENT_MS,
                              .first = names_first ? -1 : FAKE_MOMENT_MS,
                              .watch = note_shown};
    int found = interactive_run(session, &how);
    session_free(session);
    if (fake.failure) fprintf(stderr, "%s\n", fake.failure);
    assert_null(fake.failure);
    assert_int_equal(found, status);
    assert_int_equal(fake.next, fake.count);
}

static void line(const char *text)
{
    fake_press(&fake, ":");
    fake_type(&fake, text);
    fake_press(&fake, "Enter");
}

/* A paste as the terminal marks it; "Enter" and other keys by name. */
static void paste(const char *keys)
{
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_PASTE};
    fake_press(&fake, keys);
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_PASTED};
}

static size_t count_tensors(const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    const Container *container = checkpoint_choose(checkpoint, NULL, &err);
    size_t n = container ? dict_count(container->dict) : 0;
    checkpoint_unref(checkpoint);
    return n;
}

/* Lines are tried while no key comes, listed by s, and applied by a digit. */
static void test_proposals(void **state)
{
    (void)state;
    fake_press(&fake, "End");
    for (int i = 0; i < 40; i++) fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "try   1 strip \"module.\"  +1");
    fake_press(&fake, "s");
    fake_expect(&fake, STEP_SHOWS, "would settle 1, break 0");
    fake_press(&fake, "1");
    fake_expect(&fake, STEP_SHOWS, "applied (load 1");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "s");
    fake_expect(&fake, STEP_SHOWS, "fit(0");
    fake_press(&fake, "Esc");
    fake_expect(&fake, STEP_LACKS, "┌ proposals");
    fake_press(&fake, "9");
    fake_expect(&fake, STEP_SHOWS, "there is no such proposal");
    run_with("net.txt", NULL, 0);
}

/* A digit on a page that numbers no lines closes it, and applies none of those below. */
static void test_digits_on_other_pages(void **state)
{
    (void)state;
    fake_press(&fake, "End");
    for (int i = 0; i < 40; i++) fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "try   1 strip \"module.\"  +1");
    fake_press(&fake, "? 1");
    fake_expect(&fake, STEP_SHOWS, "there is no such proposal");
    fake_press(&fake, "! 1");
    fake_expect(&fake, STEP_SHOWS, "● 0 loaded");
    fake_press(&fake, "Esc D");
    fake_expect(&fake, STEP_SHOWS, "1 strip \"module.\"");
    fake_press(&fake, "1");
    fake_expect(&fake, STEP_SHOWS, "● 1 loaded");
    run_with("net.txt", NULL, 0);
}

/* A digit that comes before the page of proposals does is not lost. */
static void test_typed_ahead(void **state)
{
    (void)state;
    fake_press(&fake, "s");
    fake_press(&fake, "1");
    for (int i = 0; i < 40; i++) fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "s");
    fake_press(&fake, "9");              /* there are not so many */
    for (int i = 0; i < 40; i++) fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "would settle");
    fake_press(&fake, "Esc");
    fake_press(&fake, "u");
    fake_expect(&fake, STEP_SHOWS, "● 0 loaded");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
}

/* Before the first ledger there are names: what is typed waits for the rows, in its order. */
static void test_names_first(void **state)
{
    (void)state;
    names_first = true;
    fake_press(&fake, "Down End Left Enter Tab Esc");    /* Tab waits, and is forgotten */
    paste("q Ctrl-C Esc q");
    line("strip \"module.\" -- not q");
    fake_press(&fake, "End :");
    paste("1 1 1 * 1 1 1");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "├ value ─");
    fake_expect(&fake, STEP_SHOWS, "12321");
    fake_press(&fake, "Esc");
    fake_expect(&fake, STEP_SHOWS, "● 1 loaded");
    fake_expect(&fake, STEP_SHOWS, "├ fc.weight");
    fake_press(&fake, "u");
    fake_expect(&fake, STEP_SHOWS, "● 0 loaded");
    run_with("net.txt", NULL, 0);
}

static void test_names_left(void **state)
{
    (void)state;
    names_first = true;
    fake_press(&fake, "Tab q Esc q");
    run_with("net.txt", NULL, 0);
    assert_int_equal(shown_count, 0);                    /* no ledger was waited for */
}

/* A script that does not end is stopped by Esc, and changes nothing; one that does may ask for verbs,
 * which belong to the screen. */
static void test_endless(void **state)
{
    (void)state;
    line("while true do end");
    fake_press(&fake, "Esc");
    fake_expect(&fake, STEP_SHOWS, "interrupted");
    fake_press(&fake, "Esc");
    fake_expect(&fake, STEP_SHOWS, "● 0 loaded");
    line("for i = 1, 2 do verb 'down' end verb 'goto nothing'");
    fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "nothing");
    fake_press(&fake, "Esc");
    line("proposals()");
    fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "settles");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    line("strip \"module.\"");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    line("write out.safetensors");
    fake_expect(&fake, STEP_SHOWS, "error");   /* fc has another shape */
    fake_expect(&fake, STEP_SHOWS, ":write out.safetensors");
    fake_press(&fake, "Esc");
    line("rules [[ fc.* -> fc.* |> fit(0, zeros) ]]");
    fake_expect(&fake, STEP_SHOWS, "2 loaded");
    fake_press(&fake, "w");
    fake_expect(&fake, STEP_SHOWS, ":write aligned.safetensors");
    fake_press(&fake, "Ctrl-U");
    fake_type(&fake, "write out.safetensors");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "written out.safetensors  2 tensors");
    fake_press(&fake, "W Enter");
    fake_expect(&fake, STEP_SHOWS, "saved 2 lines to rules.lua");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
    assert_int_equal(count_tensors("out.safetensors"), 2);
}

/* The saved rules do the same without the viewer. */
static void test_saved_rules(void **state)
{
    (void)state;
    line("strip \"module.\"");
    line("policy{shape=\"skip\"}");
    line("save made.lua");
    fake_expect(&fake, STEP_SHOWS, "made.lua ✓");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
    fake_done(&fake);
    fake_init(&fake, 100, 30, false);
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_expect(&fake, STEP_SHOWS, "1 kept");
    run_with("net.txt", "made.lua", 0);
}

/* Opens what `save-session` left. */
static void resume(const char *path, int status)
{
    Error err = {0};
    SessionRecord record;
    Arena *arena = arena_new();
    if (!session_file_read(path, arena, &record, &err)) fail_msg("%s", err.text);
    SessionOptions options = {.source = record.source, .target = record.target,
                              .texts = record.texts, .text_count = record.text_count,
                              .file = path};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    arena_free(arena);
    InteractiveOptions how = {.terminal = &fake.terminal, .moment = FAKE_MOMENT_MS,
                              .first = FAKE_MOMENT_MS};
    assert_int_equal(interactive_run(session, &how), status);
    session_free(session);
    assert_null(fake.failure);
}

static void test_saved_session(void **state)
{
    (void)state;
    write_text("fix.lua", "local p = \"module.\"\nstrip(p)\n");
    line("policy{shape=\"skip\"}");
    fake_press(&fake, "K");
    fake_expect(&fake, STEP_SHOWS, ":save-session session.lua");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "tenon session.lua goes on with it");
    line("keep_target \"fc.*\"");
    fake_press(&fake, "K Enter q");
    run_with("net.txt", "fix.lua", 0);
    fake_done(&fake);
    fake_init(&fake, 100, 30, false);
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_expect(&fake, STEP_SHOWS, "1 kept");
    line("save-session other.lua");
    line("save-session session.lua");
    fake_expect(&fake, STEP_SHOWS, "session.lua exists: replace it? y/n");
    fake_press(&fake, "n q");
    resume("session.lua", 0);
}

static void test_existing_file(void **state)
{
    (void)state;
    write_text("there.safetensors", "precious");
    line("write there.safetensors");
    fake_expect(&fake, STEP_SHOWS, "there.safetensors exists: replace it? y/n");
    fake_press(&fake, "n");
    fake_expect(&fake, STEP_SHOWS, "not done");
    line("write there.safetensors");
    fake_press(&fake, "y");
    fake_expect(&fake, STEP_SHOWS, "written there.safetensors");
    line("write! old.safetensors");   /* the source itself: never */
    fake_expect(&fake, STEP_SHOWS, "error");
    fake_press(&fake, "Esc");
    fake_expect(&fake, STEP_SHOWS, "nothing written");
    fake_press(&fake, "q");
    run_with(NULL, NULL, 0);
    assert_int_equal(count_tensors("there.safetensors"), 2);
    assert_int_equal(count_tensors("old.safetensors"), 2);
}

/* The panel says how and what it takes; what is there is asked about. */
static void test_export_panel(void **state)
{
    (void)state;
    fake_press(&fake, "E");
    fake_expect(&fake, STEP_SHOWS, "2 tensors: 2 copied as they are, 0 computed");
    fake_expect(&fake, STEP_SHOWS, "reads 24 B, writes 24 B of values");
    line("export path new.safetensors");
    fake_press(&fake, "G Enter");
    fake_expect(&fake, STEP_SHOWS, "written new.safetensors  2 tensors");
    line("export cast f16");
    fake_expect(&fake, STEP_SHOWS, "0 copied as they are, 2 computed");
    fake_press(&fake, "w");
    fake_expect(&fake, STEP_SHOWS, "new.safetensors exists: replace it? y/n");
    fake_press(&fake, "y");
    fake_expect(&fake, STEP_SHOWS, "written new.safetensors  2 tensors");
    line("export cast f99");
    fake_expect(&fake, STEP_SHOWS, "cast takes f64, f32");
    fake_press(&fake, "Esc");
    line("export shards 16");
    line("export path cut.safetensors");
    fake_press(&fake, "w");
    fake_expect(&fake, STEP_SHOWS, "written cut.safetensors");
    line("export cast no");
    fake_press(&fake, "q q y");
    run_with(NULL, NULL, 0);
    assert_int_equal(count_tensors("new.safetensors"), 2);
}

/* Another target is a change as any other, and one that cannot be read is none. */
static void test_open_another(void **state)
{
    (void)state;
    write_text("other.txt", "module.a.weight (2, 2)\n");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    fake_press(&fake, ">");
    fake_expect(&fake, STEP_SHOWS, ":open-target");
    fake_type(&fake, "other.txt");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "other.txt is the target now; u takes it back");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "u");
    fake_expect(&fake, STEP_SHOWS, "undone: another target");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    line("open-source nothing.pth");
    fake_expect(&fake, STEP_SHOWS, "nothing.pth");
    fake_press(&fake, "Esc");
    line("open-source other.txt::nothing");      /* it can be read, and comes to no ledger */
    fake_expect(&fake, STEP_SHOWS, "error");
    fake_expect(&fake, STEP_SHOWS, " old.safetensors ");
    fake_press(&fake, "Esc q");
    run_with("net.txt", NULL, 0);
}

static void test_unsaved_lines(void **state)
{
    (void)state;
    line("strip \"module.\"");
    fake_press(&fake, "q");
    fake_expect(&fake, STEP_SHOWS, "1 line is not saved (W saves): quit all the same? y/n");
    fake_press(&fake, "n");
    fake_expect(&fake, STEP_SHOWS, "not done");
    fake_press(&fake, "u q");
    run_with("net.txt", NULL, 0);   /* nothing is left to save */
}

static Press while_running;      /* what is pressed next while a line runs; kind 0 nothing */
static bool drawn_whole;         /* the list stood on the screen of another size meanwhile */

/* The first frame of a line that runs makes the window another one, the next one stops the line. */
static void flush_running(void *state, const Screen *screen)
{
    FakeTerminal *terminal = state;
    fake_flush(state, screen);
    if (!strstr(text_string(&terminal->shown), "running…") || drawn_whole) return;
    if (terminal->columns == 100) {
        terminal->columns = 90;
        while_running = (Press){.kind = PRESS_RESIZE};
    } else if (screen->columns == 90) {
        drawn_whole = strstr(text_string(&terminal->shown), "a.weight") &&
                      strstr(text_string(&terminal->shown), "net.txt");
        while_running = (Press){.kind = PRESS_ESCAPE};
    }
}

static bool read_running(void *state, int timeout_ms, Press *press)
{
    if (!while_running.kind) return fake_read(state, timeout_ms, press);
    *press = while_running;
    while_running = (Press){0};
    return true;
}

/* All of the screen is there while a line runs, also when the window changes. */
static void test_running_line(void **state)
{
    (void)state;
    TerminalOps ops = *fake.terminal.ops;
    ops.flush = flush_running;
    ops.read = read_running;
    fake.terminal.ops = &ops;
    drawn_whole = false;
    line("while true do end");
    fake_expect(&fake, STEP_SHOWS, "interrupted");
    fake_press(&fake, "Esc q");
    run_with("net.txt", NULL, 0);
    assert_true(drawn_whole);
}

static void change_target(void *context)
{
    (void)context;
    write_text("net.new", "module.a.weight (2, 2)\nmodule.fc.weight (1, 2)\n");
    assert_int_equal(rename("net.new", "net.txt"), 0);
}

/* A checkpoint that is written while it is open is not read by itself; that it was is said, and a
 * key opens it. */
static void test_changed_target(void **state)
{
    (void)state;
    fake_press(&fake, "R");
    fake_expect(&fake, STEP_SHOWS, "no file has changed on disk");
    fake_add(&fake, STEP_RUN)->run = change_target;
    fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_SHOWS, "the target has changed on disk: R opens it again");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    fake_press(&fake, "Down");
    fake_expect(&fake, STEP_SHOWS, "R opens the changed file again");
    fake_press(&fake, "R");
    fake_expect(&fake, STEP_SHOWS, "2 loaded");
    fake_press(&fake, "Down");
    fake_add(&fake, STEP_WAIT);
    fake_expect(&fake, STEP_LACKS, "changed");
    fake_press(&fake, "u");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    line("reopen()");
    fake_expect(&fake, STEP_SHOWS, "2 loaded");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
}

/* A ledger that is as it was is not made again. */
static void test_undo_shows_what_was(void **state)
{
    (void)state;
    line("strip \"module.\"");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "u");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    fake_press(&fake, "Ctrl-R");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "u");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
    assert_int_equal(shown_count, 5);
    for (size_t i = 2; i < shown_count; i++) assert_ptr_equal(shown[i], shown[i - 2]);
}

static void change_rules(void *context)
{
    write_text("fix.lua", context);
}

static void test_changed_rules(void **state)
{
    (void)state;
    static char better[] = "strip \"module.\"\n-- a line longer than before\n";
    static char broken[] = "strip \"module.\" [[\n";
    write_text("fix.lua", "-- nothing yet\n");
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    fake.context = better;
    fake_add(&fake, STEP_RUN)->run = change_rules;
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_expect(&fake, STEP_SHOWS, "the rules changed: read again");
    fake_press(&fake, "q");
    run_with("net.txt", "fix.lua", 0);
    fake_done(&fake);
    fake_init(&fake, 100, 30, false);
    fake.context = broken;
    fake_add(&fake, STEP_RUN)->run = change_rules;
    fake_expect(&fake, STEP_SHOWS, "fix.lua ✗");
    fake_expect(&fake, STEP_SHOWS, "error in the rules");
    fake_expect(&fake, STEP_SHOWS, "fix.lua:");
    run_with("net.txt", "fix.lua", 0);
}

/* Rules that do not end are stopped by Esc, too, where a file was read again. */
static void test_endless_rules(void **state)
{
    (void)state;
    static char endless[] = "strip \"module.\"\nwhile true do end\n";
    write_text("fix.lua", "-- nothing yet\n");
    fake.context = endless;
    fake_add(&fake, STEP_RUN)->run = change_rules;
    fake_press(&fake, "Esc");
    fake_expect(&fake, STEP_SHOWS, ": interrupted");     /* in whichever line it was */
    fake_expect(&fake, STEP_SHOWS, "fix.lua ✗");
    fake_expect(&fake, STEP_SHOWS, "r rules and their errors");
    fake_press(&fake, "q");
    run_with("net.txt", "fix.lua", 0);
}

static void test_editor(void **state)
{
    (void)state;
    write_text("fix.lua", "-- nothing yet\n");
    write_text("editor.sh", "#!/bin/sh\necho 'strip \"module.\"' >> \"$1\"\n");
    setenv("EDITOR", "sh ./editor.sh", 1);
    unsetenv("VISUAL");
    fake_press(&fake, "e");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "q");
    run_with("net.txt", "fix.lua", 0);
    fake_done(&fake);
    fake_init(&fake, 100, 30, false);
    setenv("EDITOR", "./no-such-editor", 1);
    fake_press(&fake, "e");
    fake_expect(&fake, STEP_SHOWS, "cannot be started");
    run_with("net.txt", "fix.lua", 0);
    fake_done(&fake);
    fake_init(&fake, 100, 30, false);
    fake_press(&fake, "e");
    fake_expect(&fake, STEP_SHOWS, "there is no rules file");
    run_with("net.txt", NULL, 0);
}

/* An editor that is known goes to the line of the error. */
static void test_editor_at_line(void **state)
{
    (void)state;
    write_text("fix.lua", "strip \"module.\"\nnothing()\n");
    write_text("vi", "#!/bin/sh\necho \"$@\" > asked.txt\nsed -i 2d \"$2\"\n");
    chmod("vi", 0700);
    setenv("EDITOR", "./vi", 1);
    fake_expect(&fake, STEP_SHOWS, "fix.lua:2");
    fake_press(&fake, "Esc e");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_press(&fake, "q");
    run_with("net.txt", "fix.lua", 0);
    char asked[32] = "";
    FILE *file = fopen("asked.txt", "r");
    assert_non_null(file);
    assert_non_null(fgets(asked, sizeof asked, file));
    fclose(file);
    assert_string_equal(asked, "+2 fix.lua\n");
}

/* A text of several lines is edited as a file that goes, unless it is wrong. */
static void test_edited_text(void **state)
{
    (void)state;
    write_text("fix.lua", "x = 1\nrules [[\n  module.a.* -> b.*\n]]\n");
    write_text("editor.sh", "#!/bin/sh\nsed -i 's/ b\\./ a./' \"$1\"\n");
    write_text("wrong.sh", "#!/bin/sh\necho ']]' >> \"$1\"\n");
    mkdir("temporary", 0700);
    const char *base = getenv("TMPDIR");
    char *was = base ? mem_strdup(base) : NULL;
    setenv("TMPDIR", "temporary", 1);
    setenv("EDITOR", "sh ./editor.sh", 1);
    fake_expect(&fake, STEP_SHOWS, "0 loaded");
    fake_press(&fake, "r s j e");
    fake_expect(&fake, STEP_SHOWS, "1 loaded");
    fake_expect(&fake, STEP_SHOWS, "module.a.* -> a.*");
    fake_press(&fake, "q q y");
    run_with("net.txt", "fix.lua", 0);
    assert_int_equal(rmdir("temporary"), 0);
    mkdir("temporary", 0700);
    fake_done(&fake);
    fake_init(&fake, 100, 30, false);
    setenv("EDITOR", "sh ./wrong.sh", 1);
    fake_press(&fake, "r s j e");
    fake_expect(&fake, STEP_SHOWS, "temporary/tenon-");
    fake_press(&fake, "q q y");
    run_with("net.txt", "fix.lua", 0);
    assert_int_not_equal(rmdir("temporary"), 0);
    if (was) setenv("TMPDIR", was, 1);
    else unsetenv("TMPDIR");
    free(was);
}

static void test_wrong_lines(void **state)
{
    (void)state;
    line("rules [[ a.* -> ");
    fake_expect(&fake, STEP_SHOWS, "error");
    fake_expect(&fake, STEP_SHOWS, ":rules [[ a.* ->");
    fake_press(&fake, "Esc");
    line("nonsense nonsense");
    fake_expect(&fake, STEP_SHOWS, "error");
    fake_press(&fake, "Esc");
    line("filter >lots");
    fake_expect(&fake, STEP_SHOWS, "is no size: >1MB");
    fake_press(&fake, "Esc");
    line("write");
    fake_expect(&fake, STEP_SHOWS, "write takes a path");
    fake_press(&fake, "Esc u");
    fake_expect(&fake, STEP_SHOWS, "nothing to undo");
    fake_press(&fake, "Ctrl-R");
    fake_expect(&fake, STEP_SHOWS, "nothing to redo");
    fake_press(&fake, "n");
    fake_expect(&fake, STEP_SHOWS, "nothing was searched for yet");
    fake_press(&fake, "q");
    run_with("net.txt", NULL, 0);
}

/* An endless script ends with an error, and leaves no line behind. */
static void test_runaway_line(void **state)
{
    (void)state;
    line("strip 'x' while true do end");
    fake_expect(&fake, STEP_SHOWS, "error");
    fake_press(&fake, "Esc q");
    run_with("net.txt", NULL, 0);
}

static void test_keys_while_previewing(void **state)
{
    (void)state;
    fake_press(&fake, ":");
    fake_type(&fake, "strip \"mod");
    fake_expect(&fake, STEP_LACKS, "would load 1");
    fake_type(&fake, "ule.");
    fake_expect(&fake, STEP_SHOWS, "would load 1, break 0");
    fake_type(&fake, "x");
    fake_expect(&fake, STEP_LACKS, "would load 1");
    fake_press(&fake, "Backspace Enter");
    fake_expect(&fake, STEP_SHOWS, "error");         /* the quote is open: not applied */
    fake_type(&fake, "\"");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "applied (load 1, break 0");
    fake_press(&fake, "q y");
    run_with("net.txt", NULL, 0);
}

static void shrink(void *context)
{
    (void)context;
    fake.columns = 30;
    fake.rows = 5;
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_RESIZE};
    fake_expect(&fake, STEP_SHOWS, "tenon needs 40×10");
    fake_press(&fake, "q");
}

static void test_small_screens(void **state)
{
    (void)state;
    fake_add(&fake, STEP_RUN)->run = shrink;
    run_with("net.txt", NULL, 0);
}

/* Every size a terminal may have, every mode: nothing is drawn beside the screen. */
static void test_all_sizes(void **state)
{
    (void)state;
    static const char *const modes[] = {"j", "? PgDn", ": s t r i p", "/ w", "f", "Z ] Tab", "!"};
    for (int columns = 1; columns < 130; columns += 7) {
        for (int rows = 1; rows < 40; rows += 3) {
            fake_done(&fake);
            fake_init(&fake, columns, rows, columns % 2);
            fake_press(&fake, modes[(size_t)(columns + rows) % countof(modes)]);
            fake_add(&fake, STEP_WAIT);
            run_with("net.txt", NULL, 0);
        }
    }
}

static void test_help(void **state)
{
    (void)state;
    fake_press(&fake, "? G");
    fake_expect(&fake, STEP_SHOWS, "whether the viewer");
    fake_press(&fake, "g");
    fake_expect(&fake, STEP_SHOWS, "row above");
    fake_press(&fake, "q");
    fake_expect(&fake, STEP_SHOWS, "fc.weight");
    line("help split");
    fake_expect(&fake, STEP_SHOWS, "one tensor into n equal parts");
    fake_press(&fake, "q");
    line("help nothing");
    fake_expect(&fake, STEP_SHOWS, "no help on nothing");
    fake_press(&fake, "Esc q");
    run_with("net.txt", NULL, 0);
}

static void test_completion(void **state)
{
    (void)state;
    fake_press(&fake, ": r u l Tab");
    fake_expect(&fake, STEP_SHOWS, "rules");
    fake_press(&fake, "Ctrl-U");
    fake_type(&fake, "rules [[ mod");
    fake_press(&fake, "Tab a Tab Tab");
    fake_expect(&fake, STEP_SHOWS, "rules [[ module.a.weight");
    fake_press(&fake, "Ctrl-U");
    fake_type(&fake, "write old.s");
    fake_press(&fake, "Tab");
    fake_expect(&fake, STEP_SHOWS, ":write old.safetensors");
    fake_press(&fake, "Ctrl-U");
    fake_type(&fake, "filter amb");
    fake_press(&fake, "Tab Enter");
    fake_expect(&fake, STEP_SHOWS, "only ambiguous");
    fake_press(&fake, "F : g o t o Space f Tab Tab Enter");
    fake_expect(&fake, STEP_SHOWS, "├ fc.weight");
    run_with("net.txt", NULL, 0);
}

/* What is told of keys goes by what they are bound to: in the list, on pages, in panels. What has no
 * key is not spoken of, but that Esc closes what lies upon the list. */
static void test_bound_hints(void **state)
{
    (void)state;
    Error err = {0};
    assert_true(key_bind("", "q", "", &err) && key_bind("", "Q", "quit", &err) &&
                key_bind("rules", "Space", "rule-edit", &err) &&
                key_bind("rules", "t", "rule-toggle", &err));
    fake_expect(&fake, STEP_SHOWS, " ? help  Q quit ");
    fake_press(&fake, "Ctrl-C");
    fake_expect(&fake, STEP_SHOWS, " Q quits ");
    fake_press(&fake, "r");
    fake_expect(&fake, STEP_SHOWS, " t off  J K Space d s p x: ? tells  Q ");
    fake_press(&fake, "m");
    fake_expect(&fake, STEP_SHOWS, " Q closes rules ");
    fake_press(&fake, "Q M");
    fake_expect(&fake, STEP_SHOWS, " Enter folds  Q closes ");
    run_with("net.txt", NULL, 0);
}

static void test_unbound_hints(void **state)
{
    (void)state;
    Error err = {0};
    assert_true(key_bind("", "q", "", &err) && key_bind("", "?", "", &err));
    fake_expect(&fake, STEP_LACKS, "quit");
    fake_press(&fake, "Ctrl-C");
    fake_expect(&fake, STEP_SHOWS, " :quit quits ");
    fake_press(&fake, "M");
    fake_expect(&fake, STEP_SHOWS, " Enter folds  Esc closes ");
    run_with("net.txt", NULL, 0);
}

static void test_mouse(void **state)
{
    (void)state;
    write_text("strip.lua", "strip \"module.\"\n");
    Press click = {.kind = PRESS_CLICK, .x = 70, .y = 5};
    fake_add(&fake, STEP_PRESS)->press = click;   /* the second row, on the target's side */
    fake_expect(&fake, STEP_SHOWS, "├ a.weight");
    click.x = 5;
    click.y = 4;
    fake_add(&fake, STEP_PRESS)->press = click;   /* the module; once more closes it */
    fake_add(&fake, STEP_PRESS)->press = click;
    fake_expect(&fake, STEP_SHOWS, "▸ module");
    click.y = 25;
    fake_add(&fake, STEP_PRESS)->press = click;   /* no row there */
    fake_press(&fake, "WheelDown WheelUp Ctrl-C");
    fake_expect(&fake, STEP_SHOWS, "q quits");
    run_with("net.txt", "strip.lua", 0);
}

static void mouse(PressKind kind, int x, int y)
{
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = kind, .x = x, .y = y};
}

/* The divider is taken by one of its lines, follows, and stays where it is let go; a release that
 * ends no drag does nothing, whatever is on show. */
static void test_divider(void **state)
{
    (void)state;
    mouse(PRESS_RELEASE, 3, 3);
    fake_expect(&fake, STEP_SHOWS, "│   │");
    mouse(PRESS_CLICK, 47, 6);
    mouse(PRESS_DRAG, 35, 9);
    fake_expect(&fake, STEP_SHOWS, "┌ source ──────────────────────────┬───┬ target ─");
    mouse(PRESS_DRAG, 1, 9);   /* a side keeps some columns */
    fake_expect(&fake, STEP_SHOWS, "┌ source ────┬───┬ target ─");
    mouse(PRESS_RELEASE, 31, 9);
    mouse(PRESS_DRAG, 60, 9);
    fake_expect(&fake, STEP_SHOWS, "┌ source ──────────────────────┬───┬ target ─");
    fake_press(&fake, "}");
    fake_expect(&fake, STEP_SHOWS, "┌ source ──────────────────────────┬───┬ target ─");
    fake_press(&fake, "{ { =");
    fake_expect(&fake, STEP_SHOWS, "┌ source ──────────────────────────────────────┬───┬ target ─");
    line("divider middle");
    fake_expect(&fake, STEP_SHOWS, "the divider goes left, right, or to 1");
    run_with("net.txt", NULL, 0);
}

/* A click on the map goes where it stands for. */
static void test_map_click(void **state)
{
    (void)state;
    Text names = {0};
    for (int i = 0; i < 400; i++) text_addf(&names, "k%dx (%d)\n", i, i + 1);
    write_text("many.txt", text_string(&names));
    text_done(&names);
    mouse(PRESS_CLICK, 99, 4);
    fake_expect(&fake, STEP_SHOWS, " 1 of 403 ");
    mouse(PRESS_CLICK, 99, 14);
    fake_expect(&fake, STEP_SHOWS, " 202 of 403 ");
    run_with("many.txt", NULL, 0);
}

/* Enter and n go to a hit that is further off than what is looked at between two keys. */
static void test_search_typed_ahead(void **state)
{
    (void)state;
    Text names = {0};
    for (int i = 0; i < 25000; i++) text_addf(&names, "k%dx (%d)\n", i, i + 1);
    write_text("long.txt", text_string(&names));
    text_done(&names);
    fake_type(&fake, "/k24999x");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "├ k24999x");
    fake_press(&fake, "g");
    fake_type(&fake, "//k2[14]999x");
    fake_press(&fake, "Enter n");
    fake_expect(&fake, STEP_SHOWS, "├ k24999x");
    fake_press(&fake, "g");
    fake_type(&fake, "//k2[14]999x");
    fake_press(&fake, "Enter N");
    fake_expect(&fake, STEP_SHOWS, "├ k24999x");
    run_with("long.txt", NULL, 0);
}

static void test_sort_and_filter(void **state)
{
    (void)state;
    fake_press(&fake, "S");
    fake_expect(&fake, STEP_SHOWS, "sorted: as the source file has them");
    line("sort size");
    fake_expect(&fake, STEP_SHOWS, "by size");
    line("sort colour");
    fake_expect(&fake, STEP_SHOWS, "'colour' is no order");
    fake_press(&fake, "Esc");
    line("filter missing *.weight");
    fake_expect(&fake, STEP_SHOWS, "only missing *.weight ─ by size");
    line("strip \"module.\"");   /* filter and order outlive the ledger */
    fake_expect(&fake, STEP_SHOWS, "only missing *.weight ─ by size");
    fake_expect(&fake, STEP_SHOWS, "none: F shows everything");
    fake_press(&fake, "F S S S");
    fake_expect(&fake, STEP_LACKS, "by size");
    fake_expect(&fake, STEP_LACKS, " only ");
    line("goto module.fc.weight");
    fake_expect(&fake, STEP_SHOWS, "├ fc.weight");
    line("goto nothing");
    fake_expect(&fake, STEP_SHOWS, "no key 'nothing'");
    fake_press(&fake, "Esc");
    line("search /(x");
    fake_expect(&fake, STEP_SHOWS, "missing closing parenthesis");
    run_with("net.txt", NULL, 0);
}

static void test_paste(void **state)
{
    (void)state;
    paste("q Enter y Ctrl-C Esc PgDn u");
    fake_expect(&fake, STEP_SHOWS, "what is pasted runs no keys");
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_PASTED};      /* an end alone */
    fake_press(&fake, ":");
    fake_type(&fake, "strip ");
    paste("Enter \" m o Ctrl-U d u l e . \" Enter Enter");
    fake_expect(&fake, STEP_SHOWS, ":strip \"module.\"");
    fake_expect(&fake, STEP_LACKS, "applied");
    fake_press(&fake, "Enter");
    fake_expect(&fake, STEP_SHOWS, "applied (load 1");
    fake_press(&fake, "/");
    paste("f c Enter x");
    fake_expect(&fake, STEP_SHOWS, "/fc ");
    fake_press(&fake, "Enter");
    fake_press(&fake, "q");
    paste("y");                                          /* is no answer either */
    fake_expect(&fake, STEP_SHOWS, "runs no keys");
    run_with("net.txt", NULL, 0);
}

static void test_closed_terminal(void **state)
{
    (void)state;
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_CLOSE, .code = 15};
    run_with("net.txt", NULL, 128 + 15);
}

/* Each with ledgers that come with their key, and with such as come later. */
#define RUN(test) cmocka_unit_test_setup_teardown(test, enter, leave), \
                  cmocka_unit_test_setup_teardown(test, enter_hasty, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(test_proposals),
        RUN(test_digits_on_other_pages),
        RUN(test_changed_target),
        cmocka_unit_test_setup_teardown(test_running_line, enter_hasty, leave),
        RUN(test_typed_ahead),
        RUN(test_names_first),
        RUN(test_names_left),
        cmocka_unit_test_setup_teardown(test_endless, enter_hasty, leave),
        cmocka_unit_test_setup_teardown(test_endless_rules, enter_hasty, leave),
        RUN(test_round_trip),
        RUN(test_saved_rules),
        RUN(test_saved_session),
        RUN(test_export_panel),
        RUN(test_open_another),
        RUN(test_existing_file),
        RUN(test_unsaved_lines),
        RUN(test_undo_shows_what_was),
        RUN(test_changed_rules),
        RUN(test_editor),
        RUN(test_editor_at_line),
        RUN(test_edited_text),
        RUN(test_wrong_lines),
        RUN(test_runaway_line),
        RUN(test_keys_while_previewing),
        RUN(test_small_screens),
        RUN(test_all_sizes),
        RUN(test_help),
        RUN(test_completion),
        RUN(test_bound_hints),
        RUN(test_unbound_hints),
        RUN(test_mouse),
        RUN(test_divider),
        RUN(test_map_click),
        RUN(test_search_typed_ahead),
        RUN(test_sort_and_filter),
        RUN(test_paste),
        RUN(test_closed_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
