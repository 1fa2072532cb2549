/* The texts of failed loads, system by system, and what a log or a terminal makes of them. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "loader/format/failed_load.h"
#include "loader/format/format.h"

/* "missing|unexpected|sizes": names joined by blanks; sizes as name:2x3:4x3. */
static void show_names(const LoadNames *names, Text *out)
{
    for (size_t i = 0; i < names->count; i++)
        text_addf(out, "%s%s", i ? " " : "", names->names[i]);
}

static void show_dims(const int64_t *dims, unsigned rank, Text *out)
{
    if (!dims) text_addc(out, '?');
    else if (!rank) text_addc(out, '-');
    for (unsigned i = 0; dims && i < rank; i++)
        text_addf(out, "%s%lld", i ? "x" : "", (long long)dims[i]);
}

static void show_load(const FailedLoad *load, Text *out)
{
    show_names(&load->missing, out);
    text_addc(out, '|');
    show_names(&load->unexpected, out);
    text_addc(out, '|');
    for (size_t i = 0; i < load->size_count; i++) {
        const LoadSize *size = &load->sizes[i];
        text_addf(out, "%s%s:", i ? " " : "", size->name);
        show_dims(size->from, size->from_rank, out);
        text_addc(out, ':');
        show_dims(size->to, size->to_rank, out);
    }
}

static void assert_reads(const char *text, const char *system, const char *expected)
{
    FailedLoad *load = failed_load_read(text, strlen(text));
    Text shown = {0};
    show_load(load, &shown);
    assert_string_equal(text_string(&shown), expected);
    if (system) assert_string_equal(load->system ? load->system : "none", system);
    text_done(&shown);
    failed_load_free(load);
}

/* ---- PyTorch ---- */

static void test_torch(void **state)
{
    (void)state;
    static const char text[] =
        "Traceback (most recent call last):\n  File \"t.py\", line 3, in <module>\n"
        "RuntimeError: Error(s) in loading state_dict for ResNet:\n"
        "\tMissing key(s) in state_dict: \"a.weight\", \"a.bias\". \n"
        "\tUnexpected key(s) in state_dict: \"m.a.weight\". \n"
        "\tsize mismatch for fc.weight: copying a param with shape torch.Size([1000, 8]) from "
        "checkpoint, the shape in current model is torch.Size([10, 8]).\n"
        "\tsize mismatch for scale: copying a param with shape torch.Size([]) from checkpoint, "
        "the shape in current model is torch.Size([1]).";
    assert_reads(text, "torch",
                 "a.weight a.bias|m.a.weight|fc.weight:1000x8:10x8 scale:-:1");
    FailedLoad *load = failed_load_read(text, sizeof text - 1);
    assert_string_equal(load->model, "ResNet");
    assert_false(load->cut);
    failed_load_free(load);
}

static void test_incompatible_keys(void **state)
{
    (void)state;
    assert_reads("_IncompatibleKeys(missing_keys=['fc.bias'], unexpected_keys=['extra', \"it's\"])",
                 "torch", "fc.bias|extra it's|");
    assert_reads("IncompatibleKeys(missing_keys=[], unexpected_keys=[])", NULL, "||");
    assert_reads("missing keys: odict_keys(['a.b', 'c.d'])\nUnexpected keys: {'e.f'}", NULL,
                 "a.b c.d|e.f|");
}

static void test_old_torch(void **state)
{
    (void)state;
    assert_reads("size mismatch for a.b: copying a param of torch.Size([2, 3]) from checkpoint, "
                 "where the shape is torch.Size([4, 3]) in current model.", "torch",
                 "||a.b:2x3:4x3");
    assert_reads("While copying the parameter named \"fc.weight\", whose dimensions in the model "
                 "are torch.Size([10, 8]) and whose dimensions in the checkpoint are "
                 "torch.Size([1000, 8]).", "torch", "||fc.weight:1000x8:10x8");
    assert_reads("While copying the parameter named fc.bias, whose dimensions in the model are "
                 "torch.Size([10]) and whose dimensions in the checkpoint are torch.Size([5]).",
                 "torch", "||fc.bias:5:10");
    assert_reads("KeyError: 'unexpected key \"module.a\" in state_dict'", NULL, "|module.a|");
    assert_reads("KeyError: 'missing keys in state_dict: \"{\\'a.b\\'}\"'", NULL, "a.b||");
}

