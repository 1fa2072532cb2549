/* The rest of a checkpoint on its way into a .pth: what each kind of object becomes, what is
 * shared, what is left out and said, and what a hostile tree cannot do. */
#include "tests/unit/torch_maker.h"

#include <stdlib.h>
#include <unistd.h>

#include "loader/export/export.h"
#include "loader/export/torch_whole.h"
#include "loader/format/globals_scan.h"
#include "tests/unit/export_help.h"

static Error failure;        /* of the last carry */

/* A zip whose root is a dict: 'model' with a tensor w, and these entries; carried whole. NULL, with
 * `failure`, when that is refused. The plan is the caller's, the checkpoint lives with it. */
static Plan *plan_whole(const void *entries, size_t n)
{
    Text pickle = {0};
    text_addn(&pickle, BYTES("\x80\x02}("));
    put_text(&pickle, "model");
    text_add(&pickle, "}");
    put_text(&pickle, "w");
    put_floats(&pickle, "0", 2);
    text_add(&pickle, "s");
    text_addn(&pickle, entries, n);
    text_add(&pickle, "u");
    failure = (Error){0};
    const float values[2] = {1, 2};
    Checkpoint *checkpoint = open_zip_of(&pickle, values, sizeof values, &failure);
    if (!checkpoint) fail_msg("%s", failure.text);
    Alignment *alignment = align_finish(draft_new(checkpoint, "model", NULL, 0), &failure);
    if (!alignment) fail_msg("%s", failure.text);
    Plan *plan = plan_new(alignment, &(PlanOptions){.whole = true}, &failure);
    align_unref(alignment);
    checkpoint_unref(checkpoint);
    return plan;
}

/* What became of the entry `key`; NULL: it is not there. */
static const Object *carried(const Plan *plan, const char *key)
{
    return object_get(plan->whole->root, key);
}

static const ReportLoss *loss_at(const Plan *plan, const char *path)
{
    for (size_t i = 0; i < plan->whole->note_count; i++)
        if (strcmp(plan->whole->notes[i].path, path) == 0) return &plan->whole->notes[i];
    return NULL;
}

/* The pickle that is written for the plan is one that weights_only takes. */
static void expect_clean(const Plan *plan)
{
    TorchLayout layout;
    Error err = {0};
    GlobalScan scan;
    Text file = {0};
    layout_init(&layout, plan, false);
    if (!layout_put_whole(&layout, plan->whole, &err)) fail_msg("%s", err.text);
    pickle_put_op(layout.pickle, PICKLE_STOP);
    const Text *bytes = pickle_writer_bytes(layout.pickle);
    const Record record = {"a/data.pkl", bytes->bytes, bytes->length};
    make_zip(&file, &record, 1);
    ByteSource *source = source_from_memory(file.bytes, file.length, "out");
    scan_init(&scan);
    scan_source(&scan, source);
    if (scan.files[0].refusal) fail_msg("%s", scan.files[0].refusal);
    assert_int_equal(scan.files[0].torch, SCAN_LOADS);
    assert_int_equal(scan_worst(&scan), GLOBAL_ALLOWED);
    scan_done(&scan);
    source_unref(source);
    text_done(&file);
    layout_done(&layout);
}

/* One entry "k" of these opcodes; its plan, checked. */
static Plan *plan_entry(const void *opcodes, size_t n)
{
    Text entries = {0};
    put_text(&entries, "k");
    text_addn(&entries, opcodes, n);
    Plan *plan = plan_whole(entries.bytes, entries.length);
    if (!plan) fail_msg("%s", failure.text);
    expect_clean(plan);
    text_done(&entries);
    return plan;
}

static void expect_kind(const void *opcodes, size_t n, ObjectKind kind, const char *became)
{
    Plan *plan = plan_entry(opcodes, n);
    const Object *object = carried(plan, "k");
    const ReportLoss *loss = loss_at(plan, "k");
    if (!object) fail_msg("it is left out");
    assert_int_equal(object->kind, kind);
    if (!became != !loss) fail_msg("%s", loss ? loss->what : "nothing is said");
    if (became) assert_string_equal(loss->became, became);
    plan_free(plan);
}

static void expect_left_out(const void *opcodes, size_t n, const char *what)
{
    Plan *plan = plan_entry(opcodes, n);
    assert_null(carried(plan, "k"));
    const ReportLoss *loss = loss_at(plan, "k");
    if (!loss) fail_msg("nothing is said");
    assert_null(loss->became);
    if (!strstr(loss->what, what)) fail_msg("'%s' lacks '%s'", loss->what, what);
    plan_free(plan);
}

