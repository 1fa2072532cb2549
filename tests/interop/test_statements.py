"""Statements of the rule language against PyTorch: Llama's shards, ties, freezing and groups."""
import json
import unittest

import torch
from safetensors import safe_open
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


def net():
    """18 convolutions with norms, as many parameters as resnet18, and a head."""
    layers = []
    for _ in range(20):
        layers += [nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3)]
    model = nn.Sequential()
    for i, layer in enumerate(layers):
        model.add_module(f"l{i}", layer)
    model.add_module("pool", nn.Flatten())
    model.add_module("fc", nn.Linear(3, 10))
    return model


class Groups(Case):
    """OUT.groups.py is run, and SGD's groups are compared with those made by hand."""

    def groups(self, model, code, out="out.pth"):
        torch.save(net().state_dict(), self.path("source.pth"))
        torch.save(model.state_dict(), self.path("target.pth"))
        self.tenon("align", self.path("source.pth"), self.path("target.pth"), "-e", code, "-o",
                   self.path(out), "--force")
        names = {}
        with open(self.path(out + ".groups.py"), encoding="utf-8") as file:
            exec(compile(file.read(), "groups.py", "exec"), names)
        with open(self.path(out + ".groups.json"), encoding="utf-8") as file:
            return names, json.load(file)

    def same(self, optimizer, wanted):
        self.assertEqual(len(optimizer.param_groups), len(wanted.param_groups))
        for got, want in zip(optimizer.param_groups, wanted.param_groups):
            self.assertEqual([id(one) for one in got["params"]], [id(one) for one in want["params"]])
            self.assertEqual({key: value for key, value in got.items() if key != "params"},
                             {key: value for key, value in want.items() if key != "params"})

    def test_g6_two_groups(self):
        model = net()
        names, sidecar = self.groups(model, 'group("fc.*", {lr=1e-2}) group{lr=1e-3}')
        optimizer = torch.optim.SGD(names["param_groups"](model), lr=1, momentum=0.9)
        head = {id(one) for one in model.fc.parameters()}
        rest = [one for one in model.parameters() if id(one) not in head]
        wanted = torch.optim.SGD([{"params": rest, "lr": 1e-3},
                                  {"params": list(model.fc.parameters()), "lr": 1e-2}],
                                 lr=1, momentum=0.9)
        self.same(optimizer, wanted)
        state = optimizer.state_dict()["param_groups"]
        self.assertEqual([group["params"] for group in state], [list(range(60)), [60, 61]])
        self.assertEqual([group["ids"] for group in sidecar["groups"]], [[0, 59], [60, 61]])
        self.assertEqual([len(group["params"]) for group in sidecar["groups"]], [60, 2])

    def test_feature_extraction(self):
        model = net()
        names, sidecar = self.groups(
            model, 'fill("fc.*", kaiming()) keep_target "fc.*" freeze{"**", loaded=true}\n'
            'group{lr=1e-2, momentum=0.9, nesterov=true}')
        optimizer = torch.optim.SGD(names["param_groups"](model))
        self.same(optimizer, torch.optim.SGD([{"params": list(model.fc.parameters())}], lr=1e-2,
                                             momentum=0.9, nesterov=True))
        for name, one in model.named_parameters():
            self.assertEqual(one.requires_grad, name.startswith("fc."), name)
        self.assertEqual(len(sidecar["frozen"]), 60)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        model(torch.randn(4, 3, 1, 1)).pow(2).sum().backward()
        optimizer.step()
        for name, one in model.named_parameters():
            self.assertEqual(torch.equal(one, before[name]), not name.startswith("fc."), name)

    def test_tied_and_odd_names(self):
        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_parameter('a"\\\n]', nn.Parameter(torch.zeros(2)))
                self.register_parameter("\u00e9\u2028", nn.Parameter(torch.zeros(2)))
                self.emb, self.head = nn.Embedding(5, 2), nn.Linear(2, 5, bias=False)
                self.head.weight = self.emb.weight
                self.register_buffer("inv_freq", torch.zeros(3))

        model = Odd()
        torch.save(model.state_dict(), self.path("odd.pth"))
        self.tenon("align", self.path("odd.pth"), "-e",
                   'buffers "inv_freq" group("emb.*", {lr=1e-2, betas={0.5, 0.75}})', "-o",
                   self.path("made.pth"))
        names = {}
        with open(self.path("made.pth.groups.py"), encoding="utf-8") as file:
            exec(compile(file.read(), "groups.py", "exec"), names)
        groups = names["param_groups"](model)
        self.assertEqual([len(group["params"]) for group in groups], [2, 1])
        self.assertIs(groups[1]["params"][0], model.emb.weight)
        self.assertEqual(torch.optim.Adam(groups).param_groups[1]["betas"], (0.5, 0.75))

    def test_another_model_is_refused(self):
        names, _ = self.groups(net(), 'freeze "l0.*"')
        with self.assertRaises(KeyError):
            names["param_groups"](nn.Linear(2, 2))


