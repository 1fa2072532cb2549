/* Separators: `conv/weight` of NumPy, TensorFlow and JAX for `conv.weight` of PyTorch, or the other
 * way round, where nothing but that tells the names apart. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/suggest.h"

enum { SEPARATED_MIN = 2 };      /* tensors that the line must load */

typedef struct Exchange {
    char from, to;
    const char *line;
} Exchange;

static const Exchange exchanges[] = {{'/', '.', "resub(\"/\", \".\")"},
                                     {'.', '/', "resub([[\\.]], \"/\")"}};

/* The missing target that has the key's name with the other separator; NULL: there is none. */
static Binding *find_target(const Suggester *suggester, const SpareKey *spare,
                            const Exchange *exchange, Text *name)
{
    if (spare->partner || !strchr(spare->key->name, exchange->from)) return NULL;
    text_clear(name);
    for (const char *p = spare->key->name; *p; p++)
        text_addc(name, *p == exchange->from ? exchange->to : *p);
    uint32_t index = map_get(&suggester->missing_names, text_string(name));
    Binding *binding = index == MAP_NONE ? NULL : suggester->missing[index];
    return binding && suggest_fits(spare->key, binding) ? binding : NULL;
}

/* The line changes every name: one that is right as it is would be lost. */
static bool would_break(const Alignment *alignment, const Exchange *exchange)
{
    for (size_t i = 0; i < draft_count(alignment->draft); i++)
        if (match_target(alignment, i) && strchr(draft_at(alignment->draft, i)->name,
                                                 exchange->from))
            return true;
    return false;
}

/* Whether some missing target has the separator: most models have one kind, and are left alone. */
static bool is_used(const Suggester *suggester, char separator)
{
    for (size_t i = 0; i < suggester->missing_count; i++)
        if (strchr(suggester->missing[i]->name, separator)) return true;
    return false;
}

static void try_exchange(Suggester *suggester, const Exchange *exchange)
{
    Text name = {0};
    Binding **found = mem_alloc((suggester->spare_count + 1) * sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < suggester->spare_count; i++) {
        found[i] = find_target(suggester, &suggester->spares[i], exchange, &name);
        count += found[i] != NULL;
    }
    const bool useful = count >= SEPARATED_MIN && !would_break(suggester->alignment, exchange);
    for (size_t i = 0; useful && i < suggester->spare_count; i++) {
        if (!found[i]) continue;
        map_remove(&suggester->missing_names, found[i]->name);
        suggest_pair(suggester, &suggester->spares[i], found[i], exchange->line);
    }
    free(found);
    text_done(&name);
}

void suggest_separators(Suggester *suggester)
{
    for (size_t i = 0; i < countof(exchanges); i++)
        if (is_used(suggester, exchanges[i].to)) try_exchange(suggester, &exchanges[i]);
}
