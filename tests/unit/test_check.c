/* check: every kind of finding about weights, and the healthy thing beside it that must not be
 * found. */
#include "tests/unit/check_maker.h"

static void test_trained_weights_are_silent(void **state)
{
    (void)state;
    Maker maker = {0};
    for (uint64_t i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d.weight", (int)i);
        add_trained(&maker, name, 32, 24, i);
        snprintf(name, sizeof name, "layers.%d.bias", (int)i);
        add_trained(&maker, name, 32, 0, i + 100);
    }
    finds(&maker, "");
}

static void test_nan_and_infinite(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(64, 1);
    values[5] = NAN;
    add_values(&maker, "a.weight", values, 8, 8);
    values[5] = INFINITY;
    add_values(&maker, "b.weight", values, 8, 8);
    values[5] = -INFINITY;
    add_values(&maker, "attn.mask", values, 8, 8);
    free(values);
    finds(&maker, "warning nan: a.weight | warning nan: b.weight");
}

static void test_nan_in_optimizer_state_counts_too(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "a.weight", 8, 8, 1);
    begin_part(&maker, "optimizer", true);
    add_constant(&maker, "exp_avg", 0, 8, 8);
    add_constant(&maker, "exp_avg_sq", NAN, 8, 8);
    finds(&maker, "warning nan: optimizer::exp_avg_sq | note optimizer: -");
}

static void test_zeros(void **state)
{
    (void)state;
    Maker maker = {0};
    add_constant(&maker, "fc.weight", 0, 8, 8);
    add_constant(&maker, "norm.weight", 0, 16, 0);
    add_constant(&maker, "fc.bias", 0, 8, 0);
    add_constant(&maker, "attn_mask", 0, 8, 8);
    add_constant(&maker, "step", 0, 0, 0);
    add_constant(&maker, "scale.weight", 0, 1, 0);
    finds(&maker, "warning all-zero: {fc,norm}.weight");
}

static void test_constants(void **state)
{
    (void)state;
    Maker maker = {0};
    add_constant(&maker, "fc.weight", 0.25F, 8, 8);
    add_constant(&maker, "norm.weight", 1, 16, 0);
    add_constant(&maker, "ones_mask", 1, 8, 8);
    finds(&maker, "warning constant: fc.weight");
}

static void test_dead_rows_and_channels(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(256, 1);
    memset(values + 2 * 16, 0, 3 * 16 * sizeof *values);
    add_values(&maker, "a.weight", values, 16, 16);
    free(values);
    values = trained_values(256, 2);
    for (size_t i = 0; i < 16; i++) values[i * 16 + 3] = values[i * 16 + 4] = -0.0F;
    add_values(&maker, "b.weight", values, 16, 16);
    free(values);
    values = trained_values(64 * 16, 3);
    memset(values + 9 * 16, 0, 16 * sizeof *values);
    add_values(&maker, "c.weight", values, 64, 16);
    add_values(&maker, "word_embeddings.weight", values, 64, 16);
    free(values);
    finds(&maker, "warning dead-rows: a.weight | warning dead-columns: b.weight | "
                  "note dead-rows: c.weight | note copy: {c,word_embeddings}.weight");
}

/* Single outputs are sparse as they like. */
static void test_zeros_of_one_output(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(64, 1);
    for (size_t i = 0; i < 30; i++) values[i] = 0;
    add_values(&maker, "lin.weight", values, 1, 64);
    free(values);
    finds(&maker, "");
}

static void test_padding_rows(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(100 * 8, 1);
    for (size_t i = 91; i < 100; i++) memcpy(values + i * 8, values + 90 * 8, 8 * sizeof *values);
    add_values(&maker, "embed.weight", values, 100, 8);
    free(values);
    values = trained_values(100 * 8, 2);
    memset(values + 95 * 8, 0, 5 * 8 * sizeof *values);
    add_values(&maker, "embed2.weight", values, 100, 8);
    free(values);
    finds(&maker, "note padding-rows: embed.weight | note padding-rows: embed2.weight");
}

