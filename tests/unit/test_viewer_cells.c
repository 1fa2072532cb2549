/* Cells: clipping, wide and combining characters, escapes, stand-ins, elision, wrapping. */
#include "tests/unit/test.h"

#include "viewer/cell.h"
#include "viewer/press.h"

static Screen screen;

static void start(int columns, int rows, bool ascii)
{
    screen_resize(&screen, columns, rows, ascii);
}

static int end_screen(void **state)
{
    (void)state;
    screen_done(&screen);
    return 0;
}

static void assert_screen(const char *wanted)
{
    Text text = {0};
    screen_dump(&screen, &text);
    assert_string_equal(text_string(&text), wanted);
    text_done(&text);
}

static void test_clipping(void **state)
{
    (void)state;
    start(6, 2, false);
    assert_int_equal(screen_put(&screen, 4, 0, 99, STYLE_PLAIN, "abc"), 3);
    assert_int_equal(screen_put(&screen, -1, 1, 99, STYLE_PLAIN, "xyz"), 3);
    screen_put(&screen, 0, 2, 99, STYLE_PLAIN, "below");
    screen_put(&screen, 0, -1, 99, STYLE_PLAIN, "above");
    assert_int_equal(screen_put(&screen, 2, 1, 2, STYLE_PLAIN, "long"), 2);
    assert_screen("    ab\nyzlo\n");
    assert_null(screen_at(&screen, 6, 0));
    assert_null(screen_at(&screen, 0, -1));
}

static void test_widths(void **state)
{
    (void)state;
    assert_int_equal(char_width('a'), 1);
    assert_int_equal(char_width(0x301), 0);
    assert_int_equal(char_width(0x4E2D), 2);
    assert_int_equal(char_width(0x1F600), 2);
    assert_int_equal(char_width(0x2192), 1);
    assert_int_equal(char_width(0x10FFFF), 1);
}

static void test_wide(void **state)
{
    (void)state;
    start(5, 1, false);
    assert_int_equal(screen_put(&screen, 0, 0, 5, STYLE_PLAIN, "中文字"), 4);
    assert_screen("中文\n");
    assert_int_equal(screen_at(&screen, 1, 0)->width, 0);
    screen_put(&screen, 1, 0, 1, STYLE_PLAIN, "x");   /* the left half goes with its right one */
    assert_screen(" x文\n");
    screen_put(&screen, 2, 0, 1, STYLE_PLAIN, "y");
    assert_screen(" xy\n");
    screen_put(&screen, 4, 0, 5, STYLE_PLAIN, "中");   /* no room for the second half */
    assert_screen(" xy\n");
}

static void test_combining(void **state)
{
    (void)state;
    start(4, 1, false);
    assert_int_equal(screen_put(&screen, 0, 0, 4, STYLE_PLAIN, "e\u0301\u0302\u0303\u0304x"), 2);
    assert_int_equal(screen_at(&screen, 0, 0)->code, 'e');
    assert_int_equal(screen_at(&screen, 0, 0)->marks[0], 0x301);
    assert_int_equal(screen_at(&screen, 0, 0)->marks[2], 0x303);   /* a fourth one is left out */
    assert_int_equal(screen_put(&screen, 0, 0, 4, STYLE_PLAIN, "\u0301"), 1);   /* alone: a blank */
    assert_int_equal(screen_at(&screen, 0, 0)->code, ' ');
    assert_int_equal(screen_columns_of(&screen, "中e\u0301"), 3);
}

static void test_escapes(void **state)
{
    (void)state;
    start(40, 1, false);
    screen_put(&screen, 0, 0, 40, STYLE_PLAIN, "a\x1b[2J\a\n\x7f\xc2\x9b\xff\u202e");
    assert_screen("a\\x1b[2J\\x07\\n\\x7f\\x9b\\udcff\\u202e\n");
    for (int x = 0; x < 40; x++) {
        uint32_t code = screen_at(&screen, x, 0)->code;
        assert_true(code >= 0x20 && code < 0x7F);
    }
}

static void test_ascii(void **state)
{
    (void)state;
    start(40, 2, true);
    screen_put(&screen, 0, 0, 40, STYLE_PLAIN, "200×2048 → ▸ é 中");
    assert_screen("200x2048 > + \\u00e9 \\u4e2d\n\n");
    assert_int_equal(screen_columns_of(&screen, "中"), 6);
    screen_put_elided(&screen, 0, 1, 10, STYLE_PLAIN, "abcdefghijklmno");
    assert_screen("200x2048 > + \\u00e9 \\u4e2d\nab..jklmno\n");
}

static void test_elision(void **state)
{
    (void)state;
    start(20, 1, false);
    assert_int_equal(screen_put_elided(&screen, 0, 0, 10, STYLE_PLAIN, "0123456789"), 10);
    assert_screen("0123456789\n");
    screen_clear(&screen);
    assert_int_equal(screen_put_elided(&screen, 0, 0, 10, STYLE_PLAIN, "layers.10.weight"), 10);
    assert_screen("lay…weight\n");
    screen_clear(&screen);
    assert_int_equal(screen_put_elided(&screen, 0, 0, 1, STYLE_PLAIN, "abc"), 1);
    assert_screen("…\n");
    assert_int_equal(screen_put_elided(&screen, 0, 0, 0, STYLE_PLAIN, "abc"), 0);
    screen_clear(&screen);   /* a wide character is not halved */
    assert_true(screen_put_elided(&screen, 0, 0, 6, STYLE_PLAIN, "中文字中文字") <= 6);
    screen_clear(&screen);
    screen_put_right(&screen, 20, 0, 6, STYLE_PLAIN, "36 ×2");
    assert_screen("               36 ×2\n");
}

