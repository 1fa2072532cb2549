/* The judge: what values say against pairs that auto{} found, and what becomes of them: exchanged,
 * turned, asked, or left as they are where the values say nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

#include "loader/align/judge_parts.h"
#include "loader/align/later.h"
#include "scripting/script.h"
#include "tests/unit/number_dict.h"

#define DIMS(...) (const int64_t[]){__VA_ARGS__}

/* Two sides with one stream of numbers. */
typedef struct World {
    Numbers source, target;
    Arena *arena;
    uint64_t next;
    Checkpoint *checkpoint;
    Alignment *alignment;
    const Judgement *judgement;
} World;

static World world_new(void)
{
    return (World){numbers_new(), numbers_new(), arena_new(), 1, NULL, NULL, NULL};
}

static void world_free(World *world)
{
    align_unref(world->alignment);
    checkpoint_unref(world->checkpoint);
    dict_unref(world->target.dict);
    arena_free(world->arena);
}

/* Numbers between low and high that no two tensors share. */
static double *fresh(World *world, size_t n, double low, double high)
{
    double *numbers = arena_alloc(world->arena, n * sizeof *numbers + 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = world->next++ * UINT64_C(0x9E3779B97F4A7C15);
        x = (x ^ x >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
        numbers[i] = low + (high - low) * (double)((x ^ x >> 32) >> 11) * 0x1p-53;
    }
    return numbers;
}

/* Almost the same numbers. */
static const double *tuned(World *world, const double *numbers, size_t n)
{
    double *noise = fresh(world, n, -0.02, 0.02);
    for (size_t i = 0; i < n; i++) noise[i] += numbers[i];
    return noise;
}

static const double *turned(World *world, const double *numbers, size_t side)
{
    double *out = arena_alloc(world->arena, side * side * sizeof *out);
    for (size_t i = 0; i < side * side; i++) out[i] = numbers[i % side * side + i / side];
    return out;
}

static void align(World *world, const char *script, const Vetoes *vetoes)
{
    Error err = {0};
    align_unref(world->alignment);
    Draft *draft = draft_new(world->checkpoint, NULL, world->target.dict, 0);
    Script *host = script_new(draft, &(ScriptOptions){0});
    if (!script_run(host, script, strlen(script), "rules.lua", &err)) fail_msg("%s", err.text);
    script_free(host);
    draft_later(draft)->vetoes = vetoes;
    world->alignment = align_finish(draft, &err);
    if (!world->alignment) fail_msg("%s", err.text);
}

/* Aligned, judged, and aligned again with the vetoes. */
static void run(World *world, const char *script)
{
    Error err = {0};
    if (!world->checkpoint) {
        world->checkpoint = checkpoint_new("source.pth", "torch-zip");
        checkpoint_add_container(world->checkpoint, "", world->source.dict, 0, false);
    }
    align(world, script, NULL);
    world->judgement = judge_alignment(world->arena, world->alignment, NULL, &err);
    if (!world->judgement) fail_msg("%s", err.text);
    const bool follow = world->judgement->vetoes.count > 0;
    if (follow) align(world, script, &world->judgement->vetoes);
    judge_close(world->alignment, world->judgement, follow);
}

/* "a |> T" of a loaded target; the word of its status otherwise. */
static const char *got(const World *world, const char *target)
{
    const Binding *binding = align_find(world->alignment, target);
    if (binding->status != BIND_LOADED) return bind_word(binding->status);
    return binding->step && binding->step->ops
               ? arena_printf(world->arena, "%s |> %s", binding->sources[0]->name,
                              binding->step->ops)
               : binding->sources[0]->name;
}

/* ---- a small attention ---- */

enum { SIDE = 16, COUNT = SIDE * SIDE };
static const char *const parts[] = {"q", "k", "v", "o"};

/* What the target holds of the source: part i the numbers of holds[i]; -1: new ones. */
static World attention(const int holds[4], bool turn)
{
    World world = world_new();
    for (int layer = 0; layer < 2; layer++) {
        const double *numbers[4];
        for (int i = 0; i < 4; i++) {
            numbers[i] = fresh(&world, COUNT, -1, 1);
            put_numbers(world.source, arena_printf(world.arena, "layers.%d.attn.%s_proj.weight",
                                                   layer, parts[i]),
                        DT_F32, 2, DIMS(SIDE, SIDE), numbers[i]);
        }
        const double *down = fresh(&world, 24 * SIDE, -1, 1);
        put_numbers(world.source, arena_printf(world.arena, "layers.%d.mlp.down_proj.weight", layer),
                    DT_F32, 2, DIMS(SIDE, 24), down);
        put_numbers(world.target, arena_printf(world.arena, "blk.%d.ffn_down.weight", layer), DT_F32,
                    2, DIMS(SIDE, 24), holds[0] < 0 ? fresh(&world, 24 * SIDE, -1, 1)
                                                    : tuned(&world, down, 24 * SIDE));
        for (int i = 0; i < 4; i++) {
            const double *held = holds[i] < 0 ? fresh(&world, COUNT, -1, 1)
                                              : tuned(&world, numbers[holds[i]], COUNT);
            if (turn && i == 3) held = turned(&world, held, SIDE);
            put_numbers(world.target, arena_printf(world.arena, "blk.%d.attn_%s.weight", layer,
                                                   i == 3 ? "output" : parts[i]),
                        DT_F32, 2, DIMS(SIDE, SIDE), held);
        }
    }
    return world;
}

static void test_agreement(void **state)
{
    (void)state;
    World world = attention((const int[]){0, 1, 2, 3}, false);
    run(&world, "auto{}");
    assert_int_equal(world.judgement->vetoes.count, 0);
    assert_int_equal(world.judgement->judged, 10);
    assert_int_equal(world.judgement->agreed, 10);
    assert_string_equal(got(&world, "blk.1.attn_k.weight"), "layers.1.attn.k_proj.weight");
    assert_true(align_agreement(world.alignment, 0) > 0.99);
    world_free(&world);
}

/* A target that is new agrees with nothing, and is no reason. */
static void test_new_target(void **state)
{
    (void)state;
    World world = attention((const int[]){-1, -1, -1, -1}, false);
    run(&world, "auto{}");
    assert_int_equal(world.judgement->vetoes.count, 0);
    assert_int_equal(world.judgement->agreed, 0);
    assert_string_equal(got(&world, "blk.0.attn_q.weight"), "layers.0.attn.q_proj.weight");
    world_free(&world);
}

/* Names say the one, values the other: a question, and the answer is heard. */
static void test_exchanged(void **state)
{
    (void)state;
    World world = attention((const int[]){1, 0, 2, 3}, false);
    run(&world, "auto{}");
    assert_int_equal(world.judgement->vetoes.count, 4);
    assert_string_equal(got(&world, "blk.0.attn_q.weight"), "ambiguous");
    assert_string_equal(got(&world, "blk.1.attn_k.weight"), "ambiguous");
    assert_string_equal(got(&world, "blk.1.attn_v.weight"), "layers.1.attn.v_proj.weight");
    assert_int_equal(align_exit(world.alignment), 3);
    const Binding *open = align_find(world.alignment, "blk.0.attn_q.weight");
    assert_non_null(strstr(open->reason, "'layers.0.attn.k_proj.weight' (1.00), not of "
                                         "'layers.0.attn.q_proj.weight'"));
    assert_string_equal(open->doubt->say, "attn.k_proj=attn_q");
    run(&world, "auto{say={\"attn.k_proj=attn_q\", \"attn.q_proj=attn_k\"}}");
    assert_string_equal(got(&world, "blk.0.attn_q.weight"), "layers.0.attn.k_proj.weight");
    assert_int_equal(align_exit(world.alignment), 0);
    run(&world, "auto{say={\"attn.q_proj=attn_q\", \"attn.k_proj=attn_k\"}}");
    assert_string_equal(got(&world, "blk.0.attn_q.weight"), "layers.0.attn.q_proj.weight");
    run(&world, "auto{values=false}");
    assert_int_equal(world.judgement->judged, 0);
    assert_int_equal(world.judgement->bytes, 0);
    assert_string_equal(got(&world, "blk.0.attn_q.weight"), "layers.0.attn.q_proj.weight");
    world_free(&world);
}

static void test_turned(void **state)
{
    (void)state;
    World world = attention((const int[]){0, 1, 2, 3}, true);
    run(&world, "auto{}");
    assert_string_equal(got(&world, "blk.0.attn_output.weight"),
                        "layers.0.attn.o_proj.weight |> T");
    assert_string_equal(got(&world, "blk.0.attn_v.weight"), "layers.0.attn.v_proj.weight");
    assert_non_null(strstr(align_find(world.alignment, "blk.0.attn_output.weight")->why,
                           "the other way round"));
    world_free(&world);
}

/* What names and shapes leave open, the values settle: the target was made from the source. */
static void test_ties_are_settled(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = fresh(&world, 40, 0, 1), *b = fresh(&world, 40, 0, 1);
    put_numbers(world.source, "alpha.weight", DT_F32, 2, DIMS(8, 5), a);
    put_numbers(world.source, "omega.weight", DT_F32, 2, DIMS(8, 5), b);
    put_numbers(world.target, "red.weight", DT_F32, 2, DIMS(8, 5), tuned(&world, b, 40));
    put_numbers(world.target, "blue.weight", DT_F32, 2, DIMS(8, 5), tuned(&world, a, 40));
    run(&world, "auto{}");
    assert_string_equal(got(&world, "red.weight"), "omega.weight");
    assert_string_equal(got(&world, "blue.weight"), "alpha.weight");
    assert_int_equal(align_exit(world.alignment), 0);
    world_free(&world);
}

/* Two sources that hold the same: the values do not decide. */
static void test_equal_rivals(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = fresh(&world, 40, 0, 1), *b = fresh(&world, 40, 0, 1);
    const char *const names[] = {"alpha.weight", "omega.weight", "sigma.weight"};
    for (int i = 0; i < 3; i++)
        put_numbers(world.source, names[i], DT_F32, 2, DIMS(8, 5), i == 2 ? b : a);
    put_numbers(world.target, "red.weight", DT_F32, 2, DIMS(8, 5), tuned(&world, a, 40));
    run(&world, "auto{}");
    assert_string_not_equal(got(&world, "red.weight"), "sigma.weight");
    assert_true(align_find(world.alignment, "red.weight")->status != BIND_LOADED ||
                strcmp(got(&world, "red.weight"), "sigma.weight") != 0);
    world_free(&world);
}

/* A target that holds what is another's as well: that its own source has other numbers is seen all
 * the same, and is a question; the other one keeps its own. */
static void test_shared_rivals(void **state)
{
    (void)state;
    World world = attention((const int[]){1, 1, 2, 3}, false);
    run(&world, "auto{}");
    assert_int_equal(world.judgement->vetoes.count, 2);
    assert_string_equal(got(&world, "blk.0.attn_q.weight"), "ambiguous");
    assert_string_equal(got(&world, "blk.0.attn_k.weight"), "layers.0.attn.k_proj.weight");
    assert_non_null(strstr(align_find(world.alignment, "blk.0.attn_q.weight")->reason,
                           "'layers.0.attn.k_proj.weight' (1.00), not of "
                           "'layers.0.attn.q_proj.weight'"));
    world_free(&world);
}

/* ---- roles ---- */

/* Two norms with their parts in the order that a file without names may have. */
static World statistics(bool exchanged)
{
    World world = world_new();
    static const char *const roles[] = {"weight", "bias", "running_mean", "running_var"};
    static const double low[] = {0.5, -1, -2, 0.1}, high[] = {1.5, 1, 2, 4};
    for (int layer = 0; layer < 2; layer++) {
        put_numbers(world.source, arena_printf(world.arena, "x%d", layer * 5), DT_F32, 2,
                    DIMS(12, 7 + layer), fresh(&world, 12 * (7 + (size_t)layer), -1, 1));
        put_numbers(world.target, arena_printf(world.arena, "net.%d.conv.weight", layer), DT_F32, 2,
                    DIMS(12, 7 + layer), fresh(&world, 12 * (7 + (size_t)layer), -1, 1));
        for (int i = 0; i < 4; i++) {
            const int from = exchanged && i > 1 ? 5 - i : i;
            put_numbers(world.source, arena_printf(world.arena, "x%d", layer * 5 + i + 1), DT_F32,
                        1, DIMS(12), fresh(&world, 12, low[from], high[from]));
            put_numbers(world.target, arena_printf(world.arena, "net.%d.bn.%s", layer, roles[i]),
                        DT_F32, 1, DIMS(12), fresh(&world, 12, 1, 1));
        }
    }
    return world;
}

static void test_variances(void **state)
{
    (void)state;
    World world = statistics(true);
    run(&world, "match{\"order\"} auto{}");
    assert_string_equal(got(&world, "net.0.bn.running_var"), "x3");
    assert_string_equal(got(&world, "net.0.bn.running_mean"), "x4");
    assert_string_equal(got(&world, "net.1.bn.running_var"), "x8");
    world_free(&world);
    world = statistics(false);
    run(&world, "match{\"order\"} auto{}");
    assert_int_equal(world.judgement->vetoes.count, 0);
    assert_string_equal(got(&world, "net.0.bn.running_var"), "x4");
    world_free(&world);
}

/* One letter a norm, by what stands where its scale should: 'x' a shift, 'w' what may be one, 'n' a
 * scale, 'z' the zeros of a shift that was never trained. How many vetoes there are. */
static size_t vetoes_of(const char *norms)
{
    World world = world_new();
    for (int i = 0; norms[i]; i++) {
        const bool zeros = norms[i] == 'z', right = norms[i] == 'n';
        const double low = zeros ? 0 : right ? 0.5 : norms[i] == 'w' ? -0.2 : -1;
        const double *scale = fresh(&world, 40, low, zeros ? 0 : right ? 1.5 : 1);
        const double *shift = fresh(&world, 40, right ? -1 : zeros ? 1 : 0.5, zeros ? 1 : 1.5);
        for (int side = 0; side < 2; side++)
            for (int part = 0; part < 2; part++)
                put_numbers(side ? world.target : world.source,
                            arena_printf(world.arena, "%s.%d.norm.%s", side ? "net" : "body", i,
                                         part ? "bias" : "weight"),
                            DT_F32, 1, DIMS(40),
                            side ? fresh(&world, 40, 1 - part, 1 - part) : part ? shift : scale);
    }
    run(&world, "auto{}");
    const size_t count = world.judgement->vetoes.count;
    world_free(&world);
    return count;
}

static void test_scales_and_shifts(void **state)
{
    (void)state;
    assert_int_equal(vetoes_of("nnn"), 0);
    assert_int_equal(vetoes_of("nxn"), 2);
    assert_int_equal(vetoes_of("zn"), 2);
    assert_int_equal(vetoes_of("wnxx"), 4);      /* three of four do not speak for all */
    assert_int_equal(vetoes_of("wx"), 2);
    assert_int_equal(vetoes_of("wxxx"), 8);      /* nothing speaks against the one that is unclear */
    assert_int_equal(vetoes_of("wwww"), 8);
}

/* match{} alone reads no values: what a system does is done to the word. */
static void test_match_alone(void **state)
{
    (void)state;
    World world = statistics(true);
    run(&world, "match{\"order\"}");
    assert_int_equal(world.judgement->bytes, 0);
    assert_string_equal(got(&world, "net.0.bn.running_var"), "x4");
    world_free(&world);
}

/* ---- samples and names ---- */

static double agree_of(const double *a, const double *b, unsigned rank, const int64_t *dims,
                       uint32_t most, bool turn)
{
    Numbers numbers = numbers_new();
    Arena *arena = arena_new();
    Judgement judgement = {0};
    Error err = {0};
    Judge judge = {.arena = arena, .scratch = arena, .judgement = &judgement, .err = &err};
    const Tensor *x = put_numbers(numbers, "a", DT_F32, rank, dims, a);
    const Tensor *y = put_numbers(numbers, "b", DT_F32, rank, dims, b);
    Sample s = {0}, t = {0};
    assert_true(sample_read(&judge, expr_source(arena, x), most, &s));
    assert_true(sample_read(&judge, expr_source(arena, y), most, &t));
    assert_true(s.n <= most);
    const double agree = turn ? sample_agree_turned(&s, &t, dims, rank, most)
                              : sample_agree(&s, &t);
    sample_done(&s);
    sample_done(&t);
    arena_free(arena);
    dict_unref(numbers.dict);
    return agree;
}

static void test_samples(void **state)
{
    (void)state;
    World world = world_new();
    const double *a = fresh(&world, 6400, -1, 1), *b = fresh(&world, 6400, -1, 1);
    static const struct { unsigned rank; int64_t dims[4]; } shapes[] = {
        {1, {6400}}, {2, {80, 80}}, {2, {2, 3200}}, {2, {3200, 2}}, {2, {1, 6400}},
        {4, {80, 5, 4, 4}}, {4, {4, 4, 20, 20}}, {3, {1, 1, 6400}}};
    for (size_t i = 0; i < countof(shapes); i++) {
        const double same = agree_of(a, a, shapes[i].rank, shapes[i].dims, 1024, false);
        const double other = agree_of(a, b, shapes[i].rank, shapes[i].dims, 1024, false);
        assert_true(same > 0.999);
        assert_true(fabs(other) < 0.35);
    }
    const int64_t square[] = {80, 80};
    assert_true(agree_of(a, turned(&world, a, 80), 2, square, 1024, true) > 0.999);
    assert_true(fabs(agree_of(a, a, 2, square, 1024, true)) < 0.35);
    assert_true(isnan(agree_of(a, b, 2, DIMS(64, 100), 1024, true)));
    double *flat = arena_alloc(world.arena, 6400 * sizeof *flat);
    assert_true(isnan(agree_of(a, flat, 1, DIMS(6400), 1024, false)));
    flat[5] = NAN;
    assert_true(isnan(agree_of(a, flat, 1, DIMS(6400), 6400, false)));
    assert_true(sample_errors(0.5, 103) > 5 && sample_errors(0.5, 103) < 6);
    assert_true(sample_errors(1, 3) < 0.1);
    dict_unref(world.source.dict);
    world_free(&world);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const q[] = {"q", "q_proj", "attn_q"};
    const LexiconSet set = {q, 3, NULL};
    const Lexicon lexicon = {.sets = &set, .count = 1};
    const Judge judge = {.lexicon = &lexicon};
    assert_true(names_speak(&judge, "l.0.q_proj.w", "l.0.k_proj.w", "blk.0.attn_q.w"));
    assert_false(names_speak(&judge, "l.0.k_proj.w", "l.0.q_proj.w", "blk.0.attn_q.w"));
    assert_false(names_speak(&judge, "l.0.abc.w", "l.0.def.w", "blk.0.attn_q.w"));
    assert_true(names_speak(&judge, "l.0.abc.w", "l.1.abc.w", "blk.0.xyz.w"));
    assert_false(names_speak(&judge, "", "", ""));
    assert_true(names_rotary("layers.0.attention.wq.weight"));
    assert_true(names_rotary("self.key.weight"));
    assert_false(names_rotary("keys.queries.v_proj"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement), cmocka_unit_test(test_new_target),
        cmocka_unit_test(test_exchanged), cmocka_unit_test(test_turned),
        cmocka_unit_test(test_ties_are_settled), cmocka_unit_test(test_equal_rivals),
        cmocka_unit_test(test_shared_rivals),
        cmocka_unit_test(test_variances),
        cmocka_unit_test(test_scales_and_shifts), cmocka_unit_test(test_match_alone),
        cmocka_unit_test(test_samples), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
