/* Prefixes: wrappers that stand before every name, several of them at once; a beginning that is
 * taken off, put on, or exchanged; a part of the source that is the whole target. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"
#include "loader/align/suggest.h"

enum {
    SEGMENTS_MAX = 5,            /* of a beginning, on either side */
    VOTES_SHOWN = 6,             /* exchanges that are proposed, those with most votes */
    GUARDS_MAX = 6               /* lines that keep names from an exchange */
};

static const uint32_t AMBIGUOUS = MAP_NONE - 1;

/* What code that wraps a model puts before its names (torch.nn.DataParallel, torch.compile, FSDP,
 * DeepSpeed, activation checkpointing). */
static const char *const wrappers[] = {"module.", "_orig_mod.", "_fsdp_wrapped_module.",
                                       "_checkpoint_wrapped_module.", "_forward_module."};

/* ---- wrappers ---- */

/* Behind all wrappers at the front; `found` gets a bit for each kind, *count their number. */
static const char *skip_wrappers(const char *name, unsigned *found, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < countof(wrappers); i++) {
        if (!has_prefix(name, wrappers[i])) continue;
        name += strlen(wrappers[i]);
        *found |= 1u << i;
        ++*count;
        i = (size_t)-1;          /* from the first again */
    }
    return name;
}

/* Several wrappers, or one that stands before some names twice: `strip{…, again=true}`. */
static void propose_stack(Proposer *proposer)
{
    unsigned kinds = 0;
    size_t hits = 0, deepest = 0;
    for (size_t i = 0; i < proposer->spare.count; i++) {
        unsigned found = 0;
        size_t count;
        const char *rest = skip_wrappers(proposer->spare.names[i], &found, &count);
        if (!count || !loose_has(&proposer->missing, rest)) continue;
        kinds |= found;
        hits++;
        if (count > deepest) deepest = count;
    }
    if (!hits) return;
    Text line = {0}, names = {0};
    for (size_t i = 0; i < countof(wrappers); i++)
        if (kinds >> i & 1)
            text_addf(&names, "%s\"%s\"", names.length ? ", " : "", wrappers[i]);
    bool several = deepest > 1 || (kinds & (kinds - 1));
    text_addf(&line, several ? "strip{%s, again=true}" : "strip %s", text_string(&names));
    propose(proposer, PROPOSE_PREFIX, COST_NONE, text_string(&line),
            "The model was wrapped when it was saved (DataParallel, torch.compile, FSDP …): so %zu "
            "name%s a prefix.", hits, hits == 1 ? " has" : "s have");
    text_done(&line);
    text_done(&names);
}

/* ---- exchanges ---- */

/* `from` of the spare key for `to` of the target; both end in a dot, or are empty. */
typedef struct Exchange {
    const char *from, *to;
    size_t count;
} Exchange;

typedef struct Exchanges {
    Proposer *proposer;
    NameMap suffixes;            /* of missing names → index, or AMBIGUOUS */
    NameMap names;               /* "from\1to" → index of items */
    Exchange *items;             /* owned */
    size_t count, room;
} Exchanges;

/* Where the name goes on behind its first k segments; NULL when it has no more. */
static const char *skip_segments(const char *name, unsigned k)
{
    for (; k; k--) {
        name = strchr(name, '.');
        if (!name || !*++name) return NULL;
    }
    return name;
}

static void list_suffixes(Exchanges *exchanges)
{
    const Loose *missing = &exchanges->proposer->missing;
    for (size_t i = 0; i < missing->count; i++) {
        for (unsigned k = 0; k <= SEGMENTS_MAX; k++) {
            const char *suffix = skip_segments(missing->names[i], k);
            if (!suffix) break;
            if (map_set(&exchanges->suffixes, suffix, (uint32_t)i) != MAP_NONE)
                map_set(&exchanges->suffixes, suffix, AMBIGUOUS);
        }
    }
}

static void count_exchange(Exchanges *exchanges, const char *from, size_t from_length,
                           const char *to, size_t to_length)
{
    Arena *arena = exchanges->proposer->arena;
    const char *key = arena_printf(arena, "%.*s\1%.*s", (int)from_length, from, (int)to_length, to);
    uint32_t index = map_get(&exchanges->names, key);
    if (index == MAP_NONE) {
        index = (uint32_t)exchanges->count;
        exchanges->items = mem_grow(exchanges->items, &exchanges->room, exchanges->count + 1,
                                    sizeof(Exchange));
        exchanges->items[exchanges->count++] =
            (Exchange){.from = arena_strndup(arena, from, from_length),
                       .to = arena_strndup(arena, to, to_length)};
        map_set(&exchanges->names, key, index);
    }
    exchanges->items[index].count++;
}

