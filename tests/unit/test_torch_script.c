/* TorchScript: what torch.jit.save writes, by hand and as fixtures; and its form before 1.4. */
#include <stdlib.h>

#include "tests/unit/script_maker.h"

static const char source[] = "class Net(Module):\n"
                             "  __parameters__ = [\"weight\", \"frozen\", ]\n"
                             "  __buffers__ = [\"mean\", ]\n"
                             "  weight : Tensor\n"
                             "  def forward(self: __torch__.Net) -> Tensor:\n"
                             "    return self.weight\n"
                             "class Inner(Module):\n"
                             "  __parameters__ = []\n"
                             "  __buffers__ = [\"mean\", ]\n"
                             "class Plain:\n"
                             "  pass\n"
                             "class Box(NamedTuple):\n"
                             "  __parameters__ = [\"weight\", ]\n";

static void is_parameter(const Checkpoint *c, const char *key, bool expected)
{
    assert_int_equal(tensor_at(c, "", key)->parameter, expected);
}

static const Finding *only_finding(const Checkpoint *c)
{
    assert_int_equal(checkpoint_finding_count(c), 1);
    return checkpoint_finding(c, 0);
}

/* --- what is read --------------------------------------------------------------------- */

/* frozen requires no gradient, mean would (a file may say anything): the class decides. */
static void test_roles_are_told_by_the_source(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_floats_at(&p, "weight", 8, true);
    put_floats_at(&p, "frozen", 2, false);
    put_floats_at(&p, "mean", 3, true);
    put_floats_at(&p, "spare", 4, true);
    text_add(&p, "U\x05stepsK\x07");
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    assert_string_equal(checkpoint_format(c), "torch-script");
    has_keys(c, "", "weight frozen mean ");
    has_keys(c, "attributes", "spare ");
    is_parameter(c, "weight", true);
    is_parameter(c, "frozen", true);
    is_parameter(c, "mean", false);
    assert_int_equal(checkpoint_finding_count(c), 0);
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, ""));
    float got[8];
    assert_true(tensor_read(tensor_at(c, "", "weight"), NULL, NULL, got, NULL));
    assert_memory_equal(got, eight, sizeof got);
    checkpoint_unref(c);
}

static void test_names_are_those_of_the_state_dict(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_text(&p, "first");
    put_object(&p, "Inner");
    put_floats_at(&p, "mean", 2, false);
    put_end(&p);
    text_add(&p, "q\x09");
    put_floats_at(&p, "weight", 8, true);
    put_text(&p, "0");
    text_add(&p, "h\x09");
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    has_keys(c, "", "weight first.mean 0.mean ");
    assert_ptr_equal(tensor_at(c, "", "first.mean")->identity,
                     tensor_at(c, "", "0.mean")->identity);
    checkpoint_unref(c);
}

static void test_without_sources_gradients_tell(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_floats_at(&p, "weight", 8, true);
    put_floats_at(&p, "mean", 3, false);
    put_end(&p);
    Checkpoint *c = open_script(&p, NULL);
    has_keys(c, "", "weight mean ");
    is_parameter(c, "weight", true);
    is_parameter(c, "mean", false);
    assert_string_equal(only_finding(c)->kind, "code");
    assert_non_null(strstr(only_finding(c)->what, "1 classes have no source"));
    checkpoint_unref(c);
}

/* PyTorch 1.4 named parameters only. */
static void test_source_without_buffers(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_floats_at(&p, "weight", 8, true);
    put_floats_at(&p, "mean", 3, true);
    put_end(&p);
    Checkpoint *c =
        open_script(&p, "class Net(Module):\n  __parameters__ = [\"weight\", ]\n");
    has_keys(c, "", "weight mean ");
    is_parameter(c, "mean", false);
    checkpoint_unref(c);
}

