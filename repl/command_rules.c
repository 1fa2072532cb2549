/* tenon rules: the bundled packs and presets; their list, their text, their tests. */
#include "repl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/source/file_text.h"
#include "repl/answer.h"
#include "repl/interrupt.h"
#include "scripting/pack.h"

enum { RULES_BYTES_MAX = 16 << 20 };     /* of a user's file, as elsewhere */

/* The one behind it that people name: what presets share is none. NULL at the end. */
static const BundledRules *skip_shared(const BundledRules *rules)
{
    while (rules->name && rules->kind == BUNDLED_SHARED) rules++;
    return rules->name ? rules : NULL;
}

static const char *kind_word(BundledKind kind)
{
    return kind == BUNDLED_PACK ? "pack" : "preset";
}

/* What a bundled file says it is; a head that cannot be read is its tests' business. */
static const char *summary_of(Arena *arena, const BundledRules *rules)
{
    PackHead head;
    pack_read(arena, rules->text, rules->n, rules->name, &head, NULL);
    return head.summary;
}

/* ---- list ---- */

static void list_json(Arena *arena)
{
    Text out = {0};
    JsonWriter *json = answer_begin_tool(&out);
    json_key(json, "rules");
    json_list(json);
    for (const BundledRules *one = bundled_rules; (one = skip_shared(one)); one++) {
        json_map(json);
        json_put_text(json, "name", one->name);
        json_put_text(json, "kind", kind_word(one->kind));
        json_put_text(json, "reverse", pack_reverse_name(arena, one));
        json_put_text(json, "summary", summary_of(arena, one));
        json_end(json);
    }
    json_end(json);
    answer_print(json, EXIT_COMPLETE, &out);
}

/* One line each; what also goes back has a sign, since its other name follows from the first. */
static int list_rules(const Invocation *invocation)
{
    Arena *arena = arena_new();
    size_t width = 0;
    bool back = false;
    for (const BundledRules *one = bundled_rules; (one = skip_shared(one)); one++)
        if (strlen(one->name) > width) width = strlen(one->name);
    if (invocation->set[OPT_JSON]) list_json(arena);
    for (const BundledRules *one = bundled_rules; (one = skip_shared(one)); one++) {
        if (invocation->set[OPT_JSON]) break;
        const bool turns = pack_reverse_name(arena, one) != NULL;
        printf("%-6s  %-*s %s %s\n", kind_word(one->kind), (int)width, one->name,
               turns ? "<->" : "   ", summary_of(arena, one));
        back = back || turns;
    }
    if (back && !invocation->set[OPT_JSON] && !invocation->set[OPT_QUIET])
        printf("\n<-> goes back as well, under the name with the two sides changed over.\n");
    arena_free(arena);
    return EXIT_COMPLETE;
}

/* ---- show ---- */

static int show_rules(const Invocation *invocation, Error *err)
{
    const char *const name = invocation->operand_count == 2 ? invocation->operands[1] : NULL;
    if (!name) {
        error_set(err, ERR_USAGE, "rules show takes one NAME; tenon rules lists them");
        return complain(err);
    }
    const BundledRules *rules = pack_find(name, NULL, err);
    if (!rules) return complain(err);
    if (!invocation->set[OPT_JSON]) {
        fwrite(rules->text, 1, rules->n, stdout);
        return EXIT_COMPLETE;
    }
    Text out = {0};
    JsonWriter *json = answer_begin_tool(&out);
    json_put_text(json, "name", rules->name);
    json_put_text(json, "kind", kind_word(rules->kind));
    json_put_text(json, "text", rules->text);
    answer_print(json, EXIT_COMPLETE, &out);
    return EXIT_COMPLETE;
}

/* ---- test ---- */

/* What is tested, and what came of it so far. */
typedef struct Testing {
    const Invocation *invocation;
    JsonWriter *json;            /* NULL: text is printed as tests go */
    size_t passed, failed;
    bool trouble;                /* something could not be tested at all */
} Testing;

