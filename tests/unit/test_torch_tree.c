/* torch: the object tree: which containers are found, what they are called, whole modules,
 * and trees that are too deep, cyclic or repeat themselves. */
#include <stdio.h>

#include "loader/core/limits.h"
#include "tests/unit/torch_maker.h"

static const float numbers[4] = {1, 2, 3, 4};

static Checkpoint *open_pickle(Text *p, Error *err)
{
    return open_zip_of(p, numbers, sizeof numbers, err);
}

static Checkpoint *opens(Text *p)
{
    Error err = {0};
    Checkpoint *checkpoint = open_pickle(p, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* Opcodes with a tensor for each '@'; NUL ends them. */
static void put_tree(Text *p, const char *opcodes)
{
    for (; *opcodes; opcodes++) {
        if (*opcodes == '@') put_floats(p, "0", 4);
        else text_addc(p, *opcodes);
    }
}

static Checkpoint *open_tree(const char *opcodes)
{
    Text p = {0};
    put_tree(&p, opcodes);
    return opens(&p);
}

static void test_bare_tensor(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("@");
    has_keys(c, "", " ");
    checkpoint_unref(c);
}

static void test_no_tensors(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = open_tree("}U\x01" "aK\x01s");
    has_keys(c, "", "");
    assert_int_equal(container(c, "")->others, 1);
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, ""));
    assert_null(checkpoint_choose_weights(c, NULL, &err));
    assert_error_has(err, "there are no tensors in it; it holds a = int 1");
    checkpoint_unref(c);
    c = open_tree("N");
    assert_int_equal(checkpoint_container_count(c), 0);
    checkpoint_unref(c);
}

static void test_lists_and_tuples(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("](@K\x05@(@(@NttU\x01we");
    has_keys(c, "", "[0] [2] ");
    assert_int_equal(container(c, "")->others, 3);
    has_keys(c, "[3]", "[0] ");
    has_keys(c, "[3][1]", "[0] ");
    checkpoint_unref(c);
}

static void test_training_checkpoint(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}(U\x05"
                              "epochK\x03U\x0Astate_dictccollections\nOrderedDict\n)R(U\x01"
                              "a@U\x03"
                              "b.w@u"
                              "}U\x09_metadataccollections\nOrderedDict\n)RsbU\x09optimizer}("
                              "U\x05state}(K\x01}(U\x04stepK\x05"
                              "U\x03"
                              "exp@uK\x02}U\x03"
                              "exp@suU\x0Cparam_groups]uu");
    has_keys(c, "state_dict", "a b.w ");
    assert_false(container(c, "state_dict")->optimizer);
    assert_true(object_is_call(dict_torch_metadata(container(c, "state_dict")->dict), "collections",
                               "OrderedDict"));
    has_keys(c, "optimizer.state[1]", "exp ");
    assert_int_equal(container(c, "optimizer.state[1]")->others, 1);
    assert_true(container(c, "optimizer.state[1]")->optimizer);
    has_keys(c, "optimizer.state", "1.exp 2.exp ");
    assert_true(container(c, "optimizer.state")->optimizer);
    assert_int_equal(checkpoint_container_count(c), 4);
    assert_string_equal(checkpoint_choose(c, NULL, NULL)->path, "state_dict");
    checkpoint_unref(c);
}

static void test_python_2_state_dict(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("ccollections\nOrderedDict\n](](U\x01" "b@e](U\x01" "a@ee\x85R");
    has_keys(c, "", "b a ");
    assert_int_equal(object_as_dict(checkpoint_root(c))->list.count, 4);
    checkpoint_unref(c);
}

static void test_keys_that_need_quotes(void **state)
{
    (void)state;
    Text p = {0};
    text_add(&p, "}(");
    static const char *const keys[] = {"a.b", "",  "x[0]",          "\"\\",
                                       "a::", "7", "plain key-1/2", "\n"};
    for (size_t i = 0; i < countof(keys); i++) {
        put_text(&p, keys[i]);
        put_tree(&p, "}U\x01w@s");
    }
    put_tree(&p, "K\x07}U\x01w@sJ\xFF\xFF\xFF\xFF}U\x01w@sN}U\x01w@su");
    Checkpoint *c = opens(&p);
    static const char *const paths[] = {"[\"a.b\"]", "[\"\"]", "[\"x[0]\"]",    "[\"\\\"\\\\\"]",
                                        "[\"a::\"]", "7",      "plain key-1/2", "[\"\n\"]",
                                        "[7]",       "[-1]",   "[None]"};
    for (size_t i = 0; i < countof(paths); i++) has_keys(c, paths[i], "w ");
    checkpoint_unref(c);
}

