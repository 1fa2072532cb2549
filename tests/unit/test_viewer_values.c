/* The panels about values, on a terminal that is none, with tensors whose numbers are known. */
#include "tests/unit/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/align/profile.h"
#include "loader/format/format.h"
#include "repl/interactive.h"
#include "tests/unit/fake_terminal.h"
#include "viewer/value_axis.h"

static char folder[256], before[1024];
static FakeTerminal fake;

/* a.w f32 [4,6]: 0 … 23; b f32 [5]: -2 … 2; n f32 [2]: NaN, inf; the metadata holds an escape. */
static void write_file(const char *path, const char *prefix, float shift)
{
    char header[1024];
    float values[31];
    int n = snprintf(header, sizeof header,
        "{\"__metadata__\":{\"note\":\"red \\u001b[31m\"},"
        "\"%sa.w\":{\"dtype\":\"F32\",\"shape\":[4,6],\"data_offsets\":[0,96]},"
        "\"%sb\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[96,116]},"
        "\"%sn\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[116,124]}}",
        prefix, prefix, prefix);
    for (int i = 0; i < 24; i++) values[i] = (float)i;
    values[23] += shift;
    for (int i = 0; i < 5; i++) values[24 + i] = (float)(i - 2);
    values[29] = NAN;
    values[30] = INFINITY;
    unsigned char length[8] = {(unsigned char)n, (unsigned char)(n >> 8)};
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(length, 1, 8, file);
    fwrite(header, 1, (size_t)n, file);
    fwrite(values, 1, sizeof values, file);
    fclose(file);
}

static int enter(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tenon-values.XXXXXX", base ? base : "/tmp");
    if (!getcwd(before, sizeof before) || !mkdtemp(folder) || chdir(folder) != 0) return -1;
    write_file("old.safetensors", "m.", 0);
    write_file("new.safetensors", "", 0.5f);
    return 0;
}

static int leave(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir(before) != 0 || system(command) != 0;
}

static void line(const char *text)
{
    fake_press(&fake, ":");
    fake_type(&fake, text);
    fake_press(&fake, "Enter");
}

static void run_file(const char *source, const char *target)
{
    Error err = {0};
    RulesArgument argument = {RULES_CODE, "strip \"m.\""};
    SessionOptions options = {.source = source, .target = target,
                              .rules = &argument, .rule_count = target != NULL};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    InteractiveOptions how = {.terminal = &fake.terminal, .moment = FAKE_MOMENT_MS,
                              .first = FAKE_MOMENT_MS};
    interactive_run(session, &how);
    session_free(session);
    if (fake.failure) fprintf(stderr, "%dx%d: %s\n", fake.columns, fake.rows, fake.failure);
    assert_null(fake.failure);
    assert_int_equal(fake.next, fake.count);
    fake_done(&fake);
}

static void run_with(const char *target)
{
    run_file("old.safetensors", target);
}

static const int sizes[][2] = {{80, 24}, {120, 36}, {300, 100}};

/* Every page at every size, with Unicode and without. */
static void test_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * countof(sizes); i++) {
        bool ascii = i % 2;
        fake_init(&fake, sizes[i / 2][0], sizes[i / 2][1], ascii);
        line("goto a.w");
        fake_expect(&fake, STEP_SHOWS, "mean 11.5  std 6.92  min 0  max 23  ");
        fake_expect(&fake, STEP_SHOWS, "mean 11.5  std 6.96  min 0  max 23.5");
        fake_press(&fake, i % 3 ? "v" : "Enter");
        fake_expect(&fake, STEP_SHOWS, "values 24");
        fake_expect(&fake, STEP_SHOWS, ascii ? "range  0 .. 23.5" : "range  0 … 23.5");
        /* both sides have the axis of both */
        fake_expect(&fake, STEP_SHOWS, ascii ? " 0 .. 23.5, highest" : " 0 … 23.5, highest");
        fake_expect(&fake, STEP_LACKS, ascii ? " 0 .. 23, highest" : " 0 … 23, highest");
        line("values-page numbers");
        fake_expect(&fake, STEP_SHOWS, "19          20          21");
        fake_press(&fake, "Down Down Down l l l l l");
        fake_expect(&fake, STEP_SHOWS, "[3, 5] 23.5");
        line("values-page heat");
        fake_expect(&fake, STEP_SHOWS, ascii ? "*####" : "▓████");
        fake_press(&fake, "-");
        fake_expect(&fake, STEP_SHOWS, ascii ? "mean of 2x2" : "mean of 2×2");
        fake_expect(&fake, STEP_SHOWS, "[3, 5] 19.625");   /* of 16 17 22 23.5 */
        fake_press(&fake, "p");
        fake_expect(&fake, STEP_SHOWS, "[3, 5] 23.5");
        line("values-page rows");
        fake_expect(&fake, STEP_SHOWS, "7.416");           /* sqrt(0+1+4+9+16+25) */
        fake_press(&fake, "o");
        fake_expect(&fake, STEP_SHOWS, "largest first");
        line("values-page difference");
        fake_expect(&fake, STEP_SHOWS, "0.5  relative 0.00758  cosine 0.999974764  unequal 1 of 24");
        fake_press(&fake, "+");
        fake_expect(&fake, STEP_SHOWS, "[3, 5] -0.5");
        fake_press(&fake, "q");
        fake_expect(&fake, STEP_LACKS, "page 5 of 5");
        run_with("new.safetensors");
    }
}

