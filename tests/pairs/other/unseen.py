"""Pairs of model families, as those of fresh.py: written down and measured before automatic alignment had seen any of
them, so that the first figures say what it does on models of others. Sources: flax' ImageNet example, the JAX ViT,
llama.cpp's tensor_mapping.py, the conversion scripts of transformers and diffusers, mmdetection's YOLOX, kohya's LoRA
and the modules of the original repositories.
"""
from families import Maker, gguf_gated, vit_blocks
from held_out import batch_norm, dense, kernel


def flax_resnet(blocks=(3, 4, 6, 3)):
    """Two trees, parameters and statistics; blocks counted through all stages, each layer with its class' name."""
    m = Maker("resnet50_flax_to_tv_T_sorted")

    def norm(source, target, width):
        for tree, leaf, t in (("params", "scale", "weight"), ("params", "bias", "bias"),
                              ("batch_stats", "mean", "running_mean"), ("batch_stats", "var", "running_var")):
            m.both(f"{tree}/{source}/{leaf}", f"{target}.{t}", width)

    kernel(m, "params/conv_init/kernel", "conv1.weight", 64, 3, 7)
    norm("bn_init", "bn1", 64)
    before, number = 64, 0
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            a, b = f"BottleneckResNetBlock_{number}", f"layer{s + 1}.{i}"
            for k, (o, n, size) in enumerate(((width, before, 1), (width, width, 3), (out, width, 1))):
                kernel(m, f"params/{a}/Conv_{k}/kernel", f"{b}.conv{k + 1}.weight", o, n, size)
                norm(f"{a}/BatchNorm_{k}", f"{b}.bn{k + 1}", o)
            if i == 0:
                kernel(m, f"params/{a}/conv_proj/kernel", f"{b}.downsample.0.weight", out, before, 1)
                norm(f"{a}/norm_proj", f"{b}.downsample.1", out)
            before, number = out, number + 1
    dense(m, "params/Dense_0/kernel", "fc.weight", 1000, 2048)
    m.both("params/Dense_0/bias", "fc.bias", 1000)
    return m.pair(sort_source=True)


def vit_jax(d=768, heads=12, layers=12):
    """Query, key and value with the heads as a dimension of their own; timm has them in one matrix."""
    m = Maker("vit_b16_jax_to_timm_T_sorted")
    h = d // heads
    m.both("cls", "cls_token", 1, 1, d)
    m.both("Transformer/posembed_input/pos_embedding", "pos_embed", 1, 197, d)
    kernel(m, "embedding/kernel", "patch_embed.proj.weight", d, 3, 16)
    m.both("embedding/bias", "patch_embed.proj.bias", d)

    def norm(source, target):
        m.both(source + "/scale", target + ".weight", d)
        m.both(source + "/bias", target + ".bias", d)

    for i in range(layers):
        a, b = f"Transformer/encoderblock_{i}", f"blocks.{i}"
        attention = f"{a}/MultiHeadDotProductAttention_1"
        norm(f"{a}/LayerNorm_0", f"{b}.norm1")
        parts = ("query", "key", "value")
        m.tgt(f"{b}.attn.qkv.weight", 3 * d, d, of=[m.src(f"{attention}/{p}/kernel", d, heads, h) for p in parts])
        m.tgt(f"{b}.attn.qkv.bias", 3 * d, of=[m.src(f"{attention}/{p}/bias", heads, h) for p in parts])
        m.src(f"{attention}/out/kernel", heads, h, d)
        m.tgt(f"{b}.attn.proj.weight", d, d, of=f"{attention}/out/kernel")
        m.both(f"{attention}/out/bias", f"{b}.attn.proj.bias", d)
        norm(f"{a}/LayerNorm_2", f"{b}.norm2")
        for k, (out, n) in enumerate(((4 * d, d), (d, 4 * d))):
            dense(m, f"{a}/MlpBlock_3/Dense_{k}/kernel", f"{b}.mlp.fc{k + 1}.weight", out, n)
            m.both(f"{a}/MlpBlock_3/Dense_{k}/bias", f"{b}.mlp.fc{k + 1}.bias", out)
    norm("Transformer/encoder_norm", "norm")
    dense(m, "head/kernel", "head.weight", 1000, d)
    m.both("head/bias", "head.bias", 1000)
    return m.pair(sort_source=True)


