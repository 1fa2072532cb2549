/* Boxes: one source made of N-dimensional parts of others: a tensor whose chunks were written by
 * several ranks, each cut along any axes. Nothing is copied; a read asks only the parts that it
 * touches, and asks each of them for runs as long as its rows allow. */
#ifndef LOADER_SOURCE_BOXES_H
#define LOADER_SOURCE_BOXES_H

#include "loader/source/source.h"

enum { BOXES_RANK_MAX = 32 };

typedef struct SourceBox {
    ByteSource *source;      /* its elements, row-major, packed; source_boxes takes a reference */
    uint64_t offset;         /* where they start in `source`, in bytes */
    const int64_t *from;     /* [rank] the first index of the part in the whole; borrowed */
    const int64_t *size;     /* [rank] its sizes; 0: an empty part, which is left out; borrowed */
} SourceBox;

/* What is wrong with a list of parts. */
typedef enum BoxFault {
    BOXES_FIT,               /* every element of the whole is in exactly one part */
    BOXES_OUTSIDE,           /* a part, or its source, ends too early or reaches too far */
    BOXES_OVERLAP,           /* an element is in two parts */
    BOXES_HOLE,              /* an element is in none */
    BOXES_TOO_MANY           /* finding that out would take more than LIMIT_PIECE_PAIRS steps */
} BoxFault;

/* The elements of a whole of dims[rank], row-major, `element` bytes each. NULL, with an error that
 * says which indices, and *fault (may be NULL), unless the parts fit. Their order is of no
 * meaning. */
ByteSource *source_boxes(const int64_t *dims, unsigned rank, unsigned element,
                         const SourceBox *boxes, size_t count, const char *name, BoxFault *fault,
                         Error *err);

#endif
