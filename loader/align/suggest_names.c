/* Prefixes: which beginning of the spare keys, taken off or exchanged for another, makes the
 * most of them names of missing targets; and wrapper segments that stand anywhere.
 *
 *   spare module.fc.w, missing fc.w               votes for  module. → nothing   strip "module."
 *   spare encoder.fc.w, missing backbone.fc.w     votes for  encoder. → backbone.
 *
 * Suffixes of missing names lie in a map, so a key votes in a few look-ups: linear in names. They
 * are looked up together, since a large map is nowhere near the processor. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/suggest.h"

enum {
    SEGMENTS_MAX = 4,            /* of a prefix, on either side */
    ROUNDS_MAX = 8,              /* prefix rules for one alignment */
    VOTES_MIN = 2                /* tensors that a prefix rule must load */
};

static const uint32_t AMBIGUOUS = MAP_NONE - 1;

/* Suffixes of missing targets that begin at one of their first segments. */
typedef struct Suffixes {
    NameMap map;                 /* suffix → index of the following */
    const char **names;          /* [count] owned */
    uint32_t *owners;            /* [count] owned: index of missing[], or AMBIGUOUS */
    size_t count;
} Suffixes;

/* One exchange of prefixes: `from` of the spare key, `to` of the target; both end in '.', or
 * are empty. */
typedef struct Vote {
    const char *from, *to;
    size_t from_length, to_length;
    size_t count;
    bool tried;
} Vote;

typedef struct Ballot {
    Suggester *suggester;
    Suffixes suffixes;
    NameMap names;               /* "from\1to" → index of votes */
    Vote *votes;
    size_t count, room;
    Text text;                   /* scratch */
} Ballot;

/* Where the name goes on behind its first k segments; NULL when it has no more. */
static const char *skip_segments(const char *name, unsigned k)
{
    for (; k; k--) {
        name = strchr(name, '.');
        if (!name || !*++name) return NULL;
    }
    return name;
}

/* Every suffix of every missing target that is not taken. */
static void list_suffixes(const Suggester *suggester, Suffixes *suffixes)
{
    const size_t room = suggester->missing_count * (SEGMENTS_MAX + 1) + 1;
    const bool any_taken = suggester->missing_names.count < suggester->missing_count;
    suffixes->names = mem_alloc(room * sizeof *suffixes->names);
    suffixes->owners = mem_alloc(room * sizeof *suffixes->owners);
    for (size_t i = 0; i < suggester->missing_count; i++) {
        const char *name = suggester->missing[i]->name;
        const bool taken = any_taken && map_get(&suggester->missing_names, name) == MAP_NONE;
        for (unsigned k = 0; !taken && k <= SEGMENTS_MAX; k++) {
            const char *suffix = skip_segments(name, k);
            if (!suffix) break;
            suffixes->names[suffixes->count] = suffix;
            suffixes->owners[suffixes->count++] = (uint32_t)i;
        }
    }
}

/* A suffix that two targets share decides for neither. */
static void index_suffixes(Suffixes *suffixes)
{
    bool *added = mem_alloc(suffixes->count + 1);
    map_add_many(&suffixes->map, suffixes->names, suffixes->count, 0, added);
    for (size_t i = 0; i < suffixes->count; i++)
        if (!added[i]) suffixes->owners[map_get(&suffixes->map, suffixes->names[i])] = AMBIGUOUS;
    free(added);
}

static void suffixes_done(Suffixes *suffixes)
{
    map_done(&suffixes->map);
    free(suffixes->names);
    free(suffixes->owners);
}

/* Counts one spare key for the exchange of `from` by `to`. */
static void cast_vote(Ballot *ballot, const char *from, size_t from_length, const char *to,
                      size_t to_length)
{
    text_clear(&ballot->text);
    text_addn(&ballot->text, from, from_length);
    text_addc(&ballot->text, FAMILY_MARK);
    text_addn(&ballot->text, to, to_length);
    uint32_t index = map_get(&ballot->names, text_string(&ballot->text));
    if (index == MAP_NONE) {
        Arena *arena = ballot->suggester->arena;
        index = (uint32_t)ballot->count;
        ballot->votes = mem_grow(ballot->votes, &ballot->room, ballot->count + 1, sizeof(Vote));
        ballot->votes[ballot->count++] = (Vote){.from = arena_strndup(arena, from, from_length),
                                                .to = arena_strndup(arena, to, to_length),
                                                .from_length = from_length,
                                                .to_length = to_length};
        map_set(&ballot->names, arena_strdup(arena, text_string(&ballot->text)), index);
    }
    ballot->votes[index].count++;
}

/* Every spare key votes once: for the exchange that leaves its longest suffix in place. False: it
 * has none that begins at this segment. */
