"""Every op of the rule language against PyTorch, over many random shapes and dtypes: value for value
where elements are only moved or the arithmetic is exact, else as close as f32 can be."""
import json
import math
import os
import random
import unittest

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from scipy.interpolate import RectBivariateSpline

from oracle import Case, dtype_name, raw

FLOATS = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
CLOSE = 5e-7        # for sizes that models have
ROUGH = 1e-6        # for bicubic without antialias, whose sums PyTorch takes in another order


def lua(values):
    return ", ".join(str(value) for value in values)


def spaces(names):
    return " ".join(names)


# ---- what timm 1.0.31 does, in a few lines each ----

def adapt_input_conv(weight, n):
    out, channels, height, width = weight.shape
    if n == 3:
        return weight
    x = weight.float()
    if n == 1:
        if channels > 3:
            x = x.reshape(out, channels // 3, 3, height, width).sum(dim=2)
        else:
            x = x.sum(dim=1, keepdim=True)
    else:
        x = x.repeat(1, math.ceil(n / 3), 1, 1)[:, :n]
        x = x * (3 / float(n))
    return x.to(weight.dtype)


def resample_abs_pos_embed(x, new, old, prefix, dtype=torch.float32):
    head, grid = x[:, :prefix], x[:, prefix:]
    grid = grid.to(dtype).reshape(1, old[0], old[1], -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=new, mode="bicubic", antialias=True)
    return head, grid.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], -1)


def resample_patch_embed(x, new, dtype=torch.float32):
    """In f64 the weights of the resize are those of f32, but their pseudoinverse is exact."""
    old = tuple(x.shape[-2:])
    if old == tuple(new):
        return x.to(dtype)
    eye = torch.eye(old[0] * old[1]).reshape(-1, 1, *old)
    matrix = F.interpolate(eye, size=new, mode="bicubic", antialias=True, align_corners=False)
    matrix = matrix.squeeze(1).permute(1, 2, 0).reshape(new[0] * new[1], old[0] * old[1])
    flat = x.reshape(x.shape[0], x.shape[1], -1).to(dtype) @ torch.linalg.pinv(matrix.to(dtype), rcond=1e-5)
    return flat.reshape(x.shape[0], x.shape[1], *new)


