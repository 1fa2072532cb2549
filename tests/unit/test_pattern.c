/* Patterns and templates: RULES.md B2 and B2a sentence by sentence, on keys as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/test.h"

#include "loader/align/pattern.h"

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static Pattern *compile(const char *text)
{
    Error err = {0};
    Pattern *pattern = pattern_compile(arena, text, strlen(text), &err);
    if (!pattern) fail_msg("%s: %s", text, err.text);
    return pattern;
}

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

static int compile_expression(void *host, const char *text, size_t n, Error *err)
{
    (void)host;
    if (n == 5 && memcmp(text, "heads", 5) == 0) return 0;
    if (n >= 4 && memcmp(text, "j==0", 4) == 0) return 1;
    if (n >= 7 && memcmp(text, "p:upper", 7) == 0) return 2;
    error_set(err, ERR_RULE, "attempt to compute '%.*s'", (int)n, text);
    return -1;
}

static bool evaluate(void *host, int handle, const Captures *captures, Text *out, Error *err)
{
    (void)host;
    if (handle == 0) text_add(out, "32");
    if (handle == 2) return error_set(err, ERR_RULE, "a nil value");
    for (size_t i = 0; handle == 1 && i < captures->named_count; i++)
        if (strcmp(captures->named[i].name, "j") == 0)
            text_add(out, captures->named[i].number ? "attentions" : "resnets");
    return true;
}

static const ExprHost host = {compile_expression, evaluate, NULL};

static const char *rewrite_with(const char *left, const char *right, const char *key,
                                const char *counter)
{
    Error err = {0};
    const Pattern *pattern = compile(left);
    TemplateScope scope = {&pattern, 1, counter};
    Template *template = template_compile(arena, right, strlen(right), &scope, &host, &err);
    if (!template) return arena_strdup(arena, err.text);
    Captures captures;
    if (!pattern_match(pattern, key, &captures)) return "no";
    if (counter) captures.named[captures.named_count++] = (Capture){counter, "7", 1, true, 7};
    Text out = {0};
    const char *text = template_expand(template, &captures, &out, &err) ? text_string(&out) : err.text;
    text = arena_strdup(arena, text);
    text_done(&out);
    return text;
}

static const char *rewrite(const char *left, const char *right, const char *key)
{
    return rewrite_with(left, right, key, NULL);
}

#define assert_caught(pattern, key, what) assert_string_equal(caught(pattern, key), what)
#define assert_rewrite(left, right, key, to) assert_string_equal(rewrite(left, right, key), to)
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
                                "na\xC3\xAFve", "\n\t", "--x", "a->b", "\xED\xA0\x80", "&x", "a--b"};
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
    assert_string_equal(pattern_tail(pattern), ".x");
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
    assert_string_equal(pattern_tail(compile("**.w")), "w");
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

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_hostile_patterns_end(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "**a**a**a**a**a**a**a**a**a**a**a**b", "*a*a*a*a*a*a*a*a*a*a*a*a*b",
        "**.**.**.**.**.**.**.**.**.**.x", "{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}x",
        "**{p:a|aa|aaa}**{q:a|aa|aaa}**{r:a|aa|aaa}**b", "**.a.**.a.**.a.**.a.**.b",
        "{x:*}a{y:*}a{z:*}{x}{y}{z}b", "**{i}**{j}**{k}**{i}{j}{k}x"};
    static const char *const units[] = {"a", "a.", "1", "a1"};
    for (size_t i = 0; i < countof(patterns); i++) {
        for (size_t j = 0; j < countof(units); j++) {
            Text key = {0};
            while (key.length < 20000) text_add(&key, units[j]);
            double start = seconds();
            assert_false(fits(patterns[i], text_string(&key)));
            assert_true(seconds() - start < 2);
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
    assert_false(pattern_match(compile("{x:*}{y:*}{z:*}{x}{y}{z}b"), text_string(&key), &captures));
    assert_false(captures.gave_up);      /* the tail settles it */
    assert_false(pattern_match(compile("{x:*}{y:*}{z:*}b{x}{y}{z}*"), text_string(&key), &captures));
    assert_true(captures.gave_up);
    assert_false(pattern_match(compile("*b*"), text_string(&key), &captures));
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
            if (kind == 0 && (n < 2 || pattern[n - 1] != '*')) pattern[n++] = '*', pattern[n++] = '*';
            else if (kind == 1 && (!n || pattern[n - 1] != '*')) pattern[n++] = '*';
            else pattern[n++] = "ab"[rand() % 2];
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
    double start = seconds();
    size_t hits = 0;
    for (size_t i = 0; i < 94000; i++) {
        char key[64];
        size_t n = (size_t)snprintf(key, sizeof key, "model.layers.%zu.part%zu.%zu.weight", i / 1000,
                                    i % 40, i % 7);
        Captures captures;
        for (size_t j = 0; j < countof(patterns); j++) hits += pattern_fits(patterns[j], key, n, &captures);
    }
    assert_int_equal(hits, 94000);
    print_message("94,000 keys × 40 patterns: %.0f ms\n", (seconds() - start) * 1000);
    assert_true(seconds() - start < 5);
}

