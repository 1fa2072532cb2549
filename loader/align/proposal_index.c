/* Numbers that differ by arithmetic: layers counted from one, blocks cut into chunks, stages
 * numbered from the other end.
 *
 *   blocks.2.norm.w, blocks.1.2.norm.w      rules [[ blocks.{i}.** -> blocks.{i//2}.{i}.** ]]
 *   layers.1.w … 12, layers.0.w … 11        rules [[ layers.{i}.** -> layers.{i-1}.** ]] */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/proposal_parts.h"

enum {
    CLANS_MAX = 2000,            /* of a side that are looked at */
    MEMBERS_MAX = 4096,          /* of a family that are compared */
    MEMBERS_MIN = 2,             /* one pair proves no arithmetic */
    DIVISOR_MAX = 64,
    TAILS_MAX = 16,              /* dots from which two names may be the same */
    SHOWN_MAX = 6
};

typedef struct Numbers {
    int64_t at[FAMILY_NUMBERS_MAX];
    size_t count;
} Numbers;

/* One family of each side whose words are the same. */
typedef struct Twins {
    Proposer *proposer;
    const Clan *spare, *missing;
    Numbers *from, *to;          /* owned, [count], each in ascending order */
    size_t count;
} Twins;

/* ---- words ---- */

/* The family without its numbers: "blocks.norm.weight" for blocks.#.#.norm.weight. */
static void drop_numbers(const char *family, Text *out)
{
    text_clear(out);
    for (const char *p = family; *p; p++) {
        bool number = *p == FAMILY_MARK;
        bool double_dot = *p == '.' && (!out->length || out->bytes[out->length - 1] == '.');
        if (!number && !double_dot) text_addc(out, *p);
    }
}

static int by_numbers(const void *a, const void *b)
{
    const Numbers *x = a, *y = b;
    for (size_t i = 0; i < x->count && i < y->count; i++)
        if (x->at[i] != y->at[i]) return x->at[i] < y->at[i] ? -1 : 1;
    return 0;
}

static Numbers *list_numbers(const Loose *loose, const Clan *clan)
{
    FamilyName name = {0};
    Numbers *numbers = mem_alloc((clan->count + 1) * sizeof *numbers);
    for (size_t i = 0; i < clan->count; i++) {
        family_split(loose->names[clan->members[i]], &name);
        memcpy(numbers[i].at, name.numbers, sizeof numbers[i].at);
        numbers[i].count = name.count;
    }
    family_done(&name);
    qsort(numbers, clan->count, sizeof *numbers, by_numbers);
    return numbers;
}

/* ---- arithmetic ---- */

static bool fits(const Twins *twins, size_t target, size_t source, int64_t divide, int64_t modulo,
                 int64_t add, int64_t sign)
{
    for (size_t i = 0; i < twins->count; i++) {
        int64_t x = twins->from[i].at[source];
        x = divide > 1 ? x / divide : modulo > 1 ? x % modulo : x;
        if (sign * x + add != twins->to[i].at[target]) return false;
    }
    return true;
}

static bool is_constant(const Twins *twins, size_t target)
{
    for (size_t i = 1; i < twins->count; i++)
        if (twins->to[i].at[target] != twins->to[0].at[target]) return false;
    return true;
}

/* One number of the target as an expression of one of the source's: itself, shifted, divided, the
 * rest of a division, counted down; or a constant. `names` are the captures, the first `sources` of
 * which there are. False: none fits. */
static bool solve(const Twins *twins, size_t target, size_t sources, const char *names, Text *out)
{
    for (size_t s = 0; s < sources; s++)
        if (fits(twins, target, s, 1, 1, 0, 1)) {
            text_addf(out, "{%c}", names[s]);
            return true;
        }
    if (is_constant(twins, target)) {
        text_addf(out, "%lld", (long long)twins->to[0].at[target]);
        return true;
    }
    for (size_t s = 0; s < sources; s++) {
        int64_t shift = twins->to[0].at[target] - twins->from[0].at[s];
        if (fits(twins, target, s, 1, 1, shift, 1)) {
            text_addf(out, "{%c%+lld}", names[s], (long long)shift);
            return true;
        }
        for (int64_t d = 2; d <= DIVISOR_MAX; d++) {
            bool divided = fits(twins, target, s, d, 1, 0, 1);
            if (!divided && !fits(twins, target, s, 1, d, 0, 1)) continue;
            text_addf(out, divided ? "{%c//%lld}" : "{%c%%%lld}", names[s], (long long)d);
            return true;
        }
        int64_t sum = twins->to[0].at[target] + twins->from[0].at[s];
        if (!fits(twins, target, s, 1, 1, sum, -1)) continue;
        text_addf(out, "{%lld-%c}", (long long)sum, names[s]);
        return true;
    }
    return false;
}

