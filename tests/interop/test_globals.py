"""tenon ls --globals against PyTorch 2.13: the list of what weights_only allows, entry by entry, and
its verdict on files, safe and hostile ones. Hostile pickles are only written here, opcode by opcode,
and only ever given to torch.load(weights_only=True), which runs none of it."""
import collections
import json
import os
import pathlib
import pickle
import struct
import subprocess
import tempfile
import unittest
import warnings
import zipfile

import numpy
import torch
from torch._utils import IMPORT_MAPPING, NAME_MAPPING
from torch._weights_only_unpickler import _get_allowed_globals

from oracle import TENON

REAL = pathlib.Path(os.environ.get("TENON_REAL", "../shared/real"))


def scan(path):
    done = subprocess.run([TENON, "ls", "--globals", "--json", path], capture_output=True,
                          text=True, check=True)
    return json.loads(done.stdout)


def loads(path):
    """What PyTorch does: None when it loads, else the reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.load(path, map_location="cpu", weights_only=True)
            return None
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def make_zip(path, data, extra=()):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
        for name, content in extra:
            archive.writestr(name, content)


def global_op(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


P2 = b"\x80\x02"
OD = global_op("collections", "OrderedDict") + b")R"
# name: the pickle. None of it is ever run: it is written, and read with weights_only=True.
HOSTILE = {
    "os.system": P2 + global_op("os", "system") + text("true") + b"\x85R.",
    "posix.system": P2 + global_op("posix", "system") + text("true") + b"\x85R.",
    "python 2 eval": P2 + global_op("__builtin__", "eval") + text("1") + b"\x85R.",
    "getattr": P2 + global_op("builtins", "getattr") + global_op("torch", "Size") + text("x") + b"\x86R.",
    "stack_global": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x04true\x85R.",
    "inst": b"(S'true'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'true'\no.",
    "newobj of a function": P2 + global_op("torch._utils", "_rebuild_tensor") + b")\x81.",
    "newobj of a dtype": P2 + global_op("torch", "float32") + b")\x81.",
    "reduce of a dtype": P2 + global_op("torch", "float32") + b")R.",
    "reduce of a result": P2 + OD + b")R.",
    "reduce of a string": P2 + text("x") + b")R.",
    "build of a dict": P2 + b"}}b.",
    "build of a set": P2 + global_op("builtins", "list") + b")R}b.",
    "build of a tuple": P2 + b")}b.",
    "build of bytes": P2 + global_op("_codecs", "encode") + text("x") + b"\x85R}b.",
    "build of a class": P2 + global_op("torch", "Size") + b"}b.",
    "build of a function": P2 + global_op("torch._utils", "_rebuild_tensor") + b"}b.",
    "setitem of a list": P2 + b"]K\x00K\x01s.",
    "setitem of a tensor class": P2 + global_op("torch", "FloatTensor") + b")RK\x00K\x01s.",
    "setitems of a set": P2 + global_op("builtins", "set") + b")R(K\x00K\x01u.",
    "setitem of sys.modules": b"\x80\x04\x8c\x03sys\x8c\x07modules\x93\x8c\x02os\x8c\x01xs.",
    "append to a dict": P2 + b"}K\x01a.",
    "appends to an OrderedDict": P2 + OD + b"(K\x01K\x02e.",
    "append to a tuple": P2 + b")K\x01a.",
    "unhashable key": P2 + b"}]K\x01s.",
    "persistent id of text": P2 + text("x") + b"Q.",
    "persistent id of a module": P2 + text("module") + text("x") + b"\x86Q.",
    "persistent id, empty": P2 + b")Q.",
    "dup": P2 + b"]2\x86.",
    "pop": P2 + b"]N0.",
    "long4": P2 + b"\x8b\x01\x00\x00\x00\x01.",
    "frozenset": P2 + b"(K\x01\x91.",
    "protocol 4 text": b"\x80\x04\x8c\x01a.",
    "bytes": b"\x80\x03C\x01a.",
    "list of protocol 0": b"(lI1\na.",
    "memo never stored": P2 + b"h\x07.",
    "empty stack": P2 + b"0.",
    "no stop": P2 + b"]",
    "no opcode": P2 + b"\xff.",
    "cut": P2 + OD[:-5],
    "dotted": P2 + global_op("torch", "os.system") + text("true") + b"\x85R.",
    "nul in the name": P2 + b"cos\x00\nsystem\n)R.",
    "numpy scalar": pickle.dumps(numpy.float64(1), 2),
    "two protos": P2 + P2 + b"cos\nsystem\n" + text("true") + b"\x85R.",
    "codecs lookup": P2 + global_op("_codecs", "lookup") + text("x") + b"\x85R.",
    "torch.load": P2 + global_op("torch", "load") + text("/dev/null") + b"\x85R.",
    "hub": P2 + global_op("torch.hub", "load") + text("x") + b"\x85R.",
    "namedtuple": P2 + global_op("collections", "namedtuple") + text("x") + text("y") + b"\x86R.",
    "python 2 string": P2 + b"U\x02\xff\xfe.",
    "blocked by renaming": P2 + global_op("__builtin__", "intern") + text("x") + b"\x85R.",
}
SAFE = {
    "empty dict": P2 + b"}.",
    "python 2 text": P2 + b"U\x01a.",
    "tuple": P2 + b"K\x01K\x02\x86.",
    "ordered dict": P2 + OD + text("a") + b"K\x01s.",
    "state of an ordered dict": P2 + OD + b"}" + text("_metadata") + b"}sb.",
    "bytes": pickle.dumps(b"ab\xff", 2),
    "bytearray": pickle.dumps(bytearray(b"xy"), 2),
    "set": pickle.dumps({1, 2}, 2),
    "complex": pickle.dumps(1j, 2),
    "counter": pickle.dumps(collections.Counter("aab"), 2),
    "size by python 2's name": P2 + global_op("torch", "Size") + b"K\x01\x85\x85R.",
    "old set": P2 + global_op("__builtin__", "set") + b"](K\x01K\x02e\x85R.",
    "dtype": P2 + global_op("torch", "float8_e5m2") + b".",
    "behind stop": P2 + b"}.cos\nsystem\n(tR.",
    "whole path in the name": P2 + global_op("torch", "_utils._rebuild_tensor_v2") + b".",
}


class Table(unittest.TestCase):
    def judge(self, names):
        """Verdicts on (module, name) pairs, through a pickle that only names them."""
        data = P2 + b"](" + b"".join(global_op(*pair) for pair in names) + b"e."
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pth")
            make_zip(path, data)
            return {(g["module"], g["name"]): g["verdict"] for g in scan(path)["globals"]}

    def split(self, path):
        return tuple(path.rsplit(".", 1))

    def test_every_allowed_global_is_allowed(self):
        names = [self.split(path) for path in _get_allowed_globals()]
        verdicts = self.judge(names)
        self.assertGreater(len(names), 140)
        self.assertEqual(len(verdicts), len(names))
        for pair in names:
            self.assertEqual(verdicts[pair], "allowed", pair)

    def test_nothing_else_is_allowed(self):
        """Every other name of the modules that the list names, and neighbours of them."""
        allowed = _get_allowed_globals()
        names = set()
        for path in allowed:
            module = self.split(path)[0]
            scope = __import__("importlib").import_module(module)
            names |= {(module, name) for name in dir(scope)}
            names |= {(module, self.split(path)[1] + "x"), (module + "x", self.split(path)[1])}
        names = sorted(n for n in names if f"{n[0]}.{n[1]}" not in allowed and n[0].isascii())
        verdicts = self.judge(names)
        self.assertGreater(len(names), 2000)
        for pair in names:
            renamed = NAME_MAPPING.get(pair) or (IMPORT_MAPPING.get(pair[0], pair[0]), pair[1])
            expected = ".".join(renamed) in allowed
            self.assertEqual(verdicts[pair] == "allowed", expected, pair)

    def test_renames(self):
        allowed = _get_allowed_globals()
        pairs = list(NAME_MAPPING) + [(old, self.split(path)[1]) for old in IMPORT_MAPPING
                                      for path in allowed]
        verdicts = self.judge(pairs)
        for pair in pairs:
            renamed = NAME_MAPPING.get(pair) or (IMPORT_MAPPING[pair[0]], pair[1])
            self.assertEqual(verdicts[pair] == "allowed", ".".join(renamed) in allowed, pair)


class Verdict(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "x.pth")

    def compare(self, name):
        """tenon and PyTorch agree on the file; returns the scan."""
        result = scan(self.path)
        reason = loads(self.path)
        said = result["files"][0]
        if reason is None:
            self.assertEqual(said["weights_only"], "loads", (name, said))
        else:
            self.assertEqual(said["weights_only"], "refuses", (name, reason))
            first = said["refusal"].split(" was not an allowed")[0]
            own = "pickle opcode" in first or "is no pickle" in first
            exact = any(word in reason for word in ("WeightsUnpickler error", "Cannot use"))
            if exact and not own and "no state of" not in first:
                first = first.replace("unrecognized function ", "unrecognized function|").split("|")[0]
                first = first.split("but got")[0].replace("\xc0\x80", "\0")
                self.assertIn(first, reason, name)
        return result

    def test_hostile_pickles(self):
        for name, data in HOSTILE.items():
            with self.subTest(name):
                make_zip(self.path, data)
                self.assertIsNotNone(loads(self.path), name)
                self.compare(name)

    def test_safe_pickles(self):
        for name, data in SAFE.items():
            with self.subTest(name):
                make_zip(self.path, data)
                self.assertIsNone(loads(self.path), name)
                self.compare(name)

    def test_what_torch_saves(self):
        state = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        tagged = torch.ones(2)
        tagged.note = "x"
        kinds = {
            "state dict": state, "tensor": torch.ones(3), "parameter": torch.nn.Parameter(torch.ones(2)),
            "optimizer": optimizer.state_dict(), "bf16": torch.ones(2, dtype=torch.bfloat16),
            "f8": torch.ones(2).to(torch.float8_e4m3fn), "complex": torch.ones(2, dtype=torch.complex64),
            "sparse": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(),
            "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 2, torch.qint8),
            "meta": torch.empty(2, device="meta"), "conj": torch.ones(2, dtype=torch.complex64).conj(),
            "mixed": {"epoch": 3, "lr": 0.1, "names": ("a", None), "seen": {1, 2}, 5: [True, 2**70],
                      "size": torch.Size([2]), "dtype": torch.float16, "device": torch.device("cpu"),
                      "layout": torch.strided, "bytes": b"\xff\0", "count": collections.Counter("ab")},
            "attributes": tagged,
            "numpy": {"a": numpy.ones(3)}, "numpy scalar": {"a": numpy.float32(1)},
            "namespace": __import__("argparse").Namespace(a=1), "path": pathlib.PurePosixPath("x"),
            "frozenset": frozenset([1]), "defaultdict": collections.defaultdict(list),
        }
        for name, value in kinds.items():
            for legacy in (False, True):
                if legacy and name in ("f8",):
                    continue
                with self.subTest(name, legacy=legacy):
                    torch.save(value, self.path, _use_new_zipfile_serialization=not legacy)
                    self.compare(name)
        with self.subTest("whole module"):
            torch.save(model, self.path)
            self.compare("module")
        for protocol in (3, 4, 5):
            with self.subTest("protocol", protocol=protocol):
                torch.save(state, self.path, pickle_protocol=protocol)
                self.compare(protocol)

    def test_protocol_warning(self):
        make_zip(self.path, b"\x80\x03}.")
        self.assertEqual(scan(self.path)["files"][0]["protocol_warning"], 3)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            torch.load(self.path, weights_only=True)
        self.assertTrue(any("protocol 3" in str(w.message) for w in seen))

    def test_torchscript_and_plain_pickles(self):
        torch.jit.script(torch.nn.Linear(2, 2)).save(self.path)
        self.compare("TorchScript")
        for data in (pickle.dumps({"a": 1}, 2), pickle.dumps({"a": 1}, 4), HOSTILE["os.system"]):
            with open(self.path, "wb") as out:
                out.write(data)
            self.compare("plain")

    def test_real_files(self):
        if not REAL.is_dir():
            self.skipTest("no real files here")
        seen = 0
        for path in sorted(REAL.rglob("*")):
            if path.suffix not in (".pth", ".pt", ".th", ".bin", ".ckpt", ".pkl", ".jit", ".zip"):
                continue
            with open(path, "rb") as file:
                if file.read(2) not in (b"\x80\x02", b"PK"):
                    continue
            with self.subTest(str(path)):
                self.path = str(path)
                self.compare(path.name)
                seen += 1
        self.assertGreater(seen, 30)


class Dangerous(unittest.TestCase):
    def test_published_bypasses(self):
        """One of each family that was published against a scanner."""
        families = """os.system posix.system nt.system subprocess.Popen builtins.eval __builtin__.eval
            builtins.exec builtins.compile builtins.getattr builtins.open builtins.__import__
            importlib.import_module runpy._run_code pty.spawn socket.socket shutil.rmtree ctypes.CDLL
            torch.hub.load torch.load torch.jit.load numpy.load numpy.f2py.crackfortran.getlincoef
            numpy.testing._private.utils.runstring operator.attrgetter _operator.methodcaller
            functools.partial functools.reduce types.CodeType types.FunctionType marshal.loads
            pickle.loads _pickle.loads cPickle.loads code.InteractiveInterpreter.runcode
            asyncio.unix_events._UnixSubprocessTransport._start webbrowser.open pydoc.pipepager
            pydoc.locate pip.main timeit.timeit profile.run cProfile.runctx bdb.Bdb.run pdb.run
            idlelib.run.Executive.runcode idlelib.pyshell.ModifiedInterpreter.runcode
            idlelib.autocomplete.AutoComplete.get_entity doctest.debug_script trace.Trace.run
            lib2to3.pgen2.grammar.Grammar.loads ensurepip._run_pip venv.create
            distutils.file_util.write_file ssl.get_server_certificate requests.api.get
            aiohttp.client.request pkgutil.resolve_name uuid._get_command_stdout
            torch._inductor.codecache.compile_file torch._dynamo.guards.GuardBuilder.get
            torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression
            torch.jit.unsupported_tensor_ops.execWrapper torch.serialization.load
            torch.utils._config_module.ConfigModule.load_config torch.utils.collect_env.run
            torch.utils.bottleneck.__main__.run_cprofile torch.storage._load_from_bytes
            torch.utils.data.datapipes.utils.decoder.basichandlers torch.fx.graph_module._forward_from_src
            joblib.load dill.loads cloudpickle.loads pandas.read_pickle _interpreters.run_string
            _io.FileIO commands.getoutput signal.raise_signal http.client.HTTPConnection
            multiprocessing.util.spawnv_passfds numpy.__builtins__ torch.os.system
            collections.OrderedDict.__getattribute__ zipimport.zipimporter codeop.compile_command
            sys.modules gc.get_objects""".split()
        names = [tuple(name.rsplit(".", 1)) for name in families]
        data = b"\x80\x02](" + b"".join(global_op(*pair) for pair in names) + b"e."
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pkl")
            with open(path, "wb") as out:
                out.write(data)
            verdicts = {(g["module"], g["name"]): g["verdict"] for g in scan(path)["globals"]}
        for pair in names:
            self.assertEqual(verdicts[pair], "dangerous", pair)


if __name__ == "__main__":
    unittest.main()
