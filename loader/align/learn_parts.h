/* The inside of learn: fingerprints (learn_print.c), what the order of an axis is in ops
 * (learn_axis.c), where a target comes from (learn_find.c), and names that tell equal values apart
 * (learn_names.c). */
#ifndef LOADER_ALIGN_LEARN_PARTS_H
#define LOADER_ALIGN_LEARN_PARTS_H

#include "loader/align/learn.h"

enum {
    PRINT_RANK = 6,              /* of what has fingerprints by axis */
    PRINT_AXIS = 1 << 20,        /* indexes of an axis that has them */
    ALIKE_MAX = 4096             /* fingerprints with one sum that are looked at */
};

/* The fingerprints of a tensor, or of its part at one index of axis 0. */
typedef struct Print {
    const Tensor *tensor;
    int64_t slice;               /* the index; -1 = the whole */
    const int64_t *dims;         /* [rank] of that part; borrowed */
    uint8_t rank;
    bool flat;                   /* all its numbers are equal */
    uint64_t count;              /* numbers */
    uint64_t sum;                /* of all numbers, in whatever order */
    uint64_t order;              /* of their sequence, row-major */
    uint64_t *rows[PRINT_RANK];  /* [dims[k]] of the numbers at each index of axis k, in whatever
                                    order; NULL: not kept */
} Print;

typedef struct Prints {
    Print *items;                /* [count] owned; wholes first, by tensor, then the parts */
    size_t count, wholes;        /* wholes: tensors of the dict */
    size_t *parts;               /* [wholes] owned; index of the first part; 0 = it has none */
    const char **why;            /* [wholes] owned; NULL: it was read */
} Prints;

/* The coarsest float type of both sides, f8 left out: what all numbers are rounded to. */
DType print_grain(const StateDict *a, const StateDict *b);
/* Whether it is one of f8, which most numbers of other types are equal in, and which therefore is
 * the grain only of what no other grain explains. */
bool print_is_coarse(DType dtype);
/* Reads every tensor once, but for those that are to be skipped: NULL, or by index. */
bool prints_read(Arena *arena, const StateDict *dict, DType grain, const bool *skip,
                 Prints *prints, const LearnOptions *options, uint64_t *done, uint64_t total,
                 Error *err);
void prints_done(Prints *prints);

/* A few ops in a row. */
enum { CHAIN_MAX = 12 };
typedef struct Chain {
    Op ops[CHAIN_MAX];
    size_t count;
} Chain;

bool chain_add(Chain *chain, Op op);         /* false: it is full */
bool chain_equal(const Chain *a, const Chain *b);
/* `order[i]` says which index of an axis of n a result has at i, as a permutation. Adds the ops
 * that do it on axis `axis` of a tensor of that rank; false when no op says it shortly. `rope`:
 * it may be heads of one tensor, and not parts of several. */
bool axis_describe(Arena *arena, const int64_t *order, int64_t n, unsigned axis, unsigned rank,
                   bool rope, Chain *chain);
/* Squeezes and unsqueezes, or a reshape, from one shape to another with as many elements. */
bool shape_describe(Arena *arena, const int64_t *from, unsigned from_rank, const int64_t *to,
                    unsigned to_rank, Chain *chain);
/* The same as one `ein` where each axis of one side is a run of axes of the other; false where it
 * is not. */
bool ein_reshape(Arena *arena, const int64_t *from, unsigned from_rank, const int64_t *to,
                 unsigned to_rank, Chain *chain);
/* The ops between two prints of which one has axes that the other holds joined, in whatever order
 * (learn_merge.c). */
bool merge_describe(Arena *arena, const Print *from, const Print *to, Chain *chain);
/* Of n parts one after the other, of `sizes` on an axis of `total` rows, `at` says where each row
 * lies in that axis of the whole: the ops where they lie in blocks, with `between` (a split, a cat)
 * where the blocks are apart (learn_blocks.c). */
bool blocks_describe(Arena *arena, const int64_t *at, const int64_t *sizes, size_t n,
                     int64_t total, unsigned axis, unsigned rank, OpKind between, Chain *chain);
/* How many blocks an op takes an axis apart into; 0: it is no such op. */
int64_t blocks_opened(const Op *op);
/* Finds order[i], the index in `from` [n_from] that has fingerprint to[i]; of equal ones the next
 * in line. False where one is not there. */
