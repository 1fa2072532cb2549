/* The wire format of Protocol Buffers: every length is checked against the message around it
 * before it is believed, and nothing is kept but one block. */
#include "loader/format/protobuf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/core/text.h"
#include "loader/format/fault.h"

/* Bytes of the longest varint; the highest number that a field may have. */
enum { VARINT_MAX = 10, FIELD_NUMBER_MAX = (1 << 29) - 1 };

/* The block comes with the first read: sniffing asks many files for their first bytes only. */
void proto_init(ProtoReader *reader, ByteSource *source, Error *err)
{
    *reader = (ProtoReader){.source = source, .err = err};
}

void proto_done(ProtoReader *reader)
{
    free(reader->block);
    reader->block = NULL;
}

ProtoSpan proto_whole(const ProtoReader *reader)
{
    return (ProtoSpan){0, reader->source->size};
}

/* Without an `err`, which is how sniffing asks, the text is built for nobody; that is rare. */
bool proto_fail(const ProtoReader *reader, ErrorCode code, uint64_t where, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    fault_file(reader->err, code, reader->source->name, "%s (byte %" PRIu64 ")",
               text_string(&text), where);
    text_done(&text);
    return false;
}

/* Makes the block hold `at` and what follows it. */
static bool fill_block(ProtoReader *reader, uint64_t at)
{
    if (at >= reader->source->size)
        return proto_fail(reader, ERR_FORMAT, at, "the file ends where more should come");
    if (!reader->block) reader->block = mem_alloc(PROTO_BLOCK);
    uint64_t left = reader->source->size - at;
    size_t n = left < PROTO_BLOCK ? (size_t)left : PROTO_BLOCK;
    reader->block_size = 0;
    if (!source_read(reader->source, at, reader->block, n, reader->err)) return false;
    reader->block_at = at;
    reader->block_size = n;
    return true;
}

/* What is too large for the block is read past it. */
bool proto_read(ProtoReader *reader, uint64_t at, void *out, size_t n)
{
    if (n > PROTO_BLOCK) return source_read(reader->source, at, out, n, reader->err);
    bool held = at >= reader->block_at && at - reader->block_at <= reader->block_size &&
                n <= reader->block_size - (size_t)(at - reader->block_at);
    if (!n) return true;
    if (!held && !fill_block(reader, at)) return false;
    if (n > reader->block_size - (size_t)(at - reader->block_at))
        return source_read(reader->source, at, out, n, reader->err);
    memcpy(out, reader->block + (at - reader->block_at), n);
    return true;
}

/* The tenth byte holds bit 63 alone. */
bool proto_varint(ProtoReader *reader, ProtoSpan *span, uint64_t *value)
{
    uint64_t start = span->at, number = 0;
    for (unsigned i = 0; i < VARINT_MAX; i++) {
        if (span->at >= span->end)
            return proto_fail(reader, ERR_FORMAT, start, "a number is cut off by the end of its "
                                                         "message");
        uint64_t into = span->at - reader->block_at;
        if (span->at < reader->block_at || into >= reader->block_size) {
            if (!fill_block(reader, span->at)) return false;
            into = 0;
        }
        unsigned char byte = reader->block[into];
        span->at++;
        if (i == VARINT_MAX - 1 && byte > 1) break;
        number |= (uint64_t)(byte & 0x7F) << 7 * i;
        if (byte < 0x80) {
            *value = number;
            return true;
        }
    }
    return proto_fail(reader, ERR_FORMAT, start, "a number is longer than 64 bits");
}

/* `width` bytes, little-endian. */
static bool take_fixed(ProtoReader *reader, ProtoSpan *message, ProtoField *field, unsigned width)
{
    unsigned char bytes[8];
    if (message->end - message->at < width)
        return proto_fail(reader, ERR_FORMAT, field->where,
                          "field %" PRIu32 " needs %u bytes, its message ends %" PRIu64
                          " bytes later", field->number, width, message->end - message->at);
    if (!proto_read(reader, message->at, bytes, width)) return false;
    field->value = little_read(bytes, width);
    message->at += width;
    return true;
}