static void test_plain_kinds_stay(void **state)
{
    (void)state;
    expect_kind(BYTES("K\x05"), OBJ_INT, NULL);
    expect_kind(BYTES("N"), OBJ_NONE, NULL);
    expect_kind(BYTES("\x8A\x09\1\2\3\4\5\6\7\x08\x09"), OBJ_BIGINT, NULL);
    expect_kind(BYTES("](K\1]e"), OBJ_LIST, NULL);
    expect_kind(BYTES("(K\1K\2K\3K\4t"), OBJ_TUPLE, NULL);
    expect_kind(BYTES(")"), OBJ_TUPLE, NULL);
    expect_kind(BYTES("}K\1K\2s"), OBJ_DICT, NULL);
    expect_kind(BYTES("C\3a\0\xFF"), OBJ_BYTES, NULL);
    expect_kind(BYTES("\x96\2\0\0\0\0\0\0\0ab"), OBJ_BYTEARRAY, NULL);
    expect_kind(BYTES("\x8F(K\1K\2\x90"), OBJ_SET, NULL);
    expect_kind(BYTES("c__builtin__\nset\n](K\1K\2e\x85R"), OBJ_SET, NULL);
    expect_kind(BYTES("c__builtin__\nbytes\n)R"), OBJ_BYTES, NULL);
    expect_kind(BYTES("ccollections\nCounter\n}K\1K\2s\x85R"), OBJ_CALL, NULL);
    expect_kind(BYTES("ccollections\nOrderedDict\n)R"), OBJ_CALL, NULL);
    expect_kind(BYTES("ctorch\nSize\nK\1\x85\x85R"), OBJ_CALL, NULL);
    expect_kind(BYTES("ctorch\nfloat16\n"), OBJ_GLOBAL, NULL);
    expect_kind(BYTES("ctorch.serialization\n_get_layout\nX\x0d\0\0\0torch.strided\x85R"), OBJ_CALL,
                NULL);
}

static void test_objects_become_what_they_hold(void **state)
{
    (void)state;
    expect_kind(BYTES("cargparse\nNamespace\n)\x81}X\1\0\0\0aK\1sb"), OBJ_DICT,
                "a dict of its attributes");
    expect_kind(BYTES("ccopy_reg\n_reconstructor\nca\nB\nc__builtin__\nobject\nN\x87R}X\1\0\0\0a"
                      "K\1sb"), OBJ_DICT, "a dict of its attributes");
    expect_kind(BYTES("ca\nB\n)\x81}X\1\0\0\0aK\1s}X\1\0\0\0bK\2s\x86" "b"), OBJ_DICT,
                "a dict of its attributes");
    expect_kind(BYTES("ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\1K\2s"), OBJ_DICT,
                "a dict of its entries");
    expect_kind(BYTES("ca\nNames\n)\x81K\1K\2s"), OBJ_DICT, "a dict of its entries");
    expect_kind(BYTES("ca\nItems\n)\x81K\1a"), OBJ_LIST, "a list of its items");
    expect_kind(BYTES("ctorch\ndevice\nX\3\0\0\0cpu\x85RK\1K\2s"), OBJ_DICT,
                "a dict of its entries");
    expect_kind(BYTES("ccollections\nCounter\n)RX\1\0\0\0aK\2s"), OBJ_CALL, NULL);
    expect_kind(BYTES("(K\1\x91"), OBJ_SET, "a set");
    expect_kind(BYTES("c__builtin__\nfrozenset\n]K\1a\x85R"), OBJ_SET, "a set");
    Plan *plan = plan_entry(BYTES("cpathlib\nPosixPath\n(X\1\0\0\0/X\1\0\0\0aX\1\0\0\0btR"));
    assert_string_equal(carried(plan, "k")->bytes.text, "/a/b");
    plan_free(plan);
    plan = plan_entry(BYTES("comegaconf.dictconfig\nDictConfig\n)\x81}(X\x08\0\0\0_content}X\1\0\0\0a"
                            "comegaconf.nodes\nAnyNode\n)\x81}X\4\0\0\0_valK\7sbsX\7\0\0\0_parentN"
                            "ub"));
    assert_int_equal(object_get(carried(plan, "k"), "a")->integer, 7);
    plan_free(plan);
}

static void test_a_module_becomes_its_state_dict(void **state)
{
    (void)state;
    Text module = {0};
    text_add(&module, "ca\nNet\n)\x81}(");
    put_text(&module, "_modules");
    text_add(&module, "}");
    put_text(&module, "_parameters");
    text_add(&module, "}");
    put_text(&module, "v");
    put_floats(&module, "0", 2);
    text_add(&module, "sub");
    Plan *plan = plan_entry(module.bytes, module.length);
    const Object *items = object_as_dict(carried(plan, "k"));
    assert_int_equal(items->list.count, 2);
    assert_string_equal(items->list.items[0]->bytes.text, "v");
    assert_int_equal(items->list.items[1]->kind, OBJ_TENSOR);
    assert_string_equal(loss_at(plan, "k")->became, "its state dict");
    plan_free(plan);
    text_done(&module);
}

