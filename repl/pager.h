/* Pager: text that is longer than the screen, a page at a time. */
#ifndef REPL_PAGER_H
#define REPL_PAGER_H

#include <stddef.h>

/* Prints the text; on a terminal that it does not fit on through $PAGER, and without one page by
 * page: Space or Enter goes on, q stops. Safe to print. */
void pager_show(const char *text, size_t n);
/* How wide the terminal is; 80 where that is not known. */
size_t pager_columns(void);

#endif
