/* Rules from a few marked pairs: what goes on from them, what misfires and is left alone, and which
 * question comes of it. */
#include "tests/unit/inducing.h"

#include "loader/align/induce_marks.h"
#include "tests/unit/json_file.h"
#include "tests/unit/test.h"

typedef struct Marking {
    Inducing pairs;              /* of the marks; its keys are not looked at */
    AutoTensor *keys, *targets;
    size_t key_count, target_count;
    const bool *key_settled, *target_settled;
    const MarkResult *result;
} Marking;

/* "name 2,3" a line; no shape = not known. */
static AutoTensor *read_tensors(Arena *arena, const char *text, size_t *count)
{
    AutoTensor *list = arena_alloc(arena, (strlen(text) + 1) * sizeof *list);
    *count = 0;
    for (size_t n; *text; text += n + (text[n] != '\0')) {
        n = strcspn(text, "\n");
        char *line = arena_strndup(arena, text, n), *shape = strchr(line, ' ');
        if (!n) continue;
        AutoTensor *tensor = &list[(*count)++];
        *tensor = (AutoTensor){.name = line, .dtype = DT_F32};
        if (!shape) continue;
        *shape++ = '\0';
        int64_t *dims = arena_alloc(arena, 8 * sizeof *dims);
        while (*shape && strcmp(shape, "0") != 0) {      /* "0": a scalar */
            dims[tensor->rank++] = strtoll(shape, &shape, 10);
            shape += *shape == ',';
        }
        tensor->dims = dims;
    }
    return list;
}

static void mark(Marking *one, const char *marks, const char *keys, const char *targets)
{
    inducing_open(&one->pairs, marks, "");
    one->keys = read_tensors(one->pairs.arena, keys, &one->key_count);
    one->targets = read_tensors(one->pairs.arena, targets, &one->target_count);
    const MarkInput input = {one->pairs.bundles, one->pairs.bundle_count, one->keys,
                             one->key_count, one->targets, one->target_count, one->key_settled,
                             one->target_settled};
    one->result = induce_from_marks(one->pairs.arena, &input, &one->pairs.err);
    if (!one->result) fail_msg("%s", one->pairs.err.text);
}

static void unmark(Marking *one)
{
    inducing_close(&one->pairs);
}

/* The rules of a proposal, a line each. */
static void assert_rules(const Marking *one, size_t index, const char *rules)
{
    Text got = {0};
    assert_true(index < one->result->count);
    const Induction *induction = one->result->proposals[index].induction;
    for (size_t i = 0; i < induction->count; i++)
        text_addf(&got, "%s\n", induction->rules[i].text);
    assert_string_equal(text_string(&got), rules);
    text_done(&got);
}

/* ---- going on ---- */

static void one_pair_goes_on_through_all_layers(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "l.0.q.w -> b.0.wq.w\n", "l.0.q.w 4,4\nl.1.q.w 4,4\nl.2.q.w 4,4\nx 4\n",
         "b.0.wq.w 4,4\nb.1.wq.w 4,4\nb.2.wq.w 4,4\ny 5\n");
    assert_rules(&one, 0, "l.{i}.q.w -> b.{i}.wq.w\n");
    assert_int_equal(one.result->proposals[0].loads, 3);
    assert_int_equal(one.result->proposals[0].misses, 0);
    assert_int_equal(one.result->count, 2);
    assert_rules(&one, 1, "l.0.q.w -> b.0.wq.w\n");
    assert_null(one.result->question);
    unmark(&one);
}

static void numbers_may_be_shifted(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "layer1.0.w -> res2.0.w\n",
         "layer1.0.w\nlayer1.1.w\nlayer2.0.w\nlayer3.0.w\n",
         "res2.0.w\nres2.1.w\nres3.0.w\nres4.0.w\n");
    assert_rules(&one, 0, "layer{n}.{i}.w -> res{n+1}.{i}.w\n");
    unmark(&one);
}

static void other_leaves_follow(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "l.0.q.w -> b.0.wq.w\n", "l.0.q.w\nl.1.q.w\nl.0.q.b\nl.1.q.b\nl.0.q.other\n",
         "b.0.wq.w\nb.1.wq.w\nb.0.wq.b\nb.1.wq.b\n");
    assert_rules(&one, 0, "l.{i}.q.{p:w|b} -> b.{i}.wq.{p}\n");
    assert_int_equal(one.result->proposals[0].loads, 4);
    unmark(&one);
}

