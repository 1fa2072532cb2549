/* GGUF, what its files share: a file whose header is being read. For gguf*.c only.
 *
 * Versions 2 and 3 (github.com/ggml-org/ggml, docs/gguf.md and src/gguf.cpp):
 *
 *   "GGUF" | u32 version | u64 number of tensors | u64 number of keys
 *   keys:     string key | u32 type | value                                (gguf_kv.c)
 *   tensors:  string name | u32 n | u64 size[n], the fastest first | u32 type | u64 offset
 *   padding to a multiple of general.alignment (a key; 32), from where offsets count
 *   values:   each tensor at its offset, in the order of the list, padded alike
 *
 * A string is u64 length and bytes. Every number is in the byte order that the version shows: in
 * big-endian files those of the values too. */
#ifndef LOADER_FORMAT_GGUF_H
#define LOADER_FORMAT_GGUF_H

#include "loader/format/format.h"

/* The longest key and name. Fixed: the format says it of keys, and GGML's own limit for names is
 * 63. */
enum { GGUF_NAME_MAX = 65535, GGUF_WINDOW = 1 << 16 };

/* Which part of a model that was split: its keys split.no, split.count, split.tensors.count. */
typedef struct GgufSplit {
    int64_t number, count, tensors;      /* number from 0; count 0 or 1: not split */
} GgufSplit;

typedef struct GgufFile {
    ByteSource *source;          /* borrowed */
    Checkpoint *checkpoint;      /* for findings; borrowed */
    StateDict *dict;             /* being filled; borrowed */
    bool keep_keys;              /* its keys become metadata of the dict: of the first part only */
    Error *err;                  /* the caller's */
    bool big_endian;
    uint64_t at;                 /* the next byte of the header */
    unsigned char *window;       /* bytes of the file, GGUF_WINDOW at most; owned */
    uint64_t window_at;          /* where they begin */
    size_t window_bytes;         /* how many they are */
    uint64_t tensor_count, key_count;
    uint64_t alignment;          /* general.alignment */
    GgufSplit split;
} GgufFile;

/* Magic, version and counts, then all keys. The file is at its tensors then. */
bool gguf_read_keys(GgufFile *file);
/* The tensors, after gguf_read_keys: adds them to the dict. */
bool gguf_read_tensors(GgufFile *file);
void gguf_done(GgufFile *file);          /* frees the window */

/* Opens all parts of a split model, of which `first` is one and says so in `split`; none of it was
 * read into its dict and checkpoint, which are filled. */
bool gguf_open_parts(OpenContext *context, GgufFile *first);

/* The next n bytes, or an error that says `what` they would have been. */
bool gguf_take(GgufFile *file, void *out, size_t n, const char *what);
bool gguf_skip(GgufFile *file, uint64_t n, const char *what);
bool gguf_take_u32(GgufFile *file, uint32_t *out, const char *what);
bool gguf_take_u64(GgufFile *file, uint64_t *out, const char *what);
/* The length of a string whose bytes come next: inside the file and within the limits. */
bool gguf_take_length(GgufFile *file, uint64_t *out, const char *what);
/* A key or name, held, in the dict's arena. */
bool gguf_take_name(GgufFile *file, const char **out, const char *what);

#endif