def gemma2(d=2304, layers=26, inner=9216, vocab=256000):
    """Four norms a layer, and post_attention_layernorm is not the one before the feed-forward."""
    m = Maker("gemma2_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for p, shape in (("q", (2048, d)), ("k", (1024, d)), ("v", (1024, d))):
            m.both(f"{a}.self_attn.{p}_proj.weight", f"{b}.attn_{p}.weight", *shape)
        m.both(f"{a}.self_attn.o_proj.weight", f"{b}.attn_output.weight", d, 2048)
        gguf_gated(m, f"{a}.mlp", f"{b}.ffn", d, inner)
        for s, t in (("input_layernorm", "attn_norm"), ("post_attention_layernorm", "post_attention_norm"),
                     ("pre_feedforward_layernorm", "ffn_norm"), ("post_feedforward_layernorm", "post_ffw_norm")):
            m.both(f"{a}.{s}.weight", f"{b}.{t}.weight", d)
    m.both("model.norm.weight", "output_norm.weight", d)
    return m.pair(sort_target=True)


def deepseek2(d=2048, layers=6, experts=64, inner=1408, vocab=102400):
    """Latent attention; the first layer is dense, the others have routed and shared experts."""
    m = Maker("deepseek2_lite_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for s, t, shape in (("q_proj", "attn_q", (3072, d)), ("kv_a_proj_with_mqa", "attn_kv_a_mqa", (576, d)),
                            ("kv_a_layernorm", "attn_kv_a_norm", (512,)), ("kv_b_proj", "attn_kv_b", (4096, 512)),
                            ("o_proj", "attn_output", (d, d))):
            m.both(f"{a}.self_attn.{s}.weight", f"{b}.{t}.weight", *shape)
        kinds = (("gate", True), ("up", True), ("down", False))
        if i == 0:
            for p, wide in kinds:
                m.both(f"{a}.mlp.{p}_proj.weight", f"{b}.ffn_{p}.weight", *((10944, d) if wide else (d, 10944)))
        else:
            names = {}
            for e in range(experts):
                for p, wide in kinds:
                    key = f"{a}.mlp.experts.{e}.{p}_proj.weight"
                    names.setdefault(p, []).append(m.src(key, *((inner, d) if wide else (d, inner))))
            for p, wide in kinds:
                m.tgt(f"{b}.ffn_{p}_exps.weight", experts, *((inner, d) if wide else (d, inner)), of=names[p])
            m.both(f"{a}.mlp.gate.weight", f"{b}.ffn_gate_inp.weight", experts, d)
            for p, wide in kinds:
                m.both(f"{a}.mlp.shared_experts.{p}_proj.weight", f"{b}.ffn_{p}_shexp.weight",
                       *((2 * inner, d) if wide else (d, 2 * inner)))
        m.both(f"{a}.input_layernorm.weight", f"{b}.attn_norm.weight", d)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.ffn_norm.weight", d)
    m.both("model.norm.weight", "output_norm.weight", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def marian(d=512, layers=6, inner=2048, vocab=65001):
    """Underscores only, layers counted from one, everything transposed, vectors as rows; no embeddings of positions."""
    m = Maker("marian_npz_to_hf_T_sorted")

    def vector(source, target, width):
        m.src(source, 1, width)
        m.tgt(target, width, of=source)

    m.both("decoder_ff_logit_out_b", "final_logits_bias", 1, vocab)
    m.both("Wemb", "model.shared.weight", vocab, d)
    for side in ("encoder", "decoder"):
        m.tgt(f"model.{side}.embed_positions.weight", 512, d)
        for i in range(layers):
            a, b = f"{side}_l{i + 1}", f"model.{side}.layers.{i}"
            for s, t in (("self", "self_attn"), ("context", "encoder_attn"))[:1 if side == "encoder" else 2]:
                for p in "kvqo":
                    name = "out" if p == "o" else p
                    dense(m, f"{a}_{s}_W{p}", f"{b}.{t}.{name}_proj.weight", d, d)
                    vector(f"{a}_{s}_b{p}", f"{b}.{t}.{name}_proj.bias", d)
                vector(f"{a}_{s}_Wo_ln_scale", f"{b}.{t}_layer_norm.weight", d)
                vector(f"{a}_{s}_Wo_ln_bias", f"{b}.{t}_layer_norm.bias", d)
            for k, (out, n) in enumerate(((inner, d), (d, inner)), 1):
                dense(m, f"{a}_ffn_W{k}", f"{b}.fc{k}.weight", out, n)
                vector(f"{a}_ffn_b{k}", f"{b}.fc{k}.bias", out)
            vector(f"{a}_ffn_ffn_ln_scale", f"{b}.final_layer_norm.weight", d)
            vector(f"{a}_ffn_ffn_ln_bias", f"{b}.final_layer_norm.bias", d)
    return m.pair(sort_source=True)


def xlnet(d=1024, heads=16, layers=24, vocab=32000):
    """The biases of all layers in one tensor in TensorFlow; attention matrices of three dimensions on both sides."""
    m = Maker("xlnet_tf_to_hf_T_sorted")
    s, t, h = "model/transformer", "transformer", d // heads
    m.both(f"{s}/mask_emb/mask_emb", f"{t}.mask_emb", 1, 1, d)
    m.both(f"{s}/word_embedding/lookup_table", f"{t}.word_embedding.weight", vocab, d)
    for name in ("r_r_bias", "r_s_bias", "r_w_bias"):
        m.src(f"{s}/{name}", layers, heads, h)
    m.src(f"{s}/seg_embed", layers, 2, heads, h)
    for i in range(layers):
        a, b = f"{s}/layer_{i}", f"{t}.layer.{i}"
        for p in "qkvor":
            m.both(f"{a}/rel_attn/{p}/kernel", f"{b}.rel_attn.{p}", d, heads, h)
        for name in ("r_r_bias", "r_s_bias", "r_w_bias"):
            m.tgt(f"{b}.rel_attn.{name}", heads, h, of=f"{s}/{name}")
        m.tgt(f"{b}.rel_attn.seg_embed", 2, heads, h, of=f"{s}/seg_embed")
        for k in ("rel_attn", "ff"):
            m.both(f"{a}/{k}/LayerNorm/gamma", f"{b}.{k}.layer_norm.weight", d)
            m.both(f"{a}/{k}/LayerNorm/beta", f"{b}.{k}.layer_norm.bias", d)
        for k, (out, n) in enumerate(((4 * d, d), (d, 4 * d)), 1):
            dense(m, f"{a}/ff/layer_{k}/kernel", f"{b}.ff.layer_{k}.weight", out, n)
            m.both(f"{a}/ff/layer_{k}/bias", f"{b}.ff.layer_{k}.bias", out)
    m.both("model/lm_loss/bias", "lm_loss.bias", vocab)
    return m.pair(sort_source=True)


def dpt(d=1024, layers=24):
    """The refinement stages are counted the other way round; a ViT inside."""
    m = Maker("dpt_large_to_hf")
    s, t = "pretrained.model", "dpt"
    m.both(f"{s}.cls_token", f"{t}.embeddings.cls_token", 1, 1, d)
    m.both(f"{s}.pos_embed", f"{t}.embeddings.position_embeddings", 1, 577, d)
    m.both(f"{s}.patch_embed.proj.weight", f"{t}.embeddings.patch_embeddings.projection.weight", d, 3, 16, 16)
    m.both(f"{s}.patch_embed.proj.bias", f"{t}.embeddings.patch_embeddings.projection.bias", d)
    vit_blocks(m, f"{s}.blocks", f"{t}.encoder.layer", d, layers)
    m.norm(f"{s}.norm", f"{t}.layernorm", d)
    m.src(f"{s}.head.weight", 1000, d)
    m.src(f"{s}.head.bias", 1000)

    def conv(source, target, out, n, size, bias=True):
        m.both(source + ".weight", target + ".weight", out, n, size, size)
        if bias:
            m.both(source + ".bias", target + ".bias", out)

    widths = (256, 512, 1024, 1024)
    for k, width in enumerate(widths):
        a, b = f"pretrained.act_postprocess{k + 1}", "neck.reassemble_stage"
        m.linear(f"{a}.0.project.0", f"{b}.readout_projects.{k}.0", d, 2 * d)
        conv(f"{a}.3", f"{b}.layers.{k}.projection", width, d, 1)
        if k != 2:
            conv(f"{a}.4", f"{b}.layers.{k}.resize", width, width, (4, 2, 0, 3)[k])
    for k, width in enumerate(widths):
        conv(f"scratch.layer{k + 1}_rn", f"neck.convs.{k}", 256, width, 3, bias=False)
    for k in range(4):
        a, b = f"scratch.refinenet{k + 1}", f"neck.fusion_stage.layers.{3 - k}"
        conv(f"{a}.out_conv", f"{b}.projection", 256, 256, 1)
        for unit in (1, 2):
            for c in (1, 2):
                conv(f"{a}.resConfUnit{unit}.conv{c}", f"{b}.residual_layer{unit}.convolution{c}", 256, 256, 3)
    for k, (out, n, size) in ((0, (128, 256, 3)), (2, (32, 128, 3)), (4, (1, 32, 1))):
        conv(f"scratch.output_conv.{k}", f"head.head.{k}", out, n, size)
    order = ("dpt.", "neck.reassemble_stage.layers", "neck.reassemble_stage.readout", "neck.convs", "neck.fusion_stage.layers.0",
             "neck.fusion_stage.layers.1", "neck.fusion_stage.layers.2", "neck.fusion_stage.layers.3", "head")
    return m.pair(order=lambda key: next(i for i, prefix in enumerate(order) if key.startswith(prefix)))


def encodec():
    """Convolutions wrapped twice, weight norm, recurrent layers among numbered ones, codebooks."""
    m = Maker("encodec_24khz_to_hf")

    def conv(source, target, out, n, size, turned=False):
        m.both(f"{source}.bias", f"{target}.bias", n if turned else out)
        m.both(f"{source}.weight_g", f"{target}.weight_g", out, 1, 1)
        m.both(f"{source}.weight_v", f"{target}.weight_v", out, n, size)

    def resnet(side, k, width):
        for name, out, n, size in (("block.1", width // 2, width, 3), ("block.3", width, width // 2, 1),
                                   ("shortcut", width, width, 1)):
            conv(f"{side}.model.{k}.{name}.conv.conv", f"{side}.layers.{k}.{name}.conv", out, n, size)

    def lstm(side, k):
        for layer in (0, 1):
            for leaf, shape in (("weight_ih", (2048, 512)), ("weight_hh", (2048, 512)), ("bias_ih", (2048,)), ("bias_hh", (2048,))):
                m.both(f"{side}.model.{k}.lstm.{leaf}_l{layer}", f"{side}.layers.{k}.lstm.{leaf}_l{layer}", *shape)

    conv("encoder.model.0.conv.conv", "encoder.layers.0.conv", 32, 1, 7)
    for i, ratio in enumerate((2, 4, 5, 8)):
        resnet("encoder", 3 * i + 1, 32 << i)
        conv(f"encoder.model.{3 * i + 3}.conv.conv", f"encoder.layers.{3 * i + 3}.conv", 64 << i, 32 << i, 2 * ratio)
    lstm("encoder", 13)
    conv("encoder.model.15.conv.conv", "encoder.layers.15.conv", 128, 512, 7)
    conv("decoder.model.0.conv.conv", "decoder.layers.0.conv", 512, 128, 7)
    lstm("decoder", 1)
    for i, ratio in enumerate((8, 5, 4, 2)):
        conv(f"decoder.model.{3 * i + 3}.convtr.convtr", f"decoder.layers.{3 * i + 3}.conv", 512 >> i, 256 >> i, 2 * ratio, turned=True)
        resnet("decoder", 3 * i + 4, 256 >> i)
    conv("decoder.model.15.conv.conv", "decoder.layers.15.conv", 1, 32, 7)
    for i in range(32):
        for leaf, shape in (("inited", (1,)), ("cluster_size", (1024,)), ("embed", (1024, 128)), ("embed_avg", (1024, 128))):
            m.both(f"quantizer.vq.layers.{i}._codebook.{leaf}", f"quantizer.layers.{i}.codebook.{leaf}", *shape)
    return m.pair()


def esrgan(width=64, grow=32, blocks=23):
    """The old Sequential of ESRGAN and RRDBNet's names."""
    m = Maker("esrgan_old_to_rrdbnet")

    def conv(source, target, out, n):
        m.both(source + ".weight", target + ".weight", out, n, 3, 3)
        m.both(source + ".bias", target + ".bias", out)

    conv("model.0", "conv_first", width, 3)
    for i in range(blocks):
        for k in (1, 2, 3):
            for c in range(1, 6):
                conv(f"model.1.sub.{i}.RDB{k}.conv{c}.0", f"body.{i}.rdb{k}.conv{c}", grow if c < 5 else width, width + (c - 1) * grow)
    conv(f"model.1.sub.{blocks}", "conv_body", width, width)
    for number, name, out in ((3, "conv_up1", width), (6, "conv_up2", width), (8, "conv_hr", width), (10, "conv_last", 3)):
        conv(f"model.{number}", name, out, width)
    return m.pair()


def yolox(width=32, depth=1):
    """Megvii's YOLOX-s and mmdetection's: a stage's second convolution is the short one, the stems lie in the neck."""
    m = Maker("yolox_s_to_mmdet")

    def conv(source, target, out, n, size):
        m.both(f"{source}.conv.weight", f"{target}.conv.weight", out, n, size, size)
        batch_norm(m, f"{source}.bn.", f"{target}.bn", out)

    def csp(source, target, out, n, count):
        half = out // 2
        conv(f"{source}.conv1", f"{target}.main_conv", half, n, 1)
        conv(f"{source}.conv2", f"{target}.short_conv", half, n, 1)
        conv(f"{source}.conv3", f"{target}.final_conv", out, 2 * half, 1)
        for i in range(count):
            conv(f"{source}.m.{i}.conv1", f"{target}.blocks.{i}.conv1", half, half, 1)
            conv(f"{source}.m.{i}.conv2", f"{target}.blocks.{i}.conv2", half, half, 3)

    s, b = "backbone.backbone", "backbone"
    conv(f"{s}.stem.conv", f"{b}.stem.conv", width, 12, 3)
    for k, count in enumerate((depth, 3 * depth, 3 * depth, depth), 1):
        out = width << k
        conv(f"{s}.dark{k + 1}.0", f"{b}.stage{k}.0", out, out // 2, 3)
        if k == 4:
            conv(f"{s}.dark5.1.conv1", f"{b}.stage4.1.conv1", out // 2, out, 1)
            conv(f"{s}.dark5.1.conv2", f"{b}.stage4.1.conv2", out, 2 * out, 1)
        csp(f"{s}.dark{k + 1}.{2 if k == 4 else 1}", f"{b}.stage{k}.{2 if k == 4 else 1}", out, out, count)
    low, middle, high = 4 * width, 8 * width, 16 * width
    conv("backbone.lateral_conv0", "neck.reduce_layers.0", middle, high, 1)
    csp("backbone.C3_p4", "neck.top_down_blocks.0", middle, 2 * middle, depth)
    conv("backbone.reduce_conv1", "neck.reduce_layers.1", low, middle, 1)
    csp("backbone.C3_p3", "neck.top_down_blocks.1", low, 2 * low, depth)
    conv("backbone.bu_conv2", "neck.downsamples.0", low, low, 3)
    csp("backbone.C3_n3", "neck.bottom_up_blocks.0", middle, 2 * low, depth)
    conv("backbone.bu_conv1", "neck.downsamples.1", middle, middle, 3)
    csp("backbone.C3_n4", "neck.bottom_up_blocks.1", high, 2 * middle, depth)
    for kind in ("cls", "reg"):
        for level in range(3):
            for k in (0, 1):
                conv(f"head.{kind}_convs.{level}.{k}", f"bbox_head.multi_level_{kind}_convs.{level}.{k}", low, low, 3)
    for kind, out in (("cls", 80), ("reg", 4), ("obj", 1)):
        for level in range(3):
            m.both(f"head.{kind}_preds.{level}.weight", f"bbox_head.multi_level_conv_{kind}.{level}.weight", out, low, 1, 1)
            m.both(f"head.{kind}_preds.{level}.bias", f"bbox_head.multi_level_conv_{kind}.{level}.bias", out)
    for level, n in enumerate((low, middle, high)):
        conv(f"head.stems.{level}", f"neck.out_convs.{level}", low, n, 1)
    order = ("backbone", "neck.reduce_layers", "neck.top_down", "neck.downsamples", "neck.bottom_up", "neck.out_convs", "bbox_head")
    return m.pair(order=lambda key: next(i for i, prefix in enumerate(order) if key.startswith(prefix)))


def ernie(d=768, layers=12, vocab=18000):
    """Paddle's weights lie [in, out] and are called weight as torch's are."""
    m = Maker("ernie_paddle_to_hf_T")
    s, t = "ernie", "bert"

    def linear(source, target, out, n):
        dense(m, source + ".weight", target + ".weight", out, n)
        m.both(source + ".bias", target + ".bias", out)

    for name, n in (("word", vocab), ("position", 513), ("token_type", 2)):
        m.both(f"{s}.embeddings.{name}_embeddings.weight", f"{t}.embeddings.{name}_embeddings.weight", n, d)
    m.norm(f"{s}.embeddings.layer_norm", f"{t}.embeddings.LayerNorm", d)
    for i in range(layers):
        a, b = f"{s}.encoder.layers.{i}", f"{t}.encoder.layer.{i}"
        for p, q in (("q", "query"), ("k", "key"), ("v", "value")):
            linear(f"{a}.self_attn.{p}_proj", f"{b}.attention.self.{q}", d, d)
        linear(f"{a}.self_attn.out_proj", f"{b}.attention.output.dense", d, d)
        linear(f"{a}.linear1", f"{b}.intermediate.dense", 4 * d, d)
        linear(f"{a}.linear2", f"{b}.output.dense", d, 4 * d)
        m.norm(f"{a}.norm1", f"{b}.attention.output.LayerNorm", d)
        m.norm(f"{a}.norm2", f"{b}.output.LayerNorm", d)
    linear(f"{s}.pooler.dense", f"{t}.pooler.dense", d, d)
    rank = ("embeddings.", "attention.self", "attention.output.dense", "attention.output.LayerNorm", "intermediate",
            "output.dense", "output.LayerNorm")

    def place(key):
        words = key.split(".")
        number = int(words[3]) if words[2] == "layer" else (-1 if words[1] == "embeddings" else layers)
        kind = next((i for i, word in enumerate(rank) if word in key), 9)
        return number, kind

    return m.pair(order=place)


def kohya_lora(rank=16):
    """A LoRA of Stable Diffusion 1.5: every dot of the path an underscore, an alpha beside each; PEFT's names."""
    m = Maker("lora_sd15_kohya_to_peft_sorted")

    def adapter(path, target, out, n, conv=False):
        key, one = path.replace(".", "_"), (1, 1) if conv else ()
        m.src(f"{key}.alpha")
        m.both(f"{key}.lora_down.weight", f"{target}.lora_A.weight", rank, n, *one)
        m.both(f"{key}.lora_up.weight", f"{target}.lora_B.weight", out, rank, *one)

    def transformer(path, width):
        a, b = f"lora_unet.{path}", f"unet.{path}"
        adapter(f"{a}.proj_in", f"{b}.proj_in", width, width, conv=True)
        for kind, n in (("attn1", width), ("attn2", 768)):
            for p in ("to_q", "to_k", "to_v", "to_out.0"):
                name = f"transformer_blocks.0.{kind}.{p}"
                adapter(f"{a}.{name}", f"{b}.{name}", width, n if p in ("to_k", "to_v") else width)
        for p, out, n in (("0.proj", 8 * width, width), ("2", width, 4 * width)):
            adapter(f"{a}.transformer_blocks.0.ff.net.{p}", f"{b}.transformer_blocks.0.ff.net.{p}", out, n)
        adapter(f"{a}.proj_out", f"{b}.proj_out", width, width, conv=True)

    for i in range(12):
        a, b = f"lora_te.text_model.encoder.layers.{i}", f"text_encoder.text_model.encoder.layers.{i}"
        for p in ("q_proj", "k_proj", "v_proj", "out_proj"):
            adapter(f"{a}.self_attn.{p}", f"{b}.self_attn.{p}", 768, 768)
        adapter(f"{a}.mlp.fc1", f"{b}.mlp.fc1", 3072, 768)
        adapter(f"{a}.mlp.fc2", f"{b}.mlp.fc2", 768, 3072)
    for s, width in enumerate((320, 640, 1280)):
        for i in range(2):
            transformer(f"down_blocks.{s}.attentions.{i}", width)
        for i in range(3):
            transformer(f"up_blocks.{3 - s}.attentions.{i}", width)
    transformer("mid_block.attentions.0", 1280)
    return m.pair(sort_source=True, sort_target=True)


def flux(d=3072, double=19, single=38, head=128):
    """Two streams with one shape each; in a single block query, key, value and the feed-forward are one matrix."""
    m = Maker("flux_to_diffusers_sorted")

    def split(source, targets, outs):
        m.src(source + ".weight", sum(outs), d)
        m.src(source + ".bias", sum(outs))
        for target, out in zip(targets, outs):
            m.tgt(target + ".weight", out, d, of=source + ".weight")
            m.tgt(target + ".bias", out, of=source + ".bias")

    for s, t, n in (("time_in", "timestep", 256), ("guidance_in", "guidance", 256), ("vector_in", "text", 768)):
        for k, width in (("in", n), ("out", d)):
            m.linear(f"{s}.{k}_layer", f"time_text_embed.{t}_embedder.linear_{1 if k == 'in' else 2}", d, width)
    m.linear("txt_in", "context_embedder", d, 4096)
    m.linear("img_in", "x_embedder", d, 64)
    for i in range(double):
        a, b = f"double_blocks.{i}", f"transformer_blocks.{i}"
        m.linear(f"{a}.img_mod.lin", f"{b}.norm1.linear", 6 * d, d)
        m.linear(f"{a}.txt_mod.lin", f"{b}.norm1_context.linear", 6 * d, d)
        m.both(f"{a}.img_attn.norm.query_norm.scale", f"{b}.attn.norm_q.weight", head)
        m.both(f"{a}.img_attn.norm.key_norm.scale", f"{b}.attn.norm_k.weight", head)
        split(f"{a}.img_attn.qkv", [f"{b}.attn.to_{p}" for p in "qkv"], (d, d, d))
        split(f"{a}.txt_attn.qkv", [f"{b}.attn.add_{p}_proj" for p in "qkv"], (d, d, d))
        m.linear(f"{a}.img_attn.proj", f"{b}.attn.to_out.0", d, d)
        m.linear(f"{a}.txt_attn.proj", f"{b}.attn.to_add_out", d, d)
        m.both(f"{a}.txt_attn.norm.query_norm.scale", f"{b}.attn.norm_added_q.weight", head)
        m.both(f"{a}.txt_attn.norm.key_norm.scale", f"{b}.attn.norm_added_k.weight", head)
        for s, t in (("img_mlp", "ff"), ("txt_mlp", "ff_context")):
            m.linear(f"{a}.{s}.0", f"{b}.{t}.net.0.proj", 4 * d, d)
            m.linear(f"{a}.{s}.2", f"{b}.{t}.net.2", d, 4 * d)
    for i in range(single):
        a, b = f"single_blocks.{i}", f"single_transformer_blocks.{i}"
        m.linear(f"{a}.modulation.lin", f"{b}.norm.linear", 3 * d, d)
        split(f"{a}.linear1", [f"{b}.attn.to_q", f"{b}.attn.to_k", f"{b}.attn.to_v", f"{b}.proj_mlp"], (d, d, d, 4 * d))
        m.linear(f"{a}.linear2", f"{b}.proj_out", d, 5 * d)
        m.both(f"{a}.norm.query_norm.scale", f"{b}.attn.norm_q.weight", head)
        m.both(f"{a}.norm.key_norm.scale", f"{b}.attn.norm_k.weight", head)
    m.linear("final_layer.adaLN_modulation.1", "norm_out.linear", 2 * d, d)
    m.linear("final_layer.linear", "proj_out", 64, d)
    return m.pair(sort_source=True)


def levit(widths=(128, 256, 384), heads=(4, 6, 8), depths=(2, 3, 4), dim=16):
    """One flat list of attention and feed-forward blocks against stages of layers; two classifiers of one shape."""
    m = Maker("levit_128s_to_hf")

    def linear_bn(source, target, out, n, conv=()):
        name = "convolution" if conv else "linear"
        m.both(f"{source}.c.weight", f"{target}.{name}.weight", out, n, *conv)
        batch_norm(m, f"{source}.bn.", f"{target}.batch_norm", out)

    def biases(source, target, count, offsets, rows, columns):
        m.both(f"{source}.attention_biases", f"{target}.attention_biases", count, offsets)
        m.both(f"{source}.attention_bias_idxs", f"{target}.attention_bias_idxs", rows, columns)

    before = 3
    for k in range(4):
        out = widths[0] >> (3 - k)
        linear_bn(f"patch_embed.{2 * k}", f"levit.patch_embeddings.embedding_layer_{k + 1}", out, before, conv=(3, 3))
        before = out
    number, sides = 0, (14, 7, 4)
    for s, (width, count, depth) in enumerate(zip(widths, heads, depths)):
        place = 0

        def feed_forward(size):
            a, b = f"blocks.{number}.m", f"levit.encoder.stages.{s}.layers.{place}.module"
            linear_bn(f"{a}.0", f"{b}.linear_up", 2 * size, size)
            linear_bn(f"{a}.2", f"{b}.linear_down", size, 2 * size)

        for _ in range(depth):
            a, b = f"blocks.{number}.m", f"levit.encoder.stages.{s}.layers.{place}.module"
            biases(a, b, count, sides[s] ** 2, sides[s] ** 2, sides[s] ** 2)
            linear_bn(f"{a}.qkv", f"{b}.queries_keys_values", 4 * dim * count, width)
            linear_bn(f"{a}.proj.1", f"{b}.projection", width, 2 * dim * count)
            number, place = number + 1, place + 1
            feed_forward(width)
            number, place = number + 1, place + 1
        if s < 2:
            a, b = f"blocks.{number}", f"levit.encoder.stages.{s}.layers.{place}"
            n = width // dim
            biases(a, b, n, sides[s] ** 2, sides[s + 1] ** 2, sides[s] ** 2)
            linear_bn(f"{a}.kv", f"{b}.keys_values", 5 * dim * n, width)
            linear_bn(f"{a}.q.1", f"{b}.queries", dim * n, width)
            linear_bn(f"{a}.proj.1", f"{b}.projection", widths[s + 1], 4 * dim * n)
            number, place = number + 1, place + 1
            feed_forward(widths[s + 1])
            number, place = number + 1, place + 1
    for s, t in (("head", "classifier"), ("head_dist", "classifier_distill")):
        batch_norm(m, f"{s}.bn.", f"{t}.batch_norm", widths[-1])
        m.linear(f"{s}.l", f"{t}.linear", 1000, widths[-1])
    return m.pair()


def shufflenet(widths=(24, 116, 232, 464, 1024), depths=(4, 8, 4)):
    """Megvii's flat list of blocks, main branch first, and torchvision's stages, where it is the second."""
    m = Maker("shufflenetv2_megvii_to_tv")
    rank = {}

    def conv_bn(source, number, target, out, n, size, at=None):
        m.both(f"{source}.{number}.weight", f"{target}.{number}.weight", out, n, size, size)
        batch_norm(m, f"{source}.{number + 1}.", f"{target}.{number + 1}", out)
        rank[target] = at

    conv_bn("first_conv", 0, "conv1", widths[0], 3, 3, at=(0,))
    before, index = widths[0], 0
    for s, depth in enumerate(depths):
        half = widths[s + 1] // 2
        for i in range(depth):
            a, b = f"features.{index}", f"stage{s + 2}.{i}"
            n = before if i == 0 else half
            conv_bn(f"{a}.branch_main", 0, f"{b}.branch2", half, n, 1, at=(1, s, i, 2))
            conv_bn(f"{a}.branch_main", 3, f"{b}.branch2", half, 1, 3, at=(1, s, i, 2))
            conv_bn(f"{a}.branch_main", 5, f"{b}.branch2", half, half, 1, at=(1, s, i, 2))
            if i == 0:
                conv_bn(f"{a}.branch_proj", 0, f"{b}.branch1", before, 1, 3, at=(1, s, i, 1))
                conv_bn(f"{a}.branch_proj", 2, f"{b}.branch1", half, before, 1, at=(1, s, i, 1))
            index += 1
        before = widths[s + 1]
    conv_bn("conv_last", 0, "conv5", widths[-1], before, 1, at=(2,))
    m.both("classifier.0.weight", "fc.weight", 1000, widths[-1])
    m.tgt("fc.bias", 1000)

    def place(key):
        words = key.split(".")
        path = ".".join(words[:3] if words[0].startswith("stage") else words[:1])
        return rank.get(path, (9,))

    return m.pair(order=place)


def gpt2_tf(d=768, layers=12, vocab=50257):
    """The number of a layer sticks to its letter; matrices have a first dimension of one, and are not turned."""
    m = Maker("gpt2_tf_to_hf_sorted")
    t = "transformer"

    def conv1d(source, target, n, out):
        m.src(source + "/w", 1, n, out)
        m.tgt(target + ".weight", n, out, of=source + "/w")
        m.both(source + "/b", target + ".bias", out)

    def norm(source, target):
        m.both(source + "/g", target + ".weight", d)
        m.both(source + "/b", target + ".bias", d)

    m.both("model/wte", f"{t}.wte.weight", vocab, d)
    m.both("model/wpe", f"{t}.wpe.weight", 1024, d)
    for i in range(layers):
        a, b = f"model/h{i}", f"{t}.h.{i}"
        norm(f"{a}/ln_1", f"{b}.ln_1")
        conv1d(f"{a}/attn/c_attn", f"{b}.attn.c_attn", d, 3 * d)
        conv1d(f"{a}/attn/c_proj", f"{b}.attn.c_proj", d, d)
        norm(f"{a}/ln_2", f"{b}.ln_2")
        conv1d(f"{a}/mlp/c_fc", f"{b}.mlp.c_fc", d, 4 * d)
        conv1d(f"{a}/mlp/c_proj", f"{b}.mlp.c_proj", 4 * d, d)
    norm("model/ln_f", f"{t}.ln_f")
    return m.pair(sort_source=True)


def esm2(d=320, heads=20, layers=6):
    """A BERT whose norms stand before; transformers calls them LayerNorm, once in the attention and once beside it."""
    m = Maker("esm2_to_hf")
    m.both("embed_tokens.weight", "esm.embeddings.word_embeddings.weight", 33, d)
    rank = ("query", "key", "value", "rotary", "attention.output", "attention.LayerNorm", "intermediate", "output.dense", "LayerNorm")
    for i in range(layers):
        a, b = f"layers.{i}", f"esm.encoder.layer.{i}"
        for p, q in (("k_proj", "self.key"), ("v_proj", "self.value"), ("q_proj", "self.query"), ("out_proj", "output.dense")):
            m.linear(f"{a}.self_attn.{p}", f"{b}.attention.{q}", d, d)
        m.both(f"{a}.self_attn.rot_emb.inv_freq", f"{b}.attention.self.rotary_embeddings.inv_freq", d // heads // 2)
        m.norm(f"{a}.self_attn_layer_norm", f"{b}.attention.LayerNorm", d)
        m.linear(f"{a}.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.fc2", f"{b}.output.dense", d, 4 * d)
        m.norm(f"{a}.final_layer_norm", f"{b}.LayerNorm", d)
    m.linear("contact_head.regression", "esm.contact_head.regression", 1, layers * heads)
    m.norm("emb_layer_norm_after", "esm.encoder.emb_layer_norm_after", d)
    m.both("lm_head.weight", "lm_head.decoder.weight", 33, d)
    m.both("lm_head.bias", "lm_head.bias", 33)
    m.linear("lm_head.dense", "lm_head.dense", d, d)
    m.norm("lm_head.layer_norm", "lm_head.layer_norm", d)

    def place(key):
        words = key.split(".")
        if words[2:3] == ["layer"]:
            return 1, int(words[3]), next(i for i, word in enumerate(rank) if word in key)
        return (0,) if "embeddings" in key else ((2,) if "after" in key else ((3,) if "contact" in key else (4,)))

    return m.pair(order=place)


def bert_gguf(d=384, layers=12, inner=1536, vocab=30522):
    """Norms after the layers: attn_output_norm and layer_output_norm, in a file that is sorted."""
    m = Maker("bert_hf_to_gguf_sorted")
    for s, t, n in (("word", "token_embd", vocab), ("position", "position_embd", 512), ("token_type", "token_types", 2)):
        m.both(f"embeddings.{s}_embeddings.weight", f"{t}.weight", n, d)
    m.norm("embeddings.LayerNorm", "token_embd_norm", d)
    for i in range(layers):
        a, b = f"encoder.layer.{i}", f"blk.{i}"
        for p in ("query", "key", "value"):
            m.linear(f"{a}.attention.self.{p}", f"{b}.attn_{p[0]}", d, d)
        m.linear(f"{a}.attention.output.dense", f"{b}.attn_output", d, d)
        m.norm(f"{a}.attention.output.LayerNorm", f"{b}.attn_output_norm", d)
        m.linear(f"{a}.intermediate.dense", f"{b}.ffn_up", inner, d)
        m.linear(f"{a}.output.dense", f"{b}.ffn_down", d, inner)
        m.norm(f"{a}.output.LayerNorm", f"{b}.layer_output_norm", d)
    m.src("pooler.dense.weight", d, d)
    m.src("pooler.dense.bias", d)
    return m.pair(sort_target=True)


FAMILIES = (flax_resnet, vit_jax, gemma2, deepseek2, marian, xlnet, dpt, encodec, esrgan, yolox, ernie, kohya_lora, flux,
            levit, shufflenet, gpt2_tf, esm2, bert_gguf)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "unseen_")} for pair in (make() for make in FAMILIES)]
