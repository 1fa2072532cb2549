/* main: the command line becomes an Invocation, which a command runs. */
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

/* Without arguments there is nothing to open, so the help is printed, as a usage error. Standard
 * output is flushed here: a full disk must not end in status 0. */
int main(int argc, char **argv)
{
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
    if (fflush(stdout) != 0 && status == EXIT_COMPLETE) {
        error_errno(&err, "standard output");
        status = complain(&err);
    }
    return status;
}
