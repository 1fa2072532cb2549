/* Parts: several checkpoints as one: shards of a model, models of a pipeline, ranks of a training
 * run. Numbers of storages are unique over all of them; what a part has to say of itself is said
 * of it by name. */
#ifndef LOADER_FORMAT_PARTS_H
#define LOADER_FORMAT_PARTS_H

#include "loader/format/format.h"

/* What of a part was taken over so far. */
typedef struct Part {
    Checkpoint *checkpoint;  /* a reference */
    const Storage **storages;    /* [storage_count] its number → the whole's record; owned */
    size_t storage_count;    /* one more than the highest number of its storages */
    Checkpoint *whole;       /* borrowed: what is told which file a storage lies in; NULL: nobody */
    uint32_t file;           /* its number there */
} Part;

typedef struct Parts {
    uint32_t storages;       /* the whole's so far: the next one's number */
    StateDict *joined;       /* all weights so far, named PART.NAME; NULL: not wanted, or handed
                                over by parts_finish */
} Parts;

/* Takes over one reference of `checkpoint`. */
void part_init(Part *part, Checkpoint *checkpoint);
/* From now on `whole` is told that the part's tensors lie in a file of this name. */
void part_name(Part *part, Checkpoint *whole, const char *name);
/* Gives the reference back; records that were joined stay good as long as the part's checkpoint
 * does (part_keep). */
void part_done(Part *part);
/* `whole` keeps the part's checkpoint open. */
void part_keep(const Part *part, Checkpoint *whole);

/* A tensor of the part as the whole has it: the same record, its storage renumbered. The name and
 * all else are the part's; a copied storage lives in `arena`. */
Tensor part_tensor(Parts *parts, Part *part, const Tensor *tensor, Arena *arena);

/* The same for every tensor of an object tree of the part, in place. */
void part_tree(Parts *parts, Part *part, Object *root, Arena *arena);

/* Repeats the part's findings with "NAME: " before them; of many the rest is counted. Its checks
 * become checks of the whole, which must keep it. */
void part_findings(const Part *part, const char *name, Checkpoint *whole);

/* Adds the part as containers of the whole: the one that holds its weights as NAME, all others as
 * NAME.PATH, and adds its bytes. `optimizer`: the part is training state, never chosen. A part
 * without tensors gives a finding. Takes over the reference. */
void parts_add(Parts *parts, Checkpoint *whole, const char *name, Checkpoint *checkpoint,
               bool optimizer);

/* Offers what parts->joined has come to as the container "", in which rules can merge parts. Hands
 * the dict over. */
void parts_finish(Parts *parts, Checkpoint *whole);
/* Appends a dict's tensors to parts->joined, if it is wanted. Storages must be the whole's. */
void parts_join(Parts *parts, Checkpoint *whole, const char *name, const StateDict *dict);

#endif
