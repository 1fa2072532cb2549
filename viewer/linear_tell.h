/* What the linear viewer says, as plain lines. */
#ifndef VIEWER_LINEAR_TELL_H
#define VIEWER_LINEAR_TELL_H

#include "viewer/view.h"

/* "12 of 58: head.fc.weight, shape f32 200×16, from module.head.fc.weight …"; a row of
 * `visible`. */
void tell_row(const View *view, size_t visible, Text *out);
/* The files and the ledger in numbers. */
void tell_counts(const View *view, Text *out);
/* Everything that a panel shows, below its title. */
void tell_panel(Panel *panel, Text *out);

#endif
