/* Expressions that compute with several tensors, add up or resample: each value against the
 * operands' own, boxes against the whole, pieces against one piece, what is refused, plans. */
#include <math.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/align/expr.h"
#include "loader/core/memory.h"
#include "tests/unit/expr_text.h"

typedef struct World {
    Arena *arena;
    ByteSource *sources[64];
    size_t count;
} World;

static unsigned dice(uint32_t *seed, unsigned n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

static size_t count_of(const Expr *e)
{
    size_t count = 1;
    for (unsigned i = 0; i < e->rank; i++) count *= (size_t)e->dims[i];
    return count;
}

/* A tensor of numbers between -2 and 2, in quarters, that every float type holds; no zeros. */
static const Expr *make(World *world, DType dtype, unsigned rank, const int64_t *dims)
{
    Tensor *tensor = arena_alloc(world->arena, sizeof *tensor);
    Storage *storage = arena_alloc(world->arena, sizeof *storage);
    uint32_t seed = 7 + (uint32_t)world->count;
    size_t n = 1;
    for (unsigned i = 0; i < rank; i++) n *= (size_t)dims[i];
    double *numbers = mem_alloc(n * sizeof *numbers);
    void *stored = mem_alloc(n * dtype_size(dtype));
    for (size_t i = 0; i < n; i++) {
        int quarter = (int)dice(&seed, 16) - 8;
        numbers[i] = (quarter < 0 ? quarter : quarter + 1) / 4.0;
    }
    assert_true(dtype_convert(DT_F64, numbers, dtype, stored, n));
    ByteSource *source = source_from_memory(stored, n * dtype_size(dtype), "memory");
    assert_true(world->count < countof(world->sources));
    world->sources[world->count++] = source;
    *storage = (Storage){source, 0, n * dtype_size(dtype), dtype, 0};
    *tensor = (Tensor){.name = "t", .dtype = dtype, .rank = (uint8_t)rank, .storage = storage};
    tensor->dims = arena_copy(world->arena, dims, rank * sizeof *dims);
    free(numbers);
    free(stored);
    return expr_source(world->arena, tensor);
}

static void world_free(World *world)
{
    for (size_t i = 0; i < world->count; i++) source_unref(world->sources[i]);
    arena_free(world->arena);
}

static double *values_of_box(const Expr *e, const int64_t *from, const int64_t *size, size_t n)
{
    Error err = {0};
    void *out = mem_alloc(n * dtype_size(e->dtype));
    double *values = mem_alloc(n * sizeof *values);
    if (!expr_fill(e, from, size, out, &err)) fail_msg("%s", err.text);
    dtype_to_doubles(e->dtype, out, values, n);
    free(out);
    return values;
}

static double *values_of(const Expr *e)
{
    assert_non_null(e);
    return values_of_box(e, NULL, NULL, count_of(e));
}

/* Random boxes of e are the same parts of the whole, bit for bit. */
static void check_boxes(const Expr *e)
{
    double *whole = values_of(e);
    uint32_t seed = 3;
    for (int round = 0; round < 20; round++) {
        int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX], index[TENSOR_RANK_MAX] = {0};
        size_t n = 1;
        for (unsigned i = 0; i < e->rank; i++) {
            from[i] = dice(&seed, (unsigned)e->dims[i]);
            size[i] = 1 + dice(&seed, (unsigned)(e->dims[i] - from[i]));
            n *= (size_t)size[i];
        }
        double *part = values_of_box(e, from, size, n);
        for (size_t k = 0; k < n; k++) {
            size_t at = 0;
            for (unsigned i = 0; i < e->rank; i++)
                at = at * (size_t)e->dims[i] + (size_t)(from[i] + index[i]);
            if (part[k] != whole[at]) fail_msg("box element %zu: %g, not %g", k, part[k], whole[at]);
            for (unsigned i = e->rank; i-- > 0 && ++index[i] == size[i];) index[i] = 0;
        }
        free(part);
    }
    free(whole);
}

static void check_close(double value, double wanted, double tolerance)
{
    if (!(fabs(value - wanted) <= tolerance * fmax(1, fabs(wanted))))
        fail_msg("%.9g is not %.9g", value, wanted);
}

static void check_shape(const Expr *e, unsigned rank, const int64_t *dims)
{
    assert_non_null(e);
    assert_int_equal(e->rank, rank);
    for (unsigned i = 0; i < rank; i++) assert_int_equal(e->dims[i], dims[i]);
}

