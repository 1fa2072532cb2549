/* What is on show of the list, and in which order: texts that keys are tested by, filters, sorts. */
#include "tests/unit/test.h"

#include "tests/unit/rows_fixture.h"
#include "viewer/finder.h"
#include "viewer/row_key.h"

static bool fits(const char *text, const char *name)
{
    Error err = {0};
    NameTest test;
    bool fit = false;
    if (!name_test_init(&test, text, &err)) fail_msg("%s: %s", text, err.text);
    if (!name_test_fits(&test, name, &fit, &err)) fail_msg("%s: %s", text, err.text);
    name_test_done(&test);
    return fit;
}

static void test_plain_text(void **state)
{
    (void)state;
    assert_true(fits("", "anything"));
    assert_true(fits("norm", "a.LayerNorm.w"));
    assert_false(fits("NORM", "a.LayerNorm.w"));
    assert_true(fits("Norm", "a.LayerNorm.w"));
    assert_true(fits("r.w", "a.layer.w"));
    assert_false(fits("r.w", "a.layerxw"));
}

/* Whole segments, at any place. */
static void test_globs(void **state)
{
    (void)state;
    assert_true(fits("*.bias", "a.b.bias"));
    assert_true(fits("b*", "a.bc.w"));
    assert_false(fits("b*", "a.cb.w"));
    assert_true(fits("layers.{i}.w", "m.layers.31.w"));
    assert_false(fits("layers.{i}.w", "m.layers.x.w"));
    assert_true(fits("layers.{0-3}", "layers.2.attn.w"));
    assert_false(fits("layers.{0-3}", "layers.4.attn.w"));
    assert_true(fits("**.{k,q}.w", "a.q.w"));
    assert_false(fits("**.{k,q}.w", "a.v.w"));
    assert_true(fits("a.**", "a.b.c"));
    Error err = {0};
    NameTest test;
    assert_false(name_test_init(&test, "a{", &err));   /* not yet whole */
    assert_int_not_equal(err.code, ERR_NONE);
    name_test_done(&test);
}

static void test_regexes(void **state)
{
    (void)state;
    assert_true(fits("/", "anything"));
    assert_true(fits("/^a\\.(b|c)", "a.c.w"));
    assert_true(fits("/^a\\.(b|c)/", "a.c.w"));
    assert_false(fits("/^a\\.(b|c)/", "x.a.c.w"));
    assert_true(fits("/b\\//", "a.b/c"));
    assert_true(fits("/\xc3\xa9$", "caf\xc3\xa9"));
    assert_true(fits("/^.\xff", "a\xff" "b"));   /* what is no UTF-8 is looked at byte by byte */
    Error err = {0};
    NameTest test;
    assert_false(name_test_init(&test, "/(a", &err));
    assert_non_null(strstr(err.text, "parenthesis"));
    name_test_done(&test);
}

/* A pattern that can be matched in too many ways ends the search, not the program. */
static void test_slow_regex(void **state)
{
    (void)state;
    const char *name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac";
    build(name, NULL, NULL);
    Finder finder = {0};
    finder_start(&finder, "/(a|aa)+[bd]");
    while (finder_step(&finder, model, 100)) continue;
    assert_true(finder.done);
    assert_int_equal(finder.problem.code, ERR_LIMIT);
    assert_int_equal(finder.count, 0);
    finder_start(&finder, "aac");   /* the next one knows nothing of it */
    while (finder_step(&finder, model, 100)) continue;
    assert_int_equal(finder.problem.code, ERR_NONE);
    assert_int_equal(finder.count, 1);
    finder_done(&finder);
    Error err = {0};
    RowFilter filter;
    assert_true(row_filter_parse(&filter, "/(a|aa)+[bd]", &err));
    rows_set_filter(model, &filter);
    assert_false(rows_filter_due(model));
    assert_int_equal(model->visible_count, 0);
}

