/* The tables of names, and the questions asked of them. */
#include "loader/format/globals.h"

#include <stdlib.h>
#include <string.h>

/* torch._weights_only_unpickler._get_allowed_globals() of PyTorch 2.13.0; sorted by bytes. */
static const char *const allowed[] = {
    "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set",
    "collections.Counter", "collections.OrderedDict", "torch.BFloat16Storage",
    "torch.BFloat16Tensor", "torch.BoolStorage", "torch.BoolTensor", "torch.ByteStorage",
    "torch.ByteTensor", "torch.CharStorage", "torch.CharTensor", "torch.ComplexDoubleStorage",
    "torch.ComplexFloatStorage", "torch.DoubleStorage", "torch.DoubleTensor", "torch.FloatStorage",
    "torch.FloatTensor", "torch.HalfStorage", "torch.HalfTensor", "torch.IntStorage",
    "torch.IntTensor", "torch.LongStorage", "torch.LongTensor", "torch.QInt32Storage",
    "torch.QInt8Storage", "torch.QUInt2x4Storage", "torch.QUInt4x2Storage", "torch.QUInt8Storage",
    "torch.ShortStorage", "torch.ShortTensor", "torch.Size", "torch.Tensor",
    "torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_device_tensor_from_cpu_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_meta_tensor_no_storage", "torch._utils._rebuild_nested_tensor",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor", "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_wrapper_subclass", "torch.bfloat16",
    "torch.bits16", "torch.bits1x8", "torch.bits2x4", "torch.bits4x2", "torch.bits8", "torch.bool",
    "torch.complex128", "torch.complex32", "torch.complex64", "torch.cuda.BFloat16Storage",
    "torch.cuda.BFloat16Tensor", "torch.cuda.BoolStorage", "torch.cuda.BoolTensor",
    "torch.cuda.ByteStorage", "torch.cuda.ByteTensor", "torch.cuda.CharStorage",
    "torch.cuda.CharTensor", "torch.cuda.ComplexDoubleStorage", "torch.cuda.ComplexFloatStorage",
    "torch.cuda.DoubleStorage", "torch.cuda.DoubleTensor", "torch.cuda.FloatStorage",
    "torch.cuda.FloatTensor", "torch.cuda.HalfStorage", "torch.cuda.HalfTensor",
    "torch.cuda.IntStorage", "torch.cuda.IntTensor", "torch.cuda.LongStorage",
    "torch.cuda.LongTensor", "torch.cuda.ShortStorage", "torch.cuda.ShortTensor",
    "torch.cuda.sparse.BFloat16Tensor", "torch.cuda.sparse.ByteTensor",
    "torch.cuda.sparse.CharTensor", "torch.cuda.sparse.DoubleTensor",
    "torch.cuda.sparse.FloatTensor", "torch.cuda.sparse.HalfTensor", "torch.cuda.sparse.IntTensor",
    "torch.cuda.sparse.LongTensor", "torch.cuda.sparse.ShortTensor", "torch.device",
    "torch.float16", "torch.float32", "torch.float4_e2m1fn_x2", "torch.float64",
    "torch.float8_e4m3fn", "torch.float8_e4m3fnuz", "torch.float8_e5m2", "torch.float8_e5m2fnuz",
    "torch.float8_e8m0fnu", "torch.int1", "torch.int16", "torch.int2", "torch.int3", "torch.int32",
    "torch.int4", "torch.int5", "torch.int6", "torch.int64", "torch.int7", "torch.int8",
    "torch.nn.parameter.Parameter", "torch.per_channel_affine",
    "torch.per_channel_affine_float_qparams", "torch.per_channel_symmetric",
    "torch.per_tensor_affine", "torch.per_tensor_symmetric", "torch.qint32", "torch.qint8",
    "torch.quint2x4", "torch.quint4x2", "torch.quint8", "torch.serialization._get_layout",
    "torch.sparse.BFloat16Tensor", "torch.sparse.ByteTensor", "torch.sparse.CharTensor",
    "torch.sparse.DoubleTensor", "torch.sparse.FloatTensor", "torch.sparse.HalfTensor",
    "torch.sparse.IntTensor", "torch.sparse.LongTensor", "torch.sparse.ShortTensor",
    "torch.storage.TypedStorage", "torch.storage.UntypedStorage", "torch.uint1", "torch.uint16",
    "torch.uint2", "torch.uint3", "torch.uint32", "torch.uint4", "torch.uint5", "torch.uint6",
    "torch.uint64", "torch.uint7", "torch.uint8",
};

