/* `rules` blocks: every key goes to the first rule that fits, once. Rules see the names as they
 * are before the block; what one rule makes is no input for the next. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_rules.h"

/* One left-hand pattern; its number in the list is its place in the block. */
typedef struct Entry {
    uint32_t rule, source;       /* indexes into the block, and into the rule's sources */
    const Pattern *pattern;
    uint32_t next;               /* literal patterns of the same text: 1 + the next entry */
} Entry;

/* Finds the patterns that a key may fit: literal ones by name, the others by first byte. */
typedef struct RuleIndex {
    Entry *entries;              /* owned */
    size_t count;
    NameMap literals;            /* text → first entry */
    uint32_t *by_byte[256];      /* owned: entries, ascending; made when first asked for */
    size_t byte_counts[256];     /* lengths of by_byte */
} RuleIndex;

/* Entries are numbered rule by rule, pattern by pattern: the order in which keys try them. */
static void index_build(RuleIndex *index, const RuleBlock *block)
{
    size_t total = 0;
    for (size_t i = 0; i < block->count; i++) total += block->rules[i].source_count;
    *index = (RuleIndex){.entries = mem_alloc(total * sizeof *index->entries)};
    for (size_t i = 0; i < block->count; i++)
        for (size_t j = 0; j < block->rules[i].source_count; j++)
            index->entries[index->count++] =
                (Entry){(uint32_t)i, (uint32_t)j, block->rules[i].sources[j].pattern, 0};
    /* Backwards, so that each chain ascends. */
    for (size_t i = index->count; i--;) {
        const char *literal = pattern_literal(index->entries[i].pattern);
        if (!literal) continue;
        uint32_t later = map_set(&index->literals, literal, (uint32_t)i);
        index->entries[i].next = later == MAP_NONE ? 0 : later + 1;
    }
}

static void index_done(RuleIndex *index)
{
    for (size_t i = 0; i < countof(index->by_byte); i++) free(index->by_byte[i]);
    map_done(&index->literals);
    free(index->entries);
}

/* The patterns with wildcards whose head may begin with that byte (of any key, when they have
 * no head). Most blocks begin with few different bytes; a list is made for those that keys
 * begin with. */
static const uint32_t *entries_for(RuleIndex *index, unsigned char byte, size_t *count)
{
    if (!index->by_byte[byte]) {
        uint32_t *list = mem_alloc(index->count * sizeof *list);
        size_t n = 0;
        for (size_t i = 0; i < index->count; i++) {
            const Pattern *pattern = index->entries[i].pattern;
            unsigned char first = (unsigned char)*pattern_head(pattern);
            if (!pattern_literal(pattern) && (!first || first == byte)) list[n++] = (uint32_t)i;
        }
        index->by_byte[byte] = list;
        index->byte_counts[byte] = n;
    }
    *count = index->byte_counts[byte];
    return index->by_byte[byte];
}

/* ---- one key ---- */

/* A rule whose sources are keys of their own: applied where it stands. Names are made first: an
 * op may ask for the targets' shapes. */
static bool apply_single(RuleRun *run, size_t index, uint32_t place, Captures *captures, Error *err)
{
    const Rule *rule = &run->block->rules[index];
    const DraftKey *key = &run->draft->keys[place];
    const size_t one = 1;
    const char **names = NULL;
    if (!rule->counter) {
        names = expand_names(run, rule, captures, err);
        if (!names) return blame_rule(rule, err);
    }
    const Application application = {.rule = index, .captures = captures, .names = names,
                                     .keys = &key, .key_count = 1, .list_counts = &one,
                                     .list_count = 1, .place = place};
    return apply_rule(run, &application, err);
}

/* The rule gets the key; unless it is only looked at, nobody else does. */
static bool take_key(RuleRun *run, const Entry *entry, uint32_t place, Captures *captures,
                     Error *err)
{
    const Rule *rule = &run->block->rules[entry->rule];
    run->hits[entry->rule]++;
    if (!rule->sources[entry->source].keep) run->taken[place] = entry->rule + 1;
    if (!rule->target_count) return true;
    if (!run->gathers[entry->rule]) return apply_single(run, entry->rule, place, captures, err);
    return gather_add(run, run->gathers[entry->rule], entry->source, place, captures, err);
}

/* A pattern whose names repeat, and a key made for it. Always false. */
static bool refuse_search(RuleRun *run, const Entry *entry, const char *name, Error *err)
{
    error_set(err, ERR_LIMIT, "matching '%s' takes too long: a name that repeats, with too many "
              "ways between", show_name(run->draft, name));
    return blame_rule(&run->block->rules[entry->rule], err);
}

