/* Script: rule scripts in Lua 5.4, in a sandbox (tenon-rules(5)).
 *
 * A Script drives one Draft: its statements are Lua functions that call draft_*. Several
 * chunks (-r, -e) share one sandbox. Instructions and memory are limited; no chunk can read
 * or write a file, load bytecode, or outlive its limit by pcall, coroutines or finalizers. */
#ifndef SCRIPTING_SCRIPT_H
#define SCRIPTING_SCRIPT_H

#include <stdatomic.h>

#include "loader/align/draft.h"
#include "loader/core/value.h"

typedef struct Script Script;

/* Defaults where the options say 0: a base, and so much for every tensor of the source. */
enum {
    SCRIPT_INSTRUCTIONS = 300 * 1000 * 1000, SCRIPT_INSTRUCTIONS_PER_TENSOR = 1000,
    SCRIPT_MEMORY = 512 << 20, SCRIPT_MEMORY_PER_TENSOR = 4096,
    SCRIPT_OUTPUT_MAX = 1 << 20       /* bytes of print per chunk */
};

/* A name that scripts know, for completion and help. */
typedef struct ScriptWord {
    const char *name, *args, *help;
} ScriptWord;

/* What a function of the host gives back. */
typedef struct ScriptAnswer {
    const Value *value;          /* for the script; NULL: nothing */
    Text shown;                  /* with a value: what it looks like when it is shown; without one:
                                    it is shown at once. Empty: neither */
    bool stop;                   /* the script is to end here */
} ScriptAnswer;

/* Functions that the host gives scripts beside the rule language, and how it looks on. */
typedef struct ScriptFunctions {
    const ScriptWord *words;     /* [count] */
    size_t count;
    /* Carries out the index-th with a LIST of arguments; what it makes lies in the arena. */
    bool (*call)(void *context, size_t index, const Value *arguments, Arena *arena,
                 ScriptAnswer *answer, Error *err);
    /* Whether a statement may run now; NULL: any may. */
    bool (*allow)(void *context, const char *statement, Error *err);
    /* Takes what is printed at once, and as much as there is; NULL: it is kept. */
    void (*print)(void *context, const char *text, size_t n);
    void *context;
} ScriptFunctions;

typedef struct ScriptOptions {
    uint64_t instructions;       /* for all chunks together; slow ones count as several */
    unsigned patience;           /* how many times the default it is, where somebody can press
                                    Ctrl-C; 0: once */
    size_t memory;               /* bytes of Lua heap and of names and expressions it makes */
    const char *json_folder;     /* where json "…" may read beside the folder of the rules file
                                    (of the chunk's name; -e and ":": the current one); NULL */
    const char *json_folder2;    /* and another one (the source's); NULL: none */
    const char *source_path;     /* where the source lies; NULL: not known */
    const char *source_name, *model;   /* what presets say of the file and of the model's class, as
                                          the user gave them; NULL: not known */
    const char *log;             /* the preset whose messages will be read; NULL: none is said to */
    const char *lexicon_path;    /* the user's own words for auto{}; NULL, or no such file: none */
    const atomic_bool *interrupt;    /* becomes true when the user wants to stop; may be NULL */
    const ScriptFunctions *functions;    /* borrowed; NULL: none */
} ScriptOptions;

/* The draft stays borrowed; it must outlive the script. */
Script *script_new(Draft *draft, const ScriptOptions *options);   /* NULL: all defaults */
void script_free(Script *script);                                 /* NULL is fine */

/* Runs one chunk. `name` is what "file:line" says: a path, "-e", ":3" for a line that was typed.
 * Errors begin with "NAME:LINE: ". The values a chunk returns are printed; one whose name begins
 * with ":", or is "stdin", may be a bare expression, and its tables are written out. ERR_LIMIT: the
 * limits are used up, and every later chunk fails as well; ERR_CANCELLED: interrupted. */
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

/* ---- for a prompt, whose script lives long ---- */

/* The limits begin anew. */
void script_renew(Script *script);
/* How many statements have run to their end. */
size_t script_statements(const Script *script);
/* Goes on with another draft, also from within a function of the host. Tensors and ops that Lua
 * holds of the one before are refused from now on, so it may be freed. Of the options the paths and
 * the folders count. */
void script_use(Script *script, Draft *draft, const ScriptOptions *options);
/* Runs one more chunk from within a function of the host, as script_run does, but that limits and
 * output are those of the chunk which called the function. */
bool script_run_inside(Script *script, const char *text, size_t n, const char *name, Error *err);

/* The names of all statements, facts and ops, for completion and help. */
const ScriptWord *script_words(size_t *count);
/* Whether a statement has this name of n bytes. */
bool script_has_statement(const char *name, size_t n);

#endif
