/* Grids are told from mere lengths: 577 is 24×24 and a class token, 169 the offsets of a window of
 * 7. What the ops need besides is found by them from both shapes. */
#include "loader/align/grid.h"

#include <math.h>
#include <string.h>

#include "loader/core/text.h"

enum {
    TOKENS = 6,                  /* numbers of rows before a grid that are tried */
    SIDE_MIN = 3,                /* a smaller square is chance */
    BEIT_EXTRA = 3               /* rows for pairs with the class token */
};

static bool has_any(const char *name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

bool grid_is_positions(const char *name)
{
    static const char *const words[] = {"pos_embed", "position_emb", "positional", "embed_pos",
                                        "wpe"};
    return has_any(name, words, countof(words));
}

/* One axis of the window has a table of its own (MViT, SAM). */
bool grid_is_along_axis(const char *name)
{
    return has_suffix(name, "rel_pos_h") || has_suffix(name, "rel_pos_w");
}

bool grid_is_offsets(const char *name)
{
    return has_suffix(name, "relative_position_bias_table") || grid_is_along_axis(name);
}

int64_t grid_side(int64_t n)
{
    if (n < SIDE_MIN * SIDE_MIN) return 0;
    int64_t side = (int64_t)llround(sqrt((double)n));
    return side <= INT32_MAX && side * side == n ? side : 0;
}

int64_t grid_tokens(int64_t from, int64_t to)
{
    static const int likely[TOKENS] = {1, 0, 2, 5, 4, 3};
    for (size_t i = 0; i < TOKENS; i++)
        if (grid_side(from - likely[i]) && grid_side(to - likely[i])) return likely[i];
    return -1;
}

int64_t grid_window(int64_t n, int64_t extra)
{
    int64_t side = grid_side(n - extra);
    return side % 2 ? (side + 1) / 2 : 0;
}

int64_t grid_extra(int64_t from, int64_t to)
{
    for (int64_t extra = 0; extra <= BEIT_EXTRA; extra += BEIT_EXTRA)
        if (grid_window(from, extra) && grid_window(to, extra)) return extra;
    return -1;
}

/* tokens×width, 1×tokens×width, 1×height×width×channels. */
static const char *positions_op(Arena *arena, const int64_t *from, const int64_t *to,
                                unsigned rank)
{
    if (rank < 2 || rank > 4 || from[rank - 1] != to[rank - 1]) return NULL;
    if (rank > 2 && (from[0] != 1 || to[0] != 1)) return NULL;
    if (rank == 4)
        return from[1] >= SIDE_MIN && from[2] >= SIDE_MIN && to[1] >= SIDE_MIN && to[2] >= SIDE_MIN
                   ? "pos_embed()" : NULL;
    int64_t tokens = grid_tokens(from[rank - 2], to[rank - 2]);
    if (tokens < 0) return NULL;
    return tokens == 1 ? "pos_embed()"
                       : arena_printf(arena, "pos_embed{prefix=%lld}", (long long)tokens);
}

/* The offsets of a smaller window are the middle ones of a larger; those of a larger are drawn out,
 * near ones by less, as timm does with a table of two axes, of which the one is 1. */
static const char *axis_op(Arena *arena, const int64_t *from, const int64_t *to)
{
    if (from[0] % 2 == 0 || to[0] % 2 == 0 || from[0] < SIDE_MIN) return NULL;
    if (from[0] < to[0])
        return arena_printf(arena, "rel_pos_bias{mode=\"linear\", old={%lld,1}, new={%lld,1}}",
                            (long long)(from[0] + 1) / 2, (long long)(to[0] + 1) / 2);
    return arena_printf(arena, "slice(0, %lld, %lld)", (long long)(from[0] - to[0]) / 2,
                        (long long)(from[0] + to[0]) / 2);
}

const char *grid_op(Arena *arena, const char *name, const int64_t *from, const int64_t *to,
                    unsigned rank)
{
    if (grid_is_positions(name)) return positions_op(arena, from, to, rank);
    if (!grid_is_offsets(name) || rank != 2 || from[1] != to[1]) return NULL;
    if (grid_is_along_axis(name)) return axis_op(arena, from, to);
    return grid_extra(from[0], to[0]) < 0 ? NULL : "rel_pos_bias()";
}
