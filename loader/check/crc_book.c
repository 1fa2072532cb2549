/* A sorted list: by source, then by place, then the longest first. */
#include "loader/check/crc_book.h"

#include <stdlib.h>

typedef struct Entry {
    const ByteSource *source;    /* borrowed; only compared */
    uint64_t from, size;         /* bytes of it */
    uint32_t crc;
} Entry;

struct CrcBook {
    Entry *entries;              /* owned */
    size_t count;
};

static int compare_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->source != y->source) return (uintptr_t)x->source < (uintptr_t)y->source ? -1 : 1;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return (x->size < y->size) - (x->size > y->size);
}

/* Whether the packed values are the very bytes of the storage. Bools are normalised on reading, and
 * types that are packed or quantized are read as numbers. */
static bool is_raw(const Tensor *tensor)
{
    const Encoding *e = tensor->encoding;
    return tensor->storage && tensor->storage->source && tensor->dtype != DT_BOOL &&
           tensor_is_contiguous(tensor) && dtype_of_values(tensor->dtype) == tensor->dtype &&
           !(e && (e->big_endian || e->conjugate || e->negate || e->opaque || e->quantizer));
}

/* Tensors without bytes would only be in the way of the search. */
CrcBook *crc_book_new(const Audit *audit)
{
    CrcBook *book = mem_alloc(sizeof *book);
    book->entries = mem_alloc((audit->count + 1) * sizeof *book->entries);
    for (size_t i = 0; i < audit->count; i++) {
        const Subject *subject = &audit->subjects[i];
        const Tensor *tensor = subject->tensor;
        if (subject->first != i || !subject->sweep || !is_raw(tensor) || !tensor_bytes(tensor))
            continue;
        book->entries[book->count++] =
            (Entry){tensor->storage->source, tensor->storage->offset + tensor->offset,
                    tensor_bytes(tensor), subject->sweep->crc};
    }
    qsort(book->entries, book->count, sizeof *book->entries, compare_entries);
    return book;
}

void crc_book_free(CrcBook *book)
{
    free(book->entries);
    free(book);
}

/* The first entry at or behind a place. */
static size_t find(const CrcBook *book, const ByteSource *source, uint64_t from)
{
    const Entry wanted = {source, from, UINT64_MAX, 0};
    size_t low = 0, high = book->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_entries(&book->entries[middle], &wanted) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Of several that begin there the longest that fits is taken, so that the fewest steps remain. */
bool crc_book_known(const CrcBook *book, const ByteSource *source, uint64_t from, uint64_t *size,
                    uint32_t *crc)
{
    for (size_t i = find(book, source, from); i < book->count; i++) {
        const Entry *entry = &book->entries[i];
        if (entry->source != source || entry->from != from) return false;
        if (entry->size > *size) continue;
        *size = entry->size;
        *crc = entry->crc;
        return true;
    }
    return false;
}

/* Up to the next entry that could be used: one that reaches beyond the end could not. */
uint64_t crc_book_unknown(const CrcBook *book, const ByteSource *source, uint64_t from,
                          uint64_t size)
{
    for (size_t i = find(book, source, from + 1); i < book->count; i++) {
        const Entry *entry = &book->entries[i];
        if (entry->source != source || entry->from - from >= size) return size;
        if (entry->size <= size - (entry->from - from)) return entry->from - from;
    }
    return size;
}
