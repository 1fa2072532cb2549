"""The conversions of ../shared/rules against functions written by hand: what tenon writes holds the
same keys and, to the last bit, the same values, from either format into either; and the plan gives
the source back where nothing was dropped."""
import os
import unittest

import safetensors.torch
import torch

import conversions
from oracle import Case

# The real shapes of these are too large for a test: every extent is divided.
SMALLER = {"10_sd_unet": 32, "09_clip": 8, "01_dataparallel": 4, "02a_essmc2_head": 4,
           "02b_essmc2_sub": 4, "05_tv_to_d2": 4, "03_pet_vgg16": 4}
LOSSY = {"02b_essmc2_sub", "05_tv_to_d2", "11_lightning_compile"}


def smaller(shape, by):
    """Three stays three: what is split in three must go on being that."""
    return [extent // by if extent % by == 0 else extent for extent in shape]


class Conversions(Case):
    def source(self, name, keys):
        for one in keys["source"]["tensors"]:
            one["shape"] = smaller(one["shape"], SMALLER.get(name, 1))
        return conversions.source_of(keys)

    def load(self, path):
        return (safetensors.torch.load_file(path) if path.endswith(".safetensors")
                else torch.load(path, weights_only=True))

    def conversion(self, name):
        keys = conversions.keys_of(name)
        rules = os.path.join(conversions.RULES, keys["rules"])
        state = self.source(name, keys)
        want = conversions.CONVERSIONS[name](state)
        container = keys.get("container_of_source")
        pth, plain = self.path("s.pth"), self.path("s.safetensors")
        torch.save({container: state, "epoch": 3} if container else state, pth)
        safetensors.torch.save_file(state, plain)
        # The rules of those that lie in a container begin with going down into it.
        for source in (pth,) if container else (pth, plain):
            for suffix in (".pth", ".safetensors"):
                out = self.path("o" + suffix)
                self.tenon("align", source, "-r", rules, "-o", out, "--force")
                got = self.load(out)
                self.assertEqual(sorted(got), sorted(want))
                for key, value in want.items():
                    self.assertEqual(got[key].dtype, value.dtype, key)
                    self.assertTrue(torch.equal(got[key], value), key)
        self.into_target(name, keys, state, want, pth, rules)
        if name not in LOSSY:
            self.back(state, pth, rules)

    def into_target(self, name, keys, state, want, source, rules):
        """With a target: each key that the truth names gets its value; no other is touched."""
        target = {one["key"]: torch.full(smaller(one["shape"], SMALLER.get(name, 1)), -7.0,
                                         dtype=want[one["key"]].dtype if one["key"] in want else None)
                  for one in keys["target"]["tensors"]}
        torch.save(target, self.path("t.pth"))
        out = self.path("into.pth")
        self.tenon("align", source, self.path("t.pth"), "-r", rules, "-e",
                   'policy{shape="skip", missing="keep"}', "-o", out)
        got, loaded = self.load(out), {to for _, to in keys["truth"]}
        self.assertEqual(list(got), list(target))
        for key, value in got.items():
            self.assertTrue(torch.equal(value, want[key] if key in loaded else target[key]), key)

    def back(self, state, source, rules):
        plan, inverse, out, again = map(self.path, ("p.json", "q.json", "f.pth", "b.pth"))
        self.tenon("align", source, "-r", rules, "--plan", plan, "-o", out)
        self.tenon("reverse", plan, "-o", inverse)
        self.tenon("apply", inverse, "--source", out, "-o", again)
        got = self.load(again)
        self.assertEqual(sorted(got), sorted(state))
        for key, value in state.items():
            self.assertTrue(torch.equal(got[key], value), key)

    def test_optimizer(self):
        """Conversion 12: under new names the optimizer's state is still each weight's own."""
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
        names = ["body.weight", "body.bias", "fc.weight", "fc.bias"]
        adam = torch.optim.AdamW(model.parameters(), lr=1e-2)
        model(torch.ones(2, 3)).sum().backward()
        adam.step()
        state = {"module." + n: p.detach().clone() for n, p in zip(names, model.parameters())}
        checkpoint = {"model": state, "optimizer": adam.state_dict(), "epoch": 4}
        torch.save(checkpoint, self.path("s.pth"))
        out = self.path("o.pth")
        rules = os.path.join(conversions.RULES, "12_optimizer.lua")
        self.tenon("align", self.path("s.pth") + "::model", "-r", rules, "--whole", "-o", out)
        got, want = torch.load(out, weights_only=True), conversions.optimizer(checkpoint)
        self.assertEqual(list(got), list(want))
        self.assertEqual(got["epoch"], 4)
        self.equal(got["model"], want["model"])
        # The optimizer's numbers go in the order of the target's tensors, which here is the same.
        self.assertEqual(got["optimizer"]["param_groups"][0]["params"], [0, 1, 2, 3])
        for number, moments in want["optimizer"]["state"].items():
            for name, value in moments.items():
                self.assertTrue(torch.equal(got["optimizer"]["state"][number][name], value), name)


def add(name):
    setattr(Conversions, f"test_{name}", lambda self: self.conversion(name))


if conversions.keys_of("01_dataparallel"):
    for one in conversions.CONVERSIONS:
        add(one)
else:
    Conversions.test_optimizer = unittest.skip("../shared/rules is not here")(lambda self: None)

if __name__ == "__main__":
    unittest.main()
