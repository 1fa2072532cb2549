#!/usr/bin/env python3
"""Small files of PyTorch 2.13 for the suite: sparse and wrapped tensors, modules pickled whole,
tensors in plain pickles, the tar of PyTorch 0.1. Written by `make_pickled.py`, with values that
tests can state: element i of a tensor is i, of sparse ones 1, 2, 3 …"""
import io
import os
import pickle
import struct
import sys
import tarfile
import warnings
from collections import Counter, OrderedDict, defaultdict

import torch

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(HERE, name)


def count(*shape, dtype=torch.float32):
    return torch.arange(int(torch.tensor(shape).prod())).to(dtype).reshape(shape)


def sparse():
    dense = torch.zeros(4, 6)
    dense[0, 1], dense[0, 4], dense[2, 2], dense[3, 5] = 1, 2, 3, 4
    return {
        "coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc(),
        "bsr": dense.to_sparse_bsr((2, 3)), "bsc": dense.to_sparse_bsc((2, 3)),
        "twice": torch.sparse_coo_tensor([[1, 1, 0]], [1.0, 2.0, 3.0], (3,)),
        "hybrid": torch.sparse_coo_tensor([[2, 0]], [[1.0, 2.0], [3.0, 4.0]], (3, 2)),
        "nested": torch.nested.nested_tensor([count(1, 2), count(3, 2)]),
        "dense": dense,
    }


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)
        self.register_buffer("seen", count(2))
        self.register_buffer("cache", count(4), persistent=False)
        self.loose = count(5)


class Graph(torch.nn.Module):
    """A module with sparse buffers, one of them in a module of its own."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(count(2))
        self.register_buffer("adjacent", sparse()["coo"])
        self.inner = torch.nn.Module()
        self.inner.register_buffer("csr", sparse()["csr"])


def dtensor():
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
    from torch.testing._internal.distributed.fake_pg import FakeStore
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    mesh = init_device_mesh("cpu", (2,))
    whole = count(4, 6)
    return {"whole": distribute_tensor(whole, mesh, [Replicate()]),
            "shard": distribute_tensor(whole, mesh, [Shard(0)]),
            "summand": DTensor.from_local(whole, mesh, [Partial()], run_check=False)}


def tar():
    """As make_tar.py beside FORMATS.md: what torch.load of every version accepts."""
    def dump(value):
        return pickle.dumps(value, protocol=2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value[1] if isinstance(value, tuple) and value and value[0] == "PID" else None

    storages = dump(1) + dump((94, "cpu", torch.FloatStorage)) + struct.pack("<q6f", 6, *range(6)) + dump([(95, 94, 2, 3)])
    tensors = dump(2) + dump((1000, 94, torch.FloatTensor)) + struct.pack("<ii5q", 2, 0, 2, 3, 3, 1, 0)
    tensors += dump((1001, 95, torch.FloatTensor)) + struct.pack("<ii3q", 1, 0, 3, 1, 0)
    objects = io.BytesIO()
    Pickler(objects, protocol=2).dump(OrderedDict([("w", ("PID", "1000")), ("v", ("PID", "1001"))]))
    info = dump({"protocol_version": 1000, "little_endian": True})
    with tarfile.open(path("old.tar"), "w:", format=tarfile.PAX_FORMAT) as out:
        for name, content in (("sys_info", info), ("pickle", objects.getvalue()), ("tensors", tensors), ("storages", storages)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))


def main():
    torch.manual_seed(0)
    torch.save(sparse(), path("sparse.pth"))
    torch.save({"epoch": 3, "model": Block(), "ema": None}, path("module.pth"))
    torch.save({"net": Graph()}, path("made.pth"))
    torch.save(dtensor(), path("dtensor.pth"))
    torch.save({"w": torch.empty(3, 4, device="meta"), "b": count(2)}, path("meta.pth"))
    for protocol in (2, 4):
        with open(path(f"tensors{protocol}.pkl"), "wb") as out:
            view = count(2, 3)
            pickle.dump({"w": view, "tied": view, "half": count(3, dtype=torch.float16)}, out, protocol)
    keys = {("a", 1): count(2), ("a", 2): count(3), 3: count(1), "3": count(4), None: count(5)}
    torch.save({"keys": keys, "counter": Counter(x=1), "default": defaultdict(list, w=count(2)),
                "storage": count(3).untyped_storage()}, path("keys.pth"))
    tar()


if __name__ == "__main__":
    sys.exit(main())
