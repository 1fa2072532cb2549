/* The rule packs of scripting/rules, the presets of scripting/presets and lexicon.lua, inside the
 * binary. The
 * table is made by embed.sh when tenon is built. */
#ifndef SCRIPTING_BUNDLED_H
#define SCRIPTING_BUNDLED_H

#include <stddef.h>

typedef enum BundledKind {
    BUNDLED_PACK,            /* a rule file as any other */
    BUNDLED_SHARED,          /* what presets share, and the lexicon: no preset itself */
    BUNDLED_PRESET           /* what `preset "name"` runs: a chunk that is given its options */
} BundledKind;

typedef struct BundledRules {
    BundledKind kind;        /* by the folder it stands in */
    const char *name;        /* "wrappers": the file's name without .lua */
    const char *text;        /* NUL-terminated */
    size_t n;
} BundledRules;

extern const BundledRules bundled_rules[];    /* one more row, all NULL, at the end */
extern const size_t bundled_rules_count;

#endif
