/* Pieces: one source made of ranges of others, one after the other: a tensor that lies in the
 * partitions of several ranks, a value that a format stores in chunks. Nothing is copied; a read
 * asks the pieces that it touches. */
#ifndef LOADER_SOURCE_PIECES_H
#define LOADER_SOURCE_PIECES_H

#include "loader/source/source.h"

typedef struct SourcePiece {
    ByteSource *source;      /* source_pieces takes a reference */
    uint64_t offset, size;   /* bytes of it */
} SourcePiece;

/* The pieces are copied; their number is limited by memory alone, so the caller has bounded it.
 * Fails when a piece does not lie inside its source, or the sum overflows. */
ByteSource *source_pieces(const SourcePiece *pieces, size_t count, const char *name, Error *err);

#endif
