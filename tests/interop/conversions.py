"""The twelve conversions of ../shared/rules as people write them by hand: a function each, from one
state dict to the other. Tests hold tenon's output against them (test_conversions.py), and the
benchmark times them (tests/bench/conversions.py)."""
import json
import os
import re

import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(os.path.dirname(ROOT), "shared", "rules")


def data_parallel(state):
    return {key.removeprefix("module."): value for key, value in state.items()}


def essmc2_sub(state):
    return {key[len("module.backbone."):]: value for key, value in state.items()
            if key.startswith("module.backbone.")}


def pet_vgg16(state):
    names = {24: "features2.1", 26: "features2.3", 28: "features2.5", 31: "conv6", 33: "conv7"}
    out = {}
    for key, value in state.items():
        number, part = key.split(".")
        out[f"{names.get(int(number), f'features1.{number}')}.{part}"] = value
    return out


def rgb_to_bgr(state):
    out = dict(state)
    out["conv1.weight"] = out["conv1.weight"][:, [2, 1, 0]]
    return out


def torchvision_to_detectron2(state):
    out = {}
    for key, value in state.items():
        if key.startswith("fc.") or key.endswith("num_batches_tracked"):
            continue
        if "layer" not in key:
            key = "stem." + key
        for i in (1, 2, 3, 4):
            key = key.replace(f"layer{i}", f"res{i + 1}")
        for i in (1, 2, 3):
            key = key.replace(f"bn{i}", f"conv{i}.norm")
        key = key.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
        out["backbone.bottom_up." + key] = value
    return out


def timm_vit_to_hf(state):
    out = {}
    for key, value in state.items():
        for old, new in (("blocks.", "encoder.layer."), ("norm1", "layernorm_before"),
                         ("norm2", "layernorm_after"), ("attn.proj", "attention.output.dense"),
                         ("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense"),
                         ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
                         ("cls_token", "embeddings.cls_token"),
                         ("pos_embed", "embeddings.position_embeddings")):
            key = key.replace(old, new)
        key = re.sub(r"^norm\.", "layernorm.", key)
        if key.startswith("head."):
            out[key.replace("head.", "classifier.")] = value
        elif ".attn.qkv." in key:
            for name, part in zip(("query", "key", "value"), value.chunk(3)):
                out["vit." + key.replace("attn.qkv", "attention.attention." + name)] = part
        else:
            out["vit." + key] = value
    return out


