/* resub: Python's re.sub on names, its limits, and the statement around it. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/align_fixture.h"
#include "tests/unit/drafts.h"

#include "loader/align/regex.h"

/* ---- one replacement ---- */

static char *replace(const char *pattern, const char *replacement, uint64_t count,
                     const char *name, Error *err)
{
    Text out = {0};
    bool changed;
    Regex *regex = regex_new(pattern, replacement, err);
    if (!regex) return NULL;
    bool good = regex_replace(regex, name, count, &out, &changed, err);
    regex_free(regex);
    char *made = good ? mem_strdup(changed ? text_string(&out) : name) : NULL;
    text_done(&out);
    return made;
}

static void assert_made(const char *pattern, const char *replacement, const char *name,
                        const char *wanted)
{
    Error err = {0};
    char *made = replace(pattern, replacement, 0, name, &err);
    if (!made) fail_msg("%s: %s", pattern, err.text);
    if (strcmp(made, wanted) != 0)
        fail_msg("%s -> %s: '%s' becomes '%s', not '%s'", pattern, replacement, name, made, wanted);
    free(made);
}

static void assert_bad(const char *pattern, const char *replacement, const char *part)
{
    Error err = {0};
    char *made = replace(pattern, replacement, 0, "name", &err);
    if (made) fail_msg("%s -> %s: no error", pattern, replacement);
    assert_error_has(err, part);
}

static void test_replaces(void **state)
{
    (void)state;
    assert_made("^module\\.", "", "module.module.a", "module.a");
    assert_made("^", "backbone.", "a.b", "backbone.a.b");
    assert_made("$", ".x", "a", "a.x");
    assert_made("\\.", "/", "a.b.c", "a/b/c");
    assert_made("x*", "-", "abxd", "-a-b--d-");
    assert_made("layer(\\d)\\.(\\w+)", "\\2.\\1", "layer3.conv", "conv.3");
    assert_made("(?P<b>a+)", "<\\g<b>\\g<1>\\g<0>>", "baa", "b<aaaaaa>");
    assert_made("(a)|(b)", "[\\1\\2]", "abc", "[a][b]c");
    assert_made("a", "\\\\1\\.\\n", "ba", "b\\1\\.\n");
    assert_made("a", "\\07\\101\\g<0>0", "a", "\aAa0");
    assert_made("a", "\\351", "a", "\xC3\xA9");
    assert_made("none", "x", "abc", "abc");
    assert_made("gamma", "weight", "a.gamma.gamma", "a.weight.weight");
    assert_made("(?i)BN", "norm", "bn1", "norm1");
}

/* What Python and PCRE2 write differently. */
static void test_pythons_spelling(void **state)
{
    (void)state;
    assert_made("a\\Z", "!", "aa", "a!");
    assert_made("a\\Z", "!", "a\n", "a\n");
    assert_made("a{,2}b", "!", "aab.b", "!.!");
    assert_made("[[:a]", "!", "b[:a", "b!!!");
    assert_made("[]x]", "!", "a]x", "a!!");
    assert_made("[^]x]", "!", "a]", "!]");
    assert_made("\\u00e9", "e", "caf\xC3\xA9", "cafe");
    assert_made("\\U000000e9", "e", "caf\xC3\xA9", "cafe");
    assert_made("\\w+", "w", "caf\xC3\xA9.x", "w.w");
    assert_made("[\\w.]+", "w", "caf\xC3\xA9.x", "w");
    assert_made(".", "x", "\xC3\xA9", "x");
    assert_made("\\v", "v", "\v", "v");
}

static void test_bad_patterns(void **state)
{
    (void)state;
    assert_bad("a(b", "", "missing closing parenthesis (at 4)");
    assert_bad("*a", "", "(at 1)");
    assert_bad("a[b", "", "missing terminating ] for character class (at 4)");
    assert_bad("a)", "", "unmatched closing parenthesis (at 2)");
    assert_bad("(?P<n>a)(?P<n>b)", "", "(at ");
    assert_bad("\\Ka", "", "there is no escape \\K (at 1)");
    assert_bad("ab\\R", "", "there is no escape \\R (at 3)");
    assert_bad("[\\A]", "", "there is no escape \\A in a class (at 2)");
    assert_bad("a\\", "", "a \\ stands at the end (at 2)");
    assert_bad("a\\u12", "", "4 hexadecimal digits belong behind \\u (at 2)");
    assert_bad("(*LIMIT_MATCH=9)a", "", "there is nothing to repeat (at 2)");
    assert_bad("\\u00e9(", "", "(at 8)");
}

