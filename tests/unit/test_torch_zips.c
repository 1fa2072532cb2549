/* The other zips of PyTorch: torch.export (.pt2), torch.package, and zips that hold checkpoints as
 * files. */
#include <stdlib.h>

#include <zlib.h>

#include "tests/unit/torch_maker.h"

static const float numbers[6] = {1, 2, 3, 4, 5, 6};

/* A torch.save file of the pickle, as a record's bytes; freed with text_done. */
static void make_saved(Text *file, const char *pickle_before, size_t n, const char *after)
{
    Text p = {0};
    text_addn(&p, pickle_before, n);
    put_floats(&p, "0", 6);
    text_addf(&p, "%s.", after);
    const Record records[] = {{"archive/data.pkl", p.bytes, p.length},
                              {"archive/data/0", numbers, sizeof numbers},
                              {"archive/version", BYTES("3\n")}};
    make_zip(file, records, countof(records));
    text_done(&p);
}

static void reads(const Checkpoint *c, const char *path, const char *key, const float *expected,
                  size_t n)
{
    float got[6];
    Error err = {0};
    const Tensor *t = tensor_at(c, path, key);
    assert_int_equal(tensor_count(t), n);
    if (!tensor_read(t, NULL, NULL, got, &err)) fail_msg("%s", err.text);
    assert_memory_equal(got, expected, n * sizeof *got);
}

/* --- torch.export --------------------------------------------------------------------- */

#define META(sizes, strides, offset) \
    "\"tensor_meta\":{\"dtype\":7,\"sizes\":[" sizes "],\"strides\":[" strides "]," \
    "\"storage_offset\":{\"as_int\":" offset "},\"layout\":7}"
#define ENTRY(name, file, meta) \
    "\"" name "\":{\"path_name\":\"" file "\",\"is_param\":true,\"use_pickle\":false," meta "}"

static Checkpoint *try_export(const char *config, const void *more, size_t n, Error *err)
{
    const Record records[] = {
        {"p/archive_format", BYTES("pt2")},
        {"p/models/model.json", BYTES("{}")},
        {"p/data/weights/weight_0", numbers, sizeof numbers},
        {"p/data/weights/weight_1", more ? more : "", n},
        {"p/data/weights/model_weights_config.json", config, strlen(config)},
        {"p/.data/version", BYTES("6\n")},
    };
    return open_records(records, countof(records), err);
}

static void test_export_weights(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = try_export(
        "{\"config\":{" ENTRY("a", "weight_0", META("{\"as_int\":2},{\"as_int\":3}", "1,2", "0"))
        "," ENTRY("b", "weight_0", META("2", "1", "4"))
        ",\"obj\":{\"path_name\":\"custom_obj_0\",\"use_pickle\":true,\"tensor_meta\":null}"
        "," ENTRY("empty", "weight_1", META("0", "1", "0"))
        "," ENTRY("fake", "weight_1", META("2", "1", "0")) "}}", NULL, 0, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(c), "torch-export");
    has_keys(c, "", "a b empty fake ");
    reads(c, "", "a", (const float[]){1, 3, 5, 2, 4, 6}, 6);
    reads(c, "", "b", (const float[]){5, 6}, 2);
    assert_ptr_equal(tensor_at(c, "", "a")->storage, tensor_at(c, "", "b")->storage);
    assert_null(tensor_at(c, "", "fake")->storage);
    assert_non_null(tensor_at(c, "", "empty")->storage);
    assert_true(tensor_at(c, "", "a")->parameter);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
}

/* Subclasses of Tensor are pickled, each into a file of its own. */
static void test_export_of_a_pickled_weight(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    make_saved(&saved, "", 0, "");
    Checkpoint *c = try_export("{\"config\":{\"w\":{\"path_name\":\"weight_1\",\"use_pickle\":true,"
                               META("6", "1", "0") "},\"v\":{\"path_name\":\"weight_1\","
                               "\"use_pickle\":true," META("6", "1", "0") "}}}",
                               saved.bytes, saved.length, &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "", "w", numbers, 6);
    assert_ptr_equal(tensor_at(c, "", "w")->storage, tensor_at(c, "", "v")->storage);
    checkpoint_unref(c);
    text_done(&saved);
}

