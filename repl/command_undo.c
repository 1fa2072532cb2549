/* tenon undo: the last change in place, taken back. */
#include "repl/command.h"

#include <stdio.h>

#include "loader/export/in_place.h"

/* {"version":1, "tool":…, "path":…, "undone":true, "exit":0} */
static void print_json(const char *path)
{
    Text out = {0};
    JsonWriter *writer = json_writer_new(&out, false);
    json_map(writer);
    json_put_uint(writer, "version", 1);
    json_put_text(writer, "tool", "tenon " TENON_VERSION);
    json_put_text(writer, "path", path);
    json_key(writer, "undone");
    json_bool(writer, true);
    json_put_uint(writer, "exit", EXIT_COMPLETE);
    json_end(writer);
    json_writer_free(writer);
    puts(text_string(&out));
    text_done(&out);
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
