/* Names in pickles: the tables, what is noted while a pickle is read, what torch's weights_only
 * would say, and files of every kind, also those that are made to hide names. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "loader/format/globals_scan.h"
#include "loader/format/pickle_log.h"
#include "tests/unit/torch_maker.h"

/* --- the tables ----------------------------------------------------------------------- */

static GlobalVerdict judge(const char *module, const char *name)
{
    const char *reason = NULL;
    GlobalVerdict verdict = global_judge(module, name, &reason);
    assert_non_null(reason);
    return verdict;
}

static void test_the_list_is_sorted_and_whole(void **state)
{
    (void)state;
    size_t count;
    const char *const *list = global_allowed_list(&count);
    assert_int_equal(count, 144);
    for (size_t i = 1; i < count; i++) assert_true(strcmp(list[i - 1], list[i]) < 0);
    for (size_t i = 0; i < count; i++) assert_true(global_allowed(list[i]));
    assert_false(global_allowed("torch.floats"));
    assert_false(global_allowed(""));
}

static void test_python2_names_are_today_s(void **state)
{
    (void)state;
    assert_int_equal(judge("__builtin__", "set"), GLOBAL_ALLOWED);
    assert_int_equal(judge("__builtin__", "eval"), GLOBAL_DANGEROUS);
    assert_int_equal(judge("__builtin__", "reduce"), GLOBAL_DANGEROUS);    /* functools.reduce */
    assert_int_equal(judge("UserDict", "OrderedDict"), GLOBAL_ALLOWED);    /* collections */
    assert_int_equal(judge("torch", "_utils._rebuild_tensor_v2"), GLOBAL_ALLOWED);
    Text full = {0};
    assert_int_equal(global_path("__builtin__", "xrange", &full), 8);
    assert_string_equal(full.bytes, "builtins.range");
    text_done(&full);
}

static void test_dangers(void **state)
{
    (void)state;
    static const char *const dangerous[][2] = {
        {"os", "system"}, {"os.path", "join"}, {"posix", "system"}, {"sys", "modules"},
        {"builtins", "getattr"}, {"importlib", "import_module"}, {"importlib.util", "find_spec"},
        {"torch", "load"}, {"torch.hub", "load"}, {"torch", "hub.load"},
        {"numpy.f2py.crackfortran", "getlincoef"}, {"torch", "os.system"}, {"torch.os", "system"},
        {"numpy", "__builtins__"}, {"collections", "OrderedDict.__getattribute__"},
        {"os", ""}, {"trace", "Trace.run"}, {"commands", "getoutput"},
        {"torch.jit._pickle", "build_intlist.__globals__"}, {"torch.jit", "_pickle.other"},
    };
    for (size_t i = 0; i < countof(dangerous); i++)
        if (judge(dangerous[i][0], dangerous[i][1]) != GLOBAL_DANGEROUS)
            fail_msg("%s.%s", dangerous[i][0], dangerous[i][1]);
    static const char *const unknown[][2] = {
        {"argparse", "Namespace"}, {"models.yolo", "Model"}, {"osmnx", "graph"}, {"oscar", "os_"},
        {"builtins", "object"}, {"builtins", "opener"}, {"numpy", "dtype"}, {"torch", "loader"},
        {"numpy.core.multiarray", "scalar"}, {"pathlib", "PosixPath"}, {"", ""},
        {"torch.nn.modules.linear", "Linear"}, {"copyreg", "_reconstructor"},
        {"torch.distributed.checkpoint.metadata", "Metadata"},
        {"torch.jit._pickle", "build_intlist"}, {"torch.jit._pickle", "restore_type_tag"},
    };
    for (size_t i = 0; i < countof(unknown); i++)
        if (judge(unknown[i][0], unknown[i][1]) != GLOBAL_UNKNOWN)
            fail_msg("%s.%s", unknown[i][0], unknown[i][1]);
}

/* --- scans ---------------------------------------------------------------------------- */

static void scan_bytes_of(GlobalScan *scan, const void *bytes, size_t n)
{
    ByteSource *source = source_from_memory(bytes, n, "x.pkl");
    scan_init(scan);
    scan_source(scan, source);
    source_unref(source);
}

static const GlobalUse *find(const GlobalScan *scan, const char *module, const char *name)
{
    for (size_t i = 0; i < scan->use_count; i++)
        if (strcmp(scan->uses[i].module, module) == 0 && strcmp(scan->uses[i].name, name) == 0)
            return &scan->uses[i];
    return NULL;
}

/* The bytes name MODULE.NAME, at this byte; the scan stays with the caller. */
static const GlobalUse *expect_name(GlobalScan *scan, const void *bytes, size_t n,
                                    const char *module, const char *name, uint64_t byte)
{
    scan_bytes_of(scan, bytes, n);
    const GlobalUse *use = find(scan, module, name);
    if (!use) fail_msg("%s.%s was not seen", module, name);
    assert_int_equal(use->places[0].byte, byte);
    return use;
}

