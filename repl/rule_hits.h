/* RuleHits: which rule touched what: of every text of a session's rules, and of every line in it,
 * the targets that went through it and the source tensors that ended there. */
#ifndef REPL_RULE_HITS_H
#define REPL_RULE_HITS_H

#include "repl/session.h"

typedef struct RuleHits RuleHits;

/* Of a ledger that is of other rules than the session's the counts may be wrong. */
RuleHits *rule_hits_new(const Session *session, const Alignment *alignment);
void rule_hits_free(RuleHits *hits);
/* Of the index-th text, or of one line of it (from 1; 0: of all of it). */
size_t rule_hits_count(const RuleHits *hits, size_t text, size_t line);
/* The same, as names, in the order of the ledger. In the arena; names are the ledger's. */
size_t rule_hits_names(const Session *session, const Alignment *alignment, size_t text,
                       size_t line, Arena *arena, const char *const **names);
/* The text that a place of the ledger is in; SIZE_MAX: in none. Of several of a name the first. */
size_t rule_hits_text(const Session *session, const Origin *origin);

#endif
