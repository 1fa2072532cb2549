"""What the values of both sides say of pairs that --auto has found: small models are trained here, trained on, trained
by themselves, or made anew; tensors of one shape are exchanged, squares turned, rows of heads reordered."""
import json
import subprocess
import unittest

import torch
from torch import nn

from oracle import TENON, Case


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Block(nn.Module):
    def __init__(self, width, hidden, heads):
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(width, width, bias=False))
        self.gate_proj, self.up_proj = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)
        self.input_layernorm, self.post_attention_layernorm = Norm(width), Norm(width)

    def forward(self, x):
        y = self.input_layernorm(x)
        q, k, v = (p(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(y.transpose(1, 2).flatten(2))
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(nn.functional.silu(self.gate_proj(y)) * self.up_proj(y))


class Model(nn.Module):
    HEADS = 4

    def __init__(self, words=50, width=64, hidden=160, layers=3):
        super().__init__()
        self.embed_tokens, self.lm_head = nn.Embedding(words, width), nn.Linear(width, words, bias=False)
        self.layers = nn.ModuleList(Block(width, hidden, self.HEADS) for _ in range(layers))
        self.norm = Norm(width)

    def forward(self, tokens):
        x = self.embed_tokens(tokens)
        for block in self.layers:
            x = block(x)
        return self.lm_head(self.norm(x))


def train(model, seed, steps, rate):
    """Sequences that go on by a rule, so that there is something to learn."""
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for _ in range(steps):
        at, step = torch.randint(50, (16, 1)), torch.randint(1, 5, (16, 1))
        tokens = (at + step * torch.arange(24)) % 50
        loss = nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm", "layers": "blk", "norm": "output_norm",
         "post_attention_layernorm": "ffn_norm", "embed_tokens": "token_embd", "lm_head": "output"}


def other(key):
    return ".".join(NAMES.get(word, word) for word in key.split("."))


def paired(weight):
    heads = Model.HEADS
    return weight.view(heads, 2, weight.shape[0] // heads // 2, -1).transpose(1, 2).reshape(weight.shape)


class Values(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        torch.manual_seed(1)
        torch.set_num_threads(1)
        model = Model()
        cls.loss = train(model, 2, 150, 3e-3)
        cls.source = {key: value.clone() for key, value in model.state_dict().items()}
        train(model, 3, 60, 1e-3)
        cls.tuned = {key: value.clone() for key, value in model.state_dict().items()}
        torch.manual_seed(4)
        cls.fresh = Model().state_dict()
        apart = Model()
        train(apart, 5, 150, 3e-3)
        cls.apart = apart.state_dict()

    def align(self, source, target, *more):
        """{target: (source, ops)} of what was loaded; the report."""
        torch.save(source, self.path("source.pth"))
        torch.save({other(key): value for key, value in target.items()}, self.path("target.pth"))
        got = subprocess.run([TENON, "align", self.path("source.pth"), self.path("target.pth"), "--json", *more],
                             capture_output=True, text=True, check=False)
        report = json.loads(got.stdout)
        return {entry["target"]: (entry["sources"][0], entry["ops"]) for entry in report["entries"]
                if entry["status"] == "loaded"}, report

    def changed(self, *pairs):
        source = dict(self.source)
        for a, b in pairs:
            source[a], source[b] = self.source[b], self.source[a]
        return source, {a: b for pair in pairs for a, b in (pair, pair[::-1])}

    def no_wrong(self, source, holds):
        """Nothing that goes against the values is loaded, and nothing else is lost."""
        before, _ = self.align(source, self.tuned, "-e", "auto{values=false}")
        wrong = [key for key, (name, _) in before.items() if other(holds.get(name, name)) != key]
        self.assertTrue(wrong, "the change is not seen without values")
        pairs, report = self.align(source, self.tuned, "--auto")
        self.assertEqual([key for key, (name, _) in pairs.items() if other(holds.get(name, name)) != key], [])
        for name in source:
            if name not in holds:
                self.assertIn(other(name), pairs)
        return pairs, report

    def test_it_was_trained(self):
        self.assertLess(self.loss, 1.0)

    def test_tuned_from_the_source(self):
        pairs, report = self.align(self.source, self.tuned, "--auto")
        self.assertEqual(pairs, {other(key): (key, []) for key in self.source})
        self.assertEqual(report["exit"], 0)

    def test_no_veto_where_the_target_is_new_or_was_trained_apart(self):
        for target in (self.fresh, self.apart):
            for more in ((), ("--accept", "likely"), ("-e", 'match{"shape"}')):
                without, before = self.align(self.source, target, "-e", "auto{values=false}", *more)
                pairs, report = self.align(self.source, target, "--auto", *more)
                self.assertEqual(pairs, without)
                self.assertEqual(report["exit"], before["exit"])

    def test_queries_and_keys_exchanged(self):
        source, holds = self.changed(*((f"layers.{i}.q_proj.weight", f"layers.{i}.k_proj.weight") for i in range(3)))
        _, report = self.no_wrong(source, holds)
        self.assertEqual(report["exit"], 3)
        self.assertIn("not of 'layers.0.q_proj.weight'", json.dumps(report["ties"]))
        ask = [part for tie in report["ties"] if "why" in tie for part in ("--say", tie["say"])]
        pairs, report = self.align(source, self.tuned, "--auto", *ask)
        self.assertEqual((report["exit"], pairs["blk.1.attn_q.weight"][0]), (0, "layers.1.k_proj.weight"))
        # the names, against the values, when the user says so
        pairs, report = self.align(source, self.tuned, "--auto", "--say", "q_proj=attn_q", "--say", "k_proj=attn_k")
        self.assertEqual((report["exit"], pairs["blk.1.attn_q.weight"][0]), (0, "layers.1.q_proj.weight"))

    def test_gate_and_up_exchanged(self):
        self.no_wrong(*self.changed(*((f"layers.{i}.gate_proj.weight", f"layers.{i}.up_proj.weight") for i in range(3))))

    def test_layers_exchanged(self):
        self.no_wrong(*self.changed(*((f"layers.0.{n}.weight", f"layers.2.{n}.weight") for n in ("o_proj", "down_proj"))))

    def test_norms_exchanged(self):
        self.no_wrong(*self.changed(*((f"layers.{i}.input_layernorm.weight", f"layers.{i}.post_attention_layernorm.weight")
                                      for i in range(3))))

    def test_embedding_and_head(self):
        source, holds = self.changed(("embed_tokens.weight", "lm_head.weight"))
        pairs, _ = self.align(source, self.tuned, "--auto", "--accept", "likely")
        for name in holds:
            if other(name) in pairs:
                self.assertEqual(other(holds[pairs[other(name)][0]]), other(name))

    def test_squares_the_other_way_round(self):
        source = {key: value.t().contiguous() if "o_proj" in key else value for key, value in self.source.items()}
        pairs, report = self.align(source, self.tuned, "--auto")
        for i in range(3):
            self.assertEqual(pairs[f"blk.{i}.attn_output.weight"], (f"layers.{i}.o_proj.weight", ["T"]))
        self.assertEqual(report["exit"], 0)
        for target in (self.fresh, self.apart):
            self.assertEqual(self.align(source, target, "--auto")[0],
                             self.align(source, target, "-e", "auto{values=false}")[0])

    def test_rows_in_the_order_of_rope(self):
        source = {key: paired(value) if "q_proj" in key or "k_proj" in key else value
                  for key, value in self.source.items()}
        pairs, report = self.align(source, self.tuned, "--auto")
        for i in range(3):
            for a, b in (("q_proj", "attn_q"), ("k_proj", "attn_k")):
                self.assertEqual(pairs[f"blk.{i}.{b}.weight"], (f"layers.{i}.{a}.weight", ["rope_halves(4)"]))
        self.assertEqual(report["exit"], 0)

    def test_names_that_say_nothing(self):
        words = {}
        def word(text):
            return text if text.isdigit() else words.setdefault(text, f"zo{chr(97 + len(words))}l")
        source = {".".join(map(word, key.split("."))): value for key, value in self.source.items()}
        pairs, report = self.align(source, self.tuned, "--auto")
        self.assertEqual({key: name for key, (name, _) in pairs.items()},
                         {other(key): ".".join(map(word, key.split("."))) for key in self.source})
        self.assertEqual(report["exit"], 0)
        # and the rules come to the same without values
        rules = self.path("rules.lua")
        self.tenon("align", self.path("source.pth"), self.path("target.pth"), "--auto", "--emit-rules", rules, "--force")
        again = json.loads(self.tenon("align", self.path("source.pth"), self.path("target.pth"), "-r", rules, "--json"))
        self.assertEqual({entry["target"]: entry["sources"][0] for entry in again["entries"]},
                         {key: name for key, (name, _) in pairs.items()})

    def test_variances_are_never_negative(self):
        torch.manual_seed(6)
        net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3), nn.BatchNorm2d(16))
        for _ in range(20):
            net(torch.randn(8, 3, 12, 12) * 3 + 1)
        state = {key: value for key, value in net.state_dict().items() if "batches" not in key}
        # arrays without names, and of each norm the variance before the mean
        order = [key for i in range(4) for part in ("weight", "bias", "running_var", "running_mean")
                 for key in [f"{i}.{part}"] if key in state]
        source = {f"arr_{i:02}": state[key] for i, key in enumerate(order)}
        torch.save(source, self.path("source.pth"))
        torch.save({key: torch.zeros_like(value) if "var" not in key else torch.ones_like(value)
                    for key, value in state.items()}, self.path("target.pth"))
        got = subprocess.run([TENON, "align", self.path("source.pth"), self.path("target.pth"), "--json", "--auto", "-e",
                              'match{"order"}'], capture_output=True, text=True, check=False)
        report = json.loads(got.stdout)
        back = {f"arr_{i:02}": key for i, key in enumerate(order)}
        for entry in report["entries"]:
            if entry["target"].endswith("running_var") and entry["status"] == "loaded":
                self.assertTrue(back[entry["sources"][0]].endswith("running_var"), entry)


if __name__ == "__main__":
    unittest.main()