static void test_outlier(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(128 * 128, 1);
    values[77] = 1e6F;
    add_values(&maker, "a.weight", values, 128, 128);
    values[77] = 20;
    add_values(&maker, "b.weight", values, 128, 128);
    values[77] = 1e6F;
    add_values(&maker, "c.weight", values, 16, 16);      /* 256 values: no mean hides it */
    add_values(&maker, "few.weight", values + 70, 2, 16);
    free(values);
    finds(&maker, "warning outlier: a.weight | warning outlier: c.weight");
}

/* Infinite by design until they observed something; in weights it is a fault. */
static void test_observers_that_saw_nothing(void **state)
{
    (void)state;
    Maker maker = {0};
    add_constant(&maker, "post_process.min_val", INFINITY, 1, 0);
    add_constant(&maker, "post_process.max_val", -INFINITY, 1, 0);
    add_constant(&maker, "post_process.scale", INFINITY, 1, 0);
    finds(&maker, "warning nan: post_process.scale");
}

/* What weight decay and casts leave of the first layers of healthy networks is a note. */
static void test_share_of_dead_rows(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(32 * 16, 1);
    memset(values, 0, 3 * 16 * sizeof *values);
    add_values(&maker, "few.weight", values, 32, 16);
    memset(values, 0, 4 * 16 * sizeof *values);
    add_values(&maker, "many.weight", values, 32, 16);
    free(values);
    finds(&maker, "warning dead-rows: many.weight | note dead-rows: few.weight");
}

static void test_limit_of_f16(void **state)
{
    (void)state;
    Maker maker = {0};
    uint16_t halves[64];
    for (size_t i = 0; i < 64; i++) halves[i] = (uint16_t)(0x2000 + i * 37);
    add_bytes(&maker, "a.weight", DT_F16, halves, 64, 8, 8);
    halves[9] = 0x7BFF;
    add_bytes(&maker, "b.weight", DT_F16, halves, 64, 8, 8);
    finds(&maker, "warning f16-limit: b.weight");
}

static void test_subnormals(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(1024, 1);
    for (size_t i = 0; i < 1024; i += 5) values[i] = 1e-40F;
    add_values(&maker, "a.weight", values, 32, 32);
    free(values);
    finds(&maker, "note subnormal: a.weight");
}

/* -- Norms ----------------------------------------------------------------------------- */

static void add_batchnorm(Maker *maker, const char *name, float mean, float variance,
                          int64_t batches)
{
    char key[64];
    snprintf(key, sizeof key, "%s.running_mean", name);
    add_constant(maker, key, mean, 4, 0);
    snprintf(key, sizeof key, "%s.running_var", name);
    add_constant(maker, key, variance, 4, 0);
    snprintf(key, sizeof key, "%s.num_batches_tracked", name);
    add_bytes(maker, key, DT_I64, &batches, 1, 0, 0);
}

static void test_batchnorm_that_never_saw_a_batch(void **state)
{
    (void)state;
    Maker maker = {0};
    add_batchnorm(&maker, "bn1", 0, 1, 0);
    add_batchnorm(&maker, "bn2", 0.5F, 2, 10);
    add_batchnorm(&maker, "bn3", 0, 2, 10);
    finds(&maker, "warning untrained-batchnorm: bn1.running_mean");
}

/* Statistics of 0 and 1 everywhere, beside scales that moved: Caffe's models are so. One that is not
 * makes the others suspicious. */
