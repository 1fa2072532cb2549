/* Patterns: left-hand sides as tenon-rules(5) has them, sentence by sentence, on real keys. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/pattern_maker.h"

static bool fits(const char *pattern, const char *key)
{
    Captures captures;
    return pattern_match(compile(pattern), key, &captures);
}

/* "i=3 *=weight **=-": everything that was caught, in order; "no" when the key does not fit. */
static const char *caught(const char *pattern, const char *key)
{
    Captures captures;
    if (!pattern_match(compile(pattern), key, &captures)) return "no";
    Text out = {0};
    for (size_t i = 0; i < captures.named_count; i++) {
        const Capture *c = &captures.named[i];
        text_addf(&out, "%s%s=%.*s", out.length ? " " : "", c->name ? c->name : "?",
                  (int)c->length, c->text);
        if (c->numeric) text_addf(&out, "#%lld", (long long)c->number);
    }
    for (size_t i = 0; i < captures.star_count; i++)
        text_addf(&out, "%s*=%.*s", out.length ? " " : "",
                  captures.stars[i].text ? (int)captures.stars[i].length : 1,
                  captures.stars[i].text ? captures.stars[i].text : "-");
    const char *text = arena_strdup(arena, text_string(&out));
    text_done(&out);
    return text;
}

static const char *refused(const char *pattern)
{
    Error err = {0};
    if (pattern_compile(arena, pattern, strlen(pattern), &err)) fail_msg("%s was taken", pattern);
    return arena_strdup(arena, err.text);
}

#define assert_caught(pattern, key, what) assert_string_equal(caught(pattern, key), what)
#define assert_has(text, part)                                                      \
    do {                                                                            \
        const char *whole_ = (text);                                                \
        if (!strstr(whole_, (part))) fail_msg("\"%s\" lacks \"%s\"", whole_, (part)); \
    } while (0)

/* ---- patterns ---- */

static void test_whole_key(void **state)
{
    (void)state;
    assert_true(fits("a.b", "a.b"));
    assert_false(fits("a.b", "a.b.c"));
    assert_false(fits("a.b", "x.a.b"));
    assert_false(fits("a.b", "a.b2"));
    assert_false(fits("gate_up_proj", "gate_up_proj_scale_inv"));
}

static void test_dot_is_a_dot(void **state)
{
    (void)state;
    assert_false(fits("a.b", "axb"));
    assert_true(fits("a+(b)[c]^$|d", "a+(b)[c]^$|d"));
    assert_true(fits("a-b", "a-b"));
}

static void test_integer(void **state)
{
    (void)state;
    assert_caught("l.{i}.w", "l.0.w", "i=0#0");
    assert_caught("l.{i}.w", "l.12.w", "i=12#12");
    assert_caught("l.{i}.w", "l.007.w", "no");
    assert_caught("l.{i}.w", "l.x.w", "no");
    assert_caught("l.{i}.w", "l..w", "no");
    assert_caught("l.{i}.w", "l.999999999999999999.w", "i=999999999999999999#999999999999999999");
    assert_caught("l.{i}.w", "l.1000000000000000000.w", "no");
    assert_caught("layer{ i }", "layer3", "i=3#3");
    assert_caught("{i}{j}", "12", "i=1#1 j=2#2");
    assert_caught("{i}*", "12a", "i=12#12 *=a");
    assert_caught("{i}{j}", "01", "i=0#0 j=1#1");
}

static void test_alternatives(void **state)
{
    (void)state;
    assert_caught("x.{p:weight|bias}", "x.bias", "p=bias");
    assert_caught("x.{ p : weight | bias }", "x.weight", "p=weight");
    assert_caught("x.{p:weight|bias}", "x.biases", "no");
    assert_caught("x.{p:w|weight}", "x.weight", "p=weight");
    assert_caught("t.{n:0|2}.w", "t.2.w", "n=2#2");
    assert_caught("t.{n:0|2}.w", "t.1.w", "no");
    assert_caught("t.{n:0|x}.w", "t.0.w", "n=0");
    assert_caught("t.{n:00|02}.w", "t.02.w", "n=02#2");
    assert_caught("c{p:|_ema}.w", "c_ema.w", "p=_ema");
    assert_caught("c{p:|_ema}.w", "c.w", "p=");
    assert_caught("{p:\"a|b\"|\"c d\"}", "a|b", "p=a|b");
    assert_caught("{p:\"a|b\"|\"c d\"}", "c d", "p=c d");
    assert_caught("x.{p:a.b|c}.d", "x.a.b.d", "p=a.b");
}