static void test_single_and_odd(void **state)
{
    (void)state;
    fake_init(&fake, 80, 24, false);
    line("goto m.n");
    fake_expect(&fake, STEP_SHOWS, "no finite value  nan 1  inf 1");
    line("values m.b");
    fake_expect(&fake, STEP_SHOWS, "range  -2 … 2");
    line("values-page heat");
    fake_expect(&fake, STEP_SHOWS, "▤= ▒█");
    line("values-page rows");
    fake_expect(&fake, STEP_SHOWS, "a vector has no rows");
    line("values-axes 0 1");
    fake_expect(&fake, STEP_SHOWS, "is no pair of its axes");
    fake_press(&fake, "Esc q");
    line("values m.n");
    line("values-page heat");
    fake_expect(&fake, STEP_SHOWS, "NI");
    fake_press(&fake, "q");
    line("values nothing");
    fake_expect(&fake, STEP_SHOWS, "there is no tensor nothing");
    fake_press(&fake, "Esc Home v");
    fake_expect(&fake, STEP_SHOWS, "a module has no values");
    line("values-zoom in");
    fake_expect(&fake, STEP_SHOWS, "no tensor's values are on show");
    run_with(NULL);
}

/* What an expression makes is read as well, and told step by step. */
static void test_made(void **state)
{
    (void)state;
    fake_init(&fake, 120, 36, false);
    line("rules [[ m.a.w -> c |> T, slice(0, 0, 2) ]]");
    line("goto c");
    fake_expect(&fake, STEP_SHOWS, "f32 4×6 → ");
    fake_expect(&fake, STEP_SHOWS, "→ 6×4");
    fake_expect(&fake, STEP_SHOWS, "mean 9.5");        /* columns 0 and 1 */
    run_with(NULL);
}

static void test_views(void **state)
{
    (void)state;
    fake_init(&fake, 80, 24, false);
    fake_press(&fake, "M");
    fake_expect(&fake, STEP_SHOWS, "red \\x1b[31m");
    fake_press(&fake, "q O");
    fake_expect(&fake, STEP_SHOWS, "f32 4×6");
    fake_press(&fake, "q o");
    fake_expect(&fake, STEP_SHOWS, "no optimizer state");
    fake_press(&fake, "Esc C");
    fake_expect(&fake, STEP_SHOWS, "3 tensors, 124 B read");
    fake_expect(&fake, STEP_SHOWS, "m.n");
    fake_press(&fake, "Down Down Right Down Down Enter");
    fake_expect(&fake, STEP_LACKS, "check of the source");
    run_with(NULL);
}

/* A click puts the cursor on a cell; the border and two lines stand before the first. */
static void test_click(void **state)
{
    (void)state;
    fake_init(&fake, 80, 24, false);
    line("values m.a.w");
    line("values-page heat");
    fake_expect(&fake, STEP_SHOWS, "[0, 0] 0");
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_CLICK, .x = 2 + 8 + 4, .y = 6};
    fake_expect(&fake, STEP_SHOWS, "[2, 4] 16");
    fake_add(&fake, STEP_PRESS)->press = (Press){.kind = PRESS_CLICK, .x = 3, .y = 6};
    fake_expect(&fake, STEP_SHOWS, "[2, 4] 16");
    run_with(NULL);
}

