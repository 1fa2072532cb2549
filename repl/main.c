/* main: the command line becomes an Invocation, which a command runs. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>

#include "loader/export/in_place.h"
#include "loader/format/format.h"
#include "repl/command.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* What was needed while a large checkpoint was opened is to be the system's again when it is
 * written. Left alone, glibc keeps ever larger pieces, after the largest one that was freed. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 19);
#endif
}

/* A sharded model keeps a descriptor open for each of its shards, and the usual limit is 1024. The
 * hard limit may be taken without asking; if not, opening a shard says so. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Whoever closes standard output or error would have a report written into the next file that is
 * opened, as that would get its number. Opened the wrong way round, they still refuse. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* Whether all that was printed is out. What failed before, when the buffer was full, is not told by
 * the last flush. */
static bool flush_output(Error *err)
{
    errno = 0;
    bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout)) return true;
    if (!flushed && errno) return error_errno(err, "standard output");
    return error_set(err, ERR_IO, "standard output: a write to it failed (a full disk?)");
}

/* A change in place that was killed half-way is settled before anything looks at the file. undo
 * does so itself: its way. */
static bool recover(const Invocation *invocation, Error *err)
{
    bool fine = true;
    if (invocation->command->options == FOR_UNDO) return true;
    Arena *arena = arena_new();
    for (size_t i = 0; fine && i < invocation->operand_count; i++) {
        const char *file, *inside;
        Text what = {0};
        checkpoint_spec(arena, invocation->operands[i], &file, &inside);
        fine = in_place_recover(file, &what, err);
        if (what.length) fprintf(stderr, "tenon: %s\n", text_string(&what));
        text_done(&what);
    }
    arena_free(arena);
    return fine;
}

/* Without arguments there is nothing to open, so the help is printed, as a usage error. A report
 * that a full disk cut short must not end in a status that says something about the files. */
int main(int argc, char **argv)
{
    hold_standard_streams();
    setlocale(LC_CTYPE, "");   /* and nothing else: numbers keep their point */
    raise_file_limit();
    give_memory_back();
    Invocation invocation;
    Error err = {0};
    int status;
    if (argc < 2) {
        print_help(NULL);
        return EXIT_TROUBLE;
    }
    if (!invocation_parse(&invocation, argc, argv, &err)) {
        status = complain(&err);
    } else if (invocation.set[OPT_VERSION]) {
        status = printf("tenon %s\n", TENON_VERSION) < 0 ? EXIT_TROUBLE : EXIT_COMPLETE;
    } else if (invocation.set[OPT_HELP]) {
        print_help(invocation.command->name ? invocation.command : NULL);
        status = EXIT_COMPLETE;
    } else {
        status = recover(&invocation, &err) ? invocation.command->run(&invocation)
                                            : complain(&err);
    }
    invocation_done(&invocation);
    /* A signal that ends us may have cut a line short, which is no fault of the output's. */
    const bool ended = status >= EXIT_SIGNALLED;
    if (status != EXIT_TROUBLE && !ended && !flush_output(&err)) status = complain(&err);
    return status;
}
