/* tenon explain: a failed load, explained, as a report or as JSON. */
#include "repl/command.h"

#include <stdio.h>

#include "repl/explain.h"
#include "repl/interrupt.h"

static void print_all(const Invocation *invocation, const Explanation *explanation)
{
    Text out = {0};
    if (invocation->set[OPT_JSON]) explanation_json(explanation, &out);
    else if (!invocation->set[OPT_QUIET])
        explanation_text(explanation, invocation->set[OPT_VERBOSE], &out);
    fwrite(text_string(&out), 1, out.length, stdout);
    text_done(&out);
}

/* tenon explain ERROR.txt|- [SOURCE] */
int command_explain(const Invocation *invocation)
{
    Error err = {0};
    interrupt_watch();
    Explanation *explanation =
        explanation_new(invocation->operands[0], invocation->operands[1], &err);
    if (!explanation) return complain(&err);
    int status;
    if (explanation_run(explanation, &err)) {
        print_all(invocation, explanation);
        status = explanation->status;
    } else {
        status = complain(&err);
    }
    explanation_free(explanation);
    return status;
}
