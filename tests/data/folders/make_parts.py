#!/usr/bin/env python3
"""Folders whose model was cut for two model-parallel ranks: meta/ as Llama's consolidated.NN.pth, and
megatron/ as Megatron-LM's iter_NNNNNNN/mp_rank_NN; whole_*.pth are the weights before the cut."""
import argparse
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


if __name__ == "__main__":
    meta()
    megatron()
