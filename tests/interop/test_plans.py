"""Plans against PyTorch: apply writes what align wrote, emit's function gives the same values, and what
is lossless comes back byte for byte; on random rules and on the rule files of ../shared/rules."""
import filecmp
import glob
import json
import math
import os
import random
import unittest

import torch

from oracle import ROOT, Case, raw

RULES = os.path.join(os.path.dirname(ROOT), "shared", "rules")
RULE_FILES = sorted(glob.glob(os.path.join(RULES, "*.json")))


def values(shape, generator, dtype=torch.float32):
    return torch.randn(shape, generator=generator).to(dtype)


class Plans(Case):
    def run_emitted(self, plan, source, target=None):
        text = self.tenon("emit", plan, "--python")
        scope = {}
        exec(compile(text, "emitted", "exec"), scope)  # our own output, over our own names
        return text, scope["convert"](*([source] if target is None else [source, target]))

    def near(self, got, want, exact=True):
        self.assertEqual(set(got), set(want))
        for key, tensor in want.items():
            self.assertEqual(got[key].dtype, tensor.dtype, key)
            self.assertEqual(got[key].shape, tensor.shape, key)
            if exact:
                self.assertEqual(raw(got[key]), raw(tensor), key)
            else:
                torch.testing.assert_close(got[key], tensor, msg=key)

    def convert(self, source, *args, target=None, spec=None, exact=True, emit=True, reverse=True,
                suffixes=(".pth", ".safetensors")):
        """The whole way: align, apply, emit, reverse. Returns the output, and what came back."""
        a, plan, back = self.path("a.pth"), self.path("p.json"), self.path("q.json")
        torch.save(source, a)
        state = source
        for level in (spec or "").split("."):
            state = state[level] if level else state
        sides = [a] + ([target] if target else [])
        for suffix in suffixes:
            for folder in "xy":
                os.makedirs(self.path(folder), exist_ok=True)
            out, again = self.path("x/out" + suffix), self.path("y/out" + suffix)
            self.tenon("align", *sides, *args, "-o", out, "--plan", plan, "--force")
            self.tenon("apply", plan, "-o", again, "--force")
            self.assertTrue(filecmp.cmp(out, again, shallow=False), suffix)
        out = self.path("x/out.pth")
        result = torch.load(out, weights_only=True)
        if emit:
            kept = torch.load(target, weights_only=True) if target else None
            needs = "def convert(sd, target)" in self.tenon("emit", plan, "--python")
            self.near(self.run_emitted(plan, state, kept if needs else None)[1], result, exact)
        if not reverse:
            return result, None
        lost = json.loads(self.tenon("reverse", plan, "-o", back, "--lossy", "--force", "--json",
                                     "--source", out))["lost"]
        self.tenon("reverse", plan, "-o", self.path("z.json"), "--force", status=1 if lost else 0)
        self.tenon("apply", back, "-o", self.path("back.pth"), "--force")
        returned = torch.load(self.path("back.pth"), weights_only=True)
        self.assertEqual(set(returned), set(state) - {one["source"] for one in lost})
        for key, tensor in returned.items():
            self.assertEqual(raw(tensor), raw(state[key]), key)
            self.assertEqual((tensor.dtype, tensor.shape), (state[key].dtype, state[key].shape))
        return result, returned

    # -- the rule files --

    def rule_file(self, path):
        with open(path) as file:
            about = json.load(file)
        total = sum(math.prod(one["shape"]) for one in about["source"]["tensors"])

        def size(shape):
            """Large key sets are made smaller: every size that 32 divides."""
            return [d // 32 if total > 1e6 and d >= 64 and d % 32 == 0 else d for d in shape]
        generator = torch.Generator().manual_seed(7)
        state = {one["key"]: values(size(one["shape"]), generator)
                 for one in about["source"]["tensors"]}
        target = self.path("target.pth")
        torch.save({one["key"]: values(size(one["shape"]), generator)
                    for one in about["target"]["tensors"]}, target)
        inside = about.get("container_of_source")
        source = {inside: state, "epoch": 3} if inside else state
        args = ["-r", path[:-5] + ".lua"]
        if os.path.basename(path).startswith("01_"):
            args += ["-e", 'policy{shape="skip", missing="keep"}']
        result, returned = self.convert(source, *args, target=target, spec=inside)
        pairs = [pair[0] for pair in about["truth"]]
        self.assertEqual(set(returned) >= set(pairs), True, "a source of the truth was lost")
        text = self.tenon("emit", self.path("p.json"), "--python")
        self.assertLess(text.count("\n"), 40 + len(result), path)
        return text

    # -- random plans --

    def random_job(self, seed):
        """A state dict, and rules over it that lose nothing."""
        dice, generator = random.Random(seed), torch.Generator().manual_seed(seed)
        state, rules, layers = {}, [], dice.randint(1, 4)
        dtypes = [torch.float32, torch.float16, torch.bfloat16, torch.float64]

        def shape(rank=None):
            return [dice.choice([2, 3, 4, 6]) for _ in range(rank or dice.randint(1, 4))]

        def moves(dims):
            """Ops that only move elements, and the shape behind them."""
            ops, dims = [], list(dims)
            for _ in range(dice.randint(1, 3)):
                kind = dice.choice(["permute", "reshape", "pick", "roll", "unsqueeze", "flat", "mul"])
                axis = dice.randrange(len(dims))
                if kind == "permute":
                    order = dice.sample(range(len(dims)), len(dims))
                    ops.append(f"permute({','.join(map(str, order))})")
                    dims = [dims[i] for i in order]
                elif kind == "reshape" and dims[axis] % 2 == 0:
                    dims = dims[:axis] + [2, dims[axis] // 2] + dims[axis + 1:]
                    ops.append(f"reshape({','.join(map(str, dims))})")
                elif kind == "pick":
                    index = dice.sample(range(dims[axis]), dims[axis])
                    ops.append(f"pick({axis}, {{{','.join(map(str, index))}}})")
                elif kind == "roll":
                    ops.append(f"roll({axis}, {dice.randint(-2, 2)})")
                elif kind == "unsqueeze":
                    ops.append(f"unsqueeze({axis})")
                    dims = dims[:axis] + [1] + dims[axis:]
                elif kind == "flat":
                    dims = [math.prod(dims)]
                    ops.append("reshape(-1)")
                elif kind == "mul":
                    ops.append(f"mul({dice.choice([2, 0.5, -4, 0.125])})")
            return ", ".join(ops) or "permute(" + ",".join(map(str, range(len(dims)))) + ")"

        for block in range(dice.randint(2, 5)):
            kind, dtype = dice.choice(["one", "split", "cat", "stack", "cast", "experts"]), dice.choice(dtypes)
            if kind == "one":
                dims = shape()
                for i in range(layers):
                    state[f"b{block}.{i}.w"] = values(dims, generator, dtype)
                rules.append(f"b{block}.{{i}}.w -> o{block}.{{i + {dice.randint(0, 3)}}}.w |> {moves(dims)}")
            elif kind == "split":
                dims, axis, n = shape(2), dice.randrange(2), dice.choice([2, 3])
                dims[axis] = n * dice.choice([2, 4])
                for i in range(layers):
                    state[f"b{block}.{i}.w"] = values(dims, generator, dtype)
                names = ", ".join(f"o{block}.{{i}}.{'qkv'[k]}" for k in range(n))
                rules.append(f"b{block}.{{i}}.w -> {names} |> split({n}, {axis})")
            elif kind in ("cat", "stack"):
                dims = shape(2)
                for i in range(layers):
                    for part in "qkv":
                        state[f"b{block}.{i}.{part}"] = values(dims, generator, dtype)
                names = ", ".join(f"b{block}.{{i}}.{part}" for part in "qkv")
                rules.append(f"{names} -> o{block}.{{i}}.qkv |> {kind}({dice.randrange(2)})")
            elif kind == "cast":
                for i in range(layers):
                    state[f"b{block}.{i}.w"] = values(shape(), generator, torch.float16)
                rules.append(f'b{block}.{{i}}.w -> o{block}.{{i}}.w |> cast "{dice.choice(["f32", "f64"])}"')
            else:
                for i in range(layers):
                    for e in range(4):
                        for w in (1, 3):
                            state[f"b{block}.{i}.{e}.w{w}"] = values([3, 2], generator, dtype)
                rules.append(f"b{block}.{{i}}.{{e}}.w1, b{block}.{{i}}.{{e}}.w3 -> o{block}.{{i}}.gu |> stack(0), cat(1)")
        return state, "rules [[\n" + "\n".join(rules) + "\n]]"

    def test_random_plans(self):
        for seed in range(40):
            with self.subTest(seed):
                state, rules = self.random_job(seed)
                _, returned = self.convert(state, "-e", rules)
                self.assertEqual(set(returned), set(state), rules)

    def test_numerics(self):
        generator = torch.Generator().manual_seed(3)
        state = {"a": values([6, 4], generator), "b": values([6, 4], generator),
                 "g": values([1, 4], generator).abs(), "h": values([6, 4], generator, torch.float16),
                 "p": values([1, 17, 8], generator), "n": values([3], generator)}
        cases = ['a -> x |> mul(0.3), add(1)', 'h -> x |> mul(0.3), add(1)', 'a -> x |> mean(0)',
                 'a -> x |> sum(1)', 'h -> x |> sum(0)', 'a -> x |> norm(0)', 'n -> x |> norm(0)',
                 'a, &b -> x |> function(a, b) return a + b end',
                 'a, &b -> x |> function(a, b) return a * b end',
                 'a, &g -> x |> function(a, g) return a / g end',
                 'g -> x |> sqrt()', 'a, &b -> x |> function(a, b) return a:matmul(b:T()) end',
                 'a -> x |> tile(0, 2)', 'a -> x |> pad(0, 9, mean)', 'a -> x |> pad(1, 9, zeros)',
                 'a -> x |> pad(1, 9, const(-math.huge))', 'h -> x |> cast "f64"',
                 'a -> x |> cast "bf16"', 'a -> x |> cast "f8_e5m2"']
        for rule in cases:
            with self.subTest(rule):
                self.convert(state, "-e", f"rules [[ {rule}\n** -> ]]", exact=False, reverse=False,
                             suffixes=(".pth",))

    def test_pos_embed_in_torch(self):
        state = {"p": values([1, 17, 8], torch.Generator().manual_seed(1))}
        target = self.path("t.pth")
        torch.save({"p": torch.zeros(1, 50, 8)}, target)
        result, _ = self.convert(state, "-e", "rules [[ p -> p |> pos_embed{prefix=1} ]]", target=target,
                                 exact=False, reverse=False, suffixes=(".pth",))
        self.assertEqual(list(result["p"].shape), [1, 50, 8])

    def test_fills_and_kept_values(self):
        generator = torch.Generator().manual_seed(5)
        state = {"a": values([4, 3], generator)}
        target = self.path("t.pth")
        torch.save({"a": values([6, 3], generator), "z": values([2], generator), "c": torch.zeros(3),
                    "i": torch.zeros(2, dtype=torch.int64)}, target)
        code = ('rules [[ a -> a |> fit(0) ]] fill("c", const(1/3)) fill("i", zeros()) '
                'keep_target "z"')
        self.convert(state, "-e", code, target=target)
        code = 'rules [[ a -> a |> fit(0, zeros) ]] fill("c", normal(0, 1)) fill("**", const(2))'
        result, _ = self.convert(state, "-e", code, target=target, emit=False)
        text, emitted = self.run_emitted(self.path("p.json"), state)
        self.assertIn("# PyTorch's random numbers are not those that tenon fills in", text)
        self.assertEqual(emitted["c"].shape, result["c"].shape)
        del result["c"], emitted["c"]
        self.near(emitted, result)

    def test_ties_are_one_tensor(self):
        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = torch.nn.Embedding(7, 4)
                self.head = torch.nn.Linear(4, 7, bias=False)
                self.head.weight = self.embed.weight
        state = Tied().state_dict()
        del state["head.weight"]
        target = self.path("t.pth")
        torch.save(Tied().state_dict(), target)
        self.convert(state, "-e", "rules [[ embed.weight -> embed.weight |> mul(2) ]]", target=target)
        _, emitted = self.run_emitted(self.path("p.json"), state)
        self.assertIs(emitted["head.weight"], emitted["embed.weight"])

    def test_whole_comes_along(self):
        source = {"epoch": 3, "state_dict": {"module.a": torch.arange(6.0).reshape(2, 3)}, "lr": [0.1]}
        a, plan = self.path("a.pth"), self.path("p.json")
        torch.save(source, a)
        for folder in "xy":
            os.makedirs(self.path(folder))
        self.tenon("align", a, "-e", 'strip "module."', "--whole", "--plan", plan, "-o", self.path("x/o.pth"))
        self.tenon("apply", plan, "-o", self.path("y/o.pth"))
        self.assertTrue(filecmp.cmp(self.path("x/o.pth"), self.path("y/o.pth"), shallow=False))
        self.assertEqual(torch.load(self.path("y/o.pth"), weights_only=True)["epoch"], 3)

    def test_hostile_keys_stay_text(self):
        names = ['a"]; import os; os.abort(); x["', "b\\", "c\n    raise SystemExit", "{d}", "e{0}f", "g}",
                 "\u202eh", "\x00i", 'j"""', "'k'", "1.2.3", "007", "l\udc80", "m{i}.4", "m{i}.5", "#n\r"]
        state = {name: torch.full((2,), float(i)) for i, name in enumerate(names)}
        a, plan = self.path("a.pth"), self.path("p.json")
        torch.save(state, a)
        self.tenon("align", a, "--plan", plan)
        text, emitted = self.run_emitted(plan, state)
        self.assertTrue(text.isascii())
        self.near(emitted, state)

    def test_experts_are_folded(self):
        state = {f"layers.{i}.experts.{e}.w{w}.weight": torch.full((2, 3), float(100 * i + e + w))
                 for i in range(12) for e in range(64) for w in (1, 2, 3)}
        rules = ("rules [[ **.experts.{e}.w1.weight, **.experts.{e}.w3.weight -> **.gate_up |> stack(0), cat(1)\n"
                 "**.experts.{e}.w2.weight -> **.down.{e} ]]")
        self.convert(state, "-e", rules, suffixes=(".pth",))
        text = self.tenon("emit", self.path("p.json"), "--python")
        self.assertLess(text.count("\n"), 20)

    def test_moved_together(self):
        os.makedirs(self.path("here"))
        torch.save({"a": torch.ones(3)}, self.path("here/a.pth"))
        self.tenon("align", self.path("here/a.pth"), "--plan", self.path("here/p.json"))
        plan = self.path("here/p.json")
        with open(plan) as file:
            text = file.read()
        self.assertIn(self.path("here/a.pth"), text)   # as it was given: absolute
        os.rename(self.path("here"), self.path("there"))
        self.tenon("apply", self.path("there/p.json"), "-o", self.path("o.pth"), status=2)
        self.tenon("apply", self.path("there/p.json"), "-o", self.path("o.pth"), "--source",
                   self.path("there/a.pth"))
        torch.save({"a": torch.zeros(3)}, self.path("there/a.pth"))
        self.tenon("apply", self.path("there/p.json"), "-o", self.path("p.pth"), "--source",
                   self.path("there/a.pth"), status=2)
        self.assertFalse(os.path.exists(self.path("p.pth")))


    def test_resampling_is_emitted(self):
        generator = torch.Generator().manual_seed(3)
        for shape, new, rule in (((4, 3, 16, 16), (4, 3, 8, 8), "patch_embed()"),
                                 ((4, 3, 14, 14), (4, 3, 32, 32), "patch_embed()"),
                                 ((169, 4), (2209, 4), "rel_pos_bias()"),
                                 ((169, 4), (49, 4), "rel_pos_bias()"),
                                 ((729, 2), (169, 2), 'rel_pos_bias{mode="linear"}')):
            target = self.path("t.pth")
            torch.save({"w": torch.empty(new)}, target)
            self.convert({"w": values(shape, generator)}, "-e", f"rules [[ w -> w |> {rule} ]]",
                         target=target, exact=False, reverse=False)

    def test_quantized_tensors_are_emitted(self):
        a, plan = os.path.join(ROOT, "tests/data/quantized/quantized.pth"), self.path("p.json")
        out = self.path("o.pth")
        self.tenon("align", a, "-e", 'rules [[ qint8 -> a |> cast("f32"); qint8.axis1 -> b |> cast("f16"); '
                   'quint4x2.floats -> c |> cast("f64"); ** -> ]]', "--plan", plan, "-o", out)
        source = torch.load(a, weights_only=False)
        self.near(self.run_emitted(plan, source)[1], torch.load(out, weights_only=True))


def add_rule_file(path):
    name = os.path.basename(path)[:-5]
    setattr(Plans, f"test_rules_{name}", lambda self: self.rule_file(path))


for one in RULE_FILES:
    add_rule_file(one)

if not RULE_FILES:
    Plans.test_rules = unittest.skip("../shared/rules is not here")(lambda self: None)

if __name__ == "__main__":
    unittest.main()