/* The bytes themselves are passed over, and never read here. */
static bool take_bytes(ProtoReader *reader, ProtoSpan *message, ProtoField *field)
{
    uint64_t length;
    if (!proto_varint(reader, message, &length)) return false;
    if (length > message->end - message->at) {
        bool whole = message->end == reader->source->size;
        return proto_fail(reader, ERR_FORMAT, field->where,
                          "field %" PRIu32 " claims %" PRIu64 " bytes, its message ends %" PRIu64
                          " bytes later%s", field->number, length, message->end - message->at,
                          whole ? ": the file is cut short; fetch it again" : "");
    }
    field->bytes.at = message->at;
    message->at += length;
    return true;
}

/* The tag is a varint, so that a number beyond 29 bits can be spelled. It is refused here, and the
 * readers of messages compare numbers that fit. */
bool proto_next(ProtoReader *reader, ProtoSpan *message, ProtoField *field)
{
    *field = (ProtoField){.where = message->at};
    uint64_t tag;
    if (!proto_varint(reader, message, &tag)) return false;
    if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return proto_fail(reader, ERR_FORMAT, field->where, "%" PRIu64 " is no number of a field",
                          tag >> 3);
    field->number = (uint32_t)(tag >> 3);
    field->type = (ProtoType)(tag & 7);
    field->bytes.at = message->at;
    bool fine;
    switch (tag & 7) {
    case PROTO_VARINT: fine = proto_varint(reader, message, &field->value); break;
    case PROTO_FIXED64: fine = take_fixed(reader, message, field, 8); break;
    case PROTO_FIXED32: fine = take_fixed(reader, message, field, 4); break;
    case PROTO_BYTES: fine = take_bytes(reader, message, field); break;
    default:
        return proto_fail(reader, ERR_FORMAT, field->where,
                          "field %" PRIu32 " has the type %u, which no message here uses",
                          field->number, (unsigned)(tag & 7));
    }
    field->bytes.end = message->at;
    return fine;
}

bool proto_is(const ProtoField *field, uint32_t number, ProtoType type)
{
    return field->number == number && field->type == type;
}

/* The limit is asked before memory is: the length lies in the file, but that may be large. */
const char *proto_text(ProtoReader *reader, const ProtoField *field, size_t most, Arena *arena)
{
    uint64_t n = field->bytes.end - field->bytes.at;
    if (n > most) {
        proto_fail(reader, ERR_LIMIT, field->where,
                   "a text of %" PRIu64 " bytes, more than the limit of %zu", n, most);
        return NULL;
    }
    char *bytes = mem_alloc((size_t)n + 1);
    const char *name = NULL;
    if (proto_read(reader, field->bytes.at, bytes, (size_t)n))
        name = name_hold(arena, bytes, (size_t)n);
    free(bytes);
    return name;
}

bool proto_word(ProtoReader *reader, const ProtoField *field, char *out, size_t room)
{
    uint64_t n = field->bytes.end - field->bytes.at;
    out[0] = '\0';
    if (n >= room) return true;
    if (!proto_read(reader, field->bytes.at, out, (size_t)n)) return false;
    out[n] = '\0';
    return true;
}

/* Sizes are kept as they come; a negative one is for tensor_check to refuse, with its name. */
static bool add_size(ProtoReader *reader, uint64_t where, uint64_t value, ProtoDims *dims)
{
    if (dims->rank == PROTO_RANK_MAX)
        return proto_fail(reader, ERR_LIMIT, where, "more than %d dimensions, tenon's limit",
                          PROTO_RANK_MAX);
    dims->sizes[dims->rank++] = (int64_t)value;
    return true;
}

bool proto_dims(ProtoReader *reader, const ProtoField *field, ProtoDims *dims)
{
    if (field->type == PROTO_VARINT) return add_size(reader, field->where, field->value, dims);
    if (field->type != PROTO_BYTES)
        return proto_fail(reader, ERR_FORMAT, field->where, "a size of a shape has the type %u",
                          (unsigned)field->type);
    ProtoSpan packed = field->bytes;
    while (packed.at < packed.end) {
        uint64_t value;
        if (!proto_varint(reader, &packed, &value)) return false;
        if (!add_size(reader, field->where, value, dims)) return false;
    }
    return true;
}
