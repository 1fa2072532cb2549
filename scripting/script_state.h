/* The inside of a Script, for the files of this floor. */
#ifndef SCRIPTING_SCRIPT_STATE_H
#define SCRIPTING_SCRIPT_STATE_H

#include <locale.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#include <lua.h>

#include "scripting/sandbox.h"
#include "scripting/script.h"

/* One text that was run. */
typedef struct Chunk {
    const char *name;            /* as the user knows it; in the draft's arena, for Origins */
    const char *shown;           /* what Lua prints for it: the name, or its end if it is long */
    const char *text;            /* owned; newlines are \n */
    size_t n;
} Chunk;

/* Whether somebody typed it, or piped it in: what it comes to is shown, as a prompt does. */
static inline bool chunk_is_typed(const Chunk *chunk)
{
    return chunk->name[0] == ':' || strcmp(chunk->name, "stdin") == 0;
}

/* Something that calls Lua from C: run by script_protect, so that no Lua error crosses C. */
typedef int (*ScriptCall)(lua_State *L);

struct Script {
    Sandbox sandbox;             /* first: sandbox_of(L) is the script */
    lua_State *L;                /* the main coroutine */
    locale_t locale;             /* "C": numbers and order are the same everywhere */
    lua_State *current;          /* the one whose statement runs */
    Draft *draft;                /* borrowed */
    unsigned era;                /* how many drafts there were before it: values that Lua holds of
                                    those are good no more */
    const ScriptFunctions *functions;    /* borrowed; NULL: none */
    size_t statements;           /* that have run to their end */
    char *folders[2];            /* where json may read besides; owned; NULL: none */
    Chunk *chunks;               /* owned */
    size_t chunk_count, chunk_room;
    size_t running;              /* the chunk that runs: the last one, or a preset's */
    bool granted;                /* a preset has got its instructions for a big source */
    const void *pending;         /* the preset that still waits for its options; NULL: none */
    bool pending_back;           /* it is a pack, by the name under which it goes back */
    char *source_path;           /* owned; where the source lies; NULL: not known */
    char *source_name, *model;   /* owned; what presets are told; NULL: nothing */
    char *log;                   /* owned; the preset that is listened to; NULL: none */
    char *lexicon_path;          /* owned; the user's; NULL: none */
    const char *busy;            /* the statement that calls back into Lua; none may begin */
    bool grows;                  /* limits are defaults, to be raised for a big source */
    size_t arena_seen;           /* bytes of the draft's arena that are accounted for */
    size_t arena_held;           /* of them: those that count as the script's memory */
    Text output, scratch;
    bool output_cut;
    Error error;                 /* the last one raised for a statement: its code counts */
    const char **scope;          /* capture names that are set at present; borrowed */
    size_t scope_count, scope_room;
    const char *taken_text;      /* of the chunk with the last call of an op whose value was */
    int taken_line, taken_kind;  /* taken, and that call: a loop asks again and again */
    RuleHost host;
};

/* A statement that runs. */
typedef struct Call {
    Script *script;
    lua_State *L;
    const char *name;            /* of the statement, for errors */
    Origin origin;
    const Chunk *chunk;          /* NULL: called from code that is no chunk */
    int results;                 /* values that it left on the stack for the script */
    bool flush;                  /* a preset has its options and is to run now */
} Call;

static inline Script *script_of(lua_State *L)
{
    return (Script *)sandbox_of(L);
}

/* messages.c: Lua's errors for people. */

/* The error value at `index` as an Error: place, reason, remedy. */
void message_take(Script *script, int status, int index, Error *err);
/* A message handler for pcalls: remembers where the error was raised, for messages that do not
 * say it. */
int message_note_place(lua_State *L);
/* The message without any place in front. */
const char *message_bare(const Script *script, const char *message);
/* Takes out a place that stands in front of the whole message as well. */
void message_drop_repeat(char *message);
/* Whether the text begins with one of the chunks' names and a line. */
bool message_has_place(const Script *script, const char *message);
/* Calls `call` with `context` as a light userdata under pcall. False: the error is in *err,
 * without a place when bare is true. */
bool script_protect(Script *script, ScriptCall call, void *context, bool bare, Error *err);

/* place.c: where things stand. */

/* The innermost line of a chunk that is being run. */
void place_find(Script *script, lua_State *L, Origin *origin, const Chunk **chunk);
/* The origin of the first line of a text that was passed at `call`: exact for a literal. */
Origin place_of_text(const Call *call, const char *text, size_t n);
const Chunk *place_chunk(const Script *script, const char *shown);

/* bare.c: whether a statement that begins with this name stands on the line: NAME(…) whose value
 * nothing takes. */
bool bare_call(const Chunk *chunk, int line, const char *name);

/* arguments.c: what statements are given. All set an error that names the statement. */

