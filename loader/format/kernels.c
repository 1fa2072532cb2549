/* The names that layers give their kernels, and what each means. */
#include "loader/format/kernels.h"

#include <stdbool.h>
#include <string.h>

#include "loader/core/memory.h"

Layout kernel_of_rank(unsigned rank)
{
    static const Layout layouts[] = {LAYOUT_IO, LAYOUT_WIO, LAYOUT_HWIO, LAYOUT_DHWIO};
    return rank >= 2 && rank < 2 + countof(layouts) ? layouts[rank - 2] : LAYOUT_NATIVE;
}

/* A part of a name: where it starts, and its length. */
typedef struct Part {
    const char *text;
    size_t n;
} Part;

/* The part that ends at `end`. */
static Part part_before(const char *name, const char *end)
{
    const char *start = end;
    while (start > name && start[-1] != '.' && start[-1] != '/') start--;
    return (Part){start, (size_t)(end - start)};
}

static bool is_one_of(Part part, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == part.n && memcmp(words[i], part.text, part.n) == 0) return true;
    return false;
}

/* Keras 1 joined the layer's name and the variable's: "conv1_W". */
static bool is_old_kernel(Part leaf)
{
    return (leaf.n == 1 && leaf.text[0] == 'W') ||
           (leaf.n > 2 && leaf.text[leaf.n - 1] == 'W' && leaf.text[leaf.n - 2] == '_');
}

Layout kernel_layout(const char *name, unsigned rank)
{
    static const char *const kernels[] = {"kernel", "pointwise_kernel", "recurrent_kernel"};
    static const char *const depthwise[] = {"depthwise_kernel"};
    static const char *const heads[] = {"query", "key", "value", "out", "attention_output"};
    const char *colon = strrchr(name, ':');
    Part leaf = part_before(name, colon && strcmp(colon, ":0") == 0 ? colon : name + strlen(name));
    if (is_one_of(leaf, depthwise, countof(depthwise)))
        return rank == 4 ? LAYOUT_HWIM : LAYOUT_NATIVE;
    if (is_old_kernel(leaf)) return kernel_of_rank(rank);
    if (!is_one_of(leaf, kernels, countof(kernels))) return LAYOUT_NATIVE;
    if (rank == 3 && leaf.text > name &&
        is_one_of(part_before(name, leaf.text - 1), heads, countof(heads)))
        return LAYOUT_NATIVE;
    return kernel_of_rank(rank);
}
