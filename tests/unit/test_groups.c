/* freeze, group and buffers: which parameters there are, and what an optimizer gets. */
#include "tests/unit/test.h"

#include <unistd.h>

#include "tests/unit/align_fixture.h"
#include "tests/unit/scripts.h"

#include "loader/align/groups.h"
#include "loader/align/report.h"
#include "loader/export/groups_file.h"

static const char net[] = "conv.weight 8,3,3,3\nbn.weight 8\nbn.running_mean 8\n"
                          "bn.num_batches_tracked - i64\nrel.relative_position_index 4,4 i64\n"
                          "fc.weight 10,8\nfc.bias 10";

/* "0: a b lr=0.1 | 1: c | frozen: d" */
static const char *show(const Fixture *f, Text *out)
{
    const ParamGroups *groups = align_groups(f->alignment);
    text_clear(out);
    for (size_t i = 0; groups && i < groups->group_count; i++) {
        const ParamGroup *group = &groups->groups[i];
        text_addf(out, "%s%zu:", i ? " | " : "", i);
        for (size_t j = 0; j < group->count; j++) text_addf(out, " %s", group->params[j]->name);
        const Value *options = group->rule ? group->rule->options : NULL;
        for (size_t j = 0; options && j < options->list.count; j++) {
            JsonWriter *writer = json_writer_new(out, false);
            text_addf(out, " %s=", options->list.items[j].key);
            json_value(writer, options->list.items[j].value);
            json_writer_free(writer);
        }
    }
    if (groups && groups->frozen_count) text_addf(out, "%sfrozen:", out->length ? " | " : "");
    for (size_t i = 0; groups && i < groups->frozen_count; i++)
        text_addf(out, " %s", groups->frozen[i]->name);
    return text_string(out);
}

static void assert_groups(const char *source, const char *target, const char *code,
                          const char *wanted)
{
    Fixture f = align_texts(source, target, code);
    Text text = {0};
    assert_string_equal(show(&f, &text), wanted);
    text_done(&text);
    free_fixture(&f);
}

static void assert_note(const char *target, const char *code, const char *part)
{
    Fixture f = align_texts(net, target, code);
    bool found = false;
    for (size_t i = 0; i < align_note_count(f.alignment); i++)
        found = found || strstr(align_note(f.alignment, i)->text, part);
    if (!found) fail_msg("%s: no note has \"%s\"", code, part);
    free_fixture(&f);
}

static void without_statements_there_are_none(void **state)
{
    (void)state;
    Fixture f = align_texts(net, net, NULL);
    assert_null(align_groups(f.alignment));
    free_fixture(&f);
}

static void two_groups_of_the_guide(void **state)
{
    (void)state;
    assert_groups(net, net, "group('fc.**', {lr=1e-2}) group{lr=1e-3, momentum=0.9}",
                  "0: conv.weight bn.weight lr=0.001 momentum=0.9 | "
                  "1: fc.weight fc.bias lr=0.01");
    assert_groups(net, net, "group({'fc.*', 'bn.*'}, {betas={0.9, 0.999}, foreach=true})",
                  "0: conv.weight | 1: bn.weight fc.weight fc.bias betas=[0.9,0.999] foreach=true");
}

/* 62 parameters, of which two are new: the numbers that SGD gives them. */
static void g6_resnet18(void **state)
{
    (void)state;
    Text names = {0};
    for (int i = 0; i < 30; i++)
        text_addf(&names, "l%d.weight 8,8\nl%d.running_var 8\nl%d.bias 8\n", i, i, i);
    text_add(&names, "fc.weight 10,8\nfc.bias 10");
    Fixture f = align_texts(text_string(&names), text_string(&names),
                            "group('fc.*', {lr=0.01}) group{lr=0.001}");
    const ParamGroups *groups = align_groups(f.alignment);
    assert_int_equal(groups->params, 62);
    assert_int_equal(groups->groups[0].count, 60);
    assert_int_equal(groups->groups[1].count, 2);
    Text json = {0};
    JsonWriter *writer = json_writer_new(&json, false);
    groups_json(groups, writer);
    json_writer_free(writer);
    assert_non_null(strstr(text_string(&json), "\"ids\":[0,59],\"options\":{\"lr\":0.001}"));
    assert_non_null(strstr(text_string(&json), "{\"params\":[\"fc.weight\",\"fc.bias\"],"
                                               "\"ids\":[60,61],\"options\":{\"lr\":0.01}}"));
    text_done(&json);
    text_done(&names);
    free_fixture(&f);
}

