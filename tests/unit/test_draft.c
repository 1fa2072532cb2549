/* Drafts: what statements do to keys, and what they say when they hit nothing or too much. */
#include "tests/unit/drafts.h"

/* ---- strip ---- */

static void test_strip_once(void **state)
{
    (void)state;
    Case c = case_open("module.a.w;module.module.b;x.module.c;d", NULL);
    assert_true(run_strip(&c, "module.", false, false));
    assert_string_equal(keys_of(&c), "a.w | module.b | x.module.c | d");
    assert_string_equal(steps_of(&c, draft_at(c.draft, 0)->step),
                        "a.w <- module.a.w (fix.lua:3 strip \"module.\")");
    assert_null(draft_at(c.draft, 3)->step);
    assert_int_equal(draft_note_count(c.draft), 0);
    case_close(&c);
}

static void test_strip_several_in_order(void **state)
{
    (void)state;
    const char *const prefixes[] = {"module.", "_orig_mod."};
    Case c = case_open("module._orig_mod.a;_orig_mod.module.b", NULL);
    assert_true(draft_strip(c.draft, here, prefixes, 2, false, false, &c.err));
    assert_string_equal(keys_of(&c), "a | module.b");
    case_close(&c);
    c = case_open("module._orig_mod.a;_orig_mod.module.b", NULL);
    assert_true(draft_strip(c.draft, here, prefixes, 2, true, false, &c.err));
    assert_string_equal(keys_of(&c), "a | b");
    case_close(&c);
}

static void test_strip_all_or_nothing(void **state)
{
    (void)state;
    Case c = case_open("module.conv1.weight;epoch", NULL);       /* P4 */
    assert_true(run_strip(&c, "module.", false, true));
    assert_string_equal(keys_of(&c), "module.conv1.weight | epoch");
    assert_part(notes_of(&c), "1 of 2 keys do not begin with \"module.\"");
    case_close(&c);
    c = case_open("module.module.a;module.module.b", NULL);
    assert_true(run_strip(&c, "module.", false, true));
    assert_string_equal(keys_of(&c), "module.a | module.b");
    assert_true(run_strip(&c, "module.", true, true));
    assert_string_equal(keys_of(&c), "a | b");
    case_close(&c);
}

static void test_strip_notes(void **state)
{
    (void)state;
    Case c = case_open("backbone.a;backbone.b;head/w", NULL);
    assert_true(run_strip(&c, "module.", false, false));
    assert_string_equal(notes_of(&c), "strip \"module.\" hits none of 3 keys; top levels here: "
                                      "backbone (2), head (1)\n");
    case_close(&c);
    c = case_open("module.a;modules.b", NULL);
    assert_true(run_strip(&c, "module", false, false));
    assert_string_equal(keys_of(&c), ".a | s.b");
    assert_part(notes_of(&c), "strip \"module\" also cuts \"modules\"");
    case_close(&c);
}

static void test_strip_refuses(void **state)
{
    (void)state;
    Case c = case_open("module.;a", NULL);
    assert_false(run_strip(&c, "", true, false));
    assert_error_has(c.err, "empty text");
    assert_false(run_strip(&c, "module.", false, false));
    assert_error_has(c.err, "'module.' with an empty name");
    assert_string_equal(keys_of(&c), "module. | a");
    case_close(&c);
}

static void test_arguments_are_literal(void **state)
{
    (void)state;
    Case c = case_open("a.b.x;a.*x", NULL);
    assert_true(run_strip(&c, "a.*", false, false));
    assert_string_equal(keys_of(&c), "a.b.x | x");
    case_close(&c);
}

/* ---- collisions ---- */