static void refused(const Expr *e, const Error *err, const char *words)
{
    assert_null(e);
    assert_error_has(*err, words);
}

static void test_pairs(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    static const DType dtypes[] = {DT_F64, DT_F32, DT_F16, DT_BF16};
    for (size_t d = 0; d < countof(dtypes); d++) {
        const Expr *a = make(&world, dtypes[d], 3, (int64_t[]){4, 1, 6});
        const Expr *b = make(&world, dtypes[d], 3, (int64_t[]){4, 5, 1});
        const Expr *made[3] = {expr_add(arena, a, b, NULL), expr_product(arena, a, b, NULL),
                               expr_quotient(arena, a, b, NULL)};
        double *left = values_of(a), *right = values_of(b);
        for (int op = 0; op < 3; op++) {
            check_shape(made[op], 3, (int64_t[]){4, 5, 6});
            assert_int_equal(made[op]->dtype, dtypes[d]);
            double *values = values_of(made[op]);
            for (int i = 0; i < 120; i++) {
                double x = left[i / 30 * 6 + i % 6], y = right[i / 6];
                double wanted = op == 0 ? x + y : op == 1 ? x * y : x / y, rounded;
                float narrow = (float)wanted;   /* then once to f16 or bf16 */
                unsigned char stored[8];
                assert_true(dtypes[d] == DT_F64
                                ? dtype_convert(DT_F64, &wanted, DT_F64, stored, 1)
                                : dtype_convert(DT_F32, &narrow, dtypes[d], stored, 1));
                dtype_to_doubles(dtypes[d], stored, &rounded, 1);
                assert_true(values[i] == rounded);
            }
            free(values);
            check_boxes(made[op]);
        }
        free(left);
        free(right);
    }
    const Expr *scalar = make(&world, DT_F32, 0, NULL);
    const Expr *matrix = make(&world, DT_F32, 2, (int64_t[]){2, 3});
    check_shape(expr_product(arena, scalar, matrix, NULL), 2, (int64_t[]){2, 3});
    check_shape(expr_quotient(arena, matrix, scalar, NULL), 2, (int64_t[]){2, 3});
    Error err;
    const Expr *vector = make(&world, DT_F32, 1, (int64_t[]){3});
    refused(expr_product(arena, matrix, vector, &err), &err, "product: 2×3 f32 and 3 f32 differ");
    const Expr *half = make(&world, DT_F16, 2, (int64_t[]){2, 3});
    refused(expr_quotient(arena, matrix, half, &err), &err, "2×3 f16 differ; cast one of them");
    const Expr *whole = make(&world, DT_I32, 2, (int64_t[]){2, 3});
    refused(expr_product(arena, whole, whole, &err), &err, "product: no arithmetic on i32");
    refused(expr_sqrt(arena, whole, &err), &err, "sqrt: no arithmetic on i32");
    world_free(&world);
}

static void test_sqrt(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    const Expr *e = make(&world, DT_F32, 2, (int64_t[]){5, 7});
    const Expr *turned = expr_permute(world.arena, e, (int[]){1, 0}, 2, NULL);
    double *values = values_of(e), *roots = values_of(expr_sqrt(world.arena, turned, NULL));
    for (int i = 0; i < 35; i++) {
        double x = values[i % 5 * 7 + i / 5];
        if (x < 0) assert_true(isnan(roots[i]));
        else assert_true(roots[i] == (double)sqrtf((float)x));
    }
    free(values);
    free(roots);
    world_free(&world);
}

