/* Snapshot: what a session stood on at a moment: both sides, and the texts of its rules. It aligns
 * by itself, on any thread, while the session goes on; one run at a time. Lua is in here alone:
 * every run has a sandbox of its own, made and closed by the thread that runs. */
#ifndef REPL_SNAPSHOT_H
#define REPL_SNAPSHOT_H

#include <stdatomic.h>

#include "loader/align/align.h"
#include "repl/judge_book.h"
#include "scripting/script.h"

/* LINE: made by hand, in a session that is at work. */
typedef enum RulesKind {
    RULES_FILE, RULES_CODE, RULES_PRESET, RULES_AUTO, RULES_LINE
} RulesKind;

/* One text of the session's rules, for whoever runs them, writes them out, or brings them. */
typedef struct SessionText {
    RulesKind kind;
    const char *name;        /* path, "-e", "--preset NAME"; ":" for lines made by hand */
    const char *text;        /* [length] as last read */
    size_t length;
    bool off;                /* it does not run */
} SessionText;

/* All but the rules. */
typedef struct SnapshotSides {
    Checkpoint *source;
    const char *source_file, *source_inside;     /* FILE, and PATH or NULL */
    const char *source_name;     /* FILE as the user gave it */
    const char *source_folder, *session_folder;  /* scripts may read JSON there; NULL */
    Error unopened;              /* of a folder that no format knows, for want of a source(…) */
    StateDict *target;           /* NULL without one */
    uint64_t seed;
    const char *lexicon_path, *model, *log_preset;   /* as in ScriptOptions and SessionOptions */
} SnapshotSides;

typedef struct Snapshot Snapshot;

/* Everything is copied, or kept alive. */
Snapshot *snapshot_new(const SnapshotSides *sides);
void snapshot_free(Snapshot *snapshot);              /* NULL is fine */
/* Borrowed. */
const SnapshotSides *snapshot_sides(const Snapshot *snapshot);
/* One more text behind those that are there; copied. */
void snapshot_add(Snapshot *snapshot, const SessionText *text);
/* What values say of what is found without a rule; to be filled and taken by its owner. */
JudgeBook *snapshot_judged(Snapshot *snapshot);

/* Of the texts only the first `count`, and of the next one its first `bytes` bytes. */
typedef struct SnapshotPart {
    size_t count, bytes;
} SnapshotPart;

typedef struct SnapshotRun {
    const SnapshotPart *part;    /* what runs of the texts; NULL: all */
    bool (*leave)(const char *line);     /* lines made by hand that do not; NULL: all do */
    size_t without;              /* nor does the text of this number, from 1; 0: it does */
    const char *extra;           /* a line behind all texts, which is being tried; NULL */
    const atomic_bool *interrupt;    /* becomes true to stop it; NULL: Ctrl-C does */
    const atomic_bool *halt;     /* becomes true to stop the scripts alone, as an error in them
                                    would; NULL: `interrupt` does */
    const AlignWatch *watch;     /* asked while the ledger is made; NULL */
} SnapshotRun;

/* Runs every text in a fresh sandbox and closes the ledger. A script that fails still gives an
 * Alignment of what stood before it, with an error note; `err` is then set and *failed true. NULL
 * only when nothing can be said. The caller owns the reference. */
Alignment *snapshot_align(Snapshot *snapshot, const SnapshotRun *run, bool *failed, Error *err);
/* The same, but NULL when a script fails. */
Alignment *snapshot_try(Snapshot *snapshot, const SnapshotRun *run, Error *err);
/* What the texts of the last run, or its extra line alone, printed; "" if nothing. */
const char *snapshot_output(const Snapshot *snapshot);
/* Runs the texts on a draft of something else, as far as they go. */
void snapshot_rehearse(Snapshot *snapshot, Draft *draft);

/* For a prompt, whose script goes on: a draft on which no text has run, which the snapshot has to
 * outlive; and what a script on it is to know. */
Draft *snapshot_draft(const Snapshot *snapshot);
ScriptOptions snapshot_script_options(const Snapshot *snapshot);
/* The index-th text; false: there are no more. */
bool snapshot_text(const Snapshot *snapshot, size_t index, SessionText *out);

#endif
