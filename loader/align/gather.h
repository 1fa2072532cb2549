/* Gather: the sources of one rule, grouped by the right-hand names they give. Shared by
 * draft_gather.c, which makes the groups, and gather_check.c, which checks that they are
 * whole. */
#ifndef LOADER_ALIGN_GATHER_H
#define LOADER_ALIGN_GATHER_H

#include "loader/align/draft_rules.h"
#include "loader/align/pattern_nodes.h"

enum { VARIABLES_MAX = CAPTURES_MAX + STARS_MAX };

/* What can differ among the keys of a rule: a capture or a star, shared by the sources that
 * have one of that name (stars: of that number). */
typedef struct Variable {
    const char *name;            /* NULL: a star, or anonymous */
    const char *choices;         /* its alternatives; NULL: none */
    bool star;
    size_t number;               /* of a star or an anonymous capture; 0 for names */
    bool used;                   /* the right side depends on it */
} Variable;

typedef struct ItemValue {
    const char *text;            /* NULL: the source lacks it, or a ** that matched nothing */
    bool numeric;
    int64_t number;
} ItemValue;

/* A key that fitted one of the sources. */
typedef struct Item {
    Gather *gather;
    uint32_t key;
    size_t group;                /* of partial sources: 1 + the last group it went into */
    struct Item *alike;          /* of partial sources: the next with the same shared values */
    ItemValue values[];          /* [variable_count] */
} Item;

typedef struct ItemList {
    Item **items;
    size_t count, room;
} ItemList;

typedef struct Group {
    const char **names;          /* [target_count] */
    ItemList *lists;             /* [source_count] */
} Group;

typedef struct GatherSource {
    bool has[VARIABLES_MAX];
    int of_capture[CAPTURES_MAX], of_star[STARS_MAX];   /* its captures among the variables */
    bool complete;               /* settles the right-hand names by itself */
    bool gathers;                /* a list of several may come of it */
    Item **partial;              /* owned, growing: its items while it is not complete */
    size_t partial_count, partial_room;
} GatherSource;

struct Gather {
    RuleRun *run;                /* the block at work; borrowed */
    const Rule *rule;
    size_t index;                /* of the rule in its block */
    Variable variables[VARIABLES_MAX];
    size_t variable_count, named_count, star_count;
    GatherSource *sources;       /* owned, [source_count] */
    Group *groups;               /* owned, growing; in order of their first keys */
    size_t group_count, group_room;
    NameMap by_names;            /* the joined names → group */
};

/* Every list has a key; lists that gather the same have the same; numbers run 0…n-1 without
 * holes (unless gaps=true), and several of them fill their grid. Lists are sorted. */
bool check_group(const Gather *gather, const Group *group, Error *err);

#endif