static void test_what_is_left_out_is_named(void **state)
{
    (void)state;
    expect_left_out(BYTES("cos\nsystem\nX\1\0\0\0x\x85R"), "os.system");
    expect_left_out(BYTES("ctorch\nload\n"), "torch.load");
    expect_left_out(BYTES("ca\nColor\nK\1\x85R"), "a.Color");
    expect_left_out(BYTES("cdatetime\ndate\nC\4\7\xE6\1\1\x85R"), "datetime.date");
    expect_left_out(BYTES("ca\nB\n"), "a.B");
    expect_left_out(BYTES("X\6\0\0\0moduleca\nB\nX\0\0\0\0\x87Q"), "storage");
    /* a call of the list whose argument is not on it */
    expect_left_out(BYTES("ccollections\nCounter\nca\nB\n)R\x85R"), "collections.Counter");
    Text huge = {0};
    text_addn(&huge, BYTES("\x8B\x00\x01\0\0"));
    for (int i = 0; i < 256; i++) text_addc(&huge, 1);
    expect_left_out(huge.bytes, huge.length, "int of 256 bytes");
    text_done(&huge);
}

static void test_places_of_what_is_left_out(void **state)
{
    (void)state;
    Plan *plan = plan_entry(BYTES("](K\1ca\nf\nq\1}(X\1\0\0\0xh\1X\1\0\0\0yK\2ue"));
    const Object *list = carried(plan, "k");
    assert_int_equal(list->list.count, 3);
    assert_int_equal(list->list.items[1]->kind, OBJ_NONE);
    assert_int_equal(list->list.items[2]->list.count, 2);
    assert_non_null(loss_at(plan, "k[1]"));
    assert_non_null(loss_at(plan, "k[2].x"));
    assert_int_equal(plan->whole->note_count, 2);
    plan_free(plan);
}

static void test_keys(void **state)
{
    (void)state;
    Plan *plan = plan_entry(BYTES("}(K\5K\1(K\1X\1\0\0\0atK\2NK\3ca\nB\nK\4(K\1\x91K\5u"));
    assert_int_equal(carried(plan, "k")->list.count, 6);
    assert_int_equal(plan->whole->note_count, 3);    /* a.B, the frozenset, and that it is no key */
    plan_free(plan);
}

static void test_sharing_and_cycles(void **state)
{
    (void)state;
    Plan *plan = plan_entry(BYTES("](]q\1h\1]q\2h\2ae"));
    const Object *list = carried(plan, "k");
    assert_ptr_equal(list->list.items[0], list->list.items[1]);
    const Object *cycle = list->list.items[2];
    assert_ptr_equal(cycle->list.items[0], cycle);
    plan_free(plan);
    plan = plan_entry(BYTES("}q\1K\1ca\nB\n)\x81}X\1\0\0\0xh\1sbs"));     /* through an object */
    const Object *dict = carried(plan, "k");
    assert_ptr_equal(object_get(object_get_int(dict, 1), "x"), dict);
    plan_free(plan);
}

/* Its pickle would need POP, which weights_only does not take. */
static void test_a_tuple_in_itself_is_refused(void **state)
{
    (void)state;
    Text entries = {0};
    put_text(&entries, "k");
    text_addn(&entries, BYTES("]q\1\x85q\2" "0h\1h\2a0h\2"));
    Plan *plan = plan_whole(entries.bytes, entries.length);
    assert_non_null(plan);
    Error err = {0};
    TorchLayout layout;
    layout_init(&layout, plan, false);
    assert_false(layout_put_whole(&layout, plan->whole, &err));
    assert_error_has(err, "a tuple in the source contains itself");
    layout_done(&layout);
    plan_free(plan);
    text_done(&entries);
}

static void test_a_deep_tree(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    Text deep = {0};
    for (int i = 0; i < DEPTH; i++) text_addc(&deep, ']');
    for (int i = 1; i < DEPTH; i++) text_addc(&deep, 'a');
    Plan *plan = plan_entry(deep.bytes, deep.length);
    assert_int_equal(carried(plan, "k")->kind, OBJ_LIST);
    plan_free(plan);
    text_clear(&deep);
    for (int i = 0; i < DEPTH; i++) text_addc(&deep, i ? '\x85' : ')');
    plan = plan_entry(deep.bytes, deep.length);
    assert_int_equal(carried(plan, "k")->kind, OBJ_TUPLE);
    plan_free(plan);
    text_done(&deep);
}

