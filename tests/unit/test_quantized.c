/* Values that are stored quantized: every block type against the numbers of the gguf package, PyTorch's
 * quantized tensors against dequantize(), boxes that cut through blocks, moves below a cast. */
#include "tests/unit/test.h"

#include "loader/align/expr.h"
#include "loader/export/plan.h"
#include "loader/format/format.h"
#include "loader/tensor/dequant.h"
#include "loader/tensor/stats.h"
#include "tests/unit/crc_list.h"
#include "tests/unit/torch_maker.h"

/* A tensor over bytes in memory. */
typedef struct Held {
    Storage storage;
    Tensor tensor;
    int64_t dims[4];
} Held;

static void hold(Held *held, DType dtype, const void *bytes, size_t n, int64_t rows, int64_t columns)
{
    *held = (Held){.dims = {rows, columns}};
    held->storage = (Storage){source_from_memory(bytes, n, "memory"), 0, n, dtype, 0};
    held->tensor = (Tensor){.name = "x", .dims = held->dims, .rank = 2, .dtype = dtype,
                            .storage = &held->storage};
}

static void drop(Held *held)
{
    source_unref(held->storage.source);
}

static Checkpoint *must_open(const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static const StateDict *dict_of(const Checkpoint *checkpoint)
{
    return checkpoint_find_container(checkpoint, "")->dict;
}

/* -- The table ------------------------------------------------------------------------- */

static void test_blocks_have_sizes(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_int_equal(dtype_from_name("q4_k"), DT_Q4_K);
    assert_string_equal(dtype_name(DT_IQ2_XXS), "iq2_xxs");
    assert_true(dtype_bytes(DT_Q8_0, 64, &bytes));
    assert_int_equal(bytes, 68);
    assert_true(dtype_bytes(DT_Q6_K, 512, &bytes));
    assert_int_equal(bytes, 420);
    assert_false(dtype_bytes(DT_Q8_0, 33, &bytes));
    assert_false(dtype_bytes(DT_Q8_0, UINT64_MAX / 32 * 32, &bytes));
    assert_int_equal(dtype_size(DT_Q8_0), 0);
    assert_true(dtype_bytes(DT_F6_E2M3, 4, &bytes));
    assert_int_equal(bytes, 3);
    assert_false(dtype_bytes(DT_STRING, 4, &bytes));
    assert_false(dtype_bytes(DT_QUINT2X4, 6, &bytes));
}

static void test_quantized_casts_to_floats_alone(void **state)
{
    (void)state;
    assert_true(dtype_casts_silently(DT_Q4_0, DT_F16));
    assert_true(dtype_casts_silently(DT_QINT8, DT_F32));
    assert_true(dtype_casts_silently(DT_F4_E2M1, DT_BF16));
    assert_true(dtype_casts_silently(DT_I4, DT_I8));
    assert_false(dtype_casts_silently(DT_I4, DT_F32));
    assert_false(dtype_casts_silently(DT_Q4_0, DT_I32));
    assert_false(dtype_casts_silently(DT_F32, DT_Q4_0));
    assert_false(dtype_casts_silently(DT_Q4_0, DT_Q8_0));
    assert_true(dtype_casts(DT_I4, DT_F32));
    assert_true(dtype_casts(DT_U4, DT_U8));
    assert_false(dtype_casts(DT_QINT8, DT_I8));
    assert_false(dtype_casts(DT_F6_E3M2, DT_F32));
    assert_false(dtype_casts(DT_F32, DT_QINT8));
}

/* -- Blocks ---------------------------------------------------------------------------- */

/* 1.0, 0.5, 2.0 as half floats. */
#define ONE "\x00\x3C"
#define HALF "\x00\x38"
#define TWO "\x00\x40"

static void expect_block(DType dtype, const char *block, size_t n, const float *first, size_t count)
{
    float out[256];
    assert_int_equal(n, dtype_info(dtype)->block_bytes);
    dequant_blocks(dtype, (const unsigned char *)block, 1, out);
    for (size_t i = 0; i < count; i++)
        if (out[i] != first[i])
            fail_msg("%s[%zu] is %g, not %g", dtype_name(dtype), i, (double)out[i],
                     (double)first[i]);
}

/* The types that the gguf package has no numbers for, and one block of each kind of layout. */
static void test_blocks_by_hand(void **state)
{
    (void)state;
    char block[292] = HALF;
    memcpy(block + 2, "\x80\x1F", 2);
    float out[256];
    dequant_blocks(DT_Q4_0, (const unsigned char *)block, 1, out);
    assert_true(out[0] == -4.0f && out[1] == 3.5f && out[16] == 0 && out[17] == -3.5f);
    memcpy(block, ONE TWO, 4);
    block[4] = (char)0x93;
    dequant_blocks(DT_Q4_1, (const unsigned char *)block, 1, out);
    assert_true(out[0] == 5 && out[16] == 11);
    memset(block, 0, sizeof block);
    memcpy(block, ONE "\x01\x00\x01\x00" "\x2F", 7);   /* fifth bits of elements 0 and 16 */
    dequant_blocks(DT_Q5_0, (const unsigned char *)block, 1, out);
    assert_true(out[0] == 15 && out[16] == 2 && out[1] == -16);
    memset(block, 0, sizeof block);
    memcpy(block, HALF "\0\0" "\x81\x7F", 6);
    expect_block(DT_Q8_1, block, 36, (float[]){-63.5f, 63.5f, 0}, 3);
    memset(block, 0, sizeof block);
    memcpy(block, "\0\0\x80\x3E" "\x80\x04", 6);       /* 0.25 as f32 */
    expect_block(DT_Q8_K, block, 292, (float[]){-32, 1, 0}, 3);
    memset(block, 0, sizeof block);
    memcpy(block, TWO "\x05", 3);
    expect_block(DT_Q1_0, block, 18, (float[]){2, -2, 2, -2, -2, -2, -2, -2, -2}, 9);
    memcpy(block, TWO "\xE4", 3);
    expect_block(DT_Q2_0, block, 18, (float[]){-2, 0, 2, 4, -2}, 5);
    expect_block(DT_I4, "\x8F", 1, (float[]){-1, -8}, 2);
    expect_block(DT_U4, "\x8F", 1, (float[]){15, 8}, 2);
    expect_block(DT_I2, "\xE4", 1, (float[]){0, 1, -2, -1}, 4);
    expect_block(DT_U2, "\xE4", 1, (float[]){0, 1, 2, 3}, 4);
    expect_block(DT_F4_E2M1, "\xA7", 1, (float[]){6, -1}, 2);
    expect_block(DT_QUINT2X4, "\xE4", 1, (float[]){0, 1, 2, 3}, 4);
}

static void test_every_type_of_the_package(void **state)
{
    (void)state;
    Checkpoint *checkpoint = must_open("tests/data/gguf/types.gguf");
    assert_int_equal(dict_count(dict_of(checkpoint)), 31);
    assert_int_equal(compare_list("tests/data/gguf/types.crc", dict_of(checkpoint)), 31);
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    checkpoint_unref(checkpoint);
}

/* Every box of a few sizes, packed and strided, holds what the whole has there. */
static void check_boxes(const Tensor *tensor)
{
    Error err = {0};
    float *whole = read_floats(tensor);
    int64_t rows = tensor->dims[0], columns = tensor->dims[1];
    const int64_t starts[] = {0, 1, 31, 32, 33, columns - 1}, lengths[] = {1, 5, 32, 40, columns};
    float box[1024], strided[1024];
    for (size_t s = 0; s < countof(starts); s++)
        for (size_t l = 0; l < countof(lengths); l++) {
            int64_t from[] = {rows - 1, starts[s]}, size[] = {1, lengths[l]};
            if (l % 2) from[0] = 0, size[0] = rows;
            if (from[1] < 0 || from[1] + size[1] > columns) continue;
            int64_t strides[] = {1, rows};
            if (!tensor_read_values(tensor, from, size, box, NULL, &err) ||
                !tensor_read_values(tensor, from, size, strided, strides, &err))
                fail_msg("%s", err.text);
            for (int64_t r = 0; r < size[0]; r++)
                for (int64_t c = 0; c < size[1]; c++) {
                    float wanted = whole[(from[0] + r) * columns + from[1] + c];
                    assert_true(box[r * size[1] + c] == wanted);
                    assert_true(strided[r + c * rows] == wanted);
                }
        }
    free(whole);
}

static void test_boxes_cut_through_blocks(void **state)
{
    (void)state;
    Checkpoint *checkpoint = must_open("tests/data/gguf/types.gguf");
    for (size_t i = 0; i < dict_count(dict_of(checkpoint)); i++) {
        const Tensor *tensor = dict_at(dict_of(checkpoint), i);
        if (dtype_info(tensor->dtype)->block > 1) check_boxes(tensor);
    }
    checkpoint_unref(checkpoint);
}

/* More than one piece of work: rows, a column, and the end of a long row. */
static void test_large_tensors_are_read_in_pieces(void **state)
{
    (void)state;
    enum { ROWS = 300, COLUMNS = 1024 };
    Error err = {0};
    size_t bytes = ROWS * COLUMNS / 32 * 34;
    unsigned char *raw = mem_alloc(bytes);
    for (size_t i = 0; i < bytes; i++) raw[i] = i % 34 < 2 ? (unsigned char)ONE[i % 34]
                                                          : (unsigned char)(i * 7 % 251);
    float *whole = mem_alloc(ROWS * COLUMNS * sizeof *whole), *part = mem_alloc(ROWS * COLUMNS * 4);
    dequant_blocks(DT_Q8_0, raw, bytes / 34, whole);
    Held held;
    hold(&held, DT_Q8_0, raw, bytes, ROWS, COLUMNS);
    assert_true(tensor_check(&held.tensor, &err));
    assert_true(tensor_read_values(&held.tensor, NULL, NULL, part, NULL, &err));
    assert_memory_equal(part, whole, ROWS * COLUMNS * sizeof *whole);
    int64_t from[] = {0, 77}, size[] = {ROWS, 1};
    assert_true(tensor_read_values(&held.tensor, from, size, part, NULL, &err));
    for (size_t i = 0; i < ROWS; i++) assert_true(part[i] == whole[i * COLUMNS + 77]);
    free(raw);
    free(whole);
    free(part);
    drop(&held);
}

/* Plain reads give blocks as they are stored, and only whole ones. */
static void test_plain_reads_give_blocks(void **state)
{
    (void)state;
    Error err = {0};
    unsigned char raw[2 * 2 * 18], out[sizeof raw];
    for (size_t i = 0; i < sizeof raw; i++) raw[i] = (unsigned char)i;
    Held held;
    hold(&held, DT_Q4_0, raw, sizeof raw, 2, 64);
    int64_t from[] = {0, 32}, size[] = {2, 32}, cut[] = {0, 16};
    assert_true(tensor_read(&held.tensor, from, size, out, &err));
    assert_memory_equal(out, raw + 18, 18);
    assert_memory_equal(out + 18, raw + 54, 18);
    assert_false(tensor_read(&held.tensor, cut, size, out, &err));
    assert_error_has(err, "tensor 'x': q4_0 values are packed and can only be copied in whole blocks");
    held.dims[1] = 63;
    assert_false(tensor_check(&held.tensor, &err));
    assert_error_has(err, "shape [2,63] q4_0 does not fill whole blocks of 32 elements");
    held.dims[1] = 96;
    assert_false(tensor_check(&held.tensor, &err));
    assert_error_has(err, "shape [2,96] q4_0 needs 108 bytes, the storage has 72");
    held.dims[1] = 64;
    int64_t turned[] = {1, 2};
    held.tensor.strides = turned;
    assert_false(tensor_check(&held.tensor, &err));
    drop(&held);
}

/* 5×2 nibbles end with their rows, 2×5 do not. */
static void test_nibbles_of_odd_rows(void **state)
{
    (void)state;
    Error err = {0};
    Held held;
    hold(&held, DT_I4, "\x10\x32\x54\x76\x98", 5, 2, 5);
    float out[10];
    assert_true(tensor_check(&held.tensor, &err));
    assert_true(tensor_read_values(&held.tensor, NULL, NULL, out, NULL, &err));
    const float all[] = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7};
    assert_memory_equal(out, all, sizeof all);
    int64_t from[] = {0, 1}, size[] = {2, 3};
    assert_true(tensor_read_values(&held.tensor, from, size, out, NULL, &err));
    assert_memory_equal(out, ((const float[]){1, 2, 3, 6, 7, -8}), 6 * sizeof *out);
    held.tensor.dtype = DT_F6_E2M3;
    assert_false(tensor_read_values(&held.tensor, NULL, NULL, out, NULL, &err));
    assert_error_has(err, "tensor 'x': cannot be read as numbers (packed, 6 bits a value");
    drop(&held);
}

