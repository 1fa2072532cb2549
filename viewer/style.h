/* Style: what a cell may look like; the one table from which every terminal's colours come.
 *
 * Meaning is never carried by colour alone: glyphs and words say the same. */
#ifndef VIEWER_STYLE_H
#define VIEWER_STYLE_H

#include <stdint.h>

enum { LOOK_PLAIN = 0, LOOK_BOLD = 1, LOOK_DIM = 2, LOOK_UNDERLINE = 4, LOOK_REVERSE = 8 };

/* id, foreground in 256, 16 and 8 colours (-1 = the terminal's own), look beside the colour,
 * look without colours */
#define STYLES(X)                                                        \
    X(STYLE_PLAIN, -1, -1, -1, LOOK_PLAIN, LOOK_PLAIN)                   \
    X(STYLE_TITLE, -1, -1, -1, LOOK_BOLD, LOOK_BOLD)                     \
    X(STYLE_BORDER, 240, 8, -1, LOOK_PLAIN, LOOK_PLAIN)                  \
    X(STYLE_DIM, 245, 8, -1, LOOK_PLAIN, LOOK_PLAIN)                     \
    X(STYLE_MODULE, 75, 12, 4, LOOK_PLAIN, LOOK_PLAIN)                   \
    X(STYLE_EXACT, 71, 2, 2, LOOK_PLAIN, LOOK_PLAIN)                     \
    X(STYLE_RENAMED, 78, 10, 2, LOOK_PLAIN, LOOK_PLAIN)                  \
    X(STYLE_MADE, 80, 14, 6, LOOK_PLAIN, LOOK_PLAIN)                     \
    X(STYLE_SHAPE, 214, 11, 3, LOOK_BOLD, LOOK_BOLD)                     \
    X(STYLE_MISSING, 203, 9, 1, LOOK_BOLD, LOOK_BOLD)                    \
    X(STYLE_AMBIGUOUS, 177, 13, 5, LOOK_BOLD, LOOK_BOLD)                 \
    X(STYLE_UNUSED, 180, 3, 3, LOOK_PLAIN, LOOK_PLAIN)                   \
    X(STYLE_DROPPED, 245, 8, -1, LOOK_PLAIN, LOOK_DIM)                   \
    X(STYLE_ERROR, 203, 9, 1, LOOK_BOLD, LOOK_BOLD)                      \
    X(STYLE_HIT, 220, 11, 3, LOOK_BOLD | LOOK_UNDERLINE, LOOK_UNDERLINE) \
    X(STYLE_KEY, 75, 12, 6, LOOK_BOLD, LOOK_BOLD)                        \
    X(STYLE_BELOW_1, 24, 4, 4, LOOK_PLAIN, LOOK_PLAIN)                   \
    X(STYLE_BELOW_2, 32, 4, 4, LOOK_PLAIN, LOOK_PLAIN)                   \
    X(STYLE_BELOW_3, 39, 12, 4, LOOK_BOLD, LOOK_BOLD)                    \
    X(STYLE_ABOVE_1, 94, 1, 1, LOOK_PLAIN, LOOK_PLAIN)                   \
    X(STYLE_ABOVE_2, 166, 1, 1, LOOK_PLAIN, LOOK_PLAIN)                  \
    X(STYLE_ABOVE_3, 208, 9, 1, LOOK_BOLD, LOOK_BOLD)

#define STYLE_ENUM(id, many, sixteen, eight, look, mono) id,
typedef enum Style { STYLES(STYLE_ENUM) STYLE_COUNT } Style;
#undef STYLE_ENUM

/* Flags a cell's style may carry besides: the cursor, and its paler half. */
enum { STYLE_REVERSED = 0x80, STYLE_BOLDER = 0x40, STYLE_MASK = 0x3F };

#endif
