/* Where the statements of a rules text end, so that it can be run in parts. */
#ifndef REPL_STATEMENT_ENDS_H
#define REPL_STATEMENT_ENDS_H

#include <stddef.h>

/* Bytes of the text behind which a line ends and all that stands before is whole by itself; the
 * last is its length. The caller frees; *count is 0 for an empty text. */
size_t *statement_ends(const char *text, size_t n, size_t *count);

#endif