static void test_keys_that_are_no_text(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}(K\x05@C\x02hi@\x88@U\x02\xFFz@u");
    has_keys(c, "", "5 hi True \xFFz ");
    checkpoint_unref(c);
}

static void test_last_of_equal_keys_wins(void **state)
{
    (void)state;
    Text p = {0};
    put_tree(&p, "}(U\x01" "a@U\x01" "b@U\x01" "c@U\x01" "bN");
    put_text(&p, "a");
    put_tensor(&p, &(Made){.numel = 4, .dims = {2}, .strides = {1}, .rank = 1});
    text_addc(&p, 'u');
    Checkpoint *c = opens(&p);
    has_keys(c, "", "a c ");
    assert_int_equal(tensor_at(c, "", "a")->dims[0], 2);
    checkpoint_unref(c);
}

static void test_keys_that_only_look_equal(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}(K\x05@U\x01" "5@u");
    has_keys(c, "", "[5] 5 ");
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_non_null(strstr(checkpoint_finding(c, 0)->what, "both written '5'"));
    checkpoint_unref(c);
}

static void test_dict_of_dicts_is_joined(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}(U\x02l1}(U\x01w@U\x01"
                              "b@uU\x02l2}U\x02in}U\x01w@ssU\x03"
                              "act}u");
    has_keys(c, "", "l1.w l1.b l2.in.w ");
    has_keys(c, "l1", "w b ");
    has_keys(c, "l2.in", "w ");
    assert_int_equal(checkpoint_container_count(c), 3);
    assert_string_equal(checkpoint_choose(c, NULL, NULL)->path, "");
    checkpoint_unref(c);
    c = open_tree("}(U\x02l1}U\x01w@sU\x02l2}U\x01w@sU\x03" "num" "K\x01u");
    assert_null(checkpoint_find_container(c, ""));
    checkpoint_unref(c);
    c = open_tree("}(U\x02l1}U\x01w@sU\x02l2]@au");
    assert_null(checkpoint_find_container(c, ""));
    checkpoint_unref(c);
}

static void test_a_dict_in_two_places(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}(U\x05model}U\x01w@sq\x09U\x03" "ema" "h\x09u");
    has_keys(c, "model", "w ");
    has_keys(c, "ema", "w ");
    checkpoint_unref(c);
}

static void test_attributes_and_arguments_of_objects(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}(U\x04norm" "cmy\nNorm\n)\x81}(U\x04mean@U\x03std@ub"
                              "U\x06packed" "ctorch.nn\nPacked\n@@\x86\x81u");
    has_keys(c, "norm", "mean std ");
    has_keys(c, "packed", "[0] [1] ");
    checkpoint_unref(c);
}

/* --- modules -------------------------------------------------------------------------- */

static void put_group(Text *p, const char *name, const Text *items)
{
    put_text(p, name);
    text_add(p, "ccollections\nOrderedDict\n)R");
    if (!items->length) return;
    text_addc(p, '(');
    text_addn(p, items->bytes, items->length);
    text_addc(p, 'u');
}

/* A pickled module; each part is the opcodes of the items of its dict. */
static void put_module(Text *p, const char *parameters, const char *buffers, const Text *modules)
{
    Text items = {0};
    text_add(p, "cmy.models\nNet\n)\x81}(U\x08training\x88");
    put_tree(&items, parameters);
    put_group(p, "_parameters", &items);
    text_clear(&items);
    put_tree(&items, buffers);
    put_group(p, "_buffers", &items);
    put_group(p, "_modules", modules);
    put_text(p, "_non_persistent_buffers_set");
    text_add(p, "c__builtin__\nset\n]U\x04tempa\x85Rub");
    text_done(&items);
}

