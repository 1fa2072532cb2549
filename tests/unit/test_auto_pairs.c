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
    assert_true(sum.right * 100 >= sum.wanted * 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
