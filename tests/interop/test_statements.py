"""Statements of the rule language against PyTorch: Llama's shards, ties, freezing and groups."""
import unittest

import torch
from torch import nn

from oracle import Case

LLAMA = """
source("consolidated.00.pth", "consolidated.01.pth")
rules [[
  {s}:layers.{i}.attention.{p:wq|wk|wv}.weight -> layers.{i}.attention.{p}.weight |> cat(0)
  {s}:layers.{i}.attention.wo.weight -> layers.{i}.attention.wo.weight |> cat(1)
  {s}:layers.{i}.feed_forward.{p:w1|w3}.weight -> layers.{i}.feed_forward.{p}.weight |> cat(0)
  {s}:layers.{i}.feed_forward.w2.weight -> layers.{i}.feed_forward.w2.weight |> cat(1)
  {s}:tok_embeddings.weight -> tok_embeddings.weight |> cat(1)
  {s}:output.weight -> output.weight |> cat(0)
  0:** -> **
  1:** ->
]]
"""


def llama(shards):
    """The whole model, and it cut as Llama's files are."""
    generator = torch.Generator().manual_seed(1)
    rand = lambda *shape: torch.randn(*shape, generator=generator)
    whole, cut = {"tok_embeddings.weight": rand(20, 8)}, {"tok_embeddings.weight": 1}
    for i in range(2):
        at = f"layers.{i}."
        for name, shape, axis in [("attention.wq", (8, 8), 0), ("attention.wk", (4, 8), 0),
                                  ("attention.wv", (4, 8), 0), ("attention.wo", (8, 8), 1),
                                  ("feed_forward.w1", (16, 8), 0), ("feed_forward.w2", (8, 16), 1),
                                  ("feed_forward.w3", (16, 8), 0)]:
            whole[f"{at}{name}.weight"] = rand(*shape)
            cut[f"{at}{name}.weight"] = axis
        whole[at + "attention_norm.weight"] = rand(8)
        whole[at + "ffn_norm.weight"] = rand(8)
    whole["norm.weight"] = rand(8)
    whole["output.weight"], cut["output.weight"] = rand(20, 8), 0
    parts = [{key: value.chunk(shards, cut[key])[s].clone() if key in cut else value
              for key, value in whole.items()} for s in range(shards)]
    return whole, parts


class Shards(Case):
    def test_llama_in_two_shards(self):
        whole, parts = llama(2)
        for i, part in enumerate(parts):
            torch.save(part, self.path(f"consolidated.0{i}.pth"))
        with open(self.path("join.lua"), "w") as file:
            file.write(LLAMA)
        for source in [self.path("consolidated.00.pth"), self.folder.name]:
            out = self.path("whole.pth")
            self.tenon("align", source, "-r", self.path("join.lua"), "-o", out, "--force")
            made = torch.load(out, weights_only=True)
            self.assertEqual(set(made), set(whole))
            for key, value in whole.items():
                self.assertTrue(torch.equal(made[key], value), key)


class Ties(Case):
    def test_one_storage(self):
        torch.save({"emb.weight": torch.randn(20, 8)}, self.path("a.pth"))
        self.tenon("align", self.path("a.pth"), "-e", 'tie("head.weight", "emb.weight")', "-o",
                   self.path("b.pth"))
        made = torch.load(self.path("b.pth"), weights_only=True)
        self.assertEqual(made["head.weight"].data_ptr(), made["emb.weight"].data_ptr())
        self.assertEqual(list(made), ["emb.weight", "head.weight"])


if __name__ == "__main__":
    unittest.main()
