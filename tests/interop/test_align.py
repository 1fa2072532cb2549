"""Aligned output loads strictly into the live model it was made for."""
import unittest

import safetensors.torch
import torch
from torch import nn

from oracle import Case


class Net(nn.Module):
    def __init__(self, classes, name="fc", hidden=8):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, hidden, 3, bias=False), nn.BatchNorm2d(hidden),
                                      nn.Conv2d(hidden, hidden, 1))
        self.head = nn.ModuleDict({name: nn.Linear(hidden, classes)})


class Aligning(Case):
    def load(self, path, model):
        if path.endswith(".safetensors"):
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, weights_only=True)
            mapped = torch.load(path, weights_only=True, mmap=True)
            self.equal(mapped, state)
        self.assertEqual(str(model.load_state_dict(state, strict=True)), "<All keys matched successfully>")
        return state

    def test_data_parallel_head_swap(self):
        source, target = nn.DataParallel(Net(100)), Net(200)
        a, b = self.path("a.pth"), self.path("b.pth")
        torch.save({"epoch": 1, "state_dict": source.state_dict()}, a)
        torch.save(target.state_dict(), b)
        self.tenon("diff", a, b, status=1)
        self.tenon("align", a, b, "-e", 'strip "module."', "-o", self.path("x.pth"), status=1)
        for out in ("out.pth", "out.safetensors"):
            self.tenon("align", a, b, "-e", 'strip "module." rules [[ head.fc.* -> head.fc.* |> fit(0) ]]',
                       "-o", self.path(out))
            state = self.load(self.path(out), Net(200))
            wanted = source.module.state_dict()
            for key, value in state.items():
                if key.startswith("head."):
                    self.assertTrue(torch.equal(value[:100], wanted[key]))
                    self.assertTrue(torch.equal(value[100:], target.state_dict()[key][100:]))
                else:
                    self.assertTrue(torch.equal(value, wanted[key]))

    def test_policies_keep_the_targets_values(self):
        source, target = Net(10), Net(20)
        a, b, out = self.path("a.pth"), self.path("b.pth"), self.path("o.pth")
        torch.save(source.state_dict(), a)
        torch.save(target.state_dict(), b)
        self.tenon("align", a, b, "-e", 'policy { shape="skip" }', "-o", out)
        state = self.load(out, Net(20))
        self.assertTrue(torch.equal(state["head.fc.weight"], target.state_dict()["head.fc.weight"]))
        self.assertTrue(torch.equal(state["backbone.0.weight"], source.state_dict()["backbone.0.weight"]))

    def test_fill_is_reproducible(self):
        source, target = Net(10), Net(20)
        a, b = self.path("a.pth"), self.path("b.pth")
        torch.save(source.state_dict(), a)
        torch.save(target.state_dict(), b)
        states = []
        for seed, name in ((0, "1.pth"), (0, "2.pth"), (7, "3.pth")):
            self.tenon("align", a, b, "-e", 'fill("head.**", kaiming())', "--seed", seed, "-o", self.path(name))
            states.append(self.load(self.path(name), Net(20)))
        self.equal(states[0], states[1])
        self.assertFalse(torch.equal(states[0]["head.fc.weight"], states[2]["head.fc.weight"]))
        weight = states[0]["head.fc.weight"]
        self.assertLess(abs(weight.std().item() - (2 / 8) ** 0.5), 0.1)
        self.assertTrue(torch.equal(states[0]["head.fc.bias"], torch.zeros(20)))

    def test_dtype_is_the_targets(self):
        source, target = Net(10).half(), Net(10)
        a, b, out = self.path("a.pth"), self.path("b.pth"), self.path("o.pth")
        torch.save(source.state_dict(), a)
        torch.save(target.state_dict(), b)
        self.tenon("align", a, b, "-o", out)
        state = self.load(out, Net(10))
        for key, value in source.state_dict().items():
            self.assertTrue(torch.equal(state[key], value.to(state[key].dtype)))

    def test_tied_target_is_filled_by_its_twin(self):
        class Tied(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(7, 4)
                self.head = nn.Linear(4, 7, bias=False)
                self.head.weight = self.embed.weight
        source, target = Tied(), Tied()
        state = source.state_dict()
        del state["head.weight"]
        a, b = self.path("a.pth"), self.path("b.pth")
        torch.save(state, a)
        torch.save(target.state_dict(), b)
        for out in ("o.pth", "o.safetensors"):
            self.tenon("align", a, b, "-o", self.path(out))
            got = self.load(self.path(out), Tied())
            self.assertTrue(torch.equal(got["head.weight"], source.embed.weight))
        got = torch.load(self.path("o.pth"), weights_only=True)
        self.assertEqual(got["head.weight"].data_ptr(), got["embed.weight"].data_ptr())

    def test_ops_against_torch(self):
        t = torch.arange(2 * 6 * 4, dtype=torch.float32).reshape(12, 4) / 7
        v = torch.arange(12.0)
        c = torch.randn(2, 3, 4, 5)
        a, out = self.path("a.pth"), self.path("o.pth")
        torch.save({"t": t, "v": v, "c": c, "e.0": t, "e.1": t + 1, "h": t.half()}, a)
        h, d = 3, 4
        cases = {
            "t -> y |> T": {"y": t.t()},
            "c -> y |> permute(3,2,0,1)": {"y": c.permute(3, 2, 0, 1)},
            "t -> y |> reshape(-1,16)": {"y": t.reshape(-1, 16)},
            "t -> y |> unsqueeze(0), squeeze(0)": {"y": t},
            "t -> a, b, c1 |> split(3)": dict(zip(("a", "b", "c1"), t.chunk(3))),
            "t -> a, b |> split{4,8}": {"a": t[:4], "b": t[4:]},
            "e.{i} -> y |> stack(0)": {"y": torch.stack([t, t + 1])},
            "e.{i} -> y |> cat(1)": {"y": torch.cat([t, t + 1], 1)},
            "c -> y.{i} |> unstack(0)": {"y.0": c[0], "y.1": c[1]},
            "t -> y |> slice(0,1,-1)": {"y": t[1:-1]},
            "t -> y |> pick(1,{2,1,0})": {"y": t[:, [2, 1, 0]]},
            "t -> y |> roll(0,-1)": {"y": t.roll(-1, 0)},
            f"t -> y |> rope_halves({h})": {"y": t.view(h, d // 2, 2, 4).transpose(1, 2).reshape(12, 4)},
            f"t -> y |> rope_pairs({h})": {"y": t.view(h, 2, d // 2, 4).transpose(1, 2).reshape(12, 4)},
            't -> y |> cast "f16"': {"y": t.half()},
            't -> y |> cast "bf16"': {"y": t.bfloat16()},
            't -> y |> cast "f8_e4m3"': {"y": t.to(torch.float8_e4m3fn)},
            "t -> y |> mul(0.5), add(1)": {"y": t * 0.5 + 1},
            "h -> y |> mul(3), add(1)": {"y": (t.half().float() * 3 + 1).half()},
            "t -> y, z |> copy": {"y": t, "z": t},
        }
        for rule, want in cases.items():
            with self.subTest(rule):
                self.tenon("align", a, "-e", f"rules [[ {rule} ; * -> ; e.* -> ]]"
                           if not rule.startswith("e.") else f"rules [[ {rule} ; * -> ]]",
                           "-o", out, "--force")
                self.equal(torch.load(out, weights_only=True), {k: w.contiguous() for k, w in want.items()})


if __name__ == "__main__":
    unittest.main()
