/* A session as a file: one script of Lua with all its rules, which does without the viewer what the
 * session does, and in comments what the viewer needs to go on with it.
 *
 *   -- tenon session 1 =
 *   -- source: "pretrain.pth::state_dict"
 *   -- target: "net.pth"
 *   -- seed: 7                                     none: 0
 *   …                                              comments
 *   --= file "fix.lua"                             a text begins; as many "=" as the first line has
 *   do (function()                                 its locals and its return are its own
 *   …
 *   end)() end
 *   --= line
 *   strip "module."
 *   --= off line                                   it does not run
 *   --[[
 *   keep "backbone."
 *   ]]
 *
 * No text holds the "--=" of the markers: else there are more "=". Paths that are not absolute are
 * from the folder of the file. */
#ifndef REPL_SESSION_FILE_H
#define REPL_SESSION_FILE_H

#include "repl/session.h"

typedef struct SessionRecord {
    const char *source, *target;     /* FILE[::PATH], from the current folder; target may be NULL */
    uint64_t seed;
    SessionText *texts;              /* [text_count] */
    size_t text_count;
} SessionRecord;

/* Writes it, whole or not at all; an existing file is refused without `force`, unless the session
 * was saved there before. With `alignment`, what the session comes to now, the text is run before
 * it is written and has to come to the same values. The session counts as saved then. */
bool session_save(Session *session, const Alignment *alignment, const char *path, bool force,
                  Error *err);
/* Whether a file is one of these; false for all that cannot be read. */
bool session_file_is(const char *path);
/* Everything lies in the arena. */
bool session_file_read(const char *path, Arena *arena, SessionRecord *out, Error *err);

#endif
