/* Op: what stands right of `|>`. One table of ops; each works on the value of a rule, which is
 * a list of lists of expressions: one list a source pattern, in gathered order. */
#ifndef LOADER_ALIGN_OP_H
#define LOADER_ALIGN_OP_H

#include "loader/align/expr.h"
#include "loader/align/pattern.h"

/* name as rules spell it, what it takes, what it does: help and the manual come from here */
#define OPS(X)                                                                                  \
    X(OP_T, "T", "", "transpose of a matrix")                                                   \
    X(OP_TO_TORCH, "to_torch", "",                                                              \
      "PyTorch's order of axes, from the layout that the source's format tells (HWIO …)")       \
    X(OP_PERMUTE, "permute", "axis, …", "axes in the given order, as torch.permute")            \
    X(OP_RESHAPE, "reshape", "size, …", "row-major reshape; one size may be -1")                \
    X(OP_SQUEEZE, "squeeze", "axis", "drops an axis of size 1 (all of them without argument)")  \
    X(OP_UNSQUEEZE, "unsqueeze", "axis", "adds an axis of size 1")                              \
    X(OP_SPLIT, "split", "n | {sizes} | nothing, axis",                                         \
      "one tensor into n equal parts, parts of given sizes, or the targets' sizes")             \
    X(OP_CAT, "cat", "axis", "joins each list along an axis")                                   \
    X(OP_STACK, "stack", "axis", "joins each list along a new axis")                            \
    X(OP_UNSTACK, "unstack", "axis", "one tensor into its slices along an axis")                \
    X(OP_SLICE, "slice", "axis, from, to", "a range of an axis; negative counts from the end")  \
    X(OP_PICK, "pick", "axis, {indices}", "chosen indices of an axis")                          \
    X(OP_ROLL, "roll", "axis, shift", "rotates along an axis, as torch.roll")                   \
    X(OP_ROPE_PAIRS, "rope_pairs", "heads",                                                     \
      "rope rows from halves to interleaved pairs (HF to Meta)")                                \
    X(OP_ROPE_HALVES, "rope_halves", "heads",                                                   \
      "rope rows from interleaved pairs to halves (Meta to HF)")                                \
    X(OP_FIT, "fit", "axis, rest",                                                              \
      "copies the overlap; rest: target (default), zeros, mean, normal(s)")                     \
    X(OP_CAST, "cast", "dtype", "converts to a dtype")                                          \
    X(OP_MUL, "mul", "c", "times a constant")                                                   \
    X(OP_ADD, "add", "c", "plus a constant")                                                    \
    X(OP_EIN, "ein", "\"(a b) c -> (b a) c\", {a=}",                                            \
      "axes taken apart, reordered and joined, as einops.rearrange")                            \
    X(OP_SWAP_HALVES, "swap_halves", "axis", "the second half of an axis before the first")     \
    X(OP_PAD, "pad", "axis, size, rest",                                                        \
      "grows an axis to a size; rest: zeros (default), mean, const(c), normal(s), target")      \
    X(OP_TILE, "tile", "axis, n", "an axis n times in a row")                                   \
    X(OP_SUM, "sum", "axis", "the sum over an axis, which stays with size 1")                   \
    X(OP_MEAN, "mean", "axis", "the mean over an axis, which stays with size 1")                \
    X(OP_NORM, "norm", "axis",                                                                  \
      "the L2 norm over all axes but one (over all without argument), which stay with size 1")  \
    X(OP_SQRT, "sqrt", "", "the square root of every element")                                  \
    X(OP_MATMUL, "matmul", "", "the product of the matrices of a list")                         \
    X(OP_IN_CHANS, "in_chans", "n", "a first convolution for n input channels, as timm")        \
    X(OP_POS_EMBED, "pos_embed", "{prefix=1, old=, new=}",                                      \
      "position embeddings for the target's grid, as timm (bicubic, antialiased)")              \
    X(OP_PATCH_EMBED, "patch_embed", "{new=}", "patch kernels of another size, as timm (FlexiViT)") \
    X(OP_REL_POS_BIAS, "rel_pos_bias", "{mode=, extra=, old=, new=}",                           \
      "tables of relative positions for the target's window, as BEiT and timm")                 \
    X(OP_ZEROS, "zeros", "", "zeros of the target's shape")                                     \
    X(OP_CONST, "const", "c", "a constant of the target's shape")                               \
    X(OP_NORMAL, "normal", "std | mean, std", "normal numbers of the target's shape")           \
    X(OP_UNIFORM, "uniform", "low, high", "uniform numbers of the target's shape")              \
    X(OP_KAIMING, "kaiming", "{mode=, dist=, nonlinearity=, a=}",                               \
      "PyTorch's kaiming initialisation (fan_in, gain sqrt(2))")                                \
    X(OP_XAVIER, "xavier", "{dist=, gain=}", "PyTorch's xavier initialisation")                 \
    X(OP_CONV_MSRA, "conv_msra", "", "normal numbers of deviation sqrt(2/(kh kw out))")         \
    X(OP_PRIOR_BIAS, "prior_bias", "p", "the bias of which a sigmoid makes p: -log((1-p)/p)")   \
    X(OP_COPY, "copy", "", "the same tensor under every name on the right")                     \
    X(OP_FUNCTION, "function", "(t, m)", "a Lua function over symbolic tensors")

