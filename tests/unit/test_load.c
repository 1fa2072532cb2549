/* The prediction of load_state_dict, without a checkpoint around it: what is loaded into what, and
 * the text that PyTorch 2.13 has for it. The interop test compares hundreds of random models with
 * PyTorch itself; here stands a case for each thing that it does. */
#include "loader/align/load.h"
#include "tests/unit/scripts.h"

typedef struct Case {
    const char *what;
    const char *target, *modules;    /* "key dtype shape;…", and "name=version name…" in order */
    const char *source, *versions;   /* the same of the dict; versions NULL: it has no _metadata */
    const char *raises, *returns;    /* "" = it succeeds; NULL = not looked at */
} Case;

static const Case cases[] = {
    {"equal dicts", "fc.weight f32 2,3", "fc=1", "fc.weight f32 2,3", NULL, "",
     "<All keys matched successfully>"},
    {"the order is the modules', whatever the keys'",
     "b.w f32 2;a.w f32 2", "=1 b=1 a=1", "a.x f32 2;b.x f32 2", NULL,
     "Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: \"b.w\", \"a.w\". "
     "\n\tUnexpected key(s) in state_dict: \"b.x\", \"a.x\". ", NULL},
    {"a module comes before its children, and its own keys in the dict's order",
     "w f32 2;a.w f32 2", "=1 a=1", "a.z f32 1;y f32 1;x.q f32 1", NULL,
     "Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: \"w\", \"a.w\". "
     "\n\tUnexpected key(s) in state_dict: \"y\", \"x.q\", \"a.z\". ",
     "_IncompatibleKeys(missing_keys=['w', 'a.w'], unexpected_keys=['y', 'x.q', 'a.z'])"},
    {"a shape raises whether strict or not", "w f32 2", "=1", "w f32 3", NULL,
     "Error(s) in loading state_dict for R:\n\tsize mismatch for w: copying a param with shape "
     "torch.Size([3]) from checkpoint, the shape in current model is torch.Size([2]).",
     "Error(s) in loading state_dict for R:\n\tsize mismatch for w: copying a param with shape "
     "torch.Size([3]) from checkpoint, the shape in current model is torch.Size([2])."},
    {"one element for none", "w f32", "=1", "w f32 1", NULL, "", NULL},
    {"none for one element is refused", "w f32 1", "=1", "w f32", NULL,
     "Error(s) in loading state_dict for R:\n\tsize mismatch for w: copying a param with shape "
     "torch.Size([]) from checkpoint, the shape in current model is torch.Size([1]).", NULL},
    {"two axes of one element are refused", "w f32", "=1", "w f32 1,1", NULL,
     "Error(s) in loading state_dict for R:\n\tsize mismatch for w: copying a param with shape "
     "torch.Size([1, 1]) from checkpoint, the shape in current model is torch.Size([]).", NULL},
    {"a BatchNorm gives itself its counter without _metadata",
     "bn.running_mean f32 2;bn.running_var f32 2;bn.num_batches_tracked i64", "=1 bn=2",
     "bn.running_mean f32 2;bn.running_var f32 2", NULL, "", NULL},
    {"and of version 1",
     "bn.running_mean f32 2;bn.running_var f32 2;bn.num_batches_tracked i64", "=1 bn=2",
     "bn.running_mean f32 2;bn.running_var f32 2", "=1 bn=1", "", NULL},
    {"but not of version 2",
     "bn.running_mean f32 2;bn.running_var f32 2;bn.num_batches_tracked i64", "=1 bn=2",
     "bn.running_mean f32 2;bn.running_var f32 2", "=1 bn=2",
     "Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: "
     "\"bn.num_batches_tracked\". ", NULL},
    {"nor another module with such a buffer", "c.num_batches_tracked i64;c.w f32 2", "=1 c=1",
     "c.w f32 2", NULL,
     "Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: "
     "\"c.num_batches_tracked\". ", NULL},
    {"a key that goes on behind a parameter's", "fc.weight f32 2", "=1 fc=1",
     "fc.weight f32 2;fc.weight.x f32 1;fc f32 1", NULL,
     "Error(s) in loading state_dict for R:\n\tUnexpected key(s) in state_dict: \"fc\", "
     "\"fc.weight.x\". ", NULL},
    {"a key that ends where a module begins", "fc.weight f32 2", "=1 fc=1",
     "fc.weight f32 2;fc. f32 1", NULL,
     "Error(s) in loading state_dict for R:\n\tUnexpected key(s) in state_dict: \"fc.\". ", NULL},
    {"a module without tensors is one all the same", "a.w f32 2", "=1 relu=1 a=1",
     "relu.x f32 1;a.w f32 2;q f32 1", NULL,
     "Error(s) in loading state_dict for R:\n\tUnexpected key(s) in state_dict: \"q\", "
     "\"relu.x\". ", NULL},
    {"an extra state that nobody wants comes first", "a.w f32 2", "=1 a=1",
     "a.x f32 1;a._extra_state f32 1;a.w f32 2", NULL,
     "Error(s) in loading state_dict for R:\n\tUnexpected key(s) in state_dict: "
     "\"a._extra_state\", \"a.x\". ", NULL},
    {"the old names of weight norm",
     "l.parametrizations.weight.original0 f32 2,1;l.parametrizations.weight.original1 f32 2,3",
     "=1 l=1 l.parametrizations=1 l.parametrizations.weight=1",
     "l.weight_g f32 2,1;l.weight_v f32 2,3", NULL, "", NULL},
    {"of which one does not do",
     "l.parametrizations.weight.original0 f32 2,1;l.parametrizations.weight.original1 f32 2,3",
     "=1 l=1 l.parametrizations=1 l.parametrizations.weight=1", "l.weight_g f32 2,1", NULL,
     "Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: "
     "\"l.parametrizations.weight.original0\", \"l.parametrizations.weight.original1\". "
     "\n\tUnexpected key(s) in state_dict: \"l.weight_g\". ", NULL},
    {"quotes in what Python prints", "it's f32;q\"q f32;x'y\"z f32", "=1", "other f32", NULL, NULL,
     "_IncompatibleKeys(missing_keys=[\"it's\", 'q\"q', 'x\\'y\"z'], unexpected_keys=['other'])"},
};

