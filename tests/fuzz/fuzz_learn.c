/* Any bytes as two small state dicts: tensors of an old one, and of a new one that ops made of them,
 * or that are something else. The rules that are learned from both are written, run over the old one,
 * and must make of it every number of the new one that they claim. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce.h"
#include "loader/align/learn_script.h"
#include "scripting/script.h"

enum { OLD_MAX = 6, NEW_MAX = 8, COUNT_MAX = 256, TENSORS_MAX = OLD_MAX + NEW_MAX };

typedef struct Bytes {
    const uint8_t *at, *end;
} Bytes;

typedef struct World {
    Bytes bytes;
    StateDict *old, *now;
    ByteSource *sources[TENSORS_MAX];
    size_t source_count;
    uint64_t next;               /* of a stream of numbers */
} World;

static unsigned take(Bytes *bytes, unsigned below)
{
    return bytes->at < bytes->end ? *bytes->at++ % below : 0;
}

/* Small numbers that bf16 holds: unlike ones, few ones, or all the same. */
static void make_numbers(World *world, double *numbers, size_t n)
{
    const unsigned kind = take(&world->bytes, 6), base = take(&world->bytes, 8);
    for (size_t i = 0; i < n; i++) {
        const uint64_t x = ++world->next * UINT64_C(0x9E3779B97F4A7C15);
        if (kind < 4) numbers[i] = ((double)(x >> 56) - 100) * (1 << base % 4);
        else numbers[i] = kind == 4 ? (double)(x >> 62) : (double)base;
    }
    if (n && base == 7) numbers[0] = NAN;
}

static void put(World *world, StateDict *dict, const char *name, DType dtype, const int64_t *dims,
                unsigned rank, const void *bytes, size_t n)
{
    Storage *storage = arena_alloc(dict_arena(dict), sizeof *storage);
    ByteSource *source = source_from_memory(bytes, n, "memory");
    world->sources[world->source_count++] = source;
    *storage = (Storage){source, 0, n, dtype, (uint32_t)world->source_count};
    int64_t *copy = arena_alloc(dict_arena(dict), (rank + 1) * sizeof *copy);
    memcpy(copy, dims, rank * sizeof *copy);
    Tensor tensor = {.name = arena_strdup(dict_arena(dict), name), .dtype = dtype,
                     .rank = (uint8_t)rank, .storage = storage, .dims = copy};
    Error err = {0};
    if (!tensor_check(&tensor, &err)) abort();
    dict_add(dict, &tensor);
}

/* Numbers of a type as a tensor. */
static void put_numbers(World *world, StateDict *dict, const char *name, DType dtype,
                        const int64_t *dims, unsigned rank)
{
    static double numbers[COUNT_MAX];
    unsigned char bytes[COUNT_MAX * sizeof(double)];
    size_t n = 1;
    for (unsigned k = 0; k < rank; k++) n *= (size_t)dims[k];
    make_numbers(world, numbers, n);
    dtype_convert(DT_F64, numbers, dtype, bytes, n);
    put(world, dict, name, dtype, dims, rank, bytes, n * dtype_size(dtype));
}

static unsigned take_shape(Bytes *bytes, int64_t dims[5])
{
    const unsigned rank = take(bytes, 5);
    uint64_t count = 1;
    for (unsigned k = 0; k < rank; k++) {
        dims[k] = (int64_t)take(bytes, 9);
        if (count * (uint64_t)(dims[k] ? dims[k] : 1) > COUNT_MAX / 8) dims[k] = 1;
        count *= (uint64_t)(dims[k] ? dims[k] : 1);
    }
    return rank;
}

static const char *const stems[] = {"layers.0.q", "layers.1.q", "layers.0.norm", "layers.1.norm",
                                    "experts.0.w", "experts.1.w", "head", "x y{}"};
static const char *const leaves[] = {"weight", "bias"};

static const char *take_name(World *world, Arena *arena, const char *prefix)
{
    const unsigned stem = take(&world->bytes, countof(stems)), leaf = take(&world->bytes, 2);
    return arena_printf(arena, "%s%s.%s", prefix, stems[stem], leaves[leaf]);
}