/* One case for each way in which a config can be wrong. */
static void test_export_malformed(void **state)
{
    (void)state;
    static const struct { const char *config, *part; } cases[] = {
        {"{", "model_weights_config.json"},
        {"{}", "has no map \"config\""},
        {"{\"config\":[]}", "has no map \"config\""},
        {"{\"config\":{\"w\":{}}}", "tensor 'w': its entry has no \"path_name\""},
        {"{\"config\":{\"w\":3}}", "tensor 'w': its entry has no \"path_name\""},
        {"{\"config\":{" ENTRY("w", "weight_9", META("2", "1", "0")) "}}",
         "tensor 'w': its storage should be the record 'p/data/weights/weight_9'"},
        {"{\"config\":{" ENTRY("w", "../x\\u001b", META("2", "1", "0")) "}}", "/../x\\x1b'"},
        {"{\"config\":{" ENTRY("w", "weight_0", META("7", "1", "0")) "}}", "tensor 'w': "},
        {"{\"config\":{" ENTRY("w", "weight_0", META("2", "1", "5")) "}}", "tensor 'w': "},
        {"{\"config\":{" ENTRY("w", "weight_0", META("2", "1", "-1")) "}}", "no integer from 0 on"},
        {"{\"config\":{" ENTRY("w", "weight_0", META("-2", "1", "0")) "}}", "tensor 'w': "},
        {"{\"config\":{" ENTRY("w", "weight_0", META("2", "-1", "0")) "}}", "tensor 'w': "},
        {"{\"config\":{" ENTRY("w", "weight_0", META("2", "", "0")) "}}", "1 sizes, but 0 strides"},
        {"{\"config\":{" ENTRY("w", "weight_0", META("{\"as_expr\":1}", "1", "0")) "}}",
         "its sizes[0] is no 64-bit integer"},
        {"{\"config\":{" ENTRY("w", "weight_0", META("1.5", "1", "0")) "}}", "its sizes[0] is no"},
        {"{\"config\":{" ENTRY("w", "weight_0",
            META("1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "1", "0")) "}}",
         "33 dimensions"},
        {"{\"config\":{" ENTRY("w", "weight_0", META("4611686018427387904,4", "4,1", "0")) "}}",
         "tensor 'w': "},
        {"{\"config\":{" ENTRY("w", "weight_0", META("1", "1", "9223372036854775807")) "}}",
         "beyond what 64 bits"},
        {"{\"config\":{\"w\":{\"path_name\":\"weight_9\",\"use_pickle\":true," META("6", "1", "0") "}}}",
         "tensor 'w': it should be the record 'data/weights/weight_9'"},
        {"{\"config\":{\"w\":{\"path_name\":\"weight_0\",\"use_pickle\":true," META("6", "1", "0") "}}}",
         "tensor 'w': x.pth::p/data/weights/weight_0: "},
        {"{\"config\":{" ENTRY("w", "weight_0", META("1", "1", "0")) ","
         ENTRY("w", "weight_0", META("1", "1", "0")) "}}", "w"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Error err = {0};
        is_refused(try_export(cases[i].config, NULL, 0, &err), &err, cases[i].part);
    }
}

static void test_export_of_a_pickle_that_is_no_tensor(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    const Record records[] = {{"archive/data.pkl", BYTES("K\x01.")},
                              {"archive/version", BYTES("3\n")}};
    make_zip(&saved, records, countof(records));
    assert_null(try_export("{\"config\":{\"w\":{\"path_name\":\"weight_1\",\"use_pickle\":true,"
                           META("6", "1", "0") "}}}", saved.bytes, saved.length, &err));
    assert_error_has(err, "tensor 'w': its pickle is not one tensor");
    text_done(&saved);
}

static void test_export_types_and_layouts(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = try_export(
        "{\"config\":{\"sparse\":{\"path_name\":\"weight_0\",\"tensor_meta\":{\"dtype\":7,\"sizes\":[2],"
        "\"strides\":[1],\"layout\":1}},\"odd\":{\"path_name\":\"weight_0\",\"tensor_meta\":{\"dtype\":"
        "99,\"sizes\":[2],\"strides\":[1]}},\"f8\":{\"path_name\":\"weight_0\",\"tensor_meta\":{\"dtype\":"
        "29,\"sizes\":[24],\"strides\":[1]}}}}", NULL, 0, &err);
    if (!c) fail_msg("%s", err.text);
    assert_true(tensor_at(c, "", "sparse")->encoding->opaque);
    assert_true(tensor_at(c, "", "odd")->encoding->opaque);
    assert_int_equal(tensor_at(c, "", "f8")->dtype, DT_F8_E4M3);
    checkpoint_unref(c);
}

static void test_export_of_several_models(void **state)
{
    (void)state;
    Error err = {0};
    static const char config[] = "{\"config\":{" ENTRY("w", "weight_0", META("6", "1", "0")) "}}";
    const Record records[] = {
        {"p/archive_format", BYTES("pt2")},
        {"p/models/a.json", BYTES("{}")},
        {"p/models/b.json", BYTES("{}")},
        {"p/data/weights/weight_0", numbers, sizeof numbers},
        {"p/data/constants/weight_0", numbers, sizeof numbers},
        {"p/data/weights/a_weights_config.json", BYTES(config)},
        {"p/data/weights/b_weights_config.json", BYTES(config)},
        {"p/data/constants/b_constants_config.json", BYTES(config)},
        {"p/version", BYTES("3\n")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "a", "w", numbers, 6);
    reads(c, "b", "w", numbers, 6);
    reads(c, "b::constants", "w", numbers, 6);
    checkpoint_unref(c);
}

static void test_export_of_another_format(void **state)
{
    (void)state;
    Error err = {0};
    const Record records[] = {{"p/archive_format", BYTES("pt3")},
                              {"p/models/m.json", BYTES("{}")},
                              {"p/version", BYTES("3\n")}};
    assert_null(open_records(records, countof(records), &err));
    assert_error_has(err, "its archive_format is not \"pt2\"");
}

static void test_export_of_a_later_version(void **state)
{
    (void)state;
    Error err = {0};
    static const char config[] = "{\"config\":{" ENTRY("w", "weight_0", META("6", "1", "0")) "}}";
    const Record records[] = {{"p/archive_format", BYTES("pt2")},
                              {"p/archive_version", BYTES("1")},
                              {"p/models/m.json", BYTES("{}")},
                              {"p/data/weights/weight_0", numbers, sizeof numbers},
                              {"p/data/weights/m_weights_config.json", BYTES(config)},
                              {"p/version", BYTES("3\n")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "", "w", numbers, 6);
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_string_equal(checkpoint_finding(c, 0)->kind, "version");
    checkpoint_unref(c);
}

/* JSON that is much longer than the bytes it was deflated to may not fill the memory. */
static void test_export_with_more_values_than_bytes(void **state)
{
    (void)state;
    enum { VALUES = 200000 };
    Text json = {0}, file = {0};
    Error err = {0};
    text_add(&json, "{\"config\":[0");
    for (int i = 0; i < VALUES; i++) text_add(&json, ",0");
    text_add(&json, "]}");
    char *packed = mem_alloc(json.length);
    z_stream z = {.next_in = (Bytef *)json.bytes, .avail_in = (uInt)json.length,
                  .next_out = (Bytef *)packed, .avail_out = (uInt)json.length};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    const Record records[] = {{"p/archive_format", BYTES("pt2")},
                              {"p/models/m.json", BYTES("{}")},
                              {"p/data/weights/m_weights_config.json", packed, z.total_out},
                              {"p/version", BYTES("3\n")}};
    make_zip(&file, records, countof(records));
    for (size_t i = 0; i + 46 < file.length; i++) {
        if (memcmp(file.bytes + i, "PK\1\2", 4) != 0 ||
            !strstr(file.bytes + i + 46, "m_weights_config") ||
            strncmp(file.bytes + i + 46, "p/data", 6) != 0)
            continue;
        uint32_t size = (uint32_t)json.length;
        file.bytes[i + 10] = 8;
        memcpy(file.bytes + i + 24, &size, sizeof size);
    }
    assert_null(open_bytes(&file, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    deflateEnd(&z);
    free(packed);
    text_done(&json);
    text_done(&file);
}

static void test_export_big_endian(void **state)
{
    (void)state;
    Error err = {0};
    const unsigned char one[4] = {0x3F, 0x80, 0, 0};
    static const char config[] = "{\"config\":{" ENTRY("w", "weight_0", META("1", "1", "0")) "}}";
    const Record records[] = {{"p/archive_format", BYTES("pt2")},
                              {"p/models/m.json", BYTES("{}")},
                              {"p/byteorder", BYTES("big")},
                              {"p/data/weights/weight_0", one, sizeof one},
                              {"p/data/weights/m_weights_config.json", BYTES(config)},
                              {"p/version", BYTES("3\n")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "", "w", (const float[]){1}, 1);
    checkpoint_unref(c);
}

/* PyTorch 2.8: each part is one torch.save. */
static void test_export_with_saved_parts(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    make_saved(&saved, BYTES("}U\x01w"), "s");
    const Record records[] = {{"p/archive_format", BYTES("pt2")},
                              {"p/models/model.json", BYTES("{}")},
                              {"p/data/weights/model.pt", saved.bytes, saved.length},
                              {"p/data/constants/model.pt", saved.bytes, saved.length},
                              {"p/data/sample_inputs/model.pt", BYTES("PK\3\4 junk")},
                              {"p/version", BYTES("3\n")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "", "w", numbers, 6);
    reads(c, "constants", "w", numbers, 6);
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_string_equal(checkpoint_finding(c, 0)->kind, "inner-file");
    checkpoint_unref(c);
    text_done(&saved);
}

/* Until PyTorch 2.7: written by Python's zipfile, without a folder. */
static void test_export_of_old(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    make_saved(&saved, BYTES("}U\x01w"), "s");
    const Record records[] = {{"version", BYTES("8.2")},
                              {"serialized_exported_program.json", BYTES("{}")},
                              {"serialized_state_dict.pt", saved.bytes, saved.length},
                              {"serialized_constants.pt", saved.bytes, saved.length}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "", "w", numbers, 6);
    reads(c, "constants", "w", numbers, 6);
    checkpoint_unref(c);
    const Record broken[] = {{"version", BYTES("8.2")},
                             {"serialized_exported_program.json", BYTES("{}")},
                             {"serialized_state_dict.pt", saved.bytes, 30}};
    assert_null(open_records(broken, countof(broken), &err));
    assert_error_has(err, "x.pth::serialized_state_dict.pt: ");
    text_done(&saved);
}

static void test_compiled_code_alone(void **state)
{
    (void)state;
    Error err = {0};
    const Record records[] = {{"p/archive_format", BYTES("pt2")},
                              {"p/data/aotinductor/model/x.so", BYTES("\177ELF")},
                              {"p/version", BYTES("3\n")}};
    assert_null(open_records(records, countof(records), &err));
    assert_error_has(err, "is a package of compiled code (AOTInductor)");
}

static void test_compiled_code_malformed(void **state)
{
    (void)state;
    static const char *const configs[] = {"{\"w\":3}", "{\"w\":[\"weight_0\",[2],[1]]}",
                                          "{\"w\":[1,[2],[1],0]}", "{\"w\":[\"weight_9\",[2],[1],0]}",
                                          "{\"w\":[\"weight_0\",[7],[1],0]}",
                                          "{\"w\":[\"weight_0\",[2],[1],-1]}"};
    Text saved = {0};
    make_saved(&saved, "", 0, "");
    for (size_t i = 0; i < countof(configs); i++) {
        Error err = {0};
        const Record records[] = {
            {"p/archive_format", BYTES("pt2")},
            {"p/data/weights/weight_0", saved.bytes, saved.length},
            {"p/data/aotinductor/model/weights_config.json", configs[i], strlen(configs[i])},
            {"p/version", BYTES("3\n")}};
        assert_null(open_records(records, countof(records), &err));
        assert_error_has(err, "tensor 'w': ");
    }
    text_done(&saved);
}

static void test_fixture_of_torch_export(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/export.pt2");
    has_keys(c, "", "gain fixed part.lin.weight again.weight part.lin.bias again.bias part.scale ");
    has_keys(c, "constants", "lifted_tensor_0 ");
    has_keys(c, "sample_inputs::[0]", "[0] ");
    reads(c, "", "again.weight", (const float[]){6, 7, 8, 9, 10, 11}, 6);
    reads(c, "constants", "lifted_tensor_0", (const float[]){0.5, 1.5, 2.5}, 3);
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, ""));
    checkpoint_unref(c);
}

static void test_fixture_of_aotinductor(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/compiled.pt2");
    has_keys(c, "aotinductor", "a.weight tail ");
    reads(c, "aotinductor", "tail", (const float[]){3, 4, 5}, 3);
    assert_ptr_equal(tensor_at(c, "aotinductor", "tail")->storage,
                     tensor_at(c, "aotinductor", "a.weight")->storage);
    checkpoint_unref(c);
}

/* --- torch.package -------------------------------------------------------------------- */

static void test_fixture_of_torch_package(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/package.pt");
    assert_string_equal(checkpoint_format(c), "torch-package");
    has_keys(c, "model/weights.pkl",
             "gain fixed part.scale part.lin.weight part.lin.bias again.weight again.bias ");
    has_keys(c, "model/train.pkl::model", "w ");
    reads(c, "model/weights.pkl", "part.lin.weight", (const float[]){6, 7, 8, 9, 10, 11}, 6);
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, "model/weights.pkl"));
    checkpoint_unref(c);
}

static void test_package_with_a_broken_pickle(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x01w");
    put_floats(&p, "0", 6);
    text_add(&p, "s.");
    const Record records[] = {{"p/.data/extern_modules", BYTES("torch\n")},
                              {"p/.data/0.storage", numbers, sizeof numbers},
                              {"p/m/good.pkl", p.bytes, p.length},
                              {"p/m/bad.pkl", BYTES("(K")},
                              {"p/.data/ts_code/0/data.pkl", BYTES("N.")},
                              {"p/.data/version", BYTES("6\n")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "m/good.pkl", "w", numbers, 6);
    assert_int_equal(checkpoint_finding_count(c), 2);
    assert_string_equal(checkpoint_finding(c, 0)->kind, "inner-file");
    assert_string_equal(checkpoint_finding(c, 1)->kind, "torchscript");
    checkpoint_unref(c);
    const Record broken[] = {records[0], records[3], records[5]};
    assert_null(open_records(broken, countof(broken), &err));
    assert_error_has(err, "p/m/bad.pkl: pickle opcode");
    text_done(&p);
}

static void test_package_without_tensors(void **state)
{
    (void)state;
    Error err = {0};
    const Record records[] = {{"p/.data/extern_modules", BYTES("torch\n")},
                              {"p/m/text.pkl", BYTES("K\x01.")},
                              {"p/.data/version", BYTES("6\n")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    has_keys(c, "", "");
    checkpoint_unref(c);
}

/* What torch.load takes for its own is no package to us either. */
static void test_data_pkl_beside_the_marks_of_others(void **state)
{
    (void)state;
    static const char *const marks[] = {"a/.data/extern_modules", "a/archive_format",
                                        "a/serialized_state_dict.pt", "a/model.json"};
    for (size_t i = 0; i < countof(marks); i++) {
        Error err = {0};
        Text p = {0};
        text_add(&p, "}U\x01w");
        put_floats(&p, "0", 6);
        text_add(&p, "s.");
        const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                                  {"a/data/0", numbers, sizeof numbers},
                                  {marks[i], BYTES("pt2")},
                                  {"a/version", BYTES("3\n")}};
        Checkpoint *c = open_records(records, countof(records), &err);
        if (!c) fail_msg("%s", err.text);
        assert_string_equal(checkpoint_format(c), "torch-zip");
        reads(c, "", "w", numbers, 6);
        checkpoint_unref(c);
        text_done(&p);
    }
}

/* --- checkpoints in zips -------------------------------------------------------------- */

static void test_fixture_of_torch_hub(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/hub.zip");
    assert_string_equal(checkpoint_format(c), "torch-zip");
    has_keys(c, "", "weight bias ");
    reads(c, "", "weight", (const float[]){0, 1, 2, 3, 4, 5}, 6);
    checkpoint_unref(c);
}

static void test_fixture_of_stable_baselines(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/agent.zip");
    has_keys(c, "policy.pth", "weight bias ");
    has_keys(c, "policy.optimizer.pth::state[0]", "step ");
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, "policy.pth"));
    checkpoint_unref(c);
}

static void test_broken_file_in_a_zip_of_several(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    make_saved(&saved, BYTES("}U\x01w"), "s");
    const Record records[] = {{"good.pth", saved.bytes, saved.length},
                              {"bad.pth", saved.bytes, saved.length / 2},
                              {"notes.txt", BYTES("weight (2, 3)\n")},
                              {"__MACOSX/._good.pth", BYTES("x")}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "good.pth", "w", numbers, 6);
    assert_int_equal(checkpoint_container_count(c), 1);
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_string_equal(checkpoint_finding(c, 0)->kind, "inner-file");
    assert_string_equal(checkpoint_finding(c, 0)->tensor, "bad.pth");
    checkpoint_unref(c);
    const Record alone[] = {records[1]};
    assert_null(open_records(alone, 1, &err));
    assert_error_has(err, "x.pth::bad.pth: ");
    const Record broken[] = {records[1], records[2]};
    assert_null(open_records(broken, 2, &err));
    assert_error_has(err, "x.pth::bad.pth: ");
    text_done(&saved);
}

/* Nobody took the only text for a checkpoint: the zip is refused, not the text as a listing. */
static void test_zip_of_one_text(void **state)
{
    (void)state;
    static const struct { Record record; const char *words; } cases[] = {
        {{"notes.txt", BYTES("hello world")},
         "x.pth: is a zip, but none that PyTorch wrote, and no file in it is a checkpoint: notes.txt"},
        {{"empty", "", 0}, "no file in it is a checkpoint: empty"},
        {{"a.html", BYTES("<html><body>")}, "no file in it is a checkpoint: a.html"},
        {{"keys.txt", BYTES("w torch.Size([2, 3])\n")},
         "x.pth::keys.txt: is a listing of tensors, which is not looked for in a zip; unzip it"},
        {{"net.pth", BYTES("")}, "x.pth::net.pth: the file is empty"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Error err = {0};
        assert_null(open_records(&cases[i].record, 1, &err));
        assert_error_has(err, cases[i].words);
    }
}

/* Each level is a file inside a file. */
static void test_zips_in_zips(void **state)
{
    (void)state;
    Text file = {0};
    make_saved(&file, BYTES("}U\x01w"), "s");
    for (int depth = 1; depth <= 4; depth++) {
        Error err = {0};
        Text outer = {0};
        make_zip(&outer, &(Record){"in.zip", file.bytes, file.length}, 1);
        text_done(&file);
        file = outer;
        Checkpoint *c = open_bytes(&file, &err);
        if (depth <= 3) {
            if (!c) fail_msg("%s", err.text);
            reads(c, "", "w", numbers, 6);
        } else {
            assert_null(c);
            assert_int_equal(err.code, ERR_LIMIT);
            assert_error_has(err, "files inside files");
        }
        checkpoint_unref(c);
    }
    text_done(&file);
}

/* Together they may hold no more than one file may. */
static void test_too_many_tensors_in_all_files(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    make_saved(&saved, BYTES("}U\x01w"), "s");
    const Record records[] = {{"a.pth", saved.bytes, saved.length},
                              {"b.pth", saved.bytes, saved.length}};
    assert_true(limit_set("tensors=20", NULL));
    assert_null(open_records(records, countof(records), &err));
    assert_true(limit_set("tensors=16M", NULL));
    assert_error_has(err, "x.pth: the files in it hold more tensors, more than the limit of 20");
    text_done(&saved);
}

/* Case counts in zips that PyTorch's own reader does not read. */
static void test_files_whose_names_differ_in_case(void **state)
{
    (void)state;
    Error err = {0};
    Text saved = {0};
    make_saved(&saved, BYTES("}U\x01w"), "s");
    const Record records[] = {{"a.pth", saved.bytes, saved.length},
                              {"A.pth", saved.bytes, saved.length}};
    Checkpoint *c = open_records(records, countof(records), &err);
    if (!c) fail_msg("%s", err.text);
    reads(c, "a.pth", "w", numbers, 6);
    reads(c, "A.pth", "w", numbers, 6);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
    text_done(&saved);
}

static void test_too_many_files(void **state)
{
    (void)state;
    Error err = {0};
    const Record records[] = {{"a.pth", BYTES("x")}, {"b.pth", BYTES("x")}, {"c.pth", BYTES("x")}};
    assert_true(limit_set("shards=2", NULL));
    assert_null(open_records(records, countof(records), &err));
    assert_true(limit_set("shards=100k", NULL));
    assert_error_has(err, "is a zip of 3 files, more than the limit of 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export_weights),
        cmocka_unit_test(test_export_of_a_pickled_weight),
        cmocka_unit_test(test_export_malformed),
        cmocka_unit_test(test_export_of_a_pickle_that_is_no_tensor),
        cmocka_unit_test(test_export_types_and_layouts),
        cmocka_unit_test(test_export_of_several_models),
        cmocka_unit_test(test_export_of_another_format),
        cmocka_unit_test(test_export_of_a_later_version),
        cmocka_unit_test(test_export_with_more_values_than_bytes),
        cmocka_unit_test(test_export_big_endian),
        cmocka_unit_test(test_export_with_saved_parts),
        cmocka_unit_test(test_export_of_old),
        cmocka_unit_test(test_compiled_code_alone),
        cmocka_unit_test(test_compiled_code_malformed),
        cmocka_unit_test(test_fixture_of_torch_export),
        cmocka_unit_test(test_fixture_of_aotinductor),
        cmocka_unit_test(test_fixture_of_torch_package),
        cmocka_unit_test(test_package_with_a_broken_pickle),
        cmocka_unit_test(test_package_without_tensors),
        cmocka_unit_test(test_data_pkl_beside_the_marks_of_others),
        cmocka_unit_test(test_fixture_of_torch_hub),
        cmocka_unit_test(test_fixture_of_stable_baselines),
        cmocka_unit_test(test_broken_file_in_a_zip_of_several),
        cmocka_unit_test(test_zip_of_one_text),
        cmocka_unit_test(test_zips_in_zips),
        cmocka_unit_test(test_too_many_tensors_in_all_files),
        cmocka_unit_test(test_files_whose_names_differ_in_case),
        cmocka_unit_test(test_too_many_files),
    };
    return cmocka_run_group_tests_name("torch zips", tests, NULL, NULL);
}