static void test_collision_is_recorded_and_goes_on(void **state)
{
    (void)state;
    Case c = case_open("module.a.w 1;a.w 2;b.module.c 3", NULL);     /* E6 */
    assert_true(run_strip(&c, "module.", false, false));
    assert_string_equal(keys_of(&c), "a.w ! | b.module.c 3");
    assert_int_equal(draft_collision_count(c.draft), 1);
    const Collision *met = draft_collision(c.draft, 0);
    assert_string_equal(met->name, "a.w");
    assert_int_equal(met->source_count, 2);
    assert_string_equal(met->sources[0], "module.a.w");
    assert_string_equal(met->sources[1], "a.w");
    assert_string_equal(met->what, "strip \"module.\"");
    assert_int_equal(met->origin.line, 3);
    assert_int_equal(met->tensor_count, 2);
    assert_int_equal(met->last_tensor, 1);
    assert_string_equal(met->tensors[0]->name, "module.a.w");
    const DraftKey *key = draft_at(c.draft, 0);
    assert_int_equal(key->collision, 1);
    assert_int_equal(key->last->dims[0], 2);
    assert_string_equal(key->step->from, "module.a.w, a.w");
    assert_int_equal(key->step->before_count, 1);
    /* later statements rename it, rules take it, what comes of it stands for it */
    assert_true(run_sub(&c, "a -> z"));
    assert_true(run_rules(&c, "z.w -> y1, y2 |> copy"));
    assert_string_equal(keys_of(&c), "y1 ! | y2 ! | b.module.c 3");
    assert_int_equal(draft_at(c.draft, 1)->collision, 1);
    assert_int_equal(draft_collision_count(c.draft), 1);
    case_close(&c);
}

static void check_last_wins(Case *c)
{
    assert_true(draft_close(c->draft, &c->err));
    assert_string_equal(keys_of(c), "a.w 2 | b 4");
    assert_int_equal(draft_collision_count(c->draft), 0);
    assert_int_equal(draft_at(c->draft, 0)->collision, 0);
    assert_part(steps_of(c, draft_dropped(c->draft, 0)), "dropped <- a.w");
    assert_part(steps_of(c, draft_dropped(c->draft, 0)), "collide=\"last\"");
    assert_null(draft_dropped(c->draft, 1));
    assert_part(notes_of(c), "2 keys became 'a.w'; the last one stays");
    case_close(c);
}

static void test_collide_last_before_and_after(void **state)
{
    (void)state;
    Case c = case_open("module.a.w 1;a.w 2;b 4", NULL);
    draft_policy(c.draft)->collide = COLLIDE_LAST;
    assert_true(run_strip(&c, "module.", false, false));
    check_last_wins(&c);
    c = case_open("module.a.w 1;a.w 2;b 4", NULL);
    assert_true(run_strip(&c, "module.", false, false));
    draft_policy(c.draft)->collide = COLLIDE_LAST;
    check_last_wins(&c);
}

static void test_collisions_meet_again(void **state)
{
    (void)state;
    Case c = case_open("x.a 1;y.a 2;z.a 3;b 4", NULL);
    assert_true(run_rules(&c, "x.a -> y.a"));
    assert_true(run_rules(&c, "y.a -> z.a"));
    assert_string_equal(keys_of(&c), "z.a ! | b 4");
    assert_int_equal(draft_collision_count(c.draft), 2);
    assert_int_equal(draft_collision(c.draft, 1)->tensor_count, 3);
    assert_int_equal(draft_collision(c.draft, 1)->last_tensor, 2);
    draft_policy(c.draft)->collide = COLLIDE_LAST;
    assert_true(draft_close(c.draft, &c.err));
    assert_string_equal(keys_of(&c), "z.a 3 | b 4");
    case_close(&c);
}

static void test_dropping_a_collision(void **state)
{
    (void)state;
    Case c = case_open("x.a 1;y.a 2", NULL);
    assert_true(run_rules(&c, "*.a -> a"));
    assert_string_equal(keys_of(&c), "a !");
    assert_true(run_rules(&c, "a ->"));
    assert_string_equal(keys_of(&c), "");
    assert_non_null(draft_dropped(c.draft, 0));
    assert_non_null(draft_dropped(c.draft, 1));
    assert_int_equal(draft_collision_count(c.draft), 1);
    case_close(&c);
}

