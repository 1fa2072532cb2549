/* Sources made of N-dimensional parts: read as one, whatever the cut; and cuts that do not fit. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/source/boxes.h"
#include "tests/unit/test.h"

enum { PARTS_MAX = 64, RANK_MAX = 4 };

/* A whole of bytes that are all different, and a cut of it. */
typedef struct Cut {
    int64_t dims[RANK_MAX];
    unsigned rank, element;
    int64_t from[PARTS_MAX][RANK_MAX], size[PARTS_MAX][RANK_MAX];
    SourceBox boxes[PARTS_MAX];
    size_t count;
    unsigned char *bytes;    /* of the whole, row-major */
    uint64_t total;
} Cut;

static void start(Cut *cut, unsigned rank, const int64_t *dims, unsigned element)
{
    *cut = (Cut){.rank = rank, .element = element, .count = 1, .total = element};
    for (unsigned k = 0; k < rank; k++) {
        cut->dims[k] = cut->size[0][k] = dims[k];
        cut->total *= (uint64_t)dims[k];
    }
    cut->bytes = mem_alloc((size_t)cut->total);
    for (uint64_t i = 0; i < cut->total; i++) cut->bytes[i] = (unsigned char)(i * 7 + i / 251);
}

/* Cuts part `part` in two at index `at` of an axis. */
static void cut_at(Cut *cut, size_t part, unsigned axis, int64_t at)
{
    size_t next = cut->count++;
    memcpy(cut->from[next], cut->from[part], sizeof cut->from[part]);
    memcpy(cut->size[next], cut->size[part], sizeof cut->size[part]);
    cut->from[next][axis] += at;
    cut->size[next][axis] -= at;
    cut->size[part][axis] = at;
}

/* Every part's own bytes, three bytes into a source of its own. */
static void fill(Cut *cut)
{
    for (size_t p = 0; p < cut->count; p++) {
        uint64_t count = 1, n = 3;
        for (unsigned k = 0; k < cut->rank; k++) count *= (uint64_t)cut->size[p][k];
        unsigned char *own = mem_alloc((size_t)(count * cut->element) + 3);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t rest = i, at = 0, stride = 1;
            for (unsigned k = cut->rank; k-- > 0;) {
                at += ((uint64_t)cut->from[p][k] + rest % (uint64_t)cut->size[p][k]) * stride;
                rest /= (uint64_t)cut->size[p][k];
                stride *= (uint64_t)cut->dims[k];
            }
            memcpy(own + n, cut->bytes + at * cut->element, cut->element);
            n += cut->element;
        }
        cut->boxes[p] = (SourceBox){source_from_memory(own, (size_t)n, "part"), 3, cut->from[p],
                                    cut->size[p]};
        free(own);
    }
}

static ByteSource *join(Cut *cut, BoxFault *fault, Error *err)
{
    return source_boxes(cut->dims, cut->rank, cut->element, cut->boxes, cut->count, "w", fault,
                        err);
}

static void finish(Cut *cut)
{
    for (size_t p = 0; p < cut->count; p++) source_unref(cut->boxes[p].source);
    free(cut->bytes);
}

/* All ranges of a small whole, and some of a large one. */
static void reads_as_one(Cut *cut)
{
    Error err = {0};
    BoxFault fault;
    ByteSource *whole = join(cut, &fault, &err);
    if (!whole) fail_msg("%s", err.text);
    assert_int_equal(fault, BOXES_FIT);
    assert_int_equal(whole->size, cut->total);
    uint64_t step = cut->total > 300 ? cut->total / 37 : 1;
    unsigned char *out = mem_alloc((size_t)cut->total + 1);
    for (uint64_t from = 0; from <= cut->total; from += step)
        for (uint64_t end = from; end <= cut->total; end += step) {
            if (!source_read(whole, from, out, (size_t)(end - from), &err)) fail_msg("%s", err.text);
            assert_memory_equal(out, cut->bytes + from, (size_t)(end - from));
        }
    assert_true(source_read(whole, 0, out, (size_t)cut->total, &err));
    assert_memory_equal(out, cut->bytes, (size_t)cut->total);
    free(out);
    source_unref(whole);
}

static void test_slabs(void **state)
{
    (void)state;
    for (unsigned axis = 0; axis < 3; axis++) {
        Cut cut;
        start(&cut, 3, (const int64_t[]){4, 5, 6}, 2);
        cut_at(&cut, 0, axis, 1);
        cut_at(&cut, 1, axis, 2);
        fill(&cut);
        reads_as_one(&cut);
        finish(&cut);
    }
}

static void test_grid(void **state)
{
    (void)state;
    Cut cut;
    start(&cut, 2, (const int64_t[]){4, 6}, 3);
    cut_at(&cut, 0, 0, 2);
    cut_at(&cut, 0, 1, 3);
    cut_at(&cut, 1, 1, 3);
    fill(&cut);
    reads_as_one(&cut);
    finish(&cut);
}