/* Offers a key to the rules in their order, until one consumes it. Entries by name and entries
 * by first byte are two ascending lists, merged here: rules are tried in the order of the text,
 * but only those that may fit. */
static bool offer_key(RuleRun *run, RuleIndex *index, uint32_t place, Error *err)
{
    const char *name = run->draft->keys[place].name;
    size_t n = strlen(name), count, at = 0;
    const uint32_t *wild = entries_for(index, (unsigned char)*name, &count);
    uint32_t literal = map_get(&index->literals, name);
    while (!run->taken[place] && (at < count || literal != MAP_NONE)) {
        bool by_name = literal != MAP_NONE && (at == count || literal < wild[at]);
        const Entry *entry = &index->entries[by_name ? literal : wild[at]];
        if (by_name) literal = entry->next ? entry->next - 1 : MAP_NONE;
        else at++;
        Captures captures;
        if (!pattern_fits(entry->pattern, name, n, &captures)) {
            if (captures.gave_up) return refuse_search(run, entry, name, err);
            continue;
        }
        if (!take_key(run, entry, place, &captures, err)) return false;
    }
    return true;
}

/* ---- notes ---- */

/* Whether the rule would have taken the key, had it been the first. */
static bool fits_any_source(const Rule *rule, const char *name)
{
    Captures captures;
    for (size_t i = 0; i < rule->source_count; i++)
        if (pattern_match(rule->sources[i].pattern, name, &captures)) return true;
    return false;
}

/* {i} takes a number; whoever means any name has to write {i:*}. Where that is all that keeps the
 * rule from a key, the note says so: false elsewhere. */
static bool note_numbers(RuleRun *run, const Rule *rule)
{
    Draft *draft = run->draft;
    for (size_t s = 0; s < rule->source_count; s++) {
        const Pattern *pattern = rule->sources[s].pattern;
        const Pattern *loose = pattern_loosen(run->scratch, pattern);
        Captures captures;
        size_t at = 0, count;
        while (loose && at < draft->count && !pattern_match(loose, draft->keys[at].name, &captures))
            at++;
        if (!loose || at == draft->count) continue;
        const CaptureInfo *info = pattern_captures(pattern, &count);
        for (size_t i = 0; i < count; i++) {
            const Capture *caught = &captures.named[i];
            bool number = strspn(caught->text, "0123456789") >= caught->length;
            if (!info[i].numeric || info[i].choices || number) continue;
            draft_note(draft, NOTE_INFO, rule->origin,
                       "%s: fits no key: {%s} is an integer; {%s:*} is any name, and fits %s",
                       show_name(draft, rule->text), info[i].name, info[i].name,
                       show_name(draft, draft->keys[at].name));
            return true;
        }
    }
    return false;
}

/* A rule that never fitted: the keys it would have fitted went to others, or it is misspelled.
 * Only every stride-th key is compared for a near name; `thorough` says whether there is time
 * to count the keys that others took. */
static void note_idle(RuleRun *run, const Rule *rule, size_t stride, bool thorough)
{
    const Draft *draft = run->draft;
    size_t fit = 0;
    double best = 0.5;
    const char *nearest = NULL;
    for (size_t i = 0; i < draft->count; i++) {
        const char *name = draft->keys[i].name;
        if (thorough && run->taken[i] && fits_any_source(rule, name)) fit++;
        if (i % stride) continue;
        double nearness = pattern_nearness(rule->sources[0].pattern, name);
        if (nearness > best) best = nearness, nearest = name;
    }
    const char *text = show_name(run->draft, rule->text);
    if (fit)
        draft_note(run->draft, NOTE_INFO, rule->origin,
                   "%s: never used; the %zu key%s it fits went to earlier rules", text, fit,
                   fit == 1 ? "" : "s");
    else if (thorough && note_numbers(run, rule))
        return;
    else if (nearest)
        draft_note(run->draft, NOTE_INFO, rule->origin, "%s: fits no key; did you mean %s?", text,
                   show_name(run->draft, nearest));
    else
        draft_note(run->draft, NOTE_INFO, rule->origin, "%s: fits no key", text);
}

/* Many rules that never fit must not cost more than the rules that do. Bundled ones are for a whole
 * family, of which no file has everything. */
