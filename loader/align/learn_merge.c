/* Axes that are one on one side and several on the other, in whatever order: kernels of attention
 * with heads of their own (width×heads×size) beside matrices, maps that were flattened.
 *
 * Of an axis that joins several, the sums of its indexes by each digit are the sums of the axis
 * which that digit counts; so the order is found without reading anything again, and said with
 * `ein`, whose sizes are only those that the shapes do not tell. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"

/* One axis of the finer side, and where it is in either. */
typedef struct Atom {
    int64_t size;
    unsigned in, out;            /* axes of the source and of the target that it is (a part of) */
} Atom;

typedef struct Atoms {
    Atom items[PRINT_RANK];
    unsigned count;
    unsigned in_order[PRINT_RANK], out_order[PRINT_RANK];   /* the atoms as they stand there */
} Atoms;

/* ---- as ein ---- */

static unsigned count_in(const Atoms *atoms, const unsigned *order, bool out, unsigned axis)
{
    unsigned n = 0;
    for (unsigned i = 0; i < atoms->count; i++)
        n += (out ? atoms->items[order[i]].out : atoms->items[order[i]].in) == axis;
    return n;
}

/* "(h c) u" */
static void write_side(const Atoms *atoms, const char *names, bool out, Text *text)
{
    const unsigned *order = out ? atoms->out_order : atoms->in_order;
    for (unsigned i = 0; i < atoms->count;) {
        const unsigned axis = out ? atoms->items[order[i]].out : atoms->items[order[i]].in;
        const unsigned n = count_in(atoms, order, out, axis);
        text_add(text, i ? n > 1 ? " (" : " " : n > 1 ? "(" : "");
        for (unsigned k = 0; k < n; k++, i++)
            text_addf(text, "%s%c", k ? " " : "", names[order[i]]);
        if (n > 1) text_addc(text, ')');
    }
}

/* What stands alone on both sides is named u to z, which learn_kin.c can take off. */
static void name_atoms(const Atoms *atoms, char *names)
{
    unsigned alone = 0, joined = 0;
    for (unsigned i = 0; i < atoms->count; i++) {
        const unsigned k = atoms->in_order[i];
        const bool both = count_in(atoms, atoms->in_order, false, atoms->items[k].in) == 1 &&
                          count_in(atoms, atoms->out_order, true, atoms->items[k].out) == 1;
        names[k] = both ? "uvwxyz"[alone++] : "hcdefg"[joined++];
    }
}

/* The sizes of the parts of an axis but for the first, which is what grows with the model. */
static bool add_ein(Arena *arena, const Atoms *atoms, Chain *chain)
{
    char names[PRINT_RANK];
    OpSize *sizes = arena_alloc(arena, PRINT_RANK * sizeof *sizes);
    Op op = {.kind = OP_EIN, .sizes = sizes};
    Text text = {0};
    name_atoms(atoms, names);
    write_side(atoms, names, false, &text);
    text_add(&text, " -> ");
    write_side(atoms, names, true, &text);
    for (unsigned i = 1; i < atoms->count; i++) {
        const Atom *one = &atoms->items[atoms->in_order[i]];
        if (one->in != atoms->items[atoms->in_order[i - 1]].in) continue;
        sizes[op.size_count++] = (OpSize){arena_printf(arena, "%c", names[atoms->in_order[i]]),
                                          one->size};
    }
    op.text = text_keep(&text, arena);
    return chain_add(chain, op);
}

/* ---- another shape, in the same order ---- */

bool ein_reshape(Arena *arena, const int64_t *from, unsigned from_rank, const int64_t *to,
                 unsigned to_rank, Chain *chain)
{
    Atoms atoms = {.count = 0};
    unsigned a = 0, b = 0;
    while (a < from_rank && b < to_rank) {
        const bool merges = from[a] < to[b];
        const int64_t *fine = merges ? from : to;
        int64_t left = merges ? to[b] : from[a];
        unsigned *at = merges ? &a : &b;
        const unsigned end = merges ? from_rank : to_rank;
        for (; left > 1; ++*at) {
            if (*at == end || left % fine[*at] || fine[*at] == 1 || atoms.count == PRINT_RANK)
                return false;
            left /= fine[*at];
            atoms.in_order[atoms.count] = atoms.out_order[atoms.count] = atoms.count;
            atoms.items[atoms.count++] = (Atom){fine[*at], a, b};
        }
        if (merges) b++;
        else a++;
    }
    return a == from_rank && b == to_rank && add_ein(arena, &atoms, chain);
}

/* ---- another order ---- */

