/* Families: spare keys and missing targets that are equal up to numbers are compared once for
 * all their layers, among those of one shape, by the words of their names. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/suggest.h"

enum {
    CANDIDATES_MAX = 64,         /* missing families compared with one spare family */
    COMPARISONS_MAX = 500000     /* in all: a bound on what odd files can cost */
};

/* Likeness below which two names have nothing to do with each other, and by how much the best
 * pair must beat the second on either side: equal rivals mean that the names do not decide. */
static const double LIKENESS_MIN = 0.3, MARGIN_MIN = 0.08;
/* What it takes to write a rule while other families of the same shape are open as well: a
 * wrong rule loads, and is worse than none (post_attention_layernorm is no attention_norm). */
static const double RULE_LIKENESS = 0.75, RULE_MARGIN = 0.15;

/* A family of spare keys, or of missing targets. */
typedef struct Kin {
    const char *family;
    uint32_t *members;           /* owned; indexes of spares[] or missing[] */
    size_t count, room;
    uint32_t next;               /* the next missing family of this shape */
    uint32_t partner;            /* the other side's family that it goes with best; MAP_NONE */
    double score, second;        /* of the best pair, and of the next best */
    double likeness;             /* of the names of the best pair */
    size_t rivals;               /* families of the other side with this shape */
    size_t keys;                 /* of a spare family: keys of the draft that are of it */
    uint32_t module;             /* of a spare family: what it is a part of; index of modules */
    bool exact;                  /* of a spare family: a rule takes every key to its target */
} Kin;

/* The families with one parent: `blocks.#.norm.*`. When all of them go to one other parent
 * under the leaves they have, one rule does it. */
typedef struct Module {
    const char *to;              /* the other parent; NULL: none yet */
    size_t keys;                 /* keys of the draft with this parent */
    size_t moved;                /* of them: in exact families that go to `to` */
    const char *rule;
} Module;

typedef struct Kins {
    Kin *items;
    size_t count, room;
    NameMap names;
} Kins;

typedef struct Matcher {
    Suggester *suggester;
    Kins spare, missing;
    Module *modules;
    size_t module_count, module_room;
    NameMap module_names;        /* parent family → index of modules */
    NameMap shapes;              /* shape as text → first missing family that has it */
    FamilyName family;           /* scratch */
    Text text;                   /* scratch */
    size_t comparisons;
} Matcher;

/* Puts a name into its family. */
static void add_kin(Matcher *matcher, Kins *kins, const char *name, uint32_t member)
{
    Arena *arena = matcher->suggester->arena;
    family_split(name, &matcher->family);
    const char *text = text_string(&matcher->family.text);
    uint32_t index = map_get(&kins->names, text);
    if (index == MAP_NONE) {
        index = (uint32_t)kins->count;
        kins->items = mem_grow(kins->items, &kins->room, kins->count + 1, sizeof(Kin));
        kins->items[kins->count++] = (Kin){.family = arena_strdup(arena, text),
                                           .next = MAP_NONE, .partner = MAP_NONE};
        map_set(&kins->names, kins->items[index].family, index);
    }
    Kin *kin = &kins->items[index];
    kin->members = mem_grow(kin->members, &kin->room, kin->count + 1, sizeof(uint32_t));
    kin->members[kin->count++] = member;
}

/* Families of what is not paired yet, on both sides. */
static void list_kins(Matcher *matcher)
{
    Suggester *suggester = matcher->suggester;
    for (size_t i = 0; i < suggester->spare_count; i++)
        if (!suggester->spares[i].partner)
            add_kin(matcher, &matcher->spare, suggester->spares[i].key->name, (uint32_t)i);
    for (size_t i = 0; i < suggester->missing_count; i++)
        if (map_get(&suggester->missing_names, suggester->missing[i]->name) != MAP_NONE)
            add_kin(matcher, &matcher->missing, suggester->missing[i]->name, (uint32_t)i);
}