/* Words must all hold; states, dtypes and ranks are alternatives among each other. */
static void test_filters_combine(void **state)
{
    (void)state;
    build("a.w:4 a.b:4 a.n:i8 c.w:3 gone:100", "a.w:4 a.b:4 a.n:i8 c.w:5 d.b:7", NULL);
    set_filter("shape missing");
    assert_rows("c.w|≠|c.w\n_|○|d.b\n");
    assert_int_equal(model->passed, 2);
    set_filter("shape missing *.b");
    assert_rows("_|○|d.b\n");
    assert_int_equal(model->passed, 1);
    set_filter("i64");
    assert_rows("a|=|a\n.n|=|.n\n");
    set_filter("!i64 exact");
    assert_rows("a|=|a\n.w|=|.w\n.b|=|.b\n");
    set_filter("!exact !*.b");
    assert_rows("c.w|≠|c.w\ngone|·|_\n");
    set_filter(">20 <=64B");
    assert_rows("a|=|a\n.n|=|.n\n_|○|d.b\n");
    set_filter(">=0.1kB");
    assert_rows("gone|·|_\n");
    set_filter("1d .w");
    assert_rows("a|=|a\n.w|=|.w\nc.w|≠|c.w\n");
    set_filter("2d");
    assert_rows("");
    set_filter("\"exact\"");   /* a text */
    assert_rows("");
    set_filter("problems");
    assert_rows("c.w|≠|c.w\n_|○|d.b\n");
    set_filter("all");
    assert_int_equal(model->passed, 6);
    assert_rows("a|=|a\nc.w|≠|c.w\ngone|·|_\n_|○|d.b\n");
}

/* A run of which only some blocks fit is opened to them. */
static void test_filter_parts_runs(void **state)
{
    (void)state;
    const char *names = "l.0.a.w l.0.a.b l.0.a.c l.1.a.w l.1.a.b l.1.a.c l.2.a.w l.2.a.b l.2.a.c";
    build(names, names, NULL);
    set_filter("w");
    assert_rows("l.{0-2}|=|l.{0-2}\n");
    set_filter("l.1");
    assert_rows("l.{0-2}|=|l.{0-2}\n.1.a|=|.1.a\n..w|=|..w\n..b|=|..b\n..c|=|..c\n");
}

static void assert_refused(const char *words, const char *why)
{
    Error err = {0};
    RowFilter filter;
    assert_false(row_filter_parse(&filter, words, &err));
    if (!strstr(err.text, why)) fail_msg("%s", err.text);
}

static void test_wrong_filters(void **state)
{
    (void)state;
    assert_refused(">much", "'>much' is no size");
    assert_refused("<5XB", "is no size");
    assert_refused("exact /(", "/(: ");
    assert_refused("a b c d e f g h i", "8 texts at most");
    assert_refused("!>5MB", "say <");
    Error err = {0};
    RowFilter filter;
    assert_true(row_filter_parse(&filter, "a b c d e f g h", &err));
    row_filter_done(&filter);
    assert_true(row_filter_parse(&filter, " / \"\" ", &err));   /* looks for nothing */
    assert_int_equal(filter.name_count, 0);
    row_filter_done(&filter);
}

static void test_confidence_filter(void **state)
{
    (void)state;
    RowFacts sure = {.states = 1, .rank = 1, .sure = 1}, guess = {.states = 1, .rank = 1,
                                                                    .sure = 0.8F};
    RowFacts open = {.states = 1, .rank = 1, .sure = -1};
    RowFilter filter;
    Error err = {0};
    assert_true(row_filter_parse(&filter, "<90%", &err));
    assert_false(row_filter_fits(&filter, &sure));
    assert_true(row_filter_fits(&filter, &guess));
    assert_false(row_filter_fits(&filter, &open));
    row_filter_done(&filter);
    assert_true(row_filter_parse(&filter, ">=80%", &err));
    assert_true(row_filter_fits(&filter, &sure));
    assert_true(row_filter_fits(&filter, &guess));
    row_filter_done(&filter);
}

static void sort_rows(RowOrder order)
{
    uint32_t row = 0;
    rows_sort(model, order);
    assert_true(rows_sort_take(model, &row));
}

