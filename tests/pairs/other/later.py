"""Pairs of model families, as those of blind.py, that were written down and measured once before automatic alignment was
worked on again. Sources: ControlNet, mmpretrain, EVA and timm's loader, Scenic's OWL-ViT, GPT-NeoX, Phi as it was first
released, Griffin, darknet in PyTorch and mmdetection, EfficientNet of TensorFlow's TPU examples, StyleGAN2 of NVIDIA and
rosinality, VITS, flash-attention's BERT, RLlib and Stable-Baselines3, GLM-4, Qwen, RAFT, SuperPoint, ml-cvnets, Stable
Audio's Oobleck, AnimateDiff, Wan, and the conversion scripts of transformers and diffusers.
"""
from families import Maker
from held_out import NORM, batch_norm, dense, kernel


class Rows(Maker):
    """A model whose target has another order than its source: rows wait until a block of them is put down."""

    def __init__(self, name, turned=()):
        super().__init__(name, turned)
        self.waiting = []

    def row(self, source, target, *shape, seen=None):
        """One tensor; `seen` is the target's shape, where it is another one."""
        self.src(source, *shape)
        self.waiting.append((target, shape if seen is None else seen, source))

    def layer(self, source, target, *shape, bias=True):
        self.row(source + ".weight", target + ".weight", *shape)
        if bias:
            self.row(source + ".bias", target + ".bias", shape[0])

    def same(self, source, target, *rows):
        """Layers that have one name in both, and their shapes."""
        for name, *shape in rows:
            self.layer(f"{source}.{name}", f"{target}.{name}", *shape)

    def parts(self, source, targets, sizes, width, bias=True):
        """A whole, and the targets that lie in it."""
        self.src(source + ".weight", sum(sizes), width)
        if bias:
            self.src(source + ".bias", sum(sizes))
        for target, size in zip(targets, sizes):
            self.waiting.append((target + ".weight", (size, width), source + ".weight"))
            if bias:
                self.waiting.append((target + ".bias", (size,), source + ".bias"))

    def put(self, *first):
        """The rows that wait, those first whose targets have the first of these words."""
        def rank(row):
            return next((i for i, word in enumerate(first) if word in row[0]), len(first))

        for target, shape, source in sorted(self.waiting, key=rank):
            self.tgt(target, *shape, of=source)
        self.waiting = []


def norm_rows(m, source, target, width):
    """A batch norm of torch on both sides, with its counter."""
    for leaf in NORM:
        m.row(f"{source}.{leaf}", f"{target}.{leaf}", width)
    m.row(f"{source}.num_batches_tracked", f"{target}.num_batches_tracked")


def controlnet(d=320, words=768):
    """The lower half of a U-Net with its hint and zero convolutions, flat against nested."""
    m = Rows("controlnet_sd15_to_diffusers")
    s = "control_model"
    for k in (0, 2):
        m.layer(f"{s}.time_embed.{k}", f"time_embedding.linear_{k // 2 + 1}", 4 * d, d if k == 0 else 4 * d)

    def resnet(a, b, width, n):
        m.layer(f"{a}.in_layers.0", f"{b}.norm1", n)
        m.layer(f"{a}.in_layers.2", f"{b}.conv1", width, n, 3, 3)
        m.layer(f"{a}.emb_layers.1", f"{b}.time_emb_proj", width, 4 * d)
        m.layer(f"{a}.out_layers.0", f"{b}.norm2", width)
        m.layer(f"{a}.out_layers.3", f"{b}.conv2", width, width, 3, 3)
        if width != n:
            m.layer(f"{a}.skip_connection", f"{b}.conv_shortcut", width, n, 1, 1)

    def attention(a, b, width):
        m.layer(f"{a}.norm", f"{b}.norm", width)
        m.layer(f"{a}.proj_in", f"{b}.proj_in", width, width, 1, 1)
        a, b = f"{a}.transformer_blocks.0", f"{b}.transformer_blocks.0"
        for k, n in ((1, width), (2, words)):
            for p in "qkv":
                m.layer(f"{a}.attn{k}.to_{p}", f"{b}.attn{k}.to_{p}", width, width if p == "q" else n, bias=False)
            m.layer(f"{a}.attn{k}.to_out.0", f"{b}.attn{k}.to_out.0", width, width)
            if k == 1:
                m.layer(f"{a}.ff.net.0.proj", f"{b}.ff.net.0.proj", 8 * width, width)
                m.layer(f"{a}.ff.net.2", f"{b}.ff.net.2", width, 4 * width)
        for k in (1, 2, 3):
            m.layer(f"{a}.norm{k}", f"{b}.norm{k}", width)
        a, b = a[:-21], b[:-21]
        m.layer(f"{a}.proj_out", f"{b}.proj_out", width, width, 1, 1)

    m.layer(f"{s}.input_blocks.0.0", "conv_in", d, 4, 3, 3)
    at, before, widths = 1, d, [d]
    for i, width in enumerate((d, 2 * d, 4 * d, 4 * d)):
        for j in range(2):
            resnet(f"{s}.input_blocks.{at}.0", f"down_blocks.{i}.resnets.{j}", width, before)
            if i < 3:
                attention(f"{s}.input_blocks.{at}.1", f"down_blocks.{i}.attentions.{j}", width)
            at, before = at + 1, width
            widths.append(width)
        if i < 3:
            m.layer(f"{s}.input_blocks.{at}.0.op", f"down_blocks.{i}.downsamplers.0.conv", width, width, 3, 3)
            at += 1
            widths.append(width)
    for k, width in enumerate(widths):
        m.layer(f"{s}.zero_convs.{k}.0", f"controlnet_down_blocks.{k}", width, width, 1, 1)
    hint = (3, 16, 16, 32, 32, 96, 96, 256, d)
    for k in range(8):
        name = "conv_in" if k == 0 else "conv_out" if k == 7 else f"blocks.{k - 1}"
        m.layer(f"{s}.input_hint_block.{2 * k}", f"controlnet_cond_embedding.{name}", hint[k + 1], hint[k], 3, 3)
    resnet(f"{s}.middle_block.0", "mid_block.resnets.0", before, before)
    attention(f"{s}.middle_block.1", "mid_block.attentions.0", before)
    resnet(f"{s}.middle_block.2", "mid_block.resnets.1", before, before)
    m.layer(f"{s}.middle_block_out.0", "controlnet_mid_block", before, before, 1, 1)
    m.put("embedding", "mid_block.resnets", "mid_block.attentions", "down_blocks.0.", "down_blocks.1.", "down_blocks.2.",
          "down_blocks.3.", "controlnet_down", "controlnet_mid")
    return m.pair()