static void test_statistics_are_of_the_numbers(void **state)
{
    (void)state;
    Error err = {0};
    Stats stats;
    char raw[34] = ONE;
    raw[2] = 10;
    raw[3] = -30;
    Held held;
    hold(&held, DT_Q8_0, raw, sizeof raw, 1, 32);
    assert_true(tensor_stats(&held.tensor, &stats, &err));
    assert_int_equal(stats.count, 32);
    assert_int_equal(stats.zeros, 30);
    assert_true(stats.min == -30 && stats.max == 10 && stats.mean == -20.0 / 32);
    assert_int_equal(stats.crc, crc32(0, (const void *)raw, sizeof raw));
    drop(&held);
    hold(&held, DT_I4, "\x7F", 1, 1, 2);
    assert_true(tensor_stats(&held.tensor, &stats, &err));
    assert_true(stats.min == -1 && stats.max == 7);
    drop(&held);
}

static void test_blocks_of_the_other_byte_order(void **state)
{
    (void)state;
    unsigned char q5_1[24] = {0x3C, 0x00, 0x40, 0x00, 0, 0, 0, 1, 0x0F}, q4_1[40] = {1, 2, 3, 4};
    float out[32];
    assert_true(dequant_swap(DT_Q5_1, q5_1, 1));
    dequant_blocks(DT_Q5_1, q5_1, 1, out);
    assert_true(out[0] == 33 && out[1] == 2);
    assert_true(dequant_swap(DT_Q4_1, q4_1, 2));
    assert_memory_equal(q4_1, "\2\1\4\3", 4);
    assert_true(dequant_swap(DT_MXFP4, q4_1, 1));
    assert_memory_equal(q4_1, "\2\1\4\3", 4);
    assert_false(dequant_swap(DT_IQ2_XXS, NULL, 0));
}

