/* Journal: what a change of a file's first bytes is about, beside the file (".NAME.tenon-undo"), so
 * that a kill leaves something to go on with, and undo something to go back to.
 *
 *   "tenon undo 1\n" | u8 state | u64 device, inode, size before, inserted, n, m
 *   n bytes: the beginning before | m bytes: the beginning after
 *   32 bytes: SHA-256 of all but the state
 *
 * Numbers are little-endian. It counts only if it belongs to the file's owner or to us, and to the
 * very file that it is beside. */
#ifndef LOADER_EXPORT_JOURNAL_H
#define LOADER_EXPORT_JOURNAL_H

#include "loader/core/text.h"
#include "loader/export/edit.h"

typedef enum JournalState {
    JOURNAL_BEGUN = 'P',         /* the change was prepared, and may be half done */
    JOURNAL_DONE = 'D',          /* it is done: undo takes it back */
    JOURNAL_BACK = 'R'           /* taking it back was begun */
} JournalState;

typedef struct Journal {
    JournalState state;
    uint64_t size;               /* of the file before */
    uint64_t inserted;           /* bytes that were put in at the start of the file; 0 = none */
    Text before, after;          /* owned; the first bytes */
} Journal;

/* ".NAME.tenon-undo" beside the file; free() it. */
char *journal_path(const EditFile *file);
/* Whether there is one beside a file of that name; a quick look. */
bool journal_is_there(const char *path);
/* Whether one is there that says it is not done: whoever only reads need not look further else. */
bool journal_is_unfinished(const char *path);
/* Writes it, whole and synced, with the state that it has. */
bool journal_write(const EditFile *file, const Journal *journal, Error *err);
/* Writes it beside the one that counts, for a file that will be renamed into the place of another;
 * it counts when journal_adopt, or the next journal_read of that file, has renamed it. */
bool journal_prepare(const EditFile *file, const Journal *journal, Error *err);
bool journal_adopt(const EditFile *file, Error *err);
/* Changes the state in the journal that is there. */
bool journal_set(const EditFile *file, JournalState state, Error *err);
bool journal_remove(const EditFile *file, Error *err);
/* *there: there is one that counts. An error where it cannot be read, or is of another file; but
 * one of a file that has been taken back, and replaced, is removed. */
bool journal_read(const EditFile *file, Journal *journal, bool *there, Error *err);
void journal_done(Journal *journal);

#endif