def convnext(widths=(96, 192, 384, 768), depths=(3, 3, 9, 3)):
    """mmpretrain's names against timm's; the first of the downsampling layers is the stem."""
    m = Rows("convnext_tiny_mmpretrain_to_timm")
    m.layer("backbone.downsample_layers.0.0", "stem.0", widths[0], 3, 4, 4)
    m.layer("backbone.downsample_layers.0.1", "stem.1", widths[0])
    for i in (1, 2, 3):
        m.layer(f"backbone.downsample_layers.{i}.0", f"stages.{i}.downsample.0", widths[i - 1])
        m.layer(f"backbone.downsample_layers.{i}.1", f"stages.{i}.downsample.1", widths[i], widths[i - 1], 2, 2)
    for i, (d, depth) in enumerate(zip(widths, depths)):
        for j in range(depth):
            a, b = f"backbone.stages.{i}.{j}", f"stages.{i}.blocks.{j}"
            m.row(f"{a}.gamma", f"{b}.gamma", d)
            m.layer(f"{a}.depthwise_conv", f"{b}.conv_dw", d, 1, 7, 7)
            m.layer(f"{a}.norm", f"{b}.norm", d)
            m.layer(f"{a}.pointwise_conv1", f"{b}.mlp.fc1", 4 * d, d)
            m.layer(f"{a}.pointwise_conv2", f"{b}.mlp.fc2", d, 4 * d)
    m.layer("backbone.norm3", "head.norm", widths[3])
    m.layer("head.fc", "head.fc", 1000, widths[3])
    m.put("stem", *(f"stages.{i}.{part}" for i in range(4) for part in ("downsample", "blocks")))
    return m.pair()


def eva(d=768, layers=12, inner=2048):
    """Letters with numbers for the gate, and biases that stand beside their matrices."""
    m = Rows("eva02_base_to_timm")
    m.row("cls_token", "cls_token", 1, 1, d)
    m.row("pos_embed", "pos_embed", 1, 1025, d)
    m.layer("patch_embed.proj", "patch_embed.proj", d, 3, 14, 14)
    for leaf in ("freqs_cos", "freqs_sin"):
        m.src(f"rope.{leaf}", 1024, 64)
    for i in range(layers):
        a = b = f"blocks.{i}"
        m.same(a, b, ("norm1", d))
        for p in "qv":
            m.row(f"{a}.attn.{p}_bias", f"{b}.attn.{p}_proj.bias", d)
        for p in "qkv":
            m.row(f"{a}.attn.{p}_proj.weight", f"{b}.attn.{p}_proj.weight", d, d)
        m.same(a, b, ("attn.proj", d, d), ("norm2", d))
        m.layer(f"{a}.mlp.w1", f"{b}.mlp.fc1_g", inner, d)
        m.layer(f"{a}.mlp.w2", f"{b}.mlp.fc1_x", inner, d)
        m.layer(f"{a}.mlp.ffn_ln", f"{b}.mlp.norm", inner)
        m.layer(f"{a}.mlp.w3", f"{b}.mlp.fc2", d, inner)
        m.put("token", "embed", "norm1", "q_proj", "k_proj", "v_proj", "attn.proj", "norm2", "fc1_g", "fc1_x", "mlp.norm")
    m.layer("fc_norm", "fc_norm", d)
    m.layer("head", "head", 1000, d)
    m.put()
    return m.pair()


def owlvit(d=768, words=512, layers=12):
    """Two towers of Flax with heads that have an axis, and two small heads."""
    m = Maker("owlvit_b32_scenic_to_hf_T_sorted")
    c, t = "backbone/clip", "owlvit"

    def norm(source, target, width):
        m.both(f"{source}/scale", f"{target}.weight", width)
        m.both(f"{source}/bias", f"{target}.bias", width)

    def layer(source, target, out, width):
        dense(m, f"{source}/kernel", f"{target}.weight", out, width)
        m.both(f"{source}/bias", f"{target}.bias", out)

    def tower(source, target, width):
        heads = width // 64
        for i in range(layers):
            a, b = f"{source}/transformer/resblocks.{i}", f"{target}.encoder.layers.{i}"
            for p, q in (("key", "k_proj"), ("value", "v_proj"), ("query", "q_proj")):
                m.src(f"{a}/attn/{p}/kernel", width, heads, 64)
                m.tgt(f"{b}.self_attn.{q}.weight", width, width, of=f"{a}/attn/{p}/kernel")
                m.src(f"{a}/attn/{p}/bias", heads, 64)
                m.tgt(f"{b}.self_attn.{q}.bias", width, of=f"{a}/attn/{p}/bias")
            m.src(f"{a}/attn/out/kernel", heads, 64, width)
            m.tgt(f"{b}.self_attn.out_proj.weight", width, width, of=f"{a}/attn/out/kernel")
            m.both(f"{a}/attn/out/bias", f"{b}.self_attn.out_proj.bias", width)
            norm(f"{a}/ln_1", f"{b}.layer_norm1", width)
            layer(f"{a}/mlp/c_fc", f"{b}.mlp.fc1", 4 * width, width)
            layer(f"{a}/mlp/c_proj", f"{b}.mlp.fc2", width, 4 * width)
            norm(f"{a}/ln_2", f"{b}.layer_norm2", width)

    m.both(f"{c}/logit_scale", f"{t}.logit_scale")
    m.both(f"{c}/text/token_embedding/embedding", f"{t}.text_model.embeddings.token_embedding.weight", 49408, words)
    m.both(f"{c}/text/positional_embedding", f"{t}.text_model.embeddings.position_embedding.weight", 16, words)
    tower(f"{c}/text", f"{t}.text_model", words)
    norm(f"{c}/text/ln_final", f"{t}.text_model.final_layer_norm", words)
    m.both(f"{c}/visual/class_embedding", f"{t}.vision_model.embeddings.class_embedding", d)
    kernel(m, f"{c}/visual/conv1/kernel", f"{t}.vision_model.embeddings.patch_embedding.weight", d, 3, 32)
    m.both(f"{c}/visual/positional_embedding", f"{t}.vision_model.embeddings.position_embedding.weight", 577, d)
    norm(f"{c}/visual/ln_pre", f"{t}.vision_model.pre_layernorm", d)
    tower(f"{c}/visual", f"{t}.vision_model", d)
    norm(f"{c}/visual/ln_post", f"{t}.vision_model.post_layernorm", d)
    m.tgt(f"{t}.visual_projection.weight", words, d)
    dense(m, f"{c}/text/text_projection/kernel", f"{t}.text_projection.weight", words, words)
    layer("class_head/Dense_0", "class_head.dense0", words, d)
    layer("class_head/logit_shift", "class_head.logit_shift", 1, d)
    layer("class_head/logit_scale", "class_head.logit_scale", 1, d)
    for k, out in enumerate((d, d, 4)):
        layer(f"obj_box_head/Dense_{k}", f"box_head.dense{k}", out, d)
    norm("backbone/merged_class_token", "layer_norm", d)
    return m.pair(sort_source=True)


