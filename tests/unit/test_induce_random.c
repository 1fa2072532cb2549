/* induce, by chance: thousands of sets of bundles over names that are made to get into each other's
 * way, as rules, run by the script engine, must come to exactly the same bundles. The seed is fixed;
 * what fails prints its rules. */
#include "tests/unit/inducing.h"

#include "tests/unit/test.h"

/* Numbers that are the same everywhere. */
typedef struct Dice {
    uint64_t state;
} Dice;

static unsigned roll(Dice *dice, unsigned n)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice->state >> 33) % n;
}

static const char *const tame[] = {"a", "b", "norm", "conv", "weight", "bias", "q_proj", "k_proj"};
static const char *const wild[] = {"a b", "*", "**", "{i}", "--", "]]", "#", "&x", "~", "\"", "\\",
                                   "a,b", "->", "|>", "01", "\xff", "\xc3\xa9", ";", "", "x'y"};

/* A name of up to four segments: words, numbers, words with numbers. */
static const char *make_name(Arena *arena, Dice *dice, bool tricky)
{
    Text text = {0};
    unsigned n = 1 + roll(dice, 4);
    for (unsigned i = 0; i < n; i++) {
        if (i) text_addc(&text, roll(dice, 9) ? '.' : '/');
        unsigned kind = roll(dice, 10);
        if (kind < 4) text_addf(&text, "%u", roll(dice, roll(dice, 5) ? 4 : 12));
        else if (kind < 8 || !tricky) text_add(&text, tame[roll(dice, (unsigned)countof(tame))]);
        else text_add(&text, wild[roll(dice, (unsigned)countof(wild))]);
        if (kind == 5) text_addf(&text, "%u", roll(dice, 4));
    }
    if (!text.length) text_addc(&text, 'e');
    const char *name = arena_strdup(arena, text_string(&text));
    text_done(&text);
    return name;
}

/* A name that is not among those of the map yet. */
static const char *make_new(Arena *arena, Dice *dice, bool tricky, NameMap *map)
{
    for (;;) {
        const char *name = make_name(arena, dice, tricky);
        if (map_get(map, name) != MAP_NONE) continue;
        map_set(map, name, 0);
        return name;
    }
}

static Op split_op(unsigned parts)
{
    return (Op){.kind = OP_SPLIT, .has_number = true, .number = parts};
}

/* Ops for a bundle of one tensor. */
static void make_single(Inducing *one, Dice *dice, Bundle *bundle, bool tricky, NameMap *targets)
{
    static const unsigned parts[] = {2, 3, 4, 12};
    Op *ops = arena_alloc(one->arena, sizeof *ops);
    unsigned kind = roll(dice, 8);
    bundle->target_count = 1;
    if (kind == 0) ops[0] = (Op){.kind = OP_T};
    if (kind == 1) ops[0] = split_op((unsigned)(bundle->target_count = parts[roll(dice, 3)]));
    if (kind == 2) ops[0] = (Op){.kind = OP_UNSTACK}, bundle->target_count = 12;
    if (kind == 3) ops[0] = (Op){.kind = OP_COPY}, bundle->target_count = 2;
    bundle->ops = ops;
    bundle->op_count = kind < 4;
    const char **names = arena_alloc(one->arena, bundle->target_count * sizeof *names);
    unsigned base = roll(dice, 3);
    const char *stem = make_new(one->arena, dice, tricky, targets);
    for (size_t i = 0; i < bundle->target_count; i++) {
        bool counts = bundle->target_count > 4 || kind == 1;
        names[i] = counts ? arena_printf(one->arena, "%s.part.%zu", stem, i + base)
                          : i ? make_new(one->arena, dice, tricky, targets) : stem;
        map_set(targets, names[i], 0);
    }
    bundle->targets = names;
}

/* Several tensors that become one: lists of equal lengths where there are several. */
static void make_joined(Inducing *one, Dice *dice, Bundle *bundle, bool tricky, NameMap *targets)
{
    Op *ops = arena_alloc(one->arena, 2 * sizeof *ops);
    bool stacks = roll(dice, 2);
    ops[0] = (Op){.kind = stacks ? OP_STACK : OP_CAT, .has_axis = true};
    ops[1] = (Op){.kind = OP_CAT, .has_axis = true, .axis = 1};
    bundle->ops = ops;
    bundle->op_count = bundle->source_count > 1 && bundle->sources[0].count > 1 ? 2 : 1;
    const char **names = arena_alloc(one->arena, sizeof *names);
    names[0] = make_new(one->arena, dice, tricky, targets);
    bundle->targets = names;
    bundle->target_count = 1;
}

/* Takes the next keys; what is gathered is often numbered, so that a pattern may gather it. */
static NameList take_list(Inducing *one, Dice *dice, size_t n, bool tricky, bool numbered)
{
    const char **names = arena_alloc(one->arena, n * sizeof *names);
    const char *stem = make_name(one->arena, dice, tricky);
    unsigned first = roll(dice, 4) ? 0 : roll(dice, 3);
    for (size_t i = 0; i < n; i++) {
        const char *name = numbered && n > 1
                               ? arena_printf(one->arena, "%s.%zu.w", stem, i + first) : NULL;
        if (!name || map_get(&one->known, name) != MAP_NONE) {
            do name = make_name(one->arena, dice, tricky);
            while (map_get(&one->known, name) != MAP_NONE);
        }
        inducing_key(one, name);
        names[i] = name;
    }
    return (NameList){names, n};
}