/* One line a case, "ok" or "not ok" in front as test runners read it. */
static void say_case(Testing *testing, const char *name, const PackCase *one, bool back,
                     const Error *err)
{
    const bool ok = !err->text[0];
    *(ok ? &testing->passed : &testing->failed) += 1;
    if (testing->json) {
        json_map(testing->json);
        json_put_text(testing->json, "name", name);
        json_key(testing->json, "line");
        json_int(testing->json, one->line);
        json_key(testing->json, "tensors");
        json_uint(testing->json, one->after.count);
        json_key(testing->json, "reverse");
        json_bool(testing->json, back);
        json_put_text(testing->json, "error", ok ? NULL : err->text);
        json_end(testing->json);
        return;
    }
    if (ok && testing->invocation->set[OPT_QUIET]) return;
    Text shown = {0};
    name_show(ok ? name : err->text, &shown);
    if (ok)
        printf("ok      %s:%d: %zu -> %zu tensors%s\n", text_string(&shown), one->line,
               one->before.count, one->after.count, back ? ", and back" : "");
    else printf("not ok  %s\n", text_string(&shown));
    text_done(&shown);
}

/* All cases of one text. A pack without any is not tested, which is an error where it was named. */
static void test_text(Testing *testing, const char *text, size_t n, const char *name, bool named)
{
    Arena *arena = arena_new();
    PackHead head;
    Error err = {0};
    if (!pack_read(arena, text, n, name, &head, &err) ||
        (!head.count && named &&
         !error_set(&err, ERR_RULE, "%s: no @case in its head (tenon-rules(5), PACKS)", name))) {
        complain(&err);
        testing->trouble = true;
    }
    for (size_t i = 0; i < head.count && !err.text[0] && !*interrupt_flag(); i++) {
        const PackCase *one = &head.cases[i];
        Error found = {0};
        pack_test(&head, one, text, n, name, interrupt_flag(), &found);
        say_case(testing, name, one, head.reverse && !one->oneway, &found);
    }
    arena_free(arena);
}

/* A bundled name, or else a file: what has a dot or a slash in it is no name. */
static void test_operand(Testing *testing, const char *operand)
{
    Error err = {0};
    if (!strpbrk(operand, "./")) {
        const BundledRules *rules = pack_find(operand, NULL, &err);
        if (rules) {
            test_text(testing, rules->text, rules->n, rules->name, true);
            return;
        }
    } else {
        size_t n;
        char *text = file_text_given(operand, RULES_BYTES_MAX, &n, &err);
        if (text) {
            test_text(testing, text, n, operand, true);
            free(text);
            return;
        }
    }
    complain(&err);
    testing->trouble = true;
}

/* Trouble outweighs a failed test. */
static int test_rules(const Invocation *invocation)
{
    Testing testing = {.invocation = invocation};
    Text out = {0};
    interrupt_watch();
    if (invocation->set[OPT_JSON]) {
        testing.json = answer_begin_tool(&out);
        json_key(testing.json, "tests");
        json_list(testing.json);
    }
    for (size_t i = 1; i < invocation->operand_count; i++)
        test_operand(&testing, invocation->operands[i]);
    for (const BundledRules *one = bundled_rules; (one = skip_shared(one)); one++)
        if (invocation->operand_count < 2) test_text(&testing, one->text, one->n, one->name, false);
    const int status = *interrupt_flag() ? EXIT_INTERRUPTED : testing.trouble ? EXIT_TROUBLE
                       : testing.failed ? EXIT_DIFFERS : EXIT_COMPLETE;
    if (testing.json) {
        json_end(testing.json);
        answer_print(testing.json, status, &out);
    } else if (!invocation->set[OPT_QUIET]) {
        printf("%zu passed, %zu failed\n", testing.passed, testing.failed);
    }
    return status;
}

/* tenon rules [list | show NAME | test [NAME | FILE] …] */
int command_rules(const Invocation *invocation)
{
    Error err = {0};
    const char *const what = invocation->operand_count ? invocation->operands[0] : "list";
    if (strcmp(what, "show") == 0) return show_rules(invocation, &err);
    if (strcmp(what, "test") == 0) return test_rules(invocation);
    if (strcmp(what, "list") == 0 && invocation->operand_count < 2) return list_rules(invocation);
    if (strcmp(what, "list") == 0)
        error_set(&err, ERR_USAGE, "rules list takes nothing else, not '%s'",
                  invocation->operands[1]);
    else error_set(&err, ERR_USAGE, "rules %s: it is list, show or test", what);
    return complain(&err);
}
