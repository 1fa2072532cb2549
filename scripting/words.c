/* The table of words, and which of them a mistyped name may have meant. The order is that of
 * help(): statements as they are used in a script, facts, ops. */
#include "scripting/words.h"

#include <string.h>

#include "loader/align/op.h"
#include "scripting/script_state.h"

#define STATEMENT_WORD(name, args, help) {#name, args, help},
#define FACT_WORD(name, args, help) {name, args, help},
#define OP_WORD(id, name, args, help) {name, args, help},

/* OPS ends with the row of functions, which is no word. */
static const ScriptWord words[] = {STATEMENTS(STATEMENT_WORD) FACTS(FACT_WORD) OPS(OP_WORD)};

const ScriptWord *script_words(size_t *count)
{
    *count = countof(words) - 1;
    return words;
}

enum { SUGGEST_LENGTH = 31 };        /* letters; no word is half as long */

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein distance of two short words, by the usual table of which one row is kept: row[j] is
 * the distance of a's first i letters from b's first j. "strpi" is 2 away from "strip", since a
 * swap is two changes. Longer words are as far away as can be. */
static size_t measure_distance(const char *a, const char *b)
{
    size_t row[SUGGEST_LENGTH + 1], n = strlen(b);
    if (strlen(a) > SUGGEST_LENGTH || n > SUGGEST_LENGTH) return SUGGEST_LENGTH;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t above = row[j];
            row[j] = smallest(row[j - 1] + 1, above + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

bool script_has_statement(const char *name, size_t n)
{
#define STATEMENT_NAME(name, args, help) #name,
    static const char *const names[] = {STATEMENTS(STATEMENT_NAME)};
#undef STATEMENT_NAME
    for (size_t i = 0; i < countof(names); i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0) return true;
    return false;
}

void words_visit(const Script *script, bool (*visit)(void *context, const ScriptWord *word),
                 void *context)
{
    size_t count;
    const ScriptWord *const all = script_words(&count);
    const ScriptFunctions *functions = script->functions;
    for (size_t i = 0; i < count; i++)
        if (!visit(context, &all[i])) return;
    for (size_t i = 0; functions && i < functions->count; i++)
        if (!visit(context, &functions->words[i])) return;
}

typedef struct Nearest {
    const char *name, *word;     /* what was written; the nearest so far, NULL: none */
    size_t distance;             /* of it, or what is too far */
} Nearest;

/* For words_visit. */
static bool compare_word(void *context, const ScriptWord *word)
{
    Nearest *nearest = context;
    const size_t distance = measure_distance(nearest->name, word->name);
    if (distance > nearest->distance || (nearest->word && distance == nearest->distance))
        return true;
    nearest->distance = distance;
    nearest->word = word->name;
    return true;
}

/* At most a third of the letters may differ, rounded, and one of short names: what is further
 * away is chance. */
void words_suggest(const Script *script, const char *name, Text *out)
{
    Nearest nearest = {.name = name, .distance = (strlen(name) + 1) / 3};
    words_visit(script, compare_word, &nearest);
    if (nearest.word) text_addf(out, "did you mean '%s'?", nearest.word);
}
