/* From the outputs inwards: see expr_reverse.h. */
#include "loader/align/expr_reverse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/reverse_parts.h"
#include "loader/core/map.h"

/* PIECES_MAX: parts that are known at a time; each is half a kilobyte. */
enum { PIECES_MAX = 4 << 20 };

/* An expression, known as one however often it stands in the outputs. */
typedef struct Known {
    const Expr *expr;
    uint32_t *operands;          /* [expr->count] numbers of nodes; in the arena */
    Piece *pieces;               /* [count] what is known of it; owned, freed when told on */
    size_t count, room;
    const Expr *value;           /* all of it; NULL = not known (yet) */
    bool rounded;                /* of the value */
    const char *loss;            /* why something of it is not known; NULL = nothing was lost */
    const Tensor *by;            /* the output that lost it, or gave the value */
} Known;

struct Reverse {
    Arena *arena;                /* borrowed */
    Known *nodes;                /* owned */
    size_t count, room;
    NameMap names;               /* spelling of a node → its number */
    size_t pieces;               /* of all nodes at present */
    size_t most;                 /* PIECES_MAX was reached */
    Text spelling;               /* reused */
};

Reverse *reverse_new(Arena *arena)
{
    Reverse *reverse = mem_alloc(sizeof *reverse);
    reverse->arena = arena;
    map_init(&reverse->names);
    return reverse;
}

void reverse_free(Reverse *reverse)
{
    if (!reverse) return;
    for (size_t i = 0; i < reverse->count; i++) free(reverse->nodes[i].pieces);
    free(reverse->nodes);
    map_done(&reverse->names);
    text_done(&reverse->spelling);
    free(reverse);
}

/* ---- equal parts are one ---- */

static void spell_ints(Text *out, const int64_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) text_addf(out, ",%lld", (long long)list[i]);
}

/* What tells a node from others of its kind over the same operands. */
static void spell_arguments(const Expr *e, Text *out)
{
    switch (e->kind) {
    case EX_SOURCE: case EX_TARGET: text_addf(out, "%p", (const void *)e->tensor); break;
    case EX_CAT: case EX_STACK: case EX_MEAN: case EX_SUM: case EX_NORM:
        text_addf(out, "%d", e->axis);
        break;
    case EX_SLICE:
        text_addf(out, "%d,%lld", e->slice.axis, (long long)e->slice.from);
        break;
    case EX_PICK:
        text_addf(out, "%d", e->pick.axis);
        spell_ints(out, e->pick.index, (size_t)e->pick.count);
        break;
    case EX_PERMUTE:
        for (unsigned i = 0; i < e->rank; i++) text_addf(out, ",%d", e->order[i]);
        break;
    case EX_MUL: case EX_SHIFT: text_addf(out, "%a", e->constant); break;
    case EX_REPEAT: text_addf(out, "%d", e->repeat.axis); break;
    case EX_FILL: case EX_RESIZE: case EX_FIT: text_addf(out, "%p", (const void *)e); break;
    default: break;
    }
}

/* The number of the node; the recursion is as deep as the tree (EXPR_DEPTH_MAX). */
static uint32_t intern(Reverse *reverse, const Expr *e)
{
    uint32_t *operands = arena_alloc(reverse->arena, (e->count + 1) * sizeof *operands);
    for (uint32_t i = 0; i < e->count; i++) operands[i] = intern(reverse, e->from[i]);
    Text *text = &reverse->spelling;
    text_clear(text);
    text_addf(text, "%d %d ", (int)e->kind, (int)e->dtype);
    spell_arguments(e, text);
    spell_ints(text, e->dims, e->rank);
    for (uint32_t i = 0; i < e->count; i++) text_addf(text, " %u", operands[i]);
    uint32_t known = map_get(&reverse->names, text_string(text));
    if (known != MAP_NONE) return known;
    reverse->nodes = mem_grow(reverse->nodes, &reverse->room, reverse->count + 1,
                              sizeof *reverse->nodes);
    reverse->nodes[reverse->count] = (Known){.expr = e, .operands = operands};
    map_set(&reverse->names, arena_strdup(reverse->arena, text_string(text)),
            (uint32_t)reverse->count);
    return (uint32_t)reverse->count++;
}

/* ---- what is known ---- */

static void add_piece(Reverse *reverse, Known *known, const Piece *piece)
{
    if (reverse->pieces >= PIECES_MAX) {
        reverse->most = 1;
        return;
    }
    known->pieces = mem_grow(known->pieces, &known->room, known->count + 1, sizeof *known->pieces);
    known->pieces[known->count++] = *piece;
    reverse->pieces++;
}

void reverse_add(Reverse *reverse, const Tensor *output, const Expr *expr)
{
    Piece piece = {.expr = expr_source(reverse->arena, output), .by = output};
    if (expr->unknown) return;
    memcpy(piece.size, expr->dims, expr->rank * sizeof *piece.size);
    uint32_t number = intern(reverse, expr);
    add_piece(reverse, &reverse->nodes[number], &piece);
}

/* Who is told, and by which node. */
typedef struct Teller {
    Reverse *reverse;
    const Known *from;
} Teller;

static void told(void *context, uint32_t index, const Piece *piece)
{
    Teller *teller = context;
    Known *operand = &teller->reverse->nodes[teller->from->operands[index]];
    if (operand->expr->kind != EX_FILL && operand->expr->kind != EX_TARGET)
        add_piece(teller->reverse, operand, piece);
}