static void test_class_in_a_folder(void **state)
{
    (void)state;
    Text p = {0};
    Error err = {0};
    text_add(&p, "c__torch__.a.___torch_mangle_3\nNet\n)\x81}(");
    put_floats_at(&p, "weight", 8, false);
    put_end(&p);
    const Record code = {"m/code/__torch__/a/___torch_mangle_3.py",
                         BYTES("class Net(Module):\n  __parameters__ = [\"weight\", ]\n")};
    Checkpoint *c = try_script(&(Script){.pickle = &p, .more = &code, .more_count = 1}, &err);
    if (!c) fail_msg("%s", err.text);
    is_parameter(c, "weight", true);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
    text_done(&p);
}

/* Objects of classes that are no modules keep attributes. */
static void test_objects_that_are_no_modules(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_text(&p, "box");
    put_object(&p, "Box");
    put_floats_at(&p, "weight", 8, true);
    put_end(&p);
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    has_keys(c, "", "");
    has_keys(c, "attributes", "box.weight ");
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, "attributes"));
    checkpoint_unref(c);
}

static void test_lists_and_dicts_are_attributes(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_text(&p, "list");
    text_add(&p, "ctorch.jit._pickle\nrestore_type_tag\n](");
    put_floats(&p, "0", 8);
    put_floats(&p, "0", 8);
    text_add(&p, "e");
    put_text(&p, "List[Tensor]");
    text_add(&p, "\x86R");
    put_text(&p, "dict");
    text_add(&p, "ctorch.jit._pickle\nrestore_type_tag\n}(");
    put_text(&p, "k");
    put_floats(&p, "0", 8);
    text_add(&p, "u");
    put_text(&p, "Dict[str, Tensor]");
    text_add(&p, "\x86R");
    put_text(&p, "ints");
    text_add(&p, "ctorch.jit._pickle\nbuild_intlist\n](K\x01K\x02" "e\x85R");
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    has_keys(c, "attributes", "list.0 list.1 dict.k ");
    const Object *root = checkpoint_root(c);
    assert_int_equal(object_get(root->call->state, "ints")->kind, OBJ_LIST);
    assert_int_equal(object_get(root->call->state, "ints")->list.count, 2);
    checkpoint_unref(c);
}

/* Packed parameters of quantized modules. */
static void test_what_getstate_gave_is_numbered(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_text(&p, "packed");
    text_add(&p, "c__torch__.torch.classes.quantized\nLinearPackedParamsBase\n)\x81(");
    put_floats(&p, "0", 8);
    text_add(&p, "N(");
    put_floats(&p, "0", 8);
    text_add(&p, "ttb");
    put_text(&p, "single");
    text_add(&p, "c__torch__\nOther\n)\x81");
    put_floats(&p, "0", 8);
    text_add(&p, "b");
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    has_keys(c, "", "packed.0 packed.2.0 single.0 ");
    checkpoint_unref(c);
}

static void test_constants_are_a_container(void **state)
{
    (void)state;
    Text p = {0}, k = {0};
    Error err = {0};
    put_object(&p, "Net");
    put_floats_at(&p, "weight", 8, true);
    put_end(&p);
    text_addc(&k, '(');
    put_floats(&k, "0", 2);
    put_floats(&k, "1", 1);
    text_addc(&k, 't');
    const float zero[2] = {0.5f, 1.5f}, one[1] = {9};
    const Record more[] = {{"m/constants/0", zero, sizeof zero},
                           {"m/constants/1", one, sizeof one}};
    Checkpoint *c = try_script(&(Script){&p, &k, source, more, 2}, &err);
    if (!c) fail_msg("%s", err.text);
    has_keys(c, "constants", "0 1 ");
    float got[2];
    assert_true(tensor_read(tensor_at(c, "constants", "0"), NULL, NULL, got, NULL));
    assert_memory_equal(got, zero, sizeof zero);
    assert_int_equal(checkpoint_root(c)->kind, OBJ_CALL);
    checkpoint_unref(c);
    text_done(&p);
    text_done(&k);
}