static void test_opcodes_that_name(void **state)
{
    (void)state;
    GlobalScan scan;
    const GlobalUse *use =
        expect_name(&scan, BYTES("\x80\x02" "cos\nsystem\nX\x01\0\0\0x\x85R."), "os", "system", 2);
    assert_int_equal(use->uses, USE_CALLED);
    assert_int_equal(use->calls, 1);
    assert_string_equal(use->opcode, "GLOBAL");
    assert_string_equal(use->places[0].path, "");
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x04\x8C\x02os\x94\x8C\x06system\x94\x93)R."), "os",
                      "system", 16);
    assert_string_equal(use->opcode, "STACK_GLOBAL");
    scan_done(&scan);
    use = expect_name(&scan, BYTES("(S'x'\nios\nsystem\n."), "os", "system", 6);
    assert_int_equal(use->uses, USE_CALLED);
    scan_done(&scan);
    use = expect_name(&scan, BYTES("(cos\nsystem\nS'x'\no."), "os", "system", 1);
    assert_int_equal(use->uses, USE_CALLED);
    scan_done(&scan);
}

static void test_what_is_done_with_a_name(void **state)
{
    (void)state;
    GlobalScan scan;
    const GlobalUse *use = expect_name(&scan, BYTES("\x80\x02" "ca\nB\n."), "a", "B", 2);
    assert_int_equal(use->uses, 0);
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x02" "ca\nB\n)\x81}b."), "a", "B", 2);
    assert_int_equal(use->uses, USE_MADE | USE_BUILT);
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x02" "ca\nB\n)}\x92."), "a", "B", 2);
    assert_int_equal(use->uses, USE_MADE);
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x02" "ca\nB\n)R(K\x01K\x02u."), "a", "B", 2);
    assert_int_equal(use->uses, USE_CALLED | USE_FILLED);
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x02](ca\nB\nq\0)Rh\0)Rh\0)Rca\nB\n)Re."), "a", "B", 4);
    assert_int_equal(use->count, 2);
    assert_int_equal(use->calls, 4);
    assert_string_equal(use->places[0].path, "[0]");
    scan_done(&scan);
}

static void test_memo_tricks(void **state)
{
    (void)state;
    GlobalScan scan;
    /* picklescan#14: PUT and MEMOIZE mixed, so that the wrong strings seem to be named */
    static const char mixed[] = "\x80\x04U\x02osq\0U\x06systemq\x01U\x05torch\x94U\x04Size\x94"
                                "h\0h\x01\x93)R.";
    assert_int_equal(expect_name(&scan, BYTES(mixed), "os", "system", 37)->calls, 1);
    assert_null(find(&scan, "torch", "Size"));
    scan_done(&scan);
    /* a memo entry that is overwritten; DUP and POP between name and use */
    expect_name(&scan, BYTES("\x80\x04\x8C\x02okq\0" "0\x8C\x02osq\0" "0\x8C\x06system2" "0q\x01"
                             "0h\0h\x01\x93)R."), "os", "system", 33);
    scan_done(&scan);
    /* numbers that no writer would give */
    expect_name(&scan, BYTES("\x80\x04\x8C\x02osr\xA0\x86\x01\0" "0\x8C\x06system"
                             "r\xA1\x86\x01\0" "0j\xA0\x86\x01\0j\xA1\x86\x01\0\x93)R."),
                "os", "system", 36);
    scan_done(&scan);
    /* further away than a scan follows, unless it is told to */
    static const char far[] = "\x80\x04\x8C\x02osr\xFF\xFF\xFF\0" "0\x8C\x06systemq\x01"
                              "0j\xFF\xFF\xFF\0h\x01\x93)R.";
    scan_bytes_of(&scan, BYTES(far));
    assert_null(find(&scan, "os", "system"));
    assert_non_null(strstr(scan.pickles[0].error, "memo index 16777215 is beyond the bytes of the "
                           "pickle by more than the 1048576 of a scan (--limit pickle-memo=N"));
    scan_done(&scan);
    assert_true(limit_set("pickle-memo=17M", NULL));
    expect_name(&scan, BYTES(far), "os", "system", 30);
    scan_done(&scan);
    assert_true(limit_set("pickle-memo=1024", NULL));
}

static void test_names_before_and_behind_an_error(void **state)
{
    (void)state;
    GlobalScan scan;
    const GlobalUse *use = expect_name(
        &scan, BYTES("\x80\x02" "cos\nsystem\nX\x01\0\0\0x\x85R0}K\x01"), "os", "system", 2);
    assert_null(use->places[0].path);
    assert_non_null(strstr(scan.pickles[0].error, "the file ends at byte"));
    scan_done(&scan);
    /* what cannot be done does not hide what follows */
    expect_name(&scan, BYTES("\x80\x02h\x63" "0cos\nsystem\n)R."), "os", "system", 5);
    assert_non_null(strstr(scan.pickles[0].error, "memo entry 99 was never stored"));
    scan_done(&scan);
    /* bytes that are no opcodes end it */
    expect_name(&scan, BYTES("\x80\x02" "cos\nsystem\n)R\xFF" "cx\ny\n."), "os", "system", 2);
    assert_null(find(&scan, "x", "y"));
    assert_non_null(strstr(scan.pickles[0].error, "is no pickle opcode"));
    scan_done(&scan);
}

