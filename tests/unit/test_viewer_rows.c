/* Rows: pairing, runs, strays, folds, filters, problems; what is built from small ledgers. */
#include "tests/unit/test.h"

#include "tests/unit/rows_fixture.h"
#include "viewer/change.h"
#include "viewer/finder.h"
#include "viewer/trie.h"

static void test_same_names(void **state)
{
    (void)state;
    build("a.weight b.c.weight b.d.weight x", "a.weight b.c.weight b.d.weight x", NULL);
    assert_rows("a.weight|=|a.weight\nb|=|b\nx|=|x\n");
    open_everything();
    assert_rows("a.weight|=|a.weight\nb|=|b\n.c.weight|=|.c.weight\n.d.weight|=|.d.weight\n"
                "x|=|x\n");
    const Row *b = &model->rows[find_row("b", SIDE_TARGET)];
    assert_int_equal(b->loaded, 2);
    assert_int_equal(b->targets, 2);
    assert_int_equal(b->sources, 2);
}

static void test_wrapper(void **state)
{
    (void)state;
    build("module.a.weight module.b.weight:3", "a.weight b.weight:4", "module.");
    open_everything();
    assert_rows("module| |_\n.a.weight|→|a.weight\n.b.weight|≠|b.weight\n");
    rows_open_all(model, false);
    assert_rows("module|≠|_\n");   /* closed: the worst of what is inside */
}

/* The source's names are longer, or deeper, or have no module where the target has one. */
static void test_target_wrapper(void **state)
{
    (void)state;
    build("a.weight:2 b.weight:3 old", "net.a.weight:2 net.b.weight:3", NULL);
    open_everything();
    assert_rows("a.weight|·|_\nb.weight|·|_\nold|·|_\n"
                "_|○|net\n_|○|.a.weight\n_|○|.b.weight\n");
}

static void test_runs(void **state)
{
    (void)state;
    const char *names = "l.0.w l.0.b l.0.n l.1.w l.1.b l.1.n l.2.w l.2.b:3 l.2.n l.3.w l.3.b l.3.n "
                        "l.5.w l.5.b l.5.n l.6.w l.6.b l.6.n";
    build(names, names, NULL);
    assert_rows("l.{0-3,5-6}|=|l.{0-3,5-6}\n");
    assert_int_equal(model->rows[0].members, 6);
    assert_string_equal(model->rows[0].odd, "2");
    assert_int_equal(model->rows[0].loaded, 18);
    rows_open_all(model, true);   /* a run with exceptions opens, the runs in it do not */
    assert_rows("l.{0-3,5-6}|=|l.{0-3,5-6}\n.{0-1}|=|.{0-1}\n.2|=|.2\n..w|=|..w\n..b|=|..b\n"
                "..n|=|..n\n.{3,5-6}|=|.{3,5-6}\n");
    uint32_t odd = find_row("l.2", SIDE_TARGET), others = find_row("l.{3,5-6}", SIDE_TARGET);
    assert_true(rows_is_exception(model, odd));
    assert_false(rows_is_exception(model, others));
    assert_true(row_is_run(&model->rows[others]));
    Text what = {0};
    rows_tell_exception(model, odd, &what);
    assert_string_equal(text_string(&what), "b f32 3 exact, else f32 2 exact");
    text_done(&what);
    rows_open_all(model, false);
    rows_set_open(model, 0, true);
    rows_set_open(model, others, true);
    rows_set_open(model, find_row("l.5", SIDE_TARGET), true);
    assert_rows("l.{0-3,5-6}|=|l.{0-3,5-6}\n.{0-1}|=|.{0-1}\n.2|=|.2\n.{3,5-6}|=|.{3,5-6}\n"
                "..3|=|..3\n..5|=|..5\n...w|=|...w\n...b|=|...b\n...n|=|...n\n..6|=|..6\n");
}

/* A block is an exception where a state differs, not only a shape; so is one that has nothing on
 * a side. */
static void test_run_states(void **state)
{
    (void)state;
    build("l.0.a l.0.b l.1.a l.2.a l.2.b l.3.a l.3.b",
          "l.0.a l.0.b l.1.a l.1.b l.2.a l.2.b l.3.a l.3.b", NULL);
    assert_rows("l.{0-3}|○|l.{0-3}\n");
    assert_string_equal(model->rows[0].odd, "1");
    Text what = {0};
    rows_tell_exception(model, find_row("l.1", SIDE_TARGET), &what);
    assert_string_equal(text_string(&what), "b f32 2 missing, else f32 2 exact");
    text_done(&what);
}

