/* Keys: which key runs which verb line, in one table; help is made from it. */
#ifndef REPL_KEYS_H
#define REPL_KEYS_H

#include <stddef.h>

#include "viewer/press.h"

typedef struct KeyBinding {
    const char *key;             /* as press_name spells it */
    const char *line;            /* a verb line */
    const char *help;
} KeyBinding;

const KeyBinding *key_table(size_t *count);
/* The verb line of a press; NULL when it has none. */
const char *key_line(Press press);

#endif