static void test_statistics_that_were_absorbed(void **state)
{
    (void)state;
    const float scale[] = {1, 2, 3, 4};
    for (int moved = 0; moved < 2; moved++) {
        Maker maker = {0};
        add_batchnorm(&maker, "bn1", 0, 1, 0);
        add_values(&maker, "bn1.weight", scale, 4, 0);
        add_batchnorm(&maker, "bn2", 0, 1, 0);
        add_values(&maker, "bn2.weight", scale, 4, 0);
        if (moved) add_batchnorm(&maker, "bn3", 0.5F, 2, 10);
        finds(&maker, moved ? "warning untrained-batchnorm: bn{1-2}.running_mean"
                            : "note untrained-batchnorm: bn{1-2}.running_mean");
    }
}

static void test_batches_that_were_not_counted(void **state)
{
    (void)state;
    Maker maker = {0};
    add_batchnorm(&maker, "bn1", 0.5F, 2, 0);
    finds(&maker, "note batches-zero: bn1.num_batches_tracked");
}

static void test_variances(void **state)
{
    (void)state;
    Maker maker = {0};
    const float mean[] = {1, 2, 3, 4}, negative[] = {1, -1e-3F, 1, 1}, zero[] = {1, 0, 1, 1};
    add_values(&maker, "a.running_mean", mean, 4, 0);
    add_values(&maker, "a.running_var", negative, 4, 0);
    add_values(&maker, "b.running_mean", mean, 4, 0);
    add_values(&maker, "b.running_var", zero, 4, 0);
    finds(&maker, "warning negative-variance: a.running_var | note zero-variance: b.running_var");
}

static void test_norms_that_never_moved(void **state)
{
    (void)state;
    Maker maker = {0};
    char key[64];
    for (int moved = 0; moved < 2; moved++) {
        for (int i = 0; i < 5; i++) {
            snprintf(key, sizeof key, "layers.%d.norm.weight", i);
            add_constant(&maker, key, moved && i == 3 ? 1.125F : 1, 16, 0);
            snprintf(key, sizeof key, "layers.%d.norm.bias", i);
            add_constant(&maker, key, 0, 16, 0);
        }
        finds(&maker, moved ? "" : "warning untrained-norms: layers.{0-4}.norm.weight");
    }
}

/* -- Untrained ------------------------------------------------------------------------- */

static void test_linear_as_it_starts(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        Maker maker = {0};
        add_trained(&maker, "a.weight", 64, 64, seed);
        add_uniform(&maker, "fc.weight", 0.125, 10, 64, seed);
        add_uniform(&maker, "fc.bias", 0.125, 10, 0, seed + 50);
        finds(&maker, "warning untrained: fc.weight");
    }
}

/* A bias beyond the bound, a bound that is none of a framework's, a few values: nothing is said. */
static void test_uniform_for_other_reasons(void **state)
{
    (void)state;
    Maker maker = {0};
    add_uniform(&maker, "a.weight", 0.125, 10, 64, 1);
    add_uniform(&maker, "a.bias", 0.4, 10, 0, 2);
    add_uniform(&maker, "b.weight", 0.15, 10, 64, 3);
    add_uniform(&maker, "c.weight", 0.25, 4, 16, 4);
    finds(&maker, "");
}

/* Moved by a hundredth of the bound, it is no start any more. */
static void test_linear_that_moved(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = mem_alloc(4096 * sizeof *values);
    uint64_t random = 5;
    for (size_t i = 0; i < 4096; i++)
        values[i] = (float)((next_random(&random) * 2 - 1) * 0.125 +
                            (next_random(&random) - 0.5) * 0.0025);
    add_values(&maker, "fc.weight", values, 64, 64);
    free(values);
    finds(&maker, "");
}

/* -- Types ----------------------------------------------------------------------------- */

static void test_integers_as_floats(void **state)
{
    (void)state;
    Maker maker = {0};
    const float ids[] = {0, 1, 2, 3};
    const int64_t right[] = {0, 1, 2, 3};
    add_values(&maker, "a.position_ids", ids, 1, 4);
    add_constant(&maker, "bn.num_batches_tracked", 75.9975F, 0, 0);
    add_bytes(&maker, "b.position_ids", DT_I64, right, 4, 1, 4);
    finds(&maker, "warning integer-as-float: a.position_ids | "
                  "warning integer-as-float: bn.num_batches_tracked");
}

