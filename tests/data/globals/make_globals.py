"""Writes the files of this folder with PyTorch 2.13 (objects.ckpt) and by hand (hostile.pkl, which
nobody should ever unpickle: it is written opcode by opcode, and nothing here runs it)."""
import argparse
import os
import pathlib

import torch

here = pathlib.Path(__file__).parent
os.chdir(here)
torch.manual_seed(0)

net = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
net(torch.ones(1, 3)).sum().backward()
optimizer.step()
shared = [1, 2]
history = []
history.append(history)
torch.save({"epoch": 3, "model": net.state_dict(), "optimizer": optimizer.state_dict(),
            "args": argparse.Namespace(lr=0.1, names=("a", None)), "shared": [shared, shared],
            "history": history, "where": pathlib.PurePosixPath("/data/run"), "tag": b"\xff\x00",
            5: 2 ** 70, "loss": torch.nn.functional.mse_loss}, "objects.ckpt")

# os.system by name, builtins.eval by getattr, and a pickle that breaks off
(here / "hostile.pkl").write_bytes(
    b"\x80\x02](cos\nsystem\nq\x00X\x04\x00\x00\x00true\x85R"
    b"c__builtin__\ngetattr\nc__builtin__\n__import__\nX\x02\x00\x00\x00os\x85R"
    b"X\x05\x00\x00\x00popen\x86RX\x04\x00\x00\x00true\x85Rccollections\nOrderedDict\n)R")
