/* What the functions of the prompt (calls*.c) share. */
#ifndef REPL_CALLS_PARTS_H
#define REPL_CALLS_PARTS_H

#include "repl/console.h"

/* Something long that a function does, and what it is called while it lasts. */
typedef struct CallWork {
    const Console *console;
    const char *what;
} CallWork;

/* Tells the console how far a CallWork has come; false: stop. A progress of most things. */
bool call_step(void *work, uint64_t done, uint64_t total);

bool call_takes(const Value *arguments, size_t most, Error *err);
/* NULL: it was not given. */
const Value *call_argument(const Value *arguments, size_t index);
/* *text stays as it is where nothing was given, or nil. */
bool call_text(const Value *arguments, size_t index, const char *what, const char **text,
               Error *err);
/* Of a function that takes a side and no more; the source where none is given. */
bool call_side(const Console *console, const Value *arguments, bool *target, Error *err);
/* False where statements have run that are no lines. */
bool call_needs_lines(const Console *console, Error *err);

#endif
