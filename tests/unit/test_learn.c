/* Learning by value: every op on small tensors, among others of the same shapes; equal values;
 * what is empty, scalar, of many axes or no number. Each bundle that comes out was verified by
 * learn_pair itself: what is asserted is which one it is. */
#include <math.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/align/learn_script.h"
#include "loader/core/json.h"
#include "loader/core/text.h"
#include "tests/unit/number_dict.h"

/* Old and new side, with a stream of numbers that no two tensors share. */
typedef struct World {
    Numbers old, now;
    Arena *arena;
    uint64_t next;
    const LearnResult *result;
    const Lexicon *lexicon;      /* NULL: names mean nothing */
} World;

static World world_new(void)
{
    return (World){numbers_new(), numbers_new(), arena_new(), 1, NULL, NULL};
}

static void world_free(World *world)
{
    dict_unref(world->old.dict);
    dict_unref(world->now.dict);
    arena_free(world->arena);
}

/* n numbers that are exact in f32 and, all but some, different in bf16 too. */
static double *fresh(World *world, size_t n)
{
    double *numbers = arena_alloc(world->arena, n * sizeof *numbers + 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = world->next++ * UINT64_C(0x9E3779B97F4A7C15);
        x = (x ^ x >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
        numbers[i] = (double)(float)((double)(x >> 40) / 16777216.0 - 0.5);
    }
    return numbers;
}

/* A source tensor of fresh numbers. */
static const double *old(World *world, const char *name, unsigned rank, const int64_t *dims)
{
    size_t n = 1;
    for (unsigned k = 0; k < rank; k++) n *= (size_t)dims[k];
    double *numbers = fresh(world, n);
    put_numbers(world->old, name, DT_F32, rank, dims, numbers);
    return numbers;
}

/* A target as the ops of a rule would make it, by this file's own account: element i of it is
 * element from[i] of `numbers`. */
static void now(World *world, const char *name, DType dtype, unsigned rank, const int64_t *dims,
                const double *numbers, const size_t *from)
{
    size_t n = 1;
    for (unsigned k = 0; k < rank; k++) n *= (size_t)dims[k];
    double *made = arena_alloc(world->arena, n * sizeof *made + 1);
    for (size_t i = 0; i < n; i++) made[i] = numbers[from ? from[i] : i];
    put_numbers(world->now, name, dtype, rank, dims, made);
}

static const LearnResult *learn(World *world)
{
    const LearnOptions options = {.lexicon = world->lexicon};
    Error err = {0};
    world->result = learn_pair(world->arena, world->old.dict, world->now.dict, &options, &err);
    if (!world->result) fail_msg("%s", err.text);
    return world->result;
}

/* "a, b -> c |> T, split(3)": the bundle that makes a target; its state where none does. */
static const char *found(World *world, const char *target)
{
    const LearnResult *result = world->result ? world->result : learn(world);
    const Tensor *tensor = dict_find(world->now.dict, target);
    const LearnTarget *one = &result->targets[dict_index(world->now.dict, tensor)];
    if (one->state != LEARN_LEARNED) return learn_word(one->state);
    const Bundle *bundle = &result->bundles[one->bundle];
    Text text = {0};
    for (size_t i = 0; i < bundle->source_count; i++)
        for (size_t k = 0; k < bundle->sources[i].count; k++)
            text_addf(&text, "%s%s", !i && !k ? "" : k ? "+" : ", ", bundle->sources[i].names[k]);
    text_add(&text, " ->");
    for (size_t i = 0; i < bundle->target_count; i++)
        text_addf(&text, "%s %s", i ? "," : "", bundle->targets[i]);
    for (size_t i = 0; i < bundle->op_count; i++) {
        text_add(&text, i ? ", " : " |> ");
        op_show(&bundle->ops[i], &text);
    }
    const char *copy = arena_strdup(world->arena, text_string(&text));
    text_done(&text);
    return copy;
}

#define DIMS(...) (const int64_t[]){__VA_ARGS__}

/* ---- one to one ---- */

static void test_names_alone(void **state)
{
    (void)state;
    World world = world_new();
    old(&world, "noise", 2, DIMS(3, 4));
    const double *a = old(&world, "a", 2, DIMS(3, 4));
    now(&world, "b", DT_F32, 2, DIMS(3, 4), a, NULL);
    assert_string_equal(found(&world, "b"), "a -> b");
    assert_int_equal(world.result->unused_count, 1);
    assert_string_equal(world.result->unused[0], "noise");
    world_free(&world);
}

static void test_a_transpose_even_of_a_square(void **state)
{
    (void)state;
    World world = world_new();
    const size_t turned[] = {0, 3, 6, 1, 4, 7, 2, 5, 8};
    old(&world, "noise", 2, DIMS(3, 3));
    const double *a = old(&world, "a", 2, DIMS(3, 3));
    now(&world, "b", DT_F32, 2, DIMS(3, 3), a, turned);
    assert_string_equal(found(&world, "b"), "a -> b |> T");
    world_free(&world);
}

/* Axis order[k] of the old is axis k of the new, for every order of that many axes. */
static void permute_all(unsigned rank, const int64_t *dims)
{
    unsigned order[5], total = 1;
    for (unsigned k = 2; k <= rank; k++) total *= k;
    for (unsigned number = 0; number < total; number++) {
        World world = world_new();
        unsigned left = number, pool[5] = {0, 1, 2, 3, 4};
        int64_t shape[5], strides[5], at[5] = {0};
        size_t n = 1, from[512];
        Text wanted = {0};
        for (unsigned k = 0; k < rank; k++) {
            unsigned pick = left % (rank - k);
            left /= rank - k;
            order[k] = pool[pick];
            memmove(pool + pick, pool + pick + 1, (4 - pick) * sizeof *pool);
        }
        contiguous_strides(dims, rank, strides);
        bool same = true;
        for (unsigned k = 0; k < rank; k++) {
            shape[k] = dims[order[k]];
            n *= (size_t)shape[k];
            same &= order[k] == k;
            text_addf(&wanted, "%s%u", k ? "," : "a -> b |> permute(", order[k]);
        }
        text_add(&wanted, ")");
        for (size_t i = 0; i < n; i++) {
            from[i] = 0;
            for (unsigned k = 0; k < rank; k++) from[i] += (size_t)(at[k] * strides[order[k]]);
            for (unsigned k = rank; k-- && ++at[k] == shape[k];) at[k] = 0;
        }
        const double *a = old(&world, "a", rank, dims);
        now(&world, "b", DT_F32, rank, shape, a, from);
        assert_string_equal(found(&world, "b"), same ? "a -> b" : text_string(&wanted));
        text_done(&wanted);
        world_free(&world);
    }
}

static void test_every_order_of_axes(void **state)
{
    (void)state;
    permute_all(3, DIMS(2, 3, 4));
    permute_all(4, DIMS(2, 3, 4, 5));
    permute_all(4, DIMS(3, 3, 3, 3));
    permute_all(5, DIMS(2, 3, 2, 3, 2));
}

static void test_ones_come_and_go(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = old(&world, "a", 4, DIMS(4, 3, 1, 1)), *b = old(&world, "b", 2, DIMS(4, 3));
    const double *c = old(&world, "c", 2, DIMS(4, 6));
    now(&world, "x", DT_F32, 2, DIMS(4, 3), a, NULL);
    now(&world, "y", DT_F32, 4, DIMS(4, 3, 1, 1), b, NULL);
    now(&world, "z", DT_F32, 3, DIMS(4, 2, 3), c, NULL);
    assert_string_equal(found(&world, "x"), "a -> x |> squeeze(3), squeeze(2)");
    assert_string_equal(found(&world, "y"), "b -> y |> unsqueeze(2), unsqueeze(3)");
    assert_string_equal(found(&world, "z"), "c -> z |> ein(\"u (h c) -> u h c\",{c=3})");
    world_free(&world);
}

/* Row order[i] of a matrix with rows of 3. */
static const char *rows_found(World *world, const size_t *order, size_t n)
{
    size_t from[256];
    int64_t dims[] = {(int64_t)n, 3};
    old(world, "noise", 2, dims);
    const double *a = old(world, "a", 2, dims);
    for (size_t i = 0; i < n * 3; i++) from[i] = order[i / 3] * 3 + i % 3;
    now(world, "b", DT_F32, 2, dims, a, from);
    return found(world, "b");
}

static void test_rope_both_ways_with_its_heads(void **state)
{
    (void)state;
    size_t pairs[24], halves[24];
    for (size_t i = 0; i < 24; i++) {   /* 3 heads of 8 rows */
        pairs[i] = i / 8 * 8 + i % 2 * 4 + i % 8 / 2;
        halves[pairs[i]] = i;
    }
    World world = world_new();
    assert_string_equal(rows_found(&world, pairs, 24), "a -> b |> rope_pairs(3)");
    world_free(&world);
    world = world_new();
    assert_string_equal(rows_found(&world, halves, 24), "a -> b |> rope_halves(3)");
    world_free(&world);
}

static void test_orders_of_rows(void **state)
{
    (void)state;
    const size_t swapped[] = {3, 4, 5, 0, 1, 2}, rolled[] = {1, 2, 3, 4, 0}, back[] = {2, 1, 0};
    const size_t mixed[] = {0, 3, 1, 4, 2}, blocks[] = {0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11};
    World world = world_new();
    assert_string_equal(rows_found(&world, swapped, 6), "a -> b |> swap_halves(0)");
    world_free(&world);
    world = world_new();
    assert_string_equal(rows_found(&world, rolled, 5), "a -> b |> roll(0,-1)");
    world_free(&world);
    world = world_new();
    assert_string_equal(rows_found(&world, back, 3), "a -> b |> pick(0,{2,1,0})");
    world_free(&world);
    world = world_new();
    assert_string_equal(rows_found(&world, mixed, 5), "a -> b |> pick(0,{0,3,1,4,2})");
    world_free(&world);
    world = world_new();
    assert_string_equal(rows_found(&world, blocks, 12),
                        "a -> b |> ein(\"(h c) v -> (c h) v\",{c=3})");
    world_free(&world);
}

static void test_a_kernel_turned_round_and_channels_reversed(void **state)
{
    (void)state;
    World world = world_new();
    size_t turned[54], reversed[54];
    for (size_t i = 0; i < 54; i++) {
        turned[i] = i / 9 * 9 + 8 - i % 9;
        reversed[i] = i / 27 * 27 + (2 - i / 9 % 3) * 9 + i % 9;
    }
    old(&world, "noise", 4, DIMS(2, 3, 3, 3));
    const double *a = old(&world, "a", 4, DIMS(2, 3, 3, 3));
    const double *c = old(&world, "c", 4, DIMS(2, 3, 3, 3));
    now(&world, "b", DT_F32, 4, DIMS(2, 3, 3, 3), a, turned);
    now(&world, "d", DT_F32, 4, DIMS(2, 3, 3, 3), c, reversed);
    assert_string_equal(found(&world, "b"), "a -> b |> pick(2,{2,1,0}), pick(3,{2,1,0})");
    assert_string_equal(found(&world, "d"), "c -> d |> pick(1,{2,1,0})");
    world_free(&world);
}

static void test_casts_do_not_hide_a_tensor(void **state)
{
    (void)state;
    const size_t turned[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
    for (int k = 0; k < 2; k++) {
        World world = world_new();
        old(&world, "noise", 2, DIMS(3, 4));
        const double *a = old(&world, "a", 2, DIMS(3, 4));
        now(&world, "b", k ? DT_BF16 : DT_F16, 2, DIMS(4, 3), a, turned);
        assert_string_equal(found(&world, "b"), "a -> b |> T");
        world_free(&world);
    }
}

/* ---- parts, and what is joined ---- */

static void test_split_along_either_axis(void **state)
{
    (void)state;
    World world = world_new();
    size_t columns[3][8];
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 8; i++) columns[k][i] = i / 2 * 6 + k * 2 + i % 2;
    const double *a = old(&world, "a", 2, DIMS(8, 3)), *b = old(&world, "b", 2, DIMS(4, 6));
    now(&world, "q", DT_F32, 2, DIMS(4, 3), a, NULL);
    now(&world, "k", DT_F32, 2, DIMS(2, 3), a + 12, NULL);
    now(&world, "v", DT_F32, 2, DIMS(2, 3), a + 18, NULL);
    now(&world, "x", DT_F32, 2, DIMS(4, 2), b, columns[0]);
    now(&world, "y", DT_F32, 2, DIMS(4, 2), b, columns[1]);
    now(&world, "z", DT_F32, 2, DIMS(4, 2), b, columns[2]);
    assert_string_equal(found(&world, "k"), "a -> q, k, v |> split()");
    assert_string_equal(found(&world, "z"), "b -> x, y, z |> split(3,1)");
    world_free(&world);
}

static void test_a_part_by_itself_is_a_slice(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = old(&world, "a", 2, DIMS(8, 3));
    now(&world, "b", DT_F32, 2, DIMS(3, 3), a + 6, NULL);
    assert_string_equal(found(&world, "b"), "a -> b |> slice(0,2,5)");
    world_free(&world);
}

static void test_joined_and_interleaved(void **state)
{
    (void)state;
    World world = world_new();
    double joined[48], mixed[48];
    const double *q = old(&world, "q", 2, DIMS(4, 3)), *k = old(&world, "k", 2, DIMS(4, 3));
    const double *g = old(&world, "g", 2, DIMS(4, 3)), *u = old(&world, "u", 2, DIMS(4, 3));
    for (size_t i = 0; i < 12; i++) {
        joined[i] = q[i];
        joined[12 + i] = k[i];
        mixed[i / 3 * 6 + i % 3] = g[i];
        mixed[i / 3 * 6 + 3 + i % 3] = u[i];
    }
    now(&world, "qk", DT_F32, 2, DIMS(8, 3), joined, NULL);
    now(&world, "gu", DT_F32, 2, DIMS(8, 3), mixed, NULL);
    assert_string_equal(found(&world, "qk"), "q, k -> qk |> cat(0)");
    assert_string_equal(found(&world, "gu"),
                        "g, u -> gu |> cat(0), ein(\"(h c) v -> (c h) v\",{h=2})");
    world_free(&world);
}

static void test_stacks_both_ways(void **state)
{
    (void)state;
    World world = world_new();
    double stacked[48], both[96];
    const char *const ones[] = {"e.0.w1", "e.1.w1"}, *const threes[] = {"e.0.w3", "e.1.w3"};
    for (size_t e = 0; e < 2; e++) {
        memcpy(both + e * 48, old(&world, ones[e], 2, DIMS(4, 6)), 24 * sizeof *both);
        memcpy(both + e * 48 + 24, old(&world, threes[e], 2, DIMS(4, 6)), 24 * sizeof *both);
    }
    for (size_t e = 0; e < 2; e++) {
        const char *name = e ? "l.1.w" : "l.0.w";
        memcpy(stacked + e * 24, old(&world, name, 2, DIMS(4, 6)), 24 * sizeof *stacked);
    }
    const double *all = old(&world, "all", 3, DIMS(2, 4, 6));
    now(&world, "gate_up", DT_F32, 3, DIMS(2, 8, 6), both, NULL);
    now(&world, "l", DT_F32, 3, DIMS(2, 4, 6), stacked, NULL);
    now(&world, "one.0", DT_F32, 2, DIMS(4, 6), all, NULL);
    now(&world, "one.1", DT_F32, 2, DIMS(4, 6), all + 24, NULL);
    assert_string_equal(found(&world, "gate_up"),
                        "e.0.w1+e.1.w1, e.0.w3+e.1.w3 -> gate_up |> stack(0), cat(1)");
    assert_string_equal(found(&world, "l"), "l.0.w+l.1.w -> l |> stack(0)");
    assert_string_equal(found(&world, "one.1"), "all -> one.0, one.1 |> unstack(0)");
    world_free(&world);
}

static void test_one_tensor_under_two_names(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = old(&world, "a", 2, DIMS(3, 4));
    now(&world, "x", DT_F32, 2, DIMS(3, 4), a, NULL);
    now(&world, "y", DT_F32, 2, DIMS(3, 4), a, NULL);
    assert_string_equal(found(&world, "y"), "a -> x, y |> copy");
    world_free(&world);
}

/* ---- ops of their own ---- */

static void test_parts_with_ops_of_their_own(void **state)
{
    (void)state;
    World world = world_new();
    size_t turned[12];
    double joined[24];
    for (size_t i = 0; i < 12; i++) turned[i] = i % 4 * 3 + i / 4;
    const double *a = old(&world, "a", 2, DIMS(3, 4)), *b = old(&world, "b", 2, DIMS(4, 3));
    const double *c = old(&world, "c", 2, DIMS(6, 4));
    memcpy(joined, a, 12 * sizeof *joined);
    for (size_t i = 0; i < 12; i++) joined[12 + i] = b[turned[i]];
    now(&world, "ab", DT_F32, 2, DIMS(6, 4), joined, NULL);
    const size_t swapped[] = {8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7};
    now(&world, "x", DT_F32, 2, DIMS(3, 4), c, swapped);
    now(&world, "y", DT_F32, 2, DIMS(3, 4), c + 12, NULL);
    assert_string_equal(found(&world, "ab"),
                        "a, b -> ab |> function(a, b) return a, b:T() end, cat(0)");
    assert_string_equal(found(&world, "x"), "c -> x, y |> split(2), "
                        "function(p) return p[1]:roll(0,1), p[2] end");
    world_free(&world);
}

static void test_axes_joined_and_taken_apart(void **state)
{
    (void)state;
    World world = world_new();
    size_t from[24], back[24];
    for (size_t i = 0; i < 24; i++) {       /* width 3, 2 heads of 4: (h c) u */
        from[i] = i % 3 * 8 + i / 3;
        back[from[i]] = i;
    }
    const double *a = old(&world, "a", 3, DIMS(3, 2, 4)), *b = old(&world, "b", 2, DIMS(8, 3));
    const double *c = old(&world, "c", 4, DIMS(1, 3, 2, 4));
    now(&world, "x", DT_F32, 2, DIMS(8, 3), a, from);
    now(&world, "y", DT_F32, 3, DIMS(3, 2, 4), b, back);
    now(&world, "z", DT_F32, 2, DIMS(8, 3), c, from);
    assert_string_equal(found(&world, "x"), "a -> x |> ein(\"u h c -> (h c) u\")");
    assert_string_equal(found(&world, "y"), "b -> y |> ein(\"(h c) u -> u h c\",{c=4})");
    assert_string_equal(found(&world, "z"), "c -> z |> squeeze(0), ein(\"u h c -> (h c) u\")");
    world_free(&world);
}

static void test_rows_that_were_gained(void **state)
{
    (void)state;
    World world = world_new();
    double padded[18] = {0}, other[18];
    const double *a = old(&world, "a", 2, DIMS(4, 3)), *b = old(&world, "b", 2, DIMS(4, 3));
    memcpy(padded, a, 12 * sizeof *padded);
    memcpy(other, b, 12 * sizeof *other);
    for (size_t i = 12; i < 18; i++) other[i] = 0.5 + 0.25 * (double)i;
    now(&world, "x", DT_F32, 2, DIMS(6, 3), padded, NULL);
    now(&world, "y", DT_F32, 2, DIMS(6, 3), other, NULL);
    assert_string_equal(found(&world, "x"), "a -> x |> fit(0,zeros)");
    assert_string_equal(found(&world, "y"), "unexplained");
    assert_string_equal(world.result->targets[1].why, "its indexes 0 to 3 of axis 0 are those of b, "
                        "the others are in no source");
    world_free(&world);
}

/* What is filled in otherwise is another op, and no copy, though all else is the same. */
static void test_rows_that_were_gained_otherwise(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = old(&world, "a", 2, DIMS(4, 1));
    double zeros[6] = {0}, means[6];
    memcpy(zeros, a, 4 * sizeof *zeros);
    memcpy(means, a, 4 * sizeof *means);
    means[4] = means[5] = (a[0] + a[1] + a[2] + a[3]) / 4;
    now(&world, "x", DT_F32, 2, DIMS(6, 1), zeros, NULL);
    now(&world, "y", DT_F32, 2, DIMS(6, 1), means, NULL);
    now(&world, "z", DT_F32, 2, DIMS(6, 1), zeros, NULL);
    found(&world, "x");
    assert_int_equal(world.result->bundle_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const Bundle *bundle = &world.result->bundles[i];
        const bool mean = strcmp(bundle->targets[0], "y") == 0;
        assert_int_equal(bundle->ops[0].kind, OP_FIT);
        assert_int_equal(bundle->ops[0].rest, mean ? FIT_MEAN : FIT_ZEROS);
        assert_int_equal(bundle->target_count, mean ? 1 : 2);
    }
    world_free(&world);
}

static void test_a_weight_of_length_and_direction(void **state)
{
    (void)state;
    World world = world_new();
    double made[12];
    const double *g = old(&world, "c.weight_g", 2, DIMS(4, 1));
    const double *v = old(&world, "c.weight_v", 2, DIMS(4, 3));
    for (size_t i = 0; i < 12; i++) {
        const double *row = v + i / 3 * 3;
        const double length = sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2]);
        made[i] = g[i / 3] * v[i] / length;
    }
    now(&world, "x", DT_F32, 2, DIMS(4, 3), made, NULL);
    made[7] += 0.001;
    now(&world, "y", DT_F32, 2, DIMS(4, 3), made, NULL);
    assert_string_equal(found(&world, "x"), "c.weight_g, c.weight_v -> x |> "
                        "function(g, v) return v * (g / v:norm(0)) end");
    assert_string_equal(found(&world, "y"), "unexplained");
    assert_int_equal(world.result->rounded, 1);
    world_free(&world);
}

