/* DeepSpeed's universal checkpoints: a folder laid out as ds_to_universal.py does it, of files that
 * torch wrote (tests/data/folders/universal), and what can be wrong with one. */
#include "tests/unit/scratch_folder.h"

#include "loader/core/limits.h"

static const char tag[] = "u/global_step10_universal";

static const StateDict *part(const Checkpoint *checkpoint, const char *path)
{
    const Container *one = checkpoint_find_container(checkpoint, path);
    if (!one) fail_msg("no container '%s'", path);
    return one->dict;
}

static const char *below(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", tag, name);
    return path;
}

static int copy_folder(void **state)
{
    int status = make_folder(state);
    if (!status) copy_data(state, "folders/universal", "u");
    return status;
}

/* The order, and the buffer, are the module's; the values those of fp32.pt. */
static void test_weights_and_states(void **state)
{
    static const char *const names[] = {"fc.weight", "fc.bias", "norm.mean", "norm.weight"};
    Checkpoint *checkpoint = must_open(state, "u");
    assert_string_equal(checkpoint_format(checkpoint), "deepspeed-universal");
    const StateDict *dict = part(checkpoint, "");
    assert_int_equal(dict_count(dict), countof(names));
    assert_true(dict_is_ordered(dict));
    for (size_t i = 0; i < countof(names); i++)
        assert_string_equal(dict_at(dict, i)->name, names[i]);
    assert_int_equal(dict_find(dict, "fc.bias")->dtype, DT_F32);
    assert_int_equal(dict_find(dict, "norm.mean")->dtype, DT_BF16);
    assert_int_equal(dict_count(part(checkpoint, "exp_avg")), 3);
    assert_true(checkpoint_find_container(checkpoint, "exp_avg_sq")->optimizer);
    assert_int_equal(dict_count(part(checkpoint, "step")), 1);
    float bias[3], average[3];
    Error err = {0};
    assert_true(tensor_read(dict_find(dict, "fc.bias"), NULL, NULL, bias, &err));
    assert_true(tensor_read(dict_find(part(checkpoint, "exp_avg"), "fc.bias"), NULL, NULL, average,
                            &err));
    assert_true(bias[1] == 2 * average[1]);
    checkpoint_unref(checkpoint);
}

/* Without the model's files there are no buffers, and no order. */
static void test_without_the_module(void **state)
{
    unlink(path_of(state, below("mp_rank_00_model_states.pt")));
    Checkpoint *checkpoint = must_open(state, tag);
    assert_int_equal(dict_count(part(checkpoint, "")), 3);
    assert_false(dict_is_ordered(part(checkpoint, "")));
    checkpoint_unref(checkpoint);
}

static void test_a_parameter_without_weights(void **state)
{
    unlink(path_of(state, below("zero/fc.bias/fp32.pt")));
    Checkpoint *checkpoint = must_open(state, "u");
    must_find(checkpoint, FINDING_ERROR, "missing", "1 parameter(s) without fp32.pt, such as 'fc.bias'");
    /* as the module has it, in 16 bits */
    assert_int_equal(dict_find(part(checkpoint, ""), "fc.bias")->dtype, DT_BF16);
    checkpoint_unref(checkpoint);
}

static void test_no_weights_at_all(void **state)
{
    unlink(path_of(state, below("zero/fc.bias/fp32.pt")));
    unlink(path_of(state, below("zero/fc.weight/fp32.pt")));
    unlink(path_of(state, below("zero/norm.weight/fp32.pt")));
    must_refuse(state, "u", ERR_NOT_FOUND, "without any NAME/fp32.pt; fetch its folders too");
}

static void test_files_that_are_no_parts(void **state)
{
    write_n(state, below("zero/fc.bias/fp32.pt"), "\x80\x02}X\5\0\0\0paramK\7s.", 17);
    must_refuse(state, "u", ERR_FORMAT, "it holds no tensor, nor one as 'param'");
    write_n(state, below("zero/fc.bias/fp32.pt"), "PK\3\4", 4);
    must_refuse(state, "u", ERR_FORMAT, "zero/fc.bias/fp32.pt: starts like a zip");
    write_n(state, below("zero/fc.bias/fp32.pt"), "", 0);
    must_refuse(state, "u", ERR_FORMAT, "zero/fc.bias/fp32.pt: the file is empty");
}

/* A file beside the folders is none of a parameter's, but a text is nobody's folder. */
static void test_what_is_no_folder(void **state)
{
    write_text(state, below("zero/README"), "hello");
    must_refuse(state, "u", ERR_IO, "zero/README");
}

static void test_more_states_than_fit(void **state)
{
    for (int i = 0; i < 20; i++) {
        Text command = {0};
        const char *folder = path_of(state, below("zero/fc.bias"));
        text_addf(&command, "cp '%s/exp_avg.pt' '%s/s%d.pt'", folder, folder, i);
        assert_int_equal(system(text_string(&command)), 0);
        text_done(&command);
    }
    Checkpoint *checkpoint = must_open(state, "u");
    assert_int_equal(checkpoint_container_count(checkpoint), 16);
    assert_int_equal(dict_count(part(checkpoint, "")), 4);
    checkpoint_unref(checkpoint);
}

static void test_more_parameters_than_allowed(void **state)
{
    Error err = {0};
    assert_true(limit_set("shards=2", &err));
    must_refuse(state, "u", ERR_LIMIT, "its parameters are more than the limit of 2");
    assert_true(limit_set("shards=100000", &err));
}

static void test_latest_that_leads_nowhere(void **state)
{
    write_text(state, "u/latest_universal", "global_step11\n");
    must_refuse(state, "u", ERR_NOT_FOUND, "its file 'latest_universal' names 'global_step11'");
    write_text(state, "u/latest_universal", "../../etc");
    must_refuse(state, "u", ERR_FORMAT, "'../../etc' is no name of a file in its folder");
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, copy_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_weights_and_states), IN_FOLDER(test_without_the_module),
        IN_FOLDER(test_a_parameter_without_weights), IN_FOLDER(test_no_weights_at_all),
        IN_FOLDER(test_files_that_are_no_parts), IN_FOLDER(test_what_is_no_folder),
        IN_FOLDER(test_more_states_than_fit), IN_FOLDER(test_more_parameters_than_allowed),
        IN_FOLDER(test_latest_that_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
