/* Opening by path: what a thing is, folders, sharded models, and refusals that say what to do. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/format/hdf5_child.h"
#include "tests/unit/scratch_folder.h"

static void make_subfolder(void **state, const char *name)
{
    assert_int_equal(mkdir(path_of(state, name), 0777), 0);
}

static void refuse_bytes(void **state, const void *bytes, size_t n, ErrorCode code,
                         const char *words)
{
    write_n(state, "file.pth", bytes, n);
    must_refuse(state, "file.pth", code, words);
}

static void refuse_text(void **state, const char *text, ErrorCode code, const char *words)
{
    refuse_bytes(state, text, strlen(text), code, words);
}

/* The names of the weights, one letter each. */
static void expect_names(const Checkpoint *checkpoint, const char *names)
{
    Text found = {0};
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    for (size_t i = 0; i < dict_count(dict); i++) text_add(&found, dict_at(dict, i)->name);
    assert_string_equal(text_string(&found), names);
    text_done(&found);
}

static void expect_warning(const Checkpoint *checkpoint, const char *words)
{
    for (size_t i = 0; i < checkpoint_finding_count(checkpoint); i++)
        if (strstr(checkpoint_finding(checkpoint, i)->what, words)) return;
    fail_msg("no warning holds \"%s\"", words);
}

