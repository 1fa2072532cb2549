/* Families: names that are equal up to their numbers. `blocks.3.gamma_1` is the numbers 3, 1 in
 * the family `blocks.#.gamma_#`. Suggestions are thought out once for a family, not for every
 * layer, and written as a rule with captures. */
#ifndef LOADER_ALIGN_FAMILY_H
#define LOADER_ALIGN_FAMILY_H

#include "loader/core/memory.h"
#include "loader/core/text.h"

enum {
    FAMILY_NUMBERS_MAX = 8,      /* later ones are literal */
    FAMILY_MARK = '\x01'         /* stands for a number in a family's text */
};

typedef struct FamilyName {
    Text text;                   /* the family; owned, reused from name to name */
    int64_t numbers[FAMILY_NUMBERS_MAX];
    size_t count;
} FamilyName;

/* Splits a name. Numbers are what {i} matches: no leading zero, at most 18 digits. */
void family_split(const char *name, FamilyName *out);
void family_done(FamilyName *name);
/* The member of a family with these numbers, appended to `out`; false when there are fewer
 * numbers than the family has. */
bool family_member(const char *family, const int64_t *numbers, size_t count, Text *out);
/* The family as a side of a rule: numbers as {i} {j} … where they are a segment, else {n} {m}
 * …; `like` (may be NULL) is the other side's family, whose kinds choose the names. Literal
 * text is quoted where rule text needs it. */
void family_rule(const char *family, const char *like, Text *out);
/* One name (or part of one) as rule text spells it: quoted when it holds one of
 * { } * ; , & ~ # > " or white space or control characters. */
void rule_quote(const char *name, size_t n, Text *out);
/* Whether two names differ in numbers only: layers that are counted from another number, of which
 * one is left over on either side. To give it the other's name would be wrong, and easy. */
bool family_is_shifted(const char *a, const char *b);
/* How alike two families sound, 0 … 1: words in common, the last one counting double. */
double family_likeness(const char *a, const char *b);

#endif
