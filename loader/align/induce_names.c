/* Names and bundles taken apart: which kins there are, which numbers a name has, which bundles are
 * of one build. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_parts.h"

/* ---- kins ---- */

/* The kin of that text; a new one where there is none. */
static uint32_t find_kin(Inducer *inducer, const char *text, size_t length, unsigned columns,
                         bool literal)
{
    NameTable *names = &inducer->names;
    NameMap *map = literal ? &names->literal : &names->marked;
    uint32_t index = map_get(map, text);
    if (index != MAP_NONE) return index;
    names->kins = mem_grow(names->kins, &names->room, names->count + 1, sizeof *names->kins);
    names->kins[names->count] = (Kin){.text = arena_strndup(inducer->scratch, text, length),
                                      .length = length, .columns = columns, .literal = literal};
    map_set(map, names->kins[names->count].text, (uint32_t)names->count);
    return (uint32_t)names->count++;
}

/* A name that holds the mark's own byte is a kin by itself. `split` is used again and again. */
static void split_name(Inducer *inducer, const char *name, FamilyName *split, SplitName *out)
{
    NameTable *names = &inducer->names;
    *out = (SplitName){.name = name, .at = names->value_count};
    if (strchr(name, FAMILY_MARK)) {
        out->kin = find_kin(inducer, name, strlen(name), 0, true);
        return;
    }
    family_split(name, split);
    out->kin = find_kin(inducer, text_string(&split->text), split->text.length,
                        (unsigned)split->count, false);
    names->values = mem_grow(names->values, &names->value_room,
                             names->value_count + split->count + 1, sizeof *names->values);
    for (size_t i = 0; i < split->count; i++)
        names->values[names->value_count++] = split->numbers[i];
}

/* Which keys every kin has, in the order of the keys. */
static void list_keys(Inducer *inducer)
{
    NameTable *names = &inducer->names;
    size_t n = inducer->input->key_count, at = 0;
    for (size_t i = 0; i < n; i++) names->kins[inducer->keys[i].kin].key_count++;
    names->key_list = mem_alloc((n + 1) * sizeof *names->key_list);
    for (size_t i = 0; i < names->count; i++) {
        names->kins[i].keys = names->key_list + at;
        at += names->kins[i].key_count;
        names->kins[i].key_count = 0;
    }
    for (size_t i = 0; i < n; i++) {
        Kin *kin = &names->kins[inducer->keys[i].kin];
        kin->keys[kin->key_count++] = (uint32_t)i;
    }
}

/* For qsort: a kin's text beside its index. */
typedef struct SortedKin {
    const char *text;
    uint32_t index;
} SortedKin;

static int compare_texts(const void *a, const void *b)
{
    return strcmp(((const SortedKin *)a)->text, ((const SortedKin *)b)->text);
}

static void sort_kins(NameTable *names)
{
    SortedKin *list = mem_alloc((names->count + 1) * sizeof *list);
    for (size_t i = 0; i < names->count; i++)
        if (names->kins[i].key_count)
            list[names->sorted_count++] = (SortedKin){names->kins[i].text, (uint32_t)i};
    qsort(list, names->sorted_count, sizeof *list, compare_texts);
    names->sorted = mem_alloc((names->sorted_count + 1) * sizeof *names->sorted);
    for (size_t i = 0; i < names->sorted_count; i++) names->sorted[i] = list[i].index;
    free(list);
}

/* By bisection; a kin that begins so but is a name of its own is among them, too. */
void names_range(const NameTable *names, const Head *head, size_t *first, size_t *behind)
{
    size_t ends[2];
    for (int end = 0; end < 2; end++) {
        size_t low = 0, high = names->sorted_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            int order = strncmp(names->kins[names->sorted[middle]].text, head->text, head->length);
            if (order < 0 || (end && order == 0)) low = middle + 1;
            else high = middle;
        }
        ends[end] = low;
    }
    *first = ends[0];
    *behind = ends[1];
}

