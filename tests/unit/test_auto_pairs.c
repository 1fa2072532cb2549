/* Automatic alignment of the shared pairs of models: nothing wrong, and how much is found. They
 * lie beside the repository; without them there is nothing to test. */
#include "tests/unit/test.h"

#include <glob.h>

#include "tests/unit/auto_lexicon.h"
#include "tests/unit/auto_pairs.h"

static const AutoOptions options = {.lexicon = &test_lexicon, .accept = 0.2f};

static PairScore align_pair(Pair *pair)
{
    AutoSide source = {pair->tensors[0], pair->count[0], false};
    AutoSide target = {pair->tensors[1], pair->count[1], false};
    Arena *arena = arena_new();
    Error err = {0};
    const AutoResult *result = auto_align(arena, &source, &target, &options, &err);
    assert_non_null(result);
    PairScore score = pair_score(pair, result, true);
    arena_free(arena);
    return score;
}

/* Every pair, changed by `change`; the sums. Skips when there are none. */
static PairScore align_all(void (*change)(Pair *pair))
{
    static const char *const places[] = {"../shared/pairs/*.json", "shared/pairs/*.json"};
    glob_t found = {0};
    PairScore sum = {0};
    for (size_t i = 0; i < countof(places) && !found.gl_pathc; i++) glob(places[i], 0, NULL, &found);
    if (!found.gl_pathc) skip();
    for (size_t i = 0; i < found.gl_pathc; i++) {
        Pair pair;
        assert_true(pair_read(&pair, found.gl_pathv[i]));
        if (change) change(&pair);
        PairScore score = align_pair(&pair);
        if (score.wrong) printf("# %zu wrong in %s\n", score.wrong, found.gl_pathv[i]);
        sum.right += score.right;
        sum.wrong += score.wrong;
        sum.wanted += score.wanted;
        sum.likely_right += score.likely_right;
        sum.likely_wrong += score.likely_wrong;
        arena_free(pair.arena);
    }
    globfree(&found);
    return sum;
}

static void every_pair_as_it_is(void **state)
{
    (void)state;
    PairScore sum = align_all(NULL);
    assert_int_equal(sum.wrong, 0);
    assert_true(sum.right * 100 >= sum.wanted * 95);
    assert_true((sum.right + sum.likely_right) * 100 >= sum.wanted * 98);
    assert_int_equal(sum.likely_wrong, 0);
}

/* Orders that say nothing: they must not mislead, and names and shapes still find most. */
static void shuffle_source(Pair *pair)
{
    pair_shuffle(pair, 0);
}
static void shuffle_target(Pair *pair)
{
    pair_shuffle(pair, 1);
}
static void sort_both(Pair *pair)
{
    pair_sort(pair, 0);
    pair_sort(pair, 1);
}
static void any_order_of_files(void **state)
{
    static void (*const changes[])(Pair *) = {shuffle_source, shuffle_target, sort_both};
    (void)state;
    for (size_t i = 0; i < countof(changes); i++) {
        PairScore sum = align_all(changes[i]);
        assert_int_equal(sum.wrong, 0);
        assert_true(sum.right * 100 >= sum.wanted * 85);
    }
}

/* What takes evidence away, or makes it false: abstaining is right, guessing is not. */
static void rename_and_shuffle(Pair *pair)
{
    pair_rename(pair);
    pair_shuffle(pair, 0);
}
static void drop_of_source(Pair *pair)
{
    const char *prefix = pair_block(pair, 0);
    if (prefix) pair_drop(pair, 0, prefix);
}
static void drop_of_target(Pair *pair)
{
    const char *prefix = pair_block(pair, 1);
    if (prefix) pair_drop(pair, 1, prefix);
}
static void changes_that_must_not_mislead(void **state)
{
    static void (*const changes[])(Pair *) = {pair_rename, rename_and_shuffle, drop_of_source,
                                              drop_of_target, pair_transpose};
    (void)state;
    for (size_t i = 0; i < countof(changes); i++)
        assert_int_equal(align_all(changes[i]).wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_as_it_is),
        cmocka_unit_test(any_order_of_files),
        cmocka_unit_test(changes_that_must_not_mislead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
