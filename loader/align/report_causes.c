/* Causes: why a shape differs or a buffer is left over, where the names and numbers tell. All of
 * them are general facts about the field; none is made for one file. */
#include <string.h>

#include "loader/align/grid.h"
#include "loader/align/report_parts.h"
#include "loader/align/shape_diff.h"
#include "loader/tensor/layout.h"

/* The leaf and what people want to know of it: nothing is lost with any of these. They come and
 * go between versions of a library, since code that can compute them need not save them. */
static const BufferCause buffers[] = {
    {"num_batches_tracked", "BatchNorm counters"},
    {"position_ids", "positions 0, 1, 2 …; the code makes them itself"},
    {"inv_freq", "rotary frequencies; the code computes them"},
    {"cos_cached", "rotary table; the code computes it"},
    {"sin_cached", "rotary table; the code computes it"},
    {"attn.bias", "causal mask; a constant of the code"},
    {"attn.masked_bias", "a constant of the code"},
    {"attention.bias", "causal mask; a constant of the code"},
    {"attention.masked_bias", "a constant of the code"},
    {"relative_position_index", "index table; follows from the window size"},
    {"relative_coords_table", "coordinate table; follows from the window size"},
    {"attn_mask", "mask of shifted windows; follows from the input size"},
    {"total_ops", "a counter that a profiler left behind"},
    {"total_params", "a counter that a profiler left behind"},
    {"n_averaged", "a counter of weight averaging"},
};

/* attn.bias and c_attn.bias, but not xattn.bias. */
static bool ends_in_segment(const char *name, const char *leaf)
{
    if (!has_suffix(name, leaf)) return false;
    size_t n = strlen(name) - strlen(leaf);
    return n == 0 || name[n - 1] == '.' || name[n - 1] == '/' || name[n - 1] == '_';
}

/* GPT-2's attn.bias is a mask [1, 1, 1024, 1024], that of other models a vector: the rank
 * tells. Linear in a table of fifteen, asked for open tensors only. */
const BufferCause *report_buffer(const char *name, unsigned rank)
{
    for (size_t i = 0; i < countof(buffers); i++) {
        if (!ends_in_segment(name, buffers[i].leaf)) continue;
        if (has_suffix(buffers[i].leaf, ".bias") && rank < 3) continue;
        return &buffers[i];
    }
    return NULL;
}

/* Whether the name holds one of the words, in any case. Keys write lm_head, lmHead and LM_head. */
static bool has_any(const char *name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasestr(name, words[i])) return true;
    return false;
}

const Binding *report_weight_beside(const Reporter *reporter, const Binding *binding)
{
    const char *dot = strrchr(binding->name, '.');
    if (!dot) return NULL;
    const char *name = arena_printf(reporter->arena, "%.*s.weight", (int)(dot - binding->name),
                                    binding->name);
    const Binding *weight = align_find(reporter->alignment, name);
    return weight == binding ? NULL : weight;
}

/* The matrix of a vector's layer. NULL also when that matrix is not misshapen: then it explains
 * nothing. */
static const Binding *matrix_of(const Reporter *reporter, const Binding *binding)
{
    const Binding *matrix = binding->rank == 1 ? report_weight_beside(reporter, binding) : NULL;
    return matrix && report_is_misshapen(matrix) ? matrix : NULL;
}

/* A table of words: "embed_tokens", "token_embd", T5's "shared". DETR's class_embed is a
 * classifier. */
static bool is_words(const Binding *binding)
{
    static const char *const words[] = {"embed", "embd", "wte", "tok_", "vocab", "word_"};
    static const char *const others[] = {"class", "bbox"};
    if (binding->rank != 2 || has_any(binding->name, others, countof(others))) return false;
    return has_any(binding->name, words, countof(words)) ||
           ends_in_segment(binding->name, "shared.weight") ||
           ends_in_segment(binding->name, "emb.weight");
}

/* An output matrix is one of words where a table of as many is among the targets; else it is a
 * classifier of letters or phonemes, as the one on wav2vec2. */
