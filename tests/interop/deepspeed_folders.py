"""Lays out folders as DeepSpeed's engine does (ZeRO 1 to 3, pipelines, experts), and merges them
again as its zero_to_fp32.py does, written anew from its rules."""
import glob
import math
import os
import re
from collections import OrderedDict

import torch


def shapes(tensors):
    return OrderedDict((name, tensor.shape) for name, tensor in tensors.items()) or None


def model_states(path, module, groups, buffers, frozen, fragments, shared, **more):
    torch.save({"module": module, "buffer_names": list(buffers), "optimizer": None,
                "param_shapes": [shapes(group) or OrderedDict() for group in groups],
                "frozen_param_shapes": shapes(frozen), "frozen_param_fragments": fragments or None,
                "shared_params": dict(shared), "ds_version": "0.16.0", "global_steps": 10,
                "ds_config": {"zero_optimization": {}}, **more}, path)


def optim_states(path, **state):
    torch.save({"optimizer_state_dict": {"loss_scaler": None, "base_optimizer_state":
                                         {"state": {0: {"exp_avg": torch.zeros(3)}}}, **state},
                "ds_config": {}, "ds_version": "0.16.0"}, path)


def start(folder, tag):
    inner = os.path.join(folder, tag)
    os.makedirs(inner, exist_ok=True)
    with open(os.path.join(folder, "latest"), "w", encoding="ascii") as file:
        file.write(tag)
    return inner


def zero2(folder, world, groups, buffers=(), frozen=(), shared=(), prefix="bf16_", rank="00",
          stage=2, paddings=None, tag="global_step10"):
    """Stages 1 and 2: whole 16-bit weights, and flat fp32 groups cut over the ranks."""
    inner, buffers, frozen = start(folder, tag), dict(buffers), dict(frozen)
    module = OrderedDict((name, tensor.bfloat16()) for group in groups
                         for name, tensor in group.items())
    module.update(frozen)
    module.update(buffers)
    module.update({alias: module[name] for alias, name in dict(shared).items()})
    model_states(os.path.join(inner, f"mp_rank_{rank}_model_states.pt"), module, groups, buffers,
                 frozen, OrderedDict(frozen), shared)
    cut = []
    for number, group in enumerate(groups):
        flat = []
        for place, tensor in enumerate(group.values()):
            flat.append(tensor.reshape(-1).float())
            if paddings:
                flat.append(torch.full((paddings[number][place],), math.nan))
        flat = torch.cat(flat)
        flat = torch.cat([flat, torch.full((-flat.numel() % (2 * world),), math.nan)])
        cut.append(flat.chunk(world))
    more = {"param_alignment_paddings": paddings} if paddings else {}
    for i in range(world):
        optim_states(os.path.join(inner, f"{prefix}zero_pp_rank_{i}_mp_rank_{rank}_optim_states.pt"),
                     zero_stage=stage, partition_count=[world] * len(groups),
                     single_partition_of_fp32_groups=[part[i].clone() for part in cut], **more)


def part_of(tensor, world, rank):
    size = math.ceil(tensor.numel() / world)
    flat = torch.cat([tensor.reshape(-1),
                      torch.zeros(size * world - tensor.numel(), dtype=tensor.dtype)])
    return flat[rank * size:(rank + 1) * size].clone()


def zero3(folder, world, groups, buffers=(), frozen=(), shared=(), subgroups=2,
          tag="global_step10"):
    """Stage 3: every rank has a piece of every parameter, in flat groups of whole pieces."""
    inner, buffers, frozen = start(folder, tag), dict(buffers), dict(frozen)
    weights = [(name, tensor) for group in groups for name, tensor in group.items()]
    for rank in range(world):
        module = OrderedDict((name, torch.empty(0, dtype=torch.bfloat16)) for name, _ in weights)
        module.update(buffers)
        fragments = OrderedDict((name, part_of(tensor, world, rank))
                                for name, tensor in frozen.items())
        model_states(os.path.join(inner, f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt"),
                     module, groups, buffers, frozen, fragments, shared)
        own = [part_of(tensor.float(), world, rank) for _, tensor in weights]
        edges = [len(own) * i // subgroups for i in range(subgroups + 1)]
        flat = [torch.cat(own[a:b]) if b > a else torch.empty(0)
                for a, b in zip(edges, edges[1:])]
        optim_states(
            os.path.join(inner, f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"),
            zero_stage=3, partition_count=world, fp32_flat_groups=flat)


def natural(path):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]


def merge(folder):
    """The fp32 state dict, from the files alone."""
    with open(os.path.join(folder, "latest"), encoding="ascii") as file:
        inner = os.path.join(folder, file.read().strip())
    models, optims = ([torch.load(path, weights_only=False) for path in
                       sorted(glob.glob(os.path.join(inner, pattern)), key=natural)]
                      for pattern in ("*_model_states.pt", "*_optim_states.pt"))
    states = [one["optimizer_state_dict"] for one in optims]
    world, first, out = len(states), models[0], OrderedDict()
    for name, tensor in first["module"].items():
        if name in first["buffer_names"]:
            out[name] = tensor.float() if tensor.is_floating_point() else tensor
    stage3 = states[0]["zero_stage"] == 3
    for name, shape in (first["frozen_param_shapes"] or {}).items():
        parts = [one["frozen_param_fragments"][name] for one in (models if stage3 else [first])]
        out[name] = torch.cat([part.reshape(-1) for part in parts])[:shape.numel()].view(shape)
    if stage3:
        flats, at = [torch.cat(one["fp32_flat_groups"]) for one in states], 0
        for name, shape in ((n, s) for group in first["param_shapes"] for n, s in group.items()):
            size = math.ceil(shape.numel() / world)
            joined = torch.cat([flat[at:at + size] for flat in flats])
            out[name] = joined[:shape.numel()].view(shape)
            at += size
    for number, group in enumerate(() if stage3 else first["param_shapes"]):
        flat, at = torch.cat([one["single_partition_of_fp32_groups"][number] for one in states]), 0
        paddings = states[0].get("param_alignment_paddings")
        for place, (name, shape) in enumerate(group.items()):
            out[name] = flat[at:at + shape.numel()].view(shape)
            at += shape.numel() + (paddings[number][place] if paddings else 0)
    for alias, name in first["shared_params"].items():
        out[alias] = out[name]
    return out