/* A name that Python 3 spells otherwise, as torch._utils has it (IMPORT_MAPPING, NAME_MAPPING:
 * fewer than pickle's own). */
typedef struct Rename {
    const char *module, *name;           /* NULL name: all of the module that stand nowhere else */
    const char *new_module, *new_name;   /* NULL name: the same */
} Rename;

static const Rename renames[] = {
    {"UserDict", "IterableUserDict", "collections", "UserDict"},
    {"UserDict", "UserDict", "collections", "UserDict"},
    {"UserList", "UserList", "collections", "UserList"},
    {"UserString", "UserString", "collections", "UserString"},
    {"__builtin__", "basestring", "builtins", "str"},
    {"__builtin__", "intern", "sys", "intern"},
    {"__builtin__", "long", "builtins", "int"},
    {"__builtin__", "reduce", "functools", "reduce"},
    {"__builtin__", "unichr", "builtins", "chr"},
    {"__builtin__", "unicode", "builtins", "str"},
    {"__builtin__", "xrange", "builtins", "range"},
    {"exceptions", "StandardError", "builtins", "Exception"},
    {"itertools", "ifilter", "builtins", "filter"},
    {"itertools", "ifilterfalse", "itertools", "filterfalse"},
    {"itertools", "imap", "builtins", "map"},
    {"itertools", "izip", "builtins", "zip"},
    {"itertools", "izip_longest", "itertools", "zip_longest"},
    {"Queue", NULL, "queue", NULL},
    {"StringIO", NULL, "io", NULL},
    {"UserDict", NULL, "collections", NULL},
    {"UserList", NULL, "collections", NULL},
    {"UserString", NULL, "collections", NULL},
    {"__builtin__", NULL, "builtins", NULL},
    {"_abcoll", NULL, "collections.abc", NULL},
    {"cStringIO", NULL, "io", NULL},
    {"copy_reg", NULL, "copyreg", NULL},
    {"repr", NULL, "reprlib", NULL},
    {"whichdb", NULL, "dbm", NULL},
};

/* What a name can do. */
static const char SYSTEM[] = "reaches the operating system";
static const char SYS[] = "reaches every loaded module";
static const char PROGRAM[] = "starts programs";
static const char CODE[] = "runs code that the file brings along";
static const char IMPORT[] = "imports any module by name";
static const char REACH[] = "fetches any attribute or item by name";
static const char CALLS[] = "calls other functions";
static const char NATIVE[] = "loads native code or touches raw memory";
static const char PICKLE[] = "reads or unpickles another object, unchecked";
static const char NETWORK[] = "opens network connections";
static const char FILES[] = "reads or writes files";
static const char INSTALL[] = "installs or builds packages";

/* A module, all below it, or some names of it. A deny list is never complete: what stands here is
 * named as dangerous, what does not is unknown, and only the allowed list is a promise. */
typedef struct Danger {
    const char *module;
    const char *names;       /* separated by spaces; NULL: everything, submodules too */
    const char *reason;
} Danger;

/* Python's own modules that reach the system, run code or look things up, with Python 2's names
 * for them; helpers of torch, numpy and others that do. Most of the latter come from advisories
 * on scanners: a helper that runs its argument is as good as exec, and was on nobody's list. */
