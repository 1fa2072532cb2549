/* Fingerprint: what a plan knows its sources by, at a cost that does not grow with the weights.
 *
 * A SHA-256 over
 *   "tenon 1\n"
 *   of a regular file: its size (u64, little-endian), then its bytes when it has at most 384 KiB,
 *     else its first 64 KiB, 64 pieces of 4 KiB at even distances, and its last 64 KiB;
 *   where the values lie in other files (folders, indexes with shards): the number of tensors, and
 *     of each its storage's size; then the first and the last 256 bytes of up to 256 storages, at
 *     even distances in the listing.
 * Of every format that covers header, index or directory or parts of them, and values besides: two
 * checkpoints of one training run have the same header. A zip's directory, which is its end, holds
 * the CRC-32 of every member. */
#ifndef LOADER_EXPORT_FINGERPRINT_H
#define LOADER_EXPORT_FINGERPRINT_H

#include "loader/source/checksum.h"
#include "loader/tensor/checkpoint.h"

typedef struct Fingerprint {
    uint64_t size;                   /* bytes of the file, or of the files together */
    char sha256[CHECKSUM_TEXT];
} Fingerprint;

/* Of an open checkpoint; `dict` is the one that values are taken from. */
bool fingerprint_make(const Checkpoint *checkpoint, const StateDict *dict, Fingerprint *out,
                      Error *err);

#endif
