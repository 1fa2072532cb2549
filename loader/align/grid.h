/* Tables over places: position embeddings on a grid of patches, and tables over the offsets inside
 * a window. Of another size, their first rows are the wrong places; what helps is told by names and
 * by arithmetic. */
#ifndef LOADER_ALIGN_GRID_H
#define LOADER_ALIGN_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/core/memory.h"

/* Whether a name is one of position embeddings ("pos_embed", "wpe"); of a table over offsets
 * ("relative_position_bias_table", "rel_pos_h"). */
bool grid_is_positions(const char *name);
bool grid_is_offsets(const char *name);
/* Of the latter, those along one axis of the window alone. */
bool grid_is_along_axis(const char *name);

/* The side of a square of n; 0 when n is none, or fewer than 3×3. */
int64_t grid_side(int64_t n);
/* Rows that stand before the grid on both sides, so that both are square: 577 = 24² + 1 and
 * 197 = 14² + 1. -1 when there is no such number. */
int64_t grid_tokens(int64_t from, int64_t to);
/* The window whose offsets a table of n rows has, (2w-1)², with `extra` rows behind it; 0 when
 * there is none. */
int64_t grid_window(int64_t n, int64_t extra);
/* Rows behind both tables, 0 or 3 (BEiT's), so that both are of windows; -1 when they are not. */
int64_t grid_extra(int64_t from, int64_t to);

/* The op that makes the one table of the other: "pos_embed()", "rel_pos_bias()", "slice(0, 14,
 * 41)". NULL when the name is that of no table, or the sizes are no grid's. */
const char *grid_op(Arena *arena, const char *name, const int64_t *from, const int64_t *to,
                    unsigned rank);

#endif
