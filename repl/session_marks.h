/* What follows from the pairs that were made by hand: every line of the session that is one rule
 * whose names are literal, `rules [[ a.0.w -> b.0.w ]]`, is a mark. */
#ifndef REPL_SESSION_MARKS_H
#define REPL_SESSION_MARKS_H

#include "loader/align/induce_marks.h"
#include "repl/snapshot.h"

typedef struct SessionMarks {
    const MarkResult *result;    /* the proposals' texts are lines for session_add_line */
    Alignment *alignment;        /* of the rules without the marks; the caller owns the reference:
                                    names of the result are its */
    size_t count;                /* marks that there are */
} SessionMarks;

/* Whether a line is a mark. */
bool session_line_is_mark(const char *line);
/* Whether it is one that makes this target. */
bool session_line_marks(const char *line, const char *target);
/* Goes on from the marks; false with an error when there is none, there is no target, or a mark
 * names what is not there. Everything but the alignment lies in the arena. */
bool session_marks(Snapshot *snapshot, const SnapshotRun *run, Arena *arena, SessionMarks *out,
                   Error *err);

#endif
