/* The inside of induce, for the files that make one: induce_names.c (names and bundles taken
 * apart), induce_solve.c (numbers of a target from those of a source), induce_divide.c (one build
 * of bundles into rules), induce_tails.c (rules of equal heads), induce_words.c (rules that differ
 * in a word), induce_text.c (patterns as text), induce_verify.c (the rules carried out),
 * induce.c (the whole).
 *
 * A *kin* is the names that are equal up to their numbers (family.h). A *form* is the bundles of
 * one build: sources and targets of equal kins, or of kins whose heads are equal and whose tails
 * are the same on both sides; the columns of a form are the numbers of its heads. */
#ifndef LOADER_ALIGN_INDUCE_PARTS_H
#define LOADER_ALIGN_INDUCE_PARTS_H

#include "loader/align/family.h"
#include "loader/align/induce.h"

enum {
    NONE = 0xFFFFFFFFu,          /* no index */
    WIDTH_MAX = 256,             /* columns of a form; wider ones are written line by line */
    ALTERNATIVES_MAX = 24,       /* of a number; more are lines of their own */
    CUTS_MAX = 16                /* places where a name may be cut into head and tail */
};

/* ---- names ---- */

typedef struct Kin {
    const char *text;            /* numbers are FAMILY_MARK; in the scratch arena */
    size_t length;
    unsigned columns;            /* numbers in it */
    bool literal;                /* one name, as it is: it holds the mark's byte */
    uint32_t *keys;              /* [key_count] the source's keys of it; none for targets alone */
    size_t key_count;
} Kin;

typedef struct SplitName {
    const char *name;
    uint32_t kin;
    size_t at;                   /* its numbers: values[at, at + columns) */
} SplitName;

typedef struct NameTable {
    Kin *kins;                   /* owned, growing, as values */
    size_t count, room;
    NameMap marked, literal;     /* text → kin */
    int64_t *values;
    size_t value_count, value_room;
    uint32_t *key_list;          /* owned: what kins[].keys point into */
    uint32_t *sorted;            /* owned, [sorted_count]: kins that have keys, by text */
    size_t sorted_count;
} NameTable;

/* ---- bundles ---- */

/* A list of a bundle: what one pattern gathers. */
typedef struct PairList {
    const uint32_t *keys;        /* [count] indexes of keys, in their order */
    size_t count;
    uint32_t gathered;           /* columns that differ from key to key, as bits */
    bool keep;                   /* later rules need the keys as well */
} PairList;

typedef enum PairState {
    PAIR_PLAIN,                  /* to be said by a rule */
    PAIR_SAME,                   /* nothing changes: it needs none */
    PAIR_LEFT                    /* no text can say it */
} PairState;

/* A bundle, taken apart. */
typedef struct Pair {
    PairList *lists;             /* [list_count] */
    size_t list_count;
    const SplitName *targets;    /* [target_count] */
    size_t target_count;
    uint32_t counted;            /* columns of the targets that count them; 0: they are named one
                                    by one */
    uint32_t ops;                /* index of ops texts */
    uint32_t group;              /* index of groups */
    uint32_t rule;               /* 1 + index of made rules that says it; 0 = none yet */
    PairState state;
} Pair;

/* A key's place in a bundle. */
typedef struct Use {
    uint32_t pair, list, next;   /* next: 1 + index of uses; 0 = last */
} Use;

/* ---- forms ---- */

/* The beginning of a kin's text; all of it where a form has no tail. */
typedef struct Head {
    const char *text;
    size_t length;
    unsigned columns;
    bool literal;                /* the text is a name, and holds no numbers */
} Head;

typedef enum Tail { TAIL_NONE, TAIL_SEGMENT, TAIL_RUN } Tail;   /* nothing, `*`, `**` */

typedef struct Form {
    const Head *sources;         /* [list_count] */
    const uint32_t *gathered;    /* [list_count] as in PairList */
    const bool *keep;            /* [list_count] */
    size_t list_count;
    const Head *targets;         /* [target_count] one where they are counted */
    size_t target_count;
    uint32_t counted;
    uint32_t ops;
    Tail tail;
    uint32_t *pairs;             /* [count] */
    size_t count;
} Form;

/* ---- arithmetic ---- */

typedef enum FormulaKind {
    FORMULA_CONST,               /* c */
    FORMULA_SHIFT,               /* x + c */
    FORMULA_MINUS,               /* c - x */
    FORMULA_DIVIDE,              /* (x + o) // m */
    FORMULA_MINUS_DIVIDE,        /* c - (x + o) // m */
    FORMULA_REMAINDER,           /* (x + o) % m + c */
    FORMULA_TIMES,               /* m x + c */
    FORMULA_GRID                 /* m x + z + c */
} FormulaKind;

typedef struct Formula {
    FormulaKind kind;
    unsigned x, z;               /* columns of the source */
    int64_t m, o, c;
} Formula;

/* Rows of numbers: first those of the source, then those that follow from them. */
typedef struct Matrix {
    int64_t *cells;              /* [row × width] */
    size_t width, sources;
} Matrix;

/* Formulas that larger forms were solved with: what fits two values by chance is not preferred to
 * what fitted many. */
typedef struct Hints {
    Formula list[32];
    size_t count;
} Hints;

enum { COLUMNS_LISTED = FAMILY_NUMBERS_MAX };

/* What gives column y of these rows; false: nothing does. `like` is the column of the source that
 * is tried first. `plain`: only a constant or the very number of a column will do. `first` holds
 * what is tried before anything else, its columns set. */
bool formula_solve(const Matrix *matrix, const uint32_t *rows, size_t n, unsigned y, unsigned like,
                   bool plain, const Hints *first, const Hints *hints, Formula *out);