def llama_to_meta(state):
    def pairs(weight, heads):
        return (weight.view(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
                .transpose(1, 2).reshape(weight.shape))

    out = {}
    for key, value in state.items():
        if key.endswith("rotary_emb.inv_freq"):
            continue
        key = key.removeprefix("model.")
        if "q_proj" in key:
            value = pairs(value, 4)
        elif "k_proj" in key:
            value = pairs(value, 2)
        for old, new in (("embed_tokens", "tok_embeddings"), ("lm_head", "output"),
                         ("self_attn.q_proj", "attention.wq"), ("self_attn.k_proj", "attention.wk"),
                         ("self_attn.v_proj", "attention.wv"), ("self_attn.o_proj", "attention.wo"),
                         ("mlp.gate_proj", "feed_forward.w1"), ("mlp.down_proj", "feed_forward.w2"),
                         ("mlp.up_proj", "feed_forward.w3"), ("input_layernorm", "attention_norm"),
                         ("post_attention_layernorm", "ffn_norm")):
            key = key.replace(old, new)
        out[key] = value
    return out


def mixtral_stacked(state):
    out, experts = {}, {}
    for key, value in state.items():
        found = re.fullmatch(r"(.*)\.block_sparse_moe\.experts\.(\d+)\.w([123])\.weight", key)
        if found:
            experts.setdefault(found[1], {})[int(found[2]), int(found[3])] = value
        else:
            out[key.replace("block_sparse_moe.gate", "mlp.gate")] = value
    for layer, weights in experts.items():
        count = 1 + max(e for e, _ in weights)
        out[layer + ".mlp.experts.gate_up_proj"] = torch.stack(
            [torch.cat([weights[e, 1], weights[e, 3]]) for e in range(count)])
        out[layer + ".mlp.experts.down_proj"] = torch.stack([weights[e, 2] for e in range(count)])
    return out


def clip_to_hf(state):
    out = {}
    for key, value in state.items():
        if key in ("visual.proj", "text_projection"):
            name = "visual_projection" if key == "visual.proj" else key
            out[name + ".weight"] = value.t()
            continue
        tower = "vision_model" if key.startswith("visual.") else "text_model"
        for old, new in (("visual.", ""), ("transformer.resblocks", f"{tower}.encoder.layers"),
                         ("attn.", "self_attn."), ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
                         ("c_fc", "fc1"), ("c_proj", "fc2"),
                         ("ln_pre", "vision_model.pre_layrnorm"),
                         ("ln_post", "vision_model.post_layernorm"),
                         ("ln_final", "text_model.final_layer_norm"),
                         ("token_embedding", "text_model.embeddings.token_embedding")):
            key = key.replace(old, new)
        key = re.sub(r"^conv1", "vision_model.embeddings.patch_embedding", key)
        if key == "class_embedding":
            key = "vision_model.embeddings.class_embedding"
        if key == "positional_embedding":
            key = tower + ".embeddings.position_embedding.weight"
        found = re.fullmatch(r"(.*)in_proj_(weight|bias)", key)
        if found:
            for name, part in zip("qkv", value.chunk(3)):
                out[f"{found[1]}{name}_proj.{found[2]}"] = part
        else:
            out[key] = value
    return out


def sd_unet_to_diffusers(state):
    plain = {"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
             "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
             "middle_block.0": "mid_block.resnets.0", "middle_block.1": "mid_block.attentions.0",
             "middle_block.2": "mid_block.resnets.1"}
    inner = (("in_layers.0", "norm1"), ("in_layers.2", "conv1"), ("emb_layers.1", "time_emb_proj"),
             ("out_layers.0", "norm2"), ("out_layers.3", "conv2"),
             ("skip_connection", "conv_shortcut"))
    out = {}
    for key, value in state.items():
        key = key.removeprefix("model.diffusion_model.")
        found = re.match(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.*)", key)
        head = next((old for old in plain if key.startswith(old + ".")), None)
        if head:
            key = plain[head] + key[len(head):]
        elif found:
            side, block, place, rest = found[1], int(found[2]), int(found[3]), found[4]
            kind = "resnets" if place == 0 else "attentions"
            if side == "input" and rest.startswith("op."):
                key = f"down_blocks.{(block - 1) // 3}.downsamplers.0.conv.{rest[3:]}"
            elif side == "input":
                key = f"down_blocks.{(block - 1) // 3}.{kind}.{(block - 1) % 3}.{rest}"
            elif rest.startswith("conv."):
                key = f"up_blocks.{block // 3}.upsamplers.0.{rest}"
            else:
                key = f"up_blocks.{block // 3}.{kind}.{block % 3}.{rest}"
        for old, new in inner:
            key = key.replace(old, new)
        out[key] = value
    return out


def lightning(state):
    wrappers = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
    return {".".join(s for s in key[len("model."):].split(".") if s not in wrappers): value
            for key, value in state.items() if key.startswith("model.")}


def optimizer(checkpoint):
    """A whole checkpoint: the names change, the numbers of the optimizer's parameters do not."""
    state = {re.sub(r"^fc\.", "head.fc.", key.removeprefix("module.")): value
             for key, value in checkpoint["model"].items()}
    return {**checkpoint, "model": state}


CONVERSIONS = {
    "01_dataparallel": data_parallel,
    "02a_essmc2_head": data_parallel,
    "02b_essmc2_sub": essmc2_sub,
    "03_pet_vgg16": pet_vgg16,
    "04_rgb2bgr": rgb_to_bgr,
    "05_tv_to_d2": torchvision_to_detectron2,
    "06_timm_vit_to_hf": timm_vit_to_hf,
    "07_llama_hf_to_meta": llama_to_meta,
    "08_mixtral": mixtral_stacked,
    "09_clip": clip_to_hf,
    "10_sd_unet": sd_unet_to_diffusers,
    "11_lightning_compile": lightning,
}


def keys_of(name):
    """What ../shared/rules says of a conversion; None where it is not there."""
    path = os.path.join(RULES, name + ".json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def source_of(keys, size=1, seed=0, dtype=torch.float32):
    """A state dict with a conversion's source keys; every extent is `size` times what it says."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for one in keys["source"]["tensors"]:
        shape = [extent * size for extent in one["shape"]]
        if one["key"].endswith("num_batches_tracked"):
            state[one["key"]] = torch.randint(0, 1000, shape, generator=generator)
        else:
            state[one["key"]] = torch.randn(shape, generator=generator, dtype=torch.float32).to(dtype)
    return state
