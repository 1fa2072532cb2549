/* Questions to an expression: is it simply a tensor, has it data, what does it stand on. */
#include "loader/align/expr.h"

/* A chain of nodes that all change nothing never arises (see the constructors), so the root
 * alone tells. */
const Tensor *expr_as_source(const Expr *e)
{
    if (e->kind != EX_SOURCE) return NULL;
    const Encoding *encoding = e->tensor->encoding;
    bool plain = !encoding || (!encoding->big_endian && !encoding->conjugate &&
                               !encoding->negate && !encoding->opaque);
    return plain ? e->tensor : NULL;
}

/* Leaves that stand for a tensor; a FILL is a leaf too, but stands for nothing that exists. */
static bool is_leaf(const Expr *e)
{
    return e->kind == EX_SOURCE || e->kind == EX_TARGET;
}

/* An empty tensor needs none, but a storage must be named: a schema's has none at all. */
static bool has_bytes(const Tensor *tensor)
{
    return tensor->storage && (tensor->storage->source || (tensor->dims && !tensor_count(tensor)));
}

bool expr_has_data(const Expr *e, const Tensor **which)
{
    if (is_leaf(e) && !has_bytes(e->tensor)) {
        if (which) *which = e->tensor;
        return false;
    }
    for (uint32_t i = 0; i < e->count; i++)
        if (!expr_has_data(e->from[i], which)) return false;
    return true;
}

/* A leaf that stands in two places is visited twice. The recursion is as deep as the tree,
 * which EXPR_DEPTH_MAX bounds; so is that of expr_has_data. */
void expr_leaves(const Expr *e, void (*visit)(const Tensor *tensor, void *context), void *context)
{
    if (is_leaf(e)) visit(e->tensor, context);
    for (uint32_t i = 0; i < e->count; i++) expr_leaves(e->from[i], visit, context);
}