/* Chains the missing families of each shape (that of their first member). */
static void list_shapes(Matcher *matcher)
{
    Suggester *suggester = matcher->suggester;
    for (uint32_t i = 0; i < matcher->missing.count; i++) {
        const Binding *first = suggester->missing[matcher->missing.items[i].members[0]];
        text_clear(&matcher->text);
        show_shape(first->dims, first->rank, &matcher->text);
        const char *shape = arena_strdup(suggester->arena, text_string(&matcher->text));
        uint32_t before = map_set(&matcher->shapes, shape, i);
        matcher->missing.items[i].next = before;
    }
}

/* Names first; as many members and as many numbers speak for a pair as well. */
static double rate_pair(const Kin *spare, const Kin *missing, double likeness)
{
    size_t a = 0, b = 0;
    for (const char *at = spare->family; *at; at++) a += *at == FAMILY_MARK;
    for (const char *at = missing->family; *at; at++) b += *at == FAMILY_MARK;
    return likeness + (spare->count == missing->count ? 0.2 : 0) + (a == b ? 0.1 : 0);
}

/* Remembers the best and the second best of what a family is compared with. */
static void keep_best(Kin *kin, double score, double likeness, uint32_t partner)
{
    if (score > kin->score) {
        kin->second = kin->score;
        kin->score = score;
        kin->likeness = likeness;
        kin->partner = partner;
    } else if (score > kin->second) {
        kin->second = score;
    }
}

/* Whether a missing family of the transposed shape has the likelier name: then the matrices are
 * to be turned, and a fitting shape proves nothing. */
static bool is_turned(Matcher *matcher, const Kin *spare, double likeness)
{
    const Expr *expr = matcher->suggester->spares[spare->members[0]].key->expr;
    if (expr->rank != 2 || expr->dims[0] == expr->dims[1]) return false;
    const int64_t turned[2] = {expr->dims[1], expr->dims[0]};
    text_clear(&matcher->text);
    show_shape(turned, 2, &matcher->text);
    uint32_t at = map_get(&matcher->shapes, text_string(&matcher->text));
    for (size_t seen = 0; at != MAP_NONE && seen < CANDIDATES_MAX; seen++) {
        const Kin *missing = &matcher->missing.items[at];
        matcher->comparisons++;
        if (family_likeness(spare->family, missing->family) > likeness) return true;
        at = missing->next;
    }
    return false;
}

/* Rates the missing families of a spare family's shape; one that shares no word counts only
 * when it has as many members and no rival. */
static void rate_partners(Matcher *matcher, uint32_t index)
{
    Kin *spare = &matcher->spare.items[index];
    const DraftKey *key = matcher->suggester->spares[spare->members[0]].key;
    if (key->expr->unknown) return;
    text_clear(&matcher->text);
    show_shape(key->expr->dims, key->expr->rank, &matcher->text);
    uint32_t first = map_get(&matcher->shapes, text_string(&matcher->text)), at = first;
    for (size_t seen = 0; at != MAP_NONE && seen < CANDIDATES_MAX; seen++) {
        Kin *missing = &matcher->missing.items[at];
        if (matcher->comparisons++ > COMPARISONS_MAX) return;
        bool alone = at == first && missing->next == MAP_NONE && missing->count == spare->count;
        double likeness = family_likeness(spare->family, missing->family);
        spare->rivals++;
        missing->rivals++;
        if (likeness >= LIKENESS_MIN || alone) {
            double score = rate_pair(spare, missing, likeness);
            keep_best(spare, score, likeness, at);
            keep_best(missing, score, likeness, index);
        }
        at = missing->next;
    }
    if (spare->partner != MAP_NONE && is_turned(matcher, spare, spare->likeness))
        spare->partner = MAP_NONE;
}