/* Every axis of a tensor, as it lies and turned. */
static void test_reductions(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    const Expr *plain = make(&world, DT_F32, 3, (int64_t[]){3, 4, 5});
    const Expr *forms[2] = {plain, expr_permute(arena, plain, (int[]){2, 0, 1}, 3, NULL)};
    for (int form = 0; form < 2; form++)
        for (int axis = -1; axis < 3; axis++) {
            const Expr *e = forms[form];
            const Expr *sum = axis < 0 ? NULL : expr_sum(arena, e, axis, NULL);
            const Expr *mean = axis < 0 ? NULL : expr_mean(arena, e, axis, NULL);
            const Expr *norm = expr_norm(arena, e, axis < 0 ? AXIS_NONE : axis, NULL);
            double *values = values_of(e), sums[60] = {0}, squares[60] = {0};
            int64_t d1 = e->dims[1], d2 = e->dims[2];
            for (int64_t i = 0; i < 60; i++) {
                int64_t index[3] = {i / (d1 * d2), i / d2 % d1, i % d2};
                squares[axis < 0 ? 0 : index[axis]] += values[i] * values[i];
                int64_t row = axis == 0 ? index[1] * d2 + index[2]
                              : axis == 1 ? index[0] * d2 + index[2] : index[0] * d1 + index[1];
                sums[row] += values[i];
            }
            double *norms = values_of(norm);
            for (size_t i = 0; i < count_of(norm); i++) check_close(norms[i], sqrt(squares[i]), 1e-7);
            assert_int_equal(count_of(norm), axis < 0 ? 1 : e->dims[axis]);
            assert_int_equal(norm->rank, 3);
            check_boxes(norm);
            free(norms);
            if (sum) {
                assert_int_equal(sum->dims[axis], 1);
                double *added = values_of(sum), *means = values_of(mean);
                for (size_t i = 0; i < count_of(sum); i++) {
                    check_close(added[i], sums[i], 1e-7);
                    check_close(means[i], sums[i] / (double)e->dims[axis], 1e-7);
                }
                check_boxes(sum);
                free(added);
                free(means);
            }
            free(values);
        }
    Error err;
    refused(expr_sum(arena, plain, 3, &err), &err, "sum: there is no axis 3 in 3×4×5 f32");
    refused(expr_norm(arena, plain, -4, &err), &err, "norm: there is no axis -4 in 3×4×5 f32");
    world_free(&world);
}

static void test_matmul(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    static const int64_t sizes[][3] = {{1, 1, 1}, {3, 4, 5}, {7, 1, 2}, {2, 0, 3}, {5, 900, 3}};
    for (size_t s = 0; s < countof(sizes); s++) {
        const int64_t *n = sizes[s];
        const Expr *a = make(&world, DT_BF16, 2, (int64_t[]){n[0], n[1]});
        const Expr *b = expr_transpose(arena, make(&world, DT_BF16, 2, (int64_t[]){n[2], n[1]}),
                                       NULL);
        const Expr *made = expr_matmul(arena, expr_cast(arena, a, DT_F32, NULL),
                                       expr_cast(arena, b, DT_F32, NULL), NULL);
        check_shape(made, 2, (int64_t[]){n[0], n[2]});
        double *left = values_of(a), *right = values_of(b), *values = values_of(made);
        for (int64_t i = 0; i < n[0]; i++)
            for (int64_t j = 0; j < n[2]; j++) {
                double sum = 0;
                for (int64_t k = 0; k < n[1]; k++) sum += left[i * n[1] + k] * right[k * n[2] + j];
                check_close(values[i * n[2] + j], sum, 1e-7);
            }
        check_boxes(made);
        free(left);
        free(right);
        free(values);
        assert_int_equal(expr_matmul(arena, a, b, NULL)->dtype, DT_BF16);
    }
    Error err;
    const Expr *a = make(&world, DT_F32, 2, (int64_t[]){3, 4});
    const Expr *v = make(&world, DT_F32, 1, (int64_t[]){4});
    refused(expr_matmul(arena, a, a, &err), &err, "matmul: 3×4 f32 and 3×4 f32 have no products");
    refused(expr_matmul(arena, a, v, &err), &err, "3×4 f32 and 4 f32 are not two matrices");
    world_free(&world);
}

/* Larger than a piece in every way that pieces are cut. */
static void test_pieces(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    const Expr *e = make(&world, DT_F32, 2, (int64_t[]){900, 700});
    double *values = values_of(e), total = 0;
    for (size_t i = 0; i < 630000; i++) total += values[i] * values[i];
    double *norm = values_of(expr_norm(arena, e, AXIS_NONE, NULL));
    check_close(norm[0], sqrt(total), 1e-7);
    const Expr *sums = expr_sum(arena, expr_sum(arena, e, 1, NULL), 0, NULL);
    double *once = values_of(sums), all = 0;
    for (size_t i = 0; i < 630000; i++) all += values[i];
    check_close(once[0], all, 1e-6);
    double *square = values_of(expr_matmul(arena, e, expr_transpose(arena, e, NULL), NULL));
    for (size_t i = 0; i < 900; i += 37) {   /* the diagonal: squares of rows */
        double row = 0;
        for (size_t k = 0; k < 700; k++) row += values[i * 700 + k] * values[i * 700 + k];
        check_close(square[i * 901], row, 1e-7);
    }
    /* a unit row each, as weight norm makes them */
    const Expr *unit = expr_quotient(arena, e, expr_norm(arena, e, 0, NULL), NULL);
    double *norms = values_of(expr_norm(arena, unit, 0, NULL));
    for (size_t i = 0; i < 900; i++) check_close(norms[i], 1, 1e-6);
    free(values);
    free(norm);
    free(once);
    free(square);
    free(norms);
    world_free(&world);
}

