/* RowState: what became of a tensor, as the middle column says it. Worse states come later, so
 * that the worst below a module is the highest bit of its mask. */
#ifndef VIEWER_STATE_H
#define VIEWER_STATE_H

#include "loader/align/align.h"
#include "viewer/style.h"

/* id, word, glyph, style, what it means */
#define ROW_STATES(X)                                                                         \
    X(ROW_EXACT, "exact", "=", STYLE_EXACT, "loaded: same name, same shape")                  \
    X(ROW_RENAMED, "renamed", "→", STYLE_RENAMED, "loaded: renamed or computed by a rule")    \
    X(ROW_CAST, "cast", "≈", STYLE_MADE, "loaded: converted to the target's dtype")           \
    X(ROW_TIED, "tied", "&", STYLE_EXACT, "shares storage with a target that was loaded")     \
    X(ROW_FILLED, "filled", "+", STYLE_MADE, "made up by a fill")                             \
    X(ROW_DROPPED, "dropped", "✗", STYLE_DROPPED, "source tensor dropped by a rule")          \
    X(ROW_KEPT, "kept", "k", STYLE_MADE, "keeps the target's own values, by policy")          \
    X(ROW_UNUSED, "unused", "·", STYLE_UNUSED, "source tensor that nothing took")             \
    X(ROW_MISSING, "missing", "○", STYLE_MISSING, "no source tensor for it")                  \
    X(ROW_DTYPE, "dtype", "~", STYLE_SHAPE, "offered with a dtype that is not cast silently") \
    X(ROW_SHAPE, "shape", "≠", STYLE_SHAPE, "offered with another shape")                     \
    X(ROW_AMBIGUOUS, "ambiguous", "?", STYLE_AMBIGUOUS, "several sources claim it")

#define ROW_STATE_ENUM(id, word, glyph, style, help) id,
typedef enum RowState { ROW_STATES(ROW_STATE_ENUM) ROW_STATE_COUNT } RowState;
#undef ROW_STATE_ENUM

/* Masks of states. Two bits are their own: what `expect` covers is no problem, and what was found
 * with less than certainty is loaded all the same. */
enum {
    STATE_PROBLEM = 1 << 15,
    STATE_GUESS = 1 << 14,
    STATE_ALL = (1 << ROW_STATE_COUNT) - 1,
    STATE_LOADED = 1 << ROW_EXACT | 1 << ROW_RENAMED | 1 << ROW_CAST
};

typedef struct RowStateInfo {
    const char *word, *glyph;
    Style style;
    const char *help;
} RowStateInfo;

const RowStateInfo *state_info(RowState state);
RowState state_of_binding(const Binding *binding);
RowState state_of_use(const SourceUse *use);
/* The worst state of a mask; ROW_EXACT for an empty one. */
RowState state_worst(unsigned mask);
/* Whether it stands in the way of writing, or would under policy unused="error". */
bool state_is_problem(const Binding *binding);
bool state_use_is_problem(const SourceUse *use, const Policy *policy);
/* What a user may type for several states, or for one of the bits: "loaded", "problems", "guessed",
 * "all"; NULL behind the last. */
extern const char *const state_groups[];
/* A mask by the word a user types: a state or one of the above; 0 when it is none. */
unsigned state_mask_of(const char *word);

#endif