#define OP_ENUM(id, name, args, help) id,
typedef enum OpKind { OPS(OP_ENUM) OP_KIND_COUNT } OpKind;
#undef OP_ENUM

/* A size that ein is given for a name. */
typedef struct OpSize {
    const char *name;
    int64_t size;
} OpSize;

typedef struct Op {
    OpKind kind;
    bool has_axis;           /* an axis was given */
    int axis;
    int64_t number;          /* split n, slice from, roll shift, rope heads, pad size, tile n,
                                in_chans n */
    int64_t to;              /* slice to */
    bool has_number, has_to;
    bool gaps;               /* stack, cat: holes in the gathered indices are allowed */
    const int64_t *list;     /* permute, reshape, split sizes, pick indices */
    size_t list_count;
    double real, real2;      /* mul, add, prior_bias p, the number of the rest of fit and pad (c of
                                const, deviation of normal); for const, normal and uniform `fill`
                                is what counts */
    DType dtype;             /* cast */
    FitRest rest;            /* fit, pad */
    Fit fit;                 /* pos_embed, patch_embed, rel_pos_bias */
    const char *text;        /* ein; in the arena of the rule, like the sizes. FUNCTION: as Lua,
                                where it was made here; NULL: it is the user's */
    const OpSize *sizes;     /* ein: [size_count] */
    size_t size_count;
    Fill fill;               /* zeros … xavier: kind and numbers (seed and key are set later) */
    int function;            /* FUNCTION: the host's reference */
} Op;

typedef struct ExprList {
    const Expr **items;
    size_t count;
    bool gathered;           /* its pattern has a capture that the right side has not: even a
                                list of one is what `stack` and `cat` reduce */
} ExprList;

/* The value of a rule while its ops are applied. */
typedef struct RuleValue {
    ExprList *lists;
    size_t count;
} RuleValue;

/* Where ops may look beyond the value itself. */
typedef struct OpContext {
    Arena *arena;
    const StateDict *target;              /* NULL when there is none */
    const char *const *names;             /* the right-hand names, as far as they are known */
    size_t name_count;
    const Captures *captures;
    uint64_t seed;
    /* Runs op->function with the value (lists, captures); the scripting floor hands it in. */
    bool (*call)(void *host, const Op *op, const struct OpContext *context, RuleValue *value,
                 Error *err);
    void *host;
} OpContext;

/* Applies one op in place. stack and cat reduce each list, and the outer list when there are
 * several and every list has length one and was not gathered; split and unstack turn one tensor
 * into a list; copy turns one tensor into as many as there are names; the others apply to each.
 * The ops that fill (op_is_fill) need an empty left side and are refused here. */
bool op_apply(const Op *op, const OpContext *context, RuleValue *value, Error *err);

/* zeros … prior_bias: what makes values up. */
bool op_is_fill(OpKind kind);
/* Whether the text of an ein and its sizes can be right at all. */
bool op_check_ein(const Op *op, Error *err);

/* The value a fill op gives a target, by op->fill. *note (may be NULL) receives what the report
 * should say beyond the op itself ("zeros: …", since kaiming and xavier need two dimensions), or
 * NULL. Errors say why the target cannot be filled. */
const Expr *fill_for_target(Arena *arena, const Op *op, uint64_t seed, const Tensor *target,
                            const char **note, Error *err);

const char *op_name(OpKind kind);
/* "split(3)", "permute(3,2,0,1)": as reports print it. */
void op_show(const Op *op, Text *out);
/* The same whole, as rule text: what is read from it does the same. Not for an OP_FUNCTION without
 * text. */
void op_write(const Op *op, Text *out);

#endif
