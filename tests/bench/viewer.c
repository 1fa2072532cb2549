/* How long a key takes until its frame is out, and how many bytes the frame has: the viewer itself,
 * curses and all, on a pseudo terminal that a thread reads; keys come from a script. Prints a table
 * and asserts nothing.
 *
 *     build/tests/bench_viewer [waiting] [TENSORS]…        waiting 1000 100000 1000000 */
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "repl/interactive.h"
#include "tests/bench/late_server.h"
#include "viewer/terminal.h"

enum { COLUMNS = 120, ROWS = 40, STEPS_MAX = 20000, GROUPS_MAX = 64, LONGEST_S = 120,
       IN_HEADERS = 200000,       /* tensors that a header may name */
       LATE_MS = 200 };           /* of every answer of the server */

/* One press, or the wait for a text on the screen. */
typedef struct Act {
    const char *group;       /* what it is counted as; NULL: nothing */
    Press press;
    const char *wait;        /* the text; NULL: a press */
    unsigned pause;          /* milliseconds before the press */
} Act;

/* What was measured under one name. */
typedef struct Group {
    const char *name;
    double *ms, *cpu, *bytes;    /* owned, [count] */
    size_t count, room;
} Group;

typedef struct Bench {
    Terminal real, ours;
    Act *steps;
    size_t count, next;
    const Act *pressed;     /* its frame is not out yet; NULL */
    double since;            /* when the last press was handed out, or the wait began … */
    double cpu;              /* … and the processor time of the thread that keys wait for */
    double start;            /* before the files were opened; 0 once a frame was out */
    Text shown;              /* the screen as flushed last */
    Group groups[GROUPS_MAX];
    size_t group_count;
    int master;              /* the other end of the terminal */
    atomic_size_t sent;      /* bytes that came out of it */
} Bench;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* Of this thread: what others on the machine do is not in it. */
static double cpu_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void record(Bench *bench, const char *name, double ms, double cpu, double bytes)
{
    size_t i = 0;
    while (i < bench->group_count && strcmp(bench->groups[i].name, name) != 0) i++;
    Group *group = &bench->groups[i];
    if (i == bench->group_count) *group = (Group){.name = name}, bench->group_count++;
    size_t room = group->room, same = room;
    group->ms = mem_grow(group->ms, &room, group->count + 1, sizeof *group->ms);
    group->cpu = mem_grow(group->cpu, &same, group->count + 1, sizeof *group->cpu);
    group->bytes = mem_grow(group->bytes, &group->room, group->count + 1, sizeof *group->bytes);
    group->ms[group->count] = ms;
    group->cpu[group->count] = cpu;
    group->bytes[group->count++] = bytes;
}

/* ---- the terminal between ---- */

