/* What the files of rows of blocks share: auto_blocks.c finds rows whose numbers do not tell which
 * block is which, auto_blocks_fit.c says which blocks their shapes tell nevertheless, and
 * auto_blocks_ask.c asks for the others. */
#ifndef LOADER_ALIGN_AUTO_BLOCKS_H
#define LOADER_ALIGN_AUTO_BLOCKS_H

#include "loader/align/auto_parts.h"

enum { BLOCKS_MAX = 1024 };  /* of one row that are compared */

/* One number of a name, and what stands before it: the blocks it counts. */
typedef struct Place {
    uint64_t row;
    int64_t number;
    const char *path;        /* the name without its role */
    size_t length, before, digits;   /* of it, up to the number, of that */
    bool glued;              /* to a word: norm1 */
} Place;

/* Block n of one row is block m of another, by so many pairs. */
typedef struct Link {
    uint64_t row[2];
    int64_t number[2];
    uint32_t votes, named;   /* of these, units of one name */
    Place place[2];          /* in a name of each side */
} Link;

/* What stands below one number of a row: all shapes that the other side has as well. */
typedef struct Block {
    uint64_t row;
    int64_t number;
    uint32_t units;          /* all that stand below it */
    const uint64_t *shapes;  /* [count] in ascending order */
    uint32_t count;
} Block;

/* Two rows, and how they were paired. */
typedef struct Rows {
    const Block *row[2];
    size_t count[2];
    size_t mate[BLOCKS_MAX];     /* [count[0]] place in the other row; SIZE_MAX: none */
    size_t paired[2];            /* blocks of each that have a mate */
    bool mixed;                  /* not one to one, or in no order */
    bool falls;                  /* the last of one was paired with the first of the other */
    bool stages;                 /* one side counts them in a word: from either end */
    bool named;                  /* most of what was paired has one name on both sides */
    bool single;                 /* the blocks of one of them are single layers */
} Rows;

/* What the shapes of two rows say. */
typedef struct Laid {
    size_t sure[BLOCKS_MAX];     /* [blocks of the source] the only place of the other row in which
                                    the block can be; SIZE_MAX */
    size_t likely[BLOCKS_MAX];   /* the best one; SIZE_MAX */
    bool as_paired;              /* no other way fits better than that in which they were paired */
} Laid;

/* Rows whose numbers do not tell which block is which. */
typedef struct Moved {
    Place place[2];              /* in a name of each side */
    int64_t number[2];           /* two blocks that may be one, or are by an answer */
    bool answered, doubtful;     /* there is a block that the shapes do not tell */
    int64_t low[2], high[2];     /* of both rows */
    const char **keys;           /* [key_count] owned, growing: what is taken back of the target */
    size_t key_count, key_room;
} Moved;

/* How far a row of one side reaches. */
typedef struct Range {
    int64_t low, high;
} Range;

typedef struct Ranges {
    Table rows;              /* row → index in list */
    Range *list;             /* [count] owned, growing */
    size_t count, room;
} Ranges;

typedef struct ShapeOf {
    uint32_t block;
    uint64_t shape;
} ShapeOf;

typedef struct Blocks {
    Auto *a;
    Ranges ranges[2];
    Table shapes_there[2];   /* all shapes of each side */
    Table below[2];          /* row and number → hash of what below it both sides have */
    Table suspects;          /* pairs of rows that are looked at */
    Table known;             /* link → index in links */
    Link *links;             /* [link_count] owned, growing */
    size_t link_count, link_room;
    Block *blocks[2];        /* [block_count] owned, growing; by row and number */
    size_t block_count[2], block_room[2];
    ShapeOf *shapes[2];      /* [shape_count] owned, growing; what stands below each block */
    size_t shape_count[2], shape_room[2];
    Moved *moved;            /* [moved_count] owned, growing */
    size_t moved_count, moved_room;
} Blocks;

static inline uint64_t place_key(uint64_t row, int64_t number)
{
    return hash_mix(row, (uint64_t)number);
}
static inline uint64_t rows_key(uint64_t source, uint64_t target)
{
    return hash_mix(hash_mix(83, source), target);
}

/* ---- auto_blocks_links.c ---- */
/* The numbers of a name. */
size_t places_of(const Auto *a, const Side *side, const Unit *unit, Place *out);
/* Of two rows: that one block of them is the other. */
uint64_t link_key(const Place *s, const Place *t);
/* How far all rows of a side reach, and what stands below their numbers. */
void list_ranges(Blocks *blocks, int s);
/* Rows that pairs lead from one to the other: which of them are suspects, then their links. */
void list_links(Blocks *blocks, bool first);

/* ---- auto_blocks_fit.c ---- */
/* Where everything is a layer of one list, the embedding and the head too, what stands before the
 * blocks and behind them is none of them, nor are numbers that are left out there: if the rest is
 * as many on both sides. */
void blocks_trim(Rows *rows);
/* Fills in what the shapes say. */
void blocks_fit(const Rows *rows, Laid *laid);

/* ---- auto_blocks_ask.c ---- */
/* Whether an answer says which block of two rows is which: then number[] are those. */
void blocks_hear(const Auto *a, Moved *moved);
/* The question about two rows, unless nothing was taken back; lets go of the keys. */
void blocks_ask(Auto *a, Moved *moved);

#endif