/* Each other's best, by a margin. */
static bool is_sure(const Matcher *matcher, uint32_t index)
{
    const Kin *spare = &matcher->spare.items[index];
    if (spare->partner == MAP_NONE) return false;
    const Kin *missing = &matcher->missing.items[spare->partner];
    return missing->partner == index && spare->score - spare->second >= MARGIN_MIN &&
           missing->score - missing->second >= MARGIN_MIN;
}

/* The member of the missing family with the spare member's numbers. */
static Binding *find_member(Matcher *matcher, const Kin *missing, const SpareKey *spare)
{
    family_split(spare->key->name, &matcher->family);
    text_clear(&matcher->text);
    if (!family_member(missing->family, matcher->family.numbers, matcher->family.count,
                       &matcher->text))
        return NULL;
    uint32_t index = map_get(&matcher->suggester->missing_names, text_string(&matcher->text));
    if (index == MAP_NONE) return NULL;
    Binding *binding = matcher->suggester->missing[index];
    return suggest_fits(spare->key, binding) ? binding : NULL;
}

/* `rules [[ FROM -> TO ]]`, with the same tail on both sides. */
static const char *line_of(Matcher *matcher, const char *from, const char *to, const char *tail)
{
    Text rule = {0};
    family_rule(from, NULL, &rule);
    text_addf(&rule, "%s -> ", tail);
    family_rule(to, from, &rule);
    text_add(&rule, tail);
    const char *line = suggest_line(matcher->suggester->arena, text_string(&rule));
    text_done(&rule);
    return line;
}

/* Where the last segment of a family begins; the family itself when it has but one. */
static const char *leaf_of(const char *family)
{
    const char *dot = strrchr(family, '.');
    return dot ? dot + 1 : family;
}

/* Without the last segment and its dot. */
static const char *parent_of(Matcher *matcher, const char *family)
{
    size_t n = (size_t)(leaf_of(family) - family);
    return arena_strndup(matcher->suggester->arena, family, n ? n - 1 : 0);
}

/* The rule for a family: its module's, when the whole module moves; else its own. A single key
 * is named literally, and so is its target: the one with its numbers, if several are missing. */
static const char *rule_of(Matcher *matcher, const Kin *spare, const Kin *missing)
{
    Suggester *suggester = matcher->suggester;
    Module *module = spare->module == MAP_NONE ? NULL : &matcher->modules[spare->module];
    if (module && module->to && module->moved == module->keys && module->keys > spare->keys) {
        if (!module->rule)
            module->rule = line_of(matcher, parent_of(matcher, spare->family), module->to, ".*");
        return module->rule;
    }
    if (spare->count > 1) return line_of(matcher, spare->family, missing->family, "");
    const SpareKey *key = &suggester->spares[spare->members[0]];
    const Binding *binding = find_member(matcher, missing, key);
    if (!binding) binding = suggester->missing[missing->members[0]];
    return line_of(matcher, key->key->name, binding->name, "");
}

/* Whether a rule can be written: the names (or the lack of any rival) leave no doubt, every key
 * of the spare family finds its target by the numbers, and no other key is of it. */
static void judge_family(Matcher *matcher, uint32_t index)
{
    Kin *spare = &matcher->spare.items[index];
    const Kin *missing = &matcher->missing.items[spare->partner];
    bool alone = spare->rivals == 1 && missing->rivals == 1;
    bool alike = spare->likeness >= RULE_LIKENESS &&
                 spare->score - spare->second >= RULE_MARGIN &&
                 missing->score - missing->second >= RULE_MARGIN;
    spare->exact = spare->keys == spare->count && (alone || alike);
    bool pair = spare->count == 1 && missing->count == 1;
    for (size_t i = 0; spare->exact && !pair && i < spare->count; i++)
        spare->exact =
            find_member(matcher, missing, &matcher->suggester->spares[spare->members[i]]) != NULL;
    if (!spare->exact || spare->module == MAP_NONE) return;
    if (strcmp(leaf_of(spare->family), leaf_of(missing->family)) != 0) return;
    Module *module = &matcher->modules[spare->module];
    const char *to = parent_of(matcher, missing->family);
    if (!module->to) module->to = to;
    if (*to && strcmp(module->to, to) == 0) module->moved += spare->keys;
}

