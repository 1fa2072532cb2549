#!/usr/bin/env python3
"""Folders whose model was cut for two model-parallel ranks: meta/ as Llama's consolidated.NN.pth, and
megatron/ as Megatron-LM's iter_NNNNNNN/mp_rank_NN; universal/ as DeepSpeed's ds_to_universal.py writes.
whole_*.pth are the weights before the cut."""
import argparse
import collections
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HIDDEN, WORDS, RANKS = 8, 12, 10, 2


def counted(*shape):
    counted.at += 1
    n = torch.Size(shape).numel()
    return (torch.arange(n, dtype=torch.float32) + 1000 * counted.at).to(torch.bfloat16).reshape(shape)


counted.at = 0


def cut(whole, dims, rank):
    """dims: what begins or ends a name → the dim it was cut along; None: whole in each rank."""
    out = {}
    for name, tensor in whole.items():
        dim = next(dim for end, dim in dims if name.endswith(end))
        out[name] = tensor.clone() if dim is None else tensor.chunk(RANKS, dim)[rank].clone()
    return out


def save(value, *path):
    path = os.path.join(HERE, *path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.save(value, path)


def meta():
    whole = {"tok_embeddings.weight": counted(WORDS, WIDTH), "norm.weight": counted(WIDTH),
             "output.weight": counted(WORDS, WIDTH)}
    for i in range(2):
        base = f"layers.{i}."
        for name in ("wq", "wk", "wv", "wo"):
            whole[f"{base}attention.{name}.weight"] = counted(WIDTH, WIDTH)
        whole[base + "feed_forward.w1.weight"] = counted(HIDDEN, WIDTH)
        whole[base + "feed_forward.w2.weight"] = counted(WIDTH, HIDDEN)
        whole[base + "feed_forward.w3.weight"] = counted(HIDDEN, WIDTH)
        whole[base + "attention_norm.weight"] = counted(WIDTH)
        whole[base + "ffn_norm.weight"] = counted(WIDTH)
    whole["rope.freqs"] = counted(2)
    dims = [("norm.weight", None), ("rope.freqs", None), ("tok_embeddings.weight", 1),
            ("wo.weight", 1), ("w2.weight", 1), ("", 0)]
    save(whole, "whole_meta.pth")
    for rank in range(RANKS):
        save(cut(whole, dims, rank), "meta", f"consolidated.{rank:02d}.pth")


def megatron():
    whole = {"word_embeddings.weight": counted(WORDS, WIDTH), "final_layernorm.weight": counted(WIDTH)}
    for i in range(2):
        base = f"layers.{i}."
        whole[base + "input_layernorm.weight"] = counted(WIDTH)
        whole[base + "attention.query_key_value.weight"] = counted(3 * WIDTH, WIDTH)
        whole[base + "attention.query_key_value.bias"] = counted(3 * WIDTH)
        whole[base + "attention.dense.weight"] = counted(WIDTH, WIDTH)
        whole[base + "attention.dense.bias"] = counted(WIDTH)
        whole[base + "mlp.dense_4h_to_h.weight"] = counted(WIDTH, 4 * WIDTH)
        whole[base + "mlp.dense_4h_to_h.bias"] = counted(WIDTH)
    dims = [("layernorm.weight", None), ("dense.bias", None), ("4h_to_h.bias", None),
            ("dense.weight", 1), ("4h_to_h.weight", 1), ("", 0)]
    save(whole, "whole_megatron.pth")
    for rank in range(RANKS):
        model = {"language_model": {"encoder": cut(whole, dims, rank)}}
        save({"args": argparse.Namespace(tensor_model_parallel_size=RANKS), "checkpoint_version": 3.0,
              "iteration": 10, "model": model},
             "megatron", "iter_0000010", f"mp_rank_{rank:02d}", "model_optim_rng.pt")
    with open(os.path.join(HERE, "megatron", "latest_checkpointed_iteration.txt"), "w") as out:
        out.write("10")


def universal():
    """As deepspeed/checkpoint/ds_to_universal.py leaves a run of two parameters and a buffer."""
    shapes = {"fc.weight": torch.Size((3, 4)), "fc.bias": torch.Size((3,)), "norm.weight": torch.Size((4,))}
    full = {name: counted(*shape).float() + 0.25 for name, shape in shapes.items()}
    tag = ("universal", "global_step10_universal")
    for name, tensor in full.items():
        save({"cat_dim": 0, "param": tensor}, *tag, "zero", name, "fp32.pt")
        save({"cat_dim": 0, "param": tensor / 2}, *tag, "zero", name, "exp_avg.pt")
        save({"cat_dim": 0, "param": tensor * 2}, *tag, "zero", name, "exp_avg_sq.pt")
        save(torch.tensor(10.0) if name == "fc.bias" else 10, *tag, "zero", name, "step.pt")
    save({"zero_stage": 1, "partition_count": 2, "ds_version": "0.14.0",
          "param_groups": [{"lr": 0.1, "params": [0]}]}, *tag, "zero", "optimizer_state.pt")
    module = collections.OrderedDict((name, tensor.bfloat16()) for name, tensor in full.items())
    module["norm.mean"] = counted(4)
    module.move_to_end("norm.weight")
    save({"module": module, "buffer_names": ["norm.mean"], "param_shapes": [shapes],
          "ds_version": "0.14.0", "universal_checkpoint_info": {"universal_checkpoint_version": 0.2}},
         *tag, "mp_rank_00_model_states.pt")
    with open(os.path.join(HERE, "universal", "latest_universal"), "w") as out:
        out.write(tag[1])
    whole = collections.OrderedDict((name, full.get(name, module[name])) for name in module)
    save(whole, "whole_universal.pth")


if __name__ == "__main__":
    meta()
    megatron()
    universal()
