/* The functions behind the statements of words.h; statements.c holds those on names and rule
 * text, statements_values.c those that take Lua values, statements_match.c
 * match{…} and tie, statements_auto.c auto{…}, statements_resub.c resub, statements_source.c source
 * and alias, statements_groups.c freeze, group and
 * buffers, statements_meta.c meta and meta.keep. */
#ifndef SCRIPTING_STATEMENTS_H
#define SCRIPTING_STATEMENTS_H

#include "scripting/script_state.h"
#include "scripting/words.h"

#define STATEMENT_FUNCTION(name, args, help) bool run_##name(Call *call, Error *err);
STATEMENTS(STATEMENT_FUNCTION)
#undef STATEMENT_FUNCTION

/* meta.keep(…), which is no word of its own. */
bool run_meta_keep(Call *call, Error *err);

/* A pattern over target keys, in the draft's arena, where the ledger finds it later. */
const Pattern *compile_pattern(Call *call, const char *text, Error *err);
/* Charges for so many lines of rule text over every key; false when the limit is reached. */
bool charge_lines(Call *call, size_t lines);
/* Runs compiled rules over the draft. */
bool apply_rules(Call *call, const RuleBlock *block, Error *err);

#endif