static void nap(unsigned ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static bool is_shown(const Bench *bench, const char *text)
{
    return strstr(text_string(&bench->shown), text) != NULL;
}

/* Presses come one by one, each when the frame of the one before is out. */
static bool read_step(void *state, int timeout_ms, Press *press)
{
    Bench *bench = state;
    if (bench->pressed) return false;
    if (bench->next == bench->count) {
        *press = (Press){.kind = PRESS_CLOSE};
        return true;
    }
    const Act *step = &bench->steps[bench->next];
    if (step->wait) {
        if (is_shown(bench, step->wait) || now() - bench->since > LONGEST_S * 1e3) {
            if (step->group)
                record(bench, step->group, now() - bench->since, cpu_now() - bench->cpu, 0);
            bench->next++;
            return read_step(state, timeout_ms, press);
        }
        if (timeout_ms) nap(timeout_ms < 2 ? (unsigned)timeout_ms : 2);
        return false;
    }
    bench->next++;
    if (step->pause) nap(step->pause);
    atomic_store(&bench->sent, 0);
    bench->pressed = step;
    bench->since = now();
    bench->cpu = cpu_now();
    *press = step->press;
    return true;
}

static void get_size(void *state, int *columns, int *rows)
{
    Bench *bench = state;
    bench->real.ops->size(bench->real.state, columns, rows);
}

/* The time ends when curses has written; the bytes are counted when they have come out. */
static void flush(void *state, const Screen *screen)
{
    Bench *bench = state;
    bench->real.ops->flush(bench->real.state, screen);
    double end = now(), cpu = cpu_now();
    if (bench->start > 0) record(bench, "first frame", end - bench->start, 0, 0);
    bench->start = 0;
    text_clear(&bench->shown);
    screen_dump(screen, &bench->shown);
    if (!bench->pressed) return;
    size_t before;
    do before = atomic_load(&bench->sent), nap(1);
    while (atomic_load(&bench->sent) != before);
    if (bench->pressed->group)
        record(bench, bench->pressed->group, end - bench->since, cpu - bench->cpu,
               (double)before);
    bench->pressed = NULL;
}

static void nothing(void *state)
{
    (void)state;
}

static const TerminalOps ops = {.read = read_step, .size = get_size, .flush = flush,
                                .repaint = nothing, .suspend = nothing, .resume = nothing};

static void *drain(void *context)
{
    Bench *bench = context;
    char bytes[65536];
    ssize_t n;
    while ((n = read(bench->master, bytes, sizeof bytes)) > 0)
        atomic_fetch_add(&bench->sent, (size_t)n);
    return NULL;
}

/* Standard input and output become the terminal; what is printed goes to the old output. */
static FILE *take_terminal(Bench *bench)
{
    FILE *out = fdopen(dup(STDOUT_FILENO), "w");
    bench->master = posix_openpt(O_RDWR | O_NOCTTY);
    if (bench->master < 0 || grantpt(bench->master) || unlockpt(bench->master)) exit(2);
    int slave = open(ptsname(bench->master), O_RDWR | O_NOCTTY);
    const struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
    ioctl(slave, TIOCSWINSZ, &size);
    dup2(slave, STDIN_FILENO);
    dup2(slave, STDOUT_FILENO);
    close(slave);
    pthread_t thread;
    pthread_create(&thread, NULL, drain, bench);
    pthread_detach(thread);
    return out;
}

/* ---- the script ---- */

static Act *add(Bench *bench, const char *group)
{
    if (bench->count == STEPS_MAX) exit(2);
    Act *step = &bench->steps[bench->count++];
    *step = (Act){.group = group};
    return step;
}

static void press(Bench *bench, const char *group, const char *key, unsigned times)
{
    while (times--) {
        Act *step = add(bench, group);
        if (!press_parse(key, &step->press)) exit(2);
    }
}

static void type(Bench *bench, const char *group, const char *text)
{
    for (; *text; text++)
        add(bench, group)->press = (Press){.kind = PRESS_CHAR, .code = (unsigned char)*text};
}

static void wait_for(Bench *bench, const char *group, const char *text)
{
    add(bench, group)->wait = text;
}

/* The rule is typed, previewed and applied; keys come while the ledger is made; then the whole list
 * is open. */
static void write_script(Bench *bench, size_t tensors)
{
    static char all[64], loaded[64];
    snprintf(all, sizeof all, "would load %zu,", tensors);
    snprintf(loaded, sizeof loaded, "● %zu loaded", tensors);
    wait_for(bench, "first ledger", "● 0 loaded");
    for (int i = 0; i < 5; i++) {
        press(bench, NULL, ":", 1);
        type(bench, "typing", "strip \"module.");
        wait_for(bench, "preview, all hit", all);
        type(bench, "typing", "x");
        wait_for(bench, "preview, none hit", "would load 0,");
        press(bench, "typing", "Backspace", 1);
        wait_for(bench, "preview, all hit", all);
        press(bench, NULL, "Esc", 1);
    }
    press(bench, NULL, ":", 1);
    type(bench, "typing", "strip \"module.\"");
    press(bench, "apply: Enter", "Enter", 1);
    for (int i = 0; i < 100; i++) {
        press(bench, "moving meanwhile", i % 2 ? "k" : "j", 1);
        bench->steps[bench->count - 1].pause = 5;
    }
    wait_for(bench, "apply: ledger", loaded);
    press(bench, "unfold all, fold all", "Z", 1);
    press(bench, "move", "j", 100);
    press(bench, "move", "PgDn", 100);
    for (int i = 0; i < 20; i++) press(bench, "move", i % 2 ? "g" : "G", 1);
    for (int i = 0; i < 20; i++) {
        press(bench, "fold", "g", 1);
        press(bench, "fold", "PgDn", (unsigned)i);
        press(bench, "fold", "Left", 2);
        press(bench, "fold", "Enter", 2);
    }
    for (int i = 0; i < 10; i++) press(bench, "unfold all, fold all", i % 2 ? "Z" : "z", 1);
    for (int i = 0; i < 5; i++) {
        press(bench, "search: typing", "/", 1);
        type(bench, "search: typing", i % 2 ? "experts.9" : "up_proj.weight_s");
        press(bench, "search: typing", "Enter", 1);
        press(bench, "search: n, N", "n", 20);
        press(bench, "search: n, N", "N", 20);
        press(bench, NULL, "/", 1);
        press(bench, NULL, "Esc", 1);
    }
    for (int i = 0; i < 20; i++) press(bench, "filter", i % 4 == 3 ? "F" : "f", 1);
    for (int i = 0; i < 5; i++) {
        press(bench, NULL, ":", 1);
        type(bench, NULL, i % 2 ? "goto " : "goto model.layers.1.mlp.experts.");
        press(bench, "completion of a key", "Tab", 1);
        press(bench, NULL, "Esc", 1);
    }
    press(bench, NULL, "F", 1);
    press(bench, "problem", "]", 5);
    press(bench, NULL, "u", 1);
    wait_for(bench, "undo: ledger", "● 0 loaded");
}

/* Statistics of what is long in coming: keys go on, and Esc ends it. */
static void write_waiting_script(Bench *bench, const char *shown)
{
    wait_for(bench, "first ledger", shown);
    for (int i = 0; i < 5; i++) {
        press(bench, "v", "v", 1);
        wait_for(bench, NULL, "reading");
        for (int k = 0; k < 40; k++) {
            press(bench, "keys meanwhile", k % 4 == 3 ? "Tab" : k % 2 ? "k" : "j", 1);
            bench->steps[bench->count - 1].pause = 5;
        }
        press(bench, "leaving it", "q", 1);
    }
}

/* ---- files, and the table ---- */

/* Experts of a mixture, of sizes that differ, so that nothing folds. */
static void print_key(FILE *file, const char *prefix, size_t i)
{
    static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
    fprintf(file, "%smodel.layers.%zu.mlp.experts.%zu.%s.weight%s", prefix, i / 1536,
            i / 6 % 256, parts[i / 2 % 3], i % 2 ? "_scale_inv" : "");
}

static size_t size_of(size_t i)
{
    return 1 + i * 2654435761u % 97;
}

/* safetensors: the length of the header, the header, and values that are all 0. */
static void write_checkpoint(const char *path, const char *prefix, size_t n)
{
    FILE *file = fopen(path, "w");
    size_t bytes = 0;
    if (!file) exit(2);
    fprintf(file, "12345678{");
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ",\"" : "\"", file);
        print_key(file, prefix, i);
        fprintf(file, "\":{\"dtype\":\"F32\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", size_of(i),
                bytes, bytes + 4 * size_of(i));
        bytes += 4 * size_of(i);
    }
    fputc('}', file);
    while (ftell(file) % 8) fputc(' ', file);
    size_t header = (size_t)ftell(file) - 8;
    fflush(file);
    if (ftruncate(fileno(file), (off_t)(8 + header + bytes))) exit(2);
    rewind(file);
    for (int i = 0; i < 8; i++) fputc((int)(header >> 8 * i & 0xFF), file);
    fclose(file);
}