def neox(d=1024, layers=16, vocab=50304):
    """A pipeline's numbers, in which everything is a layer, against named ones."""
    m = Rows("neox_sequential_to_hf")
    m.row("sequential.0.word_embeddings.weight", "gpt_neox.embed_in.weight", vocab, d)
    m.put()
    for i in range(layers):
        a, b = f"sequential.{i + 2}", f"gpt_neox.layers.{i}"
        m.same(a, b, ("input_layernorm", d), ("attention.query_key_value", 3 * d, d))
        m.src(f"{a}.attention.rotary_emb.inv_freq", 8)
        m.same(a, b, ("attention.dense", d, d), ("post_attention_layernorm", d),
               ("mlp.dense_h_to_4h", 4 * d, d), ("mlp.dense_4h_to_h", d, 4 * d))
        m.put("layernorm")
    m.layer(f"sequential.{layers + 3}.norm", "gpt_neox.final_layer_norm", d)
    m.row(f"sequential.{layers + 4}.final_linear.weight", "embed_out.weight", vocab, d)
    m.put()
    return m.pair()


def phi(d=2048, layers=24, vocab=51200):
    """Everything is a layer of one list, the embedding and the head too; what is fused comes apart."""
    m = Rows("phi_mixformer_to_hf")
    m.row("layers.0.wte.weight", "model.embed_tokens.weight", vocab, d)
    m.put()
    for i in range(layers):
        a, b = f"layers.{i + 1}", f"model.layers.{i}"
        m.layer(f"{a}.ln", f"{b}.input_layernorm", d)
        m.src(f"{a}.mixer.rotary_emb.inv_freq", 16)
        m.parts(f"{a}.mixer.Wqkv", [f"{b}.self_attn.{p}_proj" for p in "qkv"], (d, d, d), d)
        m.layer(f"{a}.mixer.out_proj", f"{b}.self_attn.dense", d, d)
        m.same(a, b, ("mlp.fc1", 4 * d, d), ("mlp.fc2", d, 4 * d))
        m.put("self_attn", "mlp")
    m.layer(f"layers.{layers + 1}.ln", "model.final_layernorm", d)
    m.layer(f"layers.{layers + 1}.linear", "lm_head", vocab, d)
    m.put()
    return m.pair()


def griffin(d=2560, layers=6, inner=7680, heads=10):
    """Two kinds of layers in turns; gate and up lie on one axis of one tensor."""
    m = Rows("recurrentgemma_griffin_to_hf_T", turned=None)
    m.row("embedder.input_embedding", "model.embed_tokens.weight", 256000, d)
    h = d // heads
    for i in range(layers):
        a, b = f"blocks.{i}", f"model.layers.{i}"
        m.row(f"{a}.temporal_pre_norm.scale", f"{b}.temporal_pre_norm.weight", d)
        if i % 3 == 2:
            s, t = f"{a}.attention_block", f"{b}.temporal_block"
            m.layer(f"{s}.proj_q", f"{t}.q_proj", d, d, bias=False)
            m.layer(f"{s}.proj_k", f"{t}.k_proj", h, d, bias=False)
            m.layer(f"{s}.proj_v", f"{t}.v_proj", h, d, bias=False)
            m.layer(f"{s}.proj_final", f"{t}.o_proj", d, d)
        else:
            s, t = f"{a}.recurrent_block", f"{b}.temporal_block"
            for part in ("linear_y", "linear_x", "linear_out"):
                m.layer(f"{s}.{part}", f"{t}.{part}", d, d)
            m.row(f"{s}.conv_1d.w", f"{t}.conv_1d.weight", 4, d, seen=(d, 1, 4))
            m.row(f"{s}.conv_1d.b", f"{t}.conv_1d.bias", d)
            m.row(f"{s}.rg_lru.a_param", f"{t}.rg_lru.recurrent_param", d)
            for p, q in (("input", "input"), ("a", "recurrent")):
                m.row(f"{s}.rg_lru.{p}_gate.w", f"{t}.rg_lru.{q}_gate_weight", heads, h, h)
                m.row(f"{s}.rg_lru.{p}_gate.b", f"{t}.rg_lru.{q}_gate_bias", heads, h)
        m.row(f"{a}.channel_pre_norm.scale", f"{b}.channel_pre_norm.weight", d)
        up, bias = m.src(f"{a}.mlp_block.ffw_up.w", 2, d, inner), m.src(f"{a}.mlp_block.ffw_up.b", 2, 1, 1, inner)
        for part in ("gate", "up"):
            m.waiting.append((f"{b}.mlp_block.{part}_proj.weight", (inner, d), up))
            m.waiting.append((f"{b}.mlp_block.{part}_proj.bias", (inner,), bias))
        m.layer(f"{a}.mlp_block.ffw_down", f"{b}.mlp_block.down_proj", d, inner)
        m.put("embed", "temporal_pre_norm", "temporal_block", "channel_pre_norm")
    m.row("final_norm.scale", "model.final_norm.weight", d)
    m.put()
    return m.pair()


