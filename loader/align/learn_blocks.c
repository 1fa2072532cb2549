/* Parts that lie in turns, each with rows of its own number: the queries of a group of heads,
 * their one key and their one value, then those of the next group (grouped queries of Megatron,
 * InternLM).
 *
 *   qkv -> q, k, v |> ein("(g b) u -> g b u",{g=8}), split(nil,1), ein("g b u -> (g b) u")
 *   q, k, v -> qkv |> ein("(g b) u -> g b u",{g=8}), cat(1), ein("g b u -> (g b) u")
 *
 * The number of groups is all that is said of it: the rest follows from the shapes. */
#include "loader/align/learn_parts.h"

#include <string.h>

/* `at` [total] are places in an axis of as many, of `n` parts one after the other: the number of
 * blocks in which each part has a run; 0: they do not lie so. */
static int64_t count_blocks(const int64_t *at, const int64_t *sizes, size_t n, int64_t total)
{
    int64_t width = 1, offset = 0, base = 0;
    while (width < sizes[0] && at[width] == at[0] + width) width++;
    const int64_t blocks = sizes[0] / width;
    if (blocks < 2 || sizes[0] % width || total % blocks) return 0;
    const int64_t step = total / blocks;
    for (size_t p = 0; p < n; base += sizes[p++]) {
        width = sizes[p] / blocks;
        if (sizes[p] % blocks || !width) return 0;
        for (int64_t i = 0; i < sizes[p]; i++)
            if (at[base + i] != i / width * step + offset + i % width) return 0;
        offset += width;
    }
    return offset == step ? blocks : 0;
}

static void add_axes(unsigned from, unsigned to, Text *out)
{
    for (unsigned k = from; k < to; k++) text_addf(out, k > from ? " %c" : "%c", "uvwxyz"[k]);
}

/* "v (g b) x": the axes of a tensor, of which one is in blocks. */
static void add_side(unsigned axis, unsigned rank, const char *group, Text *out)
{
    add_axes(0, axis, out);
    text_addf(out, "%s%s%s", axis ? " " : "", group, axis + 1 < rank ? " " : "");
    add_axes(axis + 1, rank, out);
}

static bool add_ein(Arena *arena, unsigned axis, unsigned rank, int64_t blocks, Chain *chain)
{
    const bool opens = blocks > 0;
    Text text = {0};
    OpSize *size = arena_alloc(arena, sizeof *size);
    *size = (OpSize){"g", blocks};
    add_side(axis, rank, opens ? "(g b)" : "g b", &text);
    text_add(&text, " -> ");
    add_side(axis, rank, opens ? "g b" : "(g b)", &text);
    return chain_add(chain, (Op){.kind = OP_EIN, .text = text_keep(&text, arena), .sizes = size,
                                 .size_count = opens});
}

bool blocks_describe(Arena *arena, const int64_t *at, const int64_t *sizes, size_t n,
                     int64_t total, unsigned axis, unsigned rank, OpKind between, Chain *chain)
{
    const int64_t blocks = n > 1 && rank <= PRINT_RANK ? count_blocks(at, sizes, n, total) : 0;
    return blocks && add_ein(arena, axis, rank, blocks, chain) &&
           chain_add(chain, (Op){.kind = between, .has_axis = true, .axis = (int)axis + 1}) &&
           add_ein(arena, axis, rank, 0, chain);
}

int64_t blocks_opened(const Op *op)
{
    const bool opens = op->kind == OP_EIN && op->size_count == 1 && strstr(op->text, "(g b)") &&
                       strcmp(op->sizes[0].name, "g") == 0;
    return opens ? op->sizes[0].size : 0;
}
