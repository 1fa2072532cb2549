/* Limits: how much of what a file claims is believed. One table, from which the defaults, the
 * option --limit, its help, the manual and the errors all come.
 *
 * They hold for the whole process and are set once, before any file is opened: a parser deep
 * inside a zip inside a folder obeys the same numbers as the one that the user called. */
#ifndef LOADER_CORE_LIMITS_H
#define LOADER_CORE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"

/* Of piece-pairs there are enough for a million slabs, or a grid of 300×300. Values that repeat a
 * storage come of a stride of 0, by which 4 stored bytes claim 2^62.
 * id, name for --limit, default, what is counted */
#define LIMITS(X)                                                                                 \
    X(LIMIT_HEADER_BYTES, "header-bytes", 100000000, "bytes of a safetensors header")             \
    X(LIMIT_INDEX_BYTES, "index-bytes", 268435456, "bytes of an index, a schema or another text") \
    X(LIMIT_PICKLE_BYTES, "pickle-bytes", 1073741824, "bytes of one pickle")                      \
    X(LIMIT_PICKLE_NODES, "pickle-nodes", 1610612736, "bytes of memory for what one pickle makes") \
    X(LIMIT_PICKLE_STACK, "pickle-stack", 16777216, "items on a pickle's stack, and its MARKs")   \
    X(LIMIT_PICKLE_NAME, "pickle-name", 4096, "bytes of a module's or a class's name")            \
    X(LIMIT_PICKLE_MEMO, "pickle-memo", 1024, "memo numbers beyond the bytes of a pickle")        \
    X(LIMIT_PICKLES, "pickles", 10000, "pickles in a row that are opened")                        \
    X(LIMIT_SCANNED, "scanned-pickles", 100000, "pickles that ls --globals reads")               \
    X(LIMIT_BLOBS, "nested-pickles", 4096, "byte strings of one pickle that are scanned as files") \
    X(LIMIT_BLOB_BYTES, "nested-bytes", 67108864, "bytes of text that is scanned as a file")      \
    X(LIMIT_SEARCHED, "searched-bytes", 16777216, "bytes of a zip without a directory, for pickles") \
    X(LIMIT_TENSORS, "tensors", 16000000, "tensors of one file or folder")                        \
    X(LIMIT_CONTAINERS, "containers", 1000000, "dicts of tensors of one file")                    \
    X(LIMIT_LISTING_BYTES, "listing-bytes", 67108864, "bytes that names and records may take, and") \
    X(LIMIT_LISTING_RATIO, "listing-ratio", 8, "times the bytes of the pickle or index")          \
    X(LIMIT_FOLDED_BYTES, "folded-bytes", 8388608, "bytes of names that a text folds into braces") \
    X(LIMIT_PIECE_PAIRS, "piece-pairs", 67108864, "pieces of a tensor compared with each other")  \
    X(LIMIT_PIECE_RUNS, "piece-runs", 1048576, "runs of bytes that a TensorFlow variable is in")  \
    X(LIMIT_SHARDS, "shards", 100000, "files of one sharded model")                               \
    X(LIMIT_FOLDER_FILES, "folder-files", 100000, "files of one folder")                          \
    X(LIMIT_INNER_DEPTH, "inner-depth", 3, "files inside files")                                  \
    X(LIMIT_DEPTH, "depth", 64, "containers inside containers")                                   \
    X(LIMIT_MODULE_DEPTH, "module-depth", 256, "modules inside modules")                          \
    X(LIMIT_ZIP_MEMBERS, "zip-members", 8000000, "members of a zip")                              \
    X(LIMIT_ZIP_DIRECTORY, "zip-directory", 1073741824, "bytes of a zip's directory")             \
    X(LIMIT_ZIP_RATIO, "zip-ratio", 1100, "how many times its size a member may inflate to")      \
    X(LIMIT_INFLATE_BYTES, "inflate-bytes", 17179869184, "bytes that a member inflates to") \
    X(LIMIT_STRING_BYTES, "string-bytes", 1073741824, "bytes of one text or binary value")        \
    X(LIMIT_ENTRIES, "entries", 16777216, "entries of one metadata array or table")               \
    X(LIMIT_SPARSE_BYTES, "sparse-bytes", 1073741824, "bytes of memory for one sparse tensor")    \
    X(LIMIT_DENSE_BYTES, "dense-bytes", 17179869184, "bytes of a sparse tensor written out")        \
    X(LIMIT_EXPANDED_BYTES, "expanded-bytes", 4294967296, "bytes of values that repeat a storage") \
    X(LIMIT_CHILD_MEMORY, "child-memory", 2147483648, "bytes of memory for a child that reads HDF5") \
    X(LIMIT_CHILD_SECONDS, "child-seconds", 30, "seconds that such a child may take, and for each GB") \
    X(LIMIT_OBJECTS, "objects", 1000000, "objects that ls --all lists")                           \
    X(LIMIT_REMOTE_CACHE, "remote-cache", 1073741824, "bytes that are kept of what servers sent") \
    X(LIMIT_REMOTE_SPOOL, "remote-spool", 1073741824, "bytes of a file of which no part or no size is sent") \
    X(LIMIT_REMOTE_SECONDS, "remote-seconds", 30, "seconds in which a server must send something") \
    X(LIMIT_REMOTE_TRIES, "remote-tries", 5, "times that a server is asked for the same bytes")   \
    X(LIMIT_REMOTE_REDIRECTS, "remote-redirects", 5, "redirects of one request")

#define LIMIT_ENUM(id, ...) id,
typedef enum LimitId { LIMITS(LIMIT_ENUM) LIMIT_COUNT } LimitId;
#undef LIMIT_ENUM

/* The number in force. */
uint64_t limit(LimitId id);
/* What listing a file of so many bytes may cost, about in bytes: LIMIT_LISTING_BYTES and
 * LIMIT_LISTING_RATIO for each of them, or UINT64_MAX when that is more than can be counted. */
uint64_t limit_allowance(uint64_t bytes);
/* "NAME=NUMBER", the number with k, M or G (powers of 1000) behind it or not. To be called
 * before any file is opened, by one thread. */
bool limit_set(const char *setting, Error *err);
/* The same, where the limit was not set yet. */
bool limit_prefer(const char *setting, Error *err);

enum { LIMIT_TEXT = 128 };
/* How every error about a limit ends: "more than the limit of 4096 (--limit pickle-name=N
 * allows more)". The two that make up an allowance are named together. Returns `out`. */
const char *limit_text(LimitId id, char out[LIMIT_TEXT]);

#endif
