/* Expressions: shapes and refusals, values of the whole and of boxes against an
 * element-by-element account, fitting to a target, limits, plans as JSON. */
#include <math.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/align/expr.h"
#include "loader/align/fill.h"
#include "loader/core/memory.h"
#include "tests/unit/expr_text.h"

/* The number that every storage holds at place i; exact in every float type but f8. */
static double number_at(uint64_t i)
{
    return (double)(i * 7 % 61) - 20;
}

/* A storage of n numbers. */
typedef struct World {
    Arena *arena;
    ByteSource *source;
    Storage storage;
} World;

static World world_new(DType dtype, size_t n)
{
    World world = {.arena = arena_new()};
    size_t bytes = n * dtype_size(dtype);
    double *numbers = mem_alloc(n * sizeof *numbers);
    void *stored = mem_alloc(bytes);
    for (size_t i = 0; i < n; i++) numbers[i] = number_at(i);
    assert_true(dtype_convert(DT_F64, numbers, dtype, stored, n));
    world.source = source_from_memory(stored, bytes, "memory");
    world.storage = (Storage){world.source, 0, bytes, dtype, 0};
    free(numbers);
    free(stored);
    return world;
}

static void world_free(World *world)
{
    source_unref(world->source);
    arena_free(world->arena);
}

static const Tensor *make_tensor(World *world, const char *name, unsigned rank,
                                 const int64_t *dims, const int64_t *strides, uint64_t first)
{
    Tensor *tensor = arena_alloc(world->arena, sizeof *tensor);
    Error err = {0};
    *tensor = (Tensor){.name = name, .dtype = world->storage.dtype, .rank = (uint8_t)rank};
    tensor->storage = arena_copy(world->arena, &world->storage, sizeof world->storage);
    tensor->dims = arena_copy(world->arena, dims, rank * sizeof *dims);
    if (strides) tensor->strides = arena_copy(world->arena, strides, rank * sizeof *strides);
    tensor->offset = first * dtype_size(tensor->dtype);
    if (!tensor_check(tensor, &err)) fail_msg("%s", err.text);
    return tensor;
}

static const Expr *leaf(World *world, unsigned rank, const int64_t *dims)
{
    return expr_source(world->arena, make_tensor(world, "t", rank, dims, NULL, 0));
}

/* One element of an expression, worked out the slow way; index is overwritten. */
static double element(const Expr *e, const int64_t *given)
{
    int64_t index[TENSOR_RANK_MAX], inner[TENSOR_RANK_MAX];
    memcpy(index, given, e->rank * sizeof *index);
    switch (e->kind) {
    case EX_SOURCE:
    case EX_TARGET: {
        uint64_t at = e->tensor->offset / dtype_size(e->dtype);
        contiguous_strides(e->dims, e->rank, inner);
        for (unsigned i = 0; i < e->rank; i++)
            at += (uint64_t)(index[i] * (e->tensor->strides ? e->tensor->strides[i] : inner[i]));
        return number_at(at);
    }
    case EX_CAT: {
        uint32_t part = 0;
        while (index[e->axis] >= e->from[part]->dims[e->axis])
            index[e->axis] -= e->from[part++]->dims[e->axis];
        return element(e->from[part], index);
    }
    case EX_STACK: {
        int64_t part = index[e->axis];
        for (int i = e->axis; i + 1 < e->rank; i++) index[i] = index[i + 1];
        return element(e->from[part], index);
    }
    case EX_SLICE: index[e->slice.axis] += e->slice.from; return element(e->from[0], index);
    case EX_PICK:
        index[e->pick.axis] = e->pick.index[index[e->pick.axis]];
        return element(e->from[0], index);
    case EX_PERMUTE:
        for (unsigned i = 0; i < e->rank; i++) index[e->order[i]] = given[i];
        return element(e->from[0], index);
    case EX_RESHAPE: {
        int64_t at = 0;
        contiguous_strides(e->dims, e->rank, inner);
        for (unsigned i = 0; i < e->rank; i++) at += index[i] * inner[i];
        contiguous_strides(e->from[0]->dims, e->from[0]->rank, inner);
        for (unsigned i = 0; i < e->from[0]->rank; at %= inner[i], i++) index[i] = at / inner[i];
        return element(e->from[0], index);
    }
    case EX_CAST: return element(e->from[0], index);
    case EX_MUL: return element(e->from[0], index) * e->constant;
    case EX_SHIFT: return element(e->from[0], index) + e->constant;
    case EX_ADD: return element(e->from[0], index) + element(e->from[1], given);
    case EX_MEAN: {
        double sum = 0;
        for (int64_t i = 0; i < e->from[0]->dims[e->axis]; i++) {
            index[e->axis] = i;
            sum += element(e->from[0], index);
        }
        return sum / (double)e->from[0]->dims[e->axis];
    }
    case EX_REPEAT: index[e->repeat.axis] = 0; return element(e->from[0], index);
    default: fail_msg("no account of this kind"); return 0;
    }
}

