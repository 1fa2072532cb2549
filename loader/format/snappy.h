/* Snappy: the compression of LevelDB's blocks, decoded only.
 *
 *   varint length of the content, then elements, told by the low bits of their first byte:
 *   00  literal   6 bits n: n+1 bytes follow; 60..63: the length-1 is in the next 1..4 bytes
 *   01  copy      3 bits n: n+4 bytes from `offset` back; 11 bits of offset
 *   10  copy      6 bits n: n+1 bytes; offset in the next 2 bytes
 *   11  copy      6 bits n: n+1 bytes; offset in the next 4 bytes
 *
 * Source: github.com/google/snappy, format_description.txt. */
#ifndef LOADER_FORMAT_SNAPPY_H
#define LOADER_FORMAT_SNAPPY_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the content that n bytes claim; false when they do not, or more than an element of
 * 3 bytes could make of them (64 bytes each). */
bool snappy_length(const unsigned char *in, size_t n, size_t *length);
/* Decodes into exactly `length` bytes; false when the input is not well-formed. */
bool snappy_decode(const unsigned char *in, size_t n, unsigned char *out, size_t length);

#endif