/* Every kind of file (FORMATS 0), and of zip, under the name of another. */
static void test_content_decides_and_never_the_name(void **state)
{
    static const struct { const char *file, *name, *format; } cases[] = {
        {"kinds/plain.safetensors", "x.pth.tar", "safetensors"},
        {"kinds/plain.safetensors", "x.bin", "safetensors"},
        {"kinds/zip.pth", "x.safetensors", "torch-zip"},
        {"kinds/zip.pth", "x.pth.tar", "torch-zip"},
        {"kinds/legacy.pth", "x.gguf", "torch-legacy"},
        {"pickled/old.tar", "x.npz", "torch-tar"},
        {"numpy/numpy2-protocol2.pkl", "x.onnx", "pickle"},
        {"numpy/numpy2-paddle.pdparams", "x.index", "pickle"},
        {"gguf/types.gguf", "x.pth", "gguf"},
        {"numpy/numpy2-f4.npy", "x.h5", "npy"},
        {"mxnet/v2.params", "x.pt", "mxnet"},
        {"flax/model.msgpack", "x.npy", "flax"},
        {"onnx/dense.onnx", "x.caffemodel", "onnx"},
        {"caffe/tiny.caffemodel", "x.onnx", "caffe"},
        {"keras/model.h5", "x.zip", "keras-h5"},
        {"keras/model.keras", "x.pt2", "keras"},
        {"numpy/numpy2-stored.npz", "x.keras", "npz"},
        {"zips/script.pt", "x.npz", "torch-script"},
        {"zips/old.pt", "x.msgpack", "torch-script"},
        {"zips/export.pt2", "x.params", "torch-export"},
        {"zips/package.pt", "x.pkl", "torch-package"},
        {"zips/hub.zip", "x.pt2", "torch-zip"},
        {"zips/agent.zip", "x.json", "zip"},
        {"kinds/listing.txt", "x.pkl", "schema"},
        {"kinds/schema.json", "x.txt", "schema"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        if (has_prefix(cases[i].format, "keras") && !hdf5_is_built()) continue;
        copy_data(state, cases[i].file, cases[i].name);
        Checkpoint *checkpoint = must_open(state, cases[i].name);
        assert_string_equal(checkpoint_format(checkpoint), cases[i].format);
        checkpoint_unref(checkpoint);
    }
}

/* -- Things that are no checkpoint ------------------------------------------------------ */

static void test_missing(void **state)
{
    must_refuse(state, "nothing.pth", ERR_NOT_FOUND, "nothing.pth: there is no such file or folder");
    write_text(state, "file", "x");
    must_refuse(state, "file/inside", ERR_NOT_FOUND, "there is no such file or folder");
    assert_int_equal(symlink("../blobs/123", path_of(state, "model.bin")), 0);
    must_refuse(state, "model.bin", ERR_NOT_FOUND,
           "a symbolic link to '../blobs/123', which is not there");
    Error err = {0};
    assert_null(checkpoint_open("ftp://example.org/x.pth", &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

static void test_permission(void **state)
{
    if (geteuid() == 0) skip(); /* root may read everything */
    write_text(state, "file.pth", "x");
    assert_int_equal(chmod(path_of(state, "file.pth"), 0), 0);
    must_refuse(state, "file.pth", ERR_IO, "Permission denied");
}

static void test_pipe_does_not_hang(void **state)
{
    assert_int_equal(mkfifo(path_of(state, "pipe"), 0600), 0);
    must_refuse(state, "pipe", ERR_FORMAT, "is a pipe or a device");
}

static void test_empty_file(void **state)
{
    refuse_bytes(state, "", 0, ERR_FORMAT, "the file is empty (0 bytes)");
}

static void test_lfs_pointer(void **state)
{
    refuse_text(state,
                "version https://git-lfs.github.com/spec/v1\n"
                "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
                "size 95064632\n",
                ERR_FORMAT,
                "a Git-LFS pointer, not the file itself (95.1 MB); "
                "run `git lfs pull`");
    refuse_text(state, "version https://git-lfs.github.com/spec/v1\n", ERR_FORMAT, "not given");
}

static void test_saved_pages(void **state)
{
    refuse_text(state, "<!DOCTYPE html><html><body>Sign in</body></html>", ERR_FORMAT,
                "a web page");
    refuse_text(state, "\n\n  <HTML>", ERR_FORMAT, "a web page");
    refuse_text(state, "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
                ERR_FORMAT, "a web page");
    refuse_text(state, "{\"error\":\"Repository not found\"}", ERR_FORMAT,
                "a server's error message in JSON");
    refuse_text(state, "Entry not found", ERR_FORMAT,
                "a server's error message ('Entry not found')");
}

static void test_link_as_text(void **state)
{
    refuse_text(state, "../../blobs/fe8a4ea1ffed", ERR_FORMAT,
                "only a path ('../../blobs/fe8a4ea1ffed')");
}

static void test_other_formats(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *words;
    } cases[] = {
        {"GGUF\1\0\0\0", 8, "GGUF version 1, of August 2023"},
        {"lmgg\0\0\0\0", 8, "an old ggml file"},
        {"fmgg\0\0\0\0", 8, "an old ggml file"},
        {"tjgg\0\0\0\0", 8, "an old ggml file"},
        {"algg\0\0\0\0", 8, "an old ggml adapter file"},
        {"PYTORCH1\0", 9, "PyTorch 1.0 preview"},
        {"\0\0\0\0PTMF", 8, "PyTorch Lite"},
        {"\x18\0\0\0ORTM", 8, "an ONNX Runtime file"},
        {"\x1C\0\0\0TFL3", 8, "a TensorFlow Lite file"},
        {"\x08\x90\x4E\x12\x0Fnet.caffemodel\0\x1A\0", 22, "the state of a Caffe solver"},
        {"\x08\x01\x10\x03\x18\x01\x20\x01\x2A\x04\0\0\0\0", 14, "a single Caffe blob"},
        {"\x08\x01\x12\x02\x0A\0", 6, "the graph of a TensorFlow SavedModel"},
        {"\x0A\x03\x0A\x01x\x0A\x03\x0A\x01y\x22\0", 12, "a TensorFlow graph"},
        {"\x81\xA6params\x80", 9, "a MessagePack file without arrays"},
        {"PK\5\6\0\0\0\0", 8, "an empty zip"},
        {"\xFF\xFE"
         "a\0",
         4, "UTF-16 text"},
    };
    for (size_t i = 0; i < countof(cases); i++)
        refuse_bytes(state, cases[i].bytes, cases[i].n, ERR_UNSUPPORTED, cases[i].words);
}

static void test_compressed(void **state)
{
    static const struct {
        const char *bytes, *words;
    } cases[] = {{"\x1f\x8b\x08\x08", "gunzip"},
                 {"\xFD"
                  "7zXZ\0",
                  "unxz"},
                 {"\x28\xB5\x2F\xFD", "unzstd"},
                 {"BZh91AY&", "bunzip2"},
                 {"7z\xBC\xAF\x27\x1C", "7z x"},
                 {"Rar!\x1a\x07", "unrar"}};
    for (size_t i = 0; i < countof(cases); i++)
        refuse_bytes(state, cases[i].bytes, strlen(cases[i].bytes) + 1, ERR_UNSUPPORTED,
                     cases[i].words);
}

static void test_tars(void **state)
{
    char tar[1024] = "weights/net.pth";
    memcpy(tar + 257, "ustar", 6);
    refuse_bytes(state, tar, sizeof tar, ERR_UNSUPPORTED, "a tar archive; unpack it first");
    memcpy(tar, "sys_info", 9);      /* one member makes no checkpoint */
    refuse_bytes(state, tar, sizeof tar, ERR_UNSUPPORTED, "a tar of PyTorch 0.1 of which members");
}

static void test_zip_that_was_cut(void **state)
{
    char zip[300] = "PK\3\4\0\0\0\0\0\0";
    memset(zip + 30, 'x', 200);
    refuse_bytes(state, zip, sizeof zip, ERR_FORMAT, "300");
    refuse_bytes(state, zip, sizeof zip, ERR_FORMAT, "cut");
}

static void test_zeros_and_noise(void **state)
{
    static const char zeros[8192];
    refuse_bytes(state, zeros, sizeof zeros, ERR_FORMAT, "its first 4.1 kB are all zero");
    refuse_bytes(
        state, "\xDE\xAD\xBE\xEFRIFF\0", 9, ERR_FORMAT,
        "no format that tenon knows; it begins with de ad be ef 52 49 46 46 00  |....RIFF.|");
    refuse_bytes(state, "\x07", 1, ERR_FORMAT, "it begins with 07");
}

static void test_safetensors_that_is_damaged(void **state)
{
    refuse_bytes(state, "\x3C\0\0\0\0\0\0\0{\"test\":", 16, ERR_FORMAT, "cut short");
    refuse_bytes(state, "\x3C\0\0\0\0\xFF\xFF\xFF{\"test\":", 16, ERR_LIMIT, "more than the limit");
}

/* -- Folders ---------------------------------------------------------------------------- */

static void test_folder_without_model(void **state)
{
    make_subfolder(state, "empty");
    must_refuse(state, "empty", ERR_NOT_FOUND, "a folder without a model");
    must_refuse(state, "empty", ERR_NOT_FOUND, "it is empty");
    make_subfolder(state, "docs");
    write_text(state, "docs/config.json", "{}");
    write_text(state, "docs/README.md", "a (1, 2)\n");
    must_refuse(state, "docs", ERR_NOT_FOUND, "there are: README.md, config.json");
}

static void test_folders_of_other_kinds(void **state)
{
    static const struct {
        const char *entry, *words;
    } cases[] = {{"checkpoint", "whose .index files are not there"}};
    for (size_t i = 0; i < countof(cases); i++) {
        char name[80];
        snprintf(name, sizeof name, "f%zu", i);
        make_subfolder(state, name);
        snprintf(name, sizeof name, "f%zu/%s", i, cases[i].entry);
        write_text(state, name, "x");
        snprintf(name, sizeof name, "f%zu", i);
        must_refuse(state, name, ERR_UNSUPPORTED, cases[i].words);
    }
}

static void test_folder_of_one_model(void **state)
{
    make_subfolder(state, "m");
    write_text(state, "m/config.json", "{}");
    write_model(state, "m/model.safetensors", "ab");
    write_model(state, "m/optimizer.pt", "z");
    Checkpoint *checkpoint = must_open(state, "m/");
    assert_string_equal(checkpoint_format(checkpoint), "safetensors");
    assert_string_equal(checkpoint_path(checkpoint), path_of(state, "m"));
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    expect_warning(checkpoint, "beside the weights, to be opened by name: optimizer.pt");
    expect_names(checkpoint, "ab");
    checkpoint_unref(checkpoint);
}

static void test_folder_prefers_safetensors(void **state)
{
    write_model(state, "pytorch_model.bin", "b");
    write_model(state, "model.safetensors", "s");
    Checkpoint *checkpoint = must_open(state, "");
    expect_names(checkpoint, "s");
    expect_warning(checkpoint, "2 copies of a model; model.safetensors was taken");
    checkpoint_unref(checkpoint);
}

static void test_folder_of_a_single_file(void **state)
{
    write_text(state, "notes.txt", "a (1,)\n");
    write_model(state, "epoch=3.ckpt", "e");
    Checkpoint *checkpoint = must_open(state, "");
    expect_names(checkpoint, "e");
    checkpoint_unref(checkpoint);
    write_model(state, "last.ckpt", "e");
    must_refuse(state, "", ERR_NOT_FOUND,
           "2 files in it may be meant; name one of them: epoch=3.ckpt, last.ckpt");
}

static void test_folder_of_shards_without_index(void **state)
{
    write_model(state, "model-00001-of-00002.safetensors", "a");
    write_model(state, "model-00002-of-00002.safetensors", "b");
    must_refuse(state, "", ERR_NOT_FOUND, "they look like shards: fetch their index.json too");
}

/* A damaged best choice is not passed over in silence. */
static void test_folder_with_damaged_model(void **state)
{
    write_text(state, "model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    write_model(state, "pytorch_model.bin", "b");
    must_refuse(state, "", ERR_FORMAT, "model.safetensors: a Git-LFS pointer");
}

/* -- Sharded models --------------------------------------------------------------------- */

static const char index_of_two[] = "{\"metadata\":{\"total_size\":4},\"weight_map\":{\"a\":\"model-"
                                   "1.safetensors\",\"b\":\"model-2.safetensors\","
                                   "\"c\":\"model-1.safetensors\",\"d\":\"model-2.safetensors\"}}";

static void test_sharded(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    write_model(state, "model-1.safetensors", "ca");
    write_model(state, "model-2.safetensors", "bd");
    Checkpoint *checkpoint = must_open(state, "model.safetensors.index.json");
    assert_string_equal(checkpoint_format(checkpoint), "safetensors-sharded");
    expect_names(checkpoint, "abcd");
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    struct stat one, two;
    assert_int_equal(stat(path_of(state, "model-1.safetensors"), &one), 0);
    assert_int_equal(stat(path_of(state, "model-2.safetensors"), &two), 0);
    assert_int_equal(checkpoint_file_bytes(checkpoint), one.st_size + two.st_size);
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    assert_false(dict_is_ordered(dict));
    assert_string_equal(dict_metadata(dict, 0).value, "pt");
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        char value;
        assert_int_equal(tensor->storage->index, i);
        assert_true(source_read(tensor->storage->source, tensor->storage->offset, &value, 1, NULL));
        assert_int_equal(value, tensor->name[0]);
    }
    checkpoint_unref(checkpoint);
    checkpoint = must_open(state, "");
    assert_string_equal(checkpoint_format(checkpoint), "safetensors-sharded");
    checkpoint_unref(checkpoint);
}

static void expect_equal_values(const Tensor *x, const Tensor *y)
{
    char p[512], q[512];
    Error err = {0};
    assert_true(x->dtype == y->dtype && same_dims(x->dims, x->rank, y->dims, y->rank));
    assert_true(tensor_bytes(x) <= sizeof p);
    assert_true(tensor_read(x, NULL, NULL, p, &err) && tensor_read(y, NULL, NULL, q, &err));
    assert_memory_equal(p, q, tensor_bytes(x));
}

/* Shards that torch and safetensors wrote hold what the whole file holds. */
static void test_shards_of_the_field(void **state)
{
    (void)state;
    static const char *const formats[] = {"bin", "safetensors"};
    static const char *const names[] = {"torch-sharded", "safetensors-sharded"};
    Error err = {0};
    Checkpoint *whole = checkpoint_open("tests/data/kinds/plain.safetensors", &err);
    if (!whole) fail_msg("%s", err.text);
    const StateDict *expected = checkpoint_choose(whole, NULL, &err)->dict;
    for (size_t i = 0; i < countof(formats); i++) {
        char path[80];
        snprintf(path, sizeof path, "tests/data/kinds/sharded-%s", formats[i]);
        Checkpoint *sharded = checkpoint_open(path, &err);
        if (!sharded) fail_msg("%s", err.text);
        assert_string_equal(checkpoint_format(sharded), names[i]);
        assert_int_equal(checkpoint_finding_count(sharded), 0);
        const StateDict *dict = checkpoint_choose(sharded, NULL, &err)->dict;
        assert_int_equal(dict_count(dict), dict_count(expected));
        for (size_t j = 0; j < dict_count(dict); j++)
            expect_equal_values(dict_at(dict, j), dict_find(expected, dict_at(dict, j)->name));
        checkpoint_unref(sharded);
    }
    checkpoint_unref(whole);
}

/* In another shard it is read from there; in none it is left out. Either way it is told. */
static void test_shard_lacks_a_tensor(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    write_model(state, "model-1.safetensors", "a");
    write_model(state, "model-2.safetensors", "bd");
    Checkpoint *checkpoint = must_open(state, "model.safetensors.index.json");
    expect_names(checkpoint, "abd");
    must_find(checkpoint, FINDING_ERROR, "index", "model.safetensors.index.json: 1 tensor(s) in "
              "weight_map are in no shard and were left out: c");
    checkpoint_unref(checkpoint);
    write_model(state, "model-2.safetensors", "bdc");
    checkpoint = must_open(state, "model.safetensors.index.json");
    expect_names(checkpoint, "abcd");
    must_find(checkpoint, FINDING_ERROR, "index", "lie in another shard than weight_map says: c");
    assert_string_equal(checkpoint_finding(checkpoint, 0)->tensor, "c");
    checkpoint_unref(checkpoint);
}

static void test_shards_of_another_model(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    write_model(state, "model-1.safetensors", "x");
    write_model(state, "model-2.safetensors", "y");
    must_refuse(state, "model.safetensors.index.json", ERR_FORMAT,
                "which does not hold it, nor any other");
}

/* `format` says for whom the tensors were written; of shards of one model it is one. */
static void test_shards_of_different_metadata(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    write_model(state, "model-1.safetensors", "ac");
    static const char header[] =
        "\x72\0\0\0\0\0\0\0{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
        "\"d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}         bd";
    write_n(state, "model-2.safetensors", header, sizeof header - 1);
    Checkpoint *checkpoint = must_open(state, "model.safetensors.index.json");
    must_find(checkpoint, FINDING_WARNING, "metadata", "its metadata 'format' is not that of");
    checkpoint_unref(checkpoint);
}

static void test_shard_has_more(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    write_model(state, "model-1.safetensors", "acx");
    write_model(state, "model-2.safetensors", "bda");
    Checkpoint *checkpoint = must_open(state, "model.safetensors.index.json");
    expect_names(checkpoint, "abcd");
    expect_warning(checkpoint,
                   "model-1.safetensors: 1 tensor(s) are not in the index and were left out: x");
    expect_warning(checkpoint,
                   "model-2.safetensors: 1 tensor(s) are not in the index and were left out: a");
    checkpoint_unref(checkpoint);
}

static void test_total_size_is_wrong(void **state)
{
    write_text(state, "i.json",
               "{\"metadata\":{\"total_size\":5.0},\"weight_map\":{\"a\":\"x.safetensors\"}}");
    write_model(state, "x.safetensors", "a");
    Checkpoint *checkpoint = must_open(state, "i.json");
    must_find(checkpoint, FINDING_WARNING, "index", "total_size 5, its tensors have 1 bytes");
    checkpoint_unref(checkpoint);
}

static void test_shards_are_absent(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    Checkpoint *checkpoint = must_open(state, "model.safetensors.index.json");
    assert_string_equal(checkpoint_format(checkpoint), "schema");
    expect_names(checkpoint, "abcd");
    expect_warning(checkpoint, "none of the 2 shards is there");
    checkpoint_unref(checkpoint);
    write_model(state, "pytorch_model.bin", "b");
    checkpoint = must_open(state, "");
    expect_names(checkpoint, "b");
    checkpoint_unref(checkpoint);
    write_model(state, "model-2.safetensors", "bd");
    must_refuse(state, "model.safetensors.index.json", ERR_NOT_FOUND,
           "1 of 2 shards are not in its folder: model-1.safetensors; fetch them too");
}

static void test_shard_is_damaged(void **state)
{
    write_text(state, "model.safetensors.index.json", index_of_two);
    write_model(state, "model-1.safetensors", "ac");
    write_text(state, "model-2.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    must_refuse(state, "model.safetensors.index.json", ERR_FORMAT,
           "model-2.safetensors: a Git-LFS pointer");
}

static void test_shard_names_are_not_trusted(void **state)
{
    write_text(state, "model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"../up.safetensors\"}}");
    must_refuse(state, "model.safetensors.index.json", ERR_FORMAT,
           "'../up.safetensors' is no name of a shard");
    static const char *const away[] = {"/etc/x.safetensors", "..", ".", "",
                                       "a\\\\..\\\\x.safetensors", "x\\u0000.safetensors",
                                       "sub/../../x.safetensors", "\\u001b[2J.safetensors"};
    for (size_t i = 0; i < countof(away); i++) {
        Text index = {0};
        text_addf(&index, "{\"weight_map\":{\"a\":\"%s\"}}", away[i]);
        write_text(state, "model.safetensors.index.json", text_string(&index));
        must_refuse(state, "model.safetensors.index.json", ERR_FORMAT, "is no name of a shard");
        text_done(&index);
    }
    write_text(state, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"x.bin\"}}");
    must_refuse(state, "model.safetensors.index.json", ERR_FORMAT,
           "shard 'x.bin' does not end in .safetensors");
}

/* An index that names itself, or another index, as a shard must not go round in circles. */
static void test_index_in_an_index(void **state)
{
    write_text(state, "loop.json", "{\"weight_map\":{\"a\":\"loop.json\"}}");
    must_refuse(state, "loop.json", ERR_LIMIT, "files inside files");
    write_text(state, "outer.json", "{\"weight_map\":{\"a\":\"inner.json\"}}");
    write_text(state, "inner.json", "{\"tensors\":[{\"key\":\"a\",\"shape\":[1]}]}");
    must_refuse(state, "outer.json", ERR_FORMAT, "is no safetensors or torch file, but: schema");
}

/* -- FILE::PATH ------------------------------------------------------------------------- */

static void expect_spec(const char *spec, const char *file, const char *inside)
{
    Arena *arena = arena_new();
    const char *found_file, *found_inside;
    checkpoint_spec(arena, spec, &found_file, &found_inside);
    assert_string_equal(found_file, file);
    if (inside) assert_string_equal(found_inside, inside);
    else assert_null(found_inside);
    arena_free(arena);
}

static void test_spec(void **state)
{
    Arena *arena = arena_new();
    write_text(state, "a.pth", "x");
    write_text(state, "b::c.pth", "x");
    const char *plain = arena_strdup(arena, path_of(state, "a.pth"));
    const char *odd = arena_strdup(arena, path_of(state, "b::c.pth"));
    expect_spec(plain, plain, NULL);
    expect_spec(arena_printf(arena, "%s::optimizer_states[0].state", plain), plain,
                "optimizer_states[0].state");
    expect_spec(arena_printf(arena, "%s::", plain), plain, "");
    expect_spec(arena_printf(arena, "%s::x::y", plain), plain, "x::y");
    expect_spec(odd, odd, NULL);
    expect_spec(arena_printf(arena, "%s::model", odd), odd, "model");
    expect_spec("no such file.pth::model", "no such file.pth", "model");
    expect_spec("no such file.pth", "no such file.pth", NULL);
    arena_free(arena);
}

#define TESTS(X)                                                                                   \
    X(test_content_decides_and_never_the_name)                                                     \
    X(test_missing)                                                                                \
    X(test_permission)                                                                             \
    X(test_pipe_does_not_hang)                                                                     \
    X(test_empty_file)                                                                             \
    X(test_lfs_pointer)                                                                            \
    X(test_saved_pages)                                                                            \
    X(test_link_as_text)                                                                           \
    X(test_other_formats)                                                                          \
    X(test_compressed)                                                                             \
    X(test_tars)                                                                                   \
    X(test_zip_that_was_cut)                                                                       \
    X(test_zeros_and_noise)                                                                        \
    X(test_safetensors_that_is_damaged)                                                            \
    X(test_folder_without_model)                                                                   \
    X(test_folders_of_other_kinds)                                                                 \
    X(test_folder_of_one_model)                                                                    \
    X(test_folder_prefers_safetensors)                                                             \
    X(test_folder_of_a_single_file)                                                                \
    X(test_folder_of_shards_without_index)                                                         \
    X(test_folder_with_damaged_model)                                                              \
    X(test_sharded)                                                                                \
    X(test_shards_of_the_field)                                                                    \
    X(test_shard_lacks_a_tensor)                                                                   \
    X(test_shards_of_another_model)                                                                \
    X(test_shards_of_different_metadata)                                                           \
    X(test_shard_has_more)                                                                         \
    X(test_total_size_is_wrong)                                                                    \
    X(test_shards_are_absent)                                                                      \
    X(test_shard_is_damaged)                                                                       \
    X(test_shard_names_are_not_trusted)                                                            \
    X(test_index_in_an_index)                                                                      \
    X(test_spec)

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder),

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(IN_FOLDER)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
