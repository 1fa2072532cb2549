/* A saved session in place of a source: its files, its seed, and itself as the rules. */
#ifndef REPL_RESUME_H
#define REPL_RESUME_H

#include "repl/command.h"

/* Where the only operand is a saved session, the invocation is made one of its files and rules;
 * others are left as they are. What is new in it lies in the arena. */
bool resume_operands(Invocation *invocation, Arena *arena, Error *err);

#endif