/* No key speaks to the terminal, whatever shows it. */
static void test_hostile(void **state)
{
    (void)state;
    write_file("evil.safetensors", "e\\u001b[31m", 0);
    fake_init(&fake, 80, 24, false);
    fake_press(&fake, "Z G v");
    fake_expect(&fake, STEP_SHOWS, "e\\x1b[31mn ─");
    fake_expect(&fake, STEP_LACKS, "\x1b");
    fake_press(&fake, "q C");
    fake_expect(&fake, STEP_SHOWS, "e\\x1b[31mn");
    fake_press(&fake, "q O");
    fake_expect(&fake, STEP_SHOWS, "e\\x1b[31mb");
    fake_expect(&fake, STEP_LACKS, "\x1b");
    run_file("evil.safetensors", NULL);
}

/* Two groups: the numbers are not in the order of the weights, and no name is said. */
static void test_optimizer(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(sizes); i++) {
        fake_init(&fake, sizes[i][0], sizes[i][1], i % 2);
        fake_press(&fake, "o");
        fake_expect(&fake, STEP_SHOWS, "2 parameters, 2 with state, step 2");
        fake_expect(&fake, STEP_SHOWS, "nothing in the file tells");
        fake_expect(&fake, STEP_SHOWS, "(0.9, 0.999)");
        fake_expect(&fake, STEP_LACKS, "module.conv.weight");
        fake_press(&fake, "q O");
        fake_expect(&fake, STEP_SHOWS, "module.bn.running_var");
        fake_press(&fake, "q M");
        fake_expect(&fake, STEP_SHOWS, "epoch");
        run_file("tests/data/optimizer/two_groups.pth", NULL);
    }
}

/* A pass over more numbers than are kept: bins and quantiles as they must be. */
static void test_profile(void **state)
{
    (void)state;
    enum { N = 200000 };
    float *values = mem_alloc(N * sizeof *values);
    for (int i = 0; i < N; i++) values[i] = (float)(i - N / 2) / (N / 2);
    ByteSource *source = source_from_memory(values, N * sizeof *values, "numbers");
    Storage storage = {.source = source, .bytes = N * sizeof *values, .dtype = DT_F32};
    const int64_t dims[] = {N / 4, 4};
    Tensor tensor = {.name = "x", .dims = dims, .rank = 2, .dtype = DT_F32, .storage = &storage};
    Arena *arena = arena_new();
    Numbers numbers;
    Error err = {0};
    Profile *profile = mem_alloc(sizeof *profile);
    const Expr *e = expr_source(arena, &tensor);
    assert_true(numbers_of(arena, e, NULL, &numbers, &err));
    assert_true(profile_make(&numbers, NULL, NULL, profile, &err));
    assert_int_equal(profile->stats.count, N);
    assert_int_equal(profile->stats.zeros, 1);
    assert_false(profile->exact);
    uint64_t sum = 0, powers = 0;
    for (int i = 0; i < PROFILE_BINS; i++) {
        sum += profile->bins[i];
        powers += profile->powers[i];
        assert_in_range(profile->bins[i], N / PROFILE_BINS - 200, N / PROFILE_BINS + 200);
    }
    assert_int_equal(sum, N);
    assert_int_equal(powers, N - 1);
    for (unsigned i = 0; i < PROFILE_QUANTILES; i++)
        assert_true(fabs(profile->quantiles[i] - (2 * profile_quantile(i) - 1)) < 0.005);
    assert_int_equal(profile->group, (N / 4 + PROFILE_ROWS - 1) / PROFILE_ROWS);
    assert_true(numbers_of(arena, e, e, &numbers, &err));
    assert_true(profile_make(&numbers, NULL, NULL, profile, &err));
    assert_int_equal(profile->stats.zeros, N);
    free(profile);
    arena_free(arena);
    source_unref(source);
    free(values);
}

static double sum_of(const double bins[PROFILE_BINS], int from, int to)
{
    double sum = 0;
    for (int i = from; i < to; i++) sum += bins[i];
    return sum;
}

