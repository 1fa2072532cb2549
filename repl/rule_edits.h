/* Changes of a rules text that have to be tried before they are kept. */
#ifndef REPL_RULE_EDITS_H
#define REPL_RULE_EDITS_H

#include "repl/session.h"
#include "viewer/change.h"

/* Takes a text apart into its statements, a line each; false with an error, and nothing changed,
 * when it is one, or they do not come to the same one by one. `now` is what the rules come to. */
bool rule_split(Session *session, const Alignment *now, size_t index, Error *err);
/* Does so without a trial, for whoever makes the ledger anyway: by what changes it may stay, or is
 * to be taken back. */
bool rule_split_untried(Session *session, size_t index, Error *err);
bool rule_split_stays(const Changes *changes, Error *err);
/* Another text in place of what is no file; false with an error, and nothing changed, when the
 * rules do not run with it. */
bool rule_rewrite(Session *session, size_t index, const char *text, Error *err);

#endif