/* Siblings change places with all that is below them; a row that is followed is found again. */
static void test_orders(void **state)
{
    (void)state;
    build("z.x:3 z.b:9 z.a:4 b10:1 b9:2 gone:50 k:8", "b10:1 b9:2 z.a:4 z.b:9 z.x:5 k:8 m:1",
          NULL);
    open_everything();
    uint32_t row = find_row("z.b", SIDE_TARGET);
    rows_sort(model, ORDER_NAME);
    assert_true(rows_sort_take(model, &row));
    assert_int_equal(row, find_row("z.b", SIDE_TARGET));
    assert_rows("b9|=|b9\nb10|=|b10\ngone|·|_\nk|=|k\n_|○|m\nz| |z\n.a|=|.a\n.b|=|.b\n.x|≠|.x\n");
    sort_rows(ORDER_SIZE);
    assert_rows("gone|·|_\nz| |z\n.b|=|.b\n.x|≠|.x\n.a|=|.a\nk|=|k\nb9|=|b9\nb10|=|b10\n_|○|m\n");
    sort_rows(ORDER_STATE);
    assert_rows("z| |z\n.x|≠|.x\n.a|=|.a\n.b|=|.b\n_|○|m\ngone|·|_\nb10|=|b10\nb9|=|b9\nk|=|k\n");
    sort_rows(ORDER_SOURCE);
    assert_rows("z| |z\n.x|≠|.x\n.b|=|.b\n.a|=|.a\nb10|=|b10\nb9|=|b9\ngone|·|_\nk|=|k\n_|○|m\n");
    assert_int_equal(model->row_of_use[5], find_row("gone", SIDE_SOURCE));
    assert_int_equal(rows_find(model, "k"), find_row("k", SIDE_TARGET));
    assert_int_equal(rows_find(model, "gone"), find_row("gone", SIDE_SOURCE));
    assert_int_equal(rows_find(model, "nothing"), ROW_NONE);
    for (uint32_t i = 0; i < model->count; i++) {
        const uint32_t parent = model->rows[i].parent, end = model->spans[i].end;
        assert_true(end > i && end <= model->count);
        assert_true(parent == ROW_NONE || model->spans[parent].end >= end);
    }
    sort_rows(ORDER_TARGET);
    assert_rows("b10|=|b10\nb9|=|b9\ngone|·|_\nz| |z\n.a|=|.a\n.b|=|.b\n.x|≠|.x\nk|=|k\n_|○|m\n");
}

/* A filter stays, what was open too; one that was not through begins again. */
static void test_sort_with_filter(void **state)
{
    (void)state;
    build("a.x:3 a.y:9 a.z:4 b:1", "a.x:3 a.y:9 a.z:4 b:1", NULL);
    set_filter("a.*");
    assert_rows("a|=|a\n.x|=|.x\n.y|=|.y\n.z|=|.z\n");
    sort_rows(ORDER_SIZE);
    assert_rows("a|=|a\n.y|=|.y\n.z|=|.z\n.x|=|.x\n");
    set_filter("");
    assert_rows("a|=|a\nb|=|b\n");
}

/* Many rows are sorted by a thread, which can be told to stop. */
static void test_sort_in_background(void **state)
{
    (void)state;
    enum { MANY = 30000 };
    Text names = {0};
    for (int i = 0; i < MANY; i++) text_addf(&names, "%sk%x:1", i ? " " : "", i * 7919 % MANY);
    build(text_string(&names), NULL, NULL);
    text_done(&names);
    uint32_t row = ROW_NONE;
    for (int i = 0; i < 3; i++) rows_sort(model, i % 2 ? ORDER_SIZE : ORDER_NAME);
    rows_sort_cancel(model);
    assert_int_equal(rows_order(model), ORDER_TARGET);
    rows_sort(model, ORDER_NAME);
    assert_int_equal(rows_order(model), ORDER_NAME);
    while (!rows_sort_take(model, &row)) continue;
    assert_null(model->sorting);
    for (uint32_t i = 1; i < model->count; i++) {
        const char *above = rows_binding(model, i - 1)->name, *below = rows_binding(model, i)->name;
        assert_true(natural_compare(above, below) < 0);
    }
    rows_sort(model, ORDER_TARGET);   /* freed while it is at work */
}

/* What the map is made from: exact over any stretch, whatever its blocks. */
static void test_visible_states(void **state)
{
    (void)state;
    enum { MANY = 1000, WRONG = 777 };
    Text source_names = {0}, target_names = {0};
    for (int i = 0; i < MANY; i++) {
        text_addf(&source_names, "%sx%dy:1", i ? " " : "", i);
        text_addf(&target_names, "%sx%dy:%d", i ? " " : "", i, i == WRONG ? 2 : 1);
    }
    build(text_string(&source_names), text_string(&target_names), NULL);
    text_done(&source_names);
    text_done(&target_names);
    assert_int_equal(model->visible_count, MANY);
    assert_true(rows_visible_states(model, 0, MANY) & STATE_PROBLEM);
    assert_false(rows_visible_states(model, 0, WRONG) & STATE_PROBLEM);
    assert_true(rows_visible_states(model, WRONG, WRONG + 1) & STATE_PROBLEM);
    assert_false(rows_visible_states(model, WRONG + 1, MANY) & STATE_PROBLEM);
    assert_int_equal(rows_visible_states(model, 5, 5), 0);
}