def suffix_pairs(source, target, segments):
    """Pet's and maskrcnn-benchmark's choice (detectron2's with segments), as their matrix makes it."""
    ours, theirs = sorted(target), sorted(source)

    def fits(a, b):
        return a == b or a.endswith("." + b) if segments else a.endswith(b)

    sizes = torch.tensor([[len(j) if fits(i, j) else 0 for j in theirs] for i in ours])
    best, index = sizes.max(1)
    return [(ours[i], theirs[j]) for i, j in enumerate(index.tolist()) if best[i]]


class Match(Case):
    """Random state dicts, paired by the systems' own loops and by match{…}."""

    def random_dicts(self, generator):
        segments = ["conv1", "conv", "fc", "layer1", "preconv1", "weight", "bias", "rpn", "body"]

        def name():
            n = int(torch.randint(1, 5, (1,), generator=generator))
            return ".".join(segments[int(i)] for i in torch.randint(len(segments), (n,),
                                                                    generator=generator))

        def dict_of(n):
            return {name(): torch.zeros(int(torch.randint(1, 3, (1,), generator=generator)))
                    for _ in range(n)}

        return dict_of(6), dict_of(14)

    def pairs(self, source, target, code, status=0):
        torch.save(source, self.path("source.pth"))
        torch.save(target, self.path("target.pth"))
        report = json.loads(self.tenon("align", "--json", self.path("source.pth"),
                                       self.path("target.pth"), "-e", code, status=status))
        return {one["target"]: one["sources"][0] for one in report["entries"]
                if one["status"] == "loaded"}, report

    def test_suffixes(self):
        keep = ' policy{shape="skip", missing="keep"}'
        generator = torch.Generator().manual_seed(5)
        refused = 0
        for _ in range(40):
            source, target = self.random_dicts(generator)
            same = lambda pair: source[pair[1]].shape == target[pair[0]].shape
            chosen = suffix_pairs(source, target, False)
            got, _ = self.pairs(source, target,
                                'match{"suffix", boundary="character", reuse="all"}' + keep)
            self.assertEqual(got, dict(filter(same, chosen)))
            once = {}
            for ours, theirs in chosen:
                once.setdefault(theirs, ours)
            got, _ = self.pairs(source, target,
                                'match{"suffix", boundary="character", once=true}' + keep)
            self.assertEqual(got, dict(filter(same, ((b, a) for a, b in once.items()))))
            chosen = list(filter(same, suffix_pairs(source, target, True)))
            twice = len({b for _, b in chosen}) < len(chosen)
            refused += twice
            got, report = self.pairs(source, target, 'match{"suffix"}' + keep, 2 if twice else 0)
            if not twice:
                self.assertEqual(got, dict(chosen))
            else:
                self.assertIn("fits at least two targets", json.dumps(report["rule_notes"]))
        self.assertTrue(3 < refused < 37, refused)

    def test_zip(self):
        generator = torch.Generator().manual_seed(6)
        for _ in range(20):
            source, _ = self.random_dicts(generator)
            other, _ = self.random_dicts(generator)
            target = dict(list(source.items())[:3] + list(other.items()))
            wanted = {b: b for (a, x), (b, y) in zip(source.items(), target.items())
                      if a == b and x.shape == y.shape}
            got, report = self.pairs(source, target, 'match{"order", name=true, shape=true} '
                                     'policy{missing="keep"}')
            self.assertEqual(got, wanted)
            self.assertEqual({one["how"] for one in report["entries"]} - {"order", "policy"}, set())

    def test_remap(self):
        source = {"a": torch.arange(24.0).reshape(6, 4), "b": torch.arange(6.0)}
        target = {"x": torch.zeros(6, 4, 1, 1), "y": torch.zeros(6)}
        torch.save(source, self.path("source.pth"))
        torch.save(target, self.path("target.pth"))
        self.tenon("align", self.path("source.pth"), self.path("target.pth"), "-e",
                   'match{"order", shape="count", all=true}', "-o", self.path("out.pth"))
        made = torch.load(self.path("out.pth"), weights_only=True)
        self.assertTrue(torch.equal(made["x"], source["a"].reshape(6, 4, 1, 1)))
        self.assertTrue(torch.equal(made["y"], source["b"]))