/* ---- bundles ---- */

static bool is_said(const Bundle *bundle)
{
    for (size_t i = 0; i < bundle->op_count; i++) {
        const Op *op = &bundle->ops[i];
        if ((op->kind == OP_FUNCTION && !op->text) || op_is_fill(op->kind)) return false;
    }
    for (size_t i = 0; i < bundle->target_count; i++)
        if (!*bundle->targets[i] || strlen(bundle->targets[i]) > RULE_NAME_MAX) return false;
    return true;
}

static bool has_kind(const Inducer *inducer, uint32_t ops, OpKind a, OpKind b)
{
    const Bundle *bundle = inducer->ops_of[ops];
    for (size_t i = 0; i < bundle->op_count; i++)
        if (bundle->ops[i].kind == a || bundle->ops[i].kind == b) return true;
    return false;
}

bool ops_join(const Inducer *inducer, uint32_t ops)
{
    /* a function makes one of several sources, too, unless an op behind it joins them */
    return has_kind(inducer, ops, OP_STACK, OP_CAT) ||
           has_kind(inducer, ops, OP_MATMUL, OP_MATMUL) ||
           (has_kind(inducer, ops, OP_FUNCTION, OP_FUNCTION) &&
            inducer->ops_of[ops]->source_count > 1);
}

static bool ops_spread(const Inducer *inducer, uint32_t ops)
{
    return has_kind(inducer, ops, OP_UNSTACK, OP_SPLIT);
}

/* The index of the ops' text. */
static uint32_t find_ops(Inducer *inducer, const Bundle *bundle)
{
    Text text = {0};
    for (size_t i = 0; i < bundle->op_count; i++) {
        if (i) text_add(&text, ", ");
        op_write(&bundle->ops[i], &text);
    }
    uint32_t index = map_get(&inducer->ops_index, text_string(&text));
    if (index == MAP_NONE) {
        index = (uint32_t)inducer->ops_count;
        inducer->ops = mem_grow(inducer->ops, &inducer->ops_room, index + 1, sizeof(char *));
        inducer->ops_of =
            mem_grow(inducer->ops_of, &inducer->ops_of_room, index + 1, sizeof(Bundle *));
        inducer->ops[index] = arena_strdup(inducer->scratch, text_string(&text));
        inducer->ops_of[index] = bundle;
        inducer->ops_count++;
        map_set(&inducer->ops_index, inducer->ops[index], index);
    }
    text_done(&text);
    return index;
}

static void add_use(Inducer *inducer, uint32_t key, uint32_t pair, uint32_t list)
{
    inducer->uses = mem_grow(inducer->uses, &inducer->use_room, inducer->use_count + 1,
                             sizeof *inducer->uses);
    inducer->uses[inducer->use_count++] = (Use){pair, list, inducer->first_use[key]};
    inducer->first_use[key] = (uint32_t)inducer->use_count;
}

/* "FROM -> TO" for an error. Always false. */
static bool refuse(const Bundle *bundle, const char *name, const char *what, Error *err)
{
    Text shown = {0};
    name_show(name, &shown);
    if (bundle->target_count) {
        text_add(&shown, "' of '");
        name_show(bundle->targets[0], &shown);
    }
    error_set(err, ERR_INTERNAL, "'%.400s': %s", text_string(&shown), what);
    text_done(&shown);
    return false;
}

/* The keys of a bundle's lists. A list of several that is the only one, and that one op joins, may
 * as well be several lists of one: then names of any kin go together. */
