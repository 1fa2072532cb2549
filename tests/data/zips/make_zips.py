"""Writes the fixtures of this folder with real PyTorch 2.13.0: what is a zip, but not torch.save.

    python tests/data/zips/make_zips.py        (from the repository's root)

`old.pt`, a TorchScript of PyTorch 1.3, is written by hand after caffe2/proto/torch.proto: nothing
that can write one installs today. Values are counted up, so that tests know them.
"""
import json
import os
import struct
import warnings
import zipfile

import torch
from torch import nn, package

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.simplefilter("ignore")


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(2, 3)
        self.register_buffer("scale", torch.ones(2))
        self.spare = torch.full((4,), 9.0)

    def forward(self, x):
        return self.lin(x * self.scale)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))
        self.fixed = nn.Parameter(torch.ones(1), requires_grad=False)
        self.part = Part()
        self.again = self.part.lin

    def forward(self, x):
        return self.part(x) * self.gain + self.fixed + torch.tensor([0.5, 1.5, 2.5])


def counted(model):
    """Every tensor of a state dict gets the next numbers, once."""
    at, seen = 0.0, set()
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.data_ptr() in seen:
                continue
            seen.add(value.data_ptr())
            value.copy_(torch.arange(at, at + value.numel()).reshape(value.shape))
            at += value.numel()
    return model.eval()


def path(name):
    return os.path.join(HERE, name)


def old():
    """Layout of PyTorch 1.0 to 1.3: model.json, tensors/N, attributes.pkl."""
    def tensor(key, dims, offset=0, strides=None, grad=True, kind="FLOAT"):
        if strides is None:
            strides, step = [], 1
            for size in reversed(dims):
                strides.insert(0, step)
                step *= size
        return {"dims": [str(n) for n in dims], "offset": str(offset),
                "strides": [str(n) for n in strides], "requiresGrad": grad, "dataType": kind,
                "data": {"key": key}, "device": "cpu"}

    model = {
        "protoVersion": "3", "producerName": "pytorch", "producerVersion": "1.3.0",
        "mainModule": {
            "name": "Net", "optimize": True,
            "parameters": [{"isBuffer": False, "tensorId": "0", "name": "weight"},
                           {"isBuffer": True, "tensorId": "1", "name": "count"}],
            "attributes": [{"type": "Tensor", "name": "spare", "id": "0"},
                           {"type": "Optional[Tensor]", "name": "none", "id": "-1"},
                           {"type": "int", "name": "steps", "id": "1"}],
            "submodules": [{"name": "inner", "parameters": [
                {"isBuffer": False, "tensorId": "2", "name": "weight"}], "submodules": []}]},
        "tensors": [tensor("tensors/0", [2, 3]),
                    tensor("tensors/1", [], grad=False, kind="INT64"),
                    tensor("tensors/0", [3, 2], strides=[1, 3]),
                    tensor("tensors/2", [2], offset=1, grad=False)]}
    attributes = (b"\x80\x02(ctorch.jit._pickle\nbuild_tensor_from_id\n(K\x03tRK\x05t.")
    with zipfile.ZipFile(path("old.pt"), "w") as out:
        def put(name, data):
            out.writestr(zipfile.ZipInfo("old/" + name), data)
        put("version", "1\n")
        put("tensors/0", struct.pack("<6f", *range(6)))
        put("tensors/1", struct.pack("<q", 7))
        put("tensors/2", struct.pack("<3f", 10, 11, 12))
        put("attributes.pkl", attributes)
        put("code/Net.py", "op_version_set = 1\n")
        put("model.json", json.dumps(model))


def compiled():
    """The parts of an AOTInductor package that are no code, as torch/export/pt2_archive writes them."""
    whole = torch.arange(6.0).reshape(2, 3)
    torch.save(whole, path("w.tmp"))
    writer = torch._C.PyTorchFileWriter(path("compiled.pt2"))
    def put(name, data):
        writer.write_record(name, data, len(data))
    with open(path("w.tmp"), "rb") as saved:
        put("data/weights/weight_0", saved.read())
    put("data/aotinductor/model/weights_config.json", json.dumps(
        {"a.weight": ["weight_0", [2, 3], [3, 1], 0], "tail": ["weight_0", [3], [1], 3]}).encode())
    put("data/aotinductor/model/model.so", b"\x7fELF")
    put("archive_format", b"pt2")
    put("archive_version", b"0")
    writer.write_end_of_file()
    os.unlink(path("w.tmp"))


def inner():
    """What torch.hub takes (a .pth alone), and what stable-baselines3 writes (several)."""
    torch.save(counted(nn.Linear(2, 3)).state_dict(), path("one.tmp"))
    torch.save({"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": []}, path("two.tmp"))
    info = lambda name: zipfile.ZipInfo(name)
    with zipfile.ZipFile(path("hub.zip"), "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(info("net/"), b"")
        out.writestr(info("net/weights.pth"), open(path("one.tmp"), "rb").read(), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path("agent.zip"), "w") as out:
        out.writestr(info("data"), json.dumps({"policy_class": "x"}))
        out.writestr(info("policy.optimizer.pth"), open(path("two.tmp"), "rb").read())
        out.writestr(info("policy.pth"), open(path("one.tmp"), "rb").read())
        out.writestr(info("_stable_baselines3_version"), "2.0.0")
    os.unlink(path("one.tmp"))
    os.unlink(path("two.tmp"))


def main():
    net = counted(Net())
    torch.jit.script(net).save(path("script.pt"))
    torch.jit.trace(nn.Sequential(counted(nn.Linear(2, 2))), torch.ones(1, 2)).save(path("trace.pt"))
    program = torch.export.export(net, (torch.ones(1, 2),))
    torch.export.save(program, path("export.pt2"))
    with package.PackageExporter(path("package.pt")) as out:
        out.extern("torch.**")
        out.save_pickle("model", "weights.pkl", net.state_dict())
        out.save_pickle("model", "train.pkl", {"model": {"w": torch.ones(2)}, "epoch": 3})
    old()
    compiled()
    inner()


if __name__ == "__main__":
    main()
