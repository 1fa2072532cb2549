/* Templates: the right-hand sides of rules, as tenon-rules(5) has them. */
#include "tests/unit/pattern_maker.h"

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
    bool good = template_expand(template, &captures, &out, &err);
    const char *text = arena_strdup(arena, good ? text_string(&out) : err.text);
    text_done(&out);
    return text;
}

static const char *rewrite(const char *left, const char *right, const char *key)
{
    return rewrite_with(left, right, key, NULL);
}

#define assert_rewrite(left, right, key, to) assert_string_equal(rewrite(left, right, key), to)
#define assert_has(text, part)                                                      \
    do {                                                                            \
        const char *whole_ = (text);                                                \
        if (!strstr(whole_, (part))) fail_msg("\"%s\" lacks \"%s\"", whole_, (part)); \
    } while (0)

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
    assert_rewrite("*.**", "x.*.**", "b", "x.b");
    assert_rewrite("*.**", "x.*.**", "b.c", "x.b.c");
    assert_rewrite("**.0.**", "x.**.**", "b.0", "x.b");        /* each star has its own dot */
    assert_rewrite("**.0.**", "x.**.**", "0.c", "x.c");
    assert_rewrite("**.0.**", "x.**.**", "0", "x");
    assert_rewrite("**.0.**", "x.**.**.y", "b.0", "x.b.y");
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

/* What a rule makes of a name can be its input again, line by line. */
static void test_a_name_that_grows_is_refused(void **state)
{
    (void)state;
    char key[RULE_NAME_MAX / 2 + 2];
    memset(key, 'k', sizeof key);
    key[RULE_NAME_MAX / 2] = '\0';
    assert_int_equal(strlen(rewrite("{x:*}", "{x}{x}", key)), RULE_NAME_MAX);
    assert_string_equal(rewrite("{x:*}", "{x}{x}.", key), "makes a name of more than 65536 bytes");
    key[RULE_NAME_MAX / 2] = 'k';
    key[RULE_NAME_MAX / 2 + 1] = '\0';
    assert_string_equal(rewrite("{x:*}", "{x}{x}", key), "makes a name of more than 65536 bytes");
    assert_string_equal(rewrite("**", "**.k{heads}a", key), rewrite("**", "**.k32a", key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_captures_on_the_right), TEST(test_index_arithmetic),
        TEST(test_other_expressions_go_to_the_host), TEST(test_stars_are_carried_in_order),
        TEST(test_a_vanished_run_takes_its_dot_along), TEST(test_anonymous_carry_over),
        TEST(test_bad_templates), TEST(test_uses), TEST(test_counter),
        TEST(test_a_name_that_grows_is_refused),
#undef TEST
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