static void a_prefix_is_shown_by_one_pair(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "module.conv1.weight -> conv1.weight\n",
         "module.conv1.weight 8,3\nmodule.bn1.bias 8\nmodule.layer.0.w 8,8\nmodule.fc.w 10,8\n",
         "conv1.weight 8,3\nbn1.bias 8\nlayer.0.w 8,8\nfc.w 20,8\n");
    assert_int_equal(one.result->proposals[0].loads, 3);
    assert_null(strstr(one.result->proposals[0].text, "fc"));
    assert_null(strstr(one.result->proposals[0].text, "** ->"));
    unmark(&one);
}

/* Of many formulas that two blocks allow, most lead to names that are not there; what is left is
 * i//3 beside (i-1)%3 or (i-1)%2, of which a third pair tells. */
static void the_target_tells_thirds(void **state)
{
    (void)state;
    Text keys = {0}, targets = {0};
    for (int i = 1; i <= 11; i++)
        if (i % 3) {
            text_addf(&keys, "in.%d.w 4\n", i);
            text_addf(&targets, "down.%d.res.%d.w 4\n", (i - 1) / 3, (i - 1) % 3);
        }
    Marking one = {0};
    mark(&one, "in.1.w -> down.0.res.0.w\nin.2.w -> down.0.res.1.w\n", text_string(&keys),
         text_string(&targets));
    assert_int_equal(one.result->proposals[0].loads, 4);
    assert_string_equal(one.result->ask, "in.4.w");
    unmark(&one);
    mark(&one, "in.1.w -> down.0.res.0.w\nin.2.w -> down.0.res.1.w\nin.4.w -> down.1.res.0.w\n",
         text_string(&keys), text_string(&targets));
    assert_rules(&one, 0, "in.{i}.w -> down.{i//3}.res.{(i-1)%3}.w\n");
    assert_int_equal(one.result->proposals[0].loads, 8);
    text_done(&keys);
    text_done(&targets);
    unmark(&one);
}

static void ops_decide_shapes(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "h.0.w -> b.0.w |> t\n", "h.0.w 4,8\nh.1.w 4,8\nh.2.w 8,4\n",
         "b.0.w 8,4\nb.1.w 8,4\nb.2.w 8,4\n");
    assert_rules(&one, 0, "h.0.w -> b.0.w |> T\n");
    assert_int_equal(one.result->count, 2);
    assert_rules(&one, 1, "h.{i:0|1}.w -> b.{i}.w |> T\n");
    assert_int_equal(one.result->proposals[1].misses, 1);
    assert_string_equal(one.result->proposals[1].problem,
                        "h.2.w -> b.2.w: it is not there, or has another shape");
    unmark(&one);
}

static void splits_and_joins_go_on(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "h.0.qkv -> b.0.q, b.0.k, b.0.v |> split(3)\n", "h.0.qkv 12,4\nh.1.qkv 12,4\n",
         "b.0.q 4,4\nb.0.k 4,4\nb.0.v 4,4\nb.1.q 4,4\nb.1.k 4,4\nb.1.v 4,4\n");
    assert_rules(&one, 0, "h.{i}.qkv -> b.{i}.q, b.{i}.k, b.{i}.v |> split(3)\n");
    assert_int_equal(one.result->proposals[0].loads, 6);
    unmark(&one);
    mark(&one, "b.0.q + b.0.k -> h.0.qk |> cat(0)\n",
         "b.0.q 4,4\nb.0.k 4,4\nb.1.q 4,4\nb.1.k 4,4\n", "h.0.qk 8,4\nh.1.qk 8,4\n");
    assert_rules(&one, 0, "b.{i}.q, b.{i}.k -> h.{i}.qk |> cat(0)\n");
    unmark(&one);
}

/* ---- misfires ---- */

static void what_misfires_is_withdrawn(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "l.0.w -> b.0.w\n", "l.0.w 4\nl.1.w 4\nl.2.w 4\n", "b.0.w 4\nb.1.w 4\n");
    assert_rules(&one, 0, "l.0.w -> b.0.w\n");
    assert_rules(&one, 1, "l.{i:0|1}.w -> b.{i}.w\n");
    assert_int_equal(one.result->proposals[1].misses, 1);
    assert_string_equal(one.result->ask, "l.1.w");
    assert_string_equal(one.result->question,
                        "where does l.1.w go? 2 keys of its kind go nowhere yet");
    unmark(&one);
}