static void test_whole_module(void **state)
{
    (void)state;
    Text leaf = {0}, inner = {0}, p = {0};
    put_module(&leaf, "U\x01w@U\x01" "bN", "U\x01n@U\x04temp@", &inner);
    text_add(&inner, "U\x04" "conv");
    text_addn(&inner, leaf.bytes, leaf.length);
    text_add(&inner, "q\x07U\x04noneNU\x05" "againh\x07");
    text_addc(&p, '}');
    put_text(&p, "model");
    put_module(&p, "U\x01s@", "", &inner);
    text_addc(&p, 's');
    Checkpoint *c = opens(&p);
    has_keys(c, "model", "s conv.w conv.n again.w again.n ");
    assert_int_equal(checkpoint_container_count(c), 1);
    assert_string_equal(checkpoint_choose(c, NULL, NULL)->path, "model");
    checkpoint_unref(c);
    text_done(&leaf);
    text_done(&inner);
}

static void test_module_inside_itself(void **state)
{
    (void)state;
    Text p = {0};
    put_tree(&p, "cmy\nNet\n)\x81q\x05}(U\x0B_parameters}U\x01w@sU\x08_modules}U\x01mh\x05sub");
    Checkpoint *c = opens(&p);
    const StateDict *dict = container(c, "")->dict;
    assert_int_equal(dict_count(dict), limit(LIMIT_MODULE_DEPTH));
    assert_string_equal(dict_at(dict, 2)->name, "m.m.w");
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_string_equal(checkpoint_finding(c, 0)->kind, "depth");
    assert_non_null(strstr(checkpoint_finding(c, 0)->what, "(modules: 256)"));
    checkpoint_unref(c);
}