/* A held name from the Lua string at `index`. */
const char *take_name(Call *call, int index, Error *err);
/* Names from the arguments first … top, or from the list part of a table there. */
bool take_names(Call *call, int first, const char *const **names, size_t *n, Error *err);
/* Like take_names for one value: a string or a list of strings; nil gives none. */
bool take_list(Call *call, int index, const char *const **names, size_t *n, Error *err);
/* A boolean field of the options table at `index`; false when it is absent. */
bool take_flag(Call *call, int index, const char *field, bool *flag, Error *err);
/* A number field of the table at 1, 0 or more; *number stays as it is when it is absent. */
bool take_whole(Call *call, const char *field, int64_t *number, Error *err);
/* A text field of the table at 1 that is one of `n` words; *choice becomes its index, and stays as
 * it is when the field is absent. */
bool take_word(Call *call, const char *field, const char *const *words, size_t n, int *choice,
                 Error *err);
/* Whether all text fields of a table are among `known` (`n` of them). */
bool check_fields(Call *call, int index, const char *const *known, size_t n, Error *err);
bool check_count(Call *call, int most, Error *err);
/* "strip: expected WHAT, got a table". */
bool expected(const Call *call, int index, const char *what, Error *err);
/* A held name as a Lua string. */
void push_name(lua_State *L, const char *name);
void push_held(lua_State *L, const char *name, size_t n);
const char *type_name(lua_State *L, int index);

/* script.c: a text becomes a chunk, at the end of the list. */
const Chunk *script_add_chunk(Script *script, const char *text, size_t n, const char *name);

/* preset.c: runs the preset that waits for its options, if there is one. May raise. */
void preset_flush(lua_State *L);

/* statements.c */
void statements_open(lua_State *L);
/* Pushes a statement as a function. */
void statement_push(lua_State *L, const char *name);
/* Counts what the draft's arena grew by; false when memory is used up. */
bool script_account(Script *script);

/* ops.c: ops as Lua values. */
void ops_open(lua_State *L);
bool op_is(lua_State *L, int index);
/* The op value at `index` as it is; *called: it has its arguments. False for anything else. */
bool op_look(lua_State *L, int index, Op *op, bool *called);
/* op_build.c: builds an op from the arguments first … last of the stack. */
bool op_build(lua_State *L, OpKind kind, int first, int last, Op *op, Error *err);
/* The op at `index`, an op value or a function; `functions` is the table that keeps those. */
bool op_take(lua_State *L, int index, int functions, Op *op, Error *err);

/* tensors.c: symbolic tensors as Lua values. */
void tensors_open(lua_State *L);
void tensor_push(lua_State *L, const Expr *expr, const char *name);
const Expr *tensor_at(lua_State *L, int index);      /* NULL when it is none */

/* files.c: where scripts may look. */

/* The real path of a file below the folder of the chunk that runs, or of the source, which a link
 * cannot lead out of; NULL with an error otherwise, which names no statement. `n` is the
 * length of the name, which may hold NULs. */
const char *file_resolve(Script *script, const char *name, size_t n, char path[], Error *err);
/* The same for a name of our own, and beside the source alone; ERR_NOT_FOUND where it is not. */
const char *file_beside(Script *script, const char *name, char path[], Error *err);
/* The real path of a file, when it lies inside the folder; NULL with an error otherwise,
 * ERR_NOT_FOUND when there is no such file. */
const char *file_inside(const char *folder, const char *name, char path[], Error *err);

/* facts.c: src, file, target, count, json, print, help. */
void facts_open(lua_State *L);
/* Makes or takes away the global `target`, as the draft has one or not. */
void facts_set_target(lua_State *L);
/* Whether the value at `index` is one of src, file and target. */
bool fact_is(lua_State *L, int index);
/* Its tensors, a line each. */
void fact_show(lua_State *L, int index);
void print_values(lua_State *L, int first, int last);
/* Text goes to the functions' `print`, or is kept for script_output; what is beyond
 * SCRIPT_OUTPUT_MAX is left out, in whole lines, and a last one says so. */
void print_text(Script *script, const char *text, size_t n);

/* show.c: what the prompt shows of a value: tables and state dicts are written out. */
void show_values(lua_State *L, int first, int last);
/* Prints a table that has no way of its own to be shown, on one line; false: it is none. */
bool show_plain(lua_State *L, int index);

/* values.c */

/* May raise. */
void push_value(lua_State *L, const Value *value);
/* The value at `index` in the arena; NULL where something in it is no number, text, boolean, or
 * table of these. Never raises. */
Value *take_value(lua_State *L, Arena *arena, int index);

/* functions.c: what the host gives beside the rule language. */
void functions_open(lua_State *L);
/* Asks the host whether this statement may run. */
bool functions_allow(const Script *script, const char *statement, Error *err);
/* Calls `visit` for each word that is known here, the rule language's first, until it says
 * false. */
void words_visit(const Script *script, bool (*visit)(void *context, const ScriptWord *word),
                 void *context);

/* host.c: what rule text needs of Lua. */
void host_open(Script *script);
/* Forgets the functions and expressions of the last statement. */
void host_begin(lua_State *L);
/* Pushes the table that keeps the functions of the statement that runs. */
void host_push_functions(lua_State *L);
bool host_call(void *host, const Op *op, const OpContext *context, RuleValue *value, Error *err);

#endif