static void test_islands(void **state)
{
    (void)state;
    Maker maker = {0};
    char key[64];
    uint16_t halves[64];
    for (size_t i = 0; i < 64; i++) halves[i] = (uint16_t)(0x2000 + i * 37);
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 20; i++) {
            snprintf(key, sizeof key, "layers.%d.weight", i);
            for (size_t k = 0; k < 64; k++) halves[k] = (uint16_t)(halves[k] + 1);
            if (half) add_bytes(&maker, key, DT_F16, halves, 64, 8, 8);
            else add_trained(&maker, key, 8, 8, (uint64_t)i);
        }
        if (half) add_trained(&maker, "norm.weight", 8, 0, 77);
        else add_bytes(&maker, "odd.weight", DT_F16, halves, 64, 8, 8);
        finds(&maker, half ? "note kept-wide: norm.weight" : "warning dtype-island: odd.weight");
    }
}

/* -- Copies ---------------------------------------------------------------------------- */

static void test_layers_that_are_copies(void **state)
{
    (void)state;
    Maker maker = {0};
    char key[64];
    for (int i = 0; i < 6; i++) {
        uint64_t seed = (uint64_t)(i < 4 ? i : i - 2);
        snprintf(key, sizeof key, "layers.%d.q.weight", i);
        add_trained(&maker, key, 8, 8, seed);
        snprintf(key, sizeof key, "layers.%d.k.weight", i);
        add_trained(&maker, key, 8, 8, seed + 100);
    }
    finds(&maker, "warning duplicate-layer: layers.{4-5}.{k,q}.weight");
}

static void test_values_stored_twice(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "embed.weight", 20, 8, 1);
    add_trained(&maker, "lm_head.weight", 20, 8, 1);
    add_trained(&maker, "a.inv_freq", 20, 0, 2);
    add_trained(&maker, "b.inv_freq", 20, 0, 2);
    finds(&maker, "note copy: {embed,lm_head}.weight");
}

static void test_tied_tensors(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "embed.weight", 20, 8, 1);
    Tensor tied = *dict_find(maker.dict, "embed.weight");
    tied.name = "lm_head.weight";
    dict_add(maker.dict, &tied);
    finds(&maker, "note tied: {embed,lm_head}.weight");
}

/* -- Names, storages, parts ------------------------------------------------------------ */

static void test_names(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "a.weight", 8, 8, 1);
    add_trained(&maker, "A.weight", 8, 8, 2);
    add_trained(&maker, "b\n.weight", 8, 8, 3);
    add_constant(&maker, "a.total_ops", 5, 1, 0);
    add_constant(&maker, "total_params", 5, 1, 0);
    finds(&maker, "warning odd-name: b\n.weight | "
                  "warning profiler: a.total_ops, total_params | note key-case: {A,a}.weight");
}

static void test_average_inside(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "model.weight", 8, 8, 1);
    add_trained(&maker, "model.a.weight", 8, 8, 2);
    add_trained(&maker, "model_ema.weight", 8, 8, 3);
    add_trained(&maker, "model_ema.a.weight", 8, 8, 4);
    add_trained(&maker, "schema.weight", 8, 8, 5);
    finds(&maker, "note average: model_ema.weight, model_ema.a.weight");
}

static void test_slice_of_a_large_storage(void **state)
{
    (void)state;
    Maker maker = {0};
    float *values = trained_values(1 << 16, 1);
    add_bytes(&maker, "all.weight", DT_F32, values, 1 << 16, 256, 256);
    free(values);
    finds(&maker, "");
    values = trained_values(1 << 16, 1);
    add_bytes(&maker, "few.weight", DT_F32, values, 1 << 16, 256, 256);
    free(values);
    int64_t *dims = (int64_t *)(uintptr_t)dict_at(maker.dict, 0)->dims;
    dims[0] = 10;
    finds(&maker, "warning large-storage: few.weight");
}

