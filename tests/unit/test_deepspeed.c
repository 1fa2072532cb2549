/* DeepSpeed's folders: merged as its own tool does, and every way in which their files disagree. */
#include "tests/unit/scratch_folder.h"
#include "tests/unit/torch_maker.h"

/* -- Folders of two ranks ---------------------------------------------------------------- */

static void read_floats(const Checkpoint *c, const char *path, const char *key, float *out)
{
    Error err = {0};
    if (!tensor_read(tensor_at(c, path, key), NULL, NULL, out, &err)) fail_msg("%s", err.text);
}

/* What make_folders.py wrote. */
static void has_weights(const Checkpoint *c)
{
    has_keys(c, "", "n.mean n.count f.weight a.weight a.bias n.weight tied.weight ");
    float a[15], bias[5], n[7], mean[2], tied[15];
    read_floats(c, "", "a.weight", a);
    read_floats(c, "", "tied.weight", tied);
    for (int i = 0; i < 15; i++) assert_true(a[i] == (float)i && tied[i] == a[i]);
    read_floats(c, "", "a.bias", bias);
    for (int i = 0; i < 5; i++) assert_true(bias[i] == (float)-i);
    read_floats(c, "", "n.weight", n);
    for (int i = 0; i < 7; i++) assert_true(n[i] == 100 + (float)i);
    read_floats(c, "", "n.mean", mean);
    assert_true(mean[0] == 1.5f && mean[1] == 2.5f);
    assert_int_equal(tensor_at(c, "", "n.mean")->dtype, DT_F32);
    assert_int_equal(tensor_at(c, "", "n.count")->dtype, DT_I64);
    assert_int_equal(tensor_at(c, "", "f.weight")->dtype, DT_BF16);
    uint16_t frozen[9];
    Error err = {0};
    assert_true(tensor_read(tensor_at(c, "", "f.weight"), NULL, NULL, frozen, &err));
    assert_int_equal(frozen[8], 0x4100);       /* 8 */
    assert_ptr_equal(tensor_at(c, "", "tied.weight")->storage,
                     tensor_at(c, "", "a.weight")->storage);
}

static void test_stage_2(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = checkpoint_open("tests/data/folders/zero2", &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(c), "deepspeed");
    has_weights(c);
    assert_int_equal(tensor_at(c, "module", "a.weight")->dtype, DT_BF16);
    size_t rivals;
    assert_string_equal(checkpoint_choose(c, &rivals, NULL)->path, "");
    assert_int_equal(rivals, 0);
    checkpoint_unref(c);
}

static void test_stage_3(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = checkpoint_open("tests/data/folders/zero3/global_step10", &err);
    if (!c) fail_msg("%s", err.text);
    has_weights(c);
    assert_int_equal(checkpoint_container_count(c), 1);
    checkpoint_unref(c);
}

/* Numbers of storages are those of the whole, so that what shares memory is known. */
static void test_storages_are_unique(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *c = checkpoint_open("tests/data/folders/zero2", &err);
    bool seen[64] = {false};
    for (size_t i = 0; i < checkpoint_container_count(c); i++) {
        const StateDict *dict = checkpoint_container(c, i)->dict;
        for (size_t j = 0; j < dict_count(dict); j++) {
            const Tensor *tensor = dict_at(dict, j);
            if (strcmp(tensor->name, "tied.weight") == 0 || strcmp(tensor->name, "n.count") == 0 ||
                strcmp(tensor->name, "f.weight") == 0)
                continue;          /* shared, by name and by both parts */
            assert_true(tensor->storage->index < 64 && !seen[tensor->storage->index]);
            seen[tensor->storage->index] = true;
        }
    }
    checkpoint_unref(c);
}

/* -- Files that are not there ------------------------------------------------------------- */

static void test_missing_rank(void **state)
{
    copy_data(state, "folders/zero2", "");
    unlink(path_of(state, "zero2/global_step10/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt"));
    must_refuse(state, "zero2", ERR_NOT_FOUND, "2 ranks wrote it, of 1 the optimizer's states are "
                "there; missing: bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt; fetch them too");
}

static void test_missing_model_states(void **state)
{
    copy_data(state, "folders/zero2", "");
    unlink(path_of(state, "zero2/global_step10/mp_rank_00_model_states.pt"));
    must_refuse(state, "zero2", ERR_NOT_FOUND, "its *_model_states.pt, which say the shapes");
}

