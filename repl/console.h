/* Console: Lua that lives as long as a prompt or a script does, on a draft that follows what is
 * entered.
 *
 * Two ways to run text. console_run is a script's: its statements change the draft, and that is
 * all. console_enter is a prompt's: an input that changes the rules becomes a line of the session,
 * which is what undo and save know, and what the viewer adds by hand; it has to do the same when
 * the session's texts run by themselves, or it is refused. */
#ifndef REPL_CONSOLE_H
#define REPL_CONSOLE_H

#include "repl/judge_book.h"
#include "repl/session.h"

typedef struct Console Console;

/* A function of the prompt, with its LIST of arguments; what it makes lies in the arena. */
typedef bool ConsoleCall(Console *console, const Value *arguments, Arena *arena,
                         ScriptAnswer *answer, Error *err);

typedef struct ConsoleCalls {
    const ScriptWord *words;     /* [count] */
    ConsoleCall *const *functions;
    size_t count;
} ConsoleCalls;

typedef struct ConsoleOptions {
    const ConsoleCalls *calls;   /* what there is beside the rule language: call_table() */
    bool lent;                   /* the session stays the caller's */
    bool configures;             /* limit() in init.lua sets them */
    unsigned patience;           /* how many times the instructions of a rule script an input may
                                    take; 0: for minutes, since Ctrl-C interrupts it */
    /* Runs a verb line of the viewer; NULL: there is none. */
    bool (*verb)(void *context, const char *line, Error *err);
    /* Opens another file for a side when the input is over; NULL: it is opened at once. */
    void (*open)(void *context, int side, const char *path);
    void (*print)(void *context, const char *text, size_t n);    /* as in ScriptFunctions */
    /* Asked while something long is done, with what it is; false: stop. NULL: nobody is. */
    bool (*progress)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
} ConsoleOptions;

struct Console {
    Session *session;            /* owned unless lent */
    ConsoleOptions options;
    ScriptFunctions functions;
    Script *script;              /* owned; NULL until the first text runs */
    Snapshot *base;              /* owned; what the draft borrows from */
    Draft *draft;                /* owned; what its statements change */
    size_t settled;              /* statements that had run when the draft was what the session's
                                    texts make of it */
    Alignment *alignment;        /* one reference: what the session comes to; NULL: not known */
    JudgeBook judged;
    bool running, replaying;     /* a text runs; it is one of the session's */
    bool starting;               /* it is init.lua */
    Error init;                  /* what is wrong with that; code 0: nothing */
    bool called;                 /* the text that runs has called such a function */
    bool exits;                  /* exit() was called … */
    int status;                  /* … with this */
    Text said;                   /* of console_enter: what the input came to; "" */
};

/* Takes the session over unless it is lent. */
Console *console_new(Session *session, const ConsoleOptions *options);
void console_free(Console *console);             /* NULL is fine */

/* Runs the session's texts, which else the first input would do. False: they are in error; what
 * stood before it has run. */
bool console_start(Console *console, Error *err);
/* Runs a text. False with an error, and also after exit(), with console->exits and no error. */
bool console_run(Console *console, const char *text, size_t n, const char *name, Error *err);
/* Runs what was entered at a prompt; see above. */
bool console_enter(Console *console, const char *text, Error *err);
/* What the last text printed; "" with `print`. */
const char *console_output(const Console *console);
/* What the session comes to as it stands; borrowed until the next input. NULL: that cannot be
 * said. */
Alignment *console_alignment(Console *console);
/* The session was changed by somebody else: what it is made of runs again before anything else
 * does. */
void console_forget(Console *console);

/* ---- for the functions ---- */

/* The ledger of now. It has to be gone before the draft changes. */
Alignment *console_ledger(Console *console, Error *err);
/* The session's texts run on a new draft. */
bool console_rebuild(Console *console, Error *err);
/* Whether statements have run that are no line of the session: what is about lines cannot be done
 * then. */
bool console_has_loose(const Console *console);
/* A line joins the session after it has run. */
bool console_add_line(Console *console, const char *line, Error *err);

#endif