/* ---- templates ---- */

static void test_captures_on_the_right(void **state)
{
    (void)state;
    assert_rewrite("layers.{i}.x", "blk.{i}.y", "layers.12.x", "blk.12.y");
    assert_rewrite("a.{p:w|b}", "{p}.{p}", "a.w", "w.w");
    assert_rewrite("a.{ i }", "b.{ i }", "a.1", "b.1");
    assert_rewrite("a", "\"b c\".{heads}", "a", "b c.32");
    assert_rewrite("a", "\"\\xff\"", "a", "\xff");
}

static void test_index_arithmetic(void **state)
{
    (void)state;
    assert_rewrite("l{i}", "r{i+1}", "l3", "r4");
    assert_rewrite("l{i}", "r{(i-1)//3}", "l7", "r2");
    assert_rewrite("l{i}", "r{3-i}", "l1", "r2");
    assert_rewrite("l{i}", "r{i%3}", "l8", "r2");
    assert_rewrite("l{i}", "r{-i//3+9}", "l7", "r6");          /* floors: -7//3 = -3 */
    assert_rewrite("l{i}", "r{-i%3}", "l7", "r2");             /* the sign of the divisor */
    assert_rewrite("l{i}", "r{ 2 * ( i + 1 ) }", "l3", "r8");
    assert_rewrite("l{i}.{j}", "r{i*10+j}", "l3.4", "r34");
    assert_rewrite("t.{n:0|2}.w", "t.{n//2+1}.w", "t.2.w", "t.2.w");
    assert_rewrite("l.{0-31}", "r.{0-31}", "l.7", "r.7");
    assert_has(rewrite("l{i}", "r{i-1}", "l0"), "{i-1} for 'l0': gives -1");
    assert_has(rewrite("l{i}", "r{i//0}", "l0"), "division by zero");
    assert_has(rewrite("l{i}", "r{i%(i-i)}", "l0"), "division by zero");
    assert_rewrite("l{i}", "r{i*9223372036854775807//1}", "l1",
                   "r{i*9223372036854775807//1} (column 2): {i*9223372036854775807//1}: attempt to "
                   "compute 'i*9223372036854775807//1'");
}

static void test_other_expressions_go_to_the_host(void **state)
{
    (void)state;
    assert_rewrite("b.{j}", "u.{j==0 and \"resnets\" or \"attentions\"}", "b.0", "u.resnets");
    assert_rewrite("b.{j}", "u.{j==0 and \"resnets\" or \"attentions\"}", "b.1", "u.attentions");
    assert_has(rewrite("b.{j}", "u.{nonsense}", "b.0"), "{nonsense}: attempt to compute");
    assert_has(rewrite("b.{p:a|b}", "u.{p:upper()}", "b.a"), "for 'b.a': a nil value");
    assert_has(rewrite("b.{p:a|b}", "u.{p+1}", "b.a"), "attempt to compute 'p+1'");
    assert_has(rewrite("b.{j}", "u.{}", "b.0"), "empty");
    /* parentheses deeper than the compiler goes are Lua's business, not a crash */
    Text deep = {0};
    text_add(&deep, "u.{");
    for (int i = 0; i < 10000; i++) text_add(&deep, "(");
    text_add(&deep, "j}");
    assert_has(rewrite("b.{j}", text_string(&deep), "b.0"), "attempt to compute");
    text_done(&deep);
}

static void test_stars_are_carried_in_order(void **state)
{
    (void)state;
    assert_rewrite("layer.*.x.*", "l.*.y.*", "layer.a.x.b", "l.a.y.b");
    assert_rewrite("**.attn.*", "**.self_attn.*", "b.0.attn.w", "b.0.self_attn.w");
    assert_rewrite("*.*", "*", "a.b", "a");                    /* fewer gather */
    assert_has(rewrite("*", "*.*", "a"), "more stars on the right");
    assert_has(rewrite("a", "*", "a"), "more stars");
}