def yolov3():
    """Numbers of a list that counts everything, twice in each name, against a network with names."""
    m = Rows("yolov3_darknet_to_mmdet")
    at = 0

    def conv(target, out, n, size, skip=0):
        nonlocal at
        m.row(f"module_list.{at}.conv_{at}.weight", f"{target}.conv.weight", out, n, size, size)
        norm_rows(m, f"module_list.{at}.batch_norm_{at}", f"{target}.bn", out)
        at += 1 + skip

    conv("backbone.conv1", 32, 3, 3)
    width = 32
    for stage, count in enumerate((1, 2, 8, 8, 4)):
        b = f"backbone.conv_res_block{stage + 1}"
        conv(f"{b}.conv", 2 * width, width, 3)
        width *= 2
        for k in range(count):
            conv(f"{b}.res{k}.conv1", width // 2, width, 1)
            conv(f"{b}.res{k}.conv2", width, width // 2, 3, skip=1)
    before = 1024
    for k, n in enumerate((512, 256, 128)):
        if k:
            at += 2                                  # yolo, route
            conv(f"neck.conv{k}", n, 2 * n, 1, skip=2)
            before = n + 2 * n
        for j in range(5):
            out, wide = (n, before if j == 0 else 2 * n) if j % 2 == 0 else (2 * n, n)
            conv(f"neck.detect{k + 1}.conv{j + 1}", out, wide, 3 if j % 2 else 1)
        conv(f"bbox_head.convs_bridge.{k}", 2 * n, n, 3)
        m.layer(f"module_list.{at}.conv_{at}", f"bbox_head.convs_pred.{k}", 255, 2 * n, 1, 1)
        at += 1
    m.put("backbone", "neck", "bridge")
    return m.pair()


def efficientnet():
    """Names that are numbered as TensorFlow met them: the first of a block is another one where nothing expands."""
    m = Maker("efficientnetb0_tpu_to_lukemelas_T_sorted")
    s, leaves = "efficientnet-b0", ("/gamma", "/beta", "/moving_mean", "/moving_variance")

    def norm(source, target, width):
        batch_norm(m, source, target, width, leaves=leaves)
        m.tgt(f"{target}.num_batches_tracked")

    kernel(m, f"{s}/stem/conv2d/kernel", "_conv_stem.weight", 32, 3, 3)
    norm(f"{s}/stem/tpu_batch_normalization", "_bn0", 32)
    before, at = 32, 0
    stages = ((1, 3, 16, 1), (2, 3, 24, 6), (2, 5, 40, 6), (3, 3, 80, 6), (3, 5, 112, 6), (4, 5, 192, 6), (1, 3, 320, 6))
    for count, size, out, grow in stages:
        for _ in range(count):
            a, b, wide, less = f"{s}/blocks_{at}", f"_blocks.{at}", before * grow, max(1, before // 4)
            names, conv = iter(("", "_1", "_2")), iter(("", "_1"))
            if grow > 1:
                kernel(m, f"{a}/conv2d{next(conv)}/kernel", f"{b}._expand_conv.weight", wide, before, 1)
                norm(f"{a}/tpu_batch_normalization{next(names)}", f"{b}._bn0", wide)
            kernel(m, f"{a}/depthwise_conv2d/depthwise_kernel", f"{b}._depthwise_conv.weight", wide, 1, size, depthwise=True)
            norm(f"{a}/tpu_batch_normalization{next(names)}", f"{b}._bn1", wide)
            for k, part, o, n in (("", "reduce", less, wide), ("_1", "expand", wide, less)):
                kernel(m, f"{a}/se/conv2d{k}/kernel", f"{b}._se_{part}.weight", o, n, 1)
                m.both(f"{a}/se/conv2d{k}/bias", f"{b}._se_{part}.bias", o)
            kernel(m, f"{a}/conv2d{next(conv)}/kernel", f"{b}._project_conv.weight", out, wide, 1)
            norm(f"{a}/tpu_batch_normalization{next(names)}", f"{b}._bn2", out)
            before, at = out, at + 1
    kernel(m, f"{s}/head/conv2d/kernel", "_conv_head.weight", 1280, 320, 1)
    norm(f"{s}/head/tpu_batch_normalization", "_bn1", 1280)
    dense(m, f"{s}/head/dense/kernel", "_fc.weight", 1000, 1280)
    m.both(f"{s}/head/dense/bias", "_fc.bias", 1000)
    return m.pair(sort_source=True)


def stylegan2(d=512):
    """Resolutions in names against one list of all convolutions; an axis of one in front of each kernel."""
    m = Rows("stylegan2_nvidia_to_rosinality")
    noises = []

    def affine(a, b, n):
        m.row(f"{a}.affine.weight", f"{b}.conv.modulation.weight", n, d)
        m.row(f"{a}.affine.bias", f"{b}.conv.modulation.bias", n)

    def conv(a, b, out, n, size):
        m.row(f"{a}.weight", f"{b}.conv.weight", out, n, 3, 3, seen=(1, out, n, 3, 3))
        m.row(f"{a}.noise_strength", f"{b}.noise.weight", seen=(1,))
        m.row(f"{a}.bias", f"{b}.activate.bias", out)
        m.src(f"{a}.resample_filter", 4, 4)
        noises.append((m.src(f"{a}.noise_const", size, size), size))
        affine(a, b, n)

    def to_rgb(a, b, n):
        m.row(f"{a}.weight", f"{b}.conv.weight", 3, n, 1, 1, seen=(1, 3, n, 1, 1))
        m.row(f"{a}.bias", f"{b}.bias", 3, seen=(1, 3, 1, 1))
        affine(a, b, n)

    before = d
    for k, width in enumerate((d, d, d, d, d, d // 2, d // 4)):
        size = 4 << k
        s = f"synthesis.b{size}"
        if k == 0:
            m.row(f"{s}.const", "input.input", d, 4, 4, seen=(1, d, 4, 4))
            conv(f"{s}.conv1", "conv1", d, d, size)
            to_rgb(f"{s}.torgb", "to_rgb1", d)
        else:
            m.src(f"{s}.resample_filter", 4, 4)
            conv(f"{s}.conv0", f"convs.{2 * k - 2}", width, before, size)
            conv(f"{s}.conv1", f"convs.{2 * k - 1}", width, width, size)
            to_rgb(f"{s}.torgb", f"to_rgbs.{k - 1}", width)
        before = width
    for k in range(8):
        m.layer(f"mapping.fc{k}", f"style.{k + 1}", d, d)
    m.src("mapping.w_avg", d)
    m.put("style", "input", "conv1.", "to_rgb1", "convs")
    for k, (source, size) in enumerate(noises):
        m.tgt(f"noises.noise_{k}", 1, 1, size, size, of=source)
    return m.pair()


def normed(m, source, target, *shape, bias=True):
    """A convolution with weight normalization."""
    if bias:
        m.row(f"{source}.bias", f"{target}.bias", shape[0])
    m.row(f"{source}.weight_g", f"{target}.weight_g", shape[0], 1, 1)
    m.row(f"{source}.weight_v", f"{target}.weight_v", *shape)


def vits(d=192, layers=6):
    """Lists of layers, part by part, against parts of a list of layers; flows of which each second has no weights."""
    m = Rows("vits_ljs_to_hf")
    m.row("enc_p.emb.weight", "text_encoder.embed_tokens.weight", 178, d)
    s, t = "enc_p.encoder", "text_encoder.encoder.layers"
    for i in range(layers):
        a, b = f"{s}.attn_layers.{i}", f"{t}.{i}.attention"
        for p in "kv":
            m.row(f"{a}.emb_rel_{p}", f"{b}.emb_rel_{p}", 1, 9, d // 2)
        for p, q in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("o", "out_proj")):
            m.row(f"{a}.conv_{p}.weight", f"{b}.{q}.weight", d, d, 1, seen=(d, d))
            m.row(f"{a}.conv_{p}.bias", f"{b}.{q}.bias", d)

    def norms(k, name):
        for i in range(layers):
            m.row(f"{s}.norm_layers_{k}.{i}.gamma", f"{t}.{i}.{name}.weight", d)
            m.row(f"{s}.norm_layers_{k}.{i}.beta", f"{t}.{i}.{name}.bias", d)

    norms(1, "layer_norm")
    for i in range(layers):
        for k, shape in ((1, (4 * d, d, 3)), (2, (d, 4 * d, 3))):
            m.layer(f"{s}.ffn_layers.{i}.conv_{k}", f"{t}.{i}.feed_forward.conv_{k}", *shape)
    norms(2, "final_layer_norm")
    m.layer("enc_p.proj", "text_encoder.project", 2 * d, d, 1)
    m.layer("dec.conv_pre", "decoder.conv_pre", 512, d, 7)
    for k, size in enumerate((16, 16, 4, 4)):
        out = 256 >> k
        m.row(f"dec.ups.{k}.bias", f"decoder.upsampler.{k}.bias", out)
        m.row(f"dec.ups.{k}.weight_g", f"decoder.upsampler.{k}.weight_g", 2 * out, 1, 1)
        m.row(f"dec.ups.{k}.weight_v", f"decoder.upsampler.{k}.weight_v", 2 * out, out, size)
    for k in range(12):
        out, size = 256 >> k // 3, (3, 7, 11)[k % 3]
        for convs in ("convs1", "convs2"):
            for j in range(3):
                normed(m, f"dec.resblocks.{k}.{convs}.{j}", f"decoder.resblocks.{k}.{convs}.{j}", out, out, size)
    m.layer("dec.conv_post", "decoder.conv_post", 1, 32, 7, bias=False)

    def wavenet(a, b, count):
        for j in range(count):
            normed(m, f"{a}.enc.in_layers.{j}", f"{b}.wavenet.in_layers.{j}", 2 * d, d, 5)
        for j in range(count):
            normed(m, f"{a}.enc.res_skip_layers.{j}", f"{b}.wavenet.res_skip_layers.{j}", (1 if j == count - 1 else 2) * d, d, 1)

    m.layer("enc_q.pre", "posterior_encoder.conv_pre", d, 513, 1)
    wavenet("enc_q", "posterior_encoder", 16)
    m.layer("enc_q.proj", "posterior_encoder.conv_proj", 2 * d, d, 1)
    for k in range(4):
        a, b = f"flow.flows.{2 * k}", f"flow.flows.{k}"
        m.layer(f"{a}.pre", f"{b}.conv_pre", d, d // 2, 1)
        wavenet(a, b, 4)
        m.layer(f"{a}.post", f"{b}.conv_post", d // 2, d, 1)
    for k in (1, 2):
        m.layer(f"dp.conv_{k}", f"duration_predictor.conv_{k}", 256, d if k == 1 else 256, 3)
        m.row(f"dp.norm_{k}.gamma", f"duration_predictor.norm_{k}.weight", 256)
        m.row(f"dp.norm_{k}.beta", f"duration_predictor.norm_{k}.bias", 256)
    m.layer("dp.proj", "duration_predictor.proj", 1, 256, 1)
    m.put("embed_tokens", *(f"{t}.{i}." for i in range(layers)), "text_encoder.project", "flow", "decoder", "duration")
    return m.pair()


def flash_bert(d=768, layers=12, vocab=30522):
    """Flash-attention's BERT: a mixer, numbered norms, and what is fused comes apart."""
    m = Rows("bert_flash_to_hf")
    for part, rows in (("word", vocab), ("position", 512), ("token_type", 2)):
        name = f"bert.embeddings.{part}_embeddings.weight"
        m.row(name, name, rows, d)
    m.layer("bert.emb_ln", "bert.embeddings.LayerNorm", d)
    m.put()
    for i in range(layers):
        a, b = f"bert.encoder.layers.{i}", f"bert.encoder.layer.{i}"
        m.parts(f"{a}.mixer.Wqkv", [f"{b}.attention.self.{p}" for p in ("query", "key", "value")], (d, d, d), d)
        m.layer(f"{a}.mixer.out_proj", f"{b}.attention.output.dense", d, d)
        m.layer(f"{a}.norm1", f"{b}.attention.output.LayerNorm", d)
        m.layer(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.layer(f"{a}.mlp.fc2", f"{b}.output.dense", d, 4 * d)
        m.layer(f"{a}.norm2", f"{b}.output.LayerNorm", d)
        m.put()
    m.layer("bert.pooler.dense", "bert.pooler.dense", d, d)
    m.row("cls.predictions.decoder.weight", "cls.predictions.decoder.weight", vocab, d)
    m.row("cls.predictions.decoder.bias", "cls.predictions.bias", vocab)
    m.layer("cls.predictions.transform.dense", "cls.predictions.transform.dense", d, d)
    m.layer("cls.predictions.transform.layer_norm", "cls.predictions.transform.LayerNorm", d)
    m.put("pooler", "predictions.bias", "transform")
    return m.pair()


def rllib(seen=17, d=256, actions=6):
    """Two small networks of one shape, for what is done and what it is worth."""
    m = Rows("ppo_rllib_to_sb3")
    m.layer("_logits._model.0", "action_net", actions, d)
    for s, t in (("_hidden_layers", "policy_net"), ("_value_branch_separate", "value_net")):
        for k in (0, 1):
            m.layer(f"{s}.{k}._model.0", f"mlp_extractor.{t}.{2 * k}", d, seen if k == 0 else d)
    m.layer("_value_branch._model.0", "value_net", 1, d)
    m.put("mlp_extractor", "action")
    return m.pair()


def glm(d=4096, layers=8, inner=13696, vocab=151552):
    """Groups of queries in one matrix; gate and up stay in one."""
    m = Rows("glm4_thudm_to_hf")
    m.row("transformer.embedding.word_embeddings.weight", "model.embed_tokens.weight", vocab, d)
    m.src("transformer.rotary_pos_emb.inv_freq", 32)
    m.put()
    for i in range(layers):
        a, b = f"transformer.encoder.layers.{i}", f"model.layers.{i}"
        m.row(f"{a}.input_layernorm.weight", f"{b}.input_layernorm.weight", d)
        m.parts(f"{a}.self_attention.query_key_value", [f"{b}.self_attn.{p}_proj" for p in "qkv"], (d, 256, 256), d)
        m.layer(f"{a}.self_attention.dense", f"{b}.self_attn.o_proj", d, d, bias=False)
        m.row(f"{a}.post_attention_layernorm.weight", f"{b}.post_attention_layernorm.weight", d)
        m.layer(f"{a}.mlp.dense_h_to_4h", f"{b}.mlp.gate_up_proj", 2 * inner, d, bias=False)
        m.layer(f"{a}.mlp.dense_4h_to_h", f"{b}.mlp.down_proj", d, inner, bias=False)
        m.put("self_attn", "mlp")
    m.row("transformer.encoder.final_layernorm.weight", "model.norm.weight", d)
    m.row("transformer.output_layer.weight", "lm_head.weight", vocab, d)
    m.put()
    return m.pair()


def qwen(d=4096, layers=8, inner=11008, vocab=151936):
    """The first Qwen: w2 is the gate, and w1 goes up."""
    m = Rows("qwen1_to_qwen2_hf")
    m.row("transformer.wte.weight", "model.embed_tokens.weight", vocab, d)
    m.put()
    for i in range(layers):
        a, b = f"transformer.h.{i}", f"model.layers.{i}"
        m.row(f"{a}.ln_1.weight", f"{b}.input_layernorm.weight", d)
        m.parts(f"{a}.attn.c_attn", [f"{b}.self_attn.{p}_proj" for p in "qkv"], (d, d, d), d)
        m.layer(f"{a}.attn.c_proj", f"{b}.self_attn.o_proj", d, d, bias=False)
        m.row(f"{a}.ln_2.weight", f"{b}.post_attention_layernorm.weight", d)
        for p, q in (("w1", "up"), ("w2", "gate")):
            m.layer(f"{a}.mlp.{p}", f"{b}.mlp.{q}_proj", inner, d, bias=False)
        m.layer(f"{a}.mlp.c_proj", f"{b}.mlp.down_proj", d, inner, bias=False)
        m.put("self_attn", "gate_proj", "mlp")
    m.row("transformer.ln_f.weight", "model.norm.weight", d)
    m.row("lm_head.weight", "lm_head.weight", vocab, d)
    m.put()
    return m.pair()


def raft():
    """Two encoders of one shape, one without weights in its norms; a shortcut's norm has two names in the source."""
    m = Rows("raft_large_to_tv")
    same = []
    for s, t in (("fnet", "feature_encoder"), ("cnet", "context_encoder")):
        s, batch = f"module.{s}", s == "cnet"
        if batch:
            norm_rows(m, f"{s}.norm1", f"{t}.convnormrelu.1", 64)
        m.layer(f"{s}.conv1", f"{t}.convnormrelu.0", 64, 3, 7, 7)
        before = 64
        for k, width in enumerate((64, 96, 128)):
            for j in range(2):
                a, b = f"{s}.layer{k + 1}.{j}", f"{t}.layer{k + 1}.{j}"
                n = before if j == 0 else width
                m.layer(f"{a}.conv1", f"{b}.convnormrelu1.0", width, n, 3, 3)
                m.layer(f"{a}.conv2", f"{b}.convnormrelu2.0", width, width, 3, 3)
                for c in (1, 2) if batch else ():
                    norm_rows(m, f"{a}.norm{c}", f"{b}.convnormrelu{c}.1", width)
                if n != width:
                    for leaf in (*NORM, "num_batches_tracked") if batch else ():
                        m.src(f"{a}.norm3.{leaf}", *([] if leaf == "num_batches_tracked" else [width]))
                        same.append(f"{b}.downsample.1.{leaf}")
                    m.layer(f"{a}.downsample.0", f"{b}.downsample.0", width, n, 1, 1)
                    if batch:
                        norm_rows(m, f"{a}.downsample.1", f"{b}.downsample.1", width)
                m.put("convnormrelu.0", "convnormrelu.1", "convnormrelu1.0", "convnormrelu1.1", "convnormrelu2")
            before = width
        m.layer(f"{s}.conv2", f"{t}.conv", 256, 128, 1, 1)
        m.put()
    u, v = "module.update_block", "update_block"
    for p, q, shape in (("convc1", "convcorr1.0", (256, 324, 1, 1)), ("convc2", "convcorr2.0", (192, 256, 3, 3)),
                        ("convf1", "convflow1.0", (128, 2, 7, 7)), ("convf2", "convflow2.0", (64, 128, 3, 3)),
                        ("conv", "conv.0", (126, 256, 3, 3))):
        m.layer(f"{u}.encoder.{p}", f"{v}.motion_encoder.{q}", *shape)
    for k, size in ((1, (1, 5)), (2, (5, 1))):
        for p in "zrq":
            m.layer(f"{u}.gru.conv{p}{k}", f"{v}.recurrent_block.convgru{k}.conv{p}", 128, 384, *size)
    m.layer(f"{u}.flow_head.conv1", f"{v}.flow_head.conv1", 256, 128, 3, 3)
    m.layer(f"{u}.flow_head.conv2", f"{v}.flow_head.conv2", 2, 256, 3, 3)
    m.layer(f"{u}.mask.0", "mask_predictor.convrelu.0", 256, 128, 3, 3)
    m.layer(f"{u}.mask.2", "mask_predictor.conv", 576, 256, 1, 1)
    m.put()
    return {**m.pair(), "ignore": same}


def superpoint():
    """Numbers and letters against lists, two heads of one shape."""
    m = Rows("superpoint_to_hf")
    before = 1
    for k, width in enumerate((64, 64, 128, 128)):
        for letter in "ab":
            m.layer(f"conv{k + 1}{letter}", f"encoder.conv_blocks.{k}.conv_{letter}", width, before, 3, 3)
            before = width
    for p, t, out in (("P", "keypoint_decoder.conv_score", 65), ("D", "descriptor_decoder.conv_descriptor", 256)):
        m.layer(f"conv{p}a", f"{t}_a", 256, 128, 3, 3)
        m.layer(f"conv{p}b", f"{t}_b", out, 256, 1, 1)
    m.put()
    return m.pair()


def mobilevit():
    """Blocks in blocks: what has a number in the source is named in the target."""
    m = Rows("mobilevit_small_to_hf")
    h = "mobilevit"

    def conv(a, b, out, n, size, norm=True):
        m.row(f"{a}.block.conv.weight", f"{b}.convolution.weight", out, n, size, size)
        if norm:
            norm_rows(m, f"{a}.block.norm", f"{b}.normalization", out)

    def inverted(a, b, out, n):
        conv(f"{a}.block.exp_1x1", f"{b}.expand_1x1", 4 * n, n, 1)
        conv(f"{a}.block.conv_3x3", f"{b}.conv_3x3", 4 * n, 1, 3)
        conv(f"{a}.block.red_1x1", f"{b}.reduce_1x1", out, 4 * n, 1)

    conv("conv_1", f"{h}.conv_stem", 16, 3, 3)
    inverted("layer_1.0", f"{h}.encoder.layer.0.layer.0", 32, 16)
    for j in range(3):
        inverted(f"layer_2.{j}", f"{h}.encoder.layer.1.layer.{j}", 64, 32 if j == 0 else 64)
    before = 64
    for k, (width, d, count) in enumerate(((96, 144, 2), (128, 192, 4), (160, 240, 3))):
        b = f"{h}.encoder.layer.{k + 2}"
        inverted(f"layer_{k + 3}.0", f"{b}.downsampling_layer", width, before)
        a = f"layer_{k + 3}.1"
        conv(f"{a}.local_rep.conv_3x3", f"{b}.conv_kxk", width, width, 3)
        conv(f"{a}.local_rep.conv_1x1", f"{b}.conv_1x1", d, width, 1, norm=False)
        for j in range(count):
            s, t = f"{a}.global_rep.{j}", f"{b}.transformer.layer.{j}"
            m.layer(f"{s}.pre_norm_mha.0", f"{t}.layernorm_before", d)
            m.parts(f"{s}.pre_norm_mha.1.qkv_proj", [f"{t}.attention.attention.{p}" for p in ("query", "key", "value")], (d, d, d), d)
            m.layer(f"{s}.pre_norm_mha.1.out_proj", f"{t}.attention.output.dense", d, d)
            m.layer(f"{s}.pre_norm_ffn.0", f"{t}.layernorm_after", d)
            m.layer(f"{s}.pre_norm_ffn.1", f"{t}.intermediate.dense", 2 * d, d)
            m.layer(f"{s}.pre_norm_ffn.4", f"{t}.output.dense", d, 2 * d)
            m.put("downsampling", "conv_kxk", "conv_1x1", "attention", "intermediate", "output.dense")
        m.layer(f"{a}.global_rep.{count}", f"{b}.layernorm", d)
        conv(f"{a}.conv_proj", f"{b}.conv_projection", width, d, 1)
        conv(f"{a}.fusion", f"{b}.fusion", width, 2 * width, 3)
        m.put()
        before = width
    conv("conv_1x1_exp", f"{h}.conv_1x1_exp", 640, 160, 1)
    m.layer("classifier.fc", "classifier", 1000, 640)
    m.put()
    return m.pair()


def oobleck(d=128, strides=(2, 4, 4, 8, 8)):
    """Numbers at every depth, and what they count is named in the target."""
    m = Rows("stable_audio_oobleck_to_diffusers")
    e = "pretransform.model.encoder"

    def snake(a, b, width):
        for leaf in ("alpha", "beta"):
            m.row(f"{a}.{leaf}", f"{b}.{leaf}", width, seen=(1, width, 1))

    def units(a, b, width, first):
        for k in range(3):
            s, t = f"{a}.layers.{first + k}", f"{b}.res_unit{k + 1}"
            snake(f"{s}.layers.0", f"{t}.snake1", width)
            normed(m, f"{s}.layers.1", f"{t}.conv1", width, width, 7)
            snake(f"{s}.layers.2", f"{t}.snake2", width)
            normed(m, f"{s}.layers.3", f"{t}.conv2", width, width, 1)

    normed(m, f"{e}.layers.0", "encoder.conv1", d, 2, 7)
    widths = [d, *(d << k for k in range(5))]
    for k, stride in enumerate(strides):
        a, b = f"{e}.layers.{k + 1}", f"encoder.block.{k}"
        units(a, b, widths[k], 0)
        snake(f"{a}.layers.3", f"{b}.snake1", widths[k])
        normed(m, f"{a}.layers.4", f"{b}.conv1", widths[k + 1], widths[k], 2 * stride)
    snake(f"{e}.layers.6", "encoder.snake1", widths[-1])
    normed(m, f"{e}.layers.7", "encoder.conv2", 128, widths[-1], 3)
    e = "pretransform.model.decoder"
    normed(m, f"{e}.layers.0", "decoder.conv1", widths[-1], 64, 7)
    for k in range(5):
        a, b, n, out = f"{e}.layers.{k + 1}", f"decoder.block.{k}", widths[5 - k], widths[4 - k]
        snake(f"{a}.layers.0", f"{b}.snake1", n)
        m.row(f"{a}.layers.1.bias", f"{b}.conv_t1.bias", out)
        m.row(f"{a}.layers.1.weight_g", f"{b}.conv_t1.weight_g", n, 1, 1)
        m.row(f"{a}.layers.1.weight_v", f"{b}.conv_t1.weight_v", n, out, 2 * strides[4 - k])
        units(a, b, out, 2)
    snake(f"{e}.layers.6", "decoder.snake1", d)
    normed(m, f"{e}.layers.7", "decoder.conv2", 2, d, 7, bias=False)
    m.put()
    return m.pair()


def animatediff():
    """Lists of attentions and norms against numbered names."""
    m = Rows("animatediff_to_diffusers")
    kept = []

    def motion(a, b, d):
        s, t = f"{a}.temporal_transformer", b
        m.layer(f"{s}.norm", f"{t}.norm", d)
        m.layer(f"{s}.proj_in", f"{t}.proj_in", d, d)
        x, y = f"{s}.transformer_blocks.0", f"{t}.transformer_blocks.0"
        for k in (0, 1):
            for p in "qkv":
                m.layer(f"{x}.attention_blocks.{k}.to_{p}", f"{y}.attn{k + 1}.to_{p}", d, d, bias=False)
            m.layer(f"{x}.attention_blocks.{k}.to_out.0", f"{y}.attn{k + 1}.to_out.0", d, d)
            m.src(f"{x}.attention_blocks.{k}.pos_encoder.pe", 1, 24, d)
        for k in (0, 1):
            m.layer(f"{x}.norms.{k}", f"{y}.norm{k + 1}", d)
        m.layer(f"{x}.ff.net.0.proj", f"{y}.ff.net.0.proj", 8 * d, d)
        m.layer(f"{x}.ff.net.2", f"{y}.ff.net.2", d, 4 * d)
        m.layer(f"{x}.ff_norm", f"{y}.norm3", d)
        m.layer(f"{s}.proj_out", f"{t}.proj_out", d, d)
        kept.append(m.tgt(f"{y}.pos_embed.pe", 1, 24, d))
        m.put(f"{t}.norm.", "proj_in", "norm1", "attn1", "norm2", "attn2", "norm3", ".ff.")

    for side, widths, count in (("down", (320, 640, 1280, 1280), 2), ("up", (1280, 1280, 640, 320), 3)):
        for i, d in enumerate(widths):
            for j in range(count):
                motion(f"module.{side}_blocks.{i}.motion_modules.{j}", f"{side}_blocks.{i}.motion_modules.{j}", d)
    return {**m.pair(), "ignore": kept}


def wan(d=1536, layers=10, inner=8960):
    """A transformer of video: what is called norm3 is norm2, and modulation is a table."""
    m = Rows("wan_t2v_to_diffusers")
    m.layer("patch_embedding", "patch_embedding", d, 16, 1, 2, 2)
    for part, n in (("text", 4096), ("time", 256)):
        for k in (0, 2):
            m.layer(f"{part}_embedding.{k}", f"condition_embedder.{part}_embedder.linear_{k // 2 + 1}", d, n if k == 0 else d)
    m.layer("time_projection.1", "condition_embedder.time_proj", 6 * d, d)
    m.tgt("scale_shift_table", 1, 2, d, of="head.modulation")
    m.put("patch", "time")
    for i in range(layers):
        a, b = f"blocks.{i}", f"blocks.{i}"
        m.row(f"{a}.modulation", f"{b}.scale_shift_table", 1, 6, d)
        for s, t in (("self_attn", "attn1"), ("cross_attn", "attn2")):
            for p, q in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0")):
                m.layer(f"{a}.{s}.{p}", f"{b}.{t}.{q}", d, d)
            for p in "qk":
                m.row(f"{a}.{s}.norm_{p}.weight", f"{b}.{t}.norm_{p}.weight", d)
            if t == "attn1":
                m.layer(f"{a}.norm3", f"{b}.norm2", d)
        m.layer(f"{a}.ffn.0", f"{b}.ffn.net.0.proj", inner, d)
        m.layer(f"{a}.ffn.2", f"{b}.ffn.net.2", d, inner)
        m.put("scale_shift_table", "attn1", "attn2", "norm2")
    m.src("head.modulation", 1, 2, d)
    m.layer("head.head", "proj_out", 64, d)
    m.put()
    return m.pair()


FAMILIES = (controlnet, convnext, eva, owlvit, neox, phi, griffin, yolov3, efficientnet, stylegan2, vits, flash_bert, rllib, glm, qwen,
            raft, superpoint, mobilevit, oobleck, animatediff, wan)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "later_")} for pair in (make() for make in FAMILIES)]