/* ---- keep, prefix, seg ---- */

static void test_keep(void **state)
{
    (void)state;
    for (int dot = 0; dot < 2; dot++) {
        Case c = case_open("backbone.conv1.weight;backbones.x;head.w;backbone", NULL);   /* E2 */
        assert_true(draft_keep(c.draft, here, dot ? "backbone." : "backbone", &c.err));
        assert_string_equal(keys_of(&c), "conv1.weight");
        assert_string_equal(steps_of(&c, draft_dropped(c.draft, 2)),
                            dot ? "dropped <- head.w (fix.lua:3 keep \"backbone.\")"
                                : "dropped <- head.w (fix.lua:3 keep \"backbone\")");
        assert_null(draft_dropped(c.draft, 0));
        case_close(&c);
    }
    Case c = case_open("scope/kernel;scope/a/b;other", NULL);
    assert_true(draft_keep(c.draft, here, "scope", &c.err));
    assert_string_equal(keys_of(&c), "kernel | a/b");
    case_close(&c);
}

static void test_keep_of_nothing_is_an_error(void **state)
{
    (void)state;
    Case c = case_open("neck.w", NULL);                              /* E7 */
    assert_false(draft_keep(c.draft, here, "backbone.", &c.err));
    assert_string_equal(c.err.text,
                        "sub-level \"backbone.\" fits no key; top levels here: neck (1)");
    assert_string_equal(keys_of(&c), "neck.w");
    assert_null(draft_dropped(c.draft, 0));
    case_close(&c);
    c = case_open("module.backbone.w;module.head", NULL);
    assert_false(draft_keep(c.draft, here, "backbone", &c.err));
    assert_string_equal(c.err.text, "sub-level \"backbone.\" fits no key; top levels here: module "
                                    "(2); did you mean  strip \"module.\"  first?");
    case_close(&c);
}

static void test_prefix(void **state)
{
    (void)state;
    Case c = case_open("a.w;b", NULL);
    assert_true(draft_prefix(c.draft, here, "backbone.bottom_up.", &c.err));
    assert_string_equal(keys_of(&c), "backbone.bottom_up.a.w | backbone.bottom_up.b");
    assert_int_equal(draft_note_count(c.draft), 0);
    assert_true(draft_prefix(c.draft, here, "x", &c.err));
    assert_part(notes_of(&c), "a final dot is missing");
    case_close(&c);
}

static void test_seg(void **state)
{
    (void)state;
    const char *const segments[] = {"_orig_mod", "module"};
    Case c = case_open("_orig_mod.a.module.w;module.module.b;x.modules.w;a/module/k;e.module;f",
                       NULL);
    assert_true(draft_seg(c.draft, here, segments, 2, &c.err));
    assert_string_equal(keys_of(&c), "a.w | b | x.modules.w | a/k | e | f");
    assert_part(steps_of(&c, draft_at(c.draft, 1)->step), "{\"_orig_mod\", \"module\"}");
    assert_true(draft_seg(c.draft, here, segments, 2, &c.err));
    assert_part(notes_of(&c), "hits none of 6 keys; top levels here: a (2), b (1)");
    case_close(&c);
    c = case_open("module;a", NULL);
    assert_false(draft_seg(c.draft, here, segments, 2, &c.err));
    assert_error_has(c.err, "'module' with an empty name");
    case_close(&c);
}

/* ---- sub ---- */