/* The lite interpreter keeps storages that both share among the constants, under other keys. */
static void test_storages_of_the_lite_interpreter(void **state)
{
    (void)state;
    Text p = {0};
    Error err = {0};
    put_object(&p, "Net");
    put_text(&p, "weight");
    put_floats(&p, "140245072983168.storage", 8);
    put_end(&p);
    const Record more = {"m/constants/140245072983168.storage", eight, sizeof eight};
    Checkpoint *c = try_script(&(Script){&p, NULL, source, &more, 1}, &err);
    if (!c) fail_msg("%s", err.text);
    float got[8];
    assert_true(tensor_read(tensor_at(c, "", "weight"), NULL, NULL, got, NULL));
    assert_memory_equal(got, eight, sizeof got);
    checkpoint_unref(c);
    text_done(&p);
}

static void test_module_without_tensors(void **state)
{
    (void)state;
    Text p = {0};
    Error err = {0};
    put_object(&p, "Net");
    text_add(&p, "U\x08training\x89");
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    has_keys(c, "", "");
    assert_null(checkpoint_choose_weights(c, NULL, &err));
    assert_error_has(err, "there are no tensors in it");
    checkpoint_unref(c);
}

static void test_dict_instead_of_a_module(void **state)
{
    (void)state;
    Text p = {0};
    text_add(&p, "}(");
    put_floats_at(&p, "w", 2, false);
    text_add(&p, "u");
    Checkpoint *c = open_script(&p, NULL);
    has_keys(c, "", "w ");
    checkpoint_unref(c);
}

/* [[0, 2], [1, 4]] are the places of two values in 3×5. */
static void test_sparse_tensors(void **state)
{
    (void)state;
    Text p = {0};
    Error err = {0};
    const int64_t places[4] = {0, 2, 1, 4};
    put_object(&p, "Net");
    put_text(&p, "mean");
    text_add(&p, "ctorch._utils\n_rebuild_sparse_tensor\n(K\x01(K\x03K\x05t\x88");
    put_tensor(&p, &(Made){.class = "torch\nLongStorage", .key = "1", .numel = 4, .dims = {2, 2},
                           .strides = {2, 1}, .rank = 2});
    put_tensor(&p, &(Made){.numel = 8, .offset = 1, .dims = {2}, .strides = {1}, .rank = 1});
    text_add(&p, "ccollections\nOrderedDict\n)RtR");
    put_end(&p);
    const Record more = {"m/data/1", places, sizeof places};
    Checkpoint *c = try_script(&(Script){&p, NULL, source, &more, 1}, &err);
    if (!c) fail_msg("%s", err.text);
    const Tensor *t = tensor_at(c, "", "mean");
    float got[15], dense[15] = {[1] = 1, [14] = 2};
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dims[1], 5);
    if (!tensor_read(t, NULL, NULL, got, &err)) fail_msg("%s", err.text);
    assert_memory_equal(got, dense, sizeof got);
    checkpoint_unref(c);
    text_done(&p);
}

/* --- what is wrong -------------------------------------------------------------------- */

static void refuses(const Script *script, const char *part)
{
    Error err = {0};
    is_refused(try_script(script, &err), &err, part);
}

static void test_broken_sparse_tensor(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_text(&p, "mean");
    text_add(&p, "ctorch._utils\n_rebuild_sparse_tensor\n(K\x01(K\x03t\x88tR");
    put_end(&p);
    refuses(&(Script){.pickle = &p}, "its sparse data is no (indices, values, size)");
    text_done(&p);
}

static void test_tensor_of_no_table(void **state)
{
    (void)state;
    static const char *const ids[] = {"K\x01", "J\xFF\xFF\xFF\xFF", "N"};
    for (size_t i = 0; i < countof(ids); i++) {
        Text p = {0};
        put_object(&p, "Net");
        put_text(&p, "w");
        text_addf(&p, "ctorch.jit._pickle\nbuild_tensor_from_id\n(%stR", ids[i]);
        put_end(&p);
        refuses(&(Script){.pickle = &p}, "of a table that has 0");
        text_done(&p);
    }
}

static void test_missing_record_of_a_storage(void **state)
{
    (void)state;
    Text p = {0};
    put_object(&p, "Net");
    put_text(&p, "w");
    put_floats(&p, "../../etc/passwd", 8);
    put_end(&p);
    refuses(&(Script){.pickle = &p}, "the record 'm/data/../../etc/passwd', which is not in");
    text_done(&p);
}

