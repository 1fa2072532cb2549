/* Three signals and the one number that a handler may write. */
#include "viewer/signals.h"

static const int numbers[SIGNALS_WATCHED] = {SIGTERM, SIGHUP, SIGINT};
static volatile sig_atomic_t caught;     /* a handler has nothing else to write to */
static bool ending;

/* An end that was asked for is not forgotten for a Ctrl-C after it. */
static void catch_signal(int number)
{
    if (!caught || number != SIGINT) caught = number;
}

void signals_watch(SignalsBefore *before)
{
    struct sigaction action = {.sa_handler = catch_signal};   /* and no SA_RESTART: it wakes */
    sigemptyset(&action.sa_mask);
    caught = 0;
    for (int i = 0; i < SIGNALS_WATCHED; i++)
        sigaction(numbers[i], &action, &before->actions[i]);
}

void signals_restore(const SignalsBefore *before)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (int i = 0; i < SIGNALS_WATCHED; i++)
        sigaction(numbers[i], ending && numbers[i] != SIGINT ? &ignore : &before->actions[i], NULL);
}

void signals_end(void)
{
    ending = true;
}

bool signals_are_waiting(void)
{
    return caught != 0;
}

bool signals_take(Press *press)
{
    const int number = (int)caught;
    if (!number) return false;
    caught = 0;
    if (number != SIGINT) ending = true;
    *press = number == SIGINT ? (Press){.kind = PRESS_CTRL, .code = 'C'}
                              : (Press){.kind = PRESS_CLOSE, .code = (uint32_t)number};
    return true;
}
