"""`tenon explain` on real errors of load_state_dict: the rules that it proposes make the load succeed.

Random models are saved, their names distorted as programs do it, and loaded; PyTorch's message goes
to explain, with the checkpoint or alone; the checkpoint that align then writes loads with strict=True
and holds the model's own values."""
import json
import random
import unittest
from collections import OrderedDict

import torch
from torch import nn

from oracle import Case


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm1 = nn.LayerNorm(n)
        self.attn = nn.Linear(n, n)
        self.norm2 = nn.LayerNorm(n)
        self.mlp = nn.Sequential(nn.Linear(n, 2 * n), nn.ReLU(), nn.Linear(2 * n, n))


class Net(nn.Module):
    def __init__(self, rng, classes=5):
        super().__init__()
        n = rng.choice([4, 6, 8])
        self.stem = nn.Sequential(nn.Conv2d(3, n, 3), nn.BatchNorm2d(n))
        self.blocks = nn.ModuleList(Block(n) for _ in range(rng.randint(2, 5)))
        self.embed = nn.Embedding(rng.randint(10, 20), n)
        self.head = nn.Linear(n, classes)


def rename(state, function):
    return OrderedDict((function(k), v) for k, v in state.items())


def swap(state, a, b):
    return rename(state, lambda k: k.replace(a, b))


LOSSLESS = {
    "module": lambda rng, s: rename(s, lambda k: "module." + k),
    "nested": lambda rng, s: rename(s, lambda k: "module._orig_mod." + k),
    "lightning": lambda rng, s: OrderedDict([*rename(s, lambda k: "model." + k).items(),
                                             ("criterion.weight", torch.ones(7))]),
    "without a prefix": lambda rng, s: s,
    "renamed": lambda rng, s: swap(s, "head.", "classifier."),
    "two renamed": lambda rng, s: swap(swap(s, "stem.", "conv_in."), "embed.", "tokens."),
    "norm.1": lambda rng, s: swap(swap(s, "norm1", "norm.1"), "norm2", "norm.2"),
    "gamma": lambda rng, s: rename(s, lambda k: k.replace("norm1.weight", "norm1.gamma").replace("norm1.bias", "norm1.beta")),
    "from one": lambda rng, s: rename(s, lambda k: k if not k.startswith("blocks.") else
                                      f"blocks.{int(k.split('.')[1]) + 1}." + k.split(".", 2)[2]),
    "counters": lambda rng, s: OrderedDict((k, v) for k, v in s.items() if "num_batches" not in k),
    "buffers": lambda rng, s: OrderedDict([*s.items(), ("embed.position_ids", torch.arange(9)[None])]),
    "wrapped inside": lambda rng, s: rename(s, lambda k: k.replace("attn.", "attn._checkpoint_wrapped_module.")),
    "wrapped and renamed": lambda rng, s: rename(s, lambda k: "module." + k.replace("mlp.", "ffn.")),
}


class Explain(Case):
    def error_of(self, model, state):
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            return f"Traceback (most recent call last):\n  File \"x.py\", line 3\nRuntimeError: {error}\n"
        return None

    def mend(self, error, source, alone, extra=()):
        """The state dict that the proposed rules give, and what explain said."""
        text, rules, out = self.path("error.txt"), self.path("fix.lua"), self.path("out.pth")
        with open(text, "w", encoding="utf-8") as file:
            file.write(error)
        said = json.loads(self.tenon("explain", text, *([] if alone else [source]), "--json"))
        lines = [one["line"] for one in said["proposals"] if one["chosen"]]
        with open(rules, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.tenon("align", source, text, "-r", rules, "-o", out, "--force", *extra)
        return torch.load(out), said

    def test_names(self):
        for seed in range(4):
            for name, distort in LOSSLESS.items():
                for alone in (False, True):
                    rng = random.Random(f"{seed} {name}")
                    model, source = Net(rng), self.path("source.pth")
                    want = OrderedDict((k, v.clone()) for k, v in model.state_dict().items())
                    state = distort(rng, want)
                    torch.save(state, source)
                    fresh = Net(random.Random(f"{seed} {name}"))
                    if name == "without a prefix":
                        fresh = nn.ModuleDict({"backbone": fresh})
                        want = rename(want, lambda k: "backbone." + k)
                    error = self.error_of(fresh, state)
                    if error is None:
                        self.assertEqual(name, "counters")   # PyTorch forgives these by version
                        continue
                    if name == "from one" and alone:
                        continue             # what loaded, loaded wrongly: only the checkpoint tells
                    with self.subTest(f"{name} {seed} {'alone' if alone else ''}"):
                        mended, _ = self.mend(error, source, alone)
                        fresh.load_state_dict(mended, strict=True)
                        for key, value in fresh.state_dict().items():
                            if "num_batches" not in key:
                                self.assertTrue(torch.equal(value, want[key]), key)

    def test_classes(self):
        for seed in range(6):
            model = Net(random.Random(seed), classes=3 if seed % 2 else 9)
            source = self.path("source.pth")
            state = rename(model.state_dict(), lambda k: "module." + k)
            torch.save(state, source)
            fresh = Net(random.Random(seed), classes=5)
            error = self.error_of(fresh, rename(state, lambda k: k[7:]))
            self.assertIn("size mismatch", error)
            mended, said = self.mend(error, source, False)
            fresh.load_state_dict(mended, strict=True)
            kept = min(5, model.head.bias.numel())
            self.assertTrue(torch.equal(fresh.head.bias[:kept], model.head.bias[:kept]))
            lines = [one["line"] for one in said["proposals"]]
            self.assertTrue(any(line.startswith("fill(\"head.*\"") for line in lines), lines)
            self.assertTrue(any(line.startswith("keep_target \"head.*\"") for line in lines), lines)

    def test_every_choice_can_be_taken(self):
        """What stands beside a step settles what it says, in place of the step."""
        rng = random.Random(1)
        model, source = Net(rng, classes=9), self.path("source.pth")
        torch.save(model.state_dict(), source)
        error = self.error_of(Net(random.Random(1), classes=5), model.state_dict())
        _, said = self.mend(error, source, False)
        for one in said["proposals"]:
            report = json.loads(self.tenon("align", source, self.path("error.txt"), "-e", one["line"], "--json"))
            self.assertEqual(report["summary"]["shape"] + report["summary"]["missing"], 2 - one["targets"], one)


if __name__ == "__main__":
    unittest.main()
