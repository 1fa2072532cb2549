/* The inside of the proposals: what their kinds share. */
#ifndef LOADER_ALIGN_PROPOSAL_PARTS_H
#define LOADER_ALIGN_PROPOSAL_PARTS_H

#include "loader/align/align_parts.h"
#include "loader/align/proposal.h"

/* Names that are alike up to numbers, on one side. */
typedef struct Clan {
    const char *family;          /* FAMILY_MARK for numbers */
    const char *first;           /* its first member's name */
    uint32_t *members;           /* owned, [count]: indexes of spare or missing names */
    size_t count, room;
} Clan;

/* What has no partner, of one side. */
typedef struct Loose {
    const char **names;          /* owned, [count] */
    size_t count;
    NameMap index;               /* name → its index */
    Clan *clans;                 /* owned */
    size_t clan_count, clan_room;
    NameMap clan_names;          /* family → index of clans */
} Loose;

typedef struct Proposer {
    const Alignment *alignment;
    ProposalList *list;
    Arena *arena;                /* of the list */
    Loose spare;                 /* keys of the draft that are no target's */
    Loose missing;               /* targets that no key has the name of */
} Proposer;

void propose_prefixes(Proposer *proposer);
void propose_renames(Proposer *proposer);
void propose_indexes(Proposer *proposer);
void propose_parts(Proposer *proposer);
void propose_shapes(Proposer *proposer);
void propose_containers(Proposer *proposer);
void propose_ties(Proposer *proposer);
/* One tensor under two names, rather than the values twice; nothing where it is not usual. */
void propose_tie(Proposer *proposer, const Binding *missing);
void propose_rest(Proposer *proposer);
/* The source's own positions, for a missing table of them of another size. */
void propose_places(Proposer *proposer);
void propose_places_of(Proposer *proposer, const Binding *missing);
/* The choices for one tensor of another shape or dtype. */
void propose_shape_of(Proposer *proposer, const Binding *binding);

/* `rules [[ TEXT ]]`, printf-like. */
const char *propose_rules(Proposer *proposer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds a line with a printf-like reason. */
void propose(Proposer *proposer, ProposalKind kind, ProposalCost cost, const char *line,
             const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A name as rule text spells it, in the arena. */
const char *propose_quoted(Proposer *proposer, const char *name, size_t n);
/* A text as a Lua string, in the arena. */
const char *propose_lua(Proposer *proposer, const char *text, size_t n);
bool loose_has(const Loose *loose, const char *name);
/* Whether names below `from` for those below `to`, both ending in '.', would be another head. */
bool propose_is_head_swap(Proposer *proposer, const char *from, const char *to);

#endif