static const Danger dangers[] = {
    {"__builtins__", NULL, CODE},
    {"_aix_support", NULL, PROGRAM},
    {"_bootstrap_subprocess", NULL, PROGRAM},
    {"_cffi_backend", NULL, NATIVE},
    {"_codecs", "lookup register", CALLS},
    {"_ctypes", NULL, NATIVE},
    {"_frozen_importlib", NULL, IMPORT},
    {"_frozen_importlib_external", NULL, IMPORT},
    {"_functools", "partial reduce", CALLS},
    {"_imp", NULL, IMPORT},
    {"_interpreters", NULL, CODE},
    {"_io", "open open_code FileIO", FILES},
    {"_lsprof", NULL, CODE},
    {"_operator", "attrgetter itemgetter methodcaller getitem setitem delitem call", REACH},
    {"_osx_support", NULL, PROGRAM},
    {"_pickle", NULL, PICKLE},
    {"_posixsubprocess", NULL, PROGRAM},
    {"_pyio", NULL, FILES},
    {"_pyrepl", NULL, CODE},
    {"_socket", NULL, NETWORK},
    {"_sqlite3", NULL, FILES},
    {"_ssl", NULL, NETWORK},
    {"_testcapi", NULL, CODE},
    {"_testinternalcapi", NULL, CODE},
    {"_thread", NULL, CALLS},
    {"_weakref", NULL, CALLS},
    {"_winapi", NULL, PROGRAM},
    {"_winreg", NULL, SYSTEM},
    {"_xxsubinterpreters", NULL, CODE},
    {"aiohttp", NULL, NETWORK},
    {"antigravity", NULL, PROGRAM},
    {"asyncio", NULL, PROGRAM},
    {"atexit", NULL, CALLS},
    {"bdb", NULL, CODE},
    {"builtins", "__import__ reload", IMPORT},
    {"builtins", "eval exec compile execfile breakpoint input apply", CODE},
    {"builtins", "getattr setattr delattr globals locals vars dict.get dict.pop dict.__getitem__",
     REACH},
    {"builtins", "map filter", CALLS},
    {"builtins", "open file", FILES},
    {"bz2", NULL, FILES},
    {"ce", NULL, SYSTEM},
    {"cffi", NULL, NATIVE},
    {"cloudpickle", NULL, PICKLE},
    {"cmd", NULL, CODE},
    {"code", NULL, CODE},
    {"codecs", "lookup register", CALLS},
    {"codecs", "open EncodedFile", FILES},
    {"codeop", NULL, CODE},
    {"collections", "namedtuple", CODE},
    {"commands", NULL, PROGRAM},
    {"compileall", NULL, FILES},
    {"concurrent", NULL, CALLS},
    {"copyreg", "add_extension pickle constructor", CALLS},
    {"cPickle", NULL, PICKLE},
    {"cppyy", NULL, NATIVE},
    {"cProfile", NULL, CODE},
    {"ctypes", NULL, NATIVE},
    {"Cython", NULL, NATIVE},
    {"cython", NULL, NATIVE},
    {"dataclasses", "_create_fn", CODE},
    {"dbm", NULL, FILES},
    {"debugpy", NULL, CODE},
    {"dill", NULL, PICKLE},
    {"distutils", NULL, INSTALL},
    {"doctest", NULL, CODE},
    {"ensurepip", NULL, INSTALL},
    {"fabric", NULL, PROGRAM},
    {"faulthandler", NULL, SYSTEM},
    {"filecmp", NULL, FILES},
    {"fileinput", NULL, FILES},
    {"ftplib", NULL, NETWORK},
    {"functools", "partial partialmethod reduce singledispatch cached_property", CALLS},
    {"gc", NULL, REACH},
    {"genericpath", NULL, FILES},
    {"glob", NULL, FILES},
    {"grp", NULL, SYSTEM},
    {"gzip", NULL, FILES},
    {"http", NULL, NETWORK},
    {"httplib", NULL, NETWORK},
    {"httpx", NULL, NETWORK},
    {"huggingface_hub", NULL, NETWORK},
    {"idlelib", NULL, CODE},
    {"ihooks", NULL, IMPORT},
    {"imaplib", NULL, NETWORK},
    {"imp", NULL, IMPORT},
    {"importlib", NULL, IMPORT},
    {"inspect", NULL, REACH},
    {"invoke", NULL, PROGRAM},
    {"io", "open open_code FileIO OpenWrapper", FILES},
    {"IPython", NULL, CODE},
    {"itertools", "starmap accumulate groupby filterfalse takewhile dropwhile", CALLS},
    {"jinja2", NULL, CODE},
    {"joblib", NULL, PICKLE},
    {"jsonpickle", NULL, PICKLE},
    {"keras.models", NULL, CODE},
    {"keras.saving", NULL, CODE},
    {"keras.src.saving", NULL, CODE},
    {"keras.utils", NULL, CODE},
    {"lib2to3", NULL, CODE},
    {"linecache", NULL, FILES},
    {"llvmlite", NULL, NATIVE},
    {"logging.config", NULL, CODE},
    {"lzma", NULL, FILES},
    {"mailcap", NULL, PROGRAM},
    {"marshal", NULL, CODE},
    {"mlflow", NULL, CODE},
    {"mmap", NULL, NATIVE},
    {"msvcrt", NULL, SYSTEM},
    {"multiprocessing", NULL, PROGRAM},
    {"nbconvert", NULL, CODE},
    {"nltk.data", NULL, PICKLE},
    {"nntplib", NULL, NETWORK},
    {"nt", NULL, SYSTEM},
    {"nturl2path", NULL, FILES},
    {"numba", NULL, NATIVE},
    {"numexpr", NULL, CODE},
    {"numpy",
     "load loads save savez savetxt loadtxt genfromtxt fromfile fromregex "
     "memmap lookfor vectorize piecewise apply_along_axis apply_over_axes "
     "frompyfunc fromfunction", CALLS},
    {"numpy.core._internal", NULL, REACH},
    {"numpy.ctypeslib", NULL, NATIVE},
    {"numpy.distutils", NULL, INSTALL},
    {"numpy.f2py", NULL, CODE},
    {"numpy.lib._npyio_impl", NULL, PICKLE},
    {"numpy.lib.format", NULL, PICKLE},
    {"numpy.lib.npyio", NULL, PICKLE},
    {"numpy.lib.utils", NULL, CODE},
    {"numpy.testing", NULL, CODE},
    {"onnxruntime", NULL, NATIVE},
    {"operator", "attrgetter itemgetter methodcaller getitem setitem delitem call", REACH},
    {"os", NULL, SYSTEM},
    {"os2", NULL, SYSTEM},
    {"pandas", "read_pickle eval DataFrame.eval DataFrame.query", PICKLE},
    {"pandas.compat.pickle_compat", NULL, PICKLE},
    {"pandas.core.computation", NULL, CODE},
    {"pandas.io", NULL, PICKLE},
    {"paramiko", NULL, NETWORK},
    {"pathlib",
     "Path.write_text Path.write_bytes Path.read_text Path.read_bytes "
     "Path.open Path.unlink Path.touch Path.mkdir Path.rename "
     "PosixPath.write_text PosixPath.unlink", FILES},
    {"pdb", NULL, CODE},
    {"pexpect", NULL, PROGRAM},
    {"pickle", NULL, PICKLE},
    {"pickletools", NULL, PICKLE},
    {"pip", NULL, INSTALL},
    {"pkg_resources", NULL, INSTALL},
    {"pkgutil", NULL, IMPORT},
    {"platform", "popen _syscmd_ver _syscmd_file _syscmd_uname processor", PROGRAM},
    {"popen2", NULL, PROGRAM},
    {"poplib", NULL, NETWORK},
    {"posix", NULL, SYSTEM},
    {"profile", NULL, CODE},
    {"ptvsd", NULL, CODE},
    {"pty", NULL, PROGRAM},
    {"pwd", NULL, SYSTEM},
    {"py_compile", NULL, FILES},
    {"pydevd", NULL, CODE},
    {"pydoc", NULL, IMPORT},
    {"pyximport", NULL, NATIVE},
    {"readline", NULL, FILES},
    {"requests", NULL, NETWORK},
    {"resource", NULL, SYSTEM},
    {"riscos", NULL, SYSTEM},
    {"rlcompleter", NULL, CODE},
    {"runpy", NULL, CODE},
    {"sched", NULL, CALLS},
    {"scipy.io", NULL, PICKLE},
    {"scipy.weave", NULL, CODE},
    {"select", NULL, NETWORK},
    {"selectors", NULL, NETWORK},
    {"setuptools", NULL, INSTALL},
    {"shelve", NULL, PICKLE},
    {"shutil", NULL, FILES},
    {"signal", NULL, SYSTEM},
    {"site", NULL, CODE},
    {"sklearn.externals", NULL, PICKLE},
    {"skops", NULL, PICKLE},
    {"smtpd", NULL, NETWORK},
    {"smtplib", NULL, NETWORK},
    {"socket", NULL, NETWORK},
    {"SocketServer", NULL, NETWORK},
    {"socketserver", NULL, NETWORK},
    {"spacy.util", NULL, CODE},
    {"sqlite3", NULL, FILES},
    {"ssl", NULL, NETWORK},
    {"subprocess", NULL, PROGRAM},
    {"sympy", "sympify parse_expr lambdify", CODE},
    {"sympy.parsing", NULL, CODE},
    {"sys", NULL, SYS},
    {"sysconfig", NULL, INSTALL},
    {"syslog", NULL, SYSTEM},
    {"tarfile", NULL, FILES},
    {"telnetlib", NULL, NETWORK},
    {"tempfile", NULL, FILES},
    {"tensorflow", "io load_op_library py_function numpy_function saved_model keras", CODE},
    {"tensorflow.python.saved_model", NULL, CODE},
    {"tensorflow.python.lib.io", NULL, FILES},
    {"test", NULL, CODE},
    {"thread", NULL, CALLS},
    {"threading", NULL, CALLS},
    {"timeit", NULL, CODE},
    {"tkinter", NULL, PROGRAM},
    {"torch", "load save compile hub jit package classes ops", PICKLE},
    {"torch._classes", NULL, NATIVE},
    {"torch._dynamo", NULL, CODE},
    {"torch._export", NULL, CODE},
    {"torch._functorch", NULL, CODE},
    {"torch._guards", NULL, CODE},
    {"torch._inductor", NULL, PROGRAM},
    {"torch._library", NULL, NATIVE},
    {"torch._ops", NULL, NATIVE},
    {"torch._utils_internal", NULL, CODE},
    {"torch.classes", NULL, NATIVE},
    {"torch.distributed.distributed_c10d", "_pickle_load _tensor_to_object", PICKLE},
    {"torch.distributed.elastic", NULL, PROGRAM},
    {"torch.distributed.launch", NULL, PROGRAM},
    {"torch.distributed.launcher", NULL, PROGRAM},
    {"torch.distributed.rpc", NULL, CALLS},
    {"torch.distributed.run", NULL, PROGRAM},
    {"torch.export", NULL, CODE},
    {"torch.fx._lazy_graph_module", NULL, CODE},
    {"torch.fx.experimental", NULL, CODE},
    {"torch.fx.graph_module", NULL, CODE},
    {"torch.hub", NULL, NETWORK},
    {"torch.jit", NULL, CODE},
    {"torch.library", NULL, NATIVE},
    {"torch.multiprocessing", NULL, PROGRAM},
    {"torch.onnx", NULL, FILES},
    {"torch.ops", NULL, NATIVE},
    {"torch.package", NULL, PICKLE},
    {"torch.serialization", "load save _load _legacy_load _load_from_bytes", PICKLE},
    {"torch.storage", "_load_from_bytes", PICKLE},
    {"torch.testing", NULL, CODE},
    {"torch.utils._config_module", NULL, PICKLE},
    {"torch.utils._cpp_extension_versioner", NULL, FILES},
    {"torch.utils._import_utils", NULL, IMPORT},
    {"torch.utils.benchmark", NULL, CODE},
    {"torch.utils.bottleneck", NULL, CODE},
    {"torch.utils.collect_env", NULL, PROGRAM},
    {"torch.utils.cpp_extension", NULL, NATIVE},
    {"torch.utils.data.datapipes", NULL, CALLS},
    {"torch.utils.data.graph", NULL, PICKLE},
    {"torch.utils.hipify", NULL, FILES},
    {"torch.utils.model_dump", NULL, FILES},
    {"torch.utils.model_zoo", NULL, NETWORK},
    {"torch.utils.show_pickle", NULL, PICKLE},
    {"torch.utils.tensorboard", NULL, FILES},
    {"torch.utils.viz", NULL, FILES},
    {"torchvision.datasets.utils", NULL, NETWORK},
    {"trace", NULL, CODE},
    {"transformers.pipelines", NULL, NETWORK},
    {"triton", NULL, NATIVE},
    {"turtle", NULL, PROGRAM},
    {"turtledemo", NULL, PROGRAM},
    {"types", "CodeType FunctionType LambdaType MethodType ModuleType CellType", CODE},
    {"typing", "_eval_type ForwardRef._evaluate get_type_hints", CODE},
    {"unittest", NULL, CODE},
    {"urllib", NULL, NETWORK},
    {"urllib2", NULL, NETWORK},
    {"urllib3", NULL, NETWORK},
    {"uuid",
     "_get_command_stdout _popen _find_mac_near_keyword "
     "_find_mac_under_heading", PROGRAM},
    {"venv", NULL, INSTALL},
    {"weakref", "finalize", CALLS},
    {"webbrowser", NULL, PROGRAM},
    {"win32api", NULL, PROGRAM},
    {"win32com", NULL, PROGRAM},
    {"winreg", NULL, SYSTEM},
    {"wsgiref", NULL, NETWORK},
    {"xmlrpc", NULL, NETWORK},
    {"xmlrpclib", NULL, NETWORK},
    {"yaml", NULL, PICKLE},
    {"zipfile", NULL, FILES},
    {"zipimport", NULL, IMPORT},
};