/* A grid against its two matrices, multiplied the slow way. */
static void check_resize(World *world, ResampleHow how, const int64_t *in, const int64_t *out,
                         size_t count, DType dtype)
{
    int64_t sides_in[2] = {in[0], count == 2 ? in[1] : 1};
    int64_t sides_out[2] = {out[0], count == 2 ? out[1] : 1};
    int64_t n = sides_in[0] * sides_in[1], m = sides_out[0] * sides_out[1];
    const Expr *e = make(world, dtype, 3, (int64_t[]){2, n, 3});
    Error err;
    const Expr *made = expr_resize(world->arena, e, 1, how, in, out, count, &err);
    if (!made) fail_msg("%s", err.text);
    check_shape(made, 3, (int64_t[]){2, m, 3});
    assert_int_equal(made->dtype, dtype);
    double *a = mem_alloc((size_t)(sides_in[0] * sides_out[0]) * sizeof *a);
    double *b = mem_alloc((size_t)(sides_in[1] * sides_out[1]) * sizeof *b);
    resample_matrix(how, sides_in[0], sides_out[0], a);
    if (count == 2) resample_matrix(how, sides_in[1], sides_out[1], b);
    else b[0] = 1;
    double *values = values_of(e), *result = values_of(made);
    for (int64_t i = 0; i < 2 * m * 3; i++) {
        int64_t row = i / 3 % m, y = row / sides_out[1], x = row % sides_out[1];
        double sum = 0;
        for (int64_t j = 0; j < n; j++)
            sum += a[y * sides_in[0] + j / sides_in[1]] * b[x * sides_in[1] + j % sides_in[1]] *
                   values[i / (3 * m) * 3 * n + j * 3 + i % 3];
        bool single = how == RESAMPLE_BICUBIC || how == RESAMPLE_BICUBIC_AA;
        check_close(result[i], sum, dtype != DT_F32 ? 0.005 : single ? 1e-6 : 1e-7);
    }
    free(a);
    free(b);
    free(values);
    free(result);
    check_boxes(made);
}

static void test_resize(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    check_resize(&world, RESAMPLE_BICUBIC_AA, (int64_t[]){3, 4}, (int64_t[]){5, 2}, 2, DT_F32);
    check_resize(&world, RESAMPLE_BICUBIC, (int64_t[]){4, 4}, (int64_t[]){7, 9}, 2, DT_F32);
    check_resize(&world, RESAMPLE_BICUBIC_AA, (int64_t[]){9}, (int64_t[]){4}, 1, DT_F32);
    check_resize(&world, RESAMPLE_PATCH, (int64_t[]){4, 6}, (int64_t[]){3, 8}, 2, DT_F32);
    check_resize(&world, RESAMPLE_GEOMETRIC, (int64_t[]){7, 7}, (int64_t[]){13, 9}, 2, DT_F32);
    check_resize(&world, RESAMPLE_GEOMETRIC_LINEAR, (int64_t[]){5, 5}, (int64_t[]){9, 3}, 2,
                 DT_F32);
    check_resize(&world, RESAMPLE_BICUBIC_AA, (int64_t[]){3, 4}, (int64_t[]){5, 2}, 2, DT_F16);
    const Expr *line = make(&world, DT_F32, 1, (int64_t[]){9});
    check_boxes(expr_resize(arena, line, 0, RESAMPLE_BICUBIC, (int64_t[]){3, 3},
                            (int64_t[]){4, 4}, 2, NULL));
    const Expr *same = expr_resize(arena, line, -1, RESAMPLE_PATCH, (int64_t[]){9},
                                   (int64_t[]){9}, 1, NULL);
    assert_ptr_equal(same, line);
    /* more columns than a piece has */
    const Expr *wide = make(&world, DT_F32, 2, (int64_t[]){64, 9000});
    const Expr *grown = expr_resize(arena, wide, 0, RESAMPLE_BICUBIC_AA, (int64_t[]){8, 8},
                                    (int64_t[]){12, 12}, 2, NULL);
    double *all = values_of(grown);
    const Expr *few = expr_slice(arena, wide, 1, 8990, 9000, NULL);
    double *part = values_of(expr_resize(arena, few, 0, RESAMPLE_BICUBIC_AA, (int64_t[]){8, 8},
                                         (int64_t[]){12, 12}, 2, NULL));
    for (size_t i = 0; i < 1440; i++) assert_true(part[i] == all[i / 10 * 9000 + 8990 + i % 10]);
    free(all);
    free(part);
    world_free(&world);
}

