/* $XDG_CONFIG_HOME/tenon/init.lua: keys, colours and limits, before anything is opened. */
#ifndef REPL_INIT_FILE_H
#define REPL_INIT_FILE_H

#include "loader/core/text.h"

/* Runs it, where there is one. What is wrong with it is no failure: it is appended to `notes`, with
 * its line. */
void init_configure(Text *notes);

#endif