/* Quotes in keys stand as they are; so do commas and blanks. */
static void test_odd_keys(void **state)
{
    (void)state;
    assert_reads("Missing key(s) in state_dict: \"x\"y.weight\", \"a, b\", \"c d\". ", "torch",
                 "x\"y.weight a, b c d||");
    FailedLoad *load = failed_load_read("Missing key(s) in state_dict: \"a\x01\xff" "b\". ", 37);
    assert_int_equal(load->missing.count, 1);
    assert_memory_equal(load->missing.names[0], "a\x01\xff" "b", 5);
    failed_load_free(load);
}

/* ---- what stands around ---- */

static void test_colours_and_prefixes(void **state)
{
    (void)state;
    assert_reads("\x1b[31m2024-01-01 12:00:00,1 - mmdet - ERROR - \x1b[0mMissing key(s) in "
                 "state_dict: \x1b[1m\"a.b\"\x1b[0m, \"c.d\". \r\n", "torch", "a.b c.d||");
    assert_reads("[rank0]: \tMissing key(s) in state_dict: \"a.b\",\n[rank0]: \"c.d\". \n"
                 "[rank1]: \tMissing key(s) in state_dict: \"a.b\", \"c.d\". ", "torch",
                 "a.b c.d||");
    assert_reads("(RayWorker pid=12, ip=1.2.3.4) \tUnexpected key(s) in state_dict: \"q.r\". ",
                 "torch", "|q.r|");
}

/* A terminal has wrapped the lines, also inside a key. */
static void test_wrapped(void **state)
{
    (void)state;
    assert_reads("\tMissing key(s) in state_dict: \"layer1.0.conv\n    1.weight\", \n   "
                 "\"layer1.0.bn1.weight\". \n\tsize mismatch for\n", "torch",
                 "layer1.0.conv1.weight layer1.0.bn1.weight||");
    assert_reads("size mismatch for fc.weight: copying a param with shape torch.Size([10,\n 8]) "
                 "from checkpoint, the shape in\n current model is torch.Size([2,\n 8]).", "torch",
                 "||fc.weight:10x8:2x8");
}

static void test_inside_json(void **state)
{
    (void)state;
    assert_reads("{\"msg\": \"Error(s) in loading state_dict for R:\\n\\tMissing key(s) in "
                 "state_dict: \\\"a.b\\\", \\\"c.d\\\". \\n\\tUnexpected key(s) in state_dict: "
                 "\\\"e.f\\\". \"}", "torch", "a.b c.d|e.f|");
}

static void test_curly_quotes(void **state)
{
    (void)state;
    assert_reads("Missing key(s) in state_dict: \xE2\x80\x9C" "a.b\xE2\x80\x9D, \xE2\x80\x9C"
                 "c.d\xE2\x80\x9D. ", "torch", "a.b c.d||");
}

static void test_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Missing key(s) in state_dict: \"a.b\", \"c.d\", ...",
        "Missing key(s) in state_dict: \"a.b\", \"c.d\", \"e.",
        "missing_keys=['a.b', 'c.d', ...]", "missing_keys=['a.b', 'c.d'"};
    for (size_t i = 0; i < countof(texts); i++) {
        FailedLoad *load = failed_load_read(texts[i], strlen(texts[i]));
        assert_true(load->cut);
        assert_int_equal(load->missing.count, 2);
        failed_load_free(load);
    }
}

/* Words that are no list. */
static void test_prose(void **state)
{
    (void)state;
    assert_reads("There were missing keys: none\nmissing keys: 0\nUnexpected keys: []\n"
                 "got an unexpected keyword argument 'weights_only'\nmissing key: see below",
                 NULL, "||");
    assert_reads("missing 1 required positional argument\nsize mismatch for m1 x m2", NULL, "||");
}

/* ---- other systems ---- */

static void test_transformers(void **state)
{
    (void)state;
    assert_reads(
        "Some weights of the model checkpoint at bert-base-uncased were not used when initializing "
        "BertForX: ['cls.bias', 'cls.weight']\n- This IS expected if you are initializing …\n"
        "Some weights of BertForX were not initialized from the model checkpoint at "
        "bert-base-uncased and are newly initialized: ['classifier.bias']\n"
        "Some weights of V were not initialized from the model checkpoint at v and are newly "
        "initialized because the shapes did not match:\n"
        "- classifier.weight: found shape torch.Size([1000, 768]) in the checkpoint and "
        "torch.Size([2, 768]) in the model instantiated\n",
        "transformers", "classifier.bias|cls.bias cls.weight|classifier.weight:1000x768:2x768");
}