bool axis_match(const uint64_t *from, int64_t n_from, const uint64_t *to, int64_t n_to,
                int64_t *order);
/* The ops from `from` to `to`, which hold the same numbers in another order. */
bool print_describe(Arena *arena, const Print *from, const Print *to, Chain *chain);

/* Rows of the sources by their fingerprints, so that parts of tensors can be found. */
typedef struct RowKey {
    uint64_t hash;
    uint32_t print, index;       /* whose, and of which index of the axis */
    uint8_t axis;
} RowKey;
typedef struct RowIndex {
    RowKey *keys;                /* [count] owned, sorted */
    size_t count;
    uint64_t mask;               /* rows whose hash has any of these bits are not in it */
} RowIndex;

void rows_index(const Prints *prints, RowIndex *index);
void rows_done(RowIndex *index);

/* What a target is made of when it is no whole tensor in another order. PART: rows of one source;
 * CAT: all rows of several. */
typedef enum FoundKind { FOUND_NOTHING, FOUND_PART, FOUND_CAT } FoundKind;
typedef struct Found {
    FoundKind kind;
    Chain turn;                  /* what brings the axis of the sources to that of the target */
    uint8_t axis;                /* of the target, along which it is made of rows */
    int64_t *rows;               /* [size] of the rows of the source, or of the sources joined; in
                                    the arena */
    int64_t size;                /* of that axis */
    int64_t total;               /* PART: of the axis of the source that the rows are of */
    uint32_t *prints;            /* [print_count] sources, in order; in the arena */
    size_t print_count;
} Found;

bool find_part(Arena *arena, const Prints *sources, const RowIndex *index, const Print *target,
               Found *found);

/* Chooses among sources that hold the same numbers by names. */
typedef struct NameBook NameBook;
NameBook *book_new(void);
void book_free(NameBook *book);
/* Notes that one was found to become the other. */
void book_add(NameBook *book, const char *source, const char *target);
/* The index of the candidate that names speak for; -1 when they do not decide. */
int book_choose(const NameBook *book, const char *target, const char *const *candidates, size_t n);

/* What a function among the ops does: ops of its own for each tensor of a list; or one tensor that
 * is computed of several, in this order:
 * WEIGHT_NORM g, v; FOLDED w, g, v; FOLDED_BIAS b, m, g, v, and perhaps the bias of the layer. */
enum { EACH_MAX = 8 };
typedef enum EachKind { EACH_CHAINS, EACH_WEIGHT_NORM, EACH_FOLDED, EACH_FOLDED_BIAS } EachKind;
typedef struct Each {
    EachKind kind;
    Chain chains[EACH_MAX];      /* CHAINS: [count] */
    size_t count;                /* of tensors */
    bool listed;                 /* they are the parts of one tensor, not tensors of their own */
    unsigned axis;               /* WEIGHT_NORM: that the lengths are along */
    double eps;                  /* FOLDED, FOLDED_BIAS */
} Each;

/* Carries a bundle out and compares: whether every target gets its own numbers, up to cast. False
 * with *good false when it does not; false with an error when reading fails. */
typedef struct Checker {
    Arena *arena;                /* of the expressions; scratch */
    const struct Learner *learner;       /* whose functions the ops are */
    const StateDict *old, *now;
    const LearnOptions *options;
    uint64_t *done, total;
} Checker;
/* The lists of a bundle as source expressions; false when one is not there. */
bool bundle_value(Arena *arena, const StateDict *old, const Bundle *bundle, RuleValue *value);
bool check_bundle(const Checker *checker, const Bundle *bundle, bool close, bool *good, Error *err);

/* Fingerprints by their sums. */
typedef struct SumKey {
    uint64_t sum;
    uint32_t print;
} SumKey;
typedef struct SumIndex {
    SumKey *keys;                /* [count] owned, sorted */
    size_t count;
    uint32_t *starts;            /* owned: where those begin whose first bits, above `shift`, are
                                    this number; as many as there are such numbers, and the end */
    unsigned shift;
} SumIndex;

/* How many numbers tensors have, each count once, ascending. */
typedef struct CountList {
    uint64_t *items;             /* [count] owned */
    size_t count;
} CountList;
void counts_index(const Prints *prints, CountList *list);