static bool read_lists(Inducer *inducer, uint32_t index, bool apart, Error *err)
{
    const Bundle *bundle = &inducer->input->bundles[index];
    Pair *pair = &inducer->pairs[index];
    size_t count = apart ? bundle->sources[0].count : bundle->source_count;
    PairList *lists = arena_alloc(inducer->scratch, count * sizeof *lists);
    for (size_t i = 0; i < count; i++) {
        const NameList *from = &bundle->sources[apart ? 0 : i];
        size_t n = apart ? 1 : from->count;
        uint32_t *keys = arena_alloc(inducer->scratch, n * sizeof *keys);
        if (!n) return refuse(bundle, "", "a list of a bundle is empty", err);
        for (size_t j = 0; j < n; j++) {
            const char *name = from->names[apart ? i : j];
            keys[j] = map_get(&inducer->key_index, name);
            if (keys[j] == MAP_NONE) return refuse(bundle, name, "no key of the source", err);
        }
        lists[i] = (PairList){.keys = keys, .count = n};
    }
    pair->lists = lists;
    pair->list_count = count;
    return true;
}

/* Reads the targets, which no other bundle may make. */
static bool read_targets(Inducer *inducer, uint32_t index, FamilyName *split, Error *err)
{
    const Bundle *bundle = &inducer->input->bundles[index];
    Pair *pair = &inducer->pairs[index];
    SplitName *targets = arena_alloc(inducer->scratch, bundle->target_count * sizeof *targets);
    for (size_t i = 0; i < bundle->target_count; i++) {
        if (map_set(&inducer->target_index, bundle->targets[i], index) != MAP_NONE)
            return refuse(bundle, bundle->targets[i], "two bundles make this target", err);
        if (pair->state == PAIR_PLAIN)
            split_name(inducer, bundle->targets[i], split, &targets[i]);
    }
    pair->targets = targets;
    pair->target_count = bundle->target_count;
    return true;
}

static bool read_pair(Inducer *inducer, uint32_t index, FamilyName *split, Error *err)
{
    const Bundle *bundle = &inducer->input->bundles[index];
    Pair *pair = &inducer->pairs[index];
    if (!bundle->source_count || !bundle->target_count)
        return refuse(bundle, "", "a bundle has sources and targets", err);
    pair->state = is_said(bundle) ? PAIR_PLAIN : PAIR_LEFT;
    if (!read_lists(inducer, index, false, err)) return false;
    bool same = bundle->source_count == 1 && bundle->sources[0].count == 1 && !bundle->op_count &&
                bundle->target_count == 1 &&
                strcmp(bundle->sources[0].names[0], bundle->targets[0]) == 0;
    if (same) pair->state = PAIR_SAME;
    return read_targets(inducer, index, split, err);
}

/* ---- lists ---- */

static const int64_t *numbers_of(const Inducer *inducer, uint32_t key)
{
    return inducer->names.values + inducer->keys[key].at;
}

/* Whether one pattern gathers the list in its order: one kin, ascending numbers. Sets
 * `gathered`. */
static bool read_gathered(const Inducer *inducer, PairList *list)
{
    uint32_t kin = inducer->keys[list->keys[0]].kin;
    unsigned columns = inducer->names.kins[kin].columns;
    list->gathered = 0;
    for (size_t i = 1; i < list->count; i++) {
        if (inducer->keys[list->keys[i]].kin != kin) return false;
        const int64_t *a = numbers_of(inducer, list->keys[i - 1]);
        const int64_t *b = numbers_of(inducer, list->keys[i]);
        unsigned first = columns;
        for (unsigned c = columns; c--;)
            if (a[c] != b[c]) {
                list->gathered |= 1u << c;
                first = c;
            }
        if (first == columns || a[first] > b[first]) return false;
    }
    return true;
}

/* A name that no key begins with, for names that sort. */
static const char *free_prefix(Inducer *inducer)
{
    for (int tries = 0;; tries++) {
        const char *prefix = arena_printf(inducer->scratch, "part%d_", tries);
        bool taken = false;
        for (size_t i = 0; !taken && i < inducer->input->key_count; i++)
            taken = has_prefix(inducer->keys[i].name, prefix);
        if (!taken) return prefix;
    }
}

/* Gives the keys of a bundle names that sort as its lists stand; false when others use them as
 * well. */
