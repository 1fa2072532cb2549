/* FailedLoad: what a text says of a load that failed, or that left something out: a traceback, a
 * log, the prints of load_state_dict(strict=False).
 *
 * Its words are looked for anywhere in the text, so that time stamps, "RuntimeError:" and other
 * lines between them do not matter; colours are taken out first, and keys that a terminal has
 * wrapped are joined. What is read:
 *
 *   PyTorch       Missing key(s) in state_dict: "a", "b". Unexpected key(s) … size mismatch for c …
 *                 _IncompatibleKeys(missing_keys=['a'], unexpected_keys=[]), and older forms
 *   transformers  Some weights … were not used …: [...], … newly initialized: [...], its table
 *   mmengine, essmc2, fvcore, detectron2, timm, Pet     their warnings, as RULES (a) has them
 *   Keras, TensorFlow, llama.cpp    shapes and names that were not found
 *
 * Errors that are about no keys (a damaged zip, a class that is not allowed) are Troubles. */
#ifndef LOADER_FORMAT_FAILED_LOAD_H
#define LOADER_FORMAT_FAILED_LOAD_H

#include "loader/core/map.h"
#include "loader/core/memory.h"
#include "loader/source/source.h"
#include "loader/tensor/checkpoint.h"

typedef struct LoadNames {
    const char **names;          /* owned, [count], in the text's order, each once; held names */
    size_t count, room;
} LoadNames;

/* A tensor of two shapes. */
typedef struct LoadSize {
    const char *name;
    const int64_t *from, *to;    /* [from_rank] in the checkpoint, [to_rank] in the model; NULL =
                                    the text does not say */
    uint8_t from_rank, to_rank;
} LoadSize;

/* An error that is about no keys: a row of the table in failed_load_trouble.c. */
typedef struct Trouble {
    const char *id;              /* a word for programs: "zip-truncated" */
    const char *needle;          /* what the message holds */
    const char *what;            /* what it means, in plain words */
    const char *remedy;          /* what to do */
    const char *command;         /* the command that looks into it, FILE for the file; NULL */
} Trouble;

typedef struct FoundTrouble {
    const Trouble *trouble;
    const char *subject;         /* what stands behind the words: a class, a key; NULL */
} FoundTrouble;

enum { TROUBLES_MAX = 8 };       /* of one text; one message seldom holds two */

typedef struct FailedLoad {
    Arena *arena;                /* names, dims; owned */
    const char *model;           /* the class that was loaded into; NULL = not said */
    const char *system;          /* whose words they are: "torch", "transformers" …; NULL = none */
    LoadNames missing;           /* the model has them */
    LoadNames unexpected;        /* the checkpoint has them */
    LoadSize *sizes;             /* owned, [size_count]: both have them, in two shapes */
    size_t size_count, size_room;
    FoundTrouble troubles[TROUBLES_MAX];
    size_t trouble_count;
    bool cut;                    /* the text leaves keys out ("…"), or ends inside one */
    bool full;                   /* there are more than the limit of tensors: the rest was let go */
    bool wide;                   /* a folded name stood for more than the limit of bytes of names */
    uint64_t expanded;           /* bytes of names that folded ones stood for, so far */
    NameMap seen;                /* of every name: a bit for each list it is in */
} FailedLoad;

/* Never NULL; of a text that says nothing, one without keys and troubles. Linear in n. */
FailedLoad *failed_load_read(const char *text, size_t n);
void failed_load_free(FailedLoad *load);
/* Whether the text has words of such a message; quick. */
bool failed_load_tells(const char *text, size_t n);
/* How many keys it names. */
static inline size_t failed_load_count(const FailedLoad *load)
{
    return load->missing.count + load->unexpected.count + load->size_count;
}

/* The state dicts that it tells of, of format "failed load": what the model wants as far as it is
 * said at "" (missing ones of unknown shape, the others as the model has them), what the checkpoint
 * has at "source". */
Checkpoint *failed_load_checkpoint(const FailedLoad *load, const char *path, Error *err);
/* Whether a checkpoint is such a one. */
bool failed_load_is(const Checkpoint *checkpoint);
/* The dict of `source` that was loaded: the one that has most of the names the text says were in
 * it; NULL when none has any. */
const Container *failed_load_container(const Checkpoint *load, const Checkpoint *source);
/* The whole target, when that dict was what was loaded: source - unexpected + missing, the shapes
 * that differ replaced. Names that the loading code had changed before (a prefix taken off) are
 * changed likewise. A new reference. */
StateDict *failed_load_target(const Checkpoint *load, StateDict *source);

/* ---- inside ---- */

typedef enum LoadList { LOAD_MISSING = 1, LOAD_UNEXPECTED = 2, LOAD_SIZE = 4 } LoadList;

/* Adds a name, n raw bytes, as often as it is told only once. What is no key (empty, too long) is
 * let go. */
void failed_load_add(FailedLoad *load, LoadList list, const char *name, size_t n);
/* Text without colours, carriage returns and the prefixes that launchers put before each line;
 * owned by the caller, *n its length. A NUL follows. */
char *failed_load_clean(const char *text, size_t *n);
/* Finds what failed_load_trouble.c knows. */
void failed_load_find_troubles(FailedLoad *load, const char *text, size_t n);

/* The rest of a text: p moves on as it is understood. */
typedef struct LoadScan {
    FailedLoad *load;
    const char *p, *end;
} LoadScan;
/* The quoted, bracketed or bare names at p, to a list. `raw`: in PyTorch's own quotes nothing is
 * escaped. `loose`: bare names must look like keys. */
void failed_load_names(LoadScan *scan, LoadList list, bool raw, bool loose);
/* A shape at p or, within the next bytes, behind it; false: none. */
bool failed_load_shape(LoadScan *scan, size_t within, const int64_t **dims, uint8_t *rank);
void failed_load_add_size(FailedLoad *load, const LoadSize *size, const char *name, size_t n);
/* The next text between two words, the nearest `before` counting; p moves behind `after`. False:
 * there is none. Linear over all calls, whatever the text repeats. */
bool failed_load_between(LoadScan *scan, const char *before, const char *after, const char **name,
                         size_t *n);
/* The first `word` in the rest, p behind it; false: there is none, and p stays. */
bool failed_load_seek(LoadScan *scan, const char *word);
/* The messages of other systems than PyTorch. */
void failed_load_read_others(FailedLoad *load, const char *text, size_t n);

#endif