static void test_resize_refusals(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    const Expr *e = make(&world, DT_F32, 2, (int64_t[]){9, 2});
    int64_t three[2] = {3, 3}, four[2] = {4, 4}, huge = 513, none = 0;
    Error err;
    refused(expr_resize(arena, e, 1, RESAMPLE_BICUBIC, three, four, 2, &err), &err,
            "resize: dim 1 of 9×2 f32 is not 9");
    refused(expr_resize(arena, e, 2, RESAMPLE_BICUBIC, three, four, 2, &err), &err,
            "resize: there is no axis 2");
    refused(expr_resize(arena, e, 0, RESAMPLE_BICUBIC, three, &huge, 1, &err), &err,
            "sides of 1 to 512 can be resampled, not 3 to 513");
    refused(expr_resize(arena, e, 0, RESAMPLE_BICUBIC, &none, four, 1, &err), &err, "not 0 to 4");
    refused(expr_resize(arena, e, 0, RESAMPLE_GEOMETRIC, three, four, 2, &err), &err, "are odd");
    refused(expr_resize(arena, e, 0, RESAMPLE_GEOMETRIC, three, (int64_t[]){5, 5}, 2, &err), &err,
            "needs a side of 5 or more, not 3");
    refused(expr_resize(arena, e, 0, RESAMPLE_BICUBIC, three, four, 3, &err), &err, "one side");
    const Expr *whole = make(&world, DT_I64, 1, (int64_t[]){9});
    refused(expr_resize(arena, whole, 0, RESAMPLE_BICUBIC, three, four, 2, &err), &err,
            "resize: no arithmetic on i64");
    assert_int_equal(resample_from_name("patch"), RESAMPLE_PATCH);
    assert_int_equal(resample_from_name("lanczos"), RESAMPLE_HOW_COUNT);
    world_free(&world);
}

/* What the matrices promise: constants stay constant, and the patch kernel's is the pseudoinverse
 * of the transposed resize: P Wᵀ is the identity where it shrinks, Wᵀ P where it grows. */
static void test_matrices(void **state)
{
    (void)state;
    for (int64_t in = 1; in <= 33; in++)
        for (int64_t out = 1; out <= 33; out++) {
            size_t n = (size_t)(in * out);
            double *w = mem_alloc(n * sizeof *w), *p = mem_alloc(n * sizeof *p);
            for (int how = 0; how < RESAMPLE_HOW_COUNT; how++) {
                if (how == RESAMPLE_PATCH || !resample_check((ResampleHow)how, in, out, NULL))
                    continue;
                resample_matrix((ResampleHow)how, in, out, w);
                for (int64_t i = 0; i < out; i++) {
                    double sum = 0;
                    for (int64_t j = 0; j < in; j++) sum += w[i * in + j];
                    bool single = how == RESAMPLE_BICUBIC || how == RESAMPLE_BICUBIC_AA;
                    check_close(sum, 1, single ? 1e-6 : 1e-9);
                }
            }
            resample_matrix(RESAMPLE_BICUBIC_AA, in, out, w);
            resample_matrix(RESAMPLE_PATCH, in, out, p);
            int64_t side = in < out ? in : out, other = in < out ? out : in;
            for (int64_t i = 0; i < side; i++)
                for (int64_t j = 0; j < side; j++) {
                    double sum = 0;
                    for (int64_t k = 0; k < other; k++)
                        sum += out <= in ? p[i * in + k] * w[j * in + k]
                                         : w[k * in + i] * p[k * in + j];
                    check_close(sum, i == j, 1e-5);   /* W is in float */
                }
            free(w);
            free(p);
        }
}

