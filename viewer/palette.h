/* Palette: which colour each style has, where the user has said another one than the table. It is
 * set before a terminal is opened; nothing else changes it. */
#ifndef VIEWER_PALETTE_H
#define VIEWER_PALETTE_H

#include "loader/core/error.h"
#include "viewer/style.h"

#include <stdbool.h>

/* `name` is a state ("missing"), "loaded" for its kinds, or a part of the screen ("border"; the
 * names of STYLES). `colour` is a name ("green", "bright-red", "default"), a number of the 256, or
 * "#rrggbb"; behind it may stand looks: "green bold underline". The error lists what there is. */
bool palette_set(const char *name, const char *colour, Error *err);
/* Everything as the table has it. */
void palette_reset(void);
/* The colour on a terminal of so many, the nearest that it has; -1: the terminal's own. From 2^24
 * on it is red, green and blue in one number. */
int palette_colour(Style style, int colours);
/* LOOK_ flags, beside a colour or without colours. */
int palette_look(Style style, bool colours);

#endif
