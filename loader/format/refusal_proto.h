/* Refusals of what lies beside the models that protobuf.h serves: solver states, lone blobs,
 * graphs, topologies as text, shards. */
#ifndef LOADER_FORMAT_REFUSAL_PROTO_H
#define LOADER_FORMAT_REFUSAL_PROTO_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/core/error.h"
#include "loader/source/source.h"

/* True, with the error set, when the file is one of them. `head` are its first n bytes. */
bool refusal_explain_text_proto(ByteSource *source, const unsigned char *head, size_t n,
                                Error *err);
bool refusal_explain_proto(ByteSource *source, Error *err);

#endif