static void test_sub(void **state)
{
    (void)state;
    Case c = case_open("b.0.attn.w;b.0.attn2.w;ln_1.b", NULL);
    assert_true(run_sub(&c, "attn -> self_attn\n"
                            "b.{i} -> layers.{i}; ln_{n} -> norm{n}; nope -> x"));
    assert_string_equal(keys_of(&c), "layers.0.self_attn.w | layers.0.attn2.w | norm1.b");
    assert_string_equal(steps_of(&c, draft_at(c.draft, 0)->step),
                        "layers.0.self_attn.w <- b.0.self_attn.w (fix.lua:4 b.{i} -> layers.{i}); "
                        "b.0.self_attn.w <- b.0.attn.w (fix.lua:3 attn -> self_attn)");
    assert_string_equal(notes_of(&c), "nope -> x: fits in no key\n");
    case_close(&c);
    c = case_open("a;x.a", NULL);
    assert_false(run_sub(&c, "b -> c\na ->"));
    assert_string_equal(c.err.text, "fix.lua:4: a ->: leaves 'a' with an empty name");
    assert_string_equal(keys_of(&c), "a | x.a");
    case_close(&c);
    c = case_open("a.x;b.x", NULL);
    assert_true(run_sub(&c, "a -> c\nb -> c"));
    assert_int_equal(draft_collision(c.draft, 0)->origin.line, 4);
    assert_string_equal(draft_collision(c.draft, 0)->what, "b -> c");
    case_close(&c);
}

/* Found by fuzz_rules: each line doubled the name, and forty took all memory. */
static void test_sub_cannot_double_a_name_forever(void **state)
{
    (void)state;
    Case c = case_open("a.w;b", NULL);
    Text text = {0};
    for (int i = 0; i < 40; i++) text_add(&text, "{x:*} -> {x}{x}\n");
    assert_false(run_sub(&c, text_string(&text)));
    assert_int_equal(c.err.code, ERR_LIMIT);
    assert_error_has(c.err, "fix.lua:17: {x:*} -> {x}{x}: makes a name of more than 65536 bytes");
    assert_string_equal(keys_of(&c), "a.w | b");
    text_done(&text);
    case_close(&c);
}

/* ---- each ---- */

static bool visit(void *context, const DraftKey *key, EachResult *result, Error *err)
{
    Draft *draft = context;
    if (strcmp(key->name, "drop") == 0) result->drop = true;
    else if (strcmp(key->name, "same") == 0) result->unchanged = true;
    else if (strcmp(key->name, "bad") == 0) return error_set(err, ERR_RULE, "boom");
    else if (strcmp(key->name, "two") == 0) {
        result->count = 2;
        result->items[0].name = "one";
        result->items[1].name = "other";
        result->items[1].expr = expr_transpose(draft_arena(draft), key->expr, err);
    } else {
        result->count = 1;
        result->items[0].name = "renamed";
    }
    return true;
}

static void test_each(void **state)
{
    (void)state;
    Case c = case_open("drop;same;two 2,3;x", NULL);
    assert_true(draft_each(c.draft, here, visit, c.draft, &c.err));
    assert_string_equal(keys_of(&c), "same | one 2,3 | other 3,2 | renamed");
    assert_non_null(draft_dropped(c.draft, 0));
    assert_string_equal(draft_find(c.draft, "other")->step->ops, "function");
    assert_null(draft_find(c.draft, "one")->step->ops);
    assert_null(draft_find(c.draft, "same")->step);
    case_close(&c);
    c = case_open("x;bad", NULL);
    assert_false(draft_each(c.draft, here, visit, c.draft, &c.err));
    assert_string_equal(keys_of(&c), "x | bad");
    case_close(&c);
}

/* ---- containers ---- */

static Object *pair(Checkpoint *source, Object *dict, const char *key, Object *value)
{
    Arena *arena = checkpoint_arena(source);
    object_push(arena, dict, object_str(arena, key));
    object_push(arena, dict, value);
    return dict;
}