static void test_run_lacks_a_side(void **state)
{
    (void)state;
    build("l.0.a l.0.b l.2.a l.2.b l.3.a l.3.b l.4.a l.4.b",
          "l.0.a l.0.b l.1.a l.1.b l.2.a l.2.b l.3.a l.3.b", NULL);
    rows_open_all(model, true);
    rows_set_open(model, find_row("l.0", SIDE_TARGET), false);
    rows_set_open(model, find_row("l.1", SIDE_TARGET), false);
    assert_rows("l| |_\n.{0,2-3}| |l.{0-3}\n..0|=|.0\n.._|○|.1\n..{2-3}|=|.{2-3}\n"
                ".4.a|·|_\n.4.b|·|_\n");
    assert_string_equal(model->rows[find_row("l.{0-3}", SIDE_TARGET)].odd, "1");
    Text what = {0};
    rows_tell_exception(model, find_row("l.1", SIDE_TARGET), &what);
    assert_string_equal(text_string(&what), "a f32 2 missing, else f32 2 exact");
    text_done(&what);
}

/* Where exceptions are as many as the rest, each stretch is a row of its own. */
static void test_runs_in_turn(void **state)
{
    (void)state;
    const char *names = "l.0.a l.0.b l.0.c l.1.a l.1.b l.2.a l.2.b l.2.c l.3.a l.3.b "
                        "l.4.a l.4.b l.4.c l.5.a l.5.b";
    build(names, names, NULL);
    open_everything();
    for (uint32_t i = 0; i < model->count; i++) assert_null(model->rows[i].odd);
    for (uint32_t i = 0; i < model->count; i++) assert_int_equal(model->rows[i].members, 0);
}

static void test_leading_zeros_are_no_numbers(void **state)
{
    (void)state;
    const char *names = "l.00.a l.00.b l.00.c l.01.a l.01.b l.01.c";
    build(names, names, NULL);
    open_everything();
    assert_rows("l|=|l\n.00|=|.00\n..a|=|..a\n..b|=|..b\n..c|=|..c\n"
                ".01|=|.01\n..a|=|..a\n..b|=|..b\n..c|=|..c\n");
}

static void test_runs_of_tensors(void **state)
{
    (void)state;
    build("p.0 p.1 p.2 p.3:9", "p.0 p.1 p.2 p.3:9", NULL);
    assert_rows("p.{0-2}|=|p.{0-2}\np.3|=|p.3\n");
}

/* In a file that is sorted by name 10 comes before 2. */
static void test_runs_in_any_order(void **state)
{
    (void)state;
    Text names = {0};
    static const int order[] = {0, 1, 10, 11, 12, 2, 3, 5, 6, 7, 8, 9, 4};
    for (size_t i = 0; i < countof(order); i++)
        text_addf(&names, "%sl.%d.a l.%d.b l.%d.c", i ? " " : "", order[i], order[i], order[i]);
    build(text_string(&names), text_string(&names), NULL);
    text_done(&names);
    assert_rows("l.{0-12}|=|l.{0-12}\n");
    assert_int_equal(model->rows[0].members, 13);
}

/* A long run with holes is cut rather than shortened. */
static void test_many_ranges(void **state)
{
    (void)state;
    Text names = {0};
    for (int i = 0; i < 60; i += 2) text_addf(&names, "%sl.%d.a l.%d.b l.%d.c", i ? " " : "", i, i, i);
    build(text_string(&names), text_string(&names), NULL);
    text_done(&names);
    assert_rows("l.{0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30}|=|"
                "l.{0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30}\n"
                "l.{32,34,36,38,40,42,44,46,48,50,52,54,56,58}|=|"
                "l.{32,34,36,38,40,42,44,46,48,50,52,54,56,58}\n");
}

static void test_strays(void **state)
{
    (void)state;
    build("m.a.w m.a.old m.b.x m.b.y m.b.z m.c.w q.w", "a.w c.w", "m.");
    open_everything();
    assert_rows("m| |_\n.a.w|→|a.w\n.a.old|·|_\n.b|·|_\n..x|·|_\n..y|·|_\n..z|·|_\n"
                ".c.w|→|c.w\nq.w|·|_\n");
}

static void test_no_target(void **state)
{
    (void)state;
    build("m.a.w m.b.w", NULL, "m.");
    open_everything();
    assert_rows("m|→|_\n.a.w|→|a.w\n.b.w|→|b.w\n");
}

static void test_empty_sides(void **state)
{
    (void)state;
    build("a", "b c.d", NULL);
    open_everything();
    assert_rows("a|·|_\n_|○|b\n_|○|c.d\n");
}

