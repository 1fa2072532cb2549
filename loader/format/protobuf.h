/* Protobuf: the wire format that ONNX, Caffe and TensorFlow are written in, read as a stream of
 * fields with their places, never as a tree of copies. No schema, no generated code: whoever reads
 * a message knows the numbers of its fields.
 *
 *   message  field*                           its length is told by whoever holds it
 *   field    varint (number << 3 | type), then by type
 *              0  varint                      7 bits a byte, low ones first; 1 to 10 bytes
 *              1  8 bytes, little-endian      fixed64, double
 *              2  varint n, n bytes           text, bytes, a message, packed numbers
 *              5  4 bytes, little-endian      fixed32, float
 *
 * Types 3 and 4 (groups) were given up in 2008; no message that is read here has one, so they are
 * refused. Source: protobuf.dev/programming-guides/encoding. */
#ifndef LOADER_FORMAT_PROTOBUF_H
#define LOADER_FORMAT_PROTOBUF_H

#include "loader/core/error.h"
#include "loader/core/memory.h"
#include "loader/source/source.h"

enum {
    PROTO_BLOCK = 16 << 10,      /* bytes read ahead */
    PROTO_NAME_MAX = 1 << 16,    /* bytes of a name; fixed: the longest that are known, paths
                                    through modules, have some hundreds */
    PROTO_RANK_MAX = 32          /* sizes of one shape: tenon's limit */
};

typedef enum ProtoType { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 }
    ProtoType;

/* A range of the source: a message, or what is left of one; the bytes of a field. */
typedef struct ProtoSpan {
    uint64_t at, end;        /* at <= end <= size of the source */
} ProtoSpan;

typedef struct ProtoField {
    uint32_t number;
    ProtoType type;
    uint64_t value;          /* of a number, as it is stored; 0 for PROTO_BYTES */
    ProtoSpan bytes;         /* of the value, without tag and length */
    uint64_t where;          /* byte of the tag, for errors */
} ProtoField;

/* A place to read from, with a block that was read ahead. */
typedef struct ProtoReader {
    ByteSource *source;      /* borrowed */
    Error *err;              /* the caller's; set by whoever returns false */
    unsigned char *block;    /* [PROTO_BLOCK]; NULL until used; owned */
    uint64_t block_at;       /* its place in the source */
    size_t block_size;       /* bytes of it that are valid */
} ProtoReader;

/* A shape as it is read. */
typedef struct ProtoDims {
    int64_t sizes[PROTO_RANK_MAX];
    unsigned rank;
} ProtoDims;

void proto_init(ProtoReader *reader, ByteSource *source, Error *err);
void proto_done(ProtoReader *reader);
/* The whole source as one message. */
ProtoSpan proto_whole(const ProtoReader *reader);

/* Takes the next field off the front of `message`, which must not be empty (at < end). A field
 * that does not lie inside of its message is an error. */
bool proto_next(ProtoReader *reader, ProtoSpan *message, ProtoField *field);
/* Takes a varint off the front of a span. */
bool proto_varint(ProtoReader *reader, ProtoSpan *span, uint64_t *value);
/* Whether a field has that number and type. */
bool proto_is(const ProtoField *field, uint32_t number, ProtoType type);

/* Copies n bytes at a place, out of the block where they are small. */
bool proto_read(ProtoReader *reader, uint64_t at, void *out, size_t n);
/* The bytes of a field as a held name in the arena; NULL, with an error, when they are more than
 * `most` or cannot be read. */
const char *proto_text(ProtoReader *reader, const ProtoField *field, size_t most, Arena *arena);
/* The bytes as a word of a closed set: a NUL behind them in `out`, or "" when they do not fit. */
bool proto_word(ProtoReader *reader, const ProtoField *field, char *out, size_t room);
/* Appends the sizes of a repeated int64 field, packed or not. */
bool proto_dims(ProtoReader *reader, const ProtoField *field, ProtoDims *dims);

/* Sets "SOURCE: … (byte WHERE)"; always false. */
bool proto_fail(const ProtoReader *reader, ErrorCode code, uint64_t where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