static void test_modules_that_multiply(void **state)
{
    (void)state;
    enum { LEVELS = 40 };
    Text p = {0};
    Error err = {0};
    put_tree(&p, "cmy\nNet\n)\x81}(U\x0B_parameters}U\x01w@sU\x08_modules}ub");
    for (int i = 0; i < LEVELS; i++) {
        text_add(&p, "q");
        put(&p, (uint64_t)i, 1);
        put_tree(&p, "cmy\nNet\n)\x81}(U\x0B_parameters}U\x08_modules}(U\x01" "ah");
        put(&p, (uint64_t)i, 1);
        text_add(&p, "U\x01" "bh");
        put(&p, (uint64_t)i, 1);
        text_add(&p, "uub");
    }
    assert_null(open_pickle(&p, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "x.pth: the same parts are repeated so often");
}

/* --- hostile trees -------------------------------------------------------------------- */

static void test_cyclic_trees(void **state)
{
    (void)state;
    Checkpoint *c = open_tree("}q\x05(U\x01w@U\x04selfh\x05U\x01l]q\x06h\x06"
                              "ah\x05"
                              "aU\x01t](h\x05"
                              "(h\x06teu");
    has_keys(c, "", "w ");
    assert_int_equal(checkpoint_container_count(c), 1);
    checkpoint_unref(c);
}

static void test_dicts_that_multiply(void **state)
{
    (void)state;
    enum { LEVELS = 40 };
    Text p = {0};
    Error err = {0};
    put_tree(&p, "}U\x01w@s");
    for (int i = 0; i < LEVELS; i++) {
        text_add(&p, "q");
        put(&p, (uint64_t)i, 1);
        text_add(&p, "}(U\x01" "ah");
        put(&p, (uint64_t)i, 1);
        text_add(&p, "U\x01" "bh");
        put(&p, (uint64_t)i, 1);
        text_addc(&p, 'u');
    }
    assert_null(open_pickle(&p, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "x.pth: the same parts are repeated so often");
}

/* What few bytes can make us do often: COUNT times something of COUNT items. */
static void refuses_repetition(const char *before, const char *item, const char *after,
                               const char *again)
{
    enum { COUNT = 50000 };
    Text p = {0};
    Error err = {0};
    text_add(&p, before);
    for (int i = 0; i < COUNT; i++) text_add(&p, item);
    text_add(&p, after);
    for (int i = 0; i < COUNT; i++) text_add(&p, again);
    text_addc(&p, 'e');
    assert_null(open_pickle(&p, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "x.pth: ");
}

static void test_repetitions_are_paid_for(void **state)
{
    (void)state;
    refuses_repetition("}(", "K\x05N", "uq\x01" "0](", "ca\nB\n)Rh\x01" "b");
    refuses_repetition("](", "NN\x86", "e\x85q\x01" "0ccollections\nOrderedDict\nq\x02" "0](",
                       "h\x02h\x01R");
    refuses_repetition("}(", "K\x05N",
                       "uq\x01" "0cM\nM\nq\x02" "0}(U\x08_modulesh\x01U\x0B_parametersh\x01uq\x03"
                       "0](",
                       "h\x02)Rh\x03" "b");
}

static void test_many_small_containers(void **state)
{
    (void)state;
    enum { COUNT = 400000 };
    Text p = {0};
    Error err = {0};
    put_tree(&p, "@q\x01" "0](");
    for (int i = 0; i < COUNT; i++) text_add(&p, "]h\x01" "a");
    text_addc(&p, 'e');
    assert_null(open_pickle(&p, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void test_number_of_dicts_is_limited(void **state)
{
    (void)state;
    static const char tree[] = "}(U\x01" "a}U\x01w@sU\x01" "b}U\x01w@sU\x01" "c}U\x01w@su";
    Text p = {0}, again = {0};
    Error err = {0};
    put_tree(&p, tree);
    put_tree(&again, tree);
    assert_true(limit_set("containers=2", &err));
    assert_null(open_pickle(&p, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "limit of 2 (--limit containers=N"));
    assert_true(limit_set("containers=1M", &err));
    checkpoint_unref(opens(&again));
}

static void test_listing_is_limited(void **state)
{
    (void)state;
    Text p = {0};
    Error err = {0};
    put_tree(&p, "}U\x01w@s");
    assert_true(limit_set("listing-bytes=0", &err) && limit_set("listing-ratio=0", &err));
    assert_null(open_pickle(&p, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "(--limit listing-bytes=N"));
    assert_true(limit_set("listing-bytes=67108864", &err) && limit_set("listing-ratio=8", &err));
}

static void test_a_million_levels(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    static const char *const shells[] = {"\x85", "l"};
    for (size_t i = 0; i < countof(shells); i++) {
        Text p = {0};
        bool list = *shells[i] == 'l';
        for (int j = 0; list && j < DEPTH; j++) text_addc(&p, '(');
        put_tree(&p, "@");
        for (int j = 0; j < DEPTH; j++) text_add(&p, shells[i]);
        Checkpoint *c = opens(&p);
        assert_int_equal(checkpoint_container_count(c), 0);
        assert_int_equal(checkpoint_finding_count(c), 1);
        assert_non_null(strstr(checkpoint_finding(c, 0)->what, "deeper than 64 levels"));
        checkpoint_unref(c);
    }
}

static void test_a_bad_tensor_a_million_levels_down(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    Text p = {0};
    Error err = {0};
    put_tensor(&p, &(Made){.numel = 4, .dims = {5}, .strides = {1}, .rank = 1});
    for (int i = 0; i < DEPTH; i++) text_addc(&p, '\x85');
    assert_null(open_pickle(&p, &err));
    assert_error_has(err, "x.pth::[0][0][0]");
}

static void test_many_tensors_in_linear_time(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    Text p = {0};
    text_add(&p, "}(");
    for (int i = 0; i < COUNT; i++) {
        char key[32];
        snprintf(key, sizeof key, "layer.%d.weight", i);
        put_text(&p, key);
        put_floats(&p, "0", 4);
    }
    text_addc(&p, 'u');
    Checkpoint *c = opens(&p);
    assert_int_equal(dict_count(container(c, "")->dict), COUNT);
    assert_string_equal(dict_at(container(c, "")->dict, COUNT - 1)->name, "layer.49999.weight");
    checkpoint_unref(c);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bare_tensor),
        TEST(test_no_tensors),
        TEST(test_lists_and_tuples),
        TEST(test_training_checkpoint),
        TEST(test_python_2_state_dict),
        TEST(test_keys_that_need_quotes),
        TEST(test_keys_that_are_no_text),
        TEST(test_last_of_equal_keys_wins),
        TEST(test_keys_that_only_look_equal),
        TEST(test_dict_of_dicts_is_joined),
        TEST(test_a_dict_in_two_places),
        TEST(test_attributes_and_arguments_of_objects),
        TEST(test_whole_module),
        TEST(test_module_inside_itself),
        TEST(test_modules_that_multiply),
        TEST(test_cyclic_trees),
        TEST(test_dicts_that_multiply),
        TEST(test_repetitions_are_paid_for),
        TEST(test_many_small_containers),
        TEST(test_number_of_dicts_is_limited),
        TEST(test_listing_is_limited),
        TEST(test_a_million_levels),
        TEST(test_a_bad_tensor_a_million_levels_down),
        TEST(test_many_tensors_in_linear_time),
    };
    return cmocka_run_group_tests_name("torch tree", tests, NULL, NULL);
}