/* An op that moves data goes below the rounding of what was computed before. */
static void test_rounding_once(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    const Expr *e = make(&world, DT_BF16, 2, (int64_t[]){4, 6});
    const Expr *moved = expr_mul(arena, e, 1.0 / 3, NULL);
    moved = expr_slice(arena, moved, 0, 1, 3, NULL);
    moved = expr_permute(arena, moved, (int[]){1, 0}, 2, NULL);
    moved = expr_reshape(arena, moved, (int64_t[]){3, 4}, 2, NULL);
    moved = expr_pick(arena, moved, 1, (int64_t[]){3, 0}, 2, NULL);
    assert_true(moved->kind == EX_CAST && moved->rounding);
    double *once = values_of(expr_shift(arena, moved, 0.1, NULL));
    double *values = values_of(e);
    for (int i = 0; i < 6; i++) {
        int at = i / 2 * 4 + (i % 2 ? 0 : 3);   /* in 6×2, flat */
        float x = (float)values[(1 + at % 2) * 6 + at / 2] * (float)(1.0 / 3) + 0.1f;
        unsigned char stored[2];
        double wanted;
        assert_true(dtype_convert(DT_F32, &x, DT_BF16, stored, 1));
        dtype_to_doubles(DT_BF16, stored, &wanted, 1);
        assert_true(once[i] == wanted);
    }
    free(once);
    free(values);
    world_free(&world);
}

static void test_unknown(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Tensor schema = {.name = "s", .dtype = DT_UNKNOWN};
    const Expr *u = expr_source(arena, &schema);
    assert_true(expr_sum(arena, u, -1, NULL)->unknown);
    assert_true(expr_norm(arena, u, AXIS_NONE, NULL)->unknown);
    assert_true(expr_matmul(arena, u, u, NULL)->unknown);
    assert_true(expr_product(arena, u, u, NULL)->unknown);
    assert_true(expr_resize(arena, u, 1, RESAMPLE_PATCH, (int64_t[]){2}, (int64_t[]){3}, 1,
                            NULL)->unknown);
    arena_free(arena);
}

static void test_json(void **state)
{
    (void)state;
    World world = {.arena = arena_new()};
    Arena *arena = world.arena;
    const Expr *e = make(&world, DT_F32, 2, (int64_t[]){9, 9});
    check_json(expr_sum(arena, e, -1, NULL), "[\"sum\",1,[\"src\",\"t\"]]");
    check_json(expr_norm(arena, e, 0, NULL), "[\"norm\",0,[\"src\",\"t\"]]");
    check_json(expr_norm(arena, e, AXIS_NONE, NULL), "[\"norm\",null,[\"src\",\"t\"]]");
    check_json(expr_matmul(arena, e, e, NULL), "[\"matmul\",[\"src\",\"t\"],[\"src\",\"t\"]]");
    check_json(expr_product(arena, e, expr_slice(arena, e, 0, 0, 1, NULL), NULL),
               "[\"product\",[\"src\",\"t\"],[\"repeat\",0,9,[\"slice\",0,0,1,[\"src\",\"t\"]]]]");
    check_json(expr_quotient(arena, e, e, NULL), "[\"quotient\",[\"src\",\"t\"],[\"src\",\"t\"]]");
    check_json(expr_sqrt(arena, e, NULL), "[\"sqrt\",[\"src\",\"t\"]]");
    check_json(expr_resize(arena, e, 0, RESAMPLE_BICUBIC_AA, (int64_t[]){3, 3},
                           (int64_t[]){4, 5}, 2, NULL),
               "[\"resize\",0,\"bicubic_aa\",[3,3],[4,5],[\"src\",\"t\"]]");
    check_json(expr_resize(arena, e, 1, RESAMPLE_GEOMETRIC, (int64_t[]){9}, (int64_t[]){13}, 1,
                           NULL),
               "[\"resize\",1,\"geometric\",[9],[13],[\"src\",\"t\"]]");
    world_free(&world);
}