/* Steps of a dotted name that lead out of where it starts: a module that another module happens to
 * import (torch.os), and the attributes from which everything can be reached. */
static const char *const ways_out[] = {
    "os", "sys", "posix", "nt", "subprocess", "builtins", "__builtin__", "__builtins__",
    "importlib", "socket", "shutil", "ctypes", "pickle", "marshal", "runpy", "__import__",
    "__globals__", "__dict__", "__class__", "__subclasses__", "__bases__", "__mro__",
    "__getattribute__", "__getattr__", "__code__", "__loader__", "__spec__", "__call__",
    "f_globals", "gi_frame"};

/* No user can allow anything of these (torch._weights_only_unpickler._blocklisted_modules). */
static const char *const blocked[] = {"sys", "os", "posix", "nt"};

const char *global_word(GlobalVerdict verdict)
{
    static const char *const words[] = {"allowed", "unknown", "dangerous"};
    return words[verdict];
}

/* --- torch's rule --------------------------------------------------------------------- */

/* The renaming of a pair comes before that of its module. */
size_t global_path(const char *module, const char *name, Text *full)
{
    const Rename *found = NULL;
    for (size_t i = 0; i < countof(renames); i++) {
        const Rename *one = &renames[i];
        if (strcmp(one->module, module) != 0) continue;
        if (one->name ? strcmp(one->name, name) == 0 : !found) found = one;
        if (found && found->name) break;
    }
    if (found) module = found->new_module;
    if (found && found->new_name) name = found->new_name;
    text_addf(full, "%s.%s", module, name);
    return strlen(module);
}

