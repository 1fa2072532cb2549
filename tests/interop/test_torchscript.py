"""PyTorch writes zips that are no torch.save: TorchScript, torch.export, torch.package, a .pth in
a zip. tenon reads the names, dtypes, shapes and values that PyTorch itself gives."""
import json
import os
import sys
import unittest
import warnings
import zipfile

import safetensors.torch
import torch
from torch import nn, package

from oracle import Case, sample

warnings.simplefilter("ignore")


class Sub(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.lin = nn.Linear(size, size + 1)
        self.register_buffer("buf", torch.arange(float(size)))
        self.register_buffer("count", torch.tensor(7))
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.spare = torch.tensor([1.0, 2.0])
        self.steps = 3
        self.names = ["a", "b"]

    def forward(self, x):
        return self.lin(x) + self.buf.sum() * self.steps + self.passing.sum()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = Sub(3)
        self.layers = nn.ModuleList([nn.Conv1d(2, 2, 3), nn.Conv1d(2, 2, 3)])
        self.named = nn.ModuleDict({"x": nn.Linear(1, 1), "y": nn.Linear(2, 1)})
        self.params = nn.ParameterList([nn.Parameter(torch.randn(2)), nn.Parameter(torch.randn(3))])
        self.bn = nn.BatchNorm1d(4)
        self.tied = self.a.lin
        self.transposed = nn.Parameter(torch.randn(2, 3).t())
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)
        self.brief = nn.Parameter(torch.randn(4).to(torch.bfloat16))

    def forward(self, x):
        y = self.bn(self.a(x)) + torch.tensor([1.5, 2.5, 3.5, 4.5])
        return self.tied(x) + y + self.transposed.sum() + self.frozen.sum() + self.brief.sum()


class Nothing(nn.Module):
    def forward(self, x):
        return x


class Held(nn.Module):
    """Tensors in lists, dicts and tuples: no part of a state dict."""
    def __init__(self):
        super().__init__()
        self.register_buffer("sparse", torch.eye(3).to_sparse())
        self.inside = {"k": torch.ones(2)}
        self.row = [torch.ones(1), torch.zeros(2)]
        self.numbers = [1, 2]
        self.pair = (torch.full((3,), 5.0), 2)

    def forward(self, x):
        return x + self.row[0] + self.inside["k"].sum() + self.numbers[0] + self.pair[0].sum()


class Pair(torch.Tensor):
    """A subclass of Tensor that keeps its values in two others; torch.export pickles it."""
    @staticmethod
    def __new__(cls, high, low, size=None, stride=None):
        return torch.Tensor._make_wrapper_subclass(cls, high.shape, dtype=high.dtype)

    def __init__(self, high, low, size=None, stride=None):
        self.high, self.low = high, low

    def __tensor_flatten__(self):
        return ["high", "low"], None

    @staticmethod
    def __tensor_unflatten__(parts, context, size, stride):
        return Pair(parts["high"], parts["low"])

    @classmethod
    def __torch_dispatch__(cls, function, types, args, kwargs):
        if function in (torch.ops.aten.detach.default, torch.ops.aten.clone.default):
            return Pair(function(args[0].high), function(args[0].low))
        plain = [one.high if isinstance(one, Pair) else one for one in args]
        return function(*plain, **(kwargs or {}))


# pickle looks a class up where it says that it lies.
Pair.__module__ = "__main__"
sys.modules["__main__"].Pair = Pair


