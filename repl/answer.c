#include "repl/answer.h"

#include <stdio.h>

JsonWriter *answer_begin(Text *out)
{
    JsonWriter *json = json_writer_new(out, false);
    json_map(json);
    json_put_uint(json, "version", 1);
    return json;
}

JsonWriter *answer_begin_tool(Text *out)
{
    JsonWriter *json = answer_begin(out);
    json_put_text(json, "tool", "tenon " TENON_VERSION);
    return json;
}

void answer_close(JsonWriter *json, Text *out)
{
    json_end(json);
    json_writer_free(json);
    text_addc(out, '\n');
}

void answer_end(JsonWriter *json, int status, Text *out)
{
    json_put_uint(json, "exit", (uint64_t)status);
    answer_close(json, out);
}

void answer_print(JsonWriter *json, int status, Text *out)
{
    answer_end(json, status, out);
    fwrite(out->bytes, 1, out->length, stdout);
    text_done(out);
}
