/* Ops on the value of a rule: shapes, order of elements as PyTorch has it, how lists are joined
 * and taken apart, what is refused, and how reports spell an op. */
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/align/op.h"
#include "loader/core/memory.h"

/* Tensors a, b, … of i32 that count up from 0, 1000, 2000 … */
typedef struct World {
    Arena *arena;
    ByteSource *source;
    Storage storage;
    OpContext context;
} World;

static World world_new(void)
{
    World world = {.arena = arena_new()};
    int32_t *numbers = mem_alloc(100000 * sizeof *numbers);
    for (int32_t i = 0; i < 100000; i++) numbers[i] = i;
    world.source = source_from_memory(numbers, 400000, "memory");
    world.storage = (Storage){world.source, 0, 400000, DT_I32, 0};
    world.context.arena = world.arena;
    free(numbers);
    return world;
}

static void world_free(World *world)
{
    source_unref(world->source);
    arena_free(world->arena);
}

static const Expr *make(World *world, unsigned number, unsigned rank, const int64_t *dims)
{
    Tensor *tensor = arena_alloc(world->arena, sizeof *tensor);
    *tensor = (Tensor){.name = arena_printf(world->arena, "%c", 'a' + (int)number),
                       .dtype = DT_I32, .rank = (uint8_t)rank, .offset = number * 4000};
    tensor->storage = arena_copy(world->arena, &world->storage, sizeof world->storage);
    tensor->dims = arena_copy(world->arena, dims, rank * sizeof *dims);
    return expr_source(world->arena, tensor);
}

/* Lists of `length` tensors each, all of the same shape. */
static RuleValue lists_of(World *world, size_t count, size_t length, unsigned rank,
                          const int64_t *dims)
{
    RuleValue value = {arena_alloc(world->arena, count * sizeof *value.lists), count};
    for (size_t i = 0; i < count; i++) {
        value.lists[i].items = arena_alloc(world->arena, length * sizeof *value.lists[i].items);
        value.lists[i].count = length;
        for (size_t k = 0; k < length; k++)
            value.lists[i].items[k] = make(world, (unsigned)(i * length + k), rank, dims);
    }
    return value;
}

static RuleValue single(World *world, unsigned rank, const int64_t *dims)
{
    return lists_of(world, 1, 1, rank, dims);
}

static const Expr *only(const RuleValue *value)
{
    assert_int_equal(value->count, 1);
    assert_int_equal(value->lists[0].count, 1);
    return value->lists[0].items[0];
}

static void apply(World *world, Op op, RuleValue *value)
{
    Error err = {0};
    if (!op_apply(&op, &world->context, value, &err)) fail_msg("%s", err.text);
}

static void check_shape(const Expr *e, unsigned rank, const int64_t *dims)
{
    assert_false(e->unknown);
    assert_true(same_dims(e->dims, e->rank, dims, rank));
}

static void check_values(const Expr *e, size_t n, const int32_t *expected)
{
    int32_t out[64];
    Error err = {0};
    if (!expr_fill(e, NULL, NULL, out, &err)) fail_msg("%s", err.text);
    assert_memory_equal(out, expected, n * sizeof *out);
}

static void refused(World *world, Op op, RuleValue value, const char *why)
{
    Error err = {0};
    assert_false(op_apply(&op, &world->context, &value, &err));
    assert_error_has(err, why);
}

/* x = torch.arange(8); w.view(h, 2, -1, …).transpose(1, 2).reshape(w.shape) for pairs,
 * w.view(h, -1, 2, …) for halves; torch.roll(x, shift, 0). */
