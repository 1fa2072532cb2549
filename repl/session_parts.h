/* The parts of a Session: session.c opens and aligns, session_rules.c changes what it consists of,
 * session_file.c writes it down.
 *
 * What a session consists of is a SessionState. A state is never changed: whatever is done makes a
 * new one behind it, and undo goes back to the one before. Texts and opened files are shared by the
 * states that hold them. */
#ifndef REPL_SESSION_PARTS_H
#define REPL_SESSION_PARTS_H

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "repl/file_stamps.h"
#include "repl/judge_book.h"
#include "repl/session.h"

/* One rules file, piece of code or line, with its text as last read. */
typedef struct RulesText {
    RulesKind kind;              /* only a file is read again */
    const char *name;            /* path, "-e"…; of a line ""; in the arena */
    char *text;                  /* owned */
    size_t length;               /* bytes of text, without its closing NUL */
    struct timespec changed;     /* of the file when it was read */
    off_t size;                  /* and its bytes then */
} RulesText;

/* The two sides, opened. Paths lie in the arena of the session. */
typedef struct SessionFiles {
    unsigned refs;
    /* FILE::PATH as the user gave it, FILE, and PATH or NULL; for the target NULL without one. */
    const char *source_path, *source_file, *source_inside;
    const char *source_name;     /* FILE as the user gave it, where an alias says where it lies */
    const char *target_path, *target_file, *target_inside;
    Error unopened;              /* of a folder that no format knows, for want of a source(…);
                                    code 0: the source was opened */
    char *source_folder;         /* owned; where the source lies: scripts may read JSON there */
    Checkpoint *source, *target_checkpoint;      /* references; no target: NULL */
    FileStamps stamps[2];        /* of the source's files and the target's, as they were opened */
    StateDict *target;           /* borrowed from target_checkpoint, or made */
    StateDict *made_target;      /* a reference; of the text of a failed load; NULL */
    const char *target_container;    /* its path in the target; borrowed */
} SessionFiles;

/* A rules text at its place. */
typedef struct RuleItem {
    RulesText *text;             /* the session's */
    bool off;                    /* it does not run */
} RuleItem;

typedef struct KeyMarks {
    const char **keys;           /* owned, [count]; in the arena; in the order of marking */
    size_t count;
} KeyMarks;

typedef struct SessionState {
    const char *what;            /* what made it of the state before, for people; in the arena */
    unsigned rules_version;      /* equal in states with the same rules and files */
    SessionFiles *files;         /* a reference */
    RuleItem *items;             /* owned, [count], in the order in which they run */
    size_t count;
    KeyMarks marks[2];           /* of the source and the target: keys to be matched */
} SessionState;

struct Session {
    Arena *arena;                /* paths, names and what states say */
    RulesText **texts;           /* owned, with what they point to: all that any state holds */
    size_t text_count, text_room;
    SessionState **states;       /* owned; the present one is states[at], later ones were undone */
    size_t state_count, state_room, at;
    unsigned version;            /* the last that a state got */
    unsigned saved;              /* the version that was saved last */
    const char **names;          /* of rules, for reports; owned, made when asked for */
    uint64_t seed;               /* for fills */
    const char *lexicon_path;    /* of the user's words for auto{}; in the arena; NULL: no home */
    const char *model, *log_preset;  /* as in SessionOptions; in the arena */
    const char *file;            /* where the session was saved or read from; in the arena; NULL */
    JudgeBook judged;            /* what values say of what was found without a rule */
    Text output;                 /* what the rules, or the line that was tried, printed */
};

enum { RULES_BYTES_MAX = 16 << 20 };     /* of one rules file; a person writes a few thousand */

static inline SessionState *session_now(const Session *session)
{
    return session->states[session->at];
}

/* Opens both sides; what `options` says was opened already is taken over. NULL with an error. The
 * caller owns the reference. */
SessionFiles *session_open_files(Session *session, const SessionOptions *options, Error *err);
void session_files_unref(SessionFiles *files);
/* FILE and PATH of FILE::PATH, behind what an alias makes of it; in the arena. */
bool session_split_name(Session *session, const char *name, const char **file, const char **inside,
                        Error *err);

/* A text of the session from a -r, -e (which is called `code_name`), --preset or --auto; NULL with
 * an error when its file cannot be read. */
RulesText *session_read_text(Session *session, const RulesArgument *argument,
                             const char *code_name, Error *err);
/* One that is copied. */
RulesText *session_new_text(Session *session, RulesKind kind, const char *name, const char *text,
                            size_t n);
/* Reads a rules file again; the old text stays when that fails. */
bool session_read_again(RulesText *rules, Error *err);

/* The state that comes before any change: no rules, no files. */
void session_begin(Session *session);
/* Puts a text at the end of a state. */
void session_append(SessionState *state, RulesText *text, bool off);
void session_free_states(Session *session);

#endif