/* Fills the box and compares it with the slow account, as far as the dtype allows. */
static void check_box(const Expr *e, const int64_t *from, const int64_t *size)
{
    size_t count = 1, bytes;
    int64_t index[TENSOR_RANK_MAX] = {0}, place[TENSOR_RANK_MAX];
    for (unsigned i = 0; i < e->rank; i++) count *= (size_t)size[i];
    bytes = count * dtype_size(e->dtype);
    unsigned char *out = mem_alloc(bytes + 1);
    double *values = mem_alloc(count * sizeof *values);
    Error err = {0};
    out[bytes] = 0x5A;
    if (!expr_fill(e, from, size, out, &err)) fail_msg("%s", err.text);
    assert_int_equal(out[bytes], 0x5A);
    dtype_to_doubles(e->dtype, out, values, count);
    for (size_t n = 0; n < count; n++) {
        for (unsigned i = 0; i < e->rank; i++) place[i] = from[i] + index[i];
        double wanted = element(e, place);
        if (!(fabs(values[n] - wanted) <= 0.02 * fmax(1, fabs(wanted))))
            fail_msg("element %zu is %g, not %g", n, values[n], wanted);
        for (unsigned i = e->rank; i-- > 0 && ++index[i] == size[i];) index[i] = 0;
    }
    free(out);
    free(values);
}

static void check_whole(const Expr *e)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    assert_non_null(e);
    check_box(e, zeros, e->dims);
}