static bool rename_keys(Inducer *inducer, uint32_t index, const char **prefix, FamilyName *split)
{
    Pair *pair = &inducer->pairs[index];
    for (size_t i = 0; i < pair->list_count; i++)
        for (size_t j = 0; j < pair->lists[i].count; j++) {
            uint32_t use = inducer->first_use[pair->lists[i].keys[j]];
            if (!use || inducer->uses[use - 1].next) return false;
        }
    if (!*prefix) *prefix = free_prefix(inducer);
    if (!inducer->renamed)
        inducer->renamed = mem_alloc(inducer->input->key_count * sizeof *inducer->renamed);
    for (size_t i = 0; i < pair->list_count; i++)
        for (size_t j = 0; j < pair->lists[i].count; j++) {
            uint32_t key = pair->lists[i].keys[j];
            split_name(inducer, arena_printf(inducer->scratch, "%s%u.%zu.%zu", *prefix, index, i,
                                             j), split, &inducer->keys[key]);
            inducer->renamed[inducer->renamed_count++] = key;
        }
    return true;
}

static void use_keys(Inducer *inducer, uint32_t index)
{
    Pair *pair = &inducer->pairs[index];
    for (size_t i = 0; i < pair->list_count; i++)
        for (size_t j = 0; j < pair->lists[i].count; j++)
            add_use(inducer, pair->lists[i].keys[j], index, (uint32_t)i);
}

static bool is_join(OpKind kind)
{
    return kind == OP_STACK || kind == OP_CAT || kind == OP_MATMUL;
}

static size_t count_joins(const Bundle *bundle)
{
    size_t joins = 0;
    for (size_t i = 0; i < bundle->op_count; i++) joins += is_join(bundle->ops[i].kind);
    return joins;
}

/* A pattern that is alone gathers only where something is stacked or joined. */
static bool may_gather(const Bundle *bundle)
{
    for (size_t i = 0; i < bundle->op_count; i++)
        if (bundle->ops[i].kind == OP_STACK || bundle->ops[i].kind == OP_CAT) return true;
    return bundle->source_count > 1 || bundle->sources[0].count == 1;
}

/* Every list has to be what a pattern gathers. Else it is taken apart, or its keys are renamed. */
static bool settle_lists(Inducer *inducer, uint32_t index, const char **prefix, FamilyName *split,
                         Error *err)
{
    Pair *pair = &inducer->pairs[index];
    const Bundle *bundle = &inducer->input->bundles[index];
    bool regular = may_gather(bundle);
    for (size_t i = 0; i < pair->list_count; i++)
        regular = read_gathered(inducer, &pair->lists[i]) && regular;
    if (!regular && bundle->source_count == 1 && count_joins(bundle) <= 1 &&
        bundle->sources[0].count <= SOURCES_MAX) {
        for (size_t i = 0; i < inducer->input->bundles[index].sources[0].count; i++) {
            Use *use = &inducer->uses[inducer->first_use[pair->lists[0].keys[i]] - 1];
            while (use->pair != index) use = &inducer->uses[use->next - 1];
            use->list = (uint32_t)i;
        }
        return read_lists(inducer, index, true, err);
    }
    if (!regular && (!may_gather(bundle) || !rename_keys(inducer, index, prefix, split)))
        pair->state = PAIR_LEFT;
    for (size_t i = 0; !regular && i < pair->list_count; i++)
        if (pair->state == PAIR_PLAIN) read_gathered(inducer, &pair->lists[i]);
    return true;
}

/* Whether a later bundle, or a key that keeps its name, needs the key as well. */
static bool is_kept(const Inducer *inducer, uint32_t key, uint32_t pair)
{
    for (uint32_t next = inducer->first_use[key]; next; next = inducer->uses[next - 1].next) {
        const Use *use = &inducer->uses[next - 1];
        const Pair *other = &inducer->pairs[use->pair];
        if (other->state == PAIR_SAME || other->state == PAIR_LEFT) return true;
        if (use->pair > pair) return true;
    }
    return false;
}

