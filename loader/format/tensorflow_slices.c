/* Variables in pieces: the keys of the pieces, and the pieces as one row-major whole.
 *
 * The key of a piece (tensorflow/core/util/saved_tensor_slice_util.cc, in the OrderedCode of
 * tensorflow/core/lib/strings/ordered_code.cc):
 *
 *   number 0 · text name · number rank · for each axis: signed start, signed length (-1: all)
 *
 *   number   u8 n, then n bytes, big-endian, without leading zeros (0: n = 0)
 *   text     bytes, 00 as 00 FF and FF as FF 00; 00 01 ends it
 *   signed   one byte 80 ^ value from -64 to 63; beyond, as many bits at its front as it has bytes,
 *            then the value, big-endian; all of it inverted when it is negative */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/tensorflow.h"
#include "loader/source/pieces.h"

/* A run of bytes of the whole. */
typedef struct Run {
    uint64_t to;             /* where it goes */
    SourcePiece piece;       /* where it is */
} Run;

/* The runs of one variable. */
typedef struct Join {
    Run *runs;               /* [count] owned */
    size_t count, room;
} Join;

const char bundle_too_many_rows[] =
    "cut into more rows than are put together (--limit piece-runs=N allows more)";

/* -- Keys ------------------------------------------------------------------------------ */

static void add_number(Text *out, uint64_t value)
{
    unsigned n = 0;
    for (uint64_t rest = value; rest; rest >>= 8) n++;
    text_addc(out, (char)n);
    while (n-- > 0) text_addc(out, (char)(value >> 8 * n & 0xFF));
}

static void add_text(Text *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_addc(out, bytes[i]);
        if (bytes[i] == '\0') text_addc(out, '\xFF');
        if (bytes[i] == '\xFF') text_addc(out, '\0');
    }
    text_addn(out, "\0\1", 2);
}

/* n bytes carry 7·n - 1 bits and a sign. The header is n ones, which a negative number inverts. */
static void add_signed(Text *out, int64_t value)
{
    uint64_t size = value < 0 ? ~(uint64_t)value : (uint64_t)value;
    unsigned bits = 0;
    for (uint64_t rest = size; rest; rest >>= 1) bits++;
    unsigned n = bits / 7 + 1;
    unsigned char bytes[10], sign = value < 0 ? 0xFF : 0;
    bytes[0] = bytes[1] = sign;
    for (unsigned i = 0; i < 8; i++)
        bytes[9 - i] = (unsigned char)((uint64_t)value >> 8 * i & 0xFF);
    for (unsigned i = 0; i < n; i++)
        bytes[10 - n + i / 8] ^= (unsigned char)(0x80 >> i % 8);
    text_addn(out, bytes + 10 - n, n);
}

/* The entry of a piece; NULL when the index has none. */
static BundleEntry *find_piece(const Bundle *bundle, const BundleEntry *whole,
                               const BundleSlice *slice)
{
    Text key = {0}, name = {0};
    Arena *scratch = arena_new();
    name_bytes(whole->key, &name);
    add_number(&key, 0);
    add_text(&key, text_string(&name), name.length);
    add_number(&key, whole->rank);
    for (unsigned i = 0; i < whole->rank; i++) {
        add_signed(&key, slice->start[i]);
        add_signed(&key, slice->length[i]);
    }
    uint32_t at = map_get(&bundle->index, name_hold(scratch, key.bytes, key.length));
    arena_free(scratch);
    text_done(&name);
    text_done(&key);
    return at == MAP_NONE ? NULL : bundle->entries[at];
}

/* -- Runs ------------------------------------------------------------------------------ */

/* A piece inside of the whole: from and size of every axis, checked. */
static bool place_box(const BundleEntry *whole, const BundleSlice *slice, int64_t *from,
                      int64_t *size)
{
    for (unsigned i = 0; i < whole->rank; i++) {
        int64_t dim = whole->dims[i];
        bool all = slice->length[i] < 0;
        from[i] = all ? 0 : slice->start[i];
        size[i] = all ? dim : slice->length[i];
        if (from[i] < 0 || size[i] <= 0 || from[i] > dim || size[i] > dim - from[i]) return false;
    }
    return true;
}

/* How many elements lie together: everything behind the last axis that the piece cuts. */
static unsigned find_cut(const BundleEntry *whole, const int64_t *size)
{
    unsigned cut = whole->rank;
    while (cut > 0 && size[cut - 1] == whole->dims[cut - 1]) cut--;
    return cut;
}