/* A tuple of a hundred times the same tuple of …, as a key: told in bounded time. */
static void test_a_key_that_multiplies(void **state)
{
    (void)state;
    Text bomb = {0};
    text_addn(&bomb, BYTES("}K\1\x85q\1"));
    for (int level = 1; level < 8; level++) {
        text_addc(&bomb, '0');
        text_addc(&bomb, '(');
        for (int i = 0; i < 100; i++) text_addf(&bomb, "h%c", level);
        text_addf(&bomb, "tq%c", level + 1);
    }
    text_addn(&bomb, BYTES("K\1s"));
    Plan *plan = plan_entry(bomb.bytes, bomb.length);
    assert_int_equal(carried(plan, "k")->list.count, 0);
    plan_free(plan);
    text_done(&bomb);
}

static void test_many_losses_are_counted(void **state)
{
    (void)state;
    Text list = {0};
    text_addn(&list, BYTES("](ca\nf\nq\1"));
    for (int i = 0; i < WHOLE_NOTES_MAX + 5; i++) text_addn(&list, BYTES("h\1"));
    text_addc(&list, 'e');
    Plan *plan = plan_entry(list.bytes, list.length);
    assert_int_equal(plan->whole->note_count, WHOLE_NOTES_MAX);
    assert_int_equal(plan->whole->notes_left_out, 6);
    plan_free(plan);
    text_done(&list);
}

/* --- files ---------------------------------------------------------------------------- */

static const char *write_whole(const char *source, const char *inside, const char *name)
{
    Error err = {0};
    Checkpoint *checkpoint = open_checkpoint(source);
    Alignment *alignment = align_finish(draft_new(checkpoint, inside, NULL, 0), &err);
    if (!alignment) fail_msg("%s", err.text);
    const char *path = in_folder(name);
    write_plan(alignment, &(PlanOptions){.whole = true}, path, &(ExportOptions){.force = true});
    align_unref(alignment);
    checkpoint_unref(checkpoint);
    return path;
}

static void test_a_training_checkpoint(void **state)
{
    (void)state;
    const char *path = write_whole("tests/data/kinds/training.ckpt", "model", "train.pth");
    Checkpoint *source = open_checkpoint("tests/data/kinds/training.ckpt");
    Checkpoint *copy = open_checkpoint(path);
    assert_int_equal(checkpoint_container_count(copy), checkpoint_container_count(source));
    for (size_t i = 0; i < checkpoint_container_count(source); i++) {
        const Container *a = checkpoint_container(source, i), *b = checkpoint_container(copy, i);
        assert_string_equal(a->path, b->path);
        assert_int_equal(dict_count(a->dict), dict_count(b->dict));
        assert_int_equal(a->others, b->others);
    }
    assert_int_equal(object_get(checkpoint_root(copy), "epoch")->integer, 4);
    checkpoint_unref(source);
    checkpoint_unref(copy);
}

static void test_a_module_makes_room_for_its_state_dict(void **state)
{
    (void)state;
    const char *path = write_whole("tests/data/kinds/module.pt", NULL, "module.pth");
    GlobalScan scan;
    Error err = {0};
    scan_init(&scan);
    assert_true(scan_path(&scan, path, &err));
    assert_int_equal(scan.files[0].torch, SCAN_LOADS);
    scan_done(&scan);
}

static void test_a_source_without_a_tree(void **state)
{
    (void)state;
    const char *path = write_whole("tests/data/kinds/plain.safetensors", NULL, "plain.pth");
    Checkpoint *copy = open_checkpoint(path);
    assert_int_equal(dict_count(checkpoint_find_container(copy, "")->dict), 9);
    checkpoint_unref(copy);
}

static void test_formats_that_hold_tensors_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"x.safetensors", "x.npz"};
    for (size_t i = 0; i < countof(names); i++) {
        Error err = {0};
        Plan *plan = plan_whole(BYTES(""));
        assert_non_null(plan);
        assert_false(export_write(plan, in_folder(names[i]), NULL, NULL, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_error_has(err, "--whole carries more than tensors");
        plan_free(plan);
    }
    Error err = {0};
    Plan *plan = plan_whole(BYTES(""));
    const ExportOptions under = {.under = "x"};
    assert_false(export_write(plan, in_folder("x.pth"), &under, NULL, &err));
    assert_error_has(err, "--under cannot put it elsewhere");
    plan_free(plan);
}

#define TEST(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_kinds_stay),
        TEST(test_objects_become_what_they_hold),
        TEST(test_a_module_becomes_its_state_dict),
        TEST(test_what_is_left_out_is_named),
        TEST(test_places_of_what_is_left_out),
        TEST(test_keys),
        TEST(test_sharing_and_cycles),
        TEST(test_a_tuple_in_itself_is_refused),
        TEST(test_a_deep_tree),
        TEST(test_a_key_that_multiplies),
        TEST(test_many_losses_are_counted),
        TEST(test_a_training_checkpoint),
        TEST(test_a_module_makes_room_for_its_state_dict),
        TEST(test_a_source_without_a_tree),
        TEST(test_formats_that_hold_tensors_alone),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
