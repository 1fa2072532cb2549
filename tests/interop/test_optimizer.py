"""The optimizer's state follows the weights: three steps, a conversion, two more steps, and the same
weights to the last bit as without it. PyTorch makes the files and goes on with them."""
import json
import os
import unittest

import torch
from torch import nn

from oracle import Case

OPTIMIZERS = [(torch.optim.AdamW, {"amsgrad": True}), (torch.optim.Adam, {}),
              (torch.optim.SGD, {"momentum": 0.9}), (torch.optim.RMSprop, {"momentum": 0.5}),
              (torch.optim.Adagrad, {}), (torch.optim.Adadelta, {}), (torch.optim.Adamax, {}),
              (torch.optim.NAdam, {}), (torch.optim.RAdam, {}), (torch.optim.Rprop, {})]


class Plain(nn.Module):
    """conv, bn, q, k and v, fc; `extra` is a buffer that looks like a weight."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.q, self.k, self.v = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(4, 6)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = self.bn(self.conv(x)).relu().mean((2, 3))
        return self.fc(torch.sigmoid(self.q(x)) * self.k(x) + self.v(x))


class Fused(nn.Module):
    """The same function: other names, another order, q, k and v in one, fc's weight transposed."""

    def __init__(self):
        super().__init__()
        self.head = nn.Parameter(torch.zeros(6, 5))
        self.bias = nn.Parameter(torch.zeros(5))
        self.qkv = nn.Linear(4, 18)
        self.stem = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)])

    def forward(self, x):
        x = self.stem[1](self.stem[0](x)).relu().mean((2, 3))
        q, k, v = self.qkv(x).chunk(3, 1)
        return (torch.sigmoid(q) * k + v) @ self.head + self.bias


FUSE = """
strip "module."
rules [[
  conv.* -> stem.0.* ; bn.* -> stem.1.*
  q.{p:weight|bias}, k.{p:weight|bias}, v.{p:weight|bias} -> qkv.{p} |> cat(0)
  fc.weight -> head |> T ; fc.bias -> bias
]]
"""


