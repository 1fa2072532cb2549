"""Writes the files beside it with PyTorch 2.13: one model as training leaves it, what happens to such
models, and a file that was damaged.  python tests/data/check/make_check.py"""
import os

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))
        self.fc = nn.Linear(16, 10)


def trained():
    torch.manual_seed(11)
    model = Net()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(torch.randn(tensor.shape) * 0.2)
        model.bn.running_mean.normal_()
        model.bn.running_var.uniform_(0.5, 2)
        model.bn.num_batches_tracked.fill_(4000)
    return model.state_dict()


def save(state, name):
    torch.save(state, os.path.join(HERE, name))


def sick():
    """Loaded in part, averaged with another, its layers copied over each other, gone through thop."""
    state = {key: value.clone() for key, value in trained().items()}
    head = nn.Linear(16, 10)
    state["fc.weight"], state["fc.bias"] = head.weight.data, head.bias.data
    for kind in ("weight", "bias"):
        for i in (2, 3):
            state[f"layers.{i}.{kind}"] = state[f"layers.{i - 2}.{kind}"].clone()
    state["bn.num_batches_tracked"] = torch.tensor(75.9975)
    state["bn.running_var"][2] = -0.25
    state["layers.0.weight"][4, 4] = float("nan")
    state["stem.weight"][3:5] = 0
    for name in ("", "stem.", "fc."):
        state[name + "total_ops"] = torch.zeros(1, dtype=torch.float64)
        state[name + "total_params"] = torch.zeros(1, dtype=torch.float64)
    return state


save(trained(), "trained.pth")
save(sick(), "sick.pth")
with open(os.path.join(HERE, "trained.pth"), "rb") as file:
    data = bytearray(file.read())
name = data.index(b"trained/data/6")     # in its local header; the values start at the next 64
data[(name // 64 + 1) * 64 + 5] ^= 0x40
with open(os.path.join(HERE, "damaged.pth"), "wb") as file:
    file.write(data + b"appended")