static void test_anonymous_alternatives(void **state)
{
    (void)state;
    assert_caught("l.{0-31}.{q,k,v}.w", "l.31.k.w", "?=31#31 ?=k");
    assert_caught("l.{0-31}.w", "l.32.w", "no");
    assert_caught("l.{0-31}.w", "l.03.w", "no");
    assert_caught("l.{0-3,7,9-10}.w", "l.10.w", "?=10#10");
    assert_caught("l.{0-3,7,9-10}.w", "l.8.w", "no");
    assert_caught("f.{00-12}.w", "f.07.w", "?=07#7");
    assert_caught("f.{00-12}.w", "f.7.w", "no");
    assert_caught("f.{5}.w", "f.5.w", "?=5#5");
    assert_caught("conv{,2}.w", "conv.w", "?=");
    assert_caught("{n:0-3}.w", "2.w", "n=2#2");
    assert_caught("{1-20}{a,5}", "15", "?=1#1 ?=5");
    assert_has(refused("l.{5-2}.w"), "downwards");
    assert_has(refused("l.{00-100}.w"), "equally long");
}

static void test_segment(void **state)
{
    (void)state;
    assert_caught("a.{x:*}.b", "a.foo.b", "x=foo");
    assert_caught("a.{x:*}.b", "a.f.o.b", "no");
    assert_caught("a.{x:*}.b", "a..b", "no");
    assert_caught("a.*.b", "a.foo.b", "*=foo");
    assert_caught("a.*", "a.b.c", "no");
    assert_caught("a.*", "a.", "no");
    assert_caught("*_g", "weight_g", "*=weight");
    assert_caught("*", "scope/kernel", "*=scope/kernel");
}

static void test_run(void **state)
{
    (void)state;
    assert_caught("**.weight", "a.b.weight", "*=a.b");
    assert_caught("**.weight", "weight", "*=-");
    assert_caught("**.weight", "xweight", "no");
    assert_caught("**.weight", ".weight", "*=");
    assert_caught("a.**", "a", "*=-");
    assert_caught("a.**", "a.b.c", "*=b.c");
    assert_caught("a.**", "ab", "no");
    assert_caught("a.**.b", "a.b", "*=-");
    assert_caught("a.**.b", "a.x.y.b", "*=x.y");
    assert_caught("**", "a.b", "*=a.b");
    assert_caught("**", "", "*=");
    assert_caught("x**", "x", "*=");
    assert_caught("**.**", "a", "*=- *=a");
    assert_caught("**.experts.{e}.**", "experts.3", "e=3#3 *=- *=-");
}

static void test_shortest_from_the_left(void **state)
{
    (void)state;
    assert_caught("**.a.**", "a.a.a", "*=- *=a.a");
    assert_caught("**.a.b", "x.a.a.b", "*=x.a");
    assert_caught("*_*", "a_b_c", "*=a *=b_c");
    assert_caught("**a**", "bab", "*=b *=b");
}

static void test_equal_names(void **state)
{
    (void)state;
    assert_caught("a.{i}.b.{i}", "a.3.b.3", "i=3#3");
    assert_caught("a.{i}.b.{i}", "a.3.b.4", "no");
    assert_caught("a.{i}.b.{i}", "a.3.b.33", "no");
    assert_caught("{p:a|b}.x.{p}", "b.x.b", "p=b");
    assert_caught("{x:*}.{x:*}", "foo.foo", "x=foo");
    assert_caught("{x:*}.{x}", "foo.bar", "no");
    assert_caught("{x:*}-{x:*}", "a-a-a-a", "x=a-a");
    assert_caught("{x:*}-{x:*}", "a-a-b", "no");
    assert_caught("{x:*}-{x:*}", "a-b-a-b", "x=a-b");
    assert_has(refused("{i}.{i:*}"), "declared twice");
    assert_has(refused("{p:a|b}.{p:a|c}"), "declared twice");
}

