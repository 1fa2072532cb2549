/* MarkLine: pairs that a person marks become a line of rule text, with the op that the shapes ask
 * for: one source to one target, one to several (split, unstack), several to one (cat, stack). */
#ifndef LOADER_ALIGN_MARK_LINE_H
#define LOADER_ALIGN_MARK_LINE_H

#include "loader/align/auto.h"

typedef struct MarkLine {
    const char *line;            /* `rules [[ a -> b |> T ]]`; in the arena */
    bool sure;                   /* the shapes decide how; else the line ends behind the `|> ` that
                                    is to be gone on with, or a part of the op */
} MarkLine;

/* Sources and targets in the order of their parts; not several of both. False with an error when
 * there is none on a side, or several on both. */
bool mark_line(Arena *arena, const AutoTensor *sources, size_t source_count,
               const AutoTensor *targets, size_t target_count, MarkLine *out, Error *err);

#endif
