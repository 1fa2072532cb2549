/* Folding: many keys in one line, exactly. `layers.{0-31}.attn.{k,q,v}.weight` never names a
 * key that is not there: expand(fold(keys)) == keys, as a set. */
#ifndef LOADER_CORE_FOLD_H
#define LOADER_CORE_FOLD_H

#include "loader/core/memory.h"
#include "loader/core/text.h"

typedef struct Folded {
    const char *text;            /* in the arena; braces as reports print them */
    const uint32_t *members;     /* indexes into the input, in input order */
    size_t count;
    const char *counter;         /* member count along a numeric brace, as "×12"; NULL = none */
} Folded;

/* Folds n names; only names with the same `class` (any number: a shape, a reason) may share a
 * line; NULL = all alike. Order of lines: that of the first member. Near-linear in n. */
size_t fold_names(Arena *arena, const char *const *names, const uint32_t *classes, size_t n,
                  Folded **out);
/* The names a folded text stands for, in the arena; the inverse of the above. Literal braces
 * and backslashes, commas inside braces, and the '-' of a word that reads like a range are
 * written "\{" by fold_names and understood here. 0 for a text with an open brace, and for one
 * that stands for more than a quarter of a million names, or than `most` bytes of them, each taken
 * to be as long as the text. */
size_t fold_expand(Arena *arena, const char *text, uint64_t most, const char ***names);
/* Whether an alternative inside braces is a range of numbers: "0-31". */
bool fold_is_range(const char *text);

#endif