static void test_quotes(void **state)
{
    (void)state;
    assert_true(fits("\"a b\".c", "a b.c"));
    assert_true(fits("\"{i}*;,&~#>\"", "{i}*;,&~#>"));
    assert_true(fits("\"\\\"\\\\\"", "\"\\"));
    assert_true(fits("a\"\\xff\\x80\"b", "a\xff\x80" "b"));
    assert_true(fits("\"\\x00\"", "\xC0\x80"));
    assert_caught("\"*\".{i}", "*.3", "i=3#3");
    assert_true(fits("\"\"", ""));
    assert_has(refused("\"abc"), "not closed");
    assert_has(refused("\"a\\n\""), "escapes");
    /* Every key can be spelled. */
    const char *const keys[] = {"a b", "plain.key", "", "\xC0\x80", "\xff", "q\"\\", "a,b;{c}*&~#>",
                                "na\xC3\xAFve", "\n\t", "--x", "a->b", "\xED\xA0\x80", "&x",
                                "a--b"};
    for (size_t i = 0; i < countof(keys); i++) {
        Text quoted = {0};
        pattern_quote(keys[i], &quoted);
        Captures captures;
        if (!pattern_match(compile(text_string(&quoted)), keys[i], &captures))
            fail_msg("%s does not fit its key", text_string(&quoted));
        assert_string_equal(pattern_literal(compile(text_string(&quoted))), keys[i]);
        text_done(&quoted);
    }
}

static void test_white_space_is_no_part(void **state)
{
    (void)state;
    assert_string_equal(pattern_text(compile("  a.b  ")), "a.b");
    assert_has(refused("a b"), "white space");
    assert_has(refused("a b"), "column 2");
}

static void test_bad_patterns(void **state)
{
    (void)state;
    assert_has(refused(""), "empty");
    assert_has(refused("a.{i"), "not closed");
    assert_has(refused("a}"), "'}'");
    assert_has(refused("a.{}"), "braces");
    assert_has(refused("a.{i+1}"), "braces");
    assert_has(refused("a.{p:}"), "braces");
    assert_has(refused("a.{a|b}"), "braces");
    assert_has(refused("a.{1x:b}"), "braces");
    assert_has(refused("a,b"), "','");
    assert_has(refused("&a"), "'&'");
    assert_has(refused("~a"), "'~'");
    assert_has(refused("a->b"), "arrow");
    assert_has(refused("*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*"), "stars");
    assert_has(refused("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q}"), "captures");
    assert_has(refused("\x1b[2J a"), "\\x1b[2J a");
}

static void test_accessors(void **state)
{
    (void)state;
    const Pattern *pattern = compile("model.layers.{i}.*.{p:w|b}.x");
    const char *names[CAPTURES_MAX];
    assert_string_equal(pattern_head(pattern), "model.layers.");
    assert_null(pattern_literal(pattern));
    assert_int_equal(pattern_stars(pattern), 1);
    assert_int_equal(pattern_names(pattern, names), 2);
    assert_string_equal(names[0], "i");
    assert_string_equal(names[1], "p");
    size_t count;
    const CaptureInfo *infos = pattern_captures(pattern, &count);
    assert_int_equal(count, 2);
    assert_true(infos[0].numeric);
    assert_string_equal(infos[1].choices, "w|b");
    assert_string_equal(pattern_head(compile("a.**")), "a");
    assert_string_equal(pattern_literal(compile("a.b")), "a.b");
}

static void test_nearness_prefers_the_sibling(void **state)
{
    (void)state;
    const Pattern *pattern = compile("layers.{i}.self_atn.q_proj.weight");
    double near = pattern_nearness(pattern, "layers.0.self_attn.q_proj.weight");
    double far = pattern_nearness(pattern, "layers.0.mlp.up_proj.weight");
    assert_true(near > far && near <= 1);
    assert_true(pattern_nearness(pattern, "head.fc") < 0.3);
    pattern = compile("layers.{i}.attn.w");
    assert_true(pattern_nearness(pattern, "model.layers.0.attn.w") > 0.5);
}

/* ---- hostile ---- */

