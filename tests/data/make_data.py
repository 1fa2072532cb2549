"""Writes the fixtures of this folder with real PyTorch 2.13.0 and safetensors 0.8.0.

    python tests/data/make_data.py        (from the repository's root)

Deterministic: the same versions write the same bytes, except for `serialization_id`.
"""
import json
import os

import torch
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.layer2 = nn.Sequential(Block(8), Block(8))


class Head(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.fc = nn.Linear(16, classes)


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.backbone = Backbone()
        self.neck = nn.Linear(8, 16)
        self.head = Head(classes)


def path(*parts):
    whole = os.path.join(HERE, *parts)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    return whole


def demo():
    """What README and `make demo` are about: DataParallel, 100 classes, against 200."""
    torch.manual_seed(1)
    trained = nn.DataParallel(Classifier(100))
    torch.save({"epoch": 12, "best_acc": 0.761, "state_dict": trained.state_dict()},
               path("demo", "pretrain.pth"))
    torch.manual_seed(2)
    torch.save(Classifier(200).state_dict(), path("demo", "net.pth"))


def kinds():
    """One small state dict in every container that issue 2 names."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    state = model.state_dict()
    torch.save(state, path("kinds", "zip.pth"))
    torch.save(state, path("kinds", "legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save({"model": state, "ema": state, "epoch": 3}, path("kinds", "rivals.pth"))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 4, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "best_acc": torch.tensor(0.5)}, path("kinds", "training.ckpt"))
    torch.save(model, path("kinds", "module.pt"))
    plain = {key: value.contiguous() for key, value in state.items()}
    save_file(plain, path("kinds", "plain.safetensors"), metadata={"format": "pt"})
    names = list(plain)
    shards = {"00001": names[:4], "00002": names[4:]}
    for ext, write in (("safetensors", lambda d, p: save_file(d, p, metadata={"format": "pt"})),
                       ("bin", torch.save)):
        base = "model" if ext == "safetensors" else "pytorch_model"
        weight_map = {}
        for number, part in shards.items():
            shard = f"{base}-{number}-of-00002.{ext}"
            write({name: plain[name] for name in part}, path("kinds", "sharded-" + ext, shard))
            weight_map.update({name: shard for name in part})
        total = sum(t.numel() * t.element_size() for t in plain.values())
        with open(path("kinds", "sharded-" + ext, f"{base}.{ext}.index.json"), "w") as out:
            json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, out, indent=2)
            out.write("\n")
    with open(path("kinds", "listing.txt"), "w") as out:
        for key, value in state.items():
            print(key, value.shape, file=out)
    with open(path("kinds", "schema.json"), "w") as out:
        json.dump({"tensors": [{"key": key, "dtype": str(value.dtype).replace("torch.", "").replace(
            "float", "f").replace("int", "i"), "shape": list(value.shape)}
            for key, value in state.items()]}, out)


def dtypes():
    """Every dtype and every layout that a state dict can hold."""
    base = torch.arange(24, dtype=torch.float32)
    state = {}
    for name in ("float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz "
                 "float8_e5m2fnuz float8_e8m0fnu int64 int32 int16 int8 uint8 uint16 uint32 "
                 "uint64 bool complex64 complex128 complex32").split():
        state[name] = torch.tensor([0.0, 1.0, 2.0, 4.0]).to(getattr(torch, name))
    state["transposed"] = base.reshape(4, 6).t()
    state["view"] = base[6:12].reshape(2, 3)
    state["tied"] = state["view"]
    state["alias"] = base[6:12].reshape(2, 3)
    state["channels_last"] = torch.randn(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    state["expanded"] = torch.ones(1, 3).expand(5, 3)
    state["scalar"] = torch.tensor(3.5)
    state["empty"] = torch.empty(0, 4)
    state["conjugate"] = torch.tensor([1 + 2j, 3 - 4j]).conj()
    state["negative"] = torch._neg_view(torch.ones(2))
    state["parameter"] = nn.Parameter(torch.ones(2))
    torch.manual_seed(4)
    torch.save(state, path("dtypes", "zip.pth"))
    torch.save(state, path("dtypes", "legacy.pth"), _use_new_zipfile_serialization=False)
    with open(path("dtypes", "values.json"), "w") as out:
        json.dump({key: {"shape": list(value.shape),
                         "crc32": f"{crc(value):08x}"} for key, value in state.items()}, out,
                  indent=1)


def crc(tensor):
    import zlib
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous().clone()
    flat = plain.reshape(-1)
    if flat.numel() == 0:
        return 0
    return zlib.crc32(bytes(flat.view(torch.uint8).tolist()) if flat.dtype != torch.bool
                      else bytes(flat.to(torch.uint8).tolist()))


if __name__ == "__main__":
    demo()
    kinds()
    dtypes()
