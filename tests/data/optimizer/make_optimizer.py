"""Writes two_groups.pth beside this file: a small model after two steps of AdamW with two groups, weights
that decay and the rest, as most training scripts make them. net.txt is the model that is to take it over.

    python make_optimizer.py        (PyTorch 2.13)
"""
import os

import torch
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(0)
model = nn.Sequential()
model.conv, model.bn = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
model.fc = nn.Linear(2, 3)
optimizer = torch.optim.AdamW([
    {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.1},
    {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}], lr=0.01)
for step in range(2):
    optimizer.zero_grad()
    x = model.bn(model.conv(torch.randn(4, 1, 2, 2))).relu().mean((2, 3))
    nn.functional.cross_entropy(model.fc(x), torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()
torch.save({"state_dict": {"module." + name: value for name, value in model.state_dict().items()},
            "optimizer": optimizer.state_dict(), "epoch": 2}, os.path.join(here, "two_groups.pth"))