class Paired(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair = nn.Parameter(Pair(torch.ones(3, 3), torch.zeros(3, 3)), requires_grad=False)
        self.plain = nn.Parameter(torch.randn(3))

    def forward(self, x):
        return x @ self.plain


class Zips(Case):
    def quietly(self, function, *args):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args)

    def same_by_name(self, listing, state):
        """As `same`, whatever the order."""
        self.assertEqual(sorted(one["key"] for one in listing["tensors"]), sorted(state))
        self.same(listing, {one["key"]: state[one["key"]] for one in listing["tensors"]})

    def exported(self, path, state):
        """What tenon writes of it holds the same values."""
        out = self.path("out.safetensors")
        if os.path.exists(out):
            os.unlink(out)
        self.tenon("align", path, "-o", out)
        got = safetensors.torch.load_file(out)
        self.equal(got, {key: state[key] for key in got})
        self.assertEqual(sorted(got), sorted(state))

    def test_scripted_module(self):
        model = Net().eval()
        path = self.path("scripted.pt")
        script = torch.jit.script(model)
        script.save(path)
        state = script.state_dict()
        self.assertEqual(set(model.state_dict()), set(state) - {"a.passing"})
        self.same_by_name(self.listing(path), state)
        self.exported(path, state)
        self.same(self.listing(path + "::attributes"), {"a.spare": model.a.spare})

    def test_traced_module(self):
        model = Net().eval()
        path = self.path("traced.pt")
        traced = self.quietly(torch.jit.trace, model, torch.randn(2, 3))
        traced.save(path)
        self.same_by_name(self.listing(path), traced.state_dict())
        constants = self.listing(path + "::constants")["tensors"]
        self.assertIn(("f32", [4]), [(one["dtype"], one["shape"]) for one in constants])

    def test_frozen_module_has_constants(self):
        path = self.path("frozen.pt")
        model = nn.Sequential(nn.Linear(3, 2)).eval()
        torch.jit.freeze(torch.jit.script(model)).save(path)
        self.assertEqual(self.listing(path + "::")["tensors"], [])
        shapes = [one["shape"] for one in self.listing(path + "::constants")["tensors"]]
        self.assertEqual(sorted(shapes), [[2], [2, 3]])

    def test_every_dtype(self):
        model = Nothing()
        for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
                     "uint8", "bool", "complex64", "complex128"):
            model.register_buffer("of_" + name, sample(name, (3, 4)))
        path = self.path("dtypes.pt")
        torch.jit.script(model).save(path)
        self.same(self.listing(path), model.state_dict())

    def test_becomes_a_state_dict_that_loads(self):
        model = Net().eval()
        path, out = self.path("from.pt"), self.path("to.pth")
        torch.jit.script(model).save(path)
        self.tenon("align", path, "-e", "rules [[ a.passing -> ]]", "-o", out)
        other = Net().eval()
        other.load_state_dict(torch.load(out), strict=True)
        self.equal(dict(sorted(other.state_dict().items())),
                   dict(sorted(model.state_dict().items())))

    def test_shared_parameters_share_a_storage(self):
        path = self.path("tied.pt")
        torch.jit.script(Net()).save(path)
        storages = {one["key"]: one["storage"] for one in self.listing(path)["tensors"]}
        self.assertEqual(storages["tied.weight"], storages["a.lin.weight"])
        self.assertNotEqual(storages["tied.bias"], storages["a.lin.weight"])

    def test_module_without_tensors(self):
        path = self.path("nothing.pt")
        torch.jit.script(Nothing()).save(path)
        self.assertEqual(self.listing(path)["tensors"], [])
        self.tenon("align", path, status=2)

    def test_held_tensors_are_attributes(self):
        path = self.path("held.pt")
        model = Held()
        torch.jit.script(model).save(path)
        listing = self.listing(path + "::attributes")
        self.same_by_name(listing, {"inside.k": model.inside["k"], "row.0": model.row[0],
                                    "row.1": model.row[1], "pair.0": model.pair[0]})
        self.assertEqual([one["key"] for one in self.listing(path)["tensors"]], ["sparse"])

    def test_lite_interpreter(self):
        model = Net().eval()
        path = self.path("lite.ptl")
        script = torch.jit.script(model)
        self.quietly(script._save_for_lite_interpreter, path)
        self.same_by_name(self.listing(path), script.state_dict())

    def test_quantized_module(self):
        model = self.quietly(lambda: torch.ao.quantization.quantize_dynamic(
            nn.Sequential(nn.Linear(4, 3)), {nn.Linear}, dtype=torch.qint8))
        path = self.path("quantized.pt")
        torch.jit.script(model).save(path)
        weight, bias = model[0].weight(), model[0].bias()
        got = {one["key"]: one for one in self.listing(path)["tensors"]}
        self.assertEqual(list(got), ["0._packed_params._packed_params.0",
                                     "0._packed_params._packed_params.1"])
        packed, plain = got.values()
        self.assertEqual((packed["dtype"], packed["shape"]), ("qint8", list(weight.shape)))
        self.assertEqual((plain["dtype"], plain["shape"]), ("f32", list(bias.shape)))

    def test_saved_without_crc(self):
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        script, plain = self.path("nocrc.pt"), self.path("nocrc.pth")
        torch.serialization.set_crc32_options(False)
        try:
            torch.jit.script(model).save(script)
            torch.save(model.state_dict(), plain)
        finally:
            torch.serialization.set_crc32_options(True)
        with zipfile.ZipFile(plain) as made:
            self.assertEqual({one.CRC for one in made.infolist()}, {0})
        for path in (script, plain):
            self.same(self.listing(path), model.state_dict())
            self.assertNotIn("CRC", self.tenon("ls", path))

    def test_many_modules(self):
        model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(300)])
        path = self.path("many.pt")
        torch.jit.script(model).save(path)
        self.same(self.listing(path), model.state_dict())

    def test_torch_export(self):
        model = Net().eval()
        path = self.path("exported.pt2")
        program = self.quietly(torch.export.export, model, (torch.randn(2, 3),))
        self.quietly(torch.export.save, program, path)
        state = torch.export.load(path).state_dict
        self.same(self.listing(path), state)
        self.exported(path, state)
        constants = torch.export.load(path).constants
        self.same(self.listing(path + "::constants"), constants)
        self.same(self.listing(path + "::sample_inputs::[0]"),
                  {"[0]": program.example_inputs[0][0]})

    def test_torch_export_of_a_tensor_subclass(self):
        model, path = Paired(), self.path("paired.pt2")
        program = self.quietly(torch.export.export, model, (torch.ones(2, 3),))
        self.quietly(torch.export.save, program, path)
        got = {one["key"]: one for one in json.loads(self.tenon("ls", "--json", path))["tensors"]}
        self.assertEqual(got["pair"]["shape"], [3, 3])
        self.assertIn("keeps its values in other tensors", self.tenon("ls", path))
        self.assertEqual(got["plain"]["bytes"], 12)

    def test_torch_export_of_several_models(self):
        from torch.export.pt2_archive._package import package_pt2
        a, b = nn.Linear(3, 2).eval(), nn.Sequential(nn.Linear(3, 4)).eval()
        programs = {name: torch.export.export(model, (torch.randn(1, 3),))
                    for name, model in (("first", a), ("second", b))}
        path = self.path("several.pt2")
        self.quietly(lambda: package_pt2(path, exported_programs=programs))
        self.same(self.listing(path + "::first"), a.state_dict())
        self.same(self.listing(path + "::second"), b.state_dict())

    def test_torch_package(self):
        model = Net().eval()
        path = self.path("packaged.pt")
        with warnings.catch_warnings(), package.PackageExporter(path) as out:
            warnings.simplefilter("ignore")
            out.extern("torch.**")
            out.save_pickle("model", "weights.pkl", model.state_dict())
            out.save_pickle("train", "state.pkl", {"net": {"w": torch.ones(2, 2)}, "epoch": 3})
            out.save_text("model", "notes.txt", "hello")
        self.same(self.listing(path), model.state_dict())
        self.same(self.listing(path + "::model/weights.pkl"), model.state_dict())
        self.same(self.listing(path + "::train/state.pkl::net"), {"w": torch.ones(2, 2)})

    def test_files_in_a_zip(self):
        model = Net().eval()
        plain, legacy = self.path("net.pth"), self.path("net.pt")
        torch.save(model.state_dict(), plain)
        torch.save({"state_dict": model.state_dict(), "epoch": 1}, legacy,
                   _use_new_zipfile_serialization=False)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            hub, several = self.path(f"hub-{method}.zip"), self.path(f"several-{method}.zip")
            with zipfile.ZipFile(hub, "w", method) as out:
                out.write(plain, "folder/net.pth")
            self.same(self.listing(hub), model.state_dict())
            self.exported(hub, model.state_dict())
            with zipfile.ZipFile(several, "w", method) as out:
                out.write(plain, "policy.pth")
                out.write(legacy, "last.ckpt")
                out.writestr("data", "{}")
            self.same(self.listing(several + "::policy.pth"), model.state_dict())
            self.same(self.listing(several + "::last.ckpt::state_dict"), model.state_dict())

    def test_rezipped_by_hand(self):
        state = {"w": torch.arange(6.0), "b": torch.ones(2)}
        plain, packed = self.path("plain.pth"), self.path("packed.pth")
        torch.save(state, plain)
        with zipfile.ZipFile(plain) as made, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
            for one in made.infolist():
                out.writestr(one.filename, made.read(one))
        self.assertEqual(list(torch.load(packed)), list(state))
        self.same(self.listing(packed), state)
        self.exported(packed, state)

    def test_case_decides_differently_in_pytorch(self):
        """The finding is right: PyTorch reads another record than the one of that name."""
        state, path, twin = {"w": torch.arange(3.0)}, self.path("a.pth"), self.path("twin.pth")
        torch.save(state, path)
        with zipfile.ZipFile(path) as made, zipfile.ZipFile(twin, "w") as out:
            for one in made.infolist():
                out.writestr(one.filename, made.read(one))
            out.writestr("a/DATA.PKL", b"broken")
        with self.assertRaises(Exception):
            torch.load(twin)
        self.same(self.listing(twin), state)
        self.assertIn("differs only in case", self.tenon("ls", twin))


if __name__ == "__main__":
    unittest.main()
