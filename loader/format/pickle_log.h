/* PickleLog: which classes and functions a pickle names, noted while it is read, so that what was
 * seen before an error is there whatever comes after; and what is done with them.
 *
 * Names that are only reached, not named, are noted as what they are: getattr(os, "system"),
 * import_module("os"), attrgetter("system")(os), numpy.__builtins__["eval"]. */
#ifndef LOADER_FORMAT_PICKLE_LOG_H
#define LOADER_FORMAT_PICKLE_LOG_H

#include "loader/core/map.h"
#include "loader/format/pickle.h"
#include "loader/format/weights_only.h"

/* Different names of one pickle that are kept; further ones are counted, and the count is shown.
 * Fixed: all of PyTorch has not so many classes, and a list of more serves nobody. */
enum { PICKLE_LOG_MAX = 65536 };

/* What is done with a name, as bits. */
#define GLOBAL_USES(X)                                                     \
    X(USE_CALLED, 1, "called", "REDUCE, OBJ or INST: it is called")        \
    X(USE_MADE, 2, "instantiated", "NEWOBJ: an object of the class is made") \
    X(USE_BUILT, 4, "built", "BUILD: it, or what it made, is given a state") \
    X(USE_FILLED, 8, "filled", "APPEND, SETITEM, ADDITEMS to what it names")

#define USE_ENUM(id, bit, word, what) id = bit,
enum { GLOBAL_USES(USE_ENUM) };
#undef USE_ENUM

typedef struct PickleName {
    const char *module, *name;   /* held names, in the log's arena */
    const char *way;             /* how it is reached ("getattr"); NULL: it is named itself */
    const char *opcode;          /* that named it first: "GLOBAL"; constant */
    uint64_t byte;               /* of that opcode, in the source */
    const Object *node;          /* the GLOBAL or CALL that stands for it the first time; in the
                                    arena of the pickle, for graph_place */
    uint64_t count;              /* how often it is named, or reached */
    uint64_t calls;              /* how often it is called or instantiated */
    unsigned uses;               /* GLOBAL_USES; 0: it is only named */
} PickleName;

typedef struct PickleLog {
    PickleWatch watch;           /* first: the machine knows no more */
    Arena *arena;                /* borrowed; for the names */
    PickleName *names;           /* owned; in order of appearance */
    size_t count, room;
    size_t left_out;             /* namings beyond PICKLE_LOG_MAX */
    NameMap index;               /* "module\nname\nway" → names */
    const Object **blobs;        /* bytes, or Latin-1 text, that begin as a pickle or a zip does, or
                                    name something; owned array, nodes in the pickle's arena */
    size_t blob_count, blob_room;
    size_t blobs_left_out;       /* beyond LIMIT_BLOBS */
    WeightsOnly check;           /* torch's opinion of the same pickle */
} PickleLog;

void pickle_log_init(PickleLog *log, Arena *arena);
void pickle_log_done(PickleLog *log);

#endif
