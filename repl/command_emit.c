/* tenon emit: a plan as a program for those who have no tenon. */
#include "repl/command.h"

#include <stdio.h>

#include "loader/export/atomic.h"
#include "loader/export/plan_emit.h"

/* To standard output, or to -o OUT. */
int command_emit(const Invocation *invocation)
{
    Error err = {0};
    Text text = {0};
    const char *out = invocation->value[OPT_OUT];
    if (!invocation->set[OPT_PYTHON]) {
        error_set(&err, ERR_USAGE, "emit needs --python, the only language that there is");
        return complain(&err);
    }
    PlanFile *file = plan_file_read(invocation->operands[0], &err);
    bool fine = file && plan_emit_python(file, &text, &err);
    if (fine && out)
        fine = atomic_write_file(out, invocation->set[OPT_FORCE], &text, &err);
    else if (fine)
        fwrite(text_string(&text), 1, text.length, stdout);
    text_done(&text);
    plan_file_free(file);
    return fine ? EXIT_COMPLETE : complain(&err);
}