/* {epoch: 6, state_dict: {model_state: {a, b}}, ema: {a}, list: [{c}], optimizer: …} */
static Case open_nested(const char *inside)
{
    Case c = {.source = checkpoint_new("last.ckpt", "torch-zip")};
    Arena *arena = checkpoint_arena(c.source);
    Object *state = object_new(arena, OBJ_DICT), *model = object_new(arena, OBJ_DICT);
    Object *ema = object_new(arena, OBJ_DICT), *root = object_new(arena, OBJ_DICT);
    Object *list = object_new(arena, OBJ_LIST), *item = object_new(arena, OBJ_DICT);
    pair(c.source, model, "a", object_new(arena, OBJ_TENSOR));
    pair(c.source, item, "c", object_new(arena, OBJ_TENSOR));
    object_push(arena, list, item);
    pair(c.source, root, "epoch", object_int(arena, 6));
    pair(c.source, root, "state_dict", pair(c.source, state, "model_state", model));
    pair(c.source, root, "ema", ema);
    pair(c.source, root, "list", list);
    checkpoint_set_root(c.source, root);
    checkpoint_add_container(c.source, "state_dict.model_state", dict_from("a 1;b 2"), 0, false);
    checkpoint_add_container(c.source, "ema", dict_from("e 3"), 0, false);
    checkpoint_add_container(c.source, "list[0]", dict_from("c 4"), 0, false);
    checkpoint_add_container(c.source, "optimizer.state", dict_from("0 5"), 0, true);
    c.draft = draft_new(c.source, inside, NULL, 0);
    return c;
}

static void test_unwrap_takes_each_that_is_there(void **state)
{
    (void)state;
    const char *const names[] = {"state_dict", "nope", "model_state"};
    Case c = open_nested(NULL);
    assert_true(draft_unwrap(c.draft, here, names, 3, false, &c.err));
    assert_string_equal(keys_of(&c), "a 1 | b 2");
    assert_string_equal(draft_container(c.draft), "state_dict.model_state");
    assert_int_equal(draft_rivals(c.draft), 0);
    assert_int_equal(draft_note_count(c.draft), 0);
    case_close(&c);
}

static void test_unwrap_table_takes_the_first(void **state)
{
    (void)state;
    const char *const names[] = {"model_ema", "ema", "state_dict"};
    Case c = open_nested(NULL);
    assert_true(draft_unwrap(c.draft, here, names, 3, true, &c.err));
    assert_string_equal(keys_of(&c), "e 3");
    case_close(&c);
}

static void test_unwrap_one_level_over_the_tensors(void **state)
{
    (void)state;
    const char *const name = "state_dict";
    Case c = open_nested(NULL);
    assert_true(draft_unwrap(c.draft, here, &name, 1, false, &c.err));
    assert_string_equal(keys_of(&c), "a 1 | b 2");
    assert_string_equal(draft_container(c.draft), "state_dict.model_state");
    case_close(&c);
}

static void test_unwrap_of_nothing(void **state)
{
    (void)state;
    const char *const names[] = {"model", "net"};
    Case c = open_nested(NULL);
    assert_false(draft_unwrap(c.draft, here, names, 2, false, &c.err));
    assert_error_has(c.err, "unwrap: no \"model\", \"net\" in the file; it holds epoch = int 6, "
                            "state_dict = dict (1), ema = dict (0)");
    case_close(&c);
    c = case_open("a;b", NULL);
    assert_true(draft_unwrap(c.draft, here, names, 2, false, &c.err));
    assert_string_equal(notes_of(&c),
                        "unwrap \"model\", \"net\": not there, but the file is a bare state dict "
                        "already\n");
    assert_string_equal(keys_of(&c), "a | b");
    case_close(&c);
}

static void test_unwrap_starts_at_path(void **state)
{
    (void)state;
    const char *const name = "model_state";
    Case c = open_nested("state_dict");
    assert_true(draft_unwrap(c.draft, here, &name, 1, false, &c.err));
    assert_string_equal(keys_of(&c), "a 1 | b 2");
    case_close(&c);
}