/* -- Expressions ----------------------------------------------------------------------- */

/* Moves below a cast work element by element, wherever they cut. */
static void test_moves_below_a_cast(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = must_open("tests/data/gguf/types.gguf");
    const Tensor *tensor = dict_find(dict_of(checkpoint), "q6_k");
    float *whole = read_floats(tensor), out[1024];
    Arena *arena = arena_new();
    const Expr *leaf = expr_source(arena, tensor);
    const Expr *turned = expr_transpose(arena, leaf, &err);
    const Expr *cut = expr_slice(arena, turned, 0, 33, 36, &err);
    const Expr *both[] = {cut, cut}, *joined = expr_cat(arena, 0, both, 2, &err);
    const Expr *flat = expr_reshape(arena, joined, (int64_t[]){-1}, 1, &err);
    assert_non_null(flat);
    assert_false(expr_is_copy(flat));
    assert_true(expr_is_copy(leaf));
    const Expr *cast = expr_cast(arena, flat, DT_F32, &err);
    assert_non_null(cast);
    assert_true(expr_fill(cast, NULL, NULL, out, &err));
    for (int i = 0; i < 12; i++) {
        int part = i % 6;
        assert_true(out[i] == whole[part % 2 * 256 + 33 + part / 2]);
    }
    uint16_t narrow[12], wanted[12];
    assert_true(expr_fill(expr_cast(arena, flat, DT_F16, &err), NULL, NULL, narrow, &err));
    dtype_convert(DT_F32, out, DT_F16, wanted, 12);
    assert_memory_equal(narrow, wanted, sizeof wanted);
    assert_false(expr_fill(joined, NULL, NULL, out, &err));
    assert_error_has(err, "q6_k values are packed and can only be copied in whole blocks");
    assert_null(expr_cast(arena, leaf, DT_I32, &err));
    assert_error_has(err, "q6_k cannot become i32");
    assert_null(expr_mul(arena, leaf, 2, &err));
    assert_error_has(err, "no arithmetic on q6_k");
    arena_free(arena);
    free(whole);
    checkpoint_unref(checkpoint);
}