def train(model, optimizer, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(8, 3, 8, 8, generator=generator)
        y = torch.randint(0, 5, (8,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


class Following(Case):
    def save(self, model, optimizer, prefix="module.", **more):
        torch.save({"state_dict": {prefix + k: v for k, v in model.state_dict().items()},
                    "optimizer": optimizer.state_dict(), "epoch": 3, **more}, self.path("a.pth"))

    def convert(self, rules, target, status=0):
        """The report, and what it has to say of the rules."""
        torch.save(target.state_dict(), self.path("b.pth"))
        out = self.tenon("align", self.path("a.pth"), self.path("b.pth"), "-e", rules, "--whole",
                         "-o", self.path("out.pth"), "--plan", self.path("plan.json"), "--force",
                         "--json", status=status)
        report = json.loads(out)
        if not status: self.carry_out()
        return report, "".join(note["text"] for note in report["rule_notes"])

    def carry_out(self):
        """The plan writes the same bytes, and its inverse gives the optimizer back."""
        os.makedirs(self.path("again"), exist_ok=True)
        again = self.path("again/out.pth")
        self.tenon("apply", self.path("plan.json"), "-o", again, "--force", "-q")
        with open(self.path("out.pth"), "rb") as one, open(again, "rb") as two:
            self.assertEqual(one.read(), two.read())
        said = json.loads(self.tenon("reverse", self.path("plan.json"), "-o", self.path("back.json"),
                                     "--lossy", "--force", "--json"))
        self.tenon("apply", self.path("back.json"), "--source", again, "-o", self.path("back.pth"),
                   "--force", "-q")
        was, back = (torch.load(self.path(name), weights_only=False) for name in ("a.pth", "back.pth"))
        rounded = {one["source"] for one in said["rounded"]}
        if said["lost"]: return              # parameters are gone, and the others have other numbers
        for key in ("optimizer", "optimizer_states"):
            self.same(was.get(key), back.get(key), rounded, key)

    def same(self, was, back, rounded, path):
        """Equal to the bit, in the same order, but for what was rounded."""
        if path in rounded: return
        if isinstance(was, dict):
            self.assertEqual(list(was), list(back), path)
            for key in was:
                self.same(was[key], back[key], rounded,
                          f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}")
        elif isinstance(was, list) and not all(isinstance(one, (int, str)) for one in was):
            self.assertEqual(len(was), len(back), path)
            for i, one in enumerate(was): self.same(one, back[i], rounded, f"{path}[{i}]")
        elif torch.is_tensor(was):
            self.assertEqual(was.dtype, back.dtype, path)
            self.assertTrue(torch.equal(was, back), path)
        else:
            self.assertEqual(was, back, path)

    def test_every_optimizer_goes_on_as_if_nothing_was(self):
        for kind, options in OPTIMIZERS:
            with self.subTest(kind.__name__):
                torch.manual_seed(0)
                before, after = Plain(), Fused()
                old = kind(before.parameters(), lr=1e-2, **options)
                train(before, old, range(3))
                self.save(before, old)
                report, _ = self.convert(FUSE + "optimizer{}", after)
                self.assertEqual(report["optimizer"],
                                 {"from": "optimizer", "parameters": 8, "carried": 8, "groups": 1,
                                  "fresh": []})
                out = torch.load(self.path("out.pth"), weights_only=True)
                after.load_state_dict(out["state_dict"])
                new = kind(after.parameters(), lr=1e-2, **options)
                new.load_state_dict(out["optimizer"])
                train(before, old, range(3, 5))
                train(after, new, range(3, 5))
                state, moved = before.state_dict(), after.state_dict()
                # One product of 4×18 rounds otherwise than three of 4×6: near, not equal.
                for ours, theirs in ((moved["head"].T, state["fc.weight"]),
                                     (moved["stem.0.weight"], state["conv.weight"]),
                                     (moved["qkv.weight"][6:12], state["k.weight"])):
                    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)

    def test_renamed_weights_are_equal_to_the_last_bit(self):
        for kind, options in OPTIMIZERS:
            with self.subTest(kind.__name__):
                torch.manual_seed(1)
                before, after = Plain(), nn.Sequential()
                after.net = Plain()
                after.forward = after.net.forward
                old = kind(before.parameters(), lr=1e-2, **options)
                train(before, old, range(3))
                self.save(before, old)
                self.convert('strip "module."\nprefix "net."\noptimizer{ids="order"}', after)
                out = torch.load(self.path("out.pth"), weights_only=True)
                after.load_state_dict(out["state_dict"])
                new = kind(after.parameters(), lr=1e-2, **options)
                new.load_state_dict(out["optimizer"])
                self.assertEqual(out["epoch"], 3)
                train(before, old, range(3, 5))
                train(after, new, range(3, 5))
                for ours, theirs in zip(after.parameters(), before.parameters()):
                    self.assertTrue(torch.equal(ours, theirs))

    def test_a_new_head_starts_fresh(self):
        torch.manual_seed(2)
        before, after = Plain(), Plain()
        after.fc = nn.Linear(6, 9)
        old = torch.optim.Adam(before.parameters())
        train(before, old, range(2))
        self.save(before, old)
        report, _ = self.convert('strip "module."\nfill("fc.*", kaiming())\noptimizer{}', after)
        self.assertEqual(report["optimizer"]["carried"], 10)
        self.assertEqual([entry["target"] for entry in report["optimizer"]["fresh"]],
                         ["fc.weight", "fc.bias"])
        out = torch.load(self.path("out.pth"), weights_only=True)
        self.assertEqual(sorted(out["optimizer"]["state"]), list(range(10)))
        self.assertEqual(out["optimizer"]["param_groups"][0]["params"], list(range(12)))
        torch.optim.Adam(after.parameters()).load_state_dict(out["optimizer"])
        _, notes = self.convert('strip "module."\nfill("fc.*", kaiming())\n'
                               'optimizer{new="error"}', after, 2)
        self.assertIn("'fc.weight' has no state (filled)", notes)

    def two_groups(self, model):
        wide = [p for p in model.parameters() if p.dim() > 1]
        flat = [p for p in model.parameters() if p.dim() < 2]
        return [{"params": wide, "weight_decay": 0.1}, {"params": flat, "weight_decay": 0.0}]

    def test_groups_by_kind_are_told_by_their_shapes(self):
        torch.manual_seed(3)
        before, after = Plain(), Fused()
        old = torch.optim.AdamW(self.two_groups(before), lr=1e-2)
        train(before, old, range(3))
        self.save(before, old)
        report, _ = self.convert(FUSE + 'optimizer{groups="keep"}', after)
        self.assertEqual((report["optimizer"]["carried"], report["optimizer"]["groups"]), (8, 2))
        out = torch.load(self.path("out.pth"), weights_only=True)
        names = [name for name, _ in after.named_parameters()]
        groups = out["optimizer"]["param_groups"]
        self.assertEqual([[names[i] for i in group["params"]] for group in groups],
                         [["head", "qkv.weight", "stem.0.weight"],
                          ["bias", "qkv.bias", "stem.0.bias", "stem.1.weight", "stem.1.bias"]])
        self.assertEqual([group["weight_decay"] for group in groups], [0.1, 0.0])
        moments = {names[i]: state["exp_avg"] for i, state in out["optimizer"]["state"].items()}
        source = old.state_dict()["state"]
        place = {id(p): i for i, p in enumerate(sum((g["params"] for g in old.param_groups), []))}
        self.assertTrue(torch.equal(moments["head"],
                                    source[place[id(before.fc.weight)]]["exp_avg"].T))
        self.assertTrue(torch.equal(moments["qkv.bias"], torch.cat(
            [source[place[id(p)]]["exp_avg"] for p in (before.q.bias, before.k.bias,
                                                       before.v.bias)])))
        one, _ = self.convert(FUSE + 'optimizer{groups="one"}', after)
        self.assertEqual(one["optimizer"]["groups"], 1)

    def test_names_in_the_groups_are_believed(self):
        torch.manual_seed(4)
        before, after = Plain(), Plain()
        named = list(before.named_parameters())[::-1]      # an order that shapes do not tell
        old = torch.optim.Adam(named)
        train(before, old, range(2))
        self.save(before, old, prefix="")
        self.assertIn("param_names", old.state_dict()["param_groups"][0])
        self.convert("optimizer{}", after)
        out = torch.load(self.path("out.pth"), weights_only=True)["optimizer"]
        names = [name for name, _ in after.named_parameters()]
        self.assertEqual(out["param_groups"][0]["param_names"], names)
        source = {name: old.state[p] for name, p in named}
        for i, name in enumerate(names):
            self.assertTrue(torch.equal(out["state"][i]["exp_avg"], source[name]["exp_avg"]))
        order = "{" + ",".join(f'"{name}"' for name, _ in named) + "}"
        self.convert(f'optimizer{{params={order}}}', after)
        again = torch.load(self.path("out.pth"), weights_only=True)["optimizer"]
        for i, name in enumerate(names):
            self.assertTrue(torch.equal(again["state"][i]["exp_avg"], source[name]["exp_avg"]))
        _, notes = self.convert('optimizer{ids="order"}', after, 2)
        self.assertIn("the numbers do not follow the order of the weights", notes)

    def test_factors_divide_moments(self):
        torch.manual_seed(5)
        before, after = Plain(), Plain()
        old = torch.optim.Adam(before.parameters())
        train(before, old, range(2))
        self.save(before, old, prefix="")
        self.convert("rules [[ q.weight -> q.weight |> mul(0.5) ; q.bias -> q.bias |> add(1) ]]\n"
                     "optimizer{}", after)
        out = torch.load(self.path("out.pth"), weights_only=True)["optimizer"]["state"]
        names = [name for name, _ in before.named_parameters()]
        weight, bias = names.index("q.weight"), names.index("q.bias")
        source = old.state_dict()["state"]
        self.assertTrue(torch.equal(out[weight]["exp_avg"], source[weight]["exp_avg"] * 2))
        self.assertTrue(torch.equal(out[weight]["exp_avg_sq"], source[weight]["exp_avg_sq"] * 4))
        self.assertTrue(torch.equal(out[bias]["exp_avg"], source[bias]["exp_avg"]))

    def test_unequal_steps_do_not_merge(self):
        torch.manual_seed(6)
        before, after = Plain(), Fused()
        old = torch.optim.Adam(before.parameters())
        train(before, old, range(2))
        old.state[before.k.weight]["step"] += 1
        self.save(before, old)
        _, notes = self.convert(FUSE + "optimizer{}", after, 2)
        self.assertIn("the parts of 'qkv.weight' have unequal 'step'", notes)

    def test_what_stands_in_the_way_is_said(self):
        torch.manual_seed(7)
        before, after = Plain(), Plain()
        some = [p for name, p in before.named_parameters() if not name.startswith("fc")]
        old = torch.optim.Adam(some)
        train(before, old, range(1))
        self.save(before, old, prefix="")
        _, notes = self.convert("optimizer{}", after, 2)
        self.assertIn("holds 10 parameters, the weights 12", notes)
        _, notes = self.convert('optimizer{from="optim"}', after, 2)
        self.assertIn("the source has no dict 'optim'", notes)
        _, notes = self.convert('optimizer{from="state_dict"}', after, 2)
        self.assertIn("no 'state' with 'param_groups'", notes)

    def test_in_lists_and_tied_weights(self):
        torch.manual_seed(8)

        class Tied(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.mid = nn.Embedding(5, 4), nn.Linear(4, 4)
                self.head = nn.Linear(4, 5, bias=False)
                self.head.weight = self.embed.weight

        before, after = Tied(), Tied()
        old = torch.optim.Adam(before.parameters())
        before.head(before.mid(before.embed(torch.tensor([1, 2])))).sum().backward()
        old.step()
        torch.save({"state_dict": before.state_dict(), "optimizer_states": [old.state_dict()]},
                   self.path("a.pth"))
        report, _ = self.convert('optimizer{from="optimizer_states[0]"}', after)
        self.assertEqual(report["optimizer"]["parameters"], 3)
        out = torch.load(self.path("out.pth"), weights_only=True)
        torch.optim.Adam(after.parameters()).load_state_dict(out["optimizer_states"][0])
        for i in range(3):
            self.assertTrue(torch.equal(out["optimizer_states"][0]["state"][i]["exp_avg"],
                                        old.state_dict()["state"][i]["exp_avg"]))


if __name__ == "__main__":
    unittest.main()
