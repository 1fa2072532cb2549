/* Plans undone: what was moved, cut, joined, tied or widened comes back byte for byte; each loss is
 * named with its reason. Over a small source, without files. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "loader/export/plan_open.h"
#include "loader/export/plan_reverse.h"
#include "tests/unit/tiny_source.h"

#define SOURCES                                                                              \
    "{\"source\":\"a\",\"status\":\"used\",\"shape\":[2,3],\"dtype\":\"f32\"},"              \
    "{\"source\":\"b\",\"status\":\"used\",\"shape\":[2,3],\"dtype\":\"f32\"},"              \
    "{\"source\":\"h\",\"status\":\"used\",\"shape\":[4],\"dtype\":\"f16\"},"                \
    "{\"source\":\"i\",\"status\":\"dropped\",\"shape\":[2],\"dtype\":\"i64\","              \
    "\"reason\":\"dropped by r.lua:9\"},"                                                    \
    "{\"source\":\"q\",\"status\":\"used\",\"shape\":[4,6],\"dtype\":\"f32\"}"

/* Entries "x0", "x1" … of expressions parted by "|" over the small source. */
static PlanFile *make_plan(const char *exprs)
{
    Error err = {0};
    Text text = {0};
    text_add(&text, "{\"version\":1,\"entries\":[");
    for (size_t i = 0; *exprs; i++) {
        size_t n = strcspn(exprs, "|");
        text_addf(&text, "%s{\"target\":\"x%zu\",\"status\":\"loaded\",\"rule\":\"r.lua:%zu\","
                         "\"expr\":%.*s}", i ? "," : "", i, i + 1, (int)n, exprs);
        exprs += n + (exprs[n] != '\0');
    }
    text_add(&text, "],\"source_entries\":[" SOURCES "],\"plan\":{\"sources\":[{\"path\":\"t\","
                    "\"container\":\"\"}],\"output\":{}}}");
    PlanFile *file = plan_file_parse(text_string(&text), text.length, "p.json", &err);
    if (!file) fail_msg("%s", err.text);
    text_done(&text);
    return file;
}

static void invert(const char *exprs, PlanFile **file, PlanInverse *inverse)
{
    Error err = {0};
    *file = make_plan(exprs);
    if (!plan_inverse_make(inverse, *file, &err)) fail_msg("%s: %s", exprs, err.text);
}

static void *read_expr(const Expr *e, size_t *n)
{
    Error err = {0};
    uint64_t count = 1, bytes;
    for (unsigned i = 0; i < e->rank; i++) count *= (uint64_t)e->dims[i];
    assert_true(dtype_bytes(e->dtype, count, &bytes));
    void *values = mem_alloc((size_t)bytes + 1);
    if (!expr_fill(e, NULL, NULL, values, &err)) fail_msg("%s", err.text);
    *n = (size_t)bytes;
    return values;
}

/* A checkpoint with what the plan writes, in memory. */
static Checkpoint *write_outputs(const PlanFile *file, Checkpoint *source)
{
    Error err = {0};
    Plan *plan = plan_open_over(file, source, NULL, &err);
    if (!plan) fail_msg("%s", err.text);
    Checkpoint *output = checkpoint_new("out", "test");
    StateDict *dict = dict_new();
    for (size_t i = 0; i < plan->count; i++) {
        const Expr *e = plan->entries[i].expr;
        size_t n;
        void *values = read_expr(e, &n);
        Storage *storage = arena_alloc(dict_arena(dict), sizeof *storage);
        *storage = (Storage){source_from_memory(values, n, "out"), 0, n, e->dtype, (uint32_t)i};
        checkpoint_own_source(output, storage->source);
        Tensor tensor = {.name = arena_strdup(dict_arena(dict), plan->entries[i].name),
                         .dims = arena_copy(dict_arena(dict), e->dims, (e->rank + 1u) * 8),
                         .rank = e->rank, .dtype = e->dtype, .storage = storage};
        dict_add(dict, &tensor);
        free(values);
    }
    checkpoint_add_container(output, "", dict, 0, false);
    plan_free(plan);
    return output;
}

