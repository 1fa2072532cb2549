/* Which values are kept, and for how long. */
#include "loader/align/expr_memo.h"

#include <stdlib.h>

#include "loader/tensor/strided.h"

/* All that one memo keeps, and how many expressions it knows: each is looked for in turn. */
enum { ELEMENTS_MAX = 1 << 22, KEPT_MAX = 64 };

typedef struct Kept {
    const Expr *e;
    unsigned char *values;       /* all of it, packed; owned; NULL: it is not worth keeping */
} Kept;

struct ExprMemo {
    Kept kept[KEPT_MAX];
    size_t count, elements;      /* elements: of all that is kept */
};

ExprMemo *expr_memo_new(void)
{
    return mem_alloc(sizeof(ExprMemo));
}

void expr_memo_free(ExprMemo *memo)
{
    for (size_t i = 0; memo && i < memo->count; i++) free(memo->kept[i].values);
    free(memo);
}

/* Whether a value takes more than its own share of the leaves. */
static bool is_sum(const Expr *e)
{
    switch (e->kind) {
    case EX_MEAN: case EX_SUM: case EX_NORM: case EX_MATMUL: case EX_RESIZE: return true;
    default: break;
    }
    for (uint32_t i = 0; i < e->count; i++)
        if (is_sum(e->from[i])) return true;
    return false;
}

/* Makes all of it. A repeat within is its own place's business: what it repeats is kept there. */
static bool make_values(ExprMemo *memo, Kept *kept, ExprReads *reads, Error *err)
{
    const Expr *e = kept->e;
    uint64_t count = 1;
    for (unsigned i = 0; i < e->rank; i++)
        if (!sum_mul(count, (uint64_t)e->dims[i], &count) || count > ELEMENTS_MAX) return true;
    if (count > ELEMENTS_MAX - memo->elements || !is_sum(e)) return true;
    Place whole = {.dtype = e->dtype, .memo = memo, .reads = reads};
    for (unsigned i = 0; i < e->rank; i++) whole.size[i] = e->dims[i];
    contiguous_strides(whole.size, e->rank, whole.strides);
    whole.out = mem_alloc((size_t)count * dtype_size(e->dtype));
    memo->elements += (size_t)count;
    if (place_fill(e, &whole, err)) {
        kept->values = whole.out;
        return true;
    }
    free(whole.out);
    return false;
}

/* The record of an expression, made when it is asked for first; NULL: there is no room, or, with an
 * error, its values cannot be had. */
static const Kept *find_kept(ExprMemo *memo, const Expr *e, ExprReads *reads, bool *fine,
                             Error *err)
{
    for (size_t i = 0; i < memo->count; i++)
        if (memo->kept[i].e == e) return &memo->kept[i];
    if (memo->count == KEPT_MAX) return NULL;
    Kept kept = {.e = e};
    *fine = make_values(memo, &kept, reads, err);
    if (!*fine) return NULL;
    if (memo->count == KEPT_MAX) {      /* what lies within has taken the last place */
        free(kept.values);
        return NULL;
    }
    memo->kept[memo->count] = kept;
    return &memo->kept[memo->count++];
}

bool memo_fill(const Expr *e, const Place *place, Error *err)
{
    bool fine = true, asked = place->memo && e->kind != EX_REPEAT && place->dtype == e->dtype;
    const Kept *kept = asked ? find_kept(place->memo, e, place->reads, &fine, err)
                              : NULL;
    if (!fine) return false;
    if (!kept || !kept->values) return place_fill(e, place, err);
    if (place->reads) return true;
    int64_t strides[TENSOR_RANK_MAX], offset = 0;
    const size_t element = dtype_size(e->dtype);
    contiguous_strides(e->dims, e->rank, strides);
    for (unsigned i = 0; i < e->rank; i++) offset += place->from[i] * strides[i];
    strided_move(place->size, e->rank, element, kept->values + offset * (int64_t)element, strides,
                 place->out, place->strides);
    return true;
}
