/* Folders of several parts: pipelines, ranks, several models, caches; and what lies beside. */
#include "tests/unit/scratch_folder.h"
#include "tests/unit/torch_maker.h"

/* The weights of a part, one letter each. */
static void has_letters(const Checkpoint *c, const char *path, const char *letters)
{
    Text found = {0};
    const StateDict *dict = container(c, path)->dict;
    for (size_t i = 0; i < dict_count(dict); i++) text_add(&found, dict_at(dict, i)->name);
    assert_string_equal(text_string(&found), letters);
    text_done(&found);
}

/* No two of the parts share a number of a storage; the joined one repeats them. */
static void has_unique_storages(const Checkpoint *c, size_t want)
{
    bool seen[64] = {false};
    size_t count = 0;
    for (size_t i = 0; i < checkpoint_container_count(c); i++) {
        const Container *one = checkpoint_container(c, i);
        for (size_t j = 0; one->path[0] && j < dict_count(one->dict); j++, count++) {
            uint32_t index = dict_at(one->dict, j)->storage->index;
            assert_true(index < 64 && !seen[index]);
            seen[index] = true;
        }
    }
    assert_int_equal(count, want);
}

static void test_pipeline(void **state)
{
    write_text(state, "p/model_index.json", "{\"_class_name\":\"X\",\"unet\":[\"d\",\"U\"],\"vae\":"
               "[\"d\",\"V\"],\"safety\":[null,null],\"image_encoder\":[\"t\",\"I\"]}");
    write_model(state, "p/unet/diffusion_pytorch_model.safetensors", "abc");
    write_model(state, "p/vae/diffusion_pytorch_model.fp16.safetensors", "de");
    write_text(state, "p/scheduler/scheduler_config.json", "{}");
    Checkpoint *c = must_open(state, "p");
    assert_string_equal(checkpoint_format(c), "pipeline");
    has_letters(c, "unet", "abc");
    has_letters(c, "vae", "de");
    has_keys(c, "", "unet.a unet.b unet.c vae.d vae.e ");
    has_unique_storages(c, 5);
    must_find(c, FINDING_WARNING, "missing", "names a part 'image_encoder', which is not there");
    checkpoint_unref(c);
}

/* A part that does not open is found, the others are there. */
static void test_pipeline_with_a_damaged_part(void **state)
{
    write_text(state, "p/model_index.json", "{}");
    write_model(state, "p/unet/model.safetensors", "ab");
    write_model(state, "p/vae/model.safetensors", "c");
    write_text(state, "p/text_encoder/model.safetensors", "PK\3\4");
    Checkpoint *c = must_open(state, "p");
    has_keys(c, "", "unet.a unet.b vae.c ");
    must_find(c, FINDING_ERROR, "part", "text_encoder: ");
    checkpoint_unref(c);
}

static void test_pipeline_that_is_none(void **state)
{
    write_text(state, "p/model_index.json", "{}");
    must_refuse(state, "p", ERR_NOT_FOUND, "of which no part with weights is there");
    write_model(state, "p/unet/model.safetensors", "a");
    write_text(state, "p/model_index.json", "{\"a\":");
    must_refuse(state, "p", ERR_FORMAT, "model_index.json: malformed JSON");
    write_text(state, "p/model_index.json", "[\"../x\"]");
    checkpoint_unref(must_open(state, "p"));
}

/* Folders are what is there: a part that leads out of it is only missing. */
static void test_pipeline_whose_parts_lie_outside(void **state)
{
    write_model(state, "up/model.safetensors", "z");
    write_model(state, "p/unet/model.safetensors", "a");
    write_model(state, "p/vae/model.safetensors", "b");
    write_text(state, "p/model_index.json", "{\"../up\":[\"d\",\"U\"],\"unet\":[\"d\",\"U\"],"
               "\"/etc\":[\"d\",\"U\"]}");
    Checkpoint *c = must_open(state, "p");
    has_keys(c, "", "unet.a vae.b ");
    must_find(c, FINDING_WARNING, "missing", "names a part '../up', which is not there");
    must_find(c, FINDING_WARNING, "missing", "names a part '/etc', which is not there");
    checkpoint_unref(c);
}