static void what_is_settled_is_not_taken_apart(void **state)
{
    (void)state;
    static const bool keys[] = {false, true, false}, targets[] = {false, true, false};
    Marking one = {.key_settled = keys, .target_settled = targets};
    mark(&one, "l.0.w -> b.0.w\n", "l.0.w 4\nl.1.w 4\nl.2.w 4\n", "b.0.w 4\nb.1.w 4\nb.2.w 4\n");
    assert_rules(&one, 0, "l.0.w -> b.0.w\n");
    assert_rules(&one, 1, "l.{i:0|2}.w -> b.{i}.w\n");
    assert_int_equal(one.result->proposals[1].breaks, 1);
    assert_string_equal(one.result->proposals[1].problem,
                        "l.1.w -> b.1.w: one of the two is settled already");
    unmark(&one);
}

/* The second half of a stage's name follows from the stage, if its number may stay as it is: (n+1)//3
 * goes one further, to a layer of another kind. */
static void a_division_that_nothing_speaks_for_is_not_followed_alone(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "dark2.1.c.w -> stage1.1.main.w\ndark3.1.c.w -> stage2.1.main.w\n",
         "dark2.1.c.w 4\ndark3.1.c.w 4\ndark4.1.c.w 4\ndark5.1.c.w 4\ndark5.2.c.w 4\n",
         "stage1.1.main.w 4\nstage2.1.main.w 4\nstage3.1.main.w 4\nstage4.2.main.w 4\n"
         "stage4.1.spp.w 4\n");
    assert_rules(&one, 0, "dark{n:2-4}.1.c.w -> stage{n-1}.1.main.w\n");
    unmark(&one);
}

/* block2_sep1 -> block1.0 is more likely of block 2 than of sep 1. */
static void a_number_does_not_skip_an_earlier_one(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "block2_sep1.k -> block1.0.w\n",
         "block2_sep1.k 4\nblock2_sep2.k 4\nblock3_sep1.k 4\nblock3_sep2.k 4\n"
         "block4_sep1.k 4\nblock4_sep2.k 4\n",
         "block1.0.w 4\nblock1.3.w 4\nblock2.1.w 4\nblock2.4.w 4\nblock3.1.w 4\n"
         "block3.4.w 4\n");
    assert_rules(&one, 0, "block2_sep1.k -> block1.0.w\n");
    unmark(&one);
}

/* When nothing fits any more as it is, what could be cut into the open targets is asked about. */
static void the_question_may_be_about_parts(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "l.0.n -> b.0.norm\n",
         "l.0.n 4\nl.1.n 4\nl.0.qkv 12,4\nl.1.qkv 12,4\nmask 7,7\n",
         "b.0.norm 4\nb.1.norm 4\nb.0.q 4,4\nb.0.k 4,4\nb.0.v 4,4\nb.1.q 4,4\nb.1.k 4,4\n"
         "b.1.v 4,4\n");
    assert_string_equal(one.result->ask, "l.0.qkv");
    assert_int_equal(one.result->ask_keys, 2);
    unmark(&one);
    mark(&one, "l.0.n -> b.0.norm\n", "l.0.n 4\nl.1.n 4\nmask 7,7\n",
         "b.0.norm 4\nb.1.norm 4\nb.0.q 4,4\n");
    assert_null(one.result->ask);
    unmark(&one);
}

/* Both numbers of the mark are 0: which of the target's follows which is not told. */
/* Numbers keep their order, unless marks show otherwise. */
static void numbers_change_places_only_where_marks_show_it(void **state)
{
    (void)state;
    Marking one = {0};
    static const char keys[] = "l.0.0.w 4\nl.0.1.w 4\nl.1.0.w 4\nl.1.1.w 4\n";
    static const char targets[] = "b.0.0.w 4\nb.0.1.w 4\nb.1.0.w 4\nb.1.1.w 4\n";
    mark(&one, "l.0.0.w -> b.0.0.w\n", keys, targets);
    assert_rules(&one, 0, "l.{i}.{j}.w -> b.{i}.{j}.w\n");
    unmark(&one);
    mark(&one, "l.0.1.w -> b.1.0.w\n", keys, targets);
    assert_int_equal(one.result->proposals[0].loads, 1);
    unmark(&one);
    mark(&one, "l.0.1.w -> b.1.0.w\nl.0.2.w -> b.2.0.w\nl.1.1.w -> b.1.1.w\n",
         "l.0.0.w\nl.0.1.w\nl.0.2.w\nl.1.0.w\nl.1.1.w\nl.1.2.w\n",
         "b.0.0.w\nb.1.0.w\nb.2.0.w\nb.0.1.w\nb.1.1.w\nb.2.1.w\n");
    assert_rules(&one, 0, "l.{i}.{j}.w -> b.{j}.{i}.w\n");
    unmark(&one);
    mark(&one, "a3.m.c1.w -> d.0.x.c1.w\n", "a3.m.c1.w\na3.m.c2.w\na4.m.c1.w\na4.m.c2.w\n",
         "d.0.x.c1.w\nd.0.x.c2.w\nd.1.x.c1.w\nd.1.x.c2.w\n");
    assert_null(strstr(one.result->proposals[0].text, "{m-1}"));
    unmark(&one);
}

