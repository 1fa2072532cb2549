/* The lines of a tree: into an outline of the viewer, or as indented text for a prompt. */
#ifndef REPL_TREE_LINES_H
#define REPL_TREE_LINES_H

#include "loader/tensor/object.h"
#include "viewer/outline.h"

typedef struct TreeLines {
    Panel *panel;                /* an outline, borrowed; NULL: `text` gets them */
    Text *text;                  /* borrowed */
    size_t count;                /* of lines so far */
    size_t left_out;             /* nodes that are one too many, or too deep */
} TreeLines;

/* `right` stands at the right border, or behind the text; NULL: nothing does. */
void tree_add(TreeLines *lines, unsigned depth, Style style, const char *text, const char *right);
/* An object and what is in it, below its name. Cycles end at a depth that nobody reads, and what a
 * file repeats without end where nobody goes on reading. */
void tree_add_object(TreeLines *lines, unsigned depth, const char *name, const Object *object);
/* Says what was left out, if anything was. */
void tree_end(TreeLines *lines);

#endif
