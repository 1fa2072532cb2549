"""What PyTorch makes of files whose names were changed in place: with mmap and without, half-way and
after the way back."""
import os
import shutil
import subprocess
import unittest
from collections import OrderedDict

import numpy
import safetensors.torch
import torch
from torch import nn

from oracle import ROOT, TENON, Case

RENAME = ("align", "-q", "-e", 'strip "module."', "--in-place")


def checkpoint():
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(300, 200), nn.BatchNorm1d(200), nn.Linear(200, 300))
    state = OrderedDict(("module." + key, value) for key, value in net.state_dict().items())
    state._metadata = OrderedDict(("module." + key if key else "module", value)
                                  for key, value in net.state_dict()._metadata.items())
    state["module.tied"] = state["module.0.weight"]
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(4, 300)).sum().backward()
    optimizer.step()
    return {"epoch": 7, "state_dict": state, "optimizer": optimizer.state_dict(), "args": {"lr": 0.1, "t": (1, 2)}}


class InPlace(Case):
    def tenon(self, *args, **more):
        return subprocess.run([TENON, *args], capture_output=True, text=True, check=False, **more)

    def expect(self, path, wanted, prefix):
        for mmap in (False, True):
            loaded = torch.load(path, mmap=mmap, weights_only=True)
            self.assertEqual(list(loaded), list(wanted))
            self.assertEqual(list(loaded["state_dict"]),
                             [prefix + key.removeprefix("module.") for key in wanted["state_dict"]])
            for (_, a), (_, b) in zip(loaded["state_dict"].items(), wanted["state_dict"].items()):
                self.assertTrue(torch.equal(a, b))
            tied = loaded["state_dict"][prefix + "tied"]
            self.assertEqual(tied.data_ptr(), loaded["state_dict"][prefix + "0.weight"].data_ptr())
            self.assertEqual(loaded["epoch"], 7)
            self.assertEqual(loaded["args"], wanted["args"])
            for number, state in wanted["optimizer"]["state"].items():
                for key, value in state.items():
                    self.assertTrue(torch.equal(loaded["optimizer"]["state"][number][key], value))

    def test_whole_checkpoint(self):
        path, wanted = self.path("train.pth"), checkpoint()
        torch.save(wanted, path)
        with open(path, "rb") as file:
            before = file.read()
        done = self.tenon(*RENAME, path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect(path, wanted, "")
        loaded = torch.load(path)["state_dict"]
        self.assertEqual(loaded._metadata["1"], {"version": 2})
        with torch.utils.serialization.config.patch({"load.calculate_storage_offsets": True}):
            self.expect(path, wanted, "")
        done = self.tenon("align", "-q", path, "-e", 'prefix "net."', "--in-place")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect(path, wanted, "net.")
        for prefix in ("", "module."):
            self.assertEqual(self.tenon("undo", path).returncode, 0)
            self.expect(path, wanted, prefix)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_killed_half_way(self):
        if not shutil.which("cc"):
            self.skipTest("there is no C compiler")
        library, path, wanted = self.path("fault.so"), self.path("half.pth"), checkpoint()
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, os.path.join(ROOT, "tests/export/fault.c"), "-ldl"],
                       check=True)
        seen = set()
        for at in range(1, 8):
            torch.save(wanted, path)
            self.tenon(*RENAME, path, env={**os.environ, "LD_PRELOAD": library, "FAULT_AT": str(at)})
            prefix = "" if "0.weight" in torch.load(path, mmap=True)["state_dict"] else "module."
            seen.add(prefix)
            self.expect(path, wanted, prefix)
        self.assertEqual(seen, {"", "module."})

    def in_place(self, path, code):
        """Renames; skips the test where the file system inserts no blocks."""
        done = self.tenon("align", "-q", path, "-e", code, "--in-place")
        if "neither clone nor insert" in done.stderr:
            self.skipTest("this file system inserts no blocks")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_safetensors(self):
        path, wanted = self.path("net.safetensors"), checkpoint()["state_dict"]
        del wanted["module.tied"]
        safetensors.torch.save_file(dict(wanted), path, metadata={"format": "pt", "step": "7"})
        for code, prefix in (('strip "module."', ""), ('prefix "a.long.name."', "a.long.name.")):
            self.in_place(path, code)
            loaded = safetensors.torch.load_file(path)
            self.assertEqual(set(loaded), {prefix + key.removeprefix("module.") for key in wanted})
            for key, value in wanted.items():
                self.assertTrue(torch.equal(loaded[prefix + key.removeprefix("module.")], value))
            with safetensors.safe_open(path, "pt") as file:
                self.assertEqual(file.metadata(), {"format": "pt", "step": "7"})

    def test_gguf(self):
        try:
            import gguf
        except ImportError:
            self.skipTest("no gguf package")
        path, values = self.path("net.gguf"), numpy.arange(96 * 64, dtype=numpy.float32).reshape(96, 64)
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_array("tokenizer.ggml.tokens", ["a", "bc", ""])
        for i in range(8):
            writer.add_tensor(f"model.{i}.w", values + i)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        for code, name in (('rules [[ model.{i}.w -> blk.{i}.attn_output.weight ]]', "blk.{}.attn_output.weight"),
                           ('rules [[ blk.{i}.** -> b.{i}.** ]]', "b.{}.attn_output.weight")):
            self.in_place(path, code)
            reader = gguf.GGUFReader(path)
            self.assertEqual([tensor.name for tensor in reader.tensors], [name.format(i) for i in range(8)])
            for i, tensor in enumerate(reader.tensors):
                self.assertTrue((tensor.data == values + i).all())
            self.assertEqual(reader.get_field("tokenizer.ggml.tokens").contents(), ["a", "bc", ""])

    def test_shards(self):
        path, wanted = self.path("net.pth"), checkpoint()["state_dict"]
        torch.save(wanted, path)
        done = self.tenon("align", "-q", path, "--shard-size", "200kB", "-o", self.path("pytorch_model.bin"))
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {}
        for name in sorted(os.listdir(self.folder.name)):
            if name.startswith("pytorch_model-"):
                found.update(torch.load(self.path(name)))
        self.assertEqual(set(found), set(wanted))
        self.assertTrue(all(torch.equal(found[key], wanted[key]) for key in wanted))


if __name__ == "__main__":
    unittest.main()