static bool is_output_of_words(const Reporter *reporter, const Binding *binding)
{
    bool output = strcasestr(binding->name, "lm_head") ||
                  ends_in_segment(binding->name, "proj_out.weight") ||
                  ends_in_segment(binding->name, "output.weight");
    if (binding->rank != 2 || !output) return false;
    for (size_t i = 0; i < align_count(reporter->alignment); i++) {
        const Binding *other = align_binding(reporter->alignment, i);
        if (is_words(other) && other->dims && other->dims[0] == binding->dims[0]) return true;
    }
    return false;
}

/* The number of rows differs: classes or words. A bias follows the matrix of its layer.
 * `fc.weight` 1000×2048 for 200×2048 is a classifier, `embed_tokens.weight` 32000×4096 for
 * 32064×4096 a vocabulary, and `fc.bias` 1000 for 200 what `fc.weight` is. One step only: a
 * matrix has no matrix. */
static ShapeCause rows_cause(const Reporter *reporter, const Binding *binding)
{
    const Binding *matrix = matrix_of(reporter, binding);
    if (matrix) return report_shape_cause(reporter, matrix);
    if (binding->rank < 1) return CAUSE_OTHER;
    if (is_words(binding) || is_output_of_words(reporter, binding)) return CAUSE_VOCABULARY;
    if (!ends_in_segment(binding->name, "weight") && !ends_in_segment(binding->name, "bias") &&
        !ends_in_segment(binding->name, "kernel"))
        return CAUSE_OTHER;
    return report_is_inner(reporter, binding) ? CAUSE_INNER : CAUSE_CLASSES;
}

/* The op for a table over places; NULL when it is none, or no grid. */
static const char *table_op(const Reporter *reporter, const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    if (offer->rank != binding->rank) return NULL;
    return grid_op(reporter->arena, binding->name, offer->dims, binding->dims, binding->rank);
}

/* From what the name proves to what only the shape suggests. A buffer is one whatever its
 * sizes; a table of positions is known by its name; then the model as a whole may be of another
 * size; only then sizes, axes and ranks speak. */
ShapeCause report_shape_cause(const Reporter *reporter, const Binding *binding)
{
    const Expr *offer = align_offer(binding);
    ShapeDiff diff = shape_diff(offer->dims, offer->rank, binding->dims, binding->rank);
    if (report_buffer(binding->name, binding->rank)) return CAUSE_BUFFER;
    if (grid_is_offsets(binding->name)) return CAUSE_WINDOW;
    if (grid_is_positions(binding->name) &&
        (diff.kind == SHAPES_ONE_AXIS || (diff.kind == SHAPES_AXES && table_op(reporter, binding))))
        return CAUSE_POSITIONS;
    if (binding->turned) return CAUSE_LAYOUT;
    if (align_is_another_size(reporter->alignment)) return CAUSE_SIZE;
    if (diff.kind == SHAPES_ORDER) return CAUSE_ORDER;
    if (diff.kind == SHAPES_ONES || diff.kind == SHAPES_COUNT) return CAUSE_CUT;
    if (diff.kind != SHAPES_ONE_AXIS) return CAUSE_OTHER;
    if (diff.axis == 1 && binding->rank == 4) return CAUSE_CHANNELS;
    return diff.axis == 0 ? rows_cause(reporter, binding) : CAUSE_OTHER;
}

/* "24×24 + 1" for 577 with one token before the grid. */
static const char *show_grid(Reporter *reporter, int64_t n, int64_t tokens)
{
    long long side = (long long)grid_side(n - tokens);
    return tokens ? arena_printf(reporter->arena, "%lld×%lld + %lld", side, side,
                                 (long long)tokens)
                  : arena_printf(reporter->arena, "%lld×%lld", side, side);
}

/* The sizes of the one axis that differs. 0 and 0 when more than one differs. */
static void differing_sizes(const Binding *binding, int64_t *from, int64_t *to)
{
    const Expr *offer = align_offer(binding);
    ShapeDiff diff = shape_diff(offer->dims, offer->rank, binding->dims, binding->rank);
    *from = *to = 0;
    if (diff.kind != SHAPES_ONE_AXIS) return;
    *from = offer->dims[diff.axis];
    *to = binding->dims[diff.axis];
}