/* Writes the outputs, the inverse as a file, carries that out; every tensor named in `names` (one
 * letter each) comes back as it was, and nothing else does. */
static void comes_back(const char *exprs, const char *names)
{
    Error err = {0};
    PlanFile *file;
    PlanInverse inverse;
    Text text = {0};
    invert(exprs, &file, &inverse);
    Checkpoint *source = open_tiny(), *output = write_outputs(file, source);
    if (!plan_inverse_json(&inverse, "q.json", NULL, &text, &err)) fail_msg("%s", err.text);
    PlanFile *back = plan_file_parse(text_string(&text), text.length, "q.json", &err);
    Plan *plan = back ? plan_open_over(back, output, NULL, &err) : NULL;
    if (!plan) fail_msg("%s: %s", exprs, err.text);
    if (plan->count != strlen(names))
        fail_msg("%s: %zu come back, not %s", exprs, plan->count, names);
    for (size_t i = 0; i < plan->count; i++) {
        char name[2] = {names[i], '\0'};
        size_t n, m;
        assert_string_equal(plan->entries[i].name, name);
        const Tensor *tensor = dict_find(checkpoint_container(source, 0)->dict, name);
        void *got = read_expr(plan->entries[i].expr, &n);
        m = (size_t)tensor_bytes(tensor);
        void *want = mem_alloc(m + 1);
        assert_true(tensor_read(tensor, NULL, NULL, want, &err));
        assert_int_equal(n, m);
        assert_memory_equal(got, want, n);
        free(got);
        free(want);
    }
    plan_free(plan);
    plan_file_free(back);
    text_done(&text);
    checkpoint_unref(output);
    checkpoint_unref(source);
    plan_inverse_done(&inverse);
    plan_file_free(file);
}

/* The tensor is lost, or rounded, for that reason, by that rule. */
static void remarks(const char *exprs, const char *name, bool lost, const char *why,
                    const char *rule)
{
    PlanFile *file;
    PlanInverse inverse;
    invert(exprs, &file, &inverse);
    const PlanRemark *found = NULL;
    for (size_t i = 0; i < inverse.remark_count; i++)
        if (strcmp(inverse.remarks[i].name, name) == 0) found = &inverse.remarks[i];
    if (!found) fail_msg("%s: nothing is said of %s", exprs, name);
    assert_int_equal(found->lost, lost);
    assert_string_equal(found->why, why);
    if (rule) assert_string_equal(found->rule, rule);
    else assert_null(found->rule);
    plan_inverse_done(&inverse);
    plan_file_free(file);
}

#define A "[\"src\",\"a\"]"
#define B "[\"src\",\"b\"]"
#define H "[\"src\",\"h\"]"
#define Q "[\"src\",\"q\"]"

static void test_moves(void **state)
{
    (void)state;
    comes_back(A, "a");
    comes_back("[\"permute\",[1,0]," A "]", "a");
    comes_back("[\"reshape\",[3,1,2]," A "]", "a");
    comes_back("[\"pick\",1,[2,0,1]," A "]", "a");
    comes_back("[\"pick\",1,[2,0,1,2,2]," A "]", "a");
    comes_back("[\"repeat\",1,5,[\"reshape\",[2,1,3]," A "]]", "a");
    comes_back("[\"permute\",[2,0,1],[\"reshape\",[2,3,4],[\"permute\",[1,0]," Q "]]]", "q");
}

static void test_parts(void **state)
{
    (void)state;
    comes_back("[\"slice\",0,0,1," Q "]|[\"slice\",0,1,4," Q "]", "q");
    comes_back("[\"slice\",1,4,6," Q "]|[\"slice\",1,0,4," Q "]", "q");
    comes_back("[\"slice\",0,0,3," Q "]|[\"slice\",0,1,4," Q "]", "q");
    comes_back("[\"pick\",0,[3,0]," Q "]|[\"pick\",0,[1,2]," Q "]", "q");
    comes_back("[\"permute\",[1,0],[\"slice\",0,0,2," Q "]]|[\"slice\",0,2,4," Q "]", "q");
}

