/* Fault: an error of a script for people, with the line that it is about. */
#ifndef REPL_FAULT_H
#define REPL_FAULT_H

#include <stddef.h>

#include "loader/core/error.h"
#include "loader/core/text.h"

/* The error's text, without the place of a text that was typed (":3:1: "), and below it the line
 * that the place is about: of `text` where it was typed, or the place names it, else of the file
 * that the place names. Everything is safe to print. */
void fault_show(const Error *err, const char *name, const char *text, Text *out);

#endif