static void test_parts_that_could_be_meant(void **state)
{
    (void)state;
    Maker maker = {0};
    begin_part(&maker, "model", false);
    add_trained(&maker, "a.weight", 8, 8, 1);
    begin_part(&maker, "ema", false);
    add_trained(&maker, "a.weight", 8, 8, 2);
    begin_part(&maker, "other", false);
    add_trained(&maker, "b.weight", 8, 8, 3);
    finds(&maker, "note rival: -");
}

/* -- Folding, reading ------------------------------------------------------------------ */

static void test_findings_fold_exactly(void **state)
{
    (void)state;
    Maker maker = {0};
    char key[64];
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "layers.%d.fc.weight", i);
        add_constant(&maker, key, i == 7 ? 0.5F : 0, 8, 8);
    }
    finds(&maker, "warning all-zero: layers.{0-6,8-11}.fc.weight | "
                  "warning constant: layers.7.fc.weight");
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return false;
}

static void test_stopping(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "a.weight", 8, 8, 1);
    Error err = {0};
    CheckTotals totals;
    const CheckOptions options = {.file = "made.pth", .others = true, .progress = stop,
                                  .chosen = checkpoint_choose(maker.checkpoint, NULL, NULL)};
    assert_null(check_run(maker.checkpoint, &options, &totals, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    checkpoint_unref(maker.checkpoint);
}

/* A storage that ends before its tensor, as after the file shrank: a finding, not a failure. */
static void test_values_that_cannot_be_read(void **state)
{
    (void)state;
    Maker maker = {0};
    add_trained(&maker, "a.weight", 8, 8, 1);
    add_trained(&maker, "b.weight", 8, 8, 2);
    int64_t *dims = (int64_t *)(uintptr_t)dict_at(maker.dict, 1)->dims;
    dims[0] = 9;
    finds(&maker, "error unreadable: b.weight");
}

static void test_no_tensors(void **state)
{
    (void)state;
    Maker maker = {0};
    begin_part(&maker, "", false);
    finds(&maker, "note empty: -");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trained_weights_are_silent),
        cmocka_unit_test(test_nan_and_infinite),
        cmocka_unit_test(test_nan_in_optimizer_state_counts_too),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_dead_rows_and_channels),
        cmocka_unit_test(test_zeros_of_one_output),
        cmocka_unit_test(test_padding_rows),
        cmocka_unit_test(test_outlier),
        cmocka_unit_test(test_share_of_dead_rows),
        cmocka_unit_test(test_observers_that_saw_nothing),
        cmocka_unit_test(test_limit_of_f16),
        cmocka_unit_test(test_subnormals),
        cmocka_unit_test(test_batchnorm_that_never_saw_a_batch),
        cmocka_unit_test(test_statistics_that_were_absorbed),
        cmocka_unit_test(test_batches_that_were_not_counted),
        cmocka_unit_test(test_variances),
        cmocka_unit_test(test_norms_that_never_moved),
        cmocka_unit_test(test_linear_as_it_starts),
        cmocka_unit_test(test_uniform_for_other_reasons),
        cmocka_unit_test(test_linear_that_moved),
        cmocka_unit_test(test_integers_as_floats),
        cmocka_unit_test(test_islands),
        cmocka_unit_test(test_layers_that_are_copies),
        cmocka_unit_test(test_values_stored_twice),
        cmocka_unit_test(test_tied_tensors),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_average_inside),
        cmocka_unit_test(test_slice_of_a_large_storage),
        cmocka_unit_test(test_parts_that_could_be_meant),
        cmocka_unit_test(test_findings_fold_exactly),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_values_that_cannot_be_read),
        cmocka_unit_test(test_no_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
