"""Writes the corpora of fuzz_dcp, fuzz_deepspeed and fuzz_index: two files in one, behind the
length of the first. Run it in the virtual environment of `make interop`."""
import json
import os
import sys
import tempfile
from collections import OrderedDict

import safetensors.torch
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "interop"))

import dcp_folders  # noqa: E402


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def put(corpus, name, first, second):
    os.makedirs(os.path.join(HERE, "corpus", corpus), exist_ok=True)
    with open(os.path.join(HERE, "corpus", corpus, name), "wb") as file:
        file.write(len(first).to_bytes(2, "little") + first + second)


def make_dcp(folder):
    states = {"plain": ({"w": torch.arange(6.).reshape(2, 3)}, None),
              "nested": ({"model": {"a.b": torch.ones(2)}, "list": [torch.ones(1), {"x": 1}],
                          "epoch": 3}, None),
              "grid": ({"w": torch.arange(16.).reshape(4, 4)},
                       lambda _, t: [([a, b], [2, 2]) for a in (0, 2) for b in (0, 2)]),
              "strided": ({"t": torch.arange(6.).reshape(2, 3).t(), "s": torch.tensor(1)}, None)}
    for name, (state, cut) in states.items():
        dcp_folders.save(state, os.path.join(folder, name), cut)
        put("dcp", name, read(folder, name, ".metadata"), read(folder, name, "__0_0.distcp"))
    old = os.path.join(HERE, "..", "data", "folders", "dcp113")
    put("dcp", "old", read(old, ".metadata"), read(old, "__0_0.distcp"))


def saved(folder, what):
    path = os.path.join(folder, "one.pt")
    torch.save(what, path, _use_new_zipfile_serialization=False)
    return read(path)


def make_deepspeed(folder):
    shapes = OrderedDict(w=torch.Size([3, 2]), v=torch.Size([4]))
    for stage in (2, 3):
        model = {"module": OrderedDict(b=torch.ones(2).half()), "buffer_names": ["b"],
                 "param_shapes": [shapes], "shared_params": {"t": "w"},
                 "frozen_param_shapes": OrderedDict(f=torch.Size([2])),
                 "frozen_param_fragments": OrderedDict(f=torch.ones(1 if stage == 3 else 2))}
        key = "fp32_flat_groups" if stage == 3 else "single_partition_of_fp32_groups"
        optim = {"optimizer_state_dict": {"zero_stage": stage, "partition_count": 2,
                                          key: [torch.arange(5.)]}}
        put("deepspeed", f"stage{stage}", saved(folder, model), saved(folder, optim))
    optim["optimizer_state_dict"].update(zero_stage=1, partition_count=[2, 1],
                                         param_alignment_paddings=[[0, 0]],
                                         single_partition_of_fp32_groups=[torch.arange(5.)])
    put("deepspeed", "paddings", saved(folder, model), saved(folder, optim))
    put("deepspeed", "plain", saved(folder, {"module": {"w": torch.ones(2)}}), b"")


def make_index(folder):
    path = os.path.join(folder, "x.safetensors")
    safetensors.torch.save_file({"a": torch.ones(2), "b": torch.zeros(1)}, path,
                                metadata={"format": "pt"})
    shard = read(path)
    indices = {
        "plain": {"metadata": {"total_size": 12}, "weight_map": {"a": "1.bin", "b": "2.bin"}},
        "lost": {"weight_map": {"a": "x", "c": "x", "d": "y"}},
        "float": {"metadata": {"total_size": 12.5, "x": [{}]}, "y": None, "weight_map": {"b": "x"}},
        "unsafe": {"weight_map": {"a": "../x"}}}
    for name, index in indices.items():
        put("index", name, json.dumps(index).encode(), shard)
    put("index", "twice", b'{"weight_map":{"a":"x","a":"y"}}', shard)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make_dcp(scratch)
        make_deepspeed(scratch)
        make_index(scratch)
