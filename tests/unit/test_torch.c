/* torch: tensors and storages in zips and legacy streams, and every way to be malformed that
 * one must not believe. Files are assembled by hand; PyTorch need not be there. */
#include <stdlib.h>

#include "tests/unit/torch_maker.h"

static const float numbers[6] = {0, 1, 2, 3, 4, 5};

/* One tensor under "w" in a zip with `numbers` as storage "0". */
static Checkpoint *open_made(const Made *made, Error *err)
{
    Text p = {0};
    text_addc(&p, '}');
    put_text(&p, "w");
    put_tensor(&p, made);
    text_addc(&p, 's');
    return open_zip_of(&p, numbers, sizeof numbers, err);
}

static void refuses(const Made *made, ErrorCode code, const char *part)
{
    Error err = {0};
    Checkpoint *checkpoint = open_made(made, &err);
    if (checkpoint) fail_msg("was opened; expected: %s", part);
    assert_int_equal(err.code, code);
    assert_error_has(err, "x.pth: tensor 'w': ");
    assert_error_has(err, part);
}

static Checkpoint *opens(const Made *made)
{
    Error err = {0};
    Checkpoint *checkpoint = open_made(made, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* The values of "w", as floats. */
static void has_values(const Checkpoint *checkpoint, const char *key, const float *want, size_t n)
{
    float got[6];
    Error err = {0};
    const Tensor *tensor = tensor_at(checkpoint, "", key);
    assert_int_equal(tensor_count(tensor), n);
    if (!tensor_read(tensor, NULL, NULL, got, &err)) fail_msg("%s", err.text);
    assert_memory_equal(got, want, n * sizeof *want);
}

/* --- tensors -------------------------------------------------------------------------- */

static void test_plain_tensor(void **state)
{
    (void)state;
    Checkpoint *c = opens(&(Made){.numel = 6, .dims = {2, 3}, .strides = {3, 1}, .rank = 2});
    assert_string_equal(checkpoint_format(c), "torch-zip");
    const Tensor *t = tensor_at(c, "", "w");
    assert_int_equal(t->dtype, DT_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dims[1], 3);
    assert_null(t->strides);
    assert_null(t->encoding);
    assert_false(t->parameter);
    assert_int_equal(t->storage->bytes, 24);
    assert_int_equal(t->storage->dtype, DT_F32);
    assert_ptr_equal(t->identity, object_get(checkpoint_root(c), "w"));
    has_values(c, "w", numbers, 6);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
}

static void test_strided_views(void **state)
{
    (void)state;
    Checkpoint *c = opens(&(Made){.numel = 6, .dims = {3, 2}, .strides = {1, 3}, .rank = 2});
    has_values(c, "w", (float[]){0, 3, 1, 4, 2, 5}, 6);
    checkpoint_unref(c);
    c = opens(&(Made){.numel = 6, .offset = 4, .dims = {2}, .strides = {1}, .rank = 1});
    assert_int_equal(tensor_at(c, "", "w")->offset, 16);
    has_values(c, "w", (float[]){4, 5}, 2);
    checkpoint_unref(c);
    c = opens(&(Made){.numel = 6, .offset = 2, .dims = {3, 1}, .strides = {0, 1}, .rank = 2});
    has_values(c, "w", (float[]){2, 2, 2}, 3);
    checkpoint_unref(c);
}

static void test_scalars_and_empty_tensors(void **state)
{
    (void)state;
    Checkpoint *c = opens(&(Made){.numel = 6, .offset = 3});
    assert_int_equal(tensor_at(c, "", "w")->rank, 0);
    assert_non_null(tensor_at(c, "", "w")->dims);
    has_values(c, "w", (float[]){3}, 1);
    checkpoint_unref(c);
    c = opens(&(Made){.numel = 6, .dims = {0, 4}, .strides = {4, 1}, .rank = 2});
    assert_int_equal(tensor_count(tensor_at(c, "", "w")), 0);
    checkpoint_unref(c);
    c = opens(&(Made){.key = "none", .numel = 0, .dims = {0}, .strides = {1}, .rank = 1});
    assert_int_equal(tensor_at(c, "", "w")->storage->bytes, 0);
    checkpoint_unref(c);
}

static void test_strides_of_single_dims_are_kept(void **state)
{
    (void)state;
    Checkpoint *c = opens(&(Made){.numel = 6, .dims = {1, 3}, .strides = {99, 1}, .rank = 2});
    const Tensor *t = tensor_at(c, "", "w");
    assert_non_null(t->strides);
    assert_int_equal(t->strides[0], 99);
    assert_true(tensor_is_contiguous(t));
    checkpoint_unref(c);
}

static void test_own_dtype_over_untyped_storage(void **state)
{
    (void)state;
    const Made made = {.class = "torch.storage\nUntypedStorage",
                       .numel = 24,
                       .offset = 2,
                       .dims = {4},
                       .strides = {1},
                       .rank = 1,
                       .function = "_rebuild_tensor_v3",
                       .metadata = "ctorch\nuint32\n"};
    Checkpoint *c = opens(&made);
    assert_int_equal(tensor_at(c, "", "w")->dtype, DT_U32);
    assert_int_equal(tensor_at(c, "", "w")->offset, 8);
    assert_int_equal(tensor_at(c, "", "w")->storage->dtype, DT_U8);
    checkpoint_unref(c);
}

static void test_unknown_dtype_is_shown_not_read(void **state)
{
    (void)state;
    const Made made = {.class = "torch.storage\nUntypedStorage",
                       .numel = 24,
                       .dims = {4},
                       .strides = {1},
                       .rank = 1,
                       .function = "_rebuild_tensor_v3",
                       .metadata = "ctorch\nbits8\n"};
    Checkpoint *c = opens(&made);
    assert_true(tensor_at(c, "", "w")->encoding->opaque);
    assert_string_equal(tensor_at(c, "", "w")->encoding->note, "elements of type torch.bits8");
    checkpoint_unref(c);
}

static void test_storage_class_of_any_module(void **state)
{
    (void)state;
    Checkpoint *c = opens(&(Made){
        .class = "torch.cuda\nLongStorage", .numel = 3, .dims = {3}, .strides = {1}, .rank = 1});
    assert_int_equal(tensor_at(c, "", "w")->dtype, DT_I64);
    checkpoint_unref(c);
    refuses(&(Made){.class = "os\nsystem", .numel = 6, .dims = {6}, .strides = {1}, .rank = 1},
            ERR_FORMAT, "its storage is of no storage class");
}

static void test_conjugate_and_negative_bits(void **state)
{
    (void)state;
    const Made made = {.class = "torch\nComplexFloatStorage",
                       .numel = 3,
                       .dims = {1},
                       .strides = {1},
                       .rank = 1,
                       .offset = 1,
                       .metadata = "}(U\x04"
                                   "conj\x88U\x03neg\x88u"};
    Checkpoint *c = opens(&made);
    float value[2];
    assert_true(tensor_read(tensor_at(c, "", "w"), NULL, NULL, value, NULL));
    assert_true(value[0] == -2 && value[1] == 3);
    checkpoint_unref(c);
}

/* Wraps a tensor in more opcodes: before it, after it. */
static Checkpoint *open_wrapped(const char *before, const Made *made, const char *after, size_t n)
{
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x01w");
    text_add(&p, before);
    put_tensor(&p, made);
    text_addn(&p, after, n);
    text_addc(&p, 's');
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    if (!c) fail_msg("%s", err.text);
    return c;
}

static const Made six = {.numel = 6, .dims = {6}, .strides = {1}, .rank = 1};

static void test_parameters_of_all_times(void **state)
{
    (void)state;
    static const struct { const char *before, *after; size_t n; } forms[] = {
        {"ctorch._utils\n_rebuild_parameter\n", BYTES("\x88}\x87R")},
        {"ctorch._utils\n_rebuild_parameter_with_state\n(", BYTES("\x88}}tR")},
        {"ctorch.nn.parameter\nParameter\n", BYTES("\x85R(\x88\x89NtbN0")},
        {"ctorch.nn.parameter\nParameter\n)\x81(", BYTES("N}\x88\x89tb")},
        {"ccopy_reg\n__newobj__\nctorch.autograd.variable\nVariable\n", BYTES("\x86R")},
        {"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_parameter\n"
         "ctorch.nn.parameter\nParameter\n", BYTES("\x88}\x87}tR")},
    };
    for (size_t i = 0; i < countof(forms); i++) {
        Checkpoint *c = open_wrapped(forms[i].before, &six, forms[i].after, forms[i].n);
        assert_true(tensor_at(c, "", "w")->parameter);
        has_values(c, "w", numbers, 6);
        checkpoint_unref(c);
    }
    Made wanting = six;
    wanting.grad = true;
    Checkpoint *c = opens(&wanting);
    assert_true(tensor_at(c, "", "w")->parameter);   /* as plain as one: see torch_writer.c */
    checkpoint_unref(c);
}

static void test_old_tensor_class_with_state(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x01wctorch\nFloatTensor\n)R(");
    put_storage(&p, &six);
    put_int(&p, 2);
    put_tuple(&p, (int64_t[]){2}, 1);
    put_tuple(&p, (int64_t[]){2}, 1);
    text_add(&p, "tbs");
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    assert_non_null(c);
    has_values(c, "w", (float[]){2, 4}, 2);
    checkpoint_unref(c);
}

static void test_sizes_as_torch_size(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x01wctorch._utils\n_rebuild_tensor\n(");
    put_storage(&p, &six);
    text_add(&p, "K\x01" "ctorch\nSize\n(K\x02t\x85R]K\x03" "atRs");
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    if (!c) fail_msg("%s", err.text);
    has_values(c, "w", (float[]){1, 4}, 2);
    checkpoint_unref(c);
}

static void test_quantized_sparse_and_meta_are_shown(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}(U\x01qctorch._utils\n_rebuild_qtensor\n(");
    put_storage(&p, &(Made){.class = "torch\nQInt8Storage", .numel = 24});
    text_addn(&p, BYTES("K\x00K\x04\x85K\x01\x85" "ctorch\nper_tensor_affine\n"
                        "G\x3F\xE0\x00\x00\x00\x00\x00\x00K\x03\x87\x89}tR"));
    text_add(&p, "U\x01sctorch._utils\n_rebuild_sparse_tensor\nctorch.serialization\n_get_layout\n"
                 "U\x10torch.sparse_coo\x85R");
    put_tensor(&p, &(Made){.class = "torch\nLongStorage", .numel = 3, .rank = 2, .dims = {1, 3},
                           .strides = {3, 1}});
    put_tensor(&p, &(Made){.numel = 6, .rank = 1, .dims = {3}, .strides = {1}});
    text_add(
        &p,
        "K\x09\x85\x87\x86RU\x01mctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat16\n"
        "K\x03\x85K\x01\x85\x89tRu");
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    if (!c) fail_msg("%s", err.text);
    const Tensor *q = tensor_at(c, "", "q"), *s = tensor_at(c, "", "s"), *m = tensor_at(c, "", "m");
    assert_int_equal(q->dtype, DT_QINT8);
    assert_false(q->encoding->opaque);
    assert_string_equal(q->encoding->note, "quantized per tensor, scale 0.5, zero point 3");
    assert_false(s->encoding->opaque);
    assert_int_equal(s->dims[0], 9);
    assert_string_equal(s->encoding->note, "sparse COO, 3 values stored");
    assert_null(m->storage);
    assert_int_equal(m->dtype, DT_F16);
    assert_string_equal(m->encoding->note, "no data (device meta)");
    checkpoint_unref(c);
}

static void test_unknown_objects_stay_calls(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}(U\x01wcos\nsystem\nU\x02ls\x85RU\x01xctorch._utils\n_rebuild_new\n)"
                 "RU\x01yctorch\nFloatTensor\n)R");
    put_text(&p, "t");
    put_floats(&p, "0", 6);
    text_addc(&p, 'u');
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    if (!c) fail_msg("%s", err.text);
    assert_true(object_is_call(object_get(checkpoint_root(c), "w"), "os", "system"));
    assert_int_equal(object_get(checkpoint_root(c), "x")->kind, OBJ_CALL);
    assert_int_equal(container(c, "")->others, 3);
    checkpoint_unref(c);
}

static void test_tied_tensors_share_storage_and_identity(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_addc(&p, '}');
    put_text(&p, "a");
    put_floats(&p, "0", 6);
    text_add(&p, "q\x01s");
    put_text(&p, "b");
    text_add(&p, "h\x01s");
    put_text(&p, "c");
    put_floats(&p, "0", 6);
    text_addc(&p, 's');
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    const Tensor *a = tensor_at(c, "", "a"), *b = tensor_at(c, "", "b"), *d = tensor_at(c, "", "c");
    assert_ptr_equal(a->storage, b->storage);
    assert_ptr_equal(a->storage, d->storage);
    assert_ptr_equal(a->identity, b->identity);
    assert_ptr_not_equal(a->identity, d->identity);
    checkpoint_unref(c);
}

/* --- tensors that lie ----------------------------------------------------------------- */

static void test_reaches_beyond_its_storage(void **state)
{
    (void)state;
    refuses(&(Made){.numel = 6, .dims = {7}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "shape [7] f32 needs 28 bytes, the storage has 24");
    refuses(&(Made){.numel = 6, .offset = 6, .dims = {1}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "the storage has 24");
    refuses(&(Made){.numel = 6, .dims = {2, 2}, .strides = {5, 1}, .rank = 2}, ERR_FORMAT,
            "the storage has 24");
}

static void test_stride_times_shape_overflows(void **state)
{
    (void)state;
    refuses(&(Made){.numel = 6, .dims = {3, 2}, .strides = {INT64_MAX, 1}, .rank = 2}, ERR_FORMAT,
            "64 bits");
    refuses(&(Made){.numel = 6, .dims = {INT64_MAX, 2, 2}, .strides = {0, 0, 0}, .rank = 3},
            ERR_FORMAT, "63 bits");
}

static void test_negative_numbers(void **state)
{
    (void)state;
    refuses(&(Made){.numel = 6, .dims = {-1}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "negative size");
    refuses(&(Made){.numel = 6, .dims = {2}, .strides = {-1}, .rank = 1}, ERR_FORMAT, "negative");
    refuses(&(Made){.numel = 6, .offset = -1, .dims = {2}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "its storage offset is no integer from 0 on");
    refuses(&(Made){.numel = -1, .dims = {2}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "its storage has no number of elements");
}

static void test_offset_overflows(void **state)
{
    (void)state;
    refuses(&(Made){.numel = 6, .offset = INT64_MAX, .dims = {1}, .strides = {1}, .rank = 1},
            ERR_FORMAT, "offset is beyond");
    refuses(&(Made){.numel = INT64_MAX, .dims = {1}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "claims 9223372036854775807 elements of 4 bytes");
}

static void test_storage_key_too_long(void **state)
{
    (void)state;
    char key[1026];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    refuses(&(Made){.key = key, .numel = 6, .dims = {1}, .strides = {1}, .rank = 1}, ERR_LIMIT,
            "the key of its storage has 1025 bytes, more than the limit of 1024");
}

static void test_too_many_dimensions(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x01wctorch._utils\n_rebuild_tensor\n(");
    put_storage(&p, &six);
    text_add(&p, "K\x01(");
    for (int i = 0; i < TENSOR_RANK_MAX + 1; i++) text_add(&p, "K\x01");
    text_add(&p, "t)tRs");
    assert_null(open_zip_of(&p, numbers, sizeof numbers, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "x.pth: tensor 'w': 33 dimensions, more than the limit of 32");
}

static void test_malformed_arguments(void **state)
{
    (void)state;
    static const struct { const char *opcodes, *part;
    } cases[] = {
        {"ctorch._utils\n_rebuild_tensor_v2\n)R",
         "_rebuild_tensor_v2 has 0 arguments instead of 6"},
        {"ctorch._utils\n_rebuild_tensor\n(NNNNtR", "its storage is no persistent id"},
        {"ctorch._utils\n_rebuild_tensor\n(PP\nNNNtR", "protocol 0"},
        {"ctorch._utils\n_rebuild_tensor\n((U\x07storagetQNNNtR",
         "its storage has 1 fields instead of 5"},
        {"(U\x07storageNNNNtQ", "the key of its storage is no text"},
        {"ctorch._utils\n_rebuild_sparse_tensor\nN]\x86R", "its layout is no sparse one"},
        {"ctorch._utils\n_rebuild_sparse_tensor\nK\x01]\x86R", "its sparse data is no"},
        {"ctorch._utils\n_rebuild_meta_tensor_no_storage\nNNN\x87R", "its size is no tuple"},
        {"ctorch._utils\n_rebuild_meta_tensor_no_storage\nNN\x85)\x87R",
         "its size[0] is no 64-bit integer"},
        {"ctorch._utils\n_rebuild_meta_tensor_no_storage\nNK\x01\x85)\x87R",
         "it has 1 sizes, but 0 strides"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Error err = {0};
        Text p = {0};
        text_addf(&p, "}U\x01w%ss", cases[i].opcodes);
        assert_null(open_zip_of(&p, numbers, sizeof numbers, &err));
        assert_error_has(err, "x.pth: tensor 'w': ");
        assert_error_has(err, cases[i].part);
    }
}

static void test_error_says_where_in_the_tree(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x05" "a.b\n\"]N" "a}U\x0B" "conv.weight");
    put_floats(&p, "7", 6);
    text_add(&p, "sas");
    assert_null(open_zip_of(&p, numbers, sizeof numbers, &err));
    assert_error_has(err, "x.pth::[\"a.b\\n\\\"\"][1]: tensor 'conv.weight': ");
    assert_error_has(err, "its storage should be the record 'a/data/7', which is not in the file");
}

static void test_record_of_another_size(void **state)
{
    (void)state;
    Checkpoint *c = opens(&(Made){.numel = 9, .dims = {6}, .strides = {1}, .rank = 1});
    assert_int_equal(tensor_at(c, "", "w")->storage->bytes, 24);
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_non_null(strstr(checkpoint_finding(c, 0)->what, "data/0 has 24 bytes, the pickle claims 36"));
    checkpoint_unref(c);
    c = opens(&(Made){.numel = 2, .dims = {2}, .strides = {1}, .rank = 1});
    assert_int_equal(tensor_at(c, "", "w")->storage->bytes, 8);
    assert_int_equal(checkpoint_finding_count(c), 1);
    checkpoint_unref(c);
    refuses(&(Made){.numel = 9, .dims = {9}, .strides = {1}, .rank = 1}, ERR_FORMAT,
            "needs 36 bytes, the storage has 24; the file is damaged");
}

/* Storages without bytes may share the key "0" (FORMATS, appendix B 12). */
static void test_empty_storages_of_two_types(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_addc(&p, '}');
    put_text(&p, "a");
    put_floats(&p, "0", 0);
    text_addc(&p, 's');
    put_text(&p, "b");
    put_tensor(
        &p,
        &(Made){.class = "torch\nLongStorage", .numel = 0, .dims = {0}, .strides = {1}, .rank = 1});
    text_addc(&p, 's');
    Checkpoint *c = open_zip_of(&p, "", 0, &err);
    if (!c) fail_msg("%s", err.text);
    assert_int_equal(tensor_at(c, "", "a")->dtype, DT_F32);
    assert_int_equal(tensor_at(c, "", "b")->dtype, DT_I64);
    assert_int_equal(tensor_count(tensor_at(c, "", "b")), 0);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
}

static void test_storage_of_two_types(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_addc(&p, '}');
    put_text(&p, "a");
    put_floats(&p, "0", 6);
    text_addc(&p, 's');
    put_text(&p, "b");
    put_tensor(
        &p,
        &(Made){.class = "torch\nLongStorage", .numel = 3, .dims = {3}, .strides = {1}, .rank = 1});
    text_addc(&p, 's');
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    assert_non_null(c);
    assert_int_equal(tensor_at(c, "", "b")->dtype, DT_I64);
    assert_non_null(strstr(checkpoint_finding(c, 0)->what,
                           "storage '0' is referred to as 6 elements of type f32 and as 3"));
    checkpoint_unref(c);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_tensor),
        TEST(test_strided_views),
        TEST(test_scalars_and_empty_tensors),
        TEST(test_strides_of_single_dims_are_kept),
        TEST(test_own_dtype_over_untyped_storage),
        TEST(test_unknown_dtype_is_shown_not_read),
        TEST(test_storage_class_of_any_module),
        TEST(test_conjugate_and_negative_bits),
        TEST(test_parameters_of_all_times),
        TEST(test_old_tensor_class_with_state),
        TEST(test_sizes_as_torch_size),
        TEST(test_quantized_sparse_and_meta_are_shown),
        TEST(test_unknown_objects_stay_calls),
        TEST(test_tied_tensors_share_storage_and_identity),
        TEST(test_reaches_beyond_its_storage),
        TEST(test_stride_times_shape_overflows),
        TEST(test_negative_numbers),
        TEST(test_offset_overflows),
        TEST(test_storage_key_too_long),
        TEST(test_too_many_dimensions),
        TEST(test_malformed_arguments),
        TEST(test_error_says_where_in_the_tree),
        TEST(test_record_of_another_size),
        TEST(test_storage_of_two_types),
        TEST(test_empty_storages_of_two_types),
    };
    return cmocka_run_group_tests_name("torch", tests, NULL, NULL);
}