/* A set of bundles without any sense. */
static void make_chaos(Inducing *one, Dice *dice)
{
    enum { ROOM = 600 };
    NameMap targets;
    map_init(&targets);
    *one = (Inducing){.arena = arena_new()};
    one->bundles = arena_alloc(one->arena, ROOM * sizeof *one->bundles);
    one->keys = arena_alloc(one->arena, ROOM * sizeof *one->keys);
    bool tricky = roll(dice, 3) == 0;
    size_t n = 1 + roll(dice, 30);
    for (size_t i = 0; i < n; i++) {
        Bundle *bundle = &one->bundles[one->bundle_count++];
        bool joined = roll(dice, 6) == 0;
        size_t lists = joined ? 1 + roll(dice, 3) : 1, each = joined ? 1 + roll(dice, 4) : 1;
        if (joined && lists == 1 && each == 1) each = 2;
        NameList *sources = arena_alloc(one->arena, lists * sizeof *sources);
        bool numbered = roll(dice, 3);
        for (size_t j = 0; j < lists; j++)
            sources[j] = take_list(one, dice, each, tricky, numbered);
        *bundle = (Bundle){.sources = sources, .source_count = lists, .confidence = 1};
        if (joined) make_joined(one, dice, bundle, tricky, &targets);
        else make_single(one, dice, bundle, tricky, &targets);
    }
    for (unsigned i = roll(dice, 12); i; i--)
        inducing_key(one, make_name(one->arena, dice, tricky));
    map_done(&targets);
}

/* A set of bundles as models have them: templates with numbers, some layers left out. */
static void make_model(Inducing *one, Dice *dice)
{
    enum { ROOM = 4000 };
    *one = (Inducing){.arena = arena_new()};
    one->bundles = arena_alloc(one->arena, ROOM * sizeof *one->bundles);
    one->keys = arena_alloc(one->arena, ROOM * sizeof *one->keys);
    NameMap targets;
    map_init(&targets);
    unsigned templates = 1 + roll(dice, 6), layers = 1 + roll(dice, 13), shift = roll(dice, 3);
    unsigned m = 1 + roll(dice, 4), skip = roll(dice, 20);
    for (unsigned t = 0; t < templates; t++) {
        const char *word = tame[roll(dice, 8)], *leaf = tame[roll(dice, 8)];
        const char *other = roll(dice, 2) ? word : tame[roll(dice, 8)];
        unsigned form = roll(dice, 5);
        for (unsigned i = 0; i < layers; i++) {
            const char *key = arena_printf(one->arena, "l.%u.%s.%s", i, word, leaf);
            unsigned to = form == 1 ? i + shift : form == 2 ? layers - i : i;
            const char *target =
                form == 3 ? arena_printf(one->arena, "s.%u.%u.%s.%s", i / m, i % m, other, leaf)
                : form == 4 ? arena_printf(one->arena, "b.%u.%s.%s%u", 2 * i + shift, other, leaf, i)
                            : arena_printf(one->arena, "b.%u.%s.%s", to, other, leaf);
            bool known = map_get(&one->known, key) != MAP_NONE;
            if (known) continue;
            inducing_key(one, key);
            if (i == skip || map_get(&targets, target) != MAP_NONE) continue;
            map_set(&targets, target, 0);
            const char **names = arena_alloc(one->arena, 2 * sizeof *names);
            names[0] = key;
            names[1] = target;
            NameList *list = arena_alloc(one->arena, sizeof *list);
            *list = (NameList){names, 1};
            one->bundles[one->bundle_count++] =
                (Bundle){.sources = list, .source_count = 1, .targets = names + 1,
                         .target_count = 1, .confidence = 1};
        }
    }
    map_done(&targets);
}

/* What is left without a rule has no place in the round trip. */
static void check(Inducing *one)
{
    const Induction *induction = inducing_run(one);
    if (induction->left_count)
        fail_msg("%zu of %zu bundles are left, the first for '%s':\n%s", induction->left_count,
                 one->bundle_count, one->bundles[induction->left[0]].targets[0],
                 text_string(&one->text));
    inducing_round_trip(one);
    inducing_close(one);
}

static void chaos_comes_back(void **state)
{
    (void)state;
    Dice dice = {1};
    for (int i = 0; i < 2000; i++) {
        Inducing one;
        make_chaos(&one, &dice);
        check(&one);
    }
}

static void models_come_back(void **state)
{
    (void)state;
    Dice dice = {2};
    for (int i = 0; i < 2000; i++) {
        Inducing one;
        make_model(&one, &dice);
        check(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chaos_comes_back),
        cmocka_unit_test(models_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
