"""torch.distributed.checkpoint writes, whole or cut into chunks; tenon puts the tensors together."""
import os
import pickle
import shutil
import unittest

import torch
import torch.multiprocessing as mp
from torch import nn

import dcp_folders
from oracle import DTYPES, Case, sample


def train():
    """A model and its optimizer after a step."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


class Dcp(Case):
    def values(self, spec, state):
        """What is exported from SPEC equals a state dict, in any order."""
        out = self.path("out.pth")
        self.tenon("align", spec, "-o", out, "--force")
        got = torch.load(out)
        self.assertEqual(sorted(got), sorted(state))
        self.equal({name: got[name] for name in state}, state)

    def test_nested_state(self):
        model, optimizer = train()
        folder = self.path("plain")
        dcp_folders.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                          "epoch": 3, "name": "run", "list": [torch.ones(2), {"x": 1}],
                          "pair": (1, 2)}, folder)
        self.same(self.listing(folder), model.state_dict())
        self.assertEqual(self.listing(folder)["container"], "model")
        state = optimizer.state_dict()["state"]
        self.same(self.listing(folder + "::optimizer.state.2"), state[2])
        self.same(self.listing(folder + "::optimizer.state"),
                  {f"{i}.{name}": one[name] for i, one in state.items() for name in one})
        shown = self.tenon("ls", "--all", folder)
        for line in ("epoch   int 3", 'name   str "run"', "optimizer.param_groups[0].lr   float 0.001",
                     "list[1].x   int 1", "pair   tuple (2)"):
            self.assertIn(line + "\n", shown)

    def test_flat_state_is_the_root(self):
        model, _ = train()
        folder = self.path("flat")
        dcp_folders.save(model.state_dict(), folder)
        self.assertEqual(self.listing(folder)["container"], "")
        self.same(self.listing(folder), model.state_dict())

    def test_every_dtype(self):
        state = {name: sample(name, (3, 4)) for name in DTYPES}
        for cut in (None, lambda _, tensor: dcp_folders.slabs(tensor.shape, 1, 3)):
            folder = self.path("dtypes")
            shutil.rmtree(folder, ignore_errors=True)
            dcp_folders.save(state, folder, cut)
            self.same(self.listing(folder), state)

    def test_every_rank_and_cut(self):
        torch.manual_seed(2)
        shapes = [(), (1,), (7,), (5, 6), (1, 9), (3, 4, 5), (2, 3, 2, 3), (2, 1, 3, 1, 2), (0, 4)]
        state = {f"t{i}": torch.randn(shape) for i, shape in enumerate(shapes)}
        for seed in range(12):
            folder = self.path("cut")
            shutil.rmtree(folder, ignore_errors=True)
            dcp_folders.save_random(state, folder, seed, thread_count=1 + seed % 3)
            self.same(self.listing(folder), state)
            self.values(folder, state)

    def test_strided_tensors(self):
        base = torch.arange(120.).reshape(2, 3, 4, 5)
        state = {"t": base[0, 0].t(), "last": base.contiguous(memory_format=torch.channels_last),
                 "every": base.reshape(-1)[::3], "expanded": torch.arange(3.).expand(4, 3),
                 "conj": torch.tensor([1 + 2j, 3 - 4j]).conj(), "part": base[1, :, 1:3]}
        folder = self.path("strided")
        dcp_folders.save(state, folder)
        self.same(self.listing(folder), state)
        self.values(folder, state)
        dcp_folders.save_random(state, self.path("strided-cut"), 5)
        self.same(self.listing(self.path("strided-cut")), state)

    def test_large_tensors_in_pieces(self):
        state = {"rows": torch.randn(1500, 700), "columns": torch.randn(700, 1500)}
        folder = self.path("large")
        dcp_folders.save(state, folder, lambda name, tensor: dcp_folders.slabs(
            tensor.shape, 0 if name == "rows" else 1, 8))
        self.same(self.listing(folder), state)
        self.values(folder, state)

    def test_a_thousand_chunks_open_small(self):
        state = {f"block.{i}.weight": torch.full((32, 4), float(i)) for i in range(40)}
        folder = self.path("thousand")
        dcp_folders.save(state, folder, lambda _, tensor: dcp_folders.slabs(tensor.shape, 0, 32))
        self.same(self.listing(folder), state)

    def test_ranks_of_distributed_tensors(self):
        mp.spawn(dcp_folders.run_rank, args=(2, self.folder.name), nprocs=2)
        whole = dcp_folders.ranks_state()
        for name in ("dcp", "hf", "joined", "joined/sharded"):
            with self.subTest(name):
                listing = self.listing(self.path(name))
                found = {one["key"]: whole[one["key"]] for one in listing["tensors"]}
                self.same(listing, found)
                self.assertEqual(sorted(found), sorted(whole))
                self.values(self.path(name), whole)

    def test_old_module_names(self):
        folder = self.path("old")
        dcp_folders.save({"w": torch.arange(6.)}, folder)
        path = os.path.join(folder, ".metadata")
        with open(path, "rb") as file:
            metadata = pickle.load(file)
        text = pickle.dumps(metadata, protocol=2)
        old = text.replace(b"torch.distributed.checkpoint.", b"torch.distributed._shard.checkpoint.")
        self.assertNotEqual(text, old)
        for protocol in (None, 2, 3, 4, 5):
            with open(path, "wb") as file:
                file.write(old if protocol is None else pickle.dumps(metadata, protocol=protocol))
            self.same(self.listing(folder), {"w": torch.arange(6.)})

    def test_transforms_are_refused_by_name(self):
        folder = self.path("zstd")
        dcp_folders.save({"w": torch.arange(6.)}, folder)
        path = os.path.join(folder, ".metadata")
        with open(path, "rb") as file:
            metadata = pickle.load(file)
        for info in metadata.storage_data.values():
            info.transform_descriptors = ["stream.zstd"]
        with open(path, "wb") as file:
            pickle.dump(metadata, file)
        with self.assertRaisesRegex(AssertionError, "'stream.zstd'.*not supported"):
            self.tenon("ls", folder)


if __name__ == "__main__":
    unittest.main()