/* PyTorch looks for it right in the archive's folder. */
static void test_constants_deeper_make_no_script(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0}, p = {0};
    text_add(&p, "}(");
    put_floats_at(&p, "w", 8, false);
    text_add(&p, "u.");
    const Record records[] = {{"m/data.pkl", p.bytes, p.length}, {"m/data/0", eight, sizeof eight},
                              {"m/x/constants.pkl", BYTES(").")}, {"m/version", BYTES("3\n")}};
    make_zip(&file, records, countof(records));
    Checkpoint *c = open_bytes(&file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(c), "torch-zip");
    has_keys(c, "", "w ");
    checkpoint_unref(c);
    text_done(&file);
    text_done(&p);
}

static void test_script_in_a_folder_more(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    const Record records[] = {{"o/m/data.pkl", BYTES("c__torch__\nNet\n)\x81}b.")},
                              {"o/m/constants.pkl", BYTES(").")}, {"o/m/version", BYTES("3\n")}};
    make_zip(&file, records, countof(records));
    Checkpoint *c = open_bytes(&file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(c), "torch-script");
    assert_string_equal(checkpoint_finding(c, 0)->kind, "prefix");
    checkpoint_unref(c);
    text_done(&file);
}

static void test_no_module(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    const Record records[] = {{"m/constants.pkl", BYTES(").")}, {"m/version", BYTES("3\n")}};
    make_zip(&file, records, countof(records));
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "'data.pkl' is not in the file");
    text_done(&file);
}

static void test_broken_constants(void **state)
{
    (void)state;
    Text p = {0}, k = {0};
    put_object(&p, "Net");
    put_end(&p);
    text_add(&k, "(K");
    refuses(&(Script){.pickle = &p, .constants = &k}, "constants.pkl: pickle opcode");
    text_done(&p);
    text_done(&k);
}

static void test_version_of_tomorrow(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    const Record records[] = {{"m/data.pkl", BYTES("N.")}, {"m/constants.pkl", BYTES(").")},
                              {"m/version", BYTES("11\n")}};
    make_zip(&file, records, countof(records));
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "file version 11; versions 1 to 10");
    text_done(&file);
}

/* Lines that only look like those of a class say nothing, and nothing falls over. */
static void test_odd_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "", "\n\n", "class Net", "class ", "class Net(Module)", "class Net(Module):\n  __parameters__",
        "class Net(Module):\n  __parameters__ = [\"wei", "class Net(Module):\n  __parameters__ = [",
        "class Net(Module):\n  __parameters__ = [\"\", \"weight\\\"\", ]", "  __buffers__ = [\"w\"]",
        "class Net(Module):\r\n  __parameters__ = [\"weight\"]\r\n",
    };
    for (size_t i = 0; i < countof(sources); i++) {
        Text p = {0};
        put_object(&p, "Net");
        put_floats_at(&p, "weight", 8, true);
        put_end(&p);
        Checkpoint *c = open_script(&p, sources[i]);
        assert_int_equal(checkpoint_container_count(c), 1 + (dict_count(container(c, "")->dict) == 0));
        checkpoint_unref(c);
    }
}

static void test_source_that_cannot_be_inflated(void **state)
{
    (void)state;
    Text p = {0}, file = {0};
    Error err = {0};
    put_object(&p, "Net");
    put_floats_at(&p, "weight", 8, true);
    put_end(&p);
    make_script(&file, &(Script){.pickle = &p, .source = "class Net(Module):\n"});
    for (size_t i = 0; i + 40 < file.length; i++)
        if (memcmp(file.bytes + i, "PK\1\2", 4) == 0 && strstr(file.bytes + i + 46, "__torch__.py") ==
                                                           file.bytes + i + 46 + strlen("m/code/"))
            file.bytes[i + 10] = 8;
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "__torch__.py: cannot be inflated");
    text_done(&p);
    text_done(&file);
}