static void test_types_of_8_bits(void **state)
{
    (void)state;
    static const DType types[] = {DT_F8_E4M3, DT_F8_E5M2};
    const size_t turned[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
    for (size_t k = 0; k < 2; k++) {
        World world = world_new();
        old(&world, "noise", 2, DIMS(3, 4));
        const double *a = old(&world, "a", 2, DIMS(3, 4)), *c = old(&world, "c", 1, DIMS(5));
        now(&world, "b", types[k], 2, DIMS(4, 3), a, turned);
        now(&world, "d", DT_F32, 1, DIMS(5), c, NULL);
        assert_string_equal(found(&world, "b"), "a -> b |> T");
        assert_string_equal(found(&world, "d"), "c -> d");
        world_free(&world);
    }
}

/* ---- as a script ---- */

/* A tensor of heads of 4 rows of 2, in halves, that has them in pairs in the new one. */
static void put_heads(World *world, const char *was, const char *is, size_t heads)
{
    size_t from[256];
    const int64_t dims[] = {(int64_t)heads * 4, 2};
    for (size_t i = 0; i < heads * 8; i++) {
        const size_t row = i / 2 % 4;
        from[i] = i / 8 * 8 + (row % 2 * 2 + row / 2) * 2 + i % 2;
    }
    now(world, is, DT_F32, 2, dims, old(world, was, 2, dims), from);
}

static const LearnScript *script_of(World *world, const Value *config)
{
    return learn_script(world->arena, learn(world), world->old.dict, world->now.dict, config);
}

static void test_heads_follow_from_their_size(void **state)
{
    (void)state;
    World world = world_new();
    put_heads(&world, "q", "wq", 3);
    put_heads(&world, "k", "wk", 2);
    const LearnScript *script = script_of(&world, NULL);
    assert_non_null(strstr(script->top, "\nhead_dim = 4\n"));
    assert_non_null(strstr(script->top, "\nlocal known = src[\"q\"]\nif known and known.shape[1] ~= 12 "));
    assert_non_null(strstr(script->top, "function to_pairs(t)"));
    assert_int_equal(script->bundle_count, 2);
    assert_string_equal(script->bundles[0].ops[0].text, "to_pairs");
    old(&world, "q_norm.weight", 1, DIMS(4));
    script = script_of(&world, NULL);
    assert_non_null(strstr(script->top, "head_dim = src[\"q_norm.weight\"].shape[1]\n"));
    assert_null(strstr(script->top, "known"));
    world_free(&world);
}

/* A function is called with all tensors at once. */
static void test_heads_of_several_tensors(void **state)
{
    (void)state;
    World world = world_new();
    double joined[40], stacked[48];
    size_t at = 0;
    static const char *const names[] = {"q", "k", "l.0.q", "l.1.q"};
    for (size_t t = 0; t < 4; t++) {            /* 3 heads of 4 rows of 2; k has 2 */
        const int64_t dims[] = {t == 1 ? 8 : 12, 2};
        const double *numbers = old(&world, names[t], 2, dims);
        for (size_t i = 0; i < (size_t)dims[0] * 2; i++) {
            const size_t row = i / 2 % 4;
            double *to = t < 2 ? joined + at++ : stacked + (t - 2) * 24 + i;
            *to = numbers[i / 8 * 8 + (row % 2 * 2 + row / 2) * 2 + i % 2];
        }
    }
    now(&world, "qk", DT_F32, 2, DIMS(20, 2), joined, NULL);
    now(&world, "l", DT_F32, 3, DIMS(2, 12, 2), stacked, NULL);
    const LearnScript *script = script_of(&world, NULL);
    assert_int_equal(script->bundle_count, 2);
    assert_string_equal(script->bundles[0].ops[0].text,
                        "function(a, b) return to_pairs(a), to_pairs(b) end");
    assert_int_equal(script->bundles[0].ops[1].kind, OP_CAT);
    assert_string_equal(script->bundles[1].ops[0].text, "all(to_pairs)");
    assert_int_equal(script->bundles[1].ops[1].kind, OP_STACK);
    assert_non_null(strstr(script->top, "function all(f)\n"));
    world_free(&world);
}

static const Value *config_of(World *world, const char *text)
{
    Error err;
    const Value *config = json_parse(world->arena, text, strlen(text), "config.json", 100, &err);
    assert_non_null(config);
    return config;
}

/* 2 groups of 2 rows of q and one each of k and v, beside a bias of zeros. */
static void put_groups(World *world, bool back)
{
    const double zeros[8] = {0};
    const double *numbers = fresh(world, 24);
    double q[12], k[6], v[6];
    for (size_t i = 0; i < 24; i++) {
        const size_t group = i / 12, row = i / 3 % 4, column = i % 3;
        if (row < 2) q[(group * 2 + row) * 3 + column] = numbers[i];
        else (row == 2 ? k : v)[group * 3 + column] = numbers[i];
    }
    Numbers whole = back ? world->now : world->old, parts = back ? world->old : world->now;
    put_numbers(whole, "qkv.weight", DT_F32, 2, DIMS(8, 3), numbers);
    put_numbers(parts, "q.weight", DT_F32, 2, DIMS(4, 3), q);
    put_numbers(parts, "k.weight", DT_F32, 2, DIMS(2, 3), k);
    put_numbers(parts, "v.weight", DT_F32, 2, DIMS(2, 3), v);
    put_numbers(whole, "qkv.bias", DT_F32, 1, DIMS(8), zeros);
    put_numbers(parts, "q.bias", DT_F32, 1, DIMS(4), zeros);
    put_numbers(parts, "k.bias", DT_F32, 1, DIMS(2), zeros);
    put_numbers(parts, "v.bias", DT_F32, 1, DIMS(2), zeros);
}

static void test_rows_in_groups(void **state)
{
    (void)state;
    World world = world_new();
    put_groups(&world, false);
    assert_string_equal(found(&world, "k.weight"),
                        "qkv.weight -> q.weight, k.weight, v.weight |> ein(\"(g b) v -> g b v\",{g=2}), "
                        "split(nil,1), ein(\"g b v -> (g b) v\")");
    assert_string_equal(found(&world, "k.bias"),
                        "qkv.bias -> q.bias, k.bias, v.bias |> ein(\"(g b) -> g b\",{g=2}), "
                        "split(nil,1), ein(\"g b -> (g b)\")");
    const LearnScript *script = script_of(&world, NULL);
    assert_non_null(strstr(script->top, "\nquery_groups = 2\n"));
    assert_non_null(strstr(script->top, "known.shape[1] ~= 8 then"));
    assert_string_equal(script->bundles[0].ops[0].text,
                        "ein(\"(g b) v -> g b v\", {g=query_groups})");
    script = script_of(&world, config_of(&world, "{\"num_key_value_heads\":2}"));
    assert_non_null(strstr(script->top, "query_groups = config.num_key_value_heads\n"));
    script = script_of(&world, config_of(&world, "{\"num_key_value_heads\":4}"));
    assert_non_null(strstr(script->top, "\nquery_groups = 2\n"));
    world_free(&world);
    world = world_new();
    put_groups(&world, true);
    assert_string_equal(found(&world, "qkv.bias"),
                        "q.bias, k.bias, v.bias -> qkv.bias |> ein(\"(g b) -> g b\",{g=2}), cat(1), "
                        "ein(\"g b -> (g b)\")");
    world_free(&world);
}

static const Bundle *bundle_of(const World *world, const LearnScript *script, const char *target)
{
    const Tensor *tensor = dict_find(world->now.dict, target);
    return &script->bundles[world->result->targets[dict_index(world->now.dict, tensor)].bundle];
}

/* Halves of a tensor that are not one bundle, since one of them is turned; a slice beside which the
 * rest is wanted by nobody stays as it is. */
static void test_slices_that_are_shares(void **state)
{
    (void)state;
    World world = world_new();
    const size_t turned[] = {0, 4, 8, 1, 5, 9}, rest[] = {2, 3, 6, 7, 10, 11};
    const double *a = old(&world, "a", 2, DIMS(3, 4)), *b = old(&world, "b", 2, DIMS(4, 3));
    now(&world, "x", DT_F32, 2, DIMS(2, 3), a, turned);
    now(&world, "y", DT_F32, 2, DIMS(3, 2), a, rest);
    now(&world, "z", DT_F32, 2, DIMS(2, 3), b, NULL);
    const LearnScript *script = script_of(&world, NULL);
    const Bundle *x = bundle_of(&world, script, "x");
    if (x->target_count == 1) {
        assert_string_equal(x->ops[0].text, "function(t) local a, b = t:split(2, 1) return a end");
        assert_string_equal(bundle_of(&world, script, "y")->ops[0].text,
                            "function(t) local a, b = t:split(2, 1) return b end");
    }
    assert_int_equal(bundle_of(&world, script, "z")->ops[0].kind, OP_SLICE);
    world_free(&world);
}

static void test_slices_that_repeat(void **state)
{
    (void)state;
    World world = world_new();
    double *numbers = fresh(&world, 24);
    memcpy(numbers + 12, numbers, 12 * sizeof *numbers);
    put_numbers(world.old, "a", DT_F32, 3, DIMS(2, 3, 4), numbers);
    now(&world, "b", DT_F32, 2, DIMS(3, 4), numbers, NULL);
    assert_string_equal(found(&world, "b"), "a -> b |> slice(0,0,1), squeeze(0)");
    world_free(&world);
}

static void test_heads_of_several_sizes_are_counted(void **state)
{
    (void)state;
    World world = world_new();
    put_heads(&world, "q", "wq", 3);
    size_t from[48];
    for (size_t i = 0; i < 48; i++) {       /* 3 heads of 8 rows of 2 */
        const size_t row = i / 2 % 8;
        from[i] = i / 16 * 16 + (row % 2 * 4 + row / 2) * 2 + i % 2;
    }
    now(&world, "wk", DT_F32, 2, DIMS(24, 2), old(&world, "k", 2, DIMS(24, 2)), from);
    const LearnScript *script = script_of(&world, NULL);
    assert_non_null(strstr(script->top, "\nheads = 3\n"));
    assert_string_equal(script->bundles[0].ops[0].text, "rope_pairs(heads)");
    assert_string_equal(script->bundles[1].ops[0].text, "rope_pairs(heads)");
    world_free(&world);
}

static void test_the_configuration_says_the_size(void **state)
{
    (void)state;
    World world = world_new();
    put_heads(&world, "q", "wq", 3);
    put_heads(&world, "k", "wk", 2);
    const LearnScript *script =
        script_of(&world, config_of(&world, "{\"hidden_size\":2,\"n_head\":3,\"head_dim\":4}"));
    assert_string_equal(script->top, "local config = json \"config.json\"\n"
                        "assert(src[\"q\"].shape[2] == config.hidden_size, "
                        "\"config.json is that of another model\")\nhead_dim = config.head_dim\n"
                        "function to_pairs(t) return t:rope_pairs(t:size(0) // head_dim) end\n");
    script = script_of(&world, config_of(&world, "{\"n_embd\":12,\"n_head\":3}"));
    assert_non_null(strstr(script->top, "\nhead_dim = config.n_embd // config.n_head\n"));
    script = script_of(&world, config_of(&world, "{\"n_embd\":12,\"n_head\":3,\"head_dim\":8}"));
    assert_non_null(strstr(script->top, "\nhead_dim = 4\n"));     /* it says something else */
    script = script_of(&world, config_of(&world, "[]"));
    assert_non_null(strstr(script->top, "\nhead_dim = 4\n"));
    world_free(&world);
}

/* ---- equal values ---- */

static void test_equal_tensors_are_told_by_their_modules(void **state)
{
    (void)state;
    World world = world_new();
    const double zeros[4] = {0};
    const char *const was[] = {"a.ln_1", "a.ln_2"}, *const is[] = {"b.first", "b.second"};
    for (size_t k = 0; k < 2; k++) {
        Text name = {0};
        text_addf(&name, "%s.weight", was[k]);
        const double *weight = old(&world, text_string(&name), 1, DIMS(4));
        text_clear(&name);
        text_addf(&name, "%s.bias", was[k]);
        put_numbers(world.old, text_string(&name), DT_F32, 1, DIMS(4), zeros);
        text_clear(&name);
        text_addf(&name, "%s.weight", is[k]);
        now(&world, text_string(&name), DT_F32, 1, DIMS(4), weight, NULL);
        text_clear(&name);
        text_addf(&name, "%s.bias", is[k]);
        now(&world, text_string(&name), DT_F32, 1, DIMS(4), zeros, NULL);
        text_done(&name);
    }
    assert_string_equal(found(&world, "b.second.bias"), "a.ln_2.bias -> b.second.bias");
    world_free(&world);
}

static void test_equal_tensors_without_evidence_are_ambiguous(void **state)
{
    (void)state;
    World world = world_new();
    const double ones[4] = {1, 1, 1, 1};
    put_numbers(world.old, "p", DT_F32, 1, DIMS(4), ones);
    put_numbers(world.old, "q", DT_F32, 1, DIMS(4), ones);
    now(&world, "x", DT_F32, 1, DIMS(4), ones, NULL);
    now(&world, "y", DT_F32, 1, DIMS(4), ones, NULL);
    assert_string_equal(found(&world, "x"), "ambiguous");
    assert_string_equal(world.result->targets[0].why, "the same values are in p, q");
    assert_int_equal(world.result->state[LEARN_AMBIGUOUS], 2);
    world_free(&world);
}

/* The block counts most, not numbers that are the same: layer1.0 is s.0.0, not s.1.0. */
static void test_equal_tensors_follow_their_block(void **state)
{
    (void)state;
    World world = world_new();
    const double seven[1] = {7};
    for (int layer = 0; layer < 2; layer++)
        for (int block = 0; block < 2; block++) {
            Text name = {0};
            text_addf(&name, "s.%d.%d.norm.weight", layer, block);
            const double *weight = old(&world, text_string(&name), 1, DIMS(4));
            text_clear(&name);
            text_addf(&name, "layer%d.%d.bn.weight", layer + 1, block);
            now(&world, text_string(&name), DT_F32, 1, DIMS(4), weight, NULL);
            text_clear(&name);
            text_addf(&name, "s.%d.%d.norm.count", layer, block);
            put_numbers(world.old, text_string(&name), DT_F32, 1, DIMS(1), seven);
            text_clear(&name);
            text_addf(&name, "layer%d.%d.bn.count", layer + 1, block);
            now(&world, text_string(&name), DT_F32, 1, DIMS(1), seven, NULL);
            text_done(&name);
        }
    assert_string_equal(found(&world, "layer1.0.bn.count"), "s.0.0.norm.count -> layer1.0.bn.count");
    assert_string_equal(found(&world, "layer2.1.bn.count"), "s.1.1.norm.count -> layer2.1.bn.count");
    world_free(&world);
}

/* Words that mean the same tell norms apart that were never trained. */
static void test_equal_tensors_are_told_by_what_names_mean(void **state)
{
    (void)state;
    static const char *const first[] = {"input layernorm", "attention norm"};
    static const char *const second[] = {"post attention layernorm", "ffn norm"};
    static const LexiconSet sets[] = {{first, 2, NULL}, {second, 2, NULL}};
    static const Lexicon lexicon = {.sets = sets, .count = 2};
    const double ones[4] = {1, 1, 1, 1};
    for (int known = 0; known < 2; known++) {
        World world = world_new();
        const double *q = old(&world, "l.0.q.weight", 2, DIMS(4, 4));
        now(&world, "b.0.wq.weight", DT_F32, 2, DIMS(4, 4), q, NULL);
        put_numbers(world.old, "l.0.input_layernorm.weight", DT_F32, 1, DIMS(4), ones);
        put_numbers(world.old, "l.0.post_attention_layernorm.weight", DT_F32, 1, DIMS(4), ones);
        now(&world, "b.0.ffn_norm.weight", DT_F32, 1, DIMS(4), ones, NULL);
        now(&world, "b.0.attention_norm.weight", DT_F32, 1, DIMS(4), ones, NULL);
        if (known) world.lexicon = &lexicon;
        assert_string_equal(found(&world, "b.0.ffn_norm.weight"), known
                            ? "l.0.post_attention_layernorm.weight -> b.0.ffn_norm.weight"
                            : "ambiguous");
        assert_int_equal(world.result->named, known ? 2 : 0);
        world_free(&world);
    }
}

static void test_what_is_nowhere_stays_unexplained(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = old(&world, "a", 2, DIMS(3, 4));
    double other[12];
    memcpy(other, a, sizeof other);
    other[5] += 0.25;
    now(&world, "a", DT_F32, 2, DIMS(3, 4), other, NULL);
    assert_string_equal(found(&world, "a"), "unexplained");
    world_free(&world);
}

/* ---- numbers that were moved or scaled ---- */

static void test_moved_and_scaled(void **state)
{
    (void)state;
    World world = world_new();
    const int64_t dims[] = {12, 5};
    const double *a = old(&world, "a", 2, dims), *b = old(&world, "b", 2, dims);
    const double *c = old(&world, "c", 2, dims);
    double moved[60], scaled[60], other[60], turned[60];
    for (size_t i = 0; i < 60; i++) {
        moved[i] = (double)(float)(a[i] + 1);
        scaled[i] = (double)(float)(b[i] * 0.5);
        turned[i] = (double)(float)(c[i % 12 * 5 + i / 12] * 0.25);
        other[i] = moved[i] * moved[i];
    }
    now(&world, "x", DT_F32, 2, dims, moved, NULL);
    now(&world, "y", DT_F32, 2, dims, scaled, NULL);
    now(&world, "z", DT_F32, 2, dims, other, NULL);
    now(&world, "w", DT_F32, 2, DIMS(5, 12), turned, NULL);
    assert_string_equal(found(&world, "x"), "a -> x |> add(1)");
    assert_string_equal(found(&world, "y"), "b -> y |> mul(0.5)");
    assert_string_equal(found(&world, "w"), "c -> w |> T, mul(0.25)");
    assert_string_equal(found(&world, "z"), "unexplained");
    world_free(&world);
}

/* ---- what is odd ---- */

static void test_odd_tensors(void **state)
{
    (void)state;
    World world = world_new();
    const double odd[] = {NAN, INFINITY, -0.0, 1}, one = 3, none[1] = {0};
    const int64_t many[8] = {1, 2, 1, 2, 1, 2, 1, 2}, empty[] = {0, 3};
    put_numbers(world.old, "odd", DT_F32, 1, DIMS(4), odd);
    put_numbers(world.old, "scalar", DT_F64, 0, empty, &one);
    put_numbers(world.old, "empty", DT_F32, 2, empty, none);
    const double *a = old(&world, "many", 8, many);
    now(&world, "odder", DT_F32, 1, DIMS(4), odd, NULL);
    now(&world, "scalar", DT_F64, 0, empty, &one, NULL);
    now(&world, "empty", DT_F32, 2, empty, none, NULL);
    now(&world, "more", DT_F32, 8, many, a, NULL);
    const Tensor bare = {.name = "bare", .dims = DIMS(2), .rank = 1, .dtype = DT_F32};
    assert_true(dict_add(world.now.dict, &bare));
    assert_string_equal(found(&world, "odder"), "odd -> odder");
    assert_string_equal(found(&world, "scalar"), "scalar -> scalar");
    assert_string_equal(found(&world, "empty"), "empty -> empty");
    assert_string_equal(found(&world, "more"), "many -> more");
    assert_string_equal(found(&world, "bare"), "unread");
    world_free(&world);
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    World world = world_new();
    assert_int_equal(learn(&world)->bundle_count, 0);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_alone),
        cmocka_unit_test(test_a_transpose_even_of_a_square),
        cmocka_unit_test(test_every_order_of_axes),
        cmocka_unit_test(test_ones_come_and_go),
        cmocka_unit_test(test_rope_both_ways_with_its_heads),
        cmocka_unit_test(test_orders_of_rows),
        cmocka_unit_test(test_a_kernel_turned_round_and_channels_reversed),
        cmocka_unit_test(test_casts_do_not_hide_a_tensor),
        cmocka_unit_test(test_split_along_either_axis),
        cmocka_unit_test(test_a_part_by_itself_is_a_slice),
        cmocka_unit_test(test_joined_and_interleaved),
        cmocka_unit_test(test_stacks_both_ways),
        cmocka_unit_test(test_one_tensor_under_two_names),
        cmocka_unit_test(test_parts_with_ops_of_their_own),
        cmocka_unit_test(test_axes_joined_and_taken_apart),
        cmocka_unit_test(test_rows_that_were_gained),
        cmocka_unit_test(test_rows_that_were_gained_otherwise),
        cmocka_unit_test(test_a_weight_of_length_and_direction),
        cmocka_unit_test(test_types_of_8_bits),
        cmocka_unit_test(test_heads_follow_from_their_size),
        cmocka_unit_test(test_heads_of_several_tensors),
        cmocka_unit_test(test_rows_in_groups),
        cmocka_unit_test(test_slices_that_are_shares),
        cmocka_unit_test(test_slices_that_repeat),
        cmocka_unit_test(test_heads_of_several_sizes_are_counted),
        cmocka_unit_test(test_the_configuration_says_the_size),
        cmocka_unit_test(test_equal_tensors_are_told_by_their_modules),
        cmocka_unit_test(test_equal_tensors_without_evidence_are_ambiguous),
        cmocka_unit_test(test_equal_tensors_follow_their_block),
        cmocka_unit_test(test_equal_tensors_are_told_by_what_names_mean),
        cmocka_unit_test(test_what_is_nowhere_stays_unexplained),
        cmocka_unit_test(test_moved_and_scaled),
        cmocka_unit_test(test_odd_tensors),
        cmocka_unit_test(test_nothing_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