static void test_things_that_python_can_change(void **state)
{
    (void)state;
    GlobalScan scan;
    /* modelscan#89: BUILD of a function puts sys.modules into its attributes */
    static const char build[] = "\x80\x04" "cnumpy\nprod\nNcnumpy\ncore._internal.sys.modules\n"
                                "\x86" "b0cnumpy\nprod.os.system\n)R.";
    const GlobalUse *use = expect_name(&scan, BYTES(build), "numpy", "prod.os.system", 52);
    assert_int_equal(use->verdict, GLOBAL_DANGEROUS);
    assert_int_equal(find(&scan, "numpy", "prod")->uses, USE_BUILT);
    assert_int_equal(find(&scan, "numpy", "core._internal.sys.modules")->verdict, GLOBAL_DANGEROUS);
    assert_null(scan.pickles[0].error);
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x02" "csys\nmodules\nX\x01\0\0\0aNs."), "sys",
                      "modules", 2);
    assert_int_equal(use->uses, USE_FILLED);
    assert_null(scan.pickles[0].error);
    scan_done(&scan);
}

static void test_names_that_are_reached(void **state)
{
    (void)state;
    GlobalScan scan;
    static const char by_getattr[] = "\x80\x02" "c__builtin__\ngetattr\nc__builtin__\n__import__\n"
                                     "X\x02\0\0\0os\x85RX\x06\0\0\0system\x86R)R.";
    const GlobalUse *use = expect_name(&scan, BYTES(by_getattr), "os", "system", 68);
    assert_string_equal(use->way, "getattr");
    assert_int_equal(use->uses, USE_CALLED);
    assert_int_equal(use->verdict, GLOBAL_DANGEROUS);
    assert_string_equal(find(&scan, "os", "")->way, "__import__");
    scan_done(&scan);
    static const char by_getter[] = "\x80\x02" "coperator\nattrgetter\nX\x06\0\0\0system\x85R"
                                    "cimportlib\nimport_module\nX\x02\0\0\0os\x85R\x85R)R.";
    use = expect_name(&scan, BYTES(by_getter), "os", "system", 71);
    assert_string_equal(use->way, "attrgetter");
    scan_done(&scan);
    use = expect_name(&scan, BYTES("\x80\x02" "cpkgutil\nresolve_name\nX\x09\0\0\0os:system\x85R."),
                      "os", "system", 39);
    assert_string_equal(use->way, "resolve_name");
    scan_done(&scan);
    static const char builtins[] = "\x80\x04" "cbuiltins\ndict.get\ncnumpy\n__builtins__\n"
                                   "X\x04\0\0\0exec\x86R)R.";
    use = expect_name(&scan, BYTES(builtins), "builtins", "exec", 51);
    assert_string_equal(use->way, "dict.get");
    assert_int_equal(use->uses, USE_CALLED);
    scan_done(&scan);
    /* getattr that leads nowhere known is still getattr */
    scan_bytes_of(&scan, BYTES("\x80\x02" "c__builtin__\ngetattr\nNX\x01\0\0\0x\x86R)R."));
    assert_int_equal(scan.use_count, 1);
    assert_int_equal(scan_worst(&scan), GLOBAL_DANGEROUS);
    scan_done(&scan);
}

static void test_a_chain_of_getattr_without_end(void **state)
{
    (void)state;
    Text pickle = {0};
    GlobalScan scan;
    text_add(&pickle, "\x80\x02" "c__builtin__\ngetattr\nq\1" "0ca\nb\n");
    for (int i = 0; i < 1000; i++) text_addn(&pickle, BYTES("q\2" "0h\1h\2X\1\0\0\0x\x86R"));
    text_addc(&pickle, '.');
    scan_bytes_of(&scan, pickle.bytes, pickle.length);
    assert_null(scan.pickles[0].error);
    assert_true(scan.use_count < 40);
    scan_done(&scan);
    text_done(&pickle);
}

static void test_second_pickle_and_two_protos(void **state)
{
    (void)state;
    GlobalScan scan;
    expect_name(&scan, BYTES("\x80\x02}.\x80\x02" "cos\nsystem\n)R."), "os", "system", 6);
    assert_int_equal(scan.pickle_count, 2);
    scan_done(&scan);
    expect_name(&scan, BYTES("\x80\x02\x80\x04\x80\x02" "cos\nsystem\n)R."), "os", "system", 6);
    scan_done(&scan);
    expect_name(&scan, BYTES("cos\nsystem\n)R."), "os", "system", 0);
    scan_done(&scan);
}

