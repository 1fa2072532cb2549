"""What tests of `learn` share: rules that are learned from a small model, and what they make of another one."""
import json

import safetensors.torch
import torch

from oracle import Case


def plain(state):
    return {key: value.clone().contiguous() for key, value in state.items()}


class LearningCase(Case):
    def save(self, name, state):
        torch.save(plain(state), self.path(name))
        return self.path(name)

    def carries_over(self, small, large, cast=None):
        """Learned from `small`, in both directions, and right for `large`."""
        for back in (False, True):
            old, new = small[::-1] if back else small
            if cast:
                new = {key: value.to(cast) for key, value in new.items()}
            a, b, rules = self.save("old.pth", old), self.save("new.pth", new), self.path("rules.lua")
            got = json.loads(self.tenon("learn", a, b, "-o", rules, "--force", "--json"))
            self.assertEqual(got["summary"]["learned"], len(new))
            source, wanted = large[::-1] if back else large
            out = self.path("out.safetensors")
            self.tenon("align", self.save("s.pth", source), self.save("t.pth", wanted), "-r", rules, "-o", out, "--force")
            self.equal(safetensors.torch.load_file(out), wanted)

    def equal(self, got, want):
        self.assertEqual(set(got), set(want))
        for key, value in want.items():
            self.assertTrue(torch.equal(got[key], value), key)

    def learned(self, old, new, *options):
        """The text of the rules, which lie in r.lua."""
        self.tenon("learn", self.save("o.pth", old), self.save("n.pth", new), "-o", self.path("r.lua"), "--force", *options)
        with open(self.path("r.lua"), encoding="utf-8") as file:
            return file.read()

    def applied(self, old, new):
        """What rules and target make of another model."""
        self.tenon("align", self.save("s.pth", old), self.save("t.pth", new), "-r", self.path("r.lua"),
                   "-o", self.path("x.safetensors"), "--force")
        self.equal(safetensors.torch.load_file(self.path("x.safetensors")), new)