static void test_transformers_table(void **state)
{
    (void)state;
    assert_reads(
        "BertForX LOAD REPORT from: bert\n"
        "Key                      | Status     | Details\n"
        "-------------------------+------------+--------\n"
        "layers.{0...2}.a.weight  | UNEXPECTED |  \n"
        "blk.{0, 2}.b             | \x1b[31mMISSING\x1b[0m    | \n"
        "classifier.weight        | MISMATCH   | Reinit due to size mismatch - ckpt: "
        "torch.Size([5, 8]) vs model:torch.Size([2, 8])\n\nNotes:\n"
        "- UNEXPECTED:\tcan be ignored when loading from different task/architecture\n",
        "transformers",
        "blk.0.b blk.2.b|layers.0.a.weight layers.1.a.weight layers.2.a.weight|"
        "classifier.weight:5x8:2x8");
}

static void test_fvcore(void **state)
{
    (void)state;
    assert_reads(
        "WARNING [05/01 12:00:00 fvcore.common.checkpoint]: Skip loading parameter "
        "'head.weight' to the model due to incompatible shapes: (81, 4) in the checkpoint but "
        "(5, 4) in the model! You might want to double check if this is expected.\n"
        "WARNING [05/01 fvcore.common.checkpoint]: Some model parameters or buffers are not found "
        "in the checkpoint:\n\x1b[34mbackbone.fpn.{bias, weight}\x1b[0m\n\x1b[34mrpn.anchor\x1b[0m\n"
        "WARNING [05/01 fvcore]: The checkpoint state_dict contains keys that are not used by the "
        "model:\n  \x1b[35mfc.{bias, weight}\x1b[0m\n  \x1b[35mstem.norm\x1b[0m\n"
        "[05/01 12:00:01 d2.engine]: Starting training\n",
        "fvcore", "backbone.fpn.bias backbone.fpn.weight rpn.anchor|fc.bias fc.weight stem.norm|"
                  "head.weight:81x4:5x4");
}

static void test_detectron2(void **state)
{
    (void)state;
    assert_reads("Shape of fc.weight in checkpoint is torch.Size([2, 3]), while shape of "
                 "m.fc.weight in model is torch.Size([4, 3]).", "detectron2",
                 "||fc.weight:2x3:4x3");
}

static void test_mmengine(void **state)
{
    (void)state;
    assert_reads("The model and loaded state dict do not match exactly\n\n"
                 "size mismatch for fc.weight: copying a param with shape torch.Size([1000, 8]) "
                 "from checkpoint, the shape in current model is torch.Size([10, 8]).\n"
                 "unexpected key in source state_dict: a.b, c\n\n"
                 "missing keys in source state_dict: d.e, f\n", "mmengine",
                 "d.e f|a.b c|fc.weight:1000x8:10x8");
}

static void test_mmcv_table(void **state)
{
    (void)state;
    assert_reads("These keys have mismatched shape:\n"
                 "+-----+----------------+--------------+\n"
                 "| key | expected shape | loaded shape |\n"
                 "+-----+----------------+--------------+\n"
                 "| a.b | torch.Size([2]) | torch.Size([3]) |\n"
                 "| c.d | torch.Size([4]) | torch.Size([5]) |\n", "mmcv",
                 "||a.b:3:2 c.d:5:4");
}

static void test_essmc2(void **state)
{
    (void)state;
    assert_reads("ignore keys from source: \nhead.fc.weight: invalid shape, dst torch.Size([200, "
                 "2048]) vs. src torch.Size([100, 2048])\nmissing key in source state_dict: "
                 "head.fc.weight, head.x\n", "essmc2",
                 "head.fc.weight head.x||head.fc.weight:100x2048:200x2048");
}

static void test_timm_and_pet(void **state)
{
    (void)state;
    assert_reads("Missing keys (head.fc.weight, head.fc.bias) discovered while loading pretrained "
                 "weights. This is expected if model is being adapted.\n"
                 "Unexpected keys (fc.weight) found while loading pretrained weights.", "timm",
                 "head.fc.weight head.fc.bias|fc.weight|");
    assert_reads("The mismatch keys: ['a.b', 'c.d'].\nLoading from weights: w.pth.", "pet",
                 "a.b c.d||");
}

