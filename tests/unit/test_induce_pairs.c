/* induce over real key sets: the truth of every pair in ../shared/pairs as bundles, in both
 * directions, as rules, and back through the script engine. What the truth does not say is which
 * ops; here a source of several targets is split, several sources of one target are joined. Where the
 * folder is not there, nothing is tested, and that is said. */
#include "tests/unit/inducing.h"

#include "loader/align/family.h"
#include "tests/unit/json_file.h"
#include "tests/unit/test.h"

#include <glob.h>

static const char folder[] = "../shared/pairs";

/* How many rules all of them come to. */
typedef struct Tally {
    size_t bundles, rules, literal, pairs;
} Tally;

/* Names that one other is bound to, in the order of the truth. */
typedef struct Partners {
    const char *name;
    const char **others;
    size_t count;
    bool done;
} Partners;

typedef struct PartnersList {
    Partners *items;
    size_t count;
    NameMap index;
} PartnersList;

static PartnersList list_partners(Arena *arena, const Value *truth, int of)
{
    PartnersList list = {.items = arena_alloc(arena, (truth->list.count + 1) * sizeof(Partners))};
    map_init(&list.index);
    for (size_t i = 0; i < truth->list.count; i++) {
        const ValueItem *line = truth->list.items[i].value->list.items;
        const char *name = line[of].value->string, *other = line[1 - of].value->string;
        uint32_t at = map_get(&list.index, name);
        if (at == MAP_NONE) {
            at = (uint32_t)list.count;
            list.items[list.count++] =
                (Partners){.name = name,
                           .others = arena_alloc(arena, truth->list.count * sizeof(char *))};
            map_set(&list.index, name, at);
        }
        list.items[at].others[list.items[at].count++] = other;
    }
    return list;
}

/* Sources of one target, a list for every kind of name. */
static void join_sources(Inducing *one, Bundle *bundle, const Partners *partners)
{
    NameList *lists = arena_alloc(one->arena, partners->count * sizeof *lists);
    const char **kinds = arena_alloc(one->arena, partners->count * sizeof *kinds);
    FamilyName family = {0};
    for (size_t i = 0; i < partners->count; i++) {
        family_split(partners->others[i], &family);
        size_t at = 0;
        while (at < bundle->source_count && strcmp(kinds[at], text_string(&family.text)) != 0) at++;
        if (at == bundle->source_count) {
            kinds[at] = arena_strdup(one->arena, text_string(&family.text));
            lists[at].names = arena_alloc(one->arena, partners->count * sizeof(char *));
            bundle->source_count++;
        }
        ((const char **)lists[at].names)[lists[at].count++] = partners->others[i];
    }
    family_done(&family);
    bundle->sources = lists;
    Op *ops = arena_alloc(one->arena, 2 * sizeof *ops);
    ops[0] = (Op){.kind = OP_STACK, .has_axis = true};
    ops[1] = (Op){.kind = OP_CAT, .has_axis = true, .axis = 1};
    bundle->ops = ops;
    bundle->op_count = bundle->source_count > 1 && lists[0].count > 1 ? 2 : 1;
}

/* One source, which is split when it has several targets. */
static void split_source(Inducing *one, Bundle *bundle, Partners *partners)
{
    NameList *list = arena_alloc(one->arena, sizeof *list);
    *list = (NameList){&partners->name, 1};
    bundle->sources = list;
    bundle->source_count = 1;
    bundle->targets = partners->others;
    bundle->target_count = partners->count;
    partners->done = true;
    if (partners->count < 2) return;
    Op *op = arena_alloc(one->arena, sizeof *op);
    *op = 12 % partners->count ? (Op){.kind = OP_COPY}
                               : (Op){.kind = OP_SPLIT, .has_number = true,
                                      .number = (int64_t)partners->count};
    bundle->ops = op;
    bundle->op_count = 1;
}

static void read_truth(Inducing *one, const Value *pair, bool back)
{
    const Value *truth = value_get(pair, "truth");
    const Value *keys = value_get(value_get(pair, back ? "target" : "source"), "tensors");
    PartnersList sources = list_partners(one->arena, truth, back ? 1 : 0);
    PartnersList targets = list_partners(one->arena, truth, back ? 0 : 1);
    one->bundles = arena_alloc(one->arena, (truth->list.count + 1) * sizeof *one->bundles);
    one->keys = arena_alloc(one->arena, (keys->list.count + 1) * sizeof *one->keys);
    for (size_t i = 0; i < keys->list.count; i++)
        inducing_key(one, value_get_string(keys->list.items[i].value, "key", NULL));
    for (size_t i = 0; i < targets.count; i++) {
        Partners *target = &targets.items[i];
        Partners *source = &sources.items[map_get(&sources.index, target->others[0])];
        if (target->count == 1 && source->done) continue;
        Bundle *bundle = &one->bundles[one->bundle_count++];
        *bundle = (Bundle){.confidence = 1};
        if (target->count == 1) {
            split_source(one, bundle, source);
            continue;
        }
        bundle->targets = &target->name;
        bundle->target_count = 1;
        join_sources(one, bundle, target);
    }
    map_done(&sources.index);
    map_done(&targets.index);
}

static void check_pair(const char *name, bool back, Tally *tally)
{
    Inducing one = {.arena = arena_new()};
    const Value *pair = json_file(one.arena, arena_printf(one.arena, "%s/%s", folder, name));
    assert_non_null(pair);
    read_truth(&one, pair, back);
    const Induction *induction = inducing_run(&one);
    if (induction->left_count) fail_msg("%s: %zu bundles are left", name, induction->left_count);
    inducing_round_trip(&one);
    one.general = true;
    inducing_run(&one);
    inducing_round_trip(&one);
    tally->pairs++;
    tally->bundles += one.bundle_count;
    tally->rules += induction->count;
    for (size_t i = 0; i < induction->count; i++) tally->literal += induction->rules[i].literal;
    print_message("%-36s %s %4zu bundles %3zu rules\n", name, back ? "back" : "    ",
                  one.bundle_count, induction->count);
    if (strcmp(name, "tv_resnet50_to_detectron2.json") == 0 && !back)
        assert_int_equal(induction->count, 6);
    inducing_close(&one);
}

static void the_truth_comes_back(void **state)
{
    (void)state;
    glob_t found;
    if (glob("../shared/pairs/*.json", 0, NULL, &found) != 0) {
        print_message("%s is not there: not tested\n", folder);
        skip();
        return;
    }
    Tally tally = {0};
    for (size_t i = 0; i < found.gl_pathc; i++) {
        check_pair(path_base(found.gl_pathv[i]), false, &tally);
        check_pair(path_base(found.gl_pathv[i]), true, &tally);
    }
    globfree(&found);
    print_message("%zu pairs, %zu bundles, %zu rules: %.1f for 100 bundles; %zu name their keys\n",
                  tally.pairs, tally.bundles, tally.rules,
                  100.0 * (double)tally.rules / (double)tally.bundles, tally.literal);
    assert_true(tally.rules * 100 < tally.bundles * 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_truth_comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
