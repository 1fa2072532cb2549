/* tenon emit: a plan as a program for those who have no tenon. */
#include "repl/command.h"

#include <stdio.h>

#include "loader/export/atomic.h"
#include "loader/export/plan_emit.h"
#include "repl/answer.h"

/* {"version":1,"tool":…,"plan":…,"tensors":58,"python":TEXT,"output":OUT,"exit":0}; one of the last
 * two is null. */
static void add_json(const PlanFile *file, const Text *program, const char *written, Text *out)
{
    JsonWriter *json = answer_begin_tool(out);
    json_put_text(json, "plan", file->path);
    json_put_uint(json, "tensors", file->tensor_count);
    json_put_text(json, "python", written ? NULL : text_string(program));
    json_put_text(json, "output", written);
    answer_end(json, EXIT_COMPLETE, out);
}

/* To standard output, or to -o OUT. */
int command_emit(const Invocation *invocation)
{
    Error err = {0};
    Text text = {0}, report = {0};
    const char *out = invocation->value[OPT_OUT];
    if (!invocation->set[OPT_PYTHON]) {
        error_set(&err, ERR_USAGE, "emit needs --python, the only language that there is");
        return complain(&err);
    }
    PlanFile *file = plan_file_read(invocation->operands[0], &err);
    bool fine = file && plan_emit_python(file, &text, &err);
    if (fine && out)
        fine = atomic_write_file(out, invocation->set[OPT_FORCE], &text, &err);
    if (fine && invocation->set[OPT_JSON]) add_json(file, &text, out, &report);
    const Text *said = invocation->set[OPT_JSON] ? &report : out ? NULL : &text;
    if (fine && said) fwrite(text_string(said), 1, said->length, stdout);
    text_done(&report);
    text_done(&text);
    plan_file_free(file);
    return fine ? EXIT_COMPLETE : complain(&err);
}