/* Every spare key votes for the exchange that leaves its longest end in place. A lone last
 * segment ("weight") is no end to speak of. */
static void vote(Exchanges *exchanges, const char *name)
{
    const Loose *missing = &exchanges->proposer->missing;
    for (unsigned k = 0; k <= SEGMENTS_MAX; k++) {
        const char *suffix = skip_segments(name, k);
        if (!suffix) return;
        uint32_t index = map_get(&exchanges->suffixes, suffix);
        if (index == MAP_NONE || index == AMBIGUOUS) continue;
        const char *target = missing->names[index];
        size_t to = strlen(target) - strlen(suffix);
        if (k && to && !strchr(suffix, '.')) return;
        count_exchange(exchanges, name, (size_t)(suffix - name), target, to);
        size_t head = strcspn(name, ".") + 1;        /* of what only lacks a prefix, its module */
        if (!k && name[head - 1]) count_exchange(exchanges, name, head, target, to + head);
        return;
    }
}

static int by_count(const void *a, const void *b)
{
    const Exchange *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->from, y->from);
}

static int by_length(const void *a, const void *b)
{
    const Exchange *x = a, *y = b;
    size_t n = strlen(x->from), m = strlen(y->from);
    return n != m ? (n < m ? 1 : -1) : strcmp(x->from, y->from);
}

/* Adds `from** -> to**` to rule text. */
static void add_exchange(const Proposer *proposer, const Exchange *exchange, Text *out)
{
    Proposer *self = (Proposer *)proposer;
    text_addf(out, "%s%s** -> %s**", out->length ? " ; " : "",
              propose_quoted(self, exchange->from, strlen(exchange->from)),
              propose_quoted(self, exchange->to, strlen(exchange->to)));
}

/* The beginnings, one segment longer than `from`, of names that have their place already: rules for
 * them come first and leave them alone. False when they are too many, or one of them also begins
 * names that shall move. */
static bool list_guards(const Exchanges *exchanges, const Exchange *exchange, Text *out)
{
    const Alignment *alignment = exchanges->proposer->alignment;
    const Draft *draft = alignment->draft;
    size_t n = strlen(exchange->from), count = 0;
    NameMap kept;
    map_init(&kept);
    bool fine = true;
    for (size_t pass = 0; pass < 2 && fine; pass++) {
        for (size_t i = 0; fine && i < draft_count(draft); i++) {
            const char *name = draft_at(draft, i)->name;
            if (strncmp(name, exchange->from, n) != 0) continue;
            const Binding *binding = match_target(alignment, i);
            bool loaded = binding && binding->status == BIND_LOADED;
            size_t end = n + strcspn(name + n, ".");
            const char *head = arena_printf(exchanges->proposer->arena, "%.*s%s", (int)end, name,
                                            name[end] ? "." : "");
            bool known = map_get(&kept, head) != MAP_NONE;
            if (pass && known && !loaded) fine = false;
            if (pass || !loaded || known) continue;
            map_set(&kept, head, 1);
            fine = ++count <= GUARDS_MAX;
            const char *quoted = propose_quoted(exchanges->proposer, head, strlen(head));
            const char *stars = name[end] ? "**" : "";
            text_addf(out, "%s%s%s -> %s%s", out->length ? " ; " : "", quoted, stars, quoted,
                      stars);
        }
    }
    map_done(&kept);
    return fine;
}

/* Whether keys of the source stand outside a beginning. */
static bool has_others(const Proposer *proposer, const char *prefix)
{
    const Draft *draft = proposer->alignment->draft;
    for (size_t i = 0; i < draft_count(draft); i++)
        if (!has_prefix(draft_at(draft, i)->name, prefix)) return true;
    return false;
}

bool propose_is_head_swap(Proposer *proposer, const char *from, const char *to)
{
    HeadSwap swap = {.from = from, .to = to};
    const Loose *spare = &proposer->spare, *missing = &proposer->missing;
    Text name = {0};
    for (size_t i = 0; i < spare->count; i++) {
        if (!has_prefix(spare->names[i], from)) continue;
        text_clear(&name);
        text_addf(&name, "%s%s", to, spare->names[i] + strlen(from));
        swap.moved += loose_has(missing, text_string(&name));
        swap.below_from++;
    }
    for (size_t i = 0; i < missing->count; i++)
        swap.below_to += has_prefix(missing->names[i], to);
    text_done(&name);
    return suggest_is_head_swap(&swap);
}