static void test_rope_and_roll(void **state)
{
    (void)state;
    World world = world_new();
    static const struct { Op op; int32_t expected[8]; } cases[] = {
        {{.kind = OP_ROPE_PAIRS, .number = 1}, {0, 4, 1, 5, 2, 6, 3, 7}},
        {{.kind = OP_ROPE_PAIRS, .number = 2}, {0, 2, 1, 3, 4, 6, 5, 7}},
        {{.kind = OP_ROPE_HALVES, .number = 1}, {0, 2, 4, 6, 1, 3, 5, 7}},
        {{.kind = OP_ROPE_HALVES, .number = 2}, {0, 2, 1, 3, 4, 6, 5, 7}},
        {{.kind = OP_ROLL, .number = 3}, {5, 6, 7, 0, 1, 2, 3, 4}},
        {{.kind = OP_ROLL, .number = -1}, {1, 2, 3, 4, 5, 6, 7, 0}},
        {{.kind = OP_ROLL, .number = -19}, {3, 4, 5, 6, 7, 0, 1, 2}},
        {{.kind = OP_ROLL, .number = 16}, {0, 1, 2, 3, 4, 5, 6, 7}},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        RuleValue value = single(&world, 1, (int64_t[]){8});
        apply(&world, cases[i].op, &value);
        check_shape(only(&value), 1, (int64_t[]){8});
        check_values(only(&value), 8, cases[i].expected);
    }
    RuleValue matrix = single(&world, 2, (int64_t[]){8, 2});
    apply(&world, (Op){.kind = OP_ROPE_PAIRS, .number = 2}, &matrix);
    check_values(only(&matrix), 16, (int32_t[]){0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14,
                                                15});
    apply(&world, (Op){.kind = OP_ROPE_HALVES, .number = 2}, &matrix);
    check_values(only(&matrix), 16, (int32_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                                                15});
    refused(&world, (Op){.kind = OP_ROPE_PAIRS, .number = 3}, single(&world, 1, (int64_t[]){8}),
            "rope_pairs(3): 8: dim 0 does not divide");
    refused(&world, (Op){.kind = OP_ROPE_PAIRS, .number = 8}, single(&world, 1, (int64_t[]){8}),
            "even size");
    refused(&world, (Op){.kind = OP_ROPE_HALVES, .number = 1}, single(&world, 0, NULL), "dim 0");
    world_free(&world);
}

static void test_shapes(void **state)
{
    (void)state;
    World world = world_new();
    RuleValue v = single(&world, 4, (int64_t[]){2, 1, 3, 1});
    apply(&world, (Op){.kind = OP_SQUEEZE, .has_axis = true, .axis = -1}, &v);
    check_shape(only(&v), 3, (int64_t[]){2, 1, 3});
    apply(&world, (Op){.kind = OP_UNSQUEEZE, .has_axis = true, .axis = 0}, &v);
    check_shape(only(&v), 4, (int64_t[]){1, 2, 1, 3});
    apply(&world, (Op){.kind = OP_SQUEEZE}, &v);
    check_shape(only(&v), 2, (int64_t[]){2, 3});
    apply(&world, (Op){.kind = OP_UNSQUEEZE, .has_axis = true, .axis = -1}, &v);
    check_shape(only(&v), 3, (int64_t[]){2, 3, 1});
    apply(&world, (Op){.kind = OP_PERMUTE, .list = (int64_t[]){-1, 1, 0}, .list_count = 3}, &v);
    check_shape(only(&v), 3, (int64_t[]){1, 3, 2});
    check_values(only(&v), 6, (int32_t[]){0, 3, 1, 4, 2, 5});
    apply(&world, (Op){.kind = OP_RESHAPE, .list = (int64_t[]){-1, 3}, .list_count = 2}, &v);
    check_values(only(&v), 6, (int32_t[]){0, 3, 1, 4, 2, 5});
    apply(&world, (Op){.kind = OP_T}, &v);
    check_values(only(&v), 6, (int32_t[]){0, 4, 3, 2, 1, 5});
    v = single(&world, 1, (int64_t[]){10});
    apply(&world, (Op){.kind = OP_SLICE, .has_number = true, .number = 1, .has_to = true, .to = -1},
          &v);
    check_values(only(&v), 8, (int32_t[]){1, 2, 3, 4, 5, 6, 7, 8});
    apply(&world, (Op){.kind = OP_SLICE, .has_number = true, .number = -3}, &v);
    check_values(only(&v), 3, (int32_t[]){6, 7, 8});
    apply(&world, (Op){.kind = OP_PICK, .list = (int64_t[]){2, 1, 0}, .list_count = 3}, &v);
    check_values(only(&v), 3, (int32_t[]){8, 7, 6});
    apply(&world, (Op){.kind = OP_CAST, .dtype = DT_F32}, &v);
    apply(&world, (Op){.kind = OP_MUL, .real = 0.5}, &v);
    apply(&world, (Op){.kind = OP_ADD, .real = -1}, &v);
    apply(&world, (Op){.kind = OP_CAST, .dtype = DT_I32}, &v);
    check_values(only(&v), 3, (int32_t[]){3, 2, 2});
    refused(&world, (Op){.kind = OP_SQUEEZE, .has_axis = true, .axis = 0},
            single(&world, 1, (int64_t[]){5}), "squeeze(0): 5:");
    refused(&world, (Op){.kind = OP_UNSQUEEZE, .has_axis = true, .axis = 3},
            single(&world, 1, (int64_t[]){5}), "unsqueeze(3): 5:");
    refused(&world, (Op){.kind = OP_ROLL, .axis = 1, .number = 1},
            single(&world, 1, (int64_t[]){5}), "roll(1,1): 5:");
    refused(&world, (Op){.kind = OP_MUL, .real = 2}, single(&world, 1, (int64_t[]){5}),
            "no arithmetic on i32");
    refused(&world, (Op){.kind = OP_ZEROS}, single(&world, 1, (int64_t[]){5}), "zeros(): makes");
    world_free(&world);
}

