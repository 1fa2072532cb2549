/* Latin1: bytes that were written as text: Python 3 pickles of protocol 0 to 2 hold the values of
 * an array as UTF-8 of the characters U+0000 to U+00FF, one for each byte. A source of the bytes;
 * the text stays where it is. */
#ifndef LOADER_SOURCE_LATIN1_H
#define LOADER_SOURCE_LATIN1_H

#include "loader/source/source.h"

/* The `bytes` bytes behind the text of `length` bytes at `offset` of `base`, which is kept alive.
 * That the text is of that many characters is found out at the first read, which passes over all
 * of it once; reads fail when it is not, or holds a character beyond U+00FF. */
ByteSource *source_latin1(ByteSource *base, uint64_t offset, uint64_t length, uint64_t bytes,
                          Error *err);

#endif
