/* What a compiled pattern is made of; shared by its compiler, its matcher and
 * the `sub` lines that look for it inside keys. */
#ifndef LOADER_ALIGN_PATTERN_NODES_H
#define LOADER_ALIGN_PATTERN_NODES_H

#include "loader/align/pattern.h"

enum { NODES_MAX = 64, NUMBER_DIGITS_MAX = 18 };

typedef enum NodeKind {
    NODE_TEXT,       /* literal bytes */
    NODE_NUMBER,     /* {i} */
    NODE_CHOICE,     /* {p:a|b}, {0-31}, {a,b} */
    NODE_SEGMENT,    /* * and {x:*} */
    NODE_RUN,        /* ** */
    NODE_AGAIN       /* a name's second occurrence */
} NodeKind;

/* One alternative: a text, or a range of numbers. */
typedef struct Choice {
    const char *text;        /* NULL: a range */
    uint32_t length;
    uint32_t width;          /* of a range: digits with leading zeros; 0 = without */
    int64_t from, to;
} Choice;

typedef struct Node {
    NodeKind kind;
    bool dot_after, dot_before;  /* RUN: matches nothing together with this dot */
    bool settled;            /* no capture made before this node is asked for after it: that it
                                failed at a place is worth remembering */
    int capture;             /* index into Captures.named; -1 = none */
    int star;                /* index into Captures.stars; -1 = none */
    const char *text;        /* TEXT */
    uint32_t length;
    const Choice *choices;   /* CHOICE */
    size_t choice_count;
} Node;

struct Pattern {
    const char *text;        /* as written, trimmed */
    const Node *nodes;
    size_t node_count;
    CaptureInfo captures[CAPTURES_MAX];
    size_t capture_count, star_count;
    const char *head, *tail, *literal;
    size_t head_length, tail_length;
    size_t shortest;         /* no shorter key fits */
    bool repeats;            /* a name occurs twice */
    const char *const *segments;   /* between dots; NULL where one has a wildcard */
    size_t segment_count;
};

/* What a search knows to fail; kept from one pattern_find to the next over the same key, so
 * that a whole key costs linear time. search_start
 * begins it, search_done frees it. */
typedef struct Span {
    size_t from, to;             /* ends in [from, to) are known to fail behind the node */
} Span;

typedef struct PatternSearch {
    unsigned char *failed;       /* a bit for each node and place; NULL: not remembered yet */
    Span spans[NODES_MAX];       /* valid while failed is there */
    size_t steps;
} PatternSearch;

/* The first run of whole segments (borders '.' and '/') of key[0, n) from `from` on that fits;
 * a loose edge may lie inside a segment. The run is never empty. */
bool pattern_find(const Pattern *pattern, bool loose_head, bool loose_tail, const char *key,
                  size_t n, size_t from, PatternSearch *search, Captures *captures,
                  size_t *start, size_t *end);
void search_start(PatternSearch *search);
void search_done(PatternSearch *search);
bool is_border(char c);

#endif