/* A grid, and what can only be put together row by row of it. */
static void test_grids(void **state)
{
    (void)state;
    comes_back("[\"slice\",1,0,3,[\"slice\",0,0,2," Q "]]|[\"slice\",1,3,6,[\"slice\",0,0,2," Q "]]|"
               "[\"slice\",1,0,3,[\"slice\",0,2,4," Q "]]|[\"slice\",1,3,6,[\"slice\",0,2,4," Q "]]", "q");
    comes_back("[\"slice\",1,0,1,[\"slice\",0,0,2," Q "]]|[\"slice\",1,1,6,[\"slice\",0,0,2," Q "]]|"
               "[\"slice\",1,0,5,[\"slice\",0,2,4," Q "]]|[\"slice\",1,5,6,[\"slice\",0,2,4," Q "]]", "q");
}

/* Interleaved groups: (h c d) k, cut at c. */
static void test_parts_of_another_shape(void **state)
{
    (void)state;
    comes_back("[\"slice\",1,0,1,[\"reshape\",[2,2,6]," Q "]]|[\"slice\",1,1,2,[\"reshape\",[2,2,6]," Q "]]",
               "q");
    comes_back("[\"slice\",0,0,1,[\"reshape\",[2,2,6]," Q "]]|[\"slice\",0,2,4," Q "]", "q");
    comes_back("[\"slice\",0,0,12,[\"reshape\",[24]," Q "]]|[\"slice\",0,2,4," Q "]", "q");
    comes_back("[\"slice\",0,0,2,[\"reshape\",[4,6,1]," Q "]]|[\"slice\",0,2,4," Q "]", "q");
}

static void test_joins(void **state)
{
    (void)state;
    comes_back("[\"cat\",0," A "," B "]", "ab");
    comes_back("[\"cat\",1," A "," B "]", "ab");
    comes_back("[\"stack\",1," B "," A "]", "ab");
    comes_back("[\"cat\",1,[\"stack\",0," A "," B "],[\"stack\",0," B "," A "]]", "ab");
    comes_back("[\"cat\",0," A ",[\"fill\",\"zeros\",{\"dtype\":\"f32\",\"shape\":[4,3],\"key\":\"x\","
               "\"seed\":0}]]", "a");
}

static void test_values(void **state)
{
    (void)state;
    comes_back("[\"cast\",\"f32\"," H "]", "h");
    comes_back("[\"cast\",\"f64\"," H "]", "h");
    comes_back("[\"cast\",\"f64\"," A "]", "a");
    comes_back("[\"mul\",-0.25," A "]", "a");
    comes_back("[\"cast\",\"f16\",[\"mul\",2.0,[\"cast\",\"f32\"," H "]]]", "h");
    comes_back(A "|" A, "a");
    comes_back("[\"cast\",\"f16\"," A "]|" A, "a");      /* one good copy is enough */
}