/* ---- the rule ---- */

/* Whether the last k numbers of both are the same, in every pair. */
static bool same_last(const Twins *twins, size_t k)
{
    for (size_t i = 0; i < twins->count; i++) {
        const Numbers *from = &twins->from[i], *to = &twins->to[i];
        if (from->count < k || to->count < k ||
            memcmp(&from->at[from->count - k], &to->at[to->count - k], k * sizeof *to->at) != 0)
            return false;
    }
    return true;
}

/* Bytes at the end that both families have in common, from a dot on; with numbers where these are
 * the same on both sides. `**` carries them over. Fills tails, the shortest first; how many. */
static size_t list_tails(const Twins *twins, size_t tails[TAILS_MAX])
{
    const char *a = twins->spare->family, *b = twins->missing->family;
    size_t n = strlen(a), m = strlen(b), common = 0, count = 0, marks = 0;
    tails[count++] = 0;
    while (common < n && common < m && a[n - 1 - common] == b[m - 1 - common]) {
        common++;
        marks += a[n - common] == FAMILY_MARK;
        if (a[n - common] != '.') continue;
        if (!same_last(twins, marks) || count == TAILS_MAX) break;
        tails[count++] = common;
    }
    return count;
}

static size_t count_marks(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += text[i] == FAMILY_MARK;
    return count;
}

/* Whether some of the source's first numbers takes several values: one value proves nothing. */
static bool varies(const Twins *twins, size_t sources)
{
    for (size_t i = 1; i < twins->count; i++)
        if (memcmp(twins->from[i].at, twins->from[0].at, sources * sizeof twins->from[0].at[0]))
            return true;
    return false;
}

/* Whether a number that is always the same is so on the other side: 3 that is always 0 there may be
 * 3 - i, i - 3, i // 4 … */
static bool keeps_constants(const Twins *twins, size_t sources)
{
    for (size_t s = 0; s < sources; s++) {
        const int64_t value = twins->from[0].at[s];
        bool constant = true, kept = false;
        for (size_t i = 1; i < twins->count; i++)
            constant = constant && twins->from[i].at[s] == value;
        for (size_t t = 0; constant && t < twins->to[0].count; t++)
            kept = kept || (is_constant(twins, t) && twins->to[0].at[t] == value);
        if (constant && !kept) return false;
    }
    return true;
}

/* `blocks.{i}.** -> blocks.{i//2}.{i}.**`; false when some number cannot be had of those before the
 * tail. */
static bool make_rule(const Twins *twins, size_t tail, Text *out)
{
    static const char names[] = "ijkluvwz";
    const char *from = twins->spare->family, *to = twins->missing->family;
    size_t n = strlen(from) - tail, m = strlen(to) - tail;
    const char *end = tail ? ".**" : "";
    size_t used = 0, sources = count_marks(from, n);
    if (!varies(twins, sources) || !keeps_constants(twins, sources)) return false;
    for (const char *p = from; p < from + n; p++) {
        size_t plain = strcspn(p, "\x01");
        if (plain > (size_t)(from + n - p)) plain = (size_t)(from + n - p);
        if (plain) rule_quote(p, plain, out);
        p += plain;
        if (p < from + n) text_addf(out, "{%c}", names[used++]);
    }
    text_addf(out, "%s -> ", end);
    used = 0;
    for (const char *p = to; p < to + m; p++) {
        size_t plain = strcspn(p, "\x01");
        if (plain > (size_t)(to + m - p)) plain = (size_t)(to + m - p);
        if (plain) rule_quote(p, plain, out);
        p += plain;
        if (p < to + m && !solve(twins, used++, sources, names, out)) return false;
    }
    text_add(out, end);
    return true;
}