/* stack(0), cat(1) over two lists of experts: each list is stacked, then the two are joined. */
static void test_lists(void **state)
{
    (void)state;
    World world = world_new();
    RuleValue v = lists_of(&world, 2, 3, 2, (int64_t[]){2, 1});
    apply(&world, (Op){.kind = OP_STACK, .axis = 0}, &v);
    assert_int_equal(v.count, 2);
    check_shape(v.lists[1].items[0], 3, (int64_t[]){3, 2, 1});
    apply(&world, (Op){.kind = OP_CAT, .axis = 1}, &v);
    check_shape(only(&v), 3, (int64_t[]){3, 4, 1});
    check_values(only(&v), 12, (int32_t[]){0, 1, 3000, 3001, 1000, 1001, 4000, 4001, 2000, 2001,
                                           5000, 5001});
    v = lists_of(&world, 3, 1, 1, (int64_t[]){2});   /* a, b, c -> d |> cat(0) */
    apply(&world, (Op){.kind = OP_CAT, .axis = 0}, &v);
    check_values(only(&v), 6, (int32_t[]){0, 1, 1000, 1001, 2000, 2001});
    v = lists_of(&world, 1, 3, 1, (int64_t[]){2});   /* experts.{e} -> d |> stack(1) */
    apply(&world, (Op){.kind = OP_STACK, .axis = 1}, &v);
    check_values(only(&v), 6, (int32_t[]){0, 1000, 2000, 1, 1001, 2001});
    v = lists_of(&world, 2, 1, 1, (int64_t[]){2});   /* two gathered lists of one expert */
    v.lists[0].gathered = v.lists[1].gathered = true;
    apply(&world, (Op){.kind = OP_STACK, .axis = 0}, &v);
    assert_int_equal(v.count, 2);
    apply(&world, (Op){.kind = OP_CAT, .axis = 1}, &v);
    check_shape(only(&v), 2, (int64_t[]){1, 4});
    v = lists_of(&world, 2, 2, 2, (int64_t[]){2, 3});   /* others apply to each */
    apply(&world, (Op){.kind = OP_T}, &v);
    check_shape(v.lists[1].items[1], 2, (int64_t[]){3, 2});
    v = lists_of(&world, 2, 1, 1, (int64_t[]){2});
    v.lists[1].items[0] = expr_cast(world.arena, v.lists[1].items[0], DT_F16, NULL);
    refused(&world, (Op){.kind = OP_CAT}, v, "cannot join i32 and f16");
    world_free(&world);
}

