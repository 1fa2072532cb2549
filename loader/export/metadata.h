/* Metadata: PyTorch's `_metadata` for the names of an output. */
#ifndef LOADER_EXPORT_METADATA_H
#define LOADER_EXPORT_METADATA_H

#include "loader/core/json.h"
#include "loader/tensor/dict.h"

/* A source tensor went into an output tensor. */
typedef struct NameChange {
    const char *from, *to;       /* names in the source and in the output; borrowed */
} NameChange;

/* A target's `_metadata`, as it is; plain data only. Nodes lie in the arena or are the original's.
 * NULL when it is no dict. */
const Object *metadata_copy(Arena *arena, const Object *original);
/* The source's `_metadata` carried through the renames (the rules stand in metadata.c), in its own
 * order; likewise. */
const Object *metadata_carry(Arena *arena, const Object *original, const StateDict *source,
                             const NameChange *changes, size_t n);

/* The nodes of a plain tree as a JSON list, each after its parts, which it names by their numbers;
 * what is one object in the tree is one node: ["str","version"], ["int",2], ["dict",0,1]. The last
 * one is the root. */
void metadata_write_json(const Object *metadata, JsonWriter *writer);
/* Reads such a list; NULL and an error when it is none, or names what does not stand before. */
const Object *metadata_read_json(Arena *arena, const Value *list, Error *err);

#endif
