/* Reading a window (tensor_values.h): whatever the zoom, in pieces of bounded size. */
#ifndef VIEWER_TENSOR_WINDOW_H
#define VIEWER_TENSOR_WINDOW_H

#include "viewer/tensor_values.h"

/* cells->window says what; values and flags are zeroed and have room. `step` is asked after each
 * piece. */
bool window_read(const Numbers *numbers, WindowCells *cells, ProfileStep *step, void *context,
                 Error *err);
/* Whether two are of the same elements. */
bool window_same(const Window *a, const Window *b);

#endif
