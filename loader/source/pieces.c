/* A table of where each piece starts; a read finds its first piece by halving. */
#include "loader/source/pieces.h"

#include <inttypes.h>
#include <stdlib.h>

#include "loader/core/memory.h"

typedef struct Pieces {
    ByteSource base;
    SourcePiece *pieces;     /* [count], none of size 0; a reference each; owned */
    uint64_t *starts;        /* [count] where each lies in the whole; owned */
    size_t count;
} Pieces;

/* The piece that holds byte `at`, which is inside the whole. */
static size_t find_piece(const Pieces *whole, uint64_t at)
{
    size_t low = 0, high = whole->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (whole->starts[middle] <= at) low = middle;
        else high = middle;
    }
    return low;
}

static bool read_pieces(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    Pieces *whole = (Pieces *)source;
    unsigned char *to = out;
    for (size_t i = n ? find_piece(whole, offset) : 0; n; i++) {
        const SourcePiece *piece = &whole->pieces[i];
        uint64_t skip = offset - whole->starts[i];
        size_t here = piece->size - skip < n ? (size_t)(piece->size - skip) : n;
        if (!source_read(piece->source, piece->offset + skip, to, here, err)) return false;
        to += here;
        offset += here;
        n -= here;
    }
    return true;
}

/* Only what lies inside one piece lies anywhere in one run. */
static bool locate_pieces(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    Pieces *whole = (Pieces *)source;
    if (!n) return false;
    size_t i = find_piece(whole, offset);
    uint64_t skip = offset - whole->starts[i];
    return n <= whole->pieces[i].size - skip &&
           source_locate(whole->pieces[i].source, whole->pieces[i].offset + skip, n, fd, where);
}

static void want_pieces(ByteSource *source, uint64_t offset, uint64_t n)
{
    Pieces *whole = (Pieces *)source;
    for (size_t i = find_piece(whole, offset); n && i < whole->count; i++) {
        const SourcePiece *piece = &whole->pieces[i];
        uint64_t skip = offset - whole->starts[i];
        uint64_t part = n < piece->size - skip ? n : piece->size - skip;
        source_want(piece->source, piece->offset + skip, part);
        offset += part;
        n -= part;
    }
}

static void close_pieces(ByteSource *source)
{
    Pieces *whole = (Pieces *)source;
    for (size_t i = 0; i < whole->count; i++) source_unref(whole->pieces[i].source);
    free(whole->pieces);
    free(whole->starts);
    free((char *)source->name);
    free(whole);
}

ByteSource *source_pieces(const SourcePiece *pieces, size_t count, const char *name, Error *err)
{
    static const ByteSourceOps ops = {read_pieces, locate_pieces, close_pieces, want_pieces};
    Pieces *whole = mem_alloc(sizeof *whole);
    whole->base.ops = &ops;
    whole->base.name = mem_strdup(name);
    whole->base.refs = 1;
    whole->pieces = mem_alloc((count ? count : 1) * sizeof *whole->pieces);
    whole->starts = mem_alloc((count ? count : 1) * sizeof *whole->starts);
    for (size_t i = 0; i < count; i++) {
        uint64_t end;
        if (!pieces[i].size) continue;
        if (!sum_add(pieces[i].offset, pieces[i].size, &end) || end > pieces[i].source->size) {
            error_set(err, ERR_FORMAT, "%s: piece %zu, bytes %" PRIu64 " to %" PRIu64
                      ", lies outside of %s, which has %" PRIu64, name, i, pieces[i].offset, end,
                      pieces[i].source->name, pieces[i].source->size);
            source_unref(&whole->base);
            return NULL;
        }
        whole->starts[whole->count] = whole->base.size;
        whole->pieces[whole->count] = pieces[i];
        source_ref(whole->pieces[whole->count++].source);
        if (sum_add(whole->base.size, pieces[i].size, &whole->base.size)) continue;
        error_set(err, ERR_FORMAT, "%s: its pieces are longer than 64 bits can count", name);
        source_unref(&whole->base);
        return NULL;
    }
    return &whole->base;
}
