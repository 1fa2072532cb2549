/* Fingerprints: numbers are rounded to the grain, hashed one by one and summed, so that a sum does
 * not depend on their order. One pass gives the sums of every axis at once: only the last axis is
 * summed number by number, the others in runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"
#include "loader/core/crew.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

enum { BOX_BYTES = 2 << 20, BATCH = 2048, PART_COUNT = 1 << 20, PART_RATIO = 16 };
static const uint64_t rows_limit = UINT64_C(1) << 30;   /* bytes of fingerprints by axis, a side */

/* f16 before bf16: what both can hold has the digits of bf16. 0: nothing is rounded to it. */
static unsigned coarseness(DType dtype)
{
    switch (dtype) {
    case DT_F32: return 1;
    case DT_F16: return 2;
    case DT_BF16: return 3;
    default: return print_is_coarse(dtype) ? 4 : 0;
    }
}

bool print_is_coarse(DType dtype)
{
    return dtype == DT_F8_E4M3 || dtype == DT_F8_E5M2 || dtype == DT_F8_E4M3FNUZ ||
           dtype == DT_F8_E5M2FNUZ;
}

static DType coarsest(const StateDict *dict, DType grain)
{
    for (size_t i = 0; i < dict_count(dict); i++)
        if (!print_is_coarse(dict_at(dict, i)->dtype) &&
            coarseness(dict_at(dict, i)->dtype) > coarseness(grain))
            grain = dict_at(dict, i)->dtype;
    return grain;
}

DType print_grain(const StateDict *a, const StateDict *b)
{
    return coarsest(b, coarsest(a, DT_F64));
}

/* The finalizer of SplitMix64. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* Equal numbers have equal hashes whatever type holds them: both zeros are one, and all NaN. */
static uint64_t hash_number(double number)
{
    uint64_t bits;
    if (isnan(number)) return mix(UINT64_C(0x7FF8000000000000));
    number += 0.0;   /* -0 becomes 0 */
    memcpy(&bits, &number, sizeof bits);
    return mix(bits);
}

/* n numbers of `dtype` as hashes, two of a complex number as one. */
static void hash_numbers(DType dtype, DType grain, const unsigned char *in, size_t n,
                         uint64_t *hashes)
{
    double numbers[2 * BATCH];
    unsigned char rounded[2 * BATCH * sizeof(double)];
    DType part = dtype_component(dtype);
    size_t parts = dtype_size(dtype) / dtype_size(part);
    bool is_float = dtype_info(part)->kind == CLASS_FLOAT;
    if (is_float && part != grain && coarseness(grain) && part != DT_F8_E8M0 &&
        dtype_size(part) > 1) {
        dtype_convert(part, in, grain, rounded, n * parts);
        dtype_to_doubles(grain, rounded, numbers, n * parts);
    } else {
        dtype_to_doubles(part, in, numbers, n * parts);
    }
    for (size_t i = 0; i < n; i++) {
        hashes[i] = hash_number(numbers[i * parts]);
        if (parts == 2) hashes[i] = mix(hashes[i] ^ hash_number(numbers[i * parts + 1]) * 3);
    }
}

/* ---- one tensor ---- */

typedef struct Reading {
    Print *whole, *parts;        /* being filled; parts NULL: none are kept */
    const Expr *expr;            /* what is read; NULL: the tensor of `whole` */
    uint64_t first;              /* hash of the first number */
    uint64_t at;                 /* numbers so far */
    int64_t index[TENSOR_RANK_MAX];   /* of the next number */
    uint64_t part_first;         /* first hash of the part under way */
} Reading;

/* A run of numbers along the last axis, none of which leaves its row. */
static void add_run(Reading *reading, const uint64_t *hashes, size_t n)
{
    Print *whole = reading->whole;
    Print *part = reading->parts ? &reading->parts[reading->index[0]] : NULL;
    unsigned last = whole->rank ? whole->rank - 1u : 0;
    uint64_t sum = 0, order = 0, part_order = 0;
    uint64_t inside = part ? reading->at - (uint64_t)reading->index[0] * part->count : 0;
    for (size_t i = 0; i < n; i++) {
        sum += hashes[i];
        order += hashes[i] * (2 * (reading->at + i) + 1);
        part_order += hashes[i] * (2 * (inside + i) + 1);
        whole->flat &= hashes[i] == reading->first;
    }
    if (part && !inside) reading->part_first = hashes[0];
    for (size_t i = 0; part && i < n; i++) part->flat &= hashes[i] == reading->part_first;
    whole->sum += sum;
    whole->order += order;
    int64_t column = whole->rank ? reading->index[last] : 0;
    if (whole->rank && last < PRINT_RANK && whole->rows[last])
        for (size_t i = 0; i < n; i++) whole->rows[last][(size_t)column + i] += hashes[i];
    for (unsigned k = 0; k < last && k < PRINT_RANK; k++)
        if (whole->rows[k]) whole->rows[k][reading->index[k]] += sum;
    if (!part) return;
    part->sum += sum;
    part->order += part_order;
    for (unsigned k = 1; k < last; k++)
        if (part->rows[k - 1]) part->rows[k - 1][reading->index[k]] += sum;
    if (last && part->rows[last - 1])
        for (size_t i = 0; i < n; i++) part->rows[last - 1][(size_t)column + i] += hashes[i];
}