/* block1.bn is the first norm of its block, which has no other; block2.bn is the second one. */
static void a_way_that_contradicts_a_mark_has_misfired(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "block1.bn.w -> b.0.first.w\nblock2.bn.w -> b.1.second.w\n"
               "block2.pre.w -> b.1.first.w\n",
         "block1.bn.w 4\nblock2.bn.w 4\nblock2.pre.w 4\nblock3.bn.w 4\nblock3.pre.w 4\n",
         "b.0.first.w 4\nb.1.first.w 4\nb.1.second.w 4\nb.2.first.w 4\nb.2.second.w 4\n");
    assert_int_equal(one.result->proposals[0].loads, 4);
    const Induction *induction = one.result->proposals[0].induction;
    for (size_t i = 0; i < induction->count; i++)
        if (strstr(induction->rules[i].text, ".first.w") && strstr(induction->rules[i].text, "bn"))
            assert_string_equal(induction->rules[i].text, "block1.bn.w -> b.0.first.w");
    unmark(&one);
}

/* A counter has no shape that could tell: the weight beside it has one. */
static void counters_follow_their_weights(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "in.1.count -> e1.n1.count\n",
         "in.1.weight 4\nin.1.count 0\nin.4.weight 4\nin.4.count 0\n",
         "e1.n1.weight 4\ne1.n1.count 0\ne4.n4.weight 8\ne4.n4.count 0\ne1.n2.weight 4\n"
         "e1.n2.count 0\n");
    assert_null(strstr(one.result->proposals[0].text, "in.4"));
    assert_null(strstr(one.result->proposals[0].text, "{i}"));
    unmark(&one);
}

static void ways_that_disagree_are_left_to_a_question(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "l.0.0.w -> b.0.w\n", "l.0.0.w 4\nl.0.1.w 4\nl.1.0.w 4\nl.1.1.w 4\n",
         "b.0.w 4\nb.1.w 4\n");
    assert_rules(&one, 0, "l.0.0.w -> b.0.w\n");
    assert_string_equal(one.result->ask, "l.0.1.w");
    unmark(&one);
    mark(&one, "l.0.0.w -> b.0.0.w\nl.0.1.w -> b.0.1.w\n",
         "l.0.0.w 4\nl.0.1.w 4\nl.1.0.w 4\nl.1.1.w 4\n",
         "b.0.0.w 4\nb.0.1.w 4\nb.1.0.w 4\nb.1.1.w 4\n");
    assert_rules(&one, 0, "l.{i}.{j}.w -> b.{i}.{j}.w\n");
    unmark(&one);
}

static void the_question_is_about_the_largest_kind(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "a.w -> x.w\n", "a.w 4\nl.0.p 4\nl.1.p 4\nl.2.p 4\nm.0 4\nbig.0 9\nbig.1 9\n"
         "big.2 9\nbig.3 9\n", "x.w 4\nb.0 4\nb.1 4\nb.2 4\n");
    assert_string_equal(one.result->ask, "l.0.p");
    assert_int_equal(one.result->ask_keys, 3);
    unmark(&one);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    Marking one = {0};
    inducing_open(&one.pairs, "a -> b\n", "");
    const AutoTensor key = {.name = "a"}, other = {.name = "c"};
    MarkInput input = {one.pairs.bundles, 1, &key, 1, &other, 1, NULL, NULL};
    assert_null(induce_from_marks(one.pairs.arena, &input, &one.pairs.err));
    assert_error_has(one.pairs.err, "the target has no key 'b'");
    input.keys = &other;
    assert_null(induce_from_marks(one.pairs.arena, &input, &one.pairs.err));
    assert_error_has(one.pairs.err, "the source has no key 'a'");
    unmark(&one);
}

/* ---- real key sets ---- */

static void write_tensors(const Value *pair, const char *side, Text *out)
{
    const Value *list = value_get(value_get(pair, side), "tensors");
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *item = list->list.items[i].value, *shape = value_get(item, "shape");
        text_addf(out, "%s", value_get_string(item, "key", NULL));
        for (size_t d = 0; d < shape->list.count; d++)
            text_addf(out, "%c%lld", d ? ',' : ' ',
                      (long long)shape->list.items[d].value->integer);
        text_addc(out, '\n');
    }
}

