/* DCP's safetensors: shards of ranks whose parts do not fit, or say nonsense of their places. */
#include "tests/unit/scratch_folder.h"
#include "tests/unit/torch_maker.h"

/* A shard with a tensor "w" of `rows` rows of two u8, all `value`; `info` is the text of
 * DCP_SHARDING_INFO with \" for ", or NULL. */
static void write_shard(void **state, int rank, int rows, char value, const char *info)
{
    Text header = {0}, file = {0};
    text_add(&header, "{\"__metadata__\":{");
    if (info) text_addf(&header, "\"DCP_SHARDING_INFO\":\"%s\",", info);
    text_addf(&header, "\"format\":\"pt\"},\"w\":{\"dtype\":\"U8\",\"shape\":[%d,2],"
              "\"data_offsets\":[0,%d]}}", rows, 2 * rows);
    for (int i = 0; i < 8; i++) text_addc(&file, (char)(header.length >> 8 * i & 0xFF));
    text_addn(&file, header.bytes, header.length);
    for (int i = 0; i < 2 * rows; i++) text_addc(&file, value);
    char name[80];
    snprintf(name, sizeof name, "shard-%05d-model-00001-of-00001.safetensors", rank);
    write_n(state, name, file.bytes, file.length);
    text_done(&header);
    text_done(&file);
}

static const char at_0[] = "{\\\"w\\\":{\\\"saved_offsets\\\":[0,0]}}";
static const char at_2[] = "{\\\"w\\\":{\\\"saved_offsets\\\":[2,0]}}";
static const char at_1[] = "{\\\"w\\\":{\\\"saved_offsets\\\":[1,0]}}";

static void test_two_ranks(void **state)
{
    write_shard(state, 1, 2, 'a', at_0);
    write_shard(state, 2, 1, 'b', at_2);
    Checkpoint *c = must_open(state, ".");
    const Tensor *w = tensor_at(c, "", "w");
    assert_int_equal(w->dims[0], 3);
    char out[7] = {0};
    Error err = {0};
    assert_true(tensor_read(w, NULL, NULL, out, &err));
    assert_string_equal(out, "aaaabb");
    checkpoint_unref(c);
}

static void test_one_rank_alone(void **state)
{
    write_shard(state, 1, 2, 'a', NULL);
    Checkpoint *c = must_open(state, ".");
    assert_int_equal(tensor_at(c, "", "w")->dims[0], 2);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
}

static void test_missing_rank(void **state)
{
    write_shard(state, 1, 1, 'a', at_0);
    write_shard(state, 3, 1, 'b', at_2);
    Checkpoint *c = must_open(state, ".");
    assert_true(tensor_at(c, "", "w")->encoding->opaque);
    must_find(c, FINDING_ERROR, "hole", "its parts have 4 of the 6 bytes");
    checkpoint_unref(c);
}

static void test_first_rank_missing(void **state)
{
    write_shard(state, 2, 1, 'b', at_2);
    Checkpoint *c = must_open(state, ".");
    must_find(c, FINDING_ERROR, "hole", "its parts have 2 of the 6 bytes");
    checkpoint_unref(c);
}

static void test_overlap(void **state)
{
    write_shard(state, 1, 2, 'a', at_0);
    write_shard(state, 2, 1, 'b', at_1);
    Checkpoint *c = must_open(state, ".");
    must_find(c, FINDING_ERROR, "overlap", "overlaps the part");
    checkpoint_unref(c);
}

static void test_places_that_are_none(void **state)
{
    static const struct { const char *info, *words; } cases[] = {
        {"{\\\"w\\\":{\\\"saved_offsets\\\":[-1,0]}}", "are no 2 integers from 0 on"},
        {"{\\\"w\\\":{\\\"saved_offsets\\\":[0]}}", "are no 2 integers"},
        {"{\\\"w\\\":{\\\"saved_offsets\\\":[0,1.5]}}", "are no 2 integers"},
        {"{\\\"w\\\":{\\\"saved_offsets\\\":\\\"0\\\"}}", "are no 2 integers"},
        {"{\\\"w\\\":{\\\"saved_offsets\\\":[9223372036854775807,0]}}", "are no 2 integers"},
        {"{\\\"w\\\":7}", "are no 2 integers"},
        {"{\\\"v\\\":{}}", "does not say where this part of it belongs"},
        {"[]", "is no JSON object"},
        {"{\\\"w\\\":", "malformed JSON"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        write_shard(state, 1, 1, 'a', cases[i].info);
        must_refuse(state, ".", ERR_FORMAT, cases[i].words);
    }
}

/* A place far out makes a large tensor, of which nearly all is missing: a claim costs nothing. */
static void test_place_far_out(void **state)
{
    write_shard(state, 1, 1, 'a', "{\\\"w\\\":{\\\"saved_offsets\\\":[4000000000000000,0]}}");
    Checkpoint *c = must_open(state, ".");
    assert_true(tensor_at(c, "", "w")->encoding->opaque);
    checkpoint_unref(c);
    write_shard(state, 1, 1, 'a', "{\\\"w\\\":{\\\"saved_offsets\\\":[9223372036854775000,0]}}");
    must_refuse(state, ".", ERR_FORMAT, "tensor 'w'");
}

static void test_other_files(void **state)
{
    write_shard(state, 1, 1, 'a', at_0);
    write_text(state, "shard-00002-model-00001-of-00001.safetensors", "w (1, 2)\n");
    must_refuse(state, ".", ERR_FORMAT, "it is no safetensors file");
}

#define TESTS(X)                                                                                   \
    X(test_two_ranks)                                                                              \
    X(test_one_rank_alone)                                                                         \
    X(test_missing_rank)                                                                           \
    X(test_first_rank_missing)                                                                     \
    X(test_overlap)                                                                                \
    X(test_places_that_are_none)                                                                   \
    X(test_place_far_out)                                                                          \
    X(test_other_files)

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder),

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(IN_FOLDER)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
