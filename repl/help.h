/* Pages of text for the pager: help, made from the tables of keys, verbs, states and
 * statements; and the notes of a ledger. */
#ifndef REPL_HELP_H
#define REPL_HELP_H

#include "repl/verb.h"

void help_page(const Verb *verbs, size_t count, Text *out);
/* Rule notes, collisions, warnings of both files; "" when there are none. */
void help_notes(const Session *session, const Alignment *alignment, Text *out);

#endif