/* Whether a name belongs to one of the first two layers, or to none. */
static bool is_early(const char *name)
{
    for (; *name; name++)
        if (is_digit(*name)) return name[0] < '2' && !is_digit(name[1]);
    return true;
}

/* Two layers of typing: everything else follows, and nothing else. */
static void two_layers_show_the_rest(void **state)
{
    (void)state;
    static const char *const names[] = {"hf_llama7b_to_meta", "hf_llama3_8b_to_meta",
                                        "hf_llama7b_to_gguf_sorted"};
    for (size_t k = 0; k < countof(names); k++) {
        Arena *arena = arena_new();
        const Value *pair = json_file(arena, arena_printf(arena, "../shared/pairs/%s.json", names[k]));
        if (!pair) {
            print_message("../shared/pairs is not there: not tested\n");
            arena_free(arena);
            skip();
        }
        const Value *truth = value_get(pair, "truth");
        Text marks = {0}, keys = {0}, targets = {0};
        NameMap right;
        map_init(&right);
        for (size_t i = 0; i < truth->list.count; i++) {
            const ValueItem *line = truth->list.items[i].value->list.items;
            const char *from = line[0].value->string, *to = line[1].value->string;
            map_set(&right, arena_printf(arena, "%s>%s", from, to), 1);
            if (is_early(from)) text_addf(&marks, "%s -> %s\n", from, to);
        }
        write_tensors(pair, "source", &keys);
        write_tensors(pair, "target", &targets);
        Marking one = {0};
        mark(&one, text_string(&marks), text_string(&keys), text_string(&targets));
        const MarkProposal *best = &one.result->proposals[0];
        for (size_t i = 0; i < best->bundle_count; i++) {
            const Bundle *bundle = &best->bundles[i];
            const char *both = arena_printf(arena, "%s>%s", bundle->sources[0].names[0],
                                            bundle->targets[0]);
            if (map_get(&right, both) == MAP_NONE) fail_msg("%s: wrong: %s", names[k], both);
        }
        assert_int_equal(best->bundle_count, truth->list.count);
        print_message("%s: %zu marks, %zu of %zu, %zu rules\n", names[k],
                      one.pairs.bundle_count, best->bundle_count, truth->list.count,
                      best->induction->count);
        map_done(&right);
        text_done(&marks);
        text_done(&keys);
        text_done(&targets);
        unmark(&one);
        arena_free(arena);
    }
}

/* Two blocks of two norms: norm1 may go through the blocks, or block 0 through its norms. What the
 * other tail's names would be is as little decided. */
static void tails_follow_only_where_the_ways_agree(void **state)
{
    (void)state;
    Marking one = {0};
    mark(&one, "l.0.norm1.w -> b.0.before.w\n",
         "l.0.norm1.w 4\nl.0.norm1.b 4\nl.0.norm2.w 4\nl.0.norm2.b 4\n"
         "l.1.norm1.w 4\nl.1.norm1.b 4\nl.1.norm2.w 4\nl.1.norm2.b 4\n",
         "b.0.before.w 4\nb.0.before.b 4\nb.1.before.w 4\nb.1.before.b 4\n");
    assert_rules(&one, 0, "l.0.norm1.* -> b.0.before.*\n");
    unmark(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_follow_only_where_the_ways_agree),
        cmocka_unit_test(one_pair_goes_on_through_all_layers),
        cmocka_unit_test(numbers_may_be_shifted),
        cmocka_unit_test(other_leaves_follow),
        cmocka_unit_test(a_prefix_is_shown_by_one_pair),
        cmocka_unit_test(the_target_tells_thirds),
        cmocka_unit_test(ops_decide_shapes),
        cmocka_unit_test(splits_and_joins_go_on),
        cmocka_unit_test(what_misfires_is_withdrawn),
        cmocka_unit_test(what_is_settled_is_not_taken_apart),
        cmocka_unit_test(a_division_that_nothing_speaks_for_is_not_followed_alone),
        cmocka_unit_test(a_number_does_not_skip_an_earlier_one),
        cmocka_unit_test(the_question_may_be_about_parts),
        cmocka_unit_test(numbers_change_places_only_where_marks_show_it),
        cmocka_unit_test(a_way_that_contradicts_a_mark_has_misfired),
        cmocka_unit_test(counters_follow_their_weights),
        cmocka_unit_test(ways_that_disagree_are_left_to_a_question),
        cmocka_unit_test(the_question_is_about_the_largest_kind),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(two_layers_show_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