static void test_split(void **state)
{
    (void)state;
    World world = world_new();
    RuleValue v = single(&world, 2, (int64_t[]){6, 2});
    apply(&world, (Op){.kind = OP_SPLIT, .has_number = true, .number = 3}, &v);
    assert_int_equal(v.lists[0].count, 3);
    check_values(v.lists[0].items[1], 4, (int32_t[]){4, 5, 6, 7});
    v = single(&world, 2, (int64_t[]){2, 6});
    apply(&world, (Op){.kind = OP_SPLIT, .list = (int64_t[]){1, 5}, .list_count = 2,
                       .has_axis = true, .axis = -1}, &v);
    check_values(v.lists[0].items[0], 2, (int32_t[]){0, 6});
    check_shape(v.lists[0].items[1], 2, (int64_t[]){2, 5});
    v = single(&world, 2, (int64_t[]){3, 2});
    apply(&world, (Op){.kind = OP_UNSTACK, .has_axis = true, .axis = 0}, &v);
    assert_int_equal(v.lists[0].count, 3);
    check_shape(v.lists[0].items[2], 1, (int64_t[]){2});
    check_values(v.lists[0].items[2], 2, (int32_t[]){4, 5});
    apply(&world, (Op){.kind = OP_STACK, .axis = 0}, &v);
    check_values(only(&v), 6, (int32_t[]){0, 1, 2, 3, 4, 5});
    refused(&world, (Op){.kind = OP_SPLIT, .has_number = true, .number = 3},
            single(&world, 1, (int64_t[]){100}), "split(3): dim 0 has 100, not divisible by 3");
    refused(&world, (Op){.kind = OP_SPLIT, .has_number = true, .number = 0},
            single(&world, 1, (int64_t[]){100}), "there must be 1 to");
    refused(&world, (Op){.kind = OP_SPLIT, .list = (int64_t[]){60, 30}, .list_count = 2},
            single(&world, 1, (int64_t[]){100}),
            "split{60,30}: dim 0 has 100, the parts add up to 90");
    refused(&world, (Op){.kind = OP_SPLIT, .list = (int64_t[]){-1, 101}, .list_count = 2},
            single(&world, 1, (int64_t[]){100}), "-1 is no size");
    refused(&world, (Op){.kind = OP_SPLIT, .has_number = true, .number = 2},
            lists_of(&world, 2, 1, 1, (int64_t[]){4}), "split(2): needs one tensor, has 2");
    refused(&world, (Op){.kind = OP_SPLIT}, single(&world, 1, (int64_t[]){4}), "there is none");
    refused(&world, (Op){.kind = OP_UNSTACK}, single(&world, 2, (int64_t[]){0, 4}), "dim 0 has 0");
    refused(&world, (Op){.kind = OP_UNSTACK}, single(&world, 0, NULL), "no such axis");
    world_free(&world);
}

static void test_split_by_target(void **state)
{
    (void)state;
    World world = world_new();
    StateDict *target = dict_new();
    Tensor q = {.name = "q", .dims = (int64_t[]){4, 2}, .dtype = DT_I32, .rank = 2};
    Tensor k = {.name = "k", .dims = (int64_t[]){1, 2}, .dtype = DT_I32, .rank = 2};
    Tensor n = {.name = "n", .dtype = DT_I32};
    const char *names[] = {"q", "k"}, *missing[] = {"q", "k\n"}, *unknown[] = {"q", "n"};
    assert_true(dict_add(target, &q) && dict_add(target, &k) && dict_add(target, &n));
    world.context.target = target;
    world.context.names = names;
    world.context.name_count = 2;
    RuleValue v = single(&world, 2, (int64_t[]){5, 2});
    apply(&world, (Op){.kind = OP_SPLIT}, &v);
    check_shape(v.lists[0].items[0], 2, (int64_t[]){4, 2});
    check_values(v.lists[0].items[1], 2, (int32_t[]){8, 9});
    refused(&world, (Op){.kind = OP_SPLIT}, single(&world, 2, (int64_t[]){6, 2}),
            "split(): dim 0 has 6, the parts add up to 5");
    refused(&world, (Op){.kind = OP_SPLIT, .has_axis = true, .axis = 2},
            single(&world, 3, (int64_t[]){1, 1, 6}), "the target's 'q' has no such axis");
    world.context.names = missing;
    refused(&world, (Op){.kind = OP_SPLIT}, single(&world, 1, (int64_t[]){5}),
            "the target has no 'k\\n'");
    world.context.names = unknown;
    refused(&world, (Op){.kind = OP_SPLIT}, single(&world, 1, (int64_t[]){5}),
            "the shape of the target's 'n' is not known");
    dict_unref(target);
    world_free(&world);
}

