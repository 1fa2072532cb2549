/* LevelDB tables: sorted keys with values in blocks, the file that a TensorFlow index is.
 *
 *   data blocks | metaindex block | index block | footer
 *
 *   footer   varint64 offset, size of the metaindex · the same of the index · zeros up to byte 40 ·
 *            u64 0xdb4775248b80fb57                                              (48 bytes)
 *   block    entries · u32 restarts[n] · u32 n, then u8 compression (0 none, 1 snappy) · u32 masked
 *            CRC-32C of the block and that byte. Sizes do not count these five bytes
 *   entry    varint32 shared, rest, length of the value · rest of the key · value
 *
 * A key begins with `shared` bytes of the one before it. The values of the index block are offset
 * and size of data blocks. Restarts, which are for searching, are not used and not trusted.
 * Source: leveldb/doc/table_format.md; tensorflow/tsl/lib/io/table_builder.cc. */
#ifndef LOADER_FORMAT_LEVELDB_H
#define LOADER_FORMAT_LEVELDB_H

#include "loader/format/protobuf.h"

/* One entry: the key's n bytes are borrowed for the call; the value is a span of the reader's
 * source. False, with the error set, ends the walk. */
typedef bool LevelEntry(void *context, const char *key, size_t n, ProtoReader *reader,
                        ProtoSpan value);

/* Whether the source ends as a table does. */
bool level_is_table(ByteSource *source);
/* Walks all entries in their order, which must be strictly ascending. Blocks with a wrong CRC, of
 * more than LIMIT_INDEX_BYTES, or outside of the file are errors. */
bool level_read(ByteSource *source, LevelEntry *each, void *context, Error *err);

#endif