static void feature_extraction(void **state)
{
    (void)state;
    assert_groups(net, net, "freeze{'**', except='fc.*'} group{lr=1e-2, momentum=0.9}",
                  "0: fc.weight fc.bias lr=0.01 momentum=0.9 | frozen: conv.weight bn.weight");
    assert_groups("conv.weight 8,3,3,3\nbn.weight 8", net,
                  "freeze{'**', loaded=true} fill('fc.*', zeros()) policy{missing='init'}",
                  "0: fc.weight fc.bias | frozen: conv.weight bn.weight");
    assert_groups(net, net, "freeze '**'", "frozen: conv.weight bn.weight fc.weight fc.bias");
}

static void the_first_group_that_fits_counts(void **state)
{
    (void)state;
    assert_groups(net, net, "group('fc.weight', {lr=1}) group('fc.*', {lr=2}) group('bn.*', {lr=3})",
                  "0: conv.weight | 1: fc.weight lr=1 | 2: fc.bias lr=2 | 3: bn.weight lr=3");
    assert_groups(net, net, "group('**', {lr=1})",
                  "0: conv.weight bn.weight fc.weight fc.bias lr=1");
}

static void buffers_are_no_parameters(void **state)
{
    (void)state;
    assert_groups(net, net, "buffers('bn.weight', 'fc.bias') freeze 'conv.*'",
                  "0: fc.weight | frozen: conv.weight");
    assert_groups(net, net, "buffers{'fc.*', only=true} freeze 'conv.*'",
                  "0: bn.weight bn.running_mean | frozen: conv.weight");
}

static void tied_ones_are_one_parameter(void **state)
{
    (void)state;
    assert_groups("e 4,2", "e 4,2\nh 4,2\nx 1", "tie('h', 'e') freeze 'x'", "0: e | frozen: x");
    assert_groups("e 4,2", "h 4,2\ne 4,2", "tie('h', 'e') group('e', {lr=1})", "0: h");
    assert_groups("h 4,2", "e 4,2 f32 @\nh 4,2 f32 @=", "group('**', {lr=1})", "0: e lr=1");
}

static void without_target_keys_are_parameters(void **state)
{
    (void)state;
    assert_groups("m.a 2\nm.b 2", NULL, "freeze 'a' strip 'm.'", "0: b | frozen: a");
}

static void idle_statements_are_noted(void **state)
{
    (void)state;
    assert_note(net, "freeze 'cf.*'", "freeze \"cf.*\": no parameter of that name");
    assert_note(net, "group('bn.running_mean', {lr=1})",
                "group(\"bn.running_mean\"): no parameter of that name is left for it");
    assert_note(net, "freeze 'fc.*' group('fc.*', {lr=1})", "group(\"fc.*\"): no parameter");
}

static void the_report_says_it(void **state)
{
    (void)state;
    Fixture f = align_texts(net, net, "freeze 'conv.*' group('fc.*', {lr=1e-2})");
    Text text = {0};
    report_text(f.alignment, &(ReportOptions){.source_path = "a", .target_path = "b"}, &text);
    if (!strstr(text_string(&text), "  Groups (2)   4 parameters, 1 of them frozen\n"
                                    "      1  group 0   bn.weight\n"
                                    "      2  group 1   fc.{bias,weight}   lr=0.01\n"
                                    "      1  frozen    conv.weight\n"))
        fail_msg("%s", text_string(&text));
    text_clear(&text);
    report_json(f.alignment, &(ReportOptions){.source_path = "a", .target_path = "b"}, &text);
    assert_non_null(strstr(text_string(&text), ",\"groups\":{\"groups\":[{\"params\":[\"bn.weight\"]"
                                               ",\"ids\":[0,0],\"options\":{}}"));
    text_done(&text);
    free_fixture(&f);
}

