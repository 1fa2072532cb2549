/* Answer: the object that a command prints with --json: {"version":1, …, "exit":0}. */
#ifndef REPL_ANSWER_H
#define REPL_ANSWER_H

#include "loader/core/json.h"

/* Begins it at the end of `out`. */
JsonWriter *answer_begin(Text *out);
/* The same with "tool", which says the program's version. */
JsonWriter *answer_begin_tool(Text *out);
/* Ends it with a line feed, and frees the writer. */
void answer_close(JsonWriter *json, Text *out);
/* The same with "exit": the text may outlive the status. */
void answer_end(JsonWriter *json, int status, Text *out);
/* Ends it likewise, prints it and empties `out`. */
void answer_print(JsonWriter *json, int status, Text *out);

#endif
