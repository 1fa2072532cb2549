"""What `diff --values` measures is what NumPy and torch measure; and rules that `learn` finds from one
model, in two layouts, carry other models of the family over: other sizes, other numbers of layers."""
import json
import subprocess
import unittest

import numpy
import safetensors.torch
import torch

from learning import LearningCase, plain
from oracle import TENON, Case


def paired(rows, heads):
    """Rope rows from halves to pairs, as transformers' conversion of Llama has it, the other way round."""
    return rows.view(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def llama(layers, width, heads, kv, hidden, words, norm=torch.randn):
    old = {"model.embed_tokens.weight": torch.randn(words, width)}
    new = {"tok_embeddings.weight": old["model.embed_tokens.weight"]}
    head = width // heads
    for i in range(layers):
        here, there = f"model.layers.{i}.", f"layers.{i}."
        for a, b, shape in (("self_attn.q_proj", "attention.wq", (width, width)),
                            ("self_attn.k_proj", "attention.wk", (kv * head, width)),
                            ("self_attn.v_proj", "attention.wv", (kv * head, width)),
                            ("self_attn.o_proj", "attention.wo", (width, width)),
                            ("mlp.gate_proj", "feed_forward.w1", (hidden, width)),
                            ("mlp.up_proj", "feed_forward.w3", (hidden, width)),
                            ("mlp.down_proj", "feed_forward.w2", (width, hidden))):
            weight = torch.randn(shape)
            old[f"{here}{a}.weight"] = weight
            turned = heads if "q_proj" in a else kv if "k_proj" in a else 0
            new[f"{there}{b}.weight"] = paired(weight, turned) if turned else weight
        for a, b in (("input_layernorm", "attention_norm"), ("post_attention_layernorm", "ffn_norm")):
            old[f"{here}{a}.weight"] = new[f"{there}{b}.weight"] = norm(width)
    old["model.norm.weight"] = new["norm.weight"] = torch.randn(width)
    old["lm_head.weight"] = new["output.weight"] = torch.randn(words, width)
    return old, new


def gpt2(layers, width, hidden):
    """Conv1D to Linear, qkv to three; its biases and half of its norms as they are at the start."""
    old, new = {"wte.weight": torch.randn(40, width)}, {}
    new["emb.weight"] = old["wte.weight"]
    for i in range(layers):
        here, there = f"h.{i}.", f"blocks.{i}."
        weight, bias = torch.randn(width, 3 * width), torch.zeros(3 * width)
        old[f"{here}attn.c_attn.weight"], old[f"{here}attn.c_attn.bias"] = weight, bias
        for k, name in enumerate("qkv"):
            new[f"{there}attn.{name}.weight"] = weight[:, k * width:(k + 1) * width].t()
            new[f"{there}attn.{name}.bias"] = bias[k * width:(k + 1) * width]
        for a, b, shape in (("attn.c_proj", "attn.o", (width, width)), ("mlp.c_fc", "fc1", (width, hidden)),
                            ("mlp.c_proj", "fc2", (hidden, width))):
            weight, bias = torch.randn(shape), torch.randn(shape[1])
            old[f"{here}{a}.weight"], old[f"{here}{a}.bias"] = weight, bias
            new[f"{there}{b}.weight"], new[f"{there}{b}.bias"] = weight.t(), bias
        for a, b in (("ln_1", "n1"), ("ln_2", "n2")):
            old[f"{here}{a}.weight"] = new[f"{there}{b}.weight"] = torch.randn(width)
            old[f"{here}{a}.bias"] = new[f"{there}{b}.bias"] = torch.zeros(width)
    return old, new


def clip(layers, width, hidden):
    old, new = {"proj": torch.randn(width, 2 * width)}, {}
    new["proj.weight"] = old["proj"].t()
    for i in range(layers):
        here, there = f"transformer.resblocks.{i}.", f"encoder.layers.{i}."
        weight, bias = torch.randn(3 * width, width), torch.randn(3 * width)
        old[f"{here}attn.in_proj_weight"], old[f"{here}attn.in_proj_bias"] = weight, bias
        for k, name in enumerate("qkv"):
            new[f"{there}self_attn.{name}_proj.weight"] = weight[k * width:(k + 1) * width]
            new[f"{there}self_attn.{name}_proj.bias"] = bias[k * width:(k + 1) * width]
        old[f"{here}mlp.c_fc.weight"] = new[f"{there}mlp.fc1.weight"] = torch.randn(hidden, width)
    return old, new


def mixtral(layers, width, hidden, experts):
    old, new = {}, {}
    for i in range(layers):
        here = f"model.layers.{i}."
        made = {}
        for name, shape in (("w1", (hidden, width)), ("w2", (width, hidden)), ("w3", (hidden, width))):
            made[name] = [torch.randn(shape) for _ in range(experts)]
            for e, weight in enumerate(made[name]):
                old[f"{here}block_sparse_moe.experts.{e}.{name}.weight"] = weight
        new[f"{here}mlp.experts.gate_up_proj"] = torch.cat([torch.stack(made["w1"]), torch.stack(made["w3"])], 1)
        new[f"{here}mlp.experts.down_proj"] = torch.stack(made["w2"])
        old[f"{here}block_sparse_moe.gate.weight"] = new[f"{here}mlp.gate.weight"] = torch.randn(experts, width)
    return old, new


def neox(layers, width, heads):
    old, new = {}, {}
    for i in range(layers):
        weight, bias = torch.randn(3 * width, width), torch.randn(3 * width)
        old[f"gpt_neox.layers.{i}.attention.query_key_value.weight"] = weight
        old[f"gpt_neox.layers.{i}.attention.query_key_value.bias"] = bias
        for k, name in enumerate("qkv"):
            new[f"layers.{i}.{name}.weight"] = weight.view(heads, 3, -1, width)[:, k].reshape(width, width)
            new[f"layers.{i}.{name}.bias"] = bias.view(heads, 3, -1)[:, k].reshape(width)
    return old, new


def kernels(width):
    """TensorFlow's kernels: HWIO, depthwise HWIM, BGR, 1×1, a dense layer behind a flattened map, and one
    that is a convolution where the other correlates."""
    old = {"stem/kernel": torch.randn(3, 3, 3, width), "dw/kernel": torch.randn(5, 5, width, 1),
           "up/kernel": torch.randn(3, 3, width, 2 * width), "pw/kernel": torch.randn(1, 1, width, width),
           "square/kernel": torch.randn(3, 3, 3, 3), "fc/kernel": torch.randn(2 * width, 10),
           "flat/kernel": torch.randn(20 * width, 7), "flip/kernel": torch.randn(width, width, 3, 3)}
    new = {name.replace("/kernel", ".weight"): value.permute(3, 2, 0, 1) if value.dim() == 4 else value.t()
           for name, value in old.items()}
    new["stem.weight"] = new["stem.weight"][:, [2, 1, 0]]
    new["dw.weight"] = old["dw/kernel"].permute(2, 3, 0, 1)
    new["flip.weight"] = old["flip/kernel"].flip(2, 3)
    new["flat.weight"] = old["flat/kernel"].view(4, 5, width, 7).permute(3, 2, 0, 1).reshape(7, -1)
    return old, new


def mixed(layers, width, heads, kv, hidden):
    """Roped queries and keys joined with plain values, a matrix joined with another one that is turned."""
    old, new, head = {}, {}, width // heads
    for i in range(layers):
        q, k, v = torch.randn(width, width), torch.randn(kv * head, width), torch.randn(kv * head, width)
        up, down = torch.randn(hidden, width), torch.randn(width, hidden)
        for name, value in (("q", q), ("k", k), ("v", v), ("up", up), ("down", down)):
            old[f"h.{i}.{name}.weight"] = value
        new[f"l.{i}.qkv.weight"] = torch.cat([paired(q, heads), paired(k, kv), v])
        new[f"l.{i}.ffn.weight"] = torch.cat([up, down.t()])
        for name, rows, turned in (("q", width, heads), ("k", kv * head, kv), ("v", kv * head, 0)):
            old[f"h.{i}.{name}.bias"] = torch.randn(rows)
        new[f"l.{i}.qkv.bias"] = torch.cat([paired(old[f"h.{i}.q.bias"], heads), paired(old[f"h.{i}.k.bias"], kv),
                                            old[f"h.{i}.v.bias"]])
    return old, new


def flax(layers, width, heads):
    """Kernels of attention with axes for heads, layers on the axis behind the first, a grown vocabulary."""
    old, new, size = {}, {}, width // heads
    for name in "qkv":
        kernel, bias = torch.randn(width, layers, heads, size), torch.randn(layers, heads, size)
        old[f"layers/{name}/kernel"], old[f"layers/{name}/bias"] = kernel, bias
        for i in range(layers):
            new[f"l.{i}.{name}.weight"] = kernel[:, i].reshape(width, width).t()
            new[f"l.{i}.{name}.bias"] = bias[i].reshape(width)
    old["layers/o/kernel"] = torch.randn(heads, layers, size, width)
    for i in range(layers):
        new[f"l.{i}.o.weight"] = old["layers/o/kernel"][:, i].reshape(width, width).t()
    old["embed"] = torch.randn(50, width)
    new["embed.weight"] = torch.cat([old["embed"], torch.zeros(14, width)])
    return old, new


def folded(layers, width, bias=False, fresh=False):
    """Batch norms folded into the convolutions before them, with and without a bias, and a weight norm."""
    old, new = {}, {}
    for i in range(layers):
        net = torch.nn.Sequential(torch.nn.Conv2d(width, width, 3, bias=bias), torch.nn.BatchNorm2d(width),
                                  torch.nn.Conv1d(width, 2 * width, 5)).eval()
        if not fresh:
            for value in (net[1].weight, net[1].bias, net[1].running_mean):
                torch.nn.init.normal_(value)
            torch.nn.init.uniform_(net[1].running_var, 0.1, 2)
        for name, module in (("conv", net[0]), ("bn", net[1])):
            old.update({f"l.{i}.{name}.{key}": value.detach() for key, value in module.state_dict().items()
                        if value.dim()})
        one = torch.nn.utils.fusion.fuse_conv_bn_eval(net[0], net[1])
        new[f"b.{i}.weight"], new[f"b.{i}.bias"] = one.weight.detach(), one.bias.detach()
        normed = torch.nn.utils.parametrizations.weight_norm(net[2])
        for k, value in enumerate((normed.parametrizations.weight.original0, normed.parametrizations.weight.original1)):
            torch.nn.init.normal_(value)
            old[f"l.{i}.up.parametrizations.weight.original{k}"] = value.detach()
        old[f"l.{i}.up.bias"] = new[f"b.{i}.up.bias"] = normed.bias.detach()
        new[f"b.{i}.up.weight"] = normed.weight.detach()
    return old, new


class Learning(LearningCase):
    def families(self, cast=None):
        torch.manual_seed(0)
        for small, large in ((llama(2, 64, 4, 2, 96, 50), llama(4, 96, 6, 3, 128, 60)),
                             (gpt2(2, 32, 64), gpt2(12, 48, 80)), (clip(2, 32, 64), clip(3, 48, 64)),
                             (mixtral(2, 32, 48, 4), mixtral(3, 32, 48, 4)), (neox(2, 32, 4), neox(3, 48, 6)),
                             (mixed(2, 24, 4, 2, 40), mixed(3, 36, 6, 2, 60)),
                             (kernels(16), kernels(16))):
            self.carries_over(small, large, cast)

    def test_other_sizes_of_the_family(self):
        self.families()

    def test_axes_of_heads_and_of_layers(self):
        torch.manual_seed(12)
        self.learned(*flax(3, 24, 4))
        self.applied(*flax(3, 40, 5))
        old, new = flax(3, 24, 4)
        del new["embed.weight"], old["embed"]
        self.learned(new, old)
        self.applied(new, old)

    def test_norms_that_were_folded(self):
        torch.manual_seed(14)
        for layers, width, bias in ((2, 12, False), (4, 20, False), (2, 12, True), (4, 20, True)):
            old, new = folded(layers, width, bias)
            if layers == 2:
                self.learned(old, new)
            self.tenon("align", self.save("s.pth", old), self.save("t.pth", new), "-r", self.path("r.lua"),
                       "-o", self.path("x.safetensors"), "--force")
            got = safetensors.torch.load_file(self.path("x.safetensors"))
            for key, value in new.items():
                self.assertTrue(torch.allclose(got[key], value, rtol=1e-4, atol=1e-5), key)

    def test_fresh_norms_that_were_folded_are_not_guessed(self):
        torch.manual_seed(15)
        old, new = folded(3, 12, fresh=True)
        got = json.loads(self.tenon("learn", self.save("o.pth", old), self.save("n.pth", new), "--json", status=1))
        why = {one["target"]: one["why"] for one in got["open"]}
        self.assertIn("several hold the same", why["b.0.weight"])
        self.assertIn("b.0.bias", why)

    def test_types_of_8_bits(self):
        torch.manual_seed(13)
        for cast in (torch.float8_e4m3fn, torch.float8_e5m2):
            old, new = llama(2, 64, 4, 2, 96, 50)
            halves = {key: value.to(cast) if value.dim() == 2 else value for key, value in new.items()}
            got = json.loads(self.tenon("learn", self.save("o.pth", old), self.save("n.pth", halves), "--json"))
            self.assertEqual(got["summary"]["learned"], len(new))

    def test_from_a_file_in_f16(self):
        self.families(torch.float16)

    def test_from_a_file_in_bf16(self):
        self.families(torch.bfloat16)

    def test_experts_and_layers_may_be_more(self):
        torch.manual_seed(1)
        small, large = mixtral(2, 32, 48, 4), mixtral(4, 24, 40, 12)
        a, b, rules = self.save("o.pth", small[0]), self.save("n.pth", small[1]), self.path("r.lua")
        self.tenon("learn", a, b, "-o", rules)
        self.tenon("align", self.save("s.pth", large[0]), self.save("t.pth", large[1]), "-r", rules,
                   "-o", self.path("x.safetensors"))
        self.equal(safetensors.torch.load_file(self.path("x.safetensors")), large[1])

    def test_heads_of_another_size_are_one_number(self):
        torch.manual_seed(2)
        for back in (1, -1):
            for make, wide in ((llama, (2, 128, 4, 2, 96, 50)), (neox, (3, 96, 3))):
                small = llama(2, 64, 4, 2, 96, 50) if make is llama else neox(2, 40, 5)
                text = self.learned(*small[::back])
                size = 16 if make is llama else 8
                self.assertIn(f"head_dim = {size}\n", text)
                with open(self.path("r.lua"), "w", encoding="utf-8") as file:
                    file.write(text.replace(f"head_dim = {size}\n", "head_dim = 32\n"))
                self.applied(*make(*wide)[::back])

    def test_the_size_of_a_head_is_asked_where_it_may_be_another(self):
        torch.manual_seed(9)
        self.learned(*llama(2, 64, 4, 2, 96, 50))
        for width, asked in ((64, False), (96, True)):
            old, new = llama(2, width, width // 16, 2, 96, 50)
            done = subprocess.run([TENON, "align", self.save("s.pth", old), self.save("t.pth", new), "-r", self.path("r.lua")],
                                  capture_output=True, text=True, check=True)
            self.assertEqual("is this the size of a head here?" in done.stderr, asked)

    def test_config_json_says_the_size_of_a_head(self):
        torch.manual_seed(10)
        config = {"hidden_size": 64, "num_attention_heads": 4}
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        text = self.learned(*llama(2, 64, 4, 2, 96, 50))
        self.assertIn("head_dim = config.hidden_size // config.num_attention_heads\n", text)
        large = llama(2, 128, 4, 2, 96, 50)
        self.save("s.pth", large[0])
        self.tenon("align", self.path("s.pth"), "-r", self.path("r.lua"), status=2)      # the old model's configuration
        config = {"hidden_size": 128, "num_attention_heads": 4}
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.applied(*large)

    def test_a_norm_of_each_head_says_its_size(self):
        torch.manual_seed(11)
        def model(layers, width, heads, kv):
            old, new = llama(layers, width, heads, kv, 96, 50)
            for i in range(layers):
                for a in "qk":
                    old[f"model.layers.{i}.self_attn.{a}_norm.weight"] = torch.randn(width // heads)
                    new[f"layers.{i}.attention.{a}_norm.weight"] = old[f"model.layers.{i}.self_attn.{a}_norm.weight"]
            return old, new
        self.assertIn('head_dim = src["model.layers.0.self_attn.q_norm.weight"].shape[1]\n', self.learned(*model(2, 64, 4, 2)))
        self.applied(*model(3, 96, 4, 2))

    def test_fresh_norms_are_told_by_what_their_names_mean(self):
        torch.manual_seed(3)
        small = llama(2, 64, 4, 2, 96, 50, norm=torch.ones)
        self.assertIn("4 with equals were told by names", self.learned(*small))
        self.applied(*llama(3, 64, 4, 2, 96, 50))

    def test_fresh_norms_of_meaningless_names_are_not_guessed(self):
        torch.manual_seed(3)
        old, new = llama(2, 64, 4, 2, 96, 50, norm=torch.ones)
        new = {key.replace("attention_norm", "xa").replace("ffn_norm", "xb"): value for key, value in new.items()}
        got = json.loads(self.tenon("learn", self.save("o.pth", old), self.save("n.pth", new), "--json", status=1))
        self.assertEqual({one["target"] for one in got["open"]},
                         {f"layers.{i}.{norm}.weight" for i in range(2) for norm in ("xa", "xb")})
        self.assertEqual({one["state"] for one in got["open"]}, {"ambiguous"})
        self.assertIn("post_attention_layernorm.weight -> layers.{i}.xa.weight",
                      " ".join(self.learned(old, new, "--say", "post_attention_layernorm=xa").split()))

    def test_numbers_that_were_moved_or_scaled(self):
        """Norms that store scale − 1, and latents that are scaled, as torch computes them."""
        torch.manual_seed(7)
        def model(layers, width, cast):
            old, new = {}, {}
            for i in range(layers):
                for key, shape in (("input_norm", (width,)), ("post_norm", (width,)), ("up", (2 * width, width)),
                                   ("mix", (width, width))):
                    value = torch.randn(shape).to(cast)
                    old[f"model.layers.{i}.{key}.weight"] = value
                    if "norm" in key:
                        value = (value.float() + 1).to(cast)
                    elif key == "up":
                        value = (value.float() * 0.125).to(cast)
                    else:
                        value = (value.float() * 0.18215).to(cast).t()
                    new[f"blk.{i}.{key}.weight"] = value
            return old, new
        for cast in (torch.float32, torch.float16, torch.bfloat16):
            (old, new), rules = model(2, 24, cast), self.path("r.lua")
            got = json.loads(self.tenon("learn", self.save("o.pth", old), self.save("n.pth", new), "-o", rules,
                                        "--force", "--json"))
            self.assertEqual(got["summary"]["learned"], len(new))
            ops = {bundle["targets"][0]: bundle["ops"] for bundle in got["bundles"]}
            self.assertEqual(ops["blk.1.post_norm.weight"], ["add(1)"])
            self.assertEqual(ops["blk.0.up.weight"], ["mul(0.125)"])
            self.assertEqual(ops["blk.1.mix.weight"][0], "T")
            self.tenon("align", self.path("o.pth"), self.path("n.pth"), "-r", rules, "-o", self.path("x.safetensors"), "--force")
            self.equal(safetensors.torch.load_file(self.path("x.safetensors")), new)
        old, new = model(2, 24, torch.float32)
        self.tenon("learn", self.save("o.pth", old), self.save("n.pth", new), "-o", rules, "--force")
        old, new = model(5, 40, torch.float32)
        self.tenon("align", self.save("s.pth", old), self.save("t.pth", new), "-r", rules, "-o", self.path("x.safetensors"), "--force")
        self.equal(safetensors.torch.load_file(self.path("x.safetensors")), new)

    def test_an_output_is_not_replaced(self):
        torch.manual_seed(4)
        state = {"a": torch.randn(3, 4)}
        a, rules = self.save("a.pth", state), self.path("r.lua")
        self.tenon("learn", a, a, "-o", rules)
        self.tenon("learn", a, a, "-o", rules, status=2)
        self.tenon("learn", a, a, "-o", rules, "--force")


class Comparing(Case):
    def test_the_measures_are_numpys(self):
        torch.manual_seed(5)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            a = torch.randn(130, 70, dtype=torch.float64).to(dtype)
            b = (a.double() + 0.01 * torch.randn(130, 70).double()).to(dtype)
            torch.save({"w": a}, self.path("a.pth"))
            torch.save({"w": b}, self.path("b.pth"))
            got = json.loads(self.tenon("diff", self.path("a.pth"), self.path("b.pth"), "--values", "--json",
                                        "--rtol", "1e-3", "--atol", "1e-3", status=1))["entries"][0]["values"]
            x, y = a.double().numpy().ravel(), b.double().numpy().ravel()
            apart = numpy.abs(x - y)
            self.assertEqual(got["count"], x.size)
            self.assertEqual(got["unequal"], int((x != y).sum()))
            close = torch.isclose(a.double(), b.double(), rtol=1e-3, atol=1e-3)
            self.assertEqual(got["outside"], int((~close).sum()))
            self.assertEqual(got["max_abs"], apart.max())
            self.assertEqual(got["at"], int(apart.argmax()))
            self.assertEqual(got["max_rel"], (apart[y != 0] / numpy.abs(y[y != 0])).max())
            self.assertAlmostEqual(got["mean_abs"], apart.mean(), delta=1e-12)
            self.assertAlmostEqual(got["distance"], numpy.linalg.norm(x - y) / numpy.linalg.norm(y), delta=1e-12)
            wanted = torch.nn.functional.cosine_similarity(a.double().ravel(), b.double().ravel(), 0).item()
            self.assertAlmostEqual(got["cosine"], wanted, delta=1e-12)

    def test_casts_are_no_difference(self):
        torch.manual_seed(6)
        state = {"w": torch.randn(50, 60), "n": torch.tensor([float("nan"), float("inf"), 70000.0])}
        torch.save(state, self.path("a.pth"))
        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            torch.save({key: value.to(dtype) for key, value in state.items()}, self.path("b.pth"))
            for a, b in (("a.pth", "b.pth"), ("b.pth", "a.pth")):
                got = json.loads(self.tenon("diff", self.path(a), self.path(b), "--values", "--json"))
                self.assertEqual(got["values"]["cast"], 2)


if __name__ == "__main__":
    unittest.main()