class Resume(Case):
    """An optimizer of one group goes on as one of two, in a model with other names."""

    def test_group_of_the_head(self):
        torch.manual_seed(3)
        inputs, wanted = torch.randn(8, 3, 2, 2), torch.randn(8, 10)

        def step(model, optimizer, n):
            for _ in range(n):
                optimizer.zero_grad()
                (model(inputs.mean((2, 3), keepdim=True)) - wanted).pow(2).mean().backward()
                optimizer.step()

        for make in [lambda params: torch.optim.AdamW(params, lr=1e-3, betas=(0.8, 0.9)),
                     lambda params: torch.optim.SGD(params, lr=1e-3, momentum=0.9)]:
            old = net()
            optimizer = make(old.parameters())
            step(old, optimizer, 3)
            torch.save({"model": {"module." + key: value for key, value in
                                  old.state_dict().items()},
                        "optimizer": optimizer.state_dict()}, self.path("old.pth"))
            torch.save(net().state_dict(), self.path("new.pth"))
            self.tenon("align", self.path("old.pth"), self.path("new.pth"), "--whole", "-e",
                       'unwrap "model" strip "module." optimizer{} freeze "l0.*"\n'
                       'group("fc.*", {lr=1e-2}) group{weight_decay=0.5}', "-o",
                       self.path("out.pth"), "--force")
            names = {}
            with open(self.path("out.pth.groups.py"), encoding="utf-8") as file:
                exec(compile(file.read(), "groups.py", "exec"), names)
            made = torch.load(self.path("out.pth"), weights_only=True)
            new = net()
            new.load_state_dict(made["model"])
            after = make(names["param_groups"](new))
            after.load_state_dict(made["optimizer"])
            self.assertEqual([(len(group["params"]), group["lr"], group["weight_decay"])
                              for group in after.param_groups],
                             [(59, 1e-3, 0.5), (2, 1e-2, optimizer.defaults["weight_decay"])])
            head = {id(one) for one in old.fc.parameters()}
            rest = [one for name, one in old.named_parameters() if id(one) not in head and
                    not name.startswith("l0.")]
            before = make([{"params": rest, "weight_decay": 0.5},
                           {"params": list(old.fc.parameters()), "lr": 1e-2}])
            for group in before.param_groups:
                for one in group["params"]:
                    before.state[one] = {key: value.clone() if torch.is_tensor(value) else value
                                         for key, value in optimizer.state[one].items()}
            old.get_parameter("l0.weight").requires_grad_(False)
            step(old, before, 2)
            step(new, after, 2)
            for (name, a), b in zip(old.state_dict().items(), new.state_dict().values()):
                self.assertTrue(torch.equal(a, b), name)

    def test_what_contradicts(self):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()},
                   self.path("old.pth"))
        self.tenon("align", self.path("old.pth"), "-e",
                   'unwrap "model" optimizer{groups="one"} group("fc.*", {lr=1})', status=2)


class Meta(Case):
    def setUp(self):
        super().setUp()
        self.args = {"lr": 0.1, "sizes": [1, 2, (3, None)], "name": "\u00e9", "big": 1 << 40}
        torch.save({"state_dict": {"a": torch.arange(3.0)}, "epoch": 6, "best": 0.25,
                    "args": self.args, "odd": torch.zeros(2)}, self.path("source.pth"))

    def convert(self, code, out, *args, status=0):
        return self.tenon("align", self.path("source.pth"), "-e", code, "-o", self.path(out), *args,
                          status=status)

    def test_pth(self):
        self.convert('meta.keep("epoch", "args", "args.lr") meta{arch="net", ids={1, 2}, fine=true}',
                     "out.pth")
        made = torch.load(self.path("out.pth"), weights_only=True)
        self.assertEqual(list(made["state_dict"]), ["a"])
        self.assertTrue(torch.equal(made.pop("state_dict")["a"], torch.arange(3.0)))
        self.assertEqual(made, {"epoch": 6, "args": self.args, "lr": 0.1, "arch": "net",
                                "ids": [1, 2], "fine": True})
        self.convert('meta.keep "epoch"', "under.pth", "--under", "model")
        made = torch.load(self.path("under.pth"), weights_only=True)
        self.assertEqual(list(made), ["model", "epoch"])

    def test_whole(self):
        self.convert("meta{epoch=7, arch='net'}", "whole.pth", "--whole")
        made = torch.load(self.path("whole.pth"), weights_only=True)
        self.assertEqual((made["epoch"], made["arch"], made["best"]), (7, "net", 0.25))
        torch.save({"a": torch.ones(1)}, self.path("flat.pth"))
        self.tenon("align", self.path("flat.pth"), "-e", "meta{epoch=7}", "--whole", "-o",
                   self.path("nested.pth"))
        made = torch.load(self.path("nested.pth"), weights_only=True)
        self.assertEqual((list(made), list(made["state_dict"])), (["state_dict", "epoch"], ["a"]))

    def test_safetensors(self):
        self.convert('meta.keep("epoch", "best") meta{format="np", note="x"}', "out.safetensors")
        with safe_open(self.path("out.safetensors"), "pt") as file:
            self.assertEqual(file.metadata(), {"epoch": "6", "best": "0.25", "format": "np",
                                               "note": "x"})
        self.convert('meta.keep "args"', "args.safetensors", status=2)
        self.convert("meta{a=1}", "a.npz", status=2)


if __name__ == "__main__":
    unittest.main()