static void test_a_vanished_run_takes_its_dot_along(void **state)
{
    (void)state;
    assert_rewrite("**.attn.qkv", "**.attention.query", "attn.qkv", "attention.query");
    assert_rewrite("**.attn.qkv", "**.attention.query", "b.attn.qkv", "b.attention.query");
    assert_rewrite("a.**", "b.**", "a", "b");
    assert_rewrite("a.**", "b.**", "a.c", "b.c");
    assert_rewrite("**", "vit.**", "a", "vit.a");
    assert_rewrite("a.**.b", "c.**.d", "a.b", "c.d");
    assert_rewrite("**.w", "x.**", "w", "x");
    assert_rewrite("**.w", "**.x", ".w", ".x");                /* empty is not vanished */
}

static void test_anonymous_carry_over(void **state)
{
    (void)state;
    assert_rewrite("l.{0-31}.{q,k,v}.w", "m.{0-31}.{q,k,v}.w", "l.3.k.w", "m.3.k.w");
    assert_rewrite("l.{0-31}.{q,k,v}.w", "m.{q, k, v}.{0-31}", "l.3.k.w", "m.k.3");
    assert_rewrite("{a,b}.{a,b}", "x.{a,b}.{a,b}", "b.a", "x.b.a");
    assert_has(rewrite("{a,b}.x", "x.{a,c}", "b.x"), "no partner on the left");
    assert_has(rewrite("{a,b}.x", "x.{a,b}.{a,b}", "b.x"), "no partner on the left");
}

static void test_bad_templates(void **state)
{
    (void)state;
    assert_has(rewrite("a", "b c", "a"), "white space");
    assert_has(rewrite("a", "&b", "a"), "belongs to the left");
    assert_has(rewrite("a", "~b", "a"), "belongs to the left");
    assert_has(rewrite("a", "b}", "a"), "'}'");
    assert_has(rewrite("a", "b{i", "a"), "not closed");
    assert_has(rewrite("a", "b,c", "a"), "','");
}

static void test_uses(void **state)
{
    (void)state;
    Error err = {0};
    const Pattern *pattern = compile("{i}.{j}.{k}.{p:a|b}.{0-3}.{a,b}");
    TemplateScope scope = {&pattern, 1, NULL};
    const char *text = "x{i+1}.{j==0 and \"k\" or k.x}.{a,b}.{heads}";
    ExprHost any = host;
    Template *template = template_compile(arena, text, strlen(text), &scope, &any, &err);
    assert_non_null(template);
    assert_true(template_uses(template, "i"));
    assert_true(template_uses(template, "j"));
    assert_true(template_uses(template, "k"));
    assert_false(template_uses(template, "p"));
    assert_false(template_uses(template, "x"));
    assert_false(template_uses_anonymous(template, 0));
    assert_true(template_uses_anonymous(template, 1));
}

static const char *counter_of(const char *left, const char *right)
{
    const Pattern *pattern = compile(left);
    const char *name = template_counter(arena, right, strlen(right), &pattern, 1);
    return name ? name : "none";
}

static void test_counter(void **state)
{
    (void)state;
    assert_string_equal(counter_of("l.{i}.w", "l.{i}.{e}.w"), "e");
    assert_string_equal(counter_of("l.{i}.w", "l.{i}.{e+1}.w"), "e");
    assert_string_equal(counter_of("l.{i}.w", "l.{i}.{e}.{heads*e}"), "e");
    assert_string_equal(counter_of("l.{i}.w", "l.{i}.{heads+e}"), "none");
    assert_string_equal(counter_of("l.{i}.w", "l.{math.floor(e/2)}"), "e");
    assert_string_equal(counter_of("l.{i}.w", "l.{i}.w"), "none");
    assert_string_equal(rewrite_with("w", "w.{e}.{e+1}", "w", "e"), "w.7.8");
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
        TEST(test_captures_on_the_right), TEST(test_index_arithmetic),
        TEST(test_other_expressions_go_to_the_host), TEST(test_stars_are_carried_in_order),
        TEST(test_a_vanished_run_takes_its_dot_along), TEST(test_anonymous_carry_over),
        TEST(test_bad_templates), TEST(test_uses), TEST(test_counter),
#undef TEST
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
