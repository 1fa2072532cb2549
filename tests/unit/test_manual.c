/* The examples of the manual page tenon-rules(5), run as they stand there: every literal
 * display, with the source, the target and the outcome that the comments before it name:
 *
 *   @source KEY DTYPE DIMS   @in CONTAINER (where the source's dict lies)   @file PATH (the source)
 *   @json NAME TEXT (a file beside the source)
 *   @target KEY DTYPE DIMS   @gives TARGET STATUS SOURCE…   @prints TEXT   @fails REGEX */
#include <regex.h>

#include "loader/format/format.h"
#include "tests/unit/scratch_folder.h"
#include "tests/unit/scripts.h"

static const char page[] = "scripting/tenon-rules.5";

typedef struct Example {
    int line;                    /* of its display */
    Text source, in, file, json, target, gives, prints, fails, code;
    bool has_target;
} Example;

static void clear(Example *example)
{
    text_done(&example->source);
    text_done(&example->in);
    text_done(&example->file);
    text_done(&example->json);
    text_done(&example->target);
    text_done(&example->gives);
    text_done(&example->prints);
    text_done(&example->fails);
    text_done(&example->code);
    *example = (Example){0};
}

/* A line of text without its end. */
static const char *first_line(Text *text)
{
    if (text->length) text->bytes[strcspn(text->bytes, "\n")] = '\0';
    return text->bytes;
}

/* "config.json {…}" becomes that file in the scratch folder, which stands for the source's. */
static void write_json(void **state, Example *example)
{
    char *name = example->json.bytes, *text = name ? strchr(name, ' ') : NULL;
    if (!name) return;
    assert_non_null(text);
    *text = '\0';
    write_text(state, name, text + 1);
}

static void open_example(void **state, Bench *bench, Example *example)
{
    const char *file = first_line(&example->file);
    Error err = {0};
    Checkpoint *source = file ? checkpoint_open(file, &err)
                              : bench_source(text_string(&example->source),
                                             first_line(&example->in));
    if (!source) fail_msg("%s", err.text);
    write_json(state, example);
    bench_open_over(bench, source, example->has_target ? text_string(&example->target) : NULL,
                    &(ScriptOptions){.json_folder = ".", .json_folder2 = *state});
}

/* Roff's escapes as the reader sees them. */
static void add_code(Text *code, const char *line)
{
    for (; *line; line++) {
        if (*line != '\\') text_addc(code, *line);
        else if (*++line == 'e') text_addc(code, '\\');
        else if (*line == '-') text_addc(code, '-');
        else assert_int_equal(*line, '&');
    }
}

/* Asserts one line of @gives: TARGET STATUS [SOURCE …]. */
static void check_binding(const Bench *bench, char *line)
{
    char *rest = line, *target = strsep(&rest, " "), *status = strsep(&rest, " ");
    Text sources = {0};
    for (const char *source; (source = strsep(&rest, " "));)
        text_addf(&sources, "%s%s", sources.length ? ", " : "", source);
    bench_binding(bench, target, status, sources.length ? text_string(&sources) : NULL);
    text_done(&sources);
}

static void check_failure(const Bench *bench, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_NOSUB), 0);
    if (regexec(&regex, bench->err.text, 0, NULL, 0) != 0)
        fail_msg("'%s' does not fit '%s'", bench->err.text, pattern);
    regfree(&regex);
}

static void run_example(void **state, Example *example)
{
    Bench bench;
    print_message("%s:%d\n", page, example->line);
    assert_true(example->source.length > 0 || example->file.length > 0);
    assert_true(example->gives.length || example->prints.length || example->fails.length);
    open_example(state, &bench, example);
    const bool ok = bench_run(&bench, text_string(&example->code), "rules.lua");
    if (example->fails.length) {
        assert_false(ok);
        check_failure(&bench, text_string(&example->fails));
        bench_close(&bench);
        return;
    }
    if (!ok) fail_msg("%s", bench.err.text);
    assert_string_equal(script_output(bench.script), text_string(&example->prints));
    bench_finish(&bench);
    if (!bench.alignment) fail_msg("%s", bench.err.text);
    assert_int_equal(align_exit(bench.alignment), 0);
    for (size_t i = 0; i < align_note_count(bench.alignment); i++)
        if (!align_note(bench.alignment, i)->remark)
            fail_msg("a note: %s", align_note(bench.alignment, i)->text);
    char *rest = example->gives.bytes;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line) check_binding(&bench, line);
    bench_close(&bench);
}

static void take_comment(Example *example, const char *line)
{
    static const char mark[] = ".\\\" @";
    if (!has_prefix(line, mark)) return;
    const char *what = line + strlen(mark), *blank = strchr(what, ' ');
    assert_non_null(blank);
    Text *text = has_prefix(what, "source ")   ? &example->source
                 : has_prefix(what, "in ")     ? &example->in
                 : has_prefix(what, "file ")   ? &example->file
                 : has_prefix(what, "json ")   ? &example->json
                 : has_prefix(what, "target ") ? &example->target
                 : has_prefix(what, "gives ")  ? &example->gives
                 : has_prefix(what, "prints ") ? &example->prints
                 : has_prefix(what, "fails ")  ? &example->fails
                                               : NULL;
    assert_non_null(text);
    example->has_target |= text == &example->target;
    text_add(text, blank + 1);
    if (text != &example->fails) text_addc(text, '\n');
}

static void every_example_does_what_it_says(void **state)
{
    FILE *file = fopen(page, "r");
    assert_non_null(file);
    Example example = {0};
    char line[512];
    bool inside = false;
    int examples = 0;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (has_prefix(line, ".Bd -literal")) {
            inside = true;
            example.line = number;
        } else if (has_prefix(line, ".Ed")) {
            run_example(state, &example);
            clear(&example);
            inside = false;
            examples++;
        } else if (inside) {
            add_code(&example.code, line);
            text_addc(&example.code, '\n');
        } else if (*line == '.') {
            take_comment(&example, line);
        }
    }
    fclose(file);
    assert_true(examples >= 8);
}

/* A name that the page forgets, or one that it invents. */
static void every_word_is_in_the_page(void **state)
{
    (void)state;
    FILE *file = fopen(page, "r");
    assert_non_null(file);
    static char text[65536];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    size_t count;
    const ScriptWord *words = script_words(&count);
    for (size_t i = 0; i < count; i++) {
        if (!strstr(text, words[i].name)) fail_msg("'%s' is not in the page", words[i].name);
        assert_non_null(words[i].args);
        assert_true(strlen(words[i].help) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_example_does_what_it_says, make_folder,
                                        remove_folder),
        cmocka_unit_test(every_word_is_in_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