/* A module inside itself: the depth ends it, a fan of it the allowance. */
static void test_module_inside_itself(void **state)
{
    (void)state;
    Text p = {0};
    text_add(&p, "c__torch__\nNet\n)\x81q\x05}(");
    put_text(&p, "me");
    text_add(&p, "h\x05");
    put_floats_at(&p, "weight", 8, true);
    put_end(&p);
    Checkpoint *c = open_script(&p, source);
    assert_int_equal(dict_count(container(c, "")->dict), 256);
    assert_string_equal(only_finding(c)->kind, "depth");
    checkpoint_unref(c);
    text_add(&p, "c__torch__\nNet\n)\x81q\x05}(");
    put_text(&p, "a");
    text_add(&p, "h\x05");
    put_text(&p, "b");
    text_add(&p, "h\x05");
    put_end(&p);
    refuses(&(Script){.pickle = &p, .source = source}, "the same parts are repeated so often");
    text_done(&p);
}

/* --- before 1.4 ----------------------------------------------------------------------- */

static Checkpoint *try_old(const char *model, const char *attributes, size_t n, Error *err)
{
    const Record records[] = {{"o/model.json", model, strlen(model)},
                              {"o/tensors/0", eight, sizeof eight},
                              {"o/version", BYTES("1\n")},
                              {"o/attributes.pkl", attributes, n}};
    return open_records(records, attributes ? 4 : 3, err);
}

#define TENSOR "{\"dims\":[\"2\",\"3\"],\"offset\":\"1\",\"strides\":[\"1\",\"2\"]," \
               "\"requiresGrad\":true,\"dataType\":\"FLOAT\",\"data\":{\"key\":\"tensors/0\"}}"
#define MODULE(parameters, rest) \
    "{\"mainModule\":{\"name\":\"M\",\"parameters\":[" parameters "]" rest "},\"tensors\":[" TENSOR "]}"

static void test_old_script(void **state)
{
    (void)state;
    Error err = {0};
    const char *model = MODULE(
        "{\"isBuffer\":false,\"tensorId\":\"0\",\"name\":\"w\"},{\"isBuffer\":true,\"name\":\"b\"}",
        ",\"submodules\":[{\"name\":\"0\",\"parameters\":[{\"tensorId\":\"0\",\"name\":\"w\"}],"
        "\"submodules\":[{\"name\":\"x.y\",\"parameters\":[{\"tensorId\":0,\"name\":\"w\"}]}]}],"
        "\"attributes\":[{\"name\":\"spare\",\"id\":\"1\"},{\"name\":\"none\",\"id\":\"-1\"},"
        "{\"name\":\"b\",\"id\":\"1\"},{\"name\":\"list\",\"id\":\"2\"}],\"getStateAttributeId\":\"3\"");
    Checkpoint *c = try_old(model, BYTES("(K\x01" "c__main__\nTensorID\n(K\x00tR"
                                         "c__main__\nTensorList\n](c__main__\nTensorID\n(K\x00tRe\x85R"
                                         "(ctorch.jit._pickle\nbuild_tensor_from_id\n(K\x00tRtt."),
                            &err);
    if (!c) fail_msg("%s", err.text);
    has_keys(c, "", "w b 0 0.w 0.x.y.w ");
    has_keys(c, "attributes", "spare list.0 ");
    is_parameter(c, "w", true);
    is_parameter(c, "b", false);
    float got[6];
    const float expected[6] = {1, 3, 5, 2, 4, 6};
    assert_true(tensor_read(tensor_at(c, "", "w"), NULL, NULL, got, &err));
    assert_memory_equal(got, expected, sizeof got);
    assert_ptr_equal(tensor_at(c, "", "w")->storage, tensor_at(c, "", "0.w")->storage);
    checkpoint_unref(c);
}