/* -- PyTorch --------------------------------------------------------------------------- */

static void test_pytorch_equals_dequantize(void **state)
{
    (void)state;
    static const char *const files[] = {"quantized.pth", "legacy.pth"};
    for (size_t i = 0; i < countof(files); i++) {
        char path[64];
        snprintf(path, sizeof path, "tests/data/quantized/%s", files[i]);
        Checkpoint *checkpoint = must_open(path);
        assert_int_equal(compare_list("tests/data/quantized/quantized.crc", dict_of(checkpoint)),
                         15);
        const Tensor *tensor = dict_find(dict_of(checkpoint), "qint8.axis1");
        assert_string_equal(tensor->encoding->note, "quantized per channel of dim 1, 6 scales (f64) "
                                                    "and zero points (i64)");
        checkpoint_unref(checkpoint);
    }
}

/* A qint8 [2,2] of 1 2 3 4 whose parameters are `qparams`, opcodes. */
static Checkpoint *open_qparams(const char *qparams, const char *class, Error *err)
{
    Text p = {0};
    text_add(&p, "}U\x01qctorch._utils\n_rebuild_qtensor\n(");
    put_storage(&p, &(Made){.class = class, .numel = 4});
    put_int(&p, 0);
    text_add(&p, "K\x02K\x02\x86K\x02K\x01\x86");
    text_add(&p, qparams);
    text_add(&p, "\x89}tRs");
    return open_zip_of(&p, "\1\2\3\4", 4, err);
}

