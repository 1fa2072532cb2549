/* What a plan will take, told before it is carried out. */
#include "tests/unit/plans.h"

#include "loader/export/plan_cost.h"

/* A safetensors file of a [4,3] f32, b [4,3] f32 and n [2] i64. */
static void write_source(const char *path)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,48]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[48,96]},"
        "\"n\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[96,112]}}";
    unsigned char bytes[8 + sizeof header - 1 + 112] = {0};
    const size_t n = sizeof header - 1;
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(n >> 8 * i);
    memcpy(bytes + 8, header, n);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    fclose(file);
}

static PlanCost cost_of(const char *code)
{
    Error err = {0};
    Alignment *alignment;
    char path[512];
    snprintf(path, sizeof path, "%s", in_folder("cost.safetensors"));
    write_source(path);
    const Job job = a_job(path, NULL, code);
    Session *session = open_session(&job, &alignment);
    Plan *plan = plan_new(alignment, &job.plan, &err);
    if (!plan) fail_msg("%s", err.text);
    const ExportOptions none = {0};
    PlanCost cost = plan_cost(plan, &none);
    plan_free(plan);
    align_unref(alignment);
    session_free(session);
    return cost;
}

static void assert_cost(const char *code, size_t copied, size_t computed, size_t filled,
                        uint64_t read, uint64_t written)
{
    PlanCost cost = cost_of(code);
    assert_int_equal(cost.copied, copied);
    assert_int_equal(cost.computed, computed);
    assert_int_equal(cost.filled, filled);
    assert_int_equal(cost.read, read);
    assert_int_equal(cost.written, written);
}

static void costs_are_those_of_the_values(void **state)
{
    (void)state;
    assert_cost("x = 1", 3, 0, 0, 112, 112);
    assert_cost("rules [[ a -> c ]]", 3, 0, 0, 112, 112);
    assert_cost("rules [[ a -> a |> T ]]", 2, 1, 0, 112, 112);
    assert_cost("rules [[ a -> a |> cast('f16') ]]", 2, 1, 0, 112, 88);
    assert_cost("rules [[ a, b -> c |> cat(0) ]]", 1, 1, 0, 112, 112);
    assert_cost("rules [[ b -> ; a -> a |> slice(0, 0, 1) ]]", 1, 1, 0, 28, 28);
    assert_cost("rules [[ a -> p, q |> split(2) ]]", 2, 2, 0, 112, 112);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(costs_are_those_of_the_values)};
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