static int compare_names(const void *key, const void *row)
{
    return strcmp(key, *(const char *const *)row);
}

bool global_allowed(const char *full)
{
    return bsearch(full, allowed, countof(allowed), sizeof *allowed, compare_names) != NULL;
}

bool global_blocked(const char *full, size_t module)
{
    for (size_t i = 0; i < countof(blocked); i++)
        if (strlen(blocked[i]) == module && memcmp(blocked[i], full, module) == 0) return true;
    return false;
}

const char *const *global_allowed_list(size_t *count)
{
    *count = countof(allowed);
    return allowed;
}

/* --- dangers -------------------------------------------------------------------------- */

/* Whether a dotted path begins with these steps: "os.path" with "os". */
static bool starts_with_steps(const char *path, const char *steps, size_t n)
{
    return strncmp(path, steps, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

/* Whether one of the words is the name, or the beginning of it. */
static bool has_name(const char *words, const char *name)
{
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, " ");
        if (starts_with_steps(name, at, n)) return true;
        at += n + strspn(at + n, " ");
    }
    return false;
}

/* The row for a path; where only names count, the module must be the row's own. */
static const Danger *find_danger(const char *full, size_t module)
{
    for (size_t i = 0; i < countof(dangers); i++) {
        const Danger *row = &dangers[i];
        size_t n = strlen(row->module);
        if (!starts_with_steps(full, row->module, n)) continue;
        if (!row->names) return row;
        if (n <= module && full[n] && has_name(row->names, full + n + 1)) return row;
    }
    return NULL;
}