static void test_copy_and_call(void **state)
{
    (void)state;
    World world = world_new();
    const char *names[] = {"x", "y", "z"};
    RuleValue v = single(&world, 1, (int64_t[]){4});
    apply(&world, (Op){.kind = OP_COPY}, &v);
    assert_int_equal(v.lists[0].count, 1);
    world.context.names = names;
    world.context.name_count = 3;
    apply(&world, (Op){.kind = OP_COPY}, &v);
    assert_int_equal(v.lists[0].count, 3);
    assert_ptr_equal(v.lists[0].items[0], v.lists[0].items[2]);
    refused(&world, (Op){.kind = OP_COPY}, v, "copy: needs one tensor, has 3");
    refused(&world, (Op){.kind = OP_FUNCTION}, v, "cannot be called");
    world_free(&world);
}

/* Names without shapes go through every op that does not need to know. */
static void test_unknown(void **state)
{
    (void)state;
    World world = world_new();
    Tensor schema = {.name = "s", .dtype = DT_UNKNOWN};
    static const Op ops[] = {
        {.kind = OP_T}, {.kind = OP_SQUEEZE}, {.kind = OP_UNSQUEEZE, .has_axis = true},
        {.kind = OP_ROLL, .number = 1}, {.kind = OP_ROPE_PAIRS, .number = 2},
        {.kind = OP_CAST, .dtype = DT_F16}, {.kind = OP_MUL, .real = 2}, {.kind = OP_FIT},
    };
    for (size_t i = 0; i < countof(ops); i++) {
        RuleValue v = single(&world, 0, NULL);
        v.lists[0].items[0] = expr_source(world.arena, &schema);
        apply(&world, ops[i], &v);
        assert_true(only(&v)->unknown);
    }
    RuleValue v = single(&world, 0, NULL);
    v.lists[0].items[0] = expr_source(world.arena, &schema);
    RuleValue again = v;
    apply(&world, (Op){.kind = OP_SPLIT, .has_number = true, .number = 3}, &v);
    assert_int_equal(v.lists[0].count, 3);
    refused(&world, (Op){.kind = OP_UNSTACK}, again, "not known");
    world_free(&world);
}

static void test_fill_for_target(void **state)
{
    (void)state;
    World world = world_new();
    const char *note;
    Error err;
    Tensor bias = {.name = "head.bias", .dims = (int64_t[]){6}, .dtype = DT_F32, .rank = 1};
    Tensor weight = {.name = "head.weight", .dims = (int64_t[]){6, 2}, .dtype = DT_F16, .rank = 2};
    Tensor count = {.name = "n", .dims = (int64_t[]){0}, .dtype = DT_I64, .rank = 0};
    Tensor plain = {.name = "p", .dims = (int64_t[]){2, 2}, .dtype = DT_UNKNOWN, .rank = 2};
    Tensor open = {.name = "o", .dtype = DT_F32};
    Op kaiming = {.kind = OP_KAIMING, .fill = {.kind = FILL_KAIMING_NORMAL}};
    Op seven = {.kind = OP_CONST, .fill = {.kind = FILL_CONST, .a = 7}};
    Op half = {.kind = OP_CONST, .fill = {.kind = FILL_CONST, .a = 0.5}};
    const Expr *e = fill_for_target(world.arena, &kaiming, 5, &bias, &note, &err);
    assert_int_equal(e->fill->kind, FILL_ZEROS);
    assert_string_equal(note, "zeros: kaiming needs two dimensions");
    e = fill_for_target(world.arena, &kaiming, 5, &weight, &note, &err);
    assert_null(note);
    assert_int_equal(e->fill->kind, FILL_KAIMING_NORMAL);
    assert_int_equal(e->fill->seed, 5);
    assert_string_equal(e->fill->key, "head.weight");
    assert_int_equal(e->dtype, DT_F16);
    int64_t out;
    e = fill_for_target(world.arena, &seven, 0, &count, NULL, &err);
    assert_true(expr_fill(e, NULL, NULL, &out, &err));
    assert_int_equal(out, 7);
    assert_null(fill_for_target(world.arena, &half, 0, &count, NULL, &err));
    assert_error_has(err, "i64 cannot hold 0.5");
    assert_null(fill_for_target(world.arena, &seven, 0, &open, &note, &err));
    assert_error_has(err, "shape is not known");
    assert_int_equal(fill_for_target(world.arena, &seven, 0, &plain, &note, &err)->dtype, DT_F32);
    assert_non_null(note);
    world_free(&world);
}