/* What the formula gives for a row; false: a number too large. */
bool formula_value(const Formula *formula, const int64_t *row, int64_t *out);
/* Keeps what was found on at least three different numbers. */
void hints_add(Hints *hints, const Matrix *matrix, const uint32_t *rows, size_t n,
               const Formula *formula);
/* "i", "i+1", "(i-1)//3": `names` are those of the source's columns. */
void formula_write(const Formula *formula, const char *const *names, Text *out);

typedef struct SeenPair {
    int64_t x, y;
} SeenPair;

/* How one number follows from another wherever the same names stand before them. */
typedef struct Custom {
    SeenPair *seen;              /* owned, growing, while they are learned */
    size_t count, room;
    Formula formula;             /* when known */
    bool known;
} Custom;

typedef struct Customs {
    Custom *items;               /* owned, growing */
    size_t count, room;
    NameMap index;               /* the names before the numbers → items */
    size_t seen;                 /* pairs that were looked at */
} Customs;

/* ---- rules in the making ---- */

typedef struct Made {
    const char *const *sides;    /* [list_count + target_count] patterns, then names */
    const bool *keep;            /* [list_count] */
    size_t list_count, target_count;
    uint32_t ops;
    const uint32_t *pairs;       /* [pair_count] */
    size_t pair_count;
    const struct Made *const *finer;   /* [finer_count] what says the same in more lines; NULL:
                                          only the bundles one by one do */
    size_t finer_count;
    uint32_t order;              /* 0: catches nothing but its own; else it stands behind all
                                    rules of a lower number, which take what is not its own */
    bool literal;
    bool early;                  /* a line for one bundle that takes the place of a rule that
                                    failed */
} Made;

typedef struct MadeList {
    const Made **items;          /* owned, growing; what they point to lies in the scratch arena */
    size_t count, room;
} MadeList;

/* Groups that a rule would catch besides its own. */
typedef struct Exceptions {
    bool *marked;                /* owned, [groups] */
    uint32_t *list;              /* owned, growing: the marked ones */
    size_t count, room;
} Exceptions;

/* Bundles of one build, and what they come to by themselves. */
typedef struct Group {
    Form form;
    size_t room;                 /* of form.pairs while it grows */
    MadeList made;
    bool covered;                /* a rule with a tail says them */
    uint32_t order;              /* of the rule that covers it */
} Group;

typedef struct Inducer {
    Arena *arena;                /* the caller's: for what is handed out */
    Arena *scratch;              /* owned: for the time of the work */
    const InduceInput *input;
    NameTable names;
    SplitName *keys;             /* owned, [input->key_count] */
    NameMap key_index;
    Use *uses;                   /* owned, growing */
    size_t use_count, use_room;
    uint32_t *first_use;         /* owned, [keys]: 1 + index of uses; 0 = none */
    Pair *pairs;                 /* owned, [bundles] */
    const char **ops;            /* owned, growing: as text; "" for none */
    const Bundle **ops_of;       /* owned, growing: a bundle that has them */
    size_t ops_count, ops_room, ops_of_room;
    NameMap ops_index;
    uint32_t no_ops;             /* index of "" */
    NameMap target_index;        /* target name → pair */
    Group *groups;               /* owned, growing */
    size_t group_count, group_room;
    Hints hints;
    Customs customs;
    uint32_t *row_of;            /* owned, [bundles]: their rows in the form that is being
                                    divided; NONE elsewhere */
    MadeList made;               /* the rules, in the end */
    uint32_t *renamed;           /* owned, [renamed_count]: keys that got a name which sorts; their
                                    own stands in the input */
    size_t renamed_count;
    uint32_t orders;             /* of rules that stand at the end, so far */
} Inducer;

/* Takes names and bundles apart, and bundles into groups. */
bool names_read(Inducer *inducer, Error *err);
void names_done(Inducer *inducer);
/* The kins with keys whose text begins so: sorted[*first, *behind). */
void names_range(const NameTable *names, const Head *head, size_t *first, size_t *behind);
/* Whether the pair's ops reduce its lists, so that their order counts. */
bool ops_join(const Inducer *inducer, uint32_t ops);

/* Learns the customs of all groups. */
void customs_learn(Inducer *inducer);
/* Adds the custom of these columns, if there is one, as a formula of `variable`. */
void customs_find(const Inducer *inducer, const Head *source, unsigned x, unsigned variable,
                  const Head *target, unsigned y, Hints *out);
void customs_done(Customs *customs);

/* The rules that a form comes to. `most`: how many are worth it; false when they are more, and
 * then `out` has none of them. `excepted` (NULL: nothing else may be caught) receives
 * every group whose keys the rules would catch. Where bundles cannot be told apart by numbers, a
 * rule names its keys. */
bool form_divide(Inducer *inducer, const Form *form, size_t most, Exceptions *excepted,
                 MadeList *out);

/* Finds the heads that several groups have in common. */
void merge_tails(Inducer *inducer);
/* Rules that differ in one word become one with alternatives. */
void merge_words(Inducer *inducer, MadeList *list);

/* One side of a rule. `columns` says how each number is written; text is added to `out`. */
void side_write(const Head *head, Tail tail, const char *const *columns, Text *out);
/* A rule as a line of rule text. */
const char *made_text(Arena *arena, const Inducer *inducer, const Made *made);
void made_add(MadeList *list, const Made *made);

/* Carries the rules out on the names and compares with the bundles. *failed receives 1 for every
 * rule that did wrong; true when none did. */
bool rules_verify(Inducer *inducer, const MadeList *rules, bool *failed);

#endif