/* The work under way. */
typedef struct Learner {
    Arena *arena;                /* of the result */
    Checker checker;             /* source, target, options */
    Prints a, b;                 /* of the source; of the target */
    DType grain;                 /* of the fingerprints */
    SumIndex a_sums, b_sums;
    CountList a_counts, b_counts;
    RowIndex rows;               /* of a */
    NameBook *book;              /* owned */
    LearnTarget *targets;        /* [b.wholes] in the arena */
    uint32_t *used;              /* [a.wholes] owned; bundles that a source is in */
    Bundle *bundles;             /* [bundle_count] owned; their lists are in the arena */
    size_t bundle_count, bundle_room;
    const Each **each;           /* [each_count] owned; what functions among the ops do */
    size_t each_count, each_room;
    uint64_t done;               /* bytes read */
    const Lexicon *lexicon;      /* of names that decide where values do not; NULL: none */
    size_t named;                /* targets that automatic alignment found among equal values */
    bool lists;                  /* parts may be said by a list of their rows, or one by one */
    bool failed;                 /* *err says why */
    Error *err;
} Learner;

bool is_open(const Learner *learner, size_t target);     /* nothing makes it yet */
const char *source_name(const Learner *learner, size_t print);
/* Prints with that sum: the first of them; *count receives how many. */
const SumKey *sums_find(const SumIndex *index, uint64_t sum, size_t *count);
/* Checks, and keeps a bundle that is right. The names are copied as lists, not as text. */
bool offer(Learner *learner, const NameList *lists, size_t list_count, const char *const *targets,
           size_t target_count, const Chain *chain);
/* The same up to rounding. */
bool offer_close(Learner *learner, const NameList *lists, size_t list_count,
                 const char *const *targets, size_t target_count, const Chain *chain);
/* learn_group.c: what is made of several, or of a part of one. */
void learn_unstacked(Learner *learner);
void learn_stacked(Learner *learner);
void learn_parts(Learner *learner);
/* slice(axis, from, to) of an axis of n, without the end where it is n. */
Op slice_op(unsigned axis, int64_t from, int64_t to, int64_t n);
/* learn_tile.c: tensors that lie behind each other in another one; true when there was any. */
bool learn_tiled(Learner *learner);
/* Reads an expression once, for its own fingerprints, which lie in `arena` with the dims of e. */
bool print_read(Checker *checker, DType grain, Arena *arena, const Expr *e, Print *print,
                Error *err);
/* learn_each.c: adds the op that does chains[i] to the i-th of n tensors; false when they are too
 * many. `listed`: they come as a list from the op before. */
bool each_add(Learner *learner, const Chain *chains, size_t n, bool listed, Chain *chain);
/* Adds the op of a function that is kept, whose text is given; both lie in the result's arena. */
void each_keep(Learner *learner, const Each *each, const char *text, Chain *chain);
/* What is computed of sources[each->count]; NULL: their shapes do not go. */
const Expr *each_compute(Arena *arena, const Each *each, const Expr *const *sources, Error *err);
/* As text: the name of a tensor, an op as a method of what stands before it, the function up to
 * what it returns. */
void each_argument(size_t index, bool listed, Text *out);
void each_method(const Op *op, Text *out);
void each_head(const Each *each, Text *out);
/* Does it; an OpContext.call whose host is the list of all Each. */
bool each_apply(void *host, const Op *op, const OpContext *context, RuleValue *value, Error *err);
/* learn_shares.c: ops that say parts by numbers, where they are shares, as text. */
void shares_say(Arena *arena, const StateDict *old, Bundle *bundles, size_t n);
/* learn_kin.c: what is beside what is known, and what names decide; true when there was any. */
bool learn_kin(Learner *learner);
bool learn_named(Learner *learner);
/* learn_match.c: what automatic alignment decides among equal values; true when there was any. */
bool learn_matched(Learner *learner);
/* learn_moved.c: what is moved or scaled by a constant; true when there was any. */
bool learn_moved(Learner *learner);
/* learn_fold.c: what was computed of several; true when there was any. */
bool learn_computed(Learner *learner);
/* The sources that hold the numbers of a target, in whatever order: fills prints[] up to n, and
 * says how many there are; n + 1 where they are more. */
size_t whole_candidates(Learner *learner, size_t target, uint32_t *prints, size_t n);

#endif