/* Ways to go on, one a line, for comparison. */
typedef struct Offers {
    char list[64][64];
    size_t count;
} Offers;

static void take_offer(void *context, const char *key, size_t n)
{
    Offers *offers = context;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)n, key);
    for (size_t i = 0; i < offers->count; i++)
        if (strcmp(offers->list[i], text) == 0) return;
    assert_true(offers->count < countof(offers->list));
    strcpy(offers->list[offers->count++], text);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void offer_if(Offers *offers, const char *word, const char *key)
{
    if (strncmp(key, word, strlen(word)) != 0) return;
    const size_t n = strlen(word) + strcspn(key + strlen(word), ".");
    take_offer(offers, key, n + (key[n] != '\0'));
}

/* The same by looking at every key. */
static Offers all_offers(const char *word)
{
    Offers offers = {.count = 0};
    const Alignment *alignment = model->alignment;
    for (size_t i = 0; i < align_count(alignment); i++)
        offer_if(&offers, word, align_binding(alignment, i)->name);
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        if (use->status == USE_UNUSED) offer_if(&offers, word, row_stray_key(use));
    }
    return offers;
}

static void assert_offers(const char *word)
{
    Offers wanted = all_offers(word), offers = {.count = 0};
    row_key_offers(model, word, take_offer, &offers);
    assert_int_equal(offers.count, wanted.count);
    qsort(offers.list, offers.count, sizeof *offers.list, compare_texts);
    qsort(wanted.list, wanted.count, sizeof *wanted.list, compare_texts);
    for (size_t i = 0; i < wanted.count; i++) assert_string_equal(offers.list[i], wanted.list[i]);
}

/* Every beginning of every key. */
static void assert_all_offers(const char *keys)
{
    char word[64] = "";
    assert_offers("");
    assert_offers("nothing");
    for (; *keys; keys++) {
        const size_t n = *keys == ' ' ? 0 : strlen(word);
        word[n] = *keys == ' ' ? '\0' : *keys;
        if (*keys != ' ') word[n + 1] = '\0';
        assert_offers(word);
    }
}

/* Folded or not, in whatever order, under other names or at other places: the tree of rows knows
 * how a word goes on as if every key were asked. */
static void test_key_offers(void **state)
{
    static const char from[] = "m.h.0.a.w m.h.0.b m.h.1.a.w m.h.1.b m.h.2.a.w m.h.2.b m.h.10.a.w "
                               "m.h.10.b m.fc m.fc.w left.over.x left.over.y lefty a {b}.c {b}.d",
                      to[] = "h.0.a.w h.0.b h.1.a.w h.1.b h.2.a.w h.2.b h.3.a.w h.3.b fc fc.w "
                             "head.0.w head.1.w head.2.w head.2.odd {b}.c left a";
    static const char *const prefixes[] = {NULL, "m.", "left."};
    for (size_t i = 0; i < countof(prefixes); i++)
        for (int order = 0; order < ROW_ORDER_COUNT; order++) {
            build(from, i == 2 ? NULL : to, prefixes[i]);
            if (order) sort_rows((RowOrder)order);
            assert_all_offers(from);
            assert_all_offers(to);
            drop(state);
        }
    build(from, to, "m.");
}

static void test_listing(void **state)
{
    (void)state;
    build("m.a:4 m.b:i2 m.c:0", NULL, NULL);
    assert_true(rows_is_listing(model));
    assert_int_equal(model->bytes[0], 32);
    assert_int_equal(model->dtypes[DT_F32], 2);
    assert_int_equal(model->dtypes[DT_I64], 1);
    Alignment *after = align_with("m.");
    RowModel *renamed = rows_new(after);
    assert_false(rows_is_listing(renamed));
    rows_free(renamed);
    align_unref(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_regexes),
        cmocka_unit_test_teardown(test_slow_regex, drop),
        cmocka_unit_test_teardown(test_filters_combine, drop),
        cmocka_unit_test_teardown(test_filter_parts_runs, drop),
        cmocka_unit_test(test_wrong_filters),
        cmocka_unit_test(test_confidence_filter),
        cmocka_unit_test_teardown(test_orders, drop),
        cmocka_unit_test_teardown(test_sort_with_filter, drop),
        cmocka_unit_test_teardown(test_sort_in_background, drop),
        cmocka_unit_test_teardown(test_visible_states, drop),
        cmocka_unit_test_teardown(test_key_offers, drop),
        cmocka_unit_test_teardown(test_listing, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
