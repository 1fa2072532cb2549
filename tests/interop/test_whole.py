"""tenon align --whole against PyTorch 2.13: the rest of a checkpoint is in the output object for
object, shared where it was shared, and torch.load(weights_only=True) takes every output."""
import argparse
import collections
import enum
import json
import os
import pathlib
import sys
import types
import unittest

import numpy
import torch

from oracle import Case, raw


class Color(enum.Enum):
    RED = 1


class Plain:
    def __init__(self, **values):
        self.__dict__.update(values)


class Names(dict):
    pass


class Items(list):
    pass


# The runner does not register this file as a module; pickle asks for one.
module = sys.modules.setdefault(__name__, types.ModuleType(__name__))
for one in (Color, Plain, Names, Items):
    setattr(module, one.__name__, one)


def training():
    """A checkpoint as training loops write them."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    for _ in range(3):
        net(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    return net, {"epoch": 3, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict(),
                 "lr_scheduler": scheduler.state_dict(), "rng": torch.get_rng_state()}


class Whole(Case):
    def same(self, got, want, path="", seen=None):
        """Equal in type and value, and shared as it was shared."""
        seen = {} if seen is None else seen
        shared = isinstance(want, (list, dict, set, torch.Tensor, bytearray))
        if shared and id(want) in seen:
            self.assertIs(got, seen[id(want)], path)
            return
        if shared:
            seen[id(want)] = got
        self.assertIs(type(got), type(want), path)
        if isinstance(want, torch.Tensor):
            self.same_tensor(got, want, path)
        elif isinstance(want, dict):
            self.assertEqual([k for k in got], [k for k in want], path)
            for key in want:
                self.same(got[key], want[key], f"{path}[{key!r}]", seen)
        elif isinstance(want, (list, tuple)) and not isinstance(want, torch.Size):
            self.assertEqual(len(got), len(want), path)
            for index, value in enumerate(want):
                self.same(got[index], value, f"{path}[{index}]", seen)
        else:
            self.assertEqual(got, want, path)

    def same_tensor(self, got, want, path):
        self.assertEqual(got.dtype, want.dtype, path)
        self.assertEqual(got.shape, want.shape, path)
        self.assertEqual(got.layout, want.layout, path)
        self.assertEqual(got.is_quantized, want.is_quantized, path)
        self.assertEqual(got.device, want.device, path)
        if want.is_quantized:
            self.assertEqual(got.qscheme(), want.qscheme(), path)
            self.assertTrue(torch.equal(got.int_repr(), want.int_repr()), path)
            self.assertTrue(torch.equal(got.dequantize(), want.dequantize()), path)
        elif want.layout != torch.strided:
            self.assertTrue(torch.equal(got.to_dense(), want.to_dense()), path)
            self.assertEqual(got.values().shape, want.values().shape, path)
        elif want.is_neg():
            self.assertTrue(torch.equal(got, want.resolve_neg()), path)
        elif want.device.type != "meta":
            self.assertEqual(raw(got), raw(want), path)
            self.assertEqual(got.requires_grad, want.requires_grad, path)
            if not want.is_conj() and not want.is_neg():
                self.assertEqual(got.stride(), want.stride(), path)

    def carry(self, value, *rules, part="state_dict", legacy=False, options=()):
        """Saves a value, aligns with --whole, loads with weights_only; the JSON report as well."""
        source, out = self.path("in.ckpt"), self.path("out.pth")
        torch.save(value, source, _use_new_zipfile_serialization=not legacy)
        spec = f"{source}::{part}" if part else source
        code = [word for rule in rules for word in ("-e", rule)]
        report = json.loads(self.tenon("align", spec, "--whole", "--force", "--json", "-o", out,
                                       *code, *options))
        self.assertEqual(report["exit"], 0)
        return torch.load(out, weights_only=True), report["output"]["not_carried"]

    def test_a_training_checkpoint(self):
        _, value = training()
        for legacy in (False, True):
            got, lost = self.carry(value, legacy=legacy)
            self.assertEqual(lost, [])
            self.same(got, value)
            self.assertEqual(got["state_dict"]._metadata, value["state_dict"]._metadata)

    def test_renamed_tensors_are_under_the_source_s_container(self):
        _, value = training()
        got, _ = self.carry(value, "rules [[ 0.* -> encoder.* ]]")
        self.assertEqual(list(got), list(value))
        self.assertEqual(list(got["state_dict"])[:2], ["encoder.weight", "encoder.bias"])
        self.same(got["optimizer"], value["optimizer"])
        net = torch.nn.Linear(3, 4)
        net.load_state_dict({k.removeprefix("encoder."): v for k, v in got["state_dict"].items()
                             if k.startswith("encoder.")})
        self.assertTrue(torch.equal(net.weight, value["state_dict"]["0.weight"]))

    def test_every_plain_kind(self):
        inner = [1, 2.5, None]
        cycle = []
        cycle.append(cycle)
        ring = {"name": "ring"}
        ring["self"] = [ring]
        value = {
            "state_dict": collections.OrderedDict(w=torch.ones(2)), 5: "int", -1: 0, (1, "a", (2, None)): 2, None: 1,
            True: 2, 2.5: 3, "": "empty", "text": "ü\0\ud800", "big": 2 ** 100, "neg": -2 ** 63,
            "huge": 2 ** 2000, "long": 2 ** 31, "floats": [float("inf"), -0.0, 1e-300],
            "bytes": bytes(range(256)), "no bytes": b"", "bytearray": bytearray(b"a\0\xff"),
            "set": {1, "a", (1, 2)}, "empty": [[], (), {}, set()], "bools": [True, False],
            "shared": [inner, inner, {"again": inner}], "cycle": cycle, "ring": ring,
            "counter": collections.Counter("aab"), "od": collections.OrderedDict(b=1, a=2),
            "size": torch.Size([2, 3]), "dtypes": [torch.float16, torch.float8_e5m2, torch.int4],
            "devices": [torch.device("cuda", 1), torch.device("cpu")], "layout": torch.sparse_csr,
            "complex": 1 + 2j, "thousand": list(range(1001)), "one": [1], "tuple": (1, 2, 3, 4),
            "many": {i: str(i) for i in range(2001)}, "bytes key": {b"k": 1}, "qscheme":
            torch.per_tensor_affine,
        }
        for _ in range(50):
            value["deep"] = [value.get("deep")]
        tagged = collections.OrderedDict(a=1)
        tagged.note = {"kept": [1]}
        value["tagged"] = tagged
        got, lost = self.carry(value)
        self.assertEqual(lost, [])
        self.same(got, value)
        self.assertEqual(got["tagged"].note, {"kept": [1]})

    def test_every_tensor_kind(self):
        base = torch.arange(24.).reshape(4, 6)
        state = collections.OrderedDict(w=base[1:3], b=torch.ones(2))
        value = {
            "state_dict": state, "alias": base, "view": base[:, 2], "turned": base.t(),
            "same": state["b"], "param": torch.nn.Parameter(torch.ones(2)),
            "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
            "grad": torch.ones(2, requires_grad=True), "scalar": torch.tensor(3),
            "empty": torch.empty(0, 3), "bf16": torch.ones(3, dtype=torch.bfloat16),
            "f8": torch.ones(3).to(torch.float8_e4m3fn), "u16": torch.ones(3).to(torch.uint16),
            "bool": torch.tensor([True, False]), "c64": torch.tensor([1 + 2j]),
            "conj": torch.tensor([1 + 2j]).conj(), "neg": torch.tensor([1 + 2j]).conj().imag,
            "q": torch.quantize_per_tensor(torch.arange(4.), 0.5, 1, torch.quint8),
            "qc": torch.quantize_per_channel(torch.ones(2, 3), torch.tensor([.1, .2]).double(),
                                             torch.tensor([0, 1]), 0, torch.qint8),
            "coo": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(),
            "bsr": torch.eye(4).to_sparse_bsr((2, 2)), "meta": torch.empty(2, 3, device="meta"),
            "expanded": torch.ones(1).expand(3, 2),
        }
        got, lost = self.carry(value)
        self.assertEqual(lost, [])
        self.same(got, value)
        pointer = got["alias"].untyped_storage().data_ptr()
        for key in ("view", "turned"):
            self.assertEqual(got[key].untyped_storage().data_ptr(), pointer)
        self.assertEqual(got["state_dict"]["w"].untyped_storage().data_ptr(), pointer)
        self.assertEqual(got["state_dict"]["w"].storage_offset(), 6)
        self.assertIs(got["same"], got["state_dict"]["b"])
        got, _ = self.carry(value, options=["--compact"])
        self.assertTrue(torch.equal(got["view"], value["view"]))

    def test_objects_become_their_content_or_are_named(self):
        net, value = training()
        value |= {
            "args": argparse.Namespace(lr=0.1, deep=argparse.Namespace(k=(1, 2))),
            "simple": types.SimpleNamespace(a=1), "plain": Plain(x=[1], t=torch.ones(2)),
            "defaults": collections.defaultdict(list, a=[1]), "names": Names(a=1),
            "items": Items([1, 2]), "frozen": frozenset([1]), "path": pathlib.PurePosixPath("/a/b"),
            "color": Color.RED, "function": torch.nn.functional.relu, "class": Plain,
            "ema": net, "list": [1, Color.RED, 3], "by class": {Plain: 1, "a": 2},
        }
        got, lost = self.carry(value)
        told = {loss["path"]: loss["became"] for loss in lost}
        self.assertEqual(got["args"], {"lr": 0.1, "deep": {"k": (1, 2)}})
        self.assertEqual(got["simple"], {"a": 1})
        self.assertTrue(torch.equal(got["plain"]["t"], torch.ones(2)))
        self.assertEqual(got["defaults"], {"a": [1]})
        self.assertEqual((type(got["names"]), got["names"]), (dict, {"a": 1}))
        self.assertEqual((type(got["items"]), got["items"]), (list, [1, 2]))
        self.assertEqual(got["frozen"], {1})
        self.assertEqual(got["path"], "/a/b")
        self.same(got["ema"], net.state_dict())
        self.assertEqual(got["list"], [1, None, 3])
        self.assertEqual(got["by class"], {"a": 2})
        for key in ("color", "function", "class"):
            self.assertNotIn(key, got)
            self.assertIsNone(told[key])
        self.assertEqual(told["args"], "a dict of its attributes")
        self.assertEqual(told["ema"], "its state dict")
        self.assertEqual(told["list[1]"], None)

    def test_an_optimizer_alone(self):
        """Its state is listed joined, 0.exp_avg …, but stays a dict of dicts."""
        _, value = training()
        got, lost = self.carry(value["optimizer"], part="state")
        self.assertEqual(lost, [])
        self.same(got, value["optimizer"])
        got, lost = self.carry(value["optimizer"], "rules [[ 0.** -> first.** ]]", part="state")
        self.assertIn("first.exp_avg", got["state"])

    def test_numpy(self):
        """Arrays become tensors and scalars Python numbers, which weights_only takes."""
        long = numpy.arange(10000, dtype="<i4")
        value = {"state_dict": {"w": torch.ones(2)}, "array": numpy.arange(6.).reshape(2, 3),
                 "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
                 "big": numpy.arange(3, dtype=">f4"), "long": long, "again": long,
                 "bool": numpy.array([True, False]), "none": numpy.zeros((0, 2)),
                 "losses": [numpy.float64(0.5), numpy.float32(0.25)], "epoch": numpy.int64(7),
                 "done": numpy.bool_(True)}
        for legacy in (False, True):
            got, lost = self.carry(value, legacy=legacy)
            for key in ("array", "fortran", "big", "long", "bool", "none"):
                self.assertEqual(got[key].numpy().tolist(), value[key].tolist(), key)
                self.assertEqual(got[key].numpy().dtype, value[key].dtype.newbyteorder("="), key)
            self.assertIs(got["again"], got["long"])
            self.assertEqual(got["losses"], [0.5, 0.25])
            self.assertIs(type(got["losses"][0]), float)
            self.assertEqual((type(got["epoch"]), got["epoch"]), (int, 7))
            self.assertIs(got["done"], True)
            self.assertEqual({loss["path"]: loss["became"] for loss in lost},
                             {key: "a Python number" for key in
                              ("losses[0]", "losses[1]", "epoch", "done")})

    def test_a_module_pickled_whole(self):
        net, _ = training()
        got, _ = self.carry({"model": net, "epoch": 3}, part="model")
        self.assertEqual(got["epoch"], 3)
        self.same(got["model"], net.state_dict())
        got, _ = self.carry(net, part="")
        self.same(got, net.state_dict())

    def test_a_dict_that_is_the_file(self):
        value = {"w": torch.ones(2), "epoch": 3, "b": torch.zeros(1), "more": {"x": [1]}}
        got, lost = self.carry(value, "rules [[ w -> v ]]", part="")
        self.assertEqual(lost, [])
        self.assertEqual(list(got), ["v", "b", "epoch", "more"])
        self.assertEqual(got["more"], {"x": [1]})

    def test_a_container_inside(self):
        value = {"a": [{"net": {"w": torch.ones(2)}, "k": 1}], "b": 2}
        got, _ = self.carry(value, part="a[0].net")
        self.assertEqual(got["a"][0]["k"], 1)
        self.assertTrue(torch.equal(got["a"][0]["net"]["w"], torch.ones(2)))

    def test_what_cannot_be_said_is_refused(self):
        loop = ([],)
        loop[0].append(loop)
        source = self.path("in.ckpt")
        torch.save({"state_dict": {"w": torch.ones(2)}, "loop": loop}, source)
        self.tenon("align", f"{source}::state_dict", "--whole", "-o", self.path("o.pth"), status=2)
        self.assertFalse(os.path.exists(self.path("o.pth")))
        for options in (["-o", self.path("o.safetensors")], ["-o", self.path("o.npz")],
                        ["-o", self.path("o.pth"), "--under", "x"]):
            self.tenon("align", f"{source}::state_dict", "--whole", *options, status=2)

    def test_storages_by_themselves(self):
        value = {"state_dict": {"w": torch.ones(2)}, "raw": torch.arange(3.).storage()}
        got, lost = self.carry(value)
        self.assertEqual(lost, [])
        self.assertEqual(list(got["raw"]), [0., 1., 2.])

    def test_exports_are_clean(self):
        """Whatever a file names, what is written from it names nothing but PyTorch's list."""
        net, value = training()
        value["args"] = argparse.Namespace(a=Color.RED)
        value["model"] = net
        self.carry(value)
        scan = json.loads(self.tenon("ls", "--globals", "--json", self.path("out.pth")))
        self.assertEqual({g["verdict"] for g in scan["globals"]}, {"allowed"})
        self.assertEqual(scan["files"][0]["weights_only"], "loads")


if __name__ == "__main__":
    unittest.main()