static void note_idle_rules(RuleRun *run)
{
    enum { COMPARISONS = 200000, MATCHES = 5000000 };
    size_t idle = 0;
    for (size_t i = 0; i < run->block->count; i++) idle += run->hits[i] == 0;
    if (run->block->count && origin_is_bundled(run->block->rules[0].origin)) {
        if (idle == run->block->count)
            draft_note(run->draft, NOTE_INFO, run->block->rules[0].origin,
                       "none of these %zu rules fits a key; top levels here: %s", idle,
                       list_top_levels(run->draft));
        return;
    }
    size_t stride = idle * run->draft->count / COMPARISONS + 1;
    for (size_t i = 0; i < run->block->count; i++) {
        const Rule *rule = &run->block->rules[i];
        if (!run->hits[i] && rule->source_count && rule->target_count)
            note_idle(run, rule, stride, idle * run->draft->count < MATCHES);
    }
}

/* ---- the block ---- */

/* Mistakes that no key is needed to see; rules that fill are put aside for the end. */
static bool check_rule(RuleRun *run, size_t index, Error *err)
{
    const Rule *rule = &run->block->rules[index];
    for (size_t i = 0; rule->fills && i < rule->target_count; i++)
        draft_fill(run->draft, &(FillRule){rule->origin, rule->fills[i], rule->ops[0], 0});
    if (!rule->source_count) return true;
    if (rule_gathers(rule)) {
        run->gathers[index] = gather_new(run, index, err);
        return run->gathers[index] || blame_rule(rule, err);
    }
    bool several = has_op(rule, OP_COPY) || has_op(rule, OP_SPLIT) || has_op(rule, OP_UNSTACK) ||
                   run->draft->policy.reuse == REUSE_ALL;
    if (rule->target_count < 2 || several) return true;
    error_set(err, ERR_RULE, "one tensor for %zu names; split, unstack or copy makes several",
              rule->target_count);
    return blame_rule(rule, err);
}

/* Offers every key, then applies the rules that had to see all of theirs. Near linear in
 * keys and rules, since RuleIndex spares trying every rule on every key. */
static bool match_keys(RuleRun *run, Error *err)
{
    RuleIndex index;
    index_build(&index, run->block);
    bool good = true;
    for (size_t i = 0; good && i < run->draft->count; i++)
        good = offer_key(run, &index, (uint32_t)i, err);
    index_done(&index);
    for (size_t i = 0; good && i < run->block->count; i++)
        if (run->gathers[i]) good = gather_finish(run, run->gathers[i], err);
    return good;
}

/* The keys as the block leaves them, each rule's results in the place of its first source. Thus
 * `q, k, v -> qkv |> cat(0)` leaves qkv where q stood. */
static void list_results(RuleRun *run)
{
    const Rule *first = run->block->rules;
    Edit edit;
    edit_begin(&edit, run->draft, first->origin, "rules");
    for (size_t i = 0; i < run->draft->count; i++) {
        const DraftKey *key = &run->draft->keys[i];
        const Rule *rule = run->taken[i] ? &first[run->taken[i] - 1] : NULL;
        if (!rule) edit_keep(&edit, key);
        else if (!rule->target_count) edit_drop(&edit, key, rule->origin, rule->text);
        else edit.changed = true;
        for (uint32_t next = run->first[i]; next; next = run->outputs[next - 1].next)
            edit_add(&edit, run->outputs[next - 1].key, run->outputs[next - 1].from);
    }
    edit_finish(&edit);
}

static void run_done(RuleRun *run)
{
    for (size_t i = 0; i < run->block->count; i++) {
        gather_free(run->gathers[i]);
        free(run->texts[i].items);
    }
    free(run->gathers);
    free(run->texts);
    free(run->outputs);
    free(run->first);
    free(run->last);
    free(run->taken);
    free(run->hits);
    text_done(&run->name);
    arena_free(run->scratch);
}

bool draft_rules(Draft *draft, const RuleBlock *block,
                 bool (*call)(void *host, const Op *op, const OpContext *context,
                              RuleValue *value, Error *err),
                 void *host, Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft->changed = true;
    if (!block->count) return true;
    size_t keys = draft->count, rules = block->count, fills = draft->fill_count;
    RuleRun run = {.draft = draft, .block = block, .call = call, .host = host,
                   .scratch = arena_new(),
                   .first = mem_alloc(keys * sizeof *run.first),
                   .last = mem_alloc(keys * sizeof *run.last),
                   .taken = mem_alloc(keys * sizeof *run.taken),
                   .hits = mem_alloc(rules * sizeof *run.hits),
                   .texts = mem_alloc(rules * sizeof *run.texts),
                   .gathers = mem_alloc(rules * sizeof(Gather *))};
    bool good = true;
    for (size_t i = 0; good && i < rules; i++) good = check_rule(&run, i, err);
    good = good && match_keys(&run, err);
    if (good) {
        note_idle_rules(&run);
        list_results(&run);
    } else {
        draft->fill_count = fills;
    }
    run_done(&run);
    return good;
}
