#include "repl/rule_edits.h"

#include <stdlib.h>

#include "repl/statement_ends.h"

/* What all rules come to as they are now. */
static Alignment *run_all(Session *session, Error *err)
{
    Snapshot *snapshot = session_snapshot(session);
    Alignment *after = snapshot_try(snapshot, &(SnapshotRun){.part = NULL}, err);
    session_give_back(session, snapshot);
    return after;
}

bool rule_split_untried(Session *session, size_t index, Error *err)
{
    SessionText text;
    size_t count;
    if (!session_text(session, index, &text))
        return error_set(err, ERR_USAGE, "there is no such rules text");
    size_t *ends = statement_ends(text.text, text.length, &count);
    if (count > 1) session_split(session, index, ends, count);
    free(ends);
    return count > 1 || error_set(err, ERR_USAGE, "it is one statement");
}

/* What comes of the parts has to be what came of the whole: locals do not reach from one line to
 * another. */
bool rule_split_stays(const Changes *changes, Error *err)
{
    return changes_are_none(changes) ||
           error_set(err, ERR_RULE, "its statements do not come to the same one by one: a local "
                     "of one may be used by another");
}

bool rule_split(Session *session, const Alignment *now, size_t index, Error *err)
{
    if (!rule_split_untried(session, index, err)) return false;
    Changes changes = {.load = 1};       /* as of rules that do not run */
    Error alone = {0};
    Alignment *after = run_all(session, &alone);
    if (after) changes_init(&changes, now, after);
    const bool stays = rule_split_stays(&changes, err);
    changes_done(&changes);
    align_unref(after);
    if (!stays) session_take_back(session);
    return stays;
}

bool rule_rewrite(Session *session, size_t index, const char *text, Error *err)
{
    SessionText old;
    if (session_text(session, index, &old) && old.kind == RULES_FILE)
        return error_set(err, ERR_USAGE, "%s is a file: edit it there, and reload",
                         old.name);
    session_rewrite(session, index, text);
    Error problem = {0};
    Alignment *after = run_all(session, &problem);
    bool runs = after != NULL;
    align_unref(after);
    if (runs) return true;
    session_take_back(session);
    return error_set(err, problem.code, "%s", problem.text);
}