static void test_losses(void **state)
{
    (void)state;
    remarks(A, "i", true, "dropped by r.lua:9", NULL);
    remarks(A, "b", true, "nothing of it is in the output", NULL);
    remarks("[\"mean\",0," A "]", "a", true, "mean(0) has no inverse", "r.lua:1");
    remarks(B "|[\"sum\",1," A "]", "a", true, "sum(1) has no inverse", "r.lua:2");
    remarks("[\"add\"," A "," B "]", "b", true, "the sum of two tensors has no inverse", "r.lua:1");
    remarks("[\"product\"," A "," B "]", "a", true, "product has no inverse", "r.lua:1");
    remarks("[\"sqrt\"," A "]", "a", true, "sqrt has no inverse", "r.lua:1");
    remarks("[\"resize\",0,\"bicubic\",[4],[7]," Q "]", "q", true, "resize has no inverse", "r.lua:1");
    remarks("[\"cast\",\"f16\"," A "]", "a", true, "cast f32 → f16 rounds", "r.lua:1");
    remarks("[\"cast\",\"bf16\"," H "]", "h", true, "cast f16 → bf16 rounds", "r.lua:1");
    remarks("[\"mul\",0.0," A "]", "a", true, "mul(0) has no inverse", "r.lua:1");
    remarks("[\"mul\",\"inf\"," A "]", "a", true, "mul(inf) has no inverse", "r.lua:1");
    remarks("[\"mul\",1e-300," A "]", "a", true, "mul(1e-300) has no inverse", "r.lua:1");
    remarks("[\"shift\",\"nan\"," A "]", "a", true, "add(nan) has no inverse", "r.lua:1");
    remarks("[\"slice\",0,0,3," Q "]", "q", true, "only a part of it is in the output", "r.lua:1");
    remarks("[\"slice\",1,0,1,[\"reshape\",[2,2,6]," Q "]]", "q", true,
            "only a part of it is in the output", "r.lua:1");
    remarks("[\"pick\",0,[3,0]," Q "]", "q", true, "only a part of it is in the output", "r.lua:1");
    remarks("[\"repeat\",0,0,[\"slice\",0,0,1," Q "]]", "q", true, "it is repeated no times", "r.lua:1");
}

static void test_rounded(void **state)
{
    (void)state;
    remarks("[\"mul\",0.1," A "]", "a", false, "comes back to within rounding", "r.lua:1");
    remarks("[\"shift\",1.0," A "]", "a", false, "comes back to within rounding", "r.lua:1");
    remarks("[\"slice\",0,0,1," A "]|[\"mul\",3.0,[\"slice\",0,1,2," A "]]", "a", false,
            "comes back to within rounding", "r.lua:1");
}

static void test_dtypes_that_hold_each_other(void **state)
{
    (void)state;
    static const DType holds[][2] = {{DT_F32, DT_F16}, {DT_F32, DT_BF16}, {DT_F64, DT_F32},
                                     {DT_F16, DT_F8_E4M3}, {DT_BF16, DT_F8_E5M2}, {DT_F32, DT_I16},
                                     {DT_F64, DT_I32}, {DT_I64, DT_U32}, {DT_I16, DT_U8},
                                     {DT_F16, DT_U8}, {DT_BF16, DT_I8}, {DT_I8, DT_BOOL},
                                     {DT_F16, DT_BOOL}, {DT_C64, DT_C64}};
    static const DType not[][2] = {{DT_F16, DT_F32}, {DT_F16, DT_BF16}, {DT_BF16, DT_F16},
                                   {DT_F32, DT_I32}, {DT_F64, DT_I64}, {DT_U32, DT_I16},
                                   {DT_I32, DT_U32}, {DT_BOOL, DT_U8}, {DT_U8, DT_F16},
                                   {DT_C64, DT_F32}, {DT_F8_E4M3, DT_F8_E5M2}, {DT_F32, DT_Q8_0}};
    for (size_t i = 0; i < countof(holds); i++)
        if (!dtype_holds(holds[i][0], holds[i][1])) fail_msg("holds %zu", i);
    for (size_t i = 0; i < countof(not); i++)
        if (dtype_holds(not[i][0], not[i][1])) fail_msg("not %zu", i);
}

/* The file that the inverse is to be applied to is looked at when it is named. */
static void test_another_output_is_refused(void **state)
{
    (void)state;
    Error err = {0};
    PlanFile *file;
    PlanInverse inverse;
    Text text = {0};
    invert("[\"permute\",[1,0]," A "]", &file, &inverse);
    Checkpoint *other = open_tiny();
    assert_false(plan_inverse_json(&inverse, "q.json", other, &text, &err));
    assert_error_has(err, "is not what p.json wrote: it has no tensor 'x0'");
    checkpoint_unref(other);
    text_done(&text);
    plan_inverse_done(&inverse);
    plan_file_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_grids),
        cmocka_unit_test(test_parts_of_another_shape),
        cmocka_unit_test(test_joins),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_rounded),
        cmocka_unit_test(test_dtypes_that_hold_each_other),
        cmocka_unit_test(test_another_output_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