static bool vote(Ballot *ballot, const SpareKey *spare, const char *suffix, uint32_t place)
{
    const uint32_t owner = place == MAP_NONE ? AMBIGUOUS : ballot->suffixes.owners[place];
    if (owner == AMBIGUOUS) return false;
    const Binding *binding = ballot->suggester->missing[owner];
    if (!suggest_fits(spare->key, binding)) return false;
    const char *name = spare->key->name;
    cast_vote(ballot, name, (size_t)(suffix - name), binding->name,
              strlen(binding->name) - strlen(suffix));
    return true;
}

enum { TOGETHER = 16 };          /* keys whose suffixes are looked up at once */

static void vote_together(Ballot *ballot, const SpareKey *spares, size_t n)
{
    const char *suffixes[TOGETHER * (SEGMENTS_MAX + 1)];
    uint32_t places[countof(suffixes)];
    size_t ends[TOGETHER], count = 0;
    for (size_t i = 0; i < n; i++) {
        for (unsigned k = 0; k <= SEGMENTS_MAX && !spares[i].partner; k++) {
            suffixes[count] = skip_segments(spares[i].key->name, k);
            if (!suffixes[count]) break;
            count++;
        }
        ends[i] = count;
    }
    map_get_many(&ballot->suffixes.map, suffixes, count, places);
    for (size_t i = 0, at = 0; i < n; at = ends[i++])
        while (at < ends[i] && !vote(ballot, &spares[i], suffixes[at], places[at])) at++;
}

/* The exchange that most keys ask for and that was not tried; NULL when few ask for any. */
static Vote *best_vote(const Ballot *ballot)
{
    Vote *best = NULL;
    for (size_t i = 0; i < ballot->count; i++) {
        Vote *candidate = &ballot->votes[i];
        if (candidate->tried || candidate->count < VOTES_MIN) continue;
        if (!best || candidate->count > best->count) best = candidate;
    }
    return best;
}

/* Whether some key that is well where it is would be renamed as well. Such an exchange still
 * says what is nearest, but is no rule to suggest. */
static bool breaks_others(const Suggester *suggester, const Vote *vote)
{
    const Draft *draft = suggester->alignment->draft;
    for (size_t i = 0; i < draft_count(draft); i++) {
        const DraftKey *key = draft_at(draft, i);
        if (strncmp(key->name, vote->from, vote->from_length) != 0) continue;
        const Binding *binding = match_target(suggester->alignment, i);
        if (binding && binding->status == BIND_LOADED) return true;
    }
    return false;
}

/* strip, prefix, or a rule that exchanges one for the other. */
static const char *vote_rule(const Suggester *suggester, const Vote *vote)
{
    Text text = {0};
    const char *rule;
    if (!vote->to_length || !vote->from_length) {
        text_add(&text, vote->to_length ? "prefix " : "strip ");
        lua_quote(vote->to_length ? vote->to : vote->from,
                  vote->to_length ? vote->to_length : vote->from_length, &text);
        rule = arena_strdup(suggester->arena, text_string(&text));
    } else {
        rule_quote(vote->from, vote->from_length, &text);
        text_add(&text, "** -> ");
        rule_quote(vote->to, vote->to_length, &text);
        text_add(&text, "**");
        rule = suggest_line(suggester->arena, text_string(&text));
    }
    text_done(&text);
    return rule;
}

/* The last segment of a beginning, "a.lm_head.", has a head's name. */
static bool is_head(const char *beginning)
{
    static const char *const words[] = {"head", "classif", "fc", "cls", "logit", "score", "pred",
                                        "qa_"};
    size_t end = strlen(beginning), start = end ? end - 1 : 0;
    while (start && beginning[start - 1] != '.') start--;
    for (size_t i = 0; i < countof(words); i++)
        if (strcasestr(beginning + start, words[i])) return true;
    return false;
}

bool suggest_is_head_swap(const HeadSwap *swap)
{
    enum { LAYER = 4 };          /* tensors that two heads may have of one name by chance */
    return swap->moved <= LAYER && swap->below_from > swap->moved &&
           swap->below_to > swap->moved && is_head(swap->from) && is_head(swap->to);
}

/* Whether the vote is for such an exchange. */
static bool is_head_swap(const Suggester *suggester, const Vote *vote)
{
    HeadSwap swap = {vote->from, vote->to, vote->count, 0, 0};
    for (size_t i = 0; i < suggester->spare_count; i++)
        swap.below_from += has_prefix(suggester->spares[i].key->name, vote->from);
    for (size_t i = 0; i < suggester->missing_count; i++)
        swap.below_to += has_prefix(suggester->missing[i]->name, vote->to);
    return suggest_is_head_swap(&swap);
}

/* Pairs every spare key that the exchange makes the name of a missing target. A target is taken
 * by the first key that gets its name. */
