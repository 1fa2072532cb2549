/* Signals. A handler may only set a flag or call what is async-signal-safe: unlink and _exit. */
#include "repl/interrupt.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "loader/export/atomic.h"
#include "loader/source/http.h"

enum { STATUS_INTERRUPTED = 130 };   /* 128 + SIGINT, as shells have it */

/* All that a signal handler can reach. */
static atomic_bool interrupted;
static volatile sig_atomic_t ending;

/* The first Ctrl-C asks whoever works to stop and tidy up; a second one waits for nobody. */
static void note_interrupt(int signal_number)
{
    (void)signal_number;
    if (interrupted) {
        atomic_discard_all();
        _exit(STATUS_INTERRUPTED);
    }
    interrupted = true;
}

/* The default action would leave half an output's temporary file behind. */
static void leave_at_once(int signal_number)
{
    atomic_discard_all();
    _exit(128 + signal_number);
}

/* What is ignored from the start stays so: nohup and the background of scripts ask for that. */
static void handle(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction before, action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signal_number, NULL, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal_number, &action, NULL);
}

/* SIGPIPE too: `tenon align -o x.pth | head` ends us while a temporary file may be open. */
void interrupt_watch(void)
{
    http_watch(&interrupted);
    handle(SIGINT, note_interrupt, SA_RESTART);
    handle(SIGTERM, leave_at_once, SA_RESTART);
    handle(SIGHUP, leave_at_once, SA_RESTART);
    signal(SIGPIPE, leave_at_once);
    signal(SIGXFSZ, SIG_IGN);   /* the write then fails with EFBIG, which is reported */
}

/* Whoever sends SIGTERM twice is in a hurry. SIGHUP comes twice when a terminal is closed, from the
 * system and from the shell, and what is being saved then is not to be cut short. */
static void note_end(int signal_number)
{
    if (ending == SIGTERM && signal_number == SIGTERM) leave_at_once(signal_number);
    ending = signal_number;
    interrupted = true;
}

/* Without SA_RESTART: a read that waits for a key is to return. */
void interrupt_watch_end(void)
{
    interrupt_watch();
    handle(SIGTERM, note_end, 0);
    handle(SIGHUP, note_end, 0);
    handle(SIGINT, note_interrupt, 0);
}

int interrupt_end(void)
{
    return ending;
}

void interrupt_raise(void)
{
    interrupted = true;
}

/* What it cut short while it was printed is no fault of the output's. */
void interrupt_reset(void)
{
    if (interrupted) clearerr(stdout);
    interrupted = false;
}

const atomic_bool *interrupt_flag(void)
{
    return &interrupted;
}
