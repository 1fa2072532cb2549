/* Strided copies: axes are merged and ordered for the writer, then a run, or a tiled plane, is
 * copied at every place of the remaining ones. */
#include "loader/tensor/strided.h"

#include <string.h>

/* A tile has a line of the cache in each row, on either side, and so stays in L1. */
enum { LINE = 64, TILE_LEAST = 16 };

/* Unsigned: a box without elements may have sizes whose product wraps, and is never copied. */
void strided_pack(const int64_t *size, unsigned rank, int64_t *strides)
{
    uint64_t stride = 1;
    for (unsigned i = rank; i-- > 0;) {
        strides[i] = (int64_t)stride;
        stride *= (uint64_t)(size[i] > 0 ? size[i] : 1);
    }
}

/* Two neighbours merge when one step of the outer is as far as all steps of the inner together,
 * on both sides: the pair then counts through as a single axis. */
unsigned strided_axes(const int64_t *size, unsigned rank, const int64_t *in, const int64_t *out,
                      StridedAxis *axes)
{
    int64_t packed[STRIDED_RANK_MAX];
    if (!in || !out) strided_pack(size, rank, packed);
    unsigned count = 0;
    for (unsigned i = 0; i < rank; i++) {
        StridedAxis axis = {size[i], in ? in[i] : packed[i], out ? out[i] : packed[i]};
        StridedAxis *last = count ? &axes[count - 1] : NULL;
        if (axis.size == 1) continue;
        if (last && last->in == axis.in * axis.size && last->out == axis.out * axis.size)
            *last = (StridedAxis){last->size * axis.size, axis.in, axis.out};
        else
            axes[count++] = axis;
    }
    return count;
}

/* Largest output strides first, so that writing goes forward through memory. */
static void sort_axes(StridedAxis *axes, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        StridedAxis axis = axes[i];
        unsigned at = i;
        for (; at > 0 && axes[at - 1].out < axis.out; at--) axes[at] = axes[at - 1];
        axes[at] = axis;
    }
}

/* Brings the axis that is densest in the input next to the innermost one. */
static void pair_axes(StridedAxis *axes, unsigned count)
{
    unsigned best = count - 2;
    for (unsigned i = 0; i + 1 < count; i++)
        if (axes[i].in && (axes[i].in < axes[best].in || !axes[best].in)) best = i;
    StridedAxis axis = axes[best];
    for (unsigned i = best; i + 2 < count; i++) axes[i] = axes[i + 1];
    axes[count - 2] = axis;
}

/* K×K elements, K of which are a word, change rows for columns: first halves of words, then
 * quarters and so on are exchanged between words as far apart. */
static inline void turn_words(uint64_t *words, size_t element)
{
    const size_t count = sizeof *words / element;
#pragma GCC unroll 3
    for (size_t half = sizeof *words / 2; half >= element; half /= 2) {
        const unsigned bits = 8 * (unsigned)half;
        const uint64_t low = UINT64_MAX / (((uint64_t)1 << bits) + 1), apart = half / element;
#pragma GCC unroll 8
        for (size_t i = 0; i < count; i++) {
            if (i & apart) continue;
            const uint64_t one = words[i], two = words[i + apart];
            words[i] = (one & low) | (two & low) << bits;
            words[i + apart] = (one >> bits & low) | (two & ~low);
        }
    }
}

/* A tile of one line of the cache in each row, on both sides: rows lie side by side in the input,
 * columns in the output. Lines come whole and go whole: where strides are powers of two, most of
 * them have the same place in the cache. */
static inline void turn_tile(StridedAxis rows, StridedAxis columns, size_t element,
                             const unsigned char *in, unsigned char *out)
{
    enum { WORD = sizeof(uint64_t) };
    const size_t side = LINE / element, count = WORD / element;
    unsigned char held[LINE][LINE];
    for (size_t c = 0; c < side; c++)
        memcpy(held[c], in + (int64_t)c * columns.in * (int64_t)element, LINE);
    for (size_t r = 0; r < LINE; r += WORD, out += (int64_t)count * rows.out * (int64_t)element)
        for (size_t c = 0; c < side; c += count) {
            uint64_t words[WORD];
#pragma GCC unroll 8
            for (size_t i = 0; i < count; i++) memcpy(&words[i], held[c + i] + r, WORD);
            turn_words(words, element);
#pragma GCC unroll 8
            for (size_t i = 0; i < count; i++)
                memcpy(out + (int64_t)i * rows.out * (int64_t)element + c * element, &words[i],
                       WORD);
        }
}

