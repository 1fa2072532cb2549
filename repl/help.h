/* Pages of text for the pager: help, made from the tables of keys, verbs, states and
 * statements; and the notes of a ledger. */
#ifndef REPL_HELP_H
#define REPL_HELP_H

#include "repl/verb.h"

/* With the keys of the panel of that name first; "": of none. */
void help_page(const Verb *verbs, size_t count, const char *panel, Text *out);
/* What is called `word`: a verb, a statement, an op, a key; "" when nothing is. */
void help_word(const Verb *verbs, size_t count, const char *word, Text *out);
/* Rule notes, collisions, warnings of both files; "" when there are none. */
void help_notes(const Session *session, const Alignment *alignment, Text *out);

#endif