static void test_pickles_inside_of_pickles(void **state)
{
    (void)state;
    GlobalScan scan;
    static const char inner[] = "\x80\x04" "cpickle\nloads\nC\x10\x80\x02" "cos\nsystem\n)R"
                                "\x85R.";
    const GlobalUse *use = expect_name(&scan, BYTES(inner), "os", "system", 2);
    assert_string_equal(use->places[0].member, "bytes at 16");
    scan_done(&scan);
    /* as protocol 2 has bytes: text, each byte a character */
    static const char latin[] = "\x80\x02" "c_codecs\nencode\nX\x10\0\0\0\xC2\x80\x02"
                                "cos\nsystem\n." "X\x06\0\0\0latin1\x86R.";
    expect_name(&scan, BYTES(latin), "os", "system", 2);
    scan_done(&scan);
    expect_name(&scan, BYTES("\x80\x04" "C\x0E" "cos\nsystem\n)R.."), "os", "system", 0);
    scan_done(&scan);
}

/* Decoys in front of it do not hide a nested pickle without a word. */
static void test_decoys_before_a_nested_pickle(void **state)
{
    (void)state;
    Text pickle = {0};
    GlobalScan scan;
    text_addn(&pickle, BYTES("\x80\x04("));
    for (unsigned i = 0; i < limit(LIMIT_BLOBS); i++)
        text_addn(&pickle, BYTES("C\x04\x80\x04N."));
    text_addn(&pickle, BYTES("C\x0E" "cos\nsystem\n)R." "l."));
    scan_bytes_of(&scan, pickle.bytes, pickle.length);
    assert_null(find(&scan, "os", "system"));
    assert_non_null(strstr(scan.files[0].errors[0], "1 byte strings that may be pickles were not "
                                                "scanned, more than the limit of 4096 (--limit "
                                                "nested-pickles=N"));
    scan_done(&scan);
    assert_true(limit_set("nested-pickles=5k", NULL));
    scan_bytes_of(&scan, pickle.bytes, pickle.length);
    assert_non_null(find(&scan, "os", "system"));
    scan_done(&scan);
    assert_true(limit_set("nested-pickles=4096", NULL));
    text_done(&pickle);
}

/* Nor is text that is too long to be looked at left out without a word. */
static void test_nested_text_that_is_too_long(void **state)
{
    (void)state;
    enum { LENGTH = 20000 };     /* more than is kept in memory */
    Text pickle = {0};
    GlobalScan scan;
    text_addn(&pickle, BYTES("\x80\x02X"));
    put(&pickle, LENGTH, 4);
    text_addn(&pickle, BYTES("cos\nsystem\n)R."));
    while (pickle.length < 2 + 1 + 4 + LENGTH) text_addc(&pickle, ' ');
    text_addc(&pickle, '.');
    assert_true(limit_set("nested-bytes=10k", NULL));
    scan_bytes_of(&scan, pickle.bytes, pickle.length);
    assert_non_null(strstr(scan.files[0].errors[0], "--limit nested-bytes=N"));
    scan_done(&scan);
    assert_true(limit_set("nested-bytes=67108864", NULL));
    expect_name(&scan, pickle.bytes, pickle.length, "os", "system", 0);
    scan_done(&scan);
    text_done(&pickle);
}

/* A zip without a directory of which every local header leads into the same pickle. */
static void test_headers_that_share_a_pickle(void **state)
{
    (void)state;
    enum { HEADERS = 50, HEADER = 30 + 5 };
    Text file = {0};
    GlobalScan scan;
    for (unsigned i = 0; i < HEADERS; i++) {
        text_addn(&file, BYTES("PK\3\4"));
        for (int zeros = 0; zeros < 22; zeros++) text_addc(&file, '\0');
        put(&file, 5, 2);
        put(&file, (HEADERS - 1 - i) * HEADER, 2);
        text_add(&file, "d.pkl");
    }
    text_addn(&file, BYTES("\x80\x02" "cos\nsystem\n"));
    for (int i = 0; i < 5000; i++) text_add(&file, "N0");
    text_addc(&file, '.');
    assert_true(limit_set("listing-bytes=0", NULL));
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_non_null(find(&scan, "os", "system"));
    assert_in_range(scan.pickle_count, 2, 12);
    assert_in_range(scan.read, file.length, 10 * file.length);
    scan_done(&scan);
    assert_true(limit_set("listing-bytes=67108864", NULL));
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_true(scan.pickle_count >= HEADERS);
    scan_done(&scan);
    text_done(&file);
}

static void test_nesting_has_an_end(void **state)
{
    (void)state;
    Text inner = {0}, outer = {0};
    GlobalScan scan;
    text_addn(&inner, BYTES("\x80\x04" "cos\nsystem\n."));
    for (int i = 0; i < 8; i++) {
        text_clear(&outer);
        text_addn(&outer, BYTES("\x80\x04" "B"));
        put(&outer, inner.length, 4);
        text_addn(&outer, inner.bytes, inner.length);
        text_addc(&outer, '.');
        text_clear(&inner);
        text_addn(&inner, outer.bytes, outer.length);
    }
    scan_bytes_of(&scan, outer.bytes, outer.length);
    assert_null(find(&scan, "os", "system"));
    assert_non_null(strstr(scan.files[0].errors[0], "--limit inner-depth=N"));
    scan_done(&scan);
    text_done(&inner);
    text_done(&outer);
}

