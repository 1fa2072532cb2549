"""`--log torch` and `--log torch-nonstrict` say what load_state_dict of PyTorch says.

Random models are mutated at random; the text must be equal byte for byte where the target carries
`_metadata`, and hold the same keys and sizes where it does not."""
import random
import re
import subprocess
import unittest
from collections import OrderedDict

import safetensors.torch
import torch
from torch import nn

from oracle import TENON, Case


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))

    def get_extra_state(self):
        return {"seen": 3}

    def set_extra_state(self, state):
        pass


class Scalars(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.one = nn.Parameter(torch.ones(1))
        self.register_buffer("hidden", torch.zeros(3), persistent=False)
        self.register_buffer("shown", torch.zeros(3))
        self.register_parameter("absent", None)


class Counter(nn.Module):
    """Version 1, with a buffer of the name that BatchNorm forgives."""
    def __init__(self):
        super().__init__()
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.register_buffer("running_mean", torch.zeros(2))
        self.register_buffer("running_var", torch.zeros(2))


def leaf(rng, plain=False):
    n = rng.choice([2, 3])
    makers = [lambda: nn.Linear(n, 3), lambda: nn.Conv2d(n, 2, 1, bias=rng.random() < .5),
              lambda: nn.BatchNorm2d(n), lambda: nn.BatchNorm1d(n, track_running_stats=False),
              lambda: nn.InstanceNorm2d(n, affine=True, track_running_stats=True),
              lambda: nn.LSTM(n, 2, bidirectional=rng.random() < .5), lambda: nn.MultiheadAttention(4, 2),
              lambda: nn.ReLU(), lambda: nn.Embedding(3, n), lambda: nn.LayerNorm(n),
              lambda: nn.ParameterList([nn.Parameter(torch.zeros(n)) for _ in range(2)]),
              lambda: nn.ParameterDict({"a": nn.Parameter(torch.zeros(n))}), Scalars,
              lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(n, 2))]
    if not plain:                # what only _metadata, or a pickle, can tell
        makers += [Stateful, Counter, lambda: torch.nn.utils.spectral_norm(nn.Linear(n, 2)),
                   lambda: nn.LazyLinear(2), lambda: nn.LazyConv2d(2, 1), nn.LazyBatchNorm1d]
    return rng.choice(makers)()


def is_filled(value):
    return torch.is_tensor(value) and not torch.nn.parameter.is_lazy(value)


def tree(rng, depth=0, plain=False):
    if depth == 3 or (depth and rng.random() < .35):
        return leaf(rng, plain)
    names = rng.sample(["conv1", "bn1", "layer1", "layer10", "head", "module", "encoder", "0", "x'y", "é", "norm"],
                       rng.randint(1, 4))
    if rng.random() < .2:
        return nn.ModuleList([tree(rng, depth + 1, plain) for _ in names])
    module = nn.Module()
    if rng.random() < .3:
        module.cls = nn.Parameter(torch.zeros(rng.randint(1, 3)))
    for name in names:
        module.add_module(name, tree(rng, depth + 1, plain))
    if rng.random() < .15:
        module.add_module("tied", getattr(module, names[0]))
    return module


def mutate(rng, state):
    """A copy with other keys, shapes and values; _metadata is kept now and then."""
    items = list(state.items())
    for _ in range(rng.randint(0, 6)):
        if not items:
            break
        at = rng.randrange(len(items))
        key, value = items[at]
        kind = rng.randrange(9)
        if kind == 0:
            del items[at]
        elif kind == 1:
            items[at] = (key.replace("weight", "kernel") if "weight" in key else key + "x", value)
        elif kind == 2:
            items.insert(at, (key + ".more", value))
        elif kind == 3:
            items.insert(at, (key.rsplit(".", 1)[0], torch.zeros(1)))
        elif kind == 4 and torch.is_tensor(value) and not torch.nn.parameter.is_lazy(value):
            items[at] = (key, torch.zeros([size + rng.randint(0, 1) for size in value.shape] or [1]))
        elif kind == 5:
            items[at] = (key, torch.zeros(rng.choice([(), (1,), (1, 1), (2, 2)])))
        elif kind == 6:
            items.append((rng.choice(["epoch", "a.b.c", "_extra_state", key + "._extra_state", "layer1.", ".", "q\"q"]),
                          rng.choice([3, "text", None, 1.5, [1], {"a": 1}, torch.zeros(2)])))
        elif kind == 7:
            items[at] = (key, rng.choice([3, None, [1, 2], OrderedDict(), b"x"]))
        elif kind == 8 and key.endswith("original0"):
            other = key[:-1] + "1"
            outer = key[:-len("parametrizations.weight.original0")]
            items = [((outer + "weight_g") if k == key else (outer + "weight_v") if k == other else k, v)
                     for k, v in items]
    if rng.random() < .15:
        rng.shuffle(items)
    changed = OrderedDict(items)
    if rng.random() < .6:
        changed._metadata = OrderedDict((k, dict(v)) for k, v in state._metadata.items())
        for versions in changed._metadata.values():
            if rng.random() < .2:
                versions["version"] = 1
            elif rng.random() < .1:
                del versions["version"]
    return changed


def python_says(model, state, strict):
    try:
        return str(model.load_state_dict(state, strict=strict)) if not strict else (model.load_state_dict(state), "")[1]
    except (RuntimeError, AttributeError, TypeError) as error:
        return str(error)


def parts(text):
    return sorted(re.findall(r'"[^"]*"|size mismatch[^\n]*', text))


