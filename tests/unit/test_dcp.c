/* torch.distributed.checkpoint: folders that PyTorch wrote, and .metadata assembled by hand, with
 * every way to be malformed that one must not believe. */
#include <stdlib.h>

#include "loader/format/dcp.h"
#include "tests/unit/torch_maker.h"

/* -- Folders that PyTorch wrote ---------------------------------------------------------- */

static Checkpoint *open_folder(const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static void read_tensor(const Tensor *tensor, void *out)
{
    Error err = {0};
    if (!tensor_read(tensor, NULL, NULL, out, &err)) fail_msg("%s", err.text);
}

static void test_grid_and_slabs(void **state)
{
    (void)state;
    Checkpoint *c = open_folder("tests/data/folders/dcp");
    assert_string_equal(checkpoint_format(c), "dcp");
    has_keys(c, "model", "grid slabs turned ");
    float grid[24], turned[6];
    int64_t slabs[12];
    read_tensor(tensor_at(c, "model", "grid"), grid);
    for (int i = 0; i < 24; i++) assert_true(grid[i] == (float)i);
    read_tensor(tensor_at(c, "model", "slabs"), slabs);
    for (int i = 0; i < 12; i++) assert_int_equal(slabs[i], i);
    read_tensor(tensor_at(c, "model", "turned"), turned);
    for (int i = 0; i < 6; i++) assert_true(turned[i] == (float)(i % 3 * 2 + i / 3));
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
}

/* The state dict is nested again, objects and the optimizer's state in their places. */
static void test_nested_again(void **state)
{
    (void)state;
    Checkpoint *c = open_folder("tests/data/folders/dcp");
    const Object *root = checkpoint_root(c);
    assert_int_equal(object_get(root, "epoch")->integer, 3);
    const Object *groups = object_get(object_get(root, "optimizer"), "param_groups");
    assert_int_equal(groups->kind, OBJ_LIST);
    assert_true(object_get(groups->list.items[0], "lr")->number == 0.1);
    assert_true(container(c, "optimizer.state.0")->optimizer);
    assert_string_equal(checkpoint_choose(c, NULL, NULL)->path, "model");
    checkpoint_unref(c);
}

static void test_pytorch_1_13(void **state)
{
    (void)state;
    Checkpoint *c = open_folder("tests/data/folders/dcp113");
    float w[6];
    read_tensor(tensor_at(c, "model", "w"), w);
    for (int i = 0; i < 6; i++) assert_true(w[i] == (float)i);
    checkpoint_unref(c);
}

static void test_safetensors(void **state)
{
    (void)state;
    Checkpoint *c = open_folder("tests/data/folders/dcp_safetensors");
    assert_string_equal(checkpoint_format(c), "dcp-safetensors");
    float rows[35], columns[24];
    read_tensor(tensor_at(c, "", "rows"), rows);
    for (int i = 0; i < 35; i++) assert_true(rows[i] == (float)i);
    read_tensor(tensor_at(c, "", "columns"), columns);
    for (int i = 0; i < 24; i++) assert_true(columns[i] == (float)i);
    assert_int_equal(checkpoint_finding_count(c), 0);
    checkpoint_unref(c);
}

/* -- .metadata by hand ------------------------------------------------------------------- */

enum { CHUNKS_MAX = 4 };

/* One tensor "w" in .metadata; what is left 0 has a plain meaning. */
typedef struct MadeDcp {
    const char *root, *entry, *dtype;    /* opcodes instead of the usual ones, or NULL */
    int64_t dims[3];
    size_t rank;             /* 1 when 0 */
    int64_t from[CHUNKS_MAX][3], size[CHUNKS_MAX][3];
    size_t count;            /* of chunks */
    size_t chunk_rank;       /* of their places; rank when 0 */
    const char *file;        /* "__0_0.distcp" when NULL */
    size_t lost;             /* so many of the chunks have no place */
    int64_t shift, length;   /* moves the places; their length instead of the blob's own */
    const char *info;        /* opcodes of more attributes of _StorageInfo, or NULL */
    const char *path;        /* opcodes of planner_data's path, or NULL */
} MadeDcp;

/* A world of one file with torch.save files of two floats each, one after the other. */
typedef struct World {
    OpenContext context;
    Text file;               /* the bytes of __0_0.distcp */
    uint64_t blob;           /* bytes of each torch.save file in it */
} World;

static bool has_file(const OpenContext *context, const char *name)
{
    return ((const World *)context)->file.length && strcmp(name, "__0_0.distcp") == 0;
}

static ByteSource *find_file(const OpenContext *context, const char *name, Error *err)
{
    const World *world = (const World *)context;
    if (has_file(context, name))
        return source_from_memory(world->file.bytes, world->file.length, "d/__0_0.distcp");
    error_set(err, ERR_FORMAT, "d: '%s' is no name of a file in its folder", name);
    return NULL;
}

static Checkpoint *open_window(OpenContext *context, ByteSource *source, Error *err)
{
    (void)context;
    return checkpoint_open_source(source, err);
}

/* torch.save(tensor of two floats): a legacy stream would do as well as a zip. */
static void add_blob(World *world, float first)
{
    const float values[] = {first, first + 1};
    Text pickle = {0}, zip = {0};
    put_floats(&pickle, "0", 2);
    text_addc(&pickle, '.');
    const Record records[] = {{"archive/data.pkl", pickle.bytes, pickle.length},
                              {"archive/data/0", values, sizeof values},
                              {"archive/version", BYTES("3\n")}};
    make_zip(&zip, records, countof(records));
    world->blob = zip.length;
    text_addn(&world->file, zip.bytes, zip.length);
    text_done(&pickle);
    text_done(&zip);
}

static void begin(Text *p, const char *class)
{
    text_addf(p, "ctorch.distributed.checkpoint.%s\n)\x81}(", class);
}

static void put_key(Text *p, const char *key, const int64_t *values, size_t n)
{
    put_text(p, key);
    put_tuple(p, values, n);
}

static void put_entry(Text *p, const MadeDcp *made, size_t rank)
{
    size_t places = made->chunk_rank ? made->chunk_rank : rank;
    begin(p, "metadata\nTensorStorageMetadata");
    put_text(p, "properties");
    text_add(p, "ctorch.distributed.checkpoint.metadata\nTensorProperties\n)\x81(");
    text_addf(p, "%sNNNtb", made->dtype ? made->dtype : "ctorch\nfloat32\n");
    put_key(p, "size", made->dims, rank);
    put_text(p, "chunks");
    text_add(p, "](");
    for (size_t i = 0; i < made->count; i++) {
        begin(p, "metadata\nChunkStorageMetadata");
        put_key(p, "offsets", made->from[i], places);
        put_key(p, "sizes", made->size[i], places);
        text_add(p, "ub");
    }
    text_add(p, "eub");
}

static void put_place(Text *p, const MadeDcp *made, const World *world, size_t i)
{
    begin(p, "metadata\nMetadataIndex");
    put_text(p, "fqn");
    put_text(p, "w");
    put_key(p, "offset", made->from[i], made->rank ? made->rank : 1);
    text_add(p, "ub");
    begin(p, "filesystem\n_StorageInfo");
    put_text(p, "relative_path");
    put_text(p, made->file ? made->file : "__0_0.distcp");
    put_text(p, "offset");
    put_int(p, (int64_t)(i * world->blob) + made->shift);
    put_text(p, "length");
    put_int(p, made->length ? made->length : (int64_t)world->blob);
    if (made->info) text_add(p, made->info);
    text_add(p, "ub");
}

static void make_metadata(Text *p, const MadeDcp *made, const World *world)
{
    text_add(p, "\x80\x02");
    begin(p, made->root ? made->root : "metadata\nMetadata");
    put_text(p, "state_dict_metadata");
    text_add(p, "}(");
    put_text(p, "w");
    if (made->entry) text_add(p, made->entry);
    else put_entry(p, made, made->rank ? made->rank : 1);
    text_addc(p, 'u');
    put_text(p, "storage_data");
    text_add(p, "}(");
    for (size_t i = 0; i + made->lost < made->count; i++) put_place(p, made, world, i);
    text_addc(p, 'u');
    if (made->path) {
        put_text(p, "planner_data");
        text_add(p, "}");
        put_text(p, "w");
        text_addf(p, "%ss", made->path);
    }
    text_add(p, "ub.");
}

static Checkpoint *open_made(const MadeDcp *made, Error *err)
{
    World world = {.context = {.path = "d", .folder = "d", .inner_source = find_file,
                               .has_inner = has_file, .open_bytes = open_window}};
    Text metadata = {0};
    for (size_t i = 0; i < 3; i++) add_blob(&world, 10 * (float)i);
    make_metadata(&metadata, made, &world);
    ByteSource *source = source_from_memory(metadata.bytes, metadata.length, "d/.metadata");
    Checkpoint *checkpoint = dcp_open(&world.context, source, err);
    source_unref(source);
    text_done(&metadata);
    text_done(&world.file);
    return checkpoint;
}

static Checkpoint *opens(const MadeDcp *made)
{
    Error err = {0};
    Checkpoint *checkpoint = open_made(made, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static void refuses(const MadeDcp *made, ErrorCode code, const char *words)
{
    Error err = {0};
    Checkpoint *checkpoint = open_made(made, &err);
    if (checkpoint) fail_msg("was opened; expected: %s", words);
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
    assert_true(has_prefix(err.text, "d"));
}

/* Two chunks of two floats that make a tensor of four. */
static const MadeDcp two = {.dims = {4}, .from = {{0}, {2}}, .size = {{2}, {2}}, .count = 2};

static void test_two_chunks(void **state)
{
    (void)state;
    Checkpoint *c = opens(&two);
    float w[4];
    read_tensor(tensor_at(c, "", "w"), w);
    assert_true(w[0] == 0 && w[1] == 1 && w[2] == 10 && w[3] == 11);
    checkpoint_unref(c);
}

static void test_path_makes_containers(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.path = "(U\1mU\3a.bt";
    Checkpoint *c = opens(&made);
    has_keys(c, "m", "a.b ");
    checkpoint_unref(c);
    made.path = "(U\1lK\5U\1at";      /* a list that begins at 5 is a dict */
    c = opens(&made);
    has_keys(c, "l[5]", "a ");
    checkpoint_unref(c);
    static const char *const odd[] = {"(NU\1at", ")", "N", "(NNt"};
    for (size_t i = 0; i < countof(odd); i++) {
        made.path = odd[i];
        c = opens(&made);
        has_keys(c, "", "w ");
        checkpoint_unref(c);
    }
}

/* -- Chunks that do not make the tensor -------------------------------------------------- */

/* The tensor is listed, a finding of that kind says why, and reading it fails. */
static void finds(const MadeDcp *made, const char *kind, const char *words)
{
    Checkpoint *c = opens(made);
    const Tensor *tensor = tensor_at(c, "", "w");
    assert_true(tensor->encoding->opaque);
    assert_int_equal(checkpoint_finding_count(c), 1);
    const Finding *finding = checkpoint_finding(c, 0);
    assert_int_equal(finding->level, FINDING_ERROR);
    assert_string_equal(finding->kind, kind);
    assert_string_equal(finding->tensor, "w");
    if (!strstr(finding->what, words)) fail_msg("\"%s\" lacks \"%s\"", finding->what, words);
    checkpoint_unref(c);
}

static void test_hole(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.dims[0] = 5;
    finds(&made, "hole", "its parts have 16 of the 20 bytes");
    made.count = 0;
    finds(&made, "hole", "its parts have 0 of the 20 bytes");
}

static void test_chunk_without_a_place(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.lost = 1;
    finds(&made, "hole", "does not say where 1 of its 2 chunks lie");
}

static void test_overlap(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.dims[0] = 3;
    made.from[1][0] = 1;
    finds(&made, "overlap", "[0] + [2] overlaps the part [1] + [2]");
}

static void test_chunk_outside(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.from[1][0] = 3;
    finds(&made, "outside", "the part [3] + [2] reaches beyond the tensor");
    made.from[1][0] = -2;
    finds(&made, "outside", "reaches beyond the tensor");
}

/* -- Chunks that are not what .metadata says --------------------------------------------- */

static void read_fails(const MadeDcp *made, const char *words)
{
    Checkpoint *c = opens(made);
    char out[64];
    Error err = {0};
    assert_false(tensor_read(tensor_at(c, "", "w"), NULL, NULL, out, &err));
    assert_error_has(err, words);
    Error again = {0};
    assert_false(tensor_read(tensor_at(c, "", "w"), NULL, NULL, out, &again));
    assert_string_equal(err.text, again.text);
    checkpoint_unref(c);
}

static void test_chunk_of_another_kind(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.dtype = "ctorch\nint32\n";
    read_fails(&made, "the chunk at byte 0 is f32 2, .metadata says i32 2");
    made = two;
    made.dims[0] = 3;
    made.size[0][0] = made.from[1][0] = 1;
    read_fails(&made, "is f32 2, .metadata says f32 1");
}

static void test_place_is_no_file(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.shift = 1;
    made.length = 40;
    read_fails(&made, "d/__0_0.distcp@1");
    made.length = 1;
    read_fails(&made, "d/__0_0.distcp@1");
}

static void test_place_outside_of_file(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.length = 1 << 20;
    refuses(&made, ERR_FORMAT, "tensor 'w': its chunk is bytes 0 to 1048576 of d/__0_0.distcp");
    made.length = INT64_MAX;
    refuses(&made, ERR_FORMAT, "the file was cut short");
    made.length = 0;
    made.shift = INT64_MAX - 100000;
    refuses(&made, ERR_FORMAT, "the file was cut short");
    made.shift = -1;
    refuses(&made, ERR_FORMAT, "is no _StorageInfo with a path, an offset and a length");
}

/* -- Names and files --------------------------------------------------------------------- */

static void test_names_stay_inside(void **state)
{
    (void)state;
    static const char *const names[] = {"../x.distcp", "/etc/passwd", "a\\b", "..", "", "a//b",
                                        "a\nb"};
    for (size_t i = 0; i < countof(names); i++) {
        MadeDcp made = two;
        made.file = names[i];
        refuses(&made, ERR_FORMAT, "is no name of a file in its folder");
    }
}

static void test_no_file_is_a_schema(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.file = "__7_0.distcp";
    Checkpoint *c = opens(&made);
    assert_null(tensor_at(c, "", "w")->storage);
    assert_int_equal(tensor_at(c, "", "w")->dims[0], 4);
    assert_non_null(strstr(checkpoint_finding(c, 0)->what, "none of its 1 data files is there"));
    checkpoint_unref(c);
}

static void test_transform_is_refused(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.info = "U\x15transform_descriptors](U\4zstde";
    refuses(&made, ERR_UNSUPPORTED, "its bytes went through 'zstd' (transform_descriptors)");
    made.info = "U\x15transform_descriptors](K\1e";
    refuses(&made, ERR_UNSUPPORTED, "'an unnamed transform'");
    made.info = "U\x15transform_descriptors]";
    checkpoint_unref(opens(&made));
}

/* -- Metadata that is none --------------------------------------------------------------- */

static void refuses_bytes(const char *bytes, size_t n, const char *words)
{
    Error err = {0};
    OpenContext context = {.path = "d", .has_inner = has_file};
    ByteSource *source = source_from_memory(bytes, n, "d/.metadata");
    assert_null(dcp_open(&context, source, &err));
    assert_error_has(err, words);
    source_unref(source);
}

static void test_no_metadata(void **state)
{
    (void)state;
    refuses_bytes("", 0, "d/.metadata: ");
    refuses_bytes("x", 1, "is no pickle opcode");
    refuses_bytes(BYTES("\x80\x02}."), "holds no Metadata");
    refuses_bytes(BYTES("\x80\x02N."), "holds no Metadata");
    refuses_bytes(BYTES("cos\nsystem\n(S'id'\ntR."), "holds no Metadata");
    refuses_bytes(BYTES("ctorch.distributed.checkpoint.metadata\nMetadata\n)\x81."),
                  "holds no Metadata");
    refuses_bytes(BYTES("cevil\nMetadata\n)\x81}U\x13state_dict_metadata}sb."),
                  "holds no Metadata");
    refuses_bytes(BYTES("ctorch.distributed.x\nMetadata\n)\x81}U\x13state_dict_metadata}sb."),
                  "no storage_data");
}

static void test_entries_that_are_none(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.entry = "N";
    Checkpoint *c = opens(&made);
    assert_non_null(strstr(checkpoint_finding(c, 0)->what, "of a kind that is not known"));
    checkpoint_unref(c);
    made.entry = "ctorch.distributed.x\nTensorStorageMetadata\n)\x81";
    refuses(&made, ERR_FORMAT, "tensor 'w': its TensorStorageMetadata has no size or no chunks");
    made.entry = "ctorch.distributed.x\nTensorStorageMetadata\n)\x81}(U\4size(K\4tU\6chunks](Neub";
    refuses(&made, ERR_FORMAT, "a chunk of it is no ChunkStorageMetadata");
    made.entry = "ctorch.distributed.x\nTensorStorageMetadata\n)\x81}(U\4size(NtU\6chunks]ub";
    refuses(&made, ERR_FORMAT, "its size[0] is no 64-bit integer");
    made.entry = "ctorch.distributed.x\nTensorStorageMetadata\n)\x81}(U\4sizeK\1U\6chunks]ub";
    refuses(&made, ERR_FORMAT, "its size is no tuple");
}

static void test_chunks_of_another_rank(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.chunk_rank = 2;
    refuses(&made, ERR_FORMAT, "it has 1 dimensions, a chunk of it has 2 offsets and 2 sizes");
}

static void test_unknown_dtype_is_shown(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.dtype = "ctorch\nfloat99\n";
    Checkpoint *c = opens(&made);
    assert_true(tensor_at(c, "", "w")->encoding->opaque);
    checkpoint_unref(c);
}

static void test_sizes_that_cannot_be(void **state)
{
    (void)state;
    MadeDcp made = two;
    made.dims[0] = -4;
    refuses(&made, ERR_FORMAT, "tensor 'w'");
    made.dims[0] = INT64_MAX;
    refuses(&made, ERR_FORMAT, "tensor 'w'");
    made = two;
    made.size[0][0] = INT64_MAX;
    refuses(&made, ERR_FORMAT, "a chunk of it has more bytes than 63 bits can count");
}

/* An object that cannot be opened is a finding; the tree says that something is there. */
static void test_object_that_is_none(void **state)
{
    (void)state;
    static const MadeDcp made = {.entry = "ctorch.distributed.x\nBytesStorageMetadata\n)\x81",
                                 .count = 1, .shift = 1, .length = 9};
    Checkpoint *c = opens(&made);
    const Object *object = object_get(checkpoint_root(c), "w");
    assert_string_equal(object->global.name, "BytesStorageMetadata");
    checkpoint_unref(c);
}

/* Fewer bytes at every place: an error or a whole tensor, and never more. */
static void test_truncated_anywhere(void **state)
{
    (void)state;
    World world = {.blob = 400};
    Text metadata = {0};
    make_metadata(&metadata, &two, &world);
    for (size_t n = 0; n < metadata.length; n++) {
        Error err = {0};
        OpenContext context = {.path = "d", .has_inner = has_file};
        ByteSource *source = source_from_memory(metadata.bytes, n, "d/.metadata");
        assert_null(dcp_open(&context, source, &err));
        assert_int_not_equal(err.code, ERR_NONE);
        source_unref(source);
    }
    text_done(&metadata);
}

/* A memo makes one list of chunks the list of many tensors: that is paid for. */
static void test_repetition_is_paid_for(void **state)
{
    (void)state;
    Text p = {0};
    text_add(&p, "ctorch.distributed.x\nMetadata\n)\x81}(U\x13state_dict_metadata}(");
    text_add(&p, "U\1actorch.distributed.x\nTensorStorageMetadata\n)\x81}(U\4size)U\6chunks](");
    text_add(&p, "ctorch.distributed.x\nChunkStorageMetadata\n)\x81}(U\7offsets)U\5sizes)ubq\1");
    for (int i = 0; i < 60000; i++) text_add(&p, "h\1");
    text_add(&p, "eubq\2");
    for (int i = 0; i < 2000; i++) text_addf(&p, "U\4%04dh\2", i);
    text_add(&p, "uU\x0cstorage_data}ub.");
    refuses_bytes(p.bytes, p.length, "the same parts are repeated so often");
    text_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid_and_slabs), cmocka_unit_test(test_nested_again),
        cmocka_unit_test(test_pytorch_1_13), cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_two_chunks), cmocka_unit_test(test_path_makes_containers),
        cmocka_unit_test(test_hole), cmocka_unit_test(test_chunk_without_a_place),
        cmocka_unit_test(test_overlap), cmocka_unit_test(test_chunk_outside),
        cmocka_unit_test(test_chunk_of_another_kind), cmocka_unit_test(test_place_is_no_file),
        cmocka_unit_test(test_place_outside_of_file), cmocka_unit_test(test_names_stay_inside),
        cmocka_unit_test(test_no_file_is_a_schema), cmocka_unit_test(test_transform_is_refused),
        cmocka_unit_test(test_no_metadata), cmocka_unit_test(test_entries_that_are_none),
        cmocka_unit_test(test_chunks_of_another_rank),
        cmocka_unit_test(test_unknown_dtype_is_shown), cmocka_unit_test(test_sizes_that_cannot_be),
        cmocka_unit_test(test_object_that_is_none), cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_repetition_is_paid_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