static void test_odd_names(void **state)
{
    (void)state;
    GlobalScan scan;
    expect_name(&scan, BYTES("\x80\x02" "cos\0\nsys\0tem\n)R."), "os\xC0\x80", "sys\xC0\x80tem", 2);
    scan_done(&scan);
    expect_name(&scan, BYTES("\x80\x02" "c\n\n."), "", "", 2);
    scan_done(&scan);
    Text pickle = {0};
    text_add(&pickle, "\x80\x02" "ca\n");
    for (int i = 0; i < 5000; i++) text_addc(&pickle, 'x');
    text_add(&pickle, "\n.");
    scan_bytes_of(&scan, pickle.bytes, pickle.length);
    assert_int_equal(scan.use_count, 0);
    assert_non_null(strstr(scan.pickles[0].error, "--limit pickle-name=N"));
    scan_done(&scan);
    text_done(&pickle);
}

static void test_many_names(void **state)
{
    (void)state;
    Text pickle = {0};
    GlobalScan scan;
    text_add(&pickle, "\x80\x02](");
    for (int i = 0; i < PICKLE_LOG_MAX + 10; i++) text_addf(&pickle, "cm\nn%d\n", i);
    text_add(&pickle, "e.");
    scan_bytes_of(&scan, pickle.bytes, pickle.length);
    assert_int_equal(scan.use_count, PICKLE_LOG_MAX);
    assert_int_equal(scan.pickles[0].left_out, 10);
    scan_done(&scan);
    text_done(&pickle);
}

/* --- containers ----------------------------------------------------------------------- */

static void scan_zip_of(GlobalScan *scan, const Record *records, size_t count)
{
    Text file = {0};
    make_zip(&file, records, count);
    scan_bytes_of(scan, file.bytes, file.length);
    text_done(&file);
}

#define EVIL BYTES("\x80\x02" "cos\nsystem\n)R.")

static void test_members_of_zips(void **state)
{
    (void)state;
    GlobalScan scan;
    const Record torch[] = {{"a/data.pkl", BYTES("\x80\x02}.")}, {"a/extra.pkl", EVIL},
                            {"a/data/0", EVIL}, {"b/data.pkl", BYTES("\x80\x02" "cx\ny\n.")}};
    scan_zip_of(&scan, torch, countof(torch));
    const GlobalUse *use = find(&scan, "os", "system");
    assert_int_equal(use->place_count, 1);       /* storages are numbers */
    assert_string_equal(use->places[0].member, "a/extra.pkl");
    assert_non_null(find(&scan, "x", "y"));
    assert_int_equal(scan.files[0].torch, SCAN_LOADS);   /* torch reads a/data.pkl alone */
    scan_done(&scan);

    Text inner = {0};
    const Record deep[] = {{"m/data.pkl", EVIL}};
    make_zip(&inner, deep, 1);
    const Record outer[] = {{"readme", BYTES("hello")}, {"model.pth", inner.bytes, inner.length}};
    scan_zip_of(&scan, outer, countof(outer));
    assert_string_equal(find(&scan, "os", "system")->places[0].member, "model.pth > m/data.pkl");
    assert_int_equal(scan.files[0].torch, SCAN_NO_TORCH);
    scan_done(&scan);
    text_done(&inner);
}

/* Text may begin with the letter of an opcode; a pickle that breaks off is something else. */
static void test_source_text_is_no_pickle(void **state)
{
    (void)state;
    GlobalScan scan;
    const Record text[] = {{"a/data.pkl", BYTES("\x80\x02}.")},
                           {"a/code/net.py", BYTES("class Net(Module):\n  scale : Tensor\n")},
                           {"a/bad.py", BYTES("cos\nsystem\n(S'true'\ntR ")}};
    scan_zip_of(&scan, text, countof(text));
    assert_int_equal(scan.use_count, 1);
    assert_string_equal(find(&scan, "os", "system")->places[0].member, "a/bad.py");
    assert_int_equal(scan.pickle_count, 2);
    scan_done(&scan);
}

static void test_a_broken_zip_says_so(void **state)
{
    (void)state;
    GlobalScan scan;
    scan_bytes_of(&scan, BYTES("PK\3\4 and nothing else"));
    assert_true(scan.files[0].error_count > 0);
    assert_int_equal(scan.pickle_count, 0);
    scan_done(&scan);
    /* cut before its directory: what stands in front is seen */
    Text file = {0};
    const Record records[] = {{"a/data.pkl", EVIL}, {"a/data/0", EVIL}, {"a/more.pkl", EVIL}};
    make_zip(&file, records, countof(records));
    for (size_t cut = 1; cut < file.length - 60; cut++) {
        scan_bytes_of(&scan, file.bytes, file.length - cut);
        if (file.length - cut > 70) assert_non_null(find(&scan, "os", "system"));
        assert_true(scan.files[0].error_count > 0);
        scan_done(&scan);
    }
    text_done(&file);
}

