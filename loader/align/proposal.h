/* Proposals: lines of Lua that would settle what is open in a ledger, with the reason in plain
 * words. Here they are only thought out, from names and shapes; what each one settles and breaks is
 * found out by trying it (repl/proposals.h).
 *
 * A kind of proposals is a file: prefixes (proposal_prefix.c), renamed modules
 * (proposal_rename.c), numbers (proposal_index.c), parts and parametrizations (proposal_norms.c),
 * other shapes (proposal_shape.c), positions under another name (proposal_places.c), what is left
 * over (proposal_rest.c). Nothing here is made for one model. */
#ifndef LOADER_ALIGN_PROPOSAL_H
#define LOADER_ALIGN_PROPOSAL_H

#include "loader/align/align.h"

/* id, its word in JSON */
#define PROPOSAL_KINDS(X)                                                                    \
    X(PROPOSE_PREFIX, "prefix") X(PROPOSE_CONTAINER, "container") X(PROPOSE_RENAME, "rename") \
    X(PROPOSE_INDEX, "index") X(PROPOSE_PARTS, "parts") X(PROPOSE_NORM, "parametrization")   \
    X(PROPOSE_TIE, "tie") X(PROPOSE_LAYOUT, "layout") X(PROPOSE_DTYPE, "dtype")              \
    X(PROPOSE_ROWS, "rows") X(PROPOSE_POSITIONS, "positions") X(PROPOSE_WINDOW, "window")    \
    X(PROPOSE_PATCH, "patch") X(PROPOSE_CHANNELS, "channels") X(PROPOSE_BUFFER, "buffer")    \
    X(PROPOSE_FILL, "fill") X(PROPOSE_DROP, "drop") X(PROPOSE_PACK, "pack")                  \
    X(PROPOSE_AUTO, "auto") X(PROPOSE_POLICY, "policy") X(PROPOSE_ADVICE, "advice")

#define PROPOSAL_ENUM(id, word) id,
typedef enum ProposalKind { PROPOSAL_KINDS(PROPOSAL_ENUM) PROPOSAL_KIND_COUNT } ProposalKind;
#undef PROPOSAL_ENUM

/* What a line costs, the least first. */
typedef enum ProposalCost {
    COST_NONE,                   /* values only move: names, order of axes, containers */
    COST_BUFFERS,                /* only what the code makes anew: counters, tables, masks */
    COST_PART,                   /* part of the values, or resampled ones */
    COST_MADE_UP,                /* values are made up, or the target's own are kept */
    COST_WAIVED                  /* nothing is mended: the difference is accepted */
} ProposalCost;

typedef struct Proposal {
    ProposalKind kind;
    ProposalCost cost;
    const char *line;            /* Lua, one line; NULL: advice that no rule can follow */
    const char *why;             /* a sentence for people */
    const char *target;          /* a target key it is for, as an example; NULL: all of them */
    bool known;                  /* the cause is one that is known, not a last resort */
} Proposal;

typedef struct ProposalList {
    Arena *arena;                /* of lines and reasons; borrowed from whoever made the list */
    Proposal *items;             /* owned, [count]; the likelier kinds come first */
    size_t count, room;
    NameMap lines;               /* each line once */
} ProposalList;

const char *proposal_word(ProposalKind kind);
void proposals_init(ProposalList *list, Arena *arena);
void proposals_done(ProposalList *list);

/* Everything that names and shapes of the ledger suggest, at most PROPOSALS_MAX; cheap (near-linear
 * in the keys). Names are borrowed from the alignment. */
enum { PROPOSALS_MAX = 96 };
void proposals_find(ProposalList *list, const Alignment *alignment);
/* The choices for one open binding alone. */
void proposals_for(ProposalList *list, const Alignment *alignment, const Binding *binding);

/* Whether a key is one of an adapter (LoRA and its kin). */
bool proposal_is_adapter(const char *name);
/* Whether a source tensor is a problem of its own: not what was offered to an open target, nor what
 * may be wanted. */
bool proposal_is_left(const Alignment *alignment, const SourceUse *use);
/* Whether it is a name under which programs put the weights ("state_dict"); or anything that they
 * put beside them, those included ("epoch", "optimizer"). */
bool proposal_is_container(const char *name);
bool proposal_is_program_name(const char *name);

/* Adds one; a line that is there already, and everything beyond PROPOSALS_MAX, is let go. `line`
 * and `why` are copied. */
void proposal_add(ProposalList *list, Proposal proposal);

#endif