static void make_old(World *world, Arena *arena)
{
    static const DType types[] = {DT_F32, DT_F32, DT_BF16, DT_F16, DT_F64, DT_I32, DT_F8_E4M3};
    int64_t dims[5] = {0}, last[5] = {0};
    unsigned last_rank = 0;
    const unsigned n = 1 + take(&world->bytes, OLD_MAX);
    for (unsigned i = 0; i < n; i++) {
        const char *name = take_name(world, arena, "");
        unsigned rank = take_shape(&world->bytes, dims);
        if (i && take(&world->bytes, 3)) {       /* most are of one shape */
            memcpy(dims, last, sizeof dims);
            rank = last_rank;
        }
        memcpy(last, dims, sizeof dims);
        last_rank = rank;
        if (!dict_find(world->old, name))
            put_numbers(world, world->old, name, types[take(&world->bytes, countof(types))], dims,
                        rank);
    }
}

static Op take_op(Bytes *bytes)
{
    static const int64_t orders[][3] = {{0, 2, 1}, {2, 0, 1}, {1, 0, 2}, {2, 1, 0}};
    const unsigned number = take(bytes, 4), axis = take(bytes, 3);
    switch (take(bytes, 13)) {
    case 0: return (Op){.kind = OP_T};
    case 1: return (Op){.kind = OP_PERMUTE, .list = orders[number], .list_count = 3};
    case 2: return (Op){.kind = OP_ROPE_PAIRS, .has_number = true, .number = 1 + number};
    case 3: return (Op){.kind = OP_ROPE_HALVES, .has_number = true, .number = 1 + number};
    case 4: return (Op){.kind = OP_SLICE, .has_axis = true, .axis = (int)axis, .number = number,
                        .has_number = true, .to = 2 + number, .has_to = true};
    case 5: return (Op){.kind = OP_ROLL, .has_axis = true, .axis = (int)axis, .has_number = true,
                        .number = 1 + number};
    case 6: return (Op){.kind = OP_UNSQUEEZE, .has_axis = true, .axis = (int)axis};
    case 7: return (Op){.kind = OP_ADD, .has_number = true, .real = 1 + number};
    case 8: return (Op){.kind = OP_MUL, .has_number = true, .real = 0.5 + number};
    case 9: return (Op){.kind = OP_CAST, .dtype = number % 2 ? DT_BF16 : DT_F32};
    case 10: return (Op){.kind = OP_CAST, .dtype = number % 2 ? DT_F8_E5M2 : DT_F8_E4M3};
    case 11: return (Op){.kind = OP_PAD, .has_axis = true, .has_number = true, .number = 5 + number,
                         .rest = axis ? FIT_ZEROS : FIT_MEAN};
    default: return (Op){.kind = OP_SWAP_HALVES, .has_axis = true, .axis = (int)axis};
    }
}

/* Up to so many ops; NULL where they do not fit. */
static const Expr *take_ops(Bytes *bytes, Arena *arena, const Expr *e, unsigned below)
{
    Error err = {0};
    for (unsigned k = take(bytes, below); e && k--;) {
        const Op op = take_op(bytes);
        ExprList list = {.items = &e, .count = 1};
        RuleValue value = {&list, 1};
        const OpContext context = {.arena = arena};
        if (!op_apply(&op, &context, &value, &err)) return NULL;
        e = value.lists[0].items[0];
    }
    return e;
}

/* One tensor or two joined, of which each may have an op of its own, and up to three ops; NULL
 * where they do not fit. */
static const Expr *take_value(World *world, Arena *arena)
{
    Bytes *bytes = &world->bytes;
    const size_t n = dict_count(world->old);
    const Expr *items[2];
    Error err = {0};
    for (int i = 0; i < 2; i++) {
        items[i] = expr_source(arena, dict_at(world->old, take(bytes, (unsigned)n)));
        items[i] = take_ops(bytes, arena, items[i], 2);
        if (!items[i]) return NULL;
    }
    const unsigned join = take(bytes, 4);
    const Expr *e = join == 1 ? expr_cat(arena, (int)take(bytes, 2), items, 2, &err)
                  : join == 2 ? expr_stack(arena, 0, items, 2, &err) : items[0];
    return take_ops(bytes, arena, e, 4);
}