/* Adds the runs of a box: for every index of the axes before the cut one, a row along it. */
static bool add_runs(Join *join, const BundleEntry *whole, const int64_t *from,
                     const int64_t *size, unsigned width, SourcePiece piece)
{
    unsigned cut = find_cut(whole, size);
    int64_t strides[TENSOR_RANK_MAX], at[TENSOR_RANK_MAX] = {0};
    contiguous_strides(whole->dims, whole->rank, strides);
    const uint64_t most = limit(LIMIT_PIECE_RUNS);
    uint64_t runs = 1, first = 0, length = piece.size;
    for (unsigned i = 0; i + 1 < cut; i++)
        if (!sum_mul(runs, (uint64_t)size[i], &runs) || runs > most) return false;
    if (join->count + runs > most) return false;
    length /= runs;
    for (unsigned i = 0; i < whole->rank; i++)
        first += (uint64_t)from[i] * (uint64_t)strides[i];
    join->runs = mem_grow(join->runs, &join->room, join->count + (size_t)runs,
                          sizeof *join->runs);
    for (uint64_t run = 0; run < runs; run++) {
        uint64_t to = first;
        for (unsigned i = 0; i + 1 < cut; i++) to += (uint64_t)at[i] * (uint64_t)strides[i];
        join->runs[join->count++] =
            (Run){to * width, {piece.source, piece.offset + run * length, length}};
        for (unsigned i = cut ? cut - 1 : 0; i-- > 0;) {
            if (++at[i] < size[i]) break;
            at[i] = 0;
        }
    }
    return true;
}

/* All runs of one piece. False with an error, or with *why. */
static bool add_piece(Bundle *bundle, Join *join, const BundleEntry *whole,
                      const BundleSlice *slice, unsigned width, const char **why)
{
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    uint64_t bytes = width;
    BundleEntry *entry = slice->rank == whole->rank ? find_piece(bundle, whole, slice) : NULL;
    if (!entry) {
        *why = "of which one is not in the index";
        return false;
    }
    entry->used = true;
    bool inside = place_box(whole, slice, from, size);
    for (unsigned i = 0; inside && i < whole->rank; i++)
        inside = sum_mul(bytes, (uint64_t)size[i], &bytes);
    if (!inside || bytes != entry->size || entry->dtype != whole->dtype) {
        *why = "of which one does not fit the whole";
        return false;
    }
    ByteSource *shard = bundle_shard(bundle, entry);
    if (!shard || !bundle_check_inside(bundle, entry, whole->key, shard)) return false;
    if (!add_runs(join, whole, from, size, width, (SourcePiece){shard, entry->offset, bytes}))
        *why = bundle_too_many_rows;
    return !*why;
}

static int compare_runs(const void *left, const void *right)
{
    const Run *a = left, *b = right;
    return a->to < b->to ? -1 : a->to > b->to;
}

/* In the order of the whole, each must begin where the one before it ends. */
static ByteSource *join_runs(const Bundle *bundle, Join *join, uint64_t bytes, const char **why)
{
    uint64_t at = 0;
    qsort(join->runs, join->count, sizeof *join->runs, compare_runs);
    SourcePiece *pieces = mem_alloc((join->count + 1) * sizeof *pieces);
    for (size_t i = 0; i < join->count && !*why; i++) {
        if (join->runs[i].to != at) *why = "which overlap or leave a hole";
        pieces[i] = join->runs[i].piece;
        at += pieces[i].size;
    }
    if (at != bytes) *why = "which overlap or leave a hole";
    ByteSource *source =
        *why ? NULL : source_pieces(pieces, join->count, bundle->file, bundle->err);
    free(pieces);
    return source;
}

ByteSource *bundle_join(Bundle *bundle, const BundleEntry *entry, unsigned width, const char **why)
{
    Join join = {0};
    uint64_t bytes = width;
    bool fine = true;
    for (unsigned i = 0; i < entry->rank; i++) bytes *= (uint64_t)entry->dims[i];
    for (size_t i = 0; fine && i < entry->slice_count; i++)
        fine = add_piece(bundle, &join, entry, &entry->slices[i], width, why);
    ByteSource *source = fine ? join_runs(bundle, &join, bytes, why) : NULL;
    free(join.runs);
    return source;
}
