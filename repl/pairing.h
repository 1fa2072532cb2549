/* Pairs made by hand, and taken apart: what keys come to as lines of rules. */
#ifndef REPL_PAIRING_H
#define REPL_PAIRING_H

#include "loader/align/mark_line.h"
#include "repl/session.h"

/* Keys of the source (0) and of the target (1), as they are named now, in the order of their
 * parts. */
typedef struct PairingKeys {
    const char *const *keys[2];
    size_t counts[2];
} PairingKeys;

/* The line that makes the one of the other, in the arena; false with an error when a key is not
 * there, or there are several on both sides. */
bool pairing_line(const Alignment *alignment, const PairingKeys *keys, Arena *arena, MarkLine *out,
                  Error *err);
/* The text of the session that made a target's pair by hand; SIZE_MAX: there is none. */
size_t pairing_find(const Session *session, const char *target);
/* A line that takes a pair apart which rules have made: the source's key of now, `key`, becomes
 * another that is free. In the arena. */
const char *pairing_apart(const Alignment *alignment, const Binding *binding, const char *key,
                          Arena *arena);
/* A line that drops what fits a pattern of the source, or has the target keep its own values. */
const char *pairing_ignore(bool target, const char *pattern, Arena *arena);

#endif