/* A grid of patches is told from a mere length by arithmetic: 577 is 24×24 and one token. */
static const char *position_text(Reporter *reporter, const Binding *binding)
{
    int64_t from, to;
    const char *format = "The positions are a grid of %s, the target's %s: the first rows would "
                         "be the wrong places.";
    if (!table_op(reporter, binding)) return "The table of positions has another length.";
    differing_sizes(binding, &from, &to);
    if (binding->rank == 4) {
        const Expr *offer = align_offer(binding);
        return arena_printf(reporter->arena, format,
                            report_shape(reporter, offer->dims + 1, 2),
                            report_shape(reporter, binding->dims + 1, 2));
    }
    int64_t tokens = grid_tokens(from, to);
    return arena_printf(reporter->arena, format, show_grid(reporter, from, tokens),
                        show_grid(reporter, to, tokens));
}

/* NULL for CAUSE_OTHER: there is nothing to say that the numbers do not. */
const char *report_cause_text(Reporter *reporter, ShapeCause cause, const Binding *binding)
{
    switch (cause) {
    case CAUSE_SIZE:
        return "A different architecture size: no rule mends that. Take the checkpoint of this "
               "size.";
    case CAUSE_BUFFER: return report_buffer(binding->name, binding->rank)->what;
    case CAUSE_CLASSES:
        return "The classifier was made for another number of classes. Fine if you train it "
               "again.";
    case CAUSE_VOCABULARY: return "The vocabulary has another size.";
    case CAUSE_CHANNELS: return "The layer was made for another number of input channels.";
    case CAUSE_POSITIONS: return position_text(reporter, binding);
    case CAUSE_WINDOW:
        return "A table over the offsets of another window size: its first rows would be the "
               "wrong places.";
    case CAUSE_LAYOUT: {
        const LayoutInfo *layout = layout_info((Layout)align_offer(binding)->layout);
        return arena_printf(reporter->arena, "Stored as %s (%s); PyTorch's order is %s.",
                            layout->name, layout->whose, layout->torch);
    }
    case CAUSE_ORDER:
        return "The axes stand in another order. Square tensors beside these look the same either "
               "way: check them.";
    case CAUSE_CUT: return "As many numbers, cut into other axes.";
    case CAUSE_INNER:
        return "A layer inside the model has another width: the two were not built alike there.";
    case CAUSE_OTHER: break;
    }
    return NULL;
}

/* Only the lead-in: the rule itself is the binding's suggestion and stands behind it. */
const char *report_remedy(Reporter *reporter, ShapeCause cause, const Binding *binding)
{
    int64_t from, to;
    differing_sizes(binding, &from, &to);
    long long both = from < to ? from : to;
    switch (cause) {
    case CAUSE_CLASSES: return arena_printf(reporter->arena, "To take the first %lld rows", both);
    case CAUSE_VOCABULARY:
        return arena_printf(reporter->arena, "To take the %lld rows both have", both);
    case CAUSE_CHANNELS:
        if (binding->suggest && !strstr(binding->suggest, "fit("))
            return to == 1 ? "To take their sum" : "To repeat and scale them, as timm does";
        return arena_printf(reporter->arena, "To take the first %lld channels", both);
    case CAUSE_POSITIONS:
        if (table_op(reporter, binding)) return "To resample them, as timm does";
        return arena_printf(reporter->arena, "To take the first %lld positions", both);
    case CAUSE_WINDOW:
        if (grid_is_along_axis(binding->name) && from < to)
            return "To draw them out over the larger window, as timm does";
        return binding->rank == 2 && strstr(binding->suggest ? binding->suggest : "", "slice(")
                   ? "To take the offsets that both have" : "To resample it, as BEiT does";
    case CAUSE_BUFFER: return "To leave it as the model has it";
    case CAUSE_LAYOUT: case CAUSE_ORDER: return "To turn them";
    case CAUSE_CUT: return "To cut them so";
    case CAUSE_SIZE: case CAUSE_INNER: return NULL;
    case CAUSE_OTHER: break;
    }
    return from ? arena_printf(reporter->arena, "To take the first %lld", both) : NULL;
}
