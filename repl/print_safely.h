/* Bytes of others on a stream that may be a terminal. */
#ifndef REPL_PRINT_SAFELY_H
#define REPL_PRINT_SAFELY_H

#include <stddef.h>
#include <stdio.h>

/* As they are; but on a terminal whatever moves a cursor, colours it or turns the direction of text
 * is escaped, as \x1b. */
void print_safely(FILE *stream, const char *bytes, size_t n);

#endif
