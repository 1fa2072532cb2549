/* The rule packs of scripting/rules, inside the binary. The table is made by embed.sh when
 * tenon is built. */
#ifndef SCRIPTING_BUNDLED_H
#define SCRIPTING_BUNDLED_H

#include <stddef.h>

typedef struct BundledRules {
    const char *name;        /* "wrappers": the file's name without .lua */
    const char *text;        /* NUL-terminated */
    size_t n;
} BundledRules;

extern const BundledRules bundled_rules[];    /* one more row, all NULL, at the end */
extern const size_t bundled_rules_count;

#endif