static void test_tensor_and_module_of_one_name(void **state)
{
    (void)state;
    build("a a.b a.c.d a.c.e", "a a.b a.c.d a.c.e", NULL);
    open_everything();
    assert_rows("a|=|a\na|=|a\n.b|=|.b\n.c.d|=|.c.d\n.c.e|=|.c.e\n");
}

static void test_alphabetical_target(void **state)
{
    (void)state;
    source = checkpoint_new("source", "test");
    const char *names = "l.1.a:1 l.10.a:10 l.11.a:11 l.2.a:2";
    StateDict *dict = make_dict(names);
    dict_set_ordered(dict, false);
    checkpoint_add_container(source, "", dict, 0, false);
    Alignment *alignment = align_with(NULL);
    model = rows_new(alignment);
    align_unref(alignment);
    assert_rows("l.1.a|=|l.1.a\nl.2.a|=|l.2.a\nl.10.a|=|l.10.a\nl.11.a|=|l.11.a\n");
}

static void test_deep_names(void **state)
{
    (void)state;
    Text name = {0};
    for (int i = 0; i < 5000; i++) text_add(&name, "a.");
    text_add(&name, "w b");
    build(text_string(&name), text_string(&name), NULL);
    open_everything();
    assert_int_equal(model->visible_count, 2);
    text_done(&name);
}

static void test_problems(void **state)
{
    (void)state;
    build("a.w b.w:3 b.x b.y c.w", "a.w b.w:4 b.x b.y c.w d", NULL);
    assert_int_equal(model->problems, 2);
    uint32_t first = rows_next_problem(model, 0, +1);
    assert_int_equal(first, find_row("b.w", SIDE_TARGET));
    uint32_t second = rows_next_problem(model, first, +1);
    assert_int_equal(second, find_row("d", SIDE_TARGET));
    assert_int_equal(rows_next_problem(model, second, +1), ROW_NONE);
    assert_int_equal(rows_next_problem(model, second, -1), first);
    assert_int_equal(rows_next_problem(model, first, -1), ROW_NONE);
    rows_reveal(model, first);
    assert_int_equal(model->visible[rows_visible_at(model, first)], first);
}

static void test_filter(void **state)
{
    (void)state;
    build("a.w b.w:3 b.x b.y c.w gone", "a.w b.w:4 b.x b.y c.w d", NULL);
    set_filter("problems");
    assert_rows("b| |b\n.w|≠|.w\n_|○|d\n");
    set_filter("unused");
    assert_rows("gone|·|_\n");   /* what was offered stands with its target */
    set_filter("all");   /* folds are as they were */
    assert_rows("a.w|=|a.w\nb|≠|b\nc.w|=|c.w\ngone|·|_\n_|○|d\n");
    assert_int_equal(state_mask_of("shape"), 1u << ROW_SHAPE);
    assert_int_equal(state_mask_of("nonsense"), 0);
}

static void test_first_view(void **state)
{
    (void)state;
    build("a.x a.y a.z b.w:3 b.x b.y c.d.x c.d.y c.d.z c.w",
          "a.x a.y a.z b.w:4 b.x b.y c.d.x c.d.y c.d.z c.w", NULL);
    rows_open_some(model, 6);
    assert_rows("a|=|a\nb| |b\n.w|≠|.w\n.x|=|.x\n.y|=|.y\nc|=|c\n");
}

static void test_folds_survive(void **state)
{
    (void)state;
    build("m.a.x m.a.y m.a.z m.b.x m.b.y m.b.z", "a.x a.y a.z b.x b.y b.z", NULL);
    rows_set_open(model, find_row("a", SIDE_TARGET), true);
    uint32_t cursor = find_row("a.y", SIDE_TARGET);
    Alignment *after = align_with("m.");
    RowModel *next = rows_new(after);
    rows_open_like(next, model);
    uint32_t same = rows_same(next, model, cursor);
    assert_string_equal(rows_binding(next, same)->name, "a.y");
    uint32_t stray = find_row("m.b.y", SIDE_SOURCE);   /* it found its target meanwhile */
    assert_string_equal(rows_binding(next, rows_same(next, model, stray))->name, "b.y");
    rows_free(model);
    model = next;
    align_unref(after);
    rows_set_open(model, 0, true);
    assert_rows("m|→|_\n.a|→|a\n..x|→|.x\n..y|→|.y\n..z|→|.z\n.b|→|b\n");
}