static inline void copy_tile(StridedAxis rows, StridedAxis columns, size_t element,
                             const unsigned char *in, unsigned char *out)
{
    for (int64_t r = 0; r < rows.size; r++)
        for (int64_t c = 0; c < columns.size; c++)
            memcpy(out + (r * rows.out + c * columns.out) * (int64_t)element,
                   in + (r * rows.in + c * columns.in) * (int64_t)element, element);
}

/* A plane of rows × columns, a tile at a time; inlined with a constant element where possible. */
static inline void copy_tiles(StridedAxis rows, StridedAxis columns, size_t element,
                              const unsigned char *in, unsigned char *out)
{
    const int64_t side = element < LINE / TILE_LEAST ? LINE / (int64_t)element : TILE_LEAST;
    const bool turned = element < sizeof(uint64_t) && rows.in == 1 && columns.out == 1;
    for (int64_t r = 0; r < rows.size; r += side)
        for (int64_t c = 0; c < columns.size; c += side) {
            StridedAxis down = rows, across = columns;
            down.size = r + side < rows.size ? side : rows.size - r;
            across.size = c + side < columns.size ? side : columns.size - c;
            const unsigned char *from = in + (r * rows.in + c * columns.in) * (int64_t)element;
            unsigned char *to = out + (r * rows.out + c * columns.out) * (int64_t)element;
            if (turned && down.size == side && across.size == side)
                turn_tile(down, across, element, from, to);
            else copy_tile(down, across, element, from, to);
        }
}

/* Constant sizes let the compiler turn the inner memcpy into a move. The default serves complex
 * elements of 16 bytes. */
static void copy_plane(StridedAxis rows, StridedAxis columns, size_t element,
                       const unsigned char *in, unsigned char *out)
{
    switch (element) {
    case 1: copy_tiles(rows, columns, 1, in, out); break;
    case 2: copy_tiles(rows, columns, 2, in, out); break;
    case 4: copy_tiles(rows, columns, 4, in, out); break;
    case 8: copy_tiles(rows, columns, 8, in, out); break;
    default: copy_tiles(rows, columns, element, in, out);
    }
}

/* The innermost axis is a run (contiguous on both sides), or one side of a plane whose other
 * side is the axis densest in the input. The remaining axes, the outer ones, are counted. */
void strided_copy(const StridedAxis *given, unsigned count, size_t element, const void *in,
                  void *out)
{
    static const StridedAxis single = {1, 1, 1};
    StridedAxis axes[STRIDED_RANK_MAX];
    int64_t index[STRIDED_RANK_MAX] = {0};
    memcpy(axes, given, count * sizeof *axes);
    sort_axes(axes, count);
    StridedAxis columns = count ? axes[count - 1] : single, rows = single;
    bool run = columns.in == 1 && columns.out == 1;   /* no plane: whole rows are copied */
    if (!run && count >= 2) pair_axes(axes, count);
    unsigned outer = count ? count - 1 : 0;
    if (!run && outer) rows = axes[--outer];
    const unsigned char *from = in;
    unsigned char *to = out;
    for (;;) {   /* an odometer over the outer axes that moves both ends */
        if (run) memcpy(to, from, (size_t)columns.size * element);
        else copy_plane(rows, columns, element, from, to);
        unsigned i = outer;
        while (i > 0 && ++index[i - 1] == axes[i - 1].size) {
            i--;
            from -= (axes[i].size - 1) * axes[i].in * (int64_t)element;
            to -= (axes[i].size - 1) * axes[i].out * (int64_t)element;
            index[i] = 0;
        }
        if (i == 0) return;
        from += axes[i - 1].in * (int64_t)element;
        to += axes[i - 1].out * (int64_t)element;
    }
}

/* Merging first makes most copies a single run. */
void strided_move(const int64_t *size, unsigned rank, size_t element, const void *in,
                  const int64_t *in_strides, void *out, const int64_t *out_strides)
{
    StridedAxis axes[STRIDED_RANK_MAX];
    unsigned count = strided_axes(size, rank, in_strides, out_strides, axes);
    strided_copy(axes, count, element, in, out);
}

/* The stride of an axis with a single index is never used, so it may be anything. */
bool strided_is_packed(const int64_t *size, unsigned rank, const int64_t *strides)
{
    int64_t expected = 1;
    for (unsigned i = rank; strides && i-- > 0;) {
        if (size[i] != 1 && strides[i] != expected) return false;
        expected *= size[i];
    }
    return true;
}
