"""Writes the folders beside this script, with PyTorch 2.13: run it in the virtual environment of
`make interop`. dcp113 is PyTorch 1.13's and is not written again."""
import os
import shutil
import socket
import sys
import tempfile
from collections import OrderedDict

import torch
import torch.multiprocessing as mp

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "interop"))

import dcp_folders  # noqa: E402
import deepspeed_folders  # noqa: E402


def fresh(name):
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def boxes(name, tensor):
    """A grid of four, two slabs along the last axis, or the whole."""
    if name == "model.grid":
        return [([a, b], [2, 3]) for a in (0, 2) for b in (0, 3)]
    return dcp_folders.slabs(tensor.shape, 2, 2) if tensor.dim() == 3 else \
        [([0] * tensor.dim(), list(tensor.shape))]


def write_dcp():
    state = {"model": {"grid": torch.arange(24.).reshape(4, 6),
                       "slabs": torch.arange(12, dtype=torch.int64).reshape(2, 2, 3),
                       "turned": torch.arange(6.).reshape(3, 2).t()},
             "optimizer": {"state": {0: {"m": torch.full((2,), 0.5)}},
                           "param_groups": [{"lr": 0.1}]}, "epoch": 3}
    dcp_folders.save(state, fresh("dcp"), boxes)


def write_safetensors():
    target = fresh("dcp_safetensors")
    with socket.socket() as one, tempfile.TemporaryDirectory() as folder:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        one.close()
        mp.spawn(dcp_folders.run_rank, args=(2, port, folder), nprocs=2)
        shutil.copytree(os.path.join(folder, "hf"), target)


def write_deepspeed():
    groups = [OrderedDict([("a.weight", torch.arange(15.).reshape(5, 3)), ("a.bias", -torch.arange(5.))]),
              OrderedDict([("n.weight", 100 + torch.arange(7.))])]
    buffers = {"n.mean": torch.tensor([1.5, 2.5]).bfloat16(), "n.count": torch.tensor(5)}
    frozen = {"f.weight": torch.arange(9.).reshape(3, 3).bfloat16()}
    shared = {"tied.weight": "a.weight"}
    deepspeed_folders.zero2(fresh("zero2"), 2, groups, buffers, frozen, shared)
    deepspeed_folders.zero3(fresh("zero3"), 2, groups, buffers, frozen, shared)


if __name__ == "__main__":
    write_dcp()
    write_safetensors()
    write_deepspeed()