/* "name=version …" as _metadata. */
static Object *metadata_of(Arena *arena, const char *text)
{
    Object *dict = object_new(arena, OBJ_DICT);
    for (const char *at = text; *at; at += *at == ' ') {
        const size_t n = strcspn(at, "=");
        Object *entry = object_new(arena, OBJ_DICT);
        object_push(arena, entry, object_str(arena, "version"));
        object_push(arena, entry, object_int(arena, at[n + 1] - '0'));
        object_push(arena, dict, object_str(arena, arena_strndup(arena, at, n)));
        object_push(arena, dict, entry);
        at += n + 2;
    }
    return dict;
}

static void check(const Case *one)
{
    Arena *arena = arena_new();
    StateDict *target = dict_new(), *source = dict_new();
    Text text = {0};
    LoadItem *items;
    LoadReport report;
    print_message("%s\n", one->what);
    bench_fill(target, one->target);
    bench_fill(source, one->source);
    dict_set_torch_metadata(target, metadata_of(arena, one->modules));
    const size_t count = load_items_of_dict(arena, source, NULL, &items);
    load_predict(arena, items, count, one->versions ? metadata_of(arena, one->versions) : NULL,
                 &(LoadTarget){target, NULL}, &report);
    assert_false(report.inferred);
    load_error_text(&report, "R", true, &text);
    if (one->raises) assert_string_equal(text_string(&text), one->raises);
    text_clear(&text);
    if (!load_error_text(&report, "R", false, &text)) load_result_text(&report, &text);
    if (one->returns) assert_string_equal(text_string(&text), one->returns);
    text_done(&text);
    dict_unref(target);
    dict_unref(source);
    arena_free(arena);
}

static void load_state_dict_is_foreseen(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) check(&cases[i]);
}

/* Without _metadata the modules stand in the order of their keys. */
static void the_tree_is_inferred_from_the_keys(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    StateDict *target = dict_new();
    LoadItem items[] = {{.name = "z"}};
    LoadReport report;
    bench_fill(target, "b.w f32 2;a.w f32 2;b.c.w f32 2;w f32 2");
    load_predict(arena, items, 1, NULL, &(LoadTarget){target, NULL}, &report);
    static const char *const order[] = {"w", "b.w", "b.c.w", "a.w"};
    assert_true(report.inferred);
    assert_int_equal(report.missing_count, countof(order));
    for (size_t i = 0; i < countof(order); i++) assert_string_equal(report.missing[i], order[i]);
    assert_int_equal(report.unexpected_count, 1);
    dict_unref(target);
    arena_free(arena);
}

/* What is no tensor, and keys that are no text. */
static void values_and_keys_of_other_types(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    StateDict *target = dict_new();
    Text text = {0};
    LoadReport report;
    bench_fill(target, "w f32 2");
    LoadItem items[] = {{.name = "w", .value_class = "int"}, {.name = "?", .key_class = "int"}};
    load_predict(arena, items, 1, NULL, &(LoadTarget){target, NULL}, &report);
    assert_true(load_error_text(&report, "R", true, &text));
    assert_string_equal(text_string(&text),
                        "Error(s) in loading state_dict for R:\n\tWhile copying the parameter "
                        "named \"w\", expected torch.Tensor or Tensor-like object from "
                        "checkpoint but received <class 'int'>");
    text_clear(&text);
    load_predict(arena, items, 2, NULL, &(LoadTarget){target, NULL}, &report);
    assert_true(load_error_text(&report, "R", true, &text));
    assert_string_equal(text_string(&text), "'int' object has no attribute 'startswith'");
    text_done(&text);
    dict_unref(target);
    arena_free(arena);
}

/* A name of nothing but dots makes one node a dot, and neither stack nor paths grow with it. */
static void a_deep_tree_costs_its_bytes(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    Arena *arena = arena_new();
    StateDict *target = dict_new();
    char *name = mem_alloc(DEPTH + 2);
    memset(name, '.', DEPTH);
    name[DEPTH] = 'w';
    static const int64_t dims[1] = {2};
    dict_add(target, &(Tensor){.name = name, .dims = dims, .rank = 1, .dtype = DT_F32});
    LoadItem items[] = {{.name = "w"}, {.name = name, .dims = dims, .rank = 1}};
    LoadReport report;
    load_predict(arena, items, 2, NULL, &(LoadTarget){target, NULL}, &report);
    assert_int_equal(report.missing_count, 0);
    assert_int_equal(report.unexpected_count, 1);
    free(name);
    dict_unref(target);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_state_dict_is_foreseen),
        cmocka_unit_test(the_tree_is_inferred_from_the_keys),
        cmocka_unit_test(values_and_keys_of_other_types),
        cmocka_unit_test(a_deep_tree_costs_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