/* Whatever stands below lost the same; the first loss is the one that is told. */
static void pass_loss(Reverse *reverse, const Known *known, const char *loss, const Tensor *by)
{
    for (uint32_t i = 0; loss && i < known->expr->count; i++) {
        Known *operand = &reverse->nodes[known->operands[i]];
        if (operand->loss) continue;
        operand->loss = loss;
        operand->by = by;
    }
}

/* Tells the operands what one piece says; where it says nothing, why. */
static void tell_piece(Reverse *reverse, const Known *known, const Piece *piece)
{
    Teller teller = {reverse, known};
    const char *loss = NULL;
    if (!reverse_node(reverse->arena, known->expr, piece, told, &teller, &loss))
        pass_loss(reverse, known, loss, piece->by);
}

/* All of what uses the node has spoken. It tells on the whole, or else its parts one by one. */
static void settle(Reverse *reverse, Known *known)
{
    Piece whole;
    bool leaf = known->expr->count == 0;
    if (reverse_cover(reverse->arena, known->expr, known->pieces, known->count, &whole)) {
        known->value = whole.expr;
        known->rounded = whole.rounded;
        known->by = whole.by;
        if (!leaf) tell_piece(reverse, known, &whole);
    } else if (!leaf) {
        for (size_t i = 0; i < known->count; i++) tell_piece(reverse, known, &known->pieces[i]);
        pass_loss(reverse, known, known->loss, known->by);
    } else if (known->count && !known->loss) {
        known->loss = "only a part of it is in the output";
        known->by = known->pieces[0].by;
    }
    reverse->pieces -= known->count;
    free(known->pieces);
    known->pieces = NULL;
    known->count = known->room = 0;
}

/* By depth, the deepest first: what uses a node is deeper than it. Among equals by number. */
bool reverse_run(Reverse *reverse, Error *err)
{
    size_t starts[EXPR_DEPTH_MAX + 2] = {0};
    uint32_t *order = mem_alloc((reverse->count + 1) * sizeof *order);
    for (size_t i = 0; i < reverse->count; i++)
        starts[EXPR_DEPTH_MAX - reverse->nodes[i].expr->depth + 1]++;
    for (size_t i = 1; i < countof(starts); i++) starts[i] += starts[i - 1];
    for (size_t i = 0; i < reverse->count; i++)
        order[starts[EXPR_DEPTH_MAX - reverse->nodes[i].expr->depth]++] = (uint32_t)i;
    for (size_t i = 0; i < reverse->count && !reverse->most; i++)
        settle(reverse, &reverse->nodes[order[i]]);
    free(order);
    return !reverse->most ||
           error_set(err, ERR_LIMIT, "more than %d parts of tensors would have to be put together",
                     PIECES_MAX);
}

ReverseAnswer reverse_find(const Reverse *reverse, const Tensor *source)
{
    Arena *arena = arena_new();
    const Expr *leaf = expr_source(arena, source);
    Text text = {0};
    text_addf(&text, "%d %d ", (int)leaf->kind, (int)leaf->dtype);
    spell_arguments(leaf, &text);
    spell_ints(&text, leaf->dims, leaf->rank);
    uint32_t number = map_get(&reverse->names, text_string(&text));
    text_done(&text);
    arena_free(arena);
    if (number == MAP_NONE) return (ReverseAnswer){0};
    const Known *known = &reverse->nodes[number];
    return (ReverseAnswer){known->value, known->value ? NULL : known->loss, known->by,
                           known->rounded};
}

/* ---- dtypes ---- */

/* Of a type of one byte every value there is, there and back. */
static bool survives(DType to, DType from)
{
    unsigned values = dtype_info(from)->kind == CLASS_BOOL ? 2 : 256;
    for (unsigned i = 0; i < values; i++) {
        unsigned char in = (unsigned char)i, wide[16], out;
        double value;
        dtype_to_doubles(from, &in, &value, 1);
        if (isnan(value)) continue;
        if (!dtype_convert(from, &in, to, wide, 1) || !dtype_convert(to, wide, from, &out, 1) ||
            in != out)
            return false;
    }
    return true;
}

/* Of longer types by their bits: 24 in an f32, 53 in an f64. */
bool dtype_holds(DType to, DType from)
{
    const DTypeInfo *a = dtype_info(from), *b = dtype_info(to);
    if (from == to) return true;
    bool numbers = a->kind != CLASS_COMPLEX && a->kind != CLASS_QUANT && a->kind != CLASS_OTHER &&
                   b->kind != CLASS_COMPLEX && b->kind != CLASS_QUANT && b->kind != CLASS_OTHER;
    if (!numbers || !dtype_size(from) || !dtype_size(to) || b->kind == CLASS_BOOL) return false;
    if (dtype_size(from) == 1) return survives(to, from);
    if (a->kind == CLASS_FLOAT)
        return b->kind == CLASS_FLOAT && (to == DT_F32 || to == DT_F64) && b->bits > a->bits;
    if (b->kind == CLASS_FLOAT)
        return (a->bits == 16 && to == DT_F32) || (a->bits <= 32 && to == DT_F64);
    return b->bits > a->bits && (b->kind == CLASS_INT || a->kind == CLASS_UINT);
}