static void propose_exchange(Exchanges *exchanges, const Exchange *exchange)
{
    Proposer *proposer = exchanges->proposer;
    if (propose_is_head_swap(proposer, exchange->from, exchange->to)) return;
    if (family_is_shifted(exchange->from, exchange->to)) {
        propose(proposer, PROPOSE_ADVICE, COST_WAIVED, NULL,
                "%s is left over in the checkpoint and %s is missing: the two sides seem to count "
                "from different numbers. Then what has loaded is in the wrong place as well: "
                "compare all numbers of both sides.", exchange->from, exchange->to);
        return;
    }
    const char *from = propose_lua(proposer, exchange->from, strlen(exchange->from));
    const char *to = propose_lua(proposer, exchange->to, strlen(exchange->to));
    if (!*exchange->to) {
        propose(proposer, PROPOSE_PREFIX, COST_NONE,
                arena_printf(proposer->arena, "strip %s", from),
                "%zu name%s the target's behind %s.", exchange->count,
                exchange->count == 1 ? " is" : "s are", from);
        if (has_others(proposer, exchange->from))
            propose(proposer, PROPOSE_PREFIX, COST_NONE,
                    arena_printf(proposer->arena, "keep %s", from),
                    "Below %s stands the whole target; everything else is dropped.", from);
        return;
    }
    Text rule = {0};
    if (!*exchange->from)
        propose(proposer, PROPOSE_PREFIX, COST_NONE,
                arena_printf(proposer->arena, "prefix %s", to),
                "The target has %zu of the names behind %s.", exchange->count, to);
    if (list_guards(exchanges, exchange, &rule)) {
        add_exchange(proposer, exchange, &rule);
        propose(proposer, PROPOSE_PREFIX, COST_NONE,
                propose_rules(proposer, "%s", text_string(&rule)),
                "%zu name%s in the beginning only: %s is %s.", exchange->count,
                exchange->count == 1 ? " differs" : "s differ",
                *exchange->from ? from : "nothing", to);
    }
    text_done(&rule);
}

/* All exchanges in one block, where the first rule that fits counts: the longest beginnings first.
 * One by one they would undo each other. */
static void propose_union(Exchanges *exchanges, size_t shown)
{
    if (shown < 2) return;
    Exchange sorted[VOTES_SHOWN];
    Text rule = {0};
    size_t names = 0;
    memcpy(sorted, exchanges->items, shown * sizeof *sorted);
    qsort(sorted, shown, sizeof *sorted, by_length);
    for (size_t i = 0; i < shown; i++) {
        bool again = i && strcmp(sorted[i].from, sorted[i - 1].from) == 0;
        if (again || !*sorted[i].from || family_is_shifted(sorted[i].from, sorted[i].to) ||
            propose_is_head_swap(exchanges->proposer, sorted[i].from, sorted[i].to))
            continue;
        add_exchange(exchanges->proposer, &sorted[i], &rule);
        names += sorted[i].count;
    }
    propose(exchanges->proposer, PROPOSE_PREFIX, COST_NONE,
            propose_rules(exchanges->proposer, "%s", text_string(&rule)),
            "%zu names differ in their beginnings only.", names);
    text_done(&rule);
}

void propose_prefixes(Proposer *proposer)
{
    Exchanges exchanges = {.proposer = proposer};
    propose_stack(proposer);
    map_init(&exchanges.suffixes);
    map_init(&exchanges.names);
    list_suffixes(&exchanges);
    for (size_t i = 0; i < proposer->spare.count; i++) vote(&exchanges, proposer->spare.names[i]);
    if (exchanges.count)
        qsort(exchanges.items, exchanges.count, sizeof *exchanges.items, by_count);
    size_t shown = exchanges.count < VOTES_SHOWN ? exchanges.count : VOTES_SHOWN;
    for (size_t i = 0; i < shown; i++) propose_exchange(&exchanges, &exchanges.items[i]);
    propose_union(&exchanges, shown);
    map_done(&exchanges.suffixes);
    map_done(&exchanges.names);
    free(exchanges.items);
}
