/* The inside of induce_from_marks: induce_marks_read.c takes keys and marks apart,
 * induce_marks_ways.c tries how numbers go on, induce_marks_tails.c exchanges tails,
 * induce_marks.c puts proposals together.
 *
 * A *way* is one formula for every number that is not the first source's, and which numbers of that
 * stay as they were marked. */
#ifndef LOADER_ALIGN_INDUCE_MARKS_PARTS_H
#define LOADER_ALIGN_INDUCE_MARKS_PARTS_H

#include "loader/align/induce_marks.h"
#include "loader/align/induce_parts.h"

enum {
    SIDES_MAX = 16,              /* names of a mark beside its first source */
    NUMBERS_MAX = 32,            /* numbers in them */
    WAYS_MAX = 65536, FORMULAS_MAX = 12,
    WORK_MAX = 1 << 22           /* keys that the ways of one sketch are tried on, in all */
};

/* Keys of one kin. */
typedef struct Kind {
    const char *text;
    size_t length;
    unsigned columns;
    uint32_t *keys;              /* owned, growing: indexes of the input's keys */
    size_t count, room;
} Kind;

/* A name of a mark beside its first source. */
typedef struct Side {
    const char *text;            /* its kin */
    unsigned columns;
    bool target;
} Side;

/* Marks of one build. */
typedef struct Sketch {
    const Bundle *mark;          /* the first of them */
    uint32_t *keys;              /* owned, growing: the first source of each */
    size_t count, room;
    uint32_t kind;               /* of the first source */
    Side sides[SIDES_MAX];       /* first the other sources, then the targets */
    size_t side_count, source_count;
    size_t number_count;         /* of all sides */
    int64_t (*numbers)[NUMBERS_MAX];   /* owned, [room] those of each mark */
    bool plain;                  /* it can go on: a key a list, not too many names */
} Sketch;

/* What a key comes to in one way. */
typedef enum Outcome { OUTCOME_LOADS, OUTCOME_MISSES, OUTCOME_BREAKS } Outcome;

typedef struct Found {
    uint32_t sides[SIDES_MAX];   /* indexes of keys and targets */
} Found;

typedef struct Way {
    uint32_t fixed;              /* columns that stay as they were marked, as bits */
    Formula formulas[NUMBERS_MAX];
    size_t loads, misses, breaks;
    uint64_t hash;               /* of what it leads to */
} Way;

typedef struct Marker {
    Arena *arena;                /* the caller's */
    Arena *scratch;              /* owned */
    const MarkInput *input;
    NameMap keys, targets;
    Kind *kinds;                 /* owned, growing */
    size_t kind_count, kind_room;
    NameMap kind_index;
    uint32_t *kind_of;           /* owned, [keys] */
    int64_t (*numbers)[FAMILY_NUMBERS_MAX];   /* owned, [keys] */
    Sketch *sketches;            /* owned, growing */
    size_t sketch_count, sketch_room;
    NameMap sketch_index;
    StateDict *dict;             /* owned: the targets, for ops */
    bool *key_used, *target_used;   /* owned: some bundle of the proposal has it */
    bool *key_marked, *target_marked;   /* owned: a mark has it; of keys, one without ops */
    uint32_t *reached, *key_reached; /* owned, [targets] and [keys]: the number of the last way that
                                    led there */
    uint32_t way;                /* ways tried so far */
    size_t work;                 /* keys that they were tried on, for the sketch at hand */
    Bundle *bundles;             /* owned, growing: of the proposal at hand */
    size_t bundle_count, bundle_room;
    size_t misses, breaks;       /* of the proposal at hand */
    const char *problem;
    Text name;
} Marker;

bool marks_read(Marker *marker, Error *err);
void marks_done(Marker *marker);

/* Where a key of the sketch's kind would go; *found is whole when it loads. `tail` replaces the
 * last `cut` bytes of every side. */
Outcome way_try(Marker *marker, const Sketch *sketch, const Way *way, uint32_t key, size_t cut,
                const char *tail, Found *found);
/* The ways that go furthest without misfire (`clean`), or furthest at all; how many they are. */
size_t ways_find(Marker *marker, const Sketch *sketch, bool clean, Way *best, size_t most);
/* Adds a bundle for every key that the ways lead to one place, as far as it is not used. */
void way_take(Marker *marker, const Sketch *sketch, const Way *ways, size_t n);
/* The same for keys whose names end otherwise. */
void tails_take(Marker *marker, const Sketch *sketch, const Way *ways, size_t n);
/* Adds the bundle of what was found. */
void add_found(Marker *marker, const Sketch *sketch, uint32_t key, const Found *found);

#endif