static unsigned dice(uint32_t *seed, unsigned n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

static const Expr *random_leaf(World *world, uint32_t *seed)
{
    int64_t dims[4], strides[4];
    unsigned rank = dice(seed, 5);
    for (unsigned i = 0; i < rank; i++) {
        dims[i] = 1 + dice(seed, 5);
        strides[i] = dice(seed, 40);
    }
    const Tensor *tensor = make_tensor(world, "t", rank, dims, dice(seed, 2) ? strides : NULL,
                                       dice(seed, 100));
    return dice(seed, 4) ? expr_source(world->arena, tensor) : expr_target(world->arena, tensor);
}

/* One more node over a and b; NULL where the dice ask for what is refused. */
static const Expr *random_node(Arena *arena, uint32_t *seed, const Expr *a, const Expr *b)
{
    static const DType dtypes[] = {DT_F32, DT_F64, DT_F16, DT_BF16};
    int axis = a->rank ? (int)dice(seed, a->rank) : 0;
    int64_t n = a->rank ? a->dims[axis] : 1, list[6];
    int order[4] = {0, 1, 2, 3};
    const Expr *parts[3] = {a, b, a};
    switch (dice(seed, 12)) {
    case 0: {
        int64_t from = dice(seed, (unsigned)n);
        return expr_slice(arena, a, axis, from, from + 1 + dice(seed, (unsigned)(n - from)), NULL);
    }
    case 1:
        for (size_t i = 0; i < 6; i++) list[i] = dice(seed, (unsigned)n);
        return expr_pick(arena, a, axis, list, 1 + dice(seed, 6), NULL);
    case 2:
    case 3:
        for (unsigned i = a->rank; i > 1; i--) {
            unsigned k = dice(seed, i);
            int swap = order[k];
            order[k] = order[i - 1];
            order[i - 1] = swap;
        }
        return expr_permute(arena, a, order, a->rank, NULL);
    case 4:
    case 5: {
        int64_t first = 1 + dice(seed, 6), second = dice(seed, 2) ? 2 : 1;
        return expr_reshape(arena, a, (int64_t[]){first, -1, second}, 1 + dice(seed, 3), NULL);
    }
    case 6: return expr_cat(arena, axis, parts, 3, NULL);
    case 7: return a->rank < 4 ? expr_stack(arena, axis, parts, 2, NULL) : NULL;
    case 8: return expr_cast(arena, a, dtypes[dice(seed, 4)], NULL);
    case 9: return dice(seed, 2) ? expr_mul(arena, a, 0.5, NULL) : expr_shift(arena, a, 3, NULL);
    case 10: return expr_add(arena, a, b, NULL);
    default:
        a = dice(seed, 2) ? a : expr_mean(arena, a, axis, NULL);
        return a ? expr_repeat(arena, a, axis, 3, NULL) : NULL;
    }
}

static bool is_handy(const Expr *e)
{
    uint64_t count = 1;
    for (unsigned i = 0; e && i < e->rank; i++) count *= (uint64_t)e->dims[i];
    return e && count > 0 && count <= 600 && e->rank <= 4 && e->nodes < 60;
}

static void test_random_trees(void **state)
{
    (void)state;
    uint32_t seed = 3;
    for (int round = 0; round < 1500; round++) {
        World world = world_new(DT_F32, 1000);
        const Expr *pool[12];
        for (size_t i = 0; i < countof(pool); i++) {
            const Expr *made = NULL;
            for (int tries = 0; i >= 2 && tries < 8 && !is_handy(made); tries++)
                made = random_node(world.arena, &seed, pool[dice(&seed, (unsigned)i)],
                                   pool[dice(&seed, (unsigned)i)]);
            pool[i] = is_handy(made) ? made : random_leaf(&world, &seed);
        }
        for (size_t i = 2; i < countof(pool); i++) {
            int64_t from[4] = {0}, size[4] = {0};
            check_whole(pool[i]);
            for (unsigned k = 0; k < pool[i]->rank; k++) {
                from[k] = dice(&seed, (unsigned)pool[i]->dims[k]);
                size[k] = 1 + dice(&seed, (unsigned)(pool[i]->dims[k] - from[k]));
            }
            check_box(pool[i], from, size);
        }
        world_free(&world);
    }
}

/* Larger than a piece, so that boxes are cut. */
static void test_pieces(void **state)
{
    (void)state;
    World world = world_new(DT_F32, 600 * 700 * 3);
    Arena *arena = world.arena;
    const Expr *e = leaf(&world, 3, (int64_t[]){600, 700, 3});
    const Expr *turned = expr_permute(arena, e, (int[]){1, 2, 0}, 3, NULL);
    check_whole(expr_cast(arena, turned, DT_F16, NULL));
    const Expr *flat = expr_reshape(arena, turned, (int64_t[]){2100, 600}, 2, NULL);
    check_whole(flat);
    check_box(flat, (int64_t[]){7, 100}, (int64_t[]){2000, 3});
    check_whole(expr_transpose(arena, expr_mul(arena, flat, 2, NULL), NULL));
    check_whole(expr_mean(arena, e, 0, NULL));
    check_whole(expr_mean(arena, turned, 2, NULL));
    check_whole(expr_add(arena, turned, turned, NULL));
    world_free(&world);
}

/* h = torch.tensor([0.1, 1.7, -3.3, 1000., 0.00061, 33.3]).half(); (h.float()*0.3+1.7).half()
 * and, with b = h.bfloat16(), (b.float()*0.3 + b.float()).bfloat16() */
static void test_rounding_once(void **state)
{
    (void)state;
    static const uint16_t h[6] = {0x2E66, 0x3ECD, 0xC29A, 0x63D0, 0x10FF, 0x502A};
    static const uint16_t b[6] = {0x3DCD, 0x3FDA, 0xC053, 0x447A, 0x3A20, 0x4205};
    static const uint16_t h_out[6] = {0x3EEC, 0x406C, 0x39AE, 0x5CB7, 0x3ECD, 0x49D9};
    static const uint16_t b_out[6] = {0x3E05, 0x400E, 0xC089, 0x44A2, 0x3A50, 0x422D};
    Arena *arena = arena_new();
    ByteSource *h_source = source_from_memory(h, sizeof h, "h");
    ByteSource *b_source = source_from_memory(b, sizeof b, "b");
    Storage h_storage = {h_source, 0, sizeof h, DT_F16, 0};
    Storage b_storage = {b_source, 0, sizeof b, DT_BF16, 0};
    int64_t dims[] = {6};
    Tensor ht = {.name = "h", .dims = dims, .storage = &h_storage, .dtype = DT_F16, .rank = 1};
    Tensor bt = {.name = "b", .dims = dims, .storage = &b_storage, .dtype = DT_BF16, .rank = 1};
    uint16_t out[6];
    const Expr *e = expr_source(arena, &ht);
    e = expr_shift(arena, expr_mul(arena, e, 0.3, NULL), 1.7, NULL);
    assert_int_equal(e->dtype, DT_F16);
    assert_int_equal(e->from[0]->from[0]->kind, EX_MUL);   /* the rounding between came off */
    assert_true(expr_fill(e, NULL, NULL, out, NULL));
    assert_memory_equal(out, h_out, sizeof out);
    e = expr_source(arena, &bt);
    e = expr_add(arena, expr_mul(arena, e, 0.3, NULL), e, NULL);
    assert_true(expr_fill(e, NULL, NULL, out, NULL));
    assert_memory_equal(out, b_out, sizeof out);
    /* A cast that was asked for stays. */
    e = expr_mul(arena, expr_cast(arena, expr_mul(arena, expr_source(arena, &ht), 3, NULL),
                                  DT_BF16, NULL), 5, NULL);
    assert_int_equal(e->dtype, DT_BF16);
    assert_int_equal(e->from[0]->from[0]->from[0]->dtype, DT_BF16);
    source_unref(h_source);
    source_unref(b_source);
    arena_free(arena);
}

static void refused(const Expr *e, const Error *err, const char *why)
{
    assert_null(e);
    if (!strstr(err->text, why)) fail_msg("'%s' does not say '%s'", err->text, why);
}

static void test_refusals(void **state)
{
    (void)state;
    World world = world_new(DT_F32, 1000), ints = world_new(DT_I64, 10);
    Arena *arena = world.arena;
    Error err;
    const Expr *a = leaf(&world, 2, (int64_t[]){10, 20}), *b = leaf(&world, 2, (int64_t[]){10, 21});
    const Expr *i = leaf(&ints, 1, (int64_t[]){4}), *v = leaf(&world, 1, (int64_t[]){4});
    const Expr *ab[] = {a, b}, *iv[] = {i, v};
    refused(expr_cat(arena, 0, ab, 2, &err), &err, "cat(0): 10×20 f32 and 10×21 f32");
    assert_non_null(expr_cat(arena, 1, ab, 2, &err));
    assert_int_equal(expr_cat(arena, -1, ab, 2, &err)->dims[1], 41);
    refused(expr_cat(arena, 2, ab, 2, &err), &err, "no axis 2 in 10×20");
    refused(expr_cat(arena, 0, iv, 2, &err), &err, "cannot join i64 and f32");
    refused(expr_cat(arena, 0, ab, 0, &err), &err, "nothing to join");
    refused(expr_stack(arena, 0, ab, 2, &err), &err, "do not fit together");
    refused(expr_slice(arena, a, 0, 4, 1000, &err), &err,
            "4 to 1000 is not within dim 0 of 10×20");
    refused(expr_slice(arena, a, 0, 7, 3, &err), &err, "7 to 3");
    refused(expr_slice(arena, a, 0, 11, INT64_MAX, &err), &err, "11 to the end");
    refused(expr_pick(arena, a, 1, (int64_t[]){0, 20}, 2, &err), &err, "no index 20 in dim 1");
    refused(expr_permute(arena, a, (int[]){0, 0}, 2, &err), &err, "each once");
    refused(expr_permute(arena, a, (int[]){0, 1, 2}, 3, &err), &err, "10×20");
    refused(expr_transpose(arena, v, &err), &err, "no matrix");
    refused(expr_reshape(arena, a, (int64_t[]){7, -1}, 2, &err), &err,
            "10×20 f32 cannot become 7×-1");
    refused(expr_reshape(arena, a, (int64_t[]){-1, -1}, 2, &err), &err, "cannot become");
    refused(expr_mul(arena, i, 2, &err), &err, "no arithmetic on i64");
    refused(expr_add(arena, a, b, &err), &err, "10×20 f32 and 10×21 f32 differ");
    refused(expr_cast(arena, a, DT_QINT8, &err), &err, "f32 cannot become qint8");
    refused(expr_repeat(arena, a, 0, 2, &err), &err, "is not 1");
    Fill fill = {.kind = FILL_CONST, .a = 300};
    refused(expr_fill_with(arena, &fill, DT_U8, a->dims, 2, &err), &err, "u8 cannot hold 300");
    fill.a = 0.5;
    refused(expr_fill_with(arena, &fill, DT_I32, a->dims, 2, &err), &err, "i32 cannot hold 0.5");
    fill.kind = FILL_NORMAL;
    refused(expr_fill_with(arena, &fill, DT_I32, a->dims, 2, &err), &err, "no float type");
    Tensor nibbles = {.name = "n", .dims = (int64_t[]){2, 4}, .dtype = DT_I4, .rank = 2};
    const Expr *packed = expr_source(arena, &nibbles), *twice[] = {packed, packed};
    assert_false(expr_is_copy(expr_cat(arena, 0, twice, 2, &err)));
    refused(expr_cast(arena, packed, DT_C64, &err), &err, "i4 cannot become c64");
    assert_non_null(expr_reshape(arena, packed, (int64_t[]){8}, 1, &err));
    fill.kind = FILL_ZEROS;
    refused(expr_fill_with(arena, &fill, DT_I4, a->dims, 2, &err), &err, "cannot be filled");
    fill.kind = FILL_KAIMING_NORMAL;
    refused(expr_fill_with(arena, &fill, DT_F32, a->dims, 1, &err), &err, "two dimensions");
    world_free(&world);
    world_free(&ints);
}

static void count_leaf(const Tensor *tensor, void *context)
{
    *(int *)context += tensor->rank;
}

static void test_identities(void **state)
{
    (void)state;
    World world = world_new(DT_F32, 1000);
    Arena *arena = world.arena;
    const Expr *e = leaf(&world, 2, (int64_t[]){10, 20});
    assert_ptr_equal(expr_slice(arena, e, 0, 0, INT64_MAX, NULL), e);
    assert_ptr_equal(expr_cat(arena, 0, &e, 1, NULL), e);
    assert_ptr_equal(expr_cast(arena, e, DT_F32, NULL), e);
    assert_ptr_equal(expr_reshape(arena, e, (int64_t[]){-1, 20}, 2, NULL), e);
    assert_ptr_equal(expr_transpose(arena, expr_transpose(arena, e, NULL), NULL), e);
    const Expr *flat = expr_reshape(arena, e, (int64_t[]){200}, 1, NULL);
    assert_ptr_equal(expr_reshape(arena, flat, (int64_t[]){10, 20}, 2, NULL), e);
    assert_ptr_equal(expr_as_source(e), e->tensor);
    assert_null(expr_as_source(flat));
    assert_true(expr_has_data(flat, NULL));
    int ranks = 0;
    expr_leaves(expr_add(arena, flat, flat, NULL), count_leaf, &ranks);
    assert_int_equal(ranks, 4);
    Encoding big = {.big_endian = true};
    Tensor swapped = *e->tensor;
    swapped.encoding = &big;
    assert_null(expr_as_source(expr_source(arena, &swapped)));
    world_free(&world);
}

static void test_unknown(void **state)
{
    (void)state;
    World world = world_new(DT_F32, 100);
    Arena *arena = world.arena;
    Tensor schema = {.name = "s", .dtype = DT_UNKNOWN};
    const Tensor *which = NULL;
    const Expr *known = leaf(&world, 1, (int64_t[]){10}), *u = expr_source(arena, &schema);
    const Expr *both[] = {known, u};
    const Expr *joined = expr_cat(arena, -1, both, 2, NULL);
    assert_true(joined->unknown && joined->dtype == DT_F32);
    assert_false(expr_has_data(joined, &which));
    assert_ptr_equal(which, &schema);
    assert_true(expr_slice(arena, u, 3, 1, -1, NULL)->unknown);
    assert_true(expr_transpose(arena, u, NULL)->unknown);
    assert_true(expr_mul(arena, u, 2, NULL)->unknown);
    assert_int_equal(expr_cast(arena, u, DT_F16, NULL)->dtype, DT_F16);
    const Expr *shaped = expr_reshape(arena, u, (int64_t[]){2, 3}, 2, NULL);
    assert_false(shaped->unknown);
    float out[6];
    Error err;
    assert_false(expr_fill(shaped, NULL, NULL, out, &err));
    assert_false(expr_fill(joined, NULL, NULL, out, &err));
    schema.dims = (int64_t[]){2};
    schema.rank = 1;
    u = expr_source(arena, &schema);
    assert_false(u->unknown);
    assert_false(expr_fill(u, NULL, NULL, out, &err));
    assert_false(expr_fill(expr_mul(arena, u, 2, NULL), NULL, NULL, out, &err));
    world_free(&world);
}

static void test_limits(void **state)
{
    (void)state;
    World world = world_new(DT_F32, 100);
    Arena *arena = world.arena;
    Error err;
    const Expr *e = leaf(&world, 1, (int64_t[]){4}), *deep = e;
    int steps = 0;
    for (const Expr *next = e; next; steps++) {   /* x+x+x… : nodes double with every step */
        deep = next;
        next = expr_add(arena, deep, deep, &err);
    }
    assert_int_equal(err.code, ERR_LIMIT);
    assert_in_range(steps, 15, 25);
    for (const Expr *next = e; next; steps++) {
        deep = next;
        next = expr_cast(arena, deep, deep->dtype == DT_F32 ? DT_F64 : DT_F32, &err);
    }
    assert_int_equal(deep->depth, EXPR_DEPTH_MAX);
    check_whole(deep);
    const Expr *one = expr_reshape(arena, expr_slice(arena, e, 0, 0, 1, NULL), NULL, 0, NULL);
    assert_int_equal(one->rank, 0);
    check_whole(one);
    int64_t ones[33];
    for (int i = 0; i < 33; i++) ones[i] = 1;
    const Expr *wide = expr_reshape(arena, one, ones, 32, NULL);
    check_whole(wide);
    refused(expr_stack(arena, 0, &wide, 1, &err), &err, "32 dimensions");
    refused(expr_reshape(arena, one, ones, 33, &err), &err, "cannot become");
    const Expr *huge = expr_repeat(arena, expr_reshape(arena, one, ones, 2, NULL), 0,
                                   (int64_t)1 << 60, NULL);
    assert_non_null(huge);
    check_box(huge, (int64_t[]){((int64_t)1 << 59) + 3, 0}, (int64_t[]){5, 1});
    refused(expr_repeat(arena, huge, 1, 4, &err), &err, "63 bits");
    const Expr *two[] = {huge, huge};
    refused(expr_cat(arena, 0, two, 2, &err), &err, "63 bits");
    int64_t none[] = {0, 5};
    const Expr *empty = leaf(&world, 2, none), *parts[] = {empty, empty};
    float out[1] = {7};
    assert_true(expr_fill(expr_cat(arena, 0, parts, 2, NULL), NULL, NULL, out, &err));
    assert_true(expr_fill(expr_transpose(arena, empty, NULL), NULL, NULL, out, &err));
    refused(expr_reshape(arena, empty, (int64_t[]){-1, 0}, 2, &err), &err, "cannot become");
    refused(expr_mean(arena, empty, 0, &err), &err, "empty");
    assert_true(out[0] == 7);
    assert_false(expr_fill(e, (int64_t[]){2}, (int64_t[]){3}, out, &err));
    world_free(&world);
}

static Tensor target_of(World *world, unsigned rank, const int64_t *dims)
{
    Tensor target = *make_tensor(world, "head.fc.weight", rank, dims, NULL, 500);
    return target;
}

static void test_fit(void **state)
{
    (void)state;
    World world = world_new(DT_F16, 2000), wide = world_new(DT_F32, 2000);
    Arena *arena = world.arena;
    Error err;
    char rows[64];
    Tensor target = target_of(&wide, 2, (int64_t[]){20, 5}), bare = target, other = target;
    bare.storage = NULL;
    other.dims = (int64_t[]){20, 6};
    const Expr *e = leaf(&world, 2, (int64_t[]){10, 5});
    const Expr *fit = expr_fit(arena, e, 0, FIT_TARGET, 0, &err);
    assert_true(fit->unknown && fit->dtype == DT_F16);
    const Expr *grown = expr_fit_to(arena, fit, &target, rows, &err);
    assert_string_equal(rows, "10 of 20 rows");
    assert_int_equal(grown->dtype, DT_F32);   /* kept rows are not rounded to f16 */
    assert_int_equal(grown->from[1]->from[0]->kind, EX_TARGET);
    check_whole(grown);
    refused(expr_fit_to(arena, fit, &bare, rows, &err), &err, "fit(0, zeros)");
    refused(expr_fit_to(arena, fit, &other, rows, &err), &err, "differ in more than dim 0");
    const Expr *zeros = expr_fit_to(arena, expr_fit(arena, e, -2, FIT_ZEROS, 0, NULL), &bare, rows,
                                    &err);
    float out[100];
    assert_int_equal(zeros->dtype, DT_F16);   /* whether to cast is the policy's business */
    zeros = expr_cast(arena, zeros, DT_F32, NULL);
    assert_true(expr_fill(zeros, NULL, NULL, out, &err));
    assert_true(out[49] == (float)number_at(49) && out[50] == 0 && out[99] == 0);
    const Expr *mean = expr_fit_to(arena, expr_fit(arena, e, 0, FIT_MEAN, 0, NULL), &bare, NULL,
                                   &err);
    check_whole(mean);
    const Expr *normal = expr_fit_as(
        arena, e, &(Fit){.rest = FIT_NORMAL, .value = 0.02, .seed = 9}, NULL);
    normal = expr_fit_to(arena, expr_cast(arena, normal, DT_F32, NULL), &bare, NULL, &err);
    double value;
    fill_values(&(Fill){.kind = FILL_NORMAL, .b = 0.02, .seed = 9, .key = "head.fc.weight"}, NULL,
                0, 3, &value, 1);
    assert_true(expr_fill(normal, NULL, NULL, out, &err));
    assert_true(out[53] == (float)value);
    Tensor small = target_of(&world, 2, (int64_t[]){10, 3});
    const Expr *cut = expr_fit_to(arena, expr_fit(arena, e, 1, FIT_TARGET, 0, NULL), &small, rows,
                                  &err);
    assert_string_equal(rows, "3 of 5 in dim 1");
    assert_int_equal(cut->kind, EX_SLICE);
    check_whole(cut);
    Tensor same = target_of(&world, 2, (int64_t[]){10, 5});
    assert_ptr_equal(expr_fit_to(arena, fit, &same, rows, &err), e);
    assert_string_equal(rows, "");
    assert_ptr_equal(expr_fit_to(arena, e, &target, rows, &err), e);
    refused(expr_mul(arena, fit, 2, &err), &err, "must be the last step");
    const Expr *cast = expr_cast(arena, fit, DT_F64, &err);
    assert_true(cast->kind == EX_FIT && cast->dtype == DT_F64);
    world_free(&world);
    world_free(&wide);
}

static void test_json(void **state)
{
    (void)state;
    World world = world_new(DT_F16, 100);
    Arena *arena = world.arena;
    const Expr *e = leaf(&world, 2, (int64_t[]){4, 6}), *two[] = {e, e};
    check_json(e, "[\"src\",\"t\"]");
    check_json(expr_target(arena, e->tensor), "[\"target\",\"t\"]");
    check_json(expr_cat(arena, -1, two, 2, NULL), "[\"cat\",1,[\"src\",\"t\"],[\"src\",\"t\"]]");
    check_json(expr_stack(arena, 0, two, 2, NULL), "[\"stack\",0,[\"src\",\"t\"],[\"src\",\"t\"]]");
    check_json(expr_slice(arena, e, 1, 1, -1, NULL), "[\"slice\",1,1,5,[\"src\",\"t\"]]");
    check_json(expr_pick(arena, e, 0, (int64_t[]){2, -1}, 2, NULL),
               "[\"pick\",0,[2,3],[\"src\",\"t\"]]");
    check_json(expr_transpose(arena, e, NULL), "[\"permute\",[1,0],[\"src\",\"t\"]]");
    check_json(expr_reshape(arena, e, (int64_t[]){3, -1}, 2, NULL),
               "[\"reshape\",[3,8],[\"src\",\"t\"]]");
    check_json(expr_cast(arena, e, DT_BF16, NULL), "[\"cast\",\"bf16\",[\"src\",\"t\"]]");
    check_json(expr_shift(arena, expr_mul(arena, e, 0.5, NULL), 1, NULL),
               "[\"cast\",\"f16\",[\"shift\",1.0,[\"mul\",0.5,"
               "[\"cast\",\"f32\",[\"src\",\"t\"]]]]]");
    const Expr *wide = expr_cast(arena, e, DT_F32, NULL);
    check_json(expr_add(arena, wide, wide, NULL),
               "[\"add\",[\"cast\",\"f32\",[\"src\",\"t\"]],[\"cast\",\"f32\",[\"src\",\"t\"]]]");
    check_json(expr_repeat(arena, expr_mean(arena, wide, 0, NULL), 0, 9, NULL),
               "[\"repeat\",0,9,[\"mean\",0,[\"cast\",\"f32\",[\"src\",\"t\"]]]]");
    Fill fill = {.kind = FILL_KAIMING_UNIFORM, .seed = 4, .key = "k"};
    check_json(expr_fill_with(arena, &fill, DT_F32, e->dims, 2, NULL),
               "[\"fill\",\"kaiming\",{\"mode\":\"fan_in\",\"dist\":\"uniform\",\"dtype\":\"f32\","
               "\"shape\":[4,6],\"key\":\"k\",\"seed\":4}]");
    fill = (Fill){.kind = FILL_NORMAL, .b = 0.02};
    check_json(expr_fill_with(arena, &fill, DT_F16, e->dims, 1, NULL),
               "[\"fill\",\"normal\",{\"mean\":0.0,\"std\":0.02,\"dtype\":\"f16\",\"shape\":[4],"
               "\"key\":\"\",\"seed\":0}]");
    check_json(expr_fit(arena, e, 0, FIT_NORMAL, 0.5, NULL),
               "[\"fit\",0,\"normal\",0.5,[\"src\",\"t\"]]");
    Tensor schema = {.name = "s", .dtype = DT_F32};
    const Expr *u = expr_source(arena, &schema);
    check_json(expr_slice(arena, u, 0, INT64_MIN, INT64_MIN, NULL),
               "[\"slice\",0,null,null,[\"src\",\"s\"]]");
    check_json(expr_reshape(arena, u, (int64_t[]){-1}, 1, NULL),
               "[\"reshape\",null,[\"src\",\"s\"]]");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_trees), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_rounding_once), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_identities),   cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_fit),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
