/* Expr: how the values of one tensor come about, as a tree of operations on source tensors.
 *
 * Dtype and shape are inferred when a node is built, so a badly shaped expression is refused
 * then, by the constructor, with the shapes in the error; the caller adds rule and line.
 * Nodes are immutable, shared and live in an arena. Nothing is read until expr_fill. */
#ifndef LOADER_ALIGN_EXPR_H
#define LOADER_ALIGN_EXPR_H

#include <limits.h>

#include "loader/align/cast_loss.h"
#include "loader/align/resample.h"
#include "loader/core/json.h"
#include "loader/core/value.h"
#include "loader/tensor/dict.h"

/* kind, its name in the JSON of plans, what it does */
#define EXPR_KINDS(X)                                                                         \
    X(EX_SOURCE, "src", "a tensor of the source")                                             \
    X(EX_TARGET, "target", "the target's own tensor of that name")                            \
    X(EX_CAT, "cat", "joined along an axis")                                                  \
    X(EX_STACK, "stack", "joined along a new axis")                                           \
    X(EX_SLICE, "slice", "a range of an axis")                                                \
    X(EX_PICK, "pick", "chosen indices of an axis, in their order")                           \
    X(EX_PERMUTE, "permute", "axes in another order")                                         \
    X(EX_RESHAPE, "reshape", "the same elements in row-major order under another shape")      \
    X(EX_CAST, "cast", "converted to another dtype")                                          \
    X(EX_MUL, "mul", "times a constant")                                                      \
    X(EX_SHIFT, "shift", "plus a constant")                                                   \
    X(EX_ADD, "add", "the sum of two tensors")                                                \
    X(EX_MEAN, "mean", "the mean over an axis, which stays with size 1")                      \
    X(EX_REPEAT, "repeat", "an axis of size 1 repeated")                                      \
    X(EX_FILL, "fill", "made up: zeros, a constant, an initialisation")                       \
    X(EX_FIT, "fit", "the overlap with a target that is not known yet")                       \
    X(EX_SUM, "sum", "the sum over an axis, which stays with size 1")                         \
    X(EX_NORM, "norm", "the L2 norm over all axes but one, which stay with size 1")           \
    X(EX_MATMUL, "matmul", "the product of two matrices")                                     \
    X(EX_PRODUCT, "product", "two tensors multiplied element by element")                     \
    X(EX_QUOTIENT, "quotient", "two tensors divided element by element")                      \
    X(EX_SQRT, "sqrt", "the square root of every element")                                    \
    X(EX_RESIZE, "resize", "an axis resampled by a constant matrix")

#define EXPR_ENUM(kind, name, meaning) kind,
typedef enum __attribute__((packed)) ExprKind { EXPR_KINDS(EXPR_ENUM) EXPR_KIND_COUNT } ExprKind;
#undef EXPR_ENUM

typedef enum FillKind {
    FILL_ZEROS, FILL_CONST, FILL_NORMAL, FILL_UNIFORM, FILL_KAIMING_NORMAL, FILL_KAIMING_UNIFORM,
    FILL_XAVIER_NORMAL, FILL_XAVIER_UNIFORM, FILL_KIND_COUNT
} FillKind;

typedef struct Fill {
    FillKind kind;
    double a, b;             /* CONST: value; NORMAL: mean, std; UNIFORM: low, high; KAIMING and
                                XAVIER: a is the gain, 0 the usual one (sqrt(2), 1) */
    bool fan_out;            /* KAIMING: mode "fan_out" (PyTorch's default is fan_in) */
    uint64_t seed;
    const char *key;         /* the target key: part of the generator's state */
} Fill;

/* What an EX_FIT puts where the source has no rows. */
typedef enum FitRest { FIT_TARGET, FIT_ZEROS, FIT_MEAN, FIT_NORMAL, FIT_CONST } FitRest;

/* What an EX_FIT does when its target is known: copies the overlap; the same where the size is said
 * besides; resamples a grid of positions, patch kernels, a table of relative positions. */