static void test_any_cut(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 60; round++) {
        Cut cut;
        const int64_t dims[] = {1 + round % 4, 5, 1 + round % 3, 4};
        start(&cut, 1 + (unsigned)round % 4, dims, 1u << round % 4);
        for (int i = 0; i < round % 12; i++) {
            size_t part = (seed = seed * 1103515245 + 12345) / 65536 % cut.count;
            unsigned axis = (seed = seed * 1103515245 + 12345) / 65536 % cut.rank;
            if (cut.size[part][axis] < 2) continue;
            cut_at(&cut, part, axis, 1 + (int64_t)(seed / 7 % (unsigned)(cut.size[part][axis] - 1)));
        }
        fill(&cut);
        reads_as_one(&cut);
        finish(&cut);
    }
}

/* Rows beyond what is read at once, and so many short ones that they are read together. */
static void test_large(void **state)
{
    (void)state;
    for (unsigned axis = 0; axis < 2; axis++) {
        Cut cut;
        start(&cut, 2, (const int64_t[]){600, 500}, 4);
        cut_at(&cut, 0, axis, 400);
        cut_at(&cut, 0, axis, 3);
        fill(&cut);
        reads_as_one(&cut);
        finish(&cut);
    }
}

static void test_scalar_and_empty(void **state)
{
    (void)state;
    Cut cut;
    start(&cut, 0, NULL, 8);
    fill(&cut);
    reads_as_one(&cut);
    finish(&cut);
    start(&cut, 2, (const int64_t[]){0, 5}, 4);
    cut.count = 0;
    reads_as_one(&cut);
    finish(&cut);
}

/* A part of size 0, as the last ranks of an uneven cut have it, is no part. */
static void test_empty_part(void **state)
{
    (void)state;
    Cut cut;
    start(&cut, 2, (const int64_t[]){3, 2}, 4);
    cut_at(&cut, 0, 0, 3);
    fill(&cut);
    reads_as_one(&cut);
    finish(&cut);
}

static void test_locate(void **state)
{
    (void)state;
    char path[] = "/tmp/tenon-boxes-XXXXXX";
    int made = mkstemp(path), fd;
    assert_true(made >= 0 && write(made, "0123456789abcdef", 16) == 16);
    Error err = {0};
    ByteSource *file = source_open_file(path, &err);
    const int64_t dims[] = {4, 4}, a[] = {0, 0}, b[] = {2, 0}, size[] = {2, 4};
    const SourceBox boxes[] = {{file, 8, a, size}, {file, 0, b, size}};
    ByteSource *whole = source_boxes(dims, 2, 1, boxes, 2, "w", NULL, &err);
    uint64_t where;
    assert_true(source_locate(whole, 1, 7, &fd, &where));
    assert_int_equal(where, 9);
    assert_true(source_locate(whole, 8, 8, &fd, &where));
    assert_int_equal(where, 0);
    assert_false(source_locate(whole, 7, 2, &fd, &where));
    source_unref(whole);
    source_unref(file);
    close(made);
    unlink(path);
}

/* -- Parts that do not fit -------------------------------------------------------------- */

static void refuse(Cut *cut, BoxFault wanted, const char *words)
{
    Error err = {0};
    BoxFault fault;
    assert_null(join(cut, &fault, &err));
    assert_int_equal(fault, wanted);
    assert_error_has(err, words);
    finish(cut);
}

/* Two slabs of a 4×2, not yet filled. */
static void start_two(Cut *cut)
{
    start(cut, 2, (const int64_t[]){4, 2}, 4);
    cut_at(cut, 0, 0, 2);
    fill(cut);
}

static void test_hole(void **state)
{
    (void)state;
    Cut cut;
    start_two(&cut);
    source_unref(cut.boxes[--cut.count].source);
    refuse(&cut, BOXES_HOLE, "its parts have 16 of the 32 bytes: the rest is in none of them");
}

static void test_overlap(void **state)
{
    (void)state;
    Cut cut;
    start_two(&cut);
    cut.from[1][0] = 1;
    refuse(&cut, BOXES_OVERLAP, "the part [0, 0] + [2, 2] overlaps the part [1, 0] + [2, 2]");
}

static void test_same_part_twice(void **state)
{
    (void)state;
    Cut cut;
    start_two(&cut);
    cut.from[1][0] = 0;
    refuse(&cut, BOXES_OVERLAP, "overlaps");
}

static void test_scalar_twice(void **state)
{
    (void)state;
    Cut cut;
    start(&cut, 0, NULL, 4);
    cut.count = 2;
    fill(&cut);
    refuse(&cut, BOXES_OVERLAP, "they overlap");
}