/* One text beside others, in `limit` columns. */
static void assert_telling(int limit, const char *text, const char *above, const char *below,
                           const char *wanted)
{
    const char *others[] = {above, below};
    screen_clear(&screen);
    int used = screen_put_telling(&screen, 0, 0, limit, STYLE_PLAIN, text, others, 2);
    assert_true(used <= limit);
    Text text_out = {0};
    screen_dump(&screen, &text_out);
    text_out.bytes[--text_out.length] = '\0';
    assert_string_equal(text_string(&text_out), wanted);
    text_done(&text_out);
}

/* What is left out is what the neighbours have as well. */
static void test_telling_elision(void **state)
{
    (void)state;
    start(60, 1, false);
    const char *q = "blocks.0.attn.to_q.processor.original_weight";
    const char *k = "blocks.0.attn.to_k.processor.original_weight";
    const char *other = "blocks.1.attn.to_q.processor.original_weight";
    assert_telling(44, q, k, NULL, q);
    assert_telling(24, q, k, NULL, "blocks…to_q…ginal_weight");
    assert_telling(24, k, q, NULL, "blocks…to_k…ginal_weight");
    assert_telling(24, q, other, NULL, "blocks.0…original_weight");
    assert_telling(24, q, NULL, NULL, "blocks.….original_weight");
    assert_telling(24, q, q, NULL, "blocks.….original_weight");
    assert_telling(24, q, k, other, "blo…0.attn.to_q…l_weight");
    assert_telling(8, q, k, NULL, "…to_q…ht");
    assert_telling(3, q, k, NULL, "…q…");
    assert_telling(1, q, k, NULL, "…");
    assert_telling(0, q, k, NULL, "");
    /* the difference is the end: the plain elision shows it */
    assert_telling(12, "a.very.long.name.weight", "a.very.long.name.bias", NULL, "a.v…e.weight");
    /* characters of several bytes, and wide ones, are not cut */
    assert_telling(9, "ab.中é中.cdefghijk", "ab.中è中.cdefghijk", NULL, "…中é中…jk");
    assert_telling(10, "ab\x1b[2Jcdefghijklm", "ab\x1b[3Jcdefghijklm", NULL, "…2…ghijklm");
    start(60, 1, true);
    assert_telling(24, q, k, NULL, "block..to_q..inal_weight");
}

static void assert_wrapped(const char *text, int width, int lines, const char *wanted)
{
    Text out = {0};
    assert_int_equal(screen_wrap(&screen, text, width, &out), lines);
    assert_string_equal(text_string(&out), wanted);
    text_done(&out);
}

static void test_wrapping(void **state)
{
    (void)state;
    start(20, 1, false);
    assert_wrapped("", 10, 1, "");
    assert_wrapped("short", 10, 1, "short");
    assert_wrapped("one two three", 8, 2, "one two \nthree");
    assert_wrapped("aaaaaaaaaaaa", 5, 3, "aaaaa\naaaaa\naa");
    assert_wrapped("中文字", 1, 3, "中\n文\n字");
    assert_wrapped("a\nb", 10, 1, "a\\nb");
}

static void test_flags(void **state)
{
    (void)state;
    start(3, 1, false);
    screen_put(&screen, 0, 0, 3, STYLE_MODULE, "abc");
    screen_add_flags(&screen, 1, 0, 5, STYLE_REVERSED);
    assert_int_equal(screen_at(&screen, 0, 0)->style, STYLE_MODULE);
    assert_int_equal(screen_at(&screen, 2, 0)->style, STYLE_MODULE | STYLE_REVERSED);
}

static void test_press_names(void **state)
{
    (void)state;
    static const char *const names[] = {"q", "Space", "Ctrl-R", "PgUp", "Enter", "é", "?", "Esc"};
    for (size_t i = 0; i < countof(names); i++) {
        Press press;
        Text text = {0};
        assert_true(press_parse(names[i], &press));
        press_name(press, &text);
        assert_string_equal(text_string(&text), names[i]);
        text_done(&text);
    }
    Press press;
    assert_false(press_parse("", &press));
    assert_false(press_parse("Hyper-X", &press));
    assert_false(press_parse("Ctrl-r", &press));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_clipping, end_screen),
        cmocka_unit_test(test_widths),
        cmocka_unit_test_teardown(test_wide, end_screen),
        cmocka_unit_test_teardown(test_combining, end_screen),
        cmocka_unit_test_teardown(test_escapes, end_screen),
        cmocka_unit_test_teardown(test_ascii, end_screen),
        cmocka_unit_test_teardown(test_elision, end_screen),
        cmocka_unit_test_teardown(test_telling_elision, end_screen),
        cmocka_unit_test_teardown(test_wrapping, end_screen),
        cmocka_unit_test_teardown(test_flags, end_screen),
        cmocka_unit_test(test_press_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
