/* Columns: a list of records as a table for people. */
#ifndef REPL_COLUMNS_H
#define REPL_COLUMNS_H

#include "loader/core/text.h"
#include "loader/core/value.h"

/* A line for each MAP of the list below one of names, a column for each field of the first (12 at
 * most); the last one is as wide as
 * it is. Names are escaped for a terminal. `empty` stands for an empty list. */
void columns_show(const Value *list, const char *empty, Text *out);

#endif