/* As in .distcp files: each zip counts from its own beginning; the first two lie
 * where no end record can be looked for. */
static void test_zips_in_a_row(void **state)
{
    (void)state;
    enum { LONG = 17 << 20 };
    GlobalScan scan;
    Text file = {0};
    char *numbers = mem_alloc(LONG);
    const Record first[] = {{"a/data.pkl", BYTES("\x80\x02}.")}}, second[] = {{"a/data.pkl", EVIL}};
    const Record third[] = {{"a/data.pkl", BYTES("\x80\x02N.")}, {"a/data/0", numbers, LONG}};
    for (int i = 0; i < 3; i++) {
        Text one = {0};
        make_zip(&one, i == 0 ? first : i == 1 ? second : third, i == 2 ? 2 : 1);
        text_addn(&file, one.bytes, one.length);
        text_done(&one);
    }
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_int_equal(scan.files[0].error_count, 0);
    assert_int_equal(scan.pickle_count, 3);
    assert_non_null(strstr(find(&scan, "os", "system")->places[0].member, " > a/data.pkl"));
    assert_true(has_prefix(find(&scan, "os", "system")->places[0].member, "zip at byte 1"));
    assert_int_equal(scan.files[0].torch, SCAN_NO_TORCH);
    scan_done(&scan);
    /* something that is no zip stands in front of them: no row, and the beginning is searched */
    scan_bytes_of(&scan, file.bytes + 1, file.length - 1);
    assert_int_equal(scan.use_count, 0);
    scan_done(&scan);
    free(numbers);
    text_done(&file);
}

/* The last end record names the first zip's directory: both are looked into. */
static void test_zips_of_one_size_in_a_row(void **state)
{
    (void)state;
    GlobalScan scan;
    Text file = {0};
    const Record evil = {"a/data.pkl", EVIL};
    char *same = mem_alloc(evil.n);
    memcpy(same, "\x80\x02N.", 4);
    const Record good = {"a/data.pkl", same, evil.n};
    for (int i = 0; i < 2; i++) {
        Text zip = {0};
        make_zip(&zip, i ? &evil : &good, 1);
        text_addn(&file, zip.bytes, zip.length);
        text_done(&zip);
    }
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_non_null(find(&scan, "os", "system"));
    scan_done(&scan);
    free(same);
    text_done(&file);
}

static void test_every_error_of_a_file_is_kept(void **state)
{
    (void)state;
    enum { MEMBERS = SCAN_ERRORS + 5 };
    GlobalScan scan;
    Text file = {0};
    char names[MEMBERS][8];
    Record records[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(names[i], sizeof names[i], "m%02u.zip", (unsigned)i % 100);
        records[i] = (Record){names[i], BYTES("PK\3\4 and nothing else")};
    }
    make_zip(&file, records, MEMBERS);
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_int_equal(scan.files[0].error_count, MEMBERS);
    assert_non_null(strstr(scan.files[0].errors[0], "m00.zip"));
    assert_non_null(strstr(scan.files[0].errors[SCAN_ERRORS - 1], "m19.zip"));
    scan_done(&scan);
    text_done(&file);
}

static void test_arrays_of_objects(void **state)
{
    (void)state;
    GlobalScan scan;
    Text file = {0};
    static const char header[] = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n";
    text_addn(&file, BYTES("\x93NUMPY\x01\0"));
    put(&file, sizeof header - 1, 2);
    text_add(&file, header);
    size_t start = file.length;
    text_addn(&file, EVIL);
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_int_equal(find(&scan, "os", "system")->places[0].byte, start + 2);
    scan_done(&scan);
    text_done(&file);
    scan_bytes_of(&scan, BYTES("\x93NUMPY\x01\0\xFF\xFF'|O'"));    /* a header beyond the end */
    assert_int_equal(scan.pickle_count, 0);
    scan_done(&scan);
}

/* A ustar header and its content. */
static void put_tar(Text *file, const char *name, const void *bytes, size_t n)
{
    char head[512] = {0};
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 124, 12, "%011o", (unsigned)n);
    memset(head + 148, ' ', 8);
    memcpy(head + 257, "ustar", 5);
    for (size_t i = 0; i < sizeof head; i++) sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    text_addn(file, head, sizeof head);
    text_addn(file, bytes, n);
    while (file->length % 512) text_addc(file, '\0');
}

