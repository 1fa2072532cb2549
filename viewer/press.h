/* Press: one thing the user did: a key, a turn of the wheel, a new window size. */
#ifndef VIEWER_PRESS_H
#define VIEWER_PRESS_H

#include <stdint.h>

#include "loader/core/text.h"

/* kind, its name in the key table (NULL: not bindable) */
#define PRESSES(X)                                                                   \
    X(PRESS_CHAR, NULL) X(PRESS_CTRL, NULL) X(PRESS_UP, "Up") X(PRESS_DOWN, "Down")  \
    X(PRESS_LEFT, "Left") X(PRESS_RIGHT, "Right") X(PRESS_PAGE_UP, "PgUp")           \
    X(PRESS_PAGE_DOWN, "PgDn") X(PRESS_HOME, "Home") X(PRESS_END, "End")             \
    X(PRESS_ENTER, "Enter") X(PRESS_TAB, "Tab") X(PRESS_BACK_TAB, "BackTab")         \
    X(PRESS_BACKSPACE, "Backspace") X(PRESS_DELETE, "Delete") X(PRESS_ESCAPE, "Esc") \
    X(PRESS_CLICK, NULL) X(PRESS_DRAG, NULL) X(PRESS_RELEASE, NULL)                  \
    X(PRESS_WHEEL_UP, "WheelUp") X(PRESS_WHEEL_DOWN, "WheelDown")                    \
    X(PRESS_PASTE, NULL)  /* what follows was pasted, … */                           \
    X(PRESS_PASTED, NULL) /* … up to here */                                         \
    X(PRESS_RESIZE, NULL) /* the size changed: ask for it and draw again */          \
    X(PRESS_CLOSE, NULL)  /* the terminal is gone, or the process is to end */       \
    X(PRESS_OTHER, NULL)  /* a key nobody knows */

#define PRESS_ENUM(id, name) id,
typedef enum PressKind { PRESSES(PRESS_ENUM) PRESS_KIND_COUNT } PressKind;
#undef PRESS_ENUM

typedef struct Press {
    PressKind kind;
    uint32_t code;   /* CHAR: the character; CTRL: its letter, 'A'…'Z'; CLOSE: the signal or 0 */
    int x, y;        /* CLICK, DRAG (moved with the button down), RELEASE: the cell */
} Press;

/* Esc, or Ctrl-C, which arrives as a key: stop, or leave. */
bool press_is_cancel(Press press);
/* As the key table spells it: "q", "Space", "Ctrl-R", "PgUp"; "" for what cannot be bound. */
void press_name(Press press, Text *out);
/* The inverse; false when `name` is none. */
bool press_parse(const char *name, Press *press);

#endif