static void test_meta(void **state)
{
    write_model(state, "m/consolidated.00.pth", "ab");
    Checkpoint *c = must_open(state, "m");
    assert_string_equal(checkpoint_format(c), "safetensors");
    checkpoint_unref(c);
    write_model(state, "m/consolidated.01.pth", "ab");
    write_model(state, "m/consolidated.03.pth", "ab");
    c = must_open(state, "m");
    assert_string_equal(checkpoint_format(c), "meta");
    has_letters(c, "consolidated.01", "ab");
    has_unique_storages(c, 6);
    must_find(c, FINDING_ERROR, "missing", "the part with number 2 (before consolidated.03.pth)");
    checkpoint_unref(c);
}

static void test_megatron(void **state)
{
    write_model(state, "m/iter_0000100/mp_rank_00/model_optim_rng.pt", "ab");
    write_model(state, "m/iter_0000100/mp_rank_01/model_optim_rng.pt", "ab");
    write_text(state, "m/latest_checkpointed_iteration.txt", "100\n");
    Checkpoint *c = must_open(state, "m");
    assert_string_equal(checkpoint_format(c), "megatron");
    has_letters(c, "mp_rank_01", "ab");
    has_keys(c, "", "mp_rank_00.a mp_rank_00.b mp_rank_01.a mp_rank_01.b ");
    has_unique_storages(c, 4);
    assert_int_equal(checkpoint_file_count(c), 2);
    const StateDict *all = container(c, "")->dict;
    assert_string_equal(checkpoint_file_of(c, dict_at(all, 1))->name, "mp_rank_00");
    assert_string_equal(checkpoint_file_of(c, dict_at(all, 2))->name, "mp_rank_01");
    assert_null(checkpoint_file_of(c, &(Tensor){.name = "of no storage"}));
    checkpoint_unref(c);
    assert_int_equal(mkdir(path_of(state, "m/iter_0000100/mp_rank_02"), 0777), 0);
    must_refuse(state, "m", ERR_NOT_FOUND, "its part mp_rank_02 holds no model_optim_rng.pt");
}

static void test_megatron_iterations(void **state)
{
    static const char *const outside[] = {"../m", "/", "..", "a/../b"};
    write_text(state, "m/latest_checkpointed_iteration.txt", "7");
    must_refuse(state, "m", ERR_NOT_FOUND, "leads to 'iter_0000007', which is not there");
    for (size_t i = 0; i < countof(outside); i++) {
        write_text(state, "m/latest_checkpointed_iteration.txt", outside[i]);
        must_refuse(state, "m", ERR_FORMAT, "is no name of a file in its folder");
    }
    write_n(state, "m/latest_checkpointed_iteration.txt", (char[300]){0}, 300);
    must_refuse(state, "m", ERR_LIMIT, "more than the limit");
}

static void test_accelerate(void **state)
{
    write_model(state, "a/model.safetensors", "ab");
    write_model(state, "a/model_1.safetensors", "c");
    write_model(state, "a/optimizer_1.bin", "z");
    Checkpoint *c = must_open(state, "a");
    assert_string_equal(checkpoint_format(c), "accelerate");
    has_letters(c, "model", "ab");
    has_letters(c, "model_1", "c");
    must_find(c, FINDING_NOTE, "beside", "to be opened by name: optimizer_1.bin");
    checkpoint_unref(c);
}

static void test_fsdp(void **state)
{
    copy_data(state, "folders/dcp", "pytorch_model_fsdp_0");
    write_text(state, "optimizer_0/.metadata", "");
    Checkpoint *c = must_open(state, ".");
    assert_string_equal(checkpoint_format(c), "dcp");
    must_find(c, FINDING_NOTE, "beside", "optimizer_0");
    checkpoint_unref(c);
    write_model(state, "local/pytorch_model_fsdp_rank0.bin", "f");
    write_model(state, "local/pytorch_model_fsdp_rank1.bin", "f");
    c = must_open(state, "local");
    has_letters(c, "pytorch_model_fsdp_rank1", "f");
    must_find(c, FINDING_NOTE, "part", "flattened parameters (flat_param)");
    checkpoint_unref(c);
}

