"""What tests/screens/sessions.sh mends with keys alone, looked at by PyTorch: every output loads
strictly into a module of the target's names and shapes, and holds the right values."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import torch
from safetensors.torch import load_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def module_of(state):
    """A module with these parameters under their dotted names."""
    whole = torch.nn.Module()
    for name, value in state.items():
        *path, leaf = name.split(".")
        at = whole
        for part in path:
            if part not in at._modules:
                at.add_module(part, torch.nn.Module())
            at = at._modules[part]
        at.register_parameter(leaf, torch.nn.Parameter(torch.zeros_like(value)))
    return whole


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        script = os.path.join(ROOT, "tests", "screens", "sessions.sh")
        done = subprocess.run([script, cls.folder], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)

    def open(self, name):
        with open(os.path.join(ROOT, "tests", "data", "rules", name + ".json")) as file:
            self.truth = json.load(file)["truth"]
        self.source, self.target, self.out = (
            load_file(os.path.join(self.folder, f"{name}.{part}.safetensors"))
            for part in ("source", "target", "out"))
        module = module_of(self.target)
        module.load_state_dict(self.out, strict=True)
        self.loaded = module.state_dict()

    def same(self, key, value):
        self.assertTrue(torch.equal(self.loaded[key], value), key)

    def check_renamed(self):
        for source, target in self.truth:
            self.same(target, self.source[source])
        return {target for _, target in self.truth}

    def test_data_parallel(self):
        self.open("02a_essmc2_head")
        renamed = self.check_renamed()
        self.assertEqual(set(self.target) - renamed, {"head.fc.weight", "head.fc.bias"})
        for key in set(self.target) - renamed:
            self.same(key, self.target[key])

    def test_wrappers(self):
        self.open("11_lightning_compile")
        self.assertEqual(self.check_renamed(), set(self.target))

    def test_unet(self):
        self.open("10_sd_unet")
        self.assertEqual(self.check_renamed(), set(self.target))

    def test_vit(self):
        self.open("06_timm_vit_to_hf")
        self.assertEqual({target for _, target in self.truth}, set(self.target))
        for source, target in self.truth:
            value = self.source[source]
            if ".qkv." in source:
                part = ("query", "key", "value").index(target.split(".")[-2])
                value = value.chunk(3)[part]
            self.same(target, value)

    def test_experts(self):
        self.open("08_mixtral")
        expert = "model.layers.{}.block_sparse_moe.experts.{}.w{}.weight".format
        for layer in range(2):
            w1, w2, w3 = (torch.stack([self.source[expert(layer, e, w)] for e in range(3)])
                          for w in (1, 2, 3))
            self.same(f"model.layers.{layer}.mlp.experts.gate_up_proj", torch.cat([w1, w3], 1))
            self.same(f"model.layers.{layer}.mlp.experts.down_proj", w2)
            self.same(f"model.layers.{layer}.mlp.gate.weight",
                      self.source[f"model.layers.{layer}.block_sparse_moe.gate.weight"])
        others = [key for key in self.target if ".mlp." not in key]
        for key in others:
            self.same(key, self.source[key])


if __name__ == "__main__":
    unittest.main()
