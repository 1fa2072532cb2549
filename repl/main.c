/* main: the command line becomes an Invocation, which a command runs. */
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>

#include "repl/command.h"

/* A sharded model keeps a descriptor open for each of its shards, and the usual limit is 1024. The
 * hard limit may be taken without asking; if not, opening a shard says so. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Without arguments there is nothing to open, so the help is printed, as a usage error. Standard
 * output is flushed here: a full disk must not end in status 0. */
int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");   /* and nothing else: numbers keep their point */
    raise_file_limit();
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
        status = invocation.command->run(&invocation);
    }
    invocation_done(&invocation);
    if (fflush(stdout) != 0 && status == EXIT_COMPLETE) {
        error_errno(&err, "standard output");
        status = complain(&err);
    }
    return status;
}