/* A list is kept as a whole or not at all; a mixed one is kept, which verification judges. */
static void read_keeps(Inducer *inducer, uint32_t index)
{
    Pair *pair = &inducer->pairs[index];
    for (size_t i = 0; i < pair->list_count; i++) {
        PairList *list = &pair->lists[i];
        for (size_t j = 0; j < list->count; j++)
            list->keep = list->keep || is_kept(inducer, list->keys[j], index);
    }
}

/* Targets of one kin that differ in numbers which go up by one are counted. */
static uint32_t read_counted(const Inducer *inducer, const Pair *pair)
{
    if (pair->target_count < 2 || !ops_spread(inducer, pair->ops)) return 0;
    uint32_t kin = pair->targets[0].kin, counted = 0;
    unsigned columns = inducer->names.kins[kin].columns;
    for (size_t i = 0; i < pair->target_count; i++) {
        if (pair->targets[i].kin != kin) return 0;
        const int64_t *first = inducer->names.values + pair->targets[0].at;
        const int64_t *numbers = inducer->names.values + pair->targets[i].at;
        for (unsigned c = 0; c < columns; c++) {
            bool counts = numbers[c] == first[c] + (int64_t)i;
            if (i == 1 && counts) counted |= 1u << c;
            if (i && numbers[c] != first[c] && !(counted >> c & 1 && counts)) return 0;
            if (i && counted >> c & 1 && !counts) return 0;
        }
    }
    return counted;
}

/* ---- groups ---- */

/* What makes two bundles one build. */
static void write_build(const Pair *pair, const Inducer *inducer, Text *out)
{
    text_clear(out);
    text_addf(out, "%u", pair->ops);
    for (size_t i = 0; i < pair->list_count; i++)
        text_addf(out, " %u:%x%s", inducer->keys[pair->lists[i].keys[0]].kin,
                  pair->lists[i].gathered, pair->lists[i].keep ? "&" : "");
    text_addf(out, " ->%x", pair->counted);
    for (size_t i = 0; i < pair->target_count && (!i || !pair->counted); i++)
        text_addf(out, " %u", pair->targets[i].kin);
}

static Head whole_head(const Kin *kin)
{
    return (Head){kin->text, kin->length, kin->columns, kin->literal};
}

/* The form of a bundle, its kins whole. */
static Form whole_form(Inducer *inducer, const Pair *pair)
{
    Arena *arena = inducer->scratch;
    size_t targets = pair->counted ? 1 : pair->target_count;
    Head *from = arena_alloc(arena, pair->list_count * sizeof *from);
    Head *to = arena_alloc(arena, targets * sizeof *to);
    uint32_t *gathered = arena_alloc(arena, pair->list_count * sizeof *gathered);
    bool *keep = arena_alloc(arena, pair->list_count * sizeof *keep);
    for (size_t i = 0; i < pair->list_count; i++) {
        from[i] = whole_head(&inducer->names.kins[inducer->keys[pair->lists[i].keys[0]].kin]);
        gathered[i] = pair->lists[i].gathered;
        keep[i] = pair->lists[i].keep;
    }
    for (size_t i = 0; i < targets; i++)
        to[i] = whole_head(&inducer->names.kins[pair->targets[i].kin]);
    return (Form){.sources = from, .gathered = gathered, .keep = keep,
                  .list_count = pair->list_count, .targets = to, .target_count = targets,
                  .counted = pair->counted, .ops = pair->ops};
}