static void test_missing_fragments(void **state)
{
    copy_data(state, "folders/zero3", "");
    unlink(path_of(state, "zero3/global_step10/zero_pp_rank_1_mp_rank_00_model_states.pt"));
    must_refuse(state, "zero3", ERR_NOT_FOUND, "there are 1 *_model_states.pt, which hold fragments");
}

static void test_latest(void **state)
{
    copy_data(state, "folders/zero2", "");
    write_text(state, "zero2/latest", "global_step11\n");
    must_refuse(state, "zero2", ERR_NOT_FOUND, "'latest' names 'global_step11', which is not there");
    static const char *const outside[] = {"../zero2", "/etc", "..", "", "a/../../b"};
    for (size_t i = 0; i < countof(outside); i++) {
        write_text(state, "zero2/latest", outside[i]);
        must_refuse(state, "zero2", ERR_FORMAT, "is no name of a file in its folder");
    }
}

static void test_latest_of_other_trainers(void **state)
{
    write_model(state, "run/step_2/model.safetensors", "ab");
    assert_int_equal(symlink("step_2", path_of(state, "run/latest")), 0);
    Checkpoint *c = must_open(state, "run");
    has_keys(c, "", "a b ");
    checkpoint_unref(c);
    write_model(state, "run/final.ckpt", "c");
    c = must_open(state, "run");
    has_keys(c, "", "c ");
    checkpoint_unref(c);
}

/* A folder that names itself is opened a few times, and no more. */
static void test_latest_in_a_circle(void **state)
{
    write_text(state, "run/latest", "again");
    assert_int_equal(symlink(".", path_of(state, "run/again")), 0);
    must_refuse(state, "run", ERR_LIMIT, "files inside files");
}

/* -- Files that disagree ------------------------------------------------------------------ */

/* A text of at most 255 bytes. */
static void put_key(Text *p, const char *text)
{
    text_addc(p, 'U');
    text_addc(p, (char)strlen(text));
    text_add(p, text);
}