static void test_cache(void **state)
{
    write_model(state, "hub/blobs/1234", "ab");
    write_text(state, "hub/refs/main", "rev1");
    assert_int_equal(mkdir(path_of(state, "hub/snapshots"), 0777), 0);
    must_refuse(state, "hub", ERR_NOT_FOUND, "without a revision in 'snapshots'");
    assert_int_equal(mkdir(path_of(state, "hub/snapshots/rev1"), 0777), 0);
    assert_int_equal(symlink("../../blobs/1234", path_of(state, "hub/snapshots/rev1/"
                                                         "model.safetensors")), 0);
    Checkpoint *c = must_open(state, "hub");
    has_letters(c, "", "ab");
    checkpoint_unref(c);
    assert_int_equal(mkdir(path_of(state, "hub/snapshots/rev2"), 0777), 0);
    must_refuse(state, "hub", ERR_NOT_FOUND, "name one of them: snapshots/rev1, snapshots/rev2");
}

static void test_run(void **state)
{
    write_model(state, "run/checkpoint-9/model.safetensors", "a");
    Checkpoint *c = must_open(state, "run");
    has_letters(c, "", "a");
    checkpoint_unref(c);
    write_model(state, "run/checkpoint-10/model.safetensors", "b");
    must_refuse(state, "run", ERR_NOT_FOUND, "name one of them: checkpoint-9, checkpoint-10");
    write_model(state, "run/model.safetensors", "c");      /* the final model is the run's */
    c = must_open(state, "run");
    has_letters(c, "", "c");
    checkpoint_unref(c);
}

static void test_variants(void **state)
{
    write_model(state, "v/model.fp16.safetensors", "a");
    write_model(state, "v/pytorch_model.fp16.bin", "b");
    Checkpoint *c = must_open(state, "v");
    has_letters(c, "", "a");
    must_find(c, FINDING_NOTE, "copies", "2 copies of a model; model.fp16.safetensors was taken");
    checkpoint_unref(c);
    write_model(state, "v/model.int8.safetensors", "c");
    must_refuse(state, "v", ERR_NOT_FOUND, "3 files in it may be meant");
}

static void test_training_state_is_no_model(void **state)
{
    static const char *const names[] = {"optimizer.pt", "scheduler.bin", "rng_state_0.pth",
                                        "random_states_0.pkl", "training_args.bin", "scaler.pt",
                                        "dl_state_dict.bin", "custom_checkpoint_0.pkl"};
    for (size_t i = 0; i < countof(names); i++) {
        write_model(state, names[i], "z");
        must_refuse(state, ".", ERR_NOT_FOUND, "a folder without a model");
    }
    write_model(state, "weights.bin", "a");
    Checkpoint *c = must_open(state, ".");
    has_letters(c, "", "a");
    checkpoint_unref(c);
}

static void test_deepspeed_beside_a_model(void **state)
{
    copy_data(state, "folders/zero2", "run");
    write_model(state, "run/model.safetensors", "a");
    Checkpoint *c = must_open(state, "run");
    has_letters(c, "", "a");
    must_find(c, FINDING_NOTE, "beside", "to be opened by name: global_step10");
    checkpoint_unref(c);
}

#define TESTS(X)                                                                                   \
    X(test_pipeline)                                                                               \
    X(test_pipeline_with_a_damaged_part)                                                           \
    X(test_pipeline_whose_parts_lie_outside)                                                       \
    X(test_pipeline_that_is_none)                                                                  \
    X(test_meta)                                                                                   \
    X(test_megatron)                                                                               \
    X(test_megatron_iterations)                                                                    \
    X(test_accelerate)                                                                             \
    X(test_fsdp)                                                                                   \
    X(test_cache)                                                                                  \
    X(test_run)                                                                                    \
    X(test_variants)                                                                               \
    X(test_training_state_is_no_model)                                                             \
    X(test_deepspeed_beside_a_model)

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder),

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(IN_FOLDER)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