static const Tensor *open_q(const char *qparams, const char *class, Checkpoint **checkpoint)
{
    Error err = {0};
    *checkpoint = open_qparams(qparams, class, &err);
    if (!*checkpoint) fail_msg("%s", err.text);
    return dict_find(dict_of(*checkpoint), "q");
}

/* Old files have lists: scales 0.5 and 2, zero points 1 and 2. */
static void test_scales_in_lists(void **state)
{
    (void)state;
    Checkpoint *checkpoint;
    const Tensor *q = open_q("(ctorch\nper_channel_affine\n](F0.5\nF2.0\ne](K\1K\2eI0\nt",
                             "torch\nQInt8Storage", &checkpoint);
    assert_false(q->encoding->opaque);
    float *values = read_floats(q);
    assert_memory_equal(values, ((const float[]){0, 0.5f, 2, 4}), 16);
    free(values);
    unsigned char plain[4];
    Error err = {0};
    assert_true(tensor_read(q, NULL, NULL, plain, &err));
    assert_memory_equal(plain, "\1\2\3\4", 4);
    checkpoint_unref(checkpoint);
}

static void test_parameters_that_are_not_known(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "N",                                               /* none at all */
        "(t",
        "(ctorch\nper_tensor_affine\nVhalf\nK\1t",          /* a scale that is text */
        "(ctorch\nper_tensor_affine\nF0.5\nF1.0\nt",        /* half a zero point */
        "(ctorch\nper_channel_affine\n](F0.5\neNI0\nt",     /* no zero points */
        "(ctorch\nper_channel_affine\n](Ne](K\1eI0\nt",
        "(ctorch\nper_channel_affine\n](F0.5\nF1.0\ne](K\1K\1eI-1\nt",
        "(ctorch\nper_channel_affine\n](F0.5\nF1.0\ne](K\1K\1eI99\nt",
    };
    for (size_t i = 0; i < countof(lists); i++) {
        Checkpoint *checkpoint;
        const Tensor *q = open_q(lists[i], "torch\nQInt8Storage", &checkpoint);
        assert_true(q->encoding->opaque);
        assert_string_equal(q->encoding->note, "quantized, with parameters that are not known");
        assert_int_equal(tensor_value_dtype(q, NULL), DT_UNKNOWN);
        checkpoint_unref(checkpoint);
    }
}

static void test_scales_that_do_not_fit(void **state)
{
    (void)state;
    Error err = {0};
    assert_null(open_qparams("(ctorch\nper_channel_affine\n](F0.5\ne](K\1K\1eI0\nt",
                             "torch\nQInt8Storage", &err));
    assert_error_has(err, "tensor 'q': shape [2,2] qint8 is quantized along dim 0, but has no scale "
                          "for each index");
    assert_null(open_qparams("(ctorch\nper_channel_affine\n](F0.5\nF1.0\ne](K\1eI1\nt",
                             "torch\nQInt8Storage", &err));
    assert_error_has(err, "dim 1, but has no zero point for each index");
    assert_null(open_qparams("(ctorch\nper_channel_affine\n](F0.5\nF1.0\ne](K\1K\1eI2\nt",
                             "torch\nQInt8Storage", &err));
    assert_error_has(err, "is quantized along dim 2, which is not there");
}

static void test_integers_that_are_not_quantized_types(void **state)
{
    (void)state;
    Checkpoint *checkpoint;
    const Tensor *q = open_q("(ctorch\nper_tensor_affine\nF0.5\nK\1t", "torch\nCharStorage",
                             &checkpoint);
    assert_true(q->encoding->opaque);
    assert_non_null(strstr(q->encoding->note, "packed in a way that is not read"));
    checkpoint_unref(checkpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_have_sizes),
        cmocka_unit_test(test_quantized_casts_to_floats_alone),
        cmocka_unit_test(test_blocks_by_hand),
        cmocka_unit_test(test_every_type_of_the_package),
        cmocka_unit_test(test_boxes_cut_through_blocks),
        cmocka_unit_test(test_large_tensors_are_read_in_pieces),
        cmocka_unit_test(test_plain_reads_give_blocks),
        cmocka_unit_test(test_nibbles_of_odd_rows),
        cmocka_unit_test(test_statistics_are_of_the_numbers),
        cmocka_unit_test(test_blocks_of_the_other_byte_order),
        cmocka_unit_test(test_moves_below_a_cast),
        cmocka_unit_test(test_pytorch_equals_dequantize),
        cmocka_unit_test(test_scales_in_lists),
        cmocka_unit_test(test_parameters_that_are_not_known),
        cmocka_unit_test(test_scales_that_do_not_fit),
        cmocka_unit_test(test_integers_that_are_not_quantized_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
