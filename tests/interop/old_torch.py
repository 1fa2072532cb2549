"""Debian's PyTorch 1.13: what tenon writes loads there, and what it writes tenon reads."""
import os
import unittest

import torch

from oracle import ROOT, Case


class Old(Case):
    def test_reads_what_we_write(self):
        source = os.path.join(ROOT, "tests", "data", "demo", "pretrain.pth")
        out = self.path("out.pth")
        self.tenon("align", source, "-e", 'strip "module."', "-o", out)
        got = torch.load(out)
        want = torch.load(source)["state_dict"]
        self.equal(got, {key[len("module."):]: value for key, value in want.items()})

    def test_tenon_reads_what_it_writes(self):
        state = {"a": torch.randn(3, 4).t(), "b": torch.tensor(2), "c": torch.ones(2).bfloat16()}
        for zipped in (True, False):
            path = self.path("old.pth")
            torch.save(state, path, _use_new_zipfile_serialization=zipped)
            self.same(self.listing(path), state)


if __name__ == "__main__":
    unittest.main()