/* Whether a step of the name, which follows the module, leads out of it. */
static bool leads_out(const char *name)
{
    for (const char *at = name; *at;) {
        size_t n = strcspn(at, ".");
        for (size_t i = 0; i < countof(ways_out); i++)
            if (strlen(ways_out[i]) == n && memcmp(at, ways_out[i], n) == 0) return true;
        at += n + (at[n] == '.');
    }
    return false;
}

/* Whether a step of the module behind its first is a module that never lies in another: torch.os,
 * which getattr reaches. (Others of those names are real: multiprocess.pickle.) */
static bool passes_out(const char *full, size_t module)
{
    static const char *const alone[] = {"os", "sys", "subprocess", "builtins", "__builtins__"};
    const char *dot = memchr(full, '.', module);
    for (; dot; dot = memchr(dot + 1, '.', (size_t)(full + module - dot - 1)))
        for (size_t i = 0; i < countof(alone); i++)
            if (starts_with_steps(dot + 1, alone[i], strlen(alone[i]))) return true;
    return false;
}

/* What every TorchScript file calls: these give back the list that they are given. They lie in a
 * package of which all else is a danger. */
static bool is_type_mark(const char *full)
{
    static const char *const marks[] = {"build_boollist", "build_doublelist", "build_intlist",
                                        "build_tensor_from_id", "build_tensorlist",
                                        "restore_type_tag"};
    static const char package[] = "torch.jit._pickle.";
    if (strncmp(full, package, sizeof package - 1) != 0) return false;
    for (size_t i = 0; i < countof(marks); i++)
        if (strcmp(full + sizeof package - 1, marks[i]) == 0) return true;
    return false;
}

GlobalVerdict global_judge(const char *module, const char *name, const char **reason)
{
    Text full = {0};
    size_t n = global_path(module, name, &full);
    GlobalVerdict verdict = GLOBAL_UNKNOWN;
    const Danger *danger = NULL;
    *reason = "not on the list of PyTorch 2.13";
    if (global_allowed(text_string(&full))) {
        verdict = GLOBAL_ALLOWED;
        *reason = "on the list of PyTorch 2.13";
    } else if (is_type_mark(text_string(&full))) {
        verdict = GLOBAL_UNKNOWN;
    } else if ((danger = find_danger(text_string(&full), n)) != NULL) {
        verdict = GLOBAL_DANGEROUS;
        *reason = danger->reason;
    } else if (leads_out(full.bytes + n + 1) || passes_out(full.bytes, n)) {
        verdict = GLOBAL_DANGEROUS;
        *reason = "leads out of its module by attributes";
    }
    text_done(&full);
    return verdict;
}
