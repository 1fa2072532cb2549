#include "repl/init_file.h"

#include "repl/call_list.h"
#include "repl/fault.h"

/* On a session of nothing, which is closed again: what it defines is defined once more for a
 * prompt. */
void init_configure(Text *notes)
{
    Error err = {0};
    Session *nothing = session_new(&(SessionOptions){.source = NULL}, &err);
    if (!nothing) return;
    Console *console = console_new(nothing, &(ConsoleOptions){.calls = call_table(),
                                                              .configures = true});
    console_start(console, &err);
    if (console->init.code) fault_show(&console->init, NULL, NULL, notes);
    console_free(console);
}