/* Moves on by n numbers of one row. */
static void step_run(Reading *reading, size_t n)
{
    const Print *whole = reading->whole;
    reading->at += n;
    if (!whole->rank) return;
    unsigned k = whole->rank - 1u;
    reading->index[k] += (int64_t)n;
    while (k && reading->index[k] == whole->dims[k]) {
        reading->index[k] = 0;
        reading->index[--k]++;
    }
}

static void add_numbers(Reading *reading, const uint64_t *hashes, size_t n)
{
    const Print *whole = reading->whole;
    if (!reading->at) reading->first = hashes[0];
    while (n) {
        size_t run = n;
        if (whole->rank) {
            unsigned last = whole->rank - 1u;
            uint64_t left = (uint64_t)(whole->dims[last] - reading->index[last]);
            if (left < run) run = (size_t)left;
        }
        add_run(reading, hashes, run);
        step_run(reading, run);
        hashes += run;
        n -= run;
    }
}

static bool read_box(const Reading *reading, const BoxWalk *walk, unsigned char *bytes, Error *err)
{
    if (reading->expr) return expr_fill(reading->expr, walk->from, walk->size, bytes, err);
    return tensor_read_values(reading->whole->tensor, walk->from, walk->size, bytes, NULL, err);
}

/* Told after each box with the bytes that it was. */
typedef bool Told(void *context, uint64_t bytes, Error *err);

static bool read_numbers(Reading *reading, DType grain, Told *told, void *context, Error *err)
{
    const Print *whole = reading->whole;
    DType dtype = reading->expr ? reading->expr->dtype : tensor_value_dtype(whole->tensor, NULL);
    size_t size = dtype_size(dtype);
    BoxWalk walk;
    if (!box_first(&walk, whole->dims, whole->rank, BOX_BYTES / size)) return true;
    unsigned char *bytes = mem_alloc((size_t)box_count(&walk) * size);
    uint64_t hashes[BATCH];
    bool good;
    do {
        uint64_t count = box_count(&walk);
        good = read_box(reading, &walk, bytes, err);
        for (uint64_t i = 0; good && i < count;) {
            size_t n = count - i < BATCH ? (size_t)(count - i) : BATCH;
            hash_numbers(dtype, grain, bytes + i * size, n, hashes);
            add_numbers(reading, hashes, n);
            i += n;
        }
        good = good && told(context, count * size, err);
    } while (good && box_next(&walk));
    free(bytes);
    return good;
}

/* ---- a dict ---- */

/* Room for the fingerprints of the axes, as far as the limit goes. */
static void add_rows(Arena *arena, Print *print, uint64_t *spent)
{
    if (print->rank > PRINT_RANK || (print->slice >= 0 && print->rank == 1)) return;
    for (unsigned k = 0; k < print->rank; k++) {
        uint64_t bytes = (uint64_t)print->dims[k] * sizeof(uint64_t);
        if (print->dims[k] > PRINT_AXIS || *spent + bytes > rows_limit) continue;
        *spent += bytes;
        print->rows[k] = arena_alloc(arena, (size_t)bytes + 1);
    }
}

/* Whether the indexes of axis 0 get fingerprints of their own: stacked layers and experts are such;
 * for large tensors only where this costs little beside the numbers. */
static bool has_parts(const Tensor *tensor)
{
    uint64_t count = tensor_count(tensor), around = 1;
    if (tensor->rank < 2 || tensor->rank > PRINT_RANK || !count) return false;
    if (tensor->rank == 2) return tensor->dims[0] <= 256 && count <= PART_COUNT;
    for (unsigned k = 1; k < tensor->rank; k++) around += (uint64_t)tensor->dims[k];
    uint64_t each = count / (uint64_t)tensor->dims[0];
    return count <= PART_COUNT ? tensor->dims[0] <= 4096 : each >= around * PART_RATIO;
}