static void test_old_script_is_quantized(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = try_old("{\"mainModule\":{\"parameters\":[{\"tensorId\":\"0\",\"name\":\"q\"}]},"
                            "\"tensors\":[{\"dims\":[\"4\"],\"strides\":[\"1\"],\"dataType\":\"INT8\","
                            "\"data\":{\"key\":\"tensors/0\"},\"isQuantized\":true,\"scale\":0.5,"
                            "\"zeroPoint\":\"3\"}]}", NULL, 0, &err);
    if (!c) fail_msg("%s", err.text);
    const Tensor *t = tensor_at(c, "", "q");
    assert_int_equal(t->dtype, DT_QINT8);
    assert_string_equal(t->encoding->note, "quantized per tensor, scale 0.5, zero point 3");
    checkpoint_unref(c);
}

/* One case for each way in which model.json can be wrong. */
static void test_old_script_malformed(void **state)
{
    (void)state;
    static const struct { const char *model, *part; } cases[] = {
        {"{", "model.json"},
        {"[]", "has no \"mainModule\""},
        {"{\"mainModule\":3}", "has no \"mainModule\""},
        {"{\"tensors\":[{}]}", "tensor 0 of model.json: it names no record"},
        {"{\"tensors\":[{\"data\":{\"key\":\"tensors/0\"}}]}", "its type '' is not known"},
        {"{\"tensors\":[{\"dataType\":\"X\\u001b\",\"data\":{\"key\":\"t\"}}]}", "'X\\x1b' is not known"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"data\":{\"key\":\"tensors/9\"}}]}",
         "'o/tensors/9', which is not in the file"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"dims\":[\"9\"],\"strides\":[\"1\"],"
         "\"data\":{\"key\":\"tensors/0\"}}]}", "tensor 0 of model.json: "},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"dims\":[\"x\"],\"data\":{\"key\":\"tensors/0\"}}]}",
         "its sizes[0] is no 64-bit integer"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"dims\":[\"99999999999999999999\"],"
         "\"data\":{\"key\":\"tensors/0\"}}]}", "its sizes[0] is no 64-bit integer"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"dims\":\"2\",\"data\":{\"key\":\"tensors/0\"}}]}",
         "its sizes is no list"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"dims\":[\"-2\"],\"strides\":[\"1\"],"
         "\"data\":{\"key\":\"tensors/0\"}}]}", "tensor 0 of model.json: "},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"dims\":[\"2\"],\"data\":{\"key\":\"tensors/0\"}}]}",
         "it has 1 sizes, but 0 strides"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"offset\":\"-1\",\"data\":{\"key\":\"tensors/0\"}}]}",
         "its storage_offset is no integer from 0 on"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"offset\":\"9223372036854775807\","
         "\"data\":{\"key\":\"tensors/0\"}}]}", "beyond what 64 bits can address"},
        {"{\"tensors\":[{\"dataType\":\"FLOAT\",\"offset\":8,\"data\":{\"key\":\"tensors/0\"}}]}",
         "tensor 0 of model.json: "},
        {MODULE("{\"tensorId\":\"1\",\"name\":\"w\"}", ""), "its tensorId is none of the 1 tensors"},
        {MODULE("{\"tensorId\":\"-1\",\"name\":\"w\"}", ""), "its tensorId is none of"},
        {MODULE("{\"tensorId\":\"0\"}", ""), "a part of model.json below '' has no name"},
        {MODULE("", ",\"submodules\":[{\"name\":\"a\",\"submodules\":[3]}]"), "below 'a.' has no name"},
        {"{\"tensors\":[],\"tensors\":[]}", "tensors"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Error err = {0};
        is_refused(try_old(cases[i].model, NULL, 0, &err), &err, cases[i].part);
    }
}

static void test_old_attributes_malformed(void **state)
{
    (void)state;
    Error err = {0};
    assert_null(try_old(MODULE("", ""), BYTES("(c__main__\nTensorID\n(K\x01tRt."), &err));
    assert_error_has(err, "it is tensor 1 of a table that has 1");
    assert_null(try_old(MODULE("", ""), BYTES("(K"), &err));
    assert_error_has(err, "attributes.pkl");
}

