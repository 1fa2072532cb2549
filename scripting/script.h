/* Script: rule scripts in Lua 5.4, in a sandbox (RULES.md B2a, "The sandbox holds").
 *
 * A Script drives one Draft: its statements are Lua functions that call draft_*. Several
 * chunks (-r, -e) share one sandbox. Instructions and memory are limited; no chunk can read
 * or write a file, load bytecode, or outlive its limit by pcall, coroutines or finalizers. */
#ifndef SCRIPTING_SCRIPT_H
#define SCRIPTING_SCRIPT_H

#include "loader/align/draft.h"

typedef struct Script Script;

typedef struct ScriptOptions {
    uint64_t instructions;       /* for all chunks together; 0 = 1,000,000,000 */
    size_t memory;               /* bytes of Lua heap; 0 = 512 MiB */
    const char *json_folder;     /* where json "…" may read; NULL: the current folder */
    const char *json_folder2;    /* a second one (the source's); NULL: none */
    const bool *interrupt;       /* becomes true when the user wants to stop; may be NULL */
} ScriptOptions;

/* The draft stays borrowed; it must outlive the script. */
Script *script_new(Draft *draft, const ScriptOptions *options);
void script_free(Script *script);

/* Runs one chunk. `name` is what "file:line" says: a path, "-e", ":". Errors begin with
 * "NAME:LINE: ". */
bool script_run(Script *script, const char *text, size_t n, const char *name, Error *err);
/* Whether the text is a whole chunk (false, with *incomplete set, when more is needed). */
bool script_parses(const char *text, size_t n, bool *incomplete, Error *err);
/* What the last chunk's expression printed, for the prompt; "" if nothing. */
const char *script_output(const Script *script);

/* The names of all statements and ops, for completion and help: NULL-terminated triples of
 * name, arguments, help. */
typedef struct ScriptWord {
    const char *name, *args, *help;
} ScriptWord;
const ScriptWord *script_words(size_t *count);

#endif