static void test_others(void **state)
{
    (void)state;
    assert_reads("ValueError: Shape mismatch in layer #1 (named stem) for weight stem/kernel. "
                 "Weight expects shape (3, 3, 1, 40). Received saved weight with shape (3, 3, 3, "
                 "40)", "keras", "||stem/kernel:3x3x3x40:3x3x1x40");
    assert_reads("llama_model_load: error loading model: check_tensor_dims: tensor "
                 "'output.weight' has wrong shape; expected  4096, 32000, got  4096, 32001,     "
                 "1,     1", "llama.cpp", "||output.weight:32001x4096:32000x4096");
    assert_reads("llama_model_load: error loading model: missing tensor 'blk.3.ffn_up.weight'",
                 "llama.cpp", "blk.3.ffn_up.weight||");
    assert_reads("RuntimeError: Tensor lm_head.weight required but not present in model x",
                 "mergekit", "lm_head.weight||");
    assert_reads("NotFoundError: Key bert/a/kernel not found in checkpoint", "tensorflow",
                 "bert/a/kernel||");
    assert_reads("lora key not loaded: unet.a.lora_A.weight\n", "comfyui",
                 "|unet.a.lora_A.weight|");
}

/* ---- errors about no keys ---- */

static void assert_trouble(const char *text, const char *id, const char *subject)
{
    FailedLoad *load = failed_load_read(text, strlen(text));
    if (!load->trouble_count) fail_msg("nothing found in: %s", text);
    assert_string_equal(load->troubles[0].trouble->id, id);
    if (subject) assert_string_equal(load->troubles[0].subject, subject);
    failed_load_free(load);
}

static void test_troubles(void **state)
{
    (void)state;
    assert_trouble("RuntimeError: PytorchStreamReader failed finding central directory",
                   "zip-truncated", NULL);
    assert_trouble("RuntimeError: Invalid magic number; corrupt file?", "not-torch", NULL);
    assert_trouble("_pickle.UnpicklingError: invalid load key, 'v'.", "lfs-pointer", NULL);
    assert_trouble("_pickle.UnpicklingError: invalid load key, '<'.", "html", NULL);
    assert_trouble("Weights only load failed. WeightsUnpickler error: Unsupported global: GLOBAL "
                   "models.yolo.Model was not an allowed global by default.", "global",
                   "models.yolo.Model");
    assert_trouble("ModuleNotFoundError: No module named 'models'", "module", "models");
    assert_trouble("SafetensorError: Error while deserializing header: HeaderTooLarge", "header",
                   NULL);
    assert_trouble("Attempting to deserialize object on a CUDA device but …", "cuda", NULL);
    assert_trouble("KeyError: 'state_dict'", "key", "state_dict");
    assert_trouble("loaded state dict contains a parameter group that doesn't match the size of "
                   "optimizer's group", "optimizer", NULL);
    FailedLoad *load = failed_load_read("KeyError: 'unexpected key \"a.b\" in state_dict'", 45);
    assert_int_equal(load->trouble_count, 0);
    failed_load_free(load);
}

/* ---- hostile ---- */

/* A hundred thousand beginnings of lists, none of which ends. */
static void test_unclosed(void **state)
{
    (void)state;
    Text text = {0};
    for (int i = 0; i < 100000; i++) text_add(&text, "Missing key(s) in state_dict: \"");
    FailedLoad *load = failed_load_read(text.bytes, text.length);
    assert_true(load->cut);
    failed_load_free(load);
    text_clear(&text);
    for (int i = 0; i < 100000; i++) text_add(&text, "size mismatch for missing_keys=[");
    failed_load_free(failed_load_read(text.bytes, text.length));
    text_done(&text);
}

static void test_any_bytes(void **state)
{
    (void)state;
    char bytes[4096];
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(seed >> 24);
        }
        memcpy(bytes + 100, "Missing key(s) in state_dict: \"", 31);
        memcpy(bytes + 900, "\x1b]missing_keys={'", 17);
        failed_load_free(failed_load_read(bytes, sizeof bytes));
    }
    failed_load_free(failed_load_read("", 0));
    failed_load_free(failed_load_read("\x1b", 1));
    failed_load_free(failed_load_read("\x1b[", 2));
    failed_load_free(failed_load_read("missing key", 11));
    failed_load_free(failed_load_read("missing keys in state_dict:", 27));
    failed_load_free(failed_load_read("Missing key(s) in state_dict: \n", 31));
}

