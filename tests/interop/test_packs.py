"""Bundled packs on real numbers: what they write computes the same in the other framework, or is what
the upstream conversion computes."""
import importlib
import os
import subprocess
import unittest

os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import safetensors.torch
import torch
from torch import nn

from oracle import TENON, Case
from upstream import timm

try:
    import keras
    from keras import layers
except ImportError:
    keras = None
try:
    import flax.linen as linen
    import jax
    from flax import serialization
except ImportError:
    linen = None


class Packs(Case):
    def apply(self, path, name, options=""):
        text = subprocess.run([TENON, "rules", "show", name], capture_output=True, text=True, check=True).stdout
        if options:
            text = f"(function(...)\n{text}\nend)({{{options}}})"
        out = self.path("out.safetensors")
        self.tenon("align", path, "-e", text, "-o", out, "--force")
        return safetensors.torch.load_file(out)

    def convert(self, state, name, options=""):
        path = self.path("in.safetensors")
        safetensors.torch.save_file({k: v.detach().contiguous().clone() for k, v in state.items()}, path)
        return self.apply(path, name, options)

    def test_every_pack_passes_its_own_test(self):
        self.tenon("rules", "test")

    def test_llama_is_what_transformers_computes(self):
        """convert_llama_weights_to_hf.py, permute: Meta's rows to Hugging Face's."""
        def permute(w, heads):
            return w.view(heads, w.shape[0] // heads // 2, 2, w.shape[1]).transpose(1, 2).reshape(w.shape)
        torch.manual_seed(1)
        wq, wk, wv = torch.randn(64, 64), torch.randn(16, 64), torch.randn(16, 64)
        meta = {"layers.0.attention.wq.weight": wq, "layers.0.attention.wk.weight": wk, "layers.0.attention.wv.weight": wv}
        got = self.convert(meta, "llama_hf_to_meta", "heads=8, reverse=true")
        prefix = "model.layers.0.self_attn."
        self.assertTrue(torch.equal(got[prefix + "q_proj.weight"], permute(wq, 8)))
        self.assertTrue(torch.equal(got[prefix + "k_proj.weight"], permute(wk, 2)))
        self.assertTrue(torch.equal(got[prefix + "v_proj.weight"], wv))
        back = self.convert(got, "llama_hf_to_meta", "heads=8")
        for key, value in meta.items():
            self.assertTrue(torch.equal(back[key], value))
        gguf = self.convert(got, "llama_hf_to_gguf", "heads=8")       # llama.cpp turns them the same way
        self.assertTrue(torch.equal(gguf["blk.0.attn_q.weight"], wq))
        self.assertTrue(torch.equal(gguf["blk.0.attn_k.weight"], wk))

    def test_neox_is_what_its_attention_computes(self):
        torch.manual_seed(2)
        heads, size, x = 4, 8, torch.randn(5, 32)
        fused = nn.Linear(32, 96)
        want = fused(x).view(5, heads, 3 * size).split(size, -1)
        state = {f"gpt_neox.layers.0.attention.query_key_value.{k}": v for k, v in fused.state_dict().items()}
        got = self.convert(state, "gpt_neox_fused_to_split", "heads=4")
        for part, value in zip("qkv", want):
            prefix = f"gpt_neox.layers.0.attention.{part}_proj."
            y = nn.functional.linear(x, got[prefix + "weight"], got[prefix + "bias"])
            torch.testing.assert_close(y.view(5, heads, size), value)
        back = self.convert(got, "gpt_neox_fused_to_split", "heads=4, reverse=true")
        for key, value in state.items():
            self.assertTrue(torch.equal(back[key], value))

    def test_clip_attention(self):
        torch.manual_seed(3)
        attention, x = nn.MultiheadAttention(16, 2, batch_first=True), torch.randn(2, 5, 16)
        nn.init.normal_(attention.in_proj_bias)
        state = {f"visual.transformer.resblocks.0.attn.{k}": v for k, v in attention.state_dict().items()}
        got = self.convert(state, "clip_openai_to_hf")
        prefix = "vision_model.encoder.layers.0.self_attn."
        q, k, v = (nn.functional.linear(x, got[f"{prefix}{p}_proj.weight"], got[f"{prefix}{p}_proj.bias"])
                   .view(2, 5, 2, 8).transpose(1, 2) for p in "qkv")
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 5, 16)
        y = nn.functional.linear(y, got[prefix + "out_proj.weight"], got[prefix + "out_proj.bias"])
        torch.testing.assert_close(y, attention(x, x, x)[0])

    def test_clip_with_a_resnet(self):
        """timm's own function, on every key of an RN50."""
        convert = importlib.import_module("timm.models.byobnet")._convert_openai_clip
        model = timm.create_model("resnet50_clip")
        state = {key: torch.rand(2) if value.dim() else value for key, value in model.state_dict().items()}
        openai = self.convert(state, "clip_rn_openai_to_timm", "reverse=true")
        self.assertEqual(len(openai), len(state))
        self.assertIn("visual.layer4.2.bn3.running_mean", openai)
        for got in (convert(openai, model), self.convert(openai, "clip_rn_openai_to_timm")):
            self.assertEqual(set(got), set(state))
            for key, value in state.items():
                self.assertTrue(torch.equal(got[key], value), key)

    def test_caffe_there_and_back(self):
        torch.manual_seed(8)
        state = {**{f"conv1.{k}": v for k, v in nn.Conv2d(3, 4, 2).state_dict().items()},
                 **{f"bn1.{k}": torch.rand(4) for k in ("weight", "bias", "running_mean", "running_var")}}
        blobs = self.convert(state, "caffe_to_torch", 'scale={bn1="scale1"}, reverse=true')
        self.assertEqual(sorted(blobs), ["bn1.0", "bn1.1", "bn1.2", "conv1.0", "conv1.1", "scale1.0", "scale1.1"])
        self.assertTrue(torch.equal(blobs["bn1.2"], torch.ones(1)))
        back = self.convert(blobs, "caffe_to_torch", 'scale={bn1="scale1"}')
        self.assertEqual(set(back), set(state))
        for key, value in state.items():
            self.assertTrue(torch.equal(back[key], value), key)

    def test_weight_norms_change_their_names(self):
        torch.manual_seed(4)
        old = nn.utils.weight_norm(nn.Conv1d(4, 8, 3))
        new = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 8, 3))
        new.load_state_dict(self.convert(old.state_dict(), "weight_norm_old_to_new"), strict=True)
        x = torch.randn(1, 4, 9)
        torch.testing.assert_close(new(x), old(x))

    @unittest.skipUnless(keras, "keras is not there")
    def test_keras_layers_compute_the_same(self):
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(4, 3, name="a")(inputs)
        x = layers.BatchNormalization(name="b", epsilon=1e-3)(x)
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="c")(x)
        x = layers.Conv2DTranspose(2, 2, name="d")(x)
        outputs = layers.Dense(5, name="e")(layers.GlobalAveragePooling2D()(x))
        model = keras.Model(inputs, outputs)
        rng = np.random.default_rng(5)
        model.set_weights([rng.uniform(0.1, 1, w.shape).astype("f4") for w in model.get_weights()])
        model.save(self.path("net.h5"))
        model.save(self.path("net.keras"))
        x = rng.normal(size=(2, 8, 8, 3)).astype("f4")
        want = torch.as_tensor(np.asarray(model(x).detach()))
        for path in ("net.keras", "net.h5"):
            got = self.apply(self.path(path), "keras_to_torch")
            net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3), nn.Conv2d(4, 8, 3, groups=4),
                                nn.ConvTranspose2d(8, 2, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 5)).eval()
            modules = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 6}
            names = {"conv2d": "a", "batch_normalization": "b", "depthwise_conv2d": "c", "conv2d_transpose": "d", "dense": "e"}
            state = {}
            for key, value in got.items():
                layer, leaf = key.rsplit(".", 1)
                state[f"{modules[names.get(layer, layer)]}.{leaf}"] = value
            missing = net.load_state_dict(state, strict=False)
            self.assertEqual([k for k in missing.missing_keys if not k.endswith("num_batches_tracked")], [])
            self.assertEqual(missing.unexpected_keys, [])
            torch.testing.assert_close(net(torch.as_tensor(x).permute(0, 3, 1, 2)), want, rtol=1e-4, atol=1e-4)

    @unittest.skipUnless(linen, "flax is not there")
    def test_flax_layers_compute_the_same(self):
        class Net(linen.Module):
            @linen.compact
            def __call__(self, x):
                x = linen.Conv(4, (3, 3), padding="VALID", name="a")(x)
                x = linen.BatchNorm(use_running_average=True, epsilon=1e-5, name="b")(x)
                x = x.mean((1,))
                x = linen.MultiHeadDotProductAttention(num_heads=2, name="c")(x, x)
                return linen.Dense(5, name="d")(linen.LayerNorm(epsilon=1e-5, name="e")(x))
        x = np.random.default_rng(6).normal(size=(2, 8, 8, 3)).astype("f4")
        variables = Net().init(jax.random.PRNGKey(0), x)
        variables = jax.tree_util.tree_map(lambda w: np.random.default_rng(w.size).uniform(0.1, 1, w.shape).astype("f4"), variables)
        with open(self.path("net.msgpack"), "wb") as file:
            file.write(serialization.msgpack_serialize(variables))
        got = self.apply(self.path("net.msgpack"), "flax_to_torch")
        y = nn.functional.conv2d(torch.as_tensor(x).permute(0, 3, 1, 2), got["a.weight"], got["a.bias"])
        y = nn.functional.batch_norm(y, got["b.running_mean"], got["b.running_var"], got["b.weight"], got["b.bias"], eps=1e-5)
        y = y.mean(2).transpose(1, 2)
        q, k, v = (nn.functional.linear(y, got[f"c.{p}.weight"], got[f"c.{p}.bias"]).view(2, 6, 2, 2).transpose(1, 2)
                   for p in ("query", "key", "value"))
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 6, 4)
        y = nn.functional.linear(y, got["c.out.weight"], got["c.out.bias"])
        y = nn.functional.layer_norm(y, (4,), got["e.weight"], got["e.bias"], 1e-5)
        y = nn.functional.linear(y, got["d.weight"], got["d.bias"])
        torch.testing.assert_close(y, torch.as_tensor(np.asarray(Net().apply(variables, x))), rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    unittest.main()