/* ---- the files ---- */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    static char text[8192];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* Names that would break out of a careless file. */
static void files_are_written_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/tenon-groups-XXXXXX", out[200], path[220];
    assert_non_null(mkdtemp(folder));
    snprintf(out, sizeof out, "%s/out.pth", folder);
    Error err = {0};
    Fixture f = align_texts("a\"\\];import 2\nb\xFF 2\n", NULL,
                            "freeze 'b*' group('a*', {lr=1e-2, nesterov=true, weight_decay=1/0, "
                            "betas={0.9, 1}, name='\"x'})");
    const ParamGroups *groups = align_groups(f.alignment);
    GroupsFiles *files = groups_files_write(groups, out, false, &err);
    assert_non_null(files);
    snprintf(path, sizeof path, "%s.groups.py", out);
    assert_null(read_file(path));
    assert_true(groups_files_commit(files, &err));
    const char *text = read_file(path);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"a\\\"\\\\];import\""));
    assert_non_null(strstr(text, "\"b\\udcff\""));
    assert_non_null(strstr(text, "\"betas\": (0.9, 1,)"));
    assert_non_null(strstr(text, "\"weight_decay\": float(\"inf\")"));
    assert_non_null(strstr(text, "\"nesterov\": True"));
    assert_non_null(strstr(text, "\"name\": \"\\\"x\""));
    assert_null(groups_files_write(groups, out, false, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    files = groups_files_write(groups, out, true, &err);
    assert_non_null(files);
    groups_files_discard(files);
    unlink(path);
    snprintf(path, sizeof path, "%s.groups.json", out);
    assert_non_null(strstr(read_file(path), "\"ids\": ["));
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
    free_fixture(&f);
}

static void assert_refused(const char *code, const char *part)
{
    fails("a f32 2", code, "fix.lua:1: ", part);
}

static void bad_statements(void **state)
{
    (void)state;
    assert_refused("freeze()", "freeze: expected text, got nothing");
    assert_refused("freeze(1)", "freeze: expected text, got a number");
    assert_refused("freeze 'a{'", "freeze: a{");
    assert_refused("freeze{'a', unless='b'}", "there is no field 'unless'");
    assert_refused("freeze{'a', except=1}", "except: freeze: expected text or a list of texts");
    assert_refused("freeze{'a', except='{'}", "is not closed");
    assert_refused("freeze{'a', loaded=1}", "loaded must be true or false");
    assert_refused("buffers{}", "buffers: expected text, got nothing");
    assert_refused("buffers{'a', only='yes'}", "only must be true or false");
    assert_refused("buffers{'a', one=true}", "there is no field 'one'");
    assert_refused("group()", "group: expected a pattern, or a list of patterns, got nothing");
    assert_refused("group('a')", "group: expected {lr=…, …}, got nothing");
    assert_refused("group('a', {lr=1}, 2)", "3 arguments given");
    assert_refused("group({}, {lr=1})", "expected a pattern");
    assert_refused("group('a', {1})", "every option needs its name");
    assert_refused("group('a', {params=1})", "'params' is what the group itself says");
    assert_refused("group('a', {lr=print})", "'lr' must be a number, true, false, text, or a list");
    assert_refused("group('a', {lr={}})", "'lr' must be a number");
    assert_refused("group('a', {lr={1, 'b'}})", "'lr' must be a number");
    assert_refused("group('a', {[true]=1})", "has no name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_statements_there_are_none),
        cmocka_unit_test(two_groups_of_the_guide),
        cmocka_unit_test(g6_resnet18),
        cmocka_unit_test(feature_extraction),
        cmocka_unit_test(the_first_group_that_fits_counts),
        cmocka_unit_test(buffers_are_no_parameters),
        cmocka_unit_test(tied_ones_are_one_parameter),
        cmocka_unit_test(without_target_keys_are_parameters),
        cmocka_unit_test(idle_statements_are_noted),
        cmocka_unit_test(the_report_says_it),
        cmocka_unit_test(files_are_written_whole),
        cmocka_unit_test(bad_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