static void test_finder(void **state)
{
    (void)state;
    build("m.Norm.w m.b.norm m.c", "Norm.w b.norm c", "m.");
    Finder finder = {0};
    finder_start(&finder, "norm");
    while (finder_step(&finder, model, 1)) continue;
    assert_int_equal(finder.count, 2);
    uint32_t first = find_row("Norm.w", SIDE_TARGET), second = find_row("b.norm", SIDE_TARGET);
    assert_int_equal(finder_next(&finder, 0, +1, true), first);
    assert_int_equal(finder_next(&finder, first, +1, false), second);
    assert_int_equal(finder_next(&finder, second, +1, false), first);
    assert_int_equal(finder_next(&finder, first, -1, false), second);
    assert_int_equal(finder_rank(&finder, second), 2);
    assert_int_equal(finder_rank(&finder, 0), 0);
    finder_start(&finder, "Norm");
    while (finder_step(&finder, model, 100)) continue;
    assert_int_equal(finder.count, 1);
    finder_start(&finder, "m.c");   /* the source's name counts as well */
    while (finder_step(&finder, model, 100)) continue;
    assert_int_equal(finder.count, 1);
    finder_start(&finder, "");
    assert_false(finder_step(&finder, model, 100));
    assert_int_equal(finder_next(&finder, 0, +1, true), ROW_NONE);
    finder_done(&finder);
}

static void test_changes(void **state)
{
    (void)state;
    build("m.a m.b c", "a b c m.a", NULL);
    Alignment *after = align_with("m.");
    Changes changes;
    changes_init(&changes, model->alignment, after);
    Text text = {0};
    changes_show(&changes, &text);
    assert_string_equal(text_string(&text), "load 2, break 1");
    changes_mark(model, &changes);
    assert_int_equal(model->marks[find_row("a", SIDE_TARGET)], CHANGE_LOAD);
    assert_int_equal(model->marks[find_row("m.a", SIDE_TARGET)], CHANGE_BREAK);
    assert_int_equal(model->marks[find_row("c", SIDE_TARGET)], CHANGE_NONE);
    changes_mark(model, NULL);
    assert_null(model->marks);
    changes_done(&changes);
    text_done(&text);
    align_unref(after);
}

static void test_trie_borders(void **state)
{
    (void)state;
    Trie trie;
    trie_init(&trie);
    const char *names[] = {"a.b", "a/c", "a.d", "", ".", "x..y", "a.b.c"};
    for (size_t i = 0; i < countof(names); i++) trie_add(&trie, names[i]);
    uint32_t dot = trie.nodes[trie.leaves[0]].parent, slash = trie.nodes[trie.leaves[1]].parent;
    assert_int_not_equal(dot, slash);
    assert_int_equal(trie.nodes[trie.leaves[2]].parent, dot);
    assert_int_equal(trie.nodes[trie.leaves[3]].parent, 0);
    assert_int_equal(trie_common(&trie, trie.leaves[0], trie.leaves[2]), dot);
    assert_int_equal(trie_common(&trie, trie.leaves[0], trie.leaves[1]), 0);
    assert_int_equal(trie_common(&trie, TRIE_NONE, slash), slash);
    trie_done(&trie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_same_names, drop),
        cmocka_unit_test_teardown(test_wrapper, drop),
        cmocka_unit_test_teardown(test_target_wrapper, drop),
        cmocka_unit_test_teardown(test_runs, drop),
        cmocka_unit_test_teardown(test_run_states, drop),
        cmocka_unit_test_teardown(test_run_lacks_a_side, drop),
        cmocka_unit_test_teardown(test_runs_in_turn, drop),
        cmocka_unit_test_teardown(test_leading_zeros_are_no_numbers, drop),
        cmocka_unit_test_teardown(test_runs_of_tensors, drop),
        cmocka_unit_test_teardown(test_runs_in_any_order, drop),
        cmocka_unit_test_teardown(test_many_ranges, drop),
        cmocka_unit_test_teardown(test_strays, drop),
        cmocka_unit_test_teardown(test_no_target, drop),
        cmocka_unit_test_teardown(test_empty_sides, drop),
        cmocka_unit_test_teardown(test_tensor_and_module_of_one_name, drop),
        cmocka_unit_test_teardown(test_alphabetical_target, drop),
        cmocka_unit_test_teardown(test_deep_names, drop),
        cmocka_unit_test_teardown(test_problems, drop),
        cmocka_unit_test_teardown(test_filter, drop),
        cmocka_unit_test_teardown(test_first_view, drop),
        cmocka_unit_test_teardown(test_folds_survive, drop),
        cmocka_unit_test_teardown(test_finder, drop),
        cmocka_unit_test_teardown(test_changes, drop),
        cmocka_unit_test(test_trie_borders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
