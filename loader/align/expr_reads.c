/* Counts what values take to read: the expression is gone through as if it were filled. */
#include <stdlib.h>

#include "loader/align/expr_place.h"
#include "loader/tensor/values.h"

/* The bytes of one storage between the first and the last: that the box needs (none: `end` is 0),
 * and that any box has needed. */
typedef struct ReadSpan {
    const Storage *storage;
    uint64_t begin, end;
    uint64_t first, last;
} ReadSpan;

static void widen(uint64_t *begin, uint64_t *end, const TensorReads *one)
{
    if (one->at < *begin) *begin = one->at;
    if (one->at + one->span > *end) *end = one->at + one->span;
}

static void add_span(ExprReads *reads, const Storage *storage, const TensorReads *one)
{
    size_t i = 0;
    while (i < reads->count && reads->spans[i].storage != storage) i++;
    if (i == reads->count) {
        reads->spans = mem_grow(reads->spans, &reads->room, ++reads->count, sizeof *reads->spans);
        reads->spans[i] = (ReadSpan){storage, UINT64_MAX, 0, UINT64_MAX, 0};
    }
    widen(&reads->spans[i].begin, &reads->spans[i].end, one);
    widen(&reads->spans[i].first, &reads->spans[i].last, one);
}

bool reads_add(const Place *place, const Tensor *tensor, bool numbers)
{
    const TensorReads one = numbers
        ? tensor_value_reads(tensor, place->from, place->size, place->out, place->strides)
        : tensor_reads(tensor, place->from, place->size, place->strides);
    place->reads->bytes += one.bytes;
    if (one.bytes) add_span(place->reads, tensor->storage, &one);
    return true;
}

bool expr_count_reads(const Expr *e, const int64_t *from, const int64_t *size, void *out,
                      ExprMemo *memo, ExprReads *reads, Error *err)
{
    Place place = {.out = out, .dtype = e->dtype, .memo = memo, .reads = reads};
    for (size_t i = 0; i < reads->count; i++) {
        reads->spans[i].begin = UINT64_MAX;
        reads->spans[i].end = 0;
    }
    const bool fine = place_box(e, from, size, &place, err);
    for (size_t i = 0; i < reads->count; i++)
        if (reads->spans[i].end) reads->swept += reads->spans[i].end - reads->spans[i].begin;
    return fine;
}

double expr_reads_passes(const ExprReads *reads)
{
    uint64_t once = 0;
    for (size_t i = 0; i < reads->count; i++) once += reads->spans[i].last - reads->spans[i].first;
    if (!once) return 0;
    return reads->swept > once ? (double)reads->swept / (double)once : 1;
}

void expr_reads_done(ExprReads *reads)
{
    free(reads->spans);
    *reads = (ExprReads){0};
}