typedef enum FitHow { FIT_OVERLAP, FIT_PAD, FIT_POSITIONS, FIT_PATCH, FIT_RELATIVE } FitHow;

typedef struct Fit {
    FitHow how;
    int axis;                /* OVERLAP PAD */
    FitRest rest;            /* OVERLAP PAD */
    double value;            /* of rest NORMAL: the deviation; of CONST: itself */
    uint64_t seed;           /* of rest NORMAL */
    int64_t size;            /* PAD: of the axis, as it shall be */
    int64_t extra;           /* POSITIONS: rows before the grid; RELATIVE: rows behind the table,
                                -1 = what the sizes tell */
    int64_t old[2], grid[2]; /* the grid (RELATIVE: the window) before and after, as rules say it;
                                0 = what the shapes tell */
    ResampleHow resample;    /* POSITIONS RELATIVE */
} Fit;

typedef struct Resizing {
    int axis;
    ResampleHow how;
    uint8_t count;           /* 1, or 2: the axis is a grid, row-major */
    int64_t in[2], out[2];   /* its sides before and after */
} Resizing;

/* Most are leaves, and there may be millions: what few of them need lies beside them. */
typedef struct Expr Expr;
struct Expr {
    ExprKind kind;           /* says which member of the union counts */
    DType dtype;             /* of the result; DT_UNKNOWN = a schema that does not tell */
    uint8_t rank;            /* of the result */
    uint8_t layout;          /* Layout (layout.h) of the axes, while no op has moved them */
    bool unknown;            /* shape (and perhaps dtype) not known: a schema source, or FIT;
                                rank then is 0 unless the node itself tells it */
    uint8_t depth;           /* of the tree; at most EXPR_DEPTH_MAX */
    uint32_t count;          /* of `from` */
    uint32_t nodes;          /* of the tree, shared ones counted each time; EXPR_NODES_MAX */
    const int64_t *dims;     /* [rank]; NULL when unknown */
    const Expr *const *from; /* operands */
    union {
        const Tensor *tensor;                                   /* SOURCE TARGET */
        int axis;                                               /* CAT STACK MEAN SUM NORM,
                                   which may have AXIS_NONE */
        struct { int axis; int64_t from, to; } slice;           /* while the shape is unknown: as
                                   given, and INT64_MIN where only the shape would tell */
        struct { int axis; const int64_t *index; int64_t count; } pick;
        const int *order;                                       /* PERMUTE [rank] */
        bool rounding;                                          /* CAST: ends a chain of f16
                                   (bf16, f8) arithmetic; a later step takes it off again */
        struct { int axis; int64_t times; } repeat;
        double constant;                                        /* MUL SHIFT */
        const Fill *fill;
        const Fit *fit;
        const Resizing *resize;
    };
};

/* Plans nest one JSON list a level, and JSON_DEPTH holds for plans too. The limit on nodes keeps
 * x+x+… over shared nodes from being walked forever. */
enum { EXPR_DEPTH_MAX = 100, EXPR_NODES_MAX = 1 << 20 };

enum { AXIS_NONE = INT_MIN };    /* expr_norm: over everything */

/* Constructors. `axis` may be negative, counted from the end. All return NULL with an error
 * that says the shapes: "split(3): dim 0 has 100, not divisible by 3". An operand of unknown
 * shape gives a node of unknown shape where the shape cannot be told. */
const Expr *expr_source(Arena *arena, const Tensor *tensor);
const Expr *expr_target(Arena *arena, const Tensor *tensor);
const Expr *expr_cat(Arena *arena, int axis, const Expr *const *parts, size_t n, Error *err);
const Expr *expr_stack(Arena *arena, int axis, const Expr *const *parts, size_t n, Error *err);
/* from and to may be negative, counted from the end; to = INT64_MAX is the end. */
const Expr *expr_slice(Arena *arena, const Expr *e, int axis, int64_t from, int64_t to, Error *err);
const Expr *expr_pick(Arena *arena, const Expr *e, int axis, const int64_t *index, size_t n,
                      Error *err);