static void make_new(World *world, Arena *arena)
{
    for (unsigned n = 1 + take(&world->bytes, NEW_MAX), i = 0; i < n; i++) {
        const char *name = take_name(world, arena, take(&world->bytes, 2) ? "net." : "");
        const Expr *e = take(&world->bytes, 8) ? take_value(world, arena) : NULL;
        Error err = {0};
        size_t bytes = 1;
        if (dict_find(world->now, name)) continue;
        if (!e) {
            int64_t dims[5] = {0};
            const unsigned rank = take_shape(&world->bytes, dims);
            put_numbers(world, world->now, name, DT_F32, dims, rank);
            continue;
        }
        for (unsigned k = 0; k < e->rank; k++) bytes *= (size_t)e->dims[k];
        bytes *= dtype_size(e->dtype);
        unsigned char *numbers = mem_alloc(bytes + 1);
        static const int64_t none[1];
        if (expr_fill(e, NULL, NULL, numbers, &err))     /* but for means of nothing */
            put(world, world->now, name, e->dtype, e->rank ? e->dims : none, e->rank, numbers,
                bytes);
        free(numbers);
    }
}

/* ---- the rules at work ---- */

static bool is_left(const Induction *induction, uint32_t bundle)
{
    for (size_t i = 0; i < induction->left_count; i++)
        if (induction->left[i] == bundle) return true;
    return false;
}

/* Every target that was learned gets exactly its numbers, up to cast; or up to rounding, where it
 * is said to be so. */
static void check(const World *world, Arena *arena, const LearnResult *result,
                  const Induction *induction, const Alignment *alignment)
{
    uint64_t done = 0;
    for (size_t i = 0; i < result->count; i++) {
        const LearnTarget *one = &result->targets[i];
        if (one->state != LEARN_LEARNED || is_left(induction, one->bundle)) continue;
        const Tensor *target = dict_at(world->now, i);
        const Binding *binding = align_find(alignment, target->name);
        /* of bf16: two hundredths of a number, and of the usual size of all, which are hundreds */
        const CompareOptions options = {.tolerance = {.relative = 0.02, .absolute = 16}};
        Comparison comparison;
        Error err = {0};
        if (!binding->expr || (binding->status != BIND_LOADED && binding->status != BIND_DTYPE))
            abort();
        /* what the policy refuses to cast was not fitted either */
        const Expr *made = expr_fit_to(arena, compare_uncast(binding), target, NULL, &err);
        if (!made || !compare_values(arena, made, target, &options, &done, 0, &comparison, &err))
            abort();
        if (comparison.verdict != VERDICT_EQUAL && comparison.verdict != VERDICT_CAST &&
            !(one->rounded && comparison.verdict == VERDICT_CLOSE))
            abort();
    }
}

static void run(World *world, Arena *arena, const LearnResult *result, const char *top,
                const Induction *induction)
{
    Text text = {0};
    Error err = {0};
    text_add(&text, top);
    induce_write(induction, NULL, NULL, &text);
    Checkpoint *source = checkpoint_new("fuzz", "schema");
    checkpoint_add_container(source, "", dict_ref(world->old), 0, false);
    Draft *draft = draft_new(source, NULL, world->now, 0);
    Script *script = script_new(draft, &(ScriptOptions){0});
    if (text.length && !script_run(script, text_string(&text), text.length, "learned", &err))
        abort();
    script_free(script);
    Alignment *alignment = align_finish(draft, &err);
    if (!alignment) abort();
    check(world, arena, result, induction, alignment);
    align_unref(alignment);
    checkpoint_unref(source);
    text_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World world = {.bytes = {data, data + size}, .old = dict_new(), .now = dict_new()};
    Arena *arena = arena_new();
    Error err = {0};
    make_old(&world, arena);
    make_new(&world, arena);
    const LearnOptions options = {.lexicon = NULL};
    const LearnResult *result = learn_pair(arena, world.old, world.now, &options, &err);
    if (!result) abort();
    const size_t n = dict_count(world.old);
    const char **keys = arena_alloc(arena, (n + 1) * sizeof *keys);
    for (size_t i = 0; i < n; i++) keys[i] = dict_at(world.old, i)->name;
    const LearnScript *script = learn_script(arena, result, world.old, world.now, NULL);
    const InduceInput input = {script->bundles, script->bundle_count, keys, n, true};
    const Induction *induction = induce_rules(arena, &input, &err);
    if (!induction) abort();
    run(&world, arena, result, script->top, induction);
    dict_unref(world.old);
    dict_unref(world.now);
    for (size_t i = 0; i < world.source_count; i++) source_unref(world.sources[i]);
    arena_free(arena);
    return 0;
}