/* A narrow side stands where its numbers lie on the axis of both; nothing of it is lost. */
static void test_axis(void **state)
{
    (void)state;
    Profile narrow = {.stats = {.finite = 640, .min = 1, .max = 2}, .top = 0};
    double bins[PROFILE_BINS];
    for (int i = 0; i < PROFILE_BINS; i++) narrow.bins[i] = 10;
    narrow.powers[PROFILE_BINS - 1] = 640;               /* [1, 2) */
    const ValueAxis axis = {.low = 0, .high = 4, .top = 1, .sides = 2};
    value_axis_bins(&axis, &narrow, false, bins);
    for (int i = 0; i < PROFILE_BINS; i++)
        assert_true(fabs(bins[i] - (i >= 16 && i < 32 ? 40 : 0)) < 1e-9);
    assert_int_equal(value_axis_bins(&axis, &narrow, true, bins), 2);
    assert_true(bins[0] == 640 && bins[1] == 0);
    const ValueAxis uneven = {.low = 0.3, .high = 2, .top = 0, .sides = 2};
    value_axis_bins(&uneven, &narrow, false, bins);
    assert_true(fabs(sum_of(bins, 0, PROFILE_BINS) - 640) < 1e-6);
    assert_true(sum_of(bins, 0, 26) == 0 && bins[PROFILE_BINS - 1] > 0);   /* 1 is at 26.35 */
    const ValueAxis own = {.low = 1, .high = 2, .top = 0, .sides = 1};
    value_axis_bins(&own, &narrow, false, bins);
    for (int i = 0; i < PROFILE_BINS; i++) assert_true(bins[i] == 10);
    Profile constant = {.stats = {.finite = 5, .min = 2, .max = 2}, .bins = {5}};
    value_axis_bins(&axis, &constant, false, bins);
    assert_true(bins[32] == 5 && sum_of(bins, 0, PROFILE_BINS) == 5);
}

/* By size the axis begins where numbers do: what of them is one in a thousand, or less, is in the
 * first column. */
static void test_sizes(void **state)
{
    (void)state;
    double bins[PROFILE_BINS];
    ValueAxis axis = {.sides = 0};
    Profile weights = {.stats = {.finite = 100000, .min = -1, .max = 1}, .top = -1};
    weights.powers[PROFILE_BINS - 1] = 60000;            /* 2^-1 */
    weights.powers[PROFILE_BINS - 2] = 30000;
    weights.powers[PROFILE_BINS - 3] = 9900;
    weights.powers[20] = 60;
    weights.powers[0] = 40;
    value_axis_add(&axis, &weights);
    assert_int_equal(axis.bottom, -3);
    assert_true(axis.less);
    assert_int_equal(value_axis_bins(&axis, &weights, true, bins), 3);
    assert_true(bins[0] == 10000 && bins[1] == 30000 && bins[2] == 60000);
    Profile large = {.stats = {.finite = 10, .min = 8, .max = 9}, .top = 3};
    large.powers[PROFILE_BINS - 1] = 10;
    value_axis_add(&axis, &large);                       /* both sides have one axis */
    assert_int_equal(axis.bottom, -3);
    assert_int_equal(value_axis_bins(&axis, &large, true, bins), 7);
    assert_true(bins[6] == 10 && sum_of(bins, 0, 6) == 0);
    Profile huge = {.stats = {.finite = 1, .min = 1e30, .max = 1e30}, .top = 99};
    huge.powers[PROFILE_BINS - 1] = 1;
    value_axis_add(&axis, &huge);                        /* farther than columns go */
    assert_int_equal(value_axis_bins(&axis, &weights, true, bins), PROFILE_BINS);
    assert_true(bins[0] == 100000);
    ValueAxis exact = {.sides = 0};
    value_axis_add(&exact, &large);
    assert_false(exact.less);
    assert_int_equal(value_axis_bins(&exact, &large, true, bins), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pages, enter, leave),
        cmocka_unit_test_setup_teardown(test_single_and_odd, enter, leave),
        cmocka_unit_test_setup_teardown(test_made, enter, leave),
        cmocka_unit_test_setup_teardown(test_views, enter, leave),
        cmocka_unit_test_setup_teardown(test_click, enter, leave),
        cmocka_unit_test_setup_teardown(test_hostile, enter, leave),
        cmocka_unit_test(test_optimizer),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_axis),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
