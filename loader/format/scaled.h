/* Scaled: a source of floats that are those of another, divided by one number of it. */
#ifndef LOADER_FORMAT_SCALED_H
#define LOADER_FORMAT_SCALED_H

#include "loader/tensor/tensor.h"

/* `count` elements (f32 or f64, as `storage` has them) of `storage`, each divided by the element
 * that `divisor` begins with; by 0 they all are 0. Both storages are raw and little-endian, and the
 * divisor has the same dtype; their sources are kept alive. Nothing is read but for reads. */
ByteSource *source_scaled(const Storage *storage, const Storage *divisor);

#endif
