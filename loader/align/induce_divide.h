/* Divider: one form on its way to rules. Shared by induce_divide.c, which solves and divides, and
 * induce_bounds.c, which sees to it that a rule catches nothing but its own. */
#ifndef LOADER_ALIGN_INDUCE_DIVIDE_H
#define LOADER_ALIGN_INDUCE_DIVIDE_H

#include "loader/align/induce_parts.h"

enum { VARIABLES = 32 };         /* of a rule; more: line by line */

/* A number that a rule captures: a column of the first list, or one that a list gathers. */
typedef struct Variable {
    bool gathered;
    uint32_t list;               /* of gathered ones: where it stands first */
    unsigned column;             /* in that list (of others: in the base list) */
    bool constant;               /* in this part: written as digits */
    bool freed;                  /* it is so here, and written as a variable all the same */
    int64_t value;               /* of constant ones */
    bool bounded;                /* its numbers have to be said */
    int64_t *values;             /* [count] in this part, ascending, each once; in the scratch
                                    arena */
    size_t count;
    const char *choices;         /* "0-3|7" when bounded */
    char name[4];
} Variable;

/* A key that may be caught. */
typedef struct Near {
    uint32_t key;
    uint32_t row;                /* of the bundle it belongs to, in this list; NONE: another's */
    uint32_t group;              /* whose it is, where an earlier rule may take it; NONE: it must
                                    not be caught */
} Near;

typedef struct NearList {
    Near *items;                 /* owned, growing */
    size_t count, room;
} NearList;

/* What stands in a column of the matrix behind those of the source. */
typedef struct Follow {
    bool target;
    uint32_t side;               /* index of a list or of a target */
    unsigned column;
    Hints customs;               /* of targets: what it follows from elsewhere */
} Follow;

typedef struct Divider {
    Inducer *inducer;
    const Form *form;
    Matrix matrix;               /* cells: owned */
    Follow *follows;             /* owned, [matrix.width - matrix.sources] */
    uint32_t base;               /* the list whose numbers all others follow from */
    Variable variables[VARIABLES];   /* first those of the matrix, then gathered ones */
    size_t variable_count;
    int *variable_of;            /* owned, [list × FAMILY_NUMBERS_MAX] index of variables; -1: it
                                    follows from them */
    NearList *near;              /* owned, [list_count] */
    uint32_t *part_of;           /* owned, [rows]: the number of the part it is in */
    uint32_t part;               /* the number of the part at hand */
    Formula *formulas;           /* owned, [follows] of the part at hand */
    uint64_t work;               /* keys looked at so far */
    Exceptions *excepted;        /* NULL: nothing else may be caught */
    size_t most;                 /* rules that are worth it */
    bool failed;
    MadeList *out;
} Divider;

/* The number in a column of a key. */
static inline int64_t key_number(const Inducer *inducer, uint32_t key, unsigned column)
{
    return inducer->names.values[inducer->keys[key].at + column];
}

/* Collects the keys that rules of the form might catch. */
void near_collect(Divider *divider);
/* Bounds the variables so that the part's rule catches its own keys alone; false when that cannot
 * be. */
bool part_bound(Divider *divider, const uint32_t *rows, size_t n);

#endif