/* Every beginning of a message is read, and says no key that the whole does not. */
static void test_every_cut(void **state)
{
    (void)state;
    static const char text[] =
        "Error(s) in loading state_dict for R:\n\tMissing key(s) in state_dict: \"a.b\", \"c\". \n"
        "\tUnexpected key(s) in state_dict: \"d\". \n\tsize mismatch for e: copying a param with "
        "shape torch.Size([2]) from checkpoint, the shape in current model is torch.Size([3]).\n"
        "missing keys in source state_dict: f, g\nx | MISSING | y\n| z | torch.Size([1]) |";
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy = mem_alloc(n + 1);
        memcpy(copy, text, n);
        FailedLoad *load = failed_load_read(copy, n);
        assert_true(load->missing.count <= 5);
        assert_true(load->unexpected.count <= 1);
        assert_true(load->size_count <= 1);
        failed_load_free(load);
        free(copy);
    }
}

static void test_huge_shapes(void **state)
{
    (void)state;
    assert_reads("size mismatch for a.b: copying a param with shape torch.Size([99999999999999999999"
                 "]) from checkpoint, the shape in current model is torch.Size([3]).", NULL,
                 "||a.b:3:?");
    Text text = {0};
    text_add(&text, "size mismatch for a.b: copying a param with shape torch.Size([");
    for (int i = 0; i < 40; i++) text_add(&text, "1, ");
    text_add(&text, "]) from checkpoint");
    FailedLoad *load = failed_load_read(text.bytes, text.length);
    assert_int_equal(load->size_count, 1);
    assert_null(load->sizes[0].from);
    failed_load_free(load);
    text_done(&text);
}

/* ---- as a schema ---- */

static Checkpoint *open_text(const char *text)
{
    Error err = {0};
    ByteSource *source = source_from_memory(text, strlen(text), "load.txt");
    Checkpoint *checkpoint = checkpoint_open_source(source, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    source_unref(source);
    return checkpoint;
}

/* As many sizes as a tensor may have: all of the list is read, and nothing behind it. */
static void test_highest_rank(void **state)
{
    (void)state;
    Text sizes = {0}, text = {0};
    for (int i = 0; i < TENSOR_RANK_MAX; i++) text_add(&sizes, i ? ", 2" : "2");
    text_addf(&text, "size mismatch for a: copying a param with shape torch.Size([%s]) from "
                     "checkpoint, the shape in current model is torch.Size([3]).\n"
                     "tensor 'b' has wrong shape; expected %s, got 3",
              text_string(&sizes), text_string(&sizes));
    FailedLoad *load = failed_load_read(text_string(&text), text.length);
    assert_int_equal(load->size_count, 2);
    assert_int_equal(load->sizes[0].from_rank, TENSOR_RANK_MAX);
    assert_int_equal(load->sizes[1].to_rank, TENSOR_RANK_MAX);
    assert_int_equal(load->sizes[1].to[TENSOR_RANK_MAX - 1], 2);
    failed_load_free(load);
    text_done(&sizes);
    text_done(&text);
}

/* A few kilobytes of ranges are not believed to stand for millions of names. */
static void test_ranges_that_multiply(void **state)
{
    (void)state;
    Text text = {0};
    for (int i = 0; i < 200; i++) {
        text_addf(&text, "r%d.{0...999}.{0...99}.{a, b} | UNEXPECTED |\n", i);
        text_addf(&text, "m%d.{0...9999} | MISSING |\n", i);
    }
    text_add(&text, "plain.weight | MISSING |\n");
    FailedLoad *load = failed_load_read(text_string(&text), text.length);
    assert_true(load->unexpected.count + load->missing.count > 10000);
    assert_true(load->unexpected.count + load->missing.count < 1000000);
    assert_string_equal(load->missing.names[load->missing.count - 1], "plain.weight");
    failed_load_free(load);
    text_done(&text);
}

static void test_schema(void **state)
{
    (void)state;
    Checkpoint *load = open_text(
        "Missing key(s) in state_dict: \"n.weight\", \"bn.num_batches_tracked\". \nUnexpected "
        "key(s) in state_dict: \"o.weight\". \nsize mismatch for fc.weight: copying a param with "
        "shape torch.Size([5, 8]) from checkpoint, the shape in current model is torch.Size([2, "
        "8]).");
    assert_true(failed_load_is(load));
    const StateDict *wanted = checkpoint_find_container(load, "")->dict;
    const StateDict *there = checkpoint_find_container(load, "source")->dict;
    assert_int_equal(dict_count(wanted), 3);
    assert_int_equal(dict_find(wanted, "fc.weight")->dims[0], 2);
    assert_null(dict_find(wanted, "n.weight")->dims);
    assert_int_equal(dict_find(wanted, "bn.num_batches_tracked")->rank, 0);
    assert_non_null(dict_find(wanted, "bn.num_batches_tracked")->dims);
    assert_int_equal(dict_count(there), 2);
    assert_int_equal(dict_find(there, "fc.weight")->dims[0], 5);
    checkpoint_unref(load);
}

static StateDict *make_source(const char *const *names, size_t n)
{
    StateDict *dict = dict_new();
    static const int64_t dims[] = {5, 8};
    for (size_t i = 0; i < n; i++) {
        Tensor tensor = {.name = names[i], .dims = dims, .rank = 2, .dtype = DT_F32};
        assert_true(dict_add(dict, &tensor));
    }
    return dict;
}

static void show_dict(const StateDict *dict, Text *out)
{
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        text_addf(out, "%s%s ", i ? " " : "", tensor->name);
        show_dims(tensor->dims, tensor->rank, out);
    }
}

