/* Names for files that are made beside the one that they become: two threads, processes or hosts
 * that make it at once take two names, and nobody can have put something else there before. */
#ifndef LOADER_CORE_RANDOM_NAME_H
#define LOADER_CORE_RANDOM_NAME_H

#include "loader/core/text.h"

/* As often as it is tried to make a file under another name: one that is there is a rare thing. */
enum { RANDOM_NAME_TRIES = 100 };

/* Appends ".", six letters that nobody can have foreseen, and ".tmp". The caller creates the file
 * exclusively, and takes another name while that says EEXIST. False: errno says why there are no
 * such letters. */
bool random_name_add(Text *path);

#endif
