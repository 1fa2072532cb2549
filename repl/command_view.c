/* tenon SOURCE [TARGET]: the viewer, or its report where there is no terminal. */
#include <stdio.h>
#include <unistd.h>

#include "repl/command.h"
#include "repl/interactive.h"

/* The session is the viewer's to change; rules are read from its files again while it runs. */
static int open_viewer(const Invocation *invocation)
{
    Error err = {0};
    SessionOptions options = {.source = invocation->operands[0],
                              .target = invocation->operands[1],
                              .rules = invocation->rules,
                              .rule_count = invocation->rule_count,
                              .seed = invocation->seed};
    Session *session = session_new(&options, &err);
    if (!session) return complain(&err);
    InteractiveOptions how = {.no_color = invocation->set[OPT_NO_COLOR]};
    int status = interactive_run(session, &how);
    session_free(session);
    return status;
}

/* Standard output decides, as with ls(1): in a pipe there is nobody to press keys. */
int command_view(const Invocation *invocation)
{
    if (isatty(STDOUT_FILENO) && !invocation->set[OPT_JSON] && !invocation->set[OPT_QUIET])
        return open_viewer(invocation);
    /* one checkpoint is listed; two are compared, and rules are applied, as a report */
    bool single = invocation->operand_count == 1 && !invocation->rule_count;
    return single ? command_ls(invocation) : command_align(invocation);
}
