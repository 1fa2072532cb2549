/* For tests of the checks: a checkpoint of tensors whose values are given, and what is found. */
#ifndef TESTS_UNIT_CHECK_MAKER_H
#define TESTS_UNIT_CHECK_MAKER_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "loader/check/check.h"
#include "loader/core/text.h"
#include "tests/unit/test.h"

/* A checkpoint under construction. */
typedef struct Maker {
    Checkpoint *checkpoint;
    StateDict *dict;             /* of the container that is being filled */
    uint32_t storages;
} Maker;

static inline void begin_part(Maker *maker, const char *path, bool optimizer)
{
    if (!maker->checkpoint) maker->checkpoint = checkpoint_new("made.pth", "made");
    maker->dict = dict_new();
    checkpoint_add_container(maker->checkpoint, path, maker->dict, 0, optimizer);
}

/* n elements of a storage of its own; dims end at the first 0. */
static inline void add_bytes(Maker *maker, const char *name, DType dtype, const void *values,
                             size_t n, int64_t rows, int64_t columns)
{
    if (!maker->checkpoint) begin_part(maker, "", false);
    Arena *arena = dict_arena(maker->dict);
    int64_t *dims = arena_alloc(arena, 2 * sizeof *dims);
    Storage *storage = arena_alloc(arena, sizeof *storage);
    dims[0] = rows;
    dims[1] = columns;
    size_t size = n * dtype_size(dtype);
    *storage = (Storage){source_from_memory(values, size, name), 0, size, dtype,
                         maker->storages++};
    checkpoint_own_source(maker->checkpoint, storage->source);
    const Tensor tensor = {.name = arena_strdup(arena, name), .dims = dims, .storage = storage,
                           .dtype = dtype, .rank = columns ? 2 : rows ? 1 : 0};
    assert_true(dict_add(maker->dict, &tensor));
}

static inline void add_values(Maker *maker, const char *name, const float *values, int64_t rows,
                              int64_t columns)
{
    size_t n = (size_t)(rows ? rows : 1) * (size_t)(columns ? columns : 1);
    add_bytes(maker, name, DT_F32, values, n, rows, columns);
}

/* The same number everywhere. */
static inline void add_constant(Maker *maker, const char *name, float value, int64_t rows,
                                int64_t columns)
{
    size_t n = (size_t)(rows ? rows : 1) * (size_t)(columns ? columns : 1);
    float *values = mem_alloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = value;
    add_values(maker, name, values, rows, columns);
    free(values);
}

/* Numbers from 0 to 1 that are the same on every machine. */
static inline double next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

/* Like a trained weight: bell-shaped with heavy tails, of no usual deviation. */
static inline float *trained_values(size_t n, uint64_t seed)
{
    float *values = mem_alloc(n * sizeof *values);
    uint64_t state = seed * 7919 + 1;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < 4; k++) sum += next_random(&state) - 0.5;
        values[i] = (float)(sum * fabs(sum) * 0.3 + sum * 0.07 + 0.0003);
    }
    return values;
}

static inline void add_trained(Maker *maker, const char *name, int64_t rows, int64_t columns,
                               uint64_t seed)
{
    float *values = trained_values((size_t)rows * (size_t)(columns ? columns : 1), seed);
    add_values(maker, name, values, rows, columns);
    free(values);
}

/* As a framework starts: uniform within a bound. */
static inline void add_uniform(Maker *maker, const char *name, double bound, int64_t rows,
                               int64_t columns, uint64_t seed)
{
    size_t n = (size_t)rows * (size_t)(columns ? columns : 1);
    float *values = mem_alloc(n * sizeof *values);
    uint64_t state = seed * 104729 + 7;
    for (int i = 0; i < 100; i++) next_random(&state);
    for (size_t i = 0; i < n; i++) values[i] = (float)((next_random(&state) * 2 - 1) * bound);
    add_values(maker, name, values, rows, columns);
    free(values);
}

/* "level kind: tensor | level kind: tensor", of the checkpoint, which is let go. */
static inline void finds_in_checkpoint(Checkpoint *checkpoint, const char *file,
                                       const char *expected)
{
    Error err = {0};
    CheckTotals totals;
    Text got = {0};
    const CheckOptions options = {.file = file, .others = true,
                                  .chosen = checkpoint_choose(checkpoint, NULL, NULL)};
    CheckReport *report = check_run(checkpoint, &options, &totals, &err);
    if (!report) fail_msg("check_run: %s", err.text);
    static const char *const levels[] = {"note", "warning", "error"};
    for (size_t i = 0; i < check_report_count(report); i++) {
        const CheckFinding *one = check_report_at(report, i);
        text_addf(&got, "%s%s %s: %s", i ? " | " : "", levels[one->level], one->kind,
                  one->tensor ? one->tensor : "-");
    }
    assert_string_equal(text_string(&got), expected);
    text_done(&got);
    check_report_free(report);
    checkpoint_unref(checkpoint);
}

static inline void finds(Maker *maker, const char *expected)
{
    finds_in_checkpoint(maker->checkpoint, "made.pth", expected);
    *maker = (Maker){0};
}

#endif