/* JSON may be 128 deep, and modules as deep as that. */
static void test_old_script_nested_too_deep(void **state)
{
    (void)state;
    Text model = {0};
    Error err = {0};
    text_add(&model, "{\"mainModule\":{");
    for (int i = 0; i < 100; i++) text_add(&model, "\"submodules\":[{\"name\":\"a\",");
    text_add(&model, "\"z\":1");
    for (int i = 0; i < 100; i++) text_add(&model, "}]");
    text_add(&model, "}}");
    assert_null(try_old(text_string(&model), NULL, 0, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "model.json: JSON nested deeper than 128");
    text_done(&model);
}

/* --- fixtures ------------------------------------------------------------------------- */

static void test_fixture_of_torch_jit_script(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/script.pt");
    has_keys(c, "", "gain fixed part.scale part.lin.weight part.lin.bias again.weight again.bias ");
    has_keys(c, "attributes", "part.spare ");
    is_parameter(c, "fixed", true);
    is_parameter(c, "part.scale", false);
    float got[6];
    const float weight[6] = {6, 7, 8, 9, 10, 11};
    assert_true(tensor_read(tensor_at(c, "", "again.weight"), NULL, NULL, got, NULL));
    assert_memory_equal(got, weight, sizeof got);
    assert_ptr_equal(tensor_at(c, "", "again.weight")->storage,
                     tensor_at(c, "", "part.lin.weight")->storage);
    checkpoint_unref(c);
}

static void test_fixture_of_torch_jit_trace(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/trace.pt");
    has_keys(c, "", "0.weight 0.bias ");
    is_parameter(c, "0.weight", true);
    checkpoint_unref(c);
}

static void test_fixture_of_pytorch_1_3(void **state)
{
    (void)state;
    Checkpoint *c = open_sound("tests/data/zips/old.pt");
    has_keys(c, "", "weight count inner.weight ");
    has_keys(c, "attributes", "spare ");
    float got[2];
    const float spare[2] = {11, 12};
    assert_true(tensor_read(tensor_at(c, "attributes", "spare"), NULL, NULL, got, NULL));
    assert_memory_equal(got, spare, sizeof got);
    checkpoint_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles_are_told_by_the_source),
        cmocka_unit_test(test_names_are_those_of_the_state_dict),
        cmocka_unit_test(test_without_sources_gradients_tell),
        cmocka_unit_test(test_source_without_buffers),
        cmocka_unit_test(test_class_in_a_folder),
        cmocka_unit_test(test_objects_that_are_no_modules),
        cmocka_unit_test(test_lists_and_dicts_are_attributes),
        cmocka_unit_test(test_what_getstate_gave_is_numbered),
        cmocka_unit_test(test_constants_are_a_container),
        cmocka_unit_test(test_storages_of_the_lite_interpreter),
        cmocka_unit_test(test_module_without_tensors),
        cmocka_unit_test(test_dict_instead_of_a_module),
        cmocka_unit_test(test_sparse_tensors),
        cmocka_unit_test(test_broken_sparse_tensor),
        cmocka_unit_test(test_tensor_of_no_table),
        cmocka_unit_test(test_missing_record_of_a_storage),
        cmocka_unit_test(test_constants_deeper_make_no_script),
        cmocka_unit_test(test_script_in_a_folder_more),
        cmocka_unit_test(test_no_module),
        cmocka_unit_test(test_broken_constants),
        cmocka_unit_test(test_version_of_tomorrow),
        cmocka_unit_test(test_odd_sources),
        cmocka_unit_test(test_source_that_cannot_be_inflated),
        cmocka_unit_test(test_module_inside_itself),
        cmocka_unit_test(test_old_script),
        cmocka_unit_test(test_old_script_is_quantized),
        cmocka_unit_test(test_old_script_malformed),
        cmocka_unit_test(test_old_attributes_malformed),
        cmocka_unit_test(test_old_script_nested_too_deep),
        cmocka_unit_test(test_fixture_of_torch_jit_script),
        cmocka_unit_test(test_fixture_of_torch_jit_trace),
        cmocka_unit_test(test_fixture_of_pytorch_1_3),
    };
    return cmocka_run_group_tests_name("torch script", tests, NULL, NULL);
}
