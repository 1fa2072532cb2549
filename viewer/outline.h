/* Outline: a panel that is a list of lines with a cursor; lines may stand in each other and fold.
 * The rules, a choice among several, metadata, the tree of objects are such. */
#ifndef VIEWER_OUTLINE_H
#define VIEWER_OUTLINE_H

#include <stddef.h>

#include "viewer/panel.h"

enum { OUTLINE_NONE = 0xFFFFFFFFu };

typedef struct OutlineLine {
    const char *sign;                /* one or two columns before the text; NULL: none */
    const char *text;                /* what is too long loses its middle */
    const char *right;               /* at the right border; NULL: nothing */
    uint8_t style, sign_style;       /* a Style */
    uint8_t depth;                   /* greater than that of the line before: it stands in it */
    bool closed;                     /* what stands in it is hidden, to begin with */
    uint32_t item;                   /* what the owner knows it by */
} OutlineLine;

typedef struct OutlineOptions {
    const char *name, *hint;         /* literals: as in PanelOps */
    const char *title;               /* copied */
    void *owner;                     /* borrowed: what `refresh` is called with */
    void (*refresh)(Panel *panel, void *owner);      /* fills it anew; NULL: never */
    void (*enter)(Panel *panel, void *owner);        /* Enter on a line that does not fold; NULL */
    void (*poll)(Panel *panel, void *owner);         /* while panel->busy; NULL: never */
    void (*free)(void *owner);       /* when it closes; NULL: nothing */
} OutlineOptions;

Panel *outline_new(const OutlineOptions *options);
/* Whether a panel is an outline of that name. */
bool outline_is(const Panel *panel, const char *name);
/* What the options said. */
void *outline_owner(const Panel *panel);
/* Takes all lines out. The cursor stays at its item, or else at its place, when it is filled
 * again. */
void outline_clear(Panel *panel);
/* Appends a line; texts are copied. */
void outline_add(Panel *panel, const OutlineLine *line);
/* The item under the cursor; OUTLINE_NONE when it is empty. */
uint32_t outline_item(const Panel *panel);
/* Puts the cursor on the first line of that item, and opens what hides it. */
void outline_goto(Panel *panel, uint32_t item);

#endif