static void test_bad_replacements(void **state)
{
    (void)state;
    assert_bad("(a)", "\\2", "in the replacement: there is no group 2 (at 1)");
    assert_bad("(a)", "x\\g<2>", "there is no group 2 (at 2)");
    assert_bad("(a)", "\\g<b>", "there is no group 'b' (at 1)");
    assert_bad("(a)", "\\g<b", "\\g<GROUP> is not complete (at 1)");
    assert_bad("(a)", "\\g", "\\g<GROUP> is not complete (at 1)");
    assert_bad("(a)", "\\g<>", "\\g<GROUP> is not complete (at 1)");
    assert_bad("a", "b\\q", "there is no escape \\q (at 2)");
    assert_bad("a", "b\\", "a \\ stands at the end (at 2)");
    assert_bad("a", "\\777", "an octal code above \\377 (at 1)");
    assert_bad("a", "\\0", "a NUL (at 1)");
    assert_bad("(a)", "\\99", "there is no group 99");
}

static void test_limits(void **state)
{
    (void)state;
    Error err = {0};
    assert_null(replace("(a|aa)+$", "", 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "takes too long");
    Text many = {0}, deep = {0};
    for (int i = 0; i < 30000; i++) text_add(&many, "a");
    for (int i = 0; i < 300; i++) text_add(&deep, "(");
    err = (Error){0};
    assert_null(replace("a", "\\g<0>\\g<0>\\g<0>", 0, text_string(&many), &err));
    assert_error_has(err, "makes a name of more than 65536 bytes");
    err = (Error){0};
    assert_null(replace(text_string(&deep), "", 0, "a", &err));
    assert_error_has(err, "parentheses are too deeply nested");
    text_done(&many);
    text_done(&deep);
}

/* A pattern over bytes; what only makes sense for text is refused for that name alone. */
static void test_no_utf8(void **state)
{
    (void)state;
    Error err = {0};
    assert_made("^", "x.", "\xFF\xFE", "x.\xFF\xFE");
    assert_made("b.", "!", "b\xFF" "b\xC3\xA9", "!!\xA9");
    assert_made("\xFF", "y", "a\xFF", "ay");
    assert_made("\xFF", "y", "\xC3\xA9", "\xC3\xA9");
    assert_null(replace("\\u1234", "", 0, "\xFF", &err));
    assert_error_has(err, "no UTF-8");
}

static void test_count(void **state)
{
    (void)state;
    Error err = {0};
    char *made = replace("a", "b", 2, "aaa", &err);
    assert_string_equal(made, "bba");
    free(made);
}

/* ---- against Python ---- */

static uint64_t next(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

static const char *pick(uint64_t *random, const char *const *from, size_t n)
{
    return from[next(random) % n];
}

static void add_pattern(uint64_t *random, int depth, int *groups, Text *out)
{
    static const char *const atoms[] = {
        "a", "b", "c", "\\.", ".", "\\d", "\\w", "[ab]", "[^a.]", "\\b", "^", "$", "\\Z", "1", "_",
        "\\s", "\\W", "[a-c1]", "\xC3\xA9", "\\u00e9", "[[a]", "layer", "\\D", "\\B", "[\\w.]"};
    static const char *const counts[] = {"*", "+", "?", "{1,2}", "{,2}", "*?", "+?", "??", "{2}"};
    static const char *const opens[] = {"(", "(?:", "(?=", "(?!", "("};
    const int n = 1 + (int)(next(random) % 3);
    for (int i = 0; i < n; i++) {
        if (i && next(random) % 5 == 0) text_addc(out, '|');
        if (depth && next(random) % 4 == 0) {
            const char *open = pick(random, opens, countof(opens));
            text_add(out, open);
            *groups += open[1] == '\0';
            add_pattern(random, depth - 1, groups, out);
            text_addc(out, ')');
            if (next(random) % 3 == 0) text_add(out, "?");
            continue;
        }
        const char *atom = pick(random, atoms, countof(atoms));
        text_add(out, atom);
        if (next(random) % 3 == 0 && !strchr("^$", *atom) && strcmp(atom, "\\b") != 0 &&
            strcmp(atom, "\\B") != 0 && strcmp(atom, "\\Z") != 0)
            text_add(out, pick(random, counts, countof(counts)));
    }
}

static void add_hex(Text *out, const Text *text)
{
    text_addc(out, 'x');
    for (size_t i = 0; i < text->length; i++)
        text_addf(out, "%02x", (unsigned char)text->bytes[i]);
    text_addc(out, ' ');
}

/* One random case: into `out` as the oracle reads it, and what we make of it, in hexadecimal. */
static void make_case(uint64_t *random, Text *out, Text *ours)
{
    static const char *const letters[] = {"a", "b", "c", ".", "1", "_", "2", "\xC3\xA9", " ",
                                          "layer", "[", "\n", "aa"};
    static const char *const pieces[] = {"x", "\\1", "\\g<0>", "\\2", ".", "\\g<1>", "", "\\\\",
                                         "\\n", "\\.", "\\3", "\\12", "\\101"};
    Text pattern = {0}, replacement = {0}, name = {0}, made = {0};
    int groups = 0;
    add_pattern(random, 2, &groups, &pattern);
    for (uint64_t i = 0, n = next(random) % 3; i < n; i++)
        text_add(&replacement, pick(random, pieces, countof(pieces)));
    for (uint64_t i = 0, n = 1 + next(random) % 8; i < n; i++)   /* names are not empty */
        text_add(&name, pick(random, letters, countof(letters)));
    const uint64_t count = next(random) % 4 ? 0 : 1 + next(random) % 2;
    add_hex(out, &pattern);
    add_hex(out, &replacement);
    text_addf(out, "%llu ", (unsigned long long)count);
    add_hex(out, &name);
    text_addc(out, '\n');
    Error err = {0};
    char *result = replace(text_string(&pattern), text_string(&replacement), count,
                           text_string(&name), &err);
    if (result) text_add(&made, result);
    if (result) add_hex(ours, &made);
    else text_add(ours, "error ");
    ours->bytes[ours->length - 1] = '\n';
    free(result);
    text_done(&pattern);
    text_done(&replacement);
    text_done(&name);
    text_done(&made);
}

static void test_as_python(void **state)
{
    (void)state;
    enum { CASES = 20000 };
    if (system("python3 -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null") != 0)
        skip();
    char in[] = "/tmp/tenon-resub-XXXXXX", command[200], line[4096];
    const int fd = mkstemp(in);
    assert_true(fd >= 0);
    Text out = {0}, ours = {0};
    uint64_t random = 7;
    for (int i = 0; i < CASES; i++) make_case(&random, &out, &ours);
    assert_int_equal(write(fd, out.bytes, out.length), (ssize_t)out.length);
    close(fd);
    snprintf(command, sizeof command, "python3 tests/unit/resub_oracle.py < %s", in);
    FILE *oracle = popen(command, "r");
    assert_non_null(oracle);
    char *input = out.bytes, *made = ours.bytes;
    int errors = 0, wrong = 0, count = 0;
    for (; fgets(line, sizeof line, oracle); count++) {
        char *asked = strsep(&input, "\n"), *got = strsep(&made, "\n");
        line[strcspn(line, "\n")] = '\0';
        errors += strcmp(line, "error") == 0;
        if (strcmp(line, got) == 0) continue;
        wrong++;
        print_error("%s: Python makes %s, we make %s\n", asked, line, got);
    }
    pclose(oracle);
    unlink(in);
    text_done(&out);
    text_done(&ours);
    assert_int_equal(count, CASES);
    assert_int_equal(wrong, 0);
    assert_true(errors < CASES / 2);
}

/* ---- the statement ---- */

static void assert_resub(const char *source, const char *code, const char *wanted)
{
    Fixture f = align_texts(source, NULL, code);
    Text names = {0};
    for (size_t i = 0; i < align_count(f.alignment); i++)
        text_addf(&names, "%s%s", i ? " " : "", align_binding(f.alignment, i)->name);
    assert_string_equal(text_string(&names), wanted);
    text_done(&names);
    free_fixture(&f);
}

static void test_statement(void **state)
{
    (void)state;
    assert_resub("module.a\nb", "resub([[^module\\.]], '')", "a b");
    assert_resub("a\nb", "resub('^', 'backbone.')", "backbone.a backbone.b");
    assert_resub("a.b.c", "resub{'\\\\.', '_', count=1}", "a_b.c");
    assert_resub("module.a.gamma", "resub{{[[^module\\.]], ''}, {'^', 'm.'}, {'gamma$', 'weight'}}",
                 "m.a.weight");
    assert_resub("aa", "resub{{'a', 'b'}, {'b', 'c'}, count=1}", "ca");
}

static void test_steps(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a 2\nb 3", "x.a 2\nb 3",
                            "resub{{[[^module\\.]], ''}, {'^a', 'x.a'}}");
    const Step *steps[4];
    assert_int_equal(align_steps(binding_of(&f, "x.a"), steps, 4), 2);
    assert_string_equal(steps[0]->what, "resub \"^module\\.\"");
    assert_string_equal(steps[0]->to, "a");
    assert_string_equal(steps[1]->what, "resub \"^a\"");
    assert_int_equal(binding_of(&f, "x.a")->how, HOW_RULE);
    assert_int_equal(binding_of(&f, "b")->how, HOW_EXACT);
    free_fixture(&f);
}

static void test_collision_and_notes(void **state)
{
    (void)state;
    Fixture f = align_texts("a1 2\na2 2", NULL, "resub('\\\\d', '')\nresub('zz', 'y')");
    assert_int_equal(align_collision_count(f.alignment), 1);
    assert_string_equal(align_collision(f.alignment, 0)->what, "resub \"\\d\"");
    assert_int_equal(align_note_count(f.alignment), 1);
    assert_string_equal(align_note(f.alignment, 0)->text, "resub \"zz\": fits in no key");
    free_fixture(&f);
}

static void assert_refused(const char *code, const char *part)
{
    Checkpoint *source = make_source("source.pth", make_dict("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab 2"));
    Draft *draft = draft_new(source, NULL, NULL, 0);
    Script *script = script_new(draft, NULL);
    Error err = {0};
    if (script_run(script, code, strlen(code), "fix.lua", &err)) fail_msg("not refused: %s", code);
    assert_error_has(err, part);
    assert_true(has_prefix(err.text, "fix.lua:1: resub"));
    assert_int_equal(draft_count(draft) > 1, 0);
    script_free(script);
    draft_free(draft);
    checkpoint_unref(source);
}

static void test_statement_errors(void **state)
{
    (void)state;
    assert_refused("resub('a')", "expected text, got nothing");
    assert_refused("resub('a', 1)", "expected text, got a number");
    assert_refused("resub('a', 'b', 'c')", "3 arguments given, it takes 2");
    assert_refused("resub{}", "the list is empty");
    assert_refused("resub{'a'}", "expected \"regex\", \"replacement\", got 1 texts");
    assert_refused("resub{{'a'}}", "a pair is {\"regex\", \"replacement\"}, not 1 texts");
    assert_refused("resub{{'a', 'b'}, 'c'}", "expected pairs");
    assert_refused("resub{{'a', 'b', count=1}}", "there is no field 'count'");
    assert_refused("resub{'a', 'b', counts=1}", "there is no field 'counts'");
    assert_refused("resub{'a', 'b', count=-1}", "count must be a whole number");
    assert_refused("resub('a(', '')", "resub \"a(\": missing closing parenthesis (at 3)");
    assert_refused("resub('.+', '')", "leaves 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' with an empty");
    assert_refused("resub('(a|aa)+$', '')",
                   "resub \"(a|aa)+$\": 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab': takes too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_pythons_spelling),
        cmocka_unit_test(test_bad_patterns),
        cmocka_unit_test(test_bad_replacements),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_utf8),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_as_python),
        cmocka_unit_test(test_statement),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_collision_and_notes),
        cmocka_unit_test(test_statement_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