/* Pairs the members by their numbers, else by their place in families of one length. */
static void pair_members(Matcher *matcher, const Kin *spare)
{
    Suggester *suggester = matcher->suggester;
    const Kin *missing = &matcher->missing.items[spare->partner];
    const char *rule = spare->exact ? rule_of(matcher, spare, missing) : NULL;
    for (size_t i = 0; i < spare->count; i++) {
        SpareKey *key = &suggester->spares[spare->members[i]];
        Binding *binding = find_member(matcher, missing, key);
        if (!binding && missing->count == spare->count)
            binding = suggester->missing[missing->members[i]];
        if (binding && suggest_fits(key->key, binding)) suggest_pair(suggester, key, binding, rule);
    }
}

/* The module a family is part of; MAP_NONE for a name without a dot, or when there is none. */
static uint32_t find_module(Matcher *matcher, const char *family, bool make)
{
    size_t n = (size_t)(leaf_of(family) - family);
    if (!n) return MAP_NONE;
    text_clear(&matcher->text);
    text_addn(&matcher->text, family, n - 1);
    uint32_t index = map_get(&matcher->module_names, text_string(&matcher->text));
    if (index != MAP_NONE || !make) return index;
    index = (uint32_t)matcher->module_count;
    matcher->modules = mem_grow(matcher->modules, &matcher->module_room,
                                matcher->module_count + 1, sizeof(Module));
    matcher->modules[matcher->module_count++] = (Module){0};
    map_set(&matcher->module_names,
            arena_strdup(matcher->suggester->arena, text_string(&matcher->text)), index);
    return index;
}

/* How many keys of the draft are of each spare family and of its module, used ones among them. */
static void count_keys(Matcher *matcher)
{
    const Draft *draft = matcher->suggester->alignment->draft;
    for (size_t i = 0; i < matcher->spare.count; i++)
        matcher->spare.items[i].module =
            find_module(matcher, matcher->spare.items[i].family, true);
    for (size_t i = 0; i < draft_count(draft); i++) {
        family_split(draft_at(draft, i)->name, &matcher->family);
        const char *family = text_string(&matcher->family.text);
        uint32_t index = map_get(&matcher->spare.names, family);
        if (index != MAP_NONE) matcher->spare.items[index].keys++;
        index = find_module(matcher, family, false);
        if (index != MAP_NONE) matcher->modules[index].keys++;
    }
}

static void free_kins(Kins *kins)
{
    for (size_t i = 0; i < kins->count; i++) free(kins->items[i].members);
    free(kins->items);
    map_done(&kins->names);
}

/* Rating is symmetric and comes first, so that order does not decide who gets whom. */
void suggest_families(Suggester *suggester)
{
    Matcher matcher = {.suggester = suggester};
    list_kins(&matcher);
    if (matcher.spare.count && matcher.missing.count) {
        list_shapes(&matcher);
        count_keys(&matcher);
        for (uint32_t i = 0; i < matcher.spare.count; i++) rate_partners(&matcher, i);
        for (uint32_t i = 0; i < matcher.spare.count; i++)
            if (is_sure(&matcher, i)) judge_family(&matcher, i);
        for (uint32_t i = 0; i < matcher.spare.count; i++)
            if (is_sure(&matcher, i)) pair_members(&matcher, &matcher.spare.items[i]);
    }
    free_kins(&matcher.spare);
    free_kins(&matcher.missing);
    map_done(&matcher.shapes);
    map_done(&matcher.module_names);
    free(matcher.modules);
    family_done(&matcher.family);
    text_done(&matcher.text);
}