/* Processor time: what else runs on the machine, or checks its memory, must not fail a test. */
static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void test_hostile_patterns_end(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "**a**a**a**a**a**a**a**a**a**a**a**b", "**a**a**a**a**a**a**a**a**a**b**",
        "*a*a*a*a*a*a*a*a*a*a*a*a*b*", "**.**.**.**.**.**.**.**.**.**.x.**",
        "{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}x*", "**.a.**.a.**.a.**.a.**.b.**",
        "**{p:a|aa|aaa}**{q:a|aa|aaa}**{r:a|aa|aaa}**b*", "**{i}**{j}**{k}**{l}b*",
        "{x:*}a{y:*}a{z:*}{x}{y}{z}b*", "**{i}**{j}**{k}**{i}{j}{k}x*"};
    static const char *const units[] = {"a", "a.", "1", "a1"};
    for (size_t i = 0; i < countof(patterns); i++) {
        for (size_t j = 0; j < countof(units); j++) {
            Text key = {0};
            while (key.length < 20000) text_add(&key, units[j]);
            double start = seconds();
            assert_false(fits(patterns[i], text_string(&key)));
            assert_true(seconds() - start < 30);
            text_done(&key);
        }
    }
}

static void test_giving_up_is_said(void **state)
{
    (void)state;
    Text key = {0};
    while (key.length < 4000) text_add(&key, "a");
    Captures captures;
    const char *text = text_string(&key);
    assert_false(pattern_match(compile("{x:*}{y:*}{z:*}{x}{y}{z}b"), text, &captures));
    assert_false(captures.gave_up);      /* the tail settles it */
    assert_false(pattern_match(compile("{x:*}{y:*}{z:*}b{x}{y}{z}*"), text, &captures));
    assert_true(captures.gave_up);
    assert_false(pattern_match(compile("*b*"), text, &captures));
    assert_false(captures.gave_up);
    text_done(&key);
}

/* The memory must not change what is found: compare with a plain search over short keys. */
static bool plain_match(const char *p, const char *k)
{
    if (!*p) return !*k;
    if (p[0] == '*' && p[1] == '*') {
        for (;; k++) {
            if (plain_match(p + 2, k)) return true;
            if (!*k) return false;
        }
    }
    if (*p == '*') {
        while (*k && *k != '.')
            if (plain_match(p + 1, ++k)) return true;
        return false;
    }
    return *p == *k && plain_match(p + 1, k + 1);
}

static void test_against_a_plain_search(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 30000; round++) {
        char pattern[24], key[40];
        size_t n = 0, m = (size_t)rand() % 30;
        while (n < 14) {
            int kind = rand() % 6;
            bool star = kind < 2 && (!n || pattern[n - 1] != '*');
            pattern[n++] = star ? '*' : "ab"[rand() % 2];
            if (star && !kind) pattern[n++] = '*';
        }
        pattern[n] = '\0';
        for (size_t i = 0; i < m; i++) key[i] = "aab."[rand() % 4];
        key[m] = '\0';
        if (fits(pattern, key) != plain_match(pattern, key)) fail_msg("%s on %s", pattern, key);
        if (round % 1000 == 0) {
            arena_free(arena);
            arena = arena_new();
        }
    }
}

static void test_speed(void **state)
{
    (void)state;
    const Pattern *patterns[40];
    for (size_t i = 0; i < countof(patterns); i++)
        patterns[i] = compile(arena_printf(arena, "model.layers.{i}.part%zu.{e}.*", i));
    enum { KEYS = 94000, SIZE = 64 };
    char *keys = mem_alloc((size_t)KEYS * SIZE);
    for (size_t i = 0; i < KEYS; i++)
        snprintf(keys + i * SIZE, SIZE, "model.layers.%zu.part%zu.%zu.weight", i / 1000, i % 40,
                 i % 7);
    double start = seconds();
    size_t hits = 0;
    for (size_t i = 0; i < KEYS; i++) {
        const char *key = keys + i * SIZE;
        size_t n = strlen(key);
        Captures captures;
        for (size_t j = 0; j < countof(patterns); j++)
            hits += pattern_fits(patterns[j], key, n, &captures);
    }
    double took = seconds() - start;
    free(keys);
    assert_int_equal(hits, KEYS);
    print_message("94,000 keys × 40 patterns: %.0f ms\n", took * 1000);
    assert_true(took < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_whole_key), TEST(test_dot_is_a_dot), TEST(test_integer), TEST(test_alternatives),
        TEST(test_anonymous_alternatives), TEST(test_segment), TEST(test_run),
        TEST(test_shortest_from_the_left), TEST(test_equal_names), TEST(test_quotes),
        TEST(test_white_space_is_no_part), TEST(test_bad_patterns), TEST(test_accessors),
        TEST(test_nearness_prefers_the_sibling), TEST(test_hostile_patterns_end),
        TEST(test_giving_up_is_said), TEST(test_against_a_plain_search), TEST(test_speed),
#undef TEST
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