/* Opcodes of a pickle become a file with storage "0" of eight floats. */
static void write_states(void **state, const char *name, Text *pickle)
{
    static const float values[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    Text file = {0};
    text_addc(pickle, '.');
    const Record records[] = {{"a/data.pkl", pickle->bytes, pickle->length},
                              {"a/data/0", values, sizeof values},
                              {"a/version", BYTES("3\n")}};
    make_zip(&file, records, countof(records));
    write_n(state, name, file.bytes, file.length);
    text_done(&file);
    text_done(pickle);
}

/* One rank; what is NULL or 0 has a plain meaning: one group of eight elements, w of 8. */
typedef struct MadeZero {
    int stage;               /* 2 when 0 */
    const char *count;       /* opcodes of partition_count */
    const char *flat;        /* opcodes of the list of flat tensors; "T" stands for the tensor */
    const char *shapes;      /* opcodes of param_shapes */
    const char *model;       /* opcodes of more items of the model's states */
    const char *optim;       /* opcodes of more items of the optimizer's */
} MadeZero;

/* Opcodes, with a flat tensor of eight floats for every "T". */
static void put_flat(Text *p, const char *opcodes)
{
    for (const char *at = opcodes; *at; at++) {
        if (*at == 'T') put_floats(p, "0", 8);
        else text_addc(p, *at);
    }
}

static void write_zero(void **state, const MadeZero *made)
{
    Text p = {0};
    int stage = made->stage ? made->stage : 2;
    text_add(&p, "}");
    put_key(&p, "optimizer_state_dict");
    text_add(&p, "}(");
    put_key(&p, "zero_stage");
    text_addf(&p, "K%c", stage);
    put_key(&p, "partition_count");
    text_add(&p, made->count ? made->count : "K\1");
    put_key(&p, stage == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups");
    put_flat(&p, made->flat ? made->flat : "](Te");
    if (made->optim) text_add(&p, made->optim);
    text_add(&p, "us");
    write_states(state, "z/zero_pp_rank_0_mp_rank_00_optim_states.pt", &p);
    text_add(&p, "}(");
    put_key(&p, "module");
    text_add(&p, "}");
    put_key(&p, "buffer_names");
    text_add(&p, "]");
    put_key(&p, "shared_params");
    text_add(&p, "}");
    put_key(&p, "param_shapes");
    text_add(&p, made->shapes ? made->shapes : "](}U\1w(K\x08tse");
    if (made->model) text_add(&p, made->model);
    text_add(&p, "u");
    write_states(state, "z/mp_rank_00_model_states.pt", &p);
}

static void refuses(void **state, MadeZero made, ErrorCode code, const char *words)
{
    write_zero(state, &made);
    must_refuse(state, "z", code, words);
}

static void test_made_by_hand(void **state)
{
    for (int stage = 1; stage <= 3; stage++) {
        write_zero(state, &(MadeZero){.stage = stage, .shapes = "](}(U\1w(K\2K\3tU\1v(K\2tue"});
        Checkpoint *c = must_open(state, "z");
        float w[6], v[2];
        read_floats(c, "", "w", w);
        read_floats(c, "", "v", v);
        assert_true(w[5] == 5 && v[0] == 6 && v[1] == 7);
        checkpoint_unref(c);
    }
}

static void test_stage_and_count(void **state)
{
    refuses(state, (MadeZero){.stage = 4}, ERR_FORMAT, "it says no zero_stage of 0 to 3");
    refuses(state, (MadeZero){.count = "I0\n"}, ERR_FORMAT, "there are 1 *_optim_states.pt");
    refuses(state, (MadeZero){.count = "J\xFF\xFF\xFF\xFF"}, ERR_FORMAT, "-1 ranks wrote it");
    refuses(state, (MadeZero){.count = "](K\1K\3e"}, ERR_NOT_FOUND,
            "missing: zero_pp_rank_1_mp_rank_00_optim_states.pt, zero_pp_rank_2_mp_rank_00");
    refuses(state, (MadeZero){.count = "J\xFF\xFF\xFF\x7F"}, ERR_NOT_FOUND, " …; fetch them too");
}

static void test_flat_groups(void **state)
{
    refuses(state, (MadeZero){.flat = "N"}, ERR_FORMAT, "no single_partition_of_fp32_groups");
    refuses(state, (MadeZero){.flat = "N", .stage = 3}, ERR_FORMAT, "it has no fp32_flat_groups");
    refuses(state, (MadeZero){.flat = "](Ne"}, ERR_FORMAT, "a flat group in it is no tensor");
    refuses(state, (MadeZero){.flat = "]"}, ERR_FORMAT, "param_shapes have more groups");
    refuses(state, (MadeZero){.flat = "]", .stage = 3}, ERR_FORMAT,
            "tensor 'w': it needs 8 elements of every rank, 0 are left");
}

static void test_elements_do_not_add_up(void **state)
{
    for (int stage = 2; stage <= 3; stage++) {
        refuses(state, (MadeZero){.stage = stage, .shapes = "](}U\1w(K\x09tse"}, ERR_FORMAT,
                "tensor 'w': it needs 9 elements");
        refuses(state, (MadeZero){.stage = stage, .shapes = "](}U\1w(K\5tse"}, ERR_FORMAT,
                "files of different checkpoints are mixed");
    }
    /* up to twice the number of ranks may be padding */
    write_zero(state, &(MadeZero){.shapes = "](}U\1w(K\7tse"});
    checkpoint_unref(must_open(state, "z"));
}

static void test_shapes(void **state)
{
    refuses(state, (MadeZero){.shapes = "](}U\1w(J\xFF\xFF\xFF\xFFtse"}, ERR_FORMAT,
            "tensor 'w': its size in param_shapes is more than 63 bits can count");
    refuses(state, (MadeZero){.shapes = "](}U\1w(J\xFF\xFF\xFF\x7FJ\xFF\xFF\xFF\x7FK\4tse"},
            ERR_FORMAT, "more than 63 bits");
    refuses(state, (MadeZero){.shapes = "](}U\1wNse"}, ERR_FORMAT, "its size is no tuple");
    refuses(state, (MadeZero){.shapes = "](}K\1(K\x08tse"}, ERR_FORMAT, "is no text");
    refuses(state, (MadeZero){.shapes = "](}(U\1w(K\4tU\1w(K\4tue"}, ERR_FORMAT,
            "tensor 'w': it stands twice in param_shapes");
    refuses(state, (MadeZero){.shapes = "N"}, ERR_FORMAT, "no buffer_names and param_shapes");
}

static void test_paddings(void **state)
{
    write_zero(state, &(MadeZero){.shapes = "](}(U\1a(K\2tU\1b(K\2tue",
                                  .optim = "U\x18param_alignment_paddings](](K\3K\1ee"});
    Checkpoint *c = must_open(state, "z");
    float b[2];
    read_floats(c, "", "b", b);
    assert_true(b[0] == 5 && b[1] == 6);
    checkpoint_unref(c);
    refuses(state, (MadeZero){.optim = "U\x18param_alignment_paddings](](K\3K\1ee"}, ERR_FORMAT,
            "param_alignment_paddings are not as many as the parameters");
}

static void test_frozen_without_fragment(void **state)
{
    refuses(state, (MadeZero){.model = "U\x13" "frozen_param_shapes}U\1f(K\2ts"}, ERR_FORMAT,
            "it lacks a frozen parameter that frozen_param_shapes names");
    refuses(state, (MadeZero){.model = "U\x13" "frozen_param_shapes}U\1f(K\2ts", .stage = 3},
            ERR_FORMAT, "it lacks a frozen parameter");
}

static void test_partitioned_experts_are_refused(void **state)
{
    refuses(state, (MadeZero){.model = "U\x10" "ds_autoep_layers](}U\x11" "checkpoint_formatU\x11"
                                       "zero3_partitionedse"},
            ERR_UNSUPPORTED, "AutoEP, zero3_partitioned");
}

/* A shared parameter that leads nowhere is left out, as the tool does; one to itself changes
 * nothing. */
static void test_shared(void **state)
{
    write_zero(state, &(MadeZero){.model = "U\rshared_params}(U\1aU\1wU\1bU\1xU\1wU\1wK\1U\1wu"});
    Checkpoint *c = must_open(state, "z");
    has_keys(c, "", "w a ");
    checkpoint_unref(c);
}

/* The optimizer for bf16 without a stage has the partitions of stage 1. */
static void test_no_stage(void **state)
{
    Text p = {0};
    write_zero(state, &(MadeZero){0});
    text_add(&p, "}");
    put_key(&p, "optimizer_state_dict");
    text_add(&p, "}(");
    put_key(&p, "partition_count");
    text_add(&p, "](K\1e");
    put_key(&p, "single_partition_of_fp32_groups");
    put_flat(&p, "](Te");
    text_add(&p, "us");
    write_states(state, "z/zero_pp_rank_0_mp_rank_00_optim_states.pt", &p);
    Checkpoint *c = must_open(state, "z");
    has_keys(c, "", "w ");
    checkpoint_unref(c);
}

static void test_stage_3_without_partitions(void **state)
{
    copy_data(state, "folders/zero3", "");
    unlink(path_of(state, "zero3/global_step10/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"));
    unlink(path_of(state, "zero3/global_step10/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt"));
    must_refuse(state, "zero3", ERR_NOT_FOUND, "has its weights in *_optim_states.pt");
}

static void test_tensor_in_two_files(void **state)
{
    write_model(state, "x/layer_0_expert_0_mp_rank_00_model_states.pt", "ab");
    write_model(state, "x/layer_0_expert_1_mp_rank_00_model_states.pt", "bc");
    Checkpoint *c = must_open(state, "x");
    has_keys(c, "", "a b c ");
    must_find(c, FINDING_ERROR, "duplicate", "1 of its tensors are in another file too");
    checkpoint_unref(c);
}

static void test_damaged_rank(void **state)
{
    copy_data(state, "folders/zero2", "");
    write_text(state, "zero2/global_step10/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt", "PK\3\4");
    must_refuse(state, "zero2", ERR_FORMAT, "rank_1_mp_rank_00_optim_states.pt: starts like a zip");
}

#define TESTS(X)                                                                                   \
    X(test_stage_2)                                                                                \
    X(test_stage_3)                                                                                \
    X(test_storages_are_unique)                                                                    \
    X(test_missing_rank)                                                                           \
    X(test_missing_model_states)                                                                   \
    X(test_missing_fragments)                                                                      \
    X(test_latest)                                                                                 \
    X(test_latest_of_other_trainers)                                                               \
    X(test_latest_in_a_circle)                                                                     \
    X(test_made_by_hand)                                                                           \
    X(test_stage_and_count)                                                                        \
    X(test_flat_groups)                                                                            \
    X(test_elements_do_not_add_up)                                                                 \
    X(test_shapes)                                                                                 \
    X(test_paddings)                                                                               \
    X(test_frozen_without_fragment)                                                                \
    X(test_partitioned_experts_are_refused)                                                        \
    X(test_shared)                                                                                 \
    X(test_no_stage)                                                                               \
    X(test_stage_3_without_partitions)                                                             \
    X(test_tensor_in_two_files)                                                                    \
    X(test_damaged_rank)

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder),

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(IN_FOLDER)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