static void write_schema(const char *path, size_t n)
{
    FILE *file = fopen(path, "w");
    if (!file) exit(2);
    fputs("{\"tensors\":[", file);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ",{\"key\":\"" : "{\"key\":\"", file);
        print_key(file, "", i);
        fprintf(file, "\",\"dtype\":\"f32\",\"shape\":[%zu]}", size_of(i));
    }
    fputs("]}", file);
    fclose(file);
}

/* Headers have limits that a million names pass; a listing has none. */
static void write_listing(const char *path, const char *prefix, size_t n)
{
    FILE *file = fopen(path, "w");
    if (!file) exit(2);
    for (size_t i = 0; i < n; i++) {
        print_key(file, prefix, i);
        fprintf(file, " (%zu,)\n", size_of(i));
    }
    fclose(file);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(FILE *out, const Group *group)
{
    size_t n = group->count;
    double *ms = group->ms, *cpu = group->cpu, *bytes = group->bytes;
    qsort(ms, n, sizeof *ms, compare);
    qsort(cpu, n, sizeof *cpu, compare);
    qsort(bytes, n, sizeof *bytes, compare);
    const size_t last = (n * 99 + 99) / 100 - 1;
    fprintf(out, "  %-22s %6zu %10.2f %10.2f %10.2f %10.2f %10.0f %10.0f\n", group->name, n,
            ms[n / 2], ms[last], ms[n - 1], cpu[last], bytes[n / 2], bytes[last]);
    free(ms);
    free(cpu);
    free(bytes);
}

/* Shows what the session comes to while the script is pressed, and prints the table. */
static void show(FILE *out, Bench *bench, Session *session, const char *title)
{
    const InteractiveOptions how = {.terminal = &bench->ours};
    interactive_run(session, &how);
    session_free(session);
    fprintf(out, "\n%s; milliseconds until the frame is out\n"
            "  %-22s %6s %10s %10s %10s %10s %10s %10s\n", title, "", "keys", "median", "p99",
            "most", "cpu p99", "bytes", "p99");
    for (size_t i = 0; i < bench->group_count; i++) print(out, &bench->groups[i]);
    fflush(out);
    bench->group_count = 0;
}

/* A file that is a header and zeros: one f32 matrix of n times n; returns the header's bytes. */
static size_t matrix_header(size_t n, char *out, size_t room)
{
    const size_t length = (size_t)snprintf(out + 8, room - 8, "{\"big.weight\":{\"dtype\":\"F32\",\"shape\":"
                                           "[%zu,%zu],\"data_offsets\":[0,%zu]}}", n, n,
                                           4 * n * n);
    for (int i = 0; i < 8; i++) out[i] = (char)(length >> 8 * i & 0xFF);
    return 8 + length;
}

static void open_and_show(FILE *out, Bench *bench, const char *name, const char *title)
{
    Error err = {0};
    const SessionOptions options = {.source = name};
    bench->start = 0;
    Session *session = session_new(&options, &err);
    if (!session) {
        fprintf(out, "%s: %s\n", title, err.text);
        exit(2);
    }
    bench->count = bench->next = 0;
    bench->since = now();
    bench->cpu = cpu_now();
    write_waiting_script(bench, "1 tensor");
    show(out, bench, session, title);
}

/* What is long in coming: 10 GB on a disk, and a server that takes its time. */
static void run_waiting(FILE *out, Bench *bench)
{
    enum { SIDE = 50000, FAR_SIDE = 8000 };
    static char head[256];               /* the server goes on sending it */
    char name[] = "/tmp/tenon-bench-XXXXXX", url[64];
    int fd = mkstemp(name);
    size_t n = matrix_header(SIDE, head, sizeof head);
    if (fd < 0 || write(fd, head, n) != (ssize_t)n ||
        ftruncate(fd, (off_t)(n + 4ull * SIDE * SIDE)) != 0)
        exit(2);
    close(fd);
    open_and_show(out, bench, name, "statistics of a tensor of 10 GB");
    unlink(name);
    n = matrix_header(FAR_SIDE, head, sizeof head);
    static LateServer server;
    server = (LateServer){.head = head, .head_size = n, .size = n + 4ull * FAR_SIDE * FAR_SIDE,
                          .late_ms = LATE_MS};
    late_start(&server);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/far.safetensors", server.port);
    open_and_show(out, bench, url, "values of a server that is 200 ms late with every answer");
}

static void run(FILE *out, Bench *bench, size_t tensors)
{
    char folder[] = "/tmp/tenon-bench-XXXXXX", source[64], target[64];
    if (!mkdtemp(folder)) exit(2);
    snprintf(source, sizeof source, "%s/source.safetensors", folder);
    snprintf(target, sizeof target, "%s/target.json", folder);
    if (tensors <= IN_HEADERS) {
        write_checkpoint(source, "module.", tensors);
        write_schema(target, tensors);
    } else {
        write_listing(source, "module.", tensors);
        write_listing(target, "", tensors);
    }
    Error err = {0};
    double start = bench->start = now();
    const SessionOptions options = {.source = source, .target = target};
    Session *session = session_new(&options, &err);
    if (!session) exit(2);
    record(bench, "both files read", now() - start, 0, 0);
    bench->count = bench->next = 0;
    bench->since = now();
    write_script(bench, tensors);
    char title[64];
    snprintf(title, sizeof title, "%zu tensors on each side, none folded", tensors);
    show(out, bench, session, title);
    unlink(source);
    unlink(target);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    static Bench bench;
    static Act steps[STEPS_MAX];
    Error err = {0};
    setlocale(LC_ALL, "C.UTF-8");
    setenv("TERM", "xterm-256color", 1);
    bench.steps = steps;
    FILE *out = take_terminal(&bench);
    if (!out || !terminal_open(&bench.real, false, &err)) return 2;
    bench.ours = (Terminal){&ops, &bench, bench.real.ascii};
    if (argc < 2 || strcmp(argv[1], "waiting") == 0) run_waiting(out, &bench);
    if (argc < 2)
        for (size_t n = 1000; n <= 1000000; n *= n == 1000 ? 100 : 10) run(out, &bench, n);
    for (int i = 1; i < argc; i++)
        if (is_digit(argv[i][0])) run(out, &bench, strtoul(argv[i], NULL, 10));
    terminal_close(&bench.real);
    text_done(&bench.shown);
    return 0;
}