/* ---- shifted within names that fit ---- */

/* A family of which the target has as many members as the source, numbered otherwise: what fits by
 * name then fits wrongly. All keys and all targets of the family count, not only the loose ones. */
static Numbers *list_all(const Proposer *proposer, const char *family, bool source, size_t *count)
{
    const Alignment *alignment = proposer->alignment;
    size_t n = source ? draft_count(alignment->draft) : alignment->count;
    Numbers *numbers = NULL;
    size_t room = 0;
    FamilyName name = {0};
    *count = 0;
    for (size_t i = 0; i < n && *count < MEMBERS_MAX; i++) {
        family_split(source ? draft_at(alignment->draft, i)->name : alignment->bindings[i].name,
                     &name);
        if (strcmp(text_string(&name.text), family) != 0) continue;
        numbers = mem_grow(numbers, &room, *count + 1, sizeof *numbers);
        memcpy(numbers[*count].at, name.numbers, sizeof numbers[*count].at);
        numbers[(*count)++].count = name.count;
    }
    family_done(&name);
    if (*count) qsort(numbers, *count, sizeof *numbers, by_numbers);
    return numbers;
}

static void propose_twins(Twins *twins)
{
    Proposer *proposer = twins->proposer;
    Text rule = {0};
    size_t tails[TAILS_MAX], left = list_tails(twins, tails);
    bool made = false;
    while (!made && left--) {
        text_clear(&rule);
        made = make_rule(twins, tails[left], &rule);
    }
    if (made)
        propose(proposer, PROPOSE_INDEX, COST_NONE,
                propose_rules(proposer, "%s", text_string(&rule)),
                "The numbers of the two sides differ by arithmetic: %zu pairs like that of %s "
                "agree.", twins->count, twins->missing->first);
    text_done(&rule);
}

/* The same family on both sides: only the whole of it tells. */
static void propose_shifted(Proposer *proposer, const Clan *spare, const Clan *missing)
{
    size_t targets;
    Twins twins = {.proposer = proposer, .spare = spare, .missing = missing};
    twins.from = list_all(proposer, spare->family, true, &twins.count);
    twins.to = list_all(proposer, spare->family, false, &targets);
    if (twins.count == targets && twins.count >= MEMBERS_MIN) propose_twins(&twins);
    free(twins.from);
    free(twins.to);
}

static void propose_pair(Proposer *proposer, const Clan *spare, const Clan *missing)
{
    if (strcmp(spare->family, missing->family) == 0) {
        propose_shifted(proposer, spare, missing);
        return;
    }
    if (spare->count != missing->count || spare->count < MEMBERS_MIN ||
        spare->count > MEMBERS_MAX)
        return;
    Twins twins = {proposer, spare, missing, list_numbers(&proposer->spare, spare),
                   list_numbers(&proposer->missing, missing), spare->count};
    propose_twins(&twins);
    free(twins.from);
    free(twins.to);
}

/* Families whose words are equal, the first few of them. */
void propose_indexes(Proposer *proposer)
{
    NameMap words;
    Text text = {0};
    size_t tried = 0;
    map_init(&words);
    for (uint32_t c = 0; c < proposer->missing.clan_count && c < CLANS_MAX; c++) {
        if (!strchr(proposer->missing.clans[c].family, FAMILY_MARK)) continue;
        drop_numbers(proposer->missing.clans[c].family, &text);
        map_set(&words, arena_strdup(proposer->arena, text_string(&text)), c);
    }
    size_t before = proposer->list->count;
    for (size_t c = 0; c < proposer->spare.clan_count && c < CLANS_MAX; c++) {
        if (proposer->list->count - before >= SHOWN_MAX || tried >= 4 * SHOWN_MAX) break;
        drop_numbers(proposer->spare.clans[c].family, &text);
        uint32_t index = map_get(&words, text_string(&text));
        if (index == MAP_NONE || !strchr(proposer->spare.clans[c].family, FAMILY_MARK)) continue;
        propose_pair(proposer, &proposer->spare.clans[c], &proposer->missing.clans[index]);
        tried++;
    }
    map_done(&words);
    text_done(&text);
}