static void apply_vote(Ballot *ballot, const Vote *vote)
{
    Suggester *suggester = ballot->suggester;
    bool wrong = family_is_shifted(vote->from, vote->to) || breaks_others(suggester, vote) ||
                 is_head_swap(suggester, vote);
    const char *rule = wrong ? NULL : vote_rule(suggester, vote);
    for (size_t i = 0; i < suggester->spare_count; i++) {
        SpareKey *spare = &suggester->spares[i];
        if (spare->partner || strncmp(spare->key->name, vote->from, vote->from_length) != 0)
            continue;
        text_clear(&ballot->text);
        text_addn(&ballot->text, vote->to, vote->to_length);
        text_add(&ballot->text, spare->key->name + vote->from_length);
        uint32_t index = map_get(&suggester->missing_names, text_string(&ballot->text));
        if (index == MAP_NONE || !suggest_fits(spare->key, suggester->missing[index])) continue;
        map_remove(&suggester->missing_names, text_string(&ballot->text));
        suggest_pair(suggester, spare, suggester->missing[index], rule);
    }
}

/* ---- wrapper segments ---- */

static const char *const wrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module",
                                       "_checkpoint_wrapped_module", "_forward_module"};

/* The name without wrapper segments; `found` gets a bit for each kind that was there. */
static void unwrap_name(const char *name, Text *out, unsigned *found)
{
    text_clear(out);
    while (*name) {
        size_t n = strcspn(name, "."), kind = 0;
        while (kind < countof(wrappers) &&
               !(strlen(wrappers[kind]) == n && memcmp(wrappers[kind], name, n) == 0))
            kind++;
        bool wrapper = kind < countof(wrappers) && name[n] == '.';
        if (wrapper)
            *found |= 1u << kind;
        else
            text_addn(out, name, n + (name[n] == '.'));
        name += n + (name[n] == '.');
    }
}

/* The missing target a spare key is without its wrappers; MAP_NONE when it is none. */
static uint32_t find_unwrapped(const Suggester *suggester, const SpareKey *spare, Text *name,
                               unsigned *found)
{
    *found = 0;
    unwrap_name(spare->key->name, name, found);
    uint32_t index = *found ? map_get(&suggester->missing_names, text_string(name)) : MAP_NONE;
    if (index == MAP_NONE || !suggest_fits(spare->key, suggester->missing[index])) return MAP_NONE;
    return index;
}

/* `seg("module", "_orig_mod")` for the kinds that were found. */
static const char *wrapper_rule(Arena *arena, unsigned kinds)
{
    Text rule = {0};
    for (size_t kind = 0; kind < countof(wrappers); kind++)
        if (kinds >> kind & 1)
            text_addf(&rule, "%s\"%s\"", rule.length ? ", " : "seg(", wrappers[kind]);
    text_addc(&rule, ')');
    return text_keep(&rule, arena);
}

/* Wrappers inside a name (not only before it) are taken off by seg(…) in one statement. */
static void suggest_wrappers(Suggester *suggester)
{
    Text name = {0};
    unsigned kinds = 0, found;
    size_t inside = 0;
    for (size_t i = 0; i < suggester->spare_count; i++) {
        const SpareKey *spare = &suggester->spares[i];
        if (find_unwrapped(suggester, spare, &name, &found) == MAP_NONE) continue;
        kinds |= found;
        inside += !has_suffix(spare->key->name, text_string(&name));
    }
    const char *rule = inside ? wrapper_rule(suggester->arena, kinds) : NULL;
    for (size_t i = 0; inside && i < suggester->spare_count; i++) {
        uint32_t index = find_unwrapped(suggester, &suggester->spares[i], &name, &found);
        if (index == MAP_NONE) continue;
        map_remove(&suggester->missing_names, text_string(&name));
        suggest_pair(suggester, &suggester->spares[i], suggester->missing[index], rule);
    }
    text_done(&name);
}

/* Every round pairs what the best exchange pairs; the next one sees the rest. */
void suggest_prefixes(Suggester *suggester)
{
    Ballot ballot = {.suggester = suggester};
    suggest_wrappers(suggester);
    list_suffixes(suggester, &ballot.suffixes);
    index_suffixes(&ballot.suffixes);
    for (size_t i = 0, left = suggester->spare_count; left; i += TOGETHER) {
        const size_t n = left < TOGETHER ? left : TOGETHER;
        vote_together(&ballot, suggester->spares + i, n);
        left -= n;
    }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        Vote *best = best_vote(&ballot);
        if (!best) break;
        best->tried = true;
        apply_vote(&ballot, best);
    }
    suffixes_done(&ballot.suffixes);
    map_done(&ballot.names);
    text_done(&ballot.text);
    free(ballot.votes);
}