static void test_unwrap_goes_on_and_comes_first(void **state)
{
    (void)state;
    const char *const first = "state_dict", *const second = "model_state";
    Case c = open_nested(NULL);
    assert_true(draft_unwrap(c.draft, here, &first, 1, false, &c.err));
    assert_true(draft_ready(c.draft, &c.err));              /* looking is no statement */
    assert_true(draft_unwrap(c.draft, here, &second, 1, false, &c.err));
    assert_true(run_strip(&c, "x.", false, false));
    assert_false(draft_unwrap(c.draft, here, &first, 1, false, &c.err));
    assert_error_has(c.err, "must stand before");
    assert_string_equal(keys_of(&c), "a 1 | b 2");
    case_close(&c);
}

static void test_paths_inside(void **state)
{
    (void)state;
    Case c = open_nested("list[0]");
    assert_string_equal(keys_of(&c), "c 4");
    case_close(&c);
    c = open_nested("state_dict");
    assert_string_equal(keys_of(&c), "a 1 | b 2");
    case_close(&c);
    c = open_nested("epoch");
    assert_part(keys_of(&c), "last.ckpt: no tensors lie in 'epoch'; the file holds epoch = int 6");
    case_close(&c);
    c = open_nested("nowhere.x[3]");
    assert_part(keys_of(&c), "there is no 'nowhere.x[3]'");
    case_close(&c);
}

static void test_automatic_choice(void **state)
{
    (void)state;
    Case c = open_nested(NULL);
    assert_string_equal(keys_of(&c), "a 1 | b 2");
    case_close(&c);
}

/* ---- the rest ---- */

static void test_what_is_put_aside(void **state)
{
    (void)state;
    Case c = case_open("a", NULL);
    Pattern *pattern = pattern_compile(draft_arena(c.draft), "head.**", 7, &c.err);
    draft_keep_target(c.draft, here, pattern);
    const Pattern *list[] = {pattern};
    draft_expect(c.draft, &(Expect){.origin = here, .missing = list, .missing_count = 1,
                                    .loaded = -1});
    draft_expect(c.draft, &(Expect){.origin = here, .loaded = 318});
    list[0] = NULL;
    size_t count;
    const KeepTarget *keeps = draft_keep_targets(c.draft, &count);
    assert_int_equal(count, 1);
    assert_ptr_equal(keeps[0].pattern, pattern);
    const Expect *expects = draft_expects(c.draft, &count);
    assert_int_equal(count, 2);
    assert_ptr_equal(expects[0].missing[0], pattern);
    assert_int_equal(expects[1].loaded, 318);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strip_once), cmocka_unit_test(test_strip_several_in_order),
        cmocka_unit_test(test_strip_all_or_nothing), cmocka_unit_test(test_strip_notes),
        cmocka_unit_test(test_strip_refuses), cmocka_unit_test(test_arguments_are_literal),
        cmocka_unit_test(test_collision_is_recorded_and_goes_on),
        cmocka_unit_test(test_collide_last_before_and_after),
        cmocka_unit_test(test_collisions_meet_again), cmocka_unit_test(test_dropping_a_collision),
        cmocka_unit_test(test_keep), cmocka_unit_test(test_keep_of_nothing_is_an_error),
        cmocka_unit_test(test_prefix), cmocka_unit_test(test_seg), cmocka_unit_test(test_sub),
        cmocka_unit_test(test_sub_cannot_double_a_name_forever),
        cmocka_unit_test(test_each), cmocka_unit_test(test_unwrap_takes_each_that_is_there),
        cmocka_unit_test(test_unwrap_table_takes_the_first),
        cmocka_unit_test(test_unwrap_one_level_over_the_tensors),
        cmocka_unit_test(test_unwrap_of_nothing), cmocka_unit_test(test_unwrap_starts_at_path),
        cmocka_unit_test(test_unwrap_goes_on_and_comes_first), cmocka_unit_test(test_paths_inside),
        cmocka_unit_test(test_automatic_choice), cmocka_unit_test(test_what_is_put_aside),
    };
    return cmocka_run_group_tests_name("draft", tests, NULL, NULL);
}