const Expr *expr_permute(Arena *arena, const Expr *e, const int *order, size_t n, Error *err);
/* PyTorch's order of axes, from what e->layout says; e itself where it says nothing. */
const Expr *expr_to_torch(Arena *arena, const Expr *e, Error *err);
const Expr *expr_transpose(Arena *arena, const Expr *e, Error *err);     /* rank 2 only */
const Expr *expr_reshape(Arena *arena, const Expr *e, const int64_t *dims, size_t rank,
                         Error *err);                                    /* one dim may be -1 */
const Expr *expr_cast(Arena *arena, const Expr *e, DType dtype, Error *err);
/* Arithmetic: floats only; f16 and bf16 are computed in f32 and rounded once at the end of a
 * chain (a later step takes the cast off again). */
const Expr *expr_mul(Arena *arena, const Expr *e, double constant, Error *err);
const Expr *expr_shift(Arena *arena, const Expr *e, double constant, Error *err);
/* Of two tensors. The shapes are equal, but for axes of size 1, which are repeated, and for a
 * scalar, which goes with every shape; no other axes are put before or behind. */
const Expr *expr_add(Arena *arena, const Expr *a, const Expr *b, Error *err);
const Expr *expr_product(Arena *arena, const Expr *a, const Expr *b, Error *err);
const Expr *expr_quotient(Arena *arena, const Expr *a, const Expr *b, Error *err);
const Expr *expr_sqrt(Arena *arena, const Expr *e, Error *err);
/* e / constant, or constant / e: exactly that, not by way of a reciprocal. */
const Expr *expr_divide(Arena *arena, const Expr *e, double constant, bool swapped, Error *err);
/* n×k and k×m give n×m; the sums are made in double. */
const Expr *expr_matmul(Arena *arena, const Expr *a, const Expr *b, Error *err);
/* Reductions; the sums are made in double. The axes that they run over stay, with size 1. */
const Expr *expr_mean(Arena *arena, const Expr *e, int axis, Error *err);
const Expr *expr_sum(Arena *arena, const Expr *e, int axis, Error *err);
/* L2, over all axes but `axis`; over all with AXIS_NONE. */
const Expr *expr_norm(Arena *arena, const Expr *e, int axis, Error *err);
/* The axis, of in[0]·in[1] indices (count 2: a grid in row-major order) or in[0] (count 1), gets
 * out[0]·out[1] or out[0], each the sum of all old ones weighted as resample_matrix says. */
const Expr *expr_resize(Arena *arena, const Expr *e, int axis, ResampleHow how,
                        const int64_t *in, const int64_t *out, size_t count, Error *err);
const Expr *expr_repeat(Arena *arena, const Expr *e, int axis, int64_t times, Error *err);
const Expr *expr_fill_with(Arena *arena, const Fill *fill, DType dtype, const int64_t *dims,
                           size_t rank, Error *err);
/* What waits for its target; resolved by expr_fit_to. It must be the last step, a cast excepted,
 * which is applied before it. expr_fit is the overlap, and std is FIT_NORMAL's, whose seed is 0. */
const Expr *expr_fit(Arena *arena, const Expr *e, int axis, FitRest rest, double std,
                     Error *err);
const Expr *expr_fit_as(Arena *arena, const Expr *e, const Fit *fit, Error *err);
const char *fit_name(FitHow how);        /* as rules spell it: "fit", "pos_embed" */
/* `e` with its axis grown to fit->size, or to the target's, by fit->rest, which only with a target
 * can be that one's own values. `key` names the stream of normal numbers. */
const Expr *expr_pad(Arena *arena, const Expr *e, const Fit *fit, const Tensor *target,
                     const char *key, Error *err);
/* `e` resampled as fit->how (POSITIONS PATCH RELATIVE) says, to fit->grid or to what dims [rank] of
 * the target tell; these are NULL when there is none, and else what the result has, or it is an
 * error. `what` (may be NULL) receives "14×14 → 24×24", "" when nothing was done. */
