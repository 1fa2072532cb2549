/* TypedAhead: what was typed before there is a list. Keys that move through names, and those that
 * leave, do so at once; the others wait, in their order, for the list they are about. */
#ifndef REPL_TYPED_AHEAD_H
#define REPL_TYPED_AHEAD_H

#include "viewer/panel.h"
#include "viewer/press.h"

typedef struct TypedAhead {
    Press *presses;          /* owned; [next, count) are still to come */
    size_t next, count, room;
    bool pasting;            /* the terminal says that what comes now was pasted … */
    int64_t paste_at;        /* … the last of it at that time, as clock_ms counts */
} TypedAhead;

/* What became of a press while names are all there is. */
typedef enum AheadPress {
    AHEAD_NOTHING,           /* it means nothing here */
    AHEAD_MOVED,             /* in the names */
    AHEAD_CHANGED,           /* it waits, or what waited was forgotten */
    AHEAD_CANCEL,            /* Esc, or Ctrl-C */
    AHEAD_QUIT               /* the user's key for it */
} AheadPress;

/* `names` is the panel on show; NULL: there is none. */
AheadPress typed_ahead_press(TypedAhead *ahead, Press press, Panel *names);
/* The next one that waits; false when there is none. */
bool typed_ahead_next(TypedAhead *ahead, Press *press);
/* Appends "3 keys wait for the list; Esc forgets them"; nothing when none waits. */
void typed_ahead_tell(const TypedAhead *ahead, Text *out);
void typed_ahead_done(TypedAhead *ahead);

#endif
