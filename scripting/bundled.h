/* The rule packs of scripting/rules and the presets of scripting/presets, inside the binary. The
 * table is made by embed.sh when tenon is built.
 *
 * Each is an ordinary rule script. It gets its options as the one argument of the chunk, a table
 * or nothing, `local options = ... or {}` (script_run_with), so that the bare text runs as well. */
#ifndef SCRIPTING_BUNDLED_H
#define SCRIPTING_BUNDLED_H

#include <stddef.h>

typedef enum BundledKind {
    BUNDLED_PACK,            /* scripting/rules: one layout of a family's names to another */
    BUNDLED_PRESET           /* scripting/presets: what another system does when it loads */
} BundledKind;

typedef struct BundledRules {
    BundledKind kind;
    const char *name;        /* "wrappers": the file's name without .lua; unlike in both folders */
    const char *text;        /* NUL-terminated */
    size_t n;
} BundledRules;

extern const BundledRules bundled_rules[];    /* by kind, then name; ends with a row of NULLs */
extern const size_t bundled_rules_count;

#endif
