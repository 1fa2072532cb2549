/* Script: rule scripts in Lua 5.4, in a sandbox (tenon-rules(5)).
 *
 * A Script drives one Draft: its statements are Lua functions that call draft_*. Several
 * chunks (-r, -e) share one sandbox. Instructions and memory are limited; no chunk can read
 * or write a file, load bytecode, or outlive its limit by pcall, coroutines or finalizers. */
#ifndef SCRIPTING_SCRIPT_H
#define SCRIPTING_SCRIPT_H

#include <stdatomic.h>

#include "loader/align/draft.h"

typedef struct Script Script;

/* Defaults where the options say 0: a base, and so much for every tensor of the source. */
enum {
    SCRIPT_INSTRUCTIONS = 300 * 1000 * 1000, SCRIPT_INSTRUCTIONS_PER_TENSOR = 1000,
    SCRIPT_MEMORY = 512 << 20, SCRIPT_MEMORY_PER_TENSOR = 4096,
    SCRIPT_OUTPUT_MAX = 1 << 20       /* bytes of print per chunk */
};

typedef struct ScriptOptions {
    uint64_t instructions;       /* for all chunks together; slow ones count as several */
    size_t memory;               /* bytes of Lua heap and of names and expressions it makes */
    const char *json_folder;     /* where json "…" may read beside the folder of the rules file
                                    (of the chunk's name; -e and ":": the current one); NULL */
    const char *json_folder2;    /* and another one (the source's); NULL: none */
    const char *source_path;     /* where the source lies; NULL: not known */
    const char *source_name, *model;   /* what presets say of the file and of the model's class, as
                                          the user gave them; NULL: not known */
    const char *lexicon_path;    /* the user's own words for auto{}; NULL, or no such file: none */
    const atomic_bool *interrupt;    /* becomes true when the user wants to stop; may be NULL */
} ScriptOptions;

/* The draft stays borrowed; it must outlive the script. */
Script *script_new(Draft *draft, const ScriptOptions *options);   /* NULL: all defaults */
void script_free(Script *script);                                 /* NULL is fine */

/* Runs one chunk. `name` is what "file:line" says: a path, "-e", ":3" for a line that was typed.
 * Errors begin with "NAME:LINE: ". The values a chunk returns are printed; one whose name begins
 * with ":" may be a bare expression. ERR_LIMIT: the limits are used up, and every later chunk fails
 * as well; ERR_CANCELLED: interrupted. */
bool script_run(Script *script, const char *text, size_t n, const char *name, Error *err);
/* The same, with one argument for the chunk (its `...`): the table whose fields `options` lists,
 * "heads=4, reverse=true". NULL: no argument. */
bool script_run_with(Script *script, const char *text, size_t n, const char *name,
                     const char *options, Error *err);
/* Has a preset say what its system would about the keys as they are now, changing nothing: only
 * its messages stay in the draft. */
bool script_rehearse(Script *script, const char *preset, Error *err);
/* Whether the text is a whole chunk (false, with *incomplete set, when more is needed). */
bool script_parses(const char *text, size_t n, bool *incomplete, Error *err);
/* What the last chunk printed, its expression's values included; "" if nothing. */
const char *script_output(const Script *script);

/* The names of all statements, facts and ops, for completion and help. */
typedef struct ScriptWord {
    const char *name, *args, *help;
} ScriptWord;
const ScriptWord *script_words(size_t *count);

#endif
