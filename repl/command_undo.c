/* tenon undo: the last change in place, taken back. */
#include "repl/command.h"

#include <stdio.h>

#include "loader/export/in_place.h"
#include "repl/answer.h"

/* {"version":1, "tool":…, "path":…, "undone":true, "exit":0} */
static void print_json(const char *path)
{
    Text out = {0};
    JsonWriter *writer = answer_begin_tool(&out);
    json_put_text(writer, "path", path);
    json_put_bool(writer, "undone", true);
    answer_print(writer, EXIT_COMPLETE, &out);
}

int command_undo(const Invocation *invocation)
{
    Error err = {0};
    const char *path = invocation->operands[0];
    if (!in_place_undo(path, &err)) return complain(&err);
    if (invocation->set[OPT_JSON]) print_json(path);
    else if (!invocation->set[OPT_QUIET]) printf("%s: the names are again what they were\n", path);
    return EXIT_COMPLETE;
}