static void test_show(void **state)
{
    (void)state;
    int64_t many[40] = {0};
    const struct { Op op; const char *text; } cases[] = {
        {{.kind = OP_T}, "T"},
        {{.kind = OP_PERMUTE, .list = (int64_t[]){3, 2, 0, 1}, .list_count = 4},
         "permute(3,2,0,1)"},
        {{.kind = OP_RESHAPE, .list = (int64_t[]){-1, 16}, .list_count = 2}, "reshape(-1,16)"},
        {{.kind = OP_SQUEEZE}, "squeeze()"},
        {{.kind = OP_UNSQUEEZE, .has_axis = true, .axis = 2}, "unsqueeze(2)"},
        {{.kind = OP_SPLIT, .has_number = true, .number = 3}, "split(3)"},
        {{.kind = OP_SPLIT, .has_number = true, .number = 3, .has_axis = true, .axis = 1},
         "split(3,1)"},
        {{.kind = OP_SPLIT, .list = (int64_t[]){4096, 1024}, .list_count = 2}, "split{4096,1024}"},
        {{.kind = OP_SPLIT, .list = (int64_t[]){4, 1}, .list_count = 2, .has_axis = true,
          .axis = 1},
         "split({4,1},1)"},
        {{.kind = OP_SPLIT}, "split()"},
        {{.kind = OP_STACK, .has_axis = true}, "stack(0)"},
        {{.kind = OP_SLICE, .number = 1, .has_number = true, .has_to = true, .to = -1},
         "slice(0,1,-1)"},
        {{.kind = OP_SLICE, .number = 4, .has_number = true}, "slice(0,4)"},
        {{.kind = OP_PICK, .axis = 1, .list = (int64_t[]){2, 1, 0}, .list_count = 3},
         "pick(1,{2,1,0})"},
        {{.kind = OP_PICK, .list = many, .list_count = 40},
         "pick(0,{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,… 40 in all})"},
        {{.kind = OP_ROLL, .number = -1}, "roll(0,-1)"},
        {{.kind = OP_ROPE_PAIRS, .number = 32}, "rope_pairs(32)"},
        {{.kind = OP_FIT}, "fit(0)"},
        {{.kind = OP_FIT, .rest = FIT_NORMAL, .real = 0.02}, "fit(0,normal(0.02))"},
        {{.kind = OP_CAST, .dtype = DT_BF16}, "cast(\"bf16\")"},
        {{.kind = OP_MUL, .real = 0.1}, "mul(0.1)"},
        {{.kind = OP_ADD, .real = 1. / 3}, "add(0.3333333333333333)"},
        {{.kind = OP_ZEROS}, "zeros()"},
        {{.kind = OP_CONST, .fill = {.kind = FILL_CONST, .a = 0.1}}, "const(0.1)"},
        {{.kind = OP_NORMAL, .fill = {.kind = FILL_NORMAL, .b = 0.02}}, "normal(0.02)"},
        {{.kind = OP_UNIFORM, .fill = {.kind = FILL_UNIFORM, .a = -1, .b = 1}}, "uniform(-1,1)"},
        {{.kind = OP_KAIMING, .fill = {.kind = FILL_KAIMING_UNIFORM, .fan_out = true}},
         "kaiming{mode=\"fan_out\",dist=\"uniform\"}"},
        {{.kind = OP_XAVIER, .fill = {.kind = FILL_XAVIER_NORMAL}}, "xavier()"},
        {{.kind = OP_COPY}, "copy"},
        {{.kind = OP_FUNCTION}, "function"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text text = {0};
        op_show(&cases[i].op, &text);
        assert_string_equal(text_string(&text), cases[i].text);
        text_done(&text);
    }
    for (unsigned i = 0; i < OP_KIND_COUNT; i++) assert_true(*op_name((OpKind)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rope_and_roll),   cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_lists),           cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_by_target), cmocka_unit_test(test_copy_and_call),
        cmocka_unit_test(test_unknown),         cmocka_unit_test(test_fill_for_target),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