static void test_members_of_tars(void **state)
{
    (void)state;
    GlobalScan scan;
    Text file = {0};
    put_tar(&file, "sys_info", BYTES("\x80\x02}."));
    put_tar(&file, "pickle", EVIL);
    size_t cut = file.length;
    for (int i = 0; i < 1024; i++) text_addc(&file, '\0');
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_int_equal(scan.files[0].error_count, 0);
    assert_string_equal(find(&scan, "os", "system")->places[0].member, "pickle");
    assert_int_equal(scan.files[0].torch, SCAN_REFUSES);
    assert_non_null(strstr(scan.files[0].refusal, "legacy .tar format"));
    scan_done(&scan);
    scan_bytes_of(&scan, file.bytes, 512 + 100);
    assert_null(find(&scan, "os", "system"));
    assert_non_null(strstr(scan.files[0].errors[0], "a tar that breaks off at byte 612"));
    scan_done(&scan);
    scan_bytes_of(&scan, file.bytes, cut);
    assert_non_null(find(&scan, "os", "system"));
    assert_non_null(strstr(scan.files[0].errors[0], "breaks off at byte 2048"));
    scan_done(&scan);
    file.bytes[cut] = 'x';                           /* a header that is none */
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_non_null(strstr(scan.files[0].errors[0], "breaks off at byte 2048"));
    scan_done(&scan);
    text_done(&file);
}

static void test_every_pickle_of_a_legacy_stream(void **state)
{
    (void)state;
    GlobalScan scan;
    Text file = {0}, pickle = {0};
    text_addn(&pickle, BYTES("\x80\x02}"));
    make_legacy(&file, &pickle, "\x80\x02]cos\nsystem\na");
    text_addn(&file, BYTES("\x80\x02" "cx\ny\n."));     /* numbers of a storage, by now */
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_int_equal(scan.pickle_count, 5);
    assert_non_null(find(&scan, "os", "system"));
    assert_null(find(&scan, "x", "y"));
    assert_int_equal(scan.files[0].torch, SCAN_REFUSES);
    scan_done(&scan);
    text_clear(&file);
    make_legacy(&file, &pickle, "\x80\x02]");
    scan_bytes_of(&scan, file.bytes, file.length);
    assert_int_equal(scan.files[0].torch, SCAN_LOADS);
    scan_done(&scan);
    text_done(&file);
    text_done(&pickle);
}

static void test_files_without_pickles(void **state)
{
    (void)state;
    GlobalScan scan;
    Error err = {0};
    scan_init(&scan);
    assert_true(scan_path(&scan, "tests/data/kinds/plain.safetensors", &err));
    assert_int_equal(scan.pickle_count, 0);
    assert_null(scan.files[0].refusal);
    scan_done(&scan);
    scan_bytes_of(&scan, "", 0);
    assert_int_equal(scan.pickle_count, 0);
    scan_done(&scan);
    scan_init(&scan);
    assert_false(scan_path(&scan, "tests/data/kinds/no such file", &err));
    scan_done(&scan);
}

static void test_folders(void **state)
{
    (void)state;
    GlobalScan scan;
    Error err = {0};
    scan_init(&scan);
    assert_true(scan_path(&scan, "tests/data/kinds", &err));
    assert_true(scan.file_count > 8);
    assert_non_null(find(&scan, "torch.nn.modules.linear", "Linear"));
    assert_int_equal(scan.uses[0].verdict, GLOBAL_UNKNOWN);      /* the worst comes first */
    assert_int_equal(scan_worst(&scan), GLOBAL_UNKNOWN);
    scan_done(&scan);
}

/* What is not looked at is not left out without a word. */
static void test_folders_that_are_too_much(void **state)
{
    (void)state;
    GlobalScan scan;
    Error err = {0};
    size_t deep = 0;
    scan_init(&scan);
    assert_true(limit_set("inner-depth=0", &err));
    assert_true(scan_path(&scan, "tests/data", &err));
    for (size_t i = 0; i < scan.file_count; i++)
        deep += scan.files[i].error_count &&
                strstr(scan.files[i].errors[0], "folders inside folders, to a depth more than") != NULL;
    assert_true(deep > 5);
    scan_done(&scan);
    assert_true(limit_set("inner-depth=3", &err));
    scan_init(&scan);
    assert_true(limit_set("folder-files=2", &err));
    assert_false(scan_path(&scan, "tests/data/kinds", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "limit of 2 (--limit folder-files=N"));
    scan_done(&scan);
    assert_true(limit_set("folder-files=100k", &err));
}

/* --- weights_only --------------------------------------------------------------------- */

/* What torch would say of the pickle; "" when it loads. */
static void expect_refusal(const void *bytes, size_t n, const char *part)
{
    GlobalScan scan;
    const Record record = {"a/data.pkl", bytes, n};
    scan_zip_of(&scan, &record, 1);
    const ScannedFile *file = &scan.files[0];
    assert_int_equal(file->torch, part[0] ? SCAN_REFUSES : SCAN_LOADS);
    if (part[0] && !strstr(file->refusal, part)) fail_msg("'%s' lacks '%s'", file->refusal, part);
    scan_done(&scan);
}

#define OD "ccollections\nOrderedDict\n)R"

static void test_what_weights_only_takes(void **state)
{
    (void)state;
    expect_refusal(BYTES("\x80\x02}."), "");
    expect_refusal(BYTES("\x80\x02" OD "}X\x01\0\0\0aK\x01sb."), "");
    expect_refusal(BYTES("\x80\x02" OD "(K\x01K\x02u."), "");
    expect_refusal(BYTES("\x80\x02" "c__builtin__\nset\n](K\1K\2e\x85R."), "");
    expect_refusal(BYTES("\x80\x02" "ctorch\nfloat32\n."), "");
    expect_refusal(BYTES("\x80\x02" "U\1a."), "");
    expect_refusal(BYTES("\x80\x02}.cos\nsystem\n)R."), "");
}

