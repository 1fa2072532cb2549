/* Any bytes as a rule script over tensors that have values: whatever the ops make of them is worked
 * out, whole and in two boxes, and the two must agree. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align.h"
#include "scripting/script.h"

static const struct {
    const char *name;
    DType dtype;
    uint8_t rank;
    int64_t dims[4];
} tensors[] = {
    {"x", DT_F32, 2, {6, 4}},      {"a", DT_F32, 2, {4, 3}},         {"b", DT_F32, 2, {3, 2}},
    {"pos", DT_F32, 3, {1, 5, 2}}, {"kernel", DT_F32, 4, {2, 3, 4, 4}}, {"table", DT_F32, 2, {28, 2}},
    {"half", DT_BF16, 2, {6, 4}},  {"int", DT_I32, 1, {12}},         {"scalar", DT_F64, 0, {0}},
};

/* One storage serves all: small numbers in every type. */
static StateDict *make_dict(ByteSource *source)
{
    StateDict *dict = dict_new();
    for (size_t i = 0; i < countof(tensors); i++) {
        Storage *storage = arena_alloc(dict_arena(dict), sizeof *storage);
        *storage = (Storage){source, 0, 1024, tensors[i].dtype, (uint32_t)i};
        Tensor tensor = {.name = tensors[i].name, .dtype = tensors[i].dtype,
                         .rank = tensors[i].rank, .dims = tensors[i].dims, .storage = storage};
        dict_add(dict, &tensor);
    }
    return dict;
}

/* The elements of the largest node: what a test can work out is small. */
static uint64_t largest(const Expr *e)
{
    uint64_t most = 1, below = 0;
    for (unsigned i = 0; i < e->rank && !e->unknown; i++)
        if (!sum_mul(most, (uint64_t)(e->dims[i] ? e->dims[i] : 1), &most)) return UINT64_MAX;
    for (uint32_t i = 0; i < e->count; i++)
        if (largest(e->from[i]) > below) below = largest(e->from[i]);
    return most > below ? most : below;
}

/* The second half of the first axis, from the whole and by itself. */
static void check_value(const Expr *e)
{
    uint64_t count = 1;
    Error err = {0};
    CastLosses losses = {0};
    if (e->unknown || e->nodes > 200 || e->depth > 20 || largest(e) > 1 << 16) return;
    for (unsigned i = 0; i < e->rank; i++) count *= (uint64_t)e->dims[i];
    size_t bytes = (size_t)count * dtype_size(e->dtype);
    unsigned char *whole = mem_alloc(bytes + 1), *part = mem_alloc(bytes + 1);
    bool good = expr_fill_measured(e, NULL, NULL, whole, NULL, &losses, &err);
    if (good && e->rank && e->dims[0] > 1) {
        int64_t from[TENSOR_RANK_MAX] = {e->dims[0] / 2}, size[TENSOR_RANK_MAX];
        memcpy(size, e->dims, e->rank * sizeof *size);
        size[0] -= from[0];
        size_t skipped = bytes / (size_t)e->dims[0] * (size_t)from[0];
        if (!expr_fill(e, from, size, part, &err) ||
            memcmp(part, whole + skipped, bytes - skipped) != 0)
            abort();
    }
    free(whole);
    free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ScriptOptions options = {.instructions = 100000, .memory = 8 << 20};
    unsigned char numbers[1024];
    for (size_t i = 0; i < sizeof numbers; i++) numbers[i] = i % 4 == 3 ? 0x3F : (unsigned char)(i * 7);
    ByteSource *bytes = source_from_memory(numbers, sizeof numbers, "memory");
    Checkpoint *source = checkpoint_new("fuzz", "schema");
    StateDict *target = make_dict(bytes);
    checkpoint_add_container(source, "", make_dict(bytes), 0, false);
    Draft *draft = draft_new(source, NULL, target, 0);
    Script *script = script_new(draft, &options);
    Error err = {0};
    bool good = script_run(script, (const char *)data, size, "fuzz.lua", &err);
    script_free(script);
    Alignment *alignment = align_finish(draft, &err);
    for (size_t i = 0; good && alignment && i < align_count(alignment); i++) {
        const Expr *value = align_value(align_binding(alignment, i));
        if (value) check_value(value);
    }
    align_unref(alignment);
    dict_unref(target);
    checkpoint_unref(source);
    source_unref(bytes);
    return 0;
}
