/* EmitLoop: lines that are alike but for numbers, as one line under the loops that give these.
 * For plan_emit.c. */
#ifndef LOADER_EXPORT_EMIT_LOOP_H
#define LOADER_EXPORT_EMIT_LOOP_H

#include "loader/core/memory.h"
#include "loader/core/text.h"

/* A table of numbers: a row for each line, a column for each place. */
typedef struct EmitTable {
    int64_t *cells;              /* [rows · columns]; owned by its maker; rows get sorted */
    size_t rows, columns;
} EmitTable;

typedef struct EmitLoop {
    const char *head;            /* "for i in range(12):\nfor j in range(2):\n", a line a level;
                                    "" where there is one row only; NULL: it takes too many
                                    variables; in the arena */
    unsigned levels;             /* lines of it */
    const char **places;         /* [columns] the column as an expression, "3 * i + j"; NULL: it is
                                    the same number in every row; in the arena */
} EmitLoop;

void emit_loop_make(Arena *arena, EmitTable *table, EmitLoop *out);

#endif
