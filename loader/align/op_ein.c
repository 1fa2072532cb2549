/* ein: axes taken apart, put in another order and put together, as einops.rearrange.
 *
 *   ein("(h c d) k -> (c h d) k", {h=16, c=3})      3072×64: h 16, c 3, d 64, k 64
 *
 *   side    item … -> item …
 *   item    name | 1 | ( name … )
 *
 * A reshape takes the groups on the left apart, a permutation orders them as the right side does,
 * a second reshape joins them. A 1 is an axis of size 1, which is there on one side alone. */
#include <inttypes.h>
#include <string.h>

#include "loader/align/op_parts.h"

/* One side: its names in order, and which of them make an axis of the tensor. */
typedef struct Side {
    struct { const char *name; size_t length; } names[TENSOR_RANK_MAX];
    unsigned count;
    unsigned ends[TENSOR_RANK_MAX];   /* of each axis: behind its last name; 0 names for a 1 */
    unsigned axes;
} Side;

/* The arrow's halves, and what is known of the names of the left. */
typedef struct Ein {
    const Op *op;
    Error *err;
    Side left, right;
    int64_t sizes[TENSOR_RANK_MAX];   /* of the left names; 0 = not known yet */
} Ein;

static bool is_name_byte(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* Where a name of that length stands on a side; -1 when it does not. */
static int find_name(const Side *side, const char *name, size_t length)
{
    for (unsigned i = 0; i < side->count; i++)
        if (side->names[i].length == length && memcmp(side->names[i].name, name, length) == 0)
            return (int)i;
    return -1;
}

/* A name at *text, which is moved behind it. */
static bool take_name(Ein *ein, Side *side, const char **text)
{
    const char *name = *text;
    size_t length = 1;
    while (is_name_byte(name[length], false)) length++;
    *text += length;
    if (find_name(side, name, length) >= 0)
        return op_refuse(ein->op, ein->err, "'%.*s' stands twice on one side", (int)length, name);
    if (side->count == TENSOR_RANK_MAX)
        return op_refuse(ein->op, ein->err, "more than %d names", TENSOR_RANK_MAX);
    side->names[side->count].name = name;
    side->names[side->count++].length = length;
    return true;
}

/* Ends an axis behind the names that have been taken. */
static bool end_axis(Ein *ein, Side *side)
{
    if (side->axes == TENSOR_RANK_MAX)
        return op_refuse(ein->op, ein->err, "more than %d axes", TENSOR_RANK_MAX);
    side->ends[side->axes++] = side->count;
    return true;
}

/* One side, up to `end`. */
static bool take_side(Ein *ein, Side *side, const char *text, const char *end)
{
    bool inside = false;
    while (text < end) {
        char c = *text;
        if (is_name_byte(c, true)) {
            if (!take_name(ein, side, &text) || (!inside && !end_axis(ein, side))) return false;
            continue;
        }
        text++;
        if (c == ' ') continue;
        if (c == '1' && !is_name_byte(*text, false)) {
            if (!inside && !end_axis(ein, side)) return false;
        } else if (c == '(' && !inside) {
            inside = true;
        } else if (c == ')' && inside) {
            inside = false;
            if (!end_axis(ein, side)) return false;
        } else if (c >= '0' && c <= '9') {
            return op_refuse(ein->op, ein->err, "only 1 can be written as a number; give the axis "
                             "a name and its size behind the text: {c=3}");
        } else {
            return op_refuse(ein->op, ein->err, "'%.*s' is not understood at '%.20s'",
                             c & 0x80 ? 3 : 1, text - 1, text - 1);
        }
    }
    return !inside || op_refuse(ein->op, ein->err, "a ')' is missing");
}

/* Both sides have the same names, and every size is of one of them. */
static bool compare_sides(Ein *ein)
{
    for (int turn = 0; turn < 2; turn++) {
        const Side *side = turn ? &ein->right : &ein->left;
        const Side *other = turn ? &ein->left : &ein->right;
        for (unsigned i = 0; i < side->count; i++)
            if (find_name(other, side->names[i].name, side->names[i].length) < 0)
                return op_refuse(ein->op, ein->err, "'%.*s' stands on the %s side only",
                                 (int)side->names[i].length, side->names[i].name,
                                 turn ? "right" : "left");
    }
    for (size_t i = 0; i < ein->op->size_count; i++) {
        const OpSize *size = &ein->op->sizes[i];
        int at = find_name(&ein->left, size->name, strlen(size->name));
        if (at < 0) return op_refuse(ein->op, ein->err, "there is no '%s' in the text", size->name);
        if (size->size < 1)
            return op_refuse(ein->op, ein->err, "%s=%" PRId64 " is no size", size->name,
                             size->size);
        ein->sizes[at] = size->size;
    }
    return true;
}

/* The names first … end of an axis of that size: at most one is not given, which is inferred. */
static bool find_sizes(Ein *ein, const Expr *e, unsigned axis, unsigned first, unsigned end)
{
    int64_t product = 1, size = e->dims[axis];
    int open = -1;
    for (unsigned i = first; i < end; i++) {
        const char *name = ein->left.names[i].name;
        int length = (int)ein->left.names[i].length;
        if (ein->sizes[i]) {
            if (__builtin_mul_overflow(product, ein->sizes[i], &product))
                return op_refuse(ein->op, ein->err, "the sizes are too large");
        } else if (open >= 0) {
            return op_refuse(ein->op, ein->err, "two unknown sizes in dim %u: '%.*s' and '%.*s'; "
                             "give one of them", axis, (int)ein->left.names[open].length,
                             ein->left.names[open].name, length, name);
        } else {
            open = (int)i;
        }
    }
    if (open >= 0 ? size % product : size != product) {
        Text shape = {0};
        show_shape(e->dims, e->rank, &shape);
        op_refuse(ein->op, ein->err, "%s: dim %u has %" PRId64 ", %s %" PRId64, text_string(&shape),
                  axis, size, open >= 0 ? "not divisible by" : "and the sizes make", product);
        text_done(&shape);
        return false;
    }
    if (open >= 0) ein->sizes[open] = size / product;
    return true;
}

/* The two sides of the text. It is read again for every tensor: it is short. */
static bool read_text(Ein *ein)
{
    const char *text = ein->op->text, *arrow = strstr(text, "->");
    if (!arrow) return op_refuse(ein->op, ein->err, "a '->' between the two sides is missing");
    return take_side(ein, &ein->left, text, arrow) &&
           take_side(ein, &ein->right, arrow + 2, text + strlen(text)) && compare_sides(ein);
}

/* A text that is wrong for every shape is refused when the rule is read. */
bool op_check_ein(const Op *op, Error *err)
{
    Ein ein = {.op = op, .err = err};
    return read_text(&ein);
}

/* Of an unknown shape the result is unknown too, but the text is checked. */
const Expr *op_apply_ein(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    Ein ein = {.op = op, .err = err};
    const Side *left = &ein.left, *right = &ein.right;
    int64_t dims[TENSOR_RANK_MAX], sizes[TENSOR_RANK_MAX], open = -1;
    int order[TENSOR_RANK_MAX];
    if (!read_text(&ein)) return NULL;
    if (e->unknown) return expr_reshape(arena, e, &open, 1, err);
    if (left->axes != e->rank) {
        Text shape = {0};
        show_shape(e->dims, e->rank, &shape);
        op_refuse(op, err, "%s has %u dimensions, the left side %u", text_string(&shape), e->rank,
                  left->axes);
        text_done(&shape);
        return NULL;
    }
    for (unsigned i = 0, first = 0; i < left->axes; first = left->ends[i++])
        if (!find_sizes(&ein, e, i, first, left->ends[i])) return NULL;
    for (unsigned i = 0; i < right->count; i++) {
        order[i] = find_name(left, right->names[i].name, right->names[i].length);
        sizes[i] = ein.sizes[order[i]];
    }
    for (unsigned i = 0, first = 0; i < right->axes; first = right->ends[i++]) {
        dims[i] = 1;
        for (unsigned k = first; k < right->ends[i]; k++) dims[i] *= sizes[k];
    }
    const Expr *apart = expr_reshape(arena, e, ein.sizes, left->count, err);
    if (apart) apart = expr_permute(arena, apart, order, right->count, err);
    return apart ? expr_reshape(arena, apart, dims, right->axes, err) : NULL;
}
