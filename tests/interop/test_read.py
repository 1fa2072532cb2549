"""PyTorch and safetensors write; tenon reads equal keys, dtypes, shapes and values."""
import collections
import unittest

import safetensors.torch
import torch
from torch import nn

from oracle import DTYPES, Case, sample


def every_layout():
    base = torch.arange(24, dtype=torch.float32)
    state = collections.OrderedDict()
    state["plain"] = base.reshape(2, 3, 4)
    state["transposed"] = base.reshape(4, 6).t()
    state["view"] = base[6:12].reshape(2, 3)
    state["tied"] = state["view"]
    state["alias"] = base[6:12].reshape(2, 3)
    state["strided"] = base[::3]
    state["channels_last"] = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    state["expanded"] = torch.arange(3.0).reshape(1, 3).expand(5, 3)
    state["scalar"] = torch.tensor(3.5)
    state["empty"] = torch.empty(0, 4)
    state["empty_view"] = base[3:3]
    state["conj"] = torch.tensor([1 + 2j, 3 - 4j]).conj()
    state["neg"] = torch._neg_view(torch.arange(3.0))
    state["parameter"] = nn.Parameter(torch.ones(2, 3))
    state["permuted"] = torch.randn(2, 3, 4, 5).permute(3, 1, 0, 2)
    state["large"] = torch.randn(700, 900).t()
    return state


class Reading(Case):
    def test_every_dtype_in_zip_and_legacy(self):
        for zipped in (True, False):
            state = {f"{name}.{len(shape)}d": sample(name, shape, len(shape))
                     for name in DTYPES for shape in ((), (5,), (3, 4))}
            path = self.path(f"dtypes-{zipped}.pth")
            torch.save(state, path, _use_new_zipfile_serialization=zipped)
            self.same(self.listing(path), state)

    def test_every_layout_in_zip_and_legacy(self):
        for zipped in (True, False):
            state = every_layout()
            path = self.path(f"layouts-{zipped}.pth")
            torch.save(state, path, _use_new_zipfile_serialization=zipped)
            self.same(self.listing(path), state)

    def test_every_pickle_protocol(self):
        state = {"a.weight": torch.randn(3, 4), "b": torch.tensor(1), "ünïcode 漢": torch.ones(2)}
        for protocol in (2, 3, 4, 5):
            for zipped in (True, False):
                path = self.path(f"protocol-{protocol}-{zipped}.pth")
                torch.save(state, path, pickle_protocol=protocol,
                           _use_new_zipfile_serialization=zipped)
                self.same(self.listing(path), state)

    def test_every_dtype_in_safetensors(self):
        state = {name: sample(name, (3, 4)) for name in DTYPES
                 if name not in ("complex32", "complex128")}
        path = self.path("all.safetensors")
        safetensors.torch.save_file(state, path, metadata={"format": "pt", "note": "x\ny"})
        listing = self.listing(path)
        self.assertEqual(listing["metadata"], {"format": "pt", "note": "x\ny"})
        self.same(listing, {one["key"]: state[one["key"]] for one in listing["tensors"]})
        self.assertEqual(len(listing["tensors"]), len(state))

    def test_nested_containers(self):
        inner = collections.OrderedDict((f"layers.{i}.weight", torch.randn(2, i + 1))
                                        for i in range(4))
        for nest in (lambda d: d, lambda d: {"state_dict": d}, lambda d: {"model": d, "epoch": 3},
                     lambda d: {"state_dict": {"model_state": d}, "best": torch.tensor(0.5)},
                     lambda d: {"epoch": 1, "net": d, "optimizer": {"state": {}, "param_groups": []}},
                     lambda d: {"args": {"lr": 0.1}, "params_ema": d}):
            path = self.path("nested.pth")
            torch.save(nest(inner), path)
            self.same(self.listing(path), inner)

    def test_container_by_path(self):
        a, b = {"w": torch.ones(2)}, {"w": torch.zeros(2)}
        path = self.path("both.pth")
        torch.save({"model": a, "ema": b, "list": [{"w": torch.full((3,), 7.0)}]}, path)
        self.same(self.listing(path + "::ema"), b)
        self.same(self.listing(path + "::model"), a)
        self.same(self.listing(path + "::list[0]"), {"w": torch.full((3,), 7.0)})

    def test_module_pickled_whole(self):
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2),
                              nn.Sequential(nn.Linear(2, 2, bias=False)))
        model[2].register_buffer("kept", torch.ones(1))
        model[2].register_buffer("left_out", torch.ones(1), persistent=False)
        for thing, name in ((model, "module"), ({"model": model, "epoch": 2}, "inside"),
                            (nn.DataParallel(model), "parallel")):
            path = self.path(name + ".pt")
            torch.save(thing, path)
            want = (thing["model"] if isinstance(thing, dict) else thing).state_dict()
            self.same(self.listing(path), want)

    def test_optimizer_state_is_addressable(self):
        model = nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.randn(4, 3)).sum().backward()
        optimizer.step()
        path = self.path("train.ckpt")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
        self.same(self.listing(path), model.state_dict())
        got = self.listing(path + "::optimizer.state[0]")
        self.same(got, optimizer.state_dict()["state"][0])

    def test_metadata_is_no_tensor(self):
        state = nn.Sequential(nn.BatchNorm1d(3)).state_dict()
        path = self.path("bn.pth")
        torch.save(state, path)
        self.same(self.listing(path), state)

    def test_tied_tensors_share_a_storage(self):
        base = torch.randn(4, 4)
        path = self.path("tied.pth")
        torch.save({"a": base, "b": base, "c": base.t(), "d": base.clone()}, path)
        storages = [one["storage"] for one in self.listing(path)["tensors"]]
        self.assertEqual(storages[0], storages[1])
        self.assertEqual(storages[0], storages[2])
        self.assertNotEqual(storages[0], storages[3])

    def test_three_thousand_tensors(self):
        state = {f"block.{i}.weight": torch.full((2, 2), float(i)) for i in range(3000)}
        path = self.path("many.pth")
        torch.save(state, path)
        self.same(self.listing(path), state)


if __name__ == "__main__":
    unittest.main()