/* Source - unexpected + missing, the shapes that differ replaced; also where the loading code had
 * changed the names before. */
static void test_target(void **state)
{
    (void)state;
    static const char text[] =
        "Missing key(s) in state_dict: \"n.weight\". \nUnexpected key(s) in state_dict: "
        "\"o.weight\". \nsize mismatch for fc.weight: copying a param with shape torch.Size([5, "
        "8]) from checkpoint, the shape in current model is torch.Size([2, 8]).";
    static const char *const plain[] = {"fc.weight", "o.weight", "k.weight"};
    static const char *const wrapped[] = {"t.b.fc.weight", "t.b.o.weight", "t.b.k.weight",
                                          "other.weight"};
    Checkpoint *load = open_text(text);
    Text shown = {0};
    for (int changed = 0; changed < 2; changed++) {
        StateDict *source = changed ? make_source(wrapped, 4) : make_source(plain, 3);
        StateDict *target = failed_load_target(load, source);
        text_clear(&shown);
        show_dict(target, &shown);
        assert_string_equal(text_string(&shown), "fc.weight 2x8 k.weight 5x8 n.weight ?");
        dict_unref(target);
        dict_unref(source);
    }
    text_done(&shown);
    checkpoint_unref(load);
}

/* What was loaded has no name of the text's in it: then only the text is known. */
static void test_other_source(void **state)
{
    (void)state;
    static const char *const names[] = {"x.weight"};
    Checkpoint *load = open_text("Missing key(s) in state_dict: \"n.weight\". \nUnexpected key(s) "
                                 "in state_dict: \"o.weight\". ");
    StateDict *source = make_source(names, 1), *target = failed_load_target(load, source);
    assert_int_equal(dict_count(target), 1);
    dict_unref(target);
    dict_unref(source);
    checkpoint_unref(load);
}

/* Only errors about files: no state dict is told of. */
static void test_no_keys(void **state)
{
    (void)state;
    Error err = {0};
    static const char text[] = "Error(s) in loading state_dict for R: something else\n";
    ByteSource *source = source_from_memory(text, sizeof text - 1, "load.txt");
    assert_null(checkpoint_open_source(source, &err));
    assert_error_has(err, "names no key");
    assert_error_has(err, "tenon explain");
    source_unref(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_incompatible_keys),
        cmocka_unit_test(test_old_torch),
        cmocka_unit_test(test_odd_keys),
        cmocka_unit_test(test_colours_and_prefixes),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_inside_json),
        cmocka_unit_test(test_curly_quotes),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_prose),
        cmocka_unit_test(test_transformers),
        cmocka_unit_test(test_transformers_table),
        cmocka_unit_test(test_fvcore),
        cmocka_unit_test(test_detectron2),
        cmocka_unit_test(test_mmengine),
        cmocka_unit_test(test_mmcv_table),
        cmocka_unit_test(test_essmc2),
        cmocka_unit_test(test_timm_and_pet),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_troubles),
        cmocka_unit_test(test_unclosed),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_huge_shapes),
        cmocka_unit_test(test_highest_rank),
        cmocka_unit_test(test_ranges_that_multiply),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_other_source),
        cmocka_unit_test(test_no_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
