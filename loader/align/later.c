/* Later: lists of what waits for the end of a script; see later.h. */
#include "loader/align/later.h"

#include <stdlib.h>

/* What the records point to lies in the draft's arena. */
void later_done(Later *later)
{
    free(later->matches);
    free(later->ties);
}

void later_match(Later *later, const MatchRule *rule)
{
    later->matches = mem_grow(later->matches, &later->match_room, later->match_count + 1,
                              sizeof *later->matches);
    later->matches[later->match_count++] = *rule;
}

void later_tie(Later *later, const TieRule *rule)
{
    later->ties =
        mem_grow(later->ties, &later->tie_room, later->tie_count + 1, sizeof *later->ties);
    later->ties[later->tie_count++] = *rule;
}