const Expr *expr_resample(Arena *arena, const Expr *e, const Fit *fit, const int64_t *dims,
                          unsigned rank, char what[64], Error *err);
/* An EX_FIT as CAT/SLICE/TARGET/FILL/RESIZE for that target; other expressions are returned as
 * they are. The result has the source's dtype, which is the FIT's; but where rows of the target are
 * kept and the default policy casts silently, the target's: these rows must not be rounded to
 * a narrower source. *rows (may be NULL) receives "100 of 200 rows", "" when nothing was cut
 * or added. */
const Expr *expr_fit_to(Arena *arena, const Expr *e, const Tensor *target, char rows[64],
                        Error *err);

/* The tensor it simply is (a SOURCE; constructors drop operations that change nothing), else
 * NULL: such a tensor can be copied byte for byte. NULL also where its stored bytes are not
 * its values: big-endian, conj, neg, opaque. */
const Tensor *expr_as_source(const Expr *e);
/* Whether elements that are no whole bytes can be filled as they are, in runs of whole blocks; true
 * for all others. What is not can still be cast. */
bool expr_is_copy(const Expr *e);
/* Whether every leaf has bytes (no schema behind it). *which (may be NULL) receives the first
 * that has not. */
bool expr_has_data(const Expr *e, const Tensor **which);
/* Calls visit for every source (or target) leaf, left to right. */
void expr_leaves(const Expr *e, void (*visit)(const Tensor *tensor, void *context), void *context);

/* Fills the box [from, from+size) of the result, row-major in e->dtype, into `out`. NULL/NULL
 * = all of it. Working memory beside `out` is a few times the box at most (MEAN and reshapes
 * of permuted data read in pieces). */
bool expr_fill(const Expr *e, const int64_t *from, const int64_t *size, void *out, Error *err);
/* What the boxes of one expression share: sums that all of them need are made once. For those who
 * fill it box by box; up to 32 MB. */
typedef struct ExprMemo ExprMemo;
ExprMemo *expr_memo_new(void);
void expr_memo_free(ExprMemo *memo);     /* NULL is fine */
/* The same with a memo (may be NULL), and adds to *losses (may be NULL) what its casts lost. Left
 * out are the roundings at the end of arithmetic, and casts below what makes values more than once
 * or of several (sums, repeats, matrices, resampling). */
bool expr_fill_measured(const Expr *e, const int64_t *from, const int64_t *size, void *out,
                        ExprMemo *memo, CastLosses *losses, Error *err);

/* What making values reads. */
typedef struct ExprReads {
    uint64_t bytes;              /* that are asked for, each time they are */
    uint64_t swept;              /* bytes of storages from the first to the last one that a box
                                    needs, of all boxes */
    struct ReadSpan *spans;      /* of the storages; owned */
    size_t count, room;
} ExprReads;

/* Adds what expr_fill_measured of that box with that memo would read, without reading; `out` is
 * room for the box, and stays untouched. */
bool expr_count_reads(const Expr *e, const int64_t *from, const int64_t *size, void *out,
                      ExprMemo *memo, ExprReads *reads, Error *err);
/* How often all that is needed is gone through from its first byte to its last one: 1 where boxes
 * follow one another in the storage as in the result, as many as boxes where each needs something
 * from everywhere. 0 where nothing is read. */
double expr_reads_passes(const ExprReads *reads);
void expr_reads_done(ExprReads *reads);

/* The nested array of plans: ["cat",0,["src","a"],["src","b"]]. */
void expr_write_json(const Expr *e, JsonWriter *writer);
/* Such an array read again, over the tensors of a source and a target (either may be NULL, or a
 * schema). The plan is anybody's: NULL and an error for whatever is no expression over them. Names
 * are borrowed from `value`. */
const Expr *expr_read_json(Arena *arena, const Value *value, const StateDict *source,
                           const StateDict *target, Error *err);
/* "src", "cat" …: the kind's name in plans, and the kind of a name (EXPR_KIND_COUNT: none). */
const char *expr_kind_name(ExprKind kind);
ExprKind expr_kind_of(const char *name);

#endif