def geometric(src, dst):
    left, right = 1.01, 1.5
    while right - left > 1e-6:
        q = (left + right) / 2.0
        if (1.0 - q ** (src // 2)) / (1.0 - q) > dst // 2:
            right = q
        else:
            left = q
    steps, at = [], 1
    for i in range(src // 2):
        steps.append(at)
        at += q ** (i + 1)
    return np.array([-step for step in reversed(steps)] + [0] + steps, dtype=np.float64)


def wanted_points(dst):
    return np.arange(-(dst // 2), dst // 2 + 0.1)


def resample_table(table, new, cubic):
    """BEiT's with scipy's splines; timm's RegularGridInterpolator is the straight one."""
    y, x = geometric(table.shape[0], new[0]), geometric(table.shape[1], new[1])
    if cubic:
        spline = RectBivariateSpline(y, x, table, kx=3, ky=3, s=0)
        return spline(wanted_points(new[0]).clip(y[0], y[-1]), wanted_points(new[1]).clip(x[0], x[-1]))
    rows = np.stack([np.interp(wanted_points(new[1]), x, row) for row in table])
    return np.stack([np.interp(wanted_points(new[0]), y, column) for column in rows.T]).T


class Ops(Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(7)
        self.generator = torch.Generator().manual_seed(7)
        self.sources, self.rules, self.wanted, self.targets = {}, [], {}, {}

    def values(self, shape, dtype=torch.float32):
        if not dtype.is_floating_point:
            return torch.randint(0, 100, tuple(shape), generator=self.generator).to(dtype)
        x = torch.randn(tuple(shape), generator=self.generator, dtype=torch.float64)
        return x.to(dtype)

    def shape(self, least=1, most=4, size=6):
        return [self.random.randint(1, size) for _ in range(self.random.randint(least, most))]

    def add(self, op, x, want, target=None):
        """One case: tensors, what the rule does with them, and what shall come out."""
        number = len(self.wanted)
        names = []
        for k, one in enumerate(x if isinstance(x, (list, tuple)) else [x]):
            names.append(f"s{number}.{k}")
            self.sources[names[-1]] = one.contiguous().clone()
        key = f"o{number}"
        self.rules.append(f"{', '.join(names)} -> {key} |> {op}")
        self.wanted[key] = (op, want)
        if target is not None:
            first = x[0] if isinstance(x, (list, tuple)) else x
            self.targets[key] = (dtype_name(first), target)

    def run_all(self, out="out.safetensors"):
        source, rules, out = self.path("s.safetensors"), self.path("r.lua"), self.path(out)
        safetensors.torch.save_file(self.sources, source)
        with open(rules, "w", encoding="utf-8") as file:
            for at in range(0, len(self.rules), 200):
                file.write("rules [==[\n" + "\n".join(self.rules[at:at + 200]) + "\n]==]\n")
        extra = []
        if self.targets:
            extra = [self.path("t.json")]
            tensors = [{"key": key, "dtype": dtype, "shape": list(shape)}
                       for key, (dtype, shape) in self.targets.items()]
            with open(extra[0], "w", encoding="utf-8") as file:
                json.dump({"tensors": tensors}, file)
        self.tenon("align", source, *extra, "-r", rules, "-o", out)
        return safetensors.torch.load_file(out)

    def check_exact(self):
        got = self.run_all()
        self.assertEqual(set(got), set(self.wanted))
        for key, (op, want) in self.wanted.items():
            with self.subTest(op):
                self.assertEqual(got[key].dtype, want.dtype)
                self.assertEqual(got[key].shape, want.shape)
                self.assertEqual(raw(got[key]), raw(want))
        return len(self.wanted)

    def check_close(self, close=CLOSE):
        """Against values in f64: to CLOSE of the largest in f32; one rounding apart in f16 and bf16."""
        got, worst = self.run_all(), 0.0
        for key, (op, want) in self.wanted.items():
            x = got[key]
            with self.subTest(f"{op} {x.dtype}"):
                self.assertEqual(x.shape, want.shape)
                self.assertTrue(bool(torch.isfinite(x).all()))
                if not x.numel():
                    continue
                scale = max(1.0, float(want.abs().max()))
                difference = (x.double() - want.double()).abs()
                if x.dtype in (torch.float32, torch.float64):
                    worst = max(worst, float(difference.max()) / scale)
                    self.assertLessEqual(float(difference.max()), close * scale)
                else:
                    step = torch.finfo(x.dtype).eps * want.double().abs() + 1e-6
                    self.assertTrue(bool((difference <= 0.51 * step + close * scale).all()))
        return worst

    # ---- moves ----

    def test_moves(self):
        dtypes = FLOATS + [torch.int64, torch.int8, torch.bool]
        for _ in range(60):
            x = self.values(self.shape(), self.random.choice(dtypes))
            order = list(range(x.dim()))
            self.random.shuffle(order)
            self.add(f"permute({lua(order)})", x, x.permute(order))
            axis = self.random.randrange(-x.dim(), x.dim())
            shift = self.random.randint(-9, 9)
            self.add(f"roll({axis}, {shift})", x, x.roll(shift, axis))
            n = x.shape[axis]
            index = [self.random.randrange(n) for _ in range(self.random.randint(1, 5))]
            self.add(f"pick({axis}, {{{lua(index)}}})", x, x.index_select(axis, torch.tensor(index)))
            first = self.random.randrange(n)
            end = self.random.randint(first, n)
            self.add(f"slice({axis}, {first}, {end})", x, x.narrow(axis, first, end - first))
            copies = self.random.randint(1, 4)
            repeats = [1] * x.dim()
            repeats[axis] = copies
            self.add(f"tile({axis}, {copies})", x, x.tile(repeats))
            if n % 2 == 0:
                a, b = x.chunk(2, axis)
                self.add(f"swap_halves({axis})", x, torch.cat([b, a], axis))
            self.add("reshape(-1), unsqueeze(0), squeeze", x, x.reshape(-1).squeeze())
            y = self.values(x.shape, x.dtype)
            self.add(f"cat({axis})", [x, y], torch.cat([x, y], axis))
            self.add(f"stack({axis % x.dim()})", [x, y], torch.stack([x, y], axis % x.dim()))
        print(f"# {self.check_exact()} moves, byte for byte")

    def test_ein(self):
        for _ in range(120):
            names = list("abcdefg")[:self.random.randint(1, 7)]
            sizes = {name: self.random.randint(1, 4) for name in names}
            groups, at = [], 0
            while at < len(names):
                count = self.random.randint(1, 3)
                groups.append(names[at:at + count])
                at += count
            shuffled = names[:]
            self.random.shuffle(shuffled)
            outs, at = [], 0
            while at < len(shuffled):
                count = self.random.randint(1, 3)
                outs.append(shuffled[at:at + count])
                at += count
            text = " ".join(f"({spaces(group)})" if len(group) > 1 else group[0] for group in groups)
            text += " -> " + " ".join(f"({spaces(out)})" if len(out) > 1 else out[0] for out in outs)
            given = [name for group in groups for name in group[1:]]     # one of each is inferred
            x = self.values([math.prod(sizes[name] for name in group) for group in groups],
                            self.random.choice([torch.float32, torch.bfloat16, torch.int16]))
            options = f', {{{lua(f"{name}={sizes[name]}" for name in given)}}}' if given else ""
            want = x.reshape([sizes[name] for name in names])
            want = want.permute([names.index(name) for name in shuffled])
            want = want.reshape([math.prod(sizes[name] for name in out) for out in outs])
            self.add(f'ein("{text}"{options})', x, want)
        print(f"# {self.check_exact()} einsum-like moves, byte for byte")

    def test_rope(self):
        for heads in (1, 2, 4):
            for half in (1, 2, 5):
                w = self.values([heads * 2 * half, 3], torch.float16)
                pairs = w.view(heads, 2, half, 3).transpose(1, 2).reshape(w.shape)
                self.add(f"rope_pairs({heads})", w, pairs)
                self.add(f"rope_halves({heads})", pairs, w)
        self.check_exact()

    # ---- arithmetic: f32 as PyTorch has it, halves rounded once ----

    def test_arithmetic(self):
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            for _ in range(12):
                x, y = self.values([4, 3], dtype), self.values([4, 1], dtype)
                c = round(self.random.uniform(-3, 3), 3)
                wide, other = x.float(), y.float()
                cases = {
                    "function(a, b) return a + b end": wide + other,
                    "function(a, b) return a - b end": wide - other,
                    "function(a, b) return a * b end": wide * other,
                    "function(a, b) return a / b end": wide / other,
                    "function(a, b) return b / a * 2 end": other / wide * 2,
                    f"function(a, b) return a * {c} + b end": wide * c + other,
                    f"function(a, b) return ({c} - a) / {c} end": (-wide + c) / c,
                    # PyTorch's own c / a is reciprocal(a) * c, which rounds twice
                    f"function(a, b) return {c} / a end": torch.full_like(wide, c) / wide,
                    "function(a, b) return (a * a):sqrt():T():reshape(4, 3) - 1 end":
                        (wide * wide).sqrt().T.reshape(4, 3) - 1,
                }
                for op, want in cases.items():
                    self.add(op, [x, y], want.to(dtype))
                self.add(f"mul({c}), add(1), T", x, (wide * c + 1).T.to(dtype))
        print(f"# {self.check_exact()} sums and products, byte for byte")

    def test_reductions(self):
        for dtype in FLOATS:
            for _ in range(20):
                x = self.values(self.shape(1, 4, 9), dtype)
                wide, axis = x.double(), self.random.randrange(x.dim())
                others = [i for i in range(x.dim()) if i != axis]
                self.add(f"sum({axis})", x, wide.sum(axis, keepdim=True))
                self.add(f"mean({axis})", x, wide.mean(axis, keepdim=True))
                norm = (wide * wide).sum(others, keepdim=True).sqrt() if others else wide.abs()
                self.add(f"norm({axis})", x, norm)
                self.add("norm", x, wide.norm().reshape([1] * x.dim()))
                a, b = self.values([5, 7], dtype), self.values([7, 2], dtype)
                self.add("matmul", [a, b], a.double() @ b.double())
        print(f"# {len(self.wanted)} reductions, worst {self.check_close():.1e}")

    def test_weight_norm_and_folding(self):
        conv = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(3, 5, 3))
        g, v = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
        self.add("function(g, v) return g * v / v:norm(0) end", [g.detach(), v.detach()],
                 conv.weight.detach().double())
        bn = torch.nn.BatchNorm2d(5).eval()
        bn.running_var.uniform_(0.5, 2, generator=self.generator)
        bn.running_mean.normal_(generator=self.generator)
        fused = torch.nn.utils.fuse_conv_bn_weights(
            v.detach(), None, bn.running_mean, bn.running_var, bn.eps, bn.weight.detach(), bn.bias.detach())
        self.add("function(w, g, s) return w * (g / (s + 1e-5):sqrt()):reshape(-1, 1, 1, 1) end",
                 [v.detach(), bn.weight.detach(), bn.running_var], fused[0].detach().double())
        self.check_close()

    # ---- sizes ----

    def test_pad(self):
        for dtype in FLOATS:
            for _ in range(8):
                x = self.values([self.random.randint(1, 6), self.random.randint(1, 5)], dtype)
                more = self.random.randint(0, 4)
                rows, columns = x.shape
                self.add(f"pad(0, {rows + more})", x, F.pad(x, (0, 0, 0, more)))
                self.add(f"pad(1, {columns + more}, const(0.5))", x, F.pad(x, (0, more), value=0.5))
                mean = x.double().mean(0, keepdim=True).float()
                mean = x.mean(0, keepdim=True) if dtype == torch.float64 else mean.to(dtype)
                if dtype != torch.float64:
                    self.add(f"pad(0, {rows + more}, mean)", x, torch.cat([x] + [mean] * more))
        self.check_exact()

    def test_in_chans(self):
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            for n in (1, 2, 3, 4, 5, 6, 7, 10):
                x = self.values([4, 3, 2, 3], dtype)
                if n != 1:
                    self.add(f"in_chans({n})", x, adapt_input_conv(x, n))
        self.check_exact()
        self.sources, self.rules, self.wanted = {}, [], {}
        os.remove(self.path("out.safetensors"))
        for channels in (1, 2, 3, 6, 12):
            x = self.values([4, channels, 2, 3])
            self.add("in_chans(1)", x, adapt_input_conv(x.double(), 1).double())
        self.check_close()

    # ---- resampling ----

    def test_pos_embed(self):
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            for _ in range(40):
                square = self.random.random() < 0.6
                old, new = [self.random.randint(1, 24)] * 2, [self.random.randint(1, 32)] * 2
                if not square:                # torch 2.13 goes wrong where a width alone is 1
                    old = [self.random.randint(2, 24), self.random.randint(2, 24)]
                    new = [self.random.randint(2, 32), self.random.randint(2, 32)]
                prefix, width = self.random.choice([0, 1, 1, 2, 5]), self.random.randint(1, 5)
                x = self.values([1, prefix + old[0] * old[1], width], dtype)
                head, grid = resample_abs_pos_embed(x, new, old, prefix)
                options = [] if prefix == 1 else [f"prefix={prefix}"]
                if not square:
                    options += [f"old={{{lua(old)}}}", f"new={{{lua(new)}}}"]
                op = f"pos_embed{{{lua(options)}}}"
                want = torch.cat([head.double(), grid], dim=1)
                if self.random.random() < 0.3:                # HF's embedding has no first axis
                    x, want = x[0], want[0]
                self.add(op, x, want, want.shape)
        print(f"# {len(self.wanted)} grids of positions, worst {self.check_close():.1e}")

    def test_pos_embed_of_real_sizes(self):
        """Also of 1×height×width×channels."""
        for size, new in ((14, 24), (24, 14), (16, 37), (7, 8), (64, 80)):
            x = self.values([1, size * size + 1, 16])
            head, grid = resample_abs_pos_embed(x, [new, new], [size, size], 1)
            want = torch.cat([head, grid], dim=1)
            self.add("pos_embed()", x, want, want.shape)
            spread = x[:, 1:].reshape(1, size, size, 16)
            self.add("pos_embed()", spread, grid.reshape(1, new, new, 16), [1, new, new, 16])
        print(f"# against F.interpolate: {self.check_close():.1e}")

    def test_patch_embed(self):
        for old, new in ((16, 14), (14, 16), (16, 32), (32, 16), (16, 8), (8, 7), (4, 1), (1, 4), (2, 3)):
            for dtype in (torch.float32, torch.bfloat16):
                x = self.values([3, 2, old, old], dtype)
                self.add(f"patch_embed{{new={new}}}", x, resample_patch_embed(x, [new, new], torch.float64))
        for _ in range(30):   # torch 2.13 itself goes wrong where a width is 1 and the height is not
            old = [self.random.randint(2, 12), self.random.randint(2, 12)]
            new = [self.random.randint(2, 12), self.random.randint(2, 12)]
            x = self.values([2, 2, *old])
            self.add(f"patch_embed{{new={{{lua(new)}}}}}", x, resample_patch_embed(x, new, torch.float64))
        print(f"# {len(self.wanted)} patch kernels, worst {self.check_close():.1e}")

    def test_patch_embed_as_timm_in_f32(self):
        """timm's pseudoinverse is itself made in f32."""
        for old, new in ((16, 14), (14, 16), (16, 8), (32, 16)):
            x = self.values([3, 2, old, old])
            want = resample_patch_embed(x, [new, new])
            self.add("patch_embed()", x, want, want.shape)
        print(f"# against timm in f32: {self.check_close(5e-6):.1e}")

    def test_rel_pos_bias(self):
        for mode in ("cubic", "linear", "bicubic", "bicubic_aa"):
            for _ in range(14):
                heads, extra = self.random.randint(1, 4), self.random.choice([0, 3])
                old, new = self.random.randint(3, 16), self.random.randint(1, 24)
                sides = [2 * old - 1] * 2, [2 * new - 1] * 2
                x = self.values([sides[0][0] ** 2 + extra, heads])
                tables = x[:sides[0][0] ** 2].T.reshape(heads, *sides[0])
                if mode.startswith("bicubic"):
                    want = F.interpolate(tables[None], size=sides[1], mode="bicubic", align_corners=False,
                                         antialias=mode == "bicubic_aa")[0]
                elif old == new:
                    want = tables.double()
                else:
                    want = torch.from_numpy(np.stack([resample_table(table, sides[1], mode == "cubic")
                                                      for table in tables.double().numpy()]))
                want = want.double()
                flat = torch.cat([want.reshape(heads, -1).T, x[sides[0][0] ** 2:].double()])
                option = "" if mode == "cubic" else f'mode="{mode}"'
                self.add(f"rel_pos_bias{{{option}}}", x, flat, flat.shape)
                if not extra:
                    self.add(f"rel_pos_bias{{{option}}}", x.T.reshape(heads, *sides[0]), want, want.shape)
        print(f"# {len(self.wanted)} tables, worst {self.check_close():.1e}")

    def test_grids_are_pytorch_s_f32(self):
        """Not only relatively, and nearer than either is to the same in f64."""
        cases = {}
        for old, new in ((14, 24), (24, 14), (16, 37), (7, 8), (3, 5), (2, 31), (5, 2), (13, 17)):
            x = self.values([1, old * old, 8])
            grid = x[0].T.reshape(1, 8, old, old)
            want = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True)
            self.add("pos_embed{prefix=0}", x, want.flatten(2).transpose(1, 2), [1, new * new, 8])
            cases[f"o{len(self.wanted) - 1}"] = f"bicubic_aa {old} to {new}", CLOSE
            if old % 2 and new % 2:
                want = F.interpolate(grid, size=(new, new), mode="bicubic")[0]
                self.add('rel_pos_bias{mode="bicubic"}', grid[0], want, [8, new, new])
                cases[f"o{len(self.wanted) - 1}"] = f"bicubic {old} to {new}", ROUGH
        got = self.run_all()
        for key, (case, close) in cases.items():
            with self.subTest(case):
                want = self.wanted[key][1]
                apart = float((got[key] - want).abs().max())
                print(f"# {case}: {apart:.1e} apart at values up to {float(want.abs().max()):.1f}")
                self.assertLessEqual(apart, close)

    def test_the_pseudoinverse_is_exact(self):
        """That of the matrix which PyTorch's own resize is: timm's in f32 is several times as far from it."""
        cases = {}
        for old, new in ((14, 24), (24, 14), (7, 8), (5, 2), (16, 14), (16, 32)):
            w = self.values([2, 3, old, old])
            resize = F.interpolate(torch.eye(old)[None, None].expand(1, 1, old, old), size=(new, old), mode="bicubic",
                                   antialias=True)[0, 0]
            m = np.linalg.pinv(resize.double().numpy().T)
            want = torch.from_numpy(np.einsum("pi,ncij,qj->ncpq", m, w.double().numpy(), m))
            self.add("patch_embed()", w, want, want.shape)
            cases[f"o{len(self.wanted) - 1}"] = f"patch {old} to {new}", resample_patch_embed(w, [new, new])
        got = self.run_all()
        for key, (case, timm) in cases.items():
            with self.subTest(case):
                want = self.wanted[key][1]
                ours, theirs = (float((x.double() - want).abs().max()) for x in (got[key], timm))
                print(f"# {case}: tenon {ours:.1e} off, timm in f32 {theirs:.1e}, at values up to {float(want.abs().max()):.1f}")
                self.assertLessEqual(ours, CLOSE * max(1, float(want.abs().max())))

    # ---- casts ----

    def test_what_casts_lose(self):
        """The figures of --json against PyTorch's own casts."""
        state, wanted, rules = {}, {}, []
        targets = {torch.float32: ["float16", "bfloat16"], torch.float64: ["float32", "float16", "bfloat16"],
                   torch.bfloat16: ["float16"], torch.int64: ["int32", "int8", "float32"]}
        for dtype, names in targets.items():
            for name in names:
                key = f"{dtype}-{name}".replace("torch.", "")
                if dtype.is_floating_point:
                    x = torch.randn(500, generator=self.generator, dtype=torch.float64) * 30000
                    x[:3] = torch.tensor([math.inf, math.nan, -0.0])
                else:
                    x = torch.randint(-2 ** 40, 2 ** 40, (500,), generator=self.generator)
                    x[:250] %= 100
                state[key] = x.to(dtype)
                to = getattr(torch, name)
                after, before = state[key].to(to).double(), state[key].double()
                changed = (after != before) & ~(after.isnan() & before.isnan())
                infinite = changed & after.isinf()
                rest = changed & ~infinite
                error = float((after - before)[rest].abs().max()) if bool(rest.any()) else 0.0
                wanted[key] = (500, int(changed.sum()), int(infinite.sum()), 0, error)
                rules.append(f'{key} -> {key} |> cast "{name}"')
        safetensors.torch.save_file(state, self.path("s.safetensors"))
        report = json.loads(self.tenon("align", self.path("s.safetensors"), "-e",
                                       "rules [[\n" + "\n".join(rules) + "\n]]", "-o", self.path("o.pth"), "--json"))
        casts = {cast["target"]: cast for cast in report["output"]["casts"]}
        for key, figures in wanted.items():
            with self.subTest(key):
                cast = casts[key]
                self.assertEqual(tuple(cast[name] for name in ("values", "changed", "infinite", "nan", "max_error")),
                                 figures)

    # ---- made up ----

    def test_deviations(self):
        """The deviations that PyTorch's own initialisations reach, within what chance allows."""
        init, shape = torch.nn.init, [64, 32, 3, 3]
        relu = init.calculate_gain("leaky_relu", 0.2)
        fan_in, fan_out = 32 * 9, 64 * 9
        expected = {
            "kaiming()": math.sqrt(2 / fan_in), "kaiming{mode='fan_out'}": math.sqrt(2 / fan_out),
            "conv_msra": math.sqrt(2 / (3 * 3 * 64)),
            "kaiming{nonlinearity='tanh'}": init.calculate_gain("tanh") / math.sqrt(fan_in),
            "kaiming{nonlinearity='linear', dist='uniform'}": 1 / math.sqrt(fan_in),
            "kaiming{a=0.2}": relu / math.sqrt(fan_in),
            "kaiming{nonlinearity='selu'}": init.calculate_gain("selu") / math.sqrt(fan_in),
            "xavier()": math.sqrt(2 / (fan_in + fan_out)),
            "xavier{gain=2, dist='uniform'}": 2 * math.sqrt(2 / (fan_in + fan_out)),
            "normal(0.02)": 0.02,
        }
        target, out = self.path("t.json"), self.path("o.safetensors")
        tensors = [{"key": f"t{i}", "dtype": "f32", "shape": shape} for i in range(len(expected))]
        with open(target, "w", encoding="utf-8") as file:
            json.dump({"tensors": tensors + [{"key": "b", "dtype": "f32", "shape": [4]}]}, file)
        safetensors.torch.save_file({"x": torch.zeros(1)}, self.path("s.safetensors"))
        rules = "\n".join(f"-> t{i} |> {op}" for i, op in enumerate(expected)) + "\n-> b |> prior_bias(0.01)"
        self.tenon("align", self.path("s.safetensors"), target, "-e", f"rules [[\n{rules}\n]]", "-o", out)
        got = safetensors.torch.load_file(out)
        for i, (op, deviation) in enumerate(expected.items()):
            with self.subTest(op):
                self.assertAlmostEqual(float(got[f"t{i}"].std()) / deviation, 1, delta=0.03)
                self.assertAlmostEqual(float(got[f"t{i}"].mean()) / deviation, 0, delta=0.03)
        self.assertTrue(torch.equal(got["b"], torch.full([4], -math.log((1 - 0.01) / 0.01))))


if __name__ == "__main__":
    unittest.main()
