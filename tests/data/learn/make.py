"""Writes old.safetensors and new.safetensors beside itself: two layers of a small Llama-like model in
the layouts of transformers and of Meta's release, with one fused qkv. Needs torch and safetensors."""
import os

import torch
from safetensors.torch import save_file

HEADS, WIDTH = 2, 8
torch.manual_seed(0)
old, new = {}, {}
for i in range(2):
    q, k, v = (torch.randn(WIDTH, WIDTH) for _ in range(3))
    for name, weight in zip("qkv", (q, k, v)):
        old[f"model.layers.{i}.self_attn.{name}_proj.weight"] = weight
    for name, weight in (("wq", q), ("wk", k)):
        turned = weight.view(HEADS, 2, WIDTH // HEADS // 2, WIDTH).transpose(1, 2)
        new[f"layers.{i}.attention.{name}.weight"] = turned.reshape(WIDTH, WIDTH)
    new[f"layers.{i}.attention.wv.weight"] = v
    gate, up, down = torch.randn(6, WIDTH), torch.randn(6, WIDTH), torch.randn(WIDTH, 6)
    old[f"model.layers.{i}.mlp.gate_up.weight"] = torch.cat([gate, up])
    old[f"model.layers.{i}.mlp.down.kernel"] = down.t()
    new[f"layers.{i}.feed_forward.w1.weight"], new[f"layers.{i}.feed_forward.w3.weight"] = gate, up
    new[f"layers.{i}.feed_forward.w2.weight"] = down
    norm = torch.randn(WIDTH)
    old[f"model.layers.{i}.norm.weight"] = new[f"layers.{i}.norm.weight"] = norm
folder = os.path.dirname(os.path.abspath(__file__))
for name, state in (("old", old), ("new", new)):
    save_file({key: value.clone().contiguous() for key, value in state.items()},
              os.path.join(folder, f"{name}.safetensors"))
