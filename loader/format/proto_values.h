/* The numbers of a repeated protobuf field, as a source of plain little-endian values.
 *
 *   float   packed: tag, length, 4 bytes each     or one field each: tag, 4 bytes, tag, 4 bytes …
 *   int32   packed: tag, length, varints          or one field each: tag, varint, tag, varint …
 *
 * A field may occur several times, in both ways. What is one packed run of fixed width is a window
 * of the file; everything else is decoded as it is read. Runs are kept, never numbers. */
#ifndef LOADER_FORMAT_PROTO_VALUES_H
#define LOADER_FORMAT_PROTO_VALUES_H

#include "loader/format/protobuf.h"

typedef struct ProtoRun ProtoRun;

typedef struct ProtoValues {
    unsigned stored;         /* bytes of a number in the file: 4 or 8; 0: varints */
    unsigned width;          /* bytes of an element that is given out: 1, 2, 4 or 8; of a varint
                                the low ones, else equal to `stored` */
    uint64_t count;          /* elements so far */
    ProtoRun *runs;          /* [run_count] owned */
    uint64_t *marks;         /* [mark_count] of varints: where every so many start; owned */
    size_t run_count, run_room, mark_count, mark_room;
} ProtoValues;

void proto_values_init(ProtoValues *values, unsigned stored, unsigned width);
void proto_values_done(ProtoValues *values);

/* One more occurrence of the field. Packed varints are walked, since their number is told nowhere
 * else. Refuses another wire type than the field's, lengths that hold no whole number of elements,
 * and runs beyond LIMIT_ENTRIES. */
bool proto_values_add(ProtoReader *reader, ProtoValues *values, const ProtoField *field);

/* Whether the elements lie in the file as they are given out; *at is where. */
bool proto_values_plain(const ProtoValues *values, uint64_t *at);
/* The elements as a source, which takes over what `values` holds and keeps `source` alive. */
ByteSource *proto_values_source(ProtoValues *values, ByteSource *source);

#endif