/* Row by row with a memo: the same bytes as without, and as all at once. */
static void check_rows(const Expr *e)
{
    Error err = {0};
    size_t element = dtype_size(e->dtype), n = count_of(e);
    size_t row = n / (size_t)e->dims[0] * element;
    unsigned char *all = mem_alloc(n * element), *some = mem_alloc(n * element);
    assert_true(expr_fill_measured(e, NULL, NULL, all, NULL, NULL, &err));
    for (int with = 0; with < 2; with++) {
        ExprMemo *memo = with ? expr_memo_new() : NULL;
        int64_t from[TENSOR_RANK_MAX] = {0}, size[TENSOR_RANK_MAX];
        for (unsigned i = 0; i < e->rank; i++) size[i] = i ? e->dims[i] : 1;
        for (; from[0] < e->dims[0]; from[0]++)
            assert_true(expr_fill_measured(e, from, size, some + (size_t)from[0] * row, memo, NULL,
                                           &err));
        expr_memo_free(memo);
        assert_memory_equal(all, some, n * element);
    }
    memset(some, 0, n * element);
    assert_true(expr_fill(e, NULL, NULL, some, &err));
    assert_memory_equal(all, some, n * element);
    free(all);
    free(some);
}

/* Whatever is repeated: norms along each axis and over all, means, sums, products, in f32 and in
 * bf16, transposed, within one another. */
static void test_memo(void **state)
{
    World world = {.arena = arena_new()};
    Arena *a = world.arena;
    Error err = {0};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const DType dtype = i ? DT_BF16 : DT_F32;
        const Expr *v = make(&world, dtype, 3, (int64_t[]){7, 5, 3});
        for (int axis = -1; axis < 3; axis++) {
            const Expr *norm = expr_norm(a, v, axis < 0 ? AXIS_NONE : axis, &err);
            check_rows(expr_quotient(a, v, norm, &err));
        }
        for (int axis = 0; axis < 3; axis++) {
            const Expr *mean = expr_mean(a, v, axis, &err);
            const Expr *centred = expr_add(a, v, expr_mul(a, mean, -1, &err), &err);
            check_rows(centred);
            check_rows(expr_quotient(a, centred, expr_norm(a, centred, axis, &err), &err));
            check_rows(expr_product(a, v, expr_sum(a, v, axis, &err), &err));
            const Expr *turned = expr_permute(a, centred, (int[]){2, 0, 1}, 3, &err);
            check_rows(turned);
            check_rows(expr_reshape(a, turned, (int64_t[]){7, 15}, 2, &err));
        }
        const Expr *w = make(&world, dtype, 2, (int64_t[]){6, 4});
        const Expr *u = make(&world, dtype, 2, (int64_t[]){1, 6});
        const Expr *x = make(&world, dtype, 2, (int64_t[]){4, 1});
        const Expr *sigma = expr_matmul(a, expr_matmul(a, u, w, &err), x, &err);
        check_rows(expr_quotient(a, w, sigma, &err));
    }
    world_free(&world);
}

/* The sums are those of the first box, even when the source changes: they were made once. */
static void test_memo_once(void **state)
{
    World world = {.arena = arena_new()};
    Arena *a = world.arena;
    Error err = {0};
    float rows[4] = {3, 1, 4, 2}, got[2] = {0};
    (void)state;
    ByteSource *before = source_from_memory(rows, sizeof rows, "before");
    ByteSource *after = source_from_memory((float[]){6, 8, 6, 8}, sizeof rows, "after");
    Storage storage = {before, 0, sizeof rows, DT_F32, 0};
    const int64_t dims[2] = {2, 2}, second[2] = {1, 0}, one[2] = {1, 2};
    Tensor tensor = {.name = "t", .dtype = DT_F32, .rank = 2, .dims = dims, .storage = &storage};
    const Expr *v = expr_source(a, &tensor);
    const Expr *e = expr_quotient(a, v, expr_sum(a, v, 0, &err), &err);
    ExprMemo *memo = expr_memo_new();
    assert_true(expr_fill_measured(e, (int64_t[]){0, 0}, one, got, memo, NULL, &err));
    assert_true(got[0] == 3.0f / 7 && got[1] == 1.0f / 3);
    storage.source = after;
    assert_true(expr_fill_measured(e, second, one, got, memo, NULL, &err));
    assert_true(got[0] == 6.0f / 7 && got[1] == 8.0f / 3);
    expr_memo_free(memo);
    source_unref(before);
    source_unref(after);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memo), cmocka_unit_test(test_memo_once),
        cmocka_unit_test(test_pairs),    cmocka_unit_test(test_sqrt),
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_pieces),   cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_refusals), cmocka_unit_test(test_matrices),
        cmocka_unit_test(test_rounding_once), cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
