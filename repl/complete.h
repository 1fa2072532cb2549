/* Completion of a line at a prompt: verbs; statements, facts, ops and functions, with how they are
 * called; keys, a segment at a time; the options of a table; files; states. What may stand at the
 * cursor is told from what a word takes, by the text in front of the cursor alone. */
#ifndef REPL_COMPLETE_H
#define REPL_COMPLETE_H

#include "loader/align/align.h"
#include "scripting/script.h"
#include "viewer/rows.h"

typedef struct CompleteFrom {
    const Alignment *alignment;  /* whose keys there are; NULL: none */
    const RowModel *rows;        /* of that alignment, which spare a look at every key; NULL */
    bool verbs;                  /* the verbs of the viewer as well */
    const ScriptWord *calls;     /* [call_count] functions beside the rule language */
    size_t call_count;
} CompleteFrom;

/* Completes the word before the cursor as far as it is certain: what it becomes is appended to
 * `word`, which stays empty where there is nothing to go on with. When there are several ways to go
 * on they are appended to `choices`, two blanks between; how a word is called, where it stands
 * there whole, as a line. Returns the offset at which the word begins. */
size_t complete_at(const CompleteFrom *from, const char *text, size_t cursor, Text *word,
                   Text *choices);

#endif
