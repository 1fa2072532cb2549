/* Session: one source, one target, the rules between them, and what they come to.
 *
 * The command line makes one, aligns once and prints; the viewer keeps one, adds a line of
 * Lua for every change made by hand, and aligns again. Undo is text: the list of lines. */
#ifndef REPL_SESSION_H
#define REPL_SESSION_H

#include "repl/opening.h"
#include "repl/snapshot.h"

/* One -r, -e or --preset of the command line, in order. */
typedef struct RulesArgument {
    RulesKind kind;
    const char *text;        /* a path, the code, the preset's name, or what --auto comes to as a
                                statement */
} RulesArgument;

/* Who opens files instead of opened_wait, for whoever must not wait for them. */
typedef struct SessionOpener {
    void (*open)(void *context, Opened *opened);
    void *context;
} SessionOpener;

typedef struct SessionOptions {
    const char *source;      /* FILE[::PATH]; NULL or "": nothing is open yet */
    const char *target;      /* FILE[::PATH], a schema, or NULL */
    const RulesArgument *rules;
    size_t rule_count;
    const SessionText *texts;    /* behind them: of a session that was saved; files are not read */
    size_t text_count;
    uint64_t seed;
    const char *file;            /* where the session was saved; NULL */
    const char *model;       /* the class of the model, for what presets say; NULL = not known */
    const char *log_preset;  /* whose messages are wanted, also where no rule calls it; NULL */
    /* What was opened already, under the names above; borrowed. NULL: open it. */
    Checkpoint *source_opened, *target_opened;
    const SessionOpener *opener; /* NULL: nobody; borrowed for the call */
} SessionOptions;

typedef struct Session Session;

/* Opens source and target. Borrows nothing. */
Session *session_new(const SessionOptions *options, Error *err);
void session_free(Session *session);

Checkpoint *session_source(const Session *session);
Checkpoint *session_target_checkpoint(const Session *session);   /* NULL without a target */
StateDict *session_target(const Session *session);
const char *session_target_container(const Session *session);
const char *session_source_path(const Session *session);         /* as the user gave it */
const char *session_target_path(const Session *session);         /* NULL without a target */
/* The rules files, in order, then "-e" for code: what reports list. */
size_t session_rule_files(const Session *session, const char *const **files);
uint64_t session_seed(const Session *session);
/* The file in which the session was saved; NULL: in none. */
const char *session_file(const Session *session);

/* Runs every rule text in a fresh sandbox and closes the ledger. A script that fails still
 * gives an Alignment of what stood before it, with an error note; `err` is then set and
 * *failed true. NULL only when nothing can be said (no container, unreadable rules file).
 * The caller owns the reference. */
Alignment *session_align(Session *session, bool *failed, Error *err);
/* The same where nothing is to be suggested: for who only wants to know what was chosen. */
Alignment *session_states(Session *session, bool *failed, Error *err);

/* What the session stands on now, with its rules as they were last read; for a job. Whatever
 * happens to the session meanwhile, it is to be given back. */
Snapshot *session_snapshot(Session *session);
/* The same for whoever keeps it: it is not given back, and has learned nothing yet. */
Snapshot *session_copy(const Session *session);
/* Takes what the snapshot has learned, its output included, and frees it. */
void session_give_back(Session *session, Snapshot *snapshot);
/* Reads the rules files again. */
bool session_read_rules(Session *session, Error *err);

size_t session_text_count(const Session *session);
/* The index-th text of the rules, in the order in which they run; false: there are no more. */
bool session_text(const Session *session, size_t index, SessionText *out);
/* What this text alone would come to, in place of all rules. NULL and an error when it fails. The
 * caller owns the reference. */
Alignment *session_run(Session *session, const char *text, const char *name, Error *err);

/* ---- changes, each one step for undo ---- */

/* The lines made by hand that run: one statement each. */
size_t session_line_count(const Session *session);
const char *session_line(const Session *session, size_t index);
void session_add_line(Session *session, const char *line);       /* behind everything else */
/* Takes all lines out that `leave` says, and puts one in their stead (NULL: none). `what` is for
 * session_undo_what. */
void session_swap_lines(Session *session, bool (*leave)(const char *line), const char *line,
                        const char *what);
void session_turn(Session *session, size_t index, bool off);
void session_move(Session *session, size_t index, size_t to);
void session_remove(Session *session, size_t index);
/* Puts lines in place of a text: its parts up to each of `ends`, but those of comments alone. */
void session_split(Session *session, size_t index, const size_t *ends, size_t count);
/* Another text in place of what is no file; a line stays one. */
void session_rewrite(Session *session, size_t index, const char *text);
/* The file that session_open_side opens for it, in *file; NULL: it is open already. False: what
 * rules say of the name is refused. */
bool session_side_file(Session *session, int side, const char *path, const char **file, Error *err);
/* Whether files of the source (side 0) or the target (1) were written since they were opened. */
bool session_side_changed(const Session *session, int side);
/* Another source (side 0) or target (1), FILE[::PATH]. What is open already is not opened again,
 * unless it has changed on disk.
 * On failure nothing has changed. */
bool session_open_side(Session *session, int side, const char *path, const SessionOpener *opener,
                       Error *err);
/* Marks a key of the source (side 0) or target (1) to be matched, or unmarks it. Marks go with any
 * change of the rules. */
void session_mark(Session *session, int side, const char *key);
void session_unmark_all(Session *session);
/* The marked keys of a side, in the order of marking. */
size_t session_marked(const Session *session, int side, const char *const **keys);

/* What the next undo takes back, the next redo puts there again; NULL: there is nothing. */
const char *session_undo_what(const Session *session);
const char *session_redo_what(const Session *session);
bool session_undo(Session *session);                             /* false: nothing to undo */
bool session_redo(Session *session);
/* Undoes the last change for good, as if it had not been. */
void session_take_back(Session *session);
/* Equal before and after a change that leaves the ledger as it is, such as a mark. */
unsigned session_rules_version(const Session *session);
bool session_is_saved(const Session *session);
/* Appends the lines that run to a rules file, atomically; they become part of it (the file joins
 * the session's rules when it was not among them). Refused where they would run elsewhere then.
 * There is nothing to undo behind it. */
bool session_save_lines(Session *session, const char *path, Error *err);
/* Whether a rules file changed on disk since it was last read; if so it will be read again. */
bool session_rules_changed(Session *session);

/* What one more line would do, without keeping it: the ledger it would give. NULL and an
 * error when the line is wrong or incomplete. The caller owns the reference. */
Alignment *session_try(Session *session, const char *line, Error *err);
/* What the line that was tried last, or else the rules of the last session_align printed: the
 * value of an expression, print(); "" if nothing. Borrowed until the next of either. */
const char *session_output(const Session *session);

#endif