class Errors(Case):
    def says(self, source, target, system):
        got = subprocess.run([TENON, "diff", source, target, "--log", system, "-q", "--class", "Module"],
                             capture_output=True, check=False)
        self.assertIn(got.returncode, (0, 1), got.stderr)
        return got.stdout.decode("utf-8", "surrogateescape")

    def test_byte_for_byte(self):
        count = 0
        for seed in range(400):
            rng = random.Random(seed)
            model = nn.Module()
            model.add_module("net", tree(rng))
            if rng.random() < .5:
                model = model.net
            if type(model) is not nn.Module or not any(is_filled(v) for v in model.state_dict().values()):
                continue
            state = mutate(rng, model.state_dict())
            if not any(is_filled(v) for v in state.values()):
                continue
            source, target = self.path("s.pth"), self.path("t.pth")
            torch.save(state, source)
            torch.save(model.state_dict(), target)
            for system in ("torch", "torch-nonstrict"):
                want = python_says(model, state, system == "torch")
                self.assertEqual(self.says(source, target, system), want + "\n" if want else "", f"seed {seed}")
            count += 1
        self.assertGreater(count, 250)

    def test_as_sets_without_metadata(self):
        for seed in range(100):
            rng = random.Random(1000 + seed)
            model = nn.Module()
            model.add_module("net", tree(rng, plain=True))
            tensors = {k: v for k, v in model.state_dict().items() if torch.is_tensor(v)}
            if not tensors or len(tensors) != len(model.state_dict()):
                continue
            state = OrderedDict((k, v) for k, v in mutate(rng, model.state_dict()).items() if torch.is_tensor(v))
            if not state:
                continue
            source, target = self.path("s.pth"), self.path("t.safetensors")
            torch.save(dict(state), source)
            safetensors.torch.save_file({k: v.clone().contiguous() for k, v in tensors.items()}, target)
            want = python_says(model, dict(state), True)
            self.assertEqual(parts(self.says(source, target, "torch")), parts(want), f"seed {seed}")

    def test_old_spectral_norms(self):
        """Dicts of a version before 1, or that name none: with the weight that was computed, or without."""
        for version in (None, 0, 1):
            for drop in ("", "weight_orig", "weight_u", "weight_v", "weight", "bias"):
                model = nn.Sequential(OrderedDict(a=torch.nn.utils.spectral_norm(nn.Linear(3, 2)), b=nn.Linear(2, 2)))
                state = model.state_dict()
                state["a.weight"] = torch.rand(2, 3)
                state.pop("a." + drop, None)
                if version is None:
                    del state._metadata["a"]["spectral_norm"]
                else:
                    state._metadata["a"]["spectral_norm"]["weight.version"] = version
                source, target = self.path("s.pth"), self.path("t.pth")
                torch.save(state, source)
                torch.save(model.state_dict(), target)
                for system in ("torch", "torch-nonstrict"):
                    want = python_says(model, torch.load(source), system == "torch").replace("for Sequential", "for Module")
                    self.assertEqual(self.says(source, target, system), want + "\n" if want else "", (version, drop))

    def test_lazy_modules(self):
        """A module without its shapes takes those that it is given; it gives none to one that has them."""
        lazy = lambda: nn.Sequential(OrderedDict(a=nn.LazyLinear(2), b=nn.LazyBatchNorm1d(), c=nn.Linear(2, 2)))
        full = nn.Sequential(OrderedDict(a=nn.Linear(3, 2), b=nn.BatchNorm1d(2), c=nn.Linear(2, 2)))
        less, odd = full.state_dict(), full.state_dict()
        for key in ("a.weight", "b.running_var", "c.bias"):
            del less[key]
        odd["b.bias"] = 3
        for model, state in ((lazy(), full.state_dict()), (lazy(), less), (lazy(), odd), (lazy(), lazy().state_dict()),
                             (full, lazy().state_dict())):
            source, target = self.path("s.pth"), self.path("t.pth")
            torch.save(state, source)
            torch.save(model.state_dict(), target)
            want = python_says(model, torch.load(source, weights_only=False), True).replace("for Sequential", "for Module")
            self.assertEqual(self.says(source, target, "torch"), want + "\n" if want else "")

    def test_tensors_that_are_not_copied(self):
        """Those without data, sparse and quantized ones have the right size, and are refused all the same."""
        model = nn.Sequential(OrderedDict(a=nn.Linear(4, 4), b=nn.BatchNorm1d(1)))
        target = self.path("t.pth")
        torch.save(model.state_dict(), target)
        dense = torch.eye(4)
        odd = [dense.to("meta"), torch.quantize_per_tensor(dense, .1, 0, torch.qint8), dense.to_sparse(),
               dense.double().to_sparse(), dense.to_sparse_csr(), dense.to_sparse_csc(),
               dense.to_sparse_bsr((2, 2)), dense.to_sparse_bsc((2, 2)), torch.eye(3).to("meta"),
               torch.quantize_per_channel(dense, torch.ones(4), torch.zeros(4, dtype=torch.long), 0, torch.qint8)]
        for value in odd:
            state = model.state_dict()
            state["a.weight"] = value
            state["b.num_batches_tracked"] = torch.zeros(1, dtype=torch.long, device="meta")
            source = self.path("s.pth")
            torch.save(state, source)
            want = python_says(model, state, True).replace("for Sequential", "for Module")
            self.assertIn("meta", want)
            self.assertEqual(self.says(source, target, "torch"), want + "\n", value)

    def test_keys_that_are_no_text(self):
        model = nn.Sequential(nn.Linear(2, 2))
        source, target = self.path("s.pth"), self.path("t.pth")
        torch.save(model.state_dict(), target)
        for key in (3, 1.5, None, (1,), b"w"):
            state = {"0.weight": torch.zeros(2, 2), key: torch.zeros(2)}
            torch.save(state, source)
            self.assertEqual(self.says(source, target, "torch"), python_says(model, state, True) + "\n")


if __name__ == "__main__":
    unittest.main()