static void group_pairs(Inducer *inducer)
{
    NameMap builds;
    Text text = {0};
    map_init(&builds);
    for (size_t i = 0; i < inducer->input->bundle_count; i++) {
        Pair *pair = &inducer->pairs[i];
        if (pair->state != PAIR_PLAIN) continue;
        write_build(pair, inducer, &text);
        uint32_t index = map_get(&builds, text_string(&text));
        if (index == MAP_NONE) {
            index = (uint32_t)inducer->group_count++;
            inducer->groups = mem_grow(inducer->groups, &inducer->group_room,
                                       inducer->group_count, sizeof *inducer->groups);
            inducer->groups[index] = (Group){.form = whole_form(inducer, pair)};
            map_set(&builds, arena_strdup(inducer->scratch, text_string(&text)), index);
        }
        Group *group = &inducer->groups[index];
        group->form.pairs = mem_grow(group->form.pairs, &group->room, group->form.count + 1,
                                     sizeof *group->form.pairs);
        group->form.pairs[group->form.count++] = (uint32_t)i;
        pair->group = index;
    }
    text_done(&text);
    map_done(&builds);
}

/* ---- the whole ---- */

static bool read_keys(Inducer *inducer, FamilyName *split, Error *err)
{
    const InduceInput *input = inducer->input;
    for (size_t i = 0; i < input->key_count; i++) {
        if (map_set(&inducer->key_index, input->keys[i], (uint32_t)i) != MAP_NONE)
            return error_set(err, ERR_INTERNAL, "a key is there twice");
        split_name(inducer, input->keys[i], split, &inducer->keys[i]);
    }
    return true;
}

static bool read_bundles(Inducer *inducer, FamilyName *split, Error *err)
{
    const char *prefix = NULL;
    uint32_t n = (uint32_t)inducer->input->bundle_count;
    for (uint32_t i = 0; i < n; i++) {
        if (!read_pair(inducer, i, split, err)) return false;
        use_keys(inducer, i);
    }
    for (uint32_t i = 0; i < n; i++)
        if (inducer->pairs[i].state == PAIR_PLAIN &&
            !settle_lists(inducer, i, &prefix, split, err))
            return false;
    for (uint32_t i = 0; i < n; i++) {
        Pair *pair = &inducer->pairs[i];
        if (pair->state != PAIR_PLAIN) continue;
        read_keeps(inducer, i);
        pair->ops = find_ops(inducer, &inducer->input->bundles[i]);
        pair->counted = read_counted(inducer, pair);
    }
    return true;
}

bool names_read(Inducer *inducer, Error *err)
{
    const InduceInput *input = inducer->input;
    inducer->keys = mem_alloc((input->key_count + 1) * sizeof *inducer->keys);
    inducer->first_use = mem_alloc((input->key_count + 1) * sizeof *inducer->first_use);
    inducer->pairs = mem_alloc((input->bundle_count + 1) * sizeof *inducer->pairs);
    inducer->row_of = mem_alloc((input->bundle_count + 1) * sizeof *inducer->row_of);
    for (size_t i = 0; i < input->bundle_count; i++) inducer->row_of[i] = NONE;
    static const Bundle nothing = {0};
    FamilyName split = {0};
    inducer->no_ops = find_ops(inducer, &nothing);
    bool good = read_keys(inducer, &split, err) && read_bundles(inducer, &split, err);
    family_done(&split);
    if (!good) return false;
    list_keys(inducer);
    sort_kins(&inducer->names);
    group_pairs(inducer);
    return true;
}

void names_done(Inducer *inducer)
{
    NameTable *names = &inducer->names;
    customs_done(&inducer->customs);
    map_done(&names->marked);
    map_done(&names->literal);
    map_done(&inducer->key_index);
    map_done(&inducer->target_index);
    map_done(&inducer->ops_index);
    for (size_t i = 0; i < inducer->group_count; i++) {
        free(inducer->groups[i].form.pairs);
        free(inducer->groups[i].made.items);
    }
    free(names->kins);
    free(names->values);
    free(names->key_list);
    free(names->sorted);
    free(inducer->keys);
    free(inducer->uses);
    free(inducer->first_use);
    free(inducer->pairs);
    free(inducer->ops);
    free(inducer->ops_of);
    free(inducer->groups);
    free(inducer->renamed);
    free(inducer->row_of);
    free(inducer->made.items);
}