/* Axes of the finer side that make up those of the coarser one. */
typedef struct Merging {
    const Print *fine, *coarse;
    unsigned fine_axes[PRINT_RANK], fine_count;      /* those that are not 1 */
    unsigned coarse_axes[PRINT_RANK], coarse_count;
    unsigned order[PRINT_RANK];  /* [fine_count] of fine_axes, as they follow in the coarser side */
    unsigned place[PRINT_RANK];  /* [fine_count] of coarse_axes, by place in `order` */
    unsigned used;               /* bits of fine_axes */
    unsigned count;              /* placed so far */
} Merging;

/* Whether the sums of an axis of `size` indexes, by the digit that counts to n in steps of `step`,
 * are those of an axis. */
static bool same_digit(const uint64_t *rows, int64_t size, int64_t step, const uint64_t *sums,
                       int64_t n)
{
    uint64_t *found = mem_alloc((size_t)n * sizeof *found);
    for (int64_t i = 0; i < size; i++) found[i / step % n] += rows[i];
    const bool same = memcmp(found, sums, (size_t)n * sizeof *found) == 0;
    free(found);
    return same;
}

/* The axes that were placed in the coarse axis, from place `first` on. */
static bool check_group(const Merging *merging, unsigned coarse, unsigned first)
{
    const unsigned axis = merging->coarse_axes[coarse];
    const uint64_t *rows = merging->coarse->rows[axis];
    int64_t step = merging->coarse->dims[axis];
    for (unsigned i = first; rows && i < merging->count; i++) {
        const unsigned k = merging->fine_axes[merging->order[i]];
        const int64_t n = merging->fine->dims[k];
        step /= n;
        if (!merging->fine->rows[k] ||
            !same_digit(rows, merging->coarse->dims[axis], step, merging->fine->rows[k], n))
            return false;
    }
    return rows != NULL;
}

/* Fills the coarse axis, of which `left` is still open, with axes from place `first` on. */
static bool place_axes(Merging *merging, unsigned coarse, unsigned first, int64_t left)
{
    if (left == 1) {
        if (!check_group(merging, coarse, first)) return false;
        if (++coarse == merging->coarse_count) return merging->count == merging->fine_count;
        first = merging->count;
        left = merging->coarse->dims[merging->coarse_axes[coarse]];
    }
    for (unsigned i = 0; i < merging->fine_count; i++) {
        const int64_t n = merging->fine->dims[merging->fine_axes[i]];
        if (merging->used >> i & 1 || left % n) continue;
        merging->used |= 1u << i;
        merging->order[merging->count] = i;
        merging->place[merging->count++] = coarse;
        if (place_axes(merging, coarse, first, left / n)) return true;
        merging->count--;
        merging->used &= ~(1u << i);
    }
    return false;
}

static unsigned core_axes(const Print *print, unsigned *axes, int64_t *dims)
{
    unsigned n = 0;
    for (unsigned k = 0; k < print->rank; k++)
        if (print->dims[k] != 1) dims[n] = print->dims[k], axes[n++] = k;
    return n;
}

bool merge_describe(Arena *arena, const Print *from, const Print *to, Chain *chain)
{
    int64_t a[PRINT_RANK], b[PRINT_RANK];
    Merging merging = {.fine = from, .coarse = to};
    const unsigned in = core_axes(from, merging.fine_axes, a);
    const unsigned out = core_axes(to, merging.coarse_axes, b);
    merging.fine_count = in;
    merging.coarse_count = out;
    const bool splits = in < out;
    if (splits) {
        merging = (Merging){.fine = to, .coarse = from};
        merging.fine_count = core_axes(to, merging.fine_axes, b);
        merging.coarse_count = core_axes(from, merging.coarse_axes, a);
    }
    if (in == out || !in || !out ||
        !place_axes(&merging, 0, 0, merging.coarse->dims[merging.coarse_axes[0]]))
        return false;
    Atoms atoms = {.count = merging.fine_count};
    for (unsigned i = 0; i < atoms.count; i++) {
        const unsigned k = merging.order[i], place = merging.place[i];
        atoms.items[k] = (Atom){merging.fine->dims[merging.fine_axes[k]], splits ? place : k,
                                splits ? k : place};
        atoms.in_order[i] = splits ? k : i;
        atoms.out_order[i] = splits ? i : k;
    }
    *chain = (Chain){.count = 0};
    return shape_describe(arena, from->dims, from->rank, a, in, chain) &&
           add_ein(arena, &atoms, chain) &&
           shape_describe(arena, b, out, to->dims, to->rank, chain);
}
