/* Lexicon files: words of names that mean the same, for automatic alignment. A file is Lua, run in
 * a sandbox of its own, in which three functions are known (tenon-rules(5), LEXICON):
 *
 *   meaning {"q_proj", "query", from="who says so"}   words at any place of a name
 *   role {"weight", "kernel", "gamma"}                the last word
 *   wrapper "module"                                  a segment that says nothing
 */
#ifndef SCRIPTING_LEXICON_H
#define SCRIPTING_LEXICON_H

#include "loader/align/auto.h"

/* The bundled lexicon and what the file at `path` adds to it (NULL: nothing; *found says whether
 * there is such a file). In the arena. NULL with an error "PATH:LINE: what is wrong". */
const Lexicon *lexicon_load(Arena *arena, const char *path, bool *found, Error *err);

#endif