static void test_what_weights_only_refuses(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; const char *part; } cases[] = {
        {BYTES("\x80\x02" "cos\nsystem\n."), "GLOBAL os.system whose module os is blocked"},
        {BYTES("\x80\x02" "cbuiltins\neval\n."), "GLOBAL eval was not an allowed global"},
        {BYTES("\x80\x04\x8C\1a."), "Unsupported operand 140"},
        {BYTES("\x80\x02" "K\1\x85q\0" "0h\0N0."), "Unsupported operand 48"},
        {BYTES("\x80\x02" "X\1\0\0\0x)R."), "Trying to call reduce for unrecognized function"},
        {BYTES("\x80\x02" OD ")R."), "Trying to call reduce for unrecognized function"},
        {BYTES("\x80\x02" "ctorch\nfloat32\n)R."), "'torch.dtype' object is not callable"},
        {BYTES("\x80\x02" "ctorch\nfloat32\n)\x81."), "Can only create new object"},
        {BYTES("\x80\x02}}b."), "but got <class 'dict'>"},
        {BYTES("\x80\x02" "ctorch\nSize\n}b."), "but got <class 'type'>"},
        {BYTES("\x80\x02]K\0K\1s."), "Can only SETITEM for dict"},
        {BYTES("\x80\x02](K\0K\1u."), "Can only SETITEMS for dict"},
        {BYTES("\x80\x02}K\1a."), "Can only append to lists, but got <class 'dict'>"},
        {BYTES("\x80\x02" OD "(K\1e."), "Can only extend lists"},
        {BYTES("\x80\x02}]K\1s."), "unhashable type: 'list'"},
        {BYTES("\x80\x02" "X\1\0\0\0xQ."), "must be tuple or int, but got <class 'str'>"},
        {BYTES("\x80\x02" "X\1\0\0\0x\x85Q."), "Only persistent_load of storage is allowed"},
        {BYTES("\x80\x02)Q."), "persistent_load"},
        {BYTES("\x80\x02" "U\1\xFF."), "can't decode"},
        {BYTES("\x80\x02h\7."), "memo entry 7"}, {BYTES("\x80\x02]"), "the file ends"},
        {BYTES("\x80\x02\xFF."), "Unsupported operand 255"},
    };
    for (size_t i = 0; i < countof(cases); i++)
        expect_refusal(cases[i].bytes, cases[i].n, cases[i].part);
    const Record script[] = {{"a/data.pkl", BYTES("\x80\x02}.")}, {"a/constants.pkl", BYTES(").")}};
    GlobalScan scan;
    scan_zip_of(&scan, script, 2);
    assert_non_null(strstr(scan.files[0].refusal, "TorchScript archives"));
    scan_done(&scan);
}

static void test_protocols_are_warned_of(void **state)
{
    (void)state;
    GlobalScan scan;
    const Record record = {"a/data.pkl", BYTES("\x80\x03}.")};
    scan_zip_of(&scan, &record, 1);
    assert_int_equal(scan.files[0].torch, SCAN_LOADS);
    assert_int_equal(scan.files[0].protocol, 3);
    scan_done(&scan);
}

#define TEST(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_list_is_sorted_and_whole),
        TEST(test_python2_names_are_today_s),
        TEST(test_dangers),
        TEST(test_opcodes_that_name),
        TEST(test_what_is_done_with_a_name),
        TEST(test_memo_tricks),
        TEST(test_names_before_and_behind_an_error),
        TEST(test_things_that_python_can_change),
        TEST(test_names_that_are_reached),
        TEST(test_a_chain_of_getattr_without_end),
        TEST(test_second_pickle_and_two_protos),
        TEST(test_pickles_inside_of_pickles),
        TEST(test_decoys_before_a_nested_pickle),
        TEST(test_nested_text_that_is_too_long),
        TEST(test_headers_that_share_a_pickle),
        TEST(test_nesting_has_an_end),
        TEST(test_odd_names),
        TEST(test_many_names),
        TEST(test_members_of_zips),
        TEST(test_source_text_is_no_pickle),
        TEST(test_a_broken_zip_says_so),
        cmocka_unit_test(test_zips_in_a_row),
        cmocka_unit_test(test_zips_of_one_size_in_a_row),
        cmocka_unit_test(test_every_error_of_a_file_is_kept),
        TEST(test_arrays_of_objects),
        TEST(test_members_of_tars),
        TEST(test_every_pickle_of_a_legacy_stream),
        TEST(test_files_without_pickles),
        TEST(test_folders),
        TEST(test_folders_that_are_too_much),
        TEST(test_what_weights_only_takes),
        TEST(test_what_weights_only_refuses),
        TEST(test_protocols_are_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