static void test_outside(void **state)
{
    (void)state;
    static const int64_t wrong[][2] = {{3, 2}, {-1, 2}, {2, -2}, {INT64_MAX, 2}, {2, INT64_MAX}};
    for (size_t i = 0; i < countof(wrong); i++) {
        Cut cut;
        start_two(&cut);
        cut.from[1][0] = wrong[i][0];
        cut.size[1][0] = wrong[i][1];
        refuse(&cut, BOXES_OUTSIDE, "reaches beyond the tensor");
    }
}

static void test_source_too_short(void **state)
{
    (void)state;
    Cut cut;
    start_two(&cut);
    cut.boxes[1].offset = 4;
    refuse(&cut, BOXES_OUTSIDE, "has fewer bytes than it needs");
    start_two(&cut);
    cut.boxes[1].offset = UINT64_MAX;
    refuse(&cut, BOXES_OUTSIDE, "has fewer bytes than it needs");
}

static void test_sizes_that_overflow(void **state)
{
    (void)state;
    static const int64_t huge[][2] = {{INT64_MAX, 2}, {1ll << 40, 1ll << 40}, {-1, 2}};
    for (size_t i = 0; i < countof(huge); i++) {
        Error err = {0};
        assert_null(source_boxes(huge[i], 2, 4, NULL, 0, "w", NULL, &err));
        assert_error_has(err, "more bytes than can be counted");
    }
    Error err = {0};
    assert_null(source_boxes(huge[0], 40, 4, NULL, 0, "w", NULL, &err));
    assert_null(source_boxes((const int64_t[]){2}, 1, 0, NULL, 0, "w", NULL, &err));
}

/* Twenty thousand parts of which each shares its rows with each: more pairs than are compared. */
/* A grid of 100×100 is 100 rows of 4950 pairs, whichever axis comes first. */
static void test_pairs_are_limited(void **state)
{
    (void)state;
    enum { SIDE = 100 };
    ByteSource *source = source_from_memory("x", 1, "part");
    SourceBox *boxes = mem_alloc(SIDE * SIDE * sizeof *boxes);
    int64_t (*from)[2] = mem_alloc(SIDE * SIDE * sizeof *from);
    const int64_t size[] = {1, 1}, dims[] = {SIDE, SIDE};
    for (int i = 0; i < SIDE * SIDE; i++) {
        from[i][0] = i % SIDE;
        from[i][1] = i / SIDE;
        boxes[i] = (SourceBox){source, 0, from[i], size};
    }
    Error err = {0};
    BoxFault fault;
    assert_true(limit_set("piece-pairs=494999", NULL));
    assert_null(source_boxes(dims, 2, 1, boxes, SIDE * SIDE, "w", &fault, &err));
    assert_int_equal(fault, BOXES_TOO_MANY);
    assert_error_has(err, "w: the part [");
    assert_error_has(err, "pairs must be compared, more than the limit of 494999 (--limit "
                          "piece-pairs=N");
    assert_true(limit_set("piece-pairs=495000", NULL));
    ByteSource *whole = source_boxes(dims, 2, 1, boxes, SIDE * SIDE, "w", &fault, &err);
    assert_non_null(whole);
    assert_true(limit_set("piece-pairs=67108864", NULL));
    source_unref(whole);
    free(boxes);
    free(from);
    source_unref(source);
}

/* The axis that is cut most tells most parts apart, so that these need few pairs. */
static void test_many_parts_of_one_axis(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    ByteSource *source = source_from_memory("x", 1, "part");
    SourceBox *boxes = mem_alloc(COUNT * sizeof *boxes);
    int64_t (*from)[2] = mem_alloc(COUNT * sizeof *from);
    const int64_t size[] = {1, 1}, dims[] = {2, COUNT};
    for (int i = 0; i < COUNT; i++) {
        from[i][0] = i % 2;
        from[i][1] = 0;
        boxes[i] = (SourceBox){source, 0, from[i], size};
    }
    Error err = {0};
    BoxFault fault;
    assert_null(source_boxes(dims, 2, 1, boxes, COUNT, "w", &fault, &err));
    assert_int_equal(fault, BOXES_OVERLAP);
    for (int i = 0; i < COUNT; i++) from[i][1] = i / 2;
    assert_null(source_boxes(dims, 2, 1, boxes, COUNT, "w", &fault, &err));
    assert_int_equal(fault, BOXES_HOLE);       /* along the axis that is cut most: few pairs */
    free(boxes);
    free(from);
    source_unref(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slabs), cmocka_unit_test(test_grid), cmocka_unit_test(test_any_cut),
        cmocka_unit_test(test_large), cmocka_unit_test(test_scalar_and_empty),
        cmocka_unit_test(test_empty_part), cmocka_unit_test(test_locate),
        cmocka_unit_test(test_hole), cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_same_part_twice), cmocka_unit_test(test_scalar_twice),
        cmocka_unit_test(test_outside), cmocka_unit_test(test_source_too_short),
        cmocka_unit_test(test_sizes_that_overflow), cmocka_unit_test(test_pairs_are_limited),
        cmocka_unit_test(test_many_parts_of_one_axis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
