/* Keys: which key runs which verb line, in one table; help is made from it. */
#ifndef REPL_KEYS_H
#define REPL_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/core/error.h"
#include "viewer/press.h"

typedef struct KeyBinding {
    const char *panel;           /* only while a panel of this name is on show; "": everywhere */
    const char *key;             /* as press_name spells it */
    const char *line;            /* a verb line */
    const char *help;
} KeyBinding;

const KeyBinding *key_table(size_t *count);
/* The user's own, in the order in which they were bound. */
const KeyBinding *key_own(size_t *count);
/* Binds a key otherwise, from now on: in a panel of that name ("": everywhere) to a verb line,
 * which the caller has checked; "" is nothing. False for a key or a panel that there is not. */
bool key_bind(const char *panel, const char *key, const char *line, Error *err);
/* Only the table's keys are bound. */
void key_reset(void);
/* The verb line of a press while a panel is on show (NULL: the list); NULL when it has none. What
 * is bound for the panel wins over what is bound everywhere. */
const char *key_line(Press press, const char *panel);
/* A key that runs the line while a panel is on show (NULL: the list), the user's newest, else the
 * first of help's; NULL: none does. */
const char *key_for(const char *line, const char *panel);
/* The same in the list. */
const char *key_of(const char *line);
/* Whether it is bound for that panel itself. */
bool key_is_for(Press press, const char *panel);

#endif