static const char *unreadable(Arena *arena, const Tensor *tensor)
{
    const char *why = NULL;
    Error err = {0};
    if (!tensor->dims || !tensor->storage || !tensor->storage->source) return "has no values";
    if (tensor_value_dtype(tensor, &why) == DT_UNKNOWN) return why ? why : "is no number";
    if (!tensor_check_repeats(tensor, &err)) return arena_strdup(arena, err.text);
    return NULL;
}

/* Room for all fingerprints of a tensor and of its parts. */
static void add_prints(Arena *arena, Prints *prints, size_t index, size_t *room, uint64_t *spent)
{
    const Tensor *tensor = prints->items[index].tensor;
    add_rows(arena, &prints->items[index], spent);
    const size_t parts =
        has_parts(tensor) && *spent < rows_limit ? (size_t)tensor->dims[0] : 0;
    if (!parts) return;
    prints->items = mem_grow(prints->items, room, prints->count + parts, sizeof *prints->items);
    prints->parts[index] = prints->count;
    for (size_t k = 0; k < parts; k++) {
        Print *part = &prints->items[prints->count++];
        *part = (Print){.tensor = tensor, .slice = (int64_t)k, .flat = true,
                        .dims = tensor->dims + 1, .rank = (uint8_t)(tensor->rank - 1),
                        .count = prints->items[index].count / parts};
        add_rows(arena, part, spent);
    }
}

/* What the threads share. */
typedef struct Work {
    Prints *prints;
    DType grain;
} Work;

static bool step_crew(void *context, uint64_t bytes, Error *err)
{
    return crew_step(context, bytes, err);
}

/* Writes only to the fingerprints of the tensor that it reads. */
static bool read_one(Crew *crew, void *context, size_t index, Error *err)
{
    const Work *work = context;
    Prints *prints = work->prints;
    Reading reading = {.whole = &prints->items[index],
                       .parts = prints->parts[index] ? prints->items + prints->parts[index] : NULL};
    return prints->why[index] || read_numbers(&reading, work->grain, step_crew, crew, err);
}

bool prints_read(Arena *arena, const StateDict *dict, DType grain, const bool *skip,
                 Prints *prints, const LearnOptions *options, uint64_t *done, uint64_t total,
                 Error *err)
{
    size_t wholes = dict_count(dict), room = wholes;
    uint64_t spent = 0;
    *prints = (Prints){.wholes = wholes, .count = wholes};
    prints->items = mem_alloc((wholes + 1) * sizeof *prints->items);
    prints->parts = mem_alloc((wholes + 1) * sizeof *prints->parts);
    prints->why = mem_alloc((wholes + 1) * sizeof *prints->why);
    for (size_t i = 0; i < wholes; i++) {
        const Tensor *tensor = dict_at(dict, i);
        prints->items[i] = (Print){.tensor = tensor, .slice = -1, .dims = tensor->dims,
                                   .flat = true, .rank = tensor->rank,
                                   .count = tensor_count(tensor)};
        prints->why[i] = skip && skip[i] ? "is known" : unreadable(arena, tensor);
        if (!prints->why[i]) add_prints(arena, prints, i, &room, &spent);
    }
    Work work = {prints, grain};
    const CrewTask task = {.count = wholes, .bytes = total, .work = read_one, .context = &work,
                           .progress = options->progress, .listener = options->context,
                           .done = done, .total = total};
    return crew_run(&task, err);
}

static bool step_checker(void *context, uint64_t bytes, Error *err)
{
    Checker *checker = context;
    const LearnOptions *options = checker->options;
    *checker->done += bytes;
    return !options->progress ||
           options->progress(options->context, *checker->done, checker->total) ||
           error_set(err, ERR_CANCELLED, "interrupted");
}

bool print_read(Checker *checker, DType grain, Arena *arena, const Expr *e, Print *print,
                Error *err)
{
    uint64_t spent = 0;
    *print = (Print){.slice = -1, .dims = e->dims, .flat = true, .rank = e->rank, .count = 1};
    for (unsigned k = 0; k < e->rank; k++) print->count *= (uint64_t)e->dims[k];
    add_rows(arena, print, &spent);
    Reading reading = {.whole = print, .expr = e};
    return read_numbers(&reading, grain, step_checker, checker, err);
}

void prints_done(Prints *prints)
{
    free(prints->items);
    free(prints->parts);
    free(prints->why);
}
