/* The optimizer's state follows the weights: which number of the source becomes which of the
 * target, and through which operations. The file is PyTorch's (tests/data/optimizer); that training
 * goes on as if nothing had been is tests/interop/test_optimizer.py's. */
#include "tests/unit/test.h"

#include "loader/align/optimizer.h"
#include "loader/core/json.h"
#include "loader/format/format.h"
#include "tests/unit/scripts.h"

static const char file[] = "tests/data/optimizer/two_groups.pth";
static const char target[] = "head.weight f32 2,3; head.bias f32 3; stem.weight f32 2,1,1,1;"
                             "stem.bias f32 2; norm.weight f32 2; norm.bias f32 2;"
                             "norm.running_mean f32 2; norm.running_var f32 2;"
                             "norm.num_batches_tracked i64";
#define RENAME                                                                                    \
    "strip 'module.'\nrules [[ fc.weight -> head.weight |> T ; fc.bias -> head.bias\n"            \
    "conv.* -> stem.* ; bn.* -> norm.* ]]\n"

/* Aligns the file with the target by a script. */
static void follow(Bench *bench, const char *names, const char *rules)
{
    *bench = (Bench){.source = checkpoint_open(file, &bench->err), .target = dict_new()};
    assert_non_null(bench->source);
    dict_set_ordered(bench->target, true);
    bench_fill(bench->target, names);
    bench->draft = draft_new(bench->source, NULL, bench->target, 0);
    bench->script = script_new(bench->draft, NULL);
    if (!bench_run(bench, rules, "fix.lua")) fail_msg("%s", bench->err.text);
    bench_finish(bench);
    assert_non_null(bench->alignment);
}

/* Where a member of the state of the index-th parameter comes from. */
static void moves(const OptimizerMove *move, size_t index, const char *name, const char *member,
                  const char *expr)
{
    const OptimizerParam *param = &move->params[index];
    assert_string_equal(param->binding->name, name);
    assert_null(param->fresh);
    for (size_t i = 0; i < param->count; i++) {
        if (strcmp(param->values[i].key->bytes.text, member) != 0) continue;
        Text text = {0};
        JsonWriter *writer = json_writer_new(&text, false);
        expr_write_json(param->values[i].expr, writer);
        json_writer_free(writer);
        assert_string_equal(text_string(&text), expr);
        text_done(&text);
        return;
    }
    fail_msg("%s has no %s", name, member);
}

/* An error of the statement: a note, and status 2. */
static void refuses(const char *names, const char *rules, const char *part)
{
    Bench bench;
    follow(&bench, names, rules);
    assert_null(align_optimizer(bench.alignment));
    assert_int_equal(bench_note(&bench, part)->level, NOTE_ERROR);
    assert_int_equal(align_exit(bench.alignment), 2);
    bench_close(&bench);
}

static void numbers_dealt_out_by_kind_are_told_by_shapes(void **state)
{
    (void)state;
    Bench bench;
    follow(&bench, target, RENAME "optimizer{}");
    const OptimizerMove *move = align_optimizer(bench.alignment);
    assert_non_null(move);
    assert_int_equal(move->count, 6);
    assert_int_equal(move->carried, 6);
    assert_int_equal(move->group_count, 2);
    moves(move, 0, "head.weight", "exp_avg",
          "[\"permute\",[1,0],[\"src\",\"optimizer.state[1].exp_avg\"]]");
    moves(move, 1, "head.bias", "exp_avg_sq", "[\"src\",\"optimizer.state[5].exp_avg_sq\"]");
    moves(move, 2, "stem.weight", "exp_avg", "[\"src\",\"optimizer.state[0].exp_avg\"]");
    moves(move, 5, "norm.bias", "exp_avg", "[\"src\",\"optimizer.state[4].exp_avg\"]");
    assert_int_equal(move->params[0].group, 0);
    assert_int_equal(move->params[1].group, 1);
    bench_close(&bench);
}

static void factors_divide(void **state)
{
    (void)state;
    Bench bench;
    follow(&bench, target, RENAME "rules [[ stem.bias -> stem.bias |> mul(4), add(1) ]]\n"
                                  "optimizer{groups='one'}");
    const OptimizerMove *move = align_optimizer(bench.alignment);
    moves(move, 3, "stem.bias", "exp_avg",
          "[\"mul\",0.25,[\"src\",\"optimizer.state[2].exp_avg\"]]");
    moves(move, 3, "stem.bias", "exp_avg_sq",
          "[\"mul\",0.0625,[\"src\",\"optimizer.state[2].exp_avg_sq\"]]");
    assert_int_equal(move->group_count, 1);
    bench_close(&bench);
}

static void what_is_new_or_cut_starts_fresh(void **state)
{
    (void)state;
    Bench bench;
    follow(&bench, "head.weight f32 2,3; head.bias f32 5; stem.weight f32 2,1,1,1; stem.bias f32 2;"
                   "norm.weight f32 2; norm.bias f32 2; norm.running_mean f32 2;"
                   "norm.running_var f32 2; norm.num_batches_tracked i64; aux f32 3",
           RENAME "rules [[ head.bias -> head.bias |> fit(0, zeros) ]] fill('aux', zeros())\n"
                  "optimizer{new='fresh'}");
    const OptimizerMove *move = align_optimizer(bench.alignment);
    assert_int_equal(move->count, 7);
    assert_int_equal(move->carried, 5);
    assert_string_equal(move->params[1].fresh, "loaded in part");
    assert_string_equal(move->params[6].fresh, "filled");
    assert_int_equal(move->params[6].group, 1);
    bench_close(&bench);
}

static void a_scaled_sum_starts_fresh(void **state)
{
    (void)state;
    Bench bench;
    follow(&bench, target, RENAME "rules [[ norm.weight, &norm.bias -> norm.weight |> "
                                  "function(a, b) return a + b end ]]\noptimizer{}");
    const OptimizerMove *move = align_optimizer(bench.alignment);
    assert_string_equal(move->params[4].fresh, "its values are computed");
    bench_close(&bench);
}

static void names_given_in_params_count(void **state)
{
    (void)state;
    Bench bench;
    follow(&bench, target, RENAME
           "optimizer{params={'module.conv.weight', 'module.fc.weight', 'module.bn.bias',"
           "'module.conv.bias', 'module.bn.weight', 'module.fc.bias'}}");
    const OptimizerMove *move = align_optimizer(bench.alignment);
    moves(move, 3, "stem.bias", "exp_avg", "[\"src\",\"optimizer.state[3].exp_avg\"]");
    bench_close(&bench);
    refuses(target, RENAME "optimizer{params={'module.conv.weight', 'fc'}}",
            "'fc' of params is no tensor of the source");
    refuses(target, RENAME "optimizer{params={'module.conv.weight'}}",
            "holds 6 parameters, the weights 1");
    refuses(target, RENAME "optimizer{params={'module.conv.weight', 'module.conv.weight',"
                           "'module.bn.bias', 'module.conv.bias', 'module.bn.weight',"
                           "'module.fc.bias'}}", "the exp_avg of parameter int 1 is 3×2, but "
                                                 "'module.conv.weight'");
}

static void order_gives_the_targets_numbers(void **state)
{
    (void)state;
    Bench bench;
    follow(&bench, target, RENAME "optimizer{order={'stem.weight', 'stem.bias', 'norm.weight',"
                                  "'norm.bias', 'head.weight', 'head.bias'}}");
    const OptimizerMove *move = align_optimizer(bench.alignment);
    moves(move, 0, "stem.weight", "exp_avg", "[\"src\",\"optimizer.state[0].exp_avg\"]");
    moves(move, 5, "head.bias", "exp_avg", "[\"src\",\"optimizer.state[5].exp_avg\"]");
    bench_close(&bench);
    refuses(target, RENAME "optimizer{order={'stem.weight'}}",
            "order names 1 parameters, the target has 6");
    refuses(target, RENAME "optimizer{order={'stem.wait'}}",
            "'stem.wait' of order is no tensor of the target");
}

static void what_is_no_optimizer_is_refused(void **state)
{
    (void)state;
    refuses(target, RENAME "optimizer{from='optim'}", "the source has no dict 'optim'");
    refuses(target, RENAME "optimizer{from='epoch'}", "the source has no dict 'epoch'");
    refuses(target, RENAME "optimizer{from='optimizer.state'}", "no 'state' with 'param_groups'");
    refuses(target, RENAME "optimizer{ids='names'}", "say no names of their parameters");
    refuses("new f32 3", "strip 'module.'\npolicy{missing='keep'} optimizer{new='error'}",
            "'new' has no state (not loaded)");
}

static void wrong_arguments_are_named(void **state)
{
    (void)state;
    fails("a", "optimizer('optimizer')", "fix.lua:1: ", "expected {from=\"optimizer\", …}");
    fails("a", "optimizer{'optimizer'}", "fix.lua:1: ", "every value needs its field");
    fails("a", "optimizer{ids='shape'}", "fix.lua:1: ", "ids cannot be \"shape\"");
    fails("a", "optimizer{groups=1}", "fix.lua:1: ", "groups: optimizer: expected text");
    fails("a", "optimizer{order='x', form='y'}", "fix.lua:1: ", "form");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_dealt_out_by_kind_are_told_by_shapes),
        cmocka_unit_test(factors_divide),
        cmocka_unit_test(what_is_new_or_cut_starts_fresh),
        cmocka_unit_test(a_scaled_sum_starts_fresh),
        cmocka_unit_test(names_given_in_params_count),
        cmocka_unit_test(order_gives_the_targets_numbers),
        cmocka_unit_test(what_is_no_optimizer_is_refused),
        cmocka_unit_test(wrong_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
